//! What only the embedded tracker promises: history, durable files, other processes, dry runs.

use super::*;
use engsync::tracker::embedded::{Action, Change};

fn open(dir: &Path) -> Embedded {
    let db = Db::open(&dir.join("tracker.db"), &[SCHEMA], &Steps::none()).unwrap();
    Embedded::new(db, Disk::default(), options(dir), clock()).unwrap()
}

fn path_of(dir: &Path, content: &[u8]) -> std::path::PathBuf {
    let hex = Digest::of(content).to_string();
    dir.join("files").join(&hex[..2]).join(&hex[2..])
}

fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.join("files")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                dirs.push(entry.path());
            } else {
                found.push(entry.path().display().to_string());
            }
        }
    }
    found.sort();
    found
}

fn change(field: &str, from: Option<Value>, to: Option<Value>) -> Change {
    Change { field: field.to_owned(), item: None, from, to }
}

fn item(field: &str, item: &str, from: Option<Value>, to: Option<Value>) -> Change {
    Change { item: Some(item.to_owned()), ..change(field, from, to) }
}

fn hex(content: &[u8]) -> Option<Value> {
    text(&Digest::of(content).to_string())
}

#[test]
fn a_new_issue_starts_open_and_knows_the_partners_number() {
    let subject = own_file();
    let issue = subject.tracker.create("main/porsche:4711", &Changes::new()).unwrap().issue;
    assert_eq!(issue.id, "ISS-1");
    let json = serde_json::to_string(&issue.fields).unwrap();
    assert_eq!(
        json,
        r#"{"created":"2025-03-10T09:46:41Z","external_id":"4711","key":"ISS-1","status":"Open","type":"Defect","updated":"2025-03-10T09:46:41Z"}"#
    );
    let given = changes(&[("status", text("New")), ("external_id", text("X"))]);
    let issue = subject.tracker.create("main/porsche:4712", &given).unwrap().issue;
    assert_eq!(
        (issue.fields.text("status"), issue.fields.text("external_id")),
        ("New".into(), "X".into())
    );
}

#[test]
fn the_partners_number_follows_the_marker_unless_it_was_written() {
    let Subject { tracker, dir: _dir } = own_file();
    let key = make(&tracker, "");
    let number = || read(&tracker, &key).fields.text("external_id");
    for (marker, wanted) in [(Some("main/p:1"), "1"), (Some("main/p:2"), "2"), (None, "")] {
        tracker.mark(&key, marker).unwrap();
        assert_eq!(number(), wanted);
    }
    tracker.update(&key, &changes(&[("external_id", text("mine"))]), None).unwrap();
    for marker in [Some("main/p:3"), None] {
        tracker.mark(&key, marker).unwrap();
        assert_eq!(number(), "mine");
    }
}

#[test]
fn the_defaults_bow_to_the_allowed_values() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(&dir.path().join("tracker.db"), &[SCHEMA], &Steps::none()).unwrap();
    let mut options = options(dir.path());
    options.values.insert("status".into(), vec!["new".into(), "done".into()]);
    let tracker = Embedded::new(db, Disk::default(), options, clock()).unwrap();
    assert_eq!(tracker.create("", &Changes::new()).unwrap().issue.fields.text("status"), "new");
}

#[test]
fn contradicting_options_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let with = |change: &dyn Fn(&mut Options)| {
        let db = Db::open(&dir.path().join("tracker.db"), &[SCHEMA], &Steps::none()).unwrap();
        let mut options = options(dir.path());
        change(&mut options);
        Embedded::new(db, Disk::default(), options, clock()).err().map(|error| error.what)
    };
    assert_eq!(with(&|_| {}), None);
    for prefix in ["", "1A", "A B", "A-", "Ä", "a/b"] {
        let what = with(&|options| options.key_prefix = prefix.to_owned()).unwrap();
        assert!(what.contains("key_prefix"), "{what}");
    }
    let key = with(&|options| drop(options.values.insert("key".into(), vec!["x".into()])));
    assert!(key.unwrap().contains("key is read-only"));
    let none = with(&|options| drop(options.values.insert("type".into(), vec![])));
    assert!(none.unwrap().contains("type would take no value"));
    for word in ["comments", "attachments", "marker"] {
        assert!(with(&|options| options.fields.push(word.to_owned())).unwrap().contains(word));
    }
}

#[test]
fn the_history_tells_everything() {
    let Subject { tracker, dir: _dir } = own_file();
    let key = make(&tracker, "main/p:1");
    tracker
        .update(&key, &changes(&[("summary", text("t")), ("labels", list(&["a"]))]), None)
        .unwrap();
    let id = tracker.comment(&key, &note("one", "")).unwrap();
    tracker.edit_comment(&key, &id, "two").unwrap();
    tracker.attach(&key, &file("f", b"1")).unwrap();
    tracker.attach(&key, &file("f", b"2")).unwrap();
    tracker.detach(&key, "f").unwrap();
    tracker.delete_comment(&key, &id).unwrap();
    tracker.mark(&key, Some("main/p:2")).unwrap();
    tracker.mark(&key, None).unwrap();
    let other = tracker.comment(&key, &note("last", "")).unwrap();
    tracker.attach(&key, &file("g", b"3")).unwrap();
    tracker.delete(&key).unwrap();
    let history = tracker.history(&key).unwrap();
    assert!(history.iter().all(|entry| entry.who == "tester"));
    assert!(history.is_sorted_by(|a, b| a.seq < b.seq && a.at < b.at));
    let told: Vec<(Action, Vec<Change>)> =
        history.into_iter().map(|entry| (entry.action, entry.changes)).collect();
    let started = vec![
        change("external_id", None, text("1")),
        change("status", None, text("Open")),
        change("summary", None, text("s")),
        change("type", None, text("Defect")),
        change("marker", None, text("main/p:1")),
    ];
    let changed = |changes: Vec<Change>| (Action::Changed, changes);
    let wanted = vec![
        (Action::Created, started),
        changed(vec![
            change("labels", None, list(&["a"])),
            change("summary", text("s"), text("t")),
        ]),
        changed(vec![item("comments", &id, None, text("one"))]),
        changed(vec![item("comments", &id, text("one"), text("two"))]),
        changed(vec![item("attachments", "f", None, hex(b"1"))]),
        changed(vec![item("attachments", "f", hex(b"1"), hex(b"2"))]),
        changed(vec![item("attachments", "f", hex(b"2"), None)]),
        changed(vec![item("comments", &id, text("two"), None)]),
        changed(vec![
            change("marker", text("main/p:1"), text("main/p:2")),
            change("external_id", text("1"), text("2")),
        ]),
        changed(vec![
            change("marker", text("main/p:2"), None),
            change("external_id", text("2"), None),
        ]),
        changed(vec![item("comments", &other, None, text("last"))]),
        changed(vec![item("attachments", "g", None, hex(b"3"))]),
        (
            Action::Deleted,
            vec![
                change("labels", list(&["a"]), None),
                change("status", text("Open"), None),
                change("summary", text("t"), None),
                change("type", text("Defect"), None),
                item("comments", &other, text("last"), None),
                item("attachments", "g", hex(b"3"), None),
            ],
        ),
    ];
    assert_eq!(told, wanted);
}

#[test]
fn a_deleted_issue_is_gone_for_good_and_reported() {
    let Subject { tracker, dir: _dir } = own_file();
    let key = make(&tracker, "main/p:1");
    let token = tracker.changed_since(None).unwrap().token;
    tracker.delete(&key).unwrap();
    assert_eq!(tracker.changed_since(Some(&token)).unwrap().keys, Some(vec![key.clone()]));
    assert!(tracker.find("main/p:1").unwrap().is_empty(), "its marker is free again");
    assert_eq!(make(&tracker, "main/p:1"), "ISS-2", "its key is not used again");
    let error = tracker.get(&key).unwrap_err();
    assert_eq!(error.code, LOCAL_GONE);
    assert!(error.what.starts_with("ISS-1 was deleted by tester at 2025-03-10T"), "{error}");
    assert_eq!(tracker.get("iss-2").unwrap_err().hint.unwrap(), "did you mean ISS-2?");
    assert!(tracker.delete(&key).is_err());
}

#[test]
fn what_is_rolled_back_never_was() {
    let Subject { tracker, dir } = own_file();
    let key = make(&tracker, "main/p:1");
    tracker.attach(&key, &file("keep", b"keep")).unwrap();
    let token = tracker.changed_since(None).unwrap().token;
    let around = tracker.db().begin().unwrap();
    make(&tracker, "main/p:2");
    tracker.comment(&key, &note("x", "t")).unwrap();
    tracker.detach(&key, "keep").unwrap();
    tracker.collect_garbage().unwrap();
    assert!(read(&tracker, &key).attachments.is_empty(), "the transaction sees itself");
    drop(around);
    let issue = read(&tracker, &key);
    assert_eq!((names(&issue), issue.comments.len()), (vec!["keep"], 0));
    assert_eq!(bytes(&issue.attachments[0]), b"keep", "a file goes only after the commit");
    assert!(tracker.find("main/p:2").unwrap().is_empty());
    assert_eq!(tracker.changed_since(Some(&token)).unwrap().keys, Some(vec![]));
    assert_eq!(files(dir.path()).len(), 1);
}

#[test]
fn the_file_is_there_before_the_row_and_goes_after_the_last() {
    let Subject { tracker, dir } = own_file();
    let (a, b) = (make(&tracker, "main/p:1"), make(&tracker, "main/p:2"));
    let path = path_of(dir.path(), b"shared");
    let photo = file("photo", b"shared");
    tracker.prepare(&photo).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"shared", "before any row");
    let around = tracker.db().begin().unwrap();
    tracker.attach(&a, &photo).unwrap();
    tracker.attach(&b, &file("same content, other name", b"shared")).unwrap();
    around.commit().unwrap();
    assert_eq!(files(dir.path()).len(), 1, "stored once");
    tracker.detach(&a, "photo").unwrap();
    assert!(path.exists(), "the other issue still has it");
    let around = tracker.db().begin().unwrap();
    tracker.delete(&b).unwrap();
    assert!(path.exists(), "not committed yet");
    around.commit().unwrap();
    tracker.collect_garbage().unwrap();
    assert_eq!(files(dir.path()), Vec::<String>::new());
    tracker.attach(&a, &photo).unwrap();
    assert_eq!(bytes(&read(&tracker, &a).attachments[0]), b"shared", "and it can come back");
    tracker.attach(&a, &file("photo", b"newer")).unwrap();
    assert_eq!(files(dir.path()), [path_of(dir.path(), b"newer").display().to_string()]);
}

#[test]
fn a_file_another_process_removed_in_between_is_written_again() {
    let Subject { tracker, dir } = own_file();
    let other = open(dir.path());
    let (a, b) = (make(&tracker, "main/p:1"), make(&tracker, "main/p:2"));
    other.attach(&b, &file("f", b"content")).unwrap();
    let mine = file("f", b"content");
    tracker.prepare(&mine).unwrap();
    other.detach(&b, "f").unwrap();
    assert!(!path_of(dir.path(), b"content").exists(), "the other process saw no row");
    tracker.attach(&a, &mine).unwrap();
    assert_eq!(bytes(&read(&tracker, &a).attachments[0]), b"content");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the test plays the interrupted writer")]
fn a_sweep_removes_what_nobody_names_and_nothing_else() {
    let Subject { tracker, dir } = own_file();
    let key = make(&tracker, "main/p:1");
    tracker.attach(&key, &file("f", b"named")).unwrap();
    tracker.prepare(&file("g", b"orphan")).unwrap();
    let root = dir.path().join("files");
    let (dead, alive) = (
        root.join(".engsync-999999999-0"),
        root.join(format!(".engsync-{}-9", std::process::id())),
    );
    for path in [&dead, &alive, &root.join("README")] {
        std::fs::write(path, b"x").unwrap();
    }
    // Who writes a file holds its lock.
    let writer = std::fs::File::options().write(true).open(&alive).unwrap();
    writer.lock().unwrap();
    assert_eq!(tracker.sweep().unwrap(), 2);
    assert!(!path_of(dir.path(), b"orphan").exists() && !dead.exists());
    assert!(alive.exists() && root.join("README").exists());
    assert_eq!(bytes(&read(&tracker, &key).attachments[0]), b"named");
    assert_eq!(tracker.sweep().unwrap(), 0);
    std::fs::remove_dir_all(root).unwrap();
    assert_eq!(tracker.sweep().unwrap(), 0, "no directory, nothing to sweep");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the test plays the failing disk")]
fn a_damaged_file_is_noticed_and_mended_by_attaching_it_again() {
    let Subject { tracker, dir } = own_file();
    let key = make(&tracker, "main/p:1");
    tracker.attach(&key, &file("f", b"content")).unwrap();
    let path = path_of(dir.path(), b"content");
    let read_error = || {
        let file = read(&tracker, &key).attachments.remove(0);
        let error = file.read_with(&mut |r| io::copy(r, &mut io::sink()).map(drop));
        error.err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(read_error(), "");
    std::fs::write(&path, b"cONTENT").unwrap();
    assert!(read_error().contains("damaged"), "{}", read_error());
    std::fs::write(&path, b"con").unwrap();
    assert!(read_error().contains("damaged"), "{}", read_error());
    tracker.attach(&key, &file("f", b"content")).unwrap();
    assert_eq!(read_error(), "");
    std::fs::remove_file(&path).unwrap();
    assert!(read_error().contains(&path.display().to_string()), "{}", read_error());
    open(dir.path()).attach(&key, &file("f", b"content")).unwrap();
    assert_eq!(read_error(), "");
}

#[test]
fn a_dry_run_leaves_no_trace_and_reads_everything() {
    let Subject { tracker, dir } = own_file();
    let key = make(&tracker, "main/p:1");
    tracker.attach(&key, &file("old", b"old")).unwrap();
    let before = (files(dir.path()), tracker.changed_since(None).unwrap().token);
    let db = Db::overlay(&dir.path().join("tracker.db"), &[SCHEMA]).unwrap();
    let dry = Embedded::overlay(db, Disk::default(), options(dir.path()), clock()).unwrap();
    let new = file("new", b"new");
    dry.prepare(&new).unwrap();
    dry.attach(&key, &new).unwrap();
    let issue = read(&dry, &key);
    assert_eq!(names(&issue), ["old", "new"]);
    assert_eq!(
        (bytes(&issue.attachments[0]), bytes(&issue.attachments[1])),
        (b"old".to_vec(), b"new".to_vec())
    );
    dry.detach(&key, "old").unwrap();
    dry.delete(&key).unwrap();
    dry.collect_garbage().unwrap();
    assert_eq!(dry.sweep().unwrap(), 0);
    assert_eq!(make(&dry, "main/p:2"), "ISS-2");
    assert_eq!((files(dir.path()), tracker.changed_since(None).unwrap().token), before);
    assert_eq!(names(&read(&tracker, &key)), ["old"]);
}

#[test]
fn two_processes_see_each_other() {
    let Subject { tracker, dir } = own_file();
    let other = open(dir.path());
    let key = make(&tracker, "main/p:1");
    other.update(&key, &changes(&[("summary", text("theirs"))]), None).unwrap();
    assert_eq!(read(&tracker, &key).fields.text("summary"), "theirs");
    assert_eq!((make(&other, "").as_str(), make(&tracker, "").as_str()), ("ISS-2", "ISS-3"));
}

#[test]
fn a_field_that_no_rule_names_any_more_stays_and_can_be_changed() {
    let Subject { tracker, dir } = own_file();
    let key = make(&tracker, "main/p:1");
    tracker.update(&key, &changes(&[("severity", text("3"))]), None).unwrap();
    let db = Db::open(&dir.path().join("tracker.db"), &[SCHEMA], &Steps::none()).unwrap();
    let fewer = Options { fields: vec![], ..options(dir.path()) };
    let fewer = Embedded::new(db, Disk::default(), fewer, clock()).unwrap();
    assert_eq!(read(&fewer, &key).fields.text("severity"), "3");
    let clear = changes(&[("severity", None)]);
    assert_eq!(fewer.update(&key, &clear, None).unwrap().refused, []);
    assert_eq!(
        fewer.update(&key, &changes(&[("severity", text("4"))]), None).unwrap().refused.len(),
        1
    );
}

const GUIDE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/trackers/embedded.md"));

#[test]
fn the_guide_lists_every_field() {
    let Subject { tracker, dir } = own_file();
    let row = |line: &'static str| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        Some((cells.next()?.trim_end_matches('`').to_owned(), cells.next()? == "list"))
    };
    let listed: std::collections::BTreeMap<String, bool> = GUIDE.lines().filter_map(row).collect();
    let fields = tracker.schema().unwrap().fields;
    let fields = fields.into_iter().filter(|(name, _)| name != "severity");
    assert_eq!(listed, fields.map(|(name, spec)| (name, spec.list)).collect());
    let beside = engsync::tracker::embedded::files_beside(&dir.path().join("engsync.db"));
    assert!(GUIDE.contains(&format!("`{}/`", beside.file_name().unwrap().to_str().unwrap())));
}

#[test]
fn the_queries_of_the_guide_work() {
    let Subject { tracker, dir: _dir } = own_file();
    let key = make(&tracker, "main/p:1");
    let set = changes(&[("labels", list(&["frost", "tür"])), ("priority", text("high"))]);
    tracker.update(&key, &set, None).unwrap();
    tracker.attach(&key, &file("f", b"1")).unwrap();
    let block = GUIDE.split("```sql\n").nth(1).unwrap().split("```").next().unwrap();
    let queries: Vec<&str> = block.split(";\n").filter(|query| !query.trim().is_empty()).collect();
    assert_eq!(queries.len(), 4);
    for query in queries {
        let mut found = tracker.db().sql().prepare(query).unwrap();
        let rows = found.query_map([], |row| row.get::<_, String>(0)).unwrap();
        assert_eq!(rows.collect::<Result<Vec<_>, _>>().unwrap(), [key.as_str()], "{query}");
    }
}
