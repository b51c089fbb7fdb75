//! What follows when every rung was asked: a lower serial taken or not, and how long to wait.

use std::time::Duration;

use super::{Action, Follow, LowerSerial, State};
use crate::replica::ladder;
use crate::time::Tick;

/// Checks after a primary answered below its own hint (R16).
const HINT_RECHECKS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(9), Duration::from_secs(27)];
/// First and longest wait between rounds while we hold no version at all.
const EMPTY_RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));

impl Follow {
    /// Every rung was asked: decide about a lower serial, then wait.
    pub(super) fn end_round(&mut self, now: Tick, out: &mut Vec<Action>) {
        if let Some((peer, _)) = self.round.lower.take()
            && !self.round.confirmed
            && self.accepts_lower(now)
        {
            self.round.rungs = ladder::fetches(&self.primaries, now, peer, false);
            if let Some(rung) = self.round.rungs.pop_front() {
                return self.take(now, rung, true, out);
            }
        }
        self.state = State::Idle;
        self.due = now + self.wait_after_round();
        if let (Some((_, hint)), Some(held)) = (self.round.hint, self.held)
            && hint.is_newer_than(held.serial)
            && let Some(&wait) = HINT_RECHECKS.get(self.rechecks)
        {
            self.rechecks += 1;
            self.pending.get_or_insert(self.round.hint);
            self.due = self.due.min(now + wait);
        } else if self.pending.is_some() {
            self.due = now;
        }
    }

    fn accepts_lower(&mut self, now: Tick) -> bool {
        let since = *self.lower_since.get_or_insert(now);
        match self.setup.lower_serial {
            LowerSerial::Never => false,
            LowerSerial::Alert => self.expired,
            LowerSerial::AcceptAfter(wait) => self.expired || now.since(since) >= wait,
        }
    }

    fn wait_after_round(&mut self) -> Duration {
        let clamps = self.setup.clamps;
        match self.held {
            Some(held) if self.round.confirmed => {
                self.empty_rounds = 0;
                self.jitter.earlier(clamps.refresh(held.timers))
            }
            Some(held) => self.jitter.earlier(clamps.retry(held.timers)),
            None => {
                let wait = EMPTY_RETRY.0.saturating_mul(1 << self.empty_rounds.min(7)).min(EMPTY_RETRY.1);
                self.empty_rounds += 1;
                self.jitter.earlier(wait.min(clamps.retry_max).max(clamps.retry_min.min(EMPTY_RETRY.0)))
            }
        }
    }
}
