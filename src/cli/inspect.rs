//! `inspect`: explains ENGDAT descriptions, packages, issue ZIPs and XML documents.

mod archive;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::args::Global;
use super::style::{Style, plain};
use super::{Exit, finding_json, out_style, print, print_json};
use crate::asam::Limits;
use crate::disk::Disk;
use crate::edifact;
use crate::engdat::{self, Assembly, Levels, PartName};
use crate::{Error, Finding, Result, Severity};

/// A description larger than this is none.
const DESCRIPTION_MOST: u64 = 64 << 20;

/// What was asked about: a package of several parts, or one file.
enum Subject {
    Package(Vec<(PartName, PathBuf)>),
    File(PathBuf),
}

/// What there is to say of one subject.
pub(super) struct Explained {
    pub kind: &'static str,
    pub name: String,
    pub lines: Vec<String>,
    /// Each with the bytes it is about, where they can be quoted.
    pub findings: Vec<(Finding, Option<Vec<u8>>)>,
    pub more: serde_json::Map<String, Value>,
}

impl Explained {
    fn new(kind: &'static str, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            lines: Vec::new(),
            findings: Vec::new(),
            more: serde_json::Map::new(),
        }
    }

    fn is_error(&self) -> bool {
        self.findings.iter().any(|(finding, _)| finding.severity == Severity::Error)
    }

    fn json(&self) -> Value {
        let findings: Vec<Value> = self.findings.iter().map(|(f, _)| finding_json(f)).collect();
        let mut all = serde_json::Map::new();
        all.insert("kind".into(), json!(self.kind));
        all.insert("name".into(), json!(self.name));
        all.insert("findings".into(), json!(findings));
        all.extend(self.more.clone());
        Value::Object(all)
    }

    fn render(&self, _style: Style) -> String {
        let mut text = format!("{}: {}\n", plain(&self.name), self.kind);
        for line in &self.lines {
            text.push_str(&format!("  {}\n", plain(line)));
        }
        for (finding, bytes) in &self.findings {
            text.push_str(&edifact::quote(bytes.as_deref().unwrap_or_default(), finding));
        }
        if self.findings.is_empty() {
            text.push_str("  no findings\n");
        }
        text
    }
}

/// Explains each path; parts of one package are explained together.
pub(super) fn run(paths: &[PathBuf], global: &Global) -> anyhow::Result<Exit> {
    let disk = Disk::default();
    let mut explained = Vec::new();
    for subject in subjects(paths)? {
        explained.push(match subject {
            Subject::Package(parts) => package(&disk, &parts)?,
            Subject::File(path) => file(&disk, &path)?,
        });
    }
    let trouble = explained.iter().any(Explained::is_error);
    if global.json {
        match explained.as_slice() {
            [one] => print_json(&one.json())?,
            all => print_json(&all.iter().map(Explained::json).collect::<Vec<_>>())?,
        }
    } else {
        let style = out_style(global);
        let texts: Vec<String> = explained.iter().map(|one| one.render(style)).collect();
        print(&texts.join("\n"))?;
    }
    Ok(if trouble { Exit::Trouble } else { Exit::Done })
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

fn package(disk: &Disk, parts: &[(PartName, PathBuf)]) -> Result<Explained> {
    let names: Vec<PartName> = parts.iter().map(|(name, _)| name.clone()).collect();
    let Some((first, path)) = parts.iter().find(|(name, _)| name.is_description()) else {
        return Err(Error::setup(crate::NOT_FOUND, "the package has no description"));
    };
    let bytes = disk.read(path, DESCRIPTION_MOST)?;
    let mut explained = Explained::new("package", first.package.to_string());
    let read = engdat::read(&bytes, &Levels::default());
    if let Some(message) = &read.message {
        explained.lines = engdat::explain(message);
        explained.more.insert("message".into(), engdat::to_json(message));
    }
    let at_description = |finding: Finding| {
        let finding = if finding.place.path.is_none() {
            finding.at(path.display().to_string())
        } else {
            finding
        };
        (finding, Some(bytes.clone()))
    };
    match engdat::assemble(&first.package, &names, Some(&bytes), &Levels::default()) {
        Assembly::Complete(package) => {
            explained.findings.extend(package.findings.into_iter().map(at_description));
        }
        Assembly::Waiting { missing } => {
            explained.findings.extend(read.findings.into_iter().map(at_description));
            for line in engdat::explain_missing(&missing, read.message.as_ref()) {
                let finding = Finding::warning(engdat::code::PART_MISSING, line);
                explained.findings.push((finding, None));
            }
            explained.more.insert("missing".into(), json!(missing));
        }
        Assembly::Broken(findings) => {
            explained.findings.extend(findings.into_iter().map(at_description));
        }
    }
    let mut files = Vec::new();
    for (_, path) in parts.iter().filter(|(name, _)| !name.is_description()) {
        let part = file(disk, path)?;
        explained.lines.push(format!("{}: {}", part.name, part.kind));
        explained.lines.extend(part.lines.iter().map(|line| format!("  {line}")));
        files.push(part.json());
        explained.findings.extend(part.findings);
    }
    explained.more.insert("files".into(), json!(files));
    Ok(explained)
}

fn file(disk: &Disk, path: &Path) -> Result<Explained> {
    use std::io::Read;
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
        return Ok(archive::explain(disk.open(path)?, &name, !zip && xml, &Limits::default()));
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
    let bytes = disk.read(path, DESCRIPTION_MOST)?;
    let read = engdat::read(&bytes, &Levels::default());
    let mut explained = Explained::new("description", name);
    if let Some(message) = &read.message {
        explained.lines = engdat::explain(message);
        explained.more.insert("message".into(), engdat::to_json(message));
    }
    let shown = path.display().to_string();
    let with_bytes = |finding: Finding| (finding.at(shown.clone()), Some(bytes.clone()));
    explained.findings = read.findings.into_iter().map(with_bytes).collect();
    Ok(explained)
}
