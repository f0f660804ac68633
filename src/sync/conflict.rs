//! Conflicts: both sides changed since the base, or there is no base to say who did. A policy
//! decides without looking at any clock; what loses is kept in the record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::plan::Side;
use super::raw::RawRule;
use crate::issue::{Field, Value};

/// What a rule says of conflicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Both values stay where they are; the field is held until a person decides.
    Manual,
    /// The partner's value wins.
    Remote,
    /// Ours wins.
    Local,
    /// Lines are merged three-way; where both changed the same ones, a person decides.
    MergeText,
    /// List items are merged: what either side added or removed since the base.
    MergeSet,
    /// Both texts stand one after the other, each under its origin.
    Append,
    /// The partner's value goes into this local field; ours stays.
    KeepBoth(Field),
    /// What is there stays, and the partner is told.
    First,
    /// A local field says by its value which side wins; another value: a person decides.
    Owner(Field, BTreeMap<String, Side>),
}

impl Policy {
    pub(super) fn read(raw: &RawRule) -> Result<Self, String> {
        let word = raw.conflict.as_deref().unwrap_or("manual");
        let belongs = [
            ("owner", raw.owner_field.is_some(), "owner_field"),
            ("owner", raw.owner.is_some(), "owner"),
            ("keep-both", raw.side_field.is_some(), "side_field"),
        ];
        for (policy, set, key) in belongs {
            if set && policy != word {
                return Err(format!("`{key}` goes with conflict = {policy:?}"));
            }
        }
        Ok(match word {
            "manual" => Self::Manual,
            "remote" => Self::Remote,
            "local" => Self::Local,
            "merge-text" => Self::MergeText,
            "merge-set" => Self::MergeSet,
            "append" => Self::Append,
            "first" => Self::First,
            "keep-both" => {
                let field = raw.side_field.clone();
                Self::KeepBoth(field.ok_or("conflict = \"keep-both\" needs `side_field`")?)
            }
            "owner" => {
                let (Some(field), Some(owner)) = (&raw.owner_field, &raw.owner) else {
                    return Err("conflict = \"owner\" needs `owner_field` and `owner`".to_owned());
                };
                let side = |(value, side): (&String, &String)| match side.as_str() {
                    "remote" => Ok((value.clone(), Side::Remote)),
                    "local" => Ok((value.clone(), Side::Local)),
                    other => Err(format!("`owner` takes \"remote\" or \"local\", not {other:?}")),
                };
                Self::Owner(field.clone(), owner.iter().map(side).collect::<Result<_, _>>()?)
            }
            other => {
                return Err(format!(
                    "`conflict` takes \"manual\", \"remote\", \"local\", \"merge-text\", \"merge-set\", \"append\", \"keep-both\", \"first\" or \"owner\", not {other:?}"
                ));
            }
        })
    }

    /// The word in records.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Remote => "remote",
            Self::Local => "local",
            Self::MergeText => "merge-text",
            Self::MergeSet => "merge-set",
            Self::Append => "append",
            Self::KeepBoth(_) => "keep-both",
            Self::First => "first",
            Self::Owner(..) => "owner",
        }
    }
}

/// Why it is a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Both sides changed since the base.
    BothChanged,
    /// There is no base to say who changed.
    NoBase,
}

impl Kind {
    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BothChanged => "both-changed",
            Self::NoBase => "no-base",
        }
    }
}

/// A conflict as it is found and kept: the values are local ones, the partner's translated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The local field.
    pub field: Field,
    /// The partner's field.
    pub remote_field: Field,
    /// The rule.
    pub rule: String,
    /// Why.
    pub kind: Kind,
    /// The value last agreed on.
    pub base: Option<Value>,
    /// Ours.
    pub local: Option<Value>,
    /// The partner's.
    pub remote: Option<Value>,
    /// The policy applied.
    pub policy: String,
    /// What a policy or person decided; `None`: open.
    pub decision: Option<Decided>,
}

/// How a conflict ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// `remote`, `local`, `base`, `merged`, `value`.
    pub take: String,
    /// The value both sides are to have.
    pub value: Option<Value>,
}

/// What a policy makes of a conflict; `None`: a person must decide.
pub(super) fn decide(policy: &Policy, conflict: &Conflict, owner_value: &str) -> Option<Decided> {
    let (base, local, remote) = (&conflict.base, &conflict.local, &conflict.remote);
    let take = |word: &str, value: Option<Value>| Some(Decided { take: word.to_owned(), value });
    let side = |side: Side| match side {
        Side::Remote => take("remote", remote.clone()),
        Side::Local => take("local", local.clone()),
    };
    match policy {
        Policy::Manual => None,
        Policy::Remote => side(Side::Remote),
        Policy::Local | Policy::First | Policy::KeepBoth(_) => side(Side::Local),
        Policy::Owner(_, owners) => owners.get(owner_value).copied().and_then(side),
        Policy::MergeText => {
            let merged = merge_text(base.as_ref()?, local.as_ref()?, remote.as_ref()?)?;
            take("merged", Value::text(merged))
        }
        Policy::MergeSet => {
            take("merged", merge_set(base.as_ref(), local.as_ref(), remote.as_ref()))
        }
        Policy::Append => {
            let text =
                |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
            let both = format!("[partner]\n{}\n\n[local]\n{}", text(remote), text(local));
            take("merged", Value::text(both))
        }
    }
}

/// Three-way by lines; `None` where both changed the same ones.
fn merge_text(base: &Value, local: &Value, remote: &Value) -> Option<String> {
    let line = |value: &Value| format!("{value}\n");
    let merged = diffy::merge(&line(base), &line(local), &line(remote)).ok()?;
    Some(merged.strip_suffix('\n').unwrap_or(&merged).to_owned())
}

/// What is in both, and what either side added, without what either removed.
fn merge_set(base: Option<&Value>, local: Option<&Value>, remote: Option<&Value>) -> Option<Value> {
    let items = |value: Option<&Value>| value.map(|v| v.items().to_vec()).unwrap_or_default();
    let (base, local, remote) = (items(base), items(local), items(remote));
    let mut merged: Vec<String> = local
        .iter()
        .chain(remote.iter().filter(|item| !local.contains(item)))
        .filter(|item| {
            let both = local.contains(item) && remote.contains(item);
            both || !base.contains(item)
        })
        .cloned()
        .collect();
    merged.dedup();
    Value::list(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflict(base: &str, local: &str, remote: &str) -> Conflict {
        let value = |text: &str| Value::text(text);
        Conflict {
            field: "f".into(),
            remote_field: "r".into(),
            rule: String::new(),
            kind: Kind::BothChanged,
            base: value(base),
            local: value(local),
            remote: value(remote),
            policy: String::new(),
            decision: None,
        }
    }

    #[test]
    fn each_policy_decides_or_leaves_it_to_a_person() {
        let owners = [("Open".to_owned(), Side::Remote), ("Done".to_owned(), Side::Local)];
        let owner = Policy::Owner("status".into(), owners.into());
        let cases = [
            (&Policy::Manual, "", None),
            (&Policy::Remote, "", Some("R")),
            (&Policy::Local, "", Some("L")),
            (&Policy::First, "", Some("L")),
            (&Policy::Append, "", Some("[partner]\nR\n\n[local]\nL")),
            (&owner, "Open", Some("R")),
            (&owner, "Done", Some("L")),
            (&owner, "else", None),
            (&Policy::MergeText, "", None),
        ];
        for (policy, status, wanted) in cases {
            let got = decide(policy, &conflict("B", "L", "R"), status);
            let got = got.and_then(|decided| decided.value).map(|value| value.to_string());
            assert_eq!(got.as_deref(), wanted, "{policy:?}");
        }
    }

    #[test]
    fn texts_merge_where_different_lines_changed() {
        let merged = |base, local, remote| {
            decide(&Policy::MergeText, &conflict(base, local, remote), "")
                .and_then(|decided| decided.value)
                .map(|value| value.to_string())
        };
        assert_eq!(merged("a\nb\nc", "A\nb\nc", "a\nb\nC").as_deref(), Some("A\nb\nC"));
        assert_eq!(merged("a\nb", "x\nb", "y\nb"), None);
        assert_eq!(merged("", "x", "y"), None, "no base, no merge");
    }

    #[test]
    fn sets_merge_by_what_was_added_and_removed() {
        let set =
            |items: &[&str]| Value::list(items.iter().map(|item| (*item).to_owned()).collect());
        type Case<'a> = (&'a [&'a str], &'a [&'a str], &'a [&'a str], &'a [&'a str]);
        let cases: [Case<'_>; 4] = [
            (&["a", "b"], &["a", "b", "l"], &["a", "b", "r"], &["a", "b", "l", "r"]),
            (&["a", "b"], &["b"], &["a", "b", "r"], &["b", "r"]),
            (&[], &["x"], &["x"], &["x"]),
            (&["a"], &[], &["a"], &[]),
        ];
        for (base, local, remote, wanted) in cases {
            let merged = merge_set(set(base).as_ref(), set(local).as_ref(), set(remote).as_ref());
            assert_eq!(merged, set(wanted), "{base:?} {local:?} {remote:?}");
        }
    }
}
