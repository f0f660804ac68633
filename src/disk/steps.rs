//! The step counter of the kill tests.

/// Counts the steps that change something durable; in debug builds it can end the process
/// before the n-th, as a power switch would. In release builds it is nothing.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    #[cfg(debug_assertions)]
    inner: Option<std::sync::Arc<Counter>>,
}

#[cfg(debug_assertions)]
#[derive(Debug)]
struct Counter {
    now: std::sync::atomic::AtomicU64,
    die_at: u64,
    trace: bool,
}

impl Steps {
    /// Counts nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Ends the process before step `die_at` (from 1; 0: never). With `trace`, each step is
    /// logged, so that a sweep knows how many there are.
    #[cfg(debug_assertions)]
    #[must_use]
    pub fn dying_at(die_at: u64, trace: bool) -> Self {
        let counter = Counter { now: 0.into(), die_at, trace };
        Self { inner: Some(std::sync::Arc::new(counter)) }
    }

    /// The next step is `what`.
    pub fn step(&self, what: &str) {
        #[cfg(debug_assertions)]
        if let Some(counter) = &self.inner {
            let now = counter.now.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            if counter.trace {
                tracing::info!(target: "engsync::step", step = now, what);
            }
            if now == counter.die_at {
                std::process::abort();
            }
        }
        #[cfg(not(debug_assertions))]
        let _ = what;
    }
}
