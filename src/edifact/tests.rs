//! Known answers: the shortest inputs that show each rule.

use super::*;
use crate::{Finding, Severity};

fn words(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.code.as_str()).collect()
}

/// An interchange around `body`, whose UNT and UNZ are right for `count` body segments.
fn around(head: &str, body: &str, count: usize) -> Vec<u8> {
    let n = count + 2;
    format!("{head}UNH+1+TEST:1'{body}UNT+{n}+1'UNZ+1+9'").into_bytes()
}

const UNB: &str = "UNB+UNOC:1+A+B+260101:1200+9'";

fn parse_body(body: &str, count: usize) -> Reading {
    parse(&around(UNB, body, count))
}

/// The values of the body segments, tag first, elements by `+`, components by `:`.
fn shape(reading: &Reading) -> Vec<String> {
    let interchange = &reading.interchanges[0];
    let count = interchange.segments().len();
    let shown = interchange.segments().skip(2).take(count - 4).map(|segment| {
        let elements = segment.elements().map(|element| {
            let repetitions = element
                .repetitions()
                .map(|repetition| repetition.components().collect::<Vec<_>>().join("¦"));
            repetitions.collect::<Vec<_>>().join("×")
        });
        elements.collect::<Vec<_>>().join("|")
    });
    shown.collect()
}

#[test]
fn release_characters_count_from_the_left() {
    let cases = [
        ("FTX+A??'", 1, "FTX|A?"),
        ("FTX+A???'B'", 1, "FTX|A?'B"),
        ("FTX+A????'TOT+1'", 2, "FTX|A?? TOT|1"),
        ("FTX+A?+?:'", 1, "FTX|A+:"),
        ("FTX+?+?:??:x+'", 1, "FTX|+:?¦x|"),
        ("FTX+a?bc'", 1, "FTX|abc"),
        ("FTX+*?*'", 1, "FTX|**"),
    ];
    for (body, count, expected) in cases {
        let reading = parse_body(body, count);
        assert_eq!(shape(&reading).join(" "), expected, "{body}");
        assert!(reading.findings.iter().all(|f| f.severity == Severity::Warning), "{body}");
    }
}

#[test]
fn what_is_unchanged_is_written_as_it_came() {
    for body in ["FTX+A?+'", "FTX+A?:'", "FTX+A??'", "EFC+2:x+NAT:t+885+n+:s++d'"] {
        let bytes = around(UNB, body, 1);
        let reading = parse(&bytes);
        assert_eq!(words(&reading.findings), [""; 0], "{body}");
        let mut encoded = Vec::new();
        reading.interchanges[0].encode(&mut encoded);
        assert_eq!(encoded, bytes);
        assert_eq!(reading.interchanges[0].canonical(), Ok(bytes));
    }
}

#[test]
fn writing_trims_the_structure_and_not_the_text() {
    let mut writer = Writer::new(Style::default());
    let mut segment = SegmentBuilder::new("FTX");
    segment
        .composite(["a+", "", "b:", "", ""])
        .simple("")
        .composite(["", "?'"])
        .simple("  ")
        .simple("");
    writer.segment(&segment);
    assert_eq!(writer.finish(), Ok(b"FTX+a?+::b?:++:???''".to_vec()));
}

#[test]
fn the_repetition_separator_works_from_version_4() {
    let head = |version: u8, date: &str| format!("UNA:+.?*'UNB+UNOC:{version}+A+B+{date}:1200+9'");
    let unh = "UNH+1+TEST:1:1:UN'";
    for (version, date, expected) in [(1, "260101", "FTX|a*b*c"), (4, "20260101", "FTX|a×b*c")] {
        let body = format!("{}{unh}FTX+a*b?*c'UNT+3+1'UNZ+1+9'", head(version, date));
        let reading = parse(body.as_bytes());
        assert_eq!(shape(&reading), [expected]);
        let element = reading.interchanges[0].segment(2).and_then(|s| s.element(1));
        let repeated = element.is_some_and(|e| e.repetitions().count() == 2);
        assert_eq!(repeated, version == 4);
    }
}

#[test]
fn service_characters() {
    let cases: &[(&[u8], &[&str])] = &[
        (b"UNA;*.? ~UNB*UNOC;1*A*B*260101;1200*9~UNH*1*T;1~FTX*a+b~UNT*3*1~UNZ*1*9~", &[]),
        (b"UNB\x1dUNOB\x1f1\x1dA\x1dB\x1d260101\x1f1200\x1d9\x1cUNH\x1d1\x1dT\x1f1\x1cFTX\x1da?+b\x1cUNT\x1d3\x1d1\x1cUNZ\x1d1\x1d9\x1c", &[]),
        (b"UNA:|.? 'UNB+UNOC:1+A'", &["edifact-service-characters"]),
        (b"UNA::.? 'UNB:UNOC:1:A'", &["edifact-syntax-version", "edifact-service-characters"]),
        (b"UNB|UNOC|1|A'", &["edifact-syntax-version", "edifact-service-characters"]),
        (b"ABC", &["edifact-no-header"]),
        (b"", &["edifact-truncated"]),
        (b"UN", &["edifact-truncated"]),
        (b"UNA:+.", &["edifact-truncated"]),
    ];
    for (bytes, expected) in cases {
        assert_eq!(words(&parse(bytes).findings), *expected, "{}", bytes.escape_ascii());
    }
    let level_b = parse(cases[1].0);
    assert_eq!(level_b.interchanges[0].segment(2).map(|s| s.component(1, 1)), Some("a?+b".into()));
}

#[test]
fn octets_between_segments_mean_nothing() {
    let plain = parse_body("FTX+a'", 1);
    let text = String::from_utf8(around(UNB, "FTX+a'", 1)).unwrap().replace('\'', "'\r\n");
    let loose = parse(format!("\u{feff}{text}\u{1a}").as_bytes());
    assert_eq!(shape(&plain), shape(&loose));
    assert_eq!(
        words(&loose.findings),
        ["edifact-stray-octets", "edifact-line-ends", "edifact-stray-octets"]
    );
    let mut encoded = Vec::new();
    loose.interchanges.iter().for_each(|interchange| interchange.encode(&mut encoded));
    assert_eq!(encoded, format!("\u{feff}{text}\u{1a}").into_bytes());
}

#[test]
fn a_wrapped_file_is_joined() {
    let long = "FTX+a text that is longer than a line of this file, so it is cut:and again'";
    let plain = around(UNB, long, 1);
    for end in ["\n", "\r\n"] {
        let mut wrapped = Vec::new();
        for line in plain.chunks(30) {
            wrapped.extend_from_slice(line);
            wrapped.extend_from_slice(end.as_bytes());
        }
        let reading = parse(&wrapped);
        assert_eq!(words(&reading.findings), ["edifact-wrapped"]);
        assert_eq!(shape(&reading), shape(&parse(&plain)));
        let unz = reading.interchanges[0].segments().next_back().unwrap();
        let at = usize::try_from(unz.byte()).unwrap();
        assert_eq!(wrapped[at], b'U');
        let mut encoded = Vec::new();
        reading.interchanges[0].encode(&mut encoded);
        assert_eq!(encoded, wrapped);
    }
}

#[test]
fn a_line_end_inside_data_is_a_blank() {
    let reading = parse_body("FTX+one\r\ntwo'", 1);
    assert_eq!(shape(&reading), ["FTX|one two"]);
    assert_eq!(words(&reading.findings), ["edifact-line-break"]);
    assert_eq!(reading.findings[0].place.byte, Some(49));
}

#[test]
fn two_interchanges_each_with_its_own_advice() {
    let mut bytes = around(UNB, "FTX+a'", 1);
    let second = bytes.len();
    bytes.extend_from_slice(
        b"UNA;*.? ~UNB*UNOA;1*A*B*260101;1200*9~UNH*1*T;1~FTX*B~UNT*3*1~UNZ*1*9~",
    );
    let reading = parse(&bytes);
    assert_eq!(words(&reading.findings), [""; 0]);
    assert_eq!(reading.interchanges.len(), 2);
    let unb = reading.interchanges[1].segment(0).unwrap();
    assert_eq!((unb.byte(), unb.number()), (second as u64 + 9, 6));
    let mut encoded = Vec::new();
    reading.interchanges.iter().for_each(|interchange| interchange.encode(&mut encoded));
    assert_eq!(encoded, bytes);
}

#[test]
fn character_sets() {
    type Case = (&'static str, u8, &'static [u8], &'static str, &'static [&'static str]);
    let cases: &[Case] = &[
        ("UNOC", 1, b"\xfc", "ü", &[]),
        ("UNOA", 1, b"\xfc", "ü", &["edifact-character"]),
        ("UNOA", 1, b"a", "a", &["edifact-character"]),
        ("UNOB", 1, b"a@", "a@", &["edifact-character"]),
        ("UNOC", 1, b"a@_", "a@_", &[]),
        ("UNOC", 1, b"\xc3\xbc", "Ã¼", &["edifact-utf8"]),
        ("UNOC", 1, b"\x85", "\u{85}", &["edifact-character"]),
        ("UNOD", 3, b"\xb1", "ą", &[]),
        ("UNOE", 3, b"\xd6", "ж", &[]),
        ("UNOF", 3, b"\xf9", "ω", &[]),
        ("UNOG", 3, b"\xb1", "ħ", &[]),
        ("UNOH", 3, b"\xb6", "ļ", &[]),
        ("UNOI", 3, b"\xc7", "ا", &[]),
        ("UNOJ", 3, b"\xe0", "א", &[]),
        ("UNOK", 3, b"\xfe\xfc", "şü", &[]),
        ("UNOL", 3, b"\xa4", "€", &[]),
        ("UNOY", 3, "日本".as_bytes(), "日本", &[]),
        ("UNOW", 3, b"\xff", "\u{fffd}", &["edifact-character"]),
        ("KECA", 3, b"a", "a", &["edifact-charset"]),
    ];
    for (identifier, version, value, expected, findings) in cases {
        let mut bytes = format!("UNB+{identifier}:{version}+A+B+260101:1200+9'UNH+1+T:1:1:UN'FTX+")
            .into_bytes();
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"'UNT+3+1'UNZ+1+9'");
        let reading = parse(&bytes);
        let text = reading.interchanges[0].segment(2).map(|s| s.component(1, 1).into_owned());
        assert_eq!(text.as_deref(), Some(*expected), "{identifier}");
        assert_eq!(words(&reading.findings), *findings, "{identifier} {expected}");
    }
}

#[test]
fn encodings_of_version_4() {
    let cases: &[(&str, &[u8], &str, &[&str])] = &[
        ("4", b"\x81", "ü", &[]),
        ("7", "ü".as_bytes(), "ü", &[]),
        ("2", b"\xfc", "ü", &[]),
        ("3", b"a", "a", &["edifact-charset"]),
    ];
    for (encoding, value, expected, findings) in cases {
        let mut bytes =
            format!("UNB+UNOC:4::{encoding}+A+B+20260101:1200+9'UNH+1+T:1:1:UN'FTX+").into_bytes();
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"'UNT+3+1'UNZ+1+9'");
        let reading = parse(&bytes);
        let text = reading.interchanges[0].segment(2).map(|s| s.component(1, 1).into_owned());
        assert_eq!(text.as_deref(), Some(*expected), "{encoding}");
        assert_eq!(words(&reading.findings), *findings, "{encoding}");
    }
}

#[test]
fn row_37_control_segments() {
    let u = UNB;
    let cases: &[(String, &[&str])] = &[
        (format!("{u}UNH+1+T:1'UNT+4+1'UNZ+1+9'"), &["control-count"]),
        (format!("{u}UNH+1+T:1'UNT+2+1'UNZ+2+9'"), &["control-count"]),
        (format!("{u}UNH+1+T:1'UNT+2+2'UNZ+1+9'"), &["control-reference"]),
        (format!("{u}UNH+1+T:1'UNT+2+1'UNZ+1+8'"), &["control-reference"]),
        (format!("{u}UNZ+0+9'"), &["edifact-no-message"]),
        (format!("{u}UNH+1+T:1'UNZ+1+9'"), &["edifact-missing-segment"]),
        (format!("{u}UNT+1+1'UNZ+0+9'"), &["edifact-no-message", "edifact-nesting"]),
        (format!("{u}FTX+a'UNH+1+T:1'UNT+2+1'UNZ+1+9'"), &["edifact-nesting"]),
        (format!("{u}UNH+1+T:1'UNT+2+1'UNZ+1+9'rest"), &["edifact-no-header"]),
        (
            format!("{u}UNH+1+T:1'UNT+2+1'{u}UNH+1+T:1'UNT+2+1'UNZ+1+9'"),
            &["edifact-missing-segment"],
        ),
        (format!("{u}UNG+T+A+B+260101:1200+5+OD+1:1'UNH+1+T:1'UNT+2+1'UNE+1+5'UNZ+1+9'"), &[]),
        (
            format!(
                "{u}UNG+T+A+B+260101:1200+5+OD+1:1'UNH+1+T:1'UNT+2+1'UNH+2+S:1'UNT+2+2'UNE+2+5'UNZ+1+9'"
            ),
            &["edifact-nesting"],
        ),
        (
            format!("{u}UNH+1+T:1'UNT+2+1'UNG+T+A+B+260101:1200+5+OD+1:1'UNE+0+5'UNZ+1+9'"),
            &["edifact-nesting", "edifact-no-message"],
        ),
        (format!("{u}UNH+1+T:1'ftx+a'UNT+3+1'UNZ+1+9'"), &["edifact-tag"]),
        (format!("{u}UNH+1+T:1'FTX:1:2+a'UNT+3+1'UNZ+1+9'"), &[]),
        (format!("{u}UNH+1+T:1'FTX+a?bc'UNT+3+1'UNZ+1+9'"), &["edifact-release"]),
    ];
    for (text, expected) in cases {
        assert_eq!(words(&parse(text.as_bytes()).findings), *expected, "{text}");
    }
}

#[test]
fn findings_say_where() {
    let reading = parse(b"UNB+UNOC:1+A+B+260101:1200+9'UNH+1+T:1'UNT+4+1'UNZ+1+9'");
    let place = &reading.findings[0].place;
    assert_eq!((place.byte, place.segment, place.tag.as_deref()), (Some(43), Some(3), Some("UNT")));
    assert_eq!((place.element, reading.findings[0].contrl), (Some(2), Some(29)));
    let reading = parse_body("FTX+a:b+c:d?+:\u{1}'", 1);
    let place = &reading.findings[0].place;
    assert_eq!((place.byte, place.element, place.component), (Some(56), Some(3), Some(3)));
}

#[test]
fn row_37_a_cut_file_is_truncated_wherever_it_is_cut() {
    let whole = around("UNA:+.? 'UNB+UNOC:1+A+B+260101:1200+9'", "FTX+a??b?'+c:d'FTX+x'", 2);
    assert_eq!(words(&parse(&whole).findings), [""; 0]);
    for end in 0..whole.len() {
        let reading = parse(&whole[..end]);
        let found = words(&reading.findings);
        assert!(found.contains(&"edifact-truncated"), "{end}: {found:?}");
    }
}

#[test]
fn layouts() {
    let cases: &[(&str, &[&str])] = &[
        ("UNT+3+1", &[]),
        ("UNT+3+123456789012345", &["edifact-too-long"]),
        ("UNT++1", &["edifact-missing"]),
        ("UNT+x+1", &["edifact-type"]),
        ("UNT+1.+1", &["edifact-number"]),
        ("UNT+.5+1", &["edifact-number"]),
        ("UNT+-3.5+1", &[]),
        ("UNT+3+1+2", &["edifact-extra"]),
        ("UNT+3+1:2", &["edifact-extra"]),
        ("UNT+3+1++", &[]),
        ("UNB+UNOC:1+A+B+26:1200+9", &["edifact-too-short"]),
    ];
    for (text, expected) in cases {
        let reading = parse_body(&format!("{text}'"), 1);
        let segment = reading.interchanges[0].segments().nth(2);
        // A second UNB opens another interchange.
        let segment = segment
            .filter(|s| s.tag() == "UNT")
            .or(reading.interchanges.get(1).and_then(|i| i.segment(0)));
        let segment = segment.unwrap();
        let spec = service_segment(segment.tag(), 1).unwrap();
        assert_eq!(words(&check(segment, spec)), *expected, "{text}");
    }
}

#[test]
fn refusals_name_the_field() {
    let mut writer = Writer::new(Style::default());
    writer.segment(SegmentBuilder::new("UNH").simple("1"));
    writer.segment(SegmentBuilder::new("FTX").simple("a").composite(["b", "ł"]));
    let refused = writer.finish().unwrap_err();
    let place = &refused[0].place;
    assert_eq!((place.segment, place.element, place.component), (Some(2), Some(3), Some(2)));
    assert_eq!(refused[0].code, code::CHARACTER);
}

#[test]
fn transliteration() {
    let cases = [
        (*b"UNOA", Charset::A, "Größe – 5 €", "GROESSE - 5 EUR"),
        (*b"UNOC", Charset::Latin1, "Größe – Łódź „x“", "Größe - Lódz \"x\""),
        (*b"UNOB", Charset::B, "a_b@c", "a-b(at)c"),
    ];
    for (identifier, charset, text, expected) in cases {
        let syntax = Syntax { identifier, charset, ..Syntax::default() };
        let mut writer = Writer::new(Style { syntax, transliterate: true, ..Style::default() });
        writer.value(text);
        let bytes = writer.finish().unwrap();
        assert_eq!(charset.decode(&bytes), expected);
    }
    let mut writer = Writer::new(Style { transliterate: true, ..Style::default() });
    writer.value("日");
    assert!(writer.finish().is_err());
}

#[test]
fn hostile_files_cost_no_more_than_their_size() {
    let flood = "'".repeat(100_000);
    let many = "UNB+UNOC:1'".repeat(12_000);
    let breaks = format!("UNB+UNOY:4+{}", "\n".repeat(1_000_000));
    let components = format!("{UNB}UNH+1+T:1'FTX+{}'UNT+3+1'UNZ+1+9'", ":".repeat(1_000_000));
    let cases = [
        (format!("{UNB}{flood}"), code::TOO_MANY),
        (many, code::TOO_LARGE),
        (breaks, code::TRUNCATED),
    ];
    for (text, expected) in cases {
        let reading = parse(text.as_bytes());
        assert!(reading.findings.iter().any(|finding| finding.code == expected), "{expected}");
        assert!(reading.findings.len() <= 30_000);
    }
    assert_eq!(words(&parse(components.as_bytes()).findings), [""; 0]);
}

#[test]
fn findings_are_shown_in_their_segment() {
    let cases = [
        (
            "UNB+UNOC:1+A+B+260101:1200+9'UNH+1+T:1'UNT+4+1'UNZ+1+9'",
            "\
warning[control-count]: UNT counts \"4\" segments, there are 2
   --> byte 43, segment 3 (UNT), element 2, CONTRL 29
    |
  3 | UNT+4+1'
    |     ^ expected \"2\"
",
        ),
        (
            "UNB+UNOC:1+A+B+260101:1200+9'UNH+1+T:1'FTX+a long text that goes on and on, with an\u{7} odd character and much more to say about it'UNT+3+1'UNZ+1+9'",
            "\
warning[edifact-character]: \"\\u{7}\" is not in the repertoire of UNOC
   --> byte 83, segment 3 (FTX), element 2, component 1, CONTRL 21
    |
  3 | …ng text that goes on and on, with an␇ odd character and much more to say…
    |                                      ^
",
        ),
        (
            "UNB+UNOC:1+A+B+260101:1200+9'UNH+1+T:1'FTX+cut",
            "\
error[edifact-truncated]: the file ends within a segment
   --> byte 46, CONTRL 13
    |
  3 | FTX+cut
    |        ^
",
        ),
        (
            "<xml/>",
            "\
error[edifact-no-header]: the file does not begin with UNA or UNB
   --> byte 0, CONTRL 13
",
        ),
    ];
    for (text, expected) in cases {
        let finding = &parse(text.as_bytes()).findings[0];
        assert_eq!(quote(text.as_bytes(), finding), expected);
    }
}
