//! The ZIP of several answers.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{self, Seek, Write};

use chrono::{Datelike, Timelike};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use super::code;
use super::files::Names;
use super::write::{Answer, Style, write_document};
use crate::issue::Attachment;
use crate::{DISK, Error, Result, Timestamp};

/// Writes the archive of `answers`: of each its files, then its document. The same answers, style
/// and stamp make the same bytes. Files are streamed.
///
/// # Errors
/// Those of [`write_document`]; `Fault::Item` where two answers have one key, or
/// a file cannot be read (`disk`); `Fault::Setup` `disk` where `out` cannot be written.
pub fn pack<W: Write + Seek>(
    answers: &[Answer],
    style: &Style,
    stamp: Timestamp,
    out: W,
) -> Result<W> {
    let mut keys = HashSet::new();
    let mut zip = ZipWriter::new(out);
    for answer in answers {
        if !keys.insert(answer.key.as_str()) {
            let what = format!("two answers are for our issue {}", answer.key);
            return Err(Error::item(code::SAME_ISSUE_TWICE, what));
        }
        let document = write_document(answer, style)?;
        for (file, name) in answer.files.iter().zip(unique_names(&answer.files)) {
            let cannot = |error: io::Error| {
                let what =
                    format!("cannot put the file {} of {} into the answer", file.name, answer.key);
                Error::setup(DISK, what).because(error)
            };
            // Sizes from 4 GiB on need ZIP64 headers, which must be announced.
            let large = file.size.is_some_and(|size| size >= u64::from(u32::MAX) - (1 << 20));
            let options = options(style, stamp).large_file(large);
            zip.start_file(member_name(&answer.key, &name), options)
                .map_err(|error| cannot(error.into()))?;
            let mut out = Out { zip: &mut zip, failed: false };
            let copied = file.read_with(&mut |content| io::copy(content, &mut out).map(drop));
            let failed = out.failed;
            copied.map_err(
                |error| if failed { cannot(error) } else { unread(answer, file, error) },
            )?;
        }
        let cannot = |error: io::Error| {
            Error::setup(DISK, format!("cannot write the answer of {}", answer.key)).because(error)
        };
        zip.start_file(format!("./{}.xml", safe(&answer.key)), options(style, stamp))
            .map_err(|error| cannot(error.into()))?;
        zip.write_all(&document).map_err(cannot)?;
    }
    zip.finish()
        .map_err(|error| Error::setup(DISK, "cannot finish the answer archive").because(error))
}

fn options(style: &Style, stamp: Timestamp) -> SimpleFileOptions {
    let local = stamp.with_timezone(&style.zone);
    let number = |n: u32| u8::try_from(n).unwrap_or_default();
    let time = DateTime::from_date_and_time(
        u16::try_from(local.year()).unwrap_or_default(),
        number(local.month()),
        number(local.day()),
        number(local.hour()),
        number(local.minute()),
        number(local.second()),
    );
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(6))
        .last_modified_time(time.unwrap_or(DateTime::DEFAULT))
        .system(System::Unix)
        .unix_permissions(0o600)
}

/// The member of a file, and its URL in the document.
pub(super) fn member_name(key: &str, name: &str) -> String {
    format!("./{}/{name}", safe(key))
}

/// Tells a file that cannot be read from an archive that cannot be written.
struct Out<'a, W: Write + Seek> {
    zip: &'a mut ZipWriter<W>,
    failed: bool,
}

impl<W: Write + Seek> Write for Out<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.zip.write(bytes).inspect_err(|_| self.failed = true)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.zip.flush().inspect_err(|_| self.failed = true)
    }
}

fn unread(answer: &Answer, file: &Attachment, error: io::Error) -> Error {
    let what = format!("the file {} of {} cannot be read", file.name, answer.key);
    Error::item(DISK, what).because(error)
}

/// The names of the files, each once, fit for a member's name and for XML.
pub(super) fn unique_names(files: &[Attachment]) -> Vec<String> {
    let mut names = Names::default();
    files.iter().map(|file| names.free(&crate::issue::clean_name(&file.name))).collect()
}

/// A key as a member name: anything that is not a letter, digit, `.`, `_` or `-` becomes `%XX`;
/// so do leading dots. Different keys stay different.
fn safe(key: &str) -> String {
    let mut safe = String::with_capacity(key.len());
    let dots = key.bytes().take_while(|byte| *byte == b'.').count();
    for (at, byte) in key.bytes().enumerate() {
        if at >= dots && (byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
            safe.push(char::from(byte));
        } else {
            let _ = write!(safe, "%{byte:02X}");
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_harmless_names() {
        let cases = [
            ("ECU-17", "ECU-17"),
            ("../../x", "%2E%2E%2F..%2Fx"),
            ("a/b", "a%2Fb"),
            ("ü 1%", "%C3%BC%201%25"),
            ("..", "%2E%2E"),
        ];
        for (key, name) in cases {
            assert_eq!(safe(key), name);
        }
    }

    #[test]
    fn names_are_unique() {
        let files: Vec<Attachment> =
            ["a.txt", "a.txt", "x/a.txt", "b"].map(Attachment::missing).into();
        assert_eq!(unique_names(&files), ["a.txt", "a (2).txt", "a (3).txt", "b"]);
    }
}
