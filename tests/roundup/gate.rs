//! Stands before a real Roundup, so that the connection to it can break where a test wants it to,
//! and somebody else is faster. What passes is as the real one has it.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use engsync::tracker::http::{self, Auth, Http, Request as Call, Secret};
use serde_json::{Value as Json, json};

use super::fake::{Planned, Request, Trouble, read_request};
use super::var;

/// A server on 127.0.0.1; it ends with the process.
pub(crate) struct Gate {
    address: SocketAddr,
    /// The path of the tracker, `ext`.
    name: String,
    shared: Arc<Shared>,
}

struct Shared {
    /// `127.0.0.1:8080`, where the real one is.
    behind: String,
    url: String,
    plan: Mutex<Vec<Planned>>,
    seen: Mutex<Vec<String>>,
}

/// A log-in of the environment.
pub(crate) fn login_text(variable: &str) -> (String, String) {
    let login = var(variable).expect("a log-in beside the address");
    let (user, password) = login.split_once(':').expect("user:password");
    (user.to_owned(), password.to_owned())
}

pub(crate) fn login(variable: &str) -> (String, Secret) {
    let (user, password) = login_text(variable);
    (user, Secret::new(&password))
}

/// The real tracker as this account uses it.
pub(crate) fn account(url: &str, variable: &str) -> Http {
    let (user, password) = login(variable);
    let auth = Auth::Basic { user, password };
    let options = http::Options { url: url.to_owned(), auth, ..http::Options::default() };
    Http::new(&options).unwrap()
}

/// Writes an item by hand; `None`: retires it.
pub(crate) fn by_hand(http: &Http, item: &str, values: Option<&Json>) {
    let path = format!("/rest/data/{item}");
    let etag = http.call(Call::get(&path)).unwrap().header("etag").unwrap().to_owned();
    let call = match values {
        Some(values) => Call::put(&path).json(values),
        None => Call::delete(&path),
    };
    let call = call
        .header("if-match", etag)
        .header("origin", http.base().origin())
        .header("x-requested-with", "test");
    http.call(call).unwrap();
}

impl Gate {
    /// Before the tracker in this variable; `None`: there is none.
    pub(crate) fn start(variable: &str) -> Option<Self> {
        let url = var(variable)?;
        let (behind, name) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let (behind, name) = (behind.to_owned(), name.trim_matches('/').to_owned());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (plan, seen) = (Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { behind, url, plan, seen });
        let all = Arc::clone(&shared);
        let prefix = format!("/{name}");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, prefix) = (Arc::clone(&all), prefix.clone());
                std::thread::spawn(move || serve(stream, &shared, &prefix));
            }
        });
        Some(Self { address, name, shared })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/{}/", self.address, self.name)
    }

    /// The real one's own address.
    pub(crate) fn real_url(&self) -> &str {
        &self.shared.url
    }

    /// Nothing goes wrong any more; answers how many troubles were not met.
    pub(crate) fn heal(&self) -> usize {
        let plan = std::mem::take(&mut *self.shared.plan.lock().unwrap());
        plan.iter().map(|planned| planned.times).sum()
    }

    pub(crate) fn plan(&self, planned: Planned) {
        self.shared.plan.lock().unwrap().push(planned);
    }

    /// The requests since this was last asked, `GET issue`.
    pub(crate) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.seen.lock().unwrap())
    }
}

/// Method and path as the REST interface has them, whichever is used.
fn named(request: &Request) -> (String, String) {
    let path = request.path.trim_start_matches("/rest/data/").to_owned();
    if path != "/xmlrpc" {
        return (request.method.clone(), path);
    }
    let text = String::from_utf8_lossy(&request.body).into_owned();
    let inner = |from: &str, to: &str| {
        let begin = text.find(from)? + from.len();
        let end = text[begin..].find(to)? + begin;
        Some(text[begin..end].to_owned())
    };
    let method = inner("<methodName>", "</methodName>").unwrap_or_default();
    let what = inner("<string>", "</string>").unwrap_or_default();
    let (class, id) = what.split_at(what.find(|c: char| c.is_ascii_digit()).unwrap_or(what.len()));
    let item = if id.is_empty() { class.to_owned() } else { format!("{class}/{id}") };
    match method.as_str() {
        "create" => ("POST".to_owned(), item),
        "set" => ("PUT".to_owned(), item),
        "schema" => ("POST".to_owned(), path),
        _ => ("GET".to_owned(), item),
    }
}

fn serve(stream: TcpStream, shared: &Shared, prefix: &str) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(request) = read_request(&mut reader, prefix) {
        let (method, path) = named(&request);
        shared.seen.lock().unwrap().push(format!("{method} {path}"));
        let trouble = {
            let mut plan = shared.plan.lock().unwrap();
            let fits = |planned: &&mut Planned| {
                planned.times > 0
                    // Over XML-RPC a Multilink is added to by writing it.
                    && (planned.method == method
                        || (planned.method == "PATCH" && request.path == "/xmlrpc" && method == "PUT"))
                    && path.starts_with(planned.path)
            };
            plan.iter_mut().find(fits).map(|planned| {
                planned.times -= 1;
                planned.trouble.clone()
            })
        };
        let answer = match &trouble {
            Some(Trouble::Broken) => return,
            Some(Trouble::Answer(status, headers, body)) => {
                refused(&request, *status, headers, body)
            }
            Some(Trouble::EditedBefore(property, value)) => {
                let colleague = account(&shared.url, "ENGSYNC_ROUNDUP_OTHER_LOGIN");
                by_hand(&colleague, &path, Some(&json!({ *property: value })));
                forward(shared, &request)
            }
            _ => forward(shared, &request),
        };
        if matches!(trouble, Some(Trouble::HoldAnswer)) {
            // Until whoever asked is gone.
            let _ = reader.read(&mut [0]);
            return;
        }
        if matches!(trouble, Some(Trouble::LostAnswer)) || stream.write_all(&answer).is_err() {
            return;
        }
        if !answer.starts_with(b"HTTP/1.1 ") || !has_length(&answer) {
            return;
        }
    }
}

fn has_length(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    head.contains("content-length:") && !head.contains("connection: close")
}

/// What is answered in the real one's place, in the words of the interface that was asked.
fn refused(request: &Request, status: u16, headers: &str, body: &str) -> Vec<u8> {
    let message = serde_json::from_str::<Json>(body).ok();
    let message = message.as_ref().and_then(|json| json.pointer("/error/msg")?.as_str());
    let (status, body) = match message {
        Some(message) if request.path == "/xmlrpc" => {
            let fault = format!("&lt;class 'roundup.exceptions.UsageError'&gt;:{message}");
            let fault = format!(
                "<methodResponse><fault><value><struct>\
                 <member><name>faultCode</name><value><int>1</int></value></member>\
                 <member><name>faultString</name><value><string>{fault}</string></value></member>\
                 </struct></value></fault></methodResponse>"
            );
            (200, fault)
        }
        _ => (status, body.to_owned()),
    };
    let head = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body.as_bytes()].concat()
}

/// The real one's answer.
fn forward(shared: &Shared, request: &Request) -> Vec<u8> {
    let mut behind = TcpStream::connect(&shared.behind).unwrap();
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        let value = match name.as_str() {
            "connection" => continue,
            "host" => shared.behind.clone(),
            "origin" => format!("http://{}", shared.behind),
            _ => value.clone(),
        };
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("connection: close\r\n\r\n");
    behind.write_all(&[head.as_bytes(), &request.body].concat()).unwrap();
    let mut answer = Vec::new();
    behind.read_to_end(&mut answer).unwrap();
    answer
}
