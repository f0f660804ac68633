//! Reading: few queries for many issues.

use std::collections::HashMap;

use rusqlite::{OptionalExtension as _, Row};

use super::Embedded;
use crate::Result;
use crate::issue::{Attachment, Comment, Digest, Issue, Person, Record, Value};

/// So many issues are read by one query.
const CHUNK: usize = 500;

/// An issue's row.
pub(super) struct Stored {
    pub(super) id: i64,
    pub(super) marker: Option<String>,
    pub(super) issue: Issue,
}

impl Embedded {
    /// Keeps what several queries see the same; nothing where a transaction does already.
    pub(super) fn snapshot(&self) -> Result<Option<rusqlite::Transaction<'_>>> {
        let sql = self.db.sql();
        if sql.is_autocommit() { self.sql(sql.unchecked_transaction()).map(Some) } else { Ok(None) }
    }
}

/// The issues with these keys in their order.
pub(super) fn many(tracker: &Embedded, keys: &[String]) -> Result<Vec<Option<Issue>>> {
    let _same = tracker.snapshot()?;
    let mut issues = Vec::with_capacity(keys.len());
    for chunk in keys.chunks(CHUNK) {
        let mut found = rows(tracker, chunk)?;
        comments(tracker, &mut found)?;
        attachments(tracker, &mut found)?;
        revisions(tracker, &mut found)?;
        let mut by_key: HashMap<String, Issue> =
            found.into_values().map(|stored| (stored.issue.id.clone(), stored.issue)).collect();
        let mut asked: HashMap<&str, usize> = HashMap::new();
        chunk.iter().for_each(|key| *asked.entry(key).or_default() += 1);
        for key in chunk {
            let twice = asked.get(key.as_str()).is_some_and(|times| *times > 1);
            issues.push(if twice { by_key.get(key).cloned() } else { by_key.remove(key) });
        }
    }
    Ok(issues)
}

/// An issue's row with its fields only.
pub(super) fn row(tracker: &Embedded, key: &str) -> Result<Stored> {
    let sql = "SELECT id, key, marker, created, updated, fields FROM tracker_issue WHERE key = ?1";
    let mut query = tracker.sql(tracker.db.sql().prepare_cached(sql))?;
    let found = tracker.sql(query.query_row([key], columns).optional())?;
    found.map_or_else(|| Err(tracker.gone(key)), |columns| stored(tracker, columns))
}

/// A whole issue by its row.
pub(super) fn whole(tracker: &Embedded, stored: Stored) -> Result<Issue> {
    let id = stored.id;
    let mut found = HashMap::from([(id, stored)]);
    comments(tracker, &mut found)?;
    attachments(tracker, &mut found)?;
    revisions(tracker, &mut found)?;
    let issue = found.remove(&id).map(|stored| stored.issue);
    issue.ok_or_else(|| tracker.damaged("an issue"))
}

/// Key and fields of every issue.
pub(super) fn each(tracker: &Embedded, sink: &mut dyn FnMut(Issue) -> Result<()>) -> Result<()> {
    let sql = "SELECT id, key, marker, created, updated, fields FROM tracker_issue ORDER BY id";
    let mut query = tracker.sql(tracker.db.sql().prepare_cached(sql))?;
    let mut rows = tracker.sql(query.query([]))?;
    while let Some(row) = tracker.sql(rows.next())? {
        let columns = tracker.sql(columns(row))?;
        sink(stored(tracker, columns)?.issue)?;
    }
    Ok(())
}

/// The key of the issue that carries `marker`.
pub(super) fn marked(tracker: &Embedded, marker: &str) -> Result<Option<String>> {
    let sql = "SELECT key FROM tracker_issue WHERE marker = ?1";
    let mut query = tracker.sql(tracker.db.sql().prepare_cached(sql))?;
    tracker.sql(query.query_row([marker], |row| row.get(0)).optional())
}

/// The key that differs from `key` in case, or in its prefix only.
pub(super) fn similar(tracker: &Embedded, key: &str) -> Option<String> {
    let number = key.rsplit('-').next().and_then(|number| number.parse::<i64>().ok());
    let sql = "SELECT key FROM tracker_issue
               WHERE key = ?1 COLLATE NOCASE OR id = ?2
               ORDER BY key = ?1 COLLATE NOCASE DESC LIMIT 1";
    let mut query = tracker.db.sql().prepare_cached(sql).ok()?;
    query.query_row((key, number), |row| row.get(0)).optional().ok().flatten()
}

type Columns = (i64, String, Option<String>, String, String, String);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
}

fn stored(tracker: &Embedded, columns: Columns) -> Result<Stored> {
    let (id, key, marker, created, updated, fields) = columns;
    let mut fields: Record = serde_json::from_str(&fields)
        .map_err(|error| tracker.damaged(&format!("the row of {key}")).because(error))?;
    for (field, value) in [("key", key.as_str()), ("created", &created), ("updated", &updated)] {
        fields.set(field, Some(Value::from(value)));
    }
    Ok(Stored { id, marker, issue: Issue { id: key, fields, ..Issue::default() } })
}

fn rows(tracker: &Embedded, keys: &[String]) -> Result<HashMap<i64, Stored>> {
    let sql = "SELECT id, key, marker, created, updated, fields FROM tracker_issue
               WHERE key IN (SELECT value FROM json_each(?1))";
    let mut query = tracker.sql(tracker.db.sql().prepare_cached(sql))?;
    let rows = tracker.sql(query.query_map([serde_json::json!(keys).to_string()], columns))?;
    rows.map(|row| stored(tracker, tracker.sql(row)?).map(|stored| (stored.id, stored))).collect()
}

fn ids(found: &HashMap<i64, Stored>) -> String {
    let ids: Vec<i64> = found.keys().copied().collect();
    serde_json::json!(ids).to_string()
}

fn comments(tracker: &Embedded, found: &mut HashMap<i64, Stored>) -> Result<()> {
    let sql = "SELECT issue, id, author_id, author_name, text, created, updated
               FROM tracker_comment WHERE issue IN (SELECT value FROM json_each(?1)) ORDER BY id";
    let mut query = tracker.sql(tracker.db.sql().prepare_cached(sql))?;
    let rows = tracker.sql(query.query_map([ids(found)], |row| {
        let times: (String, Option<String>) = (row.get(5)?, row.get(6)?);
        let comment = Comment {
            id: row.get::<_, i64>(1)?.to_string(),
            author: Some(Person { id: row.get(2)?, name: row.get(3)? }),
            created: None,
            updated: None,
            text: row.get(4)?,
        };
        Ok((row.get::<_, i64>(0)?, comment, times))
    }))?;
    for row in rows {
        let (issue, mut comment, (created, updated)) = tracker.sql(row)?;
        let time = |text: String| {
            text.parse().map_err(|error: chrono::ParseError| {
                tracker.damaged(&format!("the time of comment {}", comment.id)).because(error)
            })
        };
        (comment.created, comment.updated) = (Some(time(created)?), updated.map(time).transpose()?);
        if let Some(stored) = found.get_mut(&issue) {
            stored.issue.comments.push(comment);
        }
    }
    for stored in found.values_mut() {
        stored.issue.comments.sort_by_key(|comment| comment.created);
    }
    Ok(())
}

fn attachments(tracker: &Embedded, found: &mut HashMap<i64, Stored>) -> Result<()> {
    let sql = "SELECT issue, name, size, sha256 FROM tracker_attachment
               WHERE issue IN (SELECT value FROM json_each(?1)) ORDER BY id";
    let mut query = tracker.sql(tracker.db.sql().prepare_cached(sql))?;
    let rows = tracker.sql(query.query_map([ids(found)], |row| {
        let file: (String, i64, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((row.get::<_, i64>(0)?, file))
    }))?;
    for row in rows {
        let (issue, (name, size, sha256)) = tracker.sql(row)?;
        let (Some(digest), Ok(size)) = (Digest::parse(&sha256), u64::try_from(size)) else {
            return Err(tracker.damaged(&format!("the attachment {name}")));
        };
        let content = tracker.files.content(digest, size);
        let file = Attachment::new(&name, Some(size), content).with_digest(digest, size);
        if let Some(stored) = found.get_mut(&issue) {
            stored.issue.attachments.push(file);
        }
    }
    Ok(())
}

/// The last entry of its history names the state of an issue. Where the state's transaction
/// covers us nobody asks.
fn revisions(tracker: &Embedded, found: &mut HashMap<i64, Stored>) -> Result<()> {
    if tracker.options.shares_state {
        return Ok(());
    }
    let sql = "SELECT max(seq) FROM tracker_history WHERE key = ?1";
    let mut query = tracker.sql(tracker.db.sql().prepare_cached(sql))?;
    for stored in found.values_mut() {
        let seq: Option<i64> =
            tracker.sql(query.query_row([&stored.issue.id], |row| row.get(0)))?;
        stored.issue.revision = seq.map(|seq| seq.to_string());
    }
    Ok(())
}
