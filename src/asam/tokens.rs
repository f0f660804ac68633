//! The lexical grammar of XML (XML 1.0, sections 2 and 3): text, tags, references, and asides.
//!
//! Tags of documents are short and many, so they are looked over eight octets at a time with
//! plain integer arithmetic. Names are not held to the grammar of names: nothing depends on it.

use std::io::{self, Read};

use memchr::{memchr2, memchr3, memchr3_iter, memmem};

use super::text::Text;

/// A piece of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// Characters, with line ends as they stand.
    Text(&'t str),
    /// What stands between `&` and `;`.
    Reference(&'t str),
    /// The characters of a CDATA section.
    Cdata(&'t str),
    /// A start tag, or a tag of an `empty` element; its attributes as they stand.
    Start { name: &'t str, attributes: &'t str, empty: bool },
    /// The end tag that was expected.
    Close,
    /// An end tag.
    End(&'t str),
    /// A comment, a processing instruction, or the XML declaration.
    Aside,
    /// The beginning of a document type declaration; what follows it is not looked at.
    Doctype,
}

/// Why [`each`] stopped. The text stands before the token.
pub(super) enum Stop<E> {
    /// The text cannot be read on.
    Text(io::Error),
    /// There is no such markup.
    Syntax(&'static str),
    /// The visitor refused a token of this length.
    Visitor(E, usize),
}

/// Hands over the tokens of `text` to `visit` until it answers `None`. It is told whether line
/// ends may have to be normalised. It answers the name of the end tag that may come next, as far
/// as that is a name without octets that a tag is looked through for; else an empty one.
///
/// # Errors
/// Those of reading, of the grammar, and of `visit`.
#[inline]
pub(super) fn each<R: Read, E>(
    text: &mut Text<R>,
    mut visit: impl FnMut(Token<'_>, bool) -> Result<Option<&'static str>, E>,
) -> Result<(), Stop<E>> {
    let (mut last, mut expected) = (false, "");
    loop {
        let returns = text.has_returns();
        let window = text.rest();
        let mut used = 0;
        let end = loop {
            let token = next(window.get(used..).unwrap_or_default(), expected, last);
            used += match token {
                Ok((token, length)) => match visit(token, returns) {
                    Ok(Some(name)) => {
                        expected = name;
                        length
                    }
                    Ok(None) => break Ok(false),
                    Err(error) => break Err(Stop::Visitor(error, length)),
                },
                Err(Bad::Syntax(what)) => break Err(Stop::Syntax(what)),
                Err(_) if !last => break Ok(true),
                Err(Bad::Ended) => break Ok(false),
                Err(Bad::Unfinished(what)) => break Err(Stop::Syntax(what)),
            };
        };
        text.advance(used);
        match end {
            Ok(true) => last = !text.more().map_err(Stop::Text)?,
            Ok(false) => return Ok(()),
            Err(stop) => return Err(stop),
        }
    }
}

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bad {
    /// Nothing is left.
    Ended,
    /// More has to be read; what is wrong if there is no more.
    Unfinished(&'static str),
    /// Nothing that follows makes it one.
    Syntax(&'static str),
}

const TAG: Bad = Bad::Unfinished("a tag is not closed");
const REFERENCE: &str = "a & begins no reference";

/// The first token of `rest` and its length. In the `last` part a text may end with it.
#[inline(always)]
fn next<'t>(rest: &'t str, expected: &'static str, last: bool) -> Result<(Token<'t>, usize), Bad> {
    let bytes = rest.as_bytes();
    match bytes.first() {
        None => Err(Bad::Ended),
        Some(b'<') if closes(bytes, expected) => Ok((Token::Close, expected.len() + 3)),
        Some(b'<') => markup(rest),
        Some(b'&') => {
            let end = memchr3(b';', b'&', b'<', bytes.get(1..).unwrap_or_default());
            let end = end.ok_or(Bad::Unfinished(REFERENCE))? + 1;
            match bytes.get(end) {
                Some(b';') => Ok((Token::Reference(slice(rest, 1, end)), end + 1)),
                _ => Err(Bad::Syntax(REFERENCE)),
            }
        }
        Some(_) => {
            let end = text_end(bytes);
            match end < bytes.len() || last {
                true => Ok((Token::Text(slice(rest, 0, end)), end)),
                false => Err(Bad::Ended),
            }
        }
    }
}

/// Whether the tag at the beginning of `bytes` is the end tag of `expected`.
#[inline]
fn closes(bytes: &[u8], expected: &'static str) -> bool {
    let end = 2 + expected.len();
    bytes.get(1) == Some(&b'/')
        && bytes.get(end) == Some(&b'>')
        && !expected.is_empty()
        && bytes.get(2..end) == Some(expected.as_bytes())
}

#[inline(always)]
fn markup(rest: &str) -> Result<(Token<'_>, usize), Bad> {
    let bytes = rest.as_bytes();
    match bytes.get(1) {
        None => Err(TAG),
        Some(b'/') => {
            let (end, plain) = tag_end(bytes).ok_or(TAG)?;
            let name = slice(rest, 2, end);
            let trimmed = if plain { name } else { name.trim_end_matches(is_blank) };
            // A tag of nothing but blanks closes nothing.
            let name = if trimmed.is_empty() { name } else { trimmed };
            Ok((Token::End(name), end + 1))
        }
        Some(b'!') => declaration(rest),
        Some(b'?') => instruction(bytes),
        Some(_) => {
            let (end, plain) = tag_end(bytes).ok_or(TAG)?;
            let content = slice(rest, 1, end);
            let (content, empty) = match content.strip_suffix('/') {
                Some(content) => (content, true),
                None => (content, false),
            };
            let blank = if plain { None } else { content.find(is_blank) };
            let (name, attributes) = content.split_at(blank.unwrap_or(content.len()));
            Ok((Token::Start { name, attributes, empty }, end + 1))
        }
    }
}

#[cold]
fn instruction(bytes: &[u8]) -> Result<(Token<'_>, usize), Bad> {
    const OPEN: &str = "a processing instruction is not closed";
    match bytes.get(2..) {
        Some([b'>', ..]) => Err(Bad::Syntax(OPEN)),
        rest => {
            let end = memmem::find(rest.unwrap_or_default(), b"?>");
            end.map(|end| (Token::Aside, end + 4)).ok_or(Bad::Unfinished(OPEN))
        }
    }
}

#[cold]
fn declaration(rest: &str) -> Result<(Token<'_>, usize), Bad> {
    const COMMENT: &[u8] = b"<!--";
    const SECTION: &[u8] = b"<![CDATA[";
    const DOCTYPE: &[u8] = b"<!DOCTYPE";
    const NEITHER: &str = "<! begins no comment, CDATA section or document type";
    let bytes = rest.as_bytes();
    if let Some(comment) = bytes.strip_prefix(COMMENT) {
        let end = memmem::find(comment, b"-->");
        let end = end.ok_or(Bad::Unfinished("a comment is not closed"))?;
        return Ok((Token::Aside, end + 7));
    }
    if let Some(section) = bytes.strip_prefix(SECTION) {
        let end = memmem::find(section, b"]]>");
        let end = end.ok_or(Bad::Unfinished("a CDATA section is not closed"))? + SECTION.len();
        return Ok((Token::Cdata(slice(rest, SECTION.len(), end)), end + 3));
    }
    let doctype = |bytes: &[u8]| bytes.eq_ignore_ascii_case(&DOCTYPE[..bytes.len()]);
    match bytes.get(..DOCTYPE.len()) {
        Some(start) if doctype(start) => Ok((Token::Doctype, DOCTYPE.len())),
        None if COMMENT.starts_with(bytes) || SECTION.starts_with(bytes) || doctype(bytes) => {
            Err(Bad::Unfinished(NEITHER))
        }
        _ => Err(Bad::Syntax(NEITHER)),
    }
}

/// Where the tag at the beginning of `bytes` is closed: at the first `>` that is not quoted; and
/// whether it is nothing but a name.
#[inline]
fn tag_end(bytes: &[u8]) -> Option<(usize, bool)> {
    let at = name_end(bytes, 1);
    match bytes.get(at) {
        Some(b'>') => Some((at, true)),
        None => None,
        Some(_) => quoted_tag_end(bytes, at).map(|end| (end, false)),
    }
}

fn quoted_tag_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut quote = None;
    for at in memchr3_iter(b'>', b'\'', b'"', bytes.get(from..).unwrap_or_default()) {
        let octet = bytes.get(from + at).copied();
        match quote {
            None if octet == Some(b'>') => return Some(from + at),
            None => quote = octet,
            Some(_) if octet == quote => quote = None,
            Some(_) => {}
        }
    }
    None
}

const fn spread(octet: u8) -> u64 {
    u64::from_ne_bytes([octet; 8])
}

const LOW: u64 = spread(0x01);
const HIGH: u64 = spread(0x80);

/// The lowest bit that is set stands in the first octet of `word` that is `octet`.
#[inline]
const fn equal(word: u64, octet: u8) -> u64 {
    below(word ^ spread(octet), 1)
}

/// The lowest bit that is set stands in the first octet of `word` below `limit`, at most 0x80.
#[inline]
const fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(limit as u64 * LOW) & !word & HIGH
}

/// The offset of the first octet of `bytes`, not before `from`, that `hits` in words and `hit`
/// alone; else their length.
#[inline]
fn find(bytes: &[u8], from: usize, hits: impl Fn(u64) -> u64, hit: impl Fn(u8) -> bool) -> usize {
    let mut at = from;
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let hits = hits(u64::from_le_bytes(*word));
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let tail = bytes.get(at..).unwrap_or_default();
    tail.iter().position(|octet| hit(*octet)).map_or(bytes.len(), |found| at + found)
}

/// The end of a name, not before `from`: `>`, or what stands low in ASCII: blanks, quotes, and
/// some that no name has.
#[inline]
fn name_end(bytes: &[u8], from: usize) -> usize {
    const LIMIT: u8 = b'\'' + 1;
    let hits = |word| below(word, LIMIT) | equal(word, b'>');
    find(bytes, from, hits, |octet| octet < LIMIT || octet == b'>')
}

/// The end of a text. Most are short: blanks between tags, one value.
#[inline]
fn text_end(bytes: &[u8]) -> usize {
    const SHORT: usize = 32;
    let hits = |word| equal(word, b'<') | equal(word, b'&');
    let short = bytes.get(..SHORT).unwrap_or(bytes);
    let end = find(short, 0, hits, |octet| matches!(octet, b'<' | b'&'));
    if end < short.len() {
        return end;
    }
    let rest = bytes.get(end..).unwrap_or_default();
    memchr2(b'<', b'&', rest).map_or(bytes.len(), |found| end + found)
}

/// The blanks of XML (production 3). A no-break space means itself.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// What stands between two ASCII marks.
#[inline]
fn slice(text: &str, from: usize, to: usize) -> &str {
    text.get(from..to).unwrap_or_default()
}

/// The attributes of a tag: names, and values as they stand.
pub(super) struct Attributes<'t>(pub(super) &'t str);

impl<'t> Iterator for Attributes<'t> {
    type Item = Result<(&'t str, &'t str), &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.trim_start_matches(is_blank);
        if rest.is_empty() {
            return None;
        }
        let found = attribute(rest);
        self.0 = found.map_or("", |(_, rest)| rest);
        Some(found.map(|(attribute, _)| attribute))
    }
}

impl Attributes<'_> {
    /// Whether there may be another one.
    pub(super) fn has_more(&self) -> bool {
        !self.0.is_empty()
    }
}

/// The attribute at the beginning of `rest`, and what follows it.
fn attribute(rest: &str) -> Result<((&str, &str), &str), &'static str> {
    const EQUALS: &str = "an attribute has no =";
    // The first character is the name's, whatever it is.
    let mut ends = rest.char_indices().skip(1).filter(|(_, c)| *c == '=' || is_blank(*c));
    let (name, rest) = rest.split_at(ends.next().ok_or(EQUALS)?.0);
    let rest = rest.trim_start_matches(is_blank).strip_prefix('=').ok_or(EQUALS)?;
    let rest = rest.trim_start_matches(is_blank);
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''));
    let quote = quote.ok_or("the value of an attribute is not quoted")?;
    let (value, rest) = slice(rest, 1, rest.len())
        .split_once(quote)
        .ok_or("the value of an attribute is not closed")?;
    Ok(((name, value), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(document: &str) -> Result<Vec<Token<'_>>, &'static str> {
        let (mut rest, mut tokens) = (document, Vec::new());
        loop {
            match next(rest, "expected", true) {
                Ok((token, length)) => {
                    tokens.push(token);
                    rest = &rest[length..];
                }
                Err(Bad::Ended) => return Ok(tokens),
                Err(Bad::Unfinished(what) | Bad::Syntax(what)) => return Err(what),
            }
        }
    }

    fn start<'t>(name: &'t str, attributes: &'t str, empty: bool) -> Token<'t> {
        Token::Start { name, attributes, empty }
    }

    #[test]
    fn tokens_of_all_kinds() {
        use Token::{Aside, Cdata, Close, Doctype, End, Reference, Text};
        let cases = [
            ("<a>x</a>", vec![start("a", "", false), Text("x"), End("a")]),
            ("<a/><b />", vec![start("a", "", true), start("b", " ", true)]),
            ("<long-name-1 x='>/' y=\"'\">", vec![start("long-name-1", " x='>/' y=\"'\"", false)]),
            ("</a-long-name-1 \r\n>", vec![End("a-long-name-1")]),
            ("</expected></expected ></expecte>", vec![Close, End("expected"), End("expecte")]),
            ("<></><//></ >", vec![start("", "", false), End(""), End("/"), End(" ")]),
            ("<a\"b\">", vec![start("a\"b\"", "", false)]),
            ("ä&amp;&#10;]]>", vec![Text("ä"), Reference("amp"), Reference("#10"), Text("]]>")]),
            ("<?xml a='>'?><??>", vec![Aside, Aside]),
            ("<!----><!--->--> --->", vec![Aside, Aside, Text(" --->")]),
            ("<![CDATA[]]]]><![CDATA[]]>", vec![Cdata("]]"), Cdata("")]),
            ("<!doctype", vec![Doctype]),
        ];
        for (document, expected) in cases {
            assert_eq!(tokens(document), Ok(expected), "{document}");
        }
        let long = "x".repeat(100);
        for length in 0..100 {
            let document = format!("{}<{}>", &long[length..], &long[..length]);
            let expected = vec![Text(&long[length..]), start(&long[..length], "", false)];
            assert_eq!(tokens(&document), Ok(expected));
        }
        for bad in ["<", "<a", "<a '>", "</a", "<!", "<!x", "<!--->", "<![CDATA[]>", "<?>", "&a&"] {
            assert!(tokens(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn words_find_what_a_plain_search_finds() {
        let octets: Vec<u8> = (0..=255).collect();
        for (at, octet) in octets.iter().enumerate() {
            let mut word = [b'x'; 8];
            word[at % 8] = *octet;
            let number = u64::from_le_bytes(word);
            let first = |hits: u64| (hits != 0).then(|| hits.trailing_zeros() as usize / 8);
            let plain = |hit: &dyn Fn(u8) -> bool| word.iter().position(|octet| hit(*octet));
            assert_eq!(first(equal(number, b'>')), plain(&|octet| octet == b'>'));
            assert_eq!(first(below(number, b'(')), plain(&|octet| octet < b'('));
        }
    }

    #[test]
    fn attributes_of_all_kinds() {
        let cases: [(&str, &[_]); 9] = [
            ("", &[]),
            (" \t\r\n", &[]),
            (" a='1' b = \"'\"", &[Ok(("a", "1")), Ok(("b", "'"))]),
            ("a='1'b='2'", &[Ok(("a", "1")), Ok(("b", "2"))]),
            (" =a='1'", &[Ok(("=a", "1"))]),
            (" a", &[Err("an attribute has no =")]),
            (" a b='1'", &[Err("an attribute has no =")]),
            (" a=1", &[Err("the value of an attribute is not quoted")]),
            (" a='1\"", &[Err("the value of an attribute is not closed")]),
        ];
        for (text, expected) in cases {
            assert_eq!(Attributes(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }
}
