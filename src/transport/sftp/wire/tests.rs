use super::*;

fn packet(request: &Request<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    request.encode(7, &mut out);
    out
}

#[test]
fn requests_are_what_the_draft_says() {
    let stat = packet(&Request::Lstat { path: "a/b" });
    assert_eq!(stat, b"\0\0\0\x0c\x07\0\0\0\x07\0\0\0\x03a/b");
    let read = packet(&Request::Read { handle: b"h", offset: 258, length: 3 });
    assert_eq!(read, b"\0\0\0\x16\x05\0\0\0\x07\0\0\0\x01h\0\0\0\0\0\0\x01\x02\0\0\0\x03");
    let open = packet(&Request::Open { path: "a", flags: WRITE | CREATE_NEW, mode: Some(0o640) });
    assert_eq!(open, b"\0\0\0\x16\x03\0\0\0\x07\0\0\0\x01a\0\0\0\x2a\0\0\0\x04\0\0\x01\xa0");
    let fsync = packet(&Request::Fsync { handle: b"h" });
    assert_eq!(fsync, b"\0\0\0\x1f\xc8\0\0\0\x07\0\0\0\x11fsync@openssh.com\0\0\0\x01h");
}

#[test]
fn attributes_survive_in_every_combination() {
    for mask in 0_u32..16 {
        let some = |bit: u32| mask & bit != 0;
        let attributes = Attributes {
            size: some(1).then_some(u64::MAX - 1),
            owner: some(2).then_some((1, 2)),
            mode: some(4).then_some(0o100_644),
            times: some(8).then_some((3, u32::MAX)),
        };
        let mut bytes = vec![105, 0, 0, 0, 9];
        attributes.encode(&mut bytes);
        assert_eq!(Reply::decode(&bytes), Some((9, Reply::Attributes(attributes))));
        for end in 0..bytes.len() {
            assert_eq!(Reply::decode(&bytes[..end]), None, "cut at {end}");
        }
    }
}

#[test]
fn names_are_read_and_every_prefix_of_them_refused() {
    let mut bytes = vec![104, 0, 0, 0, 1, 0, 0, 0, 2];
    for name in [&b"one"[..], b"two"] {
        put(&mut bytes, name);
        put(&mut bytes, b"-rw-r--r-- for people");
        Attributes { size: Some(3), ..Attributes::default() }.encode(&mut bytes);
    }
    let Some((1, Reply::Names(names))) = Reply::decode(&bytes) else { panic!("{bytes:?}") };
    assert_eq!(names.iter().map(|(name, _)| &name[..]).collect::<Vec<_>>(), [b"one", b"two"]);
    assert_eq!(names[1].1.size, Some(3));
    for end in 0..bytes.len() {
        assert_eq!(Reply::decode(&bytes[..end]), None, "cut at {end}");
    }
    // A count that the packet cannot hold costs no memory.
    bytes[5..9].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(Reply::decode(&bytes), None);
}

#[test]
fn greetings_name_their_extensions() {
    let mut bytes = vec![2, 0, 0, 0, 3];
    put(&mut bytes, b"fsync@openssh.com");
    put(&mut bytes, b"1");
    let found = greeting(&bytes).unwrap();
    assert_eq!(found, [("fsync@openssh.com".to_owned(), "1".to_owned())]);
    assert_eq!(greeting(&[2, 0, 0, 0, 2]), None, "an older version");
    assert_eq!(greeting(b"Welcome!"), None, "a shell's greeting");
}

#[test]
fn hashes_come_in_two_shapes() {
    let digest = Digest::of(b"x");
    let hex = digest.to_string();
    let raw: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
    for names in [&[&b"sha256"[..]][..], &[b"check-file", b"sha256"]] {
        let mut bytes = Vec::new();
        names.iter().for_each(|name| put(&mut bytes, name));
        bytes.extend(&raw);
        assert_eq!(checked(&bytes), Some(digest));
        assert_eq!(checked(&bytes[..bytes.len() - 1]), None);
    }
    let mut md5 = Vec::new();
    put(&mut md5, b"md5");
    md5.extend(&raw[..16]);
    assert_eq!(checked(&md5), None);
}
