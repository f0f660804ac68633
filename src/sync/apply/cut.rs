//! Texts of which the tracker holds less than it was told.

use std::collections::BTreeSet;

use super::super::plan::Change;
use crate::issue::{Field, Issue, Value};
use crate::tracker::{Changes, Refused, Remark, Schema, TEXT_CUT};

/// The field under which remarks about comments stand.
const COMMENTS: &str = "comments";

/// What a tracker made of what it was told, and which fields hold less.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    /// What there is to say.
    pub remarks: Vec<Remark>,
    fields: BTreeSet<Field>,
}

impl Cuts {
    /// What the tracker says itself in `remarks`; and what `issue`, read back, shows beyond that:
    /// of a text the tracker took it holds the beginning only.
    pub(super) fn of(
        remarks: Vec<Remark>,
        wanted: &Changes,
        refused: &[Refused],
        issue: &Issue,
        schema: &Schema,
    ) -> Self {
        let told = remarks.iter().filter(|remark| remark.code == TEXT_CUT);
        let mut cuts = Self { fields: told.map(|remark| remark.field.clone()).collect(), remarks };
        for (field, value) in wanted {
            let taken = !refused.iter().any(|refused| refused.field == *field);
            let (Some(Value::Text(sent)), true) = (value, taken) else { continue };
            let Some(Value::Text(held)) = issue.fields.get(field) else { continue };
            if is_text(schema, field)
                && is_beginning(held, sent)
                && cuts.fields.insert(field.clone())
            {
                let (sent, held) = (sent.chars().count(), held.chars().count());
                let text =
                    format!("{field} was cut: of {sent} characters the tracker holds {held}");
                cuts.remarks.push(Remark { field: field.clone(), code: TEXT_CUT, text });
            }
        }
        cuts
    }

    /// Whether a change of this field was cut.
    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.contains(field)
    }

    /// The change of a comment, which `issue` holds under `id`.
    pub(super) fn comment(&self, change: Change, id: &str, issue: Option<&Issue>) -> Change {
        let held = issue.and_then(|issue| issue.comments.iter().find(|comment| comment.id == id));
        let is_whole =
            |text: &str| change.to.as_ref().is_some_and(|to| is_same(text, &to.to_string()));
        let cut = self.has(COMMENTS) && held.is_some_and(|held| !is_whole(&held.text));
        Change { cut, ..change }
    }
}

/// A field of any text: what a person or an option is called may well come back shorter.
fn is_text(schema: &Schema, field: &str) -> bool {
    let text = |kind: &str| ["", "string", "text"].contains(&kind);
    schema.field(field).is_some_and(|spec| spec.allowed.is_none() && text(&spec.kind))
}

fn plain(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned()
}

fn is_same(held: &str, sent: &str) -> bool {
    plain(held) == plain(sent)
}

/// Blanks at the ends and line ends are no part of a text.
fn is_beginning(held: &str, sent: &str) -> bool {
    let (held, sent) = (plain(held), plain(sent));
    !held.is_empty() && held.len() < sent.len() && sent.starts_with(&held)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::FieldSpec;

    #[test]
    fn only_what_is_lost_is_a_cut() {
        for (held, sent, cut) in [
            ("fir", "first", true),
            ("first", "first", false),
            ("first", "first\r\n", false),
            ("a\r\nb", "a\nb", false),
            ("a\r\nb", "a\nb\nc", true),
            ("second", "first", false),
            ("", "first", false),
            ("first and more", "first", false),
        ] {
            assert_eq!(is_beginning(held, sent), cut, "{held:?} of {sent:?}");
        }
    }

    #[test]
    fn a_name_that_comes_back_shorter_is_none() {
        let spec = |kind: &str| FieldSpec { kind: kind.to_owned(), ..FieldSpec::default() };
        let fields = [("assignee", "user"), ("note", "string"), ("other", "string")];
        let fields = fields.map(|(name, kind)| (name.to_owned(), spec(kind)));
        let schema = Schema { fields: fields.into(), ..Schema::default() };
        let wanted: Changes = ["assignee", "note", "other"]
            .map(|name| (name.to_owned(), Value::text("alice@supplier.example")))
            .into();
        let mut issue = Issue::default();
        for name in ["assignee", "note", "other"] {
            issue.fields.set(name, Value::text("alice"));
        }
        let told = Remark { field: "other".into(), code: TEXT_CUT, text: "said".into() };
        let cuts = Cuts::of(vec![told], &wanted, &[], &issue, &schema);
        let said: Vec<&str> = cuts.remarks.iter().map(|remark| remark.text.as_str()).collect();
        assert_eq!(said, ["said", "note was cut: of 22 characters the tracker holds 5"]);
        assert!(cuts.has("note") && cuts.has("other") && !cuts.has("assignee"));
    }
}
