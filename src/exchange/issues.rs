//! The issues of a package, and the sweep for local changes.

use std::collections::{BTreeMap, BTreeSet};

use super::{LOCAL, Outcome, PackageReport, Partner, Run};
use crate::asam::code::CONTENT_DAMAGED;
use crate::asam::{Archive, Delivered, View};
use crate::issue::{ATTACHMENT_MISSING, Issue};
use crate::state::{Link, LinkState};
use crate::sync::{self, Action, Delivery, Outcome as IssueOutcome, isolate};
use crate::{Digest, Finding, Result};

/// How many issues share a transaction and a read of the tracker.
const BATCH: usize = 250;

impl Run<'_> {
    /// Applies the issues of a package's archives, in batches.
    pub(super) fn apply(
        &mut self,
        partner: &Partner,
        archives: &[Archive],
        package: &str,
        reference: &str,
    ) -> Result<(Vec<IssueOutcome>, Vec<Finding>)> {
        let mut outcomes = Vec::new();
        let mut findings = Vec::new();
        for archive in archives {
            let issues: usize = archive.documents().map(|document| document.issues).sum();
            self.tools.progress.begin("issues", issues as u64);
            let view = self.view(partner);
            let mut batch = Vec::new();
            let found = archive.deliver(&view, &mut |delivered| {
                batch.push(delivered);
                if batch.len() == BATCH {
                    let full = std::mem::take(&mut batch);
                    outcomes.extend(self.apply_batch(partner, full, package, reference)?);
                }
                Ok(())
            })?;
            outcomes.extend(self.apply_batch(partner, batch, package, reference)?);
            findings.extend(found);
            self.tools.progress.end();
        }
        Ok((outcomes, findings))
    }

    fn view(&self, partner: &Partner) -> View {
        View {
            peer_name: partner.name.clone(),
            peer_short: partner.short_name.clone(),
            own_short: self.tools.settings.company.short_name.clone(),
            zone: partner.zone,
            render: partner.render,
            pudis: partner.pudis,
        }
    }

    fn apply_batch(
        &self,
        partner: &Partner,
        batch: Vec<Delivered>,
        package: &str,
        reference: &str,
    ) -> Result<Vec<IssueOutcome>> {
        let state = self.tools.state;
        let numbers: Vec<&str> = batch.iter().map(|delivered| &*delivered.issue.id).collect();
        let links = state.links_to(&partner.key, &numbers)?.into_iter();
        let mut links: BTreeMap<String, Link> =
            links.map(|link| (link.remote.clone(), link)).collect();
        let locals = self.locals(links.values())?;
        let mut ready = Vec::new();
        for mut delivered in batch {
            self.tools.stop.go_on()?;
            let known = links.get(&delivered.issue.id);
            self.ready_files(&mut delivered, known)?;
            ready.push(delivered);
        }
        // What streams is on disk by now: the transaction holds no large I/O.
        let shared = self.tools.tracker.capabilities().shares_state;
        let transaction = if shared { Some(state.begin()?) } else { None };
        if shared {
            self.feed.borrow_mut().note_others(self.tools.tracker)?;
        }
        let context = self.context(partner, Some(package));
        let mut outcomes = Vec::new();
        let mut kept = Vec::new();
        for delivered in ready {
            self.tools.progress.step();
            let Delivered { issue, peer_short, revision, findings, unreadable, .. } = delivered;
            let link = links.remove(&issue.id);
            let key = link.as_ref().and_then(|link| link.key.clone());
            let mut outcome = IssueOutcome::new(&issue.id, key.as_deref());
            if let Some(error) = unreadable {
                outcome.findings = findings;
                isolate(error, &mut outcome)?;
                outcomes.push(outcome);
                continue;
            }
            let local = key.as_ref().and_then(|key| locals.get(key).cloned());
            let reference = reference.to_owned();
            let linked = key.is_some();
            let delivery = Delivery { issue, revision, reference, peer_short, findings };
            match sync::deliver(&context, &delivery, link, local) {
                Ok(done) => outcome = done,
                Err(error) => isolate(error, &mut outcome)?,
            }
            if linked && outcome.action == Action::Skipped {
                kept.push(delivery.issue);
            }
            outcomes.push(outcome);
        }
        for issue in &kept {
            self.keep_files(issue)?;
        }
        if let Some(transaction) = transaction {
            self.feed.borrow_mut().skip_own(self.tools.tracker)?;
            transaction.commit()?;
        }
        Ok(outcomes)
    }

    fn locals<'l>(&self, links: impl Iterator<Item = &'l Link>) -> Result<BTreeMap<String, Issue>> {
        let keys: Vec<String> = links.filter_map(|link| link.key.clone()).collect();
        let issues = self.tools.tracker.get_many(&keys)?;
        Ok(keys.into_iter().zip(issues).filter_map(|(key, issue)| Some((key, issue?))).collect())
    }

    /// Reads every file once for its digest, and hands the tracker those it does not have. A
    /// file that cannot be read costs only itself.
    fn ready_files(&self, delivered: &mut Delivered, link: Option<&Link>) -> Result<()> {
        // What was there once is no loss: the plan knows the base, the reader does not.
        delivered.findings.retain(|finding| finding.code != ATTACHMENT_MISSING);
        for file in &delivered.issue.attachments {
            if file.content().is_none() {
                continue;
            }
            let digest: Digest = match file.digest() {
                Ok((digest, _)) => digest,
                Err(error) => {
                    let text = format!("{} cannot be read: {error}", file.name);
                    delivered.findings.push(Finding::warning(CONTENT_DAMAGED, text));
                    continue;
                }
            };
            let known = link.and_then(|link| link.base.files_in.get(&file.name));
            if known.is_none_or(|known| known.sha256 != digest.to_string()) {
                self.tools.tracker.prepare(file)?;
            }
        }
        Ok(())
    }

    /// A partner without issues has nothing to look at again under its rules.
    pub(super) fn note_rules(&self) -> Result<()> {
        let state = self.tools.state;
        for partner in &self.tools.settings.partners {
            let rules = rules_key(partner);
            if state.meta(&rules)?.is_none() && state.linked_keys(&partner.key)?.is_empty() {
                state.set_meta(&rules, &rules_hash(partner))?;
            }
        }
        Ok(())
    }

    /// Looks at the linked issues that changed locally since the last run (all of them when the
    /// rules changed), and notes what is owed for them.
    pub(super) fn sweep(&mut self, only: Option<&str>) -> Result<()> {
        let state = self.tools.state;
        match self.feed.borrow_mut().note_others(self.tools.tracker) {
            Ok(()) => {}
            Err(error) if error.fault == crate::Fault::Wait => {
                let report = PackageReport::new(LOCAL, None, Outcome::Deferred);
                let reason = crate::spool::Reason::of(&error);
                self.report.packages.push(report.because(&reason));
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        let feed = self.feed.borrow();
        let all = state.meta("sweep-all")?.is_some_and(|all| all == "yes");
        let partners = &self.tools.settings.partners;
        for partner in partners.iter().filter(|partner| only.is_none_or(|key| key == partner.key)) {
            let rules = rules_key(partner);
            let hash = rules_hash(partner);
            let same_rules = state.meta(&rules)?.as_deref() == Some(&hash) && !all;
            let changed = feed.others().filter(|_| same_rules);
            let outcomes = self.sweep_partner(partner, changed)?;
            if !outcomes.is_empty() {
                let mut report = PackageReport::new(LOCAL, Some(&partner.key), Outcome::Applied);
                report.issues = outcomes;
                self.report.packages.push(report);
            }
            state.set_meta(&rules, &hash)?;
        }
        // One partner's sweep says nothing of the others: their changes stay unseen.
        if only.is_none() || self.tools.settings.partners.len() == 1 {
            state.set_meta(FEED, feed.token())?;
            if all {
                state.set_meta("sweep-all", "no")?;
            }
        }
        Ok(())
    }

    fn sweep_partner(
        &self,
        partner: &Partner,
        changed: Option<&BTreeSet<String>>,
    ) -> Result<Vec<IssueOutcome>> {
        let state = self.tools.state;
        let linked = state.linked_keys(&partner.key)?;
        let keys: Vec<String> = match changed {
            None => linked,
            Some(changed) => linked.into_iter().filter(|key| changed.contains(key)).collect(),
        };
        let context = self.context(partner, None);
        let mut outcomes = Vec::new();
        for chunk in keys.chunks(BATCH) {
            self.tools.stop.go_on()?;
            let links = state.links_of_keys(&partner.key, chunk)?;
            let locals = self.locals(links.iter())?;
            for link in links {
                let local = link.key.as_ref().and_then(|key| locals.get(key)).cloned();
                if local.is_none() && link.state == LinkState::Gone {
                    continue;
                }
                outcomes.extend(sync::sweep(&context, link, local)?);
            }
        }
        outcomes.retain(|outcome| outcome.action != Action::Unchanged);
        Ok(outcomes)
    }
}

/// Where the tracker's change feed was read up to.
pub(super) const FEED: &str = "feed";

fn rules_key(partner: &Partner) -> String {
    format!("rules:{}", partner.key)
}

/// A digest of what the rules say: when it changes, every issue is looked at once.
fn rules_hash(partner: &Partner) -> String {
    Digest::of(format!("{:?}", partner.policy.rules).as_bytes()).to_string()
}
