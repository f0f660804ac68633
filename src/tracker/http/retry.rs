//! How often and how long to try again.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

/// What waits; tests and the service hand in their own.
pub type Sleep = Arc<dyn Fn(Duration) + Send + Sync>;

/// How often and how long to try again.
#[derive(Clone)]
pub struct Patience {
    /// How often beside the first time.
    pub retries: u32,
    /// The first pause where the server names none; it doubles each time.
    pub pause: Duration,
    /// How long one call may wait in all. A server that wants more gets no further call: the
    /// failure says when to come back.
    pub most: Duration,
    /// What waits.
    pub sleep: Sleep,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            retries: 3,
            pause: Duration::from_millis(500),
            most: Duration::from_secs(8),
            sleep: Arc::new(std::thread::sleep),
        }
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience")
            .field("retries", &self.retries)
            .field("pause", &self.pause)
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

impl Patience {
    /// How long to wait before the next attempt; `None`: not at all, give up. A pause that the
    /// server asked for is never shortened.
    pub(super) fn pause(
        &self,
        attempt: u32,
        asked: Option<Duration>,
        spent: Duration,
    ) -> Option<Duration> {
        if attempt >= self.retries {
            return None;
        }
        let own = self.pause.saturating_mul(1 << attempt.min(10));
        let least = asked.unwrap_or(own);
        if spent + least > self.most {
            return None;
        }
        // Up to a quarter more, so that several of us do not come back at once.
        let dice = RandomState::new().build_hasher().finish() % 256;
        let jitter = own.mul_f64(0.25 * f64::from(u8::try_from(dice).unwrap_or(0)) / 256.0);
        Some((least + jitter).min(self.most.saturating_sub(spent)))
    }

    pub(super) fn sleep(&self, pause: Duration) {
        (self.sleep)(pause);
    }
}
