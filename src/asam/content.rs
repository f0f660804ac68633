//! Attachments that stream from the archive.

use std::io::{self, Read};
use std::sync::Arc;

use super::archive::Store;
use crate::issue::Content;

/// An archive member.
pub(super) struct Stored {
    store: Arc<Store>,
    member: usize,
}

impl Stored {
    pub(super) fn new(store: &Arc<Store>, member: usize) -> Self {
        Self { store: Arc::clone(store), member }
    }
}

impl Content for Stored {
    fn read_with(&self, sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>) -> io::Result<()> {
        self.store.read(Some(self.member), sink)
    }
}

/// A file that is embedded in the document as base64 (CONTENT, versions 3.x).
pub(super) struct Embedded {
    store: Arc<Store>,
    document: Option<usize>,
    issue: usize,
    content: usize,
}

impl Embedded {
    /// The `content`th CONTENT of the `issue`th issue of a document.
    pub(super) fn new(
        store: &Arc<Store>,
        document: Option<usize>,
        issue: usize,
        content: usize,
    ) -> Self {
        Self { store: Arc::clone(store), document, issue, content }
    }
}

impl Content for Embedded {
    fn read_with(&self, sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>) -> io::Result<()> {
        let bytes = super::embedded::find(&self.store, self.document, self.issue, self.content)?;
        sink(&mut bytes.as_slice())
    }
}
