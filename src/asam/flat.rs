//! The flat fields of an issue, as rules name them, from what the document has.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use super::archive::Store;
use super::code;
use super::events::one_line;
use super::header::Header;
use super::model::{Entry, Info, Object};
use super::notes::Notes;
use super::time::{self, Form};
use super::vocabulary as field;
use super::{Delivered, Profile, Pudis, View};
use crate::issue::{Comment, Issue, Person, Record, Value};
use crate::{Error, Finding};

/// What the issues of one document have in common.
pub(super) struct Flattener<'a> {
    pub(super) view: &'a View,
    pub(super) header: &'a Header,
    pub(super) store: &'a Arc<Store>,
    pub(super) peer_short: &'a str,
    pub(super) revision: Option<crate::Timestamp>,
    /// How many embedded files the document had so far.
    pub(super) embedded: Cell<usize>,
}

/// The numbers of components, by order of appearance.
#[derive(Default)]
pub(super) struct Components(HashMap<String, usize>);

impl Components {
    fn number(&mut self, label: &str) -> usize {
        let next = self.0.len() + 1;
        match self.0.get(label) {
            Some(number) => *number,
            None => *self.0.entry(label.to_owned()).or_insert(next),
        }
    }
}

impl Flattener<'_> {
    /// The issue; `components` are the labels of the components seen so far, `at` says which
    /// issue of the document it is.
    pub(super) fn flatten(
        &self,
        entry: &Entry<'_>,
        components: &mut Components,
        at: usize,
        mut notes: Notes,
    ) -> Delivered {
        let mut fields = Record::new();
        let mut set = |name: &str, value: &str| {
            if !value.is_empty() {
                fields.set(name, Some(Value::Text(value.to_owned())));
            }
        };
        for (name, text) in &entry.texts {
            set(name, text);
        }
        for (tag, text) in &entry.tagged {
            set(&format!("desc.{}", one_line(tag)), text);
        }
        let number = self.infos(entry, &mut set, &mut notes);
        let wanted = entry.milestones.iter().rfind(|m| m.category == field::REQUESTED);
        set(field::RELEASE_WANTED, wanted.map(|m| m.label).unwrap_or_default());
        if self.view.pudis == Pudis::Issue {
            components.0.clear();
        }
        for object in &entry.objects {
            self.object(object, components, &mut set, &mut notes);
        }
        let proposals: Vec<&str> = (entry.solutions.iter())
            .filter(|solution| solution.category == field::PROPOSAL)
            .map(|solution| solution.text.as_str())
            .collect();
        set(field::ACTION_POINTS, &proposals.join("\n"));
        let comments = self.comments(entry, &mut notes);
        let texts: Vec<&str> = comments.iter().map(|comment| comment.text.as_str()).collect();
        set(field::ANALYSIS_COMMENTS, &texts.join("\n"));
        let attachments = self.attachments(entry, at, &mut notes);
        let place = format!("{} issue {}", self.header.name, at + 1);
        let own = entry.infos.iter().rfind(|info| self.is(info, &self.view.own_short));
        let own_key = own.map(|info| info.number).filter(|key| !key.is_empty());
        Delivered {
            unreadable: number.is_empty().then(|| self.no_number(entry, at)),
            issue: Issue { id: number, fields, comments, attachments, ..Issue::default() },
            peer_short: self.peer_short.to_owned(),
            revision: self.revision,
            own_key: own_key.map(str::to_owned),
            numbers: self.numbers(entry),
            annotations: entry.annotations.len(),
            findings: notes.finish(&place),
            document: self.header.name.clone(),
        }
    }

    fn is(&self, info: &Info<'_>, short: &str) -> bool {
        self.header.is_company(info.company, info.id_ref, short)
    }

    fn numbers(&self, entry: &Entry<'_>) -> Vec<(String, String)> {
        let numbers = entry.infos.iter().filter(|info| !info.number.is_empty());
        let company = |info: &Info<'_>| match info.company {
            "" => self.header.company_of(info.id_ref).to_owned(),
            company => company.to_owned(),
        };
        numbers.map(|info| (company(info), info.number.to_owned())).collect()
    }

    fn infos(
        &self,
        entry: &Entry<'_>,
        set: &mut dyn FnMut(&str, &str),
        notes: &mut Notes,
    ) -> String {
        let mut number = "";
        for info in entry.infos.iter().filter(|info| self.is(info, self.peer_short)) {
            if !info.number.is_empty() {
                number = info.number;
            }
            set(field::PROJECT_ID, info.project);
            if info.member.is_empty() {
                continue;
            }
            set(field::OWNER_ID, info.member);
            match self.header.team.get(info.member) {
                Some(person) => set(field::OWNER, &person.line()),
                None => {
                    set(field::OWNER, info.member);
                    let text =
                        format!("the contact {} is not in the document", one_line(info.member));
                    notes.warn(code::UNKNOWN_MEMBER_REF, text);
                }
            }
        }
        set(field::PROBLEM_NUMBER, number);
        number.to_owned()
    }

    fn no_number(&self, entry: &Entry<'_>, at: usize) -> Error {
        let title = entry.texts.iter().rfind(|(name, _)| *name == "problem_synopsis");
        let title = title.map(|(_, title)| one_line(title)).unwrap_or_default();
        Error::item(
            code::NO_NUMBER,
            format!(
                "{}: issue {} {title:?} has no ISSUE-ID of the company {}",
                self.header.name,
                at + 1,
                one_line(self.peer_short)
            ),
        )
        .hint("ask the partner for its number; if its short name is wrong, see short_name")
    }

    fn object(
        &self,
        object: &Object<'_>,
        components: &mut Components,
        set: &mut dyn FnMut(&str, &str),
        notes: &mut Notes,
    ) {
        let mut component = |values: &[(&str, &str)], components: &mut Components| {
            let number = components.number(object.label);
            set(&format!("{}{number}", field::COMPONENT_NAME), object.label);
            for (prefix, value) in values {
                set(&format!("{prefix}{number}"), value);
            }
        };
        let part = field::COMPONENTS.iter().find(|(category, _)| *category == object.category);
        match (field::object_field(object.category), part) {
            (_, Some((_, prefix))) if object.label != field::ECU => {
                component(&[(prefix, &object.revision)], components);
            }
            (Some((name, field::Value::Revision)), _) => set(name, &object.revision),
            (Some((name, field::Value::Label)), _) => set(name, object.label),
            // Version 2.1.0.
            _ if object.category == "assigned ecu" => {
                set("component_name", object.label);
                set("component_hw_version", object.hardware);
                set("component_sw_version", object.software);
            }
            _ if object.category == "affected ecu" => component(
                &[("pudis_hw_version_", object.hardware), ("pudis_sw_version_", object.software)],
                components,
            ),
            _ => {
                let category = one_line(object.category);
                let value = match (object.label, &*object.revision) {
                    (label, "") => label.to_owned(),
                    (field::ECU, revision) => revision.to_owned(),
                    (label, revision) => format!("{label} {revision}"),
                };
                set(&format!("eo.{category}"), &value);
                let text =
                    format!("the category {category} is not known; it is kept as eo.{category}");
                notes.warn(code::UNKNOWN_CATEGORY, text);
            }
        }
    }

    fn comments(&self, entry: &Entry<'_>, notes: &mut Notes) -> Vec<Comment> {
        let mut comments = Vec::new();
        for annotation in &entry.annotations {
            let person = self.header.team.get(annotation.author);
            let company = match (annotation.label, self.header.profile) {
                (Some(label), _) => Some(label),
                // Only PFIFF labels its annotations; elsewhere the author says whose it is.
                (None, Profile::Pfiff) => None,
                (None, _) => person.map(|person| person.company.as_str()),
            };
            if company.is_some_and(|company| company != self.peer_short) {
                continue;
            }
            let created = time::parse(annotation.date, self.view.zone).map(|(time, _)| time);
            if created.is_none() && !time::is_no_date(annotation.date) {
                let date = one_line(annotation.date);
                let text = format!("the annotation's date {date:?} cannot be read");
                notes.warn(code::BAD_DATE, text);
            }
            if annotation.text.is_empty() {
                continue;
            }
            let id = annotation.author;
            let author = (!id.is_empty()).then(|| Person {
                id: id.to_owned(),
                name: person.map_or(id, |person| person.name.as_str()).to_owned(),
            });
            comments.push(Comment {
                id: String::new(),
                author,
                created,
                updated: None,
                text: annotation.text.clone(),
            });
        }
        comments
    }
}

/// The newest of the document's dates.
pub(super) fn revision(
    header: &Header,
    view: &View,
    notes: &mut Notes,
) -> Option<crate::Timestamp> {
    let mut newest = None;
    for date in &header.revisions {
        let shown = one_line(date);
        match time::parse(date, view.zone) {
            Some((time, form)) => {
                newest = newest.max(Some(time));
                if header.profile == Profile::Pfiff && form == Form::Iso {
                    let text = format!("the document's date {shown} is not YYYY/MM/DDTHH:MM:SS");
                    notes.push(Finding::warning(code::DATE_FORM, text).at(&header.name));
                }
            }
            None => {
                let text = format!("the document's date {shown:?} cannot be read");
                notes.push(Finding::warning(code::BAD_DATE, text).at(&header.name));
            }
        }
    }
    newest
}
