//! Row 25: the ways to a status.

use super::*;

#[test]
fn row_25_transitions() {
    let workflow = || {
        [
            ("Open", vec!["Analyzing", "In Progress"]),
            ("Analyzing", vec!["In Progress"]),
            ("In Progress", vec!["Verification Pending"]),
            ("Verification Pending", vec!["Closed", "Open"]),
        ]
    };
    for cloud in [false, true] {
        let start = || {
            let stub = if cloud { Stub::cloud() } else { Stub::server() };
            stub.world().workflow = workflow().into();
            stub
        };
        let go = |jira: &Jira, status: &str| {
            let set = changes(&[("status", text(status)), ("description", text("d"))]);
            jira.update("TST-1", &set, None).unwrap()
        };
        // Not allowed: the fields are written, the status is held with what would be possible.
        let Site { stub, jira, .. } = site(start());
        make(&jira, "main/p:1");
        let written = go(&jira, "Closed");
        assert_eq!(written.refused.len(), 1);
        let held = &written.refused[0];
        assert_eq!(held.field, "status");
        assert!(held.text.contains("possible: Analyzing, In Progress"), "{}", held.text);
        assert_eq!(written.issue.fields.text("description"), "d");
        assert_eq!(go(&jira, "In Progress").refused, []);
        assert_eq!(go(&jira, "No Such Status").refused.len(), 1);
        // A required field: the resolution comes from the same order, others are named.
        stub.world().screens = [("Closed", vec!["resolution"])].into();
        assert_eq!(go(&jira, "Verification Pending").refused, []);
        let held = go(&jira, "Closed").refused.remove(0);
        assert!(held.text.contains("Resolution (resolution)"), "{}", held.text);
        let close = changes(&[("status", text("Closed")), ("resolution", text("Done"))]);
        let written = jira.update("TST-1", &close, None).unwrap();
        assert_eq!(written.refused, []);
        assert_eq!(written.issue.fields.text("resolution"), "Done");
        // Concurrency: looked at again, then through.
        let Site { stub, jira, .. } = site(start());
        make(&jira, "main/p:1");
        stub.rule(Rule::next("POST", "/transitions", answer(409, &[], "")));
        assert_eq!(go(&jira, "In Progress").refused, []);
        stub.rule(Rule::next("POST", "/transitions", answer(409, &[], "")).always());
        let set = changes(&[("status", text("Verification Pending"))]);
        let error = jira.update("TST-1", &set, None).unwrap_err();
        assert_eq!((error.fault, error.code), (Fault::Wait, TRACKER_UNAVAILABLE));
        // Several steps, where that is asked for and other issues show the way.
        let Site { stub, jira, .. } = with(start(), |options| options.transitions = 3);
        for n in 1..4 {
            make(&jira, &format!("main/p:{n}"));
        }
        stub.world().edit("TST-2", "status", json!("In Progress"));
        stub.world().edit("TST-3", "status", json!("Verification Pending"));
        let written = go(&jira, "Closed");
        assert_eq!(
            (written.refused.len(), written.issue.fields.text("status")),
            (0, "Closed".into())
        );
        // No more steps than were asked for.
        stub.world().edit("TST-1", "status", json!("Open"));
        let Site { stub, jira, .. } = with(stub, |options| options.transitions = 2);
        stub.asked();
        assert_eq!(go(&jira, "Closed").refused.len(), 1);
        let taken = stub
            .calls()
            .iter()
            .filter(|call| call.starts_with("POST") && call.ends_with("/transitions"))
            .count();
        assert_eq!((taken, &stub.world().ticket("TST-1").fields["status"]), (0, &json!("Open")));
        // A new issue with the status it has anyway takes no transition.
        stub.asked();
        let set = changes(&[("summary", text("s")), ("status", text("open"))]);
        jira.create("main/p:8", &set).unwrap();
        jira.create("main/p:9", &set).unwrap();
        assert_eq!(writes(&stub.calls()), ["POST /issue", "POST /issue"]);
    }
}
