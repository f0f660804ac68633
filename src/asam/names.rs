//! How a URL in a document finds its member in the archive, whatever the packer did to the name.

use std::collections::HashMap;

use encoding_rs::IBM866;
use unicode_normalization::UnicodeNormalization;

/// The upper half of code page 437, the ZIP format's own (APPNOTE, appendix D).
const CP437: &str = "\
     ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ\
     áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
     └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
     αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// The upper half of code page 850, that of Western European DOS.
const CP850: &str = "\
     ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒ\
     áíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐\
     └┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀\
     ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";

/// How a member was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// The names are the same, in the encoding the ZIP format asks for.
    Exact,
    /// The packer mangled the name in a way we know.
    Mangled(&'static str),
    /// Only one member looks like it.
    Similar,
}

/// The members of an archive by their names.
#[derive(Default)]
pub(super) struct Names {
    decoded: HashMap<String, usize>,
    raw: HashMap<Vec<u8>, usize>,
    composed: HashMap<String, Vec<usize>>,
    skeleton: HashMap<String, Vec<usize>>,
}

impl Names {
    /// Adds member number `at`. Of members with one name the first is kept; such members are
    /// refused anyway.
    pub(super) fn add(&mut self, at: usize, raw: &[u8], decoded: &str, empty: bool) {
        self.decoded.entry(decoded.to_owned()).or_insert(at);
        let name = plain(decoded);
        self.decoded.entry(name.to_owned()).or_insert(at);
        self.raw.entry(raw.strip_prefix(b"./").unwrap_or(raw).to_owned()).or_insert(at);
        self.composed.entry(name.nfc().collect()).or_default().push(at);
        if !empty {
            self.skeleton.entry(skeleton(name)).or_default().push(at);
        }
    }

    /// The member that `url` means.
    pub(super) fn find(&self, url: &str) -> Option<(usize, Match)> {
        let name = plain(url);
        let exact = |at: &usize| (*at, Match::Exact);
        if let Some(at) = self.decoded.get(url).or_else(|| self.decoded.get(name)) {
            return Some(exact(at));
        }
        if let Some(at) = self.raw.get(name.as_bytes()) {
            return Some(exact(at));
        }
        for (table, quirk) in [(CP437, None), (CP850, Some("code page 850"))] {
            if let Some(at) = encode(name, table).and_then(|raw| self.raw.get(&raw)) {
                return Some((*at, quirk.map_or(Match::Exact, Match::Mangled)));
            }
        }
        if let Some(at) = encode_latin1(name).and_then(|raw| self.raw.get(&raw)) {
            return Some((*at, Match::Mangled("ISO-8859-1")));
        }
        let bytes = name.as_bytes();
        let mangled = [
            (IBM866.decode_without_bom_handling(bytes).0.into_owned(), "UTF-8 taken for cp866"),
            (decode(bytes, CP437), "UTF-8 taken for cp437"),
            (decode(bytes, CP850), "UTF-8 taken for cp850"),
            (bytes.iter().map(|b| char::from(*b)).collect(), "UTF-8 taken for ISO-8859-1"),
        ];
        for (candidate, quirk) in mangled {
            if let Some(at) = self.decoded.get(&candidate) {
                return Some((*at, Match::Mangled(quirk)));
            }
        }
        let composed: String = name.nfc().collect();
        if let Some([at]) = self.composed.get(&composed).map(Vec::as_slice) {
            return Some((*at, Match::Mangled("another Unicode normal form")));
        }
        if name.is_ascii() {
            return None;
        }
        match self.skeleton.get(&skeleton(name)).map(Vec::as_slice) {
            Some([at]) => Some((*at, Match::Similar)),
            _ => None,
        }
    }
}

fn plain(name: &str) -> &str {
    let mut name = name;
    while let Some(rest) = name.strip_prefix("./") {
        name = rest;
    }
    name
}

/// The ASCII characters; each run of others becomes one mark.
fn skeleton(name: &str) -> String {
    let mut skeleton = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii() {
            skeleton.push(c);
        } else if !skeleton.ends_with('\u{fffd}') {
            skeleton.push('\u{fffd}');
        }
    }
    skeleton
}

fn decode(bytes: &[u8], upper: &str) -> String {
    let table: Vec<char> = upper.chars().collect();
    bytes
        .iter()
        .map(|byte| match byte.checked_sub(128) {
            None => char::from(*byte),
            Some(at) => table.get(usize::from(at)).copied().unwrap_or('\u{fffd}'),
        })
        .collect()
}

fn encode(name: &str, upper: &str) -> Option<Vec<u8>> {
    name.chars()
        .map(|c| match u8::try_from(c) {
            Ok(byte) if byte.is_ascii() => Some(byte),
            _ => {
                let at = upper.chars().position(|known| known == c)?;
                u8::try_from(at + 128).ok()
            }
        })
        .collect()
}

fn encode_latin1(name: &str) -> Option<Vec<u8>> {
    name.chars().map(|c| u8::try_from(c).ok()).collect()
}

/// The name of a member whose bytes are `raw`: UTF-8, else code page 437.
pub(super) fn decode_member(raw: &[u8]) -> String {
    match std::str::from_utf8(raw) {
        Ok(name) => name.to_owned(),
        Err(_) => decode(raw, CP437),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_whole() {
        for table in [CP437, CP850] {
            let chars: std::collections::HashSet<char> = table.chars().collect();
            assert_eq!((table.chars().count(), chars.len()), (128, 128));
        }
    }

    #[test]
    fn a_name_is_found_however_it_was_mangled() {
        let cp866 = |name: &str| {
            IBM866.decode_without_bom_handling(name.as_bytes()).0.into_owned().into_bytes()
        };
        let cases: [(&str, Vec<u8>, Match); 11] = [
            ("a/b.txt", b"a/b.txt".to_vec(), Match::Exact),
            ("./a/b.txt", b"a/b.txt".to_vec(), Match::Exact),
            ("a/b.txt", b"./a/b.txt".to_vec(), Match::Exact),
            ("ä.txt", "ä.txt".into(), Match::Exact),
            ("./h\u{f6}he", b"./h\x94he".to_vec(), Match::Exact),
            ("\u{a9}\u{f6}", b"\xb8\x94".to_vec(), Match::Mangled("code page 850")),
            ("Ma\u{df}\u{e3}", b"Ma\xdf\xe3".to_vec(), Match::Mangled("ISO-8859-1")),
            ("Änderung", cp866("Änderung"), Match::Mangled("UTF-8 taken for cp866")),
            ("Ä", decode("Ä".as_bytes(), CP437).into(), Match::Mangled("UTF-8 taken for cp437")),
            ("\u{fc}", "u\u{308}".into(), Match::Mangled("another Unicode normal form")),
            ("Gr\u{f6}\u{df}e.txt", "Gr??e.txt".replace('?', "\u{fffd}").into(), Match::Similar),
        ];
        for (url, raw, how) in cases {
            let mut names = Names::default();
            names.add(7, &raw, &decode_member(&raw), false);
            names.add(8, b"other", "other", false);
            assert_eq!(names.find(url), Some((7, how)), "{url} {raw:?}");
        }
    }

    #[test]
    fn two_similar_names_are_none() {
        let mut names = Names::default();
        for (at, name) in ["Gr\u{fffd}e", "Gr\u{fffd}\u{fffd}e"].into_iter().enumerate() {
            names.add(at, name.as_bytes(), name, false);
        }
        assert_eq!(names.find("Größe"), None);
        assert_eq!(names.find("Gr?e"), None);
    }
}
