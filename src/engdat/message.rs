//! The description of a package as data.

use std::sync::Arc;

use chrono::{NaiveDate, NaiveDateTime};
use serde::Serialize;

use super::party::Party;
use crate::edifact::{Segment, SegmentBuilder, Syntax};

/// An ENGDAT message with the interchange around it (VDA 4951-1, versions 1 and 2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EngdatMessage {
    /// The envelope.
    pub envelope: Envelope,
    /// Message reference (data element 0062).
    pub message_reference: String,
    /// `001` or `002`.
    pub version: String,
    /// Exchange reference: characters 4 to 20 of the file names.
    pub reference: String,
    /// Date of the package.
    #[serde(serialize_with = "iso")]
    pub document_date: Option<NaiveDate>,
    /// Date and time of the package, where there is a time.
    #[serde(serialize_with = "iso")]
    pub issued: Option<NaiveDateTime>,
    /// Authorisation in MID.
    pub authorisation: String,
    /// Who sends.
    pub sender: Party,
    /// Who receives.
    pub receiver: Party,
    /// Related documents, free texts and unknown segments before the first file.
    pub details: Vec<Detail>,
    /// The data files, in the order of the message.
    pub files: Vec<FileEntry>,
    /// Number of files, the description included (TOT).
    pub total: u16,
    /// Unit of the total: `PCE` or nothing.
    pub unit: String,
    /// Segments where none should be, with their place.
    #[serde(skip)]
    pub strays: Vec<(Stray, SegmentBuilder)>,
    /// The bytes this was read from.
    #[serde(skip)]
    pub(super) origin: Origin,
}

/// What UNB and UNZ say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Envelope {
    /// Service characters and character set.
    #[serde(skip)]
    pub syntax: Syntax,
    /// Who sent the interchange.
    pub sender: Station,
    /// Who gets it.
    pub recipient: Station,
    /// Preparation date and time.
    #[serde(serialize_with = "iso")]
    pub prepared: Option<NaiveDateTime>,
    /// Interchange control reference (0020).
    pub control_reference: String,
    /// Application reference (0026).
    pub application_reference: String,
    /// Test indicator (0035): not for processing.
    pub test: bool,
}

/// An interchange party (S002, S003).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Station {
    /// Odette id.
    pub id: String,
    /// `OD` for Odette.
    pub qualifier: String,
    /// Internal id or routing address.
    pub internal_id: String,
}

/// What stands between the main segments, in the order of the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// DAN: a related document.
    Document(Document),
    /// FTX: a free text on the folder or file.
    Text(Text),
    /// DSD: a drawing or part in a file.
    Drawing(Drawing),
    /// LOF: a link to another file of the package.
    Link(Link),
    /// SEC: security data.
    Security(Security),
    /// A segment that is not part of ENGDAT, as it came.
    #[serde(serialize_with = "tag_only")]
    Unknown(SegmentBuilder),
}

/// Local date and time in ISO 8601, without a zone: ENGDAT has none.
fn iso<T: std::fmt::Debug, S: serde::Serializer>(
    at: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.serialize_some(&format!("{at:?}")),
        None => serializer.serialize_none(),
    }
}

fn tag_only<S: serde::Serializer>(
    segment: &SegmentBuilder,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(segment.tag())
}

/// FTX: up to five lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Text {
    /// Its lines.
    pub lines: Vec<String>,
}

/// DAN: a document this package belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Document {
    /// Type code, such as `310` for an offer.
    pub code: String,
    /// The type in words.
    pub text: String,
    /// Its number.
    pub number: String,
    /// Its date as written, YYMMDD.
    pub date: String,
    /// Its time as written, HHMM.
    pub time: String,
    /// Free texts on it.
    pub texts: Vec<Text>,
}

/// DSD: a drawing in a file. The meaning of the elements is inferred.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Drawing {
    /// The first element, which was always empty.
    pub first: String,
    /// Running number or sheet.
    pub sheet: String,
    /// Drawing or part number.
    pub number: String,
    /// Sheet format or change index.
    pub format: String,
    /// Title.
    pub title: String,
    /// Release status in words.
    pub status: String,
    /// Release status code.
    pub status_code: String,
    /// Release date as written, YYMMDD.
    pub date: String,
    /// Free texts on it.
    pub texts: Vec<Text>,
}

/// LOF: a link to another file of the package.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Number of the other file, as written.
    pub index: String,
    /// Its name.
    pub name: String,
    /// Kind of relation, such as `LAY`.
    pub code: String,
    /// The relation in words.
    pub text: String,
}

/// SEC: security data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Security {
    /// Its values.
    pub values: Vec<String>,
}

/// EFC: a data file of the package, with what is said about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileEntry {
    /// Number of the file: characters 24 to 26 of its name.
    pub index: u16,
    /// Name at the sender, at most 35 characters.
    pub name: String,
    /// Format code: `NAT`, `IGS`, …
    pub format_code: String,
    /// Format in words: `PKZIP-Archive`.
    pub format: String,
    /// Version of the format.
    pub format_version: String,
    /// Data code: `646`, `885`, `OTH`.
    pub data_code: String,
    /// Data code in words.
    pub data_text: String,
    /// The system that made it.
    pub system: String,
    /// Its version.
    pub system_version: String,
    /// Its export command.
    pub system_command: String,
    /// Status code: `INF`, `TOD`.
    pub status_code: String,
    /// Status in words.
    pub status: String,
    /// Engineering department.
    pub department: String,
    /// Kinds of data, at most four.
    pub data_types: Vec<String>,
    /// Compression in words.
    pub compression: String,
    /// Texts, drawings, links and security data, in the order of the message.
    pub details: Vec<Detail>,
}

/// Where a segment stands that does not belong there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stray {
    /// Between UNH and MID.
    BeforeIdentification,
    /// Between MID and SDE.
    BeforeSender,
    /// Between SDE and RDE.
    BeforeReceiver,
    /// Between TOT and UNT.
    AfterTotal,
}

/// Picks one kind out of the details.
macro_rules! pick {
    ($(#[$doc:meta] $name:ident: $variant:ident($type:ty);)*) => {$(
        #[$doc]
        pub fn $name(&self) -> impl Iterator<Item = &$type> {
            self.details.iter().filter_map(|detail| match detail {
                Detail::$variant(found) => Some(found),
                _ => None,
            })
        }
    )*};
}

impl EngdatMessage {
    pick! {
        /// The documents this package belongs to.
        documents: Document(Document);
        /// The free texts on the package.
        texts: Text(Text);
    }
}

impl FileEntry {
    pick! {
        /// The free texts on the file.
        texts: Text(Text);
        /// The drawings in the file.
        drawings: Drawing(Drawing);
        /// Its links to other files.
        links: Link(Link);
        /// Its security data.
        security: Security(Security);
    }

    /// The same entry with a free text, cut into lines of 35 characters, five to a segment.
    #[must_use]
    pub fn with_text(mut self, text: &str) -> Self {
        self.details.extend(Text::of(text).into_iter().map(Detail::Text));
        self
    }
}

impl Text {
    /// A text of any length as FTX segments: lines of 35 characters, five to a segment.
    #[must_use]
    pub fn of(text: &str) -> Vec<Self> {
        let mut lines = Vec::new();
        for paragraph in text.lines() {
            let mut line = String::new();
            for word in paragraph.split_whitespace() {
                let fits = line.chars().count() + 1 + word.chars().count() <= 35;
                if !line.is_empty() && !fits {
                    lines.push(std::mem::take(&mut line));
                }
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
                while line.chars().count() > 35 {
                    let rest = line.split_off(line.char_indices().nth(35).map_or(0, |(at, _)| at));
                    lines.push(std::mem::replace(&mut line, rest));
                }
            }
            if !line.is_empty() {
                lines.push(line);
            }
        }
        lines.chunks(5).map(|lines| Self { lines: lines.to_vec() }).collect()
    }

    pub(super) fn read(segment: Segment<'_>) -> Self {
        let lines =
            segment.element(1).map(|element| element.components().map(Into::into).collect());
        Self { lines: lines.unwrap_or_default() }
    }
}

/// The bytes a message was read from, and what it said then: a message that was not changed is
/// written as it came. Two messages are equal whatever they were read from.
#[derive(Clone, Default)]
pub(super) struct Origin(Option<Arc<(EngdatMessage, Vec<u8>)>>);

impl Origin {
    pub(super) fn new(read: EngdatMessage, bytes: &[u8]) -> Self {
        Self(Some(Arc::new((read, bytes.to_vec()))))
    }

    pub(super) fn bytes_if_unchanged(&self, message: &EngdatMessage) -> Option<&[u8]> {
        self.0.as_deref().filter(|(read, _)| read == message).map(|(_, bytes)| bytes.as_slice())
    }
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Origin {}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "read" } else { "made" })
    }
}
