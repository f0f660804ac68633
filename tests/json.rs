//! The JSON shapes of `docs/formats/json.md`, held by snapshots.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::{Defect, Ran, Site};
use serde_json::Value;

const FIRST: &str = "ENG26112008000000MFA";

/// A site that has met an issue, a broken package, and a state without a row.
fn lived_in() -> Site {
    let site = Site::with("settle_seconds = 0", common::RULES);
    let files: &[(&str, &[u8])] = &[("trace.txt", b"0x7f")];
    let defect = Defect {
        number: "4711",
        title: "Tür klemmt",
        description: "Öffnen",
        files,
        ..Defect::default()
    };
    site.deliver(FIRST, &[defect]);
    fs::write(site.path("spool/incoming/ENG26112009000000MFA002001"), "UNB+UNOC:1+x").unwrap();
    fs::write(site.path("spool/incoming/note.txt"), "").unwrap();
    site
}

fn snapshot(name: &str, ran: &Ran) {
    let mut json = ran.json();
    mask(&mut json);
    insta::assert_json_snapshot!(name, json);
}

/// Ages and what depends on the machine.
fn mask(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let machine =
                    ["age_seconds", "config", "since", "modified"].contains(&key.as_str());
                if machine && !value.is_null() {
                    *value = Value::from("<masked>");
                } else {
                    mask(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

#[test]
fn every_shape_is_as_documented() {
    let site = lived_in();
    snapshot("run-dry", &site.engsync(&["run", "--json", "-n"]));
    snapshot("run", &site.engsync(&["run", "--json"]));
    site.engsync(&["tracker", "set", "ISS-1", "status=Odd"]);
    snapshot("run-held", &site.engsync(&["run", "--json"]));
    snapshot("status", &site.engsync(&["status", "--json"]));
    snapshot("log", &site.engsync(&["log", "--json"]));
    snapshot("check", &site.engsync(&["check", "--json"]));
    snapshot("schema", &site.engsync(&["schema", "--json"]));
    snapshot("explain", &site.engsync(&["explain", "ISS-1", "status", "--json"]));
    snapshot("conflicts", &site.engsync(&["conflicts", "--json"]));
    snapshot("tracker-list", &site.engsync(&["tracker", "list", "--json"]));
    snapshot("tracker-show", &site.engsync(&["tracker", "show", "ISS-1", "--json"]));
    snapshot("release", &site.engsync(&["release", "ENG26112009000000MFA", "--json"]));
    snapshot("error", &site.engsync(&["release", "ENG0", "--json"]));
    let description = format!("spool/done/{FIRST}/{FIRST}002001");
    snapshot("inspect", &site.engsync(&["inspect", &description, "--json"]));
}

/// The first JSON example of a section of the document.
fn example(section: &str) -> Value {
    let doc = include_str!("../docs/formats/json.md");
    let (_, rest) = doc.split_once(&format!("\n## {section}\n")).unwrap();
    let (_, block) = rest.split_once("```json\n").unwrap();
    let (block, _) = block.split_once("\n```").unwrap();
    serde_json::from_str(block).unwrap_or_else(|error| panic!("{section}: {error}"))
}

/// The objects at the same place in several values, lists flattened, and their names.
fn objects<'v>(values: &[&'v Value]) -> Vec<&'v serde_json::Map<String, Value>> {
    let mut found = Vec::new();
    for value in values {
        match value {
            Value::Object(map) => found.push(map),
            Value::Array(items) => found.extend(objects(&items.iter().collect::<Vec<_>>())),
            _ => {}
        }
    }
    found
}

/// The keys of the example and those that are printed are the same, as deep as both go. Names that
/// are data, and `message` (whose example is shortened), are left out.
fn agree(place: &str, told: &[&Value], printed: &[&Value]) {
    let (told, printed) = (objects(told), objects(printed));
    if told.iter().all(|map| map.is_empty()) || printed.is_empty() {
        return;
    }
    let keys = |maps: &[&serde_json::Map<String, Value>]| -> BTreeSet<String> {
        maps.iter().flat_map(|map| map.keys().cloned()).collect()
    };
    let (told_keys, printed_keys) = (keys(&told), keys(&printed));
    // What is left out where there is nothing to say.
    let optional = ["overwrote", "cut", "missing"];
    let missing: Vec<_> = told_keys.difference(&printed_keys).collect();
    assert!(missing.is_empty(), "{place}: {missing:?} are documented and not printed");
    let unknown: Vec<_> = printed_keys
        .difference(&told_keys)
        .filter(|key| !optional.contains(&key.as_str()))
        .collect();
    assert!(unknown.is_empty(), "{place}: {unknown:?} are printed and not documented");
    for key in told_keys.iter().filter(|key| !["fields", "message"].contains(&key.as_str())) {
        let below = |maps: &[&'_ serde_json::Map<String, Value>]| -> Vec<Value> {
            maps.iter().filter_map(|map| map.get(key).cloned()).collect()
        };
        let (told, printed) = (below(&told), below(&printed));
        let (told, printed): (Vec<_>, Vec<_>) = (told.iter().collect(), printed.iter().collect());
        agree(&format!("{place}.{key}"), &told, &printed);
    }
}

#[test]
fn the_examples_have_the_keys_that_are_printed() {
    let site = lived_in();
    let print = |args: &[&str]| site.engsync(&[args, &["--json"]].concat()).json();
    let mut runs = vec![print(&["run"])];
    site.engsync(&["tracker", "set", "ISS-1", "status=Odd"]);
    site.engsync(&["tracker", "comment", "ISS-1", "[TO OEM] hallo"]);
    runs.push(print(&["run"]));
    let description = format!("spool/done/{FIRST}/{FIRST}002001");
    let broken = "spool/corrupt/ENG26112009000000MFA";
    for (section, printed) in [
        ("The report: `run`, `exchange`, `-z`", runs),
        ("status", vec![print(&["status"])]),
        ("check", vec![print(&["check"])]),
        ("schema", vec![print(&["schema"])]),
        ("inspect", vec![print(&["inspect", &description]), print(&["inspect", broken])]),
        ("tracker", vec![print(&["tracker", "show", "ISS-1"])]),
        ("explain", vec![print(&["explain", "ISS-1", "status"])]),
        ("Errors", vec![print(&["release", "ENG0"])]),
    ] {
        agree(section, &[&example(section)], &printed.iter().collect::<Vec<_>>());
    }
}
