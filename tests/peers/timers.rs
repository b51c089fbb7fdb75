//! Refresh, retry and expiry of a secondary, seen from a primary that counts what it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::Test;
use crate::bellwether::Bellwether;
use crate::fake::{Fake, Kind, Request, Step, Way, Zone, ask, following, send, serial};
use crate::texts::{ZONE, zone_text};
use crate::wire::{AA, EXPIRE, Message, Rr, SOA, over_udp};
use crate::yard::{self, Yard};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("g04_refresh_then_retry_then_refresh_again", &[], refresh_then_retry),
    ("g05_r18_an_expired_zone_is_not_served_and_comes_back", &[], an_expired_zone),
    ("e11_r18_the_time_while_down_counts", &[], the_time_while_down),
    ("g06_absurd_timers_are_clamped", &[], absurd_timers),
    ("g06_many_zones_do_not_ask_at_once", &[], many_zones_do_not_ask_at_once),
    ("g07_check_warns_of_odd_timers", &[], check_warns_of_odd_timers),
    ("g09_r19_the_time_left_falls_along_a_chain", &[], the_time_left_falls),
    ("r18_what_resets_expire_and_what_does_not", &[], what_resets_expire),
    ("r19_the_expire_option_is_capped_and_only_raises_from_a_poll", &[], the_expire_option),
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

fn polls(fake: &Fake) -> Vec<Request> {
    fake.asked(|kind| kind == Kind::Soa).into_iter().filter(|request| request.way == Way::Udp).collect()
}

fn rcode(secondary: &Bellwether<'_>) -> u16 {
    ask(secondary, ZONE, SOA).rcode()
}

fn refresh_then_retry(yard: &Yard) {
    // Refresh every 3 s, retry every second (the clamp of `follow`), expire late.
    let primary = Mute::serving(zone(1, [3, 1, 600]));
    let secondary = following(yard, &[&primary.fake], "");
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
    let secondary = following(yard, &[&primary.fake], "");
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

/// Asks often; the requests of any second are few.
fn assert_gentle(requests: &[Request], most: usize) {
    for request in requests {
        let second = requests.iter().filter(|other| other.at >= request.at);
        let count = second.filter(|other| other.at - request.at < Duration::from_secs(1)).count();
        assert!(count <= most, "{count} requests in a second");
    }
}

fn absurd_timers(yard: &Yard) {
    // REFRESH, RETRY and EXPIRE 0: asked once a second by the clamps here. An operator may raise EXPIRE.
    let fake = Fake::serving(zone(1, [0, 0, 0]));
    let secondary = Bellwether::new(yard, "clamped");
    secondary.configure_more(
        "",
        "expire_min = \"60s\"\n",
        &format!(
            "[peers.p]\naddress = \"{}\"\n\n[[zones]]\nname = \"{ZONE}\"\nrole = \"secondary\"\nprimaries = [\"p\"]\n",
            fake.address
        ),
    );
    secondary.start();
    secondary.wait(1);
    fake.await_request(6, |kind| kind == Kind::Soa);
    assert_eq!(rcode(&secondary), 0);
    assert_gentle(&polls(&fake), 3);
    // Without that the zone is never good for a moment. That must not be a reason to ask without end.
    let fake = Fake::serving(zone(1, [0, 0, 0]));
    let secondary = Bellwether::new(yard, "secondary");
    secondary.follow(&[fake.address], "");
    secondary.start();
    fake.await_request(4, |kind| kind == Kind::Soa);
    assert_eq!(rcode(&secondary), 2);
    assert_gentle(&polls(&fake), 3);
    // EXPIRE below REFRESH: kept alive by what is asked when it expires.
    let fake = Fake::serving(zone(1, [3600, 1, 3]));
    let secondary = Bellwether::new(yard, "short");
    secondary.follow(&[fake.address], "");
    secondary.start();
    secondary.wait(1);
    fake.await_request(4, |kind| kind == Kind::Soa);
    assert_gentle(&polls(&fake), 3);
}

fn many_zones_do_not_ask_at_once(yard: &Yard) {
    const ZONES: usize = 200;
    let fake = Fake::new(|request| {
        let (apex, ..) = request.message.question().expect("a question");
        let mut zone = zone(1, [10, 1, 600]);
        for record in [&mut zone.soa].into_iter().chain(&mut zone.records) {
            record.owner.clone_from(&apex);
        }
        zone.answer(request)
    });
    let secondary = Bellwether::new(yard, "secondary");
    let mut zones = format!("[peers.p]\naddress = \"{}\"\n\n", fake.address);
    for number in 0..ZONES {
        zones += &format!(
            "[[zones]]\nname = \"zone-{number}.example\"\nrole = \"secondary\"\nprimaries = [\"p\"]\n\n"
        );
    }
    secondary.configure(&zones);
    secondary.start();
    yard::poll("a refresh of each", || (polls(&fake).len() >= 2 * ZONES).then_some(()));
    let asked = polls(&fake);
    let times_of = |number: usize| {
        let zone = crate::wire::name(&format!("zone-{number}.example"));
        let own =
            asked.iter().filter(|request| request.message.question().is_some_and(|(of, ..)| of == zone));
        own.map(|request| request.at).collect::<Vec<_>>()
    };
    let gaps: Vec<Duration> = (0..ZONES)
        .filter_map(|number| times_of(number).windows(2).last().map(|pair| pair[1] - pair[0]))
        .collect();
    let (least, most) = (gaps.iter().min().expect("gaps"), gaps.iter().max().expect("gaps"));
    // A tenth of the refresh, in either direction of which nothing may lie.
    assert!(*most - *least > Duration::from_millis(400), "{least:?} to {most:?}");
    assert!(*least > Duration::from_millis(8500), "{least:?}");
}

fn check_warns_of_odd_timers(yard: &Yard) {
    let server = Bellwether::new(yard, "server");
    server.primary_for(yard::free_address(), crate::bellwether::Trust::Key);
    for (timers, told) in [
        ("3600 600 4000", "EXPIRE 4000 is less than REFRESH 3600 + RETRY 600"),
        ("600 3600 1209600", "RETRY 3600 is greater than REFRESH 600"),
        ("0 0 1209600", "REFRESH or RETRY is 0"),
        ("3600 600 7200", "EXPIRE 7200 is less than a day"),
    ] {
        server.write_zone(&zone_text(1, 0).replace("3600 600 1209600", timers));
        let output = server.command(&["check"], &[]);
        let text = yard::said(&output);
        assert!(
            output.status.success() && text.contains(told) && text.contains("BW-Z20"),
            "{timers}: {text}"
        );
        assert!(text.contains("example.com.zone:"), "{text}");
    }
    server.write_zone(&zone_text(1, 0));
    assert!(!yard::said(&server.command(&["check"], &[])).contains("BW-Z20"));
}

/// The time left that a server tells, in seconds.
fn left(server: &Bellwether<'_>) -> u32 {
    let asked = Message::query(1, ZONE, SOA).edns(1232, &[(EXPIRE, &[])]);
    let answer = over_udp(server.address, &asked.0).expect("an answer");
    u32::from_be_bytes(answer.option(EXPIRE).expect("the option").try_into().expect("four octets"))
}

fn the_time_left_falls(yard: &Yard) {
    let primary = Mute::serving(zone(1, [600, 1, 1000]));
    let first = following(yard, &[&primary.fake], "");
    primary.set_silent(true);
    let at_first = left(&first);
    assert!((900..=1000).contains(&at_first), "{at_first}");
    yard::poll("time to pass", || (left(&first) + 2 <= at_first).then_some(()));
    let before = left(&first);
    let second = Bellwether::new(yard, "second");
    second.secondary_of(first.address, crate::bellwether::Trust::Key);
    second.start();
    second.wait(1);
    // Not the SOA's thousand seconds, but what was left where it came from.
    assert!(left(&second) <= before && left(&second) > 800, "{} of {before}", left(&second));
    let before = left(&second);
    yard::poll("time to pass", || (left(&second) < before).then_some(()));
}

fn what_resets_expire(yard: &Yard) {
    // An equal serial does: served for far longer than EXPIRE.
    let confirmed = Fake::serving(zone(5, [1, 1, 6]));
    let kept = following(yard, &[&confirmed], "");
    // A newer version that the guard holds does as well.
    let guarded = Fake::serving(zone(5, [1, 1, 6]));
    let held = following(yard, &[&guarded], "guard = \"hold\"\nguard_records = 0\nguard_percent = 0\n");
    guarded.follow(|request| {
        let mut smaller = zone(6, [1, 1, 6]);
        smaller.records.retain(|record| record.owner_text() != "www.example.com.");
        smaller.answer(request)
    });
    // A lower serial does not.
    let lower = Fake::serving(zone(5, [1, 1, 6]));
    let behind = following(yard, &[&lower], "lower_serial = \"never\"");
    lower.follow(|request| zone(4, [1, 1, 6]).answer(request));
    // Nor does a newer SOA whose transfer fails.
    let refusing = Fake::serving(zone(5, [1, 1, 6]));
    let refused = following(yard, &[&refusing], "");
    refusing.follow(|request| match request.kind {
        Kind::Soa => zone(6, [1, 1, 6]).answer(request),
        _ => send(request.reply_with(AA | 5)),
    });
    for (what, server) in [("a lower serial", &behind), ("a refused transfer", &refused)] {
        yard::poll(what, || (rcode(server) == 2).then_some(()));
    }
    yard::poll("long enough", || {
        assert_eq!((rcode(&kept), serial(&held)), (0, Some(5)));
        let (asked, held) = (polls(&confirmed), guarded.asked(|kind| kind == Kind::Soa));
        let spans = |asked: &[Request]| asked.last().map(|last| last.at - asked[0].at);
        (spans(&asked) > Some(Duration::from_secs(10)) && spans(&held) > Some(Duration::from_secs(10)))
            .then_some(())
    });
    assert_eq!(held.status()["held"], 6);
    // And when the refusing primary gives its version, the zone is there again.
    refusing.follow(|request| zone(6, [1, 1, 6]).answer(request));
    refused.wait(6);
}

fn the_expire_option(yard: &Yard) {
    let option = Arc::new(AtomicU32::new(100));
    let (told, serial) = (option.clone(), Arc::new(AtomicU32::new(1)));
    let published = serial.clone();
    let fake = Fake::new(move |request| {
        let seconds = told.load(Ordering::SeqCst).to_be_bytes();
        let mut steps = zone(published.load(Ordering::SeqCst), [1, 1, 1000]).answer(request);
        for step in &mut steps {
            if let Step::Send(message) = step {
                *message = Message(std::mem::take(message)).edns(1232, &[(EXPIRE, &seconds)]).0;
            }
        }
        steps
    });
    let secondary = following(yard, &[&fake], "");
    let more_polls = || {
        let had = polls(&fake).len();
        yard::poll("two polls", || (polls(&fake).len() >= had + 2).then_some(()));
    };
    // From a transfer: what the option says.
    assert!((40..=100).contains(&left(&secondary)), "{}", left(&secondary));
    // From a poll: never less than what is left.
    option.store(5, Ordering::SeqCst);
    more_polls();
    assert!((40..=100).contains(&left(&secondary)), "{}", left(&secondary));
    option.store(500, Ordering::SeqCst);
    more_polls();
    assert!((400..=500).contains(&left(&secondary)), "{}", left(&secondary));
    // Capped by SOA EXPIRE.
    option.store(5000, Ordering::SeqCst);
    more_polls();
    assert!((900..=1000).contains(&left(&secondary)), "{}", left(&secondary));
    // A transfer lowers it again.
    option.store(50, Ordering::SeqCst);
    serial.store(2, Ordering::SeqCst);
    secondary.wait(2);
    assert!(left(&secondary) <= 50, "{}", left(&secondary));
}

fn the_time_while_down(yard: &Yard) {
    let primary = Mute::serving(zone(1, [1, 1, 4]));
    let secondary = following(yard, &[&primary.fake], "");
    primary.set_silent(true);
    secondary.kill();
    let killed = Instant::now();
    yard::poll("EXPIRE to pass", || (killed.elapsed() > Duration::from_secs(5)).then_some(()));
    let before = polls(&primary.fake).len();
    secondary.start();
    // Expired from its first answer on, and asking.
    assert_eq!(rcode(&secondary), 2);
    yard::poll("a poll", || (polls(&primary.fake).len() > before).then_some(()));
    assert_eq!(rcode(&secondary), 2);
    primary.set_silent(false);
    yard::poll("the zone to be served again", || (rcode(&secondary) == 0).then_some(()));
}
