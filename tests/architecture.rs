//! Holds the module table of `src/lib.rs` and `docs/architecture.md`: who may use whom, and how
//! long a file may be. Reads the `crate::` paths of the sources.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which modules a module may use, beside itself and the root's words.
const MAY_USE: &[(&str, &[&str])] = &[
    ("words", &[]),
    ("disk", &[]),
    ("db", &["disk"]),
    ("edifact", &[]),
    ("engdat", &["edifact"]),
    ("issue", &[]),
    ("asam", &["issue"]),
    ("tracker", &["issue", "db", "disk"]),
    ("state", &["issue", "engdat", "db", "disk"]),
    ("spool", &["disk", "engdat"]),
    ("transport", &["engdat", "disk"]),
    ("sync", &["issue", "tracker", "state"]),
    (
        "exchange",
        &[
            "disk",
            "db",
            "engdat",
            "issue",
            "asam",
            "tracker",
            "state",
            "spool",
            "transport",
            "sync",
        ],
    ),
    (
        "cli",
        &[
            "disk",
            "db",
            "edifact",
            "engdat",
            "issue",
            "asam",
            "tracker",
            "state",
            "spool",
            "transport",
            "sync",
            "exchange",
        ],
    ),
];

const MOST_LINES: usize = 500;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    files.sort();
    files
}

/// `src/sync/inward/files.rs` belongs to `sync`.
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn is_test(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    name == "tests"
        || name == "laws"
        || name.ends_with("_tests")
        || path.components().any(|part| part.as_os_str() == "tests")
}

/// The code of a file without its inline tests and comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules named by `crate::…` paths, also inside `crate::{…}`.
fn used(code: &str, modules: &BTreeSet<&str>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with('$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(group) => {
                let end = group.find(';').unwrap_or(group.len());
                group[..end].split([',', '{', '}', ' ', '\n']).collect()
            }
            None => vec![rest],
        };
        for name in names {
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
            if modules.contains(&name[..end]) {
                found.insert(name[..end].to_owned());
            }
        }
    }
    found
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let table: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let modules: BTreeSet<&str> = table.keys().copied().collect();
    let mut edges = BTreeSet::new();
    for path in all_sources().iter().filter(|path| !is_test(path)) {
        let module = module_of(path);
        if module == "lib" || module == "main" {
            continue;
        }
        let allowed = table.get(module.as_str()).unwrap_or_else(|| {
            panic!("{} is of no module in the table", path.display());
        });
        for other in used(&code(path), &modules) {
            let fine = other == module || other == "words" || allowed.contains(&other.as_str());
            assert!(fine, "{} uses {other}: {module} may use {allowed:?}", path.display());
            if other != module {
                edges.insert((module.clone(), other));
            }
        }
    }
    // The test must not pass because it read nothing.
    let wanted = [
        ("engdat", "edifact"),
        ("asam", "issue"),
        ("tracker", "issue"),
        ("state", "db"),
        ("spool", "disk"),
        ("sync", "tracker"),
        ("sync", "state"),
        ("exchange", "sync"),
        ("cli", "exchange"),
    ];
    for (from, to) in wanted {
        assert!(edges.contains(&(from.to_owned(), to.to_owned())), "no edge {from} -> {to} found");
    }
}

#[test]
fn every_module_stands_in_the_table_and_in_the_docs() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let docs = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let declared: Vec<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert!(declared.len() >= 12, "{declared:?}");
    for module in declared {
        assert!(MAY_USE.iter().any(|(name, _)| *name == module), "{module}: not in the table");
        assert!(docs.contains(&format!("`{module}`")), "{module}: not in docs/architecture.md");
    }
}

#[test]
fn plans_are_pure_and_codecs_touch_no_files() {
    let forbidden: &[(&str, &[&str])] = &[
        ("sync/inward", &["std::fs", "std::io", "tracing::", "Clock", ".now()"]),
        ("sync/outward", &["std::fs", "std::io", "tracing::", "Clock", ".now()"]),
        ("edifact", &["std::fs", "File::open", "Clock"]),
        ("engdat", &["std::fs", "File::open", "Clock"]),
        ("asam", &["std::fs", "File::open", "Clock"]),
    ];
    let mut read = 0;
    for path in all_sources().iter().filter(|path| !is_test(path)) {
        let inside = path.strip_prefix(root().join("src")).unwrap().to_string_lossy().into_owned();
        for (place, words) in forbidden {
            let here = inside == format!("{place}.rs") || inside.starts_with(&format!("{place}/"));
            if !here {
                continue;
            }
            read += 1;
            for word in *words {
                assert!(!code(path).contains(word), "{inside} holds {word:?}");
            }
        }
    }
    assert!(read > 10, "only {read} files were looked at");
}

#[test]
fn only_cli_prints_and_reads_clock_and_environment() {
    let words =
        ["println!", "eprintln!", "Utc::now", "SystemTime::now", "env::var", "process::exit"];
    for path in all_sources().iter().filter(|path| !is_test(path) && module_of(path) != "cli") {
        for word in words {
            assert!(!code(path).contains(word), "{} holds {word:?}", path.display());
        }
    }
}

#[test]
fn no_file_is_longer_than_can_be_held() {
    let files = all_sources();
    assert!(files.len() > 50, "only {} files were found", files.len());
    for path in files {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines", path.display());
    }
}
