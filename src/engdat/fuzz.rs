//! What must hold for any octets at all: the bodies of the fuzz targets, which `tests/fuzz.rs`
//! drives on stable Rust and `fuzz/` under a coverage-guided fuzzer. Each returns the law that was
//! broken.

use super::{Assembly, Levels, PackageName, PartName, assemble, explain, read, write};
use crate::edifact::{Decoded, Interchange, Segment, Service, parse, quote};
use crate::{Finding, Severity};

/// A target: a name and what must hold.
pub type Target = (&'static str, fn(&[u8]) -> Result<(), String>);

/// All of them.
pub const TARGETS: &[Target] =
    &[("parse", parses), ("round_trip", round_trips), ("names", names), ("assembly", assembles)];

fn law(holds: bool, law: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(law.to_owned()) }
}

/// Any octets are read; what was read is there byte for byte; the segments are those of a slow,
/// independent splitter; findings point into the file.
///
/// # Errors
///
/// The law that does not hold.
pub fn parses(bytes: &[u8]) -> Result<(), String> {
    let reading = parse(bytes);
    let mut encoded = Vec::new();
    for interchange in &reading.interchanges {
        interchange.encode(&mut encoded);
    }
    law(reading.interchanges.is_empty() || encoded == bytes, "encoding gives the bytes back")?;
    let silent = reading.findings.is_empty() && !bytes.is_empty();
    law(!reading.interchanges.is_empty() || !silent, "no interchange, no finding")?;
    for finding in &reading.findings {
        let inside = finding.place.byte.is_none_or(|at| at <= bytes.len() as u64);
        law(inside, "a finding points into the file")?;
    }
    if let Some(finding) = reading.findings.first() {
        law(!quote(bytes, finding).is_empty(), "a finding can be shown")?;
    }
    for interchange in &reading.interchanges {
        for segment in interchange.segments() {
            let service = &interchange.syntax().service;
            law(shape(segment) == split(segment.raw(), service), "the slow splitter agrees")?;
        }
        let decoded = Decoded::new(interchange.clone());
        for (lazy, eager) in interchange.segments().zip(decoded.segments()) {
            let texts = lazy.elements().flat_map(|e| e.repetitions().collect::<Vec<_>>());
            let texts: Vec<_> = texts.flat_map(|r| r.components().collect::<Vec<_>>()).collect();
            law(
                eager.components().eq(texts.iter().map(AsRef::as_ref)),
                "decoded at once or lazily",
            )?;
        }
    }
    Ok(())
}

/// The number of components of each repetition of each element.
fn shape(segment: Segment<'_>) -> Vec<Vec<usize>> {
    segment.elements().map(|e| e.repetitions().map(|r| r.len()).collect()).collect()
}

/// Splits a segment octet by octet.
fn split(raw: &[u8], service: &Service) -> Vec<Vec<usize>> {
    let mut elements = vec![vec![1]];
    let mut octets = raw.iter();
    while let Some(&octet) = octets.next() {
        if Some(octet) == service.release {
            octets.next();
        } else if octet == service.element {
            elements.push(vec![1]);
        } else if let Some(element) = elements.last_mut() {
            if Some(octet) == service.repetition {
                element.push(1);
            } else if octet == service.component
                && let Some(count) = element.last_mut()
            {
                *count += 1;
            }
        }
    }
    elements
}

/// What is written canonically is read back the same and written the same; a message is written
/// back as it came, and one that is changed is read back as it was written.
///
/// # Errors
///
/// The law that does not hold.
pub fn round_trips(bytes: &[u8]) -> Result<(), String> {
    let reading = parse(bytes);
    let sound = reading.findings.iter().all(|finding| finding.severity == Severity::Warning);
    for interchange in reading.interchanges.iter().filter(|_| sound) {
        // Values outside the repertoire were read kindly and are not written.
        let Ok(written) = interchange.canonical() else { continue };
        let again = parse(&written);
        let [again] = again.interchanges.as_slice() else {
            return Err("one interchange is written as one".to_owned());
        };
        law(values(again) == values(interchange), "what is written is what was read")?;
        law(again.canonical() == Ok(written), "writing is canonical")?;
    }
    let description = read(bytes, &Levels::default());
    let Some(message) = description.usable() else { return Ok(()) };
    law(write(message).as_deref() == Ok(bytes), "an unchanged message is written as it came")?;
    law(!explain(message).is_empty(), "a message can be explained")?;
    let mut changed = message.clone();
    changed.authorisation = format!("{}X", message.authorisation.chars().count());
    if changed == *message {
        return Ok(());
    }
    let Ok(written) = write(&changed) else { return Ok(()) };
    let again = read(&written, &Levels::default());
    law(again.usable().is_some(), "what is written can be used")?;
    let files = |message: &super::EngdatMessage| {
        message.files.iter().map(|f| (f.index, f.name.trim_end().to_owned())).collect::<Vec<_>>()
    };
    let same = again.message.is_some_and(|again| files(&again) == files(&changed));
    law(same, "a changed message keeps its files")
}

/// The values of all segments, without what means nothing at their ends.
fn values(interchange: &Interchange) -> Vec<Vec<Vec<Vec<String>>>> {
    let trim = |list: &mut Vec<Vec<Vec<String>>>| {
        for element in list.iter_mut() {
            for repetition in element.iter_mut() {
                trim_end(repetition, String::is_empty);
            }
            trim_end(element, Vec::is_empty);
        }
        trim_end(list, Vec::is_empty);
    };
    let segments = interchange.segments().map(|segment| {
        let elements = segment.elements().map(|element| {
            let repetitions = element.repetitions().map(|repetition| {
                repetition.components().map(|c| c.trim_end_matches(' ').to_owned()).collect()
            });
            repetitions.collect()
        });
        let mut elements = elements.collect();
        trim(&mut elements);
        elements
    });
    segments.collect()
}

fn trim_end<T>(list: &mut Vec<T>, is_empty: impl Fn(&T) -> bool) {
    while list.last().is_some_and(&is_empty) {
        list.pop();
    }
}

/// A name that is read is shown as it was; a strict one is read back.
///
/// # Errors
///
/// The law that does not hold.
pub fn names(bytes: &[u8]) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
    let Ok(part) = text.parse::<PartName>() else { return Ok(()) };
    law(part.to_string() == text, "a name is shown as it was read")?;
    law(text.starts_with(&part.group()), "the group is how the name begins")?;
    law(!text.contains(['/', '\\', '\0']), "a name is safe in a path")?;
    law(part.package.as_str().parse() == Ok(part.package.clone()), "a package has a name")?;
    if let Ok(strict) = part.strict() {
        law(strict == text && part.findings().is_empty(), "a strict name has no oddities")?;
    }
    if let Some(now) = part.package.stamp() {
        let next = super::next_name(now, Some(&part.package), "XYZ");
        let stamped = part.package.reference().bytes().take(14).all(|b| b.is_ascii_digit());
        let (old, new) = (part.package.as_str().get(3..17), next.as_str().get(3..17));
        law(!stamped || new > old || now.format("%y").to_string() == "99", "names go up")?;
    }
    Ok(())
}

/// Any parts with any description are put together or refused. The first lines, up to an empty
/// one, are the names.
///
/// # Errors
///
/// The law that does not hold.
pub fn assembles(bytes: &[u8]) -> Result<(), String> {
    let cut = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let (names, rest) = bytes.split_at(cut);
    let names = String::from_utf8_lossy(names);
    let parts: Vec<PartName> = names.lines().filter_map(|line| line.parse().ok()).collect();
    let Some(name): Option<PackageName> = parts.first().map(|part| part.package.clone()) else {
        return Ok(());
    };
    let description = rest.get(2..).filter(|_| parts.iter().any(PartName::is_description));
    match assemble(&name, &parts, description, &Levels::default()) {
        Assembly::Complete(package) => {
            let known = package.files.iter().all(|(entry, part)| {
                entry.index == part.index && part.index > 1 && parts.contains(part)
            });
            law(known, "the files of a package are its parts")?;
            law(package.files.is_sorted_by_key(|(entry, _)| entry.index), "files are in order")?;
            law(!has_error(&package.findings), "what is complete has no errors")
        }
        Assembly::Waiting { missing } => law(!missing.is_empty(), "who waits, waits for something"),
        Assembly::Broken(findings) => law(has_error(&findings), "who refuses, says why"),
    }
}

fn has_error(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}
