//! Opcode QUERY: which zone, may this client, is there something to serve, then the answer.

use super::{Asked, Ending, Message, MinimalAny, Observation, WorkerState, chaos, report, transfer};
use crate::answer::{AnyAnswer, Query, Signatures, answer};
use crate::dns::edns::{ZONEVERSION_OCTETS, zone_version};
use crate::dns::message::{Question, Writer};
use crate::dns::soa::Soa;
use crate::dns::{Class, NameRef, RecordType, ResponseCode, Serial};
use crate::policy::cookies::Standing;
use crate::policy::{Act, Verdict, verdict};
use crate::reason::Reason;
use crate::trace::{Step, Trace};
use crate::zone::{Slot, SlotState, Version};

/// Answers a query.
pub(super) fn handle<'m>(
    message: &Message<'m>,
    writer: &mut Writer<'_>,
    worker: &mut WorkerState,
    trace: &mut impl Trace,
) -> Ending<'m> {
    let Some(question) = message.request.question else { return Ending::plain(cookie_alone(message)) };
    match question.qclass {
        Class::IN => {}
        Class::CH => return chaos::handle(message, question, writer),
        _ => return Ending::refused(ResponseCode::Refused, Reason::NotSupported),
    }
    match question.qtype {
        RecordType::AXFR | RecordType::IXFR => transfer::handle(message, question, writer, worker, trace),
        meta if meta.is_meta() && meta != RecordType::ANY => refused_meta(meta),
        _ => from_zone(message, question, writer, worker, trace),
    }
}

/// Answers from the zone that the name belongs to.
fn from_zone<'m>(
    message: &Message<'m>,
    question: Question<'m>,
    writer: &mut Writer<'_>,
    worker: &mut WorkerState,
    trace: &mut impl Trace,
) -> Ending<'m> {
    let world = message.world;
    let slot = match message.ahead.slot {
        Some(slot) => Some(world.side_of_cut(slot, question.name, question.qtype)),
        None => world.zone_for(question.name, question.qtype),
    };
    let Some(slot) = slot else {
        trace.step(|| Step(format!("no zone here holds {}", question.name)));
        return Ending::refused(ResponseCode::Refused, Reason::NotServed);
    };
    trace.step(|| Step(format!("the zone {} answers for {}", slot.apex, question.name)));
    let rules = &message.world.rules.zone(slot.id).query;
    if let Verdict::Refused { reason, .. } =
        verdict(rules, Act::Query, &message.peer, &message.world.peers, trace)
    {
        return Ending::refused(ResponseCode::Refused, reason);
    }
    let version = match serving(slot, message, trace) {
        Ok(version) => version,
        Err(reason) => {
            let zone_version =
                slot.last_serial().and_then(|serial| told_version(message, slot.apex.as_ref(), serial));
            return Ending { zone_version, ..Ending::refused(ResponseCode::ServFail, reason) };
        }
    };
    let report = report::read(message, question);
    if let Some(ending) = report.and_then(|_| report::doubt(message, writer, trace)) {
        return ending;
    }
    // With DS the version may be that of the zone above.
    let prepared = message.ahead.lookup.filter(|lookup| std::ptr::eq(lookup.version(), version.as_ref()));
    let lookup = prepared.unwrap_or_else(|| version.prepare(question.name));
    let begun = writer.mark();
    let answered = answer(message, lookup, ask(message, question), writer, trace);
    let zone_version = told_version(message, version.apex(), version.serial());
    let mut ending = Ending { anchor: Some(answered.anchor), zone_version, ..Ending::plain(answered.rcode) };
    if question.qtype == RecordType::SOA && question.name == version.apex() {
        observe(message, slot, Asked::Soa, worker);
        ending.expire = time_left(message, slot, version);
    }
    match report {
        Some(report) => report::take(&report, question, version, begun, ending, writer, worker),
        None => ending,
    }
}

/// The version to serve now, or why there is none (B39: the client hears SERVFAIL).
pub(super) fn serving<'s>(
    slot: &'s Slot,
    message: &Message<'_>,
    trace: &mut impl Trace,
) -> Result<&'s std::sync::Arc<Version>, Reason> {
    let reason = match &slot.state {
        SlotState::Loading => Reason::NotLoaded,
        SlotState::Faulted => Reason::Faulted,
        SlotState::Expired { .. } => Reason::Expired,
        // The lease may have run out before the engine came round to saying so.
        SlotState::Serving { version, lease } if lease.holds_at(message.now.tick) => {
            trace.step(|| Step(format!("serial {} of {} is served", version.serial(), slot.apex)));
            return Ok(version);
        }
        SlotState::Serving { .. } => Reason::Expired,
    };
    trace.step(|| Step(format!("{} is not served: {reason}", slot.apex)));
    Err(reason)
}

/// Notes that a configured peer asked for the zone.
pub(super) fn observe(message: &Message<'_>, slot: &Slot, asked: Asked, worker: &mut WorkerState) {
    if let Some(peer) = message.world.peers.identify(&message.peer) {
        worker.observe(Observation { zone: slot.id, peer, asked });
    }
}

/// What the EXPIRE option says, if it was asked for: on a primary EXPIRE of the SOA, on a secondary
/// the seconds until the zone expires (RFC 7314 §3.2, §3.3).
pub(super) fn time_left(message: &Message<'_>, slot: &Slot, version: &Version) -> Option<u32> {
    if !message.wanted.expire {
        return None;
    }
    let SlotState::Serving { lease, .. } = &slot.state else { return None };
    match lease.ends() {
        Some(end) => u32::try_from(end.since(message.now.tick).as_secs()).ok(),
        None => Soa::from_rdata(version.soa().rdata).map(|soa| soa.expire),
    }
}

/// What the ZONEVERSION option says, if it was asked for: of the zone that answers, also if what it
/// answers is that the name does not exist, or that it has failed (RFC 9660 §3.2).
pub(super) fn told_version(
    message: &Message<'_>,
    apex: NameRef<'_>,
    serial: Serial,
) -> Option<[u8; ZONEVERSION_OCTETS]> {
    message.wanted.zone_version.then(|| zone_version(apex, serial))
}

/// RFC 7873 §5.4: a query without a question asks for nothing but a cookie, or whether its own is good.
fn cookie_alone(message: &Message<'_>) -> ResponseCode {
    match message.cookie.map(|cookie| cookie.standing) {
        Some(Standing::New | Standing::Good) => ResponseCode::NoError,
        Some(Standing::Bad) => ResponseCode::BADCOOKIE,
        // Without cookies it is a query that asks for nothing.
        None => ResponseCode::FormErr,
    }
}

/// The question as the answer algorithm wants it.
fn ask<'q>(message: &Message<'_>, question: Question<'q>) -> Query<'q> {
    let wanted = message.request.edns.as_ref().is_some_and(|edns| edns.do_bit);
    let all = message.peer.transport.is_stream() && message.world.facts.minimal_any == MinimalAny::Udp;
    Query {
        name: question.name,
        qtype: question.qtype,
        signatures: if wanted { Signatures::Wanted } else { Signatures::Unwanted },
        any: if all { AnyAnswer::All } else { AnyAnswer::OneRrset },
    }
}

/// Types that no zone has: the impossible ones are format errors (RFC 9824 §3.5 for NXNAME), the
/// rest is something that we do not do.
fn refused_meta(meta: RecordType) -> Ending<'static> {
    match meta {
        RecordType(0) | RecordType::OPT | RecordType::TSIG | RecordType::NXNAME => {
            Ending::refused(ResponseCode::FormErr, Reason::QueryType)
        }
        _ => Ending::refused(ResponseCode::NotImp, Reason::NotSupported),
    }
}
