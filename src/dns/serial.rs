//! SOA serials: arithmetic on a circle (RFC 1982).

use std::cmp::Ordering;
use std::fmt;

/// The version number of a zone. Not `Ord`: on a circle, "newer" is not a total order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Serial(pub u32);

/// The largest step that still counts as forward (RFC 1982 §3.1).
pub const STEP_MAX: u32 = (1 << 31) - 1;

impl Serial {
    /// Compares by RFC 1982 §3.2; `None` when the two are exactly 2^31 apart, which is undefined.
    pub fn compare(self, other: Serial) -> Option<Ordering> {
        match self.0.wrapping_sub(other.0) {
            0 => Some(Ordering::Equal),
            1..=STEP_MAX => Some(Ordering::Greater),
            0x8000_0000 => None,
            _ => Some(Ordering::Less),
        }
    }

    /// Whether `self` is newer than `other`; an undefined comparison is not newer.
    pub fn is_newer_than(self, other: Serial) -> bool {
        self.compare(other) == Some(Ordering::Greater)
    }

    /// The next serial, with 0 left out: some software reads it as "no serial" (RFC 1982 §7).
    pub fn next(self) -> Serial {
        match self.0.wrapping_add(1) {
            0 => Serial(1),
            n => Serial(n),
        }
    }

    /// The newer of the two; `self` when they are equal or the comparison is undefined.
    pub fn newest(self, other: Serial) -> Serial {
        if other.is_newer_than(self) { other } else { self }
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(left: u32, right: u32, expected: Option<Ordering>) {
        assert_eq!(Serial(left).compare(Serial(right)), expected, "{left} against {right}");
        assert_eq!(
            Serial(right).compare(Serial(left)),
            expected.map(Ordering::reverse),
            "{right} against {left}"
        );
    }

    #[test]
    fn g01_newer_is_a_matter_of_the_circle() {
        check(1, 1, Some(Ordering::Equal));
        check(2, 1, Some(Ordering::Greater));
        check(1, u32::MAX, Some(Ordering::Greater));
        check(0x8000_0000, 1, Some(Ordering::Greater));
    }

    #[test]
    fn g02_half_the_circle_is_undefined() {
        check(0x8000_0000, 0, None);
        check(5, 0x8000_0005, None);
    }

    #[test]
    fn g03_a_bump_leaves_zero_out() {
        assert_eq!(Serial(u32::MAX).next(), Serial(1));
        assert_eq!(Serial(41).next(), Serial(42));
    }
}
