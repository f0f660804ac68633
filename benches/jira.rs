//! Jira over a stub on loopback: a thousand new issues, a thousand unchanged, a hundred at 20 ms
//! a call; and the CPU time that the client takes of it.
//!
//! `cargo bench --bench jira`

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark stops where it fails")]
#![allow(missing_docs, reason = "criterion's macros, and the stub's tables")]

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use engsync::issue::Value;
use engsync::tracker::http::{self, Auth, Secret};
use engsync::tracker::jira::{Jira, MarkIn, Options};
use engsync::tracker::{Changes, Order, Tracker};

#[path = "../tests/jira/stub.rs"]
mod stub;

use stub::Stub;

fn jira(stub: &Stub) -> Jira {
    let auth = Auth::Basic { user: "sync".into(), password: Secret::new("secret") };
    Jira::new(Options {
        http: http::Options { url: stub.url(), auth, ..http::Options::default() },
        project: "TST".to_owned(),
        issue_type: "Defect".to_owned(),
        marker: MarkIn::Field("External Issue Reference".to_owned()),
        fields: vec!["severity".to_owned(), "Partner Note".to_owned()],
        ..Options::default()
    })
    .unwrap()
}

fn orders(many: usize) -> Vec<Order<'static>> {
    let text = |field: &str, value: String| (field.to_owned(), Value::text(value));
    let fields = |n: usize| -> Changes {
        [
            text("summary", format!("Türgriff hinten links klemmt bei Frost, Fall {n}")),
            text("description", "Bei −10 °C lässt sich die Tür nicht öffnen. ".repeat(20)),
            text("priority", "high".to_owned()),
            text("severity", "2".to_owned()),
            text("Partner Note", "Nachgestellt im Kälteraum.\n".repeat(5)),
            ("labels".to_owned(), Value::list(vec!["tür".to_owned(), "frost".to_owned()])),
        ]
        .into()
    };
    let order =
        |n| Order { marker: format!("main/oem:{n}"), changes: fields(n), ..Order::default() };
    (0..many).map(order).collect()
}

/// What a run does with new issues.
fn first(stub: &Stub, many: usize) -> (Vec<String>, String) {
    let jira = jira(stub);
    jira.outline().unwrap();
    let token = jira.changed_since(None).unwrap().token;
    let orders = orders(many);
    let markers: Vec<&str> = orders.iter().map(|order| order.marker.as_str()).collect();
    jira.find_many(&markers).unwrap();
    jira.before_create().unwrap();
    let receipts = jira.write_many(&orders, &|| true);
    (receipts.into_iter().map(|receipt| receipt.issue.unwrap().id).collect(), token)
}

/// What a run does with issues of which none changed, looking at all of them.
fn unchanged(stub: &Stub, keys: &[String], token: &str) {
    let jira = jira(stub);
    jira.outline().unwrap();
    let feed = jira.changed_since(Some(token)).unwrap();
    assert_eq!(feed.keys.map(|keys| keys.len()), Some(0));
    assert_eq!(jira.get_many(keys).unwrap().iter().flatten().count(), keys.len());
}

fn quiet(stub: &Stub, token: &str) -> String {
    jira(stub).changed_since(Some(token)).unwrap().token
}

/// User and system time of this process's threads but those of the stub, in seconds.
fn cpu(work: impl FnOnce()) -> f64 {
    // Clock ticks of a hundredth of a second: fields 14 and 15 of each thread that is ours. The
    // stub's threads are called so.
    let begun = ticks();
    work();
    (ticks() - begun) / 100.0
}

fn ticks() -> f64 {
    let mut sum = 0.0;
    let of = |stat: &str| -> f64 {
        let after = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<&str> = after.split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        number(11) + number(12)
    };
    let process = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    sum += of(&process);
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        if stat.contains("(stub") {
            sum -= of(&stat);
        }
    }
    sum
}

fn bench(c: &mut Criterion) {
    let stub = Stub::server();
    let begun = Instant::now();
    let used = cpu(|| drop(first(&stub, 1000)));
    println!(
        "1,000 new: {:?}, {used:.2} s CPU of the client, {} calls",
        begun.elapsed(),
        stub.asked().len()
    );

    let mut group = c.benchmark_group("jira");
    group.sample_size(10);
    group.bench_function("1,000 new", |b| {
        b.iter_custom(|rounds| {
            let mut took = Duration::ZERO;
            for _ in 0..rounds {
                let stub = Stub::server();
                let begun = Instant::now();
                first(&stub, 1000);
                took += begun.elapsed();
            }
            took
        });
    });
    let stub = Stub::server();
    let (keys, token) = first(&stub, 1000);
    let token = quiet(&stub, &token);
    group.bench_function("1,000 unchanged", |b| b.iter(|| unchanged(&stub, &keys, &token)));
    group.bench_function("100 new at 20 ms a call", |b| {
        b.iter_custom(|rounds| {
            let mut took = Duration::ZERO;
            for _ in 0..rounds {
                let stub = Stub::server();
                stub.latency(Duration::from_millis(20));
                let begun = Instant::now();
                first(&stub, 100);
                took += begun.elapsed();
            }
            took
        });
    });
    let stub = Stub::server();
    let (keys, token) = first(&stub, 100);
    let token = quiet(&stub, &token);
    stub.latency(Duration::from_millis(20));
    group.bench_function("100 unchanged at 20 ms a call", |b| {
        b.iter(|| unchanged(&stub, &keys, &token));
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
