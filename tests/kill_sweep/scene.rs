//! An installation, two runs of it, and what each leaves when nobody interrupts.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::{
    Defect, NOW, RULES, archive, config, oem, package, package_of, party, supplier,
};
use crate::snapshot::{Snapshot, snapshot};

/// What every run of a variant finds in its environment.
pub(crate) type Env = &'static [(&'static str, &'static str)];

/// As on a file system without a rename that refuses a taken name, such as NFS.
pub(crate) const PLAIN_RENAMES: Env = &[("ENGSYNC_PLAIN_RENAMES", "1")];

/// A directory before a run, and everything after it when nobody interrupts.
pub(crate) struct Phase {
    pub(crate) name: String,
    pub(crate) before: PathBuf,
    pub(crate) after: Snapshot,
    /// What it did that is durable, in order.
    pub(crate) trace: Vec<String>,
}

/// In memory where that is possible: the sweep is thousands of fsyncs.
pub(crate) fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("engsync-kill").tempdir_in(place).unwrap()
}

pub(crate) fn command(dir: &Path, args: &[&str], env: &[(&str, String)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_engsync"));
    command.current_dir(dir).env_clear().env("USER", "tester").args(args).args(["--now", NOW]);
    command.envs(env.iter().map(|(name, value)| (name, value))).output().unwrap()
}

/// An environment with one more.
pub(crate) fn with<'e>(env: Env, name: &'e str, value: &str) -> Vec<(&'e str, String)> {
    let own = env.iter().map(|(name, value)| (*name, (*value).to_owned()));
    own.chain([(name, value.to_owned())]).collect()
}

/// Everything there is. Of the journal over a tracker of its own, every change: what was lost on
/// the way is written down by the next run, but in its own order.
pub(crate) fn everything(dir: &Path) -> Snapshot {
    let mut all = snapshot(dir);
    if dir.join("tracker.db").exists() {
        all.insert("engsync.db:journal".to_owned(), changes(&dir.join("engsync.db")));
    }
    all
}

fn changes(state: &Path) -> Vec<String> {
    let db = rusqlite::Connection::open(state).unwrap();
    let sql = "SELECT j.partner, j.remote, j.key, j.kind, j.package,
                 json_extract(c.value, '$.side', '$.field', '$.from', '$.to')
               FROM journal j, json_each(j.changes) c";
    let mut query = db.prepare(sql).unwrap();
    let line = |row: &rusqlite::Row<'_>| {
        let cell = |index| row.get::<_, Option<String>>(index).map(Option::unwrap_or_default);
        Ok((0..6).map(cell).collect::<rusqlite::Result<Vec<_>>>()?.join(" "))
    };
    let mut lines: Vec<String> = query.query_map([], line).unwrap().map(Result::unwrap).collect();
    lines.sort();
    lines
}

pub(crate) fn copy(from: &Path, to: &Path) {
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

/// The OFTP server's directories, when a folder transport stands between it and the spool.
pub(crate) const INBOX: &str = "server/inbox";
pub(crate) const OUTBOX: &str = "server/outbox";

/// Where parts arrive.
fn arrivals(dir: &Path) -> PathBuf {
    let inbox = dir.join(INBOX);
    if inbox.is_dir() { inbox } else { dir.join("spool/incoming") }
}

fn put(dir: &Path, files: Vec<(String, Vec<u8>)>) {
    for (name, bytes) in files {
        fs::write(arrivals(dir).join(name), bytes).unwrap();
    }
}

/// Runs once without interruption and keeps what was before and after.
fn phase(name: &str, dir: &Path, scratch: &Path, env: Env) -> Phase {
    let before = scratch.join(name.replace(' ', "-"));
    copy(dir, &before);
    let ran = command(dir, &["run", "-v"], &with(env, "ENGSYNC_TRACE_STEPS", "1"));
    let log = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.code().is_some_and(|code| code < 2), "{log}");
    let what = |line: &str| Some(line.split_once("what=\"")?.1.split_once('"')?.0.to_owned());
    let trace = log.lines().filter(|line| line.contains("step=")).filter_map(what).collect();
    Phase { name: name.to_owned(), before, after: everything(dir), trace }
}

/// First packages with new issues, files and comments; then local work and a third package, one
/// that no partner sent, one that is half there and one that came twice.
pub(crate) fn phases(scratch: &Path, spool: &str, tracker: &str) -> Vec<Phase> {
    phases_by(scratch, spool, tracker, None, &[])
}

/// The same with a folder transport, which has these keys.
pub(crate) fn phases_by(
    scratch: &Path,
    spool: &str,
    tracker: &str,
    transport: Option<&str>,
    env: Env,
) -> Vec<Phase> {
    let dir = scratch.join("reference");
    fs::create_dir_all(dir.join("spool/incoming")).unwrap();
    let spool = format!("settle_seconds = 0\nretention_days = 3650\n{spool}");
    let mut rules = RULES.to_owned();
    if let Some(keys) = transport {
        fs::create_dir_all(dir.join(INBOX)).unwrap();
        fs::create_dir_all(dir.join(OUTBOX)).unwrap();
        let table = format!("inbox = \"{INBOX}\"\noutbox = \"{OUTBOX}\"\n{keys}");
        rules = format!("[partner.oem.transport]\nkind = \"folder\"\n{table}\n{RULES}");
    }
    fs::write(dir.join("engsync.toml"), config(&spool, tracker, &rules)).unwrap();
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
    let mut phases = vec![phase("packages in, answers out", &dir, scratch, env)];

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
        let late = arrivals(&dir).join(format!("{name}.late"));
        fs::copy(done, late).unwrap();
    }
    phases.push(phase("local work, a third package, trouble", &dir, scratch, env));
    fs::remove_dir_all(&dir).unwrap();
    phases
}
