//! What a failed call means: was it done, was it not, or is that unknown?

use std::fmt;
use std::io;
use std::time::Duration;

use chrono::DateTime;
use ureq::http::{HeaderMap, header};

use crate::tracker::{TRACKER_REFUSED, TRACKER_UNAVAILABLE};
use crate::{Error, Fault};

/// The longest pause a server is believed to want.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// An answer with a status of 4xx: nothing was done.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The request: method and path.
    pub what: String,
    /// 300 to 499.
    pub status: u16,
    /// The body, cut at one MiB.
    pub body: Vec<u8>,
}

impl Refusal {
    /// Its JSON, where it is some.
    #[must_use]
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The beginning of the body, in one line.
    #[must_use]
    pub fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        line.chars().take(300).collect()
    }
}

/// Why a call came to nothing, or may have.
#[derive(Clone, Debug)]
pub enum Failure {
    /// Nothing was sent, so nothing was done.
    NotSent {
        /// What and why.
        what: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The server turned it down: nothing was done.
    Refused(Refusal),
    /// The server does not let us in (401, 403): nothing was done.
    Denied {
        /// What, and the server's words.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The server wants us to come back later (429): nothing was done.
    Busy {
        /// What.
        what: String,
        /// Not before that; at least a second.
        retry_after: Duration,
    },
    /// It was sent, but nobody knows whether it was done.
    InDoubt {
        /// What and why.
        what: String,
        /// Not before that, where the server said so.
        retry_after: Option<Duration>,
        /// Whether asking again may bring a better answer.
        may_pass: bool,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent { what, .. } | Self::Denied { what, .. } => f.write_str(what),
            Self::Refused(refusal) => {
                write!(f, "{}: status {}", refusal.what, refusal.status)?;
                let text = refusal.text();
                if text.is_empty() { Ok(()) } else { write!(f, ": {text}") }
            }
            Self::Busy { what, retry_after } => {
                write!(
                    f,
                    "{what}: too many calls, to be tried again in {} s",
                    retry_after.as_secs()
                )
            }
            Self::InDoubt { what, .. } => write!(f, "{what}; it may have been done"),
        }
    }
}

impl std::error::Error for Failure {}

impl Failure {
    pub(super) fn not_sent(what: &str, why: &str) -> Self {
        Self::NotSent { what: format!("{what}: {why}"), hint: None }
    }

    pub(super) fn in_doubt(what: &str, why: &str) -> Self {
        Self::InDoubt { what: format!("{what}: {why}"), retry_after: None, may_pass: true }
    }

    /// Asking again would bring the same.
    pub(super) fn strange(self) -> Self {
        match self {
            Self::InDoubt { what, retry_after, .. } => {
                Self::InDoubt { what, retry_after, may_pass: false }
            }
            other => other,
        }
    }

    /// What an error of the connection means; `begun`: the body was begun to be sent.
    pub(super) fn of(error: &ureq::Error, begun: bool, what: &str) -> Self {
        let (why, hint) = words(error);
        if begun {
            return Self::in_doubt(what, &why);
        }
        Self::NotSent { what: format!("{what}: {why}"), hint: hint.map(str::to_owned) }
    }

    /// What a status other than 2xx means.
    pub(super) fn status(status: u16, headers: &HeaderMap, body: Vec<u8>, what: &str) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let refusal = Refusal { what: what.to_owned(), status, body };
        match status {
            401 | 403 => {
                let captcha =
                    text("x-seraph-loginreason").is_some_and(|why| why.contains("DENIED"));
                let hint = if captcha {
                    "the server wants a CAPTCHA: log in once with a browser under this account"
                } else if status == 401 {
                    "check user and token of the tracker"
                } else {
                    "the account lacks a permission; see docs/trackers"
                };
                let what = Self::Refused(refusal).to_string();
                Self::Denied { what, hint: hint.to_owned() }
            }
            429 => {
                let asked = pause(text("retry-after"), text("date"));
                let retry_after = asked.unwrap_or(Duration::from_secs(1));
                Self::Busy { what: what.to_owned(), retry_after }
            }
            300..=399 => {
                let to = text(header::LOCATION.as_str()).unwrap_or("another address");
                let to = to.split(['?', '#']).next().unwrap_or_default();
                Self::Denied {
                    what: format!("{what}: the server sends us on to {to}"),
                    hint: "write the address it names, without the path, as url".to_owned(),
                }
            }
            400..=499 if status != 408 => Self::Refused(refusal),
            _ => Self::InDoubt {
                what: Self::Refused(refusal).to_string(),
                retry_after: pause(text("retry-after"), text("date")),
                may_pass: true,
            },
        }
    }

    /// Nothing was done, and it may be tried again.
    pub(super) fn is_harmless(&self) -> bool {
        matches!(self, Self::NotSent { .. } | Self::Busy { .. })
    }

    /// Time may cure it.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::NotSent { .. } | Self::Busy { .. } => true,
            Self::InDoubt { may_pass, .. } => *may_pass,
            Self::Refused(_) | Self::Denied { .. } => false,
        }
    }

    /// Not before that, where the server said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => Some(*retry_after),
            Self::InDoubt { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The refusal, if it is one with this status.
    #[must_use]
    pub fn refused(&self, status: u16) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) if refusal.status == status => Some(refusal),
            _ => None,
        }
    }

    /// As an error of reading a file.
    #[must_use]
    pub fn into_io(self) -> io::Error {
        let missing = self.refused(404).or_else(|| self.refused(410)).is_some();
        let kind = if missing { io::ErrorKind::NotFound } else { io::ErrorKind::Other };
        io::Error::new(kind, self)
    }
}

/// `Retry-After`: seconds or a date, the latter by the server's own clock. At least a second.
fn pause(retry_after: Option<&str>, date: Option<&str>) -> Option<Duration> {
    let text = retry_after?.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let at = DateTime::parse_from_rfc2822(text).ok()?;
            let now = DateTime::parse_from_rfc2822(date?).ok()?;
            u64::try_from((at - now).num_seconds()).unwrap_or(0)
        }
    };
    Some(Duration::from_secs(seconds.max(1)).min(LONGEST_PAUSE))
}

/// What went wrong with the connection, and what can be done.
fn words(error: &ureq::Error) -> (String, Option<&'static str>) {
    let text = error.to_string();
    match error {
        ureq::Error::Timeout(what) => (format!("timed out ({what})"), None),
        ureq::Error::HostNotFound => {
            ("the host is not found".to_owned(), Some("check url, the name server, or set proxy"))
        }
        ureq::Error::ConnectProxyFailed(_) => {
            ("the proxy does not let us through".to_owned(), Some("check proxy"))
        }
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => (text, Some(CERTIFICATE)),
        ureq::Error::Io(error) => {
            // What either side has against the other's certificate; the server says it by alert.
            let about = ["ertificate", "fatal alert"];
            let tls = error.get_ref().is_some_and(|inner| {
                let words = inner.to_string();
                about.iter().any(|about| words.contains(about))
            });
            (error.to_string(), tls.then_some(CERTIFICATE))
        }
        _ => (text, None),
    }
}

const CERTIFICATE: &str = "if the server's certificate is of your own authority, name that in \
                           ca_file; a server may also want client_cert_file and client_key_file";

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let what = failure.to_string();
        let wait = failure.retry_after();
        let error = match failure {
            Failure::NotSent { hint, .. } => Self {
                hint,
                ..Self::wait(TRACKER_UNAVAILABLE, format!("the tracker cannot be reached: {what}"))
            },
            Failure::Denied { hint, .. } => {
                let what = format!("the tracker does not let us in: {what}");
                Self::wait(TRACKER_UNAVAILABLE, what).hint(hint)
            }
            Failure::Busy { .. } => Self::wait(TRACKER_UNAVAILABLE, what),
            Failure::InDoubt { .. } => {
                Self::wait(TRACKER_UNAVAILABLE, format!("the tracker did not answer: {what}"))
            }
            Failure::Refused(_) => {
                Self::new(Fault::Item, TRACKER_REFUSED, format!("the tracker refuses it: {what}"))
            }
        };
        match wait {
            Some(wait) => error.retry_after(wait),
            None => error,
        }
    }
}
