//! Plans from three sides; applying them is tested over the trackers in `tests/`.
#![allow(clippy::type_complexity, reason = "case tables")]

use std::sync::Arc;

use super::*;
use crate::issue::{
    ATTACHMENT_MISSING, Attachment, Comment, Content, Digest, Issue, Record, Value,
};
use crate::state::{Base, Incoming, Outgoing};
use crate::tracker::{FieldSpec, Schema};

/// Rules as they stand in a configuration.
pub(super) fn rules(toml: &str) -> Vec<Rule> {
    #[derive(serde::Deserialize)]
    struct File {
        rule: Vec<RawRule>,
    }
    let file: File = toml::from_str(toml).unwrap();
    let none = |file: &str| Err(format!("no file {file}"));
    file.rule.iter().map(|raw| Rule::from_raw(raw, &none).unwrap()).collect()
}

/// Nobody edited anything meanwhile.
pub(super) static NONE: std::collections::BTreeSet<String> = std::collections::BTreeSet::new();

fn rule(body: &str) -> Vec<Rule> {
    rules(&format!("[[rule]]\n{body}"))
}

pub(super) fn record(pairs: &[(&str, &str)]) -> Record {
    pairs.iter().map(|(field, value)| ((*field).to_owned(), Value::from(*value))).collect()
}

fn issue(pairs: &[(&str, &str)]) -> Issue {
    Issue { id: "4711".into(), fields: record(pairs), ..Issue::default() }
}

fn schema() -> Schema {
    let list = FieldSpec { list: true, ..FieldSpec::default() };
    let allowed = Some(vec!["Major".to_owned(), "Minor".to_owned()]);
    let fields = [
        ("labels".to_owned(), list),
        ("priority".to_owned(), FieldSpec { allowed, ..FieldSpec::default() }),
    ];
    Schema { fields: fields.into(), open: true, ..Schema::default() }
}

struct Three {
    base: Option<Base>,
    remote: Issue,
    local: Option<Issue>,
    open: Vec<OpenConflict>,
}

impl Three {
    fn new(remote: &[(&str, &str)], local: Option<&[(&str, &str)]>) -> Self {
        Self { base: None, remote: issue(remote), local: local.map(issue), open: Vec::new() }
    }

    fn plan_in(&self, rules: &[Rule]) -> InPlan {
        match self.decide(rules) {
            Decision::Do(plan) => plan,
            Decision::Skip(why) => panic!("skipped: {why}"),
        }
    }

    fn decide(&self, rules: &[Rule]) -> Decision<InPlan> {
        let schema = schema();
        plan_in(rules, &self.sides(&schema))
    }

    fn plan_out(&self, rules: &[Rule]) -> OutPlan {
        let schema = schema();
        match plan_out(rules, &self.sides(&schema)) {
            Decision::Do(plan) => plan,
            Decision::Skip(why) => panic!("skipped: {why}"),
        }
    }

    fn sides<'a>(&'a self, schema: &'a Schema) -> Sides<'a> {
        Sides {
            base: self.base.as_ref(),
            remote: &self.remote,
            local: self.local.as_ref(),
            schema,
            open: &self.open,
            making: self.local.is_none(),
            stale: false,
            edited: &NONE,
        }
    }
}

/// `field=value` of each change, `field=` for one that is cleared.
fn changes(plan: &InPlan) -> Vec<String> {
    let show = |change: &Change| {
        let value = change.to.as_ref().map(Value::to_string).unwrap_or_default();
        format!("{}={value}", change.field)
    };
    plan.changes.iter().map(show).collect()
}

#[test]
fn to_local_copies_what_differs() {
    const RULE: &str = r#"kind = "to_local"
        local = "summary"
        remote = "problem_synopsis""#;
    type Case<'a> =
        (&'a str, &'a [(&'a str, &'a str)], Option<&'a [(&'a str, &'a str)]>, &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        ("", &[("problem_synopsis", "x")], None, &["summary=x"]),
        ("", &[("problem_synopsis", "x")], Some(&[("summary", "x")]), &[]),
        ("", &[("problem_synopsis", "y")], Some(&[("summary", "x")]), &["summary=y"]),
        ("default = \"?\"", &[], None, &["summary=?"]),
        ("default = \"?\"", &[], Some(&[("summary", "x")]), &[]),
        ("clear = true", &[], Some(&[("summary", "x")]), &["summary="]),
        ("prefix = \"P-\"", &[("problem_synopsis", "7")], None, &["summary=P-7"]),
        ("allowed_chars = \"a-z\"", &[("problem_synopsis", "a b")], None, &["summary=a_b"]),
        ("map = { Low = \"x\" }", &[("problem_synopsis", "x")], None, &["summary=Low"]),
    ];
    for (extra, remote, local, wanted) in cases {
        let rules = rule(&format!("{RULE}\n{extra}"));
        let plan = Three::new(remote, *local).plan_in(&rules);
        assert_eq!(changes(&plan), *wanted, "{extra} {remote:?} {local:?}");
        assert!(plan.held.is_empty());
    }
}

#[test]
fn an_unmapped_value_holds_its_field_only() {
    let rules = rules(
        r#"[[rule]]
        kind = "to_local"
        local = "priority"
        remote = "priority"
        map = { Major = "HIGH" }
        [[rule]]
        kind = "to_local"
        local = "summary"
        remote = "problem_synopsis""#,
    );
    let plan = Three::new(&[("priority", "TOP"), ("problem_synopsis", "x")], None).plan_in(&rules);
    assert_eq!(changes(&plan), ["summary=x"]);
    assert_eq!(plan.held.len(), 1);
    assert_eq!((plan.held[0].field.as_str(), plan.held[0].code), ("priority", UNMAPPED_VALUE));
}

#[test]
fn an_emptied_remote_keeps_the_local_value_and_says_so() {
    let rules = rule("kind = \"to_local\"\nlocal = \"summary\"\nremote = \"problem_synopsis\"");
    let mut three = Three::new(&[], Some(&[("summary", "x")]));
    three.base = Some(Base { delivered: record(&[("problem_synopsis", "x")]), ..Base::default() });
    let plan = three.plan_in(&rules);
    assert!(plan.changes.is_empty());
    assert_eq!(plan.findings[0].code, REMOTE_EMPTIED);
}

#[test]
fn a_tracker_that_normalises_makes_no_ping_pong() {
    let rules = rule("kind = \"to_local\"\nlocal = \"summary\"\nremote = \"problem_synopsis\"");
    let mut three = Three::new(&[("problem_synopsis", "x ")], Some(&[("summary", "x")]));
    let base = Base {
        local: record(&[("summary", "x")]),
        wanted: [("summary".to_owned(), Some(Value::from("x ")))].into(),
        ..Base::default()
    };
    three.base = Some(base);
    assert!(three.plan_in(&rules).changes.is_empty());
    three.local = Some(issue(&[("summary", "edited here")]));
    let plan = three.plan_in(&rules);
    assert_eq!(changes(&plan), ["summary=x "]);
    assert!(plan.changes[0].overwrote, "a local edit of a partner's field is lost, not silently");
}

#[test]
fn fill_local_fills_only_what_is_unset() {
    const RULE: &str = "kind = \"fill_local\"\nlocal = \"priority\"";
    type Case<'a> =
        (&'a str, &'a [(&'a str, &'a str)], Option<&'a [(&'a str, &'a str)]>, &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        ("default = \"Minor\"", &[], None, &["priority=Minor"]),
        ("default = \"Minor\"", &[], Some(&[("priority", "Major")]), &[]),
        ("remote = \"p\"", &[("p", "Major")], Some(&[]), &["priority=Major"]),
        ("remote = \"p\"\ndefault = \"Minor\"", &[("p", "odd")], None, &["priority=Minor"]),
        (
            "remote = \"p\"\nunset_value = \"TBD\"",
            &[("p", "Major")],
            Some(&[("priority", "TBD")]),
            &["priority=Major"],
        ),
    ];
    for (extra, remote, local, wanted) in cases {
        let plan = Three::new(remote, *local).plan_in(&rule(&format!("{RULE}\n{extra}")));
        assert_eq!(changes(&plan), *wanted, "{extra}");
    }
}

#[test]
fn concat_to_local_puts_each_under_its_heading() {
    let rules = rule(
        r#"kind = "concat_to_local"
        local = "description"
        remotes = ["problem_description", "vehicle", "crstatus"]
        heading_prefix = "*"
        heading_suffix = ":*\n"
        names = { vehicle = "Fahrzeug" }
        values = { crstatus = { Angefordert = "REQUESTED" } }"#,
    );
    let remote = [("problem_description", "Tür\n"), ("vehicle", "9X1"), ("crstatus", "REQUESTED")];
    let plan = Three::new(&remote, None).plan_in(&rules);
    let wanted = "*problem_description:*\nTür\n\n*Fahrzeug:*\n9X1\n\n*crstatus:*\nAngefordert";
    assert_eq!(plan.changes[0].to, Some(Value::from(wanted)));
    assert!(Three::new(&[], None).plan_in(&rules).changes.is_empty());
}

#[test]
fn tag_local_owns_only_its_prefix() {
    let rules =
        rule("kind = \"tag_local\"\nlocal = \"labels\"\nremote = \"crstatus\"\nprefix = \"S-\"");
    let list = |items: &[&str]| Value::list(items.iter().map(|item| (*item).to_owned()).collect());
    let cases: &[(&str, &[&str], Option<&[&str]>)] = &[
        ("NEW", &["mine", "S-OLD"], Some(&["S-NEW", "mine"])),
        ("NEW", &["S-NEW", "mine"], None),
        ("", &["mine", "S-OLD"], Some(&["mine"])),
        ("", &["mine"], None),
        ("", &["S-OLD"], Some(&[])),
    ];
    for (status, labels, wanted) in cases {
        let mut three = Three::new(&[("crstatus", status)], Some(&[]));
        if let Some(local) = &mut three.local {
            local.fields.set("labels", list(labels));
        }
        let plan = three.plan_in(&rules);
        let got = plan.changes.first().map(|change| change.to.clone());
        assert_eq!(got, wanted.map(list), "{status} {labels:?}");
    }
}

#[test]
fn a_gate_stops_its_directions_and_local_gates_are_not_asked_on_create() {
    let shut = |stops: &str| {
        rule(&format!("kind = \"gate\"\nlocal = \"status\"\nnot_equals = \"Closed\"\n{stops}"))
    };
    let closed = Three::new(&[], Some(&[("status", "Closed")]));
    assert!(matches!(closed.decide(&shut("")), Decision::Skip(_)));
    assert!(matches!(closed.decide(&shut("stops = [\"out\"]")), Decision::Do(_)));
    assert!(matches!(Three::new(&[], None).decide(&shut("")), Decision::Do(_)));
    let schema = schema();
    let out = plan_out(&shut("stops = [\"in\"]"), &closed.sides(&schema));
    assert!(matches!(out, Decision::Do(_)), "the final state gets out");
    let remote = rule("kind = \"gate\"\nremote = \"owner\"\nis_set = true");
    assert!(matches!(Three::new(&[], None).decide(&remote), Decision::Skip(_)));
}

#[test]
fn when_chooses_create_or_update() {
    let body = "kind = \"fill_local\"\nlocal = \"x\"\ndefault = \"y\"\nwhen = [\"create\"]";
    assert_eq!(changes(&Three::new(&[], None).plan_in(&rule(body))), ["x=y"]);
    assert!(Three::new(&[], Some(&[])).plan_in(&rule(body)).changes.is_empty());
}

#[test]
fn outgoing_values_follow_maps_tables_and_defaults() {
    let rules = rules(
        r#"[[rule]]
        kind = "table_to_remote"
        locals = ["status", "resolution"]
        remote = "supplier_status"
        rows = [["Closed", "Done", "CLOSED"], ["Closed", "", "REJECTED"], ["Open", "", "RECEIVED"]]
        [[rule]]
        kind = "to_remote"
        local = "labels"
        remote = "resolved_in_release"
        join = " / "
        [[rule]]
        kind = "envelope"
        local = "updated"
        remote = "updated""#,
    );
    let mut three = Three::new(&[], Some(&[("status", "Closed"), ("updated", "now")]));
    if let Some(local) = &mut three.local {
        local.fields.set("labels", Some(Value::List(vec!["1".into(), "2".into()])));
    }
    let plan = three.plan_out(&rules);
    let wanted = record(&[("supplier_status", "REJECTED"), ("resolved_in_release", "1 / 2")]);
    assert_eq!(plan.outgoing.fields, wanted);
    assert_eq!(plan.outgoing.envelope, record(&[("updated", "now")]));
    let sent = Outgoing { fields: wanted, ..Outgoing::default() };
    assert!(
        plan.changes(&sent, &Record::new()).is_empty(),
        "the envelope alone is no reason to answer"
    );
    assert!(!plan.outgoing.differs_from(&sent));
}

#[test]
fn a_state_without_a_row_is_held_and_says_what_was_said() {
    let rules = rule(
        "kind = \"table_to_remote\"\nlocals = [\"status\"]\nremote = \"supplier_status\"\nrows = [[\"Open\", \"RECEIVED\"]]",
    );
    let mut three = Three::new(&[], Some(&[("status", "Odd")]));
    let sent =
        Outgoing { fields: record(&[("supplier_status", "RECEIVED")]), ..Outgoing::default() };
    three.base = Some(Base { sent: Some(sent.clone()), ..Base::default() });
    let plan = three.plan_out(&rules);
    assert_eq!(plan.held[0].code, NO_TABLE_ROW);
    assert!(plan.changes(&sent, &Record::new()).is_empty());
}

fn comment(id: &str, text: &str) -> Comment {
    Comment { id: id.into(), author: None, created: None, updated: None, text: text.into() }
}

#[test]
fn prefixed_comments_go_out_and_imported_ones_never() {
    let rules = rule("kind = \"comments\"\nout_prefix = \"[TO OEM]\"");
    let mut three = Three::new(&[], Some(&[]));
    if let Some(local) = &mut three.local {
        local.comments = vec![
            comment("1", "[TO OEM]\n  hello"),
            comment("2", "internal"),
            comment("3", "[TO OEM] theirs"),
        ];
    }
    let comments_in = [("remote".to_owned(), "3".to_owned())].into();
    three.base = Some(Base { comments_in, ..Base::default() });
    let plan = three.plan_out(&rules);
    let texts: Vec<&str> = plan.outgoing.comments.iter().map(|c| c.text.as_str()).collect();
    assert_eq!(texts, ["hello"]);
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

fn file(name: &str, bytes: &'static [u8]) -> Attachment {
    let file = Attachment::new(name, None, Arc::new(Bytes(bytes)));
    file.digest().unwrap();
    file
}

#[test]
fn files_are_compared_by_content_and_versioned_by_name() {
    let rules = rule("kind = \"attachments\"");
    let sha256 = |bytes: &[u8]| Digest::of(bytes).to_string();
    let known = |bytes: &[u8]| Incoming { name: "a.txt".into(), sha256: sha256(bytes) };
    type Case =
        (Option<&'static [u8]>, Vec<Attachment>, Vec<Attachment>, Vec<(&'static str, bool)>);
    let cases: Vec<Case> = vec![
        (None, vec![], vec![file("a.txt", b"1")], vec![("a.txt", false)]),
        (Some(b"1"), vec![file("a.txt", b"1")], vec![file("a.txt", b"1")], vec![]),
        (
            Some(b"1"),
            vec![file("a.txt", b"1")],
            vec![file("a.txt", b"2")],
            vec![("a (2).txt", false)],
        ),
        (None, vec![file("a.txt", b"1")], vec![file("a.txt", b"1")], vec![("a.txt", true)]),
        (None, vec![file("a.txt", b"mine")], vec![file("a.txt", b"1")], vec![("a (2).txt", false)]),
        (None, vec![], vec![Attachment::missing("a.txt")], vec![]),
        (
            None,
            vec![],
            vec![file("a.txt", b"1"), file("a.txt", b"2")],
            vec![("a.txt", false), ("a (2).txt", false)],
        ),
    ];
    for (seen, local, remote, wanted) in cases {
        let mut three = Three::new(&[], Some(&[]));
        three.remote.attachments = remote;
        if let Some(issue) = &mut three.local {
            issue.attachments = local;
        }
        let files_in = seen.map(|bytes| ("a.txt".to_owned(), known(bytes))).into_iter().collect();
        three.base = Some(Base { files_in, ..Base::default() });
        let plan = three.plan_in(&rules);
        let got: Vec<(&str, bool)> =
            plan.files.iter().map(|plan| (plan.file.name.as_str(), plan.adopt)).collect();
        assert_eq!(got, wanted, "{seen:?} {:?}", three.remote.attachments);
    }
}

#[test]
fn a_document_without_content_is_a_finding_until_it_was_there_once() {
    let rules = rule("kind = \"attachments\"");
    let mut three = Three::new(&[], Some(&[]));
    three.remote.attachments = vec![Attachment::missing("a.txt")];
    assert_eq!(three.plan_in(&rules).findings[0].code, ATTACHMENT_MISSING);
    let incoming = Incoming { name: "a.txt".into(), sha256: String::new() };
    three.base = Some(Base { files_in: [("a.txt".into(), incoming)].into(), ..Base::default() });
    assert!(three.plan_in(&rules).findings.is_empty());
}

#[test]
fn a_rule_is_refused_in_words_that_name_kind_and_key() {
    let cases = [
        ("kind = \"tolocal\"", "unknown kind \"tolocal\""),
        ("kind = \"to_local\"\nlocal = \"x\"", "`to_local` needs `remote`"),
        (
            "kind = \"envelope\"\nlocal = \"x\"\nremote = \"y\"\nmap = {}",
            "`map` is not a key of `envelope`",
        ),
        ("kind = \"gate\"\nlocal = \"x\"", "`gate` needs one of"),
        ("kind = \"gate\"\nequals = \"x\"", "`gate` needs either `local` or `remote`"),
        (
            "kind = \"tag_local\"\nlocal = \"x\"\nremote = \"y\"\nprefix = \"\"",
            "`prefix` must not be empty",
        ),
        ("kind = \"to_local\"\nlocal = \"x\"\nremote = \"y\"\nwhen = [\"never\"]", "`when` takes"),
        (
            "kind = \"to_local\"\nlocal = \"x\"\nremote = \"y\"\nallowed_chars = \"z-a\"",
            "not a regex character class",
        ),
        ("kind = \"table_to_remote\"\nlocals = [\"x\"]\nremote = \"y\"", "needs either `table`"),
    ];
    for (body, wanted) in cases {
        let raw: RawRule = toml::from_str(body).unwrap();
        let problems = Rule::from_raw(&raw, &|_| Ok(Vec::new())).unwrap_err();
        assert!(problems[0].contains(wanted), "{body}: {problems:?}");
    }
}

#[test]
fn two_rules_that_write_one_field_are_found_at_load() {
    let find = |toml: &str| -> Vec<&'static str> {
        check(&rules(toml), Some(&schema()), &|_| true).iter().map(|f| f.code.as_str()).collect()
    };
    let tag = |prefix: &str| {
        format!(
            "[[rule]]\nkind = \"tag_local\"\nlocal = \"labels\"\nremote = \"r\"\nprefix = \"{prefix}\"\n"
        )
    };
    assert_eq!(find(&(tag("A-") + &tag("B-"))), [""; 0]);
    assert_eq!(find(&(tag("A-") + &tag("A-B-"))), ["rule-conflict"]);
    let to = |when: &str| {
        format!(
            "[[rule]]\nkind = \"to_local\"\nlocal = \"x\"\nremote = \"r\"\nwhen = [\"{when}\"]\n"
        )
    };
    assert_eq!(find(&(to("create") + &to("update"))), [""; 0]);
    assert_eq!(find(&(to("create") + &to("create"))), ["rule-conflict"]);
}

#[test]
fn rules_are_held_against_the_trackers_fields() {
    let required = FieldSpec { required: true, ..FieldSpec::default() };
    let mut schema = Schema { open: false, ..schema() };
    schema.fields.insert("summary".into(), required.clone());
    schema.fields.insert("project".into(), required);
    let told = |body: &str| -> Vec<(bool, &str)> {
        let problems = check(&rule(body), Some(&schema), &|_| true);
        let error = |problem: &Problem| problem.severity == crate::Severity::Error;
        problems.iter().map(|problem| (error(problem), problem.code.as_str())).collect()
    };
    let to = |local: &str, more: &str| {
        format!("kind = \"to_local\"\nlocal = \"{local}\"\nremote = \"priority\"\n{more}")
    };
    let missing = (false, "not-written");
    for (body, wanted) in [
        (to("summary", ""), vec![]),
        (to("sumary", ""), vec![missing, (true, "unknown-field")]),
        (to("priority", "default = \"Minor\""), vec![missing]),
        (to("priority", "default = \"Tiny\""), vec![missing, (false, "value-not-taken")]),
        (
            to("priority", "map = { Major = \"A\", B = \"B\" }"),
            vec![missing, (false, "value-not-taken")],
        ),
    ] {
        assert_eq!(told(&body), wanted, "{body}");
    }
}
