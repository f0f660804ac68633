//! The partner's OFTP server, at `outgoing/` or behind a folder transport: it looks after every death.

use std::fs;
use std::path::Path;

use crate::scene::OUTBOX;
use crate::snapshot::Snapshot;

/// Where it takes answers from when no transport stands between.
const OUTGOING: &str = "spool/outgoing/oem";

/// Where the server puts what it has sent.
const SENT: &str = "server/sent";

/// What the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Oftp {
    /// It looks at `outgoing/` itself, and leaves everything.
    Direct,
    /// It looks, and leaves everything.
    Leaves,
    /// It sends whatever it sees at once.
    Takes,
}

impl Oftp {
    /// What is wrong with what it sees: a half file, or a description without its data.
    pub(crate) fn looks(self, dir: &Path, after: &Snapshot) -> Vec<String> {
        let mut wrong = Vec::new();
        let place = if self == Self::Direct { OUTGOING } else { OUTBOX };
        let (outbox, sent) = (dir.join(place), dir.join(SENT));
        let mut names: Vec<String> = fs::read_dir(&outbox)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| self != Self::Direct || !name.starts_with('.'))
            .collect();
        names.sort();
        for name in &names {
            let digest = engsync::Digest::of(&fs::read(outbox.join(name)).unwrap()).to_string();
            if after.get(&format!("{place}/{name}")) != Some(&vec![digest]) {
                wrong.push(format!("the server saw {name}, which is not what is to be sent"));
            }
            let data = format!("{}002", &name[..23]);
            let there = outbox.join(&data).exists() || sent.join(&data).exists();
            if name.ends_with("001") && !there {
                wrong.push(format!("the server saw {name} before {data}"));
            }
        }
        if self == Self::Takes {
            fs::create_dir_all(&sent).unwrap();
            for name in &names {
                let (from, to) = (outbox.join(name), sent.join(name));
                if to.exists() && fs::read(&from).unwrap() != fs::read(&to).unwrap() {
                    wrong.push(format!("the server sent {name} twice, and not the same"));
                }
                fs::rename(from, to).unwrap();
            }
        }
        wrong
    }

    /// What it sent lies in the outbox again, to be compared.
    pub(crate) fn puts_back(self, dir: &Path) {
        if self != Self::Takes {
            return;
        }
        let sent = dir.join(SENT);
        for entry in fs::read_dir(&sent).unwrap() {
            let name = entry.unwrap().file_name();
            fs::rename(sent.join(&name), dir.join(OUTBOX).join(&name)).unwrap();
        }
        fs::remove_dir(sent).unwrap();
    }
}
