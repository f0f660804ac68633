//! The README's sessions, run as they stand on a copy of the example. Masked are stamps only:
//! times, and the time in the names of our own packages. A line `…` stands for any lines.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the newcomer")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A command of the README and what it says comes out.
struct Step {
    command: String,
    wanted: Vec<String>,
}

fn steps(readme: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => match line.strip_prefix("$ ") {
                Some(command) => {
                    steps.push(Step { command: command.to_owned(), wanted: Vec::new() });
                }
                None => steps.last_mut().unwrap().wanted.push(line.to_owned()),
            },
        }
    }
    steps
}

fn masked(text: &str) -> String {
    let masks = [
        (r"ENG\d{14}(MFA|NWG)", "ENG<stamp>$1"),
        (r"\b\d{14}(MFA|NWG)", "<stamp>$1"),
        (r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?", "<time>"),
        (r"20\d\d/\d\d/\d\dT\d\d:\d\d:\d\d", "<time>"),
    ];
    masks.into_iter().fold(text.to_owned(), |text, (pattern, mask)| {
        Regex::new(pattern).unwrap().replace_all(&text, mask).into_owned()
    })
}

/// The newest description in the directory of `path`.
fn newest(dir: &Path, path: &str) -> String {
    let parent = Path::new(path).parent().unwrap();
    let mut names: Vec<String> = fs::read_dir(dir.join(parent))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with("001"))
        .collect();
    names.sort();
    parent.join(names.last().unwrap()).to_string_lossy().into_owned()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        let shown = name.to_string_lossy();
        // What runs of a developer left in the checkout is not part of the example.
        let left =
            shown.starts_with("engsync.db") || (from.ends_with("spool") && shown != "incoming");
        if left {
            continue;
        }
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(name));
        } else {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

/// Whether the lines that came out are the wanted ones, `…` standing for any.
fn fits(wanted: &[String], got: &[String]) -> bool {
    match (wanted.first().map(String::as_str), got.first()) {
        (None, None) => true,
        (Some("…"), _) => (0..=got.len()).any(|skip| fits(&wanted[1..], &got[skip..])),
        (Some(line), Some(came)) => line == came && fits(&wanted[1..], &got[1..]),
        _ => false,
    }
}

fn lines(text: &str) -> Vec<String> {
    masked(text).lines().map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn the_sessions_are_as_printed() {
    let dir = tempfile::tempdir().unwrap();
    copy(&root().join("spool-example"), &dir.path().join("spool-example"));
    let binary = assert_cmd::cargo::cargo_bin("engsync");
    let steps = steps(&fs::read_to_string(root().join("README.md")).unwrap());
    let mut run = 0;
    let mut config = String::new();
    let mut printed = Vec::new();
    let path = Regex::new(r"\S+/ENG\d{14}MFA\d{6}").unwrap();
    for Step { command, wanted } in &steps {
        if let Some(value) = command.strip_prefix("export ENGSYNC_CONFIG=") {
            value.clone_into(&mut config);
            continue;
        }
        let command = command.replace("cargo run --release -- ", "engsync ");
        let Some(arguments) = command.strip_prefix("engsync ") else { continue };
        if arguments.contains("/srv/") {
            continue;
        }
        let mut arguments = arguments.to_owned();
        if let Some(found) = path.find(&arguments.clone()) {
            let path = newest(dir.path(), found.as_str());
            arguments = arguments.replace(found.as_str(), &path);
        }
        let shell = format!("{} {arguments}", binary.display());
        let mut child = Command::new("sh");
        child.args(["-c", &shell]).current_dir(dir.path()).env("USER", "you");
        child.env_remove("ENGSYNC_CONFIG");
        if !config.is_empty() {
            child.env("ENGSYNC_CONFIG", &config);
        }
        let output = child.output().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let trouble = command.contains("troubles");
        assert_eq!(output.status.code(), Some(i32::from(trouble)), "{command}\n{out}{error}");
        run += 1;
        printed.push(format!("$ {command}\n{out}"));
        let wanted: Vec<String> = lines(&wanted.join("\n"));
        assert!(
            fits(&wanted, &lines(&out)),
            "{command}\nprints\n{out}\ninstead of\n{}\n\nthe whole session:\n{}",
            wanted.join("\n"),
            printed.join("\n")
        );
    }
    assert!(run >= 8, "only {run} commands of the README were run");
}

#[test]
fn the_example_stands_in_the_checkout_as_it_was_delivered() {
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    for needed in ["/spool-example/engsync.db*", "/spool-example/troubles/engsync.db*"] {
        assert!(ignored.contains(needed), ".gitignore does not ignore {needed}");
    }
    let incoming = fs::read_dir(root().join("spool-example/spool/incoming")).unwrap().count();
    assert!(incoming >= 5, "two whole packages and half of a third: {incoming} files");
}
