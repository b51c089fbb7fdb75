//! The workers once more, over `portable.rs`: what other systems than Linux run, tested on Linux.

#[path = "portable.rs"]
mod sys;
#[path = "udp.rs"]
mod udp;

use std::net::UdpSocket;

use super::tests::{desk, id_of, query};
use super::{Desk, after_panic, load, proxy, report};
use crate::dns::RecordType;
use crate::ident::Transport;

#[test]
fn workers_answer_one_datagram_at_a_time() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).expect("a socket");
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().expect("an address");
    socket.bind(&any.into()).expect("bound");
    sys::prepare_udp(&socket, any).expect("options");
    let socket = UdpSocket::from(socket);
    let client = UdpSocket::bind(any).expect("a socket");
    client.connect(socket.local_addr().expect("an address")).expect("connected");
    // The first one is longer than anything that is answered.
    client.send(&[0; sys::DATAGRAM_OCTETS + 1]).expect("sent");
    let wake = sys::Wake::new().expect("a wake");
    let worker = udp::Worker::start(socket, desk(1), wake.clone()).expect("a worker");
    for id in 0..20 {
        client.send(&query(id, "host-0.example.", RecordType::A)).expect("sent");
        let mut reply = [0; 512];
        let length = client.recv(&mut reply).expect("a reply");
        assert_eq!(id_of(&reply[..length]), id);
    }
    wake.ring();
    assert!(sys::receive_drops(&worker.socket).is_err());
    let counters = worker.counters.clone();
    worker.join();
    assert_eq!((counters.requests(Transport::Udp), counters.dropped()), (21, 1));
}

#[test]
fn a_full_buffer_has_no_room() {
    let mut batch = sys::Batch::default();
    assert!(batch.is_empty() && batch.datagram(0).is_none());
    assert_eq!(batch.room().map(|room| room.len()), Some(sys::DATAGRAM_OCTETS));
    batch.push(5, "127.0.0.1:53".parse().expect("an address"), None);
    assert!(batch.room().is_none() && batch.datagram(1).is_none());
    assert_eq!((batch.len(), batch.datagram(0).map(|datagram| datagram.octets.len())), (1, Some(5)));
}
