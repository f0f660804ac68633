//! Which packages are taken in, and when.

use std::time::SystemTime;

use super::outcomes::Outcomes;
use super::package::Doing;
use super::queue::Next;
use super::{Outcome, PARTNER_CLOCK, PackageReport, Partner, Run};
use crate::asam::Archive;
use crate::engdat::{self, Assembly, Levels, Package, PartName};
use crate::spool::{Found, Group, Mode, Other, PartFile, Reason, Stored};
use crate::state::KnownPart;
use crate::{Error, Finding, Result};

/// A description larger than this is none.
const DESCRIPTION_MOST: u64 = 16 << 20;

/// So often a part that cannot be read is tried, within about an hour.
const READ_TRIES: u32 = 6;

/// When a young package that was deferred is looked at again.
const SOON: chrono::Duration = chrono::Duration::minutes(1);

/// So far ahead of ours no clock is by chance.
const CLOCK_MARGIN: chrono::Duration = chrono::Duration::hours(2);

/// What a group of parts is.
enum Look {
    Complete(Box<Package>),
    Waiting { missing: Vec<u16>, young: bool },
    Broken(Vec<Finding>),
}

impl Run<'_> {
    /// Takes in what lies in `incoming/` and the deferred packages whose time has come, the
    /// partners in turns.
    pub(super) fn take_in(&mut self) -> Result<()> {
        let mut queue = self.queue()?;
        self.tools.progress.begin("packages", queue.len() as u64);
        while let Some(next) = queue.next() {
            if self.tools.stop.is_asked() {
                break;
            }
            if self.left == 0 {
                self.more = true;
                break;
            }
            let taken = match next {
                Next::Again(stored) => self.take_again(&stored)?,
                Next::New(group) => self.take(group)?,
            };
            self.left -= usize::from(taken);
            self.tools.progress.step();
        }
        self.tools.progress.end();
        Ok(())
    }

    /// Leaves out the parts that stay in `incoming/` and were taken before.
    pub(super) fn unknown(&self, found: Found) -> Result<Found> {
        if !self.tools.settings.spool.keep_incoming {
            return Ok(found);
        }
        let mut groups = Vec::new();
        for group in found.groups {
            let mut fresh = false;
            for part in &group.parts {
                fresh |= !self.is_known(part)?;
            }
            if fresh {
                groups.push(group);
            }
        }
        Ok(Found { groups })
    }

    fn is_known(&self, part: &PartFile) -> Result<bool> {
        let Some(known) = self.tools.state.known_part(&part.file)? else { return Ok(false) };
        if known.size == part.size && known.modified == modified(part) {
            return Ok(true);
        }
        match self.tools.disk.digest(&part.path) {
            // It is looked at as a new one, which reports why.
            Err(error) if error.code == crate::DISK => Ok(false),
            digest => Ok(digest?.to_string() == known.sha256),
        }
    }

    /// A deferred package once more; whether it was more than a look.
    fn take_again(&mut self, stored: &Stored) -> Result<bool> {
        if !stored.path.is_dir() {
            // A late part took it along.
            return Ok(false);
        }
        let now = self.tools.clock.now();
        let reason = stored.reason.clone().unwrap_or_default();
        let entry = self.tools.spool.reclaim(&stored.directory)?;
        let attempts = reason.attempts;
        let before = Some(reason.clone());
        let look = match self.look(entry.parts(), entry.name()) {
            Ok(look) => look,
            Err(error) if error.code != crate::DISK => return Err(error),
            Err(error) => {
                let doing = Doing { attempts, before, ..Doing::new(entry) };
                return self.unreadable(doing, None, &error).map(|()| true);
            }
        };
        match look {
            Look::Complete(package) => {
                self.process(Doing { attempts, before, ..Doing::new(entry) }, &package)?;
            }
            // It was whole when it was claimed, and is looked at by its content once more.
            Look::Waiting { missing, .. } if missing.is_empty() => {
                entry.defer(&Reason { next_try: Some(now + SOON), ..reason })?;
            }
            Look::Waiting { missing, .. } => {
                let reason = part_missing(&missing);
                entry.defer(&Reason { at: reason.at.or(Some(now)), ..reason })?;
            }
            Look::Broken(findings) => {
                let doing = Doing { attempts, before, ..Doing::new(entry) };
                self.set_aside(doing, None, &broken(&findings))?;
            }
        }
        Ok(true)
    }

    /// A package of `incoming/`; whether it was more than a look.
    fn take(&mut self, group: Group) -> Result<bool> {
        let group = self.rejoined(group)?;
        let name = group.name.to_string();
        if let Some(seen) = self.tools.state.seen(&group.name)?
            && seen.total != group.total
        {
            let reason = reused(&name, "a package of this name and another total was applied");
            let Some(doing) = self.claim_whole(&group)? else { return Ok(false) };
            self.set_aside(doing, Some(&seen.partner), &reason)?;
            return Ok(true);
        }
        let look = match self.look(&group.parts, &group.name) {
            Ok(look) => look,
            Err(error) if error.code == crate::DISK => return self.unreadable_yet(&group, &error),
            Err(error) => return Err(error),
        };
        match look {
            Look::Complete(package) => {
                let Some(doing) = self.claim_whole(&group)? else { return Ok(false) };
                self.process(doing, &package)?;
            }
            Look::Broken(findings) => {
                let partner = None;
                let Some(doing) = self.claim_whole(&group)? else { return Ok(false) };
                self.set_aside(doing, partner, &broken(&findings))?;
            }
            Look::Waiting { missing, young } => {
                if !young && let Some(known) = self.stray(&group)? {
                    return self.set_stray_aside(&group, &known).map(|()| true);
                }
                let wait = self.tools.settings.spool.wait;
                if !young && group.age(self.wall()) > wait {
                    let reason = part_missing(&missing);
                    let Some(doing) = self.claim_whole(&group)? else { return Ok(false) };
                    self.put_off(doing, None, &reason, Outcomes::default())?;
                    return Ok(true);
                }
                let mut report = PackageReport::new(name, None, Outcome::Waiting);
                report.text = Some(if missing.is_empty() {
                    "still arriving".to_owned()
                } else {
                    // The description may name more than the names tell of.
                    let total = missing.iter().fold(group.total, |most, part| most.max(*part));
                    format!("waits for {} of {total}", parts(&missing))
                });
                self.report.packages.push(report);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A late part brings a deferred package back.
    fn rejoined(&self, mut group: Group) -> Result<Group> {
        for part in self.tools.spool.rejoin(&group.name, group.total)? {
            if !group.parts.iter().any(|other| other.path == part.path) {
                group.parts.push(part);
            }
        }
        group.parts.sort_by(|a, b| (a.name.index, &a.file).cmp(&(b.name.index, &b.file)));
        Ok(group)
    }

    /// A part of `incoming/` cannot be read. Parts that stay there are looked at again by the next
    /// pass.
    fn unreadable_yet(&mut self, group: &Group, error: &Error) -> Result<bool> {
        if self.tools.spool.mode() != Mode::Move {
            let report = PackageReport::new(group.name.to_string(), None, Outcome::Deferred);
            self.report.packages.push(report.because(&Reason::of(error)));
            return Ok(false);
        }
        let doing = self.claim(group)?;
        self.unreadable(doing, None, error).map(|()| true)
    }

    /// A part cannot be read: it is tried again, later each time, and at last set aside with what
    /// the system says. Others go on.
    pub(super) fn unreadable(
        &mut self,
        doing: Doing,
        partner: Option<&str>,
        error: &Error,
    ) -> Result<()> {
        let hint = "check the disk and the permissions; then `engsync release` takes it at once";
        let reason = Reason { hint: Some(hint.to_owned()), ..Reason::of(error) };
        if doing.attempts + 1 >= READ_TRIES {
            return self.set_aside(doing, partner, &reason);
        }
        self.put_off(doing, partner, &reason, Outcomes::default())
    }

    /// Claims a package; `None`: a part that is to stay where it is cannot be read, which was
    /// reported.
    fn claim_whole(&mut self, group: &Group) -> Result<Option<Doing>> {
        match self.originals(group) {
            Err(error) if error.code == crate::DISK => {
                self.unreadable_yet(group, &error)?;
                Ok(None)
            }
            originals => self.claim_of(group, originals?).map(Some),
        }
    }

    pub(super) fn claim(&self, group: &Group) -> Result<Doing> {
        self.claim_of(group, self.originals(group)?)
    }

    /// What is remembered of the parts that stay in `incoming/`.
    fn originals(&self, group: &Group) -> Result<Vec<(String, KnownPart)>> {
        if self.tools.spool.mode() != Mode::Keep {
            return Ok(Vec::new());
        }
        let known = |part: &PartFile| -> Result<(String, KnownPart)> {
            let sha256 = self.tools.disk.digest(&part.path)?.to_string();
            let known = KnownPart { size: part.size, modified: modified(part), sha256 };
            Ok((part.file.clone(), known))
        };
        group.parts.iter().map(known).collect()
    }

    fn claim_of(&self, group: &Group, originals: Vec<(String, KnownPart)>) -> Result<Doing> {
        let entry = match self.tools.spool.mode() {
            // Those that do not count stay where they are.
            Mode::Keep => {
                let parts = self.tools.spool.latest(&group.parts)?.parts;
                self.tools.spool.claim(&Group { parts, ..group.clone() })?
            }
            Mode::Move | Mode::Look => self.tools.spool.claim(group)?,
        };
        Ok(Doing { originals, ..Doing::new(entry) })
    }

    /// What the parts are: by their content, with their age only as doubt.
    fn look(&self, parts: &[PartFile], name: &engdat::PackageName) -> Result<Look> {
        let latest = self.tools.spool.latest(parts)?;
        let parts = &latest.parts;
        let names: Vec<PartName> = parts.iter().map(|part| part.name.clone()).collect();
        let first = parts.iter().find(|part| part.name.index == 1);
        let description = match first {
            Some(part) => Some(self.tools.disk.read(&part.path, DESCRIPTION_MOST)?),
            None => None,
        };
        let age = |part: &PartFile| self.wall().duration_since(part.modified).ok();
        let settle = self.tools.settings.spool.settle;
        let young = parts.iter().any(|part| age(part).is_some_and(|age| age < settle));
        if young && latest.is_repaired() {
            // The other parts may be sent again too.
            return Ok(Look::Waiting { missing: Vec::new(), young });
        }
        let levels = description.as_deref().map(|bytes| self.levels(bytes)).unwrap_or_default();
        match engdat::assemble(name, &names, description.as_deref(), &levels) {
            Assembly::Waiting { missing } => Ok(Look::Waiting { missing, young }),
            Assembly::Broken(_) if young => Ok(Look::Waiting { missing: Vec::new(), young: true }),
            Assembly::Broken(findings) => Ok(Look::Broken(findings)),
            Assembly::Complete(mut package) => {
                if young && !self.opens(parts) {
                    return Ok(Look::Waiting { missing: Vec::new(), young: true });
                }
                package.findings.extend(latest.others.iter().map(not_counted));
                package.findings.extend(self.is_ahead(&package));
                Ok(Look::Complete(package))
            }
        }
    }

    /// That the partner's clock is wrong by hours; behind it cannot be told from a late delivery.
    fn is_ahead(&self, package: &Package) -> Option<Finding> {
        let partner = self.partner_of(&package.message)?;
        let stamp = package.name.stamp()?.and_local_timezone(partner.zone).earliest()?;
        let ahead = stamp.to_utc() - self.tools.clock.now();
        (ahead >= CLOCK_MARGIN).then(|| {
            let text = format!(
                "{} bears a time that is {} hours ahead of ours",
                package.name,
                ahead.num_hours()
            );
            Finding::warning(PARTNER_CLOCK, text)
        })
    }

    /// Whether the data parts can be opened: a young one that cannot is still arriving.
    fn opens(&self, parts: &[PartFile]) -> bool {
        let limits = &self.tools.settings.limits;
        parts.iter().filter(|part| part.name.index > 1).all(|part| {
            self.tools
                .disk
                .open(&part.path)
                .and_then(|file| Archive::open(file, &part.file, limits))
                .is_ok()
        })
    }

    /// The levels of the partner whose routing codes the description bears.
    fn levels(&self, description: &[u8]) -> Levels {
        let read = engdat::read(description, &Levels::default());
        let partner = read.message.as_ref().and_then(|message| self.partner_of(message));
        partner.map(|partner| partner.levels.clone()).unwrap_or_default()
    }

    /// The partner with this pair of routing codes.
    pub(super) fn partner_of(&self, message: &engdat::EngdatMessage) -> Option<&Partner> {
        self.tools.settings.partners.iter().find(|partner| {
            engdat::same_routing(&partner.peer.routing, &message.sender.routing)
                && engdat::same_routing(&partner.own.routing, &message.receiver.routing)
        })
    }

    /// Whose package it is, as far as its description tells by now.
    pub(super) fn partner_by_description(&self, group: &Group) -> Option<usize> {
        let part = group.parts.iter().find(|part| part.name.index == 1)?;
        let bytes = self.tools.disk.read(&part.path, DESCRIPTION_MOST).ok()?;
        let read = engdat::read(&bytes, &Levels::default());
        let partner = self.partner_of(read.message.as_ref()?)?;
        self.tools.settings.partners.iter().position(|other| other.key == partner.key)
    }

    pub(super) fn wall(&self) -> SystemTime {
        self.tools.wall.now().into()
    }
}

/// Exactly, to tell one writing of a part from the next.
fn modified(part: &PartFile) -> String {
    crate::Timestamp::from(part.modified).to_rfc3339()
}

/// A name that stands for two different things.
pub(super) fn reused(name: &str, text: &str) -> Reason {
    let hint = format!(
        "ask the partner which one counts, and to send that one under a new name; this one stays in corrupt/ as {name}"
    );
    Reason { hint: Some(hint), ..Reason::new(engdat::code::IDENTITY_REUSE, text) }
}

fn parts(missing: &[u16]) -> String {
    let list: Vec<String> = missing.iter().map(|index| format!("{index:03}")).collect();
    let noun = if list.len() == 1 { "part" } else { "parts" };
    format!("{noun} {}", list.join(", "))
}

/// That a file lies there beside the one that counts.
fn not_counted(other: &Other) -> Finding {
    let Other { file, latest, same } = other;
    let (code, text) = if *same {
        (engdat::code::PART_REPEATED, format!("{file} is {latest} once more"))
    } else {
        (engdat::code::PART_REPLACED, format!("{latest} was sent after {file} and counts"))
    };
    Finding::warning(code, text).at(file)
}

fn part_missing(missing: &[u16]) -> Reason {
    Reason {
        hint: Some(
            "ask the partner to send the package again; a late part is taken by itself".into(),
        ),
        ..Reason::new(
            engdat::code::PART_MISSING,
            format!("{} did not come in time", parts(missing)),
        )
    }
}

fn broken(findings: &[Finding]) -> Reason {
    let code = engdat::reason(findings);
    let is_error = |finding: &&Finding| finding.severity == crate::Severity::Error;
    let named = findings.iter().filter(is_error).find(|finding| finding.code == code);
    let first = named.or_else(|| findings.iter().find(is_error));
    let text = first.map_or_else(|| "it cannot be read".to_owned(), |first| first.text.clone());
    Reason {
        hint: Some("`engsync inspect` shows the place; ask the partner to send it again".into()),
        ..Reason::new(code, text).with_findings(findings)
    }
}
