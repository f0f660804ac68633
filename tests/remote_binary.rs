//! The program with a Jira: from the configuration to the issues and back, over a socket.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the partner")]

mod common;
#[path = "remote_binary/looked.rs"]
mod looked;
#[path = "jira/stub.rs"]
mod stub;

use std::fs;

use common::{Defect, Ran, Site};
use serde_json::json;
use stub::Stub;

const FIRST: &str = "ENG26112008000000MFA";
const SECOND: &str = "ENG26112009000000MFA";

const RULES: &str = r#"
[[partner.oem.rule]]
kind = "to_local"
local = "summary"
remote = "problem_synopsis"
[[partner.oem.rule]]
kind = "to_local"
local = "description"
remote = "problem_description"
[[partner.oem.rule]]
kind = "tag_local"
local = "labels"
remote = "crstatus"
prefix = "OEM-"
[[partner.oem.rule]]
kind = "attachments"
[[partner.oem.rule]]
kind = "comments"
in = true
out_prefix = "[TO OEM]"
[[partner.oem.rule]]
kind = "table_to_remote"
locals = ["status.name"]
remote = "supplier_status"
rows = [["Open", "RECEIVED"], ["In Progress", "ESTIMATED"]]
no_match = "RECEIVED"
"#;

const SECRET: &str = "secret";

fn site(stub: &Stub) -> Site {
    let site = Site::with("", RULES);
    let path = site.path("engsync.toml");
    let config = fs::read_to_string(&path).unwrap();
    let jira = format!(
        "kind = \"jira\"\nurl = \"{}\"\nuser = \"sync\"\npassword_file = \"password\"\nproject = \"TST\"\nissue_type = \"Defect\"\nmarker_field = \"External Issue Reference\"",
        stub.url()
    );
    fs::write(&path, config.replace("kind = \"embedded\"", &jira)).unwrap();
    fs::write(site.path("password"), format!("{SECRET}\n")).unwrap();
    site
}

fn good(ran: Ran) -> Ran {
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    ran
}

fn deliver(site: &Site, name: &str, text: &str, date: &str) {
    let files: &[(&str, &[u8])] = &[("photo.jpg", b"photo")];
    let annotations = &["please check"];
    let one = Defect {
        number: "4711",
        title: "one",
        description: text,
        date,
        files,
        annotations,
        ..Defect::default()
    };
    site.deliver(name, &[one]);
}

#[test]
fn a_jira_of_the_configuration_is_checked_planned_written_and_swept() {
    let stub = Stub::server();
    let site = site(&stub);
    let checked = good(site.engsync(&["check"]));
    assert!(
        checked.out.contains("tracker: ") && checked.out.contains("no problems"),
        "{}",
        checked.out
    );
    let only = site.engsync(&["tracker", "list"]);
    assert_eq!(only.code, 2);
    assert!(only.err.contains("embedded tracker only"), "{}", only.err);

    deliver(&site, FIRST, "first", "2026/11/20T08:00:00");
    let before = site.fingerprint();
    let planned = good(site.engsync(&["run", "-n", "--json"])).json();
    assert_eq!(planned["packages"][0]["issues"][0]["local"], "(new 1)");
    assert!(stub.world().tickets.is_empty(), "nothing was written");
    assert_eq!(site.fingerprint(), before);

    let ran = good(site.engsync(&["run", "--json"])).json();
    assert_eq!(ran["packages"][0]["issues"][0]["action"], "created", "{ran:#}");
    assert_eq!(ran["sent"][0]["issues"], json!(["TST-1"]));
    {
        let world = stub.world();
        let ticket = world.ticket("TST-1");
        assert_eq!(ticket.fields["summary"], "one");
        assert_eq!(ticket.fields["customfield_12600"], "main/oem:4711");
        assert_eq!((ticket.comments.len(), ticket.files.len()), (1, 1));
    }
    stub.asked();
    let idle = good(site.engsync(&["run"]));
    assert!(idle.out.contains("nothing to do"), "{}", idle.out);
    let writes: Vec<String> = stub
        .asked()
        .iter()
        .filter(|asked| asked.method != "GET" && !asked.path.ends_with("search"))
        .map(stub::Asked::short)
        .collect();
    assert_eq!(writes, [""; 0]);

    stub.world().edit("TST-1", "status", json!("In Progress"));
    let swept = good(site.engsync(&["run", "--json", "--now", "2026-11-21T10:00:00+01:00"])).json();
    assert_eq!(swept["sent"][0]["issues"], json!(["TST-1"]), "{swept:#}");
    let changes = &swept["packages"][0]["issues"][0]["remote_changes"];
    assert_eq!(changes, &json!(["supplier_status"]));
}

/// The state is lost, or was never there: the marker is looked for before anything is made.
#[test]
fn an_issue_is_found_again_by_its_marker_when_the_state_is_lost() {
    for (cloud, field) in [(false, true), (false, false), (true, true), (true, false)] {
        let stub = if cloud { Stub::cloud() } else { Stub::server() };
        let site = site(&stub);
        let path = site.path("engsync.toml");
        let mut config = fs::read_to_string(&path).unwrap();
        if !field {
            config = config.replace("marker_field = \"External Issue Reference\"", "");
        }
        let api = if cloud { "cloud" } else { "server" };
        let keys = format!("kind = \"jira\"\napi = \"{api}\"\ncomment_group = \"partners\"");
        fs::write(&path, config.replacen("kind = \"jira\"", &keys, 1)).unwrap();
        deliver(&site, FIRST, "first", "2026/11/20T08:00:00");
        good(site.engsync(&["run"]));
        for file in ["engsync.db", "engsync.db-wal", "engsync.db-shm"] {
            let _ = fs::remove_file(site.path(file));
        }
        fs::remove_dir_all(site.path("spool")).unwrap();
        fs::create_dir_all(site.path("spool/incoming")).unwrap();
        deliver(&site, SECOND, "second", "2026/11/20T09:00:00");
        stub.asked();
        let ran = site.engsync(&["run", "--json"]).json();
        let issue = &ran["packages"][0]["issues"][0];
        assert_eq!(issue["local"], "TST-1", "{api} {field}: {ran:#}");
        let calls = stub.calls();
        assert!(!calls.contains(&"POST /issue".to_owned()), "{calls:?}");
        let world = stub.world();
        assert_eq!(world.tickets.len(), 1);
        let ticket = world.ticket("TST-1");
        assert_eq!(ticket.comments[0].visibility, json!({"type": "group", "value": "partners"}));
        assert_eq!((ticket.comments.len(), ticket.files.len()), (1, 1), "{api} {field}");
    }
}

/// What a run is to say alike before and after: actions, changes and what was held.
fn gist(report: &serde_json::Value) -> Vec<serde_json::Value> {
    let packages = report["packages"].as_array().unwrap().iter();
    let issues = packages.flat_map(|package| package["issues"].as_array().unwrap());
    let gist = issues.map(|issue| {
        json!([issue["action"], issue["local_changes"], issue["remote_changes"], issue["held"]])
    });
    gist.collect()
}

/// Only the workflow knows what status an issue will have; a dry run must not end otherwise for
/// that than the run it foretells.
#[test]
fn a_dry_run_foretells_what_becomes_of_new_issues() {
    let rows = |initial: &str| {
        let rules = RULES.replace("no_match = \"RECEIVED\"\n", "");
        rules.replace("[\"Open\", \"RECEIVED\"]", &format!("[\"{initial}\", \"RECEIVED\"]"))
    };
    let by_hand =
        json!({"project": {"key": "TST"}, "issuetype": {"id": "1"}, "summary": "by hand"});
    for cloud in [false, true] {
        // (the row of the table, whether there are issues already) -> (the exit code, told alike)
        for (row, begun, code, alike) in
            [("To Do", false, 0, false), ("To Do", true, 0, true), ("Suspended", true, 1, true)]
        {
            let stub = if cloud { Stub::cloud() } else { Stub::server() };
            stub.world().initial = "To Do";
            stub.world().default_priority = Some("Minor");
            if begun {
                stub.world().create(&by_hand, &json!(null)).unwrap();
                stub.world().edit("TST-1", "status", json!("Analyzing"));
                stub.world().edit("TST-1", "status", json!("Closed"));
            }
            let site = site(&stub);
            let config = fs::read_to_string(site.path("engsync.toml")).unwrap();
            let config = config.replace(RULES, &rows(row));
            let api = if cloud { "cloud" } else { "server" };
            let config =
                config.replacen("kind = \"jira\"", &format!("kind = \"jira\"\napi = \"{api}\""), 1);
            fs::write(site.path("engsync.toml"), config).unwrap();
            deliver(&site, FIRST, "first", "2026/11/20T08:00:00");
            deliver(&site, SECOND, "second", "2026/11/20T09:00:00");
            let (planned, ran) =
                (site.engsync(&["run", "-n", "--json"]), site.engsync(&["run", "--json"]));
            let what = format!("{api} {row} {begun}:\n{}\n{}", planned.out, ran.out);
            assert_eq!((planned.code, ran.code), (code, code), "{what}");
            let actions = |report: &serde_json::Value| {
                gist(report).iter().map(|issue| issue[0].clone()).collect::<Vec<_>>()
            };
            let (planned, ran) = (planned.json(), ran.json());
            assert_eq!(actions(&planned), ["created", "updated"], "{what}");
            assert_eq!(actions(&planned), actions(&ran), "{what}");
            assert_eq!(gist(&planned) == gist(&ran), alike, "{what}");
        }
    }
}

/// From the limit of a field to everything that tells of it.
#[test]
fn a_text_that_was_cut_is_told_by_the_run_the_log_and_explain() {
    let stub = Stub::server();
    let site = site(&stub);
    let config = fs::read_to_string(site.path("engsync.toml")).unwrap();
    let config = config.replacen("kind = \"jira\"", "kind = \"jira\"\nattach_cut_text = true", 1);
    fs::write(site.path("engsync.toml"), config).unwrap();
    // It makes line ends of its own of what it gets.
    stub.world().normalise = |text| text.replace('\n', "\r\n");
    let long = "Motor läuft unrund. ".repeat(3000);
    let long = long.trim_end();
    let planned = {
        deliver(&site, FIRST, long, "2026/11/20T08:00:00");
        good(site.engsync(&["run", "-n", "--json"])).json()
    };
    // The first try ends between the text and the file that has the whole of it.
    let busy = stub::answer(503, &[("Retry-After", "60")], "");
    stub.rule(stub::Rule::next("POST", "/attachments", busy));
    assert_eq!(site.engsync(&["run"]).code, 1);
    let foretold = &planned["packages"][0]["issues"][0]["findings"][0];
    assert_eq!(foretold["code"], "text-cut", "{planned:#}");
    assert!(
        foretold["text"].as_str().unwrap().starts_with("description will be cut: it has 59999")
    );
    let ran = good(site.engsync(&["run", "--json", "--now", "2026-11-21T09:10:00+01:00"])).json();
    let issue = &ran["packages"][0]["issues"][0];
    let found = issue["findings"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["code"], "text-cut");
    let words = found[0]["text"].as_str().unwrap();
    assert!(words.starts_with("description was cut: it has 59999 characters"), "{words}");
    let of = |field: &str| {
        let changes = issue["changes"].as_array().unwrap().iter();
        changes.clone().find(|change| change["field"] == field).unwrap()["cut"].clone()
    };
    assert_eq!((of("description"), of("summary")), (json!(true), json!(null)));
    {
        let world = stub.world();
        let ticket = world.ticket("TST-1");
        assert_eq!((world.tickets.len(), ticket.files.len()), (1, 2));
        let whole = ticket.files.iter().find(|file| file.name.contains("whole")).unwrap();
        assert_eq!(whole.name, "description (whole text).txt");
        assert_eq!(String::from_utf8_lossy(&whole.data), long);
        assert!(ticket.fields["description"].as_str().unwrap().ends_with("59999 characters]"));
    }
    let log = good(site.engsync(&["log"])).out;
    assert_eq!(log.matches("(cut by the tracker)").count(), 1, "{log}");
    let why = good(site.engsync(&["explain", "TST-1", "description"])).out;
    assert!(why.contains("cut by the tracker"), "{why}");
    // The beginning is what both sides agree on from here on.
    for n in 1..=10 {
        let name = format!("ENG261120{:02}000000MFA", 8 + n);
        deliver(&site, &name, long, &format!("2026/11/20T{:02}:00:00", 8 + n));
        stub.asked();
        let again =
            good(site.engsync(&["run", "--json", "--now", "2026-11-21T10:00:00+01:00"])).json();
        assert_eq!(again["sent"], json!([]));
        let issue = &again["packages"][0]["issues"][0];
        assert_eq!((&issue["action"], &issue["findings"]), (&json!("unchanged"), &json!([])));
        let calls = stub.calls();
        let reads = |call: &&String| call.starts_with("GET") || call.ends_with("search");
        assert_eq!(calls.iter().filter(reads).count(), calls.len(), "{calls:?}");
    }
    // A person sees it without --json, too.
    deliver(&site, "ENG26112019000000MFA", &format!("Neu: {long}"), "2026/11/20T19:00:00");
    let ran = good(site.engsync(&["run", "--now", "2026-11-21T10:00:00+01:00"]));
    assert!(ran.out.contains("text-cut: description was cut"), "{}", ran.out);
}

#[test]
fn a_log_in_that_is_refused_is_told_once_and_cured_by_itself() {
    let stub = Stub::server();
    let site = site(&stub);
    fs::write(site.path("password"), "rotated and wrong").unwrap();
    deliver(&site, FIRST, "first", "2026/11/20T08:00:00");
    deliver(&site, SECOND, "second", "2026/11/20T09:00:00");
    let refused = site.engsync(&["run"]);
    assert_eq!(refused.code, 1, "{}{}", refused.out, refused.err);
    assert_eq!(
        refused.out.matches("does not let us in").count(),
        3,
        "one with its advice, two put off:\n{}",
        refused.out
    );
    assert_eq!(refused.out.matches("hint").count(), 1, "{}", refused.out);
    assert_eq!(site.list("spool/deferred"), [FIRST, SECOND]);
    let checked = site.engsync(&["check"]);
    assert_eq!(checked.code, 2);
    for text in [&refused.out, &refused.err, &checked.out, &checked.err] {
        assert!(!text.contains("rotated and wrong"));
    }
    fs::write(site.path("password"), SECRET).unwrap();
    let cured = good(site.engsync(&["run", "--json", "--now", "2026-11-21T11:00:00+01:00"])).json();
    assert_eq!(cured["packages"].as_array().unwrap().len(), 2, "{cured:#}");
    assert_eq!(stub.world().tickets.len(), 1);
    assert_eq!(stub.world().ticket("TST-1").fields["description"], "second");
}
