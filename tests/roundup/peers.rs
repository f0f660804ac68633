//! What may go wrong is tried over the Roundup of this process and, through a [`Gate`], over real
//! ones by either interface.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::MutexGuard;

use engsync::tracker::http::{self, Auth};
use engsync::tracker::roundup::{Interface, Options, Roundup};

use super::subjects::fake::{Fake, Planned, Trouble};
use super::subjects::gate::{self, Gate};
use super::subjects::{alone, fake_options};

/// A Roundup that breaks where it is told to.
pub(crate) struct Peer {
    pub(crate) side: Side,
    pub(crate) ext: bool,
    interface: Interface,
    /// Sets the markers of this one test apart.
    run: u32,
    _alone: Option<MutexGuard<'static, ()>>,
}

pub(crate) enum Side {
    Fake(Fake),
    Real(Gate),
}

impl Peer {
    /// `fake`, `rest` or `xmlrpc`, with the classes for other trackers' identities or without;
    /// `None`: the environment names no real one.
    pub(crate) fn new(name: &str, ext: bool) -> Option<Self> {
        let run = RandomState::new().hash_one(0) as u32;
        let interface = match name {
            "fake" => {
                let side = Side::Fake(Fake::start(ext));
                return Some(Self { side, ext, interface: Interface::Any, run, _alone: None });
            }
            "rest" => Interface::Rest,
            _ => Interface::XmlRpc,
        };
        let variable = if ext { "ENGSYNC_ROUNDUP_EXT" } else { "ENGSYNC_ROUNDUP_PLAIN" };
        let Some(gate) = Gate::start(variable) else {
            eprintln!("SKIPPED: no {variable}; `.ci/roundup.sh start DIR` makes one");
            return None;
        };
        Some(Self { side: Side::Real(gate), ext, interface, run, _alone: Some(alone(variable)) })
    }

    pub(crate) fn is_real(&self) -> bool {
        matches!(self.side, Side::Real(_))
    }

    pub(crate) fn is_xmlrpc(&self) -> bool {
        self.interface == Interface::XmlRpc
    }

    /// The marker of the n-th issue of this test.
    pub(crate) fn marker(&self, n: usize) -> String {
        format!("main/p{:08x}:{n}", self.run)
    }

    /// The partner in [`Peer::marker`].
    pub(crate) fn partner(&self) -> String {
        format!("main/p{:08x}", self.run)
    }

    pub(crate) fn options(&self) -> Options {
        let gate = match &self.side {
            Side::Fake(fake) => return fake_options(fake),
            Side::Real(gate) => gate,
        };
        let (user, password) = gate::login("ENGSYNC_ROUNDUP_LOGIN");
        let auth = Auth::Basic { user: user.clone(), password };
        // A broken connection shows at once.
        let patience = http::Patience { retries: 0, ..http::Patience::default() };
        let http = http::Options { url: gate.url(), auth, patience, ..http::Options::default() };
        Options { http, user, interface: self.interface, ..Options::default() }
    }

    /// Our side, as a process of its own would begin.
    pub(crate) fn tracker(&self) -> Roundup {
        let tracker = Roundup::new(self.options()).unwrap();
        engsync::tracker::Tracker::schema(&tracker).unwrap();
        self.seen();
        tracker
    }

    pub(crate) fn plan(&self, method: &'static str, path: &'static str, trouble: Trouble) {
        self.plan_times(method, path, 1, trouble);
    }

    pub(crate) fn plan_times(
        &self,
        method: &'static str,
        path: &'static str,
        times: usize,
        trouble: Trouble,
    ) {
        match &self.side {
            Side::Fake(fake) => fake.plan_times(method, path, times, trouble),
            Side::Real(gate) => gate.plan(Planned { method, path, times, trouble }),
        }
    }

    /// Nothing goes wrong any more; answers how many troubles were not met.
    pub(crate) fn heal(&self) -> usize {
        match &self.side {
            Side::Fake(fake) => fake.heal(),
            Side::Real(gate) => gate.heal(),
        }
    }

    /// The requests since this was last asked, `GET issue`, as the REST interface has them.
    pub(crate) fn seen(&self) -> Vec<String> {
        match &self.side {
            Side::Fake(fake) => fake.seen(),
            Side::Real(gate) => gate.seen(),
        }
    }

    /// Takes an item away, as an administrator does.
    pub(crate) fn retire(&self, class: &str, id: &str) {
        match &self.side {
            Side::Fake(fake) => fake.retire(class, id),
            Side::Real(gate) => {
                let admin = gate::account(gate.real_url(), "ENGSYNC_ROUNDUP_ADMIN_LOGIN");
                gate::by_hand(&admin, &format!("{class}/{id}"), None);
            }
        }
    }
}
