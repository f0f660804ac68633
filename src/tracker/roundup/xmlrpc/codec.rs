//! XML-RPC as far as Roundup speaks it: calls out, answers and faults in.
//!
//! <http://xmlrpc.com/spec.md>; `nil` is the usual extension.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::Reader;
use quick_xml::events::Event;

/// Elements deeper than this are not read.
const DEEPEST: usize = 100;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Rpc {
    Nil,
    Int(i64),
    Bool(bool),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    Array(Vec<Rpc>),
    Struct(BTreeMap<String, Rpc>),
}

/// The other side's error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: i64,
    pub(super) text: String,
}

impl Rpc {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn items(&self) -> &[Rpc] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Rpc> {
        match self {
            Self::Struct(members) => members.get(name),
            _ => None,
        }
    }

    /// As text, where it is a scalar with one.
    pub(super) fn as_text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Int(number) => Some(number.to_string()),
            Self::Double(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The fault that a member of a `system.multicall` answer may be.
    pub(super) fn fault(&self) -> Option<Fault> {
        let text = self.get("faultString")?.as_text()?;
        let code = match self.get("faultCode") {
            Some(Self::Int(code)) => *code,
            _ => 0,
        };
        Some(Fault { code, text })
    }

    fn write(&self, out: &mut String) {
        out.push_str("<value>");
        match self {
            Self::Nil => out.push_str("<nil/>"),
            Self::Int(number) => out.push_str(&format!("<int>{number}</int>")),
            Self::Bool(yes) => out.push_str(&format!("<boolean>{}</boolean>", u8::from(*yes))),
            Self::Double(number) => out.push_str(&format!("<double>{number}</double>")),
            Self::Text(text) => {
                out.push_str("<string>");
                escape(text, out);
                out.push_str("</string>");
            }
            Self::Bytes(bytes) => {
                out.push_str("<base64>");
                out.push_str(&STANDARD.encode(bytes));
                out.push_str("</base64>");
            }
            Self::Array(items) => {
                out.push_str("<array><data>");
                items.iter().for_each(|item| item.write(out));
                out.push_str("</data></array>");
            }
            Self::Struct(members) => {
                out.push_str("<struct>");
                for (name, value) in members {
                    out.push_str("<member><name>");
                    escape(name, out);
                    out.push_str("</name>");
                    value.write(out);
                    out.push_str("</member>");
                }
                out.push_str("</struct>");
            }
        }
        out.push_str("</value>");
    }
}

/// The document of a call.
pub(super) fn call(method: &str, params: &[Rpc]) -> String {
    let mut out =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodCall><methodName>");
    escape(method, &mut out);
    out.push_str("</methodName><params>");
    for param in params {
        out.push_str("<param>");
        param.write(&mut out);
        out.push_str("</param>");
    }
    out.push_str("</params></methodCall>\n");
    out
}

/// A bare carriage return would be read as a line feed: it is written as a reference.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            c => out.push(c),
        }
    }
}

/// Whether XML 1.0 has this character (production 2).
pub(super) fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Reads an answer.
///
/// # Errors
/// Where it is not one, in words.
pub(super) fn answer(xml: &str) -> Result<Result<Rpc, Fault>, String> {
    let root = tree(xml)?;
    if root.name != "methodResponse" {
        return Err(format!("the answer is <{}>, not <methodResponse>", root.name));
    }
    match root.children.first() {
        Some(fault) if fault.name == "fault" => {
            let value = fault.children.first().ok_or("an empty fault")?;
            let value = read(value)?;
            value.fault().map(Err).ok_or_else(|| "a fault without its words".to_owned())
        }
        Some(params) if params.name == "params" => {
            let param = params.children.first().and_then(|param| param.children.first());
            param.map_or(Ok(Rpc::Nil), read).map(Ok)
        }
        _ => Err("the answer has neither params nor fault".to_owned()),
    }
}

#[derive(Debug, Default)]
struct Node {
    name: String,
    text: String,
    children: Vec<Node>,
}

fn tree(xml: &str) -> Result<Node, String> {
    let mut reader = Reader::from_str(xml);
    let mut stack: Vec<Node> = Vec::new();
    loop {
        let at = reader.buffer_position();
        let bad = |why: &str| format!("byte {at}: {why}");
        match reader.read_event().map_err(|error| bad(&error.to_string()))? {
            Event::Start(start) => {
                if stack.len() >= DEEPEST {
                    return Err(bad("elements lie too deep"));
                }
                let name = start.local_name().into_inner().to_owned();
                stack.push(Node { name, ..Node::default() });
            }
            Event::Empty(start) => {
                let name = start.local_name().into_inner().to_owned();
                let node = Node { name, ..Node::default() };
                match stack.last_mut() {
                    Some(parent) => parent.children.push(node),
                    None => return Ok(node),
                }
            }
            Event::End(_) => {
                let node = stack.pop().ok_or_else(|| bad("an end without a start"))?;
                match stack.last_mut() {
                    Some(parent) => parent.children.push(node),
                    None => return Ok(node),
                }
            }
            Event::Text(text) => {
                if let Some(node) = stack.last_mut() {
                    node.text.push_str(&text.xml10_content());
                }
            }
            Event::CData(text) => {
                if let Some(node) = stack.last_mut() {
                    node.text.push_str(&text.xml10_content());
                }
            }
            Event::GeneralRef(reference) => {
                let c = match &*reference {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    "quot" => '"',
                    "apos" => '\'',
                    other => {
                        let c = reference
                            .resolve_char_ref()
                            .map_err(|error| bad(&error.to_string()))?;
                        c.ok_or_else(|| bad(&format!("the entity &{other}; is not defined")))?
                    }
                };
                if let Some(node) = stack.last_mut() {
                    node.text.push(c);
                }
            }
            Event::DocType(_) => return Err(bad("a document type declaration is not read")),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => return Err("it ends too early".to_owned()),
        }
    }
}

fn read(value: &Node) -> Result<Rpc, String> {
    if value.name != "value" {
        return Err(format!("<{}> stands where a value should", value.name));
    }
    let Some(typed) = value.children.first() else {
        return Ok(Rpc::Text(value.text.clone()));
    };
    let text = typed.text.trim();
    let bad = || format!("{text:?} is no {}", typed.name);
    Ok(match typed.name.as_str() {
        "nil" => Rpc::Nil,
        "int" | "i4" | "i8" => Rpc::Int(text.parse().map_err(|_| bad())?),
        "boolean" => Rpc::Bool(text == "1"),
        "double" => Rpc::Double(text.parse().map_err(|_| bad())?),
        "string" | "dateTime.iso8601" => Rpc::Text(typed.text.clone()),
        "base64" => {
            let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            Rpc::Bytes(STANDARD.decode(packed).map_err(|_| "base64 is damaged".to_owned())?)
        }
        "array" => {
            let items = typed.children.first().map(|data| data.children.as_slice());
            Rpc::Array(items.unwrap_or_default().iter().map(read).collect::<Result<_, _>>()?)
        }
        "struct" => {
            let mut members = BTreeMap::new();
            for member in &typed.children {
                let [name, value] = member.children.as_slice() else {
                    return Err("a member without name and value".to_owned());
                };
                members.insert(name.text.clone(), read(value)?);
            }
            Rpc::Struct(members)
        }
        other => return Err(format!("values of type {other} are not known")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replied(value: &Rpc) -> String {
        let mut xml = String::from("<methodResponse><params><param>");
        value.write(&mut xml);
        xml.push_str("</param></params></methodResponse>");
        xml
    }

    fn nasty() -> Rpc {
        let member = |name: &str, value| (name.to_owned(), value);
        Rpc::Struct(BTreeMap::from([
            member("a", Rpc::Array(vec![Rpc::Nil, Rpc::Int(-7), Rpc::Bool(true)])),
            member("ä <&>", Rpc::text("line\r\nline\rline\n <b> & ]]> Ä 🚗 \u{85}")),
            member("bytes", Rpc::Bytes((0..=255).collect())),
            member("double", Rpc::Double(1.5)),
            member("empty", Rpc::text("")),
            member("none", Rpc::Array(vec![])),
        ]))
    }

    #[test]
    fn what_is_written_is_read() {
        let value = nasty();
        assert_eq!(answer(&replied(&value)), Ok(Ok(value)));
    }

    #[test]
    fn every_proper_prefix_is_refused() {
        let xml = replied(&nasty());
        for end in (0..xml.len()).filter(|end| xml.is_char_boundary(*end)) {
            assert!(answer(&xml[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn answers_as_python_writes_them() {
        let value = "<methodResponse>\n<params>\n<param>\n<value><array><data>\n<value><int>1</int></value>\n\
                     <value>plain</value>\n<value><base64>\naGk=\n</base64></value>\n</data></array></value>\n\
                     </param>\n</params>\n</methodResponse>\n";
        let items = vec![Rpc::Int(1), Rpc::text("plain"), Rpc::Bytes(b"hi".to_vec())];
        assert_eq!(answer(value), Ok(Ok(Rpc::Array(items))));
        let fault = "<?xml version='1.0'?><methodResponse><fault><value><struct><member><name>faultCode\
                     </name><value><int>1</int></value></member><member><name>faultString</name><value>\
                     <string>&lt;class 'KeyError'&gt;:'x'</string></value></member></struct></value></fault>\
                     </methodResponse>";
        let text = "<class 'KeyError'>:'x'".to_owned();
        assert_eq!(answer(fault), Ok(Err(Fault { code: 1, text })));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let deep = format!("<methodResponse>{}", "<value>".repeat(200));
        let cases = [
            "",
            "<html><body>Roundup</body></html>",
            "<methodResponse/>",
            "<methodResponse><fault/></methodResponse>",
            "<!DOCTYPE x [<!ENTITY a 'b'>]><methodResponse/>",
            "<methodResponse><params><param><value><int>x</int></value></param></params></methodResponse>",
            "<methodResponse><params><param><value>&bomb;</value></param></params></methodResponse>",
            deep.as_str(),
        ];
        for xml in cases {
            assert!(answer(xml).is_err(), "{xml}");
        }
    }

    #[test]
    fn a_call_is_a_document() {
        let wanted = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodCall><methodName>lookup\
                      </methodName><params><param><value><string>a&#13;&lt;b</string></value></param>\
                      <param><value><nil/></value></param></params></methodCall>\n";
        assert_eq!(call("lookup", &[Rpc::text("a\r<b"), Rpc::Nil]), wanted);
    }
}
