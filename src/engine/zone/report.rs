//! The status of a zone, made after each event and told when it changed.

use std::sync::Arc;

use super::{Shown, Source, Zone};
use crate::engine::setup::Role;
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
        let moment = |tick: Tick| (now.wall + tick.since(now.tick)).to_string();
        let served = self.live.as_ref().filter(|_| self.shown == Shown::Serving);
        let (next_check, expires) = match &self.source {
            Source::File(_) => (None, None),
            Source::Primaries { follow, .. } => (follow.next_round(), follow.expires()),
        };
        ZoneStatus {
            zone: self.setup.apex.to_string(),
            role: match self.setup.role {
                Role::Primary { .. } => "primary",
                Role::Secondary { .. } => "secondary",
            },
            state: match self.shown {
                Shown::Loading => "loading",
                Shown::Serving => "serving",
                Shown::Expired => "expired",
                Shown::Faulted => "faulted",
            },
            serial: served.map(|live| live.serial().0),
            records: served.map(|live| live.record_count()),
            file: match &self.setup.role {
                Role::Primary { file, .. } => Some(file.display().to_string()),
                Role::Secondary { .. } => None,
            },
            problem: self.trouble().map(Box::new),
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
    fn trouble(&self) -> Option<Problem> {
        let parts = [self.damage.as_deref(), self.verification.failed(), self.problem.as_deref()];
        let whole = |whole: Problem, part: Problem| Problem {
            text: format!("{}\n{}: {}", whole.text, part.code, part.text),
            peer: part.peer.or(whole.peer),
            code: whole.code,
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
