//! Attachments, streamed both ways.

use std::io;

use serde_json::Value as Json;

use super::{Jira, client};
use crate::issue::{ATTACHMENT_MISSING, Attachment, Digest};
use crate::tracker::http::{Failure, Request, Upload, encode};
use crate::tracker::{TRACKER_REFUSED, TRACKER_UNAVAILABLE};
use crate::{DISK, Error, Result};

/// What no file of Jira's may have in its name.
const ILLEGAL: &[char] = &['\\', '/', ':', '*', '?', '"', '<', '>', '|'];

/// An attachment as Jira lists it.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) size: u64,
    stored: String,
}

impl Listed {
    /// One that was just added.
    pub(super) fn new(id: String, name: &str, size: u64) -> Self {
        Self { id, name: name.to_owned(), size, stored: stored(name) }
    }
}

fn read(json: &Json) -> Option<Listed> {
    let stored = json["filename"].as_str()?.to_owned();
    let id = match &json["id"] {
        Json::String(id) => id.clone(),
        Json::Number(id) => id.to_string(),
        _ => return None,
    };
    Some(Listed { id, name: shown(&stored), size: json["size"].as_u64().unwrap_or(0), stored })
}

/// The attachments in the order they were added.
pub(super) fn listed(field: &Json) -> Vec<Listed> {
    let mut files: Vec<Listed> = field.as_array().into_iter().flatten().filter_map(read).collect();
    files.sort_by_key(|file| file.id.parse::<u64>().unwrap_or(u64::MAX));
    files
}

/// The attachments of an issue as handles.
pub(super) fn of_issue(jira: &Jira, field: &Json) -> Vec<Attachment> {
    listed(field).iter().map(|file| handle(jira, file)).collect()
}

/// The content of an attachment never changes, so all handles for it share what one has read.
fn handle(jira: &Jira, file: &Listed) -> Attachment {
    let path = if jira.is_cloud() {
        jira.path(&format!("attachment/content/{}", encode(&file.id)))
    } else {
        format!("/secure/attachment/{}/{}", encode(&file.id), encode(&file.stored))
    };
    let new = || Attachment::new(&file.name, Some(file.size), jira.http.content(&path));
    jira.memory().files.entry(file.id.clone()).or_insert_with(new).clone()
}

/// The attachments of the issue as it is now.
pub(super) fn list(jira: &Jira, key: &str) -> Result<Vec<Listed>> {
    let request = Request::get(&jira.issue_path(key, "")).query("fields", "attachment");
    let json = jira.json(request).map_err(|failure| {
        if failure.refused(404).is_some() { client::gone(key) } else { failure.into() }
    })?;
    Ok(listed(&json["fields"]["attachment"]))
}

/// Digest and size of a file's content; reads all of it where that was not done yet.
pub(super) fn digest(file: &Attachment) -> Result<(Digest, u64)> {
    file.digest().map_err(|error| unreadable(file, error))
}

fn unreadable(file: &Attachment, error: io::Error) -> Error {
    let code = if error.kind() == io::ErrorKind::NotFound { ATTACHMENT_MISSING } else { DISK };
    Error::item(code, format!("cannot read the file {:?}", file.name)).because(error)
}

/// Attaches a file, unless it is there; `there` are the attachments the issue has. Answers the
/// new one's id.
pub(super) fn attach(
    jira: &Jira,
    key: &str,
    file: &Attachment,
    there: &[Listed],
) -> Result<Option<String>> {
    let (digest, size) = digest(file)?;
    let namesakes: Vec<&Listed> = there.iter().filter(|old| old.name == file.name).collect();
    for old in namesakes.iter().filter(|old| old.size == size) {
        if content(jira, old)? == digest {
            return Ok(None);
        }
    }
    let id = upload(jira, key, file, size, there)?;
    handle(jira, &Listed::new(id.clone(), &file.name, size)).remember(digest, size);
    for old in namesakes {
        remove(jira, key, &old.id)?;
    }
    Ok(Some(id))
}

fn content(jira: &Jira, file: &Listed) -> Result<Digest> {
    let (digest, _) = handle(jira, file).digest().map_err(|error| {
        let what = format!("the attachment {:?} of the tracker cannot be read", file.name);
        Error::wait(TRACKER_UNAVAILABLE, what).because(error)
    })?;
    Ok(digest)
}

fn upload(
    jira: &Jira,
    key: &str,
    file: &Attachment,
    size: u64,
    there: &[Listed],
) -> Result<String> {
    let mut outcome = None;
    let name = stored(&file.name);
    let read = file.read_with(&mut |reader| {
        let mut source = Watched { from: reader, error: None };
        let request = Request::post(&jira.issue_path(key, "/attachments"))
            .header("X-Atlassian-Token", "no-check")
            .upload(Upload::new("file", &name, size, &mut source));
        let answer = jira.json(request);
        match source.error.take() {
            Some(error) => Err(error),
            None => {
                outcome = Some(answer);
                Ok(())
            }
        }
    });
    read.map_err(|error| unreadable(file, error))?;
    let answer = outcome.ok_or_else(|| unreadable(file, io::ErrorKind::UnexpectedEof.into()))?;
    let made = match answer {
        Ok(json) => listed(&json).pop(),
        // Whether it is there can be seen.
        Err(doubt @ Failure::InDoubt { .. }) => {
            let new = |now: &Listed| {
                now.name == file.name && now.size == size && !there.iter().any(|o| o.id == now.id)
            };
            let now = list(jira, key)?.into_iter().find(new);
            Some(now.ok_or_else(|| Error::from(doubt))?)
        }
        Err(failure) if failure.refused(413).is_some() => {
            let what = format!("{key}: the tracker takes no file of {size} bytes: {:?}", file.name);
            return Err(Error::item(TRACKER_REFUSED, what).hint(
                "raise the size limit of attachments in Jira, or have the file sent smaller",
            ));
        }
        Err(failure) => return Err(jira.at_issue(failure, key)),
    };
    match made {
        Some(made) if made.size == size => Ok(made.id),
        Some(made) => {
            remove(jira, key, &made.id)?;
            let what = format!("{:?} arrived as {} of {size} bytes", file.name, made.size);
            Err(Error::wait(TRACKER_UNAVAILABLE, what))
        }
        None => Err(Error::wait(TRACKER_UNAVAILABLE, "the tracker does not name the new file")),
    }
}

/// Keeps the error of the source apart from those of the connection.
struct Watched<'a> {
    from: &'a mut dyn io::Read,
    error: Option<io::Error>,
}

impl io::Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.from.read(buffer).map_err(|error| {
            let kind = error.kind();
            self.error = Some(error);
            kind.into()
        })
    }
}

/// Removes the attachments of this name.
pub(super) fn detach(jira: &Jira, key: &str, name: &str) -> Result<()> {
    for file in list(jira, key)?.iter().filter(|file| file.name == name) {
        remove(jira, key, &file.id)?;
    }
    Ok(())
}

fn remove(jira: &Jira, key: &str, id: &str) -> Result<()> {
    match jira.http.call(Request::delete(&jira.path(&format!("attachment/{}", encode(id))))) {
        Ok(_) => Ok(()),
        Err(failure) if failure.refused(404).is_some() => Ok(()),
        Err(failure) => Err(client::explain(failure, key)),
    }
}

/// The name as Jira keeps it: an illegal character as `=` and its two hexadecimal digits, and so
/// an `=` that could be taken for such an escape. Two names never become one.
pub(super) fn stored(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (at, c) in name.char_indices() {
        let escaped = ILLEGAL.contains(&c)
            || c.is_ascii_control()
            || (c == '=' && escape(&name[at + 1..]).is_some());
        match u8::try_from(c) {
            Ok(byte) if escaped => out.push_str(&format!("={byte:02X}")),
            _ => out.push(c),
        }
    }
    out
}

/// The character that two hexadecimal digits stand for in a stored name, if they do.
fn escape(digits: &str) -> Option<char> {
    let digits = digits.get(..2)?;
    if !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F')) {
        return None;
    }
    let c = char::from(u8::from_str_radix(digits, 16).ok()?);
    (ILLEGAL.contains(&c) || c.is_ascii_control() || c == '=').then_some(c)
}

/// The name that was stored.
pub(super) fn shown(stored: &str) -> String {
    let mut out = String::with_capacity(stored.len());
    let mut rest = stored;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        match escape(after).filter(|_| c == '=') {
            Some(original) => {
                out.push(original);
                rest = &after[2..];
            }
            None => {
                out.push(c);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_name_comes_back_and_is_legal(name in "[ab=3FA5:?%ä\" ]{0,12}|\\PC{0,8}") {
            let kept = stored(&name);
            prop_assert!(!kept.contains(ILLEGAL));
            prop_assert_eq!(shown(&kept), name);
        }
    }

    #[test]
    fn names_stay_readable() {
        for (name, kept) in [
            ("ä.txt", "ä.txt"),
            ("a=b.txt", "a=b.txt"),
            ("what?.txt", "what=3F.txt"),
            ("x=3F.txt", "x=3D3F.txt"),
            ("10:30.log", "10=3A30.log"),
        ] {
            assert_eq!(stored(name), kept);
        }
    }
}
