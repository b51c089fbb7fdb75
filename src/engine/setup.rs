//! What the engine is told about each zone, and about all of them.

use std::path::PathBuf;

use crate::config::{ColdStart, Durability, Guard, SerialPolicy};
use crate::dns::Name;
use crate::ident::{PeerId, ZoneId};
use crate::replica::follow::LowerSerial;
use crate::replica::timers::Clamps;
use crate::transfer::incoming::TransferLimits;
use crate::zone::{Demands, DigestKey};

/// One zone as it is configured.
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneSetup {
    /// Its handle.
    pub id: ZoneId,
    /// Its apex, spelled as the operator wrote it.
    pub apex: Name,
    /// Where its content comes from.
    pub role: Role,
    /// Who is told of changes.
    pub notify: Vec<PeerId>,
    /// Whether the name servers of the zone are told too, where zones served here have their addresses
    /// (R17).
    pub notify_ns: bool,
    /// R13.
    pub guard: Guard,
    /// What each of its versions must be like (R33, p192).
    pub demands: Demands,
}

/// Where a zone's content comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Role {
    /// A file that people edit.
    Primary {
        /// The zone file.
        file: PathBuf,
        /// R11.
        serial: SerialPolicy,
        /// R02.
        cold_start: ColdStart,
    },
    /// Transfers from primaries.
    Secondary {
        /// In the order of preference.
        primaries: Vec<PeerId>,
        /// Those of them that have a key, so that nobody else can speak for them (R20).
        authenticated: Vec<PeerId>,
        /// Whether IXFR is asked for.
        ixfr: bool,
        /// R20.
        lower_serial: LowerSerial,
        /// How much one transfer may bring (D16).
        limits: TransferLimits,
    },
}

/// What holds for all zones.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Bounds on SOA timers.
    pub clamps: Clamps,
    /// R03.
    pub durability: Durability,
    /// The key of this state directory.
    pub digest_key: DigestKey,
    /// Seeds jitter.
    pub seed: u64,
}
