//! What a delivery leaves behind: the base moves, but only where it was dealt with.

use std::collections::BTreeSet;

use super::super::check::local_fields;
use super::super::plan::InPlan;
use super::super::rule::{Kind, Rule, TwoWay};
use super::Delivery;
use super::names::{IN, inward_mark};
use super::work::Work;
use crate::issue::Record;
use crate::tracker::TRACKER_REFUSED;

impl Work<'_> {
    /// The base moves to what was delivered and to what was read back.
    pub(super) fn remember(&mut self, plan: &InPlan, delivery: &Delivery, stale: bool) {
        if stale {
            // Only its comments and files were taken; they are remembered where they were written.
            return;
        }
        let failed = self.failed(plan);
        let rules = &self.context.policy.rules;
        let base = &mut self.link.base;
        for two_way in two_way(rules) {
            let before = base.dealt_with(&two_way.remote).cloned();
            if failed.contains(&two_way.local) {
                base.behind.insert(two_way.remote.clone(), before);
            } else {
                base.behind.remove(&two_way.remote);
            }
        }
        base.delivered = delivery.issue.fields.clone();
        base.revision = delivery.revision.or(base.revision);
        base.package.clone_from(&delivery.reference);
        base.peer_short.clone_from(&delivery.peer_short);
        base.wanted.clone_from(&plan.wanted);
        base.wanted.retain(|field, _| !failed.contains(field));
        let mut now = Record::new();
        for field in &local_fields(rules) {
            // A two-way field moves only where both sides agree on it.
            let agreed = plan.agreed.contains(field) && !failed.contains(field);
            let moves = agreed
                || (two_way(rules).all(|rule| rule.local != *field)
                    && !self.overtaken.contains(field));
            let from = match &self.local {
                Some(local) if moves => &local.fields,
                _ => &base.local,
            };
            now.set(field.clone(), from.get(field).cloned());
        }
        base.local = now;
        for (fields, untold) in [(&plan.agreed, false), (&plan.disagreed, true)] {
            for field in fields.iter().filter(|field| !failed.contains(*field)) {
                base.two_way.insert(field.clone());
                base.untold.remove(field);
                if untold {
                    base.untold.insert(field.clone());
                }
            }
        }
        for field in plan.settled.iter().filter(|field| !base.behind.contains_key(*field)) {
            for said in base.sent.iter_mut().chain(&mut self.link.owed) {
                said.forget(field);
            }
        }
    }

    /// Whether a local field is the partner's alone: no rule tells them of it.
    pub(super) fn is_partners(&self, field: &str) -> bool {
        two_way(&self.context.policy.rules).all(|rule| rule.local != field)
    }

    /// The local fields that could not be dealt with: refused now or before, or held by a rule.
    /// A mark of a rule that could decide this time is history.
    fn failed(&mut self, plan: &InPlan) -> BTreeSet<String> {
        let held_now: Vec<String> = plan.held.iter().map(|held| inward_mark(&held.field)).collect();
        let held = &mut self.link.base.held;
        held.retain(|mark, held| {
            !mark.starts_with(IN)
                || held_now.contains(mark)
                || held.code == TRACKER_REFUSED.as_str()
        });
        let changed = plan.changes.iter().map(|change| &change.field);
        let planned = changed.chain(plan.held.iter().map(|held| &held.field));
        let overtaken = &self.overtaken;
        let failed =
            |field: &&String| held.contains_key(&inward_mark(field)) || overtaken.contains(*field);
        planned.filter(failed).cloned().collect()
    }
}

fn two_way(rules: &[Rule]) -> impl Iterator<Item = &TwoWay> {
    rules.iter().filter_map(|rule| match &rule.kind {
        Kind::TwoWay(two_way) => Some(two_way),
        _ => None,
    })
}
