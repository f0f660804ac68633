//! What changed: by the tracker's own clock, each change once, and none lost.

use std::collections::BTreeMap;

use super::*;

/// A quarter of an hour, in seconds: what a search may show late.
const OVERLAP: i64 = 900;

/// `many` issues that people made.
fn with_issues(many: usize, cloud: bool) -> Stub {
    let stub = if cloud { Stub::cloud() } else { Stub::server() };
    for n in 0..many {
        let fields = json!({"project": {"key": "TST"}, "issuetype": {"id": "1"}, "summary": format!("s{n}")});
        stub.world().create(&fields, &json!(null)).unwrap();
    }
    stub
}

/// A run of its own, as far as the tracker can tell.
fn feed(stub: &Stub, token: Option<&str>) -> Feed {
    Jira::new(options(stub).0).unwrap().changed_since(token).unwrap()
}

/// The same, and the changes it told by their numbers.
fn news(stub: &Stub, token: &mut String) -> Vec<u64> {
    let feed = feed(stub, Some(token));
    *token = feed.token;
    let number = |key: &String| key.strip_prefix("TST-").unwrap().parse().unwrap();
    feed.keys.unwrap().iter().map(number).collect()
}

fn edit(stub: &Stub, number: u64) {
    let text = json!(format!("edited at {}", stub.world().clock));
    stub.world().edit(&format!("TST-{number}"), "summary", text);
}

/// Since when a search asks, in seconds since 1970.
fn since(asked: &[Asked]) -> i64 {
    let mut searches = asked.iter().filter(|asked| asked.short().starts_with("POST /search"));
    let jql = searches.next_back().unwrap().json()["jql"].as_str().unwrap().to_owned();
    let (_, after) = jql.split_once("updated >= ").expect("a window");
    let millis = after.split(' ').next().unwrap();
    // A number of milliseconds means the same in every zone. A date would not.
    millis.parse::<i64>().expect("no date, whose zone would be the account's") / 1000
}

/// The tracker's clock is years behind ours, and the account's zone is neither ours nor UTC.
#[test]
fn the_window_begins_a_quarter_of_an_hour_ago_by_the_trackers_clock() {
    for cloud in [false, true] {
        for zone in ["Pacific/Auckland", "America/Los_Angeles"] {
            let stub = with_issues(30, cloud);
            stub.world().time_zone = zone;
            stub.world().clock += 3600;
            let first = feed(&stub, None);
            assert_eq!(first.keys.unwrap().len(), 30);
            let asked_at = stub.world().clock;
            stub.asked();
            assert_eq!(feed(&stub, Some(&first.token)).keys, Some(vec![]));
            assert_eq!(since(&stub.asked()), asked_at - OVERLAP);
        }
    }
}

/// One change shows at once, another that was made before it only after the window moved on: both
/// are told, and none twice. Small pages, too.
#[test]
fn a_change_that_shows_late_is_told_and_none_is_told_twice() {
    for cloud in [false, true] {
        let stub = with_issues(30, cloud);
        stub.world().page = 7;
        let mut token = feed(&stub, None).token;
        stub.world().clock += 7200;
        stub.world().lag = true;
        edit(&stub, 3);
        stub.world().clock += 60;
        edit(&stub, 5);
        let shown = stub.world().tickets[&5].clone();
        stub.world().index.insert(5, shown);
        stub.asked();
        assert_eq!(news(&stub, &mut token), [5]);
        stub.world().clock += OVERLAP - 120;
        assert!(news(&stub, &mut token).is_empty());
        stub.world().lag = false;
        stub.world().reindex();
        assert_eq!(news(&stub, &mut token), [3]);
        assert!(news(&stub, &mut token).is_empty());
    }
}

/// An import may say that an issue changed in the future: where the window begins is never the
/// time of a change.
#[test]
fn a_change_dated_in_the_future_hides_none_that_comes_after_it() {
    let stub = with_issues(60, false);
    let mut token = feed(&stub, None).token;
    stub.world().clock += 3600;
    let then = stub.world().clock;
    {
        let mut world = stub.world();
        world.tickets.get_mut(&1).unwrap().updated = then + 30 * 86_400;
        world.reindex();
    }
    assert_eq!(news(&stub, &mut token), [1]);
    for number in 2..40 {
        stub.world().clock += 600;
        edit(&stub, number);
        assert_eq!(news(&stub, &mut token), [number], "issue {number}");
        assert!(news(&stub, &mut token).is_empty());
    }
    stub.asked();
    news(&stub, &mut token);
    assert!(since(&stub.asked()) > then, "the window moves on all the same");
}

/// A change now and then: each is told once, the ledger stays small, and the time is hardly ever
/// asked for.
#[test]
fn the_ledger_stays_small() {
    let stub = with_issues(300, false);
    stub.world().clock += 3600;
    let mut token = feed(&stub, None).token;
    stub.asked();
    let mut most = 0;
    for number in 1..=300 {
        stub.world().clock += 120;
        edit(&stub, number);
        assert_eq!(news(&stub, &mut token), [number]);
        let ledger: serde_json::Value = serde_json::from_str(&token).unwrap();
        most = ledger["seen"].as_object().unwrap().len().max(most);
    }
    // What leaves the window, and what stays in it.
    assert!((20..=20 + 8 + 2).contains(&most), "{most}");
    let calls = stub.calls();
    let times = calls.iter().filter(|call| *call == "GET /serverInfo").count();
    assert!((5..=300 / 20).contains(&times), "{times}");
}

/// The feed tells the state of what changed where there is little of it: what a run wrote itself
/// is not read again.
#[test]
fn the_feed_tells_the_revision_of_a_few_changes() {
    for stub in [with_issues(3, false), with_issues(3, true)] {
        let token = feed(&stub, None).token;
        let jira = Jira::new(options(&stub).0).unwrap();
        let written = jira.update("TST-2", &summary("ours"), None).unwrap().issue;
        let told = jira.changed_since(Some(&token)).unwrap();
        let wanted = BTreeMap::from([("TST-2".to_owned(), written.revision.unwrap())]);
        assert_eq!(told.revisions, wanted);
        // And another one where somebody else came after us.
        stub.world().say("TST-2", "alice", "no");
        let told = jira.changed_since(Some(&token)).unwrap();
        assert_ne!(told.revisions, wanted);
    }
}

/// Issues come whole: fields, comments and attachments in one request for a page of them.
#[test]
fn a_page_brings_comments_and_attachments_along() {
    for (cloud, pages) in [(false, 1), (true, 3)] {
        let stub = with_issues(250, cloud);
        for number in 1..=250 {
            let key = format!("TST-{number}");
            let mut world = stub.world();
            world.say(&key, "alice", "one");
            world.say(&key, "bob", "two");
            world.add_file(&key, "photo.jpg", b"jpeg");
        }
        let jira = Jira::new(options(&stub).0).unwrap();
        jira.outline().unwrap();
        stub.asked();
        let keys: Vec<String> = (1..=250).map(|n| format!("TST-{n}")).collect();
        let issues = jira.get_many(&keys).unwrap();
        assert_eq!(stub.calls().len(), pages);
        for (n, issue) in issues.into_iter().enumerate() {
            let issue = issue.unwrap();
            assert_eq!(issue.fields.text("summary"), format!("s{n}"));
            assert_eq!(names(&issue), ["photo.jpg"]);
            assert_eq!(texts(&issue), ["one", "two"]);
        }
    }
}

/// Cloud brings the first comments along only; for the rest each issue is a call, several at a time.
#[test]
fn long_discussions_are_read_to_their_end() {
    let stub = with_issues(30, true);
    for number in 1..=12 {
        for n in 0..25 {
            stub.world().say(&format!("TST-{number}"), "alice", &format!("{n}"));
        }
    }
    let jira = Jira::new(options(&stub).0).unwrap();
    jira.outline().unwrap();
    stub.latency(Duration::from_millis(30));
    stub.asked();
    let keys: Vec<String> = (1..=30).map(|n| format!("TST-{n}")).collect();
    let issues = jira.get_many(&keys).unwrap();
    let asked = stub.asked();
    assert_eq!((asked.len(), at_once(&asked)), (1 + 12, 4));
    let all: Vec<String> = (0..25).map(|n| n.to_string()).collect();
    for (n, issue) in issues.iter().enumerate() {
        assert_eq!(texts(issue.as_ref().unwrap()), if n < 12 { &all[..] } else { &[] });
    }
}

/// Several issues are written at a time; for one issue, each call waits for the one before: its
/// fields, its status, its comments in their order, its files in theirs.
#[test]
fn calls_for_one_issue_go_one_after_the_other() {
    for (cloud, new) in [(false, 12), (true, 12), (false, 5)] {
        let stub = with_issues(16, cloud);
        let jira = Jira::new(options(&stub).0).unwrap();
        let files = [file("1.txt", b"1"), file("2.txt", b"22")];
        let orders: Vec<Order<'_>> = (0..16 + new)
            .map(|n| Order {
                key: (n < 16).then(|| format!("TST-{}", n + 1)),
                marker: format!("main/p:{n}"),
                changes: changes(&[("summary", text("new")), ("status", text("Closed"))]),
                comments: ["a", "b", "c"].map(|words| note(words, &format!("{n}{words}"))).to_vec(),
                files: files.iter().collect(),
                ..Order::default()
            })
            .collect();
        jira.schema().unwrap();
        stub.latency(Duration::from_millis(3));
        stub.asked();
        let receipts = jira.write_many(&orders, &|| true);
        let asked = stub.asked();
        assert_eq!(at_once(&asked), 4);
        let keys = receipts[16..].iter().map(|receipt| receipt.key.clone().unwrap());
        let in_turn = (17..17 + new).map(|n| format!("TST-{n}"));
        assert!(new > 5 || keys.eq(in_turn), "the keys follow the delivery");
        for (n, receipt) in receipts.iter().enumerate() {
            assert!(receipt.error.is_none(), "{receipt:?}");
            let key = receipt.key.as_ref().unwrap();
            let below = format!("/issue/{key}/");
            let of_it = |asked: &&Asked| format!("{}/", asked.short()).contains(&below);
            let writes: Vec<Asked> =
                asked.iter().filter(of_it).filter(|asked| asked.method != "GET").cloned().collect();
            let told: Vec<String> = writes.iter().map(|asked| what(asked, key)).collect();
            let mut wanted = vec!["PUT", "POST transitions", "a", "b", "c", "1.txt", "2.txt"];
            if n >= 16 {
                wanted.remove(0);
            }
            assert_eq!(told, wanted, "{key}");
            assert_eq!(rounds(&writes), writes.len(), "{key}: one after the other");
            let issue = receipt.issue.as_ref().unwrap();
            assert_eq!((texts(issue), names(issue)), (vec!["a", "b", "c"], vec!["1.txt", "2.txt"]));
        }
    }
}

/// A write in short: a comment by its text, a file by its name.
fn what(asked: &Asked, key: &str) -> String {
    let body = String::from_utf8_lossy(&asked.body).into_owned();
    let after = |mark: &str| body.split_once(mark).map(|(_, rest)| rest.chars().take(5).collect());
    match asked.short().split_once(key).unwrap().1 {
        "/comment" => {
            let find = |words: &str| body.contains(&format!("\"{words}\""));
            ["a", "b", "c"].into_iter().find(|words| find(words)).unwrap_or_default().to_owned()
        }
        "/attachments" => after("filename=\"").unwrap_or_default(),
        rest => format!("{} {}", asked.method, rest.trim_start_matches('/')).trim().to_owned(),
    }
}
