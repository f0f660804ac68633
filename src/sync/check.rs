//! What can be said of a rule set without an issue.

use std::collections::BTreeSet;

use super::conflict::Policy;
use super::rule::{Kind, NoMatch, Rule, TableToRemote};
use super::{
    NEVER_FIRES, NOT_WRITTEN, RULE_CONFLICT, UNCOVERED, UNKNOWN_FIELD, UNREACHABLE_ROW,
    VALUE_NOT_TAKEN,
};
use crate::Finding;
use crate::issue::Field;
use crate::tracker::{FieldSpec, Schema};

/// Something wrong or odd in a rule set.
pub type Problem = Finding;

/// The local fields the rules name, in any direction.
#[must_use]
pub fn local_fields(rules: &[Rule]) -> BTreeSet<Field> {
    let mut fields = BTreeSet::new();
    for rule in rules {
        fields.extend(written_local(&rule.kind).map(str::to_owned));
        fields.extend(read_local(&rule.kind).into_iter().map(str::to_owned));
    }
    fields
}

/// The rules that read or write a field of either side.
#[must_use]
pub fn rules_of<'r>(rules: &'r [Rule], field: &str) -> Vec<&'r Rule> {
    let names = |rule: &&Rule| {
        written_local(&rule.kind) == Some(field)
            || read_local(&rule.kind).contains(&field)
            || remote_fields(&rule.kind).contains(&field)
    };
    rules.iter().filter(names).collect()
}

impl Rule {
    /// The partner's fields it reads or writes.
    #[must_use]
    pub fn remote_fields(&self) -> Vec<&str> {
        remote_fields(&self.kind)
    }

    /// The conflict policy, of a rule that has one.
    #[must_use]
    pub fn policy(&self) -> Option<&'static str> {
        match &self.kind {
            Kind::TwoWay(two_way) => Some(two_way.policy.as_str()),
            _ => None,
        }
    }
}

fn written_local(kind: &Kind) -> Option<&str> {
    match kind {
        Kind::ToLocal(rule) => Some(&rule.local),
        Kind::FillLocal(rule) => Some(&rule.local),
        Kind::ConcatToLocal(rule) => Some(&rule.local),
        Kind::TagLocal(rule) => Some(&rule.local),
        Kind::TwoWay(rule) => Some(&rule.local),
        _ => None,
    }
}

fn read_local(kind: &Kind) -> Vec<&str> {
    match kind {
        Kind::Gate(gate) if gate.condition.local => vec![&gate.condition.field],
        Kind::ToRemote(rule) | Kind::FillRemote(rule) => vec![&rule.local],
        Kind::Envelope(rule) => vec![&rule.local],
        Kind::TableToRemote(rule) => rule.locals.iter().map(String::as_str).collect(),
        Kind::TwoWay(rule) => match &rule.policy {
            Policy::Owner(field, _) | Policy::KeepBoth(field) => vec![&rule.local, field],
            _ => vec![&rule.local],
        },
        _ => Vec::new(),
    }
}

fn remote_fields(kind: &Kind) -> Vec<&str> {
    match kind {
        Kind::Gate(gate) if !gate.condition.local => vec![&gate.condition.field],
        Kind::ToLocal(rule) => vec![&rule.remote],
        Kind::FillLocal(rule) => rule.remote.iter().map(String::as_str).collect(),
        Kind::ConcatToLocal(rule) => rule.remotes.iter().map(String::as_str).collect(),
        Kind::TagLocal(rule) => vec![&rule.remote],
        Kind::ToRemote(rule) | Kind::FillRemote(rule) => vec![&rule.remote],
        Kind::Envelope(rule) => vec![&rule.remote],
        Kind::TableToRemote(rule) => vec![&rule.remote],
        Kind::TwoWay(rule) => vec![&rule.remote],
        Kind::FieldToComment(rule) => vec![&rule.remote],
        _ => Vec::new(),
    }
}

fn written_remote(kind: &Kind) -> Option<&str> {
    match kind {
        Kind::ToRemote(_)
        | Kind::FillRemote(_)
        | Kind::Envelope(_)
        | Kind::TableToRemote(_)
        | Kind::TwoWay(_) => remote_fields(kind).first().copied(),
        _ => None,
    }
}

/// Checks a rule set against the tracker's fields and the profile's (`profile` answers whether
/// it knows a partner field).
#[must_use]
pub fn check(
    rules: &[Rule],
    schema: Option<&Schema>,
    profile: &dyn Fn(&str) -> bool,
) -> Vec<Problem> {
    let mut problems = schema.map(|schema| wanting(rules, schema)).unwrap_or_default();
    for (index, rule) in rules.iter().enumerate() {
        for field in remote_fields(&rule.kind).into_iter().filter(|field| !profile(field)) {
            let text = format!("{}: the partner's profile has no field {field:?}", rule.name);
            problems.push(Finding::warning(UNKNOWN_FIELD, text));
        }
        if let Some(schema) = schema {
            problems.extend(check_local(rule, schema));
        }
        if !rule.when.update && is_outward(&rule.kind) {
            let text = format!(
                "{}: when = [\"create\"] never fires: what goes out is said of issues that exist",
                rule.name
            );
            problems.push(Finding::warning(NEVER_FIRES, text));
        }
        for earlier in &rules[..index] {
            if let Some(text) = clash(earlier, rule) {
                problems.push(Finding::error(RULE_CONFLICT, text));
            }
        }
        if let Kind::TableToRemote(table) = &rule.kind {
            for (late, early) in table.table.unreachable_rows() {
                let text = format!("{}: row {late} never decides: row {early} is wider", rule.name);
                problems.push(Finding::warning(UNREACHABLE_ROW, text));
            }
        }
    }
    problems
}

fn is_outward(kind: &Kind) -> bool {
    match kind {
        Kind::Gate(gate) => gate.stops.outward && !gate.stops.inward,
        Kind::ToRemote(_) | Kind::FillRemote(_) | Kind::Envelope(_) | Kind::TableToRemote(_) => {
            true
        }
        _ => false,
    }
}

fn check_local(rule: &Rule, schema: &Schema) -> Vec<Problem> {
    let mut problems = Vec::new();
    let named = written_local(&rule.kind).into_iter().chain(read_local(&rule.kind));
    for field in named.filter(|field| schema.field(field).is_none()) {
        let text = format!("{}: the tracker has no field {field:?}", rule.name);
        problems.push(Finding::error(UNKNOWN_FIELD, text));
    }
    if let Kind::TableToRemote(table) = &rule.kind {
        problems.extend(coverage(rule, table, schema));
    }
    let written = written_local(&rule.kind).and_then(|field| Some((field, schema.field(field)?)));
    if let Some((field, spec)) = &written
        && spec.read_only
    {
        let text = format!("{}: {field:?} is set by the tracker only", rule.name);
        problems.push(Finding::error(RULE_CONFLICT, text));
    }
    if let Some((field, FieldSpec { allowed: Some(allowed), .. })) = written {
        let strange = fixed_values(&rule.kind).into_iter().filter(|value| !allowed.contains(value));
        problems.extend(strange.map(|value| {
            let text = format!("{}: the tracker lists no {value:?} for {field:?}", rule.name);
            Finding::warning(VALUE_NOT_TAKEN, text)
        }));
    }
    problems
}

/// The values a rule writes whatever the partner says of other things: its default, and what its
/// map translates to.
fn fixed_values(kind: &Kind) -> BTreeSet<String> {
    let (map, default, prefix) = match kind {
        Kind::ToLocal(rule) => (&rule.map, &rule.default, &*rule.prefix),
        Kind::FillLocal(rule) => (&rule.map, &rule.default, &*rule.prefix),
        Kind::TwoWay(rule) => (&rule.map, &rule.default_local, ""),
        _ => return BTreeSet::new(),
    };
    let mapped = map.iter().flat_map(|map| map.remotes().filter_map(|remote| map.local(remote)));
    let values = mapped.chain(default.as_deref()).filter(|value| !value.is_empty());
    values.map(|value| format!("{prefix}{value}")).collect()
}

/// What the tracker wants of a new issue and neither a rule nor the tracker's own configuration
/// writes.
fn wanting(rules: &[Rule], schema: &Schema) -> Vec<Problem> {
    let id =
        |name: &str| schema.field(name).and_then(|spec| spec.id).unwrap_or_else(|| name.to_owned());
    let rules = rules.iter().filter(|rule| rule.when.create);
    let mut known: BTreeSet<String> =
        rules.filter_map(|rule| written_local(&rule.kind)).map(id).collect();
    known.extend(GIVEN.map(str::to_owned));
    let wanted = schema.fields.iter().filter(|(_, spec)| spec.required && !spec.read_only);
    let mut problems = Vec::new();
    for (name, _) in wanted {
        if known.insert(id(name)) {
            let text = format!("the tracker wants {name:?} of a new issue, and no rule writes it");
            problems.push(Finding::warning(NOT_WRITTEN, text));
        }
    }
    problems
}

/// Fields that a tracker's own configuration says, or the tracker itself.
const GIVEN: [&str; 4] = ["project", "issuetype", "type", "reporter"];

/// What a decision table leaves open of the values that the tracker lists; a field that must
/// have a value is not asked for none.
fn coverage(rule: &Rule, table: &TableToRemote, schema: &Schema) -> Vec<Problem> {
    let specs: Vec<_> = table.locals.iter().map(|field| schema.field(field)).collect();
    let allowed: Vec<Option<Vec<String>>> =
        specs.into_iter().map(|spec| spec.and_then(|spec| spec.allowed)).collect();
    if table.no_match != NoMatch::Hold || allowed.iter().all(Option::is_none) {
        return Vec::new();
    }
    let show = |row: Vec<String>| -> Option<String> {
        let pairs = table.locals.iter().zip(&row).map(|(field, value)| match value.as_str() {
            "" => format!("{field} unset"),
            value => format!("{field} = {value}"),
        });
        // An embedded issue always has a status.
        let unset_status =
            table.locals.iter().zip(&row).any(|(f, v)| f == "status" && v.is_empty());
        (!unset_status).then(|| pairs.collect::<Vec<_>>().join(", "))
    };
    let open = table.table.uncovered(&allowed, 50).into_iter().filter_map(show);
    open.map(|row| {
        let text = format!("{}: no row fits {row}: the field would be held", rule.name);
        Finding::warning(UNCOVERED, text)
    })
    .collect()
}

/// Two rules that write one field: an error, unless both are tag rules whose prefixes do not
/// start each other, or they never fire at the same delivery, or one only fills.
fn clash(a: &Rule, b: &Rule) -> Option<String> {
    let apart = !(a.when.create && b.when.create || a.when.update && b.when.update);
    if apart {
        return None;
    }
    let (local, remote) = (written_local(&a.kind), written_remote(&a.kind));
    let (field, same) = match (local, remote) {
        (Some(field), _) => (field, written_local(&b.kind) == Some(field)),
        (_, Some(field)) => (field, written_remote(&b.kind) == Some(field)),
        _ => return None,
    };
    if !same {
        return None;
    }
    if let (Kind::TagLocal(a), Kind::TagLocal(b)) = (&a.kind, &b.kind)
        && !a.prefix.starts_with(&b.prefix)
        && !b.prefix.starts_with(&a.prefix)
    {
        return None;
    }
    let fills = |rule: &Rule| matches!(rule.kind, Kind::FillLocal(_));
    if fills(a) && fills(b) {
        return None;
    }
    Some(format!("{} and {} both write {field:?}", a.name, b.name))
}
