//! What a person asks for once more: a package taken in, an answer sent.

use std::io::BufWriter;

use super::{Sent, Tools, answer, publish};
use crate::asam;
use crate::engdat::{self, Levels, PackageName};
use crate::state::{Answer, AnswerPart, AnswerState, PackageRow};
use crate::{Error, NOT_FOUND, Result, USAGE, disk, stamp};

/// A description larger than this is none of ours.
const DESCRIPTION_MOST: u64 = 16 << 20;

/// An answer that went out once more.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Again {
    /// Under this name, with these files.
    #[serde(flatten)]
    pub sent: Sent,
    /// Later answers that say something of the same issues: the partner gets older values after
    /// newer ones.
    pub overtaken_by: Vec<String>,
}

/// Moves a package from `done/` back to `incoming/` and forgets that it was applied; the next run
/// takes it. Answers the partner's package name.
///
/// # Errors
/// When there is none in `done/`, or it cannot be moved.
pub fn replay(tools: &Tools<'_>, directory: &str) -> Result<PackageName> {
    let name = tools.spool.done(directory)?;
    if tools.options.dry_run {
        return Ok(name);
    }
    let partner = tools.state.seen(&name)?.map(|seen| seen.partner);
    let transaction = tools.state.begin()?;
    tools.state.unsee(&name)?;
    tools.state.forget_parts(&name)?;
    note(tools, name.to_string(), partner, "replayed", "from done/ back to incoming/".to_owned())?;
    transaction.commit()?;
    tools.spool.replay(directory)?;
    Ok(name)
}

/// Publishes an answer again: same name, same bytes.
///
/// # Errors
/// When its bytes are not kept (any more), or it cannot be published.
pub fn resend(tools: &Tools<'_>, name: &str) -> Result<Again> {
    let answer = kept(tools, name)?;
    if !tools.options.dry_run {
        let transaction = tools.state.begin()?;
        tools.state.refreeze(name)?;
        let text = "the same bytes under the same name".to_owned();
        note(tools, name.to_owned(), Some(answer.partner.clone()), "resent", text)?;
        transaction.commit()?;
        if !tools.options.no_remote {
            publish::publish(tools, &answer)?;
        }
    }
    let overtaken_by = overtaken(tools, &answer)?;
    Ok(Again { sent: sent(&answer), overtaken_by })
}

/// Publishes the content of an answer under a new name: description and transaction ids are new,
/// all else is as it was.
///
/// # Errors
/// When its bytes are not kept (any more), when it was made without a description, or when it
/// cannot be written.
pub fn reissue(tools: &Tools<'_>, name: &str) -> Result<Again> {
    let old = kept(tools, name)?;
    let partner = tools.settings.partner(&old.partner).ok_or_else(|| {
        Error::setup(NOT_FOUND, format!("partner {} is not configured any more", old.partner))
    })?;
    let from: PackageName = old.name.parse().map_err(|_| bare(&old.name))?;
    if old.parts.len() < 2 {
        return Err(bare(&old.name));
    }
    let now = tools.clock.now();
    let issued = now.with_timezone(&partner.zone).naive_local();
    let highest = tools.state.highest_name()?;
    let to = engdat::next_name(issued, highest.as_ref(), &partner.name_tail);
    let total = u16::try_from(old.parts.len()).unwrap_or(u16::MAX);
    let names: Vec<String> = (1..=total).map(|index| to.part(total, index).to_string()).collect();
    let frozen = tools.state.answers_dir().join(&old.name);
    let bytes = tools.disk.read(&frozen.join(&old.parts[0].name), DESCRIPTION_MOST)?;
    let files = engdat::read(&bytes, &Levels::default()).message.map(|message| message.files);
    let files = files.ok_or_else(|| bare(&old.name))?;
    let mut message = engdat::compose(&to, issued, &partner.own, &partner.peer, &files);
    message.version.clone_from(&partner.version);
    let description = answer::written(&message, partner)?;
    let mut parts: Vec<AnswerPart> =
        names.iter().map(|name| AnswerPart { name: name.clone(), sha256: String::new() }).collect();
    let new = Answer { name: to.to_string(), state: AnswerState::Frozen, ..old.clone() };
    if !tools.options.dry_run {
        let dir = tools.state.answers_dir().join(&new.name);
        tools.disk.make_dirs(&dir)?;
        tools.disk.replace(&dir.join(&names[0]), &description)?;
        for (old_part, name) in old.parts.iter().zip(&names).skip(1) {
            let (source, target) = (frozen.join(&old_part.name), dir.join(name));
            if old.issues.is_empty() {
                tools.disk.copy(&source, &target)?;
                continue;
            }
            let out = BufWriter::new(tools.disk.temporary(&dir)?);
            let source = tools.disk.open(&source)?;
            let out = asam::reissue(source, out, from.reference(), to.reference())?;
            let out = out.into_inner();
            out.map_err(|error| Error::io("write", &target, error.into_error()))?
                .replace(&target)?;
        }
        for part in &mut parts {
            let path = dir.join(&part.name);
            part.sha256 = tools.disk.digest(&path)?.to_string();
        }
        let new = Answer { parts: parts.clone(), ..new.clone() };
        let transaction = tools.state.begin()?;
        tools.state.reserve_name(&to)?;
        tools.state.save_answer(&new, now)?;
        let text = format!("the content of {} under a new name", old.name);
        note(tools, new.name.clone(), Some(new.partner.clone()), "reissued", text)?;
        transaction.commit()?;
        if !tools.options.no_remote {
            publish::publish(tools, &new)?;
        }
    }
    let overtaken_by = overtaken(tools, &old)?;
    Ok(Again { sent: sent(&Answer { parts, ..new }), overtaken_by })
}

/// A sent answer whose bytes are still there.
fn kept(tools: &Tools<'_>, name: &str) -> Result<Answer> {
    let missing = || {
        Error::setup(NOT_FOUND, format!("there is no sent answer {name}, or not any more"))
            .hint("`engsync log` names them; their bytes are kept for `retention_days`")
    };
    let answer = tools.state.answer(name)?.ok_or_else(missing)?;
    let dir = tools.state.answers_dir().join(name);
    for part in &answer.parts {
        tools.disk.open(&dir.join(&part.name)).map_err(|error| {
            let gone = disk::cause_kind(&error) == Some(std::io::ErrorKind::NotFound);
            if gone { missing() } else { error }
        })?;
    }
    Ok(answer)
}

fn overtaken(tools: &Tools<'_>, answer: &Answer) -> Result<Vec<String>> {
    let same = |later: &Answer| later.issues.iter().any(|key| answer.issues.contains(key));
    let later = tools.state.answers_after(&answer.partner, &answer.name)?;
    Ok(later.into_iter().filter(same).map(|later| later.name).collect())
}

fn sent(answer: &Answer) -> Sent {
    Sent {
        name: answer.name.clone(),
        partner: answer.partner.clone(),
        files: answer.parts.iter().map(|part| part.name.clone()).collect(),
        issues: answer.issues.clone(),
        findings: Vec::new(),
    }
}

fn bare(name: &str) -> Error {
    Error::setup(USAGE, format!("{name} is an archive by hand, without a description"))
        .hint("`engsync resend` writes the same file again")
}

fn note(
    tools: &Tools<'_>,
    name: String,
    partner: Option<String>,
    outcome: &str,
    text: String,
) -> Result<()> {
    tools.state.log_package(&PackageRow {
        name,
        partner,
        outcome: outcome.to_owned(),
        reason: None,
        text: Some(text),
        at: stamp(tools.clock.now()),
    })
}
