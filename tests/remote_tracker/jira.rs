//! What a run costs over a Jira: every call, with the rules of [`common::RULES`], one of which asks
//! which values a field takes.

use engsync::tracker::http::{self, Auth, Secret};
use engsync::tracker::jira::{Jira, MarkIn, Options};

use super::*;
use crate::stub::{self, Stub};

/// A process of its own, as far as the tracker can tell.
fn jira(stub: &Stub) -> Jira {
    let auth = Auth::Basic { user: "sync".into(), password: Secret::new("secret") };
    Jira::new(Options {
        http: http::Options { url: stub.url(), auth, ..http::Options::default() },
        project: "TST".to_owned(),
        issue_type: "Defect".to_owned(),
        marker: MarkIn::Field("External Issue Reference".to_owned()),
        ..Options::default()
    })
    .unwrap()
}

fn of_kind<'c>(calls: &'c [String], kind: &str) -> Vec<&'c String> {
    calls.iter().filter(|call| call.starts_with(kind)).collect()
}

#[test]
fn a_thousand_issues_cost_few_calls_to_jira() {
    let site = site();
    let stub = Stub::server();
    let run = |minutes| {
        let report = site.run(&jira(&stub), minutes).unwrap();
        (report, stub.calls())
    };
    many(&site, FIRST, 1000, "2026/11/20T08:00:00", &[]);
    let (report, calls) = run(0);
    assert_eq!(told(&report.packages[0].issues).len(), 1000);
    assert_eq!(calls.iter().filter(|call| *call == "POST /issue").count(), 1000);
    assert!(calls.len() <= 1000 + 10, "{}", calls.len());
    // Nothing to do.
    let (report, calls) = run(1);
    assert!(report.is_idle());
    assert_eq!(calls[..2], ["GET /field", "POST /search"]);
    // A thousand changes a moment ago: whether they can be forgotten, is asked.
    assert_eq!(calls[2..], ["GET /serverInfo"]);
    // Known and unchanged.
    many(&site, SECOND, 1000, "2026/11/20T09:00:00", &[]);
    let (report, calls) = run(1);
    let outcomes = told(&report.packages[0].issues);
    assert!(outcomes.iter().all(|outcome| outcome.action == Action::Unchanged));
    assert_eq!(outcomes.len(), 1000);
    assert!(calls.len() <= 5, "{calls:?}");
    // One of them changed.
    many(&site, THIRD, 1000, "2026/11/20T10:00:00", &[517]);
    let (report, calls) = run(1);
    let changed = told(&report.packages[0].issues);
    assert_eq!(changed.iter().filter(|outcome| outcome.action == Action::Updated).count(), 1);
    assert!(calls.len() <= 8, "{calls:?}");
    assert_eq!(of_kind(&calls, "PUT").len(), 1, "{calls:?}");
    // And one that somebody changed here.
    stub.world().edit("TST-7", "status", serde_json::json!("In Progress"));
    let (report, calls) = run(1);
    assert_eq!(report.sent[0].issues, ["TST-7"]);
    assert!(calls.len() <= 5, "{calls:?}");
    // Once the thousand changes are long past, the window is small again.
    stub.world().clock += 1800;
    assert_eq!(run(1).1, ["GET /field", "POST /search", "GET /serverInfo"]);
    let (report, calls) = run(1);
    assert!(report.is_idle());
    assert_eq!(calls, ["GET /field", "POST /search"]);
}

/// Two of the partner's issues are tied to one of ours: the second is written after the first, and
/// meets what that left, however many others are written at the same time.
#[test]
fn two_deliveries_for_one_issue_are_written_in_their_order() {
    let site = site();
    let stub = Stub::server();
    let deliver = |name: &str, word: &str, date: &str| {
        let numbers: Vec<(String, String)> =
            (0..20).map(|n| (n.to_string(), format!("{word} {n}"))).collect();
        let defect = |(number, title)| Defect { number, title, date, ..Defect::default() };
        let defects: Vec<Defect<'_>> =
            numbers.iter().map(|(number, title)| defect((number, title))).collect();
        site.deliver(name, &defects);
    };
    deliver(FIRST, "first", "2026/11/20T08:00:00");
    site.run(&jira(&stub), 0).unwrap();
    let shared = site.link("3").key.unwrap();
    let mut link = site.link("7");
    link.key = Some(shared.clone());
    site.state.save_link(&mut link).unwrap();
    deliver(SECOND, "second", "2026/11/20T09:00:00");
    stub.asked();
    stub.latency(std::time::Duration::from_millis(3));
    site.run(&jira(&stub), 1).unwrap();
    let asked = stub.asked();
    assert_eq!(stub::at_once(&asked), 4);
    let path = format!("PUT /issue/{shared}");
    let writes = asked.iter().filter(|asked| asked.short() == path);
    let texts: Vec<serde_json::Value> =
        writes.map(|asked| asked.json()["fields"]["summary"].clone()).collect();
    assert_eq!(texts, ["second 3", "second 7"]);
    assert_eq!(stub.world().ticket(&shared).fields["summary"], "second 7");
}
