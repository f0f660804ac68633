//! What was about to be written when the outcome was lost: found again by what the issue holds.

use serde::{Deserialize, Serialize};

use super::super::inward::MADE;
use super::super::plan::{Change, FilePlan, InPlan};
use super::names::local_change;
use crate::issue::{Issue, Value};
use crate::state::{Base, Incoming, Intent};
use crate::tracker::Changes;

/// Everything that is about to be written to an issue.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Doubt {
    /// The issue is being made; with what the tracker needs to look for it.
    pub create: Option<String>,
    /// The fields.
    pub changes: Vec<Change>,
    /// The comments: under what they are remembered, and the text.
    pub comments: Vec<(String, String)>,
    /// The files: the partner's name, and what it is to be here.
    pub files: Vec<(String, Incoming)>,
}

impl Doubt {
    /// `create` is what the tracker said before creates, where this is one.
    pub(super) fn of(plan: &InPlan, wanted: &Changes, create: Option<String>) -> Self {
        let changes = plan.changes.iter().filter(|change| wanted.contains_key(&change.field));
        let comment =
            |(key, comment): &(String, crate::issue::Comment)| (key.clone(), comment.text.clone());
        let file = |plan: &FilePlan| {
            let sha256 = plan.file.known_digest()?.to_string();
            Some((plan.remote_name.clone(), Incoming { name: plan.file.name.clone(), sha256 }))
        };
        // A comment that a rule makes is found again by its token.
        let theirs = plan.comments.iter().filter(|(key, _)| !key.starts_with(MADE));
        let new = plan.files.iter().filter(|plan| !plan.adopt);
        Self {
            create,
            changes: changes.cloned().collect(),
            comments: theirs.map(comment).collect(),
            files: new.filter_map(file).collect(),
        }
    }

    /// As it was written down; of one that cannot be read nothing is known.
    pub(super) fn read(intent: &Intent) -> Self {
        serde_json::from_str(&intent.payload).unwrap_or_default()
    }

    /// What of it happened, as far as `local` shows: of fields, that the value before is no longer
    /// there, so that what they overwrote does not lack its row; comments and files are remembered
    /// as the partner's, so that nobody takes them for ours, whichever document comes next.
    pub(super) fn settle(self, local: &Issue, base: &mut Base) -> Vec<Change> {
        let mut found = self.changes;
        found.retain(|change| local.fields.get(&change.field) != change.from.as_ref());
        for change in &found {
            let here = local.fields.get(&change.field);
            if here != change.to.as_ref() && is_made_of(change.to.as_ref(), here) {
                // It is our own, as the tracker keeps it, and nobody's edit.
                base.local.set(change.field.as_str(), here.cloned());
            }
        }
        for (key, text) in self.comments {
            let known = |id: &String| base.comments_in.values().any(|known| known == id);
            let is = |comment: &&crate::issue::Comment| comment.text == text && !known(&comment.id);
            let there = local.comments.iter().find(is).map(|comment| comment.id.clone());
            if let (Some(id), false) = (there, base.comments_in.contains_key(&key)) {
                base.comments_in.insert(key, id);
                found.push(local_change("comments", Value::text(&text)));
            }
        }
        for (remote_name, file) in self.files {
            let there = local.attachments.iter().any(|here| {
                let digest = here.known_digest().map(|digest| digest.to_string());
                here.name == file.name && digest.as_ref() == Some(&file.sha256)
            });
            if there && !base.is_imported(&file.name, &file.sha256) {
                found.push(local_change("attachments", Value::text(&file.name)));
                let before = base.files_in.insert(remote_name, file);
                base.files_before.extend(before);
            }
        }
        found
    }
}

/// Whether a tracker made a text of the one it was sent: it may change line ends and blanks, and
/// what stands outside of Unicode's first plane, which some databases cannot hold. Anything else
/// may be a person's work.
fn is_made_of(sent: Option<&Value>, here: Option<&Value>) -> bool {
    let (Some(Value::Text(sent)), Some(Value::Text(here))) = (sent, here) else { return false };
    let is_far = |c: char| u32::from(c) > 0xffff;
    let stood_for = sent.chars().any(is_far);
    let core = |text: &str| -> String {
        let kept = |c: &char| {
            let stands = stood_for && (is_far(*c) || matches!(c, '?' | '\u{fffd}'));
            !c.is_whitespace() && !c.is_control() && !stands
        };
        text.chars().filter(kept).collect()
    };
    core(sent) == core(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracker_may_change_blanks_and_what_it_cannot_hold_and_nothing_else() {
        let cases = [
            ("a  \nb\n\n", "a\r\nb", true),
            (" Motor läuft 🚗 ", "Motor läuft ??", true),
            ("läuft 🚗.", "läuft \u{fffd}.", true),
            ("läuft 🚗.", "läuft.", true),
            ("läuft?", "läuft", false),
            ("läuft unrund", "läuft", false),
            ("läuft", "läuft unrund", false),
            ("läuft", "Läuft", false),
        ];
        for (sent, here, wanted) in cases {
            let (sent, there) = (Value::text(sent), Value::text(here));
            assert_eq!(is_made_of(sent.as_ref(), there.as_ref()), wanted, "{here:?}");
        }
        assert!(!is_made_of(None, Value::text("x").as_ref()));
    }
}
