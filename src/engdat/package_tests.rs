//! Known answers: writing, packages, the format page.

use super::tests::{at, fixture, name, part, read_kindly, words};
use super::*;
use crate::Severity;

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

#[test]
fn the_format_page_lists_every_word_once() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/formats/engdat.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (mut listed, mut always) = (Vec::new(), Vec::new());
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let word = line.split('`').nth(1).unwrap();
        if line.split('|').nth(2).unwrap().contains("always") {
            always.push(word);
        }
        listed.push(word);
    }
    let mut known: Vec<&str> = Vec::new();
    for (code, _) in crate::edifact::code::CODES.iter().chain(code::CODES) {
        known.push(code.as_str());
    }
    listed.sort_unstable();
    known.sort_unstable();
    assert_eq!(listed, known);
    // What cannot be ignored is what the page says cannot.
    for word in known {
        let levels = Levels { strict: vec![], ignore: vec![word.to_owned()] };
        assert_eq!(levels.unknown().is_empty(), !always.contains(&word), "{word}");
    }
}

#[test]
fn a_lost_separator_does_not_confuse() {
    // Two separators are missing in RDE, so that people and address run into the routing code.
    let good = "RDE+ZL:Zulieferer Weißbach GmbH:Mühlweg 5:09123 Chemnitz:::195001+DE+ZLWEISSB+KON";
    let bad = "RDE+ZL:Zulieferer Weißbach GmbH:Mühlweg 5:09123 Chemnitz:::195001+DE+ZLWEISSBKON";
    let text: String = fixture("engdat/sequence-one.edi").iter().map(|&b| b as char).collect();
    assert!(text.contains(good));
    let bytes: Vec<u8> = text.replace(good, bad).chars().map(|c| c as u8).collect();
    let description = read_kindly(&bytes);
    assert_eq!(words(&description.findings)[0], "edifact-extra");
    assert_eq!(description.message.unwrap().receiver.routing, "ZLWEISSBKON");
}

#[test]
fn what_is_missing_is_named() {
    let message = read_kindly(&fixture("engdat/sequence-one.edi")).message.unwrap();
    let lines = explain_missing(&[1, 2, 4], Some(&message));
    assert_eq!(
        lines,
        [
            "part 001, the description, has not arrived",
            "part 002, KUEHLREGLER.IGS, has not arrived",
            "part 004 has not arrived",
        ]
    );
}

#[test]
fn json_says_null_for_what_is_not_known() {
    let message = read_kindly(&fixture("engdat/sequence-two.edi")).message.unwrap();
    let json = to_json(&message);
    assert_eq!(json["envelope"]["syntax"], "UNOC:1");
    assert_eq!(json["sender"]["id"], serde_json::Value::Null);
    assert_eq!(json["issued"], serde_json::Value::Null);
    assert_eq!(json["document_date"], "2026-01-30");
    assert_eq!(json["files"][0]["details"][0]["text"]["lines"][0], "Einbaulage links");
}
