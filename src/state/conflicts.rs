//! Conflicts: a record each, whatever became of it; the loser's value is never lost.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{State, json, to_json};
use crate::{Result, Timestamp};

/// A conflict and where it stands; `C` is what `sync` keeps of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConflictRow<C> {
    /// Its number.
    pub id: i64,
    /// The partner.
    pub partner: String,
    /// The partner's number of the issue.
    pub remote: String,
    /// `open`, `auto-resolved`, `resolved`, `superseded`.
    pub state: String,
    /// When it was found, RFC 3339 UTC.
    pub at: String,
    /// What it is.
    pub record: C,
}

const COLUMNS: &str = "SELECT id, partner, remote, state, at, record FROM conflict";

fn read<C: DeserializeOwned>(row: &rusqlite::Row<'_>) -> rusqlite::Result<ConflictRow<C>> {
    Ok(ConflictRow {
        id: row.get("id")?,
        partner: row.get("partner")?,
        remote: row.get("remote")?,
        state: row.get("state")?,
        at: row.get("at")?,
        record: json(row, "record")?,
    })
}

impl State {
    /// Writes a new conflict down; answers its number.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn add_conflict<C: Serialize>(
        &self,
        partner: &str,
        remote: &str,
        state: &str,
        record: &C,
        now: Timestamp,
    ) -> Result<i64> {
        self.execute(
            "INSERT INTO conflict (partner, remote, state, at, record) VALUES (?1, ?2, ?3, ?4, ?5)",
            (partner, remote, state, crate::stamp(now), to_json(record)?),
        )?;
        Ok(self.db().sql().last_insert_rowid())
    }

    /// Whether a conflict was written down in this state with these very values.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn knows_conflict<C: Serialize>(
        &self,
        partner: &str,
        remote: &str,
        state: &str,
        record: &C,
    ) -> Result<bool> {
        let sql = "SELECT 1 FROM conflict
             WHERE partner = ?1 AND remote = ?2 AND state = ?3 AND record = ?4";
        let row = (partner, remote, state, to_json(record)?);
        Ok(self.query_one(sql, row, |_| Ok(()))?.is_some())
    }

    /// A conflict stands differently, or its values changed.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn update_conflict<C: Serialize>(&self, id: i64, state: &str, record: &C) -> Result<()> {
        self.execute(
            "UPDATE conflict SET state = ?2, record = ?3 WHERE id = ?1",
            (id, state, to_json(record)?),
        )
        .map(drop)
    }

    /// A conflict ended by itself.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn supersede_conflict(&self, id: i64) -> Result<()> {
        self.execute("UPDATE conflict SET state = 'superseded' WHERE id = ?1", [id]).map(drop)
    }

    /// The open conflicts of an issue.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn open_conflicts<C: DeserializeOwned>(
        &self,
        partner: &str,
        remote: &str,
    ) -> Result<Vec<ConflictRow<C>>> {
        let sql =
            format!("{COLUMNS} WHERE partner = ?1 AND remote = ?2 AND state = 'open' ORDER BY id");
        self.query(&sql, [partner, remote], read)
    }

    /// All conflicts, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn conflicts<C: DeserializeOwned>(&self) -> Result<Vec<ConflictRow<C>>> {
        self.query(&format!("{COLUMNS} ORDER BY id"), [], read)
    }

    /// One conflict.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn conflict<C: DeserializeOwned>(&self, id: i64) -> Result<Option<ConflictRow<C>>> {
        self.query_one(&format!("{COLUMNS} WHERE id = ?1"), [id], read)
    }
}
