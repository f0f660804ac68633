//! The codec on generated ENGDAT of 2 KB, 1 MB and 100 MB, beside a plain memchr scan and the two
//! fastest public EDIFACT crates, in one run: `cargo bench --bench edifact`. `-- --large` adds
//! 100 MB.
//!
//! The peers take UTF-8, so they get the same text with ASCII letters for the umlauts; octet for
//! octet the length is the same.

#![allow(clippy::print_stdout, missing_docs)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use edifact_parser::{EdifactHandler, EdifactStreamParser};
use engsync::edifact::{Decoded, Reading, Style, Writer, parse};
use engsync::engdat;

/// An ENGDAT description of about `size` octets in Latin-1.
fn description(size: usize) -> Vec<u8> {
    let head = "UNA:+.? 'UNB+UNOC:1+O0013009991F2--AG:OD:FZ-EINKAUF+O0013009992ZL--WB:OD:ZL-WEISSB\
        +260129:0907+26012809070012'UNH+26012809070012+ENGDAT:002::OD'MID+26012809070012345+260128\
        :0907'SDE+F2:Fahrzeugwerke Grünau AG:Werkstraße 12:Tor 3?+4:01234 Grünau::884411+DE+FZ0590\
        +EK-7:Ilse Jäger:?+49 351 1234::::?+49 351 1239::ilse@fahrzeugwerke.example'RDE+ZL:Zuliefe\
        rer Weißbach GmbH:Mühlweg 5:09123 Chemnitz+DE+ZLWEISSB+KON:Änne Öhm:?+49 371 77'";
    let mut text = String::with_capacity(size + 1000);
    text.push_str(head);
    let (mut files, mut segments) = (1, 4);
    while text.len() < size || files == 1 {
        files += 1;
        let n = files % 1000;
        text.push_str(&format!(
            "EFC+{n:03}:KUEHLREGLER-{n:03}.IGS+IGS:IGES:5.2+646:US ASCII 7BIT+KONSTRUKT RX:4.2.2:EXP\
            IGS+TOD:Angebot+EK-7+Flächenmodell:Drahtmodell+Keine'FTX+Stand Musterphase B:bitte bis KW\
             9?: Prüfung'DSD++{n}+22-71 D {files:06}+A0+Kühlmittelregler+dispositionsfrei:5:260118'\
            LOF+003:LAGEN.LAY (22-71 D)+LAY:Layer-Konventionen'SEC+38QXB10:QXX0A:FZAG-QRST'"
        ));
        segments += 5;
    }
    text.push_str(&format!(
        "TOT+{files}'UNT+{}+26012809070012'UNZ+1+26012809070012'",
        segments + 2
    ));
    text.chars().map(|c| c as u8).collect()
}

/// The same octets without umlauts.
fn ascii(latin: &[u8]) -> Vec<u8> {
    latin.iter().map(|&b| if b.is_ascii() { b } else { b'e' }).collect()
}

/// Counts what a streaming peer hands over.
#[derive(Default)]
struct Count(usize);

impl EdifactHandler for Count {
    fn on_segment(
        &mut self,
        segment: &edifact_primitives::RawSegment<'_>,
    ) -> edifact_primitives::Control {
        self.0 += segment.elements.iter().map(Vec::len).sum::<usize>();
        edifact_primitives::Control::Continue
    }
}

/// Visits every octet that structures.
fn memchr_scan(bytes: &[u8]) -> usize {
    memchr::memchr3_iter(b'+', b':', b'\'', bytes).count()
}

thread_local! {
    static BEST: RefCell<BTreeMap<(usize, usize, &'static str), Duration>> = RefCell::default();
}

/// Keeps the best time of a case.
fn record(size: usize, order: usize, name: &'static str, time: Duration) {
    BEST.with_borrow_mut(|best| {
        let known = best.entry((size, order, name)).or_insert(time);
        *known = time.min(*known);
    });
}

/// A case: its name and what is run on the octets (true: on their ASCII twin).
type Case = (&'static str, bool, Box<dyn FnMut(&[u8]) -> usize>);

fn cases(sample: &[u8]) -> Vec<Case> {
    let mut spans = Reading::default();
    let mut whole = Reading::default();
    let mut reused = Reading::default();
    let mut decoded = Decoded::default();
    let source = Decoded::new(parse(sample).interchanges.remove(0));
    let mut memory = Vec::new();
    vec![
        ("memchr3, every separator", false, Box::new(memchr_scan)),
        (
            "spans, reused buffers",
            false,
            Box::new(move |bytes| {
                spans.refill_spans(bytes);
                spans.interchanges[0].components()
            }),
        ),
        (
            "spans, fresh",
            false,
            Box::new(|bytes| {
                let mut reading = Reading::default();
                reading.refill_spans(bytes);
                reading.interchanges[0].components()
            }),
        ),
        (
            "spans and all checks, reused",
            false,
            Box::new(move |bytes| {
                whole.refill(bytes);
                whole.findings.len()
            }),
        ),
        (
            "decoded, reused buffers",
            false,
            Box::new(move |bytes| {
                reused.refill_spans(bytes);
                let interchange = reused.interchanges.pop().unwrap_or_default();
                reused.interchanges.push(decoded.refill(interchange));
                decoded.segments().count()
            }),
        ),
        (
            "decoded, fresh",
            false,
            Box::new(|bytes| {
                let mut reading = Reading::default();
                reading.refill_spans(bytes);
                Decoded::new(reading.interchanges.remove(0)).segments().count()
            }),
        ),
        (
            "writing",
            false,
            Box::new(move |_| {
                let style = Style { syntax: *source.interchange().syntax(), ..Style::default() };
                let mut writer = Writer::with_memory(style, std::mem::take(&mut memory));
                source.write_to(&mut writer);
                memory = writer.finish().unwrap_or_default();
                memory.len()
            }),
        ),
        (
            "edifact-parser, streaming",
            true,
            Box::new(|bytes| {
                let mut count = Count::default();
                EdifactStreamParser::parse(bytes, &mut count).ok();
                count.0
            }),
        ),
        (
            "edifact-rs, collected",
            true,
            Box::new(|bytes| {
                edifact_rs::from_bytes(bytes)
                    .collect::<Result<Vec<_>, _>>()
                    .map_or(0, |all| all.len())
            }),
        ),
    ]
}

fn small(criterion: &mut Criterion) {
    for size in [2_000, 1_000_000] {
        let latin = description(size);
        let plain = ascii(&latin);
        let mut group = criterion.benchmark_group(format!("{} KB", latin.len() / 1000));
        group.throughput(Throughput::Bytes(latin.len() as u64));
        for (order, (name, twin, mut run)) in cases(&latin).into_iter().enumerate() {
            let bytes = if twin { &plain } else { &latin };
            assert!(run(bytes) > 0 || name.contains("checks"), "{name} finds nothing");
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|rounds| {
                    let start = Instant::now();
                    for _ in 0..rounds {
                        black_box(run(black_box(bytes)));
                    }
                    let time = start.elapsed();
                    record(
                        latin.len(),
                        order,
                        name,
                        time / u32::try_from(rounds).unwrap_or(u32::MAX),
                    );
                    time
                });
            });
        }
    }
    let latin = description(2_000);
    criterion.bench_function("2 KB: ENGDAT message", |bencher| {
        bencher.iter(|| engdat::read(black_box(&latin), &engdat::Levels::default()));
    });
}

/// High-water mark of memory in MB, where the system tells it.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024 / 1_000_000)
}

/// 100 MB: memory of the decoded model first, then times.
fn large() {
    let latin = description(100_000_000);
    let before = memory();
    let mut reading = Reading::default();
    reading.refill_spans(&latin);
    let spans = memory();
    let decoded = Decoded::new(reading.interchanges.remove(0));
    println!(
        "100 MB: input and program {before:?} MB, with spans {spans:?} MB, decoded {:?} MB ({} components)",
        memory(),
        decoded.interchange().components()
    );
    drop(decoded);
    let plain = ascii(&latin);
    for (order, (name, twin, mut run)) in cases(&latin).into_iter().enumerate() {
        for _ in 0..3 {
            let start = Instant::now();
            black_box(run(if twin { &plain } else { &latin }));
            record(latin.len(), order, name, start.elapsed());
        }
    }
}

/// Throughput of the best round, and how many times as fast as the scan and the peers it is.
fn summary() {
    BEST.with_borrow(|best| {
        let sizes: std::collections::BTreeSet<usize> = best.keys().map(|key| key.0).collect();
        for size in sizes {
            let rows: Vec<_> = best.iter().filter(|(key, _)| key.0 == size).collect();
            let rate = |time: &Duration| size as f64 / 1e6 / time.as_secs_f64();
            let of = |part: &str| rows.iter().find(|(k, _)| k.2.contains(part)).map_or(1.0, |(_, t)| rate(t));
            let (scan, streaming, collected) = (of("memchr"), of("edifact-parser"), of("edifact-rs"));
            println!("\n{size} octets                     MB/s   of memchr  x edifact-parser  x edifact-rs");
            for ((_, _, name), time) in rows {
                let rate = rate(time);
                println!(
                    "{name:32} {rate:8.0}   {:8.2}  {:16.1}  {:12.1}",
                    rate / scan,
                    rate / streaming,
                    rate / collected
                );
            }
        }
    });
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    if has("--large") {
        large();
    } else {
        let mut criterion = Criterion::default()
            .sample_size(10)
            .warm_up_time(Duration::from_millis(100))
            .measurement_time(Duration::from_millis(400))
            .configure_from_args();
        small(&mut criterion);
    }
    if !has("--test") {
        summary();
    }
}
