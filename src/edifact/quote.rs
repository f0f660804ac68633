//! Findings as a compiler shows them: the segment quoted, the place marked.

use std::fmt::Write as _;

use super::interchange::Segment;
use super::parse::parse;
use crate::{Finding, Severity};

/// Characters of a segment that are shown around the place.
const WIDTH: usize = 72;

/// A finding over the bytes it is about: what, where, the segment, and a mark under the place.
///
/// ```
/// use engsync::edifact;
///
/// let bytes = b"UNB+UNOC:1+A+B+260101:1200+9'UNH+1+T:1'UNT+4+1'UNZ+1+9'";
/// let finding = &edifact::parse(bytes).findings[0];
/// let shown = edifact::quote(bytes, finding);
/// assert!(shown.starts_with("warning[control-count]: UNT counts \"4\" segments, there are 2"));
/// assert!(shown.contains("3 | UNT+4+1'"));
/// ```
#[must_use]
pub fn quote(bytes: &[u8], finding: &Finding) -> String {
    let reading = parse(bytes);
    let byte = finding.place.byte;
    let segment = byte.and_then(|byte| {
        let all = reading.interchanges.iter().flat_map(|interchange| interchange.segments());
        all.take_while(|segment| segment.byte() <= byte).last()
    });
    let mut out = headline(finding);
    let Some(segment) = segment else { return out };
    let (line, mark) = excerpt(segment, byte.unwrap_or_default());
    let number = segment.number().to_string();
    let gutter = " ".repeat(number.len());
    let _ = writeln!(out, "  {gutter} |");
    let _ = writeln!(out, "  {number} | {line}");
    let note = finding.expected.as_ref().map(|expected| format!(" expected {expected:?}"));
    let _ = writeln!(out, "  {gutter} | {}^{}", " ".repeat(mark), note.unwrap_or_default());
    out
}

/// What and where, without the bytes.
fn headline(finding: &Finding) -> String {
    let level = match finding.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let place = &finding.place;
    let mut out = format!("{level}[{}]: {}\n", finding.code, finding.text);
    let mut parts = Vec::new();
    parts.extend(place.path.clone());
    parts.extend(place.byte.map(|byte| format!("byte {byte}")));
    parts.extend(place.segment.map(|number| match &place.tag {
        Some(tag) => format!("segment {number} ({tag})"),
        None => format!("segment {number}"),
    }));
    parts.extend(place.element.map(|element| format!("element {element}")));
    parts.extend(place.component.map(|component| format!("component {component}")));
    parts.extend(finding.contrl.map(|number| format!("CONTRL {number}")));
    if !parts.is_empty() {
        let _ = writeln!(out, "   --> {}", parts.join(", "));
    }
    out
}

/// The part of a segment around `byte` on one line, and the column of `byte` in it.
fn excerpt(segment: Segment<'_>, byte: u64) -> (String, usize) {
    let syntax = segment.interchange.syntax();
    let (start, _) = segment.interchange.spans.segment(segment.index);
    let mut raw = segment.raw().to_vec();
    if !segment.is_open() {
        raw.push(syntax.service.terminator);
    }
    // One octet, one column, but for UTF-8: what stands before the mark is decoded on its own.
    let marked = (0..raw.len()).find(|&i| segment.interchange.offset_in_file(start + i) >= byte);
    let marked = marked.unwrap_or(raw.len());
    let (head, tail) = raw.split_at(marked.min(raw.len()));
    let show = |bytes: &[u8]| -> Vec<char> {
        let text = syntax.charset.decode(bytes);
        text.chars().map(|c| if c.is_control() { visible(c) } else { c }).collect()
    };
    let (head, tail) = (show(head), show(tail));
    let skip = head.len().saturating_sub(WIDTH / 2);
    let cut = tail.len().saturating_sub(WIDTH - head.len().min(WIDTH / 2));
    let mut line = String::new();
    let mut mark = head.len() - skip;
    if skip > 0 {
        line.push('…');
        mark += 1;
    }
    line.extend(head.iter().skip(skip));
    line.extend(tail.iter().take(tail.len() - cut));
    if cut > 0 {
        line.push('…');
    }
    (line, mark)
}

/// Control characters as the pictures Unicode has for them.
fn visible(c: char) -> char {
    match u32::from(c) {
        code @ 0..=0x1f => char::from_u32(0x2400 + code).unwrap_or('·'),
        0x7f => '␡',
        _ => '·',
    }
}
