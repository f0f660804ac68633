//! An archive in plain words, for `inspect`.

use serde::{Deserialize, Serialize};

use super::events::one_line;
use super::{Archive, Delivered, Pudis, Render, View};
use crate::{Finding, Result};

/// A piece of what is to be said of an archive.
#[derive(Clone, Debug)]
pub enum Piece {
    /// A company that its documents name.
    Company(ExplainedCompany),
    /// A readable document; its issues follow it.
    Document(ExplainedDocument),
    /// An issue of the last document.
    Issue(ExplainedIssue),
    /// A file that is not a document.
    File(ExplainedFile),
    /// What was noticed.
    Finding(Finding),
}

/// A document of an archive.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedDocument {
    /// The archive member.
    pub name: String,
    /// The profile it is read by.
    pub profile: &'static str,
    /// The version as it states it.
    pub version: String,
    /// The date of its revision, as written.
    pub revision: Option<String>,
    /// How many issues stand in it.
    #[serde(skip)]
    pub count: usize,
}

/// A company of an archive.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedCompany {
    /// The legal name.
    pub name: String,
    /// The key.
    pub short_name: String,
}

/// An issue of an archive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExplainedIssue {
    /// The number in each company's tracker: short name and number.
    pub numbers: Vec<(String, String)>,
    /// Its title.
    pub title: String,
    /// Its state, as written.
    pub state: Option<String>,
    /// How many annotations it has.
    pub comments: usize,
    /// The files it names.
    pub attachments: Vec<ExplainedAttachment>,
}

/// A file that an issue names.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExplainedAttachment {
    /// Its display name.
    pub name: String,
    /// Its size in bytes; `None` where its content did not come or is not used.
    pub size: Option<u64>,
}

/// A file of an archive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExplainedFile {
    /// Its name, fit for a log.
    pub name: String,
    /// Its unpacked size in bytes.
    pub size: u64,
    /// Why it is not used, if it is not.
    pub refused: Option<String>,
}

/// Explains an archive without knowing whose side we are on, piece by piece: companies, documents
/// with their issues, files; findings among them. Every file is read to its end.
///
/// # Errors
/// Those of reading the archive, and of `each`.
pub fn explain(archive: &Archive, each: &mut dyn FnMut(Piece) -> Result<()>) -> Result<()> {
    for company in archive.companies() {
        let (name, short_name) = (one_line(&company.long_name), one_line(&company.short_name));
        each(Piece::Company(ExplainedCompany { name, short_name }))?;
    }
    for finding in archive.findings() {
        each(Piece::Finding(finding.clone()))?;
    }
    let peer = archive.companies().first().cloned().unwrap_or_default();
    let view = View {
        peer_name: peer.long_name,
        peer_short: peer.short_name,
        own_short: String::new(),
        zone: chrono_tz::Tz::UTC,
        render: Render::Clean,
        pudis: Pudis::Issue,
    };
    let mut documents = archive.documents().map(|document| ExplainedDocument {
        name: document.name,
        profile: document.profile.as_str(),
        version: one_line(&document.version),
        revision: document.revision.map(|date| one_line(&date)),
        count: document.issues,
    });
    let mut open: Option<String> = None;
    let ends = archive.deliver(&view, &mut |mut delivered| {
        while open.as_ref() != Some(&delivered.document) {
            let Some(document) = documents.next() else { break };
            open = Some(document.name.clone());
            each(Piece::Document(document))?;
        }
        for finding in delivered.findings.drain(..) {
            each(Piece::Finding(finding))?;
        }
        if let (true, Some(error)) = (delivered.numbers.is_empty(), &delivered.unreadable) {
            let finding = Finding::error(error.code, &error.what).at(&delivered.document);
            each(Piece::Finding(finding))?;
        }
        each(Piece::Issue(issue(delivered)))
    })?;
    documents.try_for_each(|document| each(Piece::Document(document)))?;
    for file in archive.files() {
        let (name, size, refused) = (file.name, file.size, file.refused);
        each(Piece::File(ExplainedFile { name, size, refused }))?;
    }
    ends.into_iter().chain(archive.verify()).try_for_each(|finding| each(Piece::Finding(finding)))
}

fn issue(delivered: Delivered) -> ExplainedIssue {
    let Delivered { issue, numbers, annotations, .. } = delivered;
    let state = one_line(&issue.fields.text("crstatus"));
    let shown = numbers.iter().map(|(company, number)| (one_line(company), one_line(number)));
    let file = |file: crate::issue::Attachment| {
        let size = file.content().and(file.size);
        ExplainedAttachment { name: file.name, size }
    };
    ExplainedIssue {
        numbers: shown.collect(),
        title: one_line(&issue.fields.text("problem_synopsis")),
        state: Some(state).filter(|state| !state.is_empty()),
        comments: annotations,
        attachments: issue.attachments.into_iter().map(file).collect(),
    }
}

impl Piece {
    /// It in plain words, one line each; a finding has none.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Company(company) => vec![company.line()],
            Self::Document(document) => vec![document.line()],
            Self::Issue(issue) => issue.lines(),
            Self::File(file) => vec![file.line()],
            Self::Finding(_) => Vec::new(),
        }
    }
}

impl ExplainedCompany {
    /// It in plain words.
    #[must_use]
    pub fn line(&self) -> String {
        format!("company   {} ({})", self.name, self.short_name)
    }
}

impl ExplainedDocument {
    /// It in plain words.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { name, profile, version, count, .. } = self;
        let dated = self.revision.as_deref().unwrap_or("no date");
        let plural = if *count == 1 { "issue" } else { "issues" };
        format!("document  {name}: {profile} {version}, {dated}, {count} {plural}")
    }
}

impl ExplainedFile {
    /// It in plain words.
    #[must_use]
    pub fn line(&self) -> String {
        let refused = self.refused.as_ref().map(|why| format!(", not used: {why}"));
        format!("file      {}: {} bytes{}", self.name, self.size, refused.unwrap_or_default())
    }
}

impl ExplainedIssue {
    /// It in plain words, one line for itself and one for each of its files.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let numbers = self.numbers.iter().map(|(company, number)| format!("{company} {number}"));
        let numbers = numbers.collect::<Vec<_>>().join(", ");
        let state = self.state.as_deref().unwrap_or("no state");
        let mut lines = vec![format!("  issue   {numbers}: {} [{state}]", self.title)];
        for file in &self.attachments {
            lines.push(match file.size {
                Some(size) => format!("    file  {} ({size} bytes)", file.name),
                None => format!("    file  {} (no content)", file.name),
            });
        }
        lines
    }
}
