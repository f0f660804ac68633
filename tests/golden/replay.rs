//! A recorded step, done with engsync from outside.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::document;
use super::record::{Edit, Facts, Step, fixture, local, shown};
use crate::common::{Ran, Site};
use crate::stub::Stub;
use crate::stub::world::{Ticket, World};

/// What was there after a step of ours.
pub(crate) struct Done {
    pub(crate) exit: i32,
    pub(crate) tracker: BTreeMap<String, Facts>,
    /// The documents of the answers: key and facts; one for each time an issue was answered.
    pub(crate) answers: Vec<(String, Vec<String>)>,
    /// The files beside them: name in the archive, SHA-256.
    pub(crate) files: Vec<(String, String)>,
}

/// The tracker that a case is replayed over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Embedded,
    Jira,
}

/// One installation on which the steps of a case happen.
pub(crate) struct Replay {
    site: Site,
    /// The tracker, where it is not the embedded one.
    jira: Option<Stub>,
    /// The recording's ids of comments and ours.
    comments: BTreeMap<String, String>,
}

impl Replay {
    /// With the recorded rules; `answer` as in the configuration.
    pub(crate) fn new(case: &str, answer: &str, over: Over) -> Self {
        let site = Site { dir: tempfile::tempdir().unwrap() };
        let (jira, mut config) = match over {
            Over::Embedded => (None, fs::read_to_string(fixture("engsync.toml")).unwrap()),
            Over::Jira => {
                let mut world = World::new(false);
                world.default_priority = Some("Minor");
                let stub = Stub::start(world);
                fs::write(site.path("token"), "secret\n").unwrap();
                let config = fs::read_to_string(fixture("jira.toml")).unwrap();
                let marked = format!(
                    "url = {:?}\nmarker_field = \"External Ticket\"\ntoken_file = \"token\"\n",
                    stub.url()
                );
                let config = config.replacen("url = \"URL\"\n", &marked, 1);
                let lines = config.lines().filter(|line| !line.starts_with("token_env"));
                (Some(stub), lines.map(|line| format!("{line}\n")).collect())
            }
        };
        let partner = "profile = \"pfiff\"\n";
        config = config.replacen(partner, &format!("{partner}answer = {answer:?}\n"), 1);
        if case.ends_with("attachments") || case.ends_with("attachments-out") {
            config = config.replacen("\nin = true\n", "\nin = true\nout_prefix = \"oem-\"\n", 1);
        }
        fs::write(site.path("engsync.toml"), config).unwrap();
        fs::create_dir_all(site.path("spool/incoming")).unwrap();
        Self { site, jira, comments: BTreeMap::new() }
    }

    pub(crate) fn step(&mut self, case: &str, step: &Step) -> Done {
        for edit in &step.edits {
            match &self.jira {
                Some(stub) => over_there(stub, edit, &mut self.comments),
                None => self.edit(edit, &step.now),
            }
        }
        if let Ok(parts) = fs::read_dir(fixture(case).join(&step.step).join("input")) {
            for part in parts {
                let part = part.unwrap();
                fs::copy(part.path(), self.site.path("spool/incoming").join(part.file_name()))
                    .unwrap();
            }
        }
        let mut args: Vec<&str> = step.args.iter().map(String::as_str).collect();
        let zip = step.zip.as_ref().map(|zip| fixture("inputs").join(zip));
        let zip = zip.as_ref().map(|zip| zip.to_string_lossy());
        let out = format!("{}.zip", step.step);
        match &zip {
            Some(zip) => args.extend(["-z", zip, "-o", &out, "--json"]),
            None => args.extend(["run", "--json"]),
        }
        let ran = self.engsync(&args, &step.now);
        assert!(ran.code < 2, "{case}/{}: {}{}", step.step, ran.out, ran.err);
        let mut done = Done {
            exit: ran.code,
            tracker: self.tracker(),
            answers: Vec::new(),
            files: Vec::new(),
        };
        for sent in ran.json()["sent"].as_array().unwrap() {
            let file = sent["files"].as_array().unwrap().last().unwrap().as_str().unwrap();
            let path = match &zip {
                Some(_) => self.site.path(file),
                None => self.site.path("spool/outgoing/oem").join(file),
            };
            if !step.args.iter().any(|arg| arg == "-n") {
                unpack(&path, &mut done);
            }
        }
        done.answers.sort();
        done.files.sort();
        done
    }

    fn engsync(&self, args: &[&str], now: &str) -> Ran {
        let now = format!("{now}Z");
        self.site.engsync(&[args, &["--now", &now]].concat())
    }

    fn tracker(&self) -> BTreeMap<String, Facts> {
        if let Some(stub) = &self.jira {
            let world = stub.world();
            return world.tickets.values().map(|t| (t.key.clone(), seen(t))).collect();
        }
        let list = self.site.engsync(&["tracker", "list", "--json"]).json();
        let keys = list.as_array().unwrap().iter().map(|issue| issue["key"].as_str().unwrap());
        keys.map(|key| (key.to_owned(), facts(&self.site.issue(key)))).collect()
    }

    fn edit(&mut self, edit: &Edit, now: &str) {
        let key = edit.key.as_str();
        let mut values: Vec<String> = edit
            .fields
            .iter()
            .map(|(field, value)| format!("{}={}", local(field), typed(value)))
            .collect();
        if let Some(status) = &edit.status {
            // The recording's tracker drops the resolution of what is opened again.
            let resolution = edit.resolution.as_deref().unwrap_or_default();
            values.extend([format!("status={status}"), format!("resolution={resolution}")]);
        }
        if let Some(assignee) = edit.fields.get("assignee") {
            values.push(format!("assignee_name={}", typed(assignee)));
        }
        let tracker = |args: &[&str]| {
            let ran = self.engsync(&[&["tracker"], args].concat(), now);
            assert_eq!(ran.code, 0, "{args:?}: {}", ran.err);
            ran.out.trim().to_owned()
        };
        if !values.is_empty() {
            let values = values.iter().map(String::as_str);
            tracker(&["set", key].into_iter().chain(values).collect::<Vec<_>>());
        }
        for file in &edit.attachments {
            fs::write(self.site.path(&file.filename), &file.text).unwrap();
            tracker(&["attach", key, &file.filename]);
        }
        for comment in &edit.change_comments {
            let id = &self.comments[&comment.id];
            tracker(&["edit-comment", key, id, &comment.body, "--author", &comment.author]);
        }
        for id in &edit.delete_comments {
            tracker(&["delete-comment", key, &self.comments[id]]);
        }
        let mut made = Vec::new();
        for comment in &edit.comments {
            made.push(tracker(&["comment", key, &comment.body, "--author", &comment.author]));
        }
        for id in made {
            // The recording's tracker counts comments from 30001.
            self.comments.insert(format!("{}", 30001 + self.comments.len()), id);
        }
    }
}

/// What a person does to an issue of the Jira.
fn over_there(stub: &Stub, edit: &Edit, comments: &mut BTreeMap<String, String>) {
    let mut world = stub.world();
    let key = edit.key.as_str();
    let number = world.find(key).unwrap();
    if !edit.fields.is_empty() {
        let fields: serde_json::Map<String, Value> =
            edit.fields.iter().map(|(id, value)| (id.clone(), value.clone())).collect();
        world.update(number, &Value::Object(fields)).unwrap();
    }
    if let Some(status) = &edit.status {
        world.edit(key, "status", status.as_str().into());
        world.edit(key, "resolution", edit.resolution.clone().map_or(Value::Null, Value::String));
    }
    for file in &edit.attachments {
        world.add_file(key, &file.filename, file.text.as_bytes());
    }
    for comment in &edit.change_comments {
        let id = comments[&comment.id].parse().unwrap();
        world.reword(key, id, Some((&comment.author, &comment.body)));
    }
    for id in &edit.delete_comments {
        world.reword(key, comments[id].parse().unwrap(), None);
    }
    for comment in &edit.comments {
        let id = world.say(key, &comment.author, &comment.body);
        // The recording's tracker counts comments from 30001.
        comments.insert(format!("{}", 30001 + comments.len()), id.to_string());
    }
}

/// An issue of the Jira, as [`facts`] has one of the embedded tracker.
fn seen(ticket: &Ticket) -> Facts {
    let mut facts = Facts::new();
    let skipped = ["creator", "reporter", "created", "customfield_13000"];
    for (id, value) in ticket.fields.iter().filter(|(id, _)| !skipped.contains(&id.as_str())) {
        if !value.is_null()
            && *value != ""
            && value.as_array().is_none_or(|items| !items.is_empty())
        {
            facts.insert(local(id).to_owned(), shown(value));
        }
    }
    for (n, note) in ticket.comments.iter().enumerate() {
        facts.insert(format!("comment {n}"), format!("{}: {}", note.author, shown(&note.body)));
    }
    for file in &ticket.files {
        let digest = engsync::Digest::of(&file.data);
        facts.insert(format!("file {}", file.name), digest.to_string());
    }
    facts
}

/// A value as it is typed on the command line.
fn typed(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Array(items) => items.iter().map(typed).collect::<Vec<_>>().join(","),
        Value::Object(object) => shown(&object["name"]),
        other => shown(other),
    }
}

/// What `tracker show` says, without what comes from clocks.
fn facts(issue: &Value) -> Facts {
    let mut facts = Facts::new();
    for (field, value) in issue["fields"].as_object().unwrap() {
        if !["key", "created", "updated", "assignee_name"].contains(&field.as_str()) {
            facts.insert(field.clone(), shown(value));
        }
    }
    for (n, comment) in issue["comments"].as_array().unwrap().iter().enumerate() {
        let (author, text) = (shown(&comment["author"]), shown(&comment["text"]));
        facts.insert(format!("comment {n}"), format!("{author}: {text}"));
    }
    for file in issue["attachments"].as_array().unwrap() {
        facts.insert(format!("file {}", shown(&file["name"])), shown(&file["sha256"]));
    }
    facts
}

fn unpack(path: &Path, done: &mut Done) {
    let mut zip = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    for index in 0..zip.len() {
        let mut member = zip.by_index(index).unwrap();
        let name = member.name().unwrap().trim_start_matches("./").to_owned();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        match name.strip_suffix(".xml").filter(|name| !name.contains('/')) {
            Some(key) => {
                let text = String::from_utf8(bytes).unwrap();
                done.answers.push((key.to_owned(), document::facts(&text)));
            }
            None => done.files.push((name, engsync::Digest::of(&bytes).to_string())),
        }
    }
}
