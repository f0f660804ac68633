//! Frozen answers become visible: nothing is decided here any more, and each step can be repeated.

use std::io::ErrorKind;
use std::path::Path;

use super::{LOCAL, Outcome, PackageReport, Report, Tools, pack};
use crate::spool::Reason;
use crate::state::{Answer, AnswerPart};
use crate::{Error, Result, disk};

/// Publishes every frozen answer. One that does not find its place keeps back what is behind it for
/// the same partner, and no one else's; the report says so once.
pub(super) fn publish_frozen(tools: &Tools<'_>, report: &mut Report) -> Result<()> {
    let mut stuck: Vec<String> = Vec::new();
    for answer in tools.state.unpublished()? {
        if answer.target.is_none() && stuck.contains(&answer.partner) {
            continue;
        }
        let Err(error) = publish(tools, &answer) else { continue };
        if !is_of_its_place(&error) {
            return Err(error);
        }
        if answer.target.is_none() {
            stuck.push(answer.partner.clone());
        }
        let told = PackageReport::new(LOCAL, Some(&answer.partner), Outcome::Deferred);
        let told = told.because(&Reason::of(&error));
        let same = |other: &PackageReport| {
            (&other.partner, &other.reason, &other.text)
                == (&told.partner, &told.reason, &told.text)
        };
        if !report.packages.iter().any(same) {
            report.packages.push(told);
        }
    }
    Ok(())
}

/// Publishes a frozen answer.
pub(super) fn publish(tools: &Tools<'_>, answer: &Answer) -> Result<()> {
    let frozen = tools.state.answers_dir().join(&answer.name);
    match &answer.target {
        Some(dir) if answer.parts.len() > 1 => {
            pack::lay_down(tools, &frozen, &answer.parts, dir)?;
        }
        Some(target) => replace_by(tools, &frozen, &answer.parts, target)?,
        None => {
            let pair = |part: &AnswerPart| (part.name.clone(), part.sha256.clone());
            let parts: Vec<(String, String)> = answer.parts.iter().map(pair).collect();
            tools.spool.publish(&answer.partner, &answer.name, &frozen, &parts)?;
        }
    }
    tools.state.published(&answer.name, tools.clock.now())
}

/// Whether it is the place of this one answer that cannot be used, rather than the disk.
fn is_of_its_place(error: &Error) -> bool {
    use ErrorKind::{AlreadyExists, NotADirectory, NotFound, PermissionDenied};
    let place = [AlreadyExists, NotADirectory, NotFound, PermissionDenied];
    error.code == crate::DISK && disk::cause_kind(error).is_none_or(|kind| place.contains(&kind))
}

fn replace_by(tools: &Tools<'_>, frozen: &Path, parts: &[AnswerPart], target: &Path) -> Result<()> {
    let Some(part) = parts.first() else { return Ok(()) };
    let parent = target.parent().filter(|dir| !dir.as_os_str().is_empty());
    let mut out = tools.disk.temporary(parent.unwrap_or(Path::new(".")))?;
    let mut source = tools.disk.open(&frozen.join(&part.name))?;
    std::io::copy(&mut source, &mut out).map_err(|error| Error::io("write", target, error))?;
    out.replace(target)
}
