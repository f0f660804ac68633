//! A recorded case, in the terms of the embedded tracker.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

/// A case: steps that follow each other on one installation.
#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) case: String,
    pub(crate) steps: Vec<Step>,
}

/// What came in, what people did before, and what was there afterwards.
#[derive(Deserialize)]
pub(crate) struct Step {
    pub(crate) step: String,
    pub(crate) now: String,
    pub(crate) args: Vec<String>,
    pub(crate) zip: Option<String>,
    #[serde(default)]
    pub(crate) edits: Vec<Edit>,
    tracker: BTreeMap<String, Recorded>,
    /// The files beside the answer documents: name in the archive, SHA-256.
    #[serde(default)]
    pub(crate) files: Vec<(String, String)>,
}

/// What a person did to one issue.
#[derive(Deserialize)]
pub(crate) struct Edit {
    pub(crate) key: String,
    pub(crate) status: Option<String>,
    pub(crate) resolution: Option<String>,
    #[serde(default)]
    pub(crate) fields: BTreeMap<String, Value>,
    #[serde(default)]
    pub(crate) comments: Vec<Written>,
    #[serde(default)]
    pub(crate) change_comments: Vec<Written>,
    #[serde(default)]
    pub(crate) delete_comments: Vec<String>,
    #[serde(default)]
    pub(crate) attachments: Vec<File>,
}

#[derive(Deserialize)]
pub(crate) struct Written {
    #[serde(default)]
    pub(crate) id: String,
    pub(crate) author: String,
    pub(crate) body: String,
}

#[derive(Deserialize)]
pub(crate) struct File {
    pub(crate) filename: String,
    pub(crate) text: String,
}

#[derive(Deserialize)]
struct Recorded {
    fields: BTreeMap<String, Value>,
    comments: Vec<(String, String)>,
    attachments: BTreeMap<String, String>,
}

/// An issue as both sides can be compared: fields, comments and files as texts by their place.
pub(crate) type Facts = BTreeMap<String, String>;

/// All recorded cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut names: Vec<String> = fs::read_dir(fixture(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| fixture(name).join("case.json").exists())
        .collect();
    names.sort();
    let read = |name: &String| fs::read(fixture(name).join("case.json")).unwrap();
    names.iter().map(|name| serde_json::from_slice(&read(name)).unwrap()).collect()
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden").join(name)
}

impl Step {
    /// The tracker after the step.
    pub(crate) fn tracker(&self) -> BTreeMap<String, Facts> {
        let issue = |(key, recorded): (&String, &Recorded)| {
            let mut facts = Facts::new();
            for (field, value) in &recorded.fields {
                facts.insert(local(field).to_owned(), shown(value));
            }
            for (n, (author, body)) in recorded.comments.iter().enumerate() {
                facts.insert(format!("comment {n}"), format!("{author}: {body}"));
            }
            for (name, sha256) in &recorded.attachments {
                facts.insert(format!("file {}", file_name(name)), sha256.clone());
            }
            (key.clone(), facts)
        };
        self.tracker.iter().map(issue).collect()
    }

    /// The answer documents of the step: the name of the fixture and its text.
    pub(crate) fn answers(&self, case: &str) -> Vec<(String, String)> {
        let Ok(entries) = fs::read_dir(fixture(case).join(&self.step)) else { return Vec::new() };
        let mut answers: Vec<(String, String)> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "xml"))
            .map(|path| {
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                (name, fs::read_to_string(path).unwrap())
            })
            .collect();
        answers.sort();
        answers
    }
}

/// The embedded tracker's name of a field of the recording.
pub(crate) fn local(field: &str) -> &str {
    match field {
        "issuetype" => "type",
        "fixVersions" => "fix_versions",
        "customfield_12600" => "external_id",
        "customfield_12700" => "reproducibility",
        "customfield_12009" => "release_note",
        field => field,
    }
}

/// The recording's tracker took ASCII file names only.
fn file_name(name: &str) -> &str {
    match name {
        "Gr--e.bin" => "Größe.bin",
        name => name,
    }
}

pub(crate) fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
