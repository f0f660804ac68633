//! A new package: the message that describes it.

use chrono::NaiveDateTime;

use super::message::{EngdatMessage, Envelope, FileEntry, Station};
use super::name::PackageName;
use super::party::{Party, TechnicalContact};
use crate::edifact::Syntax;

/// Longest file name in EFC, in characters.
const FILE_NAME: usize = 35;
/// Longest control reference and routing address in UNB.
const ENVELOPE: usize = 14;

/// The message for a new package: version 002, `UNOC:1`, one interchange, one message. `issued` is
/// local time at the sender.
///
/// Files without a number are numbered from 002, files without a name called `NNN.zip`, and names
/// longer than 35 characters are cut without losing their extension. A party without a technical
/// contact is its own.
#[must_use]
pub fn compose(
    name: &PackageName,
    issued: NaiveDateTime,
    sender: &Party,
    receiver: &Party,
    files: &[FileEntry],
) -> EngdatMessage {
    let reference = name.reference();
    let control = cut(reference, ENVELOPE).to_owned();
    let files: Vec<FileEntry> =
        (2..).zip(files).map(|(index, file)| numbered(file.clone(), index)).collect();
    EngdatMessage {
        envelope: Envelope {
            syntax: Syntax::default(),
            sender: station(sender),
            recipient: station(receiver),
            prepared: Some(issued),
            control_reference: control.clone(),
            ..Envelope::default()
        },
        message_reference: control,
        version: "002".to_owned(),
        reference: reference.to_owned(),
        document_date: Some(issued.date()),
        issued: Some(issued),
        sender: with_technical(sender),
        receiver: with_technical(receiver),
        total: u16::try_from(files.len() + 1).unwrap_or(u16::MAX),
        files,
        ..EngdatMessage::default()
    }
}

impl FileEntry {
    /// The entry of an issue archive with the values that PFIFF partners send and expect: native
    /// format `format` (`PKZIP-Archive`), data code other, for information. The department reads
    /// `null`, as it always did.
    #[must_use]
    pub fn archive(format: &str) -> Self {
        Self {
            format_code: "NAT".to_owned(),
            format: format.to_owned(),
            data_code: "OTH".to_owned(),
            data_text: "Other".to_owned(),
            system: "engsync".to_owned(),
            status_code: "INF".to_owned(),
            department: "null".to_owned(),
            ..Self::default()
        }
    }
}

fn numbered(mut file: FileEntry, index: u16) -> FileEntry {
    if file.index == 0 {
        file.index = index;
    }
    if file.name.is_empty() {
        file.name = format!("{:03}.zip", file.index);
    }
    file.name = cut_file_name(&file.name, FILE_NAME);
    file
}

fn station(party: &Party) -> Station {
    Station {
        id: party.id.clone(),
        qualifier: "OD".to_owned(),
        internal_id: cut(&party.routing, ENVELOPE).to_owned(),
    }
}

fn with_technical(party: &Party) -> Party {
    let mut party = party.clone();
    party.technical.get_or_insert_with(|| {
        Box::new(TechnicalContact {
            name: party.name.clone(),
            address: party.address.clone(),
            country: party.country.clone(),
            department: party.department.clone(),
            ..TechnicalContact::default()
        })
    });
    party
}

fn cut(text: &str, characters: usize) -> &str {
    let end = text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}

/// A file name of at most `most` characters: the stem gives way, the extension stays, unless the
/// extension alone is longer than half of it.
#[must_use]
pub fn cut_file_name(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    let extension =
        name.rfind('.').filter(|&at| at > 0).and_then(|at| name.get(at..)).unwrap_or("");
    let length = extension.chars().count();
    if length > most / 2 {
        return cut(name, most).to_owned();
    }
    format!("{}{extension}", cut(name, most - length))
}
