//! A file that the tracker refused, tried again.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the test plays the operator")]

mod common;
mod conflicts {
    pub(crate) mod exchange;
}

use std::fs;

use conflicts::exchange::Exchange;
use engsync::Digest;
use serde_json::json;

/// The state after a tracker refused `trace.txt`: the embedded one refuses none.
fn refused(package: &str) -> Exchange {
    let mut exchange = Exchange::new("[[partner.oem.rule]]\nkind = \"attachments\"\n");
    exchange.exports("first", "always", &[("trace.txt", b"bytes")]);
    exchange.site.run();
    assert_eq!(exchange.site.engsync(&["tracker", "detach", "ISS-1", "trace.txt"]).code, 0);
    let db = rusqlite::Connection::open(exchange.site.path("engsync.db")).unwrap();
    let base: String = db.query_row("SELECT base FROM link", [], |row| row.get(0)).unwrap();
    let mut base: serde_json::Value = serde_json::from_str(&base).unwrap();
    let sha256 = Digest::of(b"bytes").to_string();
    base["files_in"] = json!({});
    base["held"] = json!({ "in:attachments/trace.txt": {
        "code": "tracker-refused", "text": "too large", "package": package,
        "inputs": Digest::of(sha256.as_bytes()).to_string(),
    }});
    db.execute("UPDATE link SET base = ?1", [base.to_string()]).unwrap();
    exchange
}

fn files(exchange: &Exchange) -> usize {
    exchange.site.issue("ISS-1")["attachments"].as_array().unwrap().len()
}

const NAME: &str = "ENG26112008000000MFA";

#[test]
fn a_refused_file_is_not_tried_at_each_delivery_but_when_it_is_asked_for() {
    // By the package's name; by its exchange reference, as a delivery that a gate kept back has it.
    for package in [NAME, &NAME[3..]] {
        let mut exchange = refused(package);
        exchange.exports("second", "always", &[("trace.txt", b"bytes")]);
        assert_eq!(exchange.site.engsync(&["run"]).code, 0);
        assert_eq!(files(&exchange), 0, "the same content");
        let dry = exchange.site.engsync(&["retry", "-n", "ISS-1"]);
        let foretold = "ISS-1: 1 held; the next run tries again\n(dry run: nothing was changed)\n";
        assert_eq!(dry.out, foretold, "{}", dry.err);
        assert_eq!(exchange.site.list("engsync.db.pending"), [""; 0], "a dry run keeps nothing");
        let retried = exchange.site.engsync(&["retry", "ISS-1"]);
        assert_eq!(retried.out, "ISS-1: 1 held; the next run tries again\n", "{}", retried.err);
        assert_eq!(exchange.site.engsync(&["run"]).code, 0);
        assert_eq!(files(&exchange), 1, "from done/");
        assert_eq!(exchange.site.engsync(&["run"]).out, "nothing to do\n");
        assert_eq!(exchange.site.engsync(&["status", "--check"]).code, 0, "nothing is held");
    }
}

#[test]
fn a_file_whose_package_is_gone_is_named_and_comes_with_the_next_delivery() {
    let mut exchange = refused(NAME);
    fs::remove_dir_all(exchange.site.path("spool/done").join(NAME)).unwrap();
    let retried = exchange.site.engsync(&["retry", "ISS-1"]);
    let wanted = format!(
        "ISS-1: trace.txt cannot be tried again: {NAME} is not in done/ any more; let it be delivered once more\n"
    );
    assert_eq!(retried.out, wanted);
    exchange.site.run();
    assert_eq!(files(&exchange), 0);
    exchange.exports("second", "always", &[("trace.txt", b"bytes")]);
    exchange.site.run();
    assert_eq!(files(&exchange), 1);
}
