//! Every request to Cloud against the document Atlassian publishes, where `$JIRA_OPENAPI` names
//! it: the path and method exist, the query has the parameters it may have, what must be there is
//! there, and the body is what the document describes.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::*;

/// All the adapter ever asks for, over a Jira with its troubles.
pub(super) fn everything(stub: Stub) -> Vec<Asked> {
    let Site { stub, jira, .. } = with(stub, |options| {
        options.marker = MarkIn::Property;
        options.transitions = 3;
        options.attach_cut_text = true;
        options.fields.push("assignee.displayName".to_owned());
        options.comment_visibility = Some(Visibility::Group("partners".into()));
    });
    jira.check();
    jira.schema().unwrap();
    let token = jira.changed_since(None).unwrap().token;
    jira.at_first().unwrap();
    let before = jira.before_create().unwrap();
    let list = |items: &[&str]| Value::list(items.iter().map(|i| (*i).to_owned()).collect());
    let orders: Vec<Order<'_>> = (0..120)
        .map(|n| Order {
            marker: format!("main/p:{n}"),
            changes: changes(&[
                ("summary", text("s")),
                ("description", text("a\n\nb")),
                ("labels", list(&["x"])),
                ("versions", list(&["R1.0"])),
                ("Place", text("front / left")),
                ("Mileage", text("3.5")),
                ("assignee.displayName", text("Alice Adler")),
                ("status", text("Closed")),
            ]),
            comments: vec![note("hallo", "t")],
            ..Order::default()
        })
        .collect();
    assert!(jira.write_many(&orders[..3], &|| true).iter().all(|r| r.error.is_none()));
    for order in &orders[3..] {
        stub.world().create(
            &json!({"project": {"key": "TST"}, "issuetype": {"id": "1"}, "summary": order.marker}),
            &json!([{"key": "engsync", "value": {"marker": order.marker}}]),
        ).unwrap();
    }
    let keys: Vec<String> = (1..122).map(|n| format!("TST-{n}")).collect();
    assert_eq!(jira.get_many(&keys).unwrap().iter().flatten().count(), 120);
    assert_eq!(jira.find("main/p:7").unwrap().len(), 1);
    stub.rule(Rule::next("POST", "/issue", Act::DropAfter));
    jira.create("main/p:900", &summary("s")).unwrap();
    assert!(matches!(jira.probe(&["main/p:900"], &before).unwrap()[..], [Probed::Found(_)]));
    let long = "lang ".repeat(10_000);
    let set = changes(&[
        ("summary", text("t")),
        ("description", text(&long)),
        ("labels", None),
        ("resolution", text("Done")),
    ]);
    jira.update("TST-1", &set, Some(&changes(&[("summary", text("s"))]))).unwrap();
    let photo = file("Größe?.bin", b"bytes");
    jira.attach("TST-1", &photo).unwrap();
    jira.attach("TST-1", &file("Größe?.bin", b"other")).unwrap();
    jira.attach("TST-2", &read(&jira, "TST-1").attachments[0]).unwrap();
    jira.detach("TST-1", "Größe?.bin").unwrap();
    let id = jira.comment("TST-4", &note("a\nb", "u")).unwrap();
    jira.edit_comment("TST-4", &id, "c").unwrap();
    jira.delete_comment("TST-4", &id).unwrap();
    jira.mark("TST-5", None).unwrap();
    jira.mark("TST-5", Some("main/p:777")).unwrap();
    jira.changed_since(Some(&token)).unwrap();
    jira.changed_since(Some("strange")).unwrap();
    // A way of several steps, and the search for it.
    stub.world().workflow =
        [("Open", vec!["Analyzing"]), ("Analyzing", vec!["In Progress"])].into();
    stub.world().edit("TST-9", "status", json!("Analyzing"));
    jira.update("TST-8", &changes(&[("status", text("In Progress"))]), None).unwrap();
    // A text field as the marker.
    stub.world().page = 50;
    let other = with_url(&stub);
    other.find_many(&["main/p:1", "main/p:2"]).unwrap();
    let key = other.create("main/q:\"1\"", &summary("s")).unwrap().issue.id;
    other.mark(&key, None).unwrap();
    stub.asked()
}

fn with_url(stub: &Stub) -> Jira {
    Jira::new(options(stub).0).unwrap()
}

/// The document, where it is at hand; otherwise that it is not, loudly.
#[allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the document is not ours to copy"
)]
fn published() -> Option<Document> {
    if let Ok(path) = std::env::var("JIRA_OPENAPI") {
        return Some(Document::open(&path));
    }
    println!("SKIPPED: JIRA_OPENAPI does not name the Jira Cloud OpenAPI document;");
    println!("SKIPPED: the requests of the Cloud adapter were NOT validated against it.");
    None
}

struct Document {
    json: Json,
    /// The templates, split into segments; with fewer placeholders first.
    paths: Vec<(Vec<String>, String)>,
}

impl Document {
    fn open(path: &str) -> Self {
        let json: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut paths: Vec<(Vec<String>, String)> = json["paths"]
            .as_object()
            .unwrap()
            .keys()
            .map(|path| (path.split('/').map(str::to_owned).collect(), path.clone()))
            .collect();
        let holes = |parts: &[String]| parts.iter().filter(|part| part.starts_with('{')).count();
        paths.sort_by_key(|(parts, _)| holes(parts));
        Self { json, paths }
    }

    fn operation(&self, asked: &Asked) -> Option<(&str, &Json)> {
        let parts: Vec<&str> = asked.path.split('/').collect();
        let fits = |template: &[String]| {
            template.len() == parts.len()
                && template.iter().zip(&parts).all(|(t, part)| t.starts_with('{') || t == part)
        };
        let method = asked.method.to_lowercase();
        let fitting = self.paths.iter().filter(|(template, _)| fits(template));
        fitting
            .map(|(_, path)| (path.as_str(), &self.json["paths"][path][&method]))
            .find(|(_, operation)| operation.is_object())
    }

    fn parameters<'a>(&'a self, path: &str, operation: &'a Json) -> Vec<&'a Json> {
        let shared = self.json["paths"][path]["parameters"].as_array();
        let own = operation["parameters"].as_array();
        shared.into_iter().chain(own).flatten().collect()
    }

    /// The schema of a body, as a document of its own.
    fn body(&self, schema: &Json) -> Json {
        let mut schema = schema.clone();
        schema["components"] = self.json["components"].clone();
        schema
    }

    /// What is wrong with a request.
    fn objections(&self, asked: &Asked) -> Vec<String> {
        let Some((path, operation)) = self.operation(asked) else {
            return vec!["no such operation".to_owned()];
        };
        let mut bad = Vec::new();
        let parameters = self.parameters(path, operation);
        let named = |at: &str| -> BTreeMap<&str, &Json> {
            let at = parameters.iter().filter(|parameter| parameter["in"] == at);
            at.filter_map(|parameter| Some((parameter["name"].as_str()?, *parameter))).collect()
        };
        let query = named("query");
        for (name, value) in &asked.query {
            match query.get(name.as_str()) {
                None => bad.push(format!("no parameter {name:?}")),
                Some(parameter) => match parameter["schema"]["type"].as_str() {
                    Some("integer") if value.parse::<i64>().is_err() => {
                        bad.push(format!("{name}={value} is no integer"));
                    }
                    Some("boolean") if value.parse::<bool>().is_err() => {
                        bad.push(format!("{name}={value} is no boolean"));
                    }
                    _ => {}
                },
            }
        }
        for (name, _) in query.iter().filter(|(_, parameter)| parameter["required"] == true) {
            if asked.arg(name).is_none() {
                bad.push(format!("{name} is missing"));
            }
        }
        if asked.header("authorization").is_none() {
            bad.push("nobody is logged in".to_owned());
        }
        self.body_objections(asked, operation, &mut bad);
        bad
    }

    fn body_objections(&self, asked: &Asked, operation: &Json, bad: &mut Vec<String>) {
        let content = operation["requestBody"]["content"].as_object();
        let sent = asked.header("content-type").unwrap_or_default();
        let Some(content) = content else {
            if !asked.body.is_empty() {
                bad.push("a body where none belongs".to_owned());
            }
            return;
        };
        let kind = sent.split(';').next().unwrap_or_default();
        let Some(described) = content.get(kind) else {
            bad.push(format!("content type {kind:?} is none of {:?}", content.keys()));
            return;
        };
        if kind != "application/json" {
            if asked.header("x-atlassian-token") != Some("no-check") {
                bad.push("X-Atlassian-Token is missing".to_owned());
            }
            return;
        }
        let body = asked.json();
        let schema = self.body(&described["schema"]);
        match jsonschema::validator_for(&schema) {
            Ok(validator) => {
                bad.extend(validator.iter_errors(&body).map(|error| error.to_string()));
            }
            Err(error) => bad.push(format!("the schema cannot be used: {error}")),
        }
        tighter(&asked.path, &body, bad);
    }
}

/// What the document leaves open and Jira does not.
fn tighter(path: &str, body: &Json, bad: &mut Vec<String>) {
    let is_document = |value: &Json| {
        value["type"] == "doc" && value["version"] == 1 && value["content"].is_array()
    };
    if path.contains("/comment") && !is_document(&body["body"]) {
        bad.push("the body of a comment is a document".to_owned());
    }
    if path.ends_with("/issue") || path.contains("/issue/TST-") {
        for field in ["description", "environment", "customfield_12700"] {
            let value = &body["fields"][field];
            if !value.is_null() && !is_document(value) {
                bad.push(format!("{field} is a document"));
            }
        }
        let known = ["fields", "update", "properties", "transition", "historyMetadata"];
        for key in body.as_object().into_iter().flatten().map(|(key, _)| key) {
            let other = path.contains("/comment") || path.contains("/properties/");
            if !other && !known.contains(&key.as_str()) {
                bad.push(format!("{key:?} is nothing an issue has"));
            }
        }
    }
}

#[test]
fn every_request_to_cloud_is_one_the_document_knows() {
    let asked = everything(Stub::cloud());
    let kinds: std::collections::BTreeSet<String> = asked
        .iter()
        .map(|asked| {
            let digits = |part: &str| part.chars().any(|c| c.is_ascii_digit());
            let parts = asked.path.trim_start_matches("/rest/api/3/").split('/');
            let parts: Vec<&str> =
                parts.map(|part| if digits(part) { "*" } else { part }).collect();
            format!("{} {}", asked.method, parts.join("/"))
        })
        .collect();
    // Nothing is left out: as many kinds of requests as docs/trackers/jira.md lists.
    assert!(kinds.len() >= 24, "{} {kinds:#?}", kinds.len());
    let Some(document) = published() else { return };
    let media = |asked: &&Asked| !asked.path.starts_with("/media/");
    let mut seen = std::collections::BTreeSet::new();
    let mut bad = std::collections::BTreeSet::new();
    for asked in asked.iter().filter(media) {
        // One of each shape is enough; a thousand creates look the same.
        let body = String::from_utf8_lossy(&asked.body).chars().take(200).collect::<String>();
        let names: Vec<&str> = asked.query.iter().map(|(name, _)| name.as_str()).collect();
        if seen.insert((asked.short(), names.join(","), body)) {
            for objection in document.objections(asked) {
                bad.insert(format!("{}: {objection}", asked.short()));
            }
        }
    }
    assert!(seen.len() > 24);
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn the_validator_finds_what_is_planted() {
    let Some(document) = published() else { return };
    let asked = |method: &str, path: &str, query: &[(&str, &str)], body: Option<Json>| Asked {
        method: method.to_owned(),
        path: format!("/rest/api/3/{path}"),
        query: query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        headers: vec![
            ("Authorization".to_owned(), "Basic x".to_owned()),
            ("Content-Type".to_owned(), "application/json".to_owned()),
        ],
        body: body.map(|body| body.to_string().into_bytes()).unwrap_or_default(),
        status: 200,
        span: Default::default(),
    };
    let fine = [
        asked("GET", "issue/TST-1", &[("fields", "summary")], None),
        asked("POST", "search/jql", &[], Some(json!({"jql": "a = b", "maxResults": 5}))),
    ];
    for request in &fine {
        assert_eq!(document.objections(request), Vec::<String>::new());
    }
    let planted = [
        asked("GET", "no/such", &[], None),
        asked("GET", "issue/TST-1", &[("nope", "1")], None),
        asked("POST", "search/jql", &[], Some(json!({"jql": "a = b", "startAt": 0}))),
        asked("POST", "search/jql", &[], Some(json!({"jql": "a = b", "maxResults": "5"}))),
        asked("POST", "issue", &[], Some(json!({"fields": {"description": "plain"}}))),
        asked("POST", "issue", &[], Some(json!({"fields": {}, "marker": "x"}))),
        asked("POST", "issue/TST-1/comment", &[], Some(json!({"body": "plain"}))),
        asked("POST", "issue/bulkfetch", &[], Some(json!({"keys": ["TST-1"]}))),
    ];
    for request in &planted {
        assert!(!document.objections(request).is_empty(), "{request:?}");
    }
}
