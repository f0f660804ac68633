//! How issues look to people.

use std::io::{self, Write};

use crate::Timestamp;
use crate::cli::table::{self, Table};
use crate::issue::{Issue, Person, Record, Value};
use crate::tracker::embedded::{Action, Change, Entry};

/// So much of a value is shown in the history.
const SHORT: usize = 60;

/// The columns of `tracker list`.
pub(super) const COLUMNS: [&str; 6] = ["key", "type", "status", "priority", "assignee", "summary"];

/// The fields people look for first, in this order; then the others, then those at the end.
const FIRST: [&str; 10] = [
    "external_id",
    "project",
    "type",
    "status",
    "resolution",
    "priority",
    "assignee",
    "labels",
    "versions",
    "fix_versions",
];
const LAST: [&str; 3] = ["created", "updated", "description"];

/// The rows of `tracker list`.
pub(super) fn list() -> Table {
    Table::new(&COLUMNS)
}

/// One row of `tracker list`.
pub(super) fn row(table: &mut Table, fields: &Record) {
    table.row(COLUMNS.iter().map(|column| fields.text(column)));
}

/// A whole issue.
pub(super) fn issue(
    out: &mut dyn Write,
    issue: &Issue,
    marker: Option<&str>,
    history: &[Entry],
) -> io::Result<()> {
    let summary = issue.fields.text("summary");
    writeln!(out, "{}", format!("{}  {}", issue.id, table::escape(&summary)).trim_end())?;
    writeln!(out)?;
    fields(out, &issue.fields, marker)?;
    if !issue.comments.is_empty() {
        writeln!(out, "\nComments")?;
    }
    for comment in &issue.comments {
        let mut head = format!("  {}", comment.id);
        head.extend(comment.author.as_ref().map(|a| format!("  {}", table::escape(name(a)))));
        head.extend(comment.created.map(|at| format!("  {}", time(at))));
        head.extend(comment.updated.map(|at| format!("  (edited {})", time(at))));
        writeln!(out, "{head}")?;
        for line in table::lines(&comment.text) {
            writeln!(out, "{}", format!("      {line}").trim_end())?;
        }
    }
    if !issue.attachments.is_empty() {
        writeln!(out, "\nAttachments")?;
        let mut files = Table::new(&["name", "bytes", "sha256"]);
        for file in &issue.attachments {
            let size = file.size.map(|size| size.to_string()).unwrap_or_default();
            let digest = file.known_digest().map(|d| d.to_string()).unwrap_or_default();
            files.row([&file.name, &size, &digest]);
        }
        let mut text = Vec::new();
        files.write(&mut text, None)?;
        for line in String::from_utf8_lossy(&text).lines() {
            writeln!(out, "  {line}")?;
        }
    }
    writeln!(out, "\nHistory")?;
    history.iter().try_for_each(|happened| entry(out, happened))
}

fn fields(out: &mut dyn Write, fields: &Record, marker: Option<&str>) -> io::Result<()> {
    let rank = |field: &str| match FIRST.iter().position(|first| *first == field) {
        Some(place) => place,
        None => LAST.iter().position(|l| *l == field).map_or(FIRST.len(), |l| FIRST.len() + 1 + l),
    };
    let mut shown: Vec<(&str, String)> = fields
        .iter()
        .filter(|(field, _)| !["key", "summary"].contains(field))
        .map(|(field, value)| (field, value.to_string()))
        .collect();
    shown.sort_by_key(|(field, _)| rank(field));
    if let Some(marker) = marker {
        shown.insert(0, ("tied to", marker.to_owned()));
    }
    let wide = shown.iter().map(|(field, _)| table::width(field)).max().unwrap_or(0);
    for (field, value) in shown {
        let mut name = table::pad(&table::escape(field), wide);
        for line in table::lines(&value) {
            writeln!(out, "{}", format!("  {name}  {line}").trim_end())?;
            name = " ".repeat(wide);
        }
    }
    Ok(())
}

fn entry(out: &mut dyn Write, entry: &Entry) -> io::Result<()> {
    let who = table::escape(&entry.who);
    match (entry.action, entry.changes.as_slice()) {
        (Action::Changed, [change]) => {
            writeln!(out, "  {}  {who}  {}", time(entry.at), told(change))
        }
        (action, changes) => {
            writeln!(out, "  {}  {who}  {}", time(entry.at), action.as_str())?;
            changes.iter().try_for_each(|change| writeln!(out, "      {}", told(change)))
        }
    }
}

/// A change in words.
pub(super) fn told(change: &Change) -> String {
    let (from, to) = (change.from.as_ref().map(short), change.to.as_ref().map(short));
    let item = table::escape(change.item.as_deref().unwrap_or_default()).into_owned();
    match (change.field.as_str(), from, to) {
        ("comments", None, Some(to)) => format!("comment {item}: {to}"),
        ("comments", Some(from), Some(to)) => format!("comment {item} edited: {from} → {to}"),
        ("comments", Some(from), None) => format!("comment {item} deleted: {from}"),
        ("attachments", None, _) => format!("{item} attached"),
        ("attachments", Some(_), Some(_)) => format!("{item} replaced"),
        ("attachments", Some(_), None) => format!("{item} detached"),
        ("marker", None, Some(to)) => format!("tied to {to}"),
        ("marker", Some(from), None) => format!("untied from {from}"),
        ("marker", Some(from), Some(to)) => format!("tied to {to} instead of {from}"),
        (field, None, Some(to)) => format!("{}: {to}", table::escape(field)),
        (field, from, to) => {
            let unset = || "unset".to_owned();
            let (from, to) = (from.unwrap_or_else(unset), to.unwrap_or_else(unset));
            format!("{}: {from} → {to}", table::escape(field))
        }
    }
}

fn short(value: &Value) -> String {
    format!("\"{}\"", table::cut(&table::escape(&value.to_string()), SHORT))
}

/// The name to show of a person.
pub(super) fn name(person: &Person) -> &str {
    if person.name.is_empty() { &person.id } else { &person.name }
}

fn time(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}
