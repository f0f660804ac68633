//! Bytes in, UTF-8 out: the encodings documents come in, and XML's own idea of a character.

use std::io::{self, Read};

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use memchr::memchr_iter;

/// How much is read at a time; at first less, because most documents are small and many.
const RAW: usize = 64 << 10;
const FIRST_RAW: usize = 4 << 10;
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A window on a document as valid UTF-8 made of XML 1.0 characters only (production 2, Char).
///
/// The encoding is that of the byte order mark, else of the XML declaration, else UTF-8
/// (XML 1.0, appendix F). ISO-8859-1 is read as windows-1252, its superset.
pub(super) struct Text<R> {
    source: R,
    raw: Vec<u8>,
    raw_at: usize,
    raw_end: usize,
    encoding: Option<&'static Encoding>,
    /// `None`: UTF-8, which is looked over and copied.
    decoder: Option<encoding_rs::Decoder>,
    window: String,
    /// Where the unread part of the window begins.
    at: usize,
    ended: bool,
    /// How many bytes were read from the source.
    read: u64,
    longest: u64,
    returns: bool,
    /// How many bytes stood before the window.
    before: u64,
}

impl<R: Read> Text<R> {
    /// Reads `source`; a text or tag longer than `longest` bytes is refused.
    pub(super) fn new(source: R, longest: u64) -> Self {
        Self {
            source,
            raw: vec![0; FIRST_RAW],
            raw_at: 0,
            raw_end: 0,
            encoding: None,
            decoder: None,
            window: String::new(),
            at: 0,
            ended: false,
            read: 0,
            longest,
            returns: false,
            before: 0,
        }
    }

    /// What was read and is not yet used.
    #[inline]
    pub(super) fn rest(&self) -> &str {
        self.window.get(self.at..).unwrap_or_default()
    }

    /// The next `length` bytes are used.
    #[inline]
    pub(super) fn advance(&mut self, length: usize) {
        self.at += length;
    }

    /// How many bytes of the document, as UTF-8, are used.
    pub(super) fn position(&self) -> u64 {
        self.before + self.at as u64
    }

    /// Whether a carriage return was read so far, so that line ends have to be normalised.
    #[inline]
    pub(super) fn has_returns(&self) -> bool {
        self.returns
    }

    /// Reads on, because the rest is the beginning of something longer: at least as much again,
    /// so that whoever looks at it from its beginning each time looks at each byte twice only.
    /// `false` at the end of the document.
    pub(super) fn more(&mut self) -> io::Result<bool> {
        self.window.drain(..self.at);
        self.before += self.at as u64;
        self.at = 0;
        let unfinished = self.window.len();
        if unfinished as u64 > self.longest {
            return Err(too_long(self.longest));
        }
        let longest = usize::try_from(self.longest).unwrap_or(usize::MAX);
        let enough = (2 * unfinished).clamp(1, longest.saturating_add(1));
        while !self.ended && self.window.len() < enough {
            self.fill()?;
        }
        Ok(self.window.len() > unfinished)
    }

    fn fill_raw(&mut self) -> io::Result<bool> {
        self.raw.copy_within(self.raw_at..self.raw_end, 0);
        self.raw_end -= self.raw_at;
        self.raw_at = 0;
        if self.read >= FIRST_RAW as u64 {
            self.raw.resize(RAW, 0);
        }
        loop {
            match self.source.read(&mut self.raw[self.raw_end..]) {
                Ok(read) => {
                    self.raw_end += read;
                    self.read += read as u64;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The declaration stands in the first few bytes, which may come in several reads.
    fn start(&mut self) -> io::Result<&'static Encoding> {
        while self.raw_end < 512 && self.fill_raw()? {}
        let (encoding, skip) = detect(&self.raw[..self.raw_end])?;
        self.raw_at = skip;
        self.encoding = Some(encoding);
        if encoding != UTF_8 {
            self.decoder = Some(encoding.new_decoder_without_bom_handling());
        }
        Ok(encoding)
    }

    fn fill(&mut self) -> io::Result<()> {
        let first = self.encoding.is_none();
        let encoding = match self.encoding {
            Some(encoding) => encoding,
            None => self.start()?,
        };
        let from = self.window.len();
        let fresh = first && self.raw_at < self.raw_end;
        let last = !fresh && !self.fill_raw()?;
        let raw = &self.raw[self.raw_at..self.raw_end];
        let (used, sound) = match &mut self.decoder {
            None => utf8(raw, last, &mut self.window),
            Some(decoder) => decode(decoder, raw, last, &mut self.window),
        };
        self.raw_at += used;
        if !sound {
            let byte = self.read - (self.raw_end - self.raw_at) as u64;
            let what = format!("the bytes before byte {byte} are not {}", encoding.name());
            return Err(invalid(what));
        }
        self.ended = last;
        if first && self.window.starts_with(BYTE_ORDER_MARK) {
            self.window.remove(0);
        }
        let position = self.before + from as u64;
        self.returns |= check(self.window.as_bytes().get(from..).unwrap_or_default(), position)?;
        Ok(())
    }
}

/// Appends the characters of `raw`. Answers how many bytes were used, and whether they are UTF-8;
/// a character cut off is left for the next time, unless this is the `last`.
fn utf8(raw: &[u8], last: bool, window: &mut String) -> (usize, bool) {
    match std::str::from_utf8(raw) {
        Ok(text) => {
            window.push_str(text);
            (raw.len(), true)
        }
        Err(error) => {
            let whole = error.valid_up_to();
            let text = raw.get(..whole).and_then(|whole| std::str::from_utf8(whole).ok());
            window.push_str(text.unwrap_or_default());
            match error.error_len() {
                None if !last => (whole, true),
                None => (raw.len(), false),
                Some(length) => (whole + length, false),
            }
        }
    }
}

fn decode(
    decoder: &mut encoding_rs::Decoder,
    raw: &[u8],
    last: bool,
    window: &mut String,
) -> (usize, bool) {
    let room = decoder.max_utf8_buffer_length_without_replacement(raw.len());
    window.reserve(room.unwrap_or(4 * raw.len()));
    let (result, used) = decoder.decode_to_string_without_replacement(raw, window, last);
    (used, !matches!(result, DecoderResult::Malformed(..)))
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
        all(Text::new(bytes, 1 << 20))
    }

    /// The whole document, used a little at a time.
    fn all(mut text: Text<impl Read>) -> io::Result<String> {
        let mut read = String::new();
        while text.more()? {
            let rest = text.rest();
            let some = rest.char_indices().nth(100).map_or(rest.len(), |(at, _)| at);
            read.push_str(&rest[..some]);
            text.advance(some);
            assert_eq!(text.position(), read.len() as u64);
        }
        Ok(read)
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
        assert_eq!(all(Text::new(Slow(long.as_bytes()), 1 << 20)).unwrap(), long);
        for swap in [false, true] {
            let bytes = utf16(&long, swap);
            assert_eq!(all(Text::new(Slow(&bytes), 1 << 20)).unwrap(), long);
        }
        let cut = &long.as_bytes()[..long.len() - 5];
        assert!(all(Text::new(Slow(cut), 1 << 20)).is_err());
    }

    #[test]
    fn an_endless_event_is_refused() {
        let long = vec![b'x'; 1 << 20];
        let mut text = Text::new(&long[..], 1 << 16);
        let mut length = 0;
        let error = loop {
            match text.more() {
                Ok(more) => assert!(more && text.rest().len() > length),
                Err(error) => break error,
            }
            length = text.rest().len();
        };
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(length <= (1 << 16) + RAW, "{length}");
    }
}
