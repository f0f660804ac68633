//! What every [`Tracker`] must do, run against each adapter: the embedded tracker, Jira, Roundup
//! (also a real one, where `.ci/roundup.sh start DIR` made some), the double, and what dry runs
//! plan with.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]
#![allow(clippy::print_stderr, reason = "a skip is loud")]

use std::cell::Cell;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use engsync::db::Db;
use engsync::disk::{Disk, Steps};
use engsync::issue::{Attachment, Comment, Content, Digest, Issue, Person, Value};
use engsync::tracker::double::Faulty;
use engsync::tracker::embedded::{Embedded, Options, SCHEMA};
use engsync::tracker::http::{Auth, Options as HttpOptions, Secret};
use engsync::tracker::jira::{Api, Jira, MarkIn, Options as JiraOptions};
use engsync::tracker::planned::Planned;
use engsync::tracker::{Changes, LOCAL_GONE, NewComment, Order, Probed, TRACKER_REFUSED, Tracker};
use engsync::{Clock, Fault, Timestamp};

#[path = "tracker_contract/double.rs"]
mod double;
#[path = "tracker_contract/embedded.rs"]
mod embedded;
#[path = "tracker_contract/feeds.rs"]
mod feeds;
#[path = "tracker_contract/laws.rs"]
mod laws;
#[path = "tracker_contract/model.rs"]
mod model;
#[path = "tracker_contract/planning.rs"]
mod planning;
#[path = "roundup/subjects.rs"]
mod roundup;
#[path = "jira/stub.rs"]
mod stub;
#[path = "tracker_contract/words.rs"]
mod words;

use words::*;

/// A clock that goes on a second whenever it is looked at.
struct Ticking(Cell<i64>);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        self.0.set(self.0.get() + 1);
        Timestamp::from_timestamp(1_741_600_000 + self.0.get(), 0).unwrap()
    }
}

/// A tracker to try, and the directory it lives in.
struct Subject<T = Embedded> {
    tracker: T,
    dir: tempfile::TempDir,
}

fn options(dir: &Path) -> Options {
    Options {
        key_prefix: "ISS".to_owned(),
        values: [("priority".to_owned(), vec!["high".to_owned(), "low".to_owned()])].into(),
        actor: "tester".to_owned(),
        fields: vec!["severity".to_owned()],
        shares_state: false,
        files: dir.join("files"),
    }
}

fn clock() -> Rc<dyn Clock> {
    Rc::new(Ticking(Cell::new(0)))
}

fn own_file() -> Subject {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(&dir.path().join("tracker.db"), &[SCHEMA], &Steps::none()).unwrap();
    let tracker = Embedded::new(db, Disk::default(), options(dir.path()), clock()).unwrap();
    Subject { tracker, dir }
}

/// Another module's tables in the same file, and a transaction around everything, as a run has.
fn shared() -> Subject {
    const STATE: engsync::db::Schema =
        engsync::db::Schema { name: "other", versions: &["CREATE TABLE other (x)"] };
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(&dir.path().join("engsync.db"), &[STATE, SCHEMA], &Steps::none()).unwrap();
    db.sql().execute_batch("BEGIN IMMEDIATE").unwrap();
    let options = Options { shares_state: true, ..options(dir.path()) };
    let tracker = Embedded::new(db, Disk::default(), options, clock()).unwrap();
    Subject { tracker, dir }
}

fn overlay() -> Subject {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::overlay(&dir.path().join("none.db"), &[SCHEMA]).unwrap();
    let tracker = Embedded::overlay(db, Disk::default(), options(dir.path()), clock()).unwrap();
    Subject { tracker, dir }
}

/// The double in front of a tracker, as long as nothing goes wrong.
fn doubled() -> Subject<Faulty<Embedded>> {
    let Subject { tracker, dir } = own_file();
    Subject { tracker: Faulty::new(tracker), dir }
}

/// A Jira, and the stub server it is.
struct Remote {
    tracker: Jira,
    _stub: stub::Stub,
}

fn jira(stub: stub::Stub, api: Api, marker: MarkIn) -> Remote {
    let auth = Auth::Basic { user: "sync".into(), password: Secret::new("secret") };
    let options = JiraOptions {
        http: HttpOptions { url: stub.url(), auth, ..HttpOptions::default() },
        api,
        project: "TST".to_owned(),
        issue_type: "Defect".to_owned(),
        marker,
        fields: vec!["severity".to_owned()],
        ..JiraOptions::default()
    };
    Remote { tracker: Jira::new(options).unwrap(), _stub: stub }
}

fn jira_server() -> Remote {
    let field = MarkIn::Field("External Issue Reference".to_owned());
    jira(stub::Stub::server(), Api::Server, field)
}

fn jira_cloud() -> Remote {
    jira(stub::Stub::cloud(), Api::Cloud, MarkIn::Property)
}

/// What a dry run plans with, over a tracker that is left alone.
fn planned() -> Subject<Planned> {
    let Subject { tracker, dir } = own_file();
    Subject { tracker: Planned::new(Box::new(tracker), clock()), dir }
}

/// What a law is run against; `None`: the environment names none, which is said loudly.
mod subjects {
    use super::laws::{ORDINARY, Ways};
    use super::{Embedded, Faulty, Planned, Remote, Subject, roundup};

    macro_rules! ordinary {
        ($($name:ident: $tracker:ty,)*) => {$(
            pub(super) fn $name() -> Option<($tracker, Ways)> {
                Some((super::$name(), ORDINARY))
            }
        )*};
    }

    ordinary! {
        own_file: Subject,
        shared: Subject,
        overlay: Subject,
        doubled: Subject<Faulty<Embedded>>,
        planned: Subject<Planned>,
        jira_server: Remote,
        jira_cloud: Remote,
    }

    macro_rules! roundups {
        ($($name:ident,)*) => {$(
            pub(super) fn $name() -> Option<(roundup::Subject, Ways)> {
                let ways = Ways { many: 12, exact: false, empty_files: false };
                Some((roundup::subject(stringify!($name), |_| {})?, ways))
            }
        )*};
    }

    roundups! { fake_ext, fake_plain, rest_ext, rest_plain, xmlrpc_ext, xmlrpc_plain, }
}

/// Runs each law against each tracker: those of the second list know its ways, too.
macro_rules! contract {
    ($($module:ident::$law:ident,)*; $($mod2:ident::$own:ident,)*) => {
        contract!(@ own_file, $($module::$law,)*; $($mod2::$own,)*);
        contract!(@ shared, $($module::$law,)*; $($mod2::$own,)*);
        contract!(@ overlay, $($module::$law,)*; $($mod2::$own,)*);
        contract!(@ doubled, $($module::$law,)*; $($mod2::$own,)*);
        contract!(@ planned, $($module::$law,)*; $($mod2::$own,)*);
        contract!(@ jira_server, $($module::$law,)*; $($mod2::$own,)*);
        contract!(@ jira_cloud, $($module::$law,)*; $($mod2::$own,)*);
        contract!(@ fake_ext, $($module::$law,)*; $($mod2::$own,)*);
        contract!(@ fake_plain, $($module::$law,)*; $($mod2::$own,)*);
        contract!(@ rest_ext, $($module::$law,)*; $($mod2::$own,)*);
        contract!(@ rest_plain, $($module::$law,)*; $($mod2::$own,)*);
        contract!(@ xmlrpc_ext, $($module::$law,)*; $($mod2::$own,)*);
        contract!(@ xmlrpc_plain, $($module::$law,)*; $($mod2::$own,)*);
    };
    (@ $subject:ident, $($module:ident::$law:ident,)*; $($mod2:ident::$own:ident,)*) => {
        mod $subject {
            $(#[test] fn $law() {
                if let Some((subject, _)) = super::subjects::$subject() {
                    super::$module::$law(&subject.tracker);
                }
            })*
            $(#[test] fn $own() {
                if let Some((subject, ways)) = super::subjects::$subject() {
                    super::$mod2::$own(&subject.tracker, ways);
                }
            })*
        }
    };
}

contract![
    laws::creates_and_reads_back,
    laws::reports_what_it_refuses_and_writes_the_rest,
    laws::finds_by_marker,
    laws::updates_and_clears,
    laws::overwrites_only_what_was_expected,
    laws::coerces_shapes,
    laws::says_when_an_issue_is_gone,
    laws::comments_once_per_token,
    laws::attaches_what_was_prepared,
    laws::refuses_content_that_did_not_come,
    laws::marks_and_unmarks,
    laws::changes_nothing_when_nothing_changes,
    laws::carries_out_orders,
    laws::knows_what_became_of_a_create,
    feeds::tells_what_was_ordered_with_the_revision_read_back,;
    laws::answers_in_the_order_asked,
    laws::edits_and_deletes_comments,
    laws::attaches_replaces_and_detaches,
    feeds::tells_what_changed,
];

/// What only a tracker of our own can promise: any text, any author.
mod unrestrained {
    #[test]
    fn keeps_nasty_text() {
        super::laws::keeps_nasty_text(&super::own_file().tracker);
        super::laws::keeps_nasty_text(&super::shared().tracker);
        super::laws::keeps_nasty_text(&super::overlay().tracker);
        super::laws::keeps_nasty_text(&super::doubled().tracker);
    }

    #[test]
    fn comments_as_somebody_else() {
        super::laws::comments_as_somebody_else(&super::own_file().tracker);
        super::laws::comments_as_somebody_else(&super::shared().tracker);
        super::laws::comments_as_somebody_else(&super::overlay().tracker);
        super::laws::comments_as_somebody_else(&super::doubled().tracker);
    }
}
