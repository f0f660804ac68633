//! What must be so before a run can succeed.

use super::Roundup;
use super::data::{Kind, Where};
use crate::tracker::{Checked, TRACKER_UNAVAILABLE};
use crate::{Error, Result};

impl Roundup {
    pub(super) fn look_around(&self) -> Vec<Checked> {
        let mut checked = Vec::new();
        let mut note = |what: &str, found: Result<String>| {
            let well = found.is_ok();
            checked.push(Checked { what: what.to_owned(), found });
            well
        };
        let user = &self.options.user;
        let login = self.api().map(|api| format!("as {user}, over {}", api.name()));
        if !note("login", login) {
            return checked;
        }
        note("account", self.me().map(|id| format!("{user} is user{id}")));
        for class in ["issue", "msg", "file"] {
            note(&format!("permission to view {class}"), self.may_view(class));
        }
        for property in ["messages", "files"] {
            note(&format!("issue.{property}"), self.holds(property));
        }
        let marker = self.marker_property().map(|property| match property {
            Some(property) => format!("the marker stands in {property}"),
            None => "the first message carries the marker".to_owned(),
        });
        note("marker", marker);
        if self.options.message_keyword.is_some() {
            note("message_keyword", self.has_keyword());
        }
        checked
    }

    fn may_view(&self, class: &str) -> Result<String> {
        // No item has this number: only whether we may ask is of interest.
        let which = Where::Ids(vec!["0".to_owned()]);
        self.api()?.select(class, &which, &["id"])?;
        Ok("granted".to_owned())
    }

    fn holds(&self, property: &str) -> Result<String> {
        match self.classes()?.kind("issue", property) {
            Some(Kind::Links(class)) => Ok(format!("several of {class}")),
            _ => {
                let what = format!("issues of this Roundup have no Multilink {property}");
                Err(Error::wait(TRACKER_UNAVAILABLE, what)
                    .hint("the class issue has to be an IssueClass, as in the classic template"))
            }
        }
    }

    fn has_keyword(&self) -> Result<String> {
        let keyword = self.options.message_keyword.clone().unwrap_or_default();
        let missing = |why: String| {
            Error::setup(crate::CONFIG, why)
                .hint("make the keyword in Roundup, or leave message_keyword out")
        };
        let Some((property, class)) = self.keywords()? else {
            return Err(missing("messages of this Roundup have no keywords".to_owned()));
        };
        match self.linked(class, None, &keyword)? {
            Some(_) => Ok(format!("{keyword:?} in msg.{property}")),
            None => Err(missing(format!("there is no {class} {keyword:?}"))),
        }
    }
}
