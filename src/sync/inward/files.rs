//! Files that come with a delivery: compared by content, versioned by name.

use super::super::plan::FilePlan;
use super::super::rule::{Attachments, ChangedFile};
use super::Step;
use crate::Finding;
use crate::issue::{ATTACHMENT_MISSING, Attachment, Digest};

/// Takes the files of a delivery. Their digests are known: whoever opened the archive read them.
pub(super) fn take(step: &mut Step<'_, '_>, rule: &Attachments) {
    if !rule.inward {
        return;
    }
    for file in &step.sides.remote.attachments {
        let known = step.sides.base.and_then(|base| base.files_in.get(&file.name));
        let Some(digest) = file.known_digest() else {
            if known.is_none() && file.content().is_none() {
                let text = format!("{} is named, but its content did not come with it", file.name);
                step.plan.findings.push(Finding::warning(ATTACHMENT_MISSING, text));
            }
            continue;
        };
        if known.is_some_and(|known| known.sha256 == digest.to_string())
            || step.plan.files.iter().any(|plan| {
                plan.remote_name == file.name && plan.file.known_digest() == Some(digest)
            })
        {
            continue;
        }
        let plan = place(step, rule, file, digest);
        step.plan.files.push(plan);
    }
}

/// Finds the local name: its own if that is free, else the next version's.
fn place(step: &Step<'_, '_>, rule: &Attachments, file: &Attachment, digest: Digest) -> FilePlan {
    let mut local: Vec<(String, Option<Digest>)> = step
        .sides
        .local
        .iter()
        .flat_map(|local| &local.attachments)
        .map(|file| (file.name.clone(), file.known_digest()))
        .collect();
    let planned = step.plan.files.iter().filter(|plan| !plan.adopt);
    local.extend(planned.map(|plan| (plan.file.name.clone(), plan.file.known_digest())));
    let plan = |name: &str, adopt: bool| FilePlan {
        remote_name: file.name.clone(),
        file: file.renamed(name),
        adopt,
    };
    if rule.changed == ChangedFile::Replace {
        let there = local.iter().any(|(name, have)| *name == file.name && *have == Some(digest));
        return plan(&file.name, there);
    }
    for version in 1.. {
        let name = versioned(&file.name, version);
        match local.iter().find(|(have, _)| *have == name) {
            None => return plan(&name, false),
            Some((_, have)) if *have == Some(digest) => return plan(&name, true),
            Some(_) => {}
        }
    }
    plan(&file.name, false)
}

/// `name.ext`, `name (2).ext`, …
fn versioned(name: &str, version: u32) -> String {
    if version == 1 {
        return name.to_owned();
    }
    match name.rfind('.').filter(|dot| *dot > 0) {
        Some(dot) => format!("{} ({version}){}", &name[..dot], &name[dot..]),
        None => format!("{name} ({version})"),
    }
}
