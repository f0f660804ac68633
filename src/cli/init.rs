//! `init`: a commented configuration and the spool tree.

use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::spool::{Mode, Spool};
use crate::{CONFIG, Error, Result};

const TEMPLATE: &str = include_str!("init/engsync.toml");

/// Where the configuration is to go: `DIR/engsync.toml`, if that is free.
pub(super) fn place(dir: &Path) -> Result<PathBuf> {
    let path = dir.join("engsync.toml");
    if path.exists() {
        return Err(Error::setup(CONFIG, format!("{} is there already", path.display()))
            .hint("choose another directory, or move the file away"));
    }
    Ok(path)
}

/// Writes the configuration and the spool beside it; refuses to overwrite.
pub(super) fn write(dir: &Path, path: &Path, disk: &Disk) -> Result<()> {
    disk.make_dirs(dir)?;
    disk.create(path, TEMPLATE.as_bytes())?;
    Spool::new(&dir.join("spool"), disk.clone(), Mode::Move).create()
}
