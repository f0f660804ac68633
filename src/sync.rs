//! Decide (pure) and apply (one door).
//!
//! A delivery is planned by [`plan_in`] from three sides (base, remote, local), applied to the
//! tracker, read back, and then [`plan_out`] says what the partner is owed. Both plans are pure:
//! the same sides make the same plan, so a plan can be printed, compared and repeated.

mod apply;
mod check;
pub mod conflict;
mod frame;
mod inward;
mod map;
mod outward;
mod plan;
mod raw;
mod read;
mod rule;
mod table;
mod two_way;

pub use apply::{
    Batch, Context, Delivery, GonePolicy, Policy, Take, Task, deliver, deliver_many, isolate,
    marker, resolve, sweep, undo,
};
pub use check::{Problem, check, local_fields, rules_of};
pub use inward::{asks_values, plan_in};
pub use map::ValueMap;
pub use outward::plan_out;
pub use plan::{
    Action, Change, ConflictNote, Decision, FilePlan, Held, InPlan, OpenConflict, OutPlan, Outcome,
    Side, Sides,
};
pub use raw::RawRule;
pub use read::kinds;
pub use rule::{
    Attachments, ChangedFile, Comments, Concat, Condition, Envelope, Fill, Gate, Kind, NoMatch,
    Rule, Stops, Tag, ToLocal, ToRemote, TwoWay, When,
};
pub use table::{Cell, Table};

use crate::codes;

codes! {
    NO_TABLE_ROW = "no-table-row": "no row of a decision table fits the local values";
    UNMAPPED_USER = "unmapped-user": "the partner's user map has no entry for this person";
    UNMAPPED_VALUE = "unmapped-value": "a rule's map has no entry for this value, and the rule has no default";
    UNSEEN_VALUE = "unseen-value": "the partner delivered a value that a gate or the tracker keeps out; ours is not sent over it";
    SUPERSEDED = "superseded": "a newer document of this issue was applied before; only comments and files were taken";
    GATED = "gated": "a gate stopped the delivery of an issue";
    REMOTE_EMPTIED = "remote-emptied": "the partner emptied a value; the local one was kept because the rule has no clear = true";
    UNKNOWN_FIELD = "unknown-field": "a rule names a field that neither the tracker nor the partner's profile knows";
    VALUE_NOT_TAKEN = "value-not-taken": "a rule would write a value that the tracker does not list for the field";
    NOT_WRITTEN = "not-written": "the tracker wants a field of a new issue that no rule writes";
    RULE_CONFLICT = "rule-conflict": "two rules write the same field";
    NEVER_FIRES = "never-fires": "a rule fires at no delivery";
    UNCOVERED = "uncovered": "no row of a decision table fits values that the tracker allows";
    UNREACHABLE_ROW = "unreachable-row": "a row of a decision table never decides, because an earlier row fits whenever it does";
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod two_way_tests;
