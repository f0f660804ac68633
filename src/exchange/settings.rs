//! What a run needs to know; `cli` reads it from the configuration file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::Schedule;
use crate::asam::{Limits, Pudis, Render, Style};
use crate::engdat::{Levels, Party, Transliterate};
use crate::issue::Field;
use crate::sync::Policy;
use crate::tracker::{jira, roundup};
use crate::transport::{folder, sftp};

/// The whole configuration, valid.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who we are.
    pub company: Company,
    /// The spool.
    pub spool: SpoolSettings,
    /// The state database.
    pub state: PathBuf,
    /// The local tracker.
    pub tracker: TrackerSettings,
    /// What hostile input may cost.
    pub limits: Limits,
    /// The file for metrics.
    pub metrics: Option<PathBuf>,
    /// Whom to tell what stands.
    pub mail: Option<MailSettings>,
    /// The partners, in the order of their names.
    pub partners: Vec<Partner>,
}

impl Settings {
    /// The partner of this name.
    #[must_use]
    pub fn partner(&self, name: &str) -> Option<&Partner> {
        self.partners.iter().find(|partner| partner.key == name)
    }
}

/// Who we are.
#[derive(Clone, Debug)]
pub struct Company {
    /// The legal name.
    pub name: String,
    /// The short name that documents refer to us by.
    pub short_name: String,
    /// This engsync among others on the same tracker.
    pub installation: String,
}

/// `[spool]`.
#[derive(Clone, Debug)]
pub struct SpoolSettings {
    /// Its directory.
    pub dir: PathBuf,
    /// A defect in a younger part means "still arriving".
    pub settle: Duration,
    /// How often the service looks at it.
    pub scan: Duration,
    /// How long an incomplete package waits before it is deferred.
    pub wait: Duration,
    /// How long done packages and sent answers are kept.
    pub retention: chrono::Duration,
    /// Parts stay in `incoming/` and are remembered.
    pub keep_incoming: bool,
}

/// `[tracker]`.
#[derive(Clone, Debug)]
pub enum TrackerSettings {
    /// The embedded tracker.
    Embedded {
        /// Its own database; `None`: the state's.
        path: Option<PathBuf>,
        /// `ISS` makes `ISS-1`.
        key_prefix: String,
        /// Allowed values per field.
        values: BTreeMap<Field, Vec<String>>,
    },
    /// A Jira. The log-in of its options is still to be read, and the fields are the rules'.
    Jira(Box<jira::Options>, Login),
    /// A Roundup, likewise.
    Roundup(Box<roundup::Options>, Login),
}

/// How we log in at a server.
#[derive(Clone, Debug)]
pub enum Login {
    /// Not at all.
    None,
    /// As a user, with a password or an API token.
    Basic(String, Secret),
    /// With an access token.
    Bearer(Secret),
}

/// `[partner.KEY]`.
#[derive(Clone, Debug)]
pub struct Partner {
    /// Its name in the configuration.
    pub key: String,
    /// Recognised as a part of the document's company name.
    pub name: String,
    /// The short name that documents refer to it by, until one says otherwise.
    pub short_name: String,
    /// The zone of times without one, and of the stamps in our package names.
    pub zone: chrono_tz::Tz,
    /// How it syncs.
    pub policy: Policy,
    /// Its side of the ENGDAT message.
    pub peer: Party,
    /// Our side of it.
    pub own: Party,
    /// The file format's text, `PKZIP-Archive`.
    pub format: String,
    /// The last three characters of our package names.
    pub name_tail: String,
    /// The message version we write.
    pub version: String,
    /// What becomes of characters outside the repertoire.
    pub transliterate: Transliterate,
    /// Findings raised to errors or silenced.
    pub levels: Levels,
    /// How rich text is rendered.
    pub render: Render,
    /// How PUDIS components are numbered.
    pub pudis: Pudis,
    /// How answer documents are written.
    pub style: Style,
    /// How its files come and go; `None`: the OFTP server uses the spool's directories itself.
    pub transport: Option<TransportSettings>,
}

/// `[partner.KEY.transport]`.
#[derive(Clone, Debug)]
pub struct TransportSettings {
    /// Which way.
    pub way: Way,
    /// Fetched files stay over there.
    pub keep: bool,
    /// When the service exchanges.
    pub schedule: Schedule,
    /// It does so up to this much later, at random.
    pub jitter: Duration,
}

/// A kind of transport with its options.
#[derive(Clone, Debug)]
pub enum Way {
    /// The OFTP server's folders on this machine.
    Folder(folder::Options),
    /// An SFTP server.
    Sftp(Box<SftpSettings>),
}

/// An SFTP server, and where the secrets for it are.
#[derive(Clone, Debug)]
pub struct SftpSettings {
    /// Everything but the secrets.
    pub options: sftp::Options,
    /// What opens the key.
    pub passphrase: Option<Secret>,
    /// The last resort.
    pub password: Option<Secret>,
}

/// `[mail]`.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// Whom to.
    pub to: Vec<String>,
    /// From whom.
    pub from: String,
    /// How it goes out.
    pub way: MailWay,
    /// A partner of whom nothing came for so long is told of.
    pub silence: Option<Duration>,
    /// The least time between two mails.
    pub every: Duration,
}

/// How a mail goes out.
#[derive(Clone, Debug)]
pub enum MailWay {
    /// To an SMTP server.
    Smtp(MailServer),
    /// To the standard input of a shell command.
    Command(String),
}

/// An SMTP server.
#[derive(Clone, Debug)]
pub struct MailServer {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// Certificates (PEM) that are trusted beside the system's.
    pub ca: Option<PathBuf>,
    /// User and password.
    pub login: Option<(String, Secret)>,
}

/// How a connection to an SMTP server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// By STARTTLS, which the server must offer.
    Starttls,
    /// From the first byte.
    Tls,
    /// Not at all.
    None,
}

/// Where a secret is; it is read when it is needed and kept nowhere.
#[derive(Clone, Debug)]
pub enum Secret {
    /// In this environment variable.
    Env(String),
    /// In this file.
    File(PathBuf),
}
