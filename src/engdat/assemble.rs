//! A package from its parts, which arrive in any order and with any suffix.

use std::collections::{BTreeMap, BTreeSet};

use super::code;
use super::levels::Levels;
use super::message::{EngdatMessage, FileEntry};
use super::name::{PackageName, PartName};
use super::read::read;
use crate::{Finding, Severity};

/// What the parts make.
#[derive(Clone, Debug)]
pub enum Assembly {
    /// Everything is there.
    Complete(Box<Package>),
    /// Parts are missing.
    Waiting {
        /// Their numbers; 1 is the description.
        missing: Vec<u16>,
    },
    /// It can never be a package; the errors say why, and [`super::reason`] in one word.
    Broken(Vec<Finding>),
}

/// A package of which all parts are there.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name.
    pub name: PackageName,
    /// Its description.
    pub message: EngdatMessage,
    /// Its data files by number, with their parts.
    pub files: Vec<(FileEntry, PartName)>,
    /// What was noticed and tolerated.
    pub findings: Vec<Finding>,
    /// The part the description is in.
    pub description: PartName,
}

/// Puts a package together. `parts` are the names that are there, `description` the bytes of the
/// part with number 1, if that one is there.
#[must_use]
pub fn assemble(
    name: &PackageName,
    parts: &[PartName],
    description: Option<&[u8]>,
    levels: &Levels,
) -> Assembly {
    let mut findings = Vec::new();
    let parts = by_number(name, parts, &mut findings);
    let total = parts.values().map(|part| part.total).max().unwrap_or(1);
    if is_broken(&findings) {
        return Assembly::Broken(findings);
    }
    let (Some(bytes), Some(head)) = (description, parts.get(&1)) else {
        let missing = (1..=total).filter(|index| *index == 1 || !parts.contains_key(index));
        return Assembly::Waiting { missing: missing.collect() };
    };
    let read = read(bytes, levels);
    findings.extend(read.findings);
    let Some(message) = read.message.filter(|_| !is_broken(&findings)) else {
        if !is_broken(&findings) {
            findings.push(Finding::error(code::BAD_EDIFACT, "the description holds no message"));
        }
        return Assembly::Broken(findings);
    };
    compare(name, total, &message, &mut findings);
    levels.apply(&mut findings);
    if is_broken(&findings) {
        return Assembly::Broken(findings);
    }
    let mut wanted: BTreeSet<u16> = (2..=total).collect();
    wanted.extend(message.files.iter().map(|file| file.index));
    let missing: Vec<u16> = wanted.into_iter().filter(|index| !parts.contains_key(index)).collect();
    if !missing.is_empty() {
        return Assembly::Waiting { missing };
    }
    let files = files(&message, &parts, &mut findings);
    levels.apply(&mut findings);
    if is_broken(&findings) {
        return Assembly::Broken(findings);
    }
    let description = head.clone();
    Assembly::Complete(Box::new(Package {
        name: name.clone(),
        message,
        files,
        findings,
        description,
    }))
}

fn is_broken(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

/// The parts by number; two of one number, or of two totals, cannot be one package.
fn by_number(
    name: &PackageName,
    parts: &[PartName],
    findings: &mut Vec<Finding>,
) -> BTreeMap<u16, PartName> {
    let mut numbered: BTreeMap<u16, PartName> = BTreeMap::new();
    let mine = || parts.iter().filter(|part| part.package == *name);
    let totals: BTreeSet<u16> = mine().map(|part| part.total).collect();
    if totals.len() > 1 {
        let totals: Vec<String> = totals.iter().map(u16::to_string).collect();
        let text = format!("the parts of {name} say totals of {}", totals.join(" and "));
        findings.push(Finding::error(code::IDENTITY_REUSE, text).at(name.as_str()));
    }
    for part in mine() {
        findings.extend(part.findings());
        if let Some(other) = numbered.insert(part.index, part.clone()) {
            let text = format!("{other} and {part} are both part {}", part.index);
            findings.push(Finding::error(code::PART_TWICE, text).at(part.to_string()));
        }
        if part.index > part.total + 1 {
            let text = format!("{part} is part {} of {}", part.index, part.total);
            findings.push(Finding::error(code::PART_NUMBER, text).at(part.to_string()));
        }
    }
    findings.dedup();
    numbered
}

/// Rules E5, E6 and E7: what the names say against what the message says.
fn compare(name: &PackageName, total: u16, message: &EngdatMessage, findings: &mut Vec<Finding>) {
    if message.reference.trim() != name.reference().trim() {
        let text = format!("the message has the exchange reference {:?}", message.reference);
        let finding = Finding {
            expected: Some(name.reference().to_owned()),
            actual: Some(message.reference.clone()),
            ..Finding::warning(code::REFERENCE, text)
        };
        findings.push(finding.at(name.as_str()));
    }
    let described = message.files.len() + 1;
    if message.total != total || described != usize::from(total) {
        let without = usize::from(total) + 1 == described && message.total == total;
        let code = if without { code::TOTAL_WITHOUT_MESSAGE } else { code::TOTAL };
        let known = findings.iter().any(|finding| finding.code == code);
        if !without || !known {
            let text = format!(
                "the names say {total} files, TOT says {}, the message describes {described}",
                message.total
            );
            findings.push(Finding::warning(code, text).at(name.as_str()));
        }
    }
    for file in message.files.iter().filter(|file| file.index > total + 1) {
        let text =
            format!("the message has a file number {}, the names say {total} files", file.index);
        findings.push(Finding::error(code::FILE_NUMBER, text).at(name.as_str()));
    }
}

/// The data files; a part that the description does not list is handed on without a description.
fn files(
    message: &EngdatMessage,
    parts: &BTreeMap<u16, PartName>,
    findings: &mut Vec<Finding>,
) -> Vec<(FileEntry, PartName)> {
    let data = parts.iter().filter(|(index, _)| **index > 1);
    data.map(|(&index, part)| {
        let listed = message.files.iter().find(|file| file.index == index).cloned();
        let entry = listed.unwrap_or_else(|| {
            let text = format!("the description does not list part {index}");
            findings.push(Finding::warning(code::PART_UNLISTED, text).at(part.to_string()));
            FileEntry { index, ..FileEntry::default() }
        });
        (entry, part.clone())
    })
    .collect()
}
