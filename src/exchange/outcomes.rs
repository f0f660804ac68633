//! What became of the issues of a run.

use std::io;
use std::rc::Rc;

use serde::{Serialize, Serializer};

use super::Options;
use crate::disk::{Shelf, Shelved};
use crate::sync::{Action, Outcome};

/// What became of the issues of a package, in their order.
#[derive(Clone, Debug, Default)]
pub struct Outcomes {
    list: Shelved<Outcome>,
    /// The values of what changed are not asked for.
    brief: bool,
    trouble: bool,
    failed: Option<(String, String)>,
    widths: [usize; 2],
}

impl Outcomes {
    pub(super) fn on(shelf: &Rc<Shelf>, options: &Options) -> Self {
        Self { list: Shelved::on(shelf), brief: !options.detail, ..Self::default() }
    }

    /// Whether one of them needs a person.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        self.trouble
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The first that could not be written: its number, and why.
    #[must_use]
    pub fn failed(&self) -> Option<(&str, &str)> {
        self.failed.as_ref().map(|(number, why)| (number.as_str(), why.as_str()))
    }

    /// The length of the longest number and of the longest key, in characters.
    #[must_use]
    pub fn widths(&self) -> [usize; 2] {
        self.widths
    }

    /// Adds some.
    pub fn extend(&mut self, mut more: Vec<Outcome>) {
        for outcome in &mut more {
            self.note(outcome);
            if self.brief {
                outcome.changes = Vec::new();
            }
        }
        self.list.extend(more);
    }

    fn note(&mut self, outcome: &Outcome) {
        self.trouble |= outcome.is_trouble();
        if outcome.action == Action::Failed && self.failed.is_none() {
            let why = outcome.findings.last().map(|finding| finding.text.clone());
            self.failed = Some((outcome.remote.clone(), why.unwrap_or_default()));
        }
        let local = outcome.local.as_ref().map_or(1, |key| key.chars().count());
        let widths = [outcome.remote.chars().count(), local];
        self.widths = [self.widths[0].max(widths[0]), self.widths[1].max(widths[1])];
    }

    /// Hands over one after the other.
    ///
    /// # Errors
    /// When they cannot be read back, and those of `each`.
    pub fn each(&self, each: &mut dyn FnMut(&Outcome) -> io::Result<()>) -> io::Result<()> {
        self.list.each(each)
    }
}

impl From<Vec<Outcome>> for Outcomes {
    fn from(list: Vec<Outcome>) -> Self {
        let mut outcomes = Self::default();
        outcomes.extend(list);
        outcomes
    }
}

impl Serialize for Outcomes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Finding;
    use crate::issue::Value;
    use crate::sync::{Change, ConflictNote, GATED, Held, NO_TABLE_ROW, Side};

    fn outcome(number: usize) -> Outcome {
        let mut outcome = Outcome::new(&number.to_string(), Some(&format!("ISS-{number}")));
        outcome.changes.push(Change {
            side: Side::Local,
            field: "summary".into(),
            from: None,
            to: Value::text("Tür\n\"öffnen\""),
            rule: "to_local".into(),
            overwrote: number > 600,
            cut: number > 600,
        });
        outcome.held.push(Held::new("status", "", NO_TABLE_ROW, "no row", &[]));
        outcome.conflicts.push(ConflictNote { id: 7, field: "f".into(), kind: "no-base".into() });
        outcome.findings.push(Finding::warning(GATED, "shut"));
        outcome
    }

    #[test]
    fn an_outcome_comes_back_from_the_shelf_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { detail: true, ..Options::default() };
        let mut outcomes = Outcomes::on(&Shelf::new(dir.path().to_owned()), &options);
        let wanted: Vec<Outcome> = (0..1300).map(outcome).collect();
        outcomes.extend(wanted.clone());
        assert_eq!((outcomes.widths(), outcomes.is_trouble()), ([4, 8], true));
        assert_eq!(
            serde_json::to_value(&outcomes).unwrap(),
            serde_json::to_value(&wanted).unwrap()
        );
    }

    #[test]
    fn without_detail_the_values_are_not_kept() {
        let shelf = Shelf::new("/dev/null/none".into());
        let mut outcomes = Outcomes::on(&shelf, &Options::default());
        outcomes.extend(vec![outcome(1)]);
        let each = &mut |outcome: &Outcome| {
            assert_eq!((outcome.changes.len(), outcome.held.len()), (0, 1));
            Ok(())
        };
        outcomes.each(each).unwrap();
    }
}
