//! How messages of ours are known: by what stands in their `messageid`.
//!
//! Roundup has no place of its own for somebody else's identity, but every message has a
//! `messageid`, which can be searched exactly and is shown nowhere. An issue is made together
//! with its first message in one request, so that there is no moment in which an issue of ours
//! lacks its marker.

use crate::Digest;

const DOMAIN: &str = "@engsync.invalid>";

/// Whose message it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// The issue's description, and what ties it to a partner's issue; the latter may be empty.
    Description(String),
    /// Only what ties the issue to a partner's.
    Tie(String),
    /// A comment that we wrote.
    Comment,
}

impl Identity {
    /// Reads a `messageid`.
    pub(super) fn of(messageid: &str) -> Option<Self> {
        let inner = messageid.strip_prefix('<')?.strip_suffix(DOMAIN)?;
        let (kind, rest) = inner.strip_prefix("engsync.")?.split_once('.')?;
        match kind {
            "d" => Some(Self::Description(decode(rest)?)),
            "t" => Some(Self::Tie(decode(rest)?)),
            "c" => Some(Self::Comment),
            _ => None,
        }
    }

    pub(super) fn marker(&self) -> Option<&str> {
        match self {
            Self::Description(marker) | Self::Tie(marker) if !marker.is_empty() => Some(marker),
            _ => None,
        }
    }
}

/// The `messageid` of the description of the issue that carries `marker`; without one it is new
/// each time, since mail programs take the same for the same mail.
pub(super) fn description(marker: &str) -> String {
    use std::hash::{BuildHasher as _, RandomState};
    if marker.is_empty() {
        return format!("<engsync.d..{:016x}{DOMAIN}", RandomState::new().hash_one(0));
    }
    format!("<engsync.d.{}{DOMAIN}", encode(marker))
}

/// The `messageid` of a note that ties an issue to `marker`.
pub(super) fn tie(marker: &str) -> String {
    format!("<engsync.t.{}{DOMAIN}", encode(marker))
}

/// The `messageid` of a comment: a token belongs to its issue.
pub(super) fn comment(issue: &str, token: &str) -> String {
    let digest = Digest::of(token.as_bytes()).to_string();
    format!("<engsync.c.{}.{issue}{DOMAIN}", &digest[..40])
}

/// What every `messageid` that carries a marker beginning so has in it.
pub(super) fn part(beginning: &str) -> String {
    format!(".{}", encode(beginning))
}

/// A marker as a `messageid` can hold it: what is not a letter or digit as `=2F`. Upper and lower
/// case may be the same to a search, so that what is found is compared.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("={byte:02X}"));
        }
    }
    out
}

fn decode(text: &str) -> Option<String> {
    if text.starts_with('.') {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// `installation/partner` and the partner's number of a marker.
pub(super) fn halves(marker: &str) -> (&str, &str) {
    let slash = marker.find('/').map_or(0, |slash| slash + 1);
    match marker[slash..].find(':') {
        Some(colon) => (&marker[..slash + colon], &marker[slash + colon + 1..]),
        None => (marker, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_comes_back_whatever_is_in_it() {
        for marker in ["main/porsche:4711", "main/p:'; ü 🚗%_\"<>@.=", "", "a"] {
            let id = description(marker);
            assert_eq!(Identity::of(&id), Some(Identity::Description(marker.to_owned())));
            assert_eq!(Identity::of(&tie(marker)), Some(Identity::Tie(marker.to_owned())));
            assert!(id.is_ascii() && !id.contains(' '), "{id}");
        }
        assert!(description("main/p:1").contains(&part("main/p:")));
        assert_eq!(description("main/p:1"), "<engsync.d.main=2Fp=3A1@engsync.invalid>");
    }

    #[test]
    fn others_messages_are_not_ours() {
        for id in [
            "",
            "<1710.12.issue3@tracker.example>",
            "<engsync.x.a@engsync.invalid>",
            "<engsync.d.=G1@engsync.invalid>",
            "<engsync.d.=2@engsync.invalid>",
        ] {
            assert_eq!(Identity::of(id), None, "{id}");
        }
        assert_eq!(Identity::of(&comment("7", "token")), Some(Identity::Comment));
        assert_ne!(comment("7", "token"), comment("8", "token"));
    }

    #[test]
    fn the_partner_is_what_stands_before_the_number() {
        for (marker, wanted) in [
            ("main/porsche:4711", ("main/porsche", "4711")),
            ("main/p:a:b", ("main/p", "a:b")),
            ("ma:in/p:1", ("ma:in/p", "1")),
            ("odd", ("odd", "")),
        ] {
            assert_eq!(halves(marker), wanted);
        }
    }
}
