//! Clients that read a transfer slowly, or not at all.

use crate::Test;
use crate::bellwether::Bellwether;
use crate::signature::Seal;
use crate::texts::{ZONE, zone_text};
use crate::transfer_out::{serving, transfer};
use crate::wire::{self, AXFR, Message, Rr, SOA, Stream, TXT};
use crate::yard::{self, KEY_NAME, Yard};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("d10_a_slow_reader_gets_one_version_whole", &[], a_slow_reader_gets_one_version),
    ("r21_the_oldest_readers_of_replaced_versions_are_cut_off", &[], the_oldest_readers),
    ("d14_more_transfers_than_the_limit_wait_their_turn", &[], more_than_the_limit),
    ("d14_r21_fifty_stalled_readers_hurt_nobody_and_are_cut_off", &[], fifty_stalled_readers),
];

/// Records of the large zone, of 200 octets each: far more than lies in buffers between two sockets.
const RECORDS: u32 = 8_000;

/// A large zone whose records all carry the same token.
fn text_with(serial: u32, token: &str) -> String {
    let mut text = zone_text(serial, 0);
    let filling = "x".repeat(150);
    for record in 0..RECORDS {
        text += &format!("token-{record} TXT \"{token} {filling}\"\n");
    }
    text
}

fn a_slow_reader_gets_one_version(yard: &Yard) {
    let server = serving(yard, &text_with(1, "before"));
    let mut stream = Stream::narrow(server.address);
    let (request, mut chain) = Seal::flock().request(Message::query(1, ZONE, AXFR));
    stream.send(&[request.0]);
    let first = stream.read().expect("a message");
    server.write_zone(&text_with(2, "after"));
    server.wait(2);
    let answer = wire::over_udp(server.address, &Message::query(2, ZONE, SOA).0).expect("an answer");
    assert_eq!(answer.serials(), [2]);
    // The rest comes only now: it is still the version that the transfer began with.
    let mut messages = vec![first];
    while messages.last().and_then(|message| message.answers().pop()).is_none_or(|last| last.rtype != SOA) {
        messages.push(stream.read().expect("a message"));
    }
    assert!(messages.iter().all(|message| chain.verify(message)));
    let records: Vec<Rr> = messages.iter().flat_map(|message| message.answers()).collect();
    let serials: Vec<u32> = records.iter().filter(|record| record.rtype == SOA).map(Rr::serial).collect();
    assert_eq!(serials, [1, 1]);
    let mut tokens = records.iter().filter(|record| record.rtype == TXT && record.rdata.len() > 150);
    assert!(
        tokens.clone().count() as u32 == RECORDS && tokens.all(|record| record.rdata[1..7] == *b"before")
    );
}

fn fifty_stalled_readers(yard: &Yard) {
    const STALLED: usize = 50;
    let server = serving(yard, &text_with(1, "before"));
    let mut stalled = Vec::new();
    for id in 0..STALLED {
        let mut stream = Stream::narrow(server.address);
        let (request, _) = Seal::flock().request(Message::query(id as u16, ZONE, AXFR));
        stream.send(&[request.0]);
        assert_eq!(stream.read().expect("a message").rcode(), 0);
        stalled.push(stream);
    }
    // Queries are answered over UDP and TCP, and another transfer goes through.
    let mut stream = Stream::to(server.address);
    for id in 0..200 {
        let query = Message::query(id, ZONE, SOA);
        assert_eq!(wire::over_udp(server.address, &query.0).expect("an answer").serials(), [1]);
        assert_eq!(stream.ask(&query).serials(), [1]);
    }
    assert!(transfer(&mut stream, Message::query(1, ZONE, AXFR)).len() as u32 > RECORDS);
    // Whoever reads nothing is slower than 10 kB/s, and is cut off.
    let broken = || server.log().lines().filter(|line| line.contains("transfer broke off")).count();
    yard::poll("the stalled readers to be cut off", || (broken() >= STALLED).then_some(()));
    for mut stream in stalled {
        while let Some(message) = stream.read() {
            assert!(message.answers().last().is_none_or(|last| last.rtype != SOA), "a transfer to its end");
        }
    }
}

/// A primary of this zone for whoever has the key, with more in its `[server]`.
fn lends<'y>(yard: &'y Yard, more: &str, text: &str) -> Bellwether<'y> {
    let server = Bellwether::new(yard, "primary");
    server.write_zone(text);
    let zone = format!(
        "[[zones]]\nname = \"{ZONE}\"\nrole = \"primary\"\nfile = \"example.com.zone\"\n\
         allow_transfer = [\"key:{KEY_NAME}\"]\n"
    );
    server.configure_more(more, "", &zone);
    server.start();
    server.wait(1);
    server
}

fn the_oldest_readers(yard: &Yard) {
    // Room for one replaced version of a megabyte and a half, not for two.
    let server = lends(yard, "pinned_octets_max = \"2MiB\"\n", &text_with(1, "first"));
    let begin = || {
        let mut stream = Stream::narrow(server.address);
        let (request, _) = Seal::flock().request(Message::query(1, ZONE, AXFR));
        stream.send(&[request.0]);
        let first = stream.read().expect("a message");
        (first.answers()[0].serial(), stream)
    };
    let (serial, mut oldest) = begin();
    assert_eq!(serial, 1);
    server.write_zone(&text_with(2, "second"));
    server.wait(2);
    let (serial, mut middle) = begin();
    assert_eq!(serial, 2);
    // One replaced version is held by one reader: both go on.
    let is_cut = |line: &&str| line.contains("broke off") && line.contains("keeps a replaced version");
    let cut_off = || server.log().lines().filter(is_cut).count();
    assert_eq!(cut_off(), 0);
    // The edit makes them two, and the older one goes: nobody has to begin a transfer for that.
    server.write_zone(&text_with(3, "third"));
    server.wait(3);
    yard::poll("the oldest reader to be cut off", || (cut_off() == 1).then_some(()));
    let (serial, mut newest) = begin();
    assert_eq!(serial, 3);
    let ends_whole = |stream: &mut Stream| {
        while let Some(message) = stream.read() {
            if message.answers().last().is_some_and(|last| last.rtype == SOA) {
                return true;
            }
        }
        false
    };
    assert_eq!([&mut oldest, &mut middle, &mut newest].map(ends_whole), [false, true, true]);
}

fn more_than_the_limit(yard: &Yard) {
    /// As `src/limits.rs` has it.
    const AT_ONCE: u16 = 128;
    let server = lends(yard, "tcp_connections_per_client = 200\n", &text_with(1, "before"));
    let begin = |id: u16| {
        let mut stream = Stream::narrow(server.address);
        let (request, mut chain) = Seal::flock().request(Message::query(id, ZONE, AXFR));
        stream.send(&[request.0]);
        let first = stream.read().expect("a message");
        assert!(chain.verify(&first));
        (first, stream)
    };
    let mut stalled: Vec<Stream> = (0..AT_ONCE)
        .map(|id| {
            let (first, stream) = begin(id);
            assert_eq!(first.rcode(), 0, "transfer {id}");
            stream
        })
        .collect();
    // One too many: told so with SERVFAIL, and the connection goes on.
    let (refused, mut stream) = begin(AT_ONCE);
    assert_eq!((refused.rcode(), refused.count(1)), (2, 0));
    assert_eq!(stream.ask(&Message::query(1, ZONE, SOA)).serials(), [1]);
    // Whoever goes away makes room.
    stalled.pop();
    yard::poll("room for one more", || (begin(AT_ONCE).0.rcode() == 0).then_some(()));
}
