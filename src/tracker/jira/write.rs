//! Making and changing issues.

use serde_json::{Value as Json, json};

use super::client::{self, field_errors};
use super::meta::Meta;
use super::plan::{self, Plan, refusal};
use super::transitions::{self, Moved};
use super::{Jira, marker};
use crate::tracker::TRACKER_UNAVAILABLE;
use crate::tracker::http::{Failure, Refusal, Request};
use crate::{Error, Result};

/// How often a request is sent again without the fields that were refused.
const ROUNDS: usize = 20;

/// A write that failed; whether anything can have happened.
pub(super) struct Failed {
    pub(super) error: Error,
    pub(super) sent: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, sent: true }
    }
}

/// Makes an issue; answers its key. Fields that are refused are left out and told in the plan.
pub(super) fn create(
    jira: &Jira,
    meta: &Meta,
    marker: &str,
    plan: &mut Plan,
) -> Result<String, Failed> {
    let issue_type = jira.whole().map_err(|error| Failed { error, sent: false })?.issue_type;
    for _ in 0..ROUNDS {
        let floor = jira.memory().top;
        let mut body = json!({"fields": plan::new_fields(jira, &issue_type, plan)});
        if !marker.is_empty() {
            marker::put(jira, meta, marker, &mut body);
        }
        match jira.json(Request::post(&jira.path("issue")).json(&body)) {
            Ok(made) => {
                let key = made["key"].as_str().unwrap_or_default().to_owned();
                tracing::debug!(key, marker, "made");
                let mut memory = jira.memory();
                memory.top = memory.top.max(Some(marker::number(&key)));
                if !memory.made.insert(key.clone()) {
                    // It was taken for another's whose answer was lost: let the probe decide.
                    let what = format!("{marker}: it is not certain that {key} is its issue");
                    return Err(Error::wait(TRACKER_UNAVAILABLE, what).into());
                }
                return Ok(key);
            }
            Err(doubt @ Failure::InDoubt { .. }) => {
                let found = match floor {
                    Some(floor) => marker::recover(jira, meta, floor, marker, &body["fields"]),
                    None => Ok(None),
                };
                if let Ok(Some(key)) = found {
                    tracing::info!(key, marker, "the answer was lost, the issue is there");
                    return Ok(key);
                }
                return Err(not_made(doubt, marker));
            }
            Err(failure) => {
                if failure.refused(400).is_some_and(|refusal| without(plan, refusal)) {
                    continue;
                }
                return Err(not_made(failure, marker));
            }
        }
    }
    Err(Error::item(crate::tracker::TRACKER_REFUSED, "the tracker refuses ever more fields").into())
}

fn not_made(failure: Failure, marker: &str) -> Failed {
    let sent = matches!(failure, Failure::InDoubt { .. });
    let about = if marker.is_empty() { "a new issue" } else { marker };
    Failed { error: client::explain(failure, about), sent }
}

/// Takes the fields out that a refusal names; answers whether there were some.
fn without(plan: &mut Plan, refusal: &Refusal) -> bool {
    let mut found = false;
    for (id, why) in field_errors(refusal) {
        found |= plan.refuse(&id, &why);
    }
    found
}

/// Writes the planned fields and goes to the planned status.
pub(super) fn update(jira: &Jira, key: &str, plan: &mut Plan) -> Result<()> {
    for _ in 0..ROUNDS {
        if plan.fields.is_empty() {
            break;
        }
        let body = json!({ "fields": plan.fields });
        match jira.http.call(Request::put(&jira.issue_path(key, "")).json(&body)) {
            Ok(_) => break,
            Err(failure) => {
                if failure.refused(400).is_some_and(|refusal| without(plan, refusal)) {
                    continue;
                }
                return Err(jira.at_issue(failure, key));
            }
        }
    }
    settle(jira, key, plan)
}

/// Goes to the planned status and resolution; whether they can be reached is told in the plan.
pub(super) fn settle(jira: &Jira, key: &str, plan: &mut Plan) -> Result<()> {
    let mut resolution = plan.resolution.take();
    if let Some((name, target)) = plan.status.take() {
        let with = resolution.as_ref().map(|(_, json)| json);
        match transitions::go(jira, key, &target, with)? {
            Moved::There { with_resolution } => {
                if with_resolution {
                    resolution = None;
                }
                plan.status = Some((name, target));
            }
            Moved::Refused(why) => plan.refused.push(refusal(&name, why)),
        }
    }
    let Some((name, json)) = resolution else { return Ok(()) };
    let body = json!({"fields": {"resolution": json}});
    match jira.http.call(Request::put(&jira.issue_path(key, "")).json(&body)) {
        Ok(_) => {}
        Err(failure) => match failure.refused(400) {
            Some(words) => {
                let why =
                    format!("{name} can only be set with a transition: {}", client::words(words));
                plan.refused.push(refusal(&name, why));
            }
            None => return Err(jira.at_issue(failure, key)),
        },
    }
    Ok(())
}

/// The status of a new issue: asked once, of the first one.
pub(super) fn initial_status(jira: &Jira, key: &str) -> Result<String> {
    if let Some(known) = &jira.memory().initial {
        return Ok(known.clone());
    }
    let json = transitions::status(jira, key)?;
    let name = json["name"].as_str().unwrap_or_default().to_owned();
    jira.memory().initial = Some(name.clone());
    Ok(name)
}

/// Whether a status is the one that is wanted.
pub(super) fn is_status(status: &Json, wanted: &str) -> bool {
    let is = |name: &str| status[name].as_str().is_some_and(|t| t.eq_ignore_ascii_case(wanted));
    is("name") || status["id"].as_str() == Some(wanted)
}
