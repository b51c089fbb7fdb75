//! What a zone in memory costs: time for a lookup, octets for a name, time for an edit and for a
//! publish. `cargo bench --bench lookup [-- NAMES_MAX]`; the whole run takes about a minute.
//!
//! Lookups are measured on random existing names, one after the other and in batches of 64 as the
//! UDP workers do it: hash, touch page and entry of the whole batch, answer. The rows marked `huge` are
//! of a process whose memory comes in huge pages, as the systemd unit asks for it.

use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use bellwether::dns::{Name, NameRef, RecordRef, RecordType, Records, Serial};
use bellwether::ident::ZoneId;
use bellwether::zone::{
    Builder, DigestKey, Found, Lease, Pass, Prepared, Slot, SlotState, Source, Version, ZoneSet, edit,
};

const KEY: DigestKey = DigestKey(*b"any sixteen will");
/// Has glibc ask for huge pages, as `dist/bellwether.service` does.
const HUGE_PAGES: &str = "glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1";
const BATCH: usize = 64;
const QUERIES: usize = 1 << 20;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [only, names, mark @ ..] = &arguments[..]
        && only == "--only"
    {
        lookups(names.parse().expect("a number"), mark.first().map_or("", String::as_str));
        return Ok(());
    }
    let names_max = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(10_000_000);
    println!(
        "{:>10} {:>12} {:>12} {:>14} {:>14}",
        "names", "build µs/rec", "octets/name", "one by one ns", "batches ns"
    );
    for names in [1_000, 10_000, 100_000, 1_000_000, 10_000_000u64] {
        if names <= names_max {
            // A process of its own, so that one zone's memory does not hide in what another freed.
            let program = std::env::current_exe()?;
            let names = names.to_string();
            Command::new(&program).args(["--only", &names]).status()?;
            let mut huge = Command::new(&program);
            huge.args(["--only", &names, "huge"]).env("GLIBC_TUNABLES", HUGE_PAGES).status()?;
        }
    }
    edits(names_max.min(1_000_000));
    publishes();
    Ok(())
}

/// The owner of the n-th name: ten octets in front of `example.com`.
fn owner(n: u64, out: &mut Vec<u8>) {
    out.clear();
    let label = format!("h{n:08x}x");
    out.push(label.len() as u8);
    out.extend_from_slice(label.as_bytes());
    out.extend_from_slice(b"\x07example\x03com\x00");
}

fn soa(serial: u32) -> Vec<u8> {
    let mut rdata = b"\x02ns\x07example\x03com\x00\x02hm\x07example\x03com\x00".to_vec();
    [serial, 7200, 900, 86400, 300].iter().for_each(|number| rdata.extend_from_slice(&number.to_be_bytes()));
    rdata
}

fn apex() -> Name {
    Name::parse("example.com").expect("a name")
}

fn zone(names: u64) -> Version {
    let mut builder = Builder::new(apex().as_ref(), KEY, Source::Received);
    let push = |builder: &mut Builder, owner: &[u8], rtype, rdata: &[u8]| {
        let owner = NameRef::from_wire(owner).expect("a name");
        builder.push(RecordRef { owner, rtype, ttl: 3600, rdata }).expect("in the zone");
    };
    push(&mut builder, apex().as_ref().wire(), RecordType::SOA, &soa(1));
    let mut name = Vec::new();
    for n in 0..names {
        owner(n, &mut name);
        push(&mut builder, &name, RecordType::A, &(n as u32).to_be_bytes());
    }
    builder.finish().expect("a zone").version
}

fn resident_octets() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn lookups(names: u64, mark: &str) {
    let before = resident_octets();
    let start = processor_nanos();
    let version = zone(names);
    let built = processor_nanos() - start;
    let octets = resident_octets().saturating_sub(before);

    let mut wire = Vec::new();
    let mut ends = Vec::with_capacity(QUERIES);
    let mut name = Vec::new();
    let mut state = 88_172_645_463_325_252u64;
    for _ in 0..QUERIES {
        // Xorshift: any stream of numbers does.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        owner(state % names, &mut name);
        wire.extend_from_slice(&name);
        ends.push(wire.len());
    }
    let starts = [0].into_iter().chain(ends.iter().copied());
    let queries: Vec<NameRef<'_>> = starts
        .zip(&ends)
        .map(|(start, end)| NameRef::from_wire(&wire[start..*end]).expect("a name"))
        .collect();

    let single = nanos_each(|| queries.iter().map(|qname| answer(version.find(*qname))).sum());
    let batched = nanos_each(|| {
        let mut sum = 0;
        let mut prepared: Vec<Prepared<'_, '_>> = Vec::with_capacity(BATCH);
        for batch in queries.chunks(BATCH) {
            prepared.extend(batch.iter().map(|qname| version.prepare(*qname)));
            for pass in Pass::ALL {
                prepared.iter_mut().for_each(|lookup| lookup.touch(pass));
            }
            sum += prepared.iter().map(|lookup| answer(lookup.find())).sum::<u64>();
            prepared.clear();
        }
        sum
    });
    println!(
        "{names:>10} {:>12.2} {:>12.1} {single:>14.1} {batched:>14.1} {mark}",
        built as f64 / 1e3 / names as f64,
        octets as f64 / names as f64,
    );
}

/// Reads the address, as an answer would.
fn answer(found: Found<'_>) -> u64 {
    let Found::Name(node) = found else { panic!("every name asked for exists") };
    let rrset = node.rrset(RecordType::A).expect("every name has an address");
    let rdata = rrset.records().next().and_then(|rdata| rdata.first_chunk::<4>()).expect("four octets");
    u64::from(u32::from_be_bytes(*rdata)) + u64::from(rrset.ttl())
}

/// Processor time of this thread so far: other programs on the machine do not count.
fn processor_nanos() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}

/// The best of nine runs over all queries.
fn nanos_each(mut run: impl FnMut() -> u64) -> f64 {
    let runs = (0..9).map(|_| {
        let start = processor_nanos();
        black_box(run());
        processor_nanos() - start
    });
    runs.min().unwrap_or_default() as f64 / QUERIES as f64
}

/// One record changed and the serial raised, in zones small and large.
fn edits(names_max: u64) {
    for names in [1_000, names_max] {
        let mut version = zone(names);
        let mut times = Vec::new();
        let mut name = Vec::new();
        for round in 0..200u32 {
            owner(u64::from(round) * 4_999 % names, &mut name);
            let owner = NameRef::from_wire(&name).expect("a name");
            let old = version.node(owner).and_then(|node| node.rrset(RecordType::A)).expect("an address");
            let old = old.records().next().expect("one").to_vec();
            let pack = |serial, rdata: &[u8]| {
                let mut records = Records::new();
                let apex = apex();
                let soa = soa(serial);
                records.push(RecordRef {
                    owner: apex.as_ref(),
                    rtype: RecordType::SOA,
                    ttl: 3600,
                    rdata: &soa,
                });
                records.push(RecordRef { owner, rtype: RecordType::A, ttl: 3600, rdata });
                records
            };
            let (removed, added) = (pack(round + 1, &old), pack(round + 2, &[10, 0, 0, 1]));
            let start = Instant::now();
            let (after, delta) = edit(&version, &removed, &added).expect("it fits");
            times.push(start.elapsed());
            assert_eq!(delta.to, Serial(round + 2));
            version = after;
        }
        times.sort_unstable();
        println!("edit in {names} names: median {:?}, 99th of 100 {:?}", times[100], times[198]);
    }
}

/// One zone replaced in the set of all zones.
fn publishes() {
    let version = Arc::new(zone(1));
    for zones in [10, 10_000, 100_000u32] {
        let slot = |id| {
            let apex = Name::parse(&format!("zone{id}.example")).expect("a name");
            let state = SlotState::Serving { version: Arc::clone(&version), lease: Lease::forever() };
            (apex.clone(), Some(Arc::new(Slot { id: ZoneId(id), apex, state })))
        };
        let mut set = ZoneSet::new(KEY).with(&(0..zones).map(slot).collect::<Vec<_>>());
        let mut times = Vec::new();
        for round in 0..2_000 {
            let change = [slot(round * 7_919 % zones)];
            let start = Instant::now();
            // The drop of the set before is the reaper's work in the server; here it is counted.
            set = set.with(&change);
            times.push(start.elapsed());
        }
        times.sort_unstable();
        println!("publish among {zones} zones: median {:?}, 99 of 100 {:?}", times[1000], times[1980]);
        black_box(set);
    }
}
