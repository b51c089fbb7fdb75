//! Reading what our peers answer.
//!
//! [`Reader::new`] walks all frames once, so that the signature can be judged before any record is
//! looked at. [`Reader::next_record`] then gives the records one by one, without compression and valid
//! for their types, out of buffers that the caller keeps.

use super::walk::{Found, Place, walk};
use super::{HEADER_OCTETS, Header, MessageError, Question, Section, name};
use crate::dns::edns::Edns;
use crate::dns::record::RecordRef;
use crate::dns::rtype::{Class, RecordType};
use crate::dns::tsig::TsigRef;
use crate::dns::{ResponseCode, rdata};

/// Room for one record without compression; kept from record to record.
#[derive(Debug)]
pub struct Scratch {
    owner: name::NameBuffer,
    rdata: Vec<u8>,
}

impl Scratch {
    /// Empty room.
    pub fn new() -> Scratch {
        Scratch { owner: name::NAME_BUFFER, rdata: Vec::new() }
    }
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch::new()
    }
}

/// A message from a peer.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    octets: &'a [u8],
    header: Header,
    question: Option<Question<'a>>,
    found: Found<'a>,
    /// Where the next record begins, and how many each section still has.
    at: usize,
    left: [u16; 4],
}

impl<'a> Reader<'a> {
    /// Looks at the frames of the whole message.
    pub fn new(octets: &'a [u8]) -> Result<Reader<'a>, MessageError> {
        let header = Header::read(octets).ok_or(MessageError::Short)?;
        let (question, at) = match header.counts[0] {
            0 => (None, HEADER_OCTETS),
            1 => Question::read(octets).map(|(question, end)| (Some(question), end))?,
            _ => return Err(MessageError::Questions),
        };
        let found = walk(octets, &header, at, |_, _| Ok(()))?;
        Ok(Reader { octets, header, question, found, at, left: header.counts })
    }

    /// The header.
    pub fn header(&self) -> Header {
        self.header
    }

    /// The question; later messages of a transfer may have none (RFC 5936 §2.2.1).
    pub fn question(&self) -> Option<Question<'a>> {
        self.question
    }

    /// What the OPT record says.
    pub fn edns(&self) -> Option<&Edns<'a>> {
        self.found.edns.as_ref()
    }

    /// The signature, not verified.
    pub fn tsig(&self) -> Option<&TsigRef<'a>> {
        self.found.tsig.as_ref()
    }

    /// The whole message.
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The RCODE with the bits that the OPT record adds.
    pub fn rcode(&self) -> ResponseCode {
        let high = self.edns().map_or(0, |edns| edns.extended_rcode);
        match u16::from(high) << 4 | u16::from(self.header.rcode()) {
            // The number is also BADSIG, but that one stands in TSIG records only.
            16 => ResponseCode::BADVERS,
            rcode => rcode.into(),
        }
    }

    /// The next record that is neither OPT nor TSIG. After an error the message is of no more use.
    pub fn next_record<'s>(
        &mut self,
        scratch: &'s mut Scratch,
    ) -> Result<Option<(Section, Class, RecordRef<'s>)>, MessageError> {
        while let Some(section) = Section::ALL.into_iter().find(|section| self.left[section.index()] > 0) {
            let place = Place::read(self.octets, self.at)?;
            self.at = place.end;
            self.left[section.index()] -= 1;
            if matches!(place.rtype, RecordType::OPT | RecordType::TSIG) {
                continue;
            }
            let Scratch { owner, rdata } = scratch;
            let owner = name::expand(self.octets, place.owner_at, owner)?;
            rdata.clear();
            rdata::read(place.rtype, self.octets, place.rdata_at, place.end, rdata)
                .map_err(|_| MessageError::Rdata(place.rtype))?;
            let record = RecordRef { owner, rtype: place.rtype, ttl: place.ttl, rdata };
            return Ok(Some((section, place.class, record)));
        }
        Ok(None)
    }
}
