//! A tracker that cannot be reached, or does not let us in: its work rests, the rest goes on.

use super::{LOCAL, Outcome, PackageReport, Run, Tools};
use crate::spool::Reason;
use crate::tracker::{Schema, TRACKER_UNAVAILABLE};
use crate::{Error, Fault, Result, Timestamp, stamp};

/// Until when the tracker asked not to be asked.
const REST: &str = "tracker-rest";

impl Run<'_> {
    /// Asks the tracker for its fields (which values they take, only when it matters), unless it is to be left alone.
    pub(super) fn meet_tracker(&mut self) -> Result<()> {
        if let Some(until) = resting(self.tools)? {
            self.report.tracker_spared = true;
            let text = format!("the tracker asked not to be asked before {}", stamp(until));
            self.away = Some(Reason::new(TRACKER_UNAVAILABLE, text));
            return Ok(());
        }
        if self.tools.options.spare_tracker {
            self.report.tracker_spared = true;
            let text = "the tracker was not there a moment ago";
            self.away = Some(Reason::new(TRACKER_UNAVAILABLE, text));
            return Ok(());
        }
        match self.tools.tracker.outline().and_then(|schema| self.begin(schema)) {
            Err(error) if error.fault == Fault::Wait => self.tracker_away(&error),
            done => done,
        }
    }

    /// Where nothing is linked yet, what changed before is of no concern.
    fn begin(&mut self, schema: Schema) -> Result<()> {
        self.schema = schema;
        if self.is_shared() || self.feed.borrow().is_begun() {
            return Ok(());
        }
        for partner in &self.tools.settings.partners {
            if !self.tools.state.linked_keys(&partner.key)?.is_empty() {
                return Ok(());
            }
        }
        self.feed.borrow_mut().skip_own(self.tools.tracker)
    }

    /// Whether the tracker is not to be asked any more in this run.
    pub(super) fn rests(&self) -> bool {
        self.away.is_some()
    }

    /// The tracker's work ends for this run; reported where no package says so.
    pub(super) fn tracker_away(&mut self, error: &Error) -> Result<()> {
        let report = PackageReport::new(LOCAL, None, Outcome::Deferred);
        self.report.packages.push(report.because(&Reason::of(error)));
        self.note_away(error)
    }

    /// The tracker's work ends for this run. What comes after is put off for the same reason,
    /// without a call.
    pub(super) fn note_away(&mut self, error: &Error) -> Result<()> {
        self.report.tracker_away = true;
        let hint = None;
        let text = format!("not tried: {}", error.what);
        self.away = Some(Reason { text, hint, ..Reason::of(error) });
        let asked = error.retry_after.and_then(|wait| chrono::Duration::from_std(wait).ok());
        let until = asked.and_then(|wait| self.tools.clock.now().checked_add_signed(wait));
        match until {
            Some(until) if !self.tools.options.dry_run => {
                self.tools.state.set_meta(REST, &until.to_rfc3339())
            }
            _ => Ok(()),
        }
    }
}

/// Until when the tracker is to be left alone, as it asked.
fn resting(tools: &Tools<'_>) -> Result<Option<Timestamp>> {
    let until = tools.state.meta(REST)?;
    let until = until.and_then(|until| until.parse::<Timestamp>().ok());
    // Our clock may have been set back meanwhile: nobody is left alone for longer than a day.
    let now = tools.clock.now();
    Ok(until.filter(|until| *until > now && *until - now <= chrono::Duration::days(1)))
}
