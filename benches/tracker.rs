//! The embedded tracker with a thousand issues of ten fields, as a large package brings them.
//!
//! `cargo bench --bench tracker`

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a benchmark stops where it fails")]

use std::hint::black_box;
use std::path::Path;
use std::rc::Rc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use engsync::db::Db;
use engsync::disk::{Disk, Steps};
use engsync::issue::Value;
use engsync::tracker::embedded::{Embedded, Options, SCHEMA};
use engsync::tracker::{Changes, NewComment, Tracker};
use engsync::{Clock, Timestamp};

const ISSUES: usize = 1000;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

fn open(dir: &Path) -> Embedded {
    let db = Db::open(&dir.join("tracker.db"), &[SCHEMA], &Steps::none()).unwrap();
    let options = Options {
        key_prefix: "ISS".to_owned(),
        values: Default::default(),
        actor: "engsync".to_owned(),
        fields: vec!["severity".to_owned(), "vehicle".to_owned()],
        shares_state: true,
        files: dir.join("files"),
    };
    Embedded::new(db, Disk::default(), options, Rc::new(Fixed)).unwrap()
}

fn fields(n: usize) -> Changes {
    let text = |field: &str, value: String| (field.to_owned(), Value::text(value));
    [
        text("summary", format!("Türgriff hinten links klemmt bei Frost, Fall {n}")),
        text("description", "Bei −10 °C lässt sich die Tür von außen nicht öffnen. ".repeat(20)),
        text("status", "Open".to_owned()),
        text("priority", "high".to_owned()),
        text("assignee", "muster".to_owned()),
        text("project", "Tür".to_owned()),
        text("external_id", n.to_string()),
        text("severity", "2".to_owned()),
        text("vehicle", "X1".to_owned()),
        ("labels".to_owned(), Value::list(vec!["tür".to_owned(), "frost".to_owned()])),
    ]
    .into()
}

fn fill(tracker: &Embedded) -> Vec<String> {
    let tx = tracker.db().begin().unwrap();
    let create = |n| tracker.create(&format!("main/p:{n}"), &fields(n)).unwrap().issue.id;
    let keys = (0..ISSUES).map(create).collect();
    tx.commit().unwrap();
    keys
}

fn tracker(c: &mut Criterion) {
    let mut group = c.benchmark_group("tracker");
    group.sample_size(10).throughput(Throughput::Elements(ISSUES as u64));
    group.bench_function("create, one transaction", |b| {
        let fresh = || {
            let dir = tempfile::tempdir().unwrap();
            (open(dir.path()), dir)
        };
        b.iter_batched_ref(fresh, |(tracker, _)| fill(tracker), BatchSize::PerIteration);
    });

    let dir = tempfile::tempdir().unwrap();
    let tracker = open(dir.path());
    let keys = fill(&tracker);
    for key in &keys {
        let tx = tracker.db().begin().unwrap();
        for token in ["1", "2"] {
            let text = "Bei uns nachgestellt.".to_owned();
            let comment = NewComment { text, token: token.to_owned(), ..NewComment::default() };
            tracker.comment(key, &comment).unwrap();
        }
        tx.commit().unwrap();
    }
    group.bench_function("read, one call", |b| b.iter(|| tracker.get_many(&keys).unwrap()));
    group.bench_function("read, one call each", |b| {
        b.iter(|| keys.iter().for_each(|key| drop(black_box(tracker.get(key).unwrap()))));
    });
    group.bench_function("find", |b| {
        b.iter(|| {
            (0..ISSUES)
                .for_each(|n| drop(black_box(tracker.find(&format!("main/p:{n}")).unwrap())));
        });
    });
    let mut turn = 0;
    group.bench_function("update one field, one transaction", |b| {
        b.iter(|| {
            turn += 1;
            let change = Changes::from([("status".to_owned(), Value::text(turn.to_string()))]);
            let tx = tracker.db().begin().unwrap();
            keys.iter().for_each(|key| drop(tracker.update(key, &change, None).unwrap()));
            tx.commit().unwrap();
        });
    });
    let same = fields(0);
    group.bench_function("update nothing, one transaction", |b| {
        let tx = tracker.db().begin().unwrap();
        let same = Changes::from([("assignee".to_owned(), same["assignee"].clone())]);
        b.iter(|| keys.iter().for_each(|key| drop(tracker.update(key, &same, None).unwrap())));
        drop(tx);
    });
    let token = tracker.changed_since(None).unwrap().token;
    group.throughput(Throughput::Elements(1));
    group.bench_function("ask what changed, nothing did", |b| {
        b.iter(|| tracker.changed_since(Some(&token)).unwrap());
    });
    group.finish();
}

criterion_group!(benches, tracker);
criterion_main!(benches);
