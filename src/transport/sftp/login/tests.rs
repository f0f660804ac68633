use super::*;

#[test]
fn encrypted_keys_are_known_by_their_look() {
    let read = |name: &str| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/ssh");
        encrypted(&std::fs::read_to_string(Path::new(path).join(name)).unwrap())
    };
    for name in ["ed25519", "ecdsa", "rsa", "host_ed25519"] {
        assert_eq!(read(name), Some(false), "{name}");
    }
    for name in ["ed25519", "ecdsa", "rsa", "rsa_pem", "rsa_pkcs8"] {
        assert_eq!(read(&format!("{name}_locked")), Some(true), "{name}");
    }
    for name in ["ed25519.pub", "known_hosts_hashed"] {
        assert_eq!(read(name), None, "{name}");
    }
    assert_eq!(encrypted(""), None);
    assert_eq!(encrypted("-----BEGIN OPENSSH PRIVATE KEY-----\n!\n"), None);
}
