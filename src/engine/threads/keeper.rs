//! The store on its own thread: takes what is queued, commits it together, hands out receipts.
//!
//! It never waits for more. When the disk refuses, writes get a volatile receipt (R03) and the store
//! is opened again with back-off; then every zone that was volatile is written whole.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::Engine;
use super::workers::Work;
use crate::dns::Name;
use crate::engine::shard::{Event, Ticket};
use crate::ident::ZoneId;
use crate::limits::BATCH_ZONES_MAX;
use crate::store::{BodyWrite, Healed, PreparedBody, Store, ZoneMeta, ZoneWrite};
use crate::zone::Version;

/// First and longest wait before a refusing disk is tried again.
const HEAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What the store thread is given.
pub(super) enum Write {
    /// A write that a shard waits for.
    Commit {
        /// For this zone.
        zone: ZoneId,
        /// To be named in the receipt.
        ticket: Ticket,
        /// The write.
        write: ZoneWrite,
    },
    /// A body that a worker wrote in the background.
    Compacted(Name, Option<PreparedBody>),
}

/// What the thread remembers between batches.
struct Keeper<'a> {
    store: Store,
    engine: &'a Engine,
    /// Zones whose last write is not on disk, with what to write when it heals.
    volatile: HashMap<Name, (ZoneId, BodyWrite, ZoneMeta)>,
    /// Zones whose body is being rewritten, with the newest meta.
    compacting: HashMap<Name, ZoneMeta>,
    heal_at: Option<Instant>,
    heal_wait: Duration,
}

/// Runs until the engine stops and the queue is empty.
pub(super) fn run(store: Store, queue: &Receiver<Write>, engine: &Engine) {
    let mut keeper = Keeper {
        store,
        engine,
        volatile: HashMap::new(),
        compacting: HashMap::new(),
        heal_at: None,
        heal_wait: HEAL.0,
    };
    loop {
        let wait = keeper.heal_at.map(|at| at.saturating_duration_since(Instant::now()));
        let first = match wait {
            Some(wait) => queue.recv_timeout(wait),
            None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match first {
            Ok(first) => {
                let mut batch = vec![first];
                while batch.len() < BATCH_ZONES_MAX
                    && let Ok(more) = queue.try_recv()
                {
                    batch.push(more);
                }
                keeper.commit(batch);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        keeper.heal_if_due();
    }
}

impl Keeper<'_> {
    fn commit(&mut self, batch: Vec<Write>) {
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
        if !receipt.is_durable() && self.heal_at.is_none() {
            self.heal_at = Some(Instant::now() + self.heal_wait);
        }
        for (zone, ticket, at) in waiting {
            let write = &writes[at];
            if receipt.is_durable() {
                self.volatile.remove(&write.apex);
            } else {
                let empty = (zone, BodyWrite::Keep, write.meta.clone());
                let entry = self.volatile.entry(write.apex.clone()).or_insert(empty);
                match (&write.body, version(&write.body)) {
                    (BodyWrite::Forget, _) => entry.1 = BodyWrite::Forget,
                    (_, Some(version)) => entry.1 = BodyWrite::Full(version),
                    (_, None) => {}
                }
                entry.2 = write.meta.clone();
            }
            self.engine.send(Event::Synced(zone, ticket, receipt, why.clone()));
        }
        if receipt.is_durable() {
            self.start_rewrites(&writes);
        }
    }

    /// Bodies whose chain has grown long are written anew by a worker, beside the commits.
    fn start_rewrites(&mut self, writes: &[ZoneWrite]) {
        for apex in self.store.rewrite_due() {
            let Some(write) = writes.iter().rfind(|write| write.apex == apex) else { continue };
            let Some(version) = version(&write.body) else { continue };
            if !self.compacting.contains_key(&apex) {
                self.compacting.insert(apex.clone(), write.meta.clone());
                let work = Work::Compact {
                    apex,
                    version,
                    meta: Box::new(write.meta.clone()),
                    compactor: self.store.compactor(),
                };
                self.engine.to_workers(work);
            }
        }
    }

    fn heal_if_due(&mut self) {
        if self.heal_at.is_none_or(|at| Instant::now() < at) {
            return;
        }
        self.heal_at = None;
        let healed = match self.store.heal() {
            Ok(Healed::Intact) => self.write_volatile(),
            Ok(Healed::Fresh) => {
                // The database was unreadable and a new one began: every zone goes in anew.
                self.engine.rewrite_all();
                self.write_volatile()
            }
            Err(_) => false,
        };
        if healed {
            self.heal_wait = HEAL.0;
            for (_, (zone, ..)) in self.volatile.drain() {
                self.engine.send(Event::Durable(zone));
            }
        } else {
            self.heal_wait = (self.heal_wait * 2).min(HEAL.1);
            self.heal_at = Some(Instant::now() + self.heal_wait);
        }
    }

    /// Writes whole what is only in memory.
    fn write_volatile(&mut self) -> bool {
        let writes: Vec<ZoneWrite> = self
            .volatile
            .iter()
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
        BodyWrite::Compacted(_) | BodyWrite::Keep | BodyWrite::Forget => None,
    }
}
