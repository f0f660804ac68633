//! The contract over a Roundup of ours, and over real ones where the environment names them
//! (`.ci/roundup.sh start DIR` makes some); a loud skip else.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]
#![allow(clippy::print_stderr, reason = "a skip is loud")]

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engsync::Fault;
use engsync::issue::{Attachment, Comment, Content, Digest, Issue, Person, Value};
use engsync::tracker::http::{self, Auth, Secret};
use engsync::tracker::roundup::{Interface, Options, Roundup};
use engsync::tracker::{Changes, LOCAL_GONE, NewComment, Order, Probed, TRACKER_REFUSED, Tracker};

use renamed::Renamed;

#[path = "roundup/fake.rs"]
mod fake;
#[path = "roundup/faults.rs"]
mod faults;
#[path = "tracker_contract/laws.rs"]
#[allow(dead_code, reason = "some laws are of the embedded tracker only")]
mod laws;
#[path = "roundup/own.rs"]
mod own;
#[path = "roundup/renamed.rs"]
mod renamed;
#[path = "tracker_contract/words.rs"]
mod words;

use words::*;

/// One law at a time in each tracker: some look at all that happened there.
static EXT: Mutex<()> = Mutex::new(());
static PLAIN: Mutex<()> = Mutex::new(());

/// A Roundup to try.
struct Subject {
    tracker: Renamed<Roundup>,
    _alone: Option<MutexGuard<'static, ()>>,
}

fn var(name: &str) -> Option<String> {
    #[allow(clippy::disallowed_methods, reason = "a test's own environment")]
    std::env::var(name).ok()
}

/// How the tracker in this variable is reached; `None`: there is none.
fn options(variable: &str, login: &str) -> Option<Options> {
    let (url, login) = (var(variable)?, var(login)?);
    let (user, password) = login.split_once(':').expect("user:password");
    let auth = Auth::Basic { user: user.to_owned(), password: Secret::new(password) };
    Some(Options {
        http: http::Options { url, auth, ..http::Options::default() },
        user: user.to_owned(),
        ..Options::default()
    })
}

/// Where the tracker is, and which of its interfaces is used.
const SUBJECTS: [(&str, &str, Interface); 4] = [
    ("rest_ext", "ENGSYNC_ROUNDUP_EXT", Interface::Rest),
    ("rest_plain", "ENGSYNC_ROUNDUP_PLAIN", Interface::Any),
    ("xmlrpc_ext", "ENGSYNC_ROUNDUP_EXT", Interface::XmlRpc),
    ("xmlrpc_plain", "ENGSYNC_ROUNDUP_PLAIN", Interface::XmlRpc),
];

/// The account at a [`fake::Fake`].
fn fake_options(fake: &fake::Fake) -> Options {
    let password = Secret::new("syncpw");
    let auth = Auth::Basic { user: "sync".to_owned(), password };
    // A broken connection shows at once.
    let patience = http::Patience { retries: 0, ..http::Patience::default() };
    let http = http::Options { url: fake.url(), auth, patience, ..http::Options::default() };
    Options { http, user: "sync".to_owned(), ..Options::default() }
}

fn subject(name: &str, change: impl FnOnce(&mut Options)) -> Option<Subject> {
    if let Some(classes) = name.strip_prefix("fake_") {
        let fake = fake::Fake::start(classes == "ext");
        let mut options = fake_options(&fake);
        change(&mut options);
        let tracker = Renamed::new(Roundup::new(options).unwrap());
        return Some(Subject { tracker, _alone: None });
    }
    let (_, variable, interface) = SUBJECTS.iter().find(|subject| subject.0 == name).unwrap();
    let Some(mut options) = options(variable, "ENGSYNC_ROUNDUP_LOGIN") else {
        eprintln!("SKIPPED: no {variable}; `.ci/roundup.sh start DIR` makes one");
        return None;
    };
    options.interface = *interface;
    change(&mut options);
    let tracker = if variable.ends_with("EXT") { &EXT } else { &PLAIN };
    let alone = tracker.lock().unwrap_or_else(PoisonError::into_inner);
    Some(Subject { tracker: Renamed::new(Roundup::new(options).unwrap()), _alone: Some(alone) })
}

/// Runs each law against each Roundup.
macro_rules! contract {
    ($($law:ident,)*; $($own:ident,)*) => {
        contract!(@ fake_ext, $($law,)*; $($own,)*);
        contract!(@ fake_plain, $($law,)*; $($own,)*);
        contract!(@ rest_ext, $($law,)*; $($own,)*);
        contract!(@ rest_plain, $($law,)*; $($own,)*);
        contract!(@ xmlrpc_ext, $($law,)*; $($own,)*);
        contract!(@ xmlrpc_plain, $($law,)*; $($own,)*);
    };
    (@ $subject:ident, $($law:ident,)*; $($own:ident,)*) => {
        mod $subject {
            $(#[test] fn $law() {
                if let Some(subject) = super::subject(stringify!($subject), |_| {}) {
                    super::laws::$law(&subject.tracker);
                }
            })*
            $(#[test] fn $own() {
                if let Some(subject) = super::subject(stringify!($subject), |_| {}) {
                    super::own::$own(&subject.tracker);
                }
            })*
        }
    };
}

contract![
    creates_and_reads_back,
    reports_what_it_refuses_and_writes_the_rest,
    finds_by_marker,
    updates_and_clears,
    overwrites_only_what_was_expected,
    coerces_shapes,
    says_when_an_issue_is_gone,
    comments_once_per_token,
    attaches_what_was_prepared,
    refuses_content_that_did_not_come,
    marks_and_unmarks,
    changes_nothing_when_nothing_changes,
    carries_out_orders,
    knows_what_became_of_a_create,;
    answers_in_the_order_asked,
    keeps_text_as_roundup_does,
    comments_as_somebody_known,
    edits_and_deletes_comments,
    attaches_replaces_and_detaches,
    tells_what_changed,
    finds_many_markers_at_once,
    keeps_types,
];
