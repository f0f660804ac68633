//! `[tracker]`: which tracker, how it is reached, and which keys belong to which kind.

use std::path::Path;

use crate::cli::raw::RawTracker;
use crate::cli::secret;
use crate::exchange::{Login, Secret, TrackerSettings};
use crate::tracker::{http, jira, roundup};

const EMBEDDED: &str = "embedded";
const JIRA: &str = "jira";
const ROUNDUP: &str = "roundup";

/// Reads `[tracker]`; every problem is told to `say`.
pub(super) fn settings(
    raw: &RawTracker,
    base: &Path,
    say: &mut dyn FnMut(String),
) -> TrackerSettings {
    let mut bad = |text: String| say(format!("[tracker] {text}"));
    if [EMBEDDED, JIRA, ROUNDUP].contains(&raw.kind.as_str()) {
        strangers(raw, &mut bad);
    }
    match raw.kind.as_str() {
        JIRA => of_jira(raw, base, &mut bad),
        ROUNDUP => of_roundup(raw, base, &mut bad),
        kind => {
            if kind != EMBEDDED {
                let known = "\"embedded\", \"jira\" or \"roundup\"";
                bad(format!("kind: there is no {kind:?}; use {known}"));
            }
            embedded(raw, base, &mut bad)
        }
    }
}

/// Keys that belong to another kind.
fn strangers(raw: &RawTracker, bad: &mut dyn FnMut(String)) {
    let servers: &[&str] = &[JIRA, ROUNDUP];
    let keys: &[(&str, bool, &[&str])] = &[
        ("path", raw.path.is_some(), &[EMBEDDED]),
        ("key_prefix", raw.key_prefix.is_some(), &[EMBEDDED]),
        ("values", !raw.values.is_empty(), &[EMBEDDED]),
        ("url", raw.url.is_some(), servers),
        ("api", raw.api.is_some(), servers),
        ("user", raw.user.is_some(), servers),
        ("password_env", raw.password_env.is_some(), servers),
        ("password_file", raw.password_file.is_some(), servers),
        ("ca_file", raw.ca_file.is_some(), servers),
        ("client_cert_file", raw.client_cert_file.is_some(), servers),
        ("client_key_file", raw.client_key_file.is_some(), servers),
        ("proxy", raw.proxy.is_some(), servers),
        ("marker_field", raw.marker_field.is_some(), servers),
        ("token_env", raw.token_env.is_some(), &[JIRA]),
        ("token_file", raw.token_file.is_some(), &[JIRA]),
        ("project", raw.project.is_some(), &[JIRA]),
        ("issue_type", raw.issue_type.is_some(), &[JIRA]),
        ("parallel", raw.parallel.is_some(), &[JIRA]),
        ("transitions", raw.transitions.is_some(), &[JIRA]),
        ("attach_cut_text", raw.attach_cut_text.is_some(), &[JIRA]),
        ("comment_role", raw.comment_role.is_some(), &[JIRA]),
        ("comment_group", raw.comment_group.is_some(), &[JIRA]),
        ("message_keyword", raw.message_keyword.is_some(), &[ROUNDUP]),
        ("ext_trackers", !raw.ext_trackers.is_empty(), &[ROUNDUP]),
    ];
    for (key, given, kinds) in keys {
        if *given && !kinds.contains(&raw.kind.as_str()) {
            let kinds = kinds.join(" or ");
            bad(format!("{key} is for kind = {kinds}, not for {}", raw.kind));
        }
    }
}

fn embedded(raw: &RawTracker, base: &Path, bad: &mut dyn FnMut(String)) -> TrackerSettings {
    let key_prefix = raw.key_prefix.clone().unwrap_or_else(|| "ISS".to_owned());
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if key_prefix.is_empty() || !key_prefix.chars().all(legal) {
        bad("key_prefix must be letters, digits and _".to_owned());
    }
    TrackerSettings::Embedded {
        path: raw.path.as_ref().map(|path| base.join(path)),
        key_prefix,
        values: raw.values.clone(),
    }
}

fn of_jira(raw: &RawTracker, base: &Path, bad: &mut dyn FnMut(String)) -> TrackerSettings {
    let api = match raw.api.as_deref() {
        None | Some("server") => jira::Api::Server,
        Some("cloud") => jira::Api::Cloud,
        Some(other) => {
            bad(format!("api takes \"server\" or \"cloud\", not {other:?}"));
            jira::Api::Server
        }
    };
    let visibility = match (&raw.comment_role, &raw.comment_group) {
        (Some(_), Some(_)) => {
            bad("comment_role and comment_group: one of the two".to_owned());
            None
        }
        (Some(role), None) => Some(jira::Visibility::Role(role.clone())),
        (None, group) => group.clone().map(jira::Visibility::Group),
    };
    let marker = raw.marker_field.clone().map_or(jira::MarkIn::Property, jira::MarkIn::Field);
    let parallel = raw.parallel.unwrap_or(4);
    if !(1..=32).contains(&parallel) {
        bad("parallel must be between 1 and 32".to_owned());
    }
    let options = jira::Options {
        http: server(raw, base, bad),
        api,
        project: needed("project", raw.project.as_ref(), bad),
        issue_type: needed("issue_type", raw.issue_type.as_ref(), bad),
        marker,
        fields: Vec::new(),
        parallel,
        transitions: raw.transitions.unwrap_or(1),
        attach_cut_text: raw.attach_cut_text.unwrap_or(false),
        comment_visibility: visibility,
    };
    TrackerSettings::Jira(Box::new(options), login(raw, base, bad))
}

fn of_roundup(raw: &RawTracker, base: &Path, bad: &mut dyn FnMut(String)) -> TrackerSettings {
    let interface = match raw.api.as_deref() {
        None => roundup::Interface::Any,
        Some("rest") => roundup::Interface::Rest,
        Some("xmlrpc") => roundup::Interface::XmlRpc,
        Some(other) => {
            bad(format!("api takes \"rest\" or \"xmlrpc\", not {other:?}"));
            roundup::Interface::Any
        }
    };
    let options = roundup::Options {
        http: server(raw, base, bad),
        user: needed("user", raw.user.as_ref(), bad),
        interface,
        marker: raw.marker_field.clone(),
        message_keyword: raw.message_keyword.clone(),
        ext_trackers: raw.ext_trackers.clone(),
        fields: Vec::new(),
    };
    TrackerSettings::Roundup(Box::new(options), login(raw, base, bad))
}

fn needed(key: &str, value: Option<&String>, bad: &mut dyn FnMut(String)) -> String {
    let value = value.filter(|value| !value.trim().is_empty());
    if value.is_none() {
        bad(format!("{key} is missing"));
    }
    value.cloned().unwrap_or_default()
}

fn server(raw: &RawTracker, base: &Path, bad: &mut dyn FnMut(String)) -> http::Options {
    let url = needed("url", raw.url.as_ref(), bad);
    if !url.is_empty() && !url.starts_with("https://") && !url.starts_with("http://") {
        bad(format!("url starts with https:// (or http://), not {url:?}"));
    }
    let file = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| base.join(path));
    if raw.client_key_file.is_some() && raw.client_cert_file.is_none() {
        bad("client_key_file needs client_cert_file".to_owned());
    }
    http::Options {
        url,
        ca_file: file(&raw.ca_file),
        client_cert_file: file(&raw.client_cert_file),
        client_key_file: file(&raw.client_key_file),
        proxy: raw.proxy.clone(),
        ..http::Options::default()
    }
}

fn login(raw: &RawTracker, base: &Path, bad: &mut dyn FnMut(String)) -> Login {
    let mut one = |name: &str, env: &Option<String>, file: &Option<std::path::PathBuf>| {
        secret::named(name, env.as_ref(), file.as_ref(), base).unwrap_or_else(|problem| {
            bad(problem);
            None
        })
    };
    let password: Option<Secret> = one("password", &raw.password_env, &raw.password_file);
    let token: Option<Secret> = one("token", &raw.token_env, &raw.token_file);
    match (raw.user.clone(), password, token) {
        (_, Some(_), Some(_)) => {
            bad("a password or a token: one of the two".to_owned());
            Login::None
        }
        (Some(user), Some(secret), None) | (Some(user), None, Some(secret)) => {
            Login::Basic(user, secret)
        }
        (None, None, Some(token)) => Login::Bearer(token),
        (None, Some(_), None) => {
            bad("a password needs user".to_owned());
            Login::None
        }
        (Some(_), None, None) => {
            let token = if raw.kind == JIRA { ", token_env or token_file" } else { "" };
            bad(format!("user needs password_env or password_file{token}"));
            Login::None
        }
        (None, None, None) => Login::None,
    }
}
