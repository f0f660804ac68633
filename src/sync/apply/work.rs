//! One issue on its way through: plan, remember, owe. What is written in between, and what came
//! of it, is [`super::write`]'s.

use std::collections::BTreeSet;

use super::super::GATED;
use super::super::conflict::Conflict;
use super::super::inward::plan_in;
use super::super::outward::plan_out;
use super::super::plan::{
    Action, Change, ConflictNote, Decision, Held, InPlan, OpenConflict, OutPlan, Outcome, Side,
    Sides,
};
use super::doubt::Doubt;
use super::names::{KEY_FIELD, OUT, inward_mark, local_change, outward_mark};
use super::weigh::weigh;
use super::{Context, Delivery, GonePolicy};
use crate::issue::{Field, Issue, Value};
use crate::state::{Base, Entry, EntryKind, HeldMark, Link, LinkState, Outgoing, Pending};
use crate::tracker::LOCAL_GONE;
use crate::{Finding, Result};

/// What is to be done with an issue.
pub(super) enum Step {
    /// Nothing more: this came of it.
    Done(Outcome),
    /// This is to be written.
    Write(Box<InPlan>),
}

/// One issue on its way through.
pub(super) struct Work<'a> {
    pub context: &'a Context<'a>,
    pub delivery: Option<&'a Delivery>,
    pub link: Link,
    pub local: Option<Issue>,
    pub outcome: Outcome,
    /// An earlier create that was in doubt did not happen.
    pub absent: bool,
    /// What earlier tries wrote is not known.
    pub in_doubt: bool,
    /// An earlier try at making the issue was interrupted.
    making: bool,
    /// The fields that somebody edited while it was being written, when it is tried once more.
    pub edited: BTreeSet<Field>,
    /// The fields that were found so edited now.
    pub overtaken: BTreeSet<Field>,
    /// It can be tried once more.
    pub again: bool,
    open: Vec<OpenConflict>,
}

impl<'a> Work<'a> {
    /// A delivery, with the link and the local issue it meets; [`super::seek`] finds those that
    /// are not known.
    pub(super) fn new(
        context: &'a Context<'a>,
        delivery: &'a Delivery,
        link: Option<Link>,
        local: Option<Issue>,
    ) -> Result<Self> {
        let link = link.unwrap_or_else(|| Link {
            id: 0,
            partner: context.policy.partner.clone(),
            remote: delivery.issue.id.clone(),
            key: None,
            state: LinkState::Active,
            base: Base::default(),
            owed: None,
            pending: None,
        });
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
        Ok(Self {
            context,
            delivery: None,
            link,
            local,
            outcome,
            absent: false,
            in_doubt: false,
            making: false,
            edited: BTreeSet::new(),
            overtaken: BTreeSet::new(),
            again: false,
            open,
        })
    }

    /// Decides; what is to be written is left to the caller.
    pub(super) fn plan(&mut self) -> Result<Step> {
        let Some(delivery) = self.delivery else { return Ok(Step::Done(self.finish())) };
        if self.link.key.is_some() && self.local.is_none() {
            self.gone();
            return Ok(Step::Done(self.finish()));
        }
        self.link.state = LinkState::Active;
        self.find_lost()?;
        let stale = self.link.base.is_newer_than(delivery.revision, &delivery.reference);
        let known = self.link.key.is_some();
        let rules = &self.context.policy.rules;
        if let Some(local) = &self.local {
            weigh(rules, Some(&delivery.issue), &self.link.base, local);
        }
        let sides = Sides {
            base: known.then_some(&self.link.base),
            remote: &delivery.issue,
            local: self.local.as_ref(),
            schema: self.context.schema,
            open: &self.open,
            making: self.making || self.local.is_none(),
            stale,
            edited: &self.edited,
        };
        match plan_in(rules, &sides) {
            Decision::Skip(gate) => {
                self.outcome.action = Action::Skipped;
                self.outcome
                    .findings
                    .push(Finding::warning(GATED, format!("{gate} keeps it from being taken in")));
                if self.link.key.is_none() {
                    return Ok(Step::Done(self.outcome.clone()));
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
                if self.making {
                    self.outcome.action = Action::Created;
                }
                return Ok(Step::Write(Box::new(plan)));
            }
        }
        self.owe();
        Ok(Step::Done(self.finish()))
    }

    /// What follows once a plan was carried out: the base moves, and something may be owed.
    pub(super) fn settle(&mut self, plan: &InPlan) -> Result<Outcome> {
        self.keep_conflicts(plan)?;
        if let Some(delivery) = self.delivery {
            let stale = self.link.base.is_newer_than(delivery.revision, &delivery.reference);
            self.remember(plan, delivery, stale);
            // What a gate kept back before came along with this one; what is newer still waits.
            let newer =
                |pending: &Pending| pending.is_newer_than(delivery.revision, &delivery.reference);
            self.link.pending = self.link.pending.take().filter(newer);
        }
        if self.overtaken.is_empty() {
            self.owe();
        }
        Ok(self.finish())
    }

    /// Writes whose outcome was lost, of this document or of another one that waits for its turn.
    fn find_lost(&mut self) -> Result<()> {
        let (Some(local), false) = (&self.local, self.context.tracker.capabilities().shares_state)
        else {
            return Ok(());
        };
        let mut lost: Vec<Change> = Vec::new();
        for intent in self.context.state.intents(&self.link.partner, &self.link.remote)? {
            let doubt = Doubt::read(&intent);
            self.making |= doubt.create.is_some();
            lost.extend(doubt.settle(local, &mut self.link.base));
        }
        lost.into_iter().for_each(|change| self.record(change));
        Ok(())
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
            let Conflict { field, remote, remote_field, .. } = conflict;
            if self.is_partners(&field) {
                self.link.base.keep(&field, remote.clone(), remote);
            } else {
                self.link.base.settle(&remote_field);
                self.link.base.agree(&[(field, remote)]);
            }
            self.open.retain(|open| open.id != id);
        }
        Ok(())
    }

    /// What the partner is owed after this.
    pub(super) fn owe(&mut self) {
        let revision = self.local.as_ref().and_then(|local| local.revision.clone());
        self.link.base.local_revision = revision;
        let remote = Issue {
            id: self.link.remote.clone(),
            fields: self.link.latest().clone(),
            ..Issue::default()
        };
        if let Some(local) = &self.local {
            weigh(&self.context.policy.rules, None, &self.link.base, local);
        }
        let sides = Sides {
            base: Some(&self.link.base),
            remote: &remote,
            local: self.local.as_ref(),
            schema: self.context.schema,
            open: &self.open,
            making: false,
            stale: false,
            edited: &self.edited,
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
    pub(super) fn hold(&mut self, mark: String, held: Held) {
        let known = self.link.base.held.get(&mark);
        if known.is_some_and(|known| known.inputs == held.inputs) {
            return;
        }
        let note = HeldMark {
            code: held.code.to_string(),
            text: held.text.clone(),
            inputs: held.inputs.clone(),
            package: self.context.package.map(str::to_owned),
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
