//! The main job from outside: packages in, issues in the tracker, answers out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;

use std::fs;

use common::{Defect, NOW, Site, answer, archive, document, oem, package_of, party, supplier};
use serde_json::{Value, json};

const FIRST: &str = "ENG26112008000000MFA";
const SECOND: &str = "ENG26112009000000MFA";
const THIRD: &str = "ENG26112010000000MFA";

fn defect(number: &str) -> Defect<'_> {
    Defect {
        number, title: "Fensterheber klemmt", description: "Tür öffnen", ..Defect::default()
    }
}

fn action(report: &Value, package: usize, issue: usize) -> &str {
    report["packages"][package]["issues"][issue]["action"].as_str().unwrap()
}

#[test]
fn a_new_issue_is_made_and_answered_in_the_same_run_and_only_once() {
    let site = Site::new();
    let files: &[(&str, &[u8])] = &[("trace.txt", b"0x7f"), ("Größe.bin", b"\0\x01")];
    site.deliver(FIRST, &[Defect { files, annotations: &["Bitte prüfen."], ..defect("4711") }]);

    let report = site.run();
    assert_eq!(report["packages"][0]["outcome"], "applied", "{report:#}");
    assert_eq!(action(&report, 0, 0), "created");
    assert_eq!(report["sent"][0]["issues"], json!(["ISS-1"]));
    let issue = site.issue("ISS-1");
    assert_eq!(issue["fields"]["summary"], "Fensterheber klemmt");
    assert_eq!(issue["fields"]["priority"], "Major");
    assert_eq!(issue["fields"]["labels"], json!(["OEM-REQUESTED"]));
    assert_eq!(issue["fields"]["external_id"], "4711");
    assert_eq!(issue["attachments"].as_array().unwrap().len(), 2);
    assert_eq!(issue["comments"][0]["text"], "Bitte prüfen.");
    assert_eq!(site.list(&format!("spool/done/{FIRST}")).len(), 2);
    let reference = report["sent"][0]["name"].as_str().unwrap();
    let parts = site.list("spool/outgoing/oem");
    assert_eq!(parts, [format!("{reference}002001"), format!("{reference}002002")]);
    let text = answer(&site.path("spool/outgoing/oem"), reference, "ISS-1");
    assert!(text.contains("<ISSUE-STATE>RECEIVED</ISSUE-STATE>"), "{text}");
    assert!(text.contains(&format!("<TRANSACTION-ID>{}-ISS-1</TRANSACTION-ID>", &reference[3..])));

    let again = site.engsync(&["run"]);
    assert_eq!((again.code, again.out.as_str()), (0, "nothing to do\n"), "{}", again.err);

    // Delivered again in a new package without news: not answered.
    site.deliver(SECOND, &[Defect { files, annotations: &["Bitte prüfen."], ..defect("4711") }]);
    let report = site.run();
    assert_eq!(action(&report, 0, 0), "unchanged", "{report:#}");
    assert_eq!(report["sent"], json!([]));
    assert_eq!(site.issue("ISS-1")["attachments"].as_array().unwrap().len(), 2);
    assert_eq!(site.issue("ISS-1")["comments"].as_array().unwrap().len(), 1);
}

#[test]
fn local_changes_comments_and_files_go_out() {
    let site = Site::new();
    site.deliver(FIRST, &[defect("4711"), defect("4712")]);
    site.run();
    for args in [
        &["tracker", "set", "ISS-1", "status=In Progress", "fix_versions=R1,R2"][..],
        &["tracker", "comment", "ISS-1", "[TO OEM] Ursache gefunden"],
        &["tracker", "comment", "ISS-1", "nur intern"],
    ] {
        let done = site.engsync(args);
        assert_eq!(done.code, 0, "{}", done.err);
    }
    fs::write(site.path("oem-Analyse.txt"), "Größe").unwrap();
    assert_eq!(site.engsync(&["tracker", "attach", "ISS-1", "oem-Analyse.txt"]).code, 0);

    let report = site.run();
    assert_eq!(report["packages"][0]["name"], "local", "{report:#}");
    assert_eq!(report["sent"][0]["issues"], json!(["ISS-1"]));
    let reference = report["sent"][0]["name"].as_str().unwrap();
    let text = answer(&site.path("spool/outgoing/oem"), reference, "ISS-1");
    for wanted in ["ESTIMATED", "R1, R2", "Ursache gefunden", "./ISS-1/oem-Analyse.txt", "4711"] {
        assert!(text.contains(wanted), "{wanted} is not in {text}");
    }
    assert!(!text.contains("nur intern"));
    assert_eq!(site.engsync(&["run"]).out, "nothing to do\n");

    let inspected = site.engsync(&[
        "inspect",
        "--json",
        &format!("spool/outgoing/oem/{reference}002001"),
        &format!("spool/outgoing/oem/{reference}002002"),
    ]);
    assert_eq!(inspected.code, 0, "{}{}", inspected.out, inspected.err);
    assert_eq!(inspected.json()["kind"], "package");
    assert_eq!(inspected.json()["findings"], json!([]));
}

#[test]
fn what_an_answer_cannot_say_is_told() {
    let site = Site::new();
    site.deliver(FIRST, &[defect("4711")]);
    site.run();
    site.engsync(&["tracker", "comment", "ISS-1", "[TO OEM] a\u{1}b\u{2}"]);
    let dry = site.engsync(&["run", "-n", "--json"]).json();
    let report = site.run();
    assert_eq!(dry["sent"], report["sent"], "a dry run says so too");
    let wanted = json!([{
        "code": "dropped-characters",
        "text": "ISS-1: 2 characters of a comment cannot stand in XML and are left out",
    }]);
    assert_eq!(report["sent"][0]["findings"], wanted);
    site.engsync(&["tracker", "comment", "ISS-1", "[TO OEM] c"]);
    let ran = site.engsync(&["run"]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("  note: dropped-characters: ISS-1: 2 characters"), "{}", ran.out);
}

#[test]
fn a_status_without_a_row_is_held_once_and_the_rest_goes_on() {
    let site = Site::new();
    site.deliver(FIRST, &[defect("4711")]);
    site.run();
    site.engsync(&["tracker", "set", "ISS-1", "status=Odd", "fix_versions=R1"]);
    let ran = site.engsync(&["run", "--json"]);
    let report = ran.json();
    assert_eq!(ran.code, 1);
    assert_eq!(report["packages"][0]["issues"][0]["held"][0]["code"], "no-table-row");
    assert_eq!(report["sent"][0]["issues"], json!(["ISS-1"]), "R1 goes out all the same");
    let again = site.engsync(&["run"]);
    assert_eq!((again.code, again.out.as_str()), (0, "nothing to do\n"));
    assert_eq!(site.engsync(&["status", "--check"]).code, 1, "it is standing trouble");
    site.engsync(&["tracker", "set", "ISS-1", "status=In Progress"]);
    assert_eq!(site.run()["sent"][0]["issues"], json!(["ISS-1"]));
    assert_eq!(site.engsync(&["status", "--check"]).code, 0);
}

#[test]
fn a_dry_run_says_all_and_touches_nothing() {
    let site = Site::new();
    site.deliver(FIRST, &[defect("4711")]);
    site.deliver(
        SECOND,
        &[Defect { title: "anders", date: "2026/11/20T09:00:00", ..defect("4711") }],
    );
    let before = site.fingerprint();
    let dry = site.engsync(&["run", "--dry-run", "--json"]);
    assert_eq!(site.fingerprint(), before);
    let report = dry.json();
    assert_eq!((dry.code, action(&report, 0, 0), action(&report, 1, 0)), (0, "created", "updated"));
    assert_eq!(report["sent"][0]["issues"], json!(["ISS-1"]));
    site.run();
    site.engsync(&["tracker", "set", "ISS-1", "status=In Progress"]);
    let before = site.fingerprint();
    let dry = site.engsync(&["-n", "run"]);
    assert!(dry.out.contains("supplier_status: RECEIVED → ESTIMATED"), "{}", dry.out);
    assert_eq!(site.fingerprint(), before);
}

#[test]
fn without_remote_what_is_owed_stays_owed() {
    let site = Site::new();
    site.deliver(FIRST, &[defect("4711")]);
    let report = site.engsync(&["run", "-N", "--json"]).json();
    assert_eq!(action(&report, 0, 0), "created");
    assert_eq!(report["sent"], json!([]));
    assert!(site.list("spool/outgoing/oem").is_empty());
    assert_eq!(site.run()["sent"][0]["issues"], json!(["ISS-1"]));
}

#[test]
fn trouble_is_set_aside_with_its_reason_and_stops_nobody() {
    let site = Site::with("settle_seconds = 0", common::RULES);
    let stranger = party("O0013FREMD", "RDEFREMD", "Fremd AG");
    let zip = archive(&[defect("1")]);
    let put = |files: Vec<(String, Vec<u8>)>| {
        for (name, bytes) in files {
            fs::write(site.path("spool/incoming").join(name), bytes).unwrap();
        }
    };
    put(package_of("ENG26112001000000MFA", &stranger, &supplier(), &zip));
    put(package_of("ENG26112002000000MFA", &oem(), &supplier(), &zip[..zip.len() / 2]));
    let mut broken = package_of("ENG26112003000000MFA", &oem(), &supplier(), &zip);
    broken[0].1 = b"UNB+UNOC:1+no EDIFACT".to_vec();
    put(broken);
    let mut half = package_of("ENG26112004000000MFA", &oem(), &supplier(), &zip);
    half.pop();
    put(half);
    fs::write(site.path("spool/incoming/readme.txt"), "not for us").unwrap();
    site.deliver("ENG26112005000000MFA", &[defect("4711")]);

    let ran = site.engsync(&["run", "--json"]);
    let report = ran.json();
    assert_eq!(ran.code, 1);
    let got: Vec<(&str, &str, &str)> = report["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let text = |key: &str| package[key].as_str().unwrap_or("");
            (text("name"), text("outcome"), text("reason"))
        })
        .collect();
    let wanted = [
        ("ENG26112001000000MFA", "corrupt", "routing-mismatch"),
        ("ENG26112002000000MFA", "corrupt", "bad-zip"),
        ("ENG26112003000000MFA", "corrupt", "bad-edifact"),
        ("ENG26112004000000MFA", "waiting", ""),
        ("ENG26112005000000MFA", "applied", ""),
    ];
    assert_eq!(got, wanted);
    assert_eq!(site.list("spool/corrupt").len(), 3);
    for name in site.list("spool/corrupt") {
        let files = site.list(&format!("spool/corrupt/{name}"));
        assert_eq!(files.len(), 3, "both parts and the reason: {files:?}");
    }
    let again = site.engsync(&["run"]);
    assert_eq!(again.code, 0, "standing trouble is not news");
    assert_eq!(again.out, "nothing to do\nwaiting ENG26112004000000MFA waits for part 002 of 2\n");
    let status = site.engsync(&["status"]);
    assert!(status.out.contains("foreign   readme.txt"), "{}", status.out);
    assert_eq!(site.engsync(&["release", "ENG26112002000000MFA"]).code, 0);
    assert_eq!(site.engsync(&["run"]).code, 1, "it is still broken");
}

#[test]
fn the_same_package_again_is_a_duplicate_and_the_same_name_otherwise_is_not() {
    let site = Site::with("settle_seconds = 0", common::RULES);
    site.deliver(FIRST, &[defect("4711")]);
    site.run();
    site.deliver(FIRST, &[defect("4711")]);
    let report = site.run();
    assert_eq!(report["packages"][0]["outcome"], "duplicate");
    assert!(site.list("spool/done").contains(&format!("{FIRST}.2")));
    site.deliver(FIRST, &[Defect { title: "other", ..defect("4711") }]);
    let report = site.run();
    assert_eq!(report["packages"][0]["reason"], "identity-reuse");
    // Another total is another thing, complete or not.
    fs::write(site.path(&format!("spool/incoming/{FIRST}003003")), "x").unwrap();
    assert_eq!(site.run()["packages"][0]["reason"], "identity-reuse");
    assert_eq!(site.issue("ISS-1")["fields"]["summary"], "Fensterheber klemmt");
}

#[test]
fn row_13_an_older_document_changes_no_field_and_its_comments_are_taken() {
    let site = Site::new();
    site.deliver(SECOND, &[Defect { title: "new", date: "2026/11/20T09:00:00", ..defect("4711") }]);
    site.run();
    let annotations = &["late word"];
    site.deliver(
        FIRST,
        &[Defect { title: "old", annotations, date: "2026/11/20T08:00:00", ..defect("4711") }],
    );
    let report = site.run();
    let issue = &report["packages"][0]["issues"][0];
    assert_eq!(issue["findings"][0]["code"], "superseded", "{report:#}");
    assert_eq!(site.issue("ISS-1")["fields"]["summary"], "new");
    assert_eq!(site.issue("ISS-1")["comments"][0]["text"], "late word");
}

#[test]
fn row_13_documents_of_one_date_go_by_the_reference_of_their_packages() {
    let site = Site::new();
    let of = |title| Defect { title, date: "2026/11/20T09:00:00", ..defect("4711") };
    site.deliver(SECOND, &[of("higher")]);
    site.run();
    site.deliver(FIRST, &[of("lower")]);
    let report = site.run();
    let found = &report["packages"][0]["issues"][0]["findings"][0]["code"];
    assert_eq!(found, "superseded", "{report:#}");
    assert_eq!(site.issue("ISS-1")["fields"]["summary"], "higher");
    // A later one counts again, and all of them are in the ledger.
    site.deliver(THIRD, &[of("highest")]);
    site.run();
    assert_eq!(site.issue("ISS-1")["fields"]["summary"], "highest");
    assert_eq!(site.list("spool/done"), [FIRST, SECOND, THIRD]);
}

#[test]
fn parts_that_are_kept_are_remembered() {
    let site = Site::with("keep_incoming = true", common::RULES);
    site.deliver(FIRST, &[defect("4711")]);
    assert_eq!(site.run()["packages"][0]["outcome"], "applied");
    assert_eq!(site.list("spool/incoming").len(), 2);
    assert_eq!(site.engsync(&["run"]).out, "nothing to do\n");
}

#[test]
fn by_hand_a_zip_is_imported_and_answered_beside_it() {
    let site = Site::new();
    fs::write(site.path("in.zip"), archive(&[defect("4711")])).unwrap();
    let report = site.engsync(&["-z", "in.zip", "--json"]).json();
    assert_eq!(report["packages"][0]["name"], "in.zip", "{report:#}");
    assert_eq!(action(&report, 0, 0), "created");
    assert_eq!(report["sent"][0]["files"], json!(["in-out.zip"]));
    let zip = zip::ZipArchive::new(fs::File::open(site.path("in-out.zip")).unwrap()).unwrap();
    assert_eq!(zip.file_names().map(Result::unwrap).collect::<Vec<_>>(), ["./ISS-1.xml"]);
    let again = site.engsync(&["-z", "in.zip"]);
    assert_eq!(again.code, 0);
    assert!(again.err.contains("in-out.zip is from an earlier run"), "{}", again.err);
    // A document by itself will do, and so will another name for the answer.
    fs::write(site.path("bare.xml"), document(&defect("4712"))).unwrap();
    let bare = site.engsync(&["-z", "bare.xml", "-o", "answer.zip", "--partner", "oem"]);
    assert_eq!(bare.code, 0, "{}", bare.err);
    assert!(site.path("answer.zip").exists());
    assert!(site.path("in.zip").exists());
}

#[test]
fn what_cannot_run_exits_2_and_says_what_now() {
    let site = Site::new();
    let cases: [(&[&str], &str, &str); 5] = [
        (&["-c", "none.toml", "run"], "cannot read the configuration none.toml", "engsync init"),
        (&["-z", "none.zip"], "cannot open none.zip", ""),
        (&["release", "ENG0"], "there is no package ENG0", "engsync status"),
        (&["init", "."], "engsync.toml is there already", "another directory"),
        (&["--now", "noon", "run"], "a time looks like", ""),
    ];
    for (args, error, hint) in cases {
        let ran = site.engsync(args);
        assert_eq!(ran.code, 2, "{args:?}");
        assert!(ran.err.contains(error) && ran.err.contains(hint), "{args:?}: {}", ran.err);
    }
    let json = site.engsync(&["-c", "none.toml", "--json", "run"]).json();
    assert!(json["error"]["message"].as_str().unwrap().contains("none.toml"), "{json}");
    assert!(json["error"]["causes"][0].as_str().unwrap().contains("No such file"));
    assert!(json["error"]["hint"].is_string());
}

#[test]
fn a_second_run_at_the_same_time_is_refused_naming_the_holder() {
    let site = Site::new();
    let disk = engsync::disk::Disk::default();
    let lock = disk.lock(&site.path("engsync.db.lock"), "process 4242").unwrap();
    let ran = site.engsync(&["run"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("process 4242 works on this spool"), "{}", ran.err);
    drop(lock);
    assert_eq!(site.engsync(&["run"]).code, 0);
}

#[test]
fn a_deleted_issue_is_held_once() {
    let site = Site::new();
    site.deliver(FIRST, &[defect("4711")]);
    site.run();
    site.engsync(&["tracker", "delete", "ISS-1"]);
    let ran = site.engsync(&["run", "--json"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.json()["packages"][0]["issues"][0]["held"][0]["code"], "local-gone");
    site.deliver(SECOND, &[defect("4711")]);
    let ran = site.engsync(&["run"]);
    assert_eq!(ran.code, 0, "reported once: {}", ran.out);
}

#[test]
fn the_journal_tells_packages_and_changes() {
    let site = Site::new();
    site.deliver(FIRST, &[defect("4711")]);
    site.run();
    let log = site.engsync(&["log", "--issue", "ISS-1", "--json"]).json();
    let changes = log[0]["changes"].as_array().unwrap();
    assert!(
        changes.iter().any(|change| change["field"] == "summary"
            && change["rule"] == "to_local summary problem_synopsis"),
        "{log:#}"
    );
    assert!(log.as_array().unwrap().iter().any(|line| line["direction"] == "out"));
    let csv = site.engsync(&["log", "--csv", "-"]);
    assert!(csv.out.starts_with("at,partner,package,"), "{}", csv.out);
    assert!(csv.out.contains(FIRST));
    let at = chrono::DateTime::parse_from_rfc3339(NOW).unwrap().to_utc();
    assert!(csv.out.contains(&engsync::stamp(at)), "the clock is the one of --now");
}

#[test]
fn any_files_make_a_package_that_reads_back_without_findings() {
    let site = Site::new();
    fs::write(site.path("Einspritzanlage mit einem sehr langen Namen.igs"), "S 1").unwrap();
    fs::write(site.path("Brief.txt"), "Guten Tag").unwrap();
    let text = "Bitte prüfen: Bohrung links 0,2 mm größer";
    let packed = site.engsync(&[
        "pack",
        "--partner",
        "oem",
        "--json",
        "--status",
        "TOD:Angebot",
        "--text",
        text,
        "Einspritzanlage mit einem sehr langen Namen.igs",
        "Brief.txt",
    ]);
    assert_eq!(packed.code, 0, "{}", packed.err);
    let name = packed.json()["name"].as_str().unwrap().to_owned();
    let parts = site.list("spool/outgoing/oem");
    assert_eq!(parts, [1, 2, 3].map(|index| format!("{name}003{index:03}")));
    assert_eq!(fs::read(site.path("spool/outgoing/oem").join(&parts[2])).unwrap(), b"Guten Tag");
    let shown = site.engsync(&["inspect", &format!("spool/outgoing/oem/{}", parts[0])]);
    assert_eq!(shown.code, 0, "{}", shown.out);
    for wanted in ["Brief.txt", ".igs", "Angebot", "Bohrung links", "no findings"] {
        assert!(shown.out.contains(wanted), "{wanted} is not in {}", shown.out);
    }
    let there = site.engsync(&["pack", "--partner", "oem", "--dest", "there", "Brief.txt"]);
    assert_eq!((there.code, site.list("there").len()), (0, 2), "{}", there.err);
    assert_ne!(site.list("there")[0][..20], name[..], "a name is used once");
    let wrong = site.engsync(&["pack", "--partner", "nobody", "Brief.txt"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("the configuration has oem"), "{}", wrong.err);
}

#[test]
fn xml_of_engdat_version_3_is_set_aside_by_its_name() {
    let site = Site::with("settle_seconds = 0", common::RULES);
    site.deliver(FIRST, &[defect("4711")]);
    fs::write(
        site.path("spool/incoming").join(format!("{FIRST}002001")),
        "<?xml version=\"1.0\"?><x/>",
    )
    .unwrap();
    assert_eq!(site.run()["packages"][0]["reason"], "engdat-v3");
}

#[test]
fn an_issue_that_cannot_be_used_defers_its_package_and_is_news_once() {
    let site = Site::new();
    site.deliver(FIRST, &[defect("4711"), defect(" ")]);
    let at = |now: &str| site.engsync(&["run", "--json", "--now", now]);
    let first = at("2026-11-21T09:00:00Z");
    let report = first.json();
    assert_eq!((first.code, report["packages"][0]["reason"].as_str()), (1, Some("issue-failed")));
    assert_eq!(action(&report, 0, 0), "created", "the other issue goes on");
    assert_eq!(at("2026-11-21T09:00:30Z").json()["packages"], json!([]), "not before its time");
    let again = at("2026-11-21T09:02:00Z");
    assert_eq!(again.code, 0, "the same trouble is no news: {}", again.out);
    assert_eq!(again.json()["packages"][0]["outcome"], "deferred");
    assert_eq!(action(&again.json(), 0, 0), "unchanged", "what was done is not repeated");
    assert_eq!(site.engsync(&["status", "--check"]).code, 1);
}
