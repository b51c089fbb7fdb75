//! Zones with names that are larger than any real one (p192): refused from files and from primaries.

use std::fmt::Write as _;

use crate::Test;
use crate::bellwether::Bellwether;
use crate::fake::{Fake, Kind, Zone, following, notify, send, serial};
use crate::texts::{ZONE, zone_text};
use crate::wire::{Rr, SOA};
use crate::yard::{self, Yard};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("p192_a_file_with_too_large_a_name_is_refused_with_its_line", &[], files),
    ("p192_a_transfer_with_too_large_a_name_is_dropped", &[], transfers),
    ("p192_the_usual_bounds_stop_what_nobody_could_be_answered", &[], the_usual_bounds),
];

const LIMITS: &str =
    "\n[limits]\nrecords_per_type_max = 4\ntypes_per_name_max = 6\nlabels_per_name_max = 8\n";

/// What is too large, line by line of a zone file, and what is told.
fn excesses() -> [(String, &'static str); 3] {
    let (mut records, mut types) = (String::new(), String::new());
    for number in 1..=5 {
        writeln!(records, "big A 192.0.2.{number}").expect("a string");
    }
    for number in 0..7 {
        writeln!(types, "big TYPE{} \\# 1 00", 65_300 + number).expect("a string");
    }
    [
        (records, "`big.example.com.` has 5 A records, and 4 are allowed"),
        (types, "`big.example.com.` has records of 7 types, and 6 are allowed"),
        ("g.f.e.d.c.b.a A 192.0.2.1\n".into(), "has 9 labels, and 8 are allowed"),
    ]
}

fn files(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    server.write_zone(&zone_text(1, 0));
    server.alone(LIMITS);
    server.start();
    server.wait(1);
    for (lines, told) in excesses() {
        let text = zone_text(2, 0);
        server.write_zone(&(text.clone() + &lines));
        yard::poll(told, || server.problem().contains(told).then_some(()));
        let place = format!("example.com.zone:{}:", 1 + text.lines().count());
        let problem = server.status()["problem"].clone();
        assert!(problem["text"].to_string().contains(&place), "{place}: {problem}");
        assert_eq!((problem["code"].as_str(), serial(&server)), (Some("BW-Z24"), Some(1)));
        let check = server.command(&["check"], &[]);
        assert!(!check.status.success() && yard::said(&check).contains(told), "{check:?}");
    }
    server.write_zone(&zone_text(3, 0));
    server.wait(3);
}

fn transfers(yard: &Yard) {
    let large =
        |rtype: u16, count: u8| (0..count).map(move |n| Rr::new("big.example.com", rtype, &[1, 2, 3, n]));
    let each_type = |count: u16| (0..count).map(|n| Rr::new("big.example.com", 65_300 + n, &[0]));
    let deep = Rr::a("g.f.e.d.c.b.a.example.com", [192, 0, 2, 1]);
    for (more, told) in [
        (large(1, 5).collect::<Vec<_>>(), "has 5 A records, and 4 are allowed (limits.records_per_type_max)"),
        (each_type(7).collect(), "has records of 7 types, and 6 are allowed (limits.types_per_name_max)"),
        (vec![deep], "has 9 labels, and 8 are allowed (limits.labels_per_name_max)"),
    ] {
        let fake = Fake::serving(Zone::new(ZONE, 1, []));
        let secondary = following(yard, &[&fake], LIMITS);
        for as_increment in [false, true] {
            let (old, new) = (Zone::new(ZONE, 1, []), Zone::new(ZONE, 2, more.clone()));
            let added = more.clone();
            fake.follow(move |request| match request.kind {
                Kind::Ixfr(1) if as_increment => {
                    let ends = [&new.soa, &old.soa, &new.soa].map(Clone::clone);
                    send(request.reply().answers(ends.iter().chain(&added).chain([&new.soa])))
                }
                _ => new.answer(request),
            });
            let before = fake.asked(|kind| kind == Kind::Axfr).len();
            notify(secondary.address, ZONE, 2);
            fake.await_request(before + 1, |kind| kind == Kind::Axfr);
            yard::poll(told, || secondary.problem().contains(told).then_some(()));
            assert_eq!(secondary.status()["problem"]["code"], "BW-T21");
            assert_eq!(
                (serial(&secondary), secondary.status()["problem"]["peer"].as_str()),
                (Some(1), Some("p0"))
            );
        }
        let honest = Zone::new(ZONE, 3, []);
        fake.follow(move |request| honest.answer(request));
        notify(secondary.address, ZONE, 3);
        secondary.wait(3);
    }
}

/// Thousands of records of one name are more than a message holds, and still taken; four times as many
/// are not, and neither are types by the thousand.
fn the_usual_bounds(yard: &Yard) {
    let of_host = |number: u16| Rr::new("big.example.com", 1, &[10, 0, (number >> 8) as u8, number as u8]);
    let records = move |count: u16| (0..count).map(of_host).collect::<Vec<_>>();
    // Descending, so that each would be put before all others.
    let types =
        |count: u16| (0..count).map(|n| Rr::new("big.example.com", 60_000 - n, &[0])).collect::<Vec<_>>();
    let fake = Fake::serving(Zone::new(ZONE, 1, []));
    let secondary = following(yard, &[&fake], "");
    let mut newest = 1;
    for (more, told) in [
        (records(16_384), None),
        (records(16_385), Some("has 16385 A records, and 16384 are allowed")),
        (types(1_000), None),
        (types(1_001), Some("has records of 1001 types, and 1000 are allowed")),
        (types(27_000), Some("has records of 27000 types, and 1000 are allowed")),
    ] {
        let zone = Zone::new(ZONE, newest + 1, more);
        fake.follow(move |request| match request.kind {
            Kind::Axfr | Kind::Ixfr(_) => {
                let whole = zone.whole();
                let messages = whole.chunks(1_000).map(|records| request.reply().answers(records));
                messages.flat_map(send).collect()
            }
            _ => zone.answer(request),
        });
        notify(secondary.address, ZONE, newest + 1);
        match told {
            None => {
                newest += 1;
                secondary.wait(newest);
            }
            Some(told) => yard::poll(told, || secondary.problem().contains(told).then_some(())),
        }
        assert_eq!(yard::poll("an answer", || serial(&secondary)), newest);
    }
    assert_eq!(crate::fake::ask(&secondary, ZONE, SOA).serials(), [newest]);
}
