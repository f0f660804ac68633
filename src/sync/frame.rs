//! The frame around every rule: when it fires, and the gates.

use super::plan::Sides;
use super::rule::{Condition, Gate, Kind, Rule, Stops};

/// The rules that fire on these sides, in their order.
pub(super) fn firing<'a>(
    rules: &'a [Rule],
    sides: &'a Sides<'_>,
) -> impl Iterator<Item = &'a Rule> {
    let create = sides.making;
    rules.iter().filter(move |rule| if create { rule.when.create } else { rule.when.update })
}

/// The first gate that stops a direction.
pub(super) fn stopped<'a>(
    rules: &'a [Rule],
    sides: &Sides<'_>,
    stops: impl Fn(Stops) -> bool,
) -> Option<&'a Rule> {
    let shut = |rule: &&Rule| match &rule.kind {
        Kind::Gate(gate) => stops(gate.stops) && !passes(gate, sides),
        _ => false,
    };
    // `sides` outlives the iterator only through `stopped`'s own borrow.
    let create = sides.making;
    rules.iter().filter(|rule| if create { rule.when.create } else { rule.when.update }).find(shut)
}

fn passes(gate: &Gate, sides: &Sides<'_>) -> bool {
    let condition = &gate.condition;
    let value = match (condition.local, sides.local) {
        // There is no local issue yet, or it is being made: nothing to ask.
        (true, _) if sides.making => return true,
        (true, None) => return true,
        (true, Some(local)) if local.unknown.contains(&condition.field) => return true,
        (true, Some(local)) => local.fields.text(&condition.field),
        (false, _) => sides.remote.fields.text(&condition.field),
    };
    holds(condition, &value)
}

fn holds(condition: &Condition, value: &str) -> bool {
    condition.equals.as_deref().is_none_or(|wanted| wanted == value)
        && condition.not_equals.as_deref().is_none_or(|unwanted| unwanted != value)
        && condition.is_set.is_none_or(|set| set != value.is_empty())
}
