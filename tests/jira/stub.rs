//! A small Jira on a thread: Server (REST v2) or Cloud (REST v3), in memory, with a clock that
//! only its writes move, rules for faults, and a search index that can be made to lag. It is as
//! strict as Jira where that matters to a client, and records every request.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

#[path = "stub/jql.rs"]
pub mod jql;
#[path = "stub/render.rs"]
pub mod render;
#[path = "stub/routes.rs"]
pub mod routes;
#[path = "stub/world.rs"]
pub mod world;

pub use world::World;

/// What a rule does to a request.
#[derive(Clone, Debug)]
pub enum Act {
    /// Answer this instead: status, headers, body.
    Answer(u16, Vec<(String, String)>, String),
    /// Carry it out, then answer this status.
    AnswerAfter(u16),
    /// Hang up instead of carrying it out.
    Drop,
    /// Carry it out, then hang up.
    DropAfter,
    /// Wait first.
    Delay(Duration),
}

/// What goes wrong with some requests.
#[derive(Clone, Debug)]
pub struct Rule {
    pub method: &'static str,
    /// What the path ends with, or holds where it begins with `*`.
    pub path: String,
    pub skip: usize,
    pub times: usize,
    pub act: Act,
}

impl Rule {
    /// At the next request.
    pub fn next(method: &'static str, path: &str, act: Act) -> Self {
        Self { method, path: path.to_owned(), skip: 0, times: 1, act }
    }

    pub fn after(self, skip: usize) -> Self {
        Self { skip, ..self }
    }

    pub fn always(self) -> Self {
        Self { times: usize::MAX, ..self }
    }

    fn hits(&mut self, request: &Asked) -> bool {
        let path = match self.path.strip_prefix('*') {
            Some(part) => request.path.contains(part),
            None => request.path.ends_with(&self.path),
        };
        if self.method != request.method || !path || self.times == 0 {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.times = self.times.saturating_sub(1);
        true
    }
}

/// A status with headers and a body.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Act {
    let own = |text: &&str| (*text).to_owned();
    let headers = headers.iter().map(|(name, value)| (own(name), own(value))).collect();
    Act::Answer(status, headers, body.to_owned())
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub status: u16,
    /// When it was there, and when it was answered, since the stub began.
    pub span: (Duration, Duration),
}

/// How many of these requests came one after the other: the most of which each came after the one
/// before it was answered.
pub fn rounds(asked: &[Asked]) -> usize {
    let mut spans: Vec<(Duration, Duration)> = asked.iter().map(|asked| asked.span).collect();
    spans.sort_by_key(|(_, answered)| *answered);
    let mut free = None;
    let mut in_turn = |(came, answered): &(Duration, Duration)| {
        let follows = free.is_none_or(|free| *came >= free);
        free = if follows { Some(*answered) } else { free };
        follows
    };
    spans.iter().filter(|span| in_turn(span)).count()
}

/// How many of these requests were under way at the same time, at most.
pub fn at_once(asked: &[Asked]) -> usize {
    let under_way = |(at, _): &(Duration, Duration)| {
        asked.iter().filter(|other| other.span.0 <= *at && *at < other.span.1).count()
    };
    asked.iter().map(|asked| under_way(&asked.span)).max().unwrap_or(0)
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn arg(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// `POST /issue`: without the part that all paths have.
    pub fn short(&self) -> String {
        let path = self.path.trim_start_matches("/rest/api/2").trim_start_matches("/rest/api/3");
        format!("{} {path}", self.method)
    }
}

/// What comes back.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(status: u16, json: &Json) -> Self {
        Self { status, headers: vec![], body: json.to_string().into_bytes() }
    }

    pub fn empty(status: u16) -> Self {
        Self { status, headers: vec![], body: vec![] }
    }
}

struct Shared {
    world: Mutex<World>,
    rules: Mutex<Vec<Rule>>,
    asked: Mutex<Vec<Asked>>,
    latency: Mutex<Duration>,
    stop: std::sync::atomic::AtomicBool,
    begun: Instant,
}

/// The server; ends when it is dropped.
pub struct Stub {
    shared: Arc<Shared>,
    address: SocketAddr,
    secure: bool,
}

impl Stub {
    pub fn server() -> Self {
        Self::start(World::new(false))
    }

    pub fn cloud() -> Self {
        Self::start(World::new(true))
    }

    pub fn start(world: World) -> Self {
        Self::behind(world, None)
    }

    /// Over TLS, under `https://localhost` and its port.
    pub fn secure(world: World, tls: Arc<rustls::ServerConfig>) -> Self {
        Self::behind(world, Some(tls))
    }

    fn behind(world: World, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let secure = tls.is_some();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            world: Mutex::new(world),
            rules: Mutex::default(),
            asked: Mutex::default(),
            latency: Mutex::default(),
            stop: false.into(),
            begun: Instant::now(),
        });
        let accepting = shared.clone();
        // Their names tell the stub's threads from those of its client.
        let named = || std::thread::Builder::new().name("stub".to_owned());
        let accept = move || {
            for stream in listener.incoming() {
                if accepting.stop.load(std::sync::atomic::Ordering::Relaxed) {
                    return;
                }
                let (shared, tls) = (accepting.clone(), tls.clone());
                let Ok(stream) = stream else { continue };
                // A client that hangs up is none of our business.
                let serve = move || drop(answer_all(stream, tls, &shared));
                named().spawn(serve).unwrap();
            }
        };
        std::thread::Builder::new().name("stub".to_owned()).spawn(accept).unwrap();
        Self { shared, address, secure }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        match self.secure {
            true => format!("https://localhost:{}", self.address.port()),
            false => format!("http://{}", self.address),
        }
    }

    /// The tracker behind, to look at or to change as its users do.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world.lock().unwrap()
    }

    pub fn rule(&self, rule: Rule) {
        self.shared.rules.lock().unwrap().push(rule);
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        self.shared.rules.lock().unwrap().clear();
    }

    /// Every answer comes so much later.
    pub fn latency(&self, latency: Duration) {
        *self.shared.latency.lock().unwrap() = latency;
    }

    /// The requests since this was last asked.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.asked.lock().unwrap())
    }

    /// The requests since, in short.
    pub fn calls(&self) -> Vec<String> {
        self.asked().iter().map(Asked::short).collect()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.shared.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn answer_all(
    stream: TcpStream,
    tls: Option<Arc<rustls::ServerConfig>>,
    shared: &Shared,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    match tls {
        None => serve(stream, shared),
        Some(tls) => {
            let session = rustls::ServerConnection::new(tls).unwrap();
            serve(rustls::StreamOwned::new(session, stream), shared)
        }
    }
}

fn serve(stream: impl Read + Write, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(mut asked) = read(&mut reader)? {
        asked.span.0 = shared.begun.elapsed();
        let act = {
            let mut rules = shared.rules.lock().unwrap();
            rules.iter_mut().find_map(|rule| rule.hits(&asked).then(|| rule.act.clone()))
        };
        let latency = *shared.latency.lock().unwrap();
        if !latency.is_zero() {
            std::thread::sleep(latency);
        }
        if let Some(Act::Delay(delay)) = &act {
            std::thread::sleep(*delay);
        }
        let reply = match &act {
            Some(Act::Drop) => None,
            Some(Act::Answer(status, headers, body)) => Some(Reply {
                status: *status,
                headers: headers.clone(),
                body: body.clone().into_bytes(),
            }),
            act => {
                let reply = routes::answer(&mut shared.world.lock().unwrap(), &asked);
                match act {
                    Some(Act::DropAfter) => None,
                    Some(Act::AnswerAfter(status)) => Some(Reply::empty(*status)),
                    _ => Some(reply),
                }
            }
        };
        asked.status = reply.as_ref().map_or(0, |reply| reply.status);
        asked.span.1 = shared.begun.elapsed();
        shared.asked.lock().unwrap().push(asked);
        let Some(reply) = reply else { return Ok(()) };
        let mut head = format!(
            "HTTP/1.1 {} Status\r\nContent-Length: {}\r\nDate: Mon, 10 Mar 2025 08:00:00 GMT\r\n",
            reply.status,
            reply.body.len()
        );
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend(&reply.body);
        reader.get_mut().write_all(&bytes)?;
        reader.get_mut().flush()?;
    }
    Ok(())
}

fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Asked>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    });
    let mut asked = Asked {
        method,
        path: decode(path),
        query: query.collect(),
        headers: vec![],
        body: vec![],
        status: 0,
        span: Default::default(),
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        asked.headers.push((name.to_owned(), value.to_owned()));
    }
    let length = asked.header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    asked.body.resize(length, 0);
    reader.read_exact(&mut asked.body)?;
    Ok(Some(asked))
}

/// Undoes percent-encoding.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap()
}

/// An error in Jira's own form.
pub fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({"errorMessages": [message], "errors": {}}))
}
