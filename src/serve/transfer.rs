//! AXFR and IXFR coming in: who may, and what leaves at once.
//!
//! Over a connection the request is granted here and streamed by `transfer/outgoing`. Over UDP an
//! AXFR is refused (RFC 5936 §4.2), and an IXFR is answered from the deltas that hang in the
//! version, or with the newest SOA alone, which sends the client to TCP (RFC 1995 §2). Over TLS it
//! takes version 1.3 (RFC 9103 §7.2; I01), and over HTTPS and QUIC there are only queries.

use std::sync::Arc;

use super::query::{observe, serving, time_left, told_version};
use super::{Asked, Ending, Message, Then, WorkerState};
use crate::dns::message::{Question, Writer};
use crate::dns::{Name, RecordType, ResponseCode};
use crate::ident::{Transport, ZoneId};
use crate::policy::{Act, Verdict, verdict};
use crate::reason::Reason;
use crate::trace::{Step, Steps, Trace};
use crate::transfer::outgoing::{Requested, ixfr_over_udp};
use crate::zone::Version;

/// A transfer that may begin.
pub(super) struct Granted {
    pub(super) zone: ZoneId,
    pub(super) version: Arc<Version>,
    pub(super) requested: Requested,
    /// QNAME, case as asked.
    pub(super) asked: Name,
}

/// Grants, refuses or answers a request for a transfer.
pub(super) fn handle<'m>(
    message: &Message<'_>,
    question: Question<'m>,
    writer: &mut Writer<'_>,
    worker: &mut WorkerState,
    trace: &mut impl Trace,
) -> Ending<'m> {
    let over_udp = match message.peer.transport {
        Transport::Udp => true,
        Transport::Tcp | Transport::Tls => false,
        // RFC 9103 §7.2.
        Transport::Tls12 => return Ending::refused(ResponseCode::Refused, Reason::TransferTlsOld),
        // RFC 8484 carries one message for one; RFC 9250 could carry more, and we do not offer it.
        Transport::Https | Transport::Quic => {
            return Ending::refused(ResponseCode::Refused, Reason::TransferElsewhere);
        }
    };
    let (requested, asked) = match (question.qtype, message.request.soa) {
        (RecordType::IXFR, Some(serial)) => (Requested::Ixfr(serial), Asked::Ixfr(serial)),
        // RFC 1995 §3: the request carries the SOA that the client has.
        (RecordType::IXFR, None) => return Ending::plain(ResponseCode::FormErr),
        _ if over_udp => return Ending::refused(ResponseCode::FormErr, Reason::TransferOverUdp),
        _ => (Requested::Axfr, Asked::Axfr),
    };
    // D07: only an apex can be transferred.
    let Some(slot) = message.world.zones.exact(question.name) else {
        trace.step(|| Step(format!("{} is not the apex of a zone here", question.name)));
        return Ending::refused(ResponseCode::NotAuth, Reason::NotAnApex);
    };
    let rules = &message.world.rules.zone(slot.id).transfer;
    if let Verdict::Refused { reason, .. } =
        verdict(rules, Act::Transfer, &message.peer, &message.world.peers, trace)
    {
        // Off the plain path: judge again with somebody listening.
        let mut said = Steps::default();
        verdict(rules, Act::Transfer, &message.peer, &message.world.peers, &mut said);
        let detail = said.0.pop().map(|step| step.0);
        return Ending { detail, ..Ending::refused(ResponseCode::Refused, reason) };
    }
    let version = match serving(slot, message, trace) {
        Ok(version) => version,
        Err(reason) => return Ending::refused(ResponseCode::ServFail, reason),
    };
    observe(message, slot, asked, worker);
    let expire = time_left(message, slot, version);
    let zone_version = told_version(message, version.apex(), version.serial());
    let ending =
        Ending { expire, zone_version, anchor: Some(question.name), ..Ending::plain(ResponseCode::NoError) };
    match requested {
        Requested::Ixfr(serial) if over_udp => {
            writer.set_authoritative();
            if ixfr_over_udp(version, serial, writer).is_err() {
                writer.set_truncated();
            }
            ending
        }
        requested => {
            let asked = question.name.to_name();
            let granted = Granted { zone: slot.id, version: version.clone(), requested, asked };
            Ending { then: Then::Transfer(Box::new(granted)), ..ending }
        }
    }
}
