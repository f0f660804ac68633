//! The step counter of the kill tests, and the record of the power-loss model.

use std::path::Path;

/// Counts the steps that change something durable; in debug builds it can end the process
/// before the n-th, as a power switch would, or write down what each one does. In release builds
/// it is nothing.
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
    record: Option<super::record::Record>,
    plain_renames: bool,
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
        let counter = Counter { now: 0.into(), die_at, trace, record: None, plain_renames: false };
        Self { inner: Some(std::sync::Arc::new(counter)) }
    }

    /// Writes down in the directory `record` what each step does.
    ///
    /// # Errors
    /// When the record cannot be begun.
    #[cfg(debug_assertions)]
    pub fn recording(record: &Path) -> crate::Result<Self> {
        let record = Some(super::record::Record::begin(record)?);
        let counter =
            Counter { now: 0.into(), die_at: 0, trace: false, record, plain_renames: false };
        Ok(Self { inner: Some(std::sync::Arc::new(counter)) })
    }

    /// As on a file system that has no rename that refuses a taken name.
    #[cfg(debug_assertions)]
    #[must_use]
    pub fn with_plain_renames(self) -> Self {
        let counter = self.inner.and_then(std::sync::Arc::into_inner);
        let die_at = 0;
        let none =
            Counter { now: 0.into(), die_at, trace: false, record: None, plain_renames: true };
        let counter = Counter { plain_renames: true, ..counter.unwrap_or(none) };
        Self { inner: Some(std::sync::Arc::new(counter)) }
    }

    /// Whether the kernel is not to be asked for a rename that refuses.
    pub(super) fn has_plain_renames(&self) -> bool {
        #[cfg(debug_assertions)]
        return self.inner.as_ref().is_some_and(|counter| counter.plain_renames);
        #[cfg(not(debug_assertions))]
        false
    }

    /// The next step is `what`.
    pub fn step(&self, what: &str) {
        self.step_on(what, &[]);
    }

    /// The next step does `what` to `paths`.
    pub fn step_on(&self, what: &str, paths: &[&Path]) {
        #[cfg(debug_assertions)]
        if let Some(counter) = &self.inner {
            let now = counter.now.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            if counter.trace {
                tracing::info!(target: "engsync::step", step = now, what);
            }
            if let Some(record) = &counter.record {
                record.write(what, paths);
            }
            if now == counter.die_at {
                std::process::abort();
            }
        }
        #[cfg(not(debug_assertions))]
        let _ = (what, paths);
    }

    /// The database at `path` belongs to what is recorded.
    pub fn database(&self, path: &Path) {
        #[cfg(debug_assertions)]
        if let Some(record) = self.inner.as_ref().and_then(|counter| counter.record.as_ref()) {
            record.database(path);
        }
        #[cfg(not(debug_assertions))]
        let _ = path;
    }
}
