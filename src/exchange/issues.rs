//! The issues of a package, and the sweep for local changes.

use std::collections::{BTreeMap, BTreeSet};

use super::outcomes::Outcomes;
use super::stop::guarded;
use super::{LOCAL, Outcome, PackageReport, Partner, Run};
use crate::asam::code::CONTENT_DAMAGED;
use crate::asam::{Archive, Delivered, View};
use crate::issue::{ATTACHMENT_MISSING, Issue};
use crate::state::{Link, LinkState, Pending, State};
use crate::sync::{self, Action, Context, Delivery, Outcome as IssueOutcome, Task, isolate};
use crate::{Digest, Error, Fault, Finding, Result};

/// How many issues share a transaction and a read of the tracker.
const BATCH: usize = 250;
/// How many, where a read is a call over a network.
const REMOTE_BATCH: usize = 1000;

/// A delivery whose files were read, and its link where there is one.
pub(super) type Ready = (Delivery, Option<Link>);

/// What became of a package's issues.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// The issues that were come to.
    pub issues: Outcomes,
    /// What was noticed.
    pub findings: Vec<Finding>,
    /// Why it is to be tried again, where not all were come to.
    pub halted: Option<Error>,
}

impl Run<'_> {
    /// Applies the issues of a package's archives, in batches.
    pub(super) fn apply(
        &mut self,
        partner: &Partner,
        archives: &[Archive],
        package: &str,
        reference: &str,
    ) -> Result<Applied> {
        let issues = self.outcomes();
        let mut applied = Applied { issues, ..Applied::default() };
        for archive in archives {
            let issues: usize = archive.documents().map(|document| document.issues).sum();
            self.tools.progress.begin("issues", issues as u64);
            let done = self.apply_archive(partner, archive, package, reference, &mut applied);
            self.tools.progress.end();
            match done {
                Err(error) if error.fault == Fault::Wait => {
                    applied.halted = Some(error);
                    break;
                }
                done => done?,
            }
        }
        Ok(applied)
    }

    fn apply_archive(
        &self,
        partner: &Partner,
        archive: &Archive,
        package: &str,
        reference: &str,
        applied: &mut Applied,
    ) -> Result<()> {
        let size = self.batch_size();
        let view = self.view(partner);
        let mut batch: Vec<Delivered> = Vec::new();
        let mut numbers = BTreeSet::new();
        let issues = &mut applied.issues;
        let mut apply = |full| {
            let mut done = Vec::new();
            let result = self.apply_batch(partner, full, package, reference, &mut done);
            issues.extend(done);
            result
        };
        let findings = archive.deliver(&view, &mut |delivered| {
            // An issue meets what the one before it of the same number left.
            if batch.len() == size || numbers.contains(&delivered.issue.id) {
                numbers.clear();
                apply(std::mem::take(&mut batch))?;
            }
            numbers.insert(delivered.issue.id.clone());
            batch.push(delivered);
            Ok(())
        })?;
        apply(batch)?;
        applied.findings.extend(findings);
        Ok(())
    }

    fn outcomes(&self) -> Outcomes {
        Outcomes::on(&self.shelf, &self.tools.options)
    }

    pub(super) fn shelved(&self, outcomes: Vec<IssueOutcome>) -> Outcomes {
        let mut shelved = self.outcomes();
        shelved.extend(outcomes);
        shelved
    }

    pub(super) fn is_shared(&self) -> bool {
        self.tools.tracker.capabilities().shares_state
    }

    pub(super) fn batch_size(&self) -> usize {
        if self.is_shared() { BATCH } else { REMOTE_BATCH }
    }

    pub(super) fn view(&self, partner: &Partner) -> View {
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
        outcomes: &mut Vec<IssueOutcome>,
    ) -> Result<()> {
        let state = self.tools.state;
        let numbers: Vec<&str> = batch.iter().map(|delivered| &*delivered.issue.id).collect();
        let links = state.links_to(&partner.key, &numbers)?.into_iter();
        let mut links: BTreeMap<String, Link> =
            links.map(|link| (link.remote.clone(), link)).collect();
        let mut ready = Vec::new();
        let mut unreadable = Vec::new();
        for (place, mut delivered) in batch.into_iter().enumerate() {
            self.tools.stop.go_on()?;
            let known = links.get(&delivered.issue.id);
            self.ready_files(&mut delivered, known)?;
            let kept = known.and_then(|link| link.pending.as_ref());
            let before = |kept: &&Pending| !kept.is_newer_than(delivered.revision, reference);
            if let Some(kept) = kept.filter(before) {
                self.bring_along(&mut delivered.issue, kept)?;
            }
            let link = links.remove(&delivered.issue.id);
            let Delivered { issue, peer_short, revision, findings, unreadable: why, .. } =
                delivered;
            if let Some(error) = why {
                let key = link.as_ref().and_then(|link| link.key.as_deref());
                let mut outcome = IssueOutcome::new(&issue.id, key);
                outcome.findings = findings;
                isolate(error, &mut outcome)?;
                unreadable.push((place, outcome));
                continue;
            }
            let reference = reference.to_owned();
            ready.push((Delivery { issue, revision, reference, peer_short, findings }, link));
        }
        let locals = self.locals(ready.iter().filter_map(|(_, link)| link.as_ref()))?;
        let context = self.context(partner, Some(package))?;
        let mut done = Vec::new();
        let result = if self.is_shared() {
            self.apply_together(&context, ready, locals, &mut done)
        } else {
            self.apply_in_waves(&context, ready, locals, &mut done)
        };
        for (place, outcome) in unreadable {
            self.tools.progress.step();
            done.insert(place.min(done.len()), outcome);
        }
        outcomes.extend(done);
        result
    }

    /// Over a network. Two of the partner's issues may be tied to one of ours: the second meets
    /// what the first left.
    pub(super) fn apply_in_waves(
        &self,
        context: &Context<'_>,
        mut ready: Vec<Ready>,
        mut locals: BTreeMap<String, Issue>,
        outcomes: &mut Vec<IssueOutcome>,
    ) -> Result<()> {
        loop {
            let mut keys = BTreeSet::new();
            let again = |(_, link): &Ready| {
                let key = link.as_ref().and_then(|link| link.key.clone());
                key.is_some_and(|key| !keys.insert(key))
            };
            let rest = match ready.iter().position(again) {
                Some(place) => ready.split_off(place),
                None => Vec::new(),
            };
            self.apply_remotely(context, &ready, locals, outcomes)?;
            if rest.is_empty() {
                return Ok(());
            }
            locals = self.locals(rest.iter().filter_map(|(_, link)| link.as_ref()))?;
            ready = rest;
        }
    }

    /// In one transaction with the tracker. What streams is on disk by now: it holds no large
    /// I/O.
    fn apply_together(
        &self,
        context: &Context<'_>,
        ready: Vec<Ready>,
        mut locals: BTreeMap<String, Issue>,
        outcomes: &mut Vec<IssueOutcome>,
    ) -> Result<()> {
        let transaction = self.tools.state.begin()?;
        self.feed.borrow_mut().note_others(self.tools.tracker)?;
        let mut kept = Vec::new();
        let mut done = Vec::new();
        for (delivery, link) in ready {
            self.tools.progress.step();
            let key = link.as_ref().and_then(|link| link.key.clone());
            let mut outcome = IssueOutcome::new(&delivery.issue.id, key.as_deref());
            let local = key.as_ref().and_then(|key| locals.remove(key));
            match sync::deliver(context, &delivery, link, local) {
                Ok(done) => outcome = done,
                Err(error) => isolate(error, &mut outcome)?,
            }
            if key.is_some() && outcome.action == Action::Skipped {
                kept.push(delivery.issue);
            }
            done.push(outcome);
        }
        for issue in &kept {
            self.keep_files(issue)?;
        }
        self.feed.borrow_mut().skip_own(self.tools.tracker)?;
        transaction.commit()?;
        outcomes.extend(done);
        Ok(())
    }

    /// Written together, and what was done is remembered whatever happens.
    fn apply_remotely(
        &self,
        context: &Context<'_>,
        ready: &[Ready],
        mut locals: BTreeMap<String, Issue>,
        outcomes: &mut Vec<IssueOutcome>,
    ) -> Result<()> {
        let mut tasks = Vec::new();
        for (delivery, link) in ready {
            let key = link.as_ref().and_then(|link| link.key.as_ref());
            let local = key.and_then(|key| locals.remove(key));
            tasks.push(Task { delivery, link: link.clone(), local });
        }
        let stop = &self.tools.stop;
        let batch = sync::deliver_many(context, tasks, &|| !stop.is_asked())?;
        for ((delivery, link), done) in ready.iter().zip(batch.outcomes) {
            let Some(done) = done else { continue };
            self.tools.progress.step();
            let key = link.as_ref().and_then(|link| link.key.as_deref());
            let mut outcome = IssueOutcome::new(&delivery.issue.id, key);
            match done {
                Ok(done) => outcome = done,
                Err(error) => isolate(error, &mut outcome)?,
            }
            if key.is_some() && outcome.action == Action::Skipped {
                self.keep_files(&delivery.issue)?;
            }
            outcomes.push(outcome);
        }
        match batch.halted {
            Some(error) => stop.go_on().and(Err(error)),
            None => Ok(()),
        }
    }

    pub(super) fn locals<'l>(
        &self,
        links: impl Iterator<Item = &'l Link>,
    ) -> Result<BTreeMap<String, Issue>> {
        let keys: Vec<String> = links.filter_map(|link| link.key.clone()).collect();
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
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
            let stop = &self.tools.stop;
            let file = guarded(stop, file);
            let digest: Digest = match file.digest() {
                Ok((digest, _)) => digest,
                Err(error) => {
                    stop.go_on()?;
                    let text = format!("{} cannot be read: {error}", file.name);
                    delivered.findings.push(Finding::warning(CONTENT_DAMAGED, text));
                    continue;
                }
            };
            let known = link.and_then(|link| link.base.files_in.get(&file.name));
            if known.is_none_or(|known| known.sha256 != digest.to_string()) {
                let prepared = self.tools.tracker.prepare(&file);
                prepared.or_else(|error| stop.go_on().and(Err(error)))?;
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
        if self.rests() {
            return Ok(());
        }
        match self.sweep_all(only) {
            Err(error) if error.fault == Fault::Wait => self.tracker_away(&error),
            done => done,
        }
    }

    fn sweep_all(&mut self, only: Option<&str>) -> Result<()> {
        let state = self.tools.state;
        self.feed.borrow_mut().note_others(self.tools.tracker)?;
        let feed = self.feed.borrow();
        let also = also(state)?;
        let partners = &self.tools.settings.partners;
        for partner in partners.iter().filter(|partner| only.is_none_or(|key| key == partner.key)) {
            let rules = rules_key(partner);
            let hash = rules_hash(partner);
            let same_rules = state.meta(&rules)?.as_deref() == Some(&hash);
            let changed = feed.others().filter(|_| same_rules);
            let changed = changed.map(|changed| changed.union(&also).cloned().collect());
            let asked = |link: &Link| link.key.as_ref().is_some_and(|key| also.contains(key));
            let known = |link: &Link| same_rules && feed.is_known(link) && !asked(link);
            let (outcomes, halted) = self.sweep_partner(partner, changed.as_ref(), &known);
            if !outcomes.is_empty() {
                let mut report = PackageReport::new(LOCAL, Some(&partner.key), Outcome::Applied);
                report.issues = outcomes;
                self.report.packages.push(report);
            }
            halted?;
            state.set_meta(&rules, &hash)?;
        }
        // One partner's sweep says nothing of the others: their changes stay unseen.
        if only.is_none() || self.tools.settings.partners.len() == 1 {
            state.set_meta(FEED, feed.token())?;
            if !also.is_empty() {
                set_also(state, &BTreeSet::new())?;
            }
        }
        Ok(())
    }

    /// What came of each issue with news, and why not all were looked at.
    fn sweep_partner(
        &self,
        partner: &Partner,
        changed: Option<&BTreeSet<String>>,
        known: &dyn Fn(&Link) -> bool,
    ) -> (Outcomes, Result<()>) {
        let mut outcomes = self.outcomes();
        let done = self.look_at(partner, changed, known, &mut outcomes);
        (outcomes, done)
    }

    fn look_at(
        &self,
        partner: &Partner,
        changed: Option<&BTreeSet<String>>,
        known: &dyn Fn(&Link) -> bool,
        outcomes: &mut Outcomes,
    ) -> Result<()> {
        let state = self.tools.state;
        let linked = state.linked_keys(&partner.key)?;
        let keys: Vec<String> = match changed {
            None => linked,
            Some(changed) => linked.into_iter().filter(|key| changed.contains(key)).collect(),
        };
        let context = self.context(partner, None)?;
        for chunk in keys.chunks(self.batch_size()) {
            self.tools.stop.go_on()?;
            let mut links = state.links_of_keys(&partner.key, chunk)?;
            links.retain(|link| !known(link));
            let locals = self.locals(links.iter())?;
            let mut news = Vec::new();
            let transaction = state.begin()?;
            for link in links {
                let local = link.key.as_ref().and_then(|key| locals.get(key)).cloned();
                if local.is_none() && link.state == LinkState::Gone {
                    continue;
                }
                let looked = sync::sweep(&context, link, local)?;
                news.extend(looked.filter(|outcome| outcome.action != Action::Unchanged));
            }
            transaction.commit()?;
            outcomes.extend(news);
        }
        Ok(())
    }
}

/// Where the tracker's change feed was read up to.
pub(super) const FEED: &str = "feed";

/// The keys that the next sweep looks at, changed or not.
pub(super) fn also(state: &State) -> Result<BTreeSet<String>> {
    let also = state.meta(ALSO)?;
    Ok(also.and_then(|also| serde_json::from_str(&also).ok()).unwrap_or_default())
}

/// Has the next sweep look at these.
pub(super) fn set_also(state: &State, keys: &BTreeSet<String>) -> Result<()> {
    state.set_meta(ALSO, &serde_json::json!(keys).to_string())
}

/// Where those keys are remembered.
const ALSO: &str = "sweep-also";

fn rules_key(partner: &Partner) -> String {
    format!("rules:{}", partner.key)
}

/// A digest of what the rules say: when it changes, every issue is looked at once.
fn rules_hash(partner: &Partner) -> String {
    Digest::of(format!("{:?}", partner.policy.rules).as_bytes()).to_string()
}
