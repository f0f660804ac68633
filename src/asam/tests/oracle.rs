//! Our reading of XML against that of quick-xml, on documents that are hard on both: the same are
//! refused, and of the others the same elements, attributes and texts are seen.

use std::fmt::Write as _;

use proptest::prelude::*;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::super::events::{self, Visitor, Want, is_char, local};
use super::super::tree::{Child, Element, Tree};
use super::super::words::word;
use super::*;

/// Samples are deeper than what is generated, which is to meet the limit.
const DEPTH: usize = 10;
const ATTRIBUTES: usize = 3;

fn limits() -> Limits {
    Limits { depth: DEPTH, attributes: ATTRIBUTES, ..Limits::default() }
}

/// What was seen, as text in which nothing looks like something else.
#[derive(Default)]
struct Seen(String);

impl Seen {
    fn start(&mut self, name: &str) {
        let _ = write!(self.0, "<{name:?}");
    }

    fn attribute(&mut self, name: &str, value: &str) {
        let _ = write!(self.0, " {name:?}={value:?}");
    }

    fn element(&mut self, element: Element<'_>) {
        self.start(element.name());
        element.attributes().for_each(|(name, value)| self.attribute(name, value));
        for child in element.children() {
            match child {
                Child::Element(element) => self.element(element),
                Child::Text(text) => drop(write!(self.0, "{text:?}")),
            }
        }
        self.0.push_str("</>");
    }
}

impl Visitor for Seen {
    fn root(&mut self, name: &str, attributes: &[(String, String)]) -> crate::Result<()> {
        self.start(name);
        attributes.iter().for_each(|(name, value)| self.attribute(name, value));
        Ok(())
    }

    fn start(&mut self, _depth: usize, _name: &str) -> Want {
        Want::Tree
    }

    fn tree(&mut self, tree: &Tree, cut: Option<&str>) -> crate::Result<()> {
        assert_eq!(cut, None);
        self.element(tree.root().unwrap());
        Ok(())
    }
}

fn ours(bytes: &[u8]) -> Result<String, crate::Error> {
    let mut seen = Seen::default();
    events::read(bytes, "x", &limits(), &mut seen).map(|()| seen.0)
}

/// The same by quick-xml, which reads the grammar; what it leaves to its user is checked here.
#[derive(Default)]
struct Oracle {
    seen: Seen,
    depth: usize,
    done: bool,
    text: String,
    /// Depth of the CONTENT whose text is not kept.
    opaque: Option<usize>,
}

impl Oracle {
    fn start(&mut self, start: &BytesStart<'_>) -> Option<()> {
        if self.done || self.depth >= DEPTH {
            return None;
        }
        self.flush();
        let name = local(start.name().into_inner());
        let known = if self.depth == 0 { None } else { word(name) };
        self.seen.start(known.map_or(name, |(_, word)| word.name));
        for (count, attribute) in start.attributes().enumerate() {
            let attribute = attribute.ok().filter(|_| count < ATTRIBUTES)?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
            if attribute.value.contains('<') || !value.chars().all(is_char) {
                return None;
            }
            self.seen.attribute(attribute.key.into_inner(), &value);
        }
        if self.depth > 0 && name == "CONTENT" {
            self.opaque.get_or_insert(self.depth);
        }
        self.depth += 1;
        Some(())
    }

    fn end(&mut self) {
        self.flush();
        self.depth -= 1;
        self.opaque = self.opaque.filter(|depth| *depth != self.depth);
        self.done = self.depth == 0;
        if self.depth > 0 {
            self.seen.0.push_str("</>");
        }
    }

    fn text(&mut self, text: &str) -> Option<()> {
        if self.depth > 1 && self.opaque.is_none() {
            self.text.push_str(text);
        }
        (self.depth > 0 || text.trim_ascii().is_empty()).then_some(())
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            let _ = write!(self.seen.0, "{:?}", self.text);
            self.text.clear();
        }
    }

    fn event(&mut self, event: &Event<'_>) -> Option<()> {
        match event {
            Event::Start(start) => self.start(start),
            Event::Empty(start) => {
                self.start(start)?;
                self.end();
                Some(())
            }
            Event::End(_) => {
                self.end();
                Some(())
            }
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) if self.depth > 0 => self.text(&text.xml10_content()),
            Event::GeneralRef(name) if self.depth > 0 => {
                let predefined = quick_xml::escape::resolve_xml_entity(name).map(str::to_owned);
                let c = name.resolve_char_ref().ok()?.filter(|c| is_char(*c));
                self.text(&predefined.or(c.map(String::from))?)
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => Some(()),
            Event::CData(_) | Event::GeneralRef(_) | Event::DocType(_) | Event::Eof => None,
        }
    }
}

/// `None`: it is refused.
fn theirs(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.chars().all(is_char))?;
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut oracle = Oracle::default();
    loop {
        match reader.read_event().ok()? {
            Event::Eof => return oracle.done.then_some(oracle.seen.0),
            event => oracle.event(&event)?,
        }
    }
}

/// Pieces of documents: whatever has a meaning, mostly in its place.
fn documents() -> impl Strategy<Value = String> {
    let names = ["a", "ISSUE", "x:COMPANY", "CONTENT", "long-name-of-an-element", "ä", "a\"b\""];
    let name = prop::sample::select(names.to_vec());
    let value = prop_oneof![
        20 => "[a-c>'\t\r\nü/=]{0,4}|&lt;|&#10;|&#x41;|&amp;x",
        1 => "[<&;#]{1,2}",
    ];
    let key = prop::sample::select(vec!["i", "j", "k", "ID-REF", "=l", "ä:m"]);
    let attribute = (key, value, any::<bool>()).prop_map(|(name, value, single)| match single {
        true => format!(" {name}='{}'", value.replace('\'', "")),
        false => format!(" {name} = \"{value}\""),
    });
    let attributes = prop::collection::vec(attribute, 0..4).prop_map(|all| all.concat());
    let text = prop_oneof![
        40 => "[a-z \r\n>üß€\u{10ffff}-]{0,20}",
        20 => prop::sample::select(vec![
            "&amp;", "&lt;", "&#13;", "&#x20AC;", "]]>", "<!-- - -->", "<?p i?>", "<![CDATA[<&\r]]>",
            "<!---->", "<??>", "\u{85}\u{2028}", "\u{feff}",
        ]).prop_map(str::to_owned),
        1 => prop::sample::select(vec![
            "&", "&;", "&x;", "&#0;", "&#+1;", "&#x;", "&#xD800;", "<", "</", "</a>", "</ISSUE >",
            "<!", "<!-", "<!--->", "<![CDATA[", "<?>", "<>", "</>", "< >", "<a b>", "<a b=c>",
            "<a <b/>", "'", "\"", "<!DOCTYPE a>", "\u{b}", "\u{fffe}", "<a/ >", "/>", "<a'>'/>",
        ]).prop_map(str::to_owned),
    ];
    let leaf =
        (name.clone(), attributes.clone(), text.clone()).prop_map(|(name, with, text)| match text
            .is_empty()
        {
            true => format!("<{name}{with}/>"),
            false => format!("<{name}{with}>{text}</{name}>"),
        });
    let tree = leaf.prop_recursive(12, 40, 3, move |inner| {
        let inside = prop::collection::vec(prop_oneof![inner, text.clone()], 0..5);
        (name.clone(), attributes.clone(), inside, "[ \r\n\t]{0,2}").prop_map(
            |(name, with, inside, blank)| {
                format!("<{name}{with}{blank}>{}</{name}{blank}>", inside.concat())
            },
        )
    });
    let prolog = prop::sample::select(vec![
        "",
        "",
        "",
        " ",
        "\n",
        "<?xml version='1.0'?>\n",
        "\u{feff}",
        "\u{feff}\u{feff}",
        "<!-- x -->",
        "x",
    ]);
    let epilog =
        prop::sample::select(vec!["", "", "", "\n", "\r\n", "<!-- x -->", "<a/>", "x", "<"]);
    (prolog, tree, epilog).prop_map(|(before, tree, after)| format!("{before}{tree}{after}"))
}

/// One byte at a time, so that every piece is cut somewhere.
struct Slow<'a>(&'a [u8]);

impl std::io::Read for Slow<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
        self.0 = rest;
        into[0] = *first;
        Ok(1)
    }
}

fn agree(bytes: &[u8]) -> Result<bool, TestCaseError> {
    let (ours, theirs) = (ours(bytes), theirs(bytes));
    prop_assert_eq!(ours.is_ok(), theirs.is_some(), "{}: {:?}", bytes.escape_ascii(), ours);
    if let (Ok(ours), Some(theirs)) = (&ours, &theirs) {
        prop_assert_eq!(ours, theirs, "{}", bytes.escape_ascii());
    }
    let mut slow = Seen::default();
    // A declaration is looked for in the first bytes, which are read at once.
    let padded = [bytes, &[b' '; 600]].concat();
    let read = events::read(Slow(&padded), "x", &limits(), &mut slow);
    let at_once = self::ours(&padded);
    prop_assert_eq!(read.is_ok(), at_once.is_ok(), "{}", bytes.escape_ascii());
    if let Ok(at_once) = at_once {
        prop_assert_eq!(slow.0, at_once);
    }
    Ok(ours.is_ok())
}

proptest! {
    #[test]
    fn the_same_is_seen_and_the_same_refused(document in documents()) {
        agree(document.as_bytes())?;
    }

    #[test]
    fn of_a_sound_document_no_proper_prefix_is_one(document in documents()) {
        let whole = document.as_bytes();
        if agree(whole)? {
            for end in 0..whole.trim_ascii_end().len() {
                agree(&whole[..end])?;
            }
        }
    }

    #[test]
    fn the_same_is_refused_after_any_damage(
        document in documents(),
        at in any::<prop::sample::Index>(),
        with in prop::sample::select(b"<>/!?&;'\"= \r\n[]-\x0b\xc3\xff".to_vec()),
        kind in 0..3,
    ) {
        let mut bytes = document.into_bytes();
        let at = at.index(bytes.len());
        match kind {
            0 => bytes[at] = with,
            1 => bytes.insert(at, with),
            _ => drop(bytes.remove(at)),
        }
        agree(&bytes)?;
    }
}

/// Longer than what is read at a time, so that each is looked at more than once.
#[test]
fn long_pieces_are_seen_alike() {
    let long = |piece: &str| piece.repeat(500_000 / piece.len());
    let cases = [
        format!("<a><b>{}</b></a>", long("xü\r\n")),
        format!("<a><b>{}</b></a>", long("&lt;")),
        format!("<a><b>{}</b></a>", long("<i/> and more ")),
        format!("<a><b>{}</b></a>", long("<CONTENT j='>'>QUJD\n</CONTENT>")),
        format!("<a><b i='{}'/></a>", long(">\"ü ")),
        format!("<a><b i='' {}/></a>", long("\r\n")),
        format!("<a><{0}>x</{0}></a>", long("long-")),
        format!("<a><{0}>x</{0} ></a>", long("\"'\"")),
        format!("<a><b><!--{}--></b></a>", long("- >")),
        format!("<a><b><?{}?></b></a>", long("? >")),
        format!("<a><b><![CDATA[{}]]></b></a>", long("]] >\r")),
        format!("<a><b>&{};</b></a>", long("x")),
        format!("<a><b {}", long("' ")),
    ];
    for (at, case) in cases.iter().enumerate() {
        let (ours, theirs) = (ours(case.as_bytes()).ok(), theirs(case.as_bytes()));
        assert!(ours == theirs, "case {at}");
        assert_eq!(ours.is_some(), at < cases.len() - 2, "case {at}");
    }
}

#[test]
fn the_samples_are_seen_alike() {
    let bare = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pfiff/expected"));
    let mut seen = 0;
    for file in bare.unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|extension| extension == "xml") {
            let bytes = std::fs::read(&file).unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            for bytes in [text.clone(), text.replace("><", ">\r\n<")] {
                seen += usize::from(agree(bytes.as_bytes()).unwrap());
            }
        }
    }
    assert!(seen >= 2);
}
