//! `--dry-run` before a person's command: it says what would be, and nothing is touched.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the partner's server")]

mod common;

use std::fs;

use common::{Defect, RULES, Site};

const FIRST: &str = "ENG26112008000000MFA";
const LAST_LINE: &str = "(dry run: nothing was changed)\n";

#[test]
fn no_command_changes_anything_in_a_dry_run() {
    let site = Site::with("settle_seconds = 0", RULES);
    let files: &[(&str, &[u8])] = &[("a.txt", b"1")];
    let defect = Defect { number: "4711", title: "Tür klemmt", files, ..Defect::default() };
    site.deliver(FIRST, &[defect]);
    let sent = site.run()["sent"][0]["name"].as_str().unwrap().to_owned();
    assert_eq!(site.engsync(&["tracker", "comment", "ISS-1", "[TO OEM] hallo"]).code, 0);
    assert_eq!(site.engsync(&["tracker", "create", "summary=ours"]).code, 0);
    let dir = site.path("spool/corrupt").join("ENG26112009000000MFA");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("ENG26112009000000MFA001001"), "UNB").unwrap();
    fs::write(site.path("b.txt"), "2").unwrap();
    let before = site.fingerprint();
    let commands: [&[&str]; 18] = [
        &["tracker", "create", "summary=x"],
        &["tracker", "set", "ISS-1", "status=Closed"],
        &["tracker", "delete", "ISS-1"],
        &["tracker", "comment", "ISS-1", "x"],
        &["tracker", "edit-comment", "ISS-1", "1", "x"],
        &["tracker", "delete-comment", "ISS-1", "1"],
        &["tracker", "attach", "ISS-1", "b.txt"],
        &["tracker", "detach", "ISS-1", "a.txt"],
        &["link", "oem", "4712", "ISS-2"],
        &["unlink", "oem", "4711"],
        &["release", "ENG26112009000000MFA"],
        &["replay", FIRST],
        &["resend", &sent],
        &["reissue", &sent],
        &["retry", "4711"],
        &["pack", "--partner", "oem", "b.txt"],
        &["run"],
        &["init", "new"],
    ];
    for command in commands {
        let dry = site.engsync(&[command, &["-n"]].concat());
        assert_eq!(dry.code, 0, "{command:?}: {}{}", dry.out, dry.err);
        let told = dry.out.ends_with(LAST_LINE) || dry.out.starts_with("would write new/");
        assert!(told, "{command:?}: {}", dry.out);
        assert!(site.fingerprint() == before, "{command:?} touched something");
        let json = site.engsync(&[command, &["-n", "--json"]].concat());
        assert!(!json.out.contains("dry run:"), "{command:?}: {}", json.out);
        assert!(site.fingerprint() == before, "{command:?} touched something");
    }
    let looks: [&[&str]; 3] = [&["status"], &["tracker", "list"], &["conflicts"]];
    for command in looks {
        let dry = site.engsync(&[command, &["-n"]].concat());
        assert_eq!((dry.code, dry.out.contains(LAST_LINE)), (0, false), "{command:?}");
    }
    assert_eq!(site.engsync(&["tracker", "set", "ISS-1", "status=Closed"]).code, 0);
    assert!(site.fingerprint() != before, "a change is seen");
}
