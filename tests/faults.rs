//! Rows of the fault matrix that need neither another tracker nor a server, by number; those
//! covered elsewhere are in `docs/reliability.md` with their tests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "figures, and what was skipped")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use common::{Defect, RULES, Site, archive, oem, outcomes, package, package_of, party, supplier};

const FIRST: &str = "ENG26112008000000MFA";
const SECOND: &str = "ENG26112009000000MFA";
const LATER: &str = "2026-11-21T10:00:00+01:00";

fn defect(number: &str) -> Defect<'_> {
    Defect { number, title: "Fensterheber klemmt", ..Defect::default() }
}

fn put(site: &Site, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        fs::write(site.path("spool/incoming").join(name), bytes).unwrap();
    }
}

fn settled() -> Site {
    Site::with("settle_seconds = 0", RULES)
}

/// A small file system of its own, taken away again at the end.
struct Mount<'a>(&'a std::path::Path);

impl<'a> Mount<'a> {
    fn new(path: &'a std::path::Path, options: &str) -> Option<Self> {
        let mut command = Command::new("mount");
        let command = command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(path);
        let done = command.output().is_ok_and(|done| done.status.success());
        done.then_some(Self(path))
    }

    fn grow(&self) {
        let done = Command::new("mount").args(["-o", "remount,size=8m"]).arg(self.0).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn row_5_on_a_full_disk_nothing_is_half_public_and_all_of_it_is_sent_later() {
    let site = settled();
    let spool = site.path("spool");
    let Some(mount) = Mount::new(&spool, "size=64k") else {
        println!("SKIPPED: no file system can be mounted here; tests/black_box.rs fails the calls");
        return;
    };
    fs::create_dir_all(spool.join("incoming")).unwrap();
    site.deliver(FIRST, &[defect("4711")]);
    let filled = fs::write(spool.join("ballast"), vec![0; 1 << 20]);
    assert!(filled.is_err(), "the disk is full");
    let ran = site.engsync(&["run"]);
    assert_eq!(ran.code, 2, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("No space left"), "{}", ran.err);
    assert!(site.list("spool/outgoing/oem").is_empty());
    mount.grow();
    site.run();
    assert_eq!(site.issues(), 1);
    assert_eq!(site.list("spool/outgoing/oem").len(), 2);
    assert_eq!(site.engsync(&["run"]).out, "nothing to do\n");
}

#[test]
fn row_9_a_description_waits_for_its_data_and_the_reverse_and_others_go_on() {
    for early in [0, 1] {
        let site = settled();
        let files = package(FIRST, &[defect("4711")]);
        put(&site, &files[early..=early]);
        site.deliver(SECOND, &[defect("4712")]);
        assert_eq!(outcomes(&site.run()), ["waiting -", "applied -"]);
        assert_eq!(site.engsync(&["run"]).code, 0, "no error storm");
        put(&site, &files[1 - early..=1 - early]);
        assert_eq!(outcomes(&site.run()), ["applied -"]);
        assert_eq!(site.issues(), 2);
    }
}

#[test]
fn row_8_a_part_after_the_deadline_still_brings_its_package_back() {
    let site = Site::with("settle_seconds = 0\nwait_hours = 0", RULES);
    let files = package(FIRST, &[defect("4711")]);
    put(&site, &files[..1]);
    assert_eq!(outcomes(&site.run()), ["deferred part-missing"]);
    put(&site, &files[1..]);
    assert_eq!(outcomes(&site.run()), ["applied -"]);
    assert!(site.list("spool/deferred").is_empty());
}

#[test]
fn row_10_what_was_applied_is_a_duplicate_in_the_same_scan_and_after() {
    let site = settled();
    let files = package(FIRST, &[defect("4711")]);
    put(&site, &files);
    site.run();
    let before = site.issue("ISS-1");
    let suffixed: Vec<_> =
        files.iter().map(|(name, bytes)| (format!("{name}.again"), bytes.clone())).collect();
    put(&site, &suffixed);
    let ran = site.engsync(&["run", "--json"]);
    assert_eq!(ran.code, 0, "a duplicate is no trouble");
    assert_eq!(outcomes(&ran.json()), ["duplicate duplicate"]);
    assert_eq!(site.issue("ISS-1"), before, "nothing was written");
}

#[test]
fn row_10_the_same_parts_under_two_suffixes_are_one_package() {
    let site = settled();
    let files = package(FIRST, &[defect("4711")]);
    put(&site, &files);
    let suffixed: Vec<_> =
        files.iter().map(|(name, bytes)| (format!("{name}.2"), bytes.clone())).collect();
    put(&site, &suffixed);
    let report = site.run();
    assert_eq!(outcomes(&report), ["applied -"], "{report:#}");
    let found = report["packages"][0]["findings"].to_string();
    assert_eq!(found.matches("engdat-part-repeated").count(), 2, "{found}");
    assert_eq!(site.list(&format!("spool/done/{FIRST}")).len(), 4, "nothing is thrown away");
    // Without the copies it is the same package.
    put(&site, &files);
    assert_eq!(outcomes(&site.run()), ["duplicate duplicate"]);
}

#[test]
fn row_12_another_name_and_the_same_content_changes_nothing() {
    let site = settled();
    site.deliver(FIRST, &[defect("4711")]);
    site.run();
    let before = site.issue("ISS-1");
    site.deliver(SECOND, &[defect("4711")]);
    let report = site.run();
    assert_eq!(outcomes(&report), ["applied -"]);
    assert_eq!(report["packages"][0]["issues"][0]["action"], "unchanged");
    assert_eq!((site.issue("ISS-1"), &report["sent"]), (before, &serde_json::json!([])));
}

#[test]
fn row_14_a_hundred_packages_of_one_second_are_all_taken() {
    let site = settled();
    let numbers: Vec<String> = (0..100).map(|number| format!("{}", 4700 + number)).collect();
    for (index, number) in numbers.iter().enumerate() {
        site.deliver(&format!("ENG261120080000{index:02}MFA"), &[defect(number)]);
    }
    let report = site.run();
    assert!(outcomes(&report).iter().all(|outcome| outcome == "applied -"), "{report:#}");
    assert_eq!((outcomes(&report).len(), site.issues()), (100, 100));
    assert_eq!(site.engsync(&["run"]).out, "nothing to do\n");
}

#[test]
fn row_15_a_gap_in_a_second_is_told_once_the_time_is_over() {
    let site = settled();
    for counter in ["00", "01", "04"] {
        site.deliver(&format!("ENG261120080000{counter}MFA"), &[defect(counter)]);
    }
    assert!(outcomes(&site.run()).iter().all(|one| one == "applied -"), "they are taken");
    let gaps = |now: &str| {
        let status = site.engsync(&["status", "--json", "--now", now]).json();
        let gaps = status["gaps"].as_array().unwrap().clone();
        gaps.iter().map(|gap| gap["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(gaps(LATER).is_empty(), "it may still come");
    let day = "2026-11-23T09:00:00+01:00";
    assert_eq!(gaps(day), ["ENG26112008000002MFA", "ENG26112008000003MFA"]);
    let text = site.engsync(&["status", "--now", day]).out;
    assert!(text.contains("gap       ENG26112008000002MFA"), "{text}");
    for counter in ["02", "03"] {
        site.deliver(&format!("ENG261120080000{counter}MFA"), &[defect(counter)]);
    }
    site.run();
    assert!(gaps(day).is_empty());
}

#[test]
fn row_16_whatever_the_clock_says_nothing_is_skipped_or_sent_twice() {
    let site = settled();
    let clocks = [
        "2026-11-21T09:00:00+01:00",
        "2026-11-22T09:00:00+01:00",
        "2026-11-20T09:00:00+01:00",
        "1970-01-01T00:00:00Z",
        "2026-10-25T02:30:00+01:00",
        "2028-02-29T23:59:59Z",
    ];
    let mut names = Vec::new();
    for (index, clock) in clocks.iter().enumerate() {
        let number = format!("{}", 4711 + index);
        site.deliver(&format!("ENG261120080000{index:02}MFA"), &[defect(&number)]);
        let ran = site.engsync(&["run", "--json", "--now", clock]);
        let report = ran.json();
        assert_eq!(outcomes(&report)[0], "applied -", "{clock}: {report:#}");
        assert_eq!(report["sent"].as_array().unwrap().len(), 1, "{clock}: {report:#}");
        assert_eq!(report["sent"][0]["issues"].as_array().unwrap().len(), 1, "{clock}");
        names.push(report["sent"][0]["name"].as_str().unwrap().to_owned());
    }
    let mut sorted = names.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted, names, "names only rise, whatever the clock does");
    assert_eq!(site.issues(), clocks.len());
}

#[test]
fn row_17_a_partner_whose_clock_is_wrong_is_still_in_order() {
    let site = settled();
    let dates = ["2031/01/01T08:00:00", "2031/01/01T08:00:01"];
    for (index, (date, title)) in dates.iter().zip(["one", "two"]).enumerate() {
        let name = format!("ENG310101080000{index:02}MFA");
        site.deliver(&name, &[Defect { title, date, ..defect("4711") }]);
        let report = site.run();
        assert_eq!(outcomes(&report), ["applied -"]);
        assert_eq!(report["packages"][0]["findings"][0]["code"], "partner-clock", "{report:#}");
    }
    assert_eq!(site.issue("ISS-1")["fields"]["summary"], "two");
}

#[test]
fn row_30_damaged_archives_are_set_aside_and_the_next_package_is_taken() {
    let site = settled();
    let zip = archive(&[defect("4711")]);
    let mut crc = zip.clone();
    let data = crc.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    crc[data / 2] ^= 0x55;
    let mut directory = zip.clone();
    directory[data + 1] = b'X';
    let damaged = [zip[..zip.len() - 30].to_vec(), crc, directory, b"no archive at all".to_vec()];
    for (index, bytes) in damaged.iter().enumerate() {
        let name = format!("ENG261120080000{index:02}MFA");
        put(&site, &package_of(&name, &oem(), &supplier(), bytes));
    }
    site.deliver(SECOND, &[defect("4712")]);
    let report = site.run();
    let got = outcomes(&report);
    assert_eq!(got.last().unwrap(), "applied -", "{got:?}");
    assert!(got[..4].iter().all(|one| one.starts_with("corrupt ")), "{report:#}");
    assert_eq!((site.issues(), site.list("spool/corrupt").len()), (1, 4));
}

#[test]
fn row_33_no_name_in_an_archive_leads_out() {
    use std::io::Write as _;
    let site = settled();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("./4711.xml", options).unwrap();
    zip.write_all(common::document(&defect("4711")).as_bytes()).unwrap();
    for name in ["../../escaped.txt", "/tmp/engsync-escaped.txt", "..\\..\\escaped.bin"] {
        zip.start_file(name, options).unwrap();
        zip.write_all(b"out").unwrap();
    }
    let zip = zip.finish().unwrap().into_inner();
    put(&site, &package_of(FIRST, &oem(), &supplier(), &zip));
    site.run();
    let escaped = |path: &std::path::Path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().contains("escaped"))
    };
    assert!(!site.fingerprint().keys().any(|path| escaped(path)));
    assert!(!std::path::Path::new("/tmp/engsync-escaped.txt").exists());
    assert!(!site.dir.path().parent().unwrap().join("escaped.txt").exists());
}

#[test]
fn row_34_links_pipes_and_directories_in_incoming_are_not_followed() {
    let site = settled();
    let files = package(FIRST, &[defect("4711")]);
    fs::write(site.path("elsewhere"), &files[0].1).unwrap();
    let incoming = site.path("spool/incoming");
    symlink(site.path("elsewhere"), incoming.join(&files[0].0)).unwrap();
    fs::write(incoming.join(&files[1].0), &files[1].1).unwrap();
    fs::create_dir(incoming.join("ENG26112008000001MFA002001")).unwrap();
    let pipe = incoming.join("ENG26112008000002MFA002001");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    site.deliver(SECOND, &[defect("4712")]);
    let mut command = site.command(&["run", "--json"]);
    let ran = common::ran(&command.timeout(std::time::Duration::from_secs(20)).output().unwrap());
    let got = outcomes(&ran.json());
    assert_eq!(got.iter().filter(|one| *one == "applied -").count(), 1, "{got:?}");
    assert_eq!(site.issues(), 1, "the link was not followed");
    assert!(fs::symlink_metadata(incoming.join(&files[0].0)).unwrap().is_symlink());
    assert!(site.path("elsewhere").exists());
    let status = site.engsync(&["status"]).out;
    for name in [&*files[0].0, "ENG26112008000001MFA002001", "ENG26112008000002MFA002001"] {
        assert!(status.contains(name), "it is reported: {status}");
    }
}

#[test]
fn row_36_without_permission_it_says_where_and_goes_on_when_allowed() {
    let site = settled();
    site.deliver(FIRST, &[defect("4711")]);
    site.run();
    site.engsync(&["tracker", "set", "ISS-1", "status=In Progress"]);
    let outgoing = site.path("spool/outgoing/oem");
    let mode = |mode| fs::set_permissions(&outgoing, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o555);
    if fs::write(outgoing.join("probe"), "").is_ok() {
        // The superuser may write anywhere: a file in the way is as good.
        fs::remove_file(outgoing.join("probe")).unwrap();
        mode(0o755);
        fs::rename(&outgoing, site.path("aside")).unwrap();
        fs::write(&outgoing, "in the way").unwrap();
        let ran = site.engsync(&["run"]);
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert!(ran.out.contains("outgoing/oem"), "{}", ran.out);
        fs::remove_file(&outgoing).unwrap();
        fs::rename(site.path("aside"), &outgoing).unwrap();
    } else {
        let ran = site.engsync(&["run"]);
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert!(ran.out.contains("Permission denied"), "{}", ran.out);
        mode(0o755);
    }
    site.run();
    assert_eq!(site.list("spool/outgoing/oem").len(), 4, "the frozen answer is out");
}

#[test]
fn row_38_a_package_for_somebody_else_is_kept_and_can_be_released() {
    let site = settled();
    let stranger = party("O0013FREMD", "RDEFREMD", "Fremd AG");
    let zip = archive(&[defect("4711")]);
    put(&site, &package_of(FIRST, &oem(), &stranger, &zip));
    site.deliver(SECOND, &[defect("4712")]);
    assert_eq!(outcomes(&site.run()), ["corrupt routing-mismatch", "applied -"]);
    let config = fs::read_to_string(site.path("engsync.toml")).unwrap();
    fs::write(site.path("engsync.toml"), config.replace("\"RDEBEISPIEL\"", "\"RDEFREMD\""))
        .unwrap();
    assert_eq!(site.engsync(&["release", FIRST]).code, 0);
    assert_eq!(outcomes(&site.run()), ["applied -"]);
    assert_eq!(site.issues(), 2);
}

#[test]
fn row_39_a_damaged_state_is_refused_and_a_lost_one_makes_no_twins() {
    let more = "path = \"tracker.db\"";
    let site = settled();
    fs::write(site.path("engsync.toml"), common::config("settle_seconds = 0", more, RULES))
        .unwrap();
    site.deliver(FIRST, &[Defect { annotations: &["Bitte."], ..defect("4711") }]);
    site.run();
    let state = site.path("engsync.db");
    let whole = fs::read(&state).unwrap();
    let damage: [(&[u8], &str); 2] = [
        (b"not a database, but long enough to be looked at", "database"),
        (&whole[..whole.len() / 2 + 77], "database"),
    ];
    for (bytes, word) in damage {
        fs::write(&state, bytes).unwrap();
        let ran = site.engsync(&["run"]);
        assert_eq!(ran.code, 2, "{}", ran.out);
        assert!(ran.err.contains(word) && ran.err.contains("hint:"), "{}", ran.err);
        assert_eq!(fs::read(&state).unwrap(), bytes, "it is left as it is");
    }
    // Lost altogether, and empty: the marker in the tracker still knows the issue.
    for bytes in [None, Some("")] {
        fs::remove_file(&state).unwrap();
        if let Some(bytes) = bytes {
            fs::write(&state, bytes).unwrap();
        }
        site.deliver(SECOND, &[Defect { annotations: &["Bitte."], ..defect("4711") }]);
        let ran = site.engsync(&["run", "--json", "--now", LATER]);
        assert!(outcomes(&ran.json()).contains(&"applied -".to_owned()), "{}", ran.out);
        assert_eq!(site.issues(), 1, "no twin");
        let comments = site.issue("ISS-1")["comments"].as_array().unwrap().len();
        assert_eq!(comments, 1, "no comment twice");
    }
}

#[test]
fn row_26_a_tracker_that_reads_text_otherwise_makes_no_ping_pong() {
    let site = settled();
    let title = "  L\u{fc}fter \u{1f525}  pfeift ";
    let lines = "Zeile 1\r\nZeile 2   \r\n\r\n";
    site.deliver(FIRST, &[Defect { title, description: lines, ..defect("4711") }]);
    site.run();
    let before = site.issue("ISS-1");
    for round in 0..10 {
        let name = format!("ENG261120090000{round:02}MFA");
        site.deliver(&name, &[Defect { title, description: lines, ..defect("4711") }]);
        let report = site.run();
        assert_eq!(report["packages"][0]["issues"][0]["action"], "unchanged", "round {round}");
        assert_eq!(report["sent"], serde_json::json!([]));
    }
    assert_eq!(site.issue("ISS-1"), before);
}

#[test]
fn row_29_of_several_at_once_one_works_and_the_others_say_who() {
    let site = settled();
    let numbers: Vec<String> = (0..20).map(|number| format!("{}", 4700 + number)).collect();
    for (index, number) in numbers.iter().enumerate() {
        site.deliver(&format!("ENG261120080000{index:02}MFA"), &[defect(number)]);
    }
    let start = || {
        Command::new(env!("CARGO_BIN_EXE_engsync"))
            .current_dir(site.dir.path())
            .env_clear()
            .args(["run", "-q", "--now", common::NOW])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..5).map(|_| start()).collect();
    let mut worked = 0;
    for child in children {
        let ran = common::ran(&child.wait_with_output().unwrap());
        match ran.code {
            0 => worked += 1,
            2 => assert!(ran.err.contains("works on this spool"), "{}", ran.err),
            code => panic!("{code}: {}", ran.err),
        }
    }
    assert!(worked >= 1);
    assert_eq!(site.engsync(&["run"]).out, "nothing to do\n");
    assert_eq!((site.issues(), site.list("spool/done").len()), (20, 20));
    assert_eq!(site.list("spool/outgoing/oem").len(), 2, "one answer");
    // Killed, the lock is free at once.
    site.deliver(SECOND, &[defect("4799")]);
    let mut child = start();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(site.engsync(&["run"]).code, 0);
    assert_eq!(site.issues(), 21);
}
