//! A Roundup as far as the adapter knows it, in this process: so that the contract runs without
//! Python, and that the connection can break where a test wants it to. The same laws run over
//! real ones, which keeps it honest.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};

use db::Db;

#[path = "fake_db.rs"]
mod db;

/// What goes wrong.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// It is done, but the answer is lost.
    LostAnswer,
    /// It is done, and the answer is kept back until the other side has gone.
    HoldAnswer,
    /// The connection breaks before anything is done.
    Broken,
    /// An answer with this status, headers and body; nothing is done.
    Answer(u16, &'static str, &'static str),
    /// Nothing goes wrong: counts a request.
    Nothing,
    /// Somebody else writes this property of the item just before.
    EditedBefore(&'static str, &'static str),
}

/// Trouble at the next requests of a method whose path begins so.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) times: usize,
    pub(crate) trouble: Trouble,
}

/// A server on 127.0.0.1; it ends with the process.
pub(crate) struct Fake {
    address: SocketAddr,
    db: Arc<Mutex<Db>>,
}

pub(crate) struct Request {
    pub(crate) method: String,
    /// As it was sent.
    pub(crate) target: String,
    /// Below the tracker, without the query.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer(u16, String, Vec<u8>);

fn error(status: u16, message: &str) -> Answer {
    let body = json!({ "error": { "status": status, "msg": message } });
    Answer(status, String::new(), body.to_string().into_bytes())
}

fn data(status: u16, headers: String, data: &Json) -> Answer {
    Answer(status, headers, json!({ "data": data }).to_string().into_bytes())
}

impl Fake {
    /// With the classic schema and some properties more; `ext`: with the classes for other
    /// trackers' identities.
    pub(crate) fn start(ext: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let db = Arc::new(Mutex::new(Db::new(ext)));
        let shared = Arc::clone(&db);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let db = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &db));
            }
        });
        Self { address, db }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/demo/", self.address)
    }

    pub(crate) fn plan(&self, method: &'static str, path: &'static str, trouble: Trouble) {
        self.plan_times(method, path, 1, trouble);
    }

    pub(crate) fn plan_times(
        &self,
        method: &'static str,
        path: &'static str,
        times: usize,
        trouble: Trouble,
    ) {
        self.db.lock().unwrap().plan.push(Planned { method, path, times, trouble });
    }

    /// Nothing goes wrong any more; answers how many troubles were not met.
    pub(crate) fn heal(&self) -> usize {
        let plan = std::mem::take(&mut self.db.lock().unwrap().plan);
        plan.iter().map(|planned| planned.times).sum()
    }

    /// The requests since this was last asked, `GET issue`.
    pub(crate) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.db.lock().unwrap().seen)
    }

    /// All that was done was done so much earlier.
    pub(crate) fn age(&self, by: chrono::TimeDelta) {
        let mut db = self.db.lock().unwrap();
        for item in db.items.values_mut().flat_map(BTreeMap::values_mut) {
            for property in ["activity", "creation"] {
                let at = item[property].as_str().unwrap();
                let at = chrono::NaiveDateTime::parse_from_str(at, db::DATE).unwrap() - by;
                item.insert(property.to_owned(), json!(at.format(db::DATE).to_string()));
            }
        }
    }

    /// Takes an item away, as a person does: it is in no list any more, but can be read and
    /// written by its number.
    pub(crate) fn retire(&self, class: &str, id: &str) {
        self.db.lock().unwrap().retired.insert(format!("{class}{id}"));
    }
}

fn serve(stream: TcpStream, db: &Mutex<Db>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(request) = read_request(&mut reader, "/demo") {
        let answer = db.lock().unwrap().meet(&request);
        if matches!(&answer, Some(Answer(0, ..))) {
            // Until whoever asked is gone.
            let _ = reader.read(&mut [0]);
            return;
        }
        let Some(Answer(status, headers, body)) = answer else { return };
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all(&[head.as_bytes(), &body].concat()).is_err() {
            return;
        }
    }
}

pub(crate) fn read_request(reader: &mut BufReader<TcpStream>, tracker: &str) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let path = path.strip_prefix(tracker).unwrap().trim_end_matches('/').to_owned();
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    };
    let query = query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
    Some(Request { method, target: target.clone(), path, query, headers, body })
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}
