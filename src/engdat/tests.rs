//! Known answers: names, messages, packages.

use chrono::{NaiveDate, NaiveDateTime};

use super::*;
use crate::{Finding, Severity};

fn words(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.code.as_str()).collect()
}

fn fixture(path: &str) -> Vec<u8> {
    std::fs::read(format!("{}/fixtures/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn name(text: &str) -> PackageName {
    text.parse().unwrap()
}

fn part(text: &str) -> PartName {
    text.parse().unwrap()
}

fn at(year: i32, month: u32, day: u32, h: u32, m: u32, s: u32) -> NaiveDateTime {
    NaiveDate::from_ymd_opt(year, month, day).unwrap().and_hms_opt(h, m, s).unwrap()
}

fn read_kindly(bytes: &[u8]) -> Description {
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
fn odd_messages() {
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

fn parties() -> (Party, Party) {
    let own = Party {
        id: "O0013000002MZGX".into(),
        name: "Muster Zulieferer GmbH".into(),
        address: vec![
            "Hauptstraße 2".into(),
            "80000 München".into(),
            String::new(),
            "GERMANY".into(),
        ],
        country: "DE".into(),
        routing: "MZGDE".into(),
        department: "Entwicklung".into(),
        email: "supplier@example.com".into(),
        ..Party::default()
    };
    let peer = Party {
        id: "O0013000001OEMX".into(),
        name: "Beispiel OEM AG".into(),
        address: vec!["Werkstrasse 1".into(), "70000 Stuttgart".into(), "GERMANY".into()],
        country: "DE".into(),
        routing: "PAGDE".into(),
        department: "EE".into(),
        email: "oem@example.com".into(),
        ..Party::default()
    };
    (own, peer)
}

#[test]
fn an_answer_is_written_as_partners_know_it() {
    let (own, peer) = parties();
    let package = name("ENG25031009200000PAG");
    let issued = at(2025, 3, 10, 9, 20, 0);
    let files = [FileEntry { system: "trackersync".into(), ..FileEntry::archive("PKZIP-Archive") }];
    let message = compose(&package, issued, &own, &peer, &files);
    let bytes = write(&message).unwrap();
    let known = fixture("engdat/generated-with-count-plus-two.edi");
    // The known one counts UNB and UNZ as segments of the message.
    let text = |bytes: &[u8]| bytes.iter().map(|&b| b as char).collect::<String>();
    assert_eq!(text(&bytes), text(&known).replace("UNT+9", "UNT+7"));
}

#[test]
fn what_does_not_fit_is_refused_with_its_field() {
    let (own, peer) = parties();
    let package = name("ENG25031009200000PAG");
    let issued = at(2025, 3, 10, 9, 20, 0);
    let files = [FileEntry::archive("PKZIP-Archive")];
    let long = Party { name: "x".repeat(36), ..own.clone() };
    let refused = write(&compose(&package, issued, &long, &peer, &files)).unwrap_err();
    assert_eq!(words(&refused), ["edifact-too-long", "edifact-too-long"]);
    assert!(refused[0].text.contains("SDE party name"), "{}", refused[0].text);
    let foreign = Party { name: "Łódź".into(), ..own.clone() };
    let message = compose(&package, issued, &foreign, &peer, &files);
    assert_eq!(words(&write(&message).unwrap_err())[0], "edifact-character");
    let bytes = write_with(&message, Transliterate::Yes).unwrap();
    assert_eq!(read_kindly(&bytes).message.unwrap().sender.name, "Lódz");
    let lines = Party { address: vec!["a".into(); 5], ..own };
    let message = compose(&package, issued, &lines, &peer, &files);
    assert_eq!(words(&write(&message).unwrap_err()), ["edifact-extra", "edifact-extra"]);
}

#[test]
fn file_names_keep_their_extension() {
    let cases = [
        ("short.zip", "short.zip"),
        ("a-very-long-name-of-a-file-indeed-it-is.zip", "a-very-long-name-of-a-file-inde.zip"),
        ("a-very-long-name-of-a-file-indeed-it-is", "a-very-long-name-of-a-file-indeed-i"),
        (".a-very-long-name-that-begins-with-a-dot", ".a-very-long-name-that-begins-with-"),
        ("x.a-very-long-extension-of-a-file-name-here", "x.a-very-long-extension-of-a-file-n"),
        ("ümläut-ümläut-ümläut-ümläut-ümläut.zip", "ümläut-ümläut-ümläut-ümläut-ümlä.zip"),
    ];
    for (from, to) in cases {
        let expected: String = if from.starts_with('ü') {
            "ümläut-ümläut-ümläut-ümläut-üml.zip".into()
        } else {
            to.into()
        };
        assert_eq!(cut_file_name(from, 35), expected);
    }
}

/// A package of `files` data files, and its description.
fn package(files: u16) -> (PackageName, Vec<u8>) {
    let (own, peer) = parties();
    let package = name("ENG25031009200000PAG");
    let files = vec![FileEntry::archive("PKZIP-Archive"); usize::from(files)];
    let message = compose(&package, at(2025, 3, 10, 9, 20, 0), &peer, &own, &files);
    (package, write(&message).unwrap())
}

/// `complete`, `waiting 2 3`, or the words of the errors.
fn outcome(assembly: &Assembly) -> String {
    match assembly {
        Assembly::Complete(package) => {
            let mut words = vec!["complete"];
            words.extend(self::words(&package.findings));
            words.join(" ")
        }
        Assembly::Waiting { missing } => format!("waiting {missing:?}"),
        Assembly::Broken(findings) => {
            let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
            errors.map(|finding| finding.code.as_str()).collect::<Vec<_>>().join(" ")
        }
    }
}

#[test]
fn packages_are_put_together() {
    let (package, description) = package(2);
    let cases: &[(&[&str], &str)] = &[
        (&[], "waiting [1]"),
        (&["003002"], "waiting [1, 3]"),
        (&["003001"], "waiting [2, 3]"),
        (&["003001", "003003_x"], "waiting [2]"),
        (&["003003", "003001_20250310", "003002.tmp"], "complete"),
        (&["003001", "003002", "003003", "003003_again"], "engdat-part-twice"),
        (&["003001", "003002", "004003"], "identity-reuse"),
        (&["002001", "002002", "002003"], "complete engdat-total-without-message engdat-total"),
        (&["004001", "004002", "004003"], "waiting [4]"),
        (&["004001", "004002", "004003", "004004"], "complete engdat-total engdat-part-unlisted"),
    ];
    for (parts, expected) in cases {
        let parts: Vec<PartName> = parts.iter().map(|p| part(&format!("{package}{p}"))).collect();
        let bytes = parts.iter().any(|p| p.index == 1).then_some(description.as_slice());
        let assembly = assemble(&package, &parts, bytes, &Levels::default());
        assert_eq!(outcome(&assembly), *expected, "{parts:?}");
        if let Assembly::Complete(found) = assembly {
            let indices: Vec<u16> = found.files.iter().map(|(file, _)| file.index).collect();
            assert!(found.files.iter().all(|(file, part)| file.index == part.index));
            assert_eq!(indices, (2..).take(indices.len()).collect::<Vec<_>>());
            assert_eq!(found.description.index, 1);
        }
    }
}

#[test]
fn a_description_that_cannot_be_used_breaks_the_package() {
    let package = name("ENG25031008000001PAG");
    let parts = [part("ENG25031008000001PAG002001"), part("ENG25031008000001PAG002002")];
    let cases = [
        ("ok-one-file", "complete"),
        ("crlf-after-segments", "complete edifact-line-ends"),
        ("two-interchanges", "bad-edifact"),
        ("missing-tot", "engdat-missing-segment"),
        ("truncated", "edifact-truncated"),
        ("unz-ref-differs", "control-reference"),
    ];
    for (file, expected) in cases {
        let bytes = fixture(&format!("edifact/{file}.edi"));
        let assembly = assemble(&package, &parts, Some(&bytes), &Levels::default());
        assert_eq!(outcome(&assembly), expected, "{file}");
    }
    let other = name("ENG25031008000002PAG");
    let parts = parts.map(|p| PartName { package: other.clone(), ..p });
    let bytes = fixture("edifact/ok-one-file.edi");
    let assembly = assemble(&other, &parts, Some(&bytes), &Levels::default());
    assert_eq!(outcome(&assembly), "complete engdat-reference");
}

#[test]
fn a_message_is_explained() {
    let message = read_kindly(&fixture("engdat/sequence-one.edi")).message.unwrap();
    let expected = "\
ENGDAT package 26012809070012345 of 2026-01-28 09:07 (version 002)
from Fahrzeugwerke Grünau AG (DE), routing code \"FZ0590021\", id F2
  contact Ilse Jäger, EK-7, +49 351 1234, ilse.jaeger@fahrzeugwerke.example
to Zulieferer Weißbach GmbH (DE), routing code \"ZLWEISSB\", id ZL
  contact Änne Öhm, KON, +49 371 77
authorisation FZAG-QRST
document FZAG00077 Angebot (310) of 260121
  text: Anfrage zum Kühlmittelregler / Baureihe W7: bitte bis KW 9 / 'Eilt'?
2 data files
  002 KUEHLREGLER.IGS: IGES (IGS) 5.2; data US ASCII 7BIT (646); made by KONSTRUKT RX 4.2.2; status Angebot (TOD); Flächenmodell, Drahtmodell; compression Keine
    text: Stand Musterphase B
    text: Toleranzen nach Blatt 2
    drawing 22-71 D 000123 Kühlmittelregler, sheet 1, format A0, status dispositionsfrei, since 260118
      text: Ansicht von hinten fehlt
    linked to 003 LAGEN.LAY (22-71 D): Layer-Konventionen (LAY)
    security 38QXB10, QXX0A, FZAG-QRST
  003 LAGEN.LAY (22-71 D): Text; data ISO 8859 (885); made by KONSTRUKT RX; status for information (INF)
    text: Lagenbelegung
    security 38QXB11";
    assert_eq!(explain(&message).join("\n"), expected);
}

#[test]
fn any_file_can_be_packed() {
    let (own, peer) = parties();
    let package = name("ENG25031009200000PAG");
    let text = "Bitte prüfen, ob die Bohrung auf Blatt 2 noch zum Stand der Serie passt, und bis Freitag antworten.";
    let files = [
        FileEntry::guess("Kühlmittelregler Baureihe W7 Stand B.igs").with_text(text),
        FileEntry::guess("notes.txt"),
        FileEntry::guess("noextension"),
    ];
    let message = compose(&package, at(2025, 3, 10, 9, 20, 0), &own, &peer, &files);
    let again = read_kindly(&write(&message).unwrap());
    assert_eq!(words(&again.findings), [""; 0]);
    let again = again.message.unwrap();
    assert_eq!(again, message);
    assert_eq!(again.files[0].name, "Kühlmittelregler Baureihe W7 St.igs");
    let lines: Vec<String> = again.files[0].texts().flat_map(|t| t.lines.clone()).collect();
    assert_eq!(lines.join(" "), text);
    let indices: Vec<u16> = again.files.iter().map(|file| file.index).collect();
    assert_eq!((indices, again.total), (vec![2, 3, 4], 4));
}
