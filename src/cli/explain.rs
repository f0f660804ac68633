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
use crate::state::{EntryKind, Filter, Link};
use crate::sync::conflict::Conflict;
use crate::sync::{Change, Rule, rules_of};
use crate::tracker::Tracker;

/// Everything known of one field of one link.
struct Known<'a> {
    field: String,
    rules: Vec<&'a Rule>,
    link: &'a Link,
    local: Option<Value>,
    changes: Vec<(String, EntryKind, Option<String>, Change)>,
    open: Vec<(i64, Conflict)>,
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
    known.local.is_some() || known.link.base.delivered.get(&known.field).is_some()
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
    Ok(Known {
        rules: rules_of(rules, &field),
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
    for (label, there) in [
        ("agreed here", base.local.get(&known.field)),
        ("delivered", base.delivered.get(&known.field)),
        ("sent", base.sent.as_ref().and_then(|sent| sent.fields.get(&known.field))),
        ("owed", known.link.owed.as_ref().and_then(|owed| owed.fields.get(&known.field))),
    ] {
        if there.is_some() {
            line(label, value(there));
        }
    }
    for rule in &known.rules {
        let policy = rule.policy().map(|policy| format!(" (conflict = {policy:?})"));
        line("rule", format!("{}{}", rule.name, policy.unwrap_or_default()));
    }
    for mark in ["in:", "out:"] {
        if let Some(held) = base.held.get(&format!("{mark}{}", known.field)) {
            line("held", format!("{}: {}", held.code, plain(&held.text)));
        }
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
        line(
            at,
            format!(
                "{verb} {} → {} ({by}{rule}{lost})",
                value(change.from.as_ref()),
                value(change.to.as_ref())
            ),
        );
    }
}

fn as_json(known: &Known<'_>) -> serde_json::Value {
    let base = &known.link.base;
    let held: Vec<serde_json::Value> = ["in:", "out:"]
        .iter()
        .filter_map(|mark| base.held.get(&format!("{mark}{}", known.field)))
        .map(|held| json!({ "code": held.code, "text": held.text }))
        .collect();
    json!({
        "partner": known.link.partner,
        "remote": known.link.remote,
        "local": known.link.key,
        "field": known.field,
        "value": known.local,
        "agreed": base.local.get(&known.field),
        "delivered": base.delivered.get(&known.field),
        "sent": base.sent.as_ref().and_then(|sent| sent.fields.get(&known.field)),
        "owed": known.link.owed.as_ref().and_then(|owed| owed.fields.get(&known.field)),
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
