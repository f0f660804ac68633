//! Attacks and accidents: each archive ends in a reason or in findings, never in a panic, and
//! costs at most what is damaged.

mod built;

use super::*;

/// What becomes of an archive: its error, or the titles of its usable issues with all findings.
fn outcome(bytes: Vec<u8>) -> String {
    let archive = match open(bytes) {
        Ok(archive) => archive,
        Err(error) => {
            assert_eq!(error.fault, crate::Fault::Item);
            assert!(!error.line().contains('\n'), "{}", error.line());
            let incomplete = if is_incomplete(&error) { " (incomplete)" } else { "" };
            return format!("{}{incomplete}", error.code);
        }
    };
    let mut seen: Vec<String> = codes(archive.findings()).iter().map(ToString::to_string).collect();
    let (issues, findings) = issues(&archive, &view(Render::Clean, Pudis::Issue));
    for delivered in &issues {
        seen.extend(delivered.unreadable.iter().map(|error| format!("!{}", error.code)));
        seen.extend(codes(&delivered.findings).iter().map(ToString::to_string));
        for file in &delivered.issue.attachments {
            let bytes = file.content().map(|_| content(file));
            seen.push(match bytes {
                None => format!("{}: none", file.name),
                Some(Ok(bytes)) => format!("{}: {}", file.name, bytes.len()),
                Some(Err(error)) => {
                    assert!(error.to_string().contains("damaged"), "{error}");
                    format!("{}: damaged", file.name)
                }
            });
        }
    }
    seen.extend(codes(&findings).iter().map(ToString::to_string));
    let usable = issues.iter().filter(|issue| issue.unreadable.is_none()).count();
    format!("{usable} ok {}", seen.join(" ")).trim_end().to_owned()
}

#[test]
fn rows_30_to_33_every_hostile_sample_has_its_outcome() {
    let cases = [
        ("h01_billion_laughs", "doctype"),
        ("h03_external_entity_file", "doctype"),
        ("h04_external_dtd_http", "doctype"),
        ("h05_deep_nesting", "limit-exceeded"),
        ("h06_many_attributes", "limit-exceeded"),
        ("h07_bad_root", "no-documents"),
        ("h08_not_well_formed", "bad-xml"),
        ("h10_control_char", "bad-xml"),
        ("h11_no_problem_number", "0 ok !no-number"),
        ("h12_unknown_engineering_category", "1 ok unknown-category"),
        ("h13_missing_admin_data", "1 ok bad-date"),
        ("h14_iso_date", "1 ok date-form"),
        ("h15_number_is_path", "1 ok"),
        ("h16_number_is_reserved", "1 ok"),
        ("h20_zip_slip", "1 ok path-like-name evil.txt: 4"),
        ("h21_absolute", "1 ok path-like-name evil-abs.txt: 3"),
        ("h23_drive_letter", "1 ok path-like-name evil.txt: 5"),
        ("h24_name_is_path", "1 ok name-is-path.txt: 1"),
        ("h25_symlink_entry", "1 ok not-a-file attachment-refused link: none"),
        ("h27_duplicate_member", "1 ok duplicate-member attachment-refused d.txt: none"),
        ("h30_encrypted_flag", "1 ok encrypted attachment-refused e.txt: none"),
        ("h31_method_99_aes", "1 ok unsupported-method attachment-refused m.txt: none"),
        ("h33_bad_crc", "1 ok c.txt: damaged"),
        ("h35_zip64_entry", "1 ok z.txt: 9"),
        ("h36_data_descriptor", "1 ok dd.txt: 14"),
        ("h37_stored_descriptor", "1 ok ds.txt: 20"),
        ("h39_bomb_64MiB", "1 ok limit-exceeded attachment-refused bomb.bin: none"),
        ("h40_truncated", "bad-zip (incomplete)"),
        ("h42_trailing_junk", "1 ok trailing-padding"),
        ("h44_empty", "no-documents"),
        ("h45_zero_bytes", "bad-zip (incomplete)"),
        ("h47_xml_attachment_top_level", "1 ok not-a-document"),
        ("h48_same_issue_twice", "1 ok same-issue-twice"),
    ];
    let outcomes: Vec<(&str, String)> = cases
        .iter()
        .map(|(name, _)| (*name, outcome(sample(&format!("hostile/{name}.zip")))))
        .collect();
    let expected: Vec<(&str, String)> = cases.map(|(name, what)| (name, what.to_owned())).into();
    assert_eq!(outcomes, expected);
    let there = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pfiff/hostile"));
    assert_eq!(there.unwrap().count(), cases.len());
}

#[test]
fn every_proper_prefix_of_an_archive_is_refused_as_incomplete() {
    let whole = sample("s1_single_full.zip");
    for end in 0..whole.len() {
        let error = open(whole[..end].to_vec()).err().unwrap();
        assert!(is_incomplete(&error), "{end}: {}", error.line());
    }
}

#[test]
fn every_proper_prefix_of_a_document_is_refused() {
    let whole = document("<ISSUE><LONG-NAME>x</LONG-NAME></ISSUE>");
    for end in 0..whole.len() {
        let error = open(whole.as_bytes()[..end].to_vec()).err().unwrap();
        assert!(["bad-xml", "bad-zip"].contains(&error.code.as_str()), "{end}: {}", error.line());
    }
    assert!(open(whole.into_bytes()).is_ok());
}
