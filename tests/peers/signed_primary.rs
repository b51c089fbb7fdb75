//! TSIG on the secondary's side (H07, H10): what a primary must sign, and what is not believed.

use std::sync::Arc;

use crate::Test;
use crate::bellwether::{Bellwether, Trust};
use crate::fake::{self, Fake, Gate, Kind, Request, Step, Way, Zone};
use crate::signature::{Chain, Seal};
use crate::texts::ZONE;
use crate::wire::{self, AA, Message, Rr, SOA, TSIG, name};
use crate::yard::{self, KEY_NAME, Yard, dig};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("h07_up_to_99_unsigned_messages_between_signed_ones_are_taken", &["dig"], gaps_are_taken),
    ("h10_what_is_not_signed_right_changes_nothing", &["dig"], what_is_not_signed_right),
    ("h10_a_forged_datagram_is_passed_over", &["dig"], a_forged_datagram),
    ("r16_an_unsigned_hint_never_merges_away_a_pending_check", &[], an_unsigned_hint),
];

/// Records of a transfer that is sent one by one.
const MANY: usize = 250;

/// A primary that signs what it sends as it should.
fn signed(zone: Zone) -> impl Fn(&Request) -> Vec<Step> + Send + Sync {
    move |request| {
        let mut chain = Seal::flock().requested(&request.message);
        let messages = zone.answer(request).into_iter().map(|step| match step {
            Step::Send(octets) => Step::Send(chain.sign(Message(octets)).0),
            other => other,
        });
        messages.collect()
    }
}

/// Such a primary at serial 1, and a secondary that has its zone.
fn followed(yard: &Yard) -> (Fake, Bellwether<'_>) {
    let primary = Fake::new(signed(Zone::new(ZONE, 1, [])));
    let secondary = Bellwether::new(yard, "secondary");
    secondary.secondary_of(primary.address, Trust::Key);
    secondary.start();
    secondary.wait(1);
    (primary, secondary)
}

/// Tells the secondary, with the key, that there is a newer version.
fn notify(secondary: &Bellwether, serial: u32) {
    let message = Message::new(0x4e0f, 4 << 11 | AA).question(&name(ZONE), SOA, wire::IN);
    let message = message.answer(&Rr::soa(ZONE, serial, [3600, 600, 1_209_600]));
    let (request, mut chain) = Seal::flock().request(message);
    let reply = wire::over_udp(secondary.address, &request.0).expect("an answer to a NOTIFY");
    assert!(chain.verify(&reply) && reply.rcode() == 0, "{reply:?}");
}

/// A zone with a record for each message.
fn long(serial: u32) -> Zone {
    Zone::new(ZONE, serial, (0..MANY).map(|n| Rr::a(&format!("m{n}.{ZONE}"), [192, 0, 2, n as u8])))
}

/// Sends `zone` a record a message; `treat` signs the message with this number, or does not.
fn one_by_one(
    zone: Zone,
    treat: impl Fn(&mut Chain, usize, Message) -> Message + Send + Sync,
) -> impl Fn(&Request) -> Vec<Step> + Send + Sync {
    move |request| {
        if !matches!(request.kind, Kind::Axfr | Kind::Ixfr(_)) {
            return signed(zone.clone())(request);
        }
        let mut chain = Seal::flock().requested(&request.message);
        let records = zone.whole();
        let messages = records
            .iter()
            .enumerate()
            .map(|(number, record)| Step::Send(treat(&mut chain, number, request.reply().answer(record)).0));
        messages.collect()
    }
}

/// Waits until a transfer failed with this in its sentence; the zone is as it was.
fn fails(secondary: &Bellwether, said: &str, serial: u32) {
    let last = || secondary.last_transfer();
    yard::poll(&format!("a transfer to fail with {said:?}"), || last().contains(said).then_some(()));
    assert_eq!(yard::serial(secondary.address, ZONE), Some(serial), "{said}");
}

fn gaps_are_taken(yard: &Yard) {
    let (primary, secondary) = followed(yard);
    // With its SOA twice, its name server and its address the zone has so many messages.
    let last = MANY + 3;
    let every = |gap: usize| {
        move |chain: &mut Chain, number: usize, message| {
            if number.is_multiple_of(gap) || number == last {
                chain.sign(message)
            } else {
                chain.pass(message)
            }
        }
    };
    for (serial, gap) in [(2, 1), (3, 7), (4, 100)] {
        primary.follow(one_by_one(long(serial), every(gap)));
        notify(&secondary, serial);
        secondary.wait(serial);
        let seen = dig(secondary.address, &["+short", &format!("m249.{ZONE}"), "A"]);
        assert_eq!(seen.trim(), "192.0.2.249", "every {gap}");
        assert!(secondary.last_transfer().contains("254 records"), "{}", secondary.last_transfer());
    }
    // One message more than may go unsigned.
    primary.follow(one_by_one(long(5), every(101)));
    notify(&secondary, 5);
    fails(&secondary, "too many messages of the reply are not signed", 4);
    // The last one must be signed.
    primary.follow(one_by_one(long(6), move |chain, number, message| {
        if number.is_multiple_of(90) && number != last { chain.sign(message) } else { chain.pass(message) }
    }));
    notify(&secondary, 6);
    fails(&secondary, "the reply is not signed", 4);
    // What goes unsigned is covered by the next signature.
    primary.follow(one_by_one(long(7), move |chain, number, message| match number {
        120 => {
            let mut changed = chain.pass(message);
            *changed.0.last_mut().expect("an octet") ^= 1;
            changed
        }
        _ if number.is_multiple_of(90) || number == last => chain.sign(message),
        _ => chain.pass(message),
    }));
    notify(&secondary, 7);
    fails(&secondary, "the signature of the reply does not match", 4);
    primary.follow(one_by_one(long(8), every(50)));
    notify(&secondary, 8);
    secondary.wait(8);
}

/// What a primary may do wrong, and what the transfer's failure says.
fn what_is_not_signed_right(yard: &Yard) {
    let (primary, secondary) = followed(yard);
    let newer = || Zone::new(ZONE, 2, [Rr::a(&format!("new.{ZONE}"), [192, 0, 2, 77])]);
    type Fault = fn(&Chain, Message) -> Message;
    let faults: [(Fault, &str); 9] = [
        (|_, message| message, "the reply is not signed"),
        (|chain, message| wrong(chain, |seal| seal.secret = b"another".to_vec(), message), "does not match"),
        (|chain, message| wrong(chain, |seal| seal.key = "other.example.".into(), message), "another key"),
        (|chain, message| wrong(chain, |seal| seal.algorithm = "hmac-sha1".into(), message), "another key"),
        (|chain, message| wrong(chain, |seal| seal.time -= 10_000, message), "clock differs"),
        (|chain, message| wrong(chain, |seal| seal.sent = 9, message), "too short"),
        (
            |chain, message| {
                let mut changed = chain.clone().sign(message);
                changed.0[3] |= 0x10;
                changed
            },
            "does not match",
        ),
        (|_, message| error(message, 17), "does not know the key"),
        (|_, message| error(message, 16), "our signature does not match"),
    ];
    for (fault, said) in faults {
        let zone = newer();
        primary.follow(move |request| {
            let chain = Seal::flock().requested(&request.message);
            let messages = zone.answer(request).into_iter().map(|step| match step {
                Step::Send(octets) => Step::Send(fault(&chain, Message(octets)).0),
                other => other,
            });
            messages.collect()
        });
        notify(&secondary, 2);
        fails(&secondary, said, 1);
        assert_eq!(dig(secondary.address, &["+short", &format!("new.{ZONE}"), "A"]).trim(), "");
    }
    primary.follow(signed(newer()));
    notify(&secondary, 2);
    secondary.wait(2);
    assert_eq!(dig(secondary.address, &["+short", &format!("new.{ZONE}"), "A"]).trim(), "192.0.2.77");
}

/// Signs with a key in which one thing is wrong.
fn wrong(chain: &Chain, change: impl Fn(&mut Seal), message: Message) -> Message {
    let mut chain = chain.clone();
    change(&mut chain.seal);
    chain.sign(message)
}

/// The unsigned error that a server answers which does not believe the request.
fn error(message: Message, error: u16) -> Message {
    let mut refused = Message(message.0[..2].to_vec());
    refused.0.extend((0x8000u16 | 9).to_be_bytes());
    refused.0.resize(12, 0);
    let refused = refused.question(&name(ZONE), u16::from_be_bytes(qtype(&message)), wire::IN);
    let record = Seal::flock().record(&[], [message.0[0], message.0[1]], error);
    assert_eq!(record.rtype, TSIG);
    refused.additional(&record)
}

/// The type that was asked for.
fn qtype(message: &Message) -> [u8; 2] {
    let at = 12 + name(ZONE).len();
    [message.0[at], message.0[at + 1]]
}

/// Whoever guesses port and id can send a datagram sooner than the primary.
fn a_forged_datagram(yard: &Yard) {
    let (primary, secondary) = followed(yard);
    let honest = signed(Zone::new(ZONE, 2, []));
    primary.follow(move |request| {
        let real = honest(request);
        if (request.kind, request.way) != (Kind::Soa, Way::Udp) {
            return real;
        }
        let soa = |serial| Rr::soa(ZONE, serial, [3600, 600, 1_209_600]);
        let unsigned = request.reply().answer(&soa(1));
        let chain = Seal::flock().requested(&request.message);
        let forged = wrong(&chain, |seal| seal.secret = b"a guess".to_vec(), request.reply().answer(&soa(1)));
        let refused = error(request.reply(), 17);
        let false_ones = [unsigned, forged, refused].map(|message| Step::Send(message.0));
        false_ones.into_iter().chain(real).collect()
    });
    let output = secondary.command(&["zone"], &["reload", ZONE]);
    assert!(output.status.success(), "{output:?}");
    secondary.wait(2);
    assert!(primary.asked(|kind| kind == Kind::Soa).iter().any(|request| request.way == Way::Udp));
}

/// What a primary with a key said is waiting for its turn; whoever can send datagrams speaks for the
/// other primary, which has none.
fn an_unsigned_hint(yard: &Yard) {
    let (keyed, other) = (Fake::new(signed(Zone::new(ZONE, 1, []))), Fake::serving(Zone::new(ZONE, 1, [])));
    let secondary = Bellwether::new(yard, "secondary");
    let (address, open) = (keyed.address, other.address);
    secondary.configure(&format!(
        "[peers.k]\naddress = \"{address}\"\nkey = \"{KEY_NAME}\"\n\n[peers.u]\naddress = \"{open}\"\n\n\
         [[zones]]\nname = \"{ZONE}\"\nrole = \"secondary\"\nprimaries = [\"k\", \"u\"]\n"
    ));
    secondary.start();
    secondary.wait(1);
    // Equal, older, as new as what is under way or pending; and, the other time, newer than all.
    for (serial, hints) in [(2, &[1, 0, 2, 3][..]), (4, &[3, 4, 99][..])] {
        let gate = Arc::new(Gate::default());
        let (held, newer) = (gate.clone(), signed(Zone::new(ZONE, serial, [])));
        keyed.follow(move |request| match request.kind {
            Kind::Ixfr(_) => [vec![Step::Await(held.clone())], newer(request)].concat(),
            _ => newer(request),
        });
        notify(&secondary, serial);
        keyed.await_request(1, |kind| kind == Kind::Ixfr(serial - 1));
        notify(&secondary, serial + 1);
        for hint in hints {
            assert_eq!(fake::notify(secondary.address, ZONE, *hint).rcode(), 0);
        }
        // REFRESH is an hour away: what brings the next version is the check that was pending.
        keyed.follow(signed(Zone::new(ZONE, serial + 1, [])));
        gate.open();
        secondary.wait(serial + 1);
    }
}
