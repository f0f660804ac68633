//! Everything durable below a directory, as text that two runs can be compared by.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rusqlite::types::ValueRef;

/// What is there: rows by database and table, and digests of the other files by path.
pub(crate) type Snapshot = BTreeMap<String, Vec<String>>;

/// Reads every database row and every other file below `dir`.
pub(crate) fn snapshot(dir: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    for entry in walkdir::WalkDir::new(dir).sort_by_file_name().into_iter().map(Result::unwrap) {
        let path = entry.path();
        let name = path.strip_prefix(dir).unwrap().display().to_string();
        if name.ends_with(".db") {
            rows(path, &name, &mut found);
        } else if entry.file_type().is_dir() {
            found.insert(name, vec!["directory".to_owned()]);
        } else if !name.ends_with("-wal") && !name.ends_with("-shm") && !name.ends_with(".lock") {
            let digest = engsync::Digest::of(&fs::read(path).unwrap()).to_string();
            found.insert(name, vec![digest]);
        }
    }
    found
}

fn rows(path: &Path, name: &str, found: &mut Snapshot) {
    let db = rusqlite::Connection::open(path).unwrap();
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok", "{}", path.display());
    let mut names = db
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .unwrap();
    let tables: Vec<String> =
        names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for table in tables {
        let mut all = db.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns: Vec<String> = all.column_names().map(str::to_owned).collect();
        let mut lines: Vec<String> = all
            .query_map([], |row| {
                let cell = |index: usize| {
                    let text = match row.get_ref_unwrap(index) {
                        ValueRef::Null => "null".to_owned(),
                        ValueRef::Integer(number) => number.to_string(),
                        ValueRef::Real(number) => number.to_string(),
                        ValueRef::Text(text) if columns[index] == "base" => base(text),
                        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                        ValueRef::Blob(bytes) => engsync::Digest::of(bytes).to_string(),
                    };
                    format!("{}={text}", columns[index])
                };
                // The log's own numbers; a decision that was logged twice is the same decision.
                let log = table == "package" || table == "journal";
                let shown = usize::from(log)..columns.len();
                Ok(shown.map(cell).collect::<Vec<_>>().join(" "))
            })
            .unwrap()
            .map(Result::unwrap)
            .collect();
        // Who wrote last, and how many were before.
        lines.retain(|line| !line.starts_with("key=lease "));
        lines.sort();
        if table == "package" {
            lines.dedup();
        }
        found.insert(format!("{name}:{table}"), lines);
    }
}

/// A base without what the rules asked for last: when a plan is made again over an issue that it
/// changed already, some rules ask for nothing, as they do at any second delivery.
fn base(text: &[u8]) -> String {
    let mut base: serde_json::Value = serde_json::from_slice(text).unwrap();
    base.as_object_mut().unwrap().remove("wanted").unwrap();
    base.to_string()
}

/// Where two snapshots differ, one line each; empty when they are equal.
pub(crate) fn differences(wanted: &Snapshot, found: &Snapshot) -> Vec<String> {
    let mut lines = Vec::new();
    let nothing = Vec::new();
    let mut names: Vec<&String> = wanted.keys().chain(found.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let (old, new) = (wanted.get(name), found.get(name));
        if old == new {
            continue;
        }
        let (old, new) = (old.unwrap_or(&nothing), new.unwrap_or(&nothing));
        let gone = old.iter().filter(|line| !new.contains(line));
        lines.extend(gone.map(|line| format!("{name}: lacks {line}")));
        let more = new.iter().filter(|line| !old.contains(line));
        lines.extend(more.map(|line| format!("{name}: has {line}")));
        if old.len() != new.len() {
            lines.push(format!("{name}: {} instead of {}", new.len(), old.len()));
        }
    }
    lines
}
