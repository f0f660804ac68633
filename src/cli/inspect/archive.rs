//! What is in an issue ZIP or document.

use std::fs::File;
use std::io::{self, Write};
use std::rc::Rc;

use serde::Serialize;

use crate::asam::{
    self, Archive, ExplainedCompany, ExplainedDocument, ExplainedFile, ExplainedIssue, Limits,
    Piece,
};
use crate::cli::style::plain;
use crate::disk::{Shelf, Shelved};
use crate::{Error, Finding, Severity};

/// The contents of an archive. There may be many issues, files and findings: they lie on a shelf.
#[derive(Serialize)]
pub(super) struct Contents {
    documents: Vec<Document>,
    companies: Vec<ExplainedCompany>,
    files: Shelved<ExplainedFile>,
    #[serde(skip)]
    pub(super) findings: Shelved<Finding>,
    /// One of the findings is an error.
    #[serde(skip)]
    pub(super) is_error: bool,
}

#[derive(Serialize)]
struct Document {
    #[serde(flatten)]
    head: ExplainedDocument,
    issues: Shelved<ExplainedIssue>,
}

impl Contents {
    /// Reads an archive to its end; one that cannot be opened is a finding.
    pub(super) fn read(source: File, name: &str, limits: &Limits, shelf: &Rc<Shelf>) -> Self {
        let mut contents = Self {
            documents: Vec::new(),
            companies: Vec::new(),
            files: Shelved::on(shelf),
            findings: Shelved::on(shelf),
            is_error: false,
        };
        let told = Archive::examine(source, name, limits).and_then(|archive| {
            asam::explain(&archive, &mut |piece| {
                contents.add(piece, shelf);
                Ok(())
            })
        });
        if let Err(error) = told {
            contents.note(error_at(&error, name));
        }
        contents
    }

    fn add(&mut self, piece: Piece, shelf: &Rc<Shelf>) {
        match piece {
            Piece::Company(company) => self.companies.push(company),
            Piece::Document(head) => {
                self.documents.push(Document { head, issues: Shelved::on(shelf) });
            }
            Piece::Issue(issue) => {
                if let Some(document) = self.documents.last_mut() {
                    document.issues.extend([issue]);
                }
            }
            Piece::File(file) => self.files.extend([file]),
            Piece::Finding(finding) => self.note(finding),
        }
    }

    fn note(&mut self, finding: Finding) {
        self.is_error |= finding.severity == Severity::Error;
        self.findings.extend([finding]);
    }

    /// Writes it without its findings, one line each behind `indent`.
    pub(super) fn render(&self, indent: &str, out: &mut dyn Write) -> io::Result<()> {
        let mut line = |line: &str| writeln!(out, "{indent}{}", plain(line));
        self.companies.iter().try_for_each(|company| line(&company.line()))?;
        for document in &self.documents {
            line(&document.head.line())?;
            document
                .issues
                .each(&mut |issue| issue.lines().iter().try_for_each(|one| line(one)))?;
        }
        self.files.each(&mut |file| line(&file.line()))
    }
}

fn error_at(error: &Error, name: &str) -> Finding {
    Finding::error(error.code, error.line()).at(name)
}
