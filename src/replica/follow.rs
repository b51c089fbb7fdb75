//! Whether, when and from whom a zone is transferred: the secondary's machine (RFC 1034 §4.3.5,
//! RFC 1996, RFC 7314).
//!
//! Invariants: at most one request is under way; at most one more is pending (merged, never queued);
//! what arrives for a request that was given up is ignored; a hint (NOTIFY) never changes state, it
//! only decides when and whom we ask (R16). Only an expired zone asks all its primaries at once
//! (R20). Nothing here reads a clock or a message.

mod hold;
mod keep;
mod message;
mod poll;
mod rest;

use std::collections::VecDeque;
use std::time::Duration;

use super::ladder::{self, Primary, Rung};
use super::timers::{Jitter, SoaTimers};
use crate::dns::Serial;
use crate::ident::{Attempt, PeerId};
use crate::reason::Reason;
use crate::time::Tick;
pub use message::{Action, Event, Failure, FailureClass, FetchKind, Fetched, Held, LowerSerial, Seen, Setup};

/// Least time between two checks that a stranger could have caused (R16, F08).
const HINT_SPACING: Duration = Duration::from_secs(1);
/// The same where only a primary can have caused it: as fast as a primary of ours tells (R17).
const SIGNED_HINT_SPACING: Duration = Duration::from_millis(250);
/// A request whose driver never reports back is given up after this; drivers report far earlier.
const REQUEST_MAX: Duration = Duration::from_secs(3 * 60 * 60);

/// ```text
///          deadline, hint, operator                 newer
///   Idle ----------------------------> Checking ------------> Fetching ----> Settling
///    ^                                   |   ^ next rung        |   ^ next rung  |
///    |          all rungs asked          |   +------------------+---+            |
///    +-----------------------------------+---------------------------------------+
///    |
///    |  expired          all answered, or one in 5 s, or the first
///    +----------> Polling -----------------------------------------> Fetching, from the newest
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Waiting for `due`.
    Idle,
    /// One SOA query is out.
    Checking { attempt: Attempt, rung: Rung, since: Tick },
    /// The zone is expired and all primaries are asked at once: all are waited for until `patience`
    /// ends; without it the first to answer decides.
    Polling { asked: Vec<(Attempt, Rung)>, since: Tick, patience: Option<Tick> },
    /// One transfer is under way.
    Fetching { attempt: Attempt, rung: Rung, since: Tick },
    /// A transfer is complete; the engine stores and publishes it.
    Settling,
}

/// What one round has learnt so far.
#[derive(Clone, Debug, Default)]
struct Round {
    rungs: VecDeque<Rung>,
    /// A primary confirmed what we hold.
    confirmed: bool,
    /// An authenticated primary showed a serial below ours.
    lower: Option<PeerId>,
    /// What the primaries of an expired zone showed.
    answers: Vec<(PeerId, Serial)>,
    /// Transfers take whatever serial comes (R20, or an operator's word).
    any_serial: bool,
    /// The hint that began the round, if one did.
    hint: Option<(PeerId, Serial)>,
}

/// Answers below ours of authenticated primaries, as long as they agree: none goes back behind the
/// one before (R20).
#[derive(Clone, Copy, Debug)]
struct LowerRun {
    serial: Serial,
    since: Tick,
}

/// The machine of one zone.
#[derive(Clone, Debug)]
pub struct Follow {
    setup: Setup,
    primaries: Vec<Primary>,
    held: Option<Held>,
    expires: Option<Tick>,
    expired: bool,
    state: State,
    round: Round,
    due: Tick,
    /// One more round is wanted when this one is over: the merged hints, newest serial first.
    pending: Option<Option<(PeerId, Serial)>>,
    /// Rechecks after a hint that the primary did not make true.
    rechecks: usize,
    hinted_at: Option<Tick>,
    /// When the last round ended.
    rested: Option<Tick>,
    lower: Option<LowerRun>,
    empty_rounds: u32,
    force: bool,
    next_attempt: u64,
    revision: u64,
    jitter: Jitter,
}

impl Follow {
    /// A machine for a zone of which we hold `held`, valid until `expires`. Attempts count up from
    /// `first_attempt`, so that no two machines of one zone share numbers.
    pub fn new(
        setup: Setup,
        held: Option<Held>,
        expires: Option<Tick>,
        seed: u64,
        first_attempt: u64,
    ) -> Follow {
        let primaries = setup.primaries.iter().copied().map(Primary::new).collect();
        Follow {
            setup,
            primaries,
            held,
            expires,
            expired: false,
            state: State::Idle,
            round: Round::default(),
            due: Tick(u64::MAX),
            pending: None,
            rechecks: 0,
            hinted_at: None,
            rested: None,
            lower: None,
            empty_rounds: 0,
            force: false,
            next_attempt: first_attempt,
            revision: 0,
            jitter: Jitter::new(seed),
        }
    }

    /// Takes one event and says what is to be done.
    pub fn handle(&mut self, now: Tick, event: Event, out: &mut Vec<Action>) {
        self.expire_if_due(now, out);
        match event {
            Event::Start { stagger } => self.due = now + self.jitter.below(stagger),
            Event::Notify { peer, serial } => self.notified(now, peer, serial),
            Event::Answered(attempt, result) => self.answered(now, attempt, result, out),
            Event::Fetched(attempt, result) => self.fetched(now, attempt, result, out),
            Event::Settled { serial, timers, expire } => self.settled(now, serial, timers, expire, out),
            Event::Rejected => self.rejected(now, out),
            Event::Unstored { serial, expire } => self.unstored(now, serial, expire, out),
            Event::Refresh => self.want(now, None),
            Event::Retransfer => {
                self.force = true;
                self.want(now, None);
            }
            Event::Tick => self.give_up_if_stuck(now, out),
        }
        if self.state == State::Idle && now >= self.due {
            self.begin_round(now, out);
        }
    }

    /// When [`Event::Tick`] is due next.
    pub fn deadline(&self) -> Option<Tick> {
        let work = match &self.state {
            State::Idle => self.due,
            State::Checking { since, .. } | State::Fetching { since, .. } => *since + REQUEST_MAX,
            State::Polling { since, patience, .. } => patience.unwrap_or(*since + REQUEST_MAX),
            State::Settling => Tick(u64::MAX),
        };
        let expiry = self.expires.filter(|_| !self.expired).unwrap_or(Tick(u64::MAX));
        Some(work.min(expiry)).filter(|tick| *tick != Tick(u64::MAX))
    }

    /// When the zone stops being served, if nothing confirms it before.
    pub fn expires(&self) -> Option<Tick> {
        self.expires
    }

    /// Whether EXPIRE has passed.
    pub fn is_expired(&self) -> bool {
        self.expired
    }

    /// When the next round begins; `None` while one runs.
    pub fn next_round(&self) -> Option<Tick> {
        (self.state == State::Idle && self.due != Tick(u64::MAX)).then_some(self.due)
    }

    /// What is known of each primary.
    pub fn primaries(&self) -> &[Primary] {
        &self.primaries
    }

    /// The number that the next attempt will carry.
    pub fn next_attempt(&self) -> u64 {
        self.next_attempt
    }

    fn notified(&mut self, now: Tick, peer: PeerId, serial: Option<Serial>) {
        let held = self.held.filter(|_| !self.expired);
        match (held, serial) {
            (Some(held), Some(serial)) if serial == held.serial && self.fresh(now) => {}
            (Some(held), Some(serial)) if serial.is_newer_than(held.serial) => {
                self.want(now, Some((peer, serial)));
            }
            (None, Some(serial)) if self.held.is_none() => self.want(now, Some((peer, serial))),
            _ => self.want(now, None),
        }
    }

    /// Whether the last round confirmed what we hold: nothing is due, nothing is wrong.
    fn fresh(&self, now: Tick) -> bool {
        self.state == State::Idle && self.pending.is_none() && now < self.due && self.round.confirmed
    }

    /// A round is wanted: at once if the last hinted one is long enough ago, else merged.
    fn want(&mut self, now: Tick, hint: Option<(PeerId, Serial)>) {
        let merged = match (self.pending.take(), hint) {
            (Some(Some((peer, old))), Some((_, new))) if !new.is_newer_than(old) => Some((peer, old)),
            (Some(old), None) => old,
            (_, new) => new,
        };
        self.pending = Some(merged);
        self.rechecks = 0;
        if self.state == State::Idle {
            self.due = self.due.min(self.after_last_hint(now));
        }
    }

    /// The earliest moment for the pending round, which somebody else wants (R16, F08).
    fn after_last_hint(&self, now: Tick) -> Tick {
        let from = self.pending.flatten().map(|(peer, _)| peer);
        let signed = from.is_some_and(|peer| self.setup.authenticated.contains(&peer));
        let spacing = if signed { SIGNED_HINT_SPACING } else { HINT_SPACING };
        self.hinted_at.map_or(now, |last| now.max(last + spacing))
    }

    fn begin_round(&mut self, now: Tick, out: &mut Vec<Action>) {
        let hint = self.pending.take();
        if hint.is_some() {
            self.hinted_at = Some(now);
        }
        if self.expired {
            return self.poll(now, out);
        }
        let hint = hint.flatten();
        let incremental = self.setup.ixfr && self.held.is_some() && !self.force;
        let rungs = match hint {
            Some((peer, _)) if incremental => ladder::fetches(&self.primaries, now, Some(peer), true),
            // Whatever serial they have, it is wanted.
            _ if self.held.is_none() => {
                ladder::fetches(&self.primaries, now, hint.map(|(peer, _)| peer), false)
            }
            _ => ladder::checks(&self.primaries, now),
        };
        self.round = Round { rungs, hint, any_serial: self.force, ..Round::default() };
        self.climb(now, out);
    }

    /// Takes the next rung, or ends the round.
    fn climb(&mut self, now: Tick, out: &mut Vec<Action>) {
        let Some(rung) = self.round.rungs.pop_front() else {
            return self.end_round(now, out);
        };
        let attempt = self.attempt();
        self.state = match rung {
            Rung::Check(peer, transport) => {
                out.push(Action::AskSoa(attempt, peer, transport));
                State::Checking { attempt, rung, since: now }
            }
            Rung::Fetch(peer, kind) => {
                out.push(Action::Fetch { attempt, peer, kind, accept_lower: self.round.any_serial });
                State::Fetching { attempt, rung, since: now }
            }
        };
    }

    fn attempt(&mut self) -> Attempt {
        let attempt = Attempt(self.next_attempt);
        self.next_attempt += 1;
        attempt
    }

    fn answered(
        &mut self,
        now: Tick,
        attempt: Attempt,
        result: Result<Seen, Failure>,
        out: &mut Vec<Action>,
    ) {
        let State::Checking { attempt: ours, rung, .. } = self.state else {
            return self.polled(now, attempt, result, out);
        };
        if ours != attempt {
            return;
        }
        match result {
            Ok(seen) => self.compare(now, rung.peer(), seen, out),
            Err(failure) => {
                if let Some(other) = ladder::after_failed_check(rung) {
                    self.round.rungs.push_front(other);
                }
                self.note_failure(now, rung.peer(), failure, out);
                self.climb(now, out);
            }
        }
    }

    /// A primary showed its serial: what follows from it (G01, G02, G10, R18, R20).
    fn compare(&mut self, now: Tick, peer: PeerId, seen: Seen, out: &mut Vec<Action>) {
        self.primary(peer).answered(seen.serial);
        let Some(held) = self.held else {
            return self.fetch_from(now, peer, out);
        };
        if self.expired {
            // It expired during this round; the next one is another kind of round.
            return self.end_round(now, out);
        }
        if seen.serial == held.serial {
            // Though the operator wants it whole: what we have is good as long as that takes (R18).
            self.confirm(now, held, seen.expire, out);
            return if self.force { self.fetch_from(now, peer, out) } else { self.climb(now, out) };
        }
        if self.force || seen.serial.is_newer_than(held.serial) {
            return self.fetch_from(now, peer, out);
        }
        let reason = match seen.serial.compare(held.serial) {
            None => Reason::SerialUndefined,
            Some(_) => Reason::SerialLower,
        };
        let detail = format!("the primary has serial {}, we have {}", seen.serial, held.serial);
        out.push(Action::Note(reason, Some(peer), detail.clone()));
        self.primary(peer).failure = Some(Failure { reason, class: FailureClass::Garbage, detail });
        self.shown_lower(now, peer, seen.serial);
        self.climb(now, out);
    }

    fn fetch_from(&mut self, now: Tick, peer: PeerId, out: &mut Vec<Action>) {
        let incremental = self.setup.ixfr && self.held.is_some() && !self.force;
        self.round.rungs = ladder::fetches(&self.primaries, now, Some(peer), incremental);
        self.climb(now, out);
    }

    fn fetched(
        &mut self,
        now: Tick,
        attempt: Attempt,
        result: Result<Fetched, Failure>,
        out: &mut Vec<Action>,
    ) {
        let State::Fetching { attempt: ours, rung, .. } = self.state else { return };
        if ours != attempt {
            return;
        }
        match result {
            Ok(Fetched::Changed(seen)) => {
                self.primary(rung.peer()).answered(seen.serial);
                self.state = State::Settling;
            }
            Ok(Fetched::Current(seen)) => self.nothing_newer(now, rung.peer(), seen, out),
            Err(failure) => {
                let gone = failure.class == FailureClass::Unreachable;
                self.note_failure(now, rung.peer(), failure, out);
                if gone {
                    self.round.rungs.retain(|other| other.peer() != rung.peer());
                }
                self.climb(now, out);
            }
        }
    }

    /// A transfer showed that the primary has nothing newer: the hint was early or false, or another
    /// primary is behind. It counts as an SOA answer.
    fn nothing_newer(&mut self, now: Tick, peer: PeerId, seen: Seen, out: &mut Vec<Action>) {
        self.primary(peer).answered(seen.serial);
        if let Some(held) = self.held.filter(|held| held.serial == seen.serial && !self.expired) {
            self.confirm(now, held, seen.expire, out);
        }
        if self.round.hint.is_some() {
            // One look at each of the others, then the rechecks.
            let asked = peer;
            self.round.rungs = ladder::checks(&self.primaries, now);
            self.round.rungs.retain(|rung| rung.peer() != asked);
        }
        self.climb(now, out);
    }

    fn give_up_if_stuck(&mut self, now: Tick, out: &mut Vec<Action>) {
        if let State::Polling { .. } = self.state {
            return self.lose_patience(now, out);
        }
        let (State::Checking { attempt, rung, since } | State::Fetching { attempt, rung, since, .. }) =
            self.state
        else {
            return;
        };
        if now.since(since) >= REQUEST_MAX {
            out.push(Action::GiveUp(attempt));
            let detail = String::from("the request was given up");
            let failure = Failure { reason: Reason::PeerSilent, class: FailureClass::Unreachable, detail };
            self.note_failure(now, rung.peer(), failure, out);
            self.climb(now, out);
        }
    }

    fn note_failure(&mut self, now: Tick, peer: PeerId, failure: Failure, out: &mut Vec<Action>) {
        out.push(Action::Note(failure.reason, Some(peer), failure.detail.clone()));
        let reason = failure.reason;
        if self.primary(peer).failed(now, failure) {
            self.revision += 1;
            let text = "three times differences did not fit: only AXFR from this primary for 24 h";
            out.push(Action::Note(reason, Some(peer), text.into()));
        }
    }

    fn primary(&mut self, peer: PeerId) -> &mut Primary {
        let at = self.primaries.iter().position(|primary| primary.peer == peer);
        let at = at.expect("a rung names a configured primary");
        &mut self.primaries[at]
    }
}

#[cfg(test)]
mod tests;
