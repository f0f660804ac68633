//! One run: fetch, claim, decode, sync, answer, publish, deliver. The service, the one-pass run, the
//! exchange alone and the import by hand are callers of the same few functions.

mod again;
mod answer;
mod away;
mod feed;
mod intake;
mod issues;
mod manual;
mod outcomes;
mod pack;
mod package;
mod pending;
mod publish;
mod queue;
mod report;
mod retry;
mod schedule;
mod settings;
mod stop;
mod stray;
mod transfer;

pub use again::{Again, reissue, replay, resend};
pub use manual::Import;
pub use outcomes::Outcomes;
pub use pack::Parcel;
pub use report::{Exchange, LOCAL, Note, Outcome, PackageReport, Report, Sent};
pub use retry::{MissingFile, Retried, retry};
pub use schedule::Schedule;
pub(crate) use schedule::doubled;
pub use settings::{
    Company, Login, MailServer, MailSettings, MailTls, MailWay, Partner, Secret, Settings,
    SftpSettings, SpoolSettings, TrackerSettings, TransportSettings, Way,
};
pub use transfer::{Due, Transports, exchange};

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use feed::Feed;

use crate::disk::{Disk, Shelf};
use crate::spool::{Reason, Spool};
use crate::state::{Answer, AnswerState, State};
use crate::sync::{self, Context};
use crate::tracker::{Schema, Tracker};
use crate::{Clock, Result, Stop, codes};

codes! {
    ROUTING_MISMATCH = "routing-mismatch": "no partner has this pair of routing codes";
    UNKNOWN_PARTNER = "unknown-partner": "the document's companies match none of the partners, or more than one";
    ISSUE_FAILED = "issue-failed": "an issue of the package could not be written";
    NOT_AN_ARCHIVE = "not-an-archive": "a file of the package is neither a ZIP archive nor an XML document; it was left alone";
    ANSWER_UNWRITABLE = "answer-unwritable": "an answer could not be written; what is owed stays owed";
    PARTNER_CLOCK = "partner-clock": "the package bears a time that is hours ahead of ours";
}

/// Shows how far long work is.
pub trait Progress {
    /// Work on `what` begins: `total` steps.
    fn begin(&self, what: &str, total: u64);
    /// A step is done.
    fn step(&self);
    /// The work is done.
    fn end(&self);
}

/// What a run works with.
pub struct Tools<'a> {
    /// The configuration.
    pub settings: &'a Settings,
    /// What was agreed, seen and owed.
    pub state: &'a State,
    /// The local tracker.
    pub tracker: &'a dyn Tracker,
    /// The spool.
    pub spool: &'a Spool,
    /// The file system.
    pub disk: &'a Disk,
    /// The time of stamps and schedules.
    pub clock: &'a dyn Clock,
    /// The system's time, for the ages of files.
    pub wall: &'a dyn Clock,
    /// Shows how far long work is.
    pub progress: &'a dyn Progress,
    /// What not to do.
    pub options: Options,
    /// Asks the run to end early.
    pub stop: Stop,
    /// The ways to the partners' servers.
    pub transports: &'a dyn Transports,
    /// With whom files are exchanged.
    pub due: Due,
}

/// What a run leaves undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Everything is planned over copies in memory; nothing is touched.
    pub dry_run: bool,
    /// Nothing is frozen, published or delivered; what is owed stays owed.
    pub no_remote: bool,
    /// The tracker is not asked: it was not there a moment ago.
    pub spare_tracker: bool,
    /// It waits until new files in an inbox have settled.
    pub patient: bool,
    /// The report is to say every change with its values.
    pub detail: bool,
    /// Of the spool only what events told of is looked at; all else waits for the next whole pass.
    pub hinted: bool,
}

/// What a pass did.
#[derive(Debug)]
pub struct Pass {
    /// In full.
    pub report: Report,
    /// Packages are left that it could have taken.
    pub more: bool,
}

/// A run under way.
struct Run<'a> {
    tools: &'a Tools<'a>,
    schema: Schema,
    /// The schema with the values the fields take, once a rule asked for them.
    values: OnceCell<Schema>,
    report: Report,
    feed: RefCell<Feed>,
    shelf: Rc<Shelf>,
    /// So many packages it may still take in.
    left: usize,
    /// There were more.
    more: bool,
    /// Why the tracker is not asked any more.
    away: Option<Reason>,
}

/// One pass: fetches, takes in every complete package, looks for local changes, publishes answers,
/// delivers.
///
/// # Errors
/// When the run could not go on: disk, database, tracker set-up. What was done stays done, and
/// the next run goes on from there. [`crate::STOPPED`] when it was asked to end inside a package.
pub fn run(tools: &Tools<'_>) -> Result<Report> {
    pass(tools, usize::MAX).map(|pass| pass.report)
}

/// A pass that takes in at most `most` packages: a long queue is worked off in several, so that
/// answers go out in between.
///
/// # Errors
/// As [`run`].
pub fn pass(tools: &Tools<'_>, most: usize) -> Result<Pass> {
    let mut run = Run { left: most, ..Run::start(tools)? };
    run.meet_tracker()?;
    if !tools.options.hinted {
        run.recover()?;
    }
    run.note_rules()?;
    transfer::fetch_all(tools, &mut run.report)?;
    // What was kept back came before what comes now.
    run.take_pending(None)?;
    run.take_in()?;
    if tools.stop.is_asked() {
        return Ok(Pass { report: run.report, more: true });
    }
    run.sweep(None)?;
    run.answer_all()?;
    transfer::deliver_all(tools, &mut run.report)?;
    if !tools.options.hinted {
        run.expire()?;
    }
    Ok(Pass { report: run.report, more: run.more })
}

impl<'a> Run<'a> {
    fn start(tools: &'a Tools<'a>) -> Result<Self> {
        let report = Report { dry_run: tools.options.dry_run, ..Report::default() };
        let feed = RefCell::new(Feed::new(tools.state.meta(issues::FEED)?));
        let (left, more) = (usize::MAX, false);
        let (schema, values) = (Schema::default(), OnceCell::new());
        let beside = tools.state.pending_dir();
        let dir = beside.parent().unwrap_or(&beside).to_owned();
        let shelf = Shelf::new(dir);
        Ok(Self { tools, schema, values, report, feed, shelf, left, more, away: None })
    }

    /// Finishes what an interrupted run left.
    fn recover(&mut self) -> Result<()> {
        if self.tools.options.dry_run {
            return Ok(());
        }
        self.tools.spool.create()?;
        self.settle_interrupted()?;
        self.tools.spool.recover()?;
        self.tools.state.sweep(self.tools.disk)?;
        if self.tools.options.no_remote {
            return Ok(());
        }
        publish::publish_frozen(self.tools, &mut self.report)
    }

    /// A package that was applied, but not moved yet, goes to `done/`; the parts of any other
    /// are unknown again, so that those that stay in `incoming/` are taken again.
    fn settle_interrupted(&self) -> Result<()> {
        let Tools { spool, state, .. } = self.tools;
        for stored in spool.stored("active")? {
            let Some(entry) = spool.resume(&stored.directory)? else { continue };
            let content = match entry.digest() {
                Ok(digest) => Some(digest.to_string()),
                // What cannot be read now is put back, and looked at like any other.
                Err(error) if error.code == crate::DISK => None,
                Err(error) => return Err(error),
            };
            let seen = state.seen(entry.name())?;
            let applied = seen.is_some_and(|seen| Some(seen.content) == content);
            if applied && !spool.dir("done").join(&stored.directory).exists() {
                entry.done()?;
            } else {
                state.forget_parts(entry.name())?;
            }
        }
        Ok(())
    }

    /// What plans of a package are applied with; without one, those of a sweep.
    fn context<'b>(
        &'b self,
        partner: &'b Partner,
        package: Option<&'b str>,
    ) -> Result<Context<'b>> {
        let values = package.is_some() && sync::asks_values(&partner.policy.rules);
        Ok(Context {
            policy: &partner.policy,
            state: self.tools.state,
            tracker: self.tools.tracker,
            schema: if values { self.values()? } else { &self.schema },
            package,
            now: self.tools.clock.now(),
        })
    }

    /// The schema with the values the fields take.
    fn values(&self) -> Result<&Schema> {
        if !self.schema.outline {
            return Ok(&self.schema);
        }
        if self.values.get().is_none() {
            let _ = self.values.set(self.tools.tracker.schema()?);
        }
        Ok(self.values.get().unwrap_or(&self.schema))
    }

    /// Removes what was kept long enough.
    fn expire(&self) -> Result<()> {
        if self.tools.options.dry_run {
            return Ok(());
        }
        self.expire_pending()?;
        let limit = self.tools.wall.now() - self.tools.settings.spool.retention;
        self.tools.spool.expire(limit)?;
        // Their stamps are by the clock of stamps, not by the file system's.
        let limit = self.tools.clock.now() - self.tools.settings.spool.retention;
        for answer in self.tools.state.answers_before(limit)? {
            if self.is_to_deliver(&answer) {
                continue;
            }
            self.tools.state.remove_answer(&answer.name)?;
            self.tools.disk.remove_dir(&self.tools.state.answers_dir().join(&answer.name))?;
        }
        Ok(())
    }

    /// Whether a transport has yet to deliver it.
    fn is_to_deliver(&self, answer: &Answer) -> bool {
        let partner = self.tools.settings.partner(&answer.partner);
        answer.target.is_none()
            && answer.state == AnswerState::Published
            && partner.is_some_and(|partner| partner.transport.is_some())
    }
}
