//! A file under a temporary name until it is whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::CWD;
use rustix::io::Errno;

use super::{Disk, parent};
use crate::{Digest, Error, Result};

/// A file being written under a temporary name.
#[derive(Debug)]
pub struct Temporary<'a> {
    pub(super) disk: &'a Disk,
    pub(super) path: PathBuf,
    pub(super) file: Option<File>,
}

/// What becomes of a file that has the name already.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    /// It stays, and the new one is refused.
    Free,
    /// The new one takes its place at once.
    Replaced,
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

    /// Sets when the file counts as written.
    ///
    /// # Errors
    /// With the path.
    pub fn set_modified(&self, time: SystemTime) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        file.set_modified(time)
            .map_err(|error| Error::io("set the time of a file in", parent(&self.path), error))
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
        self.finish(path, mode, Target::Free)
    }

    /// Publishes the file under `path`, replacing what is there at once.
    ///
    /// # Errors
    /// With the path; the temporary file is then removed.
    pub fn replace(self, path: &Path) -> Result<()> {
        let mode = fs::symlink_metadata(path).ok().map(|meta| meta.mode() & 0o777);
        self.finish(path, mode, Target::Replaced)
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

    fn finish(mut self, path: &Path, mode: Option<u32>, target: Target) -> Result<()> {
        let mode = mode.unwrap_or_else(|| 0o666 & !umask());
        self.sync(mode).map_err(|error| Error::io("write", path, error))?;
        let from = parent(&self.path).to_owned();
        let disk = self.disk;
        self.give(path, target)?;
        disk.sync_parent(path)?;
        // The name it had must not come back after a power cut either.
        if parent(path) == from { Ok(()) } else { disk.sync_dir(&from) }
    }

    /// Makes the content durable, with the mode it will be seen with.
    pub(super) fn sync(&mut self, mode: u32) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        self.disk.steps.step_on("fsync", &[&self.path]);
        file.sync_all()
    }

    /// Gives it its name; the caller fsyncs the directories.
    pub(super) fn give(mut self, path: &Path, target: Target) -> Result<()> {
        let told = |errno: Errno| Error::io("publish", path, errno.into());
        match target {
            Target::Free => self.disk.rename_free("publish", &self.path, path, &told)?,
            Target::Replaced => {
                self.disk.steps.step_on("replace", &[&self.path, path]);
                rustix::fs::renameat(CWD, &self.path, CWD, path).map_err(told)?;
            }
        }
        self.file = None; // it has another name now: nothing is to be removed
        Ok(())
    }

    fn discard(&self) {
        self.disk.steps.step_on("discard", &[&self.path]);
        let _ = fs::remove_file(&self.path);
    }
}

/// The process's file mode mask, without changing it.
pub(super) fn umask() -> u32 {
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
