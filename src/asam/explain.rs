//! An archive in plain words, for `inspect`.

use serde::Serialize;

use super::events::one_line;
use super::{Archive, Delivered, Pudis, Render, View};
use crate::{Finding, Result, Severity};

/// What an archive holds, ready for JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// Its readable documents.
    pub documents: Vec<ExplainedDocument>,
    /// The companies they name.
    pub companies: Vec<ExplainedCompany>,
    /// The files that are not documents.
    pub files: Vec<ExplainedFile>,
    /// What was noticed.
    #[serde(skip)]
    pub findings: Vec<Finding>,
}

/// A document in an [`Explanation`].
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
    /// Its issues.
    pub issues: Vec<ExplainedIssue>,
}

/// A company in an [`Explanation`].
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedCompany {
    /// The legal name.
    pub name: String,
    /// The key.
    pub short_name: String,
}

/// An issue in an [`Explanation`].
#[derive(Clone, Debug, Serialize)]
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
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedAttachment {
    /// Its display name.
    pub name: String,
    /// Its size in bytes; `None` where its content did not come or is not used.
    pub size: Option<u64>,
}

/// A file of the archive.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedFile {
    /// Its name, fit for a log.
    pub name: String,
    /// Its unpacked size in bytes.
    pub size: u64,
    /// Why it is not used, if it is not.
    pub refused: Option<String>,
}

/// Explains an archive without knowing whose side we are on. Every file is read to its end.
///
/// # Errors
/// Those of reading the archive.
pub fn explain(archive: &Archive) -> Result<Explanation> {
    let mut explanation = Explanation {
        documents: archive
            .documents()
            .map(|document| ExplainedDocument {
                name: document.name,
                profile: document.profile.as_str(),
                version: one_line(&document.version),
                revision: document.revision.map(|date| one_line(&date)),
                issues: Vec::new(),
            })
            .collect(),
        companies: archive
            .companies()
            .iter()
            .map(|company| ExplainedCompany {
                name: one_line(&company.long_name),
                short_name: one_line(&company.short_name),
            })
            .collect(),
        files: archive
            .files()
            .map(|file| ExplainedFile { name: file.name, size: file.size, refused: file.refused })
            .collect(),
        findings: archive.findings().to_vec(),
    };
    let peer = archive.companies().first().cloned().unwrap_or_default();
    let view = View {
        peer_name: peer.long_name,
        peer_short: peer.short_name,
        own_short: String::new(),
        zone: chrono_tz::Tz::UTC,
        render: Render::Clean,
        pudis: Pudis::Issue,
    };
    let mut found = Vec::new();
    let ends = archive.deliver(&view, &mut |mut delivered| {
        found.append(&mut delivered.findings);
        if let (true, Some(error)) = (delivered.numbers.is_empty(), &delivered.unreadable) {
            found.push(Finding::error(error.code, &error.what).at(&delivered.document));
        }
        let Delivered { issue, numbers, annotations, document, .. } = delivered;
        let state = one_line(&issue.fields.text("crstatus"));
        if let Some(document) = explanation.documents.iter_mut().find(|d| d.name == document) {
            let size = |file: &crate::issue::Attachment| file.content().and(file.size);
            document.issues.push(ExplainedIssue {
                numbers: shown(numbers),
                title: one_line(&issue.fields.text("problem_synopsis")),
                state: Some(state).filter(|state| !state.is_empty()),
                comments: annotations,
                attachments: (issue.attachments.iter())
                    .map(|file| ExplainedAttachment { name: file.name.clone(), size: size(file) })
                    .collect(),
            });
        }
        Ok(())
    })?;
    found.extend(ends);
    found.extend(archive.verify());
    explanation.findings.append(&mut found);
    Ok(explanation)
}

fn shown(numbers: Vec<(String, String)>) -> Vec<(String, String)> {
    numbers.into_iter().map(|(company, number)| (one_line(&company), one_line(&number))).collect()
}

impl Explanation {
    /// Whether something in it cannot be used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// It in plain words, one line each, without the findings.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for company in &self.companies {
            lines.push(format!("company   {} ({})", company.name, company.short_name));
        }
        for document in &self.documents {
            let dated = document.revision.as_deref().unwrap_or("no date");
            let count = document.issues.len();
            let plural = if count == 1 { "issue" } else { "issues" };
            lines.push(format!(
                "document  {}: {} {}, {dated}, {count} {plural}",
                document.name, document.profile, document.version
            ));
            for issue in &document.issues {
                lines.extend(issue.lines());
            }
        }
        for file in &self.files {
            let refused = file.refused.as_ref().map(|why| format!(", not used: {why}"));
            lines.push(format!(
                "file      {}: {} bytes{}",
                file.name,
                file.size,
                refused.unwrap_or_default()
            ));
        }
        lines
    }
}

impl ExplainedIssue {
    fn lines(&self) -> Vec<String> {
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
