//! Reading issues.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::client::{gone, parallel};
use super::meta::Meta;
use super::{Jira, comments, fields, files};
use crate::Result;
use crate::issue::{Hasher, Issue, Record, Value};
use crate::tracker::http::{Failure, Request};

/// How many keys Cloud takes at a time.
const BULK: usize = 100;

/// The issues with these keys, in their order.
pub(super) fn many(jira: &Jira, keys: &[String]) -> Result<Vec<Option<Issue>>> {
    let meta = jira.meta()?;
    let raw = raw_many(jira, &meta, keys)?;
    // Where an issue has more comments than came along, the rest is a call.
    let decoded = |key: &String| raw.get(key).map(|json| decode(jira, &meta, json)).transpose();
    parallel(jira.parallel(), keys, decoded).into_iter().collect()
}

/// One issue, by its key; `None` when it does not exist.
pub(super) fn one(jira: &Jira, meta: &Meta, key: &str) -> Result<Option<Json>, Failure> {
    let mut request =
        Request::get(&jira.issue_path(key, "")).query("fields", &meta.asked.join(","));
    if meta.marker.is_none() {
        request = request.query("properties", super::marker::PROPERTY);
    }
    match jira.json(request) {
        Ok(json) => Ok(Some(json)),
        Err(failure) if failure.refused(404).is_some() => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The issues as Jira tells them, by the keys that were asked for. What a search does not know
/// is asked for by its key: it may be newer than the index, moved, or gone.
pub(super) fn raw_many(jira: &Jira, meta: &Meta, keys: &[String]) -> Result<HashMap<String, Json>> {
    let mut wanted: Vec<&str> = keys.iter().map(String::as_str).filter(|k| is_key(k)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut found = HashMap::with_capacity(wanted.len());
    if wanted.len() > 1 {
        let asked = meta.asked();
        let size = if jira.is_cloud() { BULK } else { jira.page_size(&asked) };
        let chunks: Vec<&[&str]> = wanted.chunks(size).collect();
        for issues in parallel(jira.parallel(), &chunks, |keys| chunk(jira, &asked, keys)) {
            for issue in issues? {
                if let Some(key) = issue["key"].as_str() {
                    found.insert(key.to_owned(), issue);
                }
            }
        }
        wanted.retain(|key| !found.contains_key(*key));
    }
    let singly = parallel(jira.parallel(), &wanted, |key| one(jira, meta, key));
    for (key, issue) in wanted.iter().zip(singly) {
        if let Some(issue) = issue? {
            found.insert((*key).to_owned(), issue);
        }
    }
    jira.learn_type(found.values());
    Ok(found)
}

fn chunk(jira: &Jira, asked: &[&str], keys: &[&str]) -> Result<Vec<Json>, Failure> {
    if jira.is_cloud() {
        let body = json!({"issueIdsOrKeys": keys, "fields": asked});
        let request = Request::post(&jira.path("issue/bulkfetch")).json(&body).repeatable();
        let mut answer = jira.json(request)?;
        return Ok(match answer["issues"].take() {
            Json::Array(issues) => issues,
            _ => Vec::new(),
        });
    }
    jira.search(&format!("key in ({})", keys.join(", ")), "key ASC", asked, false)
}

/// Whether this can be the key of an issue; anything else must not get into a query.
pub(super) fn is_key(key: &str) -> bool {
    key.rsplit_once('-').is_some_and(|(project, number)| {
        project.starts_with(|c: char| c.is_ascii_alphabetic())
            && project.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !number.is_empty()
            && number.chars().all(|c| c.is_ascii_digit())
    })
}

/// The issue that must be there.
pub(super) fn must(jira: &Jira, meta: &Meta, key: &str) -> Result<Json> {
    one(jira, meta, key)?.ok_or_else(|| gone(key))
}

/// An issue as Jira tells it, as ours.
pub(super) fn decode(jira: &Jira, meta: &Meta, json: &Json) -> Result<Issue> {
    let revision = Some(revision(meta, json));
    let mut record = Record::new();
    for (name, place) in &meta.shown {
        let value = match (place.id.as_str(), meta.known(place)) {
            ("issuekey", _) => json["key"].as_str().and_then(Value::text),
            (id, Some(known)) => fields::decode(&json["fields"][id], &known.kind, &place.path),
            _ => None,
        };
        record.set(name.as_str(), value);
    }
    let id = json["key"].as_str().unwrap_or_default().to_owned();
    let comments = comments::of_issue(jira, &id, &json["fields"]["comment"])
        .map_err(|failure| jira.at_issue(failure, &id))?;
    let attachments = files::of_issue(jira, &json["fields"]["attachment"]);
    Ok(Issue { id, fields: record, comments, attachments, revision, ..Issue::default() })
}

/// Names the state of an issue: the time of its last change, and all we read of it.
pub(super) fn revision(meta: &Meta, json: &Json) -> String {
    let mut hasher = Hasher::new(std::io::sink());
    let mut add = |text: &str| {
        let _ = std::io::Write::write_all(&mut hasher, text.as_bytes());
        let _ = std::io::Write::write_all(&mut hasher, &[0]);
    };
    let fields = &json["fields"];
    for id in meta.asked.iter().filter(|id| id.as_str() != "updated") {
        match id.as_str() {
            "comment" => {
                for comment in fields["comment"]["comments"].as_array().into_iter().flatten() {
                    add(comment["id"].as_str().unwrap_or_default());
                    add(comment["updated"].as_str().unwrap_or_default());
                }
            }
            "attachment" => {
                for file in fields["attachment"].as_array().into_iter().flatten() {
                    add(file["id"].as_str().unwrap_or_default());
                }
            }
            id => {
                let kind = meta.fields.get(id).map(|known| known.kind.clone()).unwrap_or_default();
                if let Some(value) = fields::decode(&fields[id], &kind, &[]) {
                    add(id);
                    value.items().iter().for_each(|item| add(item));
                }
            }
        }
    }
    let (_, _, digest) = hasher.finish();
    let updated = fields["updated"].as_str().unwrap_or_default();
    format!("{updated} {}", &digest.to_string()[..16])
}
