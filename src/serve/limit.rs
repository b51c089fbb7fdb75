//! What is not sent over UDP: replies over the limit (R26), counted, cut or dropped after the answer is
//! known, since what is counted depends on it; and errors while the worker is overloaded.

use super::{Ending, Message, Refusal, Then, WorkerState, World};
use crate::dns::message::{Mark, Writer};
use crate::dns::{NameRef, ResponseCode};
use crate::policy::Peer;
use crate::policy::rates::{Kind, Measure, Ruling};
use crate::reason::Reason;
use crate::time::Now;

/// Whether anything is sent. If it is an empty reply only, what was written since `begun` is taken back.
pub(super) fn lets_pass(
    message: &Message<'_>,
    ending: &mut Ending<'_>,
    writer: &mut Writer<'_>,
    begun: Mark,
    worker: &mut WorkerState,
) -> bool {
    // O02: neither of these can come from a forged address.
    let is_known = message.peer.transport.is_stream() || message.has_good_cookie();
    if is_known || !matches!(ending.then, Then::Nothing) {
        return true;
    }
    let kind = kind_of(ending, writer);
    if kind == Kind::Error && message.peer.key.is_none() && is_shed(worker) {
        return false;
    }
    // Nothing of a refused name is known here: all refusals of a network count together.
    let name = ending.anchor.filter(|_| kind != Kind::Error).unwrap_or(NameRef::ROOT);
    match rule(message.world, &message.peer, kind, name, message.now, message.from, worker) {
        Some(Measure::Drop) => false,
        Some(Measure::Truncate) => {
            writer.rollback(begun);
            writer.set_truncated();
            *ending = Ending::plain(ResponseCode::NoError);
            true
        }
        Some(Measure::Report) | None => true,
    }
}

/// Whether an error may be sent to somebody of whom only the address is known.
pub(super) fn lets_error_pass(
    world: &World,
    peer: &Peer<'_>,
    now: Now,
    from: std::net::SocketAddr,
    worker: &mut WorkerState,
) -> bool {
    if peer.transport.is_stream() {
        return true;
    }
    if is_shed(worker) {
        return false;
    }
    let measure = rule(world, peer, Kind::Error, NameRef::ROOT, now, from, worker);
    !matches!(measure, Some(Measure::Drop | Measure::Truncate))
}

/// Whether errors have to give way to answers; counts one that has.
fn is_shed(worker: &WorkerState) -> bool {
    if worker.is_overloaded {
        worker.counters.count_shed();
    }
    worker.is_overloaded
}

/// Counts a reply; what is done about it if it is over the limit.
fn rule(
    world: &World,
    peer: &Peer<'_>,
    kind: Kind,
    name: NameRef<'_>,
    now: Now,
    from: std::net::SocketAddr,
    worker: &mut WorkerState,
) -> Option<Measure> {
    match world.rates.rule(peer, kind, name, now.tick, &world.peers) {
        Ruling::Send => None,
        Ruling::Over { measure, first } => {
            worker.counters.count_limited(measure);
            if first {
                // One line for each time that a network comes to its limit, and those are rationed too.
                let reason = Reason::RateLimited;
                worker.refuse(Refusal { reason, detail: None, from, name: None, key: None });
            }
            Some(measure)
        }
    }
}

fn kind_of(ending: &Ending<'_>, writer: &Writer<'_>) -> Kind {
    match ending.rcode {
        // Whatever is in the answer section came with AA.
        ResponseCode::NoError if writer.is_authoritative() => Kind::Answer,
        ResponseCode::NoError => Kind::Referral,
        ResponseCode::NXDomain | ResponseCode::YXDomain => Kind::NxDomain,
        _ => Kind::Error,
    }
}
