//! The server's base address and the paths below it.

use std::fmt;

use ureq::http::Uri;

use crate::{CONFIG, Error, Result};

/// The base address of a server: scheme, host and port, and perhaps a path.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    origin: String,
    path: String,
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Scheme, host and port, the port always said, so that two spellings compare equal.
fn origin(uri: &Uri) -> Option<String> {
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let authority = uri.authority()?;
    let port = match (authority.port_u16(), scheme.as_str()) {
        (Some(port), _) => port,
        (None, "https") => 443,
        (None, "http") => 80,
        _ => return None,
    };
    Some(format!("{scheme}://{}:{port}", authority.host().to_ascii_lowercase()))
}

impl Url {
    /// The address as the configuration has it.
    pub(super) fn base(text: &str) -> Result<Self> {
        let bad = |why: &str| {
            // The text itself may hold a password, so it is not repeated.
            Error::setup(CONFIG, format!("url of the tracker: {why}"))
                .hint("write it as \"https://jira.example\" or \"https://host.example/jira\"")
        };
        let uri: Uri = text.parse().map_err(|_| bad("it is no address"))?;
        let authority = uri.authority().ok_or_else(|| bad("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("user and password do not belong there"));
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(bad("it has a query or a fragment"));
        }
        origin(&uri).ok_or_else(|| bad("it begins neither with https:// nor with http://"))?;
        let scheme = uri.scheme_str().unwrap_or_default().to_ascii_lowercase();
        let origin = format!("{scheme}://{authority}");
        Ok(Self { origin, path: uri.path().trim_end_matches('/').to_owned() })
    }

    /// `https`, so that nobody reads along.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// Scheme, host and port as they were written: what a browser would name as `Origin`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The address of `path`, which begins with `/`.
    pub(super) fn join(&self, path: &str) -> String {
        format!("{}{}{path}", self.origin, self.path)
    }

    /// Whether `url` is an address of this server.
    pub(super) fn is_origin_of(&self, url: &str) -> bool {
        let parse = |text: &str| text.parse().ok().as_ref().and_then(origin);
        parse(url).is_some_and(|theirs| parse(&self.origin).is_some_and(|ours| ours == theirs))
    }

    /// Where a redirection from `from` to `to` leads.
    pub(super) fn resolve(from: &str, to: &str) -> Option<String> {
        let uri: Uri = to.split('#').next()?.parse().ok()?;
        if uri.scheme().is_some() {
            let plain = uri.scheme_str() == Some("http") && from.starts_with("https:");
            return (!plain && origin(&uri).is_some()).then(|| uri.to_string());
        }
        let from: Uri = from.parse().ok()?;
        let path = to.starts_with('/').then_some(to)?;
        Some(format!("{}://{}{path}", from.scheme_str()?, from.authority()?))
    }
}

/// Percent-encodes everything but the unreserved characters of RFC 3986.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
