//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::conflicts::ConflictsCommand;
use super::pack::PackArgs;
use super::tracker::TrackerArgs;
use crate::Timestamp;

/// Keeps a supplier's issue tracker and its OEM customers' trackers in step over ENGDAT packages.
#[derive(Debug, Parser)]
#[command(name = "engsync", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done or nothing to do, 1 something needs a person, 2 could not run."
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub import: ImportArgs,

    #[command(flatten)]
    pub global: Global,

    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// The configuration [default: $ENGSYNC_CONFIG, ./engsync.toml, /etc/engsync/engsync.toml]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Plan everything, change nothing: spool, state and tracker stay as they are
    #[arg(short = 'n', long, global = true)]
    pub dry_run: bool,

    /// Apply to the tracker, but freeze, publish and deliver nothing; what is owed stays owed
    #[arg(short = 'N', long, global = true)]
    pub no_remote: bool,

    /// Wait for another engsync that works on this spool, instead of ending with 2
    #[arg(long, global = true)]
    pub wait: bool,

    /// Say more (twice: much more)
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,

    /// Say only what went wrong
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// Print the result as one JSON document
    #[arg(long, global = true)]
    pub json: bool,

    /// The form of messages on stderr
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORM")]
    pub log_format: LogFormat,

    /// Colours on a terminal
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: Color,

    /// Fix the clock of stamps and schedules
    #[arg(long, global = true, value_name = "RFC3339", value_parser = time)]
    pub now: Option<Timestamp>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Import by hand")]
pub(super) struct ImportArgs {
    /// Import one issue ZIP by hand, without an ENGDAT envelope
    #[arg(short = 'z', value_name = "FILE.zip")]
    pub zip: Option<PathBuf>,

    /// Where the answer ZIP goes [default: FILE-out.zip beside it]
    #[arg(short = 'o', value_name = "OUT.zip", requires = "zip")]
    pub out: Option<PathBuf>,

    /// The partner it is from [default: by the companies in the document]
    #[arg(long, value_name = "NAME", requires = "zip")]
    pub partner: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a commented engsync.toml and the spool directories
    Init {
        /// Where [default: here]
        dir: Option<PathBuf>,
    },
    /// One pass: fetch, take in every complete package, sync, publish answers, deliver
    Run,
    /// Be the service: take in packages as they arrive, exchange files by schedule, until SIGTERM;
    /// SIGHUP reads the configuration again
    Watch,
    /// Fetch from the partners' servers and deliver to them, and nothing else
    Exchange {
        /// Their names in the configuration [default: all that have a transport]
        #[arg(value_name = "PARTNER")]
        partners: Vec<String>,
    },
    /// Explain ENGDAT descriptions, packages, issue ZIPs and XML documents
    Inspect {
        /// Files, or directories of a package's parts
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Make an ENGDAT package of any files
    Pack(PackArgs),
    /// Check the configuration, the spool, the tracker and the transports; list every problem
    Check {
        /// Write and remove a probe file in each `outbox_tmp`
        #[arg(long)]
        write_probe: bool,
    },
    /// Show the queue by state, what waits, what is held
    Status {
        /// Exit 1 when something stands that needs a person
        #[arg(long)]
        check: bool,
    },
    /// Show the journal: packages and issue changes, newest last
    Log {
        /// Of this partner only
        #[arg(long, value_name = "NAME")]
        partner: Option<String>,
        /// Of this issue only: a local key or a partner's number
        #[arg(long, value_name = "ID")]
        issue: Option<String>,
        /// Write it as CSV to this file (- for stdout)
        #[arg(long, value_name = "FILE")]
        csv: Option<PathBuf>,
    },
    /// Move a package from corrupt/ or deferred/ back to incoming/
    Release {
        /// The name of its directory there
        name: String,
    },
    /// Take a package of done/ again
    Replay {
        /// The name of its directory there
        name: String,
    },
    /// Send an answer again: same name, same bytes
    Resend {
        /// Its package name
        name: String,
    },
    /// Send the content of an answer again under a new name
    Reissue {
        /// Its package name
        name: String,
    },
    /// Explain why a field has its value: rule, policy, base, deliveries, answers, edits
    Explain {
        /// A local key or a partner's number
        issue: String,
        /// Of either side [default: all]
        field: Option<String>,
    },
    /// Try what is held of an issue again
    Retry {
        /// A local key or a partner's number
        issue: String,
    },
    /// Adopt an existing issue, so that the next delivery does not make a twin
    Link {
        /// Its name in the configuration
        partner: String,
        /// The partner's number
        remote: String,
        /// The local key
        key: String,
    },
    /// Forget which issue a partner's issue is
    Unlink {
        /// Its name in the configuration
        partner: String,
        /// The partner's number
        remote: String,
    },
    /// Show and decide conflicts
    Conflicts {
        #[command(subcommand)]
        command: Option<ConflictsCommand>,
    },
    /// Show the tracker's fields with types and allowed values
    Schema,
    /// Look into the embedded tracker and change its issues
    Tracker(TrackerArgs),
    /// Print shell completions
    Completions {
        /// For this shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

impl Command {
    /// Whether it is a person's command that changes something: under `--dry-run` it must be said
    /// that it did not.
    pub(super) fn changes(&self) -> bool {
        match self {
            Self::Pack(_)
            | Self::Release { .. }
            | Self::Replay { .. }
            | Self::Resend { .. }
            | Self::Reissue { .. }
            | Self::Retry { .. }
            | Self::Link { .. }
            | Self::Unlink { .. } => true,
            Self::Conflicts { command } => command.as_ref().is_some_and(ConflictsCommand::changes),
            Self::Tracker(args) => args.command.changes(),
            _ => false,
        }
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    chrono::DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|error| format!("{error}; a time looks like 2026-11-21T08:30:00+01:00"))
}
