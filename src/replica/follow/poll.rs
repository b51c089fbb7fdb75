//! An expired zone: all primaries are asked at once, and the newest of them is believed, even one
//! that is behind what was published here (R20).

use std::mem;
use std::time::Duration;

use super::{Action, Failure, FailureClass, FetchKind, Follow, LowerSerial, REQUEST_MAX, Round, Seen, State};
use crate::dns::Serial;
use crate::ident::{Attempt, PeerId};
use crate::reason::Reason;
use crate::replica::ladder::{self, Rung};
use crate::time::Tick;

/// How long all primaries of an expired zone are waited for (R20).
const POLL_WAIT: Duration = Duration::from_secs(5);

impl Follow {
    /// Asks every primary for its SOA.
    pub(super) fn poll(&mut self, now: Tick, out: &mut Vec<Action>) {
        self.round = Round { any_serial: true, ..Round::default() };
        let rungs = ladder::checks(&self.primaries, now);
        let asked = rungs.into_iter().map(|rung| (self.ask_soa(rung, out), rung)).collect();
        self.state = State::Polling { asked, since: now, patience: Some(now + POLL_WAIT) };
    }

    /// Enough time has passed to do with those that have answered. If nobody has, the first who does
    /// is good enough: when many zones expire and one of their primaries is gone, the questions to
    /// the others may wait for a while to be sent, and to give up would only begin this anew.
    pub(super) fn lose_patience(&mut self, now: Tick, out: &mut Vec<Action>) {
        let State::Polling { since, patience, .. } = &mut self.state else { return };
        if patience.take_if(|until| now >= *until).is_none() && now < *since + REQUEST_MAX {
            return;
        }
        if !self.round.answers.is_empty() || now >= *since + REQUEST_MAX {
            self.choose(now, out);
        }
    }

    fn ask_soa(&mut self, rung: Rung, out: &mut Vec<Action>) -> Attempt {
        let attempt = self.attempt();
        if let Rung::Check(peer, transport) = rung {
            out.push(Action::AskSoa(attempt, peer, transport));
        }
        attempt
    }

    /// One of them answered, or cannot.
    pub(super) fn polled(
        &mut self,
        now: Tick,
        attempt: Attempt,
        result: Result<Seen, Failure>,
        out: &mut Vec<Action>,
    ) {
        let State::Polling { asked, .. } = &mut self.state else { return };
        let Some(at) = asked.iter().position(|(ours, _)| *ours == attempt) else { return };
        let (_, rung) = asked.remove(at);
        match result {
            Ok(seen) => {
                self.primary(rung.peer()).answered(seen.serial);
                self.round.answers.push((rung.peer(), seen.serial));
            }
            Err(failure) => {
                self.note_failure(now, rung.peer(), failure, out);
                if let Some(other) = ladder::after_failed_check(rung) {
                    let again = (self.ask_soa(other, out), other);
                    if let State::Polling { asked, .. } = &mut self.state {
                        asked.push(again);
                    }
                }
            }
        }
        let answered = !self.round.answers.is_empty();
        if let State::Polling { asked, patience, .. } = &self.state
            && (asked.is_empty() || (patience.is_none() && answered))
        {
            self.choose(now, out);
        }
    }

    /// All have answered, or have had their time: transfer from the newest, then from the next.
    pub(super) fn choose(&mut self, now: Tick, out: &mut Vec<Action>) {
        if let State::Polling { asked, .. } = mem::replace(&mut self.state, State::Idle) {
            for (attempt, rung) in asked {
                out.push(Action::GiveUp(attempt));
                let detail = String::from("it did not answer in time");
                let (reason, class) = (Reason::PeerSilent, FailureClass::Unreachable);
                self.note_failure(now, rung.peer(), Failure { reason, class, detail }, out);
            }
        }
        let mut answers = mem::take(&mut self.round.answers);
        // Among equals the order of the configuration decides.
        answers.sort_by_key(|(peer, _)| self.primaries.iter().position(|primary| primary.peer == *peer));
        answers.retain(|(peer, serial)| self.may_follow(*peer, *serial, out));
        if let Some(&(_, newest)) = newest(&answers).and_then(|at| answers.get(at)) {
            self.note_step_back(newest, out);
        }
        self.round.rungs.clear();
        while let Some(at) = newest(&answers) {
            let (peer, _) = answers.remove(at);
            self.round.rungs.push_back(Rung::Fetch(peer, FetchKind::Axfr));
        }
        self.climb(now, out);
    }

    /// Whether the operator lets the zone go to this serial when it is expired.
    fn may_follow(&self, peer: PeerId, serial: Serial, out: &mut Vec<Action>) -> bool {
        let Some(held) = self.held else { return true };
        let forward = serial == held.serial || serial.is_newer_than(held.serial);
        match self.setup.lower_serial {
            LowerSerial::Never if !forward && !self.force => {
                let text = format!("the primary has serial {serial}, we have {}", held.serial);
                out.push(Action::Note(Reason::SerialLower, Some(peer), text));
                false
            }
            LowerSerial::Never | LowerSerial::Alert | LowerSerial::AcceptAfter(_) => true,
        }
    }

    fn note_step_back(&self, newest: Serial, out: &mut Vec<Action>) {
        let Some(held) = self.held else { return };
        if newest != held.serial && !newest.is_newer_than(held.serial) {
            let text = format!(
                "the zone expired and no primary has more than serial {newest}: it is taken, though {} was published",
                held.serial
            );
            out.push(Action::Note(Reason::SerialBack, None, text));
        }
    }
}

/// Where the newest serial is, the first of equals. A walk and no sort: serials on a circle are in
/// no total order.
fn newest(answers: &[(PeerId, Serial)]) -> Option<usize> {
    (0..answers.len()).reduce(|best, at| if answers[at].1.is_newer_than(answers[best].1) { at } else { best })
}
