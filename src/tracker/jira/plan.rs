//! What is to be sent for the changes that are wanted; what does not fit is refused here.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::Jira;
use super::fields::{self, Cut, Encoded, same};
use super::meta::{Known, Meta, Place};
use crate::Result;
use crate::issue::{Field, Value};
use crate::tracker::http::{Failure, Request};
use crate::tracker::{Changes, EDITED_MEANWHILE, Refused, TRACKER_REFUSED};

/// What is to be sent.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// By id.
    pub(super) fields: Map<String, Json>,
    /// The names the changes used, by id.
    pub(super) names: BTreeMap<String, Vec<Field>>,
    /// The status to go to.
    pub(super) status: Option<(Field, String)>,
    /// The resolution, which goes with a transition where there is one.
    pub(super) resolution: Option<(Field, Json)>,
    /// What does not fit.
    pub(super) refused: Vec<Refused>,
    /// The texts that were cut.
    pub(super) cut: Vec<(Field, Cut)>,
    /// What will be read where all goes well, to see whether an index lags.
    pub(super) wanted: Vec<(Place, Option<Value>)>,
}

impl Plan {
    /// Takes a field out that the tracker does not want.
    pub(super) fn refuse(&mut self, id: &str, why: &str) -> bool {
        if self.fields.remove(id).is_none() {
            return false;
        }
        for name in self.names.remove(id).unwrap_or_default() {
            self.cut.retain(|(field, _)| *field != name);
            self.refused.push(refusal(&name, format!("{name}: {why}")));
        }
        self.wanted.retain(|(place, _)| place.id != id);
        true
    }
}

pub(super) fn refusal(field: &str, text: String) -> Refused {
    Refused { field: field.to_owned(), code: TRACKER_REFUSED, text }
}

/// The plan for `changes`; `now` is the issue as it is, `None` for a new one.
pub(super) fn plan(
    jira: &Jira,
    meta: &Meta,
    changes: &Changes,
    expected: Option<&Changes>,
    now: Option<&Json>,
) -> Result<Plan> {
    let mut plan = Plan::default();
    for (name, value) in changes {
        let Some((place, known)) = meta
            .place(name)
            .and_then(|p| Some((meta.known(&p)?, p)))
            .map(|(known, place)| (place, known))
        else {
            plan.refused.push(refusal(name, format!("the tracker has no field {name:?}")));
            continue;
        };
        if let Err(why) = one(jira, &mut plan, name, value.as_ref(), &place, known, expected, now)?
        {
            plan.refused.push(refusal(name, why));
        }
    }
    plan.refused.sort_by(|a, b| a.field.cmp(&b.field));
    Ok(plan)
}

#[allow(clippy::too_many_arguments, reason = "one step of `plan`")]
fn one(
    jira: &Jira,
    plan: &mut Plan,
    name: &Field,
    value: Option<&Value>,
    place: &Place,
    known: &Known,
    expected: Option<&Changes>,
    now: Option<&Json>,
) -> Result<Result<(), String>> {
    let current = now.and_then(|issue| {
        let json = if place.id == "issuekey" { &issue["key"] } else { &issue["fields"][&place.id] };
        fields::decode(json, &known.kind, &place.path)
    });
    if Meta::is_read_only(&place.id) {
        return Ok(if is_ours(jira, place, value, now, current.as_ref()) {
            Ok(())
        } else {
            Err(format!("{name} is set by the tracker"))
        });
    }
    let (encoded, path) = match encode(jira, value, known, place)? {
        Ok(encoded) => encoded,
        Err(why) => return Ok(Err(why)),
    };
    let wanted = fields::decode(&encoded.json, &known.kind, path);
    let cut = encoded.cut.map(|cut| (name.clone(), cut));
    if same(wanted.as_ref(), current.as_ref()) {
        // An earlier try may have been interrupted before it could say so.
        plan.cut.extend(cut);
        return Ok(Ok(()));
    }
    let before = expected.and_then(|expected| expected.get(name));
    if let Some(before) = before
        && now.is_some()
        && !same(
            before.as_ref().filter(|b| b.items().iter().any(|i| !i.is_empty())),
            current.as_ref(),
        )
    {
        let now =
            current.map_or_else(|| "unset".to_owned(), |now| format!("{:?}", now.to_string()));
        let text = format!("{name} was changed meanwhile: it is {now}");
        plan.refused.push(Refused { code: EDITED_MEANWHILE, ..refusal(name, text) });
        return Ok(Ok(()));
    }
    match place.id.as_str() {
        "status" => match wanted {
            Some(status) => plan.status = Some((name.clone(), status.joined(", "))),
            None => return Ok(Err("an issue cannot be without status".to_owned())),
        },
        "resolution" => plan.resolution = Some((name.clone(), encoded.json)),
        id => {
            plan.fields.insert(id.to_owned(), encoded.json);
            plan.names.entry(id.to_owned()).or_default().push(name.clone());
            plan.cut.extend(cut);
            let path = path.to_vec();
            plan.wanted.push((Place { id: id.to_owned(), path }, wanted));
        }
    }
    Ok(Ok(()))
}

/// What is wanted of a read-only field is what it is: rules may say the project.
fn is_ours(
    jira: &Jira,
    place: &Place,
    value: Option<&Value>,
    now: Option<&Json>,
    current: Option<&Value>,
) -> bool {
    if place.id != "project" || value.is_none() {
        return false;
    }
    match now {
        Some(_) => same(value, current),
        None => value.is_some_and(|value| value.joined("") == jira.options.project),
    }
}

type Sent<'a> = (Encoded, &'a [String]);

/// What is sent; and the path under which it reads as what was wanted.
fn encode<'a>(
    jira: &Jira,
    value: Option<&Value>,
    known: &Known,
    place: &'a Place,
) -> Result<Result<Sent<'a>, String>, Failure> {
    let path = place.path.as_slice();
    let by_account = match path {
        [] => jira.is_cloud(),
        [part] => ["displayName", "emailAddress"].contains(&part.as_str()),
        _ => false,
    };
    if known.kind.word != "user" || !by_account || value.is_none() {
        return Ok(fields::encode(value, known, path, jira.is_cloud()).map(|sent| (sent, path)));
    }
    let mut accounts = Vec::new();
    for name in value.into_iter().flat_map(Value::items).filter(|name| !name.is_empty()) {
        match account(jira, name)? {
            Some(account) => accounts.push(account),
            None => return Ok(Err(format!("the tracker has no one user {name:?}"))),
        }
    }
    let value = Value::List(accounts);
    Ok(fields::encode(Some(&value), known, &[], jira.is_cloud()).map(|sent| (sent, &[][..])))
}

/// The account of a user who is called so: by account id, login, e-mail address or display name.
fn account(jira: &Jira, name: &str) -> Result<Option<String>, Failure> {
    if let Some(known) = jira.memory().accounts.get(name) {
        return Ok(known.clone());
    }
    let parameter = if jira.is_cloud() { "query" } else { "username" };
    let by_id = jira.is_cloud() && looks_like_account(name);
    let request = Request::get(&jira.path("user/search"));
    let request =
        if by_id { request.query("accountId", name) } else { request.query(parameter, name) };
    let found = jira.json(request.query("maxResults", "50"))?;
    let parts = ["accountId", "name", "emailAddress", "displayName"];
    let is = |user: &&Json, part: &str| {
        user[part].as_str().is_some_and(|text| text.eq_ignore_ascii_case(name))
    };
    let users = found.as_array().map(Vec::as_slice).unwrap_or_default();
    // The first part that exactly one user has decides.
    let one = parts.iter().find_map(|part| {
        let mut matching = users.iter().filter(|user| is(user, part));
        matching.next().filter(|_| matching.next().is_none())
    });
    let id = one.and_then(super::comments::account).map(str::to_owned);
    jira.memory().accounts.insert(name.to_owned(), id.clone());
    Ok(id)
}

/// `5b10ac8d82e05b22cc7d4ef5`, `557058:f58131cb-…`.
fn looks_like_account(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == ':';
    name.chars().all(plain) && (name.contains(':') || name.len() >= 24)
}

/// The fields of a new issue.
pub(super) fn new_fields(jira: &Jira, issue_type: &str, plan: &Plan) -> Json {
    let mut fields = Map::new();
    fields.insert("project".to_owned(), json!({"key": jira.options.project}));
    fields.insert("issuetype".to_owned(), json!({"id": issue_type}));
    for (id, value) in &plan.fields {
        if !value.is_null() {
            fields.insert(id.clone(), value.clone());
        }
    }
    Json::Object(fields)
}
