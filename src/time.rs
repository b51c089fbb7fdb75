//! Time as plain numbers.
//!
//! Nothing below `env/` reads a clock: a moment is an argument. [`Tick`] counts on boot time
//! (CLOCK_BOOTTIME: it goes on through a suspend and no operator can set it) and carries every
//! timer. [`Wall`] is what calendars show; it is used to cross a restart, for TSIG and for log
//! lines, never for a timer (a wall clock that jumps must not expire a zone).

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment on the boot clock, in milliseconds since an arbitrary origin fixed for one boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

impl Tick {
    /// The time from `earlier` to `self`; zero if `earlier` is later.
    pub fn since(self, earlier: Tick) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This moment moved back by `by`, not before the clock's origin.
    pub fn before(self, by: Duration) -> Tick {
        Tick(self.0.saturating_sub(millis(by)))
    }
}

impl Add<Duration> for Tick {
    type Output = Tick;

    fn add(self, by: Duration) -> Tick {
        Tick(self.0.saturating_add(millis(by)))
    }
}

impl Sub for Tick {
    type Output = Duration;

    fn sub(self, earlier: Tick) -> Duration {
        self.since(earlier)
    }
}

/// A moment on the wall clock, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub u64);

impl Wall {
    /// Whole seconds since the epoch, as TSIG and SOA `unixtime` serials want them.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// The beginning of its second.
    pub fn whole_second(self) -> Wall {
        Wall(self.seconds() * 1000)
    }

    /// The time from `earlier` to `self`; zero if the clock went back (R18).
    pub fn since(self, earlier: Wall) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The calendar date in UTC as (year, month, day), for `date` serials and log lines.
    pub fn date(self) -> (u32, u32, u32) {
        // Civil-from-days over the proleptic Gregorian calendar; years count from 1 March.
        let days = self.seconds() / 86_400 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        (year as u32, month as u32, day as u32)
    }
}

impl Add<Duration> for Wall {
    type Output = Wall;

    fn add(self, by: Duration) -> Wall {
        Wall(self.0.saturating_add(millis(by)))
    }
}

/// RFC 3339 in UTC, to the second: `2026-11-23T09:38:52Z`.
impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let of_day = self.seconds() % 86_400;
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Both clocks, read together at one place (`env::Clock`) and handed down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The boot clock, for timers.
    pub tick: Tick,
    /// The wall clock, for TSIG, serials and logs.
    pub wall: Wall,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_shows_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_102_444_800, "2100-01-01T00:00:00Z"),
        ] {
            assert_eq!(Wall(seconds * 1000).to_string(), text);
        }
    }

    #[test]
    fn r18_wall_that_went_back_counts_as_nothing_elapsed() {
        assert_eq!(Wall(1_000).since(Wall(5_000)), Duration::ZERO);
    }
}
