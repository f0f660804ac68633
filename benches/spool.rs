//! The spool at scale, from outside where that is possible: a scan of a full `incoming/`, the time
//! from a package's last file to its claim by a running `engsync watch`, and a thousand packages
//! of one issue in one `run`. Figures of the file system in `$TMPDIR`, and of memory (`/dev/shm`).
//!
//! `cargo bench --bench spool`
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]
#![allow(clippy::disallowed_methods, reason = "it plays the partner's server and the clock")]
#![allow(missing_docs, reason = "a benchmark")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Defect, RULES, config, package};
use engsync::disk::Disk;
use engsync::spool::{Mode, Spool};

const PACKAGES: usize = 5_000;
const FOREIGN: usize = 100_000;

fn main() {
    println!("engsync {}, one process, no other load", env!("CARGO_PKG_VERSION"));
    let memory = Path::new("/dev/shm");
    let mut places = vec![("disk", std::env::temp_dir())];
    if memory.is_dir() {
        places.push(("memory", memory.to_owned()));
    }
    for (what, place) in places {
        println!("\n-- {what}: {}", place.display());
        scans(&place);
        claims(&place, 0, 0);
        claims(&place, PACKAGES, FOREIGN);
        linear(&place);
    }
}

fn site(place: &Path, spool: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir_in(place).unwrap();
    fs::write(dir.path().join("engsync.toml"), config(spool, "", RULES)).unwrap();
    fs::create_dir_all(dir.path().join("spool/incoming")).unwrap();
    dir
}

fn name(number: usize) -> String {
    let (rest, second) = (number / 60, number % 60);
    let (hour, minute) = (rest / 60, rest % 60);
    format!("ENG261120{hour:02}{minute:02}{second:02}00MFA")
}

fn litter(incoming: &Path, count: usize) {
    for number in 0..count {
        fs::write(incoming.join(format!("somebody-elses-file-{number:06}.dat")), b"").unwrap();
    }
}

/// Packages without a description: they stay.
fn wait_for_descriptions(incoming: &Path, count: usize) {
    for number in 0..count {
        for part in ["003002", "003003"] {
            fs::write(incoming.join(name(40_000 + number) + part), b"").unwrap();
        }
    }
}

/// A scan for names, and what it and a whole pass take of memory.
fn scans(place: &Path) {
    for (packages, foreign) in [(500, 1_000), (PACKAGES, FOREIGN)] {
        let site = site(place, "settle_seconds = 0");
        let incoming = site.path().join("spool/incoming");
        litter(&incoming, foreign);
        wait_for_descriptions(&incoming, packages);
        let spool = Spool::new(&site.path().join("spool"), Disk::default(), Mode::Move);
        let before = peak(std::process::id());
        let mut times: Vec<Duration> = (0..30)
            .map(|_| {
                let start = Instant::now();
                assert_eq!(spool.scan().unwrap().groups.len(), packages);
                start.elapsed()
            })
            .collect();
        times.sort();
        let grown = peak(std::process::id()).saturating_sub(before);
        println!(
            "scan of {foreign} foreign and {} package files: {:.1} ms (median of 30, worst {:.1}), {} KiB more memory",
            2 * packages,
            ms(times[15]),
            ms(times[29]),
            grown
        );
        let mut child = start(site.path(), &["run", "-q"]);
        let begun = Instant::now();
        let mut most = 0;
        while child.try_wait().unwrap().is_none() {
            most = most.max(peak(child.id()));
            std::thread::sleep(Duration::from_millis(1));
        }
        println!("  a run over it: {:.0} ms, {most} KiB at most", ms(begun.elapsed()));
    }
}

/// The most memory a process ever used, in KiB; this process's own is begun anew.
fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    peak.unwrap_or_default()
}

fn start(site: &Path, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_engsync"))
        .args(args)
        .current_dir(site)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// From the rename of a package's last file into `incoming/` until the service has claimed it,
/// beside packages that wait and files of others.
fn claims(place: &Path, waiting: usize, foreign: usize) {
    const TIMES: usize = 300;
    let site = site(place, "scan_seconds = 3600");
    let path = |name: &str| site.path().join(name);
    litter(&path("spool/incoming"), foreign);
    wait_for_descriptions(&path("spool/incoming"), waiting);
    fs::create_dir(path("server")).unwrap();
    let mut service = start(site.path(), &["watch"]);
    while !path("spool/outgoing").is_dir() {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_secs(2));
    let mut times = Vec::new();
    for number in 0..TIMES {
        let title = format!("Fensterheber klemmt {number}");
        let defect = Defect { number: "4711", title: &title, ..Defect::default() };
        let parts = package(&name(number), &[defect]);
        for (file, bytes) in &parts {
            fs::write(path("server").join(file), bytes).unwrap();
        }
        // The description first: the data part completes the package.
        let moved = |index: usize| {
            let file = &parts[index].0;
            fs::rename(path("server").join(file), path("spool/incoming").join(file)).unwrap();
        };
        moved(0);
        std::thread::sleep(Duration::from_millis(20));
        let start = Instant::now();
        moved(1);
        let description = path("spool/incoming").join(&parts[0].0);
        while description.exists() {
            // Spinning would take a processor from the service.
            std::thread::sleep(Duration::from_micros(50));
        }
        times.push(start.elapsed());
        while !path("spool/done").join(name(number)).is_dir() {
            std::thread::sleep(Duration::from_millis(1));
        }
        // It sweeps and answers before it sleeps again.
        std::thread::sleep(Duration::from_millis(30));
    }
    service.kill().unwrap();
    service.wait().unwrap();
    times.sort();
    println!(
        "last file to claim, beside {foreign} foreign and {} package files: p50 {:.2} ms, p99 {:.2} ms, worst {:.2} ms (of {TIMES})",
        2 * waiting,
        ms(times[TIMES / 2]),
        ms(times[TIMES * 99 / 100]),
        ms(times[TIMES - 1])
    );
}

/// Packages of one and the same issue, each with another title, in one run.
fn linear(place: &Path) {
    let mut each = Vec::new();
    for count in [250, 500, 1_000] {
        let site = site(place, "settle_seconds = 0");
        for number in 0..count {
            let title = format!("Fensterheber klemmt, Stand {number}");
            let date = format!(
                "2026/11/20T{:02}:{:02}:{:02}",
                number / 3600,
                number / 60 % 60,
                number % 60
            );
            let defect = Defect { number: "4711", title: &title, date: &date, ..Defect::default() };
            for (file, bytes) in package(&name(number), &[defect]) {
                fs::write(site.path().join("spool/incoming").join(file), bytes).unwrap();
            }
        }
        let begun = Instant::now();
        let mut child = start(site.path(), &["run", "-q"]);
        let mut most = 0;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            most = most.max(peak(child.id()));
            std::thread::sleep(Duration::from_millis(1));
        };
        let took = begun.elapsed();
        assert!(status.success());
        assert_eq!(fs::read_dir(site.path().join("spool/done")).unwrap().count(), count);
        each.push(ms(took) / count as f64);
        println!(
            "{count} packages of one issue in one run: {:.0} ms, {:.2} ms each, {most} KiB at most",
            ms(took),
            ms(took) / count as f64
        );
    }
    println!("  cost of one among 1,000 over one among 250: {:.2}", each[2] / each[0]);
    assert!(each[2] < 1.5 * each[0], "the cost is not linear in the packages");
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
