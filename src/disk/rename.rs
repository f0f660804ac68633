//! Renames that never replace, also where the file system cannot refuse by itself (NFS, some of
//! FUSE).

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, RenameFlags};
use rustix::io::Errno;

use super::{Disk, parent};
use crate::{Error, Result};

impl Disk {
    /// Renames within a file system, never over an existing name; both directories are fsynced.
    /// An empty directory may make way for another.
    ///
    /// # Errors
    /// With both paths; [`std::io::ErrorKind::AlreadyExists`] as the cause when the target was
    /// there.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.rename_all(&[(from.to_owned(), to.to_owned())])
    }

    /// Renames several files, in this order; then each directory is fsynced once, those they went
    /// to first. After a power cut each may be at either place, or at both.
    ///
    /// # Errors
    /// As [`Disk::rename`]; those before are renamed.
    pub fn rename_all(&self, moves: &[(PathBuf, PathBuf)]) -> Result<()> {
        for (from, to) in moves {
            self.rename_free("rename", from, to, &|errno| {
                let verb = format!("rename {} to", from.display());
                Error::io(&verb, to, errno.into())
            })?;
        }
        let mut dirs: Vec<&Path> = Vec::new();
        for path in moves.iter().map(|(_, to)| to).chain(moves.iter().map(|(from, _)| from)) {
            if !dirs.contains(&parent(path)) {
                dirs.push(parent(path));
            }
        }
        dirs.into_iter().try_for_each(|dir| self.sync_dir(dir))
    }

    /// One rename to a free name; the caller fsyncs the directories. `what` is the step.
    pub(super) fn rename_free(
        &self,
        what: &str,
        from: &Path,
        to: &Path,
        told: &dyn Fn(Errno) -> Error,
    ) -> Result<()> {
        if self.steps.has_plain_renames() {
            return self.rename_without_refusal(what, from, to, told);
        }
        self.steps.step_on(what, &[from, to]);
        match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                self.rename_without_refusal(what, from, to, told)
            }
            other => other.map_err(told),
        }
    }

    /// A second name, which fails when it is taken; once that is durable the first one goes. Dying
    /// between leaves both, with the same content, as a power cut does after any rename. A
    /// directory cannot have two names: a plain rename of one replaces only an empty one.
    fn rename_without_refusal(
        &self,
        what: &str,
        from: &Path,
        to: &Path,
        told: &dyn Fn(Errno) -> Error,
    ) -> Result<()> {
        if fs::symlink_metadata(from).is_ok_and(|meta| meta.is_dir()) {
            self.steps.step_on(what, &[from, to]);
            return match rustix::fs::renameat(CWD, from, CWD, to) {
                Err(Errno::NOTEMPTY | Errno::NOTDIR) => Err(told(Errno::EXIST)),
                other => other.map_err(told),
            };
        }
        self.steps.step_on("link", &[from, to]);
        rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty()).map_err(told)?;
        self.sync_dir(parent(to))?;
        self.steps.step_on("unlink", &[from]);
        rustix::fs::unlinkat(CWD, from, AtFlags::empty()).map_err(told)
    }
}
