//! Messages octet by octet, over UDP and TCP (PROTOCOL A01-A11).

use crate::Test;
use crate::bellwether::Bellwether;
use crate::client::{Client, both, same, says_nothing};
use crate::texts::{ZONE, zone_text};
use crate::wire::{self, A, AA, IN, Message, NS, OPT, QR, Rr, SOA, Stream, TC, TXT};
use crate::yard::{Yard, dig};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("a01_id_opcode_and_rd_are_copied", &[], id_opcode_and_rd),
    ("a02_an_answer_is_never_answered", &[], an_answer_is_never_answered),
    ("a03_shorter_than_a_header_is_silence_and_broken_is_formerr", &[], short_and_broken),
    ("a04_two_questions_are_a_format_error", &[], two_questions),
    ("a06_compression_in_a_question_is_a_format_error", &[], compression_in_a_question),
    ("a07_names_of_255_octets_and_no_more", &[], names_of_255_octets),
    ("a08_a_datagram_without_edns_has_at_most_512_octets", &[], without_edns),
    ("a09_a_datagram_is_no_longer_than_the_client_says", &[], than_the_client_says),
    ("a10_a_datagram_is_no_longer_than_our_own_limit", &[], than_our_own_limit),
    ("p46_each_family_has_a_limit_of_its_own", &["dig"], each_family),
    ("a11_an_rrset_is_whole_or_missing", &[], whole_or_missing),
];

/// A server of the zone with what these tests ask for besides.
pub fn server<'y>(yard: &'y Yard, options: &str) -> Bellwether<'y> {
    let server = Bellwether::new(yard, "server");
    let many: String = (0..100).map(|n| format!("many A 192.0.2.{n}\n")).collect();
    let some: String = (0..40).map(|n| format!("some A 192.0.2.{n}\n")).collect();
    // A delegation whose glue is needed, and one whose addresses only help.
    let needed: String =
        (0..30).map(|n| format!("deep NS ns{n}.deep\nns{n}.deep AAAA 2001:db8::{n}\n")).collect();
    let optional: String = (0..12)
        .map(|n| format!("wide NS ns{n}.hosts\nns{n}.hosts AAAA 2001:db8::{n}\nns{n}.hosts A 192.0.2.9\n"))
        .collect();
    server.write_zone(&(zone_text(1, 0) + &many + &some + &needed + &optional));
    server.open_to_queries(options);
    server.start();
    server.wait(1);
    server
}

fn id_opcode_and_rd(yard: &Yard) {
    let server = server(yard, "");
    const RD: u16 = 0x0100;
    for (id, flags, expected) in [
        (0xbeef, RD, QR | AA | RD),
        (0, 0, QR | AA),
        (0xffff, RD, QR | AA | RD),
        // STATUS and an unknown opcode: NOTIMP, with the opcode.
        (1, 0x1000 | RD, QR | 0x1000 | RD | 4),
        (2, 0x7800, QR | 0x7800 | 4),
    ] {
        let message = Message::new(id, flags).question(&wire::name(ZONE), SOA, IN);
        let reply = same(server.address, &message);
        assert_eq!((reply.id(), reply.flags()), (id, expected), "{flags:04x}");
        assert_eq!(reply.question(), Some((wire::name(ZONE), SOA, IN)));
    }
}

fn an_answer_is_never_answered(yard: &Yard) {
    let server = server(yard, "");
    for flags in [QR, QR | 0x0100, QR | AA, QR | 0x2000, QR | 0x7800, QR | 5] {
        let answer = Message::new(9, flags).question(&wire::name(ZONE), SOA, IN);
        assert!(says_nothing(server.address, &answer.0), "{flags:04x}");
        assert!(says_nothing(server.address, &answer.0[..12]), "{flags:04x}");
    }
}

fn short_and_broken(yard: &Yard) {
    let server = server(yard, "");
    let whole = Message::query(0x1234, ZONE, SOA).edns(1232, &[(100, b"abc")]).0;
    for length in 0..12 {
        assert!(says_nothing(server.address, &whole[..length]), "{length} octets");
    }
    for length in 12..whole.len() {
        let reply = same(server.address, &Message(whole[..length].to_vec()));
        assert_eq!((reply.id(), reply.rcode()), (0x1234, 1), "{length} octets");
    }
    assert_eq!(same(server.address, &Message(whole.clone())).rcode(), 0);
    let trailing = Message([whole, vec![0]].concat());
    assert_eq!(same(server.address, &trailing).rcode(), 1, "octets after the end");
}

fn two_questions(yard: &Yard) {
    let server = server(yard, "");
    let two = Message::query(7, ZONE, SOA).question(&wire::name(ZONE), NS, IN);
    let reply = same(server.address, &two);
    assert_eq!((reply.rcode(), reply.count(1), reply.count(2)), (1, 0, 0));
    let mut many = Message::query(7, ZONE, SOA);
    many.0[4..6].fill(0xff);
    assert_eq!(same(server.address, &many).rcode(), 1);
}

fn compression_in_a_question(yard: &Yard) {
    let server = server(yard, "");
    let formerr = |message: &Message| {
        let reply = same(server.address, message);
        assert_eq!((reply.id(), reply.rcode(), reply.count(1)), (7, 1, 0));
    };
    // To itself, to the header, forward, past the end.
    for qname in [[0xc0, 12], [0xc0, 0], [0xc0, 200], [0xff, 0xff], [0x40, 1], [0x80, 1]] {
        formerr(&Message::new(7, 0).question(&qname, SOA, IN));
    }
    formerr(&Message::new(7, 0).question(b"\x03www\xc0\x0c", SOA, IN));
    // An owner that leads through as many pointers as a message holds, each to the one before.
    let mut chain: Vec<u8> = Vec::new();
    let begin = 12 + wire::name(ZONE).len() + 4 + 11;
    let mut before = 12;
    while begin + chain.len() < 0x3ff0 {
        let here = begin + chain.len();
        chain.extend(((0xc000 | before) as u16).to_be_bytes());
        before = here;
    }
    let last = ((0xc000 | before) as u16).to_be_bytes();
    let filler = Rr { owner: vec![0], rtype: 65_280, class: IN, ttl: 0, rdata: chain };
    // The SOA of an IXFR is compared with the question, so its owner has to be followed.
    let led = Rr { owner: last.to_vec(), ..Rr::soa(ZONE, 1, [0; 3]) };
    let message = Message::query(7, ZONE, wire::IXFR).authority(&filler).authority(&led);
    let mut stream = Stream::to(server.address);
    for _ in 0..50 {
        let reply = stream.ask(&message);
        assert_eq!((reply.id(), reply.rcode()), (7, 1));
    }
    assert_eq!(stream.ask(&Message::query(8, ZONE, SOA)).rcode(), 0);
}

fn names_of_255_octets(yard: &Yard) {
    let server = server(yard, "");
    let labels = |lengths: &[usize]| -> Vec<u8> {
        let label = |length: &usize| [vec![*length as u8], vec![b'a'; *length]].concat();
        let zone = wire::name(ZONE);
        lengths.iter().flat_map(label).chain(zone).collect()
    };
    let rcode = |qname: &[u8]| same(server.address, &Message::new(7, 0).question(qname, A, IN)).rcode();
    // The zone has 13 octets; 255 - 13 is left.
    let longest = labels(&[63, 63, 63, 49]);
    assert_eq!((longest.len(), rcode(&longest)), (255, 3));
    let reply = same(server.address, &Message::new(7, 0).question(&longest, A, IN));
    assert_eq!(reply.question().map(|(qname, ..)| qname), Some(longest));
    let longer = labels(&[63, 63, 63, 50]);
    assert_eq!((longer.len(), rcode(&longer)), (256, 1));
    assert_eq!(rcode(&labels(&[63, 63, 63, 63, 63])), 1);
    // A length octet beyond 63 is no label.
    for length in [64u8, 127, 128, 191] {
        let qname = [&[length][..], &vec![b'a'; usize::from(length)], &wire::name(ZONE)].concat();
        assert_eq!(rcode(&qname), 1, "{length}");
    }
    assert_eq!(rcode(&[0]), 5, "the root is a name, and not ours");
}

/// The length of a datagram, whether it is cut, and how many answers it has.
fn sized(server: &Bellwether, name: &str, qtype: u16, size: Option<u16>) -> (usize, bool, usize) {
    let question = Message::query(7, &format!("{name}.{ZONE}"), qtype);
    let question = size.map_or(question.clone(), |size| question.edns(size, &[]));
    let reply = Client::at([127, 0, 0, 1], server.address).ask(&question);
    // It is a message, however it was cut.
    reply.records();
    (reply.0.len(), reply.flags() & TC != 0, reply.count(1))
}

fn without_edns(yard: &Yard) {
    let server = server(yard, "");
    for name in ["many", "some"] {
        let (length, cut, answers) = sized(&server, name, A, None);
        assert!(length <= 512 && cut && answers == 0, "{name}: {length} {answers}");
    }
    let (length, cut, _) = sized(&server, "mail", A, None);
    assert!(length <= 512 && !cut);
    let [_, tcp] = both(server.address, &Message::query(7, &format!("many.{ZONE}"), A));
    assert_eq!((tcp.count(1), tcp.flags() & TC), (100, 0));
}

fn than_the_client_says(yard: &Yard) {
    let server = server(yard, "");
    // 40 addresses take 12 + 22 + 40 * 16 + 11 octets.
    for (size, whole) in [(0, false), (100, false), (512, false), (684, false), (685, true), (1232, true)] {
        let (length, cut, answers) = sized(&server, "some", A, Some(size));
        assert_eq!((cut, answers), (!whole, if whole { 40 } else { 0 }), "{size}");
        assert!(length <= usize::from(size.max(512)), "{length} of {size}");
    }
    // Less than 512 is read as 512 (RFC 6891 §6.2.3).
    let (length, cut, _) = sized(&server, "wide", A, Some(100));
    assert!(length > 100 && length <= 512 && !cut, "{length}");
}

fn than_our_own_limit(yard: &Yard) {
    let server = server(yard, "");
    for size in [1232, 1500, 4096, 65_535] {
        let (length, cut, _) = sized(&server, "many", A, Some(size));
        assert!(length <= 1232 && cut, "{length} of {size}");
        assert_eq!(sized(&server, "some", A, Some(size)), (685, false, 40));
    }
    let yard = &Yard::new();
    let server = self::server(yard, "udp_payload_max = 600");
    let (length, cut, _) = sized(&server, "some", A, Some(4096));
    assert!(length <= 600 && cut);
    let reply = Client::at([127, 0, 0, 1], server.address).ask(&Message::query(7, ZONE, SOA).edns(4096, &[]));
    let opt = reply.records().into_iter().find(|(_, record)| record.rtype == OPT).expect("OPT").1;
    assert_eq!(opt.class, 600, "what we take is what we send");
}

fn each_family(yard: &Yard) {
    let server = server(yard, "udp_payload_max = 1000\nudp_payload_max_ipv6 = 700");
    // The other family comes with a restart.
    assert!(server.stop().success());
    let config = std::fs::read_to_string(server.config()).expect("a config");
    let (listen, port) = (format!("\"{}\"", server.address), server.address.port());
    std::fs::write(server.config(), config.replace(&listen, &format!("{listen}, \"[::1]:{port}\"")))
        .expect("a config");
    server.start();
    server.wait(1);
    for (address, most) in [("127.0.0.1", 1000), ("::1", 700)] {
        let asked = std::net::SocketAddr::new(address.parse().expect("an address"), port);
        let ask = |name: &str| dig(asked, &["+notcp", "+ignore", "+bufsize=4096", "+nocookie", name, "A"]);
        let text = ask("some.example.com");
        assert!(text.contains(&format!("udp: {most}")), "{text}");
        assert_eq!(text.contains(" tc "), 685 > most, "{text}");
        assert!(ask("many.example.com").contains(" tc "), "1645 octets are too many for both");
    }
}

fn whole_or_missing(yard: &Yard) {
    let server = server(yard, "");
    let ask = |name: &str, qtype: u16, size: u16| {
        let question = Message::query(7, &format!("{name}.{ZONE}"), qtype).edns(size, &[]);
        Client::at([127, 0, 0, 1], server.address).ask(&question)
    };
    for size in (512..=1232).step_by(40) {
        let reply = ask("many", A, size);
        assert!(reply.count(1) == 0 && reply.flags() & TC != 0, "no part of an RRset: {size}");
        // Glue inside the delegated zone is needed: without all of it TC is set (RFC 9471 §3.1).
        let reply = ask("www.deep", A, size);
        assert_eq!(reply.flags() & TC != 0, reply.count(3) - 1 < 30, "{size}");
        // Other addresses only help: they are left out without TC.
        let reply = ask("www.wide", A, size);
        assert_eq!((reply.flags() & (TC | AA), reply.count(2)), (0, 12), "{size}");
    }
    assert!(ask("www.wide", A, 512).count(3) < ask("www.wide", A, 1232).count(3));
    let reply = Stream::to(server.address).ask(&Message::query(7, &format!("www.deep.{ZONE}"), A));
    assert_eq!((reply.count(2), reply.count(3)), (30, 30));
    assert_eq!(ask("mail", TXT, 512).flags() & TC, 0);
}
