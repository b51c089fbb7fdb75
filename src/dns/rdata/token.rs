//! Pieces of presentation form: names, time spans, types, escapes (RFC 1035 §5.1).
//!
//! The zone-file scanner uses the public ones for owners, TTLs and types, so that each is read by
//! one rule wherever it stands.

use super::problem::TextProblem;
use crate::dns::name::{LABEL_OCTETS_MAX, NAME_OCTETS_MAX, NameError};
use crate::dns::{NameRef, RecordType};

/// A word or quoted string of a zone file.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// As it stands in the file, escapes included, without the quotes around it. A quoted part
    /// inside a word (`alpn="h2,h3"`) keeps its quotes.
    pub text: &'a [u8],
    /// Whether quotes stood around it.
    pub quoted: bool,
}

/// Reads a name and appends its wire form: `@` is the origin, a name without a final dot is
/// relative to it. On an error nothing is appended.
pub fn name_from_token(text: &[u8], origin: NameRef<'_>, out: &mut Vec<u8>) -> Result<(), NameError> {
    let start = out.len();
    let result = append_name(text, origin, out);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// The text is the wire form but for its dots: copied behind a length octet, each dot becomes the
/// length of the label that follows it.
fn append_name(text: &[u8], origin: NameRef<'_>, out: &mut Vec<u8>) -> Result<(), NameError> {
    match text {
        b"@" => {
            out.extend_from_slice(origin.wire());
            return Ok(());
        }
        b"." => {
            out.push(0);
            return Ok(());
        }
        _ => {}
    }
    let start = out.len();
    out.reserve(1 + text.len() + origin.wire_len());
    out.push(0);
    out.extend_from_slice(text);
    let wire = &mut out[start..];
    let mut label_at = 0;
    for at in 1..wire.len() {
        match wire[at] {
            b'.' => {
                wire[label_at] = label_length(at - label_at - 1)?;
                label_at = at;
            }
            b'\\' => {
                out.truncate(start);
                return append_escaped_name(text, origin, out);
            }
            _ => {}
        }
    }
    finish_name(start, start + label_at, origin, out)
}

/// The same for names with escapes, octet by octet.
fn append_escaped_name(text: &[u8], origin: NameRef<'_>, out: &mut Vec<u8>) -> Result<(), NameError> {
    let start = out.len();
    let mut label_at = start;
    let mut rest = text;
    out.push(0);
    while let Some(&octet) = rest.first() {
        if octet == b'.' {
            out[label_at] = label_length(out.len() - label_at - 1)?;
            label_at = out.len();
            out.push(0);
            rest = &rest[1..];
        } else {
            let (octet, used) = unescape(rest).ok_or(NameError::BadEscape)?;
            out.push(octet);
            rest = &rest[used..];
        }
    }
    finish_name(start, label_at, origin, out)
}

/// Closes the last label, or makes the final dot the root label.
fn finish_name(
    start: usize,
    label_at: usize,
    origin: NameRef<'_>,
    out: &mut Vec<u8>,
) -> Result<(), NameError> {
    match out.len() - label_at - 1 {
        0 if label_at == start => return Err(NameError::EmptyLabel),
        0 => out[label_at] = 0,
        length => {
            out[label_at] = label_length(length)?;
            out.extend_from_slice(origin.wire());
        }
    }
    if out.len() - start > NAME_OCTETS_MAX { Err(NameError::TooLong) } else { Ok(()) }
}

fn label_length(length: usize) -> Result<u8, NameError> {
    match length {
        0 => Err(NameError::EmptyLabel),
        1..=LABEL_OCTETS_MAX => Ok(length as u8),
        _ => Err(NameError::LabelTooLong),
    }
}

/// Reads seconds, plain or with the units w, d, h, m, s (`1h30m`); `None` if it is neither or does
/// not fit 32 bits.
pub fn ttl_from_text(text: &[u8]) -> Option<u32> {
    let mut total: u64 = 0;
    let mut number: Option<u64> = None;
    let mut units = false;
    for &octet in text {
        let unit = match octet {
            b'0'..=b'9' => {
                let grown = number.unwrap_or(0) * 10 + u64::from(octet - b'0');
                number = Some(grown).filter(|&number| number <= u64::from(u32::MAX));
                number?;
                continue;
            }
            b's' | b'S' => 1,
            b'm' | b'M' => 60,
            b'h' | b'H' => 3_600,
            b'd' | b'D' => 86_400,
            b'w' | b'W' => 604_800,
            _ => return None,
        };
        total += number.take()? * unit;
        units = true;
        if total > u64::from(u32::MAX) {
            return None;
        }
    }
    match number {
        // "1h30" leaves open thirty of what.
        Some(_) if units => None,
        Some(number) => u32::try_from(number).ok(),
        None if units => u32::try_from(total).ok(),
        None => None,
    }
}

/// Reads a type mnemonic or `TYPEnnn`, in any case.
pub fn type_from_text(text: &[u8]) -> Option<RecordType> {
    // The few that most records have, ahead of the walk over all mnemonics.
    Some(match text {
        b"A" | b"a" => RecordType::A,
        b"AAAA" | b"aaaa" => RecordType::AAAA,
        b"NS" | b"ns" => RecordType::NS,
        b"CNAME" | b"cname" => RecordType::CNAME,
        b"MX" | b"mx" => RecordType::MX,
        b"TXT" | b"txt" => RecordType::TXT,
        b"PTR" | b"ptr" => RecordType::PTR,
        b"DS" | b"ds" => RecordType::DS,
        b"RRSIG" => RecordType::RRSIG,
        b"NSEC" => RecordType::NSEC,
        b"NSEC3" => RecordType::NSEC3,
        _ => return std::str::from_utf8(text).ok()?.parse().ok(),
    })
}

/// Reads decimal digits, at most `max`.
pub(super) fn number(text: &[u8], max: u64) -> Result<u64, TextProblem> {
    let problem = TextProblem::NotANumber { max };
    if text.is_empty() || text.len() > 20 {
        return Err(problem);
    }
    let mut value: u64 = 0;
    for &octet in text {
        if !octet.is_ascii_digit() {
            return Err(problem);
        }
        match value.checked_mul(10).and_then(|value| value.checked_add(u64::from(octet - b'0'))) {
            Some(grown) if grown <= max => value = grown,
            _ => return Err(problem),
        }
    }
    Ok(value)
}

/// Appends the octets that text stands for, `\X` and `\DDD` replaced. A bare quote is an error: some
/// would end the string at it, others would keep it.
pub(super) fn append_unescaped(text: &[u8], out: &mut Vec<u8>) -> Result<(), TextProblem> {
    let mut rest = text;
    while let Some(plain) = rest.iter().position(|&octet| matches!(octet, b'\\' | b'"')) {
        out.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
        if rest.first() == Some(&b'"') {
            return Err(TextProblem::StrayQuote);
        }
        let (octet, used) = unescape(rest).ok_or(TextProblem::BadEscape)?;
        out.push(octet);
        rest = &rest[used..];
    }
    out.extend_from_slice(rest);
    Ok(())
}

/// Appends a character-string: a length octet and the octets (RFC 1035 §3.3).
pub(super) fn append_char_string(text: &[u8], out: &mut Vec<u8>) -> Result<(), TextProblem> {
    let length_at = out.len();
    out.push(0);
    append_unescaped(text, out)?;
    out[length_at] = u8::try_from(out.len() - length_at - 1).map_err(|_| TextProblem::StringTooLong)?;
    Ok(())
}

/// The first octet that text stands for and how many octets of text it took; `None` for a bad
/// escape or no text.
pub(super) fn unescape(text: &[u8]) -> Option<(u8, usize)> {
    match *text {
        [b'\\', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] => {
            let value = u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0');
            Some((u8::try_from(value).ok()?, 4))
        }
        [b'\\', b'0'..=b'9', ..] | [b'\\'] | [] => None,
        [b'\\', octet, ..] => Some((octet, 2)),
        [octet, ..] => Some((octet, 1)),
    }
}
