//! What the commands work with: configuration, lock, database, tracker, spool.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use super::args::Global;
use super::backend::Backend;
use super::lock::{self, Wait};
use super::{config, secret};
use crate::db::Db;
use crate::disk::{Disk, Lock, Steps};
use crate::exchange::{
    Due, Options, Partner, Progress, Settings, Tools, TrackerSettings, Transports, Way,
};
use crate::spool::{Mode, Spool};
use crate::state::{self, State};
use crate::tracker::embedded::{self, Embedded};
use crate::tracker::{jira, roundup};
use crate::transport::folder::Folder;
use crate::transport::sftp::{self, Secret};
use crate::transport::{Sftp, Transport};
use crate::{Clock, Error, Result, Stop, Timestamp};

/// The real clock; `--now` makes it stand still.
#[derive(Clone, Copy, Debug)]
pub(super) struct SystemClock(pub Option<Timestamp>);

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        self.0.unwrap_or_else(chrono::Utc::now)
    }
}

/// How long a reload waits for a person's command; a stop must not take 10 seconds.
const ARRANGING: std::time::Duration = std::time::Duration::from_secs(5);

/// How the databases are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// To make passes: both locks are taken.
    Writer,
    /// As a person's command between passes: the turn is waited for and taken.
    Operator,
    /// Beside a writer: for people's commands; the database's own locking is enough.
    Beside,
    /// Over copies in memory: nothing is touched.
    Overlay,
}

/// Everything a command works with.
pub(super) struct App {
    pub settings: Settings,
    pub disk: Disk,
    pub state: State,
    pub tracker: Backend,
    pub spool: Spool,
    pub clock: SystemClock,
    pub stop: Stop,
    passes: Option<Rc<Lock>>,
    turn: RefCell<Option<Lock>>,
}

impl App {
    /// Reads the configuration and opens what it names.
    pub(super) fn open(global: &Global, access: Access, actor: &str) -> Result<Self> {
        let path = config::locate(global.config.as_deref())?;
        let config = config::load(&path)?;
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        Self::with(config.settings, global, access, actor)
    }

    /// Opens what a configuration names.
    pub(super) fn with(
        settings: Settings,
        global: &Global,
        access: Access,
        actor: &str,
    ) -> Result<Self> {
        let disk = Disk::new(steps()?);
        let wait = if global.wait { Wait::Yes } else { Wait::No };
        let passes = match access {
            Access::Writer => Some(Rc::new(lock::passes(&disk, &settings.state, wait)?)),
            _ => None,
        };
        let turn = match access {
            Access::Writer | Access::Operator => {
                let wait = if global.wait { Wait::Yes } else { Wait::For(lock::PATIENCE) };
                Some(lock::turn(&disk, &settings.state, wait)?)
            }
            Access::Beside | Access::Overlay => None,
        };
        Self::holding((passes, turn), settings, disk, global, access, actor)
    }

    /// Opens what a new configuration names, in place of `self`. The lock is not let go where
    /// the state stays the same. The turn is taken.
    pub(super) fn again(&self, settings: Settings, global: &Global, actor: &str) -> Result<Self> {
        let kept = self.passes.clone().filter(|_| self.settings.state == settings.state);
        let passes = match kept {
            Some(lock) => lock,
            None => Rc::new(lock::passes(&self.disk, &settings.state, Wait::No)?),
        };
        let turn = lock::turn(&self.disk, &settings.state, Wait::For(ARRANGING))?;
        let locks = (Some(passes), Some(turn));
        let (disk, access) = (self.disk.clone(), Access::Writer);
        Self::holding(locks, settings, disk, global, access, actor)
    }

    /// Lets others write until [`App::take_turn`].
    pub(super) fn rest(&self) {
        *self.turn.borrow_mut() = None;
    }

    /// Whether it is the one writer.
    pub(super) fn has_turn(&self) -> bool {
        self.turn.borrow().is_some()
    }

    /// Becomes the one writer again, unless it is asked to stop while it waits; whether it is.
    pub(super) fn take_turn(&self, beat: &dyn Fn()) -> Result<bool> {
        if self.turn.borrow().is_none() {
            let stops = || {
                beat();
                self.stop.is_asked()
            };
            let turn = lock::turn_unless(&self.disk, &self.settings.state, &stops)?;
            if turn.is_none() {
                return Ok(false);
            }
            *self.turn.borrow_mut() = turn;
            self.state.lease(&lock::writer())?;
        }
        Ok(true)
    }

    fn holding(
        (passes, turn): (Option<Rc<Lock>>, Option<Lock>),
        settings: Settings,
        disk: Disk,
        global: &Global,
        access: Access,
        actor: &str,
    ) -> Result<Self> {
        let clock = SystemClock(global.now);
        let (state, tracker) = open_all(&settings, &disk, access, clock, actor)?;
        if turn.is_some() {
            state.lease(&lock::writer())?;
        }
        if let (Access::Writer, Backend::Embedded(tracker)) = (access, &tracker) {
            tracker.sweep_orphans()?;
        }
        let mode = match access {
            Access::Overlay => Mode::Look,
            _ if settings.spool.keep_incoming => Mode::Keep,
            _ => Mode::Move,
        };
        let spool = Spool::new(&settings.spool.dir, disk.clone(), mode);
        let stop = disk.stop().clone();
        let turn = RefCell::new(turn);
        Ok(Self { settings, disk, state, tracker, spool, clock, stop, passes, turn })
    }

    /// What a run works with.
    pub(super) fn tools<'a>(
        &'a self,
        global: &Global,
        wall: &'a dyn Clock,
        progress: &'a dyn Progress,
    ) -> Tools<'a> {
        Tools {
            settings: &self.settings,
            state: &self.state,
            tracker: &*self.tracker,
            spool: &self.spool,
            disk: &self.disk,
            clock: &self.clock,
            wall,
            progress,
            options: Options {
                dry_run: global.dry_run,
                no_remote: global.no_remote,
                spare_tracker: false,
                patient: true,
                detail: global.json || global.dry_run || global.verbose > 0,
                hinted: false,
            },
            stop: self.stop.clone(),
            transports: self,
            due: Due::All,
        }
    }
}

impl Transports for App {
    fn open(&self, partner: &Partner) -> Result<Box<dyn Transport>> {
        let Some(transport) = &partner.transport else {
            let what = format!("partner {} has no transport", partner.key);
            return Err(Error::setup(crate::CONFIG, what));
        };
        match &transport.way {
            Way::Folder(options) => Ok(Box::new(Folder::new(options.clone(), self.disk.clone()))),
            Way::Sftp(sftp) => {
                let read = |secret: &Option<_>| {
                    let text = secret.as_ref().map(secret::read).transpose();
                    text.map(|text| text.map(Secret::new))
                };
                let passphrase = read(&sftp.passphrase)?;
                let password = read(&sftp.password)?;
                let options = sftp::Options { passphrase, password, ..sftp.options.clone() };
                Ok(Box::new(Sftp::new(options, self.disk.clone())))
            }
        }
    }

    fn sleep(&self, pause: std::time::Duration) {
        std::thread::sleep(pause);
    }
}

fn open_all(
    settings: &Settings,
    disk: &Disk,
    access: Access,
    clock: SystemClock,
    actor: &str,
) -> Result<(State, Backend)> {
    let open = |path: &Path, schemas: &[crate::db::Schema]| -> Result<Db> {
        if access == Access::Overlay {
            return Db::overlay(path, schemas);
        }
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            disk.make_dirs(dir)?;
        }
        Db::open(path, schemas, disk.steps())
    };
    let mut fields: Vec<String> = settings
        .partners
        .iter()
        .flat_map(|partner| crate::sync::local_fields(&partner.policy.rules))
        .collect();
    fields.sort();
    fields.dedup();
    let clock: Rc<dyn Clock> = Rc::new(clock);
    let remote = match &settings.tracker {
        TrackerSettings::Embedded { path, key_prefix, values } => {
            let (state, db, shares_state) = match path {
                None => {
                    let db = open(&settings.state, &[state::SCHEMA, embedded::SCHEMA])?;
                    (db.clone(), db, true)
                }
                Some(path) => {
                    let state = open(&settings.state, &[state::SCHEMA])?;
                    (state, open(path, &[embedded::SCHEMA])?, false)
                }
            };
            let options = embedded::Options {
                key_prefix: key_prefix.clone(),
                values: values.clone(),
                actor: actor.to_owned(),
                fields,
                shares_state,
                files: embedded::files_beside(db.path()),
            };
            let tracker = if access == Access::Overlay {
                Embedded::overlay(db, disk.clone(), options, clock)?
            } else {
                Embedded::new(db, disk.clone(), options, clock)?
            };
            return Ok((State::new(state), Backend::Embedded(Box::new(tracker))));
        }
        TrackerSettings::Jira(options, login) => {
            Backend::jira(jira::Options { fields, ..(**options).clone() }, login)?
        }
        TrackerSettings::Roundup(options, login) => {
            Backend::roundup(roundup::Options { fields, ..(**options).clone() }, login)?
        }
    };
    let state = State::new(open(&settings.state, &[state::SCHEMA])?);
    let remote = if access == Access::Overlay { remote.planned(clock) } else { remote };
    Ok((state, remote))
}

#[cfg(not(debug_assertions))]
#[allow(clippy::unnecessary_wraps, reason = "a debug build may fail")]
fn steps() -> Result<Steps> {
    Ok(Steps::none())
}

/// Debug builds can die before the n-th durable step, for the kill tests, and write down what
/// each one does, for the power-loss model.
#[cfg(debug_assertions)]
#[allow(clippy::disallowed_methods, reason = "`cli` reads the environment")]
fn steps() -> Result<Steps> {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let steps = if let Some(record) = std::env::var_os("ENGSYNC_RECORD_DIR") {
        Steps::recording(Path::new(&record))?
    } else {
        match (number("ENGSYNC_DIE_AT_STEP"), number("ENGSYNC_TRACE_STEPS")) {
            (None, None) => Steps::none(),
            (die_at, trace) => Steps::dying_at(die_at.unwrap_or(0), trace.is_some()),
        }
    };
    let plain = std::env::var_os("ENGSYNC_PLAIN_RENAMES").is_some();
    Ok(if plain { steps.with_plain_renames() } else { steps })
}
