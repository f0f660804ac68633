//! Once more, on purpose: a package taken in, an answer sent.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;

use std::fs;
use std::time::{Duration, SystemTime};

use common::{Defect, Site, answer, package};
use serde_json::json;

const FIRST: &str = "ENG26112008000000MFA";
const BROKEN: &str = "ENG26112009000000MFA";

/// A site on which one package was applied and answered; the answer's name.
fn answered() -> (Site, String) {
    let site = Site::new();
    let files: &[(&str, &[u8])] = &[("trace.txt", b"0x7f")];
    site.deliver(FIRST, &[Defect { number: "4711", title: "Klemmt", files, ..Defect::default() }]);
    let report = site.run();
    let name = report["sent"][0]["name"].as_str().unwrap().to_owned();
    (site, name)
}

fn outgoing(site: &Site) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| {
        let bytes = fs::read(site.path("spool/outgoing/oem").join(&name)).unwrap();
        (name, bytes)
    };
    site.list("spool/outgoing/oem").into_iter().map(read).collect()
}

/// The partner's server takes what is there.
fn collect(site: &Site) {
    for name in site.list("spool/outgoing/oem") {
        fs::remove_file(site.path("spool/outgoing/oem").join(name)).unwrap();
    }
}

#[test]
fn a_done_package_is_replayed_and_changes_only_what_is_missing() {
    let (site, _) = answered();
    let before = site.fingerprint();
    let dry = site.engsync(&["replay", FIRST, "-n"]);
    assert_eq!((dry.code, dry.err.as_str()), (0, ""));
    assert_eq!(site.fingerprint(), before, "a dry run touches nothing");
    assert_eq!(site.engsync(&["tracker", "set", "ISS-1", "summary="]).code, 0);
    let replayed = site.engsync(&["replay", FIRST]);
    assert_eq!(replayed.code, 0, "{}", replayed.err);
    assert_eq!(site.list("spool/incoming").len(), 2);
    assert_eq!(site.list("spool/done"), Vec::<String>::new());
    let report = site.run();
    assert_eq!(report["packages"][0]["outcome"], "applied", "{report:#}");
    assert_eq!(site.engsync(&["tracker", "list", "--json"]).json().as_array().unwrap().len(), 1);
    assert_eq!(site.issue("ISS-1")["attachments"].as_array().unwrap().len(), 1);
    assert!(site.engsync(&["log"]).out.contains("replayed"));
    // A copy that nobody asked for is a duplicate still.
    for name in site.list(&format!("spool/done/{FIRST}")) {
        let from = site.path(&format!("spool/done/{FIRST}/{name}"));
        fs::copy(from, site.path("spool/incoming").join(name)).unwrap();
    }
    assert_eq!(site.run()["packages"][0]["outcome"], "duplicate");
    let missing = site.engsync(&["replay", "ENG26112008000000XXX"]);
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("no package ENG26112008000000XXX in done/"), "{}", missing.err);
}

#[test]
fn a_replay_does_not_disturb_other_content_of_the_same_name() {
    let (site, _) = answered();
    let part = site.list(&format!("spool/done/{FIRST}"))[1].clone();
    fs::write(site.path("spool/incoming").join(&part), "something else").unwrap();
    let refused = site.engsync(&["replay", FIRST]);
    assert_eq!(refused.code, 2, "{}", refused.out);
    assert_eq!(fs::read(site.path("spool/incoming").join(&part)).unwrap(), b"something else");
    assert_eq!(site.list("spool/done"), [FIRST]);
    assert_eq!(site.list("spool/corrupt"), Vec::<String>::new());
}

#[test]
fn an_answer_is_resent_under_the_same_name_with_the_same_bytes() {
    let (site, name) = answered();
    let before = outgoing(&site);
    collect(&site);
    let dry = site.engsync(&["resend", &name, "-n"]);
    assert_eq!(dry.code, 0, "{}", dry.err);
    assert_eq!(outgoing(&site), []);
    // With -N it stays owed, and the next run publishes it.
    assert_eq!(site.engsync(&["resend", &name, "-N"]).code, 0);
    assert_eq!(outgoing(&site), []);
    site.run();
    assert_eq!(outgoing(&site), before);
    // Still there: nothing changes.
    let again = site.engsync(&["resend", &name, "--json"]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!(again.json()["name"], name);
    assert_eq!(again.json()["overtaken_by"], json!([]));
    assert_eq!(outgoing(&site), before);
    let missing = site.engsync(&["resend", "ENG26112008000000XXX"]);
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("there is no sent answer"), "{}", missing.err);
}

#[test]
fn a_reissue_has_a_new_name_new_transactions_and_the_same_content() {
    let (site, name) = answered();
    let old = answer(&site.path("spool/outgoing/oem"), &name, "ISS-1");
    collect(&site);
    let again = site.engsync(&["reissue", &name, "--json"]).json();
    let new = again["name"].as_str().unwrap();
    assert!(new > name.as_str(), "names rise: {name} {new}");
    let parts = site.list("spool/outgoing/oem");
    assert_eq!(parts, [format!("{new}002001"), format!("{new}002002")]);
    let text = answer(&site.path("spool/outgoing/oem"), new, "ISS-1");
    assert_eq!(text, old.replace(&name[3..], &new[3..]));
    assert_ne!(text, old);
    let paths = parts.iter().map(|part| format!("spool/outgoing/oem/{part}"));
    let args: Vec<String> =
        ["inspect", "--json"].map(str::to_owned).into_iter().chain(paths).collect();
    let inspected = site.engsync(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(inspected.code, 0, "{}", inspected.out);
    assert_eq!(inspected.json()["findings"], json!([]));
    // The older one would now overtake the newer one; it says so.
    let resent = site.engsync(&["resend", &name]);
    assert!(resent.err.contains(&format!("{new} went out later")), "{}", resent.err);
    let log = site.engsync(&["log"]).out;
    assert!(log.contains("reissued") && log.contains("resent"), "{log}");
    assert_eq!(site.engsync(&["run"]).out, "nothing to do\n");
}

#[test]
fn a_packed_parcel_is_reissued_too_and_an_archive_by_hand_is_not() {
    let (site, _) = answered();
    collect(&site);
    fs::write(site.path("drawing.igs"), "IGES").unwrap();
    let packed = site.engsync(&["pack", "--partner", "oem", "drawing.igs", "--json"]).json();
    let again = site.engsync(&["reissue", packed["name"].as_str().unwrap(), "--json"]).json();
    let data = again["files"][1].as_str().unwrap();
    assert_eq!(fs::read(site.path("spool/outgoing/oem").join(data)).unwrap(), b"IGES");

    let defect = Defect { number: "4712", title: "x", ..Defect::default() };
    fs::write(site.path("hand.zip"), common::archive(&[defect])).unwrap();
    assert_eq!(site.engsync(&["-z", "hand.zip"]).code, 0);
    let out = fs::read(site.path("hand-out.zip")).unwrap();
    let highest = site.list("engsync.db.answers").pop().unwrap();
    assert_eq!(site.engsync(&["reissue", &highest]).code, 2);
    fs::remove_file(site.path("hand-out.zip")).unwrap();
    assert_eq!(site.engsync(&["resend", &highest]).code, 0);
    assert_eq!(fs::read(site.path("hand-out.zip")).unwrap(), out);
}

#[test]
fn status_tells_the_last_exchange_both_ways() {
    let site = Site::new();
    let of = |site: &Site| site.engsync(&["status", "--json"]).json()["partners"][0].clone();
    assert_eq!((&of(&site)["last_package"], &of(&site)["last_sent"]), (&json!(null), &json!(null)));
    let (site, name) = answered();
    let at = "2026-11-21T08:00:00Z";
    assert_eq!((&of(&site)["last_package"], &of(&site)["last_sent"]), (&json!(at), &json!(at)));
    let later = "2026-11-21T10:00:00+01:00";
    assert_eq!(site.engsync(&["resend", &name, "--now", later]).code, 0);
    assert_eq!(of(&site)["last_package"], at);
    assert_eq!(of(&site)["last_sent"], "2026-11-21T09:00:00Z");
}

#[test]
fn after_the_retention_time_packages_and_answers_are_gone() {
    let (site, name) = answered();
    let mut broken = package(BROKEN, &[Defect { number: "4712", ..Defect::default() }]);
    broken[1].1.truncate(40);
    for (name, bytes) in &broken {
        fs::write(site.path("spool/incoming").join(name), bytes).unwrap();
        let file = fs::File::open(site.path("spool/incoming").join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    }
    site.run();
    // The age of done/ is the file system's; that of answers is by their stamp.
    for dir in [format!("done/{FIRST}"), format!("corrupt/{BROKEN}")] {
        let touched = std::process::Command::new("touch")
            .args(["-d", "2026-01-01"])
            .arg(site.path("spool").join(dir))
            .status();
        assert!(touched.unwrap().success());
    }
    assert_eq!(site.engsync(&["run"]).code, 0);
    assert_eq!(site.list("spool/done"), Vec::<String>::new());
    // What waits for a person waits for good, and a monitor is told so.
    assert_eq!(site.list("spool/corrupt"), [BROKEN]);
    assert_eq!(site.engsync(&["status", "--check"]).code, 1);
    fs::remove_dir_all(site.path(&format!("spool/corrupt/{BROKEN}"))).unwrap();
    assert_eq!(site.engsync(&["status", "--check"]).code, 0);
    assert_eq!(site.engsync(&["replay", FIRST]).code, 2);
    assert_eq!(site.engsync(&["resend", &name]).code, 0, "the answer is young");
    assert_eq!(site.engsync(&["resend", &name, "-N", "--now", "2026-01-05T08:00:00Z"]).code, 0);
    assert_eq!(site.engsync(&["run", "--now", "2026-01-05T09:00:00Z"]).code, 0);
    assert_eq!(site.engsync(&["run", "--now", "2026-02-20T09:00:00Z"]).code, 0);
    assert_eq!(site.list("engsync.db.answers"), Vec::<String>::new());
    let gone = site.engsync(&["resend", &name]);
    assert_eq!(gone.code, 2);
    assert!(gone.err.contains("or not any more"), "{}", gone.err);
}
