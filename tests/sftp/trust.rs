//! Who the server is, and who we are to it.

use std::fs;
use std::path::{Path, PathBuf};

use engsync::Error;
use engsync::transport::Transport;
use engsync::transport::sftp::{HostKeys, Options, Secret};

use super::server::{PASSWORD, Server, fixture};
use super::{fingerprint, options, place};

fn list(options: &Options) -> Result<(), Error> {
    let mut sftp = engsync::transport::Sftp::new(options.clone(), engsync::disk::Disk::default());
    sftp.list().map(drop)
}

fn public(name: &str) -> String {
    let text = fs::read_to_string(fixture(&format!("{name}.pub"))).unwrap();
    text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

fn known(dir: &Path, lines: &[String]) -> HostKeys {
    let file = dir.join("known_hosts");
    fs::write(&file, lines.concat()).unwrap();
    HostKeys::KnownHosts(file)
}

#[test]
fn every_kind_of_key_logs_in() {
    let server = Server::start(&["host_ed25519"]);
    let mut options = options(&server);
    let keys = ["ed25519", "ecdsa", "rsa", "ed25519_locked", "ecdsa_locked", "rsa_locked"];
    for name in keys.into_iter().chain(["rsa_pem_locked", "rsa_pkcs8_locked"]) {
        options.key_file = Some(fixture(name));
        let locked = name.ends_with("_locked");
        options.passphrase = locked.then(|| Secret::new(PASSWORD));
        list(&options).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        if locked {
            options.passphrase = None;
            let error = list(&options).unwrap_err();
            assert_eq!(error.code.as_str(), "sftp-key-file", "{name}: {error:?}");
            assert!(error.what.contains("is encrypted"), "{name}: {error:?}");
            options.passphrase = Some(Secret::new("wrong"));
            let error = list(&options).unwrap_err();
            assert_eq!(error.code.as_str(), "sftp-key-file", "{name}: {error:?}");
            assert!(error.what.contains("passphrase does not open"), "{name}: {error:?}");
        }
    }
    assert_eq!(server.state().logins, 8);
}

#[test]
fn other_files_than_keys_are_told_apart() {
    let server = Server::start(&["host_ed25519"]);
    let mut options = options(&server);
    let dir = tempfile::tempdir().unwrap();
    let write = |text: &str| -> Option<PathBuf> {
        let path = dir.path().join(format!("key{}", text.len()));
        fs::write(&path, text).unwrap();
        Some(path)
    };
    let ppk = "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n";
    let broken = "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----\n";
    for (file, says) in [
        (Some(dir.path().join("absent")), "cannot be read"),
        (Some(fixture("ed25519.pub")), "is a public key"),
        (write(ppk), "PuTTY"),
        (write("hello\n"), "is not a private key"),
        (write(broken), "cannot be used"),
    ] {
        options.key_file = file;
        let error = list(&options).unwrap_err();
        assert_eq!(error.code.as_str(), "sftp-key-file", "{error:?}");
        assert!(error.what.contains(says), "{says}: {error:?}");
    }
    assert_eq!(server.state().logins, 0);
}

#[test]
fn a_stranger_is_refused_and_the_password_is_the_last_resort() {
    let server = Server::start(&["host_ed25519"]);
    let mut options = options(&server);
    options.key_file = Some(fixture("stranger"));
    let error = list(&options).unwrap_err();
    assert_eq!(error.code.as_str(), "sftp-login", "{error:?}");
    assert!(error.what.contains("stranger"), "{error:?}");
    options.password = Some(Secret::new(PASSWORD));
    list(&options).unwrap();
    options.user = "nobody".into();
    assert_eq!(list(&options).unwrap_err().code.as_str(), "sftp-login");
}

#[test]
fn the_agent_s_keys_log_in() {
    use std::process::{Command, Stdio};
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("agent");
    let agent = Command::new("ssh-agent")
        .args(["-D", "-a"])
        .arg(&socket)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut agent) = agent else {
        eprintln!("SKIPPED: the agent's keys: ssh-agent is not installed");
        return;
    };
    for _ in 0..100 {
        if socket.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let add = |name: &str| {
        let key = dir.path().join(name);
        fs::copy(fixture(name), &key).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&key, mode).unwrap();
        let added = Command::new("ssh-add").arg(&key).env("SSH_AUTH_SOCK", &socket).output();
        assert!(added.unwrap().status.success());
    };
    let server = Server::start(&["host_ed25519"]);
    let mut options = options(&server);
    options.key_file = None;
    options.agent = true;
    options.agent_socket = Some(socket.clone());
    let none = list(&options);
    add("stranger");
    let stranger = list(&options);
    add("ecdsa");
    let known = list(&options);
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(none.unwrap_err().what.contains("0 keys"));
    assert!(stranger.unwrap_err().what.contains("1 keys"));
    known.unwrap();
}

#[test]
fn host_keys_are_pinned() {
    let server = Server::start(&["host_ed25519", "host_rsa", "host_ecdsa"]);
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(&server);
    let name = format!("[127.0.0.1]:{}", server.port);
    let line = |name: &str, key: &str| format!("{name} {}\n", public(key));
    let cases: &[(&str, Vec<String>, bool)] = &[
        ("its key", vec![line(&name, "host_ed25519")], true),
        ("another of its keys", vec![line(&name, "host_rsa")], true),
        ("and another", vec![line(&name, "host_ecdsa")], true),
        ("one of several", vec![line(&name, "stranger"), line(&name, "host_rsa")], true),
        ("for every port", vec![line("127.0.0.1", "host_ed25519")], true),
        ("by a pattern", vec![line("10.*,[127.0.0.?]:*", "host_ed25519")], true),
        ("but not that", vec![line(&format!("[127.*]:*,!{name}"), "host_ed25519")], false),
        ("nothing", vec!["# nothing\n\n".into()], false),
        ("another host's", vec![line("sftp.example", "host_ed25519")], false),
        ("another port's", vec![line("[127.0.0.1]:1", "host_ed25519")], false),
        ("changed", vec![line(&name, "stranger")], false),
        (
            "revoked",
            vec![line(&name, "host_ed25519"), format!("@revoked * {}\n", public("host_ed25519"))],
            false,
        ),
        ("an authority", vec![format!("@cert-authority {}", line(&name, "host_ed25519"))], false),
    ];
    for (what, lines, fine) in cases {
        options.host_keys = known(dir.path(), lines);
        let outcome = list(&options);
        assert_eq!(outcome.is_ok(), *fine, "{what}: {outcome:?}");
        if let Err(error) = outcome {
            assert_eq!(error.code.as_str(), "sftp-host-key", "{what}: {error:?}");
            let HostKeys::KnownHosts(file) = &options.host_keys else { unreachable!() };
            assert_eq!(fs::read_to_string(file).unwrap(), lines.concat(), "nothing is remembered");
            assert!(error.what.contains("SHA256:"), "{what}: {error:?}");
        }
    }
    for host in ["host_ed25519", "host_rsa", "host_ecdsa"] {
        options.host_keys = HostKeys::Fingerprint(fingerprint(host));
        list(&options).unwrap_or_else(|error| panic!("{host}: {error:?}"));
    }
    options.host_keys = HostKeys::Fingerprint(fingerprint("stranger"));
    let error = list(&options).unwrap_err();
    assert_eq!(error.code.as_str(), "sftp-host-key", "{error:?}");
    options.host_keys = HostKeys::KnownHosts(dir.path().join("absent"));
    assert_eq!(list(&options).unwrap_err().code.as_str(), "sftp-key-file");
}

#[test]
fn the_line_of_the_hint_makes_the_host_known() {
    let server = Server::start(&["host_ed25519"]);
    let dir = tempfile::tempdir().unwrap();
    let place = place(&server);
    let mut options = place.options.clone();
    options.host_keys = known(dir.path(), &[]);
    let error = list(&options).unwrap_err();
    let hint = error.hint.clone().unwrap();
    assert!(error.what.contains(&fingerprint("host_ed25519").to_string()), "{error:?}");
    let (_, line) =
        hint.split_once(&format!("{}: ", dir.path().join("known_hosts").display())).unwrap();
    options.host_keys = known(dir.path(), &[format!("{line}\n")]);
    list(&options).unwrap();
    assert_eq!(server.state().logins, 1, "nobody logged in before");
}
