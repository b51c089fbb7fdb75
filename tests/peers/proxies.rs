//! Clients behind a proxy (PEERS 45): PROXY protocol version 2, written octet by octet, and by kdig.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;

use socket2::{Domain, Socket, Type};

use crate::Test;
use crate::bellwether::Bellwether;
use crate::client::Client;
use crate::texts::{ZONE, zone_text};
use crate::wire::{A, Message, Reply, SOA, frame};
use crate::yard::{self, PATIENCE, Yard};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("p45_a_proxy_speaks_for_its_clients_over_udp", &[], over_udp),
    ("p45_a_proxy_speaks_for_its_clients_over_tcp", &[], over_tcp),
    ("p45_kdig_is_a_proxy", &["kdig"], kdig),
];

const PROXY: [u8; 4] = [127, 0, 7, 1];
const OTHER: [u8; 4] = [127, 0, 8, 1];

/// A server that 203.0.113.7, its proxies and nobody else may ask.
fn server<'y>(yard: &'y Yard, more: &str) -> Bellwether<'y> {
    let server = Bellwether::new(yard, "server");
    server.write_zone(&zone_text(1, 0));
    let options = format!(
        "proxy_from = [\"127.0.7.0/24\"]\n\
         allow_query = [\"203.0.113.7\", \"2001:db8::7\", \"127.0.7.0/24\", \"127.0.0.1\"]\n{more}"
    );
    server.open_to_queries(&options);
    server.start();
    server.wait(1);
    server
}

/// A header for a client of IPv4.
fn header(client: [u8; 4]) -> Vec<u8> {
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x12\x00\x0c"[..], &client, &[127, 0, 0, 1], &[0x30, 0x39, 0, 53]].concat()
}

fn v6_header(last: u8) -> Vec<u8> {
    let client = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    // With a TLV behind the addresses.
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x22\x00\x28"[..], &client, &[0; 16], &[1, 2, 0, 53], &[4, 0, 1, 9]].concat()
}

const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";

fn soa(id: u16) -> Vec<u8> {
    Message::query(id, ZONE, SOA).0
}

/// What the reply to a message behind a header is; `None` for silence.
fn cases() -> Vec<(Vec<u8>, [u8; 4], Option<u16>)> {
    vec![
        (header([203, 0, 113, 7]), PROXY, Some(0)),
        (header([203, 0, 113, 8]), PROXY, Some(5)),
        (v6_header(7), PROXY, Some(0)),
        (v6_header(8), PROXY, Some(5)),
        (LOCAL.to_vec(), PROXY, Some(0)),
        (Vec::new(), PROXY, None),
        (b"PROXY TCP4 203.0.113.7 127.0.0.1 1 2\r\n".to_vec(), PROXY, None),
    ]
}

fn over_udp(yard: &Yard) {
    let server = server(yard, "");
    for (at, (header, from, expected)) in cases().into_iter().enumerate() {
        let client = Client::at(from, server.address);
        client.send(&Message([header, soa(7)].concat()));
        // Its reply, or that of the next one.
        let reply = client.ask(&Message([LOCAL, &soa(8)].concat()));
        match expected {
            Some(rcode) => assert_eq!((reply.id(), reply.rcode()), (7, rcode), "case {at}"),
            None => assert_eq!((reply.id(), reply.rcode()), (8, 0), "case {at}"),
        }
    }
    // Half a header is none.
    let proxy = Client::at(PROXY, server.address);
    proxy.send(&Message(header([203, 0, 113, 7])[..20].to_vec()));
    assert_eq!(proxy.ask(&Message([LOCAL, &soa(8)].concat())).id(), 8);
    // From anybody else a header is no message, and without one all is as ever.
    let other = Client::at(OTHER, server.address);
    let reply = other.ask(&Message([header([203, 0, 113, 7]), soa(7)].concat()));
    assert!(reply.rcode() != 0 && reply.count(1) == 0, "it speaks for nobody");
    assert_eq!(other.ask(&Message(soa(7))).rcode(), 5);
    assert_eq!(Client::at([127, 0, 0, 1], server.address).ask(&Message(soa(7))).rcode(), 0);
    // The client counts for the limit, not the proxy.
    let other = Yard::new();
    let server = self::server(&other, "\n[rrl]\nper_second = 5\nexempt = [\"127.0.0.0/8\"]\n");
    let proxy = Client::at(PROXY, server.address);
    for _ in 0..100 {
        proxy.send(&Message([header([203, 0, 113, 7]), soa(7)].concat()));
    }
    assert_eq!(
        proxy.ask(&Message([v6_header(7), Message::query(9, "mail.example.com", A).0].concat())).count(0),
        1
    );
    assert!(proxy.drain().len() < 90, "a client over its limit is not answered");
    for _ in 0..100 {
        assert_eq!(proxy.ask(&Message([LOCAL, &soa(7)].concat())).rcode(), 0);
    }
}

fn connect(address: [u8; 4], server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::from(address), 0)).into()).expect("bound");
    socket.connect(&server.into()).expect("a connection");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream.set_nodelay(true).expect("an option");
    stream
}

/// The next reply; `None` if the connection ends.
fn read(stream: &mut TcpStream) -> Option<Reply> {
    let mut prefix = [0; 2];
    stream.read_exact(&mut prefix).ok()?;
    let mut octets = vec![0; usize::from(u16::from_be_bytes(prefix))];
    stream.read_exact(&mut octets).ok()?;
    Some(Reply(octets))
}

fn over_tcp(yard: &Yard) {
    let server = server(yard, "tcp_idle = \"5s\"\ntcp_connections_per_client = 2\n");
    for (at, (header, from, expected)) in cases().into_iter().enumerate() {
        let mut stream = connect(from, server.address);
        // One header, then as many messages as the client has.
        let _ = stream.write_all(&[header, frame(&soa(7)), frame(&soa(8))].concat());
        match expected {
            Some(rcode) => {
                let replies = [(); 2].map(|()| read(&mut stream).map(|reply| (reply.id(), reply.rcode())));
                assert_eq!(replies, [Some((7, rcode)), Some((8, rcode))], "case {at}");
            }
            None => assert_eq!(read(&mut stream), None, "case {at}"),
        }
    }
    // A header in segments.
    let mut stream = connect(PROXY, server.address);
    for octet in [v6_header(7), frame(&soa(7))].concat() {
        stream.write_all(&[octet]).expect("sent");
    }
    assert_eq!(read(&mut stream).map(|reply| reply.rcode()), Some(0));
    drop(stream);
    // Seats are the clients', not the proxy's.
    let open = |client: [u8; 4]| {
        let mut stream = connect(PROXY, server.address);
        let _ = stream.write_all(&[header(client), frame(&soa(7))].concat());
        let served = read(&mut stream).is_some();
        (stream, served)
    };
    let held: Vec<(TcpStream, bool)> = (1..=6).map(|n| open([203, 0, 113, n])).collect();
    assert!(held.iter().all(|(_, served)| *served), "six clients of one proxy");
    let again = [open([203, 0, 113, 1]), open([203, 0, 113, 1])];
    assert_eq!(again.map(|(_, served)| served), [true, false], "each may have two");
    let mut other = connect(OTHER, server.address);
    let _ = other.write_all(&[header([203, 0, 113, 7]), frame(&soa(7))].concat());
    drop(held);
    assert_ne!(read(&mut other).map(|reply| reply.rcode()), Some(0), "nobody else speaks for clients");
    assert!(server.stop().success());
}

fn kdig(yard: &Yard) {
    let server = server(yard, "");
    let ask = |client: &str, transport: &str| {
        let mut command = Command::new("kdig");
        command.arg(format!("@{}", server.address.ip())).args(["-p", &server.address.port().to_string()]);
        command.args(["-b", "127.0.7.9", "+retry=0", "+time=5", transport]);
        let output = command.arg(format!("+proxy={client}#12345-127.0.0.1#53")).args([ZONE, "SOA"]).output();
        yard::said(&output.expect("kdig"))
    };
    for transport in ["+notcp", "+tcp"] {
        for (client, status) in [("203.0.113.7", "NOERROR"), ("203.0.113.8", "REFUSED")] {
            let text = ask(client, transport);
            assert!(text.contains(&format!("status: {status}")), "{client} {transport}: {text}");
        }
    }
}
