//! The double meets the troubles that were planned, and no others.

use super::*;
use engsync::Result;
use engsync::tracker::double::{Planned, Trouble, Verb};

/// Every verb once; `ISS-1` with a comment and a file is there.
fn every(tracker: &dyn Tracker) -> Vec<(Verb, Result<()>)> {
    let set = changes(&[("summary", text("t"))]);
    let photo = file("new", b"new");
    vec![
        (Verb::Schema, tracker.schema().map(drop)),
        (Verb::GetMany, tracker.get_many(&["ISS-1".to_owned()]).map(drop)),
        (Verb::Find, tracker.find("main/p:1").map(drop)),
        (Verb::BeforeCreate, tracker.before_create().map(drop)),
        (Verb::Probe, tracker.probe(&["main/p:1"], "").map(drop)),
        (Verb::Create, tracker.create("main/p:2", &set).map(drop)),
        (Verb::Update, tracker.update("ISS-1", &set, None).map(drop)),
        (Verb::Comment, tracker.comment("ISS-1", &note("new", "n")).map(drop)),
        (Verb::EditComment, tracker.edit_comment("ISS-1", "1", "edited")),
        (Verb::DeleteComment, tracker.delete_comment("ISS-1", "1")),
        (Verb::Prepare, tracker.prepare(&photo)),
        (Verb::Attach, tracker.attach("ISS-1", &photo)),
        (Verb::Detach, tracker.detach("ISS-1", "old")),
        (Verb::ChangedSince, tracker.changed_since(None).map(drop)),
        (Verb::Mark, tracker.mark("ISS-1", None)),
    ]
}

fn start() -> Subject<Faulty<Embedded>> {
    let Subject { tracker, dir } = overlay();
    make(&tracker, "main/p:1");
    tracker.comment("ISS-1", &note("old", "o")).unwrap();
    tracker.attach("ISS-1", &file("old", b"old")).unwrap();
    Subject { tracker: Faulty::new(tracker), dir }
}

#[test]
fn nothing_goes_wrong_by_itself_and_calls_are_remembered() {
    let subject = start();
    let done = every(&subject.tracker);
    assert!(done.iter().all(|(_, result)| result.is_ok()));
    let verbs: Vec<Verb> = done.iter().map(|(verb, _)| *verb).collect();
    let calls = subject.tracker.calls();
    assert_eq!(calls.iter().map(|(verb, _)| *verb).collect::<Vec<_>>(), verbs);
    assert_eq!(calls[5], (Verb::Create, "main/p:2".to_owned()));
    every(&subject.tracker);
    assert_eq!(subject.tracker.writes().len(), 8);
    assert!(subject.tracker.calls().is_empty());
}

#[test]
fn each_trouble_strikes_its_verb_once() {
    let cases = [
        (Trouble::Unavailable, Fault::Wait),
        (Trouble::InDoubt, Fault::Wait),
        (Trouble::Rejected, Fault::Item),
        (Trouble::Broken, Fault::Setup),
    ];
    for (trouble, fault) in cases {
        for verb in every(&start().tracker).into_iter().map(|(verb, _)| verb) {
            let Subject { tracker, dir: _dir } = start();
            tracker.plan(Planned::next(verb, trouble.clone()));
            for (called, result) in every(&tracker) {
                let met = result.err().map(|error| error.fault);
                let wanted = (called == verb).then_some(fault);
                assert_eq!(met, wanted, "{trouble:?} at {verb:?}, calling {called:?}");
            }
            assert!(tracker.heal().is_empty(), "it was met");
        }
    }
}

/// What is not an error of a call: how long to wait, a search that lags, twins, a check that fails.
#[test]
fn each_other_kind_of_trouble_is_met_once() {
    let Subject { tracker, dir: _dir } = start();
    let hour = std::time::Duration::from_secs(3600);
    for verb in every(&tracker).into_iter().map(|(verb, _)| verb) {
        let Subject { tracker, dir: _dir } = start();
        tracker.plan(Planned::next(verb, Trouble::Busy(hour)));
        for (called, result) in every(&tracker) {
            let waits = result.err().and_then(|error| error.retry_after);
            assert_eq!(waits, (called == verb).then_some(hour), "{verb:?}");
        }
    }
    let Subject { tracker, dir: _dir } = start();
    let (there, absent) = (Probed::Found(vec!["ISS-1".into()]), Probed::Absent);
    let probe = || tracker.probe(&["main/p:1", "main/p:9"], "").unwrap();
    tracker.plan(Planned::next(Verb::Probe, Trouble::Lagging));
    assert_eq!(probe(), [Probed::Unsure, Probed::Unsure]);
    assert_eq!(probe(), [there, absent]);
    tracker.plan(Planned::next(Verb::Find, Trouble::Twins));
    assert_eq!(tracker.find("main/p:1").unwrap().len(), 2);
    assert_eq!(tracker.find_many(&["main/p:1"]).unwrap(), [["ISS-1"]]);
    tracker.plan(Planned::next(Verb::Check, Trouble::Unavailable));
    let failed = |checked: Vec<engsync::tracker::Checked>| {
        checked.into_iter().filter_map(|checked| checked.found.err()).count()
    };
    assert_eq!((failed(tracker.check()), failed(tracker.check())), (1, 0));
}

/// Orders meet the troubles of the verbs they consist of.
#[test]
fn orders_meet_the_troubles_of_their_verbs() {
    for (verb, made) in [(Verb::Create, 0), (Verb::Comment, 1), (Verb::Attach, 1)] {
        let subject = doubled();
        subject.tracker.plan(Planned::next(verb, Trouble::Unavailable));
        let photo = file("photo.jpg", b"jpeg");
        let order = |n: u32| Order {
            marker: format!("main/p:{n}"),
            comments: vec![note("c", "t")],
            files: vec![&photo],
            ..Order::default()
        };
        let receipts = subject.tracker.write_many(&[order(1), order(2)], &|| true);
        assert_eq!(receipts[0].error.as_ref().unwrap().fault, Fault::Wait, "{verb:?}");
        assert!(!receipts[1].tried, "{verb:?}: no further order is begun");
        assert_eq!(subject.tracker.find("main/p:1").unwrap().len(), made, "{verb:?}");
    }
}

#[test]
fn in_doubt_is_done_and_unavailable_is_not() {
    for (trouble, done) in [(Trouble::InDoubt, 1), (Trouble::Unavailable, 0)] {
        let subject = doubled();
        subject.tracker.plan(Planned::next(Verb::Create, trouble));
        let error = subject.tracker.create("main/p:1", &Changes::new()).unwrap_err();
        assert_eq!(error.fault, Fault::Wait);
        assert_eq!(subject.tracker.find("main/p:1").unwrap().len(), done);
    }
}

#[test]
fn fields_are_refused_cut_and_edited_meanwhile() {
    let subject = doubled();
    let tracker = &subject.tracker;
    tracker.plan(Planned::always(Verb::Update, Trouble::RefuseField("labels".to_owned())));
    let key = make(tracker, "main/p:1");
    let set = changes(&[("labels", list(&["a"])), ("summary", text("änderung"))]);
    for _ in 0..2 {
        let written = tracker.update(&key, &set, None).unwrap();
        assert_eq!(written.refused.len(), 1);
        assert_eq!(
            (written.refused[0].field.as_str(), written.refused[0].code),
            ("labels", TRACKER_REFUSED)
        );
        assert_eq!(written.issue.fields.text("summary"), "änderung");
    }
    assert_eq!(tracker.heal().len(), 1);
    tracker.plan(Planned::next(Verb::Create, Trouble::Truncate("summary".to_owned(), 3)));
    let written = tracker.create("main/p:2", &set).unwrap();
    assert_eq!((written.refused, written.issue.fields.text("summary")), (vec![], "änd".into()));
    let meanwhile = Trouble::EditedBefore("summary".to_owned(), text("edited"));
    tracker.plan(Planned::nth(Verb::Update, 2, meanwhile));
    let expected = changes(&[("summary", text("änderung"))]);
    let want = |word| changes(&[("summary", text(word))]);
    assert_eq!(tracker.update(&key, &want("änderung"), Some(&expected)).unwrap().refused, []);
    let written = tracker.update(&key, &want("new"), Some(&expected)).unwrap();
    assert_eq!((written.refused.len(), written.issue.fields.text("summary")), (1, "edited".into()));
}
