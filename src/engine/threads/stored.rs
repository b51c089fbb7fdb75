//! Zones that the store has and the config does not name (R09).
//!
//! A zone that is not named any more when the server starts may have been dropped on purpose or by a
//! slip, and nobody is there to ask: its state stays where it is and `status` says so. It is taken up
//! again when a reload names the zone, serials and history included, and `zone remove` deletes it.
//! While the server runs, a reload that drops a zone deletes it, guarded if there are many.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, MutexGuard};

use super::Engine;
use crate::dns::{Name, NameRef, Serial};
use crate::engine::shard::Event;
use crate::engine::status::StoredZone;
use crate::ident::ZoneId;
use crate::reason::Reason;
use crate::store::RecoveredZone;

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

    /// Deletes what is stored of a zone that is not configured, if there is anything; the reply comes
    /// when it is gone.
    pub fn forget_stored(&self, apex: NameRef<'_>) -> Option<Receiver<Result<String, String>>> {
        let apex = apex.to_name();
        self.0.stored.lock().remove(&apex)?;
        let (token, receiver) = self.expect_reply();
        self.send(Event::Discard(apex, token));
        Some(receiver)
    }

    /// What is stored of a zone that a reload names again.
    pub(super) fn take_stored(&self, apex: &Name) -> Option<RecoveredZone> {
        self.0.stored.lock().remove(apex)?;
        self.0.reader.zone(apex).unwrap_or_else(|error| {
            (self.0.log)(
                ZoneId::NOBODY,
                Reason::StoreDamaged,
                None,
                &format!("{apex} begins without its stored state: {error}"),
            );
            None
        })
    }
}

#[cfg(test)]
mod tests;
