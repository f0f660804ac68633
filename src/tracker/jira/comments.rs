//! Comments.
//!
//! A comment carries its token in the property `engsync` of its own. A server that has no such
//! properties does not list any: there a comment of ours with the same text is that comment.

use serde_json::{Value as Json, json};

use super::fields::Cut;
use super::{Jira, Visibility, adf, client, fields};
use crate::issue::{Comment, Person};
use crate::tracker::NewComment;
use crate::tracker::http::{Failure, Request, encode};
use crate::{Error, NOT_FOUND, Result};

/// The property of issues and comments that is ours.
use super::marker::PROPERTY;

/// The comments that came with an issue; the rest is fetched where not all did.
pub(super) fn of_issue(jira: &Jira, key: &str, page: &Json) -> Result<Vec<Comment>, Failure> {
    let came = page["comments"].as_array().map_or(0, Vec::len);
    let total = page["total"].as_u64().unwrap_or(0);
    let mut comments: Vec<Comment> = if total > came as u64 {
        listed(jira, key)?.iter().map(decode).collect()
    } else {
        page["comments"].as_array().into_iter().flatten().map(decode).collect()
    };
    comments.sort_by_key(|comment| comment.created);
    Ok(comments)
}

/// All comments of an issue, with our properties.
fn listed(jira: &Jira, key: &str) -> Result<Vec<Json>, Failure> {
    let path = format!("{}?expand=properties", jira.issue_path(key, "/comment"));
    jira.all_pages(&path, &["comments"])
}

fn decode(json: &Json) -> Comment {
    let at = |name: &str| json[name].as_str().and_then(fields::parse_instant);
    let (created, updated) = (at("created"), at("updated"));
    Comment {
        id: json["id"].as_str().unwrap_or_default().to_owned(),
        author: person(&json["author"]),
        created,
        updated: updated.filter(|updated| Some(*updated) != created),
        text: text(&json["body"]),
    }
}

fn text(body: &Json) -> String {
    match body {
        Json::String(text) => text.clone(),
        _ if adf::is_document(body) => adf::to_text(body),
        _ => String::new(),
    }
}

/// By what an account is known.
pub(super) fn account(json: &Json) -> Option<&str> {
    ["accountId", "name", "key"].iter().find_map(|name| json[*name].as_str())
}

fn person(json: &Json) -> Option<Person> {
    let id = account(json)?.to_owned();
    let name = json["displayName"].as_str().unwrap_or(&id).to_owned();
    Some(Person { id, name })
}

/// The account we work under.
pub(super) fn myself(jira: &Jira) -> Result<String, Failure> {
    if let Some(known) = &jira.memory().myself {
        return Ok(known.clone());
    }
    let json = jira.json(Request::get(&jira.path("myself")))?;
    let name = account(&json).unwrap_or_default().to_owned();
    jira.memory().myself = Some(name.clone());
    Ok(name)
}

/// Adds a comment unless it is there; answers its id, and what of it was cut. `there` keeps the
/// comments of the issue between several calls for it; a list that is empty already means that
/// the issue is new.
pub(super) fn add(
    jira: &Jira,
    key: &str,
    comment: &NewComment,
    there: &mut Option<Vec<Json>>,
) -> Result<(String, Option<Cut>)> {
    let (body, cut) = fields::fit_comment(&comment.text);
    Ok((added(jira, key, comment, &body, there)?, cut))
}

fn added(
    jira: &Jira,
    key: &str,
    comment: &NewComment,
    body: &str,
    there: &mut Option<Vec<Json>>,
) -> Result<String> {
    let at_issue = |failure| jira.at_issue(failure, key);
    if !comment.token.is_empty() {
        if there.is_none() {
            *there = Some(listed(jira, key).map_err(at_issue)?);
        }
        let there = there.as_deref().unwrap_or_default();
        if let Some(id) = matching(jira, there, &comment.token, body).map_err(at_issue)? {
            return Ok(id);
        }
    }
    let mut json = json!({ "body": document(jira, body) });
    if !comment.token.is_empty() {
        json["properties"] = json!([{"key": PROPERTY, "value": {"token": comment.token}}]);
    }
    if let Some(visibility) = &jira.options.comment_visibility {
        json["visibility"] = match visibility {
            Visibility::Role(role) => json!({"type": "role", "value": role}),
            Visibility::Group(group) => json!({"type": "group", "value": group}),
        };
    }
    let request =
        Request::post(&jira.issue_path(key, "/comment")).query("expand", "properties").json(&json);
    match jira.json(request) {
        Ok(made) => {
            let id = made["id"].as_str().unwrap_or_default().to_owned();
            if let Some(there) = there {
                there.push(made);
            }
            Ok(id)
        }
        // Whether it was added can be seen; it is not added again before that.
        Err(doubt @ Failure::InDoubt { .. }) if !comment.token.is_empty() => {
            let now = listed(jira, key).map_err(at_issue)?;
            let made = matching(jira, &now, &comment.token, body).map_err(at_issue)?;
            *there = Some(now);
            made.ok_or_else(|| doubt.into())
        }
        Err(failure) => Err(at_issue(failure)),
    }
}

fn document(jira: &Jira, text: &str) -> Json {
    if jira.is_cloud() { adf::from_text(text) } else { json!(text) }
}

/// The comment with this token.
fn matching(
    jira: &Jira,
    there: &[Json],
    token: &str,
    body: &str,
) -> Result<Option<String>, Failure> {
    let id = |comment: &Json| comment["id"].as_str().map(str::to_owned);
    let ours = |comment: &&Json| {
        let mut properties = comment["properties"].as_array().into_iter().flatten();
        properties.any(|p| p["key"] == PROPERTY && p["value"]["token"] == token)
    };
    if let Some(comment) = there.iter().find(ours) {
        return Ok(id(comment));
    }
    let plain = |text: &str| text.replace("\r\n", "\n").trim_end().to_owned();
    let same = |comment: &&Json| {
        comment["properties"].is_null() && plain(&text(&comment["body"])) == plain(body)
    };
    let Some(comment) = there.iter().find(same) else { return Ok(None) };
    let myself = myself(jira)?;
    Ok(id(comment).filter(|_| account(&comment["author"]) == Some(myself.as_str())))
}

/// Replaces the text of a comment; who may see it stays.
pub(super) fn edit(jira: &Jira, key: &str, id: &str, text: &str) -> Result<()> {
    let path = jira.issue_path(key, &format!("/comment/{}", encode(id)));
    let now = jira.json(Request::get(&path)).map_err(|failure| missing(jira, failure, key, id))?;
    let (body, _) = fields::fit_comment(text);
    if self::text(&now["body"]) == body {
        return Ok(());
    }
    let mut json = json!({ "body": document(jira, &body) });
    if now["visibility"].is_object() {
        json["visibility"] = now["visibility"].clone();
    }
    jira.http
        .call(Request::put(&path).json(&json))
        .map_err(|failure| missing(jira, failure, key, id))?;
    Ok(())
}

fn missing(jira: &Jira, failure: Failure, key: &str, id: &str) -> Error {
    // A comment that is none is refused in several ways.
    let strange = failure.refused(400).is_some() && id.parse::<u64>().is_err();
    if failure.refused(404).is_none() && !strange {
        return client::explain(failure, key);
    }
    match exists(jira, key) {
        Ok(()) => Error::item(NOT_FOUND, format!("{key} has no comment {id:?}")),
        Err(error) => error,
    }
}

/// That an issue is there.
pub(super) fn exists(jira: &Jira, key: &str) -> Result<()> {
    let request = Request::get(&jira.issue_path(key, "")).query("fields", "updated");
    match jira.json(request) {
        Ok(_) => Ok(()),
        Err(failure) if failure.refused(404).is_some() => Err(client::gone(key)),
        Err(failure) => Err(client::explain(failure, key)),
    }
}

/// Removes a comment.
pub(super) fn delete(jira: &Jira, key: &str, id: &str) -> Result<()> {
    let path = jira.issue_path(key, &format!("/comment/{}", encode(id)));
    match jira.http.call(Request::delete(&path)) {
        Ok(_) => Ok(()),
        Err(failure) => match missing(jira, failure, key, id) {
            error if error.code == NOT_FOUND => Ok(()),
            error => Err(error),
        },
    }
}
