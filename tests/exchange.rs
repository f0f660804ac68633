//! Files from and to the partners' servers, from outside, by the folder transport.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the OFTP server")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::{Defect, RULES, Ran, Site, answer, package};
use serde_json::{Value, json};

const FIRST: &str = "ENG26112008000000MFA";
const SECOND: &str = "ENG26112009000000MFA";

fn defect(number: &str) -> Defect<'_> {
    Defect {
        number, title: "Fensterheber klemmt", description: "Tür öffnen", ..Defect::default()
    }
}

/// A site whose partner's OFTP server has its folders here or on another file system.
struct Oftp {
    site: Site,
    server: PathBuf,
    _other: Option<tempfile::TempDir>,
}

impl Oftp {
    fn new(keys: &str) -> Self {
        Self::at(keys, "settle_seconds = 0", None)
    }

    /// On another file system, where there is one.
    fn apart(keys: &str) -> Self {
        let memory = Path::new("/dev/shm");
        let other = memory.is_dir().then(|| tempfile::tempdir_in(memory).unwrap());
        Self::at(keys, "settle_seconds = 0", other)
    }

    fn at(keys: &str, spool: &str, other: Option<tempfile::TempDir>) -> Self {
        let site = Site::new();
        let server = other.as_ref().map_or(site.path("oftp"), |other| other.path().to_owned());
        let oftp = Self { site, server, _other: other };
        for dir in [oftp.inbox(), oftp.outbox()] {
            fs::create_dir_all(dir).unwrap();
        }
        oftp.configure(keys, spool);
        oftp
    }

    fn configure(&self, keys: &str, spool: &str) {
        let (inbox, outbox) = (self.inbox(), self.outbox());
        let (inbox, outbox) = (inbox.display(), outbox.display());
        let rules = format!(
            "[partner.oem.transport]\nkind = \"folder\"\ninbox = \"{inbox}\"\noutbox = \"{outbox}\"\n{keys}\n{RULES}"
        );
        let text = common::config(spool, "", &rules);
        fs::write(self.site.path("engsync.toml"), text).unwrap();
    }

    /// As mendelson names them.
    fn inbox(&self) -> PathBuf {
        self.server.join("messages/BEG/inbox/MFAG")
    }

    fn outbox(&self) -> PathBuf {
        self.server.join("messages/MFAG/outbox")
    }

    fn receives(&self, name: &str, defects: &[Defect<'_>]) {
        for (file, bytes) in package(name, defects) {
            fs::write(self.inbox().join(file), bytes).unwrap();
        }
    }

    fn sends(&self) -> Vec<String> {
        names(&self.outbox())
    }

    fn engsync(&self, args: &[&str]) -> Ran {
        self.site.engsync(args)
    }

    /// What `args` report of the exchange.
    fn exchange(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let report = self.engsync(&args).json();
        report["exchanges"][0].clone()
    }

    fn counts(&self, args: &[&str]) -> (u64, u64) {
        let exchange = self.exchange(args);
        assert_eq!(exchange["error"], Value::Null, "{exchange}");
        (exchange["fetched"].as_u64().unwrap(), exchange["delivered"].as_u64().unwrap())
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_run_fetches_first_and_delivers_last_on_one_file_system_and_on_two() {
    for oftp in [Oftp::new(""), Oftp::apart("")] {
        oftp.receives(FIRST, &[defect("4711")]);
        fs::write(oftp.inbox().join("readme.txt"), "of the server").unwrap();
        fs::write(oftp.inbox().join(format!("{SECOND}002001.filepart")), "half").unwrap();
        let ran = oftp.engsync(&["run", "--json"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let report = ran.json();
        assert_eq!(report["packages"][0]["outcome"], "applied");
        let wanted = json!({
            "partner": "oem", "fetched": 2, "delivered": 1, "error": null, "hint": null,
            "waiting": 0, "others": 2,
        });
        assert_eq!(report["exchanges"], json!([wanted]));
        assert_eq!(names(&oftp.inbox()).len(), 2, "only what is ours is taken");
        let reference = report["sent"][0]["name"].as_str().unwrap();
        assert_eq!(oftp.sends(), [format!("{reference}002001"), format!("{reference}002002")]);
        assert!(answer(&oftp.outbox(), reference, "ISS-1").contains("RECEIVED"));
        assert_eq!(oftp.site.list("spool/outgoing/oem"), Vec::<String>::new());
        for file in oftp.sends() {
            let mode = fs::metadata(oftp.outbox().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o664);
        }
        assert_eq!(oftp.engsync(&["run"]).out, "nothing to do\n");
        assert_eq!(oftp.sends().len(), 2);
    }
}

#[test]
fn fetching_and_delivering_are_separate_from_applying() {
    let oftp = Oftp::new("");
    oftp.receives(FIRST, &[defect("4711")]);
    assert_eq!(oftp.counts(&["exchange"]), (2, 0));
    assert_eq!(oftp.site.list("spool/incoming").len(), 2);
    assert_eq!(names(&oftp.inbox()), Vec::<String>::new());
    assert_eq!(oftp.engsync(&["tracker", "list", "--json"]).json(), json!([]));
    // Without the partner: applied, but nothing is published or delivered.
    oftp.receives(SECOND, &[defect("4712")]);
    assert_eq!(oftp.counts(&["run", "-N"]), (2, 0));
    assert_eq!(oftp.site.list("spool/done"), [FIRST, SECOND]);
    assert_eq!(oftp.sends(), Vec::<String>::new());
    assert_eq!(oftp.counts(&["exchange", "-N", "oem"]), (0, 0));
    assert_eq!(oftp.counts(&["run"]), (0, 1));
    assert_eq!(oftp.sends().len(), 2);
    let log = oftp.engsync(&["log"]).out;
    for outcome in ["fetched", "applied", "delivered"] {
        assert!(log.lines().any(|line| line.ends_with(outcome)), "{outcome} is not in {log}");
    }
    for (args, told) in [
        (&["exchange", "nobody"][..], "no partner is called \"nobody\""),
        (&["exchange", "oem", "nobody"], "no partner is called \"nobody\""),
    ] {
        let refused = oftp.engsync(args);
        assert_eq!(refused.code, 2);
        assert!(refused.err.contains(told), "{}", refused.err);
    }
    let without = Site::new();
    assert_eq!(without.engsync(&["exchange"]).out, "nothing to do\n");
    assert_eq!(without.engsync(&["exchange", "oem"]).code, 2);
}

#[test]
fn a_dry_run_says_what_would_be_delivered_and_touches_nothing() {
    let oftp = Oftp::new("");
    oftp.receives(FIRST, &[defect("4711")]);
    assert_eq!(oftp.counts(&["exchange"]), (2, 0));
    oftp.receives(SECOND, &[defect("4712")]);
    let before = oftp.site.fingerprint();
    let ran = oftp.engsync(&["run", "-n"]);
    assert!(ran.out.contains("would deliver 1"), "{}", ran.out);
    assert_eq!(oftp.counts(&["exchange", "-n"]), (0, 0));
    let mut after = oftp.site.fingerprint();
    after.retain(|path, _| !path.to_string_lossy().ends_with("-shm"));
    assert_eq!(before, after);
}

#[test]
fn a_kept_inbox_is_remembered_by_name_time_and_content() {
    let oftp = Oftp::new("keep = true");
    oftp.receives(FIRST, &[defect("4711")]);
    let parts = names(&oftp.inbox());
    assert_eq!(oftp.counts(&["run"]), (2, 1));
    assert_eq!(names(&oftp.inbox()), parts);
    assert_eq!(oftp.counts(&["run"]), (0, 0));
    // A server that stamps its files anew says nothing new.
    let touched = fs::File::options().write(true).open(oftp.inbox().join(&parts[1])).unwrap();
    touched.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(oftp.counts(&["run"]), (0, 0));
    assert_eq!(oftp.site.list("spool/incoming"), Vec::<String>::new());
    // Other content under a name that was applied is for a person.
    oftp.receives(FIRST, &[defect("4799")]);
    let ran = oftp.engsync(&["run", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert_eq!(ran.json()["packages"][0]["reason"], "identity-reuse");
    oftp.receives(SECOND, &[defect("4712")]);
    assert_eq!(oftp.counts(&["run"]), (2, 1));
}

#[test]
fn a_file_whose_removal_was_not_heard_of_is_not_fetched_again() {
    let oftp = Oftp::new("keep = true");
    oftp.receives(FIRST, &[defect("4711")]);
    assert_eq!(oftp.counts(&["run"]), (2, 1));
    // As a death between our commit and the removal leaves it.
    oftp.configure("", "settle_seconds = 0");
    assert_eq!(oftp.counts(&["run"]), (0, 0));
    assert_eq!(names(&oftp.inbox()), Vec::<String>::new());
    // From then on the name is free: the partner sends the package again, and is told nothing new.
    oftp.receives(FIRST, &[defect("4711")]);
    let report = oftp.site.run();
    assert_eq!(report["packages"][0]["outcome"], "duplicate");
    assert_eq!(report["exchanges"][0]["fetched"], 2);
}

#[test]
fn what_is_sent_again_goes_out_under_the_same_name_with_the_same_bytes() {
    let oftp = Oftp::new("");
    oftp.receives(FIRST, &[defect("4711")]);
    let report = oftp.site.run();
    let name = report["sent"][0]["name"].as_str().unwrap();
    let read = |file: &String| fs::read(oftp.outbox().join(file)).unwrap();
    let (files, bytes): (Vec<_>, Vec<_>) =
        oftp.sends().into_iter().map(|f| (f.clone(), read(&f))).unzip();
    // It lies there still: the same content is delivered already.
    assert_eq!(oftp.engsync(&["resend", name]).code, 0);
    assert_eq!(oftp.site.list("spool/outgoing/oem"), files);
    assert_eq!(oftp.counts(&["exchange"]), (0, 1));
    // The server took it, or one part of it.
    for taken in [&files[..], &files[..1], &files[1..]] {
        for file in taken {
            fs::remove_file(oftp.outbox().join(file)).unwrap();
        }
        assert_eq!(oftp.counts(&["exchange"]), (0, 0), "delivered is delivered");
        assert_eq!(oftp.engsync(&["resend", name]).code, 0);
        assert_eq!(oftp.counts(&["run"]), (0, 1));
        assert_eq!(files.iter().map(read).collect::<Vec<_>>(), bytes);
    }
    assert_eq!(oftp.site.list("spool/outgoing/oem"), Vec::<String>::new());
}

#[test]
fn a_name_that_is_taken_in_the_outbox_is_never_overwritten_and_stops_nothing_else() {
    let oftp = Oftp::new("");
    for (file, bytes) in package(FIRST, &[defect("4711")]) {
        fs::write(oftp.site.path("spool/incoming").join(file), bytes).unwrap();
    }
    let planned = oftp.engsync(&["run", "-n", "--json"]).json();
    let name = planned["sent"][0]["name"].as_str().unwrap();
    let taken = oftp.outbox().join(format!("{name}002002"));
    fs::write(&taken, "of another").unwrap();
    let ran = oftp.engsync(&["run", "--json"]);
    assert_eq!(ran.code, 1);
    let report = ran.json();
    assert_eq!(report["packages"][0]["outcome"], "applied");
    let error = report["exchanges"][0]["error"].as_str().unwrap();
    assert!(error.contains("is there already with other content"), "{error}");
    assert!(report["exchanges"][0]["hint"].as_str().unwrap().contains("out of the way"));
    assert_eq!(fs::read(&taken).unwrap(), b"of another");
    assert_eq!(oftp.sends(), [format!("{name}002002")], "no description without its data");
    assert_eq!(oftp.site.list("spool/outgoing/oem").len(), 2);
    // It is standing trouble until somebody moves the file.
    assert_eq!(oftp.engsync(&["status", "--check"]).code, 1);
    fs::remove_file(&taken).unwrap();
    assert_eq!(oftp.counts(&["exchange"]), (0, 1));
    assert_eq!(oftp.sends(), [format!("{name}002001"), format!("{name}002002")]);
    assert_eq!(oftp.engsync(&["status", "--check"]).code, 0);
}

#[test]
fn an_inbox_that_is_away_fails_the_exchange_and_nothing_else() {
    let oftp = Oftp::new("");
    oftp.site.deliver(FIRST, &[defect("4711")]);
    fs::remove_dir(oftp.inbox()).unwrap();
    let ran = oftp.engsync(&["run"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("exchange failed: cannot list"), "{}", ran.out);
    assert!(ran.out.contains("fetched 0, delivered 1"), "{}", ran.out);
    assert_eq!(oftp.sends().len(), 2);
    let status = oftp.engsync(&["status", "--json"]).json();
    let partner = &status["partners"][0];
    assert!(partner["exchange_error"].as_str().unwrap().contains("cannot list"), "{partner}");
    assert_eq!(partner["exchange_failures"], 1);
    fs::create_dir(oftp.inbox()).unwrap();
    assert_eq!(oftp.counts(&["exchange"]), (0, 0));
    let status = oftp.engsync(&["status", "--json"]).json();
    assert_eq!(status["partners"][0]["exchange_error"], Value::Null);
    assert_eq!(status["partners"][0]["last_exchange"], "2026-11-21T08:00:00Z");
}

#[test]
fn new_files_are_waited_for_until_they_have_settled() {
    let oftp = Oftp::at("", "settle_seconds = 1", None);
    oftp.receives(FIRST, &[defect("4711")]);
    let begun = std::time::Instant::now();
    assert_eq!(oftp.counts(&["exchange"]), (2, 0));
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1));
    // One that is still growing when it is looked at again is left where it is.
    oftp.receives(SECOND, &[defect("4712")]);
    let growing = oftp.inbox().join(format!("{SECOND}002002"));
    let end = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = fs::File::options().append(true).open(&growing).unwrap();
            while !end.load(std::sync::atomic::Ordering::Relaxed) {
                std::io::Write::write_all(&mut file, b"more").unwrap();
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        });
        let exchange = oftp.exchange(&["exchange"]);
        end.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!((&exchange["fetched"], &exchange["waiting"]), (&json!(1), &json!(1)));
    });
    assert!(growing.exists());
}

#[test]
fn a_name_we_have_already_with_other_content_is_kept_beside_it() {
    let oftp = Oftp::new("");
    let parts = package(FIRST, &[defect("4711")]);
    fs::write(oftp.site.path("spool/incoming").join(&parts[1].0), "cut off").unwrap();
    fs::write(oftp.inbox().join(&parts[1].0), &parts[1].1).unwrap();
    assert_eq!(oftp.counts(&["exchange"]), (1, 0));
    let second = format!("{}.2", parts[1].0);
    assert_eq!(oftp.site.list("spool/incoming"), [parts[1].0.clone(), second.clone()]);
    let kept = fs::read(oftp.site.path("spool/incoming").join(second)).unwrap();
    assert_eq!(kept, parts[1].1);
    // The same once more is no third.
    fs::write(oftp.inbox().join(&parts[1].0), &parts[1].1).unwrap();
    assert_eq!(oftp.counts(&["exchange"]), (1, 0));
    assert_eq!(oftp.site.list("spool/incoming").len(), 2);
}

#[test]
fn the_configuration_of_a_transport_is_checked_as_a_whole() {
    let keys = "every = \"1m\"\ncron = \"* * * * *\"\nmode = \"rw\"\njitter = \"soon\"\noutbox_tmp = \"oftp/messages/MFAG/outbox/tmp\"\nhost_name = \"x\"";
    let oftp = Oftp::new(&keys.replace("oftp/", "@"));
    let path = oftp.site.path("engsync.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("@messages", &oftp.server.join("messages").display().to_string());
    fs::write(&path, &text).unwrap();
    let line = 1 + text.lines().position(|line| line.contains("oem.transport")).unwrap();
    let ran = oftp.engsync(&["check"]);
    assert_eq!(ran.code, 1);
    for wanted in [
        &format!("engsync.toml:{line}: [partner.oem.transport] every and cron: one of the two"),
        "[partner.oem.transport] mode is octal",
        "[partner.oem.transport] jitter is a number with s, m, h or d",
        "[partner.oem.transport] outbox_tmp is in the outbox",
        "unknown field `host_name`",
    ] {
        assert!(ran.out.contains(wanted), "{wanted} is not in {}", ran.out);
    }
    for (keys, wanted) in [
        ("cron = \"61 * * * *\"", &["cron: \"61 * * * *\""][..]),
        ("group = \"no such group\"", &["there is no group \"no such group\""]),
        ("host = \"x\"\nsessions = 1", &["host is a key of", "sessions is a key of"]),
    ] {
        oftp.configure(keys, "");
        let out = oftp.engsync(&["check"]).out;
        assert!(wanted.iter().all(|wanted| out.contains(wanted)), "{wanted:?} is not in {out}");
    }
    oftp.configure(
        "kind = \"sftp\"\nsessions = 99\npassword_env = \"A\"\npassword_file = \"a\"",
        "",
    );
    let text = fs::read_to_string(&path).unwrap().replacen("kind = \"folder\"\n", "", 1);
    fs::write(&path, text).unwrap();
    let out = oftp.engsync(&["check"]).out;
    for wanted in [
        "kind = \"sftp\" needs host",
        "kind = \"sftp\" needs user",
        "kind = \"sftp\" needs outbox_tmp",
        "without one of them the server could be anybody",
        "password_env and password_file: one of the two",
        "sessions takes 1 to 16, not 99",
    ] {
        assert!(out.contains(wanted), "{wanted} is not in {out}");
    }
}

#[test]
fn a_check_tries_the_transport_and_leaves_a_probe_only_when_asked() {
    let oftp = Oftp::new("");
    oftp.engsync(&["run"]);
    let ran = oftp.engsync(&["check"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.out.contains("oem: list "), "{}", ran.out);
    let tmp = oftp.server.join("messages/MFAG/outbox.tmp");
    assert!(!tmp.exists());
    let ran = oftp.engsync(&["check", "--write-probe", "--json"]);
    let tried = &ran.json()["transports"];
    let probe = tried
        .as_array()
        .unwrap()
        .iter()
        .find(|tried| tried["what"].as_str().unwrap().starts_with("write a probe file"));
    assert_eq!(probe.unwrap()["error"], Value::Null);
    assert_eq!(names(&tmp), Vec::<String>::new());
    fs::remove_dir(oftp.inbox()).unwrap();
    fs::remove_dir(oftp.outbox()).unwrap();
    let ran = oftp.engsync(&["check"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.out.matches("problem: [partner.oem.transport]").count(), 2, "{}", ran.out);
}

#[test]
fn a_transport_between_the_spool_and_itself_is_refused() {
    let oftp = Oftp::new("");
    let path = oftp.site.path("engsync.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace(&oftp.inbox().display().to_string(), "spool/incoming");
    fs::write(&path, text.replace(&oftp.outbox().display().to_string(), "spool/outgoing/oem"))
        .unwrap();
    oftp.site.deliver(FIRST, &[defect("4711")]);
    let ran = oftp.engsync(&["run", "--json"]);
    assert_eq!(ran.code, 1);
    let error = ran.json()["exchanges"][0]["error"].to_string();
    assert_eq!(error.matches("are one directory").count(), 2, "{error}");
    assert_eq!(oftp.site.list("spool/done"), [FIRST]);
    assert_eq!(oftp.site.list("spool/outgoing/oem").len(), 2, "the answer is not lost");
}
