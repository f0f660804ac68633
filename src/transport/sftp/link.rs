//! A connection: TCP, keys, host key, login, the `sftp` subsystem.

use std::io::Read as _;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use ssh2::{ErrorCode, MethodType, Session};

use super::client::{Answer, Client};
use super::code::SFTP_UNREACHABLE;
use super::host_key::Known;
use super::login::login;
use super::options::Options;
use crate::{Error, Result};

/// How much the server may send before we have read it, and in packets of what size (RFC 4254, 5.1).
const WINDOW: u32 = 4 << 20;
const PACKET: u32 = 32_768;

/// Connects and logs in; `deadline` ends the connection's use.
pub(super) fn connect(options: &Options, deadline: Instant) -> Result<Client> {
    let known = Known::read(options)?;
    let mut refusal = None;
    for algorithms in known.algorithms() {
        let Some((session, socket)) = open(options, deadline, algorithms.as_deref())? else {
            continue;
        };
        let Some((key, _)) = session.host_key() else {
            return Err(unreachable(options, "it shows no host key"));
        };
        if !known.accepts(key) {
            refusal.get_or_insert_with(|| known.refusal(options, key));
            continue;
        }
        session.set_timeout(millis(options.patience.login.min(left(deadline))));
        login(&session, options)?;
        session.set_timeout(millis(options.patience.idle.min(left(deadline))));
        return start(session, socket, options, deadline);
    }
    Err(refusal.unwrap_or_else(|| unreachable(options, "no keys could be agreed on")))
}

/// What libssh2 says when no algorithm is common: LIBSSH2_ERROR_KEX_FAILURE, and its older
/// LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE.
const NO_SUCH_KEY: [ErrorCode; 2] = [ErrorCode::Session(-5), ErrorCode::Session(-8)];

/// Connects and agrees on keys; `None` if the server has no host key of these kinds.
fn open(
    options: &Options,
    deadline: Instant,
    algorithms: Option<&str>,
) -> Result<Option<(Session, TcpStream)>> {
    let failed = |error: std::io::Error| unreachable(options, "cannot connect").because(error);
    let broken = |error: ssh2::Error| {
        unreachable(options, "no keys could be agreed on").because(std::io::Error::from(error))
    };
    let until = deadline.min(Instant::now() + options.patience.connect);
    let addresses = (options.host.as_str(), options.port).to_socket_addrs().map_err(failed)?;
    let mut last = None;
    let mut socket = None;
    for address in addresses {
        match TcpStream::connect_timeout(&address, left(until)) {
            Ok(stream) => {
                socket = Some(stream);
                break;
            }
            Err(error) => last = Some(error),
        }
    }
    let Some(socket) = socket else {
        let none = || std::io::Error::other("the name has no address");
        return Err(failed(last.unwrap_or_else(none)));
    };
    socket.set_nodelay(true).map_err(failed)?;
    let mut session = Session::new().map_err(broken)?;
    if let Some(list) = algorithms {
        session.method_pref(MethodType::HostKey, list).map_err(broken)?;
    }
    fastest(&session).map_err(broken)?;
    session.set_tcp_stream(socket.try_clone().map_err(failed)?);
    session.set_timeout(millis(left(until)));
    match session.handshake() {
        Ok(()) => Ok(Some((session, socket))),
        Err(error) if algorithms.is_some() && NO_SUCH_KEY.contains(&error.code()) => Ok(None),
        Err(error) => Err(broken(error)),
    }
}

/// AES-GCM first: with the instructions of today's processors it is much faster than what libssh2
/// prefers. All it knows stays on offer.
fn fastest(session: &Session) -> Result<(), ssh2::Error> {
    for way in [MethodType::CryptCs, MethodType::CryptSc] {
        let mut ciphers = session.supported_algs(way)?;
        ciphers.sort_by_key(|name| !name.contains("-gcm"));
        session.method_pref(way, &ciphers.join(","))?;
    }
    Ok(())
}

fn start(
    session: Session,
    socket: TcpStream,
    options: &Options,
    deadline: Instant,
) -> Result<Client> {
    let broken = |error: ssh2::Error| {
        unreachable(options, "it does not start SFTP").because(std::io::Error::from(error))
    };
    let mut channel = session.channel_open("session", WINDOW, PACKET, None).map_err(broken)?;
    channel.subsystem("sftp").map_err(broken)?;
    let mut hello = Vec::new();
    super::wire::hello(&mut hello);
    let read = std::io::Write::write_all(&mut channel, &hello).and_then(|()| {
        let mut length = [0; 4];
        channel.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > super::wire::MOST_PACKET {
            return Ok(Vec::new());
        }
        let mut packet = vec![0; length];
        channel.read_exact(&mut packet)?;
        Ok(packet)
    });
    let packet =
        read.map_err(|error| unreachable(options, "it does not start SFTP").because(error))?;
    let Some(extensions) = super::wire::greeting(&packet) else {
        let error = unreachable(options, "what answers does not speak SFTP version 3");
        return Err(error.hint("does the account's shell print something at login?"));
    };
    let names: Vec<&str> = extensions.iter().map(|(name, _)| name.as_str()).collect();
    tracing::debug!(server = options.place(), extensions = names.join(" "), "SFTP session");
    let alive = options.patience.keep_alive.as_secs();
    session.set_keepalive(true, u32::try_from(alive).unwrap_or(u32::MAX));
    // libssh2 calls it a time-out when a sign of life is due: we wait in ticks and count ourselves.
    let mut tick = options.patience.idle.min(Duration::from_secs(1));
    if alive > 0 {
        tick = tick.min(options.patience.keep_alive);
    }
    session.set_timeout(millis(tick));
    Ok(Client::new(session, socket, channel, options, extensions, deadline))
}

fn unreachable(options: &Options, why: &str) -> Error {
    Error::wait(SFTP_UNREACHABLE, format!("{}: {why}", options.place()))
}

/// What is left, never zero: zero means for ever.
fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX).max(1)
}

/// How often something is begun anew when the connection breaks.
const TRIES: usize = 3;

/// The connection of one transport: opened when needed, and again when it broke.
pub(super) struct Link {
    pub(super) options: Options,
    client: Option<Client>,
    until: Instant,
    numbers: u64,
}

impl Link {
    pub(super) fn new(options: Options) -> Self {
        Self { options, client: None, until: Instant::now(), numbers: 0 }
    }

    /// When the patience with this call ends.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// The first of a million numbers nobody else in this process has.
    pub(super) fn numbers(&mut self) -> u64 {
        self.numbers += 1_000_000;
        self.numbers
    }

    /// Begins a call of the transport: from here its patience counts.
    pub(super) fn begin(&mut self) -> Instant {
        self.until = Instant::now() + self.options.patience.total;
        if let Some(client) = &mut self.client {
            client.until(self.until);
        }
        self.until
    }

    /// The connection, if there is one, for a worker.
    pub(super) fn take(&mut self) -> Option<Client> {
        self.client.take()
    }

    /// The connection, if there is one.
    pub(super) fn connected(&self) -> Option<&Client> {
        self.client.as_ref()
    }

    /// Gives a connection back.
    pub(super) fn give(&mut self, client: Client) {
        self.client = Some(client);
    }

    /// The connection.
    pub(super) fn client(&mut self) -> Result<&mut Client> {
        let client = match self.client.take() {
            Some(client) => client,
            None => connect(&self.options, self.until)?,
        };
        Ok(self.client.insert(client))
    }

    /// Does `task`, which may be begun anew at any point, and is when the connection breaks.
    pub(super) fn run<T>(
        &mut self,
        what: &str,
        mut task: impl FnMut(&mut Client) -> Answer<T>,
    ) -> Result<T> {
        let mut tries = 0;
        loop {
            match task(self.client()?) {
                Ok(done) => return Ok(done),
                Err(fail) => {
                    tries += 1;
                    let lost = fail.is_lost();
                    if lost {
                        self.client = None;
                    }
                    if !lost || tries == TRIES || Instant::now() >= self.until {
                        return Err(fail.error(&self.options.place(), what));
                    }
                    tracing::debug!(server = self.options.place(), what, ?fail, "connecting again");
                }
            }
        }
    }
}
