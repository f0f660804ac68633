//! The neutral model: an issue as two trackers would tell it to each other.
//!
//! Values are text or a list of texts; an unset field is absent. Attachments are handles that
//! stream: their content is never held whole in memory.

mod attachment;
mod value;

pub use crate::{Digest, Hasher};
pub use attachment::{Attachment, Content, clean_name};
pub use value::{Field, Record, Value};

use std::collections::BTreeSet;

use crate::{Timestamp, codes};

codes! {
    ATTACHMENT_MISSING = "attachment-missing": "a file is named but its content did not come with it";
}

/// Who wrote something.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Person {
    /// The account or team-member id.
    pub id: String,
    /// The name for people; the id where there is none.
    pub name: String,
}

/// A comment (MSR-ISSUE: annotation).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Comment {
    /// The tracker's or document's id; empty where there is none.
    pub id: String,
    /// Who wrote it, where known.
    pub author: Option<Person>,
    /// When, where known.
    pub created: Option<Timestamp>,
    /// When it was last edited, where known.
    pub updated: Option<Timestamp>,
    /// What.
    pub text: String,
}

/// An issue.
#[derive(Clone, Debug, Default)]
pub struct Issue {
    /// The number in its own system: the partner's problem number or the local key.
    pub id: String,
    /// Its fields.
    pub fields: Record,
    /// Its comments, oldest first.
    pub comments: Vec<Comment>,
    /// Its attachments in their order.
    pub attachments: Vec<Attachment>,
    /// Names this state of it, where its tracker can: another state, whatever changed (fields,
    /// comments, attachments), never has the same. `None` where that is not certain, as within
    /// the second of the last change where a tracker counts in seconds.
    pub revision: Option<String>,
    /// The fields whose values will be known only once it is made: of a planned issue what the
    /// tracker itself gives to a new one. None of an issue that exists.
    pub unknown: BTreeSet<Field>,
}
