//! What a debug build tells of itself, step by step, held against the calls that the kernel sees.

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
use std::path::PathBuf;
use std::process::Command;

use common::NOW;
use scene::{copy, phases, scratch};

/// The paths of a line of `strace -y`: those of handles, and those in quotes.
fn paths(line: &str) -> Vec<String> {
    let (_, rest) = line.split_once('(').unwrap();
    let calls_a_handle = rest.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    if line.contains("sync(") {
        return calls_a_handle.map(|(path, _)| path.to_owned()).into_iter().collect();
    }
    rest.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The steps are what the sweeps and the model of power cuts go by: each is what the kernel is
/// asked for, and the kernel is asked for nothing else.
#[test]
fn rows_1_to_4_each_step_is_a_call_and_each_call_a_step() {
    if !common::may_trace() {
        return;
    }
    let scratch = scratch();
    let mut compared = 0;
    for phase in phases(scratch.path(), "", "") {
        let dir = scratch.path().join("trial");
        let record = scratch.path().join("record");
        copy(&phase.before, &dir);
        std::fs::create_dir(&record).unwrap();
        let out = scratch.path().join("calls");
        let calls =
            "trace=fsync,fdatasync,rename,renameat,renameat2,linkat,unlink,unlinkat,mkdir,rmdir";
        let done = Command::new("strace")
            .current_dir(&dir)
            .env_clear()
            .env("ENGSYNC_RECORD_DIR", &record)
            .args(["-f", "-qq", "-y", "-s", "4096", "-e", calls, "-o"])
            .arg(&out)
            .args([env!("CARGO_BIN_EXE_engsync"), "run", "-q", "--now", NOW])
            .output();
        assert!(done.unwrap().status.code().is_some_and(|code| code < 2));
        let whole = |path: &str| dir.join(path).components().collect::<PathBuf>();
        // SQLite's own calls are its own; it makes the names beside it durable too.
        let database = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy();
            *path == dir || name.ends_with(".db") || name.contains(".db-")
        };
        let ours = |paths: &[PathBuf]| {
            let ours = |path: &PathBuf| path.starts_with(&dir) && !database(path);
            !paths.is_empty() && paths.iter().all(ours)
        };
        let asked: Vec<(&str, Vec<PathBuf>)> = std::fs::read_to_string(&out)
            .unwrap()
            .lines()
            .filter_map(|line| {
                let (_, call) = line.split_once(' ')?;
                let (name, _) = call.trim_start().split_once('(')?;
                let paths: Vec<PathBuf> = paths(call).iter().map(|path| whole(path)).collect();
                let kind = match name {
                    "fsync" | "fdatasync" => "fsync",
                    "rename" | "renameat" | "renameat2" => "rename",
                    "mkdir" => "mkdir",
                    _ => "unlink",
                };
                ours(&paths).then_some((kind, paths))
            })
            .collect();
        let told: Vec<(&str, Vec<PathBuf>)> = std::fs::read_to_string(record.join("trace"))
            .unwrap()
            .lines()
            .filter_map(|line| {
                let mut words = line.split('\t');
                let step = words.next()?;
                let (kind, most) = match step {
                    "fsync" | "fsync directory" => ("fsync", 1),
                    "publish" | "rename" | "replace" => ("rename", 2),
                    "remove" | "clear" | "rmdir" | "discard" => ("unlink", 1),
                    "mkdir" => ("mkdir", 1),
                    _ => return None,
                };
                let paths: Vec<PathBuf> = words.take(most).map(whole).collect();
                ours(&paths).then_some((kind, paths))
            })
            .collect();
        assert!(told.len() > 60, "{}", phase.name);
        let wrong = asked.iter().zip(&told).position(|(asked, told)| asked != told);
        let at = wrong.unwrap_or(asked.len().min(told.len()));
        let around = |list: &[(&str, Vec<PathBuf>)]| {
            format!("{:#?}", &list[at.min(list.len())..list.len().min(at + 3)])
        };
        assert!(asked == told, "{} step {at}: {}\n{}", phase.name, around(&asked), around(&told));
        compared += told.len();
        for path in [&dir, &record] {
            std::fs::remove_dir_all(path).unwrap();
        }
    }
    writeln!(io::stdout().lock(), "steps: {compared} that are told are {compared} calls").unwrap();
}

#[test]
fn row_34_files_are_made_exclusively_and_parts_opened_without_following_or_waiting() {
    if !common::may_trace() {
        return;
    }
    let scratch = scratch();
    let (mut made, mut read) = (0, 0);
    for phase in phases(scratch.path(), "", "") {
        let dir = scratch.path().join("trial");
        copy(&phase.before, &dir);
        let out = scratch.path().join("opens");
        let done = Command::new("strace")
            .current_dir(&dir)
            .env_clear()
            .args(["-f", "-qq", "-s", "4096", "-e", "trace=open,openat,creat", "-o"])
            .arg(&out)
            .args([env!("CARGO_BIN_EXE_engsync"), "run", "-q", "--now", NOW])
            .output();
        assert!(done.unwrap().status.code().is_some_and(|code| code < 2));
        for line in std::fs::read_to_string(&out).unwrap().lines() {
            let Some(path) = line.split('"').nth(1) else { continue };
            let own = path.contains(".db") && !path.contains(".db.");
            if !(path.contains("spool/") || path.contains("engsync.db.")) || own {
                continue;
            }
            // A lock keeps its file: it is not removed and made, or two could hold it.
            if line.contains("O_CREAT") && !path.ends_with(".lock") {
                assert!(line.contains("O_EXCL") && path.contains("/.engsync-"), "{line}");
                made += 1;
            }
            let name = path.rsplit('/').next().unwrap_or_default();
            if name.starts_with("ENG") && name.len() > 20 && !line.contains("O_DIRECTORY") {
                assert!(line.contains("O_NOFOLLOW") && line.contains("O_NONBLOCK"), "{line}");
                read += 1;
            }
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
    assert!(made > 5 && read > 20, "only {made} made and {read} read");
}
