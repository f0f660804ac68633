//! What an SFTP transport is told.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use super::host_key::{Fingerprint, HostKeys};

/// A text that no log, error or report shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How long to be patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until there is a connection with agreed keys.
    pub connect: Duration,
    /// Until the login is through.
    pub login: Duration,
    /// Without a byte from the server while an answer is due.
    pub idle: Duration,
    /// For one call of the transport, whatever it has to do.
    pub total: Duration,
    /// Between signs of life while we wait; zero sends none.
    pub keep_alive: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            login: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            total: Duration::from_secs(3600),
            keep_alive: Duration::from_secs(15),
        }
    }
}

/// Where the server is, who we are to it, and what lies where.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its name or address.
    pub host: String,
    /// Its port, usually 22.
    pub port: u16,
    /// The account.
    pub user: String,
    /// A private key: ed25519, ECDSA or RSA, in OpenSSH's container or as PEM.
    pub key_file: Option<PathBuf>,
    /// What opens it.
    pub passphrase: Option<Secret>,
    /// Whether to ask the agent for keys.
    pub agent: bool,
    /// The agent's socket; without it the environment says (`SSH_AUTH_SOCK`).
    pub agent_socket: Option<PathBuf>,
    /// The last resort.
    pub password: Option<Secret>,
    /// By what its host key is known.
    pub host_keys: HostKeys,
    /// The directory to fetch from.
    pub inbox: String,
    /// The directory to deliver to.
    pub outbox: String,
    /// Where parts are written before they are renamed to the outbox: on its file system.
    pub outbox_tmp: String,
    /// Permission bits of delivered files; without it the server's.
    pub mode: Option<u32>,
    /// Number of the group of delivered files: the protocol knows no names.
    pub group: Option<u32>,
    /// Whether to publish by `posix-rename@openssh.com`, for file systems without hard links, where
    /// OpenSSH's plain rename fails. It would replace a file that appears at the last moment.
    pub posix_rename: bool,
    /// The most connections at a time.
    pub sessions: usize,
    /// Time-outs.
    pub patience: Patience,
}

impl Options {
    /// The usual: port 22, four sessions, nothing to log in with yet.
    #[must_use]
    pub fn new(host: impl Into<String>, user: impl Into<String>, host_keys: HostKeys) -> Self {
        Self {
            host: host.into(),
            port: 22,
            user: user.into(),
            key_file: None,
            passphrase: None,
            agent: false,
            agent_socket: None,
            password: None,
            host_keys,
            inbox: ".".into(),
            outbox: ".".into(),
            outbox_tmp: ".".into(),
            mode: None,
            group: None,
            posix_rename: false,
            sessions: 4,
            patience: Patience::default(),
        }
    }

    /// The server as messages name it.
    pub(super) fn place(&self) -> String {
        if self.host.contains(':') {
            format!("sftp://{}@[{}]:{}", self.user, self.host, self.port)
        } else {
            format!("sftp://{}@{}:{}", self.user, self.host, self.port)
        }
    }
}

/// A name in a directory over there.
pub(super) fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() || directory.ends_with('/') {
        format!("{directory}{name}")
    } else {
        format!("{directory}/{name}")
    }
}
