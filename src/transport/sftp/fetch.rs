//! Fetching: connections bring the bytes, this thread writes them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{self, TryRecvError, sync_channel};

use super::crew;
use super::landing::{self, Landed, Landing};
use super::link::{Link, connect};
use super::options::join;
use super::receiver::{After, Event, Job, Queue, Receiver, Trouble};
use super::{SFTP_REFUSED, is_component, listed};
use crate::disk::Disk;
use crate::transport::{CHANGED, Fetched, Listed};
use crate::{Digest, Error, NOT_FOUND, Result};

/// Messages to the disk that may wait; each holds at most 32 KiB.
const WAITING: usize = 256;
/// Files whose times have to be compared with another listing, and wait for it together.
const DOUBTFUL: usize = 128;
/// Whole files that are made durable together.
const TOGETHER: usize = 64;

type Done<'a> = dyn FnMut(&Listed, Result<Fetched>) -> Result<()> + 'a;

/// See [`crate::transport::Transport::fetch`]. What came in part of files that are not in `listing`
/// any more is removed.
pub(super) fn fetch(
    link: &mut Link,
    disk: &Disk,
    files: &[Listed],
    listing: Option<&[Listed]>,
    into: &Path,
    done: &mut Done<'_>,
) -> Result<()> {
    let until = link.begin();
    let server = format!("{}\n{}", link.options.place(), link.options.inbox);
    if let Some(listing) = listing {
        landing::forget(disk, into, &server, listing)?;
    }
    let mut desk = Desk {
        disk,
        files,
        into,
        server,
        place: link.options.place(),
        landings: HashMap::new(),
        doubtful: Vec::new(),
        whole: Vec::new(),
        open: vec![true; files.len()],
    };
    let mut jobs = Vec::new();
    for (index, file) in files.iter().enumerate() {
        if is_component(&file.name) {
            let path = join(&link.options.inbox, &file.name);
            jobs.push(Job { index, path, size: file.size, start: desk.start(file) });
        } else {
            let what = format!("{}: {:?} is no file name", desk.place, file.name);
            desk.end(index, Err(Error::wait(SFTP_REFUSED, what)), done)?;
        }
    }
    if jobs.is_empty() {
        return Ok(());
    }
    let sessions = crew::sessions(link, jobs.len(), jobs.iter().map(|job| job.size).sum());
    let mut first = Some(match link.take() {
        Some(client) => client,
        None => connect(&link.options, until)?,
    });
    let queue: Queue = Mutex::new(jobs.into());
    let options = link.options.clone();
    let open = || connect(&options, until);
    let (kept, failed, outcome) = std::thread::scope(|scope| {
        let (events, news) = sync_channel(WAITING);
        let workers: Vec<_> = (0..sessions)
            .map(|_| {
                let events = events.clone();
                let client = first.take();
                let (queue, open, place) = (&queue, &open, desk.place.clone());
                scope.spawn(move || {
                    Receiver { queue, events, connect: open, place: &place }.run(client)
                })
            })
            .collect();
        drop(events);
        let outcome = desk.work(&news, link, done);
        // No connection must wait for a desk that ended early.
        drop(news);
        let (kept, failed) = crew::gather(workers, &desk.place);
        (kept, failed, outcome)
    });
    if let Some(client) = kept {
        link.give(client);
    }
    outcome?;
    desk.settle(link, done)?;
    let unknown = || Error::wait(super::SFTP_LOST, format!("{}: nothing came", desk.place));
    let left: Vec<usize> = (0..files.len()).filter(|&index| desk.open[index]).collect();
    if left.is_empty() {
        return Ok(());
    }
    let error = failed.unwrap_or_else(unknown);
    for index in left {
        let mut again = Error::new(error.fault, error.code, error.line());
        again.hint.clone_from(&error.hint);
        desk.end(index, Err(again), done)?;
    }
    Ok(())
}

/// What lies on our side of the connection.
struct Desk<'a> {
    disk: &'a Disk,
    files: &'a [Listed],
    into: &'a Path,
    /// The server and its directory, as partial files are named after them.
    server: String,
    place: String,
    landings: HashMap<usize, Landing<'a>>,
    /// Whole files whose time is not the one that was listed.
    doubtful: Vec<(usize, Landed<'a>)>,
    /// Whole files without their names.
    whole: Vec<(usize, Landed<'a>)>,
    /// Which files have no outcome yet.
    open: Vec<bool>,
}

impl<'a> Desk<'a> {
    fn start(&self, file: &Listed) -> u64 {
        if file.size < landing::RESUMED {
            return 0;
        }
        landing::begun(&landing::partial(self.into, &self.server, file), file)
    }

    /// Takes what the connections bring, until there is no more.
    fn work(
        &mut self,
        news: &mpsc::Receiver<Event>,
        link: &mut Link,
        done: &mut Done<'_>,
    ) -> Result<()> {
        loop {
            let event = match news.try_recv() {
                Ok(event) => event,
                Err(TryRecvError::Disconnected) => return self.publish(done),
                Err(TryRecvError::Empty) => {
                    // While nothing comes, what is whole gets its name.
                    self.publish(done)?;
                    match news.recv() {
                        Ok(event) => event,
                        Err(_) => return Ok(()),
                    }
                }
            };
            self.take(event, link, done)?;
            if self.whole.len() >= TOGETHER {
                self.publish(done)?;
            }
        }
    }

    fn end(&mut self, index: usize, result: Result<Fetched>, done: &mut Done<'_>) -> Result<()> {
        self.open[index] = false;
        done(&self.files[index], result)
    }

    fn landing(&mut self, index: usize) -> Result<&mut Landing<'a>> {
        match self.landings.entry(index) {
            std::collections::hash_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let file = &self.files[index];
                let partial = landing::partial(self.into, &self.server, file);
                let keep = (file.size >= landing::RESUMED)
                    .then(|| (partial.as_path(), landing::begun(&partial, file)));
                Ok(entry.insert(Landing::open(self.disk, self.into, keep)?))
            }
        }
    }

    fn take(&mut self, event: Event, link: &mut Link, done: &mut Done<'_>) -> Result<()> {
        match event {
            Event::Bytes(index, bytes) => {
                let path = self.into.join(&self.files[index].name);
                self.landing(index)?.take(&path, &bytes)
            }
            Event::Ended(index, result) => {
                self.landing(index)?; // an empty file has no bytes
                let Some(landing) = self.landings.remove(&index) else { return Ok(()) };
                match *result {
                    Ok(after) => self.arrived(index, landing, &after, link, done),
                    Err(Trouble::Lost(error)) => {
                        landing.leave()?;
                        self.end(index, Err(error), done)
                    }
                    Err(Trouble::Short) => {
                        let error = self.changed(index, "it is shorter than it was listed");
                        self.end(index, Err(error), done)
                    }
                    Err(Trouble::Fail(fail)) => {
                        let name = &self.files[index].name;
                        let error = if fail.is_absent() {
                            Error::wait(NOT_FOUND, format!("{}: {name} is gone", self.place))
                        } else {
                            fail.error(&self.place, &format!("fetch {name}"))
                        };
                        self.end(index, Err(error), done)
                    }
                }
            }
        }
    }

    fn changed(&self, index: usize, why: &str) -> Error {
        let what = format!("{}: {} has changed: {why}", self.place, self.files[index].name);
        Error::wait(CHANGED, what).hint("it is fetched when it has settled")
    }

    fn arrived(
        &mut self,
        index: usize,
        landing: Landing<'a>,
        after: &After,
        link: &mut Link,
        done: &mut Done<'_>,
    ) -> Result<()> {
        let file = &self.files[index];
        let differs = landing.differs();
        let came = landing.at;
        let (landed, digest): (Landed<'_>, Digest) = landing.close();
        let size = after.attributes.size.unwrap_or(came);
        let why = if differs {
            Some("what came of it earlier is of something else".to_owned())
        } else if came != file.size || size != file.size {
            Some(format!("listed with {} bytes, it has {size}", file.size))
        } else if after.digest.is_some_and(|theirs| theirs != digest) {
            Some("its SHA-256 over there is not that of what came".to_owned())
        } else {
            None
        };
        if let Some(why) = why {
            let error = self.changed(index, &why);
            return self.end(index, Err(error), done);
        }
        if after.attributes.modified() == file.modified {
            self.whole.push((index, landed));
            return Ok(());
        }
        self.doubtful.push((index, landed));
        if self.doubtful.len() >= DOUBTFUL { self.settle(link, done) } else { Ok(()) }
    }

    /// The times of these files are not those of the listing. Either they have changed, or the
    /// server tells other times of open files than in listings: another listing decides.
    fn settle(&mut self, link: &mut Link, done: &mut Done<'_>) -> Result<()> {
        if self.doubtful.is_empty() {
            return Ok(());
        }
        let inbox = link.options.inbox.clone();
        let names = link.run(&format!("list {inbox}"), |client| listed(client, &inbox))?;
        let mut said = false;
        for (index, landed) in std::mem::take(&mut self.doubtful) {
            let file = &self.files[index];
            if names.binary_search(file).is_ok() {
                if !said {
                    let server = &self.place;
                    tracing::info!(server, "its listings and its open files tell different times");
                    said = true;
                }
                self.whole.push((index, landed));
            } else {
                let error = self.changed(index, "its time is not the one that was listed");
                self.end(index, Err(error), done)?;
            }
        }
        self.publish(done)
    }

    /// Gives whole files their names, durably.
    fn publish(&mut self, done: &mut Done<'_>) -> Result<()> {
        let (indices, landed): (Vec<usize>, Vec<_>) = self.whole.drain(..).unzip();
        let names = indices.iter().map(|&index| self.files[index].name.as_str());
        let files = landed.into_iter().zip(names).collect();
        let outcomes = landing::publish(self.disk, self.into, files);
        for (index, fetched) in indices.into_iter().zip(outcomes) {
            self.end(index, fetched, done)?;
        }
        Ok(())
    }
}
