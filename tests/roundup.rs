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
#[path = "roundup/peers.rs"]
#[allow(dead_code, reason = "shared with tests/roundup_kill.rs")]
mod peers;
#[path = "roundup/subjects.rs"]
mod subjects;
#[path = "roundup/troubles.rs"]
mod troubles;
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

/// Meets each trouble over the fake, and over real ones by either interface.
macro_rules! over_each_peer {
    ($($trouble:ident,)*) => {
        over_each_peer!(@ trouble_fake_ext, "fake", true, $($trouble,)*);
        over_each_peer!(@ trouble_fake_plain, "fake", false, $($trouble,)*);
        over_each_peer!(@ trouble_rest_ext, "rest", true, $($trouble,)*);
        over_each_peer!(@ trouble_rest_plain, "rest", false, $($trouble,)*);
        over_each_peer!(@ trouble_xmlrpc_ext, "xmlrpc", true, $($trouble,)*);
        over_each_peer!(@ trouble_xmlrpc_plain, "xmlrpc", false, $($trouble,)*);
    };
    (@ $module:ident, $name:literal, $ext:literal, $($trouble:ident,)*) => {
        mod $module {
            $(#[test] fn $trouble() {
                if let Some(peer) = super::peers::Peer::new($name, $ext) {
                    super::troubles::$trouble(&peer);
                }
            })*
        }
    };
}

over_each_peer![
    row_20_a_create_whose_answer_is_lost_is_found_and_not_repeated,
    row_19_a_create_that_was_never_done_is_done_once,
    row_20_a_comment_or_file_whose_answer_is_lost_is_there_once,
    rows_19_and_20_an_update_whose_answer_is_lost_is_done_or_done_again,
    row_24_what_a_person_writes_in_between_is_not_overwritten,
    row_25_a_field_that_is_refused_costs_only_itself,
    row_18_too_much_and_too_early_wait_as_long_as_asked,
    row_19_a_server_error_is_waited_for,
    row_22_a_log_in_that_ends_mid_run_stops_the_batch_with_one_message,
    row_23_what_was_retired_is_gone,
    row_26_texts_come_back_otherwise_without_ping_pong,
    many_orders_are_done_each_once_and_read_back_together,
    a_tie_of_another_program_is_found_and_ours_are_noted_beside,
    comments_are_noted_where_there_is_a_place,
    a_property_can_hold_the_marker,
];
