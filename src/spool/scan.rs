//! What is in the spool. The scan is the truth; events are only hints.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use walkdir::WalkDir;

use super::entry::PartFile;
use super::{Reason, Spool};
use crate::engdat::{PackageName, PartName};
use crate::{Error, Result, Timestamp};

/// What lies in `incoming/`.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The parts by package, in the order of their names.
    pub groups: Vec<Group>,
}

/// The parts that share characters 1–23 of their names.
#[derive(Clone, Debug)]
pub struct Group {
    /// Characters 1–20.
    pub name: PackageName,
    /// Characters 21–23: how many parts there should be.
    pub total: u16,
    /// Those that are there, by index.
    pub parts: Vec<PartFile>,
}

impl Group {
    /// How long ago its youngest part was written; a time in the future counts as long ago.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> std::time::Duration {
        let age =
            |part: &PartFile| now.duration_since(part.modified).unwrap_or(std::time::Duration::MAX);
        self.parts.iter().map(age).min().unwrap_or_default()
    }
}

/// A package in one of the states.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The directory's name: the package's, with `.2` and so on when it was taken.
    pub directory: String,
    /// Where it is.
    pub path: PathBuf,
    /// Why it is there.
    pub reason: Option<Reason>,
    /// Since when it is there, by the file system.
    pub since: Option<Timestamp>,
}

impl Spool {
    /// Reads `incoming/`: the parts of packages. What else lies there costs a look at its name
    /// and no memory.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn scan(&self) -> Result<Found> {
        packages(&self.dir("incoming"))
    }

    /// The names in `incoming/` that are no parts: links, directories and names of other shapes;
    /// unfinished files of ours and dot files are nothing.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn foreign(&self) -> Result<Vec<String>> {
        let dir = self.dir("incoming");
        let mut foreign = Vec::new();
        for entry in WalkDir::new(&dir).min_depth(1).max_depth(1) {
            let entry = entry.map_err(|error| cannot_list(&dir, error))?;
            let file = entry.file_name().to_string_lossy();
            if !file.starts_with('.') && part_name(&entry).is_none() {
                foreign.push(file.into_owned());
            }
        }
        foreign.sort();
        Ok(foreign)
    }

    /// How many packages are in a state.
    ///
    /// # Errors
    /// When the directory cannot be read; one that does not exist is empty.
    pub fn count(&self, state: &str) -> Result<usize> {
        let mut count = 0;
        self.each(state, &mut |_| {
            count += 1;
            Ok(())
        })?;
        Ok(count)
    }

    /// The packages in `outgoing/PARTNER/` under names that engsync writes; other files there
    /// are nothing. A directory that is not there yet is empty.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn outgoing(&self, partner: &str) -> Result<Vec<Group>> {
        let dir = self.dir("outgoing").join(partner);
        if !dir.exists() {
            return Ok(Vec::new());
        }
        let mut groups = packages(&dir)?.groups;
        for group in &mut groups {
            group.parts.retain(|part| part.name.strict().is_ok());
        }
        groups.retain(|group| !group.parts.is_empty());
        Ok(groups)
    }

    /// The packages in a state, in the order of their names.
    ///
    /// # Errors
    /// When the directory cannot be read; one that does not exist is empty.
    pub fn stored(&self, state: &str) -> Result<Vec<Stored>> {
        let mut stored = Vec::new();
        self.each(state, &mut |entry| {
            let path = entry.path().to_owned();
            stored.push(Stored {
                directory: entry.file_name().to_string_lossy().into_owned(),
                reason: Reason::read(&path),
                since: since(entry),
                path,
            });
            Ok(())
        })?;
        stored.sort_by(|a, b| a.directory.cmp(&b.directory));
        Ok(stored)
    }

    /// The directories in a state, in no order.
    pub(super) fn each(
        &self,
        state: &str,
        look: &mut dyn FnMut(&walkdir::DirEntry) -> Result<()>,
    ) -> Result<()> {
        let dir = self.dir(state);
        if !dir.exists() {
            return Ok(());
        }
        for entry in WalkDir::new(&dir).min_depth(1).max_depth(1) {
            let entry = entry.map_err(|error| cannot_list(&dir, error))?;
            if entry.file_type().is_dir() {
                look(&entry)?;
            }
        }
        Ok(())
    }
}

/// Since when a directory is where it is.
pub(super) fn since(entry: &walkdir::DirEntry) -> Option<Timestamp> {
    let modified = entry.metadata().ok().and_then(|meta| meta.modified().ok());
    modified.map(Timestamp::from)
}

/// The packages whose parts lie in a directory.
fn packages(dir: &Path) -> Result<Found> {
    let mut groups: BTreeMap<(PackageName, u16), Vec<PartFile>> = BTreeMap::new();
    for entry in WalkDir::new(dir).min_depth(1).max_depth(1) {
        let entry = entry.map_err(|error| cannot_list(dir, error))?;
        let Some(part) = part_file(&entry) else { continue };
        groups.entry((part.name.package.clone(), part.name.total)).or_default().push(part);
    }
    let groups = groups.into_iter().map(|((name, total), mut parts)| {
        parts.sort_by(|a, b| (a.name.index, &a.file).cmp(&(b.name.index, &b.file)));
        Group { name, total, parts }
    });
    Ok(Found { groups: groups.collect() })
}

/// The parts in a package's directory.
pub(super) fn part_files(dir: &Path) -> Result<Vec<PartFile>> {
    let mut parts = Vec::new();
    for entry in WalkDir::new(dir).min_depth(1).max_depth(1) {
        let entry = entry.map_err(|error| cannot_list(dir, error))?;
        parts.extend(part_file(&entry));
    }
    parts.sort_by(|a, b| (a.name.index, &a.file).cmp(&(b.name.index, &b.file)));
    Ok(parts)
}

fn part_name(entry: &walkdir::DirEntry) -> Option<PartName> {
    let file = entry.file_name();
    // Most other names are told apart by their beginning.
    if !file.as_encoded_bytes().starts_with(b"EN") || !entry.file_type().is_file() {
        return None;
    }
    file.to_string_lossy().parse().ok()
}

fn part_file(entry: &walkdir::DirEntry) -> Option<PartFile> {
    let name = part_name(entry)?;
    let meta = entry.metadata().ok()?;
    Some(PartFile {
        name,
        file: entry.file_name().to_string_lossy().into_owned(),
        path: entry.path().to_owned(),
        size: meta.len(),
        modified: meta.modified().ok()?,
    })
}

fn cannot_list(dir: &Path, error: walkdir::Error) -> Error {
    Error::setup(crate::DISK, format!("cannot list {}", dir.display()))
        .because(error)
        .hint("`engsync init` makes a spool; check `[spool] dir` and its permissions")
}
