//! The word that ends a run early.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::STOPPED;
use crate::issue::{Attachment, Content};
use crate::{Error, Result};

/// Asks a run to end after the operation in hand; clones share the word, and any thread may say
/// it. What was committed stays; a package in hand stays in `active/` and is taken up again by
/// the next run.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Goes on unless somebody asked. Not inside a transaction.
    pub(super) fn go_on(&self) -> Result<()> {
        if self.is_asked() {
            return Err(Error::setup(STOPPED, "the run was asked to end"));
        }
        Ok(())
    }

    /// The same file, whose reading ends when somebody asks: a large one takes longer than a stop
    /// may. Whoever meets the error looks at [`Stop::go_on`] first.
    pub(super) fn guard(&self, file: &Attachment) -> Attachment {
        file.through(|content| Arc::new(Guarded { content, stop: self.clone() }))
    }
}

struct Guarded {
    content: Arc<dyn Content>,
    stop: Stop,
}

impl Content for Guarded {
    fn read_with(&self, sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>) -> io::Result<()> {
        self.content.read_with(&mut |reader| sink(&mut Until { reader, stop: &self.stop }))
    }
}

struct Until<'a> {
    reader: &'a mut dyn Read,
    stop: &'a Stop,
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_asked() {
            return Err(io::Error::other("the run was asked to end"));
        }
        self.reader.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    struct Endless;

    impl Content for Endless {
        fn read_with(
            &self,
            sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>,
        ) -> io::Result<()> {
            sink(&mut io::repeat(7))
        }
    }

    #[test]
    fn a_file_without_end_does_not_keep_a_stop_waiting() {
        let stop = Stop::default();
        let file = stop.guard(&Attachment::new("large.bin", None, Arc::new(Endless)));
        let asks = stop.clone();
        let asking = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            asks.ask();
        });
        let begun = Instant::now();
        assert!(file.digest().is_err());
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert_eq!(stop.go_on().unwrap_err().code, STOPPED);
        asking.join().unwrap();
    }
}
