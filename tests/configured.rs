//! What the configuration decides, from outside: its own problems, partners, levels, people.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;

use std::fs;

use common::{Defect, Site, archive, document, package_of, party, supplier};

const FIRST: &str = "ENG26112008000000MFA";
const SECOND: &str = "ENG26112009000000MFA";

fn defect(number: &str) -> Defect<'_> {
    Defect {
        number, title: "Fensterheber klemmt", description: "Tür öffnen", ..Defect::default()
    }
}

#[test]
fn check_lists_every_problem_of_a_configuration() {
    let site = Site::new();
    let path = site.path("engsync.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text
        .replace("dir = \"spool\"", "dir = \"spool\"\nsetle_seconds = 3\ncolour = 1")
        .replace("short_name = \"MFAG\"", "short_name = \"MFAG\"\ntime_zone = \"Europe/Bonn\"")
        .replace("kind = \"envelope\"", "kind = \"envelope\"\nmap = { a = \"b\" }");
    fs::write(&path, text).unwrap();
    let ran = site.engsync(&["check"]);
    assert_eq!(ran.code, 1);
    for wanted in [
        "unknown field `setle_seconds`; did you mean `settle_seconds`?",
        "unknown field `colour`",
        "\"Europe/Bonn\" is no zone",
        "`map` is not a key of `envelope`",
    ] {
        assert!(ran.out.contains(wanted), "{wanted} is not in {}", ran.out);
    }
    assert_eq!(site.engsync(&["run"]).code, 2);
    assert_eq!(site.engsync(&["-c", "none.toml", "check"]).code, 2);
}

#[test]
fn partners_are_told_apart_by_the_pair_of_routing_codes() {
    let site = Site::new();
    let path = site.path("engsync.toml");
    let both = fs::read_to_string(&path).unwrap() + &nord();
    fs::write(&path, &both).unwrap();
    site.deliver(FIRST, &[defect("4711")]);
    let north = party("O0013NORD", "RSENORD", "Nordwagen AB");
    for (name, bytes) in package_of(SECOND, &north, &supplier(), &archive(&[defect("4711")])) {
        fs::write(site.path("spool/incoming").join(name), bytes).unwrap();
    }
    let report = site.run();
    assert_eq!(report["packages"][0]["partner"], "oem", "{report:#}");
    assert_eq!(report["packages"][1]["partner"], "nord");
    assert_eq!(report["packages"][1]["issues"][0]["action"], "created", "one number, two partners");
    let sent: Vec<&str> = report["sent"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sent| &sent["name"].as_str().unwrap()[17..])
        .collect();
    assert_eq!(sent, ["NWG", "MFA"], "partners in the order of their names");
    fs::write(&path, both.replace("RSENORD", "RDEMUSTER")).unwrap();
    let ran = site.engsync(&["check"]);
    assert!(ran.out.contains("have the same pair of routing codes"), "{}", ran.out);
}

/// A second partner, with the keys of the first but for its name and routing code.
fn nord() -> String {
    let text = common::config("", "", "");
    let (_, partner) = text.split_once("[partner.oem]").unwrap();
    format!("[partner.nord]{partner}")
        .replace("partner.oem", "partner.nord")
        .replace("RDEMUSTER", "RSENORD")
        .replace("Musterfahrzeug AG", "Nordwagen AB")
        .replace("filename = \"MFA\"", "filename = \"NWG\"")
}

#[test]
fn two_partners_at_one_directory_are_told() {
    let site = Site::new();
    let path = site.path("engsync.toml");
    let both = fs::read_to_string(&path).unwrap() + &nord();
    for dir in ["a/in", "a/out", "b/in", "b/out"] {
        fs::create_dir_all(site.path(dir)).unwrap();
    }
    std::os::unix::fs::symlink(site.path("a"), site.path("link")).unwrap();
    let folder = |inbox: &str, outbox: &str| {
        format!("kind = \"folder\"\ninbox = \"{inbox}\"\noutbox = \"{outbox}\"")
    };
    let sftp = |user: &str, inbox: &str| {
        format!(
            "kind = \"sftp\"\nhost = \"127.0.0.1\"\nport = 1\nuser = \"{user}\"\n\
             password_file = \"none\"\nfingerprint = \"SHA256:{}\"\n\
             inbox = \"{inbox}\"\noutbox = \"/out/{inbox}\"\noutbox_tmp = \"/tmp\"",
            "A".repeat(43)
        )
    };
    let usual = folder("a/in", "a/out");
    // The transports of oem and nord; what is told of them, and whether they can be used.
    let cases = [
        (usual.clone(), folder("b/in", "b/out"), vec![], true),
        (usual.clone(), folder("a/in/", "b/out"), vec!["have one inbox, "], true),
        (usual.clone(), folder("b/in", "link/out"), vec!["have one outbox, "], true),
        (usual.clone(), folder("a/in", "a/out"), vec!["one inbox, ", "one outbox, "], true),
        (
            sftp("u", "/in"),
            sftp("u", "/in/"),
            vec!["one inbox, /in of u at 127.", "one outbox, "],
            true,
        ),
        (sftp("u", "/in"), sftp("v", "/in"), vec![], true),
        (
            usual.clone(),
            folder("b/in", "a/in"),
            vec!["[partner.nord.transport] outbox is the inbox of [partner.oem.transport]"],
            false,
        ),
        (
            usual.clone(),
            folder("a/out", "b/out"),
            vec!["[partner.oem.transport] outbox is the inbox of [partner.nord.transport]"],
            false,
        ),
        (
            folder("b/in", "b/in"),
            usual,
            vec!["[partner.oem.transport] outbox is the inbox of [partner.oem.transport]"],
            false,
        ),
    ];
    for (oem, nord, wanted, usable) in cases {
        let tables = format!("[partner.oem.transport]\n{oem}\n[partner.nord.transport]\n{nord}\n");
        fs::write(&path, both.clone() + &tables).unwrap();
        let checked = site.engsync(&["check", "--json"]).json();
        let list = |key: &str| -> Vec<String> {
            let all = checked[key].as_array().unwrap().iter();
            let texts = all.map(|text| text.as_str().unwrap().to_owned());
            texts.filter(|text| text.contains("box,") || text.contains("outbox is")).collect()
        };
        let (told, none) = if usable { ("warnings", "problems") } else { ("problems", "warnings") };
        assert_eq!(list(none), Vec::<String>::new(), "{tables}");
        let told = list(told);
        assert_eq!(told.len(), wanted.len(), "{told:?}\n{tables}");
        for (told, wanted) in told.iter().zip(&wanted) {
            assert!(told.contains(wanted), "{told}");
        }
        // And every start says so.
        let ran = site.engsync(&["run"]);
        assert_eq!(ran.code == 2, !usable, "{}", ran.err);
        assert!(wanted.iter().all(|wanted| ran.err.contains(wanted)), "{}", ran.err);
    }
}

#[test]
fn a_partners_levels_raise_and_silence_findings() {
    let spoil = |site: &Site| {
        site.deliver(FIRST, &[defect("4711")]);
        let path = site.path("spool/incoming").join(format!("{FIRST}002001"));
        let text = fs::read(&path).unwrap();
        let text: String = text.iter().map(|byte| char::from(*byte)).collect();
        let spoilt = text.replace("UNT+7+", "UNT+9+");
        assert_ne!(spoilt, text);
        fs::write(&path, spoilt.chars().map(|c| c as u8).collect::<Vec<_>>()).unwrap();
    };
    let cases = [
        ("", "applied", 1),
        ("strict = [\"control-count\"]", "corrupt", 0),
        ("ignore = [\"control-count\"]", "applied", 0),
    ];
    for (level, outcome, findings) in cases {
        let site = Site::with("settle_seconds = 0", common::RULES);
        let path = site.path("engsync.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(
            &path,
            text.replace("filename = \"MFA\"", &format!("filename = \"MFA\"\n{level}")),
        )
        .unwrap();
        spoil(&site);
        let report = site.run();
        assert_eq!(report["packages"][0]["outcome"], outcome, "{level}: {report:#}");
        assert_eq!(
            report["packages"][0]["findings"].as_array().unwrap().len(),
            findings,
            "{level}"
        );
    }
}

#[test]
fn people_are_translated_by_the_users_file_or_held() {
    let rule = r#"
[[partner.oem.rule]]
kind = "fill_local"
local = "assignee"
remote = "owner_id"
users = true
"#;
    let site = Site::with("", &format!("{}{rule}", common::RULES));
    let path = site.path("engsync.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(site.engsync(&["check"]).out.contains("needs users ="));
    fs::write(
        &path,
        text.replace("short_name = \"MFAG\"", "short_name = \"MFAG\"\nusers = \"users.csv\""),
    )
    .unwrap();
    fs::write(site.path("users.csv"), "partner id,local user\nU1,erika\n").unwrap();
    let with_contact = |number: &str, id: &str| {
        let contact = format!("<ISSUE-ID>{number}</ISSUE-ID><TEAM-MEMBER-REF ID-REF=\"{id}\"/>");
        document(&defect(number)).replace(&format!("<ISSUE-ID>{number}</ISSUE-ID>"), &contact)
    };
    fs::write(site.path("known.xml"), with_contact("1", "U1")).unwrap();
    assert_eq!(site.engsync(&["-z", "known.xml"]).code, 0);
    assert_eq!(site.issue("ISS-1")["fields"]["assignee"], "erika");
    let strange = with_contact("2", "U2").replace("ID=\"U1\"", "ID=\"U2\"");
    fs::write(site.path("strange.xml"), strange).unwrap();
    let ran = site.engsync(&["-z", "strange.xml", "--json"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.json()["packages"][0]["issues"][0]["held"][0]["code"], "unmapped-user");
    assert_eq!(site.issue("ISS-2")["fields"]["summary"], "Fensterheber klemmt", "the rest goes on");
}
