//! A tracker that counts what would be calls over a network.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use engsync::Result;
use engsync::Stop;
use engsync::issue::{Attachment, Issue};
use engsync::tracker::embedded::Embedded;
use engsync::tracker::{
    Capabilities, Changes, Feed, GoOn, Marker, NewComment, Order, Probed, Receipt, Schema, Tracker,
    Written,
};

/// Counts, as an adapter that finds and reads back many at once would call.
pub(crate) struct Counting {
    pub(crate) inner: Embedded,
    /// Who is told to stop, before which order of a batch.
    pub(crate) stop: Option<(usize, Stop)>,
    counts: RefCell<BTreeMap<&'static str, usize>>,
}

impl Counting {
    pub(crate) fn new(inner: Embedded) -> Self {
        Self { inner, stop: None, counts: RefCell::default() }
    }

    /// The calls since the last time.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, usize> {
        self.counts.take()
    }

    fn count(&self, call: &'static str) -> &Embedded {
        *self.counts.borrow_mut().entry(call).or_default() += 1;
        &self.inner
    }
}

impl Tracker for Counting {
    fn schema(&self) -> Result<Schema> {
        self.count("schema").schema()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Issue>>> {
        self.count("get_many").get_many(keys)
    }

    fn find(&self, marker: &Marker) -> Result<Vec<String>> {
        self.count("find").find(marker)
    }

    fn find_many(&self, markers: &[&Marker]) -> Result<Vec<Vec<String>>> {
        self.count("find_many").find_many(markers)
    }

    fn before_create(&self) -> Result<String> {
        self.count("before_create").before_create()
    }

    fn probe(&self, markers: &[&Marker], before: &str) -> Result<Vec<Probed>> {
        self.count("probe").probe(markers, before)
    }

    fn create(&self, marker: &Marker, fields: &Changes) -> Result<Written> {
        self.count("create").create(marker, fields)
    }

    fn update(&self, key: &str, changes: &Changes, expected: Option<&Changes>) -> Result<Written> {
        self.count("update").update(key, changes, expected)
    }

    fn comment(&self, key: &str, comment: &NewComment) -> Result<String> {
        self.count("comment").comment(key, comment)
    }

    fn edit_comment(&self, key: &str, id: &str, text: &str) -> Result<()> {
        self.count("edit_comment").edit_comment(key, id, text)
    }

    fn delete_comment(&self, key: &str, id: &str) -> Result<()> {
        self.count("delete_comment").delete_comment(key, id)
    }

    fn prepare(&self, file: &Attachment) -> Result<()> {
        self.inner.prepare(file)
    }

    fn attach(&self, key: &str, file: &Attachment) -> Result<()> {
        self.count("attach").attach(key, file)
    }

    fn detach(&self, key: &str, name: &str) -> Result<()> {
        self.count("detach").detach(key, name)
    }

    fn changed_since(&self, token: Option<&str>) -> Result<Feed> {
        self.count("changed_since").changed_since(token)
    }

    fn mark(&self, key: &str, marker: Option<&Marker>) -> Result<()> {
        self.count("mark").mark(key, marker)
    }

    fn write_many(&self, orders: &[Order<'_>], go_on: &GoOn<'_>) -> Vec<Receipt> {
        for order in orders {
            self.count(if order.key.is_some() { "update" } else { "create" });
            for _ in &order.comments {
                self.count("comment");
            }
            for _ in &order.files {
                self.count("attach");
            }
        }
        let asked = AtomicUsize::new(0);
        let stop = self.stop.clone();
        self.count("read_back").write_many(orders, &|| {
            let nth = asked.fetch_add(1, Ordering::Relaxed);
            if let Some((_, stop)) = stop.as_ref().filter(|(at, _)| *at == nth) {
                stop.ask();
            }
            go_on()
        })
    }
}
