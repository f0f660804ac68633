//! The event loop over one document: well-formed within limits, or refused.

use std::io::{self, Read};

use memchr::memchr;

use super::code;
use super::limits::Limits;
use super::text::Text;
use super::tokens::{self, Attributes, Stop, Token};
use super::tree::Tree;
use super::words::{Word, word};
use crate::{Code, Error, Result};

/// What a [`Visitor`] wants of an element.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// Look into it.
    Enter,
    /// Have it whole, by [`Visitor::tree`].
    Tree,
}

/// Who looks at a document.
pub(super) trait Visitor {
    /// The root element: its local name and its attributes. An error ends the reading.
    fn root(&mut self, name: &str, attributes: &[(String, String)]) -> Result<()>;
    /// An element below the root begins; the root is depth 0.
    fn start(&mut self, depth: usize, name: &str) -> Want;
    /// An element that was wanted is complete; `cut` says why it is not, if the limits cut it.
    fn tree(&mut self, tree: &Tree, cut: Option<&str>) -> Result<()>;
}

/// Reads the document `source`, called `name` in errors, to its end.
///
/// # Errors
/// [`code::BAD_XML`], [`code::DOCTYPE`], [`code::LIMIT_EXCEEDED`], all `Fault::Item` with the
/// byte in the document as UTF-8 and the XML path; those of reading `source`; the visitor's own.
pub(super) fn read(
    source: impl Read,
    name: &str,
    limits: &Limits,
    visitor: &mut impl Visitor,
) -> Result<()> {
    let mut text = Text::new(source, limits.text);
    let mut document = Document {
        limits,
        visitor,
        names: Names::default(),
        tree: Tree::default(),
        state: State::Prolog,
        collect: None,
        cut: None,
        elements: 0,
        opaque: 0,
        value: String::new(),
    };
    let read = tokens::each(&mut text, |token, returns| {
        document.token(token, returns).map(|()| Some(document.names.expected()))
    });
    let (refusal, byte) = match read {
        Ok(()) => match document.state {
            State::Epilog => return Ok(()),
            State::Prolog => (bad("it has no root element"), text.position()),
            State::Root => (bad("it ends before the root element does"), text.position()),
        },
        // An error of the bytes says itself where it is.
        Err(Stop::Text(error)) => return Err(unreadable(name, &error)),
        Err(Stop::Syntax(what)) => (bad(what), text.position()),
        Err(Stop::Visitor(refusal, length)) => (refusal, text.position() + length as u64),
    };
    Err(match refusal {
        Refusal::Ours(error) => error,
        Refusal::Document(code, what) => {
            let path = document.names.path();
            let at = if path.is_empty() { String::new() } else { format!(" in {path}") };
            Error::item(code, format!("{name}, byte {byte}{at}: {}", one_line(&what)))
        }
    })
}

fn unreadable(name: &str, error: &io::Error) -> Error {
    let code = match error.kind() {
        io::ErrorKind::FileTooLarge => code::LIMIT_EXCEEDED,
        io::ErrorKind::InvalidData => code::BAD_XML,
        _ => code::CONTENT_DAMAGED,
    };
    Error::item(code, format!("{name}: {}", one_line(&error.to_string())))
}

enum Refusal {
    Document(Code, String),
    Ours(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

fn bad(what: impl Into<String>) -> Refusal {
    Refusal::Document(code::BAD_XML, what.into())
}

fn limit(what: String) -> Refusal {
    Refusal::Document(code::LIMIT_EXCEEDED, what)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Prolog,
    Root,
    Epilog,
}

struct Document<'a, V> {
    limits: &'a Limits,
    visitor: &'a mut V,
    names: Names,
    tree: Tree,
    state: State,
    /// The depth of the element that is being collected.
    collect: Option<usize>,
    /// Why the rest of that element is not kept.
    cut: Option<String>,
    elements: u64,
    /// Depth of an element whose text is not kept, because it is a file: CONTENT.
    opaque: usize,
    /// The value of an attribute, used again for the next.
    value: String,
}

impl<V: Visitor> Document<'_, V> {
    /// `returns`: line ends may have to be normalised (XML 1.0, section 2.11).
    #[inline]
    fn token(&mut self, token: Token<'_>, returns: bool) -> Result<(), Refusal> {
        match token {
            Token::Start { name, attributes, empty } => {
                self.start(name, attributes)?;
                if empty { self.end() } else { Ok(()) }
            }
            Token::Close => self.end(),
            Token::End(name) => {
                self.closes(name)?;
                self.end()
            }
            Token::Text(_) if self.state == State::Root && self.collect.is_none() => Ok(()),
            Token::Text(text) if returns => self.lines(text),
            Token::Text(text) => self.text(text),
            Token::Cdata(text) if self.state == State::Root => self.lines(text),
            Token::Cdata(_) => Err(bad("a CDATA section stands outside the root element")),
            Token::Reference(name) => self.reference(name),
            Token::Aside => Ok(()),
            Token::Doctype => Err(Refusal::Document(
                code::DOCTYPE,
                "it has a document type declaration, which is not read (entities can be bombs)"
                    .to_owned(),
            )),
        }
    }

    fn start(&mut self, qualified: &str, attributes: &str) -> Result<(), Refusal> {
        if self.state == State::Epilog {
            return Err(bad("a second root element"));
        }
        let depth = self.names.depth();
        if depth >= self.limits.depth {
            return Err(limit(format!("elements are nested deeper than {}", self.limits.depth)));
        }
        self.elements += 1;
        if self.elements > self.limits.document_elements {
            return Err(limit(format!("more than {} elements", self.limits.document_elements)));
        }
        let (name, word) = self.names.push(qualified);
        if depth == 0 {
            self.state = State::Root;
            let mut values = Vec::new();
            self.attributes(attributes, &mut |_, key, value| {
                values.push((key.to_owned(), value.to_owned()));
            })?;
            return Ok(self.visitor.root(local(qualified), &values)?);
        }
        if self.collect.is_none() && self.visitor.start(depth, name) == Want::Tree {
            self.collect = Some(depth);
            self.tree.clear();
        }
        let collecting = self.is_collecting();
        if collecting {
            self.tree.start(name, word);
            self.measure();
            if self.opaque == 0 && name == "CONTENT" {
                self.opaque = depth;
            }
        }
        if attributes.is_empty() {
            return Ok(());
        }
        let collecting = self.is_collecting();
        self.attributes(attributes, &mut |tree, key, value| {
            if collecting {
                tree.attribute(key, value);
            }
        })
    }

    fn attributes(
        &mut self,
        attributes: &str,
        keep: &mut dyn FnMut(&mut Tree, &str, &str),
    ) -> Result<(), Refusal> {
        let mut names = Vec::new();
        let mut attributes = Attributes(attributes);
        while let Some(attribute) = attributes.next() {
            if names.len() >= self.limits.attributes {
                return Err(limit(format!(
                    "an element has more than {} attributes",
                    self.limits.attributes
                )));
            }
            let (name, value) = attribute.map_err(bad)?;
            // Names are few: the limit holds.
            if names.contains(&name) {
                return Err(bad(format!("two attributes are called {name}")));
            }
            // Most elements have one attribute.
            if attributes.has_more() || !names.is_empty() {
                names.push(name);
            }
            if value.contains('<') {
                return Err(bad("an attribute contains a '<'"));
            }
            let value = normalized(value, &mut self.value)?;
            keep(&mut self.tree, name, value);
        }
        Ok(())
    }

    /// An end tag closes the innermost element, and no other.
    #[inline]
    fn closes(&mut self, name: &str) -> Result<(), Refusal> {
        match self.names.last() {
            Some(open) if open == name => Ok(()),
            Some(open) => Err(bad(format!("the end tag </{name}> does not close <{open}>"))),
            None => Err(bad(format!("the end tag </{name}> closes nothing"))),
        }
    }

    #[inline]
    fn end(&mut self) -> Result<(), Refusal> {
        self.names.pop();
        match self.names.depth() {
            0 => {
                self.state = State::Epilog;
                Ok(())
            }
            depth if self.collect.is_some() => self.collected(depth),
            _ => Ok(()),
        }
    }

    /// An element ended that is collected, or stands in one that is.
    #[inline(never)]
    fn collected(&mut self, depth: usize) -> Result<(), Refusal> {
        if self.opaque == depth {
            self.opaque = 0;
        }
        if self.is_collecting() {
            self.tree.end();
        }
        if self.collect == Some(depth) {
            while !self.tree.end() {}
            self.collect = None;
            self.visitor.tree(&self.tree, self.cut.take().as_deref())?;
            self.tree.clear();
        }
        Ok(())
    }

    /// A text whose line ends are made line feeds.
    fn lines(&mut self, text: &str) -> Result<(), Refusal> {
        let mut rest = text;
        while let Some((line, next)) = memchr(b'\r', rest.as_bytes()).map(|at| rest.split_at(at)) {
            self.text(line)?;
            self.text("\n")?;
            rest = next.strip_prefix("\r\n").unwrap_or(next.get(1..).unwrap_or_default());
        }
        self.text(rest)
    }

    #[inline]
    fn text(&mut self, text: &str) -> Result<(), Refusal> {
        if self.state != State::Root {
            return match text.trim_ascii().is_empty() {
                true => Ok(()),
                false => Err(bad("text stands outside the root element")),
            };
        }
        if self.is_collecting() && self.opaque == 0 {
            self.tree.text(text);
            self.measure();
        }
        Ok(())
    }

    fn is_collecting(&self) -> bool {
        self.collect.is_some() && self.cut.is_none()
    }

    /// Too much in one issue costs that issue, not the document.
    #[inline]
    fn measure(&mut self) {
        let Limits { elements, issue, .. } = *self.limits;
        if self.tree.len() > elements || self.tree.bytes() as u64 > issue {
            self.cut = Some(format!("it has more than {elements} elements or {issue} bytes"));
        }
    }

    fn reference(&mut self, name: &str) -> Result<(), Refusal> {
        let c = referenced(name)?;
        if self.state != State::Root {
            return Err(bad("a reference stands outside the root element"));
        }
        self.text(c.encode_utf8(&mut [0; 4]))
    }
}

/// The five predefined entities and character references; there is no DTD to define others.
fn referenced(name: &str) -> Result<char, Refusal> {
    let number = match name {
        "amp" => return Ok('&'),
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        _ => name.strip_prefix('#'),
    };
    let number = number.ok_or_else(|| bad(format!("the entity &{name}; is not defined")))?;
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
    let code = match digits.bytes().next() {
        Some(b'+') => None,
        _ => u32::from_str_radix(digits, radix).ok(),
    };
    let c = code.and_then(char::from_u32);
    let c = c.ok_or_else(|| bad(format!("the reference &{name}; means no character")))?;
    if is_char(c) { Ok(c) } else { Err(bad(not_allowed(c))) }
}

/// The value of an attribute (XML 1.0, section 3.3.3): blanks are spaces, references are what
/// they mean.
fn normalized<'v>(value: &'v str, scratch: &'v mut String) -> Result<&'v str, Refusal> {
    let special = |c| matches!(c, '\t' | '\r' | '\n' | '&');
    if !value.contains(special) {
        return Ok(value);
    }
    scratch.clear();
    let mut rest = value;
    while let Some((plain, next)) = rest.find(special).map(|at| rest.split_at(at)) {
        scratch.push_str(plain);
        rest = match next.strip_prefix('&') {
            Some(reference) => {
                let (name, rest) =
                    reference.split_once(';').ok_or_else(|| bad("a & begins no reference"))?;
                scratch.push(referenced(name)?);
                rest
            }
            None => {
                scratch.push(' ');
                next.strip_prefix("\r\n").unwrap_or(next.get(1..).unwrap_or_default())
            }
        };
    }
    scratch.push_str(rest);
    Ok(scratch)
}

/// The name without its prefix.
pub(super) fn local(name: &str) -> &str {
    memchr(b':', name.as_bytes()).map_or(name, |colon| &name[colon + 1..])
}

fn not_allowed(c: char) -> String {
    format!("the character U+{:04X} is not allowed in XML", u32::from(c))
}

/// XML 1.0, production 2.
pub(super) fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// A stranger's words, fit for one line of a log.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars().take(200) {
        match c {
            c if c.is_control() => line.extend(c.escape_default()),
            c => line.push(c),
        }
    }
    line
}

/// The names of the open elements.
#[derive(Default)]
struct Names {
    open: Vec<Name>,
    /// Those that are no words, one after the other.
    others: String,
}

#[derive(Clone, Copy)]
enum Name {
    Word(&'static str),
    /// Where it begins.
    Other(usize),
}

impl Names {
    /// Answers the name without its prefix, as the PFIFF profile has it.
    #[inline]
    fn push<'n>(&mut self, qualified: &'n str) -> (&'n str, Option<Word>) {
        // A word has no prefix.
        if let Some((name, word)) = word(qualified) {
            self.open.push(Name::Word(name));
            return (word.name, Some(word));
        }
        self.open.push(Name::Other(self.others.len()));
        self.others.push_str(qualified);
        let name = local(qualified);
        let word = word(name).map(|(_, word)| word);
        (word.map_or(name, |word| word.name), word)
    }

    #[inline]
    fn pop(&mut self) {
        if let Some(Name::Other(start)) = self.open.pop() {
            self.others.truncate(start);
        }
    }

    /// The innermost name, if it is a word.
    #[inline]
    fn expected(&self) -> &'static str {
        match self.open.last() {
            Some(Name::Word(name)) => name,
            Some(Name::Other(_)) | None => "",
        }
    }

    fn last(&self) -> Option<&str> {
        self.open.last().and_then(|name| match name {
            Name::Word(name) => Some(*name),
            Name::Other(start) => self.others.get(*start..),
        })
    }

    #[inline]
    fn depth(&self) -> usize {
        self.open.len()
    }

    /// The names without their prefixes, joined by slashes.
    fn path(&self) -> String {
        let (mut path, mut end) = (Vec::new(), self.others.len());
        for name in self.open.iter().rev() {
            let name = match name {
                Name::Word(name) => name,
                Name::Other(start) => {
                    let name = self.others.get(*start..end).unwrap_or_default();
                    end = *start;
                    local(name)
                }
            };
            // A name is at most as long as a text; a path is shown to people.
            path.push(if name.len() <= 64 { name } else { "..." });
        }
        path.reverse();
        path.join("/")
    }
}
