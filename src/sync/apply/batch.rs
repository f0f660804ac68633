//! Many deliveries to a tracker that does not share the state's transaction: found together,
//! written together, remembered together.

use std::collections::BTreeSet;

use super::seek::seek;
use super::work::{Step, Work};
use super::{Context, Delivery};
use crate::issue::{Field, Issue};
use crate::state::{EntryKind, Link};
use crate::sync::Outcome;
use crate::tracker::{GoOn, Order, Receipt, TRACKER_UNAVAILABLE};
use crate::{Error, Fault, Result};

/// A delivery to be applied, with what it meets.
#[derive(Clone, Debug)]
pub struct Task<'a> {
    /// What was delivered.
    pub delivery: &'a Delivery,
    /// The link, where there is one.
    pub link: Option<Link>,
    /// The issue of the link's key as it is now.
    pub local: Option<Issue>,
}

/// So often an issue is written in one run, where somebody was faster each time.
const TRIES: usize = 3;

/// A task as it is tried, and the fields that somebody edited during the try before.
struct Try<'a> {
    place: usize,
    task: Task<'a>,
    edited: BTreeSet<Field>,
    again: bool,
}

/// What came of a batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// What came of each task, in their order. An error is that issue's alone; `None`: it was not
    /// come to, or what came of it is in doubt.
    pub outcomes: Vec<Option<Result<Outcome>>>,
    /// What ended the batch early.
    pub halted: Option<Error>,
}

/// Applies deliveries of different issues, each with a local issue of its own: their intents are
/// committed, the tracker is handed all orders at once, and what was done is committed, whatever
/// became of the others. `go_on` is asked before each issue that is written.
///
/// # Errors
/// When nothing could be begun (the tracker is not reached), or the state cannot be used.
pub fn deliver_many(
    context: &Context<'_>,
    tasks: Vec<Task<'_>>,
    go_on: &GoOn<'_>,
) -> Result<Batch> {
    let first = |(place, task)| Try { place, task, edited: BTreeSet::new(), again: true };
    let tries: Vec<Try<'_>> = tasks.into_iter().enumerate().map(first).collect();
    let (mut batch, mut again) = deliver_once(context, tries, go_on)?;
    for nth in 2..=TRIES {
        // What was done is committed: the next run goes on from there.
        if again.is_empty() || batch.halted.is_some() {
            break;
        }
        again.iter_mut().for_each(|one| one.again = nth < TRIES);
        let places: Vec<usize> = again.iter().map(|one| one.place).collect();
        let next = deliver_once(context, again, go_on)?;
        again = next.1;
        again.iter_mut().for_each(|one| one.place = places[one.place]);
        batch.halted = next.0.halted;
        for (place, outcome) in places.into_iter().zip(next.0.outcomes) {
            match (&mut batch.outcomes[place], outcome) {
                (Some(Ok(before)), Some(Ok(outcome))) => before.join(outcome),
                // What was done stays told.
                (Some(Ok(_)), None) => {}
                (before, outcome) => *before = outcome,
            }
        }
    }
    Ok(batch)
}

/// One try. Answers also what is to be tried once more, since somebody was faster; places are
/// those among `tries`.
fn deliver_once<'a>(
    context: &Context<'_>,
    tries: Vec<Try<'a>>,
    go_on: &GoOn<'_>,
) -> Result<(Batch, Vec<Try<'a>>)> {
    let (state, tracker) = (context.state, context.tracker);
    let mut works = Vec::with_capacity(tries.len());
    let mut deliveries = Vec::with_capacity(tries.len());
    for Try { task: Task { delivery, link, local }, edited, again, .. } in tries {
        deliveries.push(delivery);
        let mut work = Work::new(context, delivery, link, local)?;
        (work.edited, work.again) = (edited, again);
        works.push(work);
    }
    let refused = seek(context, &mut works)?;
    let mut steps: Vec<Result<Step>> = Vec::with_capacity(works.len());
    for (work, refused) in works.iter_mut().zip(refused) {
        steps.push(match refused {
            Some(error) => Err(error),
            None => Ok(work.plan()?),
        });
    }
    let mut places = Vec::new();
    let mut orders: Vec<Order<'_>> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let Ok(Step::Write(plan)) = step else { continue };
        if let Some(order) = works[index].order(plan) {
            places.push(index);
            orders.push(order);
        }
    }
    let mut receipts: Vec<Option<Receipt>> = works.iter().map(|_| None).collect();
    if !orders.is_empty() {
        let creates = orders.iter().any(|order| order.key.is_none());
        let before = if creates { tracker.before_create()? } else { String::new() };
        let transaction = state.begin()?;
        for index in &places {
            if let Ok(Step::Write(plan)) = &steps[*index] {
                works[*index].intend(plan, &before)?;
            }
        }
        transaction.commit()?;
        let mut done = tracker.write_many(&orders, go_on);
        done.resize_with(places.len(), Receipt::default);
        for (index, receipt) in places.into_iter().zip(done) {
            receipts[index] = Some(receipt);
        }
    }
    let mut batch = Batch::default();
    let transaction = state.begin()?;
    for ((work, step), receipt) in works.iter_mut().zip(&steps).zip(receipts) {
        let outcome = work.conclude(step, receipt, &mut batch.halted)?;
        batch.outcomes.push(outcome);
    }
    transaction.commit()?;
    for (outcome, step) in batch.outcomes.iter_mut().zip(steps) {
        if let Err(error) = step {
            *outcome = Some(Err(error));
        }
    }
    if batch.halted.is_none() && batch.outcomes.iter().any(Option::is_none) {
        let what = "not every issue was come to";
        batch.halted = Some(Error::wait(TRACKER_UNAVAILABLE, what));
    }
    let overtaken = works.into_iter().zip(deliveries).enumerate();
    let again = overtaken.filter(|(_, (work, _))| !work.overtaken.is_empty());
    let again = again.map(|(place, (work, delivery))| {
        let task = Task { delivery, link: Some(work.link), local: work.local };
        let edited = work.edited.into_iter().chain(work.overtaken).collect();
        Try { place, task, edited, again: true }
    });
    let again = again.collect();
    Ok((batch, again))
}

impl Work<'_> {
    /// Saves what came of one issue.
    fn conclude(
        &mut self,
        step: &Result<Step>,
        receipt: Option<Receipt>,
        halted: &mut Option<Error>,
    ) -> Result<Option<Result<Outcome>>> {
        let plan = match step {
            Err(_) => return Ok(None),
            Ok(Step::Done(outcome)) => {
                self.save(outcome, EntryKind::In)?;
                return Ok(Some(Ok(outcome.clone())));
            }
            Ok(Step::Write(plan)) => plan,
        };
        if let Some(receipt) = &receipt {
            let halting = receipt.error.as_ref().is_some_and(|error| error.fault != Fault::Item);
            let untried = !receipt.tried && (halting || receipt.error.is_none());
            if untried || receipt.error.is_some() {
                self.keep_what_is_known(receipt)?;
            }
            if untried && !halting {
                return Ok(None);
            }
        }
        match self.receive(plan, receipt) {
            Ok(outcome) => {
                self.save(&outcome, EntryKind::In)?;
                Ok(Some(Ok(outcome)))
            }
            Err(error) if error.fault == Fault::Item => Ok(Some(Err(error))),
            Err(error) => {
                // The first one tells why; those beside it were under way at the same time.
                halted.get_or_insert(error);
                Ok(None)
            }
        }
    }

    /// An order that ended early: what did not happen is not in doubt, and an issue that was made
    /// has a key.
    fn keep_what_is_known(&mut self, receipt: &Receipt) -> Result<()> {
        let rejected = receipt.error.as_ref().is_some_and(|error| error.fault == Fault::Item);
        match (&self.link.key, &receipt.key) {
            (None, Some(key)) => {
                self.link.key = Some(key.clone());
                // Its intent stays: until the base is whole, no sweep looks at it.
                self.context.state.save_link(&mut self.link)
            }
            (None, None) if rejected => self.did_not_happen(),
            _ if !receipt.tried => self.did_not_happen(),
            _ => Ok(()),
        }
    }
}
