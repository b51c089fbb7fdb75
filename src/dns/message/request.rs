//! Reading what strangers send us.
//!
//! A [`Request`] borrows the packet and allocates nothing. What is wrong with a packet decides what
//! is sent back, so [`BadRequest`] is made of the possible replies, not of the possible mistakes.

use super::walk::{Found, Place, walk};
use super::{HEADER_OCTETS, Header, MessageError, Question, Section, name};
use crate::dns::edns::{Edns, code};
use crate::dns::rtype::RecordType;
use crate::dns::serial::Serial;
use crate::dns::tsig::TsigRef;
use crate::dns::{NameRef, OpCode};

/// A request that can be answered.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The header.
    pub header: Header,
    /// The question; `None` only for a request for a cookie (RFC 7873 §5.4) and for opcodes that are
    /// neither QUERY nor NOTIFY.
    pub question: Option<Question<'a>>,
    /// What the OPT record says.
    pub edns: Option<Edns<'a>>,
    /// The signature, not verified.
    pub tsig: Option<TsigRef<'a>>,
    /// The serial of the first SOA of the question's name: in the answer section of a NOTIFY
    /// (RFC 1996 §3.7), in the authority section otherwise (RFC 1995 §3).
    pub soa: Option<Serial>,
    /// The whole packet.
    pub octets: &'a [u8],
}

/// What to do about a packet that is no request for us to answer.
#[derive(Clone, Copy, Debug)]
pub enum BadRequest<'a> {
    /// Say nothing: shorter than a header, or itself an answer (A02, A03: no reply loops).
    Drop,
    /// Answer FORMERR, with the question if it could be read.
    FormErr {
        /// The header, whose id the reply carries.
        header: Header,
        /// The question, if there is exactly one and it is sound.
        question: Option<Question<'a>>,
    },
    /// Answer BADVERS with our version 0 and no data (RFC 6891 §6.1.3).
    BadVers(Request<'a>),
    /// Answer FORMERR with an OPT record, so that nobody takes us for a server without EDNS: an option
    /// has a form that it must not have.
    BadOption(Request<'a>),
    /// Answer NOTIMP: the opcode is neither QUERY nor NOTIFY and the rest cannot be read either.
    NotImp(Header),
}

/// Takes a packet apart.
// An error may hold a whole request, which is as large as the success; boxing it would allocate.
#[allow(clippy::result_large_err)]
pub fn read_request(octets: &[u8]) -> Result<Request<'_>, BadRequest<'_>> {
    let header = Header::read(octets).filter(|header| !header.is_response()).ok_or(BadRequest::Drop)?;
    let question = match header.counts[0] {
        0 => Ok(None),
        1 => Question::read(octets).map(Some),
        // RFC 9619 §4 says FORMERR for more than one.
        _ => Err(MessageError::Questions),
    };
    let known = matches!(header.opcode(), OpCode::Query | OpCode::Notify);
    let request = question.and_then(|question| read_rest(octets, header, question));
    match request {
        Ok(request) if request.edns.is_some_and(|edns| edns.version > 0) => Err(BadRequest::BadVers(request)),
        Ok(request) if has_bad_option(&request) => Err(BadRequest::BadOption(request)),
        Ok(request) => Ok(request),
        Err(_) if !known => Err(BadRequest::NotImp(header)),
        Err(_) => {
            let question = question.ok().flatten().map(|(question, _)| question);
            Err(BadRequest::FormErr { header, question })
        }
    }
}

/// Everything after the question.
fn read_rest<'a>(
    octets: &'a [u8],
    header: Header,
    question: Option<(Question<'a>, usize)>,
) -> Result<Request<'a>, MessageError> {
    let (question, end) = match question {
        Some((question, end)) => (Some(question), end),
        None => (None, HEADER_OCTETS),
    };
    let soa_section = match header.opcode() {
        OpCode::Notify => Section::Answer,
        _ => Section::Authority,
    };
    let mut soa = None;
    let Found { edns, tsig } = walk(octets, &header, end, |section, place| {
        if place.rtype == RecordType::SOA && section == soa_section && soa.is_none() {
            soa = question.map(|question| soa_serial(octets, place, &question)).transpose()?.flatten();
        }
        Ok(())
    })?;
    let request = Request { header, question, edns, tsig, soa, octets };
    match (header.opcode(), question) {
        // RFC 7873 §5.4: only a cookie stands in for a question.
        (OpCode::Query, None) if edns.and_then(|edns| edns.option(code::COOKIE)).is_none() => {
            return Err(MessageError::Questions);
        }
        (OpCode::Notify, None) => return Err(MessageError::Questions),
        _ => {}
    }
    Ok(request)
}

/// The serial of an SOA record if it is of the question's name and class.
fn soa_serial(octets: &[u8], place: &Place, question: &Question<'_>) -> Result<Option<Serial>, MessageError> {
    let error = MessageError::Rdata(RecordType::SOA);
    if !is_name(octets, place.owner_at, question.name)? || place.class != question.qclass {
        return Ok(None);
    }
    // An UPDATE may hold an SOA without data (RFC 2136 §2.4); a NOTIFY or IXFR may not.
    let names_end = name::skip(octets, name::skip(octets, place.rdata_at)?)?;
    match octets.get(names_end..place.end) {
        Some(&[a, b, c, d, ref timers @ ..]) if timers.len() == 16 => {
            Ok(Some(Serial(u32::from_be_bytes([a, b, c, d]))))
        }
        _ => Err(error),
    }
}

/// Whether the name at `at` is `expected`, whatever its case.
fn is_name(octets: &[u8], at: usize, expected: NameRef<'_>) -> Result<bool, MessageError> {
    let mut buffer = name::NAME_BUFFER;
    name::expand(octets, at, &mut buffer).map(|name| name == expected)
}

/// Whether an option has a form that no request may give it.
fn has_bad_option(request: &Request<'_>) -> bool {
    let mut is_first_cookie = true;
    request.edns.iter().flat_map(|edns| edns.options()).any(|(option, data)| match (option, data.len()) {
        // RFC 7873 §5.2: of several cookies the first counts. §5.2.2: 8 octets of the client, then none
        // or 8 to 32 of the server.
        (code::COOKIE, length) => std::mem::take(&mut is_first_cookie) && !matches!(length, 8 | 16..=40),
        // RFC 9660 §3.2: a query's option is empty.
        (code::ZONEVERSION, 1..) => true,
        _ => false,
    })
}
