//! What durability costs on the disk under the current directory: time for a commit by what it
//! carries, and for a start. `cargo bench --bench store [-- DIRECTORY]`; takes about a minute and
//! 200 MB, which it removes again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether::dns::{Name, RecordRef, RecordType, Serial};
use bellwether::env::{OsDisk, OsRandom};
use bellwether::store::{BodyWrite, Options, Store, ZoneMeta, ZoneWrite};
use bellwether::zone::{Builder, Delta, DigestKey, Source, Version, diff};

const ZONES: u32 = 10_000;

fn main() {
    let argument = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let dir = PathBuf::from(argument.unwrap_or_else(|| ".".to_owned())).join("bench-store-state");
    let _ = std::fs::remove_dir_all(&dir);
    let (mut store, recovered) = open(&dir);
    let key = recovered.digest_key;

    let mut many: Vec<Arc<Version>> = (0..ZONES).map(|zone| version(key, zone, 1, 10)).collect();
    let started = Instant::now();
    for group in many.chunks(64) {
        let batch: Vec<_> = group.iter().map(|version| write(BodyWrite::Full(version.clone()))).collect();
        store.commit(&batch).unwrap();
    }
    let each = started.elapsed() / ZONES;
    println!("first bodies of {ZONES} zones of 12 records, 64 a commit: {each:.1?} a zone");

    for zones in [1, 64] {
        let mut times = Vec::new();
        for round in 0..500 / zones {
            let first = round * zones % ZONES;
            let batch: Vec<_> =
                (first..first + zones).map(|zone| edit(key, zone, &mut many[zone as usize])).collect();
            let started = Instant::now();
            store.commit(&batch).unwrap();
            times.push(started.elapsed());
        }
        show(&format!("commit of {zones} delta(s)"), times);
    }

    let large = version(key, ZONES, 1, 1_000_000);
    let started = Instant::now();
    store.commit(&[write(BodyWrite::Full(large.clone()))]).unwrap();
    println!("body of 1,000,000 records written: {:.0?}", started.elapsed());
    let mut large = large;
    let times = (0..100).map(|_| {
        let batch = [edit(key, ZONES, &mut large)];
        let started = Instant::now();
        store.commit(&batch).unwrap();
        started.elapsed()
    });
    show("commit of 1 delta in that zone", times.collect());

    drop(store);
    let started = Instant::now();
    let (_, recovered) = open(&dir);
    let zones = recovered.zones.len();
    println!("start with all that ({zones} zones): {:.0?}", started.elapsed());
    assert!(recovered.zones.iter().all(|zone| zone.problem.is_none()));
    std::fs::remove_dir_all(&dir).unwrap();
}

fn open(dir: &std::path::Path) -> (Store, bellwether::store::Recovered) {
    Store::open(Arc::new(OsDisk), dir, Options::new(&mut OsRandom)).unwrap()
}

fn show(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let (middle, high) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("{what}: p50 {middle:.2?}, p99 {high:.2?}");
}

fn write(body: BodyWrite) -> ZoneWrite {
    let apex = match &body {
        BodyWrite::Full(after) | BodyWrite::Deltas { after, .. } => after.apex().to_name(),
        _ => Name::root(),
    };
    ZoneWrite { apex, body, meta: ZoneMeta { serial_floor: Some(Serial(1)), ..ZoneMeta::default() } }
}

/// The next version of a zone: one address changes, the SOA with it.
fn edit(key: DigestKey, zone: u32, live: &mut Arc<Version>) -> ZoneWrite {
    let mut builder = Builder::new(live.apex(), key, Source::Received);
    let serial = live.serial().0 + 1;
    let host = Name::join(b"\x05h0000", live.apex()).unwrap();
    if zone < ZONES {
        live.for_each(|record| {
            if record.rtype != RecordType::SOA && record.owner != host.as_ref() {
                builder.push(record).unwrap();
            }
        });
        push_changing(&mut builder, &live.apex().to_name(), serial);
        let after = Arc::new(builder.finish().unwrap().version);
        let delta = Arc::new(diff(live, &after).unwrap());
        *live = after.clone();
        return write(BodyWrite::Deltas { deltas: vec![delta], after });
    }
    let records = |serial| {
        let mut small = Builder::new(live.apex(), key, Source::Received);
        push_changing(&mut small, &live.apex().to_name(), serial);
        small.finish().unwrap().version
    };
    let step: Delta = diff(&records(serial - 1), &records(serial)).unwrap();
    let (after, delta) = bellwether::zone::edit(live, &step.removed, &step.added).unwrap();
    *live = Arc::new(after);
    write(BodyWrite::Deltas { deltas: vec![Arc::new(delta)], after: live.clone() })
}

fn push_changing(builder: &mut Builder, apex: &Name, serial: u32) {
    let mut soa = b"\x02ns\x00\x02me\x00".to_vec();
    for number in [serial, 3600, 600, 86_400, 60] {
        soa.extend_from_slice(&number.to_be_bytes());
    }
    let host = Name::join(b"\x05h0000", apex.as_ref()).unwrap();
    for (owner, rtype, rdata) in
        [(apex, RecordType::SOA, &soa[..]), (&host, RecordType::A, &serial.to_be_bytes()[..])]
    {
        builder.push(RecordRef { owner: owner.as_ref(), rtype, ttl: 300, rdata }).unwrap();
    }
}

fn version(key: DigestKey, zone: u32, serial: u32, hosts: u32) -> Arc<Version> {
    let apex: Name = format!("zone{zone}.example").parse().unwrap();
    let mut builder = Builder::new(apex.as_ref(), key, Source::File);
    push_changing(&mut builder, &apex, serial);
    let ns = RecordRef { owner: apex.as_ref(), rtype: RecordType::NS, ttl: 300, rdata: b"\x02ns\x00" };
    builder.push(ns).unwrap();
    for host in 1..hosts {
        let owner: Name = format!("h{host:04}.zone{zone}.example").parse().unwrap();
        let rdata = &host.to_be_bytes();
        builder.push(RecordRef { owner: owner.as_ref(), rtype: RecordType::A, ttl: 300, rdata }).unwrap();
    }
    Arc::new(builder.finish().unwrap().version)
}
