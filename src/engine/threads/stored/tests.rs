use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::config::{Durability, Guard, GuardAction};
use crate::dns::Name;
use crate::dns::tsig::Keyring;
use crate::engine::{Book, Engine, EngineConfig, Role, Settings, ZoneSetup};
use crate::env::OsClock;
use crate::env::sim::{SimDisk, SimRandom};
use crate::ident::{PeerId, ZoneId};
use crate::policy::{Peers, RuleBook};
use crate::replica::follow::LowerSerial;
use crate::replica::timers::Clamps;
use crate::serve::ServerFacts;
use crate::store::{BodyWrite, Options, Store, ZoneMeta, ZoneWrite};
use crate::transfer::incoming::TransferLimits;
use crate::zone::text::load;
use crate::zone::{Demands, Version};

const PATIENCE: Duration = Duration::from_secs(60);

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn open(disk: &SimDisk) -> (Store, crate::store::Recovered) {
    Store::open(Arc::new(disk.clone()), Path::new("/state"), Options::new(&mut SimRandom::new(1))).unwrap()
}

fn version(apex: &Name, key: crate::zone::DigestKey) -> Arc<Version> {
    let text = "$TTL 300\n@ SOA ns me 9 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n";
    let mut sources = |_: &Path| -> std::io::Result<Box<dyn std::io::Read>> { Ok(Box::new(text.as_bytes())) };
    Arc::new(load(&mut sources, Path::new("/zone"), apex, key, &Demands::default()).unwrap().version)
}

fn setup(id: u32, apex: &str) -> ZoneSetup {
    let role = Role::Secondary {
        primaries: vec![PeerId(1)],
        authenticated: Vec::new(),
        ixfr: true,
        lower_serial: LowerSerial::Alert,
        limits: TransferLimits::default(),
    };
    let guard = Guard { action: GuardAction::Off, records: 0, percent: 0 };
    let (notify, demands) = (Vec::new(), Demands::default());
    ZoneSetup { id: ZoneId(id), apex: name(apex), role, notify, notify_ns: false, guard, demands }
}

/// A server on this disk with these zones, none of which reaches a primary.
fn start(disk: &SimDisk, zones: Vec<ZoneSetup>) -> (Engine, Book) {
    let (store, recovered) = open(disk);
    let (clamps, durability) = (Clamps::default(), Durability::Prefer);
    let settings = Settings { clamps, durability, digest_key: recovered.digest_key, seed: 1 };
    let book = Book {
        rules: Arc::new(RuleBook::default()),
        peers: Arc::new(Peers::default()),
        keys: Arc::new(Keyring::default()),
        facts: Arc::new(ServerFacts::default()),
        cookies: Arc::default(),
        rates: Arc::default(),
    };
    let engine = Engine::start(EngineConfig {
        shards: 1,
        workers: 1,
        settings,
        zones,
        book: book.clone(),
        clock: Arc::new(OsClock),
        store,
        recovered,
        log: Arc::new(|_, _, _, _| ()),
    });
    (engine, book)
}

#[test]
fn r09_what_is_stored_of_zones_that_are_not_configured_is_kept_shown_taken_up_and_deleted() {
    let disk = SimDisk::new();
    {
        let (mut store, recovered) = open(&disk);
        let writes = ["one.example.", "two.example.", "three.example."].map(|apex| {
            let version = version(&name(apex), recovered.digest_key);
            let meta = ZoneMeta { serial_floor: Some(version.serial()), ..ZoneMeta::default() };
            ZoneWrite { apex: name(apex), body: BodyWrite::Full(version), meta }
        });
        store.commit(&writes).unwrap();
    }
    let (engine, book) = start(&disk, vec![setup(1, "one.example.")]);
    let stored = |engine: &Engine| engine.stored().into_iter().map(|stored| stored.zone).collect::<Vec<_>>();
    assert_eq!(stored(&engine), ["three.example.", "two.example."]);
    assert_eq!(engine.stored()[0].serial, Some(9));

    engine.reload(vec![setup(1, "one.example."), setup(2, "TWO.example.")], &book);
    let serves = |status: &crate::engine::status::ZoneStatus| status.serial == Some(9);
    assert!(engine.wait_until(ZoneId(2), Instant::now() + PATIENCE, serves), "it goes on where it was");
    assert_eq!(stored(&engine), ["three.example."]);

    assert!(engine.forget_stored(name("two.example.").as_ref()).is_none(), "this one is configured");
    let reply = engine.forget_stored(name("Three.example.").as_ref()).expect("it is stored");
    assert_eq!(stored(&engine), [""; 0]);
    let is_deleted = |reply: Receiver<Result<String, String>>| {
        assert_eq!(reply.recv_timeout(PATIENCE), Ok(Ok(String::from("its state is deleted"))));
        // A crash at this very moment: the reply came when nothing was left to do.
        let mut left: Vec<String> =
            open(&disk.copy()).1.zones.iter().map(|zone| zone.apex.to_string()).collect();
        left.sort();
        left
    };
    assert_eq!(is_deleted(reply), ["one.example.", "two.example."]);
    let one = engine.zone_setup(ZoneId(1)).expect("it is configured");
    assert_eq!(is_deleted(engine.remove(&one)), ["two.example."]);
    engine.stop();
}
