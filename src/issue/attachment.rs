//! Attachments: handles that stream.

use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, OnceLock};

use crate::{Digest, Hasher};

/// Where the bytes of an attachment come from: an archive member, a tracker's URL, a file.
pub trait Content: Send + Sync {
    /// Hands a reader over the whole content to `sink`. Every call starts at the first byte.
    ///
    /// # Errors
    /// Those of the source and of `sink`.
    fn read_with(&self, sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>) -> io::Result<()>;
}

/// A file that belongs to an issue.
#[derive(Clone)]
pub struct Attachment {
    /// The display name: one path component, no control or bidi characters.
    pub name: String,
    /// The name as it came, where it differs.
    pub original: Option<String>,
    /// Its size in bytes, where known before reading.
    pub size: Option<u64>,
    content: Option<Arc<dyn Content>>,
    seen: Arc<OnceLock<(Digest, u64)>>,
}

impl Attachment {
    /// A file named `name` (cleaned by [`clean_name`]) whose bytes come from `content`.
    #[must_use]
    pub fn new(name: &str, size: Option<u64>, content: Arc<dyn Content>) -> Self {
        Self { content: Some(content), size, ..Self::missing(name) }
    }

    /// A file that is named but whose content did not come with it.
    #[must_use]
    pub fn missing(name: &str) -> Self {
        let clean = clean_name(name);
        let original = (clean != name).then(|| name.to_owned());
        Self { name: clean, original, size: None, content: None, seen: Arc::default() }
    }

    /// The same file with a digest known beforehand, so that it need not be read for it.
    #[must_use]
    pub fn with_digest(self, digest: Digest, size: u64) -> Self {
        let _ = self.seen.set((digest, size));
        Self { size: Some(size), ..self }
    }

    /// The same content under another name.
    #[must_use]
    pub fn renamed(&self, name: &str) -> Self {
        Self { name: clean_name(name), ..self.clone() }
    }

    /// The same file, read through what `wrap` makes of its content.
    #[must_use]
    pub fn through(&self, wrap: impl FnOnce(Arc<dyn Content>) -> Arc<dyn Content>) -> Self {
        Self { content: self.content.clone().map(wrap), ..self.clone() }
    }

    /// Where its bytes come from; `None` where the content did not come.
    #[must_use]
    pub fn content(&self) -> Option<&Arc<dyn Content>> {
        self.content.as_ref()
    }

    /// The digest, if it is known without reading.
    #[must_use]
    pub fn known_digest(&self) -> Option<Digest> {
        self.seen.get().map(|(digest, _)| *digest)
    }

    /// SHA-256 and size of the content; read at most once, then remembered.
    ///
    /// # Errors
    /// Those of reading it; [`io::ErrorKind::NotFound`] where the content did not come.
    pub fn digest(&self) -> io::Result<(Digest, u64)> {
        if let Some(seen) = self.seen.get() {
            return Ok(*seen);
        }
        let mut seen = None;
        self.read_with(&mut |reader| {
            let mut hasher = Hasher::new(io::sink());
            io::copy(reader, &mut hasher)?;
            let (_, size, digest) = hasher.finish();
            seen = Some((digest, size));
            Ok(())
        })?;
        let seen = seen.ok_or_else(|| io::Error::other("the content was not read"))?;
        Ok(*self.seen.get_or_init(|| seen))
    }

    /// Remembers what a reader of the content found, so that it is not read again.
    pub fn remember(&self, digest: Digest, size: u64) {
        let _ = self.seen.set((digest, size));
    }

    /// Hands a reader over the content to `sink`.
    ///
    /// # Errors
    /// Those of reading it; [`io::ErrorKind::NotFound`] where the content did not come.
    pub fn read_with(
        &self,
        sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>,
    ) -> io::Result<()> {
        match &self.content {
            Some(content) => content.read_with(sink),
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("the content of {} did not come with it", self.name),
            )),
        }
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment")
            .field("name", &self.name)
            .field("size", &self.size)
            .field("digest", &self.known_digest())
            .field("content", &self.content.is_some())
            .finish()
    }
}

/// A name that is safe to show and to offer as a file name: the last path component, without
/// control, bidi or zero-width characters, at most 255 bytes with its extension kept; `file`
/// where nothing is left.
#[must_use]
pub fn clean_name(name: &str) -> String {
    let base = name.trim().trim_end_matches(['/', '\\']);
    let base = base.rsplit(['/', '\\']).next().unwrap_or_default();
    let base = match base.as_bytes() {
        [drive, b':', ..] if drive.is_ascii_alphabetic() => &base[2..],
        _ => base,
    };
    let mut clean: String = base.chars().filter(|c| !is_unprintable(*c)).collect();
    clean = clean.trim().to_owned();
    if clean.is_empty() || clean.chars().all(|c| c == '.') {
        return "file".to_owned();
    }
    shorten(&clean, 255)
}

fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{61c}')
}

/// Cuts the stem, not the extension.
fn shorten(name: &str, most: usize) -> String {
    if name.len() <= most {
        return name.to_owned();
    }
    let dot = name.rfind('.').filter(|dot| *dot > 0 && name.len() - dot <= 20);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let room = most - extension.len();
    let end = (0..=room).rev().find(|end| stem.is_char_boundary(*end)).unwrap_or(0);
    format!("{}{extension}", &stem[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_one_harmless_component() {
        let cases = [
            ("foto.png", "foto.png"),
            ("./4711/Größe.bin", "Größe.bin"),
            ("../../etc/passwd", "passwd"),
            ("/etc/passwd", "passwd"),
            ("C:\\Temp\\a.txt", "a.txt"),
            ("C:a.txt", "a.txt"),
            ("a\u{202e}gnp.exe", "agnp.exe"),
            ("a\0b\n.txt", "ab.txt"),
            ("..", "file"),
            ("dir/", "dir"),
            ("", "file"),
            ("  ", "file"),
            (".hidden", ".hidden"),
        ];
        for (name, clean) in cases {
            assert_eq!(clean_name(name), clean, "{name:?}");
        }
        let long = clean_name(&format!("{}.tar", "ü".repeat(300)));
        assert!(long.len() <= 255 && long.ends_with("ü.tar"), "{long}");
    }

    #[test]
    fn a_digest_is_read_once_and_prints_as_hex() {
        struct Once(std::sync::atomic::AtomicU32);
        impl Content for Once {
            fn read_with(
                &self,
                sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>,
            ) -> io::Result<()> {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                sink(&mut &b"abc"[..])
            }
        }
        let content = Arc::new(Once(0.into()));
        let file = Attachment::new("a", None, content.clone());
        let (digest, size) = file.digest().unwrap();
        assert_eq!(file.clone().digest().unwrap(), (digest, size));
        assert_eq!(content.0.load(std::sync::atomic::Ordering::Relaxed), 1);
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((digest.to_string().as_str(), size), (hex, 3));
        assert_eq!(Digest::parse(hex), Some(digest));
        assert_eq!(Digest::of(b"abc"), digest);
        let gone = Attachment::missing("b").digest().unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    }
}
