//! What everybody can see: the world of the workers, and the board of statuses.
//!
//! Workers load the world through an `ArcSwap` once a batch. A publish copies one page of the zone
//! set, however many zones there are (R31); several slots in one call make one swap. What is
//! replaced goes to the reaper, so that freeing a big version never costs a worker or a shard.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::status::ZoneStatus;
use crate::dns::{Name, Serial};
use crate::ident::ZoneId;
use crate::serve::World;
use crate::zone::Slot;

/// How often the reaper looks whether a replaced world is still held.
const REAP_EVERY: Duration = Duration::from_millis(100);

/// The one place where the world is swapped.
pub struct Publisher {
    world: ArcSwap<World>,
    swapping: Mutex<Sender<Arc<World>>>,
    board: Mutex<HashMap<ZoneId, Arc<ZoneStatus>>>,
    changed: Condvar,
}

impl Publisher {
    /// A publisher that shows `world`; replaced worlds go to `retired` (see [`reap`]).
    pub fn new(world: World, retired: Sender<Arc<World>>) -> Publisher {
        Publisher {
            world: ArcSwap::from_pointee(world),
            swapping: Mutex::new(retired),
            board: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// What the workers see.
    pub fn world(&self) -> &ArcSwap<World> {
        &self.world
    }

    /// Shows slots, all in one swap.
    pub fn publish(&self, changes: &[(Name, Option<Arc<Slot>>)]) {
        if !changes.is_empty() {
            self.swap(|world| World { zones: world.zones.with(changes), ..world.clone() });
        }
    }

    /// Replaces anything of the world; `make` sees the present one.
    pub fn swap(&self, make: impl FnOnce(&World) -> World) {
        // One writer at a time: two shards must not build on the same world.
        let retired = self.swapping.lock().expect("no publisher panics while it swaps");
        let next = Arc::new(make(&self.world.load()));
        let before = self.world.swap(next);
        // The reaper ends last; without one the world is freed right here.
        let _ = retired.send(before);
    }

    /// Takes new statuses of zones, in this order; `None` forgets the zone.
    pub fn tell(&self, statuses: impl IntoIterator<Item = (ZoneId, Option<Arc<ZoneStatus>>)>) {
        let mut board = self.board();
        for (zone, status) in statuses {
            match status {
                Some(status) => board.insert(zone, status),
                None => board.remove(&zone),
            };
        }
        drop(board);
        self.changed.notify_all();
    }

    /// The status of one zone.
    pub fn status(&self, zone: ZoneId) -> Option<Arc<ZoneStatus>> {
        self.board().get(&zone).cloned()
    }

    /// The status of every zone, by name.
    pub fn statuses(&self) -> Vec<Arc<ZoneStatus>> {
        let mut all: Vec<_> = self.board().values().cloned().collect();
        all.sort_by_cached_key(|status| status.zone().to_string());
        all
    }

    /// Waits until `holds` says yes of the zone's status, or the time is over.
    pub fn wait(&self, zone: ZoneId, until: Instant, mut holds: impl FnMut(&ZoneStatus) -> bool) -> bool {
        let mut board = self.board();
        loop {
            if board.get(&zone).is_some_and(|status| holds(status)) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            board = self.changed.wait_timeout(board, left).expect("no thread panics with the board").0;
        }
    }

    fn board(&self) -> MutexGuard<'_, HashMap<ZoneId, Arc<ZoneStatus>>> {
        self.board.lock().expect("no thread panics with the board")
    }
}

/// Whether the status shows a published serial that is `wanted` or newer by RFC 1982.
pub fn has_reached(status: &ZoneStatus, wanted: Serial) -> bool {
    status.serial.is_some_and(|serial| !wanted.is_newer_than(Serial(serial)))
}

/// The reaper: keeps replaced worlds until nobody holds them, then frees them. Ends with the
/// publisher.
pub fn reap(retired: Receiver<Arc<World>>) {
    let mut held: Vec<Arc<World>> = Vec::new();
    loop {
        match retired.recv_timeout(REAP_EVERY) {
            Ok(world) => held.push(world),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        held.retain(|world| Arc::strong_count(world) > 1);
        if held.is_empty() {
            // Nothing to look after: sleep until the next publish.
            match retired.recv() {
                Ok(world) => held.push(world),
                Err(_) => return,
            }
        }
    }
}
