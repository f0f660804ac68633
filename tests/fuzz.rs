//! Drives the fuzz targets on stable Rust: mutations of the committed corpora for a fixed time.
//! `ENGSYNC_FUZZ_SECONDS` is the time for each target; `.ci/run` sets a minute, the default is
//! short.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::path::Path;
use std::time::{Duration, Instant};

use engsync::{asam, engdat};

/// What is put into inputs: whatever structures them.
const DICTIONARY: &[&[u8]] = &[
    b"'",
    b"+",
    b":",
    b"?",
    b"??",
    b"?'",
    b"*",
    b"\r\n",
    b" ",
    b"\0",
    b"\x1a",
    b"\xef\xbb\xbf",
    b"\x1c",
    b"\x1d",
    b"\x1f",
    b"\xfc",
    b"\xc3\xbc",
    b"UNA:+.? '",
    b"UNA:+.?*'",
    b"UNB+UNOC:1+A+B+260101:1200+9'",
    b"UNB+UNOY:4+A+B+20260101:1200+9'",
    b"UNH+1+ENGDAT:002::OD'",
    b"UNT+2+1'",
    b"UNZ+1+9'",
    b"UNG+",
    b"UNE+1+",
    b"MID+",
    b"SDE+",
    b"RDE+",
    b"DAN+",
    b"FTX+",
    b"EFC+002:a'",
    b"DSD+",
    b"LOF+",
    b"SEC+",
    b"TOT+2'",
    b"XYZ+",
    b"ENG",
    b"EN2",
    b"001",
    b"002",
    b"999",
    b"000",
    b"\n\n",
    b"\n",
    b"<",
    b"/>",
    b"<P>",
    b"</P>",
    b"<ISSUE>",
    b"</ISSUE>",
    b"<ISSUE-ID>",
    b"<!DOCTYPE x>",
    b"<![CDATA[",
    b"]]>",
    b"&amp;",
    b"&#11;",
    b"<!--",
    b"PK\x01\x02",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\xff\xff\xff\xff",
];

/// A small generator; the same seed gives the same run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % end.max(1)
    }
}

fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        let end = (at + 1 + random.below(40)).min(input.len());
        match random.below(8) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = u8::try_from(random.below(256)).unwrap(),
            2 => drop(input.drain(at..end)),
            3 => input.truncate(at),
            4 => {
                let copy = input[at..end].to_vec();
                let to = random.below(input.len() + 1);
                input.splice(to..to, copy);
            }
            5 => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                let to = (from + random.below(200)).min(other.len());
                input.splice(at..at, other[from..to].iter().copied());
            }
            _ => {
                let word = DICTIONARY[random.below(DICTIONARY.len())];
                let over = if random.below(2) == 0 { at } else { end };
                input.splice(at..over, word.iter().copied());
            }
        }
        input.truncate(1 << 14);
    }
}

fn corpus(directories: &[&str]) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = directories
        .iter()
        .flat_map(|directory| std::fs::read_dir(root.join(directory)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= 1 << 14))
        .filter(|path| path.file_name().is_some_and(|name| name != "README.md"))
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

#[test]
fn the_laws_hold_for_mutations_of_the_corpora() {
    #[allow(clippy::disallowed_methods)]
    let seconds = std::env::var("ENGSYNC_FUZZ_SECONDS").ok().map(|text| text.parse().unwrap());
    let budget = Duration::from_secs_f64(seconds.unwrap_or(0.5));
    let targets = engdat::fuzz::TARGETS.iter().chain(asam::fuzz::TARGETS);
    for (seed, (name, target)) in (1..).zip(targets) {
        let seeds = match *name {
            "names" => corpus(&["fuzz/corpus/names"]),
            "assembly" => corpus(&["fuzz/corpus/assembly"]),
            "archive" => corpus(&["fixtures/pfiff", "fixtures/pfiff/hostile"]),
            "document" => corpus(&["fuzz/corpus/document"]),
            "answer" => corpus(&["fuzz/corpus/answer"]),
            _ => corpus(&["fixtures/edifact", "fixtures/engdat"]),
        };
        assert!(seeds.len() > 2, "{name} has no corpus");
        for seed in &seeds {
            assert_eq!(target(seed), Ok(()), "{name}: {}", seed.escape_ascii());
        }
        let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let start = Instant::now();
        let mut runs = 0_u64;
        while start.elapsed() < budget {
            let mut input = seeds[random.below(seeds.len())].clone();
            mutate(&mut input, &seeds, &mut random);
            let result = std::panic::catch_unwind(|| target(&input));
            let broken = match result {
                Ok(Ok(())) => None,
                Ok(Err(law)) => Some(law),
                Err(_) => Some("it panics".to_owned()),
            };
            if let Some(law) = broken {
                panic!("{name}: not so: {law}\ninput: {}", input.escape_ascii());
            }
            runs += 1;
        }
        println!("{name}: {runs} inputs");
        assert!(runs > 10, "{name} ran {runs} times only");
    }
}
