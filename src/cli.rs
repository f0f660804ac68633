//! Arguments, configuration, messages, exit codes; the only module that reads the clock or the
//! environment, or prints.

mod again;
mod app;
mod args;
mod backend;
mod check;
mod config;
mod conflicts;
mod explain;
mod init;
mod inspect;
mod links;
mod lock;
mod log;
mod mail;
mod metrics;
mod nearest;
mod pack;
mod progress;
mod raw;
mod report;
mod secret;
mod status;
mod style;
mod table;
mod tracker;
mod watch;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use serde_json::json;

use app::{Access, App, SystemClock};
use args::{Cli, Command, Global, LogFormat};
use style::{Style, Tone};

use crate::exchange::{self, Due, Import, Report, Tools};
use crate::{Error, Fault, Result};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// Done, or nothing to do.
    Done,
    /// Something needs a person.
    Trouble,
    /// It could not be done; why was said.
    Failed,
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(&cli.global, matches!(cli.command, Some(Command::Watch)));
    match dispatch(&cli) {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Trouble) => ExitCode::from(1),
        Ok(Exit::Failed) => ExitCode::from(2),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            show_error(&error, &cli.global);
            ExitCode::from(2)
        }
    }
}

fn dispatch(cli: &Cli) -> anyhow::Result<Exit> {
    let global = &cli.global;
    match (&cli.command, &cli.import.zip) {
        (None, Some(zip)) => import(cli, zip),
        (Some(_), Some(_)) => {
            let error = Error::setup(crate::USAGE, "-z takes no command");
            Err(error.hint("engsync -z FILE.zip [-o OUT.zip] [--partner NAME]").into())
        }
        (None, None) => {
            Cli::command().print_help()?;
            let error = Error::setup(crate::USAGE, "there is no command");
            Err(error.hint("`engsync run -c FILE` takes in what is in the spool").into())
        }
        (Some(command), None) => {
            let exit = command_of(command, global)?;
            if global.dry_run && command.changes() && exit == Exit::Done && !global.json {
                print(report::DRY)?;
            }
            Ok(exit)
        }
    }
}

fn command_of(command: &Command, global: &Global) -> anyhow::Result<Exit> {
    match command {
        Command::Init { dir } => init::run(dir.as_deref().unwrap_or(Path::new(".")), global),
        Command::Run => pass(global, Due::All, exchange::run),
        Command::Watch => watch::run(global),
        Command::Exchange { partners } if partners.is_empty() => {
            pass(global, Due::All, exchange::exchange)
        }
        Command::Exchange { partners } => {
            pass(global, Due::Only(partners.iter().cloned().collect()), exchange::exchange)
        }
        Command::Pack(args) => pack::run(args, global),
        Command::Inspect { paths } => inspect::run(paths, global),
        Command::Check { write_probe } => check::run(global, *write_probe),
        Command::Status { check } => status::run(global, *check),
        Command::Log { partner, issue, csv } => {
            log::run(global, partner.as_deref(), issue.as_deref(), csv.as_deref())
        }
        Command::Release { name } => again::release(global, name),
        Command::Replay { name } => again::replay(global, name),
        Command::Resend { name } => again::resend(global, name),
        Command::Reissue { name } => again::reissue(global, name),
        Command::Retry { issue } => links::retry(global, issue),
        Command::Link { partner, remote, key } => links::link(global, partner, remote, key),
        Command::Unlink { partner, remote } => links::unlink(global, partner, remote),
        Command::Explain { issue, field } => explain::run(global, issue, field.as_deref()),
        Command::Conflicts { command } => conflicts::run(command.as_ref(), global),
        Command::Schema => check::schema(global),
        Command::Tracker(command) => tracker_command(command, global),
        Command::Completions { shell } => {
            let mut bytes = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "engsync", &mut bytes);
            print_bytes(&bytes)?;
            Ok(Exit::Done)
        }
        Command::Man => {
            let mut bytes = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut bytes)?;
            print_bytes(&bytes)?;
            Ok(Exit::Done)
        }
    }
}

/// One pass of `work`, and its report.
fn pass(global: &Global, due: Due, work: fn(&Tools<'_>) -> Result<Report>) -> anyhow::Result<Exit> {
    let app = App::open(global, access(global), "engsync")?;
    let bars = progress::Bars::new(!global.quiet && !global.json);
    let wall = SystemClock(None);
    let report = work(&Tools { due, ..app.tools(global, &wall, &bars) });
    after_pass(&app, global, report.is_ok());
    show_report(&report?, global)
}

fn access(global: &Global) -> Access {
    if global.dry_run { Access::Overlay } else { Access::Writer }
}

/// For a person's command: it waits for the pass under way, not for the service to end.
fn operator(global: &Global) -> Access {
    if global.dry_run { Access::Overlay } else { Access::Operator }
}

fn import(cli: &Cli, zip: &Path) -> anyhow::Result<Exit> {
    let global = &cli.global;
    let app = App::open(global, access(global), "engsync")?;
    let out = cli.import.out.clone().unwrap_or_else(|| Import::default_out(zip));
    let import =
        Import { file: zip.to_owned(), out: absolute(&out)?, partner: cli.import.partner.clone() };
    let bars = progress::Bars::new(!global.quiet && !global.json);
    let wall = SystemClock(None);
    let report = import.run(&app.tools(global, &wall, &bars))?;
    after_pass(&app, global, true);
    if report.sent.is_empty() && out.exists() && !global.dry_run && !global.no_remote {
        tracing::warn!("nothing to answer; {} is from an earlier run", out.display());
    }
    show_report(&report, global)
}

/// What is told of a pass beyond its report.
fn after_pass(app: &App, global: &Global, good: bool) {
    if !global.dry_run {
        metrics::write(app, good);
        mail::after_pass(app, global);
    }
}

/// A frozen answer may be written by a later run from elsewhere.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::io("find", path, error).into())
}

fn tracker_command(args: &tracker::TrackerArgs, global: &Global) -> anyhow::Result<Exit> {
    let actor = args.author.clone().unwrap_or_else(user);
    let access = if global.dry_run { Access::Overlay } else { Access::Beside };
    let app = App::open(global, access, &actor)?;
    let width = terminal_width();
    let mut stdout = std::io::stdout().lock();
    let mut output = tracker::Output { json: global.json, out: &mut stdout, width };
    match tracker::run(&args.command, app.tracker.embedded()?, &app.disk, &mut output) {
        Ok(()) => Ok(Exit::Done),
        Err(error) if error.fault == Fault::Item => {
            show_error(&error.into(), global);
            Ok(Exit::Trouble)
        }
        Err(error) => Err(error.into()),
    }
}

/// The columns of the terminal on stdout, if it is one.
fn terminal_width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
    (size.ws_col > 0).then(|| usize::from(size.ws_col))
}

/// Who works here, for the history of the embedded tracker.
#[allow(clippy::disallowed_methods, reason = "`cli` reads the environment")]
fn user() -> String {
    ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| "unknown".to_owned())
}

fn show_report(report: &Report, global: &Global) -> anyhow::Result<Exit> {
    if global.json {
        print_json(report)?;
    } else if !global.quiet || report.is_trouble() {
        let detail = report::Detail { changes: global.dry_run || global.verbose > 0 };
        print(&report::render(report, out_style(global), detail))?;
    }
    Ok(if report.is_trouble() { Exit::Trouble } else { Exit::Done })
}

fn out_style(global: &Global) -> Style {
    Style::new(global.color, std::io::stdout().is_terminal())
}

fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(text.as_bytes())
}

fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes)?;
    Ok(stdout.flush()?)
}

fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
    serde_json::to_writer_pretty(&mut stdout, value).map_err(std::io::Error::from)?;
    stdout.write_all(b"\n")?;
    Ok(stdout.flush()?)
}

/// `engsync … | head` is no error.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// A service says what it does; its lines bear the time unless the journal adds it.
fn start_log(global: &Global, service: bool) {
    use tracing::level_filters::LevelFilter;
    let level = match (global.quiet, global.verbose + u8::from(service)) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, 2) => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    match global.log_format {
        LogFormat::Json => log.json().flatten_event(true).init(),
        LogFormat::Text => {
            let colored = Style::new(global.color, std::io::stderr().is_terminal()).is_colored();
            let log = log.with_ansi(colored).with_target(false);
            if service && !is_under_journal() { log.init() } else { log.without_time().init() }
        }
    }
}

/// Whether stderr goes to systemd's journal.
#[allow(clippy::disallowed_methods, reason = "`cli` reads the environment")]
fn is_under_journal() -> bool {
    std::env::var_os("JOURNAL_STREAM").is_some()
}

fn show_error(error: &anyhow::Error, global: &Global) {
    if global.json {
        let _ = print_json(&json!({ "error": error_json(error) }));
    }
    tell_error(error, global);
}

fn hint_of(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| cause.downcast_ref::<Error>()?.hint.clone())
}

fn causes_of(error: &anyhow::Error) -> Vec<String> {
    error.chain().skip(1).map(ToString::to_string).collect()
}

/// An error as data.
fn error_json(error: &anyhow::Error) -> serde_json::Value {
    let (message, causes) = (error.to_string(), causes_of(error));
    json!({ "message": message, "causes": causes, "hint": hint_of(error) })
}

/// For people, on stderr.
fn tell_error(error: &anyhow::Error, global: &Global) {
    let (message, causes, hint) = (error.to_string(), causes_of(error), hint_of(error));
    if global.log_format == LogFormat::Json {
        tracing::error!(causes = causes.join(": "), hint, "{message}");
        return;
    }
    let style = Style::new(global.color, std::io::stderr().is_terminal());
    let mut text = format!("{} {message}\n", style.paint(Tone::Bad, "error:"));
    for cause in &causes {
        text.push_str(&format!("  {} {cause}\n", style.paint(Tone::Quiet, "caused by:")));
    }
    if let Some(hint) = hint {
        text.push_str(&format!("{} {hint}\n", style.paint(Tone::News, "hint:")));
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
