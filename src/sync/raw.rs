//! A rule as it stands in the configuration: every key of every kind, not yet checked.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A `[[partner.NAME.rule]]` table. Which keys belong to which kind is checked by
/// [`super::Rule::from_raw`], so that the message can name kind and key.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the keys are described in docs/rules.md")]
pub struct RawRule {
    pub kind: String,
    pub name: Option<String>,
    pub when: Option<Vec<String>>,
    pub local: Option<String>,
    pub remote: Option<String>,
    pub locals: Option<Vec<String>>,
    pub remotes: Option<Vec<String>>,
    pub equals: Option<String>,
    pub not_equals: Option<String>,
    pub is_set: Option<bool>,
    pub stops: Option<Vec<String>>,
    pub default: Option<String>,
    pub map: Option<BTreeMap<String, String>>,
    pub inverse: Option<BTreeMap<String, String>>,
    pub prefix: Option<String>,
    pub allowed_chars: Option<String>,
    pub clear: Option<bool>,
    pub unset_value: Option<String>,
    pub delimiter: Option<String>,
    pub heading_prefix: Option<String>,
    pub heading_suffix: Option<String>,
    pub headings: Option<bool>,
    pub names: Option<BTreeMap<String, String>>,
    pub values: Option<BTreeMap<String, BTreeMap<String, String>>>,
    pub join: Option<String>,
    pub table: Option<String>,
    pub rows: Option<Vec<Vec<String>>>,
    pub no_match: Option<String>,
    #[serde(rename = "in")]
    pub inward: Option<bool>,
    pub out_prefix: Option<String>,
    pub changed: Option<String>,
    pub headline: Option<String>,
    pub text: Option<String>,
    pub default_local: Option<String>,
    pub default_remote: Option<String>,
    pub conflict: Option<String>,
    pub owner_field: Option<String>,
    pub owner: Option<BTreeMap<String, String>>,
    pub side_field: Option<String>,
    pub users: Option<bool>,
}

impl RawRule {
    /// The keys that are set, besides `kind`, `name` and `when`.
    #[must_use]
    pub fn keys(&self) -> Vec<&'static str> {
        let all = [
            ("local", self.local.is_some()),
            ("remote", self.remote.is_some()),
            ("locals", self.locals.is_some()),
            ("remotes", self.remotes.is_some()),
            ("equals", self.equals.is_some()),
            ("not_equals", self.not_equals.is_some()),
            ("is_set", self.is_set.is_some()),
            ("stops", self.stops.is_some()),
            ("default", self.default.is_some()),
            ("map", self.map.is_some()),
            ("inverse", self.inverse.is_some()),
            ("prefix", self.prefix.is_some()),
            ("allowed_chars", self.allowed_chars.is_some()),
            ("clear", self.clear.is_some()),
            ("unset_value", self.unset_value.is_some()),
            ("delimiter", self.delimiter.is_some()),
            ("heading_prefix", self.heading_prefix.is_some()),
            ("heading_suffix", self.heading_suffix.is_some()),
            ("headings", self.headings.is_some()),
            ("names", self.names.is_some()),
            ("values", self.values.is_some()),
            ("join", self.join.is_some()),
            ("table", self.table.is_some()),
            ("rows", self.rows.is_some()),
            ("no_match", self.no_match.is_some()),
            ("in", self.inward.is_some()),
            ("out_prefix", self.out_prefix.is_some()),
            ("changed", self.changed.is_some()),
            ("headline", self.headline.is_some()),
            ("text", self.text.is_some()),
            ("default_local", self.default_local.is_some()),
            ("default_remote", self.default_remote.is_some()),
            ("conflict", self.conflict.is_some()),
            ("owner_field", self.owner_field.is_some()),
            ("owner", self.owner.is_some()),
            ("side_field", self.side_field.is_some()),
            ("users", self.users.is_some()),
        ];
        all.into_iter().filter(|(_, set)| *set).map(|(key, _)| key).collect()
    }
}
