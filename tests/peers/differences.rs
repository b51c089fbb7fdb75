//! A secondary that takes differences: what fits, what does not, and what follows from that.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;

use crate::Test;
use crate::bellwether::Bellwether;
use crate::fake::{Fake, Kind, Request, Step, Way, Zone, ask, following, notify, send};
use crate::texts::ZONE;
use crate::transfer_out::transfer;
use crate::wire::{A, AA, AXFR, Message, QR, Rr, Stream, name};
use crate::yard::{self, Yard};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("e08_r23_differences_that_do_not_fit_are_dropped_for_the_zone", &[], differences_that_do_not_fit),
    ("e09_ixfr_refused_in_any_way_falls_back_to_axfr", &[], ixfr_refused),
    ("e12_ixfr_goes_over_tcp_first_and_over_one_connection", &[], ixfr_over_tcp_first),
    ("d04_e03_one_record_a_message_is_read_as_well", &[], one_record_a_message),
    ("r14_matching_by_canonical_form_and_stored_as_received", &[], matching_by_canonical_form),
    ("r14_three_misfits_make_a_primary_axfr_only", &[], three_misfits),
];

/// A host that only differences that must not be taken have.
const FORGED: &str = "forged.example.com";

fn www() -> Rr {
    Rr::a("www.example.com", [192, 0, 2, 80])
}

fn zone(serial: u32) -> Zone {
    Zone::new(ZONE, serial, [www()])
}

fn soa(serial: u32) -> Rr {
    zone(serial).soa
}

fn forged() -> Rr {
    Rr::a(FORGED, [192, 0, 2, 66])
}

/// Each: what it is, and the differences from serial 1 to 2 that are not.
fn misfits() -> Vec<(&'static str, Vec<Rr>)> {
    let absent = Rr::a("absent.example.com", [192, 0, 2, 9]);
    let step = |from: u32, removed: &[Rr], to: u32, added: &[Rr]| {
        [&[soa(from)], removed, &[soa(to)], added].concat()
    };
    let framed = |steps: &[Vec<Rr>]| [vec![soa(2)], steps.concat(), vec![soa(2)]].concat();
    let ns = Rr::ns(ZONE, "ns1.example.com");
    let mut other_timers = framed(&[step(1, &[], 2, &[forged()])]);
    let last = other_timers.len() - 1;
    other_timers[last] = Rr::soa(ZONE, 2, [1, 1, 1]);
    let mut another_soa = framed(&[step(1, &[], 2, &[forged()])]);
    another_soa[2] = Rr::soa(ZONE, 2, [1, 1, 1]);
    let mut trailing = framed(&[step(1, &[], 2, &[])]);
    trailing.push(forged());
    vec![
        ("what is removed is not there", framed(&[step(1, &[absent], 2, &[forged()])])),
        ("what is added is there", framed(&[step(1, &[], 2, &[www(), forged()])])),
        ("it begins at another serial", framed(&[step(7, &[], 2, &[forged()])])),
        ("a step is missing", framed(&[step(1, &[], 3, &[forged()]), step(4, &[], 2, &[])])),
        (
            "a step goes back",
            framed(&[step(1, &[], 4_294_967_000, &[forged()]), step(4_294_967_000, &[], 2, &[])]),
        ),
        ("a step goes on the spot", framed(&[step(1, &[], 1, &[forged()]), step(1, &[], 2, &[])])),
        ("it ends with another SOA", other_timers),
        ("it brings another SOA than it announced", another_soa),
        ("records follow its end", trailing),
        ("the SOA goes", framed(&[step(1, &[soa(1)], 2, &[forged()])])),
        ("the name servers go", framed(&[step(1, &[ns], 2, &[forged()])])),
        ("a record is outside", framed(&[step(1, &[], 2, &[Rr::a("www.example.org", [1; 4]), forged()])])),
        ("a record has another class", framed(&[step(1, &[], 2, &[Rr { class: 3, ..forged() }])])),
    ]
}

fn differences_that_do_not_fit(yard: &Yard) {
    for (what, misfit) in misfits() {
        let fake = Fake::serving(zone(1));
        let secondary = following(yard, &[&fake], "");
        let (asked, honest) = (Arc::new(Mutex::new(Vec::new())), zone(2));
        let log = asked.clone();
        let waiting = secondary.address;
        fake.follow(move |request| match request.kind {
            Kind::Ixfr(1) => send(request.reply().answers(&misfit)),
            Kind::Axfr => {
                // The differences were judged by now, and nothing of them is seen.
                let answer = crate::wire::over_udp(waiting, &Message::query(1, FORGED, A).0);
                log.lock().expect("a log").push(answer.map(|answer| answer.rcode()));
                honest.answer(request)
            }
            _ => honest.answer(request),
        });
        notify(secondary.address, ZONE, 2);
        secondary.wait(2);
        assert_eq!(*asked.lock().expect("a log"), [Some(3)], "{what}");
        assert_eq!(ask(&secondary, FORGED, A).rcode(), 3, "{what}");
        assert!(secondary.last_transfer().starts_with("axfr"), "{what}: {}", secondary.last_transfer());
        assert_eq!(fake.asked(|kind| kind == Kind::Ixfr(1)).len(), 1, "{what}");
    }
}

type Refusal = fn(&Request) -> Vec<Step>;

/// How servers that know no IXFR answer it, and how often they are asked: what may mean the EDNS
/// record is asked again without one, and what ends a kept connection over a new one.
const REFUSALS: &[(&str, usize, Refusal)] = &[
    ("REFUSED", 1, |request| send(request.reply_with(5))),
    ("NOTIMP", 2, |request| send(request.reply_with(4))),
    ("FORMERR without a question", 2, |request| send(Message::new(request.message.id(), 0x8001))),
    ("SERVFAIL", 1, |request| send(request.reply_with(AA | 2))),
    ("an end", 2, |_| vec![Step::Close]),
    ("a newer SOA and an end", 1, |request| vec![Step::Send(request.reply().answer(&soa(2)).0), Step::Close]),
    ("no records", 1, |request| send(request.reply())),
];

fn ixfr_refused(yard: &Yard) {
    for (what, times, refuse) in REFUSALS {
        let fake = Fake::serving(zone(1));
        let secondary = following(yard, &[&fake], "");
        let honest = zone(2);
        fake.follow(move |request| match request.kind {
            Kind::Ixfr(_) => refuse(request),
            _ => honest.answer(request),
        });
        notify(secondary.address, ZONE, 2);
        secondary.wait(2);
        assert_eq!(fake.asked(|kind| kind == Kind::Ixfr(1)).len(), *times, "{what}");
        assert!(secondary.last_transfer().starts_with("axfr"), "{what}: {}", secondary.last_transfer());
    }
}

fn ixfr_over_tcp_first(yard: &Yard) {
    let fake = Fake::serving(zone(1));
    let secondary = following(yard, &[&fake], "");
    for serial in 2..=4 {
        let (before, after) = (soa(serial - 1), soa(serial));
        let added = Rr::a(&format!("added-{serial}.example.com"), [192, 0, 2, 100]);
        let zone = zone(serial);
        fake.follow(move |request| match request.kind {
            Kind::Ixfr(from) if from == serial - 1 => {
                send(request.reply().answers([&after, &before, &after, &added, &after]))
            }
            _ => zone.answer(request),
        });
        notify(secondary.address, ZONE, serial);
        secondary.wait(serial);
        assert!(secondary.last_transfer().starts_with("ixfr"), "{}", secondary.last_transfer());
        assert_eq!(ask(&secondary, &format!("added-{serial}.example.com"), A).count(1), 1);
    }
    let transfers = fake.asked(|kind| matches!(kind, Kind::Ixfr(_)));
    assert_eq!(transfers.len(), 3);
    assert!(transfers.iter().all(|request| request.way != Way::Udp));
    // An idle connection is kept for the next request (RFC 9103 §6.1, RFC 7766 §6.2.1), if that comes soon.
    let all = fake.asked(|kind| kind != Kind::Soa);
    let numbers: BTreeSet<u64> = all.iter().filter_map(|request| request.way.connection()).collect();
    assert!(numbers.len() < all.len(), "{} transfers over {} connections", all.len(), numbers.len());
}

/// All that the secondary would give to one of its own.
fn whole(server: &Bellwether<'_>) -> Vec<Rr> {
    let mut records = transfer(&mut Stream::to(server.address), Message::query(1, ZONE, AXFR));
    records.pop();
    records.sort();
    records
}

fn matching_by_canonical_form(yard: &Yard) {
    let mixed = Rr::a("MiXed.example.com", [192, 0, 2, 1]).with_ttl(300);
    let other = Rr::a("mixed.EXAMPLE.com", [192, 0, 2, 2]).with_ttl(600);
    let endless = Rr::a("endless.example.com", [192, 0, 2, 3]).with_ttl(0x8000_0001);
    let alias = Rr::new("Alias.example.com", 5, &name("Target.Example.COM"));
    let mail = Rr::new("mail.example.com", 15, &[&[0, 10][..], &name("MX.example.com")].concat());
    let all = [mixed.clone(), other.clone(), endless.clone(), alias.clone(), mail.clone()];
    let first = Zone::new(ZONE, 1, all.clone());
    let mut sorted = first.whole();
    sorted.pop();
    sorted.sort();
    let fake = Fake::serving(first);
    let secondary = following(yard, &[&fake], "");
    // Passed on as received: spelling, TTLs, all of it.
    assert_eq!(whole(&secondary), sorted);
    // Answered by the rules: the least TTL for all of a set, and one with its top bit set is none.
    let ttls =
        |qname: &str| ask(&secondary, qname, A).answers().iter().map(|record| record.ttl).collect::<Vec<_>>();
    assert_eq!(ttls("mixed.example.com"), [300, 300]);
    assert_eq!(ttls("endless.example.com"), [0]);
    // Removed by other spellings and other TTLs.
    let removed = [
        Rr { owner: name("mixed.example.COM"), ..mixed }.with_ttl(1),
        Rr { owner: name("ENDLESS.example.com"), ..endless },
        Rr::new("alias.EXAMPLE.com", 5, &name("target.example.com")).with_ttl(7),
        Rr::new("mail.example.com", 15, &[&[0, 10][..], &name("mx.EXAMPLE.com")].concat()),
    ];
    let second = Zone::new(ZONE, 2, [other.clone()]);
    let (before, after) = (soa(1), second.soa.clone());
    let mut left = second.whole();
    left.pop();
    left.sort();
    fake.follow(move |request| match request.kind {
        Kind::Ixfr(1) => {
            let steps =
                [&[after.clone(), before.clone()], &removed[..], &[after.clone(), after.clone()]].concat();
            send(request.reply().answers(&steps))
        }
        _ => second.answer(request),
    });
    notify(secondary.address, ZONE, 2);
    secondary.wait(2);
    assert!(secondary.last_transfer().starts_with("ixfr"), "{}", secondary.last_transfer());
    assert_eq!(whole(&secondary), left);
}

fn three_misfits(yard: &Yard) {
    let fake = Fake::serving(zone(1));
    let secondary = following(yard, &[&fake], "");
    for serial in 2..=5 {
        let (before, after, zone) = (soa(serial - 1), soa(serial), zone(serial));
        let absent = Rr::a("absent.example.com", [192, 0, 2, 9]);
        fake.follow(move |request| match request.kind {
            Kind::Ixfr(_) => send(request.reply().answers([&after, &before, &absent, &after, &after])),
            _ => zone.answer(request),
        });
        notify(secondary.address, ZONE, serial);
        secondary.wait(serial);
    }
    // The fourth time it was not asked for differences any more, and somebody was told.
    assert_eq!(fake.asked(|kind| matches!(kind, Kind::Ixfr(_))).len(), 3);
    assert_eq!(fake.asked(|kind| kind == Kind::Axfr).len(), 5);
    yard::poll("a line in the log", || secondary.log().contains("only AXFR from this primary").then_some(()));
}

fn one_record_a_message(yard: &Yard) {
    let each = |request: &Request, records: &[Rr]| -> Vec<Step> {
        records.iter().map(|record| Step::Send(request.reply().answer(record).0)).collect()
    };
    let fake = Fake::new(move |request| match request.kind {
        Kind::Axfr => each(request, &zone(1).whole()),
        _ => zone(1).answer(request),
    });
    let secondary = following(yard, &[&fake], "");
    let mut records = zone(1).whole();
    records.pop();
    records.sort();
    assert_eq!(whole(&secondary), records);
    // Two steps; questions are left out after the first message.
    let added = Rr::a("added.example.com", [192, 0, 2, 100]);
    let steps = [soa(3), soa(1), www(), soa(2), added.clone(), soa(2), soa(3), www(), soa(3)];
    fake.follow(move |request| match request.kind {
        Kind::Ixfr(1) => {
            let bare = |record| Step::Send(Message::new(request.message.id(), QR | AA).answer(record).0);
            let first = Step::Send(request.reply().answer(&steps[0]).0);
            [first].into_iter().chain(steps[1..].iter().map(bare)).collect()
        }
        _ => zone(3).answer(request),
    });
    notify(secondary.address, ZONE, 3);
    secondary.wait(3);
    assert!(secondary.last_transfer().starts_with("ixfr"), "{}", secondary.last_transfer());
    let mut records = Zone::new(ZONE, 3, [www(), added]).whole();
    records.pop();
    records.sort();
    assert_eq!(whole(&secondary), records);
}
