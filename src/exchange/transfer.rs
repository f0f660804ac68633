//! Files between the spool and the partners' servers: fetched first, delivered last.
//!
//! A file is removed over there only when our copy is durable and the ledger has it. A package
//! leaves `outgoing/` only when it is delivered and the state says so. Dying anywhere between, a
//! file is fetched or delivered twice at worst, under the same name and with the same bytes.

mod deliver;
mod fetch;

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Exchange, Partner, Report, Tools, TransportSettings, publish};
use crate::transport::Transport;
use crate::{Error, Result, USAGE};

/// Opens the ways to the partners' servers; `cli` knows the secrets and the time.
pub trait Transports {
    /// The way to a partner's server.
    ///
    /// # Errors
    /// When a secret cannot be read, or the server not be reached.
    fn open(&self, partner: &Partner) -> Result<Box<dyn Transport>>;

    /// Lets time pass.
    fn sleep(&self, pause: Duration);
}

/// With whom a pass exchanges files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Due {
    /// With every partner that has a transport.
    #[default]
    All,
    /// With these.
    Only(BTreeSet<String>),
}

/// Fetches and delivers, and nothing else: for schedules of one's own.
///
/// # Errors
/// When the spool or the state cannot be used; what a server refuses is in the report.
pub fn exchange(tools: &Tools<'_>) -> Result<Report> {
    let mut report = Report { dry_run: tools.options.dry_run, ..Report::default() };
    if let Due::Only(names) = &tools.due {
        names.iter().try_for_each(|name| is_usable(tools, name))?;
    }
    if !tools.options.dry_run {
        tools.spool.create()?;
        tools.disk.sweep(&tools.spool.dir("incoming"))?;
        if !tools.options.no_remote {
            publish::publish_frozen(tools, &mut report)?;
        }
    }
    fetch_all(tools, &mut report)?;
    deliver_all(tools, &mut report)?;
    Ok(report)
}

fn is_usable(tools: &Tools<'_>, name: &str) -> Result<()> {
    let partner = tools.settings.partner(name).ok_or_else(|| {
        let known: Vec<&str> =
            tools.settings.partners.iter().map(|partner| partner.key.as_str()).collect();
        Error::setup(USAGE, format!("no partner is called {name:?}"))
            .hint(format!("the configuration has {}", known.join(", ")))
    })?;
    if partner.transport.is_none() {
        let what = format!("partner {name} has no transport");
        return Err(Error::setup(USAGE, what).hint(format!(
            "without [partner.{name}.transport] the OFTP server uses the spool's directories itself"
        )));
    }
    Ok(())
}

/// The partners whose turn it is, with their transports.
fn due<'a>(tools: &'a Tools<'_>) -> impl Iterator<Item = (&'a Partner, &'a TransportSettings)> {
    let is_due = |partner: &&Partner| match &tools.due {
        Due::All => true,
        Due::Only(names) => names.contains(&partner.key),
    };
    let partners = tools.settings.partners.iter().filter(is_due);
    partners.filter_map(|partner| Some((partner, partner.transport.as_ref()?)))
}

/// Fetches from every server whose turn it is. Where files have yet to settle, it waits for them
/// once, if the run is patient, and looks again.
pub(super) fn fetch_all(tools: &Tools<'_>, report: &mut Report) -> Result<()> {
    if tools.options.dry_run {
        return Ok(());
    }
    let mut unsettled = Vec::new();
    for (partner, transport) in due(tools) {
        if tools.stop.is_asked() {
            return Ok(());
        }
        let mut tally = Exchange::new(&partner.key);
        fetch::fetch(tools, partner, transport, &mut tally)?;
        if let Some(left) = tally.settles {
            unsettled.push((report.exchanges.len(), partner, transport, left));
        }
        report.exchanges.push(tally);
    }
    let longest = unsettled.iter().map(|(.., left)| *left).max();
    let Some(longest) = longest.filter(|_| tools.options.patient) else { return Ok(()) };
    let files: u32 = report.exchanges.iter().map(|tally| tally.waiting).sum();
    tracing::info!("{files} new files: looking again in {} s", longest.as_secs() + 1);
    tools.transports.sleep(longest + Duration::from_millis(50));
    for (index, partner, transport, _) in unsettled {
        let tally = &mut report.exchanges[index];
        (tally.waiting, tally.others, tally.settles) = (0, 0, None);
        fetch::fetch(tools, partner, transport, tally)?;
    }
    Ok(())
}

/// Delivers to every server whose turn it is, and notes how the exchanges ended.
pub(super) fn deliver_all(tools: &Tools<'_>, report: &mut Report) -> Result<()> {
    for (partner, _) in due(tools) {
        let index = report.exchanges.iter().position(|tally| tally.partner == partner.key);
        let index = index.unwrap_or_else(|| {
            report.exchanges.push(Exchange::new(&partner.key));
            report.exchanges.len() - 1
        });
        if tools.options.dry_run {
            let sent = report.sent.iter().filter(|sent| sent.partner == partner.key).count();
            let waiting = deliver::waiting(tools, partner)?;
            report.exchanges[index].delivered = u32::try_from(sent + waiting).unwrap_or(u32::MAX);
            continue;
        }
        let tally = &mut report.exchanges[index];
        if !tools.options.no_remote {
            deliver::deliver(tools, partner, tally)?;
        }
        tools.state.exchanged(&partner.key, tools.clock.now(), tally.error.as_deref())?;
    }
    Ok(())
}
