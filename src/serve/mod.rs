//! Where a message is handled: octets in, octets out, on every transport the same.
//!
//! [`serve`] is the whole way on one screen: parse, identify, policy and answer (by opcode), limit, finish.
//! It is pure: the moment and the [`World`] are arguments, and what has to happen besides the reply
//! (a refresh after NOTIFY, a transfer) comes back as an [`Outcome`] for the engine and the network
//! to carry out. On the way of an ordinary query nothing allocates, locks, waits or logs.
//!
//! Invariant: every request gets one reply or a deliberate silence, and every refusal has one
//! [`Reason`], from which its counter, its EDE (RFC 8914) and its note come.
//!
//! Absent: sockets (`net/`) and the records of a transfer (`transfer/`).

mod ahead;
mod chaos;
mod counters;
mod finish;
mod limit;
mod notify;
mod options;
mod query;
mod report;
#[cfg(test)]
mod tests;
mod transfer;
mod worker;
mod world;

pub use ahead::{Ahead, look_ahead};
pub use counters::Counters;
pub use worker::{Asked, Observation, Refusal, Reported, WorkerState};
pub use world::{MinimalAny, ServerFacts, World};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::dns::edns::{Wanted, ZONEVERSION_OCTETS};
use crate::dns::message::{BadRequest, Request, read_request};
use crate::dns::tsig::{Fault, Key, Signer, verify_request};
use crate::dns::{NameRef, OpCode, ResponseCode, Serial};
use crate::ident::{PeerId, Transport, ZoneId};
use crate::policy::Peer;
use crate::policy::cookies::{Cookie, CookieMode, Standing};
use crate::reason::Reason;
use crate::time::Now;
use crate::trace::{Step, Trace};
use crate::transfer::outgoing::TransferStart;

/// What is to be done about a message.
#[derive(Debug)]
pub enum Outcome {
    /// Send the first so many octets of the buffer.
    Reply(usize),
    /// Stay silent.
    Drop,
    /// Send the reply, and tell the engine that a primary says that a zone changed (RFC 1996 §3.8).
    Notify {
        /// Octets of the reply.
        reply: usize,
        /// The zone.
        zone: ZoneId,
        /// The primary, which is one of the zone's.
        from: PeerId,
        /// The serial in the message: a hint, no more (RFC 1996 §3.11).
        serial: Option<Serial>,
        /// Whether the message was signed.
        signed: bool,
    },
    /// Stream a zone, or a part of its history, over this connection.
    Transfer(Box<TransferStart>),
}

/// Handles one message from `from`, looked ahead for or not. The reply goes to `out`, which holds at
/// least `UDP_PAYLOAD_MAX` octets, on streams 65,535.
#[allow(clippy::too_many_arguments)]
pub fn serve(
    ahead: Ahead<'_, '_>,
    from: SocketAddr,
    transport: Transport,
    now: Now,
    world: &World,
    worker: &mut WorkerState,
    out: &mut [u8],
    trace: &mut impl Trace,
) -> Outcome {
    worker.counters.count_request(transport);
    let stranger = Peer { address: from.ip(), key: None, transport };
    // Parse.
    let (request, fault) = match read_request(ahead.octets) {
        Ok(request) => (request, None),
        Err(BadRequest::BadVers(request)) => (request, Some(ResponseCode::BADVERS)),
        Err(BadRequest::BadOption(request)) => (request, Some(ResponseCode::FormErr)),
        // What is never answered is not counted as an answer either.
        Err(bad)
            if matches!(bad, BadRequest::Drop)
                || limit::lets_error_pass(world, &stranger, now, from, worker) =>
        {
            return finish::malformed(bad, transport, worker, out);
        }
        Err(_) => return Outcome::Drop,
    };
    // Identify.
    let mut message = Message::new(&request, &ahead, stranger, from, now, world, worker.stream_idle);
    let (key, signer) = match identify(&request, world, now) {
        Ok(identity) => identity.unzip(),
        Err(_) if !limit::lets_error_pass(world, &stranger, now, from, worker) => return Outcome::Drop,
        Err(fault) => {
            trace.step(|| Step(format!("the signature is refused: {}", fault.reason())));
            return finish::untrusted(&message, &fault, worker, out);
        }
    };
    message.peer.key = key.as_deref().map(Key::name);
    // Policy and answer.
    let mut writer = finish::begin(&message, signer.as_ref().map_or(0, |signer| signer.record_octets()), out);
    let begun = writer.mark();
    let mut ending = match (fault, request.header.opcode()) {
        (Some(rcode), _) => Ending::plain(rcode),
        (None, OpCode::Query) if message.lacks_cookie() => {
            Ending::refused(ResponseCode::BADCOOKIE, Reason::CookieWanted)
        }
        (None, OpCode::Query) => query::handle(&message, &mut writer, worker, trace),
        (None, OpCode::Notify) => notify::handle(&message, &mut writer, trace),
        // R32: UPDATE among them (RFC 8906 §3.1.4 for the unknown ones).
        (None, OpCode::Status | OpCode::Update | OpCode::Unknown(_)) => {
            Ending::refused(ResponseCode::NotImp, Reason::NotSupported)
        }
    };
    // Limit.
    if !limit::lets_pass(&message, &mut ending, &mut writer, begun, worker) {
        return Outcome::Drop;
    }
    // Finish.
    let length = finish::close(&message, &ending, writer);
    finish::hand_over(&message, signer, &mut ending, length, worker, out)
}

/// A request and what is known about it.
struct Message<'a> {
    request: &'a Request<'a>,
    ahead: &'a Ahead<'a, 'a>,
    peer: Peer<'a>,
    from: SocketAddr,
    now: Now,
    world: &'a World,
    /// The options that it asks for.
    wanted: Wanted<'a>,
    /// What its cookie shows, if it has one and they count here.
    cookie: Option<Cookie>,
    /// How long the connection is kept without a message.
    stream_idle: Duration,
}

impl<'a> Message<'a> {
    #[inline]
    fn new(
        request: &'a Request<'a>,
        ahead: &'a Ahead<'a, 'a>,
        peer: Peer<'a>,
        from: SocketAddr,
        now: Now,
        world: &'a World,
        stream_idle: Duration,
    ) -> Message<'a> {
        let wanted = request.edns.map(|edns| edns.wanted()).unwrap_or_default();
        let cookie = wanted.cookie.and_then(|cookie| world.cookies.judge(cookie, from.ip(), now.wall));
        Message { request, ahead, peer, from, now, world, wanted, cookie, stream_idle }
    }

    /// Whether the client was heard at its address not long ago.
    fn has_good_cookie(&self) -> bool {
        self.cookie.is_some_and(|cookie| cookie.standing == Standing::Good)
    }

    /// Whether the client asks how long its connection is kept. A44: a datagram has none.
    fn wants_keepalive(&self) -> bool {
        self.wanted.keepalive && self.peer.transport.keeps_alive()
    }

    /// Whether the reply is padded: nothing that anybody can read is (RFC 7830 §6; A48).
    fn wants_padding(&self) -> bool {
        self.wanted.padding && self.peer.transport.is_encrypted()
    }

    /// Whether the client knows cookies, has to show a good one, and does not (RFC 7873 §5.2.3, §5.2.4).
    /// A connection or a key say more than a cookie does.
    fn lacks_cookie(&self) -> bool {
        self.world.cookies.mode() == CookieMode::Require
            && self.cookie.is_some()
            && !self.has_good_cookie()
            && !self.peer.transport.is_stream()
            && self.peer.key.is_none()
            && self.request.question.is_some()
    }
}

/// How the handling of a request ended.
struct Ending<'m> {
    rcode: ResponseCode,
    /// Why, if it was refused.
    reason: Option<Reason>,
    /// The same in a sentence that names rules, for the log and for peers that signed (R25).
    detail: Option<String>,
    /// The part of the asked name that decided, if there was an answer (`answer::Answered`).
    anchor: Option<NameRef<'m>>,
    /// What the EXPIRE option says, if it was asked (RFC 7314 §3).
    expire: Option<u32>,
    /// What the ZONEVERSION option says, if it was asked and a zone is known (RFC 9660 §3.2).
    zone_version: Option<[u8; ZONEVERSION_OCTETS]>,
    then: Then,
}

/// What has to happen besides the reply.
enum Then {
    Nothing,
    Notify { zone: ZoneId, from: PeerId, serial: Option<Serial> },
    Transfer(Box<transfer::Granted>),
}

impl<'m> Ending<'m> {
    fn plain(rcode: ResponseCode) -> Ending<'m> {
        Ending {
            rcode,
            reason: None,
            detail: None,
            anchor: None,
            expire: None,
            zone_version: None,
            then: Then::Nothing,
        }
    }

    fn refused(rcode: ResponseCode, reason: Reason) -> Ending<'m> {
        Ending { reason: Some(reason), ..Ending::plain(rcode) }
    }
}

/// The key that a request is signed with, and what signs the reply.
type Identity = (Arc<Key>, Box<Signer>);

/// Checks the signature, if there is one (RFC 8945 §5.2): who signed, and what signs the reply. A bad
/// signature never counts as none (R24).
fn identify(request: &Request<'_>, world: &World, now: Now) -> Result<Option<Identity>, Fault> {
    let Some(tsig) = &request.tsig else { return Ok(None) };
    let verified = verify_request(request.octets, tsig, &world.keys, now.wall.seconds())?;
    Ok(Some((verified.key.clone(), Box::new(verified.signer()))))
}
