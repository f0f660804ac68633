//! What is written down before the tracker is written to, where that is not in our transaction.

use super::super::plan::{Change, InPlan};
use super::Context;
use super::doubt::Doubt;
use super::names::token;
use super::work::Work;
use crate::state::{Intent, Link};
use crate::{Error, Result};

/// The intent to write to an issue that is there.
const FIELDS: &str = "fields";
/// The intent to make an issue.
const CREATE: &str = "create";
/// The intent to write what a person decided.
const DECISION: &str = "decision";

fn save(context: &Context<'_>, link: &Link, operation: &str, doubt: &Doubt) -> Result<()> {
    let payload = serde_json::to_string(doubt).map_err(|error| {
        Error::setup(crate::DATABASE, "cannot write a change as JSON").because(error)
    })?;
    let intent = Intent {
        token: token(link, operation, &payload),
        partner: link.partner.clone(),
        remote: link.remote.clone(),
        operation: operation.to_owned(),
        payload,
    };
    context.state.save_intent(&intent, context.now)
}

/// Writes down that a decision is about to change a field.
pub(super) fn announce(context: &Context<'_>, link: &Link, change: &Change) -> Result<()> {
    let doubt = Doubt { changes: vec![change.clone()], ..Doubt::default() };
    save(context, link, DECISION, &doubt)
}

/// What came of a decision is known.
pub(super) fn announced(context: &Context<'_>, link: &Link) -> Result<()> {
    context.state.clear_intents_to(DECISION, &link.partner, &link.remote)
}

/// Whether a delivery was interrupted: what it wrote must not be taken for a person's work.
pub(super) fn is_interrupted(context: &Context<'_>, link: &Link) -> Result<bool> {
    let intents = context.state.intents(&link.partner, &link.remote)?;
    Ok(intents.iter().any(|intent| intent.operation != DECISION))
}

impl Work<'_> {
    /// Writes down what is about to be written. `before` is what the tracker said before creates.
    pub(super) fn intend(&mut self, plan: &InPlan, before: &str) -> Result<()> {
        if self.absent {
            // What was in doubt did not happen.
            self.context.state.clear_intents(&self.link.partner, &self.link.remote)?;
        }
        self.in_doubt = is_interrupted(self.context, &self.link)?;
        let create = self.link.key.is_none().then(|| before.to_owned());
        let operation = if create.is_some() { CREATE } else { FIELDS };
        let doubt = Doubt::of(plan, &self.wanted(plan), create);
        save(self.context, &self.link, operation, &doubt)
    }

    /// Nothing was written: what was written down just now is taken back. What was in doubt
    /// before stays so.
    pub(super) fn did_not_happen(&self) -> Result<()> {
        if self.in_doubt {
            return Ok(());
        }
        self.context.state.clear_intents(&self.link.partner, &self.link.remote)
    }

    /// What the tracker needs to look for this issue, if its making was begun.
    pub(super) fn doubt(&self) -> Result<Option<String>> {
        if self.context.tracker.capabilities().shares_state {
            return Ok(None);
        }
        let intents = self.context.state.intents(&self.link.partner, &self.link.remote)?;
        Ok(intents.iter().find_map(|intent| Doubt::read(intent).create))
    }
}
