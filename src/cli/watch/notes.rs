//! What the service says: log lines, and its state to systemd.

use std::cell::Cell;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::Stop;
use crate::cli::style::plain;
use crate::exchange::{Exchange, LOCAL, Outcome, PackageReport, Progress, Report};
use crate::sync::Action;

/// Tells systemd that the service lives, also in the midst of a long package. Outside systemd it
/// says nothing.
pub(super) struct Heart {
    /// Half the watchdog's patience.
    half: Option<Duration>,
    last: Cell<Instant>,
}

impl Heart {
    pub(super) fn new() -> Self {
        let half = sd_notify::watchdog_enabled().map(|patience| patience / 2);
        Self { half, last: Cell::new(Instant::now()) }
    }

    /// How long the service may sleep without a beat.
    pub(super) fn interval(&self) -> Duration {
        self.half.unwrap_or(Duration::from_secs(3600)).max(Duration::from_millis(1))
    }

    /// How often to say so while something takes long; `None`: nobody asks.
    pub(super) fn pulse(&self) -> Option<Duration> {
        self.half.map(|half| half / 2)
    }

    /// Beats on a thread of its own while work goes on: whoever works looks at the stop, the
    /// reader of a part of many gigabytes too. One that hangs does not look.
    pub(super) fn follow(&self, stop: &Stop) {
        let (Some(pulse), stop) = (self.pulse(), stop.clone()) else { return };
        std::thread::spawn(move || {
            let mut seen = stop.looks();
            loop {
                std::thread::sleep(pulse);
                let before = std::mem::replace(&mut seen, stop.looks());
                if before != seen {
                    beat();
                }
            }
        });
    }

    /// At most every half of the watchdog's patience.
    pub(super) fn beat(&self) {
        if self.half.is_some_and(|half| self.last.get().elapsed() >= half / 2) {
            self.last.set(Instant::now());
            beat();
        }
    }

    pub(super) fn ready(&self) {
        tell_systemd(&[NotifyState::Ready]);
    }

    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell_systemd(&[NotifyState::Reloading, now]),
            Err(_) => tell_systemd(&[NotifyState::Reloading]),
        }
    }

    pub(super) fn stopping(&self) {
        tell_systemd(&[NotifyState::Stopping]);
    }

    pub(super) fn status(&self, text: &str) {
        tell_systemd(&[NotifyState::Status(&plain(text))]);
    }
}

impl Progress for Heart {
    fn begin(&self, _what: &str, _total: u64) {
        self.beat();
    }

    fn step(&self) {
        self.beat();
    }

    fn end(&self) {
        self.beat();
    }
}

/// The service lives.
pub(super) fn beat() {
    tell_systemd(&[NotifyState::Watchdog]);
}

fn tell_systemd(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("systemd does not listen: {error}");
    }
}

/// Logs what a pass did, one line a package and answer.
pub(super) fn tell(report: &Report, took: Duration) {
    for package in report.packages.iter().filter(|package| !package.standing) {
        let line = package_line(package);
        match package.outcome {
            Outcome::Waiting => tracing::debug!("{line}"),
            Outcome::Deferred | Outcome::Corrupt => {
                let hint = package.hint.as_deref().map(plain).unwrap_or_default();
                tracing::warn!(hint, "{line}");
            }
            _ => tracing::info!("{line}"),
        }
    }
    for sent in &report.sent {
        tracing::info!("{} sent to {}: {}", sent.name, sent.partner, sent.issues.join(", "));
    }
    for exchange in &report.exchanges {
        match &exchange.error {
            Some(error) => {
                let hint = exchange.hint.as_deref().map(plain).unwrap_or_default();
                tracing::warn!(hint, "{}: exchange failed: {}", exchange.partner, plain(error));
            }
            None if exchange.is_idle() => {
                tracing::debug!("{}: nothing to exchange", exchange.partner);
            }
            None => tracing::info!(
                "{}: fetched {}, delivered {}",
                exchange.partner,
                exchange.fetched,
                exchange.delivered
            ),
        }
    }
    tracing::debug!("pass of {} ms: {}", took.as_millis(), line(report));
}

/// A pass in one line.
pub(super) fn line(report: &Report) -> String {
    let count = |outcome| {
        let here = |package: &&PackageReport| package.outcome == outcome && package.name != LOCAL;
        report.packages.iter().filter(here).count()
    };
    let exchanged = |count: fn(&Exchange) -> u32| {
        report.exchanges.iter().map(|exchange| count(exchange) as usize).sum()
    };
    let counts: [(usize, &str); 8] = [
        (exchanged(|exchange| exchange.fetched), "fetched"),
        (count(Outcome::Applied), "applied"),
        (count(Outcome::Duplicate), "duplicate"),
        (count(Outcome::Deferred), "deferred"),
        (count(Outcome::Corrupt), "corrupt"),
        (report.sent.len(), "sent"),
        (exchanged(|exchange| exchange.delivered), "delivered"),
        (count(Outcome::Waiting), "waiting"),
    ];
    let words: Vec<String> = counts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    if words.is_empty() { "nothing to do".to_owned() } else { words.join(", ") }
}

/// What became of a package, in one line.
fn package_line(package: &PackageReport) -> String {
    let from = package.partner.as_ref().map(|partner| format!(" ({partner})")).unwrap_or_default();
    let name = if package.name == LOCAL { "local changes" } else { &package.name };
    let mut line = format!("{}{from} {}", plain(name), package.outcome.as_str());
    if let Some(reason) = &package.reason {
        let text = package.text.as_deref().map(plain).unwrap_or_default();
        line.push_str(&format!(": {reason}: {text}"));
    }
    let actions = [
        (Action::Created, "created"),
        (Action::Updated, "updated"),
        (Action::Unchanged, "unchanged"),
        (Action::Skipped, "skipped"),
        (Action::Held, "held"),
        (Action::Failed, "failed"),
    ];
    let mut found: Vec<(usize, Vec<String>)> = actions.iter().map(|_| (0, Vec::new())).collect();
    let read = package.issues.each(&mut |issue| {
        let place = actions.iter().position(|(action, _)| *action == issue.action);
        if let Some((number, keys)) = place.and_then(|place| found.get_mut(place)) {
            *number += 1;
            if *number <= 5 {
                keys.push(issue.local.clone().unwrap_or_else(|| issue.remote.clone()));
            }
        }
        Ok(())
    });
    if let Err(error) = read {
        tracing::warn!("not all issues of {} can be told: {error}", package.name);
    }
    let words: Vec<String> = actions
        .iter()
        .zip(found)
        .filter_map(|((_, word), (number, keys))| match number {
            0 => None,
            1..=5 => Some(format!("{word} {}", plain(&keys.join(", ")))),
            number => Some(format!("{word} {number} issues")),
        })
        .collect();
    if !words.is_empty() {
        line.push_str(&format!(": {}", words.join("; ")));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Outcome as IssueOutcome;

    #[test]
    fn a_pass_and_a_package_are_a_line_each() {
        let mut report = Report::default();
        assert_eq!(line(&report), "nothing to do");
        let name = "ENG26112008000000MFA";
        let mut package = PackageReport::new(name, Some("oem"), Outcome::Applied);
        for (key, action) in [("ISS-1", Action::Created), ("ISS-2", Action::Updated)] {
            let mut issue = IssueOutcome::new("4711", Some(key));
            issue.action = action;
            package.issues.extend(vec![issue]);
        }
        let wanted = format!("{name} (oem) applied: created ISS-1; updated ISS-2");
        assert_eq!(package_line(&package), wanted);
        report.packages.push(package);
        report.packages.push(PackageReport::new("x", None, Outcome::Waiting));
        report.packages.push(PackageReport::new(LOCAL, None, Outcome::Applied));
        assert_eq!(line(&report), "1 applied, 1 waiting");
    }
}
