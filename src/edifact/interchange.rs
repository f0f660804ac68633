//! An interchange in memory, and the views it hands out.

use std::borrow::Cow;

use super::charset::Charset;
use super::service::Service;
use super::spans::{Closer, Mark, Spans};
use super::writer::{Style, Writer};
use crate::{Finding, Place};

/// One interchange: its bytes as they came, and flat arenas of spans over them.
///
/// Nothing is decoded until it is asked for.
#[derive(Clone, Debug, Default)]
pub struct Interchange {
    /// From the end of the interchange before (or the beginning of the file) to the octet after
    /// UNZ; the last one has everything to the end of the file. Without wrapping line ends.
    pub(super) bytes: Vec<u8>,
    /// The bytes as they came, where they were wrapped.
    pub(super) original: Option<Vec<u8>>,
    pub(super) spans: Spans,
    pub(super) syntax: Syntax,
    /// Where `bytes` begins in the joined file.
    pub(super) offset: u64,
    pub(super) wrapping: Option<Wrapping>,
    /// Segments in the file before this interchange.
    pub(super) before: u32,
    /// Whether there are line ends inside segments.
    pub(super) breaks: bool,
    /// Whether the last segment has no terminator.
    pub(super) open: bool,
}

/// How an interchange is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syntax {
    /// Whether UNA stands before UNB.
    pub advice: bool,
    /// The service characters.
    pub service: Service,
    /// Data element 0001, such as `UNOC`.
    pub identifier: [u8; 4],
    /// Data element 0002: 1 to 4.
    pub version: u8,
    /// The character set that follows from both and from data element 0133.
    pub charset: Charset,
}

impl Default for Syntax {
    /// What ENGDAT uses: `UNOC:1` without UNA.
    fn default() -> Self {
        Self {
            advice: false,
            service: Service::DEFAULT,
            identifier: *b"UNOC",
            version: 1,
            charset: Charset::Latin1,
        }
    }
}

/// Lines of constant width: after each `width` octets stand `end` octets that are no data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wrapping {
    pub(super) width: u64,
    pub(super) end: u64,
}

impl Interchange {
    /// The segments in order, UNB first.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = Segment<'_>> + ExactSizeIterator {
        (0..self.spans.len()).map(|index| Segment { interchange: self, index })
    }

    /// Segment `index`, from 0.
    #[must_use]
    pub fn segment(&self, index: usize) -> Option<Segment<'_>> {
        (index < self.spans.len()).then_some(Segment { interchange: self, index })
    }

    /// How it is read.
    #[must_use]
    pub fn syntax(&self) -> &Syntax {
        &self.syntax
    }

    /// Appends the interchange byte for byte as it came, with UNA, line ends and whatever stood
    /// around it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.original.as_deref().unwrap_or(&self.bytes));
    }

    /// The interchange as [`Writer`] would write it: without what means nothing.
    ///
    /// # Errors
    ///
    /// Values with characters outside the repertoire that its syntax identifier names.
    pub fn canonical(&self) -> Result<Vec<u8>, Vec<Finding>> {
        let mut writer = Writer::new(Style { syntax: self.syntax, ..Style::default() });
        for segment in self.segments() {
            writer.segment(&segment.into());
        }
        writer.finish()
    }

    /// The number of components, tags included.
    #[must_use]
    pub fn components(&self) -> usize {
        self.spans.components()
    }

    /// The offset in the file of offset `at` in `bytes`.
    pub(super) fn offset_in_file(&self, at: usize) -> u64 {
        let joined = self.offset + at as u64;
        match self.wrapping {
            Some(Wrapping { width, end }) => joined + joined / width * end,
            None => joined,
        }
    }

    /// The text between two offsets.
    pub(super) fn text(&self, from: usize, mark: Mark) -> Cow<'_, str> {
        let bytes = self.bytes.get(from..mark.end()).unwrap_or(&[]);
        if !mark.released() && !self.breaks {
            return self.syntax.charset.decode(bytes);
        }
        let mut plain = Vec::with_capacity(bytes.len());
        self.plain(bytes, &mut plain);
        Cow::Owned(self.syntax.charset.decode(&plain).into_owned())
    }

    /// Appends `bytes` without release characters and with blanks for line ends.
    pub(super) fn plain(&self, bytes: &[u8], out: &mut Vec<u8>) {
        if let (Some(release), false) = (self.syntax.service.release, self.breaks) {
            let mut rest = bytes;
            while let Some(at) = memchr::memchr(release, rest) {
                let (head, tail) = rest.split_at(at);
                out.extend_from_slice(head);
                out.extend(tail.get(1));
                rest = tail.get(2..).unwrap_or(&[]);
            }
            out.extend_from_slice(rest);
            return;
        }
        let mut octets = bytes.iter().copied().peekable();
        while let Some(octet) = octets.next() {
            if Some(octet) == self.syntax.service.release {
                out.extend(octets.next());
            } else if self.breaks && matches!(octet, b'\r' | b'\n') {
                while octets.next_if(|next| matches!(next, b'\r' | b'\n')).is_some() {}
                out.push(b' ');
            } else {
                out.push(octet);
            }
        }
    }
}

/// A view of one segment.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    pub(super) interchange: &'a Interchange,
    pub(super) index: usize,
}

impl<'a> Segment<'a> {
    /// The tag; empty where it is not ASCII.
    #[must_use]
    pub fn tag(&self) -> &'a str {
        std::str::from_utf8(self.tag_octets()).ok().filter(|tag| tag.is_ascii()).unwrap_or("")
    }

    pub(super) fn tag_octets(&self) -> &'a [u8] {
        let (start, marks) = self.interchange.spans.segment(self.index);
        let end = marks.first().map_or(start, |mark| mark.end());
        self.interchange.bytes.get(start..end).unwrap_or(&[])
    }

    /// Its number in the file, from 1; UNA is not counted.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.interchange.before + self.index as u32 + 1
    }

    /// The offset in the file of its first byte.
    #[must_use]
    pub fn byte(&self) -> u64 {
        self.interchange.offset_in_file(self.interchange.spans.segment(self.index).0)
    }

    /// Its bytes as they stand there, without the terminator.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        let (start, marks) = self.interchange.spans.segment(self.index);
        let end = marks.last().map_or(start, |mark| mark.end());
        self.interchange.bytes.get(start..end).unwrap_or(&[])
    }

    /// Whether the file ends within it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.interchange.open && self.index + 1 == self.interchange.spans.len()
    }

    /// The elements; the first one is the tag with whatever nesting counters stand beside it.
    #[must_use]
    pub fn elements(&self) -> Elements<'a> {
        let (start, marks) = self.interchange.spans.segment(self.index);
        Elements { interchange: self.interchange, start, marks }
    }

    /// Element `position`, counted from 1 behind the tag; 0 is the tag.
    #[must_use]
    pub fn element(&self, position: usize) -> Option<Element<'a>> {
        self.elements().nth(position)
    }

    /// The text of a component, `element` counted from 1 behind the tag, `component` from 1;
    /// empty where it is absent. Of a repeated element, the first.
    #[must_use]
    pub fn component(&self, element: usize, component: usize) -> Cow<'a, str> {
        self.element(element).map_or(Cow::Borrowed(""), |element| element.component(component))
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> Place {
        // What is no tag may be as long as the file.
        let tag = self.tag_octets();
        let tag = String::from_utf8_lossy(tag.get(..20).unwrap_or(tag)).into_owned();
        Place {
            byte: Some(self.byte()),
            segment: Some(self.number()),
            tag: Some(tag),
            ..Place::default()
        }
    }

    /// Where octet `at` of the segment is, with the element and component it is in.
    pub(super) fn place_at(&self, at: usize) -> Place {
        let (start, marks) = self.interchange.spans.segment(self.index);
        let (mut element, mut component) = (1_u16, 1_u16);
        for mark in marks.iter().take_while(|mark| mark.end() < start + at) {
            match mark.closer() {
                Closer::Component => component = component.saturating_add(1),
                Closer::Repetition => component = 1,
                Closer::Element | Closer::Terminator => {
                    (element, component) = (element.saturating_add(1), 1);
                }
            }
        }
        Place {
            byte: Some(self.interchange.offset_in_file(start + at)),
            element: Some(element),
            component: Some(component),
            ..self.place()
        }
    }

    /// Where an element (from 1 behind the tag) or a component in it (from 1) is; where it is
    /// absent, the end of what is there.
    #[must_use]
    pub fn place_of(&self, element: usize, component: Option<usize>) -> Place {
        let (start, marks) = self.interchange.spans.segment(self.index);
        let byte = match self.element(element) {
            Some(found) => found.byte_of(component.unwrap_or(1)),
            None => marks.last().map_or(start, |mark| mark.end()),
        };
        Place {
            byte: Some(self.interchange.offset_in_file(byte)),
            element: u16::try_from(element + 1).ok(),
            component: component.and_then(|component| u16::try_from(component).ok()),
            ..self.place()
        }
    }
}

/// The elements of a segment, the tag first.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    interchange: &'a Interchange,
    start: usize,
    marks: &'a [Mark],
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let count = 1 + self.marks.iter().position(|mark| mark.closer() >= Closer::Element)?;
        let (marks, rest) = self.marks.split_at_checked(count)?;
        let element = Element { interchange: self.interchange, start: self.start, marks };
        self.start = marks.last()?.end() + 1;
        self.marks = rest;
        Some(element)
    }
}

/// One element, or one repetition of it.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    interchange: &'a Interchange,
    start: usize,
    marks: &'a [Mark],
}

impl<'a> Element<'a> {
    /// The text of a component, from 1; empty where it is absent.
    #[must_use]
    pub fn component(&self, component: usize) -> Cow<'a, str> {
        component
            .checked_sub(1)
            .and_then(|skip| self.components().nth(skip))
            .unwrap_or(Cow::Borrowed(""))
    }

    /// The texts of its components; of a repeated element, the first.
    pub fn components(&self) -> impl Iterator<Item = Cow<'a, str>> + use<'a> {
        let mut start = self.start;
        let interchange = self.interchange;
        self.first().iter().map(move |&mark| {
            let text = interchange.text(start, mark);
            start = mark.end() + 1;
            text
        })
    }

    /// The number of components, of the first repetition.
    #[must_use]
    pub fn len(&self) -> usize {
        self.first().len()
    }

    /// Whether nothing stands in it: no data and no separator.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marks.last().is_none_or(|mark| mark.end() == self.start)
    }

    /// Whether there is no data in it, perhaps separators.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        let mut start = self.start;
        self.marks.iter().all(|mark| {
            let blank = mark.end() <= start;
            start = mark.end() + 1;
            blank
        })
    }

    /// Its repetitions (syntax version 4); one where it is not repeated.
    pub fn repetitions(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        let mut start = self.start;
        let interchange = self.interchange;
        self.marks.split_inclusive(|mark| mark.closer() == Closer::Repetition).map(move |marks| {
            let element = Element { interchange, start, marks };
            start = marks.last().map_or(start, |mark| mark.end() + 1);
            element
        })
    }

    fn first(&self) -> &'a [Mark] {
        let end = self.marks.iter().position(|mark| mark.closer() != Closer::Component);
        end.and_then(|end| self.marks.get(..=end)).unwrap_or(self.marks)
    }

    /// The offset in the interchange of a component, or of the end.
    fn byte_of(&self, component: usize) -> usize {
        match component {
            0 | 1 => self.start,
            _ => match self.first().get(component - 2) {
                Some(before) if before.closer() == Closer::Component => before.end() + 1,
                _ => self.marks.last().map_or(self.start, |mark| mark.end()),
            },
        }
    }
}
