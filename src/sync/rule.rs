//! Rules: one enum, one type per kind; what is constructed here is valid.

use std::collections::BTreeMap;

use super::conflict::Policy;
use super::map::ValueMap;
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
    TwoWay(TwoWay),
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

/// Three-way: whichever side changed since the base wins; both is a conflict.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the keys are described in docs/rules.md")]
pub struct TwoWay {
    pub local: Field,
    pub remote: Field,
    pub map: Option<ValueMap>,
    pub default_local: Option<String>,
    pub default_remote: Option<String>,
    pub policy: Policy,
    pub clear: bool,
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
