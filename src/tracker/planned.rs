//! A tracker for dry runs: it reads through to another and keeps what is written to itself, so
//! that what is planned later sees what was planned before. Nothing is ever written: what it
//! holds of the other can only read.

mod edit;
mod reader;

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::{
    Capabilities, Changes, Checked, Feed, LOCAL_GONE, Marker, NewComment, Probed, Schema, Tracker,
    Written,
};
use crate::issue::{Attachment, Comment, Issue, Person};
use crate::{Clock, DISK, Error, NOT_FOUND, Result, Timestamp};

use edit::Edited;
use reader::Reader;

/// Parts the token of the tracker behind from ours; in no tracker's token.
const MARK: char = '\u{1f}';

/// What is planned over a tracker.
pub struct Planned {
    reader: Reader,
    clock: Rc<dyn Clock>,
    schema: OnceCell<Schema>,
    /// What a new issue has that nobody wrote.
    first: OnceCell<Changes>,
    plan: RefCell<Plan>,
}

/// What was written so far.
#[derive(Default)]
struct Plan {
    issues: BTreeMap<String, Issue>,
    /// The marker of an issue that was tied or untied.
    markers: BTreeMap<String, Option<String>>,
    /// The comments with a token, by key and token.
    tokens: BTreeMap<(String, String), String>,
    /// When an issue was last written to, as a number that grows.
    changed: BTreeMap<String, u64>,
    seq: u64,
    made: u64,
    commented: u64,
}

impl Planned {
    /// Over `tracker`, which is only read. `clock` gives the time of comments and edits.
    #[must_use]
    pub fn new(tracker: Box<dyn Tracker>, clock: Rc<dyn Clock>) -> Self {
        let reader = Reader::new(tracker);
        Self {
            reader,
            clock,
            schema: OnceCell::new(),
            first: OnceCell::new(),
            plan: RefCell::default(),
        }
    }

    fn fields(&self) -> Result<&Schema> {
        if self.schema.get().is_none() {
            let _ = self.schema.set(self.reader.schema()?);
        }
        Ok(self.schema.get_or_init(Schema::default))
    }

    /// An issue as the tracker makes it, before anything is written.
    fn blank(&self, key: &str) -> Result<Issue> {
        if self.first.get().is_none() {
            let _ = self.first.set(self.reader.at_first()?);
        }
        let first = self.first.get_or_init(Changes::new);
        let mut issue = Issue { id: key.to_owned(), ..Issue::default() };
        for (field, value) in first {
            issue.fields.set(field.as_str(), value.clone());
        }
        let known = |field: &&String| !first.contains_key(*field);
        issue.unknown = self.fields()?.fields.keys().filter(known).cloned().collect();
        Ok(issue)
    }

    fn get(&self, key: &str) -> Result<Issue> {
        let found = self.get_many(&[key.to_owned()])?.pop().flatten();
        found.ok_or_else(|| Error::item(LOCAL_GONE, format!("there is no issue {key:?}")))
    }

    /// Keeps an issue as it is to be.
    fn keep(&self, issue: Issue) {
        let mut plan = self.plan.borrow_mut();
        plan.seq += 1;
        let seq = plan.seq;
        plan.changed.insert(issue.id.clone(), seq);
        let revision = Some(revision(seq));
        plan.issues.insert(issue.id.clone(), Issue { revision, ..issue });
    }

    /// Changes the comment of an issue; whether there was one.
    fn with_comment(
        &self,
        key: &str,
        id: &str,
        change: impl FnOnce(&mut Vec<Comment>, usize, Timestamp),
    ) -> Result<bool> {
        let mut issue = self.get(key)?;
        let Some(place) = issue.comments.iter().position(|comment| comment.id == id) else {
            return Ok(false);
        };
        let before = issue.comments.clone();
        change(&mut issue.comments, place, self.clock.now());
        if issue.comments != before {
            self.keep(issue);
        }
        Ok(true)
    }

    /// The issues with a marker, given those that the tracker behind names.
    fn marked(&self, marker: &str, behind: Vec<String>) -> Vec<String> {
        let plan = self.plan.borrow();
        let mut keys = behind;
        keys.retain(|key| !plan.markers.contains_key(key));
        let planned = plan.markers.iter().filter(|(_, tied)| tied.as_deref() == Some(marker));
        keys.extend(planned.map(|(key, _)| key.clone()));
        keys
    }

    /// A marker is free, or `key`'s own.
    fn is_free(&self, marker: &str, key: &str) -> Result<()> {
        let taken = self.find(marker)?.into_iter().find(|other| other != key);
        taken.map_or(Ok(()), |taken| {
            Err(Error::item(super::TRACKER_REFUSED, format!("{taken} is tied to {marker} already")))
        })
    }
}

fn revision(seq: u64) -> String {
    format!("planned {seq}")
}

impl Tracker for Planned {
    fn schema(&self) -> Result<Schema> {
        self.fields().cloned()
    }

    fn outline(&self) -> Result<Schema> {
        self.reader.outline()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Issue>>> {
        let is_new = |key: &&String| !self.plan.borrow().issues.contains_key(*key);
        let behind: Vec<String> = keys.iter().filter(is_new).cloned().collect();
        let mut found = self.reader.get_many(&behind)?.into_iter();
        let plan = self.plan.borrow();
        let planned = |key: &String| plan.issues.get(key).cloned();
        Ok(keys.iter().map(|key| planned(key).or_else(|| found.next().flatten())).collect())
    }

    fn find(&self, marker: &Marker) -> Result<Vec<String>> {
        Ok(self.find_many(&[marker])?.pop().unwrap_or_default())
    }

    fn find_many(&self, markers: &[&Marker]) -> Result<Vec<Vec<String>>> {
        let behind = self.reader.find_many(markers)?.into_iter();
        Ok(markers.iter().zip(behind).map(|(marker, keys)| self.marked(marker, keys)).collect())
    }

    fn probe(&self, markers: &[&Marker], before: &str) -> Result<Vec<Probed>> {
        let behind = self.reader.probe(markers, before)?.into_iter();
        let here = |(marker, probed): (&&Marker, Probed)| {
            let keys = match &probed {
                Probed::Found(keys) => keys.clone(),
                _ => Vec::new(),
            };
            match (self.marked(marker, keys), probed) {
                (keys, _) if !keys.is_empty() => Probed::Found(keys),
                (_, Probed::Unsure) => Probed::Unsure,
                _ => Probed::Absent,
            }
        };
        Ok(markers.iter().zip(behind).map(here).collect())
    }

    fn check(&self) -> Vec<Checked> {
        self.reader.check()
    }

    fn create(&self, marker: &Marker, fields: &Changes) -> Result<Written> {
        if !marker.is_empty() {
            self.is_free(marker, "")?;
        }
        let made = self.plan.borrow().made + 1;
        let key = format!("(new {made})");
        let schema = self.fields()?;
        let mut issue = self.blank(&key)?;
        let Edited { refused, remarks, .. } = edit::write(schema, &mut issue, fields, None);
        if schema.fields.contains_key("key") {
            issue.fields.set("key", Some(key.as_str().into()));
            issue.unknown.remove("key");
        }
        let mut plan = self.plan.borrow_mut();
        plan.made = made;
        plan.markers.insert(key.clone(), Some(marker.to_owned()).filter(|m| !m.is_empty()));
        drop(plan);
        self.keep(issue);
        Ok(Written { issue: self.get(&key)?, refused, remarks })
    }

    fn update(&self, key: &str, changes: &Changes, expected: Option<&Changes>) -> Result<Written> {
        let mut issue = self.get(key)?;
        let Edited { refused, remarks, changed } =
            edit::write(self.fields()?, &mut issue, changes, expected);
        if changed {
            self.keep(issue);
        }
        Ok(Written { issue: self.get(key)?, refused, remarks })
    }

    fn comment(&self, key: &str, comment: &NewComment) -> Result<String> {
        let mut issue = self.get(key)?;
        let token = (key.to_owned(), comment.token.clone());
        if let Some(id) = self.plan.borrow().tokens.get(&token) {
            return Ok(id.clone());
        }
        let mut plan = self.plan.borrow_mut();
        plan.commented += 1;
        let id = format!("(new comment {})", plan.commented);
        if !comment.token.is_empty() {
            plan.tokens.insert(token, id.clone());
        }
        drop(plan);
        let engsync = || Person { id: "engsync".to_owned(), name: "engsync".to_owned() };
        issue.comments.push(Comment {
            id: id.clone(),
            author: Some(comment.author.clone().unwrap_or_else(engsync)),
            created: Some(comment.created.unwrap_or_else(|| self.clock.now())),
            updated: None,
            text: comment.text.clone(),
        });
        issue.comments.sort_by_key(|comment| comment.created);
        self.keep(issue);
        Ok(id)
    }

    fn edit_comment(&self, key: &str, id: &str, text: &str) -> Result<()> {
        let edited = self.with_comment(key, id, |comments, place, now| {
            if comments[place].text != text {
                text.clone_into(&mut comments[place].text);
                comments[place].updated = Some(now);
            }
        })?;
        if edited {
            return Ok(());
        }
        Err(Error::item(NOT_FOUND, format!("{key} has no comment {id:?}")))
    }

    fn delete_comment(&self, key: &str, id: &str) -> Result<()> {
        self.with_comment(key, id, |comments, place, _| drop(comments.remove(place))).map(drop)
    }

    fn prepare(&self, file: &Attachment) -> Result<()> {
        let unreadable = |error| {
            Error::item(DISK, format!("cannot read the file {:?}", file.name)).because(error)
        };
        file.digest().map(drop).map_err(unreadable)
    }

    fn attach(&self, key: &str, file: &Attachment) -> Result<()> {
        let mut issue = self.get(key)?;
        self.prepare(file)?;
        let mut new = file.clone();
        new.size = file.digest().ok().map(|(_, size)| size);
        match issue.attachments.iter_mut().find(|here| here.name == file.name) {
            Some(here) if here.known_digest() == file.known_digest() => return Ok(()),
            Some(here) => *here = new,
            None => issue.attachments.push(new),
        }
        self.keep(issue);
        Ok(())
    }

    fn detach(&self, key: &str, name: &str) -> Result<()> {
        let mut issue = self.get(key)?;
        let before = issue.attachments.len();
        issue.attachments.retain(|file| file.name != name);
        if issue.attachments.len() != before {
            self.keep(issue);
        }
        Ok(())
    }

    fn changed_since(&self, token: Option<&str>) -> Result<Feed> {
        let (behind, ours) = match token.and_then(|token| token.split_once(MARK)) {
            Some((behind, seq)) => (Some(behind), seq.parse().unwrap_or(0)),
            None => (token, 0),
        };
        let feed = self.reader.changed_since(behind)?;
        let plan = self.plan.borrow();
        let mut newer: Vec<(&u64, &String)> = plan
            .changed
            .iter()
            .map(|(key, seq)| (seq, key))
            .filter(|(seq, _)| **seq > ours)
            .collect();
        newer.sort();
        let planned: BTreeSet<&String> = newer.iter().map(|(_, key)| *key).collect();
        let keys = feed.keys.map(|mut keys| {
            keys.retain(|key| !planned.contains(key));
            keys.extend(newer.iter().map(|(_, key)| (*key).clone()));
            keys
        });
        let mut revisions = feed.revisions;
        revisions.extend(newer.iter().map(|(seq, key)| ((*key).clone(), revision(**seq))));
        Ok(Feed { token: format!("{}{MARK}{}", feed.token, plan.seq), keys, revisions })
    }

    fn mark(&self, key: &str, marker: Option<&Marker>) -> Result<()> {
        let issue = self.get(key)?;
        let marker = marker.filter(|marker| !marker.is_empty());
        match marker {
            Some(marker) if self.find(marker)?.iter().any(|other| other == key) => return Ok(()),
            Some(marker) => self.is_free(marker, key)?,
            None => {}
        }
        self.plan.borrow_mut().markers.insert(key.to_owned(), marker.map(str::to_owned));
        self.keep(issue);
        Ok(())
    }
}
