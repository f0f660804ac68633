//! Mail to people when something stands that needs them: a digest of what is new, at most one in
//! a while. What was told is remembered in the state, so that it is told once; what could not be
//! sent is told later. Nothing here stops a pass.

mod send;

pub(super) use send::check;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::app::{App, SystemClock};
use super::args::Global;
use super::raw::RawMail;
use super::secret;
use super::status::Status;
use super::style::plain;
use crate::exchange::{MailServer, MailSettings, MailTls, MailWay};
use crate::{Clock, Result, Timestamp, stamp};

/// Where the state remembers what was told.
const MEMORY: &str = "mail";
/// The longest pause after mails that could not be sent.
const LONGEST_PAUSE: chrono::Duration = chrono::Duration::hours(1);
/// Fewer are left to the next try.
const EXCHANGE_FAILURES: u32 = 3;
/// More than this is counted, not listed.
const MOST_LINES: usize = 50;
/// Of one item; with [`MOST_LINES`] a message that fits a pipe.
const MOST_CHARACTERS: usize = 500;

/// What was told, and when the next mail may go.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    /// Since when each partner is known, for those of whom nothing ever came.
    since: BTreeMap<String, Timestamp>,
    told: BTreeSet<String>,
    failures: u32,
    next: Option<Timestamp>,
}

impl Memory {
    /// Notes who is a partner now. A time that is still to come was set by a clock that went wrong.
    fn meet(&mut self, status: &Status, now: Timestamp) {
        let is_partner = |name: &String| status.partners.iter().any(|one| one.partner == *name);
        self.since.retain(|name, _| is_partner(name));
        for partner in &status.partners {
            let since = self.since.entry(partner.partner.clone()).or_insert(now);
            *since = now.min(*since);
        }
    }
}

/// Something that stands.
#[derive(Debug)]
struct Item {
    /// The same as long as it stands and is the same trouble.
    key: String,
    text: String,
}

/// Sends what is new, if there is something and the time has come.
pub(super) fn after_pass(app: &App, global: &Global) {
    let Some(mail) = &app.settings.mail else { return };
    if let Err(error) = tell(app, mail, SystemClock(global.now).now()) {
        tracing::warn!("no mail: {}", error.line());
    }
}

fn tell(app: &App, mail: &MailSettings, now: Timestamp) -> Result<()> {
    let status = Status::whole(app, &SystemClock(None))?;
    let before = app.state.meta(MEMORY)?.unwrap_or_default();
    let mut memory: Memory = serde_json::from_str(&before).unwrap_or_default();
    memory.meet(&status, now);
    let items = items(&status, mail.silence, &memory.since, now);
    // What does not stand any more is told anew when it comes back.
    memory.told.retain(|key| items.iter().any(|item| item.key == *key));
    let fresh: Vec<&Item> = items.iter().filter(|item| !memory.told.contains(&item.key)).collect();
    if !fresh.is_empty() && is_due(&memory, mail, now) {
        match send::send(mail, &subject(app, &fresh), &body(&fresh, items.len())) {
            Ok(()) => {
                tracing::info!("mail sent to {}: {} new", mail.to.join(", "), fresh.len());
                memory.told = items.iter().map(|item| item.key.clone()).collect();
                memory.failures = 0;
                memory.next = Some(now + from_std(mail.every));
            }
            Err(error) => {
                memory.failures += 1;
                memory.next = Some(now + back_off(memory.failures));
                let hint = error.hint.as_deref();
                tracing::warn!(
                    hint,
                    "the mail could not be sent, tried again later: {}",
                    error.line()
                );
            }
        }
    }
    let after = serde_json::to_string(&memory).unwrap_or_default();
    if after != before {
        app.state.set_meta(MEMORY, &after)?;
    }
    Ok(())
}

fn from_std(duration: Duration) -> chrono::Duration {
    chrono::Duration::from_std(duration).unwrap_or(LONGEST_PAUSE)
}

/// A time further away than any pause was set by a clock that went wrong.
fn is_due(memory: &Memory, mail: &MailSettings, now: Timestamp) -> bool {
    let longest = LONGEST_PAUSE.max(from_std(mail.every));
    memory.next.is_none_or(|next| next <= now || next - now > longest)
}

/// 1, 2, 4 … minutes, at most an hour.
fn back_off(failures: u32) -> chrono::Duration {
    chrono::Duration::minutes(1 << (failures.clamp(1, 7) - 1)).min(LONGEST_PAUSE)
}

/// What stands, in the order of `status`.
fn items(
    status: &Status,
    silence: Option<Duration>,
    known: &BTreeMap<String, Timestamp>,
    now: Timestamp,
) -> Vec<Item> {
    let mut items = Vec::new();
    let mut add = |key: String, text: String| {
        let text = text.chars().take(MOST_CHARACTERS).collect();
        items.push(Item { key, text });
    };
    let stuck = status.deferred.iter().filter(|standing| standing.next_try.is_none());
    for (word, standing) in
        status.corrupt.iter().map(|s| ("corrupt", s)).chain(stuck.map(|s| ("deferred", s)))
    {
        let since = standing.since.as_deref().unwrap_or_default();
        let hint = standing.hint.as_deref().map(|hint| format!("\n  hint: {}", plain(hint)));
        let text =
            format!("{word}: {}: {}{}", standing.name, standing.line(), hint.unwrap_or_default());
        add(format!("{word} {} {since}", standing.name), text);
    }
    for held in &status.held {
        let issue = held.local.as_deref().unwrap_or(&held.remote);
        let text = format!("held: {issue} {}: {}: {}", held.field, held.code, plain(&held.text));
        add(format!("held {} {} {} {}", held.partner, held.remote, held.field, held.code), text);
    }
    for conflict in &status.conflicts {
        let text = format!(
            "conflict: {} on {} of {} ({}); `engsync conflicts show {}`",
            conflict.id,
            conflict.field,
            plain(&conflict.remote),
            conflict.kind,
            conflict.id
        );
        add(format!("conflict {}", conflict.id), text);
    }
    for partner in &status.partners {
        let Some(error) = &partner.exchange_error else { continue };
        if partner.exchange_failures >= EXCHANGE_FAILURES {
            let (name, since) = (&partner.partner, partner.last_exchange.as_deref());
            let since = since.unwrap_or("ever");
            add(
                format!("exchange {name} {since}"),
                format!("exchange: none with {name} since {since}: {}", plain(error)),
            );
        }
    }
    for gap in &status.gaps {
        let text = format!(
            "gap: {} of {} never came, though a later one of the same second did",
            gap.name, gap.partner
        );
        add(format!("gap {}", gap.name), text);
    }
    for partner in &status.partners {
        let (Some(silence), name) = (silence, &partner.partner) else { continue };
        let last = partner.last_package.as_deref().map(chrono::DateTime::parse_from_rfc3339);
        let (since, ever) = match (last, known.get(name)) {
            (Some(Ok(last)), _) => (last.to_utc(), ""),
            (None, Some(since)) => (*since, "; there never was one"),
            _ => continue,
        };
        if now - since >= from_std(silence) {
            let since = stamp(since);
            add(
                format!("silence {name} {since}"),
                format!("silence: no package of {name} since {since}{ever}"),
            );
        }
    }
    items
}

fn subject(app: &App, fresh: &[&Item]) -> String {
    let name = &app.settings.company.installation;
    match fresh {
        [one] => {
            let line = one.text.lines().next().unwrap_or_default();
            format!("engsync {name}: {}", super::style::short(line, 100))
        }
        more => format!("engsync {name}: {} things need you", more.len()),
    }
}

fn body(fresh: &[&Item], standing: usize) -> String {
    let mut text = String::from("New since the last mail:\n\n");
    for item in fresh.iter().take(MOST_LINES) {
        text.push_str(&format!("- {}\n", item.text));
    }
    if fresh.len() > MOST_LINES {
        text.push_str(&format!("- and {} more\n", fresh.len() - MOST_LINES));
    }
    let before = standing.saturating_sub(fresh.len());
    if before > 0 {
        text.push_str(&format!("\nTold before and standing still: {before}.\n"));
    }
    text.push_str("\n`engsync status` lists everything.\n");
    text
}

/// Reads `[mail]`; every problem is told to `say`.
pub(super) fn settings(
    raw: &RawMail,
    base: &Path,
    say: &mut dyn FnMut(String),
) -> Option<MailSettings> {
    let mut good = true;
    let mut bad = |text: String| {
        good = false;
        say(format!("[mail] {text}"));
    };
    if raw.to.is_empty() {
        bad("to names nobody".to_owned());
    }
    for address in raw.to.iter().chain([&raw.from]) {
        if !send::is_address(address) {
            bad(format!("{address:?} is no mail address"));
        }
    }
    let tls = match raw.tls.as_str() {
        "starttls" => MailTls::Starttls,
        "tls" => MailTls::Tls,
        "none" => MailTls::None,
        other => {
            bad(format!("tls takes \"starttls\", \"tls\" or \"none\", not {other:?}"));
            MailTls::Starttls
        }
    };
    let (env, file) = (raw.password_env.as_ref(), raw.password_file.as_ref());
    let password = secret::named("password", env, file, base).unwrap_or_else(|problem| {
        bad(problem);
        None
    });
    if raw.user.is_some() != password.is_some() {
        bad("user needs password_env or password_file, and they need it".to_owned());
    }
    if password.is_some() && tls == MailTls::None {
        bad("a password is not sent without encryption: tls = \"none\"".to_owned());
    }
    if raw.ca_file.is_some() && tls == MailTls::None {
        bad("ca_file is for a server with encryption: tls = \"none\"".to_owned());
    }
    let way = match (&raw.smtp, &raw.command) {
        (Some(smtp), None) => {
            match smtp.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
                Some((host, Ok(port))) if !host.is_empty() => {
                    let login = raw.user.clone().zip(password);
                    let ca = raw.ca_file.as_ref().map(|file| base.join(file));
                    MailWay::Smtp(MailServer { host: host.to_owned(), port, tls, ca, login })
                }
                _ => {
                    bad(format!("smtp is \"host:port\", not {smtp:?}"));
                    return None;
                }
            }
        }
        (None, Some(command)) => MailWay::Command(command.clone()),
        _ => {
            bad("one of smtp and command".to_owned());
            return None;
        }
    };
    good.then(|| MailSettings {
        to: raw.to.clone(),
        from: raw.from.clone(),
        way,
        silence: raw.silence_hours.map(|hours| Duration::from_secs(hours.saturating_mul(3600))),
        every: Duration::from_secs(raw.every_minutes.saturating_mul(60)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour() {
        for (failures, minutes) in [(0, 1), (1, 1), (2, 2), (5, 16), (7, 60), (99, 60)] {
            assert_eq!(back_off(failures), chrono::Duration::minutes(minutes), "{failures}");
        }
    }
}
