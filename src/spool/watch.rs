//! When the spool is worth a look. Events are hints: they may be lost, doubled or late; the
//! periodic scan is the truth.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{EventKind, RecursiveMode, Watcher as _};

use super::{Group, Spool};
use crate::{Error, Result, Timestamp};

/// Tells of arrivals in `incoming/` until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    _events: notify::RecommendedWatcher,
    dir: PathBuf,
    watched: Option<Inode>,
}

/// A directory itself, whatever its name: device and number.
type Inode = (u64, u64);

fn inode(dir: &Path) -> Option<Inode> {
    std::fs::metadata(dir).ok().map(|meta| (meta.dev(), meta.ino()))
}

impl Watcher {
    /// Whether `incoming/` still is the directory that is watched: it may have been replaced, or
    /// a file system mounted over it.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.watched.is_some() && inode(&self.dir) == self.watched
    }
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
        let own = dir.clone();
        let told = move |event: notify::Result<notify::Event>| {
            if is_reason(&event, &own) {
                wake();
            }
        };
        // Looked at first: one that is replaced meanwhile is not taken for the one watched.
        let watched = inode(&dir);
        let mut events = notify::recommended_watcher(told).map_err(cannot)?;
        events.watch(&dir, RecursiveMode::NonRecursive).map_err(cannot)?;
        Ok(Watcher { _events: events, dir, watched })
    }

    /// Whether a pass could take something in now, by the names alone: a group has all its
    /// parts, or one that belongs to a deferred package.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn is_ready(&self) -> Result<bool> {
        let groups = self.scan()?.groups;
        let late = |group: &Group| self.dir("deferred").join(group.name.to_string()).is_dir();
        Ok(groups.iter().any(|group| group.has_all() || late(group)))
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
        for group in self.scan()?.groups {
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

/// Something may have arrived: a file did, or the kernel's queue ran over, or it failed, or the
/// directory is not there any more.
fn is_reason(event: &notify::Result<notify::Event>, dir: &Path) -> bool {
    // By its last name: how the events write the path before it is their affair.
    let is_own =
        |event: &notify::Event| event.paths.iter().any(|path| path.file_name() == dir.file_name());
    event.as_ref().map_or(true, |event| {
        event.need_rescan() || is_arrival(&event.kind) || is_departure(&event.kind) && is_own(event)
    })
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
    fn lost_events_wake_too() {
        use notify::event::Flag;
        let lost = notify::Event::new(EventKind::Other).set_flag(Flag::Rescan);
        let cases = [
            (Ok(lost), true),
            (Ok(notify::Event::new(EventKind::Other)), false),
            (Err(notify::Error::generic("gone")), true),
        ];
        for (event, wanted) in cases {
            assert_eq!(is_reason(&event, Path::new("./incoming")), wanted, "{event:?}");
        }
    }

    #[test]
    fn the_directory_itself_going_away_wakes_too() {
        let moved = EventKind::Modify(ModifyKind::Name(RenameMode::From));
        for kind in [moved, EventKind::Remove(RemoveKind::Folder)] {
            for (path, wanted) in [("/incoming", true), ("/incoming/x", false)] {
                let event = notify::Event::new(kind).add_path(path.into());
                assert_eq!(
                    is_reason(&Ok(event), Path::new("./incoming")),
                    wanted,
                    "{kind:?} {path}"
                );
            }
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
