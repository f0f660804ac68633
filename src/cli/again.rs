//! `release`, `replay`, `resend`, `reissue`: once more, on purpose.

use serde_json::json;

use super::app::{App, SystemClock};
use super::args::Global;
use super::{Exit, operator, print, print_json, progress};
use crate::exchange::{self, Again};

/// A package of `corrupt/` or `deferred/` again.
pub(super) fn release(global: &Global, directory: &str) -> anyhow::Result<Exit> {
    let app = App::open(global, operator(global), "engsync")?;
    let from = app.spool.release(directory)?;
    if let Ok(package) = directory.chars().take(20).collect::<String>().parse() {
        app.state.forget_parts(&package)?;
    }
    if global.json {
        print_json(&json!({ "released": directory, "from": from }))?;
    } else {
        let verb = if global.dry_run { "would go from" } else { "from" };
        print(&format!("{directory}: {verb} {from}/ back to incoming/; the next run takes it\n"))?;
    }
    Ok(Exit::Done)
}

/// A package of `done/` again.
pub(super) fn replay(global: &Global, directory: &str) -> anyhow::Result<Exit> {
    let app = App::open(global, operator(global), "engsync")?;
    let (bars, wall) = (progress::Bars::new(false), SystemClock(None));
    let name = exchange::replay(&app.tools(global, &wall, &bars), directory)?;
    if global.json {
        print_json(&json!({ "replayed": directory, "name": name.to_string() }))?;
    } else {
        let verb = if global.dry_run { "would go" } else { "is" };
        print(&format!("{directory}: {verb} back in incoming/; the next run takes it\n"))?;
    }
    Ok(Exit::Done)
}

/// A sent answer again, same name and bytes.
pub(super) fn resend(global: &Global, name: &str) -> anyhow::Result<Exit> {
    let app = App::open(global, operator(global), "engsync")?;
    let (bars, wall) = (progress::Bars::new(false), SystemClock(None));
    let again = exchange::resend(&app.tools(global, &wall, &bars), name)?;
    say(global, &again, "resent")
}

/// The same content under a new name.
pub(super) fn reissue(global: &Global, name: &str) -> anyhow::Result<Exit> {
    let app = App::open(global, operator(global), "engsync")?;
    let (bars, wall) = (progress::Bars::new(false), SystemClock(None));
    let again = exchange::reissue(&app.tools(global, &wall, &bars), name)?;
    say(global, &again, "reissued")
}

fn say(global: &Global, again: &Again, verb: &str) -> anyhow::Result<Exit> {
    if !again.overtaken_by.is_empty() {
        let later = again.overtaken_by.join(", ");
        tracing::warn!("{later} went out later and says something of the same issues");
    }
    if global.json {
        print_json(again)?;
        return Ok(Exit::Done);
    }
    let sent = &again.sent;
    let would = if global.dry_run { "would be " } else { "" };
    let when = if global.no_remote { "; the next run without -N publishes it" } else { "" };
    let files = sent.files.join(", ");
    print(&format!("{} {would}{verb} to {}: {files}{when}\n", sent.name, sent.partner))?;
    Ok(Exit::Done)
}
