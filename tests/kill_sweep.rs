//! The whole program after a power switch at every step: whenever it dies, one plain run brings
//! it to the state an uninterrupted one would have reached, to the byte.
//!
//! `ENGSYNC_KILL_TRIPLES` sets how many random histories with three deaths follow the sweep.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]
#![cfg(debug_assertions)]

mod common;
#[path = "kill_sweep/snapshot.rs"]
mod snapshot;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Defect, NOW, RULES, archive, config, oem, package, package_of, party, supplier};
use snapshot::{Snapshot, differences, snapshot};

/// A variant of the installation: what stands under `[spool]` and under `[tracker]`.
const VARIANTS: [(&str, &str, &str); 3] = [
    ("tracker in the state's file", "", ""),
    ("tracker in a file of its own", "", "path = \"tracker.db\""),
    ("parts stay in incoming", "keep_incoming = true", ""),
];

/// Deaths, and what came of them.
#[derive(Default)]
struct Figures {
    points: AtomicUsize,
    wrong: AtomicUsize,
    blocked: AtomicUsize,
}

/// A directory before a run, and everything after it when nobody interrupts.
struct Phase {
    name: String,
    before: PathBuf,
    after: Snapshot,
    steps: u64,
}

/// In memory where that is possible: the sweep is thousands of fsyncs.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("engsync-kill").tempdir_in(place).unwrap()
}

fn command(dir: &Path, args: &[&str], env: &[(&str, String)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_engsync"));
    command.current_dir(dir).env_clear().env("USER", "tester").args(args).args(["--now", NOW]);
    command.envs(env.iter().map(|(name, value)| (name, value))).output().unwrap()
}

/// A run that dies at step `n`, as a power switch would have it; whether it did.
fn dies_at(dir: &Path, step: u64) -> bool {
    let done = command(dir, &["run", "-q"], &[("ENGSYNC_DIE_AT_STEP", step.to_string())]);
    done.status.code().is_none()
}

/// Everything there is. A tracker of its own keeps its own history: what it was told before a
/// death and our journal was not is in that only, so there the journal is left out.
fn everything(dir: &Path) -> Snapshot {
    let mut all = snapshot(dir);
    if dir.join("tracker.db").exists() {
        all.remove("engsync.db:journal").unwrap();
    }
    all
}

fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from).into_iter().map(Result::unwrap) {
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(&target).unwrap();
        } else {
            fs::copy(entry.path(), &target).unwrap();
            let modified = entry.metadata().unwrap().modified().unwrap();
            fs::File::options().write(true).open(&target).unwrap().set_modified(modified).unwrap();
        }
    }
}

fn put(dir: &Path, files: Vec<(String, Vec<u8>)>) {
    for (name, bytes) in files {
        fs::write(dir.join("spool/incoming").join(name), bytes).unwrap();
    }
}

/// Runs once without interruption and keeps what was before and after.
fn phase(name: &str, dir: &Path, scratch: &Path) -> Phase {
    let before = scratch.join(name.replace(' ', "-"));
    copy(dir, &before);
    let ran = command(dir, &["run", "-v"], &[("ENGSYNC_TRACE_STEPS", "1".to_owned())]);
    let log = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.code().is_some_and(|code| code < 2), "{log}");
    let steps = log.lines().filter(|line| line.contains("step=")).count() as u64;
    Phase { name: name.to_owned(), before, after: everything(dir), steps }
}

/// First packages with new issues, files and comments; then local work and a third package, one
/// that no partner sent, one that is half there and one that came twice.
fn phases(scratch: &Path, spool: &str, tracker: &str) -> Vec<Phase> {
    let dir = scratch.join("reference");
    fs::create_dir_all(dir.join("spool/incoming")).unwrap();
    let spool = format!("settle_seconds = 0\nretention_days = 3650\n{spool}");
    fs::write(dir.join("engsync.toml"), config(&spool, tracker, RULES)).unwrap();
    let first: &[(&str, &[u8])] = &[("trace.txt", b"0x7f"), ("Gr\u{f6}\u{df}e.bin", b"\0\x01")];
    let klemmt = Defect {
        number: "4711",
        title: "Fensterheber klemmt",
        description: "T\u{fc}r \u{f6}ffnen",
        files: first,
        annotations: &["Bitte pr\u{fc}fen."],
        ..Defect::default()
    };
    let licht = Defect { number: "4712", title: "Licht flackert", ..Defect::default() };
    put(&dir, package("ENG26112008000000MFA", &[klemmt.clone(), licht]));
    let changed = Defect {
        title: "Fensterheber klemmt links",
        state: "COMMITTED",
        annotations: &["Bitte pr\u{fc}fen.", "Eilt."],
        date: "2026/11/20T09:00:00",
        ..klemmt.clone()
    };
    let hupe = Defect { number: "4713", title: "Hupe stumm", ..Defect::default() };
    put(&dir, package("ENG26112009000000MFA", &[changed, hupe]));
    let mut phases = vec![phase("packages in, answers out", &dir, scratch)];

    fs::write(dir.join("oem-Analyse.txt"), "Ursache: Dichtung").unwrap();
    for args in [
        &["tracker", "set", "ISS-1", "status=In Progress", "fix_versions=R1,R2"][..],
        &["tracker", "comment", "ISS-2", "[TO OEM] Ursache gefunden"],
        &["tracker", "attach", "ISS-2", "oem-Analyse.txt"],
    ] {
        let done = command(&dir, args, &[]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    let second: &[(&str, &[u8])] = &[("trace.txt", b"0x80, longer"), ("neu.bin", b"new")];
    let again = Defect {
        title: "Fensterheber klemmt rechts",
        files: second,
        annotations: &["Bitte pr\u{fc}fen.", "Eilt.", "Sehr."],
        date: "2026/11/21T09:00:00",
        ..klemmt
    };
    put(&dir, package("ENG26112110000000MFA", std::slice::from_ref(&again)));
    let zip = archive(&[again]);
    let stranger = party("O0013FREMD", "RDEFREMD", "Fremd AG");
    put(&dir, package_of("ENG26112110000001MFA", &stranger, &supplier(), &zip));
    put(&dir, package_of("ENG26112110000002MFA", &oem(), &supplier(), &zip[..zip.len() / 2]));
    let copies = package("ENG26112008000000MFA", &[]);
    for (name, _) in copies {
        let done = dir.join("spool/done/ENG26112008000000MFA").join(&name);
        let late = dir.join("spool/incoming").join(format!("{name}.late"));
        fs::copy(done, late).unwrap();
    }
    phases.push(phase("local work, a third package, trouble", &dir, scratch));
    fs::remove_dir_all(&dir).unwrap();
    phases
}

/// Dies at each of `deaths` in turn, then runs plainly once; what is wrong then.
fn trial(phase: &Phase, dir: &Path, deaths: &[u64], figures: &Figures) -> Option<String> {
    copy(&phase.before, dir);
    for step in deaths {
        if dies_at(dir, *step) {
            figures.points.fetch_add(1, Ordering::Relaxed);
        }
    }
    let ran = command(dir, &["run", "-q"], &[]);
    let blocked = ran.status.code().is_none_or(|code| code > 1);
    let wrong = differences(&phase.after, &everything(dir));
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
fn trials(scratch: &Path, phases: &[Phase], list: &[(usize, Vec<u64>)], all: &Figures) {
    let next = AtomicUsize::new(0);
    let trouble = std::sync::Mutex::new(Vec::new());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((phase, deaths)) = list.get(index) else { return };
            let dir = scratch.join(format!("trial-{index}"));
            if let Some(text) = trial(&phases[*phase], &dir, deaths, all) {
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

fn sweep(variant: usize) {
    let (name, spool, tracker) = VARIANTS[variant];
    let scratch = scratch();
    let phases = phases(scratch.path(), spool, tracker);
    let mut every = Vec::new();
    for (index, phase) in phases.iter().enumerate() {
        assert!(phase.steps > 60, "{}: only {} steps", phase.name, phase.steps);
        every.extend((1..=phase.steps).map(|step| (index, vec![step])));
    }
    let figures = Figures::default();
    trials(scratch.path(), &phases, &every, &figures);
    assert_eq!(figures.points.load(Ordering::Relaxed), every.len(), "each of them died");
    report(name, "single deaths", every.len(), &figures);

    let wanted = std::env::var("ENGSYNC_KILL_TRIPLES").ok().and_then(|text| text.parse().ok());
    let share = wanted.unwrap_or(60_usize).div_ceil(VARIANTS.len());
    let mut seed = 20_261_121 + variant as u64;
    let mut thrice = Vec::new();
    for _ in 0..share {
        let index = usize::try_from(random(&mut seed, phases.len() as u64)).unwrap() - 1;
        let steps = phases[index].steps;
        // The second and the third death hit the recovery: mostly early.
        let early = |seed: &mut u64| random(seed, steps).min(random(seed, steps));
        let deaths = vec![random(&mut seed, steps), early(&mut seed), early(&mut seed)];
        thrice.push((index, deaths));
    }
    let figures = Figures::default();
    trials(scratch.path(), &phases, &thrice, &figures);
    report(name, "triples", thrice.len(), &figures);
}

fn report(variant: &str, what: &str, histories: usize, figures: &Figures) {
    let get = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    println!(
        "kill sweep, {variant}: {histories} histories of {what}, {} deaths, {} wrong, {} blocked",
        get(&figures.points),
        get(&figures.wrong),
        get(&figures.blocked)
    );
}

#[test]
fn a_tracker_in_the_states_file_survives_every_death() {
    sweep(0);
}

#[test]
fn a_tracker_in_a_file_of_its_own_survives_every_death() {
    sweep(1);
}

#[test]
fn parts_that_are_kept_survive_every_death() {
    sweep(2);
}
