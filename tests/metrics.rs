//! The metrics file from outside.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::{Defect, RULES, Site, config, package};

const FIRST: &str = "ENG26112008000000MFA";
const SECOND: &str = "ENG26112009000000MFA";
const THIRD: &str = "ENG26112010000000MFA";

#[test]
fn a_pass_leaves_metrics_and_a_failed_one_says_so() {
    let site = Site::new();
    let more = "[metrics]\ntextfile = \"engsync.prom\"";
    let settled = "settle_seconds = 0";
    fs::write(site.path("engsync.toml"), config(settled, more, RULES)).unwrap();
    site.deliver(FIRST, &[Defect { number: "4711", title: "x", ..Defect::default() }]);
    let part = &package(SECOND, &[])[1];
    fs::write(site.path("spool/incoming").join(&part.0), &part.1).unwrap();
    let mut broken = package(THIRD, &[Defect { number: "4712", ..Defect::default() }]);
    broken[1].1.truncate(40);
    for (name, bytes) in &broken {
        fs::write(site.path("spool/incoming").join(name), bytes).unwrap();
    }
    assert_eq!(site.engsync(&["run", "-n"]).code, 1);
    assert!(!site.path("engsync.prom").exists(), "a dry run leaves nothing");
    assert_eq!(site.engsync(&["run"]).code, 1);
    let text = fs::read_to_string(site.path("engsync.prom")).unwrap();
    for line in [
        "engsync_packages_total{partner=\"oem\",outcome=\"applied\"} 1",
        "engsync_packages_total{partner=\"oem\",outcome=\"corrupt\"} 1",
        "engsync_queue_packages{state=\"incoming\"} 1",
        "engsync_queue_packages{state=\"corrupt\"} 1",
        "engsync_queue_packages{state=\"done\"} 1",
        "engsync_issues_linked{partner=\"oem\"} 1",
        "engsync_answers_owed{partner=\"oem\"} 0",
        "engsync_fields_held{partner=\"oem\"} 0",
        "engsync_conflicts_open{partner=\"oem\"} 0",
        "engsync_last_package_timestamp_seconds{partner=\"oem\"} 1795248000",
        "engsync_last_answer_timestamp_seconds{partner=\"oem\"} 1795248000",
        "engsync_last_pass_success 1",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
    }
    // Each name is declared once, before its samples, and documented.
    let docs = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md"));
    let docs = docs.unwrap();
    let mut declared = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split(' ').next().unwrap();
            assert!(declared.insert(name), "{name} is declared twice");
            assert!(docs.contains(&format!("`{name}`")), "{name} is not documented");
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            assert!(declared.contains(name), "{name} has no type");
        }
    }
    // A pass that cannot be made: the spool is a file.
    fs::rename(site.path("spool"), site.path("aside")).unwrap();
    fs::write(site.path("spool"), "").unwrap();
    assert_eq!(site.engsync(&["run"]).code, 2);
    let text = fs::read_to_string(site.path("engsync.prom")).unwrap();
    assert!(text.contains("engsync_last_pass_success 0"), "{text}");
    // Metrics that cannot be written stop nothing.
    fs::remove_file(site.path("spool")).unwrap();
    fs::rename(site.path("aside"), site.path("spool")).unwrap();
    fs::remove_file(site.path("engsync.prom")).unwrap();
    fs::create_dir(site.path("engsync.prom")).unwrap();
    let ran = site.engsync(&["run"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("the metrics could not be written"), "{}", ran.err);
}
