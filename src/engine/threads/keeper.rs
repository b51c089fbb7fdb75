//! The store on its own thread: takes what is queued, waits for more only in a rush, heals when it is due.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::Engine;
use super::workers::Work;
use crate::engine::keeper::{Keeper, Write};
use crate::limits::BATCH_ZONES_MAX;
use crate::store::Store;

/// After a batch of so many writes the next one waits so long for company: it is part of a rush, or, as at a
/// start, of a great one. Every commit costs a write to the disk, however many zones are in it.
const COMPANY: [(usize, Duration); 2] = [(256, Duration::from_millis(60)), (4, Duration::from_millis(20))];

/// Runs until the engine stops and the queue is empty.
pub(super) fn run(store: Store, queue: &Receiver<Write>, engine: &Engine) {
    let mut keeper = Keeper::new(store);
    let mut heal_at: Option<Instant> = None;
    let mut company = Duration::ZERO;
    let after = |wait: Duration| Instant::now() + wait;
    loop {
        let wait = heal_at.map(|at| at.saturating_duration_since(Instant::now()));
        let first = match wait {
            Some(wait) => queue.recv_timeout(wait),
            None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match first {
            Ok(first) => {
                let batch = batch(queue, first, company);
                let waits = COMPANY.iter().find(|(writes, _)| batch.len() >= *writes);
                company = waits.map_or(Duration::ZERO, |(_, wait)| *wait);
                let kept = keeper.commit(batch);
                engine.send_all(kept.events);
                kept.rewrites.into_iter().for_each(|rewrite| engine.to_workers(Work::Compact(rewrite)));
                heal_at = heal_at.or(kept.heal_in.map(after));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if heal_at.is_some_and(|at| Instant::now() >= at) {
            let mended = keeper.heal();
            if mended.rewrite_all {
                engine.rewrite_all();
            }
            engine.send_all(mended.events);
            heal_at = mended.heal_in.map(after);
        }
    }
}

/// What is queued, up to a batch, and what comes within the time for company. To sleep through that is
/// cheaper than to be woken by every write.
fn batch(queue: &Receiver<Write>, first: Write, company: Duration) -> Vec<Write> {
    if !company.is_zero() {
        std::thread::sleep(company);
    }
    let mut batch = vec![first];
    batch.extend(queue.try_iter().take(BATCH_ZONES_MAX - 1));
    batch
}
