//! A reader of what the partner gets that shares no line with the program.

use std::fs;
use std::io::Read;
use std::path::Path;

/// What a package says, as far as the tests ask.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) sender: String,
    pub(crate) receiver: String,
    /// The number in our tracker, its state, its description.
    pub(crate) issues: Vec<(String, String, String)>,
}

/// Reads the package whose parts begin with `name` in `dir`; anything odd panics.
pub(crate) fn read(dir: &Path, name: &str) -> Answer {
    let description = fs::read(dir.join(format!("{name}002001"))).unwrap();
    // UNOC is ISO 8859-1: a byte is a character.
    let text: String = description.iter().map(|byte| char::from(*byte)).collect();
    let segments = segments(&text);
    let tags: Vec<&str> = segments.iter().map(|segment| segment[0].as_str()).collect();
    assert_eq!(&tags[..3], ["UNB", "UNH", "MID"], "{tags:?}");
    assert_eq!(&tags[tags.len() - 3..], ["TOT", "UNT", "UNZ"], "{tags:?}");
    let of = |tag: &str| segments.iter().find(|segment| segment[0] == tag).unwrap();
    assert_eq!(of("MID")[1], name[3..], "the exchange reference");
    assert_eq!(of("UNT")[1], (segments.len() - 2).to_string(), "segments from UNH to UNT");
    assert_eq!(of("UNT")[2], of("UNH")[1]);
    assert_eq!(of("UNZ")[2], of("UNB")[5]);
    assert_eq!(of("TOT")[1], "2");
    let data = fs::File::open(dir.join(format!("{name}002002"))).unwrap();
    let mut zip = zip::ZipArchive::new(data).unwrap();
    let mut issues = Vec::new();
    for index in 0..zip.len() {
        let mut member = zip.by_index(index).unwrap();
        if !member.name().unwrap().ends_with(".xml") {
            continue;
        }
        let mut text = String::new();
        member.read_to_string(&mut text).unwrap();
        let own = between(&text, "<COMPANY-ISSUE-INFO>", "</COMPANY-ISSUE-INFO>");
        assert!(between(own, "<TRANSACTION-ID>", "<").starts_with(&name[3..]), "{own}");
        issues.push((
            between(own, "<ISSUE-ID>", "<").to_owned(),
            between(&text, "<ISSUE-STATE>", "<").to_owned(),
            between(&text, "<ISSUE-DESC>", "</ISSUE-DESC>").to_owned(),
        ));
    }
    Answer { sender: of("UNB")[2].clone(), receiver: of("UNB")[3].clone(), issues }
}

/// Cuts an interchange with the usual service characters into segments and elements.
fn segments(text: &str) -> Vec<Vec<String>> {
    let (mut all, mut elements, mut current) = (Vec::new(), Vec::new(), String::new());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '?' => current.extend(characters.next()),
            '+' => elements.push(std::mem::take(&mut current)),
            '\'' => {
                elements.push(std::mem::take(&mut current));
                all.push(std::mem::take(&mut elements));
            }
            other => current.push(other),
        }
    }
    assert!(elements.is_empty() && current.is_empty(), "the interchange does not end");
    all
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from} in {text}"));
    rest.split_once(to).unwrap().0
}
