//! The tracker's change feed, without our own changes.

use std::collections::BTreeSet;

use crate::Result;
use crate::tracker::Tracker;

/// Which issues others changed since the last sweep. Where our writes share a transaction with
/// the state, nobody else writes meanwhile: what the feed tells then is ours and needs no look.
#[derive(Debug, Default)]
pub(super) struct Feed {
    token: Option<String>,
    /// What others changed; `None`: unknown, look at all.
    others: Option<BTreeSet<String>>,
}

impl Feed {
    /// From where the last sweep ended.
    pub(super) fn new(token: Option<String>) -> Self {
        Self { token, others: Some(BTreeSet::new()) }
    }

    /// Whatever changed until now, others changed.
    pub(super) fn note_others(&mut self, tracker: &dyn Tracker) -> Result<()> {
        let feed = tracker.changed_since(self.token.as_deref())?;
        self.others = match (self.others.take(), feed.keys) {
            (Some(mut others), Some(keys)) => {
                others.extend(keys);
                Some(others)
            }
            _ => None,
        };
        self.token = Some(feed.token);
        Ok(())
    }

    /// Whatever changed since the last look, we changed.
    pub(super) fn skip_own(&mut self, tracker: &dyn Tracker) -> Result<()> {
        self.token = Some(tracker.changed_since(self.token.as_deref())?.token);
        Ok(())
    }

    /// Where the next sweep begins.
    pub(super) fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// What others changed; `None`: unknown, look at all.
    pub(super) fn others(&self) -> Option<&BTreeSet<String>> {
        self.others.as_ref()
    }
}
