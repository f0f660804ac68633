//! Attachments in and out.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::{Output, file_json, missing};
use crate::cli::table;
use crate::disk::{self, Disk};
use crate::issue::{Attachment, Content, Issue};
use crate::tracker::Tracker as _;
use crate::tracker::embedded::Embedded;
use crate::{DISK, Error, Result};

/// A file of the command line.
struct Named(PathBuf);

impl Content for Named {
    fn read_with(&self, sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>) -> io::Result<()> {
        sink(&mut std::fs::File::open(&self.0)?)
    }
}

pub(super) fn attach(
    tracker: &Embedded,
    key: &str,
    path: &Path,
    io: &mut Output<'_>,
) -> Result<()> {
    let meta = std::fs::metadata(path).map_err(|error| Error::io("read", path, error))?;
    if !meta.is_file() {
        return Err(Error::item(DISK, format!("{} is not a regular file", path.display())));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let file = Attachment::new(&name, Some(meta.len()), Arc::new(Named(path.to_owned())));
    tracker.get(key)?;
    tracker.prepare(&file)?;
    tracker.attach(key, &file)?;
    let issue = tracker.get(key)?;
    let file = named(&issue, &file.name)?;
    let said = format!("{} attached to {key}, {} bytes", file.name, file.size.unwrap_or(0));
    io.say(&said, &file_json(file))
}

pub(super) fn save(
    tracker: &Embedded,
    disk: &Disk,
    (key, name): (&str, &str),
    output: Option<&Path>,
    io: &mut Output<'_>,
) -> Result<()> {
    let issue = tracker.get(key)?;
    let file = named(&issue, name)?;
    let unread = |error| {
        let what = format!("cannot save {name:?} of {key}");
        Error::setup(DISK, what).because(error).hint("see docs/trackers/embedded.md, “Damage”")
    };
    if output == Some(Path::new("-")) {
        return file.read_with(&mut |r| io::copy(r, io.out).map(drop)).map_err(unread);
    }
    let path = output.map_or_else(|| PathBuf::from(&file.name), Path::to_path_buf);
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut copy = disk.temporary(dir)?;
    file.read_with(&mut |reader| io::copy(reader, &mut copy).map(drop)).map_err(unread)?;
    if output.is_some() {
        copy.replace(&path)?;
    } else {
        copy.publish(&path, None).map_err(|error| match disk::is_taken(&error) {
            true => error.hint(format!("`-o {}` replaces it", path.display())),
            false => error,
        })?;
    }
    let said = format!("{} saved", path.display());
    io.say(&table::escape(&said), &json!({ "path": path, "file": file_json(file) }))
}

/// The attachment of that name.
pub(super) fn named<'a>(issue: &'a Issue, name: &str) -> Result<&'a Attachment> {
    let found = issue.attachments.iter().find(|file| file.name == name);
    let names = || issue.attachments.iter().map(|file| file.name.as_str());
    found.ok_or_else(|| missing(&issue.id, "attachment", name, names()))
}
