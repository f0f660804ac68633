//! The ledger: which packages and parts were seen. Identities, never a high-water mark.

use super::State;
use crate::engdat::PackageName;
use crate::{Result, Timestamp};

/// What is remembered of an applied package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The partner it was from.
    pub partner: String,
    /// How many parts it had, the description included.
    pub total: u16,
    /// The digest over its parts.
    pub content: String,
}

/// A line of the log of packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageRow {
    /// The package's name; with `-z` the file's.
    pub name: String,
    /// The partner, where it was recognised.
    pub partner: Option<String>,
    /// `applied`, `deferred`, `corrupt`, `duplicate`, `sent`, …
    pub outcome: String,
    /// The stable word, where there is one.
    pub reason: Option<String>,
    /// In words.
    pub text: Option<String>,
    /// When.
    pub at: String,
}

/// A part that stays in `incoming/` and is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPart {
    /// Bytes.
    pub size: u64,
    /// Its modification time, as text.
    pub modified: String,
    /// SHA-256 of its content.
    pub sha256: String,
}

impl State {
    /// The identity that was applied under this name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn seen(&self, name: &PackageName) -> Result<Option<Identity>> {
        self.query_one(
            "SELECT partner, total, content FROM seen WHERE name = ?1",
            [name.to_string()],
            |row| Ok(Identity { partner: row.get(0)?, total: row.get(1)?, content: row.get(2)? }),
        )
    }

    /// Remembers an applied package.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn see(&self, name: &PackageName, identity: &Identity, now: Timestamp) -> Result<()> {
        self.execute(
            "INSERT OR REPLACE INTO seen (name, partner, total, content, at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            (
                name.to_string(),
                &identity.partner,
                identity.total,
                &identity.content,
                now.to_rfc3339(),
            ),
        )
        .map(drop)
    }

    /// Forgets that a package was applied, so that it can be applied again on purpose.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn unsee(&self, name: &PackageName) -> Result<()> {
        self.execute("DELETE FROM seen WHERE name = ?1", [name.to_string()]).map(drop)
    }

    /// Adds a line to the log of packages.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn log_package(&self, row: &PackageRow) -> Result<()> {
        self.execute(
            "INSERT INTO package (name, partner, outcome, reason, text, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (&row.name, &row.partner, &row.outcome, &row.reason, &row.text, &row.at),
        )
        .map(drop)
    }

    /// The log of packages, newest last.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn packages(&self, partner: Option<&str>) -> Result<Vec<PackageRow>> {
        self.query(
            "SELECT name, partner, outcome, reason, text, at FROM package
             WHERE ?1 IS NULL OR partner = ?1 ORDER BY id",
            [partner],
            |row| {
                Ok(PackageRow {
                    name: row.get(0)?,
                    partner: row.get(1)?,
                    outcome: row.get(2)?,
                    reason: row.get(3)?,
                    text: row.get(4)?,
                    at: row.get(5)?,
                })
            },
        )
    }

    /// A part that stays in `incoming/`, if it is known.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn known_part(&self, name: &str) -> Result<Option<KnownPart>> {
        self.query_one("SELECT size, modified, sha256 FROM part WHERE name = ?1", [name], |row| {
            let size: i64 = row.get(0)?;
            Ok(KnownPart {
                size: u64::try_from(size).unwrap_or_default(),
                modified: row.get(1)?,
                sha256: row.get(2)?,
            })
        })
    }

    /// Remembers a part that stays in `incoming/`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn know_part(&self, name: &str, part: &KnownPart) -> Result<()> {
        let size = i64::try_from(part.size).unwrap_or(i64::MAX);
        self.execute(
            "INSERT OR REPLACE INTO part (name, size, modified, sha256) VALUES (?1, ?2, ?3, ?4)",
            (name, size, &part.modified, &part.sha256),
        )
        .map(drop)
    }

    /// Forgets the parts of a package, so that they are taken from `incoming/` again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn forget_parts(&self, name: &PackageName) -> Result<()> {
        let sql = "DELETE FROM part WHERE substr(name, 1, 20) = ?1";
        self.execute(sql, [name.to_string()]).map(drop)
    }
}
