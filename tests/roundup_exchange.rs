//! An ENGDAT exchange with a real Roundup as the local tracker, where the environment names one
//! (`.ci/roundup.sh start DIR` makes some); a loud skip else.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]
#![allow(clippy::panic, clippy::print_stderr, reason = "a test fails, or says that it cannot run")]
#![allow(clippy::disallowed_methods, reason = "the test plays the other programs")]

mod common;

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use common::{Defect, Ran, Site, answer, config};
use engsync::issue::{Attachment, Content, Issue, Value};
use engsync::tracker::http::{self, Auth, Http, Request, Secret};
use engsync::tracker::roundup::{Options, Roundup};
use engsync::tracker::{Changes, NewComment, Tracker};
use serde_json::json;

const RULES: &str = r##"
[[partner.oem.rule]]
kind = "to_local"
local = "title"
remote = "problem_synopsis"
default = "?"

[[partner.oem.rule]]
kind = "to_local"
local = "description"
remote = "problem_description"

[[partner.oem.rule]]
kind = "fill_local"
local = "priority.name"
remote = "priority"
default = "low"
map = { high = "TOP", medium = "HIGH", low = "MEDIUM" }
inverse = { TOP = "high", HIGH = "medium", MEDIUM = "low", LOW = "low" }

[[partner.oem.rule]]
kind = "attachments"
out_prefix = "oem-"

[[partner.oem.rule]]
kind = "comments"
in = true
out_prefix = "#to-remote"

[[partner.oem.rule]]
kind = "table_to_remote"
locals = ["status"]
remote = "supplier_status"
rows = [["unread", "RECEIVED"], ["chatting", "RECEIVED"], ["in-progress", "ESTIMATED"], ["resolved", "CLOSED"]]

[[partner.oem.rule]]
kind = "envelope"
local = "activity"
remote = "updated"
"##;

/// What is said of the other tracker, where the instance has a place for it: a class whose items
/// link back to the issue.
const BACK: &str = r##"
[[partner.oem.rule]]
kind = "to_local"
local = "/ext_tracker_state/ext_status"
remote = "crstatus"
"##;

/// A site whose tracker is the Roundup in `variable`, and a number that is only its own.
struct Scene {
    site: Site,
    url: String,
    number: String,
    keyword: bool,
}

fn var(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn login(variable: &str) -> (String, String) {
    let login = var(variable).expect("a log-in beside the address");
    let (user, password) = login.split_once(':').expect("user:password");
    (user.to_owned(), password.to_owned())
}

impl Scene {
    fn new(variable: &str, api: &str) -> Option<Self> {
        let Some(url) = var(variable) else {
            eprintln!("SKIPPED: no {variable}; `.ci/roundup.sh start DIR` makes one");
            return None;
        };
        let (user, password) = login("ENGSYNC_ROUNDUP_LOGIN");
        let keyword = variable.ends_with("EXT");
        let site = Site::with("", "");
        let number = format!("{}", RandomState::new().hash_one(0) % 1_000_000_000);
        let mark = if keyword { "message_keyword = \"to-remote\"\n" } else { "" };
        let tracker = format!(
            "kind = \"roundup\"\nurl = {url:?}\napi = {api:?}\nuser = {user:?}\npassword_file = \"password\"\n{mark}"
        );
        let rules = if keyword { format!("{RULES}{BACK}") } else { RULES.to_owned() };
        let text = config("", "", &rules).replace("kind = \"embedded\"\n", &tracker).replace(
            "short_name = \"BEG\"\n\n[spool]",
            &format!("short_name = \"BEG\"\ninstallation = \"t{number}\"\n\n[spool]"),
        );
        fs::write(site.path("engsync.toml"), text).unwrap();
        fs::write(site.path("password"), format!("{password}\n")).unwrap();
        Some(Self { site, url, number, keyword })
    }

    /// Somebody else who works in the tracker.
    fn colleague(&self) -> (Roundup, Http) {
        let (user, password) = login("ENGSYNC_ROUNDUP_OTHER_LOGIN");
        let auth = Auth::Basic { user: user.clone(), password: Secret::new(&password) };
        let http = http::Options { url: self.url.clone(), auth, ..http::Options::default() };
        let other = Http::new(&http).unwrap();
        (Roundup::new(Options { http, user, ..Options::default() }).unwrap(), other)
    }

    fn run(&self) -> serde_json::Value {
        let ran = self.site.engsync(&["run", "--json"]);
        assert!(ran.code <= 1, "{}\n{}", ran.out, ran.err);
        ran.json()
    }

    /// An administrator retires the issue.
    fn retire(&self, key: &str) {
        let (user, password) = login("ENGSYNC_ROUNDUP_ADMIN_LOGIN");
        let auth = Auth::Basic { user, password: Secret::new(&password) };
        let http = http::Options { url: self.url.clone(), auth, ..http::Options::default() };
        let http = Http::new(&http).unwrap();
        let path = format!("/rest/data/issue/{key}");
        let etag = http.call(Request::get(&path)).unwrap().header("etag").unwrap().to_owned();
        let retire = Request::delete(&path)
            .header("if-match", etag)
            .header("origin", http.base().origin())
            .header("x-requested-with", "test");
        http.call(retire).unwrap();
    }

    /// A run with nothing left to do; what the tracker did of its own accord is taken first.
    fn settles(&self) {
        let mut last: Option<Ran> = None;
        for _ in 0..3 {
            let ran = self.site.engsync(&["run"]);
            if ran.out.starts_with("nothing to do") {
                return;
            }
            last = Some(ran);
        }
        let last = last.unwrap();
        panic!("it does not settle: {}\n{}", last.out, last.err);
    }
}

struct Bytes(&'static [u8]);

impl Content for Bytes {
    fn read_with(
        &self,
        sink: &mut dyn FnMut(&mut dyn std::io::Read) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        sink(&mut &*self.0)
    }
}

fn issue(tracker: &Roundup, key: &str) -> Issue {
    tracker.get_many(&[key.to_owned()]).unwrap().remove(0).unwrap()
}

/// What the item that links back says.
fn back(scene: &Scene, key: &str) -> String {
    const STATUS: &str = "/ext_tracker_state/ext_status";
    let (user, password) = login("ENGSYNC_ROUNDUP_OTHER_LOGIN");
    let auth = Auth::Basic { user: user.clone(), password: Secret::new(&password) };
    let http = http::Options { url: scene.url.clone(), auth, ..http::Options::default() };
    let fields = vec![STATUS.to_owned()];
    let tracker = Roundup::new(Options { http, user, fields, ..Options::default() }).unwrap();
    issue(&tracker, key).fields.text(STATUS)
}

fn exchange(variable: &str, api: &str) {
    let Some(scene) = Scene::new(variable, api) else { return };
    let site = &scene.site;
    let checked = site.engsync(&["check"]);
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
    let (tracker, http) = scene.colleague();

    // In: a new issue with a comment and files.
    let files: &[(&str, &[u8])] = &[("trace.txt", b"0x7f\nGr\xc3\xb6\xc3\x9fe")];
    let defect = Defect {
        number: &scene.number,
        title: "Fensterheber klemmt",
        description: "Tür öffnen, dann schließen",
        annotations: &["Bitte prüfen."],
        files,
        ..Defect::default()
    };
    site.deliver("ENG26112008000000MFA", std::slice::from_ref(&defect));
    let before = tracker.changed_since(None).unwrap().token;
    let planned = site.engsync(&["run", "-n", "--json"]);
    assert_eq!(planned.code, 0, "as the real run: {}{}", planned.out, planned.err);
    assert_eq!(planned.json()["packages"][0]["issues"][0]["action"], "created", "{}", planned.err);
    assert_eq!(tracker.changed_since(None).unwrap().token, before, "a dry run writes nothing");
    let ran = site.engsync(&["run", "--json"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let report = ran.json();
    assert_eq!(report["packages"][0]["outcome"], "applied", "{report:#}");
    assert_eq!(report["packages"][0]["issues"][0]["action"], "created", "{report:#}");
    let key = report["packages"][0]["issues"][0]["local"].as_str().unwrap().to_owned();
    assert_eq!(report["sent"][0]["issues"], json!([key]));
    let made = issue(&tracker, &key);
    assert_eq!(made.fields.text("title"), "Fensterheber klemmt");
    assert_eq!(made.fields.text("description"), "Tür öffnen, dann schließen");
    assert_eq!(made.fields.text("priority"), "medium");
    assert_eq!(made.comments.len(), 1);
    assert!(made.comments[0].text.contains("Bitte prüfen."), "{:?}", made.comments);
    assert_eq!(made.attachments.len(), 1);
    assert_eq!(made.attachments[0].digest().unwrap().1, 12);
    let marker = format!("t{0}/oem:{0}", scene.number);
    assert_eq!(tracker.find(&marker).unwrap(), [key.as_str()]);
    if scene.keyword {
        let status = back(&scene, &key);
        assert_eq!(status, "REQUESTED");
    }
    scene.settles();

    // Out: a colleague works on it.
    let change = Changes::from([("status".to_owned(), Value::text("in-progress"))]);
    tracker.update(&key, &change, None).unwrap();
    let text = if scene.keyword { "Ursache gefunden" } else { "#to-remote Ursache gefunden" };
    let note = |text: &str| NewComment { text: text.to_owned(), ..NewComment::default() };
    let id = tracker.comment(&key, &note(text)).unwrap();
    tracker.comment(&key, &note("nur intern")).unwrap();
    if scene.keyword {
        // As a person marks a message in the browser, later.
        let path = format!("/rest/data/msg/{id}");
        let etag = http.call(Request::get(&path)).unwrap().header("etag").unwrap().to_owned();
        let mark = Request::put(&path)
            .header("if-match", etag)
            .header("origin", http.base().origin())
            .header("x-requested-with", "test")
            .json(&json!({ "keywords": ["to-remote"] }));
        http.call(mark).unwrap();
    }
    let file = Attachment::new("oem-Analyse.txt", None, Arc::new(Bytes(b"Ursache")));
    tracker.attach(&key, &file).unwrap();
    tracker.update(&key, &change, None).unwrap();
    let report = scene.run();
    assert_eq!(report["packages"][0]["name"], "local", "{report:#}");
    assert_eq!(report["sent"][0]["issues"], json!([key]), "{report:#}");
    let reference = report["sent"][0]["name"].as_str().unwrap();
    let text = answer(&site.path("spool/outgoing/oem"), reference, &key);
    for wanted in ["ESTIMATED", "Ursache gefunden", "oem-Analyse.txt", &scene.number] {
        assert!(text.contains(wanted), "{wanted} is not in {text}");
    }
    assert!(!text.contains("nur intern") && !text.contains("#to-remote"), "{text}");
    scene.settles();

    // In again: the partner changes one thing, and nothing comes twice.
    let again =
        Defect { title: "Fensterheber klemmt immer", date: "2026/11/20T09:00:00", ..defect };
    site.deliver("ENG26112009000000MFA", &[again]);
    let report = scene.run();
    assert_eq!(report["packages"][0]["issues"][0]["action"], "updated", "{report:#}");
    let now = issue(&tracker, &key);
    assert_eq!(now.fields.text("title"), "Fensterheber klemmt immer");
    assert_eq!((now.comments.len(), now.attachments.len()), (3, 2));
    scene.settles();

    // Retired: it is told once, and nothing is made in its place.
    scene.retire(&key);
    let ran = site.engsync(&["run", "--json"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    let held = &ran.json()["packages"][0]["issues"][0]["held"];
    assert_eq!(held[0]["code"], "local-gone", "{}", ran.out);
    let ran = site.engsync(&["run"]);
    assert!(ran.code == 0 && ran.out.starts_with("nothing to do"), "{}{}", ran.out, ran.err);
    assert_eq!(tracker.find(&marker).unwrap(), [""; 0]);
}

#[test]
fn an_exchange_over_rest_with_ext_classes() {
    exchange("ENGSYNC_ROUNDUP_EXT", "rest");
}

#[test]
fn an_exchange_over_rest_with_the_classic_template() {
    exchange("ENGSYNC_ROUNDUP_PLAIN", "rest");
}

#[test]
fn an_exchange_over_xmlrpc_with_ext_classes() {
    exchange("ENGSYNC_ROUNDUP_EXT", "xmlrpc");
}

#[test]
fn an_exchange_over_xmlrpc_with_the_classic_template() {
    exchange("ENGSYNC_ROUNDUP_PLAIN", "xmlrpc");
}

#[test]
fn a_wrong_password_defers_and_a_missing_field_is_told() {
    let Some(scene) = Scene::new("ENGSYNC_ROUNDUP_PLAIN", "rest") else { return };
    let defect = Defect { number: &scene.number, title: "x", ..Defect::default() };
    scene.site.deliver("ENG26112008000000MFA", &[defect]);
    let password = fs::read_to_string(scene.site.path("password")).unwrap();
    fs::write(scene.site.path("password"), "wrong").unwrap();
    let ran = scene.site.engsync(&["run", "--json"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    let report = ran.json();
    assert_eq!(report["packages"][0]["outcome"], "deferred", "{report:#}");
    assert_eq!(report["packages"][0]["reason"], "tracker-unavailable");
    assert!(!ran.out.contains("wrong") && !ran.err.contains("wrong"), "the password is told");
    fs::write(scene.site.path("password"), password).unwrap();

    let text = fs::read_to_string(scene.site.path("engsync.toml")).unwrap();
    let text = text.replace("local = \"title\"", "local = \"titel\"");
    fs::write(scene.site.path("engsync.toml"), text).unwrap();
    let checked = scene.site.engsync(&["check"]);
    let told = checked.out.contains("has no field \"titel\"");
    assert!(told, "{}{}", checked.out, checked.err);
}
