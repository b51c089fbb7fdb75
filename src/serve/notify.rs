//! Opcode NOTIFY coming in (RFC 1996 §3.8 to §3.11): acknowledge, and tell the engine.
//!
//! The message is a hint and changes nothing by itself (F06); what follows is `replica/follow`'s.

use super::{Ending, Message, Then};
use crate::dns::message::Writer;
use crate::dns::{Class, RecordType, ResponseCode};
use crate::reason::Reason;
use crate::trace::{Step, Trace};

/// Acknowledges a NOTIFY of one of the zone's primaries and refuses every other.
pub(super) fn handle<'m>(
    message: &Message<'m>,
    writer: &mut Writer<'_>,
    trace: &mut impl Trace,
) -> Ending<'m> {
    let Some(question) = message.request.question else {
        return Ending::refused(ResponseCode::FormErr, Reason::NotSupported);
    };
    if question.qclass != Class::IN || question.qtype != RecordType::SOA {
        return Ending::refused(ResponseCode::NotImp, Reason::NotSupported);
    }
    let Some(slot) = message.world.zones.exact(question.name) else {
        trace.step(|| Step(format!("{} is not the apex of a zone here", question.name)));
        return Ending::refused(ResponseCode::NotAuth, Reason::NotAnApex);
    };
    let primaries = &message.world.rules.zone(slot.id).notify_from;
    let Some(from) = message.world.peers.identify_among(primaries, &message.peer) else {
        let detail =
            format!("{} is none of the {} primaries of {}", message.peer, primaries.len(), slot.apex);
        trace.step(|| Step(detail.clone()));
        return Ending {
            detail: Some(detail),
            ..Ending::refused(ResponseCode::Refused, Reason::NotifyDenied)
        };
    };
    writer.set_authoritative();
    let then = Then::Notify { zone: slot.id, from, serial: message.request.soa };
    Ending { then, ..Ending::plain(ResponseCode::NoError) }
}
