//! What a tracker refused, and what was interrupted: done once, when it can be.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod histories {
    pub(crate) mod world;
}

use engsync::tracker::double::{Planned, Trouble, Verb};
use histories::world::{World, refuse};

#[test]
fn what_the_tracker_refused_is_not_tried_again_until_it_changes() {
    let mut world = World::new(true, "manual", false);
    world.theirs[0].shared = Some("v0".to_owned());
    world.trouble(Planned::always(Verb::Create, refuse("shared")));
    world.trouble(Planned::always(Verb::Update, refuse("shared")));
    let delivers = |world: &mut World| {
        world.export(0);
        let export = world.exports.remove(0);
        assert!(world.deliver(&export));
        world.tracker.writes().len()
    };
    assert_eq!(delivers(&mut world), 1, "made without the field");
    assert_eq!(delivers(&mut world), 0, "the same value");
    world.theirs[0].shared = Some("v1".to_owned());
    assert_eq!(delivers(&mut world), 1, "another one");
    assert_eq!(delivers(&mut world), 0);
    world.tracker.heal();
    world.retry();
    assert_eq!(world.local(0).unwrap().fields.text("shared"), "v1".to_owned());
}

#[test]
fn what_a_create_was_to_write_is_written_after_it_was_interrupted() {
    // Where it is interrupted; whether it happened all the same.
    let cases = [
        (Verb::Create, Trouble::InDoubt),
        (Verb::Create, Trouble::Unavailable),
        (Verb::Comment, Trouble::InDoubt),
        (Verb::Comment, Trouble::Unavailable),
        (Verb::Attach, Trouble::InDoubt),
        (Verb::Attach, Trouble::Unavailable),
    ];
    for (verb, trouble) in cases {
        let mut world = World::new(false, "manual", false).and(
            r#"
            [[rule]]
            kind = "gate"
            local = "assignee"
            is_set = true
            [[rule]]
            kind = "fill_local"
            local = "priority"
            default = "Minor"
            when = ["create"]
            [[rule]]
            kind = "field_to_comment"
            remote = "problem_synopsis"
            headline = "Asked for:"
            when = ["create"]
            [[rule]]
            kind = "default_comment"
            text = "Please assign."
            when = ["create"]
            "#,
        );
        world.theirs[0].files = vec![("trace.txt".into(), "bytes".into())];
        world.export(0);
        let export = world.exports.remove(0);
        world.trouble(Planned::next(verb, trouble.clone()));
        assert!(!world.deliver(&export), "{verb:?} {trouble:?}");
        assert!(world.deliver(&export), "{verb:?} {trouble:?}");
        let local = world.local(0).unwrap();
        let texts: Vec<&str> = local.comments.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(texts, ["Asked for:\n\nfirst"], "{verb:?} {trouble:?}");
        assert_eq!(local.attachments.len(), 1, "{verb:?} {trouble:?}");
        assert_eq!(local.fields.text("priority"), "Minor");
        // From then on it is an issue like any other: behind its gate.
        world.tracker.calls();
        world.export(0);
        let export = world.exports.remove(0);
        world.deliver(&export);
        assert_eq!(world.tracker.writes(), [], "{verb:?} {trouble:?}");
        assert!(world.link(0).unwrap().pending.is_some(), "{verb:?} {trouble:?}");
    }
}

#[test]
fn what_was_typed_into_an_issue_half_made_is_not_overwritten() {
    let mut world = World::new(false, "manual", false);
    world.theirs[0].types(Some("v0".to_owned()));
    world.theirs[0].files = vec![("trace.txt".into(), "bytes".into())];
    world.export(0);
    let whole = world.exports.remove(0);
    world.trouble(Planned::next(Verb::Attach, Trouble::Unavailable));
    assert!(!world.deliver(&whole));
    world.set(0, "shared", "v2");
    assert!(world.deliver(&whole));
    assert_eq!(world.local(0).unwrap().fields.text("shared"), "v2".to_owned());
    let conflicts = world.state.open_conflicts::<serde_json::Value>("oem", "0").unwrap();
    assert_eq!(conflicts[0].record["kind"], "no-base");
}

#[test]
fn a_refused_file_is_held_once_and_not_tried_again_until_it_changes() {
    let mut world = World::new(false, "manual", false);
    world.trouble(Planned::always(Verb::Attach, Trouble::Rejected));
    let delivers = |world: &mut World, text: &str| {
        world.theirs[0].files = vec![("trace.txt".into(), text.into())];
        world.export(0);
        let export = world.exports.remove(0);
        assert!(world.deliver(&export));
        world.tracker.writes().into_iter().filter(|(verb, _)| *verb == Verb::Attach).count()
    };
    assert_eq!(delivers(&mut world, "one"), 1);
    assert_eq!(delivers(&mut world, "one"), 0, "the same content");
    assert_eq!(delivers(&mut world, "two"), 1, "another one");
    let held = world.link(0).unwrap().base.held;
    assert_eq!(
        held["in:attachments/trace.txt"].package.as_deref(),
        Some("ENG00000000000000003MFA")
    );
    world.tracker.heal();
    assert_eq!(delivers(&mut world, "three"), 1);
    assert!(world.link(0).unwrap().base.held.is_empty(), "what was attached is not held");
}
