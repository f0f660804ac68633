//! The journal: every change on either side, one row per issue and run.

use serde::{Deserialize, Serialize};

use super::{State, json, to_json};
use crate::Result;

/// A row of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry<C> {
    /// When, RFC 3339 UTC.
    pub at: String,
    /// The partner.
    pub partner: String,
    /// The package it came or went in; `None`: by hand or by a local change.
    pub package: Option<String>,
    /// The partner's number of the issue.
    pub remote: String,
    /// The local key.
    pub key: Option<String>,
    /// Which way.
    pub kind: EntryKind,
    /// What changed.
    pub changes: Vec<C>,
}

/// What a journal row tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A delivery was applied to the local issue.
    In,
    /// An answer was frozen.
    Out,
    /// The link itself was changed by a person.
    Link,
}

impl EntryKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Link => "link",
        }
    }
}

/// Which rows of the journal.
#[derive(Clone, Debug, Default)]
pub struct Filter<'a> {
    /// Of this partner only.
    pub partner: Option<&'a str>,
    /// Of this issue only: a local key or a partner's number.
    pub issue: Option<&'a str>,
}

impl State {
    /// Adds a row.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn journal<C: Serialize>(&self, entry: &Entry<C>) -> Result<()> {
        self.execute(
            "INSERT INTO journal (at, partner, package, remote, key, kind, changes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                &entry.at,
                &entry.partner,
                &entry.package,
                &entry.remote,
                &entry.key,
                entry.kind.as_str(),
                to_json(&entry.changes)?,
            ),
        )
        .map(drop)
    }

    /// The rows, newest last.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn entries<C: serde::de::DeserializeOwned>(
        &self,
        filter: &Filter<'_>,
    ) -> Result<Vec<Entry<C>>> {
        self.query(
            "SELECT at, partner, package, remote, key, kind, changes FROM journal
             WHERE (?1 IS NULL OR partner = ?1) AND (?2 IS NULL OR key = ?2 OR remote = ?2)
             ORDER BY id",
            [filter.partner, filter.issue],
            |row| {
                let kind: String = row.get(5)?;
                Ok(Entry {
                    at: row.get(0)?,
                    partner: row.get(1)?,
                    package: row.get(2)?,
                    remote: row.get(3)?,
                    key: row.get(4)?,
                    kind: match kind.as_str() {
                        "out" => EntryKind::Out,
                        "link" => EntryKind::Link,
                        _ => EntryKind::In,
                    },
                    changes: json(row, "changes")?,
                })
            },
        )
    }
}
