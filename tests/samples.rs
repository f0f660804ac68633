//! The sample archives through `-z`, under a configuration with a rule for every field: every
//! value, comment source and attachment is what the older program's reader computes, after
//! white-space folding, save the deviations that stand here and in `docs/formats/msr-issue.md`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the administrator")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use common::ran;
use serde_json::Value;

const SAMPLES: &[(&str, usize)] = &[
    ("s1_single_full", 1),
    ("s2_multi_xml_pudis", 4),
    ("s3_name_encodings", 1),
    ("s4_richtext_encodings", 4),
    ("s5_bulk_40", 40),
];

/// Where we are better than the older reader: sample, issue, field.
const DEVIATIONS: &[(&str, &str, &str)] = &[
    // Maß.txt: a raw UTF-8 name without the flag; we find it.
    ("s3_name_encodings", "300001", "attachments"),
];

fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The embedded tracker's name of a partner's field, as the fixture configuration maps it.
fn local(field: &str) -> &str {
    match field {
        "problem_number" => "external_id",
        "problem_synopsis" => "summary",
        "problem_description" => "description",
        field => field,
    }
}

struct Compared {
    values: usize,
    files: usize,
    deviations: Vec<String>,
}

fn import(sample: &str) -> (tempfile::TempDir, Value) {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("engsync.toml");
    fs::copy(fixture("config/full.toml"), &config).unwrap();
    let zip = fixture(&format!("pfiff/{sample}.zip"));
    let engsync = |args: &[&str]| {
        let mut command = assert_cmd::Command::cargo_bin("engsync").unwrap();
        ran(&command.current_dir(dir.path()).args(args).output().unwrap())
    };
    let answer = dir.path().join("answer.zip");
    let zip = zip.to_string_lossy().into_owned();
    let ran = engsync(&["-z", &zip, "-o", &answer.to_string_lossy(), "--json"]);
    let report = ran.json();
    assert_eq!(report["packages"][0]["outcome"], "applied", "{sample}: {report:#}");
    assert!(answer.exists(), "{sample}: every new issue is answered");
    let keys = engsync(&["tracker", "list", "--json"]).json();
    let issues = keys
        .as_array()
        .unwrap()
        .iter()
        .map(|issue| {
            let key = issue["key"].as_str().unwrap();
            engsync(&["tracker", "show", key, "--json"]).json()
        })
        .collect();
    (dir, Value::Array(issues))
}

fn compare(sample: &str, wanted: &Value, got: &Value) -> Compared {
    let mut compared = Compared { values: 0, files: 0, deviations: Vec::new() };
    let number = wanted["problem_number"].as_str().unwrap();
    let mut differs = |field: &str, ours: &str, theirs: &str| {
        let known = DEVIATIONS.contains(&(sample, number, field));
        let text = format!("{sample} {number} {field}: {ours:?} instead of {theirs:?}");
        assert!(known, "{text}");
        compared.deviations.push(text);
    };
    for (field, value) in wanted.as_object().unwrap() {
        let Some(theirs) = value.as_str() else { continue };
        let ours = got["fields"][local(field)].as_str().unwrap_or("");
        compared.values += 1;
        if folded(ours) != folded(theirs) {
            differs(field, &folded(ours), &folded(theirs));
        }
    }
    let file = |file: &Value| (file["name"].as_str().unwrap().to_owned(), file["size"].as_u64());
    let theirs: BTreeSet<_> = wanted["__attachments__"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|file| !file["size"].is_null())
        .map(file)
        .collect();
    let ours: BTreeSet<_> = got["attachments"].as_array().unwrap().iter().map(file).collect();
    compared.files = ours.len();
    if ours != theirs {
        differs("attachments", &format!("{ours:?}"), &format!("{theirs:?}"));
    }
    compared
}

#[test]
fn every_value_comment_and_attachment_is_as_the_older_reader_has_it() {
    let mut met = Vec::new();
    for (sample, count) in SAMPLES {
        let (_dir, issues) = import(sample);
        let path = fixture(&format!("pfiff/expected/{sample}.reader.json"));
        let expected: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let wanted = expected["issues"].as_array().unwrap();
        assert_eq!(wanted.len(), *count, "{sample}");
        assert_eq!(issues.as_array().unwrap().len(), *count, "{sample}");
        let mut values = 0;
        for wanted in wanted {
            let number = &wanted["problem_number"];
            let got = issues
                .as_array()
                .unwrap()
                .iter()
                .find(|issue| issue["fields"]["external_id"] == *number)
                .unwrap_or_else(|| panic!("{sample}: {number} is not there"));
            let compared = compare(sample, wanted, got);
            values += compared.values;
            met.extend(compared.deviations);
        }
        assert!(values >= *count * 4, "{sample}: only {values} values were compared");
    }
    assert_eq!(met.len(), DEVIATIONS.len(), "a deviation that is none any more: {met:#?}");
}

#[test]
fn the_annotations_of_the_full_sample_become_comments_with_author_and_date() {
    let (_dir, issues) = import("s1_single_full");
    let comments = issues[0]["comments"].as_array().unwrap();
    let texts: Vec<&str> = comments.iter().map(|c| c["text"].as_str().unwrap().trim()).collect();
    assert_eq!(
        texts,
        ["Fehler auch im zweiten Fahrzeug aufgetreten.", "Ohne LABEL: wird übernommen."]
    );
    assert!(comments[0]["created"].as_str().unwrap().starts_with("2024-03-0"), "{comments:#?}");
}
