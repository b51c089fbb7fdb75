//! SOA timers, clamped: RFC 1034 §4.3.5 with the bounds that an operator sets (G06, R19).

use std::time::Duration;

use crate::time::Tick;

/// The timers of a zone's SOA, in seconds as they stand in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoaTimers {
    /// Time between checks while all is well.
    pub refresh: u32,
    /// Time between checks after a failure.
    pub retry: u32,
    /// How long the zone may be served without a word from a primary.
    pub expire: u32,
}

/// Bounds on the SOA's timers, from `[timers]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clamps {
    /// Least time between refreshes.
    pub refresh_min: Duration,
    /// Most time between refreshes.
    pub refresh_max: Duration,
    /// Least time between retries.
    pub retry_min: Duration,
    /// Most time between retries.
    pub retry_max: Duration,
    /// EXPIRE is never read as more.
    pub expire_max: Duration,
    /// EXPIRE is never read as less, if set; nothing else raises it (R19).
    pub expire_min: Option<Duration>,
}

impl Default for Clamps {
    fn default() -> Clamps {
        const DAY: u64 = 86_400;
        Clamps {
            refresh_min: Duration::from_secs(60),
            refresh_max: Duration::from_secs(14 * DAY),
            retry_min: Duration::from_secs(15),
            retry_max: Duration::from_secs(DAY),
            expire_max: Duration::from_secs(120 * DAY),
            expire_min: None,
        }
    }
}

impl Clamps {
    /// REFRESH within its bounds.
    pub fn refresh(&self, timers: SoaTimers) -> Duration {
        seconds(timers.refresh).clamp(self.refresh_min, self.refresh_max.max(self.refresh_min))
    }

    /// RETRY within its bounds.
    pub fn retry(&self, timers: SoaTimers) -> Duration {
        seconds(timers.retry).clamp(self.retry_min, self.retry_max.max(self.retry_min))
    }

    /// EXPIRE within its bounds.
    pub fn expire(&self, timers: SoaTimers) -> Duration {
        let capped = seconds(timers.expire).min(self.expire_max);
        self.expire_min.map_or(capped, |least| capped.max(least))
    }

    /// When the zone expires after an answer at `now` that confirmed what we hold (R19).
    ///
    /// `option` is the EXPIRE option of the answer (RFC 7314); with it the deadline becomes the
    /// later of the present one and the option's, capped by SOA EXPIRE.
    pub fn confirmed(
        &self,
        now: Tick,
        current: Option<Tick>,
        timers: SoaTimers,
        option: Option<u32>,
    ) -> Tick {
        let full = now + self.expire(timers);
        match option {
            Some(left) => current.unwrap_or(now).max(now + seconds(left)).min(full),
            None => full,
        }
    }

    /// When the zone expires after a transfer that was completed at `now` (R19).
    pub fn transferred(&self, now: Tick, timers: SoaTimers, option: Option<u32>) -> Tick {
        let full = now + self.expire(timers);
        option.map_or(full, |left| (now + seconds(left)).min(full))
    }
}

/// A small seeded generator for jitter and spacing: nothing that anyone may not guess.
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// A generator whose sequence the seed decides.
    pub fn new(seed: u64) -> Jitter {
        Jitter(seed)
    }

    /// `span` made earlier by 0 to 10 percent (R19: never later).
    pub fn earlier(&mut self, span: Duration) -> Duration {
        span - self.below(span / 10)
    }

    /// A span from zero to `bound`.
    pub fn below(&mut self, bound: Duration) -> Duration {
        let bound = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.next() % bound.saturating_add(1).max(1))
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMERS: SoaTimers = SoaTimers { refresh: 0, retry: 0, expire: 1000 };

    #[test]
    fn g06_absurd_timers_are_clamped() {
        let clamps = Clamps::default();
        assert_eq!(clamps.refresh(TIMERS), Duration::from_secs(60));
        assert_eq!(clamps.retry(TIMERS), Duration::from_secs(15));
        assert_eq!(clamps.expire(TIMERS), Duration::from_secs(1000));
    }

    #[test]
    fn r19_the_expire_option_never_exceeds_the_soa() {
        let (clamps, now) = (Clamps::default(), Tick(1_000_000));
        let at = |seconds: u64| now + Duration::from_secs(seconds);
        assert_eq!(clamps.confirmed(now, Some(at(500)), TIMERS, Some(300)), at(500));
        assert_eq!(clamps.confirmed(now, Some(at(500)), TIMERS, Some(700)), at(700));
        assert_eq!(clamps.confirmed(now, Some(at(500)), TIMERS, Some(7000)), at(1000));
        assert_eq!(clamps.confirmed(now, Some(at(500)), TIMERS, None), at(1000));
        assert_eq!(clamps.transferred(now, TIMERS, Some(300)), at(300));
    }

    #[test]
    fn r19_jitter_only_makes_earlier_and_by_a_tenth() {
        let mut jitter = Jitter::new(7);
        for _ in 0..1000 {
            let span = jitter.earlier(Duration::from_secs(100));
            assert!((Duration::from_secs(90)..=Duration::from_secs(100)).contains(&span));
        }
    }
}
