//! What is asked of a peer, and the request that asks it.

use std::sync::Arc;
use std::time::Duration;

use crate::dns::edns::{self, Opt, OptOption};
use crate::dns::message::{Question, Section, Writer};
use crate::dns::tsig::{self, Key, Verifier};
use crate::dns::{Class, Name, OpCode, Record, RecordType};
use crate::ident::Transport;
use crate::limits;
use crate::time::Now;
use crate::zone::{Demands, DigestKey, Version};

/// One question to one peer, as the zone's state machine wants it asked.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The zone.
    pub apex: Name,
    /// What is asked.
    pub kind: AskKind,
    /// The version that we hold: what IXFR starts from, and what a serial is compared with.
    pub base: Option<Arc<Version>>,
    /// Signs the request; then every answer must be signed as well.
    pub key: Option<Arc<Key>>,
    /// The key of the digests of this state directory.
    pub digest_key: DigestKey,
    /// How much the answer may bring.
    pub limits: TransferLimits,
    /// The way the request goes: only over UDP may an answer be truncated or a datagram be a stranger's.
    pub transport: Transport,
    /// Ask for the time that the zone has left (RFC 7314).
    pub want_expire: bool,
    /// Take an AXFR whatever its serial: the zone has expired (R20) or the operator said so.
    pub accept_lower: bool,
    /// What a version that comes must be like.
    pub demands: Demands,
}

/// The kinds of question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskKind {
    /// Which serial do you have? (RFC 1034 §4.3.5)
    Soa,
    /// We have a new version; this is its SOA (RFC 1996).
    Notify(Record),
    /// The differences from our version; without a version it becomes [`AskKind::Axfr`].
    Ixfr,
    /// The whole zone.
    Axfr,
}

/// How much one transfer may bring (D16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferLimits {
    /// Octets of all messages together.
    pub octets: u64,
    /// Records of all messages together.
    pub records: u64,
    /// Time from the request to the last message.
    pub time: Duration,
}

impl Default for TransferLimits {
    fn default() -> TransferLimits {
        TransferLimits {
            octets: limits::TRANSFER_OCTETS_MAX,
            records: limits::TRANSFER_RECORDS_MAX,
            time: limits::TRANSFER_TIME_MAX,
        }
    }
}

impl Ask {
    pub(super) fn opcode(&self) -> OpCode {
        match self.kind {
            AskKind::Notify(_) => OpCode::Notify,
            AskKind::Soa | AskKind::Ixfr | AskKind::Axfr => OpCode::Query,
        }
    }

    pub(super) fn qtype(&self) -> RecordType {
        match self.kind {
            AskKind::Soa | AskKind::Notify(_) => RecordType::SOA,
            AskKind::Ixfr => RecordType::IXFR,
            AskKind::Axfr => RecordType::AXFR,
        }
    }

    /// Writes the request into `out` and returns what will verify the answers.
    pub(super) fn write(&self, id: u16, now: Now, out: &mut Vec<u8>) -> Option<Verifier> {
        out.clear();
        out.resize(REQUEST_OCTETS_MAX, 0);
        let question = Question { name: self.apex.as_ref(), qtype: self.qtype(), qclass: Class::IN };
        let mut writer = Writer::request(out, id, self.opcode(), question);
        let written = match (&self.kind, &self.base) {
            (AskKind::Notify(soa), _) => {
                // RFC 1996 §3.7: AA is set, and the new SOA may stand in the answer section as a hint.
                writer.set_authoritative();
                writer.record(Section::Answer, soa.as_ref())
            }
            // RFC 1995 §3: the SOA of the client's version stands in the authority section.
            (AskKind::Ixfr, Some(base)) => writer.record(Section::Authority, base.soa()),
            (AskKind::Soa | AskKind::Axfr | AskKind::Ixfr, _) => Ok(()),
        };
        written.expect("an SOA fits a request");
        if self.want_expire && !matches!(self.kind, AskKind::Notify(_)) {
            // RFC 7314 §3: an empty EXPIRE option asks.
            let expire = [OptOption::Plain { code: edns::code::EXPIRE, data: &[] }];
            let opt = Opt { udp_size: limits::UDP_PAYLOAD_MAX, do_bit: false, options: &expire };
            writer.opt(&opt).expect("an OPT fits a request");
        }
        let mut length = writer.finish();
        let mut verifier = None;
        if let Some(key) = &self.key {
            let (signed, checks) =
                tsig::sign_request(key, out, length, now.wall.seconds()).expect("a TSIG fits a request");
            length = signed;
            verifier = Some(checks);
        }
        out.truncate(length);
        verifier
    }
}

/// Room for any request: header, question, an SOA with three long names, OPT, and a TSIG with two.
const REQUEST_OCTETS_MAX: usize = 2048;
