//! Rules from the configuration: every key checked against its kind.

use super::conflict::Policy;
use super::map::{Direction, ValueMap};
use super::raw::RawRule;
use super::rule::{
    Allowed, Attachments, ChangedFile, Comments, Concat, Condition, DefaultComment, Envelope,
    FieldToComment, Fill, Gate, Kind, NoMatch, Rule, Stops, TableToRemote, Tag, ToLocal, ToRemote,
    TwoWay, When,
};
use super::table::Table;

/// The keys each kind takes; required ones first, up to the bar.
const KEYS: &[(&str, &[&str], &[&str])] = &[
    ("gate", &[], &["local", "remote", "equals", "not_equals", "is_set", "stops"]),
    (
        "to_local",
        &["local", "remote"],
        &["default", "map", "inverse", "users", "prefix", "allowed_chars", "clear"],
    ),
    (
        "fill_local",
        &["local"],
        &["remote", "default", "map", "inverse", "users", "prefix", "allowed_chars", "unset_value"],
    ),
    (
        "concat_to_local",
        &["local", "remotes"],
        &["delimiter", "heading_prefix", "heading_suffix", "headings", "names", "values"],
    ),
    ("tag_local", &["local", "remote", "prefix"], &["map", "inverse", "allowed_chars"]),
    ("to_remote", &["local", "remote"], &["default", "map", "users", "join"]),
    ("fill_remote", &["local", "remote"], &["default", "map", "users", "join"]),
    ("envelope", &["local", "remote"], &[]),
    ("table_to_remote", &["locals", "remote"], &["table", "rows", "no_match"]),
    (
        "two_way",
        &["local", "remote"],
        &[
            "map",
            "inverse",
            "users",
            "default_local",
            "default_remote",
            "conflict",
            "clear",
            "owner_field",
            "owner",
            "side_field",
        ],
    ),
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
        Self::with_users(raw, read, None)
    }

    /// As [`Rule::from_raw`], for a partner that has a map of users.
    ///
    /// # Errors
    /// Every problem of the rule in words.
    pub fn with_users(
        raw: &RawRule,
        read: &dyn Fn(&str) -> Result<Vec<u8>, String>,
        users: Option<&ValueMap>,
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
        let kind = kind(raw, read, users).map_err(|error| vec![error])?;
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

fn kind(
    raw: &RawRule,
    read: &dyn Fn(&str) -> Result<Vec<u8>, String>,
    users: Option<&ValueMap>,
) -> Result<Kind, String> {
    let field = |field: &Option<String>| field.clone().unwrap_or_default();
    let map = |direction| match raw.users {
        Some(true) => user_map(raw, users),
        _ => ValueMap::new(raw.map.as_ref(), raw.inverse.as_ref(), direction),
    };
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
        "two_way" => Kind::TwoWay(TwoWay {
            local: field(&raw.local),
            remote: field(&raw.remote),
            map: if raw.users == Some(true) { user_map(raw, users)? } else { two_way_map(raw)? },
            default_local: raw.default_local.clone(),
            default_remote: raw.default_remote.clone(),
            policy: Policy::read(raw)?,
            clear: raw.clear.unwrap_or(false),
        }),
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

/// The partner's map of users, for a rule that says `users = true`.
fn user_map(raw: &RawRule, users: Option<&ValueMap>) -> Result<Option<ValueMap>, String> {
    if raw.map.is_some() || raw.inverse.is_some() {
        return Err("`users = true` takes no `map` or `inverse`".to_owned());
    }
    match users {
        Some(users) => Ok(Some(users.clone())),
        None => Err("`users = true` needs users = \"FILE.csv\" on the partner".to_owned()),
    }
}

/// Both directions: one-to-one, or an `inverse` that agrees with the map.
fn two_way_map(raw: &RawRule) -> Result<Option<ValueMap>, String> {
    let map = ValueMap::new(raw.map.as_ref(), raw.inverse.as_ref(), Direction::Inward)?;
    let Some(both) = &map else { return Ok(None) };
    for remote in both.remotes() {
        let back = both.local(remote).and_then(|local| both.remote(local));
        if back != Some(remote) {
            return Err(format!(
                "`inverse` makes {remote:?} something that `map` does not make {remote:?} again"
            ));
        }
    }
    Ok(map)
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
