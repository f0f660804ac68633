//! What must hold for any bytes at all: the bodies of the fuzz targets. Each returns the law that
//! was broken.

use std::io::{self, Cursor, Read};

use super::{
    Answer, Archive, Company, Delivered, Limits, Piece, Pudis, Render, Style, View, explain,
    write_document,
};
use crate::issue::{Record, Value};
use crate::{Fault, Finding, Timestamp};

/// A target: a name and what must hold.
pub type Target = (&'static str, fn(&[u8]) -> Result<(), String>);

/// All of them.
pub const TARGETS: &[Target] =
    &[("archive", archives), ("document", documents), ("answer", answers)];

fn law(holds: bool, law: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(law.to_owned()) }
}

/// Small, so that a fuzzer sees what lies beyond.
fn limits() -> Limits {
    Limits {
        entry: 1 << 20,
        total: 4 << 20,
        entries: 100,
        depth: 16,
        attributes: 8,
        text: 1 << 16,
        issue: 1 << 16,
        elements: 2000,
        document_elements: 20_000,
        ..Limits::default()
    }
}

fn view(render: Render) -> View {
    View {
        peer_name: "Musterfahrzeug".to_owned(),
        peer_short: "MFAG".to_owned(),
        own_short: "BEG".to_owned(),
        zone: chrono_tz::Europe::Berlin,
        render,
        pudis: Pudis::Issue,
    }
}

/// Any bytes are an archive or an error of the sender's; what is reported fits one line; no file
/// is longer than it says; two readings are the same.
///
/// # Errors
/// The law that does not hold.
pub fn archives(bytes: &[u8]) -> Result<(), String> {
    let archive = match Archive::examine(Cursor::new(bytes.to_vec()), "fuzz", &limits()) {
        Ok(archive) => archive,
        Err(error) => {
            law(error.fault == Fault::Item, "a bad archive is the sender's fault")?;
            return law(!error.line().contains(char::is_control), "an error is one line");
        }
    };
    lines(archive.findings())?;
    for render in [Render::Clean, Render::Compat, Render::Wiki] {
        let (first, second) = (deliver(&archive, render)?, deliver(&archive, render)?);
        law(first.len() == second.len(), "two readings have the same issues")?;
        for (one, two) in first.iter().zip(&second) {
            law(one.issue.fields == two.issue.fields, "two readings have the same fields")?;
            law(one.issue.comments == two.issue.comments, "two readings have the same comments")?;
        }
        if render == Render::Clean {
            first.iter().try_for_each(files)?;
        }
    }
    let mut pieces = Vec::new();
    let mut keep = |piece| {
        pieces.push(piece);
        Ok(())
    };
    explain(&archive, &mut keep).map_err(|error| error.line())?;
    for piece in pieces {
        match piece {
            Piece::Finding(finding) => lines(&[finding])?,
            piece => {
                let whole = !piece.lines().iter().any(|line| line.contains('\n'));
                law(whole, "an explanation has lines")?;
            }
        }
    }
    Ok(())
}

fn deliver(archive: &Archive, render: Render) -> Result<Vec<Delivered>, String> {
    let mut issues = Vec::new();
    let ends = archive.deliver(&view(render), &mut |issue| {
        issues.push(issue);
        Ok(())
    });
    lines(&ends.map_err(|error| format!("an opened archive is delivered: {}", error.line()))?)?;
    for delivered in &issues {
        lines(&delivered.findings)?;
        let usable = delivered.unreadable.is_none();
        law(!usable || !delivered.issue.id.is_empty(), "a usable issue has a number")?;
    }
    Ok(issues)
}

fn files(delivered: &Delivered) -> Result<(), String> {
    for file in &delivered.issue.attachments {
        law(!file.name.contains(['/', '\\', '\0']), "a display name is no path")?;
        let mut read = 0;
        let content = file.read_with(&mut |content| {
            read = io::copy(&mut content.take(8 << 20), &mut io::sink())?;
            Ok(())
        });
        let fits = file.size.is_none_or(|size| size == read);
        law(content.is_err() || fits, "a file is as long as it says")?;
    }
    Ok(())
}

fn lines(findings: &[Finding]) -> Result<(), String> {
    let fits = |text: &str| !text.contains(char::is_control);
    let place = |finding: &Finding| finding.place.path.as_deref().is_none_or(fits);
    law(findings.iter().all(|f| fits(&f.text) && place(f)), "a finding is one line")
}

/// The same for the children of an ISSUE in a sound document, so that a fuzzer gets there.
///
/// # Errors
/// The law that does not hold.
pub fn documents(bytes: &[u8]) -> Result<(), String> {
    let head = b"<MSR-ISSUE><COMPANY-DATAS><COMPANY-DATA><LONG-NAME>Musterfahrzeug</LONG-NAME>\
                 <SHORT-NAME>MFAG</SHORT-NAME></COMPANY-DATA></COMPANY-DATAS><ISSUES><ISSUE>"
        .as_slice();
    archives(&[head, bytes, b"</ISSUE></ISSUES></MSR-ISSUE>"].concat())
}

/// Whatever our tracker holds, the answer is a document without findings that reads back with the
/// same numbers.
///
/// # Errors
/// The law that does not hold.
pub fn answers(bytes: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(bytes);
    let mut texts = text.split('\0').map(str::to_owned).chain(std::iter::repeat(text.to_string()));
    let mut next = || texts.next().unwrap_or_default();
    let mut fields = Record::new();
    for field in ["problem_synopsis", "problem_description", "vehicle", "supplier_status"] {
        fields.set(field, Value::text(next()));
    }
    let answer = Answer {
        peer: Company { long_name: next(), short_name: "MFAG".to_owned() },
        own: Company { long_name: "Musterfahrzeug".to_owned(), short_name: "BEG".to_owned() },
        key: "K-1".to_owned(),
        number: "4711".to_owned(),
        transaction_id: next(),
        updated: Timestamp::default(),
        assignee_key: next(),
        assignee_name: next(),
        fields,
        comments: Vec::new(),
        files: Vec::new(),
    };
    let document = write_document(&answer, &Style::pfiff(chrono_tz::Tz::UTC));
    let document = document.map_err(|error| format!("an answer is written: {}", error.line()))?;
    let archive = Archive::open(Cursor::new(document), "fuzz", &Limits::default());
    let archive = archive.map_err(|error| format!("an answer is read: {}", error.line()))?;
    let issues = deliver(&archive, Render::Clean)?;
    let back = issues.first().map(|issue| issue.issue.id.as_str());
    law(issues.len() == 1 && back == Some("K-1"), "an answer has its number")
}
