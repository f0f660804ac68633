//! The calls: paths, paging, and what Jira's refusals mean.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value as Json, json};

use super::Jira;
use crate::tracker::http::{Failure, Refusal, Request, encode};
use crate::tracker::{LOCAL_GONE, TRACKER_REFUSED, TRACKER_UNAVAILABLE};
use crate::{Error, NOT_FOUND, Result};

/// The largest page asked for: what Jira Server answers at most unless it is set up otherwise.
const SERVER_PAGE: usize = 1000;
/// What Cloud answers at most when fields are asked for.
const CLOUD_PAGE: usize = 100;

impl Jira {
    /// The path of a resource: `issue/ABC-1`.
    pub(super) fn path(&self, resource: &str) -> String {
        format!("/rest/api/{}/{resource}", if self.is_cloud() { 3 } else { 2 })
    }

    /// The path of an issue, and perhaps of something below it.
    pub(super) fn issue_path(&self, key: &str, below: &str) -> String {
        self.path(&format!("issue/{}{below}", encode(key)))
    }

    /// The JSON that answers a request.
    pub(super) fn json(&self, request: Request<'_>) -> Result<Json, Failure> {
        self.http.call(request)?.json()
    }

    /// The issues a search finds, all pages; `order` fixes their order.
    pub(super) fn search(
        &self,
        jql: &str,
        order: &str,
        fields: &[&str],
        properties: bool,
    ) -> Result<Vec<Json>, Failure> {
        let jql = format!("{jql} ORDER BY {order}");
        let mut found = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let page = self.page(&jql, fields, properties, found.len(), next.as_deref())?;
            let Json::Object(mut page) = page else { return Ok(found) };
            let Some(Json::Array(issues)) = page.remove("issues") else { return Ok(found) };
            let came = issues.len();
            found.extend(issues);
            if self.is_cloud() {
                next = page.get("nextPageToken").and_then(Json::as_str).map(str::to_owned);
                if next.is_none() || page.get("isLast").and_then(Json::as_bool) == Some(true) {
                    return Ok(found);
                }
                continue;
            }
            let total = page.get("total").and_then(Json::as_u64).unwrap_or(0);
            // A server may be set up to answer fewer than were asked for.
            if let Some(most) = page.get("maxResults").and_then(Json::as_u64)
                && let Ok(most) = usize::try_from(most)
                && most > 0
            {
                self.memory().page = Some(most.min(SERVER_PAGE));
            }
            if came == 0 || found.len() as u64 >= total {
                return Ok(found);
            }
        }
    }

    fn page(
        &self,
        jql: &str,
        fields: &[&str],
        properties: bool,
        start: usize,
        next: Option<&str>,
    ) -> Result<Json, Failure> {
        let most = self.page_size(fields);
        let mut body = json!({"jql": jql, "maxResults": most, "fields": fields});
        if properties {
            body["properties"] = json!([super::marker::PROPERTY]);
        }
        if self.is_cloud() {
            if let Some(next) = next {
                body["nextPageToken"] = json!(next);
            }
            return self.json(Request::post(&self.path("search/jql")).json(&body).repeatable());
        }
        body["startAt"] = json!(start);
        // Keys that do not exist any more are then left out instead of refused.
        body["validateQuery"] = json!(false);
        self.json(Request::post(&self.path("search")).json(&body).repeatable())
    }

    /// One issue that a search finds.
    pub(super) fn first(&self, jql: &str) -> Result<Option<Json>, Failure> {
        let body = json!({"jql": jql, "maxResults": 1, "fields": ["status"]});
        let path = self.path(if self.is_cloud() { "search/jql" } else { "search" });
        let mut page = self.json(Request::post(&path).json(&body).repeatable())?;
        Ok(page["issues"].as_array_mut().and_then(Vec::pop))
    }

    /// How many issues a page may hold.
    pub(super) fn page_size(&self, fields: &[&str]) -> usize {
        match (self.is_cloud(), fields.len()) {
            (true, 0..=1) => SERVER_PAGE,
            (true, _) => CLOUD_PAGE,
            (false, _) => self.memory().page.unwrap_or(SERVER_PAGE),
        }
    }

    /// The items of a paged resource, which are the array under one of `names`.
    pub(super) fn all_pages(&self, path: &str, names: &[&str]) -> Result<Vec<Json>, Failure> {
        let mut found: Vec<Json> = Vec::new();
        loop {
            let start = found.len().to_string();
            let request = Request::get(path).query("startAt", &start).query("maxResults", "200");
            let page = self.json(request)?;
            let items = names.iter().find_map(|name| page[name].as_array());
            let came = items.map_or(0, Vec::len);
            found.extend(items.into_iter().flatten().cloned());
            let total = page["total"].as_u64().unwrap_or(0);
            if came == 0 || page["isLast"] == json!(true) || found.len() as u64 >= total {
                return Ok(found);
            }
        }
    }

    /// What a failure at an issue means: 404 is that it is gone, if it is.
    pub(super) fn at_issue(&self, failure: Failure, key: &str) -> Error {
        if failure.refused(404).is_none() {
            return explain(failure, key);
        }
        match self.json(Request::get(&self.issue_path(key, "")).query("fields", "updated")) {
            Ok(_) => {
                let what = format!("{key} has none such: {failure}");
                Error::item(NOT_FOUND, what)
            }
            Err(failure) if failure.refused(404).is_some() => gone(key),
            Err(failure) => failure.into(),
        }
    }
}

/// That an issue is gone.
pub(super) fn gone(key: &str) -> Error {
    Error::item(LOCAL_GONE, format!("there is no issue {key} (any more) that we may see"))
}

/// What a failure means that is not about whether the issue exists.
pub(super) fn explain(failure: Failure, key: &str) -> Error {
    match &failure {
        Failure::Refused(refusal) if refusal.status == 409 || refusal.status == 412 => {
            let what = format!("{key} is being changed by somebody else: {}", words(refusal));
            Error::wait(TRACKER_UNAVAILABLE, what)
        }
        Failure::Refused(refusal) => {
            let what = format!("{key}: the tracker refuses it: {}", words(refusal));
            Error::item(TRACKER_REFUSED, what)
        }
        _ => failure.into(),
    }
}

/// Jira's own words for a refusal.
pub(super) fn words(refusal: &Refusal) -> String {
    let json = refusal.json().unwrap_or_default();
    let general = json["errorMessages"].as_array().into_iter().flatten();
    let mut words: Vec<String> =
        general.filter_map(Json::as_str).map(|text| text.trim().to_owned()).collect();
    words.extend(field_errors(refusal).into_iter().map(|(id, text)| format!("{id}: {text}")));
    if words.is_empty() {
        format!("status {} {}", refusal.status, refusal.text())
    } else {
        words.join("; ")
    }
}

/// Which fields a refusal names, and what is wrong with each.
pub(super) fn field_errors(refusal: &Refusal) -> Vec<(String, String)> {
    let json = refusal.json().unwrap_or_default();
    let errors = json["errors"].as_object().into_iter().flatten();
    errors
        .map(|(id, text)| (id.clone(), text.as_str().unwrap_or("refused").trim().to_owned()))
        .collect()
}

/// Does `work` with each item, several at a time; answers in their order.
pub(super) fn parallel<T: Sync, R: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    if threads <= 1 || items.len() <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { return };
                    let result = work(item);
                    let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    done.push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Does two things at a time, where so many threads may be at work.
pub(super) fn both<A: Send, B>(
    threads: usize,
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B,
) -> (A, B) {
    if threads <= 1 {
        let one = one();
        return (one, other());
    }
    std::thread::scope(|scope| {
        let beside = scope.spawn(one);
        let other = other();
        match beside.join() {
            Ok(one) => (one, other),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// A text as JQL quotes it. Single quotes outside leave the double ones to the text search.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
