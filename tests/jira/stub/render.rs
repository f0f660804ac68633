//! Tickets as Jira tells them.

use chrono::DateTime;
use serde_json::{Map, Value as Json, json};

use super::world::{Attached, FIELDS, FieldDef, Note, STATUSES, Ticket, USERS, World};

pub fn time(seconds: i64) -> String {
    // The account's zone: an offset that is not UTC.
    let at = DateTime::from_timestamp(seconds + 3600, 0).unwrap();
    at.format("%Y-%m-%dT%H:%M:%S.000+0100").to_string()
}

pub fn user(world: &World, name: &str) -> Json {
    let (_, shown, mail) = USERS.iter().find(|(user, ..)| *user == name).unwrap();
    if world.cloud {
        json!({"accountId": format!("account:{name}"), "displayName": shown, "emailAddress": mail, "active": true})
    } else {
        json!({"key": name, "name": name, "displayName": shown, "emailAddress": mail, "active": true})
    }
}

/// The id of a named value of a field.
pub fn ids(field: &str) -> impl Fn(&str) -> String + use<> {
    let values = match field {
        "status" => STATUSES,
        _ => World::def(field).map_or(&[][..], |def| def.values),
    };
    move |name| {
        values.iter().position(|v| *v == name).map_or(String::new(), |n| (n + 1).to_string())
    }
}

fn named(def: &FieldDef, kind: &str, value: &Json, world: &World) -> Json {
    let name = value.as_str().unwrap_or_default();
    let id = ids(def.id)(name);
    match kind {
        "user" => user(world, name),
        "project" => json!({"id": "10000", "key": name, "name": "Test Project"}),
        "option" => json!({"id": id, "value": name}),
        "option-with-child" => match &value["child"] {
            Json::Null => json!({"value": value["value"]}),
            child => json!({"value": value["value"], "child": {"value": child}}),
        },
        "string" | "number" | "date" | "datetime" => value.clone(),
        _ => json!({"id": id, "name": name, "self": "https://jira.example/rest/api/2/x"}),
    }
}

fn field(world: &World, ticket: &Ticket, def: &FieldDef) -> Json {
    match def.id {
        "comment" => {
            let all: Vec<Json> = ticket.comments.iter().map(|c| comment(world, c, false)).collect();
            let most = world.comments.min(all.len());
            json!({"total": all.len(), "maxResults": most, "startAt": 0, "comments": all[..most]})
        }
        "attachment" => ticket.files.iter().map(|f| attachment(world, f)).collect(),
        "updated" => json!(time(ticket.updated)),
        "created" => json!(time(ticket.fields["created"].as_i64().unwrap_or(ticket.updated))),
        id => {
            let value = ticket.fields.get(id).cloned().unwrap_or_default();
            match (def.kind.strip_prefix("array of "), value) {
                (Some(kind), Json::Array(items)) => {
                    items.iter().map(|item| named(def, kind, item, world)).collect()
                }
                (Some(_), _) => json!([]),
                (None, Json::Null) => Json::Null,
                (None, value) => named(def, def.kind, &value, world),
            }
        }
    }
}

pub fn ticket(world: &World, ticket: &Ticket, fields: Option<&[String]>, props: &[String]) -> Json {
    let mut shown = Map::new();
    for def in FIELDS {
        let asked = |names: &[String]| names.iter().any(|n| n == def.id || n == "*all");
        if fields.is_none_or(asked) {
            shown.insert(def.id.to_owned(), field(world, ticket, def));
        }
    }
    let mut json = json!({"id": ticket.id.to_string(), "key": ticket.key, "fields": shown});
    if world.properties && !props.is_empty() {
        let mut found = Map::new();
        for (name, value) in &ticket.properties {
            if props.contains(name) {
                found.insert(name.clone(), value.clone());
            }
        }
        json["properties"] = Json::Object(found);
    }
    json
}

/// With its changelog, the newest first as Cloud tells it.
pub fn with_moves(mut issue: Json, ticket: &Ticket) -> Json {
    let told = ticket.moves.iter().rev().map(|(at, from, to)| {
        let edit = json!({"field": "summary", "fromString": "s", "toString": "t"});
        let status = json!({"field": "status", "fromString": from, "toString": to});
        json!({"id": at.to_string(), "created": time(*at), "items": [edit, status]})
    });
    let told: Vec<Json> = told.collect();
    issue["changelog"] =
        json!({"startAt": 0, "maxResults": told.len(), "total": told.len(), "histories": told});
    issue
}

pub fn comment(world: &World, note: &Note, properties: bool) -> Json {
    let mut json = json!({
        "id": note.id.to_string(), "body": note.body, "author": user(world, &note.author),
        "created": time(note.created), "updated": time(note.updated),
    });
    if !note.visibility.is_null() {
        json["visibility"] = note.visibility.clone();
    }
    if properties && world.properties {
        json["properties"] =
            if note.properties.is_null() { json!([]) } else { note.properties.clone() };
    }
    json
}

pub fn attachment(world: &World, file: &Attached) -> Json {
    json!({
        "id": file.id.to_string(), "filename": file.name, "size": file.data.len(),
        "author": user(world, &file.author), "created": time(file.created),
        // A base address that is not ours must not be believed.
        "content": format!("https://elsewhere.example/secure/attachment/{}/{}", file.id, file.name),
    })
}

/// A value as a text search sees it.
pub fn plain(_: &World, value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Object(_) => value["content"][0]["content"][0]["text"].as_str().unwrap_or("").into(),
        _ => String::new(),
    }
}

pub fn schema(def: &FieldDef) -> Json {
    let mut schema = match def.kind.strip_prefix("array of ") {
        Some(items) => json!({"type": "array", "items": items}),
        None => json!({"type": def.kind}),
    };
    if def.custom.is_empty() {
        schema["system"] = json!(def.id);
    } else {
        schema["custom"] =
            json!(format!("com.atlassian.jira.plugin.system.customfieldtypes{}", &def.custom[1..]));
        schema["customId"] =
            json!(def.id.trim_start_matches("customfield_").parse::<u64>().unwrap());
    }
    schema
}

/// What createmeta says of a field.
pub fn meta(world: &World, def: &FieldDef) -> Json {
    let required = ["summary", "project", "issuetype"].contains(&def.id);
    let mut json = json!({
        "fieldId": def.id, "key": def.id, "name": def.name, "required": required,
        "schema": schema(def), "hasDefaultValue": false, "operations": ["set"],
    });
    if !def.values.is_empty() {
        let kind = def.kind.trim_start_matches("array of ");
        let value = |name: &&str| match kind {
            "option-with-child" => json!({"value": name, "children": []}),
            _ => named(def, kind, &json!(name), world),
        };
        json["allowedValues"] = def.values.iter().map(value).collect();
    }
    json
}
