//! Parts that come alone once their package was applied: an OFTP server repeats single files.

use std::collections::BTreeMap;

use super::intake::reused;
use super::outcomes::Outcomes;
use super::{Outcome, Partner, Run};
use crate::spool::{Group, Reason};
use crate::state::DUPLICATE;
use crate::{Digest, Result};

/// What such parts are, and whose.
pub(super) struct Stray {
    partner: Partner,
    same: bool,
}

impl Run<'_> {
    /// Compares parts that lie there without the others with the package of their name that was
    /// applied. `None`: there is none, it is not kept any more, or cannot be read now.
    pub(super) fn stray(&self, group: &Group) -> Result<Option<Stray>> {
        match self.compared(group) {
            Err(error) if error.code == crate::DISK => Ok(None),
            done => done,
        }
    }

    fn compared(&self, group: &Group) -> Result<Option<Stray>> {
        let Some(seen) = self.tools.state.seen(&group.name)? else { return Ok(None) };
        let Some(partner) = self.tools.settings.partner(&seen.partner).cloned() else {
            return Ok(None);
        };
        let disk = self.tools.disk;
        let mut known: BTreeMap<u16, Digest> = BTreeMap::new();
        for part in self.tools.spool.applied_parts(&group.name, &seen.content)? {
            known.insert(part.name.index, disk.digest(&part.path)?);
        }
        let mut same = true;
        for part in &group.parts {
            let Some(known) = known.get(&part.name.index) else { return Ok(None) };
            same &= *known == disk.digest(&part.path)?;
        }
        Ok(Some(Stray { partner, same }))
    }

    /// The same again is a duplicate; anything else under an applied name is not to be mixed in.
    pub(super) fn set_stray_aside(&mut self, group: &Group, stray: &Stray) -> Result<()> {
        let doing = self.claim(group)?;
        if stray.same {
            let reason = Reason::new(DUPLICATE, "a part of a package applied before, once more");
            let outcome = Outcome::Duplicate;
            let nothing = Outcomes::default();
            return self.finish(doing, &stray.partner, outcome, Some(&reason), nothing, &[]);
        }
        let text = "a package of this name was applied, with another content of this part";
        let reason = reused(&group.name.to_string(), text);
        self.set_aside(doing, Some(&stray.partner.key), &reason)
    }
}
