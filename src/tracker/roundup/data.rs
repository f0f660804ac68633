//! Roundup's hyperdatabase as both of its interfaces tell it: classes, properties, items.

use std::collections::BTreeMap;

use crate::Timestamp;

/// The type of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Integer,
    Boolean,
    Date,
    Interval,
    /// One item of a class.
    Link(String),
    /// Several items of a class, in no order of their own.
    Links(String),
    /// Passwords, and what later versions may bring.
    Other(String),
}

/// The properties of a class by name, without those every class has.
pub(super) type Properties = BTreeMap<String, Kind>;

/// What an instance consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Classes(pub(super) BTreeMap<String, Properties>);

/// The properties every item has; set by the tracker only.
pub(super) const PROTECTED: [&str; 5] = ["id", "creation", "activity", "creator", "actor"];

impl Classes {
    pub(super) fn has(&self, class: &str) -> bool {
        self.0.contains_key(class)
    }

    /// The type of a property, also of those every item has.
    pub(super) fn kind(&self, class: &str, property: &str) -> Option<Kind> {
        let properties = self.0.get(class)?;
        properties.get(property).cloned().or_else(|| match property {
            "id" => Some(Kind::Text),
            "creation" | "activity" => Some(Kind::Date),
            "creator" | "actor" => Some(Kind::Link("user".to_owned())),
            _ => None,
        })
    }

    /// The property by which people name items of the class: its key by custom.
    pub(super) fn label(&self, class: &str) -> Option<&str> {
        let properties = self.0.get(class)?;
        let is_text = |name: &&str| properties.get(*name) == Some(&Kind::Text);
        ["username", "name", "title", "key"].into_iter().find(is_text).or_else(|| {
            let first = properties.iter().find(|(_, kind)| **kind == Kind::Text);
            first.map(|(name, _)| name.as_str())
        })
    }

    /// The property of `class` that links to an item of `target`.
    pub(super) fn link_to(&self, class: &str, target: &str) -> Option<&str> {
        let wanted = |kind: &Kind| matches!(kind, Kind::Link(to) | Kind::Links(to) if to == target);
        let found = self.0.get(class)?.iter().find(|(_, kind)| wanted(kind));
        found.map(|(name, _)| name.as_str())
    }
}

impl Kind {
    /// Reads `<roundup.hyperdb.Link to "status">`, as the schema of an instance has it.
    pub(super) fn parse(text: &str) -> Self {
        let text = text.trim().trim_start_matches('<').trim_end_matches('>');
        let (word, to) = text.split_once(" to ").unwrap_or((text, ""));
        let to = to.trim_matches('"').to_owned();
        match word.rsplit('.').next().unwrap_or_default() {
            "String" => Self::Text,
            "Number" => Self::Number,
            "Integer" => Self::Integer,
            "Boolean" => Self::Boolean,
            "Date" => Self::Date,
            "Interval" => Self::Interval,
            "Link" => Self::Link(to),
            "Multilink" => Self::Links(to),
            other => Self::Other(other.to_owned()),
        }
    }

    /// In words, for people who write rules.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Number => "number".to_owned(),
            Self::Integer => "integer".to_owned(),
            Self::Boolean => "yes or no".to_owned(),
            Self::Date => "date".to_owned(),
            Self::Interval => "interval".to_owned(),
            Self::Link(class) => format!("one {class}"),
            Self::Links(class) => format!("several of {class}"),
            Self::Other(word) => word.clone(),
        }
    }
}

/// The value of a property that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// Also numbers, intervals and, as RFC 3339, dates.
    Text(String),
    /// The ids of a Multilink; of a Link there is one, as [`Data::Text`].
    Ids(Vec<String>),
}

impl Data {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Ids(ids) => ids.first().map(String::as_str).unwrap_or_default(),
        }
    }
}

/// An item of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) id: String,
    /// The properties that are set, of those that were asked for and may be seen.
    pub(super) values: BTreeMap<String, Data>,
}

impl Item {
    pub(super) fn text(&self, property: &str) -> &str {
        self.values.get(property).map(Data::text).unwrap_or_default()
    }

    pub(super) fn ids(&self, property: &str) -> &[String] {
        match self.values.get(property) {
            Some(Data::Ids(ids)) => ids,
            _ => &[],
        }
    }

    pub(super) fn time(&self, property: &str) -> Option<Timestamp> {
        self.text(property).parse().ok()
    }
}

/// Values to write; an empty text clears.
pub(super) type Values = BTreeMap<String, Data>;

/// Which items.
#[derive(Clone, Debug)]
pub(super) enum Where {
    All,
    /// With one of these ids; those that were retired are not among them.
    Ids(Vec<String>),
    /// Whose text is this one exactly.
    Is(String, String),
    /// Whose text has this in it.
    Has(String, String),
    /// That link to one of these.
    To(String, Vec<String>),
    /// Whose date is this or later.
    Since(String, Timestamp),
}

impl Where {
    pub(super) fn is(property: &str, text: impl Into<String>) -> Self {
        Self::Is(property.to_owned(), text.into())
    }

    pub(super) fn to(property: &str, ids: Vec<String>) -> Self {
        Self::To(property.to_owned(), ids)
    }
}

/// A date as Roundup writes it, `2025-03-10.08:00:00` or `<Date 2025-03-10.08:00:00.000>`; it is
/// UTC over both interfaces.
pub(super) fn date(text: &str) -> Option<Timestamp> {
    let text = text.trim_start_matches("<Date ").trim_end_matches('>');
    let time = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d.%H:%M:%S%.f").ok()?;
    Some(time.and_utc())
}

/// A date as Roundup reads it in every account's time zone alike: its own serial form is UTC.
pub(super) fn serial(time: Timestamp) -> String {
    time.format("%Y%m%d%H%M%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_from_the_schema() {
        let cases = [
            ("<roundup.hyperdb.String>", Kind::Text),
            ("<roundup.hyperdb.Link to \"status\">", Kind::Link("status".into())),
            ("<roundup.hyperdb.Multilink to \"msg\">", Kind::Links("msg".into())),
            ("<roundup.hyperdb.Boolean>", Kind::Boolean),
            ("<roundup.hyperdb.Password>", Kind::Other("Password".into())),
            ("", Kind::Other(String::new())),
        ];
        for (text, kind) in cases {
            assert_eq!(Kind::parse(text), kind, "{text}");
        }
    }

    #[test]
    fn dates_of_both_interfaces_are_one() {
        let wanted: Timestamp = "2025-03-10T08:00:01Z".parse().unwrap();
        assert_eq!(date("2025-03-10.08:00:01"), Some(wanted));
        assert_eq!(date("<Date 2025-03-10.08:00:01.000>"), Some(wanted));
        assert_eq!(serial(wanted), "20250310080001");
        for junk in ["", "2025-03-10", "<Date >"] {
            assert_eq!(date(junk), None, "{junk}");
        }
    }
}
