//! Readable text for terminals: tables, cut and escaped cells.

use std::borrow::Cow;
use std::io::{self, Write};

use unicode_normalization::char::is_combining_mark;

/// Rows of text in aligned columns. Columns in which every cell is empty are left out.
#[derive(Debug, Default)]
pub(super) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column heads.
    #[must_use]
    pub(super) fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; cells are escaped to one line.
    pub(super) fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(|cell| escape(cell.as_ref()).into_owned()).collect());
    }

    /// Whether there is no row.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes the table; where it would be wider than `most` characters, the last column is cut.
    ///
    /// # Errors
    /// Those of `out`.
    pub(super) fn write(&self, out: &mut dyn Write, most: Option<usize>) -> io::Result<()> {
        let cell = |row: &'_ [String], n: usize| row.get(n).map_or(0, |cell| width(cell));
        let columns: Vec<(usize, usize)> = (0..self.head.len())
            .map(|n| (n, self.rows.iter().map(|row| cell(row, n)).max().unwrap_or(0)))
            .filter(|(_, widest)| *widest > 0)
            .map(|(n, widest)| (n, widest.max(width(self.head[n]))))
            .collect();
        let head: Vec<String> = self.head.iter().map(|head| head.to_uppercase()).collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            let mut line = String::new();
            for (place, (n, wide)) in columns.iter().enumerate() {
                let text = row.get(*n).map_or("", String::as_str);
                if place + 1 < columns.len() {
                    line.push_str(&pad(text, *wide));
                    line.push_str("  ");
                } else {
                    let room = most.map(|most| most.saturating_sub(width(&line)).max(8));
                    line.push_str(&cut(text, room.unwrap_or(usize::MAX)));
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = Vec::new();
        self.write(&mut text, None).map_err(|_| std::fmt::Error)?;
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

/// How many columns a text takes: combining marks stand on the letter before.
#[must_use]
pub(super) fn width(text: &str) -> usize {
    text.chars().filter(|c| !is_combining_mark(*c)).count()
}

/// The text filled up with blanks.
#[must_use]
pub(super) fn pad(text: &str, wide: usize) -> String {
    format!("{text}{}", " ".repeat(wide.saturating_sub(width(text))))
}

/// The text, or what of it fits followed by `…`.
#[must_use]
pub(super) fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if width(text) <= most {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += usize::from(!is_combining_mark(c));
        if used >= most {
            break;
        }
        kept.push(c);
    }
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    Cow::Owned(kept)
}

/// The text in one line that no terminal or log takes for a command: control characters and
/// those that turn the direction of writing are written as `\n`, `\t` or `\u{1b}`.
#[must_use]
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unsafe(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// The lines of a text, each escaped.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.lines().map(|line| escape(line.trim_end_matches('\r')))
}

/// The Unicode controls (C0, C1, DEL), line and paragraph separators, direction marks and
/// overrides (the characters of "Trojan Source"), and the byte order mark.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(table: &Table, most: Option<usize>) -> String {
        let mut out = Vec::new();
        table.write(&mut out, most).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_line_up_by_characters_and_empty_ones_go() {
        let mut table = Table::new(&["key", "status", "assignee", "summary"]);
        table.row(["ISS-1", "Geöffnet", "", "Türgriff"]);
        table.row(["ISS-12", "e\u{301}", "", "a\nb"]);
        let wanted = "KEY     STATUS    SUMMARY\n\
                      ISS-1   Geöffnet  Türgriff\n\
                      ISS-12  e\u{301}         a\\nb\n";
        assert_eq!(shown(&table, None), wanted);
        assert_eq!(shown(&Table::new(&["key"]), None), "\n");
    }

    #[test]
    fn only_the_last_column_is_cut() {
        let mut table = Table::new(&["key", "summary"]);
        table.row(["ISS-1", "the quick brown fox"]);
        assert_eq!(shown(&table, Some(20)), "KEY    SUMMARY\nISS-1  the quick br…\n");
        assert_eq!(shown(&table, Some(1)), "KEY    SUMMARY\nISS-1  the qui…\n");
    }

    #[test]
    fn cutting_keeps_whole_characters() {
        let cases = [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("äöüß", 3, "äö…"),
            ("a bcd", 3, "a…"),
            ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…"),
            ("", 0, ""),
            ("a", 0, "…"),
        ];
        for (text, most, wanted) in cases {
            assert_eq!(cut(text, most), wanted, "{text:?} {most}");
        }
    }

    #[test]
    fn nothing_that_commands_a_terminal_passes() {
        let cases = [
            ("Größe 🚗", "Größe 🚗"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("a\u{9b}b\u{7f}", "a\\u{9b}b\\u{7f}"),
            ("\u{202e}gnp.exe", "\\u{202e}gnp.exe"),
            ("👩\u{200d}🔧", "👩\u{200d}🔧"),
        ];
        for (text, wanted) in cases {
            assert_eq!(escape(text), wanted);
        }
        assert_eq!(lines("a\r\nb\u{7}\n\nc").collect::<Vec<_>>(), ["a", "b\\u{7}", "", "c"]);
    }
}
