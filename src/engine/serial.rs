//! Which serial an edit is published under (R11).
//!
//! The file is never rewritten, so its serial is a wish. Published is the newest by RFC 1982 of the
//! file's serial, what the policy says, and live + 1; only `keep` takes the file at its word and
//! refuses one that is not newer.

use crate::config::SerialPolicy;
use crate::dns::{RecordType, Serial};
use crate::reason::Reason;
use crate::time::Wall;
use crate::zone::Version;

/// A serial with who chose it: one that we chose must never be given out twice (R03).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The serial to publish.
    pub serial: Serial,
    /// Whether it is not the one that stands in the file.
    pub ours: bool,
}

/// The serial for content that differs from what is served at `live`.
pub fn choose(policy: SerialPolicy, file: Serial, live: Serial, wall: Wall) -> Result<Chosen, Reason> {
    let next = live.next();
    let wish = match policy {
        SerialPolicy::Keep if file.is_newer_than(live) => return Ok(Chosen { serial: file, ours: false }),
        SerialPolicy::Keep if file == live => return Err(Reason::FileSerialUnchanged),
        SerialPolicy::Keep => return Err(Reason::FileSerialLower),
        SerialPolicy::Increment => next,
        SerialPolicy::Date => date(wall),
        SerialPolicy::UnixTime => Serial(wall.seconds() as u32),
    };
    // What lies behind live, or half the circle away, is newer for nobody who has live.
    let [wish, file_wish] = [wish, file].map(|serial| if serial.is_newer_than(live) { serial } else { next });
    let serial = next.newest(wish).newest(file_wish);
    Ok(Chosen { serial, ours: serial != file })
}

/// `YYYYMMDDnn` with nn = 00.
fn date(wall: Wall) -> Serial {
    let (year, month, day) = wall.date();
    Serial(((year * 100 + month) * 100 + day) * 100)
}

/// `keep` where the content vouches for its own serial: a signed SOA, or a ZONEMD that we do not
/// compute, would no longer fit another one. One that we do compute is taken out before this is asked.
pub fn effective(policy: SerialPolicy, version: &Version) -> SerialPolicy {
    let apex = version.apex_node();
    let signed = apex.rrsigs(RecordType::SOA).next().is_some();
    if signed || apex.has(RecordType::ZONEMD) { SerialPolicy::Keep } else { policy }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23.
    const WALL: Wall = Wall(1_795_392_000_000);

    #[track_caller]
    fn check(policy: SerialPolicy, file: u32, live: u32, expected: Result<u32, Reason>) {
        let chosen = choose(policy, Serial(file), Serial(live), WALL);
        assert_eq!(chosen.map(|chosen| chosen.serial.0), expected);
    }

    #[test]
    fn r11_published_is_the_newest_of_file_policy_and_live_plus_one() {
        check(SerialPolicy::Increment, 5, 5, Ok(6));
        check(SerialPolicy::Increment, 3, 5, Ok(6));
        check(SerialPolicy::Increment, 9, 5, Ok(9));
        check(SerialPolicy::Increment, 1, u32::MAX, Ok(1));
        check(SerialPolicy::Increment, 5 + (1 << 31) - 1, 5, Ok(5 + (1 << 31) - 1));
        check(SerialPolicy::Increment, 5 + (1 << 31), 5, Ok(6));
        check(SerialPolicy::Date, 5, 5, Ok(2_026_112_300));
        check(SerialPolicy::Date, 5, 2_026_112_300, Ok(2_026_112_301));
        check(SerialPolicy::Date, 2_026_112_307, 2_026_112_300, Ok(2_026_112_307));
        check(SerialPolicy::UnixTime, 5, 5, Ok(1_795_392_000));
        check(SerialPolicy::UnixTime, 5, 1_795_392_000, Ok(1_795_392_001));
    }

    #[test]
    fn c18_only_keep_refuses_a_lower_or_unchanged_serial() {
        check(SerialPolicy::Keep, 6, 5, Ok(6));
        check(SerialPolicy::Keep, 5, 5, Err(Reason::FileSerialUnchanged));
        check(SerialPolicy::Keep, 4, 5, Err(Reason::FileSerialLower));
        check(SerialPolicy::Keep, 5u32.wrapping_add(1 << 31), 5, Err(Reason::FileSerialLower));
    }

    #[test]
    fn r03_a_serial_from_the_file_is_not_ours() {
        let ours = |file| choose(SerialPolicy::Increment, Serial(file), Serial(5), WALL).unwrap().ours;
        assert!(ours(5));
        assert!(!ours(6));
    }
}
