//! EDNS and its options, over UDP and TCP (PROTOCOL A27-A35, A44-A45, A48-A50, A53).

use std::time::{Duration, Instant};

use crate::Test;
use crate::bellwether::{Bellwether, Trust};
use crate::client::{Client, both, same};
use crate::messages::server;
use crate::texts::{ZONE, zone_text};
use crate::wire::{A, Message, OPT, Reply, Rr, SOA, Stream, TC, TSIG};
use crate::yard::{self, Yard, dig, dig_signed};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("a27_opt_in_the_reply_if_and_only_if_in_the_query", &[], if_and_only_if),
    ("a28_two_opts_or_one_with_an_owner_are_format_errors", &[], two_opts),
    ("a29_an_unknown_version_gets_badvers", &["dig"], an_unknown_version),
    ("a30_unknown_options_are_ignored", &["dig"], unknown_options),
    ("a31_unknown_flags_are_ignored_and_not_sent", &["dig"], unknown_flags),
    ("a32_an_option_beyond_its_record_is_a_format_error", &[], an_option_beyond),
    ("a33_do_is_copied", &["dig"], do_is_copied),
    ("a34_opt_is_found_wherever_it_stands", &["dig"], wherever_it_stands),
    ("a35_p34_nsid_for_those_who_ask", &["dig"], nsid),
    ("a44_a45_p41_keepalive_is_told_on_connections_and_kept", &["dig"], keepalive),
    ("a48_nothing_is_padded_in_the_clear", &["dig"], nothing_is_padded),
    ("a49_p38_the_version_of_the_zone_that_answers", &["dig"], zone_version),
    ("a49_an_expired_zone_tells_its_last_version", &[], expired_version),
    ("a50_a_query_with_a_version_is_a_format_error", &[], a_query_with_a_version),
    ("a53_a_truncated_reply_has_its_opt", &["dig"], truncated_with_opt),
];

const NSID: u16 = 3;
const KEEPALIVE: u16 = 11;
const PADDING: u16 = 12;
const ZONEVERSION: u16 = 19;

fn opts(reply: &Reply) -> Vec<Rr> {
    let records = reply.records().into_iter().filter(|(_, record)| record.rtype == OPT);
    records.map(|(_, record)| record).collect()
}

fn soa() -> Message {
    Message::query(7, ZONE, SOA)
}

/// An OPT record with these upper rcode, version and flags.
fn opt(ttl: u32, rdata: &[u8]) -> Rr {
    Rr { owner: vec![0], rtype: OPT, class: 1232, ttl, rdata: rdata.to_vec() }
}

fn if_and_only_if(yard: &Yard) {
    let server = server(yard, "");
    let names =
        [ZONE, "mail.example.com", "none.example.com", "sub.example.com", "not.ours", "many.example.com"];
    for name in names {
        for qtype in [A, SOA, 1234, 255, 253] {
            let question = Message::query(7, name, qtype);
            for reply in both(server.address, &question) {
                assert!(opts(&reply).is_empty(), "{name} TYPE{qtype}");
            }
            for reply in both(server.address, &question.edns(1232, &[])) {
                let opts = opts(&reply);
                assert_eq!((opts.len(), opts[0].owner.as_slice(), opts[0].class), (1, &[0][..], 1232));
                assert_eq!((opts[0].ttl & 0x00ff_ffff, opts[0].rdata.is_empty()), (0, reply.rcode() <= 3));
            }
        }
    }
}

fn two_opts(yard: &Yard) {
    let server = server(yard, "");
    assert_eq!(same(server.address, &soa().additional(&opt(0, b""))).rcode(), 0);
    for message in [
        soa().additional(&opt(0, b"")).additional(&opt(0, b"")),
        soa().additional(&Rr { owner: crate::wire::name(ZONE), ..opt(0, b"") }),
        soa().additional(&Rr { owner: b"\xc0\x0c".to_vec(), ..opt(0, b"") }),
        soa().answer(&opt(0, b"")),
        soa().authority(&opt(0, b"")),
    ] {
        let reply = same(server.address, &message);
        assert_eq!((reply.id(), reply.rcode(), reply.count(1)), (7, 1, 0));
    }
}

fn an_unknown_version(yard: &Yard) {
    let server = server(yard, "");
    for version in [1, 2, 255] {
        // What follows may be anything in a version that nobody knows.
        for rdata in [&b""[..], b"\x00\x0a\xff\xff\x00"] {
            let reply = same(server.address, &soa().additional(&opt(version << 16, rdata)));
            let found = opts(&reply);
            assert_eq!(
                (reply.rcode(), found[0].ttl >> 16, reply.count(1)),
                (0, 1 << 8, 0),
                "BADVERS, version 0"
            );
        }
    }
    for transport in ["+notcp", "+tcp"] {
        let text = dig(server.address, &["+edns=1", "+noednsneg", transport, ZONE, "SOA"]);
        assert!(text.contains("status: BADVERS") && text.contains("EDNS: version: 0"), "{text}");
    }
}

fn unknown_options(yard: &Yard) {
    let server = server(yard, "");
    for transport in ["+notcp", "+tcp"] {
        let text = dig(
            server.address,
            &["+ednsopt=100:aabb", "+ednsopt=65001", transport, "+nocookie", ZONE, "SOA"],
        );
        assert!(text.contains("status: NOERROR") && text.contains("ANSWER: 1"), "{text}");
    }
    // Client subnet, padding, chain, key tag and others that are somebody else's business.
    for code in
        (1..=30).filter(|code| ![3, 9, 10, 11, 15, 18, 19].contains(code)).chain([100, 65_001, 65_535])
    {
        for data in [&b""[..], b"\xaa\xbb\xcc", &[0; 300]] {
            let reply = same(server.address, &soa().edns(1232, &[(code, data)]));
            assert_eq!(
                (reply.rcode(), reply.count(1), opts(&reply)[0].rdata.len()),
                (0, 1, 0),
                "option {code}"
            );
        }
    }
}

fn unknown_flags(yard: &Yard) {
    let server = server(yard, "");
    for flags in [0x0040, 0x4000, 0x0001, 0x7fff, 0xffff] {
        let reply = same(server.address, &soa().additional(&opt(flags, b"")));
        assert_eq!((reply.rcode(), opts(&reply)[0].ttl), (0, flags & 0x8000), "{flags:04x}");
    }
    let text = dig(server.address, &["+ednsflags=0x40", ZONE, "SOA"]);
    assert!(text.contains("status: NOERROR") && !text.contains("MBZ"), "{text}");
}

fn an_option_beyond(yard: &Yard) {
    let server = server(yard, "");
    for rdata in [
        &b"\x00\x03\x00\x01"[..],
        b"\x00\x03\xff\xff",
        b"\x00\x03\x00",
        b"\x00",
        b"\x00\x64\x00\x01a\x00\x03\x00\x02x",
    ] {
        let reply = same(server.address, &soa().additional(&opt(0, rdata)));
        assert_eq!((reply.id(), reply.rcode(), reply.count(1)), (7, 1, 0), "{rdata:?}");
    }
}

fn do_is_copied(yard: &Yard) {
    let server = server(yard, "");
    for (flag, shown) in [("+dnssec", true), ("+nodnssec", false)] {
        for transport in ["+notcp", "+tcp"] {
            let text = dig(server.address, &[flag, transport, ZONE, "SOA"]);
            assert!(text.contains("status: NOERROR"), "{text}");
            assert_eq!(text.contains("EDNS: version: 0, flags: do;"), shown, "{text}");
        }
    }
    for name in ["not.ours", "many.example.com"] {
        let reply = both(server.address, &Message::query(7, name, A).additional(&opt(0x8000, b"")));
        reply.iter().for_each(|reply| assert_eq!(opts(reply)[0].ttl & 0xffff, 0x8000));
    }
}

fn wherever_it_stands(yard: &Yard) {
    let server = server(yard, "nsid = \"here\"");
    let junk = Rr::a("elsewhere.example.net", [192, 0, 2, 9]);
    let asking = opt(0, b"\x00\x03\x00\x00");
    for message in [
        soa().additional(&asking).additional(&junk),
        soa().additional(&junk).additional(&asking),
        soa().additional(&junk).additional(&asking).additional(&junk),
        soa().answer(&junk).authority(&junk).additional(&asking),
    ] {
        let reply = same(server.address, &message);
        assert_eq!((reply.rcode(), reply.option(NSID)), (0, Some(b"here".to_vec())));
    }
    // TSIG stays behind it.
    for transport in ["+notcp", "+tcp"] {
        let text = dig_signed(server.address, &["+nsid", transport, ZONE, "SOA"]);
        assert!(text.contains("NSID: 68 65 72 65") && !text.contains("Couldn't verify"), "{text}");
    }
    let (signed, _) = crate::signature::Seal::flock().request(soa().additional(&asking));
    for reply in both(server.address, &signed) {
        let types: Vec<u16> = reply.records().iter().map(|(_, record)| record.rtype).collect();
        assert_eq!(types[types.len() - 2..], [OPT, TSIG]);
    }
}

fn nsid(yard: &Yard) {
    let with = server(yard, "nsid = \"ns1.example.net\"");
    let other = Yard::new();
    let without = server(&other, "");
    for transport in ["+notcp", "+tcp"] {
        for (name, status) in [(ZONE, "NOERROR"), ("none.example.com", "NXDOMAIN"), ("not.ours", "REFUSED")] {
            let text = dig(with.address, &["+nsid", transport, name, "SOA"]);
            assert!(text.contains("(\"ns1.example.net\")") && text.contains(status), "{text}");
            assert!(!dig(with.address, &[transport, name, "SOA"]).contains("NSID"), "never unasked");
            assert!(!dig(without.address, &["+nsid", transport, name, "SOA"]).contains("NSID"));
        }
    }
}

fn keepalive(yard: &Yard) {
    let server = server(yard, "tcp_idle = \"1500ms\"");
    let asking = soa().edns(1232, &[(KEEPALIVE, b"")]);
    let [udp, tcp] = both(server.address, &asking);
    assert_eq!((udp.rcode(), udp.option(KEEPALIVE)), (0, None));
    assert_eq!((tcp.rcode(), tcp.option(KEEPALIVE)), (0, Some(15u16.to_be_bytes().to_vec())));
    assert_eq!(Stream::to(server.address).ask(&soa().edns(1232, &[])).option(KEEPALIVE), None);
    let text = dig(server.address, &["+keepalive", "+tcp", ZONE, "SOA"]);
    assert!(text.contains("TCP KEEPALIVE: 1.5 secs"), "{text}");
    assert!(!dig(server.address, &["+keepalive", "+notcp", ZONE, "SOA"]).contains("KEEPALIVE: 1"));
    // The connection is held that long, from the last answer on, and not much longer.
    let mut stream = Stream::to(server.address);
    for _ in 0..3 {
        let before = Instant::now();
        stream.ask(&asking);
        // A machine that stalls for longer than this is no reason to fail.
        std::thread::sleep(Duration::from_millis(400));
        if before.elapsed() > Duration::from_millis(1400) {
            return;
        }
    }
    let answered = Instant::now();
    stream.ask(&asking);
    assert!(stream.read().is_none(), "it ends");
    assert!(answered.elapsed() >= Duration::from_millis(1400), "{:?}", answered.elapsed());
}

fn nothing_is_padded(yard: &Yard) {
    let server = server(yard, "");
    for reply in both(server.address, &soa().edns(1232, &[(PADDING, &[0; 100])])) {
        assert_eq!((reply.rcode(), opts(&reply)[0].rdata.len()), (0, 0));
    }
    let text = dig(server.address, &["+padding=128", "+notcp", ZONE, "SOA"]);
    assert!(text.contains("status: NOERROR") && !text.contains("; PAD"), "{text}");
}

/// The labels of the zone, the type and the serial.
fn version(labels: u8, serial: u32) -> Option<Vec<u8>> {
    Some([&[labels, 0][..], &serial.to_be_bytes()].concat())
}

fn zone_version(yard: &Yard) {
    let server = server(yard, "");
    let asking = |name: &str, qtype| Message::query(7, name, qtype).edns(1232, &[(ZONEVERSION, b"")]);
    for (name, qtype, rcode) in [
        (ZONE, SOA, 0),
        ("mail.example.com", A, 0),
        ("mail.example.com", 1234, 0),
        ("none.example.com", A, 3),
        ("www.sub.example.com", A, 0),
        ("many.example.com", A, 0),
    ] {
        for reply in both(server.address, &asking(name, qtype)) {
            assert_eq!((reply.rcode(), reply.option(ZONEVERSION)), (rcode, version(2, 1)), "{name}");
        }
        let plain = same(server.address, &Message::query(7, ZONE, SOA).edns(1232, &[]));
        assert_eq!(plain.option(ZONEVERSION), None, "never unasked");
    }
    let refused = same(server.address, &asking("not.ours", A));
    assert_eq!((refused.rcode(), refused.option(ZONEVERSION)), (5, None));
    let text = std::fs::read_to_string(server.zone_file()).expect("the zone");
    server.write_zone(&text.replace("( 1 3600", "( 2000000000 3600"));
    server.wait(2_000_000_000);
    assert_eq!(same(server.address, &asking(ZONE, SOA)).option(ZONEVERSION), version(2, 2_000_000_000));
    let text = dig(server.address, &["+ednsopt=19", ZONE, "SOA"]);
    assert!(text.contains("OPT=19: 02 00 77 35 94 00"), "{text}");
}

fn expired_version(yard: &Yard) {
    let (primary, secondary) = (Bellwether::new(yard, "primary"), Bellwether::new(yard, "secondary"));
    primary.write_zone(&zone_text(5, 0).replace("3600 600 1209600 300", "1 1 3 300"));
    primary.primary_for(secondary.address, Trust::Key);
    primary.start();
    primary.wait(5);
    secondary.secondary_of(primary.address, Trust::Key);
    secondary.start();
    secondary.wait(5);
    primary.kill();
    let asking = Message::query(7, "mail.example.com", A).edns(1232, &[(ZONEVERSION, b"")]);
    let client = Client::at([127, 0, 0, 1], secondary.address);
    yard::poll("the zone to expire", || (client.ask(&asking).rcode() == 2).then_some(()));
    assert_eq!(same(secondary.address, &asking).option(ZONEVERSION), version(2, 5));
}

fn a_query_with_a_version(yard: &Yard) {
    let server = server(yard, "");
    for data in [&b"x"[..], &[0; 6], &[2, 0, 0, 0, 0, 1]] {
        let reply = same(server.address, &soa().edns(1232, &[(ZONEVERSION, data)]));
        assert_eq!((reply.rcode(), reply.count(1), opts(&reply).len()), (1, 0, 1));
    }
}

fn truncated_with_opt(yard: &Yard) {
    let server = server(yard, "nsid = \"here\"");
    for size in [512, 600, 1232] {
        let question = Message::query(7, "many.example.com", A).edns(size, &[(NSID, b"")]);
        let reply = Client::at([127, 0, 0, 1], server.address).ask(&question);
        assert!(reply.flags() & TC != 0 && reply.0.len() <= usize::from(size));
        assert_eq!((opts(&reply).len(), reply.option(NSID)), (1, Some(b"here".to_vec())));
    }
    let text = dig(server.address, &["+ignore", "+bufsize=512", "+nocookie", "many.example.com", "A"]);
    assert!(text.contains(" tc ") && text.contains("EDNS: version: 0"), "{text}");
}
