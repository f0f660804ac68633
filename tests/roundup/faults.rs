//! What only the Roundup of this process can show: what time and strange servers do.

use engsync::tracker::TRACKER_UNAVAILABLE;

use super::fake::{Fake, Trouble};
use super::troubles::titled;
use super::*;

fn scene(ext: bool) -> (Fake, Roundup) {
    let fake = Fake::start(ext);
    let tracker = Roundup::new(fake_options(&fake)).unwrap();
    tracker.schema().unwrap();
    fake.seen();
    (fake, tracker)
}

fn make_titled(tracker: &Roundup) -> String {
    tracker.create("main/p:1", &titled("t")).unwrap().issue.id
}

#[test]
fn what_was_retired_long_after_its_last_change_is_told_too() {
    let (fake, tracker) = scene(false);
    let keys: Vec<String> = (0..4)
        .map(|n| tracker.create(&format!("main/p:{n}"), &titled("t")).unwrap().issue.id)
        .collect();
    fake.age(chrono::TimeDelta::hours(3));
    let last = tracker.create("main/p:9", &titled("t")).unwrap().issue.id;
    let mut token = tracker.changed_since(None).unwrap().token;
    for gone in [&keys[1], &last] {
        fake.retire("issue", gone);
        let feed = tracker.changed_since(Some(&token)).unwrap();
        assert_eq!(feed.keys, None, "one of them is missing: look at all");
        token = feed.token;
        let quiet = tracker.changed_since(Some(&token)).unwrap();
        assert_eq!((quiet.keys, quiet.token), (Some(vec![]), token.clone()), "it is told once");
    }
    // A new one in its place is news of its own.
    let new = tracker.create("main/p:10", &titled("t")).unwrap().issue.id;
    fake.retire("issue", &keys[2]);
    let feed = tracker.changed_since(Some(&token)).unwrap();
    assert_eq!(feed.keys, None);
    let newer = tracker.create("main/p:11", &titled("t")).unwrap().issue.id;
    let feed = tracker.changed_since(Some(&feed.token)).unwrap();
    assert_eq!(feed.keys, Some(vec![newer]));
    assert!(read(&tracker, &new).fields.get("title").is_some());
}

#[test]
fn a_change_of_what_links_back_is_told_of_the_issue() {
    let (fake, _) = scene(true);
    let mut options = fake_options(&fake);
    options.fields =
        vec!["/ext_tracker_state/ext_status".to_owned(), "/ext_tracker_state/ext_id".to_owned()];
    let tracker = Roundup::new(options).unwrap();
    let (a, b) = (make_titled(&tracker), tracker.create("main/p:2", &titled("u")).unwrap());
    fake.age(chrono::TimeDelta::hours(3));
    let token = tracker.changed_since(None).unwrap().token;
    let before = read(&tracker, &a).revision;
    let set = changes(&[("/ext_tracker_state/ext_status", text("open"))]);
    Roundup::update(&tracker, &a, &set, None).unwrap();
    let feed = tracker.changed_since(Some(&token)).unwrap();
    assert_eq!(feed.keys, Some(vec![a.clone()]), "and not {}", b.issue.id);
    let now = read(&tracker, &a);
    assert_eq!(feed.revisions.get(&a), now.revision.as_ref());
    assert_ne!(before, now.revision);
    let quiet = tracker.changed_since(Some(&feed.token)).unwrap();
    assert_eq!(quiet.keys, Some(vec![]));
}

#[test]
fn what_was_retired_keeps_its_name_but_is_not_linked_anew() {
    let (fake, tracker) = scene(false);
    let fields = changes(&[("title", text("t")), ("status", text("testing"))]);
    let key = tracker.create("main/p:1", &fields).unwrap().issue.id;
    fake.retire("status", "3");
    let tracker = Roundup::new(fake_options(&fake)).unwrap();
    assert_eq!(read(&tracker, &key).fields.text("status"), "testing");
    let other = tracker.create("main/p:2", &fields).unwrap();
    assert_eq!(other.refused.len(), 1);
    assert!(other.refused[0].text.contains("allowed: unread, chatting"), "{:?}", other.refused);
}

#[test]
fn a_look_costs_little() {
    let (fake, tracker) = scene(false);
    let keys: Vec<String> = (0..30)
        .map(|n| tracker.create(&format!("main/p:{n}"), &titled("t")).unwrap().issue.id)
        .collect();
    let token = tracker.changed_since(None).unwrap().token;
    fake.seen();
    assert_eq!(tracker.changed_since(Some(&token)).unwrap().keys, Some(vec![]));
    let seen = fake.seen();
    assert_eq!(seen, ["GET issue", "GET issue", "GET msg"], "counted, and asked for changes");
    tracker.get_many(&keys).unwrap();
    assert_eq!(fake.seen(), ["GET issue", "GET msg"]);
    let markers: Vec<String> = (0..30).map(|n| format!("main/p:{n}")).collect();
    let markers: Vec<&str> = markers.iter().map(String::as_str).collect();
    let found = tracker.find_many(&markers).unwrap();
    assert_eq!(found.concat(), keys);
    assert_eq!(fake.seen(), ["GET msg", "GET issue"]);
}

#[test]
fn a_strange_server_is_told_from_a_roundup() {
    let (fake, _) = scene(false);
    fake.plan_times("GET", "/rest", 9, Trouble::Answer(200, "", "<html>Welcome</html>"));
    fake.plan_times("POST", "/xmlrpc", 9, Trouble::Answer(200, "", "<html>Welcome</html>"));
    let tracker = Roundup::new(fake_options(&fake)).unwrap();
    let error = tracker.schema().unwrap_err();
    assert_eq!((error.fault, error.code), (Fault::Wait, TRACKER_UNAVAILABLE));
    assert!(error.what.contains("no XML-RPC interface"), "{error}");
    let checked = tracker.check();
    assert!(checked.len() == 1 && checked[0].found.is_err());
    let (fake, tracker) = scene(false);
    let checked = tracker.check();
    assert!(
        checked.len() > 5 && checked.iter().all(|checked| checked.found.is_ok()),
        "{checked:?}"
    );
    fake.plan_times("GET", "file", 9, Trouble::Answer(403, "", "Permission to view file denied"));
    let bad: Vec<_> =
        tracker.check().into_iter().filter(|checked| checked.found.is_err()).collect();
    assert_eq!(bad.len(), 1);
    assert_eq!(bad[0].what, "permission to view file");
}
