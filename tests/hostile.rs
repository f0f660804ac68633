//! Hostile archives through `-z`: each ends soon, within little memory, with a reason, and costs
//! at most what is damaged.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the administrator")]

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

/// What of an archive is taken all the same: the issues, and a word that says what was not.
const WANTED: &[(&str, usize, &str)] = &[
    ("h01_billion_laughs", 0, "doctype"),
    ("h03_external_entity_file", 0, "doctype"),
    ("h04_external_dtd_http", 0, "doctype"),
    ("h05_deep_nesting", 0, "limit-exceeded"),
    ("h06_many_attributes", 0, "limit-exceeded"),
    ("h08_not_well_formed", 0, "bad-xml"),
    ("h40_truncated", 0, "bad-zip"),
    ("h44_empty", 0, "no-documents"),
    ("h45_zero_bytes", 0, "bad-zip"),
];

fn hostile() -> Vec<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/pfiff/hostile");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn rows_30_to_33_each_ends_soon_in_little_memory_with_a_reason() {
    let binary = assert_cmd::cargo::cargo_bin("engsync");
    let config = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/config/full.toml");
    let mut seen = Vec::new();
    for path in hostile() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let dir = tempfile::tempdir().unwrap();
        fs::copy(&config, dir.path().join("engsync.toml")).unwrap();
        // 128 MiB of private memory; whoever asks for more is refused it and dies.
        let command = format!(
            "ulimit -d 131072; exec '{}' -z '{}' -o out.zip --partner musterfahrzeug --json",
            binary.display(),
            path.display()
        );
        let start = Instant::now();
        let output =
            Command::new("sh").args(["-c", &command]).current_dir(dir.path()).output().unwrap();
        let took = start.elapsed();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
            panic!("{name}: {error}: {text}{}", String::from_utf8_lossy(&output.stderr))
        });
        assert!(took < Duration::from_secs(5), "{name} took {took:?}");
        let package = &report["packages"][0];
        let issues = package["issues"].as_array().unwrap().len();
        let applied = package["outcome"] == "applied";
        assert!(applied || package["reason"].is_string(), "{name} says no reason: {report:#}");
        // Nothing was written where an archive said.
        let mut left: Vec<String> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with("engsync.db"))
            .collect();
        left.sort();
        left.retain(|file| file != "out.zip");
        assert_eq!(left, ["engsync.toml", "spool"], "{name}");
        seen.push((name, issues, text));
    }
    assert!(seen.len() >= 30, "only {} archives", seen.len());
    for (wanted, issues, word) in WANTED {
        let found = seen.iter().find(|(name, ..)| name == wanted);
        let (_, got, text) = found.unwrap_or_else(|| panic!("{wanted} is not there"));
        assert_eq!(got, issues, "{wanted}: {text}");
        assert!(text.contains(&format!("\"{word}\"")), "{wanted}: no {word} in {text}");
    }
}
