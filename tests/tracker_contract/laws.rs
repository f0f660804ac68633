//! What every tracker must do.

use super::*;
use engsync::tracker::EDITED_MEANWHILE;

/// What a tracker does in its own way, by no fault of its adapter.
#[derive(Clone, Copy)]
pub(crate) struct Ways {
    /// So many issues are not too many to make.
    pub(crate) many: usize,
    /// It is a tracker of one test alone, and dates what happens more finely than by the second.
    pub(crate) exact: bool,
    /// It takes files without content.
    pub(crate) empty_files: bool,
}

pub(crate) const ORDINARY: Ways = Ways { many: 1203, exact: true, empty_files: true };

pub(crate) fn creates_and_reads_back(tracker: &dyn Tracker) {
    let fields = changes(&[
        ("summary", text("Türgriff klemmt")),
        ("labels", list(&["a", "b"])),
        ("severity", text("3")),
        ("assignee", None),
    ]);
    let written = tracker.create("main/p:1", &fields).unwrap();
    assert_eq!(written.refused, []);
    let issue = read(tracker, &written.issue.id);
    assert_eq!(issue.fields, written.issue.fields);
    assert_eq!(issue.fields.get("summary"), text("Türgriff klemmt").as_ref());
    assert_eq!(issue.fields.get("labels"), list(&["a", "b"]).as_ref());
    assert_eq!(issue.fields.get("severity"), text("3").as_ref());
    assert_eq!(issue.fields.get("assignee"), None);
    assert_eq!(issue.fields.text("key"), issue.id);
    let schema = tracker.schema().unwrap();
    for (field, value) in issue.fields.iter() {
        let spec = schema.field(field).expect(field);
        assert_eq!(spec.list, matches!(value, Value::List(_)), "{field}");
    }
    assert_ne!(make(tracker, "main/p:2"), issue.id);
}

pub(crate) fn reports_what_it_refuses_and_writes_the_rest(tracker: &dyn Tracker) {
    let fields = changes(&[
        ("summary", text("s")),
        ("key", text("X-1")),
        ("updated", None),
        ("priority", text("urgent")),
        ("no_such_field", text("x")),
    ]);
    let written = tracker.create("main/p:1", &fields).unwrap();
    let refused: Vec<&str> = written.refused.iter().map(|r| r.field.as_str()).collect();
    assert_eq!(refused, ["key", "no_such_field", "priority", "updated"]);
    assert!(written.refused.iter().all(|r| r.code == TRACKER_REFUSED && !r.text.is_empty()));
    let priority = &written.refused[2].text;
    assert!(priority.contains("\"urgent\"") && priority.contains("high, low"), "{priority}");
    assert_eq!(written.issue.fields.get("priority"), None);
    let key = &written.issue.id;
    let again = changes(&[("summary", text("t")), ("priority", text("urgent"))]);
    let written = tracker.update(key, &again, None).unwrap();
    assert_eq!((written.refused.len(), written.issue.fields.text("summary")), (1, "t".into()));
    let written = tracker.update(key, &changes(&[("priority", text("low"))]), None).unwrap();
    assert_eq!(written.refused, []);
    assert_eq!(read(tracker, key).fields.text("priority"), "low");
}

pub(crate) fn answers_in_the_order_asked(tracker: &dyn Tracker, ways: Ways) {
    let mut keys: Vec<String> =
        (0..ways.many).map(|n| make(tracker, &format!("main/p:{n}"))).collect();
    tracker.comment(&keys[7], &note("seven", "")).unwrap();
    tracker.attach(&keys[ways.many - 3], &file("a", b"a")).unwrap();
    keys.reverse();
    keys.insert(3, "NONE-1".to_owned());
    keys.push(keys[0].clone());
    keys.push("99999999".to_owned());
    let issues = tracker.get_many(&keys).unwrap();
    let ids: Vec<Option<String>> =
        issues.iter().map(|i| i.as_ref().map(|i| i.id.clone())).collect();
    let there = |key: &String| key != "NONE-1" && key != "99999999";
    let asked: Vec<Option<String>> =
        keys.iter().map(|key| Some(key.clone()).filter(there)).collect();
    assert_eq!(ids, asked);
    let with: Vec<&Issue> = issues.iter().flatten().filter(|i| !i.comments.is_empty()).collect();
    assert_eq!((with.len(), texts(with[0])), (1, vec!["seven"]));
    assert_eq!(issues.iter().flatten().filter(|i| !i.attachments.is_empty()).count(), 1);
    assert!(tracker.get_many(&[]).unwrap().is_empty());
}

pub(crate) fn finds_by_marker(tracker: &dyn Tracker) {
    let key = make(tracker, "main/p:1");
    make(tracker, "main/p:10");
    assert_eq!(tracker.find("main/p:1").unwrap(), [key]);
    assert!(tracker.find("main/p:").unwrap().is_empty());
    assert!(tracker.find("other/p:1").unwrap().is_empty());
    let twin = tracker.create("main/p:1", &Changes::new());
    assert!(twin.is_err() || tracker.find("main/p:1").unwrap().len() == 2);
}

pub(crate) fn updates_and_clears(tracker: &dyn Tracker) {
    let key = make(tracker, "main/p:1");
    let set = changes(&[("description", text("d")), ("labels", list(&["x", "y"]))]);
    tracker.update(&key, &set, None).unwrap();
    let clear = changes(&[("description", None), ("labels", Some(Value::List(vec![])))]);
    let written = tracker.update(&key, &clear, None).unwrap();
    assert_eq!(written.refused, []);
    let issue = read(tracker, &key);
    assert_eq!(issue.fields, written.issue.fields);
    assert_eq!((issue.fields.get("description"), issue.fields.get("labels")), (None, None));
    assert_eq!(issue.fields.text("summary"), "s", "other fields stay");
}

pub(crate) fn overwrites_only_what_was_expected(tracker: &dyn Tracker) {
    let key = make(tracker, "main/p:1");
    tracker.update(&key, &changes(&[("summary", text("edited"))]), None).unwrap();
    let want = changes(&[("summary", text("new")), ("description", text("d"))]);
    let expected = changes(&[("summary", text("s")), ("description", None)]);
    let written = tracker.update(&key, &want, Some(&expected)).unwrap();
    assert_eq!(written.refused.len(), 1);
    let refused = &written.refused[0];
    assert_eq!((&*refused.field, refused.code), ("summary", EDITED_MEANWHILE));
    let fields = read(tracker, &key).fields;
    assert_eq!((fields.text("summary"), fields.text("description")), ("edited".into(), "d".into()));
    // Repeated after it was done: what is wanted stands there, nothing is overwritten.
    let expected = changes(&[("description", None)]);
    let again = tracker.update(&key, &changes(&[("description", text("d"))]), Some(&expected));
    assert_eq!(again.unwrap().refused, []);
    let expected = changes(&[("description", text("d"))]);
    let clear = changes(&[("description", None)]);
    let written = tracker.update(&key, &clear, Some(&expected)).unwrap();
    assert_eq!((written.refused, written.issue.fields.get("description")), (vec![], None));
}

pub(crate) fn coerces_shapes(tracker: &dyn Tracker) {
    let key = make(tracker, "main/p:1");
    let odd = changes(&[("summary", list(&["a", "b"])), ("labels", text("one"))]);
    let written = tracker.update(&key, &odd, None).unwrap();
    assert_eq!(written.refused, []);
    assert_eq!(written.issue.fields.get("summary"), text("a, b").as_ref());
    assert_eq!(written.issue.fields.get("labels"), list(&["one"]).as_ref());
}

pub(crate) fn keeps_nasty_text(tracker: &dyn Tracker) {
    let huge = "Motor läuft unrund 🚗\n".repeat(50_000);
    assert!(huge.len() > 1 << 20);
    let nasty = [
        "line\nline\r\nline\rline",
        "  blanks  ",
        "quote ' \" \\ `; DROP TABLE tracker_issue; --",
        "nul \0 bell \u{7} escape \u{1b}[31m",
        "Ä ä ẞ 日本 🇩🇪 e\u{301} \u{202e}gnp",
        "null",
        "[\"json\"]",
        huge.as_str(),
    ];
    let key = make(tracker, "main/p:1");
    for nasty in nasty {
        let set = changes(&[("description", text(nasty)), ("labels", list(&[nasty, "x,y"]))]);
        let written = tracker.update(&key, &set, None).unwrap();
        assert_eq!(written.refused, []);
        let id = tracker.comment(&key, &note(nasty, nasty)).unwrap();
        let issue = read(tracker, &key);
        assert_eq!(issue.fields.get("description"), text(nasty).as_ref());
        assert_eq!(issue.fields.get("labels"), list(&[nasty, "x,y"]).as_ref());
        assert_eq!(issue.comments.iter().find(|c| c.id == id).unwrap().text, nasty);
    }
    let marker = "main/p:'; ü 🚗%_";
    let key = make(tracker, marker);
    assert_eq!(tracker.find(marker).unwrap(), [key]);
}

pub(crate) fn says_when_an_issue_is_gone(tracker: &dyn Tracker) {
    let gone = "ISS-4711";
    let errors = [
        tracker.update(gone, &Changes::new(), None).map(drop),
        tracker.comment(gone, &note("x", "")).map(drop),
        tracker.edit_comment(gone, "1", "x"),
        tracker.delete_comment(gone, "1"),
        tracker.attach(gone, &file("a", b"a")),
        tracker.detach(gone, "a"),
        tracker.mark(gone, Some("main/p:1")),
    ];
    for error in errors {
        let error = error.unwrap_err();
        assert_eq!((error.code, error.fault), (LOCAL_GONE, Fault::Item));
        assert!(error.what.contains(gone), "{error}");
    }
    assert!(tracker.get_many(&[gone.to_owned()]).unwrap()[0].is_none());
}

pub(crate) fn comments_once_per_token(tracker: &dyn Tracker) {
    let (key, other) = (make(tracker, "main/p:1"), make(tracker, "main/p:2"));
    let id = tracker.comment(&key, &note("hallo", "t1")).unwrap();
    assert_eq!(tracker.comment(&key, &note("hallo", "t1")).unwrap(), id);
    assert_eq!(tracker.comment(&key, &note("another text", "t1")).unwrap(), id);
    assert_ne!(tracker.comment(&other, &note("hallo", "t1")).unwrap(), id, "a token is an issue's");
    assert_ne!(tracker.comment(&key, &note("hallo", "t2")).unwrap(), id, "another token");
    assert_ne!(
        tracker.comment(&key, &note("x", "")).unwrap(),
        tracker.comment(&key, &note("x", "")).unwrap(),
        "without a token nothing is the same"
    );
    let issue = read(tracker, &key);
    assert_eq!(texts(&issue), ["hallo", "hallo", "x", "x"], "oldest first");
    assert_eq!(issue.comments[0].id, id);
    assert_eq!(issue.comments[0].updated, None);
    for comment in &issue.comments {
        assert!(comment.author.is_some(), "the account engsync works under");
        assert!(comment.created.is_some());
    }
}

/// Who can say so lets a comment have the author and time it came with.
pub(crate) fn comments_as_somebody_else(tracker: &dyn Tracker) {
    let key = make(tracker, "main/p:1");
    let created = "2025-03-10T08:00:00.123456789Z".parse().unwrap();
    let author = Person { id: "42".into(), name: "Änne Muster".into() };
    let comment =
        NewComment { author: Some(author.clone()), created: Some(created), ..note("hallo", "t1") };
    let id = tracker.comment(&key, &comment).unwrap();
    let wanted = Comment {
        id,
        author: Some(author),
        created: Some(created),
        updated: None,
        text: "hallo".to_owned(),
    };
    assert_eq!(read(tracker, &key).comments[0], wanted);
    let older = NewComment {
        created: Some("2024-01-01T00:00:00Z".parse().unwrap()),
        ..note("came late", "t2")
    };
    tracker.comment(&key, &older).unwrap();
    assert_eq!(texts(&read(tracker, &key))[0], "came late", "by when they were written");
}

pub(crate) fn edits_and_deletes_comments(tracker: &dyn Tracker, ways: Ways) {
    let (key, other) = (make(tracker, "main/p:1"), make(tracker, "main/p:2"));
    let first = tracker.comment(&key, &note("one", "1")).unwrap();
    let second = tracker.comment(&key, &note("two", "2")).unwrap();
    tracker.edit_comment(&key, &first, "ONE\nand more").unwrap();
    let issue = read(tracker, &key);
    assert_eq!(texts(&issue), ["ONE\nand more", "two"], "an edit does not move it");
    assert!(issue.comments[0].updated.is_some() || !ways.exact);
    assert!(issue.comments[1].updated.is_none());
    assert!(tracker.edit_comment(&other, &first, "x").is_err(), "it is another issue's");
    let error = tracker.edit_comment(&key, "no-such-id", "x").unwrap_err();
    assert_eq!((error.fault, error.code), (Fault::Item, engsync::NOT_FOUND));
    tracker.delete_comment(&other, &first).unwrap();
    assert_eq!(read(tracker, &key).comments.len(), 2);
    tracker.delete_comment(&key, &first).unwrap();
    tracker.delete_comment(&key, &first).unwrap();
    assert_eq!(texts(&read(tracker, &key)), ["two"]);
    assert!(tracker.edit_comment(&key, &first, "x").is_err());
    let third = tracker.comment(&key, &note("three", "3")).unwrap();
    assert!(third != first && third != second, "an id is not used again");
    assert_eq!(tracker.find("main/p:1").unwrap(), [key], "the marker is still there");
}

pub(crate) fn attaches_replaces_and_detaches(tracker: &dyn Tracker, ways: Ways) {
    let key = make(tracker, "main/p:1");
    // What a law needs no empty file for.
    let second: &[u8] = if ways.empty_files { b"" } else { "zwei\r\nÄ".as_bytes() };
    tracker.attach(&key, &file("Größe.txt", b"one")).unwrap();
    tracker.attach(&key, &file("zweite", second)).unwrap();
    tracker.attach(&key, &file("Größe.txt", b"one")).unwrap();
    let issue = read(tracker, &key);
    assert_eq!(names(&issue), ["Größe.txt", "zweite"]);
    assert_eq!(issue.attachments[0].digest().unwrap(), (Digest::of(b"one"), 3));
    assert_eq!(bytes(&issue.attachments[0]), b"one");
    assert_eq!(bytes(&issue.attachments[1]), second);
    tracker.attach(&key, &file("Größe.txt", b"other")).unwrap();
    let issue = read(tracker, &key);
    let mut after = names(&issue);
    after.sort_unstable();
    assert_eq!(after, ["Größe.txt", "zweite"], "one of a name");
    let replaced = issue.attachments.iter().find(|file| file.name == "Größe.txt").unwrap();
    assert_eq!((bytes(replaced), replaced.size), (b"other".to_vec(), Some(5)));
    tracker.detach(&key, "Größe.txt").unwrap();
    tracker.detach(&key, "Größe.txt").unwrap();
    assert_eq!(names(&read(tracker, &key)), ["zweite"]);
    // The handle of one issue's file is a file for another.
    let other = make(tracker, "main/p:2");
    tracker.attach(&other, &read(tracker, &key).attachments[0]).unwrap();
    assert_eq!(bytes(&read(tracker, &other).attachments[0]), second);
    let empty = tracker.attach(&key, &file("leer", b""));
    assert_eq!(empty.is_ok(), ways.empty_files, "taken, or refused as the item's fault");
    if let Err(error) = empty {
        assert_eq!((error.fault, error.code), (Fault::Item, TRACKER_REFUSED));
    }
}

pub(crate) fn attaches_what_was_prepared(tracker: &dyn Tracker) {
    let key = make(tracker, "main/p:1");
    let photo = file("photo.jpg", b"jpeg");
    tracker.prepare(&photo).unwrap();
    assert_eq!(photo.known_digest(), Some(Digest::of(b"jpeg")));
    assert!(read(tracker, &key).attachments.is_empty());
    tracker.attach(&key, &photo).unwrap();
    tracker.prepare(&photo).unwrap();
    assert_eq!(bytes(&read(tracker, &key).attachments[0]), b"jpeg");
}

pub(crate) fn refuses_content_that_did_not_come(tracker: &dyn Tracker) {
    struct Broken;
    impl Content for Broken {
        fn read_with(
            &self,
            sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>,
        ) -> io::Result<()> {
            struct Cut(bool);
            impl Read for Cut {
                fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                    if std::mem::replace(&mut self.0, true) {
                        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "cut short"));
                    }
                    buffer[0] = b'x';
                    Ok(1)
                }
            }
            sink(&mut Cut(false))
        }
    }
    let key = make(tracker, "main/p:1");
    for broken in [Attachment::missing("a"), Attachment::new("a", None, Arc::new(Broken))] {
        for error in [tracker.prepare(&broken), tracker.attach(&key, &broken)] {
            let error = error.unwrap_err();
            assert_eq!(error.fault, Fault::Item, "the sender cures it: {error}");
            assert!(error.what.contains("\"a\""), "{error}");
        }
    }
    assert!(read(tracker, &key).attachments.is_empty());
}

pub(crate) fn marks_and_unmarks(tracker: &dyn Tracker) {
    let (a, b) = (make(tracker, ""), make(tracker, ""));
    assert!(tracker.find("").unwrap().is_empty(), "no marker is no marker");
    tracker.mark(&a, Some("main/p:1")).unwrap();
    tracker.mark(&a, Some("main/p:1")).unwrap();
    assert_eq!(tracker.find("main/p:1").unwrap(), [a.as_str()]);
    let taken = tracker.mark(&b, Some("main/p:1")).unwrap_err();
    assert!(taken.fault == Fault::Item && taken.what.contains(&a), "{taken}");
    tracker.mark(&a, None).unwrap();
    assert!(tracker.find("main/p:1").unwrap().is_empty());
    tracker.mark(&b, Some("main/p:1")).unwrap();
    assert_eq!(tracker.find("main/p:1").unwrap(), [b]);
}

pub(crate) fn changes_nothing_when_nothing_changes(tracker: &dyn Tracker) {
    let key = make(tracker, "main/p:1");
    let id = tracker.comment(&key, &note("x", "t")).unwrap();
    tracker.attach(&key, &file("f", b"1")).unwrap();
    let before = (read(tracker, &key), tracker.changed_since(None).unwrap().token);
    tracker.update(&key, &changes(&[("summary", text("s")), ("labels", None)]), None).unwrap();
    tracker.update(&key, &changes(&[("created", text("x"))]), None).unwrap();
    tracker.comment(&key, &note("other", "t")).unwrap();
    tracker.edit_comment(&key, &id, "x").unwrap();
    tracker.delete_comment(&key, "999").unwrap();
    tracker.attach(&key, &file("f", b"1")).unwrap();
    tracker.detach(&key, "g").unwrap();
    tracker.mark(&key, Some("main/p:1")).unwrap();
    let after = read(tracker, &key);
    assert_eq!((&before.0.fields, &before.0.comments), (&after.fields, &after.comments));
    let feed = tracker.changed_since(Some(&before.1)).unwrap();
    assert_eq!((feed.keys, feed.token), (Some(vec![]), before.1));
}

/// Orders as a run gives them: new issues, changes, comments and files together.
pub(crate) fn carries_out_orders(tracker: &dyn Tracker) {
    let (old, other) = (make(tracker, "main/p:0"), make(tracker, "main/p:9"));
    let photo = file("photo.jpg", b"jpeg");
    let lost = Attachment::missing("lost.txt");
    let mut orders: Vec<Order<'_>> = (1..8)
        .map(|n| Order {
            marker: format!("main/p:{n}"),
            changes: changes(&[("summary", text(&format!("s{n}"))), ("no_such_field", text("x"))]),
            comments: vec![note("one", "1"), note("two", "2")],
            files: vec![&photo],
            ..Order::default()
        })
        .collect();
    orders.push(Order {
        key: Some(old.clone()),
        changes: changes(&[("summary", text("new")), ("description", text("d"))]),
        expected: Some(changes(&[("summary", text("not this")), ("description", None)])),
        files: vec![&photo],
        ..Order::default()
    });
    orders.push(Order {
        key: Some("ISS-4711".to_owned()),
        changes: changes(&[("summary", text("x"))]),
        ..Order::default()
    });
    orders.push(Order {
        key: Some(other.clone()),
        comments: vec![note("c", "3")],
        ..Order::default()
    });
    let receipts = tracker.write_many(&orders, &|| true);
    assert_eq!(receipts.len(), orders.len());
    for (n, receipt) in (1..8).zip(&receipts) {
        let issue = receipt.issue.as_ref().expect("read back");
        assert!(receipt.tried && receipt.error.is_none(), "{receipt:?}");
        assert_eq!(issue.fields.text("summary"), format!("s{n}"));
        assert_eq!((texts(issue), names(issue)), (vec!["one", "two"], vec!["photo.jpg"]));
        let ids: Vec<&str> = issue.comments.iter().map(|comment| comment.id.as_str()).collect();
        assert_eq!(ids, receipt.comments, "in the order of the order");
        assert_eq!(receipt.refused.len(), 1, "{:?}", receipt.refused);
        assert_eq!(tracker.find(&format!("main/p:{n}")).unwrap(), [issue.id.as_str()]);
        assert_eq!(receipt.key.as_ref(), Some(&issue.id));
        assert!(matches!(receipt.files.as_slice(), [None]));
        let again = read(tracker, &issue.id);
        assert_eq!((&again.fields, &again.comments), (&issue.fields, &issue.comments));
        assert_eq!(again.revision, issue.revision);
    }
    let changed = &receipts[7];
    assert_eq!(changed.refused.len(), 1, "{:?}", changed.refused);
    assert_eq!(changed.issue.as_ref().unwrap().fields.text("description"), "d");
    let gone = receipts[8].error.as_ref().unwrap();
    assert_eq!((gone.code, gone.fault), (LOCAL_GONE, Fault::Item));
    assert_eq!(texts(receipts[9].issue.as_ref().unwrap()), ["c"], "an item's fault halts nobody");
    // A file whose content did not come ends its order, and nothing after it.
    let broken = [
        Order { key: Some(old.clone()), files: vec![&lost], ..Order::default() },
        Order { key: Some(other), comments: vec![note("d", "4")], ..Order::default() },
    ];
    let receipts = tracker.write_many(&broken, &|| true);
    assert_eq!(receipts[0].error.as_ref().unwrap().fault, Fault::Item);
    assert_eq!(receipts[1].comments.len(), 1);
    assert!(tracker.write_many(&broken, &|| false).iter().all(|receipt| !receipt.tried));
}

/// A create whose outcome was lost is found, and one that was not made is known not to be.
pub(crate) fn knows_what_became_of_a_create(tracker: &dyn Tracker) {
    make(tracker, "main/p:0");
    let before = tracker.before_create().unwrap();
    let key = make(tracker, "main/p:1");
    let probed = tracker.probe(&["main/p:1", "main/p:2"], &before).unwrap();
    assert_eq!(probed, [Probed::Found(vec![key]), Probed::Absent]);
}
