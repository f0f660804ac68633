//! Partners beside each other: what is wrong with one keeps nothing from the others.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;

use std::fs;

use common::{Defect, RULES, Site, archive, oem, package_of, party, supplier};
use serde_json::Value;

/// Two partners; `own` is how we call ourselves towards the second.
fn site(own: &str) -> Site {
    let other = RULES.replace("partner.oem", "partner.zweiter");
    let more = format!(
        "{RULES}\n[partner.zweiter]\nname = \"Andere AG\"\nshort_name = \"MFAG\"\n\
         [partner.zweiter.engdat]\nfilename = \"AND\"\n[partner.zweiter.engdat.peer]\n\
         id = \"O0013AAG\"\nrouting = \"RDEANDERE\"\nname = \"Andere AG\"\ncountry = \"DE\"\n\
         [partner.zweiter.engdat.own]\nid = \"O0013007789BEG\"\nrouting = \"RDEBEISPIEL\"\n\
         name = \"{own}\"\ncountry = \"DE\"\n{other}"
    );
    let site = Site::with("settle_seconds = 0", &more);
    let theirs = party("O0013AAG", "RDEANDERE", "Andere AG");
    for (name, from, number) in
        [("ENG26112008000000AAG", theirs, "1"), ("ENG26112009000000MFA", oem(), "4711")]
    {
        let zip = archive(&[Defect { number, title: "Hupe stumm", ..Defect::default() }]);
        for (file, bytes) in package_of(name, &from, &supplier(), &zip) {
            fs::write(site.path("spool/incoming").join(file), bytes).unwrap();
        }
    }
    site
}

/// Whose packages and answers went wrong, and how.
fn trouble(report: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let packages = report["packages"].as_array().unwrap().iter();
    let bad = packages.filter(|one| one["outcome"] != "applied");
    bad.map(|one| ["name", "partner", "outcome", "reason"].map(|key| text(&one[key])).join(" "))
        .collect()
}

#[test]
fn settings_with_which_one_partners_answer_cannot_be_written_keep_nothing_from_the_others() {
    // Characters that the description cannot hold.
    let site = site("\u{4f8b} GmbH");
    let ran = site.engsync(&["run", "--json"]);
    let report = ran.json();
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert_eq!(trouble(&report), ["local zweiter deferred answer-unwritable"], "{report:#}");
    assert_eq!(report["sent"].as_array().unwrap().len(), 1);
    assert_eq!(site.list("spool/outgoing/oem").len(), 2);
    assert!(site.list("spool/outgoing/zweiter").is_empty());
    assert!(report.to_string().contains("[partner.zweiter.engdat]"), "it says what to correct");
    // What is owed stays owed, and goes out once they are right.
    let config = fs::read_to_string(site.path("engsync.toml")).unwrap();
    let config = config.replace("\u{4f8b} GmbH", "Beispiel GmbH");
    fs::write(site.path("engsync.toml"), config).unwrap();
    let report = site.run();
    assert_eq!((trouble(&report), report["sent"].as_array().unwrap().len()), (Vec::new(), 1));
    assert_eq!(site.list("spool/outgoing/zweiter").len(), 2);
    assert_eq!(site.list("spool/outgoing/oem").len(), 2);
}

#[test]
fn row_36_one_partners_directory_that_cannot_be_used_keeps_nothing_from_the_others() {
    let site = site("Beispiel Elektronik GmbH");
    fs::create_dir_all(site.path("spool/outgoing")).unwrap();
    // The first in order is the one in trouble.
    fs::write(site.path("spool/outgoing/oem"), "in the way").unwrap();
    let ran = site.engsync(&["run", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert_eq!(trouble(&ran.json()), ["local oem deferred disk"], "{}", ran.out);
    assert_eq!(site.list("spool/outgoing/zweiter").len(), 2);
    // The next pass goes on for the others too, and a command for them is not held up.
    site.engsync(&["tracker", "set", "ISS-1", "status=In Progress"]);
    let ran = site.engsync(&["run", "--json"]);
    assert_eq!((ran.code, trouble(&ran.json()).len()), (1, 1), "once a pass: {}", ran.out);
    assert_eq!(site.list("spool/outgoing/zweiter").len(), 4);
    let sent = site.list("spool/outgoing/zweiter")[0][..20].to_owned();
    assert_eq!(site.engsync(&["resend", &sent]).code, 0);
    fs::remove_file(site.path("spool/outgoing/oem")).unwrap();
    assert_eq!(trouble(&site.run()), Vec::<String>::new());
    assert_eq!(site.list("spool/outgoing/oem").len(), 2, "the frozen answer is out");
}

#[test]
fn row_36_a_later_answer_does_not_overtake_one_that_is_stuck() {
    let site = site("Beispiel Elektronik GmbH");
    site.run();
    let outgoing = site.path("spool/outgoing/oem");
    // A foreign file has the name of the next answer's description.
    let keys = site.engsync(&["tracker", "list", "--json"]).json();
    assert_eq!(keys.as_array().unwrap().len(), 2);
    site.engsync(&["tracker", "set", "ISS-2", "status=In Progress"]);
    let next = site.engsync(&["run", "-n", "--json"]).json()["sent"][0]["files"][0].clone();
    let next = next.as_str().unwrap().to_owned();
    fs::write(outgoing.join(&next), "foreign").unwrap();
    let ran = site.engsync(&["run", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.out.contains("is there already with other content"), "{}", ran.out);
    site.engsync(&["tracker", "set", "ISS-2", "status=Closed", "resolution=Done"]);
    assert_eq!(site.engsync(&["run"]).code, 1);
    assert_eq!(fs::read_to_string(outgoing.join(&next)).unwrap(), "foreign", "never replaced");
    let there = site.list("spool/outgoing/oem").len();
    assert_eq!(there, 4, "the first answer, the foreign file and the data part before it");
    fs::remove_file(outgoing.join(&next)).unwrap();
    assert_eq!(site.engsync(&["run"]).code, 0);
    assert_eq!(site.list("spool/outgoing/oem").len(), 6);
}
