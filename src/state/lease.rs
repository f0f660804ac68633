//! The one writer. The kernel's lock keeps others away on one machine; what a lock does not see
//! (a second machine over a shared file system, a cloned one, a lock file removed by hand) the
//! lease in the database does: each new writer raises its epoch, and every transaction of the one
//! before is refused from then on.

use super::State;
use crate::Result;

/// Where the lease stands in `meta`: `EPOCH WRITER`.
const LEASE: &str = "lease";
const QUERY: &str = "SELECT value FROM meta WHERE key = 'lease'";

impl State {
    /// Makes `writer` the one whose transactions count. Cheap when it is already.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn lease(&self, writer: &str) -> Result<()> {
        self.db.unfence();
        let before = self.meta(LEASE)?.unwrap_or_default();
        let (epoch, holder) = before.split_once(' ').unwrap_or(("0", ""));
        if holder == writer {
            self.db.fence(QUERY, before);
            return Ok(());
        }
        let transaction = self.begin()?;
        let epoch = epoch.parse::<u64>().unwrap_or(0) + 1;
        let lease = format!("{epoch} {writer}");
        self.set_meta(LEASE, &lease)?;
        transaction.commit()?;
        self.db.fence(QUERY, lease);
        Ok(())
    }
}
