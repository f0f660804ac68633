//! A whole run from outside, `engsync run -N`: packages of issues through the spool into the
//! embedded tracker, with a rule for every direction. Wall time of the process, the best of a few:
//! opening the database, reading the package, planning, writing, committing and moving it to
//! `done/`. One row per link, one journal row and one history row per changed issue; journal and
//! tracker share the transaction (WAL, `synchronous = FULL`).
//!
//! `cargo bench --bench sync`
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]
#![allow(clippy::disallowed_methods, reason = "it plays the partner's server and the clock")]
#![allow(missing_docs, reason = "a benchmark")]

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use engsync::engdat::{self, FileEntry, PackageName, Party};

const CONFIG: &str = r#"
[company]
name = "Beispiel Elektronik GmbH"
short_name = "BEG"
[spool]
dir = "spool"
settle_seconds = 0
[tracker]
kind = "embedded"
[partner.oem]
name = "Musterfahrzeug AG"
short_name = "MFAG"
[partner.oem.engdat]
filename = "MFA"
[partner.oem.engdat.peer]
id = "O0013005466MFAG"
routing = "RDEMUSTER"
name = "Musterfahrzeug AG"
country = "DE"
[partner.oem.engdat.own]
id = "O0013007789BEG"
routing = "RDEBEISPIEL"
name = "Beispiel Elektronik GmbH"
country = "DE"
[[partner.oem.rule]]
kind = "to_local"
local = "summary"
remote = "problem_synopsis"
[[partner.oem.rule]]
kind = "to_local"
local = "description"
remote = "problem_description"
[[partner.oem.rule]]
kind = "fill_local"
local = "priority"
remote = "priority"
default = "Minor"
map = { Showstopper = "TOP", Major = "HIGH", Minor = "MEDIUM", Trivial = "LOW" }
[[partner.oem.rule]]
kind = "tag_local"
local = "labels"
remote = "crstatus"
prefix = "OEM-"
[[partner.oem.rule]]
kind = "two_way"
local = "reproducibility"
remote = "reproducibility"
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
"#;

fn main() {
    let sqlite = rusqlite::version();
    println!("engsync {}, SQLite {sqlite}, WAL, synchronous = FULL, -N", env!("CARGO_PKG_VERSION"));
    println!("{:<44} {:>9} {:>12}", "", "seconds", "issues/s");
    for (count, times) in [(1_000, 5), (10_000, 3)] {
        let mut new = Duration::MAX;
        let mut again = Duration::MAX;
        for _ in 0..times {
            let site = tempfile::tempdir().unwrap();
            fs::write(site.path().join("engsync.toml"), CONFIG).unwrap();
            fs::create_dir_all(site.path().join("spool/incoming")).unwrap();
            new = new.min(run(site.path(), 8, count));
            again = again.min(run(site.path(), 9, count));
        }
        say(&format!("{count} new issues"), count, new);
        say(&format!("{count} known and unchanged, delivered again"), count, again);
    }
}

fn say(what: &str, count: usize, took: Duration) {
    let seconds = took.as_secs_f64();
    println!("{what:<44} {seconds:>9.3} {:>12.0}", count as f64 / seconds);
}

/// Delivers a package of `count` issues and runs once.
fn run(site: &Path, hour: u32, count: usize) -> Duration {
    let party = |id: &str, routing: &str, name: &str| Party {
        id: id.into(),
        routing: routing.into(),
        name: name.into(),
        country: "DE".into(),
        ..Party::default()
    };
    let name: PackageName = format!("ENG261120{hour:02}000000MFA").parse().unwrap();
    let issued = chrono::NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
    let message = engdat::compose(
        &name,
        issued.and_hms_opt(hour, 0, 0).unwrap(),
        &party("O0013005466MFAG", "RDEMUSTER", "Musterfahrzeug AG"),
        &party("O0013007789BEG", "RDEBEISPIEL", "Beispiel Elektronik GmbH"),
        &[FileEntry::archive("PKZIP-Archive")],
    );
    let incoming = site.join("spool/incoming");
    fs::write(incoming.join(name.part(2, 1).to_string()), engdat::write(&message).unwrap())
        .unwrap();
    fs::write(incoming.join(name.part(2, 2).to_string()), archive(hour, count)).unwrap();
    let start = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_engsync"))
        .args(["run", "-N", "--now", "2026-11-21T09:00:00+01:00"])
        .current_dir(site)
        .output()
        .unwrap();
    let took = start.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    took
}

fn archive(hour: u32, count: usize) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for number in 0..count {
        zip.start_file(format!("./{number}.xml"), options).unwrap();
        zip.write_all(document(hour, number).as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn document(hour: u32, number: usize) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<MSR-ISSUE><COMPANY-DATAS>
<COMPANY-DATA><LONG-NAME>Musterfahrzeug AG</LONG-NAME><SHORT-NAME>MFAG</SHORT-NAME><TEAM-MEMBERS><TEAM-MEMBER ID="U1"><LONG-NAME>Muster, Erika</LONG-NAME><SHORT-NAME>U1</SHORT-NAME><PHONE>1</PHONE><EMAIL>e@x.example</EMAIL></TEAM-MEMBER></TEAM-MEMBERS></COMPANY-DATA>
<COMPANY-DATA><LONG-NAME>Beispiel Elektronik GmbH</LONG-NAME><SHORT-NAME>BEG</SHORT-NAME></COMPANY-DATA>
</COMPANY-DATAS>
<ADMIN-DATA><DOC-REVISIONS><DOC-REVISION><TEAM-MEMBER-REF ID-REF="U1"/><DATE>2026/11/20T{hour:02}:00:00</DATE></DOC-REVISION></DOC-REVISIONS></ADMIN-DATA>
<ISSUES><ISSUE>
<LONG-NAME>Fensterheber klemmt, Fall {number}</LONG-NAME><CATEGORY>PROBLEM-REPORT</CATEGORY>
<ISSUE-DESC><P>Tür öffnen, warten, Tür schließen: der Fensterheber bleibt nach {number} ms stehen.</P></ISSUE-DESC>
<COMPANY-ISSUE-INFOS><COMPANY-ISSUE-INFO><COMPANY-DATA-REF>MFAG</COMPANY-DATA-REF><ISSUE-ID>{number}</ISSUE-ID></COMPANY-ISSUE-INFO></COMPANY-ISSUE-INFOS>
<ISSUE-PROPERTIES><ISSUE-CURRENT-STATE><ISSUE-STATE>REQUESTED</ISSUE-STATE></ISSUE-CURRENT-STATE><ISSUE-PRIORITY>HIGH</ISSUE-PRIORITY><REPRODUCIBILITY>REPEATABLE</REPRODUCIBILITY></ISSUE-PROPERTIES>
</ISSUE></ISSUES></MSR-ISSUE>
"#
    )
}
