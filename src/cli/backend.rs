//! The tracker of the configuration.

use std::ops::Deref;
use std::rc::Rc;

use super::secret;
use crate::exchange::Login;
use crate::tracker::embedded::Embedded;
use crate::tracker::http::{Auth, Secret};
use crate::tracker::{Tracker, jira, planned::Planned, roundup};
use crate::{Clock, Error, Result, USAGE};

/// The tracker that a configuration names, opened.
pub(super) enum Backend {
    /// Our own.
    Embedded(Box<Embedded>),
    /// One behind a network.
    Remote(Box<dyn Tracker>),
}

impl Backend {
    /// The embedded tracker, for those who work on it directly.
    ///
    /// # Errors
    /// When the configuration names another one.
    pub(super) fn embedded(&self) -> Result<&Embedded> {
        match self {
            Self::Embedded(tracker) => Ok(tracker),
            Self::Remote(_) => {
                let what = "`engsync tracker` is for the embedded tracker only";
                let hint = "the configuration names another one: work on its issues over there; `engsync schema` shows its fields";
                Err(Error::setup(USAGE, what).hint(hint))
            }
        }
    }

    /// A Jira; nothing is sent yet.
    pub(super) fn jira(options: jira::Options, login: &Login) -> Result<Self> {
        let mut options = options;
        options.http.auth = auth(login)?;
        Ok(Self::Remote(Box::new(jira::Jira::new(options)?)))
    }

    /// A Roundup; nothing is sent yet.
    pub(super) fn roundup(options: roundup::Options, login: &Login) -> Result<Self> {
        let mut options = options;
        options.http.auth = auth(login)?;
        Ok(Self::Remote(Box::new(roundup::Roundup::new(options)?)))
    }

    /// The same for a dry run: nothing is written to it.
    pub(super) fn planned(self, clock: Rc<dyn Clock>) -> Self {
        match self {
            Self::Remote(tracker) => Self::Remote(Box::new(Planned::new(tracker, clock))),
            embedded => embedded,
        }
    }
}

impl Deref for Backend {
    type Target = dyn Tracker;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Embedded(tracker) => &**tracker,
            Self::Remote(tracker) => tracker.as_ref(),
        }
    }
}

fn auth(login: &Login) -> Result<Auth> {
    Ok(match login {
        Login::None => Auth::None,
        Login::Basic(user, password) => {
            Auth::Basic { user: user.clone(), password: Secret::new(&secret::read(password)?) }
        }
        Login::Bearer(token) => Auth::Bearer(Secret::new(&secret::read(token)?)),
    })
}
