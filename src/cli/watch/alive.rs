//! The service lives on while it waits for somebody's server: a transfer may take longer than
//! systemd's patience.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::notes;
use crate::exchange::{Partner, Transports};
use crate::transport::{Fetched, Listed, Parcel, Removal, Transport};
use crate::{Checked, Result};

/// Transports whose calls keep the watchdog quiet. Each call ends by its own time-outs, so a
/// service that hangs is still told from one that transfers.
pub(super) struct Alive<'a> {
    transports: &'a dyn Transports,
    /// How often to say so; `None`: nobody asks.
    beat: Option<Duration>,
}

impl<'a> Alive<'a> {
    pub(super) fn new(transports: &'a dyn Transports, beat: Option<Duration>) -> Self {
        Self { transports, beat }
    }
}

impl Transports for Alive<'_> {
    fn open(&self, partner: &Partner) -> Result<Box<dyn Transport>> {
        let inner = self.transports.open(partner)?;
        Ok(match self.beat {
            Some(beat) => Box::new(Beating { inner, beat }),
            None => inner,
        })
    }

    fn sleep(&self, pause: Duration) {
        self.transports.sleep(pause);
    }
}

struct Beating {
    inner: Box<dyn Transport>,
    beat: Duration,
}

/// Says that the service lives until it is dropped.
struct Pulse {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Pulse {
    fn start(beat: Duration) -> Self {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(beat) == Err(RecvTimeoutError::Timeout) {
                notes::beat();
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Transport for Beating {
    fn list(&mut self) -> Result<Vec<Listed>> {
        let _pulse = Pulse::start(self.beat);
        self.inner.list()
    }

    fn fetch(
        &mut self,
        files: &[Listed],
        into: &Path,
        done: &mut dyn FnMut(&Listed, Result<Fetched>) -> Result<()>,
    ) -> Result<()> {
        let _pulse = Pulse::start(self.beat);
        self.inner.fetch(files, into, done)
    }

    fn remove(&mut self, file: &Listed) -> Result<Removal> {
        let _pulse = Pulse::start(self.beat);
        self.inner.remove(file)
    }

    fn remove_all(
        &mut self,
        files: &[Listed],
        done: &mut dyn FnMut(&Listed, Result<Removal>) -> Result<()>,
    ) -> Result<()> {
        let _pulse = Pulse::start(self.beat);
        self.inner.remove_all(files, done)
    }

    fn deliver(&mut self, parts: &[Parcel]) -> Result<()> {
        let _pulse = Pulse::start(self.beat);
        self.inner.deliver(parts)
    }

    fn deliver_all(
        &mut self,
        packages: &[Vec<Parcel>],
        done: &mut dyn FnMut(usize, Result<()>) -> ControlFlow<()>,
    ) {
        let _pulse = Pulse::start(self.beat);
        self.inner.deliver_all(packages, done);
    }

    fn check(&mut self, write: bool) -> Vec<Checked> {
        let _pulse = Pulse::start(self.beat);
        self.inner.check(write)
    }
}
