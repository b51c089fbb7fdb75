//! Requests to our own server on loopback, and to peers that misbehave.

use std::net::UdpSocket as StdUdpSocket;
use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::dns::{Name, Serial};
use crate::env::OsClock;
use crate::net::tests::{Server, start_udp};
use crate::transfer::incoming::TransferLimits;
use crate::zone::DigestKey;

type Ended = (ZoneId, Attempt, Result<Answer, TransferError>);

fn upstream() -> (Upstream, Receiver<Ended>) {
    let (sender, receiver) = channel();
    let report: Arc<Report> = Arc::new(move |zone, attempt, result| {
        let _ = sender.send((zone, attempt, result));
    });
    (Upstream::start(report, Arc::new(OsClock)).expect("a thread"), receiver)
}

fn ask(kind: AskKind, transport: Transport) -> Ask {
    Ask {
        apex: Name::parse("example.").expect("a name"),
        kind,
        base: None,
        key: None,
        digest_key: DigestKey([7; 16]),
        limits: TransferLimits::default(),
        transport,
        want_expire: true,
        accept_lower: false,
    }
}

#[test]
fn polls_and_transfers_come_back_with_their_attempt() {
    let server = Server::start(2_000, crate::net::tests::LIMITS);
    let (upstream, ended) = upstream();
    upstream.ask(ZoneId(1), Attempt(1), server.address, ask(AskKind::Soa, Transport::Tcp));
    let (zone, attempt, result) = ended.recv().expect("an end");
    assert_eq!((zone, attempt), (ZoneId(1), Attempt(1)));
    assert!(matches!(result, Ok(Answer::Soa { serial: Serial(1), .. })), "{result:?}");
    upstream.ask(ZoneId(1), Attempt(2), server.address, ask(AskKind::Axfr, Transport::Tcp));
    let (_, attempt, result) = ended.recv().expect("an end");
    assert_eq!(attempt, Attempt(2));
    let Ok(Answer::Changed { change, messages, .. }) = result else { panic!("{result:?}") };
    assert_eq!(change.after.record_count(), 2_003);
    assert!(messages > 1);
    upstream.stop();
    server.streams.stop();
}

#[test]
fn a_poll_over_udp_is_answered() {
    let (address, wake, workers) = start_udp("127.0.0.1:0");
    let (upstream, ended) = upstream();
    upstream.ask(ZoneId(4), Attempt(9), address, ask(AskKind::Soa, Transport::Udp));
    let (zone, attempt, result) = ended.recv().expect("an end");
    assert_eq!((zone, attempt), (ZoneId(4), Attempt(9)));
    assert!(matches!(result, Ok(Answer::Soa { serial: Serial(1), .. })), "{result:?}");
    wake.ring();
    workers.into_iter().for_each(crate::net::udp::Worker::join);
    upstream.stop();
}

#[test]
fn nobody_there_is_reported_and_a_cancelled_request_is_not() {
    let (upstream, ended) = upstream();
    // Holds the port, never answers: the request lives until it is cancelled.
    let mute = StdUdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = mute.local_addr().expect("an address");
    upstream.ask(ZoneId(1), Attempt(1), address, ask(AskKind::Soa, Transport::Udp));
    let mut buffer = [0; 512];
    mute.recv(&mut buffer).expect("the request");
    upstream.cancel(ZoneId(1), Attempt(1));
    // Nobody listens on this port for TCP.
    upstream.ask(ZoneId(2), Attempt(2), address, ask(AskKind::Axfr, Transport::Tcp));
    let (zone, attempt, result) = ended.recv().expect("an end");
    assert_eq!((zone, attempt), (ZoneId(2), Attempt(2)));
    assert!(matches!(result, Err(TransferError::Unreachable(_))), "{result:?}");
    upstream.stop();
    assert!(ended.try_recv().is_err());
}
