//! What is decided, and what came of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::conflict::Conflict;
use crate::issue::{Attachment, Comment, Digest, Field, Issue, Record, Value};
use crate::state::{Base, Outgoing};
use crate::tracker::Schema;
use crate::{Code, Finding};

/// The three sides of an issue, and what the local tracker knows.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'a> {
    /// What was last agreed; `None` for an issue never met.
    pub base: Option<&'a Base>,
    /// The partner's issue as delivered (for `plan_out`: as last delivered, even if a gate keeps
    /// that back).
    pub remote: &'a Issue,
    /// Ours; `None` where there is none yet.
    pub local: Option<&'a Issue>,
    /// The local tracker's fields.
    pub schema: &'a Schema,
    /// The conflicts that wait for a person: their fields are left alone.
    pub open: &'a [OpenConflict],
    /// The local issue is being made: there is none, or an earlier try at making it was
    /// interrupted, and what is to be done at its making may be undone yet.
    pub making: bool,
    /// The delivered document is older than one applied before: its fields are history.
    pub stale: bool,
    /// The local fields that somebody edited while this delivery was being written.
    pub edited: &'a BTreeSet<Field>,
}

/// A conflict that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenConflict {
    /// Its number.
    pub id: i64,
    /// What it is.
    pub conflict: Conflict,
}

impl<'a> Sides<'a> {
    /// The base's last delivered value.
    #[must_use]
    pub fn delivered(&self, field: &str) -> Option<&'a Value> {
        self.base.and_then(|base| base.delivered.get(field))
    }

    /// The local value.
    #[must_use]
    fn local_value(&self, field: &str) -> Option<&'a Value> {
        self.local.and_then(|local| local.fields.get(field))
    }
}

/// Something to do, or why not.
#[derive(Clone, Debug)]
pub enum Decision<P> {
    /// Do this.
    Do(P),
    /// A gate stopped it: the rule's name.
    Skip(String),
}

/// A field that changes on one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which side.
    pub side: Side,
    /// Which field.
    pub field: Field,
    /// What it held.
    pub from: Option<Value>,
    /// What it will hold.
    pub to: Option<Value>,
    /// The rule that says so.
    pub rule: String,
    /// A local edit of a field the partner owns is lost by it (it stays in `from`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overwrote: bool,
    /// The tracker holds less of it than it was told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// A side of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The supplier's tracker.
    Local,
    /// The partner's.
    Remote,
}

/// A field or operation that cannot be done until something changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The field, or `comments`, `attachments`.
    pub field: Field,
    /// The stable word.
    pub code: Code,
    /// In words.
    pub text: String,
    /// The rule.
    #[serde(skip)]
    pub rule: String,
    /// Digest of what it depends on: while that stays, it is not tried or reported again.
    #[serde(skip)]
    pub inputs: String,
}

impl Held {
    /// Held because of `inputs`.
    pub fn new(
        field: impl Into<Field>,
        rule: &str,
        code: Code,
        text: impl Into<String>,
        inputs: &[&str],
    ) -> Self {
        let inputs = Digest::of(inputs.join("\u{1f}").as_bytes()).to_string();
        Self { field: field.into(), code, text: text.into(), rule: rule.to_owned(), inputs }
    }
}

/// An open conflict, as a report names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictNote {
    /// Its number.
    pub id: i64,
    /// The field.
    pub field: Field,
    /// Its kind.
    pub kind: String,
}

/// What a delivery does to the local tracker.
#[derive(Clone, Debug, Default)]
pub struct InPlan {
    /// The issue is made.
    pub create: bool,
    /// The fields that change.
    pub changes: Vec<Change>,
    /// What each rule wants its field to be, whether it changes or not.
    pub wanted: BTreeMap<Field, Option<Value>>,
    /// The comments to add, each with the key under which it is remembered.
    pub comments: Vec<(String, Comment)>,
    /// The files to attach.
    pub files: Vec<FilePlan>,
    /// The local fields of two-way rules on which both sides agree after this.
    pub agreed: Vec<Field>,
    /// Those that the partner is yet to be told.
    pub disagreed: Vec<Field>,
    /// The partner's fields about which what we said is overtaken.
    pub settled: Vec<Field>,
    /// The conflicts found, decided or not.
    pub conflicts: Vec<Conflict>,
    /// The open conflicts that ended because both sides are equal.
    pub superseded: Vec<i64>,
    /// The open conflicts with new values.
    pub reopened: Vec<(i64, Conflict)>,
    /// What cannot be done.
    pub held: Vec<Held>,
    /// What was noticed.
    pub findings: Vec<Finding>,
}

impl OutPlan {
    /// What is different from `before` (what was sent, or is owed already) and, where that says
    /// nothing, from what the partner `delivered`: the fields, then comments and files.
    #[must_use]
    pub fn changes(&self, before: &Outgoing, delivered: &Record) -> Vec<Change> {
        let change = |field: &str, from: Option<Value>, to: Option<Value>| Change {
            side: Side::Remote,
            field: field.to_owned(),
            from,
            to,
            rule: self.sources.get(field).cloned().unwrap_or_default(),
            overwrote: false,
            cut: false,
        };
        let (old, new) = (&before.fields, &self.outgoing.fields);
        let fields: BTreeSet<&str> = old.iter().chain(new.iter()).map(|(field, _)| field).collect();
        let mut changes: Vec<Change> = fields
            .into_iter()
            .filter(|field| old.get(field) != new.get(field))
            .map(|field| {
                let from = old.get(field).or_else(|| delivered.get(field));
                change(field, from.cloned(), new.get(field).cloned())
            })
            .collect();
        for field in self.outgoing.cleared.difference(&before.cleared) {
            if !changes.iter().any(|change| change.field == *field) {
                changes.push(change(field, delivered.get(field).cloned(), None));
            }
        }
        let was = |id: &str| before.comments.iter().find(|comment| comment.id == id);
        for comment in &self.outgoing.comments {
            match was(&comment.id) {
                Some(old) if old.text == comment.text => {}
                old => {
                    let from = old.and_then(|old| Value::text(&old.text));
                    changes.push(change("comments", from, Value::text(&comment.text)));
                }
            }
        }
        let is = |id: &str| self.outgoing.comments.iter().any(|comment| comment.id == id);
        for gone in before.comments.iter().filter(|comment| !is(&comment.id)) {
            changes.push(change("comments", Value::text(&gone.text), None));
        }
        for file in self.outgoing.new_files(before) {
            changes.push(change("attachments", None, Value::text(file.name)));
        }
        changes
    }
}

impl InPlan {
    /// A field changes to `value`, unless it holds it.
    pub(super) fn set(
        &mut self,
        rule: &super::Rule,
        sides: &Sides<'_>,
        field: &str,
        value: Option<Value>,
    ) {
        let from = self.value(sides, field).cloned();
        if from != value {
            self.changes.push(Change {
                side: Side::Local,
                field: field.to_owned(),
                from,
                to: value,
                rule: rule.name.clone(),
                overwrote: false,
                cut: false,
            });
        }
    }

    /// The partner emptied a value that stays here.
    pub(super) fn emptied(&mut self, remote: &str, local: &str) {
        let text = format!(
            "the partner emptied {remote}; {local} keeps its value (say clear = true to follow)"
        );
        self.findings.push(Finding::warning(super::REMOTE_EMPTIED, text));
    }

    /// The local issue's value as this plan leaves it so far.
    #[must_use]
    pub fn value<'a>(&'a self, sides: &Sides<'a>, field: &str) -> Option<&'a Value> {
        match self.changes.iter().rev().find(|change| change.field == field) {
            Some(change) => change.to.as_ref(),
            None => sides.local_value(field),
        }
    }
}

/// A file to attach.
#[derive(Clone, Debug)]
pub struct FilePlan {
    /// The partner's name of it.
    pub remote_name: String,
    /// The file under its local name.
    pub file: Attachment,
    /// It is there already under this name: only remember it.
    pub adopt: bool,
}

/// What the partner is to know.
#[derive(Clone, Debug, Default)]
pub struct OutPlan {
    /// All of it, not only what changed.
    pub outgoing: Outgoing,
    /// Which rule said which value.
    pub sources: BTreeMap<Field, String>,
    /// What cannot be said.
    pub held: Vec<Held>,
}

/// What happened to what could be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The local issue was made.
    Created,
    /// Something changed on either side.
    Updated,
    /// Nothing to do.
    Unchanged,
    /// A gate stopped it.
    Skipped,
    /// Nothing could be done.
    Held,
    /// It could not be written.
    Failed,
}

/// What became of one issue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The partner's number.
    pub remote: String,
    /// The local key.
    pub local: Option<String>,
    /// What happened.
    pub action: Action,
    /// The local fields that changed.
    pub local_changes: Vec<String>,
    /// The outgoing fields that changed.
    pub remote_changes: Vec<String>,
    /// Both in detail.
    pub changes: Vec<Change>,
    /// What is held and was not reported before.
    pub held: Vec<Held>,
    /// What is in conflict.
    pub conflicts: Vec<ConflictNote>,
    /// What was noticed.
    #[serde(serialize_with = "findings", deserialize_with = "findings_back")]
    pub findings: Vec<Finding>,
}

impl Outcome {
    /// What came of it when it was tried once more, after somebody was faster with some fields.
    pub(super) fn join(&mut self, again: Self) {
        let news = again.local_changes.into_iter().filter(|f| !self.local_changes.contains(f));
        let news: Vec<String> = news.collect();
        self.local_changes.extend(news);
        let news = again.remote_changes.into_iter().filter(|f| !self.remote_changes.contains(f));
        let news: Vec<String> = news.collect();
        self.remote_changes.extend(news);
        self.changes.extend(again.changes);
        self.held.extend(again.held);
        self.conflicts.extend(again.conflicts);
        let said = |new: &Finding| {
            let same = |old: &Finding| old.code == new.code && old.text == new.text;
            self.findings.iter().any(same)
        };
        let news: Vec<Finding> = again.findings.into_iter().filter(|new| !said(new)).collect();
        self.findings.extend(news);
        if matches!(self.action, Action::Unchanged | Action::Held) {
            self.action = again.action;
        }
    }

    /// Nothing happened yet.
    #[must_use]
    pub fn new(remote: &str, local: Option<&str>) -> Self {
        Self {
            remote: remote.to_owned(),
            local: local.map(str::to_owned),
            action: Action::Unchanged,
            local_changes: Vec::new(),
            remote_changes: Vec::new(),
            changes: Vec::new(),
            held: Vec::new(),
            conflicts: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Whether a person should look: something new was held, in conflict or failed.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        !self.held.is_empty()
            || !self.conflicts.is_empty()
            || matches!(self.action, Action::Held | Action::Failed)
    }
}

fn findings<S: serde::Serializer>(list: &[Finding], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(list.iter().map(|finding| {
        BTreeMap::from([("code", finding.code.as_str()), ("text", finding.text.as_str())])
    }))
}

/// As a report says them: the code and the words.
fn findings_back<'d, D: serde::Deserializer<'d>>(from: D) -> Result<Vec<Finding>, D::Error> {
    #[derive(Deserialize)]
    struct Said {
        code: Code,
        text: String,
    }
    let said = Vec::<Said>::deserialize(from)?;
    Ok(said.into_iter().map(|Said { code, text }| Finding::warning(code, text)).collect())
}
