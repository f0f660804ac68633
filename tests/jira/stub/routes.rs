//! The resources.

use base64::Engine as _;
use serde_json::{Map, Value as Json, json};

use super::world::{Attached, Errors, FIELDS, Note, USERS, World};
use super::{Asked, Reply, decode, error, jql, render};

type Answer = Result<Reply, Reply>;

pub fn answer(world: &mut World, asked: &Asked) -> Reply {
    route(world, asked).unwrap_or_else(|reply| reply)
}

fn refused(errors: &Errors) -> Reply {
    let fields: Map<String, Json> =
        errors.fields.iter().map(|(id, text)| (id.clone(), json!(text))).collect();
    Reply::json(errors.status, &json!({"errorMessages": errors.general, "errors": fields}))
}

fn route(world: &mut World, asked: &Asked) -> Answer {
    login(world, asked)?;
    let version = if world.cloud { "/rest/api/3/" } else { "/rest/api/2/" };
    if let Some(rest) = asked.path.strip_prefix("/secure/attachment/").filter(|_| !world.cloud) {
        return content(world, rest.split('/').next().unwrap_or_default());
    }
    if let Some(id) = asked.path.strip_prefix("/media/").filter(|_| world.cloud) {
        return content(world, id);
    }
    let Some(rest) = asked.path.strip_prefix(version) else {
        return Err(error(404, &format!("null for uri: {}", asked.path)));
    };
    let parts: Vec<&str> = rest.split('/').collect();
    match (asked.method.as_str(), parts.as_slice()) {
        ("GET", ["serverInfo"]) => Ok(Reply::json(
            200,
            &json!({
                "version": "9.12.0", "deploymentType": if world.cloud { "Cloud" } else { "Server" },
                "serverTime": render::time(world.clock),
            }),
        )),
        ("GET", ["myself"]) => {
            let mut me = render::user(world, "sync");
            me["timeZone"] = json!(world.time_zone);
            Ok(Reply::json(200, &me))
        }
        ("GET", ["mypermissions"]) => {
            let names = asked.arg("permissions").unwrap_or_default().split(',');
            let all: Map<String, Json> = names
                .map(|name| {
                    let have = !world.denied_permissions.contains(&name);
                    (name.to_owned(), json!({"key": name, "havePermission": have}))
                })
                .collect();
            Ok(Reply::json(200, &json!({ "permissions": all })))
        }
        ("GET", ["field"]) => {
            let fields: Vec<Json> = FIELDS
                .iter()
                .map(|def| json!({"id": def.id, "name": def.name, "custom": !def.custom.is_empty(), "schema": render::schema(def)}))
                .collect();
            Ok(Reply::json(200, &json!(fields)))
        }
        ("GET", ["user", "search"]) => {
            let by = if world.cloud { "query" } else { "username" };
            let text = asked.arg(by).unwrap_or_default().to_lowercase();
            let id = asked.arg("accountId").unwrap_or_default();
            let found: Vec<Json> = USERS
                .iter()
                .filter(|(name, shown, mail)| {
                    format!("account:{name}") == id
                        || (!text.is_empty()
                            && format!("{name} {shown} {mail}").to_lowercase().contains(&text))
                })
                .map(|(name, ..)| render::user(world, name))
                .collect();
            Ok(Reply::json(200, &json!(found)))
        }
        ("POST", ["search"]) if !world.cloud => search(world, &asked.json()),
        ("POST", ["search"]) => Err(error(410, "The requested API has been removed.")),
        ("POST", ["search", "jql"]) if world.cloud => search_jql(world, &asked.json()),
        ("POST", ["issue", "bulkfetch"]) if world.cloud => bulk(world, &asked.json()),
        ("GET", ["issue", "createmeta", rest @ ..]) => createmeta(world, asked, rest),
        ("POST", ["issue"]) => {
            let json = asked.json();
            let key =
                world.create(&json["fields"], &json["properties"]).map_err(|e| refused(&e))?;
            let id = world.ticket(&key).id.to_string();
            Ok(Reply::json(201, &json!({"id": id, "key": key})))
        }
        (_, ["issue", key, rest @ ..]) => {
            let Some(number) = world.find(key) else {
                return Err(error(404, "Issue Does Not Exist"));
            };
            issue(world, asked, number, rest)
        }
        ("DELETE", ["attachment", id]) => {
            let id: u64 = id.parse().unwrap_or(0);
            let holder = world.tickets.iter().find(|(_, t)| t.files.iter().any(|f| f.id == id));
            let Some(number) = holder.map(|(number, _)| *number) else {
                return Err(error(404, "The attachment does not exist."));
            };
            world.tickets.get_mut(&number).unwrap().files.retain(|f| f.id != id);
            world.touched(number);
            Ok(Reply::empty(204))
        }
        ("GET", ["attachment", "content", id]) if world.cloud => {
            let headers = vec![("Location".to_owned(), format!("/media/{id}"))];
            Ok(Reply { status: 303, headers, body: vec![] })
        }
        _ => Err(error(404, &format!("null for uri: {}", asked.path))),
    }
}

fn login(world: &World, asked: &Asked) -> Result<(), Reply> {
    let header = asked.header("authorization").unwrap_or_default();
    let fine = match header.split_once(' ') {
        Some(("Basic", pair)) => {
            let pair = base64::engine::general_purpose::STANDARD.decode(pair).unwrap_or_default();
            pair == format!("sync:{}", world.password).into_bytes()
        }
        Some(("Bearer", token)) => token == world.bearer,
        _ => false,
    };
    if fine { Ok(()) } else { Err(error(401, "You are not authenticated.")) }
}

fn content(world: &World, id: &str) -> Answer {
    let files = world.tickets.values().flat_map(|ticket| &ticket.files);
    let found = files.filter(|file| file.id.to_string() == id).map(|file| file.data.clone()).next();
    match found {
        Some(body) => Ok(Reply { status: 200, headers: vec![], body }),
        None => Err(error(404, "The attachment does not exist.")),
    }
}

fn names(json: &Json) -> Vec<String> {
    json.as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
}

fn search(world: &World, args: &Json) -> Answer {
    if !args["properties"].is_null() {
        return Err(error(400, "Unrecognized field \"properties\" (Class SearchRequestBean)"));
    }
    let validate = args["validateQuery"] != json!(false);
    let found = jql::search(world, args["jql"].as_str().unwrap_or_default(), validate)
        .map_err(|text| error(400, &text))?;
    let start = args["startAt"].as_u64().unwrap_or(0) as usize;
    let most = (args["maxResults"].as_u64().unwrap_or(50) as usize).min(world.page);
    let fields = args["fields"].is_array().then(|| names(&args["fields"]));
    let page: Vec<Json> = found
        .iter()
        .skip(start)
        .take(most)
        .map(|t| {
            let json = render::ticket(world, t, fields.as_deref(), &names(&args["properties"]));
            if names(&args["expand"]) == ["changelog"] { render::with_moves(json, t) } else { json }
        })
        .collect();
    Ok(Reply::json(
        200,
        &json!({"startAt": start, "maxResults": most, "total": found.len(), "issues": page}),
    ))
}

fn search_jql(world: &World, args: &Json) -> Answer {
    let jql = args["jql"].as_str().unwrap_or_default();
    let found = jql::search(world, jql, false).map_err(|text| error(400, &text))?;
    let start = args["nextPageToken"].as_str().and_then(|t| t.parse().ok()).unwrap_or(0);
    let fields = names(&args["fields"]);
    let cap = if fields.len() > 1 { world.page } else { world.page_of_ids };
    let most = (args["maxResults"].as_u64().unwrap_or(50) as usize).min(cap);
    let page: Vec<Json> = found
        .iter()
        .skip(start)
        .take(most)
        .map(|t| {
            let json = render::ticket(world, t, Some(&fields), &names(&args["properties"]));
            if args["expand"] == "changelog" { render::with_moves(json, t) } else { json }
        })
        .collect();
    let last = start + most >= found.len();
    let mut json = json!({"issues": page, "isLast": last});
    if !last {
        json["nextPageToken"] = json!((start + most).to_string());
    }
    Ok(Reply::json(200, &json))
}

fn bulk(world: &World, args: &Json) -> Answer {
    let keys = names(&args["issueIdsOrKeys"]);
    if keys.len() > 100 {
        return Err(error(400, "at most 100 issues"));
    }
    let fields = names(&args["fields"]);
    let found = keys.iter().filter_map(|key| world.find(key)).map(|number| {
        render::ticket(world, &world.tickets[&number], Some(&fields), &names(&args["properties"]))
    });
    Ok(Reply::json(200, &json!({"issues": found.collect::<Vec<_>>(), "issueErrors": []})))
}

fn createmeta(world: &World, asked: &Asked, rest: &[&str]) -> Answer {
    let editable = || {
        FIELDS
            .iter()
            .filter(|def| def.editable && def.id != "resolution" && !world.hidden.contains(&def.id))
    };
    let types = json!([{"id": "1", "name": "Defect"}, {"id": "2", "name": "Task"}]);
    if world.old_createmeta {
        if !rest.is_empty() || asked.arg("projectKeys") != Some(&world.project) {
            return Err(error(404, "Issue Does Not Exist"));
        }
        let fields: Map<String, Json> =
            editable().map(|def| (def.id.to_owned(), render::meta(world, def))).collect();
        let kind = json!({"id": "1", "name": "Defect", "fields": fields});
        return Ok(Reply::json(
            200,
            &json!({"projects": [{"key": world.project, "issuetypes": [kind]}]}),
        ));
    }
    let start = asked.arg("startAt").and_then(|n| n.parse().ok()).unwrap_or(0);
    let (name, all): (&str, Vec<Json>) = match rest {
        [project, "issuetypes"] if *project == world.project => {
            ("issueTypes", types.as_array().unwrap().clone())
        }
        [project, "issuetypes", "1"] if *project == world.project => {
            ("fields", editable().map(|def| render::meta(world, def)).collect())
        }
        _ => return Err(error(404, "No project could be found with that key.")),
    };
    let name = if world.cloud { name } else { "values" };
    let most = asked.arg("maxResults").and_then(|n| n.parse().ok()).unwrap_or(50);
    let most = most.min(world.meta_page);
    let page: Vec<Json> = all.iter().skip(start).take(most).cloned().collect();
    let last = start + most >= all.len();
    let mut json = json!({"startAt": start, "maxResults": most, "total": all.len(), name: page});
    if !world.cloud {
        json["isLast"] = json!(last);
    }
    Ok(Reply::json(200, &json))
}

fn issue(world: &mut World, asked: &Asked, number: u64, rest: &[&str]) -> Answer {
    let list = |name: &str| {
        asked.arg(name).map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>())
    };
    match (asked.method.as_str(), rest) {
        ("GET", []) => {
            let props = list("properties").unwrap_or_default();
            let json =
                render::ticket(world, &world.tickets[&number], list("fields").as_deref(), &props);
            Ok(Reply::json(200, &json))
        }
        ("PUT", []) => {
            world.update(number, &asked.json()["fields"]).map_err(|e| refused(&e))?;
            Ok(Reply::empty(204))
        }
        ("DELETE", []) => {
            world.tickets.remove(&number);
            world.touched(number);
            Ok(Reply::empty(204))
        }
        ("PUT", ["properties", name]) if world.properties => {
            let ticket = world.tickets.get_mut(&number).unwrap();
            ticket.properties.insert((*name).to_owned(), asked.json());
            let copy = ticket.clone();
            if !world.lag {
                world.index.insert(number, copy);
            }
            Ok(Reply::empty(200))
        }
        ("DELETE", ["properties", name]) if world.properties => {
            let gone = world.tickets.get_mut(&number).unwrap().properties.remove(*name);
            if !world.lag {
                world.index.insert(number, world.tickets[&number].clone());
            }
            gone.map(|_| Reply::empty(204)).ok_or_else(|| error(404, "no such property"))
        }
        ("GET", ["transitions"]) => {
            let ways = world.ways(number).into_iter().map(|(id, to)| {
                let fields: Map<String, Json> = world.screens.get(to).into_iter().flatten().map(|id| {
                    let def = World::def(id).unwrap();
                    ((*id).to_owned(), json!({"required": true, "name": def.name, "schema": render::schema(def)}))
                }).collect();
                json!({"id": id, "name": format!("To {to}"), "to": {"id": render::ids("status")(to), "name": to}, "fields": fields})
            });
            Ok(Reply::json(200, &json!({"transitions": ways.collect::<Vec<_>>()})))
        }
        ("POST", ["transitions"]) => transition(world, &asked.json(), number),
        (_, ["comment", rest @ ..]) => comment(world, asked, number, rest),
        ("POST", ["attachments"]) => attach(world, asked, number),
        _ => Err(error(404, &format!("null for uri: {}", asked.path))),
    }
}

fn transition(world: &mut World, args: &Json, number: u64) -> Answer {
    let id = args["transition"]["id"].as_str().unwrap_or_default();
    let ways = world.ways(number);
    let Some((_, to)) = ways.iter().find(|(there, _)| there == id) else {
        return Err(error(
            400,
            "It seems that you have tried to perform a workflow operation that is not valid for the current state of this issue.",
        ));
    };
    for field in world.screens.get(to).cloned().unwrap_or_default() {
        if args["fields"][field].is_null() {
            let errors = Errors {
                status: 400,
                fields: vec![(field.to_owned(), format!("{field} is required."))],
                general: vec![],
            };
            return Err(refused(&errors));
        }
    }
    let mut fields = Vec::new();
    for (id, value) in args["fields"].as_object().into_iter().flatten() {
        let kept = world.check(id, value).map_err(|text| error(400, &text))?;
        fields.push((id.clone(), kept));
    }
    world.go(number, to);
    let ticket = world.tickets.get_mut(&number).unwrap();
    if *to != "Closed" {
        ticket.fields.remove("resolution");
    }
    ticket.fields.extend(fields);
    world.touched(number);
    Ok(Reply::empty(204))
}

fn comment(world: &mut World, asked: &Asked, number: u64, rest: &[&str]) -> Answer {
    let expand = asked.arg("expand") == Some("properties");
    if asked.method == "POST" && rest.is_empty() {
        let json = asked.json();
        let body = body(world, &json["body"])?;
        let at = world.clock + 1;
        world.next_item += 1;
        let note = Note {
            id: world.next_item,
            author: "sync".into(),
            body,
            created: at,
            updated: at,
            properties: json["properties"].clone(),
            visibility: json["visibility"].clone(),
        };
        let shown = render::comment(world, &note, expand);
        world.tickets.get_mut(&number).unwrap().comments.push(note);
        world.touched(number);
        return Ok(Reply::json(201, &shown));
    }
    let notes = &world.tickets[&number].comments;
    let [id] = rest else {
        let all: Vec<Json> = notes.iter().map(|c| render::comment(world, c, expand)).collect();
        return Ok(Reply::json(
            200,
            &json!({"startAt": 0, "maxResults": 1000, "total": all.len(), "comments": all}),
        ));
    };
    let Some(at) = notes.iter().position(|note| note.id.to_string() == *id) else {
        return Err(error(404, &format!("Can not find a comment for the id: {id}.")));
    };
    match asked.method.as_str() {
        "GET" => Ok(Reply::json(200, &render::comment(world, &notes[at], expand))),
        "PUT" => {
            let json = asked.json();
            let text = body(world, &json["body"])?;
            let now = world.clock + 1;
            let note = &mut world.tickets.get_mut(&number).unwrap().comments[at];
            (note.body, note.updated) = (text, now);
            note.visibility = json["visibility"].clone();
            world.touched(number);
            Ok(Reply::json(
                200,
                &render::comment(world, &world.tickets[&number].comments[at], expand),
            ))
        }
        "DELETE" => {
            world.tickets.get_mut(&number).unwrap().comments.remove(at);
            world.touched(number);
            Ok(Reply::empty(204))
        }
        _ => Err(error(405, "no")),
    }
}

fn body(world: &World, body: &Json) -> Result<Json, Reply> {
    let fine = if world.cloud {
        body["type"] == "doc"
    } else {
        body.as_str().is_some_and(|text| !text.is_empty())
    };
    match (fine, body.as_str()) {
        (false, _) => Err(error(400, "Comment body can not be empty!")),
        (true, Some(text)) => Ok(json!((world.normalise)(text))),
        (true, None) => Ok(body.clone()),
    }
}

fn attach(world: &mut World, asked: &Asked, number: u64) -> Answer {
    if asked.header("x-atlassian-token") != Some("no-check") {
        return Err(error(403, "XSRF check failed"));
    }
    let kind = asked.header("content-type").unwrap_or_default();
    let Some(boundary) = kind.strip_prefix("multipart/form-data; boundary=") else {
        return Err(error(415, "multipart/form-data expected"));
    };
    let mark = format!("\r\n--{boundary}");
    let body = [b"\r\n", asked.body.as_slice()].concat();
    let find = |from: usize, what: &[u8]| {
        body[from..].windows(what.len()).position(|w| w == what).map(|at| from + at)
    };
    let start = find(0, mark.as_bytes()).unwrap() + mark.len() + 2;
    let head_end = find(start, b"\r\n\r\n").unwrap();
    let head = String::from_utf8(body[start..head_end].to_vec()).unwrap();
    let end = find(head_end + 4, mark.as_bytes()).unwrap();
    let name = head.split("filename=\"").nth(1).unwrap().split('"').next().unwrap();
    let name = decode(name);
    assert!(head.contains("name=\"file\""), "{head}");
    if name.contains(['\\', '/', ':', '*', '?', '"', '<', '>', '|']) {
        return Err(error(400, &format!("The filename '{name}' contains invalid characters.")));
    }
    world.next_item += 1;
    let file = Attached {
        id: world.next_item,
        name,
        data: body[head_end + 4..end].to_vec(),
        author: "sync".into(),
        created: world.clock + 1,
    };
    let shown = render::attachment(world, &file);
    world.tickets.get_mut(&number).unwrap().files.push(file);
    world.touched(number);
    Ok(Reply::json(200, &json!([shown])))
}
