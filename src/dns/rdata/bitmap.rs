//! The bitmap of types in NSEC, NSEC3 and CSYNC (RFC 4034 §4.1.2).

use std::fmt::Write;

use super::parse::Input;
use super::problem::{TextProblem, WireError};
use super::token::type_from_text;
use crate::dns::RecordType;

/// The most octets of one window.
const WINDOW_OCTETS_MAX: usize = 32;

/// Windows must ascend, none may be empty or end in a zero octet.
pub(super) fn measure(rest: &[u8]) -> Result<usize, WireError> {
    let mut last_window = None;
    for (window, bits) in Windows(rest) {
        let bits = bits?;
        if last_window.is_some_and(|last| last >= window) || bits.last().is_none_or(|&octet| octet == 0) {
            return Err(WireError::BadValue);
        }
        last_window = Some(window);
    }
    Ok(rest.len())
}

/// Reads all tokens that are left as types, in any order.
pub(super) fn parse(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), TextProblem> {
    let mut types = Vec::with_capacity(input.left());
    while let Some(token) = input.take_if_any() {
        types.push(type_from_text(token.text).ok_or(TextProblem::UnknownType)?.0);
    }
    types.sort_unstable();
    for window in types.chunk_by(|a, b| a >> 8 == b >> 8) {
        let mut bits = [0u8; WINDOW_OCTETS_MAX];
        let mut used = 0;
        for number in window {
            let octet = usize::from(number & 0xff) / 8;
            bits[octet] |= 0x80 >> (number % 8);
            used = octet + 1;
        }
        out.extend_from_slice(&[(window[0] >> 8) as u8, used as u8]);
        out.extend_from_slice(&bits[..used]);
    }
    Ok(())
}

/// Writes the types in ascending order.
pub(super) fn print(rest: &[u8], out: &mut String) -> Option<usize> {
    let mut space = "";
    for (window, bits) in Windows(rest) {
        for (at, octet) in bits.ok()?.iter().enumerate() {
            for bit in (0..8u16).filter(|bit| octet & (0x80 >> bit) != 0) {
                let number = u16::from(window) << 8 | (at as u16 * 8 + bit);
                write!(out, "{space}{}", RecordType(number)).ok()?;
                space = " ";
            }
        }
    }
    Some(rest.len())
}

/// The windows of a bitmap with their bits.
struct Windows<'a>(&'a [u8]);

impl<'a> Iterator for Windows<'a> {
    type Item = (u8, Result<&'a [u8], WireError>);

    fn next(&mut self) -> Option<Self::Item> {
        let (&window, rest) = self.0.split_first()?;
        let split = rest
            .split_first()
            .filter(|(length, _)| usize::from(**length) <= WINDOW_OCTETS_MAX)
            .and_then(|(length, rest)| rest.split_at_checked(usize::from(*length)));
        let Some((bits, rest)) = split else {
            self.0 = &[];
            return Some((window, Err(WireError::Short)));
        };
        self.0 = rest;
        Some((window, Ok(bits)))
    }
}
