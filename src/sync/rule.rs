//! Rules: one enum, one type per kind; what is constructed here is valid.

use std::collections::BTreeMap;

use super::map::{Direction, ValueMap};
use super::raw::RawRule;
use super::table::Table;
use crate::issue::Field;

/// A rule of a partner.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name in reports: the configured one, else kind and fields.
    pub name: String,
    /// When it fires.
    pub when: When,
    /// What it does.
    pub kind: Kind,
}

/// At which deliveries a rule fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    /// When the delivery creates the local issue.
    pub create: bool,
    /// When the local issue exists.
    pub update: bool,
}

/// What a rule does.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "each variant's type says it")]
pub enum Kind {
    Gate(Gate),
    ToLocal(ToLocal),
    FillLocal(Fill),
    ConcatToLocal(Concat),
    TagLocal(Tag),
    ToRemote(ToRemote),
    FillRemote(ToRemote),
    Envelope(Envelope),
    TableToRemote(TableToRemote),
    Attachments(Attachments),
    Comments(Comments),
    FieldToComment(FieldToComment),
    DefaultComment(DefaultComment),
}

/// A condition that must hold to pass; when it fails, directions stop for the issue.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Whose field.
    pub condition: Condition,
    /// What stops.
    pub stops: Stops,
}

/// What a gate asks.
#[derive(Clone, Debug)]
pub struct Condition {
    /// The field is the local one (else the partner's).
    pub local: bool,
    /// Which field.
    pub field: Field,
    /// It must be this.
    pub equals: Option<String>,
    /// It must not be this.
    pub not_equals: Option<String>,
    /// It must be set, or unset.
    pub is_set: Option<bool>,
}

/// The directions a gate stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stops {
    /// The delivery is kept, not applied.
    pub inward: bool,
    /// Nothing is sent.
    pub outward: bool,
}

/// Copies a remote field to a local one when different.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the keys are described in docs/rules.md")]
pub struct ToLocal {
    pub local: Field,
    pub remote: Field,
    pub default: Option<String>,
    pub map: Option<ValueMap>,
    pub prefix: String,
    pub allowed: Option<Allowed>,
    pub clear: bool,
}

/// Fills a local field while it is unset.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the keys are described in docs/rules.md")]
pub struct Fill {
    pub local: Field,
    pub remote: Option<Field>,
    pub default: Option<String>,
    pub map: Option<ValueMap>,
    pub prefix: String,
    pub allowed: Option<Allowed>,
    pub unset_value: Option<String>,
}

/// Several remote fields as one local text, each under a heading.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the keys are described in docs/rules.md")]
pub struct Concat {
    pub local: Field,
    pub remotes: Vec<Field>,
    pub delimiter: String,
    pub heading_prefix: String,
    pub heading_suffix: String,
    pub headings: bool,
    pub names: BTreeMap<Field, String>,
    pub values: BTreeMap<Field, ValueMap>,
}

/// Owns the prefixed subset of a local list.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the keys are described in docs/rules.md")]
pub struct Tag {
    pub local: Field,
    pub remote: Field,
    pub prefix: String,
    pub map: Option<ValueMap>,
    pub allowed: Option<Allowed>,
}

/// Copies a local field to a remote one.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the keys are described in docs/rules.md")]
pub struct ToRemote {
    pub local: Field,
    pub remote: Field,
    pub default: Option<String>,
    pub map: Option<ValueMap>,
    pub join: String,
}

/// Fills the answer, never causes one.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the keys are described in docs/rules.md")]
pub struct Envelope {
    pub local: Field,
    pub remote: Field,
}

/// A decision table over local fields.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the keys are described in docs/rules.md")]
pub struct TableToRemote {
    pub locals: Vec<Field>,
    pub remote: Field,
    pub table: Table,
    pub no_match: NoMatch,
}

/// What a decision table does when no row fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoMatch {
    /// The field is held.
    Hold,
    /// This value is sent.
    Value(String),
}

/// Files in both directions.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the keys are described in docs/rules.md")]
pub struct Attachments {
    pub inward: bool,
    pub out_prefix: Option<String>,
    pub changed: ChangedFile,
}

/// What becomes of a file that is delivered again with other content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangedFile {
    /// It is attached as `name (2).ext`.
    Version,
    /// It replaces the earlier one.
    Replace,
}

/// Comments in both directions.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the keys are described in docs/rules.md")]
pub struct Comments {
    pub inward: bool,
    pub out_prefix: Option<String>,
}

/// Each change of a remote field becomes a local comment.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the keys are described in docs/rules.md")]
pub struct FieldToComment {
    pub remote: Field,
    pub headline: String,
}

/// One comment if the issue would have none.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the keys are described in docs/rules.md")]
pub struct DefaultComment {
    pub text: String,
}

/// The characters a value may hold; others become `_`.
#[derive(Clone, Debug)]
pub struct Allowed(regex::Regex);

impl Allowed {
    /// From a regex character class without its brackets, for example `A-Za-z0-9_.-`.
    ///
    /// # Errors
    /// When it is not a class.
    pub fn new(class: &str) -> Result<Self, String> {
        regex::Regex::new(&format!("[^{class}]"))
            .map(Self)
            .map_err(|_| format!("`allowed_chars` {class:?} is not a regex character class"))
    }

    /// The value with every other character replaced.
    #[must_use]
    pub fn apply(&self, value: &str) -> String {
        self.0.replace_all(value, "_").into_owned()
    }
}

/// The keys each kind takes; required ones first, up to the bar.
const KEYS: &[(&str, &[&str], &[&str])] = &[
    ("gate", &[], &["local", "remote", "equals", "not_equals", "is_set", "stops"]),
    (
        "to_local",
        &["local", "remote"],
        &["default", "map", "inverse", "prefix", "allowed_chars", "clear"],
    ),
    (
        "fill_local",
        &["local"],
        &["remote", "default", "map", "inverse", "prefix", "allowed_chars", "unset_value"],
    ),
    (
        "concat_to_local",
        &["local", "remotes"],
        &["delimiter", "heading_prefix", "heading_suffix", "headings", "names", "values"],
    ),
    ("tag_local", &["local", "remote", "prefix"], &["map", "inverse", "allowed_chars"]),
    ("to_remote", &["local", "remote"], &["default", "map", "join"]),
    ("fill_remote", &["local", "remote"], &["default", "map", "join"]),
    ("envelope", &["local", "remote"], &[]),
    ("table_to_remote", &["locals", "remote"], &["table", "rows", "no_match"]),
    ("attachments", &[], &["in", "out_prefix", "changed"]),
    ("comments", &[], &["in", "out_prefix"]),
    ("field_to_comment", &["remote", "headline"], &[]),
    ("default_comment", &["text"], &[]),
];

/// The kinds of rules there are.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|(kind, ..)| *kind)
}

impl Rule {
    /// Checks a rule as configured. `read` opens a file named in it.
    ///
    /// # Errors
    /// Every problem of the rule in words.
    pub fn from_raw(
        raw: &RawRule,
        read: &dyn Fn(&str) -> Result<Vec<u8>, String>,
    ) -> Result<Self, Vec<String>> {
        let Some((_, required, optional)) = KEYS.iter().find(|(kind, ..)| *kind == raw.kind) else {
            let kinds: Vec<&str> = kinds().collect();
            return Err(vec![format!(
                "unknown kind {:?}; kinds are {}",
                raw.kind,
                kinds.join(", ")
            )]);
        };
        let set = raw.keys();
        let mut problems: Vec<String> = required
            .iter()
            .filter(|key| !set.contains(key))
            .map(|key| format!("`{}` needs `{key}`", raw.kind))
            .collect();
        problems.extend(
            set.iter()
                .filter(|key| !required.contains(key) && !optional.contains(key))
                .map(|key| format!("`{key}` is not a key of `{}`", raw.kind)),
        );
        if !problems.is_empty() {
            return Err(problems);
        }
        let when = When::read(raw.when.as_deref()).map_err(|error| vec![error])?;
        let kind = kind(raw, read).map_err(|error| vec![error])?;
        let name = raw.name.clone().unwrap_or_else(|| default_name(raw));
        Ok(Self { name, when, kind })
    }
}

fn default_name(raw: &RawRule) -> String {
    let side = raw.locals.as_ref().map(|locals| locals.join(","));
    let fields = [side.as_deref(), raw.local.as_deref(), raw.remote.as_deref()];
    fields.into_iter().flatten().fold(raw.kind.clone(), |name, field| format!("{name} {field}"))
}

impl When {
    fn read(when: Option<&[String]>) -> Result<Self, String> {
        let Some(when) = when else { return Ok(Self { create: true, update: true }) };
        let mut read = Self { create: false, update: false };
        for word in when {
            match word.as_str() {
                "create" => read.create = true,
                "update" => read.update = true,
                _ => return Err(format!("`when` takes \"create\" and \"update\", not {word:?}")),
            }
        }
        if when.is_empty() {
            Err("`when` is empty: the rule would never fire".into())
        } else {
            Ok(read)
        }
    }
}

fn kind(raw: &RawRule, read: &dyn Fn(&str) -> Result<Vec<u8>, String>) -> Result<Kind, String> {
    let field = |field: &Option<String>| field.clone().unwrap_or_default();
    let map = |direction| ValueMap::new(raw.map.as_ref(), raw.inverse.as_ref(), direction);
    let allowed = || raw.allowed_chars.as_deref().map(Allowed::new).transpose();
    let prefix = field(&raw.prefix);
    let to_remote = || -> Result<ToRemote, String> {
        Ok(ToRemote {
            local: field(&raw.local),
            remote: field(&raw.remote),
            default: raw.default.clone(),
            map: map(Direction::Outward)?,
            join: raw.join.clone().unwrap_or_else(|| ", ".to_owned()),
        })
    };
    Ok(match raw.kind.as_str() {
        "gate" => Kind::Gate(gate(raw)?),
        "to_local" => Kind::ToLocal(ToLocal {
            local: field(&raw.local),
            remote: field(&raw.remote),
            default: raw.default.clone(),
            map: map(Direction::Inward)?,
            prefix,
            allowed: allowed()?,
            clear: raw.clear.unwrap_or(false),
        }),
        "fill_local" => {
            if raw.remote.is_none() && raw.default.is_none() {
                return Err("`fill_local` needs `remote` or `default`".to_owned());
            }
            Kind::FillLocal(Fill {
                local: field(&raw.local),
                remote: raw.remote.clone(),
                default: raw.default.clone(),
                map: map(Direction::Inward)?,
                prefix,
                allowed: allowed()?,
                unset_value: raw.unset_value.clone(),
            })
        }
        "concat_to_local" => Kind::ConcatToLocal(concat(raw)?),
        "tag_local" if prefix.is_empty() => return Err("`prefix` must not be empty".to_owned()),
        "tag_local" => Kind::TagLocal(Tag {
            local: field(&raw.local),
            remote: field(&raw.remote),
            prefix,
            map: map(Direction::Inward)?,
            allowed: allowed()?,
        }),
        "to_remote" => Kind::ToRemote(to_remote()?),
        "fill_remote" => Kind::FillRemote(to_remote()?),
        "envelope" => {
            Kind::Envelope(Envelope { local: field(&raw.local), remote: field(&raw.remote) })
        }
        "table_to_remote" => Kind::TableToRemote(table(raw, read)?),
        "attachments" => Kind::Attachments(Attachments {
            inward: raw.inward.unwrap_or(true),
            out_prefix: raw.out_prefix.clone(),
            changed: match raw.changed.as_deref() {
                None | Some("version") => ChangedFile::Version,
                Some("replace") => ChangedFile::Replace,
                Some(other) => {
                    return Err(format!(
                        "`changed` takes \"version\" or \"replace\", not {other:?}"
                    ));
                }
            },
        }),
        "comments" => Kind::Comments(Comments {
            inward: raw.inward.unwrap_or(false),
            out_prefix: raw.out_prefix.clone(),
        }),
        "field_to_comment" => Kind::FieldToComment(FieldToComment {
            remote: field(&raw.remote),
            headline: field(&raw.headline),
        }),
        _ => Kind::DefaultComment(DefaultComment { text: field(&raw.text) }),
    })
}

fn gate(raw: &RawRule) -> Result<Gate, String> {
    let (local, field) = match (&raw.local, &raw.remote) {
        (Some(field), None) => (true, field.clone()),
        (None, Some(field)) => (false, field.clone()),
        _ => return Err("`gate` needs either `local` or `remote`".to_owned()),
    };
    let asked = [raw.equals.is_some(), raw.not_equals.is_some(), raw.is_set.is_some()];
    if asked.iter().filter(|set| **set).count() != 1 {
        return Err("`gate` needs one of `equals`, `not_equals` and `is_set`".to_owned());
    }
    let mut stops = Stops { inward: raw.stops.is_none(), outward: raw.stops.is_none() };
    for word in raw.stops.iter().flatten() {
        match word.as_str() {
            "in" => stops.inward = true,
            "out" => stops.outward = true,
            _ => return Err(format!("`stops` takes \"in\" and \"out\", not {word:?}")),
        }
    }
    let condition = Condition {
        local,
        field,
        equals: raw.equals.clone(),
        not_equals: raw.not_equals.clone(),
        is_set: raw.is_set,
    };
    Ok(Gate { condition, stops })
}

fn concat(raw: &RawRule) -> Result<Concat, String> {
    let values = raw.values.iter().flatten().map(|(field, map)| {
        let map = ValueMap::new(Some(map), None, Direction::Inward)
            .map_err(|error| format!("`values.{field}`: {error}"))?;
        Ok((field.clone(), map.unwrap_or_default()))
    });
    let text =
        |key: &Option<String>, default: &str| key.clone().unwrap_or_else(|| default.to_owned());
    Ok(Concat {
        local: raw.local.clone().unwrap_or_default(),
        remotes: raw.remotes.clone().unwrap_or_default(),
        delimiter: text(&raw.delimiter, "\n\n"),
        heading_prefix: text(&raw.heading_prefix, ""),
        heading_suffix: text(&raw.heading_suffix, ":\n"),
        headings: raw.headings.unwrap_or(true),
        names: raw.names.clone().unwrap_or_default(),
        values: values.collect::<Result<_, String>>()?,
    })
}

fn table(
    raw: &RawRule,
    read: &dyn Fn(&str) -> Result<Vec<u8>, String>,
) -> Result<TableToRemote, String> {
    let locals = raw.locals.clone().unwrap_or_default();
    let remote = raw.remote.clone().unwrap_or_default();
    let table = match (&raw.table, &raw.rows) {
        (Some(file), None) => {
            let bytes = read(file)?;
            Table::from_csv(&bytes, &locals, &remote).map_err(|error| format!("{file}: {error}"))?
        }
        (None, Some(rows)) => Table::from_rows(locals.len(), rows)?,
        _ => return Err("`table_to_remote` needs either `table` (a CSV file) or `rows`".to_owned()),
    };
    let no_match = match raw.no_match.as_deref() {
        None | Some("hold") => NoMatch::Hold,
        Some(value) => NoMatch::Value(value.to_owned()),
    };
    Ok(TableToRemote { locals, remote, table, no_match })
}
