//! What happened last, and what an answer was followed by.

use std::collections::BTreeSet;

use super::{Answer, State, answers};
use crate::{Result, Timestamp, stamp};

impl State {
    /// When a package of a partner was last met: applied, deferred, corrupt or a duplicate.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn last_package(&self, partner: &str) -> Result<Option<String>> {
        let sql = "SELECT max(at) FROM package WHERE partner = ?1
             AND outcome IN ('applied', 'deferred', 'corrupt', 'duplicate')";
        Ok(self.query_one(sql, [partner], |row| row.get(0))?.flatten())
    }

    /// When something was last made ready for a partner: an answer, a package by hand, a repeat.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn last_sent(&self, partner: &str) -> Result<Option<String>> {
        let sql = "SELECT max(at) FROM (
             SELECT at FROM journal WHERE partner = ?1 AND kind = 'out'
             UNION ALL
             SELECT at FROM package WHERE partner = ?1
               AND outcome IN ('sent', 'resent', 'reissued'))";
        Ok(self.query_one(sql, [partner], |row| row.get(0))?.flatten())
    }

    /// How many packages met each outcome, by partner, since the beginning.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn package_counts(&self) -> Result<Vec<(Option<String>, String, u64)>> {
        let sql = "SELECT partner, outcome, count(*) FROM package GROUP BY 1, 2 ORDER BY 1, 2";
        self.query(sql, [], |row| {
            let count: i64 = row.get(2)?;
            Ok((row.get(0)?, row.get(1)?, u64::try_from(count).unwrap_or_default()))
        })
    }

    /// Names that never came though others of the same second, counted before and after them,
    /// did: partner and name. Looks at packages met since `since`, the last of them before
    /// `until`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn gaps(&self, since: Timestamp, until: Timestamp) -> Result<Vec<(String, String)>> {
        let sql = "SELECT substr(name, 1, 15), substr(name, 18, 3), max(coalesce(partner, '')),
               group_concat(DISTINCT substr(name, 16, 2)) FROM package
             WHERE at >= ?1 AND outcome IN ('applied', 'deferred', 'corrupt', 'duplicate')
               AND name GLOB 'EN[G2][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]???'
             GROUP BY 1, 2 HAVING max(at) < ?2 AND count(DISTINCT substr(name, 16, 2)) > 1";
        let groups = self.query(sql, [stamp(since), stamp(until)], |row| {
            let counters: String = row.get(3)?;
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, counters))
        })?;
        let mut gaps = Vec::new();
        for (head, tail, partner, counters) in groups {
            let (head, tail, partner): (String, String, String) = (head, tail, partner);
            let there: BTreeSet<u8> = counters.split(',').filter_map(|n| n.parse().ok()).collect();
            let (Some(first), Some(last)) = (there.first(), there.last()) else { continue };
            let missing = (*first..*last).filter(|number| !there.contains(number));
            gaps.extend(
                missing.map(|number| (partner.clone(), format!("{head}{number:02}{tail}"))),
            );
        }
        Ok(gaps)
    }

    /// The kept answers for a partner whose names follow `name`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn answers_after(&self, partner: &str, name: &str) -> Result<Vec<Answer>> {
        let sql = format!("{} WHERE partner = ?1 AND name > ?2 ORDER BY name", answers::COLUMNS);
        self.query(&sql, [partner, name], answers::read)
    }

    /// An answer is to be offered again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn refreeze(&self, name: &str) -> Result<()> {
        let sql = "UPDATE answer SET state = 'frozen' WHERE name = ?1";
        self.execute(sql, [name]).map(drop)
    }
}
