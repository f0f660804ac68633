//! Requests and answers over a connection: any number of requests may be on their way at once.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use ssh2::{Channel, Session};

use super::code::{SFTP_LOST, SFTP_REFUSED};
use super::options::Options;
use super::wire::{self, Attributes, Reply, Request};
use crate::{Error, Result};

/// How much to read from the connection at a time.
const BUFFER: usize = 256 * 1024;
/// How many requests for more names are on their way at once.
const LISTING: usize = 8;
/// A directory with more names than this is not an inbox.
const MOST_NAMES: usize = 1_000_000;

/// A longer name is no file's.
const LONGEST: usize = 4096;

/// Why something could not be done over there.
#[derive(Debug)]
pub(super) enum Fail {
    /// The connection is of no more use.
    Lost(String),
    /// The server says no: the status, in its own words.
    Status(u32, String),
}

/// What was asked of the server came out as `T`, or not.
pub(super) type Answer<T> = std::result::Result<T, Fail>;

impl Fail {
    /// The error for people: `what` was to be done.
    pub(super) fn error(self, place: &str, what: &str) -> Error {
        match self {
            Self::Lost(why) => {
                Error::wait(SFTP_LOST, format!("{place}: {what}: the connection is lost: {why}"))
                    .hint("the next exchange tries again; nothing is lost by it")
            }
            Self::Status(code, text) => {
                Error::wait(SFTP_REFUSED, format!("{place}: {what}: {}", say(code, &text)))
            }
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_))
    }

    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Status(wire::NO_SUCH_FILE, _))
    }
}

/// A status in words: the server's, unless it has none.
pub(super) fn say(code: u32, text: &str) -> String {
    let plain = match code {
        wire::OK => "no error",
        wire::EOF => "end of file",
        wire::NO_SUCH_FILE => "no such file",
        wire::PERMISSION_DENIED => "permission denied",
        4 => "failure",
        5 => "bad message",
        wire::UNSUPPORTED => "not supported",
        _ => "refused",
    };
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    if text.is_empty() || text.eq_ignore_ascii_case(plain) {
        format!("{plain} (status {code})")
    } else {
        format!("{plain} (status {code}: {text})")
    }
}

/// A session with the server.
pub(super) struct Client {
    session: Session,
    socket: TcpStream,
    channel: Channel,
    extensions: Vec<(String, String)>,
    idle: Duration,
    deadline: Instant,
    next: u32,
    out: Vec<u8>,
    input: Vec<u8>,
    from: usize,
    to: usize,
}

impl Drop for Client {
    fn drop(&mut self) {
        // What libssh2 says good-bye to waits for an answer; nobody needs it. Without the socket it
        // fails at once.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl Client {
    pub(super) fn new(
        session: Session,
        socket: TcpStream,
        channel: Channel,
        options: &Options,
        extensions: Vec<(String, String)>,
        deadline: Instant,
    ) -> Self {
        Self {
            session,
            socket,
            channel,
            extensions,
            idle: options.patience.idle,
            deadline,
            next: 1,
            out: Vec::with_capacity(BUFFER),
            input: vec![0; 2 * BUFFER],
            from: 0,
            to: 0,
        }
    }

    /// Whether the server offers an extension.
    pub(super) fn offers(&self, name: &str) -> bool {
        self.extensions.iter().any(|(offered, _)| offered == name)
    }

    /// The names of what it offers.
    pub(super) fn extensions(&self) -> impl Iterator<Item = &str> {
        self.extensions.iter().map(|(name, _)| name.as_str())
    }

    /// Sets when the patience with the whole call ends.
    pub(super) fn until(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Puts a request on its way, with the next [`Self::flush`] at the latest.
    pub(super) fn send(&mut self, request: &Request<'_>) -> Answer<u32> {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        request.encode(id, &mut self.out);
        if self.out.len() >= BUFFER {
            self.flush()?;
        }
        Ok(id)
    }

    /// Sends what is waiting.
    pub(super) fn flush(&mut self) -> Answer<()> {
        let mut sent = 0;
        let mut heard = Instant::now();
        while sent < self.out.len() {
            match self.channel.write(&self.out[sent..]) {
                Ok(0) => return Err(Fail::Lost("the server closed the channel".into())),
                Ok(count) => {
                    sent += count;
                    heard = Instant::now();
                }
                Err(error) => self.patient(&error, heard)?,
            }
        }
        self.out.clear();
        Ok(())
    }

    /// The next answer, and the number of its request.
    pub(super) fn receive(&mut self) -> Answer<(u32, Reply)> {
        if !self.out.is_empty() {
            self.flush()?;
        }
        loop {
            if let Some(length) = self.waiting()? {
                let packet = &self.input[self.from + 4..self.from + 4 + length];
                let reply = Reply::decode(packet);
                self.from += 4 + length;
                return reply.ok_or_else(|| Fail::Lost("it sent what no client can read".into()));
            }
            self.fill()?;
        }
    }

    /// The length of the packet that is here as a whole.
    fn waiting(&self) -> Answer<Option<usize>> {
        let Some((length, rest)) = self.input[self.from..self.to].split_at_checked(4) else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(length.try_into().unwrap_or_default());
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > wire::MOST_PACKET {
            return Err(Fail::Lost(format!("it sent a packet of {length} bytes")));
        }
        Ok((rest.len() >= length).then_some(length))
    }

    fn fill(&mut self) -> Answer<()> {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        }
        if self.input.len() - self.to < BUFFER / 2 {
            self.input.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
            if self.input.len() - self.to < BUFFER / 2 {
                self.input.resize(self.input.len() * 2, 0);
            }
        }
        let heard = Instant::now();
        loop {
            let end = self.input.len().min(self.to + BUFFER);
            match self.channel.read(&mut self.input[self.to..end]) {
                Ok(0) => return Err(Fail::Lost("the server ended the session".into())),
                Ok(count) => {
                    self.to += count;
                    return if Instant::now() > self.deadline { Err(late()) } else { Ok(()) };
                }
                Err(error) => self.patient(&error, heard)?,
            }
        }
    }

    /// A tick without news is none yet; other errors are.
    fn patient(&self, error: &std::io::Error, heard: Instant) -> Answer<()> {
        match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted => {
                let now = Instant::now();
                if now > self.deadline {
                    return Err(late());
                }
                if now.saturating_duration_since(heard) >= self.idle {
                    let seconds = self.idle.as_secs_f32();
                    return Err(Fail::Lost(format!("no sign of life for {seconds} s")));
                }
                let alive = self.session.keepalive_send();
                alive.map(drop).map_err(|error| Fail::Lost(error.message().to_owned()))
            }
            _ => Err(Fail::Lost(error.to_string())),
        }
    }

    /// One request and its answer, with nothing else on its way.
    pub(super) fn call(&mut self, request: &Request<'_>) -> Answer<Reply> {
        let id = self.send(request)?;
        match self.receive()? {
            (got, reply) if got == id => Ok(reply),
            _ => Err(stray()),
        }
    }

    /// Looks at names, all at once.
    pub(super) fn lstat(&mut self, paths: &[&str]) -> Answer<Vec<Answer<Attributes>>> {
        let requests: Vec<_> = paths.iter().map(|path| Request::Lstat { path }).collect();
        Ok(self.all(&requests)?.into_iter().map(attributes).collect())
    }

    /// Sends requests and takes their answers, in the order of the requests.
    pub(super) fn all(&mut self, requests: &[Request<'_>]) -> Answer<Vec<Reply>> {
        let mut replies = Vec::with_capacity(requests.len());
        for chunk in requests.chunks(256) {
            let first = self.next;
            for request in chunk {
                self.send(request)?;
            }
            let mut found: Vec<Option<Reply>> = chunk.iter().map(|_| None).collect();
            for _ in chunk {
                let (id, reply) = self.receive()?;
                let at = usize::try_from(id.wrapping_sub(first)).unwrap_or(usize::MAX);
                *found.get_mut(at).ok_or_else(stray)? = Some(reply);
            }
            replies.extend(found.into_iter().flatten());
        }
        if replies.len() == requests.len() { Ok(replies) } else { Err(stray()) }
    }

    /// The names in a directory that are text, with what the server tells of each; `.` and `..` are
    /// left out, and what is no name.
    pub(super) fn list(&mut self, path: &str) -> Answer<Vec<(String, Attributes)>> {
        let handle = handle(self.call(&Request::OpenDir { path })?)?;
        let mut names = Vec::new();
        let mut due = 0;
        let mut end = None;
        loop {
            while due < LISTING && end.is_none() {
                self.send(&Request::ReadDir { handle: &handle })?;
                due += 1;
            }
            if due == 0 {
                break;
            }
            match self.receive()?.1 {
                Reply::Names(more) if names.len() + more.len() <= MOST_NAMES => {
                    for (name, attributes) in more {
                        match String::from_utf8(name) {
                            Ok(name) if name != "." && name != ".." && name.len() <= LONGEST => {
                                names.push((name, attributes));
                            }
                            _ => {}
                        }
                    }
                }
                Reply::Names(_) => return Err(Fail::Lost(format!("{path} has no end"))),
                Reply::Status { code: wire::EOF, .. } => end = Some(None),
                other => end = Some(Some(refusal(other))),
            }
            due -= 1;
        }
        self.call(&Request::Close { handle: &handle })?;
        match end.flatten() {
            Some(fail) => Err(fail),
            None => Ok(names),
        }
    }
}

/// The handle that was asked for.
pub(super) fn handle(reply: Reply) -> Answer<Vec<u8>> {
    match reply {
        Reply::Handle(handle) => Ok(handle),
        other => Err(refusal(other)),
    }
}

/// The attributes that were asked for.
pub(super) fn attributes(reply: Reply) -> Answer<Attributes> {
    match reply {
        Reply::Attributes(attributes) => Ok(attributes),
        other => Err(refusal(other)),
    }
}

/// Whether it was done.
pub(super) fn done(reply: Reply) -> Answer<()> {
    match reply {
        Reply::Status { code: wire::OK, .. } => Ok(()),
        other => Err(refusal(other)),
    }
}

fn refusal(reply: Reply) -> Fail {
    match reply {
        Reply::Status { code, text } if code != wire::OK => Fail::Status(code, text),
        _ => Fail::Lost("the answer does not fit the request".into()),
    }
}

/// An answer to nothing that was asked.
pub(super) fn stray() -> Fail {
    Fail::Lost("it answered what was not asked".into())
}

fn late() -> Fail {
    Fail::Lost("the time for the whole exchange is used up".into())
}

/// A result that an error of the client becomes an error for people in.
pub(super) trait Context<T> {
    /// `what` was to be done at `place`.
    fn at(self, place: &str, what: &str) -> Result<T>;
}

impl<T> Context<T> for Answer<T> {
    fn at(self, place: &str, what: &str) -> Result<T> {
        self.map_err(|fail| fail.error(place, what))
    }
}
