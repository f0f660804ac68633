//! The OFTP server's folders on this machine, on the spool's file system or another.
//!
//! Files are always copied, never moved: a copy is whole and durable before the original goes, and
//! it is the same on one file system and on two. What is delivered is built in `outbox_tmp`, on the
//! outbox's file system but where no server looks, and renamed from there.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{
    CHANGED, Fetched, Listed, NAME_TAKEN, Parcel, Removal, TRANSPORT, Transport, VIRTUAL_FILE_NAME,
};
use crate::disk::{self, Disk};
use crate::engdat::virtual_file_name;
use crate::{Checked, Error, Fault, Hasher, NOT_FOUND, Result};

/// Where the folders are, and how files are left there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where the server puts what it received.
    pub inbox: PathBuf,
    /// Whence it sends.
    pub outbox: PathBuf,
    /// On the outbox's file system, where the server does not look.
    pub outbox_tmp: PathBuf,
    /// The mode of delivered files.
    pub mode: u32,
    /// The group of delivered files, a name of `/etc/group` or a number; `None`: the outbox's, if
    /// we may.
    pub group: Option<String>,
    /// Files stay in the inbox.
    pub keep: bool,
}

impl Options {
    /// `outbox_tmp` unless the configuration says otherwise: beside the outbox, not in it, since
    /// a server may send whatever it finds there.
    #[must_use]
    pub fn beside(outbox: &Path) -> PathBuf {
        let mut name = outbox.components().as_path().as_os_str().to_owned();
        name.push(".tmp");
        PathBuf::from(name)
    }

    fn group_id(&self) -> Result<Option<u32>> {
        self.group.as_deref().map(group_of).transpose()
    }
}

/// The folder transport.
#[derive(Debug)]
pub struct Folder {
    options: Options,
    disk: Disk,
    /// What the files were, exactly, when they were fetched.
    fetched: BTreeMap<String, Exact>,
}

/// A writing of a file, told from the next one as well as the file system can.
type Exact = (u64, u64, i64, i64);

fn exact(meta: &Metadata) -> Exact {
    (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec())
}

fn is_as_listed(meta: &Metadata, file: &Listed) -> bool {
    meta.is_file() && meta.len() == file.size && meta.mtime() == file.modified
}

/// The same error as one of the other side: time may cure it, and it is nobody else's.
fn theirs(error: Error) -> Error {
    let code = if error.code == crate::DISK { TRANSPORT } else { error.code };
    Error { fault: Fault::Wait, code, ..error }
}

fn their_io<'a>(verb: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |error| theirs(Error::io(verb, path, error))
}

fn changed(file: &Listed) -> Error {
    Error::wait(CHANGED, format!("{} changed while it was fetched", file.name))
}

impl Folder {
    /// The folders of `options`.
    #[must_use]
    pub fn new(options: Options, disk: Disk) -> Self {
        Self { options, disk, fetched: BTreeMap::new() }
    }

    fn fetch_one(&mut self, file: &Listed, into: &Path) -> Result<Fetched> {
        let path = self.options.inbox.join(&file.name);
        let mut source = self.disk.open(&path).map_err(|error| {
            let gone = disk::cause_kind(&error) == Some(io::ErrorKind::NotFound);
            let error = theirs(error);
            if gone { Error { code: NOT_FOUND, ..error } } else { error }
        })?;
        let before = source.metadata().map_err(their_io("look at", &path))?;
        if !is_as_listed(&before, file) {
            return Err(changed(file));
        }
        let mut copy = Hasher::new(self.disk.temporary(into)?);
        self.copy_all(&mut source, &mut copy, &path, &into.join(&file.name))?;
        let (copy, size, digest) = copy.finish();
        // The writer may go on in the same file, or put another one under the name.
        let same = |meta: io::Result<Metadata>| meta.is_ok_and(|now| exact(&now) == exact(&before));
        if size != file.size || !same(source.metadata()) || !same(fs::symlink_metadata(&path)) {
            return Err(changed(file));
        }
        if copy.digest()? != digest {
            let what = format!("the copy of {} is not what was read", path.display());
            return Err(Error::setup(crate::DISK, what).hint("check the disk of the spool"));
        }
        self.fetched.insert(file.name.clone(), exact(&before));
        let (target, new) = super::place(&self.disk, into, &file.name, digest)?;
        if new {
            copy.publish(&target, None)?;
        }
        Ok(Fetched { path: target, digest })
    }

    fn deliver_one(&self, part: &Parcel) -> Result<()> {
        let target = self.options.outbox.join(&part.name);
        if fs::symlink_metadata(&target).is_ok() {
            return self.expect(&target, part);
        }
        let tmp = &self.options.outbox_tmp;
        let mut source = self.disk.open(&part.path)?;
        let mut copy = Hasher::new(self.disk.temporary(tmp).map_err(theirs)?);
        self.copy_all(&mut source, &mut copy, &part.path, &target).map_err(theirs)?;
        let (copy, _, digest) = copy.finish();
        if digest != part.digest {
            let what = format!("{} is not what was to be delivered", part.path.display());
            return Err(Error::setup(crate::DISK, what)
                .hint("`engsync resend` makes it anew; nothing was delivered"));
        }
        if copy.digest().map_err(theirs)? != digest {
            let what = format!("the copy of {} is not what was read", part.path.display());
            return Err(Error::wait(TRANSPORT, what).hint("check the disk of the outbox"));
        }
        self.give(&copy)?;
        match copy.publish(&target, Some(self.options.mode)) {
            Err(error) if disk::is_taken(&error) => self.expect(&target, part),
            Err(error) if disk::cause_kind(&error) == Some(io::ErrorKind::CrossesDevices) => {
                let hint = "outbox_tmp must be on the file system of outbox";
                Err(theirs(error).hint(hint))
            }
            other => other.map_err(theirs),
        }
    }

    /// Streams; an error in reading is told with `source`, one in writing with `target`.
    fn copy_all(
        &self,
        from: &mut impl io::Read,
        to: &mut impl Write,
        source: &Path,
        target: &Path,
    ) -> Result<()> {
        let mut buffer = vec![0; 1 << 17];
        loop {
            self.disk.stop().go_on()?;
            let read = match from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(their_io("read", source)(error)),
            };
            to.write_all(&buffer[..read]).map_err(|error| Error::io("write", target, error))?;
        }
    }

    /// To the configured group, or to the outbox's if that is allowed.
    fn give(&self, file: &disk::Temporary<'_>) -> Result<()> {
        if let Some(group) = self.options.group_id()? {
            let hint = "run engsync as a member of the group, or leave `group` out";
            return file.set_group(group).map_err(|error| theirs(error).hint(hint));
        }
        let outbox = &self.options.outbox;
        let own = fs::metadata(outbox).map_err(their_io("look at", outbox))?.gid();
        if let Err(error) = file.set_group(own) {
            tracing::debug!("{}: it keeps our group", error.line());
        }
        Ok(())
    }

    /// What is there already must be what is to be delivered.
    fn expect(&self, target: &Path, part: &Parcel) -> Result<()> {
        if self.disk.digest(target).map_err(theirs)? == part.digest {
            return self.disk.sync_dir(&self.options.outbox).map_err(theirs);
        }
        let what = format!("{} is there already with other content", target.display());
        Err(Error::wait(NAME_TAKEN, what)
            .hint("move it out of the way: engsync never replaces a file of the outbox"))
    }

    /// A directory of the server that is one of the spool's would be emptied by copying to itself.
    fn apart(&self, theirs: &Path, ours: &Path) -> Result<()> {
        let place = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
        if place(theirs).is_none() || place(theirs) != place(ours) {
            return Ok(());
        }
        let what = format!("{} and {} are one directory", theirs.display(), ours.display());
        Err(Error::wait(TRANSPORT, what).hint(
            "where the OFTP server uses the spool's directories itself there is no transport",
        ))
    }

    /// Writes a file as a delivery would; it goes when it is dropped.
    fn probe(&self) -> Result<String> {
        let tmp = &self.options.outbox_tmp;
        self.disk.make_dirs(tmp).map_err(theirs)?;
        let mut file = self.disk.temporary(tmp).map_err(theirs)?;
        file.write_all(b"engsync").map_err(their_io("write in", tmp))?;
        self.give(&file)?;
        Ok("written and removed".to_owned())
    }
}

impl Transport for Folder {
    fn list(&mut self) -> Result<Vec<Listed>> {
        let inbox = &self.options.inbox;
        let mut listed = Vec::new();
        for entry in fs::read_dir(inbox).map_err(their_io("list", inbox))? {
            let entry = entry.map_err(their_io("list", inbox))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if name.starts_with('.') || !is_file {
                continue;
            }
            match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(their_io("look at", &entry.path())(error)),
                Ok(meta) => {
                    listed.push(Listed { name, size: meta.len(), modified: meta.mtime() });
                }
            }
        }
        listed.sort();
        Ok(listed)
    }

    fn fetch(
        &mut self,
        files: &[Listed],
        into: &Path,
        done: &mut dyn FnMut(&Listed, Result<Fetched>) -> Result<()>,
    ) -> Result<()> {
        self.apart(&self.options.inbox, into)?;
        for file in files {
            let fetched = self.fetch_one(file, into);
            done(file, fetched)?;
        }
        Ok(())
    }

    fn remove(&mut self, file: &Listed) -> Result<Removal> {
        let path = self.options.inbox.join(&file.name);
        let meta = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Removal::Absent),
            Err(error) => return Err(their_io("look at", &path)(error)),
            Ok(meta) => meta,
        };
        let rewritten = self.fetched.get(&file.name).is_some_and(|then| *then != exact(&meta));
        if rewritten || !is_as_listed(&meta, file) {
            return Ok(Removal::Changed);
        }
        self.disk.remove(&path).map_err(theirs)?;
        Ok(Removal::Removed)
    }

    fn deliver(&mut self, parts: &[Parcel]) -> Result<()> {
        for part in parts {
            self.apart(&self.options.outbox, part.path.parent().unwrap_or(&part.path))?;
            virtual_file_name(&part.name)
                .map_err(|error| Error::wait(VIRTUAL_FILE_NAME, error.to_string()))?;
        }
        let Options { outbox, outbox_tmp: tmp, .. } = &self.options;
        if !outbox.is_dir() {
            let what = format!("the outbox {} is not there", outbox.display());
            return Err(Error::wait(TRANSPORT, what)
                .hint("the OFTP server makes it; check `outbox` and the mount"));
        }
        self.disk.make_dirs(tmp).map_err(|error| theirs(error).hint("set `outbox_tmp`"))?;
        self.disk.sweep_orphans(tmp).map_err(theirs)?;
        parts.iter().rev().try_for_each(|part| self.deliver_one(part))
    }

    fn check(&mut self, write: bool) -> Vec<Checked> {
        let Options { inbox, outbox, outbox_tmp: tmp, keep, .. } = self.options.clone();
        let mut checked = Vec::new();
        let mut add = |what: String, found| checked.push(Checked { what, found });
        let listed = self.list().and_then(|files| {
            let files = format!("{} files", files.len());
            if keep { Ok(files) } else { writable(&inbox).map(|()| files) }
        });
        add(format!("list {}", inbox.display()), listed);
        let fits = writable(&outbox).and_then(|()| self.options.group_id()).map(|_| String::new());
        add(format!("write to {}", outbox.display()), fits);
        let own = if tmp.is_dir() {
            writable(&tmp).and_then(|()| same_file_system(&outbox, &tmp))
        } else {
            let parent = tmp.parent().unwrap_or(&tmp);
            writable(parent).map(|()| "made with the first delivery".to_owned())
        };
        add(format!("build in {}", tmp.display()), own);
        if write {
            add(format!("write a probe file in {}", tmp.display()), self.probe());
        }
        checked
    }
}

/// The number of a group: of `/etc/group`, or the number itself.
fn group_of(name: &str) -> Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let find = |line: &str| {
        let mut cells = line.split(':');
        (cells.next() == Some(name)).then(|| cells.nth(1)?.parse().ok())?
    };
    groups.lines().find_map(find).ok_or_else(|| {
        Error::wait(TRANSPORT, format!("there is no group {name:?} in /etc/group"))
            .hint("a group of a directory service is named by its number: `getent group NAME`")
    })
}

fn writable(dir: &Path) -> Result<()> {
    use rustix::fs::{Access, access};
    if !dir.is_dir() {
        let what = format!("the directory {} is not there", dir.display());
        return Err(Error::wait(TRANSPORT, what));
    }
    access(dir, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|errno| their_io("write in", dir)(errno.into()))
}

fn same_file_system(outbox: &Path, tmp: &Path) -> Result<String> {
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
    // An outbox that is not there is told elsewhere.
    if device(outbox).is_none_or(|outbox| device(tmp) == Some(outbox)) {
        return Ok(String::new());
    }
    let what = format!("{} is not on the file system of {}", tmp.display(), outbox.display());
    Err(Error::wait(TRANSPORT, what).hint("set `outbox_tmp` to a directory beside the outbox"))
}

#[cfg(test)]
mod tests;
