//! What a tracker must tell of what changed.

use super::laws::Ways;
use super::*;
use engsync::tracker::Feed;

/// The revision that a feed tells of an issue is the one that reading it tells; only who writes in
/// the state's own transaction tells none.
fn tells_revisions(tracker: &dyn Tracker, feed: &Feed) {
    if tracker.capabilities().shares_state {
        return;
    }
    for key in feed.keys.iter().flatten() {
        let read = read(tracker, key).revision;
        assert!(read.is_some(), "{key}");
        assert_eq!(feed.revisions.get(key), read.as_ref(), "{key}");
    }
}

/// Each kind of edit, all within the same second, is told once and for its issue alone, with
/// another revision; answers where the feed stands then.
fn tells_each_edit(tracker: &dyn Tracker, a: &str, b: &str, mut token: String) -> String {
    let id = tracker.comment(b, &note("x", "t")).unwrap();
    let mut revisions = std::collections::BTreeSet::new();
    let mut changed = |key: &str, what: &str| {
        let feed = tracker.changed_since(Some(&token)).unwrap();
        assert_eq!(feed.keys, Some(vec![key.to_owned()]), "{what}");
        assert_ne!(feed.token, token);
        tells_revisions(tracker, &feed);
        for revision in feed.revisions {
            assert!(revisions.insert(revision), "{what}: another revision");
        }
        token = feed.token;
    };
    changed(b, "comment");
    tracker.edit_comment(b, &id, "y").unwrap();
    changed(b, "edit");
    tracker.delete_comment(b, &id).unwrap();
    changed(b, "delete");
    tracker.attach(a, &file("f", b"1")).unwrap();
    changed(a, "attach");
    tracker.attach(a, &file("f", b"2")).unwrap();
    changed(a, "replace");
    tracker.detach(a, "f").unwrap();
    changed(a, "detach");
    tracker.update(a, &changes(&[("summary", text("t"))]), None).unwrap();
    changed(a, "update");
    token
}

pub(crate) fn tells_what_changed(tracker: &dyn Tracker, ways: Ways) {
    let start = tracker.changed_since(None).unwrap();
    assert!(start.keys.is_some_and(|keys| keys.is_empty() || !ways.exact));
    let (a, b) = (make(tracker, "main/p:1"), make(tracker, "main/p:2"));
    let made = tracker.changed_since(Some(&start.token)).unwrap();
    // A tracker that was empty may not have had a place to go on from.
    assert_eq!(made.keys, Some(vec![a.clone(), b.clone()]));
    let quiet = tracker.changed_since(Some(&made.token)).unwrap();
    assert_eq!((quiet.keys, &quiet.token), (Some(vec![]), &made.token));
    tells_each_edit(tracker, &a, &b, made.token);
    let all = tracker.changed_since(None).unwrap().keys.unwrap();
    if ways.exact {
        assert_eq!(all, [b, a]);
    } else {
        assert!(all.contains(&a) && all.contains(&b));
    }
    for strange in [
        "",
        "junk",
        "99@2025-03-10T08:00:00Z",
        "-1@",
        "1@1970-01-01T00:00:00Z",
        "roundup1 2025-03-10T08:00:00Z i1:ab",
        "roundup2 2999-01-01T00:00:00Z 1/1",
    ] {
        let feed = tracker.changed_since(Some(strange)).unwrap();
        assert_eq!(feed.keys, None, "{strange:?}: look at all");
        let next = tracker.changed_since(Some(&feed.token)).unwrap();
        assert_eq!(
            (next.keys, next.token),
            (Some(vec![]), feed.token),
            "{strange:?}: then no more"
        );
    }
}

/// What was written by an order has the revision that the feed tells of it: it is not read again.
pub(crate) fn tells_what_was_ordered_with_the_revision_read_back(tracker: &dyn Tracker) {
    make(tracker, "main/p:0");
    let token = tracker.changed_since(None).unwrap().token;
    let photo = file("photo.jpg", b"jpeg");
    let orders: Vec<Order<'_>> = (1..4)
        .map(|n| Order {
            marker: format!("main/p:{n}"),
            changes: changes(&[("summary", text("s")), ("description", text("d"))]),
            comments: vec![note("one", "1")],
            files: vec![&photo],
            ..Order::default()
        })
        .collect();
    let receipts = tracker.write_many(&orders, &|| true);
    let feed = tracker.changed_since(Some(&token)).unwrap();
    assert_eq!(feed.keys.as_ref().map(Vec::len), Some(3));
    tells_revisions(tracker, &feed);
    for receipt in receipts {
        let issue = receipt.issue.unwrap();
        if !tracker.capabilities().shares_state {
            assert!(issue.revision.is_some());
            assert_eq!(feed.revisions.get(&issue.id), issue.revision.as_ref());
        }
    }
}
