//! What a character outside the repertoire becomes when the partner's configuration asks for it.

use unicode_normalization::UnicodeNormalization;

use super::charset::Charset;

/// Replacements that a decomposition does not give: German spelling first, then punctuation.
const TABLE: &[(char, &str)] = &[
    ('ä', "ae"),
    ('ö', "oe"),
    ('ü', "ue"),
    ('Ä', "Ae"),
    ('Ö', "Oe"),
    ('Ü', "Ue"),
    ('ß', "ss"),
    ('ẞ', "SS"),
    ('æ', "ae"),
    ('Æ', "AE"),
    ('ø', "oe"),
    ('Ø', "OE"),
    ('å', "aa"),
    ('Å', "AA"),
    ('œ', "oe"),
    ('Œ', "OE"),
    ('ł', "l"),
    ('Ł', "L"),
    ('đ', "d"),
    ('Đ', "D"),
    ('ð', "d"),
    ('þ', "th"),
    ('ı', "i"),
    ('€', "EUR"),
    ('–', "-"),
    ('—', "-"),
    ('‐', "-"),
    ('‑', "-"),
    ('−', "-"),
    ('‘', "'"),
    ('’', "'"),
    ('‚', "'"),
    ('“', "\""),
    ('”', "\""),
    ('„', "\""),
    ('«', "\""),
    ('»', "\""),
    ('…', "..."),
    ('•', "-"),
    ('·', "."),
    ('×', "x"),
    ('°', " deg"),
    ('µ', "u"),
    ('μ', "u"),
    ('\u{a0}', " "),
    ('\u{202f}', " "),
    ('\u{2009}', " "),
    ('\u{ad}', ""),
    ('\u{200b}', ""),
    ('\t', " "),
    ('\r', ""),
    ('\n', " "),
    // What levels A and B leave out of ISO 646.
    ('_', "-"),
    ('@', "(at)"),
    ('#', "Nr."),
    ('$', "USD"),
    ('[', "("),
    (']', ")"),
    ('{', "("),
    ('}', ")"),
    ('\\', "/"),
    ('|', "/"),
    ('~', "-"),
    ('^', ""),
    ('`', "'"),
];

/// The replacement, in characters that `charset` has; `None` where there is none.
pub(super) fn transliterate(c: char, charset: Charset) -> Option<String> {
    let plain = match TABLE.iter().find(|(from, _)| *from == c) {
        Some((_, to)) => (*to).to_owned(),
        None if c.is_ascii() => c.to_string(),
        None => c.nfkd().filter(char::is_ascii).collect(),
    };
    let found = TABLE.iter().any(|(from, _)| *from == c);
    if plain.is_empty() && !found {
        return None;
    }
    let plain = if charset == Charset::A { plain.to_uppercase() } else { plain };
    let mut encoded = Vec::new();
    plain.chars().all(|c| charset.encode(c, &mut encoded)).then_some(plain)
}
