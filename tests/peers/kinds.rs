//! Types, opcodes, flags and classes, usual and unusual ones (PROTOCOL A20-A26; PEERS 30, 32, 33).

use crate::Test;
use crate::bellwether::Bellwether;
use crate::client::same;
use crate::messages::server;
use crate::texts::{ZONE, zone_text};
use crate::wire::{self, A, AA, IN, Message, QR, SOA, TXT};
use crate::yard::{Yard, dig, records};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("a20_a_type_that_nobody_knows_is_a_type", &["dig"], unknown_type),
    ("a21_an_opcode_that_nobody_knows_is_not_implemented", &["dig"], unknown_opcode),
    ("a22_flags_of_the_query_break_nothing", &["dig"], flags_of_the_query),
    ("a23_a_zone_of_others_is_refused", &["dig"], a_zone_of_others),
    ("a24_classes_other_than_in_are_refused", &["dig"], other_classes),
    ("a25_p32_names_of_class_chaos_by_config", &["dig"], chaos_names),
    ("a26_types_of_messages_are_no_questions", &["dig"], types_of_messages),
    ("p30_new_and_unknown_types_are_served", &["dig"], new_types),
    ("p33_refused_notauth_and_servfail_each_where_it_belongs", &[], each_where_it_belongs),
];

fn shapes(reply: &wire::Reply) -> [usize; 3] {
    [1, 2, 3].map(|section| reply.count(section))
}

fn unknown_type(yard: &Yard) {
    let server = server(yard, "");
    for qtype in [1234, 65_280, 65_534, 31, 32, 99, 103, 260, 32_768] {
        let ask = |name: &str| same(server.address, &Message::query(7, name, qtype));
        let (here, nowhere) = (ask("mail.example.com"), ask("none.example.com"));
        assert_eq!((here.rcode(), shapes(&here), here.flags() & AA), (0, [0, 1, 0], AA), "TYPE{qtype}");
        assert_eq!(
            (nowhere.rcode(), shapes(&nowhere), nowhere.flags() & AA),
            (3, [0, 1, 0], AA),
            "TYPE{qtype}"
        );
    }
    for transport in ["+notcp", "+tcp"] {
        let text = dig(server.address, &[transport, "mail.example.com", "TYPE1234"]);
        assert!(text.contains("status: NOERROR") && text.contains("ANSWER: 0"), "{text}");
    }
}

fn unknown_opcode(yard: &Yard) {
    let server = server(yard, "");
    for opcode in [1u16, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] {
        let reply = same(server.address, &Message::new(7, opcode << 11).question(&wire::name(ZONE), SOA, IN));
        assert_eq!((reply.flags(), shapes(&reply)), (QR | opcode << 11 | 4, [0; 3]), "opcode {opcode}");
        // Also without anything that could be read.
        let reply = same(server.address, &Message::new(7, opcode << 11));
        assert_eq!(reply.flags() & 0xf80f, QR | opcode << 11 | 4, "opcode {opcode}");
    }
    for transport in ["+notcp", "+tcp"] {
        let text = dig(server.address, &["+opcode=15", "+norecurse", transport, ZONE, "SOA"]);
        assert!(text.contains("status: NOTIMP"), "{text}");
    }
}

fn flags_of_the_query(yard: &Yard) {
    let server = server(yard, "");
    const RD: u16 = 0x0100;
    // RD, RA, Z, AD, CD, and AA and TC, which no query should have.
    for bits in [0, RD, 0x0080, 0x0040, 0x0020, 0x0010, 0x0400, 0x0200, 0x07f0] {
        let reply = same(server.address, &Message::new(7, bits).question(&wire::name(ZONE), SOA, IN));
        assert_eq!((reply.flags(), reply.count(1)), (QR | AA | bits & RD, 1), "{bits:04x}");
    }
    let text = dig(server.address, &["+adflag", "+cdflag", "+zflag", "+recurse", ZONE, "SOA"]);
    assert!(text.contains("flags: qr aa rd;") && text.contains("status: NOERROR"), "{text}");
}

fn a_zone_of_others(yard: &Yard) {
    let server = server(yard, "");
    for name in ["not.ours", "com", ".", "example.org", "xexample.com", "example.com.org"] {
        for qtype in [A, SOA, 2, 255, 43] {
            let reply = same(server.address, &Message::query(7, name, qtype));
            assert_eq!((reply.flags(), shapes(&reply)), (QR | 5, [0; 3]), "{name} TYPE{qtype}");
        }
    }
    let text = dig(server.address, &["not.ours", "A"]);
    assert!(text.contains("status: REFUSED") && !text.contains("AUTHORITY: 1"), "{text}");
}

fn other_classes(yard: &Yard) {
    let server = server(yard, "version = \"v\"");
    for class in [0, 2, 4, 5, 100, 254, 255, 65_535] {
        for name in [ZONE, "mail.example.com", "version.bind", "not.ours"] {
            let reply = same(server.address, &Message::new(7, 0).question(&wire::name(name), A, class));
            assert_eq!((reply.flags(), shapes(&reply)), (QR | 5, [0; 3]), "{name} CLASS{class}");
        }
    }
    // Class CH has the server's own names only.
    let reply = same(server.address, &Message::new(7, 0).question(&wire::name(ZONE), SOA, 3));
    assert_eq!(reply.flags(), QR | 5);
    let text = dig(server.address, &["mail.example.com", "CLASS5", "A"]);
    assert!(text.contains("status: REFUSED"), "{text}");
}

fn chaos_names(yard: &Yard) {
    let server = server(yard, "version = \"Bellwether of Fra\"\nidentity = \"ns1.fra\"");
    let other = Yard::new();
    let silent = self::server(&other, "");
    for (name, said) in [
        ("version.bind", "Bellwether of Fra"),
        ("version.server", "Bellwether of Fra"),
        ("VERSION.Bind", "Bellwether of Fra"),
        ("id.server", "ns1.fra"),
        ("hostname.bind", "ns1.fra"),
    ] {
        for transport in ["+notcp", "+tcp"] {
            let ask = |server: &Bellwether, qtype| {
                dig(server.address, &["+norecurse", transport, name, "CH", qtype])
            };
            let text = ask(&server, "TXT");
            assert!(text.contains("status: NOERROR") && text.contains(&format!("\"{said}\"")), "{text}");
            assert!(ask(&server, "A").contains("status: REFUSED"));
            let text = ask(&silent, "TXT");
            assert!(text.contains("status: REFUSED") && text.contains("ANSWER: 0"), "{text}");
        }
    }
    for name in ["authors.bind", "version.bind.x", "bind"] {
        assert!(dig(server.address, &[name, "CH", "TXT"]).contains("status: REFUSED"), "{name}");
    }
}

fn types_of_messages(yard: &Yard) {
    let server = server(yard, "");
    // OPT, TKEY, TSIG, MAILB, MAILA, the reserved ones; IXFR without an SOA and AXFR elsewhere are others'.
    for qtype in [0, 41].into_iter().chain(128..=250).chain([253, 254]) {
        for name in [ZONE, "mail.example.com", "none.example.com"] {
            let reply = same(server.address, &Message::query(7, name, qtype));
            assert!([1, 4, 5].contains(&reply.rcode()), "{name} TYPE{qtype}: {}", reply.rcode());
            assert_eq!((shapes(&reply), reply.flags() & AA), ([0; 3], 0), "{name} TYPE{qtype}");
        }
    }
    for qtype in ["TYPE0", "TYPE41", "TYPE249", "MAILA", "MAILB"] {
        let text = dig(server.address, &[ZONE, qtype]);
        assert!(text.contains("status: FORMERR") || text.contains("status: NOTIMP"), "{text}");
    }
    assert_eq!(same(server.address, &Message::query(7, ZONE, SOA)).rcode(), 0);
}

fn new_types(yard: &Yard) {
    let server = Bellwether::new(yard, "server");
    let extra = "svc SVCB 1 . alpn=h2,h3 port=8443\nweb HTTPS 1 mail ipv4hint=192.0.2.25\n\
                 sync DSYNC CDS NOTIFY 5359 mail\ninfo RESINFO qnamemin exterr=15-17 infourl=https://example.com/r\n\
                 wallet WALLET \"ADA\" \"addr1\"\nhhit HHIT \\# 4 01020304\nodd TYPE65280 \\# 3 abcdef\n\
                 empty TYPE65281 \\# 0\nknown A \\# 4 c0000207\n";
    server.write_zone(&(zone_text(1, 0) + extra));
    server.alone("");
    server.start();
    server.wait(1);
    for (name, qtype, rdata) in [
        ("svc", "TYPE64", "00 01 00 00 01 00 06 02 68 32 02 68 33 00 03 00 02 20 fb"),
        ("sync", "TYPE66", "00 3b 01 14 ef 04 6d 61 69 6c 07 65 78 61 6d 70 6c 65 03 63 6f 6d 00"),
        ("wallet", "TYPE262", "03 41 44 41 05 61 64 64 72 31"),
        ("hhit", "TYPE67", "01 02 03 04"),
        ("odd", "TYPE65280", "ab cd ef"),
        ("empty", "TYPE65281", ""),
        ("known", "A", "c0 00 02 07"),
    ] {
        let wanted: Vec<u8> =
            rdata.split_terminator(' ').map(|octet| u8::from_str_radix(octet, 16).expect("hex")).collect();
        let number = if qtype == "A" { 1 } else { qtype[4..].parse().expect("a number") };
        let reply = same(server.address, &Message::query(7, &format!("{name}.{ZONE}"), number));
        assert_eq!((reply.rcode(), reply.answers().len()), (0, 1), "{name}");
        assert_eq!(reply.answers()[0].rdata, wanted, "{name}");
    }
    let text = dig(server.address, &["+noall", "+answer", "known.example.com", "A"]);
    assert_eq!(records(&text), ["known.example.com. 3600 IN A 192.0.2.7"]);
    let text = dig(server.address, &["+noall", "+answer", "web.example.com", "HTTPS"]);
    assert!(text.contains("1 mail.example.com. ipv4hint=192.0.2.25"), "{text}");
    assert_eq!(same(server.address, &Message::query(7, "info.example.com", 261)).count(1), 1);
    assert_eq!(same(server.address, &Message::query(7, "info.example.com", TXT)).count(1), 0);
}

fn each_where_it_belongs(yard: &Yard) {
    let server = Bellwether::new(yard, "server");
    server.write_zone(&zone_text(1, 0));
    let silent = crate::yard::free_address();
    server.configure(&format!(
        "[peers.silent]\naddress = \"{silent}\"\n\n[[zones]]\nname = \"{ZONE}\"\nrole = \"primary\"\nfile = \"{}\"\n\n\
         [[zones]]\nname = \"new.test\"\nrole = \"secondary\"\nprimaries = [\"silent\"]\n",
        server.zone_file().display()
    ));
    server.start();
    server.wait(1);
    for (name, qtype, rcode) in [
        // Served; not here; here but without data; nothing known, whatever the name below it.
        ("mail.example.com", A, 0),
        ("none.example.com", A, 3),
        ("not.ours", A, 5),
        ("new.test", SOA, 2),
        ("x.y.new.test", A, 2),
    ] {
        let reply = same(server.address, &Message::query(7, name, qtype));
        assert_eq!((reply.rcode(), reply.flags() & AA != 0), (rcode, matches!(rcode, 0 | 3)), "{name}");
    }
    // NOTAUTH is for whoever treats a name as a zone that is none here.
    for (opcode, name, rcode) in [(4u16, "not.ours", 9), (4, "mail.example.com", 9), (4, ZONE, 5)] {
        let reply = same(server.address, &Message::new(7, opcode << 11).question(&wire::name(name), SOA, IN));
        assert_eq!(reply.rcode(), rcode, "{name}");
    }
}
