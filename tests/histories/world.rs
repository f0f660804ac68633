//! A partner, an installation over an embedded tracker in memory, and what is under way between.
#![allow(dead_code, reason = "each test takes what it needs")]

mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use engsync::db::Db;
use engsync::disk::Disk;
use engsync::issue::{Attachment, Comment, Content, Issue, Person, Record, Value};
use engsync::state::{self, Entry, EntryKind, Filter, Link, Outgoing, Pending, State};
use engsync::sync::conflict::Conflict;
use engsync::sync::{Change, Context, Delivery, GonePolicy, OutPlan, Outcome, Policy, Side, Take};
use engsync::tracker::double::{Faulty, Planned, Trouble};
use engsync::tracker::embedded::{self, Embedded};
use engsync::tracker::{Changes, NewComment, Schema, Tracker};
use engsync::{Clock, Digest, Fault, Result, Timestamp};

pub(crate) const PARTNER: &str = "oem";

/// A file's bytes.
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Content for Bytes {
    fn read_with(&self, sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>) -> io::Result<()> {
        sink(&mut self.0.as_slice())
    }
}

struct Still(Timestamp);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// The partner's side of one issue.
#[derive(Clone, Default)]
pub(crate) struct Theirs {
    pub(crate) title: String,
    pub(crate) shared: Option<String>,
    pub(crate) comments: Vec<String>,
    pub(crate) files: Vec<(String, String)>,
    /// What our answers said.
    pub(crate) status: String,
    pub(crate) told: Vec<String>,
    pub(crate) got: BTreeMap<String, String>,
    /// How often `shared` was set, and which of those settings arrived here last: the same value
    /// typed once more is another one.
    turn: usize,
    arrived: usize,
}

impl Theirs {
    /// Sets the shared value, whoever says so.
    pub(crate) fn types(&mut self, value: Option<String>) {
        if self.shared != value {
            self.turn += 1;
            self.shared = value;
        }
    }
}

/// A document on its way to us.
#[derive(Clone)]
pub(crate) struct Export {
    pub(crate) number: usize,
    at: i64,
    what: Theirs,
}

pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) tracker: Faulty<Embedded>,
    schema: Schema,
    pub(crate) policy: Policy,
    now: Timestamp,
    pub(crate) theirs: Vec<Theirs>,
    pub(crate) exports: Vec<Export>,
    answers: Vec<(usize, Outgoing)>,
    kept: BTreeMap<String, Vec<u8>>,
    token: Option<String>,
    typed: BTreeSet<String>,
    overwrote: Vec<(usize, String, Value)>,
    clock: i64,
    shared: bool,
    pub(crate) clear: bool,
}

impl World {
    /// `shared`: state and tracker in one database.
    pub(crate) fn new(shared: bool, policy: &str, clear: bool) -> Self {
        let path = Path::new("in-memory/engsync.db");
        let (db, other) = if shared {
            let db = Db::overlay(path, &[state::SCHEMA, embedded::SCHEMA]).unwrap();
            (db.clone(), db)
        } else {
            let other = Db::overlay(path, &[embedded::SCHEMA]).unwrap();
            (Db::overlay(path, &[state::SCHEMA]).unwrap(), other)
        };
        let options = embedded::Options {
            key_prefix: "ISS".into(),
            values: BTreeMap::new(),
            actor: "engsync".into(),
            fields: vec!["shared".into()],
            shares_state: shared,
            files: "in-memory/files".into(),
        };
        let now = Timestamp::UNIX_EPOCH;
        let tracker =
            Embedded::overlay(other, Disk::default(), options, Rc::new(Still(now))).unwrap();
        let schema = tracker.schema().unwrap();
        let policy = Policy {
            partner: PARTNER.into(),
            installation: "main".into(),
            rules: rules::rules(policy, clear),
            answer_always: false,
            gone: GonePolicy::Hold,
        };
        Self {
            state: State::new(db),
            tracker: Faulty::new(tracker),
            schema,
            policy,
            now,
            theirs: vec![Theirs { title: "first".into(), ..Theirs::default() }; 2],
            exports: Vec::new(),
            answers: Vec::new(),
            kept: BTreeMap::new(),
            token: None,
            typed: BTreeSet::new(),
            overwrote: Vec::new(),
            clock: 0,
            shared,
            clear,
        }
    }

    /// With these rules beside its own.
    pub(crate) fn and(mut self, toml: &str) -> Self {
        self.policy.rules.extend(rules::read(toml));
        self
    }

    fn context<'a>(&'a self, package: Option<&'a str>) -> Context<'a> {
        Context {
            policy: &self.policy,
            state: &self.state,
            tracker: &self.tracker,
            schema: &self.schema,
            package,
            now: self.now,
        }
    }

    pub(crate) fn link(&self, number: usize) -> Option<Link> {
        self.state.link(PARTNER, &number.to_string()).unwrap()
    }

    pub(crate) fn local(&self, number: usize) -> Option<Issue> {
        let key = self.link(number)?.key?;
        self.tracker.inner().get_many(&[key]).unwrap().pop().flatten()
    }

    pub(crate) fn export(&mut self, number: usize) {
        self.clock += 1;
        let what = self.theirs[number].clone();
        self.exports.push(Export { number, at: self.clock, what });
    }

    /// Hands a document in. What cannot be applied now is to be handed in again.
    pub(crate) fn deliver(&mut self, export: &Export) -> bool {
        let number = export.number;
        let comment = |(n, text): (usize, &String)| Comment {
            id: String::new(),
            author: Some(Person { id: "U1".into(), name: "Erika".into() }),
            created: chrono::DateTime::from_timestamp(n as i64 * 60, 0),
            updated: None,
            text: text.clone(),
        };
        let mut fields = Record::new();
        fields.set("problem_synopsis", Value::text(&export.what.title));
        fields.set("reproducibility", export.what.shared.as_deref().and_then(Value::text));
        let issue = Issue {
            id: number.to_string(),
            fields,
            comments: export.what.comments.iter().enumerate().map(comment).collect(),
            attachments: export.what.files.iter().map(|(name, text)| file(name, text)).collect(),
            ..Issue::default()
        };
        let reference = format!("ENG{:017}MFA", export.at);
        let delivery = Delivery {
            issue,
            revision: chrono::DateTime::from_timestamp(export.at * 60, 0),
            reference: reference.clone(),
            peer_short: "MFAG".into(),
            findings: Vec::new(),
        };
        let done = self.hand_in(&delivery, &reference);
        if done {
            let arrived = &mut self.theirs[number].arrived;
            *arrived = export.what.turn.max(*arrived);
        }
        done
    }

    fn hand_in(&mut self, delivery: &Delivery, reference: &str) -> bool {
        for file in &delivery.issue.attachments {
            let (digest, _) = file.digest().unwrap();
            let mut bytes = Vec::new();
            file.read_with(&mut |reader| reader.read_to_end(&mut bytes).map(drop)).unwrap();
            self.kept.insert(digest.to_string(), bytes);
        }
        let number: usize = delivery.issue.id.parse().unwrap();
        let before = self.local(number);
        let done = self.try_deliver(delivery, reference);
        self.overwritten(number, before.as_ref());
        match done {
            Ok(_) => {
                self.assert_journalled(number);
                true
            }
            Err(error) => {
                assert_ne!(error.fault, Fault::Setup, "{error:?}");
                false
            }
        }
    }

    fn try_deliver(&self, delivery: &Delivery, reference: &str) -> Result<Outcome> {
        let link = self.state.link(PARTNER, &delivery.issue.id)?;
        let keys: Vec<String> = link.iter().filter_map(|link| link.key.clone()).collect();
        let local = self.tracker.get_many(&keys)?.pop().flatten();
        for file in &delivery.issue.attachments {
            self.tracker.prepare(file)?;
        }
        engsync::sync::deliver(&self.context(Some(reference)), delivery, link, local)
    }

    /// What a gate kept back is tried again.
    pub(crate) fn take_pending(&mut self) {
        for link in self.state.pending(PARTNER).unwrap() {
            let pending = link.pending.clone().unwrap();
            let mut delivery = Delivery::of_pending(&link, &pending);
            let kept = |kept: &state::OutgoingFile| {
                let bytes = self.kept[&kept.sha256].clone();
                Attachment::new(&kept.name, None, Arc::new(Bytes(bytes)))
            };
            delivery.issue.attachments = pending.files.iter().map(kept).collect();
            self.hand_in(&delivery, &pending.package);
        }
    }

    /// Looks for local changes, and freezes what is owed. Answers whether there was any.
    pub(crate) fn sweep_and_freeze(&mut self) -> bool {
        let Ok(feed) = self.tracker.changed_since(self.token.as_deref()) else { return false };
        let links = self.state.links(PARTNER).unwrap();
        for link in links {
            let Some(key) = link.key.clone() else { continue };
            if feed.keys.as_ref().is_some_and(|keys| !keys.contains(&key)) {
                continue;
            }
            let Ok(mut locals) = self.tracker.get_many(&[key]) else { return false };
            engsync::sync::sweep(&self.context(None), link, locals.pop().flatten()).unwrap();
        }
        self.token = Some(feed.token);
        let owed = self.state.owed(PARTNER).unwrap();
        let any = !owed.is_empty();
        for mut link in owed {
            let outgoing = link.owed.take().unwrap();
            let nothing = Outgoing::default();
            let plan = OutPlan { outgoing: outgoing.clone(), ..OutPlan::default() };
            let entry = Entry {
                at: String::new(),
                partner: PARTNER.into(),
                package: None,
                remote: link.remote.clone(),
                key: link.key.clone(),
                kind: EntryKind::Out,
                changes: plan
                    .changes(link.base.sent.as_ref().unwrap_or(&nothing), &link.base.delivered),
            };
            self.state.journal(&entry).unwrap();
            link.base.agree(&outgoing.agreed);
            let before = link.base.sent.replace(outgoing.clone()).unwrap_or_default();
            self.state.save_link(&mut link).unwrap();
            let new = Outgoing { files: outgoing.new_files(&before), ..outgoing };
            self.answers.push((link.remote.parse().unwrap(), new));
        }
        any
    }

    /// The partner reads the answers that are under way; each twice, if `twice`.
    pub(crate) fn answers_arrive(&mut self, twice: bool) {
        for (number, answer) in std::mem::take(&mut self.answers) {
            for _ in 0..=usize::from(twice) {
                self.answer_arrives(number, &answer);
            }
        }
    }

    fn answer_arrives(&mut self, number: usize, answer: &Outgoing) {
        let said = answer.fields.get("reproducibility").map(Value::to_string);
        let cleared = answer.cleared.contains("reproducibility");
        let theirs = &self.theirs[number];
        if said.is_some() || cleared {
            // What never arrived here nobody here can know of.
            let known = theirs.turn == theirs.arrived;
            if let Some(lost) =
                theirs.shared.clone().filter(|value| known && Some(value) != said.as_ref())
            {
                // A value that a person here typed as well is theirs to lose.
                let here = self.typed.contains(&lost);
                assert!(here || self.remembers(number, &lost), "{lost:?} of the partner is gone");
            }
            self.theirs[number].types(said);
        }
        let theirs = &mut self.theirs[number];
        theirs.status = answer.fields.text("supplier_status");
        theirs.told = answer.comments.iter().map(|comment| comment.text.clone()).collect();
        theirs.got.extend(answer.files.iter().map(|f| (f.name.clone(), f.sha256.clone())));
    }

    /// Whether a value stands in the journal, in a record of a conflict, or waits behind a gate.
    fn remembers(&self, number: usize, value: &str) -> bool {
        let is = |other: &Option<Value>| other.as_ref().is_some_and(|o| o.to_string() == value);
        let journal = self.journal(number).iter().any(|c| is(&c.from) || is(&c.to));
        let conflicts = self.state.conflicts::<Conflict>().unwrap();
        let record = |conflict: &Conflict| {
            let decided = conflict.decision.as_ref().map(|decided| &decided.value);
            is(&conflict.base)
                || is(&conflict.local)
                || is(&conflict.remote)
                || decided.is_some_and(is)
        };
        let of = |remote: &str| remote == number.to_string();
        let pending = self.link(number).and_then(|link| link.pending);
        let waits = pending.is_some_and(|p| p.fields.text("reproducibility") == value);
        journal || waits || conflicts.iter().any(|row| of(&row.remote) && record(&row.record))
    }

    pub(crate) fn journal(&self, number: usize) -> Vec<Change> {
        let number = number.to_string();
        let filter = Filter { partner: Some(PARTNER), issue: Some(&number) };
        let entries = self.state.entries::<Change>(&filter).unwrap();
        entries.into_iter().flat_map(|entry| entry.changes).collect()
    }

    /// Notes what a delivery overwrote here, done or failed half-way.
    fn overwritten(&mut self, number: usize, before: Option<&Issue>) {
        let (Some(before), Some(after)) = (before, self.local(number)) else { return };
        for (field, was) in before.fields.iter().filter(|(field, _)| *field != "updated") {
            if after.fields.get(field) != Some(was) {
                self.overwrote.push((number, field.to_owned(), was.clone()));
            }
        }
    }

    /// Whatever was overwritten stands in the journal, at the latest when the delivery is done.
    fn assert_journalled(&mut self, number: usize) {
        let journal = self.journal(number);
        for (_, field, was) in self.overwrote.iter().filter(|(of, ..)| *of == number) {
            let told = journal.iter().any(|change| {
                change.side == Side::Local
                    && change.field == *field
                    && change.from.as_ref() == Some(was)
            });
            assert!(told, "{field}: {was:?} is gone without a word");
        }
        self.overwrote.retain(|(of, ..)| *of != number);
    }

    // What people do here.

    pub(crate) fn set(&mut self, number: usize, field: &str, value: &str) {
        self.typed.insert(value.to_owned());
        let Some(key) = self.link(number).and_then(|link| link.key) else { return };
        let changes = Changes::from([(field.to_owned(), Value::text(value))]);
        self.tracker.inner().update(&key, &changes, None).unwrap();
    }

    pub(crate) fn comment(&self, number: usize, text: String) {
        let Some(key) = self.link(number).and_then(|link| link.key) else { return };
        self.tracker.inner().comment(&key, &NewComment { text, ..NewComment::default() }).unwrap();
    }

    /// A comment of our own is edited, or deleted.
    pub(crate) fn change_comment(&self, number: usize, n: usize, text: Option<&str>) {
        let Some(link) = self.link(number) else { return };
        let Some(local) = self.local(number) else { return };
        let imported = |id: &String| link.base.comments_in.values().any(|known| known == id);
        let own: Vec<&Comment> = local
            .comments
            .iter()
            .filter(|comment| {
                !imported(&comment.id) && comment.author.as_ref().is_none_or(|a| a.id != "U1")
            })
            .collect();
        let Some(comment) = own.get(n % own.len().max(1)) else { return };
        match text {
            Some(text) => self.tracker.inner().edit_comment(&local.id, &comment.id, text).unwrap(),
            None => self.tracker.inner().delete_comment(&local.id, &comment.id).unwrap(),
        }
    }

    pub(crate) fn attach(&self, number: usize, name: &str, text: &str) {
        let Some(key) = self.link(number).and_then(|link| link.key) else { return };
        let file = file(name, text);
        self.tracker.inner().prepare(&file).unwrap();
        self.tracker.inner().attach(&key, &file).unwrap();
    }

    /// A person decides every open conflict of an issue, or takes the last decision back.
    pub(crate) fn decide(&mut self, number: usize, take: Option<&Take>) {
        let rows = self.state.conflicts::<Conflict>().unwrap();
        let wanted = if take.is_some() { "open" } else { "resolved" };
        let of = |row: &&state::ConflictRow<Conflict>| {
            row.remote == number.to_string() && row.state == wanted
        };
        let Some(row) = rows.iter().rfind(of) else { return };
        let (Some(link), Some(local)) = (self.link(number), self.local(number)) else { return };
        let context = self.context(None);
        match take {
            Some(take) => engsync::sync::resolve(&context, row, take, link, local).map(drop),
            None => engsync::sync::undo(&context, row, link, local).map(drop),
        }
        .unwrap_or_else(|error| assert_ne!(error.fault, Fault::Setup, "{error:?}"));
    }

    pub(crate) fn trouble(&self, planned: Planned) {
        self.tracker.plan(planned);
    }

    /// `engsync retry`: what is held is tried again.
    pub(crate) fn retry(&mut self) {
        for mut link in self.state.links(PARTNER).unwrap() {
            if link.base.held.keys().any(|mark| mark.starts_with("in:")) && link.pending.is_none() {
                link.pending = Some(Pending {
                    fields: link.base.delivered.clone(),
                    revision: link.base.revision,
                    package: link.base.package.clone(),
                    peer_short: link.base.peer_short.clone(),
                    ..Pending::default()
                });
            }
            link.base.held.clear();
            self.state.save_link(&mut link).unwrap();
        }
        self.token = None;
        self.take_pending();
    }

    pub(crate) fn shares_state(&self) -> bool {
        self.shared
    }
}

pub(crate) fn file(name: &str, text: &str) -> Attachment {
    let file = Attachment::new(name, None, Arc::new(Bytes(text.as_bytes().to_vec())));
    file.digest().unwrap();
    file
}

pub(crate) fn sha256(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()
}

/// Trouble with fields.
pub(crate) fn refuse(field: &str) -> Trouble {
    Trouble::RefuseField(field.to_owned())
}
