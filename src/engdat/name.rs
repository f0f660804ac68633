//! File names of packages (VDA 4951-1, virtual file name): the only place that slices them.
//!
//! | columns | content |
//! |---|---|
//! | 1–3 | `ENG`, or `EN2` |
//! | 4–20 | exchange reference; by practice YYMMDDHHMMSS and five characters |
//! | 21–23 | number of files of the package, the description included |
//! | 24–26 | number of the file; the description is 001 |
//! | 27… | whatever the OFTP server added |

use std::fmt;
use std::str::FromStr;

use chrono::{Duration, NaiveDate, NaiveDateTime, Timelike};

use super::code;
use crate::Finding;

/// The name of a package: `ENG` or `EN2` and the exchange reference of 17 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName(String);

/// The name of a file of a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartName {
    /// The package.
    pub package: PackageName,
    /// How many files it says there are, the description included; at least 1.
    pub total: u16,
    /// Which one it is, from 1; the description is 1.
    pub index: u16,
    /// What the OFTP server added behind.
    pub suffix: String,
}

/// Why a text is not the name of a package or part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It does not begin with `ENG` or `EN2`, or is too short to be one.
    #[error("{0:?} is not an ENGDAT name: it needs ENG or EN2 and at least {1} characters")]
    Foreign(String, usize),
    /// It has a character no path may get.
    #[error("{0:?} cannot be a file of a package: it has the character {1:?}")]
    Unsafe(String, char),
    /// Columns 21 to 26 do not count.
    #[error("{0:?} cannot be a file of a package: {1}")]
    Count(String, &'static str),
    /// We do not write such a name.
    #[error(
        "{0:?} cannot be written: an ENGDAT name is ENG, 12 digits, 5 of [0-9A-Z], and two numbers of 3 digits"
    )]
    NotStrict(String),
    /// No OFTP server may send a file under this name.
    #[error(
        "{0:?} cannot be a virtual file name: that is at most 26 of 0-9 A-Z - . & ( ) without blanks"
    )]
    NotVirtual(String),
}

/// Whether a file can go to an OFTP server under this name: a virtual file name (SFIDDSN, RFC 5024
/// 5.3.3) is at most 26 characters of `0-9 A-Z / - . & ( )`; the slash no file name can have.
///
/// # Errors
///
/// [`NameError::NotVirtual`].
pub fn virtual_file_name(name: &str) -> Result<&str, NameError> {
    let fits = |c: char| {
        c.is_ascii_digit() || c.is_ascii_uppercase() || matches!(c, '-' | '.' | '&' | '(' | ')')
    };
    let hidden = name.starts_with('.');
    if (1..=26).contains(&name.len()) && name.chars().all(fits) && !hidden {
        return Ok(name);
    }
    Err(NameError::NotVirtual(name.to_owned()))
}

impl PackageName {
    /// The exchange reference: 17 characters, the document number of the message.
    #[must_use]
    pub fn reference(&self) -> &str {
        self.0.get(3..).unwrap_or("")
    }

    /// The name itself, 20 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The local time in the reference, where it is one.
    #[must_use]
    pub fn stamp(&self) -> Option<NaiveDateTime> {
        let reference = self.reference();
        date_time(reference.get(..6)?, reference.get(6..12)?)
    }

    /// The name of a part of this package, without a suffix.
    #[must_use]
    pub fn part(&self, total: u16, index: u16) -> PartName {
        PartName { package: self.clone(), total, index, suffix: String::new() }
    }

    /// Stamp and counter as a number, where both are digits.
    fn serial(&self) -> Option<(NaiveDateTime, u8)> {
        let counter = self.reference().get(12..14)?;
        let digits = counter.bytes().all(|b| b.is_ascii_digit());
        Some((self.stamp()?, counter.parse().ok().filter(|_| digits)?))
    }
}

impl FromStr for PackageName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let known = text.starts_with("ENG") || text.starts_with("EN2");
        // A name becomes a directory, so nothing that means something in a path gets in.
        if let Some(bad) = text.chars().find(|&c| is_unsafe(c)) {
            return Err(NameError::Unsafe(text.to_owned(), bad));
        }
        if !known || text.len() != 20 || !text.is_ascii() {
            return Err(NameError::Foreign(text.to_owned(), 20));
        }
        Ok(Self(text.to_owned()))
    }
}

fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '/' | '\\')
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl serde::Serialize for PackageName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl FromStr for PartName {
    type Err = NameError;

    /// Lenient: any 17 printable ASCII characters are a reference, any suffix may follow.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let foreign = || NameError::Foreign(text.to_owned(), 26);
        if let Some(bad) = text.chars().find(|&c| is_unsafe(c)) {
            return Err(NameError::Unsafe(text.to_owned(), bad));
        }
        let (package, rest) = text.split_at_checked(20).ok_or_else(foreign)?;
        let (counts, suffix) = rest.split_at_checked(6).ok_or_else(foreign)?;
        let package = package.parse().map_err(|_| foreign())?;
        if !counts.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NameError::Count(text.to_owned(), "columns 21 to 26 are not digits"));
        }
        let (total, index) = counts.split_at_checked(3).ok_or_else(foreign)?;
        let (total, index) = (total.parse().unwrap_or(0_u16), index.parse().unwrap_or(0_u16));
        let wrong = match (total, index) {
            (0, _) => "its total is 000",
            (_, 0) => "its number is 000",
            // The total may have been counted without the description.
            _ if index > total + 1 => "its number is greater than the total",
            _ => return Ok(Self { package, total, index, suffix: suffix.to_owned() }),
        };
        Err(NameError::Count(text.to_owned(), wrong))
    }
}

impl PartName {
    /// Whether it is the description of the package.
    #[must_use]
    pub fn is_description(&self) -> bool {
        self.index == 1
    }

    /// The first 23 characters, which the files of a package have in common.
    #[must_use]
    pub fn group(&self) -> String {
        format!("{}{:03}", self.package, self.total)
    }

    /// The name as we write it.
    ///
    /// # Errors
    ///
    /// If it is not `ENG`, 12 digits, 5 of `[0-9A-Z]`, total and number, or has a suffix.
    pub fn strict(&self) -> Result<String, NameError> {
        let text = self.to_string();
        let (stamp, route) = self.package.reference().split_at_checked(12).unwrap_or(("", ""));
        let fits = self.package.as_str().starts_with("ENG")
            && stamp.bytes().all(|b| b.is_ascii_digit())
            && route.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
            && (1..=self.total).contains(&self.index)
            && (2..=999).contains(&self.total)
            && self.suffix.is_empty();
        if fits { Ok(text) } else { Err(NameError::NotStrict(text)) }
    }

    /// What is odd about a name that was read nevertheless.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let name = self.to_string();
        let odd = self.package.reference().chars().find(|&c| {
            !(c.is_ascii_digit()
                || c.is_ascii_uppercase()
                || matches!(c, '/' | '-' | '.' | '&' | '(' | ')'))
        });
        if let Some(c) = odd {
            let text = format!("{name} has {c:?}, which a virtual file name may not have");
            findings.push(Finding::warning(code::NAME, text).at(name.clone()));
        }
        if self.index > self.total || self.total == 1 {
            let text = format!("the total in {name} counts the data files only");
            findings.push(Finding::warning(code::TOTAL_WITHOUT_MESSAGE, text).at(name));
        }
        findings
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:03}{:03}{}", self.package, self.total, self.index, self.suffix)
    }
}

/// YYMMDD and HHMM or HHMMSS. ENGDAT is younger than 1980, so that is where the century turns.
pub(super) fn date_time(date: &str, time: &str) -> Option<NaiveDateTime> {
    let pair = |text: &str, at: usize| -> Option<u32> {
        let digits = text.get(at..at + 2)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let (century, date) = match date.len() {
        8 => (pair(date, 0)?, date.get(2..)?),
        _ => (if pair(date, 0)? >= 80 { 19 } else { 20 }, date),
    };
    let year = i32::try_from(century * 100 + pair(date, 0)?).ok()?;
    let day = NaiveDate::from_ymd_opt(year, pair(date, 2)?, pair(date, 4)?)?;
    let seconds = if time.len() > 4 { pair(time, 4)? } else { 0 };
    day.and_hms_opt(pair(time, 0)?, pair(time, 2)?, seconds)
}

/// The name after `highest`, for a package made at the local time `now`: stamp, a counter from 00,
/// and `tail` (three characters, see [`name_tail`]). After counter 99 the stamp moves on a second;
/// the name is never at or below `highest`, even where the clock has gone back.
#[must_use]
pub fn next_name(now: NaiveDateTime, highest: Option<&PackageName>, tail: &str) -> PackageName {
    let now = now.with_nanosecond(0).unwrap_or(now);
    let (stamp, counter) = match highest.and_then(PackageName::serial) {
        Some((stamp, 99)) if stamp >= now => (stamp + Duration::seconds(1), 0),
        Some((stamp, counter)) if stamp >= now => (stamp, counter + 1),
        _ => (now, 0),
    };
    PackageName(format!("ENG{}{counter:02}{tail:X<3.3}", stamp.format("%y%m%d%H%M%S")))
}

/// The last three characters of the names we write: `filename` of the configuration, or else the
/// first three of `[0-9A-Z]` in the peer's routing code, upper-cased and padded with `X`.
///
/// # Errors
///
/// If `filename` is not three characters of `[0-9A-Z]`.
pub fn name_tail(filename: Option<&str>, routing: &str) -> Result<String, NameError> {
    let fits = |c: &char| c.is_ascii_digit() || c.is_ascii_uppercase();
    match filename {
        Some(name) if name.len() == 3 && name.chars().all(|c| fits(&c)) => Ok(name.to_owned()),
        Some(name) => Err(NameError::NotStrict(name.to_owned())),
        None => {
            let tail: String = routing.to_ascii_uppercase().chars().filter(fits).take(3).collect();
            Ok(format!("{tail:X<3}"))
        }
    }
}
