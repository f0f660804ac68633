//! Files in and out of the OFTP server: its folders on this machine, or an SFTP server.
//!
//! A transport knows nothing of packages in states and nothing of what was fetched before: it
//! lists, fetches, removes and delivers what it is told to. [`crate::exchange`] decides.

pub mod folder;

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::{Checked, Digest, Error, Result, codes};

codes! {
    TRANSPORT = "transport": "the other side of a transport cannot be reached, refuses, or went away";
    CHANGED = "changed-meanwhile": "a file of the inbox was no longer as it had been listed when it was fetched";
    NAME_TAKEN = "name-taken": "a file of the same name and other content is in the outbox already";
    VIRTUAL_FILE_NAME = "virtual-file-name": "an OFTP server cannot send a file of this name";
}

pub mod sftp;

pub use sftp::Sftp;

/// A file of the partner's inbox as one look saw it. Two looks saw the same file, unchanged, when
/// the two are equal. Times over there are never compared with our clock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name over there: one path component.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was changed, in seconds since 1970 by the clock over there.
    pub modified: i64,
}

/// A fetched file, durable under its name in our directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub digest: Digest,
}

/// What became of a file that was to be removed over there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Removed,
    /// It was gone before.
    Absent,
    /// It is no longer what was fetched, and stays.
    Changed,
}

/// A part to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Its name over there, a virtual file name.
    pub name: String,
    /// Where it lies here.
    pub path: PathBuf,
    /// What it holds.
    pub digest: Digest,
}

/// Files in and out.
///
/// Every method may fail with `Fault::Wait` (the other side cannot be reached, refuses, or went
/// away: a later try may do) or `Fault::Setup` (our own disk).
pub trait Transport {
    /// The regular files of the inbox, by name. Hidden ones are left out.
    ///
    /// # Errors
    /// As the trait says.
    fn list(&mut self) -> Result<Vec<Listed>>;

    /// Fetches files into the directory `into`, each through a temporary name: fsynced, its size
    /// checked, and only if it is over there still as it was listed. A file of the same name that
    /// is there already with the same content is fine; one with other content is never
    /// replaced: the file then gets a free name beside it (`NAME.2`).
    /// Hands each outcome to `done` as soon as it is known; an
    /// error of one file does not end the others. A file that is gone meanwhile is
    /// [`crate::NOT_FOUND`], one that is no longer as it was listed is [`CHANGED`]: neither is
    /// a trouble, the next look tells.
    ///
    /// # Errors
    /// As the trait says, when nothing more can be fetched; those of `done`.
    fn fetch(
        &mut self,
        files: &[Listed],
        into: &Path,
        done: &mut dyn FnMut(&Listed, Result<Fetched>) -> Result<()>,
    ) -> Result<()>;

    /// Removes a file over there if it still is what was fetched.
    ///
    /// # Errors
    /// As the trait says.
    fn remove(&mut self, file: &Listed) -> Result<Removal>;

    /// Removes several files, as [`Transport::remove`] does each, and hands each outcome to `done`: where
    /// the other side is far away, faster than one by one.
    ///
    /// # Errors
    /// Those of `done`.
    fn remove_all(
        &mut self,
        files: &[Listed],
        done: &mut dyn FnMut(&Listed, Result<Removal>) -> Result<()>,
    ) -> Result<()> {
        files.iter().try_for_each(|file| {
            let outcome = self.remove(file);
            done(file, outcome)
        })
    }

    /// Delivers the parts of one package, the description first in `parts` and last on its way:
    /// each by a temporary name on that file system, size checked, mode and group set, renamed
    /// without overwriting. A part that is there already with the same content is delivered.
    ///
    /// # Errors
    /// As the trait says; [`NAME_TAKEN`] when a part is there already with other content.
    /// Repeating it is safe whatever happened.
    fn deliver(&mut self, parts: &[Parcel]) -> Result<()>;

    /// Delivers several packages, as [`Transport::deliver`] does each, and hands the outcome of each with
    /// its number to `done`: where the other side is far away, faster than one by one. After
    /// `done` breaks no further package is begun; of those that were, it is told all the same.
    fn deliver_all(
        &mut self,
        packages: &[Vec<Parcel>],
        done: &mut dyn FnMut(usize, Result<()>) -> ControlFlow<()>,
    ) {
        for (at, parts) in packages.iter().enumerate() {
            let outcome = self.deliver(parts);
            if done(at, outcome).is_break() {
                return;
            }
        }
    }

    /// Looks whether it would work: reach, log in, list; with `write`, writes and removes a probe
    /// file in `outbox_tmp`. Every problem is listed, none hidden behind the first.
    fn check(&mut self, write: bool) -> Vec<Checked>;
}

/// Where a fetched file belongs in `into`: under its name, or the first of `NAME.2`, `NAME.3`, …
/// that is free or holds the same content; and whether it is to be put there, because it is not yet.
fn place(disk: &Disk, into: &Path, name: &str, digest: Digest) -> Result<(PathBuf, bool)> {
    for number in 1_u32.. {
        let path = match number {
            1 => into.join(name),
            _ => into.join(format!("{name}.{number}")),
        };
        match std::fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_file() && disk.digest(&path)? == digest => {
                return Ok((path, false));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((path, true)),
            Err(error) => return Err(Error::io("look at", &path, error)),
        }
    }
    Err(Error::setup(crate::DISK, format!("{}: no name is free", into.display())))
}
