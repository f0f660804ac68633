//! `pack`: an ENGDAT package of any files, for an engineer who sends a drawing.

use std::path::{Path, PathBuf};

use super::{ANSWER_UNWRITABLE, Sent, Tools, publish};
use crate::engdat::{self, FileEntry};
use crate::state::{Answer, AnswerPart, AnswerState, PackageRow};
use crate::{Digest, Error, Result, USAGE, stamp};

/// What goes into the package, and where it goes.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The partner.
    pub partner: String,
    /// The files with what is said of each.
    pub files: Vec<(PathBuf, FileEntry)>,
    /// A directory instead of the spool's `outgoing/PARTNER/`.
    pub dest: Option<PathBuf>,
}

impl Parcel {
    /// Freezes the package and publishes it. Its name is reserved; the files are copied, never
    /// moved.
    ///
    /// # Errors
    /// When a file cannot be read, the description cannot be written, or the disk refuses.
    pub fn send(&self, tools: &Tools<'_>) -> Result<Sent> {
        let partner = tools.settings.partner(&self.partner).ok_or_else(|| {
            let known: Vec<&str> =
                tools.settings.partners.iter().map(|partner| partner.key.as_str()).collect();
            Error::setup(USAGE, format!("no partner is called {:?}", self.partner))
                .hint(format!("the configuration has {}", known.join(", ")))
        })?;
        let total = u16::try_from(self.files.len() + 1).ok().filter(|total| *total <= 999);
        let total = total.ok_or_else(|| {
            let what = format!("{} files are too many for one package", self.files.len());
            Error::setup(USAGE, what).hint("a package holds at most 998 data files")
        })?;
        let now = tools.clock.now();
        let issued = now.with_timezone(&partner.zone).naive_local();
        let highest = tools.state.highest_name()?;
        let name = engdat::next_name(issued, highest.as_ref(), &partner.name_tail);
        let entries: Vec<FileEntry> = self.files.iter().map(|(_, entry)| entry.clone()).collect();
        let mut message = engdat::compose(&name, issued, &partner.own, &partner.peer, &entries);
        message.version.clone_from(&partner.version);
        let description = engdat::write_with(&message, partner.transliterate).map_err(refused)?;
        let dir = tools.state.answers_dir().join(name.to_string());
        if tools.options.dry_run {
            let parts = (1..=total).map(|index| name.part(total, index).to_string()).collect();
            let issues = Vec::new();
            return Ok(Sent {
                name: name.to_string(),
                partner: partner.key.clone(),
                files: parts,
                issues,
                findings: Vec::new(),
            });
        }
        tools.disk.make_dirs(&dir)?;
        let first = name.part(total, 1).to_string();
        tools.disk.replace(&dir.join(&first), &description)?;
        let sha256 = Digest::of(&description).to_string();
        let mut parts = vec![AnswerPart { name: first, sha256 }];
        for (index, (path, _)) in (2..).zip(&self.files) {
            let part = name.part(total, index).to_string();
            let target = dir.join(&part);
            tools.disk.copy(path, &target)?;
            let sha256 = tools.disk.digest(&target)?.to_string();
            parts.push(AnswerPart { name: part, sha256 });
        }
        let files: Vec<String> = parts.iter().map(|part| part.name.clone()).collect();
        let transaction = tools.state.begin()?;
        tools.state.reserve_name(&name)?;
        let answer = Answer {
            name: name.to_string(),
            partner: partner.key.clone(),
            state: AnswerState::Frozen,
            target: self.dest.clone(),
            parts,
            issues: Vec::new(),
        };
        tools.state.save_answer(&answer, now)?;
        tools.state.log_package(&PackageRow {
            name: name.to_string(),
            partner: Some(partner.key.clone()),
            outcome: "sent".to_owned(),
            reason: None,
            text: Some(format!("{} files, packed by hand", self.files.len())),
            at: stamp(now),
        })?;
        transaction.commit()?;
        publish::publish(tools, &answer)?;
        Ok(Sent {
            name: name.to_string(),
            partner: partner.key.clone(),
            files,
            issues: Vec::new(),
            findings: Vec::new(),
        })
    }
}

/// Publishes a package's parts into a directory: the data parts before the description.
pub(super) fn lay_down(
    tools: &Tools<'_>,
    frozen: &Path,
    parts: &[AnswerPart],
    dir: &Path,
) -> Result<()> {
    tools.disk.make_dirs(dir)?;
    for part in parts.iter().rev() {
        let target = dir.join(&part.name);
        if !target.exists() {
            tools.disk.copy(&frozen.join(&part.name), &target)?;
        }
    }
    Ok(())
}

fn refused(findings: Vec<crate::Finding>) -> Error {
    let texts: Vec<String> = findings.into_iter().map(|finding| finding.text).collect();
    let what = format!("cannot write the description: {}", texts.join("; "));
    Error::setup(ANSWER_UNWRITABLE, what)
        .hint("shorten what is too long, or set transliterate = true for characters it cannot hold")
}
