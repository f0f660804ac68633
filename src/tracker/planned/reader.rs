//! A tracker from which one can only read.

use super::super::{Changes, Checked, Feed, Marker, Probed, Schema, Tracker};
use crate::Result;
use crate::issue::Issue;

/// Hands on the calls that change nothing; there is no way to the others.
pub(super) struct Reader(Box<dyn Tracker>);

impl Reader {
    pub(super) fn new(tracker: Box<dyn Tracker>) -> Self {
        Self(tracker)
    }

    pub(super) fn schema(&self) -> Result<Schema> {
        self.0.schema()
    }

    pub(super) fn outline(&self) -> Result<Schema> {
        self.0.outline()
    }

    pub(super) fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Issue>>> {
        if keys.is_empty() { Ok(Vec::new()) } else { self.0.get_many(keys) }
    }

    pub(super) fn find_many(&self, markers: &[&Marker]) -> Result<Vec<Vec<String>>> {
        if markers.is_empty() { Ok(Vec::new()) } else { self.0.find_many(markers) }
    }

    pub(super) fn probe(&self, markers: &[&Marker], before: &str) -> Result<Vec<Probed>> {
        if markers.is_empty() { Ok(Vec::new()) } else { self.0.probe(markers, before) }
    }

    pub(super) fn at_first(&self) -> Result<Changes> {
        self.0.at_first()
    }

    pub(super) fn changed_since(&self, token: Option<&str>) -> Result<Feed> {
        self.0.changed_since(token)
    }

    pub(super) fn check(&self) -> Vec<Checked> {
        self.0.check()
    }
}
