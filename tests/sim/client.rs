//! Somebody from outside who asks a server: what it shows of a zone, what it must not give, and what it
//! gives to a friend who follows it by IXFR over UDP.

use std::net::SocketAddr;
use std::sync::Arc;

use bellwether::dns::message::{Question, Reader, Scratch, Section, Writer};
use bellwether::dns::soa::Soa;
use bellwether::dns::tsig::Key;
use bellwether::dns::{Class, OpCode, RecordRef, RecordType, ResponseCode, Serial};
use bellwether::ident::Transport;
use bellwether::limits::MESSAGE_OCTETS_MAX;
use bellwether::serve::{Outcome, serve};
use bellwether::trace::Silent;
use bellwether::transfer::incoming::{
    Answer, Ask, AskKind, Exchange, Progress, TransferError, TransferLimits,
};
use bellwether::zone::{Demands, Version};

use crate::editor::TOKEN_NAMES;
use crate::flock::{DIGEST_KEY, ZONES, name};
use crate::node::Node;
use crate::queue::Moment;

/// The RDATA of the first record of an answer.
pub fn ask(node: &mut Node, moment: Moment, owner: &str, qtype: RecordType) -> Option<Vec<u8>> {
    let mut out = [0; 2048];
    let length = query(node, moment, owner, qtype, None, Transport::Udp, &mut out)?;
    let mut reply = Reader::new(&out[..length]).expect("a good reply");
    if reply.rcode() != ResponseCode::NoError {
        return None;
    }
    let mut scratch = Scratch::new();
    let record = reply.next_record(&mut scratch).expect("a good record");
    record.filter(|(.., record)| record.rtype == qtype).map(|(.., record)| record.rdata.to_vec())
}

/// The token at one of the names that carry it.
pub fn token(node: &mut Node, moment: Moment, owner: &str, zone: usize) -> Option<u64> {
    let rdata = ask(node, moment, &format!("{owner}.{}", ZONES[zone]), RecordType::TXT)?;
    std::str::from_utf8(rdata.get(1..)?).ok()?.parse().ok()
}

/// Serial and token of a zone.
pub fn serial_and_token(node: &mut Node, moment: Moment, zone: usize) -> Option<(Serial, u64)> {
    let soa = ask(node, moment, ZONES[zone], RecordType::SOA)?;
    Some((Soa::from_rdata(&soa)?.serial, token(node, moment, TOKEN_NAMES[0], zone)?))
}

/// Whether a stranger gets a zone, or a part of it, by any kind of transfer.
pub fn gets_a_transfer(node: &mut Node, moment: Moment, zone: usize) -> bool {
    let Some(soa) = ask(node, moment, ZONES[zone], RecordType::SOA) else { return false };
    let serial = Soa::from_rdata(&soa).expect("an SOA").serial;
    let old = bellwether::dns::soa::with_serial(&soa, Serial(serial.0.wrapping_sub(1)));
    let kinds = [
        (RecordType::AXFR, Transport::Tcp),
        (RecordType::IXFR, Transport::Tcp),
        (RecordType::IXFR, Transport::Udp),
    ];
    kinds.into_iter().any(|(qtype, transport)| {
        let mut out = vec![0; MESSAGE_OCTETS_MAX];
        match query(node, moment, ZONES[zone], qtype, Some(&old), transport, &mut out) {
            Some(length) => Reader::new(&out[..length]).expect("a good reply").header().counts[1] > 0,
            None => true,
        }
    })
}

/// Sends a query as a stranger; the octets of the reply, `None` if it begins a transfer instead.
fn query(
    node: &mut Node,
    moment: Moment,
    owner: &str,
    qtype: RecordType,
    soa: Option<&[u8]>,
    transport: Transport,
    out: &mut [u8],
) -> Option<usize> {
    let now = node.now(moment);
    let running = node.running.as_mut()?;
    let mut request = [0; 512];
    let owner = name(owner);
    let question = Question { name: owner.as_ref(), qtype, qclass: Class::IN };
    let mut writer = Writer::request(&mut request, 7, OpCode::Query, question);
    if let Some(rdata) = soa {
        let record = RecordRef { owner: owner.as_ref(), rtype: RecordType::SOA, ttl: 0, rdata };
        writer.record(Section::Authority, record).expect("an SOA fits a request");
    }
    let length = writer.finish();
    let stranger = "198.51.100.1:4000".parse().expect("an address");
    let (world, worker) = (&running.world, &mut running.worker);
    let outcome = serve(request[..length].into(), stranger, transport, now, world, worker, out, &mut Silent);
    worker.refused.clear();
    match outcome {
        Outcome::Reply(length) => Some(length),
        Outcome::Transfer(_) => None,
        other => panic!("a query gets a reply, not {other:?}"),
    }
}

/// Somebody who may transfer the zones of a server.
#[derive(Clone, Debug)]
pub struct Friend {
    /// Where he asks from.
    pub address: SocketAddr,
    /// What he signs with.
    pub key: Option<Arc<Key>>,
}

/// What a friend who has `base` gets by IXFR in one datagram (RFC 1995 §2).
pub fn follow_over_udp(
    node: &mut Node,
    moment: Moment,
    zone: usize,
    friend: &Friend,
    base: &Arc<Version>,
) -> Result<Answer, TransferError> {
    let now = node.now(moment);
    let running = node.running.as_mut().expect("it answered a moment ago");
    let ask = Ask {
        apex: name(ZONES[zone]),
        kind: AskKind::Ixfr,
        base: Some(base.clone()),
        key: friend.key.clone(),
        digest_key: DIGEST_KEY,
        limits: TransferLimits::default(),
        transport: Transport::Udp,
        want_expire: true,
        accept_lower: false,
        demands: Demands::default(),
    };
    let (mut request, mut out) = (Vec::new(), vec![0; MESSAGE_OCTETS_MAX]);
    let mut exchange = Exchange::start(ask, 7, now, &mut request);
    let (world, worker) = (&running.world, &mut running.worker);
    let udp = Transport::Udp;
    let outcome = serve(request[..].into(), friend.address, udp, now, world, worker, &mut out, &mut Silent);
    // He is not the secondary that has this address: what he has is no news of that one.
    worker.observed.clear();
    let Outcome::Reply(length) = outcome else { panic!("a datagram answers a datagram, not {outcome:?}") };
    match exchange.feed(&out[..length], now)? {
        Progress::Done(answer) => Ok(answer),
        Progress::More => panic!("a datagram is all that comes"),
    }
}
