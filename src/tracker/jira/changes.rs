//! What changed: a look back over the tracker's own clock, and a ledger of what was seen there.
//!
//! The token holds an instant of the tracker's clock and, for each issue changed since then, the
//! change that was seen. A search over that window tells which are new. The window reaches back
//! far enough for changes that a search shows late; as long as nothing changes it stays.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::Jira;
use super::client::both;
use super::fields::parse_instant;
use super::marker::{self, number};
use super::read;
use crate::tracker::Feed;
use crate::tracker::http::Request;
use crate::{Error, Result, Timestamp};

/// How far the window reaches back: longer than any search index lags.
const OVERLAP: chrono::TimeDelta = chrono::TimeDelta::minutes(15);
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
            let (time, all) = both(
                || now(jira),
                || jira.search(&jql, "updated ASC, key ASC", &["updated"], false),
            );
            let all = in_order(all?);
            marker::listed(jira, all.iter().map(|change| number(&change.key)).max());
            let token = anew(time?, 0, &all);
            let keys = Some(all.into_iter().map(|change| change.key).collect());
            Ok(Feed { token: token.text(project), keys, ..Feed::default() })
        }
        (Some(_), None) => {
            let time = now(jira)?;
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

fn further(jira: &Jira, old: &Token) -> Result<Feed> {
    let project = &jira.options.project;
    let meta = jira.meta()?;
    let full = old.seen.len() <= FEW;
    let fields = if full { meta.asked() } else { vec!["updated"] };
    let found = window(jira, old.since, &fields)?;
    let news: Vec<&Change> =
        found.iter().filter(|change| old.seen.get(&change.key) != Some(&change.updated)).collect();
    if news.is_empty() {
        return Ok(Feed { token: old.text(project), keys: Some(vec![]), ..Feed::default() });
    }
    let revisions = news
        .iter()
        .filter(|_| full)
        .map(|change| (change.key.clone(), read::revision(&meta, &change.json)))
        .collect();
    let keys = Some(news.iter().map(|change| change.key.clone()).collect());
    let token = anew(now(jira)?, old.since, &found).text(project);
    Ok(Feed { token, keys, revisions })
}

/// The token after all of `found` was seen; the window never reaches further back than before.
fn anew(now: Timestamp, before: i64, found: &[Change]) -> Token {
    let since = (now - OVERLAP).timestamp_millis().max(before);
    let recent = |change: &&Change| change.at.is_none_or(|at| at.timestamp_millis() >= since);
    let seen = found.iter().filter(recent);
    let seen = seen.map(|change| (change.key.clone(), change.updated.clone())).collect();
    Token { since, seen }
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

/// The tracker's time.
fn now(jira: &Jira) -> Result<Timestamp> {
    let info = jira.json(Request::get(&jira.path("serverInfo")))?;
    let time = info["serverTime"].as_str().and_then(parse_instant);
    time.ok_or_else(|| {
        let what = "the tracker does not tell its time (serverInfo)";
        Error::wait(crate::tracker::TRACKER_UNAVAILABLE, what)
    })
}
