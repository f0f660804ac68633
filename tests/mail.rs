//! Mail from outside: what is told, once; and that a dead server stops nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use common::{Defect, RULES, Site, config, package};

/// The days of November, each with its own package.
fn name(hour: u32) -> String {
    format!("ENG2611{hour:02}08000000MFA")
}

fn site(mail: &str) -> Site {
    let site = Site::new();
    let more =
        format!("[mail]\nto = [\"ops@beg.example\"]\nfrom = \"engsync@beg.example\"\n{mail}");
    let settled = "settle_seconds = 0";
    fs::write(site.path("engsync.toml"), config(settled, &more, RULES)).unwrap();
    site
}

/// A package that goes to `corrupt/`.
fn break_one(site: &Site, day: u32) {
    let mut parts = package(&name(day), &[Defect { number: "4711", ..Defect::default() }]);
    parts[1].1.truncate(40);
    for (name, bytes) in parts {
        fs::write(site.path("spool/incoming").join(name), bytes).unwrap();
    }
}

fn run_at(site: &Site, time: &str) -> common::Ran {
    site.engsync(&["run", "--now", &format!("2026-11-21T{time}:00Z")])
}

const TO_A_FILE: &str = "command = \"cat >> mails\"";

fn mails(site: &Site) -> String {
    fs::read_to_string(site.path("mails")).unwrap_or_default()
}

#[test]
fn what_is_new_is_told_once_and_in_a_digest() {
    let site = site(TO_A_FILE);
    assert_eq!(run_at(&site, "08:00").code, 0);
    assert_eq!(mails(&site), "", "nothing stands");
    break_one(&site, 1);
    assert_eq!(site.engsync(&["run", "-n"]).code, 1);
    assert_eq!(mails(&site), "", "a dry run tells nobody");
    assert_eq!(run_at(&site, "08:01").code, 1);
    let first = mails(&site);
    for wanted in [
        "To: ops@beg.example",
        "From: engsync@beg.example",
        "Subject: engsync main: corrupt: ENG26110108000000MFA: bad-zip",
        "Auto-Submitted: auto-generated",
        "- corrupt: ENG26110108000000MFA: bad-zip",
    ] {
        assert!(first.contains(wanted), "{wanted} is not in\n{first}");
    }
    assert!(!first.contains('\r'), "a command gets plain lines");
    run_at(&site, "09:00");
    assert_eq!(mails(&site), first, "it stands, but was told");
    // Two more within a quarter of an hour of a mail: one digest afterwards.
    break_one(&site, 2);
    run_at(&site, "10:00");
    let second = mails(&site);
    break_one(&site, 3);
    run_at(&site, "10:05");
    break_one(&site, 4);
    run_at(&site, "10:10");
    assert_eq!(mails(&site), second, "too soon");
    run_at(&site, "10:15");
    let third = mails(&site)[second.len()..].to_owned();
    assert!(third.contains("Subject: engsync main: 2 things need you"), "{third}");
    assert!(third.contains(&name(3)) && third.contains(&name(4)), "{third}");
    assert!(third.contains("Told before and standing still: 2."), "{third}");
}

#[test]
fn a_held_field_and_silence_are_told_too() {
    let site = site(&format!("{TO_A_FILE}\nsilence_hours = 48\nevery_minutes = 0"));
    let defect = Defect { number: "4711", title: "x", ..Defect::default() };
    for (file, bytes) in package(&name(1), &[defect]) {
        fs::write(site.path("spool/incoming").join(file), bytes).unwrap();
    }
    assert_eq!(run_at(&site, "08:00").code, 0);
    assert_eq!(site.engsync(&["tracker", "set", "ISS-1", "status=Unheard of"]).code, 0);
    assert_eq!(run_at(&site, "08:10").code, 1);
    assert!(
        mails(&site).contains("- held: ISS-1 supplier_status: no-table-row"),
        "{}",
        mails(&site)
    );
    let before = mails(&site).len();
    let run = |time: &str| site.engsync(&["run", "--now", time]);
    run("2026-11-23T07:59:00Z");
    assert_eq!(mails(&site).len(), before);
    run("2026-11-23T08:00:00Z");
    let silence = mails(&site)[before..].to_owned();
    assert!(
        silence.contains("- silence: no package of oem since 2026-11-21T08:00:00Z"),
        "{silence}"
    );
    let before = mails(&site).len();
    run("2026-11-24T08:00:00Z");
    assert_eq!(mails(&site).len(), before, "once");
}

#[test]
fn a_part_that_never_came_and_a_server_that_is_away_are_told() {
    let site = site(&format!("{TO_A_FILE}\nevery_minutes = 0"));
    let text = fs::read_to_string(site.path("engsync.toml")).unwrap();
    let text = text.replace("settle_seconds = 0", "settle_seconds = 0\nwait_hours = 0")
        + "\n[partner.oem.transport]\nkind = \"folder\"\ninbox = \"in\"\noutbox = \"out\"\n";
    fs::write(site.path("engsync.toml"), text).unwrap();
    for dir in ["in", "out"] {
        fs::create_dir(site.path(dir)).unwrap();
    }
    let parts = package(&name(1), &[Defect { number: "4711", ..Defect::default() }]);
    fs::write(site.path("spool/incoming").join(&parts[0].0), &parts[0].1).unwrap();
    assert_eq!(run_at(&site, "08:00").code, 1);
    let deferred = format!("- deferred: {}: part-missing", name(1));
    assert!(mails(&site).contains(&deferred), "{}", mails(&site));
    let before = mails(&site).len();
    fs::remove_dir(site.path("in")).unwrap();
    for (minute, told) in [("08:01", false), ("08:02", false), ("08:03", true), ("08:04", true)] {
        run_at(&site, minute);
        let text = mails(&site)[before..].to_owned();
        let count = text.matches("- exchange: none with oem since 2026-11-21T08:00:00Z").count();
        assert_eq!(count, usize::from(told), "{minute}: {text}");
    }
}

#[test]
fn a_partner_of_whom_nothing_ever_came_is_silent_too() {
    let site = site(&format!("{TO_A_FILE}\nsilence_hours = 48"));
    let run = |time: &str| assert_eq!(site.engsync(&["run", "--now", time]).code, 0);
    run("2026-11-21T08:00:00Z");
    run("2026-11-23T07:59:00Z");
    assert_eq!(mails(&site), "");
    run("2026-11-23T08:00:00Z");
    let told = "- silence: no package of oem since 2026-11-21T08:00:00Z; there never was one";
    assert!(mails(&site).contains(told), "{}", mails(&site));
    let before = mails(&site).len();
    run("2026-11-25T08:00:00Z");
    assert_eq!(mails(&site).len(), before, "once");
}

#[test]
fn a_dead_server_stops_nothing_and_the_mail_comes_later() {
    // A port that nobody listens on.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let site = site(&format!("smtp = \"127.0.0.1:{port}\"\ntls = \"none\""));
    break_one(&site, 1);
    let ran = run_at(&site, "08:00");
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("the mail could not be sent"), "{}", ran.err);
    assert_eq!(site.list("spool/corrupt"), [name(1)]);
    // Not tried again at once.
    let ran = run_at(&site, "08:00");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    // It is there again: what was not told is told.
    let server = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let taken = std::thread::spawn(move || take_one(&server));
    let ran = run_at(&site, "08:02");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let text = taken.join().unwrap();
    assert!(text.contains("MAIL FROM:<engsync@beg.example>"), "{text}");
    assert!(text.contains("RCPT TO:<ops@beg.example>"), "{text}");
    assert!(text.contains(&name(1)), "{text}");
}

/// An SMTP server for one mail; answers all it was told.
fn take_one(server: &TcpListener) -> String {
    let (stream, _) = server.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut out = stream.try_clone().unwrap();
    out.write_all(b"220 test\r\n").unwrap();
    let mut text = String::new();
    let mut is_data = false;
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { break };
        text.push_str(&line);
        text.push('\n');
        let reply: &[u8] = match (is_data, line.as_str()) {
            (true, ".") => {
                is_data = false;
                b"250 taken\r\n"
            }
            (true, _) => continue,
            (false, "DATA") => {
                is_data = true;
                b"354 go on\r\n"
            }
            (false, "QUIT") => {
                out.write_all(b"221 bye\r\n").unwrap();
                break;
            }
            (false, _) => b"250 fine\r\n",
        };
        out.write_all(reply).unwrap();
        if text.contains("\n.\n") {
            break;
        }
    }
    text
}

#[test]
fn a_server_or_command_that_hangs_is_left() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    for way in [
        format!("smtp = \"127.0.0.1:{port}\"\ntls = \"none\""),
        "command = \"sleep 60\"".to_owned(),
    ] {
        let site = site(&way);
        break_one(&site, 1);
        let begun = Instant::now();
        let ran = run_at(&site, "08:00");
        assert_eq!(ran.code, 1);
        assert!(ran.err.contains("the mail could not be sent"), "{way}: {}", ran.err);
        assert!(begun.elapsed() < Duration::from_secs(9), "{way}: {:?}", begun.elapsed());
    }
}

#[test]
fn what_is_wrong_with_the_settings_is_said() {
    let cases = [
        ("smtp = \"x:25\"\ncommand = \"y\"", "one of smtp and command"),
        ("", "one of smtp and command"),
        ("smtp = \"mail.example\"", "host:port"),
        ("smtp = \"x:25\"\ntls = \"ssl\"", "tls takes"),
        ("smtp = \"x:25\"\nuser = \"u\"", "user needs"),
        (
            "smtp = \"x:25\"\nuser = \"u\"\npassword_env = \"E\"\ntls = \"none\"",
            "without encryption",
        ),
    ];
    for (mail, wanted) in cases {
        let refused = site(mail).engsync(&["run"]);
        assert_eq!(refused.code, 2, "{mail}");
        assert!(refused.err.contains(wanted), "{mail}: {}", refused.err);
    }
}
