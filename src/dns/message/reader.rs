//! Reading what our peers answer.
//!
//! [`Reader::new`] walks all frames once, so that the signature can be judged before any record is
//! looked at.

use super::walk::{Found, walk};
use super::{HEADER_OCTETS, Header, MessageError, Question};
use crate::dns::ResponseCode;
use crate::dns::edns::Edns;
use crate::dns::tsig::TsigRef;

/// A message from a peer.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    octets: &'a [u8],
    header: Header,
    question: Option<Question<'a>>,
    found: Found<'a>,
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
        Ok(Reader { octets, header, question, found })
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
}
