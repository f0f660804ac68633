//! Random histories against a model that fits on a page.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Create(u8),
    Update(usize, Vec<(&'static str, Option<Value>)>),
    Comment(usize, String, u8),
    Edit(usize, usize, String),
    Uncomment(usize, usize),
    Attach(usize, &'static str, Vec<u8>),
    Detach(usize, &'static str),
    Mark(usize, Option<u8>),
    Delete(usize),
    Undo(Vec<Step>),
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    fields: BTreeMap<String, Value>,
    comments: Vec<(String, String, u8)>,
    files: Vec<(String, Vec<u8>)>,
    marker: Option<String>,
}

type World = BTreeMap<String, Model>;

fn nasty() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zäöüß ]{0,6}", "\\PC{0,8}", Just("a\0\r\n\u{1b}\"'".to_owned())]
}

fn value() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        Just(None),
        nasty().prop_map(Value::text),
        prop::collection::vec(nasty(), 0..4).prop_map(|items| Some(Value::List(items))),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let field = prop::sample::select(vec!["summary", "description", "labels", "severity"]);
    let name = || prop::sample::select(vec!["a.txt", "b.txt"]);
    let issue = 0..4usize;
    let simple = prop_oneof![
        3 => any::<u8>().prop_map(|n| Step::Create(n % 6)),
        4 => (issue.clone(), prop::collection::vec((field, value()), 0..4))
            .prop_map(|(i, pairs)| Step::Update(i, pairs)),
        3 => (issue.clone(), nasty(), 0..4u8).prop_map(|(i, text, t)| Step::Comment(i, text, t)),
        1 => (issue.clone(), 0..3usize, nasty()).prop_map(|(i, c, text)| Step::Edit(i, c, text)),
        1 => (issue.clone(), 0..3usize).prop_map(|(i, c)| Step::Uncomment(i, c)),
        3 => (issue.clone(), name(), prop::collection::vec(0..3u8, 0..2))
            .prop_map(|(i, name, bytes)| Step::Attach(i, name, bytes)),
        1 => (issue.clone(), name()).prop_map(|(i, name)| Step::Detach(i, name)),
        1 => (issue.clone(), prop::option::of(0..6u8)).prop_map(|(i, m)| Step::Mark(i, m)),
        1 => issue.prop_map(Step::Delete),
    ];
    simple.prop_recursive(1, 8, 4, |inner| prop::collection::vec(inner, 1..4).prop_map(Step::Undo))
}

fn marker(number: u8) -> String {
    format!("main/p:{number}")
}

fn holder(world: &World, marker: &str) -> Option<String> {
    let holds = |(_, model): &(&String, &Model)| model.marker.as_deref() == Some(marker);
    world.iter().find(holds).map(|(key, _)| key.clone())
}

fn set(model: &mut Model, field: &str, value: Option<&Value>) {
    let shaped = match (field, value) {
        (_, None) => None,
        ("labels", Some(value)) => {
            Value::list(value.items().iter().filter(|item| !item.is_empty()).cloned().collect())
        }
        (_, Some(value)) => Value::text(value.joined(", ")),
    };
    match shaped {
        Some(value) => drop(model.fields.insert(field.to_owned(), value)),
        None => drop(model.fields.remove(field)),
    }
}

/// Does the same to both; an error on one side is none on the other.
fn apply(tracker: &Embedded, world: &mut World, step: &Step) {
    let keys: Vec<String> = world.keys().cloned().collect();
    let key = |n: usize| keys.get(n).cloned();
    match step {
        Step::Create(number) => {
            let marker = marker(*number);
            let created = tracker.create(&marker, &changes(&[("summary", text("s"))]));
            assert_eq!(created.is_err(), holder(world, &marker).is_some());
            let Ok(written) = created else { return };
            let mut model = Model { marker: Some(marker), ..Model::default() };
            let number = number.to_string();
            for (field, value) in
                [("summary", "s"), ("status", "Open"), ("type", "Defect"), ("external_id", &number)]
            {
                set(&mut model, field, Some(&value.into()));
            }
            assert!(world.insert(written.issue.id, model).is_none(), "a key twice");
        }
        Step::Update(issue, pairs) => {
            let Some(key) = key(*issue) else { return };
            let changes = changes(pairs);
            assert_eq!(tracker.update(&key, &changes, None).unwrap().refused, []);
            let model = world.get_mut(&key).unwrap();
            changes.iter().for_each(|(field, value)| set(model, field, value.as_ref()));
        }
        Step::Comment(issue, text, token) => {
            let Some(key) = key(*issue) else { return };
            let word = if *token == 0 { String::new() } else { token.to_string() };
            let id = tracker.comment(&key, &note(text, &word)).unwrap();
            let comments = &mut world.get_mut(&key).unwrap().comments;
            match comments.iter().find(|(_, _, t)| *token != 0 && t == token) {
                Some((there, ..)) => assert_eq!(*there, id),
                None => comments.push((id, text.clone(), *token)),
            }
        }
        Step::Edit(issue, n, text) => {
            let Some(key) = key(*issue) else { return };
            let Some(comment) = world.get_mut(&key).unwrap().comments.get_mut(*n) else { return };
            tracker.edit_comment(&key, &comment.0, text).unwrap();
            comment.1.clone_from(text);
        }
        Step::Uncomment(issue, n) => {
            let Some(key) = key(*issue) else { return };
            let comments = &mut world.get_mut(&key).unwrap().comments;
            if *n < comments.len() {
                tracker.delete_comment(&key, &comments.remove(*n).0).unwrap();
            }
        }
        Step::Attach(issue, name, bytes) => {
            let Some(key) = key(*issue) else { return };
            tracker.attach(&key, &file(name, bytes)).unwrap();
            let files = &mut world.get_mut(&key).unwrap().files;
            match files.iter_mut().find(|(there, _)| there == name) {
                Some((_, content)) => content.clone_from(bytes),
                None => files.push(((*name).to_owned(), bytes.clone())),
            }
        }
        Step::Detach(issue, name) => {
            let Some(key) = key(*issue) else { return };
            tracker.detach(&key, name).unwrap();
            world.get_mut(&key).unwrap().files.retain(|(there, _)| there != name);
        }
        Step::Mark(issue, number) => {
            let Some(key) = key(*issue) else { return };
            let marker = number.map(marker);
            let taken = marker.as_deref().and_then(|m| holder(world, m)).is_some_and(|k| k != key);
            assert_eq!(tracker.mark(&key, marker.as_deref()).is_err(), taken);
            let model = world.get_mut(&key).unwrap();
            if taken || model.marker == marker {
                return;
            }
            let old = model.marker.take().and_then(|m| text(m.rsplit(':').next().unwrap()));
            model.marker = marker;
            let now = model.fields.get("external_id").cloned();
            if now.is_none() || now == old {
                let new = number.map(|number| Value::Text(number.to_string()));
                set(model, "external_id", new.as_ref());
            }
        }
        Step::Delete(issue) => {
            let Some(key) = key(*issue) else { return };
            tracker.delete(&key).unwrap();
            world.remove(&key);
        }
        Step::Undo(steps) => {
            let around = tracker.db().begin().unwrap();
            let mut dream = world.clone();
            steps.iter().for_each(|step| apply(tracker, &mut dream, step));
            drop(around);
        }
    }
}

fn seen(tracker: &Embedded) -> World {
    let mut keys = Vec::new();
    tracker
        .each(&mut |issue| {
            keys.push(issue.id);
            Ok(())
        })
        .unwrap();
    let issues = tracker.get_many(&keys).unwrap();
    issues
        .into_iter()
        .flatten()
        .map(|issue| {
            let fields = issue
                .fields
                .iter()
                .filter(|(field, _)| !["key", "created", "updated"].contains(field));
            let model = Model {
                fields: fields.map(|(field, value)| (field.to_owned(), value.clone())).collect(),
                comments: issue
                    .comments
                    .iter()
                    .map(|c| (c.id.clone(), c.text.clone(), 0))
                    .collect(),
                files: issue.attachments.iter().map(|f| (f.name.clone(), bytes(f))).collect(),
                marker: None,
            };
            (issue.id, model)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn the_tracker_is_its_model(steps in prop::collection::vec(step(), 0..24)) {
        let Subject { tracker, dir } = own_file();
        let mut world = World::new();
        let mut token = tracker.changed_since(None).unwrap().token;
        for step in &steps {
            let before = seen(&tracker);
            apply(&tracker, &mut world, step);
            let after = seen(&tracker);
            // Whatever differs is reported as changed.
            let feed = tracker.changed_since(Some(&token)).unwrap();
            let reported = feed.keys.unwrap();
            for key in before.keys().chain(after.keys()) {
                prop_assert!(before.get(key) == after.get(key) || reported.contains(key));
            }
            token = feed.token;
        }
        for (key, model) in &world {
            if let Some(marker) = &model.marker {
                prop_assert_eq!(&tracker.find(marker).unwrap(), std::slice::from_ref(key));
            }
        }
        let plain = |mut world: World| {
            for model in world.values_mut() {
                model.marker = None;
                model.comments.iter_mut().for_each(|comment| comment.2 = 0);
            }
            world
        };
        let contents: std::collections::BTreeSet<Vec<u8>> =
            world.values().flat_map(|model| model.files.iter().map(|(_, b)| b.clone())).collect();
        prop_assert_eq!(seen(&tracker), plain(world));
        tracker.sweep().unwrap();
        let kept = walkdir::WalkDir::new(dir.path().join("files")).into_iter().flatten()
            .filter(|entry| entry.file_type().is_file()).count();
        prop_assert_eq!(kept, contents.len(), "a file for each content, and no other");
    }
}
