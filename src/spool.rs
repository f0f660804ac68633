//! A directory of packages in states, and the moves between them.
//!
//! A directory is a state, a rename is a transition. Parts arrive in `incoming/`; whoever holds
//! the lock claims a complete package into `active/NAME/`, and from there it goes to `done/`,
//! `deferred/` or `corrupt/`. Nothing is ever deleted because it was not understood.

mod again;
mod entry;
mod inbox;
mod latest;
mod outgoing;
mod reason;
mod scan;
mod watch;

pub use entry::{Active, Entry, PartFile};
pub use latest::{Latest, Other};
pub use reason::Reason;
pub use scan::{Found, Group, Stored};
pub use watch::Watcher;

use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::engdat::PackageName;
use crate::{Result, Timestamp};

/// The directories of a spool, in the order a package passes them.
pub const DIRECTORIES: [&str; 7] =
    ["incoming", "active", "deferred", "corrupt", "done", "building", "outgoing"];

/// A spool directory.
#[derive(Clone, Debug)]
pub struct Spool {
    root: PathBuf,
    disk: Disk,
    mode: Mode,
    inbox: inbox::Inbox,
}

/// What a spool does with what it takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Parts are moved out of `incoming/`.
    Move,
    /// Parts are copied and stay; the caller remembers them.
    Keep,
    /// Nothing is touched: a dry run.
    Look,
}

impl Spool {
    /// The spool at `root`.
    #[must_use]
    pub fn new(root: &Path, disk: Disk, mode: Mode) -> Self {
        Self { root: root.to_owned(), disk, mode, inbox: inbox::Inbox::default() }
    }

    /// What it does with what it takes in.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// One of its [`DIRECTORIES`].
    #[must_use]
    pub fn dir(&self, state: &str) -> PathBuf {
        self.root.join(state)
    }

    /// Makes the directories that are missing.
    ///
    /// # Errors
    /// With the path.
    pub fn create(&self) -> Result<()> {
        DIRECTORIES.iter().try_for_each(|state| self.disk.make_dirs(&self.dir(state)))
    }

    /// Puts back what an interrupted run left in `active/` and sweeps its temporary files. Only
    /// for the holder of the lock.
    ///
    /// # Errors
    /// With the path that could not be moved.
    pub fn recover(&self) -> Result<()> {
        for state in ["incoming", "building"] {
            self.disk.sweep(&self.dir(state))?;
        }
        for stored in self.stored("building")? {
            self.disk.remove_dir(&self.dir("building").join(&stored.directory))?;
        }
        for stored in self.stored("outgoing")? {
            self.disk.sweep(&self.dir("outgoing").join(&stored.directory))?;
        }
        for stored in self.stored("active")? {
            self.disk.sweep(&stored.path)?;
            tracing::info!(package = stored.directory, "taken up again after an interruption");
            self.put_back(&stored.path)?;
        }
        Ok(())
    }

    /// Moves a stored package's parts back to `incoming/` and answers where they are; an equal
    /// copy goes. Where the sender has sent other bytes under the same name meanwhile, both lie
    /// there, and [`Spool::latest`] tells which count.
    fn put_back(&self, dir: &Path) -> Result<Vec<PartFile>> {
        let incoming = self.dir("incoming");
        let mut parts = scan::part_files(dir)?;
        // The description goes last: until it is there, the package is not complete.
        parts.sort_by_key(|part| std::cmp::Reverse(part.name.index));
        let mut moves: Vec<(PathBuf, PathBuf)> = Vec::new();
        let mut back = Vec::new();
        for part in parts {
            let mut file = part.file.clone();
            let mut number = 1;
            let there = loop {
                let target = incoming.join(&file);
                let taken = target.exists() || moves.iter().any(|(_, other)| *other == target);
                if !taken {
                    break false;
                }
                if target.exists() && self.same(&part.path, &target)? {
                    break true;
                }
                number += 1;
                file = format!("{}.{number}", part.file);
            };
            let path = incoming.join(&file);
            if there {
                self.disk.remove(&part.path)?;
            } else {
                moves.push((part.path.clone(), path.clone()));
            }
            let name = file.parse().unwrap_or_else(|_| part.name.clone());
            back.push(PartFile { name, file, path, ..part });
        }
        self.disk.rename_all(&moves)?;
        self.clear(dir)?;
        Ok(back)
    }

    /// Removes a package's directory once its parts are elsewhere. Whatever else somebody put
    /// there stays.
    fn clear(&self, dir: &Path) -> Result<()> {
        let mut left = std::fs::read_dir(dir).into_iter().flatten();
        let own = |name: &std::ffi::OsStr| {
            name == reason::FILE || name.to_string_lossy().starts_with(crate::disk::TEMPORARY)
        };
        if left.all(|entry| entry.is_ok_and(|entry| own(&entry.file_name()))) {
            return self.disk.remove_dir(dir);
        }
        tracing::warn!("{} is left: it holds files that are no parts", dir.display());
        Ok(())
    }

    fn same(&self, a: &Path, b: &Path) -> Result<bool> {
        Ok(self.disk.digest(a)? == self.disk.digest(b)?)
    }

    /// A directory name in `state` that is free: the name itself, else `.2`, `.3`, …
    fn free(&self, state: &str, name: &str) -> Result<PathBuf> {
        for number in 1_u32.. {
            let free = self.numbered(state, name, number);
            if !free.exists() {
                return Ok(free);
            }
        }
        Ok(self.dir(state).join(name))
    }

    fn numbered(&self, state: &str, name: &str, number: u32) -> PathBuf {
        let dir = self.dir(state);
        if number == 1 { dir.join(name) } else { dir.join(format!("{name}.{number}")) }
    }

    /// Moves a package from `corrupt/` or `deferred/` back to `incoming/`. Answers where it was.
    ///
    /// # Errors
    /// When there is no such package, or it cannot be moved.
    pub fn release(&self, directory: &str) -> Result<&'static str> {
        for state in ["deferred", "corrupt"] {
            let stored = self.stored(state)?;
            if let Some(stored) = stored.iter().find(|stored| stored.directory == directory) {
                if self.mode != Mode::Look {
                    self.put_back(&stored.path)?;
                }
                return Ok(state);
            }
        }
        let what = format!("there is no package {directory} in corrupt/ or deferred/");
        Err(crate::Error::setup(crate::NOT_FOUND, what).hint("`engsync status` lists them"))
    }

    /// Puts the parts of a deferred package back beside those of the same name and total that
    /// came late; where they are now.
    ///
    /// # Errors
    /// With the path that could not be moved.
    pub fn rejoin(&self, name: &PackageName, total: u16) -> Result<Vec<PartFile>> {
        let mut back = Vec::new();
        for number in 1_u32.. {
            let dir = self.numbered("deferred", name.as_str(), number);
            if !dir.is_dir() {
                break;
            }
            let parts = scan::part_files(&dir)?;
            if parts.iter().any(|part| part.name.total != total) {
                continue;
            }
            back.extend(if self.mode == Mode::Look { parts } else { self.put_back(&dir)? });
        }
        Ok(back)
    }

    /// Whether a deferred package is one of these, so that its parts belong to them.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn is_of(&self, stored: &Stored, groups: &[Group]) -> Result<bool> {
        let name = stored.directory.get(..20).unwrap_or(&stored.directory);
        // In the order of their names.
        let first = groups.partition_point(|group| group.name.as_str() < name);
        let mut same = groups[first..].iter().take_while(|group| group.name.as_str() == name);
        if same.clone().next().is_none() {
            return Ok(false);
        }
        let parts = scan::part_files(&stored.path)?;
        let total = parts.first().map(|part| part.name.total);
        Ok(same.any(|group| Some(group.total) == total))
    }

    /// Removes packages from `done/` that have been there since before `limit`.
    ///
    /// # Errors
    /// With the path that could not be removed.
    pub fn expire(&self, limit: Timestamp) -> Result<usize> {
        let mut expired = Vec::new();
        self.each("done", &mut |entry| {
            if scan::since(entry).is_some_and(|since| since < limit) {
                expired.push(entry.path().to_owned());
            }
            Ok(())
        })?;
        for path in &expired {
            self.disk.remove_dir(path)?;
        }
        Ok(expired.len())
    }
}

#[cfg(test)]
mod tests;
