//! The store on its own thread: takes what is queued, never waits for more, heals when it is due.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::Engine;
use super::workers::Work;
use crate::engine::keeper::{Keeper, Write};
use crate::limits::BATCH_ZONES_MAX;
use crate::store::Store;

/// Runs until the engine stops and the queue is empty.
pub(super) fn run(store: Store, queue: &Receiver<Write>, engine: &Engine) {
    let mut keeper = Keeper::new(store);
    let mut heal_at: Option<Instant> = None;
    let after = |wait: Duration| Instant::now() + wait;
    loop {
        let wait = heal_at.map(|at| at.saturating_duration_since(Instant::now()));
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
                let kept = keeper.commit(batch);
                kept.events.into_iter().for_each(|event| engine.send(event));
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
            mended.events.into_iter().for_each(|event| engine.send(event));
            heal_at = mended.heal_in.map(after);
        }
    }
}
