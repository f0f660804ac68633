//! The metrics file from outside.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a test that was left out says so")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;
#[path = "metrics/format.rs"]
mod format;

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

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
    assert_eq!(format::problems(&text), Vec::<String>::new(), "{text}");
    promtool(&text);
    let docs = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md"));
    let docs = docs.unwrap();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(docs.contains(&format!("`{name}`")), "{name} is not documented");
    }
    // A pass that cannot be made: the spool is a file.
    fs::rename(site.path("spool"), site.path("aside")).unwrap();
    fs::write(site.path("spool"), "").unwrap();
    assert_eq!(site.engsync(&["run"]).code, 2);
    let text = fs::read_to_string(site.path("engsync.prom")).unwrap();
    assert!(text.contains("engsync_last_pass_success 0"), "{text}");
    assert_eq!(format::problems(&text), Vec::<String>::new(), "{text}");
    // Metrics that cannot be written stop nothing.
    fs::remove_file(site.path("spool")).unwrap();
    fs::rename(site.path("aside"), site.path("spool")).unwrap();
    fs::remove_file(site.path("engsync.prom")).unwrap();
    fs::create_dir(site.path("engsync.prom")).unwrap();
    let ran = site.engsync(&["run"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("the metrics could not be written"), "{}", ran.err);
}

/// Prometheus' own word on a page, where it is installed.
fn promtool(page: &str) {
    let program = std::env::var("PROMTOOL").unwrap_or_else(|_| "promtool".to_owned());
    let started = Command::new(&program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        eprintln!("SKIPPED: {program} is not installed; the metrics are checked by our own reader");
        return;
    };
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let said = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout) + String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && text.is_empty(), "{text}");
}

#[test]
fn the_check_of_the_format_finds_what_is_wrong() {
    let head = "# HELP a_total Things.\n# TYPE a_total counter\n";
    let good =
        format!("{head}a_total{{p=\"x\",q=\"\\\\ \\\" \\n\"}} 1\na_total{{p=\"y\"}} 2.5e3\n");
    assert_eq!(format::problems(&good), Vec::<String>::new());
    for bad in [
        format!("{head}a_total 1"),
        "a_total 1\n".to_owned(),
        "# TYPE a_total counter\na_total 1\n".to_owned(),
        format!("{head}a_total 1\na_total 2\n"),
        format!("{head}a_total{{p=\"x\"}} 1\na_total{{p=\"x\"}} 2\n"),
        format!("{head}a_total{{p=\"x\\q\"}} 1\n"),
        format!("{head}a_total{{p=\"x}} 1\n"),
        format!("{head}a_total{{0p=\"x\"}} 1\n"),
        format!("{head}a_total{{p=\"x\"}} many\n"),
        format!("{head}a_total 1\n\n"),
        format!("{head}{head}a_total 1\n"),
        format!("{head}# HELP b B.\n# TYPE b gauge\nb 1\na_total 1\n"),
        "# HELP a Things.\n# TYPE a counter\na 1\n".to_owned(),
        "# HELP a_total Things.\n# TYPE a_total gauge\na_total 1\n".to_owned(),
        "# HELP a Things.\n# TYPE a number\na 1\n".to_owned(),
        "# HELP 0a Things.\n# TYPE 0a gauge\n0a 1\n".to_owned(),
    ] {
        assert!(!format::problems(&bad).is_empty(), "{bad}");
    }
}
