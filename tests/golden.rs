//! The golden replay: every step of 24 cases recorded from trackersync, done again with engsync and
//! the embedded tracker, from outside.
//!
//! The recorded rules are translated to the embedded tracker's fields (`fixtures/golden/engsync.toml`);
//! what people did to the tracker is done with the `tracker` commands; what came in comes in, by `-z`
//! or through the spool; the clock stands at the recorded time. After each step three things are
//! compared, values and not bytes, whatever their order:
//!
//! - the tracker: every field, comment and file of every issue, without the times;
//! - who was answered: how often each issue stood in the answers of this step;
//! - what the partner knows: the last answer document of each issue, as facts by their path, without
//!   dates and transaction ids, and the files beside it.
//!
//! The third is cumulative on purpose. trackersync answers a new issue in the *next* run and repeats
//! itself whenever an issue is delivered; we answer at once and only with news. Comparing documents
//! step by step would call all of that different. Comparing the last word on each issue shows that
//! both end up saying the same, and the second comparison counts who said it when.
//!
//! A difference is legal only where the table of `deviations.txt` names it, in that step, word by
//! word, with the row of [`ROWS`] that demands it. Any other difference fails; so does a listed one
//! that no longer occurs. With `answer = "always"` the same must hold without the rows about
//! answering: that setting is said to reproduce trackersync.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the people and the other programs")]
#![allow(clippy::print_stdout, reason = "the outcome of the comparison is of interest")]

mod common;
mod golden {
    pub(crate) mod compare;
    pub(crate) mod document;
    pub(crate) mod record;
    pub(crate) mod replay;
}

#[path = "jira/stub.rs"]
mod stub;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io::{self, Write as _};
use std::sync::Mutex;

use golden::compare::{Told, compare};
use golden::record::{Case, cases};
use golden::replay::{Over, Replay};

/// The rows by which a step may differ: name, trackersync, engsync.
const ROWS: &[(&str, &str, &str)] = &[
    (
        "new-issue",
        "the partner learns our key in the next run",
        "the answer goes out in the same run",
    ),
    ("delivered-again", "every delivered issue is answered, every time", "no answer without news"),
    (
        "answer-owed",
        "a change of the partner's own fields is answered",
        "it is not; `answer = \"always\"` does",
    ),
    (
        "sweep",
        "an issue that is not delivered is written as if it were",
        "a sweep never writes to the tracker; labels and texts follow at the next delivery",
    ),
    (
        "gate",
        "what is delivered while a gate is shut is lost",
        "it is kept, and applied when the gate opens",
    ),
    (
        "file-version",
        "new content under a known name is ignored",
        "it is attached as a new version",
    ),
    (
        "files-out",
        "an outgoing file is listed as `LONG-NAME`, which its own reader does not read",
        "it is listed as `LONG-NAME-1`",
    ),
    ("join", "a list goes out joined by a comma, whatever is configured", "joined by `join`"),
    ("cleared", "a value cleared here is never sent", "it is sent as empty"),
    (
        "refused-field",
        "one value the tracker refuses stops all fields of the issue",
        "the other fields are written",
    ),
    (
        "no-row",
        "a status without a row stops the whole issue, exit 0",
        "that field is held, the rest goes on, exit 1",
    ),
    (
        "once-a-run",
        "two packages of a run answer the same issue twice",
        "each issue is answered once per run",
    ),
    ("comments-deleted", "two comments deleted at once take two answers", "one"),
    (
        "not-caught-up",
        "our own value comes back old and reverts the local one",
        "nothing happens until the partner takes it over or changes it",
    ),
    (
        "routing",
        "a wrong routing code: the package is dropped, exit 0",
        "set aside with `routing-mismatch`, exit 1",
    ),
    (
        "dry-run",
        "a dry run, or one without remote, poisons the runs after it",
        "it leaves everything as it was; what is owed stays owed",
    ),
];

/// The rows that say when an answer is due.
const ANSWERING: [&str; 2] = ["delivered-again", "answer-owed"];

/// The differences of each step, by `case/step`.
type Differences = BTreeMap<String, BTreeSet<String>>;

#[test]
fn every_recorded_step_is_equal_or_deviates_as_its_row_demands() {
    let (steps, found) = replay_all("changed", Over::Embedded);
    let listed = listed(false);
    fail_on(&found, &plain(&listed));
    let table = table(steps, &listed);
    writeln!(io::stdout().lock(), "{table}").unwrap();
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    assert!(
        docs.contains(&table),
        "docs/rules.md, “Compared with trackersync”, should say:\n{table}"
    );
}

#[test]
fn answering_always_is_what_the_older_program_does() {
    let (_, found) = replay_all("always", Over::Embedded);
    let mut left = listed(true);
    for lines in left.values_mut() {
        lines.retain(|(row, _)| !ANSWERING.contains(row));
    }
    fail_on(&found, &plain(&left));
}

/// Where Jira is another: the step, how the difference it replaces begins, and what it is.
const OVER_JIRA: &[(&str, &str, &str)] = &[
    // A label cannot hold blanks there.
    (
        "multistring-labels/04-blank-in-value",
        "TST-1 labels: ",
        "TST-1 labels: \"[\\\"Alpha\\\",\\\"PFIFF-Priority-LOW\\\",\\\"PFIFF-Release-Wanted-R2.0\\\",\\\"P… (661202e1)\", recorded \"[\\\"Alpha\\\",\\\"PFIFF-Priority-LOW\\\",\\\"PFIFF-Release-Wanted-R2.0\\\",\\\"P… (ceb953d0)\"",
    ),
];

/// The tracker behind the network comes to the same end as our own, in every step.
#[test]
fn over_jira_it_is_the_same() {
    let (_, found) = replay_all("changed", Over::Jira);
    let mut wanted = plain(&listed(false));
    for (step, line, instead) in OVER_JIRA {
        let lines = wanted.entry((*step).to_owned()).or_default();
        lines.retain(|listed| !listed.starts_with(line));
        lines.insert((*instead).to_owned());
    }
    fail_on(&found, &wanted);
}

/// Every case, on as many threads as there are processors; how many steps, and what differs.
fn replay_all(answer: &str, over: Over) -> (usize, Differences) {
    let cases = cases();
    let steps = cases.iter().map(|case| case.steps.len()).sum();
    let (queue, found) = (Mutex::new(cases.iter()), Mutex::new(Differences::new()));
    let work = || {
        loop {
            let Some(case) = queue.lock().unwrap().next() else { return };
            let done = replay(case, answer, over);
            found.lock().unwrap().extend(done);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    (steps, found.into_inner().unwrap())
}

fn replay(case: &Case, answer: &str, over: Over) -> Differences {
    let (mut replay, mut told) = (Replay::new(&case.case, answer, over), Told::default());
    let mut found = Differences::new();
    for step in &case.steps {
        let done = replay.step(&case.case, step);
        let lines = compare(&case.case, step, done, &mut told);
        if !lines.is_empty() {
            found.insert(format!("{}/{}", case.case, step.step), lines);
        }
    }
    found
}

/// `deviations.txt`: for each step its differences with their rows; with `always` also those that
/// follow from answering where the older program fails.
fn listed(always: bool) -> BTreeMap<String, Vec<(&'static str, &'static str)>> {
    let mut listed: BTreeMap<String, Vec<_>> = BTreeMap::new();
    let mut step = "";
    let lines = include_str!("golden/deviations.txt").lines();
    for line in lines.filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let Some(difference) = line.strip_prefix("    ") else {
            step = line;
            continue;
        };
        let (row, text) = difference.split_once(": ").unwrap();
        let row = match row.strip_suffix(" (always)") {
            Some(row) if always => row,
            Some(_) => continue,
            None => row,
        };
        assert!(ROWS.iter().any(|(name, ..)| *name == row), "{row} is no row");
        listed.entry(step.to_owned()).or_default().push((row, text));
    }
    listed
}

fn plain(listed: &BTreeMap<String, Vec<(&str, &str)>>) -> Differences {
    let mut plain = Differences::new();
    for (step, lines) in listed.iter().filter(|(_, lines)| !lines.is_empty()) {
        let texts = lines.iter().map(|(_, text)| (*text).to_owned());
        plain.insert(step.clone(), texts.collect());
    }
    plain
}

fn fail_on(found: &Differences, listed: &Differences) {
    let mut text = String::new();
    let none = BTreeSet::new();
    for step in found.keys().chain(listed.keys()).collect::<BTreeSet<_>>() {
        let (found, listed) = (found.get(step).unwrap_or(&none), listed.get(step).unwrap_or(&none));
        for line in found.difference(listed) {
            let _ = writeln!(text, "{step}: not listed: {line}");
        }
        for line in listed.difference(found) {
            let _ = writeln!(text, "{step}: no longer so: {line}");
        }
    }
    assert!(text.is_empty(), "\n{text}");
}

/// How many steps are equal, and how many deviate by which row.
fn table(steps: usize, listed: &BTreeMap<String, Vec<(&str, &str)>>) -> String {
    let equal = steps - listed.len();
    let mut table = format!(
        "Of {steps} recorded steps {equal} are equal; {} deviate, some by more than one row:\n\n\
         | row | steps | trackersync | engsync |\n|---|---|---|---|\n",
        listed.len()
    );
    for (row, theirs, ours) in ROWS {
        let deviates = |lines: &&Vec<(&str, &str)>| lines.iter().any(|(name, _)| name == row);
        let count = listed.values().filter(deviates).count();
        assert!(count > 0, "no step deviates by {row} any more");
        let _ = writeln!(table, "| {row} | {count} | {theirs} | {ours} |");
    }
    table
}
