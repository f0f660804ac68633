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
    jira.outline().unwrap();
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
    let (jira, issues) = looked(&options, &keys);
    let feed = jira.changed_since(Some(&token)).unwrap();
    assert_eq!(feed.keys.as_ref().map(Vec::len), Some(MANY));
    for issue in &issues {
        assert_eq!(feed.revisions.get(&issue.id), issue.revision.as_ref());
    }
    let calls = stub.calls();
    assert!(calls.len() <= 5, "{calls:?}");
    // Known and unchanged, and all of them looked at.
    let (jira, _) = looked(&options, &keys);
    let quiet = jira.changed_since(Some(&feed.token)).unwrap();
    assert_eq!(quiet.keys, Some(vec![]));
    let calls = stub.calls();
    assert!(calls.len() <= 5, "{calls:?}");
    // One changed among them; our own change is looked at once more.
    let (jira, issues) = looked(&options, &keys);
    let issue = &issues[500];
    let expected = Changes::from([("priority".to_owned(), issue.fields.get("priority").cloned())]);
    let order = Order {
        key: Some(issue.id.clone()),
        changes: changes(&[("priority", text("low"))]),
        expected: Some(expected),
        ..Order::default()
    };
    let receipt = jira.write_many(&[order], &|| true).remove(0);
    assert_eq!(receipt.issue.unwrap().fields.text("priority"), "low");
    let feed = jira.changed_since(Some(&quiet.token)).unwrap();
    assert_eq!(feed.keys.as_ref(), Some(&vec![keys[500].clone()]));
    if feed.revisions.is_empty() {
        jira.get_many(&keys[500..501]).unwrap();
    }
    let calls = stub.calls();
    assert!(calls.len() <= 8, "{calls:?}");
    assert_eq!(writes(&calls), [format!("PUT /issue/{}", keys[500])]);
}

/// What a run does with issues it knows, where a rule asks which values a field takes.
fn looked(options: &Options, keys: &[String]) -> (Jira, Vec<Issue>) {
    let jira = Jira::new(options.clone()).unwrap();
    jira.outline().unwrap();
    let issues = jira.get_many(keys).unwrap().into_iter().collect::<Option<Vec<_>>>().unwrap();
    jira.schema().unwrap();
    (jira, issues)
}

/// What a call costs on the way is paid once for those that go at the same time; the bench
/// measures it.
#[test]
fn a_hundred_new_issues_take_few_rounds() {
    let stub = Stub::server();
    let (options, _) = options(&stub);
    // Long enough that threads that begin together on a busy machine are seen together.
    stub.latency(Duration::from_millis(60));
    first(&Jira::new(options).unwrap(), 100);
    let asked = stub.asked();
    let creates = asked.iter().position(|asked| asked.short() == "POST /issue").unwrap();
    let before: Vec<String> = asked[..creates].iter().map(Asked::short).collect();
    // The fields; the issue types and all issues; the markers and what new ones take.
    assert_eq!((before.len(), rounds(&asked[..creates])), (5, 3), "{before:?}");
    assert_eq!(asked[asked.len() - 1].short(), "POST /search");
    assert_eq!((asked.len(), at_once(&asked)), (5 + 100 + 1, 4));
    // A thread that falls behind leaves its work to the others: some rounds more.
    let taken = rounds(&asked);
    assert!((29..=33).contains(&taken), "{taken}");
}

#[test]
fn no_more_calls_at_a_time_than_are_allowed() {
    for most in [1, 2, 3] {
        let stub = Stub::server();
        let (mut options, _) = options(&stub);
        options.parallel = most;
        stub.latency(Duration::from_millis(5));
        first(&Jira::new(options).unwrap(), 20);
        assert_eq!(at_once(&stub.asked()), most);
    }
}

/// What only new issues need is asked for when there are some, and of their type only what no
/// issue showed.
#[test]
fn what_is_not_needed_is_not_asked_for() {
    let stub = Stub::server();
    let (options, _) = options(&stub);
    let (keys, token) = first(&Jira::new(options.clone()).unwrap(), 5);
    let run = |change: &dyn Fn(&Jira)| {
        stub.asked();
        let jira = Jira::new(options.clone()).unwrap();
        assert!(jira.outline().unwrap().outline, "it says that it is not all");
        change(&jira);
        let calls = stub.calls();
        calls.into_iter().filter(|call| !call.contains("/issue/TST-")).collect::<Vec<_>>()
    };
    let (field, search) = ("GET /field", "POST /search");
    let defects = "GET /issue/createmeta/TST/issuetypes/1";
    let quiet = run(&|jira| drop(jira.changed_since(Some(&token)).unwrap()));
    assert_eq!(quiet, [field, search]);
    // A text takes anything.
    let text = run(&|jira| drop(jira.update(&keys[0], &summary("new"), None).unwrap()));
    assert_eq!(text, [field]);
    // A priority is one of several.
    let refused = run(&|jira| {
        jira.get_many(&keys).unwrap();
        let wrong = changes(&[("priority", words::text("purple"))]);
        let written = jira.update(&keys[0], &wrong, None).unwrap();
        assert!(written.refused[0].text.contains("high, low"), "{:?}", written.refused);
    });
    assert_eq!(refused, [field, search, defects]);
    // What was told is not asked for again, until the next run.
    let schema = run(&|jira| {
        jira.get_many(&keys).unwrap();
        assert!(!jira.schema().unwrap().outline);
        assert!(jira.schema().unwrap().fields["priority"].allowed.is_some());
        assert!(jira.outline().unwrap().fields["priority"].allowed.is_none());
    });
    assert_eq!(schema, [field, search, defects, field]);
}

/// A password that is wrong is tried once in a run, the first ever included: some sites shut an
/// account out after three tries.
#[test]
fn the_first_call_goes_alone() {
    let stub = Stub::server();
    stub.world().password = "other".to_owned();
    let (options, _) = options(&stub);
    let error = Jira::new(options).unwrap().outline().unwrap_err();
    assert_eq!((error.fault, error.code), (Fault::Wait, TRACKER_UNAVAILABLE));
    assert_eq!(stub.calls(), ["GET /field"]);
}

/// The id of the type that old issues have is no guess at what new ones can have.
#[test]
fn a_type_that_is_not_for_new_issues_any_more_is_looked_up() {
    for status in [404, 400] {
        let stub = Stub::server();
        let (options, _) = options(&stub);
        let (keys, _) = first(&Jira::new(options.clone()).unwrap(), 3);
        let gone = answer(status, &[], "{\"errorMessages\": [\"no such type\"]}");
        stub.rule(Rule::next("GET", "/issuetypes/1", gone));
        stub.asked();
        let jira = Jira::new(options).unwrap();
        jira.outline().unwrap();
        jira.get_many(&keys).unwrap();
        assert!(jira.schema().unwrap().fields["priority"].allowed.is_some());
        let types = "GET /issue/createmeta/TST/issuetypes";
        let defects = "GET /issue/createmeta/TST/issuetypes/1";
        assert_eq!(stub.calls()[2..], [defects, types, defects]);
    }
    // Before Jira 8.4 the list is not there, and everything comes in one piece.
    let stub = Stub::server();
    let (options, _) = options(&stub);
    let (keys, _) = first(&Jira::new(options.clone()).unwrap(), 3);
    stub.world().old_createmeta = true;
    let jira = Jira::new(options).unwrap();
    jira.outline().unwrap();
    jira.get_many(&keys).unwrap();
    assert!(jira.schema().unwrap().fields["priority"].allowed.is_some());
    assert_eq!(stub.calls().pop().unwrap(), "GET /issue/createmeta");
}

#[test]
fn what_new_issues_take_is_read_to_its_last_page() {
    for cloud in [false, true] {
        let schemas = [200, 1, 7].map(|page| {
            let stub = if cloud { Stub::cloud() } else { Stub::server() };
            stub.world().meta_page = page;
            let (options, _) = options(&stub);
            Jira::new(options).unwrap().schema().unwrap()
        });
        assert!(schemas[0].fields["Vehicles"].allowed.is_some(), "on the last of them");
        assert_eq!(schemas[0], schemas[1]);
        assert_eq!(schemas[0], schemas[2]);
    }
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
