//! One pass over the records of a message that looks at their frames only.
//!
//! It finds OPT and TSIG wherever they stand, holds them to their rules, and proves that every
//! record lies inside the message and nothing follows the last one.

use super::{Header, MessageError, Section, name};
use crate::dns::edns::Edns;
use crate::dns::rtype::{Class, RecordType};
use crate::dns::tsig::TsigRef;

/// Where a record lies and what its fixed fields say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Offset of the owner, which is the start of the record.
    pub(crate) owner_at: usize,
    pub(crate) rtype: RecordType,
    pub(crate) class: Class,
    pub(crate) ttl: u32,
    /// Offsets of the RDATA and of what follows it.
    pub(crate) rdata_at: usize,
    pub(crate) end: usize,
}

impl Place {
    /// Reads the frame of the record at `at`; all of it lies inside the message.
    pub(crate) fn read(octets: &[u8], at: usize) -> Result<Place, MessageError> {
        let fixed_at = name::skip(octets, at)?;
        let rest = octets.get(fixed_at..).ok_or(MessageError::Cut)?;
        let (fixed, rest) = rest.split_first_chunk::<10>().ok_or(MessageError::Cut)?;
        let [t0, t1, c0, c1, l0, l1, l2, l3, n0, n1] = *fixed;
        let length = usize::from(u16::from_be_bytes([n0, n1]));
        if length > rest.len() {
            return Err(MessageError::Cut);
        }
        Ok(Place {
            owner_at: at,
            rtype: RecordType(u16::from_be_bytes([t0, t1])),
            class: Class(u16::from_be_bytes([c0, c1])),
            ttl: u32::from_be_bytes([l0, l1, l2, l3]),
            rdata_at: fixed_at + 10,
            end: fixed_at + 10 + length,
        })
    }

    /// The RDATA as it stands in the message, names compressed.
    pub(crate) fn rdata<'a>(&self, octets: &'a [u8]) -> &'a [u8] {
        octets.get(self.rdata_at..self.end).unwrap_or_default()
    }
}

/// What a walk found besides ordinary records.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found<'a> {
    pub(crate) edns: Option<Edns<'a>>,
    pub(crate) tsig: Option<TsigRef<'a>>,
}

/// Walks from `at`, the end of the question, to the end of the message; `ordinary` sees each record
/// that is neither OPT nor TSIG.
pub(crate) fn walk<'a>(
    octets: &'a [u8],
    header: &Header,
    mut at: usize,
    mut ordinary: impl FnMut(Section, &Place) -> Result<(), MessageError>,
) -> Result<Found<'a>, MessageError> {
    let mut found = Found::default();
    for section in Section::ALL {
        for _ in 0..header.counts[section.index()] {
            // RFC 8945 §5.2: a record after the TSIG, another TSIG included, is a format error.
            if found.tsig.is_some() {
                return Err(MessageError::Tsig);
            }
            let place = Place::read(octets, at)?;
            at = place.end;
            match place.rtype {
                RecordType::OPT => {
                    // RFC 6891 §6.1.1: one, anywhere in the additional section, owned by the root.
                    let is_root = octets.get(place.owner_at) == Some(&0);
                    if section != Section::Additional || found.edns.is_some() || !is_root {
                        return Err(MessageError::Opt);
                    }
                    let edns = Edns::read(place.class.0, place.ttl, place.rdata(octets));
                    found.edns = Some(edns.ok_or(MessageError::Opt)?);
                }
                RecordType::TSIG => {
                    if section != Section::Additional {
                        return Err(MessageError::Tsig);
                    }
                    found.tsig = Some(TsigRef::read(octets, &place).ok_or(MessageError::Tsig)?);
                }
                _ => ordinary(section, &place)?,
            }
        }
    }
    if at == octets.len() { Ok(found) } else { Err(MessageError::Trailing) }
}
