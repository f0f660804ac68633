//! What `inspect` says of an archive.

use super::*;
use crate::Severity;

/// The lines and the findings.
fn explained(archive: &Archive) -> (Vec<String>, Vec<Finding>) {
    let (mut lines, mut findings) = (Vec::new(), Vec::new());
    let mut each = |piece| {
        match piece {
            Piece::Finding(finding) => findings.push(finding),
            piece => lines.extend(piece.lines()),
        }
        Ok(())
    };
    explain(archive, &mut each).unwrap();
    (lines, findings)
}

#[test]
fn a_sample_in_plain_words() {
    let archive = open(sample("s2_multi_xml_pudis.zip")).unwrap();
    let (lines, findings) = explained(&archive);
    assert_eq!(
        lines,
        [
            "company   Dr.-Ing. Musterfahrzeug AG (MFAG)",
            "company   Beispiel Elektronik GmbH (BEG)",
            "document  ./teil_a.xml: pfiff PAG_ASAM_ISSUE_SCHEMA_V3.0.xsd, 2024/03/07T09:15:00, 3 issues",
            "  issue   MFAG 200001: Sitzheizung: Stufe 2 ohne Funktion [RECEIVED]",
            "  issue   BEG ECU-3, MFAG 200002: Lenkradverstellung: Memory vergisst Position [no state]",
            "  issue   MFAG 200003: Leerer Datensatz [no state]",
            "document  TEIL_B.XML: pfiff PAG_ASAM_ISSUE_SCHEMA_V3.0.xsd, 2024/03/07T09:20:00, 1 issue",
            "  issue   MFAG 200004: Ambientelicht: Farbe weicht ab (ΔE > 3) [no state]",
            "    file  messung.xml (38 bytes)",
            "file      docs/messung.xml: 38 bytes",
            "file      liesmich.txt: 13 bytes",
        ]
    );
    assert_eq!(codes(&findings), ["unknown-member-ref"]);
    assert_eq!(findings[0].severity, Severity::Warning);
}

#[test]
fn a_damaged_file_is_found_by_reading_it() {
    let archive = open(sample("hostile/h33_bad_crc.zip")).unwrap();
    assert_eq!(codes(&explained(&archive).1), ["content-damaged"]);
    let archive = open(sample("hostile/h10_control_char.zip"));
    assert!(!archive.err().unwrap().what.contains("byte 0"));
}

#[test]
fn damage_is_an_error() {
    for (name, code) in [
        ("hostile/h08_not_well_formed.zip", "bad-xml"),
        ("hostile/h11_no_problem_number.zip", "no-number"),
        ("hostile/h44_empty.zip", "no-documents"),
    ] {
        let bytes = Cursor::new(sample(name));
        let archive = Archive::examine(bytes, "x.zip", &Limits::default()).unwrap();
        let (_, findings) = explained(&archive);
        assert!(findings.iter().any(|finding| finding.severity == Severity::Error), "{name}");
        assert!(codes(&findings).contains(&code), "{name}");
    }
}
