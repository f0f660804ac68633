//! Several orders at a time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Roundup;
use crate::tracker::{GoOn, Order, Receipt, TRACKER_REFUSED};
use crate::{Fault, Result};

/// So many orders are carried out at a time; each is one issue, so that the order of its own
/// writes is kept.
const AT_ONCE: usize = 4;

impl Roundup {
    pub(super) fn carry_out_all(&self, orders: &[Order<'_>], go_on: &GoOn<'_>) -> Vec<Receipt> {
        let keys: Vec<&str> = orders.iter().filter_map(|order| order.key.as_deref()).collect();
        // Found out once, not by each thread.
        let present = match self.me().and_then(|_| self.present(&keys)) {
            Ok(present) => present,
            Err(error) => {
                let mut receipts = nothing(orders.len());
                if let Some(first) = receipts.first_mut() {
                    first.error = Some(error);
                }
                return receipts;
            }
        };
        let next = AtomicUsize::new(0);
        let halted = AtomicBool::new(false);
        let receipts = Mutex::new(nothing(orders.len()));
        let work = || {
            while !halted.load(Ordering::Relaxed) && go_on() {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(order) = orders.get(at) else { return };
                let key = order.key.clone();
                let mut receipt = Receipt { tried: true, key, ..Receipt::default() };
                receipt.error = match &order.key {
                    Some(key) if !present.contains(key) => Some(super::rest::gone("issue", key)),
                    _ => self.carry_out(order, &mut receipt).err(),
                };
                if receipt.error.as_ref().is_some_and(|error| error.fault != Fault::Item) {
                    halted.store(true, Ordering::Relaxed);
                }
                receipts.lock().unwrap_or_else(PoisonError::into_inner)[at] = receipt;
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..AT_ONCE.min(orders.len()) {
                scope.spawn(work);
            }
            work();
        });
        let mut receipts = receipts.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.read_back(&mut receipts);
        receipts
    }

    fn carry_out(&self, order: &Order<'_>, receipt: &mut Receipt) -> Result<()> {
        let key = match &order.key {
            None => {
                let (key, refused) = self.make(&order.marker, &order.changes)?;
                receipt.refused = refused;
                key
            }
            Some(key) => {
                if !order.changes.is_empty() {
                    receipt.refused = self.change(key, &order.changes, order.expected.as_ref())?;
                }
                key.clone()
            }
        };
        receipt.key = Some(key.clone());
        for comment in &order.comments {
            receipt.comments.push(self.add_comment(&key, comment)?);
        }
        for file in &order.files {
            match self.attach_file(&key, file) {
                Ok(()) => receipt.files.push(None),
                Err(error) if error.fault == Fault::Item && error.code == TRACKER_REFUSED => {
                    receipt.files.push(Some(error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads all that were written, in few requests.
    fn read_back(&self, receipts: &mut [Receipt]) {
        let keys: Vec<String> = receipts
            .iter()
            .filter(|receipt| receipt.error.is_none())
            .filter_map(|receipt| receipt.key.clone())
            .collect();
        let read = self.read_many(&keys);
        let mut issues = match read {
            Ok(issues) => keys.into_iter().zip(issues).collect::<std::collections::HashMap<_, _>>(),
            Err(error) => {
                let first = receipts.iter_mut().find(|r| r.tried && r.error.is_none());
                if let Some(first) = first {
                    first.error = Some(error);
                }
                return;
            }
        };
        for receipt in receipts.iter_mut().filter(|receipt| receipt.error.is_none()) {
            let Some(key) = receipt.key.clone().filter(|_| receipt.tried) else { continue };
            receipt.issue = issues.remove(&key).flatten();
            if receipt.issue.is_none() {
                receipt.error = Some(super::rest::gone("issue", &key));
            }
        }
    }
}

fn nothing(len: usize) -> Vec<Receipt> {
    let mut receipts: Vec<Receipt> = Vec::new();
    receipts.resize_with(len, Receipt::default);
    receipts
}
