//! `conflicts`: what waits for a person's decision.

use clap::Subcommand;
use serde_json::json;

use super::app::{Access, App};
use super::args::Global;
use super::style::{plain, short};
use super::table::Table;
use super::{Exit, operator, out_style, print, print_json, report};
use crate::issue::Value;
use crate::state::ConflictRow;
use crate::sync::conflict::Conflict;
use crate::sync::{Context, Take, resolve, undo};
use crate::{Clock, Error, NOT_FOUND, Result, USAGE};

#[derive(Clone, Debug, Subcommand)]
pub(super) enum ConflictsCommand {
    /// The conflicts, open ones unless --all
    List {
        /// Those that ended, too
        #[arg(long)]
        all: bool,
    },
    /// One conflict with its three values
    Show {
        /// Its number
        id: i64,
    },
    /// Decide: both sides get the value
    Resolve {
        /// Its number
        id: i64,
        /// Take this side's value: remote, local or base
        #[arg(
            long,
            value_name = "SIDE",
            required_unless_present = "value",
            conflicts_with = "value"
        )]
        take: Option<String>,
        /// Take this value
        #[arg(long, value_name = "V")]
        value: Option<String>,
    },
    /// Take a decision back: the value that lost is put in place
    Undo {
        /// Its number
        id: i64,
    },
}

impl ConflictsCommand {
    /// Whether it decides something.
    pub(super) fn changes(&self) -> bool {
        matches!(self, Self::Resolve { .. } | Self::Undo { .. })
    }
}

type Row = ConflictRow<Conflict>;

pub(super) fn run(command: Option<&ConflictsCommand>, global: &Global) -> anyhow::Result<Exit> {
    match command {
        None => list(global, false),
        Some(ConflictsCommand::List { all }) => list(global, *all),
        Some(ConflictsCommand::Show { id }) => show(global, *id),
        Some(ConflictsCommand::Resolve { id, take, value }) => {
            let take = match (take.as_deref(), value) {
                (_, Some(value)) => Take::Value(value.clone()),
                (Some("remote"), None) => Take::Remote,
                (Some("local"), None) => Take::Local,
                (Some("base"), None) => Take::Base,
                (other, None) => {
                    let what = format!(
                        "--take takes remote, local or base, not {:?}",
                        other.unwrap_or("")
                    );
                    return Err(Error::setup(USAGE, what).into());
                }
            };
            decide(global, *id, Some(&take))
        }
        Some(ConflictsCommand::Undo { id }) => decide(global, *id, None),
    }
}

fn list(global: &Global, all: bool) -> anyhow::Result<Exit> {
    let app = App::open(global, Access::Overlay, "engsync")?;
    let mut rows: Vec<Row> = app.state.conflicts()?;
    rows.retain(|row| all || row.state == "open");
    if global.json {
        print_json(&rows)?;
        return Ok(Exit::Done);
    }
    if rows.is_empty() {
        print("no open conflicts\n")?;
        return Ok(Exit::Done);
    }
    let cell = |value: &Option<Value>| {
        value.as_ref().map(|v| short(&plain(&v.to_string()), 30)).unwrap_or_default()
    };
    let lines = rows.iter().map(|row| {
        let Conflict { field, kind, local, remote, .. } = &row.record;
        vec![
            row.id.to_string(),
            row.state.clone(),
            row.partner.clone(),
            plain(&row.remote),
            field.clone(),
            kind.as_str().to_owned(),
            cell(local),
            cell(remote),
        ]
    });
    let head = ["id", "state", "partner", "issue", "field", "kind", "local", "remote"];
    let mut table = Table::new(&head);
    lines.for_each(|line| table.row(line));
    print(&table.to_string())?;
    Ok(Exit::Done)
}

fn show(global: &Global, id: i64) -> anyhow::Result<Exit> {
    let app = App::open(global, Access::Overlay, "engsync")?;
    let row = row_of(&app, id)?;
    if global.json {
        print_json(&row)?;
        return Ok(Exit::Done);
    }
    let conflict = &row.record;
    let value = |value: &Option<Value>| {
        value.as_ref().map_or("(unset)".to_owned(), |value| {
            value.to_string().lines().map(plain).collect::<Vec<_>>().join("\n          ")
        })
    };
    let decided = conflict.decision.as_ref().map_or(String::new(), |decided| {
        format!("decided:  {} → {}\n", decided.take, value(&decided.value))
    });
    print(&format!(
        "conflict {id} ({}), {}: {} of {}, found {}\nrule:     {} (conflict = {:?})\nbase:     {}\nlocal:    {}\nremote:   {}\n{decided}",
        row.state,
        conflict.kind.as_str(),
        conflict.field,
        plain(&row.remote),
        row.at,
        conflict.rule,
        conflict.policy,
        value(&conflict.base),
        value(&conflict.local),
        value(&conflict.remote),
    ))?;
    Ok(Exit::Done)
}

fn decide(global: &Global, id: i64, take: Option<&Take>) -> anyhow::Result<Exit> {
    let app = App::open(global, operator(global), "engsync")?;
    let row = row_of(&app, id)?;
    if take.is_some() && row.state != "open" {
        let what = format!("conflict {id} is {} already", row.state);
        return Err(Error::setup(USAGE, what)
            .hint(format!("`engsync conflicts undo {id}` takes the decision back"))
            .into());
    }
    let missing = |what: String| Error::setup(NOT_FOUND, what);
    let partner = app.settings.partner(&row.partner);
    let partner = partner.ok_or_else(|| missing(format!("partner {} is gone", row.partner)))?;
    let link = app.state.link(&row.partner, &row.remote)?;
    let link = link.ok_or_else(|| missing(format!("{} is not linked any more", row.remote)))?;
    let key = link.key.clone().unwrap_or_default();
    let local = app.tracker.get_many(std::slice::from_ref(&key))?.pop().flatten();
    let local = local.ok_or_else(|| missing(format!("{key} is not there any more")))?;
    let schema = app.tracker.schema()?;
    let context = Context {
        policy: &partner.policy,
        state: &app.state,
        tracker: &*app.tracker,
        schema: &schema,
        package: None,
        now: app.clock.now(),
    };
    let outcome = match take {
        Some(take) => resolve(&context, &row, take, link, local)?,
        None => undo(&context, &row, link, local)?,
    };
    if global.json {
        print_json(&json!({ "conflict": id, "issue": outcome }))?;
    } else {
        let changes = report::changes(&outcome, out_style(global));
        print(&format!("conflict {id} is decided; the next run sends what is owed\n{changes}"))?;
    }
    Ok(Exit::Done)
}

fn row_of(app: &App, id: i64) -> Result<Row> {
    app.state.conflict(id)?.ok_or_else(|| {
        Error::setup(NOT_FOUND, format!("there is no conflict {id}"))
            .hint("`engsync conflicts list --all` shows them")
    })
}
