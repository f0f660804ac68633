//! The fields, and what becomes of a value on its way in.

use std::collections::BTreeMap;

use super::Options;
use super::history::{ATTACHMENTS, COMMENTS, MARKER};
use crate::issue::{Field, Value};
use crate::tracker::FieldSpec;
use crate::{CONFIG, Error, Result};

/// The shape of a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    List,
    ReadOnly,
}

/// The fields every issue can have.
const FIELDS: &[(&str, Shape)] = &[
    ("key", Shape::ReadOnly),
    ("project", Shape::Text),
    ("type", Shape::Text),
    ("summary", Shape::Text),
    ("description", Shape::Text),
    ("status", Shape::Text),
    ("resolution", Shape::Text),
    ("priority", Shape::Text),
    ("labels", Shape::List),
    ("versions", Shape::List),
    ("fix_versions", Shape::List),
    ("assignee", Shape::Text),
    ("created", Shape::ReadOnly),
    ("updated", Shape::ReadOnly),
    ("external_id", Shape::Text),
];

/// What a new issue starts with.
const DEFAULTS: &[(&str, &str)] = &[("type", "Defect"), ("status", "Open")];

/// The partner's number, as far as no rule writes it.
pub(super) const EXTERNAL_ID: &str = "external_id";

/// The fields of a tracker set up so, by name.
pub(super) fn known(options: &Options) -> Result<BTreeMap<Field, FieldSpec>> {
    let mut known: BTreeMap<Field, FieldSpec> = BTreeMap::new();
    for (name, shape) in FIELDS {
        let list = *shape == Shape::List;
        let read_only = *shape == Shape::ReadOnly;
        known.insert((*name).to_owned(), FieldSpec { list, read_only, ..FieldSpec::default() });
    }
    for name in options.fields.iter().chain(options.values.keys()) {
        if [ATTACHMENTS, COMMENTS, MARKER].contains(&name.as_str()) {
            return Err(Error::setup(CONFIG, format!("no field can be called {name:?}"))
                .hint("the tracker uses this word for something else; take another name"));
        }
        known.entry(name.clone()).or_default();
    }
    for (name, values) in &options.values {
        let spec = known.entry(name.clone()).or_default();
        if spec.read_only || values.is_empty() {
            let why = if spec.read_only { "is read-only" } else { "would take no value at all" };
            return Err(Error::setup(CONFIG, format!("[tracker.values]: {name} {why}"))
                .hint(format!("remove {name} from [tracker.values]")));
        }
        spec.allowed = Some(values.clone());
    }
    Ok(known)
}

/// What a new issue starts with; where the allowed values lack it, with the first of them.
pub(super) fn defaults(known: &BTreeMap<Field, FieldSpec>) -> impl Iterator<Item = (&str, Value)> {
    DEFAULTS.iter().map(|(field, value)| {
        let allowed = known.get(*field).and_then(|spec| spec.allowed.as_ref());
        let value = match allowed {
            Some(allowed) if !allowed.iter().any(|a| a == value) => {
                allowed.first().map_or(*value, String::as_str)
            }
            _ => value,
        };
        (*field, Value::from(value))
    })
}

/// The value in the field's shape: a text field takes a list joined by `, `, a list field a text
/// as its only item; nothing is empty.
pub(in crate::tracker) fn shaped(spec: &FieldSpec, value: Option<&Value>) -> Option<Value> {
    match value? {
        value if !spec.list => Value::text(value.joined(", ")),
        value => {
            let items = value.items().iter().filter(|item| !item.is_empty());
            Value::list(items.cloned().collect())
        }
    }
}

/// Why the field does not take the value, if it does not.
pub(in crate::tracker) fn objection(
    spec: &FieldSpec,
    field: &str,
    value: Option<&Value>,
) -> Option<String> {
    if spec.read_only {
        return Some(format!("{field} is set by the tracker only"));
    }
    let allowed = spec.allowed.as_ref()?;
    let wrong = value?.items().iter().find(|item| !allowed.contains(item))?;
    Some(format!("{field} does not take {wrong:?}; allowed: {}", allowed.join(", ")))
}

/// The partner's number in a marker `installation/partner:number`.
pub(super) fn number(marker: &str) -> Option<Value> {
    let (_, rest) = marker.split_once('/')?;
    let (_, number) = rest.split_once(':')?;
    Value::text(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(list: bool, allowed: &[&str]) -> FieldSpec {
        let allowed = (!allowed.is_empty()).then(|| allowed.iter().map(|a| (*a).into()).collect());
        FieldSpec { list, allowed, ..FieldSpec::default() }
    }

    fn list(items: &[&str]) -> Value {
        Value::List(items.iter().map(|item| (*item).to_owned()).collect())
    }

    #[test]
    fn values_take_the_shape_of_their_field() {
        let (text, many) = (spec(false, &[]), spec(true, &[]));
        assert_eq!(shaped(&text, Some(&list(&["a", "b"]))), Some("a, b".into()));
        assert_eq!(shaped(&many, Some(&"a, b".into())), Some(list(&["a, b"])));
        assert_eq!(shaped(&many, Some(&list(&["", "a", ""]))), Some(list(&["a"])));
        for empty in [list(&[]), "".into(), list(&[""])] {
            assert_eq!(shaped(&many, Some(&empty)), None);
            assert_eq!(shaped(&text, Some(&empty)), None);
        }
        assert_eq!(shaped(&text, None), None);
    }

    #[test]
    fn an_objection_lists_what_is_allowed() {
        let status = spec(false, &["Open", "Closed"]);
        assert_eq!(objection(&status, "status", Some(&"Open".into())), None);
        assert_eq!(objection(&status, "status", None), None);
        assert_eq!(
            objection(&status, "status", Some(&"open".into())).unwrap(),
            "status does not take \"open\"; allowed: Open, Closed"
        );
        let labels = spec(true, &["a", "b"]);
        assert_eq!(objection(&labels, "labels", Some(&list(&["b", "a"]))), None);
        assert!(objection(&labels, "labels", Some(&list(&["a", "c"]))).unwrap().contains("\"c\""));
    }

    #[test]
    fn the_number_is_what_follows_the_partner() {
        for (marker, number_) in
            [("main/porsche:4711", "4711"), ("main/p:a:b", "a:b"), ("x/y/z:1", "1")]
        {
            assert_eq!(number(marker), Some(number_.into()), "{marker}");
        }
        for marker in ["", "main", "main/p", "p:1", "main/p:"] {
            assert_eq!(number(marker), None, "{marker}");
        }
    }
}
