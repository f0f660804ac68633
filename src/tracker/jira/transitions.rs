//! Status: by the transitions that lead there, found when they are needed.

use std::collections::{HashMap, VecDeque};

use serde_json::{Map, Value as Json, json};

use super::Jira;
use super::client::{self, quote};
use super::write::is_status;
use crate::tracker::TRACKER_UNAVAILABLE;
use crate::tracker::http::{Failure, Request};
use crate::{Error, Result};

/// What came of it.
#[derive(Debug)]
pub(super) enum Moved {
    /// The issue has the status.
    There {
        /// The resolution went with it.
        with_resolution: bool,
    },
    /// It does not; why, and what would be possible.
    Refused(String),
}

/// The status of an issue.
pub(super) fn status(jira: &Jira, key: &str) -> Result<Json> {
    let request = Request::get(&jira.issue_path(key, "")).query("fields", "status");
    let mut json = jira.json(request).map_err(|failure| {
        if failure.refused(404).is_some() { client::gone(key) } else { failure.into() }
    })?;
    Ok(json["fields"]["status"].take())
}

fn possible(jira: &Jira, key: &str) -> Result<Vec<Json>, Failure> {
    let request =
        Request::get(&jira.issue_path(key, "/transitions")).query("expand", "transitions.fields");
    let mut json = jira.json(request)?;
    Ok(match json["transitions"].take() {
        Json::Array(transitions) => transitions,
        _ => Vec::new(),
    })
}

/// Goes to a status.
pub(super) fn go(jira: &Jira, key: &str, target: &str, resolution: Option<&Json>) -> Result<Moved> {
    let at_issue = |failure| jira.at_issue(failure, key);
    let mut steps_left = jira.options.transitions.max(1);
    let mut patience = 2;
    loop {
        let here = possible(jira, key).map_err(at_issue)?;
        let direct: Vec<&Json> = here.iter().filter(|t| is_status(&t["to"], target)).collect();
        let (chosen, last) = if direct.is_empty() {
            let now = status(jira, key)?;
            if is_status(&now, target) {
                return Ok(Moved::There { with_resolution: false });
            }
            let step = first_step(jira, &now, &here, target, steps_left)?;
            let Some(step) = step.filter(|_| steps_left > 1) else {
                return Ok(Moved::Refused(dead_end(&now, target, &here)));
            };
            (vec![step], false)
        } else {
            (direct, true)
        };
        let with = resolution.filter(|_| last);
        let (transition, fields) = match fill(&chosen, with) {
            Ok(filled) => filled,
            Err(why) => return Ok(Moved::Refused(why)),
        };
        let with_resolution = fields.contains_key("resolution");
        let to = transition["to"]["name"].as_str().unwrap_or(target).to_owned();
        match take(jira, key, transition, fields) {
            Ok(()) => {}
            Err(doubt @ Failure::InDoubt { .. }) => {
                let now = status(jira, key)?;
                if !is_status(&now, &to) {
                    return Err(doubt.into());
                }
            }
            Err(failure) => match failure.refused(409).or_else(|| failure.refused(400)) {
                // Somebody else was at it: look again.
                Some(refusal) if refusal.status == 409 => {
                    patience -= 1;
                    if patience == 0 {
                        let what = format!("{key} is being changed by somebody else");
                        return Err(Error::wait(TRACKER_UNAVAILABLE, what).because(failure));
                    }
                    continue;
                }
                Some(refusal) => {
                    let words = client::words(refusal);
                    let moves = names(&here);
                    let why =
                        format!("the transition to {to:?} is refused: {words}; possible: {moves}");
                    return Ok(Moved::Refused(why));
                }
                None => return Err(jira.at_issue(failure, key)),
            },
        }
        if last {
            return Ok(Moved::There { with_resolution });
        }
        steps_left -= 1;
    }
}

fn take(
    jira: &Jira,
    key: &str,
    transition: &Json,
    fields: Map<String, Json>,
) -> Result<(), Failure> {
    let mut body = json!({"transition": {"id": transition["id"]}});
    if !fields.is_empty() {
        body["fields"] = Json::Object(fields);
    }
    let request = Request::post(&jira.issue_path(key, "/transitions")).json(&body);
    jira.http.call(request).map(drop)
}

/// The first transition whose screen can be filled, with what goes there.
fn fill<'a>(
    transitions: &[&'a Json],
    resolution: Option<&Json>,
) -> Result<(&'a Json, Map<String, Json>), String> {
    let mut objection = String::new();
    for transition in transitions {
        let mut fields = Map::new();
        let screen = transition["fields"].as_object();
        let has_resolution = screen.is_none_or(|screen| screen.contains_key("resolution"));
        if let Some(resolution) = resolution.filter(|json| has_resolution && !json.is_null()) {
            fields.insert("resolution".to_owned(), resolution.clone());
        }
        let missing: Vec<String> = screen
            .into_iter()
            .flatten()
            .filter(|(id, field)| {
                field["required"] == true
                    && field["hasDefaultValue"] != true
                    && !fields.contains_key(*id)
            })
            .map(|(id, field)| format!("{} ({id})", field["name"].as_str().unwrap_or(id)))
            .collect();
        if missing.is_empty() {
            return Ok((transition, fields));
        }
        let name = transition["name"].as_str().unwrap_or_default();
        objection = format!("the transition {name:?} needs {}", missing.join(", "));
    }
    Err(objection)
}

fn names(transitions: &[Json]) -> String {
    let names: Vec<&str> =
        transitions.iter().filter_map(|transition| transition["to"]["name"].as_str()).collect();
    if names.is_empty() { "nothing (for this account)".to_owned() } else { names.join(", ") }
}

fn dead_end(now: &Json, target: &str, here: &[Json]) -> String {
    let now = now["name"].as_str().unwrap_or("its status");
    format!("no transition leads from {now:?} to {target:?}; possible: {}", names(here))
}

/// The transition that is the first of the shortest way, where one of at most `most` is known.
/// What leads on from a status is learnt from another issue that has it.
fn first_step<'a>(
    jira: &Jira,
    now: &Json,
    here: &'a [Json],
    target: &str,
    most: usize,
) -> Result<Option<&'a Json>> {
    let mut seen: HashMap<String, ()> = HashMap::new();
    seen.extend(now["name"].as_str().map(|name| (name.to_owned(), ())));
    let mut queue: VecDeque<(String, &Json, usize)> = VecDeque::new();
    for transition in here {
        if let Some(to) = transition["to"]["name"].as_str()
            && fill(&[transition], None).is_ok()
            && seen.insert(to.to_owned(), ()).is_none()
        {
            queue.push_back((to.to_owned(), transition, 1));
        }
    }
    while let Some((status, first, steps)) = queue.pop_front() {
        if steps >= most {
            continue;
        }
        for to in ways(jira, &status)? {
            if to.eq_ignore_ascii_case(target) {
                return Ok(Some(first));
            }
            if seen.insert(to.clone(), ()).is_none() {
                queue.push_back((to, first, steps + 1));
            }
        }
    }
    Ok(None)
}

/// Where an issue can go from a status, as far as another issue shows it.
fn ways(jira: &Jira, status: &str) -> Result<Vec<String>> {
    if let Some(known) = jira.memory().ways.get(status) {
        return Ok(known.clone());
    }
    let jql = format!(
        "project = {} AND issuetype = {} AND status = {}",
        jira.options.project,
        jira.whole()?.issue_type,
        quote(status)
    );
    let example = jira.first(&jql)?;
    let ways: Vec<String> = match example.as_ref().and_then(|issue| issue["key"].as_str()) {
        Some(key) => possible(jira, key)?
            .iter()
            .filter_map(|transition| transition["to"]["name"].as_str().map(str::to_owned))
            .collect(),
        None => Vec::new(),
    };
    // Without an example it may be known another time.
    if example.is_some() {
        jira.memory().ways.insert(status.to_owned(), ways.clone());
    }
    Ok(ways)
}
