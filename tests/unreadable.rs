//! Rows of the fault matrix in which a file cannot be read or a log not be written.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what was skipped")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;

use std::fs;
use std::process::Command;

use common::{Defect, RULES, Site, outcomes, package};

const FIRST: &str = "ENG26112008000000MFA";
const SECOND: &str = "ENG26112009000000MFA";
const LATER: &str = "2026-11-21T10:00:00+01:00";

fn defect(number: &str) -> Defect<'_> {
    Defect { number, title: "Fensterheber klemmt", ..Defect::default() }
}

fn settled() -> Site {
    Site::with("settle_seconds = 0", RULES)
}

/// A run in which system calls on one file fail; `None` where that cannot be done here.
fn failing(site: &Site, calls: &str, error: &str, part: &str, now: &str) -> Option<common::Ran> {
    if !common::may_trace() {
        return None;
    }
    let mut command = Command::new("strace");
    command.current_dir(site.dir.path()).args(["-f", "-qq", "-o", "/dev/null"]);
    for place in ["spool/incoming", &format!("spool/active/{FIRST}")] {
        command.arg("-P").arg(site.path(place).join(part));
    }
    command.args(["-e", &format!("inject={calls}:error={error}")]);
    // By its whole name, which is what the calls are told apart by.
    command.arg(env!("CARGO_BIN_EXE_engsync")).args(["run", "--json", "--now", now]);
    command.arg("-c").arg(site.path("engsync.toml"));
    Some(common::ran(&command.env("USER", "tester").output().unwrap()))
}

#[test]
fn rows_7_and_36_a_part_that_cannot_be_read_costs_only_its_package() {
    let cases = [
        ("read", "EIO", 0, "Input/output error"),
        ("read", "EIO", 1, "Input/output error"),
        ("openat", "EACCES", 0, "Permission denied"),
        ("openat", "EACCES", 1, "Permission denied"),
    ];
    for (calls, error, which, text) in cases {
        let site = settled();
        site.deliver(FIRST, &[defect("4711")]);
        site.deliver(SECOND, &[defect("4712")]);
        let part = &package(FIRST, &[defect("4711")])[which].0;
        let Some(ran) = failing(&site, calls, error, part, common::NOW) else { return };
        assert_eq!(ran.code, 1, "{calls} {which}: {}", ran.err);
        let report = ran.json();
        let mut got = outcomes(&report);
        got.sort();
        assert_eq!(got, ["applied -", "deferred disk"], "{calls} {which}: {report:#}");
        assert!(report.to_string().contains(text), "{calls} {which}: {report:#}");
        // No busy loop: not before its time.
        assert_eq!(site.engsync(&["run"]).code, 0);
        assert_eq!(site.list("spool/deferred"), [FIRST]);
        let ran = site.engsync(&["run", "--json", "--now", LATER]);
        assert_eq!(outcomes(&ran.json()), ["applied -"], "{calls} {which}");
        assert_eq!(site.issues(), 2);
    }
}

#[test]
fn rows_7_and_36_an_unreadable_part_that_stays_in_incoming_costs_only_its_package() {
    for (calls, error, which) in [("read", "EIO", 1), ("openat", "EACCES", 0)] {
        let site = Site::with("settle_seconds = 0\nkeep_incoming = true", RULES);
        site.deliver(FIRST, &[defect("4711")]);
        site.deliver(SECOND, &[defect("4712")]);
        let part = &package(FIRST, &[defect("4711")])[which].0;
        let Some(ran) = failing(&site, calls, error, part, common::NOW) else { return };
        assert_eq!(ran.code, 1, "{calls} {which}: {}", ran.err);
        let mut got = outcomes(&ran.json());
        got.sort();
        assert_eq!(got, ["applied -", "deferred disk"], "{calls} {which}");
        // It stays, and is looked at again.
        let ran = site.engsync(&["run", "--json"]);
        assert_eq!(outcomes(&ran.json()), ["applied -"], "{calls} {which}");
        assert_eq!(site.issues(), 2);
        // So does one that was applied, and of which only the content tells that it is the same.
        let path = site.path("spool/incoming").join(part);
        let touched = std::fs::File::options().write(true).open(path).unwrap();
        touched.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        let Some(ran) = failing(&site, calls, error, part, common::NOW) else { return };
        assert_eq!(outcomes(&ran.json()), ["deferred disk"], "{calls} {which}: {}", ran.err);
        assert_eq!(site.engsync(&["run"]).out, "nothing to do\n");
    }
}

#[test]
fn row_7_a_part_that_stays_unreadable_is_set_aside_with_what_the_system_says() {
    let site = settled();
    site.deliver(FIRST, &[defect("4711")]);
    let part = &package(FIRST, &[defect("4711")])[1].0;
    let mut tries = 0;
    for hour in 9..23 {
        let now = format!("2026-11-21T{hour:02}:00:00Z");
        let Some(_) = failing(&site, "read", "EIO", part, &now) else { return };
        tries += 1;
        if site.list("spool/corrupt") == [FIRST] {
            break;
        }
    }
    assert_eq!(tries, 6);
    let reason = fs::read_to_string(site.path(&format!("spool/corrupt/{FIRST}/reason.json")));
    assert!(reason.unwrap().contains("Input/output error"));
    assert_eq!(site.engsync(&["release", FIRST]).code, 0);
    assert_eq!(outcomes(&site.run()), ["applied -"]);
}

#[test]
fn row_40_a_log_that_cannot_be_written_stops_nothing() {
    let site = settled();
    site.deliver(FIRST, &[defect("4711")]);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_engsync"))
        .current_dir(site.dir.path())
        .env_clear()
        .args(["run", "-vv", "--now", common::NOW])
        .stdout(std::process::Stdio::null())
        .stderr(full)
        .status()
        .unwrap();
    assert_eq!(done.code(), Some(0));
    assert_eq!((site.issues(), site.list("spool/outgoing/oem").len()), (1, 2));
}
