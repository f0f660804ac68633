//! An answer archive under another reference: the transaction ids follow, all else stays.

use std::io::{self, Read, Seek, Write};

use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::{DISK, Error, Result};

/// Copies an archive written by [`super::pack`], with the exchange reference `from` at the head of
/// the documents' transaction ids replaced by `to`. Files are copied as they are, unread.
///
/// # Errors
/// `Fault::Setup` `disk` where the archive cannot be read or `out` cannot be written.
pub fn reissue<R: Read + Seek, W: Write + Seek>(
    source: R,
    out: W,
    from: &str,
    to: &str,
) -> Result<W> {
    copy(source, out, from, to).map_err(|error| {
        Error::setup(DISK, "cannot copy the answer archive under a new reference").because(error)
    })
}

fn copy<R: Read + Seek, W: Write + Seek>(source: R, out: W, from: &str, to: &str) -> io::Result<W> {
    let mut archive = ZipArchive::new(source)?;
    let mut zip = ZipWriter::new(out);
    for index in 0..archive.len() {
        let mut member = archive.by_index(index)?;
        let name = member.name()?.into_owned();
        if !is_document(&name) {
            zip.raw_copy_file(member)?;
            continue;
        }
        let mut options = SimpleFileOptions::default()
            .compression_method(member.compression())
            .unix_permissions(member.unix_mode().unwrap_or(0o600));
        if let Some(time) = member.last_modified() {
            options = options.last_modified_time(time);
        }
        let mut text = Vec::new();
        member.read_to_end(&mut text)?;
        zip.start_file(name, options)?;
        zip.write_all(&renamed(&text, from, to))?;
    }
    Ok(zip.finish()?)
}

/// Documents stand at the top, `./KEY.xml`; attachments below `./KEY/`.
fn is_document(name: &str) -> bool {
    let name = name.strip_prefix("./").unwrap_or(name);
    name.ends_with(".xml") && !name.contains('/')
}

fn renamed(text: &[u8], from: &str, to: &str) -> Vec<u8> {
    let old = format!("<TRANSACTION-ID>{from}-").into_bytes();
    let new = format!("<TRANSACTION-ID>{to}-").into_bytes();
    let mut done = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, &old) {
        done.extend_from_slice(&rest[..at]);
        done.extend_from_slice(&new);
        rest = &rest[at + old.len()..];
    }
    done.extend_from_slice(rest);
    done
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn only_the_transaction_ids_of_documents_change() {
        let text = b"<A>OLD-1</A><TRANSACTION-ID>OLD-ISS-1</TRANSACTION-ID>";
        let members: &[(&str, &[u8])] =
            &[("./ISS-1/x.xml", text), ("./ISS-1.xml", text), ("./ISS-2.xml", b"<A/>")];
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        let source = zip.finish().unwrap();
        let copied = reissue(source, Cursor::new(Vec::new()), "OLD", "NEW").unwrap();
        let mut archive = ZipArchive::new(copied).unwrap();
        let wanted = [
            ("./ISS-1/x.xml", &text[..]),
            ("./ISS-1.xml", b"<A>OLD-1</A><TRANSACTION-ID>NEW-ISS-1</TRANSACTION-ID>"),
            ("./ISS-2.xml", b"<A/>"),
        ];
        for (index, (name, bytes)) in wanted.into_iter().enumerate() {
            let mut member = archive.by_index(index).unwrap();
            let mut found = Vec::new();
            member.read_to_end(&mut found).unwrap();
            assert_eq!((&*member.name().unwrap(), &found[..]), (name, bytes));
        }
    }
}
