//! Places on Earth (RFC 1876): `52 22 23.000 N 4 53 32.000 E -2.00m 1m 10000m 10m`.

use std::fmt::Write;

use super::parse::Input;
use super::problem::{TextProblem, WireError};
use super::token::number;
use super::wire::fixed;

/// Octets of version 0.
const OCTETS: usize = 16;
/// The equator and the prime meridian, in thousandths of a second of arc.
const MIDDLE: u32 = 1 << 31;
const DEGREE: u32 = 3_600_000;
const MINUTE: u32 = 60_000;
/// Altitude zero on the wire is 100,000 m below the reference spheroid; in centimetres.
const ALTITUDE_BASE: i64 = 10_000_000;
/// Size 1 m, horizontal precision 10,000 m, vertical precision 10 m (RFC 1876 §3).
const DEFAULTS: [u8; 3] = [0x12, 0x16, 0x13];

/// Of another version than 0 everything is taken (RFC 1876 §2 leaves it open).
pub(super) fn measure(rest: &[u8]) -> Result<usize, WireError> {
    match rest.first() {
        None => Err(WireError::Short),
        Some(0) => fixed(rest, OCTETS),
        Some(_) => Ok(rest.len()),
    }
}

/// Reads all tokens that are left.
pub(super) fn parse(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), TextProblem> {
    input.call_field("latitude");
    let latitude = parse_angle(input, 90, *b"NS")?;
    input.call_field("longitude");
    let longitude = parse_angle(input, 180, *b"EW")?;
    input.call_field("altitude");
    let altitude = parse_altitude(input.take()?)?;
    let mut precisions = DEFAULTS;
    let names = ["size", "horizontal precision", "vertical precision"];
    for (precision, name) in precisions.iter_mut().zip(names) {
        let Some(token) = input.take_if_any() else { break };
        input.call_field(name);
        *precision = parse_precision(token.text)?;
    }
    out.push(0);
    out.extend_from_slice(&precisions);
    for number in [latitude, longitude, altitude] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    Ok(())
}

/// Degrees, then minutes and seconds if given, then a letter for the side.
fn parse_angle(input: &mut Input<'_>, degrees_max: u32, sides: [u8; 2]) -> Result<u32, TextProblem> {
    let mut angle = number(input.take()?, degrees_max.into())? as u32 * DEGREE;
    let mut side = input.take()?;
    if side.first().is_some_and(u8::is_ascii_digit) {
        angle += number(side, 59)? as u32 * MINUTE;
        side = input.take()?;
        if side.first().is_some_and(u8::is_ascii_digit) {
            let form = TextProblem::BadForm("seconds below 60 with up to three decimals");
            let thousandths = decimal(side, 3).filter(|&seconds| seconds < 60_000).ok_or(form)?;
            angle += thousandths as u32;
            side = input.take()?;
        }
    }
    if angle > degrees_max * DEGREE {
        return Err(TextProblem::BadForm("at most 90 degrees of latitude, 180 of longitude"));
    }
    match side {
        [letter] if letter.eq_ignore_ascii_case(&sides[0]) => Ok(MIDDLE + angle),
        [letter] if letter.eq_ignore_ascii_case(&sides[1]) => Ok(MIDDLE - angle),
        _ => Err(TextProblem::BadForm("N or S after the latitude, E or W after the longitude")),
    }
}

fn parse_altitude(text: &[u8]) -> Result<u32, TextProblem> {
    let form = TextProblem::BadForm("metres from -100000.00 to 42849672.95");
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    decimal(metres(digits), 2)
        .and_then(|centimetres| i64::try_from(centimetres).ok())
        .and_then(|centimetres| u32::try_from(ALTITUDE_BASE + sign * centimetres).ok())
        .ok_or(form)
}

/// A length as one digit and a power of ten, in centimetres; further digits are cut off.
fn parse_precision(text: &[u8]) -> Result<u8, TextProblem> {
    let mut digit = decimal(metres(text), 2)
        .filter(|&centimetres| centimetres <= 9_000_000_000)
        .ok_or(TextProblem::BadForm("metres up to 90000000.00"))?;
    let mut power = 0;
    while digit > 9 {
        digit /= 10;
        power += 1;
    }
    Ok((digit as u8) << 4 | power)
}

/// Writes version 0 if everything is in range.
pub(super) fn print(rest: &[u8], out: &mut String) -> Option<usize> {
    let [0, size, horizontal, vertical, numbers @ ..] = rest.get(..OCTETS)? else { return None };
    let number = |at: usize| Some(u32::from_be_bytes(*numbers.get(at..)?.first_chunk::<4>()?));
    print_angle(number(0)?, 90, ['N', 'S'], out)?;
    print_angle(number(4)?, 180, ['E', 'W'], out)?;
    let altitude = i64::from(number(8)?) - ALTITUDE_BASE;
    let sign = if altitude < 0 { "-" } else { "" };
    let altitude = altitude.unsigned_abs();
    write!(out, "{sign}{}.{:02}m", altitude / 100, altitude % 100).ok()?;
    for precision in [size, horizontal, vertical] {
        let (digit, power) = (u64::from(precision >> 4), u32::from(precision & 15));
        // Zero with a power, or a digit above 9, would read back as something else.
        if digit > 9 || power > 9 || (digit == 0 && power > 0) {
            return None;
        }
        let centimetres = digit * 10u64.pow(power);
        write!(out, " {}.{:02}m", centimetres / 100, centimetres % 100).ok()?;
    }
    Some(OCTETS)
}

fn print_angle(wire: u32, degrees_max: u32, sides: [char; 2], out: &mut String) -> Option<()> {
    let side = sides[usize::from(wire < MIDDLE)];
    let angle = wire.abs_diff(MIDDLE);
    if angle > degrees_max * DEGREE {
        return None;
    }
    let (degrees, minutes, rest) = (angle / DEGREE, angle / MINUTE % 60, angle % MINUTE);
    write!(out, "{degrees} {minutes} {}.{:03} {side} ", rest / 1000, rest % 1000).ok()
}

/// The text without its unit.
fn metres(text: &[u8]) -> &[u8] {
    match text {
        [number @ .., b'm' | b'M'] => number,
        number => number,
    }
}

/// A decimal number with up to `places` places, times ten to that power.
fn decimal(text: &[u8], places: usize) -> Option<u64> {
    let point = text.iter().position(|&octet| octet == b'.');
    let (whole, fraction) = match point {
        Some(point) => (&text[..point], &text[point + 1..]),
        None => (text, &text[..0]),
    };
    if whole.is_empty() || fraction.len() > places || (point.is_some() && fraction.is_empty()) {
        return None;
    }
    let mut value = number(whole, u32::MAX.into()).ok()?;
    for place in 0..places {
        let digit = fraction.get(place).copied().unwrap_or(b'0');
        value = value * 10 + u64::from(char::from(digit).to_digit(10)?);
    }
    Some(value)
}
