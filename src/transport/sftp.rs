//! An SFTP server: the partner's, or the one before the OFTP server.
//!
//! SSH is libssh2's; the file transfer protocol on top of it is spoken here, because libssh2's own
//! waits for every answer and hides what the server offers. Speaking it ourselves, many requests are
//! on their way at once: a file costs bandwidth, not round trips. Several connections ([`Options::sessions`]) share
//! what is left.
//!
//! What holds, whatever the server does:
//! - A host key that is not known is refused; nothing is remembered by itself.
//! - A file is fetched only if after its last byte it still has the size and time it was listed with.
//!   Where the server offers `check-file`, its SHA-256 must be ours too.
//! - A file is removed only if it still is what was listed.
//! - A part is written to `outbox_tmp` under a name of its own, made durable where the server
//!   offers that (`fsync@openssh.com`), looked at, and renamed to a name that is free. The
//!   description is renamed when every other part is there.
//! - When a connection breaks, the next one looks at both names before it renames again.

use std::ops::ControlFlow;
use std::path::Path;

use self::client::{Answer, Client};
use self::link::Link;
use self::wire::Attributes;
use super::{Fetched, Listed, Parcel, Removal, Transport};
use crate::disk::Disk;
use crate::{Checked, Result};

pub use code::*;
pub use options::{Fingerprint, HostKeys, Options, Patience, Secret};

mod check;
mod client;
mod code;
mod crew;
mod deliver;
mod fetch;
mod host_key;
mod landing;
mod link;
mod login;
mod options;
mod publish;
mod receiver;
mod remove;
mod sender;
mod wire;

/// Files in and out over SFTP.
pub struct Sftp {
    link: Link,
    disk: Disk,
    /// What the inbox held at the last look.
    listing: Option<Vec<Listed>>,
    /// Whether the log has been told what the server cannot do.
    told: bool,
}

impl std::fmt::Debug for Sftp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sftp").field("server", &self.link.options.place()).finish_non_exhaustive()
    }
}

impl Sftp {
    /// A transport that connects when it is first used. `disk` writes what is fetched; its steps
    /// count the changes over there too.
    #[must_use]
    pub fn new(options: Options, disk: Disk) -> Self {
        Self { link: Link::new(options), disk, listing: None, told: false }
    }

    /// Tells the log once what has to be done without.
    fn tell(&mut self) {
        if self.told {
            return;
        }
        if let Some(client) = self.link.connected() {
            let missing = missing(client).join(", ");
            if !missing.is_empty() {
                let server = self.link.options.place();
                tracing::info!(server, missing, "the SFTP server does without some extensions");
            }
            self.told = true;
        }
    }
}

/// The extensions that would help and are not offered.
fn missing(client: &Client) -> Vec<&'static str> {
    let wanted = ["fsync@openssh.com", "check-file"];
    wanted.into_iter().filter(|name| !client.offers(name)).collect()
}

/// The files of a directory, by name.
fn listed(client: &mut Client, directory: &str) -> Answer<Vec<Listed>> {
    let mut names = client.list(directory)?;
    names.retain(|(name, _)| !name.starts_with('.') && is_component(name));
    // Some servers leave out what a file is like: asked for one by one, it is told.
    let bare: Vec<usize> = (0..names.len()).filter(|&at| names[at].1.size.is_none()).collect();
    let paths: Vec<String> =
        bare.iter().map(|&at| options::join(directory, &names[at].0)).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    for (&at, found) in bare.iter().zip(client.lstat(&paths)?) {
        match found {
            Ok(attributes) => names[at].1 = attributes,
            Err(fail) if fail.is_lost() => return Err(fail),
            Err(_) => {} // gone since
        }
    }
    let mut files: Vec<Listed> = names.into_iter().filter_map(as_listed).collect();
    files.sort();
    files.dedup_by(|one, other| one.name == other.name);
    Ok(files)
}

fn as_listed((name, attributes): (String, Attributes)) -> Option<Listed> {
    let size = attributes.size.filter(|_| attributes.is_regular())?;
    Some(Listed { name, size, modified: attributes.modified() })
}

/// Whether a name is one step of a path and no more.
fn is_component(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0'])
}

impl Transport for Sftp {
    fn list(&mut self) -> Result<Vec<Listed>> {
        self.link.begin();
        let inbox = self.link.options.inbox.clone();
        let files = self.link.run(&format!("list {inbox}"), |client| listed(client, &inbox))?;
        self.tell();
        self.listing = Some(files.clone());
        Ok(files)
    }

    fn fetch(
        &mut self,
        files: &[Listed],
        into: &Path,
        done: &mut dyn FnMut(&Listed, Result<Fetched>) -> Result<()>,
    ) -> Result<()> {
        fetch::fetch(&mut self.link, &self.disk, files, self.listing.as_deref(), into, done)
    }

    fn remove(&mut self, file: &Listed) -> Result<Removal> {
        let mut only = Ok(Removal::Absent);
        self.remove_all(std::slice::from_ref(file), &mut |_, outcome| {
            only = outcome;
            Ok(())
        })?;
        only
    }

    fn remove_all(
        &mut self,
        files: &[Listed],
        done: &mut dyn FnMut(&Listed, Result<Removal>) -> Result<()>,
    ) -> Result<()> {
        self.link.begin();
        files
            .chunks(remove::AT_ONCE)
            .try_for_each(|files| remove::remove(&mut self.link, &self.disk, files, done))
    }

    fn deliver(&mut self, parts: &[Parcel]) -> Result<()> {
        self.link.begin();
        deliver::deliver(&mut self.link, &self.disk, &[parts])?.pop().unwrap_or(Ok(()))?;
        self.tell();
        Ok(())
    }

    fn deliver_all(
        &mut self,
        packages: &[Vec<Parcel>],
        done: &mut dyn FnMut(usize, Result<()>) -> ControlFlow<()>,
    ) {
        self.link.begin();
        let packages: Vec<&[Parcel]> = packages.iter().map(Vec::as_slice).collect();
        match deliver::deliver(&mut self.link, &self.disk, &packages) {
            Ok(fates) => {
                // All were begun together.
                for (at, fate) in fates.into_iter().enumerate() {
                    let _ = done(at, fate);
                }
            }
            // None was begun.
            Err(error) => {
                let _ = done(0, Err(error));
            }
        }
        self.tell();
    }

    fn check(&mut self, write: bool) -> Vec<Checked> {
        check::check(&mut self.link, &self.disk, write)
    }
}
