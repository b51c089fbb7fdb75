//! The phases of a history: trouble, then all is mended and the flock must be one again, rest, and
//! edits on which only NOTIFY is quick enough.

use std::time::Duration;

use bellwether::env::Random;
use bellwether::zone::{Digest, DigestKey, Version};

use crate::editor::Edit;
use crate::flock::{Plan, RELAY, ZONES, name};
use crate::observer::Observer;
use crate::simulation::Simulation;

/// How long an edit may take when all is well: far less than REFRESH, so that only NOTIFY helps.
const PROMPT: Duration = Duration::from_secs(30);
/// How long where one datagram in twelve is lost: a NOTIFY is repeated, less often each time.
const REPEATED: Duration = Duration::from_secs(150);

/// Runs one history to its end; the result is a fingerprint of it.
pub fn run(seed: u64, plan: Plan) -> u64 {
    let mut simulation = Simulation::new(seed, plan);
    // Whoever missed everything polls after REFRESH, a primary that could not be reached is left alone
    // for a while, and who has a serial that was lost with its disk waits for EXPIRE.
    let timers = simulation.plan.timers;
    let converge = Duration::from_secs(2 * u64::from(timers.refresh + timers.expire));
    simulation.run_until(simulation.troubled_until);
    simulation.mend();
    simulation.converges("after everything was mended", converge);
    simulation.rest(converge / 2);
    if simulation.plan.rough && simulation.random.one_in(2) {
        simulation.leave_the_relay_behind();
    } else {
        simulation.blackout();
    }
    simulation.converges("after a blackout", converge);
    // A request that was lost in it may keep a server waiting.
    simulation.rest(Duration::from_secs(120));
    for round in 0..3 {
        simulation.burst();
        simulation.converges(&format!("after burst {round} of edits, when all is well"), PROMPT);
    }
    if simulation.plan.is_patient() {
        (simulation.net.loss_percent, simulation.net.delay_max) = (8, 300);
        simulation.edit(0, Edit::Raised);
        simulation.converges("after an edit while datagrams are lost", REPEATED);
    }
    simulation.compare_records();
    simulation.fingerprint()
}

impl Simulation {
    /// Everything works again, and somebody makes one more edit.
    fn mend(&mut self) {
        self.net.cuts.clear();
        (self.net.loss_percent, self.net.delay_max) = (0, 20);
        self.net.tampered = 0;
        for server in 0..self.nodes.len() {
            let node = &mut self.nodes[server];
            node.disk.mend();
            node.wall_error = 0;
            node.cursed = None;
            if node.power_off_at.is_some() {
                // The power cut that was planned happens now, and not when all is well: to a server that
                // is down it happens unseen.
                self.crash(server);
                if self.nodes[server].power_off_at.is_some() {
                    let seed = self.random.next_u64();
                    self.nodes[server].crash(seed);
                }
            }
        }
        // Servers that are down come back within their time; an edit follows when they are there.
        let back = self.queue.now().after(Duration::from_secs(410));
        self.run_until(back);
        for zone in 0..ZONES.len() {
            self.editors[zone].raise_above(self.observer.newest(zone));
            self.edit(zone, Edit::Raised);
        }
    }

    /// Nothing happens for longer than EXPIRE: refreshes alone keep every zone alive.
    fn rest(&mut self, lasts: Duration) {
        let end = self.queue.now().after(lasts);
        while self.queue.now() < end {
            self.run_until(self.queue.now().after(self.look_every));
            assert!(self.is_converged(), "a mended flock fell apart: {}", self.describe());
        }
    }

    /// The power fails everywhere, and for a while, or longer than EXPIRE, nobody hears of anybody. What
    /// was confirmed before is served as long as it may be, and no longer (R18).
    fn blackout(&mut self) {
        let servers = self.nodes.len();
        for one in 0..servers {
            self.net.cuts.extend((one + 1..servers).map(|other| (one, other)));
            // All clocks were right for long enough.
            self.nodes[one].jumps = 0;
        }
        (0..servers).for_each(|server| self.crash(server));
        let mut lasts = Duration::from_secs(30 + self.random.below(60));
        if self.random.one_in(2) {
            lasts += self.plan.expire();
            if self.plan.rough {
                let server = self.random.below(servers as u64) as usize;
                self.set_clock(server);
            }
        }
        self.run_until(self.queue.now().after(lasts));
        self.net.cuts.clear();
    }

    /// The relay misses an edit, then nobody hears of the primary for longer than EXPIRE: that there is
    /// somebody with a lower serial keeps nothing alive (R18).
    fn leave_the_relay_behind(&mut self) {
        self.net.cuts.insert((0, RELAY));
        self.edit(0, Edit::Raised);
        self.run_until(self.queue.now().after(Duration::from_secs(20)));
        self.net.cuts.extend((1..self.nodes.len()).map(|server| (0, server)));
        self.run_until(self.queue.now().after(2 * self.plan.expire()));
        self.net.cuts.clear();
    }

    /// A few edits one after the other, some while the one before is on its way.
    fn burst(&mut self) {
        // Messages that take long are overtaken by the next edit.
        self.net.delay_max = if self.random.one_in(3) { 20 } else { 1200 };
        for _ in 0..1 + self.random.below(4) {
            let zone = self.random.below(ZONES.len() as u64) as usize;
            self.edit(zone, Edit::Raised);
            let pause = Duration::from_millis(self.random.below(2500));
            self.run_until(self.queue.now().after(pause));
        }
    }

    /// All servers show the newest content of the files before the time is over.
    fn converges(&mut self, when: &str, within: Duration) {
        let end = self.queue.now().after(within);
        while !self.is_converged() {
            if self.queue.now() >= end {
                panic!("{when} the flock is not one within {within:?}: {}", self.describe());
            }
            self.run_until(self.queue.now().after(Duration::from_millis(500)));
            self.confirm_held();
        }
    }

    fn is_converged(&mut self) -> bool {
        let now = self.queue.now();
        (0..ZONES.len()).all(|zone| {
            let wanted = self.editors[zone].token();
            let first = Observer::serial_seen(&mut self.nodes[0], now, zone);
            first.is_some_and(|(_, token)| token == wanted)
                && self.nodes.iter_mut().all(|node| Observer::serial_seen(node, now, zone) == first)
        })
    }

    fn describe(&mut self) -> String {
        let now = self.queue.now();
        let zones = (0..ZONES.len()).map(|zone| {
            let problem = self.nodes[0].status(zone).and_then(|status| status.problem.clone());
            let nodes = self.nodes.iter_mut();
            let seen: Vec<_> = nodes.map(|node| Observer::serial_seen(node, now, zone)).collect();
            let wanted = self.editors[zone].token();
            format!("{} wants token {wanted}, servers have {seen:?} ({problem:?})", ZONES[zone])
        });
        zones.collect::<Vec<_>>().join("; ")
    }

    /// Not only what a reader sees: every record, summed anew, is the same on all servers.
    fn compare_records(&mut self) {
        for apex in ZONES {
            let apex = name(apex);
            let sums = self.nodes.iter().map(|node| {
                let now = node.now(self.queue.now());
                let zones = &node.running.as_ref().expect("it runs").world.zones;
                let slot = zones.exact(apex.as_ref()).expect("it is configured");
                let version = slot.version_at(now.tick).expect("it is served");
                let sum = sum(version);
                assert_eq!(sum, version.digest(), "the digest of {apex} is not that of its records");
                sum
            });
            let sums: Vec<Digest> = sums.collect();
            assert!(sums.iter().all(|sum| *sum == sums[0]), "{apex} differs: {sums:?}");
        }
    }
}

fn sum(version: &Version) -> Digest {
    let key: DigestKey = version.key();
    let mut sum = Digest(0);
    let mut scratch = Vec::new();
    version.for_each(|record| sum += Digest::of(&key, record, &mut scratch));
    sum
}
