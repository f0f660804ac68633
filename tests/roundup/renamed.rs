//! The laws speak of the embedded tracker's fields; here they are Roundup's.

use std::hash::{BuildHasher as _, RandomState};

use engsync::Result;
use engsync::issue::{Attachment, Issue, Record};
use engsync::tracker::{
    Capabilities, Changes, Feed, GoOn, Marker, NewComment, Order, Probed, Receipt, Refused, Schema,
    Tracker, Written,
};

/// The laws' name of a field, and Roundup's.
const FIELDS: [(&str, &str); 5] = [
    ("summary", "title"),
    ("labels", "keyword"),
    ("assignee", "assignedto"),
    ("created", "creation"),
    ("updated", "activity"),
];

/// A tracker whose fields have other names, and whose markers are this subject's alone.
pub(crate) struct Renamed<T> {
    pub(crate) inner: T,
    run: String,
}

fn theirs(field: &str) -> String {
    let found = FIELDS.iter().find(|(ours, _)| *ours == field);
    found.map_or(field, |(_, theirs)| theirs).to_owned()
}

fn ours(field: &str) -> String {
    let found = FIELDS.iter().find(|(_, theirs)| *theirs == field);
    found.map_or(field, |(ours, _)| ours).to_owned()
}

fn changes(changes: &Changes) -> Changes {
    changes.iter().map(|(field, value)| (theirs(field), value.clone())).collect()
}

fn issue(issue: Issue) -> Issue {
    let fields: Record =
        issue.fields.iter().map(|(field, value)| (ours(field), value.clone())).collect();
    Issue { fields, ..issue }
}

fn written(written: Written) -> Written {
    let refused = written.refused.into_iter();
    let refused = refused.map(|refused| Refused { field: ours(&refused.field), ..refused });
    let mut refused: Vec<Refused> = refused.collect();
    refused.sort_by(|a, b| a.field.cmp(&b.field));
    Written { issue: issue(written.issue), refused, remarks: written.remarks }
}

impl<T: Tracker> Renamed<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, run: format!("{:08x}", RandomState::new().hash_one(0) as u32) }
    }

    fn marker(&self, marker: &Marker) -> String {
        if marker.is_empty() { String::new() } else { format!("{}-{marker}", self.run) }
    }
}

impl<T: Tracker> Tracker for Renamed<T> {
    fn schema(&self) -> Result<Schema> {
        let mut schema = self.inner.schema()?;
        schema.fields = schema.fields.into_iter().map(|(name, spec)| (ours(&name), spec)).collect();
        Ok(schema)
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Issue>>> {
        Ok(self.inner.get_many(keys)?.into_iter().map(|found| found.map(issue)).collect())
    }

    fn find(&self, marker: &Marker) -> Result<Vec<String>> {
        self.inner.find(&self.marker(marker))
    }

    fn find_many(&self, markers: &[&Marker]) -> Result<Vec<Vec<String>>> {
        let markers: Vec<String> = markers.iter().map(|marker| self.marker(marker)).collect();
        let markers: Vec<&str> = markers.iter().map(String::as_str).collect();
        self.inner.find_many(&markers)
    }

    fn create(&self, marker: &Marker, fields: &Changes) -> Result<Written> {
        self.inner.create(&self.marker(marker), &changes(fields)).map(written)
    }

    fn update(&self, key: &str, wanted: &Changes, expected: Option<&Changes>) -> Result<Written> {
        let expected = expected.map(changes);
        self.inner.update(key, &changes(wanted), expected.as_ref()).map(written)
    }

    fn comment(&self, key: &str, comment: &NewComment) -> Result<String> {
        self.inner.comment(key, comment)
    }

    fn edit_comment(&self, key: &str, id: &str, text: &str) -> Result<()> {
        self.inner.edit_comment(key, id, text)
    }

    fn delete_comment(&self, key: &str, id: &str) -> Result<()> {
        self.inner.delete_comment(key, id)
    }

    fn prepare(&self, file: &Attachment) -> Result<()> {
        self.inner.prepare(file)
    }

    fn attach(&self, key: &str, file: &Attachment) -> Result<()> {
        self.inner.attach(key, file)
    }

    fn detach(&self, key: &str, name: &str) -> Result<()> {
        self.inner.detach(key, name)
    }

    fn changed_since(&self, token: Option<&str>) -> Result<Feed> {
        self.inner.changed_since(token)
    }

    fn before_create(&self) -> Result<String> {
        self.inner.before_create()
    }

    fn probe(&self, markers: &[&Marker], before: &str) -> Result<Vec<Probed>> {
        let markers: Vec<String> = markers.iter().map(|marker| self.marker(marker)).collect();
        let markers: Vec<&str> = markers.iter().map(String::as_str).collect();
        self.inner.probe(&markers, before)
    }

    fn write_many(&self, orders: &[Order<'_>], go_on: &GoOn<'_>) -> Vec<Receipt> {
        let order = |order: &Order<'_>| Order {
            key: order.key.clone(),
            marker: self.marker(&order.marker),
            changes: changes(&order.changes),
            expected: order.expected.as_ref().map(changes),
            comments: order.comments.clone(),
            files: Vec::new(),
        };
        let mut renamed: Vec<Order<'_>> = orders.iter().map(order).collect();
        renamed.iter_mut().zip(orders).for_each(|(new, old)| new.files.clone_from(&old.files));
        let mut receipts = self.inner.write_many(&renamed, go_on);
        for receipt in &mut receipts {
            receipt.issue = receipt.issue.take().map(issue);
        }
        receipts
    }

    fn mark(&self, key: &str, marker: Option<&Marker>) -> Result<()> {
        self.inner.mark(key, marker.map(|marker| self.marker(marker)).as_deref())
    }
}
