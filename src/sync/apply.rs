//! The one door: plans become tracker writes, read back, and a new base.

mod batch;
mod cut;
mod doubt;
mod intent;
mod names;
mod remember;
mod resolve;
mod seek;
mod weigh;
mod work;
mod write;

pub use batch::{Batch, Task, deliver_many};
pub use names::marker;
pub use resolve::{Take, resolve, undo};

use work::{Step, Work};

use super::plan::{Action, Outcome};
use super::rule::Rule;
use crate::issue::Issue;
use crate::state::{EntryKind, Link, LinkState, Pending, State};
use crate::tracker::{Schema, TRACKER_UNAVAILABLE, Tracker};
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

impl Delivery {
    /// A delivery that a gate kept back; its files are found by whoever kept them.
    #[must_use]
    pub fn of_pending(link: &Link, pending: &Pending) -> Self {
        let issue = Issue {
            id: link.remote.clone(),
            fields: pending.fields.clone(),
            comments: pending.comments.clone(),
            ..Issue::default()
        };
        Self {
            issue,
            revision: pending.revision,
            reference: pending.package.clone(),
            peer_short: pending.peer_short.clone(),
            findings: Vec::new(),
        }
    }
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
    if !context.tracker.capabilities().shares_state {
        let batch = deliver_many(context, vec![Task { delivery, link, local }], &|| true)?;
        let outcome = batch.outcomes.into_iter().next().flatten();
        let not_tried = || Error::wait(TRACKER_UNAVAILABLE, "the issue was not come to");
        return outcome.unwrap_or_else(|| Err(batch.halted.unwrap_or_else(not_tried)));
    }
    // One transaction covers both sides.
    let transaction = context.state.begin()?;
    let mut work = Work::new(context, delivery, link, local)?;
    let refused = seek::seek(context, std::slice::from_mut(&mut work))?;
    if let Some(error) = refused.into_iter().flatten().next() {
        return Err(error);
    }
    let outcome = match work.plan()? {
        Step::Done(outcome) => outcome,
        Step::Write(plan) => {
            let order = work.order(&plan);
            let write = |order| context.tracker.write_many(&[order], &|| true).pop();
            let receipt = order.and_then(write);
            work.receive(&plan, receipt)?
        }
    };
    work.save(&outcome, EntryKind::In)?;
    transaction.commit()?;
    Ok(outcome)
}

/// Looks at a linked issue for local changes; never writes to the tracker. `None`: no news.
///
/// # Errors
/// When the state cannot be written.
pub fn sweep(context: &Context<'_>, link: Link, local: Option<Issue>) -> Result<Option<Outcome>> {
    if !context.tracker.capabilities().shares_state && intent::is_interrupted(context, &link)? {
        // It is tried again, and then says what is owed.
        return Ok(None);
    }
    let before = link.clone();
    let mut work = Work::look(context, link, local)?;
    if work.local.is_none() {
        work.gone();
    } else {
        work.link.state = LinkState::Active;
        work.close_equal()?;
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
