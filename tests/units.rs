//! Holds the systemd units of `docs/` to what systemd itself says of them, where it is installed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the administrator")]
#![allow(clippy::print_stderr, reason = "a test that was left out says so")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

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
    let verified = Command::new("systemd-analyze").arg("verify").args(&paths).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("engsync")).collect();
    assert!(verified.status.success() && ours.is_empty(), "{said}");
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
