//! A Roundup of ours, and real ones where the environment names them (`.ci/roundup.sh start DIR`
//! makes some); a loud skip else.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use engsync::tracker::http::{self, Auth, Secret};
use engsync::tracker::roundup::{Interface, Options, Roundup};

use renamed::Renamed;

#[path = "fake.rs"]
pub(crate) mod fake;
#[path = "gate.rs"]
pub(crate) mod gate;
#[path = "renamed.rs"]
pub(crate) mod renamed;

/// One law at a time in each tracker: some look at all that happened there.
static EXT: Mutex<()> = Mutex::new(());
static PLAIN: Mutex<()> = Mutex::new(());

/// A Roundup to try.
pub(crate) struct Subject {
    pub(crate) tracker: Renamed<Roundup>,
    _alone: Option<MutexGuard<'static, ()>>,
}

pub(crate) fn var(name: &str) -> Option<String> {
    #[allow(clippy::disallowed_methods, reason = "a test's own environment")]
    std::env::var(name).ok()
}

/// How the tracker in this variable is reached; `None`: there is none.
pub(crate) fn options(variable: &str, login: &str) -> Option<Options> {
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
pub(crate) fn fake_options(fake: &fake::Fake) -> Options {
    let password = Secret::new("syncpw");
    let auth = Auth::Basic { user: "sync".to_owned(), password };
    // A broken connection shows at once.
    let patience = http::Patience { retries: 0, ..http::Patience::default() };
    let http = http::Options { url: fake.url(), auth, patience, ..http::Options::default() };
    Options { http, user: "sync".to_owned(), ..Options::default() }
}

pub(crate) fn subject(name: &str, change: impl FnOnce(&mut Options)) -> Option<Subject> {
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
    let tracker = Renamed::new(Roundup::new(options).unwrap());
    Some(Subject { tracker, _alone: Some(alone(variable)) })
}

/// Nobody else is in the tracker of this variable.
pub(crate) fn alone(variable: &str) -> MutexGuard<'static, ()> {
    let tracker = if variable.ends_with("EXT") { &EXT } else { &PLAIN };
    tracker.lock().unwrap_or_else(PoisonError::into_inner)
}
