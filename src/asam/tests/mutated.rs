//! The laws of the fuzz targets on damaged samples, a little in every run of the tests.

use proptest::prelude::*;

use super::*;

/// A sample with a few bytes overwritten, cut out or doubled.
fn damaged(samples: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0_u8..4, 1_usize..40);
    (prop::sample::select(samples), prop::collection::vec(change, 1..6)).prop_map(
        |(name, changes)| {
            let mut bytes = sample(name);
            for (at, byte, kind, length) in changes {
                let at = at.index(bytes.len());
                let end = (at + length).min(bytes.len());
                match kind {
                    0 => bytes[at] = byte,
                    1 => bytes[at] ^= 1 << (byte % 8),
                    2 => drop(bytes.drain(at..end)),
                    _ => {
                        let piece = bytes[at..end].to_vec();
                        bytes.splice(at..at, piece);
                    }
                }
                if bytes.is_empty() {
                    break;
                }
            }
            bytes
        },
    )
}

/// Pieces of issues, well-formed or not.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let names = [
        "ISSUE-DESC",
        "P",
        "UL",
        "LI",
        "B",
        "ANNOTATIONS",
        "ANNOTATION",
        "LABEL",
        "CONTENT",
        "ANNOTATION-TEXT",
        "DATE",
        "ISSUE-ID",
        "COMPANY-ISSUE-INFO",
        "COMPANY-DATA-REF",
        "XDOC",
        "ISSUE-RELATED-DOCUMENT",
        "ISSUE-RELATED-DOCUMENTS",
        "URL",
        "ENGINEERING-OBJECTS",
        "ENGINEERING-OBJECT",
        "CATEGORY",
        "SHORT-LABEL",
        "REVISION-LABEL",
        "ISSUE-SOLUTIONS",
    ];
    let name = prop::sample::select(names.to_vec());
    let piece = prop_oneof![
        3 => name.clone().prop_map(|name| format!("<{name}>")),
        3 => name.clone().prop_map(|name| format!("</{name}>")),
        2 => (name.clone(), "[a-z0-9/. ]{0,5}").prop_map(|(name, text)| format!("<{name}>{text}</{name}>")),
        1 => name.prop_map(|name| format!("<{name} SI='x' ID-REF=\"MFAG\"/>")),
        2 => prop::sample::select(vec![
            "MFAG", "4711", "\r\n", "&#10;", "&amp;", "<![CDATA[x]]>", "<!-- -->", "ü", "]]>",
            "<COMPANY-ISSUE-INFOS><COMPANY-ISSUE-INFO><COMPANY-DATA-REF>MFAG</COMPANY-DATA-REF>\
             <ISSUE-ID>4711</ISSUE-ID></COMPANY-ISSUE-INFO></COMPANY-ISSUE-INFOS>",
        ]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat().into_bytes())
}

const SAMPLES: &[&str] = &[
    "s1_single_full.zip",
    "s2_multi_xml_pudis.zip",
    "s3_name_encodings.zip",
    "s4_richtext_encodings.zip",
    "s6_asam310_namespaced.zip",
    "s7_msr210_companies.zip",
    "hostile/h27_duplicate_member.zip",
    "hostile/h35_zip64_entry.zip",
    "hostile/h36_data_descriptor.zip",
    "expected/answer_s1_full.xml",
];

proptest! {
    #[test]
    fn damaged_archives_keep_the_laws(bytes in damaged(SAMPLES)) {
        prop_assert_eq!(fuzz::archives(&bytes), Ok(()));
    }

    #[test]
    fn odd_issues_keep_the_laws(bytes in pieces()) {
        prop_assert_eq!(fuzz::documents(&bytes), Ok(()));
    }

    #[test]
    fn answers_keep_the_laws(bytes in any::<Vec<u8>>()) {
        prop_assert_eq!(fuzz::answers(&bytes), Ok(()));
    }
}

/// Lists that would take minutes if each entry were looked for from the beginning.
#[test]
fn long_lists_end_soon() {
    let related = |files: String| {
        issue("1", &format!("<ISSUE-RELATED-DOCUMENTS>{files}</ISSUE-RELATED-DOCUMENTS>"))
    };
    let file = |n: usize| {
        format!(
            "<ISSUE-RELATED-DOCUMENT><XDOC><LONG-NAME-1>x</LONG-NAME-1><URL>{n}</URL></XDOC></ISSUE-RELATED-DOCUMENT>"
        )
    };
    let embedded = "<ISSUE-RELATED-DOCUMENT><CONTENT>eA==</CONTENT></ISSUE-RELATED-DOCUMENT>";
    let object = |n: usize| {
        format!(
            "<ENGINEERING-OBJECT><CATEGORY>SOFTWARE</CATEGORY><SHORT-LABEL>l{n}</SHORT-LABEL></ENGINEERING-OBJECT>"
        )
    };
    let objects: String = (0..30_000).map(object).collect();
    let cases = [
        related((0..30_000).map(file).collect()),
        related(embedded.repeat(30_000)),
        issue(
            "1",
            &format!(
                "<ISSUE-ENVIRONMENT><ENGINEERING-OBJECTS>{objects}</ENGINEERING-OBJECTS></ISSUE-ENVIRONMENT>"
            ),
        ),
        issue("1", &"<NEW/>".repeat(90_000)),
        issue("1", "").repeat(20_000),
    ];
    for (at, case) in cases.into_iter().enumerate() {
        let began = std::time::Instant::now();
        let archive = open(document(&case).into_bytes()).unwrap();
        let (issues, findings) = issues(&archive, &view(Render::Clean, Pudis::Issue));
        assert_eq!(issues.len(), 1);
        assert!(issues[0].findings.len() <= 101 && findings.len() <= 101);
        assert!(began.elapsed().as_secs() < 20, "case {at}: {:?}", began.elapsed());
    }
}
