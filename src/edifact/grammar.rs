//! The productions of ISO 9735:1988 clause 8 and ISO 9735-1:2002 clause 7 to 9, each a nom parser
//! over octets. `Incomplete` means that the file ends too early, `Error` that it is something else.

use nom::bytes::complete::take_while;
use nom::bytes::streaming::{tag, take};
use nom::combinator::{opt, peek};
use nom::{IResult, Needed, Parser};

use super::scan::{Role, Scanner};
use super::spans::{Closer, Mark, Spans};

/// What stands before the first segment says how to read the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    /// The six octets of UNA.
    pub(super) advice: Option<[u8; 6]>,
    /// What separates elements in UNB.
    pub(super) element: u8,
    /// Data element 0001.
    pub(super) identifier: [u8; 4],
    /// What follows it.
    pub(super) component: u8,
    /// Data element 0002.
    pub(super) version: u8,
}

/// Octets between segments that mean nothing.
pub(super) fn is_separation(octet: u8) -> bool {
    matches!(octet, b'\r' | b'\n' | b'\t' | b' ')
}

/// Line ends and blanks between segments.
pub(super) fn separation(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while(is_separation).parse(input)
}

/// What may stand around interchanges beside [`separation`]: byte order mark, Ctrl-Z, NUL.
pub(super) fn surrounding(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while(|octet| is_separation(octet) || matches!(octet, 0xef | 0xbb | 0xbf | 0x1a | 0))
        .parse(input)
}

/// UNA, service string advice: exactly nine octets (ISO 9735:1988 annex B).
fn service_string_advice(input: &[u8]) -> IResult<&[u8], [u8; 6]> {
    let (input, (_, roles)) = (tag(&b"UNA"[..]), take(6_usize)).parse(input)?;
    let mut advice = [0; 6];
    advice.copy_from_slice(roles);
    Ok((input, advice))
}

/// The beginning of UNB up to the syntax version, read without knowing the separators.
fn header_probe(input: &[u8]) -> IResult<&[u8], (u8, [u8; 4], u8, u8)> {
    let (input, (_, probe)) = (tag(&b"UNB"[..]), take(7_usize)).parse(input)?;
    let mut octets = [0; 7];
    octets.copy_from_slice(probe);
    let [element, a, b, c, d, component, version] = octets;
    Ok((input, (element, [a, b, c, d], component, version)))
}

/// `[UNA] UNB…`; the input that is left begins with UNB.
pub(super) fn opening(input: &[u8]) -> IResult<&[u8], Opening> {
    let (input, advice) = opt(service_string_advice).parse(input)?;
    let (input, _) = separation(input)?;
    let (input, (element, identifier, component, version)) = peek(header_probe).parse(input)?;
    Ok((input, Opening { advice, element, identifier, component, version }))
}

/// segment := TAG (element-separator element)* terminator
///
/// A separator structures unless a release character stands before it that is not itself
/// released; the walk from left to right decides that. The marks go to `spans`; `scanner` walks
/// over the whole interchange, of which `input` is the rest from this segment on.
pub(super) fn segment<'a>(
    scanner: &mut Scanner<'_>,
    whole: &'a [u8],
    spans: &mut Spans,
) -> impl FnMut(&'a [u8]) -> IResult<&'a [u8], ()> {
    move |input| {
        let start = whole.len() - input.len();
        spans.begin(start);
        let mut from = start;
        let mut released = false;
        while let Some((at, octet)) = scanner.next(from) {
            match scanner.needles().role(octet) {
                Role::Releases => {
                    released = true;
                    from = at + 2;
                }
                Role::Closes(closer) => {
                    spans.close(Mark::new(at, closer, released));
                    released = false;
                    if closer == Closer::Terminator {
                        return Ok((whole.get(at + 1..).unwrap_or(&[]), ()));
                    }
                }
            }
        }
        // The cut segment is kept up to the end of the file, for those who look into it.
        spans.close(Mark::new(whole.len(), Closer::Terminator, released));
        Err(nom::Err::Incomplete(Needed::Unknown))
    }
}
