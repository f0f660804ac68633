//! What writers left that are no more.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::{Disk, TEMPORARY};
use crate::Result;

impl Disk {
    /// Removes what an interrupted writer left in `dir`; only for whom nobody else writes there.
    ///
    /// # Errors
    /// With the path.
    pub fn sweep(&self, dir: &Path) -> Result<()> {
        self.sweep_if(dir, &|_| true)
    }

    /// Removes what writers that are no more left in `dir`, where others may be writing.
    ///
    /// # Errors
    /// With the path.
    pub fn sweep_orphans(&self, dir: &Path) -> Result<()> {
        self.sweep_if(dir, &is_orphan)
    }

    fn sweep_if(&self, dir: &Path, goes: &dyn Fn(&Path) -> bool) -> Result<()> {
        let Ok(entries) = fs::read_dir(dir) else { return Ok(()) };
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with(TEMPORARY) && goes(&path) {
                self.remove(&path)?;
            }
        }
        Ok(())
    }
}

/// Whether `path` is a temporary file whose writer is no more. Its writer holds a lock on it, which
/// the kernel releases with the process: in two containers every process may be number 1.
#[must_use]
pub fn is_orphan(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let Some(rest) = name.strip_prefix(TEMPORARY) else { return false };
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    // Over NFS only who may write may lock.
    let opened = OpenOptions::new()
        .write(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
        .open(path);
    match opened.map(|file| file.try_lock()) {
        Ok(Ok(())) => true,
        Ok(Err(TryLockError::WouldBlock)) => false,
        // Where there are no locks: one of our number was left by one before us, and others live
        // or do not.
        Ok(Err(TryLockError::Error(_))) => {
            let writer = rest.split('-').next().unwrap_or_default();
            writer == std::process::id().to_string() || !Path::new("/proc").join(writer).exists()
        }
        Err(_) => false,
    }
}

/// Locks a file that was just made; whether somebody took it for an orphan before.
pub(super) fn took(file: &File) -> bool {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => true,
        Ok(()) => file.metadata().is_ok_and(|meta| meta.nlink() == 0),
        Err(TryLockError::Error(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_file_is_left_over_once_nobody_holds_it_whatever_number_its_writer_had() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        // This very process is writing one; another of its number left one, as in a container that
        // was started again; and one is of a process that lives, or its number does.
        let held = disk.temporary(dir.path()).unwrap();
        let own = dir.path().join(format!("{TEMPORARY}{}-77", std::process::id()));
        let other = dir.path().join(format!("{TEMPORARY}1-0"));
        for path in [&own, &other] {
            disk.create(path, b"half").unwrap();
            assert!(is_orphan(path), "{}", path.display());
        }
        assert!(!is_orphan(&held.path));
        let kept = dir.path().join("kept");
        disk.create(&kept, b"").unwrap();
        assert!(!is_orphan(&kept), "no temporary file");
        disk.sweep_orphans(dir.path()).unwrap();
        assert!(held.path.exists() && kept.exists());
        assert!(!own.exists() && !other.exists());
        let dead = held.path.with_extension("dead");
        fs::hard_link(&held.path, &dead).unwrap();
        assert!(!is_orphan(&dead));
        drop(held);
        assert!(is_orphan(&dead), "its writer is through with it");
    }

    #[test]
    fn a_link_under_a_temporary_name_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        Disk::default().create(&target, b"").unwrap();
        let link = dir.path().join(format!("{TEMPORARY}1-0"));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(!is_orphan(&link));
    }
}
