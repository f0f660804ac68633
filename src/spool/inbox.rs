//! What is known of `incoming/` between two scans, so that a package is taken without listing a
//! directory of a hundred thousand names. Only what an event named is looked at; the scan stays
//! the truth, and replaces all that is known here.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::scan::{self, Found, Group};
use super::{PartFile, Spool};
use crate::Result;
use crate::engdat::PackageName;

/// A package by the names of its parts: characters 1–20, and 21–23.
type Key = (PackageName, u16);

/// Shared by the clones of a spool, and by the thread that hears events.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbox {
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// The last scan and what events told since; `None`: a scan is needed first.
    parts: Option<BTreeMap<Key, Vec<PartFile>>>,
    /// Names that events told of, not looked at yet.
    told: BTreeSet<OsString>,
    /// Packages with parts that nobody has looked at since they came.
    fresh: BTreeSet<Key>,
    /// Somebody listens for events.
    listening: bool,
    /// Events were lost since the last scan began.
    lost: bool,
}

impl Inbox {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on events tell of arrivals.
    pub(super) fn listen(&self) {
        *self.known() = Known { listening: true, ..Known::default() };
    }

    /// Events tell no more.
    pub(super) fn deafen(&self) {
        *self.known() = Known::default();
    }

    /// A file may have become complete. Whether it is a part.
    pub(super) fn told(&self, file: OsString) -> bool {
        let is_part = scan::part_name(&file).is_some();
        if is_part {
            self.known().told.insert(file);
        }
        is_part
    }

    /// Events were lost: only a scan helps.
    pub(super) fn lost(&self) {
        let mut known = self.known();
        (known.lost, known.parts) = (true, None);
    }
}

impl Spool {
    /// What may be taken now: with `hinted` only the packages that events told of since the last
    /// look; everything in `incoming/` otherwise, or when there are no events to rely on.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn arrivals(&self, hinted: bool) -> Result<Found> {
        if hinted {
            let mut known = self.inbox.known();
            known.hear(self);
            if let Some(fresh) = known.take_fresh() {
                return Ok(fresh);
            }
        }
        // What is told or lost from here on may be missed by the scan: it is looked at next time.
        let mut known = self.inbox.known();
        known.told.clear();
        known.lost = false;
        drop(known);
        let found = self.scan()?;
        let mut known = self.inbox.known();
        if known.listening && !known.lost {
            let of = |group: &Group| ((group.name.clone(), group.total), group.parts.clone());
            known.fresh.clear();
            known.parts = Some(found.groups.iter().map(of).collect());
        }
        Ok(found)
    }

    /// What waits in `incoming/`, as far as it is known without a scan.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn waiting(&self) -> Result<Found> {
        let mut known = self.inbox.known();
        known.hear(self);
        let Some(parts) = &known.parts else {
            drop(known);
            return self.scan();
        };
        Ok(Found { groups: parts.iter().map(|(key, parts)| group(key, parts.clone())).collect() })
    }

    /// Whether a look at what events told of could take something in, by the names alone: a
    /// group has all its parts, or one that belongs to a deferred package; or a scan is needed.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let mut known = self.inbox.known();
        known.hear(self);
        let Some(parts) = &known.parts else { return true };
        let late = |name: &PackageName| self.dir("deferred").join(name.to_string()).is_dir();
        known.fresh.iter().any(|key| {
            let parts = parts.get(key).cloned().unwrap_or_default();
            group(key, parts).has_all() || late(&key.0)
        })
    }

    /// The parts of a claimed package are no longer in `incoming/`.
    pub(super) fn forget(&self, group: &Group) {
        if let Some(parts) = &mut self.inbox.known().parts {
            parts.remove(&(group.name.clone(), group.total));
        }
    }
}

impl Known {
    /// Looks at the files that events named.
    fn hear(&mut self, spool: &Spool) {
        let told = std::mem::take(&mut self.told);
        let Some(parts) = &mut self.parts else { return };
        let dir = spool.dir("incoming");
        for file in told {
            // One that is gone by now was none.
            let Some(part) = scan::part_at(&dir.join(&file)) else { continue };
            let key = (part.name.package.clone(), part.name.total);
            let group = parts.entry(key.clone()).or_default();
            group.retain(|other| other.path != part.path);
            group.push(part);
            scan::in_order(group);
            self.fresh.insert(key);
        }
    }

    /// The packages nobody has looked at, as they are now.
    fn take_fresh(&mut self) -> Option<Found> {
        let parts = self.parts.as_mut()?;
        let mut groups = Vec::new();
        for key in std::mem::take(&mut self.fresh) {
            let Some(files) = parts.get_mut(&key) else { continue };
            *files = files.iter().filter_map(|part| scan::part_at(&part.path)).collect();
            if files.is_empty() {
                parts.remove(&key);
            } else {
                groups.push(group(&key, files.clone()));
            }
        }
        Some(Found { groups })
    }
}

fn group(key: &Key, parts: Vec<PartFile>) -> Group {
    Group { name: key.0.clone(), total: key.1, parts }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Mode;
    use super::*;
    use crate::disk::Disk;

    fn spool() -> (tempfile::TempDir, Spool) {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::new(&dir.path().join("spool"), Disk::default(), Mode::Move);
        spool.create().unwrap();
        (dir, spool)
    }

    fn file(package: u8, index: u8) -> String {
        format!("ENG261120080000{package:02}MFA002{index:03}")
    }

    #[allow(clippy::disallowed_methods, reason = "the OFTP server's part")]
    fn put(spool: &Spool, package: u8, index: u8) {
        fs::write(spool.dir("incoming").join(file(package, index)), b"").unwrap();
    }

    #[allow(clippy::disallowed_methods, reason = "somebody's")]
    fn remove(spool: &Spool, package: u8, index: u8) {
        fs::remove_file(spool.dir("incoming").join(file(package, index))).unwrap();
    }

    fn tell(spool: &Spool, package: u8, index: u8) {
        assert!(spool.inbox.told(file(package, index).into()));
    }

    /// The packages found, with how many parts each has.
    fn seen(found: &Found) -> Vec<(String, usize)> {
        let of = |group: &Group| (group.name.as_str()[15..17].to_owned(), group.parts.len());
        found.groups.iter().map(of).collect()
    }

    fn is(found: Result<Found>, wanted: &[(&str, usize)]) {
        let wanted: Vec<_> = wanted.iter().map(|(name, parts)| ((*name).into(), *parts)).collect();
        assert_eq!(seen(&found.unwrap()), wanted);
    }

    #[test]
    fn only_what_was_told_is_looked_at_together_with_what_was_known() {
        let (_dir, spool) = spool();
        put(&spool, 1, 1);
        put(&spool, 2, 1);
        spool.inbox.listen();
        assert!(spool.is_ready(), "nothing is known before the first scan");
        is(spool.arrivals(true), &[("01", 1), ("02", 1)]);
        assert!(!spool.is_ready());
        is(spool.arrivals(true), &[]);

        put(&spool, 1, 2);
        put(&spool, 2, 2);
        tell(&spool, 1, 2);
        assert!(spool.is_ready());
        is(spool.arrivals(true), &[("01", 2)]);
        is(spool.waiting(), &[("01", 2), ("02", 1)]);
        is(spool.arrivals(false), &[("01", 2), ("02", 2)]);
        is(spool.arrivals(true), &[]);
    }

    #[test]
    fn a_part_alone_is_no_reason_and_is_looked_at_with_the_next() {
        let (_dir, spool) = spool();
        spool.inbox.listen();
        is(spool.arrivals(false), &[]);
        put(&spool, 1, 1);
        tell(&spool, 1, 1);
        assert!(!spool.is_ready());
        put(&spool, 1, 2);
        tell(&spool, 1, 2);
        assert!(spool.is_ready());
        is(spool.arrivals(true), &[("01", 2)]);
    }

    #[test]
    fn a_late_part_of_a_deferred_package_is_a_reason() {
        let (_dir, spool) = spool();
        spool.inbox.listen();
        is(spool.arrivals(false), &[]);
        let deferred = spool.dir("deferred").join(&file(1, 1)[..20]);
        spool.disk.make_dirs(&deferred).unwrap();
        put(&spool, 1, 2);
        tell(&spool, 1, 2);
        assert!(spool.is_ready());
    }

    #[test]
    fn after_lost_events_everything_is_looked_at() {
        let (_dir, spool) = spool();
        spool.inbox.listen();
        is(spool.arrivals(false), &[]);
        put(&spool, 1, 1);
        spool.inbox.lost();
        assert!(spool.is_ready());
        is(spool.arrivals(true), &[("01", 1)]);
    }

    #[test]
    fn what_is_gone_or_claimed_is_forgotten() {
        let (_dir, spool) = spool();
        spool.inbox.listen();
        for (package, index) in [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1)] {
            put(&spool, package, index);
        }
        let found = spool.arrivals(false).unwrap();
        let _claimed = spool.claim(&found.groups[0]).unwrap();
        is(spool.waiting(), &[("02", 2), ("03", 1)]);
        for (package, index) in [(2, 1), (3, 1)] {
            tell(&spool, package, index);
        }
        assert!(spool.is_ready());
        remove(&spool, 2, 2);
        remove(&spool, 3, 1);
        is(spool.arrivals(true), &[("02", 1)]);
        is(spool.waiting(), &[("02", 1)]);
    }

    #[test]
    fn without_events_every_look_is_a_scan() {
        let (_dir, spool) = spool();
        put(&spool, 1, 1);
        assert!(spool.is_ready());
        is(spool.arrivals(true), &[("01", 1)]);
        is(spool.arrivals(true), &[("01", 1)]);
        spool.inbox.listen();
        is(spool.arrivals(true), &[("01", 1)]);
        is(spool.arrivals(true), &[]);
        spool.inbox.deafen();
        is(spool.arrivals(true), &[("01", 1)]);
    }
}
