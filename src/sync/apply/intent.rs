//! What is written down before the tracker is written to, where that is not in our transaction.

use serde::{Deserialize, Serialize};

use super::super::plan::{Change, InPlan};
use super::Context;
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

/// What an intent tells.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Intended {
    /// The issue was to be made; with what the tracker needs to look for it.
    pub create: Option<String>,
    /// The fields that were to change.
    pub changes: Vec<Change>,
}

impl Intended {
    /// As it was written down; of one that cannot be read nothing is known.
    pub(super) fn of(intent: &Intent) -> Self {
        match serde_json::from_str::<Vec<Change>>(&intent.payload) {
            Ok(changes) => Self { create: None, changes },
            Err(_) => serde_json::from_str(&intent.payload).unwrap_or_default(),
        }
    }

    fn save(&self, context: &Context<'_>, link: &Link, operation: &str) -> Result<()> {
        let payload = serde_json::to_string(self).map_err(|error| {
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
}

/// Writes down that a decision is about to change a field.
pub(super) fn announce(context: &Context<'_>, link: &Link, change: &Change) -> Result<()> {
    let intended = Intended { create: None, changes: vec![change.clone()] };
    intended.save(context, link, DECISION)
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
        let wanted = self.wanted(plan);
        let changes = plan.changes.iter().filter(|change| wanted.contains_key(&change.field));
        let create = self.link.key.is_none().then(|| before.to_owned());
        let operation = if create.is_some() { CREATE } else { FIELDS };
        let intended = Intended { create, changes: changes.cloned().collect() };
        intended.save(self.context, &self.link, operation)
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
        Ok(intents.iter().find_map(|intent| Intended::of(intent).create))
    }
}
