//! What a tracker would make of values, as far as its schema tells.

use super::super::embedded::{objection, shaped};
use super::super::{Changes, FieldSpec, Refused, Schema, TRACKER_REFUSED};
use crate::issue::{Field, Issue};

/// Writes what the schema lets through. Answers what it does not, and whether anything changed.
pub(super) fn write(
    schema: &Schema,
    issue: &mut Issue,
    wanted: &Changes,
    expected: Option<&Changes>,
) -> (Vec<Refused>, bool) {
    let mut refused = Vec::new();
    let mut changed = false;
    for (field, value) in wanted {
        let mut refuse = |text: String| {
            refused.push(Refused { field: field.clone(), code: TRACKER_REFUSED, text });
        };
        let Some(spec) = schema.field(field) else {
            refuse(format!("there is no field {field}"));
            continue;
        };
        let value = shaped(&spec, value.as_ref());
        if let Some(text) = objection(&spec, field, value.as_ref()) {
            refuse(text);
            continue;
        }
        let now = issue.fields.get(field).cloned();
        if now == value {
            continue;
        }
        let before = expected.and_then(|expected| expected.get(field));
        if before.is_some_and(|before| shaped(&spec, before.as_ref()) != now) {
            refuse(format!("{field} was changed meanwhile"));
            continue;
        }
        issue.fields.set(field.clone(), value);
        issue.unknown.remove(field);
        issue.unknown.extend(siblings(schema, field, wanted));
        changed = true;
    }
    (refused, changed)
}

/// Other names of the same field, or of parts of its value: what they read as then, only the
/// tracker knows. Those that are written themselves are told.
fn siblings<'a>(
    schema: &'a Schema,
    field: &'a Field,
    wanted: &'a Changes,
) -> impl Iterator<Item = Field> + 'a {
    let id = |name: &'a Field, spec: &'a FieldSpec| spec.id.as_ref().unwrap_or(name);
    let own = schema.fields.get(field).map_or(field, |spec| id(field, spec));
    let same = move |(name, spec): &(&'a Field, &'a FieldSpec)| {
        *name != field && id(name, spec) == own && !wanted.contains_key(*name)
    };
    schema.fields.iter().filter(same).map(|(name, _)| name.clone())
}
