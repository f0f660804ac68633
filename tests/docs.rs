//! Holds the documentation to the code.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

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

/// The test functions below a directory, by name.
fn tests_below(dir: &Path, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_below(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let name =
                |line: &str| Some(line.trim().strip_prefix("fn ")?.split_once('(')?.0.to_owned());
            let mut lines = text.lines();
            while lines.by_ref().any(|line| line.trim() == "#[test]") {
                // Other attributes may stand between.
                into.extend(lines.by_ref().find_map(name));
            }
        }
    }
}

/// The rows of the fault matrix that a test's name says: `row_9_x`, `rows_5_and_6_x`,
/// `rows_1_to_3_x`.
fn rows_of(test: &str) -> Vec<u32> {
    let words: Vec<&str> = test.split('_').collect();
    let number = |index: usize| words.get(index)?.parse::<u32>().ok();
    match (words[0], number(1), words.get(2), number(3)) {
        ("row", Some(row), ..) => vec![row],
        ("rows", Some(first), Some(&"to"), Some(last)) => (first..=last).collect(),
        ("rows", Some(first), Some(&"and"), Some(second)) => vec![first, second],
        _ => Vec::new(),
    }
}

#[test]
fn every_row_of_the_fault_matrix_has_a_test_of_its_number_and_the_table_names_no_other() {
    let mut tests = BTreeSet::new();
    for dir in ["tests", "src"] {
        tests_below(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(dir), &mut tests);
    }
    assert!(tests.len() > 500, "only {} tests found", tests.len());
    let text = read("docs/reliability.md");
    let (_, matrix) = text.split_once("## The fault matrix").unwrap();
    let lines = matrix.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let rows: Vec<(u32, &str)> =
        lines.filter_map(|(number, rest)| Some((number.parse().ok()?, rest))).collect();
    let numbers: Vec<u32> = rows.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<u32>>());
    let mut wrong = Vec::new();
    for (number, rest) in rows {
        if !tests.iter().any(|test| rows_of(test).contains(&number)) {
            wrong.push(format!("no test bears the number {number}"));
        }
        for word in rest.split('`').skip(1).step_by(2) {
            let may_stand =
                |one: char| one.is_ascii_lowercase() || "_0123456789\u{2026}".contains(one);
            // A configuration key has fewer.
            let is_name = word.matches('_').count() > 1 && word.chars().all(may_stand);
            let start = word.trim_end_matches('\u{2026}');
            if is_name && !tests.iter().any(|test| test.starts_with(start)) {
                wrong.push(format!("row {number} names {word}, which is no test"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
