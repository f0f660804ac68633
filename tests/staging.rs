//! What a dead writer left: gone at the next start, whatever number its process had; what is still
//! being written stays.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;

use std::fs;
use std::path::PathBuf;

use common::{Defect, RULES, Site};

/// Half files of two writers: one whose number no process has, and one whose number one surely has,
/// as in a container that is started again.
fn leave(site: &Site, dir: &str) -> Vec<PathBuf> {
    let dir = site.path(dir);
    fs::create_dir_all(&dir).unwrap();
    let left = ["4194305-0", "1-7"].map(|tail| dir.join(format!(".engsync-{tail}")));
    for path in &left {
        fs::write(path, "half").unwrap();
    }
    left.to_vec()
}

#[test]
fn rows_1_to_3_staging_is_swept_at_start() {
    let transport = "[partner.oem.transport]\nkind = \"folder\"\ninbox = \"inbox\"\n\
                     outbox = \"outbox\"\noutbox_tmp = \"outbox.tmp\"\n";
    let site = Site::with("settle_seconds = 0", &format!("{transport}{RULES}"));
    for dir in ["inbox", "outbox"] {
        fs::create_dir(site.path(dir)).unwrap();
    }
    let defect = Defect {
        number: "4711",
        title: "Hupe stumm",
        files: &[("trace.txt", b"0x7f")],
        ..Defect::default()
    };
    site.deliver("ENG26112008000000MFA", std::slice::from_ref(&defect));
    site.run();
    let files = site.list("").into_iter().find(|name| name.contains("files")).unwrap();
    let mut left = Vec::new();
    for dir in [
        "spool/incoming",
        "spool/building",
        "spool/building/ENG26112008000000MFA",
        "spool/outgoing/oem",
        "spool/active/ENG26112108000000MFA",
        "outbox.tmp",
        "engsync.db.answers/ENG26112108000000MFA",
        &files,
    ] {
        left.extend(leave(&site, dir));
    }
    // Another process is writing one right now.
    let held = site.path("outbox.tmp/.engsync-1-8");
    let writer = fs::File::create(&held).unwrap();
    writer.lock().unwrap();
    site.deliver("ENG26112009000000MFA", &[Defect { title: "Hupe laut", ..defect }]);
    site.engsync(&["tracker", "set", "ISS-1", "status=In Progress"]);
    assert_eq!(site.engsync(&["run"]).code, 0);
    for path in left {
        assert!(!path.exists(), "{} is left", path.display());
    }
    assert!(held.exists(), "what is being written stays");
    drop(writer);
    site.engsync(&["tracker", "set", "ISS-1", "status=Closed", "resolution=Done"]);
    assert_eq!(site.engsync(&["run"]).code, 0);
    assert!(!held.exists(), "its writer is gone");
    assert!(!site.path("spool/active/ENG26112108000000MFA").exists());
    assert!(!site.path("engsync.db.answers/ENG26112108000000MFA").exists());
}
