//! Roundup: over REST, or over XML-RPC where the release has nothing else.
//!
//! Its items are typed by the instance's own schema, so nothing is assumed of an issue but that
//! it has `messages` and `files`. See `docs/trackers/roundup.md` for every request.

mod api;
mod data;
mod feed;
mod fields;
mod files;
mod look;
mod many;
mod marker;
mod messages;
mod names;
mod read;
mod rest;
mod revision;
mod ties;
mod write;
mod xmlrpc;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};

use super::http::{self, Http};
use super::{
    Capabilities, Changes, Checked, Feed, GoOn, Marker, NewComment, Order, Receipt, Schema,
    TRACKER_UNAVAILABLE, Tracker, Written,
};
use crate::issue::{Attachment, Field, Issue};
use crate::{Error, Result};

use api::Api;
use data::{Classes, Where};
use names::Names;

/// Which interface is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interface {
    /// REST where the instance has it, else XML-RPC.
    #[default]
    Any,
    /// REST (Roundup 2.0 and later).
    Rest,
    /// XML-RPC.
    XmlRpc,
}

/// How a Roundup is reached and used.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where it is, and who we are: `url` is the address of the tracker itself,
    /// `https://host.example/demo`, and the log-in is [`http::Auth::Basic`].
    pub http: http::Options,
    /// The account's name there: the author of our messages.
    pub user: String,
    /// Which interface.
    pub interface: Interface,
    /// A text property of issues that holds the marker; `None`: the first message carries it.
    pub marker: Option<String>,
    /// A keyword of messages that is shown before their text, `#to-remote …`, so that a rule can
    /// send those that have it.
    pub message_keyword: Option<String>,
    /// Names in the class `ext_tracker`, by partner; without one it is `installation/partner`.
    pub ext_trackers: BTreeMap<String, String>,
    /// The fields that rules name; those with a dot or a slash are read only if they are here.
    pub fields: Vec<Field>,
}

/// A Roundup.
pub struct Roundup {
    options: Options,
    http: Arc<Http>,
    api: OnceLock<Box<dyn Api>>,
    classes: OnceLock<Classes>,
    me: OnceLock<String>,
    names: Names,
    files: Mutex<HashMap<String, Attachment>>,
}

impl Roundup {
    /// The tracker at the address; nothing is sent yet.
    ///
    /// # Errors
    /// When the address or a certificate cannot be used.
    pub fn new(options: Options) -> Result<Self> {
        Ok(Self {
            http: Arc::new(Http::new(&options.http)?),
            options,
            api: OnceLock::new(),
            classes: OnceLock::new(),
            me: OnceLock::new(),
            names: Names::default(),
            files: Mutex::default(),
        })
    }

    /// The interface that is used, `REST` or `XML-RPC`.
    ///
    /// # Errors
    /// When the tracker cannot be reached.
    pub fn interface(&self) -> Result<&'static str> {
        Ok(self.api()?.name())
    }

    fn api(&self) -> Result<&dyn Api> {
        if let Some(api) = self.api.get() {
            return Ok(api.as_ref());
        }
        let rest = match self.options.interface {
            Interface::Rest => true,
            Interface::XmlRpc => false,
            Interface::Any => rest::Rest::is_there(&self.http)?,
        };
        let http = Arc::clone(&self.http);
        let api: Box<dyn Api> = if rest {
            Box::new(rest::Rest::new(http))
        } else {
            Box::new(xmlrpc::XmlRpc::new(http))
        };
        // Values are read by their types.
        let classes = api.classes()?;
        let _ = self.classes.set(classes);
        Ok(self.api.get_or_init(|| api).as_ref())
    }

    fn classes(&self) -> Result<&Classes> {
        self.api()?;
        let unknown = || Error::wait(TRACKER_UNAVAILABLE, "the schema of Roundup is not known");
        self.classes.get().ok_or_else(unknown)
    }

    /// Those of these issues that are there: a retired one can be read and written by its number,
    /// but is in no list.
    fn present(&self, keys: &[&str]) -> Result<HashSet<String>> {
        let numbers = keys.iter().filter(|key| is_number(key)).map(|key| (*key).to_owned());
        let numbers: Vec<String> = numbers.collect();
        let mut present = HashSet::with_capacity(numbers.len());
        for chunk in numbers.chunks(150) {
            let found = self.api()?.select("issue", &Where::Ids(chunk.to_vec()), &["id"])?;
            present.extend(found.into_iter().map(|item| item.id));
        }
        Ok(present)
    }

    /// That the issue is there.
    fn need(&self, key: &str) -> Result<()> {
        if self.present(&[key])?.is_empty() { Err(rest::gone("issue", key)) } else { Ok(()) }
    }

    /// The id of our account.
    fn me(&self) -> Result<&str> {
        if let Some(me) = self.me.get() {
            return Ok(me);
        }
        let found = self.linked("user", Some("username"), &self.options.user)?;
        let Some(me) = found else {
            let what = format!("Roundup does not show us our account {:?}", self.options.user);
            return Err(Error::wait(TRACKER_UNAVAILABLE, what)
                .hint("the account's role needs permission to view user.username"));
        };
        Ok(self.me.get_or_init(|| me))
    }
}

impl Tracker for Roundup {
    fn schema(&self) -> Result<Schema> {
        self.fields()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Issue>>> {
        self.read_many(keys)
    }

    fn find(&self, marker: &Marker) -> Result<Vec<String>> {
        Ok(self.find_ties(&[marker])?.pop().unwrap_or_default())
    }

    fn find_many(&self, markers: &[&Marker]) -> Result<Vec<Vec<String>>> {
        self.find_ties(markers)
    }

    fn create(&self, marker: &Marker, fields: &Changes) -> Result<Written> {
        let (key, refused) = self.make(marker, fields)?;
        self.written(&key, refused)
    }

    fn update(&self, key: &str, changes: &Changes, expected: Option<&Changes>) -> Result<Written> {
        self.need(key)?;
        let refused = self.change(key, changes, expected)?;
        self.written(key, refused)
    }

    fn comment(&self, key: &str, comment: &NewComment) -> Result<String> {
        self.need(key)?;
        self.add_comment(key, comment)
    }

    fn edit_comment(&self, key: &str, id: &str, text: &str) -> Result<()> {
        self.need(key)?;
        self.change_comment(key, id, text)
    }

    fn delete_comment(&self, key: &str, id: &str) -> Result<()> {
        self.need(key)?;
        self.remove_comment(key, id)
    }

    /// There is nothing to be done before the issue is there: the content is only read for its
    /// digest.
    fn prepare(&self, file: &Attachment) -> Result<()> {
        file.digest().map(drop).map_err(|error| files::unreadable(file, error))
    }

    fn attach(&self, key: &str, file: &Attachment) -> Result<()> {
        self.need(key)?;
        self.attach_file(key, file)
    }

    fn detach(&self, key: &str, name: &str) -> Result<()> {
        self.need(key)?;
        self.detach_file(key, name)
    }

    fn changed_since(&self, token: Option<&str>) -> Result<Feed> {
        self.feed(token)
    }

    fn mark(&self, key: &str, marker: Option<&Marker>) -> Result<()> {
        self.need(key)?;
        self.tie(key, marker)
    }

    fn check(&self) -> Vec<Checked> {
        self.look_around()
    }

    fn write_many(&self, orders: &[Order<'_>], go_on: &GoOn<'_>) -> Vec<Receipt> {
        self.carry_out_all(orders, go_on)
    }
}

/// Issues are known by their numbers.
fn is_number(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit())
}
