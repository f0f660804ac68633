//! Laws of messages and packages: every prefix refused, every flipped byte survived, what is
//! composed is read back.

use proptest::prelude::*;

use super::*;
use crate::edifact::code as edifact;
use crate::{Finding, Severity};

fn errors(findings: &[Finding]) -> Vec<crate::Code> {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| finding.code).collect()
}

fn samples() -> Vec<Vec<u8>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/");
    ["engdat/sequence-one.edi", "engdat/sequence-two.edi", "edifact/ok-three-files.edi"]
        .iter()
        .map(|path| std::fs::read(format!("{root}{path}")).unwrap())
        .collect()
}

#[test]
fn every_proper_prefix_is_refused_as_truncated() {
    for bytes in samples() {
        for end in 0..bytes.len() {
            let description = read(&bytes[..end], &Levels::default());
            assert!(description.usable().is_none(), "{end} of {}", bytes.len());
            assert_eq!(errors(&description.findings), [edifact::TRUNCATED], "{end}");
            assert!(is_truncated(&description.findings));
        }
    }
}

#[test]
fn one_flipped_byte_never_panics_and_is_never_lost() {
    for bytes in samples() {
        for at in 0..bytes.len() {
            for bit in [0, 5] {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(fuzz::parses(&flipped), Ok(()), "bit {bit} of byte {at}");
                assert_eq!(fuzz::round_trips(&flipped), Ok(()), "bit {bit} of byte {at}");
            }
        }
    }
}

/// A field of at most `most` characters, with blanks only inside.
fn field(most: usize) -> impl Strategy<Value = String> {
    let text = "[A-Za-zäöüÄÖÜß0-9?+:'*.,/@_-]([A-Za-zäöüß0-9?+:'* .,/@_-]*[A-Za-zß0-9?+:'])?";
    prop_oneof![1 => Just(String::new()), 4 => text.prop_map(move |t| t.chars().take(most).collect::<String>().trim().to_owned())]
}

prop_compose! {
    fn party()(
        (id, name, internal_id, country, routing) in (field(20), field(35), field(17), "[A-Z]{2}", "[A-Z][A-Z0-9]{0,20}"),
        address in prop::collection::vec("[a-zß+:?]{1,35}", 0..=4),
        (department, contact, telephone, fax, email) in (field(35), field(35), field(17), field(17), field(70)),
    ) -> Party {
        Party {
            id: if id.is_empty() { "O1".to_owned() } else { id },
            name, internal_id, country, routing, address, department, contact, telephone, fax, email,
            ..Party::default()
        }
    }
}

prop_compose! {
    fn file()(
        (name, format, system) in (field(60), field(35), "[a-z+?]{1,35}"),
        (status, department) in (field(35), field(35)),
        (text, types) in (field(200), prop::collection::vec("[a-zü'?]{1,35}", 0..=4)),
    ) -> FileEntry {
        FileEntry {
            name, system, status, department,
            format: if format.is_empty() { "x".to_owned() } else { format },
            data_code: "OTH".to_owned(),
            status_code: "INF".to_owned(),
            data_types: types,
            ..FileEntry::default()
        }.with_text(&text)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_composed_is_read_back(
        (sender, receiver) in (party(), party()),
        files in prop::collection::vec(file(), 1..5),
        reference in "[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|1[0-9]|2[0-8])(0[0-9]|1[0-9]|2[0-3])[0-5][0-9][0-5][0-9][0-9]{2}[A-Z0-9]{3}",
    ) {
        let name: PackageName = format!("ENG{reference}").parse().unwrap();
        let issued = name.stamp().unwrap();
        let message = compose(&name, issued, &sender, &receiver, &files);
        let bytes = write(&message).unwrap();
        let again = read(&bytes, &Levels::default());
        let notable: Vec<_> = again.findings.iter().filter(|f| f.code != edifact::UTF8).collect();
        prop_assert_eq!(notable, Vec::<&Finding>::new());
        // Seconds are not written.
        let cut = |m: EngdatMessage| {
            let minute = |at: chrono::NaiveDateTime| at.format("%Y%m%d%H%M").to_string();
            let times = (m.issued.map(minute), m.envelope.prepared.map(minute));
            let envelope = Envelope { prepared: None, ..m.envelope.clone() };
            (EngdatMessage { issued: None, envelope, ..m }, times)
        };
        prop_assert_eq!(cut(again.message.unwrap()), cut(message.clone()));
        let total = u16::try_from(files.len()).unwrap() + 1;
        let parts: Vec<PartName> = (1..=total).map(|index| name.part(total, index)).collect();
        for part in &parts {
            prop_assert_eq!(part.strict().unwrap().parse::<PartName>().unwrap(), part.clone());
        }
        let assembly = assemble(&name, &parts, Some(&bytes), &Levels::default());
        let complete = matches!(&assembly, Assembly::Complete(package) if package.files.len() == files.len());
        prop_assert!(complete, "{:?}", assembly);
    }

    #[test]
    fn parts_are_put_together_in_any_order(order in Just((1..=5_u16).collect::<Vec<_>>()).prop_shuffle(), keep in 0..=5_usize) {
        let name: PackageName = "ENG25031008000001PAG".parse().unwrap();
        let party = Party { id: "O1".into(), country: "DE".into(), routing: "X".into(), ..Party::default() };
        let files = vec![FileEntry::archive("PKZIP-Archive"); 4];
        let bytes = write(&compose(&name, name.stamp().unwrap(), &party, &party, &files)).unwrap();
        let parts: Vec<PartName> = order.iter().take(keep)
            .map(|&index| PartName { suffix: format!("_{index}"), ..name.part(5, index) }).collect();
        let bytes = parts.iter().any(PartName::is_description).then_some(bytes.as_slice());
        match assemble(&name, &parts, bytes, &Levels::default()) {
            Assembly::Complete(_) => prop_assert_eq!(keep, 5),
            Assembly::Waiting { missing } => {
                let mut expected: Vec<u16> = order.iter().skip(keep).copied().collect();
                expected.sort_unstable();
                if keep == 0 {
                    // Without a part nobody knows how many there are.
                    expected.truncate(1);
                }
                prop_assert_eq!(missing, expected);
            }
            Assembly::Broken(findings) => prop_assert!(false, "{:?}", findings),
        }
    }

    #[test]
    fn names_only_go_up(steps in prop::collection::vec((0..200_i64, "[0-9A-Z]{3}"), 1..200)) {
        let mut now = "ENG25123123594000AAA".parse::<PackageName>().unwrap().stamp().unwrap();
        let mut highest: Option<PackageName> = None;
        for (seconds, tail) in steps {
            now += chrono::Duration::seconds(seconds / 10 - 5);
            let next = next_name(now, highest.as_ref(), &tail);
            prop_assert!(next.part(2, 1).strict().is_ok());
            if let Some(highest) = &highest {
                prop_assert!(next.reference()[..14] > highest.reference()[..14]);
            }
            highest = Some(next);
        }
    }
}
