//! From a plan to an order for the tracker, and from its receipt back to the issue.

use super::super::plan::{Action, Change, FilePlan, Held, InPlan, Outcome};
use super::cut::Cuts;
use super::names::{inputs_of, inward_mark, local_change, marker, token};
use super::work::Work;
use crate::issue::{Attachment, Value};
use crate::state::Incoming;
use crate::tracker::{
    Changes, EDITED_MEANWHILE, LOCAL_GONE, NewComment, Order, Receipt, Refused, Remark,
    TRACKER_REFUSED,
};
use crate::{Error, Finding, Result};

impl Work<'_> {
    /// What the tracker is to write; `None`: nothing.
    pub(super) fn order<'p>(&self, plan: &'p InPlan) -> Option<Order<'p>> {
        let changes = self.wanted(plan);
        let comment = |(provenance, comment): &(String, crate::issue::Comment)| NewComment {
            author: comment.author.clone(),
            created: comment.created,
            text: comment.text.clone(),
            token: token(&self.link, "comment", provenance),
        };
        let comments: Vec<NewComment> = plan.comments.iter().map(comment).collect();
        let new = plan.files.iter().filter(|plan| !plan.adopt && !self.is_refused(plan));
        let files: Vec<_> = new.map(|plan| &plan.file).collect();
        let key = self.link.key.clone();
        if key.is_some() && changes.is_empty() && comments.is_empty() && files.is_empty() {
            return None;
        }
        let here =
            |field: &String| self.local.as_ref().and_then(|local| local.fields.get(field)).cloned();
        let expected =
            key.is_some().then(|| changes.keys().map(|field| (field.clone(), here(field))));
        Some(Order {
            marker: marker(self.context.policy, &self.link.remote),
            expected: expected.map(Iterator::collect),
            key,
            changes,
            comments,
            files,
        })
    }

    /// The fields to write: those that change, but for what was refused before.
    pub(super) fn wanted(&self, plan: &InPlan) -> Changes {
        let mut wanted = Changes::new();
        for change in &plan.changes {
            let held = self.link.base.held.get(&inward_mark(&change.field));
            if held.is_none_or(|held| held.inputs != inputs_of(change.to.as_ref())) {
                wanted.insert(change.field.clone(), change.to.clone());
            }
        }
        wanted
    }

    /// What came of a plan; `None`: there was nothing to write.
    ///
    /// # Errors
    /// What ended the order early; then the base stays as it was.
    pub(super) fn receive(&mut self, plan: &InPlan, receipt: Option<Receipt>) -> Result<Outcome> {
        self.outcome.findings.extend(plan.findings.iter().cloned());
        let mut tried = Vec::new();
        if let Some(receipt) = receipt {
            let Receipt { key, refused, remarks, comments, files, issue, error, .. } = receipt;
            if let Some(error) = error {
                return Err(error);
            }
            let Some(issue) = issue else {
                let key = key.unwrap_or_default();
                return Err(Error::item(LOCAL_GONE, format!("{key} was deleted meanwhile")));
            };
            if self.link.key.is_none() {
                self.link.key = Some(issue.id.clone());
                self.outcome.local = Some(issue.id.clone());
                self.outcome.action = Action::Created;
            }
            let wanted = self.wanted(plan);
            let cuts = Cuts::of(remarks, &wanted, &refused, &issue, self.context.schema);
            self.remark(&cuts.remarks);
            self.local = Some(issue);
            self.take_back(&refused, &wanted, plan, &cuts);
            self.note_comments(plan, comments, &cuts);
            tried = files;
        }
        self.note_files(plan, tried);
        for held in &plan.held {
            self.hold(inward_mark(&held.field), held.clone());
        }
        self.settle(plan)
    }

    /// What the tracker said of what it took.
    pub(super) fn remark(&mut self, remarks: &[Remark]) {
        let findings =
            remarks.iter().map(|remark| Finding::warning(remark.code, remark.text.as_str()));
        self.outcome.findings.extend(findings);
    }

    /// What the tracker made of our values.
    fn take_back(&mut self, refused: &[Refused], wanted: &Changes, plan: &InPlan, cuts: &Cuts) {
        for refused in refused {
            if refused.code == EDITED_MEANWHILE && self.again {
                self.overtaken.insert(refused.field.clone());
                continue;
            }
            let value = wanted.get(&refused.field).cloned().flatten();
            let held = Held {
                field: refused.field.clone(),
                // Whoever was faster each time: no more is to be said of it.
                code: if refused.code == EDITED_MEANWHILE { TRACKER_REFUSED } else { refused.code },
                text: refused.text.clone(),
                rule: String::new(),
                inputs: inputs_of(value.as_ref()),
            };
            self.hold(inward_mark(&refused.field), held);
        }
        for change in &plan.changes {
            let done = wanted.contains_key(&change.field)
                && !refused.iter().any(|refused| refused.field == change.field);
            if done {
                self.link.base.held.remove(&inward_mark(&change.field));
                self.record_written(change, cuts.has(&change.field));
            }
        }
    }

    /// A field was written. An earlier try whose outcome was lost may have told so already: where
    /// the tracker holds what it held before, in its own way, it is one change.
    fn record_written(&mut self, change: &Change, cut: bool) {
        let held = self.local.as_ref().and_then(|local| local.fields.get(&change.field));
        let is_same = held == change.from.as_ref();
        let told = |told: &&mut Change| {
            (told.side, &told.field, &told.to) == (change.side, &change.field, &change.to)
        };
        match self.outcome.changes.iter_mut().find(told).filter(|_| is_same) {
            Some(told) => told.cut |= cut,
            None => self.record(Change { cut, ..change.clone() }),
        }
    }

    fn note_comments(&mut self, plan: &InPlan, ids: Vec<String>, cuts: &Cuts) {
        for ((provenance, comment), id) in plan.comments.iter().zip(ids) {
            let change = local_change("comments", Value::text(&comment.text));
            self.record(cuts.comment(change, &id, self.local.as_ref()));
            self.link.base.comments_in.insert(provenance.clone(), id);
        }
    }

    /// The tracker refused this very file before.
    fn is_refused(&self, plan: &FilePlan) -> bool {
        let digest = plan.file.known_digest().map(|digest| digest.to_string()).unwrap_or_default();
        let held = self.link.base.held.get(&file_mark(&plan.file));
        !plan.adopt && held.is_some_and(|held| held.is_of(&digest))
    }

    fn note_files(&mut self, plan: &InPlan, tried: Vec<Option<Error>>) {
        let mut tried = tried.into_iter();
        for one in plan.files.iter() {
            if self.is_refused(one) {
                continue;
            }
            let FilePlan { remote_name, file, adopt } = one;
            let mark = file_mark(file);
            let digest = file.known_digest().map(|digest| digest.to_string()).unwrap_or_default();
            if !adopt {
                if let Some(error) = tried.next().flatten() {
                    let field = format!("attachments/{}", file.name);
                    let held = Held::new(field, "", TRACKER_REFUSED, error.line(), &[&digest]);
                    self.hold(mark, held);
                    continue;
                }
                self.record(local_change("attachments", Value::text(&file.name)));
            }
            let incoming = Incoming { name: file.name.clone(), sha256: digest };
            let base = &mut self.link.base;
            base.held.remove(&mark);
            let before = base.files_in.insert(remote_name.clone(), incoming);
            base.files_before.extend(before);
        }
    }
}

fn file_mark(file: &Attachment) -> String {
    inward_mark(&format!("attachments/{}", file.name))
}
