//! Messages: comments, each known by the token in its `messageid`.

use super::Roundup;
use super::api::Relink;
use super::data::{Data, Item, Values, Where, serial};
use super::fields::{same, stripped};
use super::marker::{self, Identity};
use super::rest::{TRIES, busy, gone};
use crate::issue::Person;
use crate::tracker::{NewComment, TRACKER_REFUSED};
use crate::{Error, NOT_FOUND, Result, Timestamp};

/// The summary that Roundup itself would make of a text: its first line, cut.
fn summary(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    line.chars().take(80).collect()
}

impl Roundup {
    /// Makes a message that no issue has yet. Its author is always named: Roundup's own
    /// reactions stumble over messages without.
    pub(super) fn new_message(
        &self,
        text: &str,
        messageid: &str,
        author: Option<&Person>,
        created: Option<Timestamp>,
    ) -> Result<String> {
        if stripped(text).is_empty() {
            return Err(Error::item(TRACKER_REFUSED, "Roundup takes no comment without a text"));
        }
        let known = match author {
            Some(author) => self.linked("user", Some("username"), &author.id)?,
            None => None,
        };
        let author = match known {
            Some(author) => author,
            None => self.me()?.to_owned(),
        };
        let mut values = Values::from([
            ("content".to_owned(), Data::Text(text.to_owned())),
            ("author".to_owned(), Data::Text(author)),
            ("messageid".to_owned(), Data::Text(messageid.to_owned())),
        ]);
        if let Some(created) = created {
            values.insert("date".to_owned(), Data::Text(serial(created)));
        }
        self.api()?.create("msg", &values)
    }

    /// Replaces the text of a message. The summary goes with it, since a change of the content
    /// alone is none that Roundup dates.
    pub(super) fn rewrite(&self, message: &str, text: &str) -> Result<()> {
        if stripped(text).is_empty() {
            return Err(Error::item(TRACKER_REFUSED, "Roundup takes no comment without a text"));
        }
        for _ in 0..TRIES {
            let (now, mark) = self
                .api()?
                .look("msg", message, &["summary", "content"])?
                .ok_or_else(|| gone("msg", message))?;
            let mut values = Values::from([("content".to_owned(), Data::Text(text.to_owned()))]);
            let summary = summary(text);
            if now.text("summary") != summary {
                values.insert("summary".to_owned(), Data::Text(summary));
            }
            if self.api()?.set("msg", message, &values, mark.as_deref())? {
                return Ok(());
            }
        }
        Err(busy("msg", message))
    }

    /// The messages of an issue.
    pub(super) fn messages(&self, key: &str) -> Result<Vec<Item>> {
        let api = self.api()?;
        let (issue, _) =
            api.look("issue", key, &["messages"])?.ok_or_else(|| gone("issue", key))?;
        let mut found = Vec::new();
        for chunk in issue.ids("messages").chunks(150) {
            let which = Where::Ids(chunk.to_vec());
            found.extend(api.select("msg", &which, &["content", "messageid"])?);
        }
        Ok(found)
    }

    pub(super) fn add_comment(&self, key: &str, comment: &NewComment) -> Result<String> {
        let api = self.api()?;
        let (issue, _) =
            api.look("issue", key, &["messages"])?.ok_or_else(|| gone("issue", key))?;
        let messageid = match comment.token.as_str() {
            // Any other is as good, as long as it is new.
            "" => marker::comment(key, &marker::description("")),
            token => marker::comment(key, token),
        };
        let mut there = None;
        if !comment.token.is_empty() {
            let which = Where::is("messageid", &*messageid);
            let found = api.select("msg", &which, &["messageid"])?;
            there = found.into_iter().find(|item| item.text("messageid") == messageid);
        }
        let id = match there {
            Some(message) if issue.ids("messages").contains(&message.id) => return Ok(message.id),
            // Made, but the issue did not get it.
            Some(message) => {
                self.rewrite(&message.id, &comment.text)?;
                message.id
            }
            None => {
                let author = comment.author.as_ref();
                self.new_message(&comment.text, &messageid, author, comment.created)?
            }
        };
        api.relink("issue", key, "messages", Relink::Add(&id))?;
        self.note_comment(key, &comment.token, &id);
        Ok(id)
    }

    /// The comment of the issue with this id.
    fn own_comment(&self, key: &str, id: &str) -> Result<Option<Item>> {
        let found = self.messages(key)?.into_iter().find(|message| message.id == id);
        // What ties the issue to its partner's is no comment.
        Ok(found.filter(|message| {
            matches!(Identity::of(message.text("messageid")), None | Some(Identity::Comment))
        }))
    }

    pub(super) fn change_comment(&self, key: &str, id: &str, text: &str) -> Result<()> {
        match self.own_comment(key, id)? {
            Some(message) if same(message.text("content"), text) => Ok(()),
            Some(message) => self.rewrite(&message.id, text),
            None => Err(Error::item(NOT_FOUND, format!("issue {key} has no comment {id:?}"))
                .hint(format!("`engsync tracker show {key}` lists them"))),
        }
    }

    /// Takes a comment off its issue; the message itself stays, as Roundup's history does.
    pub(super) fn remove_comment(&self, key: &str, id: &str) -> Result<()> {
        match self.own_comment(key, id)? {
            Some(message) => {
                self.api()?.relink("issue", key, "messages", Relink::Remove(&message.id))
            }
            None => Ok(()),
        }
    }
}
