//! The samples, against what the older program makes of them.

mod corpus;
mod explained;
mod hostile;
mod large;
mod law;
mod mutated;
mod oddities;
mod oracle;
mod versions;
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

/// A document of the PFIFF profile with these children of ISSUES.
fn document(issues: &str) -> String {
    document_of("2024/03/07T09:15:00", issues)
}

fn document_of(date: &str, issues: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<MSR-ISSUE><COMPANY-DATAS>\
         <COMPANY-DATA><LONG-NAME>Dr.-Ing. Musterfahrzeug AG</LONG-NAME><SHORT-NAME>MFAG\
         </SHORT-NAME><TEAM-MEMBERS><TEAM-MEMBER ID=\"U1\"><LONG-NAME>Muster, Erika</LONG-NAME>\
         <PHONE>1</PHONE><EMAIL>e@m.example</EMAIL></TEAM-MEMBER></TEAM-MEMBERS></COMPANY-DATA>\
         <COMPANY-DATA><LONG-NAME>Beispiel Elektronik GmbH</LONG-NAME><SHORT-NAME>BEG\
         </SHORT-NAME></COMPANY-DATA></COMPANY-DATAS><ADMIN-DATA><DOC-REVISIONS><DOC-REVISION>\
         <DATE>{date}</DATE></DOC-REVISION></DOC-REVISIONS></ADMIN-DATA>\
         <ISSUES>{issues}</ISSUES></MSR-ISSUE>"
    )
}

/// An issue with a number and these further children.
fn issue(number: &str, children: &str) -> String {
    format!(
        "<ISSUE><LONG-NAME>Titel {number}</LONG-NAME><COMPANY-ISSUE-INFOS><COMPANY-ISSUE-INFO>\
         <COMPANY-DATA-REF>MFAG</COMPANY-DATA-REF><ISSUE-ID>{number}</ISSUE-ID>\
         </COMPANY-ISSUE-INFO></COMPANY-ISSUE-INFOS>{children}</ISSUE>"
    )
}

/// An issue that names one file.
fn issue_with_file(number: &str, name: &str, url: &str) -> String {
    issue(
        number,
        &format!(
            "<ISSUE-RELATED-DOCUMENTS><ISSUE-RELATED-DOCUMENT><XDOC><LONG-NAME-1>{name}\
             </LONG-NAME-1><URL>{url}</URL></XDOC></ISSUE-RELATED-DOCUMENT>\
             </ISSUE-RELATED-DOCUMENTS>"
        ),
    )
}
