//! The table "Every request" of docs/trackers/jira.md against what is asked: an administrator
//! who reviews it has seen all there is, and nothing that is not so.

use std::collections::BTreeSet;

use super::openapi::everything;
use super::stub::Asked;
use super::*;

/// One request of the table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Listed {
    method: String,
    /// Below the version, or from the root; `{…}` stands for one part.
    path: String,
    /// `Server` or `Cloud`, where it is for one only.
    only: Option<&'static str>,
}

impl Listed {
    fn is(&self, asked: &Asked, cloud: bool) -> bool {
        let version = if cloud { "/rest/api/3/" } else { "/rest/api/2/" };
        let flavour = if cloud { "Cloud" } else { "Server" };
        let path = match asked.path.strip_prefix(version) {
            Some(path) => path,
            None if self.path.starts_with('/') => &asked.path,
            None => return false,
        };
        let (ours, theirs): (Vec<&str>, Vec<&str>) =
            (self.path.split('/').collect(), path.split('/').collect());
        self.method == asked.method
            && self.only.is_none_or(|only| only == flavour)
            && ours.len() == theirs.len()
            && ours
                .iter()
                .zip(theirs)
                .all(|(ours, theirs)| ours.starts_with('{') || *ours == theirs)
    }

    fn placeholders(&self) -> usize {
        self.path.matches('{').count()
    }
}

/// The requests of a cell: methods without a path share that of the next.
fn cell(text: &str) -> Vec<Listed> {
    let mut found = Vec::new();
    let mut waiting: Vec<String> = Vec::new();
    let mut parts = text.split('`');
    parts.next();
    while let (Some(code), Some(behind)) = (parts.next(), parts.next()) {
        let Some((method, path)) = code.split_once(' ') else {
            waiting.push(code.to_owned());
            continue;
        };
        let path = path.split('?').next().unwrap();
        let only =
            ["Server", "Cloud"].into_iter().find(|word| behind.contains(&format!("({word})")));
        for method in waiting.drain(..).chain([method.to_owned()]) {
            found.push(Listed { method, path: path.to_owned(), only });
        }
    }
    found
}

fn read_docs(name: &str) -> String {
    let docs = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(docs).unwrap()
}

fn table() -> Vec<Listed> {
    let docs = read_docs("trackers/jira.md");
    let section = docs.split("## Every request").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| cell(row.split('|').nth(1).unwrap())).collect()
}

#[test]
fn the_table_of_requests_is_what_is_asked() {
    let table = table();
    assert!(table.len() > 25, "{table:#?}");
    let mut met = BTreeSet::new();
    for cloud in [false, true] {
        let mut all = everything(if cloud { Stub::cloud() } else { Stub::server() });
        if !cloud {
            let old = site(Stub::server());
            old.stub.world().old_createmeta = true;
            old.stub.world().properties = false;
            let key = make(&old.jira, "main/p:1");
            old.jira.comment(&key, &note("a", "t")).unwrap();
            all.extend(old.stub.asked());
        }
        // Where the store of media is, only Cloud knows.
        for asked in all.iter().filter(|asked| !asked.path.starts_with("/media/")) {
            let fits = table.iter().filter(|listed| listed.is(asked, cloud));
            let best = fits.min_by_key(|listed| listed.placeholders());
            let best =
                best.unwrap_or_else(|| panic!("not listed: {} {}", asked.method, asked.path));
            met.insert(best.clone());
        }
    }
    let unmet: Vec<&Listed> = table.iter().filter(|listed| !met.contains(listed)).collect();
    assert!(unmet.is_empty(), "listed, but never asked: {unmet:#?}");
}

#[test]
fn a_cell_is_read_as_an_administrator_reads_it() {
    let read = |text: &str| {
        let found = cell(text);
        let show = |l: Listed| format!("{} {} {}", l.method, l.path, l.only.unwrap_or("both"));
        found.into_iter().map(show).collect::<Vec<_>>()
    };
    assert_eq!(
        read(" `PUT`, `DELETE issue/{key}/properties/engsync` "),
        ["PUT issue/{key}/properties/engsync both", "DELETE issue/{key}/properties/engsync both"]
    );
    assert_eq!(
        read(" `POST search` (Server), `POST search/jql?x=…` (Cloud) "),
        ["POST search Server", "POST search/jql Cloud"]
    );
}

/// Who follows the set-up grants what `check` asks for, and writes keys that there are.
#[test]
fn the_set_up_is_what_check_and_the_configuration_want() {
    let docs = read_docs("trackers/jira.md");
    let step = docs.split("3. **Permissions**").nth(1).unwrap();
    let list = step.split("Permissions):").nth(1).unwrap().split('.').next().unwrap();
    let names = list.split(',').map(|name| name.split_whitespace().collect::<Vec<_>>().join("_"));
    let documented: BTreeSet<String> = names.map(|name| name.to_uppercase()).collect();
    for Site { stub, jira, .. } in sites() {
        jira.check();
        let asked = stub.asked();
        let asked = asked.iter().find(|asked| asked.path.ends_with("/mypermissions")).unwrap();
        let wanted = asked.arg("permissions").unwrap().split(',').map(str::to_owned).collect();
        assert_eq!(documented, wanted);
    }
    let block = docs.split("```toml").nth(1).unwrap().split("```").next().unwrap();
    let keys = block.lines().filter_map(|line| {
        line.trim().trim_start_matches("# ").split_once(" = ").map(|(key, _)| key)
    });
    let keys: Vec<&str> = keys.collect();
    assert!(keys.len() > 12, "{keys:?}");
    let configuration = read_docs("configuration.md");
    for key in keys {
        assert!(configuration.contains(&format!("| `{key}` |")), "{key} is in no table");
    }
}
