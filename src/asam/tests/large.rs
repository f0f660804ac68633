//! Memory does not grow with what comes in.

use std::io::{Read, Write};

use super::*;

/// The most memory this process ever had, in KiB (Linux).
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
#[ignore = "packs and unpacks 2 GiB, and measures the memory of the whole process: run it alone"]
fn an_attachment_of_two_gibibytes_streams_through() {
    const SIZE: u64 = 2 << 30;
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_level(Some(1));
    zip.start_file("a.xml", options).unwrap();
    zip.write_all(document(&issue_with_file("1", "big.bin", "big.bin")).as_bytes()).unwrap();
    zip.start_file("big.bin", options).unwrap();
    std::io::copy(&mut std::io::repeat(0).take(SIZE), &mut zip).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    let limits = Limits { entry: SIZE, total: 2 * SIZE, ratio: 10_000, ..Limits::default() };
    let archive = Archive::open(Cursor::new(bytes), "big.zip", &limits).unwrap();
    let (issues, _) = issues(&archive, &view(Render::Clean, Pudis::Issue));
    let (_, size) = issues[0].issue.attachments[0].digest().unwrap();
    assert_eq!(size, SIZE);
    if let Some(peak) = peak() {
        assert!(peak < 64 << 10, "{peak} KiB");
    }
}
