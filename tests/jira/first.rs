//! What a new issue has before it is made, as far as Jira tells, and what a plan makes of it.

use std::rc::Rc;

use engsync::tracker::planned::Planned;
use engsync::{Clock, Timestamp};

use super::*;

struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

fn by_hand(stub: &Stub, kind: &str) -> String {
    let fields = json!({"project": {"key": "TST"}, "issuetype": {"id": kind}, "summary": "s"});
    stub.world().create(&fields, &json!(null)).unwrap()
}

#[test]
fn the_youngest_issue_of_the_type_shows_the_first_status() {
    for Site { stub, jira, .. } in sites() {
        let first = || jira.at_first().unwrap().get("status.name").cloned();
        stub.world().initial = "Analyzing";
        assert_eq!(first(), None, "nobody knows yet");
        by_hand(&stub, "1");
        assert_eq!(first(), Some(text("Analyzing")));
        stub.world().edit("TST-1", "status", json!("Open"));
        stub.world().edit("TST-1", "status", json!("Closed"));
        assert_eq!(first(), Some(text("Analyzing")), "it began so");
        // Another type may have another workflow; and workflows change.
        stub.world().initial = "Suspended";
        by_hand(&stub, "2");
        assert_eq!(first(), Some(text("Analyzing")));
        stub.world().initial = "To Do";
        by_hand(&stub, "1");
        stub.asked();
        let told = jira.at_first().unwrap();
        assert_eq!(
            (told.get("status"), told.get("Status")),
            (Some(&text("To Do")), Some(&text("To Do")))
        );
        assert_eq!(told.get("resolution"), Some(&None), "it has none");
        assert_eq!(stub.calls().len(), 1);
    }
}

#[test]
fn a_plan_knows_what_it_does_not_know() {
    for Site { stub, jira, .. } in sites() {
        by_hand(&stub, "1");
        let planned = Planned::new(Box::new(jira), Rc::new(Standing));
        let issue = planned.create("main/p:1", &summary("s")).unwrap().issue;
        assert_eq!(issue.fields.text("status.name"), "Open");
        let unknown = |name: &str| read(&planned, "(new 1)").unknown.contains(name);
        assert!(unknown("priority") && unknown("created"));
        assert!(!unknown("status") && !unknown("resolution") && !unknown("summary"));
        // What other names of a field, and parts of it, read as once it is written.
        planned.update("(new 1)", &changes(&[("status", text("Closed"))]), None).unwrap();
        assert!(unknown("status.name") && !unknown("status"));
        stub.asked();
        planned.create("main/p:2", &summary("s")).unwrap();
        let calls = stub.calls();
        assert!(!calls.iter().any(|call| call.contains("POST /issue")), "{calls:?}");
    }
}
