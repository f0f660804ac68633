//! What changed, by the tracker's own clock.
//!
//! Roundup dates changes (`activity`) by the second and may commit them in another order, so the
//! last date seen is no safe limit. Each look goes back [`OVERLAP`] behind it and compares what
//! it finds with a ledger: one entry for each issue and message of that time, with a hash of all
//! it holds. What is in the ledger as it was is no news.
//!
//! An issue that is retired is dated by nothing and is in no list any more: it is missed by
//! counting.

use std::collections::{BTreeMap, BTreeSet};

use super::Roundup;
use super::data::{Data, Item, Where};
use super::fields::Place;
use super::revision::DATED;
use crate::tracker::Feed;
use crate::{Digest, Result, Timestamp};

const OVERLAP: chrono::TimeDelta = chrono::TimeDelta::minutes(10);

/// What a token begins with; another version would not understand this one's.
const VERSION: &str = "roundup2";

/// Where a look ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// The latest change.
    latest: Option<Timestamp>,
    /// How many issues there are.
    count: u64,
    /// The highest number an issue has had.
    highest: u64,
    /// `i12`, `m7` or `ext_tracker_state3` and a hash, of what changed within [`OVERLAP`] before
    /// the latest change.
    ledger: BTreeMap<String, String>,
}

impl Seen {
    /// `roundup2 2026-01-02T03:04:05Z 811/815 i12:ab12… m7:…`
    fn token(&self) -> String {
        let mut token = VERSION.to_owned();
        if let Some(latest) = self.latest {
            let (count, highest) = (self.count, self.highest);
            token.push_str(&format!(" {} {count}/{highest}", crate::stamp(latest)));
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
            let (count, highest) = words.next()?.split_once('/')?;
            (seen.count, seen.highest) = (count.parse().ok()?, highest.parse().ok()?);
        }
        for word in words {
            let (item, hash) = word.split_once(':')?;
            seen.ledger.insert(item.to_owned(), hash.to_owned());
        }
        Some(seen)
    }

    /// How many issues were retired: they are dated by nothing, but leave a gap, since a number
    /// is never given again.
    fn retired(&self) -> u64 {
        self.highest.saturating_sub(self.count)
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
        let Some(before @ Seen { latest: Some(latest), .. }) = before else {
            return self.since_ever();
        };
        let (now, changed) = self.look_since(latest - OVERLAP, &before)?;
        let current = now.latest.is_some_and(|now| now >= latest);
        // What stood there is gone: retired, or the tracker was restored from a backup.
        let lost = before.ledger.keys().any(|item| !changed.seen.contains(item));
        if !current || lost || now.retired() != before.retired() {
            return Ok(Feed { keys: None, ..self.since_ever()? });
        }
        let issues = self.issues_of(changed)?;
        let revisions = self.revisions(&issues)?;
        let keys = Some(issues.into_iter().map(|issue| issue.id).collect());
        Ok(Feed { token: now.token(), keys, revisions })
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
            (seen, _) = self.look_since(latest - OVERLAP, &Seen::default())?;
        }
        let keys = all.into_iter().map(|(_, _, id)| id).collect();
        Ok(Feed { token: seen.token(), keys: Some(keys), ..Feed::default() })
    }

    /// What changed since then, and what of it is news.
    fn look_since(&self, since: Timestamp, before: &Seen) -> Result<(Seen, Changed)> {
        let (count, last) = self.api()?.count("issue")?;
        let which = Where::Since("activity".to_owned(), since);
        let properties = self.properties()?;
        let issues = self.api()?.select("issue", &which, &properties)?;
        let mut message = DATED.to_vec();
        message.extend(self.keywords()?.map(|(property, _)| property));
        let messages = self.api()?.select("msg", &which, &message)?;
        // Messages are made before the issue has them: that is the issue's change, which also
        // says how far we have seen.
        let latest = issues.iter().filter_map(|issue| issue.time("activity")).max();
        let highest = match before.highest.max(last) {
            // Old releases do not sort: a new issue is among those that changed.
            highest if highest > last => {
                issues.iter().map(|issue| number(&issue.id)).fold(highest, u64::max)
            }
            highest => highest,
        };
        let mut found = Seen { latest, count, highest, ..Seen::default() };
        let mut look = Look { before, now: &mut found, changed: Changed::default() };
        for issue in issues {
            if look.is_news(format!("i{}", issue.id), &issue) {
                look.changed.issues.push(issue);
            }
        }
        for message in messages {
            let name = format!("m{}", message.id);
            // A new one is news of its issue.
            let new = message.time("creation") == message.time("activity")
                && !before.ledger.contains_key(&name);
            if look.is_news(name, &message) && !new {
                look.changed.messages.push(message.id);
            }
        }
        for (class, (link, read)) in self.back_places()? {
            let mut properties = vec!["activity", &*link];
            properties.extend(read.iter().map(String::as_str));
            for item in self.api()?.select(&class, &which, &properties)? {
                if look.is_news(format!("{class}{}", item.id), &item) {
                    look.changed.others.extend(linked_by(&item, &link));
                }
            }
        }
        let changed = look.changed;
        Ok((found, changed))
    }

    /// The classes whose items link back to issues and are asked for by fields
    /// `/CLASS/PROPERTY`: the link, and the properties.
    fn back_places(&self) -> Result<BTreeMap<String, (String, BTreeSet<String>)>> {
        let mut places: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
        for field in self.options.fields.iter().filter(|field| field.starts_with('/')) {
            if let Some(Place::Back { class, link, property, .. }) = self.place(field)? {
                places.entry(class).or_insert((link, BTreeSet::new())).1.insert(property);
            }
        }
        Ok(places)
    }

    /// The issues, in the order of their changes.
    fn issues_of(&self, changed: Changed) -> Result<Vec<Item>> {
        let properties = self.properties()?;
        let Changed { mut issues, messages, others, .. } = changed;
        let others: Vec<String> = others.into_iter().collect();
        let by_message = messages.chunks(150).map(|ids| Where::to("messages", ids.to_vec()));
        let by_id = others.chunks(150).map(|ids| Where::Ids(ids.to_vec()));
        for which in by_message.chain(by_id) {
            for issue in self.api()?.select("issue", &which, &properties)? {
                if !issues.iter().any(|known| known.id == issue.id) {
                    issues.push(issue);
                }
            }
        }
        issues.sort_by_key(|issue| (issue.time("activity"), number(&issue.id)));
        Ok(issues)
    }
}

/// What an item says of its link.
pub(super) fn linked_by(item: &Item, link: &str) -> Vec<String> {
    match item.values.get(link) {
        Some(Data::Text(id)) => vec![id.clone()],
        Some(Data::Ids(ids)) => ids.clone(),
        None => Vec::new(),
    }
}

/// What a look found.
#[derive(Default)]
struct Changed {
    issues: Vec<Item>,
    messages: Vec<String>,
    /// The issues of other items that changed.
    others: BTreeSet<String>,
    seen: BTreeSet<String>,
}

/// A look under way.
struct Look<'a> {
    before: &'a Seen,
    now: &'a mut Seen,
    changed: Changed,
}

impl Look<'_> {
    /// Whether an item is not as it was; remembers how it is.
    fn is_news(&mut self, name: String, item: &Item) -> bool {
        let hash = hash(item);
        let news = self.before.ledger.get(&name) != Some(&hash);
        let keep = self.now.latest.map(|latest| latest - OVERLAP);
        if keep.is_none_or(|keep| item.time("activity").is_some_and(|at| at >= keep)) {
            self.now.ledger.insert(name.clone(), hash);
        }
        self.changed.seen.insert(name);
        news
    }
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
            count: 811,
            highest: 815,
            ledger: [("i12".to_owned(), "ab".to_owned()), ("m7".to_owned(), "cd".to_owned())]
                .into(),
        };
        assert_eq!(seen.token(), "roundup2 2026-01-02T03:04:05Z 811/815 i12:ab m7:cd");
        assert_eq!(seen.retired(), 4);
        assert_eq!(Seen::parse(&seen.token()), Some(seen));
        assert_eq!(Seen::parse(&Seen::default().token()), Some(Seen::default()));
        for strange in [
            "",
            "junk",
            "99@2025-03-10T08:00:00Z",
            "roundup1 2026-01-02T03:04:05Z i12:ab",
            "roundup2 x",
            "roundup2 2026-01-02T03:04:05Z",
            "roundup2 2026-01-02T03:04:05Z i12:ab",
            "roundup2 2026-01-02T03:04:05Z 1/2 i12",
        ] {
            assert_eq!(Seen::parse(strange), None, "{strange}");
        }
    }
}
