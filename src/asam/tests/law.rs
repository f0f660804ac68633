//! Any issue, written and read, is itself.

use std::io::Read;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::vocabulary::OBJECTS;
use super::*;
use crate::issue::{Attachment, Comment, Content, Person, Record, Value};

/// Text that is hard on XML, without what XML cannot carry.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-zA-Z0-9 ]{1,8}",
        "[äöüß€−\u{a0}\u{2028}😀\u{10ffff}\u{85}\u{7f}]{1,3}",
        Just("]]>".to_owned()),
        Just("<![CDATA[".to_owned()),
        Just("<!-- -->".to_owned()),
        Just("&amp;&#10;".to_owned()),
        Just("</P>\"'<P/>".to_owned()),
        Just("\n".to_owned()),
        Just("\t".to_owned()),
    ];
    prop::collection::vec(piece, 1..5).prop_map(|pieces| pieces.concat())
}

/// The same, as a line that keeps its outer blanks nowhere: such elements are read trimmed.
fn line() -> impl Strategy<Value = String> {
    nasty().prop_map(|text| format!("x{}x", text.trim()))
}

fn id() -> impl Strategy<Value = String> {
    "[A-Za-z][A-Za-z0-9._äß<&\" -]{0,8}[a-z]"
}

fn seconds() -> impl Strategy<Value = Timestamp> {
    // 1980 to 2100, without a daylight-saving hour that a local time cannot tell.
    (315_532_800_i64..4_102_444_800).prop_map(|s| chrono::DateTime::from_timestamp(s, 0).unwrap())
}

#[derive(Debug)]
struct Bytes(Vec<u8>);

impl Content for Bytes {
    fn read_with(
        &self,
        sink: &mut dyn FnMut(&mut dyn Read) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        sink(&mut self.0.as_slice())
    }
}

prop_compose! {
    fn comments()(all in prop::collection::vec((id(), id(), seconds(), nasty()), 0..4)) -> Vec<Comment> {
        let mut names = std::collections::HashMap::new();
        all.into_iter().map(|(id, name, created, text)| {
            // One person has one name.
            let name = names.entry(id.clone()).or_insert(name).clone();
            Comment {
                id: String::new(),
                author: Some(Person { id, name }),
                created: Some(created),
                updated: None,
                text: format!("x{text}"),
            }
        }).collect()
    }
}

prop_compose! {
    fn answer()(
        number in line(),
        key in "[A-Z]{1,4}[-/. ]?[0-9]{1,4}ß?",
        updated in seconds(),
        texts in prop::collection::vec(line(), OBJECTS.len() + 5),
        set in prop::collection::vec(any::<bool>(), OBJECTS.len() + 5),
        rich in nasty(),
        comments in comments(),
        files in prop::collection::vec(("[a-zäß&<._ -]{0,6}", prop::collection::vec(any::<u8>(), 0..50)), 0..4),
    ) -> Answer {
        let names = OBJECTS.iter().map(|(_, field, _)| *field).chain([
            "problem_synopsis", "bug_classification", "priority", "reproducibility", "supplier_status",
        ]);
        let mut fields: Record = names
            .zip(texts)
            .zip(set)
            .filter(|(_, set)| *set)
            .map(|((field, text), _)| (field.to_owned(), Value::Text(text)))
            .collect();
        fields.set("problem_description", Value::text(format!("x{rich}")));
        Answer {
            peer: Company { long_name: "Musterfahrzeug AG".into(), short_name: "MF<&>".into() },
            own: Company { long_name: "Beispiel & Söhne".into(), short_name: "B&S".into() },
            transaction_id: format!("24-{key}"),
            key,
            number,
            updated,
            assignee_key: "nobody knows".into(),
            assignee_name: "Nobody".into(),
            fields,
            comments,
            files: files.into_iter().map(|(name, bytes)| {
                let size = bytes.len() as u64;
                Attachment::new(&format!("f{name}x"), Some(size), Arc::new(Bytes(bytes)))
            }).collect(),
        }
    }
}

fn read_back(bytes: Vec<u8>) -> (Archive, Delivered) {
    let archive = open(bytes).unwrap();
    let view = View {
        peer_name: "Söhne".into(),
        peer_short: String::new(),
        own_short: "MF<&>".into(),
        zone: chrono_tz::Tz::UTC,
        render: Render::Compat,
        pudis: Pudis::Issue,
    };
    let (mut issues, findings) = issues(&archive, &view);
    assert!(findings.is_empty() && issues.len() == 1);
    (archive, issues.remove(0))
}

proptest! {
    #[test]
    fn written_and_read_is_itself(answer in answer(), long_name in any::<bool>()) {
        let document_name_element =
            if long_name { DocumentName::LongName } else { DocumentName::LongName1 };
        let style = Style { document_name_element, ..Style::pfiff(chrono_tz::Tz::UTC) };
        let out = Cursor::new(Vec::new());
        let bytes = pack(std::slice::from_ref(&answer), &style, answer.updated, out).unwrap().into_inner();
        let (archive, back) = read_back(bytes);
        prop_assert_eq!(codes(archive.findings()), [""; 0]);
        prop_assert_eq!(codes(&back.findings), [""; 0]);
        prop_assert!(back.unreadable.is_none());
        prop_assert_eq!(&back.issue.id, &answer.key);
        prop_assert_eq!(back.own_key.as_deref(), Some(answer.number.as_str()));
        prop_assert_eq!(back.revision, Some(answer.updated));
        prop_assert_eq!(&back.issue.comments, &answer.comments);
        let mut fields = answer.fields.clone();
        fields.set("crstatus", fields.get("supplier_status").cloned());
        fields.set("supplier_status", None);
        fields.set("problem_number", Value::text(&answer.key));
        let texts: Vec<&str> = answer.comments.iter().map(|c| c.text.as_str()).collect();
        fields.set("in_analyse_comments", Value::text(texts.join("\n")));
        prop_assert_eq!(&back.issue.fields, &fields);
        let contents = |files: &[Attachment]| -> Vec<Vec<u8>> {
            files.iter().map(|file| content(file).unwrap()).collect()
        };
        prop_assert_eq!(contents(&back.issue.attachments), contents(&answer.files));
    }

    #[test]
    fn what_xml_cannot_carry_is_left_out(text in any::<String>()) {
        let mut answer = sample_answer();
        answer.fields.set("problem_synopsis", Value::text(&text));
        let document = write_document(&answer, &Style::pfiff(chrono_tz::Tz::UTC)).unwrap();
        let (_, back) = read_back(document);
        let kept: String = text.replace("\r\n", "\n").replace('\r', "\n").chars()
            .filter(|c| matches!(c, '\n' | '\t' | ' '..) && !matches!(c, '\u{fffe}' | '\u{ffff}'))
            .collect();
        prop_assert_eq!(back.issue.fields.text("problem_synopsis"), kept.trim());
    }
}

fn sample_answer() -> Answer {
    Answer {
        peer: Company { long_name: "Musterfahrzeug AG".into(), short_name: "MF<&>".into() },
        own: Company { long_name: "Beispiel & Söhne".into(), short_name: "B&S".into() },
        key: "E-1".into(),
        number: "1".into(),
        transaction_id: "t".into(),
        updated: "2024-03-07T10:00:00Z".parse().unwrap(),
        assignee_key: String::new(),
        assignee_name: String::new(),
        fields: Record::new(),
        comments: Vec::new(),
        files: Vec::new(),
    }
}
