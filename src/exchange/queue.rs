//! Whose turn it is. Each partner has a queue of its own, in the order of the names; a package is
//! taken from the queue of which the fewest were taken. So a partner with a thousand packages
//! delays another's only by one.

use std::collections::VecDeque;

use super::{Run, Tools};
use crate::Result;
use crate::spool::{Group, Stored};

/// A package that may be taken.
#[derive(Debug)]
pub(super) enum Next {
    /// A deferred one whose time has come.
    Again(Box<Stored>),
    /// One of `incoming/`.
    New(Group),
}

impl Next {
    fn name(&self) -> &str {
        match self {
            Self::Again(stored) => &stored.directory,
            Self::New(group) => group.name.as_str(),
        }
    }
}

/// What is to be taken, by partner; the last queue is of those that no partner is known for.
#[derive(Debug)]
pub(super) struct Queue {
    lanes: Vec<(usize, VecDeque<Next>)>,
}

impl Queue {
    /// Empty queues for so many partners.
    pub(super) fn new(partners: usize) -> Self {
        Self { lanes: (0..=partners).map(|_| (0, VecDeque::new())).collect() }
    }

    /// Adds a package at the end of a partner's queue.
    pub(super) fn add(&mut self, partner: Option<usize>, next: Next) {
        let last = self.lanes.len() - 1;
        let lane = partner.unwrap_or(last).min(last);
        if let Some((_, lane)) = self.lanes.get_mut(lane) {
            lane.push_back(next);
        }
    }

    /// How many are left.
    pub(super) fn len(&self) -> usize {
        self.lanes.iter().map(|(_, lane)| lane.len()).sum()
    }

    /// The next one; of queues that had equal turns, that with the lowest name.
    pub(super) fn next(&mut self) -> Option<Next> {
        let lanes = self.lanes.iter_mut().filter(|(_, lane)| !lane.is_empty());
        let (turns, lane) = lanes.min_by(|a, b| {
            let of = |lane: &VecDeque<Next>| lane.front().map(|next| next.name().to_owned());
            a.0.cmp(&b.0).then_with(|| of(&a.1).cmp(&of(&b.1)))
        })?;
        *turns += 1;
        lane.pop_front()
    }
}

impl Run<'_> {
    /// Everything that may be taken now. What was deferred came before what comes now.
    pub(super) fn queue(&self) -> Result<Queue> {
        let partners = &self.tools.settings.partners;
        let mut queue = Queue::new(partners.len());
        let Tools { spool, options, clock, .. } = self.tools;
        let now = clock.now();
        let groups = self.unknown(spool.arrivals(options.hinted)?)?.groups;
        let deferred = if options.hinted { Vec::new() } else { spool.stored("deferred")? };
        for stored in deferred {
            let reason = stored.reason.as_ref();
            let due = reason.and_then(|reason| reason.next_try).is_some_and(|next| next <= now);
            // What came of it meanwhile takes it along, and may be meant to replace it.
            if due && !spool.is_of(&stored, &groups)? {
                let key = reason.and_then(|reason| reason.partner.as_ref());
                let lane = partners.iter().position(|partner| Some(&partner.key) == key);
                queue.add(lane, Next::Again(Box::new(stored)));
            }
        }
        for group in groups {
            let lane = self.partner_by_description(&group);
            queue.add(lane, Next::New(group));
        }
        Ok(queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engdat::PackageName;

    fn add(queue: &mut Queue, lane: Option<usize>, number: usize) {
        let name: PackageName = format!("ENG261120080000{number:02}MFA").parse().unwrap();
        queue.add(lane, Next::New(Group { name, total: 2, parts: Vec::new() }));
    }

    fn order(mut queue: Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.next()).map(|next| next.name()[15..17].to_owned()).collect()
    }

    #[test]
    fn partners_take_turns_and_each_keeps_its_order() {
        let mut queue = Queue::new(2);
        for number in 0..6 {
            add(&mut queue, Some(0), number);
        }
        add(&mut queue, Some(1), 50);
        add(&mut queue, Some(1), 51);
        add(&mut queue, None, 7);
        assert_eq!(queue.len(), 9);
        assert_eq!(order(queue), ["00", "07", "50", "01", "51", "02", "03", "04", "05"]);
    }

    #[test]
    fn one_partner_alone_is_in_the_order_of_the_names() {
        let mut queue = Queue::new(1);
        (0..5).for_each(|number| add(&mut queue, Some(0), number));
        assert_eq!(order(queue), ["00", "01", "02", "03", "04"]);
    }
}
