//! A message as JSON for `inspect --json`: what is not known is null.

use serde_json::{Value, json};

use super::message::EngdatMessage;

/// The message as one JSON object, with the names of its fields; empty texts are null.
#[must_use]
pub fn to_json(message: &EngdatMessage) -> Value {
    let mut value = serde_json::to_value(message).unwrap_or(Value::Null);
    let syntax = &message.envelope.syntax;
    let identifier = String::from_utf8_lossy(&syntax.identifier);
    if let Some(envelope) = value.get_mut("envelope").and_then(Value::as_object_mut) {
        envelope.insert("syntax".to_owned(), json!(format!("{identifier}:{}", syntax.version)));
    }
    let strays = message.strays.iter().map(|(_, segment)| json!(segment.tag()));
    if let Some(object) = value.as_object_mut() {
        object.insert("strays".to_owned(), strays.collect());
    }
    nullify(&mut value);
    value
}

fn nullify(value: &mut Value) {
    match value {
        Value::String(text) if text.is_empty() => *value = Value::Null,
        Value::Array(list) => list.iter_mut().for_each(nullify),
        Value::Object(object) => object.values_mut().for_each(nullify),
        _ => {}
    }
}
