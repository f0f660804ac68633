//! The answer to one issue as an MSR-ISSUE document of the PFIFF profile.
//!
//! One line of XML, every element always there, an empty one as `<X />`, characters outside
//! XML 1.0 left out: the shape the partners' importers have been fed for years.

use chrono_tz::Tz;

use super::events::is_char;
use super::pack::{member_name, unique_names};
use super::time;
use super::vocabulary::{self as field, Item, Value};
use super::{Company, Profile, code};
use crate::issue::{Attachment, Comment, Record};
use crate::{Error, Finding, Result, Timestamp};

/// What an issue is answered with.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The partner: the long name as configured, the short name as learned.
    pub peer: Company,
    /// We.
    pub own: Company,
    /// Our issue's key.
    pub key: String,
    /// The partner's problem number.
    pub number: String,
    /// The whole TRANSACTION-ID, unique for each message and the same when it is repeated; by
    /// custom the ENGDAT reference without `ENG`, a dash, and the key.
    pub transaction_id: String,
    /// When our issue was updated last.
    pub updated: Timestamp,
    /// Who works on it; empty: nobody known.
    pub assignee_key: String,
    /// The same person's name; empty: the key.
    pub assignee_name: String,
    /// The partner's fields as delivered, which are echoed, and the supplier fields.
    pub fields: Record,
    /// The comments to the partner: all of them, every time.
    pub comments: Vec<Comment>,
    /// The files to the partner.
    pub files: Vec<Attachment>,
}

/// The element with the display name of a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DocumentName {
    /// `LONG-NAME-1`, as the partners write it.
    #[default]
    LongName1,
    /// `LONG-NAME`, as the older program wrote it.
    LongName,
}

impl DocumentName {
    /// The name of the element.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LongName1 => "LONG-NAME-1",
            Self::LongName => "LONG-NAME",
        }
    }

    /// The choice of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::LongName1, Self::LongName].into_iter().find(|choice| choice.as_str() == name)
    }
}

/// How answers are written to a partner.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// The partner's profile.
    pub profile: Profile,
    /// The zone of the dates, which are written without one.
    pub zone: Tz,
    /// The element with the display name of a document.
    pub document_name_element: DocumentName,
}

impl Style {
    /// The PFIFF profile in `zone`.
    #[must_use]
    pub fn pfiff(zone: Tz) -> Self {
        Self { profile: Profile::Pfiff, zone, document_name_element: DocumentName::default() }
    }
}

impl Answer {
    /// What is lost in writing: characters XML 1.0 cannot carry, one finding for each text.
    #[must_use]
    pub fn dropped(&self) -> Vec<Finding> {
        let fields = self.fields.iter().map(|(field, value)| (field, value.to_string()));
        let comments = self.comments.iter().map(|comment| ("a comment", comment.text.clone()));
        let texts = fields.chain(comments).map(|(place, text)| {
            let lost = text.chars().filter(|c| !is_char(*c)).count();
            (place.to_owned(), lost)
        });
        texts
            .filter(|(_, lost)| *lost > 0)
            .map(|(place, lost)| {
                let text =
                    format!("{lost} characters of {place} cannot stand in XML and are left out");
                Finding::warning(code::DROPPED_CHARACTERS, text).at(&self.key)
            })
            .collect()
    }

    fn assignee(&self) -> &str {
        match self.assignee_key.as_str() {
            "" => UNKNOWN,
            key => key,
        }
    }
}

/// The id of an assignee nobody knows.
const UNKNOWN: &str = "unknown";
const SCHEMA: &str = "PAG_ASAM_ISSUE_SCHEMA_V3.0.xsd";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// The answer document. The same answer and style make the same bytes.
///
/// # Errors
/// `Fault::Setup` `writing-unsupported` for another profile than PFIFF; `Fault::Item`
/// `no-number` where the answer has no key or no number.
pub fn write_document(answer: &Answer, style: &Style) -> Result<Vec<u8>> {
    if style.profile != Profile::Pfiff {
        return Err(Error::setup(
            code::WRITING_UNSUPPORTED,
            format!("answers of the profile {} cannot be written yet", style.profile.as_str()),
        )
        .hint("only profile = \"pfiff\" can be answered"));
    }
    if answer.key.is_empty() || answer.number.is_empty() {
        return Err(Error::item(
            code::NO_NUMBER,
            format!(
                "the answer to {:?} of our issue {:?} lacks one of the two numbers",
                answer.number, answer.key
            ),
        ));
    }
    let mut writer = Writer { xml: Xml::default(), answer, style };
    writer.document();
    Ok(writer.xml.out.into_bytes())
}

struct Writer<'a> {
    xml: Xml,
    answer: &'a Answer,
    style: &'a Style,
}

impl Writer<'_> {
    fn document(&mut self) {
        self.xml.out.push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
        let root = [("xmlns:xsi", XSI), ("xsi:noNamespaceSchemaLocation", SCHEMA)];
        self.xml.start("MSR-ISSUE", &root);
        self.companies();
        let updated = self.updated();
        let assignee = self.answer.assignee();
        self.xml.group("ADMIN-DATA", |xml| {
            xml.group("DOC-REVISIONS", |xml| {
                xml.group("DOC-REVISION", |xml| {
                    xml.member_ref(assignee);
                    xml.leaf("DATE", &updated);
                });
            });
        });
        self.xml.start("ISSUES", &[]);
        self.xml.start("ISSUE", &[]);
        self.items(field::ISSUE);
        self.xml.end("ISSUE");
        self.xml.end("ISSUES");
        self.xml.end("MSR-ISSUE");
    }

    fn companies(&mut self) {
        let Answer { peer, own, comments, assignee_name, .. } = self.answer;
        let assignee = self.answer.assignee();
        let name = if assignee_name.is_empty() { assignee } else { assignee_name };
        let authors = comments.iter().filter_map(|comment| comment.author.as_ref());
        let mut team: Vec<(&str, &str)> = vec![(assignee, name)];
        for author in authors.filter(|author| !author.id.is_empty()) {
            // An ID may stand in a document only once.
            if team.iter().all(|(id, _)| *id != author.id) {
                let name = if author.name.is_empty() { &author.id } else { &author.name };
                team.push((&author.id, name));
            }
        }
        self.xml.group("COMPANY-DATAS", |xml| {
            xml.group("COMPANY-DATA", |xml| xml.company(peer));
            xml.group("COMPANY-DATA", |xml| {
                xml.company(own);
                xml.group("TEAM-MEMBERS", |xml| {
                    for (id, name) in team {
                        xml.team_member(id, name);
                    }
                });
            });
        });
    }

    fn items(&mut self, items: &[Item]) {
        for item in items {
            self.item(item);
        }
    }

    fn item(&mut self, item: &Item) {
        match *item {
            Item::Group(name, items) => {
                let empty = self.xml.start(name, &[]);
                self.items(items);
                self.xml.end_or_empty(name, empty);
            }
            Item::Text(name, _, Some(from)) => self.leaf(name, from),
            Item::Text(_, _, None) => {}
            Item::Rich(name, from) => {
                let text = self.answer.fields.text(from);
                self.xml.group(name, |xml| xml.leaf("P", &text));
            }
            Item::Empty(name) => self.xml.leaf(name, ""),
            Item::Infos => self.infos(),
            Item::Updated => {
                let updated = self.updated();
                self.xml.leaf("DATE", &updated);
            }
            Item::Assignee => {
                let assignee = self.answer.assignee();
                self.xml.member_ref(assignee);
            }
            Item::Milestone(category, from) => {
                let (label, own) = (self.answer.fields.text(from), &self.answer.own.short_name);
                self.xml.group("DELIVERY-MILESTONE", |xml| {
                    xml.leaf("SHORT-LABEL", &label);
                    xml.leaf("CATEGORY", category);
                    xml.leaf("COMPANY-DATA-REF", own);
                });
            }
            Item::Documents => self.documents(),
            Item::Objects => self.objects(),
            Item::Solution(category, from) => {
                let text = self.answer.fields.text(from);
                self.xml.group("ISSUE-SOLUTION", |xml| {
                    xml.leaf("CATEGORY", category);
                    xml.group("ISSUE-SOLUTION-DESC", |xml| xml.leaf("P", &text));
                });
            }
            Item::Annotations => self.annotations(),
        }
    }

    fn leaf(&mut self, name: &str, from: &str) {
        let text = self.answer.fields.text(from);
        self.xml.leaf(name, &text);
    }

    fn infos(&mut self) {
        let answer = self.answer;
        self.xml.group("COMPANY-ISSUE-INFOS", |xml| {
            xml.group("COMPANY-ISSUE-INFO", |xml| {
                xml.leaf("COMPANY-DATA-REF", &answer.own.short_name);
                xml.leaf("ISSUE-ID", &answer.key);
                xml.leaf("TRANSACTION-ID", &answer.transaction_id);
            });
            xml.group("COMPANY-ISSUE-INFO", |xml| {
                xml.leaf("COMPANY-DATA-REF", &answer.peer.short_name);
                xml.leaf("ISSUE-ID", &answer.number);
            });
        });
    }

    fn documents(&mut self) {
        let name_element = self.style.document_name_element.as_str();
        for name in unique_names(&self.answer.files) {
            let url = member_name(&self.answer.key, &name);
            self.xml.group("ISSUE-RELATED-DOCUMENT", |xml| {
                xml.group("XDOC", |xml| {
                    xml.leaf(name_element, &name);
                    xml.leaf("URL", &url);
                });
            });
        }
    }

    fn objects(&mut self) {
        for (category, from, value) in field::OBJECTS {
            let text = self.answer.fields.text(from);
            if text.is_empty() {
                continue;
            }
            self.xml.group("ENGINEERING-OBJECT", |xml| {
                xml.leaf("CATEGORY", category);
                match value {
                    Value::Label => xml.leaf("SHORT-LABEL", &text),
                    Value::Revision => {
                        xml.leaf("SHORT-LABEL", field::ECU);
                        xml.leaf("REVISION-LABEL", &text);
                    }
                }
            });
        }
    }

    fn annotations(&mut self) {
        let (answer, zone) = (self.answer, self.style.zone);
        for comment in &answer.comments {
            let author = comment.author.as_ref().map(|author| author.id.as_str());
            let author = author.filter(|id| !id.is_empty()).unwrap_or(answer.assignee());
            let date = comment.created.unwrap_or(answer.updated);
            let date = time::write(date, zone);
            self.xml.group("ANNOTATION", |xml| {
                xml.leaf("LABEL", &answer.own.short_name);
                xml.member_ref(author);
                xml.leaf("DATE", &date);
                xml.group("ANNOTATION-TEXT", |xml| xml.leaf("P", &comment.text));
            });
        }
    }

    fn updated(&self) -> String {
        time::write(self.answer.updated, self.style.zone)
    }
}

/// XML on one line.
#[derive(Default)]
struct Xml {
    out: String,
}

impl Xml {
    /// Begins an element; answers where its start tag ends, for [`Xml::end_or_empty`].
    fn start(&mut self, name: &str, attributes: &[(&str, &str)]) -> usize {
        self.out.push('<');
        self.out.push_str(name);
        for (key, value) in attributes {
            self.out.push(' ');
            self.out.push_str(key);
            self.out.push_str("=\"");
            self.escaped(value, true);
            self.out.push('"');
        }
        self.out.push('>');
        self.out.len()
    }

    fn end(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    fn end_or_empty(&mut self, name: &str, start: usize) {
        if self.out.len() == start {
            self.out.pop();
            self.out.push_str(" />");
        } else {
            self.end(name);
        }
    }

    fn group(&mut self, name: &str, children: impl FnOnce(&mut Self)) {
        let start = self.start(name, &[]);
        children(self);
        self.end_or_empty(name, start);
    }

    fn leaf(&mut self, name: &str, text: &str) {
        self.group(name, |xml| xml.escaped(text, false));
    }

    fn company(&mut self, company: &Company) {
        self.leaf("LONG-NAME", &company.long_name);
        self.leaf("SHORT-NAME", &company.short_name);
    }

    fn team_member(&mut self, id: &str, name: &str) {
        self.start("TEAM-MEMBER", &[("ID", id)]);
        self.leaf("LONG-NAME", name);
        self.leaf("SHORT-NAME", id);
        for empty in ["DEPARTMENT", "PHONE", "FAX", "EMAIL"] {
            self.leaf(empty, "");
        }
        self.end("TEAM-MEMBER");
    }

    fn member_ref(&mut self, id: &str) {
        let start = self.start("TEAM-MEMBER-REF", &[("ID-REF", id)]);
        self.end_or_empty("TEAM-MEMBER-REF", start);
    }

    /// XML 1.0, sections 2.2 and 2.4; line ends become line feeds, as every reader makes them
    /// (section 2.11).
    fn escaped(&mut self, text: &str, attribute: bool) {
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' if attribute => self.out.push_str("&quot;"),
                '\n' | '\t' if attribute => {
                    self.out.push_str(if c == '\n' { "&#10;" } else { "&#9;" });
                }
                '\r' if chars.peek() == Some(&'\n') => {}
                '\r' if attribute => self.out.push_str("&#10;"),
                '\r' => self.out.push('\n'),
                c if is_char(c) => self.out.push(c),
                _ => {}
            }
        }
    }
}
