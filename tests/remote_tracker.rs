//! The engine over a tracker that does not share its transaction: what a batch costs, and what
//! stands in the end whatever fails. Rows of the fault matrix are named after their numbers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the partner")]

#[path = "remote_tracker/away.rs"]
mod away;
mod common;
#[path = "remote_tracker/counting.rs"]
mod counting;
#[path = "remote_tracker/jira.rs"]
mod jira;
#[path = "remote_tracker/meanwhile.rs"]
mod meanwhile;
#[path = "remote_tracker/site.rs"]
mod site;
#[path = "jira/stub.rs"]
mod stub;

use std::collections::BTreeMap;

use common::Defect;
use counting::Counting;
use engsync::Stop;
use engsync::exchange::{Options, Outcomes};
use engsync::issue::Value;
use engsync::sync::{Action, GonePolicy, Outcome};
use engsync::tracker::double::{Faulty, Planned, Trouble, Verb};
use engsync::tracker::embedded::Embedded;
use engsync::tracker::{Changes, IN_DOUBT, MARKER_TWICE, NewComment, TEXT_CUT, Tracker};
use site::{Site, issues};

const FIRST: &str = "ENG26112008000000MFA";
const SECOND: &str = "ENG26112009000000MFA";
const THIRD: &str = "ENG26112010000000MFA";

/// What became of the issues of a package.
fn told(outcomes: &Outcomes) -> Vec<Outcome> {
    let mut list = Vec::new();
    let mut keep = |outcome: &Outcome| {
        list.push(outcome.clone());
        Ok(())
    };
    outcomes.each(&mut keep).unwrap();
    list
}

fn site() -> Site {
    Site::new(GonePolicy::Hold)
}

/// `count` defects, some of them changed.
fn many(site: &Site, name: &str, count: usize, date: &str, changed: &[usize]) {
    let numbers: Vec<String> = (0..count).map(|n| n.to_string()).collect();
    let defects: Vec<Defect<'_>> = numbers
        .iter()
        .enumerate()
        .map(|(n, number)| {
            let title = if changed.contains(&n) { "changed" } else { "title" };
            Defect { number, title, description: "d", date, ..Defect::default() }
        })
        .collect();
    site.deliver(name, &defects);
}

fn sum(counts: &BTreeMap<&'static str, usize>) -> usize {
    counts.values().sum()
}

#[test]
fn a_thousand_issues_cost_few_calls() {
    let site = site();
    let tracker = Counting::new(site.tracker());
    many(&site, FIRST, 1000, "2026/11/20T08:00:00", &[]);
    site.run(&tracker, 0).unwrap();
    let new = tracker.counts();
    assert_eq!(new["create"], 1000);
    assert!(sum(&new) - 1000 <= 10, "{new:?}");
    assert!(!new.contains_key("get_many"), "what was written is not read again: {new:?}");
    // Known and unchanged.
    many(&site, SECOND, 1000, "2026/11/20T09:00:00", &[]);
    let report = site.run(&tracker, 1).unwrap();
    assert_eq!(told(&report.packages[0].issues).len(), 1000);
    let known = tracker.counts();
    let wanted = BTreeMap::from([("schema", 1), ("changed_since", 1), ("get_many", 1)]);
    assert_eq!(known, wanted);
    // One of them changed.
    many(&site, THIRD, 1000, "2026/11/20T10:00:00", &[517]);
    site.run(&tracker, 1).unwrap();
    let one = tracker.counts();
    let mut wanted = known;
    wanted.extend([("update", 1), ("read_back", 1)]);
    assert_eq!(one, wanted);
    // Nothing to do, and one local change among a thousand.
    site.run(&tracker, 1).unwrap();
    assert_eq!(tracker.counts(), BTreeMap::from([("schema", 1), ("changed_since", 1)]));
    let edit = Changes::from([("status".to_owned(), Value::text("In Progress"))]);
    tracker.inner.update("ISS-7", &edit, None).unwrap();
    let report = site.run(&tracker, 1).unwrap();
    assert_eq!(report.sent[0].issues, ["ISS-7"]);
    let wanted = BTreeMap::from([("schema", 1), ("changed_since", 1), ("get_many", 1)]);
    assert_eq!(tracker.counts(), wanted);
}

/// The scenario: an issue with a comment and a file, and one without; then a change of both with
/// another comment and another file.
fn first(site: &Site) {
    let one = Defect {
        number: "4711",
        title: "one",
        description: "first",
        annotations: &["please check"],
        files: &[("photo.jpg", b"photo")],
        ..Defect::default()
    };
    let two = Defect { number: "4712", title: "two", description: "second", ..Defect::default() };
    site.deliver(FIRST, &[one, two]);
}

fn second(site: &Site) {
    let date = "2026/11/20T09:00:00";
    let one = Defect {
        number: "4711",
        title: "one",
        description: "changed",
        annotations: &["please check", "and hurry"],
        files: &[("photo.jpg", b"photo"), ("log.txt", b"log")],
        date,
        ..Defect::default()
    };
    let two = Defect {
        number: "4712",
        title: "two, changed",
        description: "second",
        date,
        ..one.clone()
    };
    site.deliver(SECOND, &[one, Defect { annotations: &[], files: &[], ..two }]);
}

/// What must stand in the end: every issue, comment and file once, the base as read back, every
/// change with its row, and rest.
fn converged(site: &Site, tracker: &Faulty<Embedded>, what: &str) {
    let issues = issues(tracker.inner());
    let told = |issue: &engsync::issue::Issue| {
        let comments: Vec<&str> = issue.comments.iter().map(|c| c.text.as_str()).collect();
        let files: Vec<&str> = issue.attachments.iter().map(|f| f.name.as_str()).collect();
        let (title, text) = (issue.fields.text("summary"), issue.fields.text("description"));
        format!("{title}: {text} {comments:?} {files:?}")
    };
    let mut all: Vec<String> = issues.iter().map(told).collect();
    all.sort();
    let wanted = [
        r#"one: changed ["please check", "and hurry"] ["photo.jpg", "log.txt"]"#,
        "two, changed: second [] []",
    ];
    assert_eq!(all, wanted, "{what}");
    for remote in ["4711", "4712"] {
        let link = site.link(remote);
        let issue = issues.iter().find(|issue| Some(&issue.id) == link.key.as_ref()).unwrap();
        assert_eq!(tracker.inner().find(&format!("main/oem:{remote}")).unwrap(), [&*issue.id]);
        for field in ["summary", "description", "labels", "priority"] {
            assert_eq!(link.base.local.get(field), issue.fields.get(field), "{what}: {field}");
        }
        assert!(site.state.intents("oem", remote).unwrap().is_empty(), "{what}: in doubt");
        let journal = site.journal(remote);
        for field in ["summary", "description", "priority", "labels"] {
            let last = journal.iter().rev().find(|(name, _)| name == field);
            let last = last.and_then(|(_, to)| to.clone()).unwrap_or_default();
            assert_eq!(last, issue.fields.text(field), "{what}: journal of {remote} {field}");
        }
        for comment in &issue.comments {
            let rows = |(name, to): &&(String, Option<String>)| {
                name == "comments" && to.as_ref() == Some(&comment.text)
            };
            assert_eq!(journal.iter().filter(rows).count(), 1, "{what}: {}", comment.text);
        }
        for file in &issue.attachments {
            let row = ("attachments".to_owned(), Some(file.name.clone()));
            assert_eq!(journal.iter().filter(|j| **j == row).count(), 1, "{what}: {}", file.name);
        }
        assert!(link.base.held.is_empty(), "{what}: {:?}", link.base.held);
    }
    assert_eq!(site.list("done"), [FIRST, SECOND], "{what}");
    // Nothing of it goes back to the partner, and nothing is written again.
    tracker.calls();
    for _ in 0..3 {
        assert!(site.run(tracker, 61).unwrap().is_idle(), "{what}");
    }
    assert_eq!(tracker.writes(), [], "{what}");
}

const VERBS: [Verb; 11] = [
    Verb::Schema,
    Verb::GetMany,
    Verb::Find,
    Verb::BeforeCreate,
    Verb::Probe,
    Verb::Create,
    Verb::Update,
    Verb::Comment,
    Verb::Prepare,
    Verb::Attach,
    Verb::ChangedSince,
];

/// Rows 19, 20: a call of any kind fails at any place, or its answer is lost.
#[test]
fn rows_19_and_20_whatever_fails_once_in_the_end_all_is_there_once() {
    let mut met = 0;
    for verb in VERBS {
        for trouble in [Trouble::Unavailable, Trouble::InDoubt, Trouble::Rejected] {
            if trouble == Trouble::Rejected && !verb.writes() {
                continue;
            }
            for n in 1.. {
                let what = format!("{trouble:?} at call {n} of {verb:?}");
                let site = site();
                let tracker = Faulty::new(site.tracker());
                tracker.plan(Planned::nth(verb, n, trouble.clone()));
                first(&site);
                let report = site.run(&tracker, 0).unwrap();
                if !site.list("deferred").is_empty() {
                    assert!(report.is_trouble(), "{what}: it is told");
                }
                // The second comes when the first may still wait.
                second(&site);
                site.run(&tracker, 61).unwrap();
                site.settle(&tracker);
                let unmet = tracker.heal();
                if trouble == Trouble::Rejected && verb == Verb::Attach && unmet.is_empty() {
                    // A file that is refused is held alone; `retry` is a person's word.
                    met += 1;
                    continue;
                }
                converged(&site, &tracker, &what);
                if !unmet.is_empty() {
                    assert!(n > 1 || verb == Verb::Probe, "{what} was never met");
                    break;
                }
                met += 1;
            }
        }
    }
    assert!(met > 50, "only {met} troubles were met");
}

/// Row 20 twice over: what is in doubt is in doubt again.
#[test]
fn row_20_lost_answers_one_after_the_other() {
    for verb in [Verb::Create, Verb::Update, Verb::Comment, Verb::Attach] {
        for times in 2..5 {
            let site = site();
            let tracker = Faulty::new(site.tracker());
            for n in 1..=times {
                tracker.plan(Planned::nth(verb, n, Trouble::InDoubt));
            }
            first(&site);
            site.run(&tracker, 0).unwrap();
            second(&site);
            for _ in 0..6 {
                site.run(&tracker, 61).unwrap();
            }
            converged(&site, &tracker, &format!("{times} times {verb:?}"));
        }
    }
}

/// Row 26: what the tracker makes of a text is the base, and nobody writes it again.
#[test]
fn row_26_a_text_that_comes_back_otherwise_makes_no_ping_pong() {
    let site = site();
    let tracker = Faulty::new(site.tracker());
    let cut = |verb| Planned::always(verb, Trouble::Truncate("description".to_owned(), 3));
    tracker.plan(cut(Verb::Create));
    tracker.plan(cut(Verb::Update));
    first(&site);
    let report = site.run(&tracker, 0).unwrap();
    let found = told(&report.packages[0].issues)[0].findings.clone();
    assert_eq!(found[0].code, TEXT_CUT, "the tracker said nothing of it, but it shows");
    assert!(found[0].text.contains("of 5 characters the tracker holds 3"), "{found:?}");
    let key = site.link("4711").key.unwrap();
    let text = || tracker.inner().get(&key).unwrap().fields.text("description");
    assert_eq!(
        (text(), site.link("4711").base.local.text("description")),
        ("fir".into(), "fir".into())
    );
    tracker.calls();
    for n in 0..10 {
        let one =
            Defect { number: "4711", title: "one", description: "first", ..Defect::default() };
        let date = format!("2026/11/20T{:02}:00:00", 9 + n);
        let name = format!("ENG261120{:02}000000MFA", 9 + n);
        site.deliver(&name, &[Defect { date: &date, ..one }]);
        let report = site.run(&tracker, 61).unwrap();
        assert!(report.sent.is_empty(), "{n}: a cut text is nobody's edit");
        let one = told(&report.packages[0].issues).remove(0);
        assert_eq!((one.action, one.findings.len()), (Action::Unchanged, 0), "{n}: told once");
    }
    assert_eq!((tracker.writes(), text()), (vec![], "fir".into()));
    // A text that did change is written, and cut again.
    let date = "2026/11/20T20:00:00";
    let one =
        Defect { number: "4711", title: "one", description: "other", date, ..Defect::default() };
    site.deliver("ENG26112020000000MFA", &[one]);
    site.run(&tracker, 61).unwrap();
    assert_eq!((tracker.writes().len(), text()), (1, "oth".into()));
}

#[test]
fn a_refused_field_is_held_alone_and_not_tried_again_until_it_changes() {
    for verb in [Verb::Create, Verb::Update] {
        let site = site();
        let tracker = Faulty::new(site.tracker());
        tracker.plan(Planned::always(verb, Trouble::RefuseField("description".to_owned())));
        first(&site);
        site.run(&tracker, 0).unwrap();
        second(&site);
        site.run(&tracker, 1).unwrap();
        let link = site.link("4711");
        let issue = tracker.inner().get(link.key.as_deref().unwrap()).unwrap();
        assert_eq!((issue.comments.len(), issue.attachments.len()), (2, 2), "the rest is there");
        assert!(site.list("deferred").is_empty());
        if verb == Verb::Update {
            assert!(link.base.held.contains_key("in:description"));
        }
        tracker.calls();
        for _ in 0..3 {
            assert!(site.run(&tracker, 61).unwrap().is_idle());
        }
        assert_eq!(tracker.writes(), []);
        if verb == Verb::Update {
            // A person mended it: only this issue is looked at again.
            tracker.heal();
            site.retry("4711");
            site.run(&tracker, 1).unwrap();
            let key = link.key.unwrap();
            let calls = tracker.calls();
            let read: Vec<&str> = calls
                .iter()
                .filter(|(verb, _)| *verb == Verb::GetMany)
                .map(|(_, keys)| keys.as_str())
                .collect();
            assert!(!read.is_empty() && read.iter().all(|keys| *keys == key), "{calls:?}");
            assert_eq!(tracker.inner().get(&key).unwrap().fields.text("description"), "changed");
            assert!(site.run(&tracker, 1).unwrap().is_idle());
        }
    }
}

#[test]
fn a_marker_on_two_issues_is_for_a_person() {
    let site = site();
    let tracker = Faulty::new(site.tracker());
    tracker.plan(Planned::always(Verb::Find, Trouble::Twins));
    first(&site);
    let report = site.run(&tracker, 0).unwrap();
    let told = told(&report.packages[0].issues);
    let finding = told[0].findings.last().unwrap();
    assert_eq!(finding.code, MARKER_TWICE);
    assert!(issues(tracker.inner()).is_empty(), "none is made in their place");
    tracker.heal();
    second(&site);
    site.settle(&tracker);
    converged(&site, &tracker, "sorted out");
}

#[test]
fn what_people_did_before_we_came_is_looked_at_once_and_ours_not_at_all() {
    let site = site();
    let tracker = Counting::new(site.tracker());
    for n in 0..20 {
        let fields = Changes::from([("summary".to_owned(), Value::text(n.to_string()))]);
        tracker.inner.create("", &fields).unwrap();
    }
    first(&site);
    site.run(&tracker, 0).unwrap();
    assert!(!tracker.counts().contains_key("get_many"));
    let key = site.link("4711").key.unwrap();
    let note = NewComment { text: "[TO OEM] seen".into(), ..NewComment::default() };
    tracker.inner.comment(&key, &note).unwrap();
    let report = site.run(&tracker, 1).unwrap();
    assert_eq!(report.sent[0].issues, [key]);
    assert_eq!(tracker.counts()["get_many"], 1);
    assert!(site.run(&tracker, 1).unwrap().is_idle());
    assert!(!tracker.counts().contains_key("get_many"));
}

/// A dry run over a tracker behind a network plans both packages, the second over the first, and
/// writes nothing.
#[test]
fn a_dry_run_plans_over_what_it_planned_and_writes_nothing() {
    let site = site();
    let behind = site.tracker();
    behind.create("", &Changes::new()).unwrap();
    let before = behind.changed_since(None).unwrap().token;
    let clock: std::rc::Rc<dyn engsync::Clock> = site.clock.clone();
    let planned = engsync::tracker::planned::Planned::new(Box::new(site.tracker()), clock);
    first(&site);
    second(&site);
    let report = site.plan(&planned);
    assert_eq!(behind.changed_since(None).unwrap().token, before);
    let keys: Vec<_> = report.packages.iter().flat_map(|p| told(&p.issues)).collect();
    let told: Vec<(&str, Action, Vec<&str>)> = keys
        .iter()
        .map(|issue| {
            let changes = issue.local_changes.iter().map(String::as_str);
            let changes = changes.filter(|field| ["description", "summary"].contains(field));
            (issue.local.as_deref().unwrap(), issue.action, changes.collect())
        })
        .collect();
    let wanted = [
        ("(new 1)", Action::Created, vec!["summary", "description"]),
        ("(new 2)", Action::Created, vec!["summary", "description"]),
        ("(new 1)", Action::Updated, vec!["description"]),
        ("(new 2)", Action::Updated, vec!["summary"]),
    ];
    assert_eq!(told, wanted);
    assert_eq!(report.sent.len(), 1, "what would be sent");
    assert!(site.state.links("oem").unwrap().is_empty() && site.list("done").is_empty());
}

/// It ends between two issues when it is told to; what was done is not done again.
#[test]
fn a_stop_in_the_middle_of_a_batch_is_heeded() {
    let site = site();
    let stop = Stop::default();
    let mut tracker = Counting::new(site.tracker());
    tracker.stop = Some((4, stop.clone()));
    many(&site, FIRST, 10, "2026/11/20T08:00:00", &[]);
    let error = site.run_until(&tracker, &stop).unwrap_err();
    assert_eq!(error.code, engsync::STOPPED);
    assert_eq!(site.state.links("oem").unwrap().len(), 4);
    let tracker = Counting::new(tracker.inner);
    let report = site.run(&tracker, 1).unwrap();
    assert_eq!(report.packages[0].outcome.as_str(), "applied");
    assert_eq!((tracker.counts()["create"], issues(&tracker.inner).len()), (6, 10));
}
