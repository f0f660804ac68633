//! What changed, by the tracker's own clock.
//!
//! Roundup dates changes (`activity`) by the second and may commit them in another order, so the
//! last date seen is no safe limit. Each look goes back [`OVERLAP`] behind it and compares what
//! it finds with a ledger: one entry for each issue and message of that time, with a hash of all
//! it holds. What is in the ledger as it was is no news.

use std::collections::{BTreeMap, BTreeSet};

use super::Roundup;
use super::data::{Item, Where};
use crate::tracker::Feed;
use crate::{Digest, Result, Timestamp};

const OVERLAP: chrono::TimeDelta = chrono::TimeDelta::minutes(10);

/// What a token begins with; another version would not understand this one's.
const VERSION: &str = "roundup1";

/// Where a look ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// The latest change.
    latest: Option<Timestamp>,
    /// `i12` or `m7` and a hash, of what changed within [`OVERLAP`] before that.
    ledger: BTreeMap<String, String>,
}

impl Seen {
    /// `roundup1 2026-01-02T03:04:05Z i12:ab12… m7:…`
    fn token(&self) -> String {
        let mut token = VERSION.to_owned();
        if let Some(latest) = self.latest {
            token.push(' ');
            token.push_str(&crate::stamp(latest));
        }
        for (item, hash) in &self.ledger {
            token.push_str(&format!(" {item}:{hash}"));
        }
        token
    }

    fn parse(token: &str) -> Option<Self> {
        let mut words = token.split(' ');
        if words.next() != Some(VERSION) {
            return None;
        }
        let mut seen = Self::default();
        if let Some(latest) = words.next() {
            seen.latest = Some(latest.parse().ok()?);
        }
        for word in words {
            let (item, hash) = word.split_once(':')?;
            seen.ledger.insert(item.to_owned(), hash.to_owned());
        }
        Some(seen)
    }
}

fn hash(item: &Item) -> String {
    let text = format!("{:?}", item.values);
    Digest::of(text.as_bytes()).to_string()[..12].to_owned()
}

impl Roundup {
    pub(super) fn feed(&self, token: Option<&str>) -> Result<Feed> {
        let before = match token {
            None => None,
            Some(token) => match Seen::parse(token) {
                Some(seen) => Some(seen),
                None => return Ok(Feed { keys: None, ..self.since_ever()? }),
            },
        };
        let Some(Seen { latest: Some(latest), ledger }) = before else { return self.since_ever() };
        let (now, changed) = self.look_since(latest - OVERLAP, &ledger)?;
        let current = now.latest.is_some_and(|now| now >= latest);
        // What stood there is gone: retired, or the tracker was restored from a backup.
        let lost = ledger.keys().any(|item| !changed.seen.contains(item));
        if !current || lost {
            return Ok(Feed { keys: None, ..self.since_ever()? });
        }
        Ok(Feed { token: now.token(), keys: Some(self.keys_of(changed)?), ..Feed::default() })
    }

    fn since_ever(&self) -> Result<Feed> {
        let all = self.api()?.select("issue", &Where::All, &["activity"])?;
        let mut all: Vec<(Option<Timestamp>, u64, String)> = all
            .into_iter()
            .map(|issue| (issue.time("activity"), number(&issue.id), issue.id))
            .collect();
        all.sort();
        let latest = all.last().and_then(|(at, ..)| *at);
        let mut seen = Seen { latest, ..Seen::default() };
        if let Some(latest) = latest {
            (seen, _) = self.look_since(latest - OVERLAP, &BTreeMap::new())?;
        }
        let keys = all.into_iter().map(|(_, _, id)| id).collect();
        Ok(Feed { token: seen.token(), keys: Some(keys), ..Feed::default() })
    }

    /// What changed since then, and what of it is news.
    fn look_since(
        &self,
        since: Timestamp,
        ledger: &BTreeMap<String, String>,
    ) -> Result<(Seen, Changed)> {
        let which = Where::Since("activity".to_owned(), since);
        let properties = self.properties()?;
        let issues = self.api()?.select("issue", &which, &properties)?;
        let mut message = vec!["creation", "activity", "summary", "messageid", "author", "date"];
        let keywords: Vec<&str> = self.message_properties()?.into_iter().skip(6).collect();
        message.extend(keywords);
        let messages = self.api()?.select("msg", &which, &message)?;
        // Messages are made before the issue has them: that is the issue's change, which also
        // says how far we have seen.
        let latest = issues.iter().filter_map(|issue| issue.time("activity")).max();
        let mut changed = Changed::default();
        let mut found = Seen { latest, ..Seen::default() };
        let keep = latest.map(|latest| latest - OVERLAP);
        for (kind, items) in [('i', &issues), ('m', &messages)] {
            for item in items {
                let (name, hash) = (format!("{kind}{}", item.id), hash(item));
                if ledger.get(&name) != Some(&hash) {
                    match kind {
                        'i' => changed.issues.push((item.time("activity"), item.id.clone())),
                        // A new one is news of its issue.
                        _ if item.time("creation") == item.time("activity")
                            && !ledger.contains_key(&name) => {}
                        _ => changed.messages.push(item.id.clone()),
                    }
                }
                if keep.is_none_or(|keep| item.time("activity").is_some_and(|at| at >= keep)) {
                    found.ledger.insert(name.clone(), hash);
                }
                changed.seen.insert(name);
            }
        }
        Ok((found, changed))
    }

    /// The issues, in the order of their changes.
    fn keys_of(&self, changed: Changed) -> Result<Vec<String>> {
        let mut issues = changed.issues;
        for chunk in changed.messages.chunks(150) {
            let which = Where::to("messages", chunk.to_vec());
            for issue in self.api()?.select("issue", &which, &["activity"])? {
                if !issues.iter().any(|(_, id)| *id == issue.id) {
                    issues.push((issue.time("activity"), issue.id));
                }
            }
        }
        issues.sort_by_key(|(at, id)| (*at, number(id)));
        Ok(issues.into_iter().map(|(_, id)| id).collect())
    }
}

/// What a look found.
#[derive(Default)]
struct Changed {
    issues: Vec<(Option<Timestamp>, String)>,
    messages: Vec<String>,
    seen: BTreeSet<String>,
}

fn number(id: &str) -> u64 {
    id.parse().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_what_was_seen() {
        let seen = Seen {
            latest: Some("2026-01-02T03:04:05Z".parse().unwrap()),
            ledger: [("i12".to_owned(), "ab".to_owned()), ("m7".to_owned(), "cd".to_owned())]
                .into(),
        };
        assert_eq!(seen.token(), "roundup1 2026-01-02T03:04:05Z i12:ab m7:cd");
        assert_eq!(Seen::parse(&seen.token()), Some(seen));
        assert_eq!(Seen::parse(&Seen::default().token()), Some(Seen::default()));
        for strange in [
            "",
            "junk",
            "99@2025-03-10T08:00:00Z",
            "roundup1 x",
            "roundup1 2026-01-02T03:04:05Z i12",
        ] {
            assert_eq!(Seen::parse(strange), None, "{strange}");
        }
    }
}
