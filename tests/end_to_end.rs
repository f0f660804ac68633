//! From the partner's SFTP server and back: the test plays the partner, engsync is the program. The
//! server lives in this process and can be told to misbehave; where `.ci/sshd.sh start` has been
//! evaluated, OpenSSH's own takes its place too.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the partner")]
#![allow(clippy::print_stderr, reason = "what was skipped")]

mod common;
#[path = "end_to_end/reader.rs"]
mod reader;
#[path = "sftp/server.rs"]
#[allow(dead_code, unreachable_pub, reason = "what the other tests need of it")]
mod server;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Defect, RULES, Ran, Site, package};
use russh::keys::{HashAlg, PublicKey};
use serde_json::{Value, json};
use server::{Deed, KINDS, Server, USER, fixture};

const FIRST: &str = "ENG26112008000000MFA";
const SECOND: &str = "ENG26112009000000MFA";

fn defect(number: &str) -> Defect<'_> {
    Defect {
        number,
        title: "Fensterheber klemmt",
        description: "T\u{fc}r \u{f6}ffnen, 5 &lt; 7",
        ..Defect::default()
    }
}

/// A site, and the partner's directories as the partner sees them.
struct World {
    site: Site,
    root: PathBuf,
}

impl World {
    /// With the server of this process.
    fn beside(server: &Server, spool: &str, keys: &str) -> Self {
        let key = PublicKey::read_openssh_file(fixture("host_ed25519.pub")).unwrap();
        let table = format!(
            "host = \"127.0.0.1\"\nport = {}\nuser = \"{USER}\"\nkey_file = \"{}\"\nfingerprint = \"{}\"\ninbox = \"/in\"\noutbox = \"/out\"\noutbox_tmp = \"/tmp\"\nidle_seconds = 5\n{keys}",
            server.port,
            fixture("ed25519").display(),
            key.fingerprint(HashAlg::Sha256),
        );
        Self::of(&table, spool, server.root.clone())
    }

    /// With OpenSSH's, if there is one; says loudly when there is none.
    fn beside_sshd(spool: &str) -> Option<Self> {
        let read = |name: &str| std::env::var(format!("ENGSYNC_SSHD_{name}")).ok();
        let found = read("HOME").zip(read("PORT")).zip(read("USER"));
        let Some(((home, port), user)) = found else {
            eprintln!("SKIPPED: end to end with OpenSSH; eval \"$(.ci/sshd.sh start)\" first");
            return None;
        };
        let root = Path::new(&home).join("root/end_to_end");
        let _ = fs::remove_dir_all(&root);
        for name in ["in", "out", "tmp"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let below = |name: &str| root.join(name).display().to_string();
        let table = format!(
            "host = \"127.0.0.1\"\nport = {port}\nuser = \"{user}\"\nkey_file = \"{home}/keys/ed25519_locked\"\npassphrase_env = \"KEY_PASSPHRASE\"\nknown_hosts = \"{home}/known_hosts_hashed\"\nmode = \"0640\"\ninbox = \"{}\"\noutbox = \"{}\"\noutbox_tmp = \"{}\"",
            below("in"),
            below("out"),
            below("tmp"),
        );
        Some(Self::of(&table, spool, root))
    }

    fn of(table: &str, spool: &str, root: PathBuf) -> Self {
        let site = Site::new();
        let rules = format!("[partner.oem.transport]\nkind = \"sftp\"\n{table}\n{RULES}");
        fs::write(site.path("engsync.toml"), common::config(spool, "", &rules)).unwrap();
        Self { site, root }
    }

    fn partner_sends(&self, name: &str, defects: &[Defect<'_>]) {
        for (file, bytes) in package(name, defects) {
            fs::write(self.root.join("in").join(file), bytes).unwrap();
        }
    }

    fn names(&self, dir: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(dir)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The packages whose description the partner has.
    fn answers(&self) -> Vec<String> {
        let names = self.names("out").into_iter();
        names.filter(|name| name.ends_with("001")).map(|name| name[..20].to_owned()).collect()
    }

    fn engsync(&self, args: &[&str]) -> Ran {
        let mut command = self.site.command(args);
        common::ran(&command.env("KEY_PASSPHRASE", "correct-horse").output().unwrap())
    }

    fn exchange(&self, command: &str) -> Value {
        let ran = self.engsync(&[command, "--json"]);
        assert!(ran.code < 2, "{}", ran.err);
        ran.json()["exchanges"][0].clone()
    }

    fn counts(&self, command: &str) -> (Value, Value) {
        let exchange = self.exchange(command);
        assert_eq!(exchange["error"], Value::Null, "{exchange}");
        (exchange["fetched"].clone(), exchange["delivered"].clone())
    }
}

/// The whole way, with two looks at every new file.
fn there_and_back(world: &World) {
    world.partner_sends(FIRST, &[defect("4711"), defect("4712")]);
    fs::write(world.root.join("in/readme.txt"), "not for us").unwrap();
    let begun = std::time::Instant::now();
    assert_eq!(world.counts("exchange"), (json!(2), json!(0)));
    assert!(begun.elapsed().as_secs() >= 1, "it looked twice, a second apart");
    assert_eq!(world.names("in"), ["readme.txt"]);
    assert_eq!(world.counts("run"), (json!(0), json!(1)));
    assert_eq!(world.counts("exchange"), (json!(0), json!(0)));
    assert_eq!(world.names("out").len(), 2);
    assert_eq!(world.names("tmp"), Vec::<String>::new());
    let answers = world.answers();
    let read = reader::read(&world.root.join("out"), &answers[0]);
    assert!(read.sender.starts_with("O0013007789BEG"), "{read:?}");
    assert!(read.receiver.starts_with("O0013005466MFAG"), "{read:?}");
    let issue = |key: &str| {
        let text = "<P>T\u{fc}r \u{f6}ffnen, 5 &lt; 7</P>".to_owned();
        (key.to_owned(), "RECEIVED".to_owned(), text)
    };
    let mut issues = read.issues;
    issues.sort();
    assert_eq!(issues, [issue("ISS-1"), issue("ISS-2")]);
    // A local change goes the same way.
    let set = world.engsync(&["tracker", "set", "ISS-2", "status=In Progress"]);
    assert_eq!(set.code, 0, "{}", set.err);
    assert_eq!(world.counts("run"), (json!(0), json!(1)));
    let later = world.answers().into_iter().find(|name| !answers.contains(name)).unwrap();
    let read = reader::read(&world.root.join("out"), &later);
    assert_eq!(read.issues.len(), 1);
    assert_eq!((&*read.issues[0].0, &*read.issues[0].1), ("ISS-2", "ESTIMATED"));
    assert_eq!(world.engsync(&["run"]).out, "nothing to do\n");
}

#[test]
fn an_issue_goes_from_the_partner_to_the_tracker_and_its_answer_back() {
    let server = Server::start(&["host_ed25519"]);
    there_and_back(&World::beside(&server, "settle_seconds = 1", ""));
}

#[test]
fn the_same_with_the_server_of_openssh() {
    let Some(world) = World::beside_sshd("settle_seconds = 1") else { return };
    there_and_back(&world);
    let file = world.root.join("out").join(&world.names("out")[0]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o640);
    let check = world.engsync(&["check", "--write-probe"]);
    assert_eq!(check.code, 0, "{}{}", check.out, check.err);
    assert_eq!(world.names("tmp"), Vec::<String>::new());
}

/// At every request the server sees no half file in the outbox and no description before its data.
fn guard(server: &Server) {
    server.state().watch = Some(Box::new(move |root: &Path| {
        for entry in fs::read_dir(root.join("out")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let content = fs::read(&path).unwrap();
            if name.ends_with("001") {
                assert!(content.ends_with(b"'") || content.ends_with(b"\n"), "half of {name}");
                let data = root.join("out").join(format!("{}002", &name[..23]));
                assert!(data.exists(), "{name} before its data");
            } else {
                assert!(
                    zip::ZipArchive::new(std::io::Cursor::new(content)).is_ok(),
                    "half of {name}"
                );
            }
        }
    }));
}

/// Row 27 of the fault matrix, with the whole program.
#[test]
fn a_connection_that_breaks_at_any_request_loses_nothing_and_makes_nothing_twice() {
    let server = Server::start(&["host_ed25519"]);
    let mut errors = 0;
    let mut seen = BTreeSet::new();
    for kind in KINDS {
        // Once, which the transport gets over; and always, until the connection is better.
        for nth in [1, 0] {
            for deed in [Deed::DropBefore, Deed::DropAfter] {
                for dir in ["in", "out", "tmp"] {
                    fs::remove_dir_all(server.root.join(dir)).unwrap();
                    fs::create_dir(server.root.join(dir)).unwrap();
                }
                let world = World::beside(&server, "settle_seconds = 0", "");
                world.partner_sends(FIRST, &[defect("4711")]);
                guard(&server);
                server.misbehave(kind, nth, deed);
                let case = format!("{kind:?} {nth} {deed:?}");
                let ran = world.engsync(&["run", "--json"]);
                assert!(ran.code < 2, "{case}: {}", ran.err);
                if ran.json()["exchanges"][0]["error"] != Value::Null {
                    assert_eq!(ran.code, 1, "{case}");
                    errors += 1;
                }
                if server.count(kind) >= nth {
                    seen.insert(format!("{kind:?}"));
                }
                server.behave();
                let ran = world.engsync(&["run", "--json"]);
                assert_eq!(ran.code, 0, "{case}: {}{}", ran.out, ran.err);
                assert_eq!(world.names("in"), Vec::<String>::new(), "{case}");
                assert_eq!(world.answers().len(), 1, "{case}: {:?}", world.names("out"));
                assert_eq!(world.names("out").len(), 2, "{case}");
                let read = reader::read(&world.root.join("out"), &world.answers()[0]);
                assert_eq!(read.issues.len(), 1, "{case}");
                let issues = world.engsync(&["tracker", "list", "--json"]).json();
                assert_eq!(issues.as_array().unwrap().len(), 1, "{case}");
                assert_eq!(world.site.list("spool/done"), [FIRST], "{case}");
                assert_eq!(world.site.list("spool/incoming"), Vec::<String>::new(), "{case}");
                assert_eq!(world.engsync(&["run"]).out, "nothing to do\n", "{case}");
                server.state().watch = None;
            }
        }
    }
    assert!(seen.len() >= 10, "the run makes requests of these kinds only: {seen:?}");
    assert!(errors >= 10, "only {errors} of them ended an exchange");
}

/// Row 28: what a server lacks or gets wrong.
#[test]
fn a_poor_server_is_worked_with() {
    let server = Server::start(&["host_ed25519"]);
    let world = World::beside(&server, "settle_seconds = 0", "sessions = 2");
    {
        let manners = &mut server.state().manners;
        manners.fsync = false;
        manners.bare = true;
        manners.skew = 7200;
    }
    world.partner_sends(FIRST, &[defect("4711")]);
    let listing = world.names("in");
    assert_eq!(world.counts("run"), (json!(2), json!(1)));
    assert_eq!(world.names("in"), Vec::<String>::new());
    // Its listing still shows what is gone: no trouble, and nothing twice.
    server.state().manners.lag.insert("in".to_owned(), listing);
    let ran = world.engsync(&["run", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    server.state().manners.lag.clear();
    world.partner_sends(SECOND, &[defect("4712")]);
    assert_eq!(world.counts("run"), (json!(2), json!(1)));
    assert_eq!(world.site.list("spool/done"), [FIRST, SECOND]);
    assert_eq!(world.answers().len(), 2);
}

/// More than one batch of packages, and a stranger's file in the way of one of them.
#[test]
fn many_packages_go_together_and_one_in_whose_way_a_file_is_waits() {
    let server = Server::start(&["host_ed25519"]);
    let world = World::beside(&server, "", "");
    fs::write(world.site.path("drawing.igs"), "small").unwrap();
    for _ in 0..70 {
        assert_eq!(world.engsync(&["pack", "--partner", "oem", "drawing.igs"]).code, 0);
    }
    let waiting = world.site.list("spool/outgoing/oem");
    assert_eq!(waiting.len(), 140);
    let taken = world.root.join("out").join(&waiting[7]);
    fs::write(&taken, "theirs").unwrap();
    let exchange = world.exchange("exchange");
    assert_eq!(exchange["delivered"], 69);
    let error = exchange["error"].as_str().unwrap();
    assert!(error.contains("is there with other content") && error.len() < 200, "{error}");
    assert_eq!(world.site.list("spool/outgoing/oem"), waiting[6..8]);
    assert_eq!(world.names("out").len(), 139);
    fs::remove_file(&taken).unwrap();
    assert_eq!(world.counts("exchange"), (json!(0), json!(1)));
    assert_eq!(world.names("out"), waiting);
    assert_eq!(world.names("tmp"), Vec::<String>::new());
    // Away, it is told once and nothing is lost.
    assert_eq!(world.engsync(&["pack", "--partner", "oem", "drawing.igs"]).code, 0);
    assert_eq!(world.engsync(&["pack", "--partner", "oem", "drawing.igs"]).code, 0);
    drop(server);
    let exchange = world.exchange("exchange");
    assert_eq!(exchange["delivered"], 0);
    assert_eq!(exchange["error"].as_str().unwrap().matches("cannot connect").count(), 1);
    assert_eq!(world.site.list("spool/outgoing/oem").len(), 4);
}

/// Row 8: an upload that grows slowly, stalls past the deadline, and is finished after all.
#[test]
fn an_upload_that_stalls_is_taken_when_it_is_whole_by_one_command() {
    let server = Server::start(&["host_ed25519"]);
    let world = World::beside(&server, "settle_seconds = 1", "");
    let parts = package(FIRST, &[defect("4711")]);
    let [description, data] = [&parts[0], &parts[1]];
    let inbox = world.root.join("in");
    fs::write(inbox.join(&description.0), &description.1).unwrap();
    fs::write(inbox.join(&data.0), &data.1[..100]).unwrap();
    // Growing while it is looked at twice: it is waited for.
    let path = inbox.join(&data.0);
    let exchange = std::thread::scope(|scope| {
        let end = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let told = end.clone();
        let path = path.clone();
        scope.spawn(move || {
            let mut size = 100;
            while !told.load(std::sync::atomic::Ordering::Relaxed) {
                size += 1;
                fs::write(&path, &data.1[..size]).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        });
        let exchange = world.exchange("exchange");
        end.store(true, std::sync::atomic::Ordering::Relaxed);
        exchange
    });
    assert_eq!((&exchange["fetched"], &exchange["waiting"]), (&json!(1), &json!(1)), "{exchange}");
    // It stalls for longer than anybody waits: a person is told.
    assert_eq!(world.exchange("exchange")["fetched"], 1);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let ran = world.engsync(&["run", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert_eq!(ran.json()["packages"][0]["reason"], "bad-zip");
    assert_eq!(world.site.list("spool/corrupt"), [FIRST]);
    // It is finished after all.
    fs::write(&path, &data.1).unwrap();
    assert_eq!(world.counts("run"), (json!(1), json!(0)));
    assert_eq!(world.engsync(&["release", FIRST]).code, 0);
    // What was sent again counts, once it has settled.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(world.counts("run"), (json!(0), json!(1)));
    assert_eq!(world.site.list("spool/done"), [FIRST]);
    reader::read(&world.root.join("out"), &world.answers()[0]);
}

#[test]
fn a_server_with_another_host_key_or_without_the_secret_is_never_talked_to() {
    let server = Server::start(&["host_rsa"]);
    let world = World::beside(&server, "settle_seconds = 0", "");
    world.partner_sends(FIRST, &[defect("4711")]);
    let ran = world.engsync(&["exchange"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("SHA256:"), "{}", ran.out);
    assert_eq!(server.state().logins, 0);
    let server = Server::start(&["host_ed25519"]);
    let world = World::beside(&server, "settle_seconds = 0", "password_env = \"NOT_SET\"");
    let ran = world.engsync(&["exchange", "--json"]);
    assert_eq!(ran.code, 1);
    let error = ran.json()["exchanges"][0]["error"].to_string();
    assert!(error.contains("NOT_SET is not set"), "{error}");
    assert_eq!(server.state().logins, 0);
}

/// A transfer that takes long neither makes systemd think the service hangs, nor keeps it from
/// ending when it is told to.
#[test]
fn a_slow_transfer_keeps_the_watchdog_quiet_and_ends_when_it_must() {
    let server = Server::start(&["host_ed25519"]);
    let world = World::beside(
        &server,
        "settle_seconds = 0\nscan_seconds = 3600",
        "every = \"1h\"\njitter = \"0s\"",
    );
    world.partner_sends(FIRST, &[defect("4711")]);
    server.misbehave(server::Kind::Read, 0, Deed::Delay(std::time::Duration::from_secs(30)));
    let socket = world.site.path("notify");
    let systemd = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    systemd.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
    let mut service = std::process::Command::new(assert_cmd::cargo::cargo_bin("engsync"))
        .current_dir(world.site.dir.path())
        .env_clear()
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "1000000")
        .args(["watch", "-q"])
        .spawn()
        .unwrap();
    let mut beats = 0;
    let mut listen = |seconds: u64| {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
        let mut message = [0; 512];
        while std::time::Instant::now() < until {
            if let Ok(size) = systemd.recv(&mut message) {
                beats += usize::from(message[..size].starts_with(b"WATCHDOG=1"));
            }
        }
        beats
    };
    let begun = std::time::Instant::now();
    while server.count(server::Kind::Read) == 0 {
        assert!(begun.elapsed().as_secs() < 20, "nothing is read");
        listen(0);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let before = listen(0);
    assert!(listen(2) >= before + 4, "it says that it lives every quarter of a second");
    let told = std::process::Command::new("kill").arg(service.id().to_string()).status();
    assert!(told.unwrap().success());
    let begun = std::time::Instant::now();
    let status = loop {
        if let Some(status) = service.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed().as_secs() < 10, "the service does not end within 10 s");
        listen(0);
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(0));
    server.behave();
    assert_eq!(world.counts("run"), (json!(2), json!(1)));
    assert_eq!(world.names("in"), Vec::<String>::new());
}
