//! A primary that lies: nothing of it is used, the old version stays, and the reason is told.

use std::sync::Arc;

use crate::Test;
use crate::bellwether::Bellwether;
use crate::fake::{Fake, Gate, Kind, Request, Step, Way, Zone, ask, following, notify, send, serial};
use crate::texts::ZONE;
use crate::wire::{A, AA, Message, QR, Reply, Rr, SOA, TC, name};
use crate::yard::{self, Yard};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("d11_a_transfer_cut_in_the_middle_leaves_the_old_zone", &[], a_transfer_cut_in_the_middle),
    ("d16_an_endless_transfer_is_cut", &[], an_endless_transfer),
    ("r23_forged_answers_to_polls_move_nothing", &[], forged_answers_to_polls),
    ("r23_a_warning_names_the_primary_and_its_rcode", &[], a_warning_names_the_primary),
    ("d12_r23_what_is_no_transfer_of_the_zone_is_refused", &[], what_is_no_transfer),
];

/// A host that only a transfer that must not be taken has.
const FORGED: &str = "forged.example.com";

fn zone(serial: u32) -> Zone {
    Zone::new(ZONE, serial, [Rr::a("www.example.com", [192, 0, 2, 80])])
}

/// A secondary that has serial 1 of a fake primary.
fn misled<'y>(yard: &'y Yard, more: &str) -> (Bellwether<'y>, Fake) {
    let fake = Fake::serving(zone(1));
    let secondary = following(yard, &[&fake], more);
    (secondary, fake)
}

/// Serial 1, and nothing forged.
fn assert_old(secondary: &Bellwether<'_>) {
    assert_eq!(serial(secondary), Some(1));
    assert_eq!((ask(secondary, FORGED, A).rcode(), ask(secondary, "www.example.com", A).count(1)), (3, 1));
}

fn an_endless_transfer(yard: &Yard) {
    for (limit, told) in [
        ("transfer_records_max = 1000", "more records"),
        ("transfer_octets_max = 20000", "more octets"),
        ("transfer_time_max = \"3s\"", "longer than the limit"),
    ] {
        let (secondary, fake) = misled(yard, limit);
        let endless = Zone::new(ZONE, 2, [Rr::a(FORGED, [192, 0, 2, 66])]);
        let gate = Arc::new(Gate::default());
        let held = gate.clone();
        fake.follow(move |request| match request.kind {
            Kind::Axfr | Kind::Ixfr(_) => {
                let whole = endless.whole();
                let host = |number: u32| Rr::a(&format!("host-{number}.example.com"), [10, 0, 0, 1]);
                let message = |number: u32| {
                    let hosts: Vec<Rr> = (0..100).map(|host_of| host(number * 100 + host_of)).collect();
                    Step::Send(request.reply().answers(&hosts).0)
                };
                let first = Step::Send(request.reply().answers(&whole[..whole.len() - 1]).0);
                // As much again, and then never an end.
                [first].into_iter().chain((0..20).map(message)).chain([Step::Await(held.clone())]).collect()
            }
            _ => endless.answer(request),
        });
        notify(secondary.address, ZONE, 2);
        yard::poll("the limit to be told", || secondary.problem().contains(told).then_some(()));
        assert_old(&secondary);
        gate.open();
    }
}

fn a_transfer_cut_in_the_middle(yard: &Yard) {
    let (secondary, fake) = misled(yard, "");
    let hosts = (0..500).map(|host| Rr::a(&format!("host-{host}.example.com"), [10, 0, 1, host as u8]));
    let newer = Zone::new(ZONE, 2, hosts.chain([Rr::a(FORGED, [192, 0, 2, 66])]));
    let served = newer.clone();
    fake.follow(move |request| match request.kind {
        Kind::Axfr | Kind::Ixfr(_) => {
            let whole = served.whole();
            let (head, tail) = whole.split_at(whole.len() / 2);
            // All but the closing SOA, then the end; or half a message, then the end.
            let (head, tail) = (request.reply().answers(head), request.reply().answers(tail));
            let length = tail.0.len();
            let all_but_the_last = request.reply().answers(&whole[..whole.len() - 1]);
            match request.kind {
                Kind::Axfr => vec![Step::Send(all_but_the_last.0), Step::Close],
                _ => vec![Step::Send(head.0), Step::Part(tail.0, length - 1), Step::Close],
            }
        }
        _ => served.answer(request),
    });
    notify(secondary.address, ZONE, 2);
    // Both ways twice: the first is over and has left nothing.
    fake.await_request(2, |kind| kind == Kind::Axfr);
    fake.await_request(2, |kind| kind == Kind::Ixfr(1));
    assert!(secondary.problem().contains("broke off"), "{}", secondary.status());
    assert_old(&secondary);
    fake.follow(move |request| newer.answer(request));
    secondary.wait(2);
}

type Forgery = fn(&Request, Vec<Rr>) -> Vec<Step>;

/// Each: what it is, how a whole transfer is turned into it, and a part of what the operator is told.
const FORGERIES: &[(&str, Forgery, &str)] = &[
    (
        "another id",
        |request, whole| {
            let mut reply = request.reply().answers(&whole);
            reply.0[0] ^= 0x55;
            send(reply)
        },
        "id is not",
    ),
    (
        "a query",
        |request, whole| {
            let mut reply = request.reply().answers(&whole);
            reply.0[2] &= 0x7f;
            send(reply)
        },
        "not a reply",
    ),
    (
        "another opcode",
        |request, whole| {
            send(
                Message::new(request.message.id(), QR | AA | 4 << 11)
                    .question(&name(ZONE), request.message.question().expect("a question").1, 1)
                    .answers(&whole),
            )
        },
        "opcode",
    ),
    (
        "another question",
        |request, whole| {
            send(
                Message::new(request.message.id(), QR | AA)
                    .question(&name("example.org"), 252, 1)
                    .answers(&whole),
            )
        },
        "question",
    ),
    ("TC", |request, whole| send(request.reply_with(AA | TC).answers(&whole)), "truncated"),
    (
        "SERVFAIL",
        |request, whole| send(request.reply_with(AA | 2).answers(&whole)),
        "the peer answered SERVFAIL",
    ),
    (
        "another zone",
        |request, mut whole| {
            let soa = Rr { owner: name("example.org"), ..whole[0].clone() };
            let last = whole.len() - 1;
            (whole[0], whole[last]) = (soa.clone(), soa);
            send(request.reply().answers(&whole))
        },
        "outside",
    ),
    ("no SOA first", |request, whole| send(request.reply().answers(&whole[1..])), "no SOA"),
    (
        "another closing SOA",
        |request, mut whole| {
            let last = whole.len() - 1;
            whole[last] = Rr::soa(ZONE, 3, [3600, 600, 1_209_600]);
            send(request.reply().answers(&whole))
        },
        "closing SOA",
    ),
    (
        "a record outside of the zone",
        |request, mut whole| {
            whole.insert(2, Rr::a("www.example.org", [192, 0, 2, 66]));
            send(request.reply().answers(&whole))
        },
        "outside",
    ),
    (
        "another class",
        |request, mut whole| {
            whole[2].class = 3;
            send(request.reply().answers(&whole))
        },
        "class",
    ),
    (
        "records after the closing SOA",
        |request, mut whole| {
            whole.push(Rr::a("late.example.com", [192, 0, 2, 66]));
            send(request.reply().answers(&whole))
        },
        "follow the closing SOA",
    ),
    (
        "an SOA below the apex",
        |request, mut whole| {
            whole.insert(2, Rr::soa("www.example.com", 2, [1, 1, 1]));
            send(request.reply().answers(&whole))
        },
        "below the apex",
    ),
    (
        "no NS at the apex",
        |request, mut whole| {
            whole.retain(|record| record.rtype != crate::wire::NS);
            send(request.reply().answers(&whole))
        },
        "NS",
    ),
    (
        "an older serial",
        |request, mut whole| {
            let soa = Rr::soa(ZONE, 4_294_967_000, [3600, 600, 1_209_600]);
            let last = whole.len() - 1;
            (whole[0], whole[last]) = (soa.clone(), soa);
            send(request.reply().answers(&whole))
        },
        "older",
    ),
    (
        "octets that are no message",
        |request, _| {
            let mut octets = request.reply().0;
            octets[7] = 9;
            octets.extend([0xff; 40]);
            vec![Step::Send(octets)]
        },
        "cannot be parsed",
    ),
    (
        "another id in the second message",
        |request, whole| {
            let (head, tail) = whole.split_at(2);
            let mut second = request.reply().answers(tail);
            second.0[1] ^= 1;
            vec![Step::Send(request.reply().answers(head).0), Step::Send(second.0)]
        },
        "id is not",
    ),
    (
        "an error in the second message",
        |request, whole| {
            let (head, tail) = whole.split_at(2);
            let second = request.reply_with(AA | 5).answers(tail);
            vec![Step::Send(request.reply().answers(head).0), Step::Send(second.0)]
        },
        "the peer answered REFUSED",
    ),
    (
        "another question in the second message",
        |request, whole| {
            let (head, tail) = whole.split_at(2);
            let second = Message::new(request.message.id(), QR | AA);
            let second = second.question(&name("www.example.com"), 252, 1).answers(tail);
            vec![Step::Send(request.reply().answers(head).0), Step::Send(second.0)]
        },
        "question",
    ),
    (
        "a message after the last",
        |request, whole| {
            let mut late = whole.clone();
            late.insert(1, Rr::a("late.example.com", [192, 0, 2, 66]));
            let (head, tail) = late.split_at(2);
            // The SOA in the middle ends it, and it is another one.
            let soa = Rr::soa(ZONE, 2, [1, 1, 1]);
            let first = request.reply().answers(head).answer(&soa);
            vec![Step::Send(first.0), Step::Send(request.reply().answers(tail).0)]
        },
        "closing SOA",
    ),
    ("an empty message", |request, _| send(request.reply()), "no records"),
];

fn what_is_no_transfer(yard: &Yard) {
    let (secondary, fake) = misled(yard, "");
    for &(what, forge, told) in FORGERIES {
        let forged = Zone::new(ZONE, 2, [Rr::a(FORGED, [192, 0, 2, 66])]);
        // The poll is honest: the transfer alone decides.
        fake.follow(move |request| match request.kind {
            Kind::Axfr | Kind::Ixfr(_) => forge(request, forged.whole()),
            _ => forged.answer(request),
        });
        let before = fake.requests().len();
        notify(secondary.address, ZONE, 2);
        let is_whole =
            |request: &Reply| request.question().is_some_and(|(_, qtype, _)| qtype == crate::wire::AXFR);
        // The second request for the whole zone: the first was judged.
        yard::poll(&format!("{what} to be judged"), || {
            let requests = fake.requests();
            (requests[before..].iter().filter(|request| is_whole(&request.message)).count() >= 2)
                .then_some(())
        });
        let said = secondary.problem();
        assert!(said.contains(told), "{what}: {told:?} is not in {said:?}");
        assert_old(&secondary);
    }
    // The same primary, honest again, is believed.
    let honest = Zone::new(ZONE, 2, []);
    fake.follow(move |request| honest.answer(request));
    secondary.wait(2);
}

type ForgedPoll = fn(&Request, Rr) -> Message;

/// Each: what it is, and how an answer to a poll is turned into it.
const FORGED_POLLS: &[(&str, ForgedPoll)] = &[
    ("a query", |request, soa| {
        let mut reply = request.reply().answer(&soa);
        reply.0[2] &= 0x7f;
        reply
    }),
    ("another id", |request, soa| {
        let mut reply = request.reply().answer(&soa);
        reply.0[0] ^= 0x40;
        reply
    }),
    ("another opcode", |request, soa| {
        Message::new(request.message.id(), QR | AA | 5 << 11).question(&name(ZONE), SOA, 1).answer(&soa)
    }),
    ("another question", |request, soa| {
        Message::new(request.message.id(), QR | AA).question(&name("example.org"), SOA, 1).answer(&soa)
    }),
    ("another class", |request, soa| request.reply().answer(&Rr { class: 3, ..soa })),
    ("another owner", |request, soa| request.reply().answer(&Rr { owner: name("example.org"), ..soa })),
    ("no authority", |request, soa| request.reply_with(0).answer(&soa)),
    ("an error", |request, soa| request.reply_with(AA | 5).answer(&soa)),
    ("the SOA in the wrong section", |request, soa| request.reply().authority(&soa)),
];

fn forged_answers_to_polls(yard: &Yard) {
    let (secondary, fake) = misled(yard, "");
    for (what, forge) in FORGED_POLLS {
        let polled = Zone::new(ZONE, 9, [Rr::a(FORGED, [192, 0, 2, 66])]);
        fake.follow(move |request| match request.kind {
            // The same over TCP, which is tried when UDP brings nothing.
            Kind::Soa => send(forge(request, polled.soa.clone())),
            _ => polled.answer(request),
        });
        let over_tcp =
            || fake.asked(|kind| kind == Kind::Soa).iter().filter(|asked| asked.way != Way::Udp).count();
        let before = over_tcp();
        // An older hint is a reason to poll.
        notify(secondary.address, ZONE, 0);
        yard::poll(&format!("{what} over TCP"), || (over_tcp() > before).then_some(()));
        assert_old(&secondary);
    }
    // Nothing of all that was believed: the first transfer was the only one.
    assert_eq!(fake.asked(|kind| matches!(kind, Kind::Axfr | Kind::Ixfr(_))).len(), 1);
    let honest = Zone::new(ZONE, 2, []);
    fake.follow(move |request| honest.answer(request));
    secondary.wait(2);
}

fn a_warning_names_the_primary(yard: &Yard) {
    let rcode = |rcode: u16| Fake::new(move |request| send(request.reply_with(AA | rcode)));
    for (fake, name) in [(rcode(2), "SERVFAIL"), (rcode(5), "REFUSED"), (rcode(9), "NOTAUTH")] {
        let secondary = Bellwether::new(yard, name);
        secondary.follow(&[fake.address], "");
        secondary.start();
        let told = secondary.problem();
        assert_eq!(told, format!("the peer answered {name}"));
        assert_eq!(secondary.status()["problem"]["peer"], "p0");
        let status = yard::said(&secondary.command(&["status"], &[]));
        assert!(status.contains(&format!(": p0: the peer answered {name}")), "{status}");
        let primary = format!("primary=\"p0 ({})\"", fake.address);
        let log = secondary.log();
        let line = log.lines().find(|line| line.contains("WARN") && line.contains(&told));
        let line = line.unwrap_or_else(|| panic!("no warning: {log}"));
        assert!(line.contains(&primary) && line.contains(ZONE), "{line}");
    }
}
