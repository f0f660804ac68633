//! The first look at a document: whether it is one, of which version, whose, and how many issues
//! it has. The whole document is read, so that a damaged one is refused before any of its issues
//! is used.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::sync::Arc;

use super::code;
use super::events::{self, Visitor, Want};
use super::limits::Limits;
use super::tree::{Element, Tree};
use super::{Company, Profile};
use crate::{Error, Finding, Result};

/// The most companies of a document; partner and supplier are two.
const COMPANIES: usize = 100;

/// What stands in a document besides its issues.
pub(super) struct Header {
    /// The member's name, as shown.
    pub(super) name: String,
    /// The member; `None` where the file is a bare document.
    pub(super) member: Option<usize>,
    pub(super) profile: Profile,
    pub(super) version: String,
    /// The dates of ADMIN-DATA/DOC-REVISIONS as written.
    pub(super) revisions: Vec<String>,
    pub(super) companies: Arc<Vec<CompanyData>>,
    /// The people by id; of one id twice the last.
    pub(super) team: Arc<HashMap<String, TeamMember>>,
    pub(super) issues: usize,
    pub(super) numbers: Vec<NumberMark>,
    pub(super) findings: Vec<Finding>,
}

/// COMPANY-DATA.
#[derive(Clone, PartialEq)]
pub(super) struct CompanyData {
    pub(super) id: String,
    pub(super) company: Company,
}

/// TEAM-MEMBER.
#[derive(Clone, PartialEq)]
pub(super) struct TeamMember {
    pub(super) name: String,
    pub(super) phone: String,
    pub(super) email: String,
    /// The short name of its company.
    pub(super) company: String,
}

/// That an issue has a number at a company: hashes, so that a document of any length costs a few
/// bytes for each issue.
#[derive(Clone, Copy)]
pub(super) struct NumberMark {
    pub(super) company: u64,
    pub(super) number: u64,
    pub(super) issue: u32,
}

impl TeamMember {
    /// `NAME Phone: PHONE email: EMAIL`, as the partner field `owner_fp` has it; what is missing
    /// is left out.
    pub(super) fn line(&self) -> String {
        let mut line = self.name.clone();
        for (label, value) in [(" Phone: ", &self.phone), (" email: ", &self.email)] {
            if !value.is_empty() {
                line.push_str(label);
                line.push_str(value);
            }
        }
        line
    }
}

impl Header {
    /// Reads the document `source` to its end.
    ///
    /// # Errors
    /// [`code::NOT_A_DOCUMENT`], and those of [`events::read`].
    pub(super) fn read(
        source: impl Read,
        name: &str,
        member: Option<usize>,
        limits: &Limits,
        hash: &RandomState,
    ) -> Result<Self> {
        let header = Self {
            name: name.to_owned(),
            member,
            profile: Profile::Pfiff,
            version: String::new(),
            revisions: Vec::new(),
            companies: Arc::default(),
            team: Arc::default(),
            issues: 0,
            numbers: Vec::new(),
            findings: Vec::new(),
        };
        let mut scan = Scan { header, hash, section: Section::Other, old_companies: false };
        events::read(source, name, limits, &mut scan)?;
        Ok(scan.finish())
    }

    /// Whether `reference` and `id_ref` of a COMPANY-DATA-REF mean the company `short`.
    pub(super) fn is_company(&self, reference: &str, id_ref: &str, short: &str) -> bool {
        if !reference.is_empty() && reference == short {
            return true;
        }
        let by_id = |id: &str| {
            self.companies
                .iter()
                .any(|c| !id.is_empty() && c.id == id && c.company.short_name == short)
        };
        by_id(id_ref) || by_id(reference)
    }

    /// The short name of the company with this id; the id where there is none.
    pub(super) fn company_of<'a>(&'a self, id: &'a str) -> &'a str {
        let company = self.companies.iter().find(|company| company.id == id);
        company.map_or(id, |company| company.company.short_name.as_str())
    }

    /// The marks by which [`NumberMark::company`] means the company `short`.
    pub(super) fn company_marks(&self, short: &str, hash: &RandomState) -> Vec<u64> {
        let ids =
            self.companies.iter().filter(|c| c.company.short_name == short && !c.id.is_empty());
        let names = ids.map(|c| c.id.as_str()).chain([short]);
        names.map(|name| hash.hash_one(name)).collect()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Admin,
    Issues,
    Other,
}

struct Scan<'a> {
    header: Header,
    hash: &'a RandomState,
    section: Section,
    old_companies: bool,
}

impl Visitor for Scan<'_> {
    fn root(&mut self, name: &str, attributes: &[(String, String)]) -> Result<()> {
        if name != "MSR-ISSUE" {
            let what = match name {
                "MESSAGE-ACKNOWLEDGE" | "ACKNOWLEDGMENTS" => "an acknowledgement message",
                _ => "not an issue document",
            };
            let root = events::one_line(name);
            return Err(Error::item(
                code::NOT_A_DOCUMENT,
                format!("{}: the root element is {root}: {what}", self.header.name),
            ));
        }
        let value = |suffix: &str| {
            let found = attributes
                .iter()
                .find(|(key, _)| key == suffix || key.ends_with(&format!(":{suffix}")));
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let namespace = attributes
            .iter()
            .filter(|(key, _)| key == "xmlns" || key.starts_with("xmlns:"))
            .map(|(_, value)| value.as_str())
            .find(|value| value.contains("asam.net") || value.contains("/issue/"));
        let schema = value("noNamespaceSchemaLocation");
        (self.header.profile, self.header.version) = Profile::of(namespace, schema);
        Ok(())
    }

    fn start(&mut self, depth: usize, name: &str) -> Want {
        if depth == 1 {
            self.section = match name {
                "ADMIN-DATA" => Section::Admin,
                "ISSUES" => Section::Issues,
                _ => Section::Other,
            };
        }
        match (self.section, name) {
            (Section::Issues, _) if depth == 2 => {
                self.header.issues += 1;
                Want::Enter
            }
            (Section::Issues, "COMPANY-ISSUE-INFO") => Want::Tree,
            (Section::Issues, _) => Want::Enter,
            (Section::Admin, "DATE") | (_, "COMPANY-DATA") => Want::Tree,
            (_, "COMPANY-DATAS") => Want::Enter,
            _ => Want::Enter,
        }
    }

    fn tree(&mut self, tree: &Tree, cut: Option<&str>) -> Result<()> {
        let Some(root) = tree.root() else { return Ok(()) };
        if let Some(why) = cut {
            let text = format!("{} is read in part only: {why}", root.name());
            self.note(Finding::warning(code::LIMIT_EXCEEDED, text));
        }
        match root.name() {
            "DATE" => self.header.revisions.push(root.lead().to_owned()),
            "COMPANY-DATA" => self.company(root),
            _ => self.info(root),
        }
        Ok(())
    }
}

impl Scan<'_> {
    fn company(&mut self, root: Element<'_>) {
        self.old_companies |= root.attribute("ROLE").is_some();
        let company = Company {
            long_name: root.lead_of("LONG-NAME").to_owned(),
            short_name: root.lead_of("SHORT-NAME").to_owned(),
        };
        if company.long_name.is_empty() || company.short_name.is_empty() {
            let named = events::one_line(&format!("{}{}", company.long_name, company.short_name));
            let text = format!("the company {named:?} has no long name or no short name");
            self.note(Finding::warning(code::COMPANY_INCOMPLETE, text));
        }
        for member in root.find_all(&["TEAM-MEMBER"]) {
            let Some(id) = member.attribute("ID").map(str::trim).filter(|id| !id.is_empty()) else {
                let text = "a TEAM-MEMBER has no ID, so nothing can refer to it";
                self.note(Finding::warning(code::ELEMENT_INCOMPLETE, text));
                continue;
            };
            let mut name = member.lead_of("LONG-NAME");
            if name.is_empty() {
                name = [member.lead_of("SHORT-NAME"), id]
                    .into_iter()
                    .find(|n| !n.is_empty())
                    .unwrap_or(id);
                let text = format!("the team member {} has no LONG-NAME", events::one_line(id));
                self.note(Finding::warning(code::ELEMENT_INCOMPLETE, text));
            }
            let person = TeamMember {
                name: name.to_owned(),
                phone: member.lead_of("PHONE").to_owned(),
                email: member.lead_of("EMAIL").to_owned(),
                company: company.short_name.clone(),
            };
            Arc::make_mut(&mut self.header.team).insert(id.to_owned(), person);
        }
        if self.header.companies.len() >= COMPANIES {
            let text = format!("it has more than {COMPANIES} companies; the others are not used");
            self.note(Finding::warning(code::LIMIT_EXCEEDED, text));
            return;
        }
        let id = root.attribute("ID").unwrap_or_default().trim().to_owned();
        Arc::make_mut(&mut self.header.companies).push(CompanyData { id, company });
    }

    fn info(&mut self, root: Element<'_>) {
        let number = root.lead_of("ISSUE-ID");
        let Some(company) = root.child("COMPANY-DATA-REF").filter(|_| !number.is_empty()) else {
            return;
        };
        let issue = u32::try_from(self.header.issues.saturating_sub(1)).unwrap_or(u32::MAX);
        let number = self.hash.hash_one(number);
        let names = [company.lead(), company.attribute("ID-REF").unwrap_or_default().trim()];
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            let company = self.hash.hash_one(name);
            self.header.numbers.push(NumberMark { company, number, issue });
        }
    }

    fn finish(mut self) -> Header {
        if self.header.companies.is_empty() {
            let text = "it names no companies, so the partner is known by configuration only";
            self.note(Finding::warning(code::NO_COMPANIES, text));
        }
        if self.header.revisions.is_empty() {
            let text = "it has no date (ADMIN-DATA/DOC-REVISIONS/DOC-REVISION/DATE)";
            self.note(Finding::warning(code::BAD_DATE, text));
        }
        if self.old_companies && self.header.profile == Profile::Pfiff {
            self.header.profile = Profile::Asam21;
        }
        self.header
    }

    fn note(&mut self, finding: Finding) {
        const MOST: usize = 100;
        if self.header.findings.len() < MOST {
            let name = self.header.name.clone();
            self.header.findings.push(finding.at(name));
        }
    }
}
