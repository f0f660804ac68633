//! When files are exchanged by themselves.

use std::time::Duration;

use croner::Cron;

use crate::Timestamp;

/// The longest pause after exchanges that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// The first pause after one that failed, unless the schedule is denser.
const FIRST_PAUSE: Duration = Duration::from_secs(60);

/// When the service exchanges files with a partner's server.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// So long after the last time.
    Every(Duration),
    /// At these times of the partner's zone.
    Cron(Box<Cron>),
}

impl Schedule {
    /// The next time after an exchange at `last` that was the `failures`-th in a row to go wrong
    /// (0: it went well). `None`: never again.
    #[must_use]
    pub fn next(&self, last: Timestamp, failures: u32, zone: chrono_tz::Tz) -> Option<Timestamp> {
        match self {
            Self::Every(pause) if failures == 0 => Some(last + from_std(*pause)),
            Self::Every(pause) => Some(last + from_std(back_off(*pause, failures))),
            Self::Cron(cron) => {
                let pause = match failures {
                    0 => Duration::ZERO,
                    _ => back_off(FIRST_PAUSE, failures),
                };
                let from = (last + from_std(pause)).with_timezone(&zone);
                let inclusive = failures > 0;
                cron.find_next_occurrence(&from, inclusive).ok().map(|next| next.to_utc())
            }
        }
    }

    /// The first time, of a service that knows of no exchange.
    #[must_use]
    pub fn first(&self, now: Timestamp, zone: chrono_tz::Tz) -> Option<Timestamp> {
        match self {
            Self::Every(_) => Some(now),
            Self::Cron(_) => self.next(now, 0, zone),
        }
    }

    /// Longer than any pause it makes; `None`: it cannot be said.
    #[must_use]
    pub fn longest(&self) -> Option<Duration> {
        match self {
            Self::Every(pause) => Some(LONGEST_PAUSE.max(*pause)),
            Self::Cron(_) => None,
        }
    }
}

/// One pause, then twice as long each time, at most an hour.
fn back_off(pause: Duration, failures: u32) -> Duration {
    doubled(pause.min(FIRST_PAUSE), failures.saturating_sub(1), LONGEST_PAUSE)
}

/// A pause doubled so many times, at most `longest`.
pub(crate) fn doubled(pause: Duration, times: u32, longest: Duration) -> Duration {
    pause.saturating_mul(1 << times.min(20)).min(longest)
}

fn from_std(pause: Duration) -> chrono::Duration {
    chrono::Duration::from_std(pause).unwrap_or(chrono::Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn times_follow_the_schedule_and_failures_put_them_off() {
        let every = |seconds| Schedule::Every(Duration::from_secs(seconds));
        let cron = |text: &str| Schedule::Cron(Box::new(text.parse().unwrap()));
        let work = || cron("*/15 6-20 * * 1-5");
        let cases = [
            (every(900), "2026-11-21T09:00:00Z", 0, "2026-11-21T09:15:00Z"),
            (every(900), "2026-11-21T09:00:00Z", 1, "2026-11-21T09:01:00Z"),
            (every(900), "2026-11-21T09:00:00Z", 3, "2026-11-21T09:04:00Z"),
            (every(900), "2026-11-21T09:00:00Z", 40, "2026-11-21T10:00:00Z"),
            (every(5), "2026-11-21T09:00:00Z", 2, "2026-11-21T09:00:10Z"),
            // A Friday evening in Berlin, where it is an hour later.
            (work(), "2026-11-20T19:45:00Z", 0, "2026-11-23T05:00:00Z"),
            (work(), "2026-11-20T09:00:00Z", 0, "2026-11-20T09:15:00Z"),
            (work(), "2026-11-20T09:00:00Z", 1, "2026-11-20T09:15:00Z"),
            (work(), "2026-11-20T09:00:00Z", 6, "2026-11-20T09:45:00Z"),
            (work(), "2026-11-20T09:00:00Z", 7, "2026-11-20T10:00:00Z"),
            // The night the clocks go back: the hour from two to three comes twice.
            (cron("30 2 * * *"), "2026-10-24T12:00:00Z", 0, "2026-10-25T00:30:00Z"),
        ];
        let berlin = chrono_tz::Europe::Berlin;
        for (schedule, last, failures, wanted) in cases {
            let next = schedule.next(at(last), failures, berlin);
            assert_eq!(next, Some(at(wanted)), "{schedule:?} after {last}, {failures} failures");
        }
    }
}
