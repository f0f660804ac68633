//! The words every module shares.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

mod digest;
mod stop;

pub use digest::{Digest, Hasher};
pub use stop::Stop;

/// An instant; zones exist only where a partner's format or a person needs them.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// A result with our [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who can cure a fault, and so what becomes of the package that met it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Time cures it: the package goes to `deferred/`.
    Wait,
    /// The sender cures it: the package goes to `corrupt/`.
    Item,
    /// The operator cures it: stop.
    Setup,
}

/// A stable word for a reason or a finding, listed in `docs/errors.md`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(&'static str);

impl Code {
    /// Only the macro `codes!` calls this, so that every word stands in a module's table.
    #[must_use]
    pub const fn new(word: &'static str) -> Self {
        Self(word)
    }

    /// A word that was written to a file of our own, read back. Each word is kept once for good.
    #[must_use]
    pub fn read_back(word: &str) -> Self {
        static WORDS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = words.get(word) {
            return Self(known);
        }
        let word: &'static str = Box::leak(word.into());
        words.insert(word);
        Self(word)
    }

    /// The word itself, as it stands in reports and files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'d> Deserialize<'d> for Code {
    fn deserialize<D: serde::Deserializer<'d>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|word| Self::read_back(&word))
    }
}

/// Declares a module's stable words: one constant each, and the table `CODES` of word and meaning
/// that `docs/errors.md` is held to.
macro_rules! codes {
    ($($name:ident = $word:literal: $meaning:literal;)*) => {
        $(#[doc = $meaning] pub const $name: $crate::Code = $crate::Code::new($word);)*
        /// Every word of this module with its meaning.
        pub const CODES: &[($crate::Code, &str)] = &[$(($name, $meaning)),*];
    };
}
pub(crate) use codes;

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Tolerated; reported.
    Warning,
    /// The thing it is found in cannot be used.
    Error,
}

/// Where a finding is. Everything is optional: say what is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Offset of the first offending byte in the file, from 0.
    pub byte: Option<u64>,
    /// Number of the segment in the file, from 1 (UNA is not counted).
    pub segment: Option<u32>,
    /// Tag of the segment.
    pub tag: Option<String>,
    /// Position of the element in the segment; the tag is position 1 (data element 0098).
    pub element: Option<u16>,
    /// Position of the component in the element, from 1 (data element 0104).
    pub component: Option<u16>,
    /// File, archive member or XML path.
    pub path: Option<String>,
}

/// Something noticed while reading, which is not worth stopping for, or one of several reasons
/// why the whole cannot be used. As JSON it is one object with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Its stable word.
    pub code: Code,
    /// What, in words; one line.
    pub text: String,
    /// Where.
    #[serde(flatten)]
    pub place: Box<Place>,
    /// What should stand there, where that can be said.
    pub expected: Option<String>,
    /// What stands there.
    pub actual: Option<String>,
    /// The number of data element 0085 (CONTRL), where there is one.
    pub contrl: Option<u8>,
}

impl Finding {
    /// A tolerated oddity.
    pub fn warning(code: Code, text: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, text)
    }

    /// A reason why the thing cannot be used.
    pub fn error(code: Code, text: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, text)
    }

    /// Either.
    pub fn new(severity: Severity, code: Code, text: impl Into<String>) -> Self {
        Self {
            severity,
            code,
            text: one_line(text.into()),
            place: Box::default(),
            expected: None,
            actual: None,
            contrl: None,
        }
    }

    /// The same finding, with the file, member or XML path it is in.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.place.path = Some(one_line(path.into()));
        self
    }
}

/// What a stranger wrote must not forge a second line of a log.
fn one_line(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// What went wrong, where, and what now.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Error {
    /// Who can cure it.
    pub fault: Fault,
    /// Its stable word.
    pub code: Code,
    /// What went wrong, with the path or place.
    pub what: String,
    /// What to do now.
    pub hint: Option<String>,
    /// Not to be tried again sooner than after this, as the other side asked.
    pub retry_after: Option<std::time::Duration>,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

codes! {
    CONFIG = "config": "the configuration cannot be used";
    USAGE = "usage": "the command line cannot be used";
    DISK = "disk": "a file or directory could not be read, written or moved";
    DATABASE = "database": "the state or tracker database could not be used";
    LOCKED = "locked": "another engsync works on this spool";
    NOT_FOUND = "not-found": "there is no such thing";
    STOPPED = "stopped": "the run was asked to end before it was through; the next one goes on from there";
}

impl Error {
    /// A fault of the class `fault`.
    pub fn new(fault: Fault, code: Code, what: impl Into<String>) -> Self {
        Self { fault, code, what: what.into(), hint: None, retry_after: None, source: None }
    }

    /// Time cures it.
    pub fn wait(code: Code, what: impl Into<String>) -> Self {
        Self::new(Fault::Wait, code, what)
    }

    /// The sender cures it.
    pub fn item(code: Code, what: impl Into<String>) -> Self {
        Self::new(Fault::Item, code, what)
    }

    /// The operator cures it.
    pub fn setup(code: Code, what: impl Into<String>) -> Self {
        Self::new(Fault::Setup, code, what)
    }

    /// An I/O error with its path: `verb` completes "cannot …".
    pub fn io(verb: &str, path: &Path, source: std::io::Error) -> Self {
        Self::setup(DISK, format!("cannot {verb} {}", path.display())).because(source)
    }

    /// The same error with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error, which the other side asked not to meet again sooner than after `wait`.
    #[must_use]
    pub fn retry_after(mut self, wait: std::time::Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// What went wrong and why, in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = self.what.clone();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }
}

/// Something that `check` looked at, over there.
#[derive(Debug)]
pub struct Checked {
    /// What: `login`, `project BEG`, `list /inbox`.
    pub what: String,
    /// How it stands (`as engsync@example.org`), empty where there is nothing to say; or what is
    /// wrong and what to do.
    pub found: Result<String>,
}

/// Where the time comes from; `cli` owns the real one and `--now` the fixed one.
pub trait Clock {
    /// The time for stamps and schedules.
    fn now(&self) -> Timestamp;
}

/// A time as reports and the journal write it: RFC 3339, UTC, whole seconds.
#[must_use]
pub fn stamp(time: Timestamp) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
