//! From a partner's inbox into `incoming/`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::{Exchange, Partner, Tools, TransportSettings, Way};
use crate::engdat::PartName;
use crate::state::{Arrival, PackageRow};
use crate::transport::{CHANGED, Fetched, Listed, Removal, Transport};
use crate::{Error, NOT_FOUND, Result, STOPPED, Timestamp, stamp};

/// Files behind one commit of the ledger: few, and not much to fetch again.
const BATCH_FILES: usize = 100;
const BATCH_BYTES: u64 = 4 << 20;
/// A server that refuses so many removals in a row is not asked further.
const MOST_REFUSALS: u32 = 3;
/// Behind a name while a file is being written, by the habit of some programs.
const UNFINISHED: [&str; 6] = [".tmp", ".temp", ".part", ".partial", ".filepart", "~"];

/// What a look at an inbox found.
#[derive(Default)]
struct Look {
    /// To fetch.
    ready: Vec<Listed>,
    /// Fetched before; only its removal is not sure.
    repeated: Vec<Listed>,
    /// Seen for the first time so.
    noted: Vec<(String, Arrival)>,
    /// Not there any more.
    gone: Vec<String>,
}

struct Fetching<'a> {
    tools: &'a Tools<'a>,
    partner: &'a str,
    transport: &'a TransportSettings,
    known: BTreeMap<String, Arrival>,
    /// Packages that the log has from this pass.
    logged: BTreeSet<String>,
}

/// Fetches what is new and settled, remembers it, and then removes it over there unless it is to
/// be kept.
///
/// # Errors
/// Those of the state and the spool; the server's are in the tally.
pub(super) fn fetch(
    tools: &Tools<'_>,
    partner: &Partner,
    transport: &TransportSettings,
    tally: &mut Exchange,
) -> Result<()> {
    let known = tools.state.arrivals(&partner.key)?;
    let logged = BTreeSet::new();
    let mut fetching = Fetching { tools, partner: &partner.key, transport, known, logged };
    let opened = tools.transports.open(partner);
    let listed = opened.and_then(|mut server| Ok((server.list()?, server)));
    match listed {
        Ok((listed, mut server)) => fetching.all(server.as_mut(), &listed, tally),
        Err(error) => {
            tally.fail(&error);
            Ok(())
        }
    }
}

/// Whether a name is one of a part, and not of a file that is being written.
fn is_part(name: &str) -> bool {
    let unfinished = UNFINISHED.iter().any(|end| name.to_ascii_lowercase().ends_with(end));
    name.parse::<PartName>().is_ok() && !unfinished
}

impl Fetching<'_> {
    fn all(
        &mut self,
        server: &mut dyn Transport,
        listed: &[Listed],
        tally: &mut Exchange,
    ) -> Result<()> {
        let look = self.look(listed, tally);
        self.note(&look)?;
        let mut taken = look.repeated;
        if !look.ready.is_empty() {
            taken.extend(self.take(server, &look.ready, tally)?);
        }
        if !self.transport.keep {
            self.remove(server, &taken, tally)?;
        }
        Ok(())
    }

    /// Compares a listing with the ledger.
    fn look(&self, listed: &[Listed], tally: &mut Exchange) -> Look {
        let now = self.tools.wall.now();
        let mut look = Look::default();
        for file in listed {
            if !is_part(&file.name) {
                tally.others += 1;
                continue;
            }
            let known = self.known.get(&file.name);
            let same =
                |known: &&Arrival| known.size == file.size && known.modified == file.modified;
            let before = known.filter(same);
            if before.is_some_and(|before| before.taken) {
                if !self.transport.keep {
                    look.repeated.push(file.clone());
                }
                continue;
            }
            // A clock that went back makes it wait once more.
            let since = before.map(|before| before.since).filter(|since| *since <= now);
            let left = self.unsettled(file, since.unwrap_or(now), now);
            if left.is_zero() {
                look.ready.push(file.clone());
                continue;
            }
            tally.waiting += 1;
            tally.settles = tally.settles.max(Some(left));
            if since.is_none() && !self.is_by_age() {
                let sha256 = known.and_then(|known| known.sha256.clone());
                let (size, modified) = (file.size, file.modified);
                let arrival = Arrival { size, modified, since: now, taken: false, sha256 };
                look.noted.push((file.name.clone(), arrival));
            }
        }
        let there: BTreeSet<&str> = listed.iter().map(|file| file.name.as_str()).collect();
        // A kept file is remembered a while longer: a listing may lag.
        let limit = self.tools.clock.now() - self.tools.settings.spool.retention;
        let forgotten =
            |known: &Arrival| !known.taken || !self.transport.keep || known.since < limit;
        let gone = self
            .known
            .iter()
            .filter(|(name, known)| !there.contains(name.as_str()) && forgotten(known));
        look.gone = gone.map(|(name, _)| name.clone()).collect();
        look
    }

    /// Whether the times over there are of our own clock.
    fn is_by_age(&self) -> bool {
        matches!(self.transport.way, Way::Folder(_))
    }

    /// How long until a file counts as whole: by its age where that can be told, else by how long
    /// we have seen it unchanged.
    fn unsettled(&self, file: &Listed, since: Timestamp, now: Timestamp) -> Duration {
        let settle = self.tools.settings.spool.settle;
        if settle.is_zero() {
            return Duration::ZERO;
        }
        if !self.is_by_age() {
            return settle.saturating_sub((now - since).to_std().unwrap_or_default());
        }
        let modified = Timestamp::from_timestamp(file.modified, 0).unwrap_or_default();
        match (now - modified).to_std() {
            // The time is known to the second below.
            Ok(age) => (settle + Duration::from_secs(1)).saturating_sub(age),
            Err(_) => Duration::ZERO,
        }
    }

    fn note(&mut self, look: &Look) -> Result<()> {
        if look.noted.is_empty() && look.gone.is_empty() {
            return Ok(());
        }
        let transaction = self.tools.state.begin()?;
        for (name, arrival) in &look.noted {
            self.tools.state.note_arrival(self.partner, name, arrival)?;
        }
        for name in &look.gone {
            self.tools.state.forget_arrival(self.partner, name)?;
        }
        transaction.commit()
    }

    /// Fetches files; answers those that are ours now, and in the ledger.
    fn take(
        &mut self,
        server: &mut dyn Transport,
        ready: &[Listed],
        tally: &mut Exchange,
    ) -> Result<Vec<Listed>> {
        let tools = self.tools;
        let into = tools.spool.dir("incoming");
        let there: BTreeSet<&str> = ready
            .iter()
            .map(|file| file.name.as_str())
            .filter(|name| into.join(name).exists())
            .collect();
        let mut taken = Vec::new();
        let mut batch: Vec<(Listed, Fetched)> = Vec::new();
        let mut ours = None;
        tools.progress.begin("files", ready.len() as u64);
        let mut done = |file: &Listed, fetched: Result<Fetched>| {
            tools.progress.step();
            match fetched {
                Ok(fetched) => batch.push((file.clone(), fetched)),
                Err(error) if [CHANGED, NOT_FOUND].contains(&error.code) => {
                    tracing::debug!("{}", error.line());
                }
                // The word itself is told below.
                Err(error) if error.code == STOPPED => {}
                Err(error) => tally.fail(&error),
            }
            let bytes: u64 = batch.iter().map(|(file, _)| file.size).sum();
            let full = batch.len() >= BATCH_FILES || bytes >= BATCH_BYTES;
            if full && let Err(error) = self.commit(&mut batch, &there, &mut taken, tally) {
                let told = Error::setup(error.code, error.what.clone());
                ours = Some(error);
                return Err(told);
            }
            tools.stop.go_on()
        };
        let fetched = server.fetch(ready, &into, &mut done);
        tools.progress.end();
        if let Some(error) = ours {
            return Err(error);
        }
        self.commit(&mut batch, &there, &mut taken, tally)?;
        match fetched {
            Err(error) if error.code != STOPPED => {
                tally.fail(&error);
                // The connection is gone: what was taken is removed at the next exchange.
                taken.clear();
            }
            _ => {}
        }
        Ok(taken)
    }

    /// Writes into the ledger what is durably ours.
    fn commit(
        &mut self,
        batch: &mut Vec<(Listed, Fetched)>,
        there: &BTreeSet<&str>,
        taken: &mut Vec<Listed>,
        tally: &mut Exchange,
    ) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let Tools { state, disk, clock, .. } = self.tools;
        let transaction = state.begin()?;
        for (file, fetched) in &*batch {
            let (size, modified) = (file.size, file.modified);
            let sha256 = fetched.digest.to_string();
            let known = self.known.get(&file.name).and_then(|known| known.sha256.as_ref());
            if known == Some(&sha256) && !there.contains(file.name.as_str()) {
                // The same bytes under the same name, only its time is another.
                disk.remove(&fetched.path)?;
            } else {
                tally.fetched += 1;
                self.log(&file.name)?;
            }
            let since = clock.now();
            let arrival = Arrival { size, modified, since, taken: true, sha256: Some(sha256) };
            state.note_arrival(self.partner, &file.name, &arrival)?;
        }
        transaction.commit()?;
        taken.extend(batch.drain(..).map(|(file, _)| file));
        Ok(())
    }

    /// One line of the log a package.
    fn log(&mut self, name: &str) -> Result<()> {
        let Ok(part) = name.parse::<PartName>() else { return Ok(()) };
        let package = part.package.to_string();
        if !self.logged.insert(package.clone()) {
            return Ok(());
        }
        self.tools.state.log_package(&PackageRow {
            name: package,
            partner: Some(self.partner.to_owned()),
            outcome: "fetched".to_owned(),
            reason: None,
            text: None,
            at: stamp(self.tools.clock.now()),
        })
    }

    /// Removes over there what is ours, and forgets it then: the next file of that name is new.
    fn remove(
        &self,
        server: &mut dyn Transport,
        taken: &[Listed],
        tally: &mut Exchange,
    ) -> Result<()> {
        let mut gone = Vec::new();
        let mut refusals = 0;
        let ended = server.remove_all(taken, &mut |file, outcome| {
            match outcome {
                Ok(Removal::Removed | Removal::Absent) => gone.push(file.name.clone()),
                Ok(Removal::Changed) => {}
                Err(error) => {
                    tally.fail(&error);
                    refusals += 1;
                    let told = Error::new(error.fault, error.code, error.what);
                    return if refusals == MOST_REFUSALS { Err(told) } else { Ok(()) };
                }
            }
            refusals = 0;
            Ok(())
        });
        if let Err(error) = ended {
            tracing::debug!("no more is removed: {}", error.what);
        }
        if gone.is_empty() {
            return Ok(());
        }
        let transaction = self.tools.state.begin()?;
        for name in gone {
            self.tools.state.forget_arrival(self.partner, &name)?;
        }
        transaction.commit()
    }
}
