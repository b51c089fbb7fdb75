//! A zone of a million records, from a Bellwether to a Bellwether and to a Knot, record for record.

use std::fs::File;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Test;
use crate::bellwether::{Bellwether, Trust};
use crate::peer::{Kind, Peer, Role};
use crate::signature::Seal;
use crate::texts::ZONE;
use crate::wire::{AXFR, Message, SOA, Stream};
use crate::yard::{self, Yard};

/// The tests of this file.
pub const TESTS: &[Test] =
    &[("d04_a_million_records_reach_a_bellwether_and_a_knot", &["dig", "knotd"], a_million_records)];

/// Records of the zone, its one SOA counted.
const RECORDS: usize = 1_000_000;
/// How long a server may take to load or to take over the zone; far more than it ever should.
const LONG: Duration = Duration::from_secs(300);

fn a_million_records(yard: &Yard) {
    let (primary, secondary) = (Bellwether::new(yard, "primary"), Bellwether::new(yard, "secondary"));
    let mut knot = Peer::new(yard, Kind::Knot);
    write_zone(&primary);
    primary.primary_for(knot.address, Trust::Key);
    secondary.secondary_of(primary.address, Trust::Key);
    primary.start();
    wait(primary.address);
    // Both at the same time.
    secondary.start();
    knot.start(yard, Role::Secondary, primary.address);
    [secondary.address, knot.address].into_iter().for_each(wait);

    let [sent, taken, knots] = [primary.address, secondary.address, knot.address].map(fingerprints);
    assert_eq!(sent.len(), RECORDS);
    for (who, theirs) in [("the secondary", &taken), ("Knot", &knots)] {
        let differ = sent.iter().zip(theirs).filter(|(ours, theirs)| ours != theirs).count();
        assert!(sent == *theirs, "{who}: {} records, {differ} differ or are shifted", theirs.len());
    }
}

/// Writes the zone file: hosts of several kinds, some of them with names in their RDATA.
fn write_zone(primary: &Bellwether<'_>) {
    let mut file = BufWriter::new(File::create(primary.zone_file()).expect("a file"));
    let mut write = |line: String| file.write_all(line.as_bytes()).expect("room for the zone");
    write(format!(
        "$ORIGIN {ZONE}.\n$TTL 3600\n@ SOA ns1 hostmaster 1 3600 600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\n"
    ));
    for host in 3..RECORDS {
        let [_, a, b, c] = (host as u32).to_be_bytes();
        write(match host % 8 {
            0 => format!("host-{host} AAAA 2001:db8::{a:x}:{b:x}:{c:x}\n"),
            1 => format!("host-{host} MX 10 host-{}\n", host - 1),
            2 => format!("host-{host}.sub CNAME host-{}\n", host - 2),
            3 => format!("host-{host} 600 TXT \"number {host}\"\n"),
            4 => format!("host-{host} NS ns.host-{host}\n"),
            5 => format!("ns.host-{} A 10.{a}.{b}.{c}\n", host - 1),
            _ => format!("host-{host} A 10.{a}.{b}.{c}\n"),
        });
    }
    file.flush().expect("room for the zone");
}

/// Waits until the server answers for the zone.
fn wait(server: SocketAddr) {
    let begun = Instant::now();
    while yard::serial(server, ZONE) != Some(1) {
        assert!(begun.elapsed() < LONG, "waited {LONG:?} for the zone at {server}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A hash of each record of a transfer, the SOA once, sorted.
fn fingerprints(server: SocketAddr) -> Vec<u64> {
    let hasher = BuildHasherDefault::<DefaultHasher>::new();
    let (request, _) = Seal::flock().request(Message::query(1, ZONE, AXFR));
    let mut stream = Stream::to(server);
    stream.send(&[request.0]);
    let (mut hashes, mut soas) = (Vec::with_capacity(RECORDS + 1), 0);
    while soas < 2 {
        let message = stream.read().expect("the rest of the transfer");
        assert_eq!(message.rcode(), 0, "{server}");
        for record in message.answers() {
            soas += usize::from(record.rtype == SOA);
            hashes.push(hasher.hash_one(record));
        }
    }
    assert_eq!(hashes.first(), hashes.last(), "{server}: another SOA ends it");
    hashes.pop();
    hashes.sort_unstable();
    hashes
}
