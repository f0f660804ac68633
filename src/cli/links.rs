//! `link`, `unlink`, `retry`: a person's word on which issue is which.

use serde_json::json;

use super::app::{App, SystemClock};
use super::args::Global;
use super::{Exit, operator, print, print_json, progress};
use crate::db::Transaction;
use crate::exchange::{self, MissingFile, Partner, Retried};
use crate::state::{Base, Entry, EntryKind, Link, LinkState};
use crate::sync::{Change, marker};
use crate::{Clock, Error, NOT_FOUND, Result, USAGE, stamp};

/// Adopts an existing issue, so that the next delivery does not make a twin.
pub(super) fn link(
    global: &Global,
    partner: &str,
    remote: &str,
    key: &str,
) -> anyhow::Result<Exit> {
    let app = App::open(global, operator(global), "engsync")?;
    let partner = partner_of(&app, partner)?;
    if let Some(link) = app.state.link(&partner.key, remote)? {
        let known = link.key.unwrap_or_default();
        let what = format!("{remote} of {} is linked to {known} already", partner.key);
        let hint = format!("`engsync unlink {} {remote}` first", partner.key);
        return Err(Error::setup(USAGE, what).hint(hint).into());
    }
    let found = app.tracker.get_many(&[key.to_owned()])?.pop().flatten();
    if found.is_none() {
        let what = format!("there is no issue {key}");
        return Err(Error::setup(NOT_FOUND, what).hint("`engsync tracker list` shows them").into());
    }
    let whole = one_transaction(&app)?;
    app.tracker.mark(key, Some(&marker(&partner.policy, remote)))?;
    let transaction = whole.map_or_else(|| app.state.begin(), Ok)?;
    let mut link = Link {
        id: 0,
        partner: partner.key.clone(),
        remote: remote.to_owned(),
        key: Some(key.to_owned()),
        state: LinkState::Active,
        base: Base { peer_short: partner.short_name.clone(), ..Base::default() },
        owed: None,
        pending: None,
    };
    app.state.save_link(&mut link)?;
    note(&app, &link)?;
    transaction.commit()?;
    say(global, &json!({ "linked": remote, "local": key }), || {
        format!("{remote} of {} is {key} from now on\n", partner.key)
    })
}

/// Forgets which issue a partner's issue is.
pub(super) fn unlink(global: &Global, partner: &str, remote: &str) -> anyhow::Result<Exit> {
    let app = App::open(global, operator(global), "engsync")?;
    let partner = partner_of(&app, partner)?;
    let Some(link) = app.state.link(&partner.key, remote)? else {
        let what = format!("{remote} of {} is not linked", partner.key);
        return Err(Error::setup(NOT_FOUND, what).into());
    };
    let whole = one_transaction(&app)?;
    let key = link.key.clone().unwrap_or_default();
    let there = app.tracker.get_many(std::slice::from_ref(&key))?.pop().flatten();
    if there.is_some() {
        app.tracker.mark(&key, None)?;
    }
    let transaction = whole.map_or_else(|| app.state.begin(), Ok)?;
    app.state.remove_link(link.id)?;
    note(&app, &Link { key: None, ..link.clone() })?;
    transaction.commit()?;
    say(global, &json!({ "unlinked": remote, "local": link.key }), || {
        format!(
            "{remote} of {} is no longer {key}; delivered again it makes a new issue\n",
            partner.key
        )
    })
}

/// Tries what is held of an issue again at the next run.
pub(super) fn retry(global: &Global, issue: &str) -> anyhow::Result<Exit> {
    let app = App::open(global, operator(global), "engsync")?;
    let links = links_of(&app, issue)?;
    let (bars, wall) = (progress::Bars::new(false), SystemClock(None));
    let retried = exchange::retry(&app.tools(global, &wall, &bars), links)?;
    let Retried { freed, missing } = &retried;
    say(global, &json!({ "issue": issue, "freed": freed, "missing": missing }), || {
        let mut text = match (freed, missing.len()) {
            (0, 0) => format!("nothing of {issue} is held\n"),
            (0, _) => String::new(),
            _ => format!("{issue}: {freed} held; the next run tries again\n"),
        };
        for MissingFile { file, package } in missing {
            let came = match package {
                Some(package) => format!("{package} is not in done/ any more"),
                None => "the package it came in is not known".to_owned(),
            };
            text.push_str(&format!(
                "{issue}: {file} cannot be tried again: {came}; let it be delivered once more\n"
            ));
        }
        text
    })
}

/// A transaction that covers the tracker too, where one can: none is held over a network, where
/// what is done can be done again.
fn one_transaction(app: &App) -> Result<Option<Transaction<'_>>> {
    if app.tracker.capabilities().shares_state { app.state.begin().map(Some) } else { Ok(None) }
}

/// The links of a local key or a partner's number.
pub(super) fn links_of(app: &App, issue: &str) -> Result<Vec<Link>> {
    let mut links = app.state.links_of_key(issue)?;
    for partner in &app.settings.partners {
        links.extend(app.state.link(&partner.key, issue)?);
    }
    links.dedup_by_key(|link| link.id);
    if links.is_empty() {
        let what = format!("{issue} is neither a linked local issue nor a partner's number");
        return Err(Error::setup(NOT_FOUND, what).hint("`engsync tracker list` shows the issues"));
    }
    Ok(links)
}

fn partner_of<'a>(app: &'a App, name: &str) -> Result<&'a Partner> {
    app.settings.partner(name).ok_or_else(|| {
        let known: Vec<&str> = app.settings.partners.iter().map(|p| p.key.as_str()).collect();
        Error::setup(USAGE, format!("no partner is called {name:?}"))
            .hint(format!("the configuration has {}", known.join(", ")))
    })
}

fn note(app: &App, link: &Link) -> Result<()> {
    app.state.journal(&Entry::<Change> {
        at: stamp(app.clock.now()),
        partner: link.partner.clone(),
        package: None,
        remote: link.remote.clone(),
        key: link.key.clone(),
        kind: EntryKind::Link,
        changes: Vec::new(),
    })
}

fn say(
    global: &Global,
    json: &serde_json::Value,
    text: impl FnOnce() -> String,
) -> anyhow::Result<Exit> {
    if global.json {
        print_json(json)?;
    } else {
        print(&text())?;
    }
    Ok(Exit::Done)
}
