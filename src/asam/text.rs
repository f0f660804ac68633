//! Bytes in, UTF-8 out: the encodings documents come in, and XML's own idea of a character.

use std::io::{self, BufRead, Read};

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use memchr::memchr_iter;

const RAW: usize = 32 << 10;
/// Room for the decoder's output: one byte of windows-1252 becomes at most three of UTF-8.
const OUT: usize = 3 * RAW + 16;

/// A reader that hands on valid UTF-8 made of XML 1.0 characters only (production 2, Char).
///
/// The encoding is that of the byte order mark, else of the XML declaration, else UTF-8
/// (XML 1.0, appendix F). ISO-8859-1 is read as windows-1252, its superset.
pub(super) struct Text<R> {
    source: R,
    raw: Box<[u8]>,
    raw_at: usize,
    raw_end: usize,
    decoder: Option<encoding_rs::Decoder>,
    encoding: &'static Encoding,
    out: Box<[u8]>,
    at: usize,
    end: usize,
    ended: bool,
    read: u64,
    fresh: u64,
    longest: u64,
    returns: bool,
    /// How many bytes were handed on before the buffer.
    before: u64,
}

impl<R: Read> Text<R> {
    /// Reads `source`; an event longer than `longest` bytes is refused.
    pub(super) fn new(source: R, longest: u64) -> Self {
        Self {
            source,
            raw: vec![0; RAW].into_boxed_slice(),
            raw_at: 0,
            raw_end: 0,
            decoder: None,
            encoding: UTF_8,
            out: vec![0; OUT].into_boxed_slice(),
            at: 0,
            end: 0,
            ended: false,
            read: 0,
            fresh: 0,
            longest,
            returns: false,
            before: 0,
        }
    }

    /// Whether a carriage return was read so far, so that line ends have to be normalised.
    pub(super) fn has_returns(&self) -> bool {
        self.returns
    }

    /// The event is complete: the next one may again be as long as the limit.
    pub(super) fn event_done(&mut self) {
        self.fresh = 0;
    }

    fn fill_raw(&mut self) -> io::Result<bool> {
        self.raw_at = 0;
        self.raw_end = 0;
        loop {
            match self.source.read(&mut self.raw) {
                Ok(0) => return Ok(false),
                Ok(read) => {
                    self.raw_end = read;
                    self.read += read as u64;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn start(&mut self) -> io::Result<()> {
        // The declaration stands in the first few bytes, which may come in several reads.
        while self.raw_end < 512 {
            let read = self.source.read(&mut self.raw[self.raw_end..])?;
            if read == 0 {
                break;
            }
            self.raw_end += read;
            self.read += read as u64;
        }
        let head = &self.raw[..self.raw_end];
        let (encoding, skip) = detect(head)?;
        self.encoding = encoding;
        self.raw_at = skip;
        self.decoder = Some(encoding.new_decoder_without_bom_handling());
        Ok(())
    }

    fn refill(&mut self) -> io::Result<()> {
        if self.decoder.is_none() {
            self.start()?;
        }
        self.at = 0;
        self.end = 0;
        while self.end == 0 && !self.ended {
            let last = if self.raw_at == self.raw_end { !self.fill_raw()? } else { false };
            let Some(decoder) = self.decoder.as_mut() else { break };
            let (result, read, written) = decoder.decode_to_utf8_without_replacement(
                &self.raw[self.raw_at..self.raw_end],
                &mut self.out,
                last,
            );
            self.raw_at += read;
            self.end = written;
            if let DecoderResult::Malformed(..) = result {
                let byte = self.read - (self.raw_end - self.raw_at) as u64;
                return Err(invalid(format!(
                    "the bytes before byte {byte} are not {}",
                    self.encoding.name()
                )));
            }
            self.ended = last;
        }
        self.returns |= check(&self.out[..self.end], self.before)?;
        self.before += self.end as u64;
        self.fresh += self.end as u64;
        // A buffer may hold the end of one event and the start of the next.
        if self.fresh > self.longest.saturating_add(2 * OUT as u64) {
            return Err(too_long(self.longest));
        }
        Ok(())
    }
}

impl<R: Read> Read for Text<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let from = self.fill_buf()?;
        let take = from.len().min(into.len());
        into[..take].copy_from_slice(&from[..take]);
        self.consume(take);
        Ok(take)
    }
}

impl<R: Read> BufRead for Text<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.end && !self.ended {
            self.refill()?;
        }
        Ok(&self.out[self.at..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.end);
    }
}

/// XML 1.0, appendix F: the encoding, and how many bytes of byte order mark to skip.
fn detect(head: &[u8]) -> io::Result<(&'static Encoding, usize)> {
    if let Some(found) = Encoding::for_bom(head) {
        return Ok(found);
    }
    match head {
        [b'<', 0, ..] => return Ok((UTF_16LE, 0)),
        [0, b'<', ..] => return Ok((UTF_16BE, 0)),
        _ => {}
    }
    let Some(label) = declared(head) else { return Ok((UTF_8, 0)) };
    match Encoding::for_label(label) {
        // The declaration was just read byte by byte, so it cannot be UTF-16.
        Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => Ok((UTF_8, 0)),
        Some(encoding) if encoding != encoding_rs::REPLACEMENT => Ok((encoding, 0)),
        _ => Err(invalid(format!(
            "the encoding {} is not known",
            String::from_utf8_lossy(label).escape_debug()
        ))),
    }
}

/// The label of the encoding declaration (production 80).
fn declared(head: &[u8]) -> Option<&[u8]> {
    let head = &head[..head.len().min(512)];
    let rest = head.strip_prefix(b"<?xml")?;
    let declaration = &rest[..memchr::memmem::find(rest, b"?>")?];
    let at = memchr::memmem::find(declaration, b"encoding")?;
    let rest = declaration[at + 8..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, rest) = rest.split_first()?;
    let end = memchr::memchr(*quote, rest)?;
    matches!(quote, b'"' | b'\'').then_some(&rest[..end])
}

/// Refuses what is not an XML 1.0 Char; `text` is whole UTF-8. Answers whether it has a carriage
/// return.
fn check(text: &[u8], before: u64) -> io::Result<bool> {
    let (controls, returns) = text.iter().fold((0_u8, 0_u8), |(controls, returns), byte| {
        let blank = (*byte == b'\t') | (*byte == b'\n') | (*byte == b'\r');
        (controls | u8::from((*byte < 0x20) & !blank), returns | u8::from(*byte == b'\r'))
    });
    if controls != 0 {
        let is_control = |b: &u8| *b < 0x20 && !matches!(*b, b'\t' | b'\n' | b'\r');
        let at = text.iter().position(is_control).unwrap_or_default();
        return Err(invalid(format!(
            "the control character U+{:04X} at byte {} is not allowed in XML",
            text.get(at).copied().unwrap_or_default(),
            before + at as u64
        )));
    }
    for at in memchr_iter(0xEF, text) {
        if let [0xEF, 0xBF, last @ (0xBE | 0xBF), ..] = text[at..] {
            return Err(invalid(format!("the character U+FF{:02X} is not allowed in XML", {
                last | 0x40
            })));
        }
    }
    Ok(returns != 0)
}

pub(super) fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// An event is longer than the limit; recognised by its kind.
fn too_long(longest: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("a text or tag is longer than {longest} bytes, which is the limit"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        Text::new(bytes, 1 << 20).read_to_string(&mut text).map(|_| text)
    }

    fn utf16(text: &str, swap: bool) -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| if swap { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect()
    }

    #[test]
    fn every_encoding_becomes_utf8() {
        let latin = b"<?xml version=\"1.0\" encoding='ISO-8859-1'?><a>\xfc</a>";
        assert!(read(latin).unwrap().contains("ü"));
        let windows = b"<?xml version=\"1.0\" encoding=\"windows-1252\"?><a>\x80</a>";
        assert!(read(windows).unwrap().contains("€"));
        assert_eq!(read("\u{feff}<a>ü</a>".as_bytes()).unwrap(), "<a>ü</a>");
        let text = "<?xml version=\"1.0\" encoding=\"utf-16\"?><a>ü€😀</a>";
        for swap in [false, true] {
            assert_eq!(read(&utf16(text, swap)).unwrap(), text);
            assert_eq!(read(&utf16(&format!("\u{feff}{text}"), swap)).unwrap(), text);
        }
        assert_eq!(read(text.as_bytes()).unwrap(), text);
        assert_eq!(read(b"").unwrap(), "");
    }

    #[test]
    fn what_xml_cannot_carry_is_refused() {
        let cases: [&[u8]; 6] = [
            b"<a>\x0b</a>",
            b"<a>\0</a>",
            b"<a>\xff</a>",
            b"<a>\xc3",
            b"<a>\xef\xbf\xbe</a>",
            b"<?xml version=\"1.0\" encoding=\"klingon\"?><a/>",
        ];
        for bytes in cases {
            let error = read(bytes).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        }
        assert!(read("<a>\t\r\n\u{85}\u{d7ff}\u{e000}\u{fffd}</a>".as_bytes()).is_ok());
    }

    #[test]
    fn a_character_may_be_cut_by_a_read() {
        struct Slow<'a>(&'a [u8]);
        impl Read for Slow<'_> {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
                self.0 = rest;
                into[0] = *first;
                Ok(1)
            }
        }
        let long = format!("<a>{}</a>", "ü€😀".repeat(40_000));
        let mut text = String::new();
        Text::new(Slow(long.as_bytes()), 1 << 20).read_to_string(&mut text).unwrap();
        assert_eq!(text, long);
    }

    #[test]
    fn an_endless_event_is_refused() {
        let long = vec![b'x'; 1 << 20];
        let error = Text::new(&long[..], 1 << 16).read_to_string(&mut String::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
