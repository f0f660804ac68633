//! An answer document as facts: values by their path, whatever their order.

use quick_xml::Reader;
use quick_xml::events::Event;

/// Elements that stand for one thing: compared as a whole.
const WHOLE: &[&str] = &[
    "TEAM-MEMBER",
    "COMPANY-ISSUE-INFO",
    "DELIVERY-MILESTONE",
    "ISSUE-RELATED-DOCUMENT",
    "ENGINEERING-OBJECT",
    "RELATED-ISSUE",
    "ISSUE-SOLUTION",
    "ANNOTATION",
];

/// What comes from clocks.
const CLOCKS: &[&str] = &["DATE", "TRANSACTION-ID"];

/// The recording's accounts have display names; in the embedded tracker an account is its name.
const PEOPLE: &[(&str, &str)] = &[("Bob Bär", "bob"), ("Alice Adler", "alice")];

#[derive(Default)]
struct Element {
    name: String,
    attributes: Vec<String>,
    text: String,
    children: Vec<Element>,
}

/// The facts of a document, sorted.
pub(crate) fn facts(xml: &str) -> Vec<String> {
    let mut facts = Vec::new();
    collect(&parse(xml), "", &mut facts);
    for fact in &mut facts {
        *fact = fact.replacen("/MSR-ISSUE/ISSUES/ISSUE/", "", 1).replacen("/MSR-ISSUE/", "", 1);
    }
    facts.sort();
    facts
}

fn parse(xml: &str) -> Element {
    let mut reader = Reader::from_str(xml);
    let mut stack = vec![Element::default()];
    let open = |start: &quick_xml::events::BytesStart<'_>| Element {
        name: start.name().as_ref().to_owned(),
        attributes: start
            .attributes()
            .map(|attribute| {
                let attribute = attribute.unwrap();
                format!("{}={}", attribute.key.as_ref(), attribute.value)
            })
            .filter(|attribute| !attribute.starts_with("xmlns"))
            .collect(),
        ..Element::default()
    };
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => stack.push(open(&start)),
            Event::Empty(start) => stack.last_mut().unwrap().children.push(open(&start)),
            Event::End(_) => {
                let done = stack.pop().unwrap();
                stack.last_mut().unwrap().children.push(done);
            }
            Event::Text(text) => stack.last_mut().unwrap().text += &text,
            Event::GeneralRef(reference) => {
                let name = &*reference;
                let resolved =
                    quick_xml::escape::unescape(&format!("&{name};")).unwrap().into_owned();
                stack.last_mut().unwrap().text += &resolved;
            }
            Event::CData(data) => stack.last_mut().unwrap().text += &data,
            Event::Eof => return stack.pop().unwrap(),
            _ => {}
        }
    }
}

fn collect(element: &Element, path: &str, facts: &mut Vec<String>) {
    for child in &element.children {
        let path = format!("{path}/{}", child.name);
        if WHOLE.contains(&child.name.as_str()) {
            let whole = whole(child);
            if !whole.is_empty() {
                facts.push(format!("{path} {whole}"));
            }
            continue;
        }
        let text = text(child);
        if !text.is_empty() {
            facts.push(format!("{path} {text}"));
        }
        facts.extend(child.attributes.iter().map(|attribute| format!("{path} {attribute}")));
        collect(child, &path, facts);
    }
}

/// An element with all it holds, its children sorted; without what is empty.
fn whole(element: &Element) -> String {
    let mut parts: Vec<String> = element
        .children
        .iter()
        .map(|child| (child.name.as_str(), whole(child)))
        .filter(|(_, whole)| !whole.is_empty())
        .map(|(name, whole)| format!("{name} {whole}"))
        .collect();
    parts.sort();
    let text = text(element);
    parts.splice(0..0, element.attributes.iter().cloned());
    if !text.is_empty() {
        parts.insert(0, text);
    }
    match parts.as_slice() {
        [] => String::new(),
        [one] if element.children.is_empty() => one.clone(),
        _ => format!("{{{}}}", parts.join("; ")),
    }
}

fn text(element: &Element) -> String {
    let text = element.text.trim();
    if CLOCKS.contains(&element.name.as_str()) && !text.is_empty() {
        return "*".to_owned();
    }
    let person = PEOPLE.iter().find(|(shown, _)| *shown == text);
    person.map_or(text, |(_, account)| account).to_owned()
}
