//! The `Tracker` contract and its adapters.
//!
//! A tracker is the supplier's issue tracker: the embedded one, or an adapter to another. The
//! contract is object-safe and synchronous; parallelism lives inside adapters.

#[doc(hidden)]
pub mod double;
pub mod embedded;
pub mod http;
pub mod jira;
mod orders;
pub mod planned;
pub mod roundup;

use std::collections::BTreeMap;

pub use crate::Checked;
use crate::issue::{Attachment, Field, Issue, Person, Value};
use crate::{Code, Result, Timestamp, codes};

pub use orders::{GoOn, Order, Receipt};

codes! {
    TRACKER_UNAVAILABLE = "tracker-unavailable": "the tracker cannot be reached or does not let us in";
    TRACKER_REFUSED = "tracker-refused": "the tracker refused a value";
    EDITED_MEANWHILE = "edited-meanwhile": "somebody edited the field between our look and our write; it was left as it is";
    LOCAL_GONE = "local-gone": "the local issue was deleted";
    IN_DOUBT = "in-doubt": "it is not known yet whether the tracker made an issue; it is made again only once that is certain";
    TEXT_CUT = "text-cut": "a text is longer than the tracker takes: it holds only the beginning";
    MARKER_TWICE = "marker-twice": "more than one issue of the tracker carries the marker of a partner's issue";
}

/// The local tracker's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// Its fields by name.
    pub fields: BTreeMap<Field, FieldSpec>,
    /// Whether any further field a rule names exists as text.
    pub open: bool,
    /// What is required, and which values are allowed, is not told: [`Tracker::schema`] does.
    pub outline: bool,
}

/// What a tracker knows of one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSpec {
    /// The tracker's own id of it, where that is not its name (`customfield_12600`).
    pub id: Option<String>,
    /// Its type in the tracker's own words (`option`, `array of version`); empty: `text` or
    /// `list`.
    pub kind: String,
    /// A list of texts rather than one.
    pub list: bool,
    /// Set by the tracker only.
    pub read_only: bool,
    /// Must be set on create.
    pub required: bool,
    /// The values it takes; `None`: any.
    pub allowed: Option<Vec<String>>,
    /// How long a text it takes, in UTF-16 units; a longer one is cut. `None`: any.
    pub longest: Option<usize>,
}

impl Schema {
    /// What is known of `field`; an unknown field of an open schema is plain text.
    #[must_use]
    pub fn field(&self, field: &str) -> Option<FieldSpec> {
        self.fields.get(field).cloned().or_else(|| self.open.then(FieldSpec::default))
    }
}

/// What an adapter can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Its writes belong to the state database's transaction: no intents are needed.
    pub shares_state: bool,
}

/// What ties a local issue to a partner's: `installation/partner:number`.
pub type Marker = str;

/// Absolute values to write; `None` clears the field.
pub type Changes = BTreeMap<Field, Option<Value>>;

/// What came of a create or an update.
#[derive(Clone, Debug)]
pub struct Written {
    /// The issue as the tracker holds it now, read back.
    pub issue: Issue,
    /// The fields it did not take; the others were written.
    pub refused: Vec<Refused>,
    /// What became of those it took, where that is not what was sent.
    pub remarks: Vec<Remark>,
}

/// A field that the tracker did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which.
    pub field: Field,
    /// [`EDITED_MEANWHILE`] where it no longer has its expected value; else usually
    /// [`TRACKER_REFUSED`].
    pub code: Code,
    /// The tracker's words.
    pub text: String,
}

/// What a tracker made of a value that it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The field, or `comments`.
    pub field: Field,
    /// Usually [`TEXT_CUT`].
    pub code: Code,
    /// In words.
    pub text: String,
}

/// A comment to add.
#[derive(Clone, Debug, Default)]
pub struct NewComment {
    /// Who is named as its author; `None`: the account engsync works under.
    pub author: Option<Person>,
    /// When it was written, where that is not now.
    pub created: Option<Timestamp>,
    /// What.
    pub text: String,
    /// Finds it again after a crash; unique.
    pub token: String,
}

/// What changed since a token.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    /// Where to go on next time.
    pub token: String,
    /// The keys of the issues that changed; `None`: unknown, look at all.
    pub keys: Option<Vec<String>>,
    /// The revision of a changed issue, where the feed tells it: one that was read with this
    /// [`Issue::revision`] before (our own writes, mostly) is not read again.
    pub revisions: BTreeMap<String, String>,
}

/// What became of a create whose answer was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// The issues that carry the marker; one, mostly.
    Found(Vec<String>),
    /// There is none, for certain: it can be made.
    Absent,
    /// None was found, but one may turn up yet, as where a search index lags.
    Unsure,
}

/// A tracker.
///
/// Every method may fail with `Fault::Wait` (unreachable, busy, log-in refused: the package is
/// deferred), `Fault::Item` (this issue cannot be written) or `Fault::Setup` (the adapter's own
/// storage). A missing issue is an answer, not an error, in [`Tracker::get_many`]; elsewhere it
/// is `Fault::Item` with [`LOCAL_GONE`].
///
/// A `Fault::Wait` carries [`crate::Error::retry_after`] where the tracker said how long to wait.
/// Short waits (a second or two, with a `Retry-After`) are the adapter's own business; what it
/// reports, the caller defers.
pub trait Tracker {
    /// Its fields.
    ///
    /// # Errors
    /// As the trait says.
    fn schema(&self) -> Result<Schema>;

    /// Its fields as they are now, perhaps without what is required and which values are allowed,
    /// where those are requests of their own: a run that makes nothing new does without. What it
    /// told, [`Tracker::schema`] need not ask for again.
    ///
    /// # Errors
    /// As the trait says.
    fn outline(&self) -> Result<Schema> {
        self.schema()
    }

    /// What this adapter can do.
    fn capabilities(&self) -> Capabilities;

    /// The issues with these keys, in their order, with comments and attachment handles; `None`
    /// for one that does not exist (any more).
    ///
    /// # Errors
    /// As the trait says.
    fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Issue>>>;

    /// The keys of the issues that carry `marker`.
    ///
    /// # Errors
    /// As the trait says.
    fn find(&self, marker: &Marker) -> Result<Vec<String>>;

    /// [`Tracker::find`] for many markers, in their order; adapters to a network answer with few
    /// requests.
    ///
    /// # Errors
    /// As the trait says.
    fn find_many(&self, markers: &[&Marker]) -> Result<Vec<Vec<String>>> {
        markers.iter().map(|marker| self.find(marker)).collect()
    }

    /// Makes an issue that carries `marker`; an empty one is none. Read-only and refused fields are reported, the
    /// others written.
    ///
    /// # Errors
    /// As the trait says; then nothing was made, unless the fault is `Wait`: then look by
    /// [`Tracker::find`] before repeating.
    fn create(&self, marker: &Marker, fields: &Changes) -> Result<Written>;

    /// What [`Tracker::probe`] will need should the outcome of a create be lost: the highest key
    /// seen, the tracker's own time. Asked once before a batch of creates and kept with their
    /// intents.
    ///
    /// # Errors
    /// As the trait says.
    fn before_create(&self) -> Result<String> {
        Ok(String::new())
    }

    /// Looks for issues whose create was begun but whose outcome was lost; `before` is what
    /// [`Tracker::before_create`] said then. [`Probed::Absent`] only where it is certain: the
    /// issue is made again then. Where a search may lag, look beyond it (by the keys that came
    /// after), or answer [`Probed::Unsure`]: the caller asks again later.
    ///
    /// # Errors
    /// As the trait says.
    fn probe(&self, markers: &[&Marker], before: &str) -> Result<Vec<Probed>> {
        let _ = before;
        let found = self.find_many(markers)?.into_iter();
        let probed =
            |keys: Vec<_>| if keys.is_empty() { Probed::Absent } else { Probed::Found(keys) };
        Ok(found.map(probed).collect())
    }

    /// Looks at what must be so before a run can succeed (log-in, project, permissions), without
    /// changing anything; lists what is well, too. The fields are checked by [`Tracker::schema`].
    fn check(&self) -> Vec<Checked> {
        Vec::new()
    }

    /// Writes fields of an issue. Where `expected` is given, a field that no longer has its
    /// value there is refused with [`EDITED_MEANWHILE`] instead of overwritten.
    ///
    /// # Errors
    /// As the trait says.
    fn update(&self, key: &str, changes: &Changes, expected: Option<&Changes>) -> Result<Written>;

    /// Adds a comment; answers its id. One with the same token that is there already is that
    /// comment: nothing is added.
    ///
    /// # Errors
    /// As the trait says.
    fn comment(&self, key: &str, comment: &NewComment) -> Result<String>;

    /// Replaces the text of a comment.
    ///
    /// # Errors
    /// As the trait says; `Fault::Item` with [`crate::NOT_FOUND`] when the issue has no such
    /// comment (any more).
    fn edit_comment(&self, key: &str, id: &str, text: &str) -> Result<()>;

    /// Removes a comment; one that is gone is fine.
    ///
    /// # Errors
    /// As the trait says.
    fn delete_comment(&self, key: &str, id: &str) -> Result<()>;

    /// Makes the bytes of a file durable on the tracker's side as far as that can be done before
    /// an issue has it, so that [`Tracker::attach`] is cheap inside a transaction. Remembers the
    /// digest in the attachment.
    ///
    /// # Errors
    /// As the trait says.
    fn prepare(&self, file: &Attachment) -> Result<()>;

    /// Attaches a file under its name. The same name with the same content is that attachment;
    /// the same name with other content replaces it.
    ///
    /// # Errors
    /// As the trait says.
    fn attach(&self, key: &str, file: &Attachment) -> Result<()>;

    /// Removes an attachment; one that is gone is fine.
    ///
    /// # Errors
    /// As the trait says.
    fn detach(&self, key: &str, name: &str) -> Result<()>;

    /// Which issues changed since `token` (`None`: since ever), our own changes included.
    ///
    /// # Errors
    /// As the trait says.
    fn changed_since(&self, token: Option<&str>) -> Result<Feed>;

    /// What a new issue has that nobody wrote: its status, mostly. As far as that can be told by
    /// reading: `None` is that it has none, a field that is not named is not known. Dry runs ask,
    /// before they plan to make one.
    ///
    /// # Errors
    /// As the trait says.
    fn at_first(&self) -> Result<Changes> {
        Ok(Changes::new())
    }

    /// Ties an issue that exists to a marker, or with `None` unties it.
    ///
    /// # Errors
    /// As the trait says.
    fn mark(&self, key: &str, marker: Option<&Marker>) -> Result<()>;

    /// Carries out orders, each for another issue, and reads back. The order of the writes inside
    /// one order is kept: fields, comments, files. Adapters to a network carry out several orders
    /// at a time and read back in few requests.
    ///
    /// The answer has one receipt for each order, in their order. After a fault that is not
    /// `Fault::Item`, and once `go_on` says no (asked before each order), no further order is
    /// begun; their receipts say that nothing was tried.
    fn write_many(&self, orders: &[Order<'_>], go_on: &GoOn<'_>) -> Vec<Receipt> {
        orders::one_by_one(self, orders, go_on)
    }
}
