//! What a tracker would make of values, as far as its schema tells.

use super::super::embedded::{objection, shaped};
use super::super::{
    Changes, EDITED_MEANWHILE, FieldSpec, Refused, Remark, Schema, TEXT_CUT, TRACKER_REFUSED,
};
use crate::issue::{Field, Issue, Value};

/// What came of a write.
#[derive(Default)]
pub(super) struct Edited {
    /// What the schema does not let through.
    pub refused: Vec<Refused>,
    /// What will be cut.
    pub remarks: Vec<Remark>,
    /// Whether anything changed.
    pub changed: bool,
}

/// Writes what the schema lets through.
pub(super) fn write(
    schema: &Schema,
    issue: &mut Issue,
    wanted: &Changes,
    expected: Option<&Changes>,
) -> Edited {
    let Edited { mut refused, mut remarks, mut changed } = Edited::default();
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
        let now = issue.fields.get(field).cloned();
        if now == value {
            continue;
        }
        let before = expected.and_then(|expected| expected.get(field));
        if before.is_some_and(|before| shaped(&spec, before.as_ref()) != now) {
            refuse_as(EDITED_MEANWHILE, format!("{field} was changed meanwhile"));
            continue;
        }
        remarks.extend(cut(&spec, field, value.as_ref()));
        issue.fields.set(field.clone(), value);
        issue.unknown.remove(field);
        issue.unknown.extend(siblings(schema, field, wanted));
        changed = true;
    }
    Edited { refused, remarks, changed }
}

/// That a text will be cut. The plan goes on with the whole: where it will end, only the tracker
/// knows.
fn cut(spec: &FieldSpec, field: &Field, value: Option<&Value>) -> Option<Remark> {
    let (most, Some(Value::Text(text))) = (spec.longest?, value) else { return None };
    let length = text.encode_utf16().count();
    let text = format!("{field} will be cut: it has {length} characters, the tracker takes {most}");
    (length > most).then(|| Remark { field: field.clone(), code: TEXT_CUT, text })
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
