//! The uploads of one connection: several files at once, each under a temporary name.

use std::collections::{HashMap, VecDeque};
use std::io::Read as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::client::{self, Answer, Client, Fail};
use super::wire::{self, Attributes, Reply, Request};
use super::{SFTP_DAMAGED, SFTP_REFUSED};
use crate::disk::Disk;
use crate::{Digest, Error, Fault, Hasher, Result};

/// Files on their way at once in a connection.
const FILES: usize = 16;
/// Bytes sent and not acknowledged, in a connection.
const AHEAD: usize = 2 << 20;
/// Bytes of one write: no server need take more (draft, section 3).
const BLOCK: usize = 32_768;
/// Files up to this size are read back where the server tells no hash.
const READ_BACK: u64 = 32_768;
/// How often a file may be in hand when the connection breaks.
const LOSSES: u32 = 3;

/// A file to upload.
#[derive(Clone, Debug)]
pub(super) struct Job<'a> {
    /// Its number among the parts.
    pub(super) index: usize,
    /// Where it lies here, what it holds.
    pub(super) source: &'a Path,
    pub(super) digest: Digest,
    /// The directory and the beginning of its temporary name over there.
    pub(super) stem: String,
}

/// What the files are to be like over there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) mode: Option<u32>,
    pub(super) group: Option<u32>,
}

/// The files nobody has begun, and what became of the others: the temporary name, or the error.
pub(super) struct Bench<'a> {
    pub(super) queue: Mutex<VecDeque<Job<'a>>>,
    pub(super) done: Mutex<Vec<(usize, Result<String>)>>,
    /// Whether a connection broke: then temporary files may be left that nobody knows of.
    pub(super) broke: AtomicBool,
}

struct Active<'a> {
    job: Job<'a>,
    path: String,
    file: std::fs::File,
    size: u64,
    handle: Vec<u8>,
    /// Bytes read here and put on their way.
    sent: u64,
    hasher: Option<Hasher<std::io::Sink>>,
    /// The content, of a small file: to compare with what is read back.
    small: Vec<u8>,
    due: usize,
    asked_owner: bool,
    owner: Option<u32>,
    error: Option<Error>,
    closing: bool,
    removing: bool,
    /// How it may be opened: some servers let nobody read what is being written.
    reads: bool,
    losses: u32,
}

#[derive(Clone, Copy)]
enum What {
    Open,
    Write(usize),
    Owner,
    Shape,
    Fsync,
    Stat,
    Digest,
    ReadBack,
    Close,
    Remove,
}

/// One connection's part of the work.
pub(super) struct Sender<'s, 'a> {
    pub(super) bench: &'s Bench<'a>,
    pub(super) disk: &'s Disk,
    pub(super) shape: Shape,
    pub(super) connect: &'s (dyn Fn() -> Result<Client> + Sync),
    pub(super) place: &'s str,
    /// Makes temporary names unique in this process.
    pub(super) counter: &'s AtomicU64,
}

struct Work<'a> {
    active: HashMap<usize, Active<'a>>,
    due: HashMap<u32, (usize, What)>,
    ahead: usize,
}

impl<'a> Sender<'_, 'a> {
    /// Works until nothing is left; hands the connection back if it is good.
    pub(super) fn run(&self, first: Option<Client>) -> Result<Option<Client>> {
        let mut client = match first {
            Some(client) => Some(client),
            None => Some((self.connect)()?),
        };
        let mut again: VecDeque<(Job<'a>, u32)> = VecDeque::new();
        let mut most = FILES;
        while let Some(mut session) = client.take() {
            let mut work = Work { active: HashMap::new(), due: HashMap::new(), ahead: 0 };
            match self.session(&mut session, &mut work, &mut again, &mut most) {
                Ok(()) => return Ok(Some(session)),
                Err(fail) => {
                    most = 1;
                    self.bench.broke.store(true, Ordering::Relaxed);
                    let why = match &fail {
                        Fail::Lost(why) => why.clone(),
                        Fail::Status(code, text) => client::say(*code, text),
                    };
                    for (_, file) in work.active {
                        if file.losses + 1 < LOSSES {
                            again.push_back((file.job, file.losses + 1));
                        } else {
                            let lost = Fail::Lost(why.clone());
                            let what = format!("upload {}", file.path);
                            self.end(file.job.index, Err(lost.error(self.place, &what)));
                        }
                    }
                }
            }
            if again.is_empty() && self.bench.queue.lock().is_ok_and(|queue| queue.is_empty()) {
                return Ok(None);
            }
            match (self.connect)() {
                Ok(next) => client = Some(next),
                Err(error) => {
                    for (job, _) in again {
                        self.end(job.index, Err(Error::wait(error.code, error.line())));
                    }
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    fn end(&self, index: usize, result: Result<String>) {
        if let Ok(mut done) = self.bench.done.lock() {
            done.push((index, result));
        }
    }

    fn session(
        &self,
        client: &mut Client,
        work: &mut Work<'a>,
        again: &mut VecDeque<(Job<'a>, u32)>,
        most: &mut usize,
    ) -> Answer<()> {
        loop {
            while work.active.len() < *most {
                let queued = || Some((self.bench.queue.lock().ok()?.pop_front()?, 0));
                let Some((job, losses)) = again.pop_front().or_else(queued) else { break };
                match Active::new(self.disk, job, losses) {
                    Ok(file) => self.open(client, work, file)?,
                    Err((index, error)) => self.end(index, Err(error)),
                }
            }
            if work.active.is_empty() {
                return Ok(());
            }
            self.push(client, work)?;
            let (id, reply) = client.receive()?;
            let (index, what) = work.due.remove(&id).ok_or_else(client::stray)?;
            if let What::Write(length) = what {
                work.ahead -= length;
            }
            let Some(file) = work.active.get_mut(&index) else { return Err(client::stray()) };
            file.due -= 1;
            if let (What::Open, Reply::Status { code, text }) = (&what, &reply) {
                let Some(mut file) = work.active.remove(&index) else { continue };
                if file.reads && *code != wire::NO_SUCH_FILE {
                    file.reads = false;
                    self.open(client, work, file)?;
                } else {
                    let why = client::say(*code, text);
                    let what = format!("{}: cannot create {}: {why}", self.place, file.path);
                    let error = Error::wait(SFTP_REFUSED, what);
                    self.end(index, Err(error.hint("may the account write to outbox_tmp?")));
                }
                continue;
            }
            file.take(what, reply, self.place)?;
            if file.due == 0 && file.closing {
                if file.error.is_some() && !file.removing {
                    file.removing = true;
                    self.disk.steps().step("sftp remove");
                    let id = client.send(&Request::Remove { path: &file.path })?;
                    work.due.insert(id, (index, What::Remove));
                    file.due = 1;
                    continue;
                }
                let Some(file) = work.active.remove(&index) else { continue };
                *most = FILES.min(most.saturating_mul(2));
                self.end(index, file.error.map_or(Ok(file.path), Err));
            }
        }
    }

    fn open(&self, client: &mut Client, work: &mut Work<'a>, mut file: Active<'a>) -> Answer<()> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        file.path = format!("{}{}-{number}", file.job.stem, std::process::id());
        let reads = file.reads && (client.offers("check-file") || file.size <= READ_BACK);
        file.reads = reads;
        let flags = wire::WRITE | wire::CREATE_NEW | if reads { wire::READ } else { 0 };
        // Nobody else's before it is whole and has its mode.
        let mode = self.shape.mode.map(|_| 0o600);
        self.disk.steps().step("sftp create");
        let id = client.send(&Request::Open { path: &file.path, flags, mode })?;
        work.due.insert(id, (file.job.index, What::Open));
        file.due = 1;
        work.active.insert(file.job.index, file);
        Ok(())
    }

    /// Sends more, as far as the window allows, and ends what is sent.
    fn push(&self, client: &mut Client, work: &mut Work<'a>) -> Answer<()> {
        let mut block = [0; BLOCK];
        let mut indices: Vec<usize> = work.active.keys().copied().collect();
        indices.sort_unstable();
        for index in indices {
            let Some(file) = work.active.get_mut(&index) else { continue };
            if file.handle.is_empty() || file.closing {
                continue;
            }
            let mut ask = |client: &mut Client, request: &Request<'_>, what: What| {
                let id = client.send(request)?;
                work.due.insert(id, (index, what));
                Answer::Ok(())
            };
            if self.shape.group.is_some() && !file.asked_owner {
                file.asked_owner = true;
                ask(client, &Request::Fstat { handle: &file.handle }, What::Owner)?;
                file.due += 1;
            }
            while file.error.is_none() && file.sent < file.size && work.ahead < AHEAD {
                let length = match file.read(&mut block) {
                    Ok(length) => length,
                    Err(error) => {
                        file.error = Some(error);
                        break;
                    }
                };
                let data = &block[..length];
                let (handle, offset) = (&file.handle, file.sent);
                ask(client, &Request::Write { handle, offset, data }, What::Write(length))?;
                file.sent += length as u64;
                file.due += 1;
                work.ahead += length;
            }
            let sent = file.sent == file.size;
            // A small file needs no wait between its parts: they are answered in order.
            let ready = file.due == 0 || (sent && file.size <= READ_BACK);
            let known = self.shape.group.is_none() || file.owner.is_some() || file.error.is_some();
            if ready && known && (sent || file.error.is_some()) {
                file.finish(client, self, &mut work.due)?;
            }
        }
        Ok(())
    }
}

impl<'a> Active<'a> {
    fn new(disk: &Disk, job: Job<'a>, losses: u32) -> Result<Self, (usize, Error)> {
        let opened = disk.open(job.source).and_then(|file| {
            let meta = file.metadata().map_err(|error| Error::io("look at", job.source, error))?;
            Ok((file, meta.len()))
        });
        let (file, size) = match opened {
            Ok(opened) => opened,
            Err(error) => return Err((job.index, error)),
        };
        Ok(Self {
            path: String::new(),
            file,
            size,
            handle: Vec::new(),
            sent: 0,
            hasher: Some(Hasher::new(std::io::sink())),
            small: Vec::new(),
            due: 0,
            asked_owner: false,
            owner: None,
            error: None,
            closing: false,
            removing: false,
            reads: true,
            losses,
            job,
        })
    }

    /// Reads the next block of our file.
    fn read(&mut self, block: &mut [u8]) -> Result<usize> {
        let failed = |error| Error::io("read", self.job.source, error);
        let want = block.len().min(usize::try_from(self.size - self.sent).unwrap_or(usize::MAX));
        self.file.read_exact(&mut block[..want]).map_err(failed)?;
        if let Some(hasher) = &mut self.hasher {
            std::io::Write::write_all(hasher, &block[..want]).map_err(failed)?;
        }
        if self.reads && self.size <= READ_BACK {
            self.small.extend(&block[..want]);
        }
        Ok(want)
    }

    /// Everything is on its way or failed: makes it durable, looks at it, closes it.
    fn finish(
        &mut self,
        client: &mut Client,
        sender: &Sender<'_, '_>,
        due: &mut HashMap<u32, (usize, What)>,
    ) -> Answer<()> {
        if self.error.is_none() {
            let digest = self.hasher.take().map(|hasher| hasher.finish().2);
            if digest != Some(self.job.digest) {
                let path = self.job.source.display();
                let what = format!("{path} no longer holds what was to be delivered");
                self.error = Some(Error::new(Fault::Setup, crate::DISK, what));
            }
        }
        let handle = self.handle.as_slice();
        let mut requests = Vec::new();
        if self.error.is_none() {
            let owner = self.owner.zip(sender.shape.group);
            if owner.is_some() || sender.shape.mode.is_some() {
                sender.disk.steps().step("sftp setstat");
                let mode = sender.shape.mode;
                let attributes = Attributes { owner, mode, ..Attributes::default() };
                requests.push((Request::Fsetstat { handle, attributes }, What::Shape));
            }
            if client.offers("fsync@openssh.com") {
                requests.push((Request::Fsync { handle }, What::Fsync));
            }
            requests.push((Request::Fstat { handle }, What::Stat));
            if self.reads && client.offers("check-file") {
                requests.push((Request::CheckFile { handle }, What::Digest));
            } else if self.reads && self.size > 0 {
                let length = u32::try_from(self.size).unwrap_or(u32::MAX);
                requests.push((Request::Read { handle, offset: 0, length }, What::ReadBack));
            }
        }
        requests.push((Request::Close { handle }, What::Close));
        for (request, what) in requests {
            let id = client.send(&request)?;
            due.insert(id, (self.job.index, what));
            self.due += 1;
        }
        self.closing = true;
        Ok(())
    }

    fn take(&mut self, what: What, reply: Reply, place: &str) -> Answer<()> {
        let path = &self.path;
        let damaged = |why: String| {
            Error::wait(SFTP_DAMAGED, format!("{place}: {path}: {why}"))
                .hint("is the disk over there full?")
        };
        let verb = match what {
            What::Open => {
                self.handle = client::handle(reply)?;
                return if self.handle.is_empty() { Err(client::stray()) } else { Ok(()) };
            }
            What::Owner => {
                self.owner = client::attributes(reply)?.owner.map(|(user, _)| user);
                if self.owner.is_none() {
                    let what = format!("{place}: {path}: the server tells no owner");
                    let error = Error::wait(SFTP_REFUSED, what);
                    self.error = Some(error.hint("leave group out of the configuration"));
                }
                return Ok(());
            }
            What::Stat => {
                match client::attributes(reply) {
                    Ok(Attributes { size: Some(size), .. }) if size != self.size => {
                        let why = format!("of {} bytes, {size} arrived", self.size);
                        self.error.get_or_insert(damaged(why));
                    }
                    Err(fail) if fail.is_lost() => return Err(fail),
                    _ => {}
                }
                return Ok(());
            }
            What::Digest => {
                if let Reply::Extended(answer) = reply
                    && wire::checked(&answer).is_some_and(|theirs| theirs != self.job.digest)
                {
                    let why = "its SHA-256 over there is not ours".to_owned();
                    self.error.get_or_insert(damaged(why));
                }
                return Ok(());
            }
            What::ReadBack => {
                if let Reply::Data(data) = reply
                    && !self.small.starts_with(&data)
                {
                    let why = "read back, it is something else".to_owned();
                    self.error.get_or_insert(damaged(why));
                }
                return Ok(());
            }
            What::Remove => return Ok(()),
            What::Write(_) => "write",
            What::Shape => "set mode and group of",
            What::Fsync => "make durable",
            What::Close => "close",
        };
        match client::done(reply) {
            Ok(()) => Ok(()),
            Err(Fail::Status(wire::UNSUPPORTED, _)) if matches!(what, What::Fsync) => Ok(()),
            Err(fail) if fail.is_lost() => Err(fail),
            Err(fail) => {
                self.error.get_or_insert(fail.error(place, &format!("{verb} {path}")));
                Ok(())
            }
        }
    }
}
