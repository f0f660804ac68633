use super::*;
use proptest::prelude::*;

fn known(schema: &Json) -> Known {
    Known { id: "f".into(), name: "F".into(), kind: Kind::of(schema), ..Known::default() }
}

fn with(schema: &Json, allowed: &Json) -> Known {
    Known { allowed: Some(allowed.as_array().unwrap().clone()), ..known(schema) }
}

fn path(path: &str) -> Vec<String> {
    path.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn list(items: &[&str]) -> Option<Value> {
    Value::list(items.iter().map(|item| (*item).to_owned()).collect())
}

/// Schema, path, our value, what is sent, what is read (as Jira would tell it) from that.
#[test]
fn values_both_ways() {
    let text = |text: &str| Value::text(text);
    #[allow(clippy::type_complexity, reason = "a table")]
    let cases: Vec<(Json, &str, Option<Value>, Json, Json, bool)> = vec![
        (
            json!({"type": "string", "system": "summary"}),
            "",
            text("Tür"),
            json!("Tür"),
            json!("Tür"),
            false,
        ),
        (
            json!({"type": "priority"}),
            "",
            text("Major"),
            json!({"name": "Major"}),
            json!({"id": "2", "name": "Major"}),
            false,
        ),
        (
            json!({"type": "priority"}),
            "name",
            text("Major"),
            json!({"name": "Major"}),
            json!({"id": "2", "name": "Major"}),
            false,
        ),
        (
            json!({"type": "priority"}),
            "id",
            text("2"),
            json!({"id": "2"}),
            json!({"id": "2", "name": "Major"}),
            false,
        ),
        (
            json!({"type": "option"}),
            "",
            text("B"),
            json!({"value": "B"}),
            json!({"id": "9", "value": "B"}),
            false,
        ),
        (
            json!({"type": "project"}),
            "",
            text("TST"),
            json!({"key": "TST"}),
            json!({"id": "1", "key": "TST", "name": "T"}),
            false,
        ),
        (
            json!({"type": "user"}),
            "",
            text("alice"),
            json!({"name": "alice"}),
            json!({"key": "k", "name": "alice", "displayName": "A"}),
            false,
        ),
        (
            json!({"type": "user"}),
            "",
            text("5b1"),
            json!({"accountId": "5b1"}),
            json!({"accountId": "5b1", "displayName": "A"}),
            true,
        ),
        (json!({"type": "number"}), "", text("3"), json!(3), json!(3.0), false),
        (json!({"type": "number"}), "", text("-0.25"), json!(-0.25), json!(-0.25), false),
        (
            json!({"type": "date"}),
            "",
            text("2025-03-10"),
            json!("2025-03-10"),
            json!("2025-03-10"),
            false,
        ),
        (
            json!({"type": "datetime"}),
            "",
            text("2025-03-10T08:00:00Z"),
            json!("2025-03-10T08:00:00.000+0000"),
            json!("2025-03-10T09:00:00.000+0100"),
            false,
        ),
        (
            json!({"type": "array", "items": "version"}),
            "",
            list(&["R1", "R2"]),
            json!([{"name": "R1"}, {"name": "R2"}]),
            json!([{"id": "1", "name": "R1"}, {"name": "R2"}]),
            false,
        ),
        (
            json!({"type": "array", "items": "version"}),
            "name",
            list(&["R1"]),
            json!([{"name": "R1"}]),
            json!([{"id": "1", "name": "R1"}]),
            false,
        ),
        (
            json!({"type": "array", "items": "component"}),
            "",
            list(&["Body"]),
            json!([{"name": "Body"}]),
            json!([{"name": "Body"}]),
            false,
        ),
        (
            json!({"type": "array", "items": "option"}),
            "",
            list(&["A", "B"]),
            json!([{"value": "A"}, {"value": "B"}]),
            json!([{"value": "A"}, {"value": "B"}]),
            false,
        ),
        (
            json!({"type": "array", "items": "user"}),
            "",
            list(&["bob"]),
            json!([{"name": "bob"}]),
            json!([{"name": "bob"}]),
            false,
        ),
        (
            json!({"type": "array", "items": "string", "system": "labels"}),
            "",
            list(&["a", "b"]),
            json!(["a", "b"]),
            json!(["a", "b"]),
            false,
        ),
        (
            json!({"type": "array", "items": "string"}),
            "",
            list(&["a b"]),
            json!(["a b"]),
            json!(["a b"]),
            false,
        ),
        (
            json!({"type": "option-with-child"}),
            "",
            text("A / B"),
            json!({"value": "A", "child": {"value": "B"}}),
            json!({"value": "A", "id": "1", "child": {"id": "2", "value": "B"}}),
            false,
        ),
        (
            json!({"type": "option-with-child"}),
            "",
            text("A"),
            json!({"value": "A"}),
            json!({"value": "A"}),
            false,
        ),
        (
            json!({"type": "option-with-child"}),
            "child.value",
            text("B"),
            json!({"child": {"value": "B"}}),
            json!({"value": "A", "child": {"value": "B"}}),
            false,
        ),
        (
            json!({"type": "string", "system": "description"}),
            "",
            text("a\n\nb"),
            adf::from_text("a\n\nb"),
            adf::from_text("a\n\nb"),
            true,
        ),
        (
            json!({"type": "string", "custom": "x:textarea"}),
            "",
            text("a"),
            adf::from_text("a"),
            adf::from_text("a"),
            true,
        ),
        (
            json!({"type": "string", "custom": "x:textfield"}),
            "",
            text("a"),
            json!("a"),
            json!("a"),
            true,
        ),
        (json!({"type": "any", "custom": "x"}), "", text("a"), json!("a"), json!("a"), false),
        (json!({"type": "string"}), "", None, json!(null), json!(null), false),
        (json!({"type": "array", "items": "version"}), "", None, json!([]), json!([]), false),
    ];
    for (schema, at, value, sent, told, cloud) in cases {
        let known = known(&schema);
        let encoded = encode(value.as_ref(), &known, &path(at), cloud).unwrap();
        assert_eq!((encoded.json, encoded.cut), (sent, None), "{schema} {at}");
        assert_eq!(decode(&told, &known.kind, &path(at)), value, "{schema} {at}");
    }
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let cases = [
        (known(&json!({"type": "number"})), "three", "no number"),
        (known(&json!({"type": "number"})), "inf", "no number"),
        (known(&json!({"type": "date"})), "10.03.2025", "no date"),
        (known(&json!({"type": "date"})), "2025-02-30", "no date"),
        (known(&json!({"type": "datetime"})), "soon", "no time"),
        (
            with(&json!({"type": "priority"}), &json!([{"name": "high"}, {"name": "low"}])),
            "urgent",
            "\"urgent\" is not one of its values: high, low",
        ),
        (
            with(&json!({"type": "option-with-child"}), &json!([{"value": "A"}])),
            "B / C",
            "values: A",
        ),
    ];
    for (known, text, why) in cases {
        let error = encode(Some(&text.into()), &known, &[], false).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_parent_may_hold_the_separator() {
    let known =
        with(&json!({"type": "option-with-child"}), &json!([{"value": "A / B"}, {"value": "A"}]));
    let encoded = encode(Some(&"A / B / C".into()), &known, &[], false).unwrap();
    assert_eq!(encoded.json, json!({"value": "A / B", "child": {"value": "C"}}));
}

#[test]
fn texts_are_cut_between_characters_and_say_so() {
    let summary = known(&json!({"type": "string", "system": "summary"}));
    let long = "🚗".repeat(200);
    let encoded = encode(Some(&long.as_str().into()), &summary, &[], false).unwrap();
    let kept = encoded.json.as_str().unwrap();
    assert!(units(kept) <= 255 && kept.ends_with(" […]"), "{kept}");
    assert_eq!(encoded.cut.map(|cut| cut.whole).as_deref(), Some(long.as_str()));
    // Cut again it stays as it is: no ping-pong.
    let again = encode(Some(&kept.into()), &summary, &[], false).unwrap();
    assert_eq!((again.json.as_str().unwrap(), again.cut), (kept, None));
    let description = known(&json!({"type": "string", "system": "description"}));
    let long = "Motor läuft unrund\n".repeat(5000);
    let kept = encode(Some(&long.as_str().into()), &description, &[], false).unwrap().json;
    let kept = kept.as_str().unwrap();
    assert!(units(kept) <= 32_767 && kept.ends_with("[… cut: 95000 characters]"));
    let lines = encode(Some(&"a\r\nb\tc".into()), &summary, &[], false).unwrap();
    assert_eq!(lines.json, json!("a b c"));
    let control = encode(Some(&"a\0b\u{7}c\n".into()), &description, &[], false).unwrap();
    assert_eq!(control.json, json!("abc\n"));
}

proptest! {
    #[test]
    fn labels_are_legal_and_never_collide(a in "[ab_~ ü]{1,6}", b in "[ab_~ ü]{1,6}") {
        let (kept_a, kept_b) = (label(&a), label(&b));
        prop_assert!(!kept_a.contains(char::is_whitespace) && units(&kept_a) <= 255);
        prop_assert_eq!(label(&kept_a), kept_a.clone(), "what was read is written as it is");
        prop_assert_eq!(kept_a == kept_b, a.trim() == b.trim());
    }
}

#[test]
fn line_ends_and_the_order_of_a_list_are_no_change() {
    let text = |text: &str| Value::text(text);
    assert!(same(text("a\r\nb").as_ref(), text("a\nb\n").as_ref()));
    assert!(same(list(&["b", "a"]).as_ref(), list(&["a", "b"]).as_ref()));
    assert!(!same(list(&["a"]).as_ref(), list(&["a", "b"]).as_ref()));
    assert!(!same(text("a").as_ref(), None));
}
