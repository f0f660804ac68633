//! The marker that ties an issue to a partner's: setting it, and finding the issues that carry it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value as Json, json};

use super::client::{self, both, parallel, quote};
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

/// [`find`] for issues that will be made where there are none: what new ones take is asked for at
/// the same time.
pub(super) fn find_to_make(jira: &Jira, markers: &[&str]) -> Result<Vec<Vec<String>>> {
    let one_by_one = jira.meta()?.marker.is_none() && !jira.is_cloud();
    if one_by_one || markers.iter().all(|marker| marker.is_empty()) {
        return find(jira, markers);
    }
    let (whole, found) = both(jira.parallel(), || jira.whole(), || find(jira, markers));
    let found = found?;
    whole.map(|_| found)
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
    if let Some(id) = &meta.marker {
        let jql = format!("project = {project} AND {} is not EMPTY", field_name(meta, id));
        return Ok(jira.search(&jql, "key ASC", &fields, false)?);
    }
    let jql = format!("project = {project}");
    if jira.is_cloud() {
        return Ok(jira.search(&jql, "key ASC", &fields, true)?);
    }
    // A Server's search tells no properties: each issue is asked once.
    if jira.memory().without_properties {
        return Ok(Vec::new());
    }
    let issues = jira.search(&jql, "key ASC", &["created"], false)?;
    let keys: Vec<&str> = issues.iter().filter_map(|issue| issue["key"].as_str()).collect();
    let unknown: Vec<&str> = {
        let memory = jira.memory();
        keys.into_iter().filter(|key| !memory.markers.contains_key(*key)).collect()
    };
    let (first, rest) = unknown.split_at(unknown.len().min(1));
    for keys in [first, rest] {
        for issue in parallel(jira.parallel(), keys, |key| peek(jira, meta, key, "creator")) {
            let Some(issue) = issue? else { continue };
            if issue["properties"].is_null() {
                jira.memory().without_properties = true;
                return Ok(Vec::new());
            }
            let key = issue["key"].as_str().unwrap_or_default().to_owned();
            jira.memory().markers.insert(key, of(meta, &issue));
        }
    }
    let memory = jira.memory();
    let carriers = memory.markers.iter().filter_map(|(key, marker)| {
        let marker = marker.as_ref()?;
        Some(json!({"key": key, "properties": {PROPERTY: {"marker": marker}}}))
    });
    Ok(carriers.collect())
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

/// All of the project was listed: its highest number.
pub(super) fn listed(jira: &Jira, highest: Option<u64>) {
    let mut memory = jira.memory();
    memory.highest = highest.or(Some(0));
    memory.top = memory.top.max(memory.highest);
}

/// The highest key of the project, before something is made. What new issues take is asked for
/// here, too: while nothing was announced yet, a failure leaves nothing in doubt.
pub(super) fn before_create(jira: &Jira) -> Result<String> {
    let project = &jira.options.project;
    let known = jira.memory().highest;
    let told = |highest: u64| json!({"project": project, "highest": highest}).to_string();
    if let Some(highest) = known {
        return jira.whole().map(|_| told(highest));
    }
    let (whole, highest) = both(jira.parallel(), || jira.whole(), || highest(jira));
    let highest = highest?;
    whole.map(|_| told(highest))
}

fn highest(jira: &Jira) -> Result<u64, Failure> {
    let project = &jira.options.project;
    let jql = format!("project = {project} ORDER BY key DESC");
    let body = json!({"jql": jql, "maxResults": 200, "fields": ["created"]});
    let path = jira.path(if jira.is_cloud() { "search/jql" } else { "search" });
    let page = jira.json(Request::post(&path).json(&body).repeatable())?;
    let keys = page["issues"].as_array().into_iter().flatten();
    let highest = keys.filter_map(|issue| issue["key"].as_str()).map(number).max().unwrap_or(0);
    let mut memory = jira.memory();
    memory.top = memory.top.max(Some(highest));
    Ok(highest)
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
    let asked = meta.marker.as_deref().map_or("creator".to_owned(), |id| format!("creator,{id}"));
    let mut later = Later { carriers: HashMap::new(), is_certain: true };
    let walked = walk(jira, &meta, highest, &asked, &mut |issue| {
        if let Some(marker) = of(&meta, issue) {
            let key = issue["key"].as_str().unwrap_or_default().to_owned();
            later.carriers.entry(marker).or_default().push(key);
        } else if is_silent(&meta, issue) && is_mine(jira, issue)? {
            // A server without properties: it may be the one.
            later.is_certain = false;
        }
        Ok(())
    })?;
    later.is_certain &= walked;
    Ok(later)
}

/// Hands the issues after a key to `look`, until there is none to come; `false`: there were too
/// many.
fn walk(
    jira: &Jira,
    meta: &Meta,
    highest: u64,
    fields: &str,
    look: &mut dyn FnMut(&Json) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let mut gap = 0;
    let mut next = highest + 1;
    while next < highest + FARTHEST {
        let project = &jira.options.project;
        let keys: Vec<String> =
            (next..next + GAP as u64).map(|number| format!("{project}-{number}")).collect();
        next += GAP as u64;
        for issue in parallel(jira.parallel(), &keys, |key| peek(jira, meta, key, fields)) {
            match issue? {
                Some(issue) => {
                    gap = 0;
                    look(&issue)?;
                }
                None => gap += 1,
            }
        }
        if gap >= GAP {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the server does not say what properties an issue has.
fn is_silent(meta: &Meta, issue: &Json) -> bool {
    meta.marker.is_none() && issue["properties"].is_null()
}

fn is_mine(jira: &Jira, issue: &Json) -> Result<bool, Failure> {
    let myself = comments::myself(jira)?;
    Ok(comments::account(&issue["fields"]["creator"]) == Some(myself.as_str()))
}

/// The issue that a create made whose answer was just lost: it comes after `floor`, and carries
/// the marker; on a server without properties it is the only one of ours that has all we sent.
pub(super) fn recover(
    jira: &Jira,
    meta: &Meta,
    floor: u64,
    marker: &str,
    sent: &Json,
) -> Result<Option<String>, Failure> {
    let sent = sent.as_object().cloned().unwrap_or_default();
    let mut asked: Vec<&str> = sent.keys().map(String::as_str).collect();
    asked.push("creator");
    let mut carriers = Vec::new();
    let mut alike = Vec::new();
    walk(jira, meta, floor, &asked.join(","), &mut |issue| {
        let key = issue["key"].as_str().unwrap_or_default().to_owned();
        if !marker.is_empty() && of(meta, issue).as_deref() == Some(marker) {
            carriers.push(key);
        } else if is_silent(meta, issue) && is_alike(meta, &sent, issue) && is_mine(jira, issue)? {
            alike.push(key);
        }
        Ok(())
    })?;
    let mut memory = jira.memory();
    carriers.retain(|key| !memory.made.contains(key));
    alike.retain(|key| !memory.made.contains(key));
    let one = match (carriers.as_slice(), alike.as_slice()) {
        ([one], _) | ([], [one]) => one.clone(),
        _ => return Ok(None),
    };
    memory.made.insert(one.clone());
    Ok(Some(one))
}

fn is_alike(meta: &Meta, sent: &serde_json::Map<String, Json>, issue: &Json) -> bool {
    sent.iter().filter(|(id, _)| !["project", "issuetype"].contains(&id.as_str())).all(
        |(id, value)| {
            let kind = meta.fields.get(id).map(|known| known.kind.clone()).unwrap_or_default();
            let read = |json: &Json| fields::decode(json, &kind, &[]);
            fields::same(read(value).as_ref(), read(&issue["fields"][id]).as_ref())
        },
    )
}

fn peek(jira: &Jira, meta: &Meta, key: &str, fields: &str) -> Result<Option<Json>, Failure> {
    let mut request = Request::get(&jira.issue_path(key, "")).query("fields", fields);
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
    jira.memory().markers.remove(key);
    match jira.http.call(request) {
        Ok(_) => Ok(()),
        Err(failure) if marker.is_none() && failure.refused(404).is_some() => Ok(()),
        Err(failure) => Err(client::explain(failure, key)),
    }
}
