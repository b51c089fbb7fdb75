//! The rungs of one round: whom to ask, how, and what to try when it fails.
//!
//! IXFR -> IXFR from another primary -> AXFR -> the next primary -> back-off. A primary that does
//! not answer at all loses its remaining rungs in this round and stands last in the next ones until
//! its back-off ends; it is never left out, since it may be the only one.

use std::collections::VecDeque;
use std::time::Duration;

use super::follow::{Failure, FailureClass, FetchKind};
use crate::dns::Serial;
use crate::ident::{PeerId, Transport};
use crate::time::Tick;

/// IXFR failures of the "does not fit" kind after which a primary is asked for AXFR only (R14).
const IXFR_FAILURES_MAX: u8 = 3;
/// How long it stays so (R14).
const AXFR_ONLY: Duration = Duration::from_secs(24 * 60 * 60);
/// First and longest back-off of a primary that cannot be reached.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(640));

/// What we remember of one primary.
#[derive(Clone, Debug)]
pub struct Primary {
    /// Who.
    pub peer: PeerId,
    failures: u32,
    not_before: Tick,
    ixfr_failures: u8,
    axfr_only_until: Option<Tick>,
    /// The last serial that it showed.
    pub seen: Option<Serial>,
    /// Its last failure, for `status`.
    pub failure: Option<Failure>,
}

impl Primary {
    /// A primary of which nothing is known.
    pub fn new(peer: PeerId) -> Primary {
        Primary {
            peer,
            failures: 0,
            not_before: Tick(0),
            ixfr_failures: 0,
            axfr_only_until: None,
            seen: None,
            failure: None,
        }
    }

    /// It answered with this serial.
    pub fn answered(&mut self, serial: Serial) {
        self.failures = 0;
        self.not_before = Tick(0);
        self.seen = Some(serial);
        self.failure = None;
    }

    /// An attempt at it failed. Returns true when this made it AXFR-only.
    pub fn failed(&mut self, now: Tick, failure: Failure) -> bool {
        let class = failure.class;
        self.failure = Some(failure);
        match class {
            FailureClass::Unreachable => {
                let back_off = BACK_OFF.0.saturating_mul(1 << self.failures.min(6)).min(BACK_OFF.1);
                self.failures = self.failures.saturating_add(1);
                self.not_before = now + back_off;
                false
            }
            FailureClass::IxfrInconsistent => {
                self.ixfr_failures = self.ixfr_failures.saturating_add(1);
                let enough = self.ixfr_failures >= IXFR_FAILURES_MAX;
                if enough {
                    self.ixfr_failures = 0;
                    self.axfr_only_until = Some(now + AXFR_ONLY);
                }
                enough
            }
            FailureClass::IxfrRefused | FailureClass::Refused | FailureClass::Garbage => false,
        }
    }

    /// How much longer it is asked for AXFR only.
    pub fn axfr_only_left(&self, now: Tick) -> Option<Duration> {
        self.axfr_only_until.map(|until| until.since(now)).filter(|left| !left.is_zero())
    }

    /// It is asked for AXFR only until then.
    pub fn set_axfr_only(&mut self, until: Tick) {
        self.axfr_only_until = Some(until);
    }

    fn takes_ixfr(&self, now: Tick) -> bool {
        self.axfr_only_until.is_none_or(|until| now >= until)
    }
}

/// One thing to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// Ask for the SOA.
    Check(PeerId, Transport),
    /// Transfer.
    Fetch(PeerId, FetchKind),
}

impl Rung {
    /// Whom it asks.
    pub fn peer(self) -> PeerId {
        match self {
            Rung::Check(peer, _) | Rung::Fetch(peer, _) => peer,
        }
    }
}

/// The peers in the order of the configuration, those in back-off last.
fn in_order(primaries: &[Primary], now: Tick) -> impl Iterator<Item = &Primary> {
    let ready = primaries.iter().filter(move |primary| now >= primary.not_before);
    ready.chain(primaries.iter().filter(move |primary| now < primary.not_before))
}

/// The rungs of a check: each primary over UDP; TCP comes after a UDP failure ([`after_failed_check`]).
pub fn checks(primaries: &[Primary], now: Tick) -> VecDeque<Rung> {
    in_order(primaries, now).map(|primary| Rung::Check(primary.peer, Transport::Udp)).collect()
}

/// The other transport for a check that got no answer over UDP.
pub fn after_failed_check(rung: Rung) -> Option<Rung> {
    match rung {
        Rung::Check(peer, Transport::Udp) => Some(Rung::Check(peer, Transport::Tcp)),
        Rung::Check(..) | Rung::Fetch(..) => None,
    }
}

/// The rungs of a fetch that begins at `first`, if it matters: IXFR from each that may have it, then AXFR.
pub fn fetches(primaries: &[Primary], now: Tick, first: Option<PeerId>, incremental: bool) -> VecDeque<Rung> {
    let mut order: Vec<&Primary> = in_order(primaries, now).collect();
    order.sort_by_key(|primary| Some(primary.peer) != first);
    let mut rungs = VecDeque::new();
    if incremental {
        let able = order.iter().filter(|primary| primary.takes_ixfr(now));
        rungs.extend(able.map(|primary| Rung::Fetch(primary.peer, FetchKind::Ixfr)));
    }
    rungs.extend(order.iter().map(|primary| Rung::Fetch(primary.peer, FetchKind::Axfr)));
    rungs
}
