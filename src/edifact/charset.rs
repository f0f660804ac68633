//! Syntax identifiers (data element 0001) and character encodings (0133) to decoders and
//! repertoires (ISO 9735:1988 clause 5, ISO 9735-1:2002 annex A).

use std::borrow::Cow;

use encoding_rs::Encoding;

mod tables;

/// The character set of an interchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// UNOA: ISO 646 without lower case.
    A,
    /// UNOB: ISO 646 with lower case.
    B,
    /// UNOC: ISO 8859-1, byte = code point.
    Latin1,
    /// UNOD … UNOJ and UNOL: the other parts of ISO 8859, by their letter.
    Iso(u8),
    /// UNOK: ISO 8859-9.
    Latin5,
    /// UNOW, UNOY, or encoding 7: UTF-8.
    Utf8,
    /// Encoding 4: code page 850.
    Cp850,
}

impl Charset {
    /// From data element 0001.
    #[must_use]
    pub fn from_identifier(identifier: &[u8]) -> Option<Self> {
        match identifier {
            b"UNOA" => Some(Self::A),
            b"UNOB" => Some(Self::B),
            b"UNOC" => Some(Self::Latin1),
            b"UNOK" => Some(Self::Latin5),
            b"UNOW" | b"UNOY" => Some(Self::Utf8),
            [b'U', b'N', b'O', letter] if iso(*letter).is_some() => Some(Self::Iso(*letter)),
            _ => None,
        }
    }

    /// From data element 0133 (syntax version 4), where it says more than 0001: `None` for 1
    /// and 2 (ASCII in 7 and 8 bits) and for what cannot be.
    #[must_use]
    pub fn from_encoding(encoding: &str) -> Option<Self> {
        match encoding {
            "4" => Some(Self::Cp850),
            "7" => Some(Self::Utf8),
            _ => None,
        }
    }

    /// The text of `bytes`, which hold no release characters any more.
    #[must_use]
    pub fn decode<'a>(self, bytes: &'a [u8]) -> Cow<'a, str> {
        if bytes.is_ascii() {
            return String::from_utf8_lossy(bytes);
        }
        match self {
            // What stands outside levels A and B is most often ISO 8859-1; it is reported.
            Self::A | Self::B | Self::Latin1 => {
                Cow::Owned(bytes.iter().map(|&b| b as char).collect())
            }
            Self::Latin5 => Cow::Owned(bytes.iter().map(|&b| tables::latin5(b)).collect()),
            Self::Cp850 => Cow::Owned(bytes.iter().map(|&b| tables::cp850(b)).collect()),
            Self::Utf8 => String::from_utf8_lossy(bytes),
            Self::Iso(letter) => match iso(letter) {
                Some(encoding) => encoding.decode_without_bom_handling(bytes).0,
                None => String::from_utf8_lossy(bytes),
            },
        }
    }

    /// Appends the text of `bytes` as UTF-8.
    pub(super) fn decode_into(self, bytes: &[u8], text: &mut Vec<u8>) {
        match self {
            _ if bytes.is_ascii() => text.extend_from_slice(bytes),
            Self::A | Self::B | Self::Latin1 => {
                for &octet in bytes {
                    if octet.is_ascii() {
                        text.push(octet);
                    } else {
                        // U+0080 to U+00FF are two octets in UTF-8, the lead being C2 or C3.
                        text.extend_from_slice(&[0xc0 | octet >> 6, 0x80 | octet & 0x3f]);
                    }
                }
            }
            _ => text.extend_from_slice(self.decode(bytes).as_bytes()),
        }
    }

    /// Appends `c`; false where the repertoire has no such character.
    #[must_use]
    pub fn encode(self, c: char, out: &mut Vec<u8>) -> bool {
        if c.is_control() {
            return false;
        }
        let byte = match self {
            Self::A => u8::try_from(c).ok().filter(|&b| level_a(b)),
            Self::B => u8::try_from(c).ok().filter(|&b| level_b(b)),
            Self::Latin1 => u8::try_from(c).ok(),
            _ if c.is_ascii() => Some(c as u8),
            Self::Latin5 => (0xa0..=0xff).find(|&b| tables::latin5(b) == c),
            Self::Cp850 => (0x80..=0xff).find(|&b| tables::cp850(b) == c),
            Self::Utf8 => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return true;
            }
            Self::Iso(letter) => {
                let mut buffer = [0; 4];
                let (bytes, _, lost) = match iso(letter) {
                    Some(encoding) => encoding.encode(c.encode_utf8(&mut buffer)),
                    None => return false,
                };
                match (bytes.as_ref(), lost) {
                    (&[byte], false) => Some(byte),
                    _ => None,
                }
            }
        };
        byte.inspect(|&b| out.push(b)).is_some()
    }

    /// The position of the first octet outside the repertoire.
    #[must_use]
    pub fn first_foreign(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::A => bytes.iter().position(|&b| !level_a(b)),
            Self::B => bytes.iter().position(|&b| !level_b(b)),
            Self::Utf8 => {
                // Up to the next control character only, so that many of them cost no more.
                let control = position(bytes, |b| b < 0x20 || b == 0x7f);
                let text = bytes.get(..control.unwrap_or(bytes.len())).unwrap_or(bytes);
                std::str::from_utf8(text).err().map(|error| error.valid_up_to()).or(control)
            }
            Self::Cp850 => position(bytes, |b| b < 0x20 || b == 0x7f),
            _ => position(bytes, |b| b < 0x20 || (0x7f..0xa0).contains(&b)),
        }
    }
}

/// `Iterator::position` in blocks without early exit, which the compiler turns into vector code.
fn position(bytes: &[u8], foreign: impl Fn(u8) -> bool) -> Option<usize> {
    let mut at = 0;
    for block in bytes.chunks(64) {
        if block.iter().fold(false, |any, &b| any | foreign(b)) {
            return block.iter().position(|&b| foreign(b)).map(|i| at + i);
        }
        at += block.len();
    }
    None
}

/// Level A: ISO 646 with the positions it leaves out.
fn level_a(octet: u8) -> bool {
    matches!(octet, b'A'..=b'Z' | b'0'..=b'9') || b" .,-()/='+:?!\"%&*;<>".contains(&octet)
}

/// Level B: level A with lower case.
fn level_b(octet: u8) -> bool {
    octet.is_ascii_lowercase() || level_a(octet)
}

/// The parts of ISO 8859 that `encoding_rs` knows by their true tables; -1 and -9 are not among
/// them, it reads those names as Windows code pages.
fn iso(letter: u8) -> Option<&'static Encoding> {
    Some(match letter {
        b'D' => encoding_rs::ISO_8859_2,
        b'E' => encoding_rs::ISO_8859_5,
        b'F' => encoding_rs::ISO_8859_7,
        b'G' => encoding_rs::ISO_8859_3,
        b'H' => encoding_rs::ISO_8859_4,
        b'I' => encoding_rs::ISO_8859_6,
        b'J' => encoding_rs::ISO_8859_8,
        b'L' => encoding_rs::ISO_8859_15,
        _ => return None,
    })
}

/// Whether `bytes` hold multi-byte UTF-8 and nothing else beyond ASCII.
pub(super) fn looks_like_utf8(bytes: &[u8]) -> bool {
    !bytes.is_ascii() && std::str::from_utf8(bytes).is_ok()
}
