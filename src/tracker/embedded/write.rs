//! Making, changing, marking and deleting issues.

use super::fields::{self, EXTERNAL_ID};
use super::history::{self, ATTACHMENTS, Action, COMMENTS, Change, MARKER};
use super::read::{self, Stored};
use super::{Embedded, stamp};
use crate::issue::{Issue, Record, Value};
use crate::tracker::{Changes, EDITED_MEANWHILE, FieldSpec, Refused, TRACKER_REFUSED, Written};
use crate::{Error, Result, Timestamp};

/// What the tracker sets itself, and keeps in columns of its own.
const COLUMNS: [&str; 3] = ["key", "created", "updated"];

pub(super) fn create(tracker: &Embedded, marker: &str, wanted: &Changes) -> Result<Written> {
    let tx = tracker.db.begin()?;
    let marker = Some(marker).filter(|marker| !marker.is_empty());
    free(tracker, marker, None)?;
    let mut fields = Record::new();
    let mut refused = Vec::new();
    for (field, value) in wanted {
        match legal(tracker, field, value.as_ref(), &fields) {
            Ok(value) => fields.set(field.as_str(), value),
            Err(objection) => refused.push(objection),
        }
    }
    for (field, value) in fields::defaults(&tracker.fields) {
        if fields.get(field).is_none() {
            fields.set(field, Some(value));
        }
    }
    if fields.get(EXTERNAL_ID).is_none() {
        fields.set(EXTERNAL_ID, marker.and_then(fields::number));
    }
    let at = tracker.clock.now();
    let key = insert(tracker, marker, &fields, at)?;
    let mut changes: Vec<Change> =
        fields.iter().map(|(field, value)| Change::of(field, None, Some(value.clone()))).collect();
    if let Some(marker) = marker {
        changes.push(Change::of(MARKER, None, Some(marker.into())));
    }
    history::write(tracker, &key, at, Action::Created, &changes)?;
    let revision =
        (!tracker.options.shares_state).then(|| tracker.db.sql().last_insert_rowid().to_string());
    for (field, value) in [("key", key.clone()), ("created", stamp(at)), ("updated", stamp(at))] {
        fields.set(field, Value::text(value));
    }
    tracker.commit(tx)?;
    let issue = Issue { id: key, fields, revision, ..Issue::default() };
    Ok(Written { issue, refused, remarks: Vec::new() })
}

pub(super) fn update(
    tracker: &Embedded,
    key: &str,
    wanted: &Changes,
    expected: Option<&Changes>,
) -> Result<Written> {
    let tx = tracker.db.begin()?;
    let mut stored = read::row(tracker, key)?;
    let mut refused = Vec::new();
    let mut changes = Vec::new();
    for (field, value) in wanted {
        let value = match legal(tracker, field, value.as_ref(), &stored.issue.fields) {
            Ok(value) => value,
            Err(objection) => {
                refused.push(objection);
                continue;
            }
        };
        let now = stored.issue.fields.get(field).cloned();
        if now == value {
            continue;
        }
        let spec = spec(tracker, field);
        let before = expected.and_then(|expected| expected.get(field));
        if before.is_some_and(|before| fields::shaped(&spec, before.as_ref()) != now) {
            let now =
                now.map_or_else(|| "unset".to_owned(), |now| format!("{:?}", now.to_string()));
            let text = format!("{field} was changed meanwhile: it is {now}");
            refused.push(Refused { code: EDITED_MEANWHILE, ..refusal(field, text) });
            continue;
        }
        stored.issue.fields.set(field.as_str(), value.clone());
        changes.push(Change::of(field, now, value));
    }
    save(tracker, &mut stored, &changes)?;
    let issue = read::whole(tracker, stored)?;
    tracker.commit(tx)?;
    Ok(Written { issue, refused, remarks: Vec::new() })
}

/// Ties an issue to a marker or unties it. `external_id` follows, unless it was written by
/// something else.
pub(super) fn mark(tracker: &Embedded, key: &str, marker: Option<&str>) -> Result<()> {
    let marker = marker.filter(|marker| !marker.is_empty());
    let tx = tracker.db.begin()?;
    let mut stored = read::row(tracker, key)?;
    if stored.marker.as_deref() == marker {
        return Ok(());
    }
    free(tracker, marker, Some(key))?;
    tracker.sql(
        tracker
            .db
            .sql()
            .prepare_cached("UPDATE tracker_issue SET marker = ?2 WHERE id = ?1")
            .and_then(|mut update| update.execute((stored.id, marker))),
    )?;
    let text = |marker: Option<&str>| marker.map(Value::from);
    let mut changes = vec![Change::of(MARKER, text(stored.marker.as_deref()), text(marker))];
    let number = stored.issue.fields.get(EXTERNAL_ID).cloned();
    let (old, new) =
        (stored.marker.as_deref().and_then(fields::number), marker.and_then(fields::number));
    if (number.is_none() || number == old) && number != new {
        stored.issue.fields.set(EXTERNAL_ID, new.clone());
        changes.push(Change::of(EXTERNAL_ID, number, new));
    }
    save(tracker, &mut stored, &changes)?;
    tracker.commit(tx)
}

pub(super) fn delete(tracker: &Embedded, key: &str) -> Result<()> {
    let tx = tracker.db.begin()?;
    let stored = read::row(tracker, key)?;
    let (id, marker) = (stored.id, stored.marker.clone());
    let issue = read::whole(tracker, stored)?;
    let mut changes: Vec<Change> = issue
        .fields
        .iter()
        .filter(|(field, _)| !COLUMNS.contains(field))
        .map(|(field, value)| Change::of(field, Some(value.clone()), None))
        .collect();
    changes.extend(marker.map(|marker| Change::of(MARKER, Some(Value::Text(marker)), None)));
    for comment in &issue.comments {
        let text = Value::Text(comment.text.clone());
        changes.push(Change::of(COMMENTS, Some(text), None).item(&comment.id));
    }
    for file in &issue.attachments {
        let digest = file.known_digest().map(|digest| Value::Text(digest.to_string()));
        changes.push(Change::of(ATTACHMENTS, digest, None).item(&file.name));
    }
    let sql = tracker.db.sql();
    tracker.sql(sql.execute(
        "INSERT OR IGNORE INTO tracker_garbage
         SELECT DISTINCT sha256 FROM tracker_attachment WHERE issue = ?1",
        [id],
    ))?;
    tracker.sql(sql.execute("DELETE FROM tracker_issue WHERE id = ?1", [id]))?;
    history::write(tracker, key, tracker.clock.now(), Action::Deleted, &changes)?;
    tracker.commit(tx)
}

/// Notes that something of the issue changed, other than its fields.
pub(super) fn touch(tracker: &Embedded, key: &str, at: Timestamp, change: Change) -> Result<()> {
    tracker.sql(
        tracker
            .db
            .sql()
            .prepare_cached("UPDATE tracker_issue SET updated = ?2 WHERE key = ?1")
            .and_then(|mut update| update.execute((key, stamp(at)))),
    )?;
    history::write(tracker, key, at, Action::Changed, &[change])
}

/// The value as the field takes it, or why it does not.
fn legal(
    tracker: &Embedded,
    field: &str,
    value: Option<&Value>,
    there: &Record,
) -> Result<Option<Value>, Refused> {
    if !tracker.fields.contains_key(field) && there.get(field).is_none() {
        return Err(refusal(field, format!("the tracker has no field {field:?}")));
    }
    let spec = spec(tracker, field);
    let value = fields::shaped(&spec, value);
    match fields::objection(&spec, field, value.as_ref()) {
        Some(objection) => Err(refusal(field, objection)),
        None => Ok(value),
    }
}

/// A field that an issue has from other times, when a rule named it, is plain text.
fn spec(tracker: &Embedded, field: &str) -> FieldSpec {
    tracker.fields.get(field).cloned().unwrap_or_default()
}

fn refusal(field: &str, text: String) -> Refused {
    Refused { field: field.to_owned(), code: TRACKER_REFUSED, text }
}

/// No other issue carries the marker.
fn free(tracker: &Embedded, marker: Option<&str>, key: Option<&str>) -> Result<()> {
    let Some(marker) = marker else { return Ok(()) };
    match read::marked(tracker, marker)? {
        Some(other) if Some(other.as_str()) != key => {
            Err(Error::item(TRACKER_REFUSED, format!("{other} is tied to {marker} already"))
                .hint(format!("untie {other} first")))
        }
        _ => Ok(()),
    }
}

fn insert(
    tracker: &Embedded,
    marker: Option<&str>,
    fields: &Record,
    at: Timestamp,
) -> Result<String> {
    let sql = tracker.db.sql();
    let next = "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'tracker_issue'";
    let id: i64 = tracker.sql(
        sql.prepare_cached(next).and_then(|mut query| query.query_row([], |row| row.get(0))),
    )?;
    let key = format!("{}-{id}", tracker.options.key_prefix);
    let insert = "INSERT INTO tracker_issue (id, key, marker, created, updated, fields)
                  VALUES (?1, ?2, ?3, ?4, ?4, ?5)";
    let fields = json(tracker, fields)?;
    tracker.sql(
        sql.prepare_cached(insert)
            .and_then(|mut insert| insert.execute((id, &key, marker, stamp(at), fields))),
    )?;
    Ok(key)
}

/// Writes the fields of an issue with what changed in them, if anything did.
fn save(tracker: &Embedded, stored: &mut Stored, changes: &[Change]) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let at = tracker.clock.now();
    let mut fields = stored.issue.fields.clone();
    for column in COLUMNS {
        fields.set(column, None);
    }
    if changes.iter().any(|change| change.field != MARKER) {
        stored.issue.fields.set("updated", Value::text(stamp(at)));
    }
    let sql = "UPDATE tracker_issue SET fields = ?2, updated = ?3 WHERE id = ?1";
    let (json, updated) = (json(tracker, &fields)?, stored.issue.fields.text("updated"));
    tracker.sql(
        tracker
            .db
            .sql()
            .prepare_cached(sql)
            .and_then(|mut update| update.execute((stored.id, json, updated))),
    )?;
    history::write(tracker, &stored.issue.id, at, Action::Changed, changes)
}

fn json(tracker: &Embedded, fields: &Record) -> Result<String> {
    serde_json::to_string(fields).map_err(|e| tracker.damaged("an issue").because(e))
}
