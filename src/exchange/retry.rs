//! What is held of an issue, to be tried again.

use std::path::PathBuf;

use serde::Serialize;

use super::{Partner, Run, Tools};
use crate::asam::Archive;
use crate::engdat::PackageName;
use crate::issue::{Attachment, Issue};
use crate::state::{HeldMark, Link, LinkState, OutgoingFile, Pending};
use crate::{Fault, Result};

/// What an inbound mark begins with, and that of a file.
const IN: &str = "in:";
const FILE: &str = "in:attachments/";

/// What comes of asking for another try.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Retried {
    /// How many held things are tried again.
    pub freed: usize,
    /// The refused files whose content is not here any more.
    pub missing: Vec<MissingFile>,
}

/// A refused file whose content is not here any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingFile {
    /// Its local name.
    pub file: String,
    /// The package it came in, where that is known.
    pub package: Option<String>,
}

/// Frees what is held of some links: the next run plans them as if they were delivered once more.
/// The content of a file that the tracker refused comes from the package kept in `done/`.
///
/// # Errors
/// When the state cannot be written, or a package in `done/` cannot be read.
pub fn retry(tools: &Tools<'_>, links: Vec<Link>) -> Result<Retried> {
    let run = Run::start(tools)?;
    let mut retried = Retried::default();
    let transaction = tools.state.begin()?;
    let mut also = super::issues::also(tools.state)?;
    for mut link in links {
        also.extend(link.key.clone());
        let mut files = Vec::new();
        for (mark, held) in &link.base.held {
            let Some(name) = mark.strip_prefix(FILE) else { continue };
            match run.refused_file(&link, held)? {
                Some(file) => files.push(file),
                None => retried
                    .missing
                    .push(MissingFile { file: name.to_owned(), package: held.package.clone() }),
            }
        }
        retried.freed += link.base.held.len();
        let inward = link.base.held.keys().any(|mark| mark.starts_with(IN));
        if inward {
            // Planned as if it were delivered once more.
            let pending = link.pending.get_or_insert_with(|| Pending {
                fields: link.base.delivered.clone(),
                revision: link.base.revision,
                package: link.base.package.clone(),
                peer_short: link.base.peer_short.clone(),
                ..Pending::default()
            });
            files.retain(|file| !pending.files.contains(file));
            pending.files.extend(files);
        }
        link.base.held.clear();
        link.state = LinkState::Active;
        tools.state.save_link(&mut link)?;
    }
    retried.freed -= retried.missing.len();
    // What goes out is looked at by the sweep, which must not skip these.
    super::issues::set_also(tools.state, &also)?;
    transaction.commit()?;
    Ok(retried)
}

impl Run<'_> {
    /// A file that the tracker refused: looked for in the package it came in, and kept for the
    /// next run.
    fn refused_file(&self, link: &Link, held: &HeldMark) -> Result<Option<OutgoingFile>> {
        let partner = self.tools.settings.partner(&link.partner);
        let (Some(package), Some(partner)) = (&held.package, partner) else { return Ok(None) };
        for path in self.done_parts(package)? {
            let Some(file) = self.find_file(&path, partner, link, held)? else { continue };
            let kept = file
                .known_digest()
                .map(|digest| OutgoingFile { name: file.name.clone(), sha256: digest.to_string() });
            self.keep_files(&Issue { attachments: vec![file], ..Issue::default() })?;
            return Ok(kept);
        }
        Ok(None)
    }

    /// The parts of a package in `done/`, by its name or its exchange reference.
    fn done_parts(&self, package: &str) -> Result<Vec<PathBuf>> {
        let mut parts = Vec::new();
        for stored in self.tools.spool.stored("done")? {
            let name = stored.directory.get(..20).and_then(|name| name.parse::<PackageName>().ok());
            let is = |name: PackageName| name.as_str() == package || name.reference() == package;
            if name.is_some_and(is) {
                parts.extend(self.tools.spool.done_parts(&stored.directory)?);
            }
        }
        Ok(parts)
    }

    fn find_file(
        &self,
        path: &std::path::Path,
        partner: &Partner,
        link: &Link,
        held: &HeldMark,
    ) -> Result<Option<Attachment>> {
        let shown = path.display().to_string();
        let source = self.tools.disk.open(path)?;
        let archive = match Archive::open(source, &shown, &self.tools.settings.limits) {
            Ok(archive) => archive,
            // The description, or another file that came along.
            Err(error) if error.fault == Fault::Item => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut found = None;
        archive.deliver(&self.view(partner), &mut |delivered| {
            if delivered.issue.id == link.remote && found.is_none() {
                found = delivered.issue.attachments.into_iter().find(|file| {
                    let digest = file.content().and_then(|_| file.digest().ok());
                    digest.is_some_and(|(digest, _)| held.is_of(&digest.to_string()))
                });
            }
            Ok(())
        })?;
        Ok(found)
    }
}
