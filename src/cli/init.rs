//! `init`: a commented configuration and the spool tree.

use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::spool::{Mode, Spool};
use crate::{CONFIG, Error, Result};

const TEMPLATE: &str = include_str!("init/engsync.toml");

/// Writes `DIR/engsync.toml` and the spool beside it; refuses to overwrite.
pub(super) fn run(dir: &Path, disk: &Disk) -> Result<PathBuf> {
    disk.make_dirs(dir)?;
    let path = dir.join("engsync.toml");
    if path.exists() {
        return Err(Error::setup(CONFIG, format!("{} is there already", path.display()))
            .hint("choose another directory, or move the file away"));
    }
    disk.create(&path, TEMPLATE.as_bytes())?;
    Spool::new(&dir.join("spool"), disk.clone(), Mode::Move).create()?;
    Ok(path)
}
