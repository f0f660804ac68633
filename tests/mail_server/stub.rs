//! A mail server for tests: TLS from the first byte or by STARTTLS, a log-in, and any step at
//! which it hangs, hangs up or refuses.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub(crate) const USER: &str = "engsync";
pub(crate) const PASSWORD: &str = "geheim-äöü";

/// What a client may be doing when the server misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Connect,
    Hello,
    Starttls,
    Handshake,
    HelloAgain,
    Login,
    From,
    To,
    Data,
    Text,
}

pub(crate) const STEPS: [Step; 10] = [
    Step::Connect,
    Step::Hello,
    Step::Starttls,
    Step::Handshake,
    Step::HelloAgain,
    Step::Login,
    Step::From,
    Step::To,
    Step::Data,
    Step::Text,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Says nothing more, and keeps the line.
    Hang,
    /// Says a little again and again, and never all: no time-out of a read ends it.
    Dribble,
    /// Ends the connection.
    Leave,
    /// 4xx, then goes on.
    Refuse,
}

/// How it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Tls,
    Starttls,
    /// STARTTLS is not offered, a log-in is.
    Plain,
}

/// Whose certificate it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Good,
    OtherName,
    Expired,
}

/// An authority, whose certificate the client may trust.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    fn config(&self, shown: Shown) -> Arc<ServerConfig> {
        let name = if shown == Shown::OtherName { "mail.other.example" } else { "localhost" };
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if shown == Shown::Expired {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth();
        Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key).unwrap())
    }
}

/// A server; its threads end with the process.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// What it was told in the clear, and what behind encryption.
    pub(crate) clear: Arc<Mutex<String>>,
    pub(crate) secret: Arc<Mutex<String>>,
}

#[derive(Clone)]
struct Plan {
    way: Way,
    bad: Option<(Step, Deed)>,
    config: Arc<ServerConfig>,
}

impl Server {
    pub(crate) fn start(
        authority: &Authority,
        way: Way,
        shown: Shown,
        bad: Option<(Step, Deed)>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, clear: Arc::default(), secret: Arc::default() };
        let plan = Plan { way, bad, config: authority.config(shown) };
        let (clear, secret) = (server.clear.clone(), server.secret.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (plan, clear, secret) = (plan.clone(), clear.clone(), secret.clone());
                // The client may leave at any moment.
                std::thread::spawn(move || drop(serve(stream, &plan, &clear, &secret)));
            }
        });
        server
    }

    pub(crate) fn heard(&self) -> (String, String) {
        (self.clear.lock().unwrap().clone(), self.secret.lock().unwrap().clone())
    }
}

/// Speaks with one client until one of the two leaves.
fn serve(
    mut stream: TcpStream,
    plan: &Plan,
    clear: &Mutex<String>,
    secret: &Mutex<String>,
) -> io::Result<()> {
    if plan.way != Way::Tls {
        plan.at(Step::Connect, &mut stream)?;
        let upgrade = talk(&mut stream, plan, Step::Hello, true, clear)?;
        if !upgrade {
            return Ok(());
        }
    }
    plan.at(Step::Handshake, &mut stream)?;
    let connection = ServerConnection::new(plan.config.clone()).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    if plan.way == Way::Tls {
        plan.at(Step::Connect, &mut stream)?;
    }
    talk(&mut stream, plan, Step::HelloAgain, plan.way == Way::Tls, secret).map(drop)
}

impl Plan {
    /// Misbehaves if this is the step; whether it refused.
    fn at(&self, step: Step, stream: &mut (impl Read + Write)) -> io::Result<bool> {
        match self.bad {
            Some((bad, deed)) if bad == step => match deed {
                Deed::Hang => loop {
                    std::thread::sleep(Duration::from_secs(3600));
                },
                Deed::Dribble => loop {
                    stream.write_all(b"250-x\r\n")?;
                    stream.flush()?;
                    std::thread::sleep(Duration::from_millis(500));
                },
                Deed::Leave => Err(io::ErrorKind::ConnectionAborted.into()),
                Deed::Refuse => {
                    stream.write_all(b"451 not now\r\n")?;
                    stream.flush().map(|()| true)
                }
            },
            _ => Ok(false),
        }
    }
}

/// A line, byte by byte: what comes behind STARTTLS is the handshake's.
fn line(stream: &mut impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    line.truncate(line.len() - 2);
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// One conversation; whether it is to go on encrypted.
fn talk(
    stream: &mut (impl Read + Write),
    plan: &Plan,
    hello: Step,
    greet: bool,
    heard: &Mutex<String>,
) -> io::Result<bool> {
    if greet {
        stream.write_all(b"220 localhost ESMTP\r\n")?;
        stream.flush()?;
    }
    loop {
        let told = line(stream)?;
        heard.lock().unwrap().push_str(&format!("{told}\n"));
        let verb = told.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let step = match verb.as_str() {
            "EHLO" | "HELO" => hello,
            "STARTTLS" => Step::Starttls,
            "AUTH" => Step::Login,
            "MAIL" => Step::From,
            "RCPT" => Step::To,
            "DATA" => Step::Data,
            _ => Step::Connect,
        };
        if step != Step::Connect && plan.at(step, stream)? {
            continue;
        }
        let login = BASE64_STANDARD.encode(format!("\0{USER}\0{PASSWORD}"));
        let reply: &str = match verb.as_str() {
            "EHLO" if hello == Step::Hello && plan.way == Way::Starttls => {
                "250-localhost\r\n250-8BITMIME\r\n250 STARTTLS\r\n"
            }
            "EHLO" => "250-localhost\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n",
            "AUTH" if told == format!("AUTH PLAIN {login}") => "235 welcome\r\n",
            "AUTH" => "535 who are you?\r\n",
            "STARTTLS" => {
                stream.write_all(b"220 go on\r\n")?;
                stream.flush()?;
                return Ok(true);
            }
            "DATA" => "354 go on\r\n",
            "QUIT" => "221 bye\r\n",
            _ => "250 fine\r\n",
        };
        stream.write_all(reply.as_bytes())?;
        stream.flush()?;
        if verb == "DATA" {
            let mut text = String::new();
            while !text.ends_with("\n.\n") {
                text.push_str(&format!("{}\n", line(stream)?));
            }
            if !plan.at(Step::Text, stream)? {
                heard.lock().unwrap().push_str(&text);
                stream.write_all(b"250 taken\r\n")?;
                stream.flush()?;
            }
        }
    }
}
