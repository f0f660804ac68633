//! What names the state of an issue: a hash of all that dates it, its messages, and what links
//! back to it. Reading an issue and looking for changes come to the same one.

use std::collections::{BTreeMap, HashMap};

use super::Roundup;
use super::data::{Data, Item};
use crate::{Digest, Result};

/// What says of a message that it changed.
pub(super) const DATED: [&str; 6] =
    ["creation", "activity", "summary", "messageid", "author", "date"];

/// The items that link back to issues, by field and issue.
pub(super) type Backs = BTreeMap<String, HashMap<String, Vec<Item>>>;

impl Roundup {
    /// The revisions of these issues, read with all their properties.
    pub(super) fn revisions(&self, issues: &[Item]) -> Result<BTreeMap<String, String>> {
        let mut properties = DATED.to_vec();
        properties.extend(self.keywords()?.map(|(property, _)| property));
        let messages = self.all("msg", issues, "messages", &properties)?;
        let backs = self.backs(issues)?;
        let mut revisions = BTreeMap::new();
        for issue in issues {
            revisions.insert(issue.id.clone(), self.revision(issue, &messages, &backs)?);
        }
        Ok(revisions)
    }

    /// Names the state of an issue.
    pub(super) fn revision(
        &self,
        issue: &Item,
        messages: &HashMap<String, Item>,
        backs: &Backs,
    ) -> Result<String> {
        let mut text = String::new();
        for property in self.properties()? {
            add(&mut text, property, issue);
        }
        let mut ids: Vec<&String> = issue.ids("messages").iter().collect();
        ids.sort();
        let keywords = self.keywords()?.map(|(property, _)| property);
        for message in ids.into_iter().filter_map(|id| messages.get(id)) {
            text.push_str(&message.id);
            for property in DATED.into_iter().chain(keywords) {
                add(&mut text, property, message);
            }
        }
        for by_issue in backs.values() {
            for item in by_issue.get(&issue.id).into_iter().flatten() {
                text.push_str(&format!("{:?}", item.values));
            }
        }
        let digest = Digest::of(text.as_bytes()).to_string();
        Ok(format!("{} {}", issue.text("activity"), &digest[..16]))
    }
}

/// A Multilink has no order.
fn add(text: &mut String, property: &str, item: &Item) {
    match item.values.get(property) {
        None => {}
        Some(Data::Text(value)) => text.push_str(&format!("{property}={value:?};")),
        Some(Data::Ids(ids)) => {
            let mut ids = ids.clone();
            ids.sort();
            text.push_str(&format!("{property}={ids:?};"));
        }
    }
}
