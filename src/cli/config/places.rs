//! Inboxes and outboxes of several partners: whether two of them are one directory.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Reader;
use crate::exchange::{Partner, Way};

/// A directory that files come from or go to.
#[derive(PartialEq, Eq)]
enum Place {
    Here(PathBuf),
    /// By user, too: each may have a root of its own.
    There {
        server: (String, u16, String),
        path: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(path) => write!(f, "{}", path.display()),
            Self::There { server: (host, port, user), path } => {
                write!(f, "{path} of {user} at {host}:{port}")
            }
        }
    }
}

/// Inbox and outbox.
fn places(way: &Way) -> [Place; 2] {
    match way {
        Way::Folder(options) => {
            // Links are one directory, too, where there is one yet.
            let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
            [&options.inbox, &options.outbox].map(|path| Place::Here(real(path)))
        }
        Way::Sftp(settings) => {
            let options = &settings.options;
            let host = options.host.to_lowercase();
            let server = (host, options.port, options.user.clone());
            [&options.inbox, &options.outbox].map(|path| {
                let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
                let root = if path.starts_with('/') { "/" } else { "" };
                let path = format!("{root}{}", names.join("/"));
                Place::There { server: server.clone(), path }
            })
        }
    }
}

impl Reader<'_> {
    /// What is delivered must not be fetched again. Two partners at one directory may be meant, by
    /// a server that looks into the packages; more often it is a table that was copied.
    pub(super) fn places(&mut self, partners: &[Partner]) {
        let mut known: Vec<(&str, [Place; 2])> = Vec::new();
        for partner in partners {
            let Some(transport) = &partner.transport else { continue };
            let (key, ours) = (partner.key.as_str(), places(&transport.way));
            let [inbox, outbox] = &ours;
            if inbox == outbox {
                self.loops(key, key, inbox);
            }
            for (other, [other_inbox, other_outbox]) in &known {
                let tables = format!("[partner.{other}.transport] and [partner.{key}.transport]");
                if inbox == other_inbox {
                    self.warnings.push(format!(
                        "{tables} have one inbox, {inbox}: either fetches what comes for both"
                    ));
                }
                if outbox == other_outbox {
                    self.warnings.push(format!(
                        "{tables} have one outbox, {outbox}: unless your OFTP server looks into \
                         the packages, it sends the answers for one partner to the other"
                    ));
                }
                if outbox == other_inbox {
                    self.loops(key, other, outbox);
                }
                if inbox == other_outbox {
                    self.loops(other, key, inbox);
                }
            }
            known.push((key, ours));
        }
    }

    fn loops(&mut self, from: &str, to: &str, place: &Place) {
        self.problems.push(format!(
            "[partner.{from}.transport] outbox is the inbox of [partner.{to}.transport], {place}: \
             what is delivered would be fetched again"
        ));
    }
}
