//! The files of a local issue whose content matters: a tracker behind a network does not tell
//! their digests, so they are read before a plan compares them.

use super::super::rule::{Kind, Rule};
use crate::issue::Issue;
use crate::state::Base;

/// Reads those files of `local` that would go out, or that an arriving file would meet. One that
/// cannot be read is left out of the plan, as one that is not there.
pub(super) fn weigh(rules: &[Rule], arriving: Option<&Issue>, base: &Base, local: &Issue) {
    for rule in rules {
        let Kind::Attachments(rule) = &rule.kind else { continue };
        let unread = local.attachments.iter().filter(|file| file.known_digest().is_none());
        for file in unread.filter(|file| file.content().is_some()) {
            let goes_out =
                rule.out_prefix.as_deref().is_some_and(|prefix| file.name.starts_with(prefix));
            let meets = || arriving.is_some_and(|issue| is_met(issue, base, &file.name));
            if (goes_out || (rule.inward && meets()))
                && let Err(error) = file.digest()
            {
                tracing::warn!(issue = local.id, file = file.name, %error, "cannot be read");
            }
        }
    }
}

/// Whether a file that is new to us comes under this name, or one it is a version of.
fn is_met(arriving: &Issue, base: &Base, local: &str) -> bool {
    arriving.attachments.iter().any(|file| {
        let Some(digest) = file.known_digest() else { return false };
        let known = base.files_in.get(&file.name);
        let stem = file.name.rsplit_once('.').map_or(file.name.as_str(), |(stem, _)| stem);
        known.is_none_or(|known| known.sha256 != digest.to_string()) && local.starts_with(stem)
    })
}
