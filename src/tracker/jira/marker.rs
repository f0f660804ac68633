//! The marker that ties an issue to a partner's: setting it, and finding the issues that carry it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value as Json, json};

use super::client::{self, parallel, quote};
use super::meta::Meta;
use super::{Jira, comments, fields, read};
use crate::tracker::http::{Failure, Request};
use crate::tracker::{Probed, TRACKER_REFUSED};
use crate::{Error, Result};

/// The entity property of ours, on issues and on comments.
pub(super) const PROPERTY: &str = "engsync";
/// How many markers one search asks for.
const BATCH_SERVER: usize = 500;
const BATCH_CLOUD: usize = 100;
/// After so many keys in a row that do not exist there is none to come: Jira leaves gaps where a
/// create failed.
const GAP: usize = 10;
/// How many keys after the highest known one are looked at.
const FARTHEST: u64 = 20_000;

/// The marker of an issue that was read with it.
pub(super) fn of(meta: &Meta, json: &Json) -> Option<String> {
    match &meta.marker {
        Some(id) => fields::words(&json["fields"][id], &fields::Kind::default(), &[]),
        None => json["properties"][PROPERTY]["marker"].as_str().map(str::to_owned),
    }
}

/// Adds the marker to the body that makes an issue.
pub(super) fn put(jira: &Jira, meta: &Meta, marker: &str, body: &mut Json) {
    match &meta.marker {
        Some(id) => {
            let rich = meta.fields.get(id).is_some_and(|known| known.kind.is_rich());
            let value =
                if rich && jira.is_cloud() { super::adf::from_text(marker) } else { json!(marker) };
            body["fields"][id] = value;
        }
        None => body["properties"] = json!([{"key": PROPERTY, "value": {"marker": marker}}]),
    }
}

/// The keys of the issues that carry each marker.
pub(super) fn find(jira: &Jira, markers: &[&str]) -> Result<Vec<Vec<String>>> {
    let wanted: BTreeSet<&str> = markers.iter().copied().filter(|m| !m.is_empty()).collect();
    if wanted.is_empty() {
        return Ok(vec![Vec::new(); markers.len()]);
    }
    let meta = jira.meta()?;
    let wanted: Vec<&str> = wanted.into_iter().collect();
    let mut carriers: BTreeMap<String, BTreeSet<(u64, String)>> = BTreeMap::new();
    for issue in candidates(jira, &meta, &wanted)? {
        if let (Some(marker), Some(key)) = (of(&meta, &issue), issue["key"].as_str()) {
            carriers.entry(marker).or_default().insert((number(key), key.to_owned()));
        }
    }
    let keys = |marker: &&str| {
        let found = carriers.get(*marker).into_iter().flatten();
        found.map(|(_, key)| key.clone()).collect()
    };
    Ok(markers.iter().map(keys).collect())
}

/// Issues among which those that carry the markers are.
fn candidates(jira: &Jira, meta: &Meta, wanted: &[&str]) -> Result<Vec<Json>> {
    let (or_refused, unsearchable) = {
        let memory = jira.memory();
        (memory.or_refused, memory.property_unsearchable)
    };
    let one_by_one = meta.marker.is_some() && (wanted.len() == 1 || !or_refused);
    if one_by_one || (meta.marker.is_none() && !unsearchable) {
        let batch = if jira.is_cloud() { BATCH_CLOUD } else { BATCH_SERVER };
        let mut found = Vec::new();
        for markers in wanted.chunks(batch) {
            let jql = query(meta, markers);
            let fields: Vec<&str> = meta.marker.iter().map(String::as_str).collect();
            match jira.search(&jql, "key ASC", &fields, meta.marker.is_none()) {
                Ok(issues) => found.extend(issues),
                Err(failure) if failure.refused(400).is_some() => {
                    tracing::debug!(%failure, "markers are looked for by looking at all issues");
                    let mut memory = jira.memory();
                    memory.or_refused |= markers.len() > 1;
                    memory.property_unsearchable |= meta.marker.is_none();
                    drop(memory);
                    return everything(jira, meta);
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        // A site that does not index the property finds nothing and does not say so.
        if meta.marker.is_some() || found.len() >= wanted.len() {
            return Ok(found);
        }
    }
    everything(jira, meta)
}

/// All issues that may carry a marker.
fn everything(jira: &Jira, meta: &Meta) -> Result<Vec<Json>> {
    let project = &jira.options.project;
    let fields: Vec<&str> = meta.marker.iter().map(String::as_str).collect();
    let jql = match &meta.marker {
        Some(id) => format!("project = {project} AND {} is not EMPTY", field_name(meta, id)),
        None => format!("project = {project}"),
    };
    Ok(jira.search(&jql, "key ASC", &fields, meta.marker.is_none())?)
}

fn query(meta: &Meta, markers: &[&str]) -> String {
    let Some(id) = &meta.marker else {
        let list: Vec<String> = markers.iter().map(|marker| quote(marker)).collect();
        return format!("issue.property[{PROPERTY}].marker in ({})", list.join(", "));
    };
    let name = field_name(meta, id);
    let clauses: Vec<String> = markers
        .iter()
        .map(|marker| {
            // A phrase of the text search; what it finds is compared afterwards.
            let phrase = format!("\"{}\"", marker.replace('\\', "\\\\").replace('"', "\\\""));
            format!("{name} ~ {}", quote(&phrase))
        })
        .collect();
    clauses.join(" OR ")
}

/// A field as queries name it.
fn field_name(meta: &Meta, id: &str) -> String {
    let name = meta.fields.get(id).map(|known| known.name.as_str()).unwrap_or_default();
    let twins = meta.fields.values().filter(|known| known.name.eq_ignore_ascii_case(name)).count();
    if twins == 1 && !name.contains(['"', '\\']) {
        return format!("\"{name}\"");
    }
    match id.strip_prefix("customfield_") {
        Some(number) => format!("cf[{number}]"),
        None => id.to_owned(),
    }
}

/// `41` of `TST-41`.
pub(super) fn number(key: &str) -> u64 {
    key.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

/// The highest key of the project, before something is made.
pub(super) fn before_create(jira: &Jira) -> Result<String> {
    let project = &jira.options.project;
    if let Some(highest) = jira.memory().highest {
        return Ok(json!({"project": project, "highest": highest}).to_string());
    }
    let jql = format!("project = {project} ORDER BY key DESC");
    let body = json!({"jql": jql, "maxResults": 200, "fields": ["created"]});
    let path = jira.path(if jira.is_cloud() { "search/jql" } else { "search" });
    let page = jira.json(Request::post(&path).json(&body).repeatable())?;
    let keys = page["issues"].as_array().into_iter().flatten();
    let highest = keys.filter_map(|issue| issue["key"].as_str()).map(number).max().unwrap_or(0);
    Ok(json!({"project": project, "highest": highest}).to_string())
}

/// Whether creates whose outcome was lost took place: by search, and by the keys that came after,
/// which are read past the search index.
pub(super) fn probe(jira: &Jira, markers: &[&str], before: &str) -> Result<Vec<Probed>> {
    let found = find(jira, markers)?;
    if found.iter().all(|keys| !keys.is_empty()) {
        return Ok(found.into_iter().map(Probed::Found).collect());
    }
    let before: Json = serde_json::from_str(before).unwrap_or_default();
    let known = before["highest"]
        .as_u64()
        .filter(|_| before["project"].as_str() == Some(jira.options.project.as_str()));
    let Some(highest) = known else {
        let unsure = |keys: Vec<String>| {
            if keys.is_empty() { Probed::Unsure } else { Probed::Found(keys) }
        };
        return Ok(found.into_iter().map(unsure).collect());
    };
    let later = later(jira, highest)?;
    let probed = markers.iter().zip(found).map(|(marker, keys)| {
        if !keys.is_empty() {
            return Probed::Found(keys);
        }
        match later.carriers.get(*marker) {
            Some(keys) => Probed::Found(keys.clone()),
            None if later.is_certain => Probed::Absent,
            None => Probed::Unsure,
        }
    });
    Ok(probed.collect())
}

/// What was made after the highest key that was known.
struct Later {
    carriers: HashMap<String, Vec<String>>,
    /// Every issue of ours among them showed whether it carries a marker.
    is_certain: bool,
}

fn later(jira: &Jira, highest: u64) -> Result<Later> {
    let meta = jira.meta()?;
    let mut later = Later { carriers: HashMap::new(), is_certain: true };
    let mut gap = 0;
    let mut next = highest + 1;
    while next < highest + FARTHEST {
        let numbers: Vec<u64> = (next..next + GAP as u64).collect();
        next += GAP as u64;
        for issue in parallel(jira.parallel(), &numbers, |number| peek(jira, &meta, *number)) {
            let Some(issue) = issue? else {
                gap += 1;
                continue;
            };
            gap = 0;
            match of(&meta, &issue) {
                Some(marker) => {
                    let key = issue["key"].as_str().unwrap_or_default().to_owned();
                    later.carriers.entry(marker).or_default().push(key);
                }
                None if meta.marker.is_none() && issue["properties"].is_null() => {
                    // A server without properties: an issue of ours may be the one.
                    let myself = comments::myself(jira)?;
                    let creator = comments::account(&issue["fields"]["creator"]);
                    later.is_certain &= creator != Some(myself.as_str());
                }
                None => {}
            }
        }
        if gap >= GAP {
            return Ok(later);
        }
    }
    later.is_certain = false;
    Ok(later)
}

fn peek(jira: &Jira, meta: &Meta, number: u64) -> Result<Option<Json>, Failure> {
    let key = format!("{}-{number}", jira.options.project);
    let asked = meta.marker.as_deref().map_or("creator".to_owned(), |id| format!("creator,{id}"));
    let mut request = Request::get(&jira.issue_path(&key, "")).query("fields", &asked);
    if meta.marker.is_none() {
        request = request.query("properties", PROPERTY);
    }
    match jira.json(request) {
        Ok(json) => Ok(Some(json)),
        Err(failure) if failure.refused(404).is_some() => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Ties an issue to a marker, or unties it.
pub(super) fn mark(jira: &Jira, key: &str, marker: Option<&str>) -> Result<()> {
    let meta = jira.meta()?;
    let issue = read::must(jira, &meta, key)?;
    if of(&meta, &issue).as_deref() == marker {
        return Ok(());
    }
    if let Some(marker) = marker {
        let holders = find(jira, &[marker])?.pop().unwrap_or_default();
        if let Some(other) = holders.iter().find(|other| *other != key) {
            let what = format!("{marker} is tied to {other} already");
            return Err(Error::item(TRACKER_REFUSED, what));
        }
    }
    let request = match (&meta.marker, marker) {
        (Some(_), Some(marker)) => {
            let mut body = json!({"fields": {}});
            put(jira, &meta, marker, &mut body);
            Request::put(&jira.issue_path(key, "")).json(&body)
        }
        (Some(id), None) => {
            Request::put(&jira.issue_path(key, "")).json(&json!({"fields": {(id.as_str()): null}}))
        }
        (None, marker) => {
            let path = jira.issue_path(key, &format!("/properties/{PROPERTY}"));
            match marker {
                Some(marker) => Request::put(&path).json(&json!({ "marker": marker })),
                None => Request::delete(&path),
            }
        }
    };
    match jira.http.call(request) {
        Ok(_) => Ok(()),
        Err(failure) if marker.is_none() && failure.refused(404).is_some() => Ok(()),
        Err(failure) => Err(client::explain(failure, key)),
    }
}
