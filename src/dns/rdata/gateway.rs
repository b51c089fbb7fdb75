//! Gateways whose form depends on a type octet: IPSECKEY (RFC 4025 §2) and AMTRELAY (RFC 8777 §4).

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::address::{ipv4, ipv6};
use super::parse::Input;
use super::problem::{TextProblem, WireError};
use super::token::{name_from_token, number};
use super::wire::fixed;
use crate::dns::NameRef;

/// No gateway; `.` in text.
const NONE: u8 = 0;
const IPV4: u8 = 1;
const IPV6: u8 = 2;
const NAME: u8 = 3;
/// The discovery bit of AMTRELAY; the other seven are the relay's type.
const DISCOVERY: u8 = 0x80;

/// Gateway type, algorithm, gateway. Of an unknown type everything to the end is the gateway.
pub(super) fn measure_ipsec(rest: &[u8]) -> Result<usize, WireError> {
    let [kind, _algorithm, gateway @ ..] = rest else { return Err(WireError::Short) };
    Ok(2 + measure(*kind, gateway)?)
}

/// Discovery bit and relay type in one octet, relay.
pub(super) fn measure_amt(rest: &[u8]) -> Result<usize, WireError> {
    let [kind, relay @ ..] = rest else { return Err(WireError::Short) };
    Ok(1 + measure(kind & !DISCOVERY, relay)?)
}

/// Reads gateway type, algorithm and gateway.
pub(super) fn parse_ipsec(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), TextProblem> {
    input.call_field("gateway type");
    let kind = number(input.take()?, NAME.into())? as u8;
    input.call_field("algorithm");
    let algorithm = number(input.take()?, u8::MAX.into())? as u8;
    out.extend_from_slice(&[kind, algorithm]);
    input.call_field("gateway");
    parse(kind, input, out)
}

/// Reads discovery bit, relay type and relay.
pub(super) fn parse_amt(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), TextProblem> {
    input.call_field("discovery bit");
    let discovery = number(input.take()?, 1)? as u8 * DISCOVERY;
    input.call_field("relay type");
    let kind = number(input.take()?, NAME.into())? as u8;
    out.push(discovery | kind);
    input.call_field("relay");
    parse(kind, input, out)
}

/// Writes gateway type, algorithm and gateway.
pub(super) fn print_ipsec(rest: &[u8], out: &mut String) -> Option<usize> {
    let [kind, algorithm, gateway @ ..] = rest else { return None };
    write!(out, "{kind} {algorithm} ").ok()?;
    Some(2 + print(*kind, gateway, out)?)
}

/// Writes discovery bit, relay type and relay.
pub(super) fn print_amt(rest: &[u8], out: &mut String) -> Option<usize> {
    let [kind, relay @ ..] = rest else { return None };
    write!(out, "{} {} ", kind >> 7, kind & !DISCOVERY).ok()?;
    Some(1 + print(kind & !DISCOVERY, relay, out)?)
}

fn measure(kind: u8, gateway: &[u8]) -> Result<usize, WireError> {
    match kind {
        NONE => Ok(0),
        IPV4 => fixed(gateway, 4),
        IPV6 => fixed(gateway, 16),
        NAME => Ok(NameRef::split_from(gateway)?.0.wire_len()),
        _ => Ok(gateway.len()),
    }
}

fn parse(kind: u8, input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), TextProblem> {
    let text = input.take()?;
    match kind {
        NONE if text == b"." => {}
        NONE => return Err(TextProblem::BadForm("a dot: type 0 means no gateway")),
        IPV4 => out.extend_from_slice(&ipv4(text)?),
        IPV6 => out.extend_from_slice(&ipv6(text)?),
        _ => name_from_token(text, input.origin, out)?,
    }
    Ok(())
}

fn print(kind: u8, gateway: &[u8], out: &mut String) -> Option<usize> {
    match kind {
        NONE => {
            out.push('.');
            Some(0)
        }
        IPV4 => {
            write!(out, "{}", Ipv4Addr::from(*gateway.first_chunk::<4>()?)).ok()?;
            Some(4)
        }
        IPV6 => {
            write!(out, "{}", Ipv6Addr::from(*gateway.first_chunk::<16>()?)).ok()?;
            Some(16)
        }
        NAME => {
            let (name, _) = NameRef::split_from(gateway).ok()?;
            write!(out, "{name}").ok()?;
            Some(name.wire_len())
        }
        _ => None,
    }
}
