//! Is it the server we know? `known_hosts` as OpenSSH writes it (sshd(8), "SSH_KNOWN_HOSTS FILE
//! FORMAT"): plain, hashed and wildcard names, ports, `@revoked`; or a fingerprint as
//! `ssh-keygen -l` prints it. What is not known is refused, never remembered.

use std::path::PathBuf;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::Digest as _;
use ssh2::{CheckResult, KnownHostFileKind, Session};

use super::code::{SFTP_HOST_KEY, SFTP_KEY_FILE};
use super::options::Options;
use crate::{Error, Fault, Result};

/// By what a server's host key is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostKeys {
    /// A file in OpenSSH's format.
    KnownHosts(PathBuf),
    /// The fingerprint of one key.
    Fingerprint(Fingerprint),
}

/// SHA-256 of a host key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a key as it goes over the wire.
    pub(super) fn of(key: &[u8]) -> Self {
        Self(sha2::Sha256::digest(key).into())
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SHA256:{}", STANDARD_NO_PAD.encode(self.0))
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    /// Reads `SHA256:…` as `ssh-keygen -l` prints it.
    fn from_str(text: &str) -> Result<Self, String> {
        let shape = "a fingerprint is SHA256: and 43 characters, as ssh-keygen -l prints it";
        let hash = text.trim().strip_prefix("SHA256:").ok_or(shape)?.trim_end_matches('=');
        let bytes = STANDARD_NO_PAD.decode(hash).map_err(|_| shape)?;
        bytes.try_into().map(Self).map_err(|_| shape.to_owned())
    }
}

/// The keys a server may show, read once for a connection.
pub(super) enum Known {
    Keys { file: PathBuf, good: Vec<Vec<u8>>, revoked: Vec<Vec<u8>> },
    Fingerprint(Fingerprint),
}

impl Known {
    /// Reads what is known of the server.
    pub(super) fn read(options: &Options) -> Result<Self> {
        let file = match &options.host_keys {
            HostKeys::Fingerprint(fingerprint) => return Ok(Self::Fingerprint(*fingerprint)),
            HostKeys::KnownHosts(file) => file,
        };
        let text = std::fs::read_to_string(file).map_err(|error| {
            Error::wait(SFTP_KEY_FILE, format!("cannot read {}", file.display()))
                .because(error)
                .hint("name the known_hosts file, or give the server's fingerprint instead")
        })?;
        let lines: Vec<Line<'_>> = text.lines().filter_map(Line::parse).collect();
        let host = options.host.to_ascii_lowercase();
        let with_port = format!("[{host}]:{}", options.port);
        let names: &[&str] = if options.port == 22 { &[&host, &with_port] } else { &[&with_port] };
        let about = |names: &[&str]| -> Vec<&Line<'_>> {
            lines.iter().filter(|line| names.iter().any(|name| line.names(name))).collect()
        };
        let mut found = about(names);
        if !found.iter().any(|line| line.marker.is_none()) {
            // As OpenSSH does: a name without a port stands for every port.
            found.extend(about(&[&host]));
        }
        let keys = |marker: Option<&str>| -> Vec<Vec<u8>> {
            let of = found.iter().filter(|line| line.marker == marker);
            of.map(|line| line.key.clone()).collect()
        };
        Ok(Self::Keys { file: file.clone(), good: keys(None), revoked: keys(Some("@revoked")) })
    }

    /// The host key algorithms to ask for, one list a connection: a server shows one key only, and
    /// it should be one that is known here.
    pub(super) fn algorithms(&self) -> Vec<Option<String>> {
        match self {
            Self::Fingerprint(_) => [
                None,
                Some("ssh-ed25519"),
                Some("ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521"),
                Some("rsa-sha2-512,rsa-sha2-256,ssh-rsa"),
            ]
            .map(|list| list.map(str::to_owned))
            .to_vec(),
            Self::Keys { good, .. } => {
                let mut lists: Vec<Option<String>> = Vec::new();
                for key in good {
                    let list = Some(match kind(key) {
                        "ssh-rsa" => "rsa-sha2-512,rsa-sha2-256,ssh-rsa".to_owned(),
                        other => other.to_owned(),
                    });
                    if !lists.contains(&list) {
                        lists.push(list);
                    }
                }
                // Last, whatever it has: so that the refusal can show it.
                lists.push(None);
                lists
            }
        }
    }

    /// Whether `key` is the server's.
    pub(super) fn accepts(&self, key: &[u8]) -> bool {
        match self {
            Self::Fingerprint(fingerprint) => Fingerprint::of(key) == *fingerprint,
            Self::Keys { good, revoked, .. } => {
                good.iter().any(|known| known == key) && !revoked.iter().any(|bad| bad == key)
            }
        }
    }

    /// The refusal: what was shown, and the line that would make it known.
    pub(super) fn refusal(&self, options: &Options, key: &[u8]) -> Error {
        let place = options.place();
        let shown = format!("{} key {}", kind(key), Fingerprint::of(key));
        let line = format!(
            "{} {} {}",
            if options.port == 22 {
                options.host.clone()
            } else {
                format!("[{}]:{}", options.host, options.port)
            },
            kind(key),
            STANDARD.encode(key)
        );
        let ask = "compare the fingerprint with the one the server's operator tells you";
        let (what, hint) = match self {
            Self::Fingerprint(known) => (
                format!("the host key of {place} has changed: it shows {shown}, known is {known}"),
                format!("{ask}; if it is right: fingerprint = \"{}\"", Fingerprint::of(key)),
            ),
            Self::Keys { file, revoked, .. } if revoked.iter().any(|bad| bad == key) => (
                format!("the host key of {place} is revoked: {shown} ({})", file.display()),
                "do not connect; ask the server's operator for its new key".to_owned(),
            ),
            Self::Keys { file, good, .. } if good.is_empty() => (
                format!("the host key of {place} is not known: it shows {shown}"),
                format!("{ask}; if it is right, add to {}: {line}", file.display()),
            ),
            Self::Keys { file, good, .. } => {
                let known: Vec<_> =
                    good.iter().map(|key| Fingerprint::of(key).to_string()).collect();
                (
                    format!(
                        "the host key of {place} has changed: it shows {shown}, known is {}",
                        known.join(", ")
                    ),
                    format!(
                        "{ask}; if it is right, put into {} instead of the old line: {line}",
                        file.display()
                    ),
                )
            }
        };
        Error::new(Fault::Wait, SFTP_HOST_KEY, what).hint(hint)
    }
}

/// The type of a key: the first string of its encoding (RFC 4253, 6.6).
fn kind(key: &[u8]) -> &str {
    let name = key.split_at_checked(4).and_then(|(length, rest)| {
        let length = u32::from_be_bytes(length.try_into().ok()?);
        std::str::from_utf8(rest.get(..usize::try_from(length).ok()?)?).ok()
    });
    name.unwrap_or("unknown")
}

/// A line of `known_hosts`.
struct Line<'a> {
    marker: Option<&'a str>,
    hosts: &'a str,
    key: Vec<u8>,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let mut hosts = words.next().filter(|word| !word.starts_with('#'))?;
        let mut marker = None;
        if hosts.starts_with('@') {
            marker = Some(hosts);
            hosts = words.next()?;
        }
        words.next()?; // the key says its type itself
        let key = STANDARD.decode(words.next()?).ok()?;
        Some(Self { marker, hosts, key })
    }

    /// Whether the line is about `name`.
    fn names(&self, name: &str) -> bool {
        if self.hosts.starts_with("|1|") {
            return hashed(self.hosts, name);
        }
        let name = name.to_ascii_lowercase();
        let mut found = false;
        for pattern in self.hosts.split(',') {
            let (negated, pattern) = match pattern.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, pattern),
            };
            if matches(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes()) {
                if negated {
                    return false;
                }
                found = true;
            }
        }
        found
    }
}

/// Whether a hashed name is `name`'s: libssh2 knows, when it is shown that one line.
fn hashed(hosts: &str, name: &str) -> bool {
    let line = format!("{hosts} ssh-rsa {}", STANDARD.encode(b"no key at all"));
    let look = || {
        let session = Session::new().ok()?;
        let mut known = session.known_hosts().ok()?;
        known.read_str(&line, KnownHostFileKind::OpenSSH).ok()?;
        Some(known.check(name, b"another"))
    };
    !name.contains('\0') && matches!(look(), Some(CheckResult::Match | CheckResult::Mismatch))
}

/// `*` and `?` as in a shell; brackets are ordinary: they are around a name with a port.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut to, mut star) = (0, 0, None);
    while to < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, to));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[to] => {
                at += 1;
                to += 1;
            }
            _ => match star {
                Some((from, begun)) => {
                    star = Some((from, begun + 1));
                    at = from + 1;
                    to = begun + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests;
