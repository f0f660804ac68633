//! The SFTP transport against a server in this process that misbehaves at any request.
#![allow(missing_docs, unreachable_pub, reason = "a test")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "it plays the partner's server")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use engsync::transport::sftp::{Fingerprint, HostKeys, Options, Secret};
use engsync::transport::{CHANGED, NAME_TAKEN, Parcel, Removal, Transport};
use engsync::{Digest, Error, Fault, NOT_FOUND};
use russh::keys::{HashAlg, PublicKey};
use russh_sftp::protocol::StatusCode;

#[path = "sftp/flights.rs"]
mod flights;
#[cfg(debug_assertions)]
#[path = "sftp/killed.rs"]
mod killed;
#[path = "sftp/server.rs"]
mod server;
#[path = "sftp/suite.rs"]
mod suite;
#[path = "sftp/trust.rs"]
mod trust;

use flights::Flights;
use server::{Deed, KINDS, Kind, PASSWORD, Server, USER, fixture};
use suite::{NAME, NEXT, Place, bytes, deliver_all, fetch, names, package};

fn fingerprint(host: &str) -> Fingerprint {
    let key = PublicKey::read_openssh_file(fixture(&format!("{host}.pub"))).unwrap();
    key.fingerprint(HashAlg::Sha256).to_string().parse().unwrap()
}

fn options(server: &Server) -> Options {
    let known = HostKeys::Fingerprint(fingerprint("host_ed25519"));
    let mut options = Options::new("127.0.0.1", USER, known);
    options.port = server.port;
    options.key_file = Some(fixture("ed25519"));
    options.inbox = "/in".into();
    options.outbox = "/out".into();
    options.outbox_tmp = "/tmp".into();
    options
}

fn place(server: &Server) -> Place {
    Place { options: options(server), root: server.root.clone() }
}

fn start() -> (Server, Place) {
    let server = Server::start(&["host_ed25519"]);
    let place = place(&server);
    (server, place)
}

/// At every request: nothing in the outbox is half, and no description is there before its parts.
fn guard(server: &Server, packages: &[Vec<Parcel>]) {
    let packages = packages.to_vec();
    server.state().watch = Some(Box::new(move |root: &Path| {
        let there = |part: &Parcel| {
            let content = fs::read(root.join("out").join(&part.name)).ok()?;
            assert_eq!(Digest::of(&content), part.digest, "{} is half", part.name);
            Some(())
        };
        for parts in &packages {
            let seen: Vec<bool> = parts.iter().map(|part| there(part).is_some()).collect();
            let early = seen[0] && !seen.iter().all(|seen| *seen);
            assert!(!early, "the description came early: {seen:?}");
        }
    }));
}

#[test]
fn the_suite() {
    let (_server, place) = start();
    suite::all(&place);
}

#[test]
fn the_suite_on_a_poor_server() {
    let (server, place) = start();
    {
        let manners = &mut server.state().manners;
        manners.fsync = false;
        manners.bare = true;
        manners.overwrites = true;
        manners.write_only = true;
    }
    suite::all(&place);
}

#[test]
fn the_suite_on_a_rich_server() {
    let (server, place) = start();
    server.state().manners.hash = true;
    suite::all(&place);
    assert!(server.state().log.iter().any(|(kind, _)| *kind == Kind::Hash));
}

#[test]
fn row_8_what_grows_while_it_is_fetched_is_not_taken() {
    let (server, place) = start();
    place.put("part", &bytes(100_000, 1));
    let into = tempfile::tempdir().unwrap();
    let mut sftp = place.sftp();
    let listed = sftp.list().unwrap();
    // It grows with each look, as a slow upload does.
    server.state().watch = Some(Box::new(|root: &Path| {
        let mut file = fs::File::options().append(true).open(root.join("in/part")).unwrap();
        std::io::Write::write_all(&mut file, b"more").unwrap();
    }));
    let error = fetch(&mut sftp, &listed, into.path()).remove(0).1.unwrap_err();
    assert_eq!(error.code, CHANGED, "{error:?}");
    assert_eq!(names(into.path()), [""; 0]);
    assert_eq!(sftp.remove(&listed[0]).unwrap(), Removal::Changed);
    server.state().watch = None;
    // Late, it is through.
    let listed = sftp.list().unwrap();
    let fetched = fetch(&mut sftp, &listed, into.path()).remove(0).1.unwrap();
    assert_eq!(fs::read(&fetched.path).unwrap(), fs::read(place.root.join("in/part")).unwrap());
}

/// One delivery of two packages, broken at one request; the number of requests of the kind that
/// there were.
fn broken(kind: Kind, nth: usize, deed: Deed) -> usize {
    let (server, place) = start();
    let dir = tempfile::tempdir().unwrap();
    let packages =
        [package(dir.path(), NAME, &[1000, 40_000, 10]), package(dir.path(), NEXT, &[300, 5])];
    guard(&server, &packages);
    server.misbehave(kind, nth, deed);
    let mut sftp = place.sftp();
    let outcomes = deliver_all(&mut sftp, &packages);
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes.iter().all(Result::is_ok), "{kind:?} {nth} {deed:?}: {outcomes:?}");
    let count = server.count(kind);
    server.state().watch = None;
    let parts = packages.concat();
    let wanted: Vec<_> = parts.iter().map(|part| part.name.clone()).collect();
    assert_eq!(place.names("out"), wanted, "{kind:?} {nth} {deed:?}");
    for part in &parts {
        assert_eq!(Digest::of(&place.out(&part.name)), part.digest);
    }
    assert_eq!(place.names("tmp"), [""; 0], "{kind:?} {nth} {deed:?}");
    assert!(deliver_all(&mut sftp, &packages).iter().all(Result::is_ok));
    count
}

#[test]
fn row_27_a_delivery_survives_a_disconnect_before_and_after_every_request() {
    let mut broke = 0;
    for kind in KINDS {
        for deed in [Deed::DropBefore, Deed::DropAfter] {
            let mut nth = 1;
            while nth <= broken(kind, nth, deed) {
                nth += 1;
                broke += 1;
                assert!(nth < 40, "{kind:?} never ends");
            }
        }
    }
    assert!(broke > 40, "only {broke} disconnects were tried");
    eprintln!("row 27: {broke} disconnects while delivering, 0 wrong");
}

#[test]
fn many_small_packages_cost_few_round_trips() {
    let (server, place) = start();
    let dir = tempfile::tempdir().unwrap();
    let packages: Vec<_> = (0..60)
        .map(|number| package(dir.path(), &format!("ENG250310080000{number:02}PAG"), &[700, 4096]))
        .collect();
    guard(&server, &packages);
    let flights = Flights::to(server.port);
    let mut options = options(&server);
    options.port = flights.port;
    options.sessions = 1;
    let mut sftp = Place { options, root: place.root.clone() }.sftp();
    sftp.list().unwrap();
    let before = flights.count();
    let outcomes = deliver_all(&mut sftp, &packages);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let trips = flights.count() - before;
    server.state().watch = None;
    assert_eq!(place.names("out").len(), 120);
    // One of them by itself, for comparison.
    let alone = package(dir.path(), NAME, &[700, 4096]);
    let before = flights.count();
    sftp.deliver(&alone).unwrap();
    let alone = flights.count() - before;
    eprintln!("60 packages of two small files: {trips} round trips; one: {alone}");
    assert!(trips <= 60 && alone <= 16, "{trips} round trips for 60 packages, {alone} for one");
}

#[test]
fn row_27_a_delivery_that_never_gets_through_leaves_nothing_half() {
    for kind in KINDS {
        for deed in [Deed::DropBefore, Deed::DropAfter, Deed::Refuse(StatusCode::Failure)] {
            let (server, place) = start();
            let dir = tempfile::tempdir().unwrap();
            let parts = package(dir.path(), NAME, &[1000, 40_000, 10]);
            guard(&server, std::slice::from_ref(&parts));
            server.misbehave(kind, 0, deed);
            let mut sftp = place.sftp();
            let outcome = sftp.deliver(&parts);
            let met = server.count(kind) > 0;
            let drops = !matches!(deed, Deed::Refuse(_));
            match outcome {
                Err(error) => assert_eq!(error.fault, Fault::Wait, "{error:?}"),
                // Each rename is found done by the next connection.
                Ok(()) if (kind, deed) == (Kind::Rename, Deed::DropAfter) => {}
                Ok(()) => assert!(!met || !drops, "{kind:?} {deed:?}"),
            }
            server.behave();
            sftp.deliver(&parts).unwrap_or_else(|error| panic!("{kind:?} {deed:?}: {error:?}"));
            assert_eq!(place.names("out").len(), 3, "{kind:?} {deed:?}");
            assert_eq!(place.names("tmp"), [""; 0], "{kind:?} {deed:?}");
        }
    }
}

#[test]
fn row_27_a_fetch_survives_a_disconnect_before_and_after_every_request() {
    let mut broke = 0;
    for kind in KINDS {
        for deed in [Deed::DropBefore, Deed::DropAfter] {
            for nth in 1..40 {
                let (server, place) = start();
                let contents = [bytes(100_000, 1), bytes(10, 2), Vec::new()];
                for (at, content) in contents.iter().enumerate() {
                    place.put(&format!("f{at}"), content);
                }
                let into = tempfile::tempdir().unwrap();
                server.misbehave(kind, nth, deed);
                let mut sftp = place.sftp();
                let listed = sftp.list().unwrap();
                for (at, (name, outcome)) in
                    fetch(&mut sftp, &listed, into.path()).into_iter().enumerate()
                {
                    let fetched = outcome.unwrap_or_else(|error| {
                        panic!("{kind:?} {nth} {deed:?}: {name}: {error:?}")
                    });
                    assert!(fs::read(&fetched.path).unwrap() == contents[at]);
                }
                for file in &listed {
                    let removal = sftp.remove(file).unwrap();
                    assert!(matches!(removal, Removal::Removed), "{kind:?} {nth} {deed:?}");
                }
                assert_eq!(place.names("in"), [""; 0]);
                if server.count(kind) < nth {
                    break;
                }
                broke += 1;
            }
        }
    }
    assert!(broke > 30, "only {broke} disconnects were tried");
    eprintln!("row 27: {broke} disconnects while fetching, 0 wrong");
}

#[test]
fn row_28_a_server_that_overwrites_is_never_asked_to() {
    let (server, place) = start();
    server.state().manners.overwrites = true;
    let dir = tempfile::tempdir().unwrap();
    let parts = package(dir.path(), NAME, &[10, 20]);
    // The name is taken while the part is uploaded.
    let name = parts[1].name.clone();
    server.state().watch = Some(Box::new(move |root: &Path| {
        if !names(&root.join("tmp")).is_empty() {
            fs::write(root.join("out").join(&name), b"somebody else's").unwrap();
        }
    }));
    let error = place.sftp().deliver(&parts).unwrap_err();
    assert_eq!(error.code, NAME_TAKEN, "{error:?}");
    server.state().watch = None;
    assert_eq!(place.out(&parts[1].name), b"somebody else's");
    assert_eq!(place.names("out"), [parts[1].name.as_str()]);
}

#[test]
fn row_28_a_listing_that_lags_harms_nothing() {
    let (server, place) = start();
    for name in ["one", "two"] {
        place.put(name, b"12345");
    }
    let into = tempfile::tempdir().unwrap();
    let mut sftp = place.sftp();
    let listed = sftp.list().unwrap();
    // One is gone and still listed; what was delivered is not listed yet.
    let lag = [("/out".to_owned(), Vec::new()), ("/tmp".to_owned(), Vec::new())];
    server.state().manners.lag = lag.into();
    fs::remove_file(place.root.join("in/one")).unwrap();
    let outcomes = fetch(&mut sftp, &listed, into.path());
    assert_eq!(outcomes[0].1.as_ref().unwrap_err().code, NOT_FOUND);
    assert!(outcomes[1].1.is_ok());
    assert_eq!(sftp.remove(&listed[0]).unwrap(), Removal::Absent);
    let dir = tempfile::tempdir().unwrap();
    let parts = package(dir.path(), NAME, &[10, 20]);
    sftp.deliver(&parts).unwrap();
    sftp.deliver(&parts).unwrap();
    assert_eq!(place.names("out").len(), 2);
}

#[test]
fn row_28_times_that_listings_tell_wrong_do_not_stop_a_fetch() {
    let (server, place) = start();
    for (name, skew) in [("behind", -3600), ("ahead", 7200)] {
        server.state().manners.skew = skew;
        place.put(name, b"12345");
        let into = tempfile::tempdir().unwrap();
        let mut sftp = place.sftp();
        let listed = sftp.list().unwrap();
        fetch(&mut sftp, &listed, into.path()).remove(0).1.unwrap();
        assert_eq!(sftp.remove(&listed[0]).unwrap(), Removal::Removed);
        // But a listing that has changed does.
        place.put(name, b"12345");
        let mut old = sftp.list().unwrap();
        old[0].modified -= 5;
        let error = fetch(&mut sftp, &old, into.path()).remove(0).1.unwrap_err();
        assert_eq!(error.code, CHANGED, "{error:?}");
        assert_eq!(sftp.remove(&old[0]).unwrap(), Removal::Changed);
        fs::remove_file(place.root.join("in").join(name)).unwrap();
    }
}

#[test]
fn short_reads_are_asked_for_again() {
    let (server, place) = start();
    place.put("part", &bytes(300_000, 1));
    for most in [1000, 32_767] {
        server.behave();
        server.misbehave(Kind::Read, 0, Deed::Short(most));
        let into = tempfile::tempdir().unwrap();
        let mut sftp = place.sftp();
        let listed = sftp.list().unwrap();
        let fetched = fetch(&mut sftp, &listed, into.path()).remove(0).1.unwrap();
        assert!(fs::read(&fetched.path).unwrap() == bytes(300_000, 1));
        let reads = server.count(Kind::Read);
        assert!(reads <= 2 * 300_000 / most + 20, "{reads} reads of {most} bytes");
    }
}

#[test]
fn a_fetch_that_is_ended_early_ends() {
    let (_server, place) = start();
    place.put("a", b"small");
    // More than may wait for the disk.
    place.put("b", &bytes(24 << 20, 1));
    let into = tempfile::tempdir().unwrap();
    let mut sftp = place.sftp();
    let listed = sftp.list().unwrap();
    let mut told = 0;
    let ended = sftp.fetch(&listed, into.path(), &mut |_, _| {
        told += 1;
        Err(Error::setup(engsync::DISK, "no more"))
    });
    assert_eq!((told, ended.unwrap_err().what.as_str()), (1, "no more"));
    assert_eq!(sftp.list().unwrap().len(), 2, "it can be used again");
}

#[test]
fn what_is_damaged_on_its_way_is_not_taken_and_not_published() {
    let (server, place) = start();
    server.state().manners.hash = true;
    server.state().manners.lies = true;
    place.put("part", b"12345");
    let into = tempfile::tempdir().unwrap();
    let mut sftp = place.sftp();
    let listed = sftp.list().unwrap();
    let error = fetch(&mut sftp, &listed, into.path()).remove(0).1.unwrap_err();
    assert_eq!(error.code, CHANGED, "{error:?}");
    assert_eq!(names(into.path()), [""; 0]);
    let dir = tempfile::tempdir().unwrap();
    let parts = package(dir.path(), NAME, &[10, 20]);
    assert_eq!(sftp.deliver(&parts).unwrap_err().code.as_str(), "sftp-damaged");
    drop(sftp);
    server.state().manners.hash = false;
    server.misbehave(Kind::Fstat, 0, Deed::Size(-1));
    assert_eq!(place.sftp().deliver(&parts).unwrap_err().code.as_str(), "sftp-damaged");
    assert_eq!(place.names("out"), [""; 0]);
    assert_eq!(place.names("tmp"), [""; 0]);
}

#[test]
fn a_part_that_is_not_what_was_frozen_is_not_delivered() {
    let (_server, place) = start();
    let dir = tempfile::tempdir().unwrap();
    let parts = package(dir.path(), NAME, &[10, 20]);
    fs::write(&parts[1].path, bytes(20, 77)).unwrap();
    assert_eq!(place.sftp().deliver(&parts).unwrap_err().fault, Fault::Setup);
    assert_eq!(place.names("out"), [""; 0]);
}

#[test]
fn a_large_download_goes_on_where_it_broke() {
    let (server, place) = start();
    let content = bytes(6_000_000, 5);
    place.put("large", &content);
    let into = tempfile::tempdir().unwrap();
    let listed = place.sftp().list().unwrap();
    // It never gets further than about 100 reads, and connecting again does not help.
    server.misbehave(Kind::Read, 0, Deed::Delay(Duration::ZERO));
    for nth in 100..120 {
        server.state().rules.push(server::Rule { kind: Kind::Read, nth, deed: Deed::DropBefore });
    }
    let error = fetch(&mut place.sftp(), &listed, into.path()).remove(0).1.unwrap_err();
    assert_eq!(error.code.as_str(), "sftp-lost", "{error:?}");
    let partial = names(into.path());
    assert!(partial.len() == 1 && partial[0].starts_with(".partial-"), "{partial:?}");
    let kept = into.path().join(&partial[0]).metadata().unwrap().len();
    assert!(kept >= 1 << 20, "{kept}");
    server.behave();
    let fetched = fetch(&mut place.sftp(), &listed, into.path()).remove(0).1.unwrap();
    assert!(fs::read(&fetched.path).unwrap() == content);
    assert_eq!(fetched.digest, Digest::of(&content));
    assert_eq!(names(into.path()), ["large"]);
    let bytes_read = server.count(Kind::Read) * 32_768;
    let most = content.len() - usize::try_from(kept).unwrap() + 5 * 32_768;
    assert!(bytes_read <= most, "{bytes_read} of at most {most} bytes were read again");

    // What is here is of another file: found out, thrown away, fetched anew.
    fs::remove_file(into.path().join("large")).unwrap();
    fs::write(into.path().join(&partial[0]), bytes(2_000_000, 6)).unwrap();
    let error = fetch(&mut place.sftp(), &listed, into.path()).remove(0).1.unwrap_err();
    assert_eq!(error.code, CHANGED, "{error:?}");
    assert_eq!(names(into.path()), [""; 0]);
    fetch(&mut place.sftp(), &listed, into.path()).remove(0).1.unwrap();

    // And what is here of a file that is there no more goes with the next fetch.
    fs::write(into.path().join(&partial[0]), b"old").unwrap();
    place.put("large", b"new");
    let mut sftp = place.sftp();
    let listed = sftp.list().unwrap();
    fetch(&mut sftp, &listed, into.path()).remove(0).1.unwrap();
    assert_eq!(names(into.path()), ["large", "large.2"]);
}

#[test]
fn patience_ends() {
    let (server, mut place) = start();
    place.put("part", b"12345");
    let time = |place: &Place, what: &str| {
        let begun = Instant::now();
        let error = place.sftp().list().unwrap_err();
        assert!(error.line().contains(what), "{}", error.line());
        assert_eq!(error.fault, Fault::Wait);
        begun.elapsed()
    };
    server.misbehave(Kind::Readdir, 0, Deed::Delay(Duration::from_secs(600)));
    place.options.patience.idle = Duration::from_millis(300);
    assert!(time(&place, "no sign of life") < Duration::from_secs(8));
    place.options.patience.idle = Duration::from_secs(600);
    place.options.patience.keep_alive = Duration::from_millis(1100);
    place.options.patience.total = Duration::from_millis(1500);
    assert!(time(&place, "the time for the whole exchange") < Duration::from_secs(8));
    // Somebody listens and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    place.options.port = silent.local_addr().unwrap().port();
    place.options.patience.total = Duration::from_secs(600);
    place.options.patience.connect = Duration::from_millis(300);
    assert!(time(&place, "no keys could be agreed on") < Duration::from_secs(8));
    drop(silent);
    assert!(time(&place, "cannot connect") < Duration::from_secs(8));
}

#[test]
fn errors_and_debug_output_keep_secrets() {
    let (_server, mut place) = start();
    place.options.key_file = None;
    place.options.password = Some(Secret::new("wrong-and-secret"));
    let sftp = place.sftp();
    let error = place.sftp().list().unwrap_err();
    for text in
        [format!("{:?}", place.options), format!("{sftp:?}"), format!("{error:?}"), error.line()]
    {
        assert!(!text.contains("wrong-and-secret"), "{text}");
    }
    assert_eq!(error.code.as_str(), "sftp-login");
    place.options.password = Some(Secret::new(PASSWORD));
    place.sftp().list().unwrap();
}
