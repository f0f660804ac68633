//! Findings, so many that a person reads them and no more.

use crate::{Code, Finding};

const MOST: usize = 100;

/// A list of findings that ends in "and N more".
#[derive(Default)]
pub(super) struct Notes {
    kept: Vec<Finding>,
    more: usize,
}

impl Notes {
    /// Whether another finding would be kept; asked where making one is work.
    pub(super) fn has_room(&self) -> bool {
        self.kept.len() < MOST
    }

    pub(super) fn warn(&mut self, code: Code, text: impl Into<String>) {
        self.push(Finding::warning(code, text));
    }

    pub(super) fn push(&mut self, finding: Finding) {
        if self.has_room() {
            self.kept.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// The findings; those without a place get `place`.
    pub(super) fn finish(mut self, place: &str) -> Vec<Finding> {
        if let (Some(last), more @ 1..) = (self.kept.last(), self.more) {
            let text = format!("and {more} findings more");
            self.kept.push(Finding::warning(last.code, text));
        }
        for finding in self.kept.iter_mut().filter(|finding| finding.place.path.is_none()) {
            finding.place.path = Some(place.to_owned());
        }
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asam::code::{BAD_DATE, BAD_XML};

    #[test]
    fn findings_end_somewhere() {
        let mut notes = Notes::default();
        notes.push(Finding::warning(BAD_XML, "x").at("there"));
        (0..250).for_each(|_| notes.warn(BAD_DATE, "y"));
        let findings = notes.finish("here");
        assert_eq!(findings.len(), MOST + 1);
        assert_eq!(findings[MOST].text, "and 151 findings more");
        let places: Vec<_> = findings.iter().filter_map(|f| f.place.path.as_deref()).collect();
        assert_eq!((places.len(), places[0], places[1]), (MOST + 1, "there", "here"));
    }
}
