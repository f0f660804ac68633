//! The service from outside: arrivals, signals, the lock.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::service::{RARELY, Service, defect, is_done, log_of, until};
use common::{Defect, RULES, Site, config, package};

const FIRST: &str = "ENG26112008000000MFA";
const SECOND: &str = "ENG26112009000000MFA";

#[test]
fn an_arrival_is_applied_and_answered_at_once_and_sigterm_ends_it() {
    let site = Site::with(RARELY, RULES);
    let mut service = Service::start(&site, &["--json"]);
    site.deliver(FIRST, &[defect("4711")]);
    until(&site, "an answer", || site.list("spool/outgoing/oem").len() == 2);
    assert!(is_done(&site, FIRST));
    // Another while it sleeps, moved in from the same file system as an OFTP server would.
    fs::create_dir(site.path("server")).unwrap();
    for (file, bytes) in package(SECOND, &[defect("4712")]) {
        fs::write(site.path("server").join(&file), bytes).unwrap();
        let target = site.path("spool/incoming").join(&file);
        fs::rename(site.path("server").join(&file), target).unwrap();
    }
    until(&site, "a second answer", || site.list("spool/outgoing/oem").len() == 4);
    service.signal("-TERM");
    assert_eq!(service.end(), Some(0), "{}", log_of(&site));
    let log = log_of(&site);
    assert!(log.contains(&format!("{FIRST} (oem) applied: created ISS-1")), "{log}");
    assert!(log.contains("asked to end"), "{log}");
    let mut out = String::new();
    service.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    let reports: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(reports[0]["packages"][0]["name"], FIRST);
    assert_eq!(site.engsync(&["run"]).out, "nothing to do\n");
}

#[test]
fn a_part_still_being_written_is_waited_for() {
    let site = Site::with(&format!("{RARELY}\nsettle_seconds = 2"), RULES);
    let parts = package(FIRST, &[defect("4711")]);
    let half = parts[1].1.len() / 2;
    let incoming = site.path("spool/incoming");
    let _service = Service::start(&site, &[]);
    fs::write(incoming.join(&parts[0].0), &parts[0].1).unwrap();
    fs::write(incoming.join(&parts[1].0), &parts[1].1[..half]).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(site.list("spool/corrupt"), Vec::<String>::new());
    assert_eq!(site.list("spool/done"), Vec::<String>::new());
    fs::write(incoming.join(&parts[1].0), &parts[1].1).unwrap();
    until(&site, "the whole package", || is_done(&site, FIRST));
    // One that stays half is told when it has settled, without any event.
    let parts = package(SECOND, &[defect("4712")]);
    fs::write(incoming.join(&parts[0].0), &parts[0].1).unwrap();
    fs::write(incoming.join(&parts[1].0), &parts[1].1[..half]).unwrap();
    until(&site, "half a package", || site.list("spool/corrupt") == [SECOND]);
}

#[test]
fn a_change_in_the_tracker_of_which_no_event_tells_is_found_by_the_scan() {
    let site = Site::with("scan_seconds = 1", RULES);
    site.deliver(FIRST, &[defect("4711")]);
    let _service = Service::start(&site, &[]);
    until(&site, "what was there before", || is_done(&site, FIRST));
    until(&site, "its answer", || site.list("spool/outgoing/oem").len() == 2);
    assert_eq!(site.engsync(&["tracker", "set", "ISS-1", "status=In Progress"]).code, 0);
    until(&site, "the local change", || site.list("spool/outgoing/oem").len() == 4);
}

#[test]
fn a_late_part_brings_a_deferred_package_back() {
    let site = Site::with(&format!("{RARELY}\nwait_hours = 0\nsettle_seconds = 0"), RULES);
    let parts = package(FIRST, &[defect("4711")]);
    fs::write(site.path("spool/incoming").join(&parts[0].0), &parts[0].1).unwrap();
    let _service = Service::start(&site, &[]);
    until(&site, "deferral", || site.list("spool/deferred") == [FIRST]);
    fs::write(site.path("spool/incoming").join(&parts[1].0), &parts[1].1).unwrap();
    until(&site, "the whole package", || is_done(&site, FIRST));
}

#[test]
fn sighup_takes_a_valid_configuration_and_keeps_the_old_one_otherwise() {
    let site = Site::with(RARELY, RULES);
    let mut service = Service::start(&site, &[]);
    fs::write(site.path("engsync.toml"), "[company]\nnam = 1\n").unwrap();
    service.signal("-HUP");
    until(&site, "a warning", || log_of(&site).contains("the old configuration stays in force"));
    site.deliver(FIRST, &[defect("4711")]);
    until(&site, "work goes on", || is_done(&site, FIRST));

    let silent = RULES.replace("in = true", "in = false");
    fs::write(site.path("engsync.toml"), config(RARELY, "key_prefix = \"NEW\"", &silent)).unwrap();
    service.signal("-HUP");
    until(&site, "the new configuration", || log_of(&site).contains("was read again"));
    site.deliver(SECOND, &[defect("4712")]);
    until(&site, "work goes on", || is_done(&site, SECOND));
    until(&site, "the new prefix", || log_of(&site).contains("NEW-"));
    // The lock was held all the time, and still is.
    assert_eq!(site.engsync(&["run"]).code, 2);
    service.signal("-INT");
    assert_eq!(service.end(), Some(0));
}

#[test]
fn beside_a_service_others_are_refused_or_wait() {
    let site = Site::with(RARELY, RULES);
    let mut service = Service::start(&site, &[]);
    let holder = format!("process {} works on this spool", service.0.id());
    for args in [&["watch"][..], &["run"], &["run", "--now", common::NOW]] {
        let refused = site.engsync(args);
        assert_eq!(refused.code, 2, "{args:?}");
        assert!(refused.err.contains(&holder), "{}", refused.err);
    }
    // These only look, or work in the tracker.
    for args in [&["status"][..], &["log"], &["run", "-n"], &["tracker", "list"]] {
        assert_eq!(site.engsync(args).code, 0, "{args:?}");
    }
    let waiting = Command::new(assert_cmd::cargo::cargo_bin("engsync"))
        .current_dir(site.dir.path())
        .args(["run", "--wait"])
        .stdout(Stdio::piped())
        .stderr(fs::File::create(site.path("waiting.log")).unwrap())
        .spawn()
        .unwrap();
    let said = || fs::read_to_string(site.path("waiting.log")).unwrap().contains("waiting for it");
    until(&site, "a word about waiting", said);
    service.signal("-TERM");
    assert_eq!(service.end(), Some(0));
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "nothing to do\n");
}

#[test]
fn sigterm_in_the_midst_of_a_package_loses_nothing() {
    let numbers: Vec<String> = (0..3000).map(|number| format!("47{number:05}")).collect();
    let defects: Vec<Defect<'_>> = numbers.iter().map(|number| defect(number)).collect();
    let site = Site::with(RARELY, RULES);
    site.deliver(FIRST, &defects);
    let mut service = Service::start(&site, &[]);
    until(&site, "work", || site.list("spool/active") == [FIRST]);
    service.signal("-TERM");
    assert_eq!(service.end(), Some(0), "{}", log_of(&site));
    let done = is_done(&site, FIRST);
    assert!(done || site.list("spool/active") == [FIRST], "{}", log_of(&site));
    assert!(!done, "the package was through before the signal; make it larger");
    let report = site.run();
    assert_eq!(report["packages"][0]["outcome"], "applied");
    let issues = site.engsync(&["tracker", "list", "--json"]).json();
    assert_eq!(issues.as_array().unwrap().len(), numbers.len(), "none lost, none twice");
}

/// A folder transport whose server's directories lie in the site.
fn with_transport(spool: &str, keys: &str) -> Site {
    let site = Site::new();
    for dir in ["server/inbox", "server/outbox"] {
        fs::create_dir_all(site.path(dir)).unwrap();
    }
    configure_transport(&site, spool, keys);
    site
}

fn configure_transport(site: &Site, spool: &str, keys: &str) {
    let rules = format!(
        "[partner.oem.transport]\nkind = \"folder\"\ninbox = \"server/inbox\"\noutbox = \"server/outbox\"\n{keys}\n{RULES}"
    );
    fs::write(site.path("engsync.toml"), config(spool, "", &rules)).unwrap();
}

fn server_receives(site: &Site, name: &str, number: &str) {
    for (file, bytes) in package(name, &[defect(number)]) {
        fs::write(site.path("server/inbox").join(file), bytes).unwrap();
    }
}

#[test]
fn the_service_exchanges_by_its_schedule_and_backs_off_from_a_server_that_is_away() {
    let spool = &format!("{RARELY}\nsettle_seconds = 0");
    let site = with_transport(spool, "every = \"1s\"\njitter = \"1s\"");
    server_receives(&site, FIRST, "4711");
    let mut service = Service::start(&site, &[]);
    until(&site, "an answer delivered", || site.list("server/outbox").len() == 2);
    // A later one: nothing but the schedule tells of it.
    server_receives(&site, SECOND, "4712");
    until(&site, "a second answer", || site.list("server/outbox").len() == 4);
    assert_eq!(site.list("server/inbox"), Vec::<String>::new());
    until(&site, "ticked off", || site.list("spool/outgoing/oem").is_empty());

    fs::rename(site.path("server/inbox"), site.path("server/away")).unwrap();
    let failures = || log_of(&site).matches("exchange failed").count();
    until(&site, "a failure", || failures() >= 2);
    let status = site.engsync(&["status", "--json"]).json();
    assert!(status["partners"][0]["exchange_failures"].as_u64() >= Some(2), "{status}");
    fs::rename(site.path("server/away"), site.path("server/inbox")).unwrap();
    server_receives(&site, "ENG26112010000000MFA", "4713");
    until(&site, "a third answer", || site.list("server/outbox").len() == 6);
    // After the failures it took its time: 1, 2, 4 … seconds.
    assert!(failures() < 8, "{}", log_of(&site));
    service.signal("-TERM");
    assert_eq!(service.end(), Some(0));
}

#[test]
fn the_service_does_not_block_for_files_that_have_yet_to_settle() {
    let spool = &format!("{RARELY}\nsettle_seconds = 3");
    let site = with_transport(spool, "every = \"1h\"");
    server_receives(&site, FIRST, "4711");
    let _service = Service::start(&site, &[]);
    // Meanwhile what lies in the spool is taken.
    site.deliver(SECOND, &[defect("4712")]);
    until(&site, "the other package", || is_done(&site, SECOND));
    assert!(!is_done(&site, FIRST));
    until(&site, "what has settled", || is_done(&site, FIRST));
}

#[test]
fn sighup_takes_a_new_schedule() {
    let spool = &format!("{RARELY}\nsettle_seconds = 0");
    // Far away.
    let site = with_transport(spool, "cron = \"0 0 1 1 *\"");
    let service = Service::start(&site, &[]);
    server_receives(&site, FIRST, "4711");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(site.list("server/inbox").len(), 2);
    configure_transport(&site, spool, "every = \"1s\"");
    service.signal("-HUP");
    until(&site, "an answer delivered", || site.list("server/outbox").len() == 2);
}
