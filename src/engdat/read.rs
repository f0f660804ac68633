//! The description: bytes to [`EngdatMessage`], with every finding on the way.

use std::collections::BTreeSet;

use super::code;
use super::levels::Levels;
use super::message::{
    Detail, Document, Drawing, EngdatMessage, Envelope, FileEntry, Link, Origin, Security, Station,
    Stray, Text,
};
use super::name::date_time;
use super::party::Party;
use super::spec::segment_spec;
use crate::edifact::{self, Interchange, Segment};
use crate::{Code, Finding, Severity};

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// The message, as far as there is one; not to be used if a finding is an error.
    pub message: Option<EngdatMessage>,
    /// Everything that was noticed.
    pub findings: Vec<Finding>,
}

impl Description {
    /// The message, if nothing speaks against using it.
    #[must_use]
    pub fn usable(&self) -> Option<&EngdatMessage> {
        let broken = self.findings.iter().any(|finding| finding.severity == Severity::Error);
        self.message.as_ref().filter(|_| !broken)
    }
}

/// Descriptions are larger than this by malice only: 998 files need half a megabyte.
const MAX_BYTES: usize = 4 << 20;

/// Reads a description. Nothing that is not understood is dropped: unknown segments are kept.
#[must_use]
pub fn read(bytes: &[u8], levels: &Levels) -> Description {
    if is_xml(bytes) {
        let text = "the description is XML (ENGDAT version 3), which is not supported";
        let mut finding = Finding::error(code::ENGDAT_V3, text);
        finding.place.byte = Some(0);
        return Description { message: None, findings: vec![finding] };
    }
    if bytes.len() > MAX_BYTES {
        let text = format!("the description has {} bytes, {MAX_BYTES} at most", bytes.len());
        return Description {
            message: None,
            findings: vec![Finding::error(code::TOO_LARGE, text)],
        };
    }
    let reading = edifact::parse(bytes);
    let mut findings = reading.findings;
    let message = single(&reading.interchanges, &mut findings).and_then(|interchange| {
        let mut body = Body::default();
        body.walk(interchange, &mut findings);
        body.finish(interchange, &mut findings)
    });
    levels.apply(&mut findings);
    findings.sort_by_key(|finding| finding.place.byte);
    let mut description = Description { message, findings };
    if let Some(message) = &mut description.message {
        message.origin = Origin::new(message.clone(), bytes);
    }
    description
}

/// Some partners send version 3, which is XML, under version 2 names.
fn is_xml(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    bytes.trim_ascii_start().first() == Some(&b'<')
}

/// The one interchange with one message that a description is.
fn single<'a>(
    interchanges: &'a [Interchange],
    findings: &mut Vec<Finding>,
) -> Option<&'a Interchange> {
    let first = interchanges.first()?;
    if let Some(second) = interchanges.get(1) {
        let text = "the description holds more than one interchange";
        let mut finding = Finding::error(code::BAD_EDIFACT, text);
        if let Some(segment) = second.segment(0) {
            *finding.place = segment.place();
        }
        findings.push(finding);
    }
    let headers = |segment: &Segment<'_>| segment.tag() == "UNH" && !segment.is_open();
    let mut messages = first.segments().filter(headers);
    let message = messages.next();
    if let Some(second) = messages.next() {
        let text = "the description holds more than one message";
        findings.push(at(second, None, Finding::error(code::BAD_EDIFACT, text)));
    }
    let Some(header) = message else {
        if findings.iter().all(|finding| finding.severity != Severity::Error) {
            let text = "the description holds no message";
            findings.push(Finding::error(code::BAD_EDIFACT, text));
        }
        return None;
    };
    let kind = header.component(2, 1);
    if kind.trim() != "ENGDAT" {
        let text = format!("the message is of type {kind:?}, not ENGDAT");
        let finding = Finding::error(code::MESSAGE_TYPE, text);
        let finding =
            Finding { expected: Some("ENGDAT".into()), actual: Some(kind.into()), ..finding };
        findings.push(at(header, Some((2, Some(1))), finding));
        return None;
    }
    let (version, agency) = (header.component(2, 2), header.component(2, 4));
    if !matches!(version.as_ref(), "001" | "002" | "1" | "2") || agency != "OD" {
        let text = format!("version {version:?} of agency {agency:?} is read as ENGDAT 002 of OD");
        findings.push(at(header, Some((2, Some(2))), Finding::warning(code::VERSION, text)));
    }
    Some(first)
}

/// Puts a finding where it belongs.
fn at(
    segment: Segment<'_>,
    place: Option<(usize, Option<usize>)>,
    mut finding: Finding,
) -> Finding {
    *finding.place = match place {
        Some((element, component)) => segment.place_of(element, component),
        None => segment.place(),
    };
    finding
}

/// The message while its segments are walked over.
#[derive(Debug, Default)]
struct Body<'a> {
    message: EngdatMessage,
    header: Option<Segment<'a>>,
    mid: Option<Segment<'a>>,
    sender: Option<Segment<'a>>,
    receiver: Option<Segment<'a>>,
    total: Option<Segment<'a>>,
    indices: BTreeSet<u16>,
}

impl<'a> Body<'a> {
    fn walk(&mut self, interchange: &'a Interchange, findings: &mut Vec<Finding>) {
        for segment in interchange.segments() {
            if segment.is_open() {
                break;
            }
            if let Some(spec) = segment_spec(segment.tag()) {
                findings.extend(edifact::check(segment, spec));
            }
            match segment.tag() {
                "UNB" | "UNG" | "UNE" | "UNZ" | "UNT" => {}
                // A second message is reported already.
                "UNH" if self.header.is_some() => break,
                "UNH" => self.header = Some(segment),
                _ if self.header.is_none() => {}
                "MID" => once(&mut self.mid, segment, findings),
                "SDE" => once(&mut self.sender, segment, findings),
                "RDE" => once(&mut self.receiver, segment, findings),
                "TOT" => once(&mut self.total, segment, findings),
                _ if self.stray().is_some() => self.keep_stray(segment, findings),
                "EFC" => self.file(segment, findings),
                _ => self.detail(segment, findings),
            }
        }
        self.check_order(findings);
    }

    /// Where the walk is, if no detail can stand there.
    fn stray(&self) -> Option<Stray> {
        if self.mid.is_none() {
            Some(Stray::BeforeIdentification)
        } else if self.sender.is_none() {
            Some(Stray::BeforeSender)
        } else if self.receiver.is_none() {
            Some(Stray::BeforeReceiver)
        } else {
            self.total.is_some().then_some(Stray::AfterTotal)
        }
    }

    fn keep_stray(&mut self, segment: Segment<'a>, findings: &mut Vec<Finding>) {
        let Some(stray) = self.stray() else { return };
        if segment.tag() == "EFC" {
            // Files are what the message is about; they are taken wherever they stand.
            order(segment, findings);
            return self.file(segment, findings);
        }
        if segment_spec(segment.tag()).is_some() {
            order(segment, findings);
        } else {
            unknown(segment, findings);
        }
        self.message.strays.push((stray, segment.into()));
    }

    fn check_order(&self, findings: &mut Vec<Finding>) {
        let heads = [self.mid, self.sender, self.receiver];
        let mut last = 0;
        for segment in heads.into_iter().flatten() {
            if segment.number() < last {
                order(segment, findings);
            }
            last = last.max(segment.number());
        }
    }

    fn file(&mut self, segment: Segment<'a>, findings: &mut Vec<Finding>) {
        let entry = FileEntry::read(segment);
        let number = segment.component(1, 1);
        let wrong = match entry.index {
            0 => Some(format!("the file number {number:?} is none")),
            1 => Some("file number 1 is the description".to_owned()),
            index if index > 999 => Some(format!("the file number {index} is greater than 999")),
            index if !self.indices.insert(index) => {
                Some(format!("file number {index} stands twice"))
            }
            _ => None,
        };
        if let Some(text) = wrong {
            let finding = Finding::error(code::FILE_NUMBER, text);
            let finding = Finding { actual: Some(number.into()), contrl: Some(12), ..finding };
            findings.push(at(segment, Some((1, Some(1))), finding));
        }
        if entry.name.trim().is_empty() {
            let text = format!("file {} has no name", entry.index);
            findings.push(at(segment, Some((1, Some(2))), Finding::warning(code::FILE_NAME, text)));
        }
        self.message.files.push(entry);
    }

    fn detail(&mut self, segment: Segment<'a>, findings: &mut Vec<Finding>) {
        let in_file = !self.message.files.is_empty();
        let details = match self.message.files.last_mut() {
            Some(file) => &mut file.details,
            None => &mut self.message.details,
        };
        let detail = match segment.tag() {
            "FTX" => match details.last_mut() {
                Some(
                    Detail::Document(Document { texts, .. })
                    | Detail::Drawing(Drawing { texts, .. }),
                ) => {
                    texts.push(Text::read(segment));
                    return;
                }
                _ => Detail::Text(Text::read(segment)),
            },
            "DAN" => Detail::Document(Document::read(segment)),
            "DSD" => Detail::Drawing(Drawing::read(segment)),
            "LOF" => Detail::Link(Link::read(segment)),
            "SEC" => Detail::Security(Security::read(segment)),
            _ => {
                unknown(segment, findings);
                Detail::Unknown(segment.into())
            }
        };
        let misplaced = match detail {
            Detail::Document(_) => in_file,
            Detail::Drawing(_) | Detail::Link(_) | Detail::Security(_) => !in_file,
            _ => false,
        };
        if misplaced {
            order(segment, findings);
        }
        details.push(detail);
    }

    /// The message, if its mandatory head is there.
    fn finish(
        mut self,
        interchange: &'a Interchange,
        findings: &mut Vec<Finding>,
    ) -> Option<EngdatMessage> {
        let end = interchange.segments().next_back();
        let truncated = super::is_truncated(findings);
        let mut need = |segment: Option<Segment<'a>>, tag: &str| {
            // What is cut off is not missing.
            if segment.is_none() && !truncated {
                let text = format!("the message has no {tag} segment");
                let mut finding = Finding::error(code::MISSING_SEGMENT, text);
                finding.expected = Some(tag.to_owned());
                finding.contrl = Some(13);
                findings.push(end.map_or(finding.clone(), |end| at(end, None, finding)));
            }
            segment
        };
        let mid = need(self.mid, "MID");
        let sender = need(self.sender, "SDE");
        let receiver = need(self.receiver, "RDE");
        let total = need(self.total, "TOT");
        if self.message.files.is_empty() {
            need(None, "EFC");
        }
        let (mid, sender, receiver) = (mid?, sender?, receiver?);
        let message = &mut self.message;
        let header = self.header?;
        message.envelope = Envelope::read(interchange, findings);
        message.message_reference = header.component(1, 1).into_owned();
        message.version = header.component(2, 2).into_owned();
        message.identify(mid, findings);
        message.sender = party(sender, findings);
        message.receiver = party(receiver, findings);
        if let Some(total) = total {
            message.count(total, findings);
        }
        Some(self.message)
    }
}

/// Keeps the first of a segment that may stand once.
fn once<'a>(slot: &mut Option<Segment<'a>>, segment: Segment<'a>, findings: &mut Vec<Finding>) {
    match slot {
        None => *slot = Some(segment),
        Some(_) => {
            let text = format!("{} stands twice", segment.tag());
            let mut finding = Finding::error(code::DUPLICATE_SEGMENT, text);
            finding.contrl = Some(35);
            findings.push(at(segment, None, finding));
        }
    }
}

fn order(segment: Segment<'_>, findings: &mut Vec<Finding>) {
    let text = format!("{} does not stand where the standard has it", segment.tag());
    findings.push(at(segment, None, Finding::warning(code::SEGMENT_ORDER, text)));
}

fn unknown(segment: Segment<'_>, findings: &mut Vec<Finding>) {
    let text = format!("{:?} is no segment of ENGDAT; it is kept as it is", segment.tag());
    let mut finding = Finding::warning(code::UNKNOWN_SEGMENT, text);
    finding.contrl = Some(15);
    findings.push(at(segment, None, finding));
}

fn party(segment: Segment<'_>, findings: &mut Vec<Finding>) -> Party {
    let party = Party::read(segment);
    if party.routing.trim().is_empty() {
        let text = format!("{} has no routing code", segment.tag());
        findings.push(at(segment, Some((3, None)), Finding::warning(code::ROUTING, text)));
    }
    party
}

impl EngdatMessage {
    fn identify(&mut self, mid: Segment<'_>, findings: &mut Vec<Finding>) {
        self.reference = mid.component(1, 1).into_owned();
        let (date, time) = (mid.component(2, 1), mid.component(2, 2));
        self.document_date = date_time(&date, "0000").map(|stamp| stamp.date());
        self.issued = date_time(&date, &time);
        self.authorisation = mid.component(3, 1).into_owned();
        let unreadable = self.document_date.is_none() || self.issued.is_none() && !time.is_empty();
        if unreadable && !date.is_empty() {
            let text = format!("date {date:?} and time {time:?} cannot be read");
            findings.push(at(mid, Some((2, None)), Finding::warning(code::DATE, text)));
        }
    }

    fn count(&mut self, total: Segment<'_>, findings: &mut Vec<Finding>) {
        let quantity = total.component(1, 1);
        self.total = quantity.trim().parse().unwrap_or(0);
        self.unit = total.component(1, 2).into_owned();
        let files = self.files.len();
        let counted = usize::from(self.total);
        let finding = if counted == files + 1 {
            return;
        } else if counted == files && files > 0 {
            let text = format!("TOT counts the {files} data files only, not the description");
            Finding::warning(code::TOTAL_WITHOUT_MESSAGE, text)
        } else {
            let text =
                format!("TOT counts {quantity:?} files, the message describes {}", files + 1);
            Finding::warning(code::TOTAL, text)
        };
        let finding = Finding {
            expected: Some((files + 1).to_string()),
            actual: Some(quantity.into()),
            contrl: Some(29),
            ..finding
        };
        findings.push(at(total, Some((1, Some(1))), finding));
    }
}

impl Envelope {
    fn read(interchange: &Interchange, findings: &mut Vec<Finding>) -> Self {
        let Some(unb) = interchange.segment(0) else { return Self::default() };
        let station = |element| Station {
            id: unb.component(element, 1).into_owned(),
            qualifier: unb.component(element, 2).into_owned(),
            internal_id: unb.component(element, 3).into_owned(),
        };
        let prepared = date_time(&unb.component(4, 1), &unb.component(4, 2));
        if prepared.is_none() {
            let text = "date and time of the interchange cannot be read";
            findings.push(at(unb, Some((4, None)), Finding::warning(code::DATE, text)));
        }
        Self {
            syntax: *interchange.syntax(),
            sender: station(2),
            recipient: station(3),
            prepared,
            control_reference: unb.component(5, 1).into_owned(),
            application_reference: unb.component(7, 1).into_owned(),
            test: !matches!(unb.component(11, 1).as_ref(), "" | "0"),
        }
    }
}

/// What a set of errors is called where one word is asked for.
#[must_use]
pub fn reason(findings: &[Finding]) -> Code {
    let named = [code::ENGDAT_V3, code::IDENTITY_REUSE];
    let errors = || findings.iter().filter(|finding| finding.severity == Severity::Error);
    named
        .into_iter()
        .find(|&code| errors().any(|finding| finding.code == code))
        .unwrap_or(code::BAD_EDIFACT)
}
