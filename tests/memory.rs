//! The memory of a run, and of an explanation, does not grow with the number of issues.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the partner's server")]
#![allow(clippy::print_stdout, reason = "figures")]

mod common;

use std::fs;
use std::io::{Cursor, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Defect, NOW, RULES, Site, document, oem, package_of, supplier};

/// Runs over one package of `count` issues with texts of 12 kB; answers the most memory it had, in
/// MiB, and how many issues it reported and answered.
fn peak(count: usize, json: bool) -> (u64, usize, usize) {
    let site = Site::with("settle_seconds = 0", RULES);
    let name = "ENG26112008000000MFA";
    for (file, bytes) in package_of(name, &oem(), &supplier(), &archive(count)) {
        fs::write(site.path("spool/incoming").join(file), bytes).unwrap();
    }
    let args: &[&str] =
        if json { &["run", "--now", NOW, "--json"] } else { &["run", "--now", NOW] };
    let most = most_of(&site, args);
    let out = fs::read_to_string(site.path("out")).unwrap();
    let (reported, answered) = if json {
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        let issues = report["packages"][0]["issues"].as_array().unwrap();
        let all = issues.iter().all(|issue| issue["changes"].to_string().len() > 12_000);
        assert!(all, "every text stands in the report");
        (issues.len(), report["sent"][0]["issues"].as_array().unwrap().len())
    } else {
        (out.matches("  created ").count(), out.matches("ISS-").count() / 2)
    };
    (most, reported, answered)
}

/// The most memory, in MiB, of the program with these arguments; it prints into the file `out`.
fn most_of(site: &Site, args: &[&str]) -> u64 {
    let out = fs::File::create(site.path("out")).unwrap();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("engsync"));
    command.args(args).current_dir(site.dir.path()).stdout(out).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    let code = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        most = kib.unwrap_or(0).max(most);
        if let Some(code) = child.try_wait().unwrap() {
            break code;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(code.success());
    most / 1024
}

/// One document of `count` issues.
fn archive(count: usize) -> Vec<u8> {
    let defect = Defect { number: "N-1", title: "t", description: "D-1", ..Defect::default() };
    let whole = document(&defect);
    let (head, rest) = whole.split_once("<ISSUE>").unwrap();
    let (issue, tail) = rest.rsplit_once("</ISSUE>").unwrap();
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("./all.xml", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(head.as_bytes()).unwrap();
    let mut seed = 1_u64;
    for number in 0..count {
        let mut text = String::new();
        while text.len() < 12_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text.push_str(&format!("{:x} ", seed >> 16));
        }
        let issue = issue.replace("N-1", &number.to_string()).replace("D-1", &text);
        zip.write_all(format!("<ISSUE>{issue}</ISSUE>").as_bytes()).unwrap();
    }
    zip.write_all(tail.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

#[test]
fn row_35_many_times_the_issues_take_hardly_more_memory() {
    // The first 500 are kept in memory: both are beyond them.
    for json in [false, true] {
        let (few, reported, answered) = peak(600, json);
        assert_eq!((reported, answered), (600, 600));
        let (many, reported, answered) = peak(1800, json);
        assert_eq!((reported, answered), (1800, 1800));
        println!("600 issues: {few} MiB, 1800 issues: {many} MiB (json: {json})");
        assert!(few > 0 && many < few + 12, "{few} MiB grew to {many} MiB (json: {json})");
    }
}

/// The most memory of `inspect` of an archive of `documents` documents, in MiB, and how many
/// issues it told.
fn explained(documents: usize, json: bool) -> (u64, usize) {
    let site = Site::new();
    let numbers: Vec<String> = (0..documents).map(|number| format!("N{number}")).collect();
    let title = "A title that is not short ".repeat(20);
    let defects: Vec<Defect<'_>> = (numbers.iter())
        .map(|number| Defect { number, title: &title, ..Defect::default() })
        .collect();
    fs::write(site.path("many.zip"), common::archive(&defects)).unwrap();
    let args: &[&str] =
        if json { &["inspect", "many.zip", "--json"] } else { &["inspect", "many.zip"] };
    let most = most_of(&site, args);
    let out = fs::read_to_string(site.path("out")).unwrap();
    if json {
        let told: serde_json::Value = serde_json::from_str(&out).unwrap();
        let documents = told["documents"].as_array().unwrap();
        (most, documents.iter().map(|one| one["issues"].as_array().unwrap().len()).sum())
    } else {
        (most, out.matches("  issue   MFAG N").count())
    }
}

#[test]
fn an_explanation_of_ten_thousand_documents_takes_hardly_more_memory() {
    // What stays is the archive's own list of its members and documents.
    for json in [false, true] {
        let (few, told) = explained(1_000, json);
        assert_eq!(told, 1_000);
        let (many, told) = explained(10_000, json);
        assert_eq!(told, 10_000);
        println!("1,000 documents: {few} MiB, 10,000 documents: {many} MiB (json: {json})");
        assert!(few > 0 && many < few + 16, "{few} MiB grew to {many} MiB (json: {json})");
    }
}
