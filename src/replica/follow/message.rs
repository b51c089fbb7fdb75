//! What goes into the following machine and what comes out of it.

use std::time::Duration;

use crate::dns::Serial;
use crate::ident::{Attempt, PeerId, Transport};
use crate::reason::Reason;
use crate::replica::timers::{Clamps, SoaTimers};
use crate::time::Tick;

/// How a transfer is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchKind {
    /// Differences from the version we hold (RFC 1995).
    Ixfr,
    /// The whole zone (RFC 5936).
    Axfr,
}

/// What to do when a primary's serial is lower than ours and the zone is not expired (R20).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LowerSerial {
    /// Keep ours and say so.
    Alert,
    /// Accept it once authenticated primaries have agreed on it for this long.
    AcceptAfter(Duration),
    /// Keep ours even after EXPIRE.
    Never,
}

/// The kind of a failure, as far as the ladder cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// Nothing came, or the connection broke before anything came.
    Unreachable,
    /// An rcode other than NOERROR.
    Refused,
    /// IXFR in particular was refused or not understood (E09).
    IxfrRefused,
    /// The differences do not fit what we hold (E08).
    IxfrInconsistent,
    /// What came is not a proper answer (D12, R23), or broke off in the middle.
    Garbage,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The cause, with its code.
    pub reason: Reason,
    /// What the ladder makes of it.
    pub class: FailureClass,
    /// The sentence for `status` and the log.
    pub detail: String,
}

/// What an answer to an SOA query or an IXFR showed of a primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its serial.
    pub serial: Serial,
    /// Its EXPIRE option in seconds, if it sent one.
    pub expire: Option<u32>,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The primary had nothing newer than what we asked from.
    Current(Seen),
    /// A new version was received whole; the engine goes on to store and publish it.
    Changed(Seen),
}

/// What the machine is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Begin: the first check is due after `stagger` (0 for a zone that we hold nothing of).
    Start {
        /// Spreads the first checks of many zones.
        stagger: Duration,
    },
    /// A NOTIFY from a primary of this zone.
    Notify {
        /// Which primary.
        peer: PeerId,
        /// The serial of the SOA that it carried.
        serial: Option<Serial>,
    },
    /// The answer to an `AskSoa`.
    Answered(Attempt, Result<Seen, Failure>),
    /// The end of a `Fetch`.
    Fetched(Attempt, Result<Fetched, Failure>),
    /// The version that the last `Fetch` brought is published, or held by a guard: both confirm the
    /// primary (R18).
    Settled {
        /// Serial and timers of the version that we now serve.
        serial: Serial,
        /// Its timers.
        timers: SoaTimers,
        /// The EXPIRE option that came with it.
        expire: Option<u32>,
    },
    /// The version that the last `Fetch` brought could not be taken.
    Rejected,
    /// The version that the last `Fetch` brought is good, and the disk here refuses it (R03): it is
    /// the primary's word all the same.
    Unstored {
        /// Its serial.
        serial: Serial,
        /// The EXPIRE option that came with it.
        expire: Option<u32>,
    },
    /// The operator wants a check now.
    Refresh,
    /// The operator wants a whole transfer now, whatever the serials say.
    Retransfer,
    /// A deadline may have passed.
    Tick,
}

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask `peer` for the SOA.
    AskSoa(Attempt, PeerId, Transport),
    /// Transfer the zone from `peer`.
    Fetch {
        /// What the result must carry.
        attempt: Attempt,
        /// From whom.
        peer: PeerId,
        /// How.
        kind: FetchKind,
        /// A serial that is not newer than ours is taken as well (R20).
        accept_lower: bool,
    },
    /// Stop a request; its result is not wanted.
    GiveUp(Attempt),
    /// EXPIRE has passed: stop serving.
    Expire,
    /// The EXPIRE deadline moved: store it, and let the served version live so long.
    Deadline(Tick),
    /// Something that the operator should read, and which primary it is about, if it is about one.
    Note(Reason, Option<PeerId>, String),
}

/// The version that we hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its serial.
    pub serial: Serial,
    /// Its timers.
    pub timers: SoaTimers,
}

/// How the machine is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Whom we follow, in the order of preference.
    pub primaries: Vec<PeerId>,
    /// Those of them that prove who they are.
    pub authenticated: Vec<PeerId>,
    /// Whether IXFR is asked for at all.
    pub ixfr: bool,
    /// R20.
    pub lower_serial: LowerSerial,
    /// Bounds on the SOA's timers.
    pub clamps: Clamps,
}
