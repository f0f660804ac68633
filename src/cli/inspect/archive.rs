//! What is in an issue ZIP or document.

use std::fs::File;

use serde_json::{Value, json};

use super::Explained;
use crate::asam::{Archive, Limits, Pudis, Render, View};
use crate::{Error, Finding};

/// Explains an archive; one that cannot be opened is a finding.
pub(super) fn explain(source: File, name: &str, bare: bool, limits: &Limits) -> Explained {
    let mut explained = Explained::new(if bare { "document" } else { "archive" }, name);
    if let Err(error) = look(&mut explained, source, limits) {
        let finding = Finding::error(error.code, error.line()).at(name);
        explained.findings.push((finding, None));
    }
    explained
}

fn look(explained: &mut Explained, source: File, limits: &Limits) -> Result<(), Error> {
    let archive = Archive::examine(source, &explained.name, limits)?;
    let companies: Vec<Value> = archive
        .companies()
        .iter()
        .map(|company| json!({ "long_name": company.long_name, "short_name": company.short_name }))
        .collect();
    for company in archive.companies() {
        let (long, short) = (company.long_name.trim(), company.short_name.trim());
        explained.lines.push(format!("company {long} ({short})"));
    }
    let mut documents = Vec::new();
    for document in archive.documents() {
        let revision = document.revision.clone().unwrap_or_default();
        let noun = if document.issues == 1 { "issue" } else { "issues" };
        explained.lines.push(format!(
            "document {} ({} {}) of {revision}: {} {noun}",
            document.name,
            document.profile.as_str(),
            document.version,
            document.issues
        ));
        documents.push(json!({
            "name": document.name,
            "profile": document.profile.as_str(),
            "version": document.version,
            "revision": document.revision,
            "issues": document.issues,
        }));
    }
    let mut issues = Vec::new();
    let mut lines = Vec::new();
    let mut notes = Vec::new();
    let found = archive.deliver(&view(&archive), &mut |delivered| {
        let fields = &delivered.issue.fields;
        let state = [fields.text("crstatus"), fields.text("supplier_status")];
        let state = state.iter().find(|state| !state.is_empty()).cloned().unwrap_or_default();
        let files: Vec<&str> =
            delivered.issue.attachments.iter().map(|file| file.name.as_str()).collect();
        let with =
            if files.is_empty() { String::new() } else { format!(" with {}", files.join(", ")) };
        lines.push(format!(
            "issue {}: {} [{state}]{with}",
            delivered.issue.id,
            fields.text("problem_synopsis")
        ));
        notes.extend(delivered.findings.clone());
        if let Some(error) = &delivered.unreadable {
            notes.push(Finding::error(error.code, error.line()));
        }
        issues.push(json!({
            "number": delivered.issue.id,
            "own_key": delivered.own_key,
            "title": fields.text("problem_synopsis"),
            "state": state,
            "attachments": files,
        }));
        Ok(())
    })?;
    explained.lines.extend(lines);
    for file in archive.files() {
        let refused = file.refused.as_ref().map(|why| format!(", not used: {why}"));
        explained.lines.push(format!(
            "file {} ({} bytes{})",
            file.name,
            file.size,
            refused.unwrap_or_default()
        ));
    }
    let findings = archive.findings().iter().cloned().chain(notes).chain(found);
    explained.findings.extend(findings.map(|finding| (finding, None)));
    explained.more.insert("companies".into(), json!(companies));
    explained.more.insert("documents".into(), json!(documents));
    explained.more.insert("issues".into(), json!(issues));
    Ok(())
}

/// Without a configuration, the document's first company is taken for the partner: in both
/// directions it stands first.
fn view(archive: &Archive) -> View {
    let mut companies = archive.companies().iter();
    let peer = companies.next().cloned().unwrap_or_default();
    let own = companies.next().cloned().unwrap_or_default();
    View {
        peer_name: peer.long_name,
        peer_short: peer.short_name.trim().to_owned(),
        own_short: own.short_name.trim().to_owned(),
        zone: chrono_tz::UTC,
        render: Render::Clean,
        pudis: Pudis::Issue,
    }
}
