//! The description: [`EngdatMessage`] to bytes.

use chrono::NaiveDateTime;

use super::code;
use super::levels::Levels;
use super::message::{EngdatMessage, Envelope, Station, Stray};
use super::party::Party;
use super::read::read;
use crate::edifact::{SegmentBuilder, Style, Writer, code as edifact};
use crate::{Finding, Place, Severity};

/// Writes a description. A message that was read and not changed is written byte for byte as it
/// came; any other one canonically.
///
/// # Errors
///
/// Everything that does not fit its layout: too long, mandatory and empty, outside the repertoire,
/// with the field named.
pub fn write(message: &EngdatMessage) -> Result<Vec<u8>, Vec<Finding>> {
    write_with(message, Transliterate::No)
}

/// Whether characters outside the repertoire are replaced (`ä` by `ae`) or refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transliterate {
    /// Refused.
    #[default]
    No,
    /// Replaced.
    Yes,
}

/// [`write()`], with a choice about characters outside the repertoire.
///
/// # Errors
///
/// As for [`write()`].
pub fn write_with(
    message: &EngdatMessage,
    transliterate: Transliterate,
) -> Result<Vec<u8>, Vec<Finding>> {
    if let Some(bytes) = message.origin.bytes_if_unchanged(message) {
        return Ok(bytes.to_vec());
    }
    let mut findings = Vec::new();
    lines_fit("SDE", &message.sender, &mut findings);
    lines_fit("RDE", &message.receiver, &mut findings);
    let style = Style {
        syntax: message.envelope.syntax,
        newlines: false,
        transliterate: transliterate == Transliterate::Yes,
    };
    let mut writer = Writer::new(style);
    for segment in segments(message) {
        writer.segment(&segment);
    }
    writer.end_message(&message.message_reference);
    writer.end_interchange(1, &message.envelope.control_reference);
    let bytes = writer.finish().map_err(|mut refused| {
        refused.append(&mut findings);
        refused
    })?;
    // What we write, our own reader must have nothing to say about, save what was there before
    // and what is only a guess.
    let kept = [code::UNKNOWN_SEGMENT, code::SEGMENT_ORDER, edifact::UTF8];
    let noticed = read(&bytes, &Levels::default()).findings;
    findings.extend(noticed.into_iter().filter(|finding| !kept.contains(&finding.code)));
    for finding in &mut findings {
        finding.severity = Severity::Error;
    }
    if findings.is_empty() { Ok(bytes) } else { Err(findings) }
}

fn lines_fit(tag: &str, party: &Party, findings: &mut Vec<Finding>) {
    let technical = party.technical.as_ref().map_or(0, |technical| technical.address.len());
    for (element, lines) in [(2, party.address.len()), (6, technical)] {
        if lines > 4 {
            let text = format!("the address in {tag} has {lines} lines, 4 at most");
            let mut finding = Finding::error(edifact::EXTRA, text);
            *finding.place =
                Place { tag: Some(tag.to_owned()), element: Some(element), ..Place::default() };
            finding.contrl = Some(16);
            findings.push(finding);
        }
    }
}

/// The segments from UNB to the last one before UNT.
fn segments(message: &EngdatMessage) -> Vec<SegmentBuilder> {
    let mut out = vec![message.envelope.segment()];
    let version = if message.version.is_empty() { "002" } else { &message.version };
    let mut header = SegmentBuilder::new("UNH");
    header.simple(&message.message_reference).composite(["ENGDAT", version, "", "OD"]);
    out.push(header);
    message.strays(Stray::BeforeIdentification, &mut out);
    out.push(message.identification());
    message.strays(Stray::BeforeSender, &mut out);
    out.push(message.sender.segment("SDE"));
    message.strays(Stray::BeforeReceiver, &mut out);
    out.push(message.receiver.segment("RDE"));
    for detail in &message.details {
        detail.segments(&mut out);
    }
    for file in &message.files {
        out.push(file.segment());
        for detail in &file.details {
            detail.segments(&mut out);
        }
    }
    let mut total = SegmentBuilder::new("TOT");
    total.composite([&(message.files.len() + 1).to_string(), &message.unit]);
    out.push(total);
    message.strays(Stray::AfterTotal, &mut out);
    out
}

impl EngdatMessage {
    fn strays(&self, place: Stray, out: &mut Vec<SegmentBuilder>) {
        let here = self.strays.iter().filter(|(stray, _)| *stray == place);
        out.extend(here.map(|(_, segment)| segment.clone()));
    }

    fn identification(&self) -> SegmentBuilder {
        let mut segment = SegmentBuilder::new("MID");
        let date = match (self.document_date, self.issued) {
            (Some(date), _) => date.format("%y%m%d").to_string(),
            (None, Some(issued)) => issued.format("%y%m%d").to_string(),
            (None, None) => String::new(),
        };
        let time = self.issued.map_or_else(String::new, |issued| issued.format("%H%M").to_string());
        segment.simple(&self.reference).composite([date, time]).simple(&self.authorisation);
        segment
    }
}

impl Envelope {
    fn segment(&self) -> SegmentBuilder {
        let identifier = String::from_utf8_lossy(&self.syntax.identifier).into_owned();
        let version = self.syntax.version.to_string();
        let station = |s: &Station| [s.id.clone(), s.qualifier.clone(), s.internal_id.clone()];
        let (date, time) = self.stamp(self.prepared);
        let mut segment = SegmentBuilder::new("UNB");
        segment
            .composite([identifier, version])
            .composite(station(&self.sender))
            .composite(station(&self.recipient))
            .composite([date, time])
            .simple(&self.control_reference)
            .simple("")
            .simple(&self.application_reference);
        if self.test {
            segment.simple("").simple("").simple("").simple("1");
        }
        segment
    }

    /// n6 before syntax version 4, n8 from then on.
    fn stamp(&self, at: Option<NaiveDateTime>) -> (String, String) {
        let format = if self.syntax.version >= 4 { "%Y%m%d" } else { "%y%m%d" };
        at.map_or_else(Default::default, |at| {
            (at.format(format).to_string(), at.format("%H%M").to_string())
        })
    }
}
