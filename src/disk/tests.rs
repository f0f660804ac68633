use super::*;

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn create_refuses_and_replace_replaces() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let path = dir.path().join("a");
    disk.create(&path, b"one").unwrap();
    let error = disk.create(&path, b"two").unwrap_err();
    assert!(is_taken(&error), "{error:?}");
    assert_eq!(disk.read(&path, 10).unwrap(), b"one");
    disk.replace(&path, b"three").unwrap();
    assert_eq!(disk.read(&path, 10).unwrap(), b"three");
    assert_eq!(names(dir.path()), ["a"], "no temporary file is left");
}

#[test]
fn rename_never_replaces() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let [a, b] = ["a", "b"].map(|name| dir.path().join(name));
    disk.create(&a, b"a").unwrap();
    disk.create(&b, b"b").unwrap();
    assert!(is_taken(&disk.rename(&a, &b).unwrap_err()));
    disk.remove(&b).unwrap();
    disk.rename(&a, &b).unwrap();
    assert_eq!(names(dir.path()), ["b"]);
    disk.remove(&a).unwrap();
}

#[test]
fn only_regular_files_open_and_only_up_to_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let file = dir.path().join("file");
    disk.create(&file, b"12345").unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert!(disk.open(&link).is_err(), "a link is not followed");
    assert!(disk.open(dir.path()).is_err(), "a directory is not a file");
    let pipe = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let socket = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    // Nobody writes into the pipe: to wait for it would be for ever.
    for path in [&pipe, &socket, Path::new("/dev/zero"), Path::new("/dev/null")] {
        assert!(disk.open(path).is_err(), "{} is no regular file", path.display());
        assert!(disk.digest(path).is_err() && disk.read(path, 9).is_err());
        assert!(disk.copy(path, &dir.path().join("copy")).is_err());
    }
    assert!(!dir.path().join("copy").exists());
    assert_eq!(disk.read(&file, 5).unwrap(), b"12345");
    assert_eq!(disk.read(&file, 4).unwrap_err().fault, Fault::Item);
}

#[test]
fn a_lock_is_exclusive_and_ends_with_its_holder() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let path = dir.path().join("lock");
    let held = disk.lock(&path, "pid 1").unwrap();
    assert!(held.is_some());
    assert!(disk.lock(&path, "pid 2").unwrap().is_none());
    assert_eq!(fs::read_to_string(&path).unwrap(), "pid 1");
    drop(held);
    assert!(disk.lock(&path, "pid 2").unwrap().is_some());
}

#[test]
fn an_unpublished_file_disappears_and_sweep_takes_what_a_kill_left() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let mut file = disk.temporary(dir.path()).unwrap();
    file.write_all(b"half").unwrap();
    assert_eq!(names(dir.path()).len(), 1);
    drop(file);
    assert!(names(dir.path()).is_empty());
    std::mem::forget(disk.temporary(dir.path()).unwrap());
    disk.create(&dir.path().join("keep"), b"").unwrap();
    disk.sweep(dir.path()).unwrap();
    assert_eq!(names(dir.path()), ["keep"]);
}

/// A door to a file system that renames, and refuses nothing.
fn plain() -> Disk {
    Disk::new(Steps::none().with_plain_renames())
}

#[test]
fn without_a_rename_that_refuses_no_file_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let disk = plain();
    let [a, b] = ["a", "b"].map(|name| dir.path().join(name));
    disk.create(&a, b"a").unwrap();
    disk.create(&b, b"b").unwrap();
    assert!(is_taken(&disk.create(&b, b"c").unwrap_err()));
    assert!(is_taken(&disk.rename(&a, &b).unwrap_err()));
    assert_eq!(names(dir.path()), ["a", "b"]);
    assert_eq!(disk.read(&b, 9).unwrap(), b"b");
    disk.remove(&b).unwrap();
    disk.rename(&a, &b).unwrap();
    assert_eq!((names(dir.path()), disk.read(&b, 9).unwrap()), (vec!["b".into()], b"a".to_vec()));
    disk.replace(&b, b"new").unwrap();
    assert_eq!(disk.read(&b, 9).unwrap(), b"new");
}

#[test]
fn without_a_rename_that_refuses_no_directory_is_replaced_that_holds_anything() {
    for disk in [plain(), Disk::default()] {
        let dir = tempfile::tempdir().unwrap();
        let [from, full, file, free] =
            ["from", "full", "file", "free"].map(|name| dir.path().join(name));
        for path in [&from, &full] {
            disk.make_dirs(path).unwrap();
            disk.create(&path.join("part"), path.to_str().unwrap().as_bytes()).unwrap();
        }
        disk.create(&file, b"").unwrap();
        for taken in [&full, &file] {
            assert!(is_taken(&disk.rename(&from, taken).unwrap_err()), "{}", taken.display());
        }
        assert_eq!(disk.read(&full.join("part"), 99).unwrap(), full.to_str().unwrap().as_bytes());
        disk.rename(&from, &free).unwrap();
        assert_eq!(names(dir.path()), ["file", "free", "full"]);
        assert_eq!(names(&free), ["part"]);
    }
}
