//! What a new issue has that nobody wrote. Jira tells of a workflow where it leads, not where it
//! begins; but the youngest issue of the type shows where it began.

use serde_json::json;

use super::{Jira, fields};
use crate::Result;
use crate::tracker::Changes;
use crate::tracker::http::{Failure, Request};

/// Status and resolution of a new issue, by every name they have.
pub(super) fn of_new(jira: &Jira) -> Result<Changes> {
    let whole = jira.whole()?;
    let meta = whole.meta();
    let status = first_status(jira, &whole.issue_type)?;
    let mut first = Changes::new();
    for name in meta.schema(&jira.options).fields.into_keys() {
        let Some(place) = meta.place(&name) else { continue };
        let Some(known) = meta.known(&place) else { continue };
        let plain = place.path.is_empty() || place.path == ["name"];
        match (place.id.as_str(), &status) {
            ("status", Some(status)) if plain => {
                let json = json!({ "name": status });
                first.insert(name, fields::decode(&json, &known.kind, &place.path));
            }
            ("resolution", _) => {
                first.insert(name, None);
            }
            _ => {}
        }
    }
    Ok(first)
}

/// The status with which the youngest issue of the type was made: what its first transition led
/// from, or what it has. `None`: there is no such issue yet.
fn first_status(jira: &Jira, kind: &str) -> Result<Option<String>, Failure> {
    let project = &jira.options.project;
    let jql = format!("project = {project} AND issuetype = {kind} ORDER BY created DESC");
    let mut body = json!({"jql": jql, "maxResults": 1, "fields": ["status"]});
    body["expand"] = if jira.is_cloud() { json!("changelog") } else { json!(["changelog"]) };
    let path = jira.path(if jira.is_cloud() { "search/jql" } else { "search" });
    let page = jira.json(Request::post(&path).json(&body).repeatable())?;
    let issue = &page["issues"][0];
    let changes = &issue["changelog"];
    let all = changes["histories"].as_array().map(Vec::as_slice).unwrap_or_default();
    if changes["total"].as_u64().is_some_and(|total| total > all.len() as u64) {
        // Its beginning may not be among them.
        return Ok(None);
    }
    let mut ways: Vec<(&str, &str)> = all
        .iter()
        .filter_map(|change| {
            let items = change["items"].as_array()?;
            let status = items.iter().find(|item| item["field"] == "status")?;
            Some((change["created"].as_str()?, status["fromString"].as_str()?))
        })
        .collect();
    ways.sort_by_key(|(at, _)| fields::parse_instant(at));
    let began = ways.first().map(|(_, from)| *from);
    Ok(began.or_else(|| issue["fields"]["status"]["name"].as_str()).map(str::to_owned))
}
