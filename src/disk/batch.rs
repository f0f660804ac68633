//! Many files at once: an fsync waits for the disk, and several may wait together.

use std::io;
use std::path::{Path, PathBuf};
use std::thread::ScopedJoinHandle;

use super::temporary::{Target, umask};
use super::{Disk, Temporary};
use crate::{Error, Result};

/// How many wait together.
const WAITING: usize = 8;

impl Disk {
    /// Publishes files under names in `dir` that must be free, as [`Temporary::publish`] does each;
    /// the directory is fsynced once, behind the last. The outcomes are in the order of the files.
    pub fn publish_all(
        &self,
        dir: &Path,
        mut files: Vec<(Temporary<'_>, PathBuf)>,
    ) -> Vec<Result<()>> {
        if files.is_empty() {
            return Vec::new();
        }
        let mode = 0o666 & !umask();
        let each = files.len().div_ceil(WAITING).max(1);
        let synced: Vec<io::Result<()>> = std::thread::scope(|scope| {
            let threads: Vec<_> = files
                .chunks_mut(each)
                .map(|files| {
                    let count = files.len();
                    let all =
                        || files.iter_mut().map(|(file, _)| file.sync(mode)).collect::<Vec<_>>();
                    (count, scope.spawn(all))
                })
                .collect();
            let died =
                |count| (0..count).map(|_| Err(io::Error::other("its thread died"))).collect();
            let join = |(count, thread): (usize, ScopedJoinHandle<'_, Vec<io::Result<()>>>)| {
                thread.join().unwrap_or_else(|_| died(count))
            };
            threads.into_iter().flat_map(join).collect()
        });
        let mut outcomes: Vec<Result<()>> = files
            .into_iter()
            .zip(synced)
            .map(|((file, path), synced)| match synced {
                Ok(()) => file.give(&path, Target::Free),
                Err(error) => Err(Error::io("write", &path, error)),
            })
            .collect();
        if outcomes.iter().any(Result::is_ok)
            && let Err(error) = self.sync_dir(dir)
        {
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
                *outcome = Err(Error::setup(error.code, error.line()));
            }
        }
        outcomes
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    #[test]
    fn many_are_published_and_a_taken_name_stops_none_of_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        disk.create(&dir.path().join("f07"), b"taken").unwrap();
        let files = (0..30)
            .map(|number| {
                let mut file = disk.temporary(dir.path()).unwrap();
                write!(file, "{number}").unwrap();
                (file, dir.path().join(format!("f{number:02}")))
            })
            .collect();
        let outcomes = disk.publish_all(dir.path(), files);
        for (number, outcome) in outcomes.iter().enumerate() {
            assert_eq!(outcome.is_ok(), number != 7, "{outcome:?}");
            let content = disk.read(&dir.path().join(format!("f{number:02}")), 10).unwrap();
            let wanted = if number == 7 { "taken".to_owned() } else { number.to_string() };
            assert_eq!(content, wanted.as_bytes());
        }
        assert_eq!(outcomes.len(), 30);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 30, "nothing temporary is left");
        assert!(disk.publish_all(dir.path(), Vec::new()).is_empty());
    }
}
