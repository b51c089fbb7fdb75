//! Both transports over real sockets on loopback, with a world that has one zone.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::sys::Wake;
use super::tcp::{Listener, StreamLimits, Streams};
use super::*;
use crate::dns::message::{Question, Reader, Scratch, Section};
use crate::dns::rdata::{self, Token};
use crate::dns::tsig::Keyring;
use crate::dns::{Class, Name, OpCode, RecordRef, RecordType};
use crate::env::{Clock, OsClock};
use crate::limits::OVERLOAD_AFTER;
use crate::policy::{Peers, Rule, RuleBook, RuleSet, Who, ZoneRules};
use crate::serve::ServerFacts;
use crate::time::Tick;
use crate::zone::{Builder, DigestKey, Lease, Slot, SlotState, Source, ZoneSet};

/// A desk that shows one world and notes what it is told.
pub(super) struct TestDesk {
    world: ArcSwap<World>,
    told: Mutex<Vec<String>>,
}

impl Desk for TestDesk {
    fn world(&self) -> Guard<Arc<World>> {
        self.world.load()
    }

    fn now(&self) -> Now {
        OsClock.now()
    }

    fn notified(&self, zone: ZoneId, from: PeerId, serial: Option<Serial>) {
        self.told.lock().expect("a list").push(format!("notify {zone:?} {from:?} {serial:?}"));
    }

    fn observed(&self, seen: &[Observation]) {
        self.told.lock().expect("a list").extend(seen.iter().map(|seen| format!("{seen:?}")));
    }

    fn delivered(&self, sent: &[Delivery]) {
        self.told.lock().expect("a list").extend(sent.iter().map(|sent| format!("{sent:?}")));
    }

    fn reported(&self, reported: Reported) {
        self.told.lock().expect("a list").push(format!("{reported:?}"));
    }

    fn refused(&self, refusal: Refusal) {
        self.told.lock().expect("a list").push(refusal.reason.code().to_owned());
    }

    fn history(&self, _: &Version, _: Serial) -> Vec<Arc<Delta>> {
        Vec::new()
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

/// `example.` with an SOA, an NS and `hosts` addresses.
fn version(hosts: usize) -> Arc<Version> {
    let apex = name("example.");
    let mut builder = Builder::new(apex.as_ref(), DigestKey([7; 16]), Source::File);
    let mut push = |owner: &Name, rtype: RecordType, text: &str| {
        let mut octets = Vec::new();
        let tokens: Vec<Token<'_>> =
            text.split(' ').map(|text| Token { text: text.as_bytes(), quoted: false }).collect();
        rdata::from_text(rtype, &tokens, apex.as_ref(), &mut octets).expect("a test record");
        let record = RecordRef { owner: owner.as_ref(), rtype, ttl: 300, rdata: &octets };
        builder.push(record).expect("a record of the zone");
    };
    push(&apex, RecordType::SOA, "ns.example. admin.example. 1 3600 600 86400 300");
    push(&apex, RecordType::NS, "ns.example.");
    push(&name("ns.example."), RecordType::A, "192.0.2.1");
    for host in 0..hosts {
        push(&name(&format!("host-{host}.example.")), RecordType::A, "192.0.2.2");
    }
    Arc::new(builder.finish().expect("a zone").version)
}

pub(super) fn desk(hosts: usize) -> Arc<TestDesk> {
    let (id, apex) = (ZoneId(1), name("example."));
    let state = SlotState::Serving { version: version(hosts), lease: Lease::forever() };
    let slot = Arc::new(Slot { id, apex: apex.clone(), state });
    let transfer = RuleSet::new(vec![Rule { who: Who::Any, text: "any".into() }]);
    let rules = ZoneRules { transfer, query: RuleSet::any(), notify_from: Vec::new() };
    let world = World {
        zones: ZoneSet::new(DigestKey([7; 16])).with(&[(apex, Some(slot))]),
        rules: Arc::new(RuleBook::new([(id, Arc::new(rules))])),
        peers: Arc::new(Peers::new(Vec::new())),
        keys: Arc::new(Keyring::new()),
        facts: Arc::new(ServerFacts::default()),
        cookies: Arc::default(),
        rates: Arc::default(),
    };
    Arc::new(TestDesk { world: ArcSwap::from_pointee(world), told: Mutex::default() })
}

pub(super) fn query(id: u16, owner: &str, qtype: RecordType) -> Vec<u8> {
    let owner = name(owner);
    let mut octets = vec![0; 512];
    let question = Question { name: owner.as_ref(), qtype, qclass: Class::IN };
    let length = Writer::request(&mut octets, id, OpCode::Query, question).finish();
    octets.truncate(length);
    octets
}

pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

pub(super) fn read_message(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut prefix = [0; 2];
    stream.read_exact(&mut prefix)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(prefix))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

pub(super) fn id_of(message: &[u8]) -> u16 {
    Header::read(message).expect("a message").id
}

/// A server on a free port of loopback.
pub(super) struct Server {
    pub address: SocketAddr,
    pub streams: Streams,
    desk: Arc<TestDesk>,
}

impl Server {
    pub fn start(hosts: usize, limits: StreamLimits) -> Server {
        let sockets = listen::open("127.0.0.1:0".parse().expect("an address"), 0, 1).expect("sockets");
        let desk = desk(hosts);
        let shown: Arc<dyn Desk> = desk.clone();
        let plain = |socket| Listener { socket, tls: None };
        let listeners = sockets.tcp.into_iter().map(plain).collect();
        let streams = Streams::start(vec![listeners], &shown, limits).expect("runtimes");
        Server { address: sockets.address, streams, desk }
    }

    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).expect("a connection")
    }
}

pub(super) const LIMITS: StreamLimits =
    StreamLimits { idle: Duration::from_secs(600), connections: 64, per_client: 4, pinned_octets: 1 << 30 };

/// Two UDP workers on `listen`.
pub(super) fn start_udp(listen: &str) -> (SocketAddr, Wake, Vec<udp::Worker>) {
    let sockets = listen::open(listen.parse().expect("an address"), 2, 0).expect("sockets");
    let desk: Arc<dyn Desk> = desk(0);
    let wake = Wake::new().expect("an eventfd");
    let start = |socket| udp::Worker::start(socket, desk.clone(), wake.clone()).expect("a worker");
    let workers = sockets.udp.into_iter().map(start).collect();
    (sockets.address, wake, workers)
}

#[test]
fn a19_datagrams_are_answered_from_the_address_that_was_asked() {
    let (address, wake, workers) = start_udp("0.0.0.0:0");
    for last in 1..20 {
        let asked = SocketAddr::new(IpAddr::from([127, 0, 0, last]), address.port());
        let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        client.connect(asked).expect("connected");
        client.send(&query(u16::from(last), "ns.example.", RecordType::A)).expect("sent");
        let mut reply = [0; 512];
        let length = client.recv(&mut reply).expect("a reply");
        assert_eq!(id_of(&reply[..length]), u16::from(last));
        assert_eq!(Header::read(&reply).expect("a header").counts[1], 1);
    }
    wake.ring();
    let answered: u64 =
        workers.iter().map(|worker| worker.counters.requests(crate::ident::Transport::Udp)).sum();
    assert_eq!(answered, 19);
    workers.into_iter().for_each(udp::Worker::join);
}

#[test]
fn whole_batches_are_answered() {
    const QUERIES: u16 = 150;
    let mut sockets = listen::open("127.0.0.1:0".parse().expect("an address"), 1, 0).expect("sockets");
    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    client.connect(sockets.address).expect("connected");
    for id in 0..QUERIES {
        let owner = if id % 2 == 0 { "host-1.example." } else { "none.example." };
        client.send(&query(id, owner, RecordType::A)).expect("sent");
    }
    // All of them wait before the worker takes the first batch.
    let wake = Wake::new().expect("an eventfd");
    let socket = sockets.udp.pop().expect("one socket");
    let worker = udp::Worker::start(socket, desk(100), wake.clone()).expect("a worker");
    let mut reply = [0; 512];
    for id in 0..QUERIES {
        let length = client.recv(&mut reply).expect("a reply");
        let header = Header::read(&reply[..length]).expect("a header");
        assert_eq!((header.id, header.rcode()), (id, if id % 2 == 0 { 0 } else { 3 }));
    }
    wake.ring();
    worker.join();
}

/// The desk of another, at which each look at the clock takes long.
struct SlowDesk(Arc<TestDesk>, AtomicU64);

impl Desk for SlowDesk {
    fn world(&self) -> Guard<Arc<World>> {
        self.0.world()
    }

    fn now(&self) -> Now {
        let ticks = self.1.fetch_add(OVERLOAD_AFTER.as_millis() as u64, Ordering::Relaxed);
        Now { tick: Tick(ticks), ..self.0.now() }
    }

    fn notified(&self, _: ZoneId, _: PeerId, _: Option<Serial>) {}

    fn observed(&self, _: &[Observation]) {}

    fn delivered(&self, _: &[Delivery]) {}

    fn reported(&self, _: Reported) {}

    fn refused(&self, _: Refusal) {}

    fn history(&self, _: &Version, _: Serial) -> Vec<Arc<Delta>> {
        Vec::new()
    }
}

#[test]
fn p48_a_worker_that_falls_behind_leaves_refusals_unsent() {
    let mut sockets = listen::open("127.0.0.1:0".parse().expect("an address"), 1, 0).expect("sockets");
    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    client.connect(sockets.address).expect("connected");
    // Two full batches and a little more wait before the worker starts; every second one is refused.
    for id in 0..140 {
        let owner = if id % 2 == 0 { "host-1.example." } else { "not.ours." };
        client.send(&query(id, owner, RecordType::A)).expect("sent");
    }
    let wake = Wake::new().expect("an eventfd");
    let socket = sockets.udp.pop().expect("one socket");
    let desk = Arc::new(SlowDesk(desk(100), AtomicU64::new(1)));
    let worker = udp::Worker::start(socket, desk, wake.clone()).expect("a worker");
    let mut answered = Vec::new();
    while answered.last() != Some(&139) {
        let mut reply = [0; 512];
        let length = client.recv(&mut reply).expect("a reply");
        answered.push(id_of(&reply[..length]));
    }
    // The first batch and the last are answered whole: the one shows nothing yet, the other is not full.
    let expected: Vec<u16> = (0..140).filter(|id| id % 2 == 0 || !(64..128).contains(id)).collect();
    assert_eq!(answered, expected);
    wake.ring();
    assert_eq!(worker.counters.shed(), 32);
    worker.join();
}

#[test]
fn r30_a_reply_that_is_too_long_for_the_interface_goes_again_with_tc() {
    let owner = name("example.");
    let mut octets = query(5, "example.", RecordType::TXT);
    let question = octets.len();
    let header = Header::read(&octets).expect("a header");
    assert_eq!(udp::shorten(&mut octets), None);
    let mut octets = vec![0; 512];
    let asked = Question { name: owner.as_ref(), qtype: RecordType::TXT, qclass: Class::IN };
    let mut writer = Writer::reply(&mut octets, 512, &header, Some(asked));
    let record = RecordRef { owner: owner.as_ref(), rtype: RecordType::TXT, ttl: 1, rdata: b"\x03abc" };
    writer.record(Section::Answer, record).expect("it fits");
    let length = writer.finish();
    assert_eq!(udp::shorten(&mut octets[..length]), Some(question));
    let reader = Reader::new(&octets[..question]).expect("a message");
    assert!(reader.header().is_truncated());
    assert_eq!(reader.header().counts, [1, 0, 0, 0]);
}

#[test]
fn a13_queries_in_one_write_are_all_answered() {
    let server = Server::start(0, LIMITS);
    let mut stream = server.connect();
    let all: Vec<u8> = (0..100).flat_map(|id| framed(&query(id, "ns.example.", RecordType::A))).collect();
    stream.write_all(&all).expect("written");
    // a18: whoever has sent everything still gets its replies, and then the end.
    stream.shutdown(Shutdown::Write).expect("half closed");
    let mut ids: Vec<u16> = (0..100).map(|_| id_of(&read_message(&mut stream).expect("a reply"))).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..100).collect::<Vec<_>>());
    assert!(read_message(&mut stream).is_err());
    server.streams.stop();
}

#[test]
fn a15_a_query_in_many_segments_is_answered() {
    let server = Server::start(0, LIMITS);
    let mut stream = server.connect();
    stream.set_nodelay(true).expect("an option");
    for octet in framed(&query(9, "ns.example.", RecordType::A)) {
        stream.write_all(&[octet]).expect("written");
    }
    assert_eq!(id_of(&read_message(&mut stream).expect("a reply")), 9);
    server.streams.stop();
}

#[test]
fn a16_idle_and_half_sent_queries_are_closed() {
    let server = Server::start(0, StreamLimits { idle: Duration::from_millis(50), ..LIMITS });
    for begun in [&[][..], &[0], &[0, 40, 1, 2, 3]] {
        let mut stream = server.connect();
        stream.write_all(begun).expect("written");
        let mut rest = Vec::new();
        // Ends by FIN, or by RST where octets were left unread.
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty());
    }
    server.streams.stop();
}

#[test]
fn a17_a_client_without_a_seat_is_closed_and_others_live_on() {
    let server = Server::start(0, LIMITS);
    let mut held: Vec<TcpStream> = (0..4).map(|_| server.connect()).collect();
    for stream in &mut held {
        stream.write_all(&framed(&query(1, "ns.example.", RecordType::A))).expect("written");
        read_message(stream).expect("a reply");
    }
    assert!(read_message(&mut server.connect()).is_err());
    let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    other.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).expect("bound");
    other.connect(&server.address.into()).expect("connected");
    let mut other = TcpStream::from(other);
    other.write_all(&framed(&query(2, "ns.example.", RecordType::A))).expect("written");
    assert_eq!(id_of(&read_message(&mut other).expect("a reply")), 2);
    drop(held);
    server.streams.stop();
}

#[test]
fn d01_a_whole_zone_comes_in_many_messages_and_the_connection_goes_on() {
    const HOSTS: usize = 5_000;
    let server = Server::start(HOSTS, LIMITS);
    let mut stream = server.connect();
    let asked =
        [framed(&query(1, "example.", RecordType::AXFR)), framed(&query(2, "ns.example.", RecordType::A))];
    stream.write_all(&asked.concat()).expect("written");
    let (mut soas, mut records, mut messages) = (0, 0, 0);
    while soas < 2 {
        let message = read_message(&mut stream).expect("a message");
        messages += 1;
        let mut reader = Reader::new(&message).expect("a message");
        let mut scratch = Scratch::new();
        while let Some((section, _, record)) = reader.next_record(&mut scratch).expect("a record") {
            assert_eq!(section, Section::Answer);
            records += 1;
            soas += usize::from(record.rtype == RecordType::SOA);
        }
    }
    assert_eq!(records, HOSTS + 4);
    assert!(messages > 3, "{messages}");
    assert_eq!(id_of(&read_message(&mut stream).expect("a reply")), 2);
    server.streams.stop();
}

#[test]
fn d01_small_zones_and_replies_that_are_asked_for_together_come_in_turn() {
    let server = Server::start(1, LIMITS);
    let mut stream = server.connect();
    // More than is written at once.
    let kinds = (1..=600).map(|id| (id, [RecordType::A, RecordType::AXFR, RecordType::AXFR][id % 3]));
    let asked: Vec<u8> =
        kinds.clone().flat_map(|(id, qtype)| framed(&query(id as u16, "example.", qtype))).collect();
    let mut write = stream.try_clone().expect("a socket");
    let writer = std::thread::spawn(move || write.write_all(&asked).expect("written"));
    for (id, qtype) in kinds {
        let message = read_message(&mut stream).expect("a message");
        let header = Header::read(&message).expect("a header");
        let answers = if qtype == RecordType::AXFR { 5 } else { 0 };
        assert_eq!((usize::from(header.id), header.counts[1]), (id, answers));
    }
    writer.join().expect("written");
    server.streams.stop();
}

#[test]
fn a_transfer_that_is_refused_is_told_to_the_desk() {
    let server = Server::start(0, LIMITS);
    let mut stream = server.connect();
    stream.write_all(&framed(&query(1, "nowhere.", RecordType::AXFR))).expect("written");
    let reply = read_message(&mut stream).expect("a reply");
    assert_ne!(Header::read(&reply).expect("a header").rcode(), 0);
    assert_eq!(server.desk.told.lock().expect("a list").len(), 1);
    server.streams.stop();
}

#[test]
fn r30_after_a_panic_the_client_gets_servfail() {
    let mut out = [0; 1232];
    let asked = query(77, "ns.example.", RecordType::A);
    let length = after_panic(&asked, &mut out).expect("a reply");
    let header = Header::read(&out[..length]).expect("a header");
    assert_eq!((header.id, header.rcode(), header.is_response()), (77, 2, true));
    assert_eq!(after_panic(&out[..length], &mut [0; 1232]), None);
    assert_eq!(after_panic(&[1, 2], &mut [0; 1232]), None);
}
