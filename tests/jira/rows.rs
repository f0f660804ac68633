//! Rows 18 to 26 of the fault matrix, by number.

use super::*;

#[test]
fn row_18_too_many_requests() {
    for (header, least, most) in
        [(Some("0"), 1, 2), (Some("5"), 5, 8), (None, 1, 2), (Some("3600"), 0, 0)]
    {
        let Site { stub, jira, slept } = site(Stub::server());
        let headers: Vec<(&str, &str)> =
            header.map(|value| ("Retry-After", value)).into_iter().collect();
        jira.schema().unwrap();
        stub.rule(Rule::next("POST", "/issue", answer(429, &headers, "")));
        let made = jira.create("main/p:1", &summary("s"));
        let pauses = slept.lock().unwrap().clone();
        if header == Some("3600") {
            let error = made.unwrap_err();
            assert_eq!((error.fault, error.code), (Fault::Wait, TRACKER_UNAVAILABLE));
            assert_eq!(error.retry_after, Some(Duration::from_secs(3600)));
            assert!(pauses.is_empty(), "not in our hands");
            assert_eq!(stub.asked().iter().filter(|a| a.short() == "POST /issue").count(), 1);
            continue;
        }
        assert_eq!(made.unwrap().issue.id, "TST-1");
        assert_eq!(pauses.len(), 1, "{header:?}");
        let pause = pauses[0].as_secs();
        assert!((least..=most).contains(&pause), "{header:?}: {pause}");
    }
}

/// The same words with 503 mean the same pause; only what may be repeated is.
#[test]
fn row_18_unavailable_for_a_while() {
    let asked = |seconds: &str| answer(503, &[("Retry-After", seconds)], "");
    for Site { stub, jira, slept } in sites() {
        let key = make(&jira, "main/p:1");
        stub.rule(Rule::next("PUT", "/issue/TST-1", asked("5")));
        assert_eq!(jira.update(&key, &summary("t"), None).unwrap().refused, []);
        let pauses = std::mem::take(&mut *slept.lock().unwrap());
        assert!(pauses.len() == 1 && pauses[0] >= Duration::from_secs(5), "{pauses:?}");
        stub.rule(Rule::next("PUT", "/issue/TST-1", asked("3600")));
        let error = jira.update(&key, &summary("u"), None).unwrap_err();
        assert_eq!(
            (error.fault, error.retry_after),
            (Fault::Wait, Some(Duration::from_secs(3600)))
        );
        stub.asked();
        stub.rule(Rule::next("POST", "/issue", asked("7")));
        let error = jira.create("main/p:2", &summary("s")).unwrap_err();
        assert_eq!((error.fault, error.retry_after), (Fault::Wait, Some(Duration::from_secs(7))));
        assert_eq!(writes(&stub.calls()), ["POST /issue"]);
        assert!(slept.lock().unwrap().is_empty(), "a create is not repeated");
    }
}

#[test]
fn row_19_server_errors_in_a_burst_and_for_good() {
    for status in [500, 502, 503] {
        for mut site in sites() {
            let Site { stub, jira, slept } = &mut site;
            let key = make(jira, "main/p:1");
            // A burst at calls that may be repeated.
            let burst = |method, path: &str| {
                let rule = Rule::next(method, path, answer(status, &[], "<html>oops</html>"));
                stub.rule(Rule { times: 2, ..rule });
            };
            burst("PUT", "/issue/TST-1");
            burst("GET", "/issue/TST-1");
            let written = jira.update(&key, &summary("t"), None).unwrap();
            assert_eq!(
                (written.refused.len(), written.issue.fields.text("summary")),
                (0, "t".into())
            );
            assert_eq!(slept.lock().unwrap().len(), 4);
            // A create that fails is not repeated, and is known not to have happened.
            let before = jira.before_create().unwrap();
            stub.asked();
            stub.rule(Rule::next("POST", "/issue", answer(status, &[], "")).always());
            let error = jira.create("main/p:2", &summary("s")).unwrap_err();
            assert_eq!((error.fault, error.code), (Fault::Wait, TRACKER_UNAVAILABLE));
            assert_eq!(writes(&stub.calls()), ["POST /issue"]);
            assert_eq!(jira.probe(&["main/p:2"], &before).unwrap(), [Probed::Absent]);
            // And for good at a write: an error, then it goes through.
            stub.rule(Rule::next("PUT", "/issue/TST-1", answer(status, &[], "")).always());
            let error = jira.update(&key, &summary("u"), None).unwrap_err();
            assert_eq!(error.fault, Fault::Wait);
            stub.heal();
            assert_eq!(jira.update(&key, &summary("u"), None).unwrap().refused, []);
            assert_eq!(jira.create("main/p:2", &summary("s")).unwrap().issue.id, "TST-2");
        }
    }
}

/// What is lost after it was done: the answer, the connection, or the patience of a gateway.
fn lost() -> [Act; 3] {
    [Act::DropAfter, Act::AnswerAfter(504), Act::AnswerAfter(500)]
}

#[test]
fn row_20_the_answer_to_a_create_is_lost() {
    for act in lost() {
        for Site { stub, jira, .. } in sites() {
            make(&jira, "main/p:0");
            let before = jira.before_create().unwrap();
            // Looked for at once, by the keys that came after.
            stub.rule(Rule::next("POST", "/issue", act.clone()));
            assert_eq!(jira.create("main/p:1", &summary("s")).unwrap().issue.id, "TST-2");
            // Where that does not work either: by the probe of the next run.
            stub.rule(Rule::next("POST", "/issue", act.clone()));
            stub.rule(Rule::next("GET", "/issue/TST-3", Act::Drop).always());
            let error = jira.create("main/p:2", &summary("s")).unwrap_err();
            assert_eq!(error.fault, Fault::Wait, "{error}");
            stub.heal();
            let found = Probed::Found(vec!["TST-3".to_owned()]);
            let probed = jira.probe(&["main/p:2", "main/p:9"], &before).unwrap();
            assert_eq!(probed, [found, Probed::Absent]);
            assert_eq!(stub.world().tickets.len(), 3);
        }
    }
}

#[test]
fn row_20_the_answers_to_some_of_many_creates_are_lost() {
    for (site, properties) in sites().into_iter().zip([true, true]).chain(
        // A server that keeps no properties: what was sent tells them apart.
        [(with(Stub::server(), |options| options.marker = MarkIn::Property), false)],
    ) {
        let Site { stub, jira, .. } = site;
        stub.world().properties = properties;
        jira.before_create().unwrap();
        for skip in [2, 5, 6] {
            stub.rule(Rule::next("POST", "/issue", Act::DropAfter).after(skip));
        }
        let orders: Vec<Order<'_>> = (0..20)
            .map(|n| Order {
                marker: format!("main/p:{n}"),
                changes: summary(&format!("Fall {n}")),
                ..Order::default()
            })
            .collect();
        for (n, receipt) in jira.write_many(&orders, &|| true).into_iter().enumerate() {
            let issue = receipt.issue.unwrap_or_else(|| panic!("{:?}", receipt.error));
            assert_eq!(issue.fields.text("summary"), format!("Fall {n}"));
        }
        assert_eq!(stub.world().tickets.len(), 20);
    }
}

#[test]
fn row_20_an_order_in_doubt_halts_the_others() {
    for Site { stub, jira, .. } in sites() {
        stub.rule(Rule::next("POST", "/issue", Act::DropAfter).after(2));
        // The others are slow enough that the doubt is known before the last of them.
        stub.rule(Rule::next("POST", "/issue", Act::Delay(Duration::from_millis(50))).always());
        stub.rule(Rule::next("GET", "*/issue/TST-", Act::Drop).always());
        stub.rule(Rule::next("POST", "/search", Act::Drop).after(0));
        let orders: Vec<Order<'_>> = (0..200)
            .map(|n| Order {
                marker: format!("main/p:{n}"),
                changes: summary("s"),
                ..Order::default()
            })
            .collect();
        let receipts = jira.write_many(&orders, &|| true);
        let lost: Vec<_> =
            receipts.iter().filter(|r| r.key.is_none() && r.error.is_some()).collect();
        assert_eq!(lost.len(), 1);
        assert!(lost[0].tried);
        let made = receipts.iter().filter(|r| r.key.is_some()).count();
        let untried = receipts.iter().filter(|r| !r.tried).count();
        assert_eq!(made + untried + 1, 200);
        assert!(untried > 0);
        assert_eq!(stub.world().tickets.len(), made + 1, "nothing was begun after the fault");
    }
}

#[test]
fn row_20_the_answer_to_a_comment_a_file_a_transition_is_lost() {
    for act in lost() {
        for Site { stub, jira, .. } in sites() {
            let key = make(&jira, "main/p:1");
            stub.rule(Rule::next("POST", "/comment", act.clone()));
            let id = jira.comment(&key, &note("hallo", "t")).unwrap();
            assert_eq!(jira.comment(&key, &note("hallo", "t")).unwrap(), id);
            stub.rule(Rule::next("POST", "/attachments", act.clone()));
            jira.attach(&key, &file("a.txt", b"a")).unwrap();
            jira.attach(&key, &file("a.txt", b"a")).unwrap();
            stub.rule(Rule::next("POST", "/transitions", act.clone()));
            let closed = changes(&[("status", text("Closed"))]);
            let written = jira.update(&key, &closed, None).unwrap();
            assert_eq!(
                (written.refused.len(), written.issue.fields.text("status")),
                (0, "Closed".into())
            );
            let world = stub.world();
            let ticket = world.ticket(&key);
            assert_eq!((ticket.comments.len(), ticket.files.len()), (1, 1), "{act:?}");
        }
    }
}

#[test]
fn row_20_a_comment_is_found_again_where_there_are_no_properties() {
    let Site { stub, jira, .. } = site(Stub::server());
    stub.world().properties = false;
    let key = make(&jira, "main/p:1");
    stub.rule(Rule::next("POST", "/comment", Act::DropAfter));
    let id = jira.comment(&key, &note("hallo", "t")).unwrap();
    assert_eq!(jira.comment(&key, &note("hallo", "t")).unwrap(), id);
    assert_eq!(stub.world().ticket(&key).comments.len(), 1);
}

#[test]
fn row_20_it_hangs() {
    let Site { stub, jira, .. } = with(Stub::server(), |options| {
        options.http.timeouts.answer = Duration::from_millis(800);
    });
    jira.schema().unwrap();
    let before = jira.before_create().unwrap();
    stub.rule(Rule::next("POST", "/issue", Act::Delay(Duration::from_secs(2))));
    let begun = std::time::Instant::now();
    let error = jira.create("main/p:1", &summary("s")).unwrap_err();
    assert!(begun.elapsed() < Duration::from_millis(1700), "{:?}", begun.elapsed());
    assert_eq!(error.fault, Fault::Wait);
    std::thread::sleep(Duration::from_millis(1600));
    let found = Probed::Found(vec!["TST-1".to_owned()]);
    assert_eq!(jira.probe(&["main/p:1"], &before).unwrap(), [found]);
}

#[test]
fn row_21_the_search_lags() {
    for Site { stub, jira, .. } in sites() {
        for n in 0..5 {
            make(&jira, &format!("main/p:{n}"));
        }
        let before = jira.before_create().unwrap();
        stub.world().lag = true;
        // Somebody else makes issues, too, and one is deleted.
        for _ in 0..12 {
            stub.world().create(&fields_by_hand(), &json!(null)).unwrap();
        }
        stub.world().delete("TST-9");
        stub.rule(Rule::next("POST", "/issue", Act::DropAfter));
        stub.rule(Rule::next("GET", "/issue/TST-18", Act::Drop).always());
        jira.create("main/p:7", &summary("s")).unwrap_err();
        stub.heal();
        if !stub.world().cloud {
            assert!(jira.find("main/p:7").unwrap().is_empty(), "the index does not know it yet");
        }
        let found = Probed::Found(vec!["TST-18".to_owned()]);
        assert_eq!(
            jira.probe(&["main/p:7", "main/p:8"], &before).unwrap(),
            [found, Probed::Absent]
        );
        // What is read back is what was written, and not what the index has.
        let orders: Vec<Order<'_>> = ["TST-1", "TST-2", "TST-18"]
            .iter()
            .map(|key| Order {
                key: Some((*key).to_owned()),
                changes: summary("new"),
                comments: vec![note("c", key)],
                ..Order::default()
            })
            .collect();
        for receipt in jira.write_many(&orders, &|| true) {
            let issue = receipt.issue.unwrap();
            assert_eq!((issue.fields.text("summary"), issue.comments.len()), ("new".into(), 1));
        }
        let both = ["TST-1".to_owned(), "TST-18".to_owned()];
        let issues = jira.get_many(&both).unwrap();
        assert!(issues[1].is_some(), "read past the index");
        // A change that the search shows late is told when it does.
        let token = jira.changed_since(None).unwrap().token;
        stub.world().reindex();
        let feed = jira.changed_since(Some(&token)).unwrap();
        let keys = feed.keys.unwrap();
        assert!(
            keys.contains(&"TST-18".to_owned()) && keys.contains(&"TST-1".to_owned()),
            "{keys:?}"
        );
    }
}

fn fields_by_hand() -> serde_json::Value {
    json!({"project": {"key": "TST"}, "issuetype": {"id": "1"}, "summary": "by hand"})
}

#[test]
fn row_22_the_password_was_changed() {
    for status in [401, 403] {
        for Site { stub, jira, slept } in sites() {
            jira.schema().unwrap();
            let denied = answer(status, &[], "{\"errorMessages\": [\"no\"], \"errors\": {}}");
            stub.rule(Rule::next("POST", "/issue", denied).after(3).always());
            let orders: Vec<Order<'_>> = (0..40)
                .map(|n| Order {
                    marker: format!("main/p:{n}"),
                    changes: summary("s"),
                    ..Order::default()
                })
                .collect();
            let receipts = jira.write_many(&orders, &|| true);
            let errors: Vec<_> = receipts.iter().filter_map(|r| r.error.as_ref()).collect();
            assert!((1..=4).contains(&errors.len()), "no hammering: {}", errors.len());
            for error in errors {
                assert_eq!((error.fault, error.code), (Fault::Wait, TRACKER_UNAVAILABLE));
                assert!(error.what.contains("does not let us in") && error.hint.is_some());
                assert!(!error.line().contains("secret"));
            }
            assert!(slept.lock().unwrap().is_empty(), "time does not cure it");
            let made: Vec<_> = receipts.iter().filter(|r| r.key.is_some()).collect();
            assert!(receipts.iter().filter(|r| r.key.is_none()).all(|r| !r.tried));
            assert_eq!(made.len(), 3);
            stub.heal();
            let rest: Vec<Order<'_>> = orders
                .iter()
                .zip(&receipts)
                .filter(|(_, receipt)| receipt.key.is_none())
                .map(|(order, _)| order.clone())
                .collect();
            assert!(jira.write_many(&rest, &|| true).iter().all(|r| r.error.is_none()));
            assert_eq!(stub.world().tickets.len(), 40);
        }
    }
}

#[test]
fn row_22_other_ways_to_log_in() {
    for (auth, fine) in [
        (Auth::Bearer(Secret::new("token")), true),
        (Auth::Bearer(Secret::new("old")), false),
        (Auth::Basic { user: "sync".into(), password: Secret::new("wrong") }, false),
        (Auth::None, false),
    ] {
        let site = with(Stub::server(), |options| options.http.auth = auth.clone());
        assert_eq!(site.jira.schema().is_ok(), fine, "{auth:?}");
    }
}

#[test]
fn row_23_gone_and_moved() {
    for Site { stub, jira, .. } in sites() {
        let keys: Vec<String> = (0..3).map(|n| make(&jira, &format!("main/p:{n}"))).collect();
        stub.world().delete("TST-2");
        stub.world().rename("TST-3", "MOV-7");
        let issues = jira.get_many(&keys).unwrap();
        let ids: Vec<Option<&str>> =
            issues.iter().map(|i| i.as_ref().map(|i| i.id.as_str())).collect();
        assert_eq!(ids, [Some("TST-1"), None, Some("MOV-7")]);
        let orders: Vec<Order<'_>> = keys
            .iter()
            .map(|key| Order {
                key: Some(key.clone()),
                changes: summary("t"),
                comments: vec![note("c", "t")],
                ..Order::default()
            })
            .collect();
        let receipts = jira.write_many(&orders, &|| true);
        let gone = receipts[1].error.as_ref().unwrap();
        assert_eq!((gone.code, gone.fault, receipts[1].tried), (LOCAL_GONE, Fault::Item, false));
        assert_eq!(receipts[0].issue.as_ref().unwrap().fields.text("summary"), "t");
        assert_eq!(
            receipts[2].issue.as_ref().unwrap().id,
            "MOV-7",
            "it is found under its new key"
        );
    }
}

#[test]
fn row_24_somebody_edits_meanwhile() {
    for Site { stub, jira, .. } in sites() {
        let key = make(&jira, "main/p:1");
        let set = changes(&[("severity", text("2"))]);
        jira.update(&key, &set, None).unwrap();
        let before = read(&jira, &key);
        stub.world().edit(&key, "customfield_12800", json!("3"));
        let wanted = changes(&[("severity", text("1")), ("summary", text("new"))]);
        let expected = changes(&[
            ("severity", before.fields.get("severity").cloned()),
            ("summary", before.fields.get("summary").cloned()),
        ]);
        let written = jira.update(&key, &wanted, Some(&expected)).unwrap();
        assert_eq!(written.refused.len(), 1);
        assert!(
            written.refused[0].text.contains("changed meanwhile")
                && written.refused[0].text.contains("\"3\"")
        );
        assert_eq!(written.issue.fields.text("severity"), "3", "not overwritten");
        // Where Jira itself notices, the issue waits for its turn.
        stub.rule(Rule::next("PUT", "/issue/TST-1", answer(409, &[], "")));
        let error = jira.update(&key, &wanted, None).unwrap_err();
        assert_eq!((error.fault, error.code), (Fault::Wait, TRACKER_UNAVAILABLE));
        assert!(error.what.contains("is being changed by somebody else"), "{error}");
        assert_eq!(written.issue.fields.text("summary"), "new");
    }
}

#[test]
fn row_26_texts_are_cut_and_normalised_without_ping_pong() {
    fn normalise(text: &str) -> String {
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        lines.join("\r\n").replace('🚗', "?")
    }
    let Site { stub, jira, .. } = site(Stub::server());
    stub.world().normalise = normalise;
    let key = make(&jira, "main/p:1");
    let long = "Motor läuft unrund 🚗 \r\n".repeat(4000);
    let wanted = changes(&[
        ("description", text("a  \nb 🚗\n\n")),
        ("Partner Note", text(&long)),
        ("summary", text(&"Tür ".repeat(200))),
    ]);
    let written = jira.update(&key, &wanted, None).unwrap();
    assert_eq!(written.refused, []);
    let base = written.issue;
    assert_eq!(base.fields.text("description"), "a\r\nb ?\r\n");
    assert!(base.fields.text("summary").ends_with("[…]"));
    assert!(base.fields.text("Partner Note").contains("[… cut: "));
    stub.asked();
    for _ in 0..10 {
        // What was read back is the base: writing it again is nothing to do.
        let again: Changes = ["description", "Partner Note", "summary"]
            .map(|f| (f.to_owned(), base.fields.get(f).cloned()))
            .into();
        let written = jira.update(&key, &again, None).unwrap();
        assert_eq!((written.refused, written.issue.fields), (vec![], base.fields.clone()));
    }
    assert_eq!(writes(&stub.calls()), Vec::<&str>::new());
}
