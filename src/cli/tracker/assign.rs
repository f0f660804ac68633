//! `FIELD=VALUE`, as people and scripts write it.

use std::str::FromStr;

use super::super::nearest::nearest;
use crate::issue::{Field, Record, Value};
use crate::tracker::{Changes, FieldSpec, Schema};
use crate::{Error, Result, USAGE};

/// `FIELD=VALUE`; for lists also `FIELD+=VALUE` and `FIELD-=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    field: Field,
    operator: Operator,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Set,
    Add,
    Remove,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (field, value) = text
            .split_once('=')
            .ok_or("write FIELD=VALUE, for lists also FIELD+=VALUE or FIELD-=VALUE")?;
        let (field, operator) = match (field.strip_suffix('+'), field.strip_suffix('-')) {
            (Some(field), _) => (field, Operator::Add),
            (_, Some(field)) => (field, Operator::Remove),
            _ => (field, Operator::Set),
        };
        if field.trim().is_empty() {
            return Err("the name of the field is missing before `=`".to_owned());
        }
        Ok(Self { field: field.trim().to_owned(), operator, value: value.to_owned() })
    }
}

/// What the assignments make of an issue that has the fields `now`.
pub(super) fn apply(assignments: &[Assignment], schema: &Schema, now: &Record) -> Result<Changes> {
    let mut then = now.clone();
    let mut changes = Changes::new();
    for Assignment { field, operator, value } in assignments {
        let spec = known(schema, now, field)?;
        if spec.read_only {
            return Err(Error::setup(USAGE, format!("{field} is set by the tracker only"))
                .hint(format!("leave {field} out")));
        }
        let value = match (operator, spec.list) {
            (Operator::Set, false) => Value::text(value.as_str()),
            (Operator::Set, true) => Value::list(items(value)),
            (_, false) => {
                return Err(Error::setup(USAGE, format!("{field} is not a list"))
                    .hint(format!("write {field}=VALUE")));
            }
            (operator, true) => {
                let there = then.get(field).map(Value::items).unwrap_or_default();
                let named = items(value);
                let mut kept: Vec<String> =
                    there.iter().filter(|item| !named.contains(item)).cloned().collect();
                if *operator == Operator::Add {
                    kept = there.to_vec();
                    kept.extend(named.into_iter().filter(|item| !there.contains(item)));
                }
                Value::list(kept)
            }
        };
        then.set(field.as_str(), value.clone());
        changes.insert(field.clone(), value);
    }
    Ok(changes)
}

/// Whether an issue has the values that the filters ask for: a text that is equal, a list that
/// contains each item, nothing where the value is empty.
pub(super) fn matches(filters: &[Assignment], fields: &Record) -> bool {
    filters.iter().all(|filter| {
        let there = fields.get(&filter.field).map(Value::items).unwrap_or_default();
        let wanted = match fields.get(&filter.field) {
            Some(Value::List(_)) => items(&filter.value),
            _ => Some(filter.value.clone()).filter(|value| !value.is_empty()).into_iter().collect(),
        };
        if wanted.is_empty() {
            there.is_empty()
        } else {
            wanted.iter().all(|item| there.contains(item))
        }
    })
}

/// That the filters name fields that exist, and ask for equality only.
pub(super) fn check_filters(filters: &[Assignment], schema: &Schema) -> Result<()> {
    for filter in filters {
        known(schema, &Record::new(), &filter.field)?;
        if filter.operator != Operator::Set {
            return Err(Error::setup(USAGE, format!("cannot filter {} by += or -=", filter.field))
                .hint(format!("write {}=VALUE", filter.field)));
        }
    }
    Ok(())
}

/// What is known of a field; one that an issue has from other times is plain text.
fn known(schema: &Schema, now: &Record, field: &str) -> Result<FieldSpec> {
    if let Some(spec) = schema.field(field) {
        return Ok(spec);
    }
    if now.get(field).is_some() {
        return Ok(FieldSpec::default());
    }
    let error = Error::setup(USAGE, format!("the tracker has no field {field:?}"));
    Err(match nearest(field, schema.fields.keys().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("`engsync schema` lists the fields"),
    })
}

fn items(value: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for item in value.split(',').map(str::trim) {
        if !item.is_empty() && !items.iter().any(|there| there == item) {
            items.push(item.to_owned());
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        let list = FieldSpec { list: true, ..FieldSpec::default() };
        let read_only = FieldSpec { read_only: true, ..FieldSpec::default() };
        let fields = [
            ("summary", FieldSpec::default()),
            ("status", FieldSpec::default()),
            ("labels", list),
            ("key", read_only),
        ];
        let fields = fields.map(|(name, spec)| (name.to_owned(), spec)).into();
        Schema { fields, ..Schema::default() }
    }

    fn now() -> Record {
        let labels = Value::List(vec!["a".into(), "b".into()]);
        [("labels".to_owned(), labels), ("old_field".to_owned(), "x".into())].into_iter().collect()
    }

    fn outcome(words: &[&str]) -> Result<String, String> {
        let assignments = words.iter().map(|word| word.parse()).collect::<Result<Vec<_>, _>>()?;
        apply(&assignments, &schema(), &now())
            .map(|changes| serde_json::to_string(&changes).unwrap())
            .map_err(|error| format!("{error} | {}", error.hint.clone().unwrap_or_default()))
    }

    #[test]
    fn assignments_say_what_they_mean() {
        let cases: &[(&[&str], &str)] = &[
            (&["summary=a=b, c"], r#"{"summary":"a=b, c"}"#),
            (&["summary="], r#"{"summary":null}"#),
            (&["labels=x, y,,x"], r#"{"labels":["x","y"]}"#),
            (&["labels="], r#"{"labels":null}"#),
            (&["labels+=c,a"], r#"{"labels":["a","b","c"]}"#),
            (&["labels-=a,z"], r#"{"labels":["b"]}"#),
            (&["labels-=a,b"], r#"{"labels":null}"#),
            (&["labels+=c", "labels-=a"], r#"{"labels":["b","c"]}"#),
            (&["summary=x", "summary=y"], r#"{"summary":"y"}"#),
            (&["old_field="], r#"{"old_field":null}"#),
            (&[], "{}"),
        ];
        for (words, wanted) in cases {
            assert_eq!(outcome(words).as_deref(), Ok(*wanted), "{words:?}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_advice() {
        let cases = [
            ("summary", "write FIELD=VALUE"),
            ("=x", "name of the field is missing"),
            ("+=x", "name of the field is missing"),
            ("key=ISS-2", "key is set by the tracker only | leave key out"),
            ("summary+=x", "summary is not a list | write summary=VALUE"),
            ("sumary=x", "no field \"sumary\" | did you mean summary?"),
            ("Status=x", "no field \"Status\" | did you mean status?"),
            ("banana=x", "no field \"banana\" | `engsync schema` lists the fields"),
        ];
        for (word, wanted) in cases {
            let error = outcome(&[word]).unwrap_err();
            assert!(error.contains(wanted), "{word}: {error}");
        }
    }

    #[test]
    fn filters_match_texts_lists_and_nothing() {
        let fields: Record = [
            ("status".to_owned(), "Open".into()),
            ("labels".to_owned(), Value::List(vec!["a".into(), "b".into()])),
        ]
        .into_iter()
        .collect();
        let cases = [
            ("status=Open", true),
            ("status=open", false),
            ("labels=a", true),
            ("labels=b,a", true),
            ("labels=a,c", false),
            ("labels=", false),
            ("summary=", true),
            ("summary=x", false),
        ];
        for (filter, wanted) in cases {
            assert_eq!(matches(&[filter.parse().unwrap()], &fields), wanted, "{filter}");
        }
        assert!(check_filters(&["labels+=a".parse().unwrap()], &schema()).is_err());
        assert!(check_filters(&["nothing=a".parse().unwrap()], &schema()).is_err());
    }
}
