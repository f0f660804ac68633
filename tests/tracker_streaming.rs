//! Attachments of the embedded tracker are never whole in memory. Alone in its file, since it
//! looks at the memory of the whole process.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;

use engsync::db::Db;
use engsync::disk::{Disk, Steps};
use engsync::issue::{Attachment, Content, Digest, Hasher};
use engsync::tracker::embedded::{Embedded, Options, SCHEMA};
use engsync::tracker::{Changes, Tracker};
use engsync::{Clock, Timestamp};

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

/// A source of many bytes that are never in memory at once.
struct Generated {
    size: u64,
}

impl Content for Generated {
    fn read_with(&self, sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>) -> io::Result<()> {
        let mut reader = io::repeat(0x5a).take(self.size);
        sink(&mut reader)
    }
}

fn digest_of(size: u64) -> Digest {
    let mut hasher = Hasher::new(io::sink());
    io::copy(&mut io::repeat(0x5a).take(size), &mut hasher).unwrap();
    hasher.finish().2
}

/// The peak of this process's memory in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn row_35_large_attachments_stream_both_ways() {
    let size = 64 << 20;
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(&dir.path().join("tracker.db"), &[SCHEMA], &Steps::none()).unwrap();
    let options = Options {
        key_prefix: "ISS".to_owned(),
        values: BTreeMap::new(),
        actor: "tester".to_owned(),
        fields: Vec::new(),
        shares_state: false,
        files: dir.path().join("files"),
    };
    let tracker = Embedded::new(db, Disk::default(), options, Rc::new(Fixed)).unwrap();
    let key = tracker.create("", &Changes::new()).unwrap().issue.id;
    let big = Attachment::new("big.mf4", Some(size), Arc::new(Generated { size }));
    let before = peak();
    tracker.attach(&key, &big).unwrap();
    let stored = tracker.get(&key).unwrap().attachments.remove(0);
    let mut hasher = Hasher::new(io::sink());
    stored.read_with(&mut |reader| io::copy(reader, &mut hasher).map(drop)).unwrap();
    let (_, read, digest) = hasher.finish();
    assert_eq!((read, digest), (size, digest_of(size)));
    let grown = peak() - before;
    assert!(grown < 8 * 1024, "{grown} KiB for a file of {size} bytes");
}
