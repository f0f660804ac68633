//! A person decides a conflict: an ordinary planned write, and a new base.

use super::super::conflict::{Conflict, Decided};
use super::super::plan::{Change, Outcome, Side};
use super::Context;
use super::cut::Cuts;
use super::intent::{announce, announced};
use super::work::Work;
use crate::issue::{Issue, Value};
use crate::state::{ConflictRow, EntryKind, Link, Transaction};
use crate::tracker::Changes;
use crate::{Error, NOT_FOUND, Result};

/// Which value a person takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Take {
    /// The partner's.
    Remote,
    /// Ours.
    Local,
    /// The one last agreed on.
    Base,
    /// Another one; empty clears.
    Value(String),
}

/// Gives both sides the value that was decided: writes it to the tracker where that differs, and
/// owes it to the partner where that differs.
///
/// # Errors
/// When the tracker refuses, or the state cannot be written; then nothing was decided.
pub fn resolve(
    context: &Context<'_>,
    row: &ConflictRow<Conflict>,
    take: &Take,
    link: Link,
    local: Issue,
) -> Result<Outcome> {
    let conflict = &row.record;
    let (word, value) = match take {
        Take::Remote => ("remote", conflict.remote.clone()),
        Take::Local => ("local", local.fields.get(&conflict.field).cloned()),
        Take::Base => ("base", conflict.base.clone()),
        Take::Value(text) => ("value", Value::text(text)),
    };
    let decided = Decided { take: word.to_owned(), value };
    decide(context, row, decided, link, local)
}

/// Takes a decision back: the value that lost is put in place on both sides.
///
/// # Errors
/// As [`resolve`]; and when there is no decision to take back.
pub fn undo(
    context: &Context<'_>,
    row: &ConflictRow<Conflict>,
    link: Link,
    local: Issue,
) -> Result<Outcome> {
    let conflict = &row.record;
    let Some(before) = &conflict.decision else {
        let what = format!("conflict {} was not decided yet", row.id);
        return Err(Error::setup(NOT_FOUND, what)
            .hint(format!("`engsync conflicts resolve {} --take local|remote|base`", row.id)));
    };
    let loser = if before.value == conflict.local { &conflict.remote } else { &conflict.local };
    let decided = Decided { take: "undo".to_owned(), value: loser.clone() };
    decide(context, row, decided, link, local)
}

fn decide(
    context: &Context<'_>,
    row: &ConflictRow<Conflict>,
    decided: Decided,
    link: Link,
    local: Issue,
) -> Result<Outcome> {
    let conflict = &row.record;
    // No transaction is held over a network: there an intent goes before.
    let shared = context.tracker.capabilities().shares_state;
    let whole = if shared { Some(context.state.begin()?) } else { None };
    let from = local.fields.get(&conflict.field).cloned();
    let mut work = Work::look(context, link, Some(local))?;
    work.forget_open(row.id);
    if from != decided.value {
        let key = work.link.key.clone().unwrap_or_default();
        let changes = Changes::from([(conflict.field.clone(), decided.value.clone())]);
        let expected = Changes::from([(conflict.field.clone(), from.clone())]);
        let change = Change {
            side: Side::Local,
            field: conflict.field.clone(),
            from,
            to: decided.value.clone(),
            rule: format!("conflict {} ({})", row.id, decided.take),
            overwrote: false,
            cut: false,
        };
        if !shared {
            announce(context, &work.link, &change)?;
        }
        let written = context.tracker.update(&key, &changes, Some(&expected))?;
        if let Some(refused) = written.refused.first() {
            announced(context, &work.link)?;
            return Err(Error::setup(refused.code, refused.text.clone()));
        }
        let cuts = Cuts::of(written.remarks, &changes, &[], &written.issue, context.schema);
        work.remark(&cuts.remarks);
        work.record(Change { cut: cuts.has(&conflict.field), ..change });
        work.local = Some(written.issue);
    }
    let last = if shared { None } else { Some(context.state.begin()?) };
    let field = &conflict.field;
    if work.is_partners(field) {
        // Nothing is to be said of it; the same value, delivered again, does not undo this.
        work.link.base.keep(field, decided.value.clone(), conflict.remote.clone());
        return close(context, row, decided, work, last.or(whole));
    }
    let base = &mut work.link.base;
    let theirs = decided.value == conflict.remote;
    let told = base.sent.as_ref().is_some_and(|sent| sent.says(&conflict.remote_field));
    if !(theirs && told) {
        base.settle(&conflict.remote_field);
    }
    if theirs && !told {
        base.agree(&[(conflict.field.clone(), decided.value.clone())]);
    } else {
        // Not agreed until it is sent: the next answer carries it. It carries even the partner's
        // own value, where the partner was told another one since.
        base.two_way.insert(conflict.field.clone());
        base.untold.insert(conflict.field.clone());
    }
    close(context, row, decided, work, last.or(whole))
}

/// Remembers a decision.
fn close(
    context: &Context<'_>,
    row: &ConflictRow<Conflict>,
    decided: Decided,
    mut work: Work<'_>,
    transaction: Option<Transaction<'_>>,
) -> Result<Outcome> {
    let record = Conflict { decision: Some(decided), ..row.record.clone() };
    context.state.update_conflict(row.id, "resolved", &record)?;
    work.owe();
    let outcome = work.finish();
    work.save(&outcome, EntryKind::In)?;
    announced(context, &work.link)?;
    if let Some(transaction) = transaction {
        transaction.commit()?;
    }
    Ok(outcome)
}
