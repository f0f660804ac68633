//! Laws of the contract as far as Roundup can keep them: its texts, times and files are its own.

use super::*;

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

pub(crate) fn takes_any_file_or_says_why_not(tracker: &dyn Tracker) {
    let key = make(tracker, "main/p:1");
    tracker.attach(&key, &file("b \"x\";.txt", "zwei\r\nÄ".as_bytes())).unwrap();
    let issue = read(tracker, &key);
    assert_eq!(names(&issue), ["b \"x\";.txt"]);
    assert_eq!(issue.attachments[0].known_digest(), Some(Digest::of("zwei\r\nÄ".as_bytes())));
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
