//! One issue on its way through: plan, write, read back, remember, owe.

use super::super::GATED;
use super::super::conflict::Conflict;
use super::super::inward::plan_in;
use super::super::outward::plan_out;
use super::super::plan::{
    Action, Change, ConflictNote, Decision, FilePlan, Held, InPlan, OpenConflict, OutPlan, Outcome,
    Side, Sides,
};
use super::doubt::Doubt;
use super::names::{
    KEY_FIELD, OUT, inputs_of, inward_mark, local_change, marker, outward_mark, token,
};
use super::{Context, Delivery, GonePolicy};
use crate::issue::{Issue, Value};
use crate::state::{
    Base, Entry, EntryKind, HeldMark, Incoming, Intent, Link, LinkState, Outgoing, Pending,
};
use crate::tracker::{Changes, LOCAL_GONE, NewComment, TRACKER_REFUSED, Written};
use crate::{Error, Fault, Finding, Result};

/// The intent to write to an issue.
const FIELDS: &str = "fields";

/// One issue on its way through.
pub(super) struct Work<'a> {
    pub context: &'a Context<'a>,
    pub delivery: Option<&'a Delivery>,
    pub link: Link,
    pub local: Option<Issue>,
    pub outcome: Outcome,
    open: Vec<OpenConflict>,
}

impl<'a> Work<'a> {
    pub(super) fn start(
        context: &'a Context<'a>,
        delivery: &'a Delivery,
        link: Option<Link>,
        local: Option<Issue>,
    ) -> Result<Self> {
        let mut link = link.unwrap_or_else(|| Link {
            id: 0,
            partner: context.policy.partner.clone(),
            remote: delivery.issue.id.clone(),
            key: None,
            state: LinkState::Active,
            base: Base::default(),
            owed: None,
            pending: None,
        });
        let mut local = local;
        if link.key.is_none() {
            // A create whose outcome was lost, or a state that was: the marker knows.
            let marker = marker(context.policy, &link.remote);
            if let Some(key) = context.tracker.find(&marker)?.into_iter().next() {
                local = context.tracker.get_many(std::slice::from_ref(&key))?.pop().flatten();
                link.key = Some(key);
            }
        }
        let mut work = Self::look(context, link, local)?;
        work.outcome.findings.clone_from(&delivery.findings);
        work.delivery = Some(delivery);
        Ok(work)
    }

    /// Without a delivery: for local changes and decisions.
    pub(super) fn look(context: &'a Context<'a>, link: Link, local: Option<Issue>) -> Result<Self> {
        let open = if link.id == 0 {
            Vec::new()
        } else {
            let rows = context.state.open_conflicts::<Conflict>(&link.partner, &link.remote)?;
            rows.into_iter().map(|row| OpenConflict { id: row.id, conflict: row.record }).collect()
        };
        let outcome = Outcome::new(&link.remote, link.key.as_deref());
        Ok(Self { context, delivery: None, link, local, outcome, open })
    }

    pub(super) fn run(&mut self) -> Result<Outcome> {
        let Some(delivery) = self.delivery else { return Ok(self.finish()) };
        if self.link.key.is_some() && self.local.is_none() {
            match self.context.policy.gone {
                GonePolicy::Recreate => {
                    self.link.key = None;
                    self.link.base = Base { sent: None, ..Base::default() };
                }
                GonePolicy::Hold | GonePolicy::Ignore => {
                    self.gone();
                    return Ok(self.finish());
                }
            }
        }
        self.link.state = LinkState::Active;
        self.find_lost()?;
        let stale = self.link.base.is_newer_than(delivery.revision, &delivery.reference);
        let known = self.link.key.is_some();
        let sides = Sides {
            base: known.then_some(&self.link.base),
            remote: &delivery.issue,
            local: self.local.as_ref(),
            schema: self.context.schema,
            open: &self.open,
            stale,
        };
        match plan_in(&self.context.policy.rules, &sides) {
            Decision::Skip(gate) => {
                self.outcome.action = Action::Skipped;
                self.outcome
                    .findings
                    .push(Finding::warning(GATED, format!("{gate} keeps it from being taken in")));
                if self.link.key.is_none() {
                    return Ok(self.outcome.clone());
                }
                let kept = Pending::of(
                    &delivery.issue,
                    delivery.revision,
                    &delivery.reference,
                    &delivery.peer_short,
                );
                self.link.pending = Some(match self.link.pending.take() {
                    Some(before) => before.joined_by(kept),
                    None => kept,
                });
            }
            Decision::Do(plan) => {
                self.write(&plan)?;
                self.keep_conflicts(&plan)?;
                self.remember(&plan, delivery, stale);
                self.link.pending = None;
            }
        }
        self.owe();
        Ok(self.finish())
    }

    /// Writes a plan to the tracker and reads back.
    fn write(&mut self, plan: &InPlan) -> Result<()> {
        self.outcome.findings.extend(plan.findings.iter().cloned());
        let tracker = self.context.tracker;
        let mut wanted = Changes::new();
        for change in &plan.changes {
            let held = self.link.base.held.get(&inward_mark(&change.field));
            if held.is_none_or(|held| held.inputs != inputs_of(change.to.as_ref())) {
                wanted.insert(change.field.clone(), change.to.clone());
            }
        }
        self.intend(plan, &wanted)?;
        let key = match (&self.link.key, &self.local) {
            (Some(key), Some(local)) => {
                let key = key.clone();
                if !wanted.is_empty() {
                    let expected: Changes = wanted
                        .keys()
                        .map(|field| (field.clone(), local.fields.get(field).cloned()))
                        .collect();
                    let written = tracker.update(&key, &wanted, Some(&expected))?;
                    self.take_back(written, &wanted, plan);
                }
                key
            }
            _ => {
                let marker = marker(self.context.policy, &self.link.remote);
                let written = tracker.create(&marker, &wanted)?;
                let key = written.issue.id.clone();
                self.link.key = Some(key.clone());
                self.outcome.local = Some(key.clone());
                self.outcome.action = Action::Created;
                self.take_back(written, &wanted, plan);
                key
            }
        };
        let comments = self.write_comments(&key, plan)?;
        let files = self.write_files(&key, plan)?;
        if comments || files {
            self.local = tracker.get_many(std::slice::from_ref(&key))?.pop().flatten();
        }
        for held in &plan.held {
            self.hold(inward_mark(&held.field), held.clone());
        }
        Ok(())
    }

    /// Writes whose outcome was lost, of this document or of another one that waits for its turn.
    fn find_lost(&mut self) -> Result<()> {
        let (Some(local), false) = (&self.local, self.context.tracker.capabilities().shares_state)
        else {
            return Ok(());
        };
        let intents = self.context.state.intents(&self.link.partner, &self.link.remote)?;
        let mut lost: Vec<Change> = Vec::new();
        for intent in intents.iter().filter(|intent| intent.operation == FIELDS) {
            let doubt = serde_json::from_str::<Doubt>(&intent.payload).unwrap_or_default();
            lost.extend(doubt.settle(local, &mut self.link.base));
        }
        lost.into_iter().for_each(|change| self.record(change));
        Ok(())
    }

    /// What the tracker made of our values.
    fn take_back(&mut self, written: Written, wanted: &Changes, plan: &InPlan) {
        for refused in &written.refused {
            let value = wanted.get(&refused.field).cloned().flatten();
            let held = Held {
                field: refused.field.clone(),
                code: refused.code,
                text: refused.text.clone(),
                rule: String::new(),
                inputs: inputs_of(value.as_ref()),
            };
            self.hold(inward_mark(&refused.field), held);
        }
        for change in &plan.changes {
            let done = wanted.contains_key(&change.field)
                && !written.refused.iter().any(|refused| refused.field == change.field);
            if done {
                self.link.base.held.remove(&inward_mark(&change.field));
                self.record(change.clone());
            }
        }
        self.local = Some(written.issue);
    }

    fn write_comments(&mut self, key: &str, plan: &InPlan) -> Result<bool> {
        for (provenance, comment) in &plan.comments {
            let token = token(&self.link, "comment", provenance);
            let new = NewComment {
                author: comment.author.clone(),
                created: comment.created,
                text: comment.text.clone(),
                token,
            };
            let id = self.context.tracker.comment(key, &new)?;
            self.link.base.comments_in.insert(provenance.clone(), id);
            self.record(local_change("comments", Value::text(&comment.text)));
        }
        Ok(!plan.comments.is_empty())
    }

    fn write_files(&mut self, key: &str, plan: &InPlan) -> Result<bool> {
        let mut changed = false;
        for FilePlan { remote_name, file, adopt } in &plan.files {
            let digest = file.known_digest().map(|digest| digest.to_string()).unwrap_or_default();
            if !adopt {
                match self.context.tracker.attach(key, file) {
                    Ok(()) => {}
                    Err(error) if error.fault == Fault::Item => {
                        let field = format!("attachments/{}", file.name);
                        let held =
                            Held::new(&*field, "", TRACKER_REFUSED, error.line(), &[&digest]);
                        self.hold(inward_mark(&field), held);
                        continue;
                    }
                    Err(error) => return Err(error),
                }
                changed = true;
                self.record(local_change("attachments", Value::text(&file.name)));
            }
            let incoming = Incoming { name: file.name.clone(), sha256: digest };
            let base = &mut self.link.base;
            let before = base.files_in.insert(remote_name.clone(), incoming);
            base.files_before.extend(before);
        }
        Ok(changed)
    }

    /// Writes down what was found in conflict, and what is so no longer.
    fn keep_conflicts(&mut self, plan: &InPlan) -> Result<()> {
        let Context { state, now, .. } = self.context;
        if plan.conflicts.is_empty() && plan.superseded.is_empty() && plan.reopened.is_empty() {
            return Ok(());
        }
        let (partner, remote) = (self.link.partner.clone(), self.link.remote.clone());
        for conflict in &plan.conflicts {
            let decided = conflict.decision.is_some();
            let word = if decided { "auto-resolved" } else { "open" };
            // What the tracker refused is decided anew at each delivery, but is one conflict.
            if self.link.base.behind.contains_key(&conflict.remote_field)
                && state.knows_conflict(&partner, &remote, word, conflict)?
            {
                continue;
            }
            let id = state.add_conflict(&partner, &remote, word, conflict, *now)?;
            if !decided {
                self.note(id, conflict);
                self.open.push(OpenConflict { id, conflict: conflict.clone() });
            }
        }
        for (id, conflict) in &plan.reopened {
            state.update_conflict(*id, "open", conflict)?;
            self.note(*id, conflict);
        }
        for id in &plan.superseded {
            state.supersede_conflict(*id)?;
            self.open.retain(|open| open.id != *id);
        }
        Ok(())
    }

    fn note(&mut self, id: i64, conflict: &Conflict) {
        let kind = conflict.kind.as_str().to_owned();
        self.outcome.conflicts.push(ConflictNote { id, field: conflict.field.clone(), kind });
    }

    /// A conflict is being decided: its field is free again.
    pub(super) fn forget_open(&mut self, id: i64) {
        self.open.retain(|open| open.id != id);
    }

    /// A conflict ends by itself when a person here types what the partner has.
    pub(super) fn close_equal(&mut self) -> Result<()> {
        let local = self.local.as_ref();
        let equal: Vec<OpenConflict> = self
            .open
            .iter()
            .filter(|open| {
                let here = local.and_then(|local| local.fields.get(&open.conflict.field));
                here == open.conflict.remote.as_ref()
            })
            .cloned()
            .collect();
        for OpenConflict { id, conflict } in equal {
            self.context.state.supersede_conflict(id)?;
            self.link.base.settle(&conflict.remote_field);
            self.link.base.agree(&[(conflict.field.clone(), conflict.remote.clone())]);
            self.open.retain(|open| open.id != id);
        }
        Ok(())
    }

    /// What the partner is owed after this.
    pub(super) fn owe(&mut self) {
        let remote = Issue {
            id: self.link.remote.clone(),
            fields: self.link.latest().clone(),
            ..Issue::default()
        };
        let sides = Sides {
            base: Some(&self.link.base),
            remote: &remote,
            local: self.local.as_ref(),
            schema: self.context.schema,
            open: &self.open,
            stale: false,
        };
        let Decision::Do(plan) = plan_out(&self.context.policy.rules, &sides) else { return };
        let OutPlan { outgoing, held, .. } = &plan;
        let marks: Vec<String> = held.iter().map(|held| outward_mark(&held.field)).collect();
        self.link.base.held.retain(|mark, _| !mark.starts_with(OUT) || marks.contains(mark));
        for held in held {
            self.hold(outward_mark(&held.field), held.clone());
        }
        let nothing = Outgoing::default();
        let before = self.link.owed.as_ref().or(self.link.base.sent.as_ref());
        let mut changes = plan.changes(before.unwrap_or(&nothing), &self.link.base.delivered);
        if before.is_none() && !changes.iter().any(|change| change.field == KEY_FIELD) {
            // Our key travels as ISSUE-ID even without a rule.
            let key = self.link.key.as_deref().and_then(Value::text);
            changes.push(Change { side: Side::Remote, ..local_change(KEY_FIELD, key) });
        }
        for change in changes {
            self.record(change);
        }
        // The sweep behind a delivery does not take back that it is to be answered.
        let due = self.delivery.is_some() || self.link.owed.is_some();
        let always = self.context.policy.answer_always && due;
        let news = self.link.base.sent.as_ref().is_none_or(|sent| outgoing.differs_from(sent));
        self.link.owed = (news || always).then(|| outgoing.clone());
    }

    /// The local issue is not there any more.
    pub(super) fn gone(&mut self) {
        let first = self.link.state != LinkState::Gone;
        self.link.state = LinkState::Gone;
        if self.context.policy.gone != GonePolicy::Ignore && first {
            let key = self.link.key.clone().unwrap_or_default();
            let text = format!(
                "{key} was deleted; restore it, `engsync unlink`, or set gone = \"recreate\""
            );
            let held = Held::new("issue", "", LOCAL_GONE, text, &[&key]);
            self.hold(inward_mark("issue"), held);
        }
    }

    /// Marks something as held, and reports it unless it was so before.
    fn hold(&mut self, mark: String, held: Held) {
        let known = self.link.base.held.get(&mark);
        if known.is_some_and(|known| known.inputs == held.inputs) {
            return;
        }
        let note = HeldMark {
            code: held.code.to_string(),
            text: held.text.clone(),
            inputs: held.inputs.clone(),
        };
        self.link.base.held.insert(mark, note);
        self.outcome.held.push(held);
    }

    pub(super) fn record(&mut self, change: Change) {
        let list = match change.side {
            Side::Local => &mut self.outcome.local_changes,
            Side::Remote => &mut self.outcome.remote_changes,
        };
        if !list.contains(&change.field) {
            list.push(change.field.clone());
        }
        self.outcome.changes.push(change);
    }

    pub(super) fn finish(&self) -> Outcome {
        let mut outcome = self.outcome.clone();
        let changed = !outcome.local_changes.is_empty() || !outcome.remote_changes.is_empty();
        outcome.action = match outcome.action {
            Action::Unchanged if changed => Action::Updated,
            Action::Unchanged if !outcome.held.is_empty() || !outcome.conflicts.is_empty() => {
                Action::Held
            }
            action => action,
        };
        outcome
    }

    /// Writes down what is about to be written, where that is not in our transaction.
    fn intend(&self, plan: &InPlan, wanted: &Changes) -> Result<()> {
        let doubt = Doubt::of(plan, wanted);
        if self.context.tracker.capabilities().shares_state || doubt.is_empty() {
            return Ok(());
        }
        let payload = serde_json::to_string(&doubt).map_err(|error| {
            Error::setup(crate::DATABASE, "cannot write a change as JSON").because(error)
        })?;
        let intent = Intent {
            token: token(&self.link, FIELDS, &payload),
            partner: self.link.partner.clone(),
            remote: self.link.remote.clone(),
            operation: FIELDS.to_owned(),
            payload,
        };
        self.context.state.save_intent(&intent, self.context.now)
    }

    pub(super) fn save(&mut self, outcome: &Outcome, kind: EntryKind) -> Result<()> {
        let Context { state, now, package, .. } = self.context;
        if self.link.id == 0 && self.link.key.is_none() {
            return Ok(());
        }
        state.save_link(&mut self.link)?;
        if self.delivery.is_some() && !self.context.tracker.capabilities().shares_state {
            state.clear_intents(&self.link.partner, &self.link.remote)?;
        }
        let changes: Vec<&Change> =
            outcome.changes.iter().filter(|change| change.side == Side::Local).collect();
        if changes.is_empty() {
            return Ok(());
        }
        state.journal(&Entry {
            at: crate::stamp(*now),
            partner: self.link.partner.clone(),
            package: package.map(str::to_owned),
            remote: self.link.remote.clone(),
            key: self.link.key.clone(),
            kind,
            changes,
        })
    }
}
