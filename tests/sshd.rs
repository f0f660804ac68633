//! The SFTP transport against a real OpenSSH server, and against its own client. Runs where
//! `.ci/sshd.sh start` has been evaluated.
#![allow(missing_docs, unreachable_pub, reason = "a test")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "it plays the partner's server")]

use std::fs;
use std::path::PathBuf;

use engsync::Digest;
use engsync::transport::sftp::{HostKeys, Options, Secret};
use engsync::transport::{CHANGED, NAME_TAKEN, Transport};

#[path = "sftp/suite.rs"]
mod suite;

use suite::{NAME, Place, bytes, fetch, names, package};

struct Sshd {
    home: PathBuf,
    port: u16,
    user: String,
}

/// The server, if there is one; says loudly when there is none.
fn sshd(what: &str) -> Option<Sshd> {
    let read = |name: &str| std::env::var(format!("ENGSYNC_SSHD_{name}")).ok();
    let found = (|| {
        let port = read("PORT")?.parse().ok()?;
        Some(Sshd { home: read("HOME")?.into(), port, user: read("USER")? })
    })();
    if found.is_none() {
        eprintln!("SKIPPED: {what}: no sshd; eval \"$(.ci/sshd.sh start)\" first");
    }
    found
}

impl Sshd {
    /// Directories of a test's own.
    fn place(&self, name: &str) -> Place {
        let root = self.home.join("root").join(name);
        let _ = fs::remove_dir_all(&root);
        for directory in ["in", "out", "tmp"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        let known = HostKeys::KnownHosts(self.home.join("known_hosts"));
        let mut options = Options::new("127.0.0.1", self.user.clone(), known);
        options.port = self.port;
        options.key_file = Some(self.key("ed25519"));
        let path = |directory: &str| root.join(directory).to_str().unwrap().to_owned();
        options.inbox = path("in");
        options.outbox = path("out");
        options.outbox_tmp = path("tmp");
        Place { options, root }
    }

    fn key(&self, name: &str) -> PathBuf {
        self.home.join("keys").join(name)
    }
}

#[test]
fn the_suite_against_sshd() {
    let Some(sshd) = sshd("the suite") else { return };
    suite::all(&sshd.place("suite"));
}

#[test]
fn keys_and_host_keys_against_sshd() {
    let Some(sshd) = sshd("keys and host keys") else { return };
    let place = sshd.place("keys");
    let keys = ["ed25519", "ed25519_locked", "ecdsa_locked", "rsa_locked"];
    for name in keys.into_iter().chain(["rsa_pem_locked", "rsa_pkcs8_locked"]) {
        let mut place = Place { options: place.options.clone(), root: place.root.clone() };
        place.options.key_file = Some(sshd.key(name));
        place.options.passphrase = name.ends_with("_locked").then(|| Secret::new("correct-horse"));
        place.sftp().list().unwrap_or_else(|error| panic!("{name}: {error:?}"));
    }
    let mut place = place;
    place.options.key_file = Some(sshd.key("stranger"));
    assert_eq!(place.sftp().list().unwrap_err().code.as_str(), "sftp-login");
    place.options.key_file = Some(sshd.key("ed25519"));
    for (host, algorithm) in [("ed25519", "ED25519"), ("rsa", "RSA"), ("ecdsa", "ECDSA")] {
        let file = sshd.key(&format!("host_{host}.pub"));
        let output =
            std::process::Command::new("ssh-keygen").arg("-lf").arg(file).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(algorithm), "{text}");
        let fingerprint = text.split_whitespace().nth(1).unwrap();
        place.options.host_keys = HostKeys::Fingerprint(fingerprint.parse().unwrap());
        place.sftp().list().unwrap_or_else(|error| panic!("{host}: {error:?}"));
    }
    place.options.host_keys = HostKeys::KnownHosts(sshd.home.join("known_hosts_hashed"));
    place.sftp().list().unwrap();
    let wrong = sshd.home.join("known_hosts_wrong");
    let key = fs::read_to_string(sshd.key("stranger.pub")).unwrap();
    fs::write(&wrong, format!("[127.0.0.1]:{} {key}", sshd.port)).unwrap();
    place.options.host_keys = HostKeys::KnownHosts(wrong);
    assert_eq!(place.sftp().list().unwrap_err().code.as_str(), "sftp-host-key");
}

#[test]
fn a_file_that_is_replaced_is_seen_by_sshd() {
    let Some(sshd) = sshd("a replaced file") else { return };
    let place = sshd.place("replaced");
    place.put("large", &bytes(5_000_000, 3));
    let into = tempfile::tempdir().unwrap();
    let mut sftp = place.sftp();
    let listed = sftp.list().unwrap();
    fs::remove_file(place.root.join("in/large")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100)); // times over there are whole seconds
    place.put("large", &bytes(5_000_000, 4));
    let error = fetch(&mut sftp, &listed, into.path()).remove(0).1.unwrap_err();
    assert_eq!(error.code, CHANGED, "{error:?}");
    assert_eq!(names(into.path()), [""; 0]);
}

#[test]
fn posix_rename_publishes_too_and_does_not_replace_what_is_there() {
    let Some(sshd) = sshd("posix-rename") else { return };
    let mut place = sshd.place("posix");
    place.options.posix_rename = true;
    let dir = tempfile::tempdir().unwrap();
    let parts = package(dir.path(), NAME, &[500, 10]);
    place.sftp().deliver(&parts).unwrap();
    place.sftp().deliver(&parts).unwrap();
    fs::write(place.root.join("out").join(&parts[1].name), b"theirs").unwrap();
    let error = place.sftp().deliver(&parts).unwrap_err();
    assert_eq!(error.code, NAME_TAKEN, "{error:?}");
    assert_eq!(place.out(&parts[1].name), b"theirs");
}

#[test]
fn large_files_survive_new_keys_under_way() {
    // Servers agree on new keys after some data or time; `.ci/run` makes this one do it every 16 MB.
    let Some(sshd) = sshd("new keys") else { return };
    let place = sshd.place("rekey");
    let content = bytes(60_000_000, 9);
    place.put("large", &content);
    let into = tempfile::tempdir().unwrap();
    let mut sftp = place.sftp();
    let listed = sftp.list().unwrap();
    let fetched = fetch(&mut sftp, &listed, into.path()).remove(0).1.unwrap();
    assert_eq!(fetched.digest, Digest::of(&content));
    let parts = package(into.path(), NAME, &[10, 60_000_000]);
    sftp.deliver(&parts).unwrap();
    assert_eq!(Digest::of(&place.out(&parts[1].name)), parts[1].digest);
}

#[test]
fn what_is_delivered_to_sshd_is_durable_and_visible_in_order() {
    let Some(sshd) = sshd("order") else { return };
    let place = sshd.place("order");
    let dir = tempfile::tempdir().unwrap();
    let parts = package(dir.path(), NAME, &[500, 3_000_000, 10]);
    let out = place.root.join("out");
    let over = std::sync::atomic::AtomicBool::new(false);
    let removing = std::sync::Mutex::new(());
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut looks = 0;
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                let _still = removing.lock().unwrap();
                // The description first: parts that appear in between are no fault.
                let early = out.join(&parts[0].name).exists();
                let there = names(&out);
                assert!(!early || there.len() == 3, "{there:?}");
                for name in there {
                    let part = parts.iter().find(|part| part.name == name).unwrap();
                    let size = fs::metadata(out.join(name)).unwrap().len();
                    assert_eq!(size, fs::metadata(&part.path).unwrap().len());
                }
                looks += 1;
            }
            looks
        });
        for _ in 0..10 {
            place.sftp().deliver(&parts).unwrap();
            let _still = removing.lock().unwrap();
            for part in &parts {
                fs::remove_file(out.join(&part.name)).unwrap();
            }
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(watcher.join().unwrap() > 10);
    });
}
