//! An issue ZIP, or a bare issue document, opened.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::hash::RandomState;
use std::io::{self, Read, Seek};
use std::sync::Arc;

use super::code;
use super::container::{Container, Cursor, Incomplete, Opened, Source, shown};
use super::events::{self, Visitor, Want};
use super::flat::{self, Components, Flattener};
use super::header::Header;
use super::limits::Limits;
use super::model::Entry;
use super::names::Match;
use super::notes::Notes;
use super::tree::Tree;
use super::{Company, Delivered, View};
use crate::{Error, Finding, Result, Severity, Timestamp};

/// What attachments and documents are read from.
pub(super) struct Store {
    kind: Kind,
    limits: Limits,
}

enum Kind {
    Zip(Box<Container>),
    Document(Arc<Source>),
}

impl Store {
    /// Hands a reader over a member, or over the bare document, to `sink`.
    pub(super) fn read<T>(
        &self,
        member: Option<usize>,
        sink: &mut dyn FnMut(&mut dyn Read) -> io::Result<T>,
    ) -> io::Result<T> {
        match (&self.kind, member) {
            (Kind::Zip(zip), Some(member)) => zip.read(member, sink),
            (Kind::Document(source), None) => sink(&mut Cursor::new(source)),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The member a URL means, and how it was found.
    pub(super) fn find(&self, url: &str) -> Option<(usize, Match)> {
        match &self.kind {
            Kind::Zip(zip) => zip.names.find(url),
            Kind::Document(_) => None,
        }
    }

    /// The size of a member, and why it is not used, if it is not.
    pub(super) fn member(&self, member: usize) -> (u64, Option<&str>) {
        match &self.kind {
            Kind::Zip(zip) => zip.members.get(member).map_or((0, None), |member| {
                (member.unpacked, member.refused.as_ref().map(|(_, why)| why.as_str()))
            }),
            Kind::Document(_) => (0, None),
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// An opened issue ZIP, or a bare issue document. Its documents were read once and found well
/// formed within limits; its issues are read again when they are delivered, one at a time.
pub struct Archive {
    store: Arc<Store>,
    headers: Vec<Header>,
    companies: Vec<Company>,
    /// The names of [`Archive::companies`].
    known: HashSet<(String, String)>,
    findings: Vec<Finding>,
    hash: RandomState,
}

/// A document of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentInfo {
    /// The name of the archive member.
    pub name: String,
    /// The profile it is read by.
    pub profile: super::Profile,
    /// The version as the document states it.
    pub version: String,
    /// The date of its revision, as written.
    pub revision: Option<String>,
    /// How many issues it has.
    pub issues: usize,
}

/// A file of an archive that is not a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Its name in the archive, fit for a log.
    pub name: String,
    /// Its unpacked size in bytes, as the archive says.
    pub size: u64,
    /// Why its content is not used, if it is not.
    pub refused: Option<String>,
}

impl Archive {
    /// Opens an archive for use.
    ///
    /// # Errors
    /// All `Fault::Item`: `bad-zip` (see [`is_incomplete`]), `no-documents`, `limit-exceeded`;
    /// where every document of the archive is unreadable, the first one's error.
    pub fn open<R: Read + Seek + Send + 'static>(
        source: R,
        name: &str,
        limits: &Limits,
    ) -> Result<Self> {
        let (archive, failed) = Self::look(source, name, limits)?;
        if !archive.headers.is_empty() {
            return Ok(archive);
        }
        Err(failed.unwrap_or_else(|| {
            Error::item(code::NO_DOCUMENTS, format!("{name} holds no issue document"))
                .hint("an issue document is an .xml file at the top of the archive")
        }))
    }

    /// Opens an archive to explain it: unreadable documents are findings, even if all are.
    ///
    /// # Errors
    /// `bad-zip`, and `limit-exceeded` for the archive as a whole.
    pub fn examine<R: Read + Seek + Send + 'static>(
        source: R,
        name: &str,
        limits: &Limits,
    ) -> Result<Self> {
        let (mut archive, _) = Self::look(source, name, limits)?;
        if archive.headers.is_empty() {
            let text = format!("{name} holds no readable issue document");
            archive.findings.push(Finding::error(code::NO_DOCUMENTS, text).at(name));
        }
        Ok(archive)
    }

    fn look<R: Read + Seek + Send + 'static>(
        source: R,
        name: &str,
        limits: &Limits,
    ) -> Result<(Self, Option<Error>)> {
        let opened = Container::open(Box::new(source), name, limits)?;
        let (kind, findings, documents) = match opened {
            Opened::Xml(source) => {
                (Kind::Document(source), Vec::new(), vec![(None, name.to_owned())])
            }
            Opened::Zip(mut zip) => {
                let findings = std::mem::take(&mut zip.findings);
                let documents =
                    zip.members.iter().enumerate().filter(|(_, m)| is_document(&m.name));
                let documents = documents.map(|(at, m)| (Some(at), shown(&m.name))).collect();
                (Kind::Zip(zip), findings, documents)
            }
        };
        let store = Arc::new(Store { kind, limits: *limits });
        let hash = RandomState::new();
        let mut archive = Self {
            store,
            headers: Vec::new(),
            companies: Vec::new(),
            known: HashSet::new(),
            findings,
            hash,
        };
        let mut failed = None;
        for (member, name) in documents {
            match archive.header(member, &name) {
                Ok(header) => archive.add(header),
                Err(error) => {
                    archive.findings.push(as_finding(&error, &name));
                    if error.code != code::NOT_A_DOCUMENT {
                        failed.get_or_insert(error);
                    }
                }
            }
        }
        Ok((archive, failed))
    }

    fn header(&self, member: Option<usize>, name: &str) -> Result<Header> {
        let limits = self.store.limits();
        let read = self
            .store
            .read(member, &mut |source| Ok(Header::read(source, name, member, limits, &self.hash)));
        read.unwrap_or_else(|error| {
            let code = self.refusal(member).unwrap_or(code::CONTENT_DAMAGED);
            Err(Error::item(code, format!("the document {name} cannot be read")).because(error))
        })
    }

    fn refusal(&self, member: Option<usize>) -> Option<crate::Code> {
        match &self.store.kind {
            Kind::Zip(zip) => zip.members.get(member?)?.refused.as_ref().map(|(code, _)| *code),
            Kind::Document(_) => None,
        }
    }

    fn add(&mut self, mut header: Header) {
        // Each document has few findings; of thousands of documents not all are shown.
        const MOST: usize = 1000;
        header.findings.truncate(MOST.saturating_sub(self.findings.len()));
        self.findings.append(&mut header.findings);
        for company in header.companies.iter().map(|data| &data.company) {
            if self.known.insert((company.long_name.clone(), company.short_name.clone())) {
                self.companies.push(company.clone());
            }
        }
        // Of thousands of documents of one sender most name the same companies and people.
        if let Some(last) = self.headers.last() {
            if last.companies == header.companies {
                header.companies = Arc::clone(&last.companies);
            }
            if last.team == header.team {
                header.team = Arc::clone(&last.team);
            }
        }
        header.numbers.shrink_to_fit();
        self.headers.push(header);
    }

    /// What was noticed about the archive and its documents.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The companies of all documents, each once.
    #[must_use]
    pub fn companies(&self) -> &[Company] {
        &self.companies
    }

    /// The readable documents, in the order of the archive.
    pub fn documents(&self) -> impl Iterator<Item = DocumentInfo> {
        self.headers.iter().map(|header| DocumentInfo {
            name: header.name.clone(),
            profile: header.profile,
            version: header.version.clone(),
            revision: header.revisions.iter().max().cloned(),
            issues: header.issues,
        })
    }

    /// The other files, in the order of the archive.
    pub fn files(&self) -> impl Iterator<Item = FileInfo> {
        let members = match &self.store.kind {
            Kind::Zip(zip) => zip.members.as_slice(),
            Kind::Document(_) => &[],
        };
        let documents: HashSet<usize> = self.headers.iter().filter_map(|h| h.member).collect();
        let files = members.iter().enumerate().filter(move |(at, _)| !documents.contains(at));
        files.map(|(_, member)| FileInfo {
            name: shown(&member.name),
            size: member.unpacked,
            refused: member.refused.as_ref().map(|(_, why)| why.clone()),
        })
    }

    /// Reads every file to its end and answers which are damaged.
    #[must_use]
    pub fn verify(&self) -> Vec<Finding> {
        let Kind::Zip(zip) = &self.store.kind else { return Vec::new() };
        let mut notes = Notes::default();
        let usable = zip.members.iter().enumerate().filter(|(_, member)| member.refused.is_none());
        for (at, member) in usable {
            let read = zip.read(at, &mut |content| io::copy(content, &mut io::sink()));
            if let Err(error) = read {
                let finding = Finding::warning(code::CONTENT_DAMAGED, error.to_string());
                notes.push(finding.at(shown(&member.name)));
            }
        }
        notes.finish("")
    }

    /// Hands over the issues, one at a time, in the order of the documents; of an issue that the
    /// archive has several times only the one in the newest document. Answers what was noticed
    /// that belongs to no single issue.
    ///
    /// # Errors
    /// Those of `each`, and of reading the archive.
    pub fn deliver(
        &self,
        view: &View,
        each: &mut dyn FnMut(Delivered) -> Result<()>,
    ) -> Result<Vec<Finding>> {
        let mut findings = Notes::default();
        let mut peer_short = view.peer_short.clone();
        let mut documents = Vec::new();
        for header in &self.headers {
            if let Some(learned) = learn(header, view) {
                peer_short = learned;
            }
            let revision = flat::revision(header, view, &mut findings);
            documents.push((header, peer_short.clone(), revision));
        }
        let mut stale = self.stale(&documents);
        let mut components = Components::default();
        for (number, (header, peer_short, revision)) in documents.iter().enumerate() {
            let flattener = Flattener {
                view,
                header,
                store: &self.store,
                peer_short,
                revision: *revision,
                embedded: Cell::new(0),
            };
            let mut deliver = Deliver {
                flattener,
                components: &mut components,
                stale: stale.remove(&number).unwrap_or_default(),
                each: &mut *each,
                findings: &mut findings,
                in_issues: false,
                issue: 0,
            };
            let limits = self.store.limits();
            let read = self.store.read(header.member, &mut |source| {
                Ok(events::read(source, &header.name, limits, &mut deliver))
            });
            read.unwrap_or_else(|error| {
                let what = format!("the document {} cannot be read any more", header.name);
                Err(Error::item(code::CONTENT_DAMAGED, what).because(error))
            })?;
        }
        Ok(findings.finish(""))
    }

    /// The issues, by document, of which another document has a newer state.
    fn stale(
        &self,
        documents: &[(&Header, String, Option<Timestamp>)],
    ) -> HashMap<usize, HashSet<usize>> {
        let mut newest: HashMap<u64, (Option<Timestamp>, usize, u32)> = HashMap::new();
        let mut stale: HashMap<usize, HashSet<usize>> = HashMap::new();
        for (at, (header, peer_short, revision)) in documents.iter().enumerate() {
            let companies = header.company_marks(peer_short, &self.hash);
            let mut last = None;
            for mark in header.numbers.iter().filter(|mark| companies.contains(&mark.company)) {
                // An issue that names its company by text and by reference has two marks.
                if last.replace((mark.issue, mark.number)) == Some((mark.issue, mark.number)) {
                    continue;
                }
                let this = (*revision, at, mark.issue);
                match newest.get_mut(&mark.number) {
                    None => {
                        newest.insert(mark.number, this);
                    }
                    Some(known) => {
                        let older =
                            if this.0 >= known.0 { std::mem::replace(known, this) } else { this };
                        stale.entry(older.1).or_default().insert(older.2 as usize);
                    }
                }
            }
        }
        stale
    }
}

/// The partner's short name, if the document has the partner; the last company counts.
fn learn(header: &Header, view: &View) -> Option<String> {
    let mut companies = header.companies.iter().map(|data| &data.company);
    companies
        .rfind(|company| {
            !view.peer_name.is_empty()
                && company.long_name.contains(&view.peer_name)
                && !company.short_name.is_empty()
        })
        .map(|company| company.short_name.clone())
}

/// Reads the issues of one document.
struct Deliver<'a> {
    flattener: Flattener<'a>,
    components: &'a mut Components,
    stale: HashSet<usize>,
    each: &'a mut dyn FnMut(Delivered) -> Result<()>,
    findings: &'a mut Notes,
    in_issues: bool,
    /// How many issues have begun.
    issue: usize,
}

impl Visitor for Deliver<'_> {
    fn root(&mut self, _name: &str, _attributes: &[(String, String)]) -> Result<()> {
        Ok(())
    }

    fn start(&mut self, depth: usize, name: &str) -> Want {
        match depth {
            1 => self.in_issues = name == "ISSUES",
            2 if self.in_issues => {
                self.issue += 1;
                return Want::Tree;
            }
            _ => {}
        }
        Want::Enter
    }

    fn tree(&mut self, tree: &Tree, cut: Option<&str>) -> Result<()> {
        let Some(root) = tree.root() else { return Ok(()) };
        let at = self.issue - 1;
        let mut notes = Notes::default();
        let entry = Entry::read(root, self.flattener.view.render, &mut notes);
        let mut delivered = self.flattener.flatten(&entry, self.components, at, notes);
        if let Some(why) = cut {
            let number = events::one_line(&delivered.issue.id);
            let what = format!("{}: issue {} ({number}): {why}", delivered.document, at + 1);
            delivered.unreadable = Some(Error::item(code::LIMIT_EXCEEDED, what));
        }
        if self.stale.contains(&at) {
            let number = events::one_line(&delivered.issue.id);
            let text =
                format!("issue {number} stands in the delivery more than once; the newest counts");
            let place = format!("{} issue {}", delivered.document, at + 1);
            self.findings.push(Finding::warning(code::SAME_ISSUE_TWICE, text).at(place));
            return Ok(());
        }
        (self.each)(delivered)
    }
}

/// Documents are the XML files at the top of the archive.
fn is_document(name: &str) -> bool {
    let name = name.strip_prefix("./").unwrap_or(name);
    let xml = name.len() > 4
        && name.get(name.len() - 4..).is_some_and(|e| e.eq_ignore_ascii_case(".xml"));
    xml && !name.contains(['/', '\\'])
}

fn as_finding(error: &Error, name: &str) -> Finding {
    let severity = match error.code {
        code::NOT_A_DOCUMENT => Severity::Warning,
        _ => Severity::Error,
    };
    Finding::new(severity, error.code, error.line()).at(name)
}

/// Whether an error of [`Archive::open`] says that the file ends too early: it may still be
/// arriving.
#[must_use]
pub fn is_incomplete(error: &Error) -> bool {
    error.source.as_ref().is_some_and(|source| source.is::<Incomplete>())
}
