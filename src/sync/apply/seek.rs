//! Deliveries without a link: a create whose outcome was lost, or a state that was. The marker
//! knows.

use std::collections::BTreeMap;

use super::names::marker;
use super::work::Work;
use super::{Context, GonePolicy};
use crate::state::Base;
use crate::tracker::{IN_DOUBT, MARKER_TWICE, Probed};
use crate::{Error, Result};

/// Looks for the issues of all `works` that have no key. Answers, in their order, why an issue
/// cannot be dealt with now.
///
/// # Errors
/// When the tracker or the state cannot be used.
pub(super) fn seek(context: &Context<'_>, works: &mut [Work<'_>]) -> Result<Vec<Option<Error>>> {
    let mut refused: Vec<Option<Error>> = works.iter().map(|_| None).collect();
    let mut plain = Vec::new();
    let mut doubtful: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, work) in works.iter_mut().enumerate() {
        work.make_anew();
        if work.link.key.is_some() {
            continue;
        }
        match work.doubt()? {
            None => plain.push(index),
            Some(before) => doubtful.entry(before).or_default().push(index),
        }
    }
    let mut found = Vec::new();
    if !plain.is_empty() {
        let markers = markers(context, works, &plain);
        let markers: Vec<&str> = markers.iter().map(String::as_str).collect();
        for (index, keys) in plain.into_iter().zip(context.tracker.find_many(&markers)?) {
            match single(&works[index], keys) {
                Ok(key) => found.extend(key.map(|key| (index, key))),
                Err(error) => refused[index] = Some(error),
            }
        }
    }
    for (before, indexes) in doubtful {
        let markers = markers(context, works, &indexes);
        let markers: Vec<&str> = markers.iter().map(String::as_str).collect();
        let probed = context.tracker.probe(&markers, &before)?;
        for (index, probed) in indexes.into_iter().zip(probed) {
            match probed {
                Probed::Absent => works[index].absent = true,
                Probed::Unsure => refused[index] = Some(unsure(&works[index])),
                Probed::Found(keys) => match single(&works[index], keys) {
                    Ok(key) => found.extend(key.map(|key| (index, key))),
                    Err(error) => refused[index] = Some(error),
                },
            }
        }
    }
    if found.is_empty() {
        return Ok(refused);
    }
    let keys: Vec<String> = found.iter().map(|(_, key)| key.clone()).collect();
    for ((index, key), local) in found.into_iter().zip(context.tracker.get_many(&keys)?) {
        let work = &mut works[index];
        work.outcome.local = Some(key.clone());
        (work.link.key, work.local) = (Some(key), local);
        // A search may still name what was deleted.
        work.make_anew();
    }
    Ok(refused)
}

fn markers(context: &Context<'_>, works: &[Work<'_>], indexes: &[usize]) -> Vec<String> {
    indexes.iter().map(|index| marker(context.policy, &works[*index].link.remote)).collect()
}

fn single(work: &Work<'_>, mut keys: Vec<String>) -> Result<Option<String>> {
    if keys.len() < 2 {
        return Ok(keys.pop());
    }
    let remote = &work.link.remote;
    let what = format!("{remote}: {} carry its marker", keys.join(" and "));
    let hint = format!("say which: `engsync link {} {remote} {}`", work.link.partner, keys[0]);
    Err(Error::item(MARKER_TWICE, what).hint(hint))
}

fn unsure(work: &Work<'_>) -> Error {
    let what = format!(
        "{}: the tracker's answer to its making was lost, and it may turn up yet",
        work.link.remote
    );
    Error::item(IN_DOUBT, what).hint("nothing to do: it is looked for again by itself")
}

impl Work<'_> {
    /// A deleted issue is made anew, where the policy says so.
    fn make_anew(&mut self) {
        let deleted = self.link.key.is_some() && self.local.is_none();
        if deleted && self.context.policy.gone == GonePolicy::Recreate {
            self.link.key = None;
            self.link.base = Base::default();
        }
    }
}
