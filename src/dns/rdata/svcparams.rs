//! Service parameters of SVCB and HTTPS (RFC 9460 §2.1, §2.2, §7).
//!
//! Text may give them in any order; the wire has them ascending, each once (B33). On the wire
//! only that structure is checked: a value that its key does not allow is still the primary's
//! data, and is written in the generic form.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use data_encoding::BASE64;

use super::address::{ipv4, ipv6};
use super::parse::{Coding, Input, decode, push_u16};
use super::print::print_quoted;
use super::problem::{TextProblem, WireError};
use super::token::{append_unescaped, number};

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6HINT: u16 = 6;
const OHTTP: u16 = 8;

/// Keys with names (IANA registry). The position is the number.
const NAMES: [&str; 9] = [
    "mandatory",
    "alpn",
    "no-default-alpn",
    "port",
    "ipv4hint",
    "ech",
    "ipv6hint",
    "dohpath", // RFC 9461
    "ohttp",   // RFC 9540
];

/// Keys must ascend, values must be whole.
pub(super) fn measure(rest: &[u8]) -> Result<usize, WireError> {
    let mut last = None;
    let mut params = Params(rest);
    while !params.0.is_empty() {
        let (key, _) = params.next().ok_or(WireError::Short)?;
        if last.is_some_and(|last| last >= key) {
            return Err(WireError::BadValue);
        }
        last = Some(key);
    }
    Ok(rest.len())
}

/// Reads all tokens that are left as `key` or `key=value`, possibly none.
pub(super) fn parse(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), TextProblem> {
    let mut params: Vec<(u16, Vec<u8>)> = Vec::new();
    while let Some(token) = input.take_if_any() {
        let equals = token.text.iter().position(|&octet| octet == b'=');
        let (name, mut value) = match equals {
            Some(at) => (&token.text[..at], Some(&token.text[at + 1..])),
            None => (token.text, None),
        };
        let key = key_from_text(name)?;
        if params.iter().any(|(other, _)| *other == key) {
            return Err(TextProblem::ParameterTwice);
        }
        match value {
            Some([b'"', inner @ .., b'"']) => value = Some(inner),
            Some([]) => value = input.take_if_quoted().or(value),
            _ => {}
        }
        let mut octets = Vec::new();
        parse_value(key, value, &mut octets)?;
        params.push((key, octets));
    }
    params.sort_unstable_by_key(|(key, _)| *key);
    check_together(&params)?;
    for (key, value) in &params {
        push_u16(*key, out);
        push_u16(u16::try_from(value.len()).map_err(|_| TextProblem::TooLong)?, out);
        out.extend_from_slice(value);
    }
    Ok(())
}

/// What one parameter demands of the others (RFC 9460 §7.1.1, §8).
fn check_together(params: &[(u16, Vec<u8>)]) -> Result<(), TextProblem> {
    let has = |key: u16| params.iter().any(|(other, _)| *other == key);
    if has(NO_DEFAULT_ALPN) && !has(ALPN) {
        return Err(TextProblem::ParameterAbsent("no-default-alpn needs alpn"));
    }
    for (_, value) in params.iter().filter(|(key, _)| *key == MANDATORY) {
        if !value.chunks_exact(2).all(|key| has(u16::from_be_bytes([key[0], key[1]]))) {
            return Err(TextProblem::ParameterAbsent("a parameter that is mandatory is absent"));
        }
    }
    Ok(())
}

fn key_from_text(name: &[u8]) -> Result<u16, TextProblem> {
    if let Some(known) = NAMES.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name)) {
        return Ok(known as u16);
    }
    match name.split_at_checked(3) {
        Some((head, digits)) if head.eq_ignore_ascii_case(b"key") => {
            // 65535 is reserved for "invalid".
            number(digits, u64::from(u16::MAX) - 1)
                .map(|key| key as u16)
                .map_err(|_| TextProblem::UnknownParameter)
        }
        _ => Err(TextProblem::UnknownParameter),
    }
}

fn parse_value(key: u16, value: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), TextProblem> {
    let unescaped = |text: &[u8]| {
        let mut octets = Vec::new();
        append_unescaped(text, &mut octets).map(|()| octets)
    };
    match (key, value) {
        (NO_DEFAULT_ALPN | OHTTP, None | Some([])) => Ok(()),
        (NO_DEFAULT_ALPN | OHTTP, Some(_)) => Err(TextProblem::ParameterValue("no value for this key")),
        (MANDATORY..=IPV6HINT, None | Some([])) => Err(TextProblem::ParameterValue("a value for this key")),
        (MANDATORY, Some(value)) => parse_mandatory(&unescaped(value)?, out),
        (ALPN, Some(value)) => parse_alpn(&unescaped(value)?, out),
        (PORT, Some(value)) => {
            push_u16(number(&unescaped(value)?, u16::MAX.into())? as u16, out);
            Ok(())
        }
        (IPV4HINT, Some(value)) => {
            for address in unescaped(value)?.split(|&octet| octet == b',') {
                out.extend_from_slice(&ipv4(address)?);
            }
            Ok(())
        }
        (IPV6HINT, Some(value)) => {
            for address in unescaped(value)?.split(|&octet| octet == b',') {
                out.extend_from_slice(&ipv6(address)?);
            }
            Ok(())
        }
        (ECH, Some(value)) => decode(&unescaped(value)?, Coding::Base64, out),
        (_, value) => append_unescaped(value.unwrap_or_default(), out),
    }
}

/// Keys with commas between, on the wire ascending (RFC 9460 §8).
fn parse_mandatory(list: &[u8], out: &mut Vec<u8>) -> Result<(), TextProblem> {
    let mut keys = Vec::new();
    for name in list.split(|&octet| octet == b',') {
        keys.push(key_from_text(name)?);
    }
    keys.sort_unstable();
    if keys.contains(&MANDATORY) || keys.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(TextProblem::ParameterValue("each key once, and not mandatory itself"));
    }
    keys.iter().for_each(|key| push_u16(*key, out));
    Ok(())
}

/// Protocol names with commas between; `\,` and `\\` stand for themselves (RFC 9460 §A.1).
fn parse_alpn(list: &[u8], out: &mut Vec<u8>) -> Result<(), TextProblem> {
    const FORM: TextProblem = TextProblem::ParameterValue("protocol names of 1 to 255 octets");
    let mut length_at = out.len();
    out.push(0);
    let mut octets = list.iter();
    loop {
        let octet = octets.next();
        match octet {
            None | Some(b',') => {
                let length = out.len() - length_at - 1;
                out[length_at] = u8::try_from(length).ok().filter(|&length| length > 0).ok_or(FORM)?;
                if octet.is_none() {
                    return Ok(());
                }
                length_at = out.len();
                out.push(0);
            }
            Some(b'\\') => match octets.next() {
                Some(octet @ (b',' | b'\\')) => out.push(*octet),
                _ => return Err(TextProblem::ParameterValue("\\, or \\\\ in a list of protocol names")),
            },
            Some(octet) => out.push(*octet),
        }
    }
}

/// Writes the parameters in their order; none if a value is not one that its key allows.
pub(super) fn print(rest: &[u8], out: &mut String) -> Option<usize> {
    let mut params = Params(rest);
    let mut seen = Vec::new();
    while !params.0.is_empty() {
        let (key, value) = params.next()?;
        if !seen.is_empty() {
            out.push(' ');
        }
        print_key(key, out)?;
        print_value(key, value, out)?;
        seen.push((key, value.to_vec()));
    }
    check_together(&seen).ok()?;
    Some(rest.len())
}

fn print_key(key: u16, out: &mut String) -> Option<()> {
    match NAMES.get(usize::from(key)) {
        Some(name) => out.push_str(name),
        None if key == u16::MAX => return None,
        None => write!(out, "key{key}").ok()?,
    }
    Some(())
}

fn print_value(key: u16, value: &[u8], out: &mut String) -> Option<()> {
    match key {
        NO_DEFAULT_ALPN | OHTTP => return value.is_empty().then_some(()),
        MANDATORY..=IPV6HINT if value.is_empty() => return None,
        _ if value.is_empty() => return Some(()),
        _ => out.push('='),
    }
    match key {
        MANDATORY => {
            let keys: Vec<u16> = whole_chunks::<2>(value)?.map(u16::from_be_bytes).collect();
            if keys.contains(&MANDATORY) || keys.windows(2).any(|pair| pair[0] >= pair[1]) {
                return None;
            }
            for (at, key) in keys.into_iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                print_key(key, out)?;
            }
        }
        ALPN => print_alpn(value, out)?,
        PORT => write!(out, "{}", u16::from_be_bytes(value.try_into().ok()?)).ok()?,
        IPV4HINT => print_list(whole_chunks::<4>(value)?.map(Ipv4Addr::from), out)?,
        IPV6HINT => print_list(whole_chunks::<16>(value)?.map(Ipv6Addr::from), out)?,
        ECH => BASE64.encode_append(value, out),
        _ => print_quoted(value, out),
    }
    Some(())
}

fn print_alpn(value: &[u8], out: &mut String) -> Option<()> {
    let mut list = Vec::new();
    let mut rest = value;
    while let Some((&length, after)) = rest.split_first() {
        let (name, after) = after.split_at_checked(usize::from(length)).filter(|_| length > 0)?;
        if !list.is_empty() {
            list.push(b',');
        }
        for &octet in name {
            if matches!(octet, b',' | b'\\') {
                list.push(b'\\');
            }
            list.push(octet);
        }
        rest = after;
    }
    if list.iter().all(|&octet| octet.is_ascii_alphanumeric() || b"-./,".contains(&octet)) {
        out.push_str(std::str::from_utf8(&list).ok()?);
    } else {
        print_quoted(&list, out);
    }
    Some(())
}

fn print_list(items: impl Iterator<Item = impl std::fmt::Display>, out: &mut String) -> Option<()> {
    for (at, item) in items.enumerate() {
        write!(out, "{}{item}", if at > 0 { "," } else { "" }).ok()?;
    }
    Some(())
}

fn whole_chunks<const SIZE: usize>(value: &[u8]) -> Option<impl Iterator<Item = [u8; SIZE]>> {
    let (chunks, rest) = value.as_chunks::<SIZE>();
    rest.is_empty().then(|| chunks.iter().copied())
}

/// The parameters on the wire; ends early if one is not whole.
struct Params<'a>(&'a [u8]);

impl<'a> Iterator for Params<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let [k0, k1, l0, l1, rest @ ..] = self.0 else { return None };
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1])))?;
        self.0 = rest;
        Some((u16::from_be_bytes([*k0, *k1]), value))
    }
}
