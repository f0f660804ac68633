//! What changed: a look back over the tracker's own clock, and a ledger of what was seen there.
//!
//! The token holds an instant of the tracker's clock and, for each issue changed since then, the
//! change that was seen. A search over that window tells which are new. The window reaches back
//! far enough for changes that a search shows late; as long as little changes it stays.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value as Json, json};

use super::client::both;
use super::fields::parse_instant;
use super::marker::{self, number};
use super::{Jira, discover, read};
use crate::tracker::Feed;
use crate::tracker::http::Request;
use crate::{Error, Result, Timestamp};

/// How far the window reaches back: longer than any search index lags.
const OVERLAP: chrono::TimeDelta = chrono::TimeDelta::minutes(15);
/// How long the tracker's time is not asked for again: an older one only makes the window larger.
const FRESH: std::time::Duration = std::time::Duration::from_secs(60);
/// More changes than this that leave the window when it moves on are worth a call for the tracker's
/// time; fewer stay in it.
const MANY: usize = 20;
/// While no more changes than this were seen in the window, it is read with all fields, so that
/// revisions can be told.
const FEW: usize = 100;

struct Token {
    since: i64,
    seen: BTreeMap<String, String>,
}

impl Token {
    fn parse(text: &str, project: &str) -> Option<Self> {
        let json: Json = serde_json::from_str(text).ok()?;
        if json["jira"] != 1 || json["project"] != project {
            return None;
        }
        let seen = json["seen"].as_object()?.iter();
        let seen = seen.map(|(key, at)| Some((key.clone(), at.as_str()?.to_owned())));
        let since = json["since"].as_i64().filter(|since| *since > 0)?;
        Some(Self { since, seen: seen.collect::<Option<_>>()? })
    }

    fn text(&self, project: &str) -> String {
        json!({"jira": 1, "project": project, "since": self.since, "seen": self.seen}).to_string()
    }
}

pub(super) fn since(jira: &Jira, token: Option<&str>) -> Result<Feed> {
    let project = &jira.options.project;
    let old = token.and_then(|token| Token::parse(token, project));
    match (token, old) {
        (_, Some(old)) => further(jira, &old),
        (None, None) => {
            let jql = format!("project = {project}");
            // Nothing is known yet, so that something is to be made: of which type, is asked for
            // at the same time.
            let search = || jira.search(&jql, "updated ASC, key ASC", &["updated"], false);
            let (type_at, all) = both(jira.parallel(), || discover::type_at(jira), search);
            type_at?;
            let all = in_order(all?);
            marker::listed(jira, all.iter().map(|change| number(&change.key)).max());
            let token = if all.len() > MANY {
                anew(now(jira, None)?, 0, &all)
            } else {
                Token { since: 1, seen: all.iter().map(Change::entry).collect() }
            };
            let keys = Some(all.into_iter().map(|change| change.key).collect());
            Ok(Feed { token: token.text(project), keys, ..Feed::default() })
        }
        (Some(_), None) => {
            let time = now(jira, None)?;
            let since = (time - OVERLAP).timestamp_millis();
            let token = anew(time, since, &window(jira, since, &["updated"])?);
            Ok(Feed { token: token.text(project), keys: None, ..Feed::default() })
        }
    }
}

/// An issue that changed, and when.
struct Change {
    key: String,
    updated: String,
    at: Option<Timestamp>,
    json: Json,
}

impl Change {
    /// As the ledger keeps it.
    fn entry(&self) -> (String, String) {
        (self.key.clone(), self.updated.clone())
    }
}

fn further(jira: &Jira, old: &Token) -> Result<Feed> {
    let project = &jira.options.project;
    let meta = jira.meta()?;
    let full = old.seen.len() <= FEW;
    let fields = if full { meta.asked() } else { vec!["updated"] };
    let found = window(jira, old.since, &fields)?;
    let news: Vec<&Change> =
        found.iter().filter(|change| old.seen.get(&change.key) != Some(&change.updated)).collect();
    let revisions = news
        .iter()
        .filter(|_| full)
        .map(|change| (change.key.clone(), read::revision(&meta, &change.json)))
        .collect();
    let keys = Some(news.iter().map(|change| change.key.clone()).collect());
    let latest = found.iter().filter_map(|change| change.at).max();
    let worth = if news.is_empty() { !full } else { is_full_of_old(&found, latest) };
    if !worth && news.is_empty() {
        return Ok(Feed { token: old.text(project), keys, ..Feed::default() });
    }
    let token = if worth {
        anew(now(jira, latest)?, old.since, &found)
    } else {
        Token { since: old.since, seen: found.iter().map(Change::entry).collect() }
    };
    Ok(Feed { token: token.text(project), keys, revisions })
}

/// Whether the window holds much that will leave it when it moves on. The latest change only tells
/// whether it pays to ask for the time; it may lie in the future, and is never where the window
/// begins.
fn is_full_of_old(found: &[Change], latest: Option<Timestamp>) -> bool {
    let Some(latest) = latest else { return false };
    let older = |change: &&Change| change.at.is_some_and(|at| at < latest - OVERLAP);
    found.iter().filter(older).count() > MANY
}

/// The token after all of `found` was seen; the window never reaches further back than before.
fn anew(now: Timestamp, before: i64, found: &[Change]) -> Token {
    let since = (now - OVERLAP).timestamp_millis().max(before);
    let recent = |change: &&Change| change.at.is_none_or(|at| at.timestamp_millis() >= since);
    Token { since, seen: found.iter().filter(recent).map(Change::entry).collect() }
}

/// What changed since an instant, oldest change first.
fn window(jira: &Jira, since: i64, fields: &[&str]) -> Result<Vec<Change>> {
    // Milliseconds since 1970 mean the same in every time zone; a date and time would be read in
    // that of the account.
    let jql = format!("project = {} AND updated >= {since}", jira.options.project);
    let mut found = in_order(jira.search(&jql, "updated ASC, key ASC", fields, false)?);
    found.retain(|change| change.at.is_none_or(|at| at.timestamp_millis() >= since));
    Ok(found)
}

fn in_order(issues: Vec<Json>) -> Vec<Change> {
    let mut found: Vec<Change> = issues
        .into_iter()
        .filter_map(|json| {
            let key = json["key"].as_str()?.to_owned();
            let updated = json["fields"]["updated"].as_str().unwrap_or_default().to_owned();
            let at = parse_instant(&updated);
            Some(Change { key, updated, at, json })
        })
        .collect();
    found.sort_by(|a, b| (a.at, number(&a.key), &a.key).cmp(&(b.at, number(&b.key), &b.key)));
    // Paging may show an issue twice that was changed meanwhile; the later change counts.
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for (at, change) in found.iter().enumerate() {
        last.insert(change.key.clone(), at);
    }
    let mut at = 0;
    found.retain(|change| {
        at += 1;
        last.get(&change.key) == Some(&(at - 1))
    });
    found
}

/// The tracker's time, as of at most [`FRESH`] ago by our clock, and not long before the latest
/// change by its own.
fn now(jira: &Jira, latest: Option<Timestamp>) -> Result<Timestamp> {
    if let Some((time, asked)) = jira.memory().time
        && asked.elapsed() < FRESH
        && latest.is_none_or(|latest| latest < time + FRESH)
    {
        return Ok(time);
    }
    let info = jira.json(Request::get(&jira.path("serverInfo")))?;
    let time = info["serverTime"].as_str().and_then(parse_instant).ok_or_else(|| {
        let what = "the tracker does not tell its time (serverInfo)";
        Error::wait(crate::tracker::TRACKER_UNAVAILABLE, what)
    })?;
    jira.memory().time = Some((time, Instant::now()));
    Ok(time)
}
