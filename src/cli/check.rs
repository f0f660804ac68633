//! `check` and `schema`: everything that can be known to be wrong before a run.

use std::path::Path;

use serde_json::json;

use super::app::{Access, App, SystemClock};
use super::args::Global;
use super::style::{Style, Tone, plain};
use super::table::Table;
use super::{Exit, config, error_json, out_style, print, print_json, tell_error};
use crate::engdat::{self, FileEntry};
use crate::exchange::{Partner, Settings, Transports};
use crate::spool::DIRECTORIES;
use crate::tracker::{FieldSpec, Schema};
use crate::{Checked, Clock, Error, Fault, Severity, sync};

/// What was found.
#[derive(Debug, Default)]
struct Found {
    /// What was looked at over the network and is well.
    well: Vec<String>,
    problems: Vec<String>,
    warnings: Vec<String>,
    /// What was tried at the partners' servers, and what came of it.
    transports: Vec<Tried>,
    /// Why the tracker could not be looked at.
    unseen: Option<Error>,
}

impl Found {
    /// What keeps the tracker from being used. One trouble is told once.
    fn trouble(&mut self, what: &str, error: &Error) {
        let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let line = error.line();
        if !self.problems.iter().any(|problem| problem.contains(&line)) {
            self.problems.push(format!("{what}: {line}{hint}"));
        }
    }

    /// The same, of a look at the tracker; answers whether it could look at all.
    fn looked(&mut self, what: &str, error: Error) -> bool {
        self.trouble(what, &error);
        let looked = error.fault != Fault::Wait;
        if !looked {
            self.unseen.get_or_insert(error);
        }
        looked
    }
}

impl Found {
    /// It for people.
    fn render(&self, path: &Path, style: Style) -> String {
        let mut text = String::new();
        for line in &self.well {
            text.push_str(&format!("{}\n", plain(line)));
        }
        for tried in self.transports.iter().filter(|tried| tried.error.is_none()) {
            let remark = plain(tried.remark.as_deref().unwrap_or("good"));
            text.push_str(&format!("{}: {}: {remark}\n", tried.partner, plain(&tried.what)));
        }
        let words =
            [(Tone::Bad, "problem:", &self.problems), (Tone::Trouble, "warning:", &self.warnings)];
        for (tone, word, texts) in words {
            for one in texts {
                text.push_str(&format!("{} {}\n", style.paint(tone, word), plain(one)));
            }
        }
        if self.problems.is_empty() {
            text.push_str(&format!("{}: no problems\n", path.display()));
        }
        text
    }
}

/// A thing that was tried at a partner's server.
#[derive(Debug, serde::Serialize)]
struct Tried {
    partner: String,
    what: String,
    remark: Option<String>,
    error: Option<String>,
}

/// Checks the configuration and what it names; lists every problem. A tracker that cannot be
/// reached, or does not let us in, is one, and that we could not look.
pub(super) fn run(global: &Global, write_probe: bool) -> anyhow::Result<Exit> {
    let path = config::locate(global.config.as_deref())?;
    if !path.exists() {
        config::read(&path)?;
    }
    let mut found = Found::default();
    match config::read(&path) {
        Ok(config) => {
            found.problems.extend(config.problems);
            found.warnings.extend(config.warnings);
            spool(&config.settings, &mut found);
            descriptions(&config.settings, &SystemClock(global.now), &mut found);
            let app = App::with(config.settings.clone(), global, Access::Overlay, "engsync");
            let its_settings = found.problems.iter().any(|text| text.starts_with("[tracker]"));
            tracker(&config.settings, app.as_ref(), &mut found);
            // What it was looked for with is wrong: that is the problem, and it was found.
            found.unseen.take_if(|_| its_settings);
            if let Ok(app) = &app {
                transports(app, write_probe, &mut found);
            }
            mail(&config.settings, &mut found);
        }
        Err(error) if error.source.is_some() => return Err(error.into()),
        Err(error) => {
            let hint = error.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            found.problems.push(format!("{}{hint}", error.what));
        }
    }
    let unseen = found.unseen.take().map(anyhow::Error::from);
    if global.json {
        let mut document = json!({
            "config": path, "well": found.well,
            "problems": found.problems, "warnings": found.warnings,
            "transports": found.transports,
        });
        if let Some(error) = &unseen {
            document["error"] = error_json(error);
        }
        print_json(&document)?;
    } else {
        print(&found.render(&path, out_style(global)))?;
    }
    if let Some(error) = unseen {
        tell_error(&error, global);
        return Ok(Exit::Failed);
    }
    Ok(if found.problems.is_empty() { Exit::Done } else { Exit::Trouble })
}

/// The parties of each partner must make a description that our own reader has nothing against.
fn descriptions(settings: &Settings, clock: &dyn Clock, found: &mut Found) {
    for partner in &settings.partners {
        let issued = clock.now().with_timezone(&partner.zone).naive_local();
        let name = engdat::next_name(issued, None, &partner.name_tail);
        let files = [FileEntry::archive(&partner.format)];
        let mut message = engdat::compose(&name, issued, &partner.own, &partner.peer, &files);
        message.version.clone_from(&partner.version);
        if let Err(findings) = engdat::write_with(&message, partner.transliterate) {
            found.problems.extend(
                findings.iter().map(|f| format!("[partner.{}.engdat] {}", partner.key, f.text)),
            );
        }
    }
}

/// The spool's directories: there, and writable.
fn spool(settings: &Settings, found: &mut Found) {
    let root = &settings.spool.dir;
    if !root.is_dir() {
        found
            .problems
            .push(format!("the spool {} is not there; `engsync run` makes it", root.display()));
        return;
    }
    for state in DIRECTORIES {
        let dir = root.join(state);
        if dir.exists() && !is_writable(&dir) {
            found.problems.push(format!("{} is not writable for us", dir.display()));
        }
    }
    let state = settings.state.parent().filter(|dir| !dir.as_os_str().is_empty());
    let state = state.unwrap_or(Path::new("."));
    if state.is_dir() && !is_writable(state) {
        found.problems.push(format!("{} (of the state) is not writable for us", state.display()));
    }
}

fn is_writable(dir: &Path) -> bool {
    use rustix::fs::{Access as Ask, access};
    dir.is_dir() && access(dir, Ask::READ_OK | Ask::WRITE_OK | Ask::EXEC_OK).is_ok()
}

/// The tracker: log-in and permissions, then its fields against the rules.
fn tracker(settings: &Settings, opened: std::result::Result<&App, &Error>, found: &mut Found) {
    let app = match opened {
        Ok(app) => app,
        Err(error) => return found.problems.push(error.line()),
    };
    let mut looked = true;
    for Checked { what, found: state } in app.tracker.check() {
        match state {
            Ok(text) => found.well.push(format!("tracker: {what}: {text}")),
            Err(error) => looked &= found.looked(&format!("tracker: {what}"), error),
        }
    }
    if !looked {
        // To ask it for its fields, too, would only take as long again.
        return;
    }
    let schema = match app.tracker.schema() {
        Ok(schema) => schema,
        Err(error) => {
            found.looked("tracker: its fields", error);
            return;
        }
    };
    for partner in &settings.partners {
        let known = crate::asam::is_known_field;
        for problem in sync::check(&partner.policy.rules, Some(&schema), &known) {
            let text = format!("partner {}: {}", partner.key, problem.text);
            let list = match problem.severity {
                Severity::Error => &mut found.problems,
                Severity::Warning => &mut found.warnings,
            };
            if !list.contains(&text) {
                list.push(text);
            }
        }
    }
}

/// Reaches the mail server and logs in; no mail is sent.
fn mail(settings: &Settings, found: &mut Found) {
    match settings.mail.as_ref().and_then(super::mail::check) {
        Some(Ok(text)) => found.well.push(format!("mail: {text}")),
        Some(Err(error)) => found.trouble("[mail]", &error),
        None => {}
    }
}

/// Reaches every partner's server, and lists; with `write`, leaves a probe file and takes it back.
fn transports(app: &App, write: bool, found: &mut Found) {
    let with = |partner: &&Partner| partner.transport.is_some();
    for partner in app.settings.partners.iter().filter(with) {
        let checked = match app.open(partner) {
            Ok(mut transport) => transport.check(write),
            Err(error) => {
                vec![Checked { what: "open the transport".to_owned(), found: Err(error) }]
            }
        };
        for Checked { what, found: state } in checked {
            let (remark, error) = match state {
                Ok(remark) => (Some(remark).filter(|remark| !remark.is_empty()), None),
                Err(error) => {
                    let hint = error.hint.as_ref().map(|hint| format!(" ({hint})"));
                    (None, Some(format!("{}{}", error.line(), hint.unwrap_or_default())))
                }
            };
            if let Some(error) = &error {
                let text = format!("[partner.{}.transport] {what}: {error}", partner.key);
                found.problems.push(text);
            }
            found.transports.push(Tried { partner: partner.key.clone(), what, remark, error });
        }
    }
}

/// Prints what a rule author needs to know of the tracker.
pub(super) fn schema(global: &Global) -> anyhow::Result<Exit> {
    let app = App::open(global, Access::Overlay, "engsync")?;
    let schema = app.tracker.schema().map_err(|error| match error.fault {
        Fault::Setup => error,
        _ => Error { fault: Fault::Setup, ..error },
    })?;
    if global.json {
        print_json(&schema_json(&schema))?;
        return Ok(Exit::Done);
    }
    let ids = schema.fields.values().any(|spec| spec.id.is_some());
    let rows = schema.fields.iter().map(|(name, spec)| {
        let mut notes = match (spec.read_only, spec.required) {
            (true, _) => vec!["set by the tracker".to_owned()],
            (false, true) => vec!["required".to_owned()],
            (false, false) => Vec::new(),
        };
        notes.extend(spec.longest.map(|most| format!("at most {most} characters")));
        let allowed = spec.allowed.as_ref().map(|values| values.join(", ")).unwrap_or_default();
        let mut row = vec![name.clone()];
        if ids {
            row.push(spec.id.clone().unwrap_or_default());
        }
        row.extend([type_of(spec).to_owned(), notes.join(", "), allowed]);
        row
    });
    let heads: &[&str] = if ids {
        &["field", "id", "type", "note", "allowed"]
    } else {
        &["field", "type", "note", "allowed"]
    };
    let mut table = Table::new(heads);
    rows.for_each(|row| table.row(row));
    let mut text = table.to_string();
    if schema.open {
        text.push_str("any further field that a rule names is a text\n");
    }
    print(&text)?;
    Ok(Exit::Done)
}

/// The tracker's own word, else ours.
fn type_of(spec: &FieldSpec) -> &str {
    match (spec.kind.as_str(), spec.list) {
        ("", true) => "list",
        ("", false) => "text",
        (kind, _) => kind,
    }
}

fn schema_json(schema: &Schema) -> serde_json::Value {
    let fields = schema.fields.iter().map(|(name, spec)| {
        json!({
            "name": name, "id": spec.id, "type": type_of(spec), "list": spec.list,
            "read_only": spec.read_only, "required": spec.required, "allowed": spec.allowed,
            "longest": spec.longest,
        })
    });
    json!({ "fields": fields.collect::<Vec<_>>(), "open": schema.open })
}
