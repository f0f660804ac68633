//! What holds against every SFTP server: the one in this process and a real one.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use engsync::disk::Disk;
use engsync::transport::sftp::Options;
use engsync::transport::{CHANGED, Fetched, Listed, NAME_TAKEN, Parcel, Removal, Sftp, Transport};
use engsync::{Digest, Error, NOT_FOUND};

/// A server as the suite sees it: how to get there, and the directory behind it, with `in`, `out` and
/// `tmp`.
pub struct Place {
    pub options: Options,
    pub root: PathBuf,
}

impl Place {
    pub fn sftp(&self) -> Sftp {
        Sftp::new(self.options.clone(), Disk::default())
    }

    pub fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.root.join("in").join(name), content).unwrap();
    }

    pub fn names(&self, directory: &str) -> Vec<String> {
        names(&self.root.join(directory))
    }

    pub fn out(&self, name: &str) -> Vec<u8> {
        fs::read(self.root.join("out").join(name)).unwrap()
    }
}

pub fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Bytes that differ everywhere.
pub fn bytes(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251 + at / 65_521) as u8 ^ seed).collect()
}

pub type Outcomes = Vec<(String, Result<Fetched, Error>)>;

pub fn fetch(sftp: &mut Sftp, files: &[Listed], into: &Path) -> Outcomes {
    let mut outcomes = Vec::new();
    sftp.fetch(files, into, &mut |file, outcome| {
        outcomes.push((file.name.clone(), outcome));
        Ok(())
    })
    .unwrap();
    outcomes.sort_by(|one, other| one.0.cmp(&other.0));
    outcomes
}

/// A package of a description and a data part, in a directory of ours.
pub fn package(dir: &Path, name: &str, sizes: &[usize]) -> Vec<Parcel> {
    let count = sizes.len();
    sizes
        .iter()
        .enumerate()
        .map(|(at, size)| {
            let name = format!("{name}{count:03}{:03}", at + 1);
            let path = dir.join(&name);
            let content = bytes(*size, at as u8);
            fs::write(&path, &content).unwrap();
            Parcel { name, path, digest: Digest::of(&content) }
        })
        .collect()
}

/// Delivers packages together; each must have an outcome.
pub fn deliver_all(sftp: &mut Sftp, packages: &[Vec<Parcel>]) -> Vec<Result<(), Error>> {
    let mut outcomes = Vec::new();
    sftp.deliver_all(packages, &mut |at, outcome| {
        assert_eq!(at, outcomes.len(), "in their order");
        outcomes.push(outcome);
        ControlFlow::Continue(())
    });
    outcomes
}

pub const NAME: &str = "ENG25031008000001PAG";
pub const NEXT: &str = "ENG25031008000101PAG";

pub fn all(place: &Place) {
    lists_regular_files(place);
    fetches_what_is_there(place);
    fetches_only_what_is_as_listed(place);
    removes_only_what_was_listed(place);
    never_replaces_ours(place);
    delivers(place);
    never_replaces_theirs(place);
    a_name_in_the_way_costs_one_package(place);
    sweeps_its_own_leftovers(place);
    many_files(place);
    looks(place);
}

fn clear(place: &Place) {
    for directory in ["in", "out", "tmp"] {
        let path = place.root.join(directory);
        for name in names(&path) {
            let path = path.join(name);
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        }
    }
}

fn lists_regular_files(place: &Place) {
    clear(place);
    let inbox = place.root.join("in");
    place.put("b", b"22");
    place.put("a with blank, ü", b"1");
    place.put(".hidden", b"1");
    fs::create_dir(inbox.join("directory")).unwrap();
    std::os::unix::fs::symlink("b", inbox.join("link")).unwrap();
    let listed = place.sftp().list().unwrap();
    let seen: Vec<_> = listed.iter().map(|file| (file.name.as_str(), file.size)).collect();
    assert_eq!(seen, [("a with blank, ü", 1), ("b", 2)]);
    let mtime = inbox.join("b").metadata().unwrap().modified().unwrap();
    let seconds = mtime.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(u64::try_from(listed[1].modified).unwrap(), seconds);
    assert_eq!(place.sftp().list().unwrap(), listed, "two looks, the same");
}

fn fetches_what_is_there(place: &Place) {
    clear(place);
    let sizes = [0, 1, 4096, 32_767, 32_768, 32_769, 3_000_000];
    for size in sizes {
        place.put(&format!("f{size:07}"), &bytes(size, 7));
    }
    let into = tempfile::tempdir().unwrap();
    let mut sftp = place.sftp();
    let listed = sftp.list().unwrap();
    for _ in 0..2 {
        // The second time all of it is here already.
        let outcomes = fetch(&mut sftp, &listed, into.path());
        assert_eq!(outcomes.len(), sizes.len());
        for (size, (name, outcome)) in sizes.into_iter().zip(outcomes) {
            let fetched = outcome.unwrap();
            assert_eq!(fetched.path, into.path().join(&name));
            let content = fs::read(&fetched.path).unwrap();
            assert!(content == bytes(size, 7), "{name}");
            assert_eq!(fetched.digest, Digest::of(&content));
        }
        assert_eq!(names(into.path()).len(), sizes.len(), "nothing else is left");
    }
    assert_eq!(place.names("in").len(), sizes.len(), "they stay over there");
}

fn fetches_only_what_is_as_listed(place: &Place) {
    clear(place);
    for name in ["fine", "gone", "longer", "shorter", "touched"] {
        place.put(name, b"12345");
    }
    let into = tempfile::tempdir().unwrap();
    let mut sftp = place.sftp();
    let listed = sftp.list().unwrap();
    let inbox = place.root.join("in");
    fs::remove_file(inbox.join("gone")).unwrap();
    place.put("longer", b"123456");
    place.put("shorter", b"1234");
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(100);
    let times = fs::FileTimes::new().set_modified(later);
    fs::File::options().write(true).open(inbox.join("touched")).unwrap().set_times(times).unwrap();
    let mut asked = listed;
    asked.push(Listed { name: "../in/fine".into(), size: 5, modified: 0 });
    let outcomes = fetch(&mut sftp, &asked, into.path());
    let codes: Vec<_> = outcomes
        .iter()
        .map(|(name, outcome)| {
            (name.as_str(), outcome.as_ref().map_or_else(|e| e.code.as_str(), |_| "ok"))
        })
        .collect();
    assert_eq!(
        codes,
        [
            ("../in/fine", "sftp-refused"),
            ("fine", "ok"),
            ("gone", NOT_FOUND.as_str()),
            ("longer", CHANGED.as_str()),
            ("shorter", CHANGED.as_str()),
            ("touched", CHANGED.as_str()),
        ]
    );
    assert_eq!(names(into.path()), ["fine"]);
}

fn removes_only_what_was_listed(place: &Place) {
    clear(place);
    for name in ["same", "other", "gone"] {
        place.put(name, b"12345");
    }
    let mut sftp = place.sftp();
    let listed = sftp.list().unwrap();
    let of = |name: &str| listed.iter().find(|file| file.name == name).unwrap();
    place.put("other", b"123456");
    fs::remove_file(place.root.join("in/gone")).unwrap();
    assert_eq!(sftp.remove(of("same")).unwrap(), Removal::Removed);
    assert_eq!(sftp.remove(of("other")).unwrap(), Removal::Changed);
    assert_eq!(sftp.remove(of("gone")).unwrap(), Removal::Absent);
    assert_eq!(place.names("in"), ["other"]);
    let outside = Listed { name: "../in/other".into(), size: 6, modified: 0 };
    assert!(sftp.remove(&outside).is_err());
}

fn never_replaces_ours(place: &Place) {
    clear(place);
    place.put("part", b"theirs");
    let into = tempfile::tempdir().unwrap();
    fs::write(into.path().join("part"), b"ours").unwrap();
    let mut sftp = place.sftp();
    let listed = sftp.list().unwrap();
    for _ in 0..2 {
        let fetched = fetch(&mut sftp, &listed, into.path()).remove(0).1.unwrap();
        assert_eq!(fetched.path, into.path().join("part.2"));
    }
    assert_eq!(fs::read(into.path().join("part")).unwrap(), b"ours");
    assert_eq!(fs::read(into.path().join("part.2")).unwrap(), b"theirs");
    assert_eq!(names(into.path()), ["part", "part.2"]);
}

fn delivers(place: &Place) {
    clear(place);
    let dir = tempfile::tempdir().unwrap();
    let parts = package(dir.path(), NAME, &[1500, 2_000_000, 0, 32_768]);
    let mut place = Place { options: place.options.clone(), root: place.root.clone() };
    place.options.mode = Some(0o640);
    let group = place.root.metadata().unwrap().gid();
    place.options.group = Some(group);
    let mut sftp = place.sftp();
    for _ in 0..2 {
        sftp.deliver(&parts).unwrap();
        for part in &parts {
            assert_eq!(Digest::of(&place.out(&part.name)), part.digest, "{}", part.name);
            let path = place.root.join("out").join(&part.name);
            let meta = path.metadata().unwrap();
            assert_eq!((meta.mode() & 0o777, meta.gid()), (0o640, group));
        }
        assert_eq!(place.names("tmp"), [""; 0]);
        assert_eq!(place.names("out").len(), 4);
    }
}

fn never_replaces_theirs(place: &Place) {
    clear(place);
    let dir = tempfile::tempdir().unwrap();
    let parts = package(dir.path(), NAME, &[100, 200, 300]);
    for content in [bytes(200, 99), b"short".to_vec()] {
        fs::write(place.root.join("out").join(&parts[1].name), &content).unwrap();
        let error = place.sftp().deliver(&parts).unwrap_err();
        assert_eq!(error.code, NAME_TAKEN, "{error:?}");
        assert_eq!(place.names("out"), [parts[1].name.as_str()], "no other part became visible");
        assert_eq!(place.out(&parts[1].name), content);
        assert_eq!(place.names("tmp"), [""; 0]);
    }
}

fn a_name_in_the_way_costs_one_package(place: &Place) {
    clear(place);
    let dir = tempfile::tempdir().unwrap();
    let packages = [package(dir.path(), NAME, &[100, 200]), package(dir.path(), NEXT, &[10, 20])];
    fs::write(place.root.join("out").join(&packages[0][1].name), b"theirs").unwrap();
    let outcomes = deliver_all(&mut place.sftp(), &packages);
    assert_eq!(outcomes.len(), 2);
    assert_eq!(outcomes[0].as_ref().unwrap_err().code, NAME_TAKEN);
    assert!(outcomes[1].is_ok(), "{outcomes:?}");
    let wanted = [&packages[0][1], &packages[1][0], &packages[1][1]].map(|part| part.name.clone());
    assert_eq!(place.names("out"), wanted);
    assert_eq!(place.names("tmp"), [""; 0]);
}

fn sweeps_its_own_leftovers(place: &Place) {
    clear(place);
    let dir = tempfile::tempdir().unwrap();
    let parts = package(dir.path(), NAME, &[100, 200]);
    let ours = format!(".engsync-{}-999-1", parts[1].name);
    for name in [ours.as_str(), ".engsync-ENG25031008000009PAG002001-999-1", "theirs"] {
        fs::write(place.root.join("tmp").join(name), b"half").unwrap();
    }
    place.sftp().deliver(&parts).unwrap();
    assert_eq!(place.names("tmp"), [".engsync-ENG25031008000009PAG002001-999-1", "theirs"]);
}

fn many_files(place: &Place) {
    clear(place);
    for number in 0..300 {
        place.put(&format!("n{number:03}"), &bytes(4096, number as u8));
    }
    let into = tempfile::tempdir().unwrap();
    let mut sftp = place.sftp();
    let listed = sftp.list().unwrap();
    let outcomes = fetch(&mut sftp, &listed, into.path());
    assert_eq!(outcomes.len(), 300);
    for (number, (name, outcome)) in outcomes.into_iter().enumerate() {
        let fetched = outcome.unwrap();
        assert!(fs::read(&fetched.path).unwrap() == bytes(4096, number as u8), "{name}");
    }
    let dir = tempfile::tempdir().unwrap();
    let parts = package(dir.path(), NAME, &[4096; 300]);
    sftp.deliver(&parts).unwrap();
    assert!(parts.iter().all(|part| Digest::of(&place.out(&part.name)) == part.digest));
    // They go together, but for the one that is another by now.
    place.put("n007", b"other");
    let mut removed = 0;
    sftp.remove_all(&listed, &mut |file, outcome| {
        let wanted = if file.name == "n007" { Removal::Changed } else { Removal::Removed };
        assert_eq!(outcome.unwrap(), wanted, "{}", file.name);
        removed += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!((removed, place.names("in")), (300, vec!["n007".to_owned()]));
    // A listing of ten thousand.
    for number in 0..9_999 {
        place.put(&format!("more{number:05}"), b"");
    }
    assert_eq!(sftp.list().unwrap().len(), 10_000);
}

fn looks(place: &Place) {
    clear(place);
    for write in [false, true] {
        let probes = place.sftp().check(write);
        assert_eq!(probes.len(), if write { 5 } else { 4 });
        for probe in &probes {
            assert!(probe.found.is_ok(), "{probe:?}");
        }
        assert_eq!(place.names("tmp"), [""; 0]);
    }
    let mut place = Place { options: place.options.clone(), root: place.root.clone() };
    place.options.inbox = format!("{}/nowhere", place.options.inbox);
    place.options.outbox_tmp = format!("{}/nowhere", place.options.outbox_tmp);
    let probes = place.sftp().check(true);
    let bad: Vec<bool> = probes.iter().map(|probe| probe.found.is_err()).collect();
    assert_eq!(bad, [false, true, false, true, true], "{probes:?}");
}
