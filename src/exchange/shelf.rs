//! What became of the issues of a run: the first few are kept in memory, those of a large run in
//! a file without a name, so that memory does not grow with the number of issues.

use std::cell::{Cell, OnceCell};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::rc::Rc;

use serde::ser::{Error as _, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::disk::Disk;
use crate::sync::{Action, Outcome};

/// How many outcomes a run keeps in memory.
const MOST: usize = 500;

/// Where a run puts what it does not keep in memory.
#[derive(Debug)]
pub(super) struct Shelf {
    dir: PathBuf,
    /// Whether the values of what changed are asked for.
    detail: bool,
    file: OnceCell<Option<File>>,
    end: Cell<u64>,
    kept: Cell<usize>,
}

impl Shelf {
    pub(super) fn new(dir: PathBuf, detail: bool) -> Rc<Self> {
        let (file, end, kept) = (OnceCell::new(), Cell::new(0), Cell::new(0));
        Rc::new(Self { dir, detail, file, end, kept })
    }

    /// Writes at the end; answers where. `None`: it cannot be done here.
    fn put(&self, bytes: &[u8]) -> Option<(u64, u64)> {
        let file = self.file.get_or_init(|| Disk::scratch(&self.dir).ok()).as_ref()?;
        let start = self.end.get();
        file.write_all_at(bytes, start).ok()?;
        let end = start + bytes.len() as u64;
        self.end.set(end);
        Some((start, end))
    }
}

/// What became of the issues of a package, in their order.
#[derive(Clone, Debug, Default)]
pub struct Outcomes {
    kept: Vec<Outcome>,
    shelf: Option<Rc<Shelf>>,
    /// What lies on the shelf, behind those that are kept.
    spans: Vec<(u64, u64)>,
    trouble: bool,
    failed: Option<(String, String)>,
    widths: [usize; 2],
}

impl Outcomes {
    pub(super) fn on(shelf: &Rc<Shelf>) -> Self {
        Self { shelf: Some(Rc::clone(shelf)), ..Self::default() }
    }

    /// Whether one of them needs a person.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        self.trouble
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
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
    pub fn extend(&mut self, more: Vec<Outcome>) {
        let mut bytes = Vec::new();
        let mut over = Vec::new();
        for mut outcome in more {
            self.note(&outcome);
            let Some(shelf) = &self.shelf else {
                self.kept.push(outcome);
                continue;
            };
            if !shelf.detail {
                outcome.changes = Vec::new();
            }
            if shelf.kept.get() < MOST && self.spans.is_empty() || self.kept.is_empty() {
                shelf.kept.set(shelf.kept.get() + 1);
                self.kept.push(outcome);
            } else if serde_json::to_writer(&mut bytes, &outcome).is_ok() {
                bytes.push(b'\n');
                over.push(outcome);
            }
        }
        if over.is_empty() {
            return;
        }
        match self.shelf.as_ref().and_then(|shelf| shelf.put(&bytes)) {
            Some(span) => self.spans.push(span),
            // No such file can be had here: then memory grows after all.
            None => self.kept.extend(over),
        }
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
        self.kept.iter().try_for_each(&mut *each)?;
        let file = self.shelf.as_ref().and_then(|shelf| shelf.file.get()?.as_ref());
        let Some(file) = file else { return Ok(()) };
        for &(start, end) in &self.spans {
            for line in BufReader::new(Span { file, at: start, end }).lines() {
                each(&serde_json::from_str(&line?)?)?;
            }
        }
        Ok(())
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
        let mut list = serializer.serialize_seq(None)?;
        let mut refused = None;
        let done = self.each(&mut |outcome| {
            list.serialize_element(outcome).map_err(|error| {
                let told = io::Error::other(error.to_string());
                refused = Some(error);
                told
            })
        });
        match (refused, done) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(S::Error::custom(error)),
            (None, Ok(())) => list.end(),
        }
    }
}

/// A part of a file.
struct Span<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Span<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        Ok(read)
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

    fn all(outcomes: &Outcomes) -> Vec<String> {
        let mut texts = Vec::new();
        outcomes
            .each(&mut |outcome| {
                texts.push(serde_json::to_string(outcome)?);
                Ok(())
            })
            .unwrap();
        texts
    }

    #[test]
    fn what_lies_on_the_shelf_comes_back_as_it_was_and_in_its_order() {
        let dir = tempfile::tempdir().unwrap();
        let wanted: Vec<String> =
            (0..1300).map(|number| serde_json::to_string(&outcome(number)).unwrap()).collect();
        // With a shelf, without one, and where none can be had.
        let places = [Some(dir.path().to_owned()), None, Some("/dev/null/none".into())];
        for (place, shelved) in places.into_iter().zip([true, false, false]) {
            let shelf = place.map(|dir| Shelf::new(dir, true));
            let make = || shelf.as_ref().map_or_else(Outcomes::default, Outcomes::on);
            let (mut first, mut second) = (make(), make());
            for start in (0..1200).step_by(100) {
                first.extend((start..start + 100).map(outcome).collect());
            }
            second.extend((1200..1300).map(outcome).collect());
            assert_eq!(first.kept.len() < 1200, shelved);
            assert_eq!(all(&first), wanted[..1200]);
            assert_eq!(all(&second), wanted[1200..]);
            assert_eq!(
                serde_json::to_string(&second).unwrap(),
                format!("[{}]", wanted[1200..].join(","))
            );
            assert_eq!((first.widths(), first.is_trouble()), ([4, 8], true));
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "it has no name");
    }

    #[test]
    fn without_detail_the_values_are_not_kept() {
        let shelf = Shelf::new("/dev/null/none".into(), false);
        let mut outcomes = Outcomes::on(&shelf);
        outcomes.extend(vec![outcome(1)]);
        assert!(outcomes.kept[0].changes.is_empty());
        assert_eq!(outcomes.kept[0].held.len(), 1);
    }
}
