#![allow(clippy::disallowed_methods, reason = "the test plays the OFTP server")]

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::Digest;

const DATA: &str = "ENG26112008000000MFA002002";
const DESCRIPTION: &str = "ENG26112008000000MFA002001";

struct Scene {
    dir: tempfile::TempDir,
    other: Option<tempfile::TempDir>,
}

impl Scene {
    /// The server's folders here, or on another file system where there is one.
    fn new(apart: bool) -> Self {
        let memory = Path::new("/dev/shm");
        let other = (apart && memory.is_dir()).then(|| tempfile::tempdir_in(memory).unwrap());
        let scene = Self { dir: tempfile::tempdir().unwrap(), other };
        for dir in [scene.server("inbox"), scene.server("outbox"), scene.ours()] {
            fs::create_dir_all(dir).unwrap();
        }
        scene
    }

    fn server(&self, name: &str) -> PathBuf {
        self.other.as_ref().unwrap_or(&self.dir).path().join(name)
    }

    fn ours(&self) -> PathBuf {
        self.dir.path().join("ours")
    }

    fn folder(&self) -> Folder {
        let outbox = self.server("outbox");
        let options = Options {
            inbox: self.server("inbox"),
            outbox_tmp: Options::beside(&outbox),
            outbox,
            mode: 0o640,
            group: None,
            keep: false,
        };
        Folder::new(options, Disk::default())
    }

    fn parcel(&self, name: &str, bytes: &[u8]) -> Parcel {
        let path = self.ours().join(name);
        fs::write(&path, bytes).unwrap();
        Parcel { name: name.to_owned(), path, digest: Digest::of(bytes) }
    }

    fn names(&self, dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn fetch(folder: &mut Folder, files: &[Listed], into: &Path) -> Vec<Result<Fetched>> {
    let mut outcomes = Vec::new();
    let mut done = |_: &Listed, outcome| {
        outcomes.push(outcome);
        Ok(())
    };
    folder.fetch(files, into, &mut done).unwrap();
    outcomes
}

#[test]
fn what_is_fetched_is_whole_and_only_then_removed_here_and_on_another_file_system() {
    for apart in [false, true] {
        let scene = Scene::new(apart);
        let inbox = scene.server("inbox");
        fs::write(inbox.join(DATA), b"data").unwrap();
        fs::write(inbox.join(".hidden"), b"x").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", inbox.join("link")).unwrap();
        fs::create_dir(inbox.join("directory")).unwrap();
        let mut folder = scene.folder();
        let listed = folder.list().unwrap();
        assert_eq!(listed.iter().map(|file| &*file.name).collect::<Vec<_>>(), [DATA]);
        let fetched = fetch(&mut folder, &listed, &scene.ours()).remove(0).unwrap();
        assert_eq!(fs::read(&fetched.path).unwrap(), b"data");
        assert_eq!(fetched.digest, Digest::of(b"data"));
        assert!(inbox.join(DATA).exists(), "fetching removes nothing");
        assert_eq!(folder.remove(&listed[0]).unwrap(), Removal::Removed);
        assert_eq!(folder.remove(&listed[0]).unwrap(), Removal::Absent);
        assert_eq!(scene.names(&scene.ours()), [DATA], "no temporary file is left");
    }
}

#[test]
fn what_is_there_already_is_compared_and_never_replaced() {
    let scene = Scene::new(false);
    fs::write(scene.server("inbox").join(DATA), b"new").unwrap();
    fs::write(scene.ours().join(DATA), b"old").unwrap();
    let mut folder = scene.folder();
    let listed = folder.list().unwrap();
    for _ in 0..2 {
        let fetched = fetch(&mut folder, &listed, &scene.ours()).remove(0).unwrap();
        assert_eq!(fetched.path, scene.ours().join(format!("{DATA}.2")));
    }
    assert_eq!(fs::read(scene.ours().join(DATA)).unwrap(), b"old");
    assert_eq!(scene.names(&scene.ours()).len(), 2, "fetched twice, kept once");
}

#[test]
fn what_changed_or_went_is_told_and_stays() {
    let scene = Scene::new(false);
    let path = scene.server("inbox").join(DATA);
    fs::write(&path, b"one").unwrap();
    let mut folder = scene.folder();
    let listed = folder.list().unwrap();
    fs::write(&path, b"longer").unwrap();
    let code = |outcome: &Result<Fetched>| outcome.as_ref().unwrap_err().code;
    assert_eq!(code(&fetch(&mut folder, &listed, &scene.ours())[0]), CHANGED);
    assert_eq!(folder.remove(&listed[0]).unwrap(), Removal::Changed);
    let listed = folder.list().unwrap();
    fetch(&mut folder, &listed, &scene.ours()).remove(0).unwrap();
    // The same second, the same size: the file system still knows them apart.
    fs::write(&path, b"edited").unwrap();
    assert_eq!(folder.remove(&listed[0]).unwrap(), Removal::Changed);
    fs::remove_file(&path).unwrap();
    assert_eq!(code(&fetch(&mut folder, &listed, &scene.ours())[0]), NOT_FOUND);
}

#[test]
fn a_package_is_delivered_with_its_mode_and_again_without_harm() {
    for apart in [false, true] {
        let scene = Scene::new(apart);
        let parts = [scene.parcel(DESCRIPTION, b"UNB"), scene.parcel(DATA, b"PK")];
        let mut folder = scene.folder();
        let tmp = scene.server("outbox.tmp");
        fs::create_dir(&tmp).unwrap();
        let left = tmp.join(format!("{}4194305-0", disk::TEMPORARY));
        fs::write(&left, b"half").unwrap();
        folder.deliver(&parts).unwrap();
        folder.deliver(&parts).unwrap();
        let outbox = scene.server("outbox");
        assert_eq!(scene.names(&outbox), [DESCRIPTION, DATA]);
        assert_eq!(scene.names(&tmp), Vec::<String>::new(), "what a dead writer left is swept");
        let meta = fs::metadata(outbox.join(DATA)).unwrap();
        assert_eq!(meta.permissions().mode() & 0o7777, 0o640);
        assert_eq!(meta.gid(), fs::metadata(&outbox).unwrap().gid());
        // The server took the data part; it gets it once more rather than never.
        fs::remove_file(outbox.join(DATA)).unwrap();
        folder.deliver(&parts).unwrap();
        assert_eq!(scene.names(&outbox), [DESCRIPTION, DATA]);
    }
}

#[test]
fn nothing_in_the_outbox_is_ever_overwritten() {
    let scene = Scene::new(false);
    let parts = [scene.parcel(DESCRIPTION, b"UNB"), scene.parcel(DATA, b"PK")];
    let taken = scene.server("outbox").join(DATA);
    fs::write(&taken, b"of another").unwrap();
    let error = scene.folder().deliver(&parts).unwrap_err();
    assert_eq!((error.code, error.fault), (NAME_TAKEN, Fault::Wait));
    assert_eq!(fs::read(&taken).unwrap(), b"of another");
    assert!(!scene.server("outbox").join(DESCRIPTION).exists(), "no description without its data");
    fs::write(&parts[1].path, b"tampered").unwrap();
    fs::remove_file(&taken).unwrap();
    scene.folder().deliver(&parts).unwrap_err();
    assert_eq!(scene.names(&scene.server("outbox")), Vec::<String>::new());
    assert_eq!(scene.names(&scene.server("outbox.tmp")), Vec::<String>::new());
}

#[test]
fn a_name_that_oftp_cannot_carry_is_refused_before_anything_is_written() {
    let scene = Scene::new(false);
    for name in ["eng26112008000000mfa002002", "ENG 26112008000000MFA02002", "ENG_1", ""] {
        let path = scene.ours().join("x");
        fs::write(&path, b"").unwrap();
        let parcel = Parcel { name: name.to_owned(), path, digest: Digest::of(b"") };
        let error = scene.folder().deliver(&[parcel]).unwrap_err();
        assert_eq!(error.code, VIRTUAL_FILE_NAME, "{name:?}");
    }
    assert!(!scene.server("outbox.tmp").exists());
}

#[test]
fn the_spools_own_directories_are_no_servers() {
    let scene = Scene::new(false);
    let linked = scene.dir.path().join("linked");
    std::os::unix::fs::symlink(scene.ours(), &linked).unwrap();
    let mut folder = scene.folder();
    (folder.options.inbox, folder.options.outbox) = (linked.clone(), linked);
    let parcel = scene.parcel(DATA, b"PK");
    let listed = folder.list().unwrap();
    let mut done = |_: &Listed, _| Ok(());
    assert_eq!(folder.fetch(&listed, &scene.ours(), &mut done).unwrap_err().code, TRANSPORT);
    assert_eq!(folder.deliver(&[parcel]).unwrap_err().code, TRANSPORT);
    assert_eq!(scene.names(&scene.ours()), [DATA]);
}

#[test]
fn a_check_lists_every_problem_and_probes_only_when_asked() {
    let scene = Scene::new(false);
    let good = scene.folder().check(false);
    assert!(good.iter().all(|probe| probe.found.is_ok()), "{good:?}");
    assert!(!scene.server("outbox.tmp").exists());
    let probed = scene.folder().check(true);
    assert!(probed.len() == good.len() + 1 && probed.iter().all(|probe| probe.found.is_ok()));
    assert_eq!(scene.names(&scene.server("outbox.tmp")), Vec::<String>::new());
    let mut broken = scene.folder();
    broken.options.group = Some("no such group".to_owned());
    fs::remove_dir(scene.server("inbox")).unwrap();
    let failed = broken.check(false).into_iter().filter(|probe| probe.found.is_err()).count();
    assert_eq!(failed, 2);
    if Path::new("/dev/shm").is_dir() {
        let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
        let mut apart = scene.folder();
        apart.options.outbox_tmp = elsewhere.path().to_owned();
        assert!(apart.check(false).iter().any(|probe| probe.found.is_err()));
        let error = apart.deliver(&[scene.parcel(DATA, b"PK")]).unwrap_err();
        assert!(error.hint.unwrap().contains("file system"));
    }
}
