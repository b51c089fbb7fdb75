//! What follows when every rung was asked: a lower serial taken or not, and how long to wait.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Action, FetchKind, Follow, LowerRun, LowerSerial, State};
use crate::dns::Serial;
use crate::ident::PeerId;
use crate::reason::Reason;
use crate::replica::ladder::Rung;
use crate::time::Tick;

/// Checks after a primary answered below its own hint (R16).
const HINT_RECHECKS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(9), Duration::from_secs(27)];
/// First and longest wait between rounds while we hold no version at all.
const EMPTY_RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));

impl Follow {
    /// Every rung was asked: decide about a lower serial, then wait.
    pub(super) fn end_round(&mut self, now: Tick, out: &mut Vec<Action>) {
        if let Some(peer) = self.round.lower.take()
            && !self.round.confirmed
            && let Some(run) = self.lower.filter(|run| self.is_long_enough(now, *run))
        {
            let text = format!("serial {} was shown for long enough: it is taken", run.serial);
            out.push(Action::Note(Reason::SerialBack, Some(peer), text));
            self.round.any_serial = true;
            self.round.rungs = VecDeque::from([Rung::Fetch(peer, FetchKind::Axfr)]);
            return self.climb(now, out);
        }
        self.state = State::Idle;
        self.rested = Some(now);
        if self.expired && !self.round.any_serial {
            // It expired during this round: now all primaries are asked (R20).
            self.due = now;
            return;
        }
        self.due = now + self.wait_after_round();
        if let (Some((_, hint)), Some(held)) = (self.round.hint, self.held)
            && hint.is_newer_than(held.serial)
            && let Some(&wait) = HINT_RECHECKS.get(self.rechecks)
        {
            self.rechecks += 1;
            self.pending.get_or_insert(self.round.hint);
            self.due = self.due.min(now + wait);
        } else if self.pending.is_some() {
            self.due = self.after_last_hint(now);
        }
    }

    /// A primary showed a serial below ours. Only one that is authenticated counts: for anybody else
    /// a stranger could speak.
    pub(super) fn shown_lower(&mut self, now: Tick, peer: PeerId, serial: Serial) {
        if !self.setup.authenticated.contains(&peer) {
            return;
        }
        self.round.lower = Some(peer);
        let agrees = |run: &LowerRun| serial == run.serial || serial.is_newer_than(run.serial);
        let since = self.lower.filter(agrees).map_or(now, |run| run.since);
        self.lower = Some(LowerRun { serial, since });
    }

    fn is_long_enough(&self, now: Tick, run: LowerRun) -> bool {
        match self.setup.lower_serial {
            LowerSerial::Never | LowerSerial::Alert => false,
            LowerSerial::AcceptAfter(wait) => now.since(run.since) >= wait,
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
