//! `kind = "sftp"`.

use std::time::Duration;

use super::Table;
use crate::cli::raw::RawTransport;
use crate::cli::secret;
use crate::exchange::{Secret, SftpSettings, Way};
use crate::transport::sftp::{HostKeys, Options, Patience};

/// More connections than this a server takes for an attack.
const MOST_SESSIONS: usize = 16;

/// The keys of `raw` that only an SFTP server has.
pub(super) fn keys(raw: &RawTransport) -> Vec<&'static str> {
    let all = [
        ("host", raw.host.is_some()),
        ("port", raw.port.is_some()),
        ("user", raw.user.is_some()),
        ("key_file", raw.key_file.is_some()),
        ("passphrase_env", raw.passphrase_env.is_some()),
        ("passphrase_file", raw.passphrase_file.is_some()),
        ("password_env", raw.password_env.is_some()),
        ("password_file", raw.password_file.is_some()),
        ("agent", raw.agent.is_some()),
        ("agent_socket", raw.agent_socket.is_some()),
        ("known_hosts", raw.known_hosts.is_some()),
        ("fingerprint", raw.fingerprint.is_some()),
        ("sessions", raw.sessions.is_some()),
        ("posix_rename", raw.posix_rename.is_some()),
        ("connect_seconds", raw.connect_seconds.is_some()),
        ("login_seconds", raw.login_seconds.is_some()),
        ("idle_seconds", raw.idle_seconds.is_some()),
        ("total_seconds", raw.total_seconds.is_some()),
        ("keep_alive_seconds", raw.keep_alive_seconds.is_some()),
    ];
    all.into_iter().filter(|(_, set)| *set).map(|(key, _)| key).collect()
}

impl Table<'_> {
    pub(super) fn sftp(&mut self) -> Option<Way> {
        let raw = self.raw;
        let host = self.needed("host", raw.host.as_ref());
        let user = self.needed("user", raw.user.as_ref());
        let outbox_tmp = self.needed("outbox_tmp", raw.outbox_tmp.as_ref());
        let inside = |tmp: &String| tmp.starts_with(&format!("{}/", raw.outbox));
        if outbox_tmp.as_ref().is_some_and(|tmp| inside(tmp) || *tmp == raw.outbox) {
            self.say("outbox_tmp is in the outbox: the OFTP server may send from it");
        }
        let host_keys = self.host_keys();
        let mode = self.mode();
        let group = self.group();
        let (env, file) = (raw.passphrase_env.as_ref(), raw.passphrase_file.as_ref());
        let passphrase = self.secret("passphrase", env, file);
        if passphrase.is_some() && raw.key_file.is_none() {
            self.say("a passphrase opens a key: there is no key_file");
        }
        let (env, file) = (raw.password_env.as_ref(), raw.password_file.as_ref());
        let password = self.secret("password", env, file);
        let agent = raw.agent.unwrap_or_default();
        if raw.key_file.is_none() && !agent && password.is_none() && env.is_none() {
            self.say("there is nothing to log in with: key_file, agent = true, or password_env");
        }
        let usual = Options::new("", "", HostKeys::KnownHosts("".into()));
        let sessions = raw.sessions.unwrap_or(usual.sessions);
        if !(1..=MOST_SESSIONS).contains(&sessions) {
            self.say(format!("sessions takes 1 to {MOST_SESSIONS}, not {sessions}"));
        }
        let patience = self.patience(usual.patience);
        let options = Options {
            port: raw.port.unwrap_or(usual.port),
            key_file: raw.key_file.as_ref().map(|path| self.base.join(path)),
            agent,
            agent_socket: raw.agent_socket.clone(),
            inbox: raw.inbox.clone(),
            outbox: raw.outbox.clone(),
            outbox_tmp: outbox_tmp?,
            mode: mode?,
            group: group?,
            posix_rename: raw.posix_rename.unwrap_or_default(),
            sessions,
            patience,
            ..Options::new(host?, user?, host_keys?)
        };
        Some(Way::Sftp(Box::new(SftpSettings { options, passphrase, password })))
    }

    fn needed(&mut self, key: &str, value: Option<&String>) -> Option<String> {
        let value = value.filter(|value| !value.is_empty()).cloned();
        if value.is_none() {
            self.say(format!("kind = \"sftp\" needs {key}"));
        }
        value
    }

    fn host_keys(&mut self) -> Option<HostKeys> {
        match (&self.raw.known_hosts, &self.raw.fingerprint) {
            (Some(path), None) => Some(HostKeys::KnownHosts(self.base.join(path))),
            (None, Some(text)) => match text.parse() {
                Ok(fingerprint) => Some(HostKeys::Fingerprint(fingerprint)),
                Err(problem) => {
                    self.say(format!("fingerprint: {problem}"));
                    None
                }
            },
            (None, None) => {
                self.say(
                    "known_hosts or fingerprint: without one of them the server could be anybody",
                );
                None
            }
            (Some(_), Some(_)) => {
                self.say("known_hosts and fingerprint: one of the two");
                None
            }
        }
    }

    /// The protocol knows groups by number only, and has no way to ask for the number of a name.
    fn group(&mut self) -> Option<Option<u32>> {
        let Some(text) = &self.raw.group else { return Some(None) };
        let number = text.parse().ok();
        if number.is_none() {
            self.say(format!(
                "group: SFTP knows groups by number only, not {text:?}; `getent group {text}` on \
                 the server says the number"
            ));
        }
        number.map(Some)
    }

    fn secret(
        &mut self,
        name: &str,
        env: Option<&String>,
        file: Option<&std::path::PathBuf>,
    ) -> Option<Secret> {
        secret::named(name, env, file, self.base).unwrap_or_else(|problem| {
            self.say(problem);
            None
        })
    }

    fn patience(&mut self, usual: Patience) -> Patience {
        let raw = self.raw;
        let mut seconds = |key: &str, value: Option<u64>, usual: Duration| {
            if value == Some(0) {
                self.say(format!("{key} must be at least 1"));
            }
            value.map_or(usual, Duration::from_secs)
        };
        Patience {
            connect: seconds("connect_seconds", raw.connect_seconds, usual.connect),
            login: seconds("login_seconds", raw.login_seconds, usual.login),
            idle: seconds("idle_seconds", raw.idle_seconds, usual.idle),
            total: seconds("total_seconds", raw.total_seconds, usual.total),
            keep_alive: raw.keep_alive_seconds.map_or(usual.keep_alive, Duration::from_secs),
        }
    }
}
