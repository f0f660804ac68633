//! Looking over the members of an archive before any of them is read: what is refused, and why.

use std::collections::HashSet;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use memchr::memmem;
use zip::CompressionMethod;
use zip::read::OwnedZipFileEntry;

use super::code;
use super::container::{Cursor, Member, ReadSeek, Source, shown};
use super::limits::Limits;
use crate::{Code, Finding};

const END_RECORD: &[u8] = b"PK\x05\x06";
const END_RECORD_LENGTH: u64 = 22;
const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
const LOCAL_HEADER_LENGTH: usize = 30;
const CENTRAL_HEADER_LENGTH: usize = 46;

/// Where the archive ends: after its end record and comment (APPNOTE 4.3.16), before zero bytes
/// with which a fixed-record file system padded it. `None`: there is no end record.
pub(super) fn end_of_archive(
    bytes: &mut Box<dyn ReadSeek + Send>,
    length: u64,
) -> io::Result<Option<u64>> {
    let Some(content) = last_non_zero(bytes, length)? else { return Ok(None) };
    // The record itself may end in zeros: an empty comment, a short directory.
    let to = (content + END_RECORD_LENGTH).min(length);
    let from = content.saturating_sub(END_RECORD_LENGTH + u64::from(u16::MAX));
    let mut window = vec![0; usize::try_from(to - from).unwrap_or(0)];
    bytes.seek(SeekFrom::Start(from))?;
    bytes.read_exact(&mut window)?;
    let finder = memmem::FinderRev::new(END_RECORD);
    let found = finder.rfind_iter(&window).find_map(|at| {
        let comment = window.get(at + 20..at + 22)?;
        let comment = u64::from(u16::from_le_bytes([comment[0], comment[1]]));
        Some((from + at as u64 + END_RECORD_LENGTH + comment).min(length))
    });
    // Data after the comment that is not zero is the ZIP reader's business.
    Ok(found.map(|end| if end >= content { end } else { length }))
}

/// The offset after the last byte that is not zero.
fn last_non_zero(bytes: &mut Box<dyn ReadSeek + Send>, length: u64) -> io::Result<Option<u64>> {
    let mut block = vec![0; 64 << 10];
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let block = &mut block[..usize::try_from(end - start).unwrap_or(0)];
        bytes.seek(SeekFrom::Start(start))?;
        bytes.read_exact(block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte != 0) {
            return Ok(Some(start + at as u64 + 1));
        }
        end = start;
    }
    Ok(None)
}

/// The files among the entries, each with the reason why it is refused, if it is.
pub(super) fn members(
    source: &Arc<Source>,
    entries: Vec<OwnedZipFileEntry>,
    twins: &HashSet<Vec<u8>>,
    limits: &Limits,
) -> Vec<Member> {
    let mut bytes = BufReader::with_capacity(4 << 10, Cursor::new(source));
    let mut members = Vec::with_capacity(entries.len());
    let mut spans = Vec::with_capacity(entries.len());
    for entry in entries {
        let raw = entry.name_raw().to_owned();
        if entry.is_dir() {
            continue;
        }
        let name = super::names::decode_member(&raw);
        let mut refused = refuse(&entry, &name, limits);
        if twins.contains(&raw) {
            let why = "another member has the same name".to_owned();
            refused.get_or_insert((code::DUPLICATE_MEMBER, why));
        }
        match local_header(&mut bytes, &entry) {
            Ok((start, end)) => spans.push((start, end, members.len())),
            Err(why) => {
                refused.get_or_insert((code::HEADER_MISMATCH, why));
            }
        }
        members.push(Member { name, raw, unpacked: entry.size(), refused, entry });
    }
    overlaps(&mut spans, &mut members);
    members
}

fn refuse(entry: &OwnedZipFileEntry, name: &str, limits: &Limits) -> Option<(Code, String)> {
    const FILE_TYPE: u32 = 0o170_000;
    const REGULAR: u32 = 0o100_000;
    let kind = entry.unix_mode().unwrap_or(0) & FILE_TYPE;
    if name.chars().any(char::is_control) {
        return Some((code::BAD_MEMBER_NAME, "its name has control characters".to_owned()));
    }
    if kind != 0 && kind != REGULAR {
        let what = if entry.is_symlink() { "a symbolic link" } else { "a special file" };
        return Some((code::NOT_A_FILE, format!("it is {what}")));
    }
    if entry.flags().is_encrypted() {
        return Some((code::ENCRYPTED, "it is encrypted".to_owned()));
    }
    match entry.compression() {
        CompressionMethod::Stored | CompressionMethod::Deflated => {}
        method => {
            let why = format!("it is compressed by {method}, we read stored and deflated");
            return Some((code::UNSUPPORTED_METHOD, why));
        }
    }
    limits.refuse(entry.compressed_size(), entry.size()).map(|why| (code::LIMIT_EXCEEDED, why))
}

/// Compares the member's own header (APPNOTE 4.3.7) with the central directory; answers where
/// header and content begin and end.
fn local_header(
    bytes: &mut BufReader<Cursor>,
    entry: &OwnedZipFileEntry,
) -> Result<(u64, u64), String> {
    let start = entry.header_start();
    let unreadable = |error: io::Error| format!("its header cannot be read: {error}");
    let mut header = [0; LOCAL_HEADER_LENGTH];
    bytes.seek(SeekFrom::Start(start)).map_err(unreadable)?;
    bytes.read_exact(&mut header).map_err(unreadable)?;
    if !header.starts_with(LOCAL_HEADER) {
        return Err("there is no header where the central directory says".to_owned());
    }
    let short = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let long = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let (name_length, extra_length) = (usize::from(short(26)), u64::from(short(28)));
    let mut name = vec![0; name_length];
    bytes.read_exact(&mut name).map_err(unreadable)?;
    if name != entry.name_raw() && name != central_name(bytes, entry).map_err(unreadable)? {
        let local = shown(&super::names::decode_member(&name));
        return Err(format!("its own header names it {local}"));
    }
    // Bit 3: sizes and checksum follow the content. 0xFFFFFFFF: they stand in the ZIP64 field.
    if short(6) & 8 == 0 {
        let sizes = [(18, entry.compressed_size()), (22, entry.size())];
        for (at, central) in sizes {
            let local = long(at);
            if local != u32::MAX && u64::from(local) != central {
                return Err(format!("its own header says {local} bytes, the directory {central}"));
            }
        }
        if long(14) != entry.crc32() {
            return Err("its own header has another checksum".to_owned());
        }
    }
    let encrypted = short(6) & 1 != 0;
    if encrypted != entry.flags().is_encrypted() {
        return Err("its own header and the directory disagree on encryption".to_owned());
    }
    let begin = start + LOCAL_HEADER_LENGTH as u64 + name_length as u64 + extra_length;
    let end = begin.saturating_add(entry.compressed_size());
    if end > entry.central_header_start() && start < entry.central_header_start() {
        return Err("its content runs into the central directory".to_owned());
    }
    Ok((start, end))
}

/// The name as it stands in the central directory, where an extra field replaced it.
fn central_name(bytes: &mut BufReader<Cursor>, entry: &OwnedZipFileEntry) -> io::Result<Vec<u8>> {
    let mut header = [0; CENTRAL_HEADER_LENGTH];
    bytes.seek(SeekFrom::Start(entry.central_header_start()))?;
    bytes.read_exact(&mut header)?;
    let mut name = vec![0; usize::from(u16::from_le_bytes([header[28], header[29]]))];
    bytes.read_exact(&mut name)?;
    Ok(name)
}

/// Members that share bytes are how a small archive unpacks to petabytes.
fn overlaps(spans: &mut [(u64, u64, usize)], members: &mut [Member]) {
    spans.sort_unstable();
    let mut reach: Option<(u64, usize)> = None;
    for (start, end, at) in spans.iter().copied() {
        if let Some((until, other)) = reach
            && start < until
        {
            for (this, that) in [(at, other), (other, at)] {
                let why = format!("it shares bytes with {}", shown(&members[that].name));
                members[this].refused.get_or_insert((code::OVERLAPPING_MEMBERS, why));
            }
        }
        if reach.is_none_or(|(until, _)| end > until) {
            reach = Some((end, at));
        }
    }
}

/// How many entries the end record, or the ZIP64 one before it, says there are (APPNOTE 4.3.14).
pub(super) fn declared_entries(bytes: &mut BufReader<Cursor>, length: u64) -> io::Result<u64> {
    const LOCATOR: &[u8] = b"PK\x06\x07";
    let from = length.saturating_sub(END_RECORD_LENGTH + u64::from(u16::MAX) + 20);
    let mut window = Vec::new();
    bytes.seek(SeekFrom::Start(from))?;
    bytes.read_to_end(&mut window)?;
    let Some(at) = memmem::rfind(&window, END_RECORD) else { return Ok(0) };
    let Some(count) = window.get(at + 10..at + 12) else { return Ok(0) };
    let count = u16::from_le_bytes([count[0], count[1]]);
    let locator = at.checked_sub(20).and_then(|at| window.get(at..at + 20));
    match locator.filter(|locator| locator.starts_with(LOCATOR)) {
        None => Ok(u64::from(count)),
        Some(locator) => {
            let mut offset = [0; 8];
            offset.copy_from_slice(&locator[8..16]);
            let mut record = [0; 40];
            bytes.seek(SeekFrom::Start(u64::from_le_bytes(offset)))?;
            bytes.read_exact(&mut record)?;
            let mut entries = [0; 8];
            entries.copy_from_slice(&record[32..40]);
            Ok(u64::from_le_bytes(entries))
        }
    }
}

/// The names that the central directory has more than once: readers disagree which one counts.
pub(super) fn repeated_names(
    bytes: &mut BufReader<Cursor>,
    directory: u64,
) -> io::Result<HashSet<Vec<u8>>> {
    const CENTRAL_HEADER: &[u8] = b"PK\x01\x02";
    let (mut seen, mut twins) = (HashSet::new(), HashSet::new());
    let mut at = directory;
    loop {
        let mut header = [0; CENTRAL_HEADER_LENGTH];
        bytes.seek(SeekFrom::Start(at))?;
        if bytes.read_exact(&mut header).is_err() || !header.starts_with(CENTRAL_HEADER) {
            return Ok(twins);
        }
        let length = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let mut name = vec![0; usize::from(length(28))];
        bytes.read_exact(&mut name)?;
        at += CENTRAL_HEADER_LENGTH as u64 + name.len() as u64;
        at += u64::from(length(30)) + u64::from(length(32));
        if !seen.insert(name.clone()) {
            twins.insert(name);
        }
    }
}

/// One finding for each refused member and each name that is only safe because it is never used
/// as a path.
pub(super) fn report(members: &[Member], findings: &mut Vec<Finding>) {
    const MOST: usize = 200;
    let mut more = 0;
    for member in members {
        let name = shown(&member.name);
        let finding = match &member.refused {
            Some((code, why)) => Finding::warning(*code, format!("{name} is not used: {why}")),
            None if is_path_like(&member.name) => Finding::warning(
                code::PATH_LIKE_NAME,
                format!("the name {name} leaves the archive; only its last part is kept"),
            ),
            None => continue,
        };
        if findings.len() < MOST {
            findings.push(finding.at(name));
        } else {
            more += 1;
        }
    }
    if more > 0 {
        let text = format!("{more} more members are not used or have unsafe names");
        findings.push(Finding::warning(code::ATTACHMENT_REFUSED, text));
    }
}

fn is_path_like(name: &str) -> bool {
    let drive = matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    drive
        || name.starts_with('/')
        || name.contains('\\')
        || name.split('/').any(|part| part == "..")
}
