//! Host identities (RFC 8005 §5): algorithm, tag in hex, key in base64, rendezvous servers.

use std::fmt::Write;

use data_encoding::{BASE64, HEXUPPER};

use super::parse::{Coding, Input, decode};
use super::problem::{TextProblem, WireError};
use super::token::{name_from_token, number};
use crate::dns::NameRef;

/// Tag and key have at least one octet each; names follow to the end.
pub(super) fn measure(rest: &[u8]) -> Result<usize, WireError> {
    let parts = Parts::split(rest).ok_or(WireError::Short)?;
    if parts.tag.is_empty() || parts.key.is_empty() {
        return Err(WireError::BadValue);
    }
    let mut servers = parts.servers;
    while !servers.is_empty() {
        servers = NameRef::split_from(servers)?.1;
    }
    Ok(rest.len())
}

/// Reads the whole RDATA.
pub(super) fn parse(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), TextProblem> {
    let start = out.len();
    input.call_field("algorithm");
    let algorithm = number(input.take()?, u8::MAX.into())? as u8;
    out.extend_from_slice(&[0, algorithm, 0, 0]);
    input.call_field("host identity tag");
    decode(input.take()?, Coding::Hex, out)?;
    let tag = out.len() - start - 4;
    out[start] = u8::try_from(tag).map_err(|_| TextProblem::StringTooLong)?;
    input.call_field("public key");
    decode(input.take()?, Coding::Base64, out)?;
    let key = out.len() - start - 4 - tag;
    let key = u16::try_from(key).map_err(|_| TextProblem::TooLong)?;
    out[start + 2..start + 4].copy_from_slice(&key.to_be_bytes());
    input.call_field("rendezvous server");
    while let Some(token) = input.take_if_any() {
        name_from_token(token.text, input.origin, out)?;
    }
    Ok(())
}

/// Writes the whole RDATA.
pub(super) fn print(rest: &[u8], out: &mut String) -> Option<usize> {
    let parts = Parts::split(rest)?;
    write!(out, "{} ", parts.algorithm).ok()?;
    HEXUPPER.encode_append(parts.tag, out);
    out.push(' ');
    BASE64.encode_append(parts.key, out);
    let mut servers = parts.servers;
    while !servers.is_empty() {
        let (name, after) = NameRef::split_from(servers).ok()?;
        write!(out, " {name}").ok()?;
        servers = after;
    }
    Some(rest.len())
}

struct Parts<'a> {
    algorithm: u8,
    tag: &'a [u8],
    key: &'a [u8],
    servers: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(rest: &'a [u8]) -> Option<Parts<'a>> {
        let [tag_length, algorithm, k0, k1, rest @ ..] = rest else { return None };
        let (tag, rest) = rest.split_at_checked(usize::from(*tag_length))?;
        let (key, servers) = rest.split_at_checked(usize::from(u16::from_be_bytes([*k0, *k1])))?;
        Some(Parts { algorithm: *algorithm, tag, key, servers })
    }
}
