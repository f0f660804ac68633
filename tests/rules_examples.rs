//! Every example in docs/rules.md is a rule that works; for each kind there is one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use engsync::Severity;
use engsync::sync::{RawRule, Rule, ValueMap, check, kinds};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    partner: Partners,
}

#[derive(Deserialize)]
struct Partners {
    oem: Oem,
}

#[derive(Deserialize)]
struct Oem {
    rule: Vec<RawRule>,
}

/// The fenced blocks of a language.
fn blocks(docs: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let rest = docs.split(&fence).skip(1);
    rest.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_example_is_a_rule_that_works() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let csv = blocks(&docs, "csv");
    let read = |_: &str| Ok(csv[0].clone().into_bytes());
    let users = ValueMap::users(b"partner id,local user\nU4711,muster\n").unwrap();
    let mut seen = BTreeSet::new();
    for text in blocks(&docs, "toml") {
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let mut rules = Vec::new();
        for raw in &file.partner.oem.rule {
            rules.push(
                Rule::with_users(raw, &read, Some(&users))
                    .unwrap_or_else(|p| panic!("{p:?}\n{text}")),
            );
            seen.insert(raw.kind.clone());
            if raw.rows.is_some() {
                // The same table from the CSV file beside it.
                let from_file =
                    RawRule { rows: None, table: Some("status.csv".into()), ..raw.clone() };
                let from_file = Rule::from_raw(&from_file, &read).unwrap();
                let inline = Rule::from_raw(raw, &read).unwrap();
                assert_eq!(format!("{:?}", from_file.kind), format!("{:?}", inline.kind));
            }
        }
        let errors: Vec<_> = check(&rules, None, &|_| true)
            .into_iter()
            .filter(|problem| problem.severity == Severity::Error)
            .collect();
        assert!(errors.is_empty(), "{errors:?}\n{text}");
    }
    let kinds: BTreeSet<String> = kinds().map(str::to_owned).collect();
    assert_eq!(seen, kinds, "an example for every kind");
}
