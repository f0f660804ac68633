//! `reason.json`: why a package lies where it lies.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::disk::Disk;
use crate::{Code, Error, Finding, Result, Timestamp};

/// A larger file is no reason of ours.
const MOST: u64 = 16 << 20;

/// Why a package was deferred or set aside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reason {
    /// The stable word.
    pub reason: String,
    /// What is wrong, in words.
    pub text: String,
    /// What to do now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The partner, where it was recognised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner: Option<String>,
    /// All that was found, one line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// When it came here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// When it is tried again by itself; `None`: not by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try: Option<Timestamp>,
    /// How often it was tried.
    #[serde(skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// Not to be tried again sooner than after this; becomes part of `next_try`.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The file's name.
pub(super) const FILE: &str = "reason.json";

impl Reason {
    /// For this reason.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { reason: code.to_string(), text: text.into(), ..Self::default() }
    }

    /// The reason an error is.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        let (hint, retry_after) = (error.hint.clone(), error.retry_after);
        Self { hint, retry_after, ..Self::new(error.code, error.line()) }
    }

    /// The same reason with what was found.
    #[must_use]
    pub fn with_findings(self, findings: &[Finding]) -> Self {
        let line = |finding: &Finding| {
            let place = match (finding.place.segment, finding.place.byte) {
                (Some(segment), Some(byte)) => format!(" (segment {segment}, byte {byte})"),
                (None, Some(byte)) => format!(" (byte {byte})"),
                _ => String::new(),
            };
            format!("{}: {}{place}", finding.code, finding.text)
        };
        Self { findings: findings.iter().map(line).collect(), ..self }
    }

    pub(super) fn write(&self, disk: &Disk, dir: &Path) -> Result<()> {
        let path = dir.join(FILE);
        let json = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::setup(crate::DISK, "cannot write a reason").because(error))?;
        disk.replace(&path, &json)
    }

    pub(super) fn read(disk: &Disk, dir: &Path) -> Option<Self> {
        serde_json::from_slice(&disk.read(&dir.join(FILE), MOST).ok()?).ok()
    }
}
