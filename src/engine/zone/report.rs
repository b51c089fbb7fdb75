//! The status of a zone, made after each event and told when it changed.

use std::sync::Arc;

use super::{Shown, Source, Zone};
use crate::engine::status::{Problem, SecondaryStatus, ZoneStatus};
use crate::replica::flock::Follower;
use crate::time::{Now, Tick};

impl Zone {
    /// The status, if it is another one than the last that was told.
    pub(in crate::engine) fn changed_status(&mut self, now: Now) -> Option<Arc<ZoneStatus>> {
        let status = self.status(now);
        if self.told.as_deref() == Some(&status) {
            return None;
        }
        let status = Arc::new(status);
        self.told = Some(status.clone());
        Some(status)
    }

    fn status(&self, now: Now) -> ZoneStatus {
        // The two clocks drift apart: what is less than a second is no news.
        let moment = |tick: Tick| (now.wall + tick.since(now.tick)).whole_second();
        let served = self.live.as_ref().filter(|_| self.shown == Shown::Serving);
        let (next_check, expires) = match &self.source {
            Source::File(_) => (None, None),
            Source::Primaries { follow, .. } => (follow.next_round(), follow.expires()),
        };
        ZoneStatus {
            setup: self.setup.clone(),
            state: match self.shown {
                Shown::Loading => "loading",
                Shown::Serving => "serving",
                Shown::Expired => "expired",
                Shown::Faulted => "faulted",
            },
            serial: served.map(|live| live.serial().0),
            records: served.map(|live| live.record_count()),
            problem: self.trouble(),
            held: self.held.as_ref().map(|proposed| proposed.change.after.serial().0),
            durable: self.durable,
            next_check: next_check.map(moment),
            expires: expires.map(moment),
            last_transfer: self.last_transfer.clone(),
            secondaries: self.flock.followers().iter().map(secondary).collect(),
        }
    }
}

impl Zone {
    /// What is wrong: first what the store had lost and what is served though it does not verify, then why
    /// nothing has made up for it yet.
    fn trouble(&self) -> Option<Arc<Problem>> {
        let parts = [self.damage.as_ref(), self.verification.failed(), self.problem.as_ref()];
        let whole = |whole: Arc<Problem>, part: Arc<Problem>| {
            Arc::new(Problem {
                text: format!("{}\n{}: {}", whole.text, part.code, part.text),
                peer: part.peer.or(whole.peer),
                code: whole.code,
            })
        };
        parts.into_iter().flatten().cloned().reduce(whole)
    }
}

fn secondary(follower: &Follower) -> SecondaryStatus {
    SecondaryStatus {
        peer: follower.peer.0,
        acknowledged: follower.acknowledged.map(|(serial, _)| serial.0),
        has: follower.has.map(|(serial, _)| serial.0),
        failure: follower.failure.clone(),
    }
}
