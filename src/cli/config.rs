//! The configuration: found, read, checked as a whole; every problem, not the first.

mod places;
mod tracker;
mod transport;

use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::raw::{RawConfig, RawEngdat, RawPartner, RawParty};
use crate::asam::{self, Limits, Pudis, Render, Style};
use crate::engdat::{self, Levels, Party, Transliterate};
use crate::exchange::{Company, Partner, Settings, SpoolSettings};
use crate::sync::{self, GonePolicy, Policy, RawRule, Rule, ValueMap};
use crate::{CONFIG, Error, Finding, Result, Severity};

/// A configuration file as far as it could be read.
#[derive(Debug)]
pub(super) struct Config {
    /// What is usable of it.
    pub settings: Settings,
    /// What keeps it from being used.
    pub problems: Vec<String>,
    /// What is odd but usable.
    pub warnings: Vec<String>,
}

/// Reads the file at `path` and refuses it when anything in it is wrong.
pub(super) fn load(path: &Path) -> Result<Config> {
    let config = read(path)?;
    if config.problems.is_empty() {
        return Ok(config);
    }
    let count = config.problems.len();
    let noun = if count == 1 { "problem" } else { "problems" };
    let what = format!(
        "{}: {count} {noun} in the configuration\n  {}",
        path.display(),
        config.problems.join("\n  ")
    );
    Err(Error::setup(CONFIG, what).hint("docs/configuration.md describes every key"))
}

/// Reads the file at `path` and checks all of it.
pub(super) fn read(path: &Path) -> Result<Config> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let error = Error::io("read the configuration", path, error);
        Error { code: CONFIG, ..error }
            .hint("name one with -c FILE, or make one with `engsync init`")
    })?;
    let (raw, problems) = parse(path, &text)?;
    let base = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut reader = Reader { path, text: &text, base, problems, warnings: Vec::new() };
    let settings = reader.settings(&raw);
    let Reader { problems, warnings, .. } = reader;
    Ok(Config { settings, problems, warnings })
}

/// Reads TOML. Unknown keys are problems, each with its line and the nearest known key; one does
/// not hide the next.
fn parse(path: &Path, text: &str) -> Result<(RawConfig, Vec<String>)> {
    let mut left = text.to_owned();
    let mut problems = Vec::new();
    loop {
        let error = match toml::from_str(&left) {
            Ok(raw) => return Ok((raw, problems)),
            Err(error) => error,
        };
        let problem = place(path, text, &error);
        let Some(span) = error.span().filter(|_| error.message().starts_with("unknown field"))
        else {
            if problems.is_empty() {
                let hint = "docs/configuration.md describes every key";
                return Err(Error::setup(CONFIG, problem).hint(hint));
            }
            problems.push(problem);
            return Err(Error::setup(CONFIG, problems.join("\n")));
        };
        problems.push(problem);
        // The line goes, its place stays, so that the lines of the next problems are right.
        let start = left[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let end = left[span.start..].find('\n').map_or(left.len(), |at| span.start + at);
        left.replace_range(start..end, &" ".repeat(end - start));
    }
}

/// A TOML error in a line.
fn place(path: &Path, text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    let message = error.message();
    match (message.split_once(", expected one of"), nearest_key(message)) {
        (Some((what, _)), Some(key)) => {
            format!("{}:{line}: {what}; did you mean `{key}`?", path.display())
        }
        _ => format!("{}:{line}: {message}", path.display()),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// From "unknown field `x`, expected one of `a`, `b`" the key most like `x`.
fn nearest_key(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = message.starts_with("unknown field").then(|| quoted.next())??;
    super::nearest::nearest(unknown, quoted).map(str::to_owned)
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    base: &'a Path,
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl Reader<'_> {
    fn settings(&mut self, raw: &RawConfig) -> Settings {
        if raw.partner.is_empty() {
            self.problems.push("there is no [partner.NAME]".to_owned());
        }
        let company = Company {
            name: raw.company.name.clone(),
            short_name: raw.company.short_name.clone(),
            installation: raw.company.installation.clone(),
        };
        let spool = SpoolSettings {
            dir: self.base.join(&raw.spool.dir),
            settle: Duration::from_secs(raw.spool.settle_seconds),
            scan: Duration::from_secs(raw.spool.scan_seconds),
            wait: Duration::from_secs(raw.spool.wait_hours.saturating_mul(3600)),
            retention: chrono::Duration::days(raw.spool.retention_days.into()),
            keep_incoming: raw.spool.keep_incoming,
        };
        if raw.spool.scan_seconds == 0 {
            self.problems.push("[spool] scan_seconds must be at least 1".to_owned());
        }
        let mut bad = |text| self.problems.push(text);
        let tracker = tracker::settings(&raw.tracker, self.base, &mut bad);
        let limits = Limits {
            entry: raw.limits.entry_mib.saturating_mul(1 << 20),
            total: raw.limits.total_mib.saturating_mul(1 << 20),
            entries: raw.limits.entries,
            ratio: raw.limits.ratio,
            ..Limits::default()
        };
        let mut partners = Vec::new();
        for (key, partner) in &raw.partner {
            partners.extend(self.partner(key, partner, &company));
        }
        self.pairs(&partners);
        self.places(&partners);
        let state = self.base.join(&raw.state.path);
        let metrics = raw.metrics.textfile.as_ref().map(|path| self.base.join(path));
        let mail = raw.mail.as_ref().and_then(|mail| {
            super::mail::settings(mail, self.base, &mut |text| self.problems.push(text))
        });
        Settings { company, spool, state, tracker, limits, metrics, mail, partners }
    }

    /// Two partners with one pair of routing codes could not be told apart.
    fn pairs(&mut self, partners: &[Partner]) {
        for (index, partner) in partners.iter().enumerate() {
            for earlier in &partners[..index] {
                let same = |a: &Party, b: &Party| engdat::same_routing(&a.routing, &b.routing);
                if same(&earlier.peer, &partner.peer) && same(&earlier.own, &partner.own) {
                    self.problems.push(format!(
                        "[partner.{}] and [partner.{}] have the same pair of routing codes",
                        earlier.key, partner.key
                    ));
                }
            }
        }
    }

    fn partner(&mut self, key: &str, raw: &RawPartner, company: &Company) -> Option<Partner> {
        let before = self.problems.len();
        let mut say = |text: String| self.problems.push(format!("[partner.{key}] {text}"));
        if raw.profile != "pfiff" {
            say(format!("profile: there is no {:?}; use \"pfiff\"", raw.profile));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if !key.chars().all(legal) {
            say("a partner's name is letters, digits, _ and -: it names a directory".to_owned());
        }
        if raw.name.trim().is_empty() {
            say("name must not be empty: it would fit every company".to_owned());
        }
        let zone = raw.time_zone.parse::<chrono_tz::Tz>();
        if zone.is_err() {
            say(format!("time_zone: {:?} is no zone like \"Europe/Berlin\"", raw.time_zone));
        }
        let gone = match raw.gone.as_str() {
            "hold" => GonePolicy::Hold,
            "recreate" => GonePolicy::Recreate,
            "ignore" => GonePolicy::Ignore,
            other => {
                say(format!("gone takes \"hold\", \"recreate\" or \"ignore\", not {other:?}"));
                GonePolicy::Hold
            }
        };
        if !matches!(raw.answer.as_str(), "changed" | "always") {
            say(format!("answer takes \"changed\" or \"always\", not {:?}", raw.answer));
        }
        let name_tail = engdat::name_tail(raw.engdat.filename.as_deref(), &raw.engdat.peer.routing);
        let name_tail = name_tail.unwrap_or_else(|error| {
            say(format!("engdat.filename: {error}"));
            String::new()
        });
        if !matches!(raw.engdat.version.as_str(), "001" | "002") {
            say(format!("engdat.version takes \"001\" or \"002\", not {:?}", raw.engdat.version));
        }
        let levels = levels(&raw.engdat);
        for word in levels.unknown() {
            say(format!(
                "engdat.strict and engdat.ignore cannot name {word:?}; docs/errors.md lists the words"
            ));
        }
        let document = self.document(key, raw);
        let users = self.users(key, raw.users.as_deref());
        let rules = self.rules(key, &raw.rule, users.as_ref());
        let transport = self.transport(key, raw.transport.as_ref());
        let (render, pudis, style_element) = document?;
        let zone = zone.ok()?;
        let policy = Policy {
            partner: key.to_owned(),
            installation: company.installation.clone(),
            rules,
            answer_always: raw.answer == "always",
            gone,
        };
        (self.problems.len() == before).then(|| Partner {
            key: key.to_owned(),
            name: raw.name.clone(),
            short_name: raw.short_name.clone(),
            zone,
            policy,
            peer: party(&raw.engdat.peer),
            own: party(&raw.engdat.own),
            format: raw.engdat.format.clone(),
            name_tail,
            version: raw.engdat.version.clone(),
            transliterate: if raw.engdat.transliterate {
                Transliterate::Yes
            } else {
                Transliterate::No
            },
            levels,
            render,
            pudis,
            style: Style { document_name_element: style_element, ..Style::pfiff(zone) },
            transport,
        })
    }

    fn document(
        &mut self,
        key: &str,
        raw: &RawPartner,
    ) -> Option<(Render, Pudis, asam::DocumentName)> {
        let mut say = |text: String| self.problems.push(format!("[partner.{key}.document] {text}"));
        let render = match raw.document.render.as_deref() {
            None | Some("clean") => Some(Render::Clean),
            Some("compat") => Some(Render::Compat),
            Some("wiki") => Some(Render::Wiki),
            Some(other) => {
                say(format!("render takes \"clean\", \"compat\" or \"wiki\", not {other:?}"));
                None
            }
        };
        let pudis = match raw.document.pudis.as_deref() {
            None | Some("issue") => Some(Pudis::Issue),
            Some("archive") => Some(Pudis::Archive),
            Some(other) => {
                say(format!("pudis takes \"issue\" or \"archive\", not {other:?}"));
                None
            }
        };
        let element = match raw.document.document_name_element.as_deref() {
            None | Some("LONG-NAME-1") => Some(asam::DocumentName::LongName1),
            Some("LONG-NAME") => Some(asam::DocumentName::LongName),
            Some(other) => {
                say(format!(
                    "document_name_element takes \"LONG-NAME-1\" or \"LONG-NAME\", not {other:?}"
                ));
                None
            }
        };
        Some((render?, pudis?, element?))
    }

    /// The partner's users and ours.
    fn users(&mut self, key: &str, file: Option<&str>) -> Option<ValueMap> {
        let file = file?;
        let read = std::fs::read(self.base.join(file)).map_err(|error| error.to_string());
        match read.and_then(|csv| ValueMap::users(&csv)) {
            Ok(users) => Some(users),
            Err(error) => {
                self.problems.push(format!("[partner.{key}] users: {file}: {error}"));
                None
            }
        }
    }

    fn rules(
        &mut self,
        key: &str,
        raw: &[Spanned<RawRule>],
        users: Option<&ValueMap>,
    ) -> Vec<Rule> {
        let base = self.base.to_owned();
        let read = move |file: &str| -> std::result::Result<Vec<u8>, String> {
            std::fs::read(base.join(file)).map_err(|error| format!("cannot read {file}: {error}"))
        };
        let mut rules = Vec::new();
        for spanned in raw {
            match Rule::with_users(spanned.get_ref(), &read, users) {
                Ok(rule) => rules.push(rule),
                Err(problems) => {
                    let line = line_of(self.text, spanned.span().start);
                    let path = self.path.display();
                    self.problems.extend(
                        problems.iter().map(|text| format!("{path}:{line}: partner {key}: {text}")),
                    );
                }
            }
        }
        let found = sync::check(&rules, None, &asam::is_known_field);
        self.sort(key, &found);
        rules
    }

    fn sort(&mut self, key: &str, found: &[Finding]) {
        for finding in found {
            let text = format!("partner {key}: {}", finding.text);
            match finding.severity {
                Severity::Error => self.problems.push(text),
                Severity::Warning => self.warnings.push(text),
            }
        }
    }
}

fn levels(raw: &RawEngdat) -> Levels {
    Levels { strict: raw.strict.clone(), ignore: raw.ignore.clone() }
}

fn party(raw: &RawParty) -> Party {
    Party {
        id: raw.id.clone(),
        name: raw.name.clone(),
        address: raw.address.clone(),
        country: raw.country.clone(),
        routing: raw.routing.clone(),
        department: raw.department.clone(),
        contact: raw.contact.clone(),
        telephone: raw.telephone.clone(),
        fax: raw.fax.clone(),
        email: raw.email.clone(),
        ..Party::default()
    }
}

/// Where the configuration is: `-c`, `$ENGSYNC_CONFIG`, `./engsync.toml`, `/etc/engsync/`.
pub(super) fn locate(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    #[allow(clippy::disallowed_methods, reason = "`cli` reads the environment")]
    if let Some(path) = std::env::var_os("ENGSYNC_CONFIG").filter(|path| !path.is_empty()) {
        return Ok(PathBuf::from(path));
    }
    let places = ["engsync.toml", "/etc/engsync/engsync.toml"];
    places.iter().map(PathBuf::from).find(|path| path.exists()).ok_or_else(|| {
        Error::setup(
            CONFIG,
            "there is no configuration: neither ./engsync.toml nor /etc/engsync/engsync.toml",
        )
        .hint("name one with -c FILE or $ENGSYNC_CONFIG, or make one with `engsync init`")
    })
}
