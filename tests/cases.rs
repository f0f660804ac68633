//! The cases in which a synchroniser loses data or surprises people, one test each: the table "How
//! it behaves" of `docs/rules.md`, row by row.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the partner's server")]

mod table {
    pub(crate) mod rows;
}
mod common;
mod conflicts {
    pub(crate) mod exchange;
}

use std::collections::BTreeSet;
use std::fs;

use common::{Defect, NOW, RULES, Site, answer, archive, oem, package_of, party, supplier};
use conflicts::exchange::{Exchange, issue};
use engsync::engdat::{self, FileEntry, PackageName};
use serde_json::{Value, json};
use table::rows::ROWS;

#[test]
fn every_row_is_a_test_and_stands_in_the_docs() {
    let source = include_str!("cases.rs");
    for (test, row) in ROWS {
        assert!(source.contains(&format!("#[test]\nfn {test}() {{")), "{row}: no test {test}");
    }
    let docs = include_str!("../docs/rules.md");
    let (_, table) = docs.split_once("\n## How it behaves\n").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let told: BTreeSet<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .filter(|row| *row != "case")
        .collect();
    assert_eq!(told, ROWS.into_iter().map(|(_, row)| row).collect());
}

const FIRST: &str = "ENG26112008000000MFA";
const SECOND: &str = "ENG26112009000000MFA";
const THIRD: &str = "ENG26112010000000MFA";

const TWO_WAY: &str = r#"
[[partner.oem.rule]]
kind = "two_way"
local = "shared"
remote = "reproducibility"
"#;

const STATUS: &str = r#"
[[partner.oem.rule]]
kind = "table_to_remote"
locals = ["status"]
remote = "supplier_status"
rows = [["Open", "RECEIVED"], ["Closed", "CLOSED"]]
"#;

fn defect(number: &str) -> Defect<'_> {
    Defect { number, title: "Fensterheber klemmt", ..Defect::default() }
}

/// With [`RULES`], and one issue that was made.
fn made() -> Site {
    let site = Site::with("settle_seconds = 0", RULES);
    site.deliver(FIRST, &[defect("4711")]);
    assert_eq!(issue(&site.run())["action"], "created");
    site
}

/// What the answer that a run sent says of ISS-1.
fn said(site: &Site, report: &Value) -> String {
    let reference = report["sent"][0]["name"].as_str().unwrap_or_else(|| panic!("{report:#}"));
    answer(&site.path("spool/outgoing/oem"), reference, "ISS-1")
}

fn files(site: &Site) -> Vec<String> {
    let issue = site.issue("ISS-1");
    let files = issue["attachments"].as_array().unwrap();
    let mut names: Vec<String> =
        files.iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn tracker(site: &Site, args: &[&str]) {
    let done = site.engsync(&[&["tracker"], args].concat());
    assert_eq!(done.code, 0, "{}", done.err);
}

fn nothing_to_do(site: &Site) {
    let ran = site.engsync(&["run"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "nothing to do\n"));
}

#[test]
fn new_issue() {
    let site = Site::new();
    site.deliver(FIRST, &[defect("4711")]);
    let report = site.run();
    assert_eq!(issue(&report)["action"], "created");
    assert!(said(&site, &report).contains("<ISSUE-ID>ISS-1</ISSUE-ID>"), "in the same run");
    nothing_to_do(&site);
}

#[test]
fn issue_delivered_again_nothing_new() {
    for (answer, sent) in [("changed", json!([])), ("always", json!(["ISS-1"]))] {
        let site = made();
        configure(&site, &format!("answer = {answer:?}"));
        site.deliver(SECOND, &[defect("4711")]);
        let report = site.run();
        let issues = report["sent"].get(0).map_or(json!([]), |sent| sent["issues"].clone());
        assert_eq!(issues, sent, "{answer}");
    }
}

/// Adds a line to the partner's table.
fn configure(site: &Site, line: &str) {
    let config = site.path("engsync.toml");
    let text = fs::read_to_string(&config).unwrap();
    let partner = "short_name = \"MFAG\"\n";
    fs::write(&config, text.replacen(partner, &format!("{partner}{line}\n"), 1)).unwrap();
}

#[test]
fn issue_not_in_the_delivery() {
    let site = made();
    tracker(&site, &["set", "ISS-1", "summary=edited here", "status=In Progress"]);
    site.deliver(SECOND, &[defect("4712")]);
    let report = site.run();
    assert!(said(&site, &report).contains("ESTIMATED"), "our change goes out");
    assert_eq!(site.issue("ISS-1")["fields"]["summary"], "edited here", "nothing is written");
}

#[test]
fn local_edit_of_a_partner_owned_field() {
    let site = made();
    tracker(&site, &["set", "ISS-1", "summary=edited here"]);
    site.deliver(SECOND, &[defect("4711")]);
    let report = site.run();
    assert_eq!(site.issue("ISS-1")["fields"]["summary"], "Fensterheber klemmt");
    let change = &issue(&report)["changes"][0];
    assert_eq!((&change["from"], &change["overwrote"]), (&json!("edited here"), &json!(true)));
    let log = site.engsync(&["log", "--issue", "ISS-1", "--json"]).json().to_string();
    assert!(log.contains("edited here"), "the journal keeps it: {log}");
}

#[test]
fn export_that_has_not_caught_up() {
    let mut exchange = Exchange::agreed(TWO_WAY, "always");
    exchange.set("shared=often");
    assert_eq!(exchange.told().as_deref(), Some("often"));
    let report = exchange.delivers("second", "always");
    assert_eq!(exchange.field("shared"), "often", "ours is not reverted");
    assert_eq!((&issue(&report)["conflicts"], &report["sent"]), (&json!([]), &json!([])));
}

#[test]
fn both_sides_changed() {
    let mut exchange = Exchange::agreed(TWO_WAY, "always");
    exchange.set("shared=often");
    exchange.exports("second", "seldom", &[]);
    let ran = exchange.site.engsync(&["run", "--json"]);
    assert_eq!(
        (ran.code, issue(&ran.json())["conflicts"][0]["kind"].as_str()),
        (1, Some("both-changed"))
    );
    assert_eq!(exchange.field("shared"), "often", "only this field is held");
    assert_eq!(exchange.field("summary"), "second");
}

#[test]
fn remote_value_vanished() {
    for (clear, kept) in [("", "always"), ("clear = true", "")] {
        let rule = "[[partner.oem.rule]]\nkind = \"to_local\"\nlocal = \"phase\"\nremote = \"reproducibility\"\n";
        let mut exchange = Exchange::agreed(&format!("{rule}{clear}\n"), "always");
        let report = exchange.delivers("second", "");
        assert_eq!(exchange.field("phase"), kept, "{clear}");
        let finding = issue(&report)["findings"].get(0).map(|finding| finding["code"].clone());
        assert_eq!(finding, clear.is_empty().then(|| json!("remote-emptied")), "{clear}");
    }
}

#[test]
fn local_value_cleared() {
    let site = made();
    tracker(&site, &["set", "ISS-1", "fix_versions=R1"]);
    assert!(said(&site, &site.run()).contains("R1"));
    tracker(&site, &["set", "ISS-1", "fix_versions="]);
    let report = site.run();
    assert_eq!(
        report["packages"][0]["issues"][0]["remote_changes"],
        json!(["resolved_in_release"])
    );
    assert!(!said(&site, &report).contains("R1"), "it is sent as empty");
    nothing_to_do(&site);
}

#[test]
fn status_not_in_the_table() {
    let site = made();
    tracker(&site, &["set", "ISS-1", "status=Odd", "fix_versions=R1"]);
    let ran = site.engsync(&["run", "--json"]);
    let report = ran.json();
    assert_eq!((ran.code, issue(&report)["held"][0]["code"].as_str()), (1, Some("no-table-row")));
    let text = said(&site, &report);
    assert!(text.contains("R1") && text.contains("RECEIVED"), "the rest goes on: {text}");
}

#[test]
fn closed_issue_behind_a_gate() {
    let gate = "[[partner.oem.rule]]\nkind = \"gate\"\nlocal = \"status\"\nnot_equals = \"Closed\"\nstops = [\"in\"]\n";
    let mut exchange = Exchange::agreed(&format!("{STATUS}{gate}"), "always");
    exchange.set("status=Closed");
    let report = exchange.site.run();
    assert!(said(&exchange.site, &report).contains("CLOSED"), "the final state gets out");
    assert_eq!(issue(&exchange.delivers("second", "always"))["action"], "skipped");
    assert_eq!(exchange.field("summary"), "first");
    exchange.set("status=Open");
    exchange.site.run();
    assert_eq!(exchange.field("summary"), "second", "nothing of it is lost");
}

#[test]
fn labels_with_blanks() {
    let site = made();
    site.deliver(SECOND, &[Defect { title: "second", state: "IN WORK", ..defect("4711") }]);
    site.run();
    let fields = &site.issue("ISS-1")["fields"];
    assert_eq!(
        (&fields["labels"], &fields["summary"]),
        (&json!(["OEM-IN WORK"]), &json!("second"))
    );
    // A tracker that takes no such label: the other fields are written.
    let config = site.path("engsync.toml");
    let text = fs::read_to_string(&config).unwrap();
    let kind = "kind = \"embedded\"";
    let values = format!("{kind}\nvalues = {{ labels = [\"OEM-IN WORK\"] }}");
    fs::write(&config, text.replacen(kind, &values, 1)).unwrap();
    site.deliver(THIRD, &[Defect { title: "third", state: "NOT ALLOWED", ..defect("4711") }]);
    let ran = site.engsync(&["run", "--json"]);
    let report = ran.json();
    let held = &issue(&report)["held"][0];
    assert_eq!(
        (ran.code, &held["field"], &held["code"]),
        (1, &json!("labels"), &json!("tracker-refused"))
    );
    assert_eq!(site.issue("ISS-1")["fields"]["summary"], "third");
}

#[test]
fn attachments_known_by_name_new_content() {
    for (changed, wanted) in [("version", vec!["a (2).txt", "a.txt"]), ("replace", vec!["a.txt"])] {
        let rule = format!("[[partner.oem.rule]]\nkind = \"attachments\"\nchanged = {changed:?}\n");
        let mut exchange = Exchange::new(&rule);
        for bytes in [b"one" as &[u8], b"two", b"two"] {
            exchange.exports("title", "always", &[("a.txt", bytes)]);
            exchange.site.run();
        }
        assert_eq!(files(&exchange.site), wanted, "{changed}");
        let newest = wanted[0];
        tracker(&exchange.site, &["save", "ISS-1", newest, "-o", "saved"]);
        assert_eq!(fs::read(exchange.site.path("saved")).unwrap(), b"two", "{changed}");
    }
}

#[test]
fn document_named_but_missing_in_the_zip() {
    let mut exchange = Exchange::new("[[partner.oem.rule]]\nkind = \"attachments\"\n");
    let named = |exchange: &mut Exchange, title: &str, bytes: Option<&[u8]>| {
        let files: &[(&str, &[u8])] = &[("a.txt", bytes.unwrap_or_default())];
        let date = format!("2026/11/20T{:02}:00:00", exchange.hour);
        let defect = Defect { title, date: &date, files, ..defect("4711") };
        let zip = if bytes.is_some() {
            archive(&[defect])
        } else {
            // Named in the document, but not in the archive.
            without_files(&defect)
        };
        let name = format!("ENG261120{:02}000000MFA", exchange.hour);
        exchange.hour += 1;
        put(&exchange.site, package_of(&name, &oem(), &supplier(), &zip));
        exchange.site.run()
    };
    for title in ["first", "second"] {
        let report = named(&mut exchange, title, None);
        assert_eq!(issue(&report)["findings"][0]["code"], "attachment-missing", "{report:#}");
        assert_eq!(exchange.field("summary"), title, "the rest goes on");
        assert_eq!(files(&exchange.site), [""; 0], "it does not count as there");
    }
    named(&mut exchange, "third", Some(b"bytes"));
    assert_eq!(files(&exchange.site), ["a.txt"], "taken when it comes");
    let report = named(&mut exchange, "fourth", None);
    assert_eq!(issue(&report)["findings"], json!([]), "what was there once is no loss");
    assert_eq!(files(&exchange.site), ["a.txt"]);
}

fn without_files(defect: &Defect<'_>) -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("./4711.xml", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(common::document(defect).as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

fn put(site: &Site, parts: Vec<(String, Vec<u8>)>) {
    for (name, bytes) in parts {
        fs::write(site.path("spool/incoming").join(name), bytes).unwrap();
    }
}

#[test]
fn attachments_out() {
    let site = made();
    fs::write(site.path("oem-log.txt"), "bytes").unwrap();
    fs::write(site.path("internal.txt"), "ours").unwrap();
    tracker(&site, &["attach", "ISS-1", "oem-log.txt"]);
    tracker(&site, &["attach", "ISS-1", "internal.txt"]);
    let report = site.run();
    let text = said(&site, &report);
    assert!(text.contains("<URL>./ISS-1/oem-log.txt</URL>"), "{text}");
    assert!(!text.contains("internal.txt"));
    let reference = report["sent"][0]["name"].as_str().unwrap();
    let zip = site.path(&format!("spool/outgoing/oem/{reference}002002"));
    let zip = zip::ZipArchive::new(fs::File::open(zip).unwrap()).unwrap();
    let names: Vec<_> = zip.file_names().map(Result::unwrap).collect();
    assert_eq!(names, ["./ISS-1/oem-log.txt", "./ISS-1.xml"]);
    nothing_to_do(&site);
}

#[test]
fn messages_two_deleted_at_once() {
    let site = made();
    for text in ["[TO OEM] one", "[TO OEM] two", "[TO OEM] three"] {
        tracker(&site, &["comment", "ISS-1", text]);
    }
    assert!(said(&site, &site.run()).contains("three"));
    let comments = site.issue("ISS-1")["comments"].clone();
    for comment in &comments.as_array().unwrap()[..2] {
        tracker(&site, &["delete-comment", "ISS-1", comment["id"].as_str().unwrap()]);
    }
    let text = said(&site, &site.run());
    assert!(!text.contains("one") && !text.contains("two") && text.contains("three"), "{text}");
    nothing_to_do(&site);
}

#[test]
fn local_issue_deleted() {
    // What is reported, the code of the next run with a delivery, the issues then.
    let cases = [("hold", 1, 0), ("recreate", 0, 1), ("ignore", 0, 0)];
    for (gone, code, issues) in cases {
        let site = made();
        configure(&site, &format!("gone = {gone:?}"));
        tracker(&site, &["delete", "ISS-1"]);
        site.deliver(SECOND, &[Defect { title: "second", ..defect("4711") }]);
        let ran = site.engsync(&["run", "--json"]);
        assert_eq!(ran.code, code, "{gone}: {}", ran.out);
        let held: Vec<Value> = issue(&ran.json())["held"].as_array().unwrap().clone();
        assert_eq!(held.len(), usize::from(gone == "hold"), "{gone}");
        let listed = site.engsync(&["tracker", "list", "--json"]).json();
        assert_eq!(listed.as_array().unwrap().len(), issues, "{gone}: {listed:#}");
        if gone == "recreate" {
            assert_eq!(listed[0]["fields"]["summary"], "second");
            let sent = &ran.json()["sent"][0]["issues"];
            assert_eq!(*sent, json!(["ISS-2"]), "the partner learns the new key");
        }
        site.deliver(THIRD, &[Defect { title: "third", ..defect("4711") }]);
        assert_eq!(site.engsync(&["run"]).code, 0, "{gone}: reported once");
    }
}

#[test]
fn two_packages_for_one_issue_in_one_run() {
    let site = made();
    for (name, date, title) in
        [(SECOND, "2026/11/20T09:00:00", "second"), (THIRD, "2026/11/20T10:00:00", "third")]
    {
        site.deliver(name, &[Defect { title, date, ..defect("4711") }]);
    }
    let report = site.run();
    let from =
        |package: usize| report["packages"][package]["issues"][0]["changes"][0]["from"].clone();
    assert_eq!(
        (from(0), from(1)),
        (json!("Fensterheber klemmt"), json!("second")),
        "fresh each time"
    );
    assert_eq!(site.issue("ISS-1")["fields"]["summary"], "third");
}

#[test]
fn two_zips_in_one_package() {
    let site = Site::new();
    let name: PackageName = FIRST.parse().unwrap();
    let issued =
        chrono::NaiveDate::from_ymd_opt(2026, 11, 20).unwrap().and_hms_opt(8, 0, 0).unwrap();
    let entries = [FileEntry::archive("PKZIP-Archive"), FileEntry::archive("PKZIP-Archive")];
    let message = engdat::compose(&name, issued, &oem(), &supplier(), &entries);
    let later = Defect { title: "later", date: "2026/11/20T09:00:00", ..defect("4711") };
    put(
        &site,
        vec![
            (name.part(3, 1).to_string(), engdat::write(&message).unwrap()),
            (name.part(3, 2).to_string(), archive(&[defect("4711")])),
            (name.part(3, 3).to_string(), archive(&[later, defect("4712")])),
        ],
    );
    let report = site.run();
    assert_eq!(report["packages"][0]["outcome"], "applied", "{report:#}");
    assert_eq!(report["sent"].as_array().unwrap().len(), 1);
    assert_eq!(report["sent"][0]["issues"], json!(["ISS-1", "ISS-2"]), "each once");
    assert_eq!(site.issue("ISS-1")["fields"]["summary"], "later");
}

#[test]
fn wrong_routing_code() {
    let site = Site::with("settle_seconds = 0", RULES);
    let stranger = party("O0013FREMD", "RDEFREMD", "Fremd AG");
    let parts = package_of(FIRST, &stranger, &supplier(), &archive(&[defect("4711")]));
    put(&site, parts.clone());
    let ran = site.engsync(&["run", "--json"]);
    assert_eq!(
        (ran.code, ran.json()["packages"][0]["reason"].as_str()),
        (1, Some("routing-mismatch"))
    );
    for (name, bytes) in parts {
        let kept = site.path(&format!("spool/corrupt/{FIRST}/{name}"));
        assert_eq!(fs::read(kept).unwrap(), bytes, "nothing is deleted");
    }
}

#[test]
fn issue_that_cannot_be_written() {
    let site = Site::new();
    site.deliver(FIRST, &[defect("4711"), defect(" ")]);
    let at = |now: &str| site.engsync(&["run", "--json", "--now", now]).json();
    let report = at("2026-11-21T09:00:00Z");
    assert_eq!(report["packages"][0]["reason"], "issue-failed");
    assert_eq!(issue(&report)["action"], "created", "the others go on");
    let again = at("2026-11-21T09:02:00Z");
    assert_eq!(again["packages"][0]["outcome"], "deferred");
    assert_eq!(issue(&again)["action"], "unchanged", "what was done is not repeated");
}

#[test]
fn dry_run() {
    let site = made();
    site.deliver(SECOND, &[Defect { title: "second", ..defect("4711") }, defect("4712")]);
    let before = site.fingerprint();
    let dry = site.engsync(&["run", "--dry-run", "--json"]);
    assert_eq!(site.fingerprint(), before, "to the byte");
    let mut dry = dry.json();
    dry["dry_run"] = json!(false);
    assert_eq!(dry["packages"], site.run()["packages"], "it says what the run does");
}

#[test]
fn late_or_same_second_package() {
    let site = made();
    // The same second, another counter; then an older one that comes late.
    site.deliver("ENG26112008000001MFA", &[defect("4712")]);
    site.run();
    let annotations = &["late word"];
    let date = "2026/11/20T07:00:00";
    let late = Defect { title: "old", annotations, date, ..defect("4711") };
    site.deliver("ENG26112007000000MFA", &[late, defect("4713")]);
    let report = site.run();
    assert_eq!(issue(&report)["findings"][0]["code"], "superseded", "{report:#}");
    let listed = site.engsync(&["tracker", "list", "--json"]).json();
    assert_eq!(listed.as_array().unwrap().len(), 3, "none is ignored");
    let issue = site.issue("ISS-1");
    assert_eq!(issue["fields"]["summary"], "Fensterheber klemmt", "per issue");
    assert_eq!(issue["comments"][0]["text"], "late word", "its comments are taken");
}

#[test]
fn dates() {
    // The partner's zone; when its comment of 2026-11-19 10:00 was written; our time over there.
    let cases = [
        ("", "2026-11-19T09:00:00Z", "2026/11/21T09:00:00"),
        ("time_zone = \"America/New_York\"", "2026-11-19T15:00:00Z", "2026/11/21T03:00:00"),
        ("time_zone = \"Asia/Kolkata\"", "2026-11-19T04:30:00Z", "2026/11/21T13:30:00"),
    ];
    for (zone, written, sent) in cases {
        let site = Site::new();
        configure(&site, zone);
        site.deliver(FIRST, &[Defect { annotations: &["Bitte prüfen."], ..defect("4711") }]);
        let report = site.run();
        assert_eq!(site.issue("ISS-1")["comments"][0]["created"], written, "{zone}");
        assert!(NOW.starts_with("2026-11-21T09:00:00+01:00"));
        let text = said(&site, &report);
        assert!(text.contains(&format!("<DATE>{sent}</DATE>")), "{zone}: {text}");
    }
}
