//! Who may query (PEERS 44) and what refusals tell (PROTOCOL A42, A43, R25).

use crate::Test;
use crate::bellwether::Bellwether;
use crate::client::Client;
use crate::texts::{ZONE, zone_text};
use crate::wire::{A, AXFR, Message, Reply, SOA, Stream, TC, over_udp};
use crate::yard::{Yard, dig, dig_signed, poll};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("p44_queries_by_address_prefix_and_key", &["dig"], by_address_prefix_and_key),
    ("a42_p36_refusals_and_errors_say_why", &["dig"], refusals_say_why),
    ("a43_the_text_of_an_error_makes_no_room_for_itself", &[], the_text_makes_no_room),
    ("r25_strangers_hear_a_fixed_phrase", &["dig"], a_fixed_phrase),
];

const EDE: u16 = 15;

/// The code and the text of an extended error.
fn told(reply: &Reply) -> Option<(u16, String)> {
    let data = reply.option(EDE)?;
    Some((u16::from_be_bytes([data[0], data[1]]), String::from_utf8(data[2..].to_vec()).expect("UTF-8")))
}

fn zone(name: &str, file: &str, more: &str) -> String {
    format!("[[zones]]\nname = \"{name}\"\nrole = \"primary\"\nfile = \"{file}\"\n{more}\n")
}

fn small(yard: &Bellwether, file: &str) {
    let text = "@ 60 SOA ns1 h 1 60 60 86400 60\n@ 60 NS ns1\nns1 60 A 192.0.2.1\nalias 60 CNAME mail.example.com.\n";
    std::fs::write(yard.dir.join(file), text).expect("a file");
}

fn by_address_prefix_and_key(yard: &Yard) {
    let server = Bellwether::new(yard, "server");
    server.write_zone(&zone_text(1, 0));
    ["open.zone", "closed.zone", "listed.zone", "keyed.zone"]
        .into_iter()
        .for_each(|file| small(&server, file));
    let template = "[templates.listed]\nallow_query = [\"127.0.0.7\", \"127.5.0.0/16\"]\n\n";
    let zones = zone(ZONE, "example.com.zone", "")
        + &zone("open.test", "open.zone", "allow_query = [\"any\"]")
        + &zone("closed.test", "closed.zone", "allow_query = []")
        + &zone("listed.test", "listed.zone", "template = \"listed\"")
        + &zone("keyed.test", "keyed.zone", "allow_query = [\"key:flock.example.\"]");
    server.configure_more("allow_query = [\"127.0.0.1\"]", "", &(template.to_owned() + &zones));
    server.start();
    server.wait_for("keyed.test", 1);
    server.wait(1);
    let refused = Some((18, String::from("BW-Q05 query denied")));
    for (address, zone, may) in [
        ([127, 0, 0, 1], ZONE, true),
        ([127, 0, 0, 2], ZONE, false),
        ([127, 0, 0, 2], "open.test", true),
        ([127, 0, 0, 1], "closed.test", false),
        ([127, 0, 0, 1], "listed.test", false),
        ([127, 0, 0, 7], "listed.test", true),
        ([127, 5, 9, 9], "listed.test", true),
        ([127, 6, 9, 9], "listed.test", false),
        ([127, 0, 0, 1], "keyed.test", false),
    ] {
        for (name, qtype) in [(zone.to_owned(), SOA), (format!("nothing.{zone}"), A)] {
            let reply =
                Client::at(address, server.address).ask(&Message::query(7, &name, qtype).edns(1232, &[]));
            let expected = if qtype == SOA { 0 } else { 3 };
            assert_eq!(reply.rcode(), if may { expected } else { 5 }, "{name} from {address:?}");
            assert_eq!(told(&reply), if may { None } else { refused.clone() });
            assert_eq!(may, reply.count(1) + reply.count(2) > 0);
        }
    }
    for transport in ["+notcp", "+tcp"] {
        let text = dig_signed(server.address, &[transport, "keyed.test", "SOA"]);
        assert!(text.contains("status: NOERROR") && text.contains("ANSWER: 1"), "{text}");
        let text = dig(server.address, &[transport, "keyed.test", "SOA"]);
        assert!(text.contains("status: REFUSED") && text.contains("EDE: 18 (Prohibited)"), "{text}");
    }
    // An alias does not lead where the client may not go, and where it may it does.
    for (address, answers) in [([127, 0, 0, 1], 2), ([127, 0, 0, 2], 1)] {
        let reply = Client::at(address, server.address).ask(&Message::query(7, "alias.open.test", A));
        assert_eq!((reply.rcode(), reply.count(1)), (0, answers), "{address:?}");
    }
}

/// A primary of a good and of a broken zone, and a secondary of one whose primary is silent.
fn with_troubles<'y>(yard: &'y Yard) -> Bellwether<'y> {
    let server = Bellwether::new(yard, "server");
    server.write_zone(&zone_text(1, 0));
    std::fs::write(server.dir.join("broken.zone"), "nonsense\n").expect("a file");
    small(&server, "closed.zone");
    let silent = crate::yard::free_address();
    server.configure(
        &(format!("[peers.silent]\naddress = \"{silent}\"\n\n")
            + &zone(ZONE, "example.com.zone", "allow_transfer = [\"key:flock.example.\"]")
            + &zone("broken.test", "broken.zone", "")
            + &zone("closed.test", "closed.zone", "allow_query = []")
            + "[[zones]]\nname = \"new.test\"\nrole = \"secondary\"\nprimaries = [\"silent\"]\n"),
    );
    server.start();
    server.wait(1);
    poll("the broken zone to be known", || server.log().contains("broken.test").then_some(()));
    server
}

fn refusals_say_why(yard: &Yard) {
    let server = with_troubles(yard);
    for (arguments, status, ede) in [
        (&["not.ours", "A"][..], "REFUSED", "EDE: 20 (Not Authoritative): (BW-Q01 not authoritative)"),
        (&["x.broken.test", "A"], "SERVFAIL", "EDE: 24 (Invalid Data): (BW-Q04 zone failed)"),
        (&["new.test", "SOA"], "SERVFAIL", "EDE: 14 (Not Ready): (BW-Q02 not ready)"),
        (&["closed.test", "SOA"], "REFUSED", "EDE: 18 (Prohibited): (BW-Q05 query denied)"),
        (&["version.bind", "CH", "TXT"], "REFUSED", "EDE: 21 (Not Supported): (BW-Q06 not supported)"),
        (&["+opcode=status", ZONE, "SOA"], "NOTIMP", "EDE: 21 (Not Supported): (BW-Q06 not supported)"),
        (&[ZONE, "MAILB"], "NOTIMP", "EDE: 21 (Not Supported): (BW-Q06 not supported)"),
        (&["+opcode=notify", ZONE, "SOA"], "REFUSED", "EDE: 18 (Prohibited): (BW-T05 notify denied)"),
    ] {
        for transport in ["+notcp", "+tcp"] {
            let text = dig(server.address, &[&["+norecurse", transport], arguments].concat());
            assert!(
                text.contains(&format!("status: {status}")) && text.contains(ede),
                "{arguments:?}: {text}"
            );
            let text = dig(server.address, &[&["+norecurse", "+noedns", transport], arguments].concat());
            assert!(text.contains(&format!("status: {status}")) && !text.contains("EDE"), "{text}");
        }
    }
    for (name, status, ede) in [
        (ZONE, "REFUSED", "EDE: 18 (Prohibited): (BW-T01 transfer denied)"),
        ("mail.example.com", "NOTAUTH", "EDE: 20 (Not Authoritative): (BW-T04 not a zone apex)"),
    ] {
        let text = dig(server.address, &["+tcp", "+edns", "+noall", "+comments", name, "AXFR"]);
        assert!(text.contains(&format!("status: {status}")) && text.contains(ede), "{text}");
    }
}

fn the_text_makes_no_room(yard: &Yard) {
    const NSID: u16 = 3;
    const COOKIE: u16 = 10;
    let server = Bellwether::new(yard, "server");
    server.write_zone(&zone_text(1, 0));
    server.configure_more(&format!("nsid = \"{}\"", "n".repeat(190)), "", "");
    server.start();
    let (mut with, mut without) = (0, 0);
    for length in 1..=61 {
        let label = "x".repeat(length);
        let name = format!("{label}.{label}.{label}.{label}");
        let options: [(u16, &[u8]); 2] = [(NSID, b""), (COOKIE, b"12345678")];
        let question = Message::query(7, &name, A).edns(512, &options);
        let reply = over_udp(server.address, &question.0).expect("a reply");
        assert_eq!((reply.rcode(), reply.flags() & TC), (5, 0));
        assert_eq!(reply.option(NSID).map(|nsid| nsid.len()), Some(190));
        assert_eq!(reply.option(COOKIE).map(|cookie| cookie.len()), Some(24));
        let (code, text) = told(&reply).expect("an extended error");
        assert_eq!(code, 20);
        // Header, question, OPT, cookie, NSID, and an error without its text.
        let bare = 12 + (4 * (1 + length) + 5) + 11 + 28 + 194 + 6;
        let said = "BW-Q01 not authoritative";
        let expected = if bare + said.len() <= 512 { said } else { "" };
        assert_eq!((text.as_str(), reply.0.len()), (expected, bare + expected.len()));
        *(if text.is_empty() { &mut without } else { &mut with }) += 1;
    }
    assert!(with > 0 && without > 0, "{with} with the text, {without} without it");
}

fn a_fixed_phrase(yard: &Yard) {
    let server = with_troubles(yard);
    let mut stream = Stream::to(server.address);
    let strange = stream.ask(&Message::query(7, ZONE, AXFR).edns(1232, &[]));
    let (code, text) = told(&strange).expect("an extended error");
    assert!((code, text.as_str()) == (18, "BW-T01 transfer denied") && text.len() <= 32);
    assert!(server.log().contains("127.0.0.1 over tcp without a key is refused"), "the log names the rule");
    // Whoever signs hears which rule came nearest.
    let text = dig_signed(server.address, &["+tcp", "+edns", "+noall", "+comments", "closed.test", "AXFR"]);
    assert!(text.contains("EDE: 18") && text.contains("is refused"), "{text}");
}
