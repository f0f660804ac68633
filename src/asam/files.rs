//! The files that an issue names, as attachments.

use std::collections::HashSet;
use std::sync::Arc;

use super::code;
use super::content::{Embedded, Stored};
use super::events::one_line;
use super::flat::Flattener;
use super::model::{Document, Entry};
use super::names::Match;
use super::notes::Notes;
use crate::issue::Attachment;

/// The most embedded files of a document: each is looked for from the document's beginning.
const EMBEDDED: usize = 64;

impl Flattener<'_> {
    /// The files the issue and its proposals name, each URL once and each name once.
    pub(super) fn attachments(
        &self,
        entry: &Entry<'_>,
        at: usize,
        notes: &mut Notes,
    ) -> Vec<Attachment> {
        let proposals = entry.solutions.iter().flat_map(|solution| &solution.documents);
        let (mut attachments, mut urls, mut names) = (Vec::new(), HashSet::new(), Names::default());
        for document in entry.documents.iter().chain(proposals) {
            if !document.url.is_empty() && !urls.insert(document.url) {
                continue;
            }
            let Some(mut attachment) = self.attachment(document, at, notes) else { continue };
            let name = names.free(&attachment.name);
            if name != attachment.name {
                let text = format!("two files are called {}; one becomes {name}", attachment.name);
                notes.warn(code::ATTACHMENT_NAME, text);
                let taken = std::mem::replace(&mut attachment.name, name);
                attachment.original.get_or_insert(taken);
            }
            attachments.push(attachment);
        }
        attachments
    }

    fn attachment(
        &self,
        document: &Document<'_>,
        at: usize,
        notes: &mut Notes,
    ) -> Option<Attachment> {
        let last = document.url.rsplit('/').next().unwrap_or_default();
        let names = [document.name, last];
        let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or("file");
        let found = self.store.find(document.url);
        if let (None, Some(content)) = (&found, document.content) {
            self.embedded.set(self.embedded.get() + 1);
            if self.embedded.get() > EMBEDDED {
                let text = format!(
                    "a document may embed {EMBEDDED} files; {} is left out",
                    one_line(name)
                );
                notes.warn(code::LIMIT_EXCEEDED, text);
                return None;
            }
            let embedded = Embedded::new(self.store, self.header.member, at, content);
            return Some(Attachment::new(name, None, Arc::new(embedded)));
        }
        let url = one_line(document.url);
        let Some((member, how)) = found else {
            notes.warn(code::ATTACHMENT_MISSING, format!("{url} is named but not in the archive"));
            return Some(Attachment::missing(name));
        };
        let as_what = match how {
            Match::Exact => None,
            Match::Mangled(quirk) => Some(format!("was found by its mangled name: {quirk}")),
            Match::Similar => Some(
                "is taken to be the only member whose name differs in non-ASCII characters only"
                    .to_owned(),
            ),
        };
        if let Some(as_what) = as_what {
            notes.warn(code::ATTACHMENT_NAME, format!("{url} {as_what}"));
        }
        let (size, refused) = self.store.member(member);
        if let Some(why) = refused {
            notes.warn(code::ATTACHMENT_REFUSED, format!("{url} came but is not used: {why}"));
            return Some(Attachment::missing(name));
        }
        Some(Attachment::new(name, Some(size), Arc::new(Stored::new(self.store, member))))
    }
}

/// Names of which each is given once.
#[derive(Default)]
pub(super) struct Names(HashSet<String>, usize);

impl Names {
    /// `name`, or if that is taken `name (2).ext` and so on.
    pub(super) fn free(&mut self, name: &str) -> String {
        if self.0.insert(name.to_owned()) {
            return name.to_owned();
        }
        let (stem, extension) = match name.rfind('.').filter(|dot| *dot > 0) {
            Some(dot) => name.split_at(dot),
            None => (name, ""),
        };
        // With thousands of files of one name, a number is not looked for from 2 each time.
        let mut number = if self.1 < 1000 { 2 } else { self.1 };
        loop {
            let numbered = format!("{stem} ({number}){extension}");
            number += 1;
            if self.0.insert(numbered.clone()) {
                self.1 = self.1.max(number);
                return numbered;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_given_once() {
        let mut names = Names::default();
        let given =
            ["a.txt", "a.txt", "a.txt", "a (2).txt", "b", "b", ".c", ".c"].map(|n| names.free(n));
        let expected =
            ["a.txt", "a (2).txt", "a (3).txt", "a (2) (2).txt", "b", "b (2)", ".c", ".c (2)"];
        assert_eq!(given, expected);
        let mut many = Names::default();
        let unique: HashSet<String> = (0..20_000).map(|_| many.free("x")).collect();
        assert_eq!(unique.len(), 20_000);
    }
}
