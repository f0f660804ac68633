//! Answers: what is owed is frozen (bytes, names, transaction ids in one transaction), then
//! published.

use std::io::BufWriter;
use std::path::{Path, PathBuf};

use super::stop::guarded;
use super::{ANSWER_UNWRITABLE, LOCAL, Note, Outcome, PackageReport, Partner, Run, Sent, publish};
use crate::asam::{self, Answer, Company};
use crate::engdat::{self, FileEntry, PackageName};
use crate::issue::{Attachment, Comment, Issue, Record};
use crate::spool::Reason;
use crate::state::{self, AnswerPart, AnswerState, Entry, EntryKind, Link, Outgoing};
use crate::sync::{Change, Side};
use crate::tracker::TRACKER_UNAVAILABLE;
use crate::{Digest, Error, Fault, Result, Timestamp, stamp};

/// How many answers are made at a time.
const CHUNK: usize = 250;

impl Run<'_> {
    /// Freezes and publishes what is owed to every partner.
    pub(super) fn answer_all(&mut self) -> Result<()> {
        if self.tools.options.no_remote {
            return Ok(());
        }
        for partner in &self.tools.settings.partners {
            let owed = self.tools.state.owed_rows(&partner.key)?;
            if owed.is_empty() {
                continue;
            }
            match self.freeze(partner, &owed, None) {
                Ok(sent) => self.report.sent.push(sent),
                Err(_) if self.tools.stop.is_asked() => self.tools.stop.go_on()?,
                // Its files are at the tracker.
                Err(error) if error.fault == Fault::Wait && self.rests() => {}
                Err(error) if error.fault == Fault::Wait => self.tracker_away(&error)?,
                // This partner's settings or issues: the others get their answers.
                Err(error) if error.fault == Fault::Item || error.code == ANSWER_UNWRITABLE => {
                    let report = PackageReport::new(LOCAL, Some(&partner.key), Outcome::Deferred);
                    self.report.packages.push(report.because(&Reason::of(&error)));
                }
                Err(error) => return Err(error),
            }
        }
        if self.tools.options.dry_run {
            return Ok(());
        }
        publish::publish_frozen(self.tools, &mut self.report)
    }

    /// Fixes the bytes, names and transaction ids of an answer; from then on it is only to be
    /// published. `owed` are the rows of the links; they are read a few at a time. With `target`
    /// it is a ZIP by hand, without an ENGDAT description.
    pub(super) fn freeze(
        &self,
        partner: &Partner,
        owed: &[i64],
        target: Option<&Path>,
    ) -> Result<Sent> {
        let state = self.tools.state;
        let now = self.tools.clock.now();
        let highest = state.highest_name()?;
        let local = now.with_timezone(&partner.zone).naive_local();
        let name = engdat::next_name(local, highest.as_ref(), &partner.name_tail);
        let files = match target {
            None => vec![name.part(2, 1).to_string(), name.part(2, 2).to_string()],
            Some(path) => {
                vec![
                    path.file_name()
                        .map(|name| name.to_string_lossy().into_owned())
                        .unwrap_or_default(),
                ]
            }
        };
        let mut sent = Sent {
            name: if target.is_some() { files[0].clone() } else { name.to_string() },
            partner: partner.key.clone(),
            files,
            issues: Vec::new(),
            findings: Vec::new(),
        };
        let dir = state.answers_dir().join(name.to_string());
        let parts = if self.tools.options.dry_run {
            self.answers(partner, owed, &name, &mut sent, &mut |_| Ok(()))?;
            Vec::new()
        } else {
            self.build(partner, owed, &name, &mut sent, &dir, target.is_none())?
        };
        let transaction = state.begin()?;
        state.reserve_name(&name)?;
        if !self.tools.options.dry_run {
            let answer = state::Answer {
                name: name.to_string(),
                partner: partner.key.clone(),
                state: AnswerState::Frozen,
                target: target.map(PathBuf::from),
                parts,
                issues: sent.issues.clone(),
            };
            state.save_answer(&answer, now)?;
        }
        for rows in owed.chunks(CHUNK) {
            for mut link in state.links_in(rows)? {
                let Some(outgoing) = link.owed.take() else { continue };
                state.journal(&Entry {
                    at: stamp(now),
                    partner: partner.key.clone(),
                    package: Some(sent.name.clone()),
                    remote: link.remote.clone(),
                    key: link.key.clone(),
                    kind: EntryKind::Out,
                    changes: sent_changes(&outgoing, &link.base),
                })?;
                link.base.agree(&outgoing.agreed);
                link.base.sent = Some(outgoing);
                state.save_link(&mut link)?;
            }
        }
        transaction.commit()?;
        Ok(sent)
    }

    /// Writes the files of an answer durably beside the state.
    fn build(
        &self,
        partner: &Partner,
        owed: &[i64],
        name: &PackageName,
        sent: &mut Sent,
        dir: &Path,
        description: bool,
    ) -> Result<Vec<AnswerPart>> {
        let disk = self.tools.disk;
        disk.make_dirs(dir)?;
        let now = self.tools.clock.now();
        let file = sent.files.last().cloned().unwrap_or_default();
        let path = dir.join(&file);
        let mut packer =
            asam::Packer::new(partner.style, now, BufWriter::new(disk.temporary(dir)?));
        // A file that the tracker does not hand out now may be there the next time.
        let unread = |error: Error| match error.fault {
            Fault::Item => Error { code: ANSWER_UNWRITABLE, ..error },
            _ => error,
        };
        let mut add = |answer| packer.add(&answer).map_err(unread);
        self.answers(partner, owed, name, sent, &mut add)?;
        let mut parts = Vec::new();
        if description {
            let bytes = self.describe(partner, name)?;
            disk.replace(&dir.join(&sent.files[0]), &bytes)?;
            parts.push(AnswerPart {
                name: sent.files[0].clone(),
                sha256: Digest::of(&bytes).to_string(),
            });
        }
        let out = packer.finish()?;
        let out =
            out.into_inner().map_err(|error| Error::io("write", &path, error.into_error()))?;
        out.replace(&path)?;
        parts.push(AnswerPart { name: file, sha256: disk.digest(&path)?.to_string() });
        Ok(parts)
    }

    fn describe(&self, partner: &Partner, name: &PackageName) -> Result<Vec<u8>> {
        let issued = self.tools.clock.now().with_timezone(&partner.zone).naive_local();
        let files = [FileEntry::archive(&partner.format)];
        let mut message = engdat::compose(name, issued, &partner.own, &partner.peer, &files);
        message.version.clone_from(&partner.version);
        written(&message, partner)
    }

    /// The answers in the neutral model, one after the other: what the partner knows, with what we
    /// say over it. Notes in `sent` whose they are, and what cannot be said.
    fn answers(
        &self,
        partner: &Partner,
        owed: &[i64],
        name: &PackageName,
        sent: &mut Sent,
        each: &mut dyn FnMut(Answer) -> Result<()>,
    ) -> Result<()> {
        let now = self.tools.clock.now();
        for rows in owed.chunks(CHUNK) {
            let links = self.tools.state.links_in(rows)?;
            let (keys, issues) = self.with_files(&links)?;
            let find = |key: &str| {
                keys.iter().position(|other| other == key).and_then(|index| issues[index].as_ref())
            };
            for link in &links {
                let answer = self.answer(partner, link, name, now, &find)?;
                sent.issues.extend(link.key.clone());
                sent.findings.extend(answer.dropped().iter().map(|finding| Note {
                    code: finding.code.to_string(),
                    text: format!("{}: {}", answer.key, finding.text),
                }));
                each(answer)?;
            }
        }
        Ok(())
    }

    /// The local issues of those links that have files to send.
    fn with_files(&self, links: &[Link]) -> Result<(Vec<String>, Vec<Option<Issue>>)> {
        let nothing = Outgoing::default();
        let news = |link: &&Link| {
            let sent = link.base.sent.as_ref().unwrap_or(&nothing);
            link.owed.as_ref().is_some_and(|owed| !owed.new_files(sent).is_empty())
        };
        let keys: Vec<String> =
            links.iter().filter(news).filter_map(|link| link.key.clone()).collect();
        let issues = match &self.away {
            _ if keys.is_empty() => Vec::new(),
            Some(reason) => return Err(Error::wait(TRACKER_UNAVAILABLE, reason.text.clone())),
            None => self.tools.tracker.get_many(&keys)?,
        };
        Ok((keys, issues))
    }

    fn answer<'i>(
        &self,
        partner: &Partner,
        link: &Link,
        name: &PackageName,
        now: Timestamp,
        find: &dyn Fn(&str) -> Option<&'i Issue>,
    ) -> Result<Answer> {
        let nothing = Outgoing::default();
        let owed = link.owed.as_ref().unwrap_or(&nothing);
        let sent = link.base.sent.as_ref().unwrap_or(&nothing);
        let local_key = link.key.clone().unwrap_or_default();
        let mut fields: Record = link.latest().clone();
        for (field, value) in owed.fields.iter().chain(owed.envelope.iter()) {
            fields.set(field, Some(value.clone()));
        }
        for field in &owed.cleared {
            fields.set(field.clone(), None);
        }
        let key = Some(fields.text("supplier_company_id")).filter(|key| !key.is_empty());
        let key = key.unwrap_or_else(|| local_key.clone());
        let assignee = Some(fields.text("assignee_key")).filter(|key| !key.is_empty());
        let assignee_key = assignee.unwrap_or_else(|| "unknown".to_owned());
        let name_of = Some(fields.text("assignee_name")).filter(|name| !name.is_empty());
        let updated = chrono::DateTime::parse_from_rfc3339(&fields.text("updated"));
        let mut files = Vec::new();
        for file in owed.new_files(sent) {
            let here = |attachment: &&Attachment| attachment.name == file.name;
            let found = find(&local_key).and_then(|issue| issue.attachments.iter().find(here));
            match found {
                Some(attachment) => files.push(guarded(&self.tools.stop, attachment)),
                None => {
                    let what = format!("{local_key}: the file {} is not there any more", file.name);
                    return Err(Error::item(ANSWER_UNWRITABLE, what));
                }
            }
        }
        Ok(Answer {
            peer: Company {
                long_name: partner.name.clone(),
                short_name: link.base.peer_short.clone(),
            },
            own: Company {
                long_name: self.tools.settings.company.name.clone(),
                short_name: self.tools.settings.company.short_name.clone(),
            },
            transaction_id: format!("{}-{key}", name.reference()),
            key,
            number: link.remote.clone(),
            updated: updated.map_or(now, |updated| updated.to_utc()),
            assignee_name: name_of.unwrap_or_else(|| assignee_key.clone()),
            assignee_key,
            fields,
            comments: owed
                .comments
                .iter()
                .map(|comment| Comment {
                    id: comment.id.clone(),
                    author: Some(comment.author.clone()),
                    created: comment.at,
                    updated: None,
                    text: comment.text.clone(),
                })
                .collect(),
            files,
        })
    }
}

/// The bytes of a description.
pub(super) fn written(message: &engdat::EngdatMessage, partner: &Partner) -> Result<Vec<u8>> {
    engdat::write_with(message, partner.transliterate).map_err(|findings| {
        let first = findings.first().map(|finding| finding.text.clone()).unwrap_or_default();
        let what = format!("cannot write the ENGDAT description for {}: {first}", partner.key);
        Error::setup(ANSWER_UNWRITABLE, what).hint(format!(
            "check [partner.{}.engdat]; `engsync check` lists every problem",
            partner.key
        ))
    })
}

/// What an answer says that the one before did not, for the journal.
fn sent_changes(outgoing: &Outgoing, base: &state::Base) -> Vec<Change> {
    let nothing = Outgoing::default();
    let plan = crate::sync::OutPlan { outgoing: outgoing.clone(), ..Default::default() };
    let mut changes = plan.changes(base.sent.as_ref().unwrap_or(&nothing), &base.delivered);
    for change in &mut changes {
        change.side = Side::Remote;
    }
    changes
}
