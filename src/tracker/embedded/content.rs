//! The content of attachments, checked while it is read.

use std::io::{self, Read, Write as _};
use std::path::PathBuf;

use crate::issue::{Content, Digest, Hasher};

/// The file of an attachment.
pub(super) struct Stored {
    pub(super) path: PathBuf,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

impl Content for Stored {
    fn read_with(&self, sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>) -> io::Result<()> {
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", self.path.display()))
        };
        let file = std::fs::File::open(&self.path).map_err(named)?;
        if file.metadata().map_err(named)?.len() != self.size {
            return Err(self.damaged());
        }
        sink(&mut Checked { file, hash: Some(Hasher::new(io::sink())), stored: self })
    }
}

impl Stored {
    fn damaged(&self) -> io::Error {
        let what = format!("{} is damaged: its SHA-256 is another", self.path.display());
        io::Error::new(io::ErrorKind::InvalidData, what)
    }
}

/// Reads a file and, at its end, compares it with its name.
struct Checked<'a> {
    file: std::fs::File,
    hash: Option<Hasher<io::Sink>>,
    stored: &'a Stored,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        if let Some(hash) = &mut self.hash {
            hash.write_all(&buffer[..read])?;
        }
        if read == 0 && !buffer.is_empty() {
            let seen = self.hash.take().map(Hasher::finish);
            if seen.is_some_and(|(_, _, digest)| digest != self.stored.digest) {
                return Err(self.stored.damaged());
            }
        }
        Ok(read)
    }
}
