//! The service and those who tell it what to do: signals, also in the midst of a part of many
//! gigabytes, and what systemd hears.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::service::{RARELY, Service, defect, is_done, log_of, until};
use common::{RULES, Site, package};

const FIRST: &str = "ENG26112008000000MFA";

/// What systemd would hear.
#[derive(Clone)]
struct Systemd(Arc<Mutex<Vec<String>>>);

impl Systemd {
    fn listen(site: &Site) -> Self {
        let socket = UnixDatagram::bind(site.path("notify")).unwrap();
        let heard = Self(Arc::default());
        let all = heard.0.clone();
        // Ends with the process.
        std::thread::spawn(move || {
            let mut message = [0; 4096];
            while let Ok(size) = socket.recv(&mut message) {
                let text = String::from_utf8_lossy(&message[..size]).into_owned();
                all.lock().unwrap().push(text);
            }
        });
        heard
    }

    fn count(&self, word: &str) -> usize {
        let all = self.0.lock().unwrap();
        all.iter().flat_map(|message| message.lines()).filter(|line| line.starts_with(word)).count()
    }
}

fn notified(site: &Site) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("engsync"));
    command.env_clear().env("NOTIFY_SOCKET", site.path("notify")).env("WATCHDOG_USEC", "800000");
    command
}

#[test]
fn systemd_hears_when_it_is_ready_lives_reloads_and_ends() {
    let site = Site::with(RARELY, RULES);
    let systemd = Systemd::listen(&site);
    let mut service = Service::by(&site, notified(&site), &[]);
    until(&site, "it is ready", || systemd.count("READY=1") == 1);
    until(&site, "its first pass", || systemd.count("STATUS=nothing to do") > 0);
    site.deliver(FIRST, &[defect("4711")]);
    until(&site, "a pass with work", || systemd.count("STATUS=1 applied, 1 sent") == 1);
    let before = systemd.count("WATCHDOG=1");
    until(&site, "it lives while it waits", || systemd.count("WATCHDOG=1") > before + 2);
    service.signal("-HUP");
    until(&site, "it has reloaded", || systemd.count("READY=1") == 2);
    assert_eq!((systemd.count("RELOADING=1"), systemd.count("MONOTONIC_USEC=")), (1, 1));
    assert_eq!(systemd.count("STOPPING=1"), 0);
    service.signal("-TERM");
    assert_eq!(service.end(), Some(0));
    until(&site, "it said so", || systemd.count("STOPPING=1") == 1);
}

#[test]
fn a_service_that_waits_for_a_persons_command_lives_and_ends_when_it_is_told_to() {
    let site = Site::with(RARELY, RULES);
    let systemd = Systemd::listen(&site);
    let mut service = Service::by(&site, notified(&site), &["-v"]);
    until(&site, "a first pass", || log_of(&site).contains("pass of"));
    // The turn is a command's, which takes long.
    let turn = fs::OpenOptions::new().write(true).open(site.path("engsync.db.turn.lock")).unwrap();
    turn.lock().unwrap();
    site.deliver(FIRST, &[defect("4711")]);
    until(&site, "a word", || log_of(&site).contains("works on this spool; waiting for it"));
    let before = systemd.count("WATCHDOG=1");
    until(&site, "it lives", || systemd.count("WATCHDOG=1") > before + 3);
    assert!(!is_done(&site, FIRST));
    service.signal("-TERM");
    let begun = Instant::now();
    assert_eq!(service.end(), Some(0), "{}", log_of(&site));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    turn.unlock().unwrap();
    assert_eq!(site.run()["packages"][0]["outcome"], "applied");
}

/// Hours of reading, no space on the disk.
fn grow(part: &Path, to: u64) {
    fs::OpenOptions::new().write(true).open(part).unwrap().set_len(to).unwrap();
}

#[test]
fn a_stop_does_not_wait_for_a_huge_part_nor_does_systemd_lose_patience_with_it() {
    const HUGE: u64 = 1 << 40;
    for keep in [false, true] {
        let site =
            Site::with(&format!("{RARELY}\nsettle_seconds = 0\nkeep_incoming = {keep}"), RULES);
        let parts = package(FIRST, &[defect("4711")]);
        site.deliver(FIRST, &[defect("4711")]);
        let (name, size) = (&parts[1].0, parts[1].1.len() as u64);
        grow(&site.path("spool/incoming").join(name), HUGE);
        // The second start finds it where the first one left it.
        for start in 0..2 {
            let systemd = Systemd::listen(&site);
            let mut service = Service::by(&site, notified(&site), &[]);
            if !keep {
                until(&site, "work", || site.list("spool/active") == [FIRST]);
            }
            let before = systemd.count("WATCHDOG=1");
            until(&site, "it reads and lives", || systemd.count("WATCHDOG=1") > before + 3);
            service.signal("-TERM");
            let begun = Instant::now();
            assert_eq!(service.end(), Some(0), "keep {keep}, start {start}: {}", log_of(&site));
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
            let log = log_of(&site);
            assert!(log.contains("the next start takes it up again"), "{log}");
            assert_eq!(systemd.count("STOPPING=1"), 1);
            assert!(
                site.list("spool/corrupt").is_empty() && site.list("spool/deferred").is_empty()
            );
            fs::remove_file(site.path("notify")).unwrap();
        }
        let left = if keep { "spool/incoming".to_owned() } else { format!("spool/active/{FIRST}") };
        grow(&site.path(&left).join(name), size);
        let report = site.run();
        assert_eq!(report["packages"][0]["outcome"], "applied", "{report:#}");
        assert!(is_done(&site, FIRST));
    }
}
