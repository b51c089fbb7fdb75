//! What a primary sends when it is asked for a whole zone (RFC 5936), message by message.

use std::collections::BTreeSet;
use std::io::{Read, Write};

use crate::Test;
use crate::bellwether::{Bellwether, Trust};
use crate::signature::Seal;
use crate::texts::{ZONE, large_text, zone_text};
use crate::wire::{self, A, AA, AXFR, IN, IXFR, Message, QR, Reply, Rr, SOA, Stream, TC, name};
use crate::yard::{self, Yard};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("d02_d03_d04_a_large_zone_in_many_messages", &[], a_large_zone_in_many_messages),
    ("d05_cuts_glue_and_occluded_names_are_sent", &[], cuts_glue_and_occluded_names),
    ("d06_case_is_kept_and_only_old_types_are_compressed", &[], case_is_kept),
    ("d07_only_an_apex_can_be_transferred", &[], only_an_apex),
    ("d08_axfr_over_udp_is_refused", &[], axfr_over_udp),
    ("d13_the_connection_goes_on_after_a_transfer", &[], the_connection_goes_on),
    ("d15_ten_transfers_on_one_connection", &[], ten_transfers_on_one_connection),
    ("e01_ixfr_without_soa_is_formerr", &[], ixfr_without_soa),
];

/// A primary that serves this text to whoever has the key.
pub fn serving<'y>(yard: &'y Yard, text: &str) -> Bellwether<'y> {
    let server = Bellwether::new(yard, "primary");
    server.write_zone(text);
    server.primary_for(yard::free_address(), Trust::Key);
    server.start();
    server.wait(1);
    server
}

/// Asks for a transfer with the key, and checks what every message of it must be (D02, D03, D01).
pub fn transfer(stream: &mut Stream<impl Read + Write>, request: Message) -> Vec<Rr> {
    let id = u16::from_be_bytes([request.0[0], request.0[1]]);
    let asked = Reply(request.0.clone()).question();
    let (signed, mut chain) = Seal::flock().request(request);
    stream.send(&[signed.0]);
    let messages = stream.transfer();
    let mut records = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        assert_eq!((message.id(), message.flags()), (id, QR | AA), "message {number}");
        assert_eq!(message.flags() & TC, 0);
        let question = message.question();
        assert!(question == asked || (number > 0 && question.is_none()), "{number}: {question:?}");
        assert!(chain.verify(message), "message {number} is not signed");
        message.decoded();
        let answers = message.answers();
        assert!(!answers.is_empty(), "message {number}");
        records.extend(answers);
    }
    assert_eq!(records.first(), records.last());
    records
}

fn axfr(stream: &mut Stream) -> Vec<Rr> {
    transfer(stream, Message::query(0x1d01, ZONE, AXFR))
}

fn a_large_zone_in_many_messages(yard: &Yard) {
    const HOSTS: u32 = 20_000;
    let server = serving(yard, &large_text(1, HOSTS));
    let mut stream = Stream::to(server.address);
    // The question comes back as it was spelt.
    let records = transfer(&mut stream, Message::new(7, 0).question(&name("eXample.cOm"), AXFR, IN));
    assert_eq!(records.iter().filter(|record| record.rtype == SOA).count(), 2);
    let distinct: BTreeSet<&Rr> = records.iter().collect();
    assert_eq!(distinct.len() + 1, records.len(), "a record came twice");
    let lines = large_text(1, HOSTS).lines().filter(|line| !line.starts_with('$')).count();
    assert_eq!(distinct.len(), lines);
    for host in 0..HOSTS {
        let address = [10, (host >> 16) as u8, (host >> 8) as u8, host as u8];
        assert!(distinct.contains(&Rr::a(&format!("large-{host}.{ZONE}"), address)), "{host}");
    }
}

fn cuts_glue_and_occluded_names(yard: &Yard) {
    let more = "deep.sub A 192.0.2.77\nbelow.old A 192.0.2.78\n";
    let server = serving(yard, &(zone_text(1, 0) + more));
    let records = axfr(&mut Stream::to(server.address));
    for expected in [
        Rr::ns("sub.example.com", "ns.sub.example.com"),
        Rr::a("ns.sub.example.com", [192, 0, 2, 53]),
        Rr::a("deep.sub.example.com", [192, 0, 2, 77]),
        Rr::a("below.old.example.com", [192, 0, 2, 78]),
    ] {
        assert_eq!(records.iter().filter(|record| **record == expected).count(), 1, "{expected:?}");
    }
    let lines = (zone_text(1, 0) + more).lines().filter(|line| !line.starts_with('$')).count();
    assert_eq!(records.len(), lines + 1);
    // They are not answered, which is why a server might forget them.
    let asked = Message::query(3, "deep.sub.example.com", A);
    let answer = wire::over_udp(server.address, &asked.0).expect("an answer");
    assert_eq!((answer.rcode(), answer.flags() & AA, answer.count(1)), (0, 0, 0));
}

fn case_is_kept(yard: &Yard) {
    let more = "MiXed A 192.0.2.81\ncAse CNAME TaRGet.Example.COM.\n\
                _sip._TCP SRV 0 5 5060 MaiL.eXample.com.\nLOUD MX 10 MAIL.EXAMPLE.COM.\n";
    let server = serving(yard, &(zone_text(1, 0) + more));
    let records = axfr(&mut Stream::to(server.address));
    let target = name("MaiL.eXample.com");
    for expected in [
        Rr::a("MiXed.example.com", [192, 0, 2, 81]),
        Rr::new("cAse.example.com", 5, &name("TaRGet.Example.COM")),
        // RFC 3597 §4: the name in an SRV record is written out, octet for octet.
        Rr::new("_sip._TCP.example.com", 33, &[&[0, 0, 0, 5, 0x13, 0xc4][..], &target].concat()),
        Rr::new("LOUD.example.com", 15, &[&[0, 10][..], &name("MAIL.EXAMPLE.COM")].concat()),
    ] {
        assert!(records.contains(&expected), "{expected:?} is not in {records:#?}");
    }
}

fn only_an_apex(yard: &Yard) {
    let server = serving(yard, &zone_text(1, 0));
    let mut stream = Stream::to(server.address);
    for asked in ["sub.example.com", "www.example.com", "com", "example.org"] {
        let (request, mut chain) = Seal::flock().request(Message::query(9, asked, AXFR));
        let answer = stream.ask(&request);
        // NOTAUTH or REFUSED.
        assert!(matches!(answer.rcode(), 5 | 9), "{asked}: {}", answer.rcode());
        assert_eq!(answer.count(1), 0, "{asked}");
        assert!(chain.verify(&answer), "{asked}: not signed");
    }
}

fn axfr_over_udp(yard: &Yard) {
    let server = serving(yard, &zone_text(1, 0));
    let (request, _) = Seal::flock().request(Message::query(9, ZONE, AXFR));
    let answer = wire::over_udp(server.address, &request.0).expect("an answer");
    assert!(matches!(answer.rcode(), 1 | 4 | 5), "{}", answer.rcode());
    assert_eq!((answer.count(1), answer.flags() & TC), (0, 0));
}

fn the_connection_goes_on(yard: &Yard) {
    let server = serving(yard, &zone_text(1, 0));
    let mut stream = Stream::to(server.address);
    for id in [1, 2] {
        let answer = stream.ask(&Message::query(id, ZONE, SOA));
        assert_eq!((answer.id(), answer.serials()), (id, vec![1]));
        assert!(axfr(&mut stream).len() > 70);
    }
    assert_eq!(stream.ask(&Message::query(3, ZONE, SOA)).serials(), [1]);
}

fn ten_transfers_on_one_connection(yard: &Yard) {
    let server = serving(yard, &large_text(1, 2_000));
    let mut stream = Stream::to(server.address);
    let single = axfr(&mut stream);
    let (mut requests, mut chains, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for id in 0..10 {
        let (request, chain) = Seal::flock().request(Message::query(id, ZONE, AXFR));
        requests.push(request.0);
        chains.push(chain);
        answers.push(Vec::new());
    }
    // A poll among them is answered as well.
    requests.insert(5, Message::query(99, ZONE, SOA).0);
    stream.send(&requests);
    let (mut open, mut polled) = (10, false);
    while open > 0 || !polled {
        let message = stream.read().expect("a message");
        if message.id() == 99 {
            assert_eq!(message.serials(), [1]);
            polled = true;
            continue;
        }
        let which = usize::from(message.id());
        chains[which].verify(&message);
        answers[which].extend(message.answers());
        if answers[which].len() == single.len() {
            assert_eq!(answers[which], single);
            open -= 1;
        }
    }
}

fn ixfr_without_soa(yard: &Yard) {
    let server = serving(yard, &zone_text(1, 0));
    let (request, _) = Seal::flock().request(Message::query(9, ZONE, IXFR));
    let mut stream = Stream::to(server.address);
    for answer in [stream.ask(&request), wire::over_udp(server.address, &request.0).expect("an answer")] {
        assert_eq!((answer.rcode(), answer.count(1)), (1, 0));
    }
}
