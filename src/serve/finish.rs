//! The first and the last stage of every reply: size, OPT, Extended DNS Errors, MAC, counters.

use super::transfer::Granted;
use super::{Ending, Message, Outcome, Refusal, Then, WorkerState, options};
use crate::dns::message::{BadRequest, Compression, Header, Writer};
use crate::dns::tsig::{Fault, Signer};
use crate::dns::{Name, NameRef, OpCode, RecordType, ResponseCode};
use crate::ident::Transport;
use crate::limits::{MESSAGE_OCTETS_MAX, UDP_PAYLOAD_MIN};
use crate::reason::Reason;
use crate::transfer::outgoing::{ReplyEdns, TransferStart};

/// Begins the reply: the header, the question, and room kept for what `end` adds. An EDE keeps
/// none: it is never a reason to cut an answer (R25).
pub(super) fn begin<'b>(message: &Message<'_>, tsig_octets: usize, out: &'b mut [u8]) -> Writer<'b> {
    let request = message.request;
    let facts = &message.world.facts;
    let limit = match &request.edns {
        _ if message.peer.transport.is_stream() => MESSAGE_OCTETS_MAX,
        None => usize::from(UDP_PAYLOAD_MIN),
        // A09, A10: neither more than the client takes nor more than we dare to send.
        Some(edns) => edns.payload().min(usize::from(facts.udp_payload_for(message.peer.address))),
    };
    // D06: what is transferred keeps its case.
    let compression = match request.question {
        Some(question) if is_transfer(question.qtype) => Compression::ExactCase,
        _ => Compression::IgnoreCase,
    };
    let mut writer =
        Writer::reply(out, limit, &request.header, request.question).with_compression(compression);
    writer.reserve(tsig_octets);
    if request.edns.is_some() {
        writer.reserve_opt(options::reserved(message));
    }
    writer
}

/// Writes what stands at the end of the message: rcode and OPT. Says how long it is.
pub(super) fn close(message: &Message<'_>, ending: &Ending<'_>, mut writer: Writer<'_>) -> usize {
    writer.set_rcode(ending.rcode);
    options::write(message, ending, &mut writer);
    writer.finish()
}

/// Signs the reply in `out[..length]`, counts it, and says what is to be done with it.
pub(super) fn hand_over(
    message: &Message<'_>,
    signer: Option<Box<Signer>>,
    ending: &mut Ending<'_>,
    length: usize,
    worker: &mut WorkerState,
    out: &mut [u8],
) -> Outcome {
    let is_signed = signer.is_some();
    let then = match std::mem::replace(&mut ending.then, Then::Nothing) {
        Then::Transfer(granted) => {
            worker.counters.count_transfer();
            let options = options::of_transfer(message, ending);
            return Outcome::Transfer(Box::new(start(message, signer, *granted, options)));
        }
        then => then,
    };
    let signed = signer.map_or(Ok(length), |mut signer| signer.sign(out, length, message.now.wall.seconds()));
    let reply = signed.expect("room for the signature was reserved");
    count(ending.rcode, ending.reason, out, worker);
    if let Some(reason) = ending.reason {
        note(message, reason, ending.detail.take(), message.peer.key, worker);
    }
    match then {
        Then::Notify { zone, from, serial } => {
            worker.counters.count_notify();
            Outcome::Notify { reply, zone, from, serial, signed: is_signed }
        }
        Then::Nothing | Then::Transfer(_) => Outcome::Reply(reply),
    }
}

/// What `transfer/outgoing` needs to know to stream the zone.
fn start(
    message: &Message<'_>,
    signer: Option<Box<Signer>>,
    granted: Granted,
    options: Vec<(u16, Vec<u8>)>,
) -> TransferStart {
    let request = message.request;
    let udp_size = message.world.facts.udp_payload_for(message.peer.address);
    let edns = request.edns.as_ref().map(|edns| ReplyEdns { udp_size, do_bit: edns.do_bit, options });
    TransferStart {
        zone: granted.zone,
        version: granted.version,
        requested: granted.requested,
        header: request.header,
        asked: granted.asked,
        signer: signer.map(|signer| *signer),
        edns,
        peer: message.world.peers.identify(&message.peer),
    }
}

/// Answers what is not a well-formed request: FORMERR, NOTIMP, or silence (A02, A03).
pub(super) fn malformed(
    bad: BadRequest<'_>,
    transport: Transport,
    worker: &mut WorkerState,
    out: &mut [u8],
) -> Outcome {
    let (header, question, rcode) = match bad {
        BadRequest::FormErr { header, question } => (header, question, ResponseCode::FormErr),
        BadRequest::BadVers(request) => (request.header, request.question, ResponseCode::BADVERS),
        BadRequest::BadOption(request) => (request.header, request.question, ResponseCode::FormErr),
        BadRequest::NotImp(header) => (header, None, ResponseCode::NotImp),
        BadRequest::Drop => {
            worker.counters.count_drop();
            return Outcome::Drop;
        }
    };
    let limit = if transport.is_stream() { MESSAGE_OCTETS_MAX } else { usize::from(UDP_PAYLOAD_MIN) };
    let mut writer = Writer::reply(out, limit, &header, question);
    writer.set_rcode(rcode);
    let reply = writer.finish();
    count(rcode, None, out, worker);
    Outcome::Reply(reply)
}

/// Answers a request with a bad signature: the error, and nothing of what was asked (H02 to H04).
pub(super) fn untrusted(
    message: &Message<'_>,
    fault: &Fault,
    worker: &mut WorkerState,
    out: &mut [u8],
) -> Outcome {
    let ending = Ending::refused(fault.rcode(), fault.reason());
    let writer = begin(message, fault.reply_octets(), out);
    let length = close(message, &ending, writer);
    let signed = fault.finish_reply(out, length, message.now.wall.seconds());
    let reply = signed.expect("room for the signature was reserved");
    count(ending.rcode, ending.reason, out, worker);
    let key = message.request.tsig.as_ref().map(|tsig| tsig.key_name());
    note(message, fault.reason(), None, key.as_ref().map(Name::as_ref), worker);
    Outcome::Reply(reply)
}

fn is_transfer(qtype: RecordType) -> bool {
    matches!(qtype, RecordType::AXFR | RecordType::IXFR)
}

fn count(rcode: ResponseCode, reason: Option<Reason>, out: &[u8], worker: &WorkerState) {
    worker.counters.count_reply(rcode, reason);
    if Header::read(out).is_some_and(|header| header.is_truncated()) {
        worker.counters.count_truncated();
    }
}

/// Keeps a refusal for the log, unless it is one of an ordinary query.
fn note(
    message: &Message<'_>,
    reason: Reason,
    detail: Option<String>,
    key: Option<NameRef<'_>>,
    worker: &mut WorkerState,
) {
    let question = message.request.question;
    let is_plain = message.request.header.opcode() == OpCode::Query
        && message.request.tsig.is_none()
        && !question.is_some_and(|question| is_transfer(question.qtype));
    if !is_plain {
        let name = question.map(|question| question.name.to_name());
        let key = key.map(NameRef::to_name);
        worker.refuse(Refusal { reason, detail, from: message.from, name, key });
    }
}
