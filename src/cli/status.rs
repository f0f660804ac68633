//! `status`: what waits, what stands, what is held.

use std::fmt::Write;

use serde::Serialize;

use super::app::{Access, App, SystemClock};
use super::args::Global;
use super::style::{Style, Tone, plain};
use super::{Exit, out_style, print, print_json};
use crate::sync::conflict::Conflict;
use crate::{Clock, Result, stamp};

/// What `status` answers; its JSON shape stands in `docs/formats/json.md`.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    pub incoming: Vec<Waiting>,
    pub foreign: Vec<String>,
    pub gaps: Vec<Gap>,
    pub active: Vec<Standing>,
    pub deferred: Vec<Standing>,
    pub corrupt: Vec<Standing>,
    pub done: usize,
    pub unpublished: Vec<String>,
    pub partners: Vec<PartnerStatus>,
    pub held: Vec<HeldStatus>,
    pub conflicts: Vec<ConflictStatus>,
}

#[derive(Debug, Serialize)]
pub(super) struct Waiting {
    pub name: String,
    pub have: usize,
    pub total: u16,
    pub age_seconds: u64,
}

/// A package that never came though later ones of the same second did.
#[derive(Debug, Serialize)]
pub(super) struct Gap {
    pub partner: String,
    pub name: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Standing {
    pub name: String,
    pub reason: Option<String>,
    pub text: Option<String>,
    pub hint: Option<String>,
    pub since: Option<String>,
    pub next_try: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct PartnerStatus {
    pub partner: String,
    pub issues: usize,
    pub owed: usize,
    pub last_package: Option<String>,
    pub last_sent: Option<String>,
    /// With a transport: packages that wait for their delivery.
    pub undelivered: Option<usize>,
    /// When an exchange last went well.
    pub last_exchange: Option<String>,
    /// Why the last one failed.
    pub exchange_error: Option<String>,
    /// How many failed since.
    pub exchange_failures: u32,
}

#[derive(Debug, Serialize)]
pub(super) struct HeldStatus {
    pub partner: String,
    pub remote: String,
    pub local: Option<String>,
    pub field: String,
    pub code: String,
    pub text: String,
}

#[derive(Debug, Serialize)]
pub(super) struct ConflictStatus {
    pub id: i64,
    pub partner: String,
    pub remote: String,
    pub field: String,
    pub kind: String,
}

/// Shows it; with `check` the exit code says whether something stands that needs a person.
pub(super) fn run(global: &Global, check: bool) -> anyhow::Result<Exit> {
    let app = App::open(global, Access::Overlay, "engsync")?;
    let status = Status::whole(&app, &SystemClock(None))?;
    if global.json {
        print_json(&status)?;
    } else if !global.quiet || status.is_trouble() {
        print(&status.render(out_style(global)))?;
    }
    Ok(if check && status.is_trouble() { Exit::Trouble } else { Exit::Done })
}

impl Status {
    /// Looks at spool and state; other files in `incoming/` are named too.
    pub(super) fn whole(app: &App, wall: &dyn Clock) -> Result<Self> {
        let spool = &app.settings.spool;
        let (now, wait) = (app.clock.now(), chrono::Duration::from_std(spool.wait));
        let until = now - wait.unwrap_or_default();
        let gaps = app.state.gaps(now - spool.retention, until)?.into_iter();
        let gaps = gaps.map(|(partner, name)| Gap { partner, name }).collect();
        Ok(Self { foreign: app.spool.foreign()?, gaps, ..Self::read(app, wall)? })
    }

    /// Looks at spool and state.
    pub(super) fn read(app: &App, wall: &dyn Clock) -> Result<Self> {
        let found = app.spool.waiting()?;
        let now = wall.now().into();
        let mut incoming = Vec::new();
        for group in &found.groups {
            let mut known = app.settings.spool.keep_incoming;
            for part in &group.parts {
                known = known && app.state.known_part(&part.file)?.is_some();
            }
            if !known {
                incoming.push(Waiting {
                    name: group.name.to_string(),
                    have: group.parts.len(),
                    total: group.total,
                    age_seconds: group.age(now).as_secs().min(u64::from(u32::MAX)),
                });
            }
        }
        let standing = |state: &str| -> Result<Vec<Standing>> {
            Ok(app.spool.stored(state)?.into_iter().map(Standing::from).collect())
        };
        let mut partners = Vec::new();
        let mut held = Vec::new();
        for partner in &app.settings.partners {
            let links = app.state.links(&partner.key)?;
            for link in &links {
                for (field, mark) in &link.base.held {
                    held.push(HeldStatus {
                        partner: partner.key.clone(),
                        remote: link.remote.clone(),
                        local: link.key.clone(),
                        field: field
                            .split_once(':')
                            .map_or(field.as_str(), |(_, field)| field)
                            .to_owned(),
                        code: mark.code.clone(),
                        text: mark.text.clone(),
                    });
                }
            }
            let exchange = app.state.last_exchange(&partner.key)?;
            let exchange = exchange.filter(|_| partner.transport.is_some());
            let undelivered = match &partner.transport {
                Some(_) => Some(app.spool.outgoing(&partner.key)?.len()),
                None => None,
            };
            partners.push(PartnerStatus {
                undelivered,
                last_exchange: exchange.as_ref().and_then(|last| last.good_at).map(stamp),
                exchange_failures: exchange.as_ref().map_or(0, |last| last.failures),
                exchange_error: exchange.and_then(|last| last.error),
                partner: partner.key.clone(),
                issues: links.len(),
                owed: links.iter().filter(|link| link.owed.is_some()).count(),
                last_package: app.state.last_package(&partner.key)?,
                last_sent: app.state.last_sent(&partner.key)?,
            });
        }
        Ok(Self {
            incoming,
            foreign: Vec::new(),
            gaps: Vec::new(),
            active: standing("active")?,
            deferred: standing("deferred")?,
            corrupt: standing("corrupt")?,
            done: app.spool.count("done")?,
            unpublished: app.state.unpublished()?.into_iter().map(|answer| answer.name).collect(),
            partners,
            held,
            conflicts: app
                .state
                .conflicts::<Conflict>()?
                .into_iter()
                .filter(|row| row.state == "open")
                .map(|row| ConflictStatus {
                    id: row.id,
                    partner: row.partner,
                    remote: row.remote,
                    field: row.record.field,
                    kind: row.record.kind.as_str().to_owned(),
                })
                .collect(),
        })
    }

    /// Whether something stands that needs a person.
    pub(super) fn is_trouble(&self) -> bool {
        !self.corrupt.is_empty()
            || !self.deferred.is_empty()
            || !self.held.is_empty()
            || !self.conflicts.is_empty()
            || self.partners.iter().any(|partner| partner.exchange_error.is_some())
    }

    /// For people.
    pub(super) fn render(&self, style: Style) -> String {
        let mut text = String::new();
        for partner in &self.partners {
            let last = partner.last_package.as_deref().unwrap_or("never");
            let sent = partner.last_sent.as_deref().unwrap_or("never");
            let _ = writeln!(
                text,
                "{}: {} issues, {} with an answer owed, last package {last}, last answer {sent}",
                style.paint(Tone::Strong, &partner.partner),
                partner.issues,
                partner.owed
            );
            text.push_str(&exchange(partner, style));
        }
        for waiting in &self.incoming {
            let _ = writeln!(
                text,
                "incoming  {}  {} of {} parts, {} old",
                waiting.name,
                waiting.have,
                waiting.total,
                age(waiting.age_seconds)
            );
        }
        let lists = [
            (Tone::News, "active", &self.active),
            (Tone::Trouble, "deferred", &self.deferred),
            (Tone::Bad, "corrupt", &self.corrupt),
        ];
        for (tone, word, list) in lists {
            for standing in list {
                let word = style.paint(tone, &format!("{word:8}"));
                let _ = writeln!(text, "{word}  {}  {}", standing.name, standing.line());
                if let Some(hint) = &standing.hint {
                    let _ = writeln!(
                        text,
                        "          {} {}",
                        style.paint(Tone::Quiet, "hint:"),
                        plain(hint)
                    );
                }
            }
        }
        for name in &self.unpublished {
            let _ = writeln!(text, "frozen    {name}  not published yet");
        }
        for held in &self.held {
            let word = style.paint(Tone::Trouble, "held");
            let key = held.local.as_deref().unwrap_or(&held.remote);
            let _ = writeln!(
                text,
                "{word}      {key} {}: {}: {}",
                held.field,
                held.code,
                plain(&held.text)
            );
        }
        for conflict in &self.conflicts {
            let word = style.paint(Tone::Trouble, "conflict");
            let _ = writeln!(
                text,
                "{word}  {} on {} of {}: {}",
                conflict.id,
                conflict.field,
                plain(&conflict.remote),
                conflict.kind
            );
        }
        for name in &self.foreign {
            let _ = writeln!(text, "foreign   {}  no part of a package; left alone", plain(name));
        }
        for Gap { partner, name } in &self.gaps {
            let _ = writeln!(
                text,
                "gap       {name}  never came, though a later one of the same second did ({partner})"
            );
        }
        let _ = writeln!(text, "done      {} packages kept", self.done);
        text
    }
}

/// What a transport has to say.
fn exchange(partner: &PartnerStatus, style: Style) -> String {
    let Some(undelivered) = partner.undelivered else { return String::new() };
    let last = partner.last_exchange.as_deref().unwrap_or("never");
    let mut text = format!("          last exchange {last}, {undelivered} to deliver\n");
    if let Some(error) = &partner.exchange_error {
        let word = style.paint(Tone::Bad, "exchange");
        let times = partner.exchange_failures;
        let _ =
            writeln!(text, "{word}  {} failed {times} times: {}", partner.partner, plain(error));
    }
    text
}

impl From<crate::spool::Stored> for Standing {
    fn from(stored: crate::spool::Stored) -> Self {
        let reason = stored.reason.unwrap_or_default();
        let some = |text: String| (!text.is_empty()).then_some(text);
        Self {
            name: stored.directory,
            reason: some(reason.reason),
            text: some(reason.text),
            hint: reason.hint,
            since: reason.at.or(stored.since).map(stamp),
            next_try: reason.next_try.map(stamp),
        }
    }
}

impl Standing {
    pub(super) fn line(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or("no reason given");
        let text = self.text.as_deref().map(plain).unwrap_or_default();
        let next = self.next_try.as_ref().map(|at| format!(" (next try {at})")).unwrap_or_default();
        format!("{reason}: {text}{next}")
    }
}

/// A duration in one unit.
fn age(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn ages_have_one_unit() {
        let cases =
            [(5, "5 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 days")];
        for (seconds, wanted) in cases {
            assert_eq!(super::age(seconds), wanted);
        }
    }
}
