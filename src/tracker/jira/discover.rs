//! Asking for the fields: those there are, and only when it matters, what new issues take.

use std::sync::{Arc, PoisonError};

use serde_json::Value as Json;

use super::Jira;
use super::client::both;
use super::meta::{Meta, Whole};
use crate::tracker::http::{Failure, Request, encode};
use crate::{CONFIG, Error, Result};

/// Where it is asked what new issues take.
#[derive(Clone, Debug)]
pub(super) enum TypeAt {
    /// There is a resource for each issue type; this is the id of ours.
    Id(String),
    /// Before Jira 8.4 there is one resource for all.
    Old,
}

impl Jira {
    /// The fields as they were when they were last asked for; perhaps without what only new
    /// issues need.
    pub(super) fn meta(&self) -> Result<Arc<Meta>> {
        self.known().map_or_else(|| self.outline_now(), Ok)
    }

    /// The fields with what new issues take, as they were when they were last asked for.
    pub(super) fn whole(&self) -> Result<Whole> {
        let Some(outline) = self.known() else { return self.whole_now() };
        if let Some(whole) = Whole::of(&outline) {
            return Ok(whole);
        }
        // Whoever comes second finds what the first one asked for.
        let _alone = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        match self.known().as_ref().and_then(Whole::of) {
            Some(whole) => Ok(whole),
            None => Ok(self.keep_whole(create_fields(self, &outline)?)),
        }
    }

    /// The fields as they are now, without what only new issues need.
    pub(super) fn outline_now(&self) -> Result<Arc<Meta>> {
        self.memory().type_at = None;
        let fields = self.json(Request::get(&self.path("field")))?;
        Ok(self.keep(Arc::new(Meta::of(&fields, &self.options)?)))
    }

    /// The fields as they are now.
    pub(super) fn whole_now(&self) -> Result<Whole> {
        self.memory().type_at = None;
        let field = || self.json(Request::get(&self.path("field")));
        let (fields, type_at) = both(self.parallel(), field, || type_at(self));
        let outline = Meta::of(&fields?, &self.options)?;
        type_at?;
        Ok(self.keep_whole(create_fields(self, &outline)?))
    }

    fn known(&self) -> Option<Arc<Meta>> {
        self.meta.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep_whole(&self, whole: Whole) -> Whole {
        self.keep(whole.meta().clone());
        whole
    }

    fn keep(&self, meta: Arc<Meta>) -> Arc<Meta> {
        *self.meta.write().unwrap_or_else(PoisonError::into_inner) = Some(meta.clone());
        meta
    }

    /// The type of new issues as an issue shows it that has it: its id need not be asked for.
    pub(super) fn learn_type<'a>(&self, issues: impl Iterator<Item = &'a Json>) {
        let mut memory = self.memory();
        if memory.type_at.is_some() {
            return;
        }
        let ours = |issue: &&Json| {
            let key = issue["key"].as_str().and_then(|key| key.rsplit_once('-'));
            let here = key.is_some_and(|(project, _)| project == self.options.project);
            here && is_ours(self, &issue["fields"]["issuetype"])
        };
        let mut issues = issues;
        let id = issues.find(ours).and_then(|issue| issue["fields"]["issuetype"]["id"].as_str());
        memory.type_at = id.map(|id| TypeAt::Id(id.to_owned()));
    }
}

/// Where it is asked what new issues take.
pub(super) fn type_at(jira: &Jira) -> Result<TypeAt> {
    if let Some(known) = &jira.memory().type_at {
        return Ok(known.clone());
    }
    let type_at = match jira.all_pages(&types_path(jira), &["values", "issueTypes"]) {
        Ok(types) => TypeAt::Id(id_of_ours(jira, &types)?),
        Err(failure) if failure.refused(404).is_some() && !jira.is_cloud() => TypeAt::Old,
        Err(failure) => return Err(no_project(jira, failure)),
    };
    jira.memory().type_at = Some(type_at.clone());
    Ok(type_at)
}

fn types_path(jira: &Jira) -> String {
    let project = encode(&jira.options.project);
    jira.path(&format!("issue/createmeta/{project}/issuetypes"))
}

/// Asks what new issues take.
fn create_fields(jira: &Jira, outline: &Meta) -> Result<Whole> {
    let known = jira.memory().type_at.is_some();
    let id = match type_at(jira)? {
        TypeAt::Id(id) => id,
        TypeAt::Old => return create_fields_old(jira, outline),
    };
    let ask = |id: &str| {
        let path = format!("{}/{}", types_path(jira), encode(id));
        jira.all_pages(&path, &["values", "fields", "results"])
    };
    let (id, fields) = match ask(&id) {
        Ok(fields) => (id, fields),
        // An issue may have a type that new ones cannot have any more.
        Err(failure)
            if known && failure.refused(404).or_else(|| failure.refused(400)).is_some() =>
        {
            jira.memory().type_at = None;
            match type_at(jira)? {
                TypeAt::Id(id) => {
                    let fields = ask(&id)?;
                    (id, fields)
                }
                TypeAt::Old => return create_fields_old(jira, outline),
            }
        }
        Err(failure) => return Err(failure.into()),
    };
    let by_id = fields.iter().map(|field| (field["fieldId"].as_str().unwrap_or_default(), field));
    outline.with(&id, by_id, &jira.options)
}

fn create_fields_old(jira: &Jira, outline: &Meta) -> Result<Whole> {
    let request = Request::get(&jira.path("issue/createmeta"))
        .query("projectKeys", &jira.options.project)
        .query("expand", "projects.issuetypes.fields");
    let found = jira.json(request).map_err(|failure| no_project(jira, failure))?;
    let types = found["projects"][0]["issuetypes"].as_array().cloned().unwrap_or_default();
    let id = id_of_ours(jira, &types)?;
    let mine = types.iter().find(|kind| kind["id"] == id.as_str());
    let fields = mine.and_then(|kind| kind["fields"].as_object()).into_iter().flatten();
    outline.with(&id, fields.map(|(id, field)| (id.as_str(), field)), &jira.options)
}

fn no_project(jira: &Jira, failure: Failure) -> Error {
    if matches!(&failure, Failure::Refused(_)) {
        let what = format!("project {:?}: {failure}", jira.options.project);
        return Error::setup(CONFIG, what).hint(
            "check the key of the project, and that the account may browse it and create issues",
        );
    }
    failure.into()
}

fn is_ours(jira: &Jira, kind: &Json) -> bool {
    let wanted = jira.options.issue_type.as_str();
    kind["name"] == wanted || kind["id"] == wanted
}

/// The id of the configured type.
fn id_of_ours(jira: &Jira, types: &[Json]) -> Result<String> {
    let ours = types.iter().find(|kind| is_ours(jira, kind));
    if let Some(id) = ours.and_then(|kind| kind["id"].as_str()) {
        return Ok(id.to_owned());
    }
    let wanted = &jira.options.issue_type;
    let names: Vec<&str> = types.iter().filter_map(|kind| kind["name"].as_str()).collect();
    let what = format!("project {} has no issue type {wanted:?}", jira.options.project);
    Err(Error::setup(CONFIG, what).hint(if names.is_empty() {
        "the account may not create issues there, or there is no such project".to_owned()
    } else {
        format!("it has: {}", names.join(", "))
    }))
}
