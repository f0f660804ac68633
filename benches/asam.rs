//! Issue documents into issues, and archive members to nowhere.
//!
//! `cargo bench --bench asam` prints MB/s (10^6 bytes); the peak memory of this process stands at
//! the end. quick-xml's bare events in the same run are the anchor; a full pass cannot be faster.
#![allow(missing_docs, clippy::expect_used, reason = "a benchmark stops where it fails")]

use std::hint::black_box;
use std::io::{self, Cursor, Read, Write};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use engsync::asam::{Archive, Limits, Pudis, Render, View};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// A document of about `megabytes` MB, with issues as the partners write them.
fn document(megabytes: usize) -> Vec<u8> {
    let mut zip =
        zip::ZipArchive::new(Cursor::new(include_bytes!("../fixtures/pfiff/s1_single_full.zip")))
            .expect("the sample is an archive");
    let mut text = String::new();
    let mut member = zip.by_name("PFIFF_100234.xml").expect("it has a document");
    member.read_to_string(&mut text).expect("it is readable");
    let from = text.find("<ISSUE>").expect("it has an issue");
    let to = text.find("</ISSUE>").expect("the issue ends") + "</ISSUE>".len();
    let mut document = text[..from].to_owned();
    for number in 0.. {
        if document.len() > megabytes * 1_000_000 {
            break;
        }
        document.push_str(&text[from..to].replace("100234", &format!("{}", 100_000 + number)));
    }
    document.push_str(&text[to..]);
    document.into_bytes()
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

fn open(bytes: &[u8]) -> Archive {
    Archive::open(Cursor::new(bytes.to_vec()), "bench", &limits()).expect("the archive opens")
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

fn documents(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("documents");
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(3));
    let bytes = document(50);
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("anchor: quick-xml's events alone", |b| b.iter(|| events(&bytes)));
    let bare = open(&bytes);
    group.bench_function("look over", |b| b.iter(|| open(&bytes)));
    group.bench_function("into issues", |b| b.iter(|| deliver(&bare)));
    group.bench_function("look over, then into issues", |b| b.iter(|| deliver(&open(&bytes))));
    let zipped = archive("a.xml", &bytes, CompressionMethod::Deflated);
    let packed = open(&zipped);
    group.bench_function("into issues, from a ZIP", |b| b.iter(|| deliver(&packed)));
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
    let archive = open(&bytes);
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

criterion_group!(benches, documents, members);
criterion_main!(benches);
