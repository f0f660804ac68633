//! Which of the files that lie there a package is made of. An OFTP server may deliver a part twice,
//! under two suffixes, and a partner may send a repaired one before the first was applied.

use super::Spool;
use super::entry::PartFile;
use crate::{Digest, Result};

/// The parts of a package, each once.
#[derive(Clone, Debug, Default)]
pub struct Latest {
    /// By number; of several files of one number that which was written last.
    pub parts: Vec<PartFile>,
    /// The files that do not count.
    pub others: Vec<Other>,
}

/// A file beside the one that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Its name.
    pub file: String,
    /// The name of the file that counts.
    pub latest: String,
    /// Whether both have the same content.
    pub same: bool,
}

impl Latest {
    /// Whether a part is there that another content replaced.
    #[must_use]
    pub fn is_repaired(&self) -> bool {
        self.others.iter().any(|other| !other.same)
    }
}

impl Spool {
    /// Tells the parts that count from those that were sent before them: what was written last
    /// counts, and of equal times the longer and then the higher name. Nothing is moved.
    ///
    /// # Errors
    /// With the part that cannot be read: only those of one number are.
    pub fn latest(&self, parts: &[PartFile]) -> Result<Latest> {
        let mut sorted: Vec<&PartFile> = parts.iter().collect();
        let age = |part: &PartFile| (part.modified, part.file.len(), part.file.clone());
        sorted.sort_by_cached_key(|part| (part.name.index, age(part)));
        let mut found = Latest::default();
        for parts in sorted.chunk_by(|a, b| a.name.index == b.name.index) {
            let Some((latest, before)) = parts.split_last() else { continue };
            for other in before {
                let same = other.size == latest.size && self.same(&other.path, &latest.path)?;
                let (file, latest) = (other.file.clone(), latest.file.clone());
                found.others.push(Other { file, latest, same });
            }
            found.parts.push((*latest).clone());
        }
        Ok(found)
    }

    /// The digest over the parts that count, in their order: what the package is, whatever
    /// suffixes its files bear.
    ///
    /// # Errors
    /// With the part that cannot be read.
    pub fn content(&self, parts: &[PartFile]) -> Result<Digest> {
        let mut all = String::new();
        for part in self.latest(parts)?.parts {
            all.push_str(&format!("{:03}{}", part.name.index, self.disk.digest(&part.path)?));
        }
        Ok(Digest::of(all.as_bytes()))
    }
}
