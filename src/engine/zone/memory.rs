//! What of the zone's machines survives a restart: what each secondary is known to have (R17), and
//! which primaries are asked for AXFR only (R14).
//!
//! It rides along with every write of the zone. What changes without one (a secondary took a version,
//! or acknowledged a NOTIFY) is written a minute later, once for all that came meanwhile, or when the
//! server stops; so a NOTIFY never costs a commit. A crash within that minute costs no more than a
//! NOTIFY to a secondary that did not need it.

use std::time::Duration;

use super::{Source, Zone};
use crate::engine::shard::Action;
use crate::time::{Now, Tick};

/// How long changes are gathered before they are written for their own sake.
const REMEMBER_AFTER: Duration = Duration::from_secs(60);

/// What was written of the machines, and when that is to be done again.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The machines' revisions at the last write.
    written: (u64, u64),
    /// They moved on: write then.
    pub(super) due: Option<Tick>,
}

impl Memory {
    /// The machine that follows primaries is a new one, and knows what is written.
    pub(super) fn forget_primaries(&mut self) {
        self.written.1 = 0;
    }
}

impl Zone {
    /// Takes in what an earlier run knew of the secondaries.
    pub(super) fn recall_flock(&mut self, now: Now) {
        self.flock.recall(now, &self.meta.flock);
        self.memory.written = self.revisions();
    }

    /// Puts what the machines know into the meta, which is about to be written.
    pub(super) fn remember(&mut self, now: Now) {
        self.meta.flock = self.flock.memory(now);
        self.meta.follow = match &self.source {
            Source::Primaries { follow, .. } => follow.memory(now),
            Source::File(_) => Vec::new(),
        };
        self.memory = Memory { written: self.revisions(), due: None };
    }

    /// After each event: if the machines have news, they are written in a while.
    pub(in crate::engine) fn gather_news(&mut self, now: Now) {
        if self.memory.due.is_none() && self.has_news() && !self.unsaved {
            self.memory.due = Some(now.tick + REMEMBER_AFTER);
        }
    }

    pub(super) fn write_news_if_due(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.memory.due.is_some_and(|due| now.tick >= due) {
            self.memory.due = None;
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
