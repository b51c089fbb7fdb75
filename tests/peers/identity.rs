//! Who somebody is (R24), and what strangers are told (R25).

use std::net::Ipv4Addr;

use crate::Test;
use crate::bellwether::{Bellwether, Trust};
use crate::pair::pair;
use crate::signature::Seal;
use crate::texts::{ZONE, zone_text};
use crate::wire::{AA, AXFR, IN, Message, Reply, SOA, Stream, TC, name, over_udp};
use crate::yard::{self, KEY_NAME, KEY_SECRET, Yard, dig};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("r24_a_peer_with_a_key_is_known_by_it_from_anywhere", &["dig"], known_by_its_key),
    ("r24_a_peer_without_a_key_is_its_address", &["dig"], known_by_its_address),
    ("r24_a_bad_signature_never_counts_as_none", &["dig"], a_bad_signature),
    ("r24_require_address_wants_both", &["dig"], require_address),
    ("r24_peers_that_nobody_can_tell_apart_are_a_config_error", &[], peers_alike),
    ("r25_strangers_hear_a_code_and_a_phrase", &["dig"], strangers_hear_a_phrase),
    ("r25_an_explanation_never_cuts_an_answer", &[], an_explanation_never_cuts),
];

const REFUSED: u16 = 5;
const NOTAUTH: u16 = 9;
/// Another address of this machine.
const ELSEWHERE: &str = "127.0.0.9";
/// The option of Extended DNS Errors (RFC 8914).
const EDE: u16 = 15;

/// A primary with one peer; a zone that only the peer may transfer.
fn primary<'y>(yard: &'y Yard, peer: &str) -> Bellwether<'y> {
    let server = Bellwether::new(yard, "with-a-peer");
    server.write_zone(&zone_text(1, 0));
    server.configure(&format!(
        "[keys.\"other.example.\"]\nalgorithm = \"hmac-sha256\"\nsecret = \"{KEY_SECRET}\"\n\
         [peers.the-secret-name-of-a-peer]\n{peer}\n[[zones]]\nname = \"{ZONE}\"\nrole = \"primary\"\n\
         file = \"{}\"\nallow_transfer = [\"the-secret-name-of-a-peer\"]\n",
        server.zone_file().display()
    ));
    server.start();
    server.wait(1);
    server
}

/// Whether dig gets the zone from this address, with this key.
fn transfers(server: &Bellwether, from: &str, key: Option<&str>) -> bool {
    let mut question = vec!["-b", from, "+tcp", "+noall", "+answer", ZONE, "AXFR"];
    let signed = key.map(|key| format!("hmac-sha256:{key}:{KEY_SECRET}"));
    if let Some(key) = &signed {
        question.splice(0..0, ["-y", key.as_str()]);
    }
    yard::records(&dig(server.address, &question)).len() > 70
}

/// What dig gets for a NOTIFY from this address, with this key: the status.
fn notifies(server: &Bellwether, from: &str, key: Option<&str>) -> String {
    let mut question = vec!["-b", from, "+opcode=notify", "+norecurse", ZONE, "SOA"];
    let signed = key.map(|key| format!("hmac-sha256:{key}:{KEY_SECRET}"));
    if let Some(key) = &signed {
        question.splice(0..0, ["-y", key.as_str()]);
    }
    let text = dig(server.address, &question);
    let status = text.split("status: ").nth(1).and_then(|rest| rest.split(',').next());
    status.unwrap_or_else(|| panic!("no answer: {text}")).to_owned()
}

fn known_by_its_key(yard: &Yard) {
    let server = primary(yard, &format!("address = \"127.0.0.1:5353\"\nkey = \"{KEY_NAME}\""));
    for (from, key, may) in [
        ("127.0.0.1", Some(KEY_NAME), true),
        (ELSEWHERE, Some(KEY_NAME), true),
        ("127.0.0.1", None, false),
        ("127.0.0.1", Some("other.example."), false),
        (ELSEWHERE, None, false),
    ] {
        assert_eq!(transfers(&server, from, key), may, "{from} {key:?}");
    }
    // The same for what a primary says.
    let (_primary, secondary) = pair(yard);
    for (from, key, status) in [
        ("127.0.0.1", Some(KEY_NAME), "NOERROR"),
        (ELSEWHERE, Some(KEY_NAME), "NOERROR"),
        ("127.0.0.1", None, "REFUSED"),
        (ELSEWHERE, None, "REFUSED"),
    ] {
        assert_eq!(notifies(&secondary, from, key), status, "{from} {key:?}");
    }
}

fn known_by_its_address(yard: &Yard) {
    let server = primary(yard, "address = \"127.0.0.1:5353\"");
    for (from, key, may) in [
        ("127.0.0.1", None, true),
        // Signing with a key that we know takes nothing away.
        ("127.0.0.1", Some(KEY_NAME), true),
        (ELSEWHERE, None, false),
        (ELSEWHERE, Some(KEY_NAME), false),
    ] {
        assert_eq!(transfers(&server, from, key), may, "{from} {key:?}");
    }
    let secondary = Bellwether::new(yard, "secondary");
    secondary.secondary_of(server.address, Trust::Address);
    secondary.start();
    secondary.wait(1);
    for (from, key, status) in [
        ("127.0.0.1", None, "NOERROR"),
        ("127.0.0.1", Some(KEY_NAME), "NOERROR"),
        (ELSEWHERE, None, "REFUSED"),
        (ELSEWHERE, Some(KEY_NAME), "REFUSED"),
        ("127.0.0.1", Some("stranger.example."), "NOTAUTH"),
    ] {
        assert_eq!(notifies(&secondary, from, key), status, "{from} {key:?}");
    }
}

fn a_bad_signature(yard: &Yard) {
    let server = primary(yard, "address = \"127.0.0.1:5353\"");
    let ask = |message: &Message| Stream::to(server.address).ask(message);
    let question = || Message::query(1, ZONE, AXFR);
    assert!(ask(&question()).count(1) > 0);
    let flock = Seal::flock();
    for seal in [
        Seal { key: "stranger.example.".into(), ..flock.clone() },
        Seal { secret: b"wrong".to_vec(), ..flock.clone() },
        Seal { time: flock.time - 5_000, ..flock.clone() },
        Seal { algorithm: "hmac-sha1".into(), ..flock },
    ] {
        let reply = ask(&seal.request(question()).0);
        assert_eq!((reply.rcode(), reply.count(1)), (NOTAUTH, 0), "{seal:?}");
    }
}

fn require_address(yard: &Yard) {
    let peer = format!("address = \"127.0.0.1:5353\"\nkey = \"{KEY_NAME}\"\nrequire_address = true");
    let server = primary(yard, &peer);
    for (from, key, may) in [
        ("127.0.0.1", Some(KEY_NAME), true),
        (ELSEWHERE, Some(KEY_NAME), false),
        ("127.0.0.1", None, false),
        ("127.0.0.1", Some("other.example."), false),
    ] {
        assert_eq!(transfers(&server, from, key), may, "{from} {key:?}");
    }
    // Without a key there is nothing beside the address.
    server.configure("[peers.p]\naddress = \"127.0.0.1:5353\"\nrequire_address = true\n");
    let told = yard::said(&server.command(&["check"], &[]));
    assert!(told.contains("`require_address` needs a `key`"), "{told}");
}

/// Code and text of the Extended DNS Error.
fn explanation(reply: &Reply) -> Option<(u16, String)> {
    let data = reply.option(EDE)?;
    Some((u16::from_be_bytes([data[0], data[1]]), String::from_utf8(data[2..].to_vec()).expect("text")))
}

fn strangers_hear_a_phrase(yard: &Yard) {
    let server = Bellwether::new(yard, "server");
    let file = server.zone_file();
    server.write_zone(&zone_text(1, 0));
    server.configure(&format!(
        "[peers.hidden-primary]\naddress = \"{}:5353\"\n\
         [[zones]]\nname = \"{ZONE}\"\nrole = \"primary\"\nfile = \"{}\"\n\
         allow_query = [\"192.0.2.0/24\"]\nallow_transfer = [\"hidden-primary\", \"198.51.100.0/24\"]\n\
         [[zones]]\nname = \"follows.example\"\nrole = \"secondary\"\nprimaries = [\"hidden-primary\"]\n",
        Ipv4Addr::new(127, 0, 0, 250),
        file.display()
    ));
    server.start();
    server.wait(1);
    let notify = |zone: &str| Message::new(3, 4 << 11 | AA).question(&name(zone), SOA, IN);
    let refused = [
        (Message::query(1, ZONE, SOA), 5, 18, "BW-Q05"),
        (Message::query(1, ZONE, AXFR), 5, 18, "BW-T01"),
        (Message::query(1, "example.org", SOA), 5, 20, "BW-Q01"),
        (Message::query(1, "www.example.com", AXFR), 9, 20, "BW-T04"),
        (notify("follows.example"), 5, 18, "BW-T05"),
        (notify("example.org"), 9, 20, "BW-T04"),
    ];
    let secrets = ["hidden", "192.0.2", "198.51", "rule", "127.0.0", ".zone", "follows"];
    let ask = |message: &Message| Stream::to(server.address).ask(message);
    for (question, rcode, info, code) in refused {
        let reply = ask(&question.clone().edns(1232, &[]));
        let (told_info, text) = explanation(&reply).unwrap_or_else(|| panic!("{code}: {reply:?}"));
        assert_eq!((reply.rcode(), told_info), (rcode, info), "{code}: {text}");
        assert!(text.starts_with(code) && text.len() <= 32, "{code}: {text}");
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
        // Without EDNS nothing is said, and whoever signs hears the rest where there is more to say.
        let plain = ask(&question);
        assert_eq!((plain.rcode(), plain.count(3)), (rcode, 0));
        let (request, mut chain) = Seal::flock().request(question.edns(1232, &[]));
        let reply = ask(&request);
        assert!(chain.verify(&reply) && reply.rcode() == rcode);
        let (_, text) = explanation(&reply).expect("an explanation");
        let detailed = matches!(code, "BW-T01" | "BW-T05");
        assert_eq!(text.len() > 32 && text.starts_with(code), detailed, "{code}: {text}");
    }
    // Which rule it was stands in the log.
    yard::poll("the log", || server.log().contains("BW-T01").then_some(()));
    assert!(server.log().contains("rules"), "{}", server.log());
    let text = dig(server.address, &[ZONE, "SOA"]);
    assert!(text.contains("EDE: 18 (Prohibited): (BW-Q05 query denied)"), "{text}");
}

/// The name of the zone is in the question and in the explanation; the signature takes room as well.
fn an_explanation_never_cuts(yard: &Yard) {
    let server = Bellwether::new(yard, "server");
    let long = [63, 63, 63, 55].map(|octets| "x".repeat(octets)).join(".");
    server.configure(&format!(
        "[peers.p]\naddress = \"127.0.0.250:5353\"\n\
         [[zones]]\nname = \"{long}\"\nrole = \"secondary\"\nprimaries = [\"p\"]\n"
    ));
    server.start();
    for size in [512, 1232] {
        let notify = Message::new(3, 4 << 11 | AA).question(&name(&long), SOA, IN).edns(size, &[]);
        let (request, mut chain) = Seal::flock().request(notify);
        let reply = over_udp(server.address, &request.0).expect("an answer");
        assert!(chain.verify(&reply) && reply.rcode() == REFUSED);
        assert!(reply.flags() & TC == 0 && reply.0.len() <= usize::from(size), "{reply:?}");
        // The code is always there, and the text where there is room for it.
        let (code, text) = explanation(&reply).expect("a code");
        assert_eq!((code, text.contains(&long)), (18, size == 1232), "{size}: {text}");
    }
}

fn peers_alike(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    server.write_zone(&zone_text(1, 0));
    let peers = |port: u16| {
        server.configure(&format!(
            "[peers.ns2]\naddress = \"192.0.2.2\"\nkey = \"{KEY_NAME}\"\n\n\
             [peers.backup]\naddress = \"192.0.2.2:{port}\"\nkey = \"{KEY_NAME}\"\n\n\
             [[zones]]\nname = \"{ZONE}\"\nrole = \"primary\"\nfile = \"{}\"\n",
            server.zone_file().display()
        ));
    };
    peers(53);
    let told = server.refuses_to_start();
    let at = told.lines().find(|line| line.contains("config.toml:")).unwrap_or_default();
    let line = |wanted: &str| {
        let config = std::fs::read_to_string(server.config()).expect("a config");
        1 + config.lines().position(|line| line == wanted).expect("its line")
    };
    assert!(told.contains("\"ns2\" and \"backup\" have the same address and the same key"), "{told}");
    assert!(at.contains(&format!("config.toml:{}:8", line("[peers.backup]"))), "{told}");
    assert!(
        told.contains("^^^^^^") && told.contains(&format!("config.toml:{}", line("[peers.ns2]"))),
        "{told}"
    );
    // Two servers on one machine are two, though their questions cannot be told apart.
    peers(5353);
    server.start();
    server.wait(1);
    assert!(server.log().contains("differ in nothing but the port"), "{}", server.log());
}
