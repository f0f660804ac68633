//! The downloads of one connection: several files at once, each in order.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::mpsc::SyncSender;

use super::client::{self, Answer, Client, Fail};
use super::wire::{self, Attributes, Reply, Request};
use crate::{Digest, Error};

/// Files on their way at once in a connection.
const FILES: usize = 16;
/// Bytes asked for and not here yet, in a connection.
const AHEAD: u64 = 2 << 20;
/// Bytes of one read: more, a server need not give at once (draft, section 3).
const BLOCK: u32 = 32_768;
/// How often a file may be in hand when the connection breaks.
const LOSSES: u32 = 3;

/// A file to fetch.
#[derive(Debug)]
pub(super) struct Job {
    /// Its number among the files.
    pub(super) index: usize,
    /// Where it is over there.
    pub(super) path: String,
    /// Its size as it was listed.
    pub(super) size: u64,
    /// How much of it is here already.
    pub(super) start: u64,
}

/// The files nobody has begun.
pub(super) type Queue = Mutex<VecDeque<Job>>;

/// What a file was like after its last byte was read.
#[derive(Debug)]
pub(super) struct After {
    pub(super) attributes: Attributes,
    /// Its SHA-256, where the server tells.
    pub(super) digest: Option<Digest>,
}

/// News for the disk.
pub(super) enum Event {
    /// The next bytes of a file.
    Bytes(usize, Vec<u8>),
    /// All its bytes were read, or that failed.
    Ended(usize, Box<Result<After, Trouble>>),
}

/// Why a file did not come.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Not for a reason of its own: what is here of it is of use later.
    Lost(Error),
    /// The server said no.
    Fail(Fail),
    /// It ends before its listed size.
    Short,
}

struct Active {
    job: Job,
    handle: Vec<u8>,
    /// What was asked for, and what came in order.
    asked: u64,
    at: u64,
    /// What a short answer left out: where, and how much.
    gaps: Vec<(u64, u32)>,
    /// What came too early.
    early: BTreeMap<u64, Vec<u8>>,
    /// Answers that are due.
    due: usize,
    after: Attributes,
    digest: Option<Digest>,
    trouble: Option<Trouble>,
    closing: bool,
    losses: u32,
}

#[derive(Clone, Copy)]
enum What {
    Open,
    Read { offset: u64, length: u32 },
    Stat,
    Digest,
    Close,
}

/// One connection's part of the work.
pub(super) struct Receiver<'a> {
    pub(super) queue: &'a Queue,
    pub(super) events: SyncSender<Event>,
    /// Opens a connection.
    pub(super) connect: &'a (dyn Fn() -> Result<Client, Error> + Sync),
    pub(super) place: &'a str,
}

/// What a worker does when nobody listens any more.
struct Unheard;

struct Work {
    active: HashMap<usize, Active>,
    due: HashMap<u32, (usize, What)>,
    /// Bytes on their way.
    ahead: u64,
}

impl Receiver<'_> {
    /// Works until nothing is left; hands the connection back if it is good.
    pub(super) fn run(&self, first: Option<Client>) -> Result<Option<Client>, Error> {
        let mut client = match first {
            Some(client) => Some(client),
            None => Some((self.connect)()?),
        };
        let mut again: VecDeque<Active> = VecDeque::new();
        let mut most = FILES;
        while let Some(mut session) = client.take() {
            let mut work = Work { active: HashMap::new(), due: HashMap::new(), ahead: 0 };
            match self.session(&mut session, &mut work, &mut again, &mut most) {
                Ok(Ok(())) => return Ok(Some(session)),
                Ok(Err(Unheard)) => return Ok(None),
                Err(fail) => {
                    // One at a time from here on, so that a file which breaks the connection
                    // takes no others with it.
                    most = 1;
                    let error = || fail_text(&fail, self.place);
                    for (_, mut file) in work.active {
                        file.losses += 1;
                        file.restart();
                        if file.losses < LOSSES {
                            again.push_back(file);
                        } else if self.end(&file.job, Err(Trouble::Lost(error()))).is_err() {
                            return Ok(None);
                        }
                    }
                }
            }
            if again.is_empty() && self.queue.lock().is_ok_and(|queue| queue.is_empty()) {
                return Ok(None);
            }
            match (self.connect)() {
                Ok(next) => client = Some(next),
                Err(error) => {
                    for file in again {
                        let error = Error::wait(error.code, error.line());
                        if self.end(&file.job, Err(Trouble::Lost(error))).is_err() {
                            break;
                        }
                    }
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    fn session(
        &self,
        client: &mut Client,
        work: &mut Work,
        again: &mut VecDeque<Active>,
        most: &mut usize,
    ) -> Answer<Result<(), Unheard>> {
        loop {
            while work.active.len() < *most {
                let queued = || self.queue.lock().ok()?.pop_front().map(Active::new);
                let Some(file) = again.pop_front().or_else(queued) else { break };
                work.open(client, file)?;
            }
            if work.active.is_empty() {
                return Ok(Ok(()));
            }
            work.ask(client)?;
            let (id, reply) = client.receive()?;
            let (index, what) = work.due.remove(&id).ok_or_else(client::stray)?;
            if let What::Read { length, .. } = what {
                work.ahead -= u64::from(length);
            }
            let Some(file) = work.active.get_mut(&index) else { return Err(client::stray()) };
            file.due -= 1;
            for bytes in file.take(what, reply)? {
                if self.events.send(Event::Bytes(index, bytes)).is_err() {
                    return Ok(Err(Unheard));
                }
            }
            if file.is_over() {
                let over = work.active.remove(&index);
                let Some(file) = over else { return Err(client::stray()) };
                *most = FILES.min(most.saturating_mul(2));
                let after = After { attributes: file.after, digest: file.digest };
                if self.end(&file.job, file.trouble.map_or(Ok(after), Err)).is_err() {
                    return Ok(Err(Unheard));
                }
            }
        }
    }

    fn end(&self, job: &Job, result: Result<After, Trouble>) -> Result<(), Unheard> {
        self.events.send(Event::Ended(job.index, Box::new(result))).map_err(|_| Unheard)
    }
}

fn fail_text(fail: &Fail, place: &str) -> Error {
    let why = match fail {
        Fail::Lost(why) => why.clone(),
        Fail::Status(code, text) => client::say(*code, text),
    };
    Fail::Lost(why).error(place, "fetch")
}

impl Work {
    fn open(&mut self, client: &mut Client, mut file: Active) -> Answer<()> {
        let open = Request::Open { path: &file.job.path, flags: wire::READ, mode: None };
        let id = client.send(&open)?;
        self.due.insert(id, (file.job.index, What::Open));
        file.due += 1;
        self.active.insert(file.job.index, file);
        Ok(())
    }

    /// Asks for more, as far as the window allows.
    fn ask(&mut self, client: &mut Client) -> Answer<()> {
        let hashes = client.offers("check-file");
        let mut indices: Vec<usize> = self.active.keys().copied().collect();
        indices.sort_unstable();
        for index in indices {
            let Some(file) = self.active.get_mut(&index) else { continue };
            if file.handle.is_empty() || file.closing {
                continue;
            }
            while self.ahead < AHEAD {
                let Some((offset, length)) = file.next() else { break };
                let id = client.send(&Request::Read { handle: &file.handle, offset, length })?;
                self.due.insert(id, (index, What::Read { offset, length }));
                file.due += 1;
                self.ahead += u64::from(length);
            }
            if file.due == 0 && (file.trouble.is_some() || file.at >= file.job.size) {
                let handle = &file.handle;
                let mut last = vec![(Request::Close { handle }, What::Close)];
                if file.trouble.is_none() {
                    last.push((Request::Fstat { handle }, What::Stat));
                    if hashes {
                        last.push((Request::CheckFile { handle }, What::Digest));
                    }
                    last.reverse();
                }
                for (request, what) in last {
                    let id = client.send(&request)?;
                    self.due.insert(id, (index, what));
                    file.due += 1;
                }
                file.closing = true;
            }
        }
        Ok(())
    }
}

impl Active {
    fn new(job: Job) -> Self {
        Self {
            handle: Vec::new(),
            asked: job.start,
            at: job.start,
            gaps: Vec::new(),
            early: BTreeMap::new(),
            due: 0,
            after: Attributes::default(),
            digest: None,
            trouble: None,
            closing: false,
            losses: 0,
            job,
        }
    }

    /// What to ask for next.
    fn next(&mut self) -> Option<(u64, u32)> {
        if self.trouble.is_some() {
            return None;
        }
        if let Some(gap) = self.gaps.pop() {
            return Some(gap);
        }
        let left = self.job.size.saturating_sub(self.asked);
        let length = u32::try_from(left).unwrap_or(BLOCK).min(BLOCK);
        let offset = self.asked;
        self.asked += u64::from(length);
        (length > 0).then_some((offset, length))
    }

    /// To be gone on with over another connection.
    fn restart(&mut self) {
        self.handle.clear();
        self.asked = self.at;
        self.gaps.clear();
        self.early.clear();
        self.due = 0;
        self.trouble = None;
        self.closing = false;
    }

    fn is_over(&self) -> bool {
        self.due == 0 && (self.closing || (self.handle.is_empty() && self.trouble.is_some()))
    }

    /// Takes an answer; what can be written because of it.
    fn take(&mut self, what: What, reply: Reply) -> Answer<Vec<Vec<u8>>> {
        match (what, reply) {
            (What::Open, reply) => match client::handle(reply) {
                Ok(handle) if !handle.is_empty() => self.handle = handle,
                Ok(_) => return Err(client::stray()),
                Err(fail) if fail.is_lost() => return Err(fail),
                Err(fail) => self.trouble = Some(Trouble::Fail(fail)),
            },
            (What::Read { offset, length }, Reply::Data(data)) => {
                let got = u32::try_from(data.len()).unwrap_or(u32::MAX);
                if got == 0 || got > length {
                    return Err(client::stray());
                }
                if got < length {
                    self.gaps.push((offset + u64::from(got), length - got));
                }
                return Ok(self.place(offset, data));
            }
            (What::Read { offset, .. }, Reply::Status { code: wire::EOF, .. }) => {
                if offset < self.job.size {
                    self.trouble = Some(Trouble::Short);
                }
            }
            (What::Read { .. } | What::Stat, Reply::Status { code, text }) => {
                self.trouble = Some(Trouble::Fail(Fail::Status(code, text)));
            }
            (What::Stat, reply) => self.after = client::attributes(reply)?,
            (What::Digest, Reply::Extended(answer)) => self.digest = wire::checked(&answer),
            (What::Digest | What::Close, Reply::Status { .. }) => {}
            _ => return Err(client::stray()),
        }
        Ok(Vec::new())
    }

    fn place(&mut self, offset: u64, data: Vec<u8>) -> Vec<Vec<u8>> {
        let mut ready = Vec::new();
        if offset > self.at {
            self.early.insert(offset, data);
            return ready;
        }
        self.push(offset, data, &mut ready);
        while let Some(entry) = self.early.first_entry().filter(|entry| *entry.key() <= self.at) {
            let (offset, data) = entry.remove_entry();
            self.push(offset, data, &mut ready);
        }
        ready
    }

    fn push(&mut self, offset: u64, mut data: Vec<u8>, ready: &mut Vec<Vec<u8>>) {
        let known = usize::try_from(self.at - offset).unwrap_or(usize::MAX);
        if known >= data.len() {
            return;
        }
        data.drain(..known);
        self.at += data.len() as u64;
        ready.push(data);
    }
}
