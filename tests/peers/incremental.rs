//! What a primary sends when it is asked for differences (RFC 1995), read by an independent client.

use std::collections::BTreeSet;

use crate::Test;
use crate::bellwether::{Bellwether, Trust};
use crate::signature::Seal;
use crate::texts::{ZONE, another_text, large_text, zone_text};
use crate::transfer_out::{serving, transfer};
use crate::wire::{self, AXFR, EXPIRE, Message, Rr, SOA, Stream};
use crate::yard::{self, KEY_NAME, Yard};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("e02_the_current_serial_or_a_newer_one_gets_one_soa", &[], the_current_serial),
    ("e03_e06_r15_differences_applied_give_the_zone", &[], differences_applied_give_the_zone),
    ("e04_an_unknown_serial_gets_the_whole_zone", &[], an_unknown_serial),
    ("e05_over_udp_all_or_one_soa", &[], over_udp_all_or_one_soa),
    ("e07_a_rewrite_goes_as_the_zone_and_the_journal_is_bounded", &[], a_rewrite_and_a_bounded_journal),
    ("e13_r15_ttl_case_and_nothing_but_the_serial", &[], ttl_case_and_serial),
    ("g08_p37_the_expire_option_is_answered", &[], the_expire_option),
];

type Records = BTreeSet<Rr>;

/// The form that an IXFR came in, and what it makes of the zone that the client had.
#[derive(Debug)]
struct Applied {
    zone: Records,
    /// The serials of the steps, from and to; none for a whole zone or a lone SOA.
    steps: Vec<(u32, u32)>,
    /// Records on the wire.
    records: usize,
}

/// Reads the answer to an IXFR strictly by RFC 1995 §4, and applies it.
fn apply(mut zone: Records, answer: &[Rr]) -> Applied {
    let records = answer.len();
    let is_soa = |at: usize| answer.get(at).is_some_and(|record| record.rtype == SOA);
    let newest = &answer[0];
    if records == 1 {
        return Applied { zone, steps: Vec::new(), records };
    }
    if !is_soa(1) {
        return Applied { zone: answer[..records - 1].iter().cloned().collect(), steps: Vec::new(), records };
    }
    let (mut at, mut steps) = (1, Vec::new());
    while at < records - 1 {
        let old = &answer[at];
        assert!(is_soa(at) && zone.remove(old), "{old:?} is not the SOA that was published");
        at += 1;
        while !is_soa(at) {
            assert!(zone.remove(&answer[at]), "{:?} is removed and was not there", answer[at]);
            at += 1;
        }
        let new = answer[at].clone();
        steps.push((old.serial(), new.serial()));
        assert!(zone.insert(new));
        at += 1;
        while !is_soa(at) {
            assert!(zone.insert(answer[at].clone()), "{:?} is added and was there", answer[at]);
            at += 1;
        }
    }
    assert!(zone.contains(newest) && answer.last() == Some(newest));
    Applied { zone, steps, records }
}

fn whole(server: &Bellwether<'_>) -> Records {
    let mut records = transfer(&mut Stream::to(server.address), Message::query(1, ZONE, AXFR));
    records.pop();
    records.into_iter().collect()
}

fn ixfr(server: &Bellwether<'_>, from: u32) -> Vec<Rr> {
    // A lone SOA is a whole answer, which a reader of AXFR would wait to end.
    let (request, mut chain) = Seal::flock().request(Message::ixfr(0x1995, ZONE, from));
    let mut stream = Stream::to(server.address);
    stream.send(&[request.0]);
    let first = stream.read().expect("an answer");
    chain.verify(&first);
    if first.count(1) == 1 {
        return first.answers();
    }
    transfer(&mut Stream::to(server.address), Message::ixfr(0x1995, ZONE, from))
}

fn over_udp(server: &Bellwether<'_>, from: u32) -> Vec<Rr> {
    let (request, mut chain) = Seal::flock().request(Message::ixfr(0x1996, ZONE, from));
    let answer = wire::over_udp(server.address, &request.0).expect("an answer");
    assert!(chain.verify(&answer) && answer.0.len() <= 512, "{} octets", answer.0.len());
    answer.answers()
}

fn edit(server: &Bellwether<'_>, serial: u32, text: &str) -> Records {
    server.write_zone(text);
    server.wait(serial);
    whole(server)
}

fn the_current_serial(yard: &Yard) {
    let server = serving(yard, &zone_text(1, 0));
    edit(&server, 2, &zone_text(2, 1));
    for from in [2, 3, 2_000_000_000] {
        for answer in [ixfr(&server, from), over_udp(&server, from)] {
            assert_eq!(answer.iter().map(Rr::serial).collect::<Vec<_>>(), [2], "from {from}");
        }
    }
}

fn differences_applied_give_the_zone(yard: &Yard) {
    let server = serving(yard, &zone_text(1, 0));
    let mut published = vec![whole(&server)];
    for edits in 1..=3 {
        published.push(edit(&server, 1 + edits, &zone_text(1 + edits, edits)));
    }
    // 5 puts back what 4 took away: a part of what happened cancels out.
    published.push(edit(&server, 5, &zone_text(5, 2)));
    let newest = published.last().expect("versions").clone();
    for (from, had) in published.iter().enumerate().take(4) {
        let from = from as u32 + 1;
        let applied = apply(had.clone(), &ixfr(&server, from));
        assert_eq!(applied.zone, newest, "from {from}");
        let steps = &applied.steps;
        assert!(steps.windows(2).all(|pair| pair[0].1 == pair[1].0), "{steps:?}");
        assert_eq!((steps[0].0, steps[steps.len() - 1].1), (from, 5), "{steps:?}");
        assert!(applied.records < newest.len());
    }
    // R15: from 3 the two steps cancel out, and the one step that is left is the pair of SOAs.
    let applied = apply(published[2].clone(), &ixfr(&server, 3));
    assert_eq!((applied.steps, applied.records), (vec![(3, 5)], 4));
    // From 4 there is one step as it happened.
    assert_eq!(apply(published[3].clone(), &ixfr(&server, 4)).steps, [(4, 5)]);
}

fn an_unknown_serial(yard: &Yard) {
    let server = serving(yard, &zone_text(1, 0));
    let newest = edit(&server, 2, &zone_text(2, 1));
    for from in [0, 4_294_967_000] {
        let applied = apply(Records::new(), &ixfr(&server, from));
        assert_eq!((applied.zone, applied.steps), (newest.clone(), vec![]), "from {from}");
    }
}

fn over_udp_all_or_one_soa(yard: &Yard) {
    let server = serving(yard, &zone_text(1, 0));
    let had = whole(&server);
    let newest = edit(&server, 2, &zone_text(2, 1));
    assert_eq!(apply(had, &over_udp(&server, 1)).zone, newest);
    // What does not fit a datagram, and what is not known.
    edit(&server, 3, &large_text(3, 500));
    for from in [2, 4_294_967_000] {
        assert_eq!(over_udp(&server, from).iter().map(Rr::serial).collect::<Vec<_>>(), [3], "from {from}");
    }
}

fn a_rewrite_and_a_bounded_journal(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    server.write_zone(&zone_text(1, 0));
    server.configure_more(
        "history_octets_max = \"400KiB\"\n",
        "",
        &format!(
            "[[zones]]\nname = \"{ZONE}\"\nrole = \"primary\"\nfile = \"example.com.zone\"\n\
             guard = \"off\"\nallow_transfer = [\"key:{KEY_NAME}\"]\n"
        ),
    );
    server.start();
    server.wait(1);
    // A rewrite is a larger difference than the zone.
    let newest = edit(&server, 2, &another_text(2));
    let applied = apply(Records::new(), &ixfr(&server, 1));
    assert_eq!((applied.zone, applied.steps), (newest, vec![]));
    // Each of these steps takes 140 KiB. A megabyte of them the server may need itself, to know its own
    // version after a restart; beyond that it keeps what the config says.
    let filling = "x".repeat(200);
    let text = |serial: u32| {
        let host = |name: String| format!("{name} TXT \"{filling}\"\n");
        let all = (0..2000).map(|at| format!("steady-{at}"));
        let moving = (0..300).map(|at| format!("moving-{serial}-{at}"));
        zone_text(serial, 0) + &all.chain(moving).map(host).collect::<String>()
    };
    let mut before = edit(&server, 3, &text(3));
    for serial in 4..=30 {
        let newest = edit(&server, serial, &text(serial));
        let last = apply(before, &ixfr(&server, serial - 1));
        assert_eq!(last.steps, [(serial - 1, serial)]);
        assert!(last.zone == newest, "another zone than that of AXFR");
        // With the first ones gone there is no way from 3 but the whole zone.
        let oldest = ixfr(&server, 3);
        if oldest[1].rtype != SOA {
            assert_eq!(apply(Records::new(), &oldest).zone, newest);
            return;
        }
        before = newest;
    }
    panic!("the journal is not bounded");
}

fn ttl_case_and_serial(yard: &Yard) {
    let server = serving(yard, &zone_text(1, 0));
    let first = whole(&server);
    let with_ttl = zone_text(2, 0).replace("mail 600 A", "mail 900 A");
    let second = edit(&server, 2, &with_ttl);
    let mail = Rr::a("mail.example.com", [192, 0, 2, 25]);
    let step = ixfr(&server, 1);
    let body: Vec<&Rr> = step.iter().filter(|record| record.rtype != SOA).collect();
    assert_eq!(body, [&mail.clone().with_ttl(600), &mail.with_ttl(900)]);
    // The serial alone: the pair of SOAs.
    let third = edit(&server, 3, &zone_text(3, 0).replace("mail 600 A", "mail 900 A"));
    let step = ixfr(&server, 2);
    assert_eq!(step.iter().map(Rr::serial).collect::<Vec<_>>(), [3, 2, 3, 3]);
    assert_eq!(apply(second, &step).zone, third);
    // The spelling of a name alone.
    let spelt = zone_text(4, 0).replace("mail 600 A", "mail 900 A").replace("\nhost-5 A", "\nHOST-5 A");
    let fourth = edit(&server, 4, &spelt);
    assert!(fourth.contains(&Rr::a("HOST-5.example.com", [203, 0, 113, 5])));
    assert_eq!(apply(third, &ixfr(&server, 3)).zone, fourth);
    // All three in one step.
    let applied = apply(first, &ixfr(&server, 1));
    assert_eq!(applied.zone, fourth);
}

fn the_expire_option(yard: &Yard) {
    let primary = Bellwether::new(yard, "primary");
    primary.write_zone(&zone_text(1, 0));
    primary.primary_for(yard::free_address(), Trust::Key);
    primary.start();
    primary.wait(1);
    let mut stream = Stream::to(primary.address);
    let expire = [(EXPIRE, &[][..])];
    for request in [
        Message::query(1, ZONE, SOA).edns(1232, &expire),
        Message::query(2, ZONE, AXFR).edns(1232, &expire),
        Message::ixfr(3, ZONE, 1).edns(1232, &expire),
    ] {
        let (request, mut chain) = Seal::flock().request(request);
        let answer = stream.ask(&request);
        assert!(chain.verify(&answer));
        assert_eq!(answer.option(EXPIRE), Some(1_209_600_u32.to_be_bytes().to_vec()), "{answer:?}");
    }
    // Not asked, not told.
    let answer = stream.ask(&Message::query(4, ZONE, SOA).edns(1232, &[]));
    assert_eq!(answer.option(EXPIRE), None);
}
