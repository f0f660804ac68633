//! What ties issues to a partner's: finding and setting it.
//!
//! It is a property of the issue, where the configuration names one; else the `messageid` of its
//! first message. Where the instance has the classes `ext_tracker` and `ext_tracker_state`, it
//! stands there as well, and what stands there is found, too.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Roundup;
use super::api::Relink;
use super::data::{Data, Item, Kind, Values, Where};
use super::marker::{self, Identity, halves};
use super::read::Messages;
use super::rest::{TRIES, busy, gone};
use crate::tracker::TRACKER_REFUSED;
use crate::{CONFIG, Error, Result};

/// From so many markers on, all of a partner are asked for at once.
const MANY: usize = 4;

const STATE: &str = "ext_tracker_state";
const MESSAGE: &str = "ext_msg";

/// Issues by marker.
type Ties = BTreeMap<String, BTreeSet<String>>;

impl Roundup {
    /// The property of issues that holds the marker, where one is configured.
    pub(super) fn marker_property(&self) -> Result<Option<&str>> {
        let Some(property) = self.options.marker.as_deref() else { return Ok(None) };
        match self.classes()?.kind("issue", property) {
            Some(Kind::Text) => Ok(Some(property)),
            _ => {
                let what = format!("issues of this Roundup have no text property {property:?}");
                Err(Error::setup(CONFIG, what)
                    .hint("correct marker_field in [tracker], or leave it out"))
            }
        }
    }

    /// Whether the instance has the classes for other trackers' identities.
    fn has_states(&self) -> Result<bool> {
        let classes = self.classes()?;
        let links = classes.link_to(STATE, "issue").is_some()
            && classes.link_to(STATE, "ext_tracker").is_some();
        Ok(links && classes.kind(STATE, "ext_id") == Some(Kind::Text))
    }

    /// The name in `ext_tracker` of `installation/partner`.
    fn ext_name<'a>(&'a self, partner: &'a str) -> &'a str {
        let short = partner.split_once('/').map_or(partner, |(_, short)| short);
        self.options.ext_trackers.get(short).map_or(partner, String::as_str)
    }

    pub(super) fn find_ties(&self, markers: &[&str]) -> Result<Vec<Vec<String>>> {
        let wanted: BTreeSet<&str> = markers.iter().copied().filter(|m| !m.is_empty()).collect();
        let mut ties = Ties::new();
        if !wanted.is_empty() {
            match self.marker_property()? {
                Some(property) => self.find_by_property(property, &wanted, &mut ties)?,
                None => self.find_by_message(&wanted, &mut ties)?,
            }
            if self.has_states()? {
                self.find_by_state(&wanted, &mut ties)?;
            }
        }
        let keys = |marker: &&str| {
            let mut keys: Vec<String> = ties.get(*marker).into_iter().flatten().cloned().collect();
            keys.sort_by_key(|key| key.parse::<u64>().unwrap_or(u64::MAX));
            keys
        };
        Ok(markers.iter().map(keys).collect())
    }

    fn find_by_property(
        &self,
        property: &str,
        wanted: &BTreeSet<&str>,
        ties: &mut Ties,
    ) -> Result<()> {
        for which in searches(
            wanted,
            |marker| Where::is(property, marker),
            |partner| Where::Has(property.to_owned(), format!("{partner}:")),
        ) {
            for issue in self.api()?.select("issue", &which, &[property])? {
                let marker = issue.text(property);
                if wanted.contains(marker) {
                    ties.entry(marker.to_owned()).or_default().insert(issue.id);
                }
            }
        }
        Ok(())
    }

    fn find_by_message(&self, wanted: &BTreeSet<&str>, ties: &mut Ties) -> Result<()> {
        let mut messages: HashMap<String, String> = HashMap::new();
        for which in searches(
            wanted,
            |marker| Where::Has("messageid".to_owned(), marker::part(marker)),
            |partner| Where::Has("messageid".to_owned(), marker::part(&format!("{partner}:"))),
        ) {
            for message in self.api()?.select("msg", &which, &["messageid"])? {
                let identity = Identity::of(message.text("messageid"));
                let marker = identity.as_ref().and_then(Identity::marker);
                if let Some(marker) = marker.filter(|marker| wanted.contains(marker)) {
                    messages.insert(message.id, marker.to_owned());
                }
            }
        }
        let ids: Vec<String> = messages.keys().cloned().collect();
        for chunk in ids.chunks(150) {
            let which = Where::to("messages", chunk.to_vec());
            for issue in self.api()?.select("issue", &which, &["messages"])? {
                for marker in issue.ids("messages").iter().filter_map(|id| messages.get(id)) {
                    ties.entry(marker.clone()).or_default().insert(issue.id.clone());
                }
            }
        }
        Ok(())
    }

    fn find_by_state(&self, wanted: &BTreeSet<&str>, ties: &mut Ties) -> Result<()> {
        let partners: BTreeSet<&str> = wanted.iter().map(|marker| halves(marker).0).collect();
        for partner in partners {
            let name = self.ext_name(partner);
            let Some(tracker) = self.linked("ext_tracker", None, name)? else { continue };
            let of: Vec<&str> = wanted.iter().copied().filter(|m| halves(m).0 == partner).collect();
            let searches: Vec<Where> = if of.len() < MANY {
                of.iter().map(|marker| Where::is("ext_id", halves(marker).1)).collect()
            } else {
                vec![Where::to("ext_tracker", vec![tracker.clone()])]
            };
            let mut found: Vec<(String, String)> = Vec::new();
            for which in searches {
                let properties = ["ext_id", "ext_tracker", "issue"];
                for state in self.api()?.select(STATE, &which, &properties)? {
                    let marker = format!("{partner}:{}", state.text("ext_id"));
                    let ours = state.text("ext_tracker") == tracker;
                    if ours && wanted.contains(&*marker) && !state.text("issue").is_empty() {
                        found.push((marker, state.text("issue").to_owned()));
                    }
                }
            }
            // An issue that was retired is none any more.
            let ids: Vec<String> = found.iter().map(|(_, issue)| issue.clone()).collect();
            let mut there = BTreeSet::new();
            for chunk in ids.chunks(150) {
                let which = Where::Ids(chunk.to_vec());
                let items = self.api()?.select("issue", &which, &["id"])?;
                there.extend(items.into_iter().map(|item| item.id));
            }
            for (marker, issue) in found.into_iter().filter(|(_, issue)| there.contains(issue)) {
                ties.entry(marker).or_default().insert(issue);
            }
        }
        Ok(())
    }

    /// Also notes the marker where people and other programs look for it. It is no loss where
    /// that cannot be done: the issue carries it already.
    pub(super) fn note_tie(&self, key: &str, marker: &str) {
        if let Err(error) = self.note_state(key, marker) {
            tracing::warn!(key, %error, "the tie is not noted in ext_tracker_state");
        }
    }

    fn note_state(&self, key: &str, marker: &str) -> Result<()> {
        if marker.is_empty() || !self.has_states()? {
            return Ok(());
        }
        let (partner, number) = halves(marker);
        let name = self.ext_name(partner);
        let tracker = match self.linked("ext_tracker", None, name)? {
            Some(tracker) => tracker,
            None => {
                let text = "made by engsync".to_owned();
                let label = self.classes()?.label("ext_tracker").unwrap_or("name").to_owned();
                let mut values = Values::from([(label, Data::Text(name.to_owned()))]);
                if self.classes()?.kind("ext_tracker", "description") == Some(Kind::Text) {
                    values.insert("description".to_owned(), Data::Text(text));
                }
                let id = self.api()?.create("ext_tracker", &values)?;
                self.names.forget("ext_tracker");
                id
            }
        };
        let states = self.states(key)?;
        let is_it =
            |state: &&Item| state.text("ext_tracker") == tracker && state.text("ext_id") == number;
        if states.iter().any(|state| is_it(&state)) {
            return Ok(());
        }
        let values = Values::from([
            ("ext_id".to_owned(), Data::Text(number.to_owned())),
            ("ext_tracker".to_owned(), Data::Text(tracker)),
            ("issue".to_owned(), Data::Text(key.to_owned())),
        ]);
        self.api()?.create(STATE, &values).map(drop)
    }

    /// Also notes the token of a comment where people and other programs look for it; no loss
    /// where that cannot be done.
    pub(super) fn note_comment(&self, key: &str, token: &str, message: &str) {
        if let Err(error) = self.note_message(key, token, message) {
            tracing::warn!(key, message, %error, "the comment is not noted in ext_msg");
        }
    }

    fn note_message(&self, key: &str, token: &str, message: &str) -> Result<()> {
        let classes = self.classes()?;
        let holds = classes.kind(MESSAGE, "msg") == Some(Kind::Link("msg".to_owned()))
            && classes.kind(MESSAGE, "ext_id") == Some(Kind::Text);
        if token.is_empty() || !holds {
            return Ok(());
        }
        let text = |text: &str| Data::Text(text.to_owned());
        let mut values =
            Values::from([("msg".to_owned(), text(message)), ("ext_id".to_owned(), text(token))]);
        if classes.kind(MESSAGE, "key") == Some(Kind::Text) {
            // By custom its key, so that it is unique.
            values.insert("key".to_owned(), Data::Text(format!("{token}.{key}")));
        }
        if let Some(link) = classes.link_to(MESSAGE, "ext_tracker")
            && self.has_states()?
            && let Some(state) = self.states(key)?.first()
        {
            values.insert(link.to_owned(), text(state.text("ext_tracker")));
        }
        self.api()?.create(MESSAGE, &values).map(drop)
    }

    fn states(&self, key: &str) -> Result<Vec<Item>> {
        let which = Where::to("issue", vec![key.to_owned()]);
        self.api()?.select(STATE, &which, &["ext_id", "ext_tracker", "issue"])
    }

    pub(super) fn tie(&self, key: &str, marker: Option<&str>) -> Result<()> {
        let marker = marker.filter(|marker| !marker.is_empty());
        let messages = self.messages(key)?;
        let sorted = Messages::sort(messages.iter().collect(), true);
        let property = self.marker_property()?;
        if let Some(marker) = marker {
            let taken = self.find_ties(&[marker])?.pop().unwrap_or_default();
            if let Some(other) = taken.iter().find(|other| *other != key) {
                let what = format!("issue {other} is tied to {marker} already");
                return Err(Error::item(TRACKER_REFUSED, what));
            }
            if !taken.is_empty() && sorted.markers() == [marker] {
                return Ok(());
            }
        }
        let mut before: Vec<String> = sorted.markers().into_iter().map(str::to_owned).collect();
        if let Some(property) = property {
            let now = self.api()?.look("issue", key, &[property])?;
            let (issue, _) = now.ok_or_else(|| gone("issue", key))?;
            before.push(issue.text(property).to_owned());
            self.set_text("issue", key, property, marker.unwrap_or_default())?;
        } else {
            self.tie_by_message(key, marker, &sorted)?;
        }
        before.retain(|before| !before.is_empty() && Some(before.as_str()) != marker);
        if self.has_states()? {
            self.untie_states(key, &before)?;
        }
        if let Some(marker) = marker {
            self.note_tie(key, marker);
        }
        Ok(())
    }

    fn tie_by_message(&self, key: &str, marker: Option<&str>, sorted: &Messages<'_>) -> Result<()> {
        let mut marker = marker;
        for (message, identity) in &sorted.ties {
            match (identity, marker.take()) {
                (Identity::Description(_), wanted) => {
                    let id = marker::description(wanted.unwrap_or_default());
                    self.set_text("msg", &message.id, "messageid", &id)?;
                }
                (_, Some(wanted)) => {
                    self.set_text("msg", &message.id, "messageid", &marker::tie(wanted))?;
                }
                (_, None) => {
                    self.api()?.relink("issue", key, "messages", Relink::Remove(&message.id))?;
                }
            }
        }
        if let Some(marker) = marker {
            let text = format!("Tied to {marker}.");
            let id = self.new_message(&text, &marker::tie(marker), None, None)?;
            self.api()?.relink("issue", key, "messages", Relink::Add(&id))?;
        }
        Ok(())
    }

    /// Takes the issue out of the notes of the markers that it carried.
    fn untie_states(&self, key: &str, before: &[String]) -> Result<()> {
        for state in self.states(key)? {
            for marker in before {
                let (partner, number) = halves(marker);
                let tracker = self.linked("ext_tracker", None, self.ext_name(partner))?;
                if tracker.as_deref() == Some(state.text("ext_tracker"))
                    && state.text("ext_id") == number
                {
                    self.set_text(STATE, &state.id, "issue", "")?;
                }
            }
        }
        Ok(())
    }

    fn set_text(&self, class: &str, id: &str, property: &str, text: &str) -> Result<()> {
        for _ in 0..TRIES {
            let now = self.api()?.look(class, id, &[property])?;
            let (item, mark) = now.ok_or_else(|| gone(class, id))?;
            if item.text(property) == text {
                return Ok(());
            }
            let values = Values::from([(property.to_owned(), Data::Text(text.to_owned()))]);
            if self.api()?.set(class, id, &values, mark.as_deref())? {
                return Ok(());
            }
        }
        Err(busy(class, id))
    }
}

/// One search for each marker, or where they are many, one for each partner.
fn searches(
    wanted: &BTreeSet<&str>,
    one: impl Fn(&str) -> Where,
    all: impl Fn(&str) -> Where,
) -> Vec<Where> {
    if wanted.len() < MANY {
        return wanted.iter().map(|marker| one(marker)).collect();
    }
    let partners: BTreeSet<&str> = wanted.iter().map(|marker| halves(marker).0).collect();
    partners.into_iter().map(all).collect()
}
