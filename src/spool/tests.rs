use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::*;

const NAME: &str = "ENG25031008000001PAG";

fn spool(mode: Mode) -> (tempfile::TempDir, Spool) {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::new(&dir.path().join("spool"), Disk::default(), mode);
    spool.create().unwrap();
    (dir, spool)
}

#[allow(clippy::disallowed_methods, reason = "the OFTP server's part")]
fn put(spool: &Spool, file: &str, bytes: &[u8]) {
    fs::write(spool.dir("incoming").join(file), bytes).unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.unwrap().file_name().to_string_lossy().into_owned()
    };
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

fn part(index: u16) -> String {
    format!("{NAME}002{index:03}")
}

fn two_parts(spool: &Spool) -> Group {
    put(spool, &format!("{}-2025", part(2)), b"zip");
    put(spool, &part(1), b"description");
    spool.scan().unwrap().groups.remove(0)
}

#[test]
fn a_scan_groups_parts_and_leaves_foreign_names_alone() {
    let (_dir, spool) = spool(Mode::Move);
    put(&spool, "readme.txt", b"");
    put(&spool, ".hidden", b"");
    #[allow(clippy::disallowed_methods, reason = "not a part")]
    fs::create_dir(spool.dir("incoming").join(part(2))).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", spool.dir("incoming").join(part(1))).unwrap();
    let found = spool.scan().unwrap();
    assert!(found.groups.is_empty(), "neither a directory nor a link is a part");
    assert_eq!(spool.foreign().unwrap(), [part(1), part(2), "readme.txt".to_owned()]);
}

#[test]
fn a_package_goes_from_incoming_over_active_to_its_state() {
    for (state, wanted) in [("done", 2), ("deferred", 3), ("corrupt", 3)] {
        let (_dir, spool) = spool(Mode::Move);
        let group = two_parts(&spool);
        let entry = spool.claim(&group).unwrap();
        assert!(names(&spool.dir("incoming")).is_empty());
        assert_eq!(names(&spool.dir("active")), [NAME]);
        let reason = Reason::new(crate::engdat::code::PART_MISSING, "for the test");
        let path = match state {
            "done" => entry.done(),
            "deferred" => entry.defer(&reason),
            _ => entry.corrupt(&reason),
        };
        assert_eq!(names(&path.unwrap()).len(), wanted, "{state}");
        assert!(names(&spool.dir("active")).is_empty());
        let stored = spool.stored(state).unwrap();
        assert_eq!(stored[0].directory, NAME);
        assert_eq!(stored[0].reason.is_some(), state != "done");
    }
}

#[test]
fn a_taken_directory_name_gets_a_number() {
    let (_dir, spool) = spool(Mode::Move);
    for wanted in [NAME.to_owned(), format!("{NAME}.2"), format!("{NAME}.3")] {
        let group = two_parts(&spool);
        let path = spool.claim(&group).unwrap().done().unwrap();
        assert_eq!(path.file_name().unwrap().to_str().unwrap(), wanted);
    }
}

#[test]
fn an_interrupted_claim_is_put_back() {
    let (_dir, spool) = spool(Mode::Move);
    let group = two_parts(&spool);
    let before = names(&spool.dir("incoming"));
    drop(spool.claim(&group).unwrap());
    spool.recover().unwrap();
    assert_eq!(names(&spool.dir("incoming")), before);
    assert!(names(&spool.dir("active")).is_empty());
}

/// A part written `age` seconds after the first.
fn put_at(spool: &Spool, file: &str, bytes: &[u8], age: u64) {
    put(spool, file, bytes);
    let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + age);
    let path = spool.dir("incoming").join(file);
    #[allow(clippy::disallowed_methods, reason = "the OFTP server's part")]
    fs::File::options().write(true).open(path).unwrap().set_modified(since).unwrap();
}

#[test]
fn a_package_sent_again_while_it_was_in_hand_loses_nothing_and_the_newer_part_counts() {
    for mode in [Mode::Move, Mode::Keep] {
        let (_dir, spool) = spool(mode);
        put_at(&spool, &part(1), b"description", 0);
        put_at(&spool, &part(2), b"zip", 0);
        drop(spool.claim(&spool.scan().unwrap().groups.remove(0)).unwrap());
        put_at(&spool, &part(1), b"a repaired description", 9);
        spool.recover().unwrap();
        let older = format!("{}.2", part(1));
        assert_eq!(names(&spool.dir("incoming")), [part(1), older.clone(), part(2)], "{mode:?}");
        let latest = spool.latest(&spool.scan().unwrap().groups[0].parts).unwrap();
        assert_eq!(latest.parts[0].file, part(1));
        let wanted = Other { file: older.clone(), latest: part(1), same: false };
        assert_eq!(latest.others, [wanted]);
        assert_eq!(fs::read(spool.dir("incoming").join(older)).unwrap(), b"description");
        assert!(names(&spool.dir("active")).is_empty());
    }
}

#[test]
fn of_several_files_of_one_number_the_last_one_written_counts() {
    // (suffix, content, seconds), and which counts, and how many of the others are the same.
    type Case = (&'static [(&'static str, &'static [u8], u64)], &'static str, usize);
    let cases: [Case; 6] = [
        (&[("", b"a", 0)], "", 0),
        (&[("", b"a", 0), (".2", b"b", 1)], ".2", 0),
        (&[("", b"b", 1), (".2", b"a", 0)], "", 0),
        (&[("", b"a", 0), (".2", b"a", 1)], ".2", 1),
        (&[(".9", b"a", 0), (".10", b"b", 0)], ".10", 0),
        (&[("", b"a", 0), (".2", b"b", 1), (".3", b"a", 2)], ".3", 1),
    ];
    for (files, counts, same) in cases {
        let (_dir, spool) = spool(Mode::Move);
        put_at(&spool, &part(1), b"description", 0);
        for (suffix, bytes, age) in files {
            put_at(&spool, &format!("{}{suffix}", part(2)), bytes, *age);
        }
        let parts = spool.scan().unwrap().groups.remove(0).parts;
        let latest = spool.latest(&parts).unwrap();
        let found: Vec<&str> = latest.parts.iter().map(|part| &*part.file).collect();
        assert_eq!(found, [part(1), format!("{}{counts}", part(2))], "{files:?}");
        let again = latest.others.iter().filter(|other| other.same).count();
        assert_eq!((again, latest.others.len()), (same, files.len() - 1), "{files:?}");
        assert_eq!(latest.is_repaired(), same + 1 < files.len(), "{files:?}");
        assert_eq!(spool.content(&parts).unwrap(), spool.content(&latest.parts).unwrap());
    }
}

#[test]
fn what_a_person_put_beside_a_package_is_left_to_them() {
    let (_dir, spool) = spool(Mode::Move);
    let entry = spool.claim(&two_parts(&spool)).unwrap();
    let path = entry.corrupt(&Reason::default()).unwrap();
    #[allow(clippy::disallowed_methods, reason = "a person's part")]
    fs::write(path.join("notes.txt"), b"asked on Monday").unwrap();
    spool.release(NAME).unwrap();
    assert_eq!(names(&spool.dir("incoming")).len(), 2);
    assert!(names(&path).contains(&"notes.txt".to_owned()));
}

#[test]
fn keep_leaves_the_parts_and_look_touches_nothing() {
    let (_dir, spool) = spool(Mode::Keep);
    let group = two_parts(&spool);
    let path = spool.claim(&group).unwrap().done().unwrap();
    assert_eq!(names(&spool.dir("incoming")).len(), 2);
    assert_eq!(names(&path).len(), 2);
    let look = Spool::new(spool.root(), Disk::default(), Mode::Look);
    let entry = look.claim(&group).unwrap();
    assert_eq!(entry.parts().len(), 2);
    entry.corrupt(&Reason::default()).unwrap();
    assert!(names(&spool.dir("active")).is_empty() && names(&spool.dir("corrupt")).is_empty());
}

#[test]
fn the_digest_is_of_the_content_not_of_suffixes() {
    let (_dir, spool) = spool(Mode::Move);
    let first = spool.claim(&two_parts(&spool)).unwrap();
    let digest = first.digest().unwrap();
    first.done().unwrap();
    put(&spool, &format!("{}.x", part(1)), b"description");
    put(&spool, &part(2), b"zip");
    let group = spool.scan().unwrap().groups.remove(0);
    assert_eq!(spool.claim(&group).unwrap().digest().unwrap(), digest);
}

#[test]
fn release_and_rejoin_bring_parts_back() {
    let (_dir, spool) = spool(Mode::Move);
    let entry = spool.claim(&two_parts(&spool)).unwrap();
    entry.corrupt(&Reason::default()).unwrap();
    assert_eq!(spool.release(NAME).unwrap(), "corrupt");
    assert_eq!(names(&spool.dir("incoming")).len(), 2);
    assert!(spool.release(NAME).is_err());
    put(&spool, &part(1), b"description");
    #[allow(clippy::disallowed_methods, reason = "the part that is late")]
    fs::remove_file(spool.dir("incoming").join(format!("{}-2025", part(2)))).unwrap();
    let group = spool.scan().unwrap().groups.remove(0);
    spool.claim(&group).unwrap().defer(&Reason::default()).unwrap();
    put(&spool, &part(2), b"late");
    assert_eq!(spool.rejoin(&group.name, 2).unwrap().len(), 1);
    assert_eq!(names(&spool.dir("incoming")), [part(1), part(2)]);
}

#[test]
fn publishing_is_repeatable_and_never_replaces() {
    let (dir, spool) = spool(Mode::Move);
    let frozen = dir.path().join("frozen");
    let disk = Disk::default();
    disk.make_dirs(&frozen).unwrap();
    let parts: Vec<(String, String)> = [(part(1), b"one"), (part(2), b"two")]
        .into_iter()
        .map(|(file, bytes)| {
            disk.create(&frozen.join(&file), bytes).unwrap();
            (file, crate::Digest::of(bytes).to_string())
        })
        .collect();
    for _ in 0..2 {
        spool.publish("oem", NAME, &frozen, &parts).unwrap();
        assert_eq!(names(&spool.dir("outgoing").join("oem")), [part(1), part(2)]);
        assert!(names(&spool.dir("building")).is_empty());
    }
    disk.replace(&spool.dir("outgoing").join("oem").join(part(1)), b"other").unwrap();
    assert!(spool.publish("oem", NAME, &frozen, &parts).is_err());
}
