//! What happens when: one queue on simulated time, first in first out at one moment.

use std::collections::BTreeMap;
use std::time::Duration;

/// A moment of the simulation in milliseconds, the same for all servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl Moment {
    /// This long after it.
    pub fn after(self, wait: Duration) -> Moment {
        Moment(self.0 + wait.as_millis() as u64)
    }

    /// This long before it.
    pub fn before(self, time: Duration) -> Moment {
        Moment(self.0.saturating_sub(time.as_millis() as u64))
    }

    /// The time since `earlier`.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// The queue.
#[derive(Debug)]
pub struct Queue<T> {
    now: Moment,
    pushed: u64,
    waiting: BTreeMap<(Moment, u64), T>,
}

impl<T> Queue<T> {
    /// An empty queue whose clock shows `now`.
    pub fn new(now: Moment) -> Queue<T> {
        Queue { now, pushed: 0, waiting: BTreeMap::new() }
    }

    /// The moment of what was taken last.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// Puts something in, to happen `wait` from now.
    pub fn push(&mut self, wait: Duration, what: T) {
        self.push_at(self.now.after(wait), what);
    }

    /// Puts something in, to happen then, or now if that is past.
    pub fn push_at(&mut self, at: Moment, what: T) {
        self.pushed += 1;
        self.waiting.insert((at.max(self.now), self.pushed), what);
    }

    /// Takes what comes next, if it comes before `end`.
    pub fn pop(&mut self, end: Moment) -> Option<T> {
        let entry = self.waiting.first_entry().filter(|entry| entry.key().0 < end)?;
        self.now = entry.key().0;
        Some(entry.remove())
    }

    /// Lets time pass when nothing is left before `end`.
    pub fn advance(&mut self, end: Moment) {
        self.now = self.now.max(end);
    }
}
