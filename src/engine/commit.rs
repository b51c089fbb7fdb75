//! The only way to publish: `Proposed -> Checked -> Journaled -> Published`, in this order by type.
//!
//! Only `store/` can make a [`Receipt`], only a [`Journaled`] version can become a [`Slot`] that
//! serves it, and only a [`Published`] one has something to notify. A version is durable before
//! anybody can see it (R07), or its receipt says that it is volatile (R03).

use std::sync::Arc;
use std::time::Duration;

use super::guard;
use crate::config::{Durability, Guard, GuardAction};
use crate::dns::soa::Soa;
use crate::dns::{Name, Serial};
use crate::ident::{PeerId, ZoneId};
use crate::reason::Reason;
use crate::replica::flock;
use crate::replica::timers::SoaTimers;
use crate::store::{BodyWrite, Receipt, ZoneMeta, ZoneWrite};
use crate::transfer::incoming::Form;
use crate::zone::{Change, Lease, Loss, Slot, SlotState, Version};

/// Where a proposal comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A zone file with this hash.
    File {
        /// BLAKE3 of the file.
        hash: [u8; 32],
        /// Whether we chose its serial: such a version must be durable (R03).
        serial_is_ours: bool,
    },
    /// A transfer.
    Transfer {
        /// From whom.
        peer: PeerId,
        /// How it came: whole, or as differences.
        form: Form,
        /// The EXPIRE option that came with it, in seconds.
        expire: Option<u32>,
        /// The machine allowed a serial that is not newer (R20).
        accept_lower: bool,
    },
    /// An operator went back to an earlier version (R12).
    Rollback,
}

impl Origin {
    /// The primary that sent it, if one did.
    pub fn peer(&self) -> Option<PeerId> {
        match self {
            Origin::Transfer { peer, .. } => Some(*peer),
            Origin::File { .. } | Origin::Rollback => None,
        }
    }
}

/// A version that somebody wants to publish.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// The version and what lies between it and its base.
    pub change: Change,
    /// Where it comes from.
    pub origin: Origin,
}

/// Why a proposal is not taken.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// It was computed against a version that is not the live one any more: compute it again.
    Stale,
    /// Its serial is not newer than what was published.
    SerialNotNewer {
        /// What was published.
        floor: Serial,
        /// What is proposed.
        serial: Serial,
    },
    /// The guard holds it until it is confirmed (R13).
    Held(Box<Proposed>),
}

/// A version that may be written.
#[derive(Clone, Debug)]
pub struct Checked {
    proposed: Proposed,
    /// The guard tripped, but only alarms.
    pub loss: Option<Loss>,
    cut_history: bool,
}

/// A version that is written, as its receipt says.
#[derive(Debug)]
pub struct Journaled {
    checked: Checked,
    receipt: Receipt,
}

/// A version that everybody can see.
#[derive(Clone, Debug)]
pub struct Published {
    /// The version.
    pub version: Arc<Version>,
    /// Where it came from.
    pub origin: Origin,
    /// False: it may be lost in a crash (R03).
    pub durable: bool,
}

impl Proposed {
    /// Checks the proposal against what is live and what was ever published.
    pub fn check(
        self,
        live: Option<&Arc<Version>>,
        floor: Option<Serial>,
        guard: &Guard,
        confirmed: bool,
    ) -> Result<Checked, Refusal> {
        let same = match (&self.change.base, live) {
            (None, None) => true,
            (Some(base), Some(live)) => base.digest() == live.digest() && base.serial() == live.serial(),
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !same {
            return Err(Refusal::Stale);
        }
        let serial = self.change.after.serial();
        let forward = floor.is_none_or(|floor| serial.is_newer_than(floor));
        if !forward && !self.may_go_back(live, floor, serial) {
            let floor = floor.unwrap_or(serial);
            return Err(Refusal::SerialNotNewer { floor, serial });
        }
        let loss = Some(self.change.loss).filter(|loss| guard::trips(guard, loss));
        match (loss, guard.action) {
            (Some(_), GuardAction::Hold) if !confirmed => Err(Refusal::Held(Box::new(self))),
            (_, GuardAction::Off) => Ok(Checked { proposed: self, loss: None, cut_history: !forward }),
            (loss, _) => Ok(Checked { proposed: self, loss, cut_history: !forward }),
        }
    }

    /// R20: an expired zone, or an operator's retransfer; and what brings back, whole or in part,
    /// what was lost of the store (R01).
    fn may_go_back(&self, live: Option<&Arc<Version>>, floor: Option<Serial>, serial: Serial) -> bool {
        let restores = floor == Some(serial) && live.is_none_or(|live| live.serial() != serial);
        match self.origin {
            // Without a version there is nobody to whom the serial could go back.
            Origin::Transfer { accept_lower, .. } => accept_lower || restores || live.is_none(),
            Origin::File { .. } => restores,
            Origin::Rollback => false,
        }
    }
}

impl Checked {
    /// The version.
    pub fn version(&self) -> &Arc<Version> {
        &self.proposed.change.after
    }

    /// Where it comes from.
    pub fn origin(&self) -> Origin {
        self.proposed.origin
    }

    /// What the store is to write. A full rewrite writes a body and no delta (R05).
    pub fn write(&self, apex: &Name, meta: ZoneMeta) -> ZoneWrite {
        let change = &self.proposed.change;
        let body = if change.deltas.is_empty() || self.cut_history {
            BodyWrite::Full(change.after.clone())
        } else {
            BodyWrite::Deltas { deltas: change.deltas.clone(), after: change.after.clone() }
        };
        ZoneWrite { apex: apex.clone(), body, meta }
    }

    /// The store wrote it. A volatile receipt does not do for a serial that we chose, which a crash
    /// could give out twice, nor where the operator requires durability (R03).
    pub fn journaled(self, receipt: Receipt, durability: Durability) -> Result<Journaled, Reason> {
        let ours =
            matches!(self.proposed.origin, Origin::File { serial_is_ours: true, .. } | Origin::Rollback);
        if !receipt.is_durable() && (ours || durability == Durability::Require) {
            return Err(Reason::StoreRefused);
        }
        Ok(Journaled { checked: self, receipt })
    }
}

impl Journaled {
    /// Makes the slot that shows the version. Its last deltas hang in it, so that a rush after the
    /// NOTIFY never touches the disk.
    pub fn publish(
        self,
        id: ZoneId,
        apex: &Name,
        live: Option<&Arc<Version>>,
        lease: Lease,
    ) -> (Published, Arc<Slot>) {
        let Checked { proposed: Proposed { change, origin }, cut_history, .. } = self.checked;
        let version = if change.deltas.is_empty() || cut_history {
            change.after
        } else {
            let before = live.map(|live| live.recent().to_vec()).unwrap_or_default();
            let chain = before.into_iter().chain(change.deltas);
            Arc::new(Version::clone(&change.after).with_recent(chain))
        };
        let state = SlotState::Serving { version: version.clone(), lease };
        let slot = Arc::new(Slot { id, apex: apex.clone(), state });
        (Published { version, origin, durable: self.receipt.is_durable() }, slot)
    }
}

impl Published {
    /// What the flock is told.
    pub fn notify(&self) -> flock::Event {
        let refresh = timers(&self.version).refresh;
        flock::Event::Published {
            serial: self.version.serial(),
            refresh: Duration::from_secs(u64::from(refresh)),
        }
    }
}

/// The timers of a version's SOA.
pub fn timers(version: &Version) -> SoaTimers {
    let soa = Soa::from_rdata(version.soa().rdata).expect("a version's SOA was checked when it was built");
    SoaTimers { refresh: soa.refresh, retry: soa.retry, expire: soa.expire }
}
