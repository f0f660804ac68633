//! A segment that owns its text: what a writer takes and what outlives the buffer it was read
//! from. Flat, as everywhere here: one string and the ends of its components.

use super::interchange::Segment;
use super::spans::Closer;

/// An owned segment, built from left to right.
///
/// ```
/// use engsync::edifact::SegmentBuilder;
///
/// let mut mid = SegmentBuilder::new("MID");
/// mid.simple("25031008000000PAG").composite(["250310", "0800"]);
/// assert_eq!(mid.component(2, 1), "250310");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentBuilder {
    text: String,
    ends: Vec<(usize, Closer)>,
}

impl SegmentBuilder {
    /// A segment of which only the tag is there.
    #[must_use]
    pub fn new(tag: &str) -> Self {
        let mut builder = Self::default();
        builder.restart(tag);
        builder
    }

    /// Begins another segment in the same memory.
    pub fn restart(&mut self, tag: &str) -> &mut Self {
        self.text.clear();
        self.ends.clear();
        self.close(tag, Closer::Component)
    }

    /// Adds an element of one component.
    pub fn simple(&mut self, value: &str) -> &mut Self {
        self.composite([value])
    }

    /// Adds an element.
    pub fn composite<S: AsRef<str>>(&mut self, values: impl IntoIterator<Item = S>) -> &mut Self {
        self.end_with(Closer::Element);
        let before = self.ends.len();
        for value in values {
            self.close(value.as_ref(), Closer::Component);
        }
        if self.ends.len() == before {
            self.close("", Closer::Component);
        }
        self
    }

    /// Adds a repetition of the last element (syntax version 4).
    pub fn repetition<S: AsRef<str>>(&mut self, values: impl IntoIterator<Item = S>) -> &mut Self {
        self.composite(values);
        if let Some((_, closer)) =
            self.ends.iter_mut().rev().find(|(_, closer)| *closer == Closer::Element)
        {
            *closer = Closer::Repetition;
        }
        self
    }

    fn close(&mut self, value: &str, closer: Closer) -> &mut Self {
        self.text.push_str(value);
        self.ends.push((self.text.len(), closer));
        self
    }

    fn end_with(&mut self, closer: Closer) {
        if let Some(last) = self.ends.last_mut() {
            last.1 = closer;
        }
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> &str {
        self.values().next().map_or("", |(value, _)| value)
    }

    /// A component, counted as in [`Segment::component`].
    #[must_use]
    pub fn component(&self, element: usize, component: usize) -> &str {
        let (mut e, mut c) = (0, 1);
        for (value, closer) in self.values() {
            if (e, c) == (element, component) {
                return value;
            }
            match closer {
                Closer::Component => c += 1,
                // What follows is another repetition, which has no position of its own.
                Closer::Repetition => c = usize::MAX / 2,
                _ => (e, c) = (e + 1, 1),
            }
        }
        ""
    }

    /// The components with what closes each; the last one is closed by `Component`.
    pub(super) fn values(&self) -> impl Iterator<Item = (&str, Closer)> {
        let mut start = 0;
        self.ends.iter().map(move |&(end, closer)| {
            let value = self.text.get(start..end).unwrap_or("");
            start = end;
            (value, closer)
        })
    }
}

impl From<Segment<'_>> for SegmentBuilder {
    fn from(segment: Segment<'_>) -> Self {
        let mut builder = Self::default();
        for element in segment.elements() {
            for (i, repetition) in element.repetitions().enumerate() {
                let closer = if i == 0 { Closer::Element } else { Closer::Repetition };
                builder.end_with(closer);
                for value in repetition.components() {
                    builder.close(&value, Closer::Component);
                }
            }
        }
        builder
    }
}
