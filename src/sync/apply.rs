//! The one door: plans become tracker writes, read back, and a new base.

use super::GATED;
use super::check::local_fields;
use super::inward::plan_in;
use super::outward::plan_out;
use super::plan::{
    Action, Change, Decision, FilePlan, Held, InPlan, OutPlan, Outcome, Side, Sides,
};
use super::rule::Rule;
use crate::issue::{Digest, Issue, Record, Value};
use crate::state::{
    Base, Entry, EntryKind, HeldMark, Incoming, Intent, Link, LinkState, Outgoing, State,
};
use crate::tracker::{Changes, LOCAL_GONE, NewComment, Schema, TRACKER_REFUSED, Tracker, Written};
use crate::{Error, Fault, Finding, Result, Timestamp};

/// What a partner's configuration says of syncing.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The partner's name in the configuration.
    pub partner: String,
    /// This engsync among others on the same tracker.
    pub installation: String,
    /// The rules in their order.
    pub rules: Vec<Rule>,
    /// Every delivered issue is answered, news or not.
    pub answer_always: bool,
    /// What becomes of an issue whose local side was deleted.
    pub gone: GonePolicy,
}

/// What becomes of a link whose local issue was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GonePolicy {
    /// Held, reported once.
    Hold,
    /// Made anew at the next delivery.
    Recreate,
    /// Nothing.
    Ignore,
}

/// What a plan is applied with.
pub struct Context<'a> {
    /// The partner's policy.
    pub policy: &'a Policy,
    /// Where the base is kept.
    pub state: &'a State,
    /// The local tracker.
    pub tracker: &'a dyn Tracker,
    /// Its fields.
    pub schema: &'a Schema,
    /// The package, for the journal; `None` in a sweep.
    pub package: Option<&'a str>,
    /// The time, for the journal.
    pub now: Timestamp,
}

/// An issue as a package delivers it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The partner's issue.
    pub issue: Issue,
    /// The date of its document.
    pub revision: Option<Timestamp>,
    /// The package's exchange reference, which breaks ties of the date; empty with `-z`.
    pub reference: String,
    /// The partner's company short name, as the document tells it.
    pub peer_short: String,
    /// What the reader noticed.
    pub findings: Vec<Finding>,
}

/// Applies a delivered issue and says what is owed for it.
///
/// `local` is the issue of the link's key as it is now, where there is a link.
///
/// # Errors
/// `Fault::Wait` or `Fault::Setup` when the tracker or the state cannot be used; `Fault::Item`
/// when this issue cannot be written. Whatever was done before is found again at the next try.
pub fn deliver(
    context: &Context<'_>,
    delivery: &Delivery,
    link: Option<Link>,
    local: Option<Issue>,
) -> Result<Outcome> {
    // One transaction covers both sides where they share a file; else only the base is in it.
    let shared = context.tracker.capabilities().shares_state;
    let whole = if shared { Some(context.state.begin()?) } else { None };
    let mut work = Work::start(context, delivery, link, local)?;
    let outcome = work.run()?;
    let last = if shared { None } else { Some(context.state.begin()?) };
    work.save(&outcome, EntryKind::In)?;
    if let Some(transaction) = last.or(whole) {
        transaction.commit()?;
    }
    Ok(outcome)
}

/// Looks at a linked issue for local changes; never writes to the tracker. `None`: no news.
///
/// # Errors
/// When the state cannot be written.
pub fn sweep(context: &Context<'_>, link: Link, local: Option<Issue>) -> Result<Option<Outcome>> {
    let before = link.clone();
    let outcome = Outcome::new(&link.remote, link.key.as_deref());
    let mut work = Work { context, delivery: None, link, local, outcome };
    if work.local.is_none() {
        work.gone();
    } else {
        work.link.state = LinkState::Active;
        work.owe();
    }
    let outcome = work.finish();
    if work.link == before {
        return Ok(None);
    }
    let transaction = context.state.begin()?;
    work.save(&outcome, EntryKind::In)?;
    transaction.commit()?;
    let news = !outcome.remote_changes.is_empty() || outcome.is_trouble();
    Ok(news.then_some(outcome))
}

/// One issue on its way through.
struct Work<'a> {
    context: &'a Context<'a>,
    delivery: Option<&'a Delivery>,
    link: Link,
    local: Option<Issue>,
    outcome: Outcome,
}

impl<'a> Work<'a> {
    fn start(
        context: &'a Context<'a>,
        delivery: &'a Delivery,
        link: Option<Link>,
        local: Option<Issue>,
    ) -> Result<Self> {
        let mut link = link.unwrap_or_else(|| Link {
            id: 0,
            partner: context.policy.partner.clone(),
            remote: delivery.issue.id.clone(),
            key: None,
            state: LinkState::Active,
            base: Base::default(),
            owed: None,
        });
        let mut local = local;
        if link.key.is_none() {
            // A create whose outcome was lost, or a state that was: the marker knows.
            let marker = marker(context.policy, &link.remote);
            if let Some(key) = context.tracker.find(&marker)?.into_iter().next() {
                local = context.tracker.get_many(std::slice::from_ref(&key))?.pop().flatten();
                link.key = Some(key);
            }
        }
        let mut outcome = Outcome::new(&link.remote, link.key.as_deref());
        outcome.findings.clone_from(&delivery.findings);
        Ok(Self { context, delivery: Some(delivery), link, local, outcome })
    }

    fn run(&mut self) -> Result<Outcome> {
        let Some(delivery) = self.delivery else { return Ok(self.finish()) };
        if self.link.key.is_some() && self.local.is_none() {
            match self.context.policy.gone {
                GonePolicy::Recreate => {
                    self.link.key = None;
                    self.link.base = Base { sent: None, ..Base::default() };
                }
                GonePolicy::Hold | GonePolicy::Ignore => {
                    self.gone();
                    return Ok(self.finish());
                }
            }
        }
        self.link.state = LinkState::Active;
        let stale = is_stale(&self.link.base, delivery);
        let known = self.link.key.is_some();
        let sides = Sides {
            base: known.then_some(&self.link.base),
            remote: &delivery.issue,
            local: self.local.as_ref(),
            schema: self.context.schema,
            stale,
        };
        match plan_in(&self.context.policy.rules, &sides) {
            Decision::Skip(gate) => {
                self.outcome.action = Action::Skipped;
                self.outcome
                    .findings
                    .push(Finding::warning(GATED, format!("{gate} keeps it from being taken in")));
                if self.link.key.is_none() {
                    return Ok(self.outcome.clone());
                }
            }
            Decision::Do(plan) => {
                self.write(&plan)?;
                self.remember(&plan, delivery, stale);
            }
        }
        self.owe();
        Ok(self.finish())
    }

    /// Writes a plan to the tracker and reads back.
    fn write(&mut self, plan: &InPlan) -> Result<()> {
        self.outcome.findings.extend(plan.findings.iter().cloned());
        let tracker = self.context.tracker;
        let mut wanted = Changes::new();
        for change in &plan.changes {
            let held = self.link.base.held.get(&inward_mark(&change.field));
            if !held.is_some_and(|held| held.inputs == inputs_of(change.to.as_ref())) {
                wanted.insert(change.field.clone(), change.to.clone());
            }
        }
        let key = match (&self.link.key, &self.local) {
            (Some(key), Some(local)) => {
                let key = key.clone();
                if !wanted.is_empty() {
                    let expected: Changes = wanted
                        .keys()
                        .map(|field| (field.clone(), local.fields.get(field).cloned()))
                        .collect();
                    let written = tracker.update(&key, &wanted, Some(&expected))?;
                    self.take_back(written, &wanted, plan);
                }
                key
            }
            _ => {
                wanted
                    .entry("external_id".to_owned())
                    .or_insert_with(|| Value::text(&self.link.remote));
                let marker = marker(self.context.policy, &self.link.remote);
                self.intend("create", &marker)?;
                let written = tracker.create(&marker, &wanted)?;
                let key = written.issue.id.clone();
                self.link.key = Some(key.clone());
                self.outcome.local = Some(key.clone());
                self.outcome.action = Action::Created;
                self.take_back(written, &wanted, plan);
                key
            }
        };
        let comments = self.write_comments(&key, plan)?;
        let files = self.write_files(&key, plan)?;
        if comments || files {
            self.local = tracker.get_many(std::slice::from_ref(&key))?.pop().flatten();
        }
        for held in &plan.held {
            self.hold(inward_mark(&held.field), held.clone());
        }
        Ok(())
    }

    /// What the tracker made of our values.
    fn take_back(&mut self, written: Written, wanted: &Changes, plan: &InPlan) {
        for refused in &written.refused {
            let value = wanted.get(&refused.field).cloned().flatten();
            let held = Held {
                field: refused.field.clone(),
                code: refused.code,
                text: refused.text.clone(),
                rule: String::new(),
                inputs: inputs_of(value.as_ref()),
            };
            self.hold(inward_mark(&refused.field), held);
        }
        for change in &plan.changes {
            let done = wanted.contains_key(&change.field)
                && !written.refused.iter().any(|refused| refused.field == change.field);
            if done {
                self.link.base.held.remove(&inward_mark(&change.field));
                self.record(change.clone());
            }
        }
        self.local = Some(written.issue);
    }

    fn write_comments(&mut self, key: &str, plan: &InPlan) -> Result<bool> {
        for (provenance, comment) in &plan.comments {
            let token = token(&self.link, "comment", provenance);
            let new = NewComment {
                author: comment.author.clone(),
                created: comment.created,
                text: comment.text.clone(),
                token,
            };
            let id = self.context.tracker.comment(key, &new)?;
            self.link.base.comments_in.insert(provenance.clone(), id);
            self.record(local_change("comments", Value::text(&comment.text)));
        }
        Ok(!plan.comments.is_empty())
    }

    fn write_files(&mut self, key: &str, plan: &InPlan) -> Result<bool> {
        let mut changed = false;
        for FilePlan { remote_name, file, adopt } in &plan.files {
            let digest = file.known_digest().map(|digest| digest.to_string()).unwrap_or_default();
            if !adopt {
                match self.context.tracker.attach(key, file) {
                    Ok(()) => {}
                    Err(error) if error.fault == Fault::Item => {
                        let field = format!("attachments/{}", file.name);
                        let held =
                            Held::new(&*field, "", TRACKER_REFUSED, error.line(), &[&digest]);
                        self.hold(inward_mark(&field), held);
                        continue;
                    }
                    Err(error) => return Err(error),
                }
                changed = true;
                self.record(local_change("attachments", Value::text(&file.name)));
            }
            let incoming = Incoming { name: file.name.clone(), sha256: digest };
            self.link.base.files_in.insert(remote_name.clone(), incoming);
        }
        Ok(changed)
    }

    /// The base moves to what was delivered and to what was read back.
    fn remember(&mut self, plan: &InPlan, delivery: &Delivery, stale: bool) {
        let held_now: Vec<String> = plan.held.iter().map(|held| inward_mark(&held.field)).collect();
        let base = &mut self.link.base;
        let fields = local_fields(&self.context.policy.rules);
        let local = self.local.as_ref().map(|local| &local.fields);
        if !stale {
            base.delivered = delivery.issue.fields.clone();
            base.revision = delivery.revision.or(base.revision);
            base.package.clone_from(&delivery.reference);
            base.peer_short.clone_from(&delivery.peer_short);
            base.wanted.clone_from(&plan.wanted);
            // A mark of a rule that could decide this time is history.
            base.held.retain(|mark, held| {
                !mark.starts_with(IN)
                    || held_now.contains(mark)
                    || held.code == TRACKER_REFUSED.as_str()
            });
        }
        base.local = fields
            .iter()
            .filter_map(|field| {
                let value = local.and_then(|local| local.get(field))?;
                Some((field.clone(), value.clone()))
            })
            .collect::<Record>();
    }

    /// What the partner is owed after this.
    fn owe(&mut self) {
        let remote = Issue {
            id: self.link.remote.clone(),
            fields: self.link.base.delivered.clone(),
            ..Issue::default()
        };
        let sides = Sides {
            base: Some(&self.link.base),
            remote: &remote,
            local: self.local.as_ref(),
            schema: self.context.schema,
            stale: false,
        };
        let Decision::Do(plan) = plan_out(&self.context.policy.rules, &sides) else { return };
        let OutPlan { outgoing, held, .. } = &plan;
        let marks: Vec<String> = held.iter().map(|held| outward_mark(&held.field)).collect();
        self.link.base.held.retain(|mark, _| !mark.starts_with(OUT) || marks.contains(mark));
        for held in held {
            self.hold(outward_mark(&held.field), held.clone());
        }
        let nothing = Outgoing::default();
        let before = self.link.owed.as_ref().or(self.link.base.sent.as_ref());
        let mut changes = plan.changes(before.unwrap_or(&nothing));
        if before.is_none() && !changes.iter().any(|change| change.field == KEY_FIELD) {
            // Our key travels as ISSUE-ID even without a rule.
            let key = self.link.key.as_deref().and_then(Value::text);
            changes.push(Change { side: Side::Remote, ..local_change(KEY_FIELD, key) });
        }
        for change in changes {
            self.record(change);
        }
        let always = self.context.policy.answer_always && self.delivery.is_some();
        let news = self.link.base.sent.as_ref().is_none_or(|sent| outgoing.differs_from(sent));
        self.link.owed = (news || always).then(|| outgoing.clone());
    }

    /// The local issue is not there any more.
    fn gone(&mut self) {
        let first = self.link.state != LinkState::Gone;
        self.link.state = LinkState::Gone;
        if self.context.policy.gone != GonePolicy::Ignore && first {
            let key = self.link.key.clone().unwrap_or_default();
            let text = format!(
                "{key} was deleted; restore it, `engsync unlink`, or set gone = \"recreate\""
            );
            let held = Held::new("issue", "", LOCAL_GONE, text, &[&key]);
            self.hold(inward_mark("issue"), held);
        }
    }

    /// Marks something as held, and reports it unless it was so before.
    fn hold(&mut self, mark: String, held: Held) {
        let known = self.link.base.held.get(&mark);
        if known.is_some_and(|known| known.inputs == held.inputs) {
            return;
        }
        let note = HeldMark {
            code: held.code.to_string(),
            text: held.text.clone(),
            inputs: held.inputs.clone(),
        };
        self.link.base.held.insert(mark, note);
        self.outcome.held.push(held);
    }

    fn record(&mut self, change: Change) {
        let list = match change.side {
            Side::Local => &mut self.outcome.local_changes,
            Side::Remote => &mut self.outcome.remote_changes,
        };
        if !list.contains(&change.field) {
            list.push(change.field.clone());
        }
        self.outcome.changes.push(change);
    }

    fn finish(&mut self) -> Outcome {
        let mut outcome = self.outcome.clone();
        let changed = !outcome.local_changes.is_empty() || !outcome.remote_changes.is_empty();
        outcome.action = match outcome.action {
            Action::Unchanged if changed => Action::Updated,
            Action::Unchanged if !outcome.held.is_empty() => Action::Held,
            action => action,
        };
        outcome
    }

    /// Writes down that a tracker write is about to happen, where it is not in our transaction.
    fn intend(&self, operation: &str, payload: &str) -> Result<()> {
        if self.context.tracker.capabilities().shares_state {
            return Ok(());
        }
        let intent = Intent {
            token: token(&self.link, operation, payload),
            partner: self.link.partner.clone(),
            remote: self.link.remote.clone(),
            operation: operation.to_owned(),
            payload: payload.to_owned(),
        };
        self.context.state.save_intent(&intent, self.context.now)
    }

    fn save(&mut self, outcome: &Outcome, kind: EntryKind) -> Result<()> {
        let Context { state, now, package, .. } = self.context;
        if self.link.id == 0 && self.link.key.is_none() {
            return Ok(());
        }
        state.save_link(&mut self.link)?;
        if !self.context.tracker.capabilities().shares_state {
            state.clear_intents(&self.link.partner, &self.link.remote)?;
        }
        let changes: Vec<&Change> =
            outcome.changes.iter().filter(|change| change.side == Side::Local).collect();
        if changes.is_empty() {
            return Ok(());
        }
        state.journal(&Entry {
            at: crate::stamp(*now),
            partner: self.link.partner.clone(),
            package: package.map(str::to_owned),
            remote: self.link.remote.clone(),
            key: self.link.key.clone(),
            kind,
            changes,
        })
    }
}

/// The supplier field that carries our key.
const KEY_FIELD: &str = "supplier_company_id";
const IN: &str = "in:";
const OUT: &str = "out:";

fn inward_mark(field: &str) -> String {
    format!("{IN}{field}")
}

fn outward_mark(field: &str) -> String {
    format!("{OUT}{field}")
}

fn local_change(field: &str, to: Option<Value>) -> Change {
    let (field, rule) = (field.to_owned(), String::new());
    Change { side: Side::Local, field, from: None, to, rule, overwrote: false }
}

fn inputs_of(value: Option<&Value>) -> String {
    let text = value.map(|value| value.joined("\u{1f}")).unwrap_or_default();
    Digest::of(text.as_bytes()).to_string()
}

/// A token that is the same at every try of the same operation.
fn token(link: &Link, operation: &str, what: &str) -> String {
    let parts = [&*link.partner, &*link.remote, operation, what];
    Digest::of(parts.join("\u{1f}").as_bytes()).to_string()
}

/// `installation/partner:number`: several installations may share a tracker.
fn marker(policy: &Policy, remote: &str) -> String {
    format!("{}/{}:{remote}", policy.installation, policy.partner)
}

/// Older than what was applied last; dates that are equal go by reference, then by arrival.
fn is_stale(base: &Base, delivery: &Delivery) -> bool {
    match (base.revision, delivery.revision) {
        (Some(last), Some(this)) if this < last => true,
        (Some(last), Some(this)) if this == last => {
            !delivery.reference.is_empty() && delivery.reference < base.package
        }
        _ => false,
    }
}

/// Refuses to go on where an error is not this issue's alone.
///
/// # Errors
/// The error itself, unless its fault is [`Fault::Item`].
pub fn isolate(error: Error, outcome: &mut Outcome) -> Result<()> {
    if error.fault != Fault::Item {
        return Err(error);
    }
    outcome.action = Action::Failed;
    outcome.findings.push(Finding::error(error.code, error.line()));
    Ok(())
}
