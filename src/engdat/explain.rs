//! A message in plain words: who sends what to whom, which files, and what they are.

use super::lists::{self, CodeList, meaning};
use super::message::{Detail, Drawing, EngdatMessage, FileEntry, Text};
use super::party::Party;

/// The message in plain words, a line each; what belongs to the line before is indented.
#[must_use]
pub fn explain(message: &EngdatMessage) -> Vec<String> {
    let mut lines = Vec::new();
    let version = if message.version.is_empty() { "002" } else { &message.version };
    let when = match (message.issued, message.document_date) {
        (Some(issued), _) => format!(" of {}", issued.format("%Y-%m-%d %H:%M")),
        (None, Some(date)) => format!(" of {date}"),
        (None, None) => String::new(),
    };
    let test = if message.envelope.test { ", a test" } else { "" };
    lines.push(format!("ENGDAT package {}{when} (version {version}{test})", message.reference));
    lines.push(format!("from {}", party(&message.sender)));
    lines.extend(people(&message.sender));
    lines.push(format!("to {}", party(&message.receiver)));
    lines.extend(people(&message.receiver));
    if !message.authorisation.is_empty() {
        lines.push(format!("authorisation {}", message.authorisation));
    }
    details(&message.details, "", &mut lines);
    let count = message.files.len();
    lines.push(match count {
        1 => "1 data file".to_owned(),
        _ => format!("{count} data files"),
    });
    for entry in &message.files {
        lines.push(format!("  {}", file(entry)));
        details(&entry.details, "    ", &mut lines);
    }
    for (_, stray) in &message.strays {
        lines.push(format!("a segment {} of unknown meaning", stray.tag()));
    }
    lines
}

/// What an incomplete package waits for, a line each; the message, if its part is there, knows the
/// names of the files.
#[must_use]
pub fn explain_missing(missing: &[u16], message: Option<&EngdatMessage>) -> Vec<String> {
    let name = |index: u16| {
        let files = message.map_or(&[][..], |message| &message.files);
        files.iter().find(|file| file.index == index).filter(|file| !file.name.is_empty())
    };
    let line = |&index: &u16| match (index, name(index)) {
        (1, _) => "part 001, the description, has not arrived".to_owned(),
        (_, Some(file)) => format!("part {index:03}, {}, has not arrived", file.name),
        (_, None) => format!("part {index:03} has not arrived"),
    };
    missing.iter().map(line).collect()
}

fn party(party: &Party) -> String {
    let name = if party.name.is_empty() { "an unnamed company" } else { &party.name };
    let mut out = format!("{name} ({})", party.country);
    if party.country.is_empty() {
        out = name.to_owned();
    }
    out.push_str(&format!(", routing code {:?}", party.routing.trim()));
    if !party.id.is_empty() {
        out.push_str(&format!(", id {}", party.id));
    }
    out
}

fn people(party: &Party) -> Option<String> {
    let parts = [&party.contact, &party.department, &party.telephone, &party.email];
    let known: Vec<&str> =
        parts.into_iter().map(String::as_str).filter(|p| !p.is_empty()).collect();
    (!known.is_empty()).then(|| format!("  contact {}", known.join(", ")))
}

/// `text (code)`, or whichever is there.
fn coded(list: CodeList, code: &str, text: &str) -> String {
    match (text, meaning(list, code), code) {
        ("", _, "") => String::new(),
        ("", Some(known), _) => format!("{known} ({code})"),
        ("", None, _) => format!("code {code}"),
        (_, _, "") => text.to_owned(),
        _ => format!("{text} ({code})"),
    }
}

fn file(file: &FileEntry) -> String {
    let mut parts = Vec::new();
    let format = coded(lists::FORMATS, &file.format_code, &file.format);
    parts.push([format.as_str(), &file.format_version].join(" ").trim().to_owned());
    let data = coded(lists::DATA_CODES, &file.data_code, &file.data_text);
    if !data.is_empty() {
        parts.push(format!("data {data}"));
    }
    let system = [file.system.as_str(), &file.system_version].join(" ");
    if !system.trim().is_empty() {
        parts.push(format!("made by {}", system.trim()));
    }
    let status = coded(lists::STATUSES, &file.status_code, &file.status);
    if !status.is_empty() {
        parts.push(format!("status {status}"));
    }
    if !file.data_types.is_empty() {
        parts.push(file.data_types.join(", "));
    }
    if !file.compression.is_empty() {
        parts.push(format!("compression {}", file.compression));
    }
    parts.retain(|part| !part.is_empty());
    let name = if file.name.is_empty() { "without a name" } else { &file.name };
    format!("{:03} {name}: {}", file.index, parts.join("; "))
}

fn details(details: &[Detail], indent: &str, lines: &mut Vec<String>) {
    for detail in details {
        match detail {
            Detail::Text(found) => lines.push(format!("{indent}text: {}", text(found))),
            Detail::Document(document) => {
                let kind = coded(lists::DOCUMENTS, &document.code, &document.text);
                let date = if document.date.is_empty() { "" } else { " of " };
                lines.push(format!(
                    "{indent}document {} {kind}{date}{}",
                    document.number, document.date
                ));
                texts(&document.texts, indent, lines);
            }
            Detail::Drawing(found) => {
                lines.push(format!("{indent}{}", drawing(found)));
                texts(&found.texts, indent, lines);
            }
            Detail::Link(link) => {
                let relation = coded(lists::RELATIONS, &link.code, &link.text);
                lines.push(format!("{indent}linked to {} {}: {relation}", link.index, link.name));
            }
            Detail::Security(security) => {
                lines.push(format!("{indent}security {}", security.values.join(", ")));
            }
            Detail::Unknown(segment) => {
                lines.push(format!("{indent}a segment {} of unknown meaning", segment.tag()));
            }
        }
    }
}

fn texts(texts: &[Text], indent: &str, lines: &mut Vec<String>) {
    lines.extend(texts.iter().map(|found| format!("{indent}  text: {}", text(found))));
}

fn text(text: &Text) -> String {
    let lines: Vec<&str> =
        text.lines.iter().map(String::as_str).filter(|l| !l.is_empty()).collect();
    lines.join(" / ")
}

fn drawing(drawing: &Drawing) -> String {
    let named = [
        ("sheet", &drawing.sheet),
        ("format", &drawing.format),
        ("status", &drawing.status),
        ("since", &drawing.date),
    ];
    let mut out = format!("drawing {} {}", drawing.number, drawing.title);
    for (name, value) in named {
        if !value.is_empty() {
            out.push_str(&format!(", {name} {value}"));
        }
    }
    out
}
