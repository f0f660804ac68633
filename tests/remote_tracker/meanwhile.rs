//! Row 24: a person edits between our look and our write. Nothing is overwritten that nobody saw.

use super::*;
use engsync::sync::Take;

const RULES: &str = r#"
[[partner.oem.rule]]
kind = "to_local"
local = "summary"
remote = "problem_synopsis"
[[partner.oem.rule]]
kind = "to_local"
local = "description"
remote = "problem_description"
[[partner.oem.rule]]
kind = "tag_local"
local = "labels"
remote = "problem_synopsis"
prefix = "oem-"
[[partner.oem.rule]]
kind = "fill_local"
local = "versions"
remote = "problem_description"
[[partner.oem.rule]]
kind = "two_way"
local = "note"
remote = "problem_description"
[[partner.oem.rule]]
kind = "attachments"
[[partner.oem.rule]]
kind = "comments"
in = true
out_prefix = "[TO OEM]"
"#;

fn deliver(site: &Site, name: &str, hour: u32, title: &str, text: &str) {
    let date = format!("2026/11/20T{hour:02}:00:00");
    let one = Defect {
        number: "4711",
        title,
        description: text,
        annotations: &["please check"],
        date: &date,
        ..Defect::default()
    };
    site.deliver(name, &[one]);
}

/// An issue that was taken in, and one change of it that waits; somebody edits `field` just
/// before it is written. The rule of `note` has this more.
fn scene(field: &str, to: &str, note: &str) -> (Site, Faulty<Embedded>) {
    let rules = RULES.replace("\"note\"\n", &format!("\"note\"\n{note}\n"));
    let site = Site::with(GonePolicy::Hold, &rules);
    let tracker = Faulty::new(site.tracker());
    deliver(&site, FIRST, 8, "one", "first");
    site.run(&tracker, 0).unwrap();
    site.settle(&tracker);
    let value = if field == "labels" {
        Value::list(["oem-one".to_owned(), to.to_owned()].into())
    } else {
        Value::text(to)
    };
    tracker.plan(Planned::next(Verb::Update, Trouble::EditedBefore(field.to_owned(), value)));
    deliver(&site, SECOND, 9, "two", "second");
    (site, tracker)
}

fn now(tracker: &Faulty<Embedded>, field: &str) -> String {
    issues(tracker.inner()).remove(0).fields.text(field)
}

/// What the other rules did, and that all is at rest.
fn rests(site: &Site, tracker: &Faulty<Embedded>, edited: &str) {
    for (field, value) in
        [("summary", "two"), ("description", "second"), ("labels", "oem-two"), ("note", "second")]
    {
        if field != edited {
            assert_eq!(now(tracker, field), value, "{field} beside {edited}");
        }
    }
    assert_eq!(issues(tracker.inner())[0].comments.len(), 1, "{edited}");
    assert_eq!(site.list("done").len(), 2, "{edited}: nothing is tried again for it");
    assert!(site.link("4711").base.held.is_empty(), "{edited}");
    tracker.calls();
    for _ in 0..2 {
        assert!(site.run(tracker, 61).unwrap().is_idle(), "{edited}");
    }
    assert_eq!(tracker.writes(), [], "{edited}");
}

#[test]
fn row_24_an_edit_between_reading_and_writing_is_a_conflict_and_not_overwritten() {
    for field in ["description", "note"] {
        let (site, tracker) = scene(field, "a person's", "");
        let report = site.run(&tracker, 1).unwrap();
        assert!(report.is_trouble(), "{field}: it is told");
        let told = told(&report.packages[0].issues);
        assert_eq!(told[0].action, Action::Updated, "{field}: the rest is there");
        assert!(told[0].local_changes.iter().all(|changed| changed != field));
        let found: Vec<&str> = told[0].conflicts.iter().map(|found| &*found.kind).collect();
        assert_eq!(found, ["both-changed"], "{field}");
        assert_eq!(now(&tracker, field), "a person's");
        rests(&site, &tracker, field);
        let id = told[0].conflicts[0].id;
        let row = site.state.conflict::<engsync::sync::conflict::Conflict>(id).unwrap().unwrap();
        let values = [&row.record.base, &row.record.local, &row.record.remote];
        let values = values.map(|value| value.as_ref().map(Value::to_string).unwrap_or_default());
        assert_eq!(values, ["first", "a person's", "second"], "{field}");
        assert_eq!(row.record.remote_field, "problem_description");
        // Delivered again, it stays one conflict, and nobody's value is touched.
        deliver(&site, THIRD, 10, "two", "second");
        assert!(!site.run(&tracker, 61).unwrap().is_trouble(), "{field}: it is told once");
        assert_eq!(now(&tracker, field), "a person's");
        // With a new value the record has it.
        deliver(&site, "ENG26112011000000MFA", 11, "two", "third");
        assert!(site.run(&tracker, 61).unwrap().is_trouble(), "{field}");
        let row = site.state.conflict::<engsync::sync::conflict::Conflict>(id).unwrap().unwrap();
        assert_eq!(row.record.remote, Value::text("third"), "{field}");
    }
}

#[test]
fn row_24_a_person_decides_and_that_lasts() {
    for (take, wanted) in [(Take::Local, "a person's"), (Take::Remote, "second")] {
        for field in ["description", "note"] {
            let (site, tracker) = scene(field, "a person's", "");
            let report = site.run(&tracker, 1).unwrap();
            let id = told(&report.packages[0].issues)[0].conflicts[0].id;
            site.resolve(&tracker, id, &take);
            assert_eq!(now(&tracker, field), wanted, "{field}");
            site.run(&tracker, 1).unwrap();
            // The same, delivered again, does not undo it; something new is taken.
            deliver(&site, THIRD, 10, "two", "second");
            assert!(!site.run(&tracker, 61).unwrap().is_trouble(), "{field}");
            assert_eq!(now(&tracker, field), wanted, "{field}");
            deliver(&site, "ENG26112011000000MFA", 11, "two", "third");
            let report = site.run(&tracker, 61).unwrap();
            if (field, &take) == ("note", &Take::Local) {
                // Ours was sent and not taken over: that is both-changed anew.
                assert!(report.is_trouble());
                continue;
            }
            assert!(!report.is_trouble(), "{field}");
            assert_eq!(now(&tracker, field), "third", "{field} {take:?}");
        }
    }
}

#[test]
fn row_24_a_policy_decides_at_once() {
    for (policy, here, sent) in [("remote", "second", false), ("local", "a person's", true)] {
        let (site, tracker) = scene("note", "a person's", &format!("conflict = {policy:?}"));
        let report = site.run(&tracker, 1).unwrap();
        let outcome = told(&report.packages[0].issues).remove(0);
        assert!(!report.is_trouble(), "{policy}: {outcome:?}");
        assert_eq!(now(&tracker, "note"), here, "{policy}");
        assert_eq!(!report.sent.is_empty(), sent, "{policy}: the partner is told");
        rests(&site, &tracker, "note");
    }
}

/// Rules that own a part of a field, or none that has a value, see what is there now.
#[test]
fn row_24_what_is_only_added_to_is_added_to_what_is_there_now() {
    let (site, tracker) = scene("labels", "a person's", "");
    assert!(!site.run(&tracker, 1).unwrap().is_trouble());
    assert_eq!(now(&tracker, "labels"), "a person's, oem-two");
    rests(&site, &tracker, "labels");
}

/// Somebody who is faster each time keeps their value; it is held, and the rest is there.
#[test]
fn row_24_somebody_who_is_always_faster_is_not_overwritten() {
    let (site, tracker) = scene("note", "again", "conflict = \"remote\"");
    tracker.heal();
    for n in 1..9 {
        let value = Value::text(format!("edit {n}"));
        let edited = Trouble::EditedBefore("note".to_owned(), value);
        tracker.plan(Planned::nth(Verb::Update, n, edited));
    }
    let report = site.run(&tracker, 1).unwrap();
    assert!(report.is_trouble());
    assert_eq!(now(&tracker, "note"), "edit 3", "three times is enough");
    assert_eq!(site.link("4711").base.held["in:note"].code, "tracker-refused");
    assert_eq!(now(&tracker, "summary"), "two");
}

/// Rows 20 and 26 at once: the answer to a write is lost, and the tracker keeps the text in its
/// own way. Nobody edited anything.
#[test]
fn rows_20_and_26_a_lost_write_that_comes_back_otherwise_is_nobodys_edit() {
    for field in ["note", "description"] {
        let site = Site::with(GonePolicy::Hold, RULES);
        let tracker = Faulty::new(site.tracker());
        deliver(&site, FIRST, 8, "one", "first");
        site.run(&tracker, 0).unwrap();
        site.settle(&tracker);
        tracker.plan(Planned::next(Verb::Update, Trouble::InDoubt));
        deliver(&site, SECOND, 9, "one", "second  \nline 🚗");
        assert!(site.run(&tracker, 1).unwrap().is_trouble());
        // What the tracker made of what it was sent.
        let key = issues(tracker.inner()).remove(0).id;
        let made = Changes::from([(field.to_owned(), Value::text("second\r\nline ?"))]);
        tracker.inner().update(&key, &made, None).unwrap();
        let report = site.run(&tracker, 61).unwrap();
        assert!(!report.is_trouble(), "{field}: {:?}", told(&report.packages[0].issues));
        let journal = site.journal("4711");
        assert!(journal.iter().any(|(name, _)| name == field), "{field}");
        site.settle(&tracker);
        assert!(site.link("4711").base.held.is_empty());
        tracker.calls();
        assert!(site.run(&tracker, 61).unwrap().is_idle());
        assert_eq!(tracker.writes(), []);
    }
}

/// What a person made of it is a conflict, as it is not what was sent and not what was there.
#[test]
fn row_20_a_lost_write_that_somebody_edited_since_is_a_conflict() {
    let site = Site::with(GonePolicy::Hold, RULES);
    let tracker = Faulty::new(site.tracker());
    deliver(&site, FIRST, 8, "one", "first");
    site.run(&tracker, 0).unwrap();
    site.settle(&tracker);
    tracker.plan(Planned::next(Verb::Update, Trouble::InDoubt));
    deliver(&site, SECOND, 9, "one", "second");
    site.run(&tracker, 1).unwrap();
    let key = issues(tracker.inner()).remove(0).id;
    let made = Changes::from([("note".to_owned(), Value::text("second, but not quite"))]);
    tracker.inner().update(&key, &made, None).unwrap();
    let report = site.run(&tracker, 61).unwrap();
    assert_eq!(told(&report.packages[0].issues)[0].conflicts.len(), 1);
    assert_eq!(now(&tracker, "note"), "second, but not quite");
}
