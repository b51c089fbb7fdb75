//! The store over a simulated disk: what comes back, after what.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::dns::{Name, RecordRef, RecordType, Serial};
use crate::env::sim::{SimDisk, SimRandom};
use crate::zone::{Builder, Source, diff};

mod commits;
mod crashes;
mod damage;
mod faults;

const DIR: &str = "/state";
/// Enough hosts for a body that does not fit into the database.
const MANY: u32 = 2500;

fn options() -> Options {
    Options { cache_octets: 4 << 20, ..Options::new(&mut SimRandom::new(1)) }
}

fn key() -> DigestKey {
    options().digest_key_if_new
}

#[track_caller]
fn open(disk: &SimDisk) -> (Store, Recovered) {
    open_with(disk, options())
}

#[track_caller]
fn open_with(disk: &SimDisk, options: Options) -> (Store, Recovered) {
    Store::open(Arc::new(disk.clone()), Path::new(DIR), options).expect("the store opens")
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A zone with that many hosts, each with an address made of the serial at which it came.
fn version(apex: &str, serial: u32, hosts: impl IntoIterator<Item = (u32, u32)>) -> Arc<Version> {
    let apex = name(apex);
    let mut builder = Builder::new(apex.as_ref(), key(), Source::File);
    let mut push = |owner: &Name, rtype, rdata: &[u8]| {
        builder.push(RecordRef { owner: owner.as_ref(), rtype, ttl: 300, rdata }).unwrap();
    };
    let mut soa = b"\x02ns\x00\x02me\x00".to_vec();
    for number in [serial, 3600, 600, 86_400, 60] {
        soa.extend_from_slice(&number.to_be_bytes());
    }
    push(&apex, RecordType::SOA, &soa);
    push(&apex, RecordType::NS, b"\x02ns\x00");
    for (host, since) in hosts {
        let owner = Name::join(format!("\x08host{host:04}").as_bytes(), apex.as_ref()).unwrap();
        push(&owner, RecordType::A, &since.to_be_bytes());
    }
    Arc::new(builder.finish().unwrap().version)
}

/// A zone that is edited: each edit gives all of `changed` a new address.
struct Edited {
    apex: &'static str,
    serial: u32,
    hosts: BTreeMap<u32, u32>,
    live: Arc<Version>,
}

impl Edited {
    fn new(apex: &'static str, hosts: u32) -> Edited {
        let hosts: BTreeMap<u32, u32> = (0..hosts).map(|host| (host, 1)).collect();
        let live = version(apex, 1, hosts.clone());
        Edited { apex, serial: 1, hosts, live }
    }

    fn edit(&mut self, changed: impl IntoIterator<Item = u32>) -> Arc<Delta> {
        self.serial += 1;
        self.hosts.extend(changed.into_iter().map(|host| (host, self.serial)));
        let after = version(self.apex, self.serial, self.hosts.clone());
        let delta = Arc::new(diff(&self.live, &after).unwrap());
        self.live = after;
        delta
    }

    fn full(&self) -> ZoneWrite {
        self.write(BodyWrite::Full(self.live.clone()))
    }

    fn deltas(&self, deltas: Vec<Arc<Delta>>) -> ZoneWrite {
        self.write(BodyWrite::Deltas { deltas, after: self.live.clone() })
    }

    /// With a floor that is the serial, so that data and the rest can be seen to stay together.
    fn write(&self, body: BodyWrite) -> ZoneWrite {
        let meta = ZoneMeta { role: 1, serial_floor: Some(Serial(self.serial)), ..ZoneMeta::default() };
        ZoneWrite { apex: name(self.apex), body, meta }
    }

    fn history(&self, store: &Store, from: u32) -> Option<Vec<u32>> {
        let chain = store.reader().history(&self.live, Serial(from)).unwrap()?;
        Some(chain.iter().map(|delta| delta.to.0).collect())
    }

    #[track_caller]
    fn is_in(&self, recovered: &Recovered) {
        let zone = zone(recovered, self.apex);
        assert_eq!(zone.problem, None);
        let version = zone.version.as_ref().expect("a version is there");
        assert_eq!((version.serial(), version.digest()), (self.live.serial(), self.live.digest()));
        assert_eq!(zone.meta.serial_floor, Some(version.serial()));
    }
}

#[track_caller]
fn zone<'a>(recovered: &'a Recovered, apex: &str) -> &'a RecoveredZone {
    let apex = name(apex);
    recovered.zones.iter().find(|zone| zone.apex == apex).expect("the zone is there")
}

fn body_files(disk: &SimDisk) -> usize {
    disk.list(&Path::new(DIR).join("bodies")).unwrap().len()
}
