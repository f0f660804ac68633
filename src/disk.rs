//! The only place that creates, replaces, renames, fsyncs or locks a file.
//!
//! The order everywhere: write a unique temporary file, fsync it, rename it into place, fsync
//! the directory. Every step that changes the disk first calls [`Steps::step`], so that the kill
//! tests can die before each one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, OFlags, RenameFlags};

use crate::{Digest, Error, Fault, Hasher, Result};

#[cfg(debug_assertions)]
mod record;
mod steps;

pub use steps::Steps;

/// Marks a file that is not yet what its name will say; swept at start.
pub const TEMPORARY: &str = ".engsync-";

/// The door to the file system; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    steps: Steps,
    counter: Arc<AtomicU64>,
}

/// An exclusive lock that the kernel releases when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// A file being written under a temporary name.
#[derive(Debug)]
pub struct Temporary<'a> {
    disk: &'a Disk,
    path: PathBuf,
    file: Option<File>,
}

impl Disk {
    /// A door whose steps are counted by `steps`.
    #[must_use]
    pub fn new(steps: Steps) -> Self {
        Self { steps, counter: Arc::default() }
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
        #[allow(clippy::disallowed_methods, reason = "the door itself")]
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(Error::io("make the directory", path, error))
            }
            _ => self.sync_parent(path),
        }
    }

    /// A new temporary file in `dir`, opened exclusively, mode 0600 until it is published.
    ///
    /// # Errors
    /// With the path that could not be created.
    pub fn temporary(&self, dir: &Path) -> Result<Temporary<'_>> {
        loop {
            let number = self.counter.fetch_add(1, Ordering::Relaxed);
            let path = dir.join(format!("{TEMPORARY}{}-{number}", std::process::id()));
            self.steps.step_on("create", &[&path]);
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => return Ok(Temporary { disk: self, path, file: Some(file) }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("create", &path, error)),
            }
        }
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
    /// With the path.
    pub fn digest(&self, path: &Path) -> Result<Digest> {
        let mut hasher = Hasher::new(io::sink());
        io::copy(&mut self.open(path)?, &mut hasher)
            .map_err(|error| Error::io("read", path, error))?;
        Ok(hasher.finish().2)
    }

    /// Renames within a file system, never over an existing name; both directories are fsynced.
    ///
    /// # Errors
    /// With both paths; [`io::ErrorKind::AlreadyExists`] as the cause when the target was there.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.steps.step_on("rename", &[from, to]);
        rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(|errno| {
            let verb = format!("rename {} to", from.display());
            Error::io(&verb, to, errno.into())
        })?;
        self.sync_parent(to)?;
        if parent(from) != parent(to) {
            self.sync_parent(from)?;
        }
        Ok(())
    }

    /// Copies a regular file durably to a new name.
    ///
    /// # Errors
    /// With the path; an existing target is left alone.
    pub fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let mut source = self.open(from)?;
        let mut file = self.temporary(parent(to))?;
        io::copy(&mut source, &mut file).map_err(|error| {
            let verb = format!("copy {} to", from.display());
            Error::io(&verb, to, error)
        })?;
        file.publish(to, None)
    }

    /// Removes a file; one that is gone already is fine.
    ///
    /// # Errors
    /// With the path.
    pub fn remove(&self, path: &Path) -> Result<()> {
        self.steps.step_on("remove", &[path]);
        #[allow(clippy::disallowed_methods, reason = "the door itself")]
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
            let entry = entry.map_err(|error| Error::io("list", path, error))?;
            self.remove(&entry.path())?;
        }
        self.steps.step_on("rmdir", &[path]);
        #[allow(clippy::disallowed_methods, reason = "the door itself")]
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

    /// Removes what an interrupted writer left in `dir`.
    ///
    /// # Errors
    /// With the path.
    pub fn sweep(&self, dir: &Path) -> Result<()> {
        let Ok(entries) = fs::read_dir(dir) else { return Ok(()) };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
                self.remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes what writers that are no more left in `dir`, where others may be writing.
    ///
    /// # Errors
    /// With the path.
    pub fn sweep_orphans(&self, dir: &Path) -> Result<()> {
        let Ok(entries) = fs::read_dir(dir) else { return Ok(()) };
        for entry in entries.flatten() {
            if is_orphan(&entry.file_name().to_string_lossy()) {
                self.remove(&entry.path())?;
            }
        }
        Ok(())
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

/// Whether a temporary file's writer is no more. What bears our own number was left by one before
/// us: we are done with each before we begin the next.
fn is_orphan(name: &str) -> bool {
    let writer = name.strip_prefix(TEMPORARY).and_then(|rest| rest.split('-').next());
    let own = std::process::id().to_string();
    writer.is_some_and(|id| id == own || !Path::new("/proc").join(id).exists())
}

impl Temporary<'_> {
    /// Gives the file to a group.
    ///
    /// # Errors
    /// With the path: only a member may give a file to a group.
    pub fn set_group(&self, group: u32) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        std::os::unix::fs::fchown(file, None, Some(group))
            .map_err(|error| Error::io("give a file to its group in", parent(&self.path), error))
    }

    /// What was written, read again.
    ///
    /// # Errors
    /// With the path.
    pub fn digest(&self) -> Result<Digest> {
        self.disk.digest(&self.path)
    }

    /// Publishes the file under a name that must be free, with `mode` (default: what the umask
    /// leaves of 0666) set before it becomes visible.
    ///
    /// # Errors
    /// With the path; the temporary file is then removed.
    pub fn publish(self, path: &Path, mode: Option<u32>) -> Result<()> {
        self.finish(path, mode, RenameFlags::NOREPLACE)
    }

    /// Publishes the file under `path`, replacing what is there at once.
    ///
    /// # Errors
    /// With the path; the temporary file is then removed.
    pub fn replace(self, path: &Path) -> Result<()> {
        let mode = fs::symlink_metadata(path).ok().map(|meta| meta.mode() & 0o777);
        self.finish(path, mode, RenameFlags::empty())
    }

    /// Leaves the file under its temporary name, durably, for [`Disk::resume`].
    ///
    /// # Errors
    /// With the path; the file is then removed.
    pub fn keep(mut self) -> Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let path = std::mem::take(&mut self.path);
        self.disk.steps.step_on("fsync", &[&path]);
        let kept = file.sync_all().map_err(|error| Error::io("write", &path, error));
        if kept.is_err() {
            self.path.clone_from(&path);
            self.discard();
            return kept;
        }
        self.disk.sync_parent(&path)
    }

    fn finish(mut self, path: &Path, mode: Option<u32>, flags: RenameFlags) -> Result<()> {
        let io = |verb: &str, error| Error::io(verb, path, error);
        let Some(file) = self.file.take() else { return Ok(()) };
        self.file = None;
        let mode = mode.unwrap_or_else(|| 0o666 & !umask());
        let done = file
            .set_permissions(fs::Permissions::from_mode(mode))
            .and_then(|()| {
                self.disk.steps.step_on("fsync", &[&self.path]);
                file.sync_all()
            })
            .map_err(|error| io("write", error))
            .and_then(|()| {
                drop(file);
                let replaces = !flags.contains(RenameFlags::NOREPLACE);
                let what = if replaces { "replace" } else { "publish" };
                self.disk.steps.step_on(what, &[&self.path, path]);
                rustix::fs::renameat_with(CWD, &self.path, CWD, path, flags)
                    .map_err(|errno| io("publish", errno.into()))
            })
            .and_then(|()| self.disk.sync_parent(path));
        if done.is_err() {
            self.discard();
        }
        self.path = PathBuf::new();
        done
    }

    fn discard(&self) {
        self.disk.steps.step_on("discard", &[&self.path]);
        #[allow(clippy::disallowed_methods, reason = "the door itself")]
        let _ = fs::remove_file(&self.path);
    }
}

/// The process's file mode mask, without changing it.
fn umask() -> u32 {
    let Ok(status) = fs::read_to_string("/proc/self/status") else { return 0o022 };
    status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))
        .and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok())
        .unwrap_or(0o022)
}

impl Write for Temporary<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => Err(io::Error::other("the file is closed")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl io::Seek for Temporary<'_> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        match &mut self.file {
            Some(file) => file.seek(to),
            None => Err(io::Error::other("the file is closed")),
        }
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if self.file.is_some() {
            self.discard();
        }
    }
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
