//! Rich text: HTML-like markup in descriptions, solutions and annotations.

use super::tokens::is_blank;
use super::tree::{Child, Element};

/// How rich text becomes text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Render {
    /// Blocks on lines of their own, lists with `- `, white space folded.
    #[default]
    Clean,
    /// As the older program did: every text node on a line of its own, nothing trimmed.
    Compat,
    /// Jira's markup.
    Wiki,
}

/// The text of `element`.
pub(super) fn render(element: Element<'_>, how: Render) -> String {
    match how {
        Render::Compat => compat(element),
        Render::Clean | Render::Wiki => {
            let mut writer = Writer::new(how);
            writer.children(element);
            writer.finish()
        }
    }
}

/// The text nodes of the element and its own tail, joined by line ends; a blank one becomes a
/// line end if it has one, else a space.
fn compat(element: Element<'_>) -> String {
    let texts = element.descendants().filter_map(|child| match child {
        Child::Text(text) => Some(text),
        Child::Element(_) => None,
    });
    let mut rendered = String::new();
    for text in texts.chain([element.tail()]).filter(|text| !text.is_empty()) {
        if !rendered.is_empty() {
            rendered.push('\n');
        }
        rendered.push_str(match text {
            text if !text.bytes().all(|b| b.is_ascii_whitespace() || b == 0x0b) => text,
            text if text.contains('\n') => "\n",
            _ => " ",
        });
    }
    rendered
}

/// What an element does to the text around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Begins and ends a line.
    Block,
    /// A list: `true` where it is numbered.
    List(bool),
    Item,
    Break,
    /// Keeps its white space.
    Verbatim,
    /// Marked up in wiki text by this.
    Inline(&'static str),
    /// Not text for people.
    Nothing,
}

fn kind(name: &str) -> Kind {
    match name {
        "P" | "DIV" | "TABLE" | "TR" | "H1" | "H2" | "H3" | "H4" | "BLOCKQUOTE" | "NOTE" => {
            Kind::Block
        }
        "UL" | "LIST" => Kind::List(false),
        "OL" => Kind::List(true),
        "LI" | "ITEM" => Kind::Item,
        "BR" => Kind::Break,
        "VERBATIM" | "PRE" => Kind::Verbatim,
        "B" | "STRONG" | "E" => Kind::Inline("*"),
        "I" | "EM" => Kind::Inline("_"),
        "U" => Kind::Inline("+"),
        "SUB" => Kind::Inline("~"),
        "SUP" => Kind::Inline("^"),
        "TT" | "CODE" => Kind::Inline("{{"),
        "SCRIPT" | "STYLE" | "XFILE" | "CONTENT" => Kind::Nothing,
        _ => Kind::Inline(""),
    }
}

/// HTML names may be in either case.
fn kind_of(element: Element<'_>) -> Kind {
    let name = element.name();
    match name.bytes().any(|b| b.is_ascii_lowercase()) {
        true => kind(&name.to_ascii_uppercase()),
        false => kind(name),
    }
}

struct Writer {
    wiki: bool,
    text: String,
    /// White space was read that becomes one space if text follows on the line.
    space: bool,
    /// A new line is due before the next text.
    line: bool,
    /// What the next line begins with.
    mark: String,
    /// The open lists: numbered or not.
    lists: Vec<bool>,
}

impl Writer {
    fn new(how: Render) -> Self {
        Self {
            wiki: how == Render::Wiki,
            text: String::new(),
            space: false,
            line: false,
            mark: String::new(),
            lists: Vec::new(),
        }
    }

    /// The depth of elements is limited, so this may recurse.
    fn children(&mut self, element: Element<'_>) {
        for child in element.children() {
            match child {
                Child::Text(text) => self.folded(text),
                Child::Element(element) => self.element(element),
            }
        }
    }

    fn element(&mut self, element: Element<'_>) {
        match kind_of(element) {
            Kind::Block => {
                self.end_line();
                self.children(element);
                self.end_line();
            }
            Kind::List(numbered) => {
                self.end_line();
                self.lists.push(numbered);
                self.children(element);
                self.lists.pop();
                self.end_line();
            }
            Kind::Item => {
                self.end_line();
                self.mark = self.item_mark();
                self.children(element);
                self.mark.clear();
                self.end_line();
            }
            Kind::Break => {
                self.end_line();
                self.children(element);
            }
            Kind::Verbatim => self.verbatim(element),
            Kind::Inline(mark) => self.inline(element, mark),
            Kind::Nothing => {}
        }
    }

    fn item_mark(&self) -> String {
        let depth = self.lists.len().max(1);
        if self.wiki {
            let marks = self.lists.iter().map(|numbered| if *numbered { '#' } else { '*' });
            let marks: String = marks.collect();
            return format!("{} ", if marks.is_empty() { "*" } else { &marks });
        }
        // A text begins with its first mark, however deep the list it stands in.
        let indent = if self.text.is_empty() { 0 } else { depth - 1 };
        format!("{}- ", "  ".repeat(indent))
    }

    fn inline(&mut self, element: Element<'_>, mark: &str) {
        if !self.wiki || mark.is_empty() {
            return self.children(element);
        }
        // Markup must touch the text it marks, so blank content stays unmarked.
        let mut inner = Self::new(Render::Wiki);
        inner.children(element);
        let (led, trailed) = (inner.leads_with_space(element), inner.space);
        let marked = inner.finish();
        if marked.is_empty() {
            self.space |= led || trailed;
            return;
        }
        self.space |= led;
        let close = if mark == "{{" { "}}" } else { mark };
        self.word(&format!("{mark}{marked}{close}"));
        self.space |= trailed;
    }

    fn leads_with_space(&self, element: Element<'_>) -> bool {
        matches!(element.children().next(), Some(Child::Text(text)) if text.starts_with(char::is_whitespace))
    }

    fn verbatim(&mut self, element: Element<'_>) {
        self.end_line();
        let text: String = element
            .descendants()
            .filter_map(|child| match child {
                Child::Text(text) => Some(text),
                Child::Element(_) => None,
            })
            .collect();
        let text = text.trim_matches(['\r', '\n']).trim_end();
        if !text.is_empty() {
            self.begin();
            match self.wiki {
                true => {
                    self.text.push_str("{noformat}\n");
                    self.text.push_str(text);
                    self.text.push_str("\n{noformat}");
                }
                false => self.text.push_str(text),
            }
        }
        self.end_line();
    }

    fn folded(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let words = rest.trim_start_matches(is_blank);
            self.space |= words.len() < rest.len();
            if words.is_empty() {
                break;
            }
            let (line, next) = words.split_at(line(words));
            match self.wiki && line.contains(['{', '[']) {
                true => self.word(&line.replace('{', "\\{").replace('[', "\\[")),
                false => self.word(line),
            }
            rest = next;
        }
    }

    fn word(&mut self, word: &str) {
        self.begin();
        self.text.push_str(word);
    }

    /// Writes what is due before text.
    fn begin(&mut self) {
        if self.line && !self.text.is_empty() {
            self.text.push('\n');
        } else if self.space && !self.text.is_empty() && self.mark.is_empty() {
            self.text.push(' ');
        }
        self.line = false;
        self.space = false;
        let mark = std::mem::take(&mut self.mark);
        self.text.push_str(&mark);
    }

    fn end_line(&mut self) {
        self.line = true;
        self.space = false;
    }

    fn finish(self) -> String {
        self.text
    }
}

/// The length of the words at the beginning of `text` that are one space apart.
fn line(text: &str) -> usize {
    let bytes = text.as_bytes();
    let blank = |byte: &u8| is_blank(char::from(*byte));
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(blank)) {
        at += found;
        match bytes.get(at..) {
            Some([b' ', next, ..]) if !blank(next) => at += 1,
            _ => return at,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests;
