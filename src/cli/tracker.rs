//! `engsync tracker …`: the embedded tracker for people and scripts.

mod assign;
mod file;
mod show;

use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::json;

use crate::disk::Disk;
use crate::issue::{Attachment, Issue, Record};
use crate::tracker::embedded::{Change, Embedded, Entry};
use crate::tracker::{NewComment, TRACKER_REFUSED, Tracker, Written};
use crate::{DISK, Error, NOT_FOUND, Result, USAGE};

pub(super) use assign::Assignment;

/// The arguments of `engsync tracker`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct TrackerArgs {
    /// Who stands in the history and as the author of comments [default: the user]
    #[arg(long, global = true, value_name = "NAME")]
    pub author: Option<String>,
    /// What to do
    #[command(subcommand)]
    pub command: TrackerCommand,
}

/// What can be done to the embedded tracker.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum TrackerCommand {
    /// List the issues
    List {
        /// Only those with these values; an empty value: where the field is unset
        #[arg(value_name = "FIELD=VALUE")]
        filters: Vec<Assignment>,
    },
    /// Show an issue with its comments, attachments and history
    Show {
        /// The issue
        key: String,
    },
    /// Make an issue; prints its key
    Create {
        /// Its fields; lists as FIELD=A,B
        #[arg(value_name = "FIELD=VALUE", required = true)]
        assignments: Vec<Assignment>,
    },
    /// Change fields of an issue
    Set {
        /// The issue
        key: String,
        /// An empty value clears; lists: FIELD=A,B, FIELD+=A, FIELD-=A
        #[arg(value_name = "FIELD=VALUE", required = true)]
        assignments: Vec<Assignment>,
    },
    /// Delete an issue with its comments and attachments; its history stays
    Delete {
        /// The issue
        key: String,
    },
    /// Add a comment; prints its id
    Comment {
        /// The issue
        key: String,
        /// The comment
        #[arg(allow_hyphen_values = true)]
        text: String,
    },
    /// Replace the text of a comment
    EditComment {
        /// The issue
        key: String,
        /// The comment, as `show` numbers it
        id: String,
        /// The new text
        #[arg(allow_hyphen_values = true)]
        text: String,
    },
    /// Delete a comment
    DeleteComment {
        /// The issue
        key: String,
        /// The comment, as `show` numbers it
        id: String,
    },
    /// Attach a file under its own name; replaces one of that name
    Attach {
        /// The issue
        key: String,
        /// The file
        file: PathBuf,
    },
    /// Remove an attachment
    Detach {
        /// The issue
        key: String,
        /// The attachment
        name: String,
    },
    /// Save an attachment as a file
    Save {
        /// The issue
        key: String,
        /// The attachment
        name: String,
        /// Where to, replacing what is there; `-`: standard output [default: NAME here, which must be free]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// Where the result goes, and how.
pub(super) struct Output<'a> {
    /// One JSON document instead of text.
    pub json: bool,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// The width of the terminal, if it is one.
    pub width: Option<usize>,
}

impl Output<'_> {
    fn say(&mut self, text: &str, json: &serde_json::Value) -> Result<()> {
        let done = if self.json {
            serde_json::to_writer_pretty(&mut *self.out, json)
                .map_err(io::Error::from)
                .and_then(|()| writeln!(self.out))
        } else {
            writeln!(self.out, "{text}")
        };
        done.map_err(unwritable)
    }
}

impl TrackerCommand {
    /// Whether it changes the tracker.
    pub(super) fn changes(&self) -> bool {
        !matches!(self, Self::List { .. } | Self::Show { .. } | Self::Save { .. })
    }
}

/// Does what `command` says to `tracker`, whose actor is already the one of `--author`.
///
/// # Errors
/// `Fault::Setup` when the command line cannot be meant, `Fault::Item` when the issue, comment or
/// attachment is not there or a value is refused; then nothing was changed.
pub(super) fn run(
    command: &TrackerCommand,
    tracker: &Embedded,
    disk: &Disk,
    io: &mut Output<'_>,
) -> Result<()> {
    match command {
        TrackerCommand::List { filters } => list(tracker, filters, io),
        TrackerCommand::Show { key } => show(tracker, key, io),
        TrackerCommand::Create { assignments } => create(tracker, assignments, io),
        TrackerCommand::Set { key, assignments } => set(tracker, key, assignments, io),
        TrackerCommand::Delete { key } => {
            tracker.delete(key)?;
            io.say(&format!("{key} deleted"), &json!({ "key": key }))
        }
        TrackerCommand::Comment { key, text } => {
            let text = worded(text)?.to_owned();
            let id = tracker.comment(key, &NewComment { text, ..NewComment::default() })?;
            io.say(&id, &json!({ "key": key, "id": id }))
        }
        TrackerCommand::EditComment { key, id, text } => {
            tracker.edit_comment(key, id, worded(text)?)?;
            io.say(&format!("comment {id} of {key} changed"), &json!({ "key": key, "id": id }))
        }
        TrackerCommand::DeleteComment { key, id } => {
            let issue = tracker.get(key)?;
            if !issue.comments.iter().any(|comment| comment.id == *id) {
                let ids = issue.comments.iter().map(|comment| comment.id.as_str());
                return Err(missing(key, "comment", id, ids));
            }
            tracker.delete_comment(key, id)?;
            io.say(&format!("comment {id} of {key} deleted"), &json!({ "key": key, "id": id }))
        }
        TrackerCommand::Attach { key, file } => file::attach(tracker, key, file, io),
        TrackerCommand::Detach { key, name } => {
            file::named(&tracker.get(key)?, name)?;
            tracker.detach(key, name)?;
            let said = format!("{name} detached from {key}");
            io.say(&super::table::escape(&said), &json!({ "key": key, "name": name }))
        }
        TrackerCommand::Save { key, name, output } => {
            file::save(tracker, disk, (key, name), output.as_deref(), io)
        }
    }
}

fn list(tracker: &Embedded, filters: &[Assignment], io: &mut Output<'_>) -> Result<()> {
    assign::check_filters(filters, &tracker.schema()?)?;
    let mut table = show::list();
    let mut between = "[";
    tracker.each(&mut |issue| {
        if !assign::matches(filters, &issue.fields) {
            return Ok(());
        }
        if io.json {
            let line = json!({ "key": issue.id, "fields": issue.fields });
            write!(io.out, "{between}\n  {line}").map_err(unwritable)?;
            between = ",";
        } else {
            show::row(&mut table, &issue.fields);
        }
        Ok(())
    })?;
    match (io.json, table.is_empty()) {
        (true, _) if between == "[" => writeln!(io.out, "[]"),
        (true, _) => writeln!(io.out, "\n]"),
        (false, true) => writeln!(io.out, "no issues"),
        (false, false) => table.write(io.out, io.width),
    }
    .map_err(unwritable)
}

fn show(tracker: &Embedded, key: &str, io: &mut Output<'_>) -> Result<()> {
    let issue = tracker.get(key)?;
    let (marker, history) = (tracker.marker(key)?, tracker.history(key)?);
    if io.json {
        return io.say("", &document(&issue, marker.as_deref(), &history));
    }
    show::issue(io.out, &issue, marker.as_deref(), &history).map_err(unwritable)
}

/// `tracker show --json`.
fn document(issue: &Issue, marker: Option<&str>, history: &[Entry]) -> serde_json::Value {
    let time = |at: crate::Timestamp| at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    let comments: Vec<_> = issue
        .comments
        .iter()
        .map(|comment| {
            json!({
                "id": comment.id,
                "author": comment.author.as_ref().map(show::name),
                "created": comment.created.map(time),
                "updated": comment.updated.map(time),
                "text": comment.text,
            })
        })
        .collect();
    let attachments: Vec<_> = issue.attachments.iter().map(file_json).collect();
    let history: Vec<_> = history
        .iter()
        .map(|entry| {
            json!({
                "at": time(entry.at),
                "who": entry.who,
                "action": entry.action,
                "changes": entry.changes.iter().map(change_json).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "key": issue.id,
        "marker": marker,
        "fields": issue.fields,
        "comments": comments,
        "attachments": attachments,
        "history": history,
    })
}

fn change_json(change: &Change) -> serde_json::Value {
    let Change { field, item, from, to } = change;
    json!({ "field": field, "item": item, "from": from, "to": to })
}

fn file_json(file: &Attachment) -> serde_json::Value {
    let sha256 = file.known_digest().map(|digest| digest.to_string());
    json!({ "name": file.name, "size": file.size, "sha256": sha256 })
}

fn create(tracker: &Embedded, assignments: &[Assignment], io: &mut Output<'_>) -> Result<()> {
    let changes = assign::apply(assignments, &tracker.schema()?, &Record::new())?;
    let tx = tracker.db().begin()?;
    let issue = accepted(tracker.create("", &changes)?)?;
    tx.commit()?;
    io.say(&issue.id, &json!({ "key": issue.id, "fields": issue.fields }))
}

fn set(
    tracker: &Embedded,
    key: &str,
    assignments: &[Assignment],
    io: &mut Output<'_>,
) -> Result<()> {
    // One transaction, so that `labels+=x` adds to what is there now.
    let tx = tracker.db().begin()?;
    let before = tracker.get(key)?.fields;
    let changes = assign::apply(assignments, &tracker.schema()?, &before)?;
    let issue = accepted(tracker.update(key, &changes, None)?)?;
    tx.commit()?;
    let changed: Vec<String> = changes
        .keys()
        .map(|field| Change {
            field: field.clone(),
            item: None,
            from: before.get(field).cloned(),
            to: issue.fields.get(field).cloned(),
        })
        .filter(|change| change.from != change.to)
        .map(|change| show::told(&change))
        .collect();
    let said = if changed.is_empty() { "nothing to do".to_owned() } else { changed.join("\n") };
    io.say(&said, &json!({ "key": issue.id, "fields": issue.fields }))
}

/// People are told what was refused instead of getting half of what they asked for.
fn accepted(written: Written) -> Result<Issue> {
    let texts: Vec<String> = written.refused.into_iter().map(|refused| refused.text).collect();
    if texts.is_empty() {
        return Ok(written.issue);
    }
    Err(Error::item(TRACKER_REFUSED, texts.join("; ")).hint("nothing was changed"))
}

fn worded(text: &str) -> Result<&str> {
    if text.trim().is_empty() {
        return Err(Error::setup(USAGE, "the comment is empty").hint("give it some text"));
    }
    Ok(text)
}

fn missing<'a>(key: &str, what: &str, which: &str, there: impl Iterator<Item = &'a str>) -> Error {
    let error = Error::item(NOT_FOUND, format!("{key} has no {what} {which:?}"));
    match super::nearest::nearest(which, there) {
        Some(near) => error.hint(format!("did you mean {near:?}?")),
        None => error.hint(format!("`engsync tracker show {key}` lists them")),
    }
}

fn unwritable(error: io::Error) -> Error {
    Error::setup(DISK, "cannot write to standard output").because(error)
}

#[cfg(test)]
mod tests;
