//! Comments.

use rusqlite::OptionalExtension as _;

use super::history::{COMMENTS, Change};
use super::{Embedded, exact, write};
use crate::issue::{Person, Value};
use crate::tracker::NewComment;
use crate::{Error, NOT_FOUND, Result};

pub(super) fn add(tracker: &Embedded, key: &str, comment: &NewComment) -> Result<String> {
    let tx = tracker.db.begin()?;
    let issue = tracker.id(key)?;
    let sql = tracker.db.sql();
    let token = Some(comment.token.as_str()).filter(|token| !token.is_empty());
    if token.is_some() {
        let there = "SELECT id FROM tracker_comment WHERE issue = ?1 AND token = ?2";
        let there: Option<i64> = tracker
            .sql(sql.prepare_cached(there).and_then(|mut query| {
                query.query_row((issue, token), |row| row.get(0)).optional()
            }))?;
        if let Some(id) = there {
            return Ok(id.to_string());
        }
    }
    let actor =
        || Person { id: tracker.options.actor.clone(), name: tracker.options.actor.clone() };
    let author = comment.author.clone().unwrap_or_else(actor);
    let now = tracker.clock.now();
    let created = exact(comment.created.unwrap_or(now));
    let insert = "INSERT INTO tracker_comment (issue, token, author_id, author_name, created, text)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let row = (issue, token, &author.id, &author.name, created, &comment.text);
    tracker.sql(sql.prepare_cached(insert).and_then(|mut insert| insert.execute(row)))?;
    let id = sql.last_insert_rowid().to_string();
    let text = Some(Value::Text(comment.text.clone()));
    write::touch(tracker, key, now, Change::of(COMMENTS, None, text).item(&id))?;
    tracker.commit(tx)?;
    Ok(id)
}

pub(super) fn edit(tracker: &Embedded, key: &str, id: &str, text: &str) -> Result<()> {
    let tx = tracker.db.begin()?;
    let Some((row, before)) = find(tracker, key, id)? else {
        return Err(Error::item(NOT_FOUND, format!("{key} has no comment {id:?}"))
            .hint(format!("`engsync tracker show {key}` lists them")));
    };
    if before == text {
        return Ok(());
    }
    let now = tracker.clock.now();
    tracker.sql(tracker.db.sql().execute(
        "UPDATE tracker_comment SET text = ?2, updated = ?3 WHERE id = ?1",
        (row, text, exact(now)),
    ))?;
    let change = Change::of(COMMENTS, Some(Value::Text(before)), Some(text.into()));
    write::touch(tracker, key, now, change.item(row.to_string()))?;
    tracker.commit(tx)
}

pub(super) fn delete(tracker: &Embedded, key: &str, id: &str) -> Result<()> {
    let tx = tracker.db.begin()?;
    let Some((row, before)) = find(tracker, key, id)? else { return Ok(()) };
    tracker.sql(tracker.db.sql().execute("DELETE FROM tracker_comment WHERE id = ?1", [row]))?;
    let change = Change::of(COMMENTS, Some(Value::Text(before)), None);
    write::touch(tracker, key, tracker.clock.now(), change.item(row.to_string()))?;
    tracker.commit(tx)
}

/// Row and text of a comment of the issue.
fn find(tracker: &Embedded, key: &str, id: &str) -> Result<Option<(i64, String)>> {
    let issue = tracker.id(key)?;
    let Ok(row) = id.parse::<i64>() else { return Ok(None) };
    let sql = "SELECT id, text FROM tracker_comment WHERE id = ?1 AND issue = ?2";
    let mut query = tracker.sql(tracker.db.sql().prepare_cached(sql))?;
    tracker.sql(query.query_row((row, issue), |row| Ok((row.get(0)?, row.get(1)?))).optional())
}
