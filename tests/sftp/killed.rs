//! Death before each step that changes something, here or over there, while fetching, removing and
//! delivering; then one plain run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use engsync::Digest;
use engsync::disk::{Disk, Steps};
use engsync::transport::sftp::Options;
use engsync::transport::{Parcel, Sftp, Transport};

use super::server::Server;
use super::suite::{NAME, NEXT, Place, bytes, deliver_all, names, package};
use super::{guard, options, place};

/// What the child is told: the server's port, its own directory, the step to die before.
const TOLD: &str = "ENGSYNC_SFTP_CHILD";

const SIZES: [usize; 3] = [1000, 40_000, 10];

/// Takes all there is, removes it over there, and delivers two packages.
fn exchange(options: Options, steps: Steps, home: &Path) {
    let disk = Disk::new(steps);
    disk.sweep(&home.join("incoming")).unwrap();
    let mut sftp = Sftp::new(options, disk);
    let listed = sftp.list().unwrap();
    let mut taken = Vec::new();
    sftp.fetch(&listed, &home.join("incoming"), &mut |file, outcome| {
        outcome.map(|_| taken.push(file.clone()))
    })
    .unwrap();
    for file in taken {
        sftp.remove(&file).unwrap();
    }
    let outcomes = deliver_all(&mut sftp, &packages(home));
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

fn packages(home: &Path) -> [Vec<Parcel>; 2] {
    let dir = home.join("package");
    [package(&dir, NAME, &SIZES), package(&dir, NEXT, &[300, 5])]
}

#[test]
fn child() {
    let Ok(told) = std::env::var(TOLD) else { return };
    let mut told = told.split(',');
    let mut next = || told.next().unwrap().to_owned();
    let (port, home, die_at) = (next(), PathBuf::from(next()), next());
    let mut options = options_for(port.parse().unwrap());
    options.sessions = 1;
    exchange(options, Steps::dying_at(die_at.parse().unwrap(), false), &home);
}

fn options_for(port: u16) -> Options {
    let known = engsync::transport::sftp::HostKeys::Fingerprint(super::fingerprint("host_ed25519"));
    let mut options = Options::new("127.0.0.1", super::USER, known);
    options.port = port;
    options.key_file = Some(super::fixture("ed25519"));
    options.inbox = "/in".into();
    options.outbox = "/out".into();
    options.outbox_tmp = "/tmp".into();
    options.mode = Some(0o644);
    options
}

fn run_child(server: &Server, home: &Path, die_at: usize) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::child"])
        .env(TOLD, format!("{},{},{die_at}", server.port, home.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.unwrap().success()
}

fn check(place: &Place, home: &Path, contents: &[Vec<u8>], what: &str) {
    let incoming = home.join("incoming");
    let there = names(&incoming);
    assert_eq!(there.len(), contents.len(), "{what}: {there:?}");
    for (name, content) in there.iter().zip(contents) {
        assert!(fs::read(incoming.join(name)).unwrap() == *content, "{what}: {name}");
    }
    assert_eq!(place.names("in"), [""; 0], "{what}");
    assert_eq!(place.names("tmp"), [""; 0], "{what}");
    let parts = packages(home).concat();
    assert_eq!(place.names("out").len(), parts.len(), "{what}");
    for part in parts {
        assert_eq!(Digest::of(&place.out(&part.name)), part.digest, "{what}");
    }
}

#[test]
fn row_27_death_before_each_step_loses_and_doubles_nothing() {
    let contents = [bytes(70_000, 1), bytes(3, 2)];
    let mut deaths = 0;
    for die_at in 1.. {
        let server = Server::start(&["host_ed25519"]);
        let place = place(&server);
        let home = tempfile::tempdir().unwrap();
        for directory in ["incoming", "package"] {
            fs::create_dir(home.path().join(directory)).unwrap();
        }
        for (at, content) in contents.iter().enumerate() {
            place.put(&format!("part{at}"), content);
        }
        guard(&server, &packages(home.path()));
        let through = run_child(&server, home.path(), die_at);
        if !through {
            deaths += 1;
            // What it took and had not removed yet is taken again, as the same file.
            exchange(options(&server), Steps::none(), home.path());
        }
        server.state().watch = None;
        check(&place, home.path(), &contents, &format!("step {die_at}"));
        if through {
            break;
        }
        assert!(die_at < 200, "it never gets through");
    }
    // Files that are whole at the same time share an fsync of the directory: 23 or 24.
    assert!(deaths >= 23, "only {deaths} deaths");
    eprintln!("row 27: {deaths} deaths while fetching and delivering, 0 wrong");
}
