//! Removing what was fetched, if it still is what was listed.

use super::client::{Answer, Client, Fail, done as is_done, stray};
use super::link::Link;
use super::options::join;
use super::wire::Request;
use super::{SFTP_REFUSED, is_component, listed};
use crate::disk::Disk;
use crate::transport::{Listed, Removal};
use crate::{Error, Result};

/// How many files are looked at and removed together.
pub(super) const AT_ONCE: usize = 128;

/// A file to be removed.
struct Job<'a> {
    file: &'a Listed,
    path: String,
    /// Whether the server was asked: if it is gone then, that was us.
    asked: bool,
    outcome: Option<Result<Removal, Fail>>,
}

/// See [`crate::transport::Transport::remove_all`].
pub(super) fn remove(
    link: &mut Link,
    disk: &Disk,
    files: &[Listed],
    done: &mut dyn FnMut(&Listed, Result<Removal>) -> Result<()>,
) -> Result<()> {
    let place = link.options.place();
    let inbox = link.options.inbox.clone();
    let mut jobs = Vec::new();
    for file in files {
        if is_component(&file.name) {
            let path = join(&inbox, &file.name);
            jobs.push(Job { file, path, asked: false, outcome: None });
        } else {
            let what = format!("{place}: {:?} is no file name", file.name);
            done(file, Err(Error::wait(SFTP_REFUSED, what)))?;
        }
    }
    let lost = link.run("remove", |client| try_all(client, disk, &inbox, &mut jobs)).err();
    for job in jobs {
        let outcome = match (job.outcome, &lost) {
            (Some(outcome), _) => {
                outcome.map_err(|fail| fail.error(&place, &format!("remove {}", job.path)))
            }
            (None, Some(error)) => Err(Error::new(error.fault, error.code, error.line())),
            (None, None) => Err(stray().error(&place, &format!("remove {}", job.path))),
        };
        done(job.file, outcome)?;
    }
    Ok(())
}

/// Goes on with those that have no outcome yet.
fn try_all(client: &mut Client, disk: &Disk, inbox: &str, jobs: &mut [Job<'_>]) -> Answer<()> {
    let open: Vec<usize> = (0..jobs.len()).filter(|&at| jobs[at].outcome.is_none()).collect();
    let paths: Vec<&str> = open.iter().map(|&at| jobs[at].path.as_str()).collect();
    let seen = client.lstat(&paths)?;
    let mut listing = None;
    let mut going = Vec::new();
    for (at, seen) in open.into_iter().zip(seen) {
        let job = &mut jobs[at];
        let there = match seen {
            Err(fail) if fail.is_absent() => {
                let by_us = if job.asked { Removal::Removed } else { Removal::Absent };
                job.outcome = Some(Ok(by_us));
                continue;
            }
            Err(fail) if fail.is_lost() => return Err(fail),
            Err(fail) => {
                job.outcome = Some(Err(fail));
                continue;
            }
            Ok(there) => there,
        };
        let mut same = there.is_regular() && there.size == Some(job.file.size);
        if same && there.modified() != job.file.modified {
            // Listings may tell other times than names do: then they decide.
            let names = match listing.take() {
                Some(names) => names,
                None => listed(client, inbox)?,
            };
            same = names.binary_search(job.file).is_ok();
            listing = Some(names);
        }
        if same {
            going.push(at);
        } else {
            job.outcome = Some(Ok(Removal::Changed));
        }
    }
    for &at in &going {
        disk.steps().step("sftp remove");
        jobs[at].asked = true;
    }
    let requests: Vec<Request<'_>> =
        going.iter().map(|&at| Request::Remove { path: &jobs[at].path }).collect();
    let replies = client.all(&requests)?;
    for (at, reply) in going.into_iter().zip(replies) {
        jobs[at].outcome = Some(match is_done(reply) {
            Err(fail) if fail.is_lost() => return Err(fail),
            // Somebody else was faster.
            Err(fail) if fail.is_absent() => Ok(Removal::Absent),
            outcome => outcome.map(|()| Removal::Removed),
        });
    }
    Ok(())
}
