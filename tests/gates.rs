//! What a gate keeps back, from outside: nothing of it is lost, and nothing of it overwritten.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the partner's server")]

mod common;
mod conflicts {
    pub(crate) mod exchange;
}

use std::fs;

use conflicts::exchange::{Exchange, issue, told};
use serde_json::json;

const TWO_WAY: &str = r#"
[[partner.oem.rule]]
kind = "two_way"
local = "shared"
remote = "reproducibility"
"#;

#[test]
fn a_shut_gate_keeps_a_delivery_with_its_files_until_it_opens() {
    let rules = r#"
[[partner.oem.rule]]
kind = "gate"
local = "status"
not_equals = "Closed"
stops = ["in"]
[[partner.oem.rule]]
kind = "attachments"
out_prefix = "oem-"
[[partner.oem.rule]]
kind = "table_to_remote"
locals = ["status"]
remote = "supplier_status"
rows = [["Closed", "CLOSED"], ["", "RECEIVED"]]
"#;
    let mut exchange = Exchange::agreed(rules, "always");
    exchange.set("status=Closed");
    let names = |exchange: &Exchange| -> Vec<String> {
        let issue = exchange.site.issue("ISS-1");
        let files = issue["attachments"].as_array().unwrap();
        files.iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect()
    };
    // The newer of two comes first; the older one has a file of its own.
    exchange.exports("old", "always", &[("early.txt", b"early")]);
    let held_back: Vec<_> = exchange.site.list("spool/incoming");
    for file in &held_back {
        fs::rename(exchange.site.path("spool/incoming").join(file), exchange.site.path(file))
            .unwrap();
    }
    exchange.exports("new", "always", &[("trace.txt", b"bytes")]);
    let report = exchange.site.run();
    assert_eq!(issue(&report)["action"], "skipped", "{report:#}");
    assert_eq!(report["sent"][0]["issues"], json!(["ISS-1"]), "CLOSED goes out");
    for file in &held_back {
        fs::rename(exchange.site.path(file), exchange.site.path("spool/incoming").join(file))
            .unwrap();
    }
    assert_eq!(issue(&exchange.site.run())["action"], "skipped");
    assert_eq!(exchange.field("summary"), "first");
    assert_eq!(names(&exchange), Vec::<String>::new());
    exchange.set("status=Open");
    let report = exchange.site.run();
    assert_eq!(issue(&report)["action"], "updated", "{report:#}");
    assert_eq!(exchange.field("summary"), "new");
    let mut files = names(&exchange);
    files.sort();
    assert_eq!(files, ["early.txt", "trace.txt"]);
    assert_eq!(exchange.site.list("engsync.db.pending"), Vec::<String>::new(), "nothing is left");
    assert_eq!(exchange.site.engsync(&["run"]).out, "nothing to do\n");
}

#[test]
fn what_is_delivered_in_the_run_that_finds_the_gate_open_loses_nothing_of_before() {
    let rules = r#"
[[partner.oem.rule]]
kind = "gate"
local = "status"
not_equals = "Closed"
[[partner.oem.rule]]
kind = "attachments"
"#;
    let mut exchange = Exchange::agreed(rules, "always");
    exchange.set("status=Closed");
    exchange.exports("second", "always", &[("trace.txt", b"bytes")]);
    exchange.site.run();
    exchange.set("status=Open");
    exchange.delivers("third", "always");
    assert_eq!(exchange.field("summary"), "third");
    assert_eq!(exchange.site.issue("ISS-1")["attachments"][0]["name"], "trace.txt");
}

#[test]
fn a_value_that_a_gate_keeps_out_is_not_overwritten_unseen() {
    let rules = format!(
        "{TWO_WAY}{}",
        r#"
[[partner.oem.rule]]
kind = "gate"
local = "status"
not_equals = "Closed"
stops = ["in"]
[[partner.oem.rule]]
kind = "to_remote"
local = "status"
remote = "supplier_status"
[[partner.oem.rule]]
kind = "to_remote"
local = "fix_versions"
remote = "resolved_in_release"
"#
    );
    let mut exchange = Exchange::agreed(&rules, "always");
    exchange.set("status=Closed");
    exchange.delivers("second", "seldom");
    exchange.set("shared=often");
    let ran = exchange.site.engsync(&["run", "--json"]);
    let report = ran.json();
    assert_eq!((ran.code, &issue(&report)["held"][0]["code"]), (1, &json!("unseen-value")));
    assert_eq!(report["sent"], json!([]), "not over theirs: {report:#}");
    // Something else goes out: what it echoes of theirs is the newest.
    exchange.set("fix_versions=R1");
    let ran = exchange.site.engsync(&["run", "--json"]);
    assert_eq!(ran.code, 0, "told once");
    assert_eq!(told(&exchange.site, &ran.json()).as_deref(), Some("seldom"));
    exchange.set("status=Open");
    let report = exchange.site.run();
    assert_eq!(issue(&report)["conflicts"][0]["kind"], "both-changed", "{report:#}");
    exchange.conflict(&["resolve", "1", "--take", "local"]);
    assert_eq!(exchange.told().as_deref(), Some("often"));
}

#[test]
fn a_remote_gate_looks_at_the_newest_delivery_in_both_directions() {
    let rules = r#"
[[partner.oem.rule]]
kind = "gate"
remote = "reproducibility"
equals = "always"
[[partner.oem.rule]]
kind = "to_remote"
local = "status"
remote = "supplier_status"
"#;
    let mut exchange = Exchange::agreed(rules, "always");
    exchange.delivers("second", "seldom");
    exchange.set("status=Working");
    assert_eq!(exchange.site.run()["sent"], json!([]), "it stops both directions");
    exchange.delivers("third", "always");
    assert_eq!(exchange.field("summary"), "third");
}

#[test]
fn a_delivery_that_passes_a_remote_gate_brings_along_what_was_kept_back_before_it() {
    let rules = r#"
[[partner.oem.rule]]
kind = "gate"
remote = "problem_synopsis"
not_equals = "draft"
[[partner.oem.rule]]
kind = "attachments"
"#;
    let mut exchange = Exchange::agreed(rules, "always");
    exchange.exports("draft", "always", &[("early.txt", b"early")]);
    assert_eq!(issue(&exchange.site.run())["action"], "skipped");
    exchange.exports("final", "always", &[("late.txt", b"late")]);
    exchange.site.run();
    assert_eq!(exchange.field("summary"), "final");
    let issue = exchange.site.issue("ISS-1");
    let files = issue["attachments"].as_array().unwrap();
    let mut names: Vec<&str> = files.iter().map(|file| file["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["early.txt", "late.txt"]);
    assert_eq!(exchange.site.list("engsync.db.pending"), Vec::<String>::new(), "nothing is left");
}

#[test]
fn an_older_delivery_that_passes_leaves_the_newer_one_that_waits() {
    let rules = r#"
[[partner.oem.rule]]
kind = "gate"
remote = "problem_synopsis"
not_equals = "draft"
[[partner.oem.rule]]
kind = "attachments"
"#;
    let mut exchange = Exchange::agreed(rules, "always");
    // The older of two comes late.
    exchange.exports("old", "always", &[]);
    let late: Vec<_> = exchange.site.list("spool/incoming");
    let incoming = exchange.site.path("spool/incoming");
    for file in &late {
        fs::rename(incoming.join(file), exchange.site.path(file)).unwrap();
    }
    exchange.exports("draft", "always", &[("trace.txt", b"bytes")]);
    assert_eq!(issue(&exchange.site.run())["action"], "skipped");
    for file in &late {
        fs::rename(exchange.site.path(file), incoming.join(file)).unwrap();
    }
    exchange.site.run();
    assert_eq!(exchange.field("summary"), "old");
    // The gate is taken away: what it kept back is newer.
    let config = fs::read_to_string(exchange.site.path("engsync.toml")).unwrap();
    let open = config.replace("not_equals = \"draft\"", "not_equals = \"nothing\"");
    fs::write(exchange.site.path("engsync.toml"), open).unwrap();
    exchange.site.run();
    assert_eq!(exchange.field("summary"), "draft");
    assert_eq!(exchange.site.issue("ISS-1")["attachments"][0]["name"], "trace.txt");
}
