//! One complete package: identity, partner, archives, issues, and where it goes.

use super::intake::reused;
use super::issues::Applied;
use super::outcomes::Outcomes;
use super::{ISSUE_FAILED, NOT_AN_ARCHIVE, Outcome, PackageReport, Partner, ROUTING_MISMATCH, Run};
use crate::asam::{self, Archive};
use crate::engdat::Package;
use crate::spool::{Active, Entry, PartFile, Reason};
use crate::state::{DUPLICATE, Identity, KnownPart, PackageRow};
use crate::{Error, Fault, Finding, Result, stamp};

/// A package in hand.
pub(super) struct Doing {
    pub entry: Entry<Active>,
    /// The parts it was copied from, when they stay in `incoming/`.
    pub originals: Vec<(String, KnownPart)>,
    /// How often it was tried before.
    pub attempts: u32,
    /// Why it was deferred then.
    pub before: Option<Reason>,
    /// What is to be remembered of it, once it is applied.
    pub applied: Option<Identity>,
}

impl Doing {
    /// A package that was claimed.
    pub(super) fn new(entry: Entry<Active>) -> Self {
        Self { entry, originals: Vec::new(), attempts: 0, before: None, applied: None }
    }
}

impl Run<'_> {
    pub(super) fn process(&mut self, doing: Doing, package: &Package) -> Result<()> {
        let name = doing.entry.name().clone();
        let Some(partner) = self.partner_of(&package.message).cloned() else {
            let (sender, receiver) =
                (&package.message.sender.routing, &package.message.receiver.routing);
            let reason = Reason {
                hint: Some(format!(
                    "if this is for you, set routing = {sender:?} in a [partner.NAME.engdat.peer] and routing = {receiver:?} in its own, then `engsync release {name}`"
                )),
                ..Reason::new(
                    ROUTING_MISMATCH,
                    format!(
                        "from routing code {sender:?} to {receiver:?}: no partner has this pair"
                    ),
                )
            };
            return self.set_aside(doing, None, &reason);
        };
        let content = match doing.entry.digest() {
            Ok(content) => content,
            Err(error) if error.code == crate::DISK => {
                return self.unreadable(doing, Some(&partner.key), &error);
            }
            Err(error) => return Err(error),
        };
        let total = doing.entry.total();
        let identity =
            Identity { partner: partner.key.clone(), total, content: content.to_string() };
        match self.tools.state.seen(&name)? {
            Some(seen) if seen.content == identity.content => {
                let reason = Reason::new(DUPLICATE, "applied before, with the same content");
                return self.finish(
                    doing,
                    &partner,
                    Outcome::Duplicate,
                    Some(&reason),
                    Outcomes::default(),
                    &[],
                );
            }
            Some(_) => {
                let text = "a package of this name was applied with other content";
                let reason = reused(&name.to_string(), text);
                return self.set_aside(doing, Some(&partner.key), &reason);
            }
            None => {}
        }
        let (archives, mut findings) = match self.archives(&doing, package) {
            Ok(archives) => archives,
            Err(error) if error.fault == Fault::Item => {
                return self.set_aside(doing, Some(&partner.key), &Reason::of(&error));
            }
            Err(error) if error.code == crate::DISK => {
                return self.unreadable(doing, Some(&partner.key), &error);
            }
            Err(error) => return Err(error),
        };
        findings.splice(0..0, package.findings.iter().cloned());
        let reference = package.message.reference.clone();
        if let Some(reason) = &self.away {
            let reason = reason.clone();
            return self.put_off(doing, Some(&partner.key), &reason, Outcomes::default());
        }
        match self.apply(&partner, &archives, &name.to_string(), &reference) {
            Ok(Applied { issues, findings: more, halted: None }) => {
                findings.extend(more);
                if let Some(reason) = failure(&issues) {
                    return self.put_off(doing, Some(&partner.key), &reason, issues);
                }
                let doing = Doing { applied: Some(identity), ..doing };
                self.finish(doing, &partner, Outcome::Applied, None, issues, &findings)
            }
            Ok(Applied { issues, halted: Some(error), .. }) => {
                self.note_away(&error)?;
                self.put_off(doing, Some(&partner.key), &Reason::of(&error), issues)
            }
            Err(error) if error.fault == Fault::Item => {
                self.set_aside(doing, Some(&partner.key), &Reason::of(&error))
            }
            Err(error) => Err(error),
        }
    }

    /// Opens the issue archives of a package; other files are noted and left alone.
    fn archives(&self, doing: &Doing, package: &Package) -> Result<(Vec<Archive>, Vec<Finding>)> {
        let mut archives = Vec::new();
        let mut findings = Vec::new();
        for (file, part) in &package.files {
            let found = |on_disk: &&PartFile| on_disk.name == *part;
            let Some(on_disk) = doing.entry.parts().iter().find(found) else { continue };
            let source = self.tools.disk.open(&on_disk.path)?;
            let shown = format!("{} ({})", on_disk.file, file.name);
            if !looks_like_issues(&on_disk.path, self)? {
                let text = format!("{shown} is neither a ZIP archive nor an XML document");
                findings.push(Finding::warning(NOT_AN_ARCHIVE, text));
                continue;
            }
            let archive = Archive::open(source, &on_disk.file, &self.tools.settings.limits)?;
            findings.extend(archive.findings().iter().cloned());
            archives.push(archive);
        }
        if archives.is_empty() {
            let what = "no file of the package is an issue archive".to_owned();
            return Err(Error::item(asam::code::NO_DOCUMENTS, what)
                .hint("`engsync inspect` shows what is in it"));
        }
        Ok((archives, findings))
    }

    pub(super) fn finish(
        &mut self,
        doing: Doing,
        partner: &Partner,
        outcome: Outcome,
        reason: Option<&Reason>,
        issues: Outcomes,
        findings: &[Finding],
    ) -> Result<()> {
        let name = doing.entry.name().to_string();
        let mut report = PackageReport::new(&name, Some(&partner.key), outcome);
        if let Some(reason) = reason {
            report = report.because(reason);
        }
        report.issues = issues;
        report.findings = findings.iter().map(Into::into).collect();
        self.settle(&doing, &report)?;
        doing.entry.done()?;
        self.report.packages.push(report);
        Ok(())
    }

    /// To `corrupt/`: the sender or the operator must do something.
    pub(super) fn set_aside(
        &mut self,
        doing: Doing,
        partner: Option<&str>,
        reason: &Reason,
    ) -> Result<()> {
        let name = doing.entry.name().to_string();
        let report = PackageReport::new(&name, partner, Outcome::Corrupt).because(reason);
        self.settle(&doing, &report)?;
        doing.entry.corrupt(&self.stamped(reason, partner))?;
        self.report.packages.push(report);
        Ok(())
    }

    /// To `deferred/`: time will cure it.
    pub(super) fn put_off(
        &mut self,
        doing: Doing,
        partner: Option<&str>,
        reason: &Reason,
        issues: Outcomes,
    ) -> Result<()> {
        let name = doing.entry.name().to_string();
        let attempts = doing.attempts + 1;
        let mut report = PackageReport::new(&name, partner, Outcome::Deferred).because(reason);
        report.issues = issues;
        // The same trouble as at the last try is no news; nor is it when there was no try.
        let same = |before: &Reason| {
            before.reason == reason.reason && (before.text == reason.text || self.rests())
        };
        report.standing = doing.before.as_ref().is_some_and(same);
        let mut reason = Reason { attempts, ..self.stamped(reason, partner) };
        if reason.reason != crate::engdat::code::PART_MISSING.as_str() {
            // 1, 2, 4 … minutes, at most an hour.
            let minutes = 1_i64 << (attempts - 1).min(6);
            let wait = chrono::Duration::minutes(minutes.min(60));
            let asked = reason.retry_after.and_then(|wait| chrono::Duration::from_std(wait).ok());
            let wait = asked.map_or(wait, |asked| asked.max(wait));
            reason.next_try = self.tools.clock.now().checked_add_signed(wait);
        }
        self.settle(&doing, &report)?;
        doing.entry.defer(&reason)?;
        self.report.packages.push(report);
        Ok(())
    }

    fn stamped(&self, reason: &Reason, partner: Option<&str>) -> Reason {
        Reason {
            at: Some(self.tools.clock.now()),
            partner: partner.map(str::to_owned),
            ..reason.clone()
        }
    }

    /// The durable record of what became of a package, before it is moved.
    fn settle(&self, doing: &Doing, report: &PackageReport) -> Result<()> {
        let transaction = self.tools.state.begin()?;
        for (file, known) in &doing.originals {
            self.tools.state.know_part(file, known)?;
        }
        if let Some(identity) = &doing.applied {
            self.tools.state.see(doing.entry.name(), identity, self.tools.clock.now())?;
        }
        self.log(report)?;
        transaction.commit()
    }

    /// Adds a line to the log of packages.
    pub(super) fn log(&self, report: &PackageReport) -> Result<()> {
        self.tools.state.log_package(&PackageRow {
            name: report.name.clone(),
            partner: report.partner.clone(),
            outcome: report.outcome.as_str().to_owned(),
            reason: report.reason.clone(),
            text: report.text.clone(),
            at: stamp(self.tools.clock.now()),
        })
    }
}

/// Why a package is tried again: an issue of it could not be written.
pub(super) fn failure(issues: &Outcomes) -> Option<Reason> {
    let (number, why) = issues.failed()?;
    let number = if number.is_empty() { "an issue" } else { number };
    Some(Reason::new(ISSUE_FAILED, format!("{number}: {why}")))
}

/// By its first bytes: `PK` or `<`, after blanks, a byte order mark or UTF-16's zeros.
fn looks_like_issues(path: &std::path::Path, run: &Run<'_>) -> Result<bool> {
    use std::io::Read;
    let mut head = Vec::new();
    let file = run.tools.disk.open(path)?;
    file.take(64).read_to_end(&mut head).map_err(|error| Error::io("read", path, error))?;
    let skip = |byte: &&u8| {
        matches!(byte, 0 | b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf | 0xfe | 0xff)
    };
    let text = head.iter().find(|byte| !skip(byte)) == Some(&b'<');
    let named_zip = head.is_empty() || head.windows(2).any(|pair| pair == b"PK");
    Ok(text || named_zip)
}
