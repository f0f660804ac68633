//! What is different between a step of ours and the recorded one, a line each.

use std::collections::{BTreeMap, BTreeSet};

use super::document;
use super::record::{Facts, Step};
use super::replay::Done;

/// What the partner was last told of each issue, on both sides.
#[derive(Default)]
pub(crate) struct Told {
    recorded: BTreeMap<String, Vec<String>>,
    ours: BTreeMap<String, Vec<String>>,
    /// Somebody edited another's comment: the recording then names the editor, the embedded
    /// tracker knows the author only. The authors are not compared from there on.
    edited: bool,
}

/// The differences of a step. Both sides' answers are added to what was told before.
pub(crate) fn compare(case: &str, step: &Step, done: Done, told: &mut Told) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    if done.exit != 0 {
        lines.insert("exit 1, recorded 0".to_owned());
    }
    trackers(&step.tracker(), &done.tracker, &mut lines);
    told.edited |= step.edits.iter().any(|edit| !edit.change_comments.is_empty());
    let edited = told.edited;
    let (recorded, ours) = (&mut told.recorded, &mut told.ours);
    let mut times: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (name, text) in step.answers(case) {
        let key = name.trim_start_matches("second-").to_owned();
        times.entry(key.clone()).or_default().0 += 1;
        recorded.insert(key, document::facts(&text));
    }
    for (key, facts) in done.answers {
        times.entry(key.clone()).or_default().1 += 1;
        ours.insert(key, facts);
    }
    for (key, (recorded, ours)) in times {
        if recorded != ours {
            lines.insert(format!("{key} answered {ours} times, recorded {recorded}"));
        }
    }
    // Only where both have spoken: who speaks first is a matter of the lines above.
    for (key, ours) in ours {
        if let Some(recorded) = recorded.get(key) {
            let strip = |facts: &[String]| if edited { anonymous(facts) } else { facts.to_vec() };
            documents(key, &strip(recorded), &strip(ours), &mut lines);
        }
    }
    let recorded: BTreeSet<String> = step.files.iter().map(|file| format!("{file:?}")).collect();
    let ours: BTreeSet<String> = done.files.iter().map(|file| format!("{file:?}")).collect();
    for file in recorded.symmetric_difference(&ours) {
        let whose = if ours.contains(file) { "ours" } else { "recorded" };
        lines.insert(format!("only {whose}: the file {file}"));
    }
    lines
}

fn trackers(
    recorded: &BTreeMap<String, Facts>,
    ours: &BTreeMap<String, Facts>,
    lines: &mut BTreeSet<String>,
) {
    let keys: BTreeSet<&String> = recorded.keys().chain(ours.keys()).collect();
    let nothing = Facts::new();
    for key in keys {
        if recorded.contains_key(key) != ours.contains_key(key) {
            let whose = if ours.contains_key(key) { "ours" } else { "recorded" };
            lines.insert(format!("only {whose}: the issue {key}"));
            continue;
        }
        let recorded = recorded.get(key).unwrap_or(&nothing);
        let ours = ours.get(key).unwrap_or(&nothing);
        let fields: BTreeSet<&String> = recorded.keys().chain(ours.keys()).collect();
        for field in fields {
            let (recorded, ours) = (recorded.get(field), ours.get(field));
            if recorded != ours {
                lines.insert(format!("{key} {field}: {}, recorded {}", or(ours), or(recorded)));
            }
        }
    }
}

/// Without the authors of comments.
fn anonymous(facts: &[String]) -> Vec<String> {
    let facts = facts.iter().filter(|fact| !fact.contains("/TEAM-MEMBERS/TEAM-MEMBER "));
    let cut = |fact: &String| match fact.split_once("; TEAM-MEMBER-REF ") {
        Some((head, _)) if fact.starts_with("ANNOTATIONS/") => head.to_owned(),
        _ => fact.clone(),
    };
    facts.map(cut).collect()
}

/// Long texts by their beginning and digest.
fn brief(text: &str) -> String {
    let head: String = text.chars().take(60).collect();
    if head == text {
        return head;
    }
    let digest = engsync::Digest::of(text.as_bytes()).to_string();
    format!("{head}… ({})", &digest[..8])
}

fn or(value: Option<&String>) -> String {
    value.map_or_else(|| "unset".to_owned(), |value| format!("{:?}", brief(value)))
}

fn documents(key: &str, recorded: &[String], ours: &[String], lines: &mut BTreeSet<String>) {
    for (whose, list, other) in [("ours", ours, recorded), ("recorded", recorded, ours)] {
        let count = |list: &[String], fact: &String| list.iter().filter(|f| *f == fact).count();
        for fact in list.iter().filter(|fact| count(list, fact) > count(other, fact)) {
            lines.insert(format!("told of {key}, only {whose}: {fact:?}"));
        }
    }
}
