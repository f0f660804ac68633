//! A file as `multipart/form-data` (RFC 7578), streamed.

use std::io::{self, Read};

/// One file in a form of one part; reads as the whole body.
pub struct Upload<'a> {
    boundary: String,
    head: io::Cursor<Vec<u8>>,
    content: &'a mut dyn Read,
    left: u64,
    tail: io::Cursor<Vec<u8>>,
    length: u64,
    failed: Option<io::ErrorKind>,
}

impl<'a> Upload<'a> {
    /// `size` bytes of `content` under `name`. The name is sent as UTF-8, as browsers do; quotes
    /// and line ends in it are escaped as they do.
    pub fn new(field: &str, name: &str, size: u64, content: &'a mut dyn Read) -> Self {
        let name = name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
        let boundary = boundary(&name, size);
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"; \
             filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        Self::form(boundary, head, size, content)
    }

    /// Fields before the file.
    #[must_use]
    pub fn with_fields(self, fields: &[(&str, &str)]) -> Self {
        let mut head = String::new();
        for (name, value) in fields {
            head.push_str(&format!(
                "--{}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n",
                self.boundary
            ));
        }
        head.push_str(&String::from_utf8_lossy(self.head.get_ref()));
        Self::form(self.boundary, head, self.left, self.content)
    }

    fn form(boundary: String, head: String, size: u64, content: &'a mut dyn Read) -> Self {
        let tail = format!("\r\n--{boundary}--\r\n");
        let length = head.len() as u64 + size + tail.len() as u64;
        let (head, tail) = (io::Cursor::new(head.into_bytes()), io::Cursor::new(tail.into_bytes()));
        Self { boundary, head, content, left: size, tail, length, failed: None }
    }

    /// The header `Content-Type`.
    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// The header `Content-Length`.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

/// Sixty-four hexadecimal digits that no content holds but by malice; it then ends early, and
/// the size that is read back shows it.
fn boundary(name: &str, size: u64) -> String {
    use std::hash::{BuildHasher as _, RandomState};
    let seed = RandomState::new();
    let word = |salt: u64| format!("{:016x}", seed.hash_one((salt, name, size)));
    format!("engsync-{}{}", word(1), word(2))
}

impl Read for Upload<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(kind) = self.failed {
            return Err(kind.into());
        }
        let head = self.head.read(buffer)?;
        if head > 0 || buffer.is_empty() {
            return Ok(head);
        }
        if self.left == 0 {
            return self.tail.read(buffer);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        match self.content.read(&mut buffer[..most]) {
            Ok(0) => {
                self.failed = Some(io::ErrorKind::UnexpectedEof);
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the content is too short"))
            }
            Ok(read) => {
                self.left -= read as u64;
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.read(buffer),
            Err(error) => {
                self.failed = Some(error.kind());
                Err(error)
            }
        }
    }
}
