//! What each secondary of a zone was told, took and acknowledged; drives NOTIFY (RFC 1996, R17).
//!
//! Fast lane: a NOTIFY is repeated with doubled waits until it is acknowledged. Slow lane: a
//! secondary that acknowledged but was not seen asking, or never acknowledged, is reminded after 1,
//! 5 and then every 15 minutes, until a request shows our serial or SOA REFRESH has passed (from
//! then on its own timers bring it). One that acknowledged is asked for its SOA before it is
//! reminded: it may have the version from somebody else, or ask from where we do not know it. The first NOTIFY of a burst leaves at once, the rest are
//! coalesced. Targets are the configured ones, never found by a resolver (F02). What is known of them
//! survives a restart, after which only those are told that are not known to have what is served.

mod keep;

use std::sync::Arc;
use std::time::Duration;

use crate::dns::Serial;
use crate::ident::{Attempt, PeerId};
use crate::time::Tick;

/// Least time between two first NOTIFYs to one secondary (F11).
const SETTLE: Duration = Duration::from_millis(250);
/// Tries in the fast lane.
const FAST_TRIES: u32 = 5;
/// Wait after the first of them; doubled each time.
const FAST_WAIT: Duration = Duration::from_secs(2);
/// Tries whose answers are waited for; drivers give up far earlier.
const OUT_MAX: usize = FAST_TRIES as usize;
/// Waits of the slow lane; the last one repeats.
const SLOW_WAITS: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(5 * 60), Duration::from_secs(15 * 60)];

/// What the machine is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A version is published; `refresh` is its SOA REFRESH.
    Published {
        /// Its serial.
        serial: Serial,
        /// How long the slow lane goes on at most.
        refresh: Duration,
    },
    /// This is served, at a start or since the secondaries are others: whoever is known to have it
    /// is not told.
    Serving {
        /// Its serial.
        serial: Serial,
        /// How long the slow lane goes on at most.
        refresh: Duration,
    },
    /// A NOTIFY was answered with NOERROR.
    Acknowledged(Attempt),
    /// A NOTIFY was not answered, or not with NOERROR; the sentence says how.
    Unanswered(Attempt, String),
    /// A probe was answered: it serves this serial.
    Shown(Attempt, Serial),
    /// The secondary asked: with the serial that it showed to have, if it showed one.
    Asked(PeerId, Option<Serial>),
    /// A transfer to it was sent to its end.
    Delivered(PeerId, Serial),
    /// A deadline may have passed.
    Tick,
}

/// What the machine wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a NOTIFY with the SOA of the version that is served now.
    SendNotify(Attempt, PeerId),
    /// Ask for the SOA that it serves.
    Probe(Attempt, PeerId),
}

/// ```text
///            published                    acknowledged
///   Quiet -------------> Fast{tries} ----------------------> Slow{step} --+ still not seen
///     ^                     | 5 tries without an answer -------^  |  ^----+
///     +--- a request or a probe shows our serial, REFRESH passed --+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// Nothing to tell.
    Quiet,
    /// Until acknowledged.
    Fast { tries: u32, due: Tick },
    /// Until seen.
    Slow { step: usize, due: Tick, until: Tick },
}

/// One secondary of one zone.
#[derive(Clone, Debug)]
pub struct Follower {
    /// Who.
    pub peer: PeerId,
    lane: Lane,
    /// NOTIFYs of what is to be told that are not answered yet: an answer that comes after the next
    /// try has left is one all the same.
    out: Vec<Attempt>,
    /// The question for its SOA that is out.
    probe: Option<Attempt>,
    sent: Option<Tick>,
    /// The newest serial that it acknowledged.
    pub acknowledged: Option<(Serial, Tick)>,
    /// The serial that it showed to have, or that a finished transfer gave it.
    pub has: Option<(Serial, Tick)>,
    /// When it last asked anything about the zone.
    pub asked: Option<Tick>,
    /// Why the last NOTIFY failed.
    pub failure: Option<Arc<str>>,
}

/// The secondaries of one zone.
#[derive(Clone, Debug)]
pub struct Flock {
    followers: Vec<Follower>,
    serial: Option<Serial>,
    refresh: Duration,
    next_attempt: u64,
    revision: u64,
}

impl Flock {
    /// The flock of a zone. Attempts count up from `first_attempt`.
    pub fn new(peers: &[PeerId], first_attempt: u64) -> Flock {
        let followers = peers.iter().copied().map(Follower::new).collect();
        Flock { followers, serial: None, refresh: Duration::ZERO, next_attempt: first_attempt, revision: 0 }
    }

    /// The secondaries are these from now on; what is known of those that stay stays.
    pub fn set_peers(&mut self, peers: &[PeerId]) {
        let mut before = std::mem::take(&mut self.followers);
        for &peer in peers {
            let known = before.iter().position(|follower| follower.peer == peer);
            self.followers.push(known.map_or_else(|| Follower::new(peer), |at| before.swap_remove(at)));
        }
        self.revision += 1;
    }

    /// Takes one event and says whom to notify.
    pub fn handle(&mut self, now: Tick, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Published { serial, refresh } => self.call(now, serial, refresh, |_| true),
            Event::Serving { serial, refresh } => {
                // Whoever is being told goes on being told.
                let is_new = |follower: &Follower| follower.lane == Lane::Quiet;
                let wants = |follower: &Follower| is_new(follower) && !follower.is_known_to_have(serial);
                self.call(now, serial, refresh, wants);
            }
            Event::Acknowledged(attempt) => self.acknowledged(now, attempt),
            Event::Unanswered(attempt, why) => {
                if self.by_probe(attempt).is_some() {
                    return self.remind(now, attempt, out);
                }
                if let Some(follower) = self.by_attempt(attempt) {
                    follower.out.retain(|out| *out != attempt);
                    follower.failure = Some(why.into());
                }
            }
            Event::Shown(attempt, serial) => self.shown(now, attempt, serial, out),
            Event::Asked(peer, serial) => self.asked(now, peer, serial),
            Event::Delivered(peer, serial) => self.asked(now, peer, Some(serial)),
            Event::Tick => {}
        }
        self.send_due(now, out);
    }

    /// When [`Event::Tick`] is due next.
    pub fn deadline(&self) -> Option<Tick> {
        self.followers.iter().filter_map(Follower::due).min()
    }

    /// Each secondary with what is known of it.
    pub fn followers(&self) -> &[Follower] {
        &self.followers
    }

    /// Counts up when something changes that is worth writing down: see [`Flock::memory`].
    pub fn revision(&self) -> u64 {
        self.revision
    }

    fn call(&mut self, now: Tick, serial: Serial, refresh: Duration, whom: impl Fn(&Follower) -> bool) {
        self.serial = Some(serial);
        self.refresh = refresh;
        for follower in self.followers.iter_mut().filter(|follower| whom(follower)) {
            let due = follower.sent.map_or(now, |sent| now.max(sent + SETTLE));
            follower.out.clear();
            follower.probe = None;
            follower.lane = Lane::Fast { tries: 0, due };
        }
    }

    fn acknowledged(&mut self, now: Tick, attempt: Attempt) {
        let (serial, refresh) = (self.serial, self.refresh);
        let Some(follower) = self.by_attempt(attempt) else { return };
        // What becomes of the other tries does not matter any more.
        follower.out.clear();
        follower.failure = None;
        let news = follower.acknowledged.map(|(known, _)| known) != serial;
        follower.acknowledged = serial.map(|serial| (serial, now));
        if let Lane::Fast { .. } = follower.lane {
            follower.lane = Lane::Slow { step: 0, due: now + SLOW_WAITS[0], until: now + refresh };
        }
        self.revision += u64::from(news);
    }

    fn asked(&mut self, now: Tick, peer: PeerId, shown: Option<Serial>) {
        let ours = self.serial;
        let Some(follower) = self.followers.iter_mut().find(|follower| follower.peer == peer) else {
            return;
        };
        follower.asked = Some(now);
        if let Some(serial) = shown {
            self.revision += u64::from(follower.take_shown(now, serial, ours));
        }
    }

    /// A probe was answered: what it shows counts as what a request shows, but for being one.
    fn shown(&mut self, now: Tick, attempt: Attempt, serial: Serial, out: &mut Vec<Action>) {
        let ours = self.serial;
        let Some(follower) = self.by_probe(attempt) else { return };
        let news = follower.take_shown(now, serial, ours);
        let is_behind = follower.lane != Lane::Quiet;
        self.revision += u64::from(news);
        if is_behind {
            self.remind(now, attempt, out);
        }
    }

    /// A probe showed that somebody has to be reminded, or showed nothing.
    fn remind(&mut self, now: Tick, attempt: Attempt, out: &mut Vec<Action>) {
        let notify = Attempt(self.next_attempt);
        self.next_attempt += 1;
        let Some(follower) = self.by_probe(attempt) else { return };
        follower.probe = None;
        out.push(follower.notify(now, notify));
    }

    fn send_due(&mut self, now: Tick, out: &mut Vec<Action>) {
        let refresh = self.refresh;
        for follower in &mut self.followers {
            if follower.due().is_none_or(|due| now < due) {
                continue;
            }
            match follower.advance(now, refresh) {
                Lane::Quiet => follower.lane = Lane::Quiet,
                lane => {
                    let attempt = Attempt(self.next_attempt);
                    self.next_attempt += 1;
                    let acknowledged = follower.acknowledged.map(|(serial, _)| serial);
                    let is_reminder = matches!(follower.lane, Lane::Slow { .. });
                    follower.lane = lane;
                    if is_reminder && acknowledged == self.serial {
                        follower.probe = Some(attempt);
                        out.push(Action::Probe(attempt, follower.peer));
                    } else {
                        out.push(follower.notify(now, attempt));
                    }
                }
            }
        }
    }

    fn by_probe(&mut self, attempt: Attempt) -> Option<&mut Follower> {
        self.followers.iter_mut().find(|follower| follower.probe == Some(attempt))
    }

    fn by_attempt(&mut self, attempt: Attempt) -> Option<&mut Follower> {
        self.followers.iter_mut().find(|follower| follower.out.contains(&attempt))
    }
}

impl Follower {
    /// A secondary of which nothing is known.
    fn new(peer: PeerId) -> Follower {
        Follower {
            peer,
            lane: Lane::Quiet,
            out: Vec::new(),
            probe: None,
            sent: None,
            acknowledged: None,
            has: None,
            asked: None,
            failure: None,
        }
    }

    /// It has this serial. True if that is news.
    fn take_shown(&mut self, now: Tick, serial: Serial, ours: Option<Serial>) -> bool {
        let news = self.has.is_none_or(|(known, _)| known != serial);
        self.has = Some((serial, now));
        if ours.is_some_and(|ours| self.is_known_to_have(ours)) {
            (self.lane, self.probe) = (Lane::Quiet, None);
        }
        news
    }

    fn notify(&mut self, now: Tick, attempt: Attempt) -> Action {
        if self.out.len() == OUT_MAX {
            self.out.remove(0);
        }
        self.out.push(attempt);
        self.sent = Some(now);
        Action::SendNotify(attempt, self.peer)
    }

    fn is_known_to_have(&self, serial: Serial) -> bool {
        self.has.is_some_and(|(has, _)| !serial.is_newer_than(has))
    }

    fn due(&self) -> Option<Tick> {
        match self.lane {
            Lane::Quiet => None,
            Lane::Fast { due, .. } | Lane::Slow { due, .. } => Some(due),
        }
    }

    /// The lane after the try that is due now; `Quiet` when there is nothing to send any more.
    fn advance(&self, now: Tick, refresh: Duration) -> Lane {
        match self.lane {
            Lane::Quiet => Lane::Quiet,
            Lane::Fast { tries, .. } if tries < FAST_TRIES => {
                Lane::Fast { tries: tries + 1, due: now + FAST_WAIT * (1 << tries) }
            }
            Lane::Fast { .. } => Lane::Slow { step: 0, due: now + SLOW_WAITS[0], until: now + refresh },
            Lane::Slow { until, .. } if now >= until => Lane::Quiet,
            Lane::Slow { step, until, .. } => {
                let step = (step + 1).min(SLOW_WAITS.len() - 1);
                Lane::Slow { step, due: now + SLOW_WAITS[step], until }
            }
        }
    }
}

#[cfg(test)]
mod tests;
