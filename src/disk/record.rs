//! What a run does to the disk, step by step, for the power-loss model of the tests: a line a
//! step in `trace`, and beside it every content that was made durable, named by its digest.
//!
//! A line is tab-separated: the step, its absolute paths, and for `fsync` the digest of the
//! content. `database`, its path, and the digests of its file and its log (`-`: none) stand before
//! the step by which they had changed.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::{Digest, Error, Result};

#[derive(Debug)]
pub(super) struct Record {
    dir: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    trace: File,
    databases: Vec<Database>,
}

#[derive(Debug)]
struct Database {
    path: PathBuf,
    /// Kept open: to close it would take SQLite's locks away.
    file: File,
    last: Option<[String; 2]>,
}

impl Record {
    pub(super) fn begin(dir: &Path) -> Result<Self> {
        let path = dir.join("trace");
        let trace = OpenOptions::new().create(true).append(true).open(&path);
        let trace = trace.map_err(|error| Error::io("open", &path, error))?;
        let state = Mutex::new(State { trace, databases: Vec::new() });
        Ok(Self { dir: dir.to_owned(), state })
    }

    pub(super) fn database(&self, path: &Path) {
        let (Ok(path), Ok(mut state)) = (std::path::absolute(path), self.state.lock()) else {
            return;
        };
        if let Ok(file) = File::open(&path) {
            state.databases.push(Database { path, file, last: None });
        }
    }

    pub(super) fn write(&self, what: &str, paths: &[&Path]) {
        let Ok(mut state) = self.state.lock() else { return };
        let mut lines = String::new();
        for database in &mut state.databases {
            let now = [self.keep(whole(&mut database.file)), {
                let mut log = database.path.clone().into_os_string();
                log.push("-wal");
                self.keep(fs::read(log).ok())
            }];
            if database.last.as_ref() != Some(&now) {
                let [file, log] = &now;
                lines.push_str(&format!("database\t{}\t{file}\t{log}\n", database.path.display()));
                database.last = Some(now);
            }
        }
        lines.push_str(what);
        for path in paths {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
            lines.push_str(&format!("\t{}", path.display()));
        }
        if what == "fsync" {
            let content = paths.first().and_then(|path| fs::read(path).ok());
            lines.push_str(&format!("\t{}", self.keep(content)));
        }
        lines.push('\n');
        if let Err(error) = state.trace.write_all(lines.as_bytes()) {
            tracing::error!("the record is incomplete: {error}");
        }
    }

    fn keep(&self, content: Option<Vec<u8>>) -> String {
        let Some(content) = content else { return "-".to_owned() };
        let digest = Digest::of(&content).to_string();
        let path = self.dir.join(&digest);
        if !path.exists()
            && let Err(error) = fs::write(&path, &content)
        {
            tracing::error!("the record is incomplete: {error}");
        }
        digest
    }
}

fn whole(file: &mut File) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind().ok()?;
    file.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
