//! Descriptions out of order, from outside: each is taken with a finding or set aside with one, and
//! the finding says where.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the partner's server")]

mod common;

use std::fs;

use common::{Defect, RULES, Site, package};
use serde_json::Value;

const NAME: &str = "ENG26112008000000MFA";

/// A package whose description had `from` replaced by `to`; empty: `to` stands behind it.
fn site(spool: &str, rules: &str, from: &str, to: &str) -> Site {
    let site = Site::with(&format!("settle_seconds = 0\n{spool}"), rules);
    let files = package(NAME, &[Defect { number: "4711", title: "t", ..Defect::default() }]);
    let incoming = site.path("spool/incoming");
    let latin: String = files[0].1.iter().map(|byte| char::from(*byte)).collect();
    let changed = if from.is_empty() {
        format!("{latin}{to}")
    } else {
        assert!(latin.contains(from), "{from} is not in {latin}");
        latin.replacen(from, to, 1)
    };
    let bytes: Vec<u8> = changed.chars().map(|one| u8::try_from(u32::from(one)).unwrap()).collect();
    fs::write(incoming.join(&files[0].0), bytes).unwrap();
    fs::write(incoming.join(&files[1].0), &files[1].1).unwrap();
    site
}

/// The outcome, its reason, and the words of the findings.
fn ended(site: &Site) -> (String, Vec<String>) {
    let report = site.run();
    let package = &report["packages"][0];
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let findings = package["findings"].as_array().unwrap().iter();
    let outcome = format!("{} {}", text(&package["outcome"]), text(&package["reason"]));
    let mut codes: Vec<String> = findings.map(|one| text(&one["code"])).collect();
    codes.dedup();
    (outcome, codes)
}

#[test]
fn row_37_a_description_out_of_order_is_taken_with_a_finding_or_set_aside_with_a_reason() {
    let applied = "applied -";
    let cases: &[(&str, &str, &str, &[&str])] = &[
        ("TOT+2'", "TOT+2'", applied, &[]),
        // Counts and references that do not agree.
        ("TOT+2'", "TOT+1'", applied, &["engdat-total-without-message", "engdat-total"]),
        ("TOT+2'", "TOT+7'", applied, &["engdat-total"]),
        ("UNZ+1+", "UNZ+2+", applied, &["control-count"]),
        ("UNT+7+", "UNT+9+", applied, &["control-count"]),
        ("UNT+7+26", "UNT+7+36", "corrupt bad-edifact", &[]),
        ("UNZ+1+26", "UNZ+1+36", "corrupt bad-edifact", &[]),
        ("MID+26", "MID+36", applied, &["engdat-reference"]),
        ("TOT+", "ABC+1'TOT+", applied, &["engdat-unknown-segment", "control-count"]),
        // A character set by another name, blanks and lines around it.
        ("UNOC:", "UNOA:", applied, &["edifact-character"]),
        ("", "\r\n", applied, &["edifact-line-ends"]),
        ("UNB", "\u{ef}\u{bb}\u{bf}UNB", applied, &["edifact-stray-octets"]),
        // What cannot be one message, or not all of it.
        ("UNZ+", "UNX+", "corrupt bad-edifact", &[]),
        ("ENGDAT:", "ORDERS:", "corrupt bad-edifact", &[]),
        ("EFC+002", "EFC+000", "corrupt bad-edifact", &[]),
        ("'UNT", "?'UNT", "corrupt bad-edifact", &[]),
        ("", "UNB+UNOC:1+A+B+261120:0800+1'", "corrupt bad-edifact", &[]),
        ("UNB", "UNA:+.? 'UNA:+.? 'UNB", "corrupt bad-edifact", &[]),
    ];
    let mut wrong = Vec::new();
    for (from, to, outcome, codes) in cases {
        let got = ended(&site("", RULES, from, to));
        if got != ((*outcome).to_owned(), codes.iter().map(ToString::to_string).collect()) {
            wrong.push(format!("{from} -> {to}: {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn row_37_a_finding_says_where_and_what_was_expected() {
    let site = site("", RULES, "UNZ+1+", "UNZ+2+");
    let path = site.path("spool/incoming").join(format!("{NAME}002001"));
    let shown = site.engsync(&["inspect", "--json", path.to_str().unwrap()]).json();
    let shown = if shown.is_array() { shown[0].clone() } else { shown };
    let found = shown["findings"].as_array().unwrap();
    let found = found.iter().find(|one| one["code"] == "control-count").unwrap();
    assert!(found["byte"].as_u64().is_some_and(|byte| byte > 100), "{found}");
    assert!(found["segment"].as_u64().is_some(), "{found}");
    let text = found["text"].as_str().unwrap();
    assert!(text.contains('1') && text.contains('2'), "expected and actual: {text}");
}

#[test]
fn row_37_what_is_tolerated_is_the_partners_setting() {
    for (key, outcome, count) in
        [("strict", "corrupt bad-edifact", 0), ("ignore", "applied -", 0), ("", "applied -", 1)]
    {
        let table =
            if key.is_empty() { String::new() } else { format!("{key} = [\"control-count\"]") };
        let site = site("", RULES, "UNZ+1+", "UNZ+2+");
        let config = fs::read_to_string(site.path("engsync.toml")).unwrap();
        let config = config.replace("filename = \"MFA\"", &format!("filename = \"MFA\"\n{table}"));
        fs::write(site.path("engsync.toml"), config).unwrap();
        let (ended, codes) = ended(&site);
        assert_eq!((&*ended, codes.len()), (outcome, count), "{key}: {codes:?}");
    }
}
