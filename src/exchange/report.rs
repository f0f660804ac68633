//! What a run did; CONTRACT: the report. Its JSON shape stands in `docs/formats/json.md`.

use serde::Serialize;

use super::outcomes::Outcomes;

/// The report of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Nothing was changed.
    pub dry_run: bool,
    /// The packages met, in the order they were met; local changes stand under `local`.
    pub packages: Vec<PackageReport>,
    /// The answers sent (in a dry run: that would be).
    pub sent: Vec<Sent>,
    /// The exchanges with OFTP or SFTP servers.
    pub exchanges: Vec<Exchange>,
    /// The tracker could not be used: the service gives it time.
    #[serde(skip)]
    pub tracker_away: bool,
    /// The tracker was left alone: how it is is not known.
    #[serde(skip)]
    pub tracker_spared: bool,
}

/// What became of a package.
#[derive(Clone, Debug, Serialize)]
pub struct PackageReport {
    /// Its name; with `-z` the file's.
    pub name: String,
    /// The partner, where it was recognised.
    pub partner: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// The stable word, where there is a reason.
    pub reason: Option<String>,
    /// The reason in words.
    pub text: Option<String>,
    /// What to do now.
    pub hint: Option<String>,
    /// What was noticed about the package itself.
    pub findings: Vec<Note>,
    /// Its issues.
    pub issues: Outcomes,
    /// It was so before: standing trouble, not news.
    #[serde(skip)]
    pub standing: bool,
}

/// A finding in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The stable word.
    pub code: String,
    /// In words.
    pub text: String,
}

impl From<&crate::Finding> for Note {
    fn from(finding: &crate::Finding) -> Self {
        Self { code: finding.code.to_string(), text: finding.text.clone() }
    }
}

/// What became of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every issue of it was dealt with.
    Applied,
    /// Parts are missing or still arriving.
    Waiting,
    /// It is tried again later.
    Deferred,
    /// A person must look.
    Corrupt,
    /// It was applied before.
    Duplicate,
}

impl Outcome {
    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Waiting => "waiting",
            Self::Deferred => "deferred",
            Self::Corrupt => "corrupt",
            Self::Duplicate => "duplicate",
        }
    }
}

/// An answer that was sent.
#[derive(Clone, Debug, Serialize)]
pub struct Sent {
    /// Its package name; with `-z` the answer file's.
    pub name: String,
    /// Whom to.
    pub partner: String,
    /// Its files.
    pub files: Vec<String>,
    /// The local keys of the issues in it.
    pub issues: Vec<String>,
    /// What of it could not be said.
    pub findings: Vec<Note>,
}

/// An exchange with a server.
#[derive(Clone, Debug, Serialize)]
pub struct Exchange {
    /// The partner.
    pub partner: String,
    /// Parts fetched.
    pub fetched: u32,
    /// Packages delivered (in a dry run: that would be).
    pub delivered: u32,
    /// Why it failed.
    pub error: Option<String>,
    /// What to do now.
    pub hint: Option<String>,
    /// Parts that have yet to settle.
    pub waiting: u32,
    /// Files of other names, left alone.
    pub others: u32,
    /// When those that wait have settled.
    #[serde(skip)]
    pub settles: Option<std::time::Duration>,
}

impl Exchange {
    /// With this partner; nothing happened yet.
    #[must_use]
    pub fn new(partner: &str) -> Self {
        Self {
            partner: partner.to_owned(),
            fetched: 0,
            delivered: 0,
            error: None,
            hint: None,
            waiting: 0,
            others: 0,
            settles: None,
        }
    }

    /// Something failed; the first word stands, later ones behind it as long as it is short.
    pub(super) fn fail(&mut self, error: &crate::Error) {
        let line = error.line();
        match &mut self.error {
            None => {
                self.error = Some(line);
                self.hint.clone_from(&error.hint);
            }
            Some(first) if !first.contains(&line) => {
                if first.len() + line.len() <= 500 {
                    first.push_str("; ");
                    first.push_str(&line);
                } else if !first.ends_with('…') {
                    first.push_str("; …");
                }
            }
            Some(_) => {}
        }
    }

    /// Whether nothing went either way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.error.is_none() && self.fetched == 0 && self.delivered == 0
    }
}

/// The name under which local changes stand.
pub const LOCAL: &str = "local";

impl PackageReport {
    /// Of a package about which nothing is known yet.
    #[must_use]
    pub fn new(name: impl Into<String>, partner: Option<&str>, outcome: Outcome) -> Self {
        Self {
            name: name.into(),
            partner: partner.map(str::to_owned),
            outcome,
            reason: None,
            text: None,
            hint: None,
            findings: Vec::new(),
            issues: Outcomes::default(),
            standing: false,
        }
    }

    /// The same, for this reason.
    #[must_use]
    pub fn because(mut self, reason: &crate::spool::Reason) -> Self {
        self.reason = Some(reason.reason.clone());
        self.text = Some(reason.text.clone());
        self.hint.clone_from(&reason.hint);
        self
    }
}

impl Report {
    /// Whether something new needs a person: then the exit code is 1.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        let package = |package: &PackageReport| {
            let outcome = matches!(package.outcome, Outcome::Deferred | Outcome::Corrupt);
            (outcome || package.issues.is_trouble()) && !package.standing
        };
        self.packages.iter().any(package)
            || self.exchanges.iter().any(|exchange| exchange.error.is_some())
    }

    /// Whether nothing changed and nothing was sent.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let quiet =
            |package: &PackageReport| package.standing || package.outcome == Outcome::Waiting;
        self.sent.is_empty()
            && self.packages.iter().all(quiet)
            && self.exchanges.iter().all(Exchange::is_idle)
    }
}
