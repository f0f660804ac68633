//! A fetched file on its way to our disk.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::disk::{Disk, Temporary};
use crate::transport::{self, Fetched, Listed};
use crate::{Digest, Error, Hasher, Result};

/// From this size on, what came of a file is kept for the next try.
pub(super) const RESUMED: u64 = 1 << 20;
/// So much of what is here is fetched again, to see that it is the same file.
const OVERLAP: u64 = 64 << 10;
/// Before the names of files that came in part. Hidden, and not swept at start.
const PARTIAL: &str = ".partial-";

/// Where the first part of a file is kept: the name tells server, directory, file, size and time.
pub(super) fn partial(into: &Path, server: &str, file: &Listed) -> PathBuf {
    into.join(format!(
        "{}{}",
        family(server),
        short(&format!("{}\n{}\n{}", file.name, file.size, file.modified))
    ))
}

/// How the names of what came in part from `server` begin.
fn family(server: &str) -> String {
    format!("{PARTIAL}{}-", short(server))
}

fn short(text: &str) -> String {
    let mut hex = Digest::of(text.as_bytes()).to_string();
    hex.truncate(16);
    hex
}

/// How much of a file is here, less what is fetched again.
pub(super) fn begun(partial: &Path, file: &Listed) -> u64 {
    let there = std::fs::symlink_metadata(partial);
    let length = there.ok().filter(std::fs::Metadata::is_file).map_or(0, |meta| meta.len());
    if length > file.size { 0 } else { length.saturating_sub(OVERLAP) }
}

/// Removes what came in part from `server` of files that are not there any more.
pub(super) fn forget(disk: &Disk, into: &Path, server: &str, listed: &[Listed]) -> Result<()> {
    let family = family(server);
    let Ok(entries) = std::fs::read_dir(into) else { return Ok(()) };
    let ours = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with(&family);
    let begun: Vec<PathBuf> = entries.flatten().filter(ours).map(|entry| entry.path()).collect();
    if begun.is_empty() {
        return Ok(());
    }
    let large = listed.iter().filter(|file| file.size >= RESUMED);
    let wanted: Vec<PathBuf> = large.map(|file| partial(into, server, file)).collect();
    begun.iter().filter(|path| !wanted.contains(path)).try_for_each(|path| disk.remove(path))
}

/// A file being written.
pub(super) struct Landing<'a> {
    file: Temporary<'a>,
    hasher: Hasher<io::Sink>,
    /// Bytes that are here in order, and what must come again before more is written.
    pub(super) at: u64,
    overlap: Vec<u8>,
    /// What came again was something else.
    differs: bool,
    keeps: bool,
}

impl<'a> Landing<'a> {
    /// Begins a file, or goes on with the `start` bytes that are at `partial`.
    pub(super) fn open(disk: &'a Disk, into: &Path, keep: Option<(&Path, u64)>) -> Result<Self> {
        let mut hasher = Hasher::new(io::sink());
        let mut overlap = Vec::new();
        let Some((path, start)) = keep else {
            let file = disk.temporary(into)?;
            return Ok(Self { file, hasher, at: 0, overlap, differs: false, keeps: false });
        };
        let mut length = 0;
        if start > 0 {
            let failed = |error| Error::io("read", path, error);
            let mut old = disk.open(path)?;
            io::copy(&mut (&mut old).take(start), &mut hasher).map_err(failed)?;
            old.take(OVERLAP).read_to_end(&mut overlap).map_err(failed)?;
            length = start + overlap.len() as u64;
        }
        let file = disk.resume(path, length)?;
        Ok(Self { file, hasher, at: start, overlap, differs: false, keeps: true })
    }

    /// Takes the next bytes.
    pub(super) fn take(&mut self, path: &Path, bytes: &[u8]) -> Result<()> {
        let known = self.overlap.len().min(bytes.len());
        let (again, new) = bytes.split_at(known);
        if self.overlap[..known] != *again {
            self.differs = true;
        }
        self.overlap.drain(..known);
        self.at += bytes.len() as u64;
        self.hasher
            .write_all(bytes)
            .and_then(|()| self.file.write_all(new))
            .map_err(|error| Error::io("write", path, error))
    }

    /// Whether what was here turned out to be of another file.
    pub(super) fn differs(&self) -> bool {
        self.differs
    }

    /// Leaves what came for the next try, if it is worth it.
    pub(super) fn leave(self) -> Result<()> {
        if self.keeps && !self.differs && self.at >= RESUMED { self.file.keep() } else { Ok(()) }
    }

    /// All is here: what it is, and the way to its place.
    pub(super) fn close(self) -> (Landed<'a>, Digest) {
        let (_, _, digest) = self.hasher.finish();
        (Landed { file: self.file, digest }, digest)
    }
}

/// A whole file without its name.
pub(super) struct Landed<'a> {
    file: Temporary<'a>,
    digest: Digest,
}

/// Gives files their names, or the first of `NAME.2`, `NAME.3`, … that is free; the same content under
/// one of them is as good. The outcomes are in the order of the files.
pub(super) fn publish(
    disk: &Disk,
    into: &Path,
    files: Vec<(Landed<'_>, &str)>,
) -> Vec<Result<Fetched>> {
    let mut outcomes = Vec::new();
    let mut new = Vec::new();
    for (at, (landed, name)) in files.into_iter().enumerate() {
        let digest = landed.digest;
        let place = transport::place(disk, into, name, digest);
        if let Ok((path, true)) = &place {
            new.push((at, (landed.file, path.clone())));
        }
        outcomes.push(place.map(|(path, _)| Fetched { path, digest }));
    }
    let (places, files): (Vec<usize>, Vec<_>) = new.into_iter().unzip();
    for (at, published) in places.into_iter().zip(disk.publish_all(into, files)) {
        if let Err(error) = published {
            outcomes[at] = Err(error);
        }
    }
    outcomes
}

#[cfg(test)]
mod tests;
