//! A large attachment takes longer to read than a stop may.

use std::io::{self, Read};
use std::sync::Arc;

use crate::Stop;
use crate::issue::{Attachment, Content};

/// The same file, whose reading ends when somebody asks. Whoever meets the error looks at
/// [`Stop::go_on`] first; not inside a transaction.
pub(super) fn guarded(stop: &Stop, file: &Attachment) -> Attachment {
    file.through(|content| Arc::new(Guarded { content, stop: stop.clone() }))
}

struct Guarded {
    content: Arc<dyn Content>,
    stop: Stop,
}

impl Content for Guarded {
    fn read_with(&self, sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>) -> io::Result<()> {
        self.content.read_with(&mut |reader| sink(&mut self.stop.guard(reader)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::STOPPED;

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
        let file = guarded(&stop, &Attachment::new("large.bin", None, Arc::new(Endless)));
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
