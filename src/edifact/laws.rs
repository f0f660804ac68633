//! Laws on generated nasty text: what is written is read back, whatever the text, the character
//! set and the service characters.

use proptest::prelude::*;

use super::*;

/// Text that is hard on a codec: service characters, umlauts, blanks at the ends.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[?+:'*]{1,4}",
        2 => "[A-Za-z0-9 .,;-]{1,8}",
        1 => "[äöüßéØ]{1,3}",
        1 => Just(" ".to_owned()),
        1 => Just("UNZ+1'".to_owned()),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

/// The elements of a segment: repetitions of components.
type Elements = Vec<Vec<Vec<String>>>;

fn elements(repetitions: usize) -> impl Strategy<Value = Elements> {
    let components = prop::collection::vec(nasty(), 0..5);
    prop::collection::vec(prop::collection::vec(components, 1..=repetitions), 0..6)
}

fn services() -> impl Strategy<Value = Service> {
    prop_oneof![
        Just(Service::DEFAULT),
        Just(Service::VERSION_4),
        Just(Service { component: b'#', element: b'|', terminator: b'~', ..Service::DEFAULT }),
        Just(Service { release: Some(b'\\'), repetition: Some(b'^'), ..Service::DEFAULT }),
        Just(Service { terminator: b'\n', ..Service::DEFAULT }),
    ]
}

/// What is left of a value: blanks at its end are suppressed.
fn kept(value: &str) -> &str {
    value.trim_end_matches(' ')
}

/// A component of what was to be written; empty beyond its end.
fn wanted(elements: &Elements, e: usize, r: usize, c: usize) -> &str {
    let value = elements.get(e).and_then(|e| e.get(r)).and_then(|r| r.get(c));
    value.map_or("", |value| kept(value))
}

fn build(tag: &str, elements: &Elements) -> SegmentBuilder {
    let mut builder = SegmentBuilder::new(tag);
    for element in elements {
        for (i, repetition) in element.iter().enumerate() {
            match i {
                0 => builder.composite(repetition),
                _ => builder.repetition(repetition),
            };
        }
    }
    builder
}

fn header(syntax: &Syntax) -> SegmentBuilder {
    let mut unb = SegmentBuilder::new("UNB");
    let identifier = String::from_utf8_lossy(&syntax.identifier).into_owned();
    unb.composite([identifier, syntax.version.to_string()]).simple("A").simple("B");
    let date = if syntax.version < 4 { "260101" } else { "20260101" };
    unb.composite([date, "1200"]).simple("9");
    unb
}

fn write(syntax: Syntax, newlines: bool, body: &[Elements]) -> Vec<u8> {
    let mut writer = Writer::new(Style { syntax, newlines, transliterate: false });
    writer.segment(&header(&syntax));
    writer.segment(SegmentBuilder::new("UNH").simple("1").composite(["T", "1", "1", "UN"]));
    for elements in body {
        writer.segment(&build("FTX", elements));
    }
    writer.end_message("1");
    writer.end_interchange(1, "9");
    writer.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(
        service in services(),
        charset in prop::sample::select(vec![(*b"UNOC", Charset::Latin1), (*b"UNOK", Charset::Latin5), (*b"UNOY", Charset::Utf8)]),
        newlines: bool,
        body in prop::collection::vec(elements(3), 0..8),
    ) {
        let version = if service.repetition.is_some() { 4 } else { 3 };
        let body: Vec<Elements> = match version {
            4 => body,
            _ => body.into_iter().map(|mut s| { s.iter_mut().for_each(|e| e.truncate(1)); s }).collect(),
        };
        let syntax = Syntax { advice: true, service, identifier: charset.0, version, charset: charset.1 };
        let newlines = newlines && service.terminator != b'\n';
        let bytes = write(syntax, newlines, &body);
        let reading = parse(&bytes);
        let words: Vec<_> = reading.findings.iter().map(|f| f.code).filter(|&c| c != code::LINE_ENDS).collect();
        prop_assert_eq!(words, vec![]);
        prop_assert_eq!(reading.interchanges.len(), 1);
        let interchange = &reading.interchanges[0];
        prop_assert_eq!(interchange.segments().len(), body.len() + 4);
        for (segment, elements) in interchange.segments().skip(2).zip(&body) {
            for e in 0..7 {
                let repetitions: Vec<_> = segment.element(e + 1).map_or(vec![], |e| e.repetitions().collect());
                for r in 0..4 {
                    for c in 0..6 {
                        let found = repetitions.get(r).map_or("".into(), |r| r.component(c + 1));
                        prop_assert_eq!(found, wanted(elements, e, r, c));
                    }
                }
            }
        }
        let mut encoded = Vec::new();
        interchange.encode(&mut encoded);
        prop_assert_eq!(&encoded, &bytes);
        if !newlines {
            prop_assert_eq!(interchange.canonical().unwrap(), bytes);
        }
    }

    #[test]
    fn every_proper_prefix_is_truncated(body in prop::collection::vec(elements(1), 0..4)) {
        let bytes = write(Syntax::default(), false, &body);
        for end in 0..bytes.len() {
            let reading = parse(&bytes[..end]);
            let errors: Vec<_> = reading.findings.iter()
                .filter(|f| f.severity == crate::Severity::Error).map(|f| f.code).collect();
            prop_assert_eq!(errors, vec![code::TRUNCATED], "{}", end);
        }
    }

    #[test]
    fn a_segment_outlives_its_bytes(elements in elements(1)) {
        let bytes = write(Syntax::default(), false, std::slice::from_ref(&elements));
        let reading = parse(&bytes);
        let owned = SegmentBuilder::from(reading.interchanges[0].segment(2).unwrap());
        for e in 0..6 {
            for c in 0..5 {
                prop_assert_eq!(owned.component(e + 1, c + 1), wanted(&elements, e, 0, c));
            }
        }
    }

    #[test]
    fn any_character_is_written_or_refused(text in any::<String>()) {
        let sets = [
            Charset::A, Charset::B, Charset::Latin1, Charset::Latin5, Charset::Utf8, Charset::Cp850,
            Charset::Iso(b'D'), Charset::Iso(b'L'),
        ];
        for charset in sets {
            let mut writer = Writer::new(Style { syntax: Syntax { charset, ..Syntax::default() }, ..Style::default() });
            writer.begin("FTX");
            writer.element();
            writer.value(&text);
            writer.end();
            match writer.finish() {
                Ok(bytes) => {
                    let mut encoded = Vec::new();
                    prop_assert!(kept(&text).chars().all(|c| charset.encode(c, &mut encoded)));
                    prop_assert_eq!(charset.decode(&encoded), kept(&text));
                    prop_assert!(bytes.len() >= encoded.len() + 4);
                }
                Err(refused) => prop_assert_eq!(refused[0].place.element, Some(2)),
            }
        }
    }
}
