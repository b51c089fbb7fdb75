//! The worker pool: what takes long and needs no order.

use std::sync::mpsc::{Receiver, SendError};
use std::sync::{Arc, Mutex};

use super::Engine;
use crate::config::SerialPolicy;
use crate::engine::keeper::{Rewrite, Write};
use crate::engine::reading;
use crate::engine::setup::Role;
use crate::engine::shard::{Event, FileJob, RollbackJob, VerifyJob};
use crate::engine::watch::Stamped;

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
        engine.spawn(&format!("worker-{number}"), move |engine| {
            loop {
                let next = work.lock().expect("no worker panics while it waits").recv();
                let Ok(next) = next else { return };
                run(&engine, next);
            }
        });
    }
}

fn run(engine: &Engine, work: Work) {
    match work {
        Work::Read(job) => {
            let settled = engine.0.settled.lock().expect("the stamps are only replaced").remove(&job.zone);
            let mut sources = Stamped::default();
            let wall = engine.0.clock.now().wall;
            let key = engine.0.settings.digest_key;
            let result = reading::guarded(|| reading::read_file(&job, &mut sources, key, wall));
            let is_whole = sources.held_still() && !sources.written_since(&settled.unwrap_or_default());
            let result = reading::if_whole(&job, is_whole, result);
            engine.send(Event::Read(job.zone, job.attempt, result));
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
            engine.send(Event::Read(job.zone, job.attempt, result));
        }
        Work::Verify(job) => engine.send(job.carry_out()),
        Work::Compact(rewrite) => engine.to_store(rewrite.carry_out()),
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
