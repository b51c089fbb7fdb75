//! The name servers of a zone as secondaries that no config names (`notify_ns`, R17).
//!
//! Their names are in the zone, their addresses in zones that are served here or nowhere: no resolver
//! is asked (F02). They are looked up with each version, and now and then since the other zones change
//! too, or are not there yet when this one is.

use std::time::Duration;

use super::{Shown, Zone};
use crate::dns::{Name, RecordType, rdata};
use crate::engine::shard::Action;
use crate::ident::PeerId;
use crate::time::{Now, Tick};

/// When they are looked up again after a start; the last wait repeats.
const LOOK_AGAIN: [Duration; 3] =
    [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(15 * 60)];

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Servers {
    /// Those that are not configured secondaries anyway.
    found: Vec<PeerId>,
    looks: usize,
    due: Option<Tick>,
}

impl Servers {
    /// When they are looked up next.
    pub(super) fn deadline(&self) -> Option<Tick> {
        self.due
    }
}

impl Zone {
    /// Whoever is told of changes.
    pub(super) fn all_secondaries(&self) -> Vec<PeerId> {
        self.setup.notify.iter().chain(&self.servers.found).copied().collect()
    }

    /// The config says otherwise whom to tell.
    pub(super) fn secondaries_changed(&mut self, now: Now, out: &mut Vec<Action>) {
        let notify = &self.setup.notify;
        let wanted = |peer: &PeerId| self.setup.notify_ns && !notify.contains(peer);
        let found = std::mem::take(&mut self.servers.found).into_iter().filter(wanted).collect();
        self.servers = Servers { found, ..Servers::default() };
        self.flock.set_peers(&self.all_secondaries());
        self.call_flock(now, out);
        self.find_servers(now, out);
    }

    /// Has the name servers of the version that is served looked up.
    pub(super) fn find_servers(&mut self, now: Now, out: &mut Vec<Action>) {
        let live = self.live.as_ref().filter(|_| self.setup.notify_ns);
        self.servers.due = live.map(|_| {
            let wait = LOOK_AGAIN[self.servers.looks.min(LOOK_AGAIN.len() - 1)];
            self.servers.looks += 1;
            now.tick + wait
        });
        if let Some(live) = live.filter(|_| self.shown == Shown::Serving) {
            let servers = live.apex_node().rrset(RecordType::NS);
            let names = servers.iter().flat_map(|rrset| rrset.records());
            let names = names.filter_map(|data| rdata::additional_target(RecordType::NS, data));
            let names: Vec<Name> = names.map(|name| name.to_name()).collect();
            out.push(Action::FindServers(self.setup.id, names));
        }
    }

    pub(super) fn find_servers_if_due(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.servers.due.is_some_and(|due| now.tick >= due) {
            self.find_servers(now, out);
        }
    }

    /// They are these. Whoever is new among them is told.
    pub(in crate::engine) fn servers_found(&mut self, now: Now, peers: Vec<PeerId>, out: &mut Vec<Action>) {
        if !self.setup.notify_ns {
            return;
        }
        let notify = &self.setup.notify;
        let found: Vec<PeerId> = peers.into_iter().filter(|peer| !notify.contains(peer)).collect();
        if found != self.servers.found {
            self.servers.found = found;
            self.flock.set_peers(&self.all_secondaries());
            self.recall_flock(now);
            self.call_flock(now, out);
        }
    }
}
