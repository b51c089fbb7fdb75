//! Readings that the system tells of one by one, though nobody wants to know.
//!
//! In a rush, as our own readings are at a start, to sleep through most of them is cheaper than to be woken by
//! each. While awake the thread takes in what has come together, and what else it is told to do.

use std::time::{Duration, Instant};

/// Readings that come so soon after each other are a rush.
const RUSH: Duration = Duration::from_millis(1);
/// So long is slept through then: too short for who saves a file meanwhile to notice.
pub(super) const SLEEP: Duration = Duration::from_millis(4);
/// And so long the thread is awake in between.
const AWAKE: Duration = Duration::from_millis(1);
/// Whoever takes in so many in that time can only just keep up with them, and must not sleep: the system's
/// queue would run over.
const MANY: u32 = 400;

/// Those of the last moment.
#[derive(Debug, Default)]
pub(super) struct Readings {
    last: Option<Instant>,
    awake: Option<Instant>,
    count: u32,
}

impl Readings {
    /// One more; whether to sleep now.
    pub fn one_more(&mut self, now: Instant) -> bool {
        let in_rush = self.last.is_some_and(|last| now - last < RUSH);
        if !in_rush {
            (self.awake, self.count) = (None, 0);
        }
        let awake = *self.awake.get_or_insert(now);
        (self.last, self.count) = (Some(now), self.count + 1);
        if now - awake < AWAKE {
            return false;
        }
        let sleeps = self.count < MANY;
        (self.awake, self.count) = (None, 0);
        sleeps
    }

    /// The sleep is over.
    pub fn woke(&mut self, now: Instant) {
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readings at one pace for a second, whoever sleeps finding what came meanwhile in a microsecond each:
    /// how often was slept, and how many waited at most.
    fn second(pace: Duration) -> (u32, u128) {
        let (mut readings, start) = (Readings::default(), Instant::now());
        let (mut now, mut next, mut sleeps, mut waited) = (start, start, 0, 0);
        while now < start + Duration::from_secs(1) {
            now = next.max(now + Duration::from_micros(1));
            next += pace;
            if readings.one_more(now) {
                sleeps += 1;
                now += SLEEP;
                readings.woke(now);
            }
            waited = waited.max(now.saturating_duration_since(next).as_nanos() / pace.as_nanos());
        }
        (sleeps, waited)
    }

    #[test]
    fn a_rush_is_slept_through_most_of_the_time_and_never_runs_over() {
        let (sleeps, waited) = second(Duration::from_micros(20));
        assert!((150..=200).contains(&sleeps) && waited <= 250, "{sleeps} {waited}");
        // A rush that leaves no time to sleep.
        let (sleeps, waited) = second(Duration::from_micros(2));
        assert!(sleeps <= 1 && waited <= 2500, "{sleeps} {waited}");
    }

    #[test]
    fn a_reading_now_and_then_is_no_rush() {
        assert_eq!(second(Duration::from_millis(2)).0, 0);
        let (mut readings, now) = (Readings::default(), Instant::now());
        assert!((0..10).all(|micros| !readings.one_more(now + Duration::from_micros(micros))));
    }
}
