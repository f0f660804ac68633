//! From `outgoing/PARTNER/` into the partner's outbox.

use super::super::{Exchange, Partner, Tools};
use crate::spool::Group;
use crate::state::{Answer, AnswerState, PackageRow};
use crate::transport::{self, Parcel, Transport};
use crate::{Code, DISK, Digest, Error, Result, STOPPED, stamp};

/// What is wrong with one package is not wrong with the next.
const OF_ONE_PACKAGE: [Code; 3] = [transport::NAME_TAKEN, transport::VIRTUAL_FILE_NAME, DISK];

/// How many packages are to be delivered.
pub(super) fn waiting(tools: &Tools<'_>, partner: &Partner) -> Result<usize> {
    let mut waiting = 0;
    for group in tools.spool.outgoing(&partner.key)? {
        let answer = tools.state.answer(&group.name.to_string())?;
        waiting += usize::from(group.has_all() && !is_delivered(answer.as_ref()));
    }
    Ok(waiting)
}

/// Delivers every complete package, in the order of their names.
///
/// # Errors
/// Those of the state and the spool; the server's are in the tally.
pub(super) fn deliver(tools: &Tools<'_>, partner: &Partner, tally: &mut Exchange) -> Result<()> {
    let mut server: Option<Box<dyn Transport>> = None;
    for group in tools.spool.outgoing(&partner.key)? {
        if tools.stop.is_asked() {
            break;
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
        let opened = match &mut server {
            Some(server) => Ok(server),
            None => tools.transports.open(partner).map(|opened| server.insert(opened)),
        };
        let delivered = opened.and_then(|server| {
            let parcels = parcels(tools, &group, answer.as_ref())?;
            server.deliver(&parcels)
        });
        match delivered {
            Ok(()) => {
                note(tools, partner, &group)?;
                clear(tools, &group)?;
                tally.delivered += 1;
            }
            // In the midst of a large part; the next start delivers it.
            Err(error) if error.code == STOPPED => break,
            Err(error) => {
                tally.fail(&error);
                // One name in the way is its own trouble; nothing more goes through a broken
                // connection.
                if !OF_ONE_PACKAGE.contains(&error.code) {
                    break;
                }
            }
        }
    }
    Ok(())
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
