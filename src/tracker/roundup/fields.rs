//! The fields of an issue: which there are, what they hold, and how their values are written.

use std::collections::BTreeMap;

use super::Roundup;
use super::data::{Data, Item, Kind, PROTECTED, serial};
use super::names::is_numbered;
use crate::issue::Value;
use crate::tracker::{FieldSpec, Schema};
use crate::{Result, Timestamp, stamp};

/// The field that is the issue's number, as engsync's other trackers call it.
pub(super) const KEY: &str = "key";

/// The first message of an issue, where its class has no property of that name.
pub(super) const DESCRIPTION: &str = "description";

/// Properties that are no fields: comments and attachments.
const ITEMS: [&str; 2] = ["messages", "files"];

/// More allowed values than these are not listed.
const LISTED: usize = 500;

/// What a field's name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Key,
    /// A property of the issue.
    Own(String, Kind),
    /// A property of an item that the issue links to: `assignedto.address`.
    Linked {
        link: String,
        class: String,
        property: String,
        list: bool,
    },
    /// A property of the items of a class that link to the issue: `/ext_tracker_state/ext_status`.
    Back {
        class: String,
        link: String,
        property: String,
        kind: Kind,
    },
    /// The first message.
    Description,
}

impl Roundup {
    /// What a field's name stands for; `None` where there is no such field.
    pub(super) fn place(&self, field: &str) -> Result<Option<Place>> {
        let classes = self.classes()?;
        if let Some(path) = field.strip_prefix('/') {
            let Some((class, property)) = path.split_once('/') else { return Ok(None) };
            let link = classes.link_to(class, "issue");
            let place = link.zip(classes.kind(class, property)).map(|(link, kind)| Place::Back {
                class: class.to_owned(),
                link: link.to_owned(),
                property: property.to_owned(),
                kind,
            });
            return Ok(place);
        }
        if let Some((link, property)) = field.split_once('.') {
            let (class, list) = match classes.kind("issue", link) {
                Some(Kind::Link(class)) => (class, false),
                Some(Kind::Links(class)) => (class, true),
                _ => return Ok(None),
            };
            if classes.kind(&class, property).is_none() || ITEMS.contains(&link) {
                return Ok(None);
            }
            let (link, property) = (link.to_owned(), property.to_owned());
            return Ok(Some(Place::Linked { link, class, property, list }));
        }
        if ITEMS.contains(&field) {
            return Ok(None);
        }
        Ok(match classes.kind("issue", field) {
            Some(Kind::Other(_)) => None,
            Some(kind) => Some(Place::Own(field.to_owned(), kind)),
            None if field == KEY => Some(Place::Key),
            None if field == DESCRIPTION => Some(Place::Description),
            None => None,
        })
    }

    /// Whether the first message stands for the description.
    pub(super) fn message_describes(&self) -> Result<bool> {
        Ok(self.classes()?.kind("issue", DESCRIPTION).is_none())
    }

    /// The properties of an issue that are read.
    pub(super) fn properties(&self) -> Result<Vec<&str>> {
        let own = self.classes()?.0.get("issue").into_iter().flatten();
        let own = own.filter(|(_, kind)| !matches!(kind, Kind::Other(_))).map(|(name, _)| &**name);
        Ok(own.chain(PROTECTED).collect())
    }

    pub(super) fn fields(&self) -> Result<Schema> {
        let classes = self.classes()?;
        let names = self.properties()?.into_iter().map(str::to_owned);
        let more = [KEY, DESCRIPTION].into_iter().map(str::to_owned);
        let named = self.options.fields.iter().filter(|field| field.contains(['.', '/'])).cloned();
        let mut fields = BTreeMap::new();
        for name in names.chain(more).chain(named) {
            let Some(place) = self.place(&name)? else { continue };
            let mut spec = FieldSpec {
                read_only: place == Place::Key || PROTECTED.contains(&name.as_str()),
                ..FieldSpec::default()
            };
            match &place {
                Place::Key | Place::Description => {}
                Place::Own(_, kind) => {
                    spec.list = matches!(kind, Kind::Links(_));
                    spec.kind = kind.words();
                    spec.allowed = match kind {
                        Kind::Boolean => Some(vec![yes_or_no(true), yes_or_no(false)]),
                        Kind::Link(class) | Kind::Links(class) if !is_numbered(class) => {
                            let label = classes.label(class).unwrap_or("id");
                            self.allowed(class, label)?
                        }
                        _ => None,
                    };
                }
                Place::Linked { class, property, list, .. } => {
                    spec.list = *list;
                    spec.kind = format!("{property} of {class}");
                    spec.allowed = self.allowed(class, property)?;
                }
                Place::Back { class, kind, .. } => {
                    spec.list = matches!(kind, Kind::Links(_));
                    spec.kind = format!("{}, of a {class} of the issue", kind.words());
                }
            }
            fields.insert(name, spec);
        }
        Ok(Schema { fields, ..Schema::default() })
    }

    fn allowed(&self, class: &str, property: &str) -> Result<Option<Vec<String>>> {
        self.names.also(class, property);
        let all = self.names.all(self.api()?, self.classes()?, class, property)?;
        Ok(all.filter(|all| all.len() <= LISTED))
    }

    /// The value of a property as people see it.
    pub(super) fn seen(&self, kind: &Kind, data: Option<&Data>) -> Result<Option<Value>> {
        let (api, classes) = (self.api()?, self.classes()?);
        Ok(match (kind, data) {
            (_, None) => None,
            (Kind::Link(class), Some(data)) => {
                Value::text(self.names.label(api, classes, class, data.text())?)
            }
            (Kind::Links(class), Some(Data::Ids(ids))) => {
                let mut labels = Vec::with_capacity(ids.len());
                for id in ids {
                    labels.push(self.names.label(api, classes, class, id)?);
                }
                Value::list(labels)
            }
            (_, Some(data)) => Value::text(data.text()),
        })
    }

    /// The properties of linked items: `assignedto.address`.
    pub(super) fn seen_linked(&self, item: &Item, place: &Place) -> Result<Option<Value>> {
        let Place::Linked { link, class, property, list } = place else { return Ok(None) };
        self.names.also(class, property);
        let ids: Vec<&str> = match item.values.get(link) {
            None => return Ok(None),
            Some(Data::Text(id)) => vec![id.as_str()],
            Some(Data::Ids(ids)) => ids.iter().map(String::as_str).collect(),
        };
        let texts = self.names.texts(self.api()?, self.classes()?, class, &ids, property)?;
        let texts: Vec<String> = texts.into_iter().flatten().filter(|t| !t.is_empty()).collect();
        Ok(if *list { Value::list(texts) } else { texts.into_iter().next().and_then(Value::text) })
    }

    /// A value as the property takes it: an empty text or list clears it.
    ///
    /// The inner error says why the property does not take it.
    pub(super) fn shaped(
        &self,
        field: &str,
        kind: &Kind,
        by: Option<&str>,
        value: Option<&Value>,
    ) -> Result<std::result::Result<Data, String>> {
        let items: Vec<&str> = value
            .map(Value::items)
            .unwrap_or_default()
            .iter()
            .map(String::as_str)
            .filter(|item| !item.is_empty())
            .collect();
        let joined = value.map(|value| value.joined(", ")).unwrap_or_default();
        let class = match kind {
            Kind::Link(class) | Kind::Links(class) => class,
            _ => return Ok(scalar(field, kind, &joined).map(Data::Text)),
        };
        let list = matches!(kind, Kind::Links(_));
        let wanted = if list { items } else { vec![joined.as_str()] };
        let mut ids = Vec::new();
        for name in wanted.into_iter().filter(|name| !name.is_empty()) {
            match self.linked(class, by, name)? {
                Some(id) if ids.contains(&id) => {}
                Some(id) => ids.push(id),
                None => return Ok(Err(self.unknown(field, class, by, name)?)),
            }
        }
        Ok(Ok(if list {
            ids.sort_by_key(|id| id.parse::<u64>().unwrap_or(u64::MAX));
            Data::Ids(ids)
        } else {
            Data::Text(ids.pop().unwrap_or_default())
        }))
    }

    /// The id of an item by its name.
    pub(super) fn linked(
        &self,
        class: &str,
        by: Option<&str>,
        name: &str,
    ) -> Result<Option<String>> {
        let (api, classes) = (self.api()?, self.classes()?);
        let by = by.or_else(|| classes.label(class).filter(|_| !is_numbered(class)));
        match by {
            Some(property) if property != "id" => {
                self.names.also(class, property);
                self.names.id(api, classes, class, property, name)
            }
            _ => {
                let found = self.names.texts(api, classes, class, &[name], "id")?;
                Ok(found.into_iter().next().flatten().map(|_| name.to_owned()))
            }
        }
    }

    fn unknown(&self, field: &str, class: &str, by: Option<&str>, name: &str) -> Result<String> {
        let label = by.or_else(|| self.classes().ok()?.label(class)).unwrap_or("id");
        let allowed = self.allowed(class, label)?;
        Ok(match allowed {
            Some(allowed) => {
                format!("{field} does not take {name:?}; allowed: {}", allowed.join(", "))
            }
            None => format!("{field} does not take {name:?}: no {class} has this {label}"),
        })
    }
}

/// A text as a property of this type takes it, in the form it will be read back in.
fn scalar(field: &str, kind: &Kind, text: &str) -> std::result::Result<String, String> {
    let trimmed = text.trim();
    let bad = |what: &str| Err(format!("{field} takes {what}, not {text:?}"));
    match kind {
        _ if text.is_empty() => Ok(String::new()),
        Kind::Integer => match trimmed.parse::<i64>() {
            Ok(number) => Ok(number.to_string()),
            Err(_) => bad("a whole number"),
        },
        Kind::Number => match trimmed.parse::<f64>().ok().filter(|number| number.is_finite()) {
            Some(value) => Ok(number(&value.to_string())),
            None => bad("a number"),
        },
        Kind::Boolean => match trimmed.to_ascii_lowercase().as_str() {
            "yes" | "true" | "1" | "on" => Ok(yes_or_no(true)),
            "no" | "false" | "0" | "off" => Ok(yes_or_no(false)),
            _ => bad("yes or no"),
        },
        Kind::Date => match time(trimmed) {
            Some(time) => Ok(stamp(time)),
            None => bad("a date, as 2025-03-10 or 2025-03-10T08:00:00Z"),
        },
        Kind::Text => Ok(stripped(&lines(text)).to_owned()),
        _ => Ok(trimmed.to_owned()),
    }
}

/// A text without blanks around it: Roundup strips whatever it is given, as Python does.
pub(super) fn stripped(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c))
}

/// A text with one kind of line ends, as Roundup keeps it in properties.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Whether two texts are the same to Roundup.
pub(super) fn same(one: &str, other: &str) -> bool {
    stripped(&lines(one)) == stripped(&lines(other))
}

/// A date in what is sent: without the account's time zone.
pub(super) fn sent(kind: &Kind, data: Data) -> Data {
    match (kind, &data) {
        (Kind::Date, Data::Text(text)) => {
            time(text).map_or(data.clone(), |time| Data::Text(serial(time)))
        }
        _ => data,
    }
}

fn time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    let day: chrono::NaiveDate = text.parse().ok()?;
    Some(day.and_time(chrono::NaiveTime::MIN).and_utc())
}

pub(super) fn yes_or_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

/// A number as people write it: `3`, not `3.0`.
pub(super) fn number(text: &str) -> String {
    match text.strip_suffix(".0") {
        Some(whole) => whole.to_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_read_back_as_they_are_compared() {
        let cases = [
            (Kind::Text, "a\r\nb\rc", Ok("a\nb\nc")),
            (Kind::Text, "  x\u{1f} ", Ok("x")),
            (Kind::Integer, " 07 ", Ok("7")),
            (Kind::Integer, "7.5", Err("whole number")),
            (Kind::Number, "3.0", Ok("3")),
            (Kind::Number, "1.5", Ok("1.5")),
            (Kind::Number, "NaN", Err("a number")),
            (Kind::Boolean, "True", Ok("yes")),
            (Kind::Boolean, "maybe", Err("yes or no")),
            (Kind::Date, "2025-03-10", Ok("2025-03-10T00:00:00Z")),
            (Kind::Date, "2025-03-10T09:00:00+01:00", Ok("2025-03-10T08:00:00Z")),
            (Kind::Date, "tomorrow", Err("a date")),
            (Kind::Date, "", Ok("")),
        ];
        for (kind, text, wanted) in cases {
            match (scalar("f", &kind, text), wanted) {
                (Ok(got), Ok(wanted)) => assert_eq!(got, wanted, "{kind:?} {text:?}"),
                (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
                (got, _) => panic!("{kind:?} {text:?}: {got:?}"),
            }
        }
    }

    #[test]
    fn dates_are_sent_without_a_time_zone() {
        let data = Data::Text("2025-03-10T08:00:00Z".to_owned());
        assert_eq!(sent(&Kind::Date, data.clone()), Data::Text("20250310080000".to_owned()));
        assert_eq!(sent(&Kind::Text, data.clone()), data);
        assert_eq!(sent(&Kind::Date, Data::Text(String::new())), Data::Text(String::new()));
    }
}
