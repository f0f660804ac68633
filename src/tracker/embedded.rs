//! The embedded tracker: issues, comments, history and attachments in SQLite and plain files.
//!
//! It lives in the state database, so that one transaction covers the tracker and what was
//! agreed with the partner, or in a file of its own. Attachments are files named by their
//! SHA-256, durable before the row that names them.
//!
//! Fields are one JSON object an issue (SQLite's `json_extract` reads them), the history is one
//! row a change; its sequence number is what [`Tracker::changed_since`] counts by.

mod comments;
mod content;
mod fields;
mod files;
mod history;
mod read;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rusqlite::OptionalExtension as _;

use super::{
    Capabilities, Changes, Feed, FieldSpec, LOCAL_GONE, Marker, NewComment, Schema as Fields,
    Tracker, Written,
};
use crate::db::{Db, Schema, Transaction};
use crate::disk::Disk;
use crate::issue::{Attachment, Field, Issue};
use crate::{CONFIG, Clock, DATABASE, Error, Result, Timestamp};

pub(super) use fields::{objection, shaped};
use files::Files;
pub use history::{Action, Change, Entry};

/// The tables; the state database is opened with these too where the tracker lives in it.
pub const SCHEMA: Schema = Schema { name: "tracker", versions: &[include_str!("embedded/v1.sql")] };

/// How an embedded tracker is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the keys of new issues start with: `ISS` makes `ISS-1`, `ISS-2`, …
    pub key_prefix: String,
    /// The values a field takes; a field that is not named takes any.
    pub values: BTreeMap<Field, Vec<String>>,
    /// Who stands in the history, and as the author of comments that name none.
    pub actor: String,
    /// Further text fields: those the rules name.
    pub fields: Vec<Field>,
    /// Whether the database is that of the state.
    pub shares_state: bool,
    /// The directory of the attachments' files; made when the first one comes.
    pub files: PathBuf,
}

/// Where the attachments of the tracker in `database` lie: beside it, `engsync.db-files`.
#[must_use]
pub fn files_beside(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-files");
    PathBuf::from(path)
}

/// The embedded tracker.
///
/// Every write is atomic by itself, and part of the transaction around it where there is one.
pub struct Embedded {
    db: Db,
    files: Files,
    options: Options,
    fields: BTreeMap<Field, FieldSpec>,
    clock: Rc<dyn Clock>,
}

impl Embedded {
    /// The tracker in `db`, which was opened with [`SCHEMA`].
    ///
    /// # Errors
    /// When the options contradict themselves.
    pub fn new(db: Db, disk: Disk, options: Options, clock: Rc<dyn Clock>) -> Result<Self> {
        let files = Files::durable(options.files.clone(), disk);
        Self::assemble(db, files, options, clock)
    }

    /// The tracker of a dry run: `db` is a [`Db::overlay`]; no file is written or removed.
    /// Attachments that are there can be read, new ones are read where they come from.
    ///
    /// # Errors
    /// As [`Embedded::new`].
    pub fn overlay(db: Db, disk: Disk, options: Options, clock: Rc<dyn Clock>) -> Result<Self> {
        let files = Files::planned(options.files.clone(), disk);
        Self::assemble(db, files, options, clock)
    }

    fn assemble(db: Db, files: Files, options: Options, clock: Rc<dyn Clock>) -> Result<Self> {
        let prefix = &options.key_prefix;
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !prefix.starts_with(|c: char| c.is_ascii_alphabetic()) || !prefix.chars().all(legal) {
            let what = format!("key_prefix = {prefix:?} cannot start the key of an issue");
            return Err(Error::setup(CONFIG, what)
                .hint("use a letter, then letters, digits and underscores, as in \"ISS\""));
        }
        let fields = fields::known(&options)?;
        Ok(Self { db, files, options, fields, clock })
    }

    /// The database.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Hands key and fields of every issue to `sink`, in the order they were made.
    ///
    /// # Errors
    /// When the database cannot be read, and those of `sink`.
    pub fn each(&self, sink: &mut dyn FnMut(Issue) -> Result<()>) -> Result<()> {
        read::each(self, sink)
    }

    /// One issue with comments and attachments.
    ///
    /// # Errors
    /// [`LOCAL_GONE`] when there is none, with the nearest key as the hint.
    pub fn get(&self, key: &str) -> Result<Issue> {
        let found = self.get_many(&[key.to_owned()])?.pop().flatten();
        found.map_or_else(|| Err(self.gone(key)), Ok)
    }

    /// The marker of an issue, if it has one.
    ///
    /// # Errors
    /// [`LOCAL_GONE`] when there is no such issue.
    pub fn marker(&self, key: &str) -> Result<Option<String>> {
        Ok(read::row(self, key)?.marker)
    }

    /// What happened to an issue, oldest first; also to one that was deleted.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn history(&self, key: &str) -> Result<Vec<Entry>> {
        history::of(self, key)
    }

    /// Deletes an issue with its comments and attachments; its history stays.
    ///
    /// # Errors
    /// [`LOCAL_GONE`] when there is none.
    pub fn delete(&self, key: &str) -> Result<()> {
        write::delete(self, key)
    }

    /// Removes the files that deleted attachments left behind, unless a transaction is open:
    /// then they wait for the next call. Every write outside a transaction calls this.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn collect_garbage(&self) -> Result<()> {
        self.files.collect(&self.db)
    }

    /// Removes every file that no attachment names, also those an interrupted writer left;
    /// answers how many. For start-up.
    ///
    /// # Errors
    /// When the directory cannot be listed or a file cannot be removed.
    pub fn sweep(&self) -> Result<u64> {
        self.files.sweep(&self.db)
    }

    /// Removes the temporary files of writers that are no more; whoever writes now is let be.
    ///
    /// # Errors
    /// When the directory cannot be listed or a file cannot be removed.
    pub fn sweep_orphans(&self) -> Result<()> {
        self.files.sweep_orphans()
    }

    /// Turns an SQLite error into ours.
    fn sql<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        result.map_err(|error| self.db.fault(error))
    }

    fn damaged(&self, what: &str) -> Error {
        Error::setup(DATABASE, format!("{what} in {} is damaged", self.db.path().display()))
            .hint("restore a backup; see docs/trackers/embedded.md")
    }

    /// Commits, then clears away what the change left behind.
    fn commit(&self, tx: Transaction<'_>) -> Result<()> {
        tx.commit()?;
        if let Err(error) = self.collect_garbage() {
            tracing::warn!(error = %error.line(), "files of deleted attachments are left");
        }
        Ok(())
    }

    /// The row of an issue.
    fn id(&self, key: &str) -> Result<i64> {
        let id = self
            .sql(self.db.sql().prepare_cached("SELECT id FROM tracker_issue WHERE key = ?1"))
            .and_then(|mut query| self.sql(query.query_row([key], |row| row.get(0)).optional()))?;
        id.ok_or_else(|| self.gone(key))
    }

    /// That there is no issue `key`, and why or which one was meant.
    fn gone(&self, key: &str) -> Error {
        let deleted = self.history(key).unwrap_or_default().pop();
        if let Some(entry) = deleted.filter(|entry| entry.action == Action::Deleted) {
            let what = format!("{key} was deleted by {} at {}", entry.who, stamp(entry.at));
            return Error::item(LOCAL_GONE, what);
        }
        let error = Error::item(LOCAL_GONE, format!("there is no issue {key:?}"));
        match read::similar(self, key) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error.hint("`engsync tracker list` shows all"),
        }
    }
}

/// An instant as the fields `created` and `updated` show it.
fn stamp(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// An instant as columns keep it, to the nanosecond.
fn exact(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

impl Tracker for Embedded {
    fn schema(&self) -> Result<Fields> {
        Ok(Fields { fields: self.fields.clone(), ..Fields::default() })
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { shares_state: self.options.shares_state }
    }

    fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Issue>>> {
        read::many(self, keys)
    }

    fn find(&self, marker: &Marker) -> Result<Vec<String>> {
        Ok(read::marked(self, marker)?.into_iter().collect())
    }

    fn create(&self, marker: &Marker, fields: &Changes) -> Result<Written> {
        write::create(self, marker, fields)
    }

    fn update(&self, key: &str, changes: &Changes, expected: Option<&Changes>) -> Result<Written> {
        write::update(self, key, changes, expected)
    }

    fn comment(&self, key: &str, comment: &NewComment) -> Result<String> {
        comments::add(self, key, comment)
    }

    fn edit_comment(&self, key: &str, id: &str, text: &str) -> Result<()> {
        comments::edit(self, key, id, text)
    }

    fn delete_comment(&self, key: &str, id: &str) -> Result<()> {
        comments::delete(self, key, id)
    }

    fn prepare(&self, file: &Attachment) -> Result<()> {
        self.files.prepare(file).map(drop)
    }

    fn attach(&self, key: &str, file: &Attachment) -> Result<()> {
        files::attach(self, key, file)
    }

    fn detach(&self, key: &str, name: &str) -> Result<()> {
        files::detach(self, key, name)
    }

    fn changed_since(&self, token: Option<&str>) -> Result<Feed> {
        history::since(self, token)
    }

    fn mark(&self, key: &str, marker: Option<&Marker>) -> Result<()> {
        write::mark(self, key, marker)
    }
}
