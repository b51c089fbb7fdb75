//! Clients that ask once, more than once, slowly, or never.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::super::tcp::StreamLimits;
use super::super::tests::{LIMITS, Server, framed, id_of, query, read_message};
use crate::dns::RecordType;

const MANY: StreamLimits = StreamLimits { connections: 1000, per_client: 1000, ..LIMITS };

fn ask(id: u16) -> Vec<u8> {
    framed(&query(id, "host-7.example.", RecordType::A))
}

#[test]
fn a13_many_connections_at_once_are_answered_however_often_each_asks() {
    let server = Server::start(10, MANY);
    // So many that some are still at the door when others come.
    let mut streams: Vec<TcpStream> = (0..200).map(|_| server.connect()).collect();
    for round in 0..3 {
        for (id, stream) in (round * 1000..).zip(&mut streams) {
            stream.write_all(&ask(id)).expect("written");
        }
        for (id, stream) in (round * 1000..).zip(&mut streams) {
            assert_eq!(id_of(&read_message(stream).expect("a reply")), id);
        }
    }
    for stream in &mut streams {
        stream.shutdown(Shutdown::Write).expect("open");
        assert_eq!(stream.read(&mut [0]).expect("its end"), 0, "whoever has asked all is let go");
    }
    server.streams.stop();
}

#[test]
fn a13_one_after_the_other_each_asks_once() {
    let server = Server::start(10, StreamLimits { connections: 2, ..LIMITS });
    for id in 0..300 {
        let mut stream = server.connect();
        stream.write_all(&ask(id)).expect("written");
        assert_eq!(id_of(&read_message(&mut stream).expect("a reply")), id);
        // The next one finds a seat: this one is seen to leave.
        stream.shutdown(Shutdown::Both).expect("open");
        while server.streams.seats.total() > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    server.streams.stop();
}

#[test]
fn a13_what_comes_in_pieces_or_together_is_answered_in_order() {
    let server = Server::start(10, LIMITS);
    let mut stream = server.connect();
    let whole = [ask(1), ask(2), ask(3)].concat();
    stream.write_all(&whole).expect("written");
    for id in 1..=3 {
        assert_eq!(id_of(&read_message(&mut stream).expect("a reply")), id);
    }
    for at in [1, 2, 5, whole.len() / 3 + 1] {
        let mut stream = server.connect();
        stream.set_nodelay(true).expect("a socket");
        stream.write_all(&whole[..at]).expect("written");
        std::thread::sleep(Duration::from_millis(5));
        stream.write_all(&whole[at..]).expect("written");
        for id in 1..=3 {
            assert_eq!(id_of(&read_message(&mut stream).expect("a reply")), id, "in two pieces at {at}");
        }
    }
    server.streams.stop();
}

#[test]
fn a17_whoever_leaves_without_a_word_leaves_no_seat_taken() {
    let server = Server::start(10, MANY);
    let streams: Vec<TcpStream> = (0..50).map(|_| server.connect()).collect();
    while server.streams.seats.total() < 50 {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(streams);
    while server.streams.seats.total() > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    server.streams.stop();
}
