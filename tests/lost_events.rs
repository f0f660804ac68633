//! Events are hints: a service from outside whose events are too many, lost, or none at all.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]
#![allow(clippy::print_stderr, reason = "a test that was left out says so")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use common::service::{RARELY, Service, defect, is_done, log_of, until};
use common::{RULES, Site};

const FIRST: &str = "ENG26112008000000MFA";
const SECOND: &str = "ENG26112009000000MFA";
const THIRD: &str = "ENG26112010000000MFA";

/// How many events the kernel keeps for one reader.
fn queue() -> usize {
    let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    most.trim().parse().unwrap()
}

/// Fills the queue with events none of which is a reason to look: what makes the service look is
/// the word that others were lost.
fn touch_often(site: &Site) {
    let files = ["a.txt", "b.txt"].map(|name| site.path("spool/incoming").join(name));
    for number in 0..=queue() {
        // In turns, for the kernel merges equal events.
        let mode = fs::Permissions::from_mode(if number % 4 < 2 { 0o600 } else { 0o640 });
        fs::set_permissions(&files[number % 2], mode).unwrap();
    }
}

/// More files than the queue has places.
fn fill_directory(site: &Site) {
    let first = site.path("spool/incoming/a.txt");
    for number in 0..=queue() {
        fs::hard_link(&first, site.path("spool/incoming").join(format!("{number}.txt"))).unwrap();
    }
}

/// The first pass is over, and the next one an hour away.
fn until_asleep(site: &Site) {
    until(site, "a first pass", || log_of(site).contains("pass of"));
    std::thread::sleep(Duration::from_millis(300));
}

#[test]
fn a_queue_that_runs_over_costs_no_package_and_no_time() {
    if queue() > 200_000 {
        eprintln!("SKIPPED: the kernel's queue of {} events is too long to fill", queue());
        return;
    }
    for fill in [touch_often, fill_directory] {
        let site = Site::with(RARELY, RULES);
        for name in ["a.txt", "b.txt"] {
            fs::write(site.path("spool/incoming").join(name), "").unwrap();
        }
        let service = Service::start(&site, &["-v"]);
        until_asleep(&site);
        service.signal("-STOP");
        let stat = format!("/proc/{}/stat", service.0.id());
        until(&site, "it stands still", || fs::read_to_string(&stat).unwrap().contains(") T "));
        fill(&site);
        // Of these the kernel keeps no event any more.
        site.deliver(FIRST, &[defect("4711")]);
        site.deliver(SECOND, &[defect("4712")]);
        service.signal("-CONT");
        until(&site, "both packages", || is_done(&site, FIRST) && is_done(&site, SECOND));
        // And it hears again.
        site.deliver(THIRD, &[defect("4713")]);
        until(&site, "a third one", || is_done(&site, THIRD));
    }
}

#[test]
fn a_directory_put_in_the_place_of_incoming_is_watched_from_then_on() {
    let site = Site::with(RARELY, RULES);
    let _service = Service::start(&site, &["-v"]);
    until_asleep(&site);
    fs::rename(site.path("spool/incoming"), site.path("old")).unwrap();
    // The service may be there first.
    fs::create_dir_all(site.path("spool/incoming")).unwrap();
    site.deliver(FIRST, &[defect("4711")]);
    until(&site, "what came into the new one", || is_done(&site, FIRST));
    until(&site, "a word", || log_of(&site).contains("incoming/ is another directory now"));
    std::thread::sleep(Duration::from_millis(300));
    site.deliver(SECOND, &[defect("4712")]);
    until(&site, "what came later", || is_done(&site, SECOND));
}

#[test]
fn without_any_event_the_periodic_scan_takes_everything() {
    if !common::may_trace() {
        return;
    }
    // No instance left for this user, no watch left, a file system without events.
    for refusal in [
        "inotify_init1:error=EMFILE",
        "inotify_add_watch:error=ENOSPC",
        "inotify_add_watch:error=ENOSYS",
    ] {
        let site = Site::with("scan_seconds = 1", RULES);
        // The tracer steps aside, so that the child is the service itself.
        let mut command = Command::new("strace");
        command.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", &format!("inject={refusal}")]);
        command.arg(assert_cmd::cargo::cargo_bin("engsync"));
        let mut service = Service::by(&site, command, &[]);
        until(&site, "a first pass", || site.path("engsync.db").exists());
        for (name, number) in [(FIRST, "4711"), (SECOND, "4712")] {
            site.deliver(name, &[defect(number)]);
            until(&site, "what no event told of", || is_done(&site, name));
        }
        service.signal("-TERM");
        assert_eq!(service.end(), Some(0), "{refusal}");
        let log = log_of(&site);
        assert_eq!(log.matches("cannot watch").count(), 1, "told once: {log}");
        assert!(log.contains("found by scanning"), "{log}");
    }
}
