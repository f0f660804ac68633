//! The tracker's change feed, without our own changes.

use std::collections::{BTreeMap, BTreeSet};

use crate::Result;
use crate::state::Link;
use crate::tracker::Tracker;

/// Which issues others changed since the last sweep. Where our writes share a transaction with
/// the state, nobody else writes meanwhile: what the feed tells then is ours and needs no look.
#[derive(Debug, Default)]
pub(super) struct Feed {
    token: Option<String>,
    /// What others changed; `None`: unknown, look at all.
    others: Option<BTreeSet<String>>,
    /// The revisions of what changed, as far as they were told.
    revisions: BTreeMap<String, String>,
}

impl Feed {
    /// From where the last sweep ended.
    pub(super) fn new(token: Option<String>) -> Self {
        Self { token, others: Some(BTreeSet::new()), revisions: BTreeMap::new() }
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
        self.revisions.extend(feed.revisions);
        self.token = Some(feed.token);
        Ok(())
    }

    /// Whether anything was ever read.
    pub(super) fn is_begun(&self) -> bool {
        self.token.is_some()
    }

    /// Whether an issue is as it was when it was last looked at.
    pub(super) fn is_known(&self, link: &Link) -> bool {
        let told = link.key.as_ref().and_then(|key| self.revisions.get(key));
        told.is_some() && told == link.base.local_revision.as_ref()
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
