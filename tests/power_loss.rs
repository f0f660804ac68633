//! Power cuts at every step: whatever was not fsynced by then may be gone, or there, or out of
//! order. One plain run brings every such directory to the state an uninterrupted run would have
//! reached, to the byte.
//!
//! A debug build writes down what it does (`ENGSYNC_RECORD_DIR`); `power_loss/tree.rs` replays it
//! up to a step and cuts. Databases are as SQLite left them on disk by then: the log as before the
//! commit, cut in its midst, or whole. `ENGSYNC_POWER_CUTS` sets how many random cuts follow in
//! which the recovery loses its power too.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "figures")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]
#![cfg(debug_assertions)]

mod common;
#[path = "kill_sweep/scene.rs"]
mod scene;
#[path = "kill_sweep/snapshot.rs"]
mod snapshot;
#[path = "power_loss/tree.rs"]
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use scene::{Env, PLAIN_RENAMES, Phase, command, everything, phases_by, scratch, with};
use snapshot::differences;
use tree::{Database, Remains, Tree, fingerprint, lay_down};

/// A variant of the installation: what stands under `[spool]`, under `[tracker]` and, where the
/// OFTP server has directories of its own, under the partner's `transport`; and what the file system
/// has not.
const VARIANTS: [(&str, &str, &str, Option<&str>, Env); 5] = [
    ("tracker in the state's file", "", "", None, &[]),
    ("tracker in a file of its own", "", "path = \"tracker.db\"", None, &[]),
    ("parts stay in incoming", "keep_incoming = true", "", None, &[]),
    ("a transport", "", "", Some(""), &[]),
    ("a transport, without a rename that refuses", "", "", Some(""), PLAIN_RENAMES),
];

/// What a run did, and where it began.
struct Traced {
    tree: Tree,
    steps: Vec<Step>,
}

/// A step, and the databases as they were before it, where they had changed.
struct Step {
    what: String,
    paths: Vec<PathBuf>,
    content: Vec<u8>,
    databases: BTreeMap<PathBuf, Database>,
}

/// Runs in `dir` without interruption and reads what it did.
fn traced(dir: &Path, record: &Path, env: Env) -> Traced {
    fs::create_dir_all(record).unwrap();
    let tree = Tree::of(dir);
    let ran =
        command(dir, &["run", "-q"], &with(env, "ENGSYNC_RECORD_DIR", &record.to_string_lossy()));
    assert!(ran.status.code().is_some_and(|code| code < 2), "{ran:?}");
    let blob = |digest: &str| (digest != "-").then(|| fs::read(record.join(digest)).unwrap());
    let below = |path: &str| Path::new(path).strip_prefix(dir).unwrap().to_owned();
    let (mut steps, mut databases) = (Vec::new(), BTreeMap::new());
    for line in fs::read_to_string(record.join("trace")).unwrap().lines() {
        let mut words: Vec<&str> = line.split('\t').collect();
        let what = words.remove(0).to_owned();
        if what == "database" {
            let both = [blob(words[1]).map(Into::into), blob(words[2]).map(Into::into)];
            databases.insert(below(words[0]), both);
            continue;
        }
        let content =
            if what == "fsync" { blob(words.pop().unwrap()).unwrap() } else { Vec::new() };
        let paths = words.into_iter().map(below).collect();
        steps.push(Step { what, paths, content, databases: std::mem::take(&mut databases) });
    }
    fs::remove_dir_all(record).unwrap();
    Traced { tree, steps }
}

impl Step {
    /// What is written before the step itself: by now it may be on the disk, or not.
    fn before(&self, tree: &mut Tree) {
        if self.what == "fsync" {
            tree.write(&self.paths[0], self.content.as_slice().into());
        }
    }

    fn done(&self, tree: &mut Tree) {
        tree.databases.extend(self.databases.clone());
        let at = |index: usize| self.paths[index].as_path();
        match self.what.as_str() {
            "mkdir" => tree.make_dir(at(0)),
            "create" => tree.create(at(0)),
            "fsync" => tree.sync_file(at(0)),
            "publish" | "rename" => tree.rename(at(0), at(1), false),
            "replace" => tree.rename(at(0), at(1), true),
            "link" => tree.second_name(at(0), at(1)),
            "remove" | "clear" | "rmdir" | "discard" | "unlink" => tree.remove(at(0)),
            "fsync directory" => tree.sync_dir(at(0)),
            "touch" | "commit" | "inside commit" | "committed" => {}
            other => panic!("the model does not know {other}"),
        }
    }
}

/// A repeatable source of numbers below `most`.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

/// How a cut is taken.
#[derive(Clone, Copy)]
enum Cut {
    /// Nothing is there that was not fsynced.
    Least,
    /// All of it is, but files are empty.
    Most,
    /// By dice.
    Some(u64),
}

impl Traced {
    /// What remains when the power goes before step `at`.
    fn cut(&self, at: usize, cut: Cut) -> Remains {
        let mut tree = self.tree.clone();
        for step in &self.steps[..at] {
            step.before(&mut tree);
            step.done(&mut tree);
        }
        if let Some(next) = self.steps.get(at) {
            next.before(&mut tree);
            for (path, new) in &next.databases {
                let old = tree.databases.get(path).cloned().unwrap_or_default();
                let mut dice = Dice(match cut {
                    Cut::Least => 0,
                    Cut::Most => 1,
                    Cut::Some(seed) => seed,
                });
                let state = match cut {
                    Cut::Least => new.clone(),
                    Cut::Most => torn(&old, new, 1, 2),
                    Cut::Some(_) => torn(&old, new, dice.below(5), 4),
                };
                tree.databases.insert(path.clone(), state);
            }
        }
        let mut dice = Dice(if let Cut::Some(seed) = cut { seed } else { 0 });
        let mut other = Dice(dice.below(1 << 30) as u64);
        let mut keeps = || match cut {
            Cut::Least => false,
            Cut::Most => true,
            Cut::Some(_) => dice.below(2) == 0,
        };
        let mut content = |bytes: &[u8]| match cut {
            Cut::Least | Cut::Most => Vec::new(),
            Cut::Some(_) => match other.below(3) {
                0 => bytes.to_vec(),
                1 => bytes[..bytes.len() / 2].to_vec(),
                _ => vec![0; bytes.len()],
            },
        };
        tree.cut(&mut keeps, &mut content)
    }

    /// File before row before removal, in every run; and that the record has everything.
    fn in_order(&self, dir: &Path, scratch: &Path) {
        let mut tree = self.tree.clone();
        let mut moved = 0;
        for (index, step) in self.steps.iter().enumerate() {
            let text = format!("step {index}, {} {:?}", step.what, step.paths);
            tree.databases.extend(step.databases.clone());
            match step.what.as_str() {
                "commit" => {
                    let loose = tree.undurable();
                    assert!(loose.is_empty(), "{text}: a row before {loose:?}");
                }
                "rename" if step.paths[0].starts_with("spool/active") => {
                    let state = step.paths[1].parent().unwrap().file_name().unwrap();
                    if ["done", "corrupt", "deferred"].iter().any(|name| state == *name) {
                        let name = &step.paths[0].file_name().unwrap().to_str().unwrap()[..20];
                        let rows = count(&tree, scratch, "package", name);
                        assert!(rows > 0, "{text}: no row tells of it");
                        moved += 1;
                    }
                }
                "rename" | "link" if step.paths[1].starts_with("spool/outgoing") => {
                    let name = &step.paths[1].file_name().unwrap().to_str().unwrap()[..20];
                    assert_eq!(count(&tree, scratch, "answer", name), 1, "{text}: not frozen");
                    moved += 1;
                }
                "remove" | "unlink" => {
                    let name = step.paths[0].file_name().unwrap().to_string_lossy();
                    let known = name == "reason.json" || tree.is_elsewhere(&step.paths[0]);
                    assert!(known, "{text}: the only copy");
                }
                _ => {}
            }
            step.before(&mut tree);
            step.done(&mut tree);
        }
        assert!(moved > 3, "only {moved} moves were looked at");
        let left = tree.undurable();
        assert!(left.is_empty(), "when all is done: {left:?}");
        let shown = |tree: &Tree| -> BTreeSet<String> {
            let all = tree.live().into_iter().map(|(path, left)| {
                let digest = left.map(|left| engsync::Digest::of(&left.bytes).to_string());
                format!("{} {digest:?}", path.display())
            });
            all.filter(|line| !line.contains(".lock ")).collect()
        };
        assert_eq!(shown(&tree), shown(&Tree::of(dir)), "the record lacks something");
    }
}

/// The log as it may be while a commit writes it: of what is new, `part` of `parts`.
fn torn(old: &Database, new: &Database, part: usize, parts: usize) -> Database {
    let length = |database: &Database| database[1].as_ref().map_or(0, |log| log.len());
    let (from, to) = (length(old), length(new));
    if old[0] != new[0] || to < from || old[0].is_none() {
        return new.clone();
    }
    let log = new[1].as_ref().map(|log| log[..from + (to - from) * part / parts].into());
    [new[0].clone(), log]
}

/// How many rows of a table bear a name, by the state as it is on disk.
fn count(tree: &Tree, scratch: &Path, table: &str, name: &str) -> i64 {
    let dir = tempfile::tempdir_in(scratch).unwrap();
    let [file, log] = &tree.databases[Path::new("engsync.db")];
    fs::write(dir.path().join("engsync.db"), file.as_ref().unwrap()).unwrap();
    if let Some(log) = log {
        fs::write(dir.path().join("engsync.db-wal"), log).unwrap();
    }
    let db = rusqlite::Connection::open(dir.path().join("engsync.db")).unwrap();
    let sql = format!("SELECT count(*) FROM {table} WHERE name = ?1");
    db.query_row(&sql, [name], |row| row.get(0)).unwrap()
}

#[derive(Default)]
struct Figures {
    cuts: AtomicUsize,
    wrong: AtomicUsize,
    blocked: AtomicUsize,
}

/// Runs plainly on what a cut left; what is wrong then.
fn recover(phase: &Phase, dir: &Path, figures: &Figures) -> Option<String> {
    figures.cuts.fetch_add(1, Ordering::Relaxed);
    let ran = command(dir, &["run", "-q"], &[]);
    let blocked = ran.status.code().is_none_or(|code| code > 1);
    let wrong = differences(&phase.after, &everything(dir));
    figures.blocked.fetch_add(usize::from(blocked), Ordering::Relaxed);
    figures.wrong.fetch_add(usize::from(!wrong.is_empty()), Ordering::Relaxed);
    let error = String::from_utf8_lossy(&ran.stderr).into_owned();
    (blocked || !wrong.is_empty()).then(|| format!("{error}{}", wrong.join("\n  ")))
}

/// Work on every core, by number; what it complains of is told at the end.
fn everywhere(number: usize, work: impl Fn(usize) -> Option<String> + Sync) {
    let next = AtomicUsize::new(0);
    let trouble = Mutex::new(Vec::new());
    let worker = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= number {
                return;
            }
            trouble.lock().unwrap().extend(work(index));
        }
    };
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(worker);
        }
    });
    let trouble = trouble.into_inner().unwrap();
    let shown: Vec<&String> = trouble.iter().take(6).collect();
    assert!(trouble.is_empty(), "{} of {number} are wrong: {shown:#?}", trouble.len());
}

fn power_cuts(variant: usize) {
    let (name, spool, tracker, transport, env) = VARIANTS[variant];
    let scratch = scratch();
    let at = |name: &str| scratch.path().join(name);
    let phases = phases_by(scratch.path(), spool, tracker, transport, env);
    let mut all = Vec::new();
    let mut list = Vec::new();
    for (index, phase) in phases.iter().enumerate() {
        let dir = at("traced");
        scene::copy(&phase.before, &dir);
        let traced = traced(&dir, &at("record"), env);
        assert!(differences(&phase.after, &everything(&dir)).is_empty(), "{}", phase.name);
        traced.in_order(&dir, scratch.path());
        fs::remove_dir_all(&dir).unwrap();
        let mut seen = BTreeSet::new();
        for step in 0..=traced.steps.len() {
            let dice = |salt: u64| Cut::Some(step as u64 * 31 + salt + variant as u64 * 7_919);
            for cut in [Cut::Least, Cut::Most].into_iter().chain((1..9).map(dice)) {
                if seen.insert(fingerprint(&traced.cut(step, cut))) {
                    list.push((index, step, cut));
                }
            }
        }
        all.push(traced);
    }
    let figures = Figures::default();
    everywhere(list.len(), |number| {
        let (index, step, cut) = list[number];
        let dir = at(&format!("cut-{number}"));
        lay_down(&all[index].cut(step, cut), &dir);
        let wrong = recover(&phases[index], &dir, &figures);
        fs::remove_dir_all(&dir).unwrap();
        let what = all[index].steps.get(step).map_or("the end", |step| &step.what);
        Some(format!("{} before step {step}, {what}: {}", phases[index].name, wrong?))
    });
    report(name, "single cuts", list.len(), &figures);

    let wanted = std::env::var("ENGSYNC_POWER_CUTS").ok().and_then(|text| text.parse().ok());
    let pairs = wanted.unwrap_or(90_usize).div_ceil(VARIANTS.len());
    let figures = Figures::default();
    everywhere(pairs, |number| {
        let mut dice = Dice((number * VARIANTS.len() + variant) as u64 + 20_261_121);
        let index = dice.below(all.len());
        let step = dice.below(all[index].steps.len());
        let dir = at(&format!("pair-{number}"));
        lay_down(&all[index].cut(step, Cut::Some(dice.0)), &dir);
        let recovery = traced(&dir, &at(&format!("record-{number}")), env);
        fs::remove_dir_all(&dir).unwrap();
        // Mostly early: that is where the recovery is.
        let again = dice.below(recovery.steps.len() + 1).min(dice.below(recovery.steps.len() + 1));
        lay_down(&recovery.cut(again, Cut::Some(dice.0)), &dir);
        figures.cuts.fetch_add(1, Ordering::Relaxed);
        let wrong = recover(&phases[index], &dir, &figures);
        fs::remove_dir_all(&dir).unwrap();
        Some(format!("{} before steps {step} and {again}: {}", phases[index].name, wrong?))
    });
    report(name, "cuts and one more in the recovery", pairs, &figures);
}

/// Straight to the output, past the capture of the harness: figures are for all to see.
fn report(variant: &str, what: &str, histories: usize, figures: &Figures) {
    let get = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    writeln!(
        io::stdout().lock(),
        "power loss, {variant}: {histories} {what}, {} cuts, {} wrong, {} blocked",
        get(&figures.cuts),
        get(&figures.wrong),
        get(&figures.blocked)
    )
    .unwrap();
}

#[test]
fn row_4_a_tracker_in_the_states_file_survives_every_power_cut() {
    power_cuts(0);
}

#[test]
fn row_4_a_tracker_in_a_file_of_its_own_survives_every_power_cut() {
    power_cuts(1);
}

#[test]
fn row_4_parts_that_are_kept_survive_every_power_cut() {
    power_cuts(2);
}

#[test]
fn row_4_a_transport_survives_every_power_cut() {
    power_cuts(3);
}

#[test]
fn row_4_a_file_system_without_a_rename_that_refuses_survives_every_power_cut() {
    power_cuts(4);
}
