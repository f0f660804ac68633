//! Laws of the contract as far as Roundup can keep them: its texts, times and files are its own.

use super::*;

pub(crate) fn answers_in_the_order_asked(tracker: &dyn Tracker) {
    let mut keys: Vec<String> = (0..12).map(|n| make(tracker, &format!("main/p:{n}"))).collect();
    tracker.comment(&keys[7], &note("seven", "")).unwrap();
    tracker.attach(&keys[11], &file("a", b"a")).unwrap();
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
    assert_eq!(issues.iter().flatten().filter(|i| !i.attachments.is_empty()).count(), 2);
    assert!(tracker.get_many(&[]).unwrap().is_empty());
}

pub(crate) fn keeps_text_as_roundup_does(tracker: &dyn Tracker) {
    let key = make(tracker, "main/p:1");
    let huge = "Motor läuft unrund 🚗\n".repeat(5_000);
    let nasty = [
        "line\nline\r\nline\rline",
        "  blanks  ",
        "quote ' \" \\ `; DROP TABLE _issue; -- 100% _x_",
        "Ä ä ẞ 日本 🇩🇪 e\u{301} \u{202e}gnp",
        "null",
        "[\"json\"] <b>&amp;</b> ]]>",
        "-x,+y",
        huge.as_str(),
    ];
    for nasty in nasty {
        let set = changes(&[("description", text(nasty)), ("summary", text(nasty))]);
        let written = tracker.update(&key, &set, None).unwrap();
        assert_eq!(written.refused, []);
        let id = tracker.comment(&key, &note(nasty, nasty)).unwrap();
        let issue = read(tracker, &key);
        // Properties have their line ends made one, messages are kept as they are; blanks around
        // a text are always lost.
        let plain = nasty.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned();
        assert_eq!(issue.fields.get("summary"), text(&plain).as_ref());
        let lines = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
        assert_eq!(lines(&issue.fields.text("description")), plain);
        let comment = issue.comments.iter().find(|comment| comment.id == id).unwrap();
        assert_eq!(lines(&comment.text), plain);
    }
    // Written again, nothing is there to be written.
    let (issue, before) = (read(tracker, &key), tracker.changed_since(None).unwrap().token);
    for nasty in [huge.as_str(), &format!(" {huge}\r\n")] {
        let description = issue.fields.get("description").cloned();
        let set = changes(&[("description", description), ("summary", text(nasty))]);
        tracker.update(&key, &set, None).unwrap();
    }
    assert_eq!(tracker.changed_since(None).unwrap().token, before);
    let marker = "main/p:'; ü 🚗%_";
    let key = make(tracker, marker);
    assert_eq!(tracker.find(marker).unwrap(), [key]);
}

pub(crate) fn comments_as_somebody_known(tracker: &dyn Tracker) {
    let key = make(tracker, "main/p:1");
    let created = "2025-03-10T08:00:00Z".parse().unwrap();
    let author = Person { id: "dev".into(), name: "whatever".into() };
    let comment =
        NewComment { author: Some(author), created: Some(created), ..note("hallo", "t1") };
    let id = tracker.comment(&key, &comment).unwrap();
    let issue = read(tracker, &key);
    let wanted = Comment {
        id,
        author: Some(Person { id: "dev".into(), name: "Dev Muster".into() }),
        created: Some(created),
        updated: None,
        text: "hallo".to_owned(),
    };
    assert_eq!(issue.comments[0], wanted, "whatever the account's time zone is");
    let stranger = Person { id: "42".into(), name: "Änne Muster".into() };
    let older = NewComment {
        author: Some(stranger),
        created: Some("2024-01-01T00:00:00Z".parse().unwrap()),
        ..note("came late", "t2")
    };
    tracker.comment(&key, &older).unwrap();
    let first = &read(tracker, &key).comments[0];
    assert_eq!(first.text, "came late", "by when they were written");
    assert_eq!(first.author.as_ref().unwrap().id, "sync", "who is not known there is our account");
    let empty = tracker.comment(&key, &note("", "t3")).unwrap_err();
    assert_eq!((empty.fault, empty.code), (Fault::Item, TRACKER_REFUSED));
}

pub(crate) fn edits_and_deletes_comments(tracker: &dyn Tracker) {
    let (key, other) = (make(tracker, "main/p:1"), make(tracker, "main/p:2"));
    let first = tracker.comment(&key, &note("one", "1")).unwrap();
    let second = tracker.comment(&key, &note("two", "2")).unwrap();
    tracker.edit_comment(&key, &first, "ONE\nand more").unwrap();
    assert_eq!(texts(&read(tracker, &key)), ["ONE\nand more", "two"], "an edit does not move it");
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

pub(crate) fn attaches_replaces_and_detaches(tracker: &dyn Tracker) {
    let key = make(tracker, "main/p:1");
    tracker.attach(&key, &file("Größe.txt", b"one")).unwrap();
    tracker.attach(&key, &file("b \"x\";.txt", "zwei\r\nÄ".as_bytes())).unwrap();
    tracker.attach(&key, &file("Größe.txt", b"one")).unwrap();
    let issue = read(tracker, &key);
    assert_eq!(names(&issue), ["Größe.txt", "b \"x\";.txt"]);
    assert_eq!(issue.attachments[0].known_digest(), Some(Digest::of(b"one")));
    assert_eq!(issue.attachments[0].size, Some(3));
    assert_eq!(bytes(&issue.attachments[0]), b"one");
    assert_eq!(bytes(&issue.attachments[1]), "zwei\r\nÄ".as_bytes());
    tracker.attach(&key, &file("Größe.txt", b"other")).unwrap();
    let issue = read(tracker, &key);
    assert_eq!(issue.attachments.len(), 2, "the same name is replaced");
    let replaced = issue.attachments.iter().find(|file| file.name == "Größe.txt").unwrap();
    assert_eq!((bytes(replaced), replaced.size), (b"other".to_vec(), Some(5)));
    tracker.detach(&key, "Größe.txt").unwrap();
    tracker.detach(&key, "Größe.txt").unwrap();
    assert_eq!(names(&read(tracker, &key)), ["b \"x\";.txt"]);
    // The handle of one issue's file is a file for another.
    let other = make(tracker, "main/p:2");
    tracker.attach(&other, &read(tracker, &key).attachments[0]).unwrap();
    assert_eq!(bytes(&read(tracker, &other).attachments[0]), "zwei\r\nÄ".as_bytes());
    let empty = tracker.attach(&key, &file("leer", b"")).unwrap_err();
    assert_eq!((empty.fault, empty.code), (Fault::Item, TRACKER_REFUSED));
    let all: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    match tracker.attach(&key, &file("all.bin", &all)) {
        Ok(()) => {
            let issue = read(tracker, &key);
            let binary = issue.attachments.iter().find(|file| file.name == "all.bin").unwrap();
            assert_eq!(bytes(binary), all);
        }
        // New releases take no binary content by XML-RPC.
        Err(error) => {
            assert_eq!((error.fault, error.code), (Fault::Item, TRACKER_REFUSED));
            let hint = error.hint.unwrap();
            assert!(error.what.contains("all.bin") && hint.contains("api = \"rest\""), "{hint}");
        }
    }
}

pub(crate) fn tells_what_changed(tracker: &dyn Tracker) {
    let start = tracker.changed_since(None).unwrap();
    assert!(start.keys.is_some());
    let (a, b) = (make(tracker, "main/p:1"), make(tracker, "main/p:2"));
    let made = tracker.changed_since(Some(&start.token)).unwrap();
    assert_eq!(made.keys, Some(vec![a.clone(), b.clone()]));
    let quiet = tracker.changed_since(Some(&made.token)).unwrap();
    assert_eq!((quiet.keys, &quiet.token), (Some(vec![]), &made.token));
    let token = laws::tells_each_edit(tracker, &a, &b, made.token);
    let all = tracker.changed_since(None).unwrap();
    assert!(all.keys.unwrap().len() >= 2);
    for strange in ["", "junk", "roundup1 x", "roundup1 2999-01-01T00:00:00Z"] {
        let feed = tracker.changed_since(Some(strange)).unwrap();
        assert_eq!(feed.keys, None, "{strange:?}: look at all");
        assert_eq!(feed.token, token);
    }
}

pub(crate) fn finds_many_markers_at_once(tracker: &dyn Tracker) {
    let keys: Vec<String> = (0..6).map(|n| make(tracker, &format!("main/p:{n}"))).collect();
    make(tracker, "main/p:10");
    make(tracker, "main/pp:1");
    let markers: Vec<String> = (0..8).rev().map(|n| format!("main/p:{n}")).collect();
    let mut markers: Vec<&str> = markers.iter().map(String::as_str).collect();
    markers.push("");
    let found = tracker.find_many(&markers).unwrap();
    assert_eq!(found.len(), 9);
    assert!(found[0].is_empty() && found[1].is_empty() && found[8].is_empty());
    for (found, key) in found[2..8].iter().zip(keys.iter().rev()) {
        assert_eq!(found, std::slice::from_ref(key));
    }
}

pub(crate) fn keeps_types(tracker: &dyn Tracker) {
    let set = changes(&[
        ("severity", text("07")),
        ("effort", text("1.50")),
        ("blocker", text("true")),
        ("deadline", text("2025-03-10T09:00:00+01:00")),
        ("status", text("testing")),
        ("assignee", text("dev")),
        ("partner_number", text("a\rb")),
    ]);
    let written = tracker.create("main/p:1", &set).unwrap();
    assert_eq!(written.refused, []);
    let fields = &written.issue.fields;
    let wanted = [
        ("severity", "7"),
        ("effort", "1.5"),
        ("blocker", "yes"),
        ("deadline", "2025-03-10T08:00:00Z"),
        ("status", "testing"),
        ("assignee", "dev"),
        ("partner_number", "a\nb"),
    ];
    for (field, value) in wanted {
        assert_eq!(fields.text(field), value, "{field}");
    }
    let bad = changes(&[
        ("severity", text("much")),
        ("effort", text("?")),
        ("blocker", text("perhaps")),
        ("deadline", text("soon")),
        ("status", text("testin")),
        ("assignee", text("nobody")),
        ("summary", text("t")),
    ]);
    let written = tracker.update(&written.issue.id, &bad, None).unwrap();
    let refused: Vec<&str> = written.refused.iter().map(|refused| refused.field.as_str()).collect();
    assert_eq!(refused, ["assignee", "blocker", "deadline", "effort", "severity", "status"]);
    assert_eq!(written.issue.fields.text("summary"), "t");
    let clear: Changes = wanted
        .iter()
        .filter(|(field, _)| *field != "status")
        .map(|(field, _)| ((*field).to_owned(), None))
        .collect();
    let written = tracker.update(&written.issue.id, &clear, None).unwrap();
    assert_eq!(written.refused, []);
    for field in clear.keys() {
        assert_eq!(written.issue.fields.get(field), None, "{field}");
    }
}
