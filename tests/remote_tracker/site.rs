//! An installation in this process, so that its tracker can be a double: the state in one file,
//! an embedded tracker in another, runs at any time.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use engsync::asam::{Limits, Pudis, Render, Style};
use engsync::db::Db;
use engsync::disk::{Disk, Steps};
use engsync::engdat::{Levels, Transliterate};
use engsync::exchange::{
    self, Company, Due, Options, Partner, Progress, Report, Settings, SpoolSettings, Tools,
    TrackerSettings, Transports,
};
use engsync::issue::Issue;
use engsync::spool::{Mode, Spool};
use engsync::state::{self, Link, State};
use engsync::sync::{self, Change, GonePolicy, Policy, RawRule, Rule};
use engsync::tracker::Tracker;
use engsync::tracker::embedded::{self, Embedded};
use engsync::transport::Transport;
use engsync::{Clock, Error, Result, Stop, Timestamp};
use serde::Deserialize;

use crate::common::{self, Defect};

pub(crate) const PARTNER: &str = "oem";

/// A clock that a test moves.
pub(crate) struct Hands(Cell<Timestamp>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        self.0.get()
    }
}

struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: u64) {}
    fn step(&self) {}
    fn end(&self) {}
}

struct Nowhere;

impl Transports for Nowhere {
    fn open(&self, partner: &Partner) -> Result<Box<dyn Transport>> {
        Err(Error::setup(engsync::CONFIG, format!("{} has no server", partner.key)))
    }

    fn sleep(&self, _: Duration) {}
}

/// An installation; its tracker is handed to each run.
pub(crate) struct Site {
    pub(crate) state: State,
    pub(crate) clock: Rc<Hands>,
    settings: Settings,
    spool: Spool,
    disk: Disk,
    dir: tempfile::TempDir,
}

impl Site {
    pub(crate) fn new(gone: GonePolicy) -> Self {
        Self::with(gone, common::RULES)
    }

    /// With other rules.
    pub(crate) fn with(gone: GonePolicy, rules: &str) -> Self {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let dir = tempfile::Builder::new().prefix("engsync-remote").tempdir_in(place).unwrap();
        let settings = settings(dir.path(), gone, rules);
        let disk = Disk::default();
        let state = Db::open(&settings.state, &[state::SCHEMA], &Steps::none()).unwrap();
        let spool = Spool::new(&settings.spool.dir, disk.clone(), Mode::Move);
        spool.create().unwrap();
        let clock = Rc::new(Hands(Cell::new(common::NOW.parse().unwrap())));
        Self { state: State::new(state), clock, settings, spool, disk, dir }
    }

    /// A tracker in a file of its own.
    pub(crate) fn tracker(&self) -> Embedded {
        let path = self.dir.path().join("tracker.db");
        let db = Db::open(&path, &[embedded::SCHEMA], &Steps::none()).unwrap();
        let fields = engsync::sync::local_fields(&self.settings.partners[0].policy.rules);
        let options = embedded::Options {
            key_prefix: "ISS".to_owned(),
            values: BTreeMap::new(),
            actor: "engsync".to_owned(),
            fields: fields.into_iter().collect(),
            shares_state: false,
            files: embedded::files_beside(&path),
        };
        let clock: Rc<dyn Clock> = self.clock.clone();
        Embedded::new(db, self.disk.clone(), options, clock).unwrap()
    }

    pub(crate) fn deliver(&self, name: &str, defects: &[Defect<'_>]) {
        for (file, bytes) in common::package(name, defects) {
            fs::write(self.spool.root().join("incoming").join(file), bytes).unwrap();
        }
    }

    /// One run, `minutes` later.
    pub(crate) fn run(&self, tracker: &dyn Tracker, minutes: i64) -> Result<Report> {
        self.run_with(tracker, minutes, Options::default())
    }

    pub(crate) fn run_with(
        &self,
        tracker: &dyn Tracker,
        minutes: i64,
        options: Options,
    ) -> Result<Report> {
        self.clock.0.set(self.clock.now() + chrono::Duration::minutes(minutes));
        exchange::run(&Tools { options, ..self.tools(&self.state, tracker, &self.spool) })
    }

    /// A run that is asked to end by `stop`.
    pub(crate) fn run_until(&self, tracker: &dyn Tracker, stop: &Stop) -> Result<Report> {
        let stop = stop.clone();
        exchange::run(&Tools { stop, ..self.tools(&self.state, tracker, &self.spool) })
    }

    /// A person's word that what is held of an issue is to be tried again.
    pub(crate) fn retry(&self, remote: &str) {
        let tracker = self.tracker();
        let tools = self.tools(&self.state, &tracker, &self.spool);
        assert!(exchange::retry(&tools, vec![self.link(remote)]).unwrap().freed > 0);
    }

    /// A person's decision on a conflict.
    pub(crate) fn resolve(&self, tracker: &dyn Tracker, id: i64, take: &sync::Take) {
        let row = self.state.conflict::<sync::conflict::Conflict>(id).unwrap().unwrap();
        let link = self.link(&row.remote);
        let key = link.key.clone().unwrap();
        let local = tracker.get_many(&[key]).unwrap().remove(0).unwrap();
        let schema = tracker.schema().unwrap();
        let context = sync::Context {
            policy: &self.settings.partners[0].policy,
            state: &self.state,
            tracker,
            schema: &schema,
            package: None,
            now: self.clock.now(),
        };
        sync::resolve(&context, &row, take, link, local).unwrap();
    }

    /// A dry run: the state is a copy in memory.
    pub(crate) fn plan(&self, tracker: &dyn Tracker) -> Report {
        let copy = Db::overlay(&self.settings.state, &[state::SCHEMA]).unwrap();
        let spool = Spool::new(self.spool.root(), self.disk.clone(), Mode::Look);
        let options = Options { dry_run: true, ..Options::default() };
        let state = State::new(copy);
        exchange::run(&Tools { options, ..self.tools(&state, tracker, &spool) }).unwrap()
    }

    fn tools<'a>(
        &'a self,
        state: &'a State,
        tracker: &'a dyn Tracker,
        spool: &'a Spool,
    ) -> Tools<'a> {
        Tools {
            settings: &self.settings,
            state,
            tracker,
            spool,
            disk: &self.disk,
            clock: &*self.clock,
            wall: &*self.clock,
            progress: &Silent,
            options: Options::default(),
            stop: Stop::default(),
            transports: &Nowhere,
            due: Due::default(),
        }
    }

    /// Runs until nothing is deferred; answers how many runs it took.
    pub(crate) fn settle(&self, tracker: &dyn Tracker) -> usize {
        for runs in 1..10 {
            let report = self.run(tracker, 61).unwrap();
            if self.list("deferred").is_empty() && report.is_idle() {
                return runs;
            }
        }
        panic!("it does not come to rest: {:?}", self.list("deferred"));
    }

    pub(crate) fn list(&self, dir: &str) -> Vec<String> {
        let entries = fs::read_dir(self.spool.root().join(dir)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn link(&self, remote: &str) -> Link {
        self.state.link(PARTNER, remote).unwrap().unwrap()
    }

    /// The local changes in the journal of a partner's issue: field and value after.
    pub(crate) fn journal(&self, remote: &str) -> Vec<(String, Option<String>)> {
        let filter = state::Filter { issue: Some(remote), ..state::Filter::default() };
        let entries = self.state.entries::<Change>(&filter).unwrap();
        let inward = entries.into_iter().filter(|entry| entry.kind == state::EntryKind::In);
        let changes = inward.flat_map(|entry| entry.changes);
        changes.map(|change| (change.field, change.to.map(|to| to.to_string()))).collect()
    }
}

/// Every issue of the tracker.
pub(crate) fn issues(tracker: &Embedded) -> Vec<Issue> {
    let mut keys = Vec::new();
    let mut note = |issue: Issue| {
        keys.push(issue.id);
        Ok(())
    };
    tracker.each(&mut note).unwrap();
    tracker.get_many(&keys).unwrap().into_iter().flatten().collect()
}

fn settings(dir: &Path, gone: GonePolicy, rules: &str) -> Settings {
    let zone = chrono_tz::Europe::Berlin;
    let partner = Partner {
        key: PARTNER.into(),
        name: "Musterfahrzeug AG".into(),
        short_name: "MFAG".into(),
        zone,
        policy: Policy {
            partner: PARTNER.into(),
            installation: "main".into(),
            rules: read_rules(rules),
            answer_always: false,
            gone,
        },
        peer: common::oem(),
        own: common::supplier(),
        format: "PKZIP-Archive".into(),
        name_tail: "MFA".into(),
        version: "002".into(),
        transliterate: Transliterate::No,
        levels: Levels::default(),
        render: Render::Clean,
        pudis: Pudis::Issue,
        style: Style::pfiff(zone),
        transport: None,
    };
    Settings {
        company: Company {
            name: "Beispiel Elektronik GmbH".into(),
            short_name: "BEG".into(),
            installation: "main".into(),
        },
        spool: SpoolSettings {
            dir: dir.join("spool"),
            settle: Duration::ZERO,
            scan: Duration::from_secs(60),
            wait: Duration::from_secs(86_400),
            retention: chrono::Duration::days(30),
            keep_incoming: false,
        },
        state: dir.join("engsync.db"),
        tracker: TrackerSettings::Embedded {
            path: Some(dir.join("tracker.db")),
            key_prefix: "ISS".into(),
            values: BTreeMap::new(),
        },
        limits: Limits::default(),
        metrics: None,
        mail: None,
        partners: vec![partner],
    }
}

fn read_rules(text: &str) -> Vec<Rule> {
    #[derive(Deserialize)]
    struct File {
        partner: BTreeMap<String, Rules>,
    }
    #[derive(Deserialize)]
    struct Rules {
        rule: Vec<RawRule>,
    }
    let file: File = toml::from_str(text).unwrap();
    let read = |_: &str| Err("there are no files".to_owned());
    file.partner[PARTNER].rule.iter().map(|raw| Rule::from_raw(raw, &read).unwrap()).collect()
}
