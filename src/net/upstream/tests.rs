//! Requests to our own server on loopback, and to peers that misbehave.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket as StdUdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::net::TcpStream;

use super::*;
use crate::dns::message::{Request, Section, Writer, read_request};
use crate::dns::{Name, RecordRef, RecordType, ResponseCode, Serial};
use crate::env::OsClock;
use crate::net::tests::{Server, start_udp};
use crate::transfer::incoming::TransferLimits;
use crate::zone::{Demands, DigestKey};

type Reported = (ZoneId, Attempt, Result<Answer, TransferError>);

fn upstream() -> (Upstream, Receiver<Reported>) {
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
        demands: Demands::default(),
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

/// What all requests share, where a moment is this long.
fn shared(moment: Duration) -> Shared {
    Shared { kept: Kept::default(), refused: Refused::new(moment), clock: Arc::new(OsClock) }
}

#[test]
fn where_nobody_listens_one_request_is_refused_for_all_of_that_moment() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let soa =
        |to, shared: &Shared| runtime.block_on(over_udp(to, &ask(AskKind::Soa, Transport::Udp), shared));
    let refused = |result| matches!(result, Err(TransferError::Unreachable(why)) if why.contains("refused"));
    for (moment, asks_again) in [(Duration::from_secs(3600), false), (Duration::ZERO, true)] {
        let shared = shared(moment);
        let gone = StdUdpSocket::bind("127.0.0.1:0").expect("a socket");
        let to = gone.local_addr().expect("an address");
        drop(gone);
        assert!(refused(soa(to, &shared)));
        let asked = runtime.block_on(async {
            let back = UdpSocket::bind(to).await.expect("the same port");
            let mut buffer = [0; 512];
            let soa = ask(AskKind::Soa, Transport::Udp);
            tokio::select! {
                again = over_udp(to, &soa, &shared) => !refused(again),
                received = back.recv(&mut buffer) => received.is_ok(),
            }
        });
        assert_eq!(asked, asks_again);
    }
    // The moment of one address, or of one transport, is not that of another.
    let shared = shared(Duration::from_secs(3600));
    let gone = StdUdpSocket::bind("127.0.0.1:0").expect("a socket");
    let to = gone.local_addr().expect("an address");
    drop(gone);
    assert!(refused(soa(to, &shared)));
    assert_eq!(shared.refused.at(Instant::now(), to, Transport::Tcp), None);
    let (other, wake, workers) = start_udp("127.0.0.1:0");
    assert!(matches!(soa(other, &shared), Ok(Answer::Soa { .. })));
    wake.ring();
    workers.into_iter().for_each(crate::net::udp::Worker::join);
}

#[test]
fn a_refusal_is_forgotten_after_its_moment_and_not_too_many_are_known() {
    let (refused, now) = (Refused::new(Duration::from_secs(1)), Instant::now());
    let error = || TransferError::Unreachable("refused".to_owned());
    let to = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    (0..2000).for_each(|port| refused.add(now, to(port), Transport::Tcp, error()));
    assert_eq!(refused.at(now, to(0), Transport::Tcp), Some(error()));
    assert_eq!(refused.at(now, to(0), Transport::Udp), None);
    assert_eq!(refused.at(now, to(1999), Transport::Tcp), None, "no more than 1024 are known");
    assert_eq!(refused.at(now + Duration::from_millis(999), to(0), Transport::Tcp), Some(error()));
    let then = now + Duration::from_secs(1);
    assert_eq!(refused.at(then, to(0), Transport::Tcp), None);
    refused.add(then, to(1999), Transport::Tcp, error());
    assert_eq!(refused.at(then, to(1999), Transport::Tcp), Some(error()));
}

/// What a scripted server does with a request.
enum Then {
    /// Answers with the SOA.
    Answer,
    /// The same, and closes the connection.
    AnswerAndClose,
    /// Says no, and closes the connection.
    Refuse(ResponseCode),
}

/// A server over TCP that acts by `script` and tells, for each request, on which of its connections
/// it came and whether it had an OPT record.
fn scripted(script: fn(&Request<'_>, usize) -> Then) -> (SocketAddr, Receiver<(usize, bool)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (told, requests): (Sender<(usize, bool)>, _) = channel();
    // Ends with the test's process.
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (mut stream, told) = (stream.expect("a connection"), told.clone());
            std::thread::spawn(move || {
                let mut prefix = [0; 2];
                while stream.read_exact(&mut prefix).is_ok() {
                    let mut octets = vec![0; usize::from(u16::from_be_bytes(prefix))];
                    stream.read_exact(&mut octets).expect("a request");
                    let request = read_request(&octets).expect("a request");
                    let then = script(&request, number);
                    let _ = told.send((number, request.edns.is_some()));
                    stream.write_all(&reply(&request, &then)).expect("written");
                    if !matches!(then, Then::Answer) {
                        return;
                    }
                }
            });
        }
    });
    (address, requests)
}

fn reply(request: &Request<'_>, then: &Then) -> Vec<u8> {
    let apex = Name::parse("example.").expect("a name");
    let mut out = vec![0; 1024];
    let mut writer = Writer::reply(&mut out[2..], 1022, &request.header, request.question);
    writer.set_authoritative();
    match then {
        Then::Refuse(rcode) => writer.set_rcode(*rcode),
        Then::Answer | Then::AnswerAndClose => {
            let rdata = [&[0, 0][..], &[0; 3], &[7], &[0; 16]].concat();
            let soa = RecordRef { owner: apex.as_ref(), rtype: RecordType::SOA, ttl: 1, rdata: &rdata };
            writer.record(Section::Answer, soa).expect("it fits");
        }
    }
    let length = writer.finish();
    out[..2].copy_from_slice(&(length as u16).to_be_bytes());
    out.truncate(2 + length);
    out
}

fn poll(upstream: &Upstream, ended: &Receiver<Reported>, to: SocketAddr) -> Result<Answer, TransferError> {
    upstream.ask(ZoneId(1), Attempt(1), to, ask(AskKind::Soa, Transport::Tcp));
    ended.recv().expect("an end").2
}

#[test]
fn e12_requests_to_one_server_go_over_one_connection() {
    let (address, requests) = scripted(|_, _| Then::Answer);
    let (upstream, ended) = upstream();
    for _ in 0..5 {
        let result = poll(&upstream, &ended, address);
        assert!(matches!(result, Ok(Answer::Soa { serial: Serial(7), .. })), "{result:?}");
    }
    assert_eq!(requests.iter().take(5).collect::<Vec<_>>(), [(0, true); 5]);
    upstream.stop();
}

#[test]
fn e12_many_idle_connections_are_kept_for_a_moment_and_few_for_longer() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let to = listener.local_addr().expect("an address");
        let (kept, now) = (Kept::default(), Instant::now());
        let mut theirs = Vec::new();
        for _ in 0..7 {
            kept.put(to, TcpStream::connect(to).await.expect("a connection"), now);
            theirs.push(listener.accept().await.expect("a connection"));
        }
        let taken = |kept: &Kept, now| std::iter::from_fn(|| kept.take(to, now)).collect::<Vec<_>>();
        let all = taken(&kept, now + Duration::from_millis(99));
        assert_eq!(all.len(), 7);
        all.into_iter().for_each(|stream| kept.put(to, stream, now));
        assert_eq!(taken(&kept, now + Duration::from_millis(100)).len(), 4);
        kept.put(to, TcpStream::connect(to).await.expect("a connection"), now);
        assert_eq!(taken(&kept, now + kept::KEEP).len(), 0);
    });
}

#[test]
fn e12_a_kept_connection_that_was_closed_is_no_failure() {
    let (address, requests) = scripted(|_, _| Then::AnswerAndClose);
    let (upstream, ended) = upstream();
    for number in 0..5 {
        let result = poll(&upstream, &ended, address);
        assert!(matches!(result, Ok(Answer::Soa { .. })), "{result:?}");
        assert_eq!(requests.recv().expect("a request").0, number);
    }
    upstream.stop();
}

#[test]
fn what_a_server_does_not_understand_is_asked_again_without_edns() {
    let script = |request: &Request<'_>, _| match request.edns {
        Some(_) => Then::Refuse(ResponseCode::FormErr),
        None => Then::Answer,
    };
    let (address, requests) = scripted(script);
    let (upstream, ended) = upstream();
    let result = poll(&upstream, &ended, address);
    assert!(matches!(result, Ok(Answer::Soa { .. })), "{result:?}");
    assert_eq!(requests.iter().take(2).collect::<Vec<_>>(), [(0, true), (1, false)]);
    // Another refusal is no question of EDNS: it is not asked twice.
    let (address, requests) = scripted(|_, _| Then::Refuse(ResponseCode::Refused));
    let result = poll(&upstream, &ended, address);
    assert_eq!(result.expect_err("refused"), TransferError::Rcode(ResponseCode::Refused));
    upstream.stop();
    assert_eq!(requests.iter().take(1).collect::<Vec<_>>(), [(0, true)]);
    assert!(requests.try_recv().is_err());
}

mod together;
