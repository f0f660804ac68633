//! Who changed what, when; and what changed since.

use std::collections::BTreeMap;

use rusqlite::OptionalExtension as _;
use serde::{Deserialize, Serialize};

use super::{Embedded, exact};
use crate::issue::{Field, Value};
use crate::tracker::Feed;
use crate::{Result, Timestamp};

/// Where the change list counts a comment.
pub(super) const COMMENTS: &str = "comments";
/// Where the change list counts an attachment.
pub(super) const ATTACHMENTS: &str = "attachments";
/// Where the change list counts the marker.
pub(super) const MARKER: &str = "marker";

/// What happened to an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It was made.
    Created,
    /// Fields, comments, attachments or the marker changed.
    Changed,
    /// It was deleted.
    Deleted,
}

impl Action {
    /// As it stands in the database and in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Created, Self::Changed, Self::Deleted].into_iter().find(|a| a.as_str() == word)
    }
}

/// One value that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The field; `comments`, `attachments` or `marker` where it is one of these.
    pub field: Field,
    /// The id of the comment or the name of the attachment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// The value before: a field's, a comment's text, an attachment's SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// The value after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

impl Change {
    pub(super) fn of(field: &str, from: Option<Value>, to: Option<Value>) -> Self {
        Self { field: field.to_owned(), item: None, from, to }
    }

    pub(super) fn item(self, item: impl Into<String>) -> Self {
        Self { item: Some(item.into()), ..self }
    }
}

/// What one write did to an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place among all entries of the tracker; grows.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What.
    pub action: Action,
    /// In detail.
    pub changes: Vec<Change>,
}

/// Adds an entry.
pub(super) fn write(
    tracker: &Embedded,
    key: &str,
    at: Timestamp,
    action: Action,
    changes: &[Change],
) -> Result<()> {
    let changes = serde_json::to_string(changes)
        .map_err(|e| tracker.damaged(&format!("the change of {key}")).because(e))?;
    let sql = "INSERT INTO tracker_history (key, at, who, action, changes)
               VALUES (?1, ?2, ?3, ?4, ?5)";
    tracker.sql(tracker.db.sql().prepare_cached(sql).and_then(|mut insert| {
        insert.execute((key, exact(at), &tracker.options.actor, action.as_str(), changes))
    }))?;
    Ok(())
}

/// The entries of an issue, oldest first.
pub(super) fn of(tracker: &Embedded, key: &str) -> Result<Vec<Entry>> {
    let sql = "SELECT seq, at, who, action, changes FROM tracker_history
               WHERE key = ?1 ORDER BY seq";
    let mut query = tracker.sql(tracker.db.sql().prepare_cached(sql))?;
    let rows = tracker.sql(query.query_map([key], |row| {
        let words: [String; 4] = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
        Ok((row.get(0)?, words))
    }))?;
    rows.map(|row| {
        let (seq, [at, who, action, changes]) = tracker.sql(row)?;
        let entry = || {
            Some(Entry {
                seq,
                at: at.parse().ok()?,
                who,
                action: Action::parse(&action)?,
                changes: serde_json::from_str(&changes).ok()?,
            })
        };
        entry().ok_or_else(|| tracker.damaged(&format!("the history of {key}")))
    })
    .collect()
}

/// The keys that changed since a token, in the order of their last change.
///
/// A token is a sequence number with the time of that entry: a restored backup, where the number
/// is gone or belongs to something else, shows by that, and then everything may have changed.
pub(super) fn since(tracker: &Embedded, token: Option<&str>) -> Result<Feed> {
    let _same = tracker.snapshot()?;
    let sql = tracker.db.sql();
    let last = "SELECT seq, at FROM tracker_history ORDER BY seq DESC LIMIT 1";
    let last: Option<(i64, String)> = tracker
        .sql(sql.prepare_cached(last).and_then(|mut query| {
            query.query_row([], |r| Ok((r.get(0)?, r.get(1)?))).optional()
        }))?;
    let now = last.map_or_else(|| "0@".to_owned(), |(seq, at)| format!("{seq}@{at}"));
    let from = match token.map(|token| place(tracker, token)) {
        None => Some(0),
        Some(place) => place?,
    };
    let Some(from) = from else { return Ok(Feed { token: now, ..Feed::default() }) };
    // NOT INDEXED: else the planner walks the whole index on key to group by it.
    let changed = "SELECT key, max(seq) FROM tracker_history NOT INDEXED
                   WHERE seq > ?1 GROUP BY key ORDER BY max(seq)";
    let changed = tracker.sql(sql.prepare_cached(changed).and_then(|mut query| {
        let rows = query.query_map([from], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<rusqlite::Result<Vec<(String, i64)>>>()
    }))?;
    let revision = |(key, seq): &(String, i64)| (key.clone(), seq.to_string());
    let revisions = if tracker.options.shares_state {
        BTreeMap::new()
    } else {
        changed.iter().map(revision).collect()
    };
    let keys = changed.into_iter().map(|(key, _)| key).collect();
    Ok(Feed { token: now, keys: Some(keys), revisions })
}

/// The sequence number of a token of ours; `None` where it is not of this history.
fn place(tracker: &Embedded, token: &str) -> Result<Option<i64>> {
    let Some((seq, at)) = token.split_once('@') else { return Ok(None) };
    let Ok(seq) = seq.parse::<i64>() else { return Ok(None) };
    if seq == 0 {
        return Ok(Some(0));
    }
    let sql = "SELECT at FROM tracker_history WHERE seq = ?1";
    let there: Option<String> = tracker.sql(
        tracker
            .db
            .sql()
            .prepare_cached(sql)
            .and_then(|mut query| query.query_row([seq], |row| row.get(0)).optional()),
    )?;
    Ok(there.filter(|there| there == at).map(|_| seq))
}
