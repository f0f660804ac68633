//! A partner, a supplier and a spool in a temporary directory, for tests from outside.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

pub mod service;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use engsync::engdat::{self, FileEntry, PackageName, Party};
use serde_json::Value;

/// Whether system calls can be watched here, and made to fail; a test that cannot says so.
#[allow(clippy::print_stderr, reason = "what is left out is said")]
pub fn may_trace() -> bool {
    let able = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    let able = able.is_ok_and(|status| status.success());
    if !able {
        eprintln!("SKIPPED: strace is missing or may not trace; nothing was tried");
    }
    able
}

/// The time of every run unless a test says otherwise.
pub const NOW: &str = "2026-11-21T09:00:00+01:00";

pub const RULES: &str = r#"
[[partner.oem.rule]]
kind = "to_local"
local = "summary"
remote = "problem_synopsis"
default = "?"

[[partner.oem.rule]]
kind = "to_local"
local = "description"
remote = "problem_description"

[[partner.oem.rule]]
kind = "fill_local"
local = "priority"
remote = "priority"
default = "Minor"
map = { Showstopper = "TOP", Major = "HIGH", Minor = "MEDIUM" }
inverse = { TOP = "Showstopper", HIGH = "Major", MEDIUM = "Minor", LOW = "Minor" }

[[partner.oem.rule]]
kind = "tag_local"
local = "labels"
remote = "crstatus"
prefix = "OEM-"

[[partner.oem.rule]]
kind = "attachments"
out_prefix = "oem-"

[[partner.oem.rule]]
kind = "comments"
in = true
out_prefix = "[TO OEM]"

[[partner.oem.rule]]
kind = "table_to_remote"
locals = ["status", "resolution"]
remote = "supplier_status"
rows = [["Open", "", "RECEIVED"], ["In Progress", "", "ESTIMATED"], ["Closed", "Done", "CLOSED"]]

[[partner.oem.rule]]
kind = "to_remote"
local = "fix_versions"
remote = "resolved_in_release"

[[partner.oem.rule]]
kind = "envelope"
local = "updated"
remote = "updated"
"#;

/// A supplier's installation in a directory of its own.
pub struct Site {
    pub dir: tempfile::TempDir,
}

/// What a run printed.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

/// An issue as a test's OEM writes it.
#[derive(Clone, Default)]
pub struct Defect<'a> {
    pub number: &'a str,
    pub title: &'a str,
    pub description: &'a str,
    pub state: &'a str,
    pub priority: &'a str,
    pub date: &'a str,
    pub annotations: &'a [&'a str],
    pub files: &'a [(&'a str, &'a [u8])],
}

impl Site {
    /// A site with one partner, `oem`, and [`RULES`].
    pub fn new() -> Self {
        Self::with("", RULES)
    }

    /// A site whose configuration has `spool` under `[spool]` and these rules.
    pub fn with(spool: &str, rules: &str) -> Self {
        let site = Self { dir: tempfile::tempdir().unwrap() };
        fs::write(site.path("engsync.toml"), config(spool, "", rules)).unwrap();
        fs::create_dir_all(site.path("spool/incoming")).unwrap();
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, args: &[&str]) -> assert_cmd::Command {
        let mut command = assert_cmd::Command::cargo_bin("engsync").unwrap();
        command.current_dir(self.dir.path()).env_clear().env("USER", "tester").args(args);
        if !args.contains(&"--now") {
            command.args(["--now", NOW]);
        }
        command
    }

    pub fn engsync(&self, args: &[&str]) -> Ran {
        ran(&self.command(args).output().unwrap())
    }

    pub fn run(&self) -> Value {
        self.engsync(&["run", "--json"]).json()
    }

    /// Puts a package of one archive into `incoming/`.
    pub fn deliver(&self, name: &str, defects: &[Defect<'_>]) {
        for (file, bytes) in package(name, defects) {
            fs::write(self.path("spool/incoming").join(file), bytes).unwrap();
        }
    }

    /// The names in a directory of the site, sorted.
    pub fn list(&self, dir: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(dir)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The digest of every file below the site, by path.
    pub fn fingerprint(&self) -> BTreeMap<PathBuf, String> {
        let mut prints = BTreeMap::new();
        fingerprint(self.dir.path(), &mut prints);
        prints
    }

    /// How many issues the tracker has.
    pub fn issues(&self) -> usize {
        let listed = self.engsync(&["tracker", "list", "--json"]).json();
        listed.as_array().unwrap().len()
    }

    pub fn issue(&self, key: &str) -> Value {
        let shown = self.engsync(&["tracker", "show", key, "--json"]);
        assert_eq!(shown.code, 0, "{}", shown.err);
        shown.json()
    }
}

fn fingerprint(dir: &Path, into: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            into.insert(path.clone(), "directory".to_owned());
            fingerprint(&path, into);
        } else {
            into.insert(path.clone(), engsync::Digest::of(&fs::read(&path).unwrap()).to_string());
        }
    }
}

/// Outcome and reason of each package of a report.
pub fn outcomes(report: &Value) -> Vec<String> {
    let packages = report["packages"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    packages
        .iter()
        .map(|one| format!("{} {}", text(&one["outcome"]), text(&one["reason"])))
        .collect()
}

pub fn ran(output: &Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A configuration with one partner.
pub fn config(spool: &str, more: &str, rules: &str) -> String {
    format!(
        r#"
[company]
name = "Beispiel Elektronik GmbH"
short_name = "BEG"

[spool]
dir = "spool"
{spool}

[tracker]
kind = "embedded"
{more}

[partner.oem]
name = "Musterfahrzeug AG"
short_name = "MFAG"

[partner.oem.engdat]
filename = "MFA"
[partner.oem.engdat.peer]
id = "O0013005466MFAG"
routing = "RDEMUSTER"
name = "Musterfahrzeug AG"
address = ["Musterstr. 1", "70000 Stuttgart"]
country = "DE"
[partner.oem.engdat.own]
id = "O0013007789BEG"
routing = "RDEBEISPIEL"
name = "Beispiel Elektronik GmbH"
address = ["Beispielweg 2", "80000 München"]
country = "DE"
{rules}
"#
    )
}

pub fn oem() -> Party {
    party("O0013005466MFAG", "RDEMUSTER", "Musterfahrzeug AG")
}

pub fn supplier() -> Party {
    party("O0013007789BEG", "RDEBEISPIEL", "Beispiel Elektronik GmbH")
}

pub fn party(id: &str, routing: &str, name: &str) -> Party {
    let (id, routing, name) = (id.into(), routing.into(), name.into());
    Party { id, routing, name, country: "DE".into(), ..Party::default() }
}

/// The files of a package from `oem` to `supplier`.
pub fn package(name: &str, defects: &[Defect<'_>]) -> Vec<(String, Vec<u8>)> {
    package_of(name, &oem(), &supplier(), &archive(defects))
}

pub fn package_of(name: &str, from: &Party, to: &Party, zip: &[u8]) -> Vec<(String, Vec<u8>)> {
    let name: PackageName = name.parse().unwrap();
    let issued =
        chrono::NaiveDate::from_ymd_opt(2026, 11, 20).unwrap().and_hms_opt(8, 0, 0).unwrap();
    let files = [FileEntry::archive("PKZIP-Archive")];
    let message = engdat::compose(&name, issued, from, to, &files);
    vec![
        (name.part(2, 1).to_string(), engdat::write(&message).unwrap()),
        (name.part(2, 2).to_string(), zip.to_vec()),
    ]
}

/// A ZIP of one document a defect.
pub fn archive(defects: &[Defect<'_>]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for defect in defects {
        zip.start_file(format!("./{}.xml", defect.number), options).unwrap();
        zip.write_all(document(defect).as_bytes()).unwrap();
        for (name, bytes) in defect.files {
            zip.start_file(format!("./{}/{name}", defect.number), options).unwrap();
            zip.write_all(bytes).unwrap();
        }
    }
    zip.finish().unwrap().into_inner()
}

pub fn document(defect: &Defect<'_>) -> String {
    let or = |value: &str, default: &str| {
        if value.is_empty() { default.to_owned() } else { value.to_owned() }
    };
    let state = or(defect.state, "REQUESTED");
    let priority = or(defect.priority, "HIGH");
    let date = or(defect.date, "2026/11/20T08:00:00");
    let Defect { number, title, description, .. } = defect;
    let documents: String = defect
        .files
        .iter()
        .map(|(name, _)| {
            format!("<ISSUE-RELATED-DOCUMENT><XDOC><LONG-NAME-1>{name}</LONG-NAME-1><URL>./{number}/{name}</URL></XDOC></ISSUE-RELATED-DOCUMENT>")
        })
        .collect();
    let annotations: String = defect
        .annotations
        .iter()
        .map(|text| {
            format!("<ANNOTATION><LABEL>MFAG</LABEL><TEAM-MEMBER-REF ID-REF=\"U1\"/><DATE>2026/11/19T10:00:00</DATE><ANNOTATION-TEXT><P>{text}</P></ANNOTATION-TEXT></ANNOTATION>")
        })
        .collect();
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<MSR-ISSUE>
<COMPANY-DATAS>
<COMPANY-DATA><LONG-NAME>Dr.-Ing. Musterfahrzeug AG</LONG-NAME><SHORT-NAME>MFAG</SHORT-NAME><TEAM-MEMBERS><TEAM-MEMBER ID="U1"><LONG-NAME>Muster, Erika</LONG-NAME><SHORT-NAME>U1</SHORT-NAME><DEPARTMENT/><PHONE>1</PHONE><FAX/><EMAIL>e@x.example</EMAIL></TEAM-MEMBER></TEAM-MEMBERS></COMPANY-DATA>
<COMPANY-DATA><LONG-NAME>Beispiel Elektronik GmbH</LONG-NAME><SHORT-NAME>BEG</SHORT-NAME></COMPANY-DATA>
</COMPANY-DATAS>
<ADMIN-DATA><DOC-REVISIONS><DOC-REVISION><TEAM-MEMBER-REF ID-REF="U1"/><DATE>{date}</DATE></DOC-REVISION></DOC-REVISIONS></ADMIN-DATA>
<ISSUES><ISSUE>
<LONG-NAME>{title}</LONG-NAME><CATEGORY>PROBLEM-REPORT</CATEGORY>
<ISSUE-DESC><P>{description}</P></ISSUE-DESC>
<COMPANY-ISSUE-INFOS><COMPANY-ISSUE-INFO><COMPANY-DATA-REF>MFAG</COMPANY-DATA-REF><ISSUE-ID>{number}</ISSUE-ID></COMPANY-ISSUE-INFO></COMPANY-ISSUE-INFOS>
<ISSUE-PROPERTIES><ISSUE-CURRENT-STATE><ISSUE-STATE>{state}</ISSUE-STATE></ISSUE-CURRENT-STATE><ISSUE-PRIORITY>{priority}</ISSUE-PRIORITY></ISSUE-PROPERTIES>
<ISSUE-RELATED-DOCUMENTS>{documents}</ISSUE-RELATED-DOCUMENTS>
<ANNOTATIONS>{annotations}</ANNOTATIONS>
</ISSUE></ISSUES>
</MSR-ISSUE>
"#
    )
}

/// The answer document for `key` in a published package, as text.
pub fn answer(dir: &Path, reference: &str, key: &str) -> String {
    let path = dir.join(format!("{reference}002002"));
    let mut zip = zip::ZipArchive::new(fs::File::open(&path).unwrap()).unwrap();
    let mut text = String::new();
    let mut member = zip.by_name(&format!("./{key}.xml")).unwrap();
    std::io::Read::read_to_string(&mut member, &mut text).unwrap();
    text
}
