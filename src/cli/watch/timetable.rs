//! When the service exchanges files with whom.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use crate::cli::app::App;
use crate::exchange::{Partner, Report, Settings, TransportSettings};
use crate::{Clock, Result, Timestamp};

/// The next exchange with each partner that has a transport.
#[derive(Debug, Default)]
pub(super) struct Timetable {
    next: BTreeMap<String, Timestamp>,
}

impl Timetable {
    /// By the configuration, and by what the state knows of the last exchanges.
    pub(super) fn read(app: &App) -> Self {
        let mut table = Self::default();
        for (partner, transport) in with_transport(&app.settings) {
            table.plan(app, partner, transport);
        }
        table
    }

    fn plan(&mut self, app: &App, partner: &Partner, transport: &TransportSettings) {
        match next(app, partner, transport) {
            Ok(Some(next)) => {
                let late = chrono::Duration::from_std(random(transport.jitter));
                self.next.insert(partner.key.clone(), next + late.unwrap_or_default());
            }
            Ok(None) => {
                self.next.remove(&partner.key);
                tracing::warn!("{}: its schedule names no further time", partner.key);
            }
            Err(error) => tracing::warn!("{}", error.line()),
        }
    }

    /// Whose turn it is. A time further away than any pause was set by a clock that went wrong.
    pub(super) fn due(&self, settings: &Settings, now: Timestamp) -> BTreeSet<String> {
        let is_due = |(partner, transport): &(&Partner, &TransportSettings)| {
            let Some(next) = self.next.get(&partner.key) else { return false };
            let longest = transport.schedule.longest().map(|longest| longest + transport.jitter);
            let lost = longest
                .is_some_and(|longest| (*next - now).to_std().is_ok_and(|left| left > longest));
            *next <= now || lost
        };
        with_transport(settings).filter(is_due).map(|(partner, _)| partner.key.clone()).collect()
    }

    /// A pass is through: the exchanges in it have their next times.
    pub(super) fn ended(&mut self, app: &App, report: &Report) {
        let now = app.clock.now();
        for exchange in &report.exchanges {
            let mut partners = with_transport(&app.settings);
            let Some((partner, transport)) =
                partners.find(|(partner, _)| partner.key == exchange.partner)
            else {
                continue;
            };
            self.plan(app, partner, transport);
            let settled = exchange.settles.and_then(|left| chrono::Duration::from_std(left).ok());
            if let (Some(left), Some(next)) = (settled, self.next.get_mut(&partner.key)) {
                *next = (*next).min(now + left);
            }
        }
    }

    /// How long until the next one.
    pub(super) fn pause(&self, now: Timestamp) -> Option<Duration> {
        self.next.values().min().map(|next| (*next - now).to_std().unwrap_or_default())
    }
}

fn with_transport(settings: &Settings) -> impl Iterator<Item = (&Partner, &TransportSettings)> {
    settings.partners.iter().filter_map(|partner| Some((partner, partner.transport.as_ref()?)))
}

fn next(app: &App, partner: &Partner, transport: &TransportSettings) -> Result<Option<Timestamp>> {
    let (schedule, now) = (&transport.schedule, app.clock.now());
    Ok(match app.state.last_exchange(&partner.key)? {
        None => schedule.first(now, partner.zone),
        Some(last) => schedule.next(last.at.min(now), last.failures, partner.zone),
    })
}

/// Up to `most`, so that installations with one schedule do not meet at the server's door.
fn random(most: Duration) -> Duration {
    let number = std::hash::RandomState::new().build_hasher().finish();
    #[allow(clippy::cast_precision_loss, reason = "a fraction")]
    most.mul_f64((number >> 11) as f64 / (1_u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_below_its_bound() {
        let most = Duration::from_secs(30);
        let all: BTreeSet<Duration> = (0..100).map(|_| random(most)).collect();
        assert!(all.len() > 50 && all.iter().all(|late| *late < most), "{all:?}");
        assert_eq!(random(Duration::ZERO), Duration::ZERO);
    }
}
