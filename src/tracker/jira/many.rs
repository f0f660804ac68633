//! Orders: several at a time, read back in few requests.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value as Json;

use super::client::{both, gone, parallel};
use super::fields::Cut;
use super::files::Listed;
use super::meta::{Meta, Place};
use super::plan::{self, Plan};
use super::write::{self, Failed};
use super::{Jira, comments, fields, files, read};
use crate::issue::{Attachment, Content, Value};
use crate::tracker::orders::GoOn;
use crate::tracker::{Order, Receipt, Remark, TEXT_CUT, TRACKER_REFUSED, Written};
use crate::{Error, Fault, Result};

/// So few new issues are made one after the other, so that their keys follow the delivery.
const IN_ORDER: usize = 8;

/// What must be seen when an issue is read back; otherwise what was read is older.
#[derive(Default)]
struct Proof {
    touched: bool,
    fields: Vec<(Place, Option<Value>)>,
    status: Option<String>,
    comments: Vec<String>,
    files: Vec<String>,
}

/// One order by itself.
pub(super) fn one(jira: &Jira, order: &Order<'_>) -> Result<Written> {
    let mut receipts = write(jira, std::slice::from_ref(order), &|| true);
    let receipt = receipts.pop().unwrap_or_default();
    match (receipt.error, receipt.issue) {
        (Some(error), _) => Err(error),
        (None, Some(issue)) => {
            Ok(Written { issue, refused: receipt.refused, remarks: receipt.remarks })
        }
        (None, None) => Err(gone(&receipt.key.unwrap_or_default())),
    }
}

/// Carries out the orders.
pub(super) fn write(jira: &Jira, orders: &[Order<'_>], go_on: &GoOn<'_>) -> Vec<Receipt> {
    let nothing = |error: Error| {
        let mut receipts: Vec<Receipt> = orders.iter().map(|_| Receipt::default()).collect();
        if let Some(first) = receipts.first_mut() {
            first.error = Some(error);
        }
        receipts
    };
    let outline = match jira.meta() {
        Ok(meta) => meta,
        Err(error) => return nothing(error),
    };
    let values = orders.iter().any(|order| order.key.is_none() || is_chosen(&outline, order));
    let needed = |order: &&Order<'_>| {
        !order.changes.is_empty() || !order.files.is_empty() || order.comments.is_empty()
    };
    let keys: Vec<String> =
        orders.iter().filter(needed).filter_map(|order| order.key.clone()).collect();
    let threads = if keys.len() > 1 { 1 } else { jira.parallel() };
    let whole = || {
        if values { jira.whole().map(|whole| whole.meta().clone()) } else { Ok(outline.clone()) }
    };
    let read = both(threads, whole, || read::raw_many(jira, &outline, &keys));
    let (meta, mut before) = match read {
        (Ok(meta), Ok(before)) => (meta, before),
        (Err(error), _) | (_, Err(error)) => return nothing(error),
    };
    let halted = AtomicBool::new(false);
    let carry = |order: &Order<'_>| {
        if halted.load(Ordering::Relaxed) || !go_on() {
            return (Receipt::default(), Proof::default());
        }
        let mut receipt = Receipt { tried: true, key: order.key.clone(), ..Receipt::default() };
        let mut proof = Proof::default();
        if let Err(failed) = carry_out(jira, &meta, order, &before, &mut receipt, &mut proof) {
            if failed.error.fault != Fault::Item {
                halted.store(true, Ordering::Relaxed);
            }
            receipt.tried = failed.sent || proof.touched;
            receipt.error = Some(failed.error);
        }
        (receipt, proof)
    };
    let carry_lane =
        |lane: &Vec<usize>| lane.iter().map(|at| (*at, carry(&orders[*at]))).collect::<Vec<_>>();
    let done = parallel(jira.parallel(), &lanes(orders), carry_lane);
    let mut done: Vec<_> = done.into_iter().flatten().collect();
    done.sort_by_key(|(at, _)| *at);
    let done = done.into_iter().map(|(_, done)| done);
    let (mut receipts, proofs): (Vec<Receipt>, Vec<Proof>) = done.unzip();
    read_back(jira, &meta, &mut receipts, &proofs, &mut before);
    receipts
}

/// Which orders are carried out one after the other, while those of other lanes are.
fn lanes(orders: &[Order<'_>]) -> Vec<Vec<usize>> {
    let (creates, updates): (Vec<usize>, Vec<usize>) =
        (0..orders.len()).partition(|at| orders[*at].key.is_none());
    let alone = |all: Vec<usize>| all.into_iter().map(|at| vec![at]).collect();
    let mut lanes: Vec<Vec<usize>> =
        if creates.len() <= IN_ORDER { vec![creates] } else { alone(creates) };
    lanes.extend::<Vec<_>>(alone(updates));
    lanes
}

/// Whether it writes a field that takes certain values only.
fn is_chosen(meta: &Meta, order: &Order<'_>) -> bool {
    let known = |name: &String| meta.place(name).and_then(|place| meta.known(&place));
    order.changes.keys().filter_map(known).any(|known| known.kind.is_chosen())
}

fn carry_out(
    jira: &Jira,
    meta: &Meta,
    order: &Order<'_>,
    before: &HashMap<String, Json>,
    receipt: &mut Receipt,
    proof: &mut Proof,
) -> Result<(), Failed> {
    let now = match &order.key {
        Some(key) if before.contains_key(key) => before.get(key),
        // Only comments are to be added.
        Some(_)
            if order.changes.is_empty() && !order.comments.is_empty() && order.files.is_empty() =>
        {
            None
        }
        Some(key) => return Err(Failed { error: gone(key), sent: false }),
        None => None,
    };
    let mut plan = plan::plan(jira, meta, &order.changes, order.expected.as_ref(), now)
        .map_err(|error| Failed { error, sent: false })?;
    let written = fields_of(jira, meta, order, &mut plan, receipt, proof);
    receipt.refused = std::mem::take(&mut plan.refused);
    receipt.refused.sort_by(|a, b| a.field.cmp(&b.field));
    let key = written?;
    proof.fields = std::mem::take(&mut plan.wanted);
    proof.status = plan.status.take().map(|(_, status)| status);
    let mut cut: Vec<(String, String, Cut)> = Vec::new();
    for (field, text) in std::mem::take(&mut plan.cut) {
        cut.push((field.clone(), field, text));
    }
    let mut there = order.key.is_none().then(Vec::new);
    for comment in &order.comments {
        proof.touched = true;
        let (id, text) = comments::add(jira, &key, comment, &mut there)?;
        cut.extend(text.map(|text| ("comments".to_owned(), format!("comment {id}"), text)));
        proof.comments.push(id.clone());
        receipt.comments.push(id);
    }
    let mut attached = now.map_or_else(Vec::new, |now| files::listed(&now["fields"]["attachment"]));
    for (field, what, text) in cut {
        let words = kept_whole(jira, &key, &what, &text, &mut attached, proof)?;
        receipt.remarks.push(Remark { field, code: TEXT_CUT, text: words });
    }
    for file in &order.files {
        match attach(jira, &key, file, &mut attached, proof) {
            Ok(()) => receipt.files.push(None),
            Err(error) if error.fault == Fault::Item && error.code == TRACKER_REFUSED => {
                receipt.files.push(Some(error));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Makes the issue or writes its fields; answers its key.
fn fields_of(
    jira: &Jira,
    meta: &Meta,
    order: &Order<'_>,
    plan: &mut Plan,
    receipt: &mut Receipt,
    proof: &mut Proof,
) -> Result<String, Failed> {
    let Some(key) = &order.key else {
        let key = write::create(jira, meta, &order.marker, plan)?;
        proof.touched = true;
        receipt.key = Some(key.clone());
        if let Some((_, wanted)) = &plan.status {
            let initial = write::initial_status(jira, &key)?;
            if initial.eq_ignore_ascii_case(wanted) {
                plan.status = None;
            }
        }
        write::settle(jira, &key, plan)?;
        return Ok(key);
    };
    let write = !plan.fields.is_empty() || plan.status.is_some() || plan.resolution.is_some();
    if write {
        proof.touched = true;
        write::update(jira, key, plan)?;
    }
    Ok(key.clone())
}

fn attach(
    jira: &Jira,
    key: &str,
    file: &Attachment,
    attached: &mut Vec<Listed>,
    proof: &mut Proof,
) -> Result<()> {
    let Some(new) = files::attach(jira, key, file, attached)? else { return Ok(()) };
    proof.touched = true;
    proof.files.push(new.clone());
    let size = file.digest().map(|(_, size)| size).unwrap_or_default();
    attached.retain(|old| old.name != file.name);
    attached.push(Listed::new(new, &file.name, size));
    Ok(())
}

struct Text(String);

impl Content for Text {
    fn read_with(
        &self,
        sink: &mut dyn FnMut(&mut dyn std::io::Read) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        sink(&mut self.0.as_bytes())
    }
}

/// Attaches the whole of a text that was cut, where that is asked for; says what became of it.
fn kept_whole(
    jira: &Jira,
    key: &str,
    what: &str,
    cut: &Cut,
    attached: &mut Vec<Listed>,
    proof: &mut Proof,
) -> Result<String> {
    let words = cut.text(what);
    if !jira.options.attach_cut_text {
        return Ok(words);
    }
    // No name that a partner's file is likely to have.
    let name = format!("{what} (whole text).txt");
    let size = cut.whole.len() as u64;
    let file = Attachment::new(&name, Some(size), Arc::new(Text(cut.whole.clone())));
    match attach(jira, key, &file, attached, proof) {
        Ok(()) => Ok(format!("{words}; the whole is attached as {name:?}")),
        Err(error) if error.fault == Fault::Item && error.code == TRACKER_REFUSED => {
            Ok(format!("{words}; the whole could not be attached: {}", error.line()))
        }
        Err(error) => Err(error),
    }
}

/// Reads what was written; what a search tells of an older state is read again by its key.
fn read_back(
    jira: &Jira,
    meta: &Meta,
    receipts: &mut [Receipt],
    proofs: &[Proof],
    before: &mut HashMap<String, Json>,
) {
    let key = |receipt: &Receipt| receipt.key.clone();
    let touched: Vec<String> = receipts
        .iter()
        .zip(proofs)
        .filter(|(_, proof)| proof.touched)
        .filter_map(|(receipt, _)| key(receipt))
        .collect();
    let mut after = match read::raw_many(jira, meta, &touched) {
        Ok(after) => after,
        Err(error) => {
            let mut error = Some(error);
            for (receipt, proof) in receipts.iter_mut().zip(proofs) {
                if proof.touched && receipt.error.is_none() {
                    receipt.error = error.take().or_else(|| Some(unread()));
                }
            }
            return;
        }
    };
    let stale: Vec<String> = receipts
        .iter()
        .zip(proofs)
        .filter_map(|(receipt, proof)| {
            let key = key(receipt).filter(|_| proof.touched && touched.len() > 1)?;
            let json = after.get(&key)?;
            (!jira.is_cloud() && !shows(meta, json, proof)).then_some(key)
        })
        .collect();
    for (key, json) in
        stale.iter().zip(parallel(jira.parallel(), &stale, |key| read::one(jira, meta, key)))
    {
        if let Ok(Some(json)) = json {
            after.insert(key.clone(), json);
        }
    }
    let mut raw = Vec::new();
    for (receipt, proof) in receipts.iter().zip(proofs) {
        let Some(key) = key(receipt).filter(|_| receipt.tried) else { continue };
        raw.push(if proof.touched { after.remove(&key) } else { before.remove(&key) });
    }
    let decode = |json: &Option<Json>| json.as_ref().map(|json| read::decode(jira, meta, json));
    let mut decoded = parallel(jira.parallel(), &raw, decode).into_iter();
    for receipt in receipts {
        let Some(key) = key(receipt).filter(|_| receipt.tried) else { continue };
        match decoded.next().flatten() {
            Some(Ok(issue)) => receipt.issue = Some(issue),
            Some(Err(error)) => receipt.error = receipt.error.take().or(Some(error)),
            None if receipt.error.is_none() => receipt.error = Some(gone(&key)),
            None => {}
        }
    }
}

fn unread() -> Error {
    Error::wait(crate::tracker::TRACKER_UNAVAILABLE, "what was written could not be read back")
}

/// Whether an issue shows what was written to it.
fn shows(meta: &Meta, json: &Json, proof: &Proof) -> bool {
    let fields = &json["fields"];
    let written = proof.fields.iter().all(|(place, wanted)| {
        let kind = meta.known(place).map(|known| known.kind.clone()).unwrap_or_default();
        let now = fields::decode(&fields[&place.id], &kind, &place.path);
        fields::same(now.as_ref(), wanted.as_ref())
    });
    let status =
        proof.status.as_ref().is_none_or(|wanted| write::is_status(&fields["status"], wanted));
    let has = |list: &Json, id: &String| {
        list.as_array().into_iter().flatten().any(|one| one["id"] == id.as_str())
    };
    let page = &fields["comment"];
    let all = page["total"].as_u64() == page["comments"].as_array().map(|c| c.len() as u64);
    let comments = !all || proof.comments.iter().all(|id| has(&page["comments"], id));
    written && status && comments && proof.files.iter().all(|id| has(&fields["attachment"], id))
}
