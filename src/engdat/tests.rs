//! Known answers: names, messages, packages.

use chrono::{NaiveDate, NaiveDateTime};

use super::*;
use crate::Finding;

pub(super) fn words(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.code.as_str()).collect()
}

pub(super) fn fixture(path: &str) -> Vec<u8> {
    std::fs::read(format!("{}/fixtures/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

pub(super) fn name(text: &str) -> PackageName {
    text.parse().unwrap()
}

pub(super) fn part(text: &str) -> PartName {
    text.parse().unwrap()
}

pub(super) fn at(year: i32, month: u32, day: u32, h: u32, m: u32, s: u32) -> NaiveDateTime {
    NaiveDate::from_ymd_opt(year, month, day).unwrap().and_hms_opt(h, m, s).unwrap()
}

pub(super) fn read_kindly(bytes: &[u8]) -> Description {
    read(bytes, &Levels::default())
}

#[test]
fn names_are_read_leniently() {
    let found = part("ENG040317135500ABCDE002001");
    assert_eq!(found.package.reference(), "040317135500ABCDE");
    assert_eq!(found.package.stamp(), Some(at(2004, 3, 17, 13, 55, 0)));
    assert_eq!((found.total, found.index, found.suffix.as_str()), (2, 1, ""));
    let found = part("ENG00000000000098316004003");
    assert_eq!((found.package.stamp(), found.total, found.index), (None, 4, 3));
    let found = part("ENG040317135500ABCDE00200220240101120000");
    assert_eq!((found.index, found.suffix.as_str()), (2, "20240101120000"));
    assert_eq!(found.group(), "ENG040317135500ABCDE002");
    assert_eq!(part("EN2040317135500ABCDE002001").package.as_str(), "EN2040317135500ABCDE");
    let cases = [
        ("ENG040317135500ABCDE002000", "number is 000"),
        ("ENG040317135500ABCDE002004", "greater than the total"),
        ("ENG040317135500ABCDE000001", "total is 000"),
        ("ENG040317135500ABCDE00200", "not an ENGDAT name"),
        ("ENG040317135500ABCDE0020x1", "not digits"),
        ("eng040317135500ABCDE002001", "not an ENGDAT name"),
        ("notes.txt", "not an ENGDAT name"),
        ("ENG040317135500ABC/E002001", "'/'"),
        ("ENG040317135500ABCDE002001/..", "'/'"),
        ("ENG040317135500ABC\0E002001", "'\\0'"),
        ("ENG040317135500ABCÄ002001", "not an ENGDAT name"),
    ];
    for (text, reason) in cases {
        let error = text.parse::<PartName>().unwrap_err().to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn odd_names_are_reported() {
    let cases = [
        ("ENG040317135500ABCDE002002", &[][..]),
        ("ENG040317135500ABCDE002003", &["engdat-total-without-message"]),
        ("ENG040317135500ABCDE001001", &["engdat-total-without-message"]),
        ("ENG040317135500abcde002001", &["engdat-name"]),
        ("ENG040317135500AB DE002001", &["engdat-name"]),
    ];
    for (text, expected) in cases {
        assert_eq!(words(&part(text).findings()), expected, "{text}");
    }
}

#[test]
fn names_are_written_strictly() {
    assert_eq!(
        part("ENG040317135500ABCDE002001").strict(),
        Ok("ENG040317135500ABCDE002001".into())
    );
    for text in [
        "EN2040317135500ABCDE002001",
        "ENG040317135500abcde002001",
        "ENG040317135500AB DE002001",
        "ENG040317135500AB-DE002001",
        "ENG04031713550XABCDE002001",
        "ENG040317135500ABCDE002003",
        "ENG040317135500ABCDE0020011",
    ] {
        assert!(part(text).strict().is_err(), "{text}");
    }
}

#[test]
fn names_count_on() {
    let now = at(2025, 3, 10, 9, 20, 0);
    let cases = [
        (None, "ENG25031009200000PAG"),
        (Some("ENG25031009195999XXX"), "ENG25031009200000PAG"),
        (Some("ENG25031009200000ZZZ"), "ENG25031009200001PAG"),
        (Some("ENG25031009200099AAA"), "ENG25031009200100PAG"),
        (Some("ENG25031009595999AAA"), "ENG25031010000000PAG"),
        (Some("ENG25123123595999AAA"), "ENG26010100000000PAG"),
        (Some("ENG25031023000041AAA"), "ENG25031023000042PAG"),
    ];
    for (highest, expected) in cases {
        let highest = highest.map(name);
        assert_eq!(next_name(now, highest.as_ref(), "PAG").as_str(), expected, "{highest:?}");
    }
    assert_eq!(name_tail(None, "Pa-gDE"), Ok("PAG".to_owned()));
    assert_eq!(name_tail(None, "ä7"), Ok("7XX".to_owned()));
    assert_eq!(name_tail(Some("MFA"), "PAG"), Ok("MFA".to_owned()));
    assert!(name_tail(Some("mfa"), "PAG").is_err());
    assert!(name_tail(Some("MFAG"), "PAG").is_err());
}

#[test]
fn virtual_file_names_are_what_oftp_can_carry() {
    let good = ["ENG26112008000000MFA002001", "A", "A-B.C&(D)"];
    assert!(good.iter().all(|name| virtual_file_name(name).is_ok()));
    let bad = ["", ".A", "a", "A B", "A/B", "A_B", "\u{c4}", "ENG26112008000000MFA0020010"];
    assert!(bad.iter().all(|name| virtual_file_name(name).is_err()));
}

#[test]
fn the_first_sequence_is_understood() {
    let bytes = fixture("engdat/sequence-one.edi");
    let Description { message, findings } = read_kindly(&bytes);
    assert_eq!(words(&findings), [""; 0]);
    let message = message.unwrap();
    assert_eq!(message.reference, "26012809070012345");
    assert_eq!(message.issued, Some(at(2026, 1, 28, 9, 7, 0)));
    assert_eq!(message.envelope.prepared, Some(at(2026, 1, 29, 9, 7, 0)));
    assert_eq!(message.sender.address[1], "Tor 3+4");
    assert_eq!(message.sender.technical.as_ref().unwrap().name, "Datendienst Nord?");
    assert_eq!(message.sender.email, "ilse.jaeger@fahrzeugwerke.example");
    let document = message.documents().next().unwrap();
    assert_eq!((document.code.as_str(), document.number.as_str()), ("310", "FZAG00077"));
    assert_eq!(
        document.texts[0].lines,
        ["Anfrage zum Kühlmittelregler", "Baureihe W7: bitte bis KW 9", "'Eilt'?"]
    );
    let file = &message.files[0];
    assert_eq!((file.index, file.name.as_str()), (2, "KUEHLREGLER.IGS"));
    assert_eq!(file.data_types, ["Flächenmodell", "Drahtmodell"]);
    assert_eq!(file.texts().count(), 2);
    let drawing = file.drawings().next().unwrap();
    assert_eq!((drawing.number.as_str(), drawing.texts.len()), ("22-71 D 000123", 1));
    assert_eq!(file.links().next().unwrap().code, "LAY");
    assert_eq!(file.security().next().unwrap().values.len(), 3);
    assert_eq!((message.files.len(), message.total, message.unit.as_str()), (2, 3, "PCE"));
    assert_eq!(write(&message), Ok(bytes));
}

#[test]
fn the_second_sequence_is_understood() {
    let bytes = fixture("engdat/sequence-two.edi");
    let Description { message, findings } = read_kindly(&bytes);
    assert_eq!(words(&findings), [""; 0]);
    let message = message.unwrap();
    assert!(same_routing(&message.sender.routing, "FZAG"));
    assert_eq!(
        (message.document_date, message.issued),
        (NaiveDate::from_ymd_opt(2026, 1, 30), None)
    );
    let file = &message.files[0];
    assert_eq!(
        (file.index, file.status_code.as_str(), file.status.as_str()),
        (2, "", "Einbauuntersuchung")
    );
    assert_eq!((file.department.as_str(), file.data_types[0].as_str()), ("", "3D-Modell"));
    assert_eq!(write(&message), Ok(bytes));
}

#[test]
fn a_changed_message_is_written_canonically() {
    for path in ["engdat/sequence-one.edi", "engdat/sequence-two.edi"] {
        let mut message = read_kindly(&fixture(path)).message.unwrap();
        message.authorisation = "NEU".to_owned();
        message.sender.routing = message.sender.routing.trim().to_owned();
        let bytes = write(&message).unwrap();
        let again = read_kindly(&bytes);
        assert_eq!(words(&again.findings), [""; 0]);
        assert_eq!(again.message, Some(message));
    }
}

#[test]
fn golden_descriptions() {
    let cases: &[(&str, bool, &[&str])] = &[
        ("ok-one-file", true, &[]),
        ("ok-three-files", true, &[]),
        ("ok-una-default", true, &[]),
        ("una-other-signs", true, &[]),
        ("counts-wrong", true, &["engdat-total", "control-count", "control-count"]),
        ("trailing-lf", true, &["edifact-line-ends"]),
        ("crlf-after-segments", true, &["edifact-line-ends"]),
        ("mid-extra-element", true, &["edifact-extra"]),
        ("mid-extra-component", true, &["edifact-extra"]),
        ("unknown-segment", true, &["engdat-unknown-segment", "control-count"]),
        ("two-interchanges", false, &["bad-edifact"]),
        ("missing-tot", false, &["control-count", "engdat-missing-segment"]),
        ("unz-ref-differs", false, &["control-reference"]),
        ("utf8-text", true, &["edifact-utf8"]),
        ("truncated", false, &["edifact-truncated"]),
        ("no-final-terminator", false, &["edifact-truncated"]),
        ("empty", false, &["edifact-truncated"]),
        ("efc-seq-not-numeric", false, &["edifact-type", "engdat-file-number"]),
        ("efc-name-36", true, &["edifact-too-long"]),
        ("escaped-signs", true, &[]),
        ("escape-before-terminator", true, &[]),
        ("wrong-partner", true, &[]),
    ];
    for (file, accepted, expected) in cases {
        let bytes = fixture(&format!("edifact/{file}.edi"));
        let description = read_kindly(&bytes);
        assert_eq!(words(&description.findings), *expected, "{file}");
        assert_eq!(description.usable().is_some(), *accepted, "{file}");
        let truncated = expected.contains(&"edifact-truncated");
        assert_eq!(is_truncated(&description.findings), truncated, "{file}");
    }
    let department = |file: &str| {
        let message = read_kindly(&fixture(file)).message.unwrap();
        message.files[0].department.clone()
    };
    assert_eq!(department("edifact/escaped-signs.edi"), "a+b:c?d'e");
    assert_eq!(department("edifact/escape-before-terminator.edi"), "null?");
}

#[test]
fn a_count_that_is_two_too_high_is_tolerated() {
    let bytes = fixture("engdat/generated-with-count-plus-two.edi");
    let description = read_kindly(&bytes);
    assert_eq!(words(&description.findings), ["control-count"]);
    assert!(description.usable().is_some());
    let strict = Levels { strict: vec!["control-count".into()], ignore: vec![] };
    assert!(read(&bytes, &strict).usable().is_none());
    let silent = Levels { strict: vec![], ignore: vec!["control-count".into()] };
    assert_eq!(words(&read(&bytes, &silent).findings), [""; 0]);
}

#[test]
fn levels_cannot_ignore_what_is_essential() {
    let ignore = ["edifact-truncated", "control-reference", "no-such-word"].map(String::from);
    let levels = Levels { strict: vec![], ignore: ignore.to_vec() };
    assert_eq!(levels.unknown(), ["edifact-truncated", "no-such-word"]);
    assert!(read(&fixture("edifact/unz-ref-differs.edi"), &levels).usable().is_some());
    assert!(read(&fixture("edifact/truncated.edi"), &levels).usable().is_none());
}

#[test]
fn unknown_segments_stay_in_place() {
    let plain = String::from_utf8_lossy(&fixture("engdat/sequence-two.edi")).into_owned();
    let places = ["MID+", "SDE+", "RDE+", "EFC+", "FTX+", "TOT+", "UNT+"];
    for place in places {
        let text = plain.replace(place, &format!("XYZ+a?+:b'{place}")).replace("UNT+8", "UNT+9");
        let bytes: Vec<u8> = text.chars().map(|c| c as u8).collect();
        let description = read_kindly(&bytes);
        assert_eq!(words(&description.findings), ["engdat-unknown-segment"], "{place}");
        let mut message = description.message.unwrap();
        message.authorisation = "changed".to_owned();
        message.sender.routing = "FZAG".to_owned();
        let written = write(&message).unwrap();
        let written: String = written.iter().map(|&b| b as char).collect();
        assert!(written.contains(&format!("XYZ+a?+:b'{place}")), "{written}");
        assert!(written.contains("UNT+9"), "{written}");
    }
}

#[test]
fn row_37_odd_messages() {
    let plain = String::from_utf8_lossy(&fixture("engdat/sequence-two.edi")).into_owned();
    let cases: &[(&str, &str, bool, &[&str])] = &[
        ("ENGDAT:002::OD", "ENGDAT:001::OD", true, &[]),
        ("ENGDAT:002::OD", "ENGDAT:003::OD", true, &["engdat-version"]),
        ("ENGDAT:002::OD", "ENGDAT:002", true, &["engdat-version"]),
        ("ENGDAT:002::OD", "ORDERS:002::OD", false, &["engdat-message-type"]),
        ("TOT+2'", "TOT+1'", true, &["engdat-total-without-message"]),
        ("TOT+2'", "TOT+7'", true, &["engdat-total"]),
        ("EFC+2:", "EFC+1:", false, &["engdat-file-number"]),
        ("EFC+2:", "EFC+0:", false, &["engdat-file-number"]),
        ("EFC+2:992647001.exp", "EFC+2", true, &["engdat-file-name"]),
        ("+260130'", "+269930'", true, &["engdat-date"]),
        ("+DE+FZAG '", "+DE'", true, &["edifact-missing", "engdat-routing"]),
    ];
    for (from, to, accepted, expected) in cases {
        let text = plain.replacen(from, to, 1);
        assert_ne!(text, plain, "{from}");
        let bytes: Vec<u8> = text.chars().map(|c| c as u8).collect();
        let description = read_kindly(&bytes);
        assert_eq!(words(&description.findings), *expected, "{to}");
        assert_eq!(description.usable().is_some(), *accepted, "{to}");
    }
}

#[test]
fn version_3_is_recognised() {
    for bytes in [&b"<?xml version=\"1.0\"?><ENGDAT/>"[..], b"\xef\xbb\xbf \r\n<a/>"] {
        let description = read_kindly(bytes);
        assert_eq!(words(&description.findings), ["engdat-v3"]);
        assert_eq!(reason(&description.findings), code::ENGDAT_V3);
    }
}
