//! Metrics for Prometheus: a file for the node exporter's textfile collector, written whole after
//! each pass.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::app::{App, SystemClock};
use super::status::Status;
use crate::{Clock, Result};

/// Writes the file that `[metrics] textfile` names. A file that cannot be written is logged: the
/// sync goes on.
pub(super) fn write(app: &App, good: bool) {
    let Some(path) = &app.settings.metrics else { return };
    let text = match read(app) {
        Ok(text) => text,
        Err(error) => {
            tracing::warn!("the metrics are incomplete: {}", error.line());
            String::new()
        }
    };
    let text = text + &last_pass(good);
    if let Err(error) = app.disk.replace(path, text.as_bytes()) {
        tracing::warn!("the metrics could not be written: {}", error.line());
    }
}

fn last_pass(good: bool) -> String {
    let mut page = Page::default();
    page.head("engsync_last_pass_timestamp_seconds", "gauge", "When the last pass ended.");
    page.line("", seconds(SystemClock(None).now().timestamp()));
    page.head("engsync_last_pass_success", "gauge", "Whether the last pass could be made.");
    page.line("", f64::from(u8::from(good)));
    page.head("engsync_build_info", "gauge", "The version that wrote this.");
    page.line(&label(&[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
    page.text
}

fn read(app: &App) -> Result<String> {
    let status = Status::read(app, &SystemClock(None))?;
    let mut page = Page::default();
    page.head("engsync_packages_total", "counter", "Packages by what became of them.");
    for (partner, outcome, count) in app.state.package_counts()? {
        let partner = partner.unwrap_or_default();
        page.line(&label(&[("partner", &partner), ("outcome", &outcome)]), number(count));
    }
    page.head("engsync_queue_packages", "gauge", "Packages in the spool by state.");
    let queue = [
        ("incoming", status.incoming.len()),
        ("active", status.active.len()),
        ("deferred", status.deferred.len()),
        ("corrupt", status.corrupt.len()),
        ("done", status.done),
    ];
    for (state, size) in queue {
        page.line(&label(&[("state", state)]), number(size as u64));
    }
    page.head("engsync_oldest_waiting_seconds", "gauge", "Age of the oldest package in incoming.");
    let oldest = status.incoming.iter().map(|waiting| waiting.age_seconds).max();
    page.line("", number(oldest.unwrap_or_default()));
    page.head("engsync_answers_unpublished", "gauge", "Answers frozen, but not published yet.");
    page.line("", number(status.unpublished.len() as u64));
    page.partners("engsync_issues_linked", "Issues linked.", &status, |partner| {
        Some(number(partner.issues as u64))
    });
    page.partners("engsync_answers_owed", "Issues with an answer owed.", &status, |partner| {
        Some(number(partner.owed as u64))
    });
    let counted = |names: Vec<&String>| {
        let mut counts: BTreeMap<String, u64> =
            status.partners.iter().map(|partner| (partner.partner.clone(), 0)).collect();
        for name in names {
            *counts.entry(name.clone()).or_default() += 1;
        }
        counts
    };
    let held = counted(status.held.iter().map(|held| &held.partner).collect());
    page.partners("engsync_fields_held", "Fields and operations held.", &status, |partner| {
        held.get(&partner.partner).copied().map(number)
    });
    let open = counted(status.conflicts.iter().map(|conflict| &conflict.partner).collect());
    page.partners("engsync_conflicts_open", "Open conflicts.", &status, |partner| {
        open.get(&partner.partner).copied().map(number)
    });
    page.partners(
        "engsync_last_package_timestamp_seconds",
        "When a package of the partner was last met.",
        &status,
        |partner| time(partner.last_package.as_deref()?),
    );
    page.partners(
        "engsync_last_answer_timestamp_seconds",
        "When an answer for the partner was last made.",
        &status,
        |partner| time(partner.last_sent.as_deref()?),
    );
    page.partners(
        "engsync_last_exchange_timestamp_seconds",
        "When an exchange with the partner's server last went well.",
        &status,
        |partner| time(partner.last_exchange.as_deref()?),
    );
    page.partners(
        "engsync_exchange_failures",
        "Exchanges with the partner's server that failed since.",
        &status,
        |partner| partner.undelivered.map(|_| f64::from(partner.exchange_failures)),
    );
    page.partners(
        "engsync_answers_undelivered",
        "Packages that wait for their delivery.",
        &status,
        |partner| partner.undelivered.map(|count| number(count as u64)),
    );
    Ok(page.text)
}

/// The text format: `# HELP`, `# TYPE`, then the samples of that name.
#[derive(Default)]
struct Page {
    text: String,
    name: &'static str,
}

impl Page {
    fn head(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, labels: &str, value: f64) {
        let _ = writeln!(self.text, "{}{labels} {value}", self.name);
    }

    fn partners(
        &mut self,
        name: &'static str,
        help: &str,
        status: &Status,
        value: impl Fn(&super::status::PartnerStatus) -> Option<f64>,
    ) {
        self.head(name, "gauge", help);
        for partner in &status.partners {
            if let Some(value) = value(partner) {
                self.line(&label(&[("partner", &partner.partner)]), value);
            }
        }
    }
}

fn label(pairs: &[(&str, &str)]) -> String {
    let escaped =
        |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", labels.join(","))
}

fn time(stamp: &str) -> Option<f64> {
    let time = chrono::DateTime::parse_from_rfc3339(stamp).ok()?;
    Some(seconds(time.timestamp()))
}

#[allow(clippy::cast_precision_loss, reason = "exact below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

#[allow(clippy::cast_precision_loss, reason = "exact below 2^53")]
fn seconds(seconds: i64) -> f64 {
    seconds as f64
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn label_values_are_escaped() {
        let cases = [("a", r#"{n="a"}"#), ("a\"b\\c\nd", r#"{n="a\"b\\c\nd"}"#), ("", r#"{n=""}"#)];
        for (value, wanted) in cases {
            assert_eq!(label(&[("n", value)]), wanted);
        }
    }
}
