//! DNS cookies (PROTOCOL A36-A41, R26) from outside, and shared with BIND and Knot.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use siphasher::sip::SipHasher24;

use crate::Test;
use crate::bellwether::Bellwether;
use crate::client::Client;
use crate::peer::own_named;
use crate::texts::{ZONE, zone_text};
use crate::wire::{A, Message, Reply, SOA, Stream, over_udp};
use crate::yard::{self, Process, Yard, dig};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("a05_a36_a37_a_cookie_is_given_to_whoever_sends_one", &[], a_cookie_is_given),
    ("a37_p35_dig_takes_the_cookie", &["dig"], dig_takes_the_cookie),
    ("a38_a_cookie_is_good_from_its_address_only", &[], good_from_its_address_only),
    ("a39_a_cookie_is_good_for_an_hour_and_five_minutes_ahead", &[], good_for_an_hour),
    ("a40_secrets_roll_and_are_shared", &[], secrets_roll_and_are_shared),
    ("a40_own_secrets_survive_a_restart_and_roll_with_a_reload", &[], own_secrets_survive),
    ("a40_cookies_of_bind_are_ours_and_ours_are_its", &["named"], shared_with_bind),
    ("a40_cookies_of_knot_are_ours_and_ours_are_its", &["knotd"], shared_with_knot),
    ("a41_a_cookie_that_is_required", &["dig"], required),
    ("o02_a_good_cookie_is_never_limited", &[], never_limited),
];

const COOKIE: u16 = 10;
const OWN: [u8; 8] = *b"selected";
const SECRET: &str = "445536bcd2513298075a5d379663c962";
const OLD_SECRET: &str = "dd3bdf9344b678b185a6f5cb60fca715";
/// BADCOOKIE: the header has its four lower bits, the OPT record the rest.
const BADCOOKIE: u16 = 23;

/// A server with these lines under `[cookies]`, and a file `cookie.secrets` beside its config.
fn server<'y>(yard: &'y Yard, name: &str, secrets: &[&str], cookies: &str) -> Bellwether<'y> {
    let server = Bellwether::new(yard, name);
    server.write_zone(&zone_text(1, 0));
    fs::write(server.dir.join("cookie.key"), secrets.join("\n")).expect("a file");
    server.alone(&format!("\n[cookies]\n{cookies}\n"));
    server.start();
    server.wait(1);
    server
}

const SHARED: &str = "secret_file = \"cookie.key\"";

fn asking(cookie: &[u8]) -> Message {
    Message::query(7, ZONE, SOA).edns(1232, &[(COOKIE, cookie)])
}

/// The whole rcode.
fn rcode(reply: &Reply) -> u16 {
    let opt = reply.records().into_iter().find(|(_, record)| record.rtype == 41);
    reply.rcode() | opt.map_or(0, |(_, opt)| (opt.ttl >> 24) as u16) << 4
}

fn ask(server: SocketAddr, cookie: &[u8]) -> (u16, Vec<u8>) {
    let reply = over_udp(server, &asking(cookie).0).expect("a reply");
    (rcode(&reply), reply.option(COOKIE).unwrap_or_default())
}

fn fresh(server: SocketAddr) -> Vec<u8> {
    let (_, cookie) = ask(server, &OWN);
    assert_eq!((&cookie[..8], cookie.len(), &cookie[8..12]), (&OWN[..], 24, &[1, 0, 0, 0][..]));
    cookie
}

fn now() -> u32 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as u32
}

/// A cookie as RFC 9018 §4 has it, for 127.0.0.1.
fn forged(secret: &str, seconds: u32) -> Vec<u8> {
    let key: [u8; 16] =
        std::array::from_fn(|at| u8::from_str_radix(&secret[2 * at..2 * at + 2], 16).expect("hex"));
    let mut cookie = [&OWN[..], &[1, 0, 0, 0], &seconds.to_be_bytes()].concat();
    let hash = SipHasher24::new_with_key(&key).hash(&[&cookie[..], &[127, 0, 0, 1]].concat());
    cookie.extend(hash.to_le_bytes());
    cookie
}

fn a_cookie_is_given(yard: &Yard) {
    let server = server(yard, "server", &[], "");
    let cookie = fresh(server.address);
    let age = now().wrapping_sub(u32::from_be_bytes(cookie[12..16].try_into().expect("four octets")));
    assert!(age < 60, "{age}");
    let mut stream = Stream::to(server.address);
    for length in 0..=48 {
        let right = matches!(length, 8 | 16..=40);
        let message = asking(&vec![9; length]);
        for reply in [over_udp(server.address, &message.0).expect("a reply"), stream.ask(&message)] {
            assert_eq!(rcode(&reply), if right { 0 } else { 1 }, "{length} octets");
            assert_eq!(reply.option(COOKIE).is_some(), right);
            assert_eq!(reply.count(3), 1, "OPT tells that EDNS is known here");
        }
    }
    // Without a question: a cookie, and whether the one that was sent is good.
    let mut bad = cookie.clone();
    bad[23] ^= 1;
    for (sent, expected) in [(&OWN[..], 0), (&cookie, 0), (&bad, BADCOOKIE)] {
        let message = Message::new(7, 0).edns(1232, &[(COOKIE, sent)]);
        for reply in [over_udp(server.address, &message.0).expect("a reply"), stream.ask(&message)] {
            let counts = [0, 1, 2, 3].map(|section| reply.count(section));
            assert_eq!((rcode(&reply), counts), (expected, [0, 0, 0, 1]));
            assert_eq!(reply.option(COOKIE).map(|cookie| cookie.len()), Some(24));
        }
    }
    for message in [Message::new(7, 0), Message::new(7, 0).edns(1232, &[])] {
        for reply in [over_udp(server.address, &message.0).expect("a reply"), stream.ask(&message)] {
            assert_eq!(reply.rcode(), 1);
        }
    }
    let plain = over_udp(server.address, &Message::query(7, ZONE, SOA).edns(1232, &[]).0).expect("a reply");
    assert_eq!(plain.option(COOKIE), None, "never unasked");
}

fn dig_takes_the_cookie(yard: &Yard) {
    let server = server(yard, "server", &[], "");
    for transport in ["+notcp", "+tcp"] {
        let text = dig(server.address, &["+cookie", transport, ZONE, "SOA"]);
        let line = text.lines().find(|line| line.starts_with("; COOKIE: ")).expect("a cookie");
        assert!(line.ends_with("(good)") && line.contains("01000000"), "{text}");
    }
}

fn good_from_its_address_only(yard: &Yard) {
    let server = server(yard, "server", &[], "mode = \"require\"");
    let cookie = fresh(server.address);
    for (address, expected) in [([127, 0, 0, 1], 0), ([127, 0, 0, 2], BADCOOKIE), ([127, 1, 0, 1], BADCOOKIE)]
    {
        let reply = Client::at(address, server.address).ask(&asking(&cookie));
        assert_eq!(rcode(&reply), expected, "{address:?}");
        assert_eq!(reply.option(COOKIE) == Some(cookie.clone()), expected == 0);
    }
    let mut other = cookie.clone();
    other[0] ^= 1;
    assert_eq!(ask(server.address, &other).0, BADCOOKIE, "another client's part");
}

fn good_for_an_hour(yard: &Yard) {
    let server = server(yard, "server", &[SECRET], &format!("mode = \"require\"\n{SHARED}"));
    // A minute of leeway: the test may be slow.
    for (age, expected, kept) in [
        (0, 0, true),
        (29 * 60, 0, true),
        (31 * 60, 0, false),
        (59 * 60, 0, false),
        (61 * 60, BADCOOKIE, false),
        (-4 * 60, 0, true),
        (-7 * 60, BADCOOKIE, false),
        (i32::MAX, BADCOOKIE, false),
    ] {
        let cookie = forged(SECRET, now().wrapping_sub(age as u32));
        let (rcode, reply) = ask(server.address, &cookie);
        assert_eq!((rcode, reply == cookie), (expected, kept), "{age} s old");
        assert_eq!(ask(server.address, &reply).0, 0, "the reply's own is good");
    }
}

fn secrets_roll_and_are_shared(yard: &Yard) {
    let cookies = format!("mode = \"require\"\n{SHARED}");
    let one = server(yard, "one", &[OLD_SECRET], &cookies);
    let two = server(yard, "two", &[OLD_SECRET, SECRET], &cookies);
    let old = fresh(one.address);
    assert_eq!(ask(two.address, &old), (0, old.clone()));
    // The new one makes cookies first where the other knows it already (RFC 9018 §5).
    fs::write(one.dir.join("cookie.key"), format!("{SECRET}\n{OLD_SECRET}\n")).expect("a file");
    let output = one.command(&["reload"], &[]);
    assert!(output.status.success(), "{output:?}");
    let (rcode, new) = ask(one.address, &old);
    assert!(rcode == 0 && new != old, "the old one is good, and a new one takes its place");
    assert_eq!(ask(two.address, &new).0, 0);
    fs::write(one.dir.join("cookie.key"), SECRET).expect("a file");
    let output = one.command(&["reload"], &[]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!((ask(one.address, &old).0, ask(one.address, &new)), (BADCOOKIE, (0, new)));
}

fn own_secrets_survive(yard: &Yard) {
    let server = server(yard, "server", &[], "mode = \"require\"");
    let cookie = fresh(server.address);
    server.kill();
    server.start();
    assert_eq!(ask(server.address, &cookie), (0, cookie.clone()));
    // A secret of this moment is not replaced yet, or the cookies of the one before it would be lost.
    server.command(&["reload"], &[]);
    assert_eq!(ask(server.address, &cookie), (0, cookie.clone()));
    server.kill();
    let file = server.dir.join("state/cookie.secrets");
    let text = fs::read_to_string(&file).expect("the secrets");
    let (made, secret) = text.trim().split_once(' ').expect("a time and a secret");
    let made: u32 = made.parse().expect("seconds");
    fs::write(&file, format!("{} {secret}\n", made - 3_700)).expect("a file");
    server.start();
    server.command(&["reload"], &[]);
    let text = fs::read_to_string(&file).expect("the secrets");
    assert!(text.lines().count() == 2 && text.lines().nth(1).expect("a line").ends_with(secret), "{text}");
    let (rcode, new) = ask(server.address, &cookie);
    assert!(rcode == 0 && new != cookie);
    assert_eq!(ask(server.address, &new).0, 0);
}

/// Each side takes the cookies of the other, and none that nobody made.
fn is_shared(yard: &Yard, peer: SocketAddr, process: &mut Process) {
    let cookies = format!("mode = \"require\"\n{SHARED}");
    let server = server(yard, "server", &[SECRET], &cookies);
    let theirs = yard::poll("a cookie of the peer", || {
        process.assert_running();
        // Before it listens there may be silence.
        let client = Client::at([127, 0, 0, 1], peer);
        client
            .ask_once(&asking(&OWN))
            .and_then(|reply| reply.option(COOKIE))
            .filter(|cookie| cookie.len() == 24)
    });
    assert_eq!(ask(server.address, &theirs), (0, theirs.clone()), "theirs is good here");
    let ours = fresh(server.address);
    assert_eq!(ask(peer, &ours).0, 0, "ours is good there");
    let mut bad = ours;
    bad[20] ^= 1;
    assert_eq!((ask(peer, &bad).0, ask(server.address, &bad).0), (BADCOOKIE, BADCOOKIE));
}

fn shared_with_bind(yard: &Yard) {
    let (dir, address) = (yard.folder("bind"), yard::free_address());
    fs::write(dir.join("zone"), zone_text(1, 0)).expect("a file");
    let config = format!(
        "options {{ directory \"{}\"; listen-on port {} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; pid-file none;\n\
         session-keyfile none; recursion no; dnssec-validation no; cookie-algorithm siphash24;\n\
         cookie-secret \"{SECRET}\"; require-server-cookie yes; }};\ncontrols {{ }};\n\
         zone \"{ZONE}\" {{ type primary; file \"zone\"; }};\n",
        dir.display(),
        address.port()
    );
    fs::write(dir.join("named.conf"), config).expect("a config");
    let mut command = Command::new(own_named(&dir));
    command.args(["-g", "-n", "1", "-c"]).arg(dir.join("named.conf"));
    is_shared(yard, address, &mut yard.start("bind", command.current_dir(&dir)));
}

fn shared_with_knot(yard: &Yard) {
    let (dir, address) = (yard.folder("knot"), yard::free_address());
    fs::write(dir.join("zone"), zone_text(1, 0)).expect("a file");
    let at = dir.display();
    let config = format!(
        "server:\n    listen: 127.0.0.1@{}\n    rundir: \"{at}\"\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n\
         log:\n  - target: stderr\n    any: debug\n\
         database:\n    storage: \"{at}\"\n    journal-db-max-size: 8M\n    kasp-db-max-size: 8M\n    timer-db-max-size: 8M\n    catalog-db-max-size: 8M\n\
         mod-cookies:\n  - id: strict\n    secret: 0x{SECRET}\n    badcookie-slip: 1\n\
         template:\n  - id: default\n    global-module: mod-cookies/strict\n\
         zone:\n  - domain: {ZONE}\n    file: \"{at}/zone\"\n",
        address.port()
    );
    fs::write(dir.join("knot.conf"), config).expect("a config");
    let mut command = Command::new(yard::find("knotd").expect("looked for before"));
    command.arg("-c").arg(dir.join("knot.conf"));
    is_shared(yard, address, &mut yard.start("knot", command.current_dir(&dir)));
}

fn required(yard: &Yard) {
    let server = server(yard, "server", &[], "mode = \"require\"");
    let text = dig(server.address, &["+nobadcookie", "+cookie", "+notcp", ZONE, "SOA"]);
    assert!(text.contains("status: BADCOOKIE") && text.contains("ANSWER: 0"), "{text}");
    // dig asks again with the cookie that it was given.
    for options in
        [&["+cookie", "+notcp"][..], &["+nobadcookie", "+cookie", "+tcp"], &["+nocookie"], &["+noedns"]]
    {
        let text = dig(server.address, &[options, &[ZONE, "SOA"]].concat());
        assert!(text.contains("status: NOERROR") && text.contains("ANSWER: 1"), "{options:?}: {text}");
    }
    let cookie = fresh(server.address);
    assert_eq!((ask(server.address, &OWN).0, ask(server.address, &cookie).0), (BADCOOKIE, 0));
}

fn never_limited(yard: &Yard) {
    let server = server(yard, "server", &[], "\n[rrl]\nper_second = 5\nexempt = []");
    let cookie = fresh(server.address);
    let client = Client::at([127, 0, 0, 1], server.address);
    for id in 0..200 {
        let message = Message::query(id, ZONE, SOA).edns(1232, &[(COOKIE, &cookie)]);
        assert_eq!(rcode(&client.ask(&message)), 0);
    }
    let mut bad = cookie;
    bad[23] ^= 1;
    (0..200).for_each(|_| client.send(&asking(&bad)));
    Client::at([127, 0, 9, 1], server.address).ask(&Message::query(1, &format!("mail.{ZONE}"), A));
    let whole = client.drain().into_iter().filter(|reply| reply.flags() & crate::wire::TC == 0).count();
    assert!(whole < 100, "{whole}");
}
