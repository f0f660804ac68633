//! `inspect`: explains ENGDAT descriptions, packages, issue ZIPs and XML documents.

mod archive;
mod explained;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::json;

use super::args::Global;
use super::{Exit, print_json};
use crate::asam::Limits;
use crate::disk::{Disk, Shelf};
use crate::engdat::{self, Assembly, Levels, PartName};
use crate::{Error, Finding, Result};
use archive::Contents;
use explained::{Explained, Found};

/// A description larger than this is none.
const DESCRIPTION_MOST: u64 = 64 << 20;

/// What was asked about: a package of several parts, or one file.
enum Subject {
    Package(Vec<(PartName, PathBuf)>),
    File(PathBuf),
}

/// Explains each path; parts of one package are explained together. All is known before anything
/// is printed: a path that cannot be read is an error and nothing else.
pub(super) fn run(paths: &[PathBuf], global: &Global) -> anyhow::Result<Exit> {
    let disk = Disk::default();
    let shelf = Shelf::new(std::env::temp_dir());
    let mut explained = Vec::new();
    for subject in subjects(paths)? {
        explained.push(match subject {
            Subject::Package(parts) => package(&disk, &shelf, &parts)?,
            Subject::File(path) => file(&disk, &shelf, &path)?,
        });
    }
    match explained.as_slice() {
        [one] if global.json => print_json(one)?,
        all if global.json => print_json(&all)?,
        all => print_all(all)?,
    }
    let trouble = explained.iter().any(Explained::is_error);
    Ok(if trouble { Exit::Trouble } else { Exit::Done })
}

fn print_all(explained: &[Explained]) -> std::io::Result<()> {
    let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
    for (at, one) in explained.iter().enumerate() {
        if at > 0 {
            writeln!(stdout)?;
        }
        one.render(&mut stdout)?;
    }
    stdout.flush()
}

/// Parts that share characters 1–23 and of which one is the description make a package; a
/// description whose other parts lie beside it is one, too.
fn subjects(paths: &[PathBuf]) -> Result<Vec<Subject>> {
    let mut groups: BTreeMap<String, Vec<(PartName, PathBuf)>> = BTreeMap::new();
    let mut subjects = Vec::new();
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(listed(path)?);
        } else {
            files.push(path.clone());
        }
    }
    for path in files {
        match part_name(&path) {
            Some(name) => groups.entry(name.group()).or_default().push((name, path)),
            None => subjects.push(Subject::File(path)),
        }
    }
    for (_, mut parts) in groups {
        if parts.len() == 1 && parts[0].0.is_description() {
            let beside = siblings(&parts[0])?;
            parts.extend(beside);
        }
        parts.sort_by_key(|(name, _)| name.index);
        if parts.iter().any(|(name, _)| name.is_description()) {
            subjects.push(Subject::Package(parts));
        } else {
            subjects.extend(parts.into_iter().map(|(_, path)| Subject::File(path)));
        }
    }
    Ok(subjects)
}

fn part_name(path: &Path) -> Option<PartName> {
    path.file_name()?.to_string_lossy().parse().ok()
}

fn listed(dir: &Path) -> Result<Vec<PathBuf>> {
    let cannot = |error| Error::io("list", dir, error);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.is_file() && part_name(&path).is_some() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        let what = format!("{} holds no part of an ENGDAT package", dir.display());
        return Err(Error::setup(crate::NOT_FOUND, what).hint("name the files to inspect"));
    }
    paths.sort();
    Ok(paths)
}

fn siblings((name, path): &(PartName, PathBuf)) -> Result<Vec<(PartName, PathBuf)>> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let all = listed(dir)?.into_iter().filter_map(|path| Some((part_name(&path)?, path)));
    Ok(all.filter(|(other, _)| other.group() == name.group() && other.index != 1).collect())
}

fn package(disk: &Disk, shelf: &Rc<Shelf>, parts: &[(PartName, PathBuf)]) -> Result<Explained> {
    let names: Vec<PartName> = parts.iter().map(|(name, _)| name.clone()).collect();
    let Some((first, path)) = parts.iter().find(|(name, _)| name.is_description()) else {
        return Err(Error::setup(crate::NOT_FOUND, "the package has no description"));
    };
    let bytes: Rc<[u8]> = disk.read(path, DESCRIPTION_MOST)?.into();
    let mut explained = Explained::new("package", first.package.to_string());
    let read = engdat::read(&bytes, &Levels::default());
    if let Some(message) = &read.message {
        explained.lines = engdat::explain(message);
        explained.more.insert("message".into(), engdat::to_json(message));
    }
    let place = path.display().to_string();
    let at_description = |finding: Finding| Found::in_bytes(finding, &place, &bytes);
    match engdat::assemble(&first.package, &names, Some(&bytes), &Levels::default()) {
        Assembly::Complete(package) => {
            explained.findings.extend(package.findings.into_iter().map(at_description));
        }
        Assembly::Waiting { missing } => {
            explained.findings.extend(read.findings.into_iter().map(at_description));
            for line in engdat::explain_missing(&missing, read.message.as_ref()) {
                let finding = Finding::warning(engdat::code::PART_MISSING, line);
                explained.findings.push(Found { finding, bytes: None });
            }
            explained.more.insert("missing".into(), json!(missing));
        }
        Assembly::Broken(findings) => {
            explained.findings.extend(findings.into_iter().map(at_description));
        }
    }
    let mut files = Vec::new();
    for (_, path) in parts.iter().filter(|(name, _)| !name.is_description()) {
        files.push(file(disk, shelf, path)?);
    }
    explained.files = Some(files);
    Ok(explained)
}

fn file(disk: &Disk, shelf: &Rc<Shelf>, path: &Path) -> Result<Explained> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    let mut head = Vec::new();
    let source = disk.open(path)?;
    source.take(512).read_to_end(&mut head).map_err(|error| Error::io("read", path, error))?;
    let skipped =
        |byte: &&u8| matches!(byte, 0xef | 0xbb | 0xbf | b' ' | b'\r' | b'\n' | b'\t' | 0);
    let text: Vec<u8> = head.iter().skip_while(skipped).copied().collect();
    if text.starts_with(b"UNA") || text.starts_with(b"UNB") || part_is_description(path) {
        return description(disk, path, &name);
    }
    let zip = head.windows(4).any(|four| four == b"PK\x03\x04" || four == b"PK\x05\x06");
    let xml = text.starts_with(b"<")
        || head.starts_with(&[0xff, 0xfe])
        || head.starts_with(&[0xfe, 0xff]);
    if zip || xml || name.to_lowercase().ends_with(".zip") || name.to_lowercase().ends_with(".xml")
    {
        let bare = !zip && xml;
        let mut explained = Explained::new(if bare { "document" } else { "archive" }, &name);
        let contents = Contents::read(disk.open(path)?, &name, &Limits::default(), shelf);
        explained.contents = Some(contents);
        return Ok(explained);
    }
    let mut explained = Explained::new("file", name);
    let size = std::fs::metadata(path).map(|meta| meta.len()).unwrap_or_default();
    explained.lines.push(format!("{size} bytes, neither EDIFACT nor a ZIP archive nor XML"));
    explained.more.insert("size".into(), json!(size));
    Ok(explained)
}

fn part_is_description(path: &Path) -> bool {
    part_name(path).is_some_and(|name| name.is_description())
}

fn description(disk: &Disk, path: &Path, name: &str) -> Result<Explained> {
    let bytes: Rc<[u8]> = disk.read(path, DESCRIPTION_MOST)?.into();
    let read = engdat::read(&bytes, &Levels::default());
    let mut explained = Explained::new("description", name);
    if let Some(message) = &read.message {
        explained.lines = engdat::explain(message);
        explained.more.insert("message".into(), engdat::to_json(message));
    }
    let place = path.display().to_string();
    let found = read.findings.into_iter().map(|finding| Found::in_bytes(finding, &place, &bytes));
    explained.findings = found.collect();
    Ok(explained)
}
