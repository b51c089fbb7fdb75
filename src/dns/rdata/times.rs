//! Times of signatures: `YYYYMMDDHHmmSS` or seconds since 1970 (RFC 4034 §3.2).

use std::fmt::Write;

/// Days before each month of a common year.
const DAYS_BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// Reads either form; `None` if it is neither or does not fit 32 bits.
pub(super) fn parse(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    if text.len() != 14 {
        return text.parse().ok();
    }
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let before = |month: u64| DAYS_BEFORE.get(month as usize).map(|days| days + u64::from(leap && month > 1));
    let month_start = before(month.checked_sub(1)?)?;
    let month_end = before(month).unwrap_or(365 + u64::from(leap));
    if year < 1970 || day == 0 || month_start + day > month_end || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let past = year - 1;
    let leap_days = past / 4 - past / 100 + past / 400 - 477;
    let days = (year - 1970) * 365 + leap_days + month_start + day - 1;
    u32::try_from(days * 86_400 + hour * 3_600 + minute * 60 + second).ok()
}

/// Writes the form with the calendar date.
pub(super) fn print(seconds: u32, out: &mut String) {
    let (year, month, day) = crate::time::Wall(u64::from(seconds) * 1000).date();
    let of_day = seconds % 86_400;
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    // Writing to a String cannot fail.
    let _ = write!(out, "{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        for (text, seconds) in [
            ("19700101000000", Some(0)),
            ("20000229235959", Some(951_868_799)),
            ("20010229000000", None),
            ("20241231235960", None),
            ("20240431000000", None),
            ("20241301000000", None),
            ("20240001000000", None),
            ("20240100000000", None),
            ("20241231235959", Some(1_735_689_599)),
            ("20241231240000", None),
            ("20241231236000", None),
            ("19691231235959", None),
            ("21060207062815", Some(u32::MAX)),
            ("21060207062816", None),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("0", Some(0)),
            ("", None),
            ("+1", None),
        ] {
            assert_eq!(parse(text.as_bytes()), seconds, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for seconds in (0..u32::MAX).step_by(9_999_991).chain([951_782_400, u32::MAX]) {
            let mut text = String::new();
            print(seconds, &mut text);
            assert_eq!(parse(text.as_bytes()), Some(seconds), "{text}");
        }
    }
}
