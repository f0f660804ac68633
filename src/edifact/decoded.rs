//! An interchange with every value decoded, for those who want all of it: one string, one offset
//! per component.

use super::interchange::{Interchange, Segment};
use super::spans::Closer;
use super::writer::Writer;

/// An interchange and the text of all its components in one string.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    interchange: Interchange,
    text: String,
    ends: Vec<u32>,
}

/// A segment of which every value is at hand as `&str`.
#[derive(Clone, Copy, Debug)]
pub struct DecodedSegment<'a> {
    decoded: &'a Decoded,
    index: usize,
}

impl Decoded {
    /// Decodes all of `interchange`.
    #[must_use]
    pub fn new(interchange: Interchange) -> Self {
        let mut decoded = Self::default();
        decoded.refill(interchange);
        decoded
    }

    /// Decodes another interchange into the memory of this one, and gives the former back.
    pub fn refill(&mut self, interchange: Interchange) -> Interchange {
        let former = std::mem::replace(&mut self.interchange, interchange);
        let source = &self.interchange;
        let mut text = std::mem::take(&mut self.text).into_bytes();
        text.clear();
        text.reserve(source.bytes.len());
        self.ends.clear();
        self.ends.reserve(source.components());
        for index in 0..source.spans.len() {
            let (mut start, marks) = source.spans.segment(index);
            for mark in marks {
                let bytes = source.bytes.get(start..mark.end()).unwrap_or(&[]);
                if bytes.is_ascii() && !mark.released() && !source.breaks {
                    text.extend_from_slice(bytes);
                } else {
                    text.extend_from_slice(source.text(start, *mark).as_bytes());
                }
                self.ends.push(text.len() as u32);
                start = mark.end() + 1;
            }
        }
        // Decoders give UTF-8, so this is the check and never the repair.
        self.text = String::from_utf8(text)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        former
    }

    /// The interchange.
    #[must_use]
    pub fn interchange(&self) -> &Interchange {
        &self.interchange
    }

    /// Gives the interchange back.
    #[must_use]
    pub fn into_interchange(self) -> Interchange {
        self.interchange
    }

    /// The segments in order.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = DecodedSegment<'_>> {
        (0..self.interchange.spans.len()).map(|index| DecodedSegment { decoded: self, index })
    }

    /// Writes all segments, canonically.
    pub fn write_to(&self, writer: &mut Writer) {
        let mut components = 0..;
        for index in 0..self.interchange.spans.len() {
            let mut before = None;
            for (mark, at) in self.interchange.spans.segment(index).1.iter().zip(&mut components) {
                let value = self.component(at);
                match before {
                    None => writer.begin(value),
                    Some(Closer::Component) => writer.component(),
                    Some(Closer::Repetition) => writer.repetition(),
                    Some(Closer::Element | Closer::Terminator) => writer.element(),
                }
                if before.is_some() {
                    writer.value(value);
                }
                before = Some(mark.closer());
            }
            writer.end();
        }
    }

    /// Component `index` of the interchange, counted from 0.
    fn component(&self, index: usize) -> &str {
        let start = match index.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or_default(),
            None => 0,
        };
        let end = self.ends.get(index).copied().unwrap_or(start);
        self.text.get(start as usize..end as usize).unwrap_or("")
    }
}

impl<'a> DecodedSegment<'a> {
    /// The tag.
    #[must_use]
    pub fn tag(&self) -> &'a str {
        self.decoded.component(self.decoded.interchange.spans.first_component(self.index))
    }

    /// A component, counted as in [`Segment::component`].
    #[must_use]
    pub fn component(&self, element: usize, component: usize) -> &'a str {
        let spans = &self.decoded.interchange.spans;
        let first = spans.first_component(self.index);
        let (mut e, mut c) = (0, 1);
        for (i, mark) in spans.segment(self.index).1.iter().enumerate() {
            if (e, c) == (element, component) {
                return self.decoded.component(first + i);
            }
            match mark.closer() {
                Closer::Component => c += 1,
                // What follows is another repetition, which has no position of its own.
                Closer::Repetition => c = usize::MAX / 2,
                Closer::Element | Closer::Terminator => (e, c) = (e + 1, 1),
            }
        }
        ""
    }

    /// All its components with the tag, in order.
    pub fn components(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let decoded = self.decoded;
        let spans = &decoded.interchange.spans;
        let first = spans.first_component(self.index);
        let count = spans.segment(self.index).1.len();
        (first..first + count).map(|index| decoded.component(index))
    }

    /// The view of the bytes behind it.
    #[must_use]
    pub fn segment(&self) -> Option<Segment<'a>> {
        self.decoded.interchange.segment(self.index)
    }
}
