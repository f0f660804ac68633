//! `watch`: the service. Events and signals only wake it; a pass is the same as `run`.

mod alive;
mod notes;
mod timetable;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::app::{Access, App, SystemClock};
use super::args::Global;
use super::{Exit, after_pass, config, print};
use crate::exchange::{self, Due, Pass, Report};
use crate::spool::Watcher;
use crate::{Clock, Error, Result, STOPPED, Stop, USAGE};
use alive::Alive;
use notes::Heart;
use timetable::Timetable;

/// The longest pause after passes that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(900);

/// So long after it was told to end, a service that still waits for somebody's server ends as it
/// is: nothing is lost by dying anywhere.
const LAST_PATIENCE: Duration = Duration::from_secs(8);
/// So many packages are taken before answers go out, others may write, and whatever came
/// meanwhile is looked at.
const PACKAGES: usize = 100;

/// Between two passes of a long queue; who waits for the turn asks more often.
const GAP: Duration = Duration::from_millis(50);

/// What wakes the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wake {
    /// Something may have arrived.
    Arrival,
    /// Read the configuration again.
    Reload,
    /// Finish and end.
    Stop,
}

/// Runs until it is told to end.
pub(super) fn run(global: &Global) -> anyhow::Result<Exit> {
    if global.dry_run {
        let error = Error::setup(USAGE, "a service cannot run dry");
        return Err(error.hint("`engsync run -n` shows what a pass would do").into());
    }
    let config = config::locate(global.config.as_deref())?;
    let app = App::open(global, Access::Writer, "engsync")?;
    app.spool.create()?;
    let (wake, woken) = channel();
    listen(app.stop.clone(), wake.clone())?;
    let timetable = Timetable::read(&app);
    let mut service = Service {
        global,
        config,
        app,
        wake,
        woken,
        watcher: None,
        heart: Heart::new(),
        timetable,
        carried: BTreeSet::new(),
        failures: 0,
        rest: None,
        away: 0,
        more: false,
        whole: Instant::now(),
        blind: false,
    };
    let dir = service.app.spool.root().display();
    tracing::info!("watching {dir}, process {}", std::process::id());
    service.heart.follow(&service.app.stop);
    service.heart.ready();
    service.serve()?;
    service.heart.stopping();
    tracing::info!("ended");
    Ok(Exit::Done)
}

struct Service<'a> {
    global: &'a Global,
    config: PathBuf,
    app: App,
    wake: Sender<Wake>,
    woken: Receiver<Wake>,
    watcher: Option<Watcher>,
    heart: Heart,
    /// When files are exchanged with whom.
    timetable: Timetable,
    /// Those whose answers the next pass of a long queue delivers as well.
    carried: BTreeSet<String>,
    /// Passes that failed, one after the other.
    failures: u32,
    /// Until when the tracker is left alone, and how often it was away, one time after the other.
    rest: Option<Instant>,
    away: u32,
    /// The last pass left packages that could be taken.
    more: bool,
    /// When `incoming/` is looked at as a whole again, whatever events tell.
    whole: Instant,
    /// It was said that there are no events.
    blind: bool,
}

impl Service<'_> {
    /// One pass after the other until the stop.
    fn serve(&mut self) -> anyhow::Result<()> {
        while !self.app.stop.is_asked() {
            let hinted = Instant::now() < self.whole;
            if !hinted && self.watcher.as_ref().is_none_or(Watcher::is_stale) {
                self.arm();
            }
            self.pass(hinted)?;
            let due = Instant::now() + self.pause();
            // Events do not put it off.
            let sooner = hinted && !self.more && self.failures == 0;
            self.whole = if sooner { self.whole.min(due) } else { due };
            self.wait();
        }
        Ok(())
    }

    /// A pass, as the one writer; between passes others may write. A hinted one takes what events
    /// told of.
    fn pass(&mut self, hinted: bool) -> anyhow::Result<()> {
        let wall = SystemClock(None);
        let begun = Instant::now();
        self.more = false;
        let spared = self.rest.is_some_and(|rest| rest > begun);
        let alive = Alive::new(&self.app, self.heart.pulse());
        let pass = match self.app.take_turn(&|| self.heart.beat()) {
            Ok(true) => {
                let mut tools = self.app.tools(self.global, &wall, &self.heart);
                tools.options.spare_tracker = spared;
                tools.transports = &alive;
                // It comes back for files that have yet to settle.
                tools.options.patient = false;
                tools.options.hinted = hinted;
                let now = self.app.clock.now();
                let mut due = self.timetable.due(&self.app.settings, now);
                due.append(&mut self.carried);
                tools.due = Due::Only(due);
                exchange::pass(&tools, PACKAGES)
            }
            Ok(false) => return Ok(()),
            Err(error) => Err(error),
        };
        let stopped = pass.as_ref().is_err_and(|error| error.code == STOPPED);
        if self.app.has_turn() {
            after_pass(&self.app, self.global, pass.is_ok() || stopped);
        }
        if let Ok(pass) = &pass {
            self.timetable.ended(&self.app, &pass.report);
        }
        self.app.rest();
        match pass {
            Ok(Pass { report, more }) => {
                self.failures = 0;
                self.give_rest(&report);
                self.more = more;
                let good =
                    report.exchanges.iter().filter(|exchange| more && exchange.error.is_none());
                self.carried = good.map(|exchange| exchange.partner.clone()).collect();
                notes::tell(&report, begun.elapsed());
                self.heart.status(&notes::line(&report));
                self.print(&report)?;
            }
            Err(error) if error.code == STOPPED => {
                tracing::info!("stopped inside a package; the next start takes it up again");
            }
            Err(error) => {
                self.failures += 1;
                let hint = error.hint.as_deref();
                tracing::error!(hint, "the pass failed: {}", error.line());
                self.heart.status(&format!("the last pass failed: {}", error.line()));
            }
        }
        Ok(())
    }

    /// A tracker that is away is asked again after longer and longer pauses, while all else goes
    /// on. What it asked for itself (Retry-After) is kept by the run.
    fn give_rest(&mut self, report: &Report) {
        if report.tracker_away {
            self.away += 1;
            let pause = back_off(self.app.settings.spool.scan, self.away);
            self.rest = Some(Instant::now() + pause);
            tracing::warn!("the tracker is asked again in {} s", pause.as_secs());
        } else if !report.tracker_spared {
            (self.away, self.rest) = (0, None);
        }
    }

    /// With `--json` each pass that did something is a line on stdout.
    fn print(&self, report: &Report) -> anyhow::Result<()> {
        if self.global.json && !report.is_idle() {
            print(&format!("{}\n", serde_json::to_string(report)?))?;
        }
        Ok(())
    }

    /// Until something is due by itself, at most the scan interval; after failures longer.
    fn pause(&self) -> Duration {
        let spool = &self.app.settings.spool;
        if self.failures > 0 {
            return back_off(spool.scan, self.failures);
        }
        if self.more {
            return GAP;
        }
        let (now, wall) = (self.app.clock.now(), SystemClock(None).now().into());
        let due = match self.app.spool.next_due(now, wall, spool.settle) {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!("{}", error.line());
                None
            }
        };
        // A due time in the past was dealt with by the pass, as far as it can be.
        let exchange = self.timetable.pause(now);
        let due = due.into_iter().chain(exchange).min();
        let due = due.map(|due| due.max(Duration::from_millis(200)));
        due.unwrap_or(spool.scan).min(spool.scan)
    }

    /// Sleeps until a whole pass is due, something arrived, or the service is to end.
    fn wait(&mut self) {
        loop {
            self.heart.beat();
            let left = self.whole.saturating_duration_since(Instant::now());
            if left.is_zero() || self.app.stop.is_asked() {
                return;
            }
            match self.woken.recv_timeout(left.min(self.heart.interval())) {
                Ok(Wake::Arrival) => {
                    // A burst is one reason; and while the disk fails, arrivals do not hurry us.
                    let more: Vec<Wake> = self.woken.try_iter().collect();
                    if more.contains(&Wake::Reload) {
                        self.reload();
                        return;
                    }
                    if self.watcher.as_ref().is_some_and(Watcher::is_stale) {
                        self.whole = Instant::now();
                        return;
                    }
                    if self.failures == 0 && self.app.spool.is_ready() {
                        return;
                    }
                }
                Ok(Wake::Reload) => {
                    self.reload();
                    return;
                }
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Reads the configuration again; a broken one changes nothing.
    fn reload(&mut self) {
        self.heart.reloading();
        self.whole = Instant::now();
        match load(&self.config, &self.app, self.global) {
            Ok(app) => {
                self.app = app;
                self.timetable = Timetable::read(&self.app);
                self.failures = 0;
                (self.away, self.rest) = (0, None);
                self.watcher = None;
                tracing::info!("the configuration was read again");
            }
            Err(error) => {
                let hint = error.hint.as_deref();
                tracing::warn!(hint, "the old configuration stays in force: {}", error.line());
            }
        }
        self.heart.ready();
    }

    /// Asks for events; without them the scan does all the work.
    fn arm(&mut self) {
        if self.watcher.take().is_some() {
            tracing::info!("incoming/ is another directory now; it is watched again");
        }
        let wake = self.wake.clone();
        // The receiver is gone only when the service is.
        let tell = move || {
            let _ = wake.send(Wake::Arrival);
        };
        let spool = &self.app.spool;
        match spool.create().and_then(|()| spool.watch(tell)) {
            Ok(watcher) => (self.watcher, self.blind) = (Some(watcher), false),
            // Each scan tries again.
            Err(error) if self.blind => tracing::debug!("{}", error.line()),
            Err(error) => {
                let hint = error.hint.as_deref();
                tracing::warn!(hint, "{}", error.line());
                self.blind = true;
            }
        }
    }
}

fn load(path: &Path, app: &App, global: &Global) -> Result<App> {
    let config = config::load(path)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let app = app.again(config.settings, global, "engsync")?;
    app.spool.create()?;
    Ok(app)
}

/// Twice the scan interval after the first failure, then twice as long each time.
fn back_off(scan: Duration, failures: u32) -> Duration {
    exchange::doubled(scan, failures, LONGEST_PAUSE.max(scan))
}

/// Turns signals into wakes, on a thread of their own.
fn listen(stop: Stop, wake: Sender<Wake>) -> Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])
        .map_err(|error| Error::setup(crate::DISK, "cannot ask for signals").because(error))?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let reason = if signal == SIGHUP { Wake::Reload } else { Wake::Stop };
            if reason == Wake::Stop {
                tracing::info!("asked to end; finishing the operation in hand");
                if !stop.is_asked() {
                    std::thread::spawn(end_soon);
                }
                stop.ask();
            }
            if wake.send(reason).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Ends the process when the operation in hand takes too long, a transfer over a slow line.
#[allow(clippy::exit, clippy::disallowed_methods, reason = "the main thread waits for a server")]
fn end_soon() {
    std::thread::sleep(LAST_PATIENCE);
    tracing::warn!("ended in the midst of a transfer; the next start goes on from there");
    std::process::exit(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_make_pauses_longer_up_to_a_bound() {
        let cases =
            [(60, 1, 120), (60, 2, 240), (60, 4, 900), (1, 1, 2), (1, 40, 900), (3600, 3, 3600)];
        for (scan, failures, wanted) in cases {
            let pause = back_off(Duration::from_secs(scan), failures);
            assert_eq!(pause, Duration::from_secs(wanted), "{scan} {failures}");
        }
    }
}
