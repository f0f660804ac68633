//! Whether a run can succeed.

use serde_json::Value as Json;

use super::{Jira, MarkIn};
use crate::tracker::http::Request;
use crate::tracker::{Checked, TRACKER_REFUSED};
use crate::{CONFIG, Error, Result};

/// What the account must be allowed to do, and what for.
const PERMISSIONS: &[(&str, &str)] = &[
    ("BROWSE_PROJECTS", "see the project"),
    ("CREATE_ISSUES", "create issues"),
    ("EDIT_ISSUES", "edit issues"),
    ("TRANSITION_ISSUES", "change the status"),
    ("ADD_COMMENTS", "add comments"),
    ("EDIT_OWN_COMMENTS", "edit its comments"),
    ("DELETE_OWN_COMMENTS", "delete its comments"),
    ("CREATE_ATTACHMENTS", "attach files"),
    ("DELETE_OWN_ATTACHMENTS", "replace its attachments"),
];

pub(super) fn all(jira: &Jira) -> Vec<Checked> {
    let checked = |what: &str, found| Checked { what: what.to_owned(), found };
    let login = login(jira);
    let let_in = login.is_ok();
    let mut all = vec![checked("login", login)];
    if !let_in {
        return all;
    }
    let project = format!("project {}", jira.options.project);
    all.push(checked(&project, fields(jira)));
    all.extend(permissions(jira));
    all.push(checked("marker", marker(jira)));
    if !jira.http.base().is_private() {
        tracing::warn!("the tracker is reached without TLS: anyone on the way can read along");
    }
    all
}

fn login(jira: &Jira) -> Result<String> {
    let me = jira.json(Request::get(&jira.path("myself")))?;
    let name = me["displayName"].as_str().or_else(|| super::comments::account(&me));
    let zone = me["timeZone"].as_str().map(|zone| format!(", time zone {zone}"));
    Ok(format!("as {}{}", name.unwrap_or("somebody"), zone.unwrap_or_default()))
}

fn fields(jira: &Jira) -> Result<String> {
    let whole = jira.whole_now()?;
    let meta = whole.meta();
    let required: Vec<&str> = meta
        .fields
        .values()
        .filter(|known| known.required && known.id != "summary")
        .map(|known| known.name.as_str())
        .collect();
    let needs = if required.is_empty() {
        String::new()
    } else {
        format!("; a new issue needs {}", required.join(", "))
    };
    Ok(format!("{} fields{needs}", meta.fields.len()))
}

fn permissions(jira: &Jira) -> Vec<Checked> {
    let names: Vec<&str> = PERMISSIONS.iter().map(|(name, _)| *name).collect();
    let request = Request::get(&jira.path("mypermissions"))
        .query("projectKey", &jira.options.project)
        .query("permissions", &names.join(","));
    let all: Json = match jira.json(request) {
        Ok(json) => json["permissions"].clone(),
        Err(failure) => {
            let found = match failure.refused(404) {
                Some(_) => Ok("this tracker does not tell them".to_owned()),
                None => Err(failure.into()),
            };
            return vec![Checked { what: "permissions".to_owned(), found }];
        }
    };
    let one = |(name, what_for): &(&str, &str)| {
        let what = format!("permission to {what_for}");
        let found = if all[*name]["havePermission"] == true {
            Ok("yes".to_owned())
        } else {
            let text = format!("the account may not {what_for} in {}", jira.options.project);
            let hint = format!("grant {name} to it in the project's permission scheme");
            Err(Error::setup(TRACKER_REFUSED, text).hint(hint))
        };
        Checked { what, found }
    };
    PERMISSIONS.iter().map(one).collect()
}

/// Whether markers can be found again.
fn marker(jira: &Jira) -> Result<String> {
    let whole = jira.whole()?;
    let meta = whole.meta();
    match (&jira.options.marker, &meta.marker) {
        (MarkIn::Field(name), Some(id)) => {
            let creatable = meta.fields.get(id).is_some_and(|known| known.on_create);
            if creatable {
                return Ok(format!("in the field {name:?} ({id})"));
            }
            let what = format!("the marker's field {name:?} is not on the screen for new issues");
            Err(Error::setup(CONFIG, what)
                .hint("add it to the create and edit screens of the project"))
        }
        _ => {
            super::marker::find(jira, &["engsync-check"])?;
            let memory = jira.memory();
            let how = if memory.without_properties {
                "the tracker keeps no entity properties, so that a create whose answer is lost may \
                 need a person; make a text field for the marker and name it as marker_field"
            } else {
                "in the entity property engsync; a lost link is found by looking at all issues: a \
                 text field named as marker_field is found at once"
            };
            Ok(how.to_owned())
        }
    }
}
