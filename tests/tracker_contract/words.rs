//! Small words for the laws, and for the tests of the adapters.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::io::{self, Read};
use std::sync::Arc;

use engsync::issue::{Attachment, Content, Issue, Value};
use engsync::tracker::{Changes, NewComment, Tracker};

pub(crate) fn text(text: &str) -> Option<Value> {
    Value::text(text)
}

pub(crate) fn list(items: &[&str]) -> Option<Value> {
    Value::list(items.iter().map(|item| (*item).to_owned()).collect())
}

pub(crate) fn changes(pairs: &[(&str, Option<Value>)]) -> Changes {
    pairs.iter().map(|(field, value)| ((*field).to_owned(), value.clone())).collect()
}

pub(crate) fn make(tracker: &dyn Tracker, marker: &str) -> String {
    let written = tracker.create(marker, &changes(&[("summary", text("s"))])).unwrap();
    assert!(written.refused.is_empty());
    written.issue.id
}

pub(crate) fn read(tracker: &dyn Tracker, key: &str) -> Issue {
    tracker.get_many(&[key.to_owned()]).unwrap().remove(0).unwrap()
}

pub(crate) struct Bytes(Vec<u8>);

impl Content for Bytes {
    fn read_with(&self, sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>) -> io::Result<()> {
        sink(&mut self.0.as_slice())
    }
}

pub(crate) fn file(name: &str, bytes: &[u8]) -> Attachment {
    Attachment::new(name, None, Arc::new(Bytes(bytes.to_vec())))
}

pub(crate) fn bytes(file: &Attachment) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.read_with(&mut |reader| reader.read_to_end(&mut bytes).map(drop)).unwrap();
    bytes
}

pub(crate) fn names(issue: &Issue) -> Vec<&str> {
    issue.attachments.iter().map(|file| file.name.as_str()).collect()
}

pub(crate) fn texts(issue: &Issue) -> Vec<&str> {
    issue.comments.iter().map(|comment| comment.text.as_str()).collect()
}

pub(crate) fn note(text: &str, token: &str) -> NewComment {
    NewComment { text: text.to_owned(), token: token.to_owned(), ..NewComment::default() }
}
