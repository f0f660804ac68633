//! The event loop over one document: well-formed within limits, or refused.

use std::io::{self, Read};

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::code;
use super::limits::Limits;
use super::text::Text;
use super::tree::Tree;
use super::vocabulary::canonical;
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
    let mut reader = Reader::from_reader(Text::new(source, limits.text));
    reader.config_mut().check_end_names = true;
    let mut buffer = Vec::new();
    let mut document = Document {
        name,
        limits,
        visitor,
        path: Path::default(),
        tree: Tree::default(),
        state: State::Prolog,
        collect: None,
        cut: None,
        elements: 0,
        returns: false,
        opaque: 0,
    };
    loop {
        buffer.clear();
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            Err(error) => return Err(document.xml_error(&error, reader.error_position())),
        };
        let done = matches!(event, Event::Eof);
        document.returns = reader.get_ref().has_returns();
        document.event(event).map_err(|refusal| match refusal {
            Refusal::Ours(error) => error,
            Refusal::Document(code, what) => document.error(code, &what, reader.buffer_position()),
        })?;
        if done {
            return Ok(());
        }
        reader.get_mut().event_done();
    }
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
    name: &'a str,
    limits: &'a Limits,
    visitor: &'a mut V,
    path: Path,
    tree: Tree,
    state: State,
    /// The depth of the element that is being collected.
    collect: Option<usize>,
    /// Why the rest of that element is not kept.
    cut: Option<String>,
    elements: u64,
    /// Line ends may have to be normalised (XML 1.0, section 2.11).
    returns: bool,
    /// Depth of an element whose text is not kept, because it is a file: CONTENT.
    opaque: usize,
}

impl<V: Visitor> Document<'_, V> {
    fn event(&mut self, event: Event<'_>) -> Result<(), Refusal> {
        match event {
            Event::Start(start) => self.start(&start),
            Event::Empty(start) => {
                self.start(&start)?;
                self.end()
            }
            Event::End(_) => self.end(),
            Event::Text(text) if self.returns => self.text(&text.xml10_content()),
            Event::Text(text) => self.text(&text),
            Event::CData(text) if self.state == State::Root => self.text(&text.xml10_content()),
            Event::CData(_) => Err(bad("a CDATA section stands outside the root element")),
            Event::GeneralRef(reference) => self.reference(&reference),
            Event::DocType(_) => Err(Refusal::Document(
                code::DOCTYPE,
                "it has a document type declaration, which is not read (entities can be bombs)"
                    .to_owned(),
            )),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => Ok(()),
            Event::Eof => match self.state {
                State::Epilog => Ok(()),
                State::Prolog => Err(bad("it has no root element")),
                State::Root => Err(bad("it ends before the root element does")),
            },
        }
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), Refusal> {
        if self.state == State::Epilog {
            return Err(bad("a second root element"));
        }
        let depth = self.path.depth();
        if depth >= self.limits.depth {
            return Err(limit(format!("elements are nested deeper than {}", self.limits.depth)));
        }
        self.elements += 1;
        if self.elements > self.limits.document_elements {
            return Err(limit(format!("more than {} elements", self.limits.document_elements)));
        }
        let name = local(start.name().into_inner());
        self.path.push(name);
        if depth == 0 {
            self.state = State::Root;
            let mut attributes = Vec::new();
            self.attributes(start, &mut |_, key, value| {
                attributes.push((key.to_owned(), value.to_owned()));
            })?;
            return Ok(self.visitor.root(name, &attributes)?);
        }
        if self.collect.is_none() && self.visitor.start(depth, canonical(name)) == Want::Tree {
            self.collect = Some(depth);
            self.tree.clear();
        }
        if self.is_collecting() {
            self.tree.start(canonical(name));
            self.measure();
            if name == "CONTENT" && self.opaque == 0 {
                self.opaque = depth;
            }
        }
        if start.len() > start.name().into_inner().len() {
            let collecting = self.is_collecting();
            self.attributes(start, &mut |tree, key, value| {
                if collecting {
                    tree.attribute(key, value);
                }
            })?;
        }
        Ok(())
    }

    fn attributes(
        &mut self,
        start: &BytesStart<'_>,
        keep: &mut dyn FnMut(&mut Tree, &str, &str),
    ) -> Result<(), Refusal> {
        for (count, attribute) in start.attributes().enumerate() {
            if count >= self.limits.attributes {
                return Err(limit(format!(
                    "an element has more than {} attributes",
                    self.limits.attributes
                )));
            }
            let attribute = attribute.map_err(|error| bad(error.to_string()))?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| bad(error.to_string()))?;
            if value.contains('<') && attribute.value.contains('<') {
                return Err(bad("an attribute contains a '<'"));
            }
            if let Some(c) = value.chars().find(|c| !is_char(*c)) {
                return Err(bad(not_allowed(c)));
            }
            keep(&mut self.tree, attribute.key.into_inner(), &value);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refusal> {
        self.path.pop();
        let depth = self.path.depth();
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
        if depth == 0 {
            self.state = State::Epilog;
        }
        Ok(())
    }

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
    fn measure(&mut self) {
        let Limits { elements, issue, .. } = *self.limits;
        if self.tree.len() > elements || self.tree.bytes() as u64 > issue {
            self.cut = Some(format!("it has more than {elements} elements or {issue} bytes"));
        }
    }

    /// The five predefined entities and character references; there is no DTD to define others.
    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), Refusal> {
        let mut utf8 = [0; 4];
        let text = match &**reference {
            "amp" => "&",
            "lt" => "<",
            "gt" => ">",
            "quot" => "\"",
            "apos" => "'",
            _ => match reference.resolve_char_ref().map_err(|error| bad(error.to_string()))? {
                Some(c) if is_char(c) => &*c.encode_utf8(&mut utf8),
                Some(c) => return Err(bad(not_allowed(c))),
                None => {
                    return Err(bad(format!("the entity &{}; is not defined", &**reference)));
                }
            },
        };
        if self.state != State::Root {
            return Err(bad("a reference stands outside the root element"));
        }
        self.text(text)
    }

    fn xml_error(&self, error: &quick_xml::Error, byte: u64) -> Error {
        let code = match error {
            quick_xml::Error::Io(io) => match io.kind() {
                io::ErrorKind::FileTooLarge => code::LIMIT_EXCEEDED,
                io::ErrorKind::InvalidData => code::BAD_XML,
                _ => code::CONTENT_DAMAGED,
            },
            _ => code::BAD_XML,
        };
        let what = match error {
            quick_xml::Error::Io(io) => io.to_string(),
            other => other.to_string(),
        };
        match error {
            // An error of the bytes says itself where it is.
            quick_xml::Error::Io(_) => {
                Error::item(code, format!("{}: {}", self.name, one_line(&what)))
            }
            _ => self.error(code, &what, byte),
        }
    }

    fn error(&self, code: Code, what: &str, byte: u64) -> Error {
        let path = self.path.as_str();
        let at = if path.is_empty() { String::new() } else { format!(" in {path}") };
        Error::item(code, format!("{}, byte {byte}{at}: {}", self.name, one_line(what)))
    }
}

/// The name without its prefix.
fn local(name: &str) -> &str {
    memchr::memchr(b':', name.as_bytes()).map_or(name, |colon| &name[colon + 1..])
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

/// The names of the open elements, joined by slashes.
#[derive(Default)]
struct Path {
    text: String,
    lengths: Vec<usize>,
}

impl Path {
    fn push(&mut self, name: &str) {
        self.lengths.push(self.text.len());
        if !self.text.is_empty() {
            self.text.push('/');
        }
        // A name is at most a text long; a path is shown to people.
        let name = if name.len() <= 64 { name } else { "..." };
        self.text.push_str(name);
    }

    fn pop(&mut self) {
        if let Some(length) = self.lengths.pop() {
            self.text.truncate(length);
        }
    }

    fn depth(&self) -> usize {
        self.lengths.len()
    }

    fn as_str(&self) -> &str {
        &self.text
    }
}
