//! `explain`: why a field has its value.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::json;

use super::app::{Access, App};
use super::args::Global;
use super::links::links_of;
use super::style::{Style, Tone, plain, short};
use super::{Exit, out_style, print, print_json};
use crate::issue::{Issue, Value};
use crate::state::{EntryKind, Filter, HeldMark, Link};
use crate::sync::conflict::Conflict;
use crate::sync::{Change, Rule, rules_of};

/// Everything known of one field of one link.
struct Known<'a> {
    field: String,
    rules: Vec<&'a Rule>,
    link: &'a Link,
    local: Option<Value>,
    changes: Vec<(String, EntryKind, Option<String>, Change)>,
    open: Vec<(i64, Conflict)>,
    /// The partner's fields that its rules copy from or to, itself among them.
    partner_fields: Vec<PartnerField<'a>>,
}

/// What is remembered of one of the partner's fields.
struct PartnerField<'a> {
    field: String,
    delivered: Option<&'a Value>,
    sent: Option<&'a Value>,
    owed: Option<&'a Value>,
    held: Vec<&'a HeldMark>,
}

impl<'a> PartnerField<'a> {
    fn new(link: &'a Link, field: &str) -> Self {
        let base = &link.base;
        Self {
            delivered: base.delivered.get(field),
            sent: base.sent.as_ref().and_then(|sent| sent.fields.get(field)),
            owed: link.owed.as_ref().and_then(|owed| owed.fields.get(field)),
            held: held(link, field),
            field: field.to_owned(),
        }
    }

    fn is_known(&self) -> bool {
        self.delivered.is_some()
            || self.sent.is_some()
            || self.owed.is_some()
            || !self.held.is_empty()
    }
}

fn held<'a>(link: &'a Link, field: &str) -> Vec<&'a HeldMark> {
    let marks = ["in:", "out:"].map(|mark| format!("{mark}{field}"));
    marks.iter().filter_map(|mark| link.base.held.get(mark)).collect()
}

/// Explains an issue, or one field of it.
pub(super) fn run(global: &Global, issue: &str, field: Option<&str>) -> anyhow::Result<Exit> {
    let app = App::open(global, Access::Overlay, "engsync")?;
    let mut text = String::new();
    let mut documents = Vec::new();
    for link in links_of(&app, issue)? {
        let key = link.key.clone().unwrap_or_default();
        let local = app.tracker.get_many(std::slice::from_ref(&key))?.pop().flatten();
        let Some(partner) = app.settings.partner(&link.partner) else { continue };
        let fields = match field {
            Some(field) => BTreeSet::from([field.to_owned()]),
            None => fields(&link, local.as_ref()),
        };
        let style = out_style(global);
        let _ = writeln!(
            text,
            "{} is {} of {}{}",
            style.paint(Tone::Strong, &key),
            plain(&link.remote),
            link.partner,
            if local.is_none() { " (deleted here)" } else { "" }
        );
        for field in fields {
            let known = known(&app, &link, local.as_ref(), &partner.policy.rules, field)?;
            if known.rules.is_empty() && known.changes.is_empty() && !is_asked(&known) {
                continue;
            }
            documents.push(as_json(&known));
            render(&mut text, &known, style);
        }
    }
    if global.json {
        print_json(&documents)?;
    } else {
        print(&text)?;
    }
    Ok(Exit::Done)
}

fn is_asked(known: &Known<'_>) -> bool {
    known.local.is_some() || known.partner_fields.iter().any(PartnerField::is_known)
}

/// The fields of either side that have a value.
fn fields(link: &Link, local: Option<&Issue>) -> BTreeSet<String> {
    let base = &link.base;
    let sent = base.sent.iter().flat_map(|sent| sent.fields.iter());
    let local = local.into_iter().flat_map(|local| local.fields.iter());
    base.local.iter().chain(sent).chain(local).map(|(field, _)| field.to_owned()).collect()
}

fn known<'a>(
    app: &App,
    link: &'a Link,
    local: Option<&Issue>,
    rules: &'a [Rule],
    field: String,
) -> anyhow::Result<Known<'a>> {
    let filter = Filter { partner: Some(&link.partner), issue: Some(&link.remote) };
    let changes = app
        .state
        .entries::<Change>(&filter)?
        .into_iter()
        .flat_map(|entry| {
            let (at, kind, package) = (entry.at, entry.kind, entry.package);
            entry.changes.into_iter().map(move |change| (at.clone(), kind, package.clone(), change))
        })
        .filter(|(.., change)| change.field == field)
        .collect();
    let open = app.state.open_conflicts::<Conflict>(&link.partner, &link.remote)?;
    let open = open
        .into_iter()
        .map(|row| (row.id, row.record))
        .filter(|(_, conflict)| conflict.field == field || conflict.remote_field == field)
        .collect();
    let rules = rules_of(rules, &field);
    let mut names: BTreeSet<&str> = rules.iter().flat_map(|rule| rule.remote_fields()).collect();
    names.insert(&field);
    // A text of many fields would drown the answer: its rule is named, that is enough.
    let few = names.len() <= 8;
    let partner_fields: Vec<PartnerField<'a>> = names
        .into_iter()
        .filter(|name| few || *name == field)
        .map(|name| PartnerField::new(link, name))
        .filter(PartnerField::is_known)
        .collect();
    Ok(Known {
        partner_fields,
        rules,
        local: local.and_then(|local| local.fields.get(&field).cloned()),
        field,
        link,
        changes,
        open,
    })
}

fn render(text: &mut String, known: &Known<'_>, style: Style) {
    let base = &known.link.base;
    let value = |value: Option<&Value>| {
        value.map_or("(unset)".to_owned(), |value| short(&plain(&value.to_string()), 70))
    };
    let _ = writeln!(text, "\n  {}", style.paint(Tone::Strong, &known.field));
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "    {label:12} {value}");
    };
    if known.local.is_some() {
        line("now here", value(known.local.as_ref()));
    }
    if let Some(agreed) = base.local.get(&known.field) {
        line("agreed here", value(Some(agreed)));
    }
    for other in &known.partner_fields {
        for (verb, there) in
            [("delivered", other.delivered), ("sent", other.sent), ("owed", other.owed)]
        {
            if there.is_some() {
                line(verb, format!("{} = {}", other.field, value(there)));
            }
        }
    }
    for rule in &known.rules {
        let policy = rule.policy().map(|policy| format!(" (conflict = {policy:?})"));
        line("rule", format!("{}{}", rule.name, policy.unwrap_or_default()));
    }
    let here = held(known.link, &known.field);
    let there = known.partner_fields.iter().filter(|other| other.field != known.field);
    for mark in here.into_iter().chain(there.flat_map(|other| other.held.iter().copied())) {
        line("held", format!("{}: {}", mark.code, plain(&mark.text)));
    }
    for (id, conflict) in &known.open {
        line(
            "conflict",
            format!("{id}, {}: `engsync conflicts show {id}`", conflict.kind.as_str()),
        );
    }
    for (at, kind, package, change) in &known.changes {
        let package = package.as_deref().unwrap_or("a local change");
        let (verb, by) = match kind {
            EntryKind::Out => ("sent", package),
            _ => ("set", package),
        };
        let rule =
            if change.rule.is_empty() { String::new() } else { format!(" by {}", change.rule) };
        let lost = if change.overwrote { ", over a local edit" } else { "" };
        let cut = if change.cut { ", cut by the tracker" } else { "" };
        line(
            at,
            format!(
                "{verb} {} → {} ({by}{rule}{lost}{cut})",
                value(change.from.as_ref()),
                value(change.to.as_ref())
            ),
        );
    }
}

fn as_json(known: &Known<'_>) -> serde_json::Value {
    let base = &known.link.base;
    let mark = |held: &HeldMark| json!({ "code": held.code, "text": held.text });
    let held: Vec<serde_json::Value> =
        held(known.link, &known.field).into_iter().map(mark).collect();
    json!({
        "partner": known.link.partner,
        "remote": known.link.remote,
        "local": known.link.key,
        "field": known.field,
        "value": known.local,
        "agreed": base.local.get(&known.field),
        "partner_fields": known.partner_fields.iter().map(|other| json!({
            "field": other.field,
            "delivered": other.delivered,
            "sent": other.sent,
            "owed": other.owed,
            "held": other.held.iter().copied().map(mark).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "rules": known.rules.iter().map(|rule| json!({
            "name": rule.name, "policy": rule.policy(),
        })).collect::<Vec<_>>(),
        "held": held,
        "conflicts": known.open.iter().map(|(id, _)| id).collect::<Vec<_>>(),
        "history": known.changes.iter().map(|(at, kind, package, change)| json!({
            "at": at, "direction": kind, "package": package, "change": change,
        })).collect::<Vec<_>>(),
    })
}
