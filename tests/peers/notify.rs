//! NOTIFY as it goes out (F01 to F03, F09, F11, F13; R17): to whom, how often, and what it holds.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::Test;
use crate::bellwether::{Bellwether, Trust};
use crate::enclosure::{Enclosure, Kind as Ground};
use crate::fake::{Fake, Kind, Request, Step, Way, Zone, ask, send};
use crate::pair::pair;
use crate::signature::Seal;
use crate::texts::{ZONE, zone_text};
use crate::wire::{AA, IN, Message, QR, Reply, SOA, Stream, name};
use crate::yard::{self, KEY_NAME, Yard};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("f01_a_notify_holds_the_new_soa", &[], a_notify_holds_the_new_soa),
    ("f02_only_configured_secondaries_are_told", &["dig", "unshare", "nsenter", "ip"], only_configured),
    ("f02_a_server_does_not_tell_itself", &[], a_server_does_not_tell_itself),
    ("f02_r17_notify_ns_tells_the_name_servers", &["unshare", "nsenter", "ip"], name_servers),
    ("f03_r17_told_until_acknowledged_and_reminded_until_seen", &[], told_until_seen),
    ("f09_a_secondary_tells_its_own_secondaries", &["dig"], a_secondary_tells_its_own),
    ("f11_a_burst_of_edits_gives_few_notifies", &["dig"], a_burst_of_edits),
    ("f13_an_unsigned_acknowledgement_is_none", &[], an_unsigned_acknowledgement),
    ("r17_an_acknowledgement_after_the_next_try_counts", &[], a_late_acknowledgement),
    ("r17_a_restart_tells_only_those_that_lack_something", &[], a_restart_tells_few),
];

/// One reminder of the slow lane, a minute after the NOTIFY, on a machine that is busy.
const REMINDED_AFTER_MAX: Duration = Duration::from_secs(150);

/// A secondary of a config: its name, where it listens, and whether it has the key.
type Target<'t> = (&'t str, SocketAddr, Trust);

/// A primary of [`ZONE`] that tells all of them.
fn primary<'y>(yard: &'y Yard, targets: &[Target<'_>]) -> Bellwether<'y> {
    let server = Bellwether::new(yard, "primary");
    server.write_zone(&zone_text(1, 0));
    configure(&server, targets);
    server.start();
    server.wait(1);
    server
}

fn configure(server: &Bellwether, targets: &[Target<'_>]) {
    let mut config = String::new();
    for (name, address, trust) in targets {
        let key = if *trust == Trust::Key { format!("key = \"{KEY_NAME}\"\n") } else { String::new() };
        config += &format!("[peers.{name}]\naddress = \"{address}\"\n{key}\n");
    }
    let names: Vec<String> = targets.iter().map(|(name, ..)| format!("\"{name}\"")).collect();
    server.configure(&format!(
        "{config}[[zones]]\nname = \"{ZONE}\"\nrole = \"primary\"\nfile = \"{}\"\nnotify = [{}]\n\
         allow_transfer = [\"key:{KEY_NAME}\"]\n",
        server.zone_file().display(),
        names.join(", ")
    ));
}

fn is_notify(kind: Kind) -> bool {
    matches!(kind, Kind::Notify(_))
}

/// Acknowledges with the key.
fn acknowledge(request: &Request) -> Vec<Step> {
    send(Seal::flock().requested(&request.message).sign(request.reply()))
}

/// The NOTIFYs, one of each: while no answer comes the same datagram is sent again.
fn notifies(fake: &Fake) -> Vec<Request> {
    let mut seen = BTreeSet::new();
    fake.asked(is_notify).into_iter().filter(|request| seen.insert(request.message.id())).collect()
}

/// What the primary knows of a secondary.
fn known(primary: &Bellwether, peer: &str) -> serde_json::Value {
    let status = primary.status();
    let list = status["secondaries"].as_array().expect("secondaries");
    list.iter().find(|known| known["peer"] == peer).unwrap_or_else(|| panic!("{peer}: {status}")).clone()
}

fn a_notify_holds_the_new_soa(yard: &Yard) {
    let (plain, keyed) = (Fake::new(|request| send(request.reply())), Fake::new(acknowledge));
    let targets = [("plain", plain.address, Trust::Address), ("keyed", keyed.address, Trust::Key)];
    let primary = primary(yard, &targets);
    for serial in [1, 2] {
        if serial == 2 {
            primary.write_zone(&zone_text(2, 1));
        }
        for fake in [&plain, &keyed] {
            let request = fake.await_request(1, |kind| kind == Kind::Notify(Some(serial)));
            assert_eq!((request.way, request.message.flags()), (Way::Udp, 4 << 11 | AA));
            assert_eq!(request.message.question(), Some((name(ZONE), SOA, IN)));
            assert_eq!((request.message.count(1), request.message.count(2)), (1, 0));
            assert_eq!(request.message.answers(), ask(&primary, ZONE, SOA).answers());
            request.message.decoded();
        }
        // With the key, and without one where there is none.
        let signed = keyed.await_request(1, |kind| kind == Kind::Notify(Some(serial)));
        Seal::flock().requested(&signed.message);
    }
    assert!(plain.asked(is_notify).iter().all(|request| request.message.count(3) == 0));
}

/// A name server of the zone that is at the standard port but in no config hears nothing.
fn only_configured(yard: &Yard) {
    let network = "ip link set lo up\nip addr add 192.0.2.9/32 dev lo\nip addr add 192.0.2.10/32 dev lo";
    let enclosure = Enclosure::new(yard, Ground::Network, network);
    let (primary, secondary) = (Bellwether::new(yard, "primary"), Bellwether::new(yard, "secondary"));
    let stranger = Bellwether::new(yard, "stranger");
    let listen = |server: &Bellwether, addresses: &str| listen_inside(server, &enclosure, addresses);
    let text = |serial: u32| {
        zone_text(serial, serial) + "@ NS here\nhere A 192.0.2.9\n@ NS there\nthere A 192.0.2.10\n"
    };
    stranger.secondary_of("192.0.2.1:53".parse().expect("an address"), Trust::Key);
    listen(&stranger, "\"192.0.2.9:53\", \"127.0.0.1:53\"");
    let there = "192.0.2.10:5300".parse().expect("an address");
    primary.write_zone(&text(1));
    configure(&primary, &[("there", there, Trust::Key)]);
    listen(&primary, "\"127.0.0.1:5301\"");
    secondary.secondary_of("127.0.0.1:5301".parse().expect("an address"), Trust::Key);
    listen(&secondary, "\"192.0.2.10:5300\"");
    for serial in 2..=4 {
        primary.write_zone(&text(serial));
        secondary.wait(serial);
    }
    let log = stranger.log();
    assert!(!log.contains("BW-T05") && !log.contains("notify"), "{log}");
    // It would have been heard.
    let told = enclosure.run(&format!("dig @192.0.2.9 +opcode=notify +norecurse {ZONE} SOA"));
    assert!(told.contains("opcode: NOTIFY, status: REFUSED"), "{told}");
    yard::poll("the refusal to be logged", || stranger.log().contains("BW-T05").then_some(()));
}

/// Starts a server that is configured, inside, at other addresses.
fn listen_inside(server: &Bellwether, enclosure: &Enclosure, addresses: &str) {
    let config = std::fs::read_to_string(server.config()).expect("a config");
    let config =
        config.replace(&format!("listen = [\"{}\"]", server.address), &format!("listen = [{addresses}]"));
    std::fs::write(server.config(), config).expect("a config");
    server.enter(enclosure);
    server.start();
}

/// Of the name servers one is the primary itself, one stands in the zone, one in another zone that the
/// primary serves, one is a peer with a key, and one stands in a zone that nobody here has.
fn name_servers(yard: &Yard) {
    // What leaves for an address of this machine leaves from the primary's.
    let network = "ip link set lo up\nfor n in 8 9 10 11; do ip addr add 192.0.2.$n/32 dev lo; done\n\
                   for n in 9 10 11; do ip route replace local 192.0.2.$n dev lo table local src 192.0.2.8; done";
    let enclosure = Enclosure::new(yard, Ground::Network, network);
    let primary = Bellwether::new(yard, "primary");
    let text = |serial: u32| {
        zone_text(serial, serial)
            + "@ NS self\n@ NS here\n@ NS keyed\n@ NS there.example.net.\n@ NS far.example.org.\n\
               self A 192.0.2.8\nhere A 192.0.2.9\nkeyed A 192.0.2.11\n"
    };
    primary.write_zone(&text(1));
    let other = primary.dir.join("example.net.zone");
    std::fs::write(
        &other,
        "$TTL 300\n@ SOA ns me 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.8\nthere A 192.0.2.10\n",
    )
    .expect("a zone file");
    primary.configure(&format!(
        "[peers.keyed]\naddress = \"192.0.2.11:53\"\nkey = \"{KEY_NAME}\"\n\n\
         [[zones]]\nname = \"{ZONE}\"\nrole = \"primary\"\nfile = \"{}\"\nnotify_ns = true\n\
         allow_transfer = [\"192.0.2.0/24\", \"keyed\"]\n\n\
         [[zones]]\nname = \"example.net\"\nrole = \"primary\"\nfile = \"{}\"\n",
        primary.zone_file().display(),
        other.display()
    ));
    listen_inside(&primary, &enclosure, "\"192.0.2.8:53\"");
    let secondaries = [("here", 9, Trust::Address), ("there", 10, Trust::Address), ("keyed", 11, Trust::Key)];
    let secondaries = secondaries.map(|(name, host, trust)| {
        let server = Bellwether::new(yard, name);
        server.secondary_of("192.0.2.8:53".parse().expect("an address"), trust);
        listen_inside(&server, &enclosure, &format!("\"192.0.2.{host}:53\""));
        server.wait(1);
        server
    });
    for serial in 2..=3 {
        primary.write_zone(&text(serial));
        // REFRESH is an hour: nothing but a NOTIFY brings it.
        secondaries.iter().for_each(|server| server.wait(serial));
    }
    let told = |peer: &str| known(&primary, peer)["acknowledged"] == 3;
    for peer in ["192.0.2.9:53", "192.0.2.10:53", "keyed"] {
        yard::poll(peer, || told(peer).then_some(()));
    }
    // The two that the zone has anyway cannot be reached from here; and it does not tell itself.
    let listed = || -> Vec<String> {
        let status = primary.status();
        let list = status["secondaries"].as_array().expect("secondaries").iter();
        list.map(|known| known["peer"].as_str().expect("a name").to_owned()).collect()
    };
    let all = ["192.0.2.1:53", "192.0.2.9:53", "192.0.2.10:53", "keyed", "[2001:db8::2]:53"];
    assert_eq!(listed(), all);
    assert!(!primary.log().contains("BW-T05"), "{}", primary.log());
    // A name server that is gone from the zone hears nothing more.
    primary.write_zone(&text(4).replace("@ NS here\n", ""));
    yard::poll("one fewer", || (listed() == [&all[..1], &all[2..]].concat()).then_some(()));
    let is_told = |line: &&str| line.contains("notify") && line.contains("to=192.0.2.9:53");
    let heard = || primary.log().lines().filter(is_told).count();
    let before = heard();
    for serial in 5..=6 {
        primary.write_zone(&text(serial).replace("@ NS here\n", ""));
        secondaries[1..].iter().for_each(|server| server.wait(serial));
    }
    assert!(before > 0 && heard() <= before + 1, "{before} {}", heard());
}

fn a_server_does_not_tell_itself(yard: &Yard) {
    let other = Fake::new(|request| send(request.reply()));
    let server = Bellwether::new(yard, "primary");
    server.write_zone(&zone_text(1, 0));
    // One list for all servers of a flock is common.
    let targets = [("itself", server.address, Trust::Address), ("other", other.address, Trust::Address)];
    configure(&server, &targets);
    server.start();
    for serial in 2..=4 {
        server.write_zone(&zone_text(serial, serial));
        other.await_request(1, |kind| kind == Kind::Notify(Some(serial)));
    }
    let status = server.status();
    assert_eq!(status["secondaries"].as_array().map(Vec::len), Some(1), "{status}");
    assert!(!server.log().contains("BW-T05"), "{}", server.log());
}

/// Takes more than a minute, because a reminder does.
fn told_until_seen(yard: &Yard) {
    let silent = Fake::new(|_| Vec::new());
    let idle = Fake::new(|request| send(request.reply()));
    let keen = Fake::new(acknowledge);
    // It has the version from somebody else, and never asks us.
    let supplied = Fake::serving(Zone::new(ZONE, 1, []));
    let primary = primary(
        yard,
        &[
            ("supplied", supplied.address, Trust::Address),
            ("silent", silent.address, Trust::Address),
            ("idle", idle.address, Trust::Address),
            ("keen", keen.address, Trust::Key),
        ],
    );
    keen.await_request(1, is_notify);
    let (request, mut chain) = Seal::flock().request(Message::ixfr(1, ZONE, 1));
    assert!(chain.verify(&Stream::to(primary.address).ask(&request)));
    yard::poll("what keen has", || (known(&primary, "keen")["has"] == 1).then_some(()));
    // The one that acknowledged and never asked is reminded.
    let told = || notifies(&idle).len();
    yard::poll_within(REMINDED_AFTER_MAX, "a reminder", || (told() > 1).then_some(()));
    let reminded = notifies(&idle);
    assert_eq!(reminded.len(), 2);
    let waited = reminded[1].at - reminded[0].at;
    assert!(waited > Duration::from_secs(30), "{waited:?}");
    // It was asked what it has before; the other one had it, and needs no reminder.
    let probe = |fake: &Fake| fake.asked(|kind| kind == Kind::Soa).last().map(|request| request.at);
    assert!(probe(&idle).is_some_and(|at| reminded[0].at < at && at < reminded[1].at));
    yard::poll("what supplied has", || (known(&primary, "supplied")["has"] == 1).then_some(()));
    assert_eq!((supplied.asked(|kind| kind == Kind::Soa).len(), notifies(&supplied).len()), (2, 1));
    // The silent one was told again and again meanwhile, with longer and longer waits.
    let tries = notifies(&silent);
    assert!((4..=6).contains(&tries.len()), "{} tries", tries.len());
    let gaps: Vec<Duration> = tries.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    assert!(gaps[2] > gaps[0], "{gaps:?}");
    assert!(silent.asked(is_notify).len() > tries.len(), "a lost datagram is sent again");
    // And who was seen with the version is left alone.
    assert_eq!(notifies(&keen).len(), 1);
    let (silent, idle) = (known(&primary, "silent"), known(&primary, "idle"));
    assert!(silent["acknowledged"].is_null() && silent["failure"].is_string(), "{silent}");
    assert!(idle["acknowledged"] == 1 && idle["has"].is_null() && idle["failure"].is_null(), "{idle}");
}

fn a_secondary_tells_its_own(yard: &Yard) {
    let (primary, middle) = (Bellwether::new(yard, "primary"), Bellwether::new(yard, "middle"));
    let leaf = Bellwether::new(yard, "leaf");
    primary.write_zone(&zone_text(1, 0));
    primary.primary_for(middle.address, Trust::Key);
    middle.configure(&format!(
        "[peers.up]\naddress = \"{}\"\nkey = \"{KEY_NAME}\"\n[peers.down]\naddress = \"{}\"\nkey = \"{KEY_NAME}\"\n\
         [[zones]]\nname = \"{ZONE}\"\nrole = \"secondary\"\nprimaries = [\"up\"]\nsecondaries = [\"down\"]\n",
        primary.address, leaf.address
    ));
    leaf.secondary_of(middle.address, Trust::Key);
    for server in [&primary, &middle, &leaf] {
        server.start();
    }
    leaf.wait(1);
    for edits in 1..=3 {
        primary.write_zone(&zone_text(1 + edits, edits));
        // REFRESH is an hour, so nothing but a NOTIFY brings it here.
        leaf.wait(1 + edits);
        assert!(leaf.last_transfer().starts_with("ixfr"), "{}", leaf.last_transfer());
        yard::assert_same(primary.address, leaf.address, ZONE);
    }
    yard::poll("the acknowledgement", || (known(&middle, "down")["acknowledged"] == 4).then_some(()));
}

fn a_burst_of_edits(yard: &Yard) {
    const EDITS: u32 = 100;
    let fake = Fake::new(|request| send(request.reply()));
    let secondary = Bellwether::new(yard, "secondary");
    let targets = [("fake", fake.address, Trust::Address), ("real", secondary.address, Trust::Key)];
    let primary = primary(yard, &targets);
    secondary.secondary_of(primary.address, Trust::Key);
    secondary.start();
    secondary.wait(1);
    let before = notifies(&fake).len();
    let begun = Instant::now();
    for edit in 1..=EDITS {
        primary.write_zone(&zone_text(1 + edit, edit % 20));
        // A hundred of them in a second.
        while begun.elapsed() < Duration::from_millis(10) * edit {
            std::thread::yield_now();
        }
    }
    let last = EDITS + 1;
    secondary.wait(last);
    fake.await_request(1, |kind| kind == Kind::Notify(Some(last)));
    let seconds = begun.elapsed().as_secs() as usize;
    let told = notifies(&fake).len() - before;
    // Four a second at most, and the first and the last one.
    assert!(told <= 4 * seconds + 10 && told < EDITS as usize, "{told} NOTIFYs in {seconds} s");
    assert_eq!(notifies(&fake).last().map(|request| request.kind), Some(Kind::Notify(Some(last))));
    yard::assert_same(primary.address, secondary.address, ZONE);
}

fn an_unsigned_acknowledgement(yard: &Yard) {
    let keyed = Fake::new(|request| send(request.reply()));
    let primary = primary(yard, &[("keyed", keyed.address, Trust::Key)]);
    yard::poll("another try", || (notifies(&keyed).len() > 1).then_some(()));
    let failure = || known(&primary, "keyed")["failure"].as_str().map(str::to_owned);
    let failure = yard::poll("a failure", failure);
    assert!(failure.contains("not signed"), "{failure}");
    assert!(known(&primary, "keyed")["acknowledged"].is_null());
    keyed.follow(acknowledge);
    yard::poll("the acknowledgement", || (known(&primary, "keyed")["acknowledged"] == 1).then_some(()));
    assert!(known(&primary, "keyed")["failure"].is_null());
}

fn a_restart_tells_few(yard: &Yard) {
    let (primary, secondary) = pair(yard);
    primary.write_zone(&zone_text(2, 1));
    secondary.wait(2);
    yard::poll("what p has", || (known(&primary, "p")["has"] == 2).then_some(()));
    assert!(primary.stop().success());
    // Another server stands where the secondary was: it would hear a NOTIFY.
    secondary.kill();
    primary.start();
    let now = known(&primary, "p");
    assert!(now["has"] == 2 && now["acknowledged"] == 2 && now["failure"].is_null(), "{now}");
    // What it lacks it is told.
    primary.write_zone(&zone_text(3, 2));
    primary.wait(3);
    assert_eq!(known(&primary, "p")["has"], 2);
    secondary.start();
    secondary.wait(3);
    yard::poll("what p has", || (known(&primary, "p")["has"] == 3).then_some(()));
}

/// A secondary that acknowledges each try when the next one has come.
fn a_late_acknowledgement(yard: &Yard) {
    let socket = UdpSocket::bind(yard::free_address()).expect("the port");
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    let primary = primary(yard, &[("late", socket.local_addr().expect("an address"), Trust::Address)]);
    let (mut seen, mut tries, mut serial) = (BTreeSet::new(), Vec::<(u16, SocketAddr)>::new(), 1);
    yard::poll("an acknowledgement that counts", || {
        let mut octets = [0; 4096];
        while let Ok((length, client)) = socket.recv_from(&mut octets) {
            let id = Reply(octets[..length].to_vec()).id();
            if !seen.insert(id) {
                continue;
            }
            tries.push((id, client));
            if let [.., (before, client), _] = tries[..] {
                let reply = Message::new(before, QR | 4 << 11 | AA).question(&name(ZONE), SOA, IN);
                socket.send_to(&reply.0, client).expect("a datagram");
            }
            if tries.len() == 3 {
                // On a machine that is too busy it was too late after all; the next version is another chance.
                (tries, serial) = (Vec::new(), serial + 1);
                primary.write_zone(&zone_text(serial, serial));
                primary.wait(serial);
            }
        }
        known(&primary, "late")["acknowledged"].is_u64().then_some(())
    });
    assert!(known(&primary, "late")["failure"].is_null());
}
