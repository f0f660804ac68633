//! Attachments: files named by their SHA-256, durable before the row that names them, and
//! removed after the last row that named them is gone for good.
//!
//! Whoever inserts or looks for such rows holds the database's write lock, so that no file goes
//! away between being found and being named.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::OptionalExtension as _;

use super::content::Stored;
use super::history::{ATTACHMENTS, Change};
use super::{Embedded, write};
use crate::db::Db;
use crate::disk::{self, Disk};
use crate::issue::{Attachment, Content, Digest, Hasher, Value};
use crate::{DISK, Error, Fault, NOT_FOUND, Result};

/// So much is read at once.
const BUFFER: usize = 128 * 1024;

/// The directory of the files: `ab/cdef…`.
pub(super) struct Files {
    dir: PathBuf,
    disk: Disk,
    known: Known,
}

/// What is known of the files that are coming.
enum Known {
    /// They were made durable.
    Durable(RefCell<HashSet<Digest>>),
    /// A dry run: they stay where they come from.
    Planned(RefCell<HashMap<Digest, Attachment>>),
}

impl Files {
    pub(super) fn durable(dir: PathBuf, disk: Disk) -> Self {
        Self { dir, disk, known: Known::Durable(RefCell::default()) }
    }

    pub(super) fn planned(dir: PathBuf, disk: Disk) -> Self {
        Self { dir, disk, known: Known::Planned(RefCell::default()) }
    }

    /// Makes the bytes of `file` durable; in a dry run only looks at them.
    pub(super) fn prepare(&self, file: &Attachment) -> Result<(Digest, u64)> {
        match &self.known {
            Known::Durable(durable) => {
                let (digest, size) = self.keep(file)?;
                durable.borrow_mut().insert(digest);
                Ok((digest, size))
            }
            Known::Planned(planned) => {
                let (digest, size) = file.digest().map_err(|error| unreadable(file, error))?;
                planned.borrow_mut().insert(digest, file.clone());
                Ok((digest, size))
            }
        }
    }

    /// That the file is there, while the write lock is held.
    fn ensure(&self, file: &Attachment) -> Result<(Digest, u64)> {
        if let (Known::Durable(durable), Some(digest)) = (&self.known, file.known_digest()) {
            let size = file.digest().map(|(_, size)| size).unwrap_or_default();
            if durable.borrow().contains(&digest) && self.has(digest, size) {
                return Ok((digest, size));
            }
        }
        self.prepare(file)
    }

    /// A handle on a file that is attached.
    pub(super) fn content(&self, digest: Digest, size: u64) -> Arc<dyn Content> {
        if let Known::Planned(planned) = &self.known {
            let planned = planned.borrow();
            if let Some(content) = planned.get(&digest).and_then(Attachment::content) {
                return Arc::clone(content);
            }
        }
        Arc::new(Stored { path: self.path(digest), digest, size })
    }

    fn path(&self, digest: Digest) -> PathBuf {
        let hex = digest.to_string();
        let (head, tail) = hex.split_at(2);
        self.dir.join(head).join(tail)
    }

    fn has(&self, digest: Digest, size: u64) -> bool {
        let meta = std::fs::symlink_metadata(self.path(digest));
        meta.is_ok_and(|meta| meta.is_file() && meta.len() == size)
    }

    fn keep(&self, file: &Attachment) -> Result<(Digest, u64)> {
        if let Some(digest) = file.known_digest() {
            let (_, size) = file.digest().map_err(|error| unreadable(file, error))?;
            if self.has(digest, size) {
                // It may be there by a rename that a power cut would still undo.
                self.disk.sync_dir(parent(&self.path(digest)))?;
                return Ok((digest, size));
            }
        }
        self.disk.make_dirs(&self.dir)?;
        let mut copy = Hasher::new(self.disk.temporary(&self.dir)?);
        let mut broken = None;
        file.read_with(&mut |reader| {
            let mut buffer = vec![0; BUFFER];
            loop {
                let read = match reader.read(&mut buffer) {
                    Ok(0) => return Ok(()),
                    Ok(read) => read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error),
                };
                if let Err(error) = copy.write_all(&buffer[..read]) {
                    broken = Some(Error::io("write to", &self.dir, error));
                    return Err(io::Error::other("the copy cannot be written"));
                }
            }
        })
        .map_err(|error| broken.take().unwrap_or_else(|| unreadable(file, error)))?;
        let (copy, size, digest) = copy.finish();
        if file.known_digest().is_some_and(|known| known != digest) {
            let what = format!("the content of {} is not what it was before", file.name);
            return Err(Error::item(DISK, what));
        }
        file.remember(digest, size);
        let path = self.path(digest);
        self.disk.make_dirs(parent(&path))?;
        if self.has(digest, size) {
            self.disk.sync_dir(parent(&path))?;
        } else if path.exists() {
            // Cut short by something else than us: the digest says what belongs there.
            copy.replace(&path)?;
        } else {
            match copy.publish(&path, None) {
                Err(error) if disk::is_taken(&error) => self.disk.sync_dir(parent(&path))?,
                done => done?,
            }
        }
        Ok((digest, size))
    }

    /// Removes the files noted as garbage that no row names.
    pub(super) fn collect(&self, db: &Db) -> Result<()> {
        let Known::Durable(durable) = &self.known else { return Ok(()) };
        if !db.sql().is_autocommit() || garbage(db)?.is_empty() {
            return Ok(());
        }
        let tx = db.begin()?;
        for (hex, named) in garbage(db)? {
            if let Some(digest) = Digest::parse(&hex).filter(|_| !named) {
                durable.borrow_mut().remove(&digest);
                self.disk.remove(&self.path(digest))?;
            }
        }
        db.sql().execute("DELETE FROM tracker_garbage", []).map_err(|e| db.fault(e))?;
        tx.commit()
    }

    /// Removes what writers left that are no more.
    pub(super) fn sweep_orphans(&self) -> Result<()> {
        self.disk.sweep_orphans(&self.dir)
    }

    /// Removes every file that no row names, and what interrupted writers left.
    pub(super) fn sweep(&self, db: &Db) -> Result<u64> {
        let mut removed = 0;
        let Known::Durable(durable) = &self.known else { return Ok(removed) };
        let tx = db.begin()?;
        let wrap = |error| db.fault(error);
        let named: HashSet<String> = db
            .sql()
            .prepare("SELECT DISTINCT sha256 FROM tracker_attachment")
            .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
            .map_err(wrap)?;
        for path in list(&self.dir)? {
            if path.is_dir() {
                for file in list(&path)? {
                    let digest = hex(&file).filter(|digest| !named.contains(&digest.to_string()));
                    if let Some(digest) = digest {
                        durable.borrow_mut().remove(&digest);
                        self.disk.remove(&file)?;
                        removed += 1;
                    }
                }
            } else if disk::is_orphan(&path) {
                self.disk.remove(&path)?;
                removed += 1;
            }
        }
        db.sql().execute("DELETE FROM tracker_garbage", []).map_err(wrap)?;
        tx.commit()?;
        Ok(removed)
    }
}

/// The digest that `ab/cdef…` stands for; `None` for anything else, which is left alone.
fn hex(path: &Path) -> Option<Digest> {
    let head = path.parent()?.file_name()?.to_str()?;
    let tail = path.file_name()?.to_str()?;
    Digest::parse(&format!("{head}{tail}")).filter(|_| head.len() == 2)
}

fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let listed = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.and_then(|dir| dir.map(|entry| Ok(entry?.path())).collect()),
    };
    listed.map_err(|error| Error::io("list", dir, error))
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// The digests noted as garbage, and whether a row names them again.
fn garbage(db: &Db) -> Result<Vec<(String, bool)>> {
    let sql = "SELECT sha256, EXISTS (
                   SELECT 1 FROM tracker_attachment a WHERE a.sha256 = g.sha256
               ) FROM tracker_garbage g";
    db.sql()
        .prepare_cached(sql)
        .and_then(|mut query| query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .map_err(|error| db.fault(error))
}

fn unreadable(file: &Attachment, error: io::Error) -> Error {
    let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { DISK };
    Error::new(Fault::Item, code, format!("cannot read the file {:?}", file.name)).because(error)
}

pub(super) fn attach(tracker: &Embedded, key: &str, file: &Attachment) -> Result<()> {
    if tracker.db.sql().is_autocommit() {
        // Copying may take a while: do it before the write lock is taken, not under it.
        tracker.id(key)?;
        tracker.files.ensure(file)?;
    }
    let tx = tracker.db.begin()?;
    let issue = tracker.id(key)?;
    let (digest, size) = tracker.files.ensure(file)?;
    let hex = digest.to_string();
    let before = attached(tracker, issue, &file.name)?;
    if before.as_deref() == Some(&hex) {
        return Ok(());
    }
    let size = i64::try_from(size)
        .map_err(|_| Error::item(DISK, format!("the file {:?} is too large", file.name)))?;
    let sql = "INSERT INTO tracker_attachment (issue, name, size, sha256) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (issue, name) DO UPDATE SET size = excluded.size, sha256 = excluded.sha256";
    let row = (issue, &file.name, size, &hex);
    tracker.sql(tracker.db.sql().prepare_cached(sql).and_then(|mut insert| insert.execute(row)))?;
    discard(tracker, before.as_deref())?;
    let change = Change::of(ATTACHMENTS, before.map(Value::Text), Some(Value::Text(hex)));
    write::touch(tracker, key, tracker.clock.now(), change.item(&file.name))?;
    tracker.commit(tx)
}

pub(super) fn detach(tracker: &Embedded, key: &str, name: &str) -> Result<()> {
    let tx = tracker.db.begin()?;
    let issue = tracker.id(key)?;
    let Some(before) = attached(tracker, issue, name)? else { return Ok(()) };
    let sql = "DELETE FROM tracker_attachment WHERE issue = ?1 AND name = ?2";
    tracker.sql(tracker.db.sql().execute(sql, (issue, name)))?;
    discard(tracker, Some(&before))?;
    let change = Change::of(ATTACHMENTS, Some(Value::Text(before)), None);
    write::touch(tracker, key, tracker.clock.now(), change.item(name))?;
    tracker.commit(tx)
}

/// The digest of the attachment of that name.
fn attached(tracker: &Embedded, issue: i64, name: &str) -> Result<Option<String>> {
    let sql = "SELECT sha256 FROM tracker_attachment WHERE issue = ?1 AND name = ?2";
    let mut query = tracker.sql(tracker.db.sql().prepare_cached(sql))?;
    tracker.sql(query.query_row((issue, name), |row| row.get(0)).optional())
}

fn discard(tracker: &Embedded, hex: Option<&str>) -> Result<()> {
    let Some(hex) = hex else { return Ok(()) };
    let sql = "INSERT OR IGNORE INTO tracker_garbage VALUES (?1)";
    tracker.sql(tracker.db.sql().execute(sql, [hex])).map(drop)
}
