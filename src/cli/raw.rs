//! The configuration file as it stands: every key, not yet checked. Held to
//! `docs/configuration.md` by a test.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use crate::sync::RawRule;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub company: RawCompany,
    #[serde(default)]
    pub spool: RawSpool,
    #[serde(default)]
    pub state: RawState,
    #[serde(default)]
    pub tracker: RawTracker,
    #[serde(default)]
    pub limits: RawLimits,
    #[serde(default)]
    pub metrics: RawMetrics,
    pub mail: Option<RawMail>,
    #[serde(default)]
    pub partner: BTreeMap<String, RawPartner>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCompany {
    pub name: String,
    pub short_name: String,
    #[serde(default = "main")]
    pub installation: String,
}

fn main() -> String {
    "main".to_owned()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSpool {
    pub dir: PathBuf,
    pub settle_seconds: u64,
    pub scan_seconds: u64,
    pub wait_hours: u64,
    pub retention_days: u32,
    pub keep_incoming: bool,
}

impl Default for RawSpool {
    fn default() -> Self {
        Self {
            dir: "spool".into(),
            settle_seconds: 30,
            scan_seconds: 60,
            wait_hours: 24,
            retention_days: 30,
            keep_incoming: false,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawState {
    pub path: PathBuf,
}

impl Default for RawState {
    fn default() -> Self {
        Self { path: "engsync.db".into() }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTracker {
    pub kind: String,
    // embedded
    pub path: Option<PathBuf>,
    pub key_prefix: Option<String>,
    pub values: BTreeMap<String, Vec<String>>,
    // jira, roundup
    pub url: Option<String>,
    pub api: Option<String>,
    pub user: Option<String>,
    pub password_env: Option<String>,
    pub password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub client_cert_file: Option<PathBuf>,
    pub client_key_file: Option<PathBuf>,
    pub proxy: Option<String>,
    pub marker_field: Option<String>,
    // jira
    pub token_env: Option<String>,
    pub token_file: Option<PathBuf>,
    pub project: Option<String>,
    pub issue_type: Option<String>,
    pub parallel: Option<usize>,
    pub transitions: Option<usize>,
    pub attach_cut_text: Option<bool>,
    pub comment_role: Option<String>,
    pub comment_group: Option<String>,
    // roundup
    pub message_keyword: Option<String>,
    pub ext_trackers: BTreeMap<String, String>,
}

impl Default for RawTracker {
    fn default() -> Self {
        Self {
            kind: "embedded".to_owned(),
            path: None,
            key_prefix: None,
            values: BTreeMap::new(),
            url: None,
            api: None,
            user: None,
            password_env: None,
            password_file: None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            proxy: None,
            marker_field: None,
            token_env: None,
            token_file: None,
            project: None,
            issue_type: None,
            parallel: None,
            transitions: None,
            attach_cut_text: None,
            comment_role: None,
            comment_group: None,
            message_keyword: None,
            ext_trackers: BTreeMap::new(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLimits {
    pub entry_mib: u64,
    pub total_mib: u64,
    pub entries: usize,
    pub ratio: u64,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self { entry_mib: 64, total_mib: 512, entries: 10_000, ratio: 200 }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPartner {
    #[serde(default = "pfiff")]
    pub profile: String,
    pub name: String,
    pub short_name: String,
    #[serde(default = "berlin")]
    pub time_zone: String,
    #[serde(default = "changed")]
    pub answer: String,
    #[serde(default = "hold")]
    pub gone: String,
    pub users: Option<String>,
    pub engdat: RawEngdat,
    #[serde(default)]
    pub document: RawDocument,
    pub transport: Option<Spanned<RawTransport>>,
    #[serde(default)]
    pub rule: Vec<Spanned<RawRule>>,
}

fn pfiff() -> String {
    "pfiff".to_owned()
}

fn berlin() -> String {
    "Europe/Berlin".to_owned()
}

fn changed() -> String {
    "changed".to_owned()
}

fn hold() -> String {
    "hold".to_owned()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEngdat {
    #[serde(default = "pkzip")]
    pub format: String,
    pub filename: Option<String>,
    #[serde(default = "v2")]
    pub version: String,
    #[serde(default)]
    pub strict: Vec<String>,
    #[serde(default)]
    pub ignore: Vec<String>,
    #[serde(default)]
    pub transliterate: bool,
    pub peer: RawParty,
    pub own: RawParty,
}

fn pkzip() -> String {
    "PKZIP-Archive".to_owned()
}

fn v2() -> String {
    "002".to_owned()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawParty {
    #[serde(default)]
    pub id: String,
    pub routing: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub address: Vec<String>,
    #[serde(default)]
    pub country: String,
    #[serde(default)]
    pub department: String,
    #[serde(default)]
    pub contact: String,
    #[serde(default)]
    pub telephone: String,
    #[serde(default)]
    pub fax: String,
    #[serde(default)]
    pub email: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawDocument {
    pub pudis: Option<String>,
    pub render: Option<String>,
    pub document_name_element: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTransport {
    pub kind: String,
    pub inbox: String,
    pub outbox: String,
    pub outbox_tmp: Option<String>,
    #[serde(default)]
    pub keep: bool,
    pub mode: Option<String>,
    pub group: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub user: Option<String>,
    pub key_file: Option<PathBuf>,
    pub passphrase_env: Option<String>,
    pub passphrase_file: Option<PathBuf>,
    pub password_env: Option<String>,
    pub password_file: Option<PathBuf>,
    pub agent: Option<bool>,
    pub agent_socket: Option<PathBuf>,
    pub known_hosts: Option<PathBuf>,
    pub fingerprint: Option<String>,
    pub sessions: Option<usize>,
    pub posix_rename: Option<bool>,
    pub connect_seconds: Option<u64>,
    pub login_seconds: Option<u64>,
    pub idle_seconds: Option<u64>,
    pub total_seconds: Option<u64>,
    pub keep_alive_seconds: Option<u64>,
    pub every: Option<String>,
    pub cron: Option<String>,
    pub jitter: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMetrics {
    pub textfile: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMail {
    pub to: Vec<String>,
    pub from: String,
    pub smtp: Option<String>,
    #[serde(default = "starttls")]
    pub tls: String,
    pub user: Option<String>,
    pub password_env: Option<String>,
    pub password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub command: Option<String>,
    pub silence_hours: Option<u64>,
    #[serde(default = "quarter_of_an_hour")]
    pub every_minutes: u64,
}

fn starttls() -> String {
    "starttls".to_owned()
}

fn quarter_of_an_hour() -> u64 {
    15
}
