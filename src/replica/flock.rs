//! What each secondary of a zone was told, took and acknowledged; drives NOTIFY (RFC 1996, R17).
//!
//! Fast lane: a NOTIFY is repeated with doubled waits until it is acknowledged. Slow lane: a
//! secondary that acknowledged but was not seen asking, or never acknowledged, is reminded after 1,
//! 5 and then every 15 minutes, until a request shows our serial or SOA REFRESH has passed (from
//! then on its own timers bring it). The first NOTIFY of a burst leaves at once, the rest are
//! coalesced. Targets are the configured ones, never found by a resolver (F02). What is known of them
//! survives a restart, after which only those are told that are not known to have what is served.

use std::time::Duration;

use super::memory;
use crate::dns::Serial;
use crate::ident::{Attempt, PeerId};
use crate::time::{Now, Tick};

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
}

/// ```text
///            published                    acknowledged
///   Quiet -------------> Fast{tries} ----------------------> Slow{step} --+ still not seen
///     ^                     | 5 tries without an answer -------^  |  ^----+
///     +------ a request shows our serial, or REFRESH passed ------+
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
    sent: Option<Tick>,
    /// The newest serial that it acknowledged.
    pub acknowledged: Option<(Serial, Tick)>,
    /// The serial that it showed to have, or that a finished transfer gave it.
    pub has: Option<(Serial, Tick)>,
    /// When it last asked anything about the zone.
    pub asked: Option<Tick>,
    /// Why the last NOTIFY failed.
    pub failure: Option<String>,
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
                self.call(now, serial, refresh, |follower| !follower.is_known_to_have(serial));
            }
            Event::Acknowledged(attempt) => self.acknowledged(now, attempt),
            Event::Unanswered(attempt, why) => {
                if let Some(follower) = self.by_attempt(attempt) {
                    follower.out.retain(|out| *out != attempt);
                    follower.failure = Some(why);
                }
            }
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

    /// What is known of the secondaries, to be stored.
    pub fn memory(&self, now: Now) -> Vec<u8> {
        let mut out = memory::Writer::new(now);
        let serial_since = |out: &mut memory::Writer, (serial, since): (Serial, Tick)| {
            out.number(serial.0);
            out.span(now.tick.since(since));
        };
        for follower in &self.followers {
            let Follower { peer, acknowledged, has, asked, .. } = follower;
            if acknowledged.is_some() || has.is_some() || asked.is_some() {
                out.number(peer.0);
                out.option(*acknowledged, serial_since);
                out.option(*has, serial_since);
                out.option(*asked, |out, since| out.span(now.tick.since(since)));
            }
        }
        out.finish()
    }

    /// Takes in what an earlier run of the server knew.
    pub fn recall(&mut self, now: Now, octets: &[u8]) {
        let Some(mut memory) = memory::Reader::new(octets, now) else { return };
        while !memory.is_at_end() && self.recall_one(now, &mut memory).is_some() {}
    }

    fn recall_one(&mut self, now: Now, memory: &mut memory::Reader<'_>) -> Option<()> {
        let elapsed = memory.elapsed;
        let since = |age: Duration| now.tick.before(age.saturating_add(elapsed));
        let peer = PeerId(memory.number()?);
        let acknowledged = memory.option(|memory| Some((memory.serial()?, since(memory.span()?))))?;
        let has = memory.option(|memory| Some((memory.serial()?, since(memory.span()?))))?;
        let asked = memory.option(|memory| memory.span().map(since))?;
        if let Some(follower) = self.followers.iter_mut().find(|follower| follower.peer == peer) {
            (follower.acknowledged, follower.has, follower.asked) = (acknowledged, has, asked);
        }
        Some(())
    }

    fn call(&mut self, now: Tick, serial: Serial, refresh: Duration, whom: impl Fn(&Follower) -> bool) {
        self.serial = Some(serial);
        self.refresh = refresh;
        for follower in self.followers.iter_mut().filter(|follower| whom(follower)) {
            let due = follower.sent.map_or(now, |sent| now.max(sent + SETTLE));
            follower.out.clear();
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
            let news = follower.has.is_none_or(|(known, _)| known != serial);
            follower.has = Some((serial, now));
            if ours.is_some_and(|ours| follower.is_known_to_have(ours)) {
                follower.lane = Lane::Quiet;
            }
            self.revision += u64::from(news);
        }
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
                    follower.lane = lane;
                    let attempt = Attempt(self.next_attempt);
                    self.next_attempt += 1;
                    if follower.out.len() == OUT_MAX {
                        follower.out.remove(0);
                    }
                    follower.out.push(attempt);
                    follower.sent = Some(now);
                    out.push(Action::SendNotify(attempt, follower.peer));
                }
            }
        }
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
            sent: None,
            acknowledged: None,
            has: None,
            asked: None,
            failure: None,
        }
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
mod tests {
    use super::*;
    use crate::time::Wall;

    const PEER: PeerId = PeerId(1);

    /// Runs until `until`, answering nothing, and says at which second each NOTIFY left.
    fn silent(flock: &mut Flock, from: u64, until: u64) -> Vec<u64> {
        let mut sent = Vec::new();
        let mut now = Tick(from);
        loop {
            let mut out = Vec::new();
            flock.handle(now, Event::Tick, &mut out);
            sent.extend(out.iter().map(|_| now.0 / 1000));
            match flock.deadline() {
                Some(next) if next.0 <= until => now = next,
                _ => return sent,
            }
        }
    }

    fn published(flock: &mut Flock, now: u64, serial: u32) -> Vec<Action> {
        let mut out = Vec::new();
        let refresh = Duration::from_secs(3600);
        flock.handle(Tick(now), Event::Published { serial: Serial(serial), refresh }, &mut out);
        out
    }

    #[test]
    fn f03_a_silent_secondary_is_told_again_with_doubled_waits_then_slowly_until_refresh() {
        let mut flock = Flock::new(&[PEER], 1);
        assert_eq!(published(&mut flock, 0, 5).len(), 1);
        let sent = silent(&mut flock, 1, 10_000_000);
        assert_eq!(sent[..4], [2, 6, 14, 30]);
        assert!(sent.len() > 5 && *sent.last().unwrap() < 3600 + 62, "{sent:?}");
        assert_eq!(flock.deadline(), None);
    }

    #[test]
    fn r17_an_acknowledgement_that_comes_after_the_next_try_counts() {
        let mut flock = Flock::new(&[PEER], 1);
        let out = published(&mut flock, 0, 5);
        let [Action::SendNotify(first, _)] = out[..] else { panic!("{out:?}") };
        let mut out = Vec::new();
        flock.handle(Tick(2000), Event::Tick, &mut out);
        let [Action::SendNotify(second, _)] = out[..] else { panic!("the second try: {out:?}") };
        flock.handle(Tick(2500), Event::Acknowledged(first), &mut Vec::new());
        assert_eq!(flock.followers()[0].acknowledged, Some((Serial(5), Tick(2500))));
        // The next word is due in a minute, and that the other try got no answer changes nothing.
        assert_eq!(flock.deadline(), Some(Tick(62_500)));
        flock.handle(Tick(5000), Event::Unanswered(second, String::from("late")), &mut Vec::new());
        assert_eq!(flock.followers()[0].failure, None);
        // Of what was told before the next version nothing counts for that.
        let out = published(&mut flock, 10_000, 6);
        let [Action::SendNotify(third, _)] = out[..] else { panic!("{out:?}") };
        published(&mut flock, 10_100, 7);
        flock.handle(Tick(10_200), Event::Acknowledged(third), &mut Vec::new());
        assert_eq!(flock.followers()[0].acknowledged, Some((Serial(5), Tick(2500))));
    }

    #[test]
    fn f11_a_burst_gives_one_notify_at_once_and_one_after_it() {
        let mut flock = Flock::new(&[PEER], 1);
        let mut sent = 0;
        for edit in 0..100 {
            sent += published(&mut flock, edit * 2, edit as u32 + 1).len();
        }
        assert_eq!(sent, 1);
        assert_eq!(flock.deadline(), Some(Tick(250)));
    }

    #[test]
    fn f11_a_hundred_edits_in_a_second_give_few_notifies_and_the_last_of_them_comes_after_the_last_edit() {
        let mut flock = Flock::new(&[PEER], 1);
        let mut sent = Vec::new();
        for edit in 0..100 {
            sent.extend(published(&mut flock, edit * 10, edit as u32 + 1).iter().map(|_| edit * 10));
        }
        let last = flock.deadline().expect("one more is due").0;
        sent.push(last);
        assert_eq!(sent, [0, 250, 500, 750, 1000]);
    }

    #[test]
    fn r17_after_a_restart_only_those_are_told_that_are_not_known_to_have_it() {
        const OTHER: PeerId = PeerId(2);
        let now = |tick, wall| Now { tick: Tick(tick), wall: Wall(wall) };
        let mut flock = Flock::new(&[PEER, OTHER], 1);
        let out = published(&mut flock, 5_000_000, 5);
        let Action::SendNotify(attempt, _) = out[1];
        flock.handle(Tick(5_001_000), Event::Acknowledged(attempt), &mut Vec::new());
        flock.handle(Tick(5_002_000), Event::Delivered(PEER, Serial(5)), &mut Vec::new());
        assert_eq!(flock.revision(), 2);
        let memory = flock.memory(now(5_003_000, 70_000_000));

        // The boot clock began anew; the wall clock says that ten seconds went by.
        let mut flock = Flock::new(&[OTHER, PEER, PeerId(3)], 1);
        flock.recall(now(100_000, 70_010_000), &memory);
        let of = |flock: &Flock, peer| flock.followers().iter().find(|known| known.peer == peer).cloned();
        assert_eq!(of(&flock, PEER).unwrap().has, Some((Serial(5), Tick(89_000))));
        assert_eq!(of(&flock, OTHER).unwrap().acknowledged, Some((Serial(5), Tick(88_000))));
        let mut out = Vec::new();
        let refresh = Duration::from_secs(3600);
        flock.handle(Tick(100_000), Event::Serving { serial: Serial(5), refresh }, &mut out);
        let told: Vec<PeerId> = out.iter().map(|Action::SendNotify(_, peer)| *peer).collect();
        assert_eq!(told, [OTHER, PeerId(3)]);
    }

    #[test]
    fn r18_a_memory_from_the_future_is_no_time_old_and_a_damaged_one_says_nothing() {
        let now = |wall| Now { tick: Tick(50_000), wall: Wall(wall) };
        let mut flock = Flock::new(&[PEER], 1);
        flock.handle(Tick(49_000), Event::Delivered(PEER, Serial(5)), &mut Vec::new());
        let memory = flock.memory(now(9_000_000));
        let mut flock = Flock::new(&[PEER], 1);
        flock.recall(now(1_000), &memory);
        assert_eq!(flock.followers()[0].has, Some((Serial(5), Tick(49_000))));
        for length in 0..memory.len() {
            let mut flock = Flock::new(&[PEER], 1);
            flock.recall(now(9_000_000), &memory[..length]);
            assert_eq!(flock.followers()[0].has, None);
        }
        assert!(Flock::new(&[PEER], 1).memory(now(0)).is_empty());
    }

    #[test]
    fn r17_acknowledged_but_not_seen_goes_to_the_slow_lane_until_a_request_shows_the_serial() {
        let mut flock = Flock::new(&[PEER], 1);
        let out = published(&mut flock, 0, 5);
        let Action::SendNotify(attempt, _) = out[0];
        flock.handle(Tick(10), Event::Acknowledged(attempt), &mut Vec::new());
        assert_eq!(flock.deadline(), Some(Tick(60_010)));
        flock.handle(Tick(20), Event::Asked(PEER, Some(Serial(4))), &mut Vec::new());
        assert_eq!(flock.deadline(), Some(Tick(60_010)));
        flock.handle(Tick(30), Event::Delivered(PEER, Serial(5)), &mut Vec::new());
        assert_eq!(flock.deadline(), None);
    }
}
