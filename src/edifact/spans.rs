//! The flat arenas behind an interchange: one mark of four bytes per component, one span of
//! eight per segment, in the order of the bytes. No vector stands inside another.

/// What closes a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Closer {
    /// The component separator.
    Component,
    /// The repetition separator (version 4).
    Repetition,
    /// The element separator.
    Element,
    /// The segment terminator.
    Terminator,
}

/// The end of a component: its offset, what closes it, and whether a release character is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(u32);

/// Offsets have 29 bits; the rest of the word is the closer and the release flag.
pub(super) const MAX_BYTES: usize = 1 << 29;

const RELEASED: u32 = 1 << 29;

impl Mark {
    #[inline]
    pub(super) fn new(end: usize, closer: Closer, released: bool) -> Self {
        Self((end as u32 & (RELEASED - 1)) | (u32::from(released) << 29) | ((closer as u32) << 30))
    }

    #[inline]
    pub(super) fn end(self) -> usize {
        (self.0 & (RELEASED - 1)) as usize
    }

    #[inline]
    pub(super) fn released(self) -> bool {
        self.0 & RELEASED != 0
    }

    #[inline]
    pub(super) fn closer(self) -> Closer {
        match self.0 >> 30 {
            0 => Closer::Component,
            1 => Closer::Repetition,
            2 => Closer::Element,
            _ => Closer::Terminator,
        }
    }
}

/// Where a segment begins: its first byte and its first mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    byte: u32,
    mark: u32,
}

/// The spans of one interchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spans {
    marks: Vec<Mark>,
    heads: Vec<Head>,
}

impl Spans {
    pub(super) fn clear(&mut self) {
        self.marks.clear();
        self.heads.clear();
    }

    /// The number of segments.
    pub(super) fn len(&self) -> usize {
        self.heads.len()
    }

    /// The number of components, tags included.
    pub(super) fn components(&self) -> usize {
        self.marks.len()
    }

    /// Begins a segment at `byte`.
    #[inline]
    pub(super) fn begin(&mut self, byte: usize) {
        self.heads.push(Head { byte: byte as u32, mark: self.marks.len() as u32 });
    }

    /// Closes a component.
    #[inline]
    pub(super) fn close(&mut self, mark: Mark) {
        self.marks.push(mark);
    }

    /// The first byte and the marks of segment `index`; nothing beyond the last.
    #[inline]
    pub(super) fn segment(&self, index: usize) -> (usize, &[Mark]) {
        let Some(head) = self.heads.get(index) else { return (0, &[]) };
        let end = self.heads.get(index + 1).map_or(self.marks.len(), |next| next.mark as usize);
        let marks = self.marks.get(head.mark as usize..end).unwrap_or(&[]);
        (head.byte as usize, marks)
    }

    /// The index, among all components, of the first one of segment `index`.
    pub(super) fn first_component(&self, index: usize) -> usize {
        self.heads.get(index).map_or(self.marks.len(), |head| head.mark as usize)
    }
}
