use super::*;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/ssh")).join(name)
}

fn key(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(fixture(name)).unwrap();
    STANDARD.decode(text.split_whitespace().nth(1).unwrap()).unwrap()
}

fn read(host: &str, port: u16) -> Known {
    let file = HostKeys::KnownHosts(fixture("known_hosts_hashed"));
    Known::read(&Options { port, ..Options::new(host, "user", file) }).unwrap()
}

#[test]
fn hashed_names_and_ports_are_found() {
    let [ed25519, rsa] = ["host_ed25519.pub", "host_rsa.pub"].map(key);
    for (host, port, good) in [
        ("sftp.example", 22, Some(&ed25519)),
        ("sftp.example", 2222, Some(&rsa)),
        ("sftp.example", 2223, Some(&ed25519)),
        ("other.example", 22, None),
    ] {
        let known = read(host, port);
        for key in [&ed25519, &rsa] {
            assert_eq!(known.accepts(key), good == Some(key), "{host} {port}");
        }
    }
}

#[test]
fn fingerprints_are_ssh_keygen_s() {
    let text = "SHA256:V+xKOdaHUiuuI5OiWrvzx62onRcBxJnH2Yum9bxnBfI";
    let fingerprint: Fingerprint = text.parse().unwrap();
    assert_eq!(fingerprint, Fingerprint::of(&key("host_ed25519.pub")));
    assert_eq!(fingerprint.to_string(), text);
    for wrong in ["", "MD5:aa:bb", "SHA256:", "SHA256:abc", &text[..49], &format!("{text}A")] {
        assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
    }
}

#[test]
fn patterns_match_as_in_a_shell() {
    for (pattern, name, fine) in [
        ("a", "a", true),
        ("a", "b", false),
        ("*", "", true),
        ("*.example", "sftp.example", true),
        ("*.example", "example", false),
        ("10.0.?.1", "10.0.2.1", true),
        ("10.0.?.1", "10.0.22.1", false),
        ("[*]:22*", "[host]:2222", true),
        ("a*b*c", "axxbyyc", true),
        ("a*b*c", "axxbyy", false),
    ] {
        assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), fine, "{pattern} {name}");
    }
}
