//! What is in an issue ZIP or document.

use std::fs::File;

use super::Explained;
use crate::asam::{self, Archive, Limits};
use crate::{Error, Finding};

/// Explains an archive; one that cannot be opened is a finding.
pub(super) fn explain(source: File, name: &str, bare: bool, limits: &Limits) -> Explained {
    let mut explained = Explained::new(if bare { "document" } else { "archive" }, name);
    if let Err(error) = look(&mut explained, source, limits) {
        let finding = Finding::error(error.code, error.line()).at(name);
        explained.findings.push((finding, None));
    }
    explained
}

fn look(explained: &mut Explained, source: File, limits: &Limits) -> Result<(), Error> {
    let archive = Archive::examine(source, &explained.name, limits)?;
    let found = asam::explain(&archive)?;
    explained.lines = found.lines();
    if let Ok(serde_json::Value::Object(more)) = serde_json::to_value(&found) {
        explained.more.extend(more);
    }
    explained.findings.extend(found.findings.into_iter().map(|finding| (finding, None)));
    Ok(())
}
