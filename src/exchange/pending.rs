//! Deliveries that a gate kept back: their files lie beside the state until it opens.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use super::issues::Ready;
use super::{LOCAL, Outcome, PackageReport, Partner, Run};
use crate::disk::{self, Disk};
use crate::issue::{Attachment, Content, Digest, Issue};
use crate::state::{Link, Pending};
use crate::sync::{self, Action, Delivery, isolate};
use crate::{Error, Fault, Result};

impl Run<'_> {
    /// Keeps the files of a delivery that a gate stopped.
    pub(super) fn keep_files(&self, issue: &Issue) -> Result<()> {
        if self.tools.options.dry_run {
            return Ok(());
        }
        let dir = self.tools.state.pending_dir();
        for file in &issue.attachments {
            let Some(digest) = file.known_digest() else { continue };
            let path = dir.join(digest.to_string());
            if path.exists() {
                continue;
            }
            self.tools.disk.make_dirs(&dir)?;
            let mut out = self.tools.disk.temporary(&dir)?;
            file.read_with(&mut |reader| io::copy(reader, &mut out).map(drop))
                .map_err(|error| Error::io("keep", &path, error))?;
            match out.publish(&path, None) {
                Err(error) if !disk::is_taken(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Plans what was kept back as new, where the gate has opened; of one partner or of all.
    pub(super) fn take_pending(&mut self, only: Option<&str>) -> Result<()> {
        if self.rests() {
            return Ok(());
        }
        let partners = &self.tools.settings.partners;
        for partner in partners.iter().filter(|partner| only.is_none_or(|key| key == partner.key)) {
            let links = self.tools.state.pending(&partner.key)?;
            let mut issues = Vec::new();
            let done = self.take_pending_of(partner, &links, &mut issues);
            // That it waits on is no news; what is owed or held of it is.
            issues.retain(|issue| {
                let waits = matches!(issue.action, Action::Skipped | Action::Unchanged);
                !waits || issue.is_trouble() || !issue.remote_changes.is_empty()
            });
            if !issues.is_empty() {
                let mut report = PackageReport::new(LOCAL, Some(&partner.key), Outcome::Applied);
                report.issues = self.shelved(issues);
                self.report.packages.push(report);
            }
            match done {
                Err(error) if error.fault == Fault::Wait => return self.tracker_away(&error),
                done => done?,
            }
        }
        Ok(())
    }

    fn take_pending_of(
        &self,
        partner: &Partner,
        links: &[Link],
        outcomes: &mut Vec<sync::Outcome>,
    ) -> Result<()> {
        for links in links.chunks(self.batch_size()) {
            let mut locals = self.locals(links.iter())?;
            let mut packages: BTreeMap<&str, Vec<Ready>> = BTreeMap::new();
            for link in links {
                let Some(pending) = &link.pending else { continue };
                let mut delivery = Delivery::of_pending(link, pending);
                delivery.issue.attachments = self.kept_files(pending);
                for file in &delivery.issue.attachments {
                    self.tools.tracker.prepare(file)?;
                }
                if !self.is_shared() {
                    let ready = packages.entry(&pending.package).or_default();
                    ready.push((delivery, Some(link.clone())));
                    continue;
                }
                let context = self.context(partner, Some(&pending.package))?;
                let mut outcome = sync::Outcome::new(&link.remote, link.key.as_deref());
                let local = link.key.as_ref().and_then(|key| locals.remove(key));
                match sync::deliver(&context, &delivery, Some(link.clone()), local) {
                    Ok(done) => outcome = done,
                    Err(error) => isolate(error, &mut outcome)?,
                }
                outcomes.push(outcome);
            }
            for (package, ready) in packages {
                let context = self.context(partner, Some(package))?;
                let keys = ready.iter().filter_map(|(_, link)| link.as_ref()?.key.as_ref());
                let here = keys.filter_map(|key| Some((key.clone(), locals.get(key)?.clone())));
                let here = here.collect();
                self.apply_in_waves(&context, ready, here, outcomes)?;
            }
        }
        Ok(())
    }

    /// Adds to a delivery the comments and files of one before it that a gate kept back: should this
    /// one pass, they are taken with it.
    pub(super) fn bring_along(&self, issue: &mut Issue, kept: &Pending) -> Result<()> {
        let same = |one: &Attachment, other: &Attachment| {
            one.name == other.name && one.known_digest() == other.known_digest()
        };
        let mut files = self.kept_files(kept);
        files.retain(|file| !issue.attachments.iter().any(|other| same(file, other)));
        for file in &files {
            self.tools.tracker.prepare(file)?;
        }
        // A document may name a file that it does not bring once more.
        issue.attachments.retain(|file| {
            file.content().is_some() || !files.iter().any(|kept| kept.name == file.name)
        });
        issue.attachments.splice(0..0, files);
        let comments = kept.comments.iter().filter(|known| !issue.comments.contains(known));
        let comments: Vec<_> = comments.cloned().collect();
        issue.comments.splice(0..0, comments);
        Ok(())
    }

    fn kept_files(&self, pending: &Pending) -> Vec<Attachment> {
        let dir = self.tools.state.pending_dir();
        let kept = |file: &crate::state::OutgoingFile| {
            let path = dir.join(&file.sha256);
            let size = std::fs::metadata(&path).ok()?.len();
            let digest = Digest::parse(&file.sha256)?;
            let content = Arc::new(Kept { disk: self.tools.disk.clone(), path });
            Some(Attachment::new(&file.name, Some(size), content).with_digest(digest, size))
        };
        pending.files.iter().filter_map(kept).collect()
    }

    /// Removes the files that no link waits for any more.
    pub(super) fn expire_pending(&self) -> Result<()> {
        let dir = self.tools.state.pending_dir();
        let Ok(entries) = std::fs::read_dir(&dir) else { return Ok(()) };
        let mut wanted = BTreeSet::new();
        for partner in &self.tools.settings.partners {
            for link in self.tools.state.pending(&partner.key)? {
                let files = link.pending.into_iter().flat_map(|pending| pending.files);
                wanted.extend(files.map(|file| file.sha256));
            }
        }
        for entry in entries.flatten() {
            if !wanted.contains(&*entry.file_name().to_string_lossy()) {
                self.tools.disk.remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// A file beside the state.
struct Kept {
    disk: Disk,
    path: PathBuf,
}

impl Content for Kept {
    fn read_with(&self, sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>) -> io::Result<()> {
        sink(&mut self.disk.open(&self.path).map_err(|error| io::Error::other(error.line()))?)
    }
}
