//! The word that ends work early.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Error, Result, STOPPED};

/// So much is read between two looks at the word.
const BLOCK: usize = 128 << 10;

/// Asks work to end after the operation in hand; clones share the word, and any thread may say
/// it. Whoever looks at it lives: the looks are counted.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    looks: Arc<AtomicU64>,
}

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.asked.load(Ordering::Relaxed)
    }

    /// How often somebody looked: work that goes on looks again and again.
    #[must_use]
    pub fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    /// Goes on unless somebody asked.
    ///
    /// # Errors
    /// With [`STOPPED`].
    pub fn go_on(&self) -> Result<()> {
        if self.is_asked() {
            return Err(Error::setup(STOPPED, "the run was asked to end"));
        }
        Ok(())
    }

    /// Copies all of `reader`, until somebody asks: a large file takes longer than a stop may.
    /// Whoever meets an error looks at [`Stop::go_on`] first.
    ///
    /// # Errors
    /// Those of the two, and one when somebody asked.
    pub fn copy(&self, reader: &mut dyn Read, writer: &mut dyn io::Write) -> io::Result<u64> {
        let mut block = vec![0; BLOCK];
        let mut copied = 0;
        let mut guarded = self.guard(reader);
        loop {
            match guarded.read(&mut block) {
                Ok(0) => return Ok(copied),
                Ok(size) => {
                    writer.write_all(&block[..size])?;
                    copied += size as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The same bytes, until somebody asks; then an error.
    pub fn guard<'a>(&'a self, reader: &'a mut dyn Read) -> impl Read + 'a {
        Until { reader, stop: self }
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

    #[test]
    fn a_copy_without_end_does_not_keep_a_stop_waiting() {
        let stop = Stop::default();
        let asks = stop.clone();
        let asking = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            asks.ask();
        });
        let begun = Instant::now();
        assert!(stop.copy(&mut io::repeat(7), &mut io::sink()).is_err());
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert!(stop.looks() > 2, "it says that it lives");
        assert_eq!(stop.go_on().unwrap_err().code, STOPPED);
        asking.join().unwrap();
    }

    #[test]
    fn unasked_everything_is_copied() {
        let bytes: Vec<u8> = (0..BLOCK * 2 + 5).map(|number| number.to_le_bytes()[0]).collect();
        let mut copy = Vec::new();
        let size = Stop::default().copy(&mut bytes.as_slice(), &mut copy).unwrap();
        assert_eq!((size, copy), (bytes.len() as u64, bytes));
    }
}
