//! One mail: by SMTP, or on the standard input of a command.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{Message, SmtpTransport, Transport};

use crate::cli::secret;
use crate::exchange::{MailSettings, MailTls, MailWay};
use crate::{CONFIG, Error, Result};

/// A pass waits no longer for a mail; a stop must not take 10 seconds.
const PATIENCE: Duration = Duration::from_secs(6);

pub(super) fn is_address(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok()
}

pub(super) fn send(mail: &MailSettings, subject: &str, body: &str) -> Result<()> {
    let message = message(mail, subject, body)?;
    match &mail.way {
        MailWay::Command(command) => run(command, &message.formatted()),
        MailWay::Smtp { host, port, tls, login } => {
            let login = match login {
                Some((user, secret)) => Some(Credentials::new(user.clone(), secret::read(secret)?)),
                None => None,
            };
            let transport = transport(host, *port, *tls, login)?;
            let (done, wait) = mpsc::channel();
            // A server that holds the line is left to its thread, which ends by its time-outs.
            std::thread::spawn(move || {
                let sent = transport.send(&message);
                let _ = done.send(sent.map(drop));
            });
            let at = format!("{host}:{port}");
            match wait.recv_timeout(PATIENCE) {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => {
                    Err(failed(&format!("{at} did not take the mail")).because(error))
                }
                Err(_) => Err(failed(&format!("{at} does not answer"))),
            }
        }
    }
}

fn failed(what: &str) -> Error {
    Error::wait(CONFIG, what)
}

fn message(mail: &MailSettings, subject: &str, body: &str) -> Result<Message> {
    let mailbox = |text: &str| {
        text.parse::<Mailbox>().map_err(|error| failed("not a mail address").because(error))
    };
    let mut builder = Message::builder().from(mailbox(&mail.from)?).message_id(None);
    for to in &mail.to {
        builder = builder.to(mailbox(to)?);
    }
    // RFC 3834: no vacation notes in return.
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    builder
        .raw_header(HeaderValue::new(name, "auto-generated".to_owned()))
        .subject(subject)
        .header(ContentType::TEXT_PLAIN)
        .body(body.to_owned())
        .map_err(|error| failed("cannot write the mail").because(error))
}

fn transport(
    host: &str,
    port: u16,
    tls: MailTls,
    login: Option<Credentials>,
) -> Result<SmtpTransport> {
    let builder = match tls {
        MailTls::Starttls => SmtpTransport::starttls_relay(host),
        MailTls::Tls => SmtpTransport::relay(host),
        MailTls::None => Ok(SmtpTransport::builder_dangerous(host)),
    };
    let cannot = |error| failed(&format!("cannot make a connection to {host}")).because(error);
    let mut builder = builder.map_err(cannot)?.port(port).timeout(Some(PATIENCE));
    if let Some(login) = login {
        builder = builder.credentials(login);
    }
    Ok(builder.build())
}

/// Hands a message with LF line ends to `/bin/sh -c COMMAND`.
fn run(command: &str, message: &[u8]) -> Result<()> {
    let cannot = |error: std::io::Error| failed("cannot run the mail command").because(error);
    let text = String::from_utf8_lossy(message).replace("\r\n", "\n");
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(cannot)?;
    // The digest is short enough for the pipe: a command that does not read does not block us.
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(text.as_bytes());
    }
    let until = Instant::now() + PATIENCE;
    loop {
        match child.try_wait().map_err(cannot)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(failed(&format!("the mail command ended with {status}"))),
            None if Instant::now() >= until => {
                // With what the shell started.
                let group = rustix::process::Pid::from_child(&child);
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed("the mail command does not end"));
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}
