//! The program dies at every step of a run over a Jira, and at every call it makes there: whenever
//! it does, one plain run brings everything to the end an uninterrupted one would have reached,
//! with one issue, one comment and one file each, and the run after that has nothing to do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "figures")]
#![allow(clippy::disallowed_methods, reason = "the test plays the partner")]
#![cfg(debug_assertions)]

mod common;
#[path = "jira/stub.rs"]
mod stub;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Defect, Ran, Site, ran};
use stub::{Act, Rule, Stub};

const PACKAGE: &str = "ENG26112008000000MFA";

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
kind = "to_local"
local = "status.name"
remote = "crstatus"
map = { "In Progress" = "REQUESTED" }
[[partner.oem.rule]]
kind = "attachments"
[[partner.oem.rule]]
kind = "comments"
in = true
out_prefix = "[TO OEM]"
"#;

/// An installation, its Jira, and a package that waits in the spool.
struct Scene {
    site: Site,
    stub: Stub,
}

fn scene(cloud: bool) -> Scene {
    let stub = if cloud { Stub::cloud() } else { Stub::server() };
    let site = Site::with("", RULES);
    let path = site.path("engsync.toml");
    let (api, marker) = if cloud {
        ("cloud", "")
    } else {
        ("server", "marker_field = \"External Issue Reference\"\n")
    };
    let jira = format!(
        "kind = \"jira\"\nurl = \"{}\"\napi = \"{api}\"\nuser = \"sync\"\ntoken_file = \"token\"\n\
         project = \"TST\"\nissue_type = \"Defect\"\n{marker}",
        stub.url()
    );
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, config.replace("kind = \"embedded\"\n", &jira)).unwrap();
    fs::write(site.path("token"), "secret\n").unwrap();
    let files: &[(&str, &[u8])] = &[("trace.txt", b"0x7f"), ("Gr\u{f6}\u{df}e.bin", b"\0\x01")];
    let annotations = &["Bitte prüfen.", "Danke."];
    let defect = |number, title| Defect { number, title, ..Defect::default() };
    let issues = [
        Defect { files, annotations, description: "Tür öffnen", ..defect("4711", "klemmt") },
        Defect { files, ..defect("4712", "flackert") },
        Defect { annotations, ..defect("4713", "rauscht") },
    ];
    site.deliver(PACKAGE, &issues);
    Scene { site, stub }
}

/// What stands in the tracker: each issue by its marker, with texts and files.
fn end(scene: &Scene) -> BTreeMap<String, Vec<String>> {
    let world = scene.stub.world();
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ticket in world.tickets.values() {
        let marker = match ticket.properties.get("engsync") {
            Some(property) => property["marker"].to_string(),
            None => ticket.fields["customfield_12600"].to_string(),
        };
        let lines = all.entry(marker).or_default();
        lines.push("an issue".to_owned());
        for field in ["summary", "description", "status"] {
            lines
                .push(format!("{field} {}", ticket.fields.get(field).cloned().unwrap_or_default()));
        }
        lines.extend(ticket.comments.iter().map(|note| format!("comment {}", note.body)));
        let mut files: Vec<String> =
            ticket.files.iter().map(|f| format!("file {} {:?}", f.name, f.data)).collect();
        files.sort();
        lines.extend(files);
    }
    all
}

fn run(scene: &Scene, step: Option<u64>) -> (bool, Ran) {
    let mut command = scene.site.command(&["run", "-q"]);
    if let Some(step) = step {
        command.env("ENGSYNC_DIE_AT_STEP", step.to_string());
    }
    let output = command.output().unwrap();
    (output.status.code().is_none(), ran_or_dead(&output))
}

fn ran_or_dead(output: &std::process::Output) -> Ran {
    if output.status.code().is_some() {
        return ran(output);
    }
    Ran { code: -1, out: String::new(), err: String::from_utf8_lossy(&output.stderr).into_owned() }
}

/// What is wrong after one plain run; and whether the run after that is quiet.
fn recover(scene: &Scene, wanted: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let (_, plain) = run(scene, None);
    let mut wrong = Vec::new();
    if plain.code != 0 {
        wrong.push(format!("exit {}: {}{}", plain.code, plain.out, plain.err));
    }
    let now = end(scene);
    if now != *wanted {
        wrong.push(format!("{now:#?}"));
    }
    let sent =
        scene.site.list("spool/outgoing/oem").iter().filter(|n| n.ends_with("002001")).count();
    if sent != 1 {
        wrong.push(format!("{sent} answers"));
    }
    scene.stub.asked();
    let (_, quiet) = run(scene, None);
    let reads = ["/search", "/search/jql", "/issue/bulkfetch"];
    let writes: Vec<String> = scene
        .stub
        .asked()
        .iter()
        .filter(|asked| asked.method != "GET" && !reads.iter().any(|r| asked.path.ends_with(r)))
        .map(stub::Asked::short)
        .collect();
    if quiet.code != 0 || !writes.is_empty() {
        wrong.push(format!("not quiet: {writes:?} {}", quiet.err));
    }
    wrong
}

/// Tries `points` on every core; answers how many there were before `try_at` had no more.
fn sweep(try_at: impl Fn(usize) -> Option<Vec<String>> + Sync) -> usize {
    let next = AtomicUsize::new(1);
    let (points, trouble) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(wrong) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            try_at(at).map(|wrong| (at, wrong))
        } {
            points.fetch_add(1, Ordering::Relaxed);
            if !wrong.1.is_empty() {
                trouble.lock().unwrap().push(format!("at {}: {}", wrong.0, wrong.1.join("\n")));
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let (trouble, points) = (trouble.into_inner().unwrap(), points.into_inner());
    let shown: Vec<&String> = trouble.iter().take(3).collect();
    assert!(trouble.is_empty(), "{} of {points} are wrong: {shown:#?}", trouble.len());
    points
}

fn reference(cloud: bool) -> BTreeMap<String, Vec<String>> {
    let scene = scene(cloud);
    let (_, plain) = run(&scene, None);
    assert_eq!(plain.code, 0, "{}{}", plain.out, plain.err);
    let wanted = end(&scene);
    assert_eq!(wanted.len(), 3);
    assert!(wanted.values().all(|lines| lines.iter().filter(|l| *l == "an issue").count() == 1));
    wanted
}

#[test]
fn killed_at_every_step() {
    let wanted = reference(false);
    let points = sweep(|step| {
        let scene = scene(false);
        let (died, _) = run(&scene, Some(step as u64));
        died.then(|| recover(&scene, &wanted))
    });
    writeln!(io::stdout().lock(), "{points} deaths over Jira Server: 0 wrong, 0 duplicates")
        .unwrap();
    assert!(points > 30, "{points}");
}

#[test]
fn the_answer_to_every_call_is_lost() {
    for cloud in [false, true] {
        let wanted = reference(cloud);
        let points = sweep(|n| {
            let scene = scene(cloud);
            let lost = Rule::next("POST", "*/rest/", Act::DropAfter).after(n - 1);
            scene.stub.rule(lost);
            run(&scene, None);
            let asked = scene.stub.asked();
            let lost = asked.iter().any(|asked| asked.method == "POST" && asked.status == 0);
            lost.then(|| recover(&scene, &wanted))
        });
        writeln!(io::stdout().lock(), "{points} lost answers, cloud {cloud}: 0 wrong").unwrap();
        assert!(points > 15, "{points}");
    }
}
