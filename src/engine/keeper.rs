//! What is handed to the store and what comes of it: batches, receipts, healing, new bodies.
//!
//! Knows no threads and no clocks, so that the simulator keeps a store just as its thread does.
//! When the disk refuses, writes get a volatile receipt (R03) and the store is opened again with
//! back-off; then every zone whose last write was volatile is written whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::shard::{Event, Ticket};
use crate::dns::Name;
use crate::ident::ZoneId;
use crate::limits::BATCH_ZONES_MAX;
use crate::store::{BodyWrite, Compactor, Healed, PreparedBody, Store, StoreReader, ZoneMeta, ZoneWrite};
use crate::zone::Version;

/// First and longest wait before a refusing disk is tried again.
const HEAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What the store is to write.
#[derive(Debug)]
pub enum Write {
    /// A write that a shard waits for.
    Commit {
        /// For this zone.
        zone: ZoneId,
        /// To be named in the receipt.
        ticket: Ticket,
        /// The write.
        write: ZoneWrite,
    },
    /// A body that was written in the background; `None` if that failed.
    Compacted(Name, Option<PreparedBody>),
}

/// A body to be written in the background, beside the commits.
#[derive(Debug)]
pub struct Rewrite {
    apex: Name,
    version: Arc<Version>,
    meta: Box<ZoneMeta>,
    compactor: Compactor,
}

/// What a batch led to.
#[derive(Debug)]
pub struct Kept {
    /// For the shards.
    pub events: Vec<Event>,
    /// Bodies whose chain has grown long.
    pub rewrites: Vec<Rewrite>,
    /// The disk refused just now: when [`Keeper::heal`] is due.
    pub heal_in: Option<Duration>,
}

/// What an attempt at healing led to.
#[derive(Debug)]
pub struct Mended {
    /// For the shards.
    pub events: Vec<Event>,
    /// The store began anew: every zone is to be told to write itself whole.
    pub rewrite_all: bool,
    /// It still refuses: when [`Keeper::heal`] is due again.
    pub heal_in: Option<Duration>,
}

/// A store with what is remembered between batches.
#[derive(Debug)]
pub struct Keeper {
    store: Store,
    /// Zones whose last write is not on disk, with what to write when it heals.
    volatile: BTreeMap<Name, (ZoneId, BodyWrite, ZoneMeta)>,
    /// Zones whose body is being rewritten, with the newest meta.
    compacting: BTreeMap<Name, ZoneMeta>,
    healing: bool,
    heal_wait: Duration,
}

impl Rewrite {
    /// Writes the body. A failure here loses nothing: the chain only grows until the next try.
    pub fn carry_out(self) -> Write {
        let prepared = self.compactor.write(&self.version, &self.meta).ok();
        Write::Compacted(self.apex, prepared)
    }
}

impl Keeper {
    /// A keeper of a store that was opened.
    pub fn new(store: Store) -> Keeper {
        let (volatile, compacting) = (BTreeMap::new(), BTreeMap::new());
        Keeper { store, volatile, compacting, healing: false, heal_wait: HEAL.0 }
    }

    /// History for transfers.
    pub fn reader(&self) -> StoreReader {
        self.store.reader()
    }

    /// Whether the last write of a zone is only in memory (R03).
    pub fn is_volatile(&self, apex: &Name) -> bool {
        self.volatile.contains_key(apex)
    }

    /// Writes a batch of at most [`BATCH_ZONES_MAX`].
    pub fn commit(&mut self, batch: Vec<Write>) -> Kept {
        let mut writes = Vec::with_capacity(batch.len());
        let mut waiting = Vec::with_capacity(batch.len());
        for write in batch {
            match write {
                Write::Commit { zone, ticket, write } => {
                    if let Some(meta) = self.compacting.get_mut(&write.apex) {
                        *meta = write.meta.clone();
                    }
                    waiting.push((zone, ticket, writes.len()));
                    writes.push(write);
                }
                Write::Compacted(apex, prepared) => {
                    let meta = self.compacting.remove(&apex);
                    if let (Some(prepared), Some(meta)) = (prepared, meta) {
                        writes.push(ZoneWrite { apex, body: BodyWrite::Compacted(prepared), meta });
                    }
                }
            }
        }
        let (receipt, why) = match self.store.commit(&writes) {
            Ok(receipt) => (Some(receipt), None),
            Err(error) => (self.store.volatile_receipt(), Some(error.to_string())),
        };
        let Some(receipt) = receipt else {
            // Neither written nor known to be broken: a bug in the store, not in the disk.
            panic!("the store refused a batch without being broken: {why:?}");
        };
        let heal_in = (!receipt.is_durable() && !self.healing).then_some(self.heal_wait);
        self.healing |= !receipt.is_durable();
        let mut events = Vec::with_capacity(waiting.len());
        for (zone, ticket, at) in waiting {
            match receipt.is_durable() {
                true => drop(self.volatile.remove(&writes[at].apex)),
                false => self.remember(zone, &writes[at]),
            }
            events.push(Event::Synced(zone, ticket, receipt, why.clone()));
        }
        let rewrites = if receipt.is_durable() { self.rewrites(&writes) } else { Vec::new() };
        Kept { events, rewrites, heal_in }
    }

    /// Tries a disk again that refused.
    pub fn heal(&mut self) -> Mended {
        let healed = self.store.heal();
        // The database was unreadable and a new one began: every zone goes in anew.
        let rewrite_all = healed == Ok(Healed::Fresh);
        if healed.is_err() || !self.write_volatile() {
            self.heal_wait = (self.heal_wait * 2).min(HEAL.1);
            return Mended { events: Vec::new(), rewrite_all, heal_in: Some(self.heal_wait) };
        }
        self.heal_wait = HEAL.0;
        self.healing = false;
        let healed = std::mem::take(&mut self.volatile).into_values();
        let events = healed.map(|(zone, ..)| Event::Durable(zone)).collect();
        Mended { events, rewrite_all, heal_in: None }
    }

    fn remember(&mut self, zone: ZoneId, write: &ZoneWrite) {
        let empty = (zone, BodyWrite::Keep, write.meta.clone());
        let entry = self.volatile.entry(write.apex.clone()).or_insert(empty);
        match (&write.body, version(&write.body)) {
            (BodyWrite::Forget, _) => entry.1 = BodyWrite::Forget,
            (_, Some(version)) => entry.1 = BodyWrite::Full(version),
            (_, None) => {}
        }
        entry.2 = write.meta.clone();
    }

    fn rewrites(&mut self, writes: &[ZoneWrite]) -> Vec<Rewrite> {
        let mut rewrites = Vec::new();
        for apex in self.store.rewrite_due() {
            let Some(write) = writes.iter().rfind(|write| write.apex == apex) else { continue };
            let Some(version) = version(&write.body) else { continue };
            if !self.compacting.contains_key(&apex) {
                self.compacting.insert(apex.clone(), write.meta.clone());
                let meta = Box::new(write.meta.clone());
                rewrites.push(Rewrite { apex, version, meta, compactor: self.store.compactor() });
            }
        }
        rewrites
    }

    /// Writes whole what is only in memory.
    fn write_volatile(&mut self) -> bool {
        let writes: Vec<ZoneWrite> = (self.volatile.iter())
            .map(|(apex, (_, body, meta))| ZoneWrite {
                apex: apex.clone(),
                body: body.clone(),
                meta: meta.clone(),
            })
            .collect();
        writes.chunks(BATCH_ZONES_MAX).all(|batch| self.store.commit(batch).is_ok())
    }
}

fn version(body: &BodyWrite) -> Option<Arc<Version>> {
    match body {
        BodyWrite::Full(version) | BodyWrite::Deltas { after: version, .. } => Some(version.clone()),
        BodyWrite::Compacted(_) | BodyWrite::Keep | BodyWrite::Repeat | BodyWrite::Forget => None,
    }
}
