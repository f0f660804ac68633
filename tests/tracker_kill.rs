//! The embedded tracker after a power switch at every step: each file that a row names is whole,
//! every write happened or did not, doing it all again makes no twin, nothing is left over.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]
#![cfg(debug_assertions)]

use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;

use engsync::db::Db;
use engsync::disk::{Disk, Steps};
use engsync::issue::{Attachment, Content, Value};
use engsync::tracker::embedded::{Embedded, Options, SCHEMA};
use engsync::tracker::{Changes, NewComment, Tracker};
use engsync::{Clock, Result, Timestamp};

/// Where the child works and at which step it dies.
const DIR: &str = "TRACKER_KILL_DIR";
const STEP: &str = "TRACKER_KILL_STEP";

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

struct Bytes(&'static [u8]);

impl Content for Bytes {
    fn read_with(&self, sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>) -> io::Result<()> {
        sink(&mut &*self.0)
    }
}

fn open(dir: &Path, steps: &Steps) -> Embedded {
    let db = Db::open(&dir.join("tracker.db"), &[SCHEMA], steps).unwrap();
    let options = Options {
        key_prefix: "ISS".to_owned(),
        values: Default::default(),
        actor: "engsync".to_owned(),
        fields: Vec::new(),
        shares_state: false,
        files: dir.join("files"),
    };
    Embedded::new(db, Disk::new(steps.clone()), options, Rc::new(Fixed)).unwrap()
}

/// What a run does, each step repeatable.
fn work(tracker: &Embedded) -> Result<()> {
    let file = |name, bytes| Attachment::new(name, None, Arc::new(Bytes(bytes)));
    let key = match tracker.find("main/p:1")?.pop() {
        Some(key) => key,
        None => tracker.create("main/p:1", &Changes::new())?.issue.id,
    };
    tracker.attach(&key, &file("stays", b"stays"))?;
    tracker.attach(&key, &file("replaced", b"one"))?;
    let comment = NewComment { text: "text".into(), token: "t".into(), ..NewComment::default() };
    tracker.comment(&key, &comment)?;
    // As a package does it: the files first, then one transaction.
    let (two, late) = (file("replaced", b"two"), file("late", b"late"));
    tracker.prepare(&two)?;
    tracker.prepare(&late)?;
    let tx = tracker.db().begin()?;
    tracker.attach(&key, &two)?;
    tracker.attach(&key, &late)?;
    tracker.update(&key, &Changes::from([("summary".into(), Value::text("s"))]), None)?;
    tx.commit()?;
    tracker.detach(&key, "late")
}

/// Runs only as the child of the test below.
#[test]
#[allow(clippy::disallowed_methods, reason = "the parent hands it down")]
fn child() {
    let (Some(dir), Ok(step)) = (std::env::var_os(DIR), std::env::var(STEP)) else { return };
    let steps = Steps::dying_at(step.parse().unwrap(), false);
    work(&open(Path::new(&dir), &steps)).unwrap();
}

#[test]
fn whenever_it_dies_nothing_is_lost_and_nothing_is_left() {
    let mut died = 0;
    for step in 1..1000 {
        let dir = tempfile::tempdir().unwrap();
        let done = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child"])
            .env(DIR, dir.path())
            .env(STEP, step.to_string())
            .output()
            .unwrap();
        let killed = done.status.signal().is_some();
        assert!(killed || done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
        let tracker = open(dir.path(), &Steps::none());
        check(&tracker, step);
        work(&tracker).unwrap();
        check(&tracker, step);
        tracker.sweep().unwrap();
        let issue = tracker.get(&tracker.find("main/p:1").unwrap()[0]).unwrap();
        let names: Vec<&str> = issue.attachments.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["stays", "replaced"], "step {step}");
        assert_eq!((issue.comments.len(), issue.fields.text("summary")), (1, "s".to_owned()));
        let left = walkdir::WalkDir::new(dir.path().join("files")).into_iter().flatten();
        let left = left.filter(|entry| entry.file_type().is_file()).count();
        assert_eq!(left, 2, "step {step}: no file that no row names");
        if !killed {
            break;
        }
        died += 1;
    }
    assert!(died > 40, "only {died} steps were tried");
}

/// Whatever a row names is there and whole; one issue at most.
fn check(tracker: &Embedded, step: u64) {
    let mut keys = Vec::new();
    let mut note = |issue: engsync::issue::Issue| {
        keys.push(issue.id);
        Ok(())
    };
    tracker.each(&mut note).unwrap();
    assert!(keys.len() <= 1, "step {step}: a twin");
    for issue in tracker.get_many(&keys).unwrap().into_iter().flatten() {
        for file in &issue.attachments {
            let read = file.read_with(&mut |reader| io::copy(reader, &mut io::sink()).map(drop));
            assert!(read.is_ok(), "step {step}: {}: {read:?}", file.name);
        }
        assert!(issue.comments.len() <= 1, "step {step}");
    }
}
