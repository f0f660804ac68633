//! What there is to say of one subject, as text and as JSON.

use std::io::{self, Write};
use std::rc::Rc;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::archive::Contents;
use crate::cli::style::plain;
use crate::disk;
use crate::edifact;
use crate::{Finding, Severity};

/// A finding with the bytes it is about, where they can be quoted.
pub(super) struct Found {
    pub(super) finding: Finding,
    pub(super) bytes: Option<Rc<[u8]>>,
}

impl Found {
    /// In a file that can be quoted.
    pub(super) fn in_bytes(finding: Finding, path: &str, bytes: &Rc<[u8]>) -> Self {
        let known = finding.place.path.is_some();
        let finding = if known { finding } else { finding.at(path) };
        Self { finding, bytes: Some(Rc::clone(bytes)) }
    }
}

/// What there is to say of one subject.
pub(super) struct Explained {
    kind: &'static str,
    name: String,
    pub(super) lines: Vec<String>,
    /// Its own, without those of its contents and files.
    pub(super) findings: Vec<Found>,
    /// Of an archive or document.
    pub(super) contents: Option<Contents>,
    /// Further keys.
    pub(super) more: serde_json::Map<String, Value>,
    /// Of a package.
    pub(super) files: Option<Vec<Explained>>,
}

impl Explained {
    pub(super) fn new(kind: &'static str, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            lines: Vec::new(),
            findings: Vec::new(),
            contents: None,
            more: serde_json::Map::new(),
            files: None,
        }
    }

    pub(super) fn is_error(&self) -> bool {
        self.findings.iter().any(|found| found.finding.severity == Severity::Error)
            || self.contents.as_ref().is_some_and(|contents| contents.is_error)
            || self.files.iter().flatten().any(Self::is_error)
    }

    /// Hands over every finding, those of its files last.
    fn each_finding(
        &self,
        each: &mut dyn FnMut(&Finding, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        for Found { finding, bytes } in &self.findings {
            each(finding, bytes.as_deref().unwrap_or_default())?;
        }
        if let Some(contents) = &self.contents {
            contents.findings.each(&mut |finding| each(finding, &[]))?;
        }
        self.files.iter().flatten().try_for_each(|file| file.each_finding(each))
    }

    /// Writes it for people.
    pub(super) fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}: {}", plain(&self.name), self.kind)?;
        self.render_lines("  ", out)?;
        let mut none = true;
        self.each_finding(&mut |finding, bytes| {
            none = false;
            out.write_all(edifact::quote(bytes, finding).as_bytes())
        })?;
        if none {
            writeln!(out, "  no findings")?;
        }
        Ok(())
    }

    fn render_lines(&self, indent: &str, out: &mut dyn Write) -> io::Result<()> {
        for line in &self.lines {
            writeln!(out, "{indent}{}", plain(line))?;
        }
        if let Some(contents) = &self.contents {
            contents.render(indent, out)?;
        }
        for file in self.files.iter().flatten() {
            writeln!(out, "{indent}{}: {}", plain(&file.name), file.kind)?;
            file.render_lines(&format!("{indent}  "), out)?;
        }
        Ok(())
    }
}

impl Serialize for Explained {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shape<'a> {
            kind: &'static str,
            name: &'a str,
            findings: Findings<'a>,
            #[serde(flatten)]
            contents: Option<&'a Contents>,
            #[serde(flatten)]
            more: &'a serde_json::Map<String, Value>,
            #[serde(skip_serializing_if = "Option::is_none")]
            files: Option<&'a [Explained]>,
        }
        let shape = Shape {
            kind: self.kind,
            name: &self.name,
            findings: Findings(self),
            contents: self.contents.as_ref(),
            more: &self.more,
            files: self.files.as_deref(),
        };
        shape.serialize(serializer)
    }
}

/// All findings of a subject as a list.
struct Findings<'a>(&'a Explained);

impl Serialize for Findings<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        disk::serialize_each(serializer, |each| {
            self.0.each_finding(&mut |finding, _| each(finding))
        })
    }
}
