//! The parts of what the server does, one by one: lookups, answers, reading a zone, comparing two versions,
//! packing a transfer, TSIG. `cargo bench --bench parts [-- FILTER]`; about two minutes.
//!
//! A zone of each size has as many hosts and as many delegations with glue, and one wildcard. Queries go
//! over all its names in an order that no cache knows.

use std::io::{self, Cursor, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bellwether::dns::message::{Question, Writer, read_request};
use bellwether::dns::tsig::{Algorithm, Key, Keyring, sign_request, verify_request};
use bellwether::dns::{Class, Name, OpCode, RecordType};
use bellwether::ident::{Transport, ZoneId};
use bellwether::policy::{RuleBook, RuleSet, ZoneRules};
use bellwether::serve::{Outcome, WorkerState, World, serve};
use bellwether::time::{Now, Tick, Wall};
use bellwether::trace::Silent;
use bellwether::transfer::condense::Cache;
use bellwether::transfer::outgoing::{Requested, TransferStart, plan};
use bellwether::zone::text::load;
use bellwether::zone::{Demands, DigestKey, Found, Lease, Slot, SlotState, Version, ZoneSet, diff};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];
/// For what takes a whole zone each time.
const WHOLE: [usize; 2] = [1_000, 100_000];
const QUESTIONS: usize = 1 << 14;
/// Of what takes less than a microsecond so many are timed together.
const SAMPLE: u32 = 1024;
const KEY: DigestKey = DigestKey(*b"any sixteen will");
const NOW: Now = Now { tick: Tick(1_000), wall: Wall(1_700_000_000_000) };

fn main() {
    divan::main();
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Hit,
    NoData,
    NxDomain,
    Wildcard,
    Cut,
}

const ASKS: [Ask; 5] = [Ask::Hit, Ask::NoData, Ask::NxDomain, Ask::Wildcard, Ask::Cut];

/// Each kind of question of each zone.
fn cases() -> impl Iterator<Item = (Ask, usize)> {
    SIZES.into_iter().flat_map(|names| ASKS.map(|ask| (ask, names)))
}

impl Ask {
    fn question(self, number: usize) -> (Name, RecordType) {
        let (qname, qtype) = match self {
            Ask::Hit => (format!("h{number}.example.com."), RecordType::A),
            Ask::NoData => (format!("h{number}.example.com."), RecordType::AAAA),
            Ask::NxDomain => (format!("n{number}.example.com."), RecordType::A),
            Ask::Wildcard => (format!("n{number}.wild.example.com."), RecordType::A),
            Ask::Cut => (format!("www.d{number}.example.com."), RecordType::A),
        };
        (Name::parse(&qname).expect("a name"), qtype)
    }

    fn questions(self, names: usize) -> Vec<(Name, RecordType)> {
        (0..QUESTIONS).map(|at| self.question(scatter(at, names))).collect()
    }
}

/// A number below `names` that wanders over all of them.
fn scatter(at: usize, names: usize) -> usize {
    ((at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) % names as u64) as usize
}

fn apex() -> Name {
    Name::parse("example.com.").expect("a name")
}

fn text(names: usize, serial: u32) -> Vec<u8> {
    let mut text = format!(
        "$ORIGIN example.com.\n$TTL 3600\n@ SOA ns hm {serial} 7200 900 1209600 300\n@ NS ns\nns A 192.0.2.1\n\
         *.wild A 192.0.2.9\n"
    );
    for n in 0..names {
        text.push_str(&format!("h{n} A 192.0.2.2\nd{n} NS ns.d{n}\nns.d{n} A 192.0.2.3\n"));
    }
    text.into_bytes()
}

fn read(text: &[u8]) -> Version {
    let mut sources = |_: &Path| -> io::Result<Box<dyn Read>> { Ok(Box::new(Cursor::new(text.to_vec()))) };
    let loaded = load(&mut sources, Path::new("zone"), &apex(), KEY, &Demands::default());
    loaded.expect("a zone file").version
}

/// Goes through `list` again and again.
fn turns<'l, T>(list: &'l [T]) -> impl FnMut() -> &'l T {
    let mut turns = list.iter().cycle();
    move || turns.next().expect("a list that is not empty")
}

#[divan::bench(args = cases(), sample_size = SAMPLE)]
fn lookup(bencher: Bencher<'_, '_>, (ask, names): (Ask, usize)) {
    let version = read(&text(names, 1));
    let questions = ask.questions(names);
    let mut next = turns(&questions);
    bencher.bench_local(|| match version.find(next().0.as_ref()) {
        Found::Name(node) => node.rrset(RecordType::A).map_or(0, |rrset| rrset.ttl()),
        other => u32::from(matches!(black_box(other), Found::Cut(_))),
    });
}

#[divan::bench(args = cases(), sample_size = SAMPLE)]
fn answer(bencher: Bencher<'_, '_>, (ask, names): (Ask, usize)) {
    let slot = Slot {
        id: ZoneId(0),
        apex: apex(),
        state: SlotState::Serving { version: Arc::new(read(&text(names, 1))), lease: Lease::forever() },
    };
    let rules = ZoneRules { query: RuleSet::any(), ..ZoneRules::default() };
    let world = World {
        zones: ZoneSet::new(KEY).with(&[(apex(), Some(Arc::new(slot)))]),
        rules: Arc::new(RuleBook::new([(ZoneId(0), Arc::new(rules))])),
        peers: Arc::default(),
        keys: Arc::default(),
        facts: Arc::default(),
        cookies: Arc::default(),
        rates: Arc::default(),
    };
    let requests: Vec<Vec<u8>> =
        ask.questions(names).into_iter().map(|(qname, qtype)| request(&qname, qtype)).collect();
    let client = SocketAddr::from(([192, 0, 2, 53], 5353));
    let (mut worker, mut out) = (WorkerState::new(), vec![0; 4096]);
    let mut next = turns(&requests);
    bencher.bench_local(|| {
        let octets = next().as_slice();
        let outcome =
            serve(octets.into(), client, Transport::Udp, NOW, &world, &mut worker, &mut out, &mut Silent);
        assert!(matches!(outcome, Outcome::Reply(_)));
    });
}

fn request(qname: &Name, qtype: RecordType) -> Vec<u8> {
    let mut octets = vec![0; 512];
    let question = Question { name: qname.as_ref(), qtype, qclass: Class::IN };
    let length = Writer::request(&mut octets, 7, OpCode::Query, question).finish();
    octets.truncate(length);
    octets
}

#[divan::bench(args = WHOLE)]
fn parse(bencher: Bencher<'_, '_>, names: usize) {
    let text = text(names, 1);
    bencher
        .counter(ItemsCount::new(3 * names))
        .counter(BytesCount::of_slice(&text))
        .bench_local(|| read(&text));
}

/// One record of a version that was read anew, as after an edit of its file.
#[divan::bench(args = WHOLE)]
fn compare(bencher: Bencher<'_, '_>, names: usize) {
    let (before, mut edited) = (text(names, 1), text(names, 2));
    edited.extend(b"new A 192.0.2.4\n");
    let (before, after) = (read(&before), read(&edited));
    bencher.bench_local(|| {
        let delta = diff(&before, &after).expect("they differ");
        assert_eq!(delta.added.len(), 2);
    });
}

#[divan::bench(args = WHOLE)]
fn pack(bencher: Bencher<'_, '_>, names: usize) {
    transfer(bencher, names, None);
}

#[divan::bench(args = WHOLE)]
fn pack_signed(bencher: Bencher<'_, '_>, names: usize) {
    transfer(bencher, names, Some(key(Algorithm::Sha256)));
}

/// A whole transfer out.
fn transfer(bencher: Bencher<'_, '_>, names: usize, key: Option<Arc<Key>>) {
    let version = Arc::new(read(&text(names, 1)));
    let mut octets = request(&apex(), RecordType::AXFR);
    let mut length = octets.len();
    octets.resize(512, 0);
    if let Some(key) = &key {
        length = sign_request(key, &mut octets, length, NOW.wall.seconds()).expect("room").0;
    }
    let octets = &octets[..length];
    let keys: Keyring = key.into_iter().collect();
    let mut buffer = vec![0; 1 << 16];
    let start = || {
        let request = read_request(octets).expect("a request");
        let verified = |tsig| verify_request(octets, &tsig, &keys, NOW.wall.seconds()).expect("a good one");
        TransferStart {
            zone: ZoneId(0),
            version: version.clone(),
            requested: Requested::Axfr,
            header: request.header,
            asked: apex(),
            signer: request.tsig.map(|tsig| verified(tsig).signer()),
            edns: None,
            peer: None,
        }
    };
    bencher.counter(ItemsCount::new(3 * names)).bench_local(|| {
        let mut outgoing = plan(start(), &[], &mut Cache::default(), &mut Silent);
        while outgoing.next(NOW, &mut buffer).expect("every record fits").is_some() {}
        outgoing.octets()
    });
}

const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

fn key(algorithm: Algorithm) -> Arc<Key> {
    Arc::new(Key::new(Name::parse("key.example.").expect("a name"), algorithm, &[7; 32]))
}

/// A query, signed.
#[divan::bench(args = ALGORITHMS, sample_size = SAMPLE)]
fn tsig_sign(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let (key, request) = (key(algorithm), request(&apex(), RecordType::SOA));
    let mut octets = vec![0; 512];
    bencher.bench_local(|| {
        octets[..request.len()].copy_from_slice(&request);
        sign_request(&key, &mut octets, request.len(), NOW.wall.seconds()).expect("room").0
    });
}

/// A query whose signature is right.
#[divan::bench(args = ALGORITHMS, sample_size = SAMPLE)]
fn tsig_verify(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let key = key(algorithm);
    let mut octets = request(&apex(), RecordType::SOA);
    let length = octets.len();
    octets.resize(512, 0);
    let (length, _) = sign_request(&key, &mut octets, length, NOW.wall.seconds()).expect("room");
    let octets = &octets[..length];
    let keys: Keyring = [key].into_iter().collect();
    let tsig = read_request(octets).expect("a request").tsig.expect("a signature");
    bencher.bench_local(|| verify_request(octets, &tsig, &keys, NOW.wall.seconds()).is_ok());
}
