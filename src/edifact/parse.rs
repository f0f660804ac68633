//! Files of interchanges: `(separation | interchange)*`, each interchange with its own UNA.

use std::borrow::Cow;

use super::charset::Charset;
use super::grammar::{self, Opening};
use super::interchange::{Interchange, Syntax, Wrapping};
use super::scan::Scanner;
use super::service::Service;
use super::spans::MAX_BYTES;
use super::{checks, code, wrapping};
use crate::{Finding, Place, Severity};

/// Findings kept of one file; a hostile file has as many as it has octets.
const MAX_FINDINGS: usize = 10_000;

/// Interchanges read of one file.
const MAX_INTERCHANGES: usize = 10_000;

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Its interchanges, in order.
    pub interchanges: Vec<Interchange>,
    /// All that was noticed, in order of the bytes.
    pub findings: Vec<Finding>,
}

/// Reads a file: every interchange and every problem in it. Any octets are taken; what cannot be
/// read leaves a finding of severity [`Severity::Error`].
#[must_use]
pub fn parse(bytes: &[u8]) -> Reading {
    let mut reading = Reading::default();
    reading.refill(bytes);
    reading
}

impl Reading {
    /// Reads another file into the memory of this reading.
    pub fn refill(&mut self, bytes: &[u8]) {
        self.refill_spans(bytes);
        for interchange in &self.interchanges {
            checks::check(interchange, &mut self.findings, MAX_FINDINGS);
        }
        let mut seen = false;
        self.findings.retain(|finding| {
            finding.code != code::LINE_ENDS || !std::mem::replace(&mut seen, true)
        });
        self.findings.sort_by_key(|finding| finding.place.byte);
        if self.findings.len() >= MAX_FINDINGS {
            let text = format!("more than {MAX_FINDINGS} findings; the rest is not checked");
            self.findings.push(Finding::error(code::TOO_MANY, text));
        }
    }

    /// Finds the interchanges and their spans only; characters, tags, counts and references are
    /// not looked at.
    pub fn refill_spans(&mut self, bytes: &[u8]) {
        let mut spare = std::mem::take(&mut self.interchanges);
        self.findings.clear();
        let joined = wrapping::join(bytes);
        let mut file = File {
            bytes: joined
                .as_ref()
                .map_or(Cow::Borrowed(bytes), |(joined, _)| Cow::Borrowed(joined)),
            wrapping: joined.as_ref().map(|&(_, wrapping)| wrapping),
            at: 0,
            segments: 0,
        };
        if let Some(Wrapping { width, .. }) = file.wrapping {
            let text = format!("the file is cut into lines of {width} octets");
            let mut finding = Finding::warning(code::WRAPPED, text);
            finding.place.byte = Some(width);
            self.findings.push(finding);
        }
        spare.reverse();
        while let Some(interchange) = file.interchange(spare.pop(), &mut self.findings) {
            self.interchanges.push(interchange);
            if self.interchanges.len() == MAX_INTERCHANGES {
                let text = format!("the file holds more than {MAX_INTERCHANGES} interchanges");
                self.findings.push(Finding::error(code::TOO_LARGE, text));
                break;
            }
        }
        if let Some(last) = self.interchanges.last_mut()
            && let Some(rest) = file.bytes.get(file.at..)
        {
            last.bytes.extend_from_slice(rest);
        }
        if file.wrapping.is_some() {
            self.keep_original(bytes);
        }
    }

    /// Gives each interchange its share of the file as it came.
    fn keep_original(&mut self, bytes: &[u8]) {
        let mut from = 0;
        let count = self.interchanges.len();
        for (i, interchange) in self.interchanges.iter_mut().enumerate() {
            let end = usize::try_from(interchange.offset_in_file(interchange.bytes.len()));
            let end = if i + 1 == count { bytes.len() } else { end.unwrap_or(bytes.len()) };
            interchange.original = bytes.get(from..end).map(<[u8]>::to_vec);
            from = end;
        }
    }
}

/// The file while it is read.
struct File<'a> {
    bytes: Cow<'a, [u8]>,
    wrapping: Option<Wrapping>,
    /// Where the next interchange begins.
    at: usize,
    segments: u32,
}

impl File<'_> {
    /// interchange := [UNA] UNB … UNZ; `None` at the end of the file.
    fn interchange(
        &mut self,
        spare: Option<Interchange>,
        findings: &mut Vec<Finding>,
    ) -> Option<Interchange> {
        let mut found = spare.unwrap_or_default();
        found.spans.clear();
        found.bytes.clear();
        found.original = None;
        found.offset = self.at as u64;
        found.wrapping = self.wrapping;
        found.before = self.segments;
        found.open = false;
        found.breaks = false;
        let is_first = self.at == 0;
        let rest = self.bytes.get(self.at..).unwrap_or(&[]);
        let (body, around) = grammar::surrounding(rest).unwrap_or((rest, &[]));
        if around.iter().any(|&octet| !grammar::is_separation(octet)) {
            let text = "a byte order mark, Ctrl-Z or NUL stands around the interchange";
            findings.push(found.finding(Severity::Warning, code::STRAY_OCTETS, text, 0));
        } else if !around.is_empty() {
            let text = "there are line ends or blanks between segments";
            findings.push(found.finding(Severity::Warning, code::LINE_ENDS, text, 0));
        }
        if body.is_empty() {
            if is_first {
                let text = "the file is empty";
                let finding = found.finding(Severity::Error, code::TRUNCATED, text, rest.len());
                findings.push(contrl(finding, 13));
            }
            return None;
        }
        let start = rest.len() - body.len();
        let (header, opening) = match grammar::opening(body) {
            Ok((header, opening)) => (rest.len() - header.len(), opening),
            Err(error) => {
                let (code, text) = match error {
                    nom::Err::Incomplete(_) => (code::TRUNCATED, "the file ends within UNA or UNB"),
                    _ if is_first => (code::NO_HEADER, "the file does not begin with UNA or UNB"),
                    _ => (
                        code::NO_HEADER,
                        "what follows the interchange does not begin with UNA or UNB",
                    ),
                };
                findings.push(contrl(found.finding(Severity::Error, code, text, start), 13));
                return None;
            }
        };
        found.syntax = found.opened(&opening, header, findings);
        if let Some(text) = contradiction(&opening, &found.syntax.service) {
            let finding = found.finding(Severity::Error, code::SERVICE_CHARACTERS, text, header);
            findings.push(contrl(found.in_header(finding, 1, None), 22));
            found.bytes.extend_from_slice(rest);
            self.at = self.bytes.len();
            return Some(found);
        }
        let rest = rest.get(..MAX_BYTES).unwrap_or(rest);
        let used = found.segments_of(rest, header, findings);
        found.bytes.extend_from_slice(rest.get(..used).unwrap_or(rest));
        found.breaks = memchr::memchr2(b'\r', b'\n', &found.bytes).is_some();
        found.apply_encoding(header, findings);
        self.at += used;
        self.segments += found.spans.len() as u32;
        Some(found)
    }
}

/// Says what in UNB does not go with the service characters.
fn contradiction(opening: &Opening, service: &Service) -> Option<String> {
    if let Some(octet) = service.unusable() {
        return Some(format!("{:?} cannot be a service character here", char::from(octet)));
    }
    let elements = opening.element == service.element;
    // `UNB+UNOC+` without a version is for the checks to report.
    let components = opening.component == service.component || opening.component == service.element;
    if elements && components {
        return None;
    }
    let (a, b) = (char::from(opening.element), char::from(opening.component));
    Some(match opening.advice {
        Some(_) => format!("UNB separates with {a:?} and {b:?}, which is not what UNA says"),
        None => format!("UNB separates with {a:?} and {b:?}, and there is no UNA to say so"),
    })
}

fn contrl(mut finding: Finding, number: u8) -> Finding {
    finding.contrl = Some(number);
    finding
}

impl Interchange {
    /// A finding at offset `at` of the interchange, which need not have its bytes yet.
    pub(super) fn finding(
        &self,
        severity: Severity,
        code: crate::Code,
        text: impl Into<String>,
        at: usize,
    ) -> Finding {
        let mut finding = Finding::new(severity, code, text);
        *finding.place = Place { byte: Some(self.offset_in_file(at)), ..Place::default() };
        finding
    }

    /// The same finding, about a part of UNB.
    fn in_header(&self, mut finding: Finding, element: u16, component: Option<u16>) -> Finding {
        finding.place.segment = Some(self.before + 1);
        finding.place.tag = Some("UNB".to_owned());
        finding.place.element = Some(element);
        finding.place.component = component;
        finding
    }

    /// The syntax that the opening announces (UNA first, then data elements 0001 and 0002).
    fn opened(&self, opening: &Opening, at: usize, findings: &mut Vec<Finding>) -> Syntax {
        let version = match opening.version {
            // `UNB+UNOC+4711…`: what follows is the sender, there is no version.
            version @ b'1'..=b'4' if opening.component != opening.element => version,
            _ => {
                let text = "the syntax version in UNB is none of 1 to 4; read as version 3";
                let finding = self.finding(Severity::Warning, code::SYNTAX_VERSION, text, at);
                findings.push(contrl(self.in_header(finding, 2, Some(2)), 2));
                b'3'
            }
        };
        let service = match (opening.advice, opening.element, opening.component) {
            (Some(advice), ..) => Service::from_advice(advice, version),
            (None, 0x1d, 0x1f) => Service::LEVEL_B,
            (None, ..) if version == b'4' => Service::VERSION_4,
            (None, ..) => Service::DEFAULT,
        };
        let charset = Charset::from_identifier(&opening.identifier).unwrap_or_else(|| {
            let name = String::from_utf8_lossy(&opening.identifier).into_owned();
            let text = format!("the character set {name:?} is not supported; read as UNOC");
            let mut finding = self.finding(Severity::Error, code::CHARSET, text, at);
            finding.actual = Some(name);
            findings.push(contrl(self.in_header(finding, 2, Some(1)), 46));
            Charset::Latin1
        });
        Syntax {
            advice: opening.advice.is_some(),
            service,
            identifier: opening.identifier,
            version: version - b'0',
            charset,
        }
    }

    /// Data element 0133, which from version 4 may say more than 0001.
    fn apply_encoding(&mut self, header: usize, findings: &mut Vec<Finding>) {
        if self.syntax.version < 4 {
            return;
        }
        let encoding = self.segment(0).map_or_else(String::new, |unb| unb.component(1, 4).into());
        if let Some(charset) = Charset::from_encoding(&encoding) {
            self.syntax.charset = charset;
        } else if !matches!(encoding.as_str(), "" | "1" | "2" | "ZZZ") {
            let text = format!("the character encoding {encoding:?} is not supported");
            let mut finding = self.finding(Severity::Error, code::CHARSET, text, header);
            finding.actual = Some(encoding);
            findings.push(contrl(self.in_header(finding, 2, Some(4)), 46));
        }
    }

    /// Reads the segments from UNB at `header` to UNZ; the number of octets used.
    fn segments_of(&mut self, rest: &[u8], header: usize, findings: &mut Vec<Finding>) -> usize {
        let mut scanner = Scanner::new(rest, self.syntax.service);
        let mut input = rest.get(header..).unwrap_or(&[]);
        let mut loose = false;
        loop {
            let at = rest.len() - input.len();
            if at > header && self.begins_again(input) {
                let text = "the interchange has no UNZ before the next one begins";
                let finding = self.finding(Severity::Error, code::MISSING_SEGMENT, text, at);
                findings.push(contrl(finding, 13));
                return at;
            }
            let last = self.ends_here(input);
            let read = grammar::segment(&mut scanner, rest, &mut self.spans)(input).ok();
            match read {
                Some((left, ())) => input = left,
                None => {
                    self.open = true;
                    let finding = if rest.len() == MAX_BYTES {
                        let text = "the interchange is larger than 512 MiB";
                        self.finding(Severity::Error, code::TOO_LARGE, text, at)
                    } else {
                        let text = "the file ends within a segment";
                        self.finding(Severity::Error, code::TRUNCATED, text, rest.len())
                    };
                    findings.push(contrl(finding, 13));
                    return rest.len();
                }
            }
            if last {
                if loose {
                    self.report_line_ends(findings);
                }
                return rest.len() - input.len();
            }
            if input
                .first()
                .is_none_or(|&octet| grammar::is_separation(octet) || octet == 0x1a || octet == 0)
            {
                let (left, _) = grammar::separation(input).unwrap_or((input, &[]));
                if left.iter().all(|&octet| matches!(octet, 0x1a | 0)) {
                    let text = "the file ends before UNZ";
                    let finding = self.finding(Severity::Error, code::TRUNCATED, text, rest.len());
                    findings.push(contrl(finding, 13));
                    return rest.len();
                }
                loose = true;
                input = left;
            }
        }
    }

    /// Whether UNZ begins here.
    fn ends_here(&self, input: &[u8]) -> bool {
        let Syntax { service, .. } = &self.syntax;
        input.strip_prefix(b"UNZ").and_then(|after| after.first()).is_some_and(|&octet| {
            [service.element, service.component, service.terminator].contains(&octet)
        })
    }

    fn report_line_ends(&self, findings: &mut Vec<Finding>) {
        let at = self.spans.segment(0).1.last().map_or(0, |mark| mark.end() + 1);
        let text = "there are line ends or blanks between segments";
        findings.push(self.finding(Severity::Warning, code::LINE_ENDS, text, at));
    }

    /// Whether another UNA or UNB begins here.
    fn begins_again(&self, input: &[u8]) -> bool {
        if !input.starts_with(b"UN") {
            return false;
        }
        match input.get(2) {
            Some(b'B') => input.get(3) == Some(&self.syntax.service.element),
            Some(b'A') => {
                matches!(grammar::opening(input), Ok((_, Opening { advice: Some(_), .. })))
            }
            _ => false,
        }
    }
}
