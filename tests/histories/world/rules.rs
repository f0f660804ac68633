//! The rules of the histories.

use engsync::sync::{RawRule, Rule};

pub(super) fn rules(policy: &str, clear: bool) -> Vec<Rule> {
    let toml = format!(
        r#"
        [[rule]]
        kind = "gate"
        local = "status"
        not_equals = "Closed"
        stops = ["in"]
        [[rule]]
        kind = "to_local"
        local = "summary"
        remote = "problem_synopsis"
        [[rule]]
        kind = "two_way"
        local = "shared"
        remote = "reproducibility"
        conflict = {policy:?}
        clear = {clear}
        [[rule]]
        kind = "tag_local"
        local = "labels"
        remote = "problem_synopsis"
        prefix = "T-"
        [[rule]]
        kind = "comments"
        in = true
        out_prefix = "[TO OEM]"
        [[rule]]
        kind = "attachments"
        out_prefix = "oem-"
        [[rule]]
        kind = "table_to_remote"
        locals = ["status"]
        remote = "supplier_status"
        rows = [["Open", "RECEIVED"], ["Working", "ESTIMATED"], ["Closed", "CLOSED"]]
        "#
    );
    read(&toml)
}

pub(super) fn read(toml: &str) -> Vec<Rule> {
    #[derive(serde::Deserialize)]
    struct File {
        rule: Vec<RawRule>,
    }
    let file: File = toml::from_str(toml).unwrap();
    let none = |file: &str| Err(format!("no file {file}"));
    file.rule.iter().map(|raw| Rule::from_raw(raw, &none).unwrap()).collect()
}
