//! Prometheus' text format, as its documentation has it, and the habits `promtool check metrics` asks
//! for.

use std::collections::BTreeSet;

const TYPES: [&str; 5] = ["counter", "gauge", "histogram", "summary", "untyped"];

/// Everything that is wrong with a page.
pub(crate) fn problems(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut helped = BTreeSet::new();
    let mut declared = BTreeSet::new();
    let mut series = BTreeSet::new();
    let mut current = String::new();
    let mut kind = String::new();
    if !page.ends_with('\n') {
        found.push("the last line has no end".to_owned());
    }
    for (number, line) in page.lines().enumerate() {
        let mut bad = |what: &str| found.push(format!("line {}: {what}: {line}", number + 1));
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
            if text.is_empty() || !helped.insert(name.to_owned()) {
                bad("no help, or again");
            }
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, of) = rest.split_once(' ').unwrap_or((rest, ""));
            if !TYPES.contains(&of) || !declared.insert(name.to_owned()) {
                bad("no type, or again");
            }
            if (of == "counter") != name.ends_with("_total") {
                bad("counters, and they alone, end in _total");
            }
            if !is_name(name) || !helped.contains(name) {
                bad("no name, or no help");
            }
            (current, kind) = (name.to_owned(), of.to_owned());
        } else {
            let Some((name, labels, value)) = sample(line) else {
                bad("no sample");
                continue;
            };
            if name != current || kind.is_empty() {
                bad("not behind its type");
            }
            if !series.insert((name, labels)) {
                bad("twice");
            }
            if value.parse::<f64>().is_err() {
                bad("no number");
            }
        }
    }
    found
}

fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| good(c) && !c.is_ascii_digit()) && name.chars().all(good)
}

type Labels = BTreeSet<(String, String)>;

/// Name, labels in an order of their own, and value.
fn sample(line: &str) -> Option<(String, Labels, String)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeSet::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, behind) = rest.split_once("=\"")?;
            let (value, behind) = quoted(behind)?;
            if !is_name(label) || !labels.insert((label.to_owned(), value)) {
                return None;
            }
            match behind.strip_prefix(',') {
                Some(next) => rest = next,
                None => {
                    rest = behind.strip_prefix('}')?;
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ')?;
    (is_name(name) && !value.contains(' ')).then(|| (name.to_owned(), labels, value.to_owned()))
}

/// A label's value and what is behind its closing quote.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                '\\' => '\\',
                '"' => '"',
                'n' => '\n',
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    None
}
