use super::*;

fn file(size: u64, modified: i64) -> Listed {
    Listed { name: "part".into(), size, modified }
}

#[test]
fn partial_files_are_told_apart_by_all_that_is_known() {
    let into = Path::new("in");
    let names = [
        partial(into, "a", &file(1, 2)),
        partial(into, "b", &file(1, 2)),
        partial(into, "a", &file(2, 2)),
        partial(into, "a", &file(1, 3)),
    ];
    for (at, one) in names.iter().enumerate() {
        assert!(names[..at].iter().all(|other| other != one), "{one:?}");
        assert!(!one.to_string_lossy().contains(crate::disk::TEMPORARY), "not swept at start");
    }
}

#[test]
fn only_a_beginning_is_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let path = dir.path().join("partial");
    assert_eq!(begun(&path, &file(100, 0)), 0, "nothing is there");
    disk.create(&path, &vec![1; 200_000]).unwrap();
    assert_eq!(begun(&path, &file(300_000, 0)), 200_000 - OVERLAP);
    assert_eq!(begun(&path, &file(199_999, 0)), 0, "longer than the file");
}

#[test]
fn what_comes_again_must_be_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let path = dir.path().join("partial");
    let content: Vec<u8> = (0..3 * RESUMED as u32).map(|at| (at % 251) as u8).collect();
    for wrong in [false, true] {
        disk.replace(&path, &content[..2 * RESUMED as usize]).unwrap();
        let start = begun(&path, &file(3 * RESUMED, 0));
        let mut landing = Landing::open(&disk, dir.path(), Some((&path, start))).unwrap();
        let mut rest = content[start as usize..].to_vec();
        if wrong {
            rest[7] ^= 1;
        }
        for bytes in rest.chunks(30_000) {
            landing.take(&path, bytes).unwrap();
        }
        assert_eq!(landing.differs(), wrong);
        let (landed, digest) = landing.close();
        if !wrong {
            assert_eq!(digest, Digest::of(&content));
            let fetched = publish(&disk, dir.path(), vec![(landed, "part")]).remove(0).unwrap();
            assert_eq!(std::fs::read(fetched.path).unwrap(), content);
        }
    }
}
