//! What the project's fields are, addressed by id, name or dotted path.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value as Json;

use super::fields::{self, Kind};
use super::{MarkIn, Options};
use crate::issue::Field;
use crate::tracker::{FieldSpec, Schema};
use crate::{CONFIG, Error, Result};

/// The names that rules for any tracker use, and what Jira calls them.
const NEUTRAL: &[(&str, &str)] = &[
    ("key", "issuekey"),
    ("project", "project"),
    ("type", "issuetype"),
    ("summary", "summary"),
    ("description", "description"),
    ("status", "status"),
    ("resolution", "resolution"),
    ("priority", "priority"),
    ("labels", "labels"),
    ("versions", "versions"),
    ("fix_versions", "fixVersions"),
    ("components", "components"),
    ("assignee", "assignee"),
    ("reporter", "reporter"),
    ("created", "created"),
    ("updated", "updated"),
];

/// What Jira sets itself, or what is no field for us.
const READ_ONLY: &[&str] = &[
    "issuekey",
    "created",
    "updated",
    "creator",
    "lastViewed",
    "resolutiondate",
    "statuscategorychangedate",
    "statusCategory",
    "workratio",
    "progress",
    "aggregateprogress",
    "timespent",
    "aggregatetimespent",
    "timeestimate",
    "aggregatetimeestimate",
    "aggregatetimeoriginalestimate",
    "votes",
    "watches",
    "subtasks",
    "issuelinks",
    "worklog",
    "thumbnail",
    "project",
];

/// Not fields but parts of an issue of their own.
const PARTS: &[&str] = &["comment", "attachment"];

/// One field of the project.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// `summary`, `customfield_12600`.
    pub(super) id: String,
    /// What people see.
    pub(super) name: String,
    /// Its type.
    pub(super) kind: Kind,
    /// Must be set on create, and has no default.
    pub(super) required: bool,
    /// Is on the screen for new issues.
    pub(super) on_create: bool,
    /// The values it takes, as Jira lists them.
    pub(super) allowed: Option<Vec<Json>>,
}

impl Known {
    /// How long a text it takes, in UTF-16 units.
    fn longest(&self) -> Option<usize> {
        self.kind.is_text().then(|| self.kind.limit())
    }
}

/// A field, or a part of its value.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) id: String,
    /// `["name"]` in `status.name`.
    pub(super) path: Vec<String>,
}

/// All that is known of the fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Meta {
    /// By id.
    pub(super) fields: BTreeMap<String, Known>,
    by_name: HashMap<String, Vec<String>>,
    /// The id of the type of new issues; `None` while what those take was not asked for.
    issue_type: Option<String>,
    /// What an issue is read as: our name, where it stands.
    pub(super) shown: Vec<(Field, Place)>,
    /// The ids asked for with an issue, parts included.
    pub(super) asked: Vec<String>,
    /// The field that holds the marker.
    pub(super) marker: Option<String>,
}

/// All that is known of the fields, what new issues take included.
pub(super) struct Whole {
    meta: Arc<Meta>,
    /// The id of the type of new issues.
    pub(super) issue_type: String,
}

impl Whole {
    /// `None` where only the outline is known.
    pub(super) fn of(meta: &Arc<Meta>) -> Option<Self> {
        let issue_type = meta.issue_type.clone()?;
        Some(Self { meta: meta.clone(), issue_type })
    }

    /// All of it.
    pub(super) fn meta(&self) -> &Arc<Meta> {
        &self.meta
    }
}

impl Meta {
    /// From what `field` lists.
    pub(super) fn of(fields: &Json, options: &Options) -> Result<Self> {
        let mut meta = Self::default();
        for field in fields.as_array().into_iter().flatten() {
            meta.add(field, field["id"].as_str().unwrap_or_default());
        }
        meta.settle(options)?;
        Ok(meta)
    }

    /// With what new issues of a type take: the fields by their ids.
    pub(super) fn with<'a>(
        &self,
        issue_type: &str,
        fields: impl Iterator<Item = (&'a str, &'a Json)>,
        options: &Options,
    ) -> Result<Whole> {
        let mut meta = self.clone();
        meta.issue_type = Some(issue_type.to_owned());
        fields.for_each(|(id, field)| meta.add(field, id));
        meta.settle(options)?;
        Ok(Whole { meta: Arc::new(meta), issue_type: issue_type.to_owned() })
    }

    /// Whether it is known what new issues take, and which values a field does.
    pub(super) fn is_whole(&self) -> bool {
        self.issue_type.is_some()
    }

    /// Takes in what one of the resources says of a field; the later one adds to the former.
    fn add(&mut self, json: &Json, id: &str) {
        if id.is_empty() {
            return;
        }
        let known = self.fields.entry(id.to_owned()).or_default();
        id.clone_into(&mut known.id);
        if let Some(name) = json["name"].as_str() {
            name.clone_into(&mut known.name);
        }
        if json["schema"].is_object() {
            known.kind = Kind::of(&json["schema"]);
        }
        if let Some(allowed) = json["allowedValues"].as_array() {
            known.allowed = Some(allowed.clone());
        }
        if let Some(required) = json["required"].as_bool() {
            let filled = json["hasDefaultValue"] == true || ["project", "issuetype"].contains(&id);
            known.required = required && !filled;
            known.on_create = true;
        }
    }

    /// Works out what depends on all fields.
    fn settle(&mut self, options: &Options) -> Result<()> {
        let key = self.fields.entry("issuekey".to_owned()).or_default();
        key.id = "issuekey".to_owned();
        if key.name.is_empty() {
            key.name = "Key".to_owned();
        }
        self.by_name.clear();
        for known in self.fields.values() {
            self.by_name.entry(known.name.to_lowercase()).or_default().push(known.id.clone());
        }
        if let MarkIn::Field(name) = &options.marker {
            let place = self.place(name).filter(|place| place.path.is_empty());
            let fits = |id: &str| self.fields.get(id).is_some_and(|f| f.kind.is_text());
            let Some(place) = place.filter(|place| fits(&place.id)) else {
                let what = format!("marker_field = {name:?} is no text field of the tracker");
                return Err(Error::setup(CONFIG, what).hint(
                    "make a custom field of type \"Text Field (single line)\" and name it, or its id",
                ));
            };
            self.marker = Some(place.id);
        }
        let mut shown: BTreeMap<Field, Place> = BTreeMap::new();
        let neutral = NEUTRAL.iter().map(|(name, _)| *name);
        for name in neutral.chain(options.fields.iter().map(String::as_str)) {
            if let Some(place) = self.place(name) {
                shown.insert(name.to_owned(), place);
            }
        }
        if options.fields.is_empty() {
            for id in self.fields.keys().filter(|id| !PARTS.contains(&id.as_str())) {
                let place = Place { id: id.clone(), path: Vec::new() };
                let twice = shown.values().any(|there| there.id == *id && there.path.is_empty());
                if !twice {
                    shown.insert(id.clone(), place);
                }
            }
        }
        let mut asked: Vec<String> = shown.values().map(|place| place.id.clone()).collect();
        asked.extend(PARTS.iter().map(|part| (*part).to_owned()));
        asked.extend(self.marker.clone());
        asked.retain(|id| id != "issuekey");
        asked.sort();
        asked.dedup();
        (self.shown, self.asked) = (shown.into_iter().collect(), asked);
        Ok(())
    }

    /// The ids asked for with an issue.
    pub(super) fn asked(&self) -> Vec<&str> {
        self.asked.iter().map(String::as_str).collect()
    }

    /// Where `name` stands: a neutral name, an id, a name people see, or one of the latter with
    /// a path behind.
    pub(super) fn place(&self, name: &str) -> Option<Place> {
        if let Some(id) = self.id_of(name) {
            return Some(Place { id, path: Vec::new() });
        }
        let dots = name.match_indices('.').map(|(at, _)| at);
        for at in dots.collect::<Vec<_>>().into_iter().rev() {
            if let Some(id) = self.id_of(&name[..at]) {
                let path: Vec<String> = name[at + 1..].split('.').map(str::to_owned).collect();
                return path.iter().all(|part| !part.is_empty()).then_some(Place { id, path });
            }
        }
        None
    }

    fn id_of(&self, name: &str) -> Option<String> {
        let neutral = NEUTRAL.iter().find(|(neutral, _)| *neutral == name).map(|(_, id)| *id);
        let id = neutral.unwrap_or(name);
        if self.fields.contains_key(id) && !PARTS.contains(&id) {
            return Some(id.to_owned());
        }
        match self.by_name.get(&name.to_lowercase()).map(Vec::as_slice) {
            Some([id]) if !PARTS.contains(&id.as_str()) => Some(id.clone()),
            _ => None,
        }
    }

    /// The field at a place.
    pub(super) fn known(&self, place: &Place) -> Option<&Known> {
        self.fields.get(&place.id)
    }

    /// Whether only Jira sets it.
    pub(super) fn is_read_only(id: &str) -> bool {
        READ_ONLY.contains(&id) || PARTS.contains(&id)
    }

    /// The fields as rule authors see them: by every name a rule may use.
    pub(super) fn schema(&self, options: &Options) -> Schema {
        let mut schema = Schema { outline: !self.is_whole(), ..Schema::default() };
        let ids = self.fields.keys().map(String::as_str);
        let names = self.fields.values().map(|known| known.name.as_str());
        let neutral = NEUTRAL.iter().map(|(name, _)| *name);
        let rules = options.fields.iter().map(String::as_str);
        for name in neutral.chain(ids).chain(names).chain(rules) {
            let Some(place) = self.place(name) else { continue };
            let Some(known) = self.known(&place) else { continue };
            let allowed = known.allowed.as_ref().map(|allowed| {
                allowed
                    .iter()
                    .filter_map(|value| fields::words(value, &known.kind.item(), &place.path))
                    .collect()
            });
            let spec = FieldSpec {
                id: (place.id != name).then(|| place.id.clone()),
                kind: known.kind.to_string(),
                list: known.kind.list,
                // A rule may name the project, as it is.
                read_only: Self::is_read_only(&place.id) && place.id != "project",
                required: known.required,
                allowed,
                longest: known.longest().filter(|_| place.path.is_empty()),
            };
            schema.fields.insert(name.to_owned(), spec);
        }
        schema
    }
}
