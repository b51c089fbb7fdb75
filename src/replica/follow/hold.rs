//! What we hold, and until when: only these functions move the EXPIRE deadline (R18, R19).

use super::{Action, Follow, Held, SoaTimers, State};
use crate::dns::Serial;
use crate::time::Tick;

impl Follow {
    /// A transferred version is published, or held by the guard.
    pub(super) fn settled(
        &mut self,
        now: Tick,
        serial: Serial,
        timers: SoaTimers,
        expire: Option<u32>,
        out: &mut Vec<Action>,
    ) {
        let deadline = self.setup.clamps.transferred(now, timers, expire);
        self.held = Some(Held { serial, timers });
        self.expired = false;
        self.expires = Some(deadline);
        self.lower = None;
        self.force = false;
        self.round.confirmed = true;
        out.push(Action::Deadline(deadline));
        if self.state == State::Settling {
            self.end_round(now, out);
        }
    }

    /// A transferred version could not be taken.
    pub(super) fn rejected(&mut self, now: Tick, out: &mut Vec<Action>) {
        if self.state == State::Settling {
            self.climb(now, out);
        }
    }

    /// The disk refuses a transferred version. The primary is there and has nothing against what we
    /// hold, so that is good for its own EXPIRE (R03, R18), unless the primary went back. All other
    /// rungs would end at the same disk: RETRY is soon enough.
    pub(super) fn unstored(&mut self, now: Tick, serial: Serial, expire: Option<u32>, out: &mut Vec<Action>) {
        if self.state != State::Settling {
            return;
        }
        let goes_on = |held: &Held| serial == held.serial || serial.is_newer_than(held.serial);
        if let Some(held) = self.held.filter(goes_on) {
            // What we hold stays as good as it was: R19 shortens only what a transfer replaces.
            let word = self.setup.clamps.transferred(now, held.timers, expire);
            let deadline = self.expires.map_or(word, |had| had.max(word));
            self.expired = false;
            self.expires = Some(deadline);
            out.push(Action::Deadline(deadline));
        }
        self.round.rungs.clear();
        self.end_round(now, out);
    }

    /// A primary said that what we hold is what it has (R18). A transfer that the operator wants is
    /// still to be made.
    pub(super) fn confirm(&mut self, now: Tick, held: Held, option: Option<u32>, out: &mut Vec<Action>) {
        let deadline = self.setup.clamps.confirmed(now, self.expires, held.timers, option);
        self.expires = Some(deadline);
        self.round.confirmed = !self.force;
        self.lower = None;
        out.push(Action::Deadline(deadline));
    }

    /// Notices that the time is over.
    pub(super) fn expire_if_due(&mut self, now: Tick, out: &mut Vec<Action>) {
        if !self.expired && self.held.is_some() && self.expires.is_some_and(|at| now >= at) {
            self.expired = true;
            out.push(Action::Expire);
            if self.state == State::Idle {
                // An EXPIRE of next to nothing is no reason to ask without end (G06).
                let rested = self.rested.map_or(now, |since| now.max(since + self.setup.clamps.retry_min));
                self.due = self.due.min(rested);
            }
        }
    }
}
