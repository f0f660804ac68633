//! `two_way`: three values per field. What the partner last *delivered* and what we last *sent*
//! say whether the partner changed; what the local tracker last held says whether we did.

use super::conflict::{self, Conflict, Policy};
use super::map::ValueMap;
use super::plan::{Held, InPlan, OutPlan, Sides};
use super::rule::{Rule, TwoWay};
use super::{UNMAPPED_VALUE, UNSEEN_VALUE};
use crate::issue::Value;

/// What is known of one field on all sides; values as they stand there.
struct Field<'a> {
    rule: &'a TwoWay,
    /// Delivered now.
    remote: Option<&'a Value>,
    /// Delivered before.
    delivered: Option<&'a Value>,
    /// What the partner was told last, when it has not overtaken that since: a value, or that
    /// there is none.
    told: Option<Option<&'a Value>>,
    /// Here now.
    local: Option<&'a Value>,
    /// Here when both last agreed.
    agreed: Option<&'a Value>,
    /// There was an agreement at all.
    based: bool,
    /// It was decided here, and the partner is yet to be told.
    untold: bool,
}

impl<'a> Field<'a> {
    fn new(rule: &'a TwoWay, sides: &Sides<'a>) -> Self {
        let base = sides.base;
        Self {
            rule,
            remote: sides.remote.fields.get(&rule.remote),
            delivered: base.and_then(|base| base.dealt_with(&rule.remote)),
            told: base.and_then(|base| base.sent.as_ref()).and_then(|sent| {
                match sent.fields.get(&rule.remote) {
                    None if !sent.cleared.contains(&rule.remote) => None,
                    value => Some(value),
                }
            }),
            local: sides.local.and_then(|local| local.fields.get(&rule.local)),
            agreed: base.and_then(|base| base.local.get(&rule.local)),
            based: base.is_some_and(|base| base.two_way.contains(&rule.local)),
            untold: base.is_some_and(|base| base.untold.contains(&rule.local)),
        }
    }

    /// A remote value as a local one; `Err` holds the value without an entry.
    fn inward(&self, value: Option<&Value>) -> Result<Option<Value>, String> {
        let Some(value) = value else { return Ok(None) };
        let Some(map) = &self.rule.map else { return Ok(Some(value.clone())) };
        let text = value.to_string();
        match map.local(&text) {
            Some(local) => Ok(Value::text(local)),
            None if map.is_of_users() => Err(text),
            None => self.rule.default_local.as_deref().map(Value::text).ok_or(text),
        }
    }

    /// A local value as a remote one.
    fn outward(&self, value: Option<&Value>) -> Result<Option<Value>, String> {
        let Some(value) = value else {
            return Ok(self.rule.default_remote.as_deref().and_then(Value::text));
        };
        let text = value.to_string();
        match &self.rule.map {
            None => Ok(Value::text(text)),
            Some(map) => match map.remote(&text) {
                Some(remote) => Ok(Value::text(remote)),
                None if map.is_of_users() => Err(text),
                None => self.rule.default_remote.as_deref().map(Value::text).ok_or(text),
            },
        }
    }

    /// The partner changed: neither what it delivered before nor our own value come back.
    fn remote_changed(&self) -> bool {
        self.remote != self.delivered && self.told != Some(self.remote)
    }

    /// We changed: not what was agreed, nor what the partner knows already.
    fn local_changed(&self) -> bool {
        if self.local == self.agreed && !self.untold {
            return false;
        }
        match self.outward(self.local) {
            Ok(said) => said.as_ref() != self.told.unwrap_or(self.delivered),
            Err(_) => true,
        }
    }

    /// The value both had: what was agreed, unless that was only said so far.
    fn common(&self) -> Option<Value> {
        match self.inward(self.delivered) {
            Ok(both) if self.based && self.is_unacknowledged() => both,
            _ => self.agreed.cloned(),
        }
    }

    /// What we sent has not been taken over yet.
    fn is_unacknowledged(&self) -> bool {
        self.told.is_some_and(|told| told != self.delivered)
    }
}

/// What a delivery does to the field.
pub(super) fn inward(rule: &Rule, two_way: &TwoWay, sides: &Sides<'_>, plan: &mut InPlan) {
    let field = Field::new(two_way, sides);
    plan.agreed.push(two_way.local.clone());
    let remote = match field.inward(field.remote) {
        Ok(remote) => remote,
        Err(value) => {
            let text = format!("{value:?} has no entry in the map of {}", rule.name);
            let held = Held::new(&*two_way.local, &rule.name, unmapped(two_way), text, &[&value]);
            plan.held.push(held);
            plan.agreed.pop();
            return;
        }
    };
    if plan.create {
        let default = || two_way.default_local.as_deref().and_then(Value::text);
        let value = remote.clone().or_else(default);
        // What somebody typed since an interrupted try is not overwritten.
        if field.local.is_none() || value.as_ref() == field.local {
            plan.set(rule, sides, &two_way.local, value);
            return;
        }
    }
    let open = sides.open.iter().find(|open| open.conflict.field == two_way.local);
    if let Some(open) = open {
        if remote.as_ref() == field.local {
            plan.superseded.push(open.id);
            plan.settled.push(two_way.remote.clone());
        } else {
            let now = Conflict { local: field.local.cloned(), remote, ..open.conflict.clone() };
            if now != open.conflict {
                plan.reopened.push((open.id, now));
            }
            plan.agreed.pop();
        }
        return;
    }
    if remote.as_ref() == field.local {
        plan.settled.push(two_way.remote.clone());
        return;
    }
    let kind = if !field.based {
        match (&remote, field.local) {
            (None, _) => {
                plan.agreed.pop();
                return;
            }
            (Some(_), None) => {
                plan.set(rule, sides, &two_way.local, remote);
                return;
            }
            (Some(_), Some(_)) => conflict::Kind::NoBase,
        }
    } else if !field.remote_changed() {
        // Nothing new from there; whether there is from here, `plan_out` says.
        plan.agreed.pop();
        return;
    } else if field.local_changed() || field.is_unacknowledged() {
        conflict::Kind::BothChanged
    } else {
        if remote.is_none() && !two_way.clear {
            plan.emptied(&two_way.remote, &two_way.local);
            plan.agreed.pop();
        } else {
            plan.set(rule, sides, &two_way.local, remote);
            plan.settled.push(two_way.remote.clone());
        }
        return;
    };
    let found = Conflict {
        field: two_way.local.clone(),
        remote_field: two_way.remote.clone(),
        rule: rule.name.clone(),
        kind,
        base: field.common(),
        local: field.local.cloned(),
        remote,
        policy: two_way.policy.as_str().to_owned(),
        decision: None,
    };
    settle(rule, two_way, sides, plan, found);
}

/// Lets the policy decide, and plans what follows.
fn settle(
    rule: &Rule,
    two_way: &TwoWay,
    sides: &Sides<'_>,
    plan: &mut InPlan,
    mut found: Conflict,
) {
    let owner = match &two_way.policy {
        Policy::Owner(field, _) => {
            sides.local.map(|local| local.fields.text(field)).unwrap_or_default()
        }
        _ => String::new(),
    };
    found.decision = conflict::decide(&two_way.policy, &found, &owner);
    let Some(decided) = found.decision.clone() else {
        plan.agreed.pop();
        plan.conflicts.push(found);
        return;
    };
    if let Policy::KeepBoth(side_field) = &two_way.policy {
        plan.set(rule, sides, side_field, found.remote.clone());
    }
    plan.settled.push(two_way.remote.clone());
    if decided.value != found.local {
        plan.set(rule, sides, &two_way.local, decided.value.clone());
    }
    if decided.value != found.remote {
        // The partner is to have it: not agreed on until it is sent.
        plan.agreed.pop();
        plan.disagreed.push(two_way.local.clone());
    }
    plan.conflicts.push(found);
}

/// What the partner is to know of the field.
pub(super) fn outward(rule: &Rule, two_way: &TwoWay, sides: &Sides<'_>, plan: &mut OutPlan) {
    let field = Field::new(two_way, sides);
    let open = sides.open.iter().any(|open| open.conflict.field == two_way.local);
    let said = field.told.flatten().cloned();
    let waits = field.remote_changed();
    if waits && !open && field.local_changed() {
        let theirs = field.remote.map(Value::to_string).unwrap_or_default();
        let ours = field.local.map(Value::to_string).unwrap_or_default();
        let text = format!(
            "the partner's value {theirs:?} was not taken in yet, so {ours:?} of {} is not sent over it",
            two_way.local
        );
        let name = &rule.name;
        plan.held.push(Held::new(&*two_way.remote, name, UNSEEN_VALUE, text, &[&theirs, &ours]));
    }
    if open || waits || !field.local_changed() {
        if field.told == Some(None) {
            plan.outgoing.cleared.insert(two_way.remote.clone());
        }
        plan.outgoing.fields.set(two_way.remote.clone(), said);
        return;
    }
    match field.outward(field.local) {
        Ok(value) => {
            if value.is_none() && field.delivered.is_some() {
                plan.outgoing.cleared.insert(two_way.remote.clone());
            }
            plan.outgoing.fields.set(two_way.remote.clone(), value);
            plan.outgoing.agreed.push((two_way.local.clone(), field.local.cloned()));
        }
        Err(value) => {
            let text =
                format!("{value:?} of {} has no entry in the map of {}", two_way.local, rule.name);
            let held = Held::new(&*two_way.remote, &rule.name, unmapped(two_way), text, &[&value]);
            plan.outgoing.fields.set(two_way.remote.clone(), said);
            plan.held.push(held);
        }
    }
}

fn unmapped(rule: &TwoWay) -> crate::Code {
    rule.map.as_ref().map_or(UNMAPPED_VALUE, ValueMap::unmapped)
}
