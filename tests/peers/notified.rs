//! NOTIFY as it comes in (F04 to F08, F10, F13): who is believed, and what follows from it.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Instant;

use crate::Test;
use crate::bellwether::{Bellwether, Trust};
use crate::fake::{Fake, Gate, Kind, Step, Zone, following, notify, serial};
use crate::signature::Seal;
use crate::texts::ZONE;
use crate::wire::{self, A, AA, IN, Message, QR, Rr, SOA, name};
use crate::yard::{self, Yard, dig};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("f04_the_reply_has_id_opcode_and_question", &["dig"], the_reply),
    ("f05_a_notify_from_elsewhere_is_refused_and_logged", &["dig"], from_elsewhere),
    ("f06_a_false_serial_changes_nothing", &[], a_false_serial),
    ("f07_a_notify_during_a_transfer_leaves_one_more_check", &[], during_a_transfer),
    ("f07_equal_serials_are_answered_and_lower_ones_looked_at", &[], equal_and_lower),
    ("f08_a_flood_of_notifies_gives_few_queries", &[], a_flood),
    ("f10_odd_notifies_are_errors_and_nothing_more", &["dig"], odd_notifies),
    ("f13_with_a_key_only_signed_notifies_count", &[], only_signed_ones),
];

fn zone(serial: u32) -> Zone {
    Zone::new(ZONE, serial, [Rr::a("www.example.com", [192, 0, 2, 80])])
}

fn is_transfer(kind: Kind) -> bool {
    matches!(kind, Kind::Ixfr(_) | Kind::Axfr)
}

/// A primary at serial 5 and a secondary that knows it by its address.
fn followed(yard: &Yard) -> (Fake, Bellwether<'_>) {
    let primary = Fake::serving(zone(5));
    let secondary = following(yard, &[&primary], "");
    secondary.wait(5);
    (primary, secondary)
}

fn serve(primary: &Fake, serial: u32) {
    let newer = zone(serial);
    primary.follow(move |request| newer.answer(request));
}

fn message(zone: &str, serial: u32) -> Message {
    let message = Message::new(0x4e0f, 4 << 11 | AA).question(&name(zone), SOA, IN);
    message.answer(&Rr::soa(zone, serial, [3600, 600, 1_209_600]))
}

fn the_reply(yard: &Yard) {
    let (_primary, secondary) = followed(yard);
    for spelled in [ZONE, "EXAMPLE.com"] {
        let mut sent = message(spelled, 5);
        sent.0[..2].copy_from_slice(&[0xbe, 0xef]);
        let reply = wire::over_udp(secondary.address, &sent.0).expect("an answer");
        assert_eq!((reply.id(), reply.flags()), (0xbeef, QR | 4 << 11 | AA));
        // The case of the question is kept.
        assert_eq!(reply.question(), Some((name(spelled), SOA, IN)));
        assert_eq!((reply.count(1), reply.count(2), reply.count(3)), (0, 0, 0));
    }
    let text = dig(secondary.address, &["+opcode=notify", "+norecurse", "+notcp", ZONE, "SOA"]);
    assert!(text.contains("opcode: NOTIFY, status: NOERROR"), "{text}");
    // Over TCP as well.
    let reply = wire::Stream::to(secondary.address).ask(&message(ZONE, 5));
    assert_eq!(reply.flags(), QR | 4 << 11 | AA);
}

fn from_elsewhere(yard: &Yard) {
    let (primary, secondary) = followed(yard);
    serve(&primary, 6);
    let before = primary.requests().len();
    for _ in 0..3 {
        let question = ["-b", "127.0.0.9", "+opcode=notify", "+norecurse", ZONE, "SOA"];
        let text = dig(secondary.address, &question);
        assert!(text.contains("opcode: NOTIFY, status: REFUSED"), "{text}");
    }
    yard::poll("the log", || secondary.log().contains("BW-T05").then_some(()));
    assert!(secondary.log().contains("127.0.0.9"), "{}", secondary.log());
    // The first that moves anything is that of the primary: one transfer, with no check before it.
    notify(secondary.address, ZONE, 6);
    secondary.wait(6);
    assert_eq!(primary.requests()[before].kind, Kind::Ixfr(5));
}

fn a_false_serial(yard: &Yard) {
    let (primary, secondary) = followed(yard);
    let before = primary.requests().len();
    for false_one in [99, 4_000_000_000, 0, 5 + (1 << 31)] {
        assert_eq!(notify(secondary.address, ZONE, false_one).rcode(), 0);
        assert_eq!(serial(&secondary), Some(5));
    }
    // The primary is asked, and its word is what counts.
    yard::poll("the primary to be asked", || (primary.requests().len() > before).then_some(()));
    serve(&primary, 7);
    notify(secondary.address, ZONE, 1_000_000);
    secondary.wait(7);
    assert_eq!(serial(&secondary), Some(7));
    assert!(secondary.status()["problem"].is_null(), "{}", secondary.status());
}

fn during_a_transfer(yard: &Yard) {
    let (primary, secondary) = followed(yard);
    let gate = Arc::new(Gate::default());
    let (held, slow) = (gate.clone(), zone(6));
    primary.follow(move |request| {
        let mut steps = slow.answer(request);
        if is_transfer(request.kind) {
            steps.insert(0, Step::Await(held.clone()));
        }
        steps
    });
    let transfers = primary.asked(is_transfer).len();
    notify(secondary.address, ZONE, 6);
    primary.await_request(transfers + 1, is_transfer);
    // The zone is edited while the transfer of 6 is under way, and told of once.
    notify(secondary.address, ZONE, 7);
    assert_eq!(serial(&secondary), Some(5));
    serve(&primary, 7);
    gate.open();
    secondary.wait(7);
    assert!(primary.asked(|kind| kind == Kind::Ixfr(6)).len() == 1, "{:?}", primary.asked(is_transfer));
}

fn equal_and_lower(yard: &Yard) {
    let (primary, secondary) = followed(yard);
    let before = primary.requests().len();
    for _ in 0..5 {
        assert_eq!(notify(secondary.address, ZONE, 5).rcode(), 0);
    }
    // A lower one is worth one look; the equal ones before it were worth none.
    assert_eq!(notify(secondary.address, ZONE, 4).rcode(), 0);
    yard::poll("the primary to be asked", || (primary.requests().len() > before).then_some(()));
    assert_eq!(primary.requests()[before].kind, Kind::Soa);
    serve(&primary, 6);
    notify(secondary.address, ZONE, 6);
    secondary.wait(6);
    let kinds: Vec<Kind> = primary.requests()[before..].iter().map(|request| request.kind).collect();
    assert_eq!(kinds, [Kind::Soa, Kind::Ixfr(5)]);
}

fn a_flood(yard: &Yard) {
    const FLOOD: u32 = 10_000;
    let (primary, secondary) = followed(yard);
    let before = primary.requests().len();
    let begun = Instant::now();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for number in 0..FLOOD {
        // Newer, older, undefined, and without a serial.
        let hint = [6 + number, 4, 5 + (1 << 31)].get(number as usize % 4).copied();
        let bare = Message::new(number as u16, 4 << 11 | AA).question(&name(ZONE), SOA, IN);
        let sent = hint.map_or(bare, |serial| message(ZONE, serial));
        // What the system does not take is lost, as in any flood.
        let _ = socket.send_to(&sent.0, secondary.address);
    }
    assert_eq!(serial(&secondary), Some(5));
    serve(&primary, 6);
    notify(secondary.address, ZONE, 6);
    secondary.wait(6);
    let (asked, seconds) = (primary.requests().len() - before, begun.elapsed().as_secs() as usize);
    assert!(asked <= 4 * (seconds + 2), "{asked} queries in {seconds} s for {FLOOD} NOTIFYs");
}

fn odd_notifies(yard: &Yard) {
    const FORMERR: u16 = 1;
    const NOTIMP: u16 = 4;
    const NOTAUTH: u16 = 9;
    let (primary, secondary) = followed(yard);
    let before = primary.requests().len();
    let start = || Message::new(9, 4 << 11 | AA);
    let cut_soa = Rr { rdata: vec![0; 7], ..Rr::soa(ZONE, 6, [1; 3]) };
    let odd = [
        (start().question(&name("example.org"), SOA, IN), NOTAUTH),
        (start().question(&name("www.example.com"), SOA, IN), NOTAUTH),
        (start().question(&name("com"), SOA, IN), NOTAUTH),
        (start().question(&name(ZONE), SOA, 3), NOTIMP),
        (start().question(&name(ZONE), SOA, 255), NOTIMP),
        (start().question(&name(ZONE), A, IN), NOTIMP),
        (start().question(&name(ZONE), 59, IN), NOTIMP),
        (start(), FORMERR),
        (start().question(&name(ZONE), SOA, IN).question(&name(ZONE), SOA, IN), FORMERR),
        (start().question(&name(ZONE), SOA, IN).answer(&cut_soa), FORMERR),
    ];
    for (message, rcode) in odd {
        let reply = wire::over_udp(secondary.address, &message.0).expect("an answer");
        assert_eq!((reply.rcode(), reply.flags() >> 11 & 15), (rcode, 4), "{message:?}");
    }
    // An answer is answered by nobody, or two servers would never stop.
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let answer = Message::new(9, QR | 4 << 11 | AA).question(&name(ZONE), SOA, IN);
    for octets in [&answer.0[..], &answer.0[..12], &[][..], &[0; 11]] {
        socket.send_to(octets, secondary.address).expect("sent");
    }
    socket.send_to(&message(ZONE, 5).0, secondary.address).expect("sent");
    let mut octets = [0; 512];
    let length = socket.recv(&mut octets).expect("an answer");
    assert_eq!(wire::Reply(octets[..length].to_vec()).id(), 0x4e0f);
    serve(&primary, 6);
    notify(secondary.address, ZONE, 6);
    secondary.wait(6);
    assert_eq!(primary.requests()[before].kind, Kind::Ixfr(5));
}

fn only_signed_ones(yard: &Yard) {
    const REFUSED: u16 = 5;
    const NOTAUTH: u16 = 9;
    let signed = |zone: Zone| {
        move |request: &crate::fake::Request| -> Vec<Step> {
            let mut chain = Seal::flock().requested(&request.message);
            let steps = zone.answer(request).into_iter().map(|step| match step {
                Step::Send(octets) => Step::Send(chain.sign(Message(octets)).0),
                other => other,
            });
            steps.collect()
        }
    };
    let primary = Fake::new(signed(zone(5)));
    let secondary = Bellwether::new(yard, "secondary");
    secondary.secondary_of(primary.address, Trust::Key);
    secondary.start();
    secondary.wait(5);
    primary.follow(signed(zone(6)));
    let before = primary.requests().len();
    assert_eq!(notify(secondary.address, ZONE, 6).rcode(), REFUSED);
    let flock = Seal::flock();
    for seal in [
        Seal { secret: b"another".to_vec(), ..flock.clone() },
        Seal { key: "stranger.example.".into(), ..flock.clone() },
        Seal { time: flock.time - 10_000, ..flock.clone() },
    ] {
        let reply = wire::over_udp(secondary.address, &seal.request(message(ZONE, 6)).0.0);
        assert_eq!(reply.expect("an answer").rcode(), NOTAUTH);
    }
    assert_eq!((serial(&secondary), primary.requests().len()), (Some(5), before));
    let (request, mut chain) = flock.request(message(ZONE, 6));
    let reply = wire::over_udp(secondary.address, &request.0).expect("an answer");
    assert!(chain.verify(&reply) && reply.rcode() == 0);
    secondary.wait(6);
    assert_eq!(primary.requests()[before].kind, Kind::Ixfr(5));
}
