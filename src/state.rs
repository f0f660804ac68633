//! What both sides last agreed on, what was seen, what is owed, and the journal; in SQLite.
//!
//! One row per link holds its base as one document: a run reads and writes it whole. What must
//! be found otherwise (by key, owed or not, identities, names used) has columns of its own.

mod answers;
mod arrivals;
mod base;
mod conflicts;
mod journal;
mod last;
mod lease;
mod ledger;
mod links;

pub use answers::{Answer, AnswerPart, AnswerState};
pub use arrivals::{Arrival, LastExchange};
pub use base::{Base, HeldMark, Incoming, Outgoing, OutgoingComment, OutgoingFile, Pending};
pub use conflicts::ConflictRow;
pub use journal::{Entry, EntryKind, Filter};
pub use ledger::{Identity, KnownPart, PackageRow};
pub use links::{Intent, Link, LinkState};

pub use crate::db::Transaction;

use std::path::{Path, PathBuf};

use crate::db::{Db, Schema};
use crate::disk::Disk;
use crate::{Result, codes};

codes! {
    DUPLICATE = "duplicate": "a package that was applied came again with the same content";
}

/// The tables of the state; a transaction over them covers the embedded tracker too when that
/// lives in the same file.
pub const SCHEMA: Schema = Schema {
    name: "state",
    versions: &[include_str!("state/schema.sql"), include_str!("state/arrivals.sql")],
};

/// The state database and the frozen answers beside it.
#[derive(Clone, Debug)]
pub struct State {
    db: Db,
    answers: PathBuf,
}

impl State {
    /// The state in `db`, which was opened with [`SCHEMA`].
    #[must_use]
    pub fn new(db: Db) -> Self {
        let mut answers = db.path().as_os_str().to_owned();
        answers.push(".answers");
        Self { db, answers: PathBuf::from(answers) }
    }

    /// The connection.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The directory in which the files of kept back deliveries lie, named by their digests.
    #[must_use]
    pub fn pending_dir(&self) -> PathBuf {
        self.answers.with_extension("pending")
    }

    /// The directory in which frozen answers lie, one directory each.
    #[must_use]
    pub fn answers_dir(&self) -> &Path {
        &self.answers
    }

    /// Removes what an interrupted freeze left behind: directories without a row.
    ///
    /// # Errors
    /// When the directory cannot be read or the left-over not removed.
    pub fn sweep(&self, disk: &Disk) -> Result<()> {
        let Ok(entries) = std::fs::read_dir(&self.answers) else { return Ok(()) };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if self.answer(&name)?.is_none() {
                disk.remove_dir(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Begins a transaction (a savepoint inside one).
    ///
    /// # Errors
    /// When the database is held by another process for too long.
    pub fn begin(&self) -> Result<Transaction<'_>> {
        self.db.begin()
    }

    /// A small remembered value.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn meta(&self, key: &str) -> Result<Option<String>> {
        self.query_one("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
    }

    /// Remembers a small value.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn set_meta(&self, key: &str, value: &str) -> Result<()> {
        self.execute(
            "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [key, value],
        )
        .map(drop)
    }

    /// Alone it is a transaction of its own.
    fn execute(&self, sql: &str, params: impl rusqlite::Params) -> Result<usize> {
        let alone = self.db.sql().is_autocommit();
        let transaction = if alone { Some(self.begin()?) } else { None };
        let changed = self
            .db
            .sql()
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params))
            .map_err(|error| self.db.fault(error))?;
        transaction.map_or(Ok(()), Transaction::commit)?;
        Ok(changed)
    }

    fn query_one<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        use rusqlite::OptionalExtension;
        self.db
            .sql()
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(params, read).optional())
            .map_err(|error| self.db.fault(error))
    }

    fn query<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        self.db
            .sql()
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(params, read)?.collect())
            .map_err(|error| self.db.fault(error))
    }
}

/// Reads a JSON column.
fn json<T: serde::de::DeserializeOwned>(
    row: &rusqlite::Row<'_>,
    column: &str,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// Reads a JSON column that may be null.
fn json_or_none<T: serde::de::DeserializeOwned>(
    row: &rusqlite::Row<'_>,
    column: &str,
) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => json(row, column).map(Some),
    }
}

/// Writes a JSON column.
fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| {
        crate::Error::setup(crate::DATABASE, "cannot write a record as JSON").because(error)
    })
}

#[cfg(test)]
mod tests;
