//! Files embedded in a document as base64.

use std::io;

use super::archive::Store;
use super::events::local;
use super::text::{Text, invalid};
use super::tokens::{self, Stop, Token};

/// The bytes of the `content`th CONTENT of the `issue`th issue of a document. They are at most
/// as long as a text may be; the document was found well-formed before.
pub(super) fn find(
    store: &Store,
    document: Option<usize>,
    issue: usize,
    content: usize,
) -> io::Result<Vec<u8>> {
    let mut found = None;
    store.read(document, &mut |source| {
        let mut text = Text::new(source, store.limits().text);
        let (mut at, mut base64) = (At::default(), String::new());
        let read = tokens::each(&mut text, |token, _| {
            match token {
                Token::Start { name, empty, .. } => at.start(local(name), empty),
                Token::Text(text) | Token::Cdata(text) if at.inside(issue, content) => {
                    base64.push_str(text);
                }
                Token::End(_) if at.inside(issue, content) => {
                    found = Some(decode(&base64)?);
                    return Ok(None);
                }
                Token::End(_) => at.end(),
                _ => {}
            }
            Ok(Some(""))
        });
        read.map_err(|stop| match stop {
            Stop::Text(error) | Stop::Visitor(error, _) => error,
            Stop::Syntax(what) => invalid(what.to_owned()),
        })
    })?;
    found.ok_or_else(|| invalid("the embedded file is not in the document any more".to_owned()))
}

#[derive(Default)]
struct At {
    depth: usize,
    in_issues: bool,
    /// Counted from one.
    issue: usize,
    content: usize,
    open: bool,
}

impl At {
    fn start(&mut self, name: &str, empty: bool) {
        match self.depth {
            1 => self.in_issues = name == "ISSUES",
            2 if self.in_issues => {
                self.issue += 1;
                self.content = 0;
            }
            _ => {}
        }
        if name == "CONTENT" && self.in_issues && self.depth > 2 {
            self.content += 1;
            self.open = !empty;
        }
        if !empty {
            self.depth += 1;
        }
    }

    fn end(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.open = false;
    }

    fn inside(&self, issue: usize, content: usize) -> bool {
        self.open && self.issue == issue + 1 && self.content == content + 1
    }
}

/// RFC 4648, section 4, with white space anywhere.
pub(super) fn decode(base64: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(base64.len() / 4 * 3);
    let (mut bits, mut count, mut padding) = (0_u32, 0_u32, 0_u32);
    for byte in base64.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                continue;
            }
            _ => return Err(not_base64()),
        };
        if padding > 0 {
            return Err(not_base64());
        }
        bits = bits << 6 | u32::from(value);
        count += 1;
        if count == 4 {
            bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, count) = (0, 0);
        }
    }
    match (count, padding) {
        (0, 0) => {}
        (2, 0 | 2) => bytes.push(bits.to_be_bytes()[2] << 4 | bits.to_be_bytes()[3] >> 4),
        (3, 0 | 1) => bytes.extend_from_slice(&(bits << 6).to_be_bytes()[1..3]),
        _ => return Err(not_base64()),
    }
    Ok(bytes)
}

fn not_base64() -> io::Error {
    invalid("the embedded file is not base64".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_known_answers() {
        let cases = [
            ("", Some("")),
            ("Zg==", Some("f")),
            ("Zg", Some("f")),
            ("Zm8=", Some("fo")),
            ("Zm9v", Some("foo")),
            (" Zm9v\nYmFy ", Some("foobar")),
            ("Z", None),
            ("Zm9v=", None),
            ("Zg=a", None),
            ("Zm9*", None),
        ];
        for (base64, bytes) in cases {
            assert_eq!(decode(base64).ok().as_deref(), bytes.map(str::as_bytes), "{base64}");
        }
    }
}
