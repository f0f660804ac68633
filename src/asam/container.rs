//! The ZIP archive: its members, looked over before any of them is read.

use std::collections::HashSet;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex};

use zip::read::OwnedZipFileEntry;
use zip::{ZipArchive, ZipReadOptions};

use super::code;
use super::limits::Limits;
use super::names::Names;
use super::vet;
use crate::{Code, Error, Finding, Result};

/// What an archive is read from.
pub(super) trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// The bytes of an archive, shared by all readers of it.
pub(super) struct Source {
    bytes: Mutex<Box<dyn ReadSeek + Send>>,
    /// Without the padding at the end.
    length: u64,
}

/// A position in a [`Source`]: the lock is held for one read, so that many may read at a time.
pub(super) struct Cursor {
    source: Arc<Source>,
    at: u64,
}

/// A member of the archive.
pub(super) struct Member {
    /// Its name, decoded; only ever shown and compared.
    pub(super) name: String,
    /// Its name as it stands in the central directory.
    pub(super) raw: Vec<u8>,
    pub(super) unpacked: u64,
    /// Why its content is not used.
    pub(super) refused: Option<(Code, String)>,
    pub(super) entry: OwnedZipFileEntry,
}

/// An archive whose members were looked over.
pub(super) struct Container {
    pub(super) source: Arc<Source>,
    pub(super) members: Vec<Member>,
    pub(super) names: Names,
    pub(super) findings: Vec<Finding>,
}

/// What [`Container::open`] found.
pub(super) enum Opened {
    Zip(Box<Container>),
    /// Not an archive, but the start of an XML document.
    Xml(Arc<Source>),
}

/// The file ends too early: it may still be arriving.
#[derive(Debug)]
pub(super) struct Incomplete;

impl std::fmt::Display for Incomplete {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the file ends before the archive's end record; it may still be arriving")
    }
}

impl std::error::Error for Incomplete {}

impl Container {
    pub(super) fn open(
        bytes: Box<dyn ReadSeek + Send>,
        name: &str,
        limits: &Limits,
    ) -> Result<Opened> {
        let unreadable = |error: io::Error| {
            Error::item(code::BAD_ZIP, format!("{name} cannot be read")).because(error)
        };
        let mut bytes = bytes;
        let length = bytes.seek(SeekFrom::End(0)).map_err(unreadable)?;
        let mut head = [0; 8];
        bytes.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        let read = read_full(&mut bytes, &mut head).map_err(unreadable)?;
        let head = &head[..read];
        let end = vet::end_of_archive(&mut bytes, length).map_err(unreadable)?;
        let mut findings = Vec::new();
        if let Some(end) = end.filter(|end| *end < length) {
            let text = format!("{} zero bytes follow the archive", length - end);
            findings.push(Finding::warning(code::TRAILING_PADDING, text).at(name));
        }
        let source = Arc::new(Source { bytes: Mutex::new(bytes), length: end.unwrap_or(length) });
        if end.is_none() {
            if looks_like_xml(head) && length > limits.entry {
                let most = limits.entry;
                let what = format!("it has {length} bytes, the limit is {most} (limits.entry_mib)");
                return Err(limit(name, &what));
            }
            if looks_like_xml(head) {
                return Ok(Opened::Xml(source));
            }
            return Err(no_end_record(name, head));
        }
        let (entries, twins) = Self::entries(&source, name, limits)?;
        let first = entries.iter().map(OwnedZipFileEntry::header_start).min();
        let members = vet::members(&source, entries, &twins, limits);
        if let Some(first) = first.filter(|first| *first > 0) {
            if head.starts_with(b"PK\x03\x04") {
                // The end record of an archive inside the archive, whose own end is missing.
                return Err(no_end_record(name, head));
            }
            let text = format!("{first} bytes stand before the first member");
            findings.push(Finding::warning(code::PREFIX_DATA, text).at(name));
        }
        let mut total: u64 = 0;
        let mut names = Names::default();
        for (at, member) in members.iter().enumerate() {
            if member.refused.is_none() {
                total = total.saturating_add(member.unpacked);
            }
            names.add(at, &member.raw, &member.name, member.unpacked == 0);
        }
        if total > limits.total {
            let most = limits.total;
            let what =
                format!("it unpacks to {total} bytes, the limit is {most} (limits.total_mib)");
            return Err(limit(name, &what));
        }
        vet::report(&members, &mut findings);
        Ok(Opened::Zip(Box::new(Self { source, members, names, findings })))
    }

    /// The entries of the central directory, and the names that stand in it more than once.
    fn entries(
        source: &Arc<Source>,
        name: &str,
        limits: &Limits,
    ) -> Result<(Vec<OwnedZipFileEntry>, HashSet<Vec<u8>>)> {
        let bad = |error: zip::result::ZipError| {
            Error::item(code::BAD_ZIP, format!("{name} is not a readable ZIP archive"))
                .because(error)
                .hint("ask the sender for the file again")
        };
        let mut bytes = BufReader::with_capacity(16 << 10, Cursor::new(source));
        let count = vet::declared_entries(&mut bytes, source.length).map_err(|e| bad(e.into()))?;
        if count > limits.entries as u64 {
            let most = limits.entries;
            let what = format!("it has {count} members, the limit is {most} (limits.entries)");
            return Err(limit(name, &what));
        }
        let archive = ZipArchive::new(bytes).map_err(bad)?;
        let mut entries = Vec::with_capacity(archive.len());
        for at in 0..archive.len() {
            entries.push(OwnedZipFileEntry::from(archive.by_index_data(at).map_err(bad)?));
        }
        let mut twins = HashSet::new();
        if archive.has_duplicate_names() {
            let directory = archive.central_directory_start();
            let mut bytes = archive.into_inner();
            twins = vet::repeated_names(&mut bytes, directory).map_err(|e| bad(e.into()))?;
        }
        Ok((entries, twins))
    }

    /// Hands a reader over the content of member `at` to `sink`. It gives at most the declared
    /// size, checks the checksum at the end, and says the member's name in its errors.
    pub(super) fn read<T>(
        &self,
        at: usize,
        sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<T>,
    ) -> io::Result<T> {
        let member =
            self.members.get(at).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        if let Some((_, why)) = &member.refused {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} is not used: {why}", shown(&member.name)),
            ));
        }
        let mut bytes = BufReader::with_capacity(64 << 10, Cursor::new(&self.source));
        let content = member
            .entry
            .as_ref()
            .with_reader(&mut bytes, ZipReadOptions::new())
            .map_err(|error| damaged(&member.name, &error))?;
        sink(&mut Bounded { content, name: &member.name, left: member.unpacked })
    }
}

impl Cursor {
    pub(super) fn new(source: &Arc<Source>) -> Self {
        Self { source: Arc::clone(source), at: 0 }
    }
}

impl Read for Cursor {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.source.length.saturating_sub(self.at);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        if most == 0 {
            return Ok(0);
        }
        let mut bytes =
            self.source.bytes.lock().map_err(|_| io::Error::other("a reader panicked"))?;
        bytes.seek(SeekFrom::Start(self.at))?;
        let read = bytes.read(&mut into[..most])?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Cursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.source.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

/// A member's content, no longer than declared.
struct Bounded<'a, R> {
    content: R,
    name: &'a str,
    left: u64,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(into).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => damaged(self.name, &error),
        })?;
        if read == 0 && self.left > 0 && !into.is_empty() {
            return Err(damaged(self.name, &"it is shorter than the archive says"));
        }
        self.left = (self.left.checked_sub(read as u64))
            .ok_or_else(|| damaged(self.name, &"it is longer than the archive says"))?;
        Ok(read)
    }
}

fn damaged(name: &str, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        format!("the content of {} is damaged: {error}", shown(name)),
    )
}

/// A name fit for a log.
pub(super) fn shown(name: &str) -> String {
    super::events::one_line(name)
}

fn limit(name: &str, what: &str) -> Error {
    Error::item(code::LIMIT_EXCEEDED, format!("{name}: {what}"))
        .hint("raise the limit in [limits] if the sender is right")
}

fn no_end_record(name: &str, head: &[u8]) -> Error {
    let truncated = head.is_empty() || head.starts_with(b"PK") || b"PK\x03\x04".starts_with(head);
    let error = Error::item(
        code::BAD_ZIP,
        match truncated {
            true if head.is_empty() => format!("{name} is empty"),
            true => format!("{name} is cut off"),
            false => format!("{name} is neither a ZIP archive nor an XML document"),
        },
    )
    .hint("ask the sender for the file again");
    if truncated { error.because(Incomplete) } else { error }
}

fn looks_like_xml(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let first: Vec<u8> = match head {
        [0xFF, 0xFE, rest @ ..] | [0xFE, 0xFF, rest @ ..] => rest.to_vec(),
        _ => head.to_vec(),
    };
    first.iter().find(|b| **b != 0 && !b.is_ascii_whitespace()) == Some(&b'<')
}

fn read_full(from: &mut dyn Read, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match from.read(&mut into[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}
