//! The whole program after a power switch at every step: whenever it dies, one plain run brings
//! it to the state an uninterrupted one would have reached, to the byte.
//!
//! `ENGSYNC_KILL_TRIPLES` sets how many random histories with three deaths follow the sweep.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "figures, and what was skipped")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]
#![cfg(debug_assertions)]

mod common;
#[path = "kill_sweep/oftp.rs"]
mod oftp;
#[path = "kill_sweep/scene.rs"]
mod scene;
#[path = "kill_sweep/snapshot.rs"]
mod snapshot;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use oftp::Oftp;
use scene::{Env, PLAIN_RENAMES, Phase, command, copy, everything, phases_by, scratch, with};
use snapshot::differences;

/// A variant of the installation: what stands under `[spool]`, under `[tracker]` and, where the
/// OFTP server has directories of its own, under the partner's `transport`; what that server does, and
/// what the file system does not.
type Variant = (&'static str, &'static str, &'static str, Option<&'static str>, Oftp, Env);

const VARIANTS: [Variant; 7] = [
    ("tracker in the state's file", "", "", None, Oftp::Direct, &[]),
    ("tracker in a file of its own", "", "path = \"tracker.db\"", None, Oftp::Direct, &[]),
    ("parts stay in incoming", "keep_incoming = true", "", None, Oftp::Direct, &[]),
    ("a transport", "", "", Some(""), Oftp::Leaves, &[]),
    ("a transport, and a server that takes", "", "", Some(""), Oftp::Takes, &[]),
    ("a transport that keeps", "", "", Some("keep = true"), Oftp::Leaves, &[]),
    ("a transport, without a rename that refuses", "", "", Some(""), Oftp::Leaves, PLAIN_RENAMES),
];

/// Deaths, and what came of them.
#[derive(Default)]
struct Figures {
    points: AtomicUsize,
    wrong: AtomicUsize,
    blocked: AtomicUsize,
}

/// A run that dies at step `n`, as a power switch would have it; whether it did.
fn dies_at(dir: &Path, step: u64, env: Env) -> bool {
    let done = command(dir, &["run", "-q"], &with(env, "ENGSYNC_DIE_AT_STEP", &step.to_string()));
    done.status.code().is_none()
}

/// Dies at each of `deaths` in turn, then runs plainly once; what is wrong then.
fn trial(
    phase: &Phase,
    dir: &Path,
    deaths: &[u64],
    (oftp, env): (Oftp, Env),
    figures: &Figures,
) -> Option<String> {
    copy(&phase.before, dir);
    let mut seen = Vec::new();
    for step in deaths {
        if dies_at(dir, *step, env) {
            figures.points.fetch_add(1, Ordering::Relaxed);
        }
        seen.extend(oftp.looks(dir, &phase.after));
    }
    let ran = command(dir, &["run", "-q"], &[]);
    let blocked = ran.status.code().is_none_or(|code| code > 1);
    seen.extend(oftp.looks(dir, &phase.after));
    oftp.puts_back(dir);
    let mut wrong = differences(&phase.after, &everything(dir));
    wrong.extend(seen);
    fs::remove_dir_all(dir).unwrap();
    if blocked {
        figures.blocked.fetch_add(1, Ordering::Relaxed);
    } else if wrong.is_empty() {
        return None;
    }
    figures.wrong.fetch_add(usize::from(!wrong.is_empty()), Ordering::Relaxed);
    let error = String::from_utf8_lossy(&ran.stderr).into_owned();
    Some(format!("{}, dead at {deaths:?}: {error}{}", phase.name, wrong.join("\n  ")))
}

/// All trials, on every core.
fn trials(
    scratch: &Path,
    phases: &[Phase],
    list: &[(usize, Vec<u64>)],
    site: (Oftp, Env),
    all: &Figures,
) {
    let next = AtomicUsize::new(0);
    let trouble = std::sync::Mutex::new(Vec::new());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((phase, deaths)) = list.get(index) else { return };
            let dir = scratch.join(format!("trial-{index}"));
            if let Some(text) = trial(&phases[*phase], &dir, deaths, site, all) {
                trouble.lock().unwrap().push(text);
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    let trouble = trouble.into_inner().unwrap();
    let shown: Vec<&String> = trouble.iter().take(8).collect();
    assert!(trouble.is_empty(), "{} of {} are wrong: {shown:#?}", trouble.len(), list.len());
}

/// A repeatable source of numbers below `most`, from 1.
fn random(seed: &mut u64, most: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % most + 1
}

/// What a power cut could undo is made fast before anything is built on it.
fn in_order(trace: &[String], refuses: bool) {
    let at = |index: usize| trace.get(index).map_or("the end", String::as_str);
    for (index, what) in trace.iter().enumerate() {
        match what.as_str() {
            "publish" | "replace" => {
                assert_eq!(at(index - 1), "fsync", "step {index}: content before its name");
                assert_eq!(at(index + 1), "fsync directory", "step {index}");
            }
            "link" => {
                assert_eq!(at(index + 1), "fsync directory", "step {index}: the second name");
                assert_eq!(at(index + 2), "unlink", "step {index}: before the first goes");
            }
            "remove" | "mkdir" | "rmdir" => {
                assert_eq!(at(index + 1), "fsync directory", "step {index}: {what}");
            }
            // The parts of a package are renamed one after the other.
            "rename" => {
                let next = ["fsync directory", "rename"].contains(&at(index + 1));
                assert!(next, "step {index}: {what}");
            }
            "commit" => {
                let changed = ["inside commit", "committed"].contains(&at(index + 1));
                assert!(changed, "step {index}: nothing between the decision and the commit");
            }
            "touch" => {
                let before = trace[..index].iter().rposition(|step| step == "committed");
                let moved = trace[..index].iter().rposition(|step| step == "rename");
                assert!(before > moved, "step {index}: a package goes on before its commit");
            }
            _ => {}
        }
    }
    let publish = if refuses { "publish" } else { "link" };
    for what in [publish, "rename", "remove", "mkdir", "touch", "inside commit", "committed"] {
        assert!(trace.iter().any(|step| step == what), "the scene has no {what}");
    }
}

fn sweep(variant: usize) {
    let (name, spool, tracker, transport, oftp, env) = VARIANTS[variant];
    let scratch = scratch();
    let phases = phases_by(scratch.path(), spool, tracker, transport, env);
    let mut every = Vec::new();
    for (index, phase) in phases.iter().enumerate() {
        let steps = phase.trace.len() as u64;
        assert!(steps > 60, "{}: only {steps} steps", phase.name);
        in_order(&phase.trace, env.is_empty());
        every.extend((1..=steps).map(|step| (index, vec![step])));
    }
    let figures = Figures::default();
    trials(scratch.path(), &phases, &every, (oftp, env), &figures);
    assert_eq!(figures.points.load(Ordering::Relaxed), every.len(), "each of them died");
    report(name, "single deaths", every.len(), &figures);

    let wanted = std::env::var("ENGSYNC_KILL_TRIPLES").ok().and_then(|text| text.parse().ok());
    let share = wanted.unwrap_or(60_usize).div_ceil(VARIANTS.len());
    let mut seed = 20_261_121 + variant as u64;
    let mut thrice = Vec::new();
    for _ in 0..share {
        let index = usize::try_from(random(&mut seed, phases.len() as u64)).unwrap() - 1;
        let steps = phases[index].trace.len() as u64;
        // The second and the third death hit the recovery: mostly early.
        let early = |seed: &mut u64| random(seed, steps).min(random(seed, steps));
        let deaths = vec![random(&mut seed, steps), early(&mut seed), early(&mut seed)];
        thrice.push((index, deaths));
    }
    let figures = Figures::default();
    trials(scratch.path(), &phases, &thrice, (oftp, env), &figures);
    report(name, "triples", thrice.len(), &figures);
}

/// Straight to the output, past the capture of the harness: figures are for all to see.
fn report(variant: &str, what: &str, histories: usize, figures: &Figures) {
    let get = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    writeln!(
        io::stdout().lock(),
        "kill sweep, {variant}: {histories} histories of {what}, {} deaths, {} wrong, {} blocked",
        get(&figures.points),
        get(&figures.wrong),
        get(&figures.blocked)
    )
    .unwrap();
}

#[test]
fn rows_1_to_3_a_tracker_in_the_states_file_survives_every_death() {
    sweep(0);
}

#[test]
fn rows_1_to_3_a_tracker_in_a_file_of_its_own_survives_every_death() {
    sweep(1);
}

#[test]
fn rows_1_to_3_parts_that_are_kept_survive_every_death() {
    sweep(2);
}

#[test]
fn rows_1_to_3_a_transport_survives_every_death_and_shows_no_half_package() {
    sweep(3);
}

#[test]
fn rows_1_to_3_a_transport_to_a_server_that_takes_at_once_survives_every_death() {
    sweep(4);
}

#[test]
fn rows_1_to_3_a_transport_that_keeps_survives_every_death() {
    sweep(5);
}

#[test]
fn rows_1_to_3_a_file_system_without_a_rename_that_refuses_survives_every_death() {
    sweep(6);
}
