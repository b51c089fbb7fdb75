//! The worker pool: what takes long and needs no order.

use std::sync::mpsc::{Receiver, SendError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Engine;
use crate::config::SerialPolicy;
use crate::engine::keeper::{Rewrite, Write};
use crate::engine::reading;
use crate::engine::setup::Role;
use crate::engine::shard::{Event, FileJob, RollbackJob, VerifyJob};
use crate::engine::watch::Stamped;

/// Results that are handed over together while there is more to do.
const TOGETHER: usize = 32;
/// How long the first of them may wait for the others.
const WAIT_MAX: Duration = Duration::from_millis(2);
/// A file of so many octets is read in much less than that.
const SMALL_OCTETS: u64 = 16 * 1024;

/// What a worker is given.
pub(super) enum Work {
    /// Read a zone file.
    Read(FileJob),
    /// Bring an earlier version back.
    RollBack(RollbackJob),
    /// Verify a version that is served.
    Verify(VerifyJob),
    /// Write a body in the background.
    Compact(Rewrite),
}

/// Starts `count` workers on one queue.
pub(super) fn spawn(engine: &Engine, work: Receiver<Work>, count: usize) {
    let work = Arc::new(Mutex::new(work));
    for number in 0..count {
        let work = work.clone();
        engine.spawn(&format!("worker-{number}"), move |engine| run(&engine, &work));
    }
}

/// Works until the engine stops. Very many small files come at once, as at a start: what they led to goes
/// to the shards in batches, or every one of them would wake a thread.
fn run(engine: &Engine, work: &Mutex<Receiver<Work>>) {
    let mut results = Vec::new();
    let mut sources = Stamped::default();
    loop {
        let next = work.lock().expect("no worker panics while it waits").recv();
        let Ok(mut next) = next else { return };
        let since = Instant::now();
        loop {
            if !is_small(&next, &mut sources) {
                engine.send_all(results.drain(..));
            }
            results.extend(carry_out(engine, next, &mut sources));
            if results.len() >= TOGETHER || since.elapsed() >= WAIT_MAX {
                break;
            }
            // Whoever holds the lock waits for work, so there is none.
            match work.try_lock().ok().and_then(|queue| queue.try_recv().ok()) {
                Some(more) => next = more,
                None => break,
            }
        }
        sources.begin();
        engine.send_all(results.drain(..));
    }
}

/// Whether others may wait for it.
fn is_small(work: &Work, sources: &mut Stamped) -> bool {
    matches!(work, Work::Read(job) if sources.look_ahead(&job.file) <= SMALL_OCTETS)
}

/// What came of it, for the zone's shard. A file that is read was looked at ahead.
fn carry_out(engine: &Engine, work: Work, sources: &mut Stamped) -> Option<Event> {
    match work {
        Work::Read(job) => {
            let settled = engine.0.settled.lock().expect("the stamps are only replaced").remove(&job.zone);
            let wall = engine.0.clock.now().wall;
            let key = engine.0.settings.digest_key;
            let result = reading::guarded(|| reading::read_file(&job, sources, key, wall));
            let is_whole = sources.held_still() && !sources.written_since(&settled.unwrap_or_default());
            let result = reading::if_whole(&job, is_whole, result);
            Some(Event::Read(job.zone, job.attempt, result))
        }
        Work::RollBack(job) => {
            let policy = match engine.zone_setup(job.zone).as_deref().map(|setup| &setup.role) {
                Some(Role::Primary { serial, .. }) => *serial,
                _ => SerialPolicy::Keep,
            };
            let reader = engine.reader();
            let result = reading::guarded(|| {
                reading::roll_back(&job, policy, |version, from| {
                    reader.history(version, from).map_err(|error| error.to_string())
                })
            });
            Some(Event::Read(job.zone, job.attempt, result))
        }
        Work::Verify(job) => Some(job.carry_out()),
        Work::Compact(rewrite) => {
            engine.to_store(rewrite.carry_out());
            None
        }
    }
}

impl Engine {
    /// Queues work; after a stop there is nobody to do it.
    pub(super) fn to_workers(&self, work: Work) {
        if let Some(queue) = &*self.0.workers.lock().expect("no thread panics with its inbox") {
            let sent: Result<(), SendError<Work>> = queue.send(work);
            sent.unwrap_or_default();
        }
    }

    /// Queues a write; after a stop there is nobody to do it.
    pub(super) fn to_store(&self, write: Write) {
        if let Some(queue) = &*self.0.store.lock().expect("no thread panics with its inbox") {
            let sent: Result<(), SendError<Write>> = queue.send(write);
            sent.unwrap_or_default();
        }
    }
}
