//! Serial arithmetic (RFC 1982) and several primaries: what is newer is taken, and nothing goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::Test;
use crate::bellwether::{Bellwether, Trust};
use crate::fake::{Fake, Kind, Step, Zone, ask, following, notify, serial};
use crate::texts::{ZONE, zone_text};
use crate::transfer_out::transfer;
use crate::wire::{AXFR, Message, Rr, SOA, Stream};
use crate::yard::{self, KEY_NAME, Yard};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("g01_g02_what_is_newer_by_rfc_1982_is_taken", &[], what_is_newer),
    ("g03_the_serial_after_the_last_is_1", &[], the_serial_after_the_last),
    ("g10_a_stale_or_dead_primary_hides_nothing", &[], a_stale_or_dead_primary),
    ("g10_a_primary_that_accepts_and_says_nothing_is_passed_over_soon", &[], a_mute_primary),
    ("r20_an_expired_zone_takes_the_newest_that_is_there", &[], an_expired_zone_takes_the_newest),
    ("r20_a_lower_serial_is_an_alarm_or_accepted_in_time", &[], a_lower_serial),
];

fn zone(serial: u32) -> Zone {
    Zone::new(ZONE, serial, [Rr::a("www.example.com", [192, 0, 2, 80])])
}

fn serve(fake: &Fake, serial: u32) {
    let zone = zone(serial);
    fake.follow(move |request| zone.answer(request));
}

fn what_is_newer(yard: &Yard) {
    let fake = Fake::serving(zone(4_294_967_295));
    let secondary = following(yard, &[&fake], "");
    secondary.wait(4_294_967_295);
    // Each with whether it is newer than the one before that was: 2^31 - 1 is the longest step.
    for (next, code) in [
        (1, None),
        (0x8000_0000, None),
        (0xffff_ffff, None),
        (0xffff_fffe, Some("BW-T19")),
        (0x8000_0000, Some("BW-T19")),
        // Half the circle away: neither.
        (0x7fff_ffff, Some("BW-T20")),
        (0, None),
        (0x8000_0000, Some("BW-T20")),
        (0x8000_0001, Some("BW-T19")),
        (0x7fff_ffff, None),
    ] {
        let before = serial(&secondary);
        let transfers = || fake.asked(|kind| matches!(kind, Kind::Ixfr(_) | Kind::Axfr)).len();
        let had = transfers();
        serve(&fake, next);
        notify(secondary.address, ZONE, next);
        let Some(code) = code else {
            yard::poll(&format!("{next}"), || (serial(&secondary) == Some(next)).then_some(()));
            yard::poll("the problem to go", || secondary.status()["problem"].is_null().then_some(()));
            continue;
        };
        let problem = || secondary.status()["problem"]["code"].as_str().map(str::to_owned);
        yard::poll(&format!("{code} for {next}"), || problem().filter(|told| told == code));
        assert_eq!((serial(&secondary), transfers()), (before, had), "{next}");
    }
}

fn the_serial_after_the_last(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    server.write_zone(&zone_text(u32::MAX - 1, 0));
    server.primary_for(yard::free_address(), Trust::Key);
    server.start();
    server.wait(u32::MAX - 1);
    let mut seen = Vec::new();
    for edits in 1..=3 {
        // The file keeps its serial: the server chooses.
        server.write_zone(&zone_text(u32::MAX - 1, edits));
        let host = format!("added-{edits}.{ZONE}");
        yard::poll(&host, || (ask(&server, &host, 1).count(1) == 1).then_some(()));
        seen.extend(serial(&server));
    }
    assert_eq!(seen, [u32::MAX, 1, 2]);
    // A serial further than 2^31 - 1 away is not newer, whatever the file says.
    server.write_zone(&zone_text(2 + (1 << 31), 4));
    yard::poll("the edit", || (ask(&server, "added-4.example.com", 1).count(1) == 1).then_some(()));
    assert_eq!(serial(&server), Some(3));
}

fn a_stale_or_dead_primary(yard: &Yard) {
    let (stale, newer) = (Fake::serving(zone(3)), Fake::serving(zone(5)));
    let dead = yard::free_address();
    let secondary = Bellwether::new(yard, "secondary");
    secondary.follow(&[dead, stale.address, newer.address], "");
    secondary.start();
    // The dead one is passed over; of the others the newer one wins in the end.
    secondary.wait(3);
    notify(secondary.address, ZONE, 5);
    secondary.wait(5);
    // What the stale one says changes nothing any more.
    let polls = stale.asked(|kind| kind == Kind::Soa).len();
    notify(secondary.address, ZONE, 3);
    stale.await_request(polls + 1, |kind| kind == Kind::Soa);
    newer.await_request(1, |kind| kind == Kind::Soa);
    assert_eq!(serial(&secondary), Some(5));
    // The newer one dies as well: the stale one gives nothing that is older.
    newer.follow(|_| vec![Step::Close]);
    let polls = stale.asked(|kind| kind == Kind::Soa).len();
    notify(secondary.address, ZONE, 3);
    stale.await_request(polls + 2, |kind| kind == Kind::Soa);
    assert_eq!(serial(&secondary), Some(5));
    // It catches up, and then it is as good as any.
    serve(&stale, 6);
    notify(secondary.address, ZONE, 6);
    secondary.wait(6);
}

fn a_mute_primary(yard: &Yard) {
    let (mute, newer) = (Fake::serving(zone(3)), Fake::serving(zone(3)));
    let secondary = following(yard, &[&mute, &newer], "");
    secondary.wait(3);
    // UDP brings nothing, a connection is made, and then nothing comes either.
    mute.follow(|_| Vec::new());
    serve(&newer, 4);
    let polls = mute.asked(|kind| kind == Kind::Soa).len();
    notify(secondary.address, ZONE, 0);
    let first = mute.await_request(polls + 1, |kind| kind == Kind::Soa);
    let next = newer.await_request(1, |kind| kind == Kind::Soa);
    assert!(next.at - first.at < Duration::from_secs(20), "{:?}", next.at - first.at);
    secondary.wait(4);
}

/// A primary that can be made silent, with one serial before and another one after.
fn changing(before: u32, after: u32, silent: &Arc<AtomicBool>) -> Fake {
    let (before, after) = (zone(before).with_timers([1, 1, 4]), zone(after).with_timers([1, 1, 600]));
    let (silent, was_silent) = (silent.clone(), AtomicBool::new(false));
    Fake::new(move |request| {
        if silent.load(Ordering::SeqCst) {
            was_silent.store(true, Ordering::SeqCst);
            return Vec::new();
        }
        if was_silent.load(Ordering::SeqCst) { after.answer(request) } else { before.answer(request) }
    })
}

fn an_expired_zone_takes_the_newest(yard: &Yard) {
    let silent = Arc::new(AtomicBool::new(false));
    let (one, two) = (changing(10, 7, &silent), changing(10, 8, &silent));
    let secondary = following(yard, &[&one, &two], "");
    secondary.wait(10);
    silent.store(true, Ordering::SeqCst);
    yard::poll("the zone to expire", || (ask(&secondary, ZONE, SOA).rcode() == 2).then_some(()));
    two.await_request(2, |kind| kind == Kind::Soa);
    silent.store(false, Ordering::SeqCst);
    yard::poll("the newest serial", || (serial(&secondary) == Some(8)).then_some(()));
    // Said, and nobody downstream gets differences across it.
    assert!(secondary.log().contains("BW-T26"));
    for from in [7, 6] {
        let records = transfer(&mut Stream::to(secondary.address), Message::ixfr(1, ZONE, from));
        assert!(records[1].rtype != SOA && records.len() > 3, "{records:?}");
    }
    assert_eq!(transfer(&mut Stream::to(secondary.address), Message::query(1, ZONE, AXFR))[0].serial(), 8);
}

fn a_lower_serial(yard: &Yard) {
    // By default it is an alarm; the zone stays as it is.
    let fake = Fake::serving(zone(10));
    let secondary = following(yard, &[&fake], "");
    serve(&fake, 9);
    notify(secondary.address, ZONE, 9);
    assert!(secondary.problem().contains("serial 9"), "{}", secondary.status());
    fake.await_request(4, |kind| kind == Kind::Soa);
    assert_eq!(serial(&secondary), Some(10));
    assert_eq!(fake.asked(|kind| kind == Kind::Axfr).len(), 1);
    // Accepted after a while, where it is wished for, and only from a primary that can prove who it is.
    let lines = "lower_serial = \"accept_after\"\nlower_serial_after = \"2s\"\n";
    let stranger = Bellwether::new(yard, "stranger");
    stranger.follow(&[fake.address], lines);
    assert!(stranger.refuses_to_start().contains("no primary has a `key`"));
    let (before, after) = (Bellwether::new(yard, "before"), Bellwether::new(yard, "after"));
    let secondary = Bellwether::new(yard, "secondary");
    for (primary, serial) in [(&before, 10), (&after, 9)] {
        primary.write_zone(&zone_text(serial, 0).replace(" 3600 600 ", " 1 1 "));
        primary.primary_for(yard::free_address(), Trust::Key);
    }
    let of = |primary: &Bellwether<'_>| {
        secondary.configure_more(
            "",
            "retry_max = \"1s\"\n",
            &format!(
                "[peers.p]\naddress = \"{}\"\nkey = \"{KEY_NAME}\"\n\n\
                 [[zones]]\nname = \"{ZONE}\"\nrole = \"secondary\"\nprimaries = [\"p\"]\n{lines}",
                primary.address
            ),
        );
    };
    before.start();
    after.start();
    of(&before);
    secondary.start();
    secondary.wait(10);
    of(&after);
    secondary.hang_up();
    yard::poll("the lower serial", || (serial(&secondary) == Some(9)).then_some(()));
}
