//! Questions written and answers read with nothing but the offsets of RFC 1035 §4.1.

use std::fmt;

use crate::name::Name;
use crate::rtype;

/// How a question is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Over UDP.
    Udp,
    /// Over TCP.
    Tcp,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// QNAME.
    pub name: Name,
    /// QTYPE.
    pub rtype: u16,
    /// How it is sent.
    pub way: Way,
    /// Whether there is EDNS, and the payload size that it tells.
    pub edns: Option<u16>,
    /// Whether DO is set, if there is EDNS.
    pub dnssec_ok: bool,
    /// Whether RD is set.
    pub recursion_desired: bool,
}

impl Question {
    /// The message, with an id of 0.
    pub fn message(&self) -> Vec<u8> {
        let flags = u8::from(self.recursion_desired);
        let mut message = vec![0, 0, flags, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(self.edns.is_some())];
        message.extend(self.section());
        if let Some(size) = self.edns {
            message.extend([0, 0, 41]);
            message.extend(size.to_be_bytes());
            message.extend([0, 0, if self.dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]);
        }
        message
    }

    /// The question section.
    pub fn section(&self) -> Vec<u8> {
        [self.name.wire(), &self.rtype.to_be_bytes(), &[0, 1]].concat()
    }

    /// How many octets an answer may have.
    pub fn room(&self) -> usize {
        match self.way {
            Way::Udp => usize::from(self.edns.unwrap_or(512)),
            Way::Tcp => 65_535,
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.name, rtype::text(self.rtype), self.way)?;
        if let Some(size) = self.edns {
            write!(f, " EDNS {size}")?;
        }
        let flags = [(self.dnssec_ok, " DO"), (self.recursion_desired, " RD")];
        flags.iter().filter(|(set, _)| *set).try_for_each(|(_, text)| f.write_str(text))
    }
}

/// A record of an answer, with the names of old types in its RDATA written out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rr {
    /// Spelled as it came.
    pub owner: Name,
    /// Its type.
    pub rtype: u16,
    /// Its class.
    pub class: u16,
    /// Its TTL.
    pub ttl: u32,
    /// Its RDATA.
    pub rdata: Vec<u8>,
}

impl fmt::Debug for Rr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.owner, self.ttl, rtype::text(self.rtype))?;
        if self.class != 1 {
            write!(f, " CLASS{}", self.class)?;
        }
        write!(f, " {}", rtype::rdata_text(self.rtype, &self.rdata))
    }
}

/// An answer: what a resolver takes from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// With its upper bits from OPT.
    pub rcode: u16,
    /// AA.
    pub authoritative: bool,
    /// TC.
    pub truncated: bool,
    /// RA, AD, and those of the request: RD and CD.
    pub other_flags: u16,
    /// The octets of the question section.
    pub question: Vec<u8>,
    /// The three sections, each sorted.
    pub answer: Vec<Rr>,
    /// Authority.
    pub authority: Vec<Rr>,
    /// Additional, without OPT.
    pub additional: Vec<Rr>,
    /// DO of OPT, if there is one.
    pub opt: Option<bool>,
    /// How many octets the message has.
    pub octets: usize,
}

/// AA.
const AA: u16 = 0x0400;
/// TC.
const TC: u16 = 0x0200;
/// RD, RA, Z, AD and CD.
const OTHERS: u16 = 0x01f0;

impl Answer {
    /// Reads a message; `None` if it is no well-formed response.
    pub fn read(message: &[u8]) -> Option<Answer> {
        let mut reader = Reader { message, at: 0 };
        let (_id, flags) = (reader.number()?, reader.number()?);
        let counts = [reader.number()?, reader.number()?, reader.number()?, reader.number()?];
        let begin = reader.at;
        for _ in 0..counts[0] {
            reader.name()?;
            reader.take(4)?;
        }
        let question = message.get(begin..reader.at)?.to_vec();
        let mut sections = [Vec::new(), Vec::new(), Vec::new()];
        for (section, count) in sections.iter_mut().zip(&counts[1..]) {
            for _ in 0..*count {
                section.push(reader.record()?);
            }
            section.sort();
        }
        let [answer, authority, mut additional] = sections;
        let opt = additional.iter().find(|record| record.rtype == rtype::OPT).cloned();
        additional.retain(|record| record.rtype != rtype::OPT);
        let extended = opt.as_ref().map_or(0, |opt| (opt.ttl >> 24) as u16);
        let whole = reader.at == message.len() && flags & 0x8000 != 0;
        whole.then_some(Answer {
            rcode: flags & 0xf | extended << 4,
            authoritative: flags & AA != 0,
            truncated: flags & TC != 0,
            other_flags: flags & OTHERS,
            question,
            answer,
            authority,
            additional,
            opt: opt.map(|opt| opt.ttl & 0x8000 != 0),
            octets: message.len(),
        })
    }
}

impl Answer {
    /// The same with every name in lower case.
    pub fn lowered(&self) -> Answer {
        let lower = |records: &Vec<Rr>| {
            let mut lowered: Vec<Rr> = records.iter().map(Rr::lowered).collect();
            lowered.sort();
            lowered
        };
        Answer {
            question: self.question.to_ascii_lowercase(),
            answer: lower(&self.answer),
            authority: lower(&self.authority),
            additional: lower(&self.additional),
            ..self.clone()
        }
    }
}

impl Rr {
    fn lowered(&self) -> Rr {
        // Only where names are: a TXT keeps its case, and so do the numbers after the names of an SOA.
        let (before, names) = rtype::named(self.rtype);
        let mut rdata = self.rdata.clone();
        let mut at = before;
        for _ in 0..names {
            while let Some(length @ 1..) = rdata.get(at).copied() {
                let end = (at + 1 + usize::from(length)).min(rdata.len());
                rdata[at + 1..end].make_ascii_lowercase();
                at = end;
            }
            at += 1;
        }
        Rr { owner: self.owner.lower(), rdata, ..self.clone() }
    }
}

struct Reader<'m> {
    message: &'m [u8],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let taken = self.message.get(self.at..self.at + count)?;
        self.at += count;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn name(&mut self) -> Option<Name> {
        let (mut wire, mut at, mut after) = (Vec::new(), self.at, None);
        loop {
            let length = *self.message.get(at)?;
            if length >= 0xc0 {
                let low = *self.message.get(at + 1)?;
                after.get_or_insert(at + 2);
                let target = usize::from(length & 0x3f) << 8 | usize::from(low);
                // Only back, so that it ends (B38).
                if target >= at {
                    return None;
                }
                at = target;
                continue;
            }
            let end = at + 1 + usize::from(length);
            wire.extend(self.message.get(at..end)?);
            at = end;
            if length == 0 {
                break;
            }
        }
        self.at = after.unwrap_or(at);
        (wire.len() <= crate::name::OCTETS_MAX).then(|| Name::from_wire(&wire))
    }

    fn record(&mut self) -> Option<Rr> {
        let owner = self.name()?;
        let (rtype, class) = (self.number()?, self.number()?);
        let ttl = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
        let length = usize::from(self.number()?);
        let end = self.at + length;
        let mut rdata = Vec::new();
        // RFC 3597 §4: only the names of types of RFC 1035 may be compressed.
        let (before, names) = rtype::compressible(rtype);
        rdata.extend(self.take(before.min(length))?);
        for _ in 0..if length == 0 { 0 } else { names } {
            rdata.extend(self.name()?.wire());
        }
        rdata.extend(self.take(end.checked_sub(self.at)?)?);
        Some(Rr { owner, rtype, class, ttl, rdata })
    }
}
