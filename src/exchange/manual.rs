//! `-z`: one issue ZIP by hand, without an ENGDAT envelope.

use std::path::{Path, PathBuf};

use super::issues::Applied;
use super::package::failure;
use super::{Outcome, PackageReport, Partner, Report, Run, Tools, UNKNOWN_PARTNER, publish};
use crate::asam::Archive;
use crate::spool::Reason;
use crate::{Error, Fault, Result, USAGE};

/// An import by hand.
#[derive(Clone, Debug)]
pub struct Import {
    /// The ZIP; never moved and never a duplicate.
    pub file: PathBuf,
    /// Where the answer goes.
    pub out: PathBuf,
    /// The partner; `None`: by the companies in the document.
    pub partner: Option<String>,
}

impl Import {
    /// Where the answer to `file` goes by default: `FILE-out.zip` beside it.
    #[must_use]
    pub fn default_out(file: &Path) -> PathBuf {
        let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        file.with_file_name(format!("{}-out.zip", stem.unwrap_or_default()))
    }

    /// Runs it.
    ///
    /// # Errors
    /// When the file or the partner cannot be told, or the run could not go on.
    pub fn run(&self, tools: &Tools<'_>) -> Result<Report> {
        let mut run = Run::start(tools)?;
        run.meet_tracker()?;
        run.recover()?;
        run.note_rules()?;
        let name = self.file.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let source = tools.disk.open(&self.file)?;
        let archive = match Archive::open(source, &name, &tools.settings.limits) {
            Ok(archive) => archive,
            Err(error) if error.fault == Fault::Item => {
                let report = PackageReport::new(&name, self.partner.as_deref(), Outcome::Corrupt);
                return run.note(report.because(&Reason::of(&error)));
            }
            Err(error) => return Err(error),
        };
        let partner = self.partner_of(tools, &archive)?;
        let archives = [archive];
        run.take_pending(Some(&partner.key))?;
        let mut report = PackageReport::new(&name, Some(&partner.key), Outcome::Applied);
        let done = match &run.away {
            Some(reason) => {
                report.outcome = Outcome::Deferred;
                report = report.because(reason);
                Ok(Applied::default())
            }
            None => run.apply(partner, &archives, &name, ""),
        };
        match done {
            Ok(Applied { issues, findings, halted }) => {
                if let Some(error) = halted {
                    run.note_away(&error)?;
                    report.outcome = Outcome::Deferred;
                    report = report.because(&Reason::of(&error));
                } else if let Some(reason) = failure(&issues) {
                    report.outcome = Outcome::Deferred;
                    report = report.because(&reason);
                }
                let found = archives.iter().flat_map(Archive::findings).chain(&findings);
                report.findings = found.map(Into::into).collect();
                report.issues = issues;
            }
            Err(error) if error.fault == Fault::Item => {
                report.outcome = Outcome::Corrupt;
                report = report.because(&Reason::of(&error));
            }
            Err(error) => return Err(error),
        }
        run.log(&report)?;
        run.report.packages.push(report);
        run.sweep(Some(&partner.key))?;
        run.answer_by_hand(partner, &self.out)?;
        Ok(run.report)
    }

    fn partner_of<'t>(&self, tools: &'t Tools<'_>, archive: &Archive) -> Result<&'t Partner> {
        if let Some(name) = &self.partner {
            return tools.settings.partner(name).ok_or_else(|| {
                let known: Vec<&str> =
                    tools.settings.partners.iter().map(|partner| partner.key.as_str()).collect();
                Error::setup(USAGE, format!("no partner is called {name:?}"))
                    .hint(format!("the configuration has {}", known.join(", ")))
            });
        }
        let fits = |partner: &&Partner| {
            archive.companies().iter().any(|company| company.long_name.contains(&partner.name))
        };
        let mut fitting = tools.settings.partners.iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(partner), None) => Ok(partner),
            (first, _) => {
                let companies: Vec<&str> =
                    archive.companies().iter().map(|company| company.long_name.trim()).collect();
                let which = if first.is_none() { "none" } else { "more than one" };
                let what = format!(
                    "{which} of the partners fits the companies of the document ({})",
                    companies.join(", ")
                );
                Err(Error::setup(UNKNOWN_PARTNER, what).hint("say which with --partner NAME"))
            }
        }
    }
}

impl Run<'_> {
    fn note(mut self, report: PackageReport) -> Result<Report> {
        self.log(&report)?;
        self.report.packages.push(report);
        Ok(self.report)
    }

    fn answer_by_hand(&mut self, partner: &Partner, out: &Path) -> Result<()> {
        if self.tools.options.no_remote {
            return Ok(());
        }
        let owed = self.tools.state.owed_rows(&partner.key)?;
        if owed.is_empty() {
            return Ok(());
        }
        let sent = self.freeze(partner, &owed, Some(out))?;
        self.report.sent.push(sent);
        if self.tools.options.dry_run {
            return Ok(());
        }
        // This one is asked for: it must find its place.
        for answer in self.tools.state.unpublished()? {
            if answer.target.as_deref() == Some(out) {
                publish::publish(self.tools, &answer)?;
            }
        }
        publish::publish_frozen(self.tools, &mut self.report)
    }
}
