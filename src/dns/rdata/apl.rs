//! Lists of address prefixes (RFC 3123): `1:192.0.2.0/24 !2:2001:db8::/32`.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::address::{ipv4, ipv6};
use super::parse::{Input, push_u16};
use super::problem::{TextProblem, WireError};
use super::token::number;

const FORM: TextProblem = TextProblem::BadForm("[!]1:IPv4/length or [!]2:IPv6/length");
/// The bit of the length octet that negates an item.
const NEGATED: u8 = 0x80;

/// Items to the end, possibly none. What their octets mean is not looked at: families are open.
pub(super) fn measure(rest: &[u8]) -> Result<usize, WireError> {
    let mut items = rest;
    while !items.is_empty() {
        items = Item::split(items).ok_or(WireError::Short)?.1;
    }
    Ok(rest.len())
}

/// Reads all tokens that are left, possibly none.
pub(super) fn parse(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), TextProblem> {
    while let Some(token) = input.take_if_any() {
        parse_item(token.text, out)?;
    }
    Ok(())
}

fn parse_item(text: &[u8], out: &mut Vec<u8>) -> Result<(), TextProblem> {
    let (negated, text) = match text {
        [b'!', text @ ..] => (NEGATED, text),
        text => (0, text),
    };
    let (family, rest) = split_once(text, b':').ok_or(FORM)?;
    let (address, prefix) = split_once(rest, b'/').ok_or(FORM)?;
    let v4;
    let v6;
    let (family, octets, prefix_max): (u16, &[u8], u64) = match family {
        b"1" => {
            v4 = ipv4(address)?;
            (1, &v4, 32)
        }
        b"2" => {
            v6 = ipv6(address)?;
            (2, &v6, 128)
        }
        _ => return Err(FORM),
    };
    let prefix = number(prefix, prefix_max)? as u8;
    // RFC 3123 §4: trailing zero octets are not sent.
    let used = octets.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
    push_u16(family, out);
    out.extend_from_slice(&[prefix, negated | used as u8]);
    out.extend_from_slice(&octets[..used]);
    Ok(())
}

/// Writes the items; none of an unknown family, too long, or with octets that should be left out.
pub(super) fn print(rest: &[u8], out: &mut String) -> Option<usize> {
    let mut items = rest;
    while !items.is_empty() {
        let (item, after) = Item::split(items)?;
        if items.len() < rest.len() {
            out.push(' ');
        }
        if item.negated {
            out.push('!');
        }
        if item.octets.last() == Some(&0) {
            return None;
        }
        match (item.family, item.prefix) {
            (1, 0..=32) => write!(out, "1:{}", Ipv4Addr::from(padded::<4>(item.octets)?)).ok()?,
            (2, 0..=128) => write!(out, "2:{}", Ipv6Addr::from(padded::<16>(item.octets)?)).ok()?,
            _ => return None,
        }
        write!(out, "/{}", item.prefix).ok()?;
        items = after;
    }
    Some(rest.len())
}

struct Item<'a> {
    family: u16,
    prefix: u8,
    negated: bool,
    octets: &'a [u8],
}

impl<'a> Item<'a> {
    fn split(items: &'a [u8]) -> Option<(Item<'a>, &'a [u8])> {
        let [f0, f1, prefix, length, rest @ ..] = items else { return None };
        let (octets, rest) = rest.split_at_checked(usize::from(length & !NEGATED))?;
        let family = u16::from_be_bytes([*f0, *f1]);
        Some((Item { family, prefix: *prefix, negated: length & NEGATED != 0, octets }, rest))
    }
}

fn padded<const LENGTH: usize>(octets: &[u8]) -> Option<[u8; LENGTH]> {
    let mut all = [0; LENGTH];
    all.get_mut(..octets.len())?.copy_from_slice(octets);
    Some(all)
}

fn split_once(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let position = text.iter().position(|&octet| octet == at)?;
    Some((&text[..position], &text[position + 1..]))
}
