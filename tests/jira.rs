//! Jira: the rows of the fault matrix that a tracker must stand (docs/reliability.md), how many
//! calls it takes, and what is sent. The contract every tracker keeps is in `tracker_contract.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]

use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engsync::Fault;
use engsync::issue::{Issue, Value};
use engsync::tracker::http::{self, Auth, Patience, Secret};
use engsync::tracker::jira::{Api, Jira, MarkIn, Options, Visibility};
use engsync::tracker::{
    Changes, Feed, LOCAL_GONE, Order, Probed, TEXT_CUT, TRACKER_UNAVAILABLE, Tracker,
};
use serde_json::json;

#[path = "jira/counts.rs"]
mod counts;
#[path = "jira/documented.rs"]
mod documented;
#[path = "jira/feed.rs"]
mod feed;
#[path = "jira/fields.rs"]
mod fields;
#[path = "jira/first.rs"]
mod first;
#[path = "jira/openapi.rs"]
mod openapi;
#[path = "jira/rows.rs"]
mod rows;
#[path = "jira/stub.rs"]
mod stub;
#[path = "jira/ways.rs"]
mod ways;
#[path = "tracker_contract/words.rs"]
mod words;

use stub::{Act, Asked, Rule, Stub, answer, at_once, rounds};
use words::*;

/// A stub, a Jira that talks to it, and how long it slept.
struct Site {
    stub: Stub,
    jira: Jira,
    slept: Arc<Mutex<Vec<Duration>>>,
}

fn options(stub: &Stub) -> (Options, Arc<Mutex<Vec<Duration>>>) {
    let slept = Arc::new(Mutex::new(Vec::new()));
    let diary = slept.clone();
    let http = http::Options {
        url: stub.url(),
        auth: Auth::Basic { user: "sync".into(), password: Secret::new("secret") },
        patience: Patience {
            sleep: Arc::new(move |pause| diary.lock().unwrap().push(pause)),
            ..Patience::default()
        },
        ..http::Options::default()
    };
    let options = Options {
        http,
        api: if stub.world().cloud { Api::Cloud } else { Api::Server },
        project: "TST".to_owned(),
        issue_type: "Defect".to_owned(),
        marker: MarkIn::Field("External Issue Reference".to_owned()),
        fields: ["severity", "status.name", "Place", "Mileage", "Vehicles", "Partner Note"]
            .map(str::to_owned)
            .to_vec(),
        ..Options::default()
    };
    (options, slept)
}

fn site(stub: Stub) -> Site {
    with(stub, |_| {})
}

fn with(stub: Stub, change: impl FnOnce(&mut Options)) -> Site {
    let (mut options, slept) = options(&stub);
    change(&mut options);
    Site { jira: Jira::new(options).unwrap(), stub, slept }
}

/// Both flavours.
fn sites() -> [Site; 2] {
    [site(Stub::server()), with(Stub::cloud(), |options| options.marker = MarkIn::Property)]
}

fn summary(text: &str) -> Changes {
    changes(&[("summary", words::text(text))])
}

/// Those calls that change something, for Jira.
fn writes(calls: &[String]) -> Vec<&str> {
    let reads = ["/search", "/search/jql", "/issue/bulkfetch"];
    let writes = calls
        .iter()
        .filter(|call| !call.starts_with("GET") && !reads.iter().any(|read| call.ends_with(read)));
    writes.map(String::as_str).collect()
}
