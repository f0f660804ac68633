//! Logging in: a key, then the agent's keys, a password last.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ssh2::{KeyboardInteractivePrompt, Prompt, Session};

use super::code::{SFTP_KEY_FILE, SFTP_LOGIN};
use super::options::{Options, Secret};
use crate::{Error, Result};

/// Logs in with the first thing the server accepts.
pub(super) fn login(session: &Session, options: &Options) -> Result<()> {
    let user = &options.user;
    let offered = match session.auth_methods(user) {
        Ok(methods) => methods.to_owned(),
        Err(_) if session.authenticated() => return Ok(()),
        Err(error) => return Err(refused(options, &[format!("no answer: {error}")])),
    };
    let offers = |method: &str| offered.split(',').any(|offer| offer == method);
    let mut tried = Vec::new();
    if let Some(path) = &options.key_file {
        let text = read_key(path, options.passphrase.is_some())?;
        if offers("publickey") {
            let passphrase = options.passphrase.as_ref().map(Secret::reveal);
            match session.userauth_pubkey_memory(user, None, &text, passphrase) {
                Ok(()) => return Ok(()),
                Err(error) if unreadable(&error) => return Err(bad_key(path, &text)),
                Err(error) => tried.push(format!("key {}: {}", path.display(), error.message())),
            }
        }
    }
    if options.agent && offers("publickey") {
        match agent(session, options) {
            Ok(()) => return Ok(()),
            Err(why) => tried.push(format!("agent: {why}")),
        }
    }
    if let Some(password) = &options.password {
        if offers("password") {
            match session.userauth_password(user, password.reveal()) {
                Ok(()) => return Ok(()),
                Err(error) => tried.push(format!("password: {}", error.message())),
            }
        }
        if offers("keyboard-interactive") {
            let mut answer = Answer(password);
            match session.userauth_keyboard_interactive(user, &mut answer) {
                Ok(()) => return Ok(()),
                Err(error) => tried.push(format!("keyboard-interactive: {}", error.message())),
            }
        }
    }
    if tried.is_empty() {
        tried.push("we have nothing that it would accept".to_owned());
    }
    tried.push(format!("it accepts {offered}"));
    Err(refused(options, &tried))
}

fn refused(options: &Options, tried: &[String]) -> Error {
    let what = format!("{} does not accept the login: {}", options.place(), tried.join("; "));
    Error::wait(SFTP_LOGIN, what)
        .hint("is the public key in the server's authorized_keys, and is the user right?")
}

fn agent(session: &Session, options: &Options) -> Result<(), String> {
    let text = |error: ssh2::Error| error.message().to_owned();
    let mut agent = session.agent().map_err(text)?;
    if let Some(socket) = &options.agent_socket {
        agent.set_identity_path(socket).map_err(text)?;
    }
    agent.connect().map_err(text)?;
    agent.list_identities().map_err(text)?;
    let keys = agent.identities().map_err(text)?;
    for key in &keys {
        if agent.userauth(&options.user, key).is_ok() {
            return Ok(());
        }
    }
    Err(format!("none of its {} keys is accepted", keys.len()))
}

/// Answers every question for a password with it, and nothing else: prompts that echo are not for one.
struct Answer<'a>(&'a Secret);

impl KeyboardInteractivePrompt for Answer<'_> {
    fn prompt(&mut self, _: &str, _: &str, prompts: &[Prompt<'_>]) -> Vec<String> {
        let answer =
            |prompt: &Prompt<'_>| if prompt.echo { "" } else { self.0.reveal() }.to_owned();
        prompts.iter().map(answer).collect()
    }
}

/// The text of a private key, looked at before it is used: what libssh2 says of a wrong passphrase
/// cannot be told from what it says of a wrong file.
fn read_key(path: &Path, passphrase: bool) -> Result<String> {
    let problem = |why: &str| Error::wait(SFTP_KEY_FILE, format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| {
        let error = problem("the private key cannot be read").because(error);
        error.hint("it must be readable for the user engsync runs as, and for nobody else")
    })?;
    match encrypted(&text) {
        None if text.starts_with("PuTTY-User-Key-File") => Err(problem("is a key of PuTTY's")
            .hint("convert it: puttygen KEY -O private-openssh -o NEW")),
        None if text.starts_with("ssh-") || text.starts_with("ecdsa-") => {
            Err(problem("is a public key").hint("name the private one, without .pub"))
        }
        None => Err(problem("is not a private key")
            .hint("name a key as ssh-keygen writes it: OpenSSH's container, or PEM")),
        Some(true) if !passphrase => Err(problem("the private key is encrypted")
            .hint("name its passphrase by passphrase_env or passphrase_file")),
        Some(_) => Ok(text),
    }
}

/// Whether a private key is encrypted; `None` if it is none.
fn encrypted(text: &str) -> Option<bool> {
    let text = text.trim_start();
    let (first, body) = text.split_once('\n')?;
    let kind = first.trim().strip_prefix("-----BEGIN ")?.strip_suffix("PRIVATE KEY-----")?;
    Some(match kind {
        "ENCRYPTED " => true,
        "OPENSSH " => {
            // "openssh-key-v1", NUL, then the name of the cipher (OpenSSH's PROTOCOL.key).
            let base64: String =
                body.lines().take_while(|line| !line.starts_with('-')).map(str::trim).collect();
            let bytes = STANDARD.decode(base64).ok()?;
            let cipher = bytes.strip_prefix(b"openssh-key-v1\0")?;
            !cipher.starts_with(b"\0\0\0\x04none")
        }
        _ => body.lines().take(3).any(|line| line.contains("ENCRYPTED")),
    })
}

fn unreadable(error: &ssh2::Error) -> bool {
    // LIBSSH2_ERROR_FILE, and what its backend says of a key it cannot open.
    error.code() == ssh2::ErrorCode::Session(-16) || error.message().contains("private key")
}

fn bad_key(path: &Path, text: &str) -> Error {
    let path = path.display();
    if encrypted(text) == Some(true) {
        let what = format!("{path}: the passphrase does not open the private key");
        Error::wait(SFTP_KEY_FILE, what).hint("try it: ssh-keygen -y -f KEY")
    } else {
        Error::wait(SFTP_KEY_FILE, format!("{path}: the private key cannot be used"))
            .hint("ed25519, ECDSA and RSA keys can; try it: ssh-keygen -y -f KEY")
    }
}

#[cfg(test)]
mod tests;
