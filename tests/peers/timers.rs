//! Refresh, retry and expiry of a secondary, seen from a primary that counts what it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::Test;
use crate::bellwether::Bellwether;
use crate::fake::{Fake, Kind, Request, Way, Zone};
use crate::texts::ZONE;
use crate::wire::{self, Message, Rr, SOA};
use crate::yard::{self, Yard};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("g04_refresh_then_retry_then_refresh_again", &[], refresh_then_retry),
    ("g05_r18_an_expired_zone_is_not_served_and_comes_back", &[], an_expired_zone),
];

fn zone(serial: u32, timers: [u32; 3]) -> Zone {
    Zone::new(ZONE, serial, [Rr::a("www.example.com", [192, 0, 2, 80])]).with_timers(timers)
}

/// A primary that can be made silent.
struct Mute {
    fake: Fake,
    silent: Arc<AtomicBool>,
}

impl Mute {
    fn serving(zone: Zone) -> Mute {
        let silent = Arc::new(AtomicBool::new(false));
        let mute = silent.clone();
        let fake = Fake::new(
            move |request| {
                if mute.load(Ordering::SeqCst) { Vec::new() } else { zone.answer(request) }
            },
        );
        Mute { fake, silent }
    }

    fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }
}

fn following<'y>(yard: &'y Yard, primary: &Fake) -> Bellwether<'y> {
    let secondary = Bellwether::new(yard, "secondary");
    secondary.follow(&[primary.address], "");
    secondary.start();
    secondary.wait(1);
    secondary
}

fn polls(fake: &Fake) -> Vec<Request> {
    fake.asked(|kind| kind == Kind::Soa).into_iter().filter(|request| request.way == Way::Udp).collect()
}

fn rcode(secondary: &Bellwether<'_>) -> u16 {
    wire::over_udp(secondary.address, &Message::query(1, ZONE, SOA).0).expect("an answer").rcode()
}

fn refresh_then_retry(yard: &Yard) {
    // Refresh every 3 s, retry every second (the clamp of `follow`), expire late.
    let primary = Mute::serving(zone(1, [3, 1, 600]));
    let secondary = following(yard, &primary.fake);
    yard::poll("three refreshes", || (polls(&primary.fake).len() >= 4).then_some(()));
    let seen = polls(&primary.fake);
    // Jitter makes a refresh earlier by a tenth at most, and nothing makes it a retry.
    let gap = seen[3].at - seen[2].at;
    assert!(gap >= Duration::from_millis(2600), "{gap:?}");
    // Polls alone: nothing is newer, so nothing is transferred again.
    assert_eq!(primary.fake.asked(|kind| kind != Kind::Soa).len(), 1);
    primary.set_silent(true);
    // While nobody answers it is asked again and again, over TCP as well.
    yard::poll("retries", || {
        let over_tcp = primary.fake.asked(|kind| kind == Kind::Soa);
        (over_tcp.iter().filter(|request| request.way != Way::Udp).count() >= 1).then_some(())
    });
    assert_eq!(rcode(&secondary), 0);
    assert!(secondary.status()["problem"]["code"].is_string());
    primary.set_silent(false);
    yard::poll("the problem to go", || secondary.status()["problem"].is_null().then_some(()));
    // A success begins the refreshes anew.
    let before = polls(&primary.fake).len();
    yard::poll("two refreshes", || (polls(&primary.fake).len() >= before + 2).then_some(()));
    let seen = polls(&primary.fake);
    let gap = seen[before + 1].at - seen[before].at;
    assert!(gap >= Duration::from_millis(2600), "{gap:?}");
}

fn an_expired_zone(yard: &Yard) {
    let primary = Mute::serving(zone(1, [1, 1, 5]));
    let secondary = following(yard, &primary.fake);
    primary.set_silent(true);
    yard::poll("the zone to expire", || (rcode(&secondary) == 2).then_some(()));
    assert_eq!(secondary.status()["state"], "expired");
    // It is kept on disk: after a restart it is expired, not unknown.
    secondary.kill();
    secondary.start();
    yard::poll("SERVFAIL", || (rcode(&secondary) == 2).then_some(()));
    primary.set_silent(false);
    secondary.wait(1);
    yard::poll("the zone to be served again", || (rcode(&secondary) == 0).then_some(()));
}
