//! The program dies at every step of a run over a Roundup, and the answer to everything it writes
//! there is lost: whenever it is, one plain run brings everything to the end an uninterrupted one
//! would have reached, with one issue, one comment and one file each, and the run after that writes
//! nothing. Over the Roundup of this process, and for lost answers over real ones.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "figures, and a loud skip")]
#![allow(clippy::disallowed_methods, reason = "the test plays the partner")]
#![cfg(debug_assertions)]

mod common;
#[path = "roundup/peers.rs"]
#[allow(dead_code, reason = "shared with tests/roundup.rs")]
mod peers;
#[path = "roundup/subjects.rs"]
mod subjects;

use std::fs;
use std::io::{self, Write as _};

use common::{Defect, Ran, Site, ran};
use engsync::tracker::Tracker as _;
use engsync::tracker::roundup::Interface;
use peers::{Peer, Side};
use subjects::fake::Trouble;
use subjects::gate;

/// When what was deferred is tried again.
const LATER: &str = "2026-11-23T10:00:00+01:00";

const PACKAGE: &str = "ENG26112008000000MFA";

const RULES: &str = r##"
[[partner.oem.rule]]
kind = "to_local"
local = "title"
remote = "problem_synopsis"
[[partner.oem.rule]]
kind = "to_local"
local = "description"
remote = "problem_description"
[[partner.oem.rule]]
kind = "attachments"
[[partner.oem.rule]]
kind = "comments"
in = true
out_prefix = "#to-remote"
"##;

/// An installation, and a package that waits in the spool; numbers are of this scene alone.
struct Scene<'p> {
    site: Site,
    peer: &'p Peer,
    numbers: [String; 2],
}

fn scene(peer: &Peer, at: usize) -> Scene<'_> {
    let site = Site::with("", RULES);
    let options = peer.options();
    let api = match options.interface {
        Interface::XmlRpc => "api = \"xmlrpc\"\n",
        _ => "",
    };
    let (url, password) = match &peer.side {
        Side::Fake(fake) => (fake.url(), "syncpw".to_owned()),
        Side::Real(gate) => {
            let (_, password) = gate::login_text("ENGSYNC_ROUNDUP_LOGIN");
            (gate.url(), password)
        }
    };
    let installation = peer.partner().replace("main/", "k");
    let path = site.path("engsync.toml");
    let config = fs::read_to_string(&path).unwrap();
    let tracker = format!(
        "kind = \"roundup\"\nurl = {url:?}\n{api}user = \"sync\"\npassword_file = \"password\"\n"
    );
    let own = format!("short_name = \"BEG\"\ninstallation = {installation:?}\n\n[spool]");
    let config = config
        .replace("kind = \"embedded\"\n", &tracker)
        .replace("short_name = \"BEG\"\n\n[spool]", &own);
    fs::write(&path, config).unwrap();
    fs::write(site.path("password"), format!("{password}\n")).unwrap();
    let numbers = [format!("{at}1"), format!("{at}2")];
    let files: &[(&str, &[u8])] = &[("trace.txt", b"0x7f")];
    let annotations = &["Bitte prüfen."];
    let one = Defect {
        number: &numbers[0],
        title: "klemmt",
        description: "Tür öffnen",
        files,
        annotations,
        ..Defect::default()
    };
    let two = Defect { number: &numbers[1], title: "rauscht", ..Defect::default() };
    site.deliver(PACKAGE, &[one, two]);
    Scene { site, peer, numbers }
}

impl Scene<'_> {
    fn run(&self, step: Option<usize>, now: &str) -> (bool, Ran) {
        let mut command = self.site.command(&["run", "-q", "--now", now]);
        if let Some(step) = step {
            command.env("ENGSYNC_DIE_AT_STEP", step.to_string());
        }
        let output = command.output().unwrap();
        if output.status.code().is_some() {
            return (false, ran(&output));
        }
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        (true, Ran { code: -1, out: String::new(), err })
    }

    /// What stands in the tracker.
    fn end(&self) -> Vec<String> {
        let tracker = self.peer.tracker();
        let mut lines = Vec::new();
        for (number, name) in self.numbers.iter().zip(["one", "two"]) {
            let installation = self.peer.partner().replace("main/", "k");
            let keys = tracker.find(&format!("{installation}/oem:{number}")).unwrap();
            for issue in tracker.get_many(&keys).unwrap().into_iter().flatten() {
                let (title, text) = (issue.fields.text("title"), issue.fields.text("description"));
                let comments: Vec<&str> = issue.comments.iter().map(|c| &*c.text).collect();
                let files: Vec<_> =
                    issue.attachments.iter().map(|f| (&*f.name, f.digest().unwrap())).collect();
                lines.push(format!("{name}: {title} {text} {comments:?} {files:?}"));
            }
        }
        lines
    }

    /// What is wrong after one plain run; and whether the run after that is quiet.
    fn recover(&self, wanted: &[String]) -> Vec<String> {
        let (_, plain) = self.run(None, LATER);
        let mut wrong = Vec::new();
        if plain.code != 0 {
            wrong.push(format!("exit {}: {}{}", plain.code, plain.out, plain.err));
        }
        let now = self.end();
        if now != wanted {
            wrong.push(format!("{now:#?}"));
        }
        let mut answered = Vec::new();
        let sent = self.site.list("spool/outgoing/oem");
        for name in sent.iter().filter(|name| name.ends_with("002002")) {
            let archive = self.site.path("spool/outgoing/oem").join(name);
            let zip = zip::ZipArchive::new(fs::File::open(archive).unwrap()).unwrap();
            answered.extend(zip.file_names().map(|name| name.unwrap().into_owned()));
        }
        if answered.len() != 2 || answered[0] == answered[1] {
            wrong.push(format!("answered: {answered:?}"));
        }
        self.peer.seen();
        let (_, quiet) = self.run(None, LATER);
        let reads = |seen: &String| seen.starts_with("GET") || seen.ends_with("/xmlrpc");
        let writes: Vec<String> =
            self.peer.seen().into_iter().filter(|seen| !reads(seen)).collect();
        if quiet.code != 0 || !writes.is_empty() {
            wrong.push(format!("not quiet: {writes:?} {}", quiet.err));
        }
        wrong
    }
}

/// Where it is to end.
fn reference(peer: &Peer) -> Vec<String> {
    let scene = scene(peer, 1);
    let (_, plain) = scene.run(None, common::NOW);
    assert_eq!(plain.code, 0, "{}{}", plain.out, plain.err);
    let wanted = scene.end();
    assert_eq!(wanted.len(), 2);
    wanted
}

#[test]
fn killed_at_every_step() {
    let peer = Peer::new("fake", true).unwrap();
    let wanted = reference(&peer);
    let mut points = 0;
    for step in 1.. {
        let scene = scene(&peer, step + 1);
        let (died, _) = scene.run(Some(step), common::NOW);
        if !died {
            break;
        }
        points += 1;
        let wrong = scene.recover(&wanted);
        assert!(wrong.is_empty(), "at {step}: {}", wrong.join("\n"));
    }
    writeln!(io::stdout().lock(), "{points} deaths over Roundup: 0 wrong, 0 duplicates").unwrap();
    assert!(points > 30, "{points}");
}

/// Row 20 with the whole program: the answer to the n-th write of a kind is lost.
fn answers_are_lost(name: &str, ext: bool) {
    let Some(peer) = Peer::new(name, ext) else { return };
    let wanted = reference(&peer);
    let mut points = 0;
    let kinds = [
        ("POST", "msg"),
        ("POST", "issue"),
        ("POST", "ext_"),
        ("POST", "file"),
        ("PATCH", "issue"),
        ("PUT", "issue"),
    ];
    for (method, path) in kinds {
        // A real one takes its time.
        for nth in 1..if peer.is_real() { 2 } else { 4 } {
            points += 1;
            let scene = scene(&peer, 100 + points);
            if nth > 1 {
                peer.plan_times(method, path, nth - 1, Trouble::Nothing);
            }
            peer.plan(method, path, Trouble::LostAnswer);
            scene.run(None, common::NOW);
            let met = peer.heal() == 0;
            let wrong = scene.recover(&wanted);
            assert!(wrong.is_empty(), "{name}: {method} {path} {nth}: {}", wrong.join("\n"));
            if !met {
                break;
            }
        }
    }
    writeln!(io::stdout().lock(), "{points} lost answers over Roundup, {name}: 0 wrong").unwrap();
}

#[test]
fn the_answer_to_every_write_is_lost() {
    answers_are_lost("fake", true);
    answers_are_lost("fake", false);
}

#[test]
fn the_answer_to_every_write_is_lost_over_rest() {
    answers_are_lost("rest", true);
}

#[test]
fn the_answer_to_every_write_is_lost_over_xmlrpc() {
    answers_are_lost("xmlrpc", false);
}

/// Killed while the tracker makes the issue: what was sent is done, and nobody is there to hear of
/// it. The probe of the next run finds it.
#[test]
fn killed_while_a_create_is_under_way() {
    for name in ["fake", "rest", "xmlrpc"] {
        let Some(peer) = Peer::new(name, false) else { continue };
        let wanted = reference(&peer);
        let scene = scene(&peer, 500);
        peer.plan("POST", "issue", Trouble::HoldAnswer);
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_engsync"))
            .current_dir(scene.site.dir.path())
            .env_clear()
            .args(["run", "-q", "--now", common::NOW])
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // It is made over there, and the answer is kept back.
        let marker = format!("{}/oem:{}", peer.partner().replace("main/", "k"), scene.numbers[0]);
        let other = format!("{}/oem:{}", peer.partner().replace("main/", "k"), scene.numbers[1]);
        let tracker = peer.tracker();
        for _ in 0..600 {
            let found = tracker.find_many(&[&marker, &other]).unwrap();
            if found.iter().any(|keys| !keys.is_empty()) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        peer.heal();
        let wrong = scene.recover(&wanted);
        assert!(wrong.is_empty(), "{name}: {}", wrong.join("\n"));
    }
}
