//! Reading issues: few requests for many.

use std::collections::HashMap;

use super::data::{Item, Kind, Where};
use super::feed::linked_by;
use super::fields::{DESCRIPTION, KEY, Place};
use super::marker::Identity;
use super::revision::Backs;
use super::{Roundup, is_number};
use crate::Result;
use crate::issue::{Comment, Issue, Person, Value};

/// So many issues, messages or files are asked for at once: their ids stand in the address.
const CHUNK: usize = 150;

/// What is read of a message.
const MESSAGE: [&str; 7] =
    ["content", "author", "date", "creation", "activity", "messageid", "summary"];

/// The messages of an issue by what they are.
pub(super) struct Messages<'a> {
    /// The message that is the description, if one is.
    pub(super) description: Option<&'a Item>,
    pub(super) comments: Vec<&'a Item>,
    /// Those that tie the issue to a partner's.
    pub(super) ties: Vec<(&'a Item, Identity)>,
}

impl<'a> Messages<'a> {
    /// `describes`: the first message is the description, where none of ours is.
    pub(super) fn sort(items: Vec<&'a Item>, describes: bool) -> Self {
        let mut sorted = Self { description: None, comments: Vec::new(), ties: Vec::new() };
        let mut items = items;
        items.sort_by_key(|item| item.id.parse::<u64>().unwrap_or(u64::MAX));
        let mut first = None;
        for item in items {
            match Identity::of(item.text("messageid")) {
                Some(identity @ Identity::Description(_)) if sorted.description.is_none() => {
                    sorted.description = Some(item);
                    sorted.ties.push((item, identity));
                }
                Some(identity @ Identity::Tie(_)) => sorted.ties.push((item, identity)),
                None if first.is_none() => {
                    first = Some(sorted.comments.len());
                    sorted.comments.push(item);
                }
                _ => sorted.comments.push(item),
            }
        }
        if !describes {
            // A property describes the issue: our first message was made for its marker only.
            sorted.description = None;
        } else if let (None, Some(0)) = (sorted.description, first) {
            sorted.description = Some(sorted.comments.remove(0));
        }
        sorted
    }

    pub(super) fn markers(&self) -> Vec<&str> {
        self.ties.iter().filter_map(|(_, identity)| identity.marker()).collect()
    }
}

impl Roundup {
    /// The issues with these keys, in their order.
    pub(super) fn read_many(&self, keys: &[String]) -> Result<Vec<Option<Issue>>> {
        let properties = self.properties()?;
        let mut wanted: Vec<String> = keys.iter().filter(|key| is_number(key)).cloned().collect();
        wanted.sort();
        wanted.dedup();
        let mut found: HashMap<String, Issue> = HashMap::with_capacity(wanted.len());
        for chunk in wanted.chunks(CHUNK) {
            let which = Where::Ids(chunk.to_vec());
            let items = self.api()?.select("issue", &which, &properties)?;
            let messages = self.all("msg", &items, "messages", &self.message_properties()?)?;
            let files = self.all("file", &items, "files", &super::files::PROPERTIES)?;
            let back = self.backs(&items)?;
            for item in &items {
                let issue = self.issue(item, &messages, &files, &back)?;
                found.insert(item.id.clone(), issue);
            }
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    pub(super) fn message_properties(&self) -> Result<Vec<&str>> {
        let mut properties = MESSAGE.to_vec();
        properties.extend(self.keywords()?.map(|(property, _)| property));
        Ok(properties)
    }

    /// The property of messages that holds their keywords, and the class of these; nothing where
    /// no keyword is looked for.
    pub(super) fn keywords(&self) -> Result<Option<(&str, &str)>> {
        if self.options.message_keyword.is_none() {
            return Ok(None);
        }
        let properties = self.classes()?.0.get("msg").into_iter().flatten();
        let keywords = properties.filter_map(|(name, kind)| match kind {
            Kind::Links(class) if class.contains("keyword") => {
                Some((name.as_str(), class.as_str()))
            }
            _ => None,
        });
        Ok(keywords.into_iter().next())
    }

    /// The items that these issues have in a Multilink, by id.
    pub(super) fn all(
        &self,
        class: &str,
        issues: &[Item],
        link: &str,
        properties: &[&str],
    ) -> Result<HashMap<String, Item>> {
        let ids: Vec<String> = issues.iter().flat_map(|issue| issue.ids(link)).cloned().collect();
        let mut found = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let items = self.api()?.select(class, &Where::Ids(chunk.to_vec()), properties)?;
            found.extend(items.into_iter().map(|item| (item.id.clone(), item)));
        }
        Ok(found)
    }

    /// The items that link back to these issues, by field and issue, as far as fields ask for them.
    pub(super) fn backs(&self, issues: &[Item]) -> Result<Backs> {
        let mut backs = Backs::new();
        for field in self.options.fields.iter().filter(|field| field.starts_with('/')) {
            let Some(Place::Back { class, link, property, .. }) = self.place(field)? else {
                continue;
            };
            let ids = issues.iter().map(|issue| issue.id.clone()).collect();
            let which = Where::to(&link, ids);
            let mut by_issue: HashMap<String, Vec<Item>> = HashMap::new();
            for item in self.api()?.select(&class, &which, &[&link, &property])? {
                for issue in linked_by(&item, &link) {
                    by_issue.entry(issue).or_default().push(item.clone());
                }
            }
            backs.insert(field.clone(), by_issue);
        }
        Ok(backs)
    }

    fn issue(
        &self,
        item: &Item,
        messages: &HashMap<String, Item>,
        files: &HashMap<String, Item>,
        backs: &Backs,
    ) -> Result<Issue> {
        let revision = Some(self.revision(item, messages, backs)?);
        let mut issue = Issue { id: item.id.clone(), revision, ..Issue::default() };
        for (property, data) in &item.values {
            if let Some(Place::Own(_, kind)) = self.place(property)? {
                issue.fields.set(property.clone(), self.seen(&kind, Some(data))?);
            }
        }
        issue.fields.set("id", Value::text(&item.id));
        if self.place(KEY)? == Some(Place::Key) {
            issue.fields.set(KEY, Value::text(&item.id));
        }
        for field in self.options.fields.iter().filter(|field| field.contains('.')) {
            if let Some(place @ Place::Linked { .. }) = self.place(field)? {
                issue.fields.set(field.clone(), self.seen_linked(item, &place)?);
            }
        }
        for (field, by_issue) in backs {
            let Some(Place::Back { property, kind, .. }) = self.place(field)? else { continue };
            let mut texts = Vec::new();
            for back in by_issue.get(&item.id).into_iter().flatten() {
                let value = self.seen(&kind, back.values.get(&property))?;
                texts.extend(value.iter().flat_map(Value::items).cloned());
            }
            let list = matches!(kind, Kind::Links(_));
            let value = if list { Value::list(texts) } else { Value::text(texts.join(", ")) };
            issue.fields.set(field.clone(), value);
        }
        let own = item.ids("messages").iter().filter_map(|id| messages.get(id)).collect();
        let sorted = Messages::sort(own, self.message_describes()?);
        if let Some(message) = sorted.description {
            issue.fields.set(DESCRIPTION, Value::text(super::write::unfilled(message)));
        }
        for message in sorted.comments {
            issue.comments.push(self.seen_comment(message)?);
        }
        issue.comments.sort_by_key(|comment| comment.created);
        let mut ids: Vec<&String> = item.ids("files").iter().collect();
        ids.sort_by_key(|id| id.parse::<u64>().unwrap_or(u64::MAX));
        for file in ids.into_iter().filter_map(|id| files.get(id)) {
            issue.attachments.push(self.attachment(file)?);
        }
        Ok(issue)
    }

    fn seen_comment(&self, item: &Item) -> Result<Comment> {
        let author = match item.text("author") {
            "" => None,
            id => Some(self.person(id)?),
        };
        let (creation, activity) = (item.time("creation"), item.time("activity"));
        // Roundup touches a message of its own accord right after it was made.
        let edited = |(creation, activity)| activity - creation >= chrono::TimeDelta::seconds(2);
        let updated = creation.zip(activity).filter(|pair| edited(*pair)).map(|(_, at)| at);
        let mut text = item.text("content").to_owned();
        if let (Some(keyword), Some((property, class))) =
            (&self.options.message_keyword, self.keywords()?)
        {
            let kind = Kind::Links(class.to_owned());
            let value = self.seen(&kind, item.values.get(property))?;
            if value.is_some_and(|value| value.items().contains(keyword)) {
                text = format!("#{keyword} {text}");
            }
        }
        Ok(Comment {
            id: item.id.clone(),
            author,
            created: item.time("date").or(creation),
            updated,
            text,
        })
    }

    fn person(&self, id: &str) -> Result<Person> {
        let (api, classes) = (self.api()?, self.classes()?);
        let login = self.names.label(api, classes, "user", id)?;
        let name = self.names.texts(api, classes, "user", &[id], "realname")?;
        let name = name.into_iter().next().flatten().filter(|name| !name.is_empty());
        Ok(Person { name: name.unwrap_or_else(|| login.clone()), id: login })
    }
}
