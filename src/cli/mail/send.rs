//! One mail: by SMTP, or on the standard input of a command.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport};

use crate::cli::secret;
use crate::exchange::{MailServer, MailSettings, MailTls, MailWay};
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
        MailWay::Smtp(server) => {
            let send = move |transport: &SmtpTransport| transport.send(&message).map(drop);
            ask(server, "did not take the mail", send)
        }
    }
}

/// Reaches the server and logs in, without a mail; what to say of it. Commands are not run.
pub(in crate::cli) fn check(mail: &MailSettings) -> Option<Result<String>> {
    let MailWay::Smtp(server) = &mail.way else { return None };
    let look = |transport: &SmtpTransport| transport.test_connection().map(drop);
    let at = format!("{}:{}", server.host, server.port);
    Some(ask(server, "cannot be used", look).map(|()| format!("{at} answers")))
}

/// Talks with a server, for as long as a pass may wait.
fn ask(
    server: &MailServer,
    failure: &str,
    talk: impl FnOnce(&SmtpTransport) -> Result<(), smtp::Error> + Send + 'static,
) -> Result<()> {
    let transport = transport(server)?;
    let (done, wait) = mpsc::channel();
    // A server that holds the line is left to its thread, which ends by its time-outs.
    std::thread::spawn(move || {
        let _ = done.send(talk(&transport));
    });
    let at = format!("{}:{}", server.host, server.port);
    match wait.recv_timeout(PATIENCE) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            let foreign = error.is_tls() || chain(&error).contains("ertificate");
            let error = failed(&format!("{at} {failure}")).because(error);
            Err(if foreign { error.hint(CERTIFICATE) } else { error })
        }
        Err(_) => Err(failed(&format!("{at} does not answer"))),
    }
}

const CERTIFICATE: &str = "if the server's certificate is of your own authority, name that in \
                           `[mail] ca_file`; the name in `smtp` must be one of the certificate's";

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
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

fn transport(server: &MailServer) -> Result<SmtpTransport> {
    let MailServer { host, port, tls, .. } = server;
    let tls = match tls {
        MailTls::Starttls => Tls::Required(trusted(server)?),
        MailTls::Tls => Tls::Wrapper(trusted(server)?),
        MailTls::None => Tls::None,
    };
    let builder = SmtpTransport::builder_dangerous(host).port(*port).tls(tls);
    let mut builder = builder.timeout(Some(PATIENCE));
    if let Some((user, secret)) = &server.login {
        builder = builder.credentials(Credentials::new(user.clone(), secret::read(secret)?));
    }
    Ok(builder.build())
}

/// Whom we trust: the system's authorities, and the administrator's.
fn trusted(server: &MailServer) -> Result<TlsParameters> {
    let mut builder = TlsParameters::builder(server.host.clone());
    if let Some(file) = &server.ca {
        let what = || format!("ca_file {} cannot be used", file.display());
        let pem = std::fs::read(file).map_err(|error| failed(&what()).because(error))?;
        if !pem.windows(BEGIN.len()).any(|bytes| bytes == BEGIN) {
            return Err(failed(&format!("{}: it holds no certificate in PEM form", what())));
        }
        let certificate = Certificate::from_pem(&pem);
        let certificate = certificate.map_err(|error| failed(&what()).because(error))?;
        builder = builder.add_root_certificate(certificate);
    }
    let cannot = |error| failed(&format!("cannot encrypt to {}", server.host)).because(error);
    builder.build().map_err(cannot)
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

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
