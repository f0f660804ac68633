//! Atlassian Document Format, as Cloud has rich text, to plain text and back.
//!
//! Plain text becomes paragraphs (parted by an empty line) with hard breaks, and comes back as it
//! was. What people write with the editor is read with the marks a plain text would have.

use chrono::DateTime;
use serde_json::{Value as Json, json};

/// How deep a document is followed.
const DEEPEST: usize = 64;

/// A document of this text.
pub(super) fn from_text(text: &str) -> Json {
    let paragraphs: Vec<Json> =
        if text.is_empty() { Vec::new() } else { text.split("\n\n").map(paragraph).collect() };
    json!({"type": "doc", "version": 1, "content": paragraphs})
}

fn paragraph(text: &str) -> Json {
    let mut content = Vec::new();
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            content.push(json!({"type": "hardBreak"}));
        }
        if !line.is_empty() {
            content.push(json!({"type": "text", "text": line}));
        }
    }
    json!({"type": "paragraph", "content": content})
}

/// Whether this is a document.
pub(super) fn is_document(json: &Json) -> bool {
    json["type"] == "doc" && json["content"].is_array()
}

/// The text of a document.
pub(super) fn to_text(document: &Json) -> String {
    blocks(document, "\n\n", 0)
}

fn children(node: &Json) -> impl Iterator<Item = &Json> {
    node["content"].as_array().into_iter().flatten()
}

fn blocks(node: &Json, between: &str, depth: usize) -> String {
    if depth > DEEPEST {
        return String::new();
    }
    let parts: Vec<String> = children(node).map(|child| block(child, depth + 1)).collect();
    parts.join(between)
}

fn block(node: &Json, depth: usize) -> String {
    let kind = node["type"].as_str().unwrap_or_default();
    match kind {
        "paragraph" | "heading" | "caption" | "taskItem" | "decisionItem" => {
            let text = inline(node, depth);
            match (kind, node["attrs"]["state"].as_str()) {
                ("taskItem", Some("DONE")) => format!("[x] {text}"),
                ("taskItem", _) => format!("[ ] {text}"),
                ("decisionItem", _) => format!("<> {text}"),
                _ => text,
            }
        }
        "codeBlock" => inline(node, depth),
        "bulletList" => items(node, depth, |_| "- ".to_owned()),
        "orderedList" => {
            let first = node["attrs"]["order"].as_u64().unwrap_or(1);
            items(node, depth, |at| format!("{}. ", first + at))
        }
        "listItem" => blocks(node, "\n", depth),
        "taskList" | "decisionList" => blocks(node, "\n", depth),
        "blockquote" => prefixed(&blocks(node, "\n\n", depth), "> ", "> "),
        "rule" => "----".to_owned(),
        "table" => blocks(node, "\n", depth),
        "tableRow" => {
            let cells: Vec<String> = children(node)
                .map(|cell| blocks(cell, " ", depth + 1).replace('\n', " "))
                .collect();
            format!("| {} |", cells.join(" | "))
        }
        "expand" | "nestedExpand" => {
            let title = node["attrs"]["title"].as_str().unwrap_or_default();
            let inside = blocks(node, "\n\n", depth);
            if title.is_empty() { inside } else { format!("{title}\n\n{inside}") }
        }
        "mediaSingle" | "mediaGroup" => blocks(node, "\n", depth),
        "media" => format!("[{}]", node["attrs"]["alt"].as_str().unwrap_or("file")),
        "blockCard" | "embedCard" => node["attrs"]["url"].as_str().unwrap_or_default().to_owned(),
        _ if node["content"].is_array() => blocks(node, "\n\n", depth),
        _ => leaf(node),
    }
}

fn items(node: &Json, depth: usize, mark: impl Fn(u64) -> String) -> String {
    let lines: Vec<String> = children(node)
        .zip(0u64..)
        .map(|(item, at)| {
            let mark = mark(at);
            let indent = " ".repeat(mark.len());
            prefixed(&block(item, depth + 1), &mark, &indent)
        })
        .collect();
    lines.join("\n")
}

fn prefixed(text: &str, first: &str, rest: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .enumerate()
        .map(|(at, line)| format!("{}{line}", if at == 0 { first } else { rest }))
        .collect();
    lines.join("\n")
}

fn inline(node: &Json, depth: usize) -> String {
    if depth > DEEPEST {
        return String::new();
    }
    children(node)
        .map(
            |child| {
                if child["content"].is_array() { inline(child, depth + 1) } else { leaf(child) }
            },
        )
        .collect()
}

fn leaf(node: &Json) -> String {
    let attr = |name: &str| node["attrs"][name].as_str().unwrap_or_default().to_owned();
    match node["type"].as_str().unwrap_or_default() {
        "text" => linked(node),
        "hardBreak" => "\n".to_owned(),
        "mention" | "status" | "placeholder" => attr("text"),
        "emoji" => match node["attrs"]["text"].as_str() {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => attr("shortName"),
        },
        "inlineCard" => attr("url"),
        "date" => date(&attr("timestamp")),
        "mediaInline" => "[file]".to_owned(),
        _ => node["text"].as_str().unwrap_or_default().to_owned(),
    }
}

fn date(milliseconds: &str) -> String {
    let at = milliseconds.parse().ok().and_then(DateTime::from_timestamp_millis);
    at.map_or_else(|| milliseconds.to_owned(), |at| at.format("%Y-%m-%d").to_string())
}

/// A text, with the address it links to where that is another.
fn linked(node: &Json) -> String {
    let text = node["text"].as_str().unwrap_or_default();
    let marks = node["marks"].as_array().into_iter().flatten();
    let mut links = marks.filter(|mark| mark["type"] == "link");
    match links.next().and_then(|link| link["attrs"]["href"].as_str()) {
        Some(href) if href != text => format!("{text} ({href})"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_comes_back_as_it_was(text in "[a-zäß \\n]{0,40}|(\\PC|\\n){0,30}") {
            let document = from_text(&text);
            prop_assert_eq!(to_text(&document), text);
        }

        #[test]
        fn what_was_read_is_stable(nodes in prop::collection::vec(node(), 0..5)) {
            let text = to_text(&json!({"type": "doc", "version": 1, "content": nodes}));
            prop_assert_eq!(to_text(&from_text(&text)), text);
        }
    }

    fn node() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            "[a-z\\n]{1,5}".prop_map(|text| json!({"type": "text", "text": text})),
            Just(json!({"type": "hardBreak"})),
            Just(json!({"type": "rule"})),
            Just(json!(null)),
            Just(json!({"type": 7, "content": 3})),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let kinds = prop::sample::select(vec![
                "paragraph",
                "bulletList",
                "listItem",
                "blockquote",
                "table",
                "tableRow",
                "x",
            ]);
            (kinds, prop::collection::vec(inner, 0..4))
                .prop_map(|(kind, content)| json!({"type": kind, "content": content}))
        })
    }

    #[test]
    fn the_editors_documents_read_as_text() {
        let text = |text: &str| json!({"type": "text", "text": text});
        let par = |content: Json| json!({"type": "paragraph", "content": content});
        let list = |kind: &str, items: Vec<Json>| {
            let items: Vec<Json> = items
                .into_iter()
                .map(|content| json!({"type": "listItem", "content": content}))
                .collect();
            json!({"type": kind, "content": items})
        };
        let link = json!({"type": "text", "text": "here",
            "marks": [{"type": "link", "attrs": {"href": "https://x.example"}}]});
        let bare = json!({"type": "text", "text": "https://x.example",
            "marks": [{"type": "link", "attrs": {"href": "https://x.example"}}]});
        let cell = |t: &str| json!({"type": "tableCell", "content": [par(json!([text(t)]))]});
        let cases = [
            (json!([par(json!([text("a")])), par(json!([]))]), "a\n\n"),
            (json!([{"type": "heading", "attrs": {"level": 2}, "content": [text("H")]}]), "H"),
            (
                json!([list(
                    "bulletList",
                    vec![
                        json!([
                            par(json!([text("a")])),
                            list("orderedList", vec![json!([par(json!([text("b")]))])])
                        ]),
                        json!([par(json!([text("c")]))]),
                    ]
                )]),
                "- a\n  1. b\n- c",
            ),
            (json!([{"type": "codeBlock", "content": [text("x\n  y")]}]), "x\n  y"),
            (json!([{"type": "blockquote", "content": [par(json!([text("q")]))]}]), "> q"),
            (
                json!([par(json!([link])), par(json!([bare]))]),
                "here (https://x.example)\n\nhttps://x.example",
            ),
            (
                json!([par(json!([{"type": "mention", "attrs": {"id": "1", "text": "@Änne"}}]))]),
                "@Änne",
            ),
            (
                json!([par(
                    json!([{"type": "emoji", "attrs": {"shortName": ":car:", "text": "🚗"}},
                {"type": "emoji", "attrs": {"shortName": ":own:"}}])
                )]),
                "🚗:own:",
            ),
            (
                json!([{"type": "table", "content": [
                {"type": "tableRow", "content": [cell("a"), cell("b")]},
                {"type": "tableRow", "content": [cell("c"), cell("d")]}]}]),
                "| a | b |\n| c | d |",
            ),
            (
                json!([par(json!([{"type": "date", "attrs": {"timestamp": "1741593600000"}}]))]),
                "2025-03-10",
            ),
            (
                json!([{"type": "taskList", "content": [
                {"type": "taskItem", "attrs": {"state": "DONE"}, "content": [text("t")]},
                {"type": "taskItem", "attrs": {"state": "TODO"}, "content": [text("u")]}]}]),
                "[x] t\n[ ] u",
            ),
            (
                json!([{"type": "mediaSingle", "content": [
                {"type": "media", "attrs": {"id": "1", "alt": "photo.png"}}]}]),
                "[photo.png]",
            ),
            (json!([{"type": "unknownBlock", "content": [par(json!([text("in")]))]}]), "in"),
        ];
        for (content, wanted) in cases {
            let document = json!({"type": "doc", "version": 1, "content": content});
            assert!(is_document(&document));
            assert_eq!(to_text(&document), wanted);
        }
    }

    #[test]
    fn a_bottomless_document_ends() {
        let mut node = json!({"type": "paragraph", "content": []});
        for _ in 0..500 {
            node = json!({"type": "blockquote", "content": [node]});
        }
        assert!(to_text(&json!({"type": "doc", "content": [node]})).len() < 20_000);
    }
}
