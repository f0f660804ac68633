//! The program under `strace`: a system call fails or kills at its k-th time; one plain run later
//! everything is as if nothing had been.
//!
//! `ENGSYNC_BLACK_BOX` names the program, the release build for instance; without it that of the
//! test's own build is tried.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "figures, and what was skipped")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;
#[path = "kill_sweep/scene.rs"]
mod scene;
#[path = "kill_sweep/snapshot.rs"]
mod snapshot;

use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use common::NOW;
use scene::{Phase, command, copy, everything, phases, scratch};
use snapshot::differences;

/// The calls that make things durable, and the k that are tried.
const CALLS: [(&str, &[u32]); 4] = [
    ("rename,renameat,renameat2", &[1, 2, 5, 9, 14, 20]),
    ("fsync,fdatasync", &[1, 2, 4, 8, 15, 25, 40]),
    ("write,pwrite64", &[1, 3, 8, 20, 50, 90, 140]),
    ("unlink,unlinkat", &[1, 2, 4, 7]),
];

fn program() -> String {
    let named = std::env::var("ENGSYNC_BLACK_BOX").ok().filter(|name| !name.is_empty());
    named.unwrap_or_else(|| env!("CARGO_BIN_EXE_engsync").to_owned())
}

fn traced(dir: &Path, injected: &[String]) -> Option<i32> {
    let mut command = Command::new("strace");
    command.current_dir(dir).env_clear().args(["-f", "-qq", "-o", "/dev/null"]);
    command.args(injected.iter().flat_map(|inject| ["-e", inject]));
    let done = command.args([&program(), "run", "-q", "--now", NOW]).output().unwrap();
    done.status.code()
}

/// What was tried, and what came of it.
#[derive(Default)]
struct Tried {
    points: u32,
    /// Runs that ended early.
    struck: u32,
    wrong: Vec<String>,
}

impl Tried {
    /// A run in which something is injected, then a plain one.
    fn trial(&mut self, phase: &Phase, dir: &Path, injected: &[String]) {
        copy(&phase.before, dir);
        let code = traced(dir, injected);
        self.points += 1;
        self.struck += u32::from(code.is_none_or(|code| code > 1));
        let ran = command(dir, &["run", "-q"], &[]);
        let blocked = ran.status.code().is_none_or(|code| code > 1);
        let lines = differences(&phase.after, &everything(dir));
        if blocked || !lines.is_empty() {
            let error = String::from_utf8_lossy(&ran.stderr).into_owned();
            let lines = lines.join("\n");
            self.wrong.push(format!("{} {injected:?} {code:?}: {error}{lines}", phase.name));
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    fn report(&self, what: &str) {
        let Self { points, struck, wrong } = self;
        let count = wrong.len();
        let line = format!("{what}: {points} points, {struck} ended the run, {count} wrong");
        writeln!(io::stdout().lock(), "{line} ({})", program()).unwrap();
        assert!(struck * 3 > *points, "only {struck} of {points} injections were felt");
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

#[test]
fn rows_5_and_6_a_failing_call_costs_nothing_but_time() {
    if !common::may_trace() {
        return;
    }
    let scratch = scratch();
    let phases = phases(scratch.path(), "", "");
    let mut tried = Tried::default();
    for phase in &phases {
        for (calls, whens) in CALLS {
            for when in whens {
                for what in ["signal=SIGKILL", "error=ENOSPC", "error=EIO"] {
                    let inject = format!("inject={calls}:{what}:when={when}");
                    tried.trial(phase, &scratch.path().join("trial"), &[inject]);
                }
            }
        }
    }
    tried.report("black box");
}

#[test]
fn rows_5_and_6_where_no_rename_refuses_it_is_the_same() {
    if !common::may_trace() {
        return;
    }
    // As NFS answers.
    let refused = || "inject=renameat2:error=EINVAL".to_owned();
    let scratch = scratch();
    let phases = phases(scratch.path(), "", "");
    let dir = scratch.path().join("trial");
    let mut tried = Tried::default();
    for phase in &phases {
        copy(&phase.before, &dir);
        assert!(traced(&dir, &[refused()]).is_some_and(|code| code < 2), "{}", phase.name);
        assert!(differences(&phase.after, &everything(&dir)).is_empty(), "{}", phase.name);
        std::fs::remove_dir_all(&dir).unwrap();
        for (calls, whens) in
            [("linkat", [1, 3, 7]), ("unlinkat", [2, 4, 8]), ("rename,renameat", [1, 2, 3])]
        {
            for when in whens {
                for what in ["signal=SIGKILL", "error=ENOSPC", "error=EIO"] {
                    let inject = format!("inject={calls}:{what}:when={when}");
                    tried.trial(phase, &dir, &[refused(), inject]);
                }
            }
        }
    }
    tried.report("black box without a rename that refuses");
}
