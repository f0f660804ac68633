//! Looks whether a transport would work.

use super::client::{Context as _, done, handle};
use super::link::Link;
use super::options::join;
use super::wire::{self, Request};
use super::{listed, missing};
use crate::disk::{Disk, TEMPORARY};
use crate::{Checked, Error, Result};

/// Reaches the server, logs in, lists the directories; with `write`, makes and removes a file in
/// `outbox_tmp`.
pub(super) fn check(link: &mut Link, disk: &Disk, write: bool) -> Vec<Checked> {
    link.begin();
    let place = link.options.place();
    let one = |what: String, found: Result<String>| Checked { what, found };
    let login = link.client().map(|client| {
        let offers: Vec<&str> = client.extensions().collect();
        let missing = missing(client);
        let lacks = if missing.is_empty() {
            String::new()
        } else {
            format!("; without {}", missing.join(", "))
        };
        if offers.is_empty() {
            format!("logged in; no extensions{lacks}")
        } else {
            format!("logged in; offers {}{lacks}", offers.join(", "))
        }
    });
    let mut checked = vec![one(format!("log in to {place}"), login)];
    if checked[0].found.is_err() {
        return checked;
    }
    let [inbox, outbox, staging] =
        [&link.options.inbox, &link.options.outbox, &link.options.outbox_tmp].map(Clone::clone);
    for directory in [&inbox, &outbox, &staging] {
        let what = format!("list {directory}");
        let files = link.run(&what, |client| listed(client, directory));
        let count = files.map(|files| format!("{} files", files.len()));
        checked.push(one(format!("{what} at {place}"), count));
    }
    if write {
        let found = write_probe(link, disk, &staging);
        checked.push(one(format!("write and remove a file in {staging} at {place}"), found));
    }
    checked
}

fn write_probe(link: &mut Link, disk: &Disk, staging: &str) -> Result<String> {
    const CONTENT: &[u8] = b"engsync looks whether it may write here\n";
    let place = link.options.place();
    let path = join(staging, &format!("{TEMPORARY}probe-{}", std::process::id()));
    let client = link.client()?;
    disk.steps().step("sftp create");
    let flags = wire::WRITE | wire::CREATE_NEW;
    let open = Request::Open { path: &path, flags, mode: None };
    let opened = client.call(&open).and_then(handle).at(&place, &format!("create {path}"))?;
    let written = client
        .all(&[
            Request::Write { handle: &opened, offset: 0, data: CONTENT },
            Request::Fstat { handle: &opened },
            Request::Close { handle: &opened },
        ])
        .and_then(|replies| {
            let mut replies = replies.into_iter();
            let mut next = || replies.next().ok_or_else(super::client::stray);
            done(next()?)?;
            let size = super::client::attributes(next()?)?.size;
            done(next()?)?;
            Ok(size)
        })
        .at(&place, &format!("write {path}"));
    disk.steps().step("sftp remove");
    let removed = client.call(&Request::Remove { path: &path }).and_then(done);
    removed.at(&place, &format!("remove {path}"))?;
    match written? {
        Some(size) if size != CONTENT.len() as u64 => {
            let what = format!("{place}: of {} bytes, {size} arrived in {path}", CONTENT.len());
            Err(Error::wait(super::SFTP_DAMAGED, what).hint("is the disk over there full?"))
        }
        _ => Ok("written and removed".into()),
    }
}
