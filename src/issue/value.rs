//! Fields and their values.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a field, as rules write it.
pub type Field = String;

/// The value of a field that is set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// One text.
    Text(String),
    /// Several texts, in the tracker's order.
    List(Vec<String>),
}

impl Value {
    /// One text; `None` where it is empty, since an empty value is an unset field.
    pub fn text(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (!text.is_empty()).then_some(Self::Text(text))
    }

    /// A list; `None` where it is empty.
    #[must_use]
    pub fn list(items: Vec<String>) -> Option<Self> {
        (!items.is_empty()).then_some(Self::List(items))
    }

    /// As one text: the items of a list are joined by `join`.
    #[must_use]
    pub fn joined(&self, join: &str) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::List(items) => items.join(join),
        }
    }

    /// As items: a text is a list of one.
    #[must_use]
    pub fn items(&self) -> &[String] {
        match self {
            Self::Text(text) => std::slice::from_ref(text),
            Self::List(items) => items,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::List(items) => f.write_str(&items.join(", ")),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// The fields of an issue that are set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Record(BTreeMap<Field, Value>);

impl Record {
    /// No field set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of `field`, if it is set.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field)
    }

    /// The value as one text, empty where unset; lists joined by `, `.
    #[must_use]
    pub fn text(&self, field: &str) -> String {
        self.get(field).map(|value| value.joined(", ")).unwrap_or_default()
    }

    /// Sets or, with `None` or an empty value, clears a field.
    pub fn set(&mut self, field: impl Into<Field>, value: Option<Value>) {
        let field = field.into();
        match value {
            Some(Value::Text(text)) if text.is_empty() => self.0.remove(&field),
            Some(Value::List(items)) if items.is_empty() => self.0.remove(&field),
            Some(value) => self.0.insert(field, value),
            None => self.0.remove(&field),
        };
    }

    /// The fields that are set, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(field, value)| (field.as_str(), value))
    }

    /// How many fields are set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// No field is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Field, Value)> for Record {
    fn from_iter<I: IntoIterator<Item = (Field, Value)>>(pairs: I) -> Self {
        let mut record = Self::new();
        for (field, value) in pairs {
            record.set(field, Some(value));
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_is_an_unset_field() {
        let mut record = Record::new();
        record.set("summary", Some("x".into()));
        for empty in [None, Some(Value::Text(String::new())), Some(Value::List(vec![]))] {
            let mut cleared = record.clone();
            cleared.set("summary", empty);
            assert!(cleared.is_empty());
        }
        assert_eq!(Value::text(""), None);
        assert_eq!(Value::list(vec![]), None);
    }

    #[test]
    fn a_record_is_plain_json() {
        let record: Record = [
            ("labels".to_owned(), Value::List(vec!["a".into(), "b".into()])),
            ("summary".to_owned(), "Tür".into()),
        ]
        .into_iter()
        .collect();
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(json, r#"{"labels":["a","b"],"summary":"Tür"}"#);
        assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record);
    }
}
