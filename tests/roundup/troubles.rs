//! A Roundup that breaks, refuses, and is written by others: each loses nothing and makes nothing
//! twice. Rows 18 to 26 of the fault matrix, over the fake and over real ones.

use engsync::tracker::http;
use engsync::tracker::{EDITED_MEANWHILE, Order, Probed, TRACKER_UNAVAILABLE};

use super::peers::Peer;
use super::subjects::fake::Trouble;
use super::*;

pub(crate) fn titled(title: &str) -> Changes {
    changes(&[("title", text(title)), ("description", text("d"))])
}

fn make_titled(peer: &Peer, tracker: &Roundup, n: usize) -> String {
    tracker.create(&peer.marker(n), &titled("t")).unwrap().issue.id
}

const REFUSAL: &str = r#"{"error": {"status": 400, "msg": "property priority: no more of them"}}"#;

pub(crate) fn row_20_a_create_whose_answer_is_lost_is_found_and_not_repeated(peer: &Peer) {
    let paths = ["msg", "issue", "ext_tracker_state"];
    for (n, path) in paths.into_iter().take(if peer.ext { 3 } else { 2 }).enumerate() {
        let (tracker, marker) = (peer.tracker(), peer.marker(n));
        let before = tracker.changed_since(None).unwrap();
        peer.plan("POST", path, Trouble::LostAnswer);
        let made = tracker.create(&marker, &titled("t"));
        if path == "ext_tracker_state" {
            assert!(made.is_ok(), "the tie is in the message already");
        } else {
            let error = made.unwrap_err();
            assert_eq!((error.fault, error.code), (Fault::Wait, TRACKER_UNAVAILABLE));
        }
        // The next run, another process.
        let tracker = peer.tracker();
        let probed = tracker.probe(&[&marker], "").unwrap().remove(0);
        if probed == Probed::Absent {
            assert_eq!(path, "msg", "only the message was made");
            tracker.create(&marker, &titled("t")).unwrap();
        }
        let found = tracker.find(&marker).unwrap();
        assert_eq!(found.len(), 1, "{path}");
        let issue = read(&tracker, &found[0]);
        assert_eq!(issue.fields.text("description"), "d");
        assert!(issue.comments.is_empty());
        let old = before.keys.unwrap();
        let mut all = tracker.changed_since(None).unwrap().keys.unwrap();
        all.retain(|key| !old.contains(key));
        assert_eq!(all, found, "{path}: no second issue");
    }
}

pub(crate) fn row_19_a_create_that_was_never_done_is_done_once(peer: &Peer) {
    for (n, path) in ["msg", "issue"].into_iter().enumerate() {
        let (tracker, marker) = (peer.tracker(), peer.marker(n));
        peer.plan("POST", path, Trouble::Broken);
        assert_eq!(tracker.create(&marker, &titled("t")).unwrap_err().fault, Fault::Wait);
        assert_eq!(tracker.probe(&[&marker], "").unwrap(), [Probed::Absent]);
        let key = tracker.create(&marker, &titled("new")).unwrap().issue.id;
        assert_eq!(tracker.find(&marker).unwrap(), [key]);
        let posts = peer.seen().iter().filter(|seen| *seen == "POST msg").count();
        assert_eq!(posts, if path == "msg" { 2 } else { 1 }, "the message that was left is taken");
    }
}

pub(crate) fn row_20_a_comment_or_file_whose_answer_is_lost_is_there_once(peer: &Peer) {
    let calls = [("POST", "msg"), ("PATCH", "issue"), ("POST", "file"), ("PUT", "issue")];
    // What every interface takes.
    let content: &[u8] = if peer.is_xmlrpc() { b"text" } else { b"\0\xff" };
    for (n, (method, path)) in calls.into_iter().enumerate() {
        let tracker = peer.tracker();
        let key = make_titled(peer, &tracker, n);
        peer.plan(method, path, Trouble::LostAnswer);
        let write = || -> engsync::Result<()> {
            tracker.comment(&key, &note("hallo", "token"))?;
            tracker.attach(&key, &file("a.bin", content))
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
        assert_eq!(bytes(&issue.attachments[0]), content);
    }
}

pub(crate) fn rows_19_and_20_an_update_whose_answer_is_lost_is_done_or_done_again(peer: &Peer) {
    for (n, trouble) in [Trouble::LostAnswer, Trouble::Broken].into_iter().enumerate() {
        let tracker = peer.tracker();
        let key = make_titled(peer, &tracker, n);
        peer.plan("PUT", "issue", trouble);
        let want = changes(&[("title", text("new"))]);
        let expected = changes(&[("title", text("t"))]);
        assert_eq!(tracker.update(&key, &want, Some(&expected)).unwrap_err().fault, Fault::Wait);
        let written = tracker.update(&key, &want, Some(&expected)).unwrap();
        assert_eq!((written.refused, written.issue.fields.text("title")), (vec![], "new".into()));
    }
}

/// Row 24: between our look and our write. The ETag tells; over XML-RPC the second look does, all
/// within one second.
pub(crate) fn row_24_what_a_person_writes_in_between_is_not_overwritten(peer: &Peer) {
    let tracker = peer.tracker();
    let key = make_titled(peer, &tracker, 1);
    let want = changes(&[("title", text("ours")), ("severity", text("3"))]);
    let expected = changes(&[("title", text("t")), ("severity", None)]);
    let edit = |value| Trouble::EditedBefore("title", value);
    if peer.is_xmlrpc() {
        // It is known to be there, looked at, and looked at again.
        let nth = |key: &str| -> &'static str { Box::leak(format!("issue/{key}").into()) };
        peer.plan("GET", nth(&key), Trouble::Nothing);
        peer.plan("GET", nth(&key), edit("theirs"));
    } else {
        peer.plan("PUT", "issue", edit("theirs"));
    }
    let written = tracker.update(&key, &want, Some(&expected)).unwrap();
    let refused: Vec<_> =
        written.refused.iter().map(|refused| (&*refused.field, refused.code)).collect();
    assert_eq!(refused, [("title", EDITED_MEANWHILE)]);
    assert_eq!(written.issue.fields.text("title"), "theirs");
    assert_eq!(written.issue.fields.text("severity"), "3", "the others are written");
    // A comment does not take somebody else's away.
    let other = tracker.comment(&key, &note("theirs", "")).unwrap();
    peer.plan("PATCH", "issue", edit("again"));
    let ours = tracker.comment(&key, &note("ours", "")).unwrap();
    let issue = read(&tracker, &key);
    assert_eq!(issue.fields.text("title"), "again");
    let ids: Vec<String> = issue.comments.into_iter().map(|c| c.id).collect();
    assert_eq!(ids, [other, ours]);
}

/// Row 25, as far as Roundup has such a thing: its auditors refuse a value.
pub(crate) fn row_25_a_field_that_is_refused_costs_only_itself(peer: &Peer) {
    let tracker = peer.tracker();
    peer.plan("POST", "issue", Trouble::Answer(400, "", REFUSAL));
    let fields =
        changes(&[("title", text("t")), ("priority", text("high")), ("severity", text("3"))]);
    let written = tracker.create(&peer.marker(1), &fields).unwrap();
    assert_eq!(written.refused.len(), 1);
    assert_eq!(
        (&*written.refused[0].field, written.refused[0].code),
        ("priority", TRACKER_REFUSED)
    );
    assert!(written.refused[0].text.contains("no more of them"), "{}", written.refused[0].text);
    assert_eq!(written.issue.fields.text("severity"), "3");
    let key = written.issue.id;
    peer.plan("PUT", "issue", Trouble::Answer(400, "", REFUSAL));
    let fields = changes(&[("title", text("u")), ("priority", text("low"))]);
    let written = tracker.update(&key, &fields, None).unwrap();
    assert_eq!((written.refused.len(), written.issue.fields.text("title")), (1, "u".into()));
}

pub(crate) fn row_18_too_much_and_too_early_wait_as_long_as_asked(peer: &Peer) {
    let cases =
        [(429, "Retry-After: 3600\r\n", 3600), (503, "Retry-After: 5\r\n", 5), (429, "", 1)];
    for (n, (status, headers, seconds)) in cases.into_iter().enumerate() {
        let tracker = peer.tracker();
        peer.plan("POST", "msg", Trouble::Answer(status, headers, "later"));
        let error = tracker.create(&peer.marker(n), &titled("t")).unwrap_err();
        assert_eq!((error.fault, error.code), (Fault::Wait, TRACKER_UNAVAILABLE));
        let wait = error.retry_after.map(|wait| wait.as_secs());
        assert_eq!(wait, Some(seconds), "{status} {headers}");
        assert!(tracker.find(&peer.marker(n)).unwrap().is_empty());
    }
}

/// Row 19: a server error is one of nobody's fields; it is tried again, and nothing is there twice.
pub(crate) fn row_19_a_server_error_is_waited_for(peer: &Peer) {
    for (n, status) in [500, 502, 504].into_iter().enumerate() {
        let tracker = peer.tracker();
        for path in ["msg", "issue"] {
            peer.plan("POST", path, Trouble::Answer(status, "", "<html>oops</html>"));
            let error = tracker.create(&peer.marker(n), &titled("t")).unwrap_err();
            assert_eq!((error.fault, error.code), (Fault::Wait, TRACKER_UNAVAILABLE), "{status}");
        }
        let key = make_titled(peer, &tracker, n);
        assert_eq!(tracker.find(&peer.marker(n)).unwrap(), [key.as_str()]);
        peer.plan("PUT", "issue", Trouble::Answer(status, "", "<html>oops</html>"));
        let error = tracker.update(&key, &titled("u"), None).unwrap_err();
        assert_eq!((error.fault, error.code), (Fault::Wait, TRACKER_UNAVAILABLE), "{status}");
        let written = tracker.update(&key, &titled("u"), None).unwrap();
        assert_eq!((written.refused, written.issue.fields.text("title")), (vec![], "u".into()));
    }
}

pub(crate) fn row_22_a_log_in_that_ends_mid_run_stops_the_batch_with_one_message(peer: &Peer) {
    let tracker = peer.tracker();
    make_titled(peer, &tracker, 1);
    let times = if peer.is_real() { 4 } else { 100 };
    peer.plan_times("POST", "msg", times, Trouble::Answer(401, "", "Invalid Login"));
    let orders: Vec<Order<'_>> = (2..40)
        .map(|n| Order { marker: peer.marker(n), changes: titled("t"), ..Order::default() })
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

pub(crate) fn row_23_what_was_retired_is_gone(peer: &Peer) {
    let tracker = peer.tracker();
    make_titled(peer, &tracker, 0);
    let key = make_titled(peer, &tracker, 1);
    let token = tracker.changed_since(None).unwrap().token;
    peer.retire("issue", &key);
    assert!(tracker.get_many(std::slice::from_ref(&key)).unwrap()[0].is_none());
    assert!(tracker.find(&peer.marker(1)).unwrap().is_empty(), "no tie leads to it");
    peer.seen();
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
    assert!(peer.seen().iter().all(|seen| seen.starts_with("GET")), "nothing is written to it");
    let feed = tracker.changed_since(Some(&token)).unwrap();
    assert_eq!(feed.keys, None, "what was seen is gone: look at all");
    // It is counted, too: that tells even where nothing else does, long after its last change.
    let counted = |token: &str| -> (u64, u64) {
        let (count, highest) = token.split(' ').nth(2).unwrap().split_once('/').unwrap();
        (count.parse().unwrap(), highest.parse().unwrap())
    };
    let ((before, highest), (after, same)) = (counted(&token), counted(&feed.token));
    assert!(highest >= before && after < before, "{token} {}", feed.token);
    // As a new look has it, whose highest number may be the one before.
    assert!(same <= highest, "{token} {}", feed.token);
    let made = make_titled(peer, &tracker, 2);
    let feed = tracker.changed_since(Some(&feed.token)).unwrap();
    assert!(feed.keys.is_none_or(|keys| keys == [made]), "it is told once");
}

/// Row 26: what Roundup makes of texts is what is read back, and nobody writes it again.
pub(crate) fn row_26_texts_come_back_otherwise_without_ping_pong(peer: &Peer) {
    let tracker = peer.tracker();
    let set = changes(&[
        ("title", text("  a\r\nb 🚗  ")),
        ("description", text("d  \r\nline 🚗\n\n")),
        ("partner_number", text("\tx\r")),
    ]);
    let key = tracker.create(&peer.marker(1), &set).unwrap().issue.id;
    let token = tracker.changed_since(None).unwrap().token;
    peer.seen();
    for _ in 0..10 {
        let fields = read(&tracker, &key).fields;
        let again = set.keys().map(|field| (field.clone(), fields.get(field).cloned()));
        assert_eq!(tracker.update(&key, &again.collect(), None).unwrap().refused, []);
        assert_eq!(tracker.update(&key, &set, None).unwrap().refused, []);
    }
    let seen = peer.seen();
    assert!(seen.iter().all(|seen| seen.starts_with("GET")), "{seen:?}");
    assert_eq!(tracker.changed_since(Some(&token)).unwrap().keys, Some(vec![]));
}

pub(crate) fn many_orders_are_done_each_once_and_read_back_together(peer: &Peer) {
    let tracker = peer.tracker();
    let photo = file("photo.jpg", b"jpeg");
    let order = |n: usize| Order {
        marker: peer.marker(n),
        changes: titled(&format!("t{n}")),
        comments: vec![note("one", "1"), note("two", "2")],
        files: vec![&photo],
        ..Order::default()
    };
    let count = if peer.is_real() { 6 } else { 20 };
    let orders: Vec<Order<'_>> = (0..count).map(order).collect();
    let receipts = tracker.write_many(&orders, &|| true);
    let seen = peer.seen();
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
    assert!(reads <= 8, "all are read back in few requests: {seen:?}");
    // Asked to stop, nothing more is begun.
    let receipts = tracker.write_many(&[order(100), order(101)], &|| false);
    assert!(receipts.iter().all(|receipt| !receipt.tried && receipt.error.is_none()));
}

pub(crate) fn a_tie_of_another_program_is_found_and_ours_are_noted_beside(peer: &Peer) {
    if !peer.ext {
        return;
    }
    let tracker = peer.tracker();
    let key = make_titled(peer, &tracker, 1);
    let seen = peer.seen();
    assert!(seen.contains(&"POST ext_tracker".to_owned()), "{seen:?}");
    assert!(seen.contains(&"POST ext_tracker_state".to_owned()));
    let mut options = peer.options();
    options.fields = vec!["/ext_tracker_state/ext_status".to_owned(), "status.name".to_owned()];
    options.ext_trackers = [("q".to_owned(), peer.partner())].into();
    let tracker = Roundup::new(options).unwrap();
    // Their partner q has our row.
    assert_eq!(tracker.find("else/q:1").unwrap(), [key.as_str()]);
    assert!(tracker.find("else/q:2").unwrap().is_empty());
    // A property of the items that link back, and one of an item that is linked to.
    let before = tracker.changed_since(None).unwrap().token;
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
    // What links back is the issue's own: a change of it alone is told, with another revision.
    let feed = tracker.changed_since(Some(&before)).unwrap();
    assert_eq!(feed.keys, Some(vec![key.clone()]));
    assert_eq!(feed.revisions.get(&key), written.issue.revision.as_ref());
    let want = changes(&[("/ext_tracker_state/ext_status", text("done"))]);
    let now = tracker.update(&key, &want, None).unwrap().issue;
    let feed = tracker.changed_since(Some(&feed.token)).unwrap();
    assert_eq!(feed.keys, Some(vec![key.clone()]));
    assert_eq!(feed.revisions.get(&key), now.revision.as_ref());
    assert_ne!(now.revision, written.issue.revision);
    let schema = tracker.schema().unwrap();
    let names = schema.field("status.name").unwrap().allowed.unwrap();
    assert!(names.contains(&"unread".to_owned()) && names.contains(&"testing".to_owned()));
    assert_eq!(schema.field("/ext_tracker_state/ext_status").unwrap().allowed, None);
    assert!(schema.field("/msg/content").is_none() && schema.field("title.name").is_none());
}

/// Where the instance has a class for it, a comment's token stands there, too, once.
pub(crate) fn comments_are_noted_where_there_is_a_place(peer: &Peer) {
    let tracker = peer.tracker();
    let key = make_titled(peer, &tracker, 1);
    let token = peer.marker(7);
    let id = tracker.comment(&key, &note("hallo", &token)).unwrap();
    assert_eq!(tracker.comment(&key, &note("hallo", &token)).unwrap(), id);
    let posts = peer.seen().iter().filter(|seen| *seen == "POST ext_msg").count();
    assert_eq!(posts, usize::from(peer.ext));
    if peer.ext {
        let http = http::Http::new(&peer.options().http).unwrap();
        let noted = http::Request::get("/rest/data/ext_msg")
            .query("ext_id:", &token)
            .query("@verbose", "0")
            .query("@fields", "msg,ext_tracker,key");
        let found = http.call(noted).unwrap().json().unwrap();
        let found = found["data"]["collection"].as_array().unwrap().clone();
        assert_eq!(found.len(), 1, "{found:?}");
        let said = found[0].to_string();
        assert!(said.contains(&format!("\"{id}\"")), "{said} names message {id}");
        assert!(!found[0]["ext_tracker"].is_null() && said.contains(&token), "{said}");
    }
}

pub(crate) fn a_property_can_hold_the_marker(peer: &Peer) {
    let with = |property: &str| {
        let mut options = peer.options();
        options.marker = Some(property.to_owned());
        Roundup::new(options).unwrap()
    };
    let tracker = with("partner_number");
    let (one, two) = (peer.marker(1), peer.marker(2));
    peer.seen();
    let key = tracker.create(&one, &changes(&[("title", text("t"))])).unwrap().issue.id;
    assert_eq!(tracker.find(&one).unwrap(), [key.as_str()]);
    assert!(!peer.seen().contains(&"POST msg".to_owned()), "no message is needed");
    let markers: Vec<String> = (0..9).map(|n| peer.marker(n)).collect();
    let markers: Vec<&str> = markers.iter().map(String::as_str).collect();
    assert_eq!(tracker.find_many(&markers).unwrap()[1], [key.as_str()]);
    tracker.mark(&key, Some(&two)).unwrap();
    assert!(tracker.find(&one).unwrap().is_empty());
    assert_eq!(tracker.find(&two).unwrap(), [key.as_str()]);
    let error = with("no_such").find(&one).unwrap_err();
    assert_eq!(error.fault, Fault::Setup);
    assert!(error.what.contains("no_such"), "{error}");
}
