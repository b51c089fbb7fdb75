//! The limit on replies over UDP (PROTOCOL O01-O05, R26), with floods from addresses of 127.0.0.0/8.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Test;
use crate::bellwether::Bellwether;
use crate::client::Client;
use crate::texts::{ZONE, zone_text};
use crate::wire::{A, AA, Message, SOA, Stream, TC, TXT};
use crate::yard::Yard;

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("o01_p43_r26_two_hundred_replies_a_second_and_each_second_other_one_cut", &[], two_hundred_a_second),
    ("r26_log_lines_about_clients_are_rationed", &[], log_lines_are_rationed),
    ("o02_streams_and_exempt_clients_are_not_limited", &[], streams_and_exempt_clients),
    ("o03_names_that_were_made_up_share_a_limit", &[], made_up_names),
    ("o04_memory_stays_the_same_and_a_limit_may_only_count", &[], memory_stays_the_same),
    ("o05_replies_are_not_many_times_longer_than_their_queries", &[], amplification),
];

/// Asked at once before the server is waited for; few enough that no buffer overflows.
const AT_ONCE: usize = 40;

/// A server with these lines under `[rrl]`.
fn limited<'y>(yard: &'y Yard, rrl: &str) -> Bellwether<'y> {
    let server = Bellwether::new(yard, "server");
    server.write_zone(&(zone_text(1, 0) + "big TXT \"" + &"x".repeat(250) + "\"\n"));
    server.alone(&format!("\n[rrl]\n{rrl}\n"));
    server.start();
    server.wait(1);
    server
}

/// Floods; how many replies came whole, and how many truncated.
fn flood(
    server: &Bellwether,
    from: [u8; 4],
    count: usize,
    question: impl Fn(usize) -> Message,
) -> [usize; 2] {
    let client = Client::at(from, server.address);
    let mut counts = [0; 2];
    for begin in (0..count).step_by(AT_ONCE) {
        (begin..count.min(begin + AT_ONCE)).for_each(|at| client.send(&question(at)));
        // One worker takes datagrams in order: when this one is answered, so are those before. It comes
        // from another network each time, so that no limit stops it.
        let probe = Client::at([127, 250, (begin / AT_ONCE) as u8, from[1]], server.address);
        probe.ask(&Message::query(1, &format!("mail.{ZONE}"), A));
        for reply in client.drain() {
            counts[usize::from(reply.flags() & TC != 0)] += 1;
        }
    }
    counts
}

fn traffic(server: &Bellwether) -> Value {
    let output = server.command(&["status"], &["--json"]);
    serde_json::from_slice::<Value>(&output.stdout).expect("JSON")["traffic"].clone()
}

fn soa(_: usize) -> Message {
    Message::query(7, ZONE, SOA)
}

fn two_hundred_a_second(yard: &Yard) {
    let server = limited(yard, "exempt = []");
    let begun = Instant::now();
    let [whole, cut] = flood(&server, [127, 1, 2, 3], 1200, soa);
    // A second's worth at once, and what runs out of the bucket meanwhile.
    let most = 200.0 + 200.0 * (begun.elapsed() + Duration::from_millis(5)).as_secs_f64();
    assert!((200..=most as usize + 1).contains(&whole), "{whole} of 1200, at most {most}");
    let over = 1200 - whole;
    assert!(cut <= over / 2 && (whole > 300 || cut + 100 > over / 2), "{cut} of {over} were truncated");
    let told = traffic(&server);
    assert_eq!((&told["rrl_truncated"], &told["rrl_dropped"]), (&cut.into(), &(over - cut).into()), "{told}");
    assert!(server.log().contains("BW-Q07"), "a line says so");
    let text = String::from_utf8(server.command(&["status"], &[]).stdout).expect("text");
    assert!(text.contains(&format!("{over} replies were over the rate limit; {cut} of them")), "{text}");
    // Another network, and in the same network another class, have limits of their own.
    assert_eq!(flood(&server, [127, 1, 3, 3], 150, soa), [150, 0]);
    assert_eq!(
        flood(&server, [127, 1, 2, 4], 150, |_| Message::query(7, &format!("mail.{ZONE}"), A)),
        [150, 0]
    );
}

fn log_lines_are_rationed(yard: &Yard) {
    let server = limited(yard, "per_second = 2\nexempt = []");
    let begun = Instant::now();
    let (mut networks, mut rationed) = (0u16, false);
    while !rationed {
        // Each of these comes to its limit, which is worth a line of its own.
        for _ in 0..10 {
            networks += 1;
            let [high, low] = networks.to_be_bytes();
            let client = Client::at([127, 40 + high, low, 1], server.address);
            (0..8).for_each(|at| client.send(&soa(at)));
            assert_eq!(client.receive().rcode(), 0, "the first one");
        }
        let log = server.log();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("BW-Q07")).collect();
        let most = begun.elapsed().as_secs() as usize + 1;
        assert!((1..=most).contains(&lines.len()), "{} lines in {most} s", lines.len());
        rationed = lines.iter().any(|line| line.contains("left_out=") && !line.contains("left_out=0"));
        assert!(begun.elapsed() < Duration::from_secs(60), "{log}");
    }
}

fn streams_and_exempt_clients(yard: &Yard) {
    // This machine is exempt unless the config says otherwise.
    let server = limited(yard, "per_second = 5");
    assert_eq!(flood(&server, [127, 0, 0, 1], 200, soa), [200, 0]);
    let yard = &Yard::new();
    let server = limited(yard, "per_second = 5\nexempt = [\"127.9.0.0/16\"]");
    assert_eq!(flood(&server, [127, 9, 1, 1], 200, soa), [200, 0]);
    let [whole, _] = flood(&server, [127, 8, 1, 1], 200, soa);
    assert!(whole < 100, "{whole}");
    let mut stream = Stream::to(server.address);
    stream.send(&vec![soa(0).0; 200]);
    for _ in 0..200 {
        let reply = stream.read().expect("a reply");
        assert_eq!((reply.rcode(), reply.flags() & (AA | TC)), (0, AA));
    }
}

fn made_up_names(yard: &Yard) {
    let server = limited(yard, "per_second = 50\nexempt = []");
    // Names that do not exist, that a wildcard stands in for, and that lie below a cut or a DNAME.
    for (at, above) in ["", "wild.", "sub.", "old.", "not.ours."].into_iter().enumerate() {
        let zone = if above == "not.ours." { "" } else { ZONE };
        let question = |n| Message::query(7, &format!("r{n}.{above}{zone}"), A);
        let begun = Instant::now();
        let [whole, cut] = flood(&server, [127, 20, at as u8, 1], 400, question);
        let most = 50 + (50.0 * begun.elapsed().as_secs_f64()) as usize + 2;
        assert!((50..=most).contains(&whole) && cut > 0, "{above}: {whole}, at most {most}; {cut} cut");
    }
    // Names that exist do not.
    let hosts = |n| Message::query(7, &format!("host-{}.{ZONE}", 1 + n % 60), A);
    assert_eq!(flood(&server, [127, 20, 9, 1], 600, hosts), [600, 0]);
}

/// Memory in use, in KiB.
fn resident_kib(server: &Bellwether) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("a running server");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    line.split_ascii_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

fn memory_stays_the_same(yard: &Yard) {
    let server = limited(yard, "per_second = 5\nexempt = []\nlog_only = true");
    assert_eq!(flood(&server, [127, 30, 0, 1], 200, soa), [200, 0]);
    let told = traffic(&server);
    let counted = told["rrl_log_only"].as_u64().expect("a number");
    assert!((100..200).contains(&counted), "{told}");
    assert_eq!((&told["rrl_dropped"], &told["rrl_truncated"]), (&0.into(), &0.into()));
    // The kernel shows pages when they are first touched: after this the whole table is.
    let many = |rounds: std::ops::Range<u32>| {
        for round in rounds {
            let network = round % (1 << 14);
            let address = [127, 64 + (network >> 8) as u8, network as u8, 1];
            let client = Client::at(address, server.address);
            (0..16).for_each(|n| client.send(&Message::query(7, &format!("host-{}.{ZONE}", 1 + n), A)));
            (0..16).for_each(|_| assert_eq!(client.receive().rcode(), 0));
        }
    };
    many(0..1 << 14);
    let before = resident_kib(&server);
    many(1 << 14..1 << 15);
    let after = resident_kib(&server);
    assert!(after <= before + 1024, "{before} KiB, then {after}");
}

fn amplification(yard: &Yard) {
    let server = limited(yard, "");
    let ask = |name: &str, qtype: u16, size: u16| {
        let question = Message::query(7, name, qtype).edns(size, &[]);
        let reply = Client::at([127, 0, 0, 1], server.address).ask(&question);
        (reply.0.len() as f64 / question.0.len() as f64, reply)
    };
    const ANY: u16 = 255;
    const DNSKEY: u16 = 48;
    for (name, qtype, most) in [
        (ZONE, ANY, 3.0),
        (ZONE, DNSKEY, 3.0),
        (ZONE, TXT, 3.0),
        (ZONE, SOA, 3.0),
        (&*format!("big.{ZONE}"), ANY, 8.0),
        (&*format!("nothing.{ZONE}"), A, 3.0),
        ("not.ours", ANY, 3.0),
    ] {
        for size in [512, 1232, 65_535] {
            let (times, reply) = ask(name, qtype, size);
            assert!(times <= most && reply.0.len() <= 1232, "{name} TYPE{qtype}: {times} times its query");
        }
    }
}
