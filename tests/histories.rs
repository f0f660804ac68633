//! Random histories of both sides, with everything that can go wrong between them: documents that
//! are lost, late, repeated or out of order, answers that come twice, a tracker that is away, that
//! does not answer in time, that refuses fields. In the end, when the partner exports once more and
//! somebody decided what waits for a decision, both sides agree; a further run does nothing; no
//! comment or file is there twice; and no value was overwritten without a row in the journal or the
//! record of a conflict.
//!
//! The tracker is the embedded one in memory, once sharing the state's transactions and once not,
//! as a tracker elsewhere would.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "proptest's own variables say how many cases")]

mod histories {
    pub(crate) mod world;
}

use std::collections::BTreeSet;

use engsync::sync::Take;
use engsync::tracker::double::{Planned, Trouble, Verb};
use histories::world::{World, refuse, sha256};
use proptest::prelude::*;

/// What happens next; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    // The partner.
    Title(usize, u8),
    Theirs(usize, Option<u8>),
    TheirComment(usize, u8, bool),
    TheirFile(usize, u8, u8),
    Export(usize),
    // Between.
    Deliver(usize),
    Repeat(usize),
    Lose(usize),
    Answers(bool),
    // Us.
    Run,
    Ours(usize, Option<u8>),
    Summary(usize, u8),
    Status(usize, usize),
    OurComment(usize, u8, bool),
    Edit(usize, usize, u8),
    Delete(usize, usize),
    OurFile(usize, u8, u8),
    Decide(usize, usize),
    Undo(usize),
    Trouble(usize, usize),
}

const STATUS: [&str; 4] = ["Open", "Working", "Odd", "Closed"];
const VERBS: [Verb; 8] = [
    Verb::GetMany,
    Verb::Find,
    Verb::Create,
    Verb::Update,
    Verb::Comment,
    Verb::Prepare,
    Verb::Attach,
    Verb::ChangedSince,
];

fn step() -> impl Strategy<Value = Step> {
    let number = || 0..2_usize;
    // Some values are typed on both sides, some on one.
    let value = |from: u8| prop::option::weighted(0.85, from..from + 4);
    let which = || 0..6_usize;
    prop_oneof![
        1 => (number(), 0..3_u8).prop_map(|(n, v)| Step::Title(n, v)),
        3 => (number(), value(0)).prop_map(|(n, v)| Step::Theirs(n, v)),
        1 => (number(), 0..9_u8, any::<bool>()).prop_map(|(n, v, p)| Step::TheirComment(n, v, p)),
        1 => (number(), 0..2_u8, 0..3_u8).prop_map(|(n, f, v)| Step::TheirFile(n, f, v)),
        5 => number().prop_map(Step::Export),
        6 => which().prop_map(Step::Deliver),
        1 => which().prop_map(Step::Repeat),
        1 => which().prop_map(Step::Lose),
        3 => any::<bool>().prop_map(Step::Answers),
        5 => Just(Step::Run),
        3 => (number(), value(2)).prop_map(|(n, v)| Step::Ours(n, v)),
        1 => (number(), 0..3_u8).prop_map(|(n, v)| Step::Summary(n, v)),
        2 => (number(), 0..STATUS.len()).prop_map(|(n, v)| Step::Status(n, v)),
        1 => (number(), 0..9_u8, any::<bool>()).prop_map(|(n, v, p)| Step::OurComment(n, v, p)),
        1 => (number(), which(), 0..9_u8).prop_map(|(n, c, v)| Step::Edit(n, c, v)),
        1 => (number(), which()).prop_map(|(n, c)| Step::Delete(n, c)),
        1 => (number(), 0..2_u8, 0..3_u8).prop_map(|(n, f, v)| Step::OurFile(n, f, v)),
        1 => (number(), 0..4_usize).prop_map(|(n, t)| Step::Decide(n, t)),
        1 => number().prop_map(Step::Undo),
        2 => (0..VERBS.len(), 0..6_usize).prop_map(|(v, t)| Step::Trouble(v, t)),
    ]
}

fn value(value: u8) -> String {
    format!("v{value}")
}

fn takes(n: usize) -> Take {
    [Take::Remote, Take::Local, Take::Base, Take::Value("decided".to_owned())][n % 4].clone()
}

fn act(world: &mut World, step: &Step, past: &mut Vec<histories::world::Export>) {
    match step {
        Step::Title(n, v) => world.theirs[*n].title = format!("title {v}"),
        Step::Theirs(n, v) => world.theirs[*n].types(v.map(value)),
        Step::TheirComment(n, v, prefixed) => {
            let prefix = if *prefixed { "[TO OEM] " } else { "" };
            let count = world.theirs[*n].comments.len();
            world.theirs[*n].comments.push(format!("{prefix}theirs {count} {v}"));
        }
        Step::TheirFile(n, f, v) => {
            // One of them begins like a file for the partner.
            let (name, text) =
                (["trace.txt", "oem-log.txt"][usize::from(*f)], format!("bytes {v}"));
            let files = &mut world.theirs[*n].files;
            files.retain(|(other, _)| other != name);
            files.push((name.to_owned(), text));
        }
        Step::Export(n) => world.export(*n),
        Step::Deliver(n) if !world.exports.is_empty() => {
            world.take_pending();
            let export = world.exports.remove(n % world.exports.len());
            if world.deliver(&export) {
                past.push(export);
            } else {
                world.exports.push(export);
            }
        }
        Step::Repeat(n) if !past.is_empty() => {
            world.take_pending();
            let export = past[n % past.len()].clone();
            world.deliver(&export);
        }
        Step::Lose(n) if !world.exports.is_empty() => {
            world.exports.remove(n % world.exports.len());
        }
        Step::Answers(twice) => world.answers_arrive(*twice),
        Step::Run => {
            world.take_pending();
            world.sweep_and_freeze();
        }
        Step::Ours(n, v) => world.set(*n, "shared", &v.map(value).unwrap_or_default()),
        Step::Summary(n, v) => world.set(*n, "summary", &format!("edited {v}")),
        Step::Status(n, v) => world.set(*n, "status", STATUS[*v]),
        Step::OurComment(n, v, prefixed) => {
            let prefix = if *prefixed { "[TO OEM] " } else { "" };
            world.comment(*n, format!("{prefix}ours {v}"));
        }
        Step::Edit(n, c, v) => world.change_comment(*n, *c, Some(&format!("[TO OEM]edited {v}"))),
        Step::Delete(n, c) => world.change_comment(*n, *c, None),
        Step::OurFile(n, f, v) => {
            let name = ["oem-mine.txt", "internal.txt"][usize::from(*f)];
            world.attach(*n, name, &format!("mine {v}"));
        }
        Step::Decide(n, take) => world.decide(*n, Some(&takes(*take))),
        Step::Undo(n) => world.decide(*n, None),
        Step::Trouble(verb, trouble) => {
            let trouble = match trouble {
                0 | 1 => Trouble::Unavailable,
                2 => Trouble::InDoubt,
                3 => Trouble::Rejected,
                4 => refuse("summary"),
                _ => refuse("shared"),
            };
            world.trouble(Planned::next(VERBS[*verb], trouble));
        }
        Step::Deliver(_) | Step::Repeat(_) | Step::Lose(_) => {}
    }
}

/// Everything is delivered in the end.
fn settle(world: &mut World, take: usize) {
    world.tracker.heal();
    world.take_pending();
    while !world.exports.is_empty() {
        let export = world.exports.remove(0);
        assert!(world.deliver(&export), "nothing is in the way any more");
    }
    for number in 0..2 {
        if world.local(number).is_some_and(|local| local.fields.text("status") == "Closed") {
            world.set(number, "status", "Open");
        }
    }
    world.take_pending();
    world.retry();
    world.answers_arrive(false);
    for round in 0.. {
        assert!(round < 8, "it does not come to rest");
        for number in 0..2 {
            world.decide(number, Some(&takes(take)));
            world.export(number);
            let export = world.exports.remove(0);
            assert!(world.deliver(&export));
        }
        let said = world.sweep_and_freeze();
        world.answers_arrive(false);
        let open = (0..2).any(|number| {
            let number = number.to_string();
            let open = world.state.open_conflicts::<serde_json::Value>("oem", &number).unwrap();
            !open.is_empty()
        });
        if !said && !open {
            break;
        }
    }
}

fn assert_agreed(world: &World) {
    for number in 0..2 {
        let theirs = &world.theirs[number];
        let local = world.local(number).unwrap();
        assert_eq!(local.fields.text("summary"), theirs.title);
        let ours = local.fields.get("shared").map(ToString::to_string);
        let kept = theirs.shared.is_none() && !world.clear;
        // The partner took our value and went back to its old one between two exports: to us that
        // is an export which has not caught up, and nothing happens until it changes.
        let base = world.link(number).unwrap().base;
        let sent = base.sent.unwrap_or_default();
        let told = sent.fields.get("reproducibility").map(ToString::to_string);
        let cleared = sent.cleared.contains("reproducibility");
        let said = (told.is_some() || cleared) && told == ours;
        let delivered = base.delivered.get("reproducibility").map(ToString::to_string);
        let behind = said && delivered == theirs.shared;
        assert!(
            kept || behind || ours == theirs.shared,
            "{ours:?} here, {:?} there",
            theirs.shared
        );
        let status = local.fields.text("status");
        let said = match status.as_str() {
            "Open" => "RECEIVED",
            "Working" => "ESTIMATED",
            _ => theirs.status.as_str(),
        };
        assert_eq!(theirs.status, said, "for {status}");
        // Comments: each of theirs once here, each of ours for them once there.
        let link = world.link(number).unwrap();
        let imported: BTreeSet<&String> = link.base.comments_in.values().collect();
        for text in &theirs.comments {
            let times = local.comments.iter().filter(|comment| comment.text == *text).count();
            assert_eq!(times, 1, "{text:?}");
        }
        let own = local.comments.iter().filter(|comment| !imported.contains(&comment.id));
        let told: Vec<&str> = own
            .filter_map(|comment| comment.text.strip_prefix("[TO OEM]"))
            .map(str::trim_start)
            .collect();
        assert_eq!(theirs.told, told);
        // Files: what they have is here, no content twice; what is for them is there.
        let shas: Vec<String> =
            local.attachments.iter().map(|file| file.known_digest().unwrap().to_string()).collect();
        for (name, text) in &theirs.files {
            assert!(shas.contains(&sha256(text)), "{name} is not here");
        }
        let stem = |name: &str| name.split([' ', '.']).next().unwrap().to_owned();
        let known: BTreeSet<(String, &String)> =
            local.attachments.iter().map(|file| stem(&file.name)).zip(&shas).collect();
        assert_eq!(known.len(), shas.len(), "a file is here twice: {:?}", local.attachments);
        for (file, sha256) in local.attachments.iter().zip(&shas) {
            let theirs_own = file.name.starts_with("oem-log");
            let for_them = file.name.starts_with("oem-") && !theirs_own;
            assert_eq!(theirs.got.get(&file.name) == Some(sha256), for_them, "{}", file.name);
        }
    }
}

/// A further run over what was delivered already does nothing.
fn assert_idle(world: &mut World) {
    let journal = |world: &World| world.journal(0).len() + world.journal(1).len();
    let conflicts = |world: &World| world.state.conflicts::<serde_json::Value>().unwrap().len();
    let before = (journal(world), conflicts(world));
    world.tracker.calls();
    for number in 0..2 {
        world.export(number);
        let export = world.exports.remove(0);
        assert!(world.deliver(&export));
        assert!(world.deliver(&export));
    }
    assert!(!world.sweep_and_freeze(), "nothing is owed");
    assert_eq!(world.tracker.writes(), []);
    assert_eq!((journal(world), conflicts(world)), before);
}

fn history(shared: bool, policy: &str, clear: bool, steps: &[Step], take: usize) {
    let mut world = World::new(shared, policy, clear);
    let mut past = Vec::new();
    for step in steps {
        act(&mut world, step, &mut past);
    }
    assert_eq!(world.shares_state(), shared);
    settle(&mut world, take);
    assert_agreed(&world);
    assert_idle(&mut world);
}

/// 600 histories, others in every run; `PROPTEST_CASES` and `PROPTEST_RNG_SEED` say otherwise. One
/// that fails is printed, made short, and belongs among those that went wrong once.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 600;
    }
    config.max_shrink_iters = 4000;
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn both_sides_agree_in_the_end_and_nothing_is_lost_or_doubled(
        shared in any::<bool>(),
        policy in prop::sample::select(vec!["manual", "remote", "local", "first", "append"]),
        clear in any::<bool>(),
        steps in prop::collection::vec(step(), 5..60),
        take in 0..4_usize,
    ) {
        history(shared, policy, clear, &steps, take);
    }
}

/// Histories that once went wrong: whether state and tracker share transactions, the policy,
/// whether an emptied value goes through, the steps.
#[test]
fn histories_that_went_wrong_once_end_well() {
    use Step::*;
    let cases: [(bool, &str, bool, &[Step]); 14] = [
        // Made, but the file failed; then somebody types over what was written.
        (
            false,
            "manual",
            false,
            &[TheirFile(1, 0, 0), Export(1), Trouble(6, 0), Deliver(0), Summary(1, 0)],
        ),
        // A late document, and an edit of the partner's field.
        (false, "manual", false, &[Export(0), Export(0), Deliver(1), Title(0, 1), Summary(0, 0)]),
        // A file that begins like one of ours comes in two versions.
        (false, "manual", false, &[TheirFile(0, 1, 0), Export(0), TheirFile(0, 1, 1)]),
        // It is attached, but the tracker's answer is lost, and then we look for local changes.
        (
            false,
            "manual",
            false,
            &[Export(0), Deliver(0), TheirFile(0, 1, 0), Export(0), Trouble(6, 2), Deliver(0), Run],
        ),
        // The fields are written, but the answer is lost; then a gate shuts.
        (
            false,
            "manual",
            false,
            &[
                Export(1),
                Deliver(0),
                Title(1, 0),
                Export(1),
                Trouble(3, 2),
                Deliver(0),
                Status(1, 3),
            ],
        ),
        // Made, but the file failed; the value is known on both sides at the second try.
        (
            false,
            "manual",
            false,
            &[
                Theirs(1, Some(1)),
                TheirFile(1, 0, 0),
                Export(1),
                Trouble(6, 0),
                Deliver(0),
                Deliver(0),
                Ours(1, None),
            ],
        ),
        // Both changed, and ours is empty.
        (
            true,
            "local",
            true,
            &[Theirs(0, Some(0)), Export(0), Deliver(0), Ours(0, None), Theirs(0, Some(1))],
        ),
        // A file, then a comment, that begins like one of ours is written, but the answer is lost;
        // and before the document comes again, another one does.
        (
            false,
            "manual",
            false,
            &[
                Trouble(6, 2),
                Export(0),
                Export(0),
                TheirFile(0, 1, 0),
                Export(0),
                Deliver(0),
                Deliver(1),
                Deliver(0),
                Title(0, 0),
                Run,
            ],
        ),
        (
            false,
            "manual",
            false,
            &[
                Trouble(4, 2),
                Export(0),
                Export(0),
                TheirComment(0, 1, true),
                Export(0),
                Deliver(0),
                Deliver(1),
                Deliver(0),
                Title(0, 0),
                Run,
            ],
        ),
        // The partner's value arrives late, and meanwhile it typed another and then it once more.
        (
            false,
            "manual",
            false,
            &[
                Theirs(1, Some(2)),
                Export(1),
                Theirs(1, Some(1)),
                Export(1),
                Theirs(1, Some(2)),
                Export(1),
                Deliver(0),
                Ours(1, None),
                Run,
                Theirs(1, Some(1)),
            ],
        ),
        // The tracker refuses what both values became, and ours is under way to the partner.
        (
            false,
            "append",
            false,
            &[
                Trouble(3, 5),
                Export(1),
                Theirs(1, Some(0)),
                Deliver(0),
                Export(1),
                Ours(1, Some(2)),
                Run,
                Deliver(0),
                Answers(false),
            ],
        ),
        // Decided for the empty value that was agreed before; see `take`.
        (true, "manual", false, &[Export(1), Deliver(0), Ours(1, Some(2)), Theirs(1, Some(0))]),
        // The tracker refuses the value of a shared field.
        (
            true,
            "manual",
            false,
            &[
                Theirs(0, Some(0)),
                Export(0),
                Deliver(0),
                Theirs(0, Some(1)),
                Export(0),
                Trouble(3, 5),
                Deliver(0),
            ],
        ),
        // A gate keeps the newer of two documents, and then the older one comes.
        (
            true,
            "manual",
            false,
            &[
                Export(0),
                Deliver(0),
                Status(0, 3),
                Export(0),
                TheirComment(0, 1, false),
                Export(0),
                Deliver(1),
                Deliver(0),
            ],
        ),
    ];
    for (shared, policy, clear, steps) in cases {
        for take in 0..4 {
            history(shared, policy, clear, steps, take);
        }
    }
}
