//! The JSON shapes of `docs/formats/json.md`, held by snapshots.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;

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
