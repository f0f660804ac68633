//! Values of Jira's fields as our values, and back.

use std::fmt;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::{Value as Json, json};

use super::adf;
use super::meta::Known;
use crate::issue::Value;

/// The type of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kind {
    /// `string`, `version`, `option`, …: of the items where it is a list.
    pub(super) word: String,
    /// Several of them.
    pub(super) list: bool,
    /// The kind of custom field, `…:textarea`, or the system field's id.
    pub(super) of: String,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.list { "array of " } else { "" }, self.word)
    }
}

impl Kind {
    /// From the `schema` of a field.
    pub(super) fn of(schema: &Json) -> Self {
        let text = |name: &str| schema[name].as_str().unwrap_or_default().to_owned();
        let list = text("type") == "array";
        let word = if list { text("items") } else { text("type") };
        let custom = text("custom");
        let of = if custom.is_empty() { text("system") } else { custom };
        Self { word, list, of }
    }

    /// The type of one item.
    pub(super) fn item(&self) -> Self {
        Self { list: false, ..self.clone() }
    }

    /// One plain text.
    pub(super) fn is_text(&self) -> bool {
        !self.list && self.word == "string"
    }

    /// Jira lists the values it takes.
    pub(super) fn is_chosen(&self) -> bool {
        let free = [
            "string",
            "number",
            "date",
            "datetime",
            "user",
            "any",
            "",
            "status",
            "issuetype",
            "project",
        ];
        !free.contains(&self.word.as_str())
    }

    /// Several lines, which Cloud keeps as a document.
    pub(super) fn is_rich(&self) -> bool {
        self.is_text()
            && (self.of.ends_with(":textarea")
                || ["description", "environment"].contains(&self.of.as_str()))
    }

    /// Labels, which hold no blanks.
    fn is_labels(&self) -> bool {
        self.list && self.word == "string" && self.of.ends_with("labels")
    }

    /// How many UTF-16 units a text may have, as Jira counts.
    pub(super) fn limit(&self) -> usize {
        let short = self.of == "summary" || self.of.ends_with(":textfield");
        if short { 255 } else { 32_767 }
    }

    /// By what a value of this type is named: Jira's property for it.
    fn named_by(&self, cloud: bool) -> &'static str {
        match self.word.as_str() {
            "user" if cloud => "accountId",
            "option" | "option-with-child" => "value",
            "project" => "key",
            _ => "name",
        }
    }
}

/// A field of an issue as our value.
pub(super) fn decode(json: &Json, kind: &Kind, path: &[String]) -> Option<Value> {
    match json {
        Json::Array(items) => {
            let words = items.iter().filter_map(|item| words(item, &kind.item(), path));
            Value::list(words.collect())
        }
        _ if kind.list => words(json, &kind.item(), path).and_then(|one| Value::list(vec![one])),
        _ => words(json, kind, path).and_then(Value::text),
    }
}

/// One value in words; `None` where it is unset.
pub(super) fn words(json: &Json, kind: &Kind, path: &[String]) -> Option<String> {
    if let [part, rest @ ..] = path {
        return words(&json[part.as_str()], &Kind::default(), rest);
    }
    let text = match json {
        Json::Null => return None,
        Json::String(text) if kind.word == "datetime" => instant(text),
        Json::String(text) => text.clone(),
        Json::Number(number) => number_words(number),
        Json::Bool(yes) => yes.to_string(),
        Json::Array(items) => {
            let parts: Vec<String> =
                items.iter().filter_map(|item| words(item, kind, path)).collect();
            parts.join(", ")
        }
        Json::Object(_) if adf::is_document(json) => adf::to_text(json),
        Json::Object(_) => object_words(json, kind),
    };
    (!text.is_empty()).then_some(text)
}

fn object_words(json: &Json, kind: &Kind) -> String {
    let get = |name: &str| json[name].as_str();
    if kind.word == "option-with-child"
        && let (Some(parent), Some(child)) = (get("value"), json["child"]["value"].as_str())
    {
        return format!("{parent} / {child}");
    }
    let by: &[&str] = match kind.word.as_str() {
        "user" => &["name", "accountId", "key"],
        "project" | "issuelink" => &["key"],
        _ => &["name", "value", "key", "id"],
    };
    match by.iter().find_map(|name| get(name)) {
        Some(text) => text.to_owned(),
        None => json.to_string(),
    }
}

fn number_words(number: &serde_json::Number) -> String {
    match number.as_f64() {
        // Jira writes 3 as 3.0.
        Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => format!("{float:.0}"),
        _ => number.to_string(),
    }
}

/// An instant as Jira writes it: `2025-03-10T08:00:00.000+0000`.
pub(super) fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z")
        .or_else(|_| DateTime::parse_from_rfc3339(text))
        .ok()
        .map(|at| at.to_utc())
}

fn instant(text: &str) -> String {
    let at = parse_instant(text);
    at.map_or_else(|| text.to_owned(), |at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// What a value becomes on its way in.
#[derive(Debug, PartialEq)]
pub(super) struct Encoded {
    /// What is sent.
    pub(super) json: Json,
    /// What was cut.
    pub(super) cut: Option<Cut>,
}

/// A text that is longer than its field takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// The whole of it.
    pub(super) whole: String,
    /// Its length, in UTF-16 units.
    length: usize,
    /// What the field takes.
    most: usize,
}

impl Cut {
    /// In words.
    pub(super) fn text(&self, what: &str) -> String {
        format!(
            "{what} was cut: it has {} characters, and the tracker takes {}",
            self.length, self.most
        )
    }
}

/// Our value for a field; the error says why it does not fit.
pub(super) fn encode(
    value: Option<&Value>,
    known: &Known,
    path: &[String],
    cloud: bool,
) -> Result<Encoded, String> {
    let whole = |json: Json| Encoded { json, cut: None };
    let kind = &known.kind;
    let Some(value) = value.filter(|value| value.items().iter().any(|item| !item.is_empty()))
    else {
        return Ok(whole(if kind.list { json!([]) } else { Json::Null }));
    };
    if kind.list {
        let mut items: Vec<Json> = Vec::new();
        let mut cut = None;
        for item in value.items().iter().filter(|item| !item.is_empty()) {
            let json = one(item, known, path, cloud)?;
            if !items.contains(&json) {
                items.push(json);
            }
            if kind.is_labels() && units(item.trim()) > LABEL {
                let length = units(item.trim());
                cut = cut.or_else(|| Some(Cut { whole: item.clone(), length, most: LABEL }));
            }
        }
        return Ok(Encoded { json: Json::Array(items), cut });
    }
    let text = value.joined(", ");
    if kind.is_text() && path.is_empty() {
        let (text, cut) = fit(&text, kind);
        let json = if cloud && kind.is_rich() { adf::from_text(&text) } else { json!(text) };
        return Ok(Encoded { json, cut });
    }
    one(&text, known, path, cloud).map(whole)
}

fn one(text: &str, known: &Known, path: &[String], cloud: bool) -> Result<Json, String> {
    let kind = known.kind.item();
    if let Some(allowed) = known
        .allowed
        .as_ref()
        .filter(|_| !["user", "string", "issuetype"].contains(&kind.word.as_str()))
    {
        allowed_value(text, allowed, &kind, path)?;
    }
    if !path.is_empty() {
        return Ok(path
            .iter()
            .rev()
            .fold(json!(text), |inner, part| json!({part.as_str(): inner})));
    }
    match kind.word.as_str() {
        "string" if known.kind.is_labels() => Ok(json!(label(text))),
        "string" | "any" | "" => Ok(json!(text)),
        "number" => number(text),
        "date" => date(text),
        "datetime" => date_time(text),
        "option-with-child" => Ok(cascade(text, known)),
        _ => Ok(json!({ kind.named_by(cloud): text })),
    }
}

fn allowed_value(text: &str, allowed: &[Json], kind: &Kind, path: &[String]) -> Result<(), String> {
    let base = text.split(" / ").next().unwrap_or_default();
    let wanted = if kind.word == "option-with-child" { base } else { text };
    let names: Vec<String> = allowed.iter().filter_map(|value| words(value, kind, path)).collect();
    if allowed.is_empty() || names.iter().any(|name| name == wanted || name == text) {
        return Ok(());
    }
    let most = 40;
    let more = if names.len() > most { ", …" } else { "" };
    let shown = names.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    Err(format!("{text:?} is not one of its values: {shown}{more}"))
}

/// `parent / child`, where the parent itself may hold ` / `.
fn cascade(text: &str, known: &Known) -> Json {
    let parents = known.allowed.iter().flatten().filter_map(|value| value["value"].as_str());
    let fits = |parent: &&str| text.strip_prefix(*parent).is_some_and(|r| r.starts_with(" / "));
    let parent = parents.filter(fits).max_by_key(|parent| parent.len());
    let split = parent.map(str::len).or_else(|| text.find(" / "));
    match split {
        Some(at) => json!({"value": &text[..at], "child": {"value": &text[at + 3..]}}),
        None => json!({"value": text}),
    }
}

fn number(text: &str) -> Result<Json, String> {
    let plain = text.trim();
    if let Ok(whole) = plain.parse::<i64>() {
        return Ok(json!(whole));
    }
    match plain.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(json!(number)),
        _ => Err(format!("{text:?} is no number; a decimal point, no unit")),
    }
}

fn date(text: &str) -> Result<Json, String> {
    let plain = text.trim();
    let day = plain.get(..10).filter(|_| plain.len() == 10 || parse_instant(plain).is_some());
    match day.and_then(|day| NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()) {
        Some(day) => Ok(json!(day.format("%Y-%m-%d").to_string())),
        None => Err(format!("{text:?} is no date; write it as 2025-03-10")),
    }
}

fn date_time(text: &str) -> Result<Json, String> {
    let midnight = |text: &str| {
        let day = NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok()?;
        Some(day.and_hms_opt(0, 0, 0)?.and_utc())
    };
    match parse_instant(text.trim()).or_else(|| midnight(text)) {
        Some(at) => Ok(json!(at.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string())),
        None => Err(format!("{text:?} is no time; write it as 2025-03-10T08:00:00Z")),
    }
}

/// How long a label may be, in UTF-16 units.
const LABEL: usize = 255;

/// A label cannot hold blanks: each becomes `_`. What then could be taken for another label gets
/// a word of its own, so that `a b` and `a_b` stay two.
pub(super) fn label(text: &str) -> String {
    let text = text.trim();
    let legal: String =
        text.chars().map(|c| if c.is_whitespace() || c.is_control() { '_' } else { c }).collect();
    let long = units(&legal) > LABEL;
    if legal == text && !long {
        return legal;
    }
    let word = crate::Digest::of(text.as_bytes()).to_string();
    format!("{}~{}", cut_units(&legal, 246), &word[..8])
}

/// Makes a text fit its field; answers what was cut, too.
fn fit(text: &str, kind: &Kind) -> (String, Option<Cut>) {
    let mut fitted: String =
        text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')).collect();
    let single = kind.of == "summary" || kind.of.ends_with(":textfield");
    if single && fitted.contains(['\n', '\r']) {
        fitted = fitted.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    let most = kind.limit();
    let length = units(&fitted);
    if length <= most {
        return (fitted, None);
    }
    let mark =
        if single { " […]".to_owned() } else { format!("\n[… cut: {length} characters]") };
    let kept = cut_units(&fitted, most - units(&mark));
    (format!("{}{mark}", kept.trim_end()), Some(Cut { whole: text.to_owned(), length, most }))
}

pub(super) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The beginning of a text, of at most so many UTF-16 units; no character is cut in two.
pub(super) fn cut_units(text: &str, most: usize) -> &str {
    let mut taken = 0;
    for (at, c) in text.char_indices() {
        taken += c.len_utf16();
        if taken > most {
            return &text[..at];
        }
    }
    text
}

/// Makes the text of a comment fit.
pub(super) fn fit_comment(text: &str) -> (String, Option<Cut>) {
    fit(text, &Kind { word: "string".to_owned(), ..Kind::default() })
}

/// Whether two values are the same to Jira: line ends do not count, nor the order of a list.
pub(super) fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    let plain = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n").trim_end().to_owned();
    let sorted = |value: &Value| {
        let mut items: Vec<String> = value.items().iter().map(|item| plain(item)).collect();
        items.sort();
        items
    };
    match (a, b) {
        (Some(Value::Text(a)), Some(Value::Text(b))) => plain(a) == plain(b),
        (Some(a), Some(b)) => sorted(a) == sorted(b),
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
#[path = "fields/tests.rs"]
mod tests;
