//! Messages from anybody, over a plain zone and two signed ones: each gets a well-formed reply or silence.
//!
//! The first octet chooses the transport; the rest is the message.
#![no_main]

use std::cell::RefCell;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use bellwether::dns::message::{Reader, Scratch};
use bellwether::dns::tsig::{Algorithm, Key};
use bellwether::dns::{Name, rdata};
use bellwether::ident::{Transport, ZoneId};
use bellwether::policy::cookies::{CookieMode, CookieSecret, Cookies};
use bellwether::policy::rates::{RateLimits, RateSettings, RateTable};
use bellwether::policy::{Rule, RuleBook, RuleSet, Who, ZoneRules};
use bellwether::serve::{Outcome, ServerFacts, WorkerState, World, serve};
use bellwether::time::{Now, Tick, Wall};
use bellwether::trace::Silent;
use bellwether::zone::{Demands, DigestKey, Lease, Slot, SlotState, ZoneSet, text};
use hickory_proto::op::Message;
use libfuzzer_sys::fuzz_target;

const KEY: DigestKey = DigestKey([7; 16]);
const NOW: Now = Now { tick: Tick(1_000), wall: Wall(1_700_000_000_000) };

static WORLD: LazyLock<World> = LazyLock::new(world);

thread_local! {
    static WORKER: RefCell<(WorkerState, Vec<u8>)> = RefCell::new((WorkerState::new(), vec![0; 65_535]));
}

fuzz_target!(|input: &[u8]| {
    let Some((way, message)) = input.split_first() else { return };
    let transports =
        [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Tls12, Transport::Https, Transport::Quic];
    let transport = transports[usize::from(*way) % transports.len()];
    WORKER.with_borrow_mut(|(worker, out)| {
        let from = "192.0.2.7:5353".parse().expect("an address");
        match serve(message.into(), from, transport, NOW, &WORLD, worker, out, &mut Silent) {
            Outcome::Reply(length) | Outcome::Notify { reply: length, .. } => {
                let reply = &out[..length];
                assert!(transport.is_stream() || length <= 1232, "{length} octets in a datagram");
                assert_eq!(reply[..2], message[..2], "the ID");
                assert_eq!((reply[2] & 0x80, message[2] & 0x80), (0x80, 0), "a reply to a request");
                assert_eq!(reply[2] & 0x78, message[2] & 0x78, "the opcode");
                Message::from_vec(reply).expect("a well-formed reply");
                read_again(reply);
            }
            Outcome::Transfer(_) => assert!(matches!(transport, Transport::Tcp | Transport::Tls)),
            Outcome::Drop => {}
        }
        worker.observed.clear();
        worker.reported.clear();
        worker.refused.clear();
    });
});

/// We too must be able to read what we write, and it must hold as many records as it says.
fn read_again(reply: &[u8]) {
    let mut reader = Reader::new(reply).expect("a reply that we can read");
    let pseudo = u16::from(reader.edns().is_some()) + u16::from(reader.tsig().is_some());
    let [_, answers, authority, additional] = reader.header().counts;
    let (mut scratch, mut seen) = (Scratch::new(), 0);
    while let Some((_, _, record)) = reader.next_record(&mut scratch).expect("a record that we can read") {
        assert!(rdata::check(record.rtype, record.rdata).is_ok());
        seen += 1;
    }
    assert_eq!(seen + pseudo, answers + authority + additional);
}

fn slot(id: u32, apex: &str, octets: &'static [u8]) -> (Name, Option<Arc<Slot>>) {
    let apex = Name::parse(apex).expect("a name");
    let mut sources = |_: &Path| -> io::Result<Box<dyn Read>> { Ok(Box::new(octets)) };
    let loaded = text::load(&mut sources, Path::new("zone"), &apex, KEY, &Demands::default());
    let version = Arc::new(loaded.unwrap_or_else(|_| panic!("{apex} does not load")).version);
    let state = SlotState::Serving { version, lease: Lease::forever() };
    (apex.clone(), Some(Arc::new(Slot { id: ZoneId(id), apex, state })))
}

fn world() -> World {
    let slots = [
        slot(1, "example.com.", include_bytes!("../zones/plain.zone")),
        slot(2, "signed.test.", include_bytes!("../zones/signed.zone")),
        slot(3, "nsec.test.", include_bytes!("../zones/nsec.zone")),
    ];
    let name = Name::parse("key.").expect("a name");
    let algorithm: Algorithm = "hmac-sha256".parse().expect("an algorithm");
    let key = Key::new(name, algorithm, b"sixteen octets!!");
    let anybody = RuleSet::new(vec![Rule { who: Who::Any, text: "any".to_owned() }]);
    let rules = [1, 2, 3].map(|id| {
        let rules = ZoneRules { transfer: anybody.clone(), query: RuleSet::any(), notify_from: Vec::new() };
        (ZoneId(id), Arc::new(rules))
    });
    let facts = ServerFacts {
        version: Some("v".to_owned()),
        identity: Some("i".to_owned()),
        nsid: Some(b"here".to_vec()),
        ..ServerFacts::default()
    };
    let settings = RateSettings { per_second: 1_000_000, slip: 2, ..RateSettings::default() };
    World {
        zones: ZoneSet::new(KEY).with(&slots),
        rules: Arc::new(RuleBook::new(rules.to_vec())),
        peers: Arc::default(),
        keys: Arc::new([Arc::new(key)].into_iter().collect()),
        facts: Arc::new(facts),
        cookies: Arc::new(Cookies::new(CookieMode::Answer, [CookieSecret([5; 16])])),
        rates: Arc::new(RateLimits::new(settings, Arc::new(RateTable::new([3; 16])))),
    }
}
