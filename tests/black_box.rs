//! The program under `strace`: a system call fails or kills at its k-th time; one plain run later
//! everything is as if nothing had been.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "figures, and what was skipped")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]
#![cfg(debug_assertions)]

mod common;
#[path = "kill_sweep/scene.rs"]
mod scene;
#[path = "kill_sweep/snapshot.rs"]
mod snapshot;

use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use common::NOW;
use scene::{command, copy, everything, phases, scratch};
use snapshot::differences;

/// The calls that make things durable, and the k that are tried.
const CALLS: [(&str, &[u32]); 4] = [
    ("rename,renameat,renameat2", &[1, 2, 5, 9, 14, 20]),
    ("fsync,fdatasync", &[1, 2, 4, 8, 15, 25, 40]),
    ("write,pwrite64", &[1, 3, 8, 20, 50, 90, 140]),
    ("unlink,unlinkat", &[1, 2, 4, 7]),
];

fn traced(dir: &Path, inject: &str) -> Option<i32> {
    let done = Command::new("strace")
        .current_dir(dir)
        .env_clear()
        .args(["-f", "-qq", "-o", "/dev/null", "-e", inject])
        .args([env!("CARGO_BIN_EXE_engsync"), "run", "-q", "--now", NOW])
        .output()
        .unwrap();
    done.status.code()
}

#[test]
fn rows_5_and_6_a_failing_call_costs_nothing_but_time() {
    let scratch = scratch();
    let able = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    if !able.is_ok_and(|status| status.success()) {
        println!("SKIPPED: strace is missing or may not trace; nothing was tried");
        return;
    }
    let phases = phases(scratch.path(), "", "");
    let mut wrong = Vec::new();
    let (mut points, mut struck) = (0, 0);
    for phase in &phases {
        for (calls, whens) in CALLS {
            for when in whens {
                for what in ["signal=SIGKILL", "error=ENOSPC", "error=EIO"] {
                    let dir = scratch.path().join("trial");
                    copy(&phase.before, &dir);
                    let inject = format!("inject={calls}:{what}:when={when}");
                    let code = traced(&dir, &inject);
                    points += 1;
                    struck += u32::from(code.is_none_or(|code| code > 1));
                    let ran = command(&dir, &["run", "-q"], &[]);
                    let blocked = ran.status.code().is_none_or(|code| code > 1);
                    let lines = differences(&phase.after, &everything(&dir));
                    if blocked || !lines.is_empty() {
                        let error = String::from_utf8_lossy(&ran.stderr).into_owned();
                        let lines = lines.join("\n");
                        wrong.push(format!("{} {inject} {code:?}: {error}{lines}", phase.name));
                    }
                    std::fs::remove_dir_all(&dir).unwrap();
                }
            }
        }
    }
    writeln!(
        io::stdout().lock(),
        "black box: {points} points, {struck} ended the run, {} wrong",
        wrong.len()
    )
    .unwrap();
    assert!(struck > points / 3, "only {struck} of {points} injections were felt");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
