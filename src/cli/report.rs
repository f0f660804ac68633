//! The report for people.

use std::fmt::Write;

use super::style::{Style, Tone, plain, short};
use crate::exchange::{LOCAL, Outcome, PackageReport, Report};
use crate::issue::Value;
use crate::sync::{Action, Change, Outcome as IssueOutcome, Side};

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Detail {
    /// Every change with its values and its rule.
    pub changes: bool,
}

/// The last line of a dry run.
pub(super) const DRY: &str = "(dry run: nothing was changed)\n";

/// The report as text.
pub(super) fn render(report: &Report, style: Style, detail: Detail) -> String {
    let mut text = String::new();
    let told = |package: &&PackageReport| {
        package.outcome != Outcome::Waiting && (!package.standing || detail.changes)
    };
    for package in report.packages.iter().filter(told) {
        render_package(&mut text, package, style, detail);
    }
    for sent in &report.sent {
        let verb = if report.dry_run { "would send" } else { "sent" };
        let noun = if sent.issues.len() == 1 { "issue" } else { "issues" };
        let _ = writeln!(
            text,
            "{} {} to {}: {noun} {}",
            style.paint(Tone::Good, verb),
            style.paint(Tone::Strong, &sent.name),
            sent.partner,
            sent.issues.join(", ")
        );
        for note in &sent.findings {
            let _ = writeln!(text, "  note: {}: {}", note.code, plain(&note.text));
        }
    }
    for exchange in report.exchanges.iter().filter(|exchange| !exchange.is_idle()) {
        let verb = if report.dry_run { "would deliver" } else { "delivered" };
        let partner = style.paint(Tone::Strong, &exchange.partner);
        let counts = format!("fetched {}, {verb} {}", exchange.fetched, exchange.delivered);
        let _ = writeln!(text, "{partner}: {counts}");
        if let Some(error) = &exchange.error {
            let failed = style.paint(Tone::Bad, "failed");
            let _ = writeln!(text, "  exchange {failed}: {}", plain(error));
        }
        if let Some(hint) = &exchange.hint {
            let _ = writeln!(text, "  {} {}", style.paint(Tone::Quiet, "hint:"), plain(hint));
        }
    }
    if report.is_idle() {
        text.push_str("nothing to do\n");
    }
    for package in report.packages.iter().filter(|package| package.outcome == Outcome::Waiting) {
        let why = package.text.as_deref().unwrap_or("waits");
        let waiting = style.paint(Tone::Trouble, "waiting");
        let _ = writeln!(text, "{waiting} {} {}", package.name, plain(why));
    }
    for exchange in report.exchanges.iter().filter(|exchange| exchange.waiting > 0) {
        let noun = if exchange.waiting == 1 { "file" } else { "files" };
        let waiting = style.paint(Tone::Trouble, "waiting");
        let _ = writeln!(
            text,
            "{waiting} {} {noun} of {} may still be written over there",
            exchange.waiting, exchange.partner
        );
    }
    if report.dry_run {
        text.push_str(DRY);
    }
    text
}

fn render_package(text: &mut String, package: &PackageReport, style: Style, detail: Detail) {
    let name = if package.name == LOCAL { "local changes" } else { &package.name };
    let word = match package.outcome {
        Outcome::Applied if package.name == LOCAL => String::new(),
        Outcome::Applied => format!(": {}", style.paint(Tone::Good, "applied")),
        Outcome::Duplicate => format!(": {}", style.paint(Tone::Quiet, "duplicate")),
        Outcome::Deferred => format!(": {}", style.paint(Tone::Trouble, "deferred")),
        Outcome::Corrupt => format!(": {}", style.paint(Tone::Bad, "corrupt")),
        Outcome::Waiting => format!(": {}", style.paint(Tone::Trouble, "waiting")),
    };
    let from = package.partner.as_ref().map(|partner| format!(" ({partner})")).unwrap_or_default();
    let _ = writeln!(text, "{}{from}{word}", style.paint(Tone::Strong, name));
    if let Some(reason) = &package.reason {
        let why = package.text.as_deref().unwrap_or_default();
        let _ = writeln!(text, "  {}: {}", style.paint(Tone::Bad, reason), plain(why));
    }
    if let Some(hint) = &package.hint {
        let _ = writeln!(text, "  {} {}", style.paint(Tone::Quiet, "hint:"), plain(hint));
    }
    for note in &package.findings {
        let _ = writeln!(text, "  note: {}: {}", note.code, plain(&note.text));
    }
    let widths = package.issues.widths().map(|width| width.min(24));
    let read = package.issues.each(&mut |issue| {
        render_issue(text, issue, style, detail, widths);
        Ok(())
    });
    if let Err(error) = read {
        let _ = writeln!(text, "  not all of its issues can be told: {error}");
    }
}

fn render_issue(
    text: &mut String,
    issue: &IssueOutcome,
    style: Style,
    detail: Detail,
    [remote, local]: [usize; 2],
) {
    let (tone, word) = match issue.action {
        Action::Created => (Tone::Good, "created"),
        Action::Updated => (Tone::News, "updated"),
        Action::Unchanged => (Tone::Quiet, "unchanged"),
        Action::Skipped => (Tone::Quiet, "skipped"),
        Action::Held => (Tone::Trouble, "held"),
        Action::Failed => (Tone::Bad, "failed"),
    };
    let word = style.paint(tone, &format!("{word:9}"));
    let number = plain(&issue.remote);
    let key = issue.local.as_deref().unwrap_or("-");
    let line = format!("  {number:remote$}  {key:local$}  {word}  {}", summary(issue));
    let _ = writeln!(text, "{}", line.trim_end());
    if detail.changes {
        text.push_str(&changes(issue, style));
    }
    for held in &issue.held {
        let word = style.paint(Tone::Trouble, "held");
        let _ = writeln!(text, "    {word} {}: {}: {}", held.field, held.code, plain(&held.text));
    }
    for conflict in &issue.conflicts {
        let word = style.paint(Tone::Trouble, "conflict");
        let _ =
            writeln!(text, "    {word} {} on {}: {}", conflict.id, conflict.field, conflict.kind);
    }
    for finding in &issue.findings {
        let _ = writeln!(text, "    note: {}: {}", finding.code, plain(&finding.text));
    }
}

/// The names of what changed, on either side.
fn summary(issue: &IssueOutcome) -> String {
    let mut parts = Vec::new();
    if !issue.local_changes.is_empty() {
        parts.push(short(&issue.local_changes.join(", "), 100));
    }
    if !issue.remote_changes.is_empty() {
        let answer = short(&issue.remote_changes.join(", "), 100);
        parts.push(format!("answer: {answer}"));
    }
    parts.join("; ")
}

/// A change on a line: side, field, values, rule.
pub(super) fn change(change: &Change, style: Style) -> String {
    let side = match change.side {
        Side::Local => "local",
        Side::Remote => "answer",
    };
    let value = |value: &Option<Value>| match value {
        None => style.paint(Tone::Quiet, "(unset)"),
        Some(value) => short(&plain(&value.to_string()), 60),
    };
    let rule = if change.rule.is_empty() {
        String::new()
    } else {
        style.paint(Tone::Quiet, &format!("  [{}]", change.rule))
    };
    let lost = if change.overwrote { "  (overwrites a local edit)" } else { "" };
    let cut = if change.cut { "  (cut by the tracker)" } else { "" };
    let (from, to) = (value(&change.from), value(&change.to));
    format!("      {side:6} {}: {from} → {to}{lost}{cut}{rule}\n", change.field)
}

/// The changes of one issue in detail.
pub(super) fn changes(issue: &IssueOutcome, style: Style) -> String {
    issue.changes.iter().map(|one| change(one, style)).collect()
}
