//! When the spool is worth a look. Events are hints: they may be lost, doubled or late; the
//! periodic scan is the truth.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{EventKind, RecursiveMode, Watcher as _};

use super::inbox::Inbox;
use super::{Group, Spool};
use crate::{Error, Result, Timestamp};

/// Tells of arrivals in `incoming/` until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    _events: notify::RecommendedWatcher,
    dir: PathBuf,
    /// Device and inode of the directory it watches.
    watched: Option<(u64, u64)>,
    inbox: Inbox,
}

impl Watcher {
    /// Whether `incoming/` is another directory by now: moved away and made anew, or mounted over.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.watched != identity(&self.dir)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.inbox.deafen();
    }
}

fn identity(dir: &Path) -> Option<(u64, u64)> {
    dir.metadata().ok().map(|meta| (meta.dev(), meta.ino()))
}

impl Spool {
    /// Calls `wake`, on a thread of its own, whenever a file may have become complete in
    /// `incoming/`, when events were lost, and when the directory itself went away.
    ///
    /// # Errors
    /// When the system has no events to offer for the directory; scanning still works.
    pub fn watch(&self, wake: impl Fn() + Send + 'static) -> Result<Watcher> {
        let dir = self.dir("incoming");
        let cannot = |error: notify::Error| {
            let what = format!("cannot watch {}", dir.display());
            Error::setup(crate::DISK, what)
                .because(error)
                .hint("packages are found by scanning, every `[spool] scan_seconds`")
        };
        let inbox = self.inbox.clone();
        let own = dir.clone();
        let told = move |event: notify::Result<notify::Event>| {
            if is_reason(event, &own, &inbox) {
                wake();
            }
        };
        let mut events = notify::recommended_watcher(told).map_err(cannot)?;
        // Seen first: whatever takes the directory's place from here on is another one.
        let watched = identity(&dir);
        events.watch(&dir, RecursiveMode::NonRecursive).map_err(cannot)?;
        self.inbox.listen();
        Ok(Watcher { _events: events, dir, watched, inbox: self.inbox.clone() })
    }

    /// How long until something is due by itself: a deferred package's next try (by `now`), or
    /// a young part that settles (by `wall`, the file system's time).
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn next_due(
        &self,
        now: Timestamp,
        wall: SystemTime,
        settle: Duration,
    ) -> Result<Option<Duration>> {
        let mut due = Vec::new();
        for stored in self.stored("deferred")? {
            let next = stored.reason.and_then(|reason| reason.next_try);
            due.extend(next.map(|next| (next - now).to_std().unwrap_or_default()));
        }
        for group in self.waiting()?.groups {
            let left = settle.saturating_sub(group.age(wall));
            due.extend((left > Duration::ZERO).then_some(left));
        }
        Ok(due.into_iter().min())
    }
}

impl Group {
    /// Whether every part that the names promise is there.
    #[must_use]
    pub fn has_all(&self) -> bool {
        let indices: BTreeSet<u16> = self.parts.iter().map(|part| part.name.index).collect();
        (1..=self.total).all(|index| indices.contains(&index))
    }
}

/// A part may have arrived, or the kernel's queue ran over, or it failed, or `dir` itself went
/// away.
fn is_reason(event: notify::Result<notify::Event>, dir: &Path, inbox: &Inbox) -> bool {
    let Ok(event) = event else {
        inbox.lost();
        return true;
    };
    // Of a rename within the directory the new name is the last.
    let file = event.paths.last().and_then(|path| path.file_name());
    // By its last name: how the events write the path before it is their affair.
    if event.need_rescan() || is_departure(&event.kind) && file == dir.file_name() {
        inbox.lost();
        return true;
    }
    is_arrival(&event.kind) && file.is_some_and(|file| inbox.told(file.to_owned()))
}

fn is_departure(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)))
}

/// A file was closed after writing, renamed or linked in. Reading and our own claims are none.
fn is_arrival(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::Any
            | EventKind::Create(_)
            | EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Name(
                RenameMode::To | RenameMode::Both | RenameMode::Any
            ))
    )
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, MetadataKind, RemoveKind};

    use super::*;

    #[test]
    fn parts_and_lost_events_wake() {
        use notify::event::Flag;
        let close = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let event = |kind, file: &str| notify::Event::new(kind).add_path(file.into());
        let part = "/spool/incoming/ENG26112008000000MFA002001";
        let lost = notify::Event::new(EventKind::Other).set_flag(Flag::Rescan);
        let cases = [
            (Ok(lost), true),
            (Ok(notify::Event::new(EventKind::Other)), false),
            (Ok(event(close, part)), true),
            (Ok(event(close, "/spool/incoming/readme.txt")), false),
            (Ok(event(EventKind::Remove(RemoveKind::File), part)), false),
            (Ok(event(EventKind::Any, "/spool/incoming")), false),
            (
                Ok(event(EventKind::Modify(ModifyKind::Name(RenameMode::From)), "/spool/incoming")),
                true,
            ),
            (Ok(event(EventKind::Remove(RemoveKind::Folder), "/spool/incoming")), true),
            (Err(notify::Error::generic("gone")), true),
        ];
        for (event, wanted) in cases {
            let said = format!("{event:?}");
            assert_eq!(
                is_reason(event, Path::new("./incoming"), &Inbox::default()),
                wanted,
                "{said}"
            );
        }
    }

    #[test]
    fn only_what_may_complete_a_file_wakes() {
        let cases = [
            (EventKind::Create(CreateKind::File), true),
            (EventKind::Access(AccessKind::Close(AccessMode::Write)), true),
            (EventKind::Modify(ModifyKind::Name(RenameMode::To)), true),
            (EventKind::Modify(ModifyKind::Name(RenameMode::From)), false),
            (EventKind::Modify(ModifyKind::Data(DataChange::Any)), false),
            (EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)), false),
            (EventKind::Access(AccessKind::Close(AccessMode::Read)), false),
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), false),
            (EventKind::Remove(RemoveKind::File), false),
        ];
        for (kind, wanted) in cases {
            assert_eq!(is_arrival(&kind), wanted, "{kind:?}");
        }
    }
}
