//! What an interchange must be whatever its messages are: tags, characters, the nesting of the
//! service segments, their references and counts (ISO 9735:1988 clause 8 and 9).

use std::borrow::Cow;

use super::charset::{Charset, looks_like_utf8};
use super::code;
use super::interchange::{Interchange, Segment};
use super::service_segments::service_segment;
use super::spec;
use crate::{Code, Finding, Severity};

/// Adds everything that is wrong with `interchange` as such, until there are `most` findings.
pub(super) fn check(interchange: &Interchange, findings: &mut Vec<Finding>, most: usize) {
    let mut control = Control::default();
    // A byte order mark is none of the text.
    let start = interchange.spans.segment(0).0;
    let text = interchange.bytes.get(start..).unwrap_or(&[]);
    let utf8 = interchange.syntax.charset != Charset::Utf8 && looks_like_utf8(text);
    if utf8 {
        let at = start + text.iter().position(|b| !b.is_ascii()).unwrap_or(0);
        let name = String::from_utf8_lossy(&interchange.syntax.identifier);
        let text = format!("the text looks like UTF-8, but UNB says {name}");
        findings.push(interchange.finding(Severity::Warning, code::UTF8, text, at));
    }
    for segment in interchange.segments() {
        if findings.len() >= most {
            break;
        }
        characters(segment, utf8, findings);
        tag(segment, findings);
        if segment.tag_octets().starts_with(b"UN")
            && !segment.is_open()
            && let Some(spec) = service_segment(segment.tag(), interchange.syntax.version)
        {
            findings.extend(spec::check(segment, spec));
        }
        control.segment(segment, findings);
    }
}

fn report(
    segment: Segment<'_>,
    severity: Severity,
    (code, contrl): (Code, u8),
    position: Option<usize>,
    text: String,
) -> Finding {
    let mut finding = Finding::new(severity, code, text);
    *finding.place = position.map_or_else(|| segment.place(), |at| segment.place_of(at, None));
    finding.contrl = Some(contrl);
    finding
}

fn tag(segment: Segment<'_>, findings: &mut Vec<Finding>) {
    let octets = segment.tag_octets();
    let valid = octets.len() == 3
        && octets.iter().all(|octet| octet.is_ascii_uppercase() || octet.is_ascii_digit());
    if !valid && !segment.is_open() {
        let shown = String::from_utf8_lossy(octets.get(..20).unwrap_or(octets)).into_owned();
        let text = format!("{shown:?} is no segment tag");
        findings.push(report(segment, Severity::Error, (code::TAG, 12), None, text));
    }
}

/// Characters outside the repertoire (the first of each segment), line ends, needless releases
/// and separators that nothing follows.
fn characters(segment: Segment<'_>, utf8: bool, findings: &mut Vec<Finding>) {
    let interchange = segment.interchange;
    let syntax = &interchange.syntax;
    let (_, marks) = interchange.spans.segment(segment.index);
    let raw = segment.raw();
    let foreign = |from: usize| -> Option<usize> {
        let rest = raw.get(from..)?;
        syntax.charset.first_foreign(rest).map(|at| from + at)
    };
    let mut line_break = None;
    let mut at = foreign(0);
    while let Some(found) = at {
        let octet = raw.get(found).copied().unwrap_or_default();
        if matches!(octet, b'\r' | b'\n') {
            line_break.get_or_insert(found);
        } else if !(syntax.service.is_active(octet) || utf8 && octet >= 0x80) {
            let text = format!(
                "{:?} is not in the repertoire of {}",
                syntax.charset.decode(&[octet]),
                String::from_utf8_lossy(&syntax.identifier)
            );
            findings.push(octet_finding(segment, code::CHARACTER, Some(21), found, text));
            break;
        }
        at = foreign(found + 1);
    }
    if let Some(found) = line_break {
        let text = "there is a line end inside the segment; it is read as a blank";
        findings.push(octet_finding(segment, code::LINE_BREAK, None, found, text.to_owned()));
    }
    if marks.iter().any(|mark| mark.released()) {
        releases(segment, raw, findings);
    }
    if syntax.version >= 4 && marks.len() > 1 {
        let [.., before, last] = marks else { return };
        if last.end() == before.end() + 1 && !segment.is_open() {
            let text = "separators that nothing follows stand before the terminator".to_owned();
            let what = (code::TRAILING_SEPARATOR, 45);
            findings.push(report(segment, Severity::Warning, what, None, text));
        }
    }
}

/// A warning about octet `at` of a segment.
fn octet_finding(
    segment: Segment<'_>,
    code: Code,
    contrl: Option<u8>,
    at: usize,
    text: String,
) -> Finding {
    let mut finding = Finding::warning(code, text);
    *finding.place = segment.place_at(at);
    finding.contrl = contrl;
    finding
}

fn releases(segment: Segment<'_>, raw: &[u8], findings: &mut Vec<Finding>) {
    let service = &segment.interchange.syntax.service;
    let mut octets = raw.iter().enumerate();
    while let Some((at, &octet)) = octets.next() {
        if Some(octet) != service.release {
            continue;
        }
        if let Some((_, &next)) = octets.next()
            && !service.is_active(next)
        {
            let shown = segment.interchange.syntax.charset.decode(&[next]).into_owned();
            let text = format!("a release character stands before {shown:?}, which needs none");
            findings.push(octet_finding(segment, code::RELEASE, None, at, text));
            return;
        }
    }
}

/// An open header, to be met by its trailer.
#[derive(Debug)]
struct Level<'a> {
    reference: Cow<'a, str>,
    header: Segment<'a>,
    /// What the trailer counts.
    count: u64,
}

/// The walk over the service segments.
#[derive(Debug, Default)]
struct Control<'a> {
    interchange: Option<Level<'a>>,
    group: Option<Level<'a>>,
    message: Option<Level<'a>>,
    groups: u64,
    messages: u64,
    /// The message type of the group, for all its messages.
    kind: Option<Cow<'a, str>>,
}

impl<'a> Control<'a> {
    fn segment(&mut self, segment: Segment<'a>, findings: &mut Vec<Finding>) {
        if let Some(message) = &mut self.message {
            message.count += 1;
        }
        if segment.is_open() {
            return;
        }
        match segment.tag_octets() {
            b"UNB" => self.interchange = Some(Level::new(segment, 5)),
            b"UNG" => self.begin_group(segment, findings),
            b"UNH" => self.begin_message(segment, findings),
            b"UNT" => self.end_message(segment, findings),
            b"UNE" => self.end_group(segment, findings),
            b"UNZ" => self.end_interchange(segment, findings),
            _ if self.message.is_none() => {
                let text = format!("{} stands outside any message", segment.tag());
                findings.push(report(segment, Severity::Error, (code::NESTING, 33), None, text));
            }
            _ => {}
        }
    }

    fn unclosed(&self, level: &Level<'a>, trailer: &str, findings: &mut Vec<Finding>) {
        let text = format!("{} has no {trailer}", level.header.tag());
        let what = (code::MISSING_SEGMENT, 13);
        findings.push(report(level.header, Severity::Error, what, None, text));
    }

    fn close_message(&mut self, findings: &mut Vec<Finding>) {
        if let Some(message) = self.message.take() {
            self.unclosed(&message, "UNT", findings);
        }
    }

    fn close_group(&mut self, findings: &mut Vec<Finding>) {
        self.close_message(findings);
        if let Some(group) = self.group.take() {
            self.unclosed(&group, "UNE", findings);
        }
    }

    fn begin_group(&mut self, segment: Segment<'a>, findings: &mut Vec<Finding>) {
        self.close_group(findings);
        if self.messages > 0 && self.groups == 0 {
            let text = "a group stands beside messages that are in none".to_owned();
            findings.push(report(segment, Severity::Error, (code::NESTING, 30), None, text));
        }
        self.groups += 1;
        self.kind = None;
        self.group = Some(Level::new(segment, 5));
    }

    fn begin_message(&mut self, segment: Segment<'a>, findings: &mut Vec<Finding>) {
        self.close_message(findings);
        match &mut self.group {
            Some(group) => {
                group.count += 1;
                let kind = segment.component(2, 1);
                let first = self.kind.get_or_insert_with(|| kind.clone());
                if *first != kind {
                    let text = format!("a message of type {kind} stands in a group of {first}");
                    let what = (code::NESTING, 31);
                    findings.push(report(segment, Severity::Error, what, Some(2), text));
                }
            }
            None if self.groups > 0 => {
                let text = "a message stands beside groups in none of them".to_owned();
                findings.push(report(segment, Severity::Error, (code::NESTING, 30), None, text));
            }
            None => {}
        }
        self.messages += 1;
        self.message = Some(Level { count: 1, ..Level::new(segment, 1) });
    }

    fn end_message(&mut self, segment: Segment<'a>, findings: &mut Vec<Finding>) {
        match self.message.take() {
            Some(message) => message.meets(segment, "segments", findings),
            None => Self::stray(segment, "UNH", findings),
        }
    }

    fn end_group(&mut self, segment: Segment<'a>, findings: &mut Vec<Finding>) {
        self.close_message(findings);
        match self.group.take() {
            Some(group) => {
                Self::not_empty(group.count, group.header, "group", findings);
                group.meets(segment, "messages", findings);
            }
            None => Self::stray(segment, "UNG", findings),
        }
    }

    fn end_interchange(&mut self, segment: Segment<'a>, findings: &mut Vec<Finding>) {
        self.close_group(findings);
        match self.interchange.take() {
            Some(mut interchange) => {
                let (count, unit) = if self.groups > 0 {
                    (self.groups, "groups")
                } else {
                    (self.messages, "messages")
                };
                Self::not_empty(count, interchange.header, "interchange", findings);
                interchange.count = count;
                interchange.meets(segment, unit, findings);
            }
            None => Self::stray(segment, "UNB", findings),
        }
    }

    fn not_empty(count: u64, header: Segment<'_>, what: &str, findings: &mut Vec<Finding>) {
        if count == 0 {
            let text = format!("the {what} contains no message");
            findings.push(report(header, Severity::Warning, (code::NO_MESSAGE, 32), None, text));
        }
    }

    fn stray(segment: Segment<'_>, header: &str, findings: &mut Vec<Finding>) {
        let text = format!("{} has no {header}", segment.tag());
        findings.push(report(segment, Severity::Error, (code::NESTING, 33), None, text));
    }
}

impl<'a> Level<'a> {
    fn new(header: Segment<'a>, reference: usize) -> Self {
        Self { reference: header.component(reference, 1), header, count: 0 }
    }

    /// Compares header and trailer: references must be the same, counts should be right.
    fn meets(&self, trailer: Segment<'a>, unit: &str, findings: &mut Vec<Finding>) {
        let reference = trailer.component(2, 1);
        if reference.trim_end() != self.reference.trim_end() {
            let text = format!(
                "{} says reference {:?}, {} said {:?}",
                trailer.tag(),
                reference,
                self.header.tag(),
                self.reference
            );
            let what = (code::CONTROL_REFERENCE, 28);
            let mut finding = report(trailer, Severity::Error, what, Some(2), text);
            finding.expected = Some(self.reference.clone().into_owned());
            finding.actual = Some(reference.into_owned());
            findings.push(finding);
        }
        let count = trailer.component(1, 1);
        if count.trim().parse() != Ok(self.count) {
            let text =
                format!("{} counts {:?} {unit}, there are {}", trailer.tag(), count, self.count);
            let what = (code::CONTROL_COUNT, 29);
            let mut finding = report(trailer, Severity::Warning, what, Some(1), text);
            finding.expected = Some(self.count.to_string());
            finding.actual = Some(count.into_owned());
            findings.push(finding);
        }
    }
}
