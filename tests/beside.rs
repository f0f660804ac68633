//! Two services, `run`, `-z` and a schedule's `exchange` side by side, each pair: one works, the
//! other says who, or waits its turn.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Defect, RULES, Site, archive, package};

const PATIENCE: Duration = Duration::from_secs(120);

/// What makes passes, and how it is called.
const WAYS: [(&str, &[&str]); 4] = [
    ("watch", &["watch"]),
    ("run", &["run", "-q"]),
    ("by hand", &["-z", "many.zip", "-q"]),
    ("exchange", &["exchange", "-q"]),
];

/// So many issues come by hand, and so many files from the server: work for a while.
const MANY: usize = 600;

fn defect(number: &str) -> Defect<'_> {
    Defect { number, title: "Hupe stumm", ..Defect::default() }
}

fn site() -> Site {
    let transport = "[partner.oem.transport]\nkind = \"folder\"\ninbox = \"inbox\"\n\
                     outbox = \"outbox\"\n";
    let site = Site::with("settle_seconds = 0\nscan_seconds = 1", &format!("{transport}{RULES}"));
    for dir in ["inbox", "outbox"] {
        fs::create_dir(site.path(dir)).unwrap();
    }
    let numbers: Vec<String> = (0..MANY).map(|number| format!("{}", 10_000 + number)).collect();
    let defects: Vec<Defect<'_>> = numbers.iter().map(|number| defect(number)).collect();
    fs::write(site.path("many.zip"), archive(&defects)).unwrap();
    for index in 0..20 {
        let name = format!("ENG261120080000{index:02}MFA");
        let number = format!("{}", 4700 + index);
        for (file, bytes) in package(&name, &[defect(&number)]) {
            fs::write(site.path("inbox").join(file), bytes).unwrap();
        }
    }
    site
}

fn start(site: &Site, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_engsync"))
        .current_dir(site.dir.path())
        .env_clear()
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

/// Stops one at work, once it holds the lock.
fn stopped(site: &Site, args: &[&str]) -> Child {
    let mut child = start(site, args);
    let begun = Instant::now();
    let own = format!("process {}", child.id());
    while fs::read_to_string(site.path("engsync.db.lock")).unwrap_or_default() != own {
        assert!(begun.elapsed() < PATIENCE && child.try_wait().unwrap().is_none(), "{args:?}");
    }
    // The service listens to signals once it is up.
    while args == ["watch"] && site.list("inbox").len() == 40 {
        assert!(begun.elapsed() < PATIENCE, "it does not come up");
    }
    signal(&child, "STOP");
    child
}

/// How it ended, and what it said.
fn ended(child: Child) -> (Option<i32>, String) {
    let done = child.wait_with_output().unwrap();
    (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
}

#[test]
fn row_29_of_each_pair_one_works_and_the_other_names_it_or_waits() {
    for (holder, holding) in WAYS {
        let site = site();
        let first = stopped(&site, holding);
        let who = format!("process {} works on this spool", first.id());
        for (other, args) in WAYS {
            let (code, said) = ended(start(&site, args));
            assert_eq!(code, Some(2), "{other} beside {holder}: {said}");
            assert!(
                said.contains(&who) && said.contains("--wait"),
                "{other} beside {holder}: {said}"
            );
        }
        let waiting: Vec<(&str, Child)> = WAYS
            .iter()
            .filter(|(other, _)| *other != "watch")
            .map(|(other, args)| (*other, start(&site, &[&["--wait"], *args].concat())))
            .collect();
        std::thread::sleep(Duration::from_millis(150));
        let mut waiting = waiting;
        for (other, child) in &mut waiting {
            assert!(child.try_wait().unwrap().is_none(), "{other} does not wait for {holder}");
        }
        if holder == "watch" {
            signal(&first, "TERM");
        }
        signal(&first, "CONT");
        for (who, child) in waiting.into_iter().chain([(holder, first)]) {
            let (code, said) = ended(child);
            assert_eq!(code, Some(0), "{who} around {holder}: {said}");
        }
        // Whoever was first: everything is there, and once.
        assert_eq!(site.engsync(&["run"]).code, 0);
        let keys = site.engsync(&["tracker", "list", "--json"]).json();
        assert_eq!(keys.as_array().unwrap().len(), MANY + 20, "{holder}");
        assert_eq!(site.list("spool/done").len(), 20, "{holder}");
        assert_eq!(site.list("inbox"), Vec::<String>::new(), "{holder}");
        assert!(site.list("outbox").len() >= 2, "{holder}: answered");
    }
}

#[test]
fn row_29_a_service_that_waited_takes_over_from_one_that_ends() {
    let site = site();
    let first = stopped(&site, &["watch"]);
    let second = start(&site, &["watch", "--wait"]);
    signal(&first, "TERM");
    signal(&first, "CONT");
    assert_eq!(ended(first).0, Some(0));
    let begun = Instant::now();
    while site.list("spool/done").len() < 20 {
        assert!(begun.elapsed() < PATIENCE, "{:?}", site.list("spool/done"));
        std::thread::sleep(Duration::from_millis(10));
    }
    signal(&second, "TERM");
    let (code, said) = ended(second);
    assert_eq!(code, Some(0), "{said}");
}
