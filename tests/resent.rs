//! What a partner sends again: a part, a package, repaired or as it was, before and after the
//! first was applied. What was written last counts until it is applied; from then on the name
//! stands for it. Nothing is lost, and no person is needed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;

use std::fs;
use std::time::{Duration, SystemTime};

use common::{Defect, RULES, Site, package};
use serde_json::Value;

const NAME: &str = "ENG26112008000000MFA";
const LATER: &str = "2026-11-21T12:00:00+01:00";

fn titled(title: &str) -> Vec<(String, Vec<u8>)> {
    package(NAME, &[Defect { number: "4711", title, ..Defect::default() }])
}

/// Puts a file into `incoming/`, written so many seconds before now.
fn put(site: &Site, name: &str, bytes: &[u8], ago: u64) {
    let path = site.path("spool/incoming").join(name);
    fs::write(&path, bytes).unwrap();
    let time = SystemTime::now() - Duration::from_secs(ago);
    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
}

fn put_all(site: &Site, files: &[(String, Vec<u8>)], suffix: &str, ago: u64) {
    for (name, bytes) in files {
        put(site, &format!("{name}{suffix}"), bytes, ago);
    }
}

/// Outcome, reason and the codes of the findings of each package.
fn outcomes(report: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let codes = |one: &Value| {
        let found = one["findings"].as_array().unwrap().iter();
        found.map(|one| format!(" {}", text(&one["code"]))).collect::<String>()
    };
    let packages = report["packages"].as_array().unwrap().iter();
    let line =
        |one: &Value| format!("{} {}{}", text(&one["outcome"]), text(&one["reason"]), codes(one));
    packages.map(line).collect()
}

fn summary(site: &Site) -> String {
    site.issue("ISS-1")["fields"]["summary"].as_str().unwrap().to_owned()
}

/// Every byte that came is somewhere in the spool.
fn is_kept(site: &Site, files: &[(String, Vec<u8>)]) {
    let there: Vec<String> = site.fingerprint().into_values().collect();
    for (name, bytes) in files {
        let digest = engsync::Digest::of(bytes).to_string();
        assert!(there.contains(&digest), "{name} is lost");
    }
}

fn site() -> Site {
    Site::with("settle_seconds = 30", RULES)
}

#[test]
fn row_11_a_repaired_part_beside_the_first_replaces_it() {
    for keep in ["", "\nkeep_incoming = true"] {
        let site = Site::with(&format!("settle_seconds = 30{keep}"), RULES);
        let (first, repaired) = (titled("first"), titled("repaired"));
        put_all(&site, &first, "", 600);
        put(&site, &format!("{}.2", repaired[1].0), &repaired[1].1, 300);
        let dry = site.engsync(&["run", "-n", "--json"]).json();
        let report = site.run();
        assert_eq!(outcomes(&report), ["applied - engdat-part-replaced"], "{report:#}");
        assert_eq!(outcomes(&dry), outcomes(&report));
        assert_eq!(summary(&site), "repaired");
        is_kept(&site, &first);
        is_kept(&site, &repaired);
        assert!(site.list("spool/corrupt").is_empty());
        assert_eq!(site.engsync(&["run"]).out, "nothing to do\n");
        assert_eq!(site.engsync(&["status", "--check"]).code, 0, "no person is needed");
    }
}

#[test]
fn row_11_by_which_name_it_came_does_not_matter_but_when() {
    let site = site();
    put_all(&site, &titled("repaired"), "", 300);
    put_all(&site, &titled("first"), ".2", 600);
    // The descriptions are the same, the archives are not.
    let wanted = "applied - engdat-part-repeated engdat-part-replaced";
    assert_eq!(outcomes(&site.run()), [wanted]);
    assert_eq!(summary(&site), "repaired");
}

#[test]
fn row_8_a_part_that_was_half_sent_and_sent_again_is_taken_whole() {
    let site = site();
    let files = titled("whole");
    put(&site, &files[0].0, &files[0].1, 600);
    put(&site, &files[1].0, &files[1].1[..40], 600);
    put(&site, &format!("{}.2", files[1].0), &files[1].1, 300);
    assert_eq!(outcomes(&site.run()), ["applied - engdat-part-replaced"]);
    assert_eq!(summary(&site), "whole");
}

#[test]
fn row_11_while_the_repaired_package_still_arrives_nothing_is_mixed() {
    let site = site();
    let repaired = titled("repaired");
    put_all(&site, &titled("first"), "", 600);
    put(&site, &format!("{}.2", repaired[1].0), &repaired[1].1, 0);
    assert_eq!(outcomes(&site.run()), ["waiting -"]);
    put_all(&site, &repaired, ".2", 100);
    assert_eq!(outcomes(&site.run()).len(), 1);
    assert_eq!(summary(&site), "repaired");
}

#[test]
fn row_11_a_deferred_package_is_replaced_by_the_repaired_one() {
    // Under the same file names, and under others; before and after the time of its next try.
    for (suffix, now) in [("", common::NOW), (".2", common::NOW), ("", LATER), (".2", LATER)] {
        let site = site();
        let config = fs::read_to_string(site.path("engsync.toml")).unwrap();
        let away = "kind = \"jira\"\nurl = \"http://127.0.0.1:9\"\nuser = \"sync\"\n\
                    password_file = \"password\"\nproject = \"TST\"\nissue_type = \"Defect\"";
        fs::write(site.path("password"), "secret").unwrap();
        let other = config.replace("kind = \"embedded\"", away);
        fs::write(site.path("engsync.toml"), other).unwrap();
        let (first, repaired) = (titled("first"), titled("repaired"));
        put_all(&site, &first, "", 600);
        assert!(outcomes(&site.run()).contains(&"deferred tracker-unavailable".to_owned()));
        assert_eq!(site.list("spool/deferred"), [NAME]);
        fs::write(site.path("engsync.toml"), config).unwrap();
        put_all(&site, &repaired, suffix, 60);
        let report = site.engsync(&["run", "--json", "--now", now]).json();
        let found = outcomes(&report);
        assert!(found[0].starts_with("applied -") && found.len() == 1, "{suffix}: {report:#}");
        assert_eq!(summary(&site), "repaired", "{suffix}");
        assert!(site.list("spool/deferred").is_empty() && site.list("spool/corrupt").is_empty());
        is_kept(&site, &first);
        is_kept(&site, &repaired);
    }
}

#[test]
fn row_9_two_totals_of_one_name_do_not_stir_each_other() {
    let site = Site::with("settle_seconds = 0\nwait_hours = 0", RULES);
    let files = titled("first");
    put(&site, &files[1].0, &files[1].1, 600);
    put(&site, &files[1].0.replace("002002", "003002"), &files[1].1, 600);
    assert_eq!(outcomes(&site.run()), ["deferred part-missing", "deferred part-missing"]);
    assert_eq!(site.engsync(&["run"]).out, "nothing to do\n");
    // The description brings back its own.
    put(&site, &files[0].0, &files[0].1, 300);
    assert_eq!(outcomes(&site.run()), ["applied -"]);
}

#[test]
fn row_11_a_corrupt_package_sent_again_whole_is_taken_and_the_damaged_one_stays() {
    let site = site();
    let files = titled("whole");
    put(&site, &files[0].0, &files[0].1, 600);
    put(&site, &files[1].0, &files[1].1[..40], 600);
    assert!(outcomes(&site.run())[0].starts_with("corrupt bad-zip"));
    put_all(&site, &files, "", 300);
    assert_eq!(outcomes(&site.run()), ["applied -"]);
    assert_eq!(site.list("spool/corrupt"), [NAME]);
}

#[test]
fn row_11_other_content_under_an_applied_name_changes_nothing() {
    let site = site();
    put_all(&site, &titled("first"), "", 600);
    site.run();
    put_all(&site, &titled("other"), "", 300);
    let ran = site.engsync(&["run", "--json"]);
    assert_eq!((ran.code, outcomes(&ran.json())), (1, vec!["corrupt identity-reuse".to_owned()]));
    assert_eq!(summary(&site), "first");
    assert_eq!(site.list("spool/corrupt"), [NAME]);
}

#[test]
fn row_10_a_single_part_of_an_applied_package_once_more_is_a_duplicate() {
    for index in [0, 1] {
        let site = site();
        let files = titled("first");
        put_all(&site, &files, "", 600);
        site.run();
        put(&site, &files[index].0, &files[index].1, 300);
        let ran = site.engsync(&["run", "--json"]);
        assert_eq!((ran.code, outcomes(&ran.json())), (0, vec!["duplicate duplicate".to_owned()]));
        assert_eq!(site.list("spool/done"), [NAME.to_owned(), format!("{NAME}.2")]);
        // Other content is what it is with a whole package.
        let mut bytes = files[index].1.clone();
        bytes.push(b' ');
        put(&site, &files[index].0, &bytes, 300);
        assert_eq!(outcomes(&site.run()), ["corrupt identity-reuse"]);
        assert_eq!(summary(&site), "first");
    }
}

#[test]
fn row_11_the_same_name_with_another_total_is_two_things() {
    let site = site();
    put_all(&site, &titled("first"), "", 600);
    site.run();
    let files = titled("first");
    put(&site, &files[1].0.replace("002002", "003002"), &files[1].1, 300);
    assert_eq!(outcomes(&site.run()), ["corrupt identity-reuse"]);
}

#[test]
fn replay_and_release_bring_back_the_part_that_counted() {
    let site = site();
    put_all(&site, &titled("first"), "", 600);
    let repaired = titled("repaired");
    put(&site, &format!("{}.2", repaired[1].0), &repaired[1].1, 300);
    site.run();
    assert_eq!(site.engsync(&["replay", NAME]).code, 0);
    assert_eq!(outcomes(&site.run()), ["applied - engdat-part-replaced"]);
    assert_eq!(summary(&site), "repaired");
}
