//! The store of a simulated server: what is queued is written together, a broken disk is healed.
//!
//! Does without a thread what the store's thread does in reality.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bellwether::dns::Name;
use bellwether::engine::shard::{Event, Ticket};
use bellwether::ident::ZoneId;
use bellwether::limits::BATCH_ZONES_MAX;
use bellwether::store::{BodyWrite, Store, StoreReader, ZoneMeta, ZoneWrite};
use bellwether::zone::Version;

/// First and longest wait before a refusing disk is tried again.
const HEAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A store with its queue.
pub struct Keeper {
    store: Store,
    queue: Vec<(ZoneId, Ticket, ZoneWrite)>,
    volatile: BTreeMap<ZoneId, (Name, Option<Arc<Version>>, ZoneMeta)>,
    heal_wait: Duration,
    healing: bool,
}

/// What a batch led to.
pub struct Written {
    /// For the shard.
    pub events: Vec<Event>,
    /// The zones and serials that were written, and whether they are durable.
    pub versions: Vec<(ZoneId, Arc<Version>, bool)>,
    /// When the disk is to be tried again.
    pub heal_in: Option<Duration>,
}

impl Keeper {
    /// A keeper of a store that was opened.
    pub fn new(store: Store) -> Keeper {
        Keeper { store, queue: Vec::new(), volatile: BTreeMap::new(), heal_wait: HEAL.0, healing: false }
    }

    /// History for transfers.
    pub fn reader(&self) -> StoreReader {
        self.store.reader()
    }

    /// Queues a write; true if the queue was empty.
    pub fn queue(&mut self, zone: ZoneId, ticket: Ticket, write: ZoneWrite) -> bool {
        self.queue.push((zone, ticket, write));
        self.queue.len() == 1
    }

    /// Whether what a zone published last is in memory only (R03).
    pub fn is_volatile(&self, zone: ZoneId) -> bool {
        self.volatile.contains_key(&zone)
    }

    /// Writes what is queued.
    pub fn commit(&mut self) -> Written {
        let count = self.queue.len().min(BATCH_ZONES_MAX);
        let batch: Vec<_> = self.queue.drain(..count).collect();
        let writes: Vec<ZoneWrite> = batch.iter().map(|(.., write)| write.clone()).collect();
        let (receipt, why) = match self.store.commit(&writes) {
            Ok(receipt) => (Some(receipt), None),
            Err(error) => (self.store.volatile_receipt(), Some(error.to_string())),
        };
        let receipt = receipt.expect("a store that refuses is broken");
        let durable = receipt.is_durable();
        let heal_in = (!durable && !self.healing).then_some(self.heal_wait);
        self.healing |= !durable;
        let mut written = Written { events: Vec::new(), versions: Vec::new(), heal_in };
        for (zone, ticket, write) in batch {
            let version = version(&write.body);
            if durable {
                self.volatile.remove(&zone);
            } else {
                let entry = self.volatile.entry(zone).or_insert((write.apex, None, write.meta.clone()));
                entry.1 = version.clone().or(entry.1.take());
                entry.2 = write.meta;
            }
            written.versions.extend(version.map(|version| (zone, version, durable)));
            written.events.push(Event::Synced(zone, ticket, receipt, why.clone()));
        }
        written
    }

    /// Tries a disk again that refused; what to tell the shard, or when to try the next time.
    pub fn heal(&mut self) -> Result<Vec<Event>, Duration> {
        if self.store.heal().is_ok() && self.write_volatile() {
            self.heal_wait = HEAL.0;
            self.healing = false;
            return Ok(std::mem::take(&mut self.volatile).into_keys().map(Event::Durable).collect());
        }
        self.heal_wait = (self.heal_wait * 2).min(HEAL.1);
        Err(self.heal_wait)
    }

    fn write_volatile(&mut self) -> bool {
        let writes: Vec<ZoneWrite> = (self.volatile.values())
            .map(|(apex, version, meta)| ZoneWrite {
                apex: apex.clone(),
                body: version.clone().map_or(BodyWrite::Keep, BodyWrite::Full),
                meta: meta.clone(),
            })
            .collect();
        writes.is_empty() || self.store.commit(&writes).is_ok()
    }
}

fn version(body: &BodyWrite) -> Option<Arc<Version>> {
    match body {
        BodyWrite::Full(version) | BodyWrite::Deltas { after: version, .. } => Some(version.clone()),
        BodyWrite::Compacted(_) | BodyWrite::Keep | BodyWrite::Forget => None,
    }
}
