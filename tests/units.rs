//! Holds the systemd units of `docs/` to what systemd itself says of them, where it is installed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the administrator")]
#![allow(clippy::print_stderr, reason = "a test that was left out says so")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use common::service::{Service, defect, until};
use common::{Defect, RULES, Site};

const UNITS: [&str; 3] = ["engsync.service", "engsync-run.service", "engsync.timer"];

fn unit(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

fn is_installed() -> bool {
    let found = Command::new("systemd-analyze").arg("--version").output().is_ok();
    if !found {
        eprintln!("left out: systemd-analyze is not installed");
    }
    found
}

#[test]
fn the_units_call_commands_that_exist() {
    for (name, wanted) in [("engsync.service", "watch"), ("engsync-run.service", "run")] {
        let text = fs::read_to_string(unit(name)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        assert!(words[0].ends_with("/engsync"), "{line}");
        assert_eq!(words.last(), Some(&wanted), "{line}");
        // The program itself reads the line; it only lacks the file.
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("engsync"));
        let output = command.args(&words[1..]).arg("--help").output().unwrap();
        assert!(output.status.success(), "{line}");
    }
}

#[test]
fn systemd_has_nothing_against_the_units() {
    if !is_installed() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let paths = UNITS.map(|name| {
        let text = fs::read_to_string(unit(name)).unwrap();
        let path = dir.path().join(name);
        fs::write(&path, text.replace("/usr/local/bin/engsync", "/bin/true")).unwrap();
        path
    });
    assert_eq!(verified(&paths), Vec::<String>::new());
    // And it would have: a key that it does not know.
    let text = fs::read_to_string(&paths[0]).unwrap();
    fs::write(&paths[0], text.replace("UMask=", "UnknownMask=")).unwrap();
    assert_eq!(verified(&paths).len(), 1);
}

/// What systemd says of our units; of others on this machine it may say what it likes.
fn verified(paths: &[PathBuf]) -> Vec<String> {
    let verified = Command::new("systemd-analyze").arg("verify").args(paths).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    let ours: Vec<String> =
        said.lines().filter(|line| line.contains("engsync")).map(str::to_owned).collect();
    assert!(verified.status.success() || !ours.is_empty(), "{said}");
    ours
}

/// The units of a schedule of one's own, as the documentation shows them.
#[test]
fn systemd_has_nothing_against_the_units_of_the_documentation() {
    if !is_installed() {
        return;
    }
    let docs = fs::read_to_string(unit("operating.md")).unwrap();
    let (_, units) = docs.split_once("# /etc/systemd/system/engsync-exchange.service\n").unwrap();
    let (service, units) =
        units.split_once("# /etc/systemd/system/engsync-exchange.timer\n").unwrap();
    let (timer, _) = units.split_once("```").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let paths = [("engsync-exchange.service", service), ("engsync-exchange.timer", timer)];
    let paths = paths.map(|(name, text)| {
        let path = dir.path().join(name);
        fs::write(&path, text.replace("/usr/local/bin/engsync", "/bin/true")).unwrap();
        path
    });
    assert_eq!(verified(&paths), Vec::<String>::new());
}

/// What the units allow, the program does without: a call that is not in the filter would fail.
#[test]
fn the_services_make_no_call_that_their_units_forbid() {
    if !is_installed() || !common::may_trace() {
        return;
    }
    let text = fs::read_to_string(unit("engsync.service")).unwrap();
    let mut allowed = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        match line.strip_prefix('~') {
            None => allowed.extend(calls(line)),
            Some(without) => allowed = &allowed - &calls(without),
        }
    }
    assert!(allowed.contains("openat") && !allowed.contains("mount"), "{allowed:?}");
    let site = Site::with("settle_seconds = 0\nscan_seconds = 1", RULES);
    let more = format!(
        "[partner.oem.transport]\nkind = \"folder\"\ninbox = \"in\"\noutbox = \"out\"\n\
         every = \"1s\"\n{RULES}"
    );
    let mail = "[metrics]\ntextfile = \"engsync.prom\"\n[mail]\nto = [\"a@b.example\"]\n\
                from = \"a@b.example\"\ncommand = \"cat > mail\"";
    let spool = "settle_seconds = 0\nscan_seconds = 1";
    fs::write(site.path("engsync.toml"), common::config(spool, mail, &more)).unwrap();
    for dir in ["in", "out"] {
        fs::create_dir(site.path(dir)).unwrap();
    }
    let files: &[(&str, &[u8])] = &[("trace.txt", b"0x7f")];
    let defect = Defect { files, ..defect("4711") };
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-o", "trace"]);
    command.arg(assert_cmd::cargo::cargo_bin("engsync"));
    command.env("NOTIFY_SOCKET", "@nobody").env("WATCHDOG_USEC", "1000000");
    let mut service = Service::by(&site, command, &[]);
    let mut broken = common::package("ENG26112009000000MFA", std::slice::from_ref(&defect));
    broken[1].1.truncate(40);
    for (file, bytes) in common::package("ENG26112008000000MFA", &[defect]).iter().chain(&broken) {
        fs::write(site.path("in").join(file), bytes).unwrap();
    }
    until(&site, "an answer", || site.list("out").len() == 2);
    until(&site, "a mail", || site.path("mail").exists());
    service.signal("-HUP");
    service.signal("-TERM");
    assert_eq!(service.end(), Some(0));
    let trace = fs::read_to_string(site.path("trace")).unwrap();
    let mut made = BTreeSet::new();
    for line in trace.lines() {
        // `1234  openat(…`, of whichever thread.
        let Some((_, call)) = line.split_once(' ') else { continue };
        let Some((call, _)) = call.trim_start().split_once('(') else { continue };
        if call.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            made.insert(call.to_owned());
        }
    }
    for call in ["inotify_add_watch", "flock", "renameat2", "fsync", "sendto", "utimensat"] {
        assert!(made.contains(call), "{call} is not among {made:?}");
    }
    // Giving an answer to the outbox's group is tried, and may be refused.
    let spare = BTreeSet::from(["fchown".to_owned()]);
    let forbidden: Vec<_> = (&made - &allowed).difference(&spare).cloned().collect();
    assert_eq!(forbidden, Vec::<String>::new());
}

/// The calls of a list of names and `@groups`.
fn calls(list: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for name in list.split_whitespace() {
        if !name.starts_with('@') {
            all.insert(name.to_owned());
            continue;
        }
        let shown = Command::new("systemd-analyze").args(["syscall-filter", name]).output();
        for line in String::from_utf8(shown.unwrap().stdout).unwrap().lines().skip(1) {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                all.extend(calls(line));
            }
        }
    }
    all
}

#[test]
fn the_services_are_exposed_to_little() {
    if !is_installed() {
        return;
    }
    for name in ["engsync.service", "engsync-run.service"] {
        // Thresholds are tenths.
        let rated = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--threshold=20"])
            .arg(unit(name))
            .output()
            .unwrap();
        assert!(rated.status.success(), "{}", String::from_utf8_lossy(&rated.stdout));
    }
}
