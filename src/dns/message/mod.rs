//! Messages on the wire, in and out (RFC 1035 §4).
//!
//! [`read_request`] takes apart what strangers send us, [`Reader`] what our peers answer, and
//! [`Writer`] writes everything that we send. Foreign octets never panic, never loop and never
//! allocate: each pass over a message is linear in its length, and a compressed name costs at most
//! `limits::NAME_POINTERS_MAX` jumps, each of them backwards. Not here: what a record's RDATA means
//! (`rdata/`), and whether a signature is right (`tsig/`).

mod compress;
pub(crate) mod name;
mod reader;
mod request;
mod walk;
mod writer;

use std::fmt;

use super::OpCode;
use super::name::{NameError, NameRef};
use super::rtype::{Class, RecordType};

pub use reader::{Reader, Scratch};
pub use request::{BadRequest, Request, read_request};
pub(crate) use walk::Place;
pub use writer::{Compression, Full, Mark, Writer};

/// Octets of the header (RFC 1035 §4.1.1).
pub const HEADER_OCTETS: usize = 12;

const QR: u16 = 0x8000;
const AA: u16 = 0x0400;
const TC: u16 = 0x0200;
const RD: u16 = 0x0100;

/// The twelve octets at the start of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What ties an answer to its question.
    pub id: u16,
    /// QR, OPCODE, AA, TC, RD, RA, Z, AD, CD and RCODE as they stand on the wire.
    pub bits: u16,
    /// QDCOUNT, ANCOUNT, NSCOUNT and ARCOUNT.
    pub counts: [u16; 4],
}

impl Header {
    /// Takes the header; `None` if there are fewer than twelve octets.
    pub fn read(octets: &[u8]) -> Option<Header> {
        let (header, _) = octets.split_first_chunk::<HEADER_OCTETS>()?;
        let [i0, i1, b0, b1, q0, q1, a0, a1, n0, n1, r0, r1] = *header;
        Some(Header {
            id: u16::from_be_bytes([i0, i1]),
            bits: u16::from_be_bytes([b0, b1]),
            counts: [[q0, q1], [a0, a1], [n0, n1], [r0, r1]].map(u16::from_be_bytes),
        })
    }

    /// QR: whether this is an answer.
    pub fn is_response(&self) -> bool {
        self.bits & QR != 0
    }

    /// OPCODE.
    pub fn opcode(&self) -> OpCode {
        OpCode::from_u8((self.bits >> 11 & 0x0f) as u8)
    }

    /// The four bits of RCODE; [`Reader::rcode`] adds those of the OPT record.
    pub fn rcode(&self) -> u8 {
        (self.bits & 0x0f) as u8
    }

    /// AA.
    pub fn is_authoritative(&self) -> bool {
        self.bits & AA != 0
    }

    /// TC.
    pub fn is_truncated(&self) -> bool {
        self.bits & TC != 0
    }
}

/// What a message asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The name, case as it was sent.
    pub name: NameRef<'a>,
    /// The type, meta types included.
    pub qtype: RecordType,
    /// The class.
    pub qclass: Class,
}

impl<'a> Question<'a> {
    /// Takes the question right after the header and says where it ends. A name before it to which
    /// a pointer could lead does not exist, so a pointer is an error (A06).
    fn read(octets: &'a [u8]) -> Result<(Question<'a>, usize), MessageError> {
        let body = octets.get(HEADER_OCTETS..).ok_or(MessageError::Short)?;
        let (name, rest) = NameRef::split_from(body).map_err(MessageError::Name)?;
        let (fixed, rest) = rest.split_first_chunk::<4>().ok_or(MessageError::Cut)?;
        let [t0, t1, c0, c1] = *fixed;
        let question = Question {
            name,
            qtype: RecordType(u16::from_be_bytes([t0, t1])),
            qclass: Class(u16::from_be_bytes([c0, c1])),
        };
        Ok((question, octets.len() - rest.len()))
    }
}

/// The sections that hold records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// What was asked for.
    Answer,
    /// Who is in charge, or why there is nothing.
    Authority,
    /// What may come in useful; OPT and TSIG.
    Additional,
}

impl Section {
    const ALL: [Section; 3] = [Section::Answer, Section::Authority, Section::Additional];

    /// The place of this section's count among [`Header::counts`].
    fn index(self) -> usize {
        match self {
            Section::Answer => 1,
            Section::Authority => 2,
            Section::Additional => 3,
        }
    }
}

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// It is shorter than a header.
    Short,
    /// It ends inside a record or before its counts are met.
    Cut,
    /// A name is not a name.
    Name(NameError),
    /// A compression pointer does not lead backwards, or there are too many of them.
    Pointer,
    /// It has more than one question.
    Questions,
    /// An OPT record is malformed, misplaced or there are two (RFC 6891 §6.1.1).
    Opt,
    /// A TSIG record is malformed or not the last one (RFC 8945 §5.2).
    Tsig,
    /// The RDATA of a record does not fit its type.
    Rdata(RecordType),
    /// Octets follow the last record.
    Trailing,
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MessageError::Short => f.write_str("the message is shorter than its header"),
            MessageError::Cut => f.write_str("the message ends in the middle"),
            MessageError::Name(error) => error.fmt(f),
            MessageError::Pointer => f.write_str("a compression pointer does not lead backwards"),
            MessageError::Questions => f.write_str("the message has more than one question"),
            MessageError::Opt => f.write_str("the OPT record is malformed or misplaced"),
            MessageError::Tsig => f.write_str("the TSIG record is malformed or misplaced"),
            MessageError::Rdata(rtype) => write!(f, "the data of a {rtype} record is malformed"),
            MessageError::Trailing => f.write_str("octets follow the last record"),
        }
    }
}

impl std::error::Error for MessageError {}

#[cfg(test)]
mod tests;
