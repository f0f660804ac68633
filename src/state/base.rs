//! What a link remembers of the last agreement.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::issue::{Attachment, Comment, Digest, Field, Issue, Person, Record, Value};

/// The base of a three-way comparison: not one value per field but three (what the partner last
/// *delivered*, what we last *sent*, what the local tracker last held), since an export that has
/// not caught up with our answer must not look like a change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Base {
    /// The whole record as last delivered; an answer echoes partner fields from it.
    pub delivered: Record,
    /// The outgoing values as last sent; `None`: never answered.
    pub sent: Option<Outgoing>,
    /// The local fields the rules name, as last read back from the tracker.
    pub local: Record,
    /// The partner's fields whose last delivered value could not be applied, each with the one
    /// before, which was: to the rules it is the one they know.
    pub behind: BTreeMap<Field, Option<Value>>,
    /// The revision of the local issue that was last looked at, where its tracker tells one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_revision: Option<String>,
    /// What each inbound field was last set to by a rule, before the tracker made of it what
    /// `local` says; so that a tracker which normalises makes no ping-pong.
    pub wanted: BTreeMap<Field, Option<Value>>,
    /// The local fields of two-way rules on which there was an agreement.
    pub two_way: BTreeSet<Field>,
    /// Those of them on which it was decided here, and the partner is yet to be told.
    pub untold: BTreeSet<Field>,
    /// The partner's company short name, as last learned.
    pub peer_short: String,
    /// The date of the document last applied to this issue.
    pub revision: Option<Timestamp>,
    /// The name of the package it came in (breaks ties of `revision`).
    pub package: String,
    /// Comments taken in: the partner's id or digest, and the local id.
    pub comments_in: BTreeMap<String, String>,
    /// Files taken in: the name, and what became of it.
    pub files_in: BTreeMap<String, Incoming>,
    /// Files taken in before those, under the same name: they are no more ours to send.
    pub files_before: BTreeSet<Incoming>,
    /// Fields and operations held, each by the digest of its inputs.
    pub held: BTreeMap<Field, HeldMark>,
}

/// A file that came in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Incoming {
    /// The local name.
    pub name: String,
    /// SHA-256 of its content.
    pub sha256: String,
}

/// Something not done, not to be tried or reported again until its inputs change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldMark {
    /// The stable word.
    pub code: String,
    /// In words.
    pub text: String,
    /// Digest of the inputs.
    pub inputs: String,
    /// The package it came in.
    #[serde(default)]
    pub package: Option<String>,
}

impl HeldMark {
    /// Whether it depends on this one input.
    #[must_use]
    pub fn is_of(&self, input: &str) -> bool {
        self.inputs == Digest::of(input.as_bytes()).to_string()
    }
}

/// Everything an answer says of an issue beyond what it echoes: always the full current state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outgoing {
    /// The values that cause an answer.
    pub fields: Record,
    /// The values that only travel with one.
    pub envelope: Record,
    /// The partner's own fields that it is to empty.
    pub cleared: BTreeSet<Field>,
    /// The local values of two-way rules that count as agreed once this is sent.
    pub agreed: Vec<(Field, Option<Value>)>,
    /// The comments for the partner, oldest first.
    pub comments: Vec<OutgoingComment>,
    /// The files for the partner.
    pub files: Vec<OutgoingFile>,
}

/// A local comment for the partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingComment {
    /// The local tracker's id.
    pub id: String,
    /// Who wrote it.
    pub author: Person,
    /// When it was written or last edited.
    pub at: Option<Timestamp>,
    /// The text without the prefix.
    pub text: String,
}

/// A local file for the partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingFile {
    /// The local name.
    pub name: String,
    /// SHA-256 of its content.
    pub sha256: String,
}

impl Base {
    /// The partner has overtaken what we said of a field.
    pub fn settle(&mut self, field: &str) {
        self.behind.remove(field);
        if let Some(sent) = &mut self.sent {
            sent.forget(field);
        }
    }

    /// A person decided what a field of the partner's is to hold here, though a rule `wanted`
    /// another value.
    pub fn keep(&mut self, field: &str, here: Option<Value>, wanted: Option<Value>) {
        self.local.set(field, here);
        self.wanted.insert(field.to_owned(), wanted);
    }

    /// Whether a document is older than the one applied last; dates that are equal go by the
    /// exchange reference, then by arrival.
    #[must_use]
    pub fn is_newer_than(&self, revision: Option<Timestamp>, reference: &str) -> bool {
        is_newer((self.revision, &self.package), (revision, reference))
    }

    /// Whether a local file is one that came in.
    #[must_use]
    pub fn is_imported(&self, name: &str, sha256: &str) -> bool {
        let mut known = self.files_in.values().chain(&self.files_before);
        known.any(|file| file.name == name && file.sha256 == sha256)
    }

    /// The value the partner last delivered, as far as the rules have dealt with it.
    #[must_use]
    pub fn dealt_with(&self, field: &str) -> Option<&Value> {
        match self.behind.get(field) {
            Some(before) => before.as_ref(),
            None => self.delivered.get(field),
        }
    }

    /// What a sent answer said of two-way fields is agreed on now.
    pub fn agree(&mut self, agreed: &[(Field, Option<Value>)]) {
        for (field, value) in agreed {
            self.local.set(field.clone(), value.clone());
            self.two_way.insert(field.clone());
            self.untold.remove(field);
        }
    }
}

impl Outgoing {
    /// Whether a value, or that there is none, is said of a field.
    #[must_use]
    pub fn says(&self, field: &str) -> bool {
        self.fields.get(field).is_some() || self.cleared.contains(field)
    }

    /// Nothing was said of a field.
    pub fn forget(&mut self, field: &str) {
        self.fields.set(field, None);
        self.cleared.remove(field);
    }

    /// Whether `self` says something that `sent` did not: envelope values alone do not count,
    /// nor do comment dates.
    #[must_use]
    pub fn differs_from(&self, sent: &Self) -> bool {
        let texts = |outgoing: &Self| -> Vec<(String, String)> {
            outgoing.comments.iter().map(|c| (c.id.clone(), c.text.clone())).collect()
        };
        self.fields != sent.fields
            || self.cleared != sent.cleared
            || texts(self) != texts(sent)
            || !self.new_files(sent).is_empty()
    }

    /// The files that `sent` did not hold with this content.
    #[must_use]
    pub fn new_files(&self, sent: &Self) -> Vec<OutgoingFile> {
        self.files.iter().filter(|file| !sent.files.contains(file)).cloned().collect()
    }
}

fn is_newer(last: (Option<Timestamp>, &str), this: (Option<Timestamp>, &str)) -> bool {
    match (last.0, this.0) {
        (Some(last), Some(this)) if this < last => true,
        (Some(before), Some(now)) if now == before => !this.1.is_empty() && this.1 < last.1,
        _ => false,
    }
}

/// A delivery that a gate kept back, to be planned when it opens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pending {
    /// The delivered record.
    pub fields: Record,
    /// The delivered comments.
    pub comments: Vec<Comment>,
    /// The delivered files by name; their content lies beside the state.
    pub files: Vec<OutgoingFile>,
    /// The date of the document.
    pub revision: Option<Timestamp>,
    /// The package it came in.
    pub package: String,
    /// The partner's company short name.
    pub peer_short: String,
}

impl Pending {
    /// Of a delivered issue.
    #[must_use]
    pub fn of(issue: &Issue, revision: Option<Timestamp>, package: &str, peer_short: &str) -> Self {
        let file = |file: &Attachment| {
            let sha256 = file.known_digest()?.to_string();
            Some(OutgoingFile { name: file.name.clone(), sha256 })
        };
        Self {
            fields: issue.fields.clone(),
            comments: issue.comments.clone(),
            files: issue.attachments.iter().filter_map(file).collect(),
            revision,
            package: package.to_owned(),
            peer_short: peer_short.to_owned(),
        }
    }

    /// Whether a document is older than this one, as [`Base::is_newer_than`] has it.
    #[must_use]
    pub fn is_newer_than(&self, revision: Option<Timestamp>, reference: &str) -> bool {
        is_newer((self.revision, &self.package), (revision, reference))
    }

    /// With what was kept back after it: the fields are those of the newer document, comments
    /// and files those of both.
    #[must_use]
    pub fn joined_by(self, later: Self) -> Self {
        let (old, mut new) =
            if later.revision < self.revision { (later, self) } else { (self, later) };
        let comments = old.comments.into_iter().filter(|known| !new.comments.contains(known));
        new.comments = comments.collect::<Vec<_>>().into_iter().chain(new.comments).collect();
        let files = old.files.into_iter().filter(|known| !new.files.contains(known));
        new.files = files.collect::<Vec<_>>().into_iter().chain(new.files).collect();
        new
    }
}
