//! What of the zone's machines survives a restart: what each secondary is known to have (R17), and
//! which primaries are asked for AXFR only (R14).
//!
//! It rides along with every write of the zone. What changes without one (a secondary took a version,
//! or acknowledged a NOTIFY) is written a minute later, once for all that came meanwhile, or when the
//! server stops; so a NOTIFY never costs a commit. A crash within that minute costs no more than a
//! NOTIFY to a secondary that did not need it.
//!
//! Here is also decided when a body file repeats floor and deadline, in case the database is lost: a
//! day after they first moved on, with whatever is written by then.

use std::time::Duration;

use super::{Source, Zone};
use crate::dns::Serial;
use crate::engine::shard::Action;
use crate::replica::timers::Jitter;
use crate::store::BodyWrite;
use crate::time::{Now, Tick, Wall};

/// How long changes are gathered before they are written for their own sake.
const REMEMBER_AFTER: Duration = Duration::from_secs(60);
/// How long a body file may be behind what is stored of floor and deadline.
const REPEAT_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// The zones of a server that was started repeat within this long, since nobody knows when they last
/// did.
const REPEAT_AT_START: Duration = Duration::from_secs(60 * 60);

/// What was written of the machines, and when that is to be done again.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The machines' revisions at the last write.
    written: (u64, u64),
    /// They moved on: write then.
    due: Option<Tick>,
    /// Floor and deadline that the body last repeated.
    repeated: (Option<Serial>, Option<Wall>),
    /// They moved on: repeat them then.
    repeat_due: Option<Tick>,
}

impl Memory {
    /// The machine that follows primaries is a new one, and knows what is written.
    pub(super) fn forget_primaries(&mut self) {
        self.written.1 = 0;
    }
}

impl Zone {
    /// Takes in what is stored of secondaries of which nothing is known yet.
    pub(super) fn recall_flock(&mut self, now: Now) {
        self.flock.recall(now, &self.meta.flock);
    }

    /// Takes in what an earlier run knew.
    pub(super) fn recall_all(&mut self, now: Now) {
        self.recall_flock(now);
        self.memory.written = self.revisions();
        if self.live.is_some() {
            let mut jitter = Jitter::new(self.settings.seed ^ u64::from(self.setup.id.0));
            self.memory.repeat_due = Some(now.tick + jitter.below(REPEAT_AT_START));
        }
    }

    /// When something is to be written for its own sake.
    pub(super) fn memory_deadline(&self) -> Option<Tick> {
        // What waits for the end of a write has no deadline of its own.
        let due = [self.memory.due, self.memory.repeat_due].into_iter().flatten().min();
        due.filter(|_| !self.unsaved)
    }

    /// What the next write without data does to the body.
    pub(super) fn body_of_save(&mut self, now: Now) -> BodyWrite {
        if self.memory.repeat_due.take_if(|due| now.tick >= *due).is_none() {
            return BodyWrite::Keep;
        }
        self.memory.repeated = (self.meta.serial_floor, self.meta.expire_at);
        BodyWrite::Repeat
    }

    /// Puts what the machines know into the meta, which is about to be written.
    pub(super) fn remember(&mut self, now: Now) {
        self.meta.flock = self.flock.memory(now);
        self.meta.follow = match &self.source {
            Source::Primaries { follow, .. } => follow.memory(now),
            Source::File(_) => Vec::new(),
        };
        self.memory.written = self.revisions();
        self.memory.due = None;
    }

    /// After each event: what moved on is written in a while.
    pub(in crate::engine) fn gather_news(&mut self, now: Now) {
        if self.memory.due.is_none() && self.has_news() && !self.unsaved {
            self.memory.due = Some(now.tick + REMEMBER_AFTER);
        }
        let moved = self.memory.repeated != (self.meta.serial_floor, self.meta.expire_at);
        if self.memory.repeat_due.is_none() && moved {
            self.memory.repeat_due = Some(now.tick + REPEAT_AFTER);
        }
    }

    pub(super) fn write_news_if_due(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.memory_deadline().is_some_and(|due| now.tick >= due) {
            self.save(now, out);
        }
    }

    /// The server stops: what is not written yet is written now. A write under way took along what
    /// was known when it began.
    pub(in crate::engine) fn stop(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.has_news() && self.commit.is_none() {
            self.save(now, out);
        }
    }

    fn has_news(&self) -> bool {
        self.revisions() != self.memory.written
    }

    fn revisions(&self) -> (u64, u64) {
        let follow = match &self.source {
            Source::Primaries { follow, .. } => follow.revision(),
            Source::File(_) => 0,
        };
        (self.flock.revision(), follow)
    }
}
