//! From wire form to presentation form, field by field.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use data_encoding::{BASE32HEX_NOPAD, BASE64, HEXLOWER, HEXUPPER};

use super::layout::{Digests, Field, Layout, layout};
use super::wire::{check, measure};
use super::{apl, bitmap, gateway, hip, loc, svcparams, times};
use crate::dns::{NameRef, RecordType};

/// Appends the presentation form, names absolute. Opaque types, and octets that have no form of
/// their own, are written in the generic form of RFC 3597 §5.
pub fn write_text(rtype: RecordType, rdata: &[u8], out: &mut String) {
    let start = out.len();
    let known = layout(rtype).filter(|_| check(rtype, rdata).is_ok());
    if known.and_then(|layout| print_fields(layout, rdata, out)).is_none() {
        out.truncate(start);
        print_generic(rdata, out);
    }
}

fn print_fields(layout: &Layout, rdata: &[u8], out: &mut String) -> Option<()> {
    let mut rest = rdata;
    let start = out.len();
    for &(field, _) in layout.fields {
        let space_at = out.len();
        if space_at > start {
            out.push(' ');
        }
        let field_at = out.len();
        let used = print_field(field, rest, out)?;
        if out.len() == field_at {
            out.truncate(space_at);
        }
        rest = rest.get(used..)?;
    }
    Some(())
}

fn print_generic(rdata: &[u8], out: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\# {}", rdata.len());
    if !rdata.is_empty() {
        out.push(' ');
        HEXLOWER.encode_append(rdata, out);
    }
}

/// Appends one field and returns its length on the wire; `None` if it has no text form.
fn print_field(field: Field, rest: &[u8], out: &mut String) -> Option<usize> {
    match field {
        Field::TypeBitmap => return bitmap::print(rest, out),
        Field::SvcParams => return svcparams::print(rest, out),
        Field::Loc => return loc::print(rest, out),
        Field::Apl => return apl::print(rest, out),
        Field::IpsecGateway => return gateway::print_ipsec(rest, out),
        Field::AmtRelay => return gateway::print_amt(rest, out),
        Field::Hip => return hip::print(rest, out),
        _ => {}
    }
    let length = measure(field, rest).ok()?;
    let octets = rest.get(..length)?;
    match field {
        Field::U8 | Field::U16 | Field::U32 | Field::Ttl | Field::Code8(_) | Field::Code16(_) => {
            write!(out, "{}", number(octets)).ok()?;
        }
        Field::Time => times::print(number(octets), out),
        Field::Rtype => write!(out, "{}", RecordType(number(octets) as u16)).ok()?,
        Field::Name => write!(out, "{}", NameRef::from_wire(octets).ok()?).ok()?,
        Field::Ipv4 => write!(out, "{}", Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?)).ok()?,
        Field::Ipv6 => write!(out, "{}", Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?)).ok()?,
        Field::Eui48 | Field::Eui64 => print_groups(octets, 1, '-', out)?,
        Field::Node64 => print_groups(octets, 2, ':', out)?,
        Field::CharString | Field::CharStrings => print_char_strings(octets, out)?,
        Field::OptionalCharString => print_char_strings(octets, out)?,
        Field::Tag => {
            let tag = octets.get(1..)?;
            if !tag.iter().all(u8::is_ascii_alphanumeric) {
                return None;
            }
            out.push_str(std::str::from_utf8(tag).ok()?);
        }
        Field::Text => print_quoted(octets, out),
        // An empty rest is legal on the wire but leaves nothing to read back.
        Field::Base64 | Field::Nsap if octets.is_empty() => return None,
        Field::Digest(digests) => print_digest(digests, octets, out)?,
        Field::Base64 | Field::OptionalBase64 => BASE64.encode_append(octets, out),
        Field::Nsap => {
            out.push_str("0x");
            HEXLOWER.encode_append(octets, out);
        }
        Field::Salt if length == 1 => out.push('-'),
        Field::Salt => HEXUPPER.encode_append(octets.get(1..)?, out),
        Field::Hash => BASE32HEX_NOPAD.encode_append(octets.get(1..)?, out),
        Field::Opaque
        | Field::TypeBitmap
        | Field::SvcParams
        | Field::Loc
        | Field::Apl
        | Field::IpsecGateway
        | Field::AmtRelay
        | Field::Hip => return None,
    }
    Some(length)
}

/// The kind and the octets; none if their number is not right for the kind.
fn print_digest(digests: &Digests, octets: &[u8], out: &mut String) -> Option<()> {
    let (kind, digest) = octets.split_first()?;
    let right = digests.octets.iter().find(|(known, _)| known == kind);
    if digest.is_empty() || right.is_some_and(|(_, octets)| *octets != digest.len()) {
        return None;
    }
    write!(out, "{kind} ").ok()?;
    HEXUPPER.encode_append(digest, out);
    Some(())
}

/// Up to four octets as a number.
fn number(octets: &[u8]) -> u32 {
    octets.iter().fold(0, |value, octet| value << 8 | u32::from(*octet))
}

fn print_groups(octets: &[u8], size: usize, between: char, out: &mut String) -> Option<()> {
    for (at, group) in octets.chunks(size).enumerate() {
        if at > 0 {
            out.push(between);
        }
        write!(out, "{:0width$x}", number(group), width = size * 2).ok()?;
    }
    Some(())
}

fn print_char_strings(octets: &[u8], out: &mut String) -> Option<()> {
    let mut rest = octets;
    while let Some((&length, after)) = rest.split_first() {
        if rest.len() < octets.len() {
            out.push(' ');
        }
        let (string, after) = after.split_at_checked(usize::from(length))?;
        print_quoted(string, out);
        rest = after;
    }
    Some(())
}

/// Octets in quotes, so that one token gives them back.
pub(super) fn print_quoted(octets: &[u8], out: &mut String) {
    out.push('"');
    for &octet in octets {
        match octet {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(octet));
            }
            0x20..=0x7e => out.push(char::from(octet)),
            _ => {
                let _ = write!(out, "\\{octet:03}");
            }
        }
    }
    out.push('"');
}
