//! A service under test.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Defect, Site};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// An hour between scans: what happens is owed to events.
pub const RARELY: &str = "scan_seconds = 3600";

/// A service that is ended with the test.
pub struct Service(pub Child);

impl Service {
    pub fn start(site: &Site, args: &[&str]) -> Self {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("engsync"));
        command.env_clear();
        Self::by(site, command, args)
    }

    /// Started by another program, or with more in its environment.
    pub fn by(site: &Site, mut command: Command, args: &[&str]) -> Self {
        let log = fs::File::create(site.path("service.log")).unwrap();
        let child = command
            .current_dir(site.dir.path())
            .arg("watch")
            .args(args)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let service = Self(child);
        until(site, "it watches", || log_of(site).contains("watching"));
        service
    }

    pub fn signal(&self, name: &str) {
        signal(self.0.id(), name);
    }

    /// Its exit code, which must come soon.
    pub fn end(&mut self) -> Option<i32> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the service does not end within 10 s");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn signal(id: u32, name: &str) {
    assert!(Command::new("kill").args([name, &id.to_string()]).status().unwrap().success());
}

pub fn log_of(site: &Site) -> String {
    fs::read_to_string(site.path("service.log")).unwrap_or_default()
}

pub fn until(site: &Site, what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}\n{}", log_of(site));
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn defect(number: &str) -> Defect<'_> {
    Defect { number, title: "Fensterheber klemmt", ..Defect::default() }
}

pub fn is_done(site: &Site, name: &str) -> bool {
    site.list("spool/done").iter().any(|done| done == name)
}
