//! Durations and sizes as operators write them: `"90s"`, `"1h30m"`, `"64MiB"`, or a bare number.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A duration: `"60s"`, `"1h30m"`, `"250ms"`, or a number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seconds(pub Duration);

/// A number of octets: `"64MiB"`, `"10kB"`, or a bare number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Octets(pub u64);

const TIME_UNITS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

const SIZE_UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Adds up `number unit` pairs; `None` if anything does not fit that form or the number range.
fn sum(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let mut rest = text.trim();
    let mut total = 0u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        let after = rest.get(digits..)?.trim_start();
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(unit_end)?;
        let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.checked_mul(*factor)?)?;
        rest = next.trim_start();
    }
    (!text.trim().is_empty()).then_some(total)
}

struct Quantity {
    units: &'static [(&'static str, u64)],
    bare: u64,
    expecting: &'static str,
}

impl Visitor<'_> for Quantity {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<u64, E> {
        u64::try_from(value)
            .ok()
            .and_then(|value| value.checked_mul(self.bare))
            .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Signed(value), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        sum(text, self.units).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seconds, D::Error> {
        let expecting = "a duration such as \"90s\", \"1h30m\" or a number of seconds";
        let millis = deserializer.deserialize_any(Quantity { units: &TIME_UNITS, bare: 1_000, expecting })?;
        Ok(Seconds(Duration::from_millis(millis)))
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Octets, D::Error> {
        let expecting = "a size such as \"64MiB\", \"10kB\" or a number of octets";
        deserializer.deserialize_any(Quantity { units: &SIZE_UNITS, bare: 1, expecting }).map(Octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_add_up() {
        for (text, expected) in [
            ("90s", Some(90_000)),
            ("1h30m", Some(5_400_000)),
            ("1h 30m", Some(5_400_000)),
            ("250ms", Some(250)),
            ("2w", Some(1_209_600_000)),
            ("", None),
            ("60", None),
            ("s", None),
            ("-1s", None),
            ("1.5h", None),
            ("1y", None),
            ("99999999999999999999s", None),
            ("18446744073709551615w", None),
        ] {
            assert_eq!(sum(text, &TIME_UNITS), expected, "{text}");
        }
        assert_eq!(sum("64MiB", &SIZE_UNITS), Some(64 << 20));
        assert_eq!(sum("10kB", &SIZE_UNITS), Some(10_000));
        assert_eq!(sum("64mib", &SIZE_UNITS), None);
    }
}
