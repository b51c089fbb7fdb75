//! RDATA as octets: how long each field is, names inside, decompression, the canonical form.
//!
//! Invariant: what [`measure`] accepts lies wholly inside the octets given. It is no stricter than
//! the RFCs where a field has its own structure, so that a legal but odd record does not cost a
//! whole transfer.

use super::layout::{Field, Layout, NameRule, layout};
use super::problem::WireError;
use super::{apl, bitmap, gateway, hip, loc, svcparams};
use crate::dns::name::{LABEL_OCTETS_MAX, NAME_OCTETS_MAX, NameError};
use crate::dns::{NameRef, RecordType};
use crate::limits;

/// Whether uncompressed RDATA is valid for its type. Types without a row in the table take any
/// octets.
pub fn check(rtype: RecordType, rdata: &[u8]) -> Result<(), WireError> {
    if rdata.len() > usize::from(u16::MAX) {
        return Err(WireError::TooLong);
    }
    let Some(layout) = layout(rtype) else { return Ok(()) };
    let mut rest = rdata;
    for &(field, _) in layout.fields {
        rest = &rest[measure(field, rest)?..];
    }
    if rest.is_empty() { Ok(()) } else { Err(WireError::Trailing) }
}

/// Appends the RDATA that stands in `message` from `start` to `end`: checked, its names
/// decompressed where the type allows compression (RFC 1035, and RFC 3597 §4's list). On an error
/// nothing is appended.
pub fn read(
    rtype: RecordType,
    message: &[u8],
    start: usize,
    end: usize,
    out: &mut Vec<u8>,
) -> Result<(), WireError> {
    let rdata = message.get(start..end).ok_or(WireError::Short)?;
    match layout(rtype) {
        Some(layout) if matches!(layout.names, NameRule::Compress | NameRule::Tolerate) => {
            let before = out.len();
            let result = read_fields(layout, message, start, end, out);
            if result.is_err() {
                out.truncate(before);
            }
            result
        }
        _ => {
            check(rtype, rdata)?;
            out.extend_from_slice(rdata);
            Ok(())
        }
    }
}

fn read_fields(
    layout: &Layout,
    message: &[u8],
    start: usize,
    end: usize,
    out: &mut Vec<u8>,
) -> Result<(), WireError> {
    let before = out.len();
    let mut at = start;
    for &(field, _) in layout.fields {
        let rest = message.get(at..end).ok_or(WireError::Short)?;
        if field == Field::Name {
            at = name_from_message(message, at, out)?;
        } else {
            let length = measure(field, rest)?;
            out.extend_from_slice(&rest[..length]);
            at += length;
        }
    }
    if out.len() - before > usize::from(u16::MAX) {
        return Err(WireError::TooLong);
    }
    match at.cmp(&end) {
        std::cmp::Ordering::Less => Err(WireError::Trailing),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(WireError::Short),
    }
}

/// Appends the name that begins at `at`, its pointers followed (RFC 1035 §4.1.4), and returns
/// where it ends in place. Each pointer must lead to before the labels that it ends, so there are
/// no loops, and their number is bounded besides. On an error nothing is appended.
pub fn name_from_message(message: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, WireError> {
    let before = out.len();
    let result = follow_name(message, at, out);
    if result.is_err() {
        out.truncate(before);
    }
    result
}

fn follow_name(message: &[u8], start: usize, out: &mut Vec<u8>) -> Result<usize, WireError> {
    let before = out.len();
    let mut at = start;
    // Where the labels that are being read began: a pointer must lead to before it.
    let mut floor = start;
    let mut end = None;
    let mut pointers = 0;
    loop {
        let length = *message.get(at).ok_or(WireError::Short)?;
        match usize::from(length) {
            0 => {
                out.push(0);
                return Ok(end.unwrap_or(at + 1));
            }
            octets @ 1..=LABEL_OCTETS_MAX => {
                let next = at + 1 + octets;
                let label = message.get(at..next).ok_or(WireError::Short)?;
                // One octet is kept for the root label.
                if out.len() - before + label.len() >= NAME_OCTETS_MAX {
                    return Err(NameError::TooLong.into());
                }
                out.extend_from_slice(label);
                at = next;
            }
            0xc0.. => {
                let low = *message.get(at + 1).ok_or(WireError::Short)?;
                end = end.or(Some(at + 2));
                let target = usize::from(length & 0x3f) << 8 | usize::from(low);
                pointers += 1;
                if target >= floor || pointers > limits::NAME_POINTERS_MAX {
                    return Err(WireError::BadPointer);
                }
                at = target;
                floor = target;
            }
            _ => return Err(NameError::NotALabel.into()),
        }
    }
}

/// Appends the canonical form: names in lower case for the types of RFC 4034 §6.2 as corrected by
/// RFC 6840 §5.1, everything else as it is.
pub fn canonical(rtype: RecordType, rdata: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(rdata);
    let Some(layout) = layout(rtype).filter(|layout| layout.names != NameRule::Exact) else { return };
    let mut rest = &mut out[start..];
    for &(field, _) in layout.fields {
        let Ok(length) = measure(field, rest) else { return };
        let (octets, after) = rest.split_at_mut(length);
        if field == Field::Name {
            // Length octets are at most 63, below every ASCII letter.
            octets.make_ascii_lowercase();
        }
        rest = after;
    }
}

/// Whether the two are equal in the canonical form.
pub fn same(rtype: RecordType, a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let Some(layout) = layout(rtype).filter(|layout| layout.names != NameRule::Exact) else {
        return a == b;
    };
    let (mut a, mut b) = (a, b);
    for &(field, _) in layout.fields {
        let Ok(length) = measure(field, a) else { break };
        let (Some((field_a, rest_a)), Some((field_b, rest_b))) =
            (a.split_at_checked(length), b.split_at_checked(length))
        else {
            return false;
        };
        let equal = match field {
            Field::Name => field_a.eq_ignore_ascii_case(field_b),
            _ => field_a == field_b,
        };
        if !equal {
            return false;
        }
        (a, b) = (rest_a, rest_b);
    }
    a == b
}

/// A part of RDATA as the message writer takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Octets to copy.
    Octets(&'a [u8]),
    /// A name that may be compressed (RFC 3597 §4: the types of RFC 1035 only).
    Name(NameRef<'a>),
}

/// The parts of RDATA, in order. Together they are all of it.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    fields: &'static [(Field, &'static str)],
    rest: &'a [u8],
}

/// Takes valid RDATA apart into names that may be compressed and the octets between them.
pub fn pieces(rtype: RecordType, rdata: &[u8]) -> Pieces<'_> {
    let fields = match layout(rtype) {
        Some(layout) if layout.names == NameRule::Compress => layout.fields,
        _ => &[],
    };
    Pieces { fields, rest: rdata }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut length = 0;
        while let Some((&(field, _), later)) = self.fields.split_first() {
            let after = &self.rest[length..];
            match field {
                Field::Name if length == 0 => {
                    self.fields = later;
                    if let Ok((name, rest)) = NameRef::split_from(after) {
                        self.rest = rest;
                        return Some(Piece::Name(name));
                    }
                    self.fields = &[];
                }
                Field::Name => break,
                _ => match measure(field, after) {
                    Ok(more) => {
                        length += more;
                        self.fields = later;
                    }
                    Err(_) => self.fields = &[],
                },
            }
        }
        // Past the last field comes what is left: nothing, if the RDATA is valid.
        let length = if self.fields.is_empty() { self.rest.len() } else { length };
        let (octets, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(Piece::Octets(octets))
    }
}

/// The name in this RDATA whose addresses belong in the additional section (RFC 1034 §4.3.2 step
/// 6, RFC 9460 §4.1). The root stands for "none", or in SVCB and HTTPS for the owner: it gives
/// `None`.
pub fn additional_target(rtype: RecordType, rdata: &[u8]) -> Option<NameRef<'_>> {
    let skip = match rtype {
        RecordType::NS | RecordType::MD | RecordType::MF | RecordType::MB => 0,
        RecordType::MX | RecordType::AFSDB | RecordType::RT | RecordType::KX => 2,
        RecordType::SVCB | RecordType::HTTPS => 2,
        RecordType::SRV => 6,
        _ => return None,
    };
    let (name, _) = NameRef::split_from(rdata.get(skip..)?).ok()?;
    (!name.is_root()).then_some(name)
}

/// How many octets at the start of `rest` are this field, if they are valid for it.
pub(super) fn measure(field: Field, rest: &[u8]) -> Result<usize, WireError> {
    match field {
        Field::U8 | Field::Code8(_) => fixed(rest, 1),
        Field::U16 | Field::Rtype | Field::Code16(_) => fixed(rest, 2),
        Field::U32 | Field::Ttl | Field::Time | Field::Ipv4 => fixed(rest, 4),
        Field::Eui48 => fixed(rest, 6),
        Field::Eui64 | Field::Node64 => fixed(rest, 8),
        Field::Ipv6 => fixed(rest, 16),
        Field::Name => Ok(NameRef::split_from(rest)?.0.wire_len()),
        Field::CharString | Field::Salt => counted(rest),
        Field::OptionalCharString if rest.is_empty() => Ok(0),
        Field::OptionalCharString => counted(rest),
        Field::Tag | Field::Hash => match counted(rest)? {
            1 => Err(WireError::BadValue),
            length => Ok(length),
        },
        Field::CharStrings => {
            let mut length = counted(rest)?;
            while length < rest.len() {
                length += counted(&rest[length..])?;
            }
            Ok(length)
        }
        Field::Digest(_) if rest.is_empty() => Err(WireError::Short),
        Field::Digest(_) => Ok(rest.len()),
        Field::Text | Field::Base64 | Field::OptionalBase64 | Field::Nsap | Field::Opaque => Ok(rest.len()),
        Field::TypeBitmap => bitmap::measure(rest),
        Field::SvcParams => svcparams::measure(rest),
        Field::Loc => loc::measure(rest),
        Field::Apl => apl::measure(rest),
        Field::IpsecGateway => gateway::measure_ipsec(rest),
        Field::AmtRelay => gateway::measure_amt(rest),
        Field::Hip => hip::measure(rest),
    }
}

/// A field of a fixed length.
pub(super) fn fixed(rest: &[u8], length: usize) -> Result<usize, WireError> {
    if rest.len() < length { Err(WireError::Short) } else { Ok(length) }
}

/// A length octet and that many octets.
fn counted(rest: &[u8]) -> Result<usize, WireError> {
    let length = rest.first().ok_or(WireError::Short)?;
    fixed(rest, 1 + usize::from(*length))
}
