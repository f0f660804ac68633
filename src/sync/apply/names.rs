//! How operations are named: tokens, markers, marks.

use super::super::plan::{Change, Side};
use super::Policy;
use crate::Digest;
use crate::issue::Value;
use crate::state::Link;

/// The supplier field that carries our key.
pub(super) const KEY_FIELD: &str = "supplier_company_id";
pub(super) const IN: &str = "in:";
pub(super) const OUT: &str = "out:";

pub(super) fn inward_mark(field: &str) -> String {
    format!("{IN}{field}")
}

pub(super) fn outward_mark(field: &str) -> String {
    format!("{OUT}{field}")
}

pub(super) fn local_change(field: &str, to: Option<Value>) -> Change {
    let (field, rule) = (field.to_owned(), String::new());
    Change { side: Side::Local, field, from: None, to, rule, overwrote: false, cut: false }
}

pub(super) fn inputs_of(value: Option<&Value>) -> String {
    let text = value.map(|value| value.joined("\u{1f}")).unwrap_or_default();
    Digest::of(text.as_bytes()).to_string()
}

/// A token that is the same at every try of the same operation.
pub(super) fn token(link: &Link, operation: &str, what: &str) -> String {
    let parts = [&*link.partner, &*link.remote, operation, what];
    Digest::of(parts.join("\u{1f}").as_bytes()).to_string()
}

/// `installation/partner:number`: several installations may share a tracker.
#[must_use]
pub fn marker(policy: &Policy, remote: &str) -> String {
    format!("{}/{}:{remote}", policy.installation, policy.partner)
}
