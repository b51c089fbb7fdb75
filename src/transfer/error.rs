//! Why a transfer, a poll or a NOTIFY failed.

use std::fmt;

use crate::dns::message::MessageError;
use crate::dns::rcode::Mnemonic;
use crate::dns::tsig::ReplyFault;
use crate::dns::{Class, Name, RecordType, ResponseCode, Serial};
use crate::reason::Reason;
use crate::zone::zonemd::Flaw;
use crate::zone::{ApplyError, Excess};

/// What went wrong, each check its own variant. Whatever it is, nothing of the transfer is used (D11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferError {
    /// Driver: no answer came in time. Holds why the last datagram that did come was not one, if any.
    Silent(Option<Box<TransferError>>),
    /// Driver: no connection could be made, or it failed; the text is the system's.
    Unreachable(String),
    /// Driver: the connection was closed, or (UDP) the datagram ended, before the answer was complete.
    Cut {
        /// Records read until then.
        records: u64,
    },
    /// QR is not set (R23).
    NotAReply,
    /// The id is not that of the request.
    WrongId,
    /// The opcode is not that of the request (R23).
    WrongOpcode,
    /// The question is not that of the request, or is missing where it must stand (RFC 5936 §2.2.2; R23).
    WrongQuestion,
    /// The message cannot be parsed.
    Garbled(MessageError),
    /// TC is set on a stream, where nothing is ever truncated.
    Truncated,
    /// The peer says no.
    Rcode(ResponseCode),
    /// The SOA answer has no AA bit: the peer is not authoritative for the zone.
    NotAuthoritative,
    /// The signature is missing or wrong; with the rcode that the reply claims.
    Key(ReplyFault, ResponseCode),
    /// The answer holds no SOA of the zone where it must begin with one.
    NoSoa,
    /// A message of a transfer without any records in its answer section.
    EmptyMessage,
    /// A record of another class.
    WrongClass(Class),
    /// A record whose owner is outside of the zone.
    OutsideOfZone(Name),
    /// A record of a type that can never be zone data.
    NotZoneData(RecordType),
    /// An SOA below the apex.
    SoaBelowApex(Name),
    /// An SOA ends the transfer that is not the one that began it.
    ClosingSoaDiffers,
    /// Records follow the closing SOA.
    Trailing,
    /// The peer's version is older than ours.
    SerialLower {
        /// The serial that we hold.
        ours: Serial,
        /// The serial that the peer sends.
        theirs: Serial,
    },
    /// The two serials are half the circle apart: neither is newer (RFC 1982 §3.2; G02).
    SerialUndefined {
        /// The serial that we hold.
        ours: Serial,
        /// The serial that the peer sends.
        theirs: Serial,
    },
    /// The differences do not begin at our serial, or a step does not begin where the one before ended.
    ChainGap {
        /// The serial that should have stood there.
        expected: Serial,
        /// The serial that did.
        found: Serial,
    },
    /// A step of the differences does not go forward (RFC 1982).
    StepBack {
        /// Where the step begins.
        from: Serial,
        /// Where it claims to lead.
        to: Serial,
    },
    /// The differences do not fit what we hold (R14, E08).
    Inconsistent(ApplyError),
    /// The result has no NS records at its apex.
    NoApexNs,
    /// The result does not verify by its ZONEMD (RFC 8976 §4).
    Unverified(Flaw),
    /// A name of the result is larger than it may be (p192).
    Excess(Excess),
    /// More octets than the limit.
    TooManyOctets,
    /// More records than the limit.
    TooManyRecords,
    /// More time than the limit.
    TooSlow,
}

/// Who or what is to blame, as far as the next rung of the ladder depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody answered.
    Silent,
    /// No connection.
    Unreachable,
    /// The peer answered that it will not, or the key does not fit.
    Refused,
    /// The peer sent what makes no sense, or closed the connection before the answer was complete: some do
    /// that to an IXFR and answer an AXFR.
    Garbage,
    /// The differences are of no use; the whole zone may be.
    IxfrUnusable,
    /// The peer is behind us.
    Lower,
    /// Neither is newer.
    Undefined,
    /// The peer sends more than we take.
    TooLarge,
}

impl TransferError {
    /// The stable code for logs, counters and `status`.
    pub fn reason(&self) -> Reason {
        match self {
            TransferError::Silent(stray) => stray.as_ref().map_or(Reason::PeerSilent, |stray| stray.reason()),
            TransferError::Unreachable(_) => Reason::PeerUnreachable,
            TransferError::Cut { .. } => Reason::TransferCut,
            TransferError::NotAReply
            | TransferError::WrongId
            | TransferError::WrongOpcode
            | TransferError::WrongQuestion => Reason::PeerMismatch,
            TransferError::Garbled(_) | TransferError::Truncated | TransferError::EmptyMessage => {
                Reason::PeerGarbled
            }
            TransferError::Rcode(_) => Reason::PeerRefused,
            TransferError::NotAuthoritative => Reason::PeerLame,
            TransferError::Key(fault, _) => fault.reason(),
            TransferError::NoSoa | TransferError::NoApexNs => Reason::TransferNotAZone,
            TransferError::WrongClass(_)
            | TransferError::OutsideOfZone(_)
            | TransferError::NotZoneData(_)
            | TransferError::SoaBelowApex(_) => Reason::TransferForeignRecord,
            TransferError::ClosingSoaDiffers => Reason::TransferSoaDiffers,
            TransferError::Trailing => Reason::TransferTrailing,
            TransferError::SerialLower { .. } => Reason::SerialLower,
            TransferError::SerialUndefined { .. } => Reason::SerialUndefined,
            TransferError::ChainGap { .. }
            | TransferError::StepBack { .. }
            | TransferError::Inconsistent(_) => Reason::IxfrInconsistent,
            TransferError::Unverified(_) => Reason::TransferDigest,
            TransferError::Excess(_)
            | TransferError::TooManyOctets
            | TransferError::TooManyRecords
            | TransferError::TooSlow => Reason::TransferTooLarge,
        }
    }

    /// What the next rung of the ladder depends on.
    pub fn fault(&self) -> Fault {
        match self {
            TransferError::Silent(_) => Fault::Silent,
            TransferError::Unreachable(_) => Fault::Unreachable,
            TransferError::Rcode(_) | TransferError::NotAuthoritative | TransferError::Key(..) => {
                Fault::Refused
            }
            TransferError::Cut { .. }
            | TransferError::NotAReply
            | TransferError::WrongId
            | TransferError::WrongOpcode
            | TransferError::WrongQuestion
            | TransferError::Garbled(_)
            | TransferError::Truncated
            | TransferError::NoSoa
            | TransferError::EmptyMessage
            | TransferError::WrongClass(_)
            | TransferError::OutsideOfZone(_)
            | TransferError::NotZoneData(_)
            | TransferError::SoaBelowApex(_)
            | TransferError::ClosingSoaDiffers
            | TransferError::Trailing
            | TransferError::NoApexNs
            | TransferError::Unverified(_) => Fault::Garbage,
            TransferError::SerialLower { .. } => Fault::Lower,
            TransferError::SerialUndefined { .. } => Fault::Undefined,
            TransferError::ChainGap { .. }
            | TransferError::StepBack { .. }
            | TransferError::Inconsistent(_) => Fault::IxfrUnusable,
            TransferError::Excess(_)
            | TransferError::TooManyOctets
            | TransferError::TooManyRecords
            | TransferError::TooSlow => Fault::TooLarge,
        }
    }

    /// Whether the server may not have understood the EDNS record of the request, so that asking without
    /// one may help (RFC 6891 §7). It may then not sign either.
    pub fn may_be_edns(&self) -> bool {
        match self {
            TransferError::Rcode(rcode) | TransferError::Key(_, rcode) => {
                matches!(rcode, ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::BADVERS)
            }
            TransferError::Silent(Some(stray)) => stray.may_be_edns(),
            _ => false,
        }
    }

    /// Whether the server may have had too much to do at once.
    pub fn may_be_busy(&self) -> bool {
        matches!(self, TransferError::Rcode(ResponseCode::ServFail | ResponseCode::Refused))
    }

    /// Whether this error is all that the peer had to say, so that its connection is good for more.
    pub fn is_whole_answer(&self) -> bool {
        matches!(self, TransferError::Rcode(_) | TransferError::NotAuthoritative)
    }

    /// Whether a datagram with this fault may be somebody else's, so that the true answer can still come.
    pub(super) fn is_stray(&self) -> bool {
        matches!(
            self,
            TransferError::NotAReply
                | TransferError::WrongId
                | TransferError::WrongOpcode
                | TransferError::WrongQuestion
                | TransferError::Garbled(_)
                | TransferError::Key(..)
        )
    }
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransferError::Silent(None) => f.write_str("no answer in time"),
            TransferError::Silent(Some(stray)) => write!(f, "no usable answer in time; the last: {stray}"),
            TransferError::Unreachable(what) => write!(f, "cannot be reached: {what}"),
            TransferError::Cut { records } => {
                write!(f, "the answer broke off after {records} records, before the closing SOA")
            }
            TransferError::NotAReply => f.write_str("the message is a query, not a reply"),
            TransferError::WrongId => f.write_str("the id is not that of the request"),
            TransferError::WrongOpcode => f.write_str("the opcode is not that of the request"),
            TransferError::WrongQuestion => f.write_str("the question is not that of the request"),
            TransferError::Garbled(error) => write!(f, "the message cannot be parsed: {error}"),
            TransferError::Truncated => f.write_str("the message is marked as truncated on a stream"),
            TransferError::Rcode(rcode) => write!(f, "the peer answered {}", Mnemonic(*rcode)),
            TransferError::NotAuthoritative => f.write_str("the peer is not authoritative for the zone"),
            TransferError::Key(fault, ResponseCode::NoError) => fault.fmt(f),
            TransferError::Key(fault, rcode) => write!(f, "{fault} (rcode {})", Mnemonic(*rcode)),
            TransferError::NoSoa => f.write_str("the answer has no SOA of the zone where one must stand"),
            TransferError::EmptyMessage => f.write_str("a message of the transfer has no records"),
            TransferError::WrongClass(class) => write!(f, "a record has class {class}"),
            TransferError::OutsideOfZone(owner) => write!(f, "{owner} is outside of the zone"),
            TransferError::NotZoneData(rtype) => write!(f, "type {rtype} cannot be zone data"),
            TransferError::SoaBelowApex(owner) => write!(f, "an SOA stands at {owner}, below the apex"),
            TransferError::ClosingSoaDiffers => f.write_str("the closing SOA is not the one that began it"),
            TransferError::Trailing => f.write_str("records follow the closing SOA"),
            TransferError::SerialLower { ours, theirs } => {
                write!(f, "the peer has serial {theirs}, older than ours, {ours}")
            }
            TransferError::SerialUndefined { ours, theirs } => {
                write!(f, "neither of the peer's serial {theirs} and ours, {ours}, is newer (RFC 1982)")
            }
            TransferError::ChainGap { expected, found } => {
                write!(f, "the differences have serial {found} where {expected} must stand")
            }
            TransferError::StepBack { from, to } => {
                write!(f, "the differences go from serial {from} back to {to}")
            }
            TransferError::Inconsistent(error) => {
                write!(f, "the differences do not fit our version: {error}")
            }
            TransferError::NoApexNs => f.write_str("the zone would have no NS records at its apex"),
            TransferError::Unverified(flaw) => flaw.fmt(f),
            TransferError::Excess(excess) => write!(f, "{excess} ({})", excess.key()),
            TransferError::TooManyOctets => f.write_str("the transfer has more octets than the limit"),
            TransferError::TooManyRecords => f.write_str("the transfer has more records than the limit"),
            TransferError::TooSlow => f.write_str("the transfer takes longer than the limit"),
        }
    }
}

impl std::error::Error for TransferError {}
