//! From `outgoing/PARTNER/` into the partner's outbox.

use std::ops::ControlFlow;

use super::super::{Exchange, Partner, Tools};
use crate::spool::Group;
use crate::state::{Answer, AnswerState, PackageRow};
use crate::transport::{self, Parcel, Transport};
use crate::{Code, DISK, Digest, Error, Result, STOPPED, stamp};

/// What is wrong with one package is not wrong with the next.
const OF_ONE_PACKAGE: [Code; 3] = [transport::NAME_TAKEN, transport::VIRTUAL_FILE_NAME, DISK];

/// So many packages, or bytes, go together: what stops is stopped between batches.
const PACKAGES: usize = 64;
const BYTES: u64 = 4 << 20;

/// How many packages are to be delivered.
pub(super) fn waiting(tools: &Tools<'_>, partner: &Partner) -> Result<usize> {
    let mut waiting = 0;
    for group in tools.spool.outgoing(&partner.key)? {
        let answer = tools.state.answer(&group.name.to_string())?;
        waiting += usize::from(group.has_all() && !is_delivered(answer.as_ref()));
    }
    Ok(waiting)
}

/// Packages that go to the server together.
struct Batch {
    groups: Vec<Group>,
    packages: Vec<Vec<Parcel>>,
    bytes: u64,
}

impl Batch {
    fn new() -> Self {
        Self { groups: Vec::new(), packages: Vec::new(), bytes: 0 }
    }

    fn is_full(&self) -> bool {
        self.groups.len() >= PACKAGES || self.bytes >= BYTES
    }

    fn add(&mut self, group: Group, parcels: Vec<Parcel>) {
        self.bytes += group.parts.iter().map(|part| part.size).sum::<u64>();
        self.groups.push(group);
        self.packages.push(parcels);
    }
}

/// Delivers every complete package, in the order of their names, the small ones together.
///
/// # Errors
/// Those of the state and the spool; the server's are in the tally.
pub(super) fn deliver(tools: &Tools<'_>, partner: &Partner, tally: &mut Exchange) -> Result<()> {
    let mut server: Option<Box<dyn Transport>> = None;
    let mut batch = Batch::new();
    for group in tools.spool.outgoing(&partner.key)? {
        if tools.stop.is_asked() {
            return Ok(());
        }
        let answer = tools.state.answer(&group.name.to_string())?;
        if is_delivered(answer.as_ref()) {
            // An interrupted run had delivered it.
            clear(tools, &group)?;
            continue;
        }
        if !group.has_all() {
            continue;
        }
        match parcels(tools, &group, answer.as_ref()) {
            Ok(parcels) => batch.add(group, parcels),
            Err(error) if error.code == STOPPED => return Ok(()),
            Err(error) => tally.fail(&error),
        }
        if batch.is_full() {
            let full = std::mem::replace(&mut batch, Batch::new());
            if send(tools, partner, &mut server, &full, tally)?.is_break() {
                return Ok(());
            }
        }
    }
    if batch.groups.is_empty() || tools.stop.is_asked() {
        return Ok(());
    }
    send(tools, partner, &mut server, &batch, tally).map(drop)
}

/// Delivers a batch; breaks where nothing more goes through.
fn send(
    tools: &Tools<'_>,
    partner: &Partner,
    server: &mut Option<Box<dyn Transport>>,
    batch: &Batch,
    tally: &mut Exchange,
) -> Result<ControlFlow<()>> {
    let server = match server {
        Some(server) => server,
        None => match tools.transports.open(partner) {
            Ok(opened) => server.insert(opened),
            Err(error) => {
                tally.fail(&error);
                return Ok(ControlFlow::Break(()));
            }
        },
    };
    let mut flow = ControlFlow::Continue(());
    let mut ours = Ok(());
    server.deliver_all(&batch.packages, &mut |at, outcome| {
        match outcome {
            Ok(()) if ours.is_ok() => {
                let group = &batch.groups[at];
                ours = note(tools, partner, group).and_then(|()| clear(tools, group));
                if ours.is_ok() {
                    tally.delivered += 1;
                } else {
                    flow = ControlFlow::Break(());
                }
            }
            Ok(()) => {}
            // One name in the way is its own trouble; nothing more goes through a broken
            // connection, and to say so once is enough.
            Err(error) if OF_ONE_PACKAGE.contains(&error.code) => tally.fail(&error),
            // In the midst of a large part; the next start delivers it.
            Err(error) if error.code == STOPPED => flow = ControlFlow::Break(()),
            Err(error) => {
                if flow.is_continue() {
                    tally.fail(&error);
                }
                flow = ControlFlow::Break(());
            }
        }
        flow
    });
    ours.map(|()| flow)
}

fn is_delivered(answer: Option<&Answer>) -> bool {
    answer.is_some_and(|answer| answer.state == AnswerState::Delivered)
}

/// The parts with what they hold, the description first; it must be what was frozen.
fn parcels(tools: &Tools<'_>, group: &Group, answer: Option<&Answer>) -> Result<Vec<Parcel>> {
    let parcel = |part: &crate::spool::PartFile| {
        let digest = tools.disk.digest(&part.path)?;
        let frozen = answer.and_then(|answer| {
            let same = answer.parts.iter().find(|frozen| frozen.name == part.file)?;
            Digest::parse(&same.sha256)
        });
        if frozen.is_some_and(|frozen| frozen != digest) {
            let what = format!("{} is not what was frozen; it stays here", part.path.display());
            let hint = format!("remove the package there, then `engsync resend {}`", group.name);
            return Err(Error::item(transport::NAME_TAKEN, what).hint(hint));
        }
        Ok(Parcel { name: part.file.clone(), path: part.path.clone(), digest })
    };
    group.parts.iter().map(parcel).collect()
}

/// The state says that it is delivered.
fn note(tools: &Tools<'_>, partner: &Partner, group: &Group) -> Result<()> {
    let now = tools.clock.now();
    let name = group.name.to_string();
    let transaction = tools.state.begin()?;
    tools.state.delivered(&name, now)?;
    tools.state.log_package(&PackageRow {
        name,
        partner: Some(partner.key.clone()),
        outcome: "delivered".to_owned(),
        reason: None,
        text: None,
        at: stamp(now),
    })?;
    transaction.commit()
}

/// It is delivered: its parts here go, the description last, as long as it is there it is whole.
fn clear(tools: &Tools<'_>, group: &Group) -> Result<()> {
    group.parts.iter().rev().try_for_each(|part| tools.disk.remove(&part.path))
}
