//! The packets of the SSH File Transfer Protocol, version 3 (draft-ietf-secsh-filexfer-02), and the
//! extensions that are of use here: `fsync@openssh.com`, `posix-rename@openssh.com` (OpenSSH's
//! PROTOCOL, section 4) and `check-file-handle` (draft-ietf-secsh-filexfer-extensions-00, 3).

use crate::Digest;

/// The version spoken.
const VERSION: u32 = 3;

/// A packet longer than this is none: OpenSSH sends at most 256 KiB.
pub(super) const MOST_PACKET: usize = 1 << 20;

/// What to open a file for (section 6.3).
pub(super) const READ: u32 = 0x01;
/// As above.
pub(super) const WRITE: u32 = 0x02;
/// Make it, and fail if it is there.
pub(super) const CREATE_NEW: u32 = 0x08 | 0x20;

/// Status codes (section 7).
pub(super) const OK: u32 = 0;
/// No more to read.
pub(super) const EOF: u32 = 1;
/// There is no such file.
pub(super) const NO_SUCH_FILE: u32 = 2;
/// Not allowed.
pub(super) const PERMISSION_DENIED: u32 = 3;
/// The request is unknown.
pub(super) const UNSUPPORTED: u32 = 8;

/// What a server tells of a file (section 5); what it leaves out is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    /// Bytes.
    pub(super) size: Option<u64>,
    /// Numbers of user and group.
    pub(super) owner: Option<(u32, u32)>,
    /// Type and permission bits, as POSIX has them.
    pub(super) mode: Option<u32>,
    /// Last access and last change, in seconds since 1970.
    pub(super) times: Option<(u32, u32)>,
}

impl Attributes {
    /// When it was changed; 0 where the server does not say.
    pub(super) fn modified(&self) -> i64 {
        self.times.map_or(0, |(_, modified)| i64::from(modified))
    }

    /// Whether it is a regular file; a server that does not say is believed to mean one.
    pub(super) fn is_regular(&self) -> bool {
        self.mode.is_none_or(|mode| mode & 0o170_000 == 0o100_000)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let flags = u32::from(self.size.is_some())
            | u32::from(self.owner.is_some()) << 1
            | u32::from(self.mode.is_some()) << 2
            | u32::from(self.times.is_some()) << 3;
        put_u32(out, flags);
        if let Some(size) = self.size {
            out.extend(size.to_be_bytes());
        }
        if let Some((user, group)) = self.owner {
            put_u32(out, user);
            put_u32(out, group);
        }
        if let Some(mode) = self.mode {
            put_u32(out, mode);
        }
        if let Some((accessed, modified)) = self.times {
            put_u32(out, accessed);
            put_u32(out, modified);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let flags = reader.u32()?;
        let mut found = Self::default();
        if flags & 1 != 0 {
            found.size = Some(reader.u64()?);
        }
        if flags & 2 != 0 {
            found.owner = Some((reader.u32()?, reader.u32()?));
        }
        if flags & 4 != 0 {
            found.mode = Some(reader.u32()?);
        }
        if flags & 8 != 0 {
            found.times = Some((reader.u32()?, reader.u32()?));
        }
        if flags & 0x8000_0000 != 0 {
            for _ in 0..reader.u32()? {
                reader.string()?;
                reader.string()?;
            }
        }
        Some(found)
    }
}

/// A request (section 6).
#[derive(Debug)]
pub(super) enum Request<'a> {
    /// Opens a file; `mode` is for one that is made.
    Open { path: &'a str, flags: u32, mode: Option<u32> },
    /// Closes a file or directory.
    Close { handle: &'a [u8] },
    /// Reads from a file.
    Read { handle: &'a [u8], offset: u64, length: u32 },
    /// Writes to a file.
    Write { handle: &'a [u8], offset: u64, data: &'a [u8] },
    /// Looks at a name, without following a link.
    Lstat { path: &'a str },
    /// Looks at an open file.
    Fstat { handle: &'a [u8] },
    /// Changes an open file.
    Fsetstat { handle: &'a [u8], attributes: Attributes },
    /// Opens a directory.
    OpenDir { path: &'a str },
    /// Lists on.
    ReadDir { handle: &'a [u8] },
    /// Removes a file.
    Remove { path: &'a str },
    /// Renames; in version 3 an existing target is refused (section 6.5).
    Rename { from: &'a str, to: &'a str },
    /// Renames, replacing what is there.
    PosixRename { from: &'a str, to: &'a str },
    /// Makes the content of an open file durable.
    Fsync { handle: &'a [u8] },
    /// Asks for the SHA-256 of an open file.
    CheckFile { handle: &'a [u8] },
}

impl Request<'_> {
    /// Appends the packet.
    pub(super) fn encode(&self, id: u32, out: &mut Vec<u8>) {
        let start = out.len();
        put_u32(out, 0);
        let kind = match self {
            Self::Open { .. } => 3,
            Self::Close { .. } => 4,
            Self::Read { .. } => 5,
            Self::Write { .. } => 6,
            Self::Lstat { .. } => 7,
            Self::Fstat { .. } => 8,
            Self::Fsetstat { .. } => 10,
            Self::OpenDir { .. } => 11,
            Self::ReadDir { .. } => 12,
            Self::Remove { .. } => 13,
            Self::Rename { .. } => 18,
            Self::PosixRename { .. } | Self::Fsync { .. } | Self::CheckFile { .. } => 200,
        };
        out.push(kind);
        put_u32(out, id);
        match *self {
            Self::Open { path, flags, mode } => {
                put(out, path.as_bytes());
                put_u32(out, flags);
                Attributes { mode, ..Attributes::default() }.encode(out);
            }
            Self::Close { handle } | Self::Fstat { handle } | Self::ReadDir { handle } => {
                put(out, handle);
            }
            Self::Read { handle, offset, length } => {
                put(out, handle);
                out.extend(offset.to_be_bytes());
                put_u32(out, length);
            }
            Self::Write { handle, offset, data } => {
                put(out, handle);
                out.extend(offset.to_be_bytes());
                put(out, data);
            }
            Self::Fsetstat { handle, attributes } => {
                put(out, handle);
                attributes.encode(out);
            }
            Self::Lstat { path } | Self::OpenDir { path } | Self::Remove { path } => {
                put(out, path.as_bytes());
            }
            Self::Rename { from, to } => {
                put(out, from.as_bytes());
                put(out, to.as_bytes());
            }
            Self::PosixRename { from, to } => {
                put(out, b"posix-rename@openssh.com");
                put(out, from.as_bytes());
                put(out, to.as_bytes());
            }
            Self::Fsync { handle } => {
                put(out, b"fsync@openssh.com");
                put(out, handle);
            }
            Self::CheckFile { handle } => {
                put(out, b"check-file-handle");
                put(out, handle);
                put(out, b"sha256");
                out.extend([0; 8 + 8 + 4]); // from the start, to the end, as one block
            }
        }
        let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

/// The first packet (section 4).
pub(super) fn hello(out: &mut Vec<u8>) {
    put_u32(out, 5);
    out.push(1);
    put_u32(out, VERSION);
}

/// The answer to [`hello`]: the extensions on offer, or `None` if it is no such answer.
pub(super) fn greeting(packet: &[u8]) -> Option<Vec<(String, String)>> {
    let mut reader = Reader(packet);
    if reader.u8()? != 2 || reader.u32()? < VERSION {
        return None;
    }
    let mut extensions = Vec::new();
    while !reader.0.is_empty() {
        let [name, data] = [reader.string()?, reader.string()?];
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        extensions.push((text(name), text(data)));
    }
    Some(extensions)
}

/// An answer (section 7).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// How it went, with the server's own words.
    Status { code: u32, text: String },
    /// A file or directory is open.
    Handle(Vec<u8>),
    /// What was read.
    Data(Vec<u8>),
    /// Names of a directory.
    Names(Vec<(Vec<u8>, Attributes)>),
    /// What a file is like.
    Attributes(Attributes),
    /// The answer of an extension.
    Extended(Vec<u8>),
}

impl Reply {
    /// Reads a packet without its length: the number of the request, and the answer.
    pub(super) fn decode(packet: &[u8]) -> Option<(u32, Self)> {
        let mut reader = Reader(packet);
        let kind = reader.u8()?;
        let id = reader.u32()?;
        let reply = match kind {
            101 => {
                let code = reader.u32()?;
                let text = reader.string().unwrap_or_default();
                Self::Status { code, text: String::from_utf8_lossy(text).into_owned() }
            }
            102 => Self::Handle(reader.string()?.to_vec()),
            103 => Self::Data(reader.string()?.to_vec()),
            104 => {
                let count = reader.u32()?;
                let mut names = Vec::new();
                for _ in 0..count {
                    let name = reader.string()?.to_vec();
                    reader.string()?; // as `ls -l` would show it: for people
                    names.push((name, Attributes::decode(&mut reader)?));
                }
                Self::Names(names)
            }
            105 => Self::Attributes(Attributes::decode(&mut reader)?),
            201 => Self::Extended(reader.0.to_vec()),
            _ => return None,
        };
        Some((id, reply))
    }
}

/// The SHA-256 in the answer to [`Request::CheckFile`]; some servers put the extension's name first.
pub(super) fn checked(answer: &[u8]) -> Option<Digest> {
    let mut reader = Reader(answer);
    let mut name = reader.string()?;
    if name.starts_with(b"check-file") {
        name = reader.string()?;
    }
    let hash = (name == b"sha256" && reader.0.len() == 32).then_some(reader.0)?;
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Digest::parse(&hex)
}

fn put_u32(out: &mut Vec<u8>, number: u32) {
    out.extend(number.to_be_bytes());
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u32(out, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.extend(bytes);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_be_bytes)
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(usize::try_from(length).ok()?)
    }
}

#[cfg(test)]
mod tests;
