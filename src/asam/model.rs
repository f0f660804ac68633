//! An ISSUE element as what it says, with its texts borrowed from the [`Tree`](super::tree::Tree)
//! that has everything.

use std::borrow::Cow;

use super::code;
use super::notes::Notes;
use super::rich::{self, Render};
use super::tree::Element;
use super::vocabulary::{self, Item};
use crate::Finding;

/// An issue as the document has it.
#[derive(Default)]
pub(super) struct Entry<'t> {
    /// The fields whose value is the text of one element, in document order; the last one counts.
    pub(super) texts: Vec<(&'static str, Cow<'t, str>)>,
    /// The number in each company's tracker.
    pub(super) infos: Vec<Info<'t>>,
    pub(super) milestones: Vec<Milestone<'t>>,
    pub(super) objects: Vec<Object<'t>>,
    pub(super) documents: Vec<Document<'t>>,
    pub(super) solutions: Vec<Solution<'t>>,
    pub(super) annotations: Vec<Annotation<'t>>,
    /// Paragraphs with a meaning of their own (version 2.1.0): `P@SI` of a description.
    pub(super) tagged: Vec<(&'t str, &'t str)>,
}

/// COMPANY-ISSUE-INFO.
#[derive(Default)]
pub(super) struct Info<'t> {
    /// The short name, or the id of the company where there is no text.
    pub(super) company: &'t str,
    pub(super) id_ref: &'t str,
    pub(super) number: &'t str,
    pub(super) project: &'t str,
    pub(super) member: &'t str,
}

/// DELIVERY-MILESTONE.
pub(super) struct Milestone<'t> {
    pub(super) label: &'t str,
    pub(super) category: &'t str,
}

/// ENGINEERING-OBJECT.
pub(super) struct Object<'t> {
    pub(super) category: &'t str,
    pub(super) label: &'t str,
    pub(super) revision: Cow<'t, str>,
    /// Version 2.1.0: hardware and software version in special data.
    pub(super) hardware: &'t str,
    pub(super) software: &'t str,
}

/// A file that is named: XDOC, XFILE, or ISSUE-RELATED-DOCUMENT itself.
pub(super) struct Document<'t> {
    pub(super) url: &'t str,
    pub(super) name: &'t str,
    /// It has an embedded CONTENT, the how manieth of the issue.
    pub(super) content: Option<usize>,
}

/// ISSUE-SOLUTION.
pub(super) struct Solution<'t> {
    pub(super) category: &'t str,
    pub(super) text: String,
    pub(super) documents: Vec<Document<'t>>,
}

/// ANNOTATION.
pub(super) struct Annotation<'t> {
    pub(super) label: Option<&'t str>,
    pub(super) author: &'t str,
    pub(super) date: &'t str,
    pub(super) text: String,
}

impl<'t> Object<'t> {
    /// Versions 3.x may have several.
    fn revise(&mut self, revision: &'t str) {
        if self.revision.is_empty() {
            self.revision = Cow::Borrowed(revision);
        } else if !revision.is_empty() {
            self.revision.to_mut().push_str(", ");
            self.revision.to_mut().push_str(revision);
        }
    }

    fn special(&mut self, data: Element<'t>) {
        for special in data.find_all(&["SD"]) {
            match special.attribute("GID") {
                Some("hw version") => self.hardware = special.lead(),
                Some("sw version") => self.software = special.lead(),
                _ => {}
            }
        }
    }
}

impl<'t> Entry<'t> {
    /// Reads an ISSUE. What is unusable is left out, each with a finding.
    pub(super) fn read(issue: Element<'t>, render: Render, notes: &mut Notes) -> Self {
        let mut entry = Self::default();
        let mut reader = Reader { render, notes, contents: Vec::new() };
        reader.survey(issue);
        reader.items(issue, vocabulary::ISSUE, &mut entry);
        entry
    }
}

struct Reader<'f> {
    render: Render,
    notes: &'f mut Notes,
    /// Where the CONTENT elements of the issue stand.
    contents: Vec<usize>,
}

impl Reader<'_> {
    fn items<'t>(&mut self, parent: Element<'t>, items: &'static [Item], entry: &mut Entry<'t>) {
        for child in parent.elements() {
            self.element(child, items, entry);
        }
    }

    fn element<'t>(&mut self, child: Element<'t>, items: &'static [Item], entry: &mut Entry<'t>) {
        let name = child.name();
        match name {
            "COMPANY-ISSUE-INFOS" => return self.infos(child, entry),
            "DELIVERY-MILESTONES" => return self.milestones(child, entry),
            // Older versions have a single one, as text.
            "DELIVERY-MILESTONE" => return self.milestone(child, entry),
            "ENGINEERING-OBJECTS" => return self.objects(child, entry),
            "ISSUE-RELATED-DOCUMENTS" => {
                return self.related(child, &mut entry.documents);
            }
            "ISSUE-SOLUTIONS" => return self.solutions(child, entry),
            "ANNOTATIONS" => return self.annotations(child, entry),
            "PROJECT-IDS" => return self.projects(child, entry),
            _ => {}
        }
        let Some(item) = items.iter().find(|item| is_named(item, name)) else { return };
        match item {
            Item::Group(_, items) => self.items(child, items, entry),
            Item::Text(_, Some(field), _) => {
                let text = child.lead();
                if !text.is_empty() {
                    entry.texts.push((field, text.into()));
                }
            }
            Item::Rich(_, field) => self.description(child, field, entry),
            _ => {}
        }
    }

    fn description<'t>(&mut self, child: Element<'t>, field: &'static str, entry: &mut Entry<'t>) {
        let tagged = |p: &Element<'t>| p.name() == "P" && p.attribute("SI").is_some();
        if !child.elements().any(|p| tagged(&p)) {
            entry.texts.push((field, rich::render(child, self.render).into()));
            return;
        }
        let mut description = Vec::new();
        for p in child.elements().filter(|p| p.name() == "P") {
            match p.attribute("SI") {
                None | Some("description") => description.push(rich::render(p, self.render)),
                Some("attachment") => {
                    for file in p.find_all(&["XFILE"]) {
                        let document = self.document(file, "SHORT-NAME");
                        entry.documents.extend(document);
                    }
                }
                Some(tag) if !p.lead().is_empty() => entry.tagged.push((tag, p.lead())),
                Some(_) => {}
            }
        }
        entry.texts.push((field, description.join("\n").into()));
    }

    fn infos<'t>(&mut self, infos: Element<'t>, entry: &mut Entry<'t>) {
        for info in infos.elements().filter(|info| info.name() == "COMPANY-ISSUE-INFO") {
            let Some(company) = info.child("COMPANY-DATA-REF") else {
                self.incomplete(info, "it names no company (COMPANY-DATA-REF)");
                continue;
            };
            let member = info.child("TEAM-MEMBER-REF");
            entry.infos.push(Info {
                company: company.lead(),
                id_ref: company.attribute("ID-REF").unwrap_or_default().trim(),
                number: last_lead(info, "ISSUE-ID"),
                project: info.lead_of("PROJECT-ID"),
                member: member.and_then(|m| m.attribute("ID-REF")).unwrap_or_default().trim(),
            });
            if company.lead().is_empty() && company.attribute("ID-REF").is_none() {
                self.incomplete(info, "the company's name (COMPANY-DATA-REF) is empty");
            }
        }
    }

    fn milestones<'t>(&mut self, milestones: Element<'t>, entry: &mut Entry<'t>) {
        for child in milestones.elements().filter(|child| child.name() == "DELIVERY-MILESTONE") {
            self.milestone(child, entry);
        }
    }

    fn milestone<'t>(&mut self, child: Element<'t>, entry: &mut Entry<'t>) {
        let label = match child.child("SHORT-LABEL") {
            Some(label) => label.lead(),
            None if !child.has_elements() => child.lead(),
            None => {
                self.incomplete(child, "it has no SHORT-LABEL");
                return;
            }
        };
        let category = match child.child("CATEGORY").map(Element::lead) {
            None => vocabulary::REQUESTED,
            Some("") => {
                self.incomplete(child, "its CATEGORY is empty; it counts as REQUESTED");
                vocabulary::REQUESTED
            }
            Some(category) => category,
        };
        if !label.is_empty() {
            entry.milestones.push(Milestone { label, category });
        }
    }

    fn objects<'t>(&mut self, objects: Element<'t>, entry: &mut Entry<'t>) {
        for object in objects.elements().filter(|child| child.name() == "ENGINEERING-OBJECT") {
            let (mut category, mut label, mut revised) = (None, None, false);
            let mut found = Object {
                category: "",
                label: "",
                revision: Cow::Borrowed(""),
                hardware: "",
                software: "",
            };
            for child in object.elements() {
                match child.name() {
                    "CATEGORY" => category = category.or(Some(child.lead())),
                    "SHORT-LABEL" => label = label.or(Some(child.lead())),
                    "REVISION-LABEL" => {
                        revised = true;
                        found.revise(child.lead());
                    }
                    "REVISION-LABELS" => {
                        for revision in child.elements() {
                            revised = true;
                            found.revise(revision.lead());
                        }
                    }
                    "SDGS" => found.special(child),
                    _ => {}
                }
            }
            let (Some(category), Some(label)) = (category, label) else {
                self.incomplete(object, "it lacks CATEGORY or SHORT-LABEL");
                continue;
            };
            if category.is_empty() || label.is_empty() {
                continue;
            }
            if !revised && vocabulary::COMPONENTS.iter().any(|(known, _)| *known == category) {
                self.incomplete(object, "it has no REVISION-LABEL");
            }
            entry.objects.push(Object { category, label, ..found });
        }
    }

    /// Version 2.1.0.
    fn projects<'t>(&mut self, projects: Element<'t>, entry: &mut Entry<'t>) {
        for project in projects.elements().filter(|p| !p.lead().is_empty()) {
            entry.texts.push((vocabulary::PROJECT_ID, project.lead().into()));
        }
    }

    fn related<'t>(&mut self, documents: Element<'t>, into: &mut Vec<Document<'t>>) {
        for related in documents.elements().filter(|d| d.name().ends_with("-RELATED-DOCUMENT")) {
            let mut found = false;
            for xdoc in related.find_all(&["XDOC", "XFILE"]) {
                found = true;
                let url = if xdoc.name() == "XFILE" { "SHORT-NAME" } else { "URL" };
                into.extend(self.document(xdoc, url));
            }
            if !found && (related.child("URL").is_some() || related.child("CONTENT").is_some()) {
                found = true;
                into.extend(self.document(related, "URL"));
            }
            if !found {
                self.incomplete(related, "it names no file (XDOC)");
            }
        }
    }

    fn document<'t>(&mut self, xdoc: Element<'t>, url: &str) -> Option<Document<'t>> {
        let content = xdoc.find_all(&["CONTENT"]).next().map(|content| content.at());
        let content = content.and_then(|at| self.contents.binary_search(&at).ok());
        let name = ["LONG-NAME-1", "LONG-NAME", "LABEL"]
            .into_iter()
            .map(|name| xdoc.lead_of(name))
            .find(|name| !name.is_empty())
            .unwrap_or_default();
        let has_name = ["LONG-NAME-1", "LONG-NAME"].iter().any(|n| xdoc.child(n).is_some());
        let url_text = xdoc.lead_of(url);
        if xdoc.child(url).is_none() && content.is_none() {
            self.incomplete(xdoc, &format!("it has no {url}"));
            return None;
        }
        if xdoc.name() != "ISSUE-RELATED-DOCUMENT" && !has_name {
            self.incomplete(xdoc, "it has no LONG-NAME-1; the file's own name is used");
        }
        if url_text.is_empty() && content.is_none() {
            if !name.is_empty() {
                self.incomplete(xdoc, "its URL is empty");
            }
            return None;
        }
        Some(Document { url: url_text, name, content })
    }

    fn solutions<'t>(&mut self, solutions: Element<'t>, entry: &mut Entry<'t>) {
        for solution in solutions.elements().filter(|child| child.name() == "ISSUE-SOLUTION") {
            let description = solution.child("ISSUE-SOLUTION-DESC");
            let category = match solution.child("CATEGORY").map(Element::lead) {
                Some(category) if !category.is_empty() => category,
                _ => {
                    if description.is_some_and(|d| d.attribute("SI").is_none() && !is_tagged(d)) {
                        self.incomplete(
                            solution,
                            "it has no CATEGORY, so nobody knows whose it is",
                        );
                    }
                    ""
                }
            };
            if description.is_none() {
                self.incomplete(solution, "it has no ISSUE-SOLUTION-DESC");
            }
            let mut documents = Vec::new();
            if category == vocabulary::PROPOSAL {
                for xdoc in solution.find_all(&["XDOC", "XFILE"]) {
                    let url = if xdoc.name() == "XFILE" { "SHORT-NAME" } else { "URL" };
                    documents.extend(self.document(xdoc, url));
                }
                for direct in solution.find_all(&["ISSUE-RELATED-DOCUMENT"]) {
                    if direct.child("URL").is_some() || direct.child("CONTENT").is_some() {
                        documents.extend(self.document(direct, "URL"));
                    }
                }
            }
            let text = description.map(|d| rich::render(d, self.render)).unwrap_or_default();
            entry.solutions.push(Solution { category, text, documents });
        }
    }

    fn annotations<'t>(&mut self, annotations: Element<'t>, entry: &mut Entry<'t>) {
        for annotation in annotations.elements().filter(|child| child.name() == "ANNOTATION") {
            let Some(text) = annotation.child("ANNOTATION-TEXT") else {
                self.incomplete(annotation, "it has no ANNOTATION-TEXT");
                continue;
            };
            let label = annotation.child("LABEL").map(Element::lead);
            if label == Some("") {
                self.incomplete(annotation, "its LABEL is empty; it counts as the partner's");
            }
            let author = annotation.child("TEAM-MEMBER-REF");
            entry.annotations.push(Annotation {
                label: label.filter(|label| !label.is_empty()),
                author: author.and_then(|a| a.attribute("ID-REF")).unwrap_or_default().trim(),
                date: annotation.lead_of("DATE"),
                text: rich::render(text, self.render),
            });
        }
    }

    /// Notes the embedded files, and the elements no version of the format has, below ISSUE but
    /// not inside rich text or special data.
    fn survey(&mut self, issue: Element<'_>) {
        let (notes, contents) = (&mut *self.notes, &mut self.contents);
        issue.walk(&mut |element| {
            if let Some(word) = element.word().filter(|word| word.known) {
                if word.name == "CONTENT" {
                    contents.push(element.at());
                }
                return !word.open;
            }
            if notes.has_room() {
                let shown = super::events::one_line(element.name());
                let text = format!("the element {shown} is not known and not used");
                let path = super::events::one_line(&element.path());
                notes.push(Finding::warning(code::UNKNOWN_ELEMENT, text).at(path));
            }
            false
        });
    }

    fn incomplete(&mut self, element: Element<'_>, why: &str) {
        let text = format!("{}: {why}", super::events::one_line(element.name()));
        self.notes.warn(code::ELEMENT_INCOMPLETE, text);
    }
}

fn is_tagged(description: Element<'_>) -> bool {
    description.elements().any(|p| p.attribute("SI").is_some())
}

fn is_named(item: &Item, name: &str) -> bool {
    match item {
        Item::Group(known, _)
        | Item::Text(known, ..)
        | Item::Rich(known, _)
        | Item::Empty(known) => *known == name,
        _ => false,
    }
}

fn last_lead<'t>(parent: Element<'t>, name: &str) -> &'t str {
    parent
        .elements()
        .filter(|child| child.name() == name)
        .map(Element::lead)
        .filter(|lead| !lead.is_empty())
        .last()
        .unwrap_or_default()
}
