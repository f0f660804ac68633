//! The SFTP transport beside OpenSSH's own `sftp`, against one sshd on this machine, in one run:
//! a file of 200 MB and 500 files of 4 KB, fetched and delivered; the small ones again through a proxy that
//! makes each round trip 20 ms longer.
//!
//! Ours is the whole transport: host key, fsync and rename of every file here, `fsync@openssh.com` and
//! reading back over there. `sftp` only copies. Both are counted net of the first connection; what further sessions of ours cost is in.
//!
//! `cargo bench --bench sftp [-- small]` (installs sshd where it is absent, see `.ci/sshd.sh`)
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, reason = "a benchmark")]
#![allow(clippy::disallowed_methods, reason = "it plays the partner's server")]
#![allow(missing_docs, reason = "a benchmark")]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use engsync::disk::Disk;
use engsync::transport::sftp::{Fingerprint, HostKeys, Options};
use engsync::transport::{Parcel, Sftp, Transport};

const LARGE: usize = 200_000_000;
const SMALL: usize = 4096;
const COUNT: usize = 500;
const ROUNDS: usize = 3;
const ROUND_TRIP: Duration = Duration::from_millis(20);

struct Server {
    home: PathBuf,
    port: u16,
    user: String,
}

impl Server {
    fn script() -> Command {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/sshd.sh"));
        command.stdin(Stdio::null()).stderr(Stdio::inherit());
        command
    }

    fn start() -> Self {
        let output = Self::script().arg("start").output().unwrap();
        assert!(output.status.success(), "sshd does not start");
        let text = String::from_utf8(output.stdout).unwrap();
        let get = |name: &str| {
            let line = text.lines().find_map(|line| line.split_once(&format!("{name}=")));
            line.unwrap().1.to_owned()
        };
        let [home, port, user] =
            ["ENGSYNC_SSHD_HOME", "ENGSYNC_SSHD_PORT", "ENGSYNC_SSHD_USER"].map(get);
        Self { home: home.into(), port: port.parse().unwrap(), user }
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.home.join("root").join(name)
    }

    fn options(&self, port: u16, sessions: usize) -> Options {
        let key = self.home.join("keys/host_ed25519.pub");
        let output = Command::new("ssh-keygen").arg("-lf").arg(key).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let fingerprint: Fingerprint = text.split_whitespace().nth(1).unwrap().parse().unwrap();
        let known = HostKeys::Fingerprint(fingerprint);
        let mut options = Options::new("127.0.0.1", self.user.clone(), known);
        options.port = port;
        options.sessions = sessions;
        options.key_file = Some(self.home.join("keys/ed25519"));
        let path = |name: &str| self.directory(name).to_str().unwrap().to_owned();
        options.inbox = path("in");
        options.outbox = path("out");
        options.outbox_tmp = path("tmp");
        options
    }

    /// OpenSSH's client does `batch`.
    fn openssh(&self, port: u16, batch: &str) -> Duration {
        let file = self.home.join("batch");
        fs::write(&file, batch).unwrap();
        let begun = Instant::now();
        let status = Command::new("sftp")
            .args(["-q", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"])
            .args(["-o", "LogLevel=ERROR", "-P", &port.to_string(), "-b"])
            .arg(&file)
            .arg("-i")
            .arg(self.home.join("keys/ed25519"))
            .arg(format!("{}@127.0.0.1", self.user))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        begun.elapsed()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Self::script().arg("stop").env("ENGSYNC_SSHD_HOME", &self.home).status();
    }
}

/// Passes bytes on, each half a round trip late.
fn proxy(to: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { return };
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            late(client.try_clone().unwrap(), server.try_clone().unwrap());
            late(server, client);
        }
    });
    port
}

fn late(mut from: TcpStream, mut to: TcpStream) {
    let (send, receive) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let due = Instant::now() + ROUND_TRIP / 2;
            if send.send((due, buffer[..count].to_vec())).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        for (due, bytes) in receive {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}

fn empty(directory: &Path) {
    let _ = fs::remove_dir_all(directory);
    fs::create_dir_all(directory).unwrap();
}

fn bytes(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251 + seed) as u8).collect()
}

/// Files as parts of a package, the description first.
fn parts(from: &Path) -> Vec<Parcel> {
    let mut parts: Vec<Parcel> = fs::read_dir(from)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let digest = Disk::default().digest(&path).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            Parcel { name, path, digest }
        })
        .collect();
    parts.sort_by(|one, other| one.name.cmp(&other.name));
    parts
}

struct Case<'a> {
    server: &'a Server,
    name: &'a str,
    port: u16,
    sessions: usize,
    rounds: usize,
}

impl Case<'_> {
    fn get(&self, work: &Path) -> [Duration; 2] {
        let into = work.join("into");
        let mut best = [Duration::MAX; 2];
        for _ in 0..self.rounds {
            empty(&into);
            let mut sftp =
                Sftp::new(self.server.options(self.port, self.sessions), Disk::default());
            let listed = sftp.list().unwrap();
            let begun = Instant::now();
            let mut count = 0;
            sftp.fetch(&listed, &into, &mut |_, outcome| outcome.map(|_| count += 1)).unwrap();
            best[0] = best[0].min(begun.elapsed());
            assert_eq!(count, listed.len());
            empty(&into);
            let inbox = self.server.directory("in");
            let batch = format!("lcd {}\nget {}/*\n", into.display(), inbox.display());
            let taken = self.server.openssh(self.port, &batch);
            best[1] = best[1].min(taken.saturating_sub(self.connecting()));
        }
        best
    }

    fn put(&self, from: &Path) -> [Duration; 2] {
        let out = self.server.directory("out");
        let parts = parts(from);
        let mut best = [Duration::MAX; 2];
        for _ in 0..self.rounds {
            empty(&out);
            let mut sftp =
                Sftp::new(self.server.options(self.port, self.sessions), Disk::default());
            sftp.list().unwrap();
            let begun = Instant::now();
            sftp.deliver(&parts).unwrap();
            best[0] = best[0].min(begun.elapsed());
            empty(&out);
            let batch = format!("cd {}\nput {}/*\n", out.display(), from.display());
            let taken = self.server.openssh(self.port, &batch);
            best[1] = best[1].min(taken.saturating_sub(self.connecting()));
        }
        best
    }

    fn connecting(&self) -> Duration {
        (0..3).map(|_| self.server.openssh(self.port, "pwd\n")).min().unwrap()
    }

    fn print(
        &self,
        way: &str,
        count: usize,
        size: usize,
        [ours, theirs]: [Duration; 2],
        least: f64,
    ) {
        let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
        let rate = |time: Duration| {
            if count == 1 {
                format!("{:6.0} MB/s", size as f64 / 1e6 / time.as_secs_f64())
            } else {
                format!("{:6.0} files/s", count as f64 / time.as_secs_f64())
            }
        };
        println!(
            "| {} | {way} | {} | {} | {ratio:.2} | {least} | {} |",
            self.name,
            rate(ours),
            rate(theirs),
            if ratio >= least { "yes" } else { "NO" }
        );
    }
}

fn main() {
    let server = Server::start();
    let work = tempfile::tempdir_in(&server.home).unwrap();
    let from = work.path().join("from");
    println!("| what | way | engsync | sftp | times as fast | at least | |");
    println!("|---|---|---|---|---|---|---|");

    let inbox = server.directory("in");
    if !std::env::args().any(|argument| argument == "small") {
        fs::write(inbox.join("large"), bytes(LARGE, 1)).unwrap();
        empty(&from);
        fs::copy(inbox.join("large"), from.join("large")).unwrap();
        let name = "a file of 200 MB, one session";
        let case = Case { server: &server, name, port: server.port, sessions: 1, rounds: ROUNDS };
        case.print("get", 1, LARGE, case.get(work.path()), 0.7);
        case.print("put", 1, LARGE, case.put(&from), 0.7);
    }

    empty(&inbox);
    empty(&from);
    for number in 0..COUNT {
        for directory in [&inbox, &from] {
            fs::write(directory.join(format!("n{number:03}")), bytes(SMALL, number)).unwrap();
        }
    }
    let name = "500 files of 4 KB";
    let case = Case { server: &server, name, port: server.port, sessions: 4, rounds: ROUNDS };
    case.print("get", COUNT, SMALL, case.get(work.path()), 1.0);
    case.print("put", COUNT, SMALL, case.put(&from), 1.0);

    let port = proxy(server.port);
    let name = "500 files of 4 KB, 20 ms away";
    let case = Case { server: &server, name, port, sessions: 4, rounds: 1 };
    case.print("get", COUNT, SMALL, case.get(work.path()), 4.0);
    case.print("put", COUNT, SMALL, case.put(&from), 4.0);
}
