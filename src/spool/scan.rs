//! What is in the spool. The scan is the truth; events are only hints.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, FileType, OFlags, RawDir, StatxFlags};
use rustix::io::Errno;
use walkdir::WalkDir;

use super::entry::PartFile;
use super::{Reason, Spool};
use crate::engdat::{PackageName, PartName};
use crate::{Error, Result, Timestamp};

/// Room for as many names as the system hands out at once, in bytes.
const NAMES: usize = 64 << 10;

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
    pub fn age(&self, now: SystemTime) -> Duration {
        let age = |part: &PartFile| now.duration_since(part.modified).unwrap_or(Duration::MAX);
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
            let is_part = entry.file_type().is_file() && part_name(entry.file_name()).is_some();
            if !file.starts_with('.') && !is_part {
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
                reason: Reason::read(&self.disk, &path),
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
    parts_of(dir, |part| {
        groups.entry((part.name.package.clone(), part.name.total)).or_default().push(part);
    })?;
    let groups = groups.into_iter().map(|((name, total), mut parts)| {
        in_order(&mut parts);
        Group { name, total, parts }
    });
    Ok(Found { groups: groups.collect() })
}

/// The parts in a package's directory.
pub(super) fn part_files(dir: &Path) -> Result<Vec<PartFile>> {
    let mut parts = Vec::new();
    parts_of(dir, |part| parts.push(part))?;
    in_order(&mut parts);
    Ok(parts)
}

/// By index; a part that is there twice, by the names of its files.
pub(super) fn in_order(parts: &mut [PartFile]) {
    parts.sort_by(|a, b| (a.name.index, &a.file).cmp(&(b.name.index, &b.file)));
}

/// What the name of a file says, when it is a part's.
pub(super) fn part_name(file: &OsStr) -> Option<PartName> {
    // Most other names are told apart by their beginning.
    file.as_bytes().starts_with(b"EN").then(|| file.to_string_lossy().parse().ok()).flatten()
}

/// The part at a path; links, directories and files of other names are none.
pub(super) fn part_at(path: &Path) -> Option<PartFile> {
    part_file(CWD, path, part_name(path.file_name()?)?, path.to_owned())
}

/// Looks at each part in a directory. Names are read as the system hands them out, without a path
/// or an allocation for those that are none of ours: an `incoming/` may hold a hundred thousand.
fn parts_of(dir: &Path, mut look: impl FnMut(PartFile)) -> Result<()> {
    let cannot = |errno: Errno| cannot_list(dir, std::io::Error::from(errno));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = rustix::fs::open(dir, flags, rustix::fs::Mode::empty()).map_err(cannot)?;
    let mut names = Vec::with_capacity(NAMES);
    let mut entries = RawDir::new(&open, names.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(cannot)?;
        // Some file systems do not say what a name is.
        if !matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown) {
            continue;
        }
        let file = OsStr::from_bytes(entry.file_name().to_bytes());
        let Some(name) = part_name(file) else { continue };
        part_file(open.as_fd(), Path::new(file), name, dir.join(file))
            .into_iter()
            .for_each(&mut look);
    }
    Ok(())
}

/// A regular file that is still there: `file` as seen from `dir`.
fn part_file(dir: BorrowedFd<'_>, file: &Path, name: PartName, path: PathBuf) -> Option<PartFile> {
    let wanted = StatxFlags::TYPE | StatxFlags::SIZE | StatxFlags::MTIME;
    let stat = rustix::fs::statx(dir, file, AtFlags::SYMLINK_NOFOLLOW, wanted).ok()?;
    if !FileType::from_raw_mode(stat.stx_mode.into()).is_file() {
        return None;
    }
    let since = Duration::new(stat.stx_mtime.tv_sec.unsigned_abs(), 0);
    let whole = if stat.stx_mtime.tv_sec < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(since)?
    } else {
        SystemTime::UNIX_EPOCH.checked_add(since)?
    };
    Some(PartFile {
        name,
        file: path.file_name()?.to_string_lossy().into_owned(),
        path,
        size: stat.stx_size,
        modified: whole.checked_add(Duration::from_nanos(stat.stx_mtime.tv_nsec.into()))?,
    })
}

fn cannot_list(dir: &Path, error: impl Into<std::io::Error>) -> Error {
    Error::setup(crate::DISK, format!("cannot list {}", dir.display()))
        .because(error.into())
        .hint("`engsync init` makes a spool; check `[spool] dir` and its permissions")
}
