//! Holds the documentation to the code.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use engsync::Code;

fn read(path: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The words in backticks that begin a table row.
fn first_cells(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned))
        .collect()
}

#[test]
fn every_stable_word_is_in_errors_md_and_no_other() {
    let tables: &[&[(Code, &str)]] = &[
        engsync::CODES,
        engsync::edifact::code::CODES,
        engsync::engdat::code::CODES,
        engsync::asam::code::CODES,
        engsync::issue::CODES,
        engsync::tracker::CODES,
        engsync::state::CODES,
        engsync::transport::CODES,
        engsync::sync::CODES,
        engsync::transport::sftp::CODES,
        engsync::exchange::CODES,
    ];
    let code: BTreeSet<String> =
        tables.iter().flat_map(|table| table.iter()).map(|(code, _)| code.to_string()).collect();
    let documented = first_cells(&read("docs/errors.md"));
    let missing: Vec<_> = code.difference(&documented).collect();
    let surplus: Vec<_> = documented.difference(&code).collect();
    assert!(missing.is_empty(), "not in docs/errors.md: {missing:?}");
    assert!(surplus.is_empty(), "in docs/errors.md, but not in the code: {surplus:?}");
}

#[test]
fn every_configuration_key_is_documented_and_no_other() {
    // The keys as the reader declares them, from its source: it is the one list there is.
    let source = read("src/cli/raw.rs");
    let (_, tables) = source.split_once("struct RawCompany").unwrap();
    let keys: BTreeSet<String> = tables
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub "))
        .filter_map(|line| line.split_once(": ").map(|(key, _)| key.to_owned()))
        .collect();
    assert!(keys.len() > 30, "{keys:?}");
    let mut documented = first_cells(&read("docs/configuration.md"));
    // Environment variables stand in the same file.
    documented.retain(|key| key.chars().any(char::is_lowercase));
    let missing: Vec<_> = keys.difference(&documented).collect();
    let surplus: Vec<_> = documented.difference(&keys).collect();
    assert!(missing.is_empty(), "not in docs/configuration.md: {missing:?}");
    assert!(surplus.is_empty(), "in docs/configuration.md, but not in the code: {surplus:?}");
}

#[test]
fn every_rule_kind_and_key_is_documented() {
    let docs = read("docs/rules.md");
    for kind in engsync::sync::kinds() {
        let heads = docs.lines().filter(|line| line.starts_with('#'));
        let described = heads.filter(|line| line.trim_start_matches(['#', ' ']) == kind).count();
        assert_eq!(described, 1, "docs/rules.md does not describe {kind}");
    }
    let source = read("src/sync/raw.rs");
    let keys = source.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.split('"').next());
    for key in keys {
        assert!(docs.contains(&format!("`{key}`")), "docs/rules.md does not describe {key}");
    }
}
