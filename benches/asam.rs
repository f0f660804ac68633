//! Issue documents into issues, and archive members to nowhere.
//!
//! `cargo bench --bench asam` prints MB/s (10^6 bytes) and, before anything else, how much memory
//! a document of 5 and one of 50 MB costs. The anchors of the same run: quick-xml's bare events,
//! and the least that makes issues of them. `open and deliver` is what a user waits for: the
//! document is looked over to its end, and only then are its issues used.
#![allow(missing_docs, clippy::expect_used, reason = "a benchmark stops where it fails")]

use std::hint::black_box;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use engsync::asam::{Archive, Limits, Pudis, Render, View};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// A document with issues as the partners write them, made while it is read, so that it costs no
/// memory itself.
struct Made {
    head: String,
    issue: String,
    tail: &'static str,
    /// Where in an issue its number stands.
    numbers: Vec<usize>,
    issues: u64,
    at: u64,
}

const NUMBER: &str = "100234";

impl Made {
    /// A document of about `megabytes` MB.
    fn new(megabytes: u64) -> Self {
        let sample = include_bytes!("../fixtures/pfiff/s1_single_full.zip");
        let mut zip = zip::ZipArchive::new(Cursor::new(sample)).expect("the sample is an archive");
        let mut text = String::new();
        let mut member = zip.by_name("PFIFF_100234.xml").expect("it has a document");
        member.read_to_string(&mut text).expect("it is readable");
        let from = text.find("<ISSUE>").expect("it has an issue");
        let to = text.find("</ISSUE>").expect("the issue ends") + "</ISSUE>".len();
        let issue = text[from..to].to_owned();
        Self {
            head: text[..from].to_owned(),
            tail: "</ISSUES></MSR-ISSUE>",
            numbers: issue.match_indices(NUMBER).map(|(at, _)| at).collect(),
            issues: (megabytes * 1_000_000).div_ceil(issue.len() as u64),
            issue,
            at: 0,
        }
    }

    fn length(&self) -> u64 {
        (self.head.len() + self.tail.len()) as u64 + self.issues * self.issue.len() as u64
    }

    /// The piece that begins at `at`.
    fn piece(&self) -> Vec<u8> {
        let Some(at) = self.at.checked_sub(self.head.len() as u64) else {
            return self.head.as_bytes()[self.at as usize..].to_vec();
        };
        let (nth, at) = (at / self.issue.len() as u64, at % self.issue.len() as u64);
        if nth < self.issues {
            let mut issue = self.issue.clone().into_bytes();
            for from in &self.numbers {
                issue[*from..from + NUMBER.len()]
                    .copy_from_slice(format!("{:06}", 100_000 + nth).as_bytes());
            }
            return issue.split_off(at as usize);
        }
        let end = self.length() - self.at.min(self.length());
        self.tail.as_bytes()[self.tail.len() - end as usize..].to_vec()
    }
}

impl Read for Made {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let piece = self.piece();
        let read = piece.len().min(into.len());
        into[..read].copy_from_slice(&piece[..read]);
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Made {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

fn document(megabytes: u64) -> Vec<u8> {
    let mut document = Vec::new();
    Made::new(megabytes).read_to_end(&mut document).expect("it is made");
    document
}

fn archive(name: &str, content: &[u8], method: CompressionMethod) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    zip.start_file(name, options).expect("a member starts");
    zip.write_all(content).expect("it is written");
    zip.finish().expect("the archive ends").into_inner()
}

fn limits() -> Limits {
    Limits { entry: 4 << 30, total: 4 << 30, ratio: 10_000, ..Limits::default() }
}

fn view() -> View {
    View {
        peer_name: "Musterfahrzeug AG".to_owned(),
        peer_short: "MFAG".to_owned(),
        own_short: "BEG".to_owned(),
        zone: chrono_tz::Europe::Berlin,
        render: Render::Clean,
        pudis: Pudis::Issue,
    }
}

fn open(source: impl Read + Seek + Send + 'static) -> Archive {
    Archive::open(source, "bench", &limits()).expect("the archive opens")
}

/// The most memory this process ever had, in KiB (Linux).
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Runs before the others: memory is measured as the peak of the process.
#[allow(clippy::print_stdout, reason = "the figure is the bench's result")]
fn memory(_: &mut Criterion) {
    for megabytes in [5, 50] {
        let before = peak();
        let issues = deliver(&open(Made::new(megabytes)));
        let more = peak() - before;
        println!("memory: {megabytes} MB, {issues} issues: peak {before} KiB + {more} KiB");
    }
}

fn deliver(archive: &Archive) -> usize {
    let mut issues = 0;
    archive
        .deliver(&view(), &mut |issue| {
            issues += usize::from(issue.unreadable.is_none());
            black_box(issue);
            Ok(())
        })
        .expect("the issues are read");
    issues
}

fn events(bytes: &[u8]) -> u64 {
    let mut reader = quick_xml::Reader::from_reader(io::BufReader::new(bytes));
    let (mut buffer, mut count) = (Vec::new(), 0);
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).expect("it is well formed") {
            quick_xml::events::Event::Eof => return count,
            event => {
                black_box(event);
                count += 1;
            }
        }
    }
}

/// The least that makes issues of a document: each with its elements' texts by name.
fn quick_issues(bytes: &[u8]) -> usize {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_reader(io::BufReader::new(bytes));
    let (mut buffer, mut issues) = (Vec::new(), 0);
    let (mut issue, mut text): (Vec<(String, String)>, _) = (Vec::new(), String::new());
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).expect("it is well formed") {
            Event::Start(_) => text.clear(),
            Event::Text(piece) => text.push_str(&piece),
            Event::GeneralRef(name) => {
                text.push_str(quick_xml::escape::resolve_xml_entity(&name).unwrap_or("?"));
            }
            Event::End(end) if end.name().as_ref() == "ISSUE" => {
                black_box(std::mem::take(&mut issue));
                issues += 1;
            }
            Event::End(end) => {
                let value = text.trim();
                if !value.is_empty() {
                    issue.push((end.name().as_ref().to_owned(), value.to_owned()));
                }
                text.clear();
            }
            Event::Eof => return issues,
            _ => {}
        }
    }
}

fn documents(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("documents");
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(3));
    let bytes: &'static [u8] = document(50).leak();
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("anchor: quick-xml's events alone", |b| b.iter(|| events(bytes)));
    group.bench_function("anchor: quick-xml into issues", |b| b.iter(|| quick_issues(bytes)));
    let bare = open(Cursor::new(bytes));
    group.bench_function("open", |b| b.iter(|| open(Cursor::new(bytes))));
    group.bench_function("deliver", |b| b.iter(|| deliver(&bare)));
    group.bench_function("open and deliver", |b| b.iter(|| deliver(&open(Cursor::new(bytes)))));
    let zipped: &'static [u8] = archive("a.xml", bytes, CompressionMethod::Deflated).leak();
    let packed = open(Cursor::new(zipped));
    group.bench_function("deliver, from a ZIP", |b| b.iter(|| deliver(&packed)));
    group.bench_function("open and deliver, from a ZIP", |b| {
        b.iter(|| deliver(&open(Cursor::new(zipped))));
    });
    group.finish();
}

/// Ours against the `zip` crate alone.
fn members(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("members");
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    let content: Vec<u8> = document(10);
    let issue = "<ISSUE><COMPANY-ISSUE-INFOS><COMPANY-ISSUE-INFO><COMPANY-DATA-REF>MFAG\
                 </COMPANY-DATA-REF><ISSUE-ID>1</ISSUE-ID></COMPANY-ISSUE-INFO>\
                 </COMPANY-ISSUE-INFOS><ISSUE-RELATED-DOCUMENTS><ISSUE-RELATED-DOCUMENT><XDOC>\
                 <LONG-NAME-1>b</LONG-NAME-1><URL>b</URL></XDOC></ISSUE-RELATED-DOCUMENT>\
                 </ISSUE-RELATED-DOCUMENTS></ISSUE>";
    let document = format!("<MSR-ISSUE><ISSUES>{issue}</ISSUES></MSR-ISSUE>");
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in [("a.xml", document.as_bytes()), ("b", &content)] {
        zip.start_file(name, SimpleFileOptions::default()).expect("a member starts");
        zip.write_all(bytes).expect("it is written");
    }
    let bytes = zip.finish().expect("the archive ends").into_inner();
    group.throughput(Throughput::Bytes(content.len() as u64));
    group.bench_function(BenchmarkId::new("read", "zip alone"), |b| {
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes.clone())).expect("it opens");
        b.iter(|| {
            let mut member = zip.by_name("b").expect("the member is there");
            io::copy(&mut member, &mut io::sink()).expect("it is read")
        });
    });
    let archive = open(Cursor::new(bytes.clone()));
    let mut file = None;
    archive
        .deliver(&view(), &mut |issue| {
            file = issue.issue.attachments.first().cloned();
            Ok(())
        })
        .expect("the issue is read");
    let file = file.expect("the issue has a file");
    group.bench_function(BenchmarkId::new("read", "attachment"), |b| {
        b.iter(|| {
            file.read_with(&mut |content| io::copy(content, &mut io::sink()).map(drop))
                .expect("it is read");
        });
    });
    group.finish();
}

criterion_group!(benches, memory, documents, members);
criterion_main!(benches);
