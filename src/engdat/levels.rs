//! How seriously a partner's findings are taken.

use super::code;
use crate::edifact::code as edifact;
use crate::{Code, Finding, Severity};

/// Words of findings that one partner's configuration raises or silences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// These are errors, whatever they are elsewhere.
    pub strict: Vec<String>,
    /// These are not reported, and do not stand in the way.
    pub ignore: Vec<String>,
}

/// What cannot be ignored, since nothing sensible could be read then.
const ESSENTIAL: &[Code] = &[
    edifact::TRUNCATED,
    edifact::NO_HEADER,
    edifact::SERVICE_CHARACTERS,
    edifact::TOO_LARGE,
    edifact::TOO_MANY,
    code::BAD_EDIFACT,
    code::ENGDAT_V3,
    code::TOO_LARGE,
    code::MESSAGE_TYPE,
    code::MISSING_SEGMENT,
    code::FILE_NUMBER,
    code::PART_TWICE,
    code::IDENTITY_REUSE,
];

impl Levels {
    /// Drops and raises findings as configured.
    pub fn apply(&self, findings: &mut Vec<Finding>) {
        let named = |words: &[String], code: Code| words.iter().any(|word| word == code.as_str());
        findings.retain(|finding| {
            !named(&self.ignore, finding.code) || ESSENTIAL.contains(&finding.code)
        });
        for finding in findings {
            if named(&self.strict, finding.code) {
                finding.severity = Severity::Error;
            }
        }
    }

    /// The words in `strict` and `ignore` that are no finding of a description, and those in
    /// `ignore` that cannot be ignored.
    #[must_use]
    pub fn unknown(&self) -> Vec<&str> {
        let known = |word: &str| {
            code::CODES.iter().chain(edifact::CODES).any(|(code, _)| code.as_str() == word)
        };
        let essential = |word: &str| ESSENTIAL.iter().any(|code| code.as_str() == word);
        let strict = self.strict.iter().filter(|word| !known(word));
        let ignore = self.ignore.iter().filter(|word| !known(word) || essential(word));
        strict.chain(ignore).map(String::as_str).collect()
    }
}

/// Whether the findings say that the file is not all there (rather than wrong).
#[must_use]
pub fn is_truncated(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.code == edifact::TRUNCATED)
}
