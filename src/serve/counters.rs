//! What a worker counts. Each set has one writer, so counting is a plain load and store.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::dns::ResponseCode;
use crate::ident::Transport;
use crate::policy::rates::Measure;
use crate::reason::Reason;

/// Rcodes up to BADCOOKIE (23) have a counter of their own.
const RCODES: usize = 24;

/// The counters of one worker; sums over all workers are made by whoever reads them.
#[derive(Debug)]
pub struct Counters {
    udp: AtomicU64,
    tcp: AtomicU64,
    tls: AtomicU64,
    https: AtomicU64,
    quic: AtomicU64,
    dropped: AtomicU64,
    truncated: AtomicU64,
    notifies: AtomicU64,
    transfers: AtomicU64,
    lost_observations: AtomicU64,
    limited: [AtomicU64; 3],
    shed: AtomicU64,
    rcodes: [AtomicU64; RCODES],
    reasons: [AtomicU64; Reason::ALL.len()],
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            udp: AtomicU64::new(0),
            tcp: AtomicU64::new(0),
            tls: AtomicU64::new(0),
            https: AtomicU64::new(0),
            quic: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            truncated: AtomicU64::new(0),
            notifies: AtomicU64::new(0),
            transfers: AtomicU64::new(0),
            lost_observations: AtomicU64::new(0),
            limited: [const { AtomicU64::new(0) }; 3],
            shed: AtomicU64::new(0),
            rcodes: [const { AtomicU64::new(0) }; RCODES],
            reasons: [const { AtomicU64::new(0) }; Reason::ALL.len()],
        }
    }
}

impl Counters {
    /// Requests that came in this way.
    pub fn requests(&self, transport: Transport) -> u64 {
        read(self.of(transport))
    }

    /// Messages that got no reply.
    pub fn dropped(&self) -> u64 {
        read(&self.dropped)
    }

    /// Replies with TC.
    pub fn truncated(&self) -> u64 {
        read(&self.truncated)
    }

    /// NOTIFY messages that were believed.
    pub fn notifies(&self) -> u64 {
        read(&self.notifies)
    }

    /// Transfers that were granted.
    pub fn transfers(&self) -> u64 {
        read(&self.transfers)
    }

    /// Observations that found no room.
    pub fn lost_observations(&self) -> u64 {
        read(&self.lost_observations)
    }

    /// Replies over the rate limit about which this was done.
    pub fn limited(&self, measure: Measure) -> u64 {
        self.limited.get(measure as usize).map_or(0, read)
    }

    /// Errors that an overloaded worker left unsent.
    pub fn shed(&self) -> u64 {
        read(&self.shed)
    }

    /// Replies with this rcode; those above BADCOOKIE are not counted.
    pub fn replies(&self, rcode: ResponseCode) -> u64 {
        self.rcodes.get(usize::from(u16::from(rcode))).map_or(0, read)
    }

    /// Refusals for this reason.
    pub fn refusals(&self, reason: Reason) -> u64 {
        self.reasons.get(reason as usize).map_or(0, read)
    }

    pub(super) fn count_request(&self, transport: Transport) {
        bump(self.of(transport));
    }

    fn of(&self, transport: Transport) -> &AtomicU64 {
        match transport {
            Transport::Udp => &self.udp,
            Transport::Tcp => &self.tcp,
            Transport::Tls | Transport::Tls12 => &self.tls,
            Transport::Https => &self.https,
            Transport::Quic => &self.quic,
        }
    }

    pub(super) fn count_drop(&self) {
        bump(&self.dropped);
    }

    pub(super) fn count_truncated(&self) {
        bump(&self.truncated);
    }

    pub(super) fn count_notify(&self) {
        bump(&self.notifies);
    }

    pub(super) fn count_transfer(&self) {
        bump(&self.transfers);
    }

    pub(super) fn count_lost_observation(&self) {
        bump(&self.lost_observations);
    }

    pub(super) fn count_shed(&self) {
        bump(&self.shed);
    }

    pub(super) fn count_limited(&self, measure: Measure) {
        if let Some(counter) = self.limited.get(measure as usize) {
            bump(counter);
        }
    }

    pub(super) fn count_reply(&self, rcode: ResponseCode, reason: Option<Reason>) {
        if let Some(counter) = self.rcodes.get(usize::from(u16::from(rcode))) {
            bump(counter);
        }
        if let Some(counter) = reason.and_then(|reason| self.reasons.get(reason as usize)) {
            bump(counter);
        }
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// One more. Only the worker that owns the counters writes, so no locked instruction is needed.
fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}
