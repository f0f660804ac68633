//! Renaming what was uploaded to its name, and finding out what came of it.

use super::SFTP_REFUSED;
use super::client::{Answer, Client, Fail, done, handle, say, stray};
use super::link::Link;
use super::wire::{self, Attributes, Reply, Request};
use crate::disk::Disk;
use crate::transport::NAME_TAKEN;
use crate::{Digest, Error, Hasher};

/// How often a rename is tried that the server refuses although nothing is in its way.
const ROUNDS: usize = 2;
/// Reads on their way at once when a file is compared.
const READS: usize = 32;
const BLOCK: u32 = 32_768;

/// A rename.
#[derive(Debug)]
pub(super) struct Move {
    /// The number of the part.
    pub(super) index: usize,
    pub(super) temporary: String,
    pub(super) target: String,
    pub(super) size: u64,
    pub(super) digest: Digest,
    pub(super) fate: Fate,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Fate {
    /// Not known yet.
    Open,
    /// The content is there under its name.
    Done,
    /// It is under neither name: it must be uploaded again.
    Gone,
    /// It cannot be done.
    Failed(Error),
}

/// Renames all of them. Looks at both names first, every time: so it never renames onto a file,
/// whatever the server would make of that, and a rename whose answer was lost is found done.
pub(super) fn publish(link: &mut Link, disk: &Disk, moves: &mut [Move]) {
    let place = link.options.place();
    let posix = link.options.posix_rename;
    let lost = link.run("publish", |client| {
        let mut said = String::new();
        for _ in 0..=ROUNDS {
            look(client, disk, &place, moves)?;
            let open: Vec<usize> =
                (0..moves.len()).filter(|&at| matches!(moves[at].fate, Fate::Open)).collect();
            if open.is_empty() {
                return Ok(());
            }
            let posix = posix && client.offers("posix-rename@openssh.com");
            let mut requests = Vec::new();
            for &at in &open {
                disk.steps().step("sftp rename");
                let (from, to) = (moves[at].temporary.as_str(), moves[at].target.as_str());
                requests.push(if posix {
                    Request::PosixRename { from, to }
                } else {
                    Request::Rename { from, to }
                });
            }
            let replies = client.all(&requests)?;
            for (at, reply) in open.into_iter().zip(replies) {
                match done(reply) {
                    Ok(()) => moves[at].fate = Fate::Done,
                    Err(Fail::Status(code, text)) => said = say(code, &text),
                    Err(fail) => return Err(fail),
                }
            }
        }
        look(client, disk, &place, moves)?;
        for each in moves.iter_mut().filter(|each| matches!(each.fate, Fate::Open)) {
            let (from, to) = (&each.temporary, &each.target);
            let what = format!("{place}: cannot rename {from} to {to}: {said}");
            each.fate = Fate::Failed(Error::wait(SFTP_REFUSED, what).hint(
                "outbox_tmp must be on the outbox's file system; one without hard links needs posix_rename",
            ));
        }
        Ok(())
    });
    if let Err(error) = lost {
        for each in moves.iter_mut().filter(|each| matches!(each.fate, Fate::Open)) {
            let what =
                format!("whether {} was delivered is not known: {}", each.target, error.line());
            let again = Error::new(error.fault, error.code, what);
            each.fate = Fate::Failed(again.hint("the next exchange looks, and goes on from there"));
        }
    }
}

/// Decides by what is under the two names (none of the renames is on its way).
fn look(client: &mut Client, disk: &Disk, place: &str, moves: &mut [Move]) -> Answer<()> {
    let open: Vec<usize> =
        (0..moves.len()).filter(|&at| matches!(moves[at].fate, Fate::Open)).collect();
    let mut paths = Vec::new();
    for &at in &open {
        paths.extend([moves[at].target.as_str(), moves[at].temporary.as_str()]);
    }
    let found = client.lstat(&paths)?;
    let mut found = found.into_iter().map(there);
    for at in open {
        let target = found.next().ok_or_else(stray)??;
        let temporary = found.next().ok_or_else(stray)??;
        let each = &mut moves[at];
        each.fate = match (target, temporary) {
            (None, Some(_)) => Fate::Open,
            (None, None) => Fate::Gone,
            (Some(target), None) if target.size == Some(each.size) => Fate::Done,
            (Some(target), temporary) => {
                let same = same(client, &each.target, &target, each.size, each.digest)?;
                if temporary.is_some() {
                    disk.steps().step("sftp remove");
                    client.call(&Request::Remove { path: &each.temporary })?;
                }
                if same { Fate::Done } else { Fate::Failed(taken(place, &each.target)) }
            }
        };
    }
    Ok(())
}

/// The file, if there is one.
pub(super) fn there(found: Answer<Attributes>) -> Answer<Option<Attributes>> {
    match found {
        Ok(attributes) => Ok(Some(attributes)),
        Err(fail) if fail.is_absent() => Ok(None),
        Err(fail) => Err(fail),
    }
}

/// The name is another file's.
pub(super) fn taken(place: &str, target: &str) -> Error {
    Error::wait(NAME_TAKEN, format!("{place}: {target} is there with other content"))
        .hint("it is never replaced: move it away over there, or engsync reissue the package")
}

/// Whether a file over there is what is to be delivered.
pub(super) fn same(
    client: &mut Client,
    path: &str,
    found: &Attributes,
    size: u64,
    digest: Digest,
) -> Answer<bool> {
    Ok(found.is_regular() && found.size == Some(size) && content(client, path)? == Some(digest))
}

/// The SHA-256 of a file over there, which is read for it; `None` if it cannot be.
fn content(client: &mut Client, path: &str) -> Answer<Option<Digest>> {
    let open = Request::Open { path, flags: wire::READ, mode: None };
    let handle = match handle(client.call(&open)?) {
        Ok(handle) => handle,
        Err(fail) if fail.is_lost() => return Err(fail),
        Err(_) => return Ok(None),
    };
    let mut hasher = Hasher::new(std::io::sink());
    let mut offset = 0;
    let mut end = None;
    while end.is_none() {
        let length = BLOCK;
        let requests: Vec<_> = (0..READS as u64)
            .map(|at| offset + at * u64::from(length))
            .map(|offset| Request::Read { handle: &handle, offset, length })
            .collect();
        for reply in client.all(&requests)? {
            match reply {
                Reply::Data(data) if data.is_empty() => return Err(stray()),
                Reply::Data(data) => {
                    std::io::Write::write_all(&mut hasher, &data)
                        .map_err(|error| Fail::Lost(error.to_string()))?;
                    offset += data.len() as u64;
                    if data.len() < length as usize {
                        break; // short: what follows was read from the wrong place
                    }
                }
                Reply::Status { code, .. } => {
                    end = Some(code == wire::EOF);
                    break;
                }
                _ => return Err(stray()),
            }
        }
    }
    client.call(&Request::Close { handle: &handle })?;
    Ok((end == Some(true)).then(|| hasher.finish().2))
}
