//! Issue documents: the ZIP of MSR-ISSUE XML and attachments, to and from [`crate::issue`].
//!
//! Reading: [`Archive::open`] looks over every member and every document within [`Limits`] and
//! isolates what is damaged; [`Archive::deliver`] then hands over one [`Delivered`] issue at a
//! time. Only one issue is in memory at a time, and attachments stream from the archive.
//!
//! Writing: [`write_document`] makes the answer to one issue, [`pack`] the ZIP of several.
//!
//! The element tables are in `vocabulary` and `words`; what we accept and what we write is described for
//! administrators in `docs/formats/msr-issue.md`.

mod archive;
pub mod code;
mod container;
mod content;
mod embedded;
mod events;
mod explain;
mod fields;
mod files;
mod flat;
pub mod fuzz;
mod header;
mod limits;
mod model;
mod names;
mod notes;
mod pack;
mod profile;
mod reissue;
mod rich;
mod text;
mod time;
mod tokens;
mod tree;
mod vet;
mod vocabulary;
mod words;
mod write;

pub use archive::{Archive, DocumentInfo, FileInfo, is_incomplete};
pub use explain::{
    ExplainedAttachment, ExplainedCompany, ExplainedDocument, ExplainedFile, ExplainedIssue, Piece,
    explain,
};
pub use fields::is_known_field;
pub use limits::Limits;
pub use pack::{Packer, pack};
pub use profile::Profile;
pub use reissue::reissue;
pub use rich::Render;
pub use write::{Answer, DocumentName, Style, write_document};

use crate::issue::Issue;
use crate::{Error, Finding, Timestamp};

/// COMPANY-DATA: a company as a document names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Company {
    /// The legal name; partners are recognised by a part of it.
    pub long_name: String,
    /// The key by which everything else refers to the company.
    pub short_name: String,
}

/// How to number the components of an issue that are not its own control unit ("PUDIS").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pudis {
    /// From 1 in each issue, in order of appearance.
    #[default]
    Issue,
    /// Through the whole archive, as the older program did: the numbers of an issue depend on
    /// which other issues came with it.
    Archive,
}

/// From whose side, and how, the issues of an archive are read.
#[derive(Clone, Debug)]
pub struct View {
    /// A part of the partner's legal name.
    pub peer_name: String,
    /// The partner's short name, until a document says otherwise.
    pub peer_short: String,
    /// Our own short name.
    pub own_short: String,
    /// The zone of dates without one.
    pub zone: chrono_tz::Tz,
    /// How rich text becomes text.
    pub render: Render,
    /// How components are numbered.
    pub pudis: Pudis,
}

/// An issue as it was delivered.
#[derive(Debug)]
pub struct Delivered {
    /// The issue: its id is the partner's problem number, its fields are the partner fields, its
    /// comments the partner's annotations.
    pub issue: Issue,
    /// The partner's short name, as learned.
    pub peer_short: String,
    /// The date of the document's newest revision, if it has one that can be read.
    pub revision: Option<Timestamp>,
    /// The number that the document gives for us: our issue's key, as far as the partner knows.
    pub own_key: Option<String>,
    /// Every company's number of it, by the company's short name.
    pub numbers: Vec<(String, String)>,
    /// How many annotations it has, of all companies.
    pub annotations: usize,
    /// What was noticed about this issue.
    pub findings: Vec<Finding>,
    /// Why this issue cannot be used, if it cannot.
    pub unreadable: Option<Error>,
    /// The archive member it stands in.
    pub document: String,
}

#[cfg(test)]
mod tests;
