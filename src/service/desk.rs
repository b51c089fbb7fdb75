//! The engine as the sockets see it, and the network as the engine sees it.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::Guard;

use super::names::Names;
use super::reports::Reports;
use crate::dns::edns::ede_meaning;
use crate::dns::{Name, Serial};
use crate::engine::shard::Event;
use crate::engine::watch::os::Watcher;
use crate::engine::{Engine, Job, Log, Outside};
use crate::ident::{Attempt, PeerId, ZoneId};
use crate::limits::NAME_SERVERS_TOLD_MAX;
use crate::net::upstream::Upstream;
use crate::net::{Delivery, Desk};
use crate::reason::Reason;
use crate::serve::{Observation, Refusal, Reported, World};
use crate::time::{Now, Tick};
use crate::transfer::incoming::TransferError;
use crate::zone::{Delta, Version};

/// What the sockets look at and report to.
pub(super) struct Front {
    engine: Engine,
    reports: Arc<Reports>,
    /// By cause: when a line was last written, and how many were left out since (R26).
    said: Mutex<HashMap<Reason, (Tick, u64)>>,
}

/// Least time between two log lines about refusals of one cause.
const REFUSAL_LINE_EVERY: Duration = Duration::from_secs(1);

impl Front {
    pub(super) fn new(engine: Engine, reports: Arc<Reports>) -> Front {
        Front { engine, reports, said: Mutex::default() }
    }
}

impl Front {
    /// Whether a line about this cause may be written now, with how many were left out before it.
    fn may_say(&self, reason: Reason) -> Option<u64> {
        let now = self.now().tick;
        let mut said = self.said.lock().expect("no thread panics while it counts refusals");
        match said.get_mut(&reason) {
            Some((last, left_out)) if now.since(*last) < REFUSAL_LINE_EVERY => {
                *left_out += 1;
                None
            }
            Some((last, left_out)) => {
                *last = now;
                Some(std::mem::take(left_out))
            }
            None => {
                said.insert(reason, (now, 0));
                Some(0)
            }
        }
    }
}

impl Desk for Front {
    fn world(&self) -> Guard<Arc<World>> {
        self.engine.world().load()
    }

    fn now(&self) -> Now {
        self.engine.clock().now()
    }

    fn notified(&self, zone: ZoneId, from: PeerId, serial: Option<Serial>) {
        self.engine.send(Event::Notify { zone, from, serial });
    }

    fn observed(&self, seen: &[Observation]) {
        self.engine.send_all(seen.iter().map(|seen| Event::Observed(*seen)));
    }

    fn delivered(&self, sent: &[Delivery]) {
        let event = |sent: &Delivery| Event::Delivered(sent.zone, sent.to, sent.serial);
        self.engine.send_all(sent.iter().map(event));
    }

    fn reported(&self, reported: Reported) {
        let zone = self.world().zones.find(reported.name.as_ref()).map(|slot| slot.apex.clone());
        if let Some(left_out) = self.may_say(Reason::ErrorReported) {
            let zone = zone.as_ref().map(Name::to_string);
            let (code, meaning) = (reported.info_code, ede_meaning(reported.info_code));
            let reason = Reason::ErrorReported;
            tracing::warn!(
                code = reason.code(), zone, name = %reported.name, qtype = %reported.qtype,
                extended_error = code, meaning, left_out, "{}", reason.text()
            );
        }
        self.reports.count(reported, zone, self.now().wall);
    }

    fn refused(&self, refusal: Refusal) {
        let Refusal { reason, detail, from, name, key } = refusal;
        let Some(left_out) = self.may_say(reason) else { return };
        let name = name.map(|name| name.to_string());
        let key = key.map(|key| key.to_string());
        let detail = detail.as_deref().unwrap_or(reason.text());
        tracing::info!(code = reason.code(), %from, name, key, left_out, "{detail}");
    }

    fn history(&self, version: &Version, from: Serial) -> Vec<Arc<Delta>> {
        match self.engine.reader().history(version, from) {
            Ok(chain) => chain.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(zone = %version.apex(), %error, "history cannot be read; the whole zone is sent");
                Vec::new()
            }
        }
    }
}

/// Where a name server is asked that is known by its name only.
const DNS_PORT: u16 = 53;

/// Carries requests out: finds the peer's address and key, and hands over.
pub(super) struct Outward {
    engine: Engine,
    upstream: Upstream,
    watcher: Watcher,
    names: Names,
    /// Where this server listens.
    listen: Vec<SocketAddr>,
}

impl Outward {
    pub(super) fn new(
        engine: Engine,
        upstream: Upstream,
        watcher: Watcher,
        names: Names,
        listen: Vec<SocketAddr>,
    ) -> Outward {
        Outward { engine, upstream, watcher, names, listen }
    }

    /// Whether a message to this address would come to ourselves. Behind a translation of addresses
    /// nobody can tell; then we hear our own NOTIFY, and refuse it.
    fn is_ours(&self, address: SocketAddr) -> bool {
        self.listen.iter().any(|ours| {
            let same = ours.ip().to_canonical() == address.ip();
            // Only an address of this machine can be bound.
            let any = || ours.ip().is_unspecified() && UdpSocket::bind((address.ip(), 0)).is_ok();
            ours.port() == address.port() && (same || any())
        })
    }
}

impl Outside for Outward {
    fn ask(&self, mut job: Job) {
        let world = self.engine.world().load();
        let key = world.peers.get(job.peer).and_then(|peer| peer.key.as_ref());
        job.ask.key = key.and_then(|name| world.keys.find(name.as_ref())).cloned();
        match self.names.address(job.peer) {
            Some(to) => self.upstream.ask(job.zone, job.attempt, to, job.ask),
            None => {
                let gone = TransferError::Unreachable(String::from("the peer is not configured any more"));
                self.engine.send(Event::Answered(job.zone, job.attempt, Err(gone)));
            }
        }
    }

    fn find_servers(&self, zone: ZoneId, names: Vec<Name>) {
        let world = self.engine.world().load();
        let tick = self.engine.clock().now().tick;
        let hosts = names.iter().flat_map(|name| world.zones.addresses_of(name.as_ref(), tick));
        let mut addresses: Vec<SocketAddr> = hosts
            .map(|host| SocketAddr::new(host.to_canonical(), DNS_PORT))
            .filter(|address| !self.is_ours(*address))
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(NAME_SERVERS_TOLD_MAX);
        self.engine.send(Event::Servers(zone, self.names.found(zone, &addresses)));
    }

    fn cancel(&self, zone: ZoneId, attempt: Attempt) {
        self.upstream.cancel(zone, attempt);
    }

    fn watch(&self, zone: ZoneId, files: Vec<PathBuf>) {
        if files.is_empty() {
            self.watcher.forget(zone);
        } else {
            self.watcher.watch(zone, files);
        }
    }
}

/// Log lines of the engine, with names for handles.
pub(super) fn log(names: Names) -> Log {
    Arc::new(move |zone: ZoneId, reason: Reason, peer: Option<PeerId>, text: &str| {
        let (zone, code) = (names.zone(zone), reason.code());
        let primary = peer.map(|peer| names.peer_at(peer));
        // An error is what somebody must mend here; what the ladder copes with is a warning.
        if code.starts_with("BW-T") || reason == Reason::FileWarning {
            tracing::warn!(zone, code, primary, "{text}");
        } else {
            tracing::error!(zone, code, primary, "{text}");
        }
    })
}
