//! Issues that are gone, and trackers that are away.

use super::*;

/// Row 23: the local issue was deleted.
#[test]
fn row_23_a_deleted_issue_follows_the_policy() {
    for gone in [GonePolicy::Hold, GonePolicy::Recreate, GonePolicy::Ignore] {
        let site = Site::new(gone);
        let tracker = Faulty::new(site.tracker());
        first(&site);
        site.run(&tracker, 0).unwrap();
        let key = site.link("4711").key.unwrap();
        tracker.inner().delete(&key).unwrap();
        let swept = site.run(&tracker, 1).unwrap();
        assert_eq!(swept.is_trouble(), gone != GonePolicy::Ignore, "{gone:?}");
        // The answer to its making anew is lost, too.
        tracker.plan(Planned::next(Verb::Create, Trouble::InDoubt));
        second(&site);
        site.run(&tracker, 1).unwrap();
        site.settle(&tracker);
        let found = tracker.inner().find("main/oem:4711").unwrap();
        match gone {
            GonePolicy::Recreate => {
                assert_eq!(found.len(), 1);
                let issue = tracker.inner().get(&found[0]).unwrap();
                assert_eq!(site.link("4711").key.as_ref(), Some(&found[0]));
                assert_eq!((issue.comments.len(), issue.attachments.len()), (2, 2));
            }
            GonePolicy::Hold | GonePolicy::Ignore => assert!(found.is_empty(), "{gone:?}"),
        }
        assert_eq!(tracker.inner().find("main/oem:4712").unwrap().len(), 1);
        tracker.calls();
        assert!(site.run(&tracker, 61).unwrap().is_idle(), "{gone:?}: told once");
        assert_eq!(tracker.writes(), []);
    }
}

/// What was done before the tracker went away is committed and reported, and not done again.
#[test]
fn a_tracker_that_goes_away_in_the_middle_costs_nothing_that_was_done() {
    let site = site();
    let tracker = Faulty::new(site.tracker());
    tracker.plan(Planned::nth(Verb::Create, 6, Trouble::Unavailable));
    many(&site, FIRST, 10, "2026/11/20T08:00:00", &[]);
    let report = site.run(&tracker, 0).unwrap();
    let package = &report.packages[0];
    assert_eq!((package.outcome.as_str(), told(&package.issues).len()), ("deferred", 5));
    assert_eq!(site.state.links("oem").unwrap().len(), 5, "with their bases");
    // What was not come to is not in doubt; the sixth is.
    let doubts = (0..10).filter(|n| !site.state.intents("oem", &n.to_string()).unwrap().is_empty());
    assert_eq!(doubts.count(), 1);
    assert_eq!(report.sent[0].issues.len(), 5, "they are answered already");
    tracker.calls();
    site.settle(&tracker);
    let creates = tracker.writes().iter().filter(|(verb, _)| *verb == Verb::Create).count();
    assert_eq!((creates, issues(tracker.inner()).len()), (5, 10));
}

/// Rows 18 and 22: it is not hammered, it is told once, it goes on by itself.
#[test]
fn rows_18_and_22_a_tracker_that_is_away_costs_a_call_a_run_and_keeps_its_own_pace() {
    let site = site();
    let tracker = Faulty::new(site.tracker());
    first(&site);
    second(&site);
    tracker.plan(Planned::always(Verb::Schema, Trouble::Unavailable));
    let report = site.run(&tracker, 0).unwrap();
    assert!(report.is_trouble());
    assert_eq!(site.list("deferred"), [FIRST, SECOND]);
    assert_eq!(tracker.calls().len(), 1, "for two packages and a sweep");
    let told = report.packages.iter().filter(|package| {
        package.hint.is_some()
            || package.text.as_ref().is_some_and(|text| !text.starts_with("not tried"))
    });
    assert_eq!(told.count(), 1, "one message");
    // Spared, as the service does between its tries: not one call, and no news.
    let spare = Options { spare_tracker: true, ..Options::default() };
    let report = site.run_with(&tracker, 2, spare).unwrap();
    assert!(!report.is_trouble() && tracker.calls().is_empty());
    tracker.heal();
    site.settle(&tracker);
    converged(&site, &tracker, "back again");
    // It asks for an hour.
    tracker.plan(Planned::next(Verb::GetMany, Trouble::Busy(std::time::Duration::from_secs(3600))));
    let date = "2026/11/20T10:00:00";
    let one = Defect { number: "4711", title: "third", date, ..Defect::default() };
    site.deliver(THIRD, &[one]);
    assert!(site.run(&tracker, 1).unwrap().is_trouble());
    tracker.calls();
    for _ in 0..5 {
        assert!(!site.run(&tracker, 11).unwrap().is_trouble());
    }
    assert_eq!((tracker.calls(), site.list("deferred")), (vec![], vec![THIRD.to_owned()]));
    site.run(&tracker, 11).unwrap();
    assert!(site.list("deferred").is_empty());
}

/// Row 21: a search that lags does not see what was made; nothing is made twice, whatever else
/// the package holds goes on.
#[test]
fn row_21_while_it_is_not_certain_nothing_is_made_again() {
    let site = site();
    let tracker = Faulty::new(site.tracker());
    tracker.plan(Planned::next(Verb::Create, Trouble::InDoubt));
    first(&site);
    site.run(&tracker, 0).unwrap();
    assert_eq!(issues(tracker.inner()).len(), 1);
    for _ in 0..3 {
        tracker.plan(Planned::next(Verb::Probe, Trouble::Lagging));
        let report = site.run(&tracker, 61).unwrap();
        let issues = told(&report.packages[0].issues);
        assert_eq!(issues[0].findings.last().unwrap().code, IN_DOUBT);
        assert_eq!(site.list("deferred"), [FIRST]);
    }
    assert_eq!(issues(tracker.inner()).len(), 2, "the other one is there");
    second(&site);
    site.run(&tracker, 61).unwrap();
    site.settle(&tracker);
    converged(&site, &tracker, "lagging");
}
