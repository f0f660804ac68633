//! What there is in the stub: issues and their parts, fields, people, statuses.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

/// What a write is answered with where it fails: the errors by field, and general ones.
#[derive(Debug, Default)]
pub struct Errors {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub general: Vec<String>,
}

impl Errors {
    pub fn general(status: u16, text: &str) -> Self {
        Self { status, fields: vec![], general: vec![text.to_owned()] }
    }
}

#[derive(Clone, Debug)]
pub struct Note {
    pub id: u64,
    pub author: String,
    pub body: Json,
    pub created: i64,
    pub updated: i64,
    pub properties: Json,
    pub visibility: Json,
}

#[derive(Clone, Debug)]
pub struct Attached {
    pub id: u64,
    pub name: String,
    pub data: Vec<u8>,
    pub author: String,
    pub created: i64,
}

#[derive(Clone, Debug, Default)]
pub struct Ticket {
    pub id: u64,
    pub key: String,
    /// By id: texts, or names of the items of the tables.
    pub fields: BTreeMap<String, Json>,
    pub comments: Vec<Note>,
    pub files: Vec<Attached>,
    pub properties: Map<String, Json>,
    /// The statuses it had: when each was left, it, and what came then.
    pub moves: Vec<(i64, String, String)>,
    pub updated: i64,
}

#[derive(Clone, Debug)]
pub struct FieldDef {
    pub id: &'static str,
    pub name: &'static str,
    /// `type`, or `array of items`.
    pub kind: &'static str,
    pub custom: &'static str,
    pub editable: bool,
    /// Named by; the values it takes.
    pub values: &'static [&'static str],
}

const fn system(id: &'static str, name: &'static str, kind: &'static str) -> FieldDef {
    FieldDef { id, name, kind, custom: "", editable: true, values: &[] }
}

const fn custom(
    id: &'static str,
    name: &'static str,
    kind: &'static str,
    custom: &'static str,
) -> FieldDef {
    FieldDef { id, name, kind, custom, editable: true, values: &[] }
}

const PRIORITIES: &[&str] = &["high", "low", "Showstopper", "Major", "Minor", "Trivial"];
const VERSIONS: &[&str] = &["Default-Release", "R1.0", "R1.1", "R2.0"];

pub const FIELDS: &[FieldDef] = &[
    system("summary", "Summary", "string"),
    system("description", "Description", "string"),
    system("environment", "Environment", "string"),
    system("labels", "Labels", "array of string"),
    FieldDef { values: VERSIONS, ..system("versions", "Affects Version/s", "array of version") },
    FieldDef { values: VERSIONS, ..system("fixVersions", "Fix Version/s", "array of version") },
    FieldDef {
        values: &["Gateway", "Body"],
        ..system("components", "Component/s", "array of component")
    },
    FieldDef { values: PRIORITIES, ..system("priority", "Priority", "priority") },
    system("project", "Project", "project"),
    FieldDef { values: &["Defect", "Task"], ..system("issuetype", "Issue Type", "issuetype") },
    FieldDef {
        values: &["Project Insider", "Public"],
        ..system("security", "Security Level", "securitylevel")
    },
    system("assignee", "Assignee", "user"),
    system("reporter", "Reporter", "user"),
    system("duedate", "Due Date", "date"),
    FieldDef {
        values: &["Done", "Won't Fix", "Duplicate"],
        ..system("resolution", "Resolution", "resolution")
    },
    FieldDef { editable: false, ..system("status", "Status", "status") },
    FieldDef { editable: false, ..system("creator", "Creator", "user") },
    FieldDef { editable: false, ..system("created", "Created", "datetime") },
    FieldDef { editable: false, ..system("updated", "Updated", "datetime") },
    FieldDef { editable: false, ..system("attachment", "Attachment", "array of attachment") },
    FieldDef { editable: false, ..system("comment", "Comment", "comments-page") },
    custom("customfield_12600", "External Issue Reference", "string", "x:textfield"),
    custom("customfield_12009", "Release Note", "string", "x:textarea"),
    custom("customfield_12700", "Partner Note", "string", "x:textarea"),
    custom("customfield_13000", "External Ticket", "string", "x:textfield"),
    custom("customfield_12800", "severity", "string", "x:textfield"),
    custom("customfield_12801", "Mileage", "number", "x:float"),
    custom("customfield_12802", "Seen On", "datetime", "x:datetime"),
    FieldDef {
        values: &["always", "sometimes"],
        ..custom("customfield_12803", "Reproducible", "option", "x:select")
    },
    FieldDef {
        values: &["front", "rear"],
        ..custom("customfield_12804", "Place", "option-with-child", "x:cascadingselect")
    },
    FieldDef {
        values: &["X1", "X2", "X3"],
        ..custom("customfield_12805", "Vehicles", "array of option", "x:multiselect")
    },
    custom("customfield_12806", "Watchers", "array of user", "x:multiuserpicker"),
    custom("customfield_12900", "Twin", "string", "x:textfield"),
    custom("customfield_12901", "Twin", "string", "x:textfield"),
];

pub const USERS: &[(&str, &str, &str)] = &[
    ("sync", "Sync Robot", "sync@supplier.example"),
    ("alice", "Alice Adler", "alice@supplier.example"),
    ("bob", "Bob Bär", "bob@supplier.example"),
];

pub const STATUSES: &[&str] = &[
    "Open",
    "Analyzing",
    "Suspended",
    "To Do",
    "Deciding",
    "In Progress",
    "Implementation Pending",
    "Verification Pending",
    "Waiting For Customer",
    "Closed",
];
