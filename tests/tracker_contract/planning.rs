//! What is planned is seen by what is planned later, and by nobody else.

use super::*;

/// `ISS-1` with a comment and a file is there, tied to `main/p:1`; and what it holds.
fn start() -> (Planned, tempfile::TempDir) {
    let Subject { tracker, dir } = own_file();
    make(&tracker, "main/p:1");
    tracker.comment("ISS-1", &note("old", "o")).unwrap();
    tracker.attach("ISS-1", &file("old", b"old")).unwrap();
    (Planned::new(Box::new(tracker), Rc::new(Ticking(Cell::new(1000)))), dir)
}

/// The end of the history of the tracker behind.
fn history(dir: &Path) -> String {
    let db = Db::open(&dir.join("tracker.db"), &[SCHEMA], &Steps::none()).unwrap();
    let behind = Embedded::new(db, Disk::default(), options(dir), clock()).unwrap();
    behind.changed_since(None).unwrap().token
}

#[test]
fn nothing_reaches_the_tracker_behind() {
    let (planned, dir) = start();
    let before = history(dir.path());
    let key = make(&planned, "main/p:2");
    let set = changes(&[("summary", text("t"))]);
    for key in [key.as_str(), "ISS-1"] {
        planned.update(key, &set, None).unwrap();
        let id = planned.comment(key, &note("new", "n")).unwrap();
        planned.edit_comment(key, &id, "edited").unwrap();
        planned.attach(key, &file("new", b"new")).unwrap();
        planned.detach(key, "new").unwrap();
        planned.delete_comment(key, &id).unwrap();
        planned.mark(key, None).unwrap();
    }
    let order = engsync::tracker::Order { marker: "main/p:3".into(), ..Default::default() };
    assert!(planned.write_many(&[order], &|| true)[0].issue.is_some());
    assert_eq!(history(dir.path()), before);
}

#[test]
fn what_was_planned_is_seen_over_what_is_there() {
    let (planned, _dir) = start();
    let key = make(&planned, "main/p:2");
    assert_eq!(key, "(new 1)");
    assert_eq!(planned.find("main/p:2").unwrap(), [key.as_str()]);
    assert_eq!(planned.find("main/p:1").unwrap(), ["ISS-1"]);
    planned.update("ISS-1", &changes(&[("summary", text("planned"))]), None).unwrap();
    planned.comment("ISS-1", &note("new", "n")).unwrap();
    planned.attach("ISS-1", &file("old", b"other")).unwrap();
    let keys = ["ISS-1".to_owned(), key.clone(), "ISS-1".to_owned()];
    let issues = planned.get_many(&keys).unwrap();
    let issue = issues[0].as_ref().unwrap();
    assert_eq!(issue.fields.text("summary"), "planned");
    assert_eq!(texts(issue), ["old", "new"]);
    assert_eq!(bytes(&issue.attachments[0]), b"other");
    assert_eq!(issues[2].as_ref().unwrap().fields, issue.fields);
    planned.mark("ISS-1", None).unwrap();
    assert!(planned.find("main/p:1").unwrap().is_empty(), "untied, as far as the plan goes");
    planned.mark(&key, Some("main/p:1")).unwrap();
    assert_eq!(planned.find("main/p:1").unwrap(), [key]);
}

#[test]
fn what_only_the_tracker_gives_to_a_new_issue_is_not_known() {
    let (planned, _dir) = start();
    let key = make(&planned, "main/p:2");
    let unknown = read(&planned, &key).unknown;
    assert!(unknown.contains("status") && unknown.contains("created"), "{unknown:?}");
    assert!(!unknown.contains("summary") && !unknown.contains("key"), "{unknown:?}");
    planned.update(&key, &changes(&[("status", text("Closed"))]), None).unwrap();
    assert!(!read(&planned, &key).unknown.contains("status"));
    planned.update("ISS-1", &changes(&[("summary", text("planned"))]), None).unwrap();
    assert!(read(&planned, "ISS-1").unknown.is_empty(), "it exists");
}

#[test]
fn a_create_in_doubt_is_looked_for_behind() {
    let (planned, _dir) = start();
    let key = make(&planned, "main/p:2");
    let probed = planned.probe(&["main/p:1", "main/p:2", "main/p:3"], "").unwrap();
    use engsync::tracker::Probed::{Absent, Found};
    assert_eq!(probed, [Found(vec!["ISS-1".into()]), Found(vec![key]), Absent]);
}
