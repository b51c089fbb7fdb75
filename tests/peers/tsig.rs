//! TSIG on the server's side (RFC 8945, group H): raw requests, answers verified by other code.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::Test;
use crate::bellwether::Bellwether;
use crate::signature::{Seal, Tsig};
use crate::texts::{ZONE, large_text, zone_text};
use crate::wire::{self, A, AXFR, IN, Message, Reply, SOA, Stream, TC, name};
use crate::yard::{self, KEY_NAME, KEY_SECRET, Yard, dig};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("h01_the_answer_is_signed_over_the_request", &[], the_answer_is_signed),
    ("h02_h03_unknown_keys_and_bad_macs_are_answered_unsigned", &[], unknown_keys_and_bad_macs),
    ("h04_a_clock_that_is_off_is_told_the_time", &[], a_clock_that_is_off),
    ("h05_a_signature_stands_last_and_once", &[], a_signature_stands_last),
    ("h06_a_short_mac_is_a_format_error_or_against_the_policy", &[], a_short_mac),
    ("h07_h08_every_message_of_a_transfer_is_signed", &[], every_message_is_signed),
    ("h09_md5_is_no_algorithm_here", &["dig"], md5_is_no_algorithm),
    ("h11_names_of_keys_know_no_case", &["dig"], names_know_no_case),
    ("h12_a_forwarder_may_change_the_id", &[], a_forwarder_may_change_the_id),
    ("h13_the_key_then_the_mac_then_the_time", &[], the_key_then_the_mac),
    ("h14_truncated_answers_are_signed_and_fit", &["dig"], truncated_answers_are_signed),
    ("h15_the_right_key_for_another_zone_is_refused_signed", &[], the_right_key_for_another_zone),
];

const FORMERR: u16 = 1;
const REFUSED: u16 = 5;
const NOTAUTH: u16 = 9;
const BADSIG: u16 = 16;
const BADKEY: u16 = 17;
const BADTIME: u16 = 18;
const BADTRUNC: u16 = 22;
/// Another key.
const OTHER_NAME: &str = "other.example.";
/// Its secret.
const OTHER_SECRET: &str = "YW5vdGhlciBzZWNyZXQgb2YgdGhpcnR5LXR3byBvY3Q=";

fn served<'y>(yard: &'y Yard, text: &str) -> Bellwether<'y> {
    let server = Bellwether::new(yard, "server");
    server.write_zone(text);
    server.alone("");
    server.start();
    server.wait(1);
    server
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs()
}

fn soa() -> Message {
    Message::query(0x7516, ZONE, SOA)
}

fn ask(server: &Bellwether, message: &Message) -> Reply {
    wire::over_udp(server.address, &message.0).expect("an answer")
}

/// Fails unless the answer holds nothing of what was asked.
fn assert_nothing(reply: &Reply, rcode: u16) {
    assert_eq!((reply.rcode(), reply.count(1), reply.count(2)), (rcode, 0, 0), "{reply:?}");
}

fn the_answer_is_signed(yard: &Yard) {
    let server = served(yard, &zone_text(1, 0));
    let mut stream = Stream::to(server.address);
    for message in [soa(), soa().edns(1232, &[]), Message::query(7, "none.example.com", A)] {
        let (request, chain) = Seal::flock().request(message);
        for reply in [ask(&server, &request), stream.ask(&request)] {
            assert!(chain.clone().verify(&reply));
            reply.decoded();
            // Whoever has not seen the request cannot have made it.
            let (_, mut other) = Seal { time: now() - 100, ..Seal::flock() }.request(soa());
            let forged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| other.verify(&reply)));
            assert!(forged.is_err());
        }
    }
    // Who does not sign gets no signature.
    assert!(Tsig::of(&ask(&server, &soa())).is_none());
}

fn unknown_keys_and_bad_macs(yard: &Yard) {
    let server = served(yard, &zone_text(1, 0));
    let flock = Seal::flock();
    let strangers = [
        (Seal { key: "stranger.example.".into(), ..flock.clone() }, BADKEY),
        (Seal { algorithm: "hmac-sha512".into(), ..flock.clone() }, BADKEY),
        (Seal { algorithm: "hmac-md5.sig-alg.reg.int".into(), ..flock.clone() }, BADKEY),
        (Seal { algorithm: "no-such-algorithm".into(), ..flock.clone() }, BADKEY),
        (Seal { secret: b"a secret that nobody shares".to_vec(), ..flock.clone() }, BADSIG),
    ];
    for (seal, error) in strangers {
        for question in [soa(), Message::query(1, "www.example.com", A), soa().edns(512, &[])] {
            let (request, _) = seal.request(question);
            for reply in [ask(&server, &request), Stream::to(server.address).ask(&request)] {
                assert_nothing(&reply, NOTAUTH);
                let tsig = Tsig::of(&reply).expect("a TSIG record");
                assert_eq!((tsig.error, tsig.mac.len(), tsig.other.len()), (error, 0, 0), "{tsig:?}");
                assert_eq!((&tsig.key, tsig.time), (&name(&seal.key), seal.time));
            }
        }
        let (request, _) = seal.request(Message::query(1, ZONE, AXFR));
        assert_nothing(&Stream::to(server.address).ask(&request), NOTAUTH);
    }
    // One octet of the message was changed on the way.
    let (mut request, _) = flock.request(soa());
    request.0[13] ^= 0x20;
    let reply = ask(&server, &request);
    assert_nothing(&reply, NOTAUTH);
    assert_eq!(Tsig::of(&reply).map(|tsig| tsig.error), Some(BADSIG));
}

fn a_clock_that_is_off(yard: &Yard) {
    let server = served(yard, &zone_text(1, 0));
    for time in [now() - 1_000, now() + 1_000, 0, (1 << 48) - 1] {
        let seal = Seal { time, ..Seal::flock() };
        for question in [soa(), Message::query(1, ZONE, AXFR)] {
            let (request, mut chain) = seal.request(question);
            let before = now();
            let reply = Stream::to(server.address).ask(&request);
            let after = now();
            assert_nothing(&reply, NOTAUTH);
            let tsig = chain.verify_error(&reply);
            // The client's time, so that it can believe the reply, and ours beside it.
            assert_eq!((tsig.error, tsig.time, tsig.other.len()), (BADTIME, time, 6), "{tsig:?}");
            let told = tsig.other.iter().fold(0, |seconds, octet| seconds << 8 | u64::from(*octet));
            assert!((before..=after).contains(&told), "{before} {told} {after}");
        }
    }
    // The client says how far the clocks may be apart.
    for (time, fudge, right) in [(now() - 1_000, 2_000, true), (now() - 200, 100, false)] {
        let (request, mut chain) = Seal { time, fudge, ..Seal::flock() }.request(soa());
        let reply = ask(&server, &request);
        assert_eq!(reply.rcode() == 0, right, "{reply:?}");
        assert_eq!(chain.verify_error(&reply).error, if right { 0 } else { BADTIME });
    }
}

fn a_signature_stands_last(yard: &Yard) {
    let server = served(yard, &zone_text(1, 0));
    let (signed, mut chain) = Seal::flock().request(soa());
    let record = Seal::flock().record(&[1; 32], [0; 2], 0);
    let twice = signed.clone().additional(&record);
    let not_last = signed.clone().edns(1232, &[]);
    let in_answer = soa().answer(&record);
    let in_authority = soa().authority(&record);
    for message in [twice, not_last, in_answer, in_authority] {
        for reply in [ask(&server, &message), Stream::to(server.address).ask(&message)] {
            assert_nothing(&reply, FORMERR);
            assert!(Tsig::of(&reply).is_none());
        }
    }
    // Cut anywhere it is no message.
    for cut in signed.0.len() - 60..signed.0.len() {
        let reply = wire::over_udp(server.address, &signed.0[..cut]).expect("an answer");
        assert_nothing(&reply, FORMERR);
    }
    assert!(chain.verify(&ask(&server, &signed)));
}

fn a_short_mac(yard: &Yard) {
    let server = served(yard, &zone_text(1, 0));
    // Whole MACs only; then from half a MAC on, and from something between.
    for least in [32, 16, 20] {
        if least < 32 {
            let config = std::fs::read_to_string(server.config()).expect("a config");
            let before =
                config.lines().filter(|line| !line.starts_with("mac_octets_min")).collect::<Vec<_>>();
            let secret = format!("secret = \"{KEY_SECRET}\"");
            let config = before.join("\n").replace(&secret, &format!("{secret}\nmac_octets_min = {least}"));
            std::fs::write(server.config(), config + "\n").expect("a config");
            assert!(server.command(&["reload"], &[]).status.success());
        }
        for sent in (0..=40).chain([255, 256, 4000]) {
            let (request, mut chain) = Seal { sent, ..Seal::flock() }.request(soa());
            let reply = Stream::to(server.address).ask(&request);
            match sent {
                // The greater of ten octets and half of it, RFC 8945 §5.2.2.1.
                0..16 | 33.. => assert_nothing(&reply, FORMERR),
                // Allowed by the RFC, not by the policy: the answer is signed, so that it can be believed.
                _ if sent < least => {
                    assert_nothing(&reply, NOTAUTH);
                    assert_eq!(chain.verify_error(&reply).error, BADTRUNC, "{sent}");
                }
                _ => assert!(reply.rcode() == 0 && chain.verify(&reply), "{sent}: {reply:?}"),
            }
        }
        // A short MAC of another secret is as bad as a whole one.
        let (request, _) = Seal { sent: 16, secret: b"another".to_vec(), ..Seal::flock() }.request(soa());
        assert_eq!(Tsig::of(&ask(&server, &request)).map(|tsig| tsig.error), Some(BADSIG));
    }
}

fn every_message_is_signed(yard: &Yard) {
    let server = served(yard, &large_text(1, 20_000));
    let (request, mut chain) = Seal::flock().request(Message::query(9, ZONE, AXFR).edns(1232, &[]));
    let mut stream = Stream::to(server.address);
    stream.send(&[request.0]);
    let messages = stream.transfer();
    assert!(messages.len() > 20, "{} messages", messages.len());
    assert!(messages.iter().all(|message| chain.verify(message)));
    let records: usize = messages.iter().map(|message| message.count(1)).sum();
    assert_eq!(records, yard::transfer(server.address, ZONE).len());
}

fn md5_is_no_algorithm(yard: &Yard) {
    let server = Bellwether::new(yard, "server");
    for algorithm in ["hmac-md5", "hmac-md5.sig-alg.reg.int", "sha256"] {
        server.configure(&format!("[keys.\"k.\"]\nalgorithm = \"{algorithm}\"\nsecret = \"{KEY_SECRET}\"\n"));
        let told = server.refuses_to_start();
        assert!(told.contains(algorithm) && told.contains("hmac-sha256"), "{told}");
    }
    // All others, each between two servers of ours: SOA, NOTIFY, and the transfer.
    let (primary, secondary) = (Bellwether::new(yard, "primary"), Bellwether::new(yard, "secondary"));
    primary.write_zone(&zone_text(1, 0));
    let algorithms = ["hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "HMAC-SHA512."];
    let (mut peers, mut zones, mut followers) = (String::new(), String::new(), String::new());
    let file = primary.zone_file().display().to_string();
    for (number, algorithm) in algorithms.iter().enumerate() {
        peers += &format!(
            "[keys.\"k{number}.\"]\nalgorithm = \"{algorithm}\"\nsecret = \"{KEY_SECRET}\"\n\
             [peers.p{number}]\naddress = \"ADDRESS\"\nkey = \"k{number}.\"\n"
        );
        let zone = format!("[[zones]]\nname = \"z{number}.example\"\n");
        zones += &format!("{zone}role = \"primary\"\nfile = \"{file}\"\nsecondaries = [\"p{number}\"]\n");
        followers += &format!("{zone}role = \"secondary\"\nprimaries = [\"p{number}\"]\n");
    }
    let text = |serial: u32| {
        format!("@ 60 SOA ns1 h {serial} 3600 600 86400 60\n@ 60 NS ns1\nns1 60 A 192.0.2.{serial}\n")
    };
    primary.write_zone(&text(1));
    primary.configure(&(peers.replace("ADDRESS", &secondary.address.to_string()) + &zones));
    secondary.configure(&(peers.replace("ADDRESS", &primary.address.to_string()) + &followers));
    primary.start();
    secondary.start();
    for serial in [1, 2] {
        primary.write_zone(&text(serial));
        for number in 0..algorithms.len() {
            let zone = format!("z{number}.example");
            yard::poll(&zone, || yard::serial(secondary.address, &zone).filter(|seen| *seen == serial));
        }
    }
}

fn names_know_no_case(yard: &Yard) {
    let server = served(yard, &zone_text(1, 0));
    for (key, algorithm) in [("FLOCK.Example.", "hmac-sha256"), (KEY_NAME, "HMAC-Sha256")] {
        let seal = Seal { key: key.into(), algorithm: algorithm.into(), ..Seal::flock() };
        let (request, mut chain) = seal.request(Message::query(3, ZONE, AXFR));
        let mut stream = Stream::to(server.address);
        stream.send(&[request.0]);
        assert!(stream.transfer().iter().all(|message| chain.verify(message)));
    }
    let key = format!("hmac-sha256:FlOcK.eXaMpLe:{KEY_SECRET}");
    let text = dig(server.address, &["-y", &key, ZONE, "SOA"]);
    assert!(text.contains("status: NOERROR") && !text.contains("Couldn't verify"), "{text}");
}

fn a_forwarder_may_change_the_id(yard: &Yard) {
    let server = served(yard, &zone_text(1, 0));
    let (mut request, mut chain) = Seal::flock().request(soa());
    request.0[..2].copy_from_slice(&[0xab, 0xcd]);
    let reply = ask(&server, &request);
    assert_eq!((reply.id(), reply.rcode()), (0xabcd, 0));
    assert!(chain.verify(&reply));
}

fn the_key_then_the_mac(yard: &Yard) {
    let server = served(yard, &zone_text(1, 0));
    let late = Seal { time: now() - 10_000, ..Seal::flock() };
    let error = |seal: Seal| {
        let reply = ask(&server, &seal.request(soa()).0);
        assert_nothing(&reply, NOTAUTH);
        Tsig::of(&reply).expect("a TSIG record").error
    };
    assert_eq!(error(late.clone()), BADTIME);
    assert_eq!(error(Seal { secret: b"another".to_vec(), ..late.clone() }), BADSIG);
    assert_eq!(error(Seal { key: "stranger.".into(), secret: b"another".to_vec(), ..late.clone() }), BADKEY);
    assert_eq!(error(Seal { algorithm: "hmac-sha1".into(), ..late }), BADKEY);
}

fn truncated_answers_are_signed(yard: &Yard) {
    let hosts = |n: u32| (0..n).map(|i| format!("m{n} A 192.0.2.{i}\n")).collect::<String>();
    let text = zone_text(1, 0) + &(1..=60).map(hosts).collect::<String>();
    let server = served(yard, &text);
    let mut truncated = [0, 0];
    for count in 1..=60 {
        for (case, size) in [(0, None), (1, Some(600))] {
            let question = Message::query(count, &format!("m{count}.{ZONE}"), A);
            let question = size.map_or(question.clone(), |size| question.edns(size, &[]));
            let (request, mut chain) = Seal::flock().request(question);
            let reply = ask(&server, &request);
            let limit = usize::from(size.unwrap_or(512));
            assert!(reply.0.len() <= limit && chain.verify(&reply), "{} octets", reply.0.len());
            let whole = reply.answers().len() == usize::from(count);
            assert_eq!(whole, reply.flags() & TC == 0, "{count} of {size:?}: {reply:?}");
            truncated[case] += usize::from(!whole);
        }
    }
    // Without room kept for the signature some would have come whole and then not fit.
    assert!(truncated[0] > truncated[1] && truncated[1] > 20, "{truncated:?}");
    let key = format!("hmac-sha256:{KEY_NAME}:{KEY_SECRET}");
    let text = dig(server.address, &["-y", &key, "+bufsize=512", "+ignore", &format!("m60.{ZONE}"), "A"]);
    assert!(text.contains(" tc") && !text.contains("Couldn't verify"), "{text}");
}

fn the_right_key_for_another_zone(yard: &Yard) {
    let server = Bellwether::new(yard, "server");
    let file = server.zone_file().display().to_string();
    server.write_zone("@ 60 SOA ns1 h 1 3600 600 86400 60\n@ 60 NS ns1\nns1 60 A 192.0.2.1\n");
    let zone = |name: &str, key: &str| {
        format!(
            "[[zones]]\nname = \"{name}\"\nrole = \"primary\"\nfile = \"{file}\"\n\
             allow_transfer = [\"key:{key}\"]\nallow_query = [\"key:{key}\"]\n"
        )
    };
    server.configure(&format!(
        "[keys.\"{OTHER_NAME}\"]\nalgorithm = \"hmac-sha256\"\nsecret = \"{OTHER_SECRET}\"\n{}{}",
        zone("one.example", KEY_NAME),
        zone("two.example", OTHER_NAME)
    ));
    server.start();
    let (flock, other) = (Seal::flock(), Seal::of(OTHER_NAME, OTHER_SECRET));
    for (seal, mine, foreign) in
        [(&flock, "one.example", "two.example"), (&other, "two.example", "one.example")]
    {
        for qtype in [AXFR, SOA] {
            let ask = |zone: &str| {
                let (request, mut chain) = seal.request(Message::new(5, 0).question(&name(zone), qtype, IN));
                let reply = Stream::to(server.address).ask(&request);
                assert!(chain.verify(&reply));
                reply
            };
            yard::poll("the zone", || (ask(mine).rcode() == 0).then_some(()));
            assert!(ask(mine).count(1) > 0);
            assert_nothing(&ask(foreign), REFUSED);
        }
    }
}
