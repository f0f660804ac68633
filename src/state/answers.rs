//! Frozen answers: bytes, names and transaction ids fixed in one transaction; publishing one is
//! a repeatable function of its row.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{State, json, to_json};
use crate::engdat::PackageName;
use crate::{Result, Timestamp};

/// An answer whose bytes and names are fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The package name; of an answer made by hand the reserved one.
    pub name: String,
    /// Whom it is for.
    pub partner: String,
    /// How far it is.
    pub state: AnswerState,
    /// The file of an answer made by hand; `None`: the spool's `outgoing/`.
    pub target: Option<PathBuf>,
    /// Its files in order; the description is the first.
    pub parts: Vec<AnswerPart>,
    /// The local keys of the issues in it.
    pub issues: Vec<String>,
}

/// A file of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerPart {
    /// The name it is published under.
    pub name: String,
    /// SHA-256 of its content.
    pub sha256: String,
}

/// How far an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerState {
    /// Fixed, not offered yet.
    Frozen,
    /// Offered to the OFTP server: in `outgoing/`.
    Published,
    /// Delivered by a transport.
    Delivered,
}

impl AnswerState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Frozen => "frozen",
            Self::Published => "published",
            Self::Delivered => "delivered",
        }
    }
}

pub(super) const COLUMNS: &str = "SELECT name, partner, state, target, parts, issues FROM answer";

pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Answer> {
    let state: String = row.get("state")?;
    let target: Option<String> = row.get("target")?;
    Ok(Answer {
        name: row.get("name")?,
        partner: row.get("partner")?,
        state: match state.as_str() {
            "frozen" => AnswerState::Frozen,
            "delivered" => AnswerState::Delivered,
            _ => AnswerState::Published,
        },
        target: target.map(PathBuf::from),
        parts: json(row, "parts")?,
        issues: json(row, "issues")?,
    })
}

impl State {
    /// The highest package name this installation has used or reserved.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn highest_name(&self) -> Result<Option<PackageName>> {
        Ok(self.meta("highest-name")?.and_then(|name| name.parse().ok()))
    }

    /// Reserves a package name: it is never used again, whatever becomes of it.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn reserve_name(&self, name: &PackageName) -> Result<()> {
        self.set_meta("highest-name", &name.to_string())
    }

    /// Writes a frozen answer down. Its files must be durable in
    /// [`State::answers_dir`]`/name/` already.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn save_answer(&self, answer: &Answer, now: Timestamp) -> Result<()> {
        self.execute(
            "INSERT INTO answer (name, partner, state, target, parts, issues, frozen_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                &answer.name,
                &answer.partner,
                answer.state.as_str(),
                answer.target.as_ref().map(|path| path.display().to_string()),
                to_json(&answer.parts)?,
                to_json(&answer.issues)?,
                now.to_rfc3339(),
            ),
        )
        .map(drop)
    }

    /// The answer of this name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn answer(&self, name: &str) -> Result<Option<Answer>> {
        self.query_one(&format!("{COLUMNS} WHERE name = ?1"), [name], read)
    }

    /// The answers not offered yet, in the order of their names.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn unpublished(&self) -> Result<Vec<Answer>> {
        self.query(&format!("{COLUMNS} WHERE state = 'frozen' ORDER BY name"), [], read)
    }

    /// The answer was offered.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn published(&self, name: &str, now: Timestamp) -> Result<()> {
        self.execute(
            "UPDATE answer SET state = 'published', published_at = ?2 WHERE name = ?1",
            (name, now.to_rfc3339()),
        )
        .map(drop)
    }

    /// The answer was delivered by a transport.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn delivered(&self, name: &str, now: Timestamp) -> Result<()> {
        self.execute(
            "UPDATE answer SET state = 'delivered', delivered_at = ?2 WHERE name = ?1",
            (name, now.to_rfc3339()),
        )
        .map(drop)
    }

    /// The answers offered before `limit`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn answers_before(&self, limit: Timestamp) -> Result<Vec<Answer>> {
        let sql = format!(
            "{COLUMNS} WHERE state IN ('published', 'delivered') AND published_at < ?1 ORDER BY name"
        );
        self.query(&sql, [limit.to_rfc3339()], read)
    }

    /// Forgets an answer; its files are the caller's to remove, afterwards.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn remove_answer(&self, name: &str) -> Result<()> {
        self.execute("DELETE FROM answer WHERE name = ?1", [name]).map(drop)
    }
}
