//! Writing: the inverse of the parser. The structure is trimmed before it is encoded, so that a
//! value that ends in a separator keeps it.

use super::charset::Charset;
use super::code;
use super::interchange::Syntax;
use super::segment::SegmentBuilder;
use super::spans::Closer;
use super::transliterate::transliterate;
use crate::{Finding, Place};

/// What to write beside the segments.
#[derive(Clone, Debug, Default)]
pub struct Style {
    /// Service characters and character set; UNA is written if `syntax.advice`.
    pub syntax: Syntax,
    /// A line end (CR LF) after each segment.
    pub newlines: bool,
    /// Characters outside the repertoire are replaced (`ä` by `ae`) rather than refused.
    pub transliterate: bool,
}

/// How an octet is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Octet {
    Plain,
    Released,
    Foreign,
}

/// Writes segments to memory, counts them and collects what cannot be written.
#[derive(Clone)]
pub struct Writer {
    style: Style,
    octets: [Octet; 128],
    out: Vec<u8>,
    findings: Vec<Finding>,
    /// Segments begun, of the interchange and of the message.
    segments: u32,
    message: u32,
    tag: String,
    position: (usize, usize),
    waiting: Waiting,
}

/// Separators that are written when data follows them.
#[derive(Clone, Copy, Default)]
struct Waiting {
    elements: usize,
    repetitions: usize,
    components: usize,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("style", &self.style)
            .field("octets", &self.out.len())
            .finish()
    }
}

impl Writer {
    /// A writer that begins with UNA if the style says so.
    #[must_use]
    pub fn new(style: Style) -> Self {
        Self::with_memory(style, Vec::new())
    }

    /// The same, in memory that is cleared first.
    #[must_use]
    pub fn with_memory(style: Style, mut out: Vec<u8>) -> Self {
        let Syntax { service, charset, .. } = style.syntax;
        let mut octets = [Octet::Plain; 128];
        let mut encoded = Vec::with_capacity(4);
        for (octet, role) in (0_u8..).zip(&mut octets) {
            encoded.clear();
            let known = charset.encode(octet.into(), &mut encoded);
            *role = match (service.is_active(octet), service.release) {
                (true, Some(_)) => Octet::Released,
                (true, None) => Octet::Foreign,
                _ if known => Octet::Plain,
                _ => Octet::Foreign,
            };
        }
        out.clear();
        if style.syntax.advice {
            out.extend_from_slice(&service.advice());
            if style.newlines {
                out.extend_from_slice(b"\r\n");
            }
        }
        Self {
            style,
            octets,
            out,
            findings: Vec::new(),
            segments: 0,
            message: 0,
            tag: String::new(),
            position: (0, 1),
            waiting: Waiting::default(),
        }
    }

    /// Begins a segment.
    pub fn begin(&mut self, tag: &str) {
        self.segments += 1;
        self.message = if tag == "UNH" { 1 } else { self.message + 1 };
        self.tag.clear();
        self.tag.push_str(tag);
        self.position = (0, 1);
        self.waiting = Waiting::default();
        self.value(tag);
    }

    /// Begins the next element of the segment.
    #[inline]
    pub fn element(&mut self) {
        self.position = (self.position.0 + 1, 1);
        self.waiting =
            Waiting { elements: self.waiting.elements + 1, repetitions: 0, components: 0 };
    }

    /// Begins the next repetition of the element (syntax version 4).
    pub fn repetition(&mut self) {
        self.position.1 = 1;
        self.waiting.repetitions += 1;
        self.waiting.components = 0;
    }

    /// Begins the next component of the element.
    #[inline]
    pub fn component(&mut self) {
        self.position.1 += 1;
        self.waiting.components += 1;
    }

    /// Writes the value of the component; blanks at its end are suppressed (ISO 9735:1988
    /// clause 9.1).
    pub fn value(&mut self, value: &str) {
        let value = value.trim_end_matches(' ');
        if value.is_empty() {
            return;
        }
        self.flush();
        let bytes = value.as_bytes();
        let plain = |&octet: &u8| matches!(self.octets.get(usize::from(octet)), Some(Octet::Plain));
        match bytes.iter().position(|octet| !plain(octet)) {
            None => self.out.extend_from_slice(bytes),
            Some(at) => {
                let (head, tail) = value.split_at_checked(at).unwrap_or(("", value));
                self.out.extend_from_slice(head.as_bytes());
                for c in tail.chars() {
                    self.character(c, value);
                }
            }
        }
    }

    fn flush(&mut self) {
        let service = self.style.syntax.service;
        let Waiting { elements, repetitions, components } = std::mem::take(&mut self.waiting);
        self.out.extend(std::iter::repeat_n(service.element, elements));
        if let Some(separator) = service.repetition {
            self.out.extend(std::iter::repeat_n(separator, repetitions));
        }
        self.out.extend(std::iter::repeat_n(service.component, components));
    }

    fn character(&mut self, c: char, value: &str) {
        let role = usize::try_from(u32::from(c)).ok().and_then(|at| self.octets.get(at).copied());
        let service = self.style.syntax.service;
        match role {
            Some(Octet::Plain) => self.out.push(c as u8),
            Some(Octet::Released) => {
                self.out.extend(service.release);
                self.out.push(c as u8);
            }
            None if self.style.syntax.charset.encode(c, &mut self.out) => {}
            _ if self.style.transliterate => match transliterate(c, self.style.syntax.charset) {
                Some(text) => {
                    for c in text.chars() {
                        self.transliterated(c, value);
                    }
                }
                None => self.refuse(c, value),
            },
            _ => self.refuse(c, value),
        }
    }

    /// A character that a transliteration gave: ASCII, so only releases are left to see to.
    fn transliterated(&mut self, c: char, value: &str) {
        match self.octets.get(c as usize) {
            Some(Octet::Foreign) | None => self.refuse(c, value),
            Some(_) => self.character(c, value),
        }
    }

    fn refuse(&mut self, c: char, value: &str) {
        let name = String::from_utf8_lossy(&self.style.syntax.identifier).into_owned();
        let text = format!("{c:?} in {value:?} is not in the repertoire of {name}");
        let mut finding = Finding::error(code::CHARACTER, text);
        let (element, component) = self.position;
        *finding.place = Place {
            segment: Some(self.segments),
            tag: Some(self.tag.clone()),
            element: u16::try_from(element + 1).ok(),
            component: u16::try_from(component).ok(),
            ..Place::default()
        };
        finding.actual = Some(value.to_owned());
        finding.contrl = Some(21);
        self.findings.push(finding);
    }

    /// Ends the segment.
    pub fn end(&mut self) {
        self.out.push(self.style.syntax.service.terminator);
        if self.style.newlines {
            self.out.extend_from_slice(b"\r\n");
        }
    }

    /// Writes a whole segment.
    pub fn segment(&mut self, segment: &SegmentBuilder) {
        let mut values = segment.values();
        let Some((tag, mut closer)) = values.next() else { return };
        self.begin(tag);
        for (value, next) in values {
            match closer {
                Closer::Component => self.component(),
                Closer::Repetition => self.repetition(),
                Closer::Element | Closer::Terminator => self.element(),
            }
            self.value(value);
            closer = next;
        }
        self.end();
    }

    /// Writes UNT with the number of segments since UNH, both included.
    pub fn end_message(&mut self, reference: &str) {
        let count = (self.message + 1).to_string();
        self.segment(SegmentBuilder::new("UNT").simple(&count).simple(reference));
    }

    /// Writes UNZ with the number of messages or groups.
    pub fn end_interchange(&mut self, count: u32, reference: &str) {
        self.segment(SegmentBuilder::new("UNZ").simple(&count.to_string()).simple(reference));
    }

    /// The character set it writes.
    #[must_use]
    pub fn charset(&self) -> Charset {
        self.style.syntax.charset
    }

    /// The bytes.
    ///
    /// # Errors
    ///
    /// Every value that has characters outside the repertoire.
    pub fn finish(self) -> Result<Vec<u8>, Vec<Finding>> {
        if self.findings.is_empty() { Ok(self.out) } else { Err(self.findings) }
    }
}
