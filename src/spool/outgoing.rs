//! Publishing: a frozen answer becomes visible to the OFTP server, data parts first.

use std::path::Path;

use super::Spool;
use crate::{Error, Result, disk};

impl Spool {
    /// Publishes the files of a frozen answer, which lie in `frozen`, into `outgoing/PARTNER/`:
    /// each is copied into `building/NAME/` and renamed from there, the data parts before the
    /// description, which is the first of `parts` (file name and digest). Repeatable: a file
    /// that is there already with the same content is left alone.
    ///
    /// # Errors
    /// With the path; a file of another content under the same name is never replaced.
    pub fn publish(
        &self,
        partner: &str,
        name: &str,
        frozen: &Path,
        parts: &[(String, String)],
    ) -> Result<()> {
        let outgoing = self.dir("outgoing").join(partner);
        let building = self.dir("building").join(name);
        self.disk.make_dirs(&outgoing)?;
        self.disk.make_dirs(&building)?;
        for (file, digest) in parts.iter().rev() {
            let target = outgoing.join(file);
            if target.exists() {
                self.expect(&target, digest)?;
                continue;
            }
            let staged = building.join(file);
            self.disk.remove(&staged)?;
            self.disk.copy(&frozen.join(file), &staged)?;
            match self.disk.rename(&staged, &target) {
                Err(error) if disk::is_taken(&error) => self.expect(&target, digest)?,
                other => other?,
            }
        }
        self.disk.remove_dir(&building)
    }

    fn expect(&self, path: &Path, digest: &str) -> Result<()> {
        if self.disk.digest(path)?.to_string() == *digest {
            return Ok(());
        }
        let what = format!("{} is there already with other content", path.display());
        Err(Error::setup(crate::DISK, what)
            .hint("move it out of the way: engsync never replaces a file in outgoing/"))
    }
}
