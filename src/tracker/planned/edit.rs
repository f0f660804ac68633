//! What a tracker would make of values, as far as its schema tells.

use super::super::embedded::{objection, shaped};
use super::super::{Changes, EDITED_MEANWHILE, Refused, Schema, TRACKER_REFUSED};
use crate::issue::Record;

/// Writes what the schema lets through. Answers what it does not, and whether anything changed.
pub(super) fn write(
    schema: &Schema,
    fields: &mut Record,
    wanted: &Changes,
    expected: Option<&Changes>,
) -> (Vec<Refused>, bool) {
    let mut refused = Vec::new();
    let mut changed = false;
    for (field, value) in wanted {
        let mut refuse_as = |code, text: String| {
            refused.push(Refused { field: field.clone(), code, text });
        };
        let mut refuse = |text| refuse_as(TRACKER_REFUSED, text);
        let Some(spec) = schema.field(field) else {
            refuse(format!("there is no field {field}"));
            continue;
        };
        let value = shaped(&spec, value.as_ref());
        if let Some(text) = objection(&spec, field, value.as_ref()) {
            refuse(text);
            continue;
        }
        let now = fields.get(field).cloned();
        if now == value {
            continue;
        }
        let before = expected.and_then(|expected| expected.get(field));
        if before.is_some_and(|before| shaped(&spec, before.as_ref()) != now) {
            refuse_as(EDITED_MEANWHILE, format!("{field} was changed meanwhile"));
            continue;
        }
        fields.set(field.clone(), value);
        changed = true;
    }
    (refused, changed)
}
