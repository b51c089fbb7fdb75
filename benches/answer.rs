//! What one query costs in user code, from the octets of the request to those of the reply, without
//! sockets. `cargo bench --bench answer [-- NAMES]`; about ten seconds with the default million.
//!
//! Queries come in batches of 64 pass by pass, as the UDP workers take them, each from a network of its
//! own. The last column is the same with rate limits, and with a cookie in each query that has EDNS.
//! Signed zones come with a chain over their hosts; their signatures say nothing but are long enough.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

use bellwether::dns::edns::Opt;
use bellwether::dns::message::{Question, Writer};
use bellwether::dns::nsec3::{self, Parameters};
use bellwether::dns::rdata::{self, Token};
use bellwether::dns::{Class, Name, NameRef, OpCode, RecordRef, RecordType};
use bellwether::ident::{Transport, ZoneId};
use bellwether::policy::cookies::{CookieMode, CookieSecret, Cookies};
use bellwether::policy::rates::{RateLimits, RateSettings, RateTable};
use bellwether::policy::{RuleBook, RuleSet, ZoneRules};
use bellwether::serve::{Outcome, WorkerState, World, look_ahead, serve};
use bellwether::time::{Now, Tick, Wall};
use bellwether::trace::Silent;
use bellwether::zone::{Builder, DigestKey, Lease, Pass, Slot, SlotState, Source, Version, ZoneSet};

const BATCH: usize = 64;
const QUERIES: usize = 1 << 19;
/// Few enough that the requests themselves stay in the cache, as those of a batch do.
const REQUESTS: usize = 1 << 12;
const NOW: Now = Now { tick: Tick(1_000), wall: Wall(1_700_000_000_000) };

fn main() {
    let names = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(1_000_000);
    println!(
        "{:>9} {:>24} {:>10} {:>14} {:>12}",
        "names", "query", "CPU ns", "limits, cookies", "octets/reply"
    );
    for names in [1_000, names] {
        let worlds = [Chain::None, Chain::Nsec, Chain::Nsec3].map(|chain| world(names, chain));
        for (chain, what, make) in QUESTIONS {
            let world = &worlds[chain as usize];
            let requests: Vec<Vec<u8>> = (0..REQUESTS).map(|at| make(scatter(at, names))).collect();
            let (nanos, octets) = run(world, &requests);
            let guarded = guarded(world);
            let requests: Vec<Vec<u8>> =
                requests.iter().enumerate().map(|(at, request)| with_cookie(request, at, &guarded)).collect();
            let (more, _) = run(&guarded, &requests);
            println!("{names:>9} {what:>24} {nanos:>10.0} {more:>14.0} {octets:>12}");
        }
    }
}

/// How the zone is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chain {
    None,
    Nsec,
    /// Without salt and iterations.
    Nsec3,
}

/// What a query says about EDNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edns {
    None,
    Plain,
    /// DO is set.
    Signatures,
}

/// Of which zone it is asked, what is asked, and how to ask the n-th of it.
type Case = (Chain, &'static str, fn(u64) -> Vec<u8>);

const QUESTIONS: [Case; 11] = [
    (Chain::None, "A, exists, EDNS", |n| ask("h", n, RecordType::A, Edns::Plain)),
    (Chain::None, "A, exists, plain", |n| ask("h", n, RecordType::A, Edns::None)),
    (Chain::None, "AAAA, no data, EDNS", |n| ask("h", n, RecordType::AAAA, Edns::Plain)),
    (Chain::None, "A, no name, EDNS", |n| ask("n", n, RecordType::A, Edns::Plain)),
    (Chain::None, "A, delegated, EDNS", |n| ask("www.d", n, RecordType::A, Edns::Plain)),
    (Chain::Nsec, "A, exists, NSEC", |n| ask("h", n, RecordType::A, Edns::Signatures)),
    (Chain::Nsec, "AAAA, no data, NSEC", |n| ask("h", n, RecordType::AAAA, Edns::Signatures)),
    (Chain::Nsec, "A, no name, NSEC", |n| ask("n", n, RecordType::A, Edns::Signatures)),
    (Chain::Nsec3, "A, exists, NSEC3", |n| ask("h", n, RecordType::A, Edns::Signatures)),
    (Chain::Nsec3, "AAAA, no data, NSEC3", |n| ask("h", n, RecordType::AAAA, Edns::Signatures)),
    (Chain::Nsec3, "A, no name, NSEC3", |n| ask("n", n, RecordType::A, Edns::Signatures)),
];

/// A number below `names` that wanders over all of them.
fn scatter(at: usize, names: u64) -> u64 {
    (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) % names
}

fn ask(label: &str, number: u64, qtype: RecordType, edns: Edns) -> Vec<u8> {
    let mut buffer = vec![0; 512];
    let qname = Name::parse(&format!("{label}{number}.example.com.")).expect("a name");
    let question = Question { name: qname.as_ref(), qtype, qclass: Class::IN };
    let mut writer = Writer::request(&mut buffer, 7, OpCode::Query, question);
    if edns != Edns::None {
        let do_bit = edns == Edns::Signatures;
        writer.opt(&Opt { udp_size: 1232, do_bit, options: &[] }).expect("room");
    }
    let length = writer.finish();
    buffer.truncate(length);
    buffer
}

/// The same world with what stands between a query and its answer.
fn guarded(world: &World) -> World {
    let settings = RateSettings { per_second: 1_000_000, slip: 2, ..RateSettings::default() };
    World {
        cookies: Arc::new(Cookies::new(CookieMode::Answer, [CookieSecret([5; 16])])),
        rates: Arc::new(RateLimits::new(settings, Arc::new(RateTable::new([3; 16])))),
        ..world.clone()
    }
}

/// The request with a good cookie, if it has EDNS: the OPT record is its last.
fn with_cookie(request: &[u8], at: usize, world: &World) -> Vec<u8> {
    let mut request = request.to_vec();
    if request[11] == 1 {
        let cookie = world.cookies.judge(b"a client", client(at).ip(), NOW.wall).expect("a cookie");
        let length = request.len();
        request[length - 2..].copy_from_slice(&28u16.to_be_bytes());
        request.extend([0, 10, 0, 24]);
        request.extend(cookie.reply);
    }
    request
}

fn client(at: usize) -> SocketAddr {
    SocketAddr::from(([127, (at >> 8) as u8, at as u8, 53], 5353))
}

/// A zone with as many hosts and as many delegations with one server and its glue.
fn version(names: u64, chain: Chain) -> Version {
    let apex = Name::parse("example.com.").expect("a name");
    let mut builder = Builder::new(apex.as_ref(), DigestKey([7; 16]), Source::File);
    let mut push = |owner: &str, rtype: RecordType, text: &str| {
        let owner = Name::parse(owner).expect("a name");
        let tokens: Vec<Token<'_>> =
            text.split(' ').map(|word| Token { text: word.as_bytes(), quoted: false }).collect();
        let mut data = Vec::new();
        rdata::from_text(rtype, &tokens, NameRef::ROOT, &mut data).expect("RDATA");
        let record = RecordRef { owner: owner.as_ref(), rtype, ttl: 3600, rdata: &data };
        builder.push(record).expect("in the zone");
    };
    push("example.com.", RecordType::SOA, "ns1.example.com. hostmaster.example.com. 1 7200 900 1209600 300");
    push("example.com.", RecordType::NS, "ns1.example.com.");
    push("ns1.example.com.", RecordType::A, "192.0.2.1");
    let sign = |push: &mut dyn FnMut(&str, RecordType, &str), owner: &str, rtype: &str| {
        let signature = "A".repeat(86) + "==";
        let data = format!("{rtype} 13 3 3600 20300101000000 20200101000000 1 example.com. {signature}");
        push(owner, RecordType::RRSIG, &data);
        let unhashed = Parameters { iterations: 0, salt: &[] };
        let hash = nsec3::label(&unhashed.hash(Name::parse(owner).expect("a name").as_ref()));
        let hash = String::from_utf8_lossy(&hash[1..]).into_owned();
        let (owner, kind, chained) = match chain {
            Chain::None | Chain::Nsec => {
                (owner.to_owned(), "NSEC", format!("example.com. {rtype} RRSIG NSEC"))
            }
            Chain::Nsec3 => {
                (format!("{hash}.example.com."), "NSEC3", format!("1 0 0 - {hash} {rtype} RRSIG"))
            }
        };
        let rtype = if chain == Chain::Nsec3 { RecordType::NSEC3 } else { RecordType::NSEC };
        push(&owner, rtype, &chained);
        let data = format!("{kind} 13 3 3600 20300101000000 20200101000000 1 example.com. {signature}");
        push(&owner, RecordType::RRSIG, &data);
    };
    if chain != Chain::None {
        sign(&mut push, "example.com.", "SOA");
    }
    if chain == Chain::Nsec3 {
        push("example.com.", RecordType::NSEC3PARAM, "1 0 0 -");
    }
    for n in 0..names {
        push(&format!("h{n}.example.com."), RecordType::A, "192.0.2.2");
        if chain != Chain::None {
            sign(&mut push, &format!("h{n}.example.com."), "A");
        }
        push(&format!("d{n}.example.com."), RecordType::NS, &format!("ns.d{n}.example.com."));
        push(&format!("ns.d{n}.example.com."), RecordType::A, "192.0.2.3");
    }
    builder.finish().expect("a zone").version
}

fn world(names: u64, chain: Chain) -> World {
    let apex = Name::parse("example.com.").expect("a name");
    let state = SlotState::Serving { version: Arc::new(version(names, chain)), lease: Lease::forever() };
    let slot = Arc::new(Slot { id: ZoneId(0), apex: apex.clone(), state });
    let rules = ZoneRules { query: RuleSet::any(), ..ZoneRules::default() };
    World {
        zones: ZoneSet::new(DigestKey([9; 16])).with(&[(apex, Some(slot))]),
        rules: Arc::new(RuleBook::new([(ZoneId(0), Arc::new(rules))])),
        peers: Arc::default(),
        keys: Arc::default(),
        facts: Arc::default(),
        cookies: Arc::default(),
        rates: Arc::default(),
    }
}

/// Nanoseconds of CPU that this thread has had: on a shared machine wall time says little.
fn cpu_nanos() -> u64 {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    schedstat.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("a number")
}

/// Nanoseconds of CPU a query, best of three runs, and octets of the last reply.
fn run(world: &World, requests: &[Vec<u8>]) -> (f64, usize) {
    let mut worker = WorkerState::new();
    let mut out = [0; 1232];
    let mut octets = 0;
    let mut best = f64::MAX;
    for _ in 0..3 {
        let start = cpu_nanos();
        let mut done = 0;
        while done < QUERIES {
            for (number, batch) in requests.chunks_exact(BATCH).enumerate() {
                let mut ahead: [_; BATCH] = std::array::from_fn(|at| look_ahead(&batch[at], world, NOW.tick));
                for pass in Pass::ALL {
                    ahead.iter_mut().for_each(|ahead| ahead.touch(pass));
                }
                for (at, ahead) in ahead.into_iter().enumerate() {
                    let from = client(number * BATCH + at);
                    let outcome =
                        serve(ahead, from, Transport::Udp, NOW, world, &mut worker, &mut out, &mut Silent);
                    if let Outcome::Reply(length) = black_box(outcome) {
                        octets = length;
                    }
                }
            }
            done += requests.len();
        }
        best = best.min((cpu_nanos() - start) as f64 / done as f64);
    }
    (best, octets)
}
