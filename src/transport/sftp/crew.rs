//! Several connections that share the work of one call.

use std::thread::ScopedJoinHandle;

use super::SFTP_LOST;
use super::client::Client;
use super::link::Link;
use crate::{Error, Result};

/// Another connection is worth its while from so many files, or bytes, each.
const FILES_EACH: usize = 64;
const BYTES_EACH: u64 = 64 << 20;

/// How many connections so many files with so many bytes together are worth.
pub(super) fn sessions(link: &Link, files: usize, bytes: u64) -> usize {
    let by_bytes = usize::try_from(bytes / BYTES_EACH).unwrap_or(usize::MAX);
    let worth = (files / FILES_EACH).max(by_bytes).max(1);
    worth.min(link.options.sessions.max(1)).min(files)
}

/// Waits for the workers; answers a good connection of theirs, and the first error.
pub(super) fn gather(
    workers: Vec<ScopedJoinHandle<'_, Result<Option<Client>>>>,
    place: &str,
) -> (Option<Client>, Option<Error>) {
    let (mut kept, mut failed) = (None, None);
    for worker in workers {
        match worker.join() {
            Ok(Ok(client)) => kept = kept.or(client),
            Ok(Err(error)) => failed = failed.or(Some(error)),
            Err(_) => failed = Some(lost(place)),
        }
    }
    (kept, failed)
}

/// For when a thread ended as none should.
pub(super) fn lost(place: &str) -> Error {
    Error::wait(SFTP_LOST, format!("{place}: a connection ended without a word"))
}
