//! The truth table of `two_way`: who changed, what is empty, what was said.

use super::conflict::{Conflict, Kind as ConflictKind};
use super::tests::{NONE, record, rules};
use super::*;
use crate::issue::{Issue, Record, Value};
use crate::state::{Base, Outgoing};
use crate::tracker::Schema;

const RULE: &str = "[[rule]]\nkind = \"two_way\"\nlocal = \"l\"\nremote = \"r\"\n";

/// One row: what is known, and what must come of it. Empty: unset.
#[derive(Clone, Copy, Default)]
struct Row<'a> {
    /// Last agreed here, last delivered, last sent.
    agreed: &'a str,
    delivered: &'a str,
    sent: &'a str,
    /// Now.
    remote: &'a str,
    local: &'a str,
    /// There was no agreement.
    unbased: bool,
    extra: &'a str,
}

fn one(field: &str, value: &str) -> Record {
    if value.is_empty() { Record::new() } else { record(&[(field, value)]) }
}

fn outcome(row: Row<'_>) -> (InPlan, OutPlan) {
    let rules = rules(&format!("{RULE}{}", row.extra));
    let mut base = Base {
        delivered: one("r", row.delivered),
        local: one("l", row.agreed),
        sent: Some(Outgoing { fields: one("r", row.sent), ..Outgoing::default() }),
        ..Base::default()
    };
    if !row.unbased {
        base.two_way.insert("l".to_owned());
    }
    let schema = Schema { open: true, ..Schema::default() };
    let remote = Issue { fields: one("r", row.remote), ..Issue::default() };
    let local = Issue { fields: one("l", row.local), ..Issue::default() };
    let sides = Sides {
        base: Some(&base),
        remote: &remote,
        local: Some(&local),
        schema: &schema,
        open: &[],
        making: false,
        stale: false,
        edited: &NONE,
    };
    let Decision::Do(inward) = plan_in(&rules, &sides) else { panic!("skipped") };
    // As `apply` does it: the tracker takes the changes, the base moves.
    let mut local = local.clone();
    for change in &inward.changes {
        local.fields.set(change.field.clone(), change.to.clone());
    }
    let mut after = base.clone();
    after.delivered = remote.fields.clone();
    if inward.agreed.contains(&"l".to_owned()) {
        after.local.set("l", local.fields.get("l").cloned());
    }
    if inward.disagreed.contains(&"l".to_owned()) {
        after.local.set("l", None);
    }
    for field in &inward.settled {
        after.settle(field);
    }
    let sides = Sides { base: Some(&after), local: Some(&local), ..sides };
    let open: Vec<OpenConflict> = inward
        .conflicts
        .iter()
        .filter(|conflict| conflict.decision.is_none())
        .map(|conflict| OpenConflict { id: 1, conflict: conflict.clone() })
        .collect();
    let sides = Sides { open: &open, ..sides };
    let Decision::Do(outward) = plan_out(&rules, &sides) else { panic!("skipped") };
    (inward, outward)
}

/// What is written here, what the partner is told, which conflict.
fn told(row: Row<'_>) -> (Option<String>, String, Option<ConflictKind>) {
    let (inward, outward) = outcome(row);
    let written = inward
        .changes
        .last()
        .map(|change| change.to.as_ref().map(Value::to_string).unwrap_or_default());
    let conflict = inward.conflicts.first().map(|conflict| conflict.kind);
    (written, outward.outgoing.fields.text("r"), conflict)
}

#[test]
fn the_truth_table() {
    use ConflictKind::{BothChanged, NoBase};
    let a = Row { agreed: "a", delivered: "a", remote: "a", local: "a", ..Row::default() };
    let cases = [
        ("nobody changed", a, None, "", None),
        ("the partner changed", Row { remote: "b", ..a }, Some("b"), "", None),
        ("we changed", Row { local: "c", ..a }, None, "c", None),
        ("both changed", Row { remote: "b", local: "c", ..a }, None, "", Some(BothChanged)),
        ("both changed alike", Row { remote: "c", local: "c", ..a }, None, "", None),
        ("the partner emptied it", Row { remote: "", ..a }, None, "", None),
        (
            "the partner emptied it, clear",
            Row { remote: "", extra: "clear = true", ..a },
            Some(""),
            "",
            None,
        ),
        ("we emptied it", Row { local: "", ..a }, None, "", None),
        ("both emptied it", Row { remote: "", local: "", ..a }, None, "", None),
        (
            "no base, both set",
            Row { unbased: true, agreed: "", delivered: "", remote: "b", local: "c", ..a },
            None,
            "",
            Some(NoBase),
        ),
        ("no base, equal", Row { unbased: true, agreed: "", delivered: "", ..a }, None, "", None),
        (
            "no base, only theirs",
            Row { unbased: true, agreed: "", delivered: "", local: "", ..a },
            Some("a"),
            "",
            None,
        ),
        (
            "no base, only ours",
            Row { unbased: true, agreed: "", delivered: "", remote: "", ..a },
            None,
            "a",
            None,
        ),
        // What we sent: c. The partner's export has not caught up, took it over, or went on.
        ("not caught up", Row { agreed: "c", sent: "c", local: "c", ..a }, None, "c", None),
        (
            "taken over",
            Row { agreed: "c", sent: "c", local: "c", remote: "c", ..a },
            None,
            "",
            None,
        ),
        (
            "a third value",
            Row { agreed: "c", sent: "c", local: "c", remote: "b", ..a },
            None,
            "c",
            Some(BothChanged),
        ),
        (
            "changed after it was taken over",
            Row { agreed: "c", sent: "c", delivered: "c", local: "c", remote: "b", ..a },
            Some("b"),
            "",
            None,
        ),
        (
            "changed here again before it was taken over",
            Row { agreed: "c", sent: "c", local: "d", ..a },
            None,
            "d",
            None,
        ),
        (
            "third value, local wins",
            Row {
                agreed: "c",
                sent: "c",
                local: "c",
                remote: "b",
                extra: "conflict = \"local\"",
                ..a
            },
            None,
            "c",
            Some(BothChanged),
        ),
        (
            "both, remote wins",
            Row { remote: "b", local: "c", extra: "conflict = \"remote\"", ..a },
            Some("b"),
            "",
            Some(BothChanged),
        ),
        (
            "both, local wins",
            Row { remote: "b", local: "c", extra: "conflict = \"local\"", ..a },
            None,
            "c",
            Some(BothChanged),
        ),
        (
            "both, appended",
            Row { remote: "b", local: "c", extra: "conflict = \"append\"", ..a },
            Some("[partner]\nb\n\n[local]\nc"),
            "[partner]\nb\n\n[local]\nc",
            Some(BothChanged),
        ),
    ];
    for (name, row, written, said, conflict) in cases {
        let wanted = (written.map(str::to_owned), said.to_owned(), conflict);
        assert_eq!(told(row), wanted, "{name}");
    }
}

#[test]
fn a_value_emptied_here_is_sent_as_empty_once() {
    let row = Row { agreed: "a", delivered: "a", remote: "a", local: "", ..Row::default() };
    let (_, outward) = outcome(row);
    assert!(outward.outgoing.cleared.contains("r"));
    assert!(outward.outgoing.differs_from(&Outgoing::default()));
}

#[test]
fn keep_both_puts_the_partners_value_aside() {
    let extra = "conflict = \"keep-both\"\nside_field = \"theirs\"";
    let row = Row { agreed: "a", delivered: "a", remote: "b", local: "c", extra, ..Row::default() };
    let (inward, outward) = outcome(row);
    assert_eq!(inward.changes[0].field, "theirs");
    assert_eq!(inward.changes[0].to, Some(Value::from("b")));
    assert_eq!(outward.outgoing.fields.text("r"), "c");
}

#[test]
fn an_open_conflict_holds_only_its_field_and_follows_new_values() {
    let rules =
        rules(&format!("{RULE}\n[[rule]]\nkind = \"to_local\"\nlocal = \"s\"\nremote = \"t\""));
    let conflict = Conflict {
        field: "l".into(),
        remote_field: "r".into(),
        rule: String::new(),
        kind: ConflictKind::BothChanged,
        base: Some("a".into()),
        local: Some("c".into()),
        remote: Some("b".into()),
        policy: "manual".into(),
        decision: None,
    };
    let open = [OpenConflict { id: 7, conflict }];
    let base = Base { two_way: ["l".to_owned()].into(), ..Base::default() };
    let schema = Schema { open: true, ..Schema::default() };
    let local = Issue { fields: record(&[("l", "c")]), ..Issue::default() };
    let plan = |remote: &[(&str, &str)]| {
        let remote = Issue { fields: record(remote), ..Issue::default() };
        let sides = Sides {
            base: Some(&base),
            remote: &remote,
            local: Some(&local),
            schema: &schema,
            open: &open,
            making: false,
            stale: false,
            edited: &NONE,
        };
        let Decision::Do(plan) = plan_in(&rules, &sides) else { panic!("skipped") };
        plan
    };
    let same = plan(&[("r", "b"), ("t", "other")]);
    assert_eq!(same.changes.len(), 1, "the other field goes on");
    assert!(same.reopened.is_empty() && same.conflicts.is_empty(), "no news of the conflict");
    assert_eq!(plan(&[("r", "x")]).reopened[0].1.remote, Some("x".into()));
    assert_eq!(plan(&[("r", "c")]).superseded, [7]);
}

#[test]
fn a_map_that_does_not_agree_with_itself_is_refused() {
    let body = "kind = \"two_way\"\nlocal = \"l\"\nremote = \"r\"\nmap = { A = \"1\", B = \"2\" }\ninverse = { 1 = \"B\" }";
    let raw: RawRule = toml::from_str(body).unwrap();
    let problems = Rule::from_raw(&raw, &|_| Ok(Vec::new())).unwrap_err();
    assert!(problems[0].contains("does not make \"1\" again"), "{problems:?}");
}
