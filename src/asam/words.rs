//! The names of elements, each known by one look into a table.

/// The name of an element that some version of the format has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// The name in the PFIFF profile.
    pub(super) name: &'static str,
    /// An ISSUE may have it outside rich text; others are reported.
    pub(super) known: bool,
    /// Anything may stand in it: rich text, special data.
    pub(super) open: bool,
}

/// The elements of an ISSUE.
#[rustfmt::skip]
const KNOWN: &[&str] = &[
    "ABS", "ADDRESS", "AMOUNT", "ANNOTATION", "ANNOTATION-RELATED-DOCUMENT",
    "ANNOTATION-RELATED-DOCUMENTS", "ANNOTATION-TEXT", "ANNOTATIONS", "CATEGORY",
    "COMPANY-DATA-REF", "COMPANY-ISSUE-INFO", "COMPANY-ISSUE-INFOS", "COND", "CONTENT",
    "COST-AMOUNT", "COST-CURRENCY", "COST-DETAILS", "COST-SHARES", "DATE", "DELIVERY-DATE",
    "DELIVERY-MILESTONE", "DELIVERY-MILESTONES", "DESC", "DOMAIN", "EFFORT-AMOUNT",
    "EFFORT-DETAILS", "EFFORT-SHARES", "EFFORT-UNIT", "ENGINEERING-OBJECT",
    "ENGINEERING-OBJECTS", "ISSUE", "ISSUE-COST", "ISSUE-COSTS", "ISSUE-CURRENT-STATE",
    "ISSUE-DESC", "ISSUE-EFFORT", "ISSUE-ENVIRONMENT", "ISSUE-HISTORY-STATE",
    "ISSUE-HISTORY-STATES", "ISSUE-ID", "ISSUE-INITIATOR", "ISSUE-PRIORITY", "ISSUE-PROPERTIES",
    "ISSUE-REF", "ISSUE-RELATED-DOCUMENT", "ISSUE-RELATED-DOCUMENTS", "ISSUE-RELATION",
    "ISSUE-SEVERITY", "ISSUE-SOLUTION", "ISSUE-SOLUTION-DESC", "ISSUE-SOLUTIONS", "ISSUE-STATE",
    "LABEL", "LONG-NAME", "LONG-NAME-1", "MAX", "MIN", "NUMBER", "PRM", "PRM-CHAR", "PRM-UNIT",
    "PRMS", "PROJECT-ID", "PROJECT-IDS", "RELATED-ISSUE", "RELATED-ISSUES", "REPRODUCIBILITY",
    "REVISION-LABEL", "REVISION-LABELS", "SD", "SDG", "SDG-CAPTION", "SDGS", "SHORT-LABEL",
    "SHORT-NAME", "STATE-1", "TEAM-MEMBER-REF", "TEXT", "TOL", "TRANSACTION-ID", "TYP", "UNIT",
    "URL", "XDOC", "XFILE",
];

/// Those of rich text and of the rest of the document, as far as they are frequent.
const OTHERS: &[&str] = &["P", "UL", "OL", "LI", "B", "I", "BR", "COMPANY-DATA", "COMPANY-DATAS"];

/// Those in which anything may stand.
const OPEN: &[&str] = &["ISSUE-DESC", "ISSUE-SOLUTION-DESC", "ANNOTATION-TEXT", "SDGS"];

/// What other versions call otherwise: their name, and that of the PFIFF profile.
const ALIASES: &[(&str, &str)] = &[
    ("COMPANIES", "COMPANY-DATAS"),
    ("COMPANY", "COMPANY-DATA"),
    ("COMPANY-REF", "COMPANY-DATA-REF"),
    ("ISSUE-PLANNING-INFOS", "ISSUE-PROPERTIES"),
    ("ISSUE-ANNOTATIONS", "ANNOTATIONS"),
    ("ISSUE-ANNOTATION", "ANNOTATION"),
];

/// The word that a local name is, and the name itself.
#[inline]
pub(super) fn word(name: &str) -> Option<(&'static str, Word)> {
    let mut at = slot(name.as_bytes());
    loop {
        let entry = TABLE.get(at)?.as_ref()?;
        if entry.0 == name {
            return Some(*entry);
        }
        at = (at + 1) % SLOTS;
    }
}

const SLOTS: usize = 1024;
type Entry = (&'static str, Word);

/// Open addressing; most words stand in their own slot.
static TABLE: [Option<Entry>; SLOTS] = {
    let mut table = [None; SLOTS];
    let mut at = 0;
    while at < KNOWN.len() {
        let (name, mut open, mut other) = (KNOWN[at], false, 0);
        while other < OPEN.len() {
            open |= same(name.as_bytes(), OPEN[other].as_bytes());
            other += 1;
        }
        put(&mut table, name, Word { name, known: true, open });
        at += 1;
    }
    at = 0;
    while at < OTHERS.len() {
        put(&mut table, OTHERS[at], Word { name: OTHERS[at], known: false, open: false });
        at += 1;
    }
    at = 0;
    while at < ALIASES.len() {
        let (alias, name) = ALIASES[at];
        let word = match find(&table, name) {
            Some(word) => word,
            None => Word { name, known: false, open: false },
        };
        put(&mut table, alias, word);
        at += 1;
    }
    table
};

const fn put(table: &mut [Option<Entry>; SLOTS], name: &'static str, word: Word) {
    let mut at = slot(name.as_bytes());
    while table[at].is_some() {
        at = (at + 1) % SLOTS;
    }
    table[at] = Some((name, word));
}

const fn find(table: &[Option<Entry>; SLOTS], name: &str) -> Option<Word> {
    let mut at = slot(name.as_bytes());
    while let Some((known, word)) = table[at] {
        if same(known.as_bytes(), name.as_bytes()) {
            return Some(word);
        }
        at = (at + 1) % SLOTS;
    }
    None
}

const fn same(one: &[u8], two: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < two.len() && one[at] == two[at] {
        at += 1;
    }
    at == one.len() && at == two.len()
}

/// A hash of the length and of five octets, which tell the words apart.
#[inline]
const fn slot(name: &[u8]) -> usize {
    let length = name.len();
    if length == 0 {
        return 0;
    }
    let octets = [
        name[0],
        name[length / 4],
        name[length / 2],
        name[length - 1 - length / 4],
        name[length - 1],
        0,
        0,
        0,
    ];
    let mixed =
        (u64::from_le_bytes(octets) ^ ((length as u64) << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (64 - SLOTS.ilog2())) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_word_is_found_and_no_other() {
        for name in KNOWN {
            let open = OPEN.contains(name);
            assert_eq!(word(name), Some((*name, Word { name, known: true, open })));
        }
        for name in OTHERS {
            assert_eq!(word(name), Some((*name, Word { name, known: false, open: false })));
        }
        for (alias, name) in ALIASES {
            let known = KNOWN.contains(name);
            assert_eq!(word(alias), Some((*alias, Word { name, known, open: false })));
        }
        assert!(OPEN.iter().all(|name| KNOWN.contains(name)));
        for name in ["", "X", "p", "ISSUEX", "ISSU", "ISSUE-DESD", "Ü", "KNOWN", "LEVEL"] {
            assert_eq!(word(name), None, "{name}");
        }
    }

    #[test]
    fn the_words_stand_apart() {
        let aliases = ALIASES.iter().map(|(alias, _)| alias);
        let names: Vec<_> = KNOWN.iter().chain(OTHERS).chain(aliases).collect();
        let slots: HashSet<_> = names.iter().map(|name| slot(name.as_bytes())).collect();
        assert!(names.len() - slots.len() <= 6, "{} of {}", slots.len(), names.len());
    }
}
