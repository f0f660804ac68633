//! Conflicts, gates, held fields and links, from outside: what a person sees, does and gets, and
//! what the partner is sent.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the partner's server")]

mod common;
mod conflicts {
    pub(crate) mod exchange;
}

use std::fs;

use common::answer;
use conflicts::exchange::{Exchange, issue, told};
use serde_json::json;

const TWO_WAY: &str = r#"
[[partner.oem.rule]]
kind = "two_way"
local = "shared"
remote = "reproducibility"
"#;

/// Both sides changed `shared`, with the default policy.
fn in_conflict() -> Exchange {
    let mut exchange = Exchange::agreed(TWO_WAY, "always");
    exchange.set("shared=often");
    let report = exchange.delivers("second", "seldom");
    assert_eq!(
        issue(&report)["conflicts"],
        json!([{ "id": 1, "field": "shared", "kind": "both-changed" }])
    );
    exchange
}

#[test]
fn a_conflict_holds_this_field_only_and_is_reported_once() {
    let mut exchange = Exchange::agreed(TWO_WAY, "always");
    exchange.set("shared=often");
    exchange.exports("second", "seldom", &[]);
    let ran = exchange.site.engsync(&["run"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("conflict"), "{}", ran.out);
    assert_eq!(exchange.field("summary"), "second", "the rest goes on");
    assert_eq!(exchange.field("shared"), "often", "both values stay");
    let again = exchange.site.engsync(&["run"]);
    assert_eq!((again.code, again.out.as_str()), (0, "nothing to do\n"));
    assert_eq!(exchange.site.engsync(&["status", "--check"]).code, 1, "it stands");
    // The same once more is no news; another value of theirs is.
    exchange.exports("third", "seldom", &[]);
    assert_eq!(exchange.site.engsync(&["run"]).code, 0);
    exchange.exports("fourth", "never", &[]);
    assert_eq!(exchange.site.engsync(&["run"]).code, 1);
    assert_eq!(exchange.states(), ["open"], "one record, kept up to date");
    let shown = exchange.conflict(&["show", "1"]).out;
    for line in ["base:     always", "local:    often", "remote:   never", "\"manual\""] {
        assert!(shown.contains(line), "{line} is not in {shown}");
    }
    assert!(exchange.conflict(&["list"]).out.contains("shared"));
    let explained = exchange.site.engsync(&["explain", "ISS-1", "shared"]).out;
    assert!(explained.contains("conflict     1, both-changed"), "{explained}");
    assert!(explained.contains("(conflict = \"manual\")"), "{explained}");
}

#[test]
fn a_decision_gives_both_sides_the_value_and_can_be_taken_back() {
    // How it is decided; what is here then; what the partner is told; the same after `undo`.
    type Case = (
        &'static [&'static str],
        &'static str,
        Option<&'static str>,
        &'static str,
        Option<&'static str>,
    );
    let cases: [Case; 5] = [
        (&["--take", "remote"], "seldom", None, "often", Some("often")),
        (&["--take", "local"], "often", Some("often"), "seldom", Some("seldom")),
        (&["--take", "base"], "always", Some("always"), "often", Some("often")),
        (&["--value", "twice"], "twice", Some("twice"), "often", Some("often")),
        (&["--value", ""], "", Some(""), "often", Some("often")),
    ];
    for (how, here, sent, undone, then) in cases {
        let exchange = in_conflict();
        exchange.conflict(&[&["resolve", "1"], how].concat());
        assert_eq!(exchange.field("shared"), here, "{how:?}");
        assert_eq!(exchange.told().as_deref(), sent, "{how:?}");
        assert_eq!(exchange.told(), None, "{how:?}: once");
        assert_eq!(exchange.states(), ["resolved"]);
        assert_eq!(exchange.site.engsync(&["status", "--check"]).code, 0, "{how:?}");
        let twice = exchange.site.engsync(&["conflicts", "resolve", "1", "--take", "local"]);
        assert_eq!(twice.code, 2, "{}", twice.err);
        exchange.conflict(&["undo", "1"]);
        assert_eq!(exchange.field("shared"), undone, "{how:?} undone");
        assert_eq!(exchange.told().as_deref(), then, "{how:?} undone");
    }
}

#[test]
fn what_was_decided_holds_when_the_partner_takes_it_over_or_changes_it() {
    let mut exchange = in_conflict();
    exchange.conflict(&["resolve", "1", "--take", "local"]);
    assert_eq!(exchange.told().as_deref(), Some("often"));
    let late = exchange.delivers("third", "seldom");
    assert_eq!(issue(&late)["conflicts"], json!([]), "the export has not caught up");
    assert_eq!(exchange.field("shared"), "often");
    let taken = exchange.delivers("fourth", "often");
    assert_eq!((&issue(&taken)["conflicts"], &taken["sent"]), (&json!([]), &json!([])));
    exchange.delivers("fifth", "never");
    assert_eq!(exchange.field("shared"), "never", "an ordinary change");
}

#[test]
fn equal_values_end_a_conflict_by_themselves() {
    let here = in_conflict();
    here.set("shared=seldom");
    assert_eq!(here.told(), None);
    assert_eq!(here.states(), ["superseded"], "typed here");
    let mut there = in_conflict();
    there.delivers("third", "often");
    assert_eq!(there.states(), ["superseded"], "delivered");
    assert_eq!(there.told(), None, "both know it");
}

#[test]
fn a_policy_decides_and_the_partner_is_told_where_its_value_lost() {
    // Policy and its keys; what is here then; what the partner is told.
    let cases = [
        ("conflict = \"remote\"", "seldom", None),
        ("conflict = \"local\"", "often", Some("often")),
        ("conflict = \"first\"", "often", Some("often")),
        (
            "conflict = \"append\"",
            "[partner]\nseldom\n\n[local]\noften",
            Some("[partner]\nseldom\n\n[local]\noften"),
        ),
        ("conflict = \"keep-both\"\nside_field = \"other\"", "often", Some("often")),
        (
            "conflict = \"owner\"\nowner_field = \"status\"\nowner = { Open = \"remote\" }",
            "seldom",
            None,
        ),
        (
            "conflict = \"owner\"\nowner_field = \"status\"\nowner = { Open = \"local\" }",
            "often",
            Some("often"),
        ),
    ];
    for (policy, here, sent) in cases {
        let mut exchange = Exchange::agreed(&format!("{TWO_WAY}{policy}\n"), "always");
        exchange.set("shared=often");
        exchange.exports("second", "seldom", &[]);
        let ran = exchange.site.engsync(&["run", "--json"]);
        assert_eq!(ran.code, 0, "{policy}: decided, nobody is needed");
        assert_eq!(exchange.field("shared"), here, "{policy}");
        assert_eq!(told(&exchange.site, &ran.json()).as_deref(), sent, "{policy}");
        assert_eq!(exchange.states(), ["auto-resolved"], "{policy}: the loser is kept");
        if policy.contains("keep-both") {
            assert_eq!(exchange.field("other"), "seldom", "theirs stands beside");
        }
        let record = exchange.conflict(&["show", "1", "--json"]).json();
        assert_eq!(record["record"]["local"], "often", "{policy}");
        assert_eq!(record["record"]["remote"], "seldom", "{policy}");
        assert_eq!(exchange.told(), None, "{policy}: once");
    }
    let owner =
        "conflict = \"owner\"\nowner_field = \"status\"\nowner = { Working = \"remote\" }\n";
    let mut exchange = Exchange::agreed(&format!("{TWO_WAY}{owner}"), "always");
    exchange.set("shared=often");
    exchange.delivers("second", "seldom");
    assert_eq!(exchange.states(), ["open"], "no owner for Open: a person decides");
}

#[test]
fn texts_merge_by_lines_or_wait_for_a_person() {
    let rules = format!("{TWO_WAY}conflict = \"merge-text\"\n");
    let mut exchange = Exchange::agreed(&rules, "one\ntwo\nthree");
    exchange.set("shared=ONE\ntwo\nthree");
    let report = exchange.delivers("second", "one\ntwo\nTHREE");
    assert_eq!(exchange.field("shared"), "ONE\ntwo\nTHREE");
    assert_eq!(told(&exchange.site, &report).as_deref(), Some("ONE\ntwo\nTHREE"));
    exchange.delivers("third", "ONE\ntwo\nTHREE");
    exchange.set("shared=ONE\nzwei\nTHREE");
    let report = exchange.delivers("fourth", "ONE\ndeux\nTHREE");
    assert_eq!(issue(&report)["conflicts"][0]["kind"], "both-changed");
    assert_eq!(exchange.states(), ["auto-resolved", "open"]);
}

#[test]
fn our_empty_value_wins_as_an_empty_value() {
    let rules = format!("{TWO_WAY}conflict = \"local\"\n");
    let mut exchange = Exchange::agreed(&rules, "always");
    exchange.set("shared=");
    let report = exchange.delivers("second", "seldom");
    assert_eq!(exchange.field("shared"), "");
    assert_eq!(told(&exchange.site, &report).as_deref(), Some(""));
}

#[test]
fn a_value_without_an_entry_is_held_once_and_tried_again_when_told() {
    let rules = format!("{TWO_WAY}map = {{ oft = \"often\", immer = \"always\" }}\n");
    let mut exchange = Exchange::agreed(&rules, "always");
    assert_eq!(exchange.field("shared"), "immer");
    exchange.exports("second", "seldom", &[]);
    let ran = exchange.site.engsync(&["run", "--json"]);
    assert_eq!(ran.code, 1);
    assert_eq!(issue(&ran.json())["held"][0]["code"], "unmapped-value");
    assert_eq!(
        (exchange.field("summary"), exchange.field("shared")),
        ("second".into(), "immer".into())
    );
    exchange.exports("third", "seldom", &[]);
    assert_eq!(exchange.site.engsync(&["run"]).code, 0, "reported once");
    let explained = exchange.site.engsync(&["explain", "ISS-1", "shared"]).out;
    assert!(explained.contains("held         unmapped-value"), "{explained}");
    // The map learns the word; nothing new is delivered.
    let config = exchange.site.path("engsync.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("{ oft", "{ selten = \"seldom\", oft")).unwrap();
    let retried = exchange.site.engsync(&["retry", "ISS-1"]);
    assert_eq!(retried.out, "ISS-1: 1 held; the next run tries again\n");
    assert_eq!(exchange.site.engsync(&["run"]).code, 0);
    assert_eq!(exchange.field("shared"), "selten");
    assert_eq!(exchange.site.engsync(&["retry", "ISS-1"]).out, "nothing of ISS-1 is held\n");
}

#[test]
fn a_value_the_tracker_refuses_is_held_and_the_others_are_written() {
    let rules = "[[partner.oem.rule]]\nkind = \"to_local\"\nlocal = \"phase\"\nremote = \"reproducibility\"\n";
    let mut exchange = Exchange::new(rules);
    let config = exchange.site.path("engsync.toml");
    let text = fs::read_to_string(&config).unwrap();
    let values = "kind = \"embedded\"\nvalues = { phase = [\"always\"] }";
    fs::write(&config, text.replacen("kind = \"embedded\"", values, 1)).unwrap();
    exchange.delivers("first", "always");
    exchange.exports("second", "seldom", &[]);
    let ran = exchange.site.engsync(&["run", "--json"]);
    assert_eq!(ran.code, 1);
    assert_eq!(issue(&ran.json())["held"][0]["field"], "phase");
    assert_eq!(
        (exchange.field("summary"), exchange.field("phase")),
        ("second".into(), "always".into())
    );
    exchange.exports("third", "seldom", &[]);
    assert_eq!(exchange.site.engsync(&["run"]).code, 0, "reported once");
    fs::write(&config, text.clone()).unwrap();
    exchange.site.engsync(&["retry", "4711"]);
    assert_eq!(exchange.site.engsync(&["run"]).code, 0);
    assert_eq!(exchange.field("phase"), "seldom");
}

#[test]
fn an_issue_that_exists_on_both_sides_is_adopted_and_let_go() {
    let mut exchange = Exchange::new(TWO_WAY);
    let made = exchange.site.engsync(&["tracker", "create", "summary=ours", "shared=often"]);
    assert_eq!(made.code, 0, "{}", made.err);
    let linked = exchange.site.engsync(&["link", "oem", "4711", "ISS-1"]);
    assert_eq!((linked.code, linked.out.as_str()), (0, "4711 of oem is ISS-1 from now on\n"));
    assert_eq!(exchange.site.engsync(&["link", "oem", "4711", "ISS-1"]).code, 2, "once");
    let report = exchange.delivers("theirs", "seldom");
    assert_eq!(issue(&report)["local"], "ISS-1", "no twin is made: {report:#}");
    assert_eq!(issue(&report)["conflicts"][0]["kind"], "no-base");
    assert_eq!(
        (exchange.field("summary"), exchange.field("shared")),
        ("theirs".into(), "often".into())
    );
    exchange.conflict(&["resolve", "1", "--take", "local"]);
    assert_eq!(exchange.told().as_deref(), Some("often"));
    let unlinked = exchange.site.engsync(&["unlink", "oem", "4711"]);
    assert_eq!(unlinked.code, 0, "{}", unlinked.err);
    let report = exchange.delivers("theirs again", "often");
    assert_eq!(issue(&report)["local"], "ISS-2", "a stranger from now on");
    assert_eq!(exchange.site.engsync(&["link", "oem", "9", "ISS-99"]).code, 2);
    assert_eq!(exchange.site.engsync(&["unlink", "oem", "9"]).code, 2);
}

#[test]
fn explain_and_the_log_keep_what_was_overwritten() {
    let mut exchange = Exchange::agreed("", "always");
    exchange.set("summary=edited here");
    exchange.delivers("second", "always");
    let explained = exchange.site.engsync(&["explain", "ISS-1", "summary"]);
    assert_eq!(explained.code, 0, "{}", explained.err);
    let explained = explained.out;
    let line = "edited here → second";
    assert!(explained.contains(line) && explained.contains("over a local edit"), "{explained}");
    assert_eq!(exchange.site.engsync(&["log", "--csv", "log.csv"]).code, 0);
    let csv = fs::read_to_string(exchange.site.path("log.csv")).unwrap();
    assert!(csv.contains("edited here,second"), "{csv}");
}

#[test]
fn a_late_document_does_not_make_a_local_edit_stay() {
    let mut exchange = Exchange::agreed("", "always");
    exchange.hour = 11;
    exchange.delivers("newer", "always");
    exchange.set("summary=edited here");
    for (hour, title) in [(9, "oldest"), (10, "old")] {
        exchange.hour = hour;
        exchange.delivers(title, "always");
        assert_eq!(exchange.field("summary"), "edited here", "{title} is history");
    }
    exchange.hour = 12;
    exchange.delivers("newer", "always");
    assert_eq!(exchange.field("summary"), "newer", "the partner owns it");
}

#[test]
fn our_own_value_coming_back_is_no_change_of_theirs() {
    let mut exchange = Exchange::agreed(TWO_WAY, "always");
    exchange.set("shared=often");
    assert_eq!(exchange.told().as_deref(), Some("often"));
    exchange.set("shared=twice");
    let report = exchange.delivers("second", "often");
    assert_eq!(issue(&report)["conflicts"], json!([]));
    assert_eq!(exchange.field("shared"), "twice");
    assert_eq!(told(&exchange.site, &report).as_deref(), Some("twice"));
}

#[test]
fn a_third_value_while_ours_is_under_way_is_a_conflict() {
    let mut exchange = Exchange::agreed(TWO_WAY, "always");
    exchange.set("shared=often");
    assert_eq!(exchange.told().as_deref(), Some("often"));
    let report = exchange.delivers("second", "never");
    assert_eq!(issue(&report)["conflicts"][0]["kind"], "both-changed");
    assert_eq!(exchange.field("shared"), "often");
    let shown = exchange.conflict(&["show", "1"]).out;
    for line in ["base:     always", "local:    often", "remote:   never"] {
        assert!(shown.contains(line), "{line} is not in {shown}");
    }
    exchange.conflict(&["resolve", "1", "--take", "base"]);
    assert_eq!(exchange.field("shared"), "always");
    assert_eq!(exchange.told().as_deref(), Some("always"));
}

/// The tracker takes only these values of `shared` from now on.
fn takes_only(exchange: &Exchange, values: &str) {
    let config = exchange.site.path("engsync.toml");
    let text = fs::read_to_string(&config).unwrap();
    let kind = text.lines().find(|line| line.starts_with("kind = \"embedded\"")).unwrap();
    let values = format!("kind = \"embedded\" # {values}\nvalues = {{ shared = [{values}] }}");
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("values = ")).collect();
    fs::write(&config, text.join("\n").replacen(kind, &values, 1)).unwrap();
}

#[test]
fn a_decision_that_the_tracker_refuses_is_held_and_recorded_once() {
    let rules = format!("{TWO_WAY}conflict = \"remote\"\n");
    let mut exchange = Exchange::agreed(&rules, "always");
    exchange.set("shared=often");
    takes_only(&exchange, r#""always", "often""#);
    exchange.exports("second", "seldom", &[]);
    let ran = exchange.site.engsync(&["run", "--json"]);
    assert_eq!(ran.code, 1);
    let report = ran.json();
    let held = issue(&report)["held"].as_array().unwrap();
    let codes: Vec<&str> = held.iter().map(|held| held["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["tracker-refused", "unseen-value"], "{report:#}");
    for title in ["third", "fourth"] {
        let report = exchange.delivers(title, "seldom");
        assert_eq!(issue(&report)["held"], json!([]), "told once");
        assert_eq!(report["sent"], json!([]), "theirs wins: ours is not sent over it");
    }
    assert_eq!(exchange.field("shared"), "often");
    assert_eq!(exchange.states(), ["auto-resolved"], "once");
    takes_only(&exchange, r#""always", "often", "seldom""#);
    exchange.site.engsync(&["retry", "ISS-1"]);
    assert_eq!(exchange.site.engsync(&["run"]).code, 0);
    assert_eq!(exchange.field("shared"), "seldom");
    exchange.delivers("fifth", "seldom");
    assert_eq!(exchange.states(), ["auto-resolved"], "once");
}

#[test]
fn earlier_versions_of_a_file_do_not_go_back_to_the_partner() {
    let rules = "[[partner.oem.rule]]\nkind = \"attachments\"\nout_prefix = \"oem-\"\n";
    let mut exchange = Exchange::new(rules);
    for bytes in [b"one" as &[u8], b"two"] {
        exchange.exports("first", "always", &[("oem-log.txt", bytes)]);
        let report = exchange.site.run();
        let Some(reference) = report["sent"][0]["name"].as_str() else { continue };
        let text = answer(&exchange.site.path("spool/outgoing/oem"), reference, "ISS-1");
        assert!(!text.contains("oem-log"), "{text}");
    }
    assert_eq!(exchange.site.issue("ISS-1")["attachments"].as_array().unwrap().len(), 2);
    assert_eq!(exchange.told(), None);
}
