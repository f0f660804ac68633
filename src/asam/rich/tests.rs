//! Rich text: by cases, and the compatible rendering against its rule.

use proptest::prelude::*;

use super::*;
use crate::asam::events::{self, Visitor, Want};
use crate::asam::limits::Limits;
use crate::asam::tree::Tree;

/// Renders the ISSUE-DESC of `<ISSUE>…</ISSUE>` with this content.
fn rendered(issue: &str, how: Render) -> String {
    struct First(Render, Option<String>);
    impl Visitor for First {
        fn root(&mut self, _: &str, _: &[(String, String)]) -> crate::Result<()> {
            Ok(())
        }
        fn start(&mut self, _: usize, _: &str) -> Want {
            Want::Tree
        }
        fn tree(&mut self, tree: &Tree, _: Option<&str>) -> crate::Result<()> {
            let description = tree.root().unwrap().child("ISSUE-DESC").unwrap();
            self.1 = Some(render(description, self.0));
            Ok(())
        }
    }
    let document = format!("<X><ISSUE>{issue}</ISSUE></X>");
    let mut first = First(how, None);
    events::read(document.as_bytes(), "x", &Limits::default(), &mut first).unwrap();
    first.1.unwrap()
}

fn description(content: &str, how: Render) -> String {
    rendered(&format!("<ISSUE-DESC>{content}</ISSUE-DESC>"), how)
}

#[test]
fn clean_text_has_blocks_and_items() {
    let cases = [
        ("", ""),
        (" \n ", ""),
        ("plain", "plain"),
        ("<P>a</P><P>b</P>", "a\nb"),
        ("\n  <P>\n    a\n    b\n  </P>\n  <P>c</P>\n", "a b\nc"),
        ("<P>a <B>b</B> c</P>", "a b c"),
        ("<P>a<B>b</B>c</P>", "abc"),
        ("<P>a <B> b </B> c</P>", "a b c"),
        ("<P>a<BR/>b</P>", "a\nb"),
        ("<P>a<BR/><BR/>b</P>", "a\nb"),
        ("x<P>a</P>y", "x\na\ny"),
        ("<UL><LI>a</LI><LI>b</LI></UL>", "- a\n- b"),
        (
            "<P>x</P><UL>\n <LI>a\n  <OL><LI>a1</LI></OL>\n </LI>\n <LI>b</LI></UL>y",
            "x\n- a\n  - a1\n- b\ny",
        ),
        ("<LI>a</LI>", "- a"),
        ("<UL><LI><P>a</P><P>b</P></LI></UL>", "- a\nb"),
        ("<LIST><ITEM>a</ITEM></LIST>", "- a"),
        ("<ul><li>a</li></ul>", "- a"),
        ("<UL><LI/><LI>b</LI></UL>", "- b"),
        ("<UL><UL><LI>a</LI></UL><LI>b</LI></UL>", "- a\n- b"),
        ("<P>if (a &lt; b) <![CDATA[{ &amp; }]]></P>", "if (a < b) { &amp; }"),
        ("<VERBATIM>\n  a\n    b\n</VERBATIM>", "  a\n    b"),
        ("<P>H<SUB>2</SUB>O</P><SCRIPT>x</SCRIPT>", "H2O"),
        ("<P>a\u{a0}b</P>", "a\u{a0}b"),
        ("<P>a<!-- x -->b</P>", "ab"),
        ("<TABLE><TR><TD>a</TD> <TD>b</TD></TR><TR><TD>c</TD></TR></TABLE>", "a b\nc"),
    ];
    for (content, text) in cases {
        assert_eq!(description(content, Render::Clean), text, "{content}");
    }
}

#[test]
fn wiki_text_is_marked_up() {
    let cases = [
        ("<P>a <B>b</B> c</P><P>d</P>", "a *b* c\nd"),
        ("<P>a <B> b </B>c</P>", "a *b* c"),
        ("<P>a<I></I>b<I> </I>c</P>", "ab c"),
        ("<P><B>x <I>y</I></B></P>", "*x _y_*"),
        ("<UL><LI>a<OL><LI>b</LI></OL></LI></UL>", "* a\n*# b"),
        ("<P><TT>x</TT> H<SUB>2</SUB></P>", "{{x}} H~2~"),
        ("<VERBATIM>a\n b</VERBATIM>", "{noformat}\na\n b\n{noformat}"),
        ("<P>{code} [x]</P>", "\\{code} \\[x]"),
        ("<P>a_b * c</P>", "a_b * c"),
    ];
    for (content, text) in cases {
        assert_eq!(description(content, Render::Wiki), text, "{content}");
    }
}

#[test]
fn compatible_text_has_the_texts_and_the_tail() {
    let cases = [
        ("<ISSUE-DESC/>\n  <A/>", "\n"),
        ("<ISSUE-DESC/><A/>", ""),
        ("<ISSUE-DESC/> <A/>", " "),
        ("<ISSUE-DESC/>", ""),
        ("<ISSUE-DESC>a <B>b</B> c</ISSUE-DESC>", "a \nb\n c"),
        ("<ISSUE-DESC>\n <P>a</P>\n</ISSUE-DESC>\n ", "\n\na\n\n\n\n"),
        ("<A>x</A><ISSUE-DESC>a</ISSUE-DESC>tail<A/>", "a\ntail"),
    ];
    for (issue, text) in cases {
        assert_eq!(rendered(issue, Render::Compat), text, "{issue}");
    }
}

/// A piece of well-nested markup.
#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Data(String),
    Comment,
    Element(&'static str, Vec<Piece>),
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ \n\t]{0,3}", "[a-zäß&<> \n\t\u{a0}]{0,6}"]
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let leaf = prop_oneof![
        4 => text().prop_map(Piece::Text),
        1 => "[a-z<& \n]{0,4}".prop_map(Piece::Data),
        1 => Just(Piece::Comment),
    ];
    let tags = prop::sample::select(vec!["P", "B", "UL", "LI", "BR", "X"]);
    let piece = leaf.prop_recursive(5, 40, 5, move |inner| {
        (tags.clone(), prop::collection::vec(inner, 0..5))
            .prop_map(|(tag, pieces)| Piece::Element(tag, pieces))
    });
    prop::collection::vec(piece, 0..6)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn xml(pieces: &[Piece]) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => escape(text),
        Piece::Data(text) => format!("<![CDATA[{text}]]>"),
        Piece::Comment => "<!-- c -->".to_owned(),
        Piece::Element(tag, pieces) => format!("<{tag}>{}</{tag}>", xml(pieces)),
    };
    pieces.iter().map(piece).collect()
}

/// The text nodes: a tag ends one, a comment does not.
fn nodes(pieces: &[Piece], into: &mut Vec<String>) {
    for piece in pieces {
        match piece {
            Piece::Text(text) | Piece::Data(text) => match into.last_mut() {
                Some(last) => last.push_str(text),
                None => into.push(text.clone()),
            },
            Piece::Comment => {}
            Piece::Element(_, pieces) => {
                into.push(String::new());
                nodes(pieces, into);
                into.push(String::new());
            }
        }
    }
}

/// The rule, word by word.
fn rule(inner: &[Piece], tail: &str) -> String {
    let mut texts = vec![String::new()];
    nodes(inner, &mut texts);
    texts.push(tail.to_owned());
    let texts: Vec<String> = texts
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(|text| match text.chars().all(|c| " \t\n".contains(c)) {
            true if text.contains('\n') => "\n".to_owned(),
            true => " ".to_owned(),
            false => text,
        })
        .collect();
    texts.join("\n")
}

/// The same markup with other white space between block tags.
fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

proptest! {
    #[test]
    fn compatible_text_follows_its_rule(inner in pieces(), tail in text()) {
        let issue = format!("<ISSUE-DESC>{}</ISSUE-DESC>{}<A/>", xml(&inner), escape(&tail));
        prop_assert_eq!(rendered(&issue, Render::Compat), rule(&inner, &tail));
    }

    #[test]
    fn clean_text_loses_no_word_and_is_trimmed(inner in pieces()) {
        let clean = description(&xml(&inner), Render::Clean);
        prop_assert_eq!(clean.trim_matches([' ', '\n', '\t']), clean.as_str());
        prop_assert!(!clean.contains("\n\n") && !clean.contains("  ") || clean.contains("- "));
        let mut texts = vec![String::new()];
        nodes(&inner, &mut texts);
        // Marks of items aside, the letters are the same in the same order.
        let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let unmarked: String = clean.lines().map(|l| l.trim_start().strip_prefix("- ").unwrap_or(l)).collect();
        prop_assert_eq!(letters(&unmarked), letters(&texts.concat()));
    }

    #[test]
    fn indenting_again_is_no_change(paragraphs in prop::collection::vec("[a-zß]{1,6}( [a-z]{1,6}){0,3}", 1..5)) {
        let compact: String = paragraphs.iter().map(|p| format!("<P>{p}</P>")).collect();
        let indented: String = paragraphs.iter().map(|p| format!("\n    <P>\n      {}\n    </P>", p.replace(' ', "\n      "))).collect();
        prop_assert_eq!(description(&compact, Render::Clean), description(&indented, Render::Clean));
        prop_assert_eq!(words(&description(&compact, Render::Clean)), words(&paragraphs.join(" ")));
    }
}
