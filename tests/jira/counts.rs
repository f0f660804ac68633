//! How many calls it takes.

use super::*;

const MANY: usize = 1000;

fn orders(many: usize) -> Vec<Order<'static>> {
    (0..many)
        .map(|n| Order {
            marker: format!("main/oem:{n}"),
            changes: changes(&[
                ("summary", text(&format!("Türgriff klemmt, Fall {n}"))),
                ("description", text(&"Bei −10 °C lässt sich die Tür nicht öffnen.\n".repeat(10))),
                ("priority", text("high")),
                ("labels", Value::list(vec!["tür".into(), "frost".into()])),
                ("severity", text("2")),
            ]),
            ..Order::default()
        })
        .collect()
}

/// What a run does with issues that are all new; answers the token for the next.
fn first(jira: &Jira, many: usize) -> (Vec<String>, String) {
    jira.schema().unwrap();
    let token = jira.changed_since(None).unwrap().token;
    let orders = orders(many);
    let markers: Vec<&str> = orders.iter().map(|order| order.marker.as_str()).collect();
    assert!(jira.find_many(&markers).unwrap().iter().all(Vec::is_empty));
    jira.before_create().unwrap();
    let receipts = jira.write_many(&orders, &|| true);
    let keys = receipts
        .into_iter()
        .map(|receipt| {
            assert!(receipt.error.is_none() && receipt.refused.is_empty(), "{receipt:?}");
            receipt.issue.unwrap().id
        })
        .collect();
    (keys, token)
}

#[test]
fn a_thousand_issues() {
    let stub = Stub::server();
    let (options, _) = options(&stub);
    // New: one call each, and ten.
    let (keys, token) = first(&Jira::new(options.clone()).unwrap(), MANY);
    let calls = stub.calls();
    assert_eq!(calls.iter().filter(|call| *call == "POST /issue").count(), MANY);
    assert!(calls.len() <= MANY + 10, "{}", calls.len());
    // The next run, a process of its own: they changed, but by us, and the feed says so.
    let jira = Jira::new(options.clone()).unwrap();
    jira.schema().unwrap();
    let feed = jira.changed_since(Some(&token)).unwrap();
    assert_eq!(feed.keys.as_ref().map(Vec::len), Some(MANY));
    let issues = jira.get_many(&keys).unwrap();
    for issue in issues.iter().flatten() {
        assert_eq!(feed.revisions.get(&issue.id), issue.revision.as_ref());
    }
    assert!(issues.iter().all(Option::is_some));
    let calls = stub.calls();
    // The stub answers the fields of a type in pages of twenty; that is one call more.
    assert!(calls.len() <= 5 + 2, "{calls:?}");
    // Known and unchanged, and all of them looked at.
    let jira = Jira::new(options.clone()).unwrap();
    jira.schema().unwrap();
    let quiet = jira.changed_since(Some(&feed.token)).unwrap();
    assert_eq!(quiet.keys, Some(vec![]));
    jira.get_many(&keys).unwrap();
    let calls = stub.calls();
    assert!(calls.len() <= 5 + 1, "{calls:?}");
    // One changed among them.
    let jira = Jira::new(options).unwrap();
    jira.schema().unwrap();
    jira.changed_since(Some(&quiet.token)).unwrap();
    let issues = jira.get_many(&keys).unwrap();
    let issue = issues[500].as_ref().unwrap();
    let expected = Changes::from([("summary".to_owned(), issue.fields.get("summary").cloned())]);
    let order = Order {
        key: Some(issue.id.clone()),
        changes: summary("new"),
        expected: Some(expected),
        ..Order::default()
    };
    let receipt = jira.write_many(&[order], &|| true).remove(0);
    assert_eq!(receipt.issue.unwrap().fields.text("summary"), "new");
    let calls = stub.calls();
    assert!(calls.len() <= 8 + 1, "{calls:?}");
    assert_eq!(writes(&calls), [format!("PUT /issue/{}", keys[500])]);
}

#[test]
fn calls_run_four_at_a_time() {
    let stub = Stub::server();
    let (options, _) = options(&stub);
    stub.latency(Duration::from_millis(20));
    let begun = std::time::Instant::now();
    first(&Jira::new(options).unwrap(), 100);
    let took = begun.elapsed();
    // One after the other it would be more than two seconds; the bench measures it exactly.
    assert!(took < Duration::from_millis(1600), "{took:?}");
    let calls = stub.calls();
    assert!(calls.len() <= 110, "{}", calls.len());
}

#[test]
fn a_server_that_takes_no_or_is_asked_once_more() {
    let stub = Stub::server();
    stub.world().and_only = true;
    let (options, _) = options(&stub);
    let jira = Jira::new(options).unwrap();
    first(&jira, 30);
    let markers: Vec<String> = (0..30).map(|n| format!("main/oem:{n}")).collect();
    let markers: Vec<&str> = markers.iter().map(String::as_str).collect();
    stub.asked();
    let found = jira.find_many(&markers).unwrap();
    assert!(found.iter().all(|keys| keys.len() == 1));
    assert_eq!(stub.calls().len(), 1);
}

#[test]
fn small_pages_and_lost_properties() {
    let stub = Stub::server();
    stub.world().page = 7;
    let (options, _) = options(&stub);
    let jira = Jira::new(options).unwrap();
    let (keys, _) = first(&jira, 30);
    assert_eq!(jira.get_many(&keys).unwrap().iter().flatten().count(), 30);
    assert_eq!(jira.changed_since(None).unwrap().keys.unwrap(), {
        let mut keys = keys.clone();
        keys.sort_by_key(|key| stub.world().ticket(key).updated);
        keys
    });
    // Cloud tells where to go on by a token.
    let site = with(Stub::cloud(), |_| {});
    site.stub.world().page_of_ids = 7;
    let (keys, _) = first(&site.jira, 30);
    site.stub.asked();
    assert_eq!(site.jira.changed_since(None).unwrap().keys.unwrap().len(), 30);
    let pages =
        site.stub.asked().iter().filter(|asked| asked.path.ends_with("/search/jql")).count();
    assert_eq!((pages, site.jira.get_many(&keys).unwrap().iter().flatten().count()), (5, 30));
    // Without any searchable property the whole project is looked at.
    let stub = Stub::cloud();
    stub.world().property_search = false;
    let site = with(stub, |options| options.marker = MarkIn::Property);
    let (keys, _) = first(&site.jira, 5);
    let found = site.jira.find_many(&["main/oem:3", "main/oem:7"]).unwrap();
    assert_eq!(found, [vec![keys[3].clone()], vec![]]);
}
