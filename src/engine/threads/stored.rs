//! Zones that the store has and the config does not name (R09).
//!
//! A zone that is not named any more when the server starts may have been dropped on purpose or by a
//! slip, and nobody is there to ask: its state stays where it is and `status` says so. It is taken up
//! again when a reload names the zone, serials and history included, and `zone remove` deletes it.
//! While the server runs, a reload that drops a zone deletes it, guarded if there are many.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use super::Engine;
use crate::dns::{Name, NameRef, Serial};
use crate::engine::keeper::Write;
use crate::engine::shard::Ticket;
use crate::engine::status::StoredZone;
use crate::ident::ZoneId;
use crate::reason::Reason;
use crate::store::{BodyWrite, RecoveredZone, ZoneMeta, ZoneWrite};

/// No zone has this handle: the receipt of such a write is nobody's.
const NOBODY: ZoneId = ZoneId(u32::MAX);

/// Their names, with the serial that was served last. What else there is stays on the disk.
#[derive(Default)]
pub(super) struct Stored(Mutex<BTreeMap<Name, Option<Serial>>>);

impl Stored {
    /// Takes note of what no configured zone took.
    pub(super) fn keep(&self, zones: impl Iterator<Item = RecoveredZone>) {
        self.lock().extend(zones.map(|zone| {
            let serial = zone.version.as_ref().map(|version| version.serial());
            (zone.apex, serial.or(zone.meta.serial_floor))
        }));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Option<Serial>>> {
        self.0.lock().expect("no thread panics with the stored zones")
    }
}

impl Engine {
    /// The zones that are stored and not configured, by name.
    pub fn stored(&self) -> Vec<StoredZone> {
        let stored = self.0.stored.lock();
        let zones = stored.iter();
        zones
            .map(|(zone, serial)| StoredZone { zone: zone.to_string(), serial: serial.map(|s| s.0) })
            .collect()
    }

    /// Deletes what is stored of a zone that is not configured; false if there is nothing.
    pub fn forget_stored(&self, apex: NameRef<'_>) -> bool {
        let apex = apex.to_name();
        let found = self.0.stored.lock().remove(&apex).is_some();
        if found {
            let write = ZoneWrite { apex, body: BodyWrite::Forget, meta: ZoneMeta::default() };
            self.to_store(Write::Commit { zone: NOBODY, ticket: Ticket(0), write });
        }
        found
    }

    /// What is stored of a zone that a reload names again.
    pub(super) fn take_stored(&self, apex: &Name) -> Option<RecoveredZone> {
        self.0.stored.lock().remove(apex)?;
        self.0.reader.zone(apex).unwrap_or_else(|error| {
            (self.0.log)(
                NOBODY,
                Reason::StoreDamaged,
                &format!("{apex} begins without its stored state: {error}"),
            );
            None
        })
    }
}

#[cfg(test)]
mod tests;
