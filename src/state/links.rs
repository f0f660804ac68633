//! Links: which partner's issue is which of ours.

use super::{Base, Outgoing, Pending, State, json, json_or_none, to_json};
use crate::issue::Record;
use crate::{Result, Timestamp};

/// A partner's issue and ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The row; 0 before it is saved.
    pub id: i64,
    /// The partner's name in the configuration.
    pub partner: String,
    /// The partner's number of the issue.
    pub remote: String,
    /// The local key; `None` while no local issue was made.
    pub key: Option<String>,
    /// Where it stands.
    pub state: LinkState,
    /// What both sides last agreed on.
    pub base: Base,
    /// What we owe the partner.
    pub owed: Option<Outgoing>,
    /// What was delivered while a gate was shut.
    pub pending: Option<Pending>,
}

/// Where a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Both issues exist.
    Active,
    /// The local issue was deleted.
    Gone,
}

impl LinkState {
    /// As it stands in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Gone => "gone",
        }
    }
}

/// A tracker write that may have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Unique; finds the outcome again.
    pub token: String,
    /// The partner.
    pub partner: String,
    /// The partner's number of the issue.
    pub remote: String,
    /// What kind of write: `create`, `fields`, `decision`.
    pub operation: String,
    /// What the operation needs to be recognised, as JSON.
    pub payload: String,
}

const COLUMNS: &str = "SELECT id, partner, remote, key, state, base, owed, pending FROM link";

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Link> {
    let state: String = row.get("state")?;
    Ok(Link {
        id: row.get("id")?,
        partner: row.get("partner")?,
        remote: row.get("remote")?,
        key: row.get("key")?,
        state: if state == "gone" { LinkState::Gone } else { LinkState::Active },
        base: json(row, "base")?,
        owed: json_or_none(row, "owed")?,
        pending: json_or_none(row, "pending")?,
    })
}

impl Link {
    /// What the partner delivered last, whether it was applied or a gate keeps it back.
    #[must_use]
    pub fn latest(&self) -> &Record {
        let waits = self
            .pending
            .as_ref()
            .filter(|pending| !self.base.is_newer_than(pending.revision, &pending.package));
        waits.map_or(&self.base.delivered, |pending| &pending.fields)
    }
}

impl State {
    /// The link of a partner's issue.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn link(&self, partner: &str, remote: &str) -> Result<Option<Link>> {
        let sql = format!("{COLUMNS} WHERE partner = ?1 AND remote = ?2");
        self.query_one(&sql, [partner, remote], read)
    }

    /// The links of some of a partner's issues, in one query.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn links_to(&self, partner: &str, remotes: &[&str]) -> Result<Vec<Link>> {
        let sql =
            format!("{COLUMNS} WHERE partner = ?1 AND remote IN (SELECT value FROM json_each(?2))");
        self.query(&sql, [partner, &to_json(&remotes)?], read)
    }

    /// The links of a local issue, of all partners.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn links_of_key(&self, key: &str) -> Result<Vec<Link>> {
        self.query(&format!("{COLUMNS} WHERE key = ?1 ORDER BY id"), [key], read)
    }

    /// The links of some local issues to a partner, in one query.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn links_of_keys(&self, partner: &str, keys: &[String]) -> Result<Vec<Link>> {
        let sql = format!(
            "{COLUMNS} WHERE partner = ?1 AND key IN (SELECT value FROM json_each(?2)) ORDER BY id"
        );
        self.query(&sql, [partner, &to_json(&keys)?], read)
    }

    /// All links of a partner.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn links(&self, partner: &str) -> Result<Vec<Link>> {
        self.query(&format!("{COLUMNS} WHERE partner = ?1 ORDER BY id"), [partner], read)
    }

    /// The keys of all linked issues of a partner, without reading their bases.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn linked_keys(&self, partner: &str) -> Result<Vec<String>> {
        let sql = "SELECT key FROM link WHERE partner = ?1 AND key IS NOT NULL ORDER BY id";
        self.query(sql, [partner], |row| row.get(0))
    }

    /// The links of a partner with something owed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn owed(&self, partner: &str) -> Result<Vec<Link>> {
        let sql = format!("{COLUMNS} WHERE partner = ?1 AND owed IS NOT NULL ORDER BY id");
        self.query(&sql, [partner], read)
    }

    /// The rows of the links of a partner with something owed, without reading them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn owed_rows(&self, partner: &str) -> Result<Vec<i64>> {
        let sql = "SELECT id FROM link WHERE partner = ?1 AND owed IS NOT NULL ORDER BY id";
        self.query(sql, [partner], |row| row.get(0))
    }

    /// The links in some rows.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn links_in(&self, rows: &[i64]) -> Result<Vec<Link>> {
        let sql = format!("{COLUMNS} WHERE id IN (SELECT value FROM json_each(?1)) ORDER BY id");
        self.query(&sql, [to_json(&rows)?], read)
    }

    /// The links of a partner with a delivery that a gate kept back.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn pending(&self, partner: &str) -> Result<Vec<Link>> {
        let sql = format!("{COLUMNS} WHERE partner = ?1 AND pending IS NOT NULL ORDER BY id");
        self.query(&sql, [partner], read)
    }

    /// Saves a link; a new one gets its row number.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn save_link(&self, link: &mut Link) -> Result<()> {
        let base = to_json(&link.base)?;
        let owed = link.owed.as_ref().map(to_json).transpose()?;
        let pending = link.pending.as_ref().map(to_json).transpose()?;
        let state = link.state.as_str();
        if link.id == 0 {
            self.execute(
                "INSERT INTO link (partner, remote, key, state, base, owed, pending)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                (&link.partner, &link.remote, &link.key, state, base, owed, pending),
            )?;
            link.id = self.db().sql().last_insert_rowid();
        } else {
            self.execute(
                "UPDATE link SET key = ?2, state = ?3, base = ?4, owed = ?5, pending = ?6
                 WHERE id = ?1",
                (link.id, &link.key, state, base, owed, pending),
            )?;
        }
        Ok(())
    }

    /// Forgets a link.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn remove_link(&self, id: i64) -> Result<()> {
        self.execute("DELETE FROM link WHERE id = ?1", [id]).map(drop)
    }

    /// Writes an intent down, before the write it announces.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn save_intent(&self, intent: &Intent, now: Timestamp) -> Result<()> {
        self.execute(
            "INSERT OR REPLACE INTO intent (token, partner, remote, operation, payload, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (
                &intent.token,
                &intent.partner,
                &intent.remote,
                &intent.operation,
                &intent.payload,
                now.to_rfc3339(),
            ),
        )
        .map(drop)
    }

    /// The intents of an issue whose outcome is not known.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn intents(&self, partner: &str, remote: &str) -> Result<Vec<Intent>> {
        self.query(
            "SELECT token, partner, remote, operation, payload FROM intent
             WHERE partner = ?1 AND remote = ?2 ORDER BY rowid",
            [partner, remote],
            |row| {
                Ok(Intent {
                    token: row.get(0)?,
                    partner: row.get(1)?,
                    remote: row.get(2)?,
                    operation: row.get(3)?,
                    payload: row.get(4)?,
                })
            },
        )
    }

    /// The outcome of an issue's intents is known.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn clear_intents(&self, partner: &str, remote: &str) -> Result<()> {
        let sql = "DELETE FROM intent WHERE partner = ?1 AND remote = ?2";
        self.execute(sql, [partner, remote]).map(drop)
    }

    /// The outcome of an issue's intents of one operation is known.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn clear_intents_to(&self, operation: &str, partner: &str, remote: &str) -> Result<()> {
        let sql = "DELETE FROM intent WHERE operation = ?1 AND partner = ?2 AND remote = ?3";
        self.execute(sql, [operation, partner, remote]).map(drop)
    }
}
