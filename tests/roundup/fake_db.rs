//! What the Roundup of the tests keeps, and how it answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use super::{Answer, Planned, Request, Trouble, data, error};

type Item = Map<String, Json>;

/// Classes, items and what is planned to go wrong.
pub(super) struct Db {
    /// Types as the schema tells them, by class and property.
    classes: BTreeMap<&'static str, BTreeMap<&'static str, String>>,
    pub(super) items: BTreeMap<String, BTreeMap<u64, Item>>,
    pub(super) retired: BTreeSet<String>,
    files: BTreeMap<u64, Vec<u8>>,
    pub(super) plan: Vec<Planned>,
    pub(super) seen: Vec<String>,
}

/// How dates are written.
pub(super) const DATE: &str = "%Y-%m-%d.%H:%M:%S";

fn now() -> String {
    #[allow(clippy::disallowed_methods, reason = "the server's own clock")]
    let now = chrono::Utc::now();
    now.format(DATE).to_string()
}

fn etag(item: &Item) -> String {
    let text = Json::Object(item.clone()).to_string();
    format!("\"{}\"", &engsync::Digest::of(text.as_bytes()).to_string()[..32])
}

impl Db {
    pub(super) fn new(ext: bool) -> Self {
        let string = || "<roundup.hyperdb.String>".to_owned();
        let plain = |kind: &str| format!("<roundup.hyperdb.{kind}>");
        let link = |to: &str| format!("<roundup.hyperdb.Link to \"{to}\">");
        let links = |to: &str| format!("<roundup.hyperdb.Multilink to \"{to}\">");
        let mut classes = BTreeMap::from([
            (
                "issue",
                BTreeMap::from([
                    ("title", string()),
                    ("messages", links("msg")),
                    ("files", links("file")),
                    ("nosy", links("user")),
                    ("keyword", links("keyword")),
                    ("assignedto", link("user")),
                    ("priority", link("priority")),
                    ("status", link("status")),
                    ("severity", plain("Integer")),
                    ("effort", plain("Number")),
                    ("blocker", plain("Boolean")),
                    ("deadline", plain("Date")),
                    ("partner_number", string()),
                ]),
            ),
            (
                "msg",
                BTreeMap::from([
                    ("content", string()),
                    ("author", link("user")),
                    ("date", plain("Date")),
                    ("summary", string()),
                    ("messageid", string()),
                    ("type", string()),
                ]),
            ),
            (
                "file",
                BTreeMap::from([("content", string()), ("name", string()), ("type", string())]),
            ),
            ("user", BTreeMap::from([("username", string()), ("realname", string())])),
            ("keyword", BTreeMap::from([("name", string())])),
            ("priority", BTreeMap::from([("name", string())])),
            ("status", BTreeMap::from([("name", string())])),
        ]);
        if ext {
            classes.insert("ext_tracker", BTreeMap::from([("name", string())]));
            classes.insert(
                "ext_msg",
                BTreeMap::from([
                    ("ext_id", string()),
                    ("key", string()),
                    ("ext_tracker", link("ext_tracker")),
                    ("msg", link("msg")),
                ]),
            );
            classes.insert(
                "ext_tracker_state",
                BTreeMap::from([
                    ("ext_id", string()),
                    ("ext_status", string()),
                    ("ext_tracker", link("ext_tracker")),
                    ("issue", link("issue")),
                ]),
            );
        }
        let mut db = Self {
            classes,
            items: BTreeMap::new(),
            retired: BTreeSet::new(),
            files: BTreeMap::new(),
            plan: Vec::new(),
            seen: Vec::new(),
        };
        for (class, names) in [
            ("keyword", &["a", "b", "x", "y", "one"][..]),
            ("priority", &["high", "low", "medium"]),
            ("status", &["unread", "chatting", "testing"]),
        ] {
            names.iter().for_each(|name| drop(db.insert(class, &json!({ "name": name }))));
        }
        for (login, name) in
            [("admin", ""), ("anonymous", ""), ("sync", "Sync Muster"), ("dev", "Dev Muster")]
        {
            db.insert("user", &json!({ "username": login, "realname": name })).unwrap();
        }
        db
    }

    pub(super) fn meet(&mut self, request: &Request) -> Option<Answer> {
        let path = request.path.trim_start_matches("/rest/data/").to_owned();
        self.seen.push(format!("{} {path}", request.method));
        let met = self.plan.iter_mut().find(|planned| {
            planned.times > 0 && planned.method == request.method && path.starts_with(planned.path)
        });
        let trouble = met.map(|planned| {
            planned.times -= 1;
            planned.trouble.clone()
        });
        match trouble {
            Some(Trouble::Broken) => return None,
            Some(Trouble::Answer(status, headers, body)) => {
                return Some(Answer(status, headers.to_owned(), body.as_bytes().to_vec()));
            }
            Some(Trouble::EditedBefore(property, value)) => {
                let (class, id) = path.split_once('/').unwrap();
                let id: u64 = id.parse().unwrap();
                let item = self.items.get_mut(class).unwrap().get_mut(&id).unwrap();
                item.insert(property.to_owned(), json!(value));
            }
            _ => {}
        }
        let answer = self.answer(request);
        match trouble {
            Some(Trouble::LostAnswer) => None,
            Some(Trouble::HoldAnswer) => Some(Answer(0, String::new(), Vec::new())),
            _ => Some(answer),
        }
    }

    fn answer(&mut self, request: &Request) -> Answer {
        use base64::Engine as _;
        let login = base64::engine::general_purpose::STANDARD.encode("sync:syncpw");
        if request.headers.get("authorization") != Some(&format!("Basic {login}")) {
            return Answer(401, String::new(), b"Invalid Login".to_vec());
        }
        if request.path == "/xmlrpc" {
            return Answer(200, String::new(), self.schema().into_bytes());
        }
        if request.path == "/rest" {
            return data(200, String::new(), &json!({ "default_version": 1 }));
        }
        let has = |name: &str| request.headers.contains_key(name);
        if request.method != "GET" && !(has("origin") && has("x-requested-with")) {
            return error(400, "Required Header Missing");
        }
        let parts: Vec<&str> = request.path.trim_start_matches("/rest/data/").split('/').collect();
        if !self.classes.contains_key(parts[0]) {
            return error(404, "Class not found");
        }
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", [class]) => self.collection(class, &request.query),
            ("GET", [class, id]) => self.element(class, id),
            ("GET", ["file", id, "binary_content"]) => {
                match id.parse().ok().and_then(|id: u64| self.files.get(&id)) {
                    Some(bytes) => Answer(200, String::new(), bytes.clone()),
                    None => error(404, "no such file"),
                }
            }
            ("POST", ["file"]) => self.upload(request),
            ("POST", [class]) => match self.insert(class, &body(request)) {
                Ok(id) => data(201, String::new(), &json!({ "id": id.to_string() })),
                Err(answer) => answer,
            },
            ("PUT" | "PATCH", [class, id]) => self.write(class, id, request),
            _ => error(405, "not here"),
        }
    }

    fn schema(&self) -> String {
        let text = |text: &str| {
            let text = text.replace('<', "&lt;").replace('>', "&gt;");
            format!("<value><string>{text}</string></value>")
        };
        let array = |items: String| format!("<value><array><data>{items}</data></array></value>");
        let class = |(name, properties): (&&str, &BTreeMap<&str, String>)| {
            let pairs = properties.iter().map(|(name, kind)| array(text(name) + &text(kind)));
            format!("<member><name>{name}</name>{}</member>", array(pairs.collect()))
        };
        let members: String = self.classes.iter().map(class).collect();
        format!(
            "<methodResponse><params><param><value><struct>{members}</struct></value></param></params></methodResponse>"
        )
    }

    fn collection(&self, class: &str, query: &[(String, String)]) -> Answer {
        let mut found: Vec<(u64, &Item)> =
            self.items.get(class).into_iter().flatten().map(|(id, item)| (*id, item)).collect();
        found.retain(|(id, _)| !self.retired.contains(&format!("{class}{id}")));
        let ids: Vec<&str> = query.iter().filter(|q| q.0 == "id").map(|q| q.1.as_str()).collect();
        if !ids.is_empty() {
            found.retain(|(id, _)| ids.contains(&&*id.to_string()));
        }
        let mut fields = Vec::new();
        let (mut size, mut index) = (usize::MAX, 1);
        for (name, value) in query {
            let number = || value.parse::<usize>().unwrap();
            let text = |item: &Item, name: &str| {
                item.get(name).and_then(Json::as_str).unwrap_or_default().to_owned()
            };
            match name.as_str() {
                "@fields" => fields = value.split(',').collect(),
                "@page_size" => size = number(),
                "@page_index" => index = number(),
                "@verbose" | "id" => {}
                "@sort" => {
                    assert_eq!(value, "-id");
                    found.reverse();
                }
                "activity" => {
                    let from = value.strip_prefix("from ").unwrap();
                    found.retain(|(_, item)| {
                        let at = text(item, "activity").replace(['-', '.', ':'], "");
                        at.as_str() >= from
                    });
                }
                name if name.ends_with(':') => {
                    found.retain(|(_, item)| text(item, name.trim_end_matches(':')) == *value);
                }
                name => {
                    let Some(kind) = self.classes[class].get(name) else {
                        return error(
                            400,
                            &format!("Field {name} is not valid for {class} class."),
                        );
                    };
                    let wanted: Vec<&str> = value.split(',').collect();
                    found.retain(|(_, item)| match item.get(name) {
                        Some(Json::Array(ids)) => {
                            ids.iter().any(|id| wanted.contains(&id.as_str().unwrap()))
                        }
                        Some(Json::String(id)) if kind.contains("Link") => wanted.contains(&&**id),
                        _ => text(item, name).to_lowercase().contains(&value.to_lowercase()),
                    });
                }
            }
        }
        let total = found.len();
        let page: Vec<Json> = found
            .into_iter()
            .skip((index - 1).saturating_mul(size))
            .take(size)
            .map(|(id, item)| {
                let mut row = Map::from_iter([("id".to_owned(), json!(id.to_string()))]);
                for field in &fields {
                    row.insert((*field).to_owned(), item.get(*field).cloned().unwrap_or_default());
                }
                Json::Object(row)
            })
            .collect();
        let mut answer = json!({ "collection": page, "@total_size": total });
        if index.saturating_mul(size) < total {
            answer["@links"] = json!({ "next": [{ "rel": "next" }] });
        }
        data(200, String::new(), &answer)
    }

    fn element(&self, class: &str, id: &str) -> Answer {
        let found = id.parse().ok().and_then(|id: u64| self.items.get(class)?.get(&id));
        let Some(item) = found else { return error(404, &format!("no such {class} {id}")) };
        let headers = format!("ETag: {}\r\n", etag(item));
        data(200, headers, &json!({ "id": id, "attributes": item }))
    }

    /// A value as it is kept, or why it is not.
    fn kept(&self, class: &str, property: &str, value: &Json) -> Result<Json, Answer> {
        let Some(kind) = self.classes[class].get(property) else {
            return Err(error(400, &format!("Property {property} not found in class {class}")));
        };
        let text = value.as_str().map(str::trim).unwrap_or_default();
        let linked = |name: &str| -> Result<Json, Answer> {
            let to = kind.split('"').nth(1).unwrap();
            let items = self.items.get(to);
            let by_name = |item: &Item| {
                ["name", "username"].iter().any(|p| item.get(*p).is_some_and(|v| v == name))
            };
            let found = items
                .into_iter()
                .flatten()
                .find(|(id, item)| id.to_string() == name || by_name(item));
            found
                .map(|(id, _)| json!(id.to_string()))
                .ok_or_else(|| error(400, &format!("property {property}: '{name}' is not a {to}.")))
        };
        Ok(match value {
            Json::Array(ids) => {
                let mut kept = Vec::new();
                for id in ids {
                    kept.push(linked(id.as_str().unwrap())?);
                }
                Json::Array(kept)
            }
            _ if text.is_empty() && kind.contains("Multilink") => json!([]),
            _ if text.is_empty() => Json::Null,
            _ if kind.contains("Link") => linked(text)?,
            _ if kind.contains("Boolean") => json!(i32::from(text == "yes")),
            _ if kind.contains("Integer") => json!(text.parse::<i64>().unwrap()),
            _ if kind.contains("Number") => json!(text.parse::<f64>().unwrap()),
            _ if kind.contains("Date") => {
                let time = chrono::NaiveDateTime::parse_from_str(text, "%Y%m%d%H%M%S").unwrap();
                json!(time.format(DATE).to_string())
            }
            _ if property == "content" => json!(text),
            _ => json!(text.replace("\r\n", "\n").replace('\r', "\n")),
        })
    }

    fn insert(&mut self, class: &str, values: &Json) -> Result<u64, Answer> {
        let mut item = Item::new();
        for (property, value) in values.as_object().unwrap() {
            item.insert(property.clone(), self.kept(class, property, value)?);
        }
        for property in ["activity", "creation"] {
            item.insert(property.to_owned(), json!(now()));
        }
        for property in ["actor", "creator"] {
            item.insert(property.to_owned(), json!("3"));
        }
        let items = self.items.entry(class.to_owned()).or_default();
        let id = items.last_key_value().map_or(1, |(id, _)| id + 1);
        item.insert("id".to_owned(), json!(id.to_string()));
        items.insert(id, item);
        Ok(id)
    }

    fn upload(&mut self, request: &Request) -> Answer {
        let kind = &request.headers["content-type"];
        let boundary = format!("--{}", kind.split_once("boundary=").unwrap().1);
        let text = String::from_utf8_lossy(&request.body).into_owned();
        let field = |name: &str| {
            let begin = format!("name=\"{name}\"\r\n\r\n");
            let from = text.find(&begin).unwrap() + begin.len();
            text[from..].split("\r\n").next().unwrap().to_owned()
        };
        let find = |needle: &[u8], from: usize| {
            let mut windows = request.body[from..].windows(needle.len());
            windows.position(|window| window == needle).unwrap() + from
        };
        let begin = find(b"name=\"content\"", 0);
        let begin = find(b"\r\n\r\n", begin) + 4;
        let end = find(format!("\r\n{boundary}").as_bytes(), begin);
        let values = json!({ "name": field("name"), "type": field("type") });
        match self.insert("file", &values) {
            Ok(id) => {
                self.files.insert(id, request.body[begin..end].to_vec());
                data(201, String::new(), &json!({ "id": id.to_string() }))
            }
            Err(answer) => answer,
        }
    }

    fn write(&mut self, class: &str, id: &str, request: &Request) -> Answer {
        let number = id.parse().ok();
        let found = number.and_then(|id: u64| self.items.get(class)?.get(&id).cloned());
        let Some(mut item) = found else { return error(404, &format!("no such {class} {id}")) };
        let values = body(request);
        let mut kept = Map::new();
        for (property, value) in
            values.as_object().unwrap().iter().filter(|v| !v.0.starts_with('@'))
        {
            match self.kept(class, property, value) {
                Ok(value) => drop(kept.insert(property.clone(), value)),
                Err(answer) => return answer,
            }
        }
        if request.headers.get("if-match") != Some(&etag(&item)) {
            return error(412, "If-Match is missing or does not match.");
        }
        let before = item.clone();
        for (property, value) in kept {
            let op = values.get("@op").and_then(Json::as_str).unwrap_or("replace");
            let mut ids = item.get(&property).and_then(Json::as_array).cloned().unwrap_or_default();
            let value = match op {
                "add" => {
                    ids.extend(value.as_array().unwrap().iter().cloned());
                    Json::Array(ids)
                }
                "remove" => {
                    ids.retain(|id| !value.as_array().unwrap().contains(id));
                    Json::Array(ids)
                }
                // Content without a text is left alone.
                _ if property == "content" && value.is_null() => continue,
                _ => value,
            };
            item.insert(property, value);
        }
        let changed = |(property, value): (&String, &Json)| {
            property != "content" && before.get(property) != Some(value)
        };
        if item.iter().any(changed) {
            item.insert("activity".to_owned(), json!(now()));
        }
        self.items.get_mut(class).unwrap().insert(number.unwrap(), item);
        data(200, String::new(), &json!({ "id": id }))
    }
}

fn body(request: &Request) -> Json {
    let mut json: Json = serde_json::from_slice(&request.body).unwrap();
    // As Roundup's own reader does.
    json.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    json
}
