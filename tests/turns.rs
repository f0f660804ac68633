//! Several at once: people's commands beside the service, partners beside each other, a second
//! machine that no lock keeps away.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Defect, RULES, Site, archive, oem, package, package_of, party, supplier};

const FIRST: &str = "ENG26112008000000MFA";
const SECOND: &str = "ENG26112009000000MFA";
const THIRD: &str = "ENG26112010000000MFA";

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Service(Child);

impl Service {
    fn start(site: &Site, args: &[&str]) -> Self {
        let log = fs::File::create(site.path("service.log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_engsync"))
            .current_dir(site.dir.path())
            .env_clear()
            .args(args)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(site: &Site, what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        let log = fs::read_to_string(site.path("service.log")).unwrap_or_default();
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}\n{log}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn defect(number: &str) -> Defect<'_> {
    Defect { number, title: "Fensterheber klemmt", ..Defect::default() }
}

fn is_done(site: &Site, name: &str) -> bool {
    site.list("spool/done").iter().any(|done| done == name)
}

#[test]
fn peoples_commands_work_while_the_service_runs() {
    let site = Site::with("scan_seconds = 3600\nsettle_seconds = 0", RULES);
    let _service = Service::start(&site, &["watch"]);
    until(&site, "it watches", || site.path("spool/outgoing").is_dir());
    site.deliver(FIRST, &[defect("4711")]);
    until(&site, "an answer", || site.list("spool/outgoing/oem").len() == 2);
    let sent = site.list("spool/outgoing/oem")[0][..20].to_owned();
    let mut broken = package(SECOND, &[defect("4712")]);
    broken[1].1.truncate(40);
    for (name, bytes) in &broken {
        fs::write(site.path("spool/incoming").join(name), bytes).unwrap();
    }
    until(&site, "a broken one", || site.list("spool/corrupt") == [SECOND]);
    let works = |args: &[&str]| {
        let ran = site.engsync(args);
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.err);
        ran.out
    };
    works(&["unlink", "oem", "4711"]);
    works(&["link", "oem", "4711", "ISS-1"]);
    works(&["retry", "4711"]);
    // A dry run of it moves nothing.
    works(&["release", "-n", SECOND]);
    assert_eq!(site.list("spool/corrupt"), [SECOND]);
    let seen = |name: &str| {
        let log = site.engsync(&["log", "--json"]).out;
        log.matches(name).count()
    };
    let before = seen(SECOND);
    works(&["release", SECOND]);
    until(&site, "the released one again", || seen(SECOND) > before);
    works(&["replay", FIRST]);
    until(&site, "the replayed one", || is_done(&site, FIRST));
    fs::remove_file(site.path("spool/outgoing/oem").join(format!("{sent}002001"))).unwrap();
    works(&["resend", &sent]);
    assert!(site.path("spool/outgoing/oem").join(format!("{sent}002001")).exists());
    works(&["reissue", &sent]);
    let unknown = site.engsync(&["conflicts", "resolve", "99", "--take", "local"]);
    assert!(unknown.err.contains("no conflict 99"), "{}", unknown.err);
    // Passes are the service's alone.
    for args in [&["run"][..], &["watch"]] {
        let refused = site.engsync(args);
        assert_eq!(refused.code, 2, "{args:?}");
        assert!(refused.err.contains("works on this spool"), "{}", refused.err);
    }
}

#[test]
fn a_command_waits_for_the_pass_under_way_and_names_who_keeps_it_waiting() {
    let numbers: Vec<String> = (0..2000).map(|number| format!("47{number:05}")).collect();
    let defects: Vec<Defect<'_>> = numbers.iter().map(|number| defect(number)).collect();
    let site = Site::with("scan_seconds = 3600", RULES);
    site.deliver(FIRST, &[defect("4711")]);
    site.run();
    site.deliver(SECOND, &defects);
    let service = Service::start(&site, &["watch"]);
    until(&site, "work", || site.list("spool/active") == [SECOND]);
    let ran = site.engsync(&["retry", "4711", "--wait"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(is_done(&site, SECOND), "it went before the pass was through");
    let holder = format!("process {} works on this spool", service.0.id());
    assert!(ran.err.is_empty() || ran.err.contains(&holder), "{}", ran.err);
}

#[test]
fn row_35_a_partner_with_hundreds_of_packages_does_not_starve_another() {
    let other = RULES.replace("partner.oem", "partner.zweiter");
    let more = format!(
        "{RULES}\n[partner.zweiter]\nname = \"Andere AG\"\nshort_name = \"MFAG\"\n\
         [partner.zweiter.engdat]\n[partner.zweiter.engdat.peer]\nid = \"O0013AAG\"\n\
         routing = \"RDEANDERE\"\nname = \"Andere AG\"\ncountry = \"DE\"\n\
         [partner.zweiter.engdat.own]\nid = \"O0013007789BEG\"\nrouting = \"RDEBEISPIEL\"\n\
         name = \"Beispiel Elektronik GmbH\"\ncountry = \"DE\"\n{other}"
    );
    let site = Site::with("scan_seconds = 3600\nsettle_seconds = 0", &more);
    let late = package_of(
        "ENG26112023000000AAG",
        &party("O0013AAG", "RDEANDERE", "Andere AG"),
        &supplier(),
        &archive(&[defect("1")]),
    );
    let many: Vec<String> = (0..300).map(|number| format!("{}", 4700 + number)).collect();
    for (index, number) in many.iter().enumerate() {
        let zip = archive(&[defect(number)]);
        let name = format!("ENG2611200{:03}0000MFA", index * 3);
        for (file, bytes) in package_of(&name, &oem(), &supplier(), &zip) {
            fs::write(site.path("spool/incoming").join(file), bytes).unwrap();
        }
    }
    for (file, bytes) in &late {
        fs::write(site.path("spool/incoming").join(file), bytes).unwrap();
    }
    let planned = site.engsync(&["run", "-n", "--json"]).json();
    let place = planned["packages"].as_array().unwrap().iter();
    let place = place.map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(place.iter().position(|name| name.ends_with("AAG")), Some(1), "{place:?}");
    // The service answers before the long queue is through.
    let _service = Service::start(&site, &["watch"]);
    until(&site, "the other's answer", || site.list("spool/outgoing/zweiter").len() == 2);
    let done = site.list("spool/done").len();
    assert!(done < 250, "{done} packages were taken before the other partner had its answer");
    until(&site, "all of them", || site.list("spool/done").len() == 301);
}

#[test]
fn row_29_a_second_machine_that_no_lock_keeps_away_fences_the_first() {
    let numbers: Vec<String> = (0..3000).map(|number| format!("47{number:05}")).collect();
    let defects: Vec<Defect<'_>> = numbers.iter().map(|number| defect(number)).collect();
    let site = Site::with("", RULES);
    site.deliver(FIRST, &defects);
    let mut first = Service::start(&site, &["run", "--now", common::NOW]);
    until(&site, "work", || site.list("spool/active") == [FIRST]);
    std::thread::sleep(Duration::from_millis(100));
    // As over a file system that knows no locks.
    for lock in ["engsync.db.lock", "engsync.db.turn.lock"] {
        fs::remove_file(site.path(lock)).unwrap();
    }
    let second = site.engsync(&["run", "--json"]);
    assert_eq!(second.code, 0, "{}", second.err);
    let code = first.0.wait().unwrap().code();
    let said = fs::read_to_string(site.path("service.log")).unwrap();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("writes to") && said.contains("hint:"), "{said}");
    site.deliver(THIRD, &[defect("4711")]);
    assert_eq!(site.engsync(&["run"]).code, 0);
    let issues = site.engsync(&["tracker", "list", "--json"]).json();
    assert_eq!(issues.as_array().unwrap().len(), numbers.len() + 1, "none lost, none twice");
    assert_eq!(site.list("spool/done"), [FIRST, THIRD]);
}
