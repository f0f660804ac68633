//! The ledger of transports: what was seen in a partner's inbox, and when the last exchange was.

use std::collections::BTreeMap;

use super::State;
use crate::{Result, Timestamp, stamp};

/// A file of a partner's inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Bytes.
    pub size: u64,
    /// Its modification time over there, in seconds since 1970.
    pub modified: i64,
    /// Since when it is so, or when it was fetched.
    pub since: Timestamp,
    /// It was fetched as it is now.
    pub taken: bool,
    /// SHA-256 of what was last fetched under this name.
    pub sha256: Option<String>,
}

/// The last exchange with a partner's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastExchange {
    /// When it was tried.
    pub at: Timestamp,
    /// When one last went well.
    pub good_at: Option<Timestamp>,
    /// How many went wrong since.
    pub failures: u32,
    /// Why the last one did.
    pub error: Option<String>,
}

impl State {
    /// What is known of a partner's inbox, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn arrivals(&self, partner: &str) -> Result<BTreeMap<String, Arrival>> {
        let sql = "SELECT name, size, modified, since, taken, sha256 FROM arrival
             WHERE partner = ?1";
        let rows = self.query(sql, [partner], |row| {
            let size: i64 = row.get(1)?;
            let since: String = row.get(3)?;
            let arrival = Arrival {
                size: u64::try_from(size).unwrap_or_default(),
                modified: row.get(2)?,
                since: time(&since).unwrap_or_default(),
                taken: row.get(4)?,
                sha256: row.get(5)?,
            };
            Ok((row.get(0)?, arrival))
        })?;
        Ok(rows.into_iter().collect())
    }

    /// Remembers a file of a partner's inbox.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn note_arrival(&self, partner: &str, name: &str, arrival: &Arrival) -> Result<()> {
        let Arrival { size, modified, since, taken, sha256 } = arrival;
        self.execute(
            "INSERT OR REPLACE INTO arrival (partner, name, size, modified, since, taken, sha256)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                partner,
                name,
                i64::try_from(*size).unwrap_or(i64::MAX),
                modified,
                since.to_rfc3339(),
                taken,
                sha256,
            ),
        )
        .map(drop)
    }

    /// Forgets a file that is not in the partner's inbox any more.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn forget_arrival(&self, partner: &str, name: &str) -> Result<()> {
        let sql = "DELETE FROM arrival WHERE partner = ?1 AND name = ?2";
        self.execute(sql, [partner, name]).map(drop)
    }

    /// Notes how an exchange ended.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn exchanged(&self, partner: &str, now: Timestamp, error: Option<&str>) -> Result<()> {
        let good = error.is_none().then(|| stamp(now));
        self.execute(
            "INSERT INTO exchange (partner, at, good_at, failures, error)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (partner) DO UPDATE SET at = ?2, good_at = coalesce(?3, good_at),
               failures = CASE WHEN ?5 IS NULL THEN 0 ELSE failures + 1 END, error = ?5",
            (partner, stamp(now), good, u32::from(error.is_some()), error),
        )
        .map(drop)
    }

    /// How the last exchange with a partner ended.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn last_exchange(&self, partner: &str) -> Result<Option<LastExchange>> {
        let sql = "SELECT at, good_at, failures, error FROM exchange WHERE partner = ?1";
        self.query_one(sql, [partner], |row| {
            let (at, good_at): (String, Option<String>) = (row.get(0)?, row.get(1)?);
            Ok(LastExchange {
                at: time(&at).unwrap_or_default(),
                good_at: good_at.as_deref().and_then(time),
                failures: row.get(2)?,
                error: row.get(3)?,
            })
        })
    }
}

fn time(text: &str) -> Option<Timestamp> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}
