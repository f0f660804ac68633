//! The word that ends a run early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::STOPPED;
use crate::{Error, Result};

/// Asks a run to end after the operation in hand; clones share the word, and any thread may say
/// it. What was committed stays; a package in hand stays in `active/` and is taken up again by
/// the next run.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Goes on unless somebody asked. Not inside a transaction.
    pub(super) fn go_on(&self) -> Result<()> {
        if self.is_asked() {
            return Err(Error::setup(STOPPED, "the run was asked to end"));
        }
        Ok(())
    }
}
