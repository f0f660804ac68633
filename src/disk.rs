//! The only place that creates, replaces, renames, fsyncs or locks a file.
//!
//! The order everywhere: write a unique temporary file, fsync it, rename it into place, fsync
//! the directory. Every step that changes the disk first calls [`Steps::step`], so that the kill
//! tests can die before each one.

#![allow(clippy::disallowed_methods, reason = "the door itself")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use rustix::fs::{AtFlags, CWD, OFlags};

use crate::{Digest, Error, Fault, Hasher, Result, Stop};

mod batch;
#[cfg(debug_assertions)]
mod record;
mod rename;
mod shelf;
mod steps;
mod sweep;
mod temporary;

pub use shelf::{Shelf, Shelved, serialize_each};
pub use steps::Steps;
pub use sweep::is_orphan;
pub use temporary::Temporary;

/// Marks a file that is not yet what its name will say; swept at start.
pub const TEMPORARY: &str = ".engsync-";

/// The door to the file system; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    steps: Steps,
    counter: Arc<AtomicU64>,
    stop: Stop,
}

/// An exclusive lock that the kernel releases when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Disk {
    /// A door whose steps are counted by `steps`.
    #[must_use]
    pub fn new(steps: Steps) -> Self {
        Self { steps, ..Self::default() }
    }

    /// The word that ends its long reads, with [`crate::STOPPED`].
    #[must_use]
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// The step counter, for those who change durable things elsewhere (database, tracker).
    #[must_use]
    pub fn steps(&self) -> &Steps {
        &self.steps
    }

    /// Makes a directory and its missing parents, durably.
    ///
    /// # Errors
    /// With the path that could not be made.
    pub fn make_dirs(&self, path: &Path) -> Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.make_dirs(parent)?;
        }
        self.steps.step_on("mkdir", &[path]);
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(Error::io("make the directory", path, error))
            }
            _ => self.sync_parent(path),
        }
    }

    /// A new temporary file in `dir`, opened exclusively, mode 0600 until it is published. It is
    /// locked as long as it is open, so that [`is_orphan`] can tell.
    ///
    /// # Errors
    /// With the path that could not be created.
    pub fn temporary(&self, dir: &Path) -> Result<Temporary<'_>> {
        loop {
            let number = self.counter.fetch_add(1, Ordering::Relaxed);
            let path = dir.join(format!("{TEMPORARY}{}-{number}", std::process::id()));
            self.steps.step_on("create", &[&path]);
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) if !sweep::took(&file) => {
                    return Ok(Temporary { disk: self, path, file: Some(file) });
                }
                // Somebody swept it before it was locked.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("create", &path, error)),
            }
        }
    }

    /// A file in `dir` that never has a name: it is gone when it is closed, however that happens.
    ///
    /// # Errors
    /// Where the file system has no such files.
    pub fn scratch(dir: &Path) -> io::Result<File> {
        let flags = i32::try_from(OFlags::TMPFILE.bits()).unwrap_or_default();
        OpenOptions::new().read(true).write(true).custom_flags(flags).mode(0o600).open(dir)
    }

    /// A temporary file under a name of the caller's, which another start finds again: what is
    /// there of it stays, and writing goes on behind its first `start` bytes.
    ///
    /// # Errors
    /// With the path.
    pub fn resume(&self, path: &Path, start: u64) -> Result<Temporary<'_>> {
        self.steps.step_on("create", &[path]);
        let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags)
            .open(path)
            .and_then(|mut file| {
                file.set_len(start)?;
                io::Seek::seek(&mut file, io::SeekFrom::Start(start))?;
                Ok(file)
            });
        let file = opened.map_err(|error| Error::io("open", path, error))?;
        Ok(Temporary { disk: self, path: path.to_owned(), file: Some(file) })
    }

    /// Writes a whole new file durably; an existing one is replaced at once or not at all.
    ///
    /// # Errors
    /// With the path; the old file is then still there.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let mut file = self.temporary(parent(path))?;
        file.write_all(bytes).map_err(|error| Error::io("write", path, error))?;
        file.replace(path)
    }

    /// Writes a new file durably; refuses to touch an existing one.
    ///
    /// # Errors
    /// With the path; [`io::ErrorKind::AlreadyExists`] as the cause when it was there.
    pub fn create(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let mut file = self.temporary(parent(path))?;
        file.write_all(bytes).map_err(|error| Error::io("write", path, error))?;
        file.publish(path, None)
    }

    /// Opens an existing regular file for reading; links, pipes and devices are refused.
    ///
    /// # Errors
    /// With the path.
    pub fn open(&self, path: &Path) -> Result<File> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
            .open(path)
            .map_err(|error| Error::io("open", path, error))?;
        let meta = file.metadata().map_err(|error| Error::io("look at", path, error))?;
        if !meta.is_file() {
            return Err(Error::new(
                Fault::Item,
                crate::DISK,
                format!("{} is not a regular file", path.display()),
            ));
        }
        Ok(file)
    }

    /// Reads a whole regular file of at most `most` bytes.
    ///
    /// # Errors
    /// With the path; [`Fault::Item`] when it is larger.
    pub fn read(&self, path: &Path, most: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = self.open(path)?;
        let read = file.take(most + 1).read_to_end(&mut bytes);
        read.map_err(|error| Error::io("read", path, error))?;
        if bytes.len() as u64 > most {
            let what = format!("{} is larger than {most} bytes", path.display());
            return Err(Error::item(crate::DISK, what));
        }
        Ok(bytes)
    }

    /// The SHA-256 of a whole regular file, which is streamed.
    ///
    /// # Errors
    /// With the path; [`crate::STOPPED`].
    pub fn digest(&self, path: &Path) -> Result<Digest> {
        let mut hasher = Hasher::new(io::sink());
        self.pump(&mut self.open(path)?, &mut hasher, "read", path)?;
        Ok(hasher.finish().2)
    }

    /// All of a file into `sink`; `verb` and `path` say what an error is about.
    fn pump(&self, from: &mut File, sink: &mut dyn Write, verb: &str, path: &Path) -> Result<()> {
        self.stop.copy(from, sink).map(drop).or_else(|error| {
            self.stop.go_on()?;
            Err(Error::io(verb, path, error))
        })
    }

    /// Copies a regular file durably to a new name.
    ///
    /// # Errors
    /// With the path; [`crate::STOPPED`]; an existing target is left alone.
    pub fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        self.copied(from, to)?.publish(to, None)
    }

    /// The same; the copy counts as written when the original was.
    ///
    /// # Errors
    /// With the path; an existing target is left alone.
    pub fn copy_at(&self, from: &Path, to: &Path, modified: SystemTime) -> Result<()> {
        let file = self.copied(from, to)?;
        file.set_modified(modified)?;
        file.publish(to, None)
    }

    fn copied(&self, from: &Path, to: &Path) -> Result<Temporary<'_>> {
        let mut source = self.open(from)?;
        let mut file = self.temporary(parent(to))?;
        self.pump(&mut source, &mut file, &format!("copy {} to", from.display()), to)?;
        Ok(file)
    }

    /// Removes a file; one that is gone already is fine.
    ///
    /// # Errors
    /// With the path.
    pub fn remove(&self, path: &Path) -> Result<()> {
        self.steps.step_on("remove", &[path]);
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", path, error))
            }
            _ => self.sync_parent(path),
        }
    }

    /// Removes a directory of regular files and the files in it; one that is gone is fine.
    ///
    /// # Errors
    /// With the path.
    pub fn remove_dir(&self, path: &Path) -> Result<()> {
        let entries = match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io("list", path, error)),
            Ok(entries) => entries,
        };
        for entry in entries {
            let file = entry.map_err(|error| Error::io("list", path, error))?.path();
            self.steps.step_on("clear", &[&file]);
            fs::remove_file(&file).map_err(|error| Error::io("remove", &file, error))?;
        }
        self.steps.step_on("rmdir", &[path]);
        fs::remove_dir(path).map_err(|error| Error::io("remove", path, error))?;
        self.sync_parent(path)
    }

    /// Sets a file's modification time to the file system's present.
    ///
    /// # Errors
    /// With the path.
    pub fn touch(&self, path: &Path) -> Result<()> {
        self.steps.step_on("touch", &[path]);
        let now = rustix::fs::Timestamps {
            last_access: rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
            last_modification: rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
        };
        rustix::fs::utimensat(CWD, path, &now, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| Error::io("touch", path, errno.into()))
    }

    /// Takes the lock file at `path`, or says `None` when another process holds it. The file
    /// keeps `holder` for people to read.
    ///
    /// # Errors
    /// With the path.
    pub fn lock(&self, path: &Path, holder: &str) -> Result<Option<Lock>> {
        let io = |verb: &str, error| Error::io(verb, path, error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(path)
            .map_err(|error| io("open", error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => return Err(io("lock", error)),
        }
        file.set_len(0)
            .and_then(|()| file.write_all(holder.as_bytes()))
            .map_err(|e| io("write", e))?;
        Ok(Some(Lock { _file: file }))
    }

    /// Makes the names in `dir` durable.
    ///
    /// # Errors
    /// With the path.
    pub fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.steps.step_on("fsync directory", &[dir]);
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| Error::io("fsync", dir, e))
    }

    fn sync_parent(&self, path: &Path) -> Result<()> {
        self.sync_dir(parent(path))
    }
}

/// The directory a name stands in.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether an error says that the name was taken.
#[must_use]
pub fn is_taken(error: &Error) -> bool {
    cause_kind(error) == Some(io::ErrorKind::AlreadyExists)
}

/// The kind of the I/O error behind `error`, if there is one.
#[must_use]
pub fn cause_kind(error: &Error) -> Option<io::ErrorKind> {
    let cause = error.source.as_deref()?;
    cause.downcast_ref::<io::Error>().map(io::Error::kind)
}

#[cfg(test)]
mod tests;
