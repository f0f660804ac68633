//! Files cut into lines of constant width, as blocked data sets leave them: the line ends are no
//! data and stand anywhere, so they are taken out before anything else looks.

use memchr::memchr2;

use super::grammar;
use super::interchange::Wrapping;

/// Shorter lines are not taken for a block width.
const MIN_WIDTH: usize = 20;

/// The file without its wrapping, if it is wrapped: at least two full lines of the same width,
/// all line ends alike, and one of them inside a segment.
pub(super) fn join(bytes: &[u8]) -> Option<(Vec<u8>, Wrapping)> {
    let width = memchr2(b'\r', b'\n', bytes)?;
    if width < MIN_WIDTH {
        return None;
    }
    let end: &[u8] = match bytes.get(width..)? {
        [b'\r', b'\n', ..] => b"\r\n",
        [b'\r', ..] => b"\r",
        _ => b"\n",
    };
    let (_, opening) = grammar::opening(bytes).ok()?;
    let terminator = opening.advice.map_or(b'\'', |advice| advice[5]);
    let mut joined = Vec::with_capacity(bytes.len());
    let mut inside = false;
    let mut lines = 0;
    let mut rest = bytes;
    while rest.len() > width {
        let (line, after) = rest.split_at(width);
        let left = after.strip_prefix(end)?;
        if memchr2(b'\r', b'\n', line).is_some() {
            return None;
        }
        inside |= line.last() != Some(&terminator) && !left.is_empty();
        joined.extend_from_slice(line);
        lines += 1;
        rest = left;
    }
    let last = rest.strip_suffix(end).unwrap_or(rest);
    if lines < 2 || !inside || memchr2(b'\r', b'\n', last).is_some() {
        return None;
    }
    joined.extend_from_slice(last);
    Some((joined, Wrapping { width: width as u64, end: end.len() as u64 }))
}
