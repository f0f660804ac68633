//! Everything to be written to an issue, as one order; what came of it, as a receipt.

use super::{Changes, NewComment, Refused, Remark, TRACKER_REFUSED, Tracker, Written};
use crate::issue::{Attachment, Issue};
use crate::{Error, Fault};

/// Whether to go on with the next order; any thread may ask.
pub type GoOn<'a> = dyn Fn() -> bool + Sync + 'a;

/// Everything to be written to one issue.
#[derive(Clone, Debug, Default)]
pub struct Order<'a> {
    /// The issue; `None`: it is to be made.
    pub key: Option<String>,
    /// What a new issue carries.
    pub marker: String,
    /// Fields to write.
    pub changes: Changes,
    /// The values the fields of an existing issue are expected to have; as in
    /// [`Tracker::update`].
    pub expected: Option<Changes>,
    /// Comments to add, in their order.
    pub comments: Vec<NewComment>,
    /// Files to attach, in their order.
    pub files: Vec<&'a Attachment>,
}

/// What came of an [`Order`].
#[derive(Debug, Default)]
pub struct Receipt {
    /// Whether anything was sent to the tracker for it; where not, nothing can have happened
    /// (the connection was refused), whatever `error` says.
    pub tried: bool,
    /// The key, where the issue exists as far as is known.
    pub key: Option<String>,
    /// The fields that were not taken.
    pub refused: Vec<Refused>,
    /// What the tracker made of fields and comments that it took, where that is not what was
    /// sent.
    pub remarks: Vec<Remark>,
    /// The ids of the comments that were added, in the order of the order.
    pub comments: Vec<String>,
    /// For each file that was tried, in their order: what the tracker said against it.
    pub files: Vec<Option<Error>>,
    /// The issue read back, where it could be.
    pub issue: Option<Issue>,
    /// What ended the order early. `Fault::Wait` after a write was sent: it may have happened.
    pub error: Option<Error>,
}

/// Carries out one order after the other through the single verbs.
pub(super) fn one_by_one<T: Tracker + ?Sized>(
    tracker: &T,
    orders: &[Order<'_>],
    go_on: &GoOn<'_>,
) -> Vec<Receipt> {
    let mut receipts: Vec<Receipt> = Vec::with_capacity(orders.len());
    for order in orders {
        let halted = receipts.last().and_then(|last| last.error.as_ref());
        if halted.is_some_and(|error| error.fault != Fault::Item) || !go_on() {
            break;
        }
        let mut receipt = Receipt { tried: true, key: order.key.clone(), ..Receipt::default() };
        receipt.error = carry_out(tracker, order, &mut receipt).err();
        receipts.push(receipt);
    }
    receipts.resize_with(orders.len(), Receipt::default);
    receipts
}

fn carry_out<T: Tracker + ?Sized>(
    tracker: &T,
    order: &Order<'_>,
    receipt: &mut Receipt,
) -> Result<(), Error> {
    let key = match &order.key {
        None => {
            let Written { issue, refused, remarks } =
                tracker.create(&order.marker, &order.changes)?;
            (receipt.refused, receipt.remarks) = (refused, remarks);
            let key = issue.id.clone();
            receipt.issue = Some(issue);
            key
        }
        Some(key) => {
            if !order.changes.is_empty() {
                let Written { issue, refused, remarks } =
                    tracker.update(key, &order.changes, order.expected.as_ref())?;
                (receipt.refused, receipt.remarks) = (refused, remarks);
                receipt.issue = Some(issue);
            }
            key.clone()
        }
    };
    receipt.key = Some(key.clone());
    for comment in &order.comments {
        receipt.comments.push(tracker.comment(&key, comment)?);
    }
    for file in &order.files {
        match tracker.attach(&key, file) {
            Ok(()) => receipt.files.push(None),
            Err(error) if error.fault == Fault::Item && error.code == TRACKER_REFUSED => {
                receipt.files.push(Some(error));
            }
            Err(error) => return Err(error),
        }
    }
    if !order.comments.is_empty() || !order.files.is_empty() || receipt.issue.is_none() {
        receipt.issue = tracker.get_many(std::slice::from_ref(&key))?.pop().flatten();
    }
    Ok(())
}
