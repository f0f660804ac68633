//! The flat fields of an issue, as rules name them, from what the document has.

use std::sync::Arc;

use super::archive::Store;
use super::code;
use super::content::{Embedded, Stored};
use super::events::one_line;
use super::header::Header;
use super::model::{Document, Entry, Info, Object};
use super::names::Match;
use super::time::{self, Form};
use super::vocabulary as field;
use super::{Delivered, Profile, Pudis, View};
use crate::issue::{Attachment, Comment, Issue, Person, Record, Value};
use crate::{Error, Finding};

/// What the issues of one document have in common.
pub(super) struct Flattener<'a> {
    pub(super) view: &'a View,
    pub(super) header: &'a Header,
    pub(super) store: &'a Arc<Store>,
    pub(super) peer_short: &'a str,
    pub(super) revision: Option<crate::Timestamp>,
}

impl Flattener<'_> {
    /// The issue; `components` are the labels of the components seen so far, `at` says which
    /// issue of the document it is.
    pub(super) fn flatten(
        &self,
        entry: &Entry<'_>,
        components: &mut Vec<String>,
        at: usize,
        mut findings: Vec<Finding>,
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
        let number = self.infos(entry, &mut set, &mut findings);
        let wanted = entry.milestones.iter().rfind(|m| m.category == field::REQUESTED);
        set(field::RELEASE_WANTED, wanted.map(|m| m.label).unwrap_or_default());
        if self.view.pudis == Pudis::Issue {
            components.clear();
        }
        for object in &entry.objects {
            self.object(object, components, &mut set, &mut findings);
        }
        let proposals: Vec<&str> = (entry.solutions.iter())
            .filter(|solution| solution.category == field::PROPOSAL)
            .map(|solution| solution.text.as_str())
            .collect();
        set(field::ACTION_POINTS, &proposals.join("\n"));
        let comments = self.comments(entry, &mut findings);
        let texts: Vec<&str> = comments.iter().map(|comment| comment.text.as_str()).collect();
        set(field::ANALYSIS_COMMENTS, &texts.join("\n"));
        let attachments = self.attachments(entry, at, &mut findings);
        let own = entry.infos.iter().rfind(|info| self.is(info, &self.view.own_short));
        let own_key = own.map(|info| info.number).filter(|key| !key.is_empty());
        for finding in findings.iter_mut().filter(|finding| finding.place.path.is_none()) {
            finding.place.path = Some(format!("{} issue {}", self.header.name, at + 1));
        }
        Delivered {
            unreadable: number.is_empty().then(|| self.no_number(entry, at)),
            issue: Issue { id: number, fields, comments, attachments },
            peer_short: self.peer_short.to_owned(),
            revision: self.revision,
            own_key: own_key.map(str::to_owned),
            numbers: self.numbers(entry),
            annotations: entry.annotations.len(),
            findings,
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
        findings: &mut Vec<Finding>,
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
                    findings.push(Finding::warning(code::UNKNOWN_MEMBER_REF, text));
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
        components: &mut Vec<String>,
        set: &mut dyn FnMut(&str, &str),
        findings: &mut Vec<Finding>,
    ) {
        let mut component = |values: &[(&str, &str)], components: &mut Vec<String>| {
            let known = components.iter().position(|label| label == object.label);
            let number = known.unwrap_or_else(|| {
                components.push(object.label.to_owned());
                components.len() - 1
            }) + 1;
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
                findings.push(Finding::warning(code::UNKNOWN_CATEGORY, text));
            }
        }
    }

    fn comments(&self, entry: &Entry<'_>, findings: &mut Vec<Finding>) -> Vec<Comment> {
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
                findings.push(Finding::warning(code::BAD_DATE, text));
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

    fn attachments(
        &self,
        entry: &Entry<'_>,
        at: usize,
        findings: &mut Vec<Finding>,
    ) -> Vec<Attachment> {
        let proposals = entry.solutions.iter().flat_map(|solution| &solution.documents);
        let mut attachments: Vec<Attachment> = Vec::new();
        let mut urls: Vec<&str> = Vec::new();
        for document in entry.documents.iter().chain(proposals) {
            if !document.url.is_empty() && urls.contains(&document.url) {
                continue;
            }
            urls.push(document.url);
            let mut attachment = self.attachment(document, at, findings);
            let taken = |name: &str| attachments.iter().any(|other| other.name == name);
            if taken(&attachment.name) {
                let free = (2..).map(|n| numbered(&attachment.name, n)).find(|name| !taken(name));
                let name = free.unwrap_or_default();
                let text = format!("two files are called {}; one becomes {name}", attachment.name);
                findings.push(Finding::warning(code::ATTACHMENT_NAME, text));
                attachment.original.get_or_insert(attachment.name);
                attachment.name = name;
            }
            attachments.push(attachment);
        }
        attachments
    }

    fn attachment(
        &self,
        document: &Document<'_>,
        at: usize,
        findings: &mut Vec<Finding>,
    ) -> Attachment {
        let last = document.url.rsplit('/').next().unwrap_or_default();
        let name = [document.name, last, "file"]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or("file");
        let mut note = |code, text| findings.push(Finding::warning(code, text));
        let found = self.store.find(document.url);
        if let (None, Some(content)) = (&found, document.content) {
            let embedded = Embedded::new(self.store, self.header.member, at, content);
            return Attachment::new(name, None, Arc::new(embedded));
        }
        let url = one_line(document.url);
        let Some((member, how)) = found else {
            note(code::ATTACHMENT_MISSING, format!("{url} is named but not in the archive"));
            return Attachment::missing(name);
        };
        match how {
            Match::Exact => {}
            Match::Mangled(quirk) => {
                note(
                    code::ATTACHMENT_NAME,
                    format!("{url} was found by its mangled name: {quirk}"),
                );
            }
            Match::Similar => {
                let what = "the only member whose name differs in non-ASCII characters only";
                note(code::ATTACHMENT_NAME, format!("{url} was taken to be {what}"));
            }
        }
        let (size, refused) = self.store.member(member);
        if let Some(why) = refused {
            note(code::ATTACHMENT_REFUSED, format!("{url} came but is not used: {why}"));
            return Attachment::missing(name);
        }
        Attachment::new(name, Some(size), Arc::new(Stored::new(self.store, member)))
    }
}

fn numbered(name: &str, number: usize) -> String {
    match name.rfind('.').filter(|dot| *dot > 0) {
        Some(dot) => format!("{} ({number}){}", &name[..dot], &name[dot..]),
        None => format!("{name} ({number})"),
    }
}

/// The newest of the document's dates.
pub(super) fn revision(
    header: &Header,
    view: &View,
    findings: &mut Vec<Finding>,
) -> Option<crate::Timestamp> {
    let mut newest = None;
    for date in &header.revisions {
        let shown = one_line(date);
        match time::parse(date, view.zone) {
            Some((time, form)) => {
                newest = newest.max(Some(time));
                if header.profile == Profile::Pfiff && form == Form::Iso {
                    let text = format!("the document's date {shown} is not YYYY/MM/DDTHH:MM:SS");
                    findings.push(Finding::warning(code::DATE_FORM, text).at(&header.name));
                }
            }
            None => {
                let text = format!("the document's date {shown:?} cannot be read");
                findings.push(Finding::warning(code::BAD_DATE, text).at(&header.name));
            }
        }
    }
    newest
}
