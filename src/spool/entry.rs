//! A package being worked on: a handle that every move consumes.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::SystemTime;

use super::scan::{self, Group};
use super::{Mode, Reason, Spool};
use crate::engdat::{PackageName, PartName};
use crate::{Digest, Error, Result};

/// A part on disk.
#[derive(Clone, Debug)]
pub struct PartFile {
    /// What its name says.
    pub name: PartName,
    /// The file's name, suffix included.
    pub file: String,
    /// Where it is.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// When it was last written, by the file system.
    pub modified: SystemTime,
}

/// The state of an [`Entry`] in `active/`.
#[derive(Debug)]
pub enum Active {}

/// A package in the state `S`.
#[derive(Debug)]
#[must_use]
pub struct Entry<S> {
    spool: Spool,
    name: PackageName,
    directory: String,
    parts: Vec<PartFile>,
    state: PhantomData<S>,
}

impl Spool {
    /// Claims a package from `incoming/` into `active/NAME/`: data parts first, the description
    /// last, so that an interrupted claim is not taken for a complete one.
    ///
    /// # Errors
    /// With the path that could not be moved; what was moved is put back at the next start.
    pub fn claim(&self, group: &Group) -> Result<Entry<Active>> {
        let directory = group.name.to_string();
        let entry = |parts| Entry {
            spool: self.clone(),
            name: group.name.clone(),
            directory: directory.clone(),
            parts,
            state: PhantomData,
        };
        if self.mode == Mode::Look {
            return Ok(entry(group.parts.clone()));
        }
        let dir = self.dir("active").join(&directory);
        self.disk.make_dirs(&dir)?;
        let parts = group.parts.iter().rev();
        if self.mode == Mode::Keep {
            for part in parts {
                self.disk.copy_at(&part.path, &dir.join(&part.file), part.modified)?;
            }
        } else {
            let moves = parts.map(|part| (part.path.clone(), dir.join(&part.file)));
            self.disk.rename_all(&moves.collect::<Vec<_>>())?;
            self.forget(group);
        }
        Ok(entry(scan::part_files(&dir)?))
    }

    /// Claims a deferred package whose time has come.
    ///
    /// # Errors
    /// With the path that could not be moved.
    pub fn reclaim(&self, directory: &str) -> Result<Entry<Active>> {
        let from = self.dir("deferred").join(directory);
        let dir = if self.mode == Mode::Look {
            from
        } else {
            let dir = self.dir("active").join(directory);
            self.disk.rename(&from, &dir)?;
            dir
        };
        let parts = scan::part_files(&dir)?;
        let name = parts.first().map(|part| part.name.package.clone()).ok_or_else(|| {
            Error::item(crate::NOT_FOUND, format!("{} holds no part", dir.display()))
        })?;
        let directory = directory.to_owned();
        Ok(Entry { spool: self.clone(), name, directory, parts, state: PhantomData })
    }

    /// Takes a package up again that an interrupted run left in `active/`; `None` when no part of
    /// it is there yet or any more.
    ///
    /// # Errors
    /// With the path that could not be read.
    pub fn resume(&self, directory: &str) -> Result<Option<Entry<Active>>> {
        let dir = self.dir("active").join(directory);
        self.disk.sweep(&dir)?;
        let parts = scan::part_files(&dir)?;
        let name = parts.first().map(|part| part.name.package.clone());
        let entry = |name| Entry {
            spool: self.clone(),
            name,
            directory: directory.to_owned(),
            parts,
            state: PhantomData,
        };
        Ok(name.map(entry))
    }
}

impl Entry<Active> {
    /// The package's name.
    #[must_use]
    pub fn name(&self) -> &PackageName {
        &self.name
    }

    /// Its parts, by index; see [`Spool::latest`] where one is there more than once.
    #[must_use]
    pub fn parts(&self) -> &[PartFile] {
        &self.parts
    }

    /// How many different parts it has.
    #[must_use]
    pub fn total(&self) -> u16 {
        let mut indices: Vec<u16> = self.parts.iter().map(|part| part.name.index).collect();
        indices.dedup();
        u16::try_from(indices.len()).unwrap_or(u16::MAX)
    }

    /// The digest of its content.
    ///
    /// # Errors
    /// As [`Spool::content`].
    pub fn digest(&self) -> Result<Digest> {
        self.spool.content(&self.parts)
    }

    /// It was applied, or is a duplicate: to `done/`.
    ///
    /// # Errors
    /// With the path that could not be moved.
    pub fn done(self) -> Result<PathBuf> {
        self.go("done", None)
    }

    /// Time will cure it: to `deferred/`.
    ///
    /// # Errors
    /// With the path that could not be moved.
    pub fn defer(self, reason: &Reason) -> Result<PathBuf> {
        self.go("deferred", Some(reason))
    }

    /// The sender must cure it: to `corrupt/`.
    ///
    /// # Errors
    /// With the path that could not be moved.
    pub fn corrupt(self, reason: &Reason) -> Result<PathBuf> {
        self.go("corrupt", Some(reason))
    }

    fn go(self, state: &str, reason: Option<&Reason>) -> Result<PathBuf> {
        let Spool { disk, mode, .. } = &self.spool;
        let target = self.spool.free(state, &self.name.to_string())?;
        if *mode == Mode::Look {
            return Ok(target);
        }
        let dir = self.spool.dir("active").join(&self.directory);
        match reason {
            // The reason is there before the package shows up under its new state.
            Some(reason) => reason.write(disk, &dir)?,
            None if dir.join(super::reason::FILE).exists() => {
                disk.remove(&dir.join(super::reason::FILE))?;
            }
            None => {}
        }
        disk.touch(&dir)?;
        disk.rename(&dir, &target)?;
        Ok(target)
    }
}
