//! The issues of the little Jira, and what may be done to them.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

#[path = "things.rs"]
mod things;

pub use things::*;

/// The tracker.
pub struct World {
    pub cloud: bool,
    pub project: String,
    /// Seconds since 1970.
    pub clock: i64,
    pub tickets: BTreeMap<u64, Ticket>,
    pub next: u64,
    pub next_item: u64,
    /// What the search sees; with `lag` it stays as it is.
    pub index: BTreeMap<u64, Ticket>,
    pub lag: bool,
    /// Comments and issues have properties.
    pub properties: bool,
    /// The search knows them.
    pub property_search: bool,
    /// Where one can go from a status; none named: anywhere.
    pub workflow: BTreeMap<&'static str, Vec<&'static str>>,
    /// What the screen on the way to a status asks for.
    pub screens: BTreeMap<&'static str, Vec<&'static str>>,
    /// How many issues a page has at most.
    pub page: usize,
    /// How many comments come with an issue at most.
    pub comments: usize,
    /// How many issue types or fields a page of `createmeta` has at most.
    pub meta_page: usize,
    /// The same of a Cloud's, where one field is asked for at most.
    pub page_of_ids: usize,
    /// The search takes AND only.
    pub and_only: bool,
    /// Old createmeta in one piece.
    pub old_createmeta: bool,
    /// What a text becomes on its way in.
    pub normalise: fn(&str) -> String,
    /// Fields that are on no screen.
    pub hidden: Vec<&'static str>,
    pub password: String,
    /// A bearer token that is let in, too.
    pub bearer: String,
    pub denied_permissions: Vec<&'static str>,
    pub time_zone: &'static str,
    /// What a new issue has that names none.
    pub default_priority: Option<&'static str>,
    /// The status of a new issue.
    pub initial: &'static str,
    /// Keys that issues had before they were moved.
    pub moved: BTreeMap<String, u64>,
}

impl World {
    pub fn new(cloud: bool) -> Self {
        Self {
            cloud,
            project: "TST".to_owned(),
            clock: 1_741_593_600,
            tickets: BTreeMap::new(),
            next: 1,
            next_item: 30_001,
            index: BTreeMap::new(),
            lag: false,
            properties: true,
            property_search: true,
            workflow: BTreeMap::new(),
            screens: BTreeMap::new(),
            page: if cloud { 100 } else { 1000 },
            comments: if cloud { 20 } else { usize::MAX },
            // What Atlassian publishes for Cloud.
            meta_page: 200,
            page_of_ids: 5000,
            and_only: false,
            old_createmeta: false,
            normalise: str::to_owned,
            hidden: vec![],
            password: "secret".to_owned(),
            bearer: "token".to_owned(),
            denied_permissions: vec![],
            time_zone: "Europe/Berlin",
            default_priority: None,
            initial: "Open",
            moved: BTreeMap::new(),
        }
    }

    pub fn tick(&mut self) -> i64 {
        self.clock += 1;
        self.clock
    }

    /// The index catches up.
    pub fn reindex(&mut self) {
        self.index = self.tickets.clone();
    }

    /// After a write to a ticket.
    pub fn touched(&mut self, number: u64) {
        let at = self.tick();
        if let Some(ticket) = self.tickets.get_mut(&number) {
            ticket.updated = at;
            if !self.lag {
                self.index.insert(number, ticket.clone());
            }
        } else if !self.lag {
            self.index.remove(&number);
        }
    }

    /// By key or id.
    pub fn find(&self, key: &str) -> Option<u64> {
        let ids = |(_, ticket): &(&u64, &Ticket)| ticket.key == key || ticket.id.to_string() == key;
        match key.strip_prefix(&format!("{}-", self.project)).map(str::parse) {
            Some(Ok(number)) if self.tickets.get(&number).is_some_and(|t| t.key == key) => {
                Some(number)
            }
            _ => {
                let found = self.tickets.iter().find(ids).map(|(number, _)| *number);
                found.or_else(|| self.moved.get(key).copied())
            }
        }
    }

    /// Moves an issue to another project.
    pub fn rename(&mut self, key: &str, to: &str) {
        let number = self.find(key).unwrap();
        self.moved.insert(key.to_owned(), number);
        self.tickets.get_mut(&number).unwrap().key = to.to_owned();
        self.touched(number);
    }

    pub fn ticket(&self, key: &str) -> &Ticket {
        &self.tickets[&self.find(key).unwrap_or_else(|| panic!("no issue {key}"))]
    }

    /// What a user does by hand to one field.
    pub fn edit(&mut self, key: &str, field: &str, value: Json) {
        let number = self.find(key).unwrap();
        if field == "status" {
            return self.go(number, value.as_str().unwrap());
        }
        self.tickets.get_mut(&number).unwrap().fields.insert(field.to_owned(), value);
        self.touched(number);
    }

    /// Has an issue change its status.
    pub fn go(&mut self, number: u64, to: &str) {
        let at = self.tick();
        let ticket = self.tickets.get_mut(&number).unwrap();
        let from = ticket.fields.insert("status".into(), json!(to)).unwrap();
        ticket.moves.push((at, from.as_str().unwrap().to_owned(), to.to_owned()));
        self.touched(number);
    }

    /// A comment of a person; answers its id.
    pub fn say(&mut self, key: &str, author: &str, text: &str) -> u64 {
        let number = self.find(key).unwrap();
        self.next_item += 1;
        let (id, at) = (self.next_item, self.clock + 1);
        let note = Note {
            id,
            author: author.to_owned(),
            body: json!(text),
            created: at,
            updated: at,
            properties: Json::Null,
            visibility: Json::Null,
        };
        self.tickets.get_mut(&number).unwrap().comments.push(note);
        self.touched(number);
        id
    }

    /// A person changes (or with `None` deletes) a comment.
    pub fn reword(&mut self, key: &str, id: u64, words: Option<(&str, &str)>) {
        let number = self.find(key).unwrap();
        let at = self.clock + 1;
        let notes = &mut self.tickets.get_mut(&number).unwrap().comments;
        match words {
            None => notes.retain(|note| note.id != id),
            Some((author, text)) => {
                let note = notes.iter_mut().find(|note| note.id == id).unwrap();
                (note.body, note.updated) = (json!(text), at);
                let _ = author;
            }
        }
        self.touched(number);
    }

    /// A person attaches a file.
    pub fn add_file(&mut self, key: &str, name: &str, data: &[u8]) {
        let number = self.find(key).unwrap();
        self.next_item += 1;
        let file = Attached {
            id: self.next_item,
            name: name.to_owned(),
            data: data.to_vec(),
            author: "alice".to_owned(),
            created: self.clock + 1,
        };
        self.tickets.get_mut(&number).unwrap().files.push(file);
        self.touched(number);
    }

    pub fn delete(&mut self, key: &str) {
        let number = self.find(key).unwrap();
        self.tickets.remove(&number);
        self.touched(number);
    }

    pub fn def(id: &str) -> Option<&'static FieldDef> {
        FIELDS.iter().find(|def| def.id == id)
    }

    /// A value sent for a field, as it is kept.
    pub fn check(&self, id: &str, value: &Json) -> Result<Json, String> {
        let def = Self::def(id).filter(|def| def.editable && !self.hidden.contains(&id));
        let Some(def) = def else {
            return Err(format!(
                "Field '{id}' cannot be set. It is not on the appropriate screen, or unknown."
            ));
        };
        match def.kind.strip_prefix("array of ") {
            Some(_) if value.is_null() => Ok(json!([])),
            Some(item) => {
                let items = value.as_array().ok_or("data was not an array")?;
                let mut kept =
                    items.iter().map(|v| self.item(def, item, v)).collect::<Result<Vec<_>, _>>()?;
                if id == "labels" {
                    kept.sort_by_key(Json::to_string);
                    kept.dedup();
                }
                Ok(Json::Array(kept))
            }
            None if value.is_null() => Ok(Json::Null),
            None => self.item(def, def.kind, value),
        }
    }

    fn item(&self, def: &FieldDef, kind: &str, value: &Json) -> Result<Json, String> {
        let text = || value.as_str().ok_or("Operation value must be a string");
        match kind {
            "string" if def.id == "labels" => {
                let label = text()?;
                if label.contains(' ') || label.len() > 255 {
                    return Err(format!("The label '{label}' contains spaces which is invalid."));
                }
                Ok(json!(label))
            }
            "string" => self.text(def, value),
            "number" => value.as_f64().map(|n| json!(n)).ok_or("a number expected".to_owned()),
            "date" | "datetime" => {
                let text = text()?;
                let day = kind == "date" && text.len() == 10;
                let time = kind == "datetime" && text.len() == 28;
                if day || time { Ok(json!(text)) } else { Err(format!("bad time {text}")) }
            }
            "user" => {
                let by = if self.cloud { "accountId" } else { "name" };
                let name = value[by].as_str().unwrap_or_default();
                let name = name.strip_prefix("account:").unwrap_or(name);
                let known = USERS.iter().any(|(user, ..)| *user == name);
                if known { Ok(json!(name)) } else { Err(format!("User '{name}' does not exist.")) }
            }
            "project" => {
                let key = value["key"].as_str().or(value["id"].as_str()).unwrap_or_default();
                if key == self.project { Ok(json!(key)) } else { Err("project is required".into()) }
            }
            "option-with-child" => {
                let parent = value["value"].as_str().unwrap_or_default();
                if !def.values.contains(&parent) {
                    return Err(format!("Option '{parent}' is not valid"));
                }
                Ok(json!({"value": parent, "child": value["child"]["value"]}))
            }
            _ => {
                let by = if kind == "option" { "value" } else { "name" };
                let by_id = value["id"].as_str().and_then(|id| id.parse::<usize>().ok());
                let name = match by_id.and_then(|id| def.values.get(id.wrapping_sub(1))) {
                    Some(name) => name,
                    None => value[by].as_str().unwrap_or_default(),
                };
                if def.values.contains(&name) {
                    return Ok(json!(name));
                }
                Err(format!("{} name '{name}' is not valid", def.name))
            }
        }
    }

    fn text(&self, def: &FieldDef, value: &Json) -> Result<Json, String> {
        let rich = self.cloud
            && (["description", "environment"].contains(&def.id)
                || def.custom.ends_with("textarea"));
        if rich {
            let document = value["type"] == "doc" && value["version"] == 1;
            if !document {
                return Err("Operation value must be an Atlassian Document".into());
            }
            return Ok(value.clone());
        }
        let text = value.as_str().ok_or("Operation value must be a string")?;
        let length = text.encode_utf16().count();
        if def.id == "summary" && text.contains(['\n', '\r']) {
            return Err("The summary is invalid because it contains newline characters.".into());
        }
        let most =
            if def.id == "summary" || def.custom.ends_with("textfield") { 255 } else { 32767 };
        if length > most {
            return Err(format!("The entered text is too long. It exceeds {most} characters."));
        }
        Ok(json!((self.normalise)(text)))
    }

    /// Makes a ticket.
    pub fn create(&mut self, fields: &Json, properties: &Json) -> Result<String, Errors> {
        let mut errors = Errors { status: 400, ..Errors::default() };
        let mut kept = BTreeMap::new();
        for (id, value) in fields.as_object().into_iter().flatten() {
            if id == "resolution" {
                errors.fields.push((id.clone(), "It is not on the appropriate screen.".into()));
                continue;
            }
            match self.check(id, value) {
                Ok(value) => drop(kept.insert(id.clone(), value)),
                Err(text) => errors.fields.push((id.clone(), text)),
            }
        }
        for (id, text) in [
            ("project", "project is required"),
            ("issuetype", "issue type is required"),
            ("summary", "You must specify a summary of the issue."),
        ] {
            let set = kept.get(id).is_some_and(|value| !value.is_null() && value != "");
            if !set && !errors.fields.iter().any(|(there, _)| there == id) {
                errors.fields.push((id.to_owned(), text.to_owned()));
            }
        }
        if !errors.fields.is_empty() {
            return Err(errors);
        }
        let number = self.next;
        self.next += 1;
        let key = format!("{}-{number}", self.project);
        kept.insert("status".into(), json!(self.initial));
        kept.insert("creator".into(), json!("sync"));
        kept.entry("reporter".into()).or_insert(json!("sync"));
        if let Some(priority) = self.default_priority {
            kept.entry("priority".into()).or_insert(json!(priority));
        }
        let mut ticket =
            Ticket { id: 20_000 + number, key: key.clone(), fields: kept, ..Ticket::default() };
        if self.properties {
            for property in properties.as_array().into_iter().flatten() {
                let name = property["key"].as_str().unwrap_or_default().to_owned();
                ticket.properties.insert(name, property["value"].clone());
            }
        }
        self.tickets.insert(number, ticket);
        self.touched(number);
        let at = self.tickets[&number].updated;
        self.tickets.get_mut(&number).unwrap().fields.insert("created".into(), json!(at));
        if !self.lag {
            self.index.insert(number, self.tickets[&number].clone());
        }
        Ok(key)
    }

    /// Writes fields of a ticket.
    pub fn update(&mut self, number: u64, fields: &Json) -> Result<(), Errors> {
        let mut errors = Errors { status: 400, ..Errors::default() };
        let mut kept = Vec::new();
        for (id, value) in fields.as_object().into_iter().flatten() {
            match self.check(id, value) {
                Ok(value) if id == "summary" && (value.is_null() || value == "") => errors
                    .fields
                    .push((id.clone(), "You must specify a summary of the issue.".into())),
                Ok(value) => kept.push((id.clone(), value)),
                Err(text) => errors.fields.push((id.clone(), text)),
            }
        }
        if !errors.fields.is_empty() {
            return Err(errors);
        }
        self.tickets.get_mut(&number).unwrap().fields.extend(kept);
        self.touched(number);
        Ok(())
    }

    /// Where a ticket can go: id, target.
    pub fn ways(&self, number: u64) -> Vec<(String, &'static str)> {
        let now = self.tickets[&number].fields["status"].as_str().unwrap_or_default();
        let free: Vec<&'static str> =
            STATUSES.iter().copied().filter(|status| *status != now).collect();
        let to = if self.workflow.is_empty() {
            free
        } else {
            self.workflow.get(now).cloned().unwrap_or_default()
        };
        let id = |status: &str| 900 + STATUSES.iter().position(|s| *s == status).unwrap();
        to.into_iter().map(|status| (id(status).to_string(), status)).collect()
    }
}
