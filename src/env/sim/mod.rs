//! A world that replays: clocks that jump, chance from a seed, a disk that loses power.
//!
//! Always compiled, since the simulation in `tests/sim` and the tests of several rooms stand on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Clock, Random};
use crate::time::{Now, Wall};

mod disk;
mod file;

pub use disk::{Fault, SimDisk};

/// A clock that stands still until it is moved. Clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct SimClock(Arc<Mutex<Now>>);

impl SimClock {
    /// A clock that shows `now`.
    pub fn new(now: Now) -> SimClock {
        SimClock(Arc::new(Mutex::new(now)))
    }

    /// Lets time pass on both clocks. A suspend looks the same: the boot clock goes on (R18).
    pub fn advance(&self, by: Duration) {
        let mut now = lock(&self.0);
        *now = Now { tick: now.tick + by, wall: now.wall + by };
    }

    /// Sets the wall clock, forth or back, as an operator or NTP does; the boot clock stays.
    pub fn jump_wall(&self, to: Wall) {
        lock(&self.0).wall = to;
    }
}

impl Clock for SimClock {
    fn now(&self) -> Now {
        *lock(&self.0)
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers for the same seed, on every machine.
#[derive(Clone, Debug)]
pub struct SimRandom(u64);

impl SimRandom {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> SimRandom {
        SimRandom(seed)
    }

    /// True once in `n` times on average.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

impl Random for SimRandom {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// A simulated world has no broken invariants behind a poisoned lock: a panicking test is over.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Tick;

    #[test]
    fn r18_a_wall_jump_leaves_the_boot_clock_alone() {
        let clock = SimClock::new(Now { tick: Tick(5), wall: Wall(1_000_000) });
        clock.clone().advance(Duration::from_secs(2));
        assert_eq!(clock.now(), Now { tick: Tick(2005), wall: Wall(1_002_000) });
        clock.jump_wall(Wall(7));
        assert_eq!(clock.now(), Now { tick: Tick(2005), wall: Wall(7) });
    }

    #[test]
    fn chance_replays() {
        let draw = |seed| {
            let mut random = SimRandom::new(seed);
            let mut octets = [0; 11];
            random.fill(&mut octets);
            (random.next_u64(), random.below(10), octets)
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_eq!(SimRandom::new(0).next_u64(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(SimRandom::new(0).below(0), 0);
    }
}
