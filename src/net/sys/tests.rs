//! Datagrams over real sockets on loopback.

use std::net::UdpSocket;

use super::*;

fn receive(batch: &mut Batch, socket: &UdpSocket) {
    let wake = Wake::new().expect("an eventfd");
    assert!(!wake.wait(socket).expect("a datagram"));
    batch.receive(socket).expect("datagrams");
}

fn echo_from(listen: &str, asked: &str) {
    let server = UdpSocket::bind(listen).expect("a socket");
    let local = server.local_addr().expect("an address");
    prepare_udp(&server, local).expect("options");
    let asked = SocketAddr::new(asked.parse().expect("an address"), local.port());
    let client = UdpSocket::bind(SocketAddr::new(asked.ip(), 0)).expect("a socket");
    // Connected: only a reply from the address that was asked is let through.
    client.connect(asked).expect("connected");
    client.send(b"question").expect("sent");

    let (mut arrivals, mut departures) = (Batch::new(), Batch::new());
    receive(&mut arrivals, &server);
    let datagram = arrivals.datagram(0).expect("one datagram");
    assert_eq!(datagram.octets, b"question");
    assert_eq!(datagram.peer, client.local_addr().expect("an address"));
    assert_eq!(datagram.local.map(|local| local.address), local.ip().is_unspecified().then(|| asked.ip()));
    let room = departures.room().expect("room");
    room[..6].copy_from_slice(b"answer");
    departures.push(6, datagram.peer, datagram.local);
    assert_eq!(departures.send(&server, 0).expect("sent"), 1);
    let mut octets = [0; 16];
    assert_eq!(client.recv(&mut octets).expect("a reply"), 6);
    assert!(arrivals.datagram(1).is_none());
}

#[test]
fn a19_replies_leave_from_the_address_that_was_asked() {
    echo_from("0.0.0.0:0", "127.0.0.3");
    echo_from("127.0.0.5:0", "127.0.0.5");
    echo_from("[::]:0", "::1");
}

#[test]
fn more_than_one_batch_arrives_in_order() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let to = server.local_addr().expect("an address");
    for number in 0..BATCH as u8 + 1 {
        client.send_to(&[number], to).expect("sent");
    }
    let mut batch = Batch::new();
    let mut seen = Vec::new();
    while seen.len() <= BATCH {
        receive(&mut batch, &server);
        let here = (0..batch.len()).filter_map(|index| batch.datagram(index));
        seen.extend(here.map(|datagram| datagram.octets.to_vec()));
    }
    assert_eq!(seen, (0..BATCH as u8 + 1).map(|number| vec![number]).collect::<Vec<_>>());
    assert!(batch.receive(&server).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock));
}

#[test]
fn datagrams_longer_than_a_buffer_arrive_empty() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    client.send_to(&[7; DATAGRAM_OCTETS + 1], server.local_addr().expect("an address")).expect("sent");
    let mut batch = Batch::new();
    receive(&mut batch, &server);
    assert_eq!(batch.datagram(0).expect("a datagram").octets, b"");
}

#[test]
fn a_wake_ends_every_wait() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let wake = Wake::new().expect("an eventfd");
    let other = wake.clone();
    let waiting = std::thread::spawn(move || other.wait(&socket).expect("woken"));
    wake.ring();
    assert!(waiting.join().expect("a thread"));
}

#[test]
fn r30_what_the_kernel_drops_is_counted() {
    let server = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).expect("a socket");
    server.set_recv_buffer_size(4096).expect("a small buffer");
    server.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("bound");
    let server = UdpSocket::from(server);
    let to = server.local_addr().expect("an address");
    assert_eq!(receive_drops(&server).expect("a count"), 0);
    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for _ in 0..100 {
        client.send_to(&[0; 1000], to).expect("sent");
    }
    server.set_nonblocking(true).expect("an option");
    let mut octets = [0; 1000];
    let taken = std::iter::from_fn(|| server.recv(&mut octets).ok()).count() as u32;
    assert_eq!((taken + receive_drops(&server).expect("a count"), taken < 100), (100, true));
}
