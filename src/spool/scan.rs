//! What is in the spool. The scan is the truth; events are only hints.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use walkdir::WalkDir;

use super::entry::PartFile;
use super::{Reason, Spool};
use crate::disk::TEMPORARY;
use crate::engdat::{PackageName, PartName};
use crate::{Error, Result, Timestamp};

/// What lies in `incoming/`.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The parts by package, in the order of their names.
    pub groups: Vec<Group>,
    /// Other names, left alone.
    pub foreign: Vec<String>,
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
    /// Reads `incoming/`. Links, directories and names of other shapes are foreign; unfinished
    /// files of ours and dot files are nothing.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn scan(&self) -> Result<Found> {
        packages(&self.dir("incoming"))
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
        let dir = self.dir(state);
        if !dir.exists() {
            return Ok(Vec::new());
        }
        let mut stored = Vec::new();
        for entry in WalkDir::new(&dir).min_depth(1).max_depth(1) {
            let entry = entry.map_err(|error| cannot_list(&dir, error))?;
            if !entry.file_type().is_dir() {
                continue;
            }
            let path = entry.path().to_owned();
            let since = entry.metadata().ok().and_then(|meta| meta.modified().ok());
            stored.push(Stored {
                directory: entry.file_name().to_string_lossy().into_owned(),
                reason: Reason::read(&path),
                since: since.map(Timestamp::from),
                path,
            });
        }
        stored.sort_by(|a, b| a.directory.cmp(&b.directory));
        Ok(stored)
    }
}

/// What lies in a directory of parts.
fn packages(dir: &Path) -> Result<Found> {
    let mut found = Found::default();
    let mut groups: BTreeMap<(PackageName, u16), Vec<PartFile>> = BTreeMap::new();
    for entry in WalkDir::new(dir).min_depth(1).max_depth(1) {
        let entry = entry.map_err(|error| cannot_list(dir, error))?;
        let file = entry.file_name().to_string_lossy().into_owned();
        if file.starts_with('.') || file.starts_with(TEMPORARY) {
            continue;
        }
        match part_file(&entry, &file) {
            Some(part) => {
                let key = (part.name.package.clone(), part.name.total);
                groups.entry(key).or_default().push(part);
            }
            None => found.foreign.push(file),
        }
    }
    found.foreign.sort();
    found.groups = groups
        .into_iter()
        .map(|((name, total), mut parts)| {
            parts.sort_by(|a, b| (a.name.index, &a.file).cmp(&(b.name.index, &b.file)));
            Group { name, total, parts }
        })
        .collect();
    Ok(found)
}

/// The parts in a package's directory.
pub(super) fn part_files(dir: &Path) -> Result<Vec<PartFile>> {
    let mut parts = Vec::new();
    for entry in WalkDir::new(dir).min_depth(1).max_depth(1) {
        let entry = entry.map_err(|error| cannot_list(dir, error))?;
        let file = entry.file_name().to_string_lossy().into_owned();
        parts.extend(part_file(&entry, &file));
    }
    parts.sort_by(|a, b| (a.name.index, &a.file).cmp(&(b.name.index, &b.file)));
    Ok(parts)
}

fn part_file(entry: &walkdir::DirEntry, file: &str) -> Option<PartFile> {
    if !entry.file_type().is_file() {
        return None;
    }
    let name: PartName = file.parse().ok()?;
    let meta = entry.metadata().ok()?;
    Some(PartFile {
        name,
        file: file.to_owned(),
        path: entry.path().to_owned(),
        size: meta.len(),
        modified: meta.modified().ok()?,
    })
}

/// The last component of a path, as text.
pub(super) fn base_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn cannot_list(dir: &Path, error: walkdir::Error) -> Error {
    Error::setup(crate::DISK, format!("cannot list {}", dir.display()))
        .because(error)
        .hint("`engsync init` makes a spool; check `[spool] dir` and its permissions")
}
