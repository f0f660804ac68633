//! `init`: a commented configuration and the spool tree.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::Global;
use super::{Exit, print, print_json};
use crate::disk::Disk;
use crate::spool::{Mode, Spool};
use crate::{CONFIG, Error, Result};

const TEMPLATE: &str = include_str!("init/engsync.toml");

/// Writes `DIR/engsync.toml` and the spool beside it, and says what to do next.
pub(super) fn run(dir: &Path, global: &Global) -> anyhow::Result<Exit> {
    let path = place(dir)?;
    if !global.dry_run {
        write(dir, &path, &Disk::default())?;
    }
    let shown = path.display();
    if global.json {
        print_json(&json!({ "created": path }))?;
    } else if global.dry_run {
        print(&format!("would write {shown} and the spool beside it\n"))?;
    } else {
        print(&format!(
            "wrote {shown} and the spool beside it\n\
             next: edit it, then `engsync check -c {shown}`\n"
        ))?;
    }
    Ok(Exit::Done)
}

/// Where the configuration is to go: `DIR/engsync.toml`, if that is free.
fn place(dir: &Path) -> Result<PathBuf> {
    let path = dir.join("engsync.toml");
    if path.exists() {
        return Err(Error::setup(CONFIG, format!("{} is there already", path.display()))
            .hint("choose another directory, or move the file away"));
    }
    Ok(path)
}

/// Writes the configuration and the spool beside it; refuses to overwrite.
fn write(dir: &Path, path: &Path, disk: &Disk) -> Result<()> {
    disk.make_dirs(dir)?;
    disk.create(path, TEMPLATE.as_bytes())?;
    Spool::new(&dir.join("spool"), disk.clone(), Mode::Move).create()
}
