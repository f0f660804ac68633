//! Attachments: items of class `file` that the issue has in `files`.
//!
//! A file of ours says its SHA-256 and size as parameters of its media type, so that it need not
//! be fetched to be compared.

use std::io;
use std::sync::PoisonError;

use super::Roundup;
use super::data::{Data, Item, Values, Where};
use super::rest::{TRIES, busy, gone};
use crate::issue::{Attachment, Digest};
use crate::tracker::{TRACKER_REFUSED, TRACKER_UNAVAILABLE};
use crate::{DISK, Error, Fault, NOT_FOUND, Result};

/// What is read of a file.
pub(super) const PROPERTIES: [&str; 2] = ["name", "type"];

/// Media types that a browser may show; all others are only saved.
const TYPES: [(&str, &str); 9] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("pdf", "application/pdf"),
    ("zip", "application/zip"),
    ("txt", "text/plain"),
    ("log", "text/plain"),
    ("csv", "text/csv"),
];

pub(super) fn unreadable(file: &Attachment, error: io::Error) -> Error {
    let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { DISK };
    Error::new(Fault::Item, code, format!("cannot read the file {:?}", file.name)).because(error)
}

/// The media type with what the content is known by.
fn media_type(name: &str, digest: Digest, size: u64) -> String {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    let known = TYPES.iter().find(|(known, _)| extension.as_deref() == Some(known));
    let media = known.map_or("application/octet-stream", |(_, media)| media);
    format!("{media}; sha256={digest}; size={size}")
}

fn fingerprint(media_type: &str) -> Option<(Digest, u64)> {
    let mut parameters = media_type.split(';').map(str::trim);
    let digest = parameters.clone().find_map(|part| part.strip_prefix("sha256="));
    let size = parameters.find_map(|part| part.strip_prefix("size="));
    Some((Digest::parse(digest?)?, size?.parse().ok()?))
}

impl Roundup {
    /// A handle on a file. Contents do not change, so all handles share what one has read.
    pub(super) fn attachment(&self, item: &Item) -> Result<Attachment> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(&item.id) {
            return Ok(file.clone());
        }
        let content = self.api()?.content(&item.id);
        let name = if item.text("name").is_empty() { "file" } else { item.text("name") };
        let file = Attachment::new(name, None, content);
        let file = match fingerprint(item.text("type")) {
            Some((digest, size)) => file.with_digest(digest, size),
            None => file,
        };
        Ok(files.entry(item.id.clone()).or_insert(file).clone())
    }

    fn files_of(&self, key: &str) -> Result<(Vec<String>, Vec<Item>, Option<String>)> {
        let api = self.api()?;
        let (issue, mark) =
            api.look("issue", key, &["files"])?.ok_or_else(|| gone("issue", key))?;
        let ids = issue.ids("files").to_vec();
        let files = api.select("file", &Where::Ids(ids.clone()), &PROPERTIES)?;
        Ok((ids, files, mark))
    }

    fn set_files(&self, key: &str, ids: &[String], mark: Option<&str>) -> Result<bool> {
        let values = Values::from([("files".to_owned(), Data::Ids(ids.to_vec()))]);
        self.api()?.set("issue", key, &values, mark)
    }

    pub(super) fn attach_file(&self, key: &str, file: &Attachment) -> Result<()> {
        let (digest, size) = file.digest().map_err(|error| unreadable(file, error))?;
        let mut uploaded: Option<String> = None;
        for _ in 0..TRIES {
            let (ids, files, mark) = self.files_of(key)?;
            let mut same = Vec::new();
            for item in files.iter().filter(|item| self.is_named(item, &file.name)) {
                let (there, _) = self.attachment(item)?.digest().map_err(|error| {
                    let what = format!("cannot read {:?} of issue {key}", file.name);
                    Error::wait(TRACKER_UNAVAILABLE, what).because(error)
                })?;
                if there == digest {
                    return Ok(());
                }
                same.push(item.id.clone());
            }
            if size == 0 {
                let what = format!("Roundup takes no empty file: {:?} was left out", file.name);
                return Err(Error::item(TRACKER_REFUSED, what));
            }
            let id = match uploaded.take() {
                Some(id) => id,
                None => self.api()?.upload(file, &media_type(&file.name, digest, size))?,
            };
            let mut next: Vec<String> = ids.into_iter().filter(|id| !same.contains(id)).collect();
            next.push(id.clone());
            if self.set_files(key, &next, mark.as_deref())? {
                return Ok(());
            }
            uploaded = Some(id);
        }
        Err(busy("issue", key))
    }

    pub(super) fn detach_file(&self, key: &str, name: &str) -> Result<()> {
        for _ in 0..TRIES {
            let (ids, files, mark) = self.files_of(key)?;
            let named: Vec<&str> = files
                .iter()
                .filter(|item| self.is_named(item, name))
                .map(|item| item.id.as_str())
                .collect();
            if named.is_empty() {
                return Ok(());
            }
            let next: Vec<String> =
                ids.into_iter().filter(|id| !named.contains(&id.as_str())).collect();
            if self.set_files(key, &next, mark.as_deref())? {
                return Ok(());
            }
        }
        Err(busy("issue", key))
    }

    fn is_named(&self, item: &Item, name: &str) -> bool {
        item.text("name") == name || crate::issue::clean_name(item.text("name")) == name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_says_what_the_content_is() {
        let digest = Digest::of(b"x");
        for (name, media) in [
            ("a.PNG", "image/png"),
            ("a.html", "application/octet-stream"),
            ("a", "application/octet-stream"),
            ("a.svg", "application/octet-stream"),
        ] {
            let text = media_type(name, digest, 1);
            assert!(text.starts_with(&format!("{media};")), "{text}");
            assert_eq!(fingerprint(&text), Some((digest, 1)));
        }
        for other in
            ["", "text/plain", "text/plain; charset=utf-8", "a/b; sha256=12; size=1", "a/b; size=1"]
        {
            assert_eq!(fingerprint(other), None, "{other}");
        }
    }
}
