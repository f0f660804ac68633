//! Mail over encrypted connections: who is trusted, what a log-in needs, and that no server, wherever
//! it hangs, stops the sync.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;
#[path = "mail_server/stub.rs"]
mod stub;

use std::fs;
use std::time::{Duration, Instant};

use common::service::{Service, is_done, log_of, until};
use common::{Defect, RULES, Ran, Site, config, package};
use stub::{Authority, Deed, PASSWORD, STEPS, Server, Shown, Step, USER, Way};

const BROKEN: &str = "ENG26112008000000MFA";
const GOOD: &str = "ENG26112009000000MFA";

/// A site that sends mail to a server whose authority it may know, with a package in `incoming/`
/// that somebody must be told of, and a good one behind it.
fn site(authority: &Authority, server: &Server, way: Way, mail: &str) -> Site {
    let site = Site::new();
    let tls = if way == Way::Tls { "tls" } else { "starttls" };
    let more = format!(
        "[mail]\nto = [\"ops@beg.example\"]\nfrom = \"engsync@beg.example\"\n\
         smtp = \"localhost:{}\"\ntls = \"{tls}\"\n{mail}",
        server.port
    );
    fs::write(site.path("ca.pem"), authority.pem()).unwrap();
    fs::write(site.path("password"), format!("{PASSWORD}\n")).unwrap();
    fs::write(site.path("engsync.toml"), config("settle_seconds = 0", &more, RULES)).unwrap();
    let defect = Defect { number: "4711", title: "x", ..Defect::default() };
    for (name, keep) in [(BROKEN, 40), (GOOD, usize::MAX)] {
        let mut parts = package(name, std::slice::from_ref(&defect));
        parts[1].1.truncate(keep);
        for (file, bytes) in parts {
            fs::write(site.path("spool/incoming").join(file), bytes).unwrap();
        }
    }
    site
}

const TRUSTED: &str = "ca_file = \"ca.pem\"";

fn login() -> String {
    format!("{TRUSTED}\nuser = \"{USER}\"\npassword_file = \"password\"")
}

/// Whatever the mail did, the packages are where they belong.
fn is_synced(site: &Site, ran: &Ran) {
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert_eq!(site.list("spool/corrupt"), [BROKEN]);
    assert_eq!(site.list("spool/done"), [GOOD]);
    assert_eq!(site.list("spool/outgoing/oem").len(), 2);
}

#[test]
fn mail_goes_out_encrypted_and_logged_in_to_a_server_of_our_own_authority() {
    let authority = Authority::new();
    for way in [Way::Tls, Way::Starttls] {
        let server = Server::start(&authority, way, Shown::Good, None);
        let site = site(&authority, &server, way, &login());
        let checked = site.engsync(&["check"]);
        assert_eq!(checked.code, 0, "{way:?}: {}{}", checked.out, checked.err);
        let well = format!("mail: localhost:{} answers", server.port);
        assert!(checked.out.contains(&well), "{}", checked.out);
        assert!(!server.heard().1.contains("MAIL FROM"), "a check sends no mail");
        let ran = site.engsync(&["run"]);
        is_synced(&site, &ran);
        assert!(!ran.err.contains("mail"), "{}", ran.err);
        let (clear, secret) = server.heard();
        for wanted in
            ["AUTH PLAIN", "MAIL FROM:<engsync@beg.example>", "To: ops@beg.example", BROKEN]
        {
            assert!(secret.contains(wanted), "{wanted} is not in\n{secret}");
            assert!(!clear.contains(wanted), "{wanted} in the clear:\n{clear}");
        }
        let mails = secret.matches("MAIL FROM").count();
        site.engsync(&["run"]);
        assert_eq!(server.heard().1.matches("MAIL FROM").count(), mails, "told once");
    }
}

#[test]
fn without_a_log_in_none_is_asked_for() {
    let authority = Authority::new();
    let server = Server::start(&authority, Way::Starttls, Shown::Good, None);
    let site = site(&authority, &server, Way::Starttls, TRUSTED);
    is_synced(&site, &site.engsync(&["run"]));
    let (_, secret) = server.heard();
    assert!(secret.contains(BROKEN) && !secret.contains("AUTH"), "{secret}");
}

#[test]
fn a_server_that_is_not_who_it_should_be_gets_neither_mail_nor_password() {
    let authority = Authority::new();
    let another = Authority::new();
    // What it shows, whom we trust, and what is said of it.
    let cases = [
        (Shown::Good, login().replace(TRUSTED, ""), "UnknownIssuer"),
        (Shown::OtherName, login(), "mail.other.example"),
        (Shown::Expired, login(), "expired"),
    ];
    for way in [Way::Tls, Way::Starttls] {
        for (shown, mail, wanted) in &cases {
            let server = Server::start(&authority, way, *shown, None);
            let site = site(&authority, &server, way, mail);
            let ran = site.engsync(&["run"]);
            is_synced(&site, &ran);
            let told = ran.err.contains("the mail could not be sent") && ran.err.contains(wanted);
            assert!(told && ran.err.contains("ca_file"), "{way:?} {shown:?}: {}", ran.err);
            let checked = site.engsync(&["check"]);
            assert_eq!(checked.code, 1);
            assert!(checked.out.contains("problem: [mail]"), "{}", checked.out);
            let (clear, secret) = server.heard();
            assert!(!format!("{clear}{secret}").contains("AUTH"), "{clear}{secret}");
            assert!(!format!("{clear}{secret}").contains("MAIL"), "{clear}{secret}");
        }
    }
    // An authority of ours that is not the server's.
    let server = Server::start(&another, Way::Tls, Shown::Good, None);
    let site = site(&authority, &server, Way::Tls, &login());
    let ran = site.engsync(&["run"]);
    is_synced(&site, &ran);
    assert!(ran.err.contains("invalid peer certificate"), "{}", ran.err);
    assert!(!server.heard().1.contains("AUTH"));
}

#[test]
fn a_server_without_starttls_gets_nothing_in_the_clear() {
    let authority = Authority::new();
    let server = Server::start(&authority, Way::Plain, Shown::Good, None);
    let site = site(&authority, &server, Way::Plain, &login());
    let ran = site.engsync(&["run"]);
    is_synced(&site, &ran);
    assert!(ran.err.contains("the mail could not be sent"), "{}", ran.err);
    let (clear, _) = server.heard();
    assert!(!clear.contains("AUTH") && !clear.contains("MAIL"), "{clear}");
}

#[test]
fn a_log_in_or_certificate_that_cannot_be_used_is_told_and_stops_nothing() {
    let authority = Authority::new();
    let server = Server::start(&authority, Way::Starttls, Shown::Good, None);
    // A file, what it holds now (`None`: it is gone), and what is said.
    let cases = [
        ("password", Some("falsch"), "who are you?"),
        ("password", None, "password"),
        ("ca.pem", Some("no certificate"), "it holds no certificate"),
        ("ca.pem", None, "ca.pem"),
    ];
    for (file, holds, wanted) in cases {
        let site = site(&authority, &server, Way::Starttls, &login());
        match holds {
            Some(text) => fs::write(site.path(file), text).unwrap(),
            None => fs::remove_file(site.path(file)).unwrap(),
        }
        let ran = site.engsync(&["run"]);
        is_synced(&site, &ran);
        assert!(ran.err.contains(wanted), "{wanted}: {}", ran.err);
        assert!(!ran.err.contains(PASSWORD), "{}", ran.err);
        let checked = site.engsync(&["check"]);
        assert_eq!(checked.code, 1);
        assert!(checked.out.contains(wanted), "{wanted}: {}", checked.out);
    }
}

/// One step at which it misbehaves, in a process of its own.
fn misbehaves(way: Way, step: Step, deed: Deed) {
    let authority = Authority::new();
    let server = Server::start(&authority, way, Shown::Good, Some((step, deed)));
    let site = site(&authority, &server, way, &login());
    let begun = Instant::now();
    let ran = site.engsync(&["run"]);
    let took = begun.elapsed();
    let case = format!("{way:?} {step:?} {deed:?}: {took:?}: {}", ran.err);
    is_synced(&site, &ran);
    assert!(ran.err.contains("the mail could not be sent"), "{case}");
    // Six seconds, and what a busy machine needs for all of these at a time: none waits for good.
    assert!(took < Duration::from_secs(60), "{case}");
    // What it did not take is told when it is well again.
    let well = Server::start(&authority, way, Shown::Good, None);
    let text = fs::read_to_string(site.path("engsync.toml")).unwrap();
    let text = text.replace(&format!(":{}", server.port), &format!(":{}", well.port));
    fs::write(site.path("engsync.toml"), text).unwrap();
    assert_eq!(site.engsync(&["run", "--now", "2026-11-21T09:02:00+01:00"]).code, 0);
    assert!(well.heard().1.contains(BROKEN), "{case}");
}

#[test]
fn row_40_wherever_a_mail_server_hangs_leaves_or_refuses_the_sync_goes_on() {
    let mut threads = Vec::new();
    for step in STEPS {
        for deed in [Deed::Hang, Deed::Leave, Deed::Refuse] {
            threads.push(std::thread::spawn(move || misbehaves(Way::Starttls, step, deed)));
        }
    }
    for step in [Step::Connect, Step::HelloAgain, Step::Text] {
        let deed = Deed::Dribble;
        threads.push(std::thread::spawn(move || misbehaves(Way::Starttls, step, deed)));
    }
    for step in [Step::Handshake, Step::Connect] {
        threads.push(std::thread::spawn(move || misbehaves(Way::Tls, step, Deed::Hang)));
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_service_told_to_end_does_not_wait_for_a_mail_server() {
    let authority = Authority::new();
    let bad = Some((Step::Text, Deed::Hang));
    let server = Server::start(&authority, Way::Starttls, Shown::Good, bad);
    let site = site(&authority, &server, Way::Starttls, &login());
    let mut service = Service::start(&site, &[]);
    until(&site, "the packages", || is_done(&site, GOOD));
    until(&site, "a mail", || server.heard().1.contains("DATA"));
    service.signal("-TERM");
    assert_eq!(service.end(), Some(0), "{}", log_of(&site));
    assert_eq!(site.engsync(&["run"]).code, 0, "nothing new");
}
