//! Delivering: parts are uploaded under temporary names by several connections, then renamed, the
//! descriptions last.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::client::{Answer, Client, done};
use super::crew;
use super::link::{Link, connect};
use super::options::join;
use super::publish::{Fate, Move, publish, same, taken, there};
use super::sender::{Bench, Job, Sender, Shape};
use super::wire::{Attributes, Request};
use super::{SFTP_REFUSED, is_component};
use crate::disk::{Disk, TEMPORARY};
use crate::transport::Parcel;
use crate::{Error, Result};

/// How often a part is uploaded that then is nowhere.
const UPLOADS: usize = 3;

/// A part on its way.
struct Part<'a> {
    group: usize,
    /// Whether it is the description, which waits for the others.
    last: bool,
    parcel: &'a Parcel,
    target: String,
    size: u64,
    /// Its name over there until it has its own.
    temporary: Option<String>,
    done: bool,
}

/// Delivers packages, each with its description first; says of each how it went. A package does not wait
/// for another, nor fail with it.
pub(super) fn deliver(
    link: &mut Link,
    disk: &Disk,
    packages: &[&[Parcel]],
) -> Result<Vec<Result<()>>> {
    let place = link.options.place();
    let mut fates: Vec<Result<()>> = packages.iter().map(|_| Ok(())).collect();
    let mut parts = Vec::new();
    for (group, parcels) in packages.iter().enumerate() {
        for (at, parcel) in parcels.iter().enumerate() {
            match part(link, group, at == 0, parcel) {
                Ok(part) => parts.push(part),
                Err(error) => fates[group] = Err(error),
            }
        }
    }
    look(link, disk, &mut parts, &mut fates)?;
    let mut broke = false;
    for last in [false, true] {
        for round in 1..=UPLOADS {
            // The descriptions are uploaded with the others; only their names wait.
            broke |= upload(link, disk, &mut parts, &mut fates)?;
            let ready = |part: &Part<'_>| part.last == last && !part.done;
            let mut moves: Vec<Move> = parts
                .iter()
                .enumerate()
                .filter(|(_, part)| ready(part) && fates[part.group].is_ok())
                .filter_map(|(index, part)| Move::of(index, part))
                .collect();
            if moves.is_empty() {
                break;
            }
            publish(link, disk, &mut moves);
            let mut again = false;
            for each in moves {
                let part = &mut parts[each.index];
                match each.fate {
                    Fate::Done => part.done = true,
                    Fate::Gone if round < UPLOADS => {
                        part.temporary = None;
                        again = true;
                    }
                    Fate::Gone | Fate::Open => {
                        part.temporary = None;
                        let what = format!("{place}: {} vanishes when it is renamed", part.target);
                        fates[part.group] = Err(Error::wait(SFTP_REFUSED, what));
                    }
                    Fate::Failed(error) => fates[part.group] = Err(error),
                }
            }
            if !again {
                break;
            }
        }
    }
    clean(link, disk, &parts, broke);
    Ok(fates)
}

fn part<'a>(link: &Link, group: usize, last: bool, parcel: &'a Parcel) -> Result<Part<'a>> {
    if !is_component(&parcel.name) || parcel.name.starts_with('.') {
        let what = format!("{}: {:?} is no part's name", link.options.place(), parcel.name);
        return Err(Error::setup(SFTP_REFUSED, what));
    }
    let meta = std::fs::symlink_metadata(&parcel.path);
    let meta = meta.map_err(|error| Error::io("look at", &parcel.path, error))?;
    Ok(Part {
        group,
        last,
        parcel,
        target: join(&link.options.outbox, &parcel.name),
        size: meta.len(),
        temporary: None,
        done: false,
    })
}

impl Move {
    fn of(index: usize, part: &Part<'_>) -> Option<Self> {
        Some(Self {
            index,
            temporary: part.temporary.clone()?,
            target: part.target.clone(),
            size: part.size,
            digest: part.parcel.digest,
            fate: Fate::Open,
        })
    }
}

/// The beginning of a part's temporary names: nobody else has parts of this name.
fn stem(name: &str) -> String {
    format!("{TEMPORARY}{name}-")
}

/// What is there already, from an earlier try: parts under their names are done, under temporary names
/// they are removed.
fn look(
    link: &mut Link,
    disk: &Disk,
    parts: &mut [Part<'_>],
    fates: &mut [Result<()>],
) -> Result<()> {
    let place = link.options.place();
    let staging = link.options.outbox_tmp.clone();
    let seen: Vec<Option<Attributes>> = link.run("look into the outbox", |client| {
        leftovers(client, disk, &staging, parts)?;
        let targets: Vec<&str> = parts.iter().map(|part| part.target.as_str()).collect();
        client.lstat(&targets)?.into_iter().map(there).collect()
    })?;
    for (part, seen) in parts.iter_mut().zip(seen) {
        let Some(seen) = seen.filter(|_| fates[part.group].is_ok()) else { continue };
        let (target, size, digest) = (&part.target, part.size, part.parcel.digest);
        let what = format!("compare {target}");
        if link.run(&what, |client| same(client, target, &seen, size, digest))? {
            part.done = true;
        } else {
            fates[part.group] = Err(taken(&place, &part.target));
        }
    }
    Ok(())
}

fn leftovers(client: &mut Client, disk: &Disk, staging: &str, parts: &[Part<'_>]) -> Answer<()> {
    let names = match client.list(staging) {
        Ok(names) => names,
        Err(fail) if fail.is_lost() => return Err(fail),
        Err(_) => return Ok(()), // may be written, not listed
    };
    let stems: Vec<String> = parts.iter().map(|part| stem(&part.parcel.name)).collect();
    for (name, _) in names.iter().filter(|(name, _)| name.starts_with(TEMPORARY)) {
        if stems.iter().any(|stem| name.starts_with(stem)) {
            disk.steps().step("sftp remove");
            client.call(&Request::Remove { path: &join(staging, name) })?;
        }
    }
    Ok(())
}

/// Uploads the parts that are neither there nor under a temporary name; whether a connection broke.
fn upload(
    link: &mut Link,
    disk: &Disk,
    parts: &mut [Part<'_>],
    fates: &mut [Result<()>],
) -> Result<bool> {
    let place = link.options.place();
    let staging = join(&link.options.outbox_tmp, "");
    let mut bytes = 0;
    let mut jobs = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if part.done || part.temporary.is_some() || fates[part.group].is_err() {
            continue;
        }
        bytes += part.size;
        let stem = format!("{staging}{}", stem(&part.parcel.name));
        let (source, digest) = (part.parcel.path.as_path(), part.parcel.digest);
        jobs.push(Job { index, source, digest, stem });
    }
    if jobs.is_empty() {
        return Ok(false);
    }
    let sessions = crew::sessions(link, jobs.len(), bytes);
    let until = link.until();
    let mut first = link.take();
    let bench = Bench {
        queue: Mutex::new(jobs.into()),
        done: Mutex::default(),
        broke: AtomicBool::new(false),
    };
    let options = link.options.clone();
    let shape = Shape { mode: options.mode, group: options.group };
    let counter = AtomicU64::new(link.numbers());
    let open = || connect(&options, until);
    let (kept, failed) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..sessions)
            .map(|_| {
                let client = first.take();
                let sender = Sender {
                    bench: &bench,
                    disk,
                    shape,
                    connect: &open,
                    place: &place,
                    counter: &counter,
                };
                scope.spawn(move || sender.run(client))
            })
            .collect();
        crew::gather(workers, &place)
    });
    if let Some(client) = kept {
        link.give(client);
    }
    let mut open: Vec<usize> =
        bench.queue.into_inner().unwrap_or_default().into_iter().map(|job| job.index).collect();
    for (index, result) in bench.done.into_inner().unwrap_or_default() {
        match result {
            Ok(path) => parts[index].temporary = Some(path),
            Err(error) => fates[parts[index].group] = Err(error),
        }
    }
    open.retain(|&index| fates[parts[index].group].is_ok());
    for index in open {
        let error = failed.as_ref().map_or_else(
            || crew::lost(&place),
            |error| Error::new(error.fault, error.code, error.line()),
        );
        fates[parts[index].group] = Err(error);
    }
    Ok(bench.broke.into_inner())
}

/// Removes what was uploaded in vain; what cannot be removed is by the next delivery.
fn clean(link: &mut Link, disk: &Disk, parts: &[Part<'_>], broke: bool) {
    let left: Vec<&str> = parts
        .iter()
        .filter(|part| !part.done)
        .filter_map(|part| part.temporary.as_deref())
        .collect();
    if left.is_empty() && !broke {
        return;
    }
    let staging = link.options.outbox_tmp.clone();
    let removed = link.run("clean up", |client| {
        for path in &left {
            disk.steps().step("sftp remove");
            match done(client.call(&Request::Remove { path })?) {
                Err(fail) if fail.is_lost() => return Err(fail),
                _ => {}
            }
        }
        if broke { leftovers(client, disk, &staging, parts) } else { Ok(()) }
    });
    if let Err(error) = removed {
        tracing::debug!(error = error.line(), "temporary files are left in outbox_tmp");
    }
}
