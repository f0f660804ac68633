//! Making and changing issues.

use super::Roundup;
use super::api::Relink;
use super::data::{Data, Item, Kind, PROTECTED, Values, Where};
use super::fields::{Place, same, sent, stripped};
use super::marker;
use super::read::Messages;
use super::rest::{TRIES, busy, gone};
use crate::issue::{Issue, Value};
use crate::tracker::{Changes, EDITED_MEANWHILE, Refused, TRACKER_REFUSED, Written};
use crate::{Error, Fault, Result};

/// What a message holds that has no text: Roundup takes none without.
const FILLER: &str = "-";

/// The text of the message that is the description.
pub(super) fn unfilled(message: &Item) -> &str {
    let ours = marker::Identity::of(message.text("messageid")).is_some();
    match message.text("content") {
        FILLER if ours => "",
        text => text,
    }
}

/// A field's way into what is sent.
enum Wanted {
    Own(String, Kind, Data),
    Description(String),
    Back { class: String, link: String, property: String, data: Data },
}

fn refuse(field: &str, text: impl Into<String>) -> Refused {
    Refused { field: field.to_owned(), code: TRACKER_REFUSED, text: text.into() }
}

impl Roundup {
    fn wanted(
        &self,
        field: &str,
        value: Option<&Value>,
    ) -> Result<std::result::Result<Wanted, Refused>> {
        let place = self.place(field)?;
        let read_only = place == Some(Place::Key) || PROTECTED.contains(&field);
        if read_only {
            return Ok(Err(refuse(field, format!("{field} is set by the tracker only"))));
        }
        let (own, kind, by) = match place {
            None => {
                let why = format!("issues of this Roundup have no property {field}");
                return Ok(Err(refuse(field, why)));
            }
            Some(Place::Key | Place::Description) => {
                let text = value.map(|value| value.joined(", ")).unwrap_or_default();
                return Ok(Ok(Wanted::Description(text)));
            }
            Some(Place::Own(own, kind)) => (own, kind, None),
            Some(Place::Linked { link, class, property, list }) => {
                let kind = if list { Kind::Links(class) } else { Kind::Link(class) };
                (link, kind, Some(property))
            }
            Some(Place::Back { class, link, property, kind }) => {
                let data = self.shaped(field, &kind, None, value)?;
                return Ok(data
                    .map(|data| Wanted::Back { class, link, property, data: sent(&kind, data) })
                    .map_err(|why| refuse(field, why)));
            }
        };
        let data = self.shaped(field, &kind, by.as_deref(), value)?;
        Ok(data.map(|data| Wanted::Own(own, kind, data)).map_err(|why| refuse(field, why)))
    }

    /// Makes an issue; answers its key and the fields that were not taken.
    pub(super) fn make(&self, marker: &str, fields: &Changes) -> Result<(String, Vec<Refused>)> {
        let mut refused = Vec::new();
        let (mut own, mut backs) = (Vec::new(), Vec::new());
        let mut description = String::new();
        for (field, value) in fields {
            match self.wanted(field, value.as_ref())? {
                Err(why) => refused.push(why),
                Ok(_) if value.as_ref().is_none_or(|value| value.joined("").is_empty()) => {}
                Ok(Wanted::Description(text)) => description = text,
                Ok(Wanted::Own(property, kind, data)) => own.push((field, property, kind, data)),
                Ok(back) => backs.push((field, back)),
            }
        }
        let key = loop {
            let mut values: Values = own
                .iter()
                .map(|(_, property, kind, data)| (property.clone(), sent(kind, data.clone())))
                .collect();
            self.carry(marker, &description, &mut values)?;
            if values.is_empty() {
                // Nothing at all is no request.
                values.insert("title".to_owned(), Data::Text(String::new()));
            }
            match self.api()?.create("issue", &values) {
                Ok(key) => break key,
                // Roundup names the property it does not want; the others are still to be made.
                Err(error) if error.fault == Fault::Item => {
                    let named = own.iter().position(|(_, property, ..)| names(&error, property));
                    let Some(at) = named else { return Err(error) };
                    let (field, ..) = own.remove(at);
                    refused.push(refuse(field, error.what));
                }
                Err(error) => return Err(error),
            }
        };
        self.note_tie(&key, marker);
        for (field, back) in backs {
            if let Err(error) = self.write_back(&key, back) {
                refused.push(self.one_field(field, error)?);
            }
        }
        refused.sort_by(|a, b| a.field.cmp(&b.field));
        Ok((key, refused))
    }

    /// Adds what carries the marker to the values of a new issue.
    fn carry(&self, marker: &str, description: &str, values: &mut Values) -> Result<()> {
        if let Some(property) = self.marker_property()? {
            if !marker.is_empty() {
                values.insert(property.to_owned(), Data::Text(marker.to_owned()));
            }
            if description.is_empty() {
                return Ok(());
            }
        }
        if marker.is_empty() && description.is_empty() {
            return Ok(());
        }
        let id = marker::description(marker);
        let text = if stripped(description).is_empty() { FILLER } else { description };
        // A message that an interrupted try left is taken, unless an issue has it.
        let left = if marker.is_empty() { None } else { self.unused(&id)? };
        let message = match left {
            Some(message) => {
                self.rewrite(&message, text)?;
                message
            }
            None => self.new_message(text, &id, None, None)?,
        };
        values.insert("messages".to_owned(), Data::Ids(vec![message]));
        Ok(())
    }

    /// A message with this `messageid` that no issue has.
    fn unused(&self, messageid: &str) -> Result<Option<String>> {
        let which = Where::is("messageid", messageid);
        let found = self.api()?.select("msg", &which, &["messageid"])?;
        let ids: Vec<String> = found
            .into_iter()
            .filter(|item| item.text("messageid") == messageid)
            .map(|item| item.id)
            .collect();
        if ids.is_empty() {
            return Ok(None);
        }
        let which = Where::to("messages", ids.clone());
        let issues = self.api()?.select("issue", &which, &["messages"])?;
        let used = |id: &String| issues.iter().any(|issue| issue.ids("messages").contains(id));
        Ok(ids.into_iter().find(|id| !used(id)))
    }

    /// Whether an error of one field is that field's alone.
    fn one_field(&self, field: &str, error: Error) -> Result<Refused> {
        if error.fault != Fault::Item || error.code != TRACKER_REFUSED {
            return Err(error);
        }
        Ok(refuse(field, error.what))
    }

    /// The issue read back.
    pub(super) fn written(&self, key: &str, refused: Vec<Refused>) -> Result<Written> {
        let issue = self.read_many(&[key.to_owned()])?.pop().flatten();
        let issue = issue.ok_or_else(|| gone("issue", key))?;
        Ok(Written { issue, refused, remarks: Vec::new() })
    }

    /// Changes an issue; answers the fields that were not taken.
    pub(super) fn change(
        &self,
        key: &str,
        changes: &Changes,
        expected: Option<&Changes>,
    ) -> Result<Vec<Refused>> {
        let mut refused = Vec::new();
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for (field, value) in changes {
            match self.wanted(field, value.as_ref())? {
                Err(why) => refused.push(why),
                Ok(Wanted::Own(property, kind, data)) => own.push((field, property, kind, data)),
                Ok(other) => others.push((field, other)),
            }
        }
        let mut tries = TRIES;
        loop {
            let properties: Vec<&str> =
                own.iter().map(|(_, property, ..)| &**property).chain(["activity"]).collect();
            let (now, mark) =
                self.api()?.look("issue", key, &properties)?.ok_or_else(|| gone("issue", key))?;
            let mut values = Values::new();
            for (field, property, kind, data) in &own {
                let now = normal(now.values.get(property));
                if now == normal(Some(data)) {
                    continue;
                }
                let expected = expected.and_then(|expected| expected.get(*field));
                if expected.is_some()
                    && !self.is_expected(field, &now, expected.and_then(Option::as_ref))?
                {
                    refused.push(overtaken(field));
                    continue;
                }
                values.insert(property.clone(), sent(kind, data.clone()));
            }
            own.retain(|(field, ..)| !refused.iter().any(|refused| refused.field == **field));
            if values.is_empty() {
                break;
            }
            match self.api()?.set("issue", key, &values, mark.as_deref()) {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) if error.fault == Fault::Item && error.code == TRACKER_REFUSED => {
                    let named = own.iter().position(|(_, property, ..)| names(&error, property));
                    // Where no property is named, the last one goes; the next try tells.
                    let sent = |at: &usize| values.contains_key(&own[*at].1);
                    let at = named.or_else(|| (0..own.len()).rev().find(sent));
                    let Some(at) = at else { return Err(error) };
                    let (field, ..) = own.remove(at);
                    refused.push(refuse(field, error.what));
                    continue;
                }
                Err(error) => return Err(error),
            }
            tries -= 1;
            if tries == 0 {
                return Err(busy("issue", key));
            }
        }
        for (field, other) in others {
            let expected = expected.and_then(|expected| expected.get(field));
            let done = self.change_other(key, field, other, expected)?;
            refused.extend(done);
        }
        refused.sort_by(|a, b| a.field.cmp(&b.field));
        Ok(refused)
    }

    fn is_expected(&self, field: &str, now: &Data, expected: Option<&Value>) -> Result<bool> {
        let (kind, by) = match self.place(field)? {
            Some(Place::Own(_, kind)) => (kind, None),
            Some(Place::Linked { class, property, list, .. }) => {
                (if list { Kind::Links(class) } else { Kind::Link(class) }, Some(property))
            }
            _ => return Ok(false),
        };
        let expected = self.shaped(field, &kind, by.as_deref(), expected)?;
        Ok(expected.is_ok_and(|expected| normal(Some(&expected)) == *now))
    }

    /// The description, or a property of an item that links back.
    fn change_other(
        &self,
        key: &str,
        field: &str,
        other: Wanted,
        expected: Option<&Option<Value>>,
    ) -> Result<Option<Refused>> {
        let now = self.read_many(&[key.to_owned()])?.pop().flatten();
        let now: Issue = now.ok_or_else(|| gone("issue", key))?;
        let now = now.fields.get(field).cloned();
        let wanted = match &other {
            Wanted::Description(text) => Value::text(text),
            Wanted::Back { data, .. } | Wanted::Own(_, _, data) => Value::text(data.text()),
        };
        let text = |value: Option<&Value>| value.map(|v| v.joined(", ")).unwrap_or_default();
        let is_now = |value: Option<&Value>| same(&text(value), &text(now.as_ref()));
        if is_now(wanted.as_ref()) {
            return Ok(None);
        }
        if expected.is_some_and(|expected| !is_now(expected.as_ref())) {
            return Ok(Some(overtaken(field)));
        }
        let done = match other {
            Wanted::Description(text) => self.describe(key, &text),
            back => self.write_back(key, back),
        };
        match done {
            Ok(()) => Ok(None),
            Err(error) => self.one_field(field, error).map(Some),
        }
    }

    /// Writes the description into the first message, if that is ours.
    fn describe(&self, key: &str, text: &str) -> Result<()> {
        let text = if stripped(text).is_empty() { FILLER } else { text };
        let items = self.messages(key)?;
        let sorted = Messages::sort(items.iter().collect(), true);
        match sorted.description {
            Some(message) if marker::Identity::of(message.text("messageid")).is_some() => {
                self.rewrite(&message.id, text)
            }
            Some(_) => {
                let what = "the first message of the issue is somebody's: it is not overwritten";
                Err(Error::item(TRACKER_REFUSED, what))
            }
            None => {
                let id = self.new_message(text, &marker::description(""), None, None)?;
                self.api()?.relink("issue", key, "messages", Relink::Add(&id))
            }
        }
    }

    fn write_back(&self, key: &str, back: Wanted) -> Result<()> {
        let Wanted::Back { class, link, property, data } = back else { return Ok(()) };
        let which = Where::to(&link, vec![key.to_owned()]);
        let items = self.api()?.select(&class, &which, &[&property])?;
        match items.as_slice() {
            [] => {
                let link = (link, Data::Text(key.to_owned()));
                let values = Values::from([link, (property, data)]);
                self.api()?.create(&class, &values).map(drop)
            }
            [item] => {
                let now = self.api()?.look(&class, &item.id, &[&property])?;
                let mark = now.and_then(|(_, mark)| mark);
                let values = Values::from([(property, data)]);
                match self.api()?.set(&class, &item.id, &values, mark.as_deref())? {
                    true => Ok(()),
                    false => Err(busy(&class, &item.id)),
                }
            }
            many => {
                let what = format!("{} items of {class} belong to the issue, not one", many.len());
                Err(Error::item(TRACKER_REFUSED, what))
            }
        }
    }
}

fn overtaken(field: &str) -> Refused {
    let refused = refuse(field, format!("{field} was changed in the tracker meanwhile"));
    Refused { code: EDITED_MEANWHILE, ..refused }
}

/// For comparing: nothing and empty are one, and a Multilink has no order.
fn normal(data: Option<&Data>) -> Data {
    match data {
        None => Data::Text(String::new()),
        Some(Data::Ids(ids)) if ids.is_empty() => Data::Text(String::new()),
        Some(Data::Ids(ids)) => {
            let mut ids = ids.clone();
            ids.sort();
            Data::Ids(ids)
        }
        Some(text) => text.clone(),
    }
}

/// Whether Roundup's words are about this property.
fn names(error: &Error, property: &str) -> bool {
    error.code == TRACKER_REFUSED
        && error.what.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == property)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_its_property() {
        let error =
            Error::item(TRACKER_REFUSED, "Roundup refuses: property status: 'x' is not a status.");
        assert!(names(&error, "status") && !names(&error, "statu") && !names(&error, "title"));
    }

    #[test]
    fn a_multilink_has_no_order() {
        let ids = |ids: &[&str]| Data::Ids(ids.iter().map(|id| (*id).to_owned()).collect());
        assert_eq!(normal(Some(&ids(&["2", "1"]))), normal(Some(&ids(&["1", "2"]))));
        assert_eq!(normal(Some(&ids(&[]))), normal(None));
    }
}
