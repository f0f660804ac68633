//! An interchange with every value decoded, for those who want all of it: one string, one offset
//! per component.

use super::interchange::{Interchange, Segment};
use super::spans::Closer;
use super::writer::Writer;

/// One octet of the text stands between two components.
const SEPARATOR: u8 = b'\n';

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
        // One octet beyond ASCII becomes two in most character sets.
        let beyond = source.bytes.iter().filter(|octet| !octet.is_ascii()).count();
        text.reserve(source.bytes.len() + beyond);
        let charset = source.syntax.charset;
        let mut plain = Vec::new();
        self.ends.clear();
        self.ends.reserve(source.components());
        for index in 0..source.spans.len() {
            let (start, marks) = source.spans.segment(index);
            let end = marks.last().map_or(start, |mark| mark.end());
            let bytes = source.bytes.get(start..end).unwrap_or(&[]);
            let released = marks.iter().fold(false, |any, mark| any | mark.released());
            if bytes.is_ascii() && !released && !source.breaks {
                // What is the same in any character set is taken whole, separators and all.
                let base = text.len();
                text.extend_from_slice(bytes);
                self.ends.extend(marks.iter().map(|mark| (base + mark.end() - start) as u32));
                text.push(SEPARATOR);
                continue;
            }
            let mut start = start;
            for mark in marks {
                let bytes = source.bytes.get(start..mark.end()).unwrap_or(&[]);
                if mark.released() || source.breaks {
                    plain.clear();
                    source.plain(bytes, &mut plain);
                    charset.decode_into(&plain, &mut text);
                } else {
                    charset.decode_into(bytes, &mut text);
                }
                self.ends.push(text.len() as u32);
                text.push(SEPARATOR);
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
            Some(before) => self.ends.get(before).map_or(0, |&end| end as usize + 1),
            None => 0,
        };
        let end = self.ends.get(index).map_or(start, |&end| end as usize);
        self.text.get(start..end).unwrap_or("")
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
