//! A package of `done/` once more.

use std::path::PathBuf;

use super::{PartFile, Spool, scan};
use crate::engdat::PackageName;
use crate::{Error, Result};

impl Spool {
    /// The name of the package in `done/DIRECTORY/`.
    ///
    /// # Errors
    /// When there is none.
    pub fn done(&self, directory: &str) -> Result<PackageName> {
        let stored = self.stored("done")?;
        let missing = || {
            Error::setup(crate::NOT_FOUND, format!("there is no package {directory} in done/"))
                .hint("packages stay there for `retention_days`; `ls` shows them")
        };
        let found = stored.iter().find(|stored| stored.directory == directory);
        let parts = scan::part_files(&found.ok_or_else(missing)?.path)?;
        parts.into_iter().next().map(|part| part.name.package).ok_or_else(missing)
    }

    /// The parts of the package in `done/DIRECTORY/`.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn done_parts(&self, directory: &str) -> Result<Vec<PathBuf>> {
        let parts = scan::part_files(&self.dir("done").join(directory))?;
        Ok(parts.into_iter().map(|part| part.path).collect())
    }

    /// The parts of the package of this name and content in `done/`, if it is kept there.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn applied_parts(&self, name: &PackageName, content: &str) -> Result<Vec<PartFile>> {
        for number in 1_u32.. {
            let dir = self.numbered("done", name.as_str(), number);
            if !dir.is_dir() {
                break;
            }
            let parts = self.latest(&scan::part_files(&dir)?)?.parts;
            if self.content(&parts)?.to_string() == content {
                return Ok(parts);
            }
        }
        Ok(Vec::new())
    }

    /// Moves a package from `done/` back to `incoming/`.
    ///
    /// # Errors
    /// When there is none, when `incoming/` has other content under one of its names, or when it
    /// cannot be moved.
    pub fn replay(&self, directory: &str) -> Result<()> {
        self.done(directory)?;
        let dir = self.dir("done").join(directory);
        for part in scan::part_files(&dir)? {
            let target = self.dir("incoming").join(&part.file);
            if target.exists() && !self.same(&part.path, &target)? {
                let what = format!("{} is there already with other content", target.display());
                return Err(Error::setup(crate::USAGE, what)
                    .hint("let that one be taken first, or move it out of the way"));
            }
        }
        self.put_back(&dir).map(drop)
    }
}
