//! A Roundup that breaks, refuses, and is written by others: each loses nothing and makes
//! nothing twice.

use engsync::tracker::{Order, Probed, TRACKER_UNAVAILABLE};

use super::fake::{Fake, Trouble};
use super::*;

fn scene(ext: bool) -> (Fake, Roundup) {
    let fake = Fake::start(ext);
    let tracker = Roundup::new(fake_options(&fake)).unwrap();
    tracker.schema().unwrap();
    fake.seen();
    (fake, tracker)
}

fn titled(title: &str) -> Changes {
    changes(&[("title", text(title)), ("description", text("d"))])
}

const REFUSAL: &str = r#"{"error": {"status": 400, "msg": "property priority: no more of them"}}"#;

#[test]
fn a_create_whose_answer_is_lost_is_found_and_not_repeated() {
    for ext in [false, true] {
        for path in ["msg", "issue", "ext_tracker_state"] {
            let (fake, tracker) = scene(ext);
            fake.plan("POST", path, Trouble::LostAnswer);
            let made = tracker.create("main/p:1", &titled("t"));
            if path == "ext_tracker_state" {
                assert!(made.is_ok(), "the tie is in the message already");
            } else {
                let error = made.unwrap_err();
                assert_eq!((error.fault, error.code), (Fault::Wait, TRACKER_UNAVAILABLE));
            }
            // The next run, another process.
            let tracker = Roundup::new(fake_options(&fake)).unwrap();
            let probed = tracker.probe(&["main/p:1"], "").unwrap().remove(0);
            if probed == Probed::Absent {
                assert_eq!(path, "msg", "only the message was made");
                tracker.create("main/p:1", &titled("t")).unwrap();
            }
            let found = tracker.find("main/p:1").unwrap();
            assert_eq!(found.len(), 1, "{path}");
            let issue = read(&tracker, &found[0]);
            assert_eq!(issue.fields.text("description"), "d");
            assert!(issue.comments.is_empty());
            let all = tracker.changed_since(None).unwrap().keys.unwrap();
            assert_eq!(all, found, "{path}: no second issue");
        }
    }
}

#[test]
fn a_create_that_was_never_done_is_done_once() {
    for path in ["msg", "issue"] {
        let (fake, tracker) = scene(false);
        fake.plan("POST", path, Trouble::Broken);
        assert_eq!(tracker.create("main/p:1", &titled("t")).unwrap_err().fault, Fault::Wait);
        assert_eq!(tracker.probe(&["main/p:1"], "").unwrap(), [Probed::Absent]);
        let key = tracker.create("main/p:1", &titled("new")).unwrap().issue.id;
        assert_eq!(tracker.find("main/p:1").unwrap(), [key]);
        let posts = fake.seen().iter().filter(|seen| *seen == "POST msg").count();
        assert_eq!(posts, if path == "msg" { 2 } else { 1 }, "the message that was left is taken");
    }
}

#[test]
fn a_comment_or_file_whose_answer_is_lost_is_there_once() {
    for (method, path) in [("POST", "msg"), ("PATCH", "issue"), ("POST", "file"), ("PUT", "issue")]
    {
        let (fake, tracker) = scene(false);
        let key = make_titled(&tracker);
        fake.plan(method, path, Trouble::LostAnswer);
        let write = || -> engsync::Result<()> {
            tracker.comment(&key, &note("hallo", "token"))?;
            tracker.attach(&key, &file("a.bin", b"\0\xff"))
        };
        assert_eq!(write().unwrap_err().fault, Fault::Wait, "{method} {path}");
        write().unwrap();
        write().unwrap();
        let issue = read(&tracker, &key);
        assert_eq!(
            (texts(&issue), names(&issue)),
            (vec!["hallo"], vec!["a.bin"]),
            "{method} {path}"
        );
        assert_eq!(bytes(&issue.attachments[0]), b"\0\xff");
    }
}

fn make_titled(tracker: &Roundup) -> String {
    tracker.create("main/p:1", &titled("t")).unwrap().issue.id
}

#[test]
fn an_update_whose_answer_is_lost_is_done_or_done_again() {
    for trouble in [Trouble::LostAnswer, Trouble::Broken] {
        let (fake, tracker) = scene(false);
        let key = make_titled(&tracker);
        fake.plan("PUT", "issue", trouble);
        let want = changes(&[("title", text("new"))]);
        let expected = changes(&[("title", text("t"))]);
        assert_eq!(tracker.update(&key, &want, Some(&expected)).unwrap_err().fault, Fault::Wait);
        let written = tracker.update(&key, &want, Some(&expected)).unwrap();
        assert_eq!((written.refused, written.issue.fields.text("title")), (vec![], "new".into()));
    }
}

#[test]
fn what_a_person_writes_in_between_is_not_overwritten() {
    let (fake, tracker) = scene(false);
    let key = make_titled(&tracker);
    let want = changes(&[("title", text("ours")), ("severity", text("3"))]);
    let expected = changes(&[("title", text("t")), ("severity", None)]);
    // Between our look and our write: the ETag tells.
    fake.plan("PUT", "issue", Trouble::EditedBefore("title", "theirs"));
    let written = tracker.update(&key, &want, Some(&expected)).unwrap();
    let refused: Vec<&str> = written.refused.iter().map(|refused| &*refused.field).collect();
    assert_eq!(refused, ["title"]);
    assert_eq!(written.issue.fields.text("title"), "theirs");
    assert_eq!(written.issue.fields.text("severity"), "3", "the others are written");
    // A comment does not take somebody else's away.
    let other = tracker.comment(&key, &note("theirs", "")).unwrap();
    fake.plan("PATCH", "issue", Trouble::EditedBefore("title", "again"));
    let ours = tracker.comment(&key, &note("ours", "")).unwrap();
    let ids: Vec<String> = read(&tracker, &key).comments.into_iter().map(|c| c.id).collect();
    assert_eq!(ids, [other, ours]);
}

#[test]
fn a_field_that_is_refused_costs_only_itself() {
    let (fake, tracker) = scene(false);
    fake.plan("POST", "issue", Trouble::Answer(400, "", REFUSAL));
    let fields =
        changes(&[("title", text("t")), ("priority", text("high")), ("severity", text("3"))]);
    let written = tracker.create("main/p:1", &fields).unwrap();
    assert_eq!(written.refused.len(), 1);
    assert_eq!(
        (&*written.refused[0].field, written.refused[0].code),
        ("priority", TRACKER_REFUSED)
    );
    assert!(written.refused[0].text.contains("no more of them"), "{}", written.refused[0].text);
    assert_eq!(written.issue.fields.text("severity"), "3");
    let key = written.issue.id;
    fake.plan("PUT", "issue", Trouble::Answer(400, "", REFUSAL));
    let fields = changes(&[("title", text("u")), ("priority", text("low"))]);
    let written = tracker.update(&key, &fields, None).unwrap();
    assert_eq!((written.refused.len(), written.issue.fields.text("title")), (1, "u".into()));
}

#[test]
fn too_much_and_too_early_wait_as_long_as_asked() {
    let cases =
        [(429, "Retry-After: 3600\r\n", 3600), (503, "Retry-After: 5\r\n", 5), (429, "", 1)];
    for (status, headers, seconds) in cases {
        let (fake, tracker) = scene(false);
        fake.plan("POST", "msg", Trouble::Answer(status, headers, "later"));
        let error = tracker.create("main/p:1", &titled("t")).unwrap_err();
        assert_eq!((error.fault, error.code), (Fault::Wait, TRACKER_UNAVAILABLE));
        let wait = error.retry_after.map(|wait| wait.as_secs());
        assert_eq!(wait, Some(seconds), "{status} {headers}");
        assert!(tracker.find("main/p:1").unwrap().is_empty());
    }
}

#[test]
fn a_log_in_that_ends_mid_run_stops_the_batch_with_one_message() {
    let (fake, tracker) = scene(false);
    make_titled(&tracker);
    fake.plan_times("POST", "", 100, Trouble::Answer(401, "", "Invalid Login"));
    let orders: Vec<Order<'_>> = (2..40)
        .map(|n| Order { marker: format!("main/p:{n}"), changes: titled("t"), ..Order::default() })
        .collect();
    let receipts = tracker.write_many(&orders, &|| true);
    let failed: Vec<&engsync::Error> =
        receipts.iter().filter_map(|receipt| receipt.error.as_ref()).collect();
    assert!((1..=4).contains(&failed.len()), "{}", failed.len());
    assert!(failed.iter().all(|error| error.fault == Fault::Wait && error.hint.is_some()));
    assert!(receipts.iter().filter(|receipt| receipt.tried).count() <= 4);
    let told = format!("{failed:?}");
    assert!(!told.contains("syncpw"), "no secret is told");
}

#[test]
fn many_orders_are_done_each_once_and_read_back_together() {
    let (fake, tracker) = scene(true);
    let photo = file("photo.jpg", b"jpeg");
    let order = |n: u32| Order {
        marker: format!("main/p:{n}"),
        changes: titled(&format!("t{n}")),
        comments: vec![note("one", "1"), note("two", "2")],
        files: vec![&photo],
        ..Order::default()
    };
    let orders: Vec<Order<'_>> = (0..20).map(order).collect();
    let receipts = tracker.write_many(&orders, &|| true);
    let seen = fake.seen();
    for (receipt, order) in receipts.iter().zip(&orders) {
        assert!(receipt.error.is_none() && receipt.tried && receipt.refused.is_empty());
        let issue = receipt.issue.as_ref().unwrap();
        assert_eq!(Some(&issue.id), receipt.key.as_ref());
        assert_eq!(
            issue.fields.text("title"),
            order.changes["title"].as_ref().unwrap().to_string()
        );
        assert_eq!((texts(issue), names(issue)), (vec!["one", "two"], vec!["photo.jpg"]));
        let ids: Vec<&String> = issue.comments.iter().map(|comment| &comment.id).collect();
        assert_eq!(ids, receipt.comments.iter().collect::<Vec<_>>());
        assert_eq!(tracker.find(&order.marker).unwrap(), [issue.id.as_str()]);
    }
    let reads = seen.iter().rev().take_while(|seen| seen.starts_with("GET")).count();
    assert!(reads <= 6, "all are read back in few requests: {seen:?}");
    // Asked to stop, nothing more is begun.
    let receipts = tracker.write_many(&[order(100), order(101)], &|| false);
    assert!(receipts.iter().all(|receipt| !receipt.tried && receipt.error.is_none()));
}

#[test]
fn what_was_retired_is_gone() {
    let (fake, tracker) = scene(true);
    let key = make_titled(&tracker);
    let token = tracker.changed_since(None).unwrap().token;
    fake.retire("issue", &key);
    assert!(tracker.get_many(std::slice::from_ref(&key)).unwrap()[0].is_none());
    assert!(tracker.find("main/p:1").unwrap().is_empty(), "no tie leads to it");
    fake.seen();
    let errors = [
        tracker.update(&key, &titled("x"), None).map(drop),
        tracker.comment(&key, &note("x", "")).map(drop),
        tracker.attach(&key, &file("a", b"a")),
        tracker.mark(&key, None),
    ];
    for error in errors {
        let error = error.unwrap_err();
        assert_eq!((error.fault, error.code), (Fault::Item, LOCAL_GONE));
    }
    let order = Order { key: Some(key), changes: titled("x"), ..Order::default() };
    let receipt = tracker.write_many(&[order], &|| true).remove(0);
    assert_eq!(receipt.error.unwrap().code, LOCAL_GONE);
    assert!(fake.seen().iter().all(|seen| seen.starts_with("GET")), "nothing is written to it");
    let feed = tracker.changed_since(Some(&token)).unwrap();
    assert_eq!(feed.keys, None, "what was seen is gone: look at all");
}

/// Retiring dates nothing: whenever it is done, it is missed by counting, and told once.
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

/// What links back to an issue is its own: who changes it changes the issue.
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
fn a_tie_of_another_program_is_found_and_ours_are_noted_beside() {
    let (fake, tracker) = scene(true);
    let key = make_titled(&tracker);
    let seen = fake.seen();
    assert!(seen.contains(&"POST ext_tracker".to_owned()), "{seen:?}");
    assert!(seen.contains(&"POST ext_tracker_state".to_owned()));
    let mut options = fake_options(&fake);
    options.fields = vec!["/ext_tracker_state/ext_status".to_owned(), "status.name".to_owned()];
    options.ext_trackers = [("q".to_owned(), "main/p".to_owned())].into();
    let tracker = Roundup::new(options).unwrap();
    // Their partner q has our row.
    assert_eq!(tracker.find("else/q:1").unwrap(), [key.as_str()]);
    assert!(tracker.find("else/q:2").unwrap().is_empty());
    // A property of the items that link back, and one of an item that is linked to.
    let want = changes(&[
        ("/ext_tracker_state/ext_status", text("open")),
        ("status.name", text("testing")),
    ]);
    let written = tracker.update(&key, &want, None).unwrap();
    assert_eq!(written.refused, []);
    let fields = &written.issue.fields;
    assert_eq!(fields.text("/ext_tracker_state/ext_status"), "open");
    assert_eq!(
        (fields.text("status.name"), fields.text("status")),
        ("testing".into(), "testing".into())
    );
    let schema = tracker.schema().unwrap();
    let wanted = Some(vec!["unread".to_owned(), "chatting".to_owned(), "testing".to_owned()]);
    assert_eq!(schema.field("status.name").unwrap().allowed, wanted);
    assert_eq!(schema.field("/ext_tracker_state/ext_status").unwrap().allowed, None);
    assert!(schema.field("/msg/content").is_none() && schema.field("title.name").is_none());
}

#[test]
fn a_property_can_hold_the_marker() {
    let fake = Fake::start(false);
    let with = |property: &str| {
        let mut options = fake_options(&fake);
        options.marker = Some(property.to_owned());
        Roundup::new(options).unwrap()
    };
    let tracker = with("partner_number");
    let key = tracker.create("main/p:1", &changes(&[("title", text("t"))])).unwrap().issue.id;
    assert_eq!(tracker.find("main/p:1").unwrap(), [key.as_str()]);
    assert!(!fake.seen().contains(&"POST msg".to_owned()), "no message is needed");
    let markers: Vec<String> = (0..9).map(|n| format!("main/p:{n}")).collect();
    let markers: Vec<&str> = markers.iter().map(String::as_str).collect();
    assert_eq!(tracker.find_many(&markers).unwrap()[1], [key.as_str()]);
    tracker.mark(&key, Some("main/p:2")).unwrap();
    assert!(tracker.find("main/p:1").unwrap().is_empty());
    assert_eq!(tracker.find("main/p:2").unwrap(), [key.as_str()]);
    let error = with("no_such").find("main/p:1").unwrap_err();
    assert_eq!(error.fault, Fault::Setup);
    assert!(error.what.contains("no_such"), "{error}");
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
