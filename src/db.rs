//! The SQLite connection: opening, pragmas, transactions, migrations; shared by `state` and the
//! embedded tracker, so that one transaction can cover both.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _};

use crate::disk::Steps;
use crate::{DATABASE, Error, LOCKED, Result};

/// A database; clones share the connection.
#[derive(Clone, Debug)]
pub struct Db {
    connection: Rc<Connection>,
    path: Rc<PathBuf>,
    steps: Steps,
    fence: Rc<RefCell<Option<Fence>>>,
}

/// What a query must answer for a transaction to begin.
#[derive(Debug)]
struct Fence {
    query: &'static str,
    answer: String,
}

/// Statements that bring a schema from one version to the next; the n-th makes version n.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Whose schema: several can share a file.
    pub name: &'static str,
    /// One batch of statements a version.
    pub versions: &'static [&'static str],
}

/// An open transaction; rolled back unless committed.
#[must_use]
#[derive(Debug)]
pub struct Transaction<'a> {
    db: &'a Db,
    open: bool,
    nested: bool,
}

impl Db {
    /// Opens or creates the database at `path` with write-ahead log and full durability.
    ///
    /// # Errors
    /// When it cannot be opened, is damaged, or was made by a newer engsync.
    pub fn open(path: &Path, schemas: &[Schema], steps: &Steps) -> Result<Self> {
        let wrap = |error| fault("open", path, error);
        let connection = Connection::open(path).map_err(wrap)?;
        connection.busy_timeout(Duration::from_secs(30)).map_err(wrap)?;
        connection
            .execute_batch(
                // Each issue is a savepoint, and a savepoint's undo pages are temporary: in memory
                // they cost nothing, in a file most of the run. The cache holds what a batch touches.
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
                 PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;
                 PRAGMA cache_size = -16384;
                 PRAGMA wal_autocheckpoint = 4000;",
            )
            .map_err(wrap)?;
        #[cfg(debug_assertions)]
        let connection = {
            let mut connection = connection;
            // SQLite calls this inside the commit, before the commit record is written.
            let steps = steps.clone();
            let inside = move || {
                steps.step("inside commit");
                false
            };
            connection.commit_hook(Some(inside)).map_err(wrap)?;
            connection
        };
        steps.database(path);
        let db = Self::wrap(connection, path, steps);
        db.migrate(schemas)?;
        Ok(db)
    }

    /// A database in memory that starts as a copy of the one at `path` (or empty where there is
    /// none); whatever is done to it, the file stays as it is.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn overlay(path: &Path, schemas: &[Schema]) -> Result<Self> {
        let wrap = |error| fault("read", path, error);
        let mut copy = Connection::open_in_memory().map_err(wrap)?;
        if path.exists() {
            let (_aside, file) = copy_aside(path)?;
            let source = Connection::open(file).map_err(wrap)?;
            rusqlite::backup::Backup::new(&source, &mut copy)
                .and_then(|backup| backup.run_to_completion(4096, Duration::ZERO, None))
                .map_err(wrap)?;
        }
        copy.execute_batch("PRAGMA foreign_keys = ON;").map_err(wrap)?;
        let db = Self::wrap(copy, path, &Steps::none());
        db.migrate(schemas)?;
        Ok(db)
    }

    fn wrap(connection: Connection, path: &Path, steps: &Steps) -> Self {
        connection.set_prepared_statement_cache_capacity(128);
        Self {
            connection: Rc::new(connection),
            path: Rc::new(path.to_owned()),
            steps: steps.clone(),
            fence: Rc::default(),
        }
    }

    /// The connection, for statements.
    #[must_use]
    pub fn sql(&self) -> &Connection {
        &self.connection
    }

    /// Where the database lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether both are the same connection, so that one transaction covers both.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.connection, &other.connection)
    }

    /// Begins a transaction; within one, a savepoint.
    ///
    /// # Errors
    /// When another process holds the database for longer than the time-out, or is the one
    /// writer now ([`Db::fence`]).
    pub fn begin(&self) -> Result<Transaction<'_>> {
        let nested = !self.connection.is_autocommit();
        let begin = if nested { "SAVEPOINT inner" } else { "BEGIN IMMEDIATE" };
        self.run(begin)?;
        let transaction = Transaction { db: self, open: true, nested };
        if let Some(fence) = self.fence.borrow().as_ref().filter(|_| !nested) {
            let answer: Option<String> = self
                .connection
                .prepare_cached(fence.query)
                .and_then(|mut query| query.query_row([], |row| row.get(0)).optional())
                .map_err(|error| self.fault(error))?;
            if answer.as_ref() != Some(&fence.answer) {
                let other = answer.unwrap_or_default();
                let other = other.split_once(' ').map_or("nobody", |(_, writer)| writer);
                let what = format!("{other} writes to {} now", self.path.display());
                return Err(Error::setup(LOCKED, what)
                    .hint("let only one machine work on a spool and its state"));
            }
        }
        Ok(transaction)
    }

    /// From now on a transaction begins only while `query` answers `answer`.
    pub fn fence(&self, query: &'static str, answer: String) {
        *self.fence.borrow_mut() = Some(Fence { query, answer });
    }

    /// Takes the fence away.
    pub fn unfence(&self) {
        *self.fence.borrow_mut() = None;
    }

    fn run(&self, sql: &str) -> Result<()> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute([]))
            .map(drop)
            .map_err(|error| self.fault(error))
    }

    /// Turns an SQLite error into ours.
    #[must_use]
    pub fn fault(&self, error: rusqlite::Error) -> Error {
        fault("use", &self.path, error)
    }

    fn migrate(&self, schemas: &[Schema]) -> Result<()> {
        let wrap = |error| self.fault(error);
        let sql = self.sql();
        sql.execute_batch(
            "CREATE TABLE IF NOT EXISTS schema_version (name TEXT PRIMARY KEY, version INTEGER NOT NULL);",
        )
        .map_err(wrap)?;
        for schema in schemas {
            let tx = self.begin()?;
            let have: i64 = sql
                .query_row(
                    "SELECT coalesce(max(version), 0) FROM schema_version WHERE name = ?1",
                    [schema.name],
                    |row| row.get(0),
                )
                .map_err(wrap)?;
            let known = schema.versions.len() as i64;
            if have > known {
                let what = format!(
                    "{} was written by a newer engsync ({} schema {have}, this one knows {})",
                    self.path.display(),
                    schema.name,
                    known
                );
                return Err(Error::setup(DATABASE, what).hint("install the newer engsync"));
            }
            for version in schema.versions.iter().skip(usize::try_from(have).unwrap_or(0)) {
                sql.execute_batch(version).map_err(wrap)?;
            }
            if have < known {
                sql.execute(
                    "INSERT INTO schema_version VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET version = excluded.version",
                    (schema.name, known),
                )
                .map_err(wrap)?;
            }
            tx.commit()?;
        }
        Ok(())
    }
}

impl Transaction<'_> {
    /// Makes it so, durably (a savepoint: with the transaction around it).
    ///
    /// # Errors
    /// When the disk refuses; then nothing was changed.
    pub fn commit(mut self) -> Result<()> {
        self.open = false;
        if self.nested {
            return self.db.run("RELEASE inner");
        }
        self.db.steps.step("commit");
        if let Err(error) = self.db.run("COMMIT") {
            let _ = self.db.run("ROLLBACK");
            return Err(error);
        }
        self.db.steps.step("committed");
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open {
            let undo: &[&str] =
                if self.nested { &["ROLLBACK TO inner", "RELEASE inner"] } else { &["ROLLBACK"] };
            for sql in undo {
                if let Err(error) = self.db.run(sql) {
                    tracing::error!(error = %error.line(), "cannot roll back");
                }
            }
        }
    }
}

/// Copies a database and its log to a place of its own, since even a reader of a log writes side
/// files beside it. A copy that a writer moved under is taken again.
fn copy_aside(path: &Path) -> Result<(tempfile::TempDir, PathBuf)> {
    let wrap = |error| Error::io("copy", path, error);
    let log = log_of(path);
    let aside = tempfile::tempdir().map_err(wrap)?;
    let copy = aside.path().join("copy.db");
    for _ in 0..20 {
        let before = stamp(path, &log);
        let mut pair = vec![(path, copy.clone())];
        if log.exists() {
            pair.push((&log, log_of(&copy)));
        }
        for (from, to) in pair {
            #[allow(clippy::disallowed_methods, reason = "a throw-away copy outside the spool")]
            std::fs::copy(from, to).map_err(wrap)?;
        }
        if stamp(path, &log) == before {
            return Ok((aside, copy));
        }
    }
    let what = format!("{} is being written all the time", path.display());
    Err(Error::setup(DATABASE, what).hint("try again when the other engsync is idle"))
}

fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    PathBuf::from(log)
}

fn stamp(path: &Path, log: &Path) -> [Option<(u64, std::time::SystemTime)>; 2] {
    [path, log].map(|path| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.len(), meta.modified().ok()?))
    })
}

fn fault(verb: &str, path: &Path, error: rusqlite::Error) -> Error {
    let hint = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            "another process holds it; try again"
        }
        Some(rusqlite::ErrorCode::DiskFull) => "free some disk space, then run again",
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            "keep the file, restore a backup; see docs/operating.md"
        }
        _ => "check that the file and its directory are readable and writable",
    };
    let what = format!("cannot {verb} the database {}", path.display());
    Error::setup(DATABASE, what).because(error).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: Schema =
        Schema { name: "t", versions: &["CREATE TABLE t (x INTEGER)", "ALTER TABLE t ADD y"] };

    fn count(db: &Db) -> i64 {
        db.sql().query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_is_not_committed_is_undone_also_inside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let db = Db::open(&path, &[SCHEMA], &Steps::none()).unwrap();
        let outer = db.begin().unwrap();
        db.sql().execute("INSERT INTO t VALUES (1, 1)", []).unwrap();
        let inner = db.begin().unwrap();
        db.sql().execute("INSERT INTO t VALUES (2, 2)", []).unwrap();
        drop(inner);
        assert_eq!(count(&db), 1);
        outer.commit().unwrap();
        drop(db.begin().unwrap());
        assert_eq!(count(&db), 1);
        let again = Db::open(&path, &[SCHEMA], &Steps::none()).unwrap();
        assert_eq!(count(&again), 1, "migrations run once");
    }

    #[test]
    fn an_overlay_leaves_the_file_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let db = Db::open(&path, &[SCHEMA], &Steps::none()).unwrap();
        db.sql().execute("INSERT INTO t VALUES (1, 1)", []).unwrap();
        let overlay = Db::overlay(&path, &[SCHEMA]).unwrap();
        overlay.sql().execute("INSERT INTO t VALUES (2, 2)", []).unwrap();
        assert_eq!((count(&overlay), count(&db)), (2, 1));
        let empty = Db::overlay(&dir.path().join("none.db"), &[SCHEMA]).unwrap();
        assert_eq!(count(&empty), 0);
        assert!(!dir.path().join("none.db").exists());
    }

    #[test]
    fn a_newer_schema_is_refused_with_advice() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        drop(Db::open(&path, &[SCHEMA], &Steps::none()).unwrap());
        let older = Schema { name: "t", versions: &["CREATE TABLE t (x INTEGER)"] };
        let error = Db::open(&path, &[older], &Steps::none()).unwrap_err();
        assert!(error.what.contains("newer engsync"), "{error}");
        assert!(error.hint.is_some());
    }
}
