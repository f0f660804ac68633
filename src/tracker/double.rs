//! A tracker that fails as it is told to, for the tests of those who use one.

use std::cell::RefCell;
use std::time::Duration;

use super::{
    Capabilities, Changes, Checked, Feed, Marker, NewComment, Probed, Refused, Schema,
    TRACKER_REFUSED, TRACKER_UNAVAILABLE, Tracker, Written,
};
use crate::issue::{Attachment, Field, Issue, Value};
use crate::{DISK, Error, Result};

/// A method of [`Tracker`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// [`Tracker::schema`].
    Schema,
    /// [`Tracker::get_many`].
    GetMany,
    /// [`Tracker::find`].
    Find,
    /// [`Tracker::before_create`].
    BeforeCreate,
    /// [`Tracker::probe`].
    Probe,
    /// [`Tracker::check`]; it fails in what it answers.
    Check,
    /// [`Tracker::create`].
    Create,
    /// [`Tracker::update`].
    Update,
    /// [`Tracker::comment`].
    Comment,
    /// [`Tracker::edit_comment`].
    EditComment,
    /// [`Tracker::delete_comment`].
    DeleteComment,
    /// [`Tracker::prepare`].
    Prepare,
    /// [`Tracker::attach`].
    Attach,
    /// [`Tracker::detach`].
    Detach,
    /// [`Tracker::changed_since`].
    ChangedSince,
    /// [`Tracker::mark`].
    Mark,
}

impl Verb {
    /// Whether it changes the tracker.
    #[must_use]
    pub fn writes(self) -> bool {
        !matches!(
            self,
            Self::Schema
                | Self::GetMany
                | Self::Find
                | Self::BeforeCreate
                | Self::Probe
                | Self::Check
                | Self::Prepare
                | Self::ChangedSince
        )
    }
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is not reached: `Fault::Wait`, nothing was done.
    Unavailable,
    /// It asks to be left alone for so long: `Fault::Wait`, nothing was done.
    Busy(Duration),
    /// Its search lags: a probe does not find what is there, and says so.
    Lagging,
    /// Every marker is found twice.
    Twins,
    /// The answer is lost: `Fault::Wait`, but it was done.
    InDoubt,
    /// It does not want this: `Fault::Item`, nothing was done.
    Rejected,
    /// The adapter itself is broken: `Fault::Setup`, nothing was done.
    Broken,
    /// Create and update refuse this field and write the others.
    RefuseField(Field),
    /// Create and update keep only so many characters of this field, and say nothing of it.
    Truncate(Field, usize),
    /// Somebody edits the issue just before: an update meets this value.
    EditedBefore(Field, Option<Value>),
}

/// Trouble at some calls of a verb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    verb: Verb,
    skip: usize,
    times: usize,
    trouble: Trouble,
}

impl Planned {
    /// At the next call.
    #[must_use]
    pub fn next(verb: Verb, trouble: Trouble) -> Self {
        Self::nth(verb, 1, trouble)
    }

    /// At the n-th call from now, from 1.
    #[must_use]
    pub fn nth(verb: Verb, n: usize, trouble: Trouble) -> Self {
        Self { verb, skip: n.saturating_sub(1), times: 1, trouble }
    }

    /// At every call.
    #[must_use]
    pub fn always(verb: Verb, trouble: Trouble) -> Self {
        Self { verb, skip: 0, times: usize::MAX, trouble }
    }
}

/// One call: the verb and what it was about (a key, a marker, a file name).
pub type Call = (Verb, String);

/// A tracker in front of another that meets the troubles planned for it and remembers its calls.
#[derive(Debug)]
pub struct Faulty<T> {
    inner: T,
    plan: RefCell<Vec<Planned>>,
    calls: RefCell<Vec<Call>>,
}

impl<T: Tracker> Faulty<T> {
    /// Nothing goes wrong yet.
    pub fn new(inner: T) -> Self {
        Self { inner, plan: RefCell::default(), calls: RefCell::default() }
    }

    /// Something will go wrong; of several plans for one call the first counts.
    pub fn plan(&self, planned: Planned) {
        self.plan.borrow_mut().push(planned);
    }

    /// Nothing goes wrong any more; answers the troubles that were not met.
    pub fn heal(&self) -> Vec<Planned> {
        self.plan.take()
    }

    /// The calls since the last time this was asked.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.take()
    }

    /// Those of [`Faulty::calls`] that change the tracker.
    pub fn writes(&self) -> Vec<Call> {
        self.calls().into_iter().filter(|(verb, _)| verb.writes()).collect()
    }

    /// The tracker behind.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// What goes wrong with this call.
    fn trouble(&self, verb: Verb, about: &str) -> Option<Trouble> {
        self.calls.borrow_mut().push((verb, about.to_owned()));
        let mut plan = self.plan.borrow_mut();
        let mut met = None;
        for planned in plan.iter_mut().filter(|planned| planned.verb == verb) {
            if planned.skip > 0 {
                planned.skip -= 1;
            } else if met.is_none() {
                planned.times -= 1;
                met = Some(planned.trouble.clone());
            }
        }
        plan.retain(|planned| planned.times > 0);
        met
    }

    fn call<A>(&self, verb: Verb, about: &str, act: impl Fn(&T) -> Result<A>) -> Result<A> {
        let trouble = self.trouble(verb, about);
        self.meet(trouble.as_ref(), about, act)
    }

    fn meet<A>(
        &self,
        trouble: Option<&Trouble>,
        about: &str,
        act: impl Fn(&T) -> Result<A>,
    ) -> Result<A> {
        let away = |what: &str| Error::wait(TRACKER_UNAVAILABLE, format!("{what} ({about})"));
        match trouble {
            Some(Trouble::Unavailable) => Err(away("the tracker cannot be reached")),
            Some(Trouble::Busy(wait)) => Err(away("the tracker is busy").retry_after(*wait)),
            Some(Trouble::InDoubt) => {
                act(&self.inner)?;
                Err(away("the tracker did not answer"))
            }
            Some(Trouble::Rejected) => {
                Err(Error::item(TRACKER_REFUSED, format!("the tracker refuses {about}")))
            }
            Some(Trouble::Broken) => Err(Error::setup(DISK, "the adapter is broken")),
            _ => act(&self.inner),
        }
    }

    /// A write of fields, some of which meet trouble of their own.
    fn fields(
        &self,
        trouble: Option<&Trouble>,
        about: &str,
        wanted: &Changes,
        act: impl Fn(&T, &Changes) -> Result<Written>,
    ) -> Result<Written> {
        let mut wanted = wanted.clone();
        let mut refused = Vec::new();
        match trouble {
            Some(Trouble::RefuseField(field)) if wanted.remove(field).is_some() => {
                let text = format!("{field} cannot be set");
                refused.push(Refused { field: field.clone(), code: TRACKER_REFUSED, text });
            }
            Some(Trouble::Truncate(field, most)) => {
                if let Some(Some(value)) = wanted.get_mut(field) {
                    let kept: String = value.joined(", ").chars().take(*most).collect();
                    *value = Value::Text(kept);
                }
            }
            _ => {}
        }
        let mut written = self.meet(trouble, about, |inner| act(inner, &wanted))?;
        written.refused.extend(refused);
        Ok(written)
    }
}

impl<T: Tracker> Tracker for Faulty<T> {
    fn schema(&self) -> Result<Schema> {
        self.call(Verb::Schema, "schema", T::schema)
    }

    fn outline(&self) -> Result<Schema> {
        self.call(Verb::Schema, "outline", T::outline)
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Issue>>> {
        self.call(Verb::GetMany, &keys.join(" "), |inner| inner.get_many(keys))
    }

    fn find(&self, marker: &Marker) -> Result<Vec<String>> {
        match self.trouble(Verb::Find, marker) {
            Some(Trouble::Twins) => Ok(vec!["TWIN-1".to_owned(), "TWIN-2".to_owned()]),
            trouble => self.meet(trouble.as_ref(), marker, |inner| inner.find(marker)),
        }
    }

    fn before_create(&self) -> Result<String> {
        self.call(Verb::BeforeCreate, "create", T::before_create)
    }

    fn probe(&self, markers: &[&Marker], before: &str) -> Result<Vec<Probed>> {
        let about = markers.join(" ");
        match self.trouble(Verb::Probe, &about) {
            Some(Trouble::Lagging) => Ok(markers.iter().map(|_| Probed::Unsure).collect()),
            trouble => self.meet(trouble.as_ref(), &about, |inner| inner.probe(markers, before)),
        }
    }

    fn check(&self) -> Vec<Checked> {
        let checked = self.call(Verb::Check, "check", |inner| Ok(inner.check()));
        checked
            .unwrap_or_else(|error| vec![Checked { what: "check".to_owned(), found: Err(error) }])
    }

    fn create(&self, marker: &Marker, fields: &Changes) -> Result<Written> {
        let trouble = self.trouble(Verb::Create, marker);
        self.fields(trouble.as_ref(), marker, fields, |inner, fields| inner.create(marker, fields))
    }

    fn update(&self, key: &str, changes: &Changes, expected: Option<&Changes>) -> Result<Written> {
        let trouble = self.trouble(Verb::Update, key);
        if let Some(Trouble::EditedBefore(field, value)) = &trouble {
            let edit = Changes::from([(field.clone(), value.clone())]);
            self.inner.update(key, &edit, None)?;
        }
        self.fields(trouble.as_ref(), key, changes, |inner, changes| {
            inner.update(key, changes, expected)
        })
    }

    fn comment(&self, key: &str, comment: &NewComment) -> Result<String> {
        self.call(Verb::Comment, key, |inner| inner.comment(key, comment))
    }

    fn edit_comment(&self, key: &str, id: &str, text: &str) -> Result<()> {
        self.call(Verb::EditComment, key, |inner| inner.edit_comment(key, id, text))
    }

    fn delete_comment(&self, key: &str, id: &str) -> Result<()> {
        self.call(Verb::DeleteComment, key, |inner| inner.delete_comment(key, id))
    }

    fn prepare(&self, file: &Attachment) -> Result<()> {
        self.call(Verb::Prepare, &file.name, |inner| inner.prepare(file))
    }

    fn attach(&self, key: &str, file: &Attachment) -> Result<()> {
        self.call(Verb::Attach, key, |inner| inner.attach(key, file))
    }

    fn detach(&self, key: &str, name: &str) -> Result<()> {
        self.call(Verb::Detach, key, |inner| inner.detach(key, name))
    }

    fn changed_since(&self, token: Option<&str>) -> Result<Feed> {
        let about = token.unwrap_or("the beginning");
        self.call(Verb::ChangedSince, about, |inner| inner.changed_since(token))
    }

    fn mark(&self, key: &str, marker: Option<&Marker>) -> Result<()> {
        self.call(Verb::Mark, key, |inner| inner.mark(key, marker))
    }
}
