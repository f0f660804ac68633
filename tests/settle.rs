//! When a package is whole, when it is waited for, and when it is not any more: by its content first,
//! by the age of its files only where that is in doubt.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;

use std::fs;
use std::time::{Duration, SystemTime};

use common::service::{Service, defect, is_done, until};
use common::{RULES, Site, oem, package, supplier};
use engsync::engdat::{self, FileEntry, PackageName};

const FIRST: &str = "ENG26112008000000MFA";

type Parts = Vec<(String, Vec<u8>)>;

fn whole() -> Parts {
    package(FIRST, &[defect("4711")])
}

fn cut(part: usize, keep: impl Fn(usize) -> usize) -> Parts {
    let mut parts = whole();
    let length = parts[part].1.len();
    parts[part].1.truncate(keep(length));
    parts
}

/// A description of two data files, of which the names know one.
fn more_than_the_names_say() -> Parts {
    let mut parts = whole();
    let name: PackageName = FIRST.parse().unwrap();
    let issued =
        chrono::NaiveDate::from_ymd_opt(2026, 11, 20).unwrap().and_hms_opt(8, 0, 0).unwrap();
    let files = [FileEntry::archive("PKZIP-Archive"), FileEntry::archive("PKZIP-Archive")];
    let message = engdat::compose(&name, issued, &oem(), &supplier(), &files);
    parts[0].1 = engdat::write(&message).unwrap();
    parts
}

fn put(site: &Site, parts: &Parts) {
    for (name, bytes) in parts {
        fs::write(site.path("spool/incoming").join(name), bytes).unwrap();
    }
}

/// As if every part had been written so long ago.
fn age(site: &Site, dir: &str, by: Duration) {
    for name in site.list(dir) {
        let file = fs::OpenOptions::new().write(true).open(site.path(dir).join(name)).unwrap();
        file.set_modified(SystemTime::now() - by).unwrap();
    }
}

fn outcome(site: &Site) -> (String, String) {
    let report = site.run();
    let package = &report["packages"][0];
    let word = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
    (word("outcome"), word("reason"))
}

#[test]
fn what_is_whole_is_taken_at_once_and_a_defect_of_a_young_part_means_it_still_arrives() {
    let cases: [(&str, Parts, &str); 7] = [
        ("whole", whole(), ""),
        ("its end record cut", cut(1, |length| length - 1), "bad-zip"),
        ("half of it", cut(1, |length| length / 2), "bad-zip"),
        ("nothing of it", cut(1, |_| 0), "bad-zip"),
        ("UNZ cut", cut(0, |length| length - 12), "bad-edifact"),
        ("half the description", cut(0, |length| length / 2), "bad-edifact"),
        ("an empty description", cut(0, |_| 0), "bad-edifact"),
    ];
    for (what, parts, reason) in cases {
        let site = Site::with("settle_seconds = 600", RULES);
        put(&site, &parts);
        let young = outcome(&site);
        if reason.is_empty() {
            assert_eq!(young.0, "applied", "{what}");
            continue;
        }
        assert_eq!(young, ("waiting".to_owned(), String::new()), "{what}");
        assert_eq!(site.list("spool/incoming").len(), 2, "{what}: nothing is touched");
        // The rest of it comes.
        put(&site, &whole());
        assert_eq!(outcome(&site).0, "applied", "{what}");

        let site = Site::with("settle_seconds = 600", RULES);
        put(&site, &parts);
        age(&site, "spool/incoming", Duration::from_secs(601));
        assert_eq!(outcome(&site), ("corrupt".to_owned(), reason.to_owned()), "{what}");
    }
}

#[test]
fn a_part_that_only_the_description_names_is_waited_for() {
    for minutes in [0, 30] {
        let site = Site::with("settle_seconds = 600", RULES);
        put(&site, &more_than_the_names_say());
        age(&site, "spool/incoming", Duration::from_secs(minutes * 60));
        let report = site.run();
        assert_eq!(report["packages"][0]["outcome"], "waiting");
        let text = report["packages"][0]["text"].as_str().unwrap();
        assert_eq!(text, "waits for part 003 of 3", "{minutes} min");
    }
}

#[test]
fn a_missing_part_is_waited_for_until_the_deadline_and_taken_after_it() {
    for missing in [0, 1] {
        let site = Site::with("wait_hours = 2\nsettle_seconds = 0", RULES);
        let parts = whole();
        put(&site, &vec![parts[1 - missing].clone()]);
        for minutes in [0, 119] {
            age(&site, "spool/incoming", Duration::from_secs(minutes * 60));
            assert_eq!(outcome(&site).0, "waiting", "{minutes} min");
            assert_eq!(site.engsync(&["status", "--check"]).code, 0, "that is no trouble");
        }
        age(&site, "spool/incoming", Duration::from_secs(121 * 60));
        assert_eq!(outcome(&site), ("deferred".to_owned(), "part-missing".to_owned()));
        assert_eq!(site.list("spool/deferred"), [FIRST]);
        assert_eq!(site.engsync(&["status", "--check"]).code, 1);
        // A person may put it back; its time is over still.
        assert_eq!(site.engsync(&["release", FIRST]).code, 0);
        assert_eq!(site.list("spool/incoming"), [parts[1 - missing].0.clone()]);
        assert_eq!(outcome(&site).0, "deferred");
        // The late part brings it back by itself.
        put(&site, &vec![parts[missing].clone()]);
        assert_eq!(outcome(&site).0, "applied");
        assert_eq!(site.list("spool/deferred"), Vec::<String>::new());
        assert_eq!(site.engsync(&["status", "--check"]).code, 0);
    }
}

#[test]
fn the_service_sees_a_deadline_pass_and_the_late_part_come() {
    let site = Site::with("wait_hours = 1\nsettle_seconds = 0\nscan_seconds = 1", RULES);
    let parts = whole();
    put(&site, &vec![parts[0].clone()]);
    age(&site, "spool/incoming", Duration::from_secs(3600 - 7));
    let _service = Service::start(&site, &[]);
    std::thread::sleep(Duration::from_millis(1000));
    assert_eq!(site.list("spool/deferred"), Vec::<String>::new(), "its time is not over");
    until(&site, "the deadline", || site.list("spool/deferred") == [FIRST]);
    put(&site, &vec![parts[1].clone()]);
    until(&site, "the whole package", || is_done(&site, FIRST));
}
