//! Jira Server and Data Center (REST v2) and Jira Cloud (REST v3).
//!
//! What is written is read back by key and never believed from a search alone, since a search
//! index lags. A create whose answer is lost is never repeated: [`Tracker::probe`] looks for its
//! marker by search and, past the index, by the keys that came after.

mod adf;
mod changes;
mod check;
mod client;
mod comments;
mod discover;
mod fields;
mod files;
mod first;
mod many;
mod marker;
mod meta;
mod plan;
mod read;
mod transitions;
mod write;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Instant;

use super::http::{self, Http};
use super::orders::GoOn;
use super::{
    Capabilities, Changes, Checked, Feed, Marker, NewComment, Order, Probed, Receipt, Schema,
    Tracker, Written,
};
use crate::issue::{Attachment, Field, Issue};
use crate::{CONFIG, Error, Result, Timestamp};

use discover::TypeAt;
use meta::Meta;

/// Which Jira it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Api {
    /// Server or Data Center: REST v2, text in wiki markup, users by name.
    #[default]
    Server,
    /// Cloud: REST v3, text as Atlassian Document Format, users by account id.
    Cloud,
}

/// Where an issue carries the marker that ties it to a partner's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MarkIn {
    /// In the entity property `engsync`: invisible, set in the request that makes the issue.
    /// Found by search only where an app of the site has Jira index it.
    #[default]
    Property,
    /// In this text field, by id or name: always found by search.
    Field(String),
}

/// Who may see the comments we add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// The members of a role of the project.
    Role(String),
    /// The members of a group.
    Group(String),
}

/// How a Jira is reached and used.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The server, the log-in, the certificates, the proxy.
    pub http: http::Options,
    /// Which Jira it is.
    pub api: Api,
    /// The key of the project.
    pub project: String,
    /// Name or id of the type of new issues.
    pub issue_type: String,
    /// Where the marker is.
    pub marker: MarkIn,
    /// The fields the rules name: these are read beside the usual ones.
    pub fields: Vec<Field>,
    /// How many calls run at a time; 0 is 4.
    pub parallel: usize,
    /// How many transitions may lead to a status, where none does directly; 0 and 1: only a
    /// direct one.
    pub transitions: usize,
    /// Attach the whole of a text that had to be cut.
    pub attach_cut_text: bool,
    /// Who may see the comments we add; `None`: whoever sees the issue.
    pub comment_visibility: Option<Visibility>,
}

/// A project of a Jira.
pub struct Jira {
    http: Arc<Http>,
    options: Options,
    meta: RwLock<Option<Arc<Meta>>>,
    /// Held while it is asked what new issues take.
    asking: Mutex<()>,
    memory: Mutex<Memory>,
}

/// What was learnt on the way and spares a call.
#[derive(Default)]
struct Memory {
    /// The account we work under, as comments name it.
    myself: Option<String>,
    /// The status a new issue has.
    initial: Option<String>,
    /// The attachments by their id.
    files: HashMap<String, Attachment>,
    /// Accounts by what they were called.
    accounts: HashMap<String, Option<String>>,
    /// The search does not know our property.
    property_unsearchable: bool,
    /// The search takes no OR.
    or_refused: bool,
    /// The highest number of a key, where all of the project was listed.
    highest: Option<u64>,
    /// The highest number of a key that we know of: listed, or made by us.
    top: Option<u64>,
    /// The keys we made.
    made: HashSet<String>,
    /// The markers of a Server's issues, which it tells one by one only.
    markers: HashMap<String, Option<String>>,
    /// It keeps no properties at all.
    without_properties: bool,
    /// The tracker's time, and when it said so.
    time: Option<(Timestamp, Instant)>,
    /// How many issues a page of a search holds at most.
    page: Option<usize>,
    /// Where it is asked what new issues take.
    type_at: Option<TypeAt>,
    /// Statuses that can be reached from a status, by one transition.
    ways: HashMap<String, Vec<String>>,
}

impl Jira {
    /// Sends nothing yet.
    ///
    /// # Errors
    /// When the options cannot be used.
    pub fn new(options: Options) -> Result<Self> {
        let named = |key: &str, value: &str| {
            if value.is_empty() {
                let what = format!("[tracker] {key} is missing");
                return Err(Error::setup(CONFIG, what).hint("kind = \"jira\" needs it"));
            }
            Ok(())
        };
        named("project", &options.project)?;
        named("issue_type", &options.issue_type)?;
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !options.project.chars().all(legal) {
            let what = format!("project = {:?} is no key of a project", options.project);
            return Err(Error::setup(CONFIG, what).hint("use the key, as in the issue ABC-1"));
        }
        let http = Arc::new(Http::new(&options.http)?);
        let (meta, asking, memory) = (RwLock::default(), Mutex::default(), Mutex::default());
        Ok(Self { http, options, meta, asking, memory })
    }

    fn is_cloud(&self) -> bool {
        self.options.api == Api::Cloud
    }

    fn parallel(&self) -> usize {
        if self.options.parallel == 0 { 4 } else { self.options.parallel.min(32) }
    }

    /// What was learnt so far, to look at or to add to.
    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Tracker for Jira {
    fn schema(&self) -> Result<Schema> {
        Ok(self.whole()?.meta().schema(&self.options))
    }

    fn outline(&self) -> Result<Schema> {
        Ok(self.outline_now()?.schema(&self.options))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Issue>>> {
        read::many(self, keys)
    }

    fn find(&self, marker: &Marker) -> Result<Vec<String>> {
        Ok(marker::find(self, &[marker])?.pop().unwrap_or_default())
    }

    fn find_many(&self, markers: &[&Marker]) -> Result<Vec<Vec<String>>> {
        marker::find_to_make(self, markers)
    }

    fn create(&self, marker: &Marker, fields: &Changes) -> Result<Written> {
        let order =
            Order { marker: marker.to_owned(), changes: fields.clone(), ..Order::default() };
        many::one(self, &order)
    }

    fn before_create(&self) -> Result<String> {
        marker::before_create(self)
    }

    fn probe(&self, markers: &[&Marker], before: &str) -> Result<Vec<Probed>> {
        marker::probe(self, markers, before)
    }

    fn check(&self) -> Vec<Checked> {
        check::all(self)
    }

    fn update(&self, key: &str, changes: &Changes, expected: Option<&Changes>) -> Result<Written> {
        let order = Order {
            key: Some(key.to_owned()),
            changes: changes.clone(),
            expected: expected.cloned(),
            ..Order::default()
        };
        many::one(self, &order)
    }

    fn comment(&self, key: &str, comment: &NewComment) -> Result<String> {
        comments::add(self, key, comment, &mut None).map(|(id, _)| id)
    }

    fn edit_comment(&self, key: &str, id: &str, text: &str) -> Result<()> {
        comments::edit(self, key, id, text)
    }

    fn delete_comment(&self, key: &str, id: &str) -> Result<()> {
        comments::delete(self, key, id)
    }

    fn prepare(&self, file: &Attachment) -> Result<()> {
        files::digest(file).map(drop)
    }

    fn attach(&self, key: &str, file: &Attachment) -> Result<()> {
        let there = files::list(self, key)?;
        files::attach(self, key, file, &there).map(drop)
    }

    fn detach(&self, key: &str, name: &str) -> Result<()> {
        files::detach(self, key, name)
    }

    fn changed_since(&self, token: Option<&str>) -> Result<Feed> {
        changes::since(self, token)
    }

    fn at_first(&self) -> Result<Changes> {
        first::of_new(self)
    }

    fn mark(&self, key: &str, marker: Option<&Marker>) -> Result<()> {
        marker::mark(self, key, marker.filter(|marker| !marker.is_empty()))
    }

    fn write_many(&self, orders: &[Order<'_>], go_on: &GoOn<'_>) -> Vec<Receipt> {
        many::write(self, orders, go_on)
    }
}
