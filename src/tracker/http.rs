//! HTTP for the adapters that reach a tracker over the network.
//!
//! One [`Http`] is one account at one server. It says of every call that failed whether it was
//! not sent, refused, or in doubt; repeats by itself only what may be repeated; never sends the
//! log-in to another host; and never shows a secret.

mod failure;
mod request;
mod retry;
mod tls;
mod upload;
mod url;

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use ureq::http::{HeaderValue, Method, Response, header};

use crate::{CONFIG, Error, Result};

pub use failure::{Failure, Refusal};
pub use request::{Answer, Body, Request};
pub use retry::{Patience, Sleep};
pub use upload::Upload;
pub use url::{Url, encode};

/// A password or token: never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Surrounding blanks and line ends, as files have them, are no part of it.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self(secret.trim().to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How we log in.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// User and password, or user and API token.
    Basic {
        /// The user or e-mail address.
        user: String,
        /// The password or token.
        password: Secret,
    },
    /// A personal access token, or an OAuth access token.
    Bearer(Secret),
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the connection, the TLS handshake included.
    pub connect: Duration,
    /// From the last byte of the request to the head of the answer.
    pub answer: Duration,
    /// For the next bytes of a body, in either direction.
    pub stall: Duration,
    /// For the body of an answer that is not a download.
    pub body: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            stall: Duration::from_secs(60),
            body: Duration::from_secs(120),
        }
    }
}

/// How a server is reached.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server's base address, `https://jira.example/jira`: no user, query or fragment.
    pub url: String,
    /// The log-in.
    pub auth: Auth,
    /// PEM certificates that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate with its chain, PEM.
    pub client_cert_file: Option<PathBuf>,
    /// Its private key, PEM without passphrase; may stand in the same file.
    pub client_key_file: Option<PathBuf>,
    /// The proxy, `http://proxy.example:3128`; `None`: none, whatever the environment says.
    pub proxy: Option<String>,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// The largest answer that is read into memory, in bytes; downloads are streamed.
    pub largest_answer: u64,
    /// How often and how long to try again.
    pub patience: Patience,
    /// How many connections are kept open.
    pub connections: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: String::new(),
            auth: Auth::None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            proxy: None,
            timeouts: Timeouts::default(),
            largest_answer: 256 << 20,
            patience: Patience::default(),
            connections: 8,
        }
    }
}

/// One account at one server; may be used by several threads at a time.
pub struct Http {
    agent: ureq::Agent,
    streaming: ureq::Agent,
    base: Url,
    authorization: Option<HeaderValue>,
    largest_answer: u64,
    patience: Patience,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Http {
    /// Sends nothing yet.
    ///
    /// # Errors
    /// When an address or a certificate file cannot be used.
    pub fn new(options: &Options) -> Result<Self> {
        let base = Url::base(&options.url)?;
        let tls = tls::config(options)?;
        let proxy = match &options.proxy {
            None => None,
            Some(proxy) => {
                let bad = || {
                    Error::setup(CONFIG, "the address of the proxy cannot be used")
                        .hint("write it as \"http://proxy.example:3128\", without a password")
                };
                let parsed = ureq::Proxy::new(proxy).map_err(|_| bad())?;
                if proxy.contains('@') {
                    return Err(bad());
                }
                Some(parsed)
            }
        };
        let times = options.timeouts;
        let agent = |body: Option<Duration>| {
            ureq::Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .user_agent(concat!("engsync/", env!("CARGO_PKG_VERSION")))
                .tls_config(tls.clone())
                .proxy(proxy.clone())
                .timeout_resolve(Some(times.connect))
                .timeout_connect(Some(times.connect))
                .timeout_recv_response(Some(times.answer))
                .timeout_per_read(Some(times.stall.max(times.answer)))
                .timeout_per_write(Some(times.stall))
                .timeout_recv_body(body)
                .max_idle_connections(options.connections)
                .max_idle_connections_per_host(options.connections)
                .build()
                .new_agent()
        };
        Ok(Self {
            agent: agent(Some(times.body)),
            streaming: agent(None),
            base,
            authorization: authorization(&options.auth)?,
            largest_answer: options.largest_answer,
            patience: options.patience.clone(),
        })
    }

    /// The base address.
    #[must_use]
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Sends a request and reads the answer. What may be repeated is: whatever was not sent or
    /// was turned away as too much (429), and in doubt what is [`Request::repeatable`].
    ///
    /// # Errors
    /// Any status but 2xx, and no answer.
    pub fn call(&self, request: Request<'_>) -> Result<Answer, Failure> {
        let mut request = request;
        let mut spent = Duration::ZERO;
        for attempt in 0.. {
            let failure = match self.once(&mut request) {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let again = request.repeatable || failure.is_harmless();
            let once = matches!(request.body, Body::Upload(_));
            let pause = self.patience.pause(attempt, failure.retry_after(), spent);
            let Some(pause) = pause.filter(|_| again && !once && failure.may_pass()) else {
                return Err(failure);
            };
            tracing::debug!(what = request.what(), ?pause, %failure, "is tried again");
            self.patience.sleep(pause);
            spent += pause;
        }
        Err(Failure::not_sent(&request.what(), "it was never tried"))
    }

    fn once(&self, request: &mut Request<'_>) -> Result<Answer, Failure> {
        let what = request.what();
        let url = self.base.join(&request.target);
        let begun = Cell::new(false);
        let sent = match &mut request.body {
            Body::None => {
                let head = self.head(&request.method, &url, &request.headers, true, &what)?;
                self.agent.run(head.body(()).map_err(|_| Failure::not_sent(&what, "bad head"))?)
            }
            Body::Bytes(kind, bytes) => {
                let mut from = bytes.as_slice();
                let mut reader = Begun { begun: &begun, from: &mut from };
                let head = self
                    .head(&request.method, &url, &request.headers, true, &what)?
                    .header(header::CONTENT_TYPE, *kind)
                    .header(header::CONTENT_LENGTH, bytes.len());
                let body = ureq::SendBody::from_reader(&mut reader);
                self.agent.run(head.body(body).map_err(|_| Failure::not_sent(&what, "bad head"))?)
            }
            Body::Upload(upload) => {
                let mut reader = Begun { begun: &begun, from: upload };
                let (kind, length) = (reader.from.content_type(), reader.from.length());
                let head = self
                    .head(&request.method, &url, &request.headers, true, &what)?
                    .header(header::CONTENT_TYPE, kind)
                    .header(header::CONTENT_LENGTH, length);
                let body = ureq::SendBody::from_reader(&mut reader);
                self.streaming
                    .run(head.body(body).map_err(|_| Failure::not_sent(&what, "bad head"))?)
            }
        };
        let sent = sent.map_err(|error| Failure::of(&error, begun.get(), &what))?;
        self.answer(sent, what)
    }

    fn head(
        &self,
        method: &Method,
        url: &str,
        headers: &[(&'static str, String)],
        with_login: bool,
        what: &str,
    ) -> Result<ureq::http::request::Builder, Failure> {
        let mut head = ureq::http::Request::builder().method(method.clone()).uri(url);
        for (name, value) in headers {
            let value = HeaderValue::from_str(value)
                .map_err(|_| Failure::not_sent(what, &format!("{name} holds what it cannot")))?;
            head = head.header(*name, value);
        }
        if let Some(login) = self.authorization.as_ref().filter(|_| with_login) {
            head = head.header(header::AUTHORIZATION, login.clone());
        }
        Ok(head)
    }

    fn answer(&self, sent: Response<ureq::Body>, what: String) -> Result<Answer, Failure> {
        let (head, body) = sent.into_parts();
        let status = head.status.as_u16();
        let mut bytes = Vec::new();
        let most = if head.status.is_success() { self.largest_answer } else { 1 << 20 };
        let read = body.into_reader().take(most + 1).read_to_end(&mut bytes);
        if head.status.is_success() {
            if read.is_err() {
                return Err(Failure::in_doubt(&what, "the answer broke off"));
            }
            if bytes.len() as u64 > most {
                let words = format!("the answer is larger than {} MiB", most >> 20);
                return Err(Failure::in_doubt(&what, &words).strange());
            }
            return Ok(Answer { status, headers: head.headers, body: bytes, what });
        }
        Err(Failure::status(status, &head.headers, bytes, &what))
    }

    /// Hands a reader over the content at `path` to `sink`. A redirection to another server is
    /// followed without the log-in.
    ///
    /// # Errors
    /// Those of the network and of `sink`; [`io::ErrorKind::NotFound`] when it is not there.
    pub fn download(
        &self,
        path: &str,
        sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut url = self.base.join(path);
        for _ in 0..5 {
            let what = format!("GET {}", url.split('?').next().unwrap_or_default());
            let own = self.base.is_origin_of(&url);
            let head = self.head(&Method::GET, &url, &[], own, &what).map_err(Failure::into_io)?;
            let request = head.body(()).map_err(io::Error::other)?;
            let answer = self
                .streaming
                .run(request)
                .map_err(|error| Failure::of(&error, false, &what).into_io())?;
            let (head, body) = answer.into_parts();
            if head.status.is_redirection() {
                let to = head.headers.get(header::LOCATION).and_then(|to| to.to_str().ok());
                let to = to.and_then(|to| Url::resolve(&url, to));
                url = to.ok_or_else(|| io::Error::other(format!("{what}: redirected nowhere")))?;
                continue;
            }
            if !head.status.is_success() {
                let failure = Failure::status(head.status.as_u16(), &head.headers, vec![], &what);
                return Err(failure.into_io());
            }
            return sink(&mut body.into_reader());
        }
        Err(io::Error::other(format!("GET {path}: redirected again and again")))
    }

    /// The content at `path` as it can be read later and elsewhere.
    #[must_use]
    pub fn content(self: &Arc<Self>, path: &str) -> Arc<dyn crate::issue::Content> {
        Arc::new(Remote { http: self.clone(), path: path.to_owned() })
    }
}

struct Remote {
    http: Arc<Http>,
    path: String,
}

impl crate::issue::Content for Remote {
    fn read_with(&self, sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>) -> io::Result<()> {
        self.http.download(&self.path, sink)
    }
}

fn authorization(auth: &Auth) -> Result<Option<HeaderValue>> {
    let login = match auth {
        Auth::None => return Ok(None),
        Auth::Basic { user, password } => {
            let pair = format!("{user}:{}", password.0);
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
        }
        Auth::Bearer(token) => format!("Bearer {}", token.0),
    };
    let mut login = HeaderValue::from_str(&login)
        .map_err(|_| Error::setup(CONFIG, "the tracker's token holds characters it cannot have"))?;
    login.set_sensitive(true);
    Ok(Some(login))
}

/// Remembers whether a body was begun to be sent: before, the server cannot have acted on it.
struct Begun<'a, R: Read + ?Sized> {
    begun: &'a Cell<bool>,
    from: &'a mut R,
}

impl<R: Read + ?Sized> Read for Begun<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.begun.set(true);
        self.from.read(buffer)
    }
}

#[cfg(test)]
mod tests;
