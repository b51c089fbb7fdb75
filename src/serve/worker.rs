//! What a worker keeps from one message to the next and hands to the engine in between.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Counters;
use crate::dns::{Name, RecordType, Serial};
use crate::ident::{PeerId, ZoneId};
use crate::limits::{OBSERVED_MAX, REFUSALS_MAX, REPORTS_MAX};
use crate::reason::Reason;

/// The state of one worker. Whoever drives it takes [`observed`](Self::observed) and
/// [`refused`](Self::refused) away after each batch.
#[derive(Debug, Default)]
pub struct WorkerState {
    /// What configured peers asked: at most [`OBSERVED_MAX`], then they are counted as lost.
    pub observed: Vec<Observation>,
    /// What is worth a line in the log: at most [`REFUSALS_MAX`], then only the counters know.
    pub refused: Vec<Refusal>,
    /// Errors that resolvers reported: at most [`REPORTS_MAX`], the rest is dropped.
    pub reported: Vec<Reported>,
    /// How long its connections are kept without a message, which those who ask are told (RFC 7828).
    pub stream_idle: Duration,
    /// Whether more comes in than it can answer: then refusals and errors are not sent.
    pub is_overloaded: bool,
    /// This worker's counters; anybody may read them.
    pub counters: Arc<Counters>,
}

/// A configured peer asked for a zone, which shows how far it is (R17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The zone.
    pub zone: ZoneId,
    /// Who asked.
    pub peer: PeerId,
    /// For what.
    pub asked: Asked,
}

/// What a peer asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The SOA.
    Soa,
    /// The changes since this serial, which is what the peer has.
    Ixfr(Serial),
    /// The whole zone.
    Axfr,
}

/// A transfer, NOTIFY or signature that was refused. Ordinary queries are only counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// Which rule came nearest, in a sentence, where a rule refused.
    pub detail: Option<String>,
    /// Where the message came from.
    pub from: SocketAddr,
    /// The name in question.
    pub name: Option<Name>,
    /// The key that it was signed with, verified or not.
    pub key: Option<Name>,
}

/// A resolver says that something failed with it (RFC 9567).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// What was asked for.
    pub name: Name,
    /// Its type.
    pub qtype: RecordType,
    /// The INFO-CODE of the extended error (RFC 8914).
    pub info_code: u16,
}

impl WorkerState {
    /// A worker that has seen nothing yet.
    pub fn new() -> WorkerState {
        WorkerState::default()
    }

    pub(super) fn observe(&mut self, observation: Observation) {
        if self.observed.len() < OBSERVED_MAX {
            self.observed.push(observation);
        } else {
            self.counters.count_lost_observation();
        }
    }

    pub(super) fn report(&mut self, reported: Reported) {
        if self.reported.len() < REPORTS_MAX {
            self.reported.push(reported);
        }
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        if self.refused.len() < REFUSALS_MAX {
            self.refused.push(refusal);
        }
    }
}
