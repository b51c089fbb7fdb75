//! NOTIFY as a hint: what a secondary asks its primary after it, and what it does not.

use std::time::Duration;

use crate::Test;
use crate::fake::{Fake, Kind, Zone, following, notify, serial};
use crate::texts::ZONE;
use crate::wire::Rr;
use crate::yard::Yard;

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("r16_equal_and_older_hints", &[], equal_and_older_hints),
    ("r16_a_newer_hint_goes_straight_to_ixfr_and_is_checked_again", &[], a_newer_hint),
];

fn zone(serial: u32) -> Zone {
    Zone::new(ZONE, serial, [Rr::a("www.example.com", [192, 0, 2, 80])])
}

fn is_transfer(kind: Kind) -> bool {
    matches!(kind, Kind::Ixfr(_) | Kind::Axfr)
}

fn equal_and_older_hints(yard: &Yard) {
    let fake = Fake::serving(zone(5));
    let secondary = following(yard, &[&fake], "");
    secondary.wait(5);
    let (polls, transfers) = (fake.asked(|kind| kind == Kind::Soa).len(), fake.asked(is_transfer).len());
    // Equal: answered, and nothing else.
    for _ in 0..3 {
        let answer = notify(secondary.address, ZONE, 5);
        assert_eq!((answer.rcode(), answer.flags() >> 11 & 15), (0, 4));
    }
    // Older and undefined: looked at, once for many of them.
    for _ in 0..50 {
        assert_eq!(notify(secondary.address, ZONE, 4).rcode(), 0);
        assert_eq!(notify(secondary.address, ZONE, 5 + (1 << 31)).rcode(), 0);
    }
    let first = fake.await_request(polls + 1, |kind| kind == Kind::Soa);
    let second = fake.await_request(polls + 2, |kind| kind == Kind::Soa);
    assert!(second.at - first.at >= Duration::from_millis(900), "{:?}", second.at - first.at);
    // A marker behind all of that: when it has its answer, the rest is over.
    fake.follow({
        let newer = zone(6);
        move |request| newer.answer(request)
    });
    notify(secondary.address, ZONE, 6);
    secondary.wait(6);
    let checks = fake.asked(|kind| kind == Kind::Soa).len() - polls;
    assert!((2..=4).contains(&checks), "{checks} checks for a hundred hints");
    // Only the marker moved anything.
    assert_eq!(fake.asked(is_transfer).len(), transfers + 1);
}

fn a_newer_hint(yard: &Yard) {
    let fake = Fake::serving(zone(5));
    let secondary = following(yard, &[&fake], "");
    secondary.wait(5);
    let before = fake.requests().len();
    notify(secondary.address, ZONE, 9);
    let is_ixfr = |kind: Kind| kind == Kind::Ixfr(5);
    let first = fake.await_request(1, is_ixfr);
    // No SOA query came before it: the first SOA of the transfer is the check.
    assert_eq!(fake.requests()[before].kind, Kind::Ixfr(5));
    // The primary is not there yet, which changes nothing; it is looked at again after 1, 3, 9 s.
    let mut last = first;
    for (again, least) in [(2, 900), (3, 2900), (4, 8900)] {
        let next = fake.await_request(again, is_ixfr);
        assert!(next.at - last.at >= Duration::from_millis(least), "{again}: {:?}", next.at - last.at);
        assert_eq!(serial(&secondary), Some(5));
        assert!(secondary.status()["problem"].is_null(), "{}", secondary.status());
        last = next;
    }
    // It comes at last: found by the check after 27 s, or by another hint.
    fake.follow({
        let newer = zone(9);
        move |request| newer.answer(request)
    });
    notify(secondary.address, ZONE, 9);
    secondary.wait(9);
}
