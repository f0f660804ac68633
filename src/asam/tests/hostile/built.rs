//! Archives that are built here, byte by byte where need be.

use super::*;
use crate::Severity;

/// One member: its name in the local header, its name in the directory, its content, and what is
/// lied about.
#[derive(Clone)]
struct Part {
    local: Vec<u8>,
    central: Vec<u8>,
    content: Vec<u8>,
    declared: u32,
    method: u16,
    flags: u16,
    mode: u32,
    /// The local header of another part is used for this one.
    at: Option<usize>,
}

fn part(name: &str, content: impl AsRef<[u8]>) -> Part {
    let content = content.as_ref().to_vec();
    Part {
        local: name.into(),
        central: name.into(),
        declared: u32::try_from(content.len()).unwrap(),
        content,
        method: 0,
        flags: 0,
        mode: 0o100_644,
        at: None,
    }
}

/// A stored archive of `parts`, with data before it and a comment after it.
fn archive(parts: &[Part], before: &[u8], comment: &[u8]) -> Vec<u8> {
    let mut bytes = before.to_vec();
    let mut offsets = Vec::new();
    let size = |part: &Part| u32::try_from(part.content.len()).unwrap().to_le_bytes();
    let crc = |part: &Part| crc32(&part.content).to_le_bytes();
    for part in parts {
        let own = u32::try_from(bytes.len() - before.len()).unwrap();
        offsets.push(part.at.map_or(own, |at| offsets[at]));
        if part.at.is_some() {
            continue;
        }
        bytes.extend(b"PK\x03\x04\x14\0");
        bytes.extend(part.flags.to_le_bytes());
        bytes.extend(part.method.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(crc(part));
        bytes.extend(size(part));
        bytes.extend(part.declared.to_le_bytes());
        bytes.extend(u16::try_from(part.local.len()).unwrap().to_le_bytes());
        bytes.extend([0; 2]);
        bytes.extend(&part.local);
        bytes.extend(&part.content);
    }
    let directory = bytes.len() - before.len();
    for (part, offset) in parts.iter().zip(&offsets) {
        bytes.extend(b"PK\x01\x02\x14\x03\x14\0");
        bytes.extend(part.flags.to_le_bytes());
        bytes.extend(part.method.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(crc(part));
        bytes.extend(size(part));
        bytes.extend(part.declared.to_le_bytes());
        bytes.extend(u16::try_from(part.central.len()).unwrap().to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend((part.mode << 16).to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes.extend(&part.central);
    }
    let length = bytes.len() - before.len() - directory;
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    let count = u16::try_from(parts.len()).unwrap().to_le_bytes();
    bytes.extend([count, count].concat());
    bytes.extend(u32::try_from(length).unwrap().to_le_bytes());
    bytes.extend(u32::try_from(directory).unwrap().to_le_bytes());
    bytes.extend(u16::try_from(comment.len()).unwrap().to_le_bytes());
    bytes.extend(comment);
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

fn with_file(name: &str, url: &str, files: &[Part]) -> String {
    let document = document(&issue_with_file("1", name, url));
    outcome(archive(&[&[part("a.xml", document)], files].concat(), b"", b""))
}

#[test]
fn row_33_names_that_lie() {
    assert_eq!(
        with_file("e.txt", "..\\e.txt", &[part("..\\e.txt", "x")]),
        "1 ok path-like-name e.txt: 1"
    );
    let nul = part("n.txt\0.exe", "x");
    assert_eq!(with_file("n", "n.txt", &[nul]), "1 ok bad-member-name attachment-missing n: none");
    let files = [part("A.txt", "xx"), part("a.txt", "x")];
    assert_eq!(with_file("n", "a.txt", &files), "1 ok n: 1");
    let long = format!("{}.txt", "x".repeat(296));
    let outcome = with_file(&long, &long, &[part(&long, "x")]);
    assert_eq!(outcome, format!("1 ok {}.txt: 1", "x".repeat(251)));
    let bidi = "r\u{202e}txt.exe";
    assert_eq!(with_file(bidi, "x", &[part("x", "x")]), "1 ok rtxt.exe: 1");
    let smuggled = Part { local: b"b.txt".to_vec(), ..part("a.txt", "x") };
    assert_eq!(
        with_file("n", "a.txt", &[smuggled]),
        "1 ok header-mismatch attachment-refused n: none"
    );
    let directory = part("a.txt/", "");
    assert_eq!(with_file("n", "a.txt", &[directory]), "1 ok attachment-missing n: none");
}

#[test]
fn files_that_are_none() {
    for (mode, method, code) in [
        (0o120_777, 0, "not-a-file"),
        (0o020_666, 0, "not-a-file"),
        (0o010_644, 0, "not-a-file"),
        (0o100_644, 14, "unsupported-method"),
        (0o100_644, 9, "unsupported-method"),
    ] {
        let file = Part { mode, method, ..part("a.txt", "x") };
        let expected = format!("1 ok {code} attachment-refused n: none");
        assert_eq!(with_file("n", "a.txt", &[file]), expected);
    }
    // A regular file of a system without modes.
    assert_eq!(with_file("n", "a", &[Part { mode: 0, ..part("a", "x") }]), "1 ok n: 1");
}

#[test]
fn row_31_sizes_that_lie() {
    for declared in [0, 3, 5] {
        let file = Part { declared, ..part("a.txt", "four") };
        assert_eq!(with_file("n", "a.txt", &[file]), "1 ok n: damaged", "{declared}");
    }
    // The document itself.
    let mut lying = part("a.xml", document(&issue("1", "")));
    lying.declared -= 4;
    assert_eq!(outcome(archive(&[lying], b"", b"")), "content-damaged");
}

#[test]
fn row_31_members_that_share_bytes() {
    let inner = part("b.txt", "x".repeat(100));
    let twin = Part { at: Some(1), central: b"b.txt".to_vec(), ..inner.clone() };
    assert_eq!(
        with_file("n", "b.txt", &[inner.clone(), twin]),
        "1 ok duplicate-member attachment-refused n: none"
    );
    // A header inside the content of another member.
    let hidden = archive(&[part("in.txt", "x")], b"", b"");
    let outer = part("out.txt", &hidden);
    let quoted = Part { at: Some(1), ..part("out.txt", &hidden) };
    let mut bytes = archive(
        &[part("a.xml", document(&issue_with_file("1", "n", "out.txt"))), outer, quoted],
        b"",
        b"",
    );
    // Let the third entry point at the inner header, under its name.
    let inner_header = memchr::memmem::find(&bytes, b"in.txt").unwrap() - 30;
    let entry = memchr::memmem::rfind(&bytes, b"out.txt").unwrap() - 46;
    bytes[entry + 42..entry + 46]
        .copy_from_slice(&u32::try_from(inner_header).unwrap().to_le_bytes());
    bytes[entry + 16..entry + 20].copy_from_slice(&crc32(b"x").to_le_bytes());
    bytes[entry + 20..entry + 24].copy_from_slice(&1_u32.to_le_bytes());
    bytes[entry + 24..entry + 28].copy_from_slice(&1_u32.to_le_bytes());
    bytes[entry + 28..entry + 30].copy_from_slice(&6_u16.to_le_bytes());
    let name = entry + 46;
    bytes.splice(name..name + 7, *b"in.txt");
    let end = bytes.len() - 22;
    let length = u32::from_le_bytes(bytes[end + 12..end + 16].try_into().unwrap()) - 1;
    bytes[end + 12..end + 16].copy_from_slice(&length.to_le_bytes());
    assert_eq!(
        outcome(bytes),
        "1 ok overlapping-members overlapping-members attachment-refused n: none"
    );
}

#[test]
fn row_30_around_the_archive() {
    let parts = [part("a.xml", document(&issue("1", "")))];
    assert_eq!(outcome(archive(&parts, b"#!/bin/sh\n", b"")), "1 ok prefix-data");
    assert_eq!(outcome(archive(&parts, b"", b"a comment")), "1 ok");
    let padded = [archive(&parts, b"", b"a comment"), vec![0; 100_000]].concat();
    assert_eq!(outcome(padded), "1 ok trailing-padding");
    // A second end record in the comment, of an archive without members.
    let fake = [b"PK\x05\x06".as_slice(), &[0; 18]].concat();
    assert_eq!(outcome(archive(&parts, b"", &fake)), "no-documents");
    // An archive in a cut-off archive is not taken for it.
    let inner = archive(&[part("b.xml", document(&issue("2", "")))], b"", b"");
    let outer = archive(&[parts[0].clone(), part("inner.zip", &inner)], b"", b"");
    let end = memchr::memmem::find(&outer, &inner).unwrap() + inner.len();
    assert_eq!(outcome(outer[..end].to_vec()), "bad-zip (incomplete)");
    assert_eq!(outcome(b"Guten Tag".to_vec()), "bad-zip");
    assert_eq!(outcome(vec![0; 1000]), "bad-zip");
    assert_eq!(outcome(archive(&[part("a.txt", "x")], b"", b"")), "no-documents");
}

#[test]
fn row_31_limits_on_the_archive() {
    let limits = Limits { total: 4000, entries: 3, ..Limits::default() };
    let outcome = |parts: &[Part]| {
        let opened = Archive::open(Cursor::new(archive(parts, b"", b"")), "x.zip", &limits);
        opened.map(|_| "").map_err(|error| error.code.as_str())
    };
    let document = part("a.xml", document(&issue("1", "")));
    let file = |at: usize| part(&at.to_string(), "x");
    assert_eq!(outcome(&[document.clone(), file(1), file(2)]), Ok(""));
    assert_eq!(outcome(&[document.clone(), file(1), file(2), file(3)]), Err("limit-exceeded"));
    assert_eq!(outcome(&[document.clone(), part("b", [0; 4000])]), Err("limit-exceeded"));
    let small = Limits { entry: 500, ..limits };
    let bare = Cursor::new(super::super::document(&issue("1", "")).into_bytes());
    let error = Archive::open(bare, "x.xml", &small).err().unwrap();
    assert_eq!(error.code, code::LIMIT_EXCEEDED);
    let many: Vec<Part> = (0..20_001).map(file).collect();
    assert_eq!(super::outcome(archive(&many, b"", b"")), "limit-exceeded");
}

#[test]
fn row_32_documents_that_attack() {
    let whole = document(&issue("1", ""));
    // The long ones stand alone: the checksum of this test's archives is slow.
    let bad = |document: String| match document.len() {
        0..100_000 => outcome(archive(&[part("a.xml", document)], b"", b"")),
        _ => outcome(document.into_bytes()),
    };
    let entities = format!("<!DOCTYPE x [<!ENTITY a \"{}\">]>", "a".repeat(1000));
    let cases = [
        (whole.replace("<MSR-ISSUE>", &format!("{entities}<MSR-ISSUE>")), "doctype"),
        (whole.replace("Titel", "&unknown;"), "bad-xml"),
        (whole.replace("Titel", "&#0;"), "bad-xml"),
        (whole.replace("Titel", "&#xB;"), "bad-xml"),
        (whole.replace("Titel", "&#xFFFE;"), "bad-xml"),
        (whole.replace("Titel", "a & b"), "bad-xml"),
        (whole.replace("<ISSUES>", "<ISSUES a='1' a='2'>"), "bad-xml"),
        (whole.replace("<ISSUES>", "<ISSUES a='&nope;'>"), "bad-xml"),
        (whole.replace("<ISSUES>", "<ISSUES a=b>"), "bad-xml"),
        (whole.replace("</ISSUES>", "</ISSUE>"), "bad-xml"),
        (format!("{whole}<MSR-ISSUE/>"), "bad-xml"),
        (format!("{whole}text"), "bad-xml"),
        (whole.replace("</MSR-ISSUE>", ""), "bad-xml"),
        (String::new(), "bad-xml"),
        (whole.replace("utf-8", "klingon"), "bad-xml"),
        (whole.replace("Titel", &"x".repeat(33 << 20)), "limit-exceeded"),
        (whole.replace("MSR-ISSUE", "MESSAGE-ACKNOWLEDGE"), "no-documents"),
    ];
    for (document, code) in cases {
        let shown: String = document.chars().take(300).collect();
        assert_eq!(bad(document), code, "{shown}");
    }
    let latin = [b"\xff".as_slice(), whole.as_bytes()].concat();
    assert_eq!(outcome(archive(&[part("a.xml", latin)], b"", b"")), "bad-xml");
    // Too much in one issue costs that issue.
    let long = format!("<LABEL>{}</LABEL>", "x".repeat(1 << 20));
    for much in ["<SDGS/>".repeat(200_001), long.repeat(17)] {
        let issues = issue("1", "") + &issue("2", &much) + &issue("3", "");
        assert_eq!(bad(document(&issues)), "2 ok !limit-exceeded");
    }
}

#[test]
fn a_damaged_document_does_not_cost_its_neighbours() {
    let good = |number| document(&issue(number, ""));
    let parts = [
        part("a.xml", good("1")),
        part("b.xml", good("2").replace("</ISSUES>", "")),
        part("c.XmL", good("3")),
        part("d/e.xml", good("4")),
    ];
    let archive = open(archive(&parts, b"", b"")).unwrap();
    assert_eq!(codes(archive.findings()), ["bad-xml"]);
    let (issues, _) = issues(&archive, &view(Render::Clean, Pudis::Issue));
    assert_eq!(issues.iter().map(|d| d.issue.id.as_str()).collect::<Vec<_>>(), ["1", "3"]);
    assert_eq!(archive.findings()[0].severity, Severity::Error);
    assert_eq!(archive.files().count(), 2);
}

#[test]
fn log_lines_cannot_be_forged() {
    let title = "x&#10;error: all is lost&#27;";
    let error = open(document(&issue("1", "").replace("Titel", title)).into_bytes());
    assert_eq!(error.err().unwrap().code, code::BAD_XML);
    let title = "x&#10;error: all is lost";
    let unnumbered = issue("", "").replace("Titel ", title);
    let archive = open(document(&unnumbered).into_bytes()).unwrap();
    let (issues, _) = issues(&archive, &view(Render::Clean, Pudis::Issue));
    let line = issues[0].unreadable.as_ref().unwrap().line();
    assert!(line.contains("all is lost") && !line.contains('\n'), "{line}");
}
