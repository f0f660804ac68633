//! `log`: the journal of packages and issue changes.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

use super::app::{Access, App};
use super::args::Global;
use super::report;
use super::style::{Style, Tone, plain};
use super::{Exit, out_style, print, print_bytes, print_json};
use crate::state::{EntryKind, Filter, PackageRow, State};
use crate::sync::{Change, Side};
use crate::{Error, Result};

/// A line of the log; its JSON shape stands in `docs/formats/json.md`.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Line {
    Package {
        at: String,
        name: String,
        partner: Option<String>,
        outcome: String,
        reason: Option<String>,
        text: Option<String>,
    },
    Issue {
        at: String,
        partner: String,
        package: Option<String>,
        remote: String,
        local: Option<String>,
        direction: EntryKind,
        changes: Vec<Change>,
    },
}

/// Shows it, or writes it as CSV to a file (`-`: to stdout).
pub(super) fn run(
    global: &Global,
    partner: Option<&str>,
    issue: Option<&str>,
    to: Option<&Path>,
) -> anyhow::Result<Exit> {
    let app = App::open(global, Access::Overlay, "engsync")?;
    let lines = read(&app.state, partner, issue)?;
    match to {
        Some(path) if path == Path::new("-") => print_bytes(&csv(&lines)?)?,
        Some(path) => app.disk.replace(path, &csv(&lines)?)?,
        None if global.json => print_json(&lines)?,
        None => print(&render(&lines, out_style(global)))?,
    }
    Ok(Exit::Done)
}

impl Line {
    fn at(&self) -> &str {
        match self {
            Self::Package { at, .. } | Self::Issue { at, .. } => at,
        }
    }
}

/// The lines, newest last.
fn read(state: &State, partner: Option<&str>, issue: Option<&str>) -> Result<Vec<Line>> {
    let mut lines: Vec<Line> = state
        .entries::<Change>(&Filter { partner, issue })?
        .into_iter()
        .map(|entry| Line::Issue {
            at: entry.at,
            partner: entry.partner,
            package: entry.package,
            remote: entry.remote,
            local: entry.key,
            direction: entry.kind,
            changes: entry.changes,
        })
        .collect();
    if issue.is_none() {
        lines.extend(state.packages(partner)?.into_iter().map(|row| {
            let PackageRow { name, partner, outcome, reason, text, at } = row;
            Line::Package { at, name, partner, outcome, reason, text }
        }));
    }
    // Stable: of one second, issue changes stand before the package they came in.
    lines.sort_by(|a, b| a.at().cmp(b.at()));
    Ok(lines)
}

/// For people.
fn render(lines: &[Line], style: Style) -> String {
    let mut text = String::new();
    for line in lines {
        match line {
            Line::Package { at, name, partner, outcome, reason, text: why } => {
                let partner = partner.as_deref().unwrap_or("-");
                let why = match (reason, why) {
                    (Some(reason), Some(why)) => format!("  {reason}: {}", plain(why)),
                    _ => String::new(),
                };
                let name = style.paint(Tone::Strong, &plain(name));
                let _ = writeln!(text, "{at}  {partner}  {name}  {outcome}{why}");
            }
            Line::Issue { at, partner, package, remote, local, direction, changes } => {
                let key = local.as_deref().unwrap_or("-");
                let package = package.as_deref().unwrap_or("-");
                let arrow = if *direction == EntryKind::Out { "→" } else { "←" };
                let _ = writeln!(
                    text,
                    "{at}  {partner}  {key} {arrow} {}  ({})",
                    plain(remote),
                    plain(package)
                );
                for change in changes {
                    text.push_str(&report::change(change, style));
                }
            }
        }
    }
    if lines.is_empty() {
        text.push_str("nothing logged yet\n");
    }
    text
}

/// As CSV, one line a change; a cell that a spreadsheet would take for a formula is defused by
/// a leading apostrophe.
fn csv(lines: &[Line]) -> Result<Vec<u8>> {
    let fail =
        |error: csv::Error| Error::setup(crate::DISK, "cannot write the log as CSV").because(error);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = [
        "at", "partner", "package", "outcome", "reason", "remote", "local", "side", "field",
        "from", "to", "rule",
    ];
    writer.write_record(header).map_err(fail)?;
    for line in lines {
        match line {
            Line::Package { at, name, partner, outcome, reason, text } => {
                let some = |text: &Option<String>| text.clone().unwrap_or_default();
                let row = [
                    at.clone(),
                    some(partner),
                    name.clone(),
                    outcome.clone(),
                    some(reason),
                    String::new(),
                    String::new(),
                    String::new(),
                    String::new(),
                    String::new(),
                    some(text),
                    String::new(),
                ];
                writer.write_record(row.map(|cell| defused(&cell))).map_err(fail)?;
            }
            Line::Issue { at, partner, package, remote, local, changes, .. } => {
                for change in changes {
                    let value = |value: &Option<crate::issue::Value>| {
                        value.as_ref().map(ToString::to_string).unwrap_or_default()
                    };
                    let side = if change.side == Side::Local { "local" } else { "remote" };
                    let row = [
                        at.clone(),
                        partner.clone(),
                        package.clone().unwrap_or_default(),
                        String::new(),
                        String::new(),
                        remote.clone(),
                        local.clone().unwrap_or_default(),
                        side.to_owned(),
                        change.field.clone(),
                        value(&change.from),
                        value(&change.to),
                        change.rule.clone(),
                    ];
                    writer.write_record(row.map(|cell| defused(&cell))).map_err(fail)?;
                }
            }
        }
    }
    writer.into_inner().map_err(|error| {
        Error::setup(crate::DISK, "cannot write the log as CSV").because(error.into_error())
    })
}

fn defused(cell: &str) -> String {
    let dangerous = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if dangerous { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_defused_in_csv() {
        for (cell, wanted) in [("=1+1", "'=1+1"), ("@x", "'@x"), ("a=b", "a=b"), ("", "")] {
            assert_eq!(defused(cell), wanted);
        }
    }
}
