//! The samples, against what the older program makes of them.

mod corpus;
mod written;

use std::io::Cursor;

use super::*;

/// A sample of `fixtures/pfiff`.
fn sample(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/fixtures/pfiff/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn view(render: Render, pudis: Pudis) -> View {
    View {
        peer_name: "Musterfahrzeug AG".to_owned(),
        peer_short: "PAG".to_owned(),
        own_short: "BEG".to_owned(),
        zone: chrono_tz::Europe::Berlin,
        render,
        pudis,
    }
}

fn open(bytes: Vec<u8>) -> crate::Result<Archive> {
    Archive::open(Cursor::new(bytes), "test.zip", &Limits::default())
}

fn issues(archive: &Archive, view: &View) -> (Vec<Delivered>, Vec<Finding>) {
    let mut issues = Vec::new();
    let findings = archive
        .deliver(view, &mut |issue| {
            issues.push(issue);
            Ok(())
        })
        .unwrap();
    (issues, findings)
}

fn content(attachment: &crate::issue::Attachment) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    attachment.read_with(&mut |reader| reader.read_to_end(&mut bytes).map(drop))?;
    Ok(bytes)
}

fn codes(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.code.as_str()).collect()
}
