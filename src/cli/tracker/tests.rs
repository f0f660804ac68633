use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

use clap::Parser as _;

use super::*;
use crate::db::Db;
use crate::disk::Steps;
use crate::tracker::embedded::{Options, SCHEMA};
use crate::{Clock, Timestamp};

struct Ticking(Cell<i64>);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        self.0.set(self.0.get() + 1);
        Timestamp::from_timestamp(1_741_600_000 + self.0.get(), 0).unwrap()
    }
}

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    tracker: TrackerArgs,
}

/// A tracker and the command line before it.
struct Shell {
    tracker: Embedded,
    disk: Disk,
    dir: tempfile::TempDir,
}

impl Shell {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tracker = Self::open(dir.path());
        Self { tracker, disk: Disk::default(), dir }
    }

    fn open(dir: &Path) -> Embedded {
        let db = Db::open(&dir.join("tracker.db"), &[SCHEMA], &Steps::none()).unwrap();
        let options = Options {
            key_prefix: "ISS".to_owned(),
            values: [("priority".to_owned(), vec!["high".to_owned(), "low".to_owned()])].into(),
            actor: "änne".to_owned(),
            fields: vec!["severity".to_owned()],
            shares_state: false,
            files: dir.join("files"),
        };
        let clock = Rc::new(Ticking(Cell::new(0)));
        Embedded::new(db, Disk::default(), options, clock).unwrap()
    }

    fn bytes(&self, json: bool, words: &[&str]) -> Result<Vec<u8>> {
        let line = std::iter::once("tracker").chain(words.iter().copied());
        let args = Cli::try_parse_from(line).unwrap_or_else(|error| panic!("{words:?}: {error}"));
        let mut out = Vec::new();
        let mut io = Output { json, out: &mut out, width: Some(80) };
        run(&args.tracker.command, &self.tracker, &self.disk, &mut io)?;
        Ok(out)
    }

    fn run(&self, words: &[&str]) -> String {
        String::from_utf8(self.bytes(false, words).unwrap()).unwrap()
    }

    fn json(&self, words: &[&str]) -> serde_json::Value {
        serde_json::from_slice(&self.bytes(true, words).unwrap()).unwrap()
    }

    /// What is said instead, and the advice.
    fn fails(&self, words: &[&str]) -> String {
        let before = self.tracker.changed_since(None).unwrap().token;
        let error = self.bytes(false, words).unwrap_err();
        assert_eq!(self.tracker.changed_since(None).unwrap().token, before, "nothing was changed");
        format!(
            "{} {}: {} | {}",
            fault(&error),
            error.code,
            error.line(),
            error.hint.clone().unwrap_or_default()
        )
    }

    #[allow(clippy::disallowed_methods, reason = "the test plays the user")]
    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn fault(error: &Error) -> &'static str {
    match error.fault {
        crate::Fault::Wait => "wait",
        crate::Fault::Item => "item",
        crate::Fault::Setup => "setup",
    }
}

#[test]
fn a_session() {
    let shell = Shell::new();
    assert_eq!(shell.run(&["list"]), "no issues\n");
    let key = shell.run(&["create", "summary=Türgriff klemmt", "labels=b, a", "priority=high"]);
    assert_eq!(key, "ISS-1\n");
    shell.run(&["create", "summary=Spiegel\u{1b}[31m lose", "status=In Arbeit", "assignee=Özgür"]);
    assert_eq!(
        shell.run(&["list"]),
        "KEY    TYPE    STATUS     PRIORITY  ASSIGNEE  SUMMARY\n\
         ISS-1  Defect  Open       high                Türgriff klemmt\n\
         ISS-2  Defect  In Arbeit            Özgür     Spiegel\\u{1b}[31m lose\n"
    );
    assert_eq!(shell.run(&["list", "status=Open", "labels=a"]).lines().count(), 2);
    let said = shell.run(&["set", "ISS-1", "labels+=c", "labels-=a", "summary=Griff", "priority="]);
    assert_eq!(
        said,
        "labels: \"b, a\" → \"b, c\"\npriority: \"high\" → unset\nsummary: \"Türgriff klemmt\" → \"Griff\"\n"
    );
    assert_eq!(shell.run(&["set", "ISS-1", "summary=Griff"]), "nothing to do\n");
    assert_eq!(shell.run(&["comment", "ISS-1", "-v zuerst\nzweite Zeile"]), "1\n");
    shell.run(&["comment", "ISS-1", "weg"]);
    shell.run(&["edit-comment", "ISS-1", "1", "erste\nzweite Zeile"]);
    shell.run(&["delete-comment", "ISS-1", "2"]);
    let photo = shell.file("Größe.png", b"png");
    assert_eq!(shell.run(&["attach", "ISS-1", &photo]), "Größe.png attached to ISS-1, 3 bytes\n");
    shell.run(&["set", "ISS-1", "description=Zeile 1\n\nZeile 3", "severity=2"]);
    insta::assert_snapshot!(shell.run(&["show", "ISS-1"]));
    insta::assert_json_snapshot!(shell.json(&["show", "ISS-1"]));
    assert_eq!(shell.run(&["detach", "ISS-1", "Größe.png"]), "Größe.png detached from ISS-1\n");
    assert_eq!(shell.run(&["delete", "ISS-1"]), "ISS-1 deleted\n");
    let gone = shell.fails(&["show", "ISS-1"]);
    assert!(gone.starts_with("item local-gone: ISS-1 was deleted by änne at 2025-"), "{gone}");
}

#[test]
fn json_answers() {
    let shell = Shell::new();
    assert_eq!(shell.json(&["list"]), json!([]));
    let made = shell.json(&["create", "summary=a", "labels=x,y"]);
    assert_eq!(made["key"], "ISS-1");
    shell.run(&["create", "summary=b"]);
    let listed = shell.json(&["list"]);
    assert_eq!(listed[0], json!({ "key": "ISS-1", "fields": made["fields"] }));
    assert_eq!(listed[0]["fields"]["labels"], json!(["x", "y"]));
    assert_eq!(listed[1]["fields"].get("labels"), None);
    assert_eq!(shell.json(&["list", "summary=b"]).as_array().unwrap().len(), 1);
    assert_eq!(shell.json(&["set", "ISS-1", "labels="])["fields"].get("labels"), None);
    assert_eq!(shell.json(&["comment", "ISS-1", "x"]), json!({ "key": "ISS-1", "id": "1" }));
    let photo = shell.file("a.txt", b"abc");
    let attached = shell.json(&["attach", "ISS-1", &photo]);
    let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(attached, json!({ "name": "a.txt", "size": 3, "sha256": hex }));
}

#[test]
fn what_cannot_be_done_is_said_and_nothing_changes() {
    let shell = Shell::new();
    shell.run(&["create", "summary=a"]);
    shell.run(&["comment", "ISS-1", "x"]);
    shell.run(&["attach", "ISS-1", &shell.file("photo.jpg", b"x")]);
    let dir = shell.dir.path().to_str().unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["show", "iss-1"], "item local-gone: there is no issue \"iss-1\" | did you mean ISS-1?"),
        (&["show", "ABC-1"], "did you mean ISS-1?"),
        (&["show", "ISS-7"], "| `engsync tracker list` shows all"),
        (&["set", "ISS-7", "summary=x"], "item local-gone"),
        (&["set", "ISS-1", "key=ISS-2"], "setup usage: key is set by the tracker only"),
        (&["set", "ISS-1", "summary=b", "sumary=x"], "did you mean summary?"),
        (
            &["set", "ISS-1", "summary=b", "priority=urgent"],
            "item tracker-refused: priority does not take \"urgent\"; allowed: high, low | nothing was changed",
        ),
        (&["create", "summary=b", "priority=urgent"], "item tracker-refused"),
        (&["list", "sumary=b"], "setup usage"),
        (&["comment", "ISS-1", "  "], "setup usage: the comment is empty"),
        (&["comment", "ISS-7", "x"], "item local-gone"),
        (&["edit-comment", "ISS-1", "9", "x"], "item not-found: ISS-1 has no comment \"9\""),
        (
            &["delete-comment", "ISS-1", "12"],
            "item not-found: ISS-1 has no comment \"12\" | did you mean \"1\"?",
        ),
        (
            &["detach", "ISS-1", "foto.jpg"],
            "has no attachment \"foto.jpg\" | did you mean \"photo.jpg\"?",
        ),
        (&["save", "ISS-1", "nothing"], "item not-found"),
        (&["attach", "ISS-1", dir], "item disk: "),
        (&["attach", "ISS-1", "/nowhere/a"], "setup disk: cannot read /nowhere/a"),
        (&["attach", "ISS-7", &shell.file("b", b"b")], "item local-gone"),
        (&["delete", "ISS-7"], "item local-gone"),
    ];
    for (words, wanted) in cases {
        let said = shell.fails(words);
        assert!(said.contains(wanted), "{words:?}: {said}");
    }
}

#[test]
fn files_come_back_as_they_were() {
    let shell = Shell::new();
    shell.run(&["create", "summary=a"]);
    let content: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    shell.run(&["attach", "ISS-1", &shell.file("a.bin", &content)]);
    assert_eq!(shell.bytes(false, &["save", "ISS-1", "a.bin", "-o", "-"]).unwrap(), content);
    let target = shell.file("there", b"old");
    assert_eq!(shell.run(&["save", "ISS-1", "a.bin", "-o", &target]), format!("{target} saved\n"));
    assert_eq!(std::fs::read(&target).unwrap(), content);
    let stored = walkdir::WalkDir::new(shell.dir.path().join("files"));
    let stored = stored.into_iter().flatten().find(|entry| entry.file_type().is_file()).unwrap();
    shell.file(stored.path().strip_prefix(shell.dir.path()).unwrap().to_str().unwrap(), b"damaged");
    let said = shell.fails(&["save", "ISS-1", "a.bin", "-o", &target]);
    assert!(said.contains("damaged"), "{said}");
    assert_eq!(std::fs::read(&target).unwrap(), content, "what was there stays");
}

#[test]
fn the_command_line_is_sound() {
    use clap::CommandFactory as _;
    Cli::command().debug_assert();
    assert!(Cli::try_parse_from(["tracker", "create"]).is_err());
    let author = Cli::try_parse_from(["tracker", "comment", "ISS-1", "x", "--author", "Änne"]);
    assert_eq!(author.map(|cli| cli.tracker.author).unwrap(), Some("Änne".to_owned()));
    let wrong = Cli::try_parse_from(["tracker", "set", "ISS-1", "summary"]).err().unwrap();
    assert!(wrong.to_string().contains("write FIELD=VALUE"), "{wrong}");
}

#[test]
fn two_people_at_once_lose_nothing() {
    let shell = Shell::new();
    shell.run(&["create", "summary=a"]);
    let add = |name: &'static str| {
        let dir = shell.dir.path().to_owned();
        std::thread::spawn(move || {
            let tracker = Shell::open(&dir);
            for n in 0..15 {
                let label = format!("labels+={name}{n}").parse().unwrap();
                let command =
                    TrackerCommand::Set { key: "ISS-1".to_owned(), assignments: vec![label] };
                let mut io = Output { json: false, out: &mut io::sink(), width: None };
                run(&command, &tracker, &Disk::default(), &mut io).unwrap();
            }
        })
    };
    for person in [add("a"), add("b")] {
        person.join().unwrap();
    }
    let labels = shell.json(&["show", "ISS-1"])["fields"]["labels"].clone();
    assert_eq!(labels.as_array().unwrap().len(), 30, "{labels}");
}
