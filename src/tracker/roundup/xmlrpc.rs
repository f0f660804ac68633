//! The XML-RPC interface (`/xmlrpc`), which every release has.

mod codec;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::{Arc, OnceLock};

use self::codec::{Fault, Rpc};
use super::api::{Api, Relink};
use super::data::{Classes, Data, Item, Kind, Values, Where, date, serial};
use super::rest::{gone, refused};
use crate::issue::{Attachment, Content};
use crate::tracker::http::{Failure, Http, Request};
use crate::tracker::{TRACKER_REFUSED, TRACKER_UNAVAILABLE};
use crate::{Digest, Error, Result};

/// So many items are read by one call.
const CHUNK: usize = 100;

/// A file that is sent lies in memory several times over.
const LARGEST_FILE: u64 = 64 << 20;

pub(super) struct XmlRpc {
    http: Arc<Http>,
    classes: OnceLock<Classes>,
}

/// What a call came to.
type Called = std::result::Result<Rpc, Fault>;

impl XmlRpc {
    pub(super) fn new(http: Arc<Http>) -> Self {
        Self { http, classes: OnceLock::new() }
    }

    fn call(&self, method: &str, params: &[Rpc], writes: bool) -> Result<Called> {
        let document = codec::call(method, params);
        let request = Request::post("/xmlrpc")
            .header("x-requested-with", "engsync")
            .bytes("text/xml", document.into_bytes());
        let request = if writes { request } else { request.repeatable() };
        let answer = self.http.call(request).map_err(|failure| match &failure {
            // Older releases answer a wrong password so, with a page for people.
            Failure::Refused(refusal) if refusal.status == 400 => denied(&refusal.text()),
            _ => failure.into(),
        })?;
        let strange = |why: String| {
            let what = format!("what answers is no XML-RPC interface of Roundup: {why}");
            Error::wait(TRACKER_UNAVAILABLE, what)
                .hint("url is the address of the tracker itself, as in https://host.example/demo")
        };
        let text = String::from_utf8(answer.body).map_err(|_| strange("it is no text".into()))?;
        match codec::answer(&text).map_err(strange)? {
            Err(fault) if matches!(fault.code, 401 | 403) => Err(denied(&fault.text)),
            called => Ok(called),
        }
    }

    fn kind(&self, class: &str, property: &str) -> Kind {
        let kind = self.classes.get().and_then(|classes| classes.kind(class, property));
        kind.unwrap_or(Kind::Text)
    }

    fn item(&self, class: &str, id: &str, values: &Rpc) -> Item {
        let mut item = Item { id: id.to_owned(), ..Item::default() };
        if let Rpc::Struct(members) = values {
            for (property, value) in members {
                if let Some(value) = read(&self.kind(class, property), value) {
                    item.values.insert(property.clone(), value);
                }
            }
        }
        item.values.insert("id".to_owned(), Data::Text(id.to_owned()));
        item
    }

    /// What marks the state of an item: Roundup dates changes by the second, so that of an issue
    /// all is looked at.
    fn marks(&self, class: &str) -> BTreeSet<String> {
        let mut marks = BTreeSet::from(["activity".to_owned()]);
        let issue = self.classes.get().and_then(|classes| classes.0.get(class));
        for (property, kind) in issue.into_iter().flatten().filter(|_| class == "issue") {
            if !matches!(kind, Kind::Other(_)) {
                marks.insert(property.clone());
            }
        }
        marks
    }

    fn find(&self, class: &str, which: &Where) -> Result<Vec<String>> {
        let texts = |ids: &[String]| Rpc::Array(ids.iter().map(Rpc::text).collect());
        let spec = match which {
            Where::All => Rpc::Struct(BTreeMap::new()),
            Where::Ids(ids) | Where::To(_, ids) if ids.is_empty() => return Ok(Vec::new()),
            Where::Ids(ids) => Rpc::Struct([("id".to_owned(), texts(ids))].into()),
            Where::To(property, ids) => Rpc::Struct([(property.clone(), texts(ids))].into()),
            Where::Is(property, text) | Where::Has(property, text) => {
                Rpc::Struct([(property.clone(), Rpc::text(text))].into())
            }
            Where::Since(property, time) => {
                let from = Rpc::text(format!("from {}", serial(*time)));
                Rpc::Struct([(property.clone(), from)].into())
            }
        };
        let params = [Rpc::text(class), Rpc::Nil, spec];
        let found = self.call("filter", &params, false)?.map_err(|fault| refusal(&fault))?;
        Ok(found.items().iter().filter_map(Rpc::as_text).collect())
    }

    fn written(&self, class: &str, id: &str, values: &[Rpc]) -> Result<()> {
        let mut params = vec![Rpc::text(format!("{class}{id}"))];
        params.extend(values.iter().cloned());
        match self.call("set", &params, true)? {
            Ok(_) => Ok(()),
            Err(fault) if is_missing(&fault) => Err(gone(class, id)),
            Err(fault) => Err(refusal(&fault)),
        }
    }
}

impl Api for XmlRpc {
    fn classes(&self) -> Result<Classes> {
        if let Some(classes) = self.classes.get() {
            return Ok(classes.clone());
        }
        let schema = self.call("schema", &[], false)?.map_err(|fault| refusal(&fault))?;
        let mut classes = Classes::default();
        if let Rpc::Struct(members) = &schema {
            for (class, properties) in members {
                let pair = |pair: &Rpc| match pair.items() {
                    [name, kind] => Some((name.as_text()?, Kind::parse(&kind.as_text()?))),
                    _ => None,
                };
                let properties = properties.items().iter().filter_map(pair).collect();
                classes.0.insert(class.clone(), properties);
            }
        }
        if !classes.has("issue") {
            let what =
                "this instance of Roundup has no class issue, or the account must not see it";
            return Err(Error::wait(TRACKER_UNAVAILABLE, what));
        }
        Ok(self.classes.get_or_init(|| classes).clone())
    }

    fn select(&self, class: &str, which: &Where, properties: &[&str]) -> Result<Vec<Item>> {
        let ids = self.find(class, which)?;
        let mut items = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let one = |id: &String| {
                let mut params = vec![Rpc::text(format!("{class}{id}"))];
                params.extend(properties.iter().map(|property| Rpc::text(*property)));
                let call = [
                    ("methodName".to_owned(), Rpc::text("display")),
                    ("params".to_owned(), Rpc::Array(params)),
                ];
                Rpc::Struct(call.into())
            };
            let calls = Rpc::Array(chunk.iter().map(one).collect());
            let called = self.call("system.multicall", &[calls], false)?;
            let answers = called.map_err(|fault| refusal(&fault))?;
            for (id, answer) in chunk.iter().zip(answers.items()) {
                match (answer.fault(), answer.items()) {
                    (Some(fault), _) if is_missing(&fault) => {}
                    (Some(fault), _) => return Err(unseen(&fault)),
                    (None, [values]) => items.push(self.item(class, id, values)),
                    (None, _) => {}
                }
            }
        }
        // A filter of texts finds them inside others, too.
        if let Where::Is(property, text) = which {
            items.retain(|item| item.text(property) == text);
        }
        Ok(items)
    }

    fn count(&self, class: &str) -> Result<(u64, u64)> {
        let ids = self.find(class, &Where::All)?;
        let last = ids.iter().filter_map(|id| id.parse().ok()).max();
        Ok((ids.len() as u64, last.unwrap_or_default()))
    }

    fn look(
        &self,
        class: &str,
        id: &str,
        properties: &[&str],
    ) -> Result<Option<(Item, Option<String>)>> {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(None);
        }
        let mut wanted: BTreeSet<&str> = properties.iter().copied().collect();
        let marks = self.marks(class);
        wanted.extend(marks.iter().map(String::as_str));
        let mut params = vec![Rpc::text(format!("{class}{id}"))];
        params.extend(wanted.into_iter().map(Rpc::text));
        match self.call("display", &params, false)? {
            Ok(values) => {
                let seen = marks.iter().map(|property| format!("{:?}", values.get(property)));
                let mark = Digest::of(seen.collect::<String>().as_bytes()).to_string();
                Ok(Some((self.item(class, id, &values), Some(mark))))
            }
            Err(fault) if is_missing(&fault) => Ok(None),
            Err(fault) => Err(unseen(&fault)),
        }
    }

    fn create(&self, class: &str, values: &Values) -> Result<String> {
        let mut params = vec![Rpc::text(class)];
        params.extend(arguments(values)?);
        let id = self.call("create", &params, true)?.map_err(|fault| refusal(&fault))?;
        let unsaid = || Error::wait(TRACKER_UNAVAILABLE, "Roundup does not say what it made");
        id.as_text().ok_or_else(unsaid)
    }

    /// There is no way to write only where nothing changed: the item is looked at just before.
    fn set(&self, class: &str, id: &str, values: &Values, mark: Option<&str>) -> Result<bool> {
        let arguments: Vec<Rpc> = arguments(values)?;
        if mark.is_some() {
            let (_, now) = self.look(class, id, &[])?.ok_or_else(|| gone(class, id))?;
            if now.as_deref() != mark {
                return Ok(false);
            }
        }
        self.written(class, id, &arguments).map(|()| true)
    }

    fn relink(&self, class: &str, id: &str, property: &str, relink: Relink<'_>) -> Result<()> {
        let (now, _) = self.look(class, id, &[property])?.ok_or_else(|| gone(class, id))?;
        let (sign, item) = match relink {
            Relink::Add(item) => ('+', item),
            Relink::Remove(item) => ('-', item),
        };
        let there = now.ids(property).iter().any(|there| there == item);
        if there == matches!(relink, Relink::Add(_)) {
            return Ok(());
        }
        self.written(class, id, &[Rpc::text(format!("{property}={sign}{item}"))])
    }

    fn upload(&self, file: &Attachment, kind: &str) -> Result<String> {
        let unreadable = |error| super::files::unreadable(file, error);
        let (_, size) = file.digest().map_err(unreadable)?;
        if size > LARGEST_FILE {
            let what = format!("{:?} is too large for the XML-RPC interface of Roundup", file.name);
            return Err(Error::item(TRACKER_REFUSED, what).hint(REST_TAKES_IT));
        }
        let mut bytes = b"content=".to_vec();
        let read =
            file.read_with(&mut |reader| reader.take(size).read_to_end(&mut bytes).map(drop));
        read.map_err(unreadable)?;
        let content = match String::from_utf8(bytes) {
            // A text would lose the blanks around it.
            Ok(text) if text.chars().all(codec::is_char) && is_kept(&text) => Rpc::Text(text),
            Ok(text) => Rpc::Bytes(text.into_bytes()),
            Err(bytes) => Rpc::Bytes(bytes.into_bytes()),
        };
        let binary = matches!(content, Rpc::Bytes(_));
        let name = argument("name", &Data::Text(file.name.clone()))?;
        let kind = argument("type", &Data::Text(kind.to_owned()))?;
        let made = self.call("create", &[Rpc::text("file"), name, kind, content], true)?;
        match made {
            Ok(id) => id.as_text().ok_or_else(|| {
                Error::wait(TRACKER_UNAVAILABLE, "Roundup does not say what it made")
            }),
            Err(fault) if binary && fault.text.contains("TypeError") => {
                let what = format!(
                    "{:?} is no text, and this release of Roundup takes no other files by XML-RPC",
                    file.name
                );
                Err(Error::item(TRACKER_REFUSED, what).hint(REST_TAKES_IT))
            }
            Err(fault) => Err(refusal(&fault)),
        }
    }

    /// As a browser gets it: the interface itself has no way that all releases share.
    fn content(&self, id: &str) -> Arc<dyn Content> {
        self.http.content(&format!("/file{id}/content"))
    }

    fn name(&self) -> &'static str {
        "XML-RPC"
    }
}

const REST_TAKES_IT: &str = "its REST interface does: set api = \"rest\", where the release has it";

fn denied(words: &str) -> Error {
    let what = format!("the tracker does not let us in: {words}");
    Error::wait(TRACKER_UNAVAILABLE, what)
        .hint("check user and password, and that the account's role has Xmlrpc Access")
}

/// The class of the exception stands before the words, spelled differently by each release:
/// `<class 'KeyError'>:…`, `<type 'exceptions.KeyError'>:…`.
fn exception(fault: &Fault) -> (&str, &str) {
    let Some((class, words)) = fault.text.split_once(">:") else { return ("", &fault.text) };
    let name = class.trim_end_matches('\'');
    (name.rsplit(['.', '\'']).next().unwrap_or_default(), words)
}

fn is_missing(fault: &Fault) -> bool {
    exception(fault).0 == "IndexError"
}

fn refusal(fault: &Fault) -> Error {
    refused(exception(fault).1)
}

/// We may not look.
fn unseen(fault: &Fault) -> Error {
    let what = format!("Roundup does not let us look: {}", exception(fault).1);
    Error::wait(TRACKER_UNAVAILABLE, what)
        .hint("give the account's role the permissions that docs/trackers/roundup.md lists")
}

/// Whether the content of a file, sent as a text, arrives as it is.
fn is_kept(argument: &str) -> bool {
    let content = argument.split_once('=').map_or(argument, |(_, content)| content);
    super::fields::stripped(content) == content
}

fn arguments(values: &Values) -> Result<Vec<Rpc>> {
    values.iter().map(|(property, value)| argument(property, value)).collect()
}

fn argument(property: &str, value: &Data) -> Result<Rpc> {
    let text = match value {
        Data::Text(text) => format!("{property}={text}"),
        Data::Ids(ids) => format!("{property}={}", ids.join(",")),
    };
    match text.chars().find(|c| !codec::is_char(*c)) {
        None => Ok(Rpc::Text(text)),
        Some(c) => {
            let what = format!(
                "{property} has the character U+{:04X}, which XML-RPC cannot carry",
                c as u32
            );
            Err(Error::item(TRACKER_REFUSED, what).hint(REST_TAKES_IT))
        }
    }
}

fn read(kind: &Kind, value: &Rpc) -> Option<Data> {
    let text = match (kind, value) {
        (Kind::Links(_), Rpc::Array(items)) => {
            let ids: Vec<String> = items.iter().filter_map(Rpc::as_text).collect();
            return (!ids.is_empty()).then_some(Data::Ids(ids));
        }
        (Kind::Boolean, Rpc::Bool(yes)) => super::fields::yes_or_no(*yes),
        (Kind::Boolean, Rpc::Int(number)) => super::fields::yes_or_no(*number != 0),
        (Kind::Number | Kind::Integer, value) => super::fields::number(&value.as_text()?),
        (Kind::Date, Rpc::Text(text)) => crate::stamp(date(text)?),
        // `<Interval + 3d 2:00>`
        (Kind::Interval, Rpc::Text(text)) => {
            text.trim_start_matches("<Interval ").trim_end_matches('>').to_owned()
        }
        (_, value) => value.as_text()?,
    };
    (!text.is_empty()).then_some(Data::Text(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exception_is_named_in_two_ways() {
        for text in [
            "<class 'IndexError'>:no such issue 9",
            "<type 'exceptions.IndexError'>:no such issue 9",
        ] {
            let fault = Fault { code: 1, text: text.to_owned() };
            assert_eq!(exception(&fault), ("IndexError", "no such issue 9"));
            assert!(is_missing(&fault));
        }
        let usage = "<class 'roundup.exceptions.UsageError'>:property status: 'x' is not a status.";
        let fault = Fault { code: 1, text: usage.to_owned() };
        assert_eq!(exception(&fault).0, "UsageError");
        assert_eq!(refusal(&fault).what, "Roundup refuses: property status: 'x' is not a status.");
    }

    #[test]
    fn what_xml_cannot_carry_is_refused_before_it_is_sent() {
        let error = argument("title", &Data::Text("bell \u{7}".into())).unwrap_err();
        assert!(error.what.contains("U+0007") && error.code == TRACKER_REFUSED, "{error}");
        let ids = Data::Ids(vec!["1".into(), "2".into()]);
        assert_eq!(argument("keyword", &ids).unwrap(), Rpc::text("keyword=1,2"));
        assert_eq!(argument("keyword", &Data::Ids(vec![])).unwrap(), Rpc::text("keyword="));
    }
}
