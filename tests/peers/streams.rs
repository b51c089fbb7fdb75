//! Connections as clients use and abuse them (PROTOCOL A12-A18), the address that replies leave from
//! (A19), and that both transports say the same (R34).

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::Test;
use crate::bellwether::Bellwether;
use crate::client::{Client, both};
use crate::messages::server;
use crate::texts::{ZONE, zone_text};
use crate::wire::{self, A, IN, Message, SOA, Stream, TC, frame};
use crate::yard::{PATIENCE, Yard, poll};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("a12_r34_every_question_gets_the_same_over_udp_and_tcp", &[], the_same_over_udp_and_tcp),
    ("a13_queries_in_one_write_are_all_answered", &[], in_one_write),
    ("a14_length_and_message_leave_together", &[], leave_together),
    ("a15_a_query_in_segments_of_one_octet", &[], segments_of_one_octet),
    ("a16_idle_and_half_sent_queries_are_closed", &[], idle_and_half_sent),
    ("a17_p47_one_client_cannot_keep_others_out", &[], cannot_keep_others_out),
    ("p48_idle_connections_make_room_while_seats_run_short", &[], idle_connections_make_room),
    ("a18_whoever_has_sent_everything_still_gets_replies", &[], half_closed),
    ("a19_replies_leave_from_the_address_that_was_asked", &[], from_the_address_that_was_asked),
];

fn soa(id: u16) -> Message {
    Message::query(id, ZONE, SOA)
}

/// A plain connection from an address of this machine.
fn connect_from(address: [u8; 4], server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::from(address), 0)).into()).expect("bound");
    socket.connect(&server.into()).expect("a connection");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream
}

fn connect(server: SocketAddr) -> TcpStream {
    connect_from([127, 0, 0, 1], server)
}

/// Reads until the other side closes; what came before that.
fn to_the_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut octets = Vec::new();
    match stream.read_to_end(&mut octets) {
        Ok(_) => octets,
        // Octets that were sent and not read make it a reset.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => octets,
        Err(error) => panic!("the connection is not closed: {error}"),
    }
}

fn the_same_over_udp_and_tcp(yard: &Yard) {
    let server = server(yard, "nsid = \"here\"\nversion = \"v\"\nidentity = \"i\"");
    // Each sort of name of the zone, each once with capitals.
    let names = [
        "",
        "www.",
        "mail.",
        "none.",
        "host-7.",
        "x.wild.",
        "wild.",
        "*.wild.",
        "sub.",
        "ns.sub.",
        "a.b.sub.",
        "old.",
        "x.old.",
        "_tcp.",
        "_imaps._tcp.",
        "wide.",
        "some.",
        "_443._tcp.mail.",
        "MAIL.",
        "wWw.",
    ];
    let types = (1..=66)
        .chain([99, 255, 256, 257, 1234, 32_769, 65_280, 65_534])
        .filter(|qtype| ![41].contains(qtype));
    let types: Vec<u16> = types.chain([0, 41, 128, 200, 249, 250, 253, 254]).collect();
    let mut stream = Stream::to(server.address);
    let client = Client::at([127, 0, 0, 1], server.address);
    let (mut asked, mut cut) = (0, 0);
    for name in names.iter().map(|name| format!("{name}{ZONE}")).chain(["not.ours".into(), ".".into()]) {
        for qtype in &types {
            // Without EDNS a datagram has no room for the addresses there, which may be left out.
            for edns in [name.starts_with("wide"), true] {
                let question = Message::query(7, &name, *qtype);
                let question = if edns { question.edns(1232, &[(3, b""), (19, b"")]) } else { question };
                let (udp, tcp) = (client.ask(&question), stream.ask(&question));
                asked += 1;
                if udp.flags() & TC != 0 {
                    // Cut over UDP only; rcode and flags are the same all the same.
                    cut += 1;
                    assert_eq!((udp.flags() & !TC, tcp.flags() & TC), (tcp.flags(), 0), "{name} TYPE{qtype}");
                    continue;
                }
                assert_eq!(udp, tcp, "{name} TYPE{qtype}");
                tcp.records();
            }
        }
    }
    assert!(asked > 3_000 && cut < 100, "{cut} of {asked}");
    for qname in ["version.bind", "id.server", "hostname.bind", "version.server", "other.bind"] {
        let question = Message::new(7, 0).question(&wire::name(qname), wire::TXT, 3);
        let [udp, tcp] = both(server.address, &question);
        assert_eq!(udp, tcp, "{qname}");
    }
}

fn in_one_write(yard: &Yard) {
    let server = server(yard, "");
    let mut stream = Stream::to(server.address);
    // Small answers, large ones, and what is refused, all in one.
    let question = |id: u16| match id % 4 {
        0 => Message::query(id, "many.example.com", A),
        1 => Message::query(id, "none.example.com", A),
        2 => Message::query(id, "not.ours", A),
        _ => soa(id),
    };
    stream.send(&(0..400).map(|id| question(id).0).collect::<Vec<_>>());
    let mut seen = [false; 400];
    for _ in 0..400 {
        let reply = stream.read().expect("a reply");
        let id = usize::from(reply.id());
        assert!(!std::mem::replace(&mut seen[id], true), "{id} is answered twice");
        assert_eq!(reply.rcode(), [0, 3, 5, 0][id % 4]);
        assert_eq!(reply.count(1), [100, 0, 0, 1][id % 4]);
    }
}

fn leave_together(yard: &Yard) {
    let server = server(yard, "");
    let mut stream = connect(server.address);
    stream.set_nodelay(true).expect("an option");
    for id in 0..50 {
        stream.write_all(&frame(&soa(id).0)).expect("sent");
        let mut octets = [0; 4096];
        let length = stream.read(&mut octets).expect("a reply");
        // What was written apart would arrive apart.
        assert!(
            length >= 3 && length == 2 + usize::from(u16::from_be_bytes([octets[0], octets[1]])),
            "{length}"
        );
    }
}

fn segments_of_one_octet(yard: &Yard) {
    let server = server(yard, "");
    let mut stream = connect(server.address);
    stream.set_nodelay(true).expect("an option");
    for id in [1, 2] {
        for octet in frame(&soa(id).0) {
            stream.write_all(&[octet]).expect("sent");
        }
        let mut prefix = [0; 2];
        stream.read_exact(&mut prefix).expect("a reply");
        let mut reply = vec![0; usize::from(u16::from_be_bytes(prefix))];
        stream.read_exact(&mut reply).expect("a reply");
        assert_eq!((wire::Reply(reply.clone()).id(), wire::Reply(reply).rcode()), (id, 0));
    }
}

fn idle_and_half_sent(yard: &Yard) {
    let server = server(yard, "tcp_idle = \"300ms\"");
    let whole = frame(&soa(1).0);
    for sent in [&[][..], &whole[..1], &whole[..2], &whole[..20], &whole[..whole.len() - 1]] {
        let mut stream = connect(server.address);
        stream.write_all(sent).expect("sent");
        assert!(to_the_end(&mut stream).is_empty(), "{} octets", sent.len());
    }
    let mut stream = connect(server.address);
    stream.write_all(&whole).expect("sent");
    assert!(to_the_end(&mut stream).len() > 2, "an answer, and then the end");
    // Octets that dribble do not keep a connection.
    let mut stream = connect(server.address);
    let mut sent = 0;
    poll("the end of a dribble", || {
        sent += 1;
        // A message of 256 octets is announced.
        let octet = [if sent == 1 { 1 } else { 0 }];
        stream.write_all(&octet).is_err().then_some(())
    });
    assert!(sent < 256, "before the message was whole");
    assert_eq!(Client::at([127, 0, 0, 1], server.address).ask(&soa(1)).rcode(), 0);
}

fn cannot_keep_others_out(yard: &Yard) {
    // With the limits that everybody has.
    let server = server(yard, "tcp_idle = \"60s\"");
    let mut held: Vec<TcpStream> = (0..400).map(|_| connect(server.address)).collect();
    // Those that found no seat are closed; the others are as many as one client may have.
    let open = |stream: &mut TcpStream| {
        stream.set_nonblocking(true).expect("an option");
        let closed = match stream.read(&mut [0; 1]) {
            Ok(length) => length == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        };
        !closed
    };
    poll("the surplus to be closed", || {
        (held.iter_mut().filter_map(|stream| open(stream).then_some(())).count() <= 128).then_some(())
    });
    assert_eq!(held.iter_mut().filter_map(|stream| open(stream).then_some(())).count(), 128);
    for address in [[127, 0, 0, 2], [127, 9, 9, 9]] {
        let mut other = connect_from(address, server.address);
        other.write_all(&frame(&soa(3).0)).expect("sent");
        other.shutdown(Shutdown::Write).expect("half closed");
        assert!(to_the_end(&mut other).len() > 2, "{address:?} is answered");
    }
    assert_eq!(Client::at([127, 0, 0, 1], server.address).ask(&soa(4)).rcode(), 0, "and so is UDP");
    // Whoever goes makes room.
    held.clear();
    poll("a seat", || {
        let mut stream = connect(server.address);
        stream.write_all(&frame(&soa(5).0)).ok()?;
        stream.shutdown(Shutdown::Write).ok()?;
        (to_the_end(&mut stream).len() > 2).then_some(())
    });
    let other = Yard::new();
    let few =
        self::server(&other, "tcp_connections = 3\ntcp_connections_per_client = 2\ntcp_idle = \"1200s\"");
    let mut held: Vec<TcpStream> = [[127, 0, 0, 1], [127, 0, 0, 1], [127, 0, 0, 2]]
        .into_iter()
        .map(|address| {
            let mut stream = connect_from(address, few.address);
            stream.write_all(&frame(&soa(1).0)).expect("sent");
            stream.read_exact(&mut [0; 2]).expect("an answer");
            stream
        })
        .collect();
    assert!(to_the_end(&mut connect_from([127, 0, 0, 3], few.address)).is_empty(), "all seats are taken");
    held.truncate(1);
    poll("a seat", || {
        let mut stream = connect_from([127, 0, 0, 3], few.address);
        stream.write_all(&frame(&soa(5).0)).ok()?;
        stream.shutdown(Shutdown::Write).ok()?;
        (to_the_end(&mut stream).len() > 2).then_some(())
    });
}

fn idle_connections_make_room(yard: &Yard) {
    const KEEPALIVE: u16 = 11;
    let server = server(yard, "tcp_idle = \"60s\"\ntcp_connections = 10\ntcp_connections_per_client = 10");
    let mut held = Vec::new();
    let mut told = Vec::new();
    for _ in 0..10 {
        let mut stream = Stream::to(server.address);
        let reply = stream.ask(&soa(1).edns(1232, &[(KEEPALIVE, b"")]));
        let time: [u8; 2] = reply.option(KEEPALIVE).expect("a time").try_into().expect("two octets");
        told.push(u16::from_be_bytes(time));
        held.push(stream);
    }
    assert_eq!(told, [600, 600, 600, 600, 150, 150, 150, 150, 30, 30], "in tenths of a second");
    // All seats are taken, and nobody leaves; who does nothing is sent away before his time.
    let begun = std::time::Instant::now();
    poll("a seat", || {
        let mut stream = connect_from([127, 0, 0, 2], server.address);
        stream.write_all(&frame(&soa(2).0)).ok()?;
        stream.shutdown(Shutdown::Write).ok()?;
        (to_the_end(&mut stream).len() > 2).then_some(())
    });
    assert!(begun.elapsed() < std::time::Duration::from_secs(50), "before the usual time was over");
}

fn half_closed(yard: &Yard) {
    let server = server(yard, "");
    let mut stream = connect(server.address);
    let all: Vec<u8> = (0..100).flat_map(|id| frame(&Message::query(id, "many.example.com", A).0)).collect();
    stream.write_all(&all).expect("sent");
    stream.shutdown(Shutdown::Write).expect("half closed");
    let octets = to_the_end(&mut stream);
    let mut rest = octets.as_slice();
    let mut ids: Vec<u16> = Vec::new();
    while let Some((prefix, after)) = rest.split_first_chunk::<2>() {
        let (message, next) = after.split_at(usize::from(u16::from_be_bytes(*prefix)));
        let reply = wire::Reply(message.to_vec());
        assert_eq!(reply.count(1), 100);
        ids.push(reply.id());
        rest = next;
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..100).collect::<Vec<u16>>());
}

fn from_the_address_that_was_asked(yard: &Yard) {
    let server = Bellwether::new(yard, "server");
    server.write_zone(&zone_text(1, 0));
    server.alone("");
    let config = std::fs::read_to_string(server.config()).expect("a config");
    let port = server.address.port();
    let config = config.replace(&server.address.to_string(), &format!("0.0.0.0:{port}"));
    std::fs::write(server.config(), config).expect("a config");
    server.start();
    server.wait(1);
    for asked in [[127, 0, 0, 1], [127, 0, 0, 2], [127, 3, 4, 5]] {
        let asked = SocketAddr::from((Ipv4Addr::from(asked), port));
        // A connected socket hears nobody else.
        let question = Message::new(7, 0).question(&wire::name(ZONE), SOA, IN);
        for from in [[127, 0, 0, 1], [127, 0, 0, 9]] {
            assert_eq!(Client::at(from, asked).ask(&question).rcode(), 0, "{asked}");
        }
        assert_eq!(Stream::to(asked).ask(&question).rcode(), 0);
    }
}
