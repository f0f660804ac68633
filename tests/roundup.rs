//! Roundup by itself: what it does in its own way, and what may go wrong with it; over one of ours,
//! and over real ones where the environment names them (`.ci/roundup.sh start DIR` makes some); a
//! loud skip else. The contract every tracker keeps is in `tracker_contract.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]
#![allow(clippy::print_stderr, reason = "a skip is loud")]

use engsync::Fault;
use engsync::issue::{Comment, Digest, Person};
use engsync::tracker::roundup::Roundup;
use engsync::tracker::{Changes, LOCAL_GONE, NewComment, TRACKER_REFUSED, Tracker};

use subjects::{fake, fake_options, subject};

#[path = "roundup/faults.rs"]
mod faults;
#[path = "roundup/own.rs"]
mod own;
#[path = "roundup/subjects.rs"]
mod subjects;
#[path = "tracker_contract/words.rs"]
mod words;

use words::*;

/// Runs each law against each Roundup.
macro_rules! over_each {
    ($($own:ident,)*) => {
        over_each!(@ fake_ext, $($own,)*);
        over_each!(@ fake_plain, $($own,)*);
        over_each!(@ rest_ext, $($own,)*);
        over_each!(@ rest_plain, $($own,)*);
        over_each!(@ xmlrpc_ext, $($own,)*);
        over_each!(@ xmlrpc_plain, $($own,)*);
    };
    (@ $subject:ident, $($own:ident,)*) => {
        mod $subject {
            $(#[test] fn $own() {
                if let Some(subject) = super::subject(stringify!($subject), |_| {}) {
                    super::own::$own(&subject.tracker);
                }
            })*
        }
    };
}

over_each![
    keeps_text_as_roundup_does,
    comments_as_somebody_known,
    takes_any_file_or_says_why_not,
    finds_many_markers_at_once,
    keeps_types,
];
