//! Answers, against what the older program writes, and read back.

use super::*;
use crate::issue::{Attachment, Comment, Person, Record};

fn stamp(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn comment(id: &str, name: &str, created: &str, text: &str) -> Comment {
    Comment {
        id: String::new(),
        author: Some(Person { id: id.to_owned(), name: name.to_owned() }),
        created: Some(stamp(created)),
        updated: None,
        text: text.to_owned(),
    }
}

/// The answer to the first issue of a sample, with the partner's fields echoed.
fn answer(sample_name: &str, key: &str, updated: &str) -> Answer {
    let archive = open(sample(sample_name)).unwrap();
    let (issues, _) = issues(&archive, &view(Render::Compat, Pudis::Archive));
    let delivered = &issues[0];
    Answer {
        peer: Company {
            long_name: "Musterfahrzeug AG".to_owned(),
            short_name: delivered.peer_short.clone(),
        },
        own: Company {
            long_name: "Beispiel Elektronik GmbH".to_owned(),
            short_name: "BEG".to_owned(),
        },
        key: key.to_owned(),
        number: delivered.issue.id.clone(),
        transaction_id: format!("24030711000000TST-{key}"),
        updated: stamp(updated),
        assignee_key: String::new(),
        assignee_name: String::new(),
        fields: delivered.issue.fields.clone(),
        comments: Vec::new(),
        files: Vec::new(),
    }
}

fn full() -> Answer {
    let mut answer = answer("s1_single_full.zip", "ECU-17", "2024-03-07T10:00:00Z");
    let supplier: [(&str, Vec<&str>); 4] = [
        ("supplier_status", vec!["ESTIMATED"]),
        ("resolve_until_release", vec!["0816", "0817"]),
        ("resolved_in_release", vec!["0816"]),
        ("supplier_comments", vec!["Ursache gefunden: Stromgrenze & Größe\nZeile 2"]),
    ];
    for (field, values) in supplier {
        let values = values.into_iter().map(str::to_owned).collect();
        answer.fields.set(field, crate::issue::Value::list(values));
    }
    answer.assignee_key = "jdoe".to_owned();
    answer.assignee_name = "Jane Döe".to_owned();
    answer.comments = vec![
        comment("jdoe", "Jane Döe", "2024-03-07T09:59:58Z", "Bitte Trace <neu> aufzeichnen."),
        comment("mmax", "Max Müster", "2024-03-07T10:00:01Z", "OK"),
    ];
    answer.files = vec![Attachment::missing("Analyse_Größe.txt")];
    answer
}

fn berlin() -> Style {
    Style {
        document_name_element: DocumentName::LongName,
        ..Style::pfiff(chrono_tz::Europe::Berlin)
    }
}

#[test]
fn a_full_answer_is_the_older_programs_but_for_the_double_id() {
    let theirs = String::from_utf8(sample("expected/answer_s1_full.xml")).unwrap();
    let twice = "<TEAM-MEMBER ID=\"jdoe\"><LONG-NAME>Jane Döe</LONG-NAME><SHORT-NAME>jdoe\
                 </SHORT-NAME><DEPARTMENT /><PHONE /><FAX /><EMAIL /></TEAM-MEMBER>";
    assert_eq!(theirs.matches(twice).count(), 2);
    let ours = String::from_utf8(write_document(&full(), &berlin()).unwrap()).unwrap();
    assert_eq!(ours, theirs.replacen(twice, "", 1));
}

#[test]
fn a_minimal_answer_is_the_older_programs_but_for_its_transaction_id() {
    let theirs = String::from_utf8(sample("expected/answer_s2_minimal.xml")).unwrap();
    let answer = answer("s2_multi_xml_pudis.zip", "ECU-99", "2024-03-07T10:05:00Z");
    let ours = String::from_utf8(write_document(&answer, &berlin()).unwrap()).unwrap();
    let bad = "2026-11-21TNov:11:1795248284-ECU-99";
    assert_eq!(ours, theirs.replace(bad, &answer.transaction_id));
}

#[test]
fn other_profiles_and_missing_numbers_are_refused() {
    for profile in [Profile::Asam21, Profile::Asam30, Profile::Asam31] {
        let error = write_document(&full(), &Style { profile, ..berlin() }).unwrap_err();
        assert_eq!(error.code, code::WRITING_UNSUPPORTED);
    }
    for answer in
        [Answer { key: String::new(), ..full() }, Answer { number: String::new(), ..full() }]
    {
        assert_eq!(write_document(&answer, &berlin()).unwrap_err().code, code::NO_NUMBER);
    }
}

struct Bytes(&'static [u8]);

impl crate::issue::Content for Bytes {
    fn read_with(
        &self,
        sink: &mut dyn FnMut(&mut dyn std::io::Read) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        sink(&mut &self.0[..])
    }
}

#[test]
fn a_packed_answer_is_the_same_twice_and_reads_back() {
    let mut answer = full();
    let file = |name: &str| Attachment::new(name, Some(3), std::sync::Arc::new(Bytes(b"abc")));
    answer.files = vec![file("Analyse_Größe.txt"), file("Analyse_Größe.txt")];
    let other = Answer { key: "a/../b".to_owned(), files: Vec::new(), ..answer.clone() };
    let pack = |stamp| {
        let out = Cursor::new(Vec::new());
        pack(&[answer.clone(), other.clone()], &berlin(), stamp, out).unwrap().into_inner()
    };
    let bytes = pack(stamp("2024-03-07T10:00:00Z"));
    assert_eq!(bytes, pack(stamp("2024-03-07T10:00:00Z")));
    assert_ne!(bytes, pack(stamp("2024-03-07T10:01:00Z")));

    let mut zip = zip::ZipArchive::new(Cursor::new(bytes.clone())).unwrap();
    let names: Vec<String> = (0..zip.len())
        .map(|at| {
            let member = zip.by_index(at).unwrap();
            assert_eq!(member.unix_mode(), Some(0o100_600));
            assert_eq!(member.flags().as_u16() & 0x800 != 0, !member.name().unwrap().is_ascii());
            member.name().unwrap().into_owned()
        })
        .collect();
    assert_eq!(
        names,
        [
            "./ECU-17/Analyse_Größe.txt",
            "./ECU-17/Analyse_Größe (2).txt",
            "./ECU-17.xml",
            "./a%2F..%2Fb.xml"
        ]
    );
    let archive = open(bytes).unwrap();
    assert_eq!(codes(archive.findings()), [""; 0]);
    // From the partner's side the numbers change places.
    let partner = View {
        peer_name: "Beispiel Elektronik".to_owned(),
        own_short: "MFAG".to_owned(),
        ..view(Render::Compat, Pudis::Issue)
    };
    let (issues, findings) = issues(&archive, &partner);
    assert!(findings.is_empty());
    let back = &issues[0];
    assert_eq!(codes(&back.findings), [""; 0]);
    assert_eq!((back.issue.id.as_str(), back.own_key.as_deref()), ("ECU-17", Some("100234")));
    assert_eq!(back.revision, Some(answer.updated));
    assert_eq!(back.issue.comments, answer.comments);
    assert_eq!(back.issue.fields.text("crstatus"), "ESTIMATED");
    let echoed: Record = (answer.fields.iter())
        .filter(|(field, _)| back.issue.fields.get(field).is_some())
        .filter(|(field, _)| !["crstatus", "problem_number", "in_analyse_comments"].contains(field))
        .map(|(field, value)| (field.to_owned(), value.clone()))
        .collect();
    assert!(echoed.len() > 25, "{}", echoed.len());
    for (field, value) in echoed.iter() {
        assert_eq!(back.issue.fields.get(field), Some(value), "{field}");
    }
    let texts: Vec<Vec<u8>> = back.issue.attachments.iter().map(|a| content(a).unwrap()).collect();
    assert_eq!(texts, [b"abc", b"abc"]);
    assert_eq!(back.issue.attachments[1].name, "Analyse_Größe (2).txt");
}

#[test]
fn one_key_twice_and_an_unreadable_file_are_refused() {
    let twice = [full(), full()];
    let now = stamp("2024-03-07T10:00:00Z");
    let without = |answer: &Answer| Answer { files: Vec::new(), ..answer.clone() };
    let answers: Vec<Answer> = twice.iter().map(without).collect();
    let error = pack(&answers, &berlin(), now, Cursor::new(Vec::new())).unwrap_err();
    assert_eq!(error.code, code::SAME_ISSUE_TWICE);
    let error = pack(&twice[..1], &berlin(), now, Cursor::new(Vec::new())).unwrap_err();
    assert_eq!(error.code, crate::DISK);
}

#[test]
fn what_is_left_out_is_said() {
    let mut answer = full();
    assert_eq!(codes(&answer.dropped()), [""; 0]);
    answer.fields.set("supplier_comments", crate::issue::Value::text("a\u{b}b\u{1f}"));
    answer.comments[0].text.push('\0');
    assert_eq!(codes(&answer.dropped()), ["dropped-characters"; 2]);
    assert!(answer.dropped()[0].text.starts_with("2 characters of supplier_comments"));
}
