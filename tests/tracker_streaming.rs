//! Attachments are never whole in memory, in the embedded tracker as over a network. Alone in its
//! file, since it looks at the memory of the whole process.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engsync::db::Db;
use engsync::disk::{Disk, Steps};
use engsync::issue::{Attachment, Content, Digest, Hasher};
use engsync::tracker::embedded::{Embedded, Options, SCHEMA};
use engsync::tracker::http;
use engsync::tracker::jira::{Jira, Options as JiraOptions};
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

/// A Jira that keeps nothing: it counts what is uploaded, and makes up what is downloaded.
fn forgetful(size: u64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let there = Arc::new(AtomicBool::new(false));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(stream), there) = (stream, there.clone()) else { return };
            std::thread::spawn(move || drop(serve(stream, size, &there)));
        }
    });
    url
}

fn serve(stream: TcpStream, size: u64, there: &AtomicBool) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let file = format!(r#"{{"id":"7","filename":"big.mf4","size":{size}}}"#);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().unwrap();
            }
        }
        let came = io::copy(&mut (&mut reader).take(length), &mut io::sink())?;
        let target = first.split(' ').nth(1).unwrap_or_default();
        let target = target.strip_prefix("/rest/api/2/").unwrap_or(target);
        let body = if target.starts_with("/secure/") {
            let stream = reader.get_mut();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")?;
            io::copy(&mut io::repeat(0x5a).take(size), stream)?;
            continue;
        } else if target.ends_with("/attachments") {
            assert!(came > size, "the whole of it came");
            there.store(true, Ordering::Relaxed);
            format!("[{file}]")
        } else if target.starts_with("issue/TST-1") {
            let files = if there.load(Ordering::Relaxed) { file.as_str() } else { "" };
            format!(r#"{{"key":"TST-1","fields":{{"summary":"s","attachment":[{files}]}}}}"#)
        } else if target.starts_with("field") {
            r#"[{"id":"summary","name":"Summary","schema":{"type":"string","system":"summary"}}]"#
                .to_owned()
        } else if target.contains("/issuetypes/") {
            r#"{"fields":[]}"#.to_owned()
        } else {
            r#"{"issueTypes":[{"id":"1","name":"Defect"}]}"#.to_owned()
        };
        let stream = reader.get_mut();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
    }
}

#[test]
fn row_35_large_attachments_stream_both_ways() {
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
    let embedded = Embedded::new(db, Disk::default(), options, Rc::new(Fixed)).unwrap();
    let key = embedded.create("", &Changes::new()).unwrap().issue.id;
    streams(&embedded, &key, 64 << 20);
    let size = 65 << 20;
    let http = http::Options { url: forgetful(size), ..http::Options::default() };
    let (project, issue_type) = ("TST".to_owned(), "Defect".to_owned());
    let fields = vec!["summary".to_owned()];
    let options = JiraOptions { http, project, issue_type, fields, ..JiraOptions::default() };
    streams(&Jira::new(options).unwrap(), "TST-1", size);
}

fn streams(tracker: &dyn Tracker, key: &str, size: u64) {
    tracker.schema().unwrap();
    let big = Attachment::new("big.mf4", Some(size), Arc::new(Generated { size }));
    let before = peak();
    tracker.attach(key, &big).unwrap();
    let issue = tracker.get_many(&[key.to_owned()]).unwrap().remove(0).unwrap();
    let mut hasher = Hasher::new(io::sink());
    issue.attachments[0].read_with(&mut |reader| io::copy(reader, &mut hasher).map(drop)).unwrap();
    let (_, read, digest) = hasher.finish();
    assert_eq!((read, digest), (size, digest_of(size)));
    let grown = peak() - before;
    assert!(grown < 8 * 1024, "{grown} KiB for a file of {size} bytes");
}
