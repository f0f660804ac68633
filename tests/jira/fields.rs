//! Fields of every kind through a whole Jira, files and comments as people see them, and what
//! `check` finds.

use super::*;

#[test]
fn every_kind_of_field_there_and_back() {
    for (site, cloud) in sites().into_iter().zip([false, true]) {
        let fields = [
            "fixVersions.name",
            "customfield_12600",
            "severity",
            "Mileage",
            "Seen On",
            "Reproducible",
            "Place",
            "Vehicles",
            "Watchers",
            "Partner Note",
            "duedate",
            "assignee.displayName",
            "security.name",
            "project.key",
            "issuetype.name",
        ];
        let Site { stub, jira, .. } = with(site.stub, |options| {
            options.fields = fields.map(str::to_owned).to_vec();
            options.marker = MarkIn::Property;
        });
        let list = |items: &[&str]| Value::list(items.iter().map(|i| (*i).to_owned()).collect());
        let alice = if cloud { "account:alice" } else { "alice" };
        let bob = if cloud { "account:bob" } else { "bob" };
        let values = [
            ("summary", text("Tür")),
            ("description", text("Zeile 1\nZeile 2\n\nAbsatz 🚗")),
            ("labels", list(&["frost", "tür"])),
            ("versions", list(&["R1.0", "R1.1"])),
            ("fixVersions.name", list(&["R2.0"])),
            ("components", list(&["Body"])),
            ("priority", text("Major")),
            ("assignee", text(alice)),
            ("security.name", text("Public")),
            ("project.key", text("TST")),
            ("issuetype.name", text("Defect")),
            ("customfield_12600", text("PFIFF-4711")),
            ("severity", text("2")),
            ("Mileage", text("12500.5")),
            ("Seen On", text("2025-03-10T07:15:00Z")),
            ("duedate", text("2025-03-31")),
            ("Reproducible", text("sometimes")),
            ("Place", text("front / left")),
            ("Vehicles", list(&["X1", "X3"])),
            ("Watchers", list(&[alice, bob])),
            ("Partner Note", text("Text\nmit Zeilen")),
        ];
        let schema = jira.schema().unwrap();
        let written = jira.create("main/p:1", &changes(&values)).unwrap();
        assert_eq!(written.refused, []);
        for (field, value) in &values {
            assert_eq!(written.issue.fields.get(field), value.as_ref(), "{field}");
            assert!(schema.field(field).is_some(), "{field}");
        }
        assert_eq!(written.issue.fields.text("assignee.displayName"), "Alice Adler");
        assert_eq!(written.issue.fields.text("created"), "2025-03-10T08:00:01Z");
        // The same again is nothing to do.
        stub.asked();
        let again = jira.update("TST-1", &changes(&values), None).unwrap();
        assert_eq!(again.refused, []);
        assert_eq!(writes(&stub.calls()), Vec::<&str>::new());
        // People by another name, and what there is not.
        let people = changes(&[
            ("assignee.displayName", text("Bob Bär")),
            ("Reproducible", text("never")),
            ("Mileage", text("far")),
        ]);
        let written = jira.update("TST-1", &people, None).unwrap();
        assert_eq!(written.issue.fields.text("assignee"), bob);
        let refused: Vec<&str> = written.refused.iter().map(|r| r.field.as_str()).collect();
        assert_eq!(refused, ["Mileage", "Reproducible"]);
        let nobody = changes(&[("assignee.displayName", text("Nobody"))]);
        assert_eq!(jira.update("TST-1", &nobody, None).unwrap().refused.len(), 1);
        // All of it cleared.
        let clear: Changes = ["labels", "Vehicles", "Place", "Mileage", "assignee", "Partner Note"]
            .map(|field| (field.to_owned(), None))
            .into();
        let written = jira.update("TST-1", &clear, None).unwrap();
        assert_eq!(written.refused, []);
        assert!(clear.keys().all(|field| written.issue.fields.get(field).is_none()));
    }
}

#[test]
fn the_schema_says_what_a_rule_author_needs() {
    for Site { jira, .. } in sites() {
        let schema = jira.schema().unwrap();
        let spec = |name: &str| schema.field(name).unwrap_or_else(|| panic!("{name}"));
        let reference = spec("External Issue Reference");
        assert_eq!(reference.id.as_deref(), Some("customfield_12600"));
        assert_eq!(spec("customfield_12600").id, None);
        assert_eq!(reference.kind, "string");
        assert!(spec("fix_versions").list && spec("fixVersions").kind == "array of version");
        assert_eq!(spec("fix_versions").allowed.unwrap()[1], "R1.0");
        assert_eq!(spec("Place").allowed.unwrap(), ["front", "rear"]);
        assert!(spec("summary").required && !spec("project").required && !spec("labels").required);
        assert!(spec("key").read_only && spec("updated").read_only && !spec("status").read_only);
        assert_eq!(schema.field("Twin"), None, "two fields are called so");
        assert!(schema.field("customfield_12900").is_some());
        assert_eq!(schema.field("no_such_field"), None);
    }
}

#[test]
fn a_field_on_no_screen_is_held_and_the_others_are_written() {
    for Site { stub, jira, .. } in sites() {
        jira.schema().unwrap();
        stub.world().hidden = vec!["customfield_12800", "components"];
        let set = changes(&[
            ("summary", text("s")),
            ("severity", text("2")),
            ("components", Value::list(vec!["Body".into()])),
            ("priority", text("low")),
        ]);
        let written = jira.create("main/p:1", &set).unwrap();
        let refused: Vec<&str> = written.refused.iter().map(|r| r.field.as_str()).collect();
        assert_eq!(refused, ["components", "severity"]);
        assert!(written.refused[0].text.contains("appropriate screen"));
        assert_eq!(written.issue.fields.text("priority"), "low");
        let set = changes(&[("severity", text("2")), ("priority", text("high"))]);
        let written = jira.update("TST-1", &set, None).unwrap();
        assert_eq!(
            (written.refused.len(), written.issue.fields.text("priority")),
            (1, "high".into())
        );
        let without = changes(&[("severity", text("2"))]);
        assert_eq!(jira.create("main/p:2", &without).unwrap_err().fault, Fault::Item);
        assert_eq!(stub.world().tickets.len(), 1);
    }
}

#[test]
fn names_of_files_and_labels_stay_apart() {
    for Site { stub, jira, .. } in sites() {
        let key = make(&jira, "main/p:1");
        let names = ["ä.txt", "ö.txt", "a b.txt", "what?.txt", "10:30.log", "50% +x=3F&c.txt"];
        for name in names {
            jira.attach(&key, &file(name, name.as_bytes())).unwrap();
            jira.attach(&key, &file(name, name.as_bytes())).unwrap();
        }
        let issue = read(&jira, &key);
        let kept: Vec<&str> = issue.attachments.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(kept, names);
        for file in &issue.attachments {
            let mut bytes = String::new();
            file.read_with(&mut |reader| reader.read_to_string(&mut bytes).map(drop)).unwrap();
            assert_eq!(bytes, file.name);
        }
        jira.detach(&key, "what?.txt").unwrap();
        assert_eq!(stub.world().ticket(&key).files.len(), 5);
        let labels = Value::list(vec!["a b".into(), "a_b".into(), "ä".into()]);
        let set = changes(&[("labels", labels)]);
        let written = jira.update(&key, &set, None).unwrap();
        assert_eq!(written.issue.fields.get("labels").unwrap().items().len(), 3);
        stub.asked();
        assert_eq!(jira.update(&key, &set, None).unwrap().issue.fields, written.issue.fields);
        assert!(writes(&stub.calls()).is_empty());
    }
}

fn content(file: &engsync::issue::Attachment) -> String {
    let mut whole = String::new();
    let sink = &mut |reader: &mut dyn Read| reader.read_to_string(&mut whole).map(drop);
    file.read_with(sink).unwrap();
    whole
}

#[test]
fn a_text_that_is_cut_is_told_and_attached_whole_where_that_is_asked_for() {
    let long = "Motor läuft unrund\n".repeat(3000);
    let label = "x".repeat(300);
    let set = changes(&[
        ("summary", text(&"Tür ".repeat(100))),
        ("description", text(&long)),
        ("labels", Value::list(vec!["short".into(), label.clone()])),
        ("Partner Note", text("short")),
    ]);
    let order = || Order {
        marker: "main/p:1".to_owned(),
        changes: set.clone(),
        comments: vec![note("short", "a"), note(&long, "b")],
        ..Order::default()
    };
    let fields = ["description", "labels", "summary", "comments"];
    for Site { jira, stub: _stub, .. } in sites() {
        let receipt = jira.write_many(&[order()], &|| true).remove(0);
        let told: Vec<&str> = receipt.remarks.iter().map(|told| told.field.as_str()).collect();
        assert_eq!(told, fields);
        assert!(receipt.remarks.iter().all(|remark| remark.code == TEXT_CUT));
        let words = &receipt.remarks[0].text;
        assert!(words.ends_with("has 57000 characters, and the tracker takes 32767"), "{words}");
        let issue = receipt.issue.unwrap();
        assert_eq!(issue.attachments.len(), 0);
        assert!(issue.comments[1].text.ends_with("[… cut: 57000 characters]"));
        let update = Order { key: Some(issue.id), ..order() };
        let again = jira.write_many(&[update], &|| true).remove(0);
        assert_eq!(again.remarks, receipt.remarks, "an interrupted try may not have told");
    }
    for site in sites() {
        let Site { jira, stub: _stub, .. } =
            with(site.stub, |options| options.attach_cut_text = true);
        let receipt = jira.write_many(&[order()], &|| true).remove(0);
        let issue = receipt.issue.unwrap();
        let comment = format!("comment {} (whole text).txt", issue.comments[1].id);
        let whole = [
            ("description (whole text).txt", long.as_str()),
            ("labels (whole text).txt", &label),
            ("summary (whole text).txt", &"Tür ".repeat(100)),
            (&comment, &long),
        ];
        let kept: Vec<(&str, String)> =
            issue.attachments.iter().map(|file| (file.name.as_str(), content(file))).collect();
        assert_eq!(kept, whole.map(|(name, text)| (name, text.to_owned())));
        assert!(receipt.remarks[0].text.contains("\"description (whole text).txt\""));
        // A try that was interrupted in between is made good, and nothing comes twice.
        jira.detach(&issue.id, "description (whole text).txt").unwrap();
        let update = || Order { key: Some(issue.id.clone()), ..order() };
        for _ in 0..2 {
            let again = jira.write_many(&[update()], &|| true).remove(0).issue.unwrap();
            assert_eq!((again.attachments.len(), again.comments.len()), (4, 2));
        }
    }
    // What is refused was not cut, and a file that is refused keeps nothing from being written.
    let Site { jira, stub, .. } = with(Stub::server(), |options| options.attach_cut_text = true);
    jira.schema().unwrap();
    stub.world().hidden = vec!["description"];
    stub.rule(Rule::next("POST", "/attachments", answer(413, &[], "")).always());
    let receipt = jira.write_many(&[order()], &|| true).remove(0);
    assert!(receipt.error.is_none(), "{receipt:?}");
    assert_eq!(receipt.refused[0].field, "description");
    let told: Vec<&str> = receipt.remarks.iter().map(|told| told.field.as_str()).collect();
    assert_eq!(told, fields[1..]);
    assert!(receipt.remarks[0].text.contains("could not be attached: "));
}

#[test]
fn a_comment_keeps_who_may_see_it() {
    for site in sites() {
        let Site { stub, jira, .. } = with(site.stub, |options| {
            options.comment_visibility = Some(Visibility::Role("Developers".into()));
        });
        let key = make(&jira, "");
        let id = jira.comment(&key, &note("a\n\nb", "t")).unwrap();
        jira.edit_comment(&key, &id, "c").unwrap();
        assert_eq!(read(&jira, &key).comments[0].text, "c");
        let seen = stub.world().ticket(&key).comments[0].visibility.clone();
        assert_eq!(seen, json!({"type": "role", "value": "Developers"}));
    }
}

#[test]
fn an_old_server_and_a_wrong_set_up() {
    let stub = Stub::server();
    stub.world().old_createmeta = true;
    let Site { jira, stub: _stub, .. } = site(stub);
    assert!(jira.schema().unwrap().field("priority").unwrap().allowed.is_some());
    assert_eq!(make(&jira, "main/p:1"), "TST-1");
    let wrong = |change: &dyn Fn(&mut Options)| {
        let site = with(Stub::server(), |options| change(options));
        let error = site.jira.schema().unwrap_err();
        assert!(error.hint.is_some(), "{error}");
        (error.fault, error.what)
    };
    let (fault, what) = wrong(&|options| options.issue_type = "Bug".into());
    assert_eq!(fault, Fault::Setup);
    assert!(what.contains("TST has no issue type \"Bug\""), "{what}");
    assert_eq!(wrong(&|options| options.project = "NOPE".into()).0, Fault::Setup);
    let (fault, what) = wrong(&|options| options.marker = MarkIn::Field("priority".into()));
    assert_eq!(fault, Fault::Setup);
    assert!(what.contains("no text field"), "{what}");
    let missing = Options { project: String::new(), ..options(&Stub::server()).0 };
    assert_eq!(Jira::new(missing).err().unwrap().fault, Fault::Setup);
}

#[test]
fn check_lists_what_is_well_and_what_is_not() {
    for site in sites() {
        let all = site.jira.check();
        let found: Vec<&str> = all.iter().map(|c| c.found.as_ref().unwrap().as_str()).collect();
        assert!(found[0].contains("Sync Robot") && found[0].contains("Europe/Berlin"), "{found:?}");
        assert!(all.iter().any(|checked| checked.what == "project TST"));
        let calls = site.stub.calls();
        assert!(writes(&calls).is_empty(), "{calls:?}");
        site.stub.world().denied_permissions = vec!["EDIT_ISSUES"];
        let bad: Vec<String> = site
            .jira
            .check()
            .into_iter()
            .filter_map(|checked| checked.found.err().map(|error| error.what))
            .collect();
        assert!(bad.iter().any(|what| what.contains("may not edit issues")), "{bad:?}");
        site.stub.world().password = "new".to_owned();
        let all = site.jira.check();
        assert!(all.len() == 1 && all[0].found.is_err(), "nothing more can be seen");
    }
}
