//! The service and a tracker's server that is away: it is not hammered, what it asks for is the least,
//! and it keeps nobody from ending.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use common::service::{Service, defect, log_of, until};
use common::{RULES, Site};

const FIRST: &str = "ENG26112008000000MFA";

/// A server that answers everything with this, or not at all; when it was asked.
fn server(answer: Option<&'static str>) -> (u16, Arc<Mutex<Vec<SystemTime>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked: Arc<Mutex<Vec<SystemTime>>> = Arc::default();
    let times = asked.clone();
    // Ends with the process.
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for mut stream in listener.incoming().flatten() {
            times.lock().unwrap().push(SystemTime::now());
            if let Some(answer) = answer {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer.as_bytes());
            } else {
                held.push(stream);
            }
        }
    });
    (port, asked)
}

fn site(port: u16) -> Site {
    let site = Site::with("scan_seconds = 1\nsettle_seconds = 0", RULES);
    let text = fs::read_to_string(site.path("engsync.toml")).unwrap();
    let jira = format!(
        "kind = \"jira\"\nurl = \"http://127.0.0.1:{port}\"\nuser = \"sync\"\npassword_file = \"password\"\nproject = \"TST\"\nissue_type = \"Defect\""
    );
    fs::write(site.path("engsync.toml"), text.replace("kind = \"embedded\"", &jira)).unwrap();
    fs::write(site.path("password"), "secret\n").unwrap();
    site.deliver(FIRST, &[defect("4711")]);
    site
}

/// When the service said this first.
fn said(site: &Site, word: &str) -> SystemTime {
    until(site, word, || log_of(site).lines().any(|line| line.contains(word)));
    let log = log_of(site);
    let line = log.lines().find(|line| line.contains(word)).unwrap();
    let stamp = line.split_whitespace().next().unwrap();
    chrono::DateTime::parse_from_rfc3339(stamp).unwrap().into()
}

/// Watches; after each of these words in the log nobody is asked for so many seconds, and then
/// somebody is.
fn watches(answer: &'static str, words: [(&str, u64); 2]) {
    let (port, asked) = server(Some(answer));
    let site = site(port);
    let mut service = Service::start(&site, &[]);
    for (word, seconds) in words {
        let at = said(&site, word);
        let next = || asked.lock().unwrap().iter().find(|asked| **asked > at).copied();
        until(&site, "it is asked again", || next().is_some());
        let pause = next().unwrap().duration_since(at).unwrap();
        // A little of it had gone by when the word was said.
        let least = Duration::from_millis(seconds * 1000 - 500);
        assert!(pause >= least, "{answer}: after {pause:?}\n{}", log_of(&site));
    }
    assert_eq!(site.list("spool/deferred"), [FIRST], "{}", log_of(&site));
    service.signal("-TERM");
    assert_eq!(service.end(), Some(0));
}

#[test]
fn what_a_tracker_asks_for_is_the_least_pause_and_ours_grow() {
    let (two, four) = ("asked again in 2 s", "asked again in 4 s");
    let cases = [
        // Without a word of its own, and with one that asks for less, our pauses count.
        ("", [(two, 2), (four, 4)]),
        ("Retry-After: 1\r\n", [(two, 2), (four, 4)]),
        // What it asks for beyond them counts too.
        ("Retry-After: 10\r\n", [(two, 9), (four, 9)]),
    ];
    let tries = cases.map(|(header, words)| {
        let answer =
            format!("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n{header}\r\n");
        let answer: &'static str = Box::leak(answer.into_boxed_str());
        std::thread::spawn(move || watches(answer, words))
    });
    tries.into_iter().for_each(|tried| tried.join().unwrap());
}

#[test]
fn a_tracker_that_does_not_answer_keeps_nobody_from_ending() {
    let (port, asked) = server(None);
    let site = site(port);
    let mut service = Service::start(&site, &[]);
    until(&site, "a call", || !asked.lock().unwrap().is_empty());
    service.signal("-TERM");
    assert_eq!(service.end(), Some(0), "{}", log_of(&site));
}
