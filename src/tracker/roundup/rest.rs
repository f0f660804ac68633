//! The REST interface (`/rest/data/…`) of Roundup 2.0 and later.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value as Json, json};

use super::api::{Api, Relink};
use super::data::{Classes, Data, Item, Kind, Values, Where, date, serial};
use super::xmlrpc::XmlRpc;
use crate::issue::{Attachment, Content};
use crate::tracker::http::{Answer, Failure, Http, Request, Upload, encode};
use crate::tracker::{LOCAL_GONE, TRACKER_REFUSED, TRACKER_UNAVAILABLE};
use crate::{Error, Result};

/// So many items are asked for at once.
const PAGE: usize = 1000;

/// So often a write is begun anew because somebody else wrote meanwhile.
pub(super) const TRIES: usize = 6;

pub(super) struct Rest {
    http: Arc<Http>,
    classes: OnceLock<Classes>,
    page: AtomicUsize,
}

impl Rest {
    pub(super) fn new(http: Arc<Http>) -> Self {
        Self { http, classes: OnceLock::new(), page: AtomicUsize::new(PAGE) }
    }

    /// Whether the instance has this interface.
    pub(super) fn is_there(http: &Http) -> Result<bool> {
        match http.call(Request::get("/rest/")) {
            Ok(answer) => Ok(answer.json().is_ok()),
            Err(failure) if failure.refused(404).is_some() => Ok(false),
            Err(failure) => Err(failure.into()),
        }
    }

    /// `None`: there is no such item, or class.
    fn get(&self, request: Request<'_>) -> Result<Option<(Json, Answer)>> {
        match self.http.call(request) {
            Ok(answer) => Ok(Some((data(&answer)?, answer))),
            Err(failure) if failure.refused(404).is_some() => Ok(None),
            Err(failure) => Err(refusal(failure)),
        }
    }

    /// Browsers cannot forge requests with these headers; Roundup wants them on every write.
    fn ours<'a>(&self, request: Request<'a>) -> Request<'a> {
        request.header("origin", self.http.base().origin()).header("x-requested-with", "engsync")
    }

    fn kind(&self, class: &str, property: &str) -> Kind {
        let kind = self.classes.get().and_then(|classes| classes.kind(class, property));
        kind.unwrap_or(Kind::Text)
    }

    fn item(&self, class: &str, id: &str, properties: &[&str], values: &Json) -> Item {
        let mut item = Item { id: id.to_owned(), ..Item::default() };
        for property in properties {
            let value =
                values.get(*property).and_then(|json| read(&self.kind(class, property), json));
            if let Some(value) = value {
                item.values.insert((*property).to_owned(), value);
            }
        }
        item
    }
}

impl Api for Rest {
    /// REST does not tell types: these come from XML-RPC, which every release has.
    fn classes(&self) -> Result<Classes> {
        if let Some(classes) = self.classes.get() {
            return Ok(classes.clone());
        }
        let classes = XmlRpc::new(Arc::clone(&self.http)).classes().map_err(|error| {
            if error.fault == crate::Fault::Wait && error.hint.is_none() {
                return error.hint("the account's role needs Xmlrpc Access, too: for the schema");
            }
            error
        })?;
        Ok(self.classes.get_or_init(|| classes).clone())
    }

    fn select(&self, class: &str, which: &Where, properties: &[&str]) -> Result<Vec<Item>> {
        let filter: Vec<(String, String)> = match which {
            Where::All => Vec::new(),
            Where::Ids(ids) | Where::To(_, ids) if ids.is_empty() => return Ok(Vec::new()),
            Where::Ids(ids) => ids.iter().map(|id| ("id".to_owned(), id.clone())).collect(),
            Where::Is(property, text) => vec![(format!("{property}:"), text.clone())],
            Where::Has(property, text) => vec![(property.clone(), text.clone())],
            Where::To(property, ids) => vec![(property.clone(), ids.join(","))],
            Where::Since(property, time) => {
                vec![(property.clone(), format!("from {}", serial(*time)))]
            }
        };
        let verbose = if properties.contains(&"content") { "3" } else { "0" };
        let fields = if properties.is_empty() { "id".to_owned() } else { properties.join(",") };
        let mut items = Vec::new();
        let mut index = 1;
        loop {
            let size = self.page.load(Ordering::Relaxed);
            let mut request = Request::get(&format!("/rest/data/{class}"))
                .query("@page_size", &size.to_string())
                .query("@page_index", &index.to_string())
                .query("@verbose", verbose)
                .query("@fields", &fields);
            for (name, value) in &filter {
                request = request.query(name, value);
            }
            let got = match self.get(request) {
                // The administrator may allow less at once.
                Err(error) if index == 1 && size > 1 && error.what.contains("Page size") => {
                    self.page.store(size / 4, Ordering::Relaxed);
                    continue;
                }
                got => got?,
            };
            let Some((data, _)) = got else { return Ok(items) };
            let page = data.get("collection").and_then(Json::as_array).cloned().unwrap_or_default();
            for row in &page {
                let id = row.get("id").and_then(id).unwrap_or_default();
                items.push(self.item(class, &id, properties, row));
            }
            let more = data.get("@links").is_some_and(|links| links.get("next").is_some());
            if !more || page.is_empty() {
                return Ok(items);
            }
            index += 1;
        }
    }

    fn count(&self, class: &str) -> Result<(u64, u64)> {
        let request = Request::get(&format!("/rest/data/{class}"))
            .query("@page_size", "1")
            .query("@page_index", "1")
            .query("@sort", "-id")
            .query("@verbose", "0");
        let Some((data, _)) = self.get(request)? else { return Ok((0, 0)) };
        let last = data.pointer("/collection/0/id").and_then(id);
        let last = last.and_then(|id| id.parse().ok()).unwrap_or_default();
        match data.get("@total_size").and_then(Json::as_u64) {
            Some(count) => Ok((count, last)),
            // More than the administrator lets it count.
            None => Ok((self.select(class, &Where::All, &["id"])?.len() as u64, last)),
        }
    }

    fn look(
        &self,
        class: &str,
        id: &str,
        properties: &[&str],
    ) -> Result<Option<(Item, Option<String>)>> {
        let request = Request::get(&format!("/rest/data/{class}/{}", encode(id)))
            .query("@verbose", "0")
            .query("@fields", &properties.join(","));
        let Some((data, answer)) = self.get(request)? else { return Ok(None) };
        let values = data.get("attributes").cloned().unwrap_or(Json::Null);
        let mark = answer.header("etag").map(str::to_owned);
        Ok(Some((self.item(class, id, properties, &values), mark)))
    }

    fn create(&self, class: &str, values: &Values) -> Result<String> {
        let request = Request::post(&format!("/rest/data/{class}")).json(&write_all(values));
        made(self.http.call(self.ours(request)))
    }

    fn set(&self, class: &str, id: &str, values: &Values, mark: Option<&str>) -> Result<bool> {
        let request = Request::put(&format!("/rest/data/{class}/{id}"));
        let request = request.header("if-match", mark.unwrap_or_default()).json(&write_all(values));
        match self.http.call(self.ours(request)) {
            Ok(_) => Ok(true),
            Err(failure) if failure.refused(412).is_some() => Ok(false),
            Err(failure) if failure.refused(404).is_some() => Err(gone(class, id)),
            Err(failure) => Err(refusal(failure)),
        }
    }

    fn relink(&self, class: &str, id: &str, property: &str, relink: Relink<'_>) -> Result<()> {
        let (op, item) = match relink {
            Relink::Add(item) => ("add", item),
            Relink::Remove(item) => ("remove", item),
        };
        for _ in 0..TRIES {
            let (now, mark) = self.look(class, id, &[property])?.ok_or_else(|| gone(class, id))?;
            let there = now.ids(property).iter().any(|there| there == item);
            if there == matches!(relink, Relink::Add(_)) {
                return Ok(());
            }
            let request = Request::patch(&format!("/rest/data/{class}/{id}"))
                .header("if-match", mark.unwrap_or_default())
                .json(&json!({ "@op": op, property: [item] }));
            match self.http.call(self.ours(request)) {
                Ok(_) => return Ok(()),
                Err(failure) if failure.refused(412).is_some() => {}
                Err(failure) if failure.refused(404).is_some() => return Err(gone(class, id)),
                Err(failure) => return Err(refusal(failure)),
            }
        }
        Err(busy(class, id))
    }

    fn upload(&self, file: &Attachment, kind: &str) -> Result<String> {
        let unreadable = |error| super::files::unreadable(file, error);
        let (_, size) = file.digest().map_err(unreadable)?;
        let mut answer = None;
        let read = file.read_with(&mut |reader| {
            let upload = Upload::new("content", "content", size, reader)
                .with_fields(&[("name", &file.name), ("type", kind)]);
            let request = self.ours(Request::post("/rest/data/file")).upload(upload);
            answer = Some(self.http.call(request));
            Ok(())
        });
        match answer {
            Some(answer) => made(answer),
            None => {
                let never = || std::io::Error::other("it was not read");
                Err(unreadable(read.err().unwrap_or_else(never)))
            }
        }
    }

    fn content(&self, id: &str) -> Arc<dyn Content> {
        self.http.content(&format!("/rest/data/file/{id}/binary_content"))
    }

    fn name(&self) -> &'static str {
        "REST"
    }
}

/// There is no such item (any more).
pub(super) fn gone(class: &str, id: &str) -> Error {
    let what = format!("Roundup has no {class} {id} (any more)");
    Error::item(LOCAL_GONE, what)
}

/// Others write it all the time.
pub(super) fn busy(class: &str, id: &str) -> Error {
    let what = format!("{class} {id} changed at every try to write it");
    Error::wait(TRACKER_UNAVAILABLE, what)
}

/// What a failure means here: a 403 with Roundup's own words is about this item, class or
/// property; any other is about the log-in.
fn refusal(failure: Failure) -> Error {
    let words = match &failure {
        Failure::Refused(refusal) => {
            let json = refusal.json();
            let words = json.as_ref().and_then(|json| json.pointer("/error/msg"));
            words.and_then(Json::as_str).map_or_else(|| refusal.text(), str::to_owned)
        }
        Failure::Denied { what, .. } if what.contains("ermission") => what.clone(),
        _ => return failure.into(),
    };
    refused(&words)
}

/// The instance refuses; its words.
pub(super) fn refused(words: &str) -> Error {
    let error = Error::item(TRACKER_REFUSED, format!("Roundup refuses: {words}"));
    if words.contains("server log") {
        return error.hint("its log says why; often its mail server does not answer");
    }
    error
}

/// The data of an answer.
fn data(answer: &Answer) -> Result<Json> {
    let json = answer.json().ok();
    json.and_then(|mut json| json.get_mut("data").map(Json::take)).ok_or_else(|| {
        Error::wait(TRACKER_UNAVAILABLE, "what answers is no REST interface of Roundup")
            .hint("url is the address of the tracker itself, as in https://host.example/demo")
    })
}

/// The id of what was made.
fn made(answer: Result<Answer, Failure>) -> Result<String> {
    let data = data(&answer.map_err(refusal)?)?;
    let unsaid = || Error::wait(TRACKER_UNAVAILABLE, "Roundup does not say what it made");
    data.get("id").and_then(id).ok_or_else(unsaid)
}

fn id(json: &Json) -> Option<String> {
    match json {
        Json::String(id) => Some(id.clone()),
        Json::Number(id) => Some(id.to_string()),
        Json::Object(item) => item.get("id").and_then(id),
        _ => None,
    }
}

/// A value as JSON has it.
fn read(kind: &Kind, json: &Json) -> Option<Data> {
    let text = match (kind, json) {
        (_, Json::Null) => return None,
        (Kind::Links(_), Json::Array(items)) => {
            let ids: Vec<String> = items.iter().filter_map(id).collect();
            return (!ids.is_empty()).then_some(Data::Ids(ids));
        }
        (Kind::Links(_), _) => return None,
        (Kind::Link(_), json) => id(json)?,
        (Kind::Boolean, Json::Bool(yes)) => super::fields::yes_or_no(*yes),
        (Kind::Boolean, json) => super::fields::yes_or_no(json.as_f64()? != 0.0),
        (Kind::Number | Kind::Integer, Json::Number(number)) => {
            super::fields::number(&number.to_string())
        }
        (Kind::Date, Json::String(text)) => crate::stamp(date(text)?),
        (_, Json::String(text)) => text.clone(),
        (_, Json::Number(number)) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(Data::Text(text))
}

fn write_all(values: &Values) -> Json {
    let mut body = Map::new();
    for (property, value) in values {
        let value = match value {
            Data::Text(text) => json!(text),
            // A null is skipped and an empty list is no value: an empty text clears.
            Data::Ids(ids) if ids.is_empty() => json!(""),
            Data::Ids(ids) => json!(ids),
        };
        body.insert(property.clone(), value);
    }
    Json::Object(body)
}
