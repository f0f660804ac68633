//! The elements of one issue, lossless, in one flat arena that is used again for the next issue.

use super::words::Word;

/// A subtree: elements and texts in document order.
#[derive(Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    attributes: Vec<(Span, Span)>,
    /// Values and texts, and names that are no words, one after the other.
    bytes: String,
    /// The length of the names that are words.
    words: usize,
    open: Vec<usize>,
}

type Span = (u32, u32);

struct Node {
    what: What,
    /// The node after this one's subtree.
    end: u32,
    depth: u16,
    /// Its attributes: from, to.
    attributes: Span,
}

/// An element by its name, or a text by its characters.
#[derive(Clone, Copy)]
enum What {
    Word(Word),
    Name(Span),
    Text(Span),
}

/// An element of a [`Tree`].
#[derive(Clone, Copy)]
pub(super) struct Element<'t> {
    tree: &'t Tree,
    at: usize,
}

/// A child of an element.
#[derive(Clone, Copy)]
pub(super) enum Child<'t> {
    Element(Element<'t>),
    Text(&'t str),
}

impl Tree {
    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.attributes.clear();
        self.bytes.clear();
        self.words = 0;
        self.open.clear();
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// How many bytes of names and texts there are.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() + self.words
    }

    #[inline]
    pub(super) fn start(&mut self, name: &str, word: Option<Word>) {
        let what = match word {
            Some(word) => What::Word(word),
            None => What::Name(self.keep(name)),
        };
        self.words += word.map_or(0, |word| word.name.len());
        let attributes = offset(self.attributes.len());
        self.push(what, (attributes, attributes));
        self.open.push(self.nodes.len() - 1);
    }

    /// Gives the element that was just started an attribute.
    pub(super) fn attribute(&mut self, name: &str, value: &str) {
        let pair = (self.keep(name), self.keep(value));
        self.attributes.push(pair);
        if let Some(node) = self.nodes.last_mut() {
            node.attributes.1 = offset(self.attributes.len());
        }
    }

    #[inline]
    pub(super) fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let depth = self.depth();
        let span = self.keep(text);
        match self.nodes.last_mut() {
            // Comments, references and CDATA do not split a text.
            Some(Node { what: What::Text(text), depth: known, .. }) if *known == depth => {
                text.1 = span.1;
            }
            _ => self.push(What::Text(span), (0, 0)),
        }
    }

    /// Ends the innermost element; `true` when it was the root.
    #[inline]
    pub(super) fn end(&mut self) -> bool {
        if let Some(at) = self.open.pop() {
            self.nodes[at].end = offset(self.nodes.len());
        }
        self.open.is_empty()
    }

    pub(super) fn root(&self) -> Option<Element<'_>> {
        self.nodes.first().filter(|node| node.is_element()).map(|_| Element { tree: self, at: 0 })
    }

    fn depth(&self) -> u16 {
        u16::try_from(self.open.len()).unwrap_or(u16::MAX)
    }

    #[inline]
    fn push(&mut self, what: What, attributes: Span) {
        let depth = self.depth();
        let end = offset(self.nodes.len() + 1);
        self.nodes.push(Node { what, end, depth, attributes });
    }

    #[inline]
    fn keep(&mut self, text: &str) -> Span {
        let from = offset(self.bytes.len());
        self.bytes.push_str(text);
        (from, offset(self.bytes.len()))
    }

    #[inline]
    fn child(&self, node: &Node, at: usize) -> Child<'_> {
        match node.what {
            What::Text(span) => Child::Text(self.get(span)),
            What::Word(_) | What::Name(_) => Child::Element(Element { tree: self, at }),
        }
    }

    #[inline]
    fn get(&self, span: Span) -> &str {
        self.bytes.get(span.0 as usize..span.1 as usize).unwrap_or_default()
    }
}

impl Node {
    fn is_element(&self) -> bool {
        !matches!(self.what, What::Text(_))
    }
}

/// The limits on an issue keep every offset far below 4 GiB.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl<'t> Element<'t> {
    pub(super) fn name(self) -> &'t str {
        match self.node().what {
            What::Word(word) => word.name,
            What::Name(span) | What::Text(span) => self.tree.get(span),
        }
    }

    /// Its name, if some version of the format has it.
    pub(super) fn word(self) -> Option<Word> {
        match self.node().what {
            What::Word(word) => Some(word),
            What::Name(_) | What::Text(_) => None,
        }
    }

    pub(super) fn children(self) -> impl Iterator<Item = Child<'t>> + use<'t> {
        let end = self.node().end as usize;
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            let node = (at < end).then(|| &self.tree.nodes[at])?;
            let here = at;
            at = node.end as usize;
            Some(self.tree.child(node, here))
        })
    }

    /// Everything below, in document order: elements when they begin, and texts.
    pub(super) fn descendants(self) -> impl Iterator<Item = Child<'t>> + use<'t> {
        let below = self.at + 1..self.node().end as usize;
        below.map(move |at| self.tree.child(&self.tree.nodes[at], at))
    }

    /// All elements below in document order; those below an element for which `enter` says no
    /// are left out.
    pub(super) fn walk(self, enter: &mut dyn FnMut(Self) -> bool) {
        let end = self.node().end as usize;
        let mut at = self.at + 1;
        while at < end {
            let node = &self.tree.nodes[at];
            let skip = node.is_element() && !enter(Element { tree: self.tree, at });
            at = if skip { node.end as usize } else { at + 1 };
        }
    }

    /// The names of the elements around this one, from the root, joined by slashes.
    pub(super) fn path(self) -> String {
        let around = |at: &usize| {
            let node = &self.tree.nodes[*at];
            node.is_element() && *at <= self.at && self.at < node.end as usize
        };
        let names = (0..=self.at).filter(around).map(|at| Element { tree: self.tree, at }.name());
        names.collect::<Vec<_>>().join("/")
    }

    pub(super) fn elements(self) -> impl Iterator<Item = Element<'t>> + use<'t> {
        self.children().filter_map(|child| match child {
            Child::Element(element) => Some(element),
            Child::Text(_) => None,
        })
    }

    /// All elements of these names below, at any depth.
    pub(super) fn find_all(
        self,
        names: &'static [&'static str],
    ) -> impl Iterator<Item = Element<'t>> + use<'t> {
        self.descendants().filter_map(move |child| match child {
            Child::Element(element) if names.contains(&element.name()) => Some(element),
            _ => None,
        })
    }

    /// The first child element of this name.
    pub(super) fn child(self, name: &str) -> Option<Element<'t>> {
        self.elements().find(|element| element.name() == name)
    }

    pub(super) fn has_elements(self) -> bool {
        self.elements().next().is_some()
    }

    pub(super) fn attribute(self, name: &str) -> Option<&'t str> {
        self.attributes().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    pub(super) fn attributes(self) -> impl Iterator<Item = (&'t str, &'t str)> + use<'t> {
        let (from, to) = self.node().attributes;
        let pairs = &self.tree.attributes[from as usize..to as usize];
        pairs.iter().map(move |(name, value)| (self.tree.get(*name), self.tree.get(*value)))
    }

    /// The text before the first child element, trimmed.
    pub(super) fn lead(self) -> &'t str {
        match self.children().next() {
            Some(Child::Text(text)) => text.trim(),
            _ => "",
        }
    }

    /// The lead of the first child element of this name; empty where there is none.
    pub(super) fn lead_of(self, name: &str) -> &'t str {
        self.child(name).map(Element::lead).unwrap_or_default()
    }

    /// The text between this element's end tag and the next tag.
    pub(super) fn tail(self) -> &'t str {
        let node = self.node();
        match self.tree.nodes.get(node.end as usize) {
            Some(Node { what: What::Text(span), depth, .. }) if *depth == node.depth => {
                self.tree.get(*span)
            }
            _ => "",
        }
    }

    /// Which node of the tree it is.
    pub(super) fn at(self) -> usize {
        self.at
    }

    fn node(self) -> &'t Node {
        &self.tree.nodes[self.at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_leads_and_tails() {
        let mut tree = Tree::default();
        tree.start("A", None);
        tree.attribute("ID", "7");
        tree.text(" x ");
        tree.text("&");
        tree.start("B", super::super::words::word("B").map(|(_, word)| word));
        tree.text("b");
        assert!(!tree.end());
        tree.text("tail of b");
        tree.start("C", None);
        tree.end();
        assert!(tree.end());
        let root = tree.root().unwrap();
        assert_eq!((root.name(), root.lead(), root.attribute("ID")), ("A", "x &", Some("7")));
        assert_eq!(root.lead_of("B"), "b");
        assert_eq!(root.child("B").unwrap().tail(), "tail of b");
        assert_eq!(root.child("C").unwrap().tail(), "");
        assert_eq!(root.elements().map(Element::name).collect::<Vec<_>>(), ["B", "C"]);
        assert_eq!(root.descendants().count(), 5);
        assert_eq!(root.find_all(&["C"]).count(), 1);
        assert!(root.attribute("X").is_none() && root.tail().is_empty());
    }
}
