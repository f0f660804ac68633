//! Who may work on a spool. Two locks beside the state, both the kernel's, gone with their holder:
//!
//! - `.lock`: one makes passes (`watch`, `run`, `-z`, `exchange`), all its life;
//! - `.turn.lock`: one writes. The service takes it for each pass, and gives it back between
//!   them, so that a person's command gets its turn.
//!
//! Whoever needs both takes them in this order.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::disk::{Disk, Lock};
use crate::{Error, LOCKED, Result};

/// How often a waiter asks.
const ASK: Duration = Duration::from_millis(20);
/// How long a person's command waits for the pass under way.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Not at all.
    No,
    /// For so long.
    For(Duration),
    /// For ever.
    Yes,
}

/// The right to make passes.
pub(super) fn passes(disk: &Disk, state: &Path, wait: Wait) -> Result<Lock> {
    take(disk, state, ".lock", wait, &|| false).and_then(some)
}

/// The right to write.
pub(super) fn turn(disk: &Disk, state: &Path, wait: Wait) -> Result<Lock> {
    take(disk, state, ".turn.lock", wait, &|| false).and_then(some)
}

/// The right to write, waited for until `stops`; then `None`.
pub(super) fn turn_unless(
    disk: &Disk,
    state: &Path,
    stops: &dyn Fn() -> bool,
) -> Result<Option<Lock>> {
    take(disk, state, ".turn.lock", Wait::Yes, stops)
}

fn some(lock: Option<Lock>) -> Result<Lock> {
    lock.ok_or_else(|| Error::setup(LOCKED, "nobody waits for the lock any more"))
}

fn take(
    disk: &Disk,
    state: &Path,
    suffix: &str,
    wait: Wait,
    stops: &dyn Fn() -> bool,
) -> Result<Option<Lock>> {
    if let Some(dir) = state.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        disk.make_dirs(dir)?;
    }
    let mut path = state.as_os_str().to_owned();
    path.push(suffix);
    let path = PathBuf::from(path);
    let own = format!("process {}", std::process::id());
    let begun = Instant::now();
    let mut said = false;
    loop {
        if let Some(lock) = disk.lock(&path, &own)? {
            return Ok(Some(lock));
        }
        if stops() {
            return Ok(None);
        }
        let holder = std::fs::read_to_string(&path).unwrap_or_default();
        let holder = if holder.is_empty() { "another process".to_owned() } else { holder };
        let over = match wait {
            Wait::No => true,
            Wait::For(most) => begun.elapsed() >= most,
            Wait::Yes => false,
        };
        if over {
            let what = format!("{holder} works on this spool ({})", path.display());
            return Err(Error::setup(LOCKED, what).hint(
                "`--wait` waits for it; the lock ends with the process, never remove it by hand",
            ));
        }
        if !said && (wait == Wait::Yes || begun.elapsed() > Duration::from_secs(1)) {
            tracing::warn!("{holder} works on this spool; waiting for it");
            said = true;
        }
        std::thread::sleep(ASK);
    }
}

/// This process among all processes of all machines and their starts: by a number drawn once, for
/// two containers may have one host name and one process id. Asks nothing of `/proc`, most of which
/// a hardened service does not see.
pub(super) fn writer() -> String {
    static DRAWN: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    format!("process {} of {host}, start {:016x}", std::process::id(), *DRAWN)
}

#[cfg(test)]
mod tests {
    use super::writer;

    #[test]
    fn a_writer_is_the_same_as_long_as_its_process_lives() {
        let own = writer();
        assert_eq!(own, writer());
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let start = format!("process {} of {}, start ", std::process::id(), host.trim());
        assert_eq!(own.strip_prefix(&start).map(str::len), Some(16), "{own}");
    }
}
